"""House rules that no linter knows."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sap.plan.reading import load_yaml

HOME = Path(__file__).parents[1]
CHAPTERS = sorted((HOME / "analysis" / "chapters").glob("*.qmd"))
PLANS = sorted((HOME / "analysis").glob("plan*.yml"))
CELL = re.compile(r"^```\{python\}\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`\{python\} ([^`]+)`")

by_name = {"ids": lambda path: path.name}


def code_of(chapter: Path) -> list[str]:
    text = chapter.read_text(encoding="utf-8")
    return [*CELL.findall(text), *INLINE.findall(text)]


def prose_of(chapter: Path) -> str:
    text = CELL.sub("", chapter.read_text(encoding="utf-8"))
    return INLINE.sub("", text)


@pytest.mark.parametrize("chapter", CHAPTERS, **by_name)
def test_a_chapter_reads_displays_and_does_nothing_else(chapter):
    for code in code_of(chapter):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom):
                allowed = node.module in ("sap", "sap.displays") or str(node.module).startswith(
                    "sap.displays."
                )
                assert allowed, f"{chapter.name} imports {node.module}"
                if node.module == "sap":
                    assert {a.name for a in node.names} <= {"ard"}
            forbidden = (ast.Import, ast.BinOp, ast.AugAssign, ast.FunctionDef, ast.For, ast.Lambda)
            assert not isinstance(node, forbidden), f"{chapter.name} computes: {code[:60]}"


# What a typed result looks like; numbers in headings, [@keys], {#ids} and "grade 3" are none.
TYPED = re.compile(
    r"\d+(\.\d+)?\s*(%|percent)|\b\d+\s*/\s*\d+\b|\bp\s*[=<>]\s*0?\.\d|\d+\.\d+\s+months"
)


@pytest.mark.parametrize("chapter", CHAPTERS, **by_name)
def test_a_chapter_types_no_result_into_its_prose(chapter):
    lines = [line for line in prose_of(chapter).splitlines() if not line.startswith("#")]
    found = [line for line in lines if TYPED.search(line)]
    assert not found, found[:3]


@pytest.mark.parametrize(
    "text", ["a rate of 12 %", "in 3/25 patients", "(p = 0.04)", "median 9.4 months"]
)
def test_the_pattern_of_a_typed_result_finds_one(text):
    assert TYPED.search(text)


def test_every_chapter_is_included_in_a_report_and_every_include_is_there():
    roots = [HOME / "csr.qmd", *([HOME / "dsmb.qmd"] if (HOME / "dsmb.qmd").exists() else [])]
    named = set()
    for root in roots:
        named |= set(re.findall(r"\{\{< include (\S+) >\}\}", root.read_text(encoding="utf-8")))
    assert {str(c.relative_to(HOME)) for c in CHAPTERS} == named


def test_every_display_of_the_catalogue_is_shown_and_cited_and_no_other():
    catalogue = set(yaml.safe_load((HOME / "analysis" / "displays.yml").read_text())) - {
        "house_style"
    }
    prose = HOME / "src" / "sap" / "displays" / "sentences.py"
    text = "\n".join(c.read_text(encoding="utf-8") for c in (*CHAPTERS, prose))
    shown = set(re.findall(r"^#\| label: (tlf-[a-z0-9-]+)$", text, re.MULTILINE))
    cited = set(re.findall(r'(?:ref|listed)\("(tlf-[a-z0-9-]+)"\)|\{(tlf-[a-z0-9-]+)\}', text))
    cited = {either for pair in cited for either in pair if either}
    assert shown == catalogue
    assert cited == catalogue


def numbers_of(entry: object, path: str = "") -> list[tuple[str, dict]]:
    found = []
    if isinstance(entry, dict):
        for name, inner in entry.items():
            found += numbers_of(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(entry, int | float) and not isinstance(entry, bool):
        found.append(path)
    return found


@pytest.mark.parametrize("plan", PLANS, **by_name)
def test_every_entry_of_a_plan_names_its_section_and_source(plan):
    content, _, _ = load_yaml(plan, "the plan")
    for name, entry in content.items():
        assert re.fullmatch(r"SAP \d+(\.\d+)*", entry["section"]), name
        assert entry["source"], name


@pytest.mark.parametrize("plan", PLANS, **by_name)
def test_no_two_entries_share_a_section(plan):
    content, _, _ = load_yaml(plan, "the plan")
    sections = [entry["section"] for entry in content.values()]
    assert len(sections) == len(set(sections))


@pytest.mark.parametrize("plan", PLANS, **by_name)
def test_what_no_source_gives_is_marked_as_an_assumption(plan):
    content, _, _ = load_yaml(plan, "the plan")
    assert content["design"]["assumption"] is True


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from typer.testing import CliRunner; from sap.cli import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        "heavy = {'pandas', 'numpy', 'scipy', 'matplotlib', 'great_expectations', 'pydantic'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    got = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert got.stdout.strip() == "[]"


def test_a_report_of_kept_chapters_waits_for_no_analysis_package():
    """Its chapters are read and handed to pandoc first; pandas comes beside, for the addresses."""
    code = (
        "import sys; from sap.cli import app; from sap.pipeline import runs, commands\n"
        "from sap import publish\n"
        "print(sorted({'pandas', 'numpy', 'scipy', 'matplotlib', 'nbclient'} & set(sys.modules)))"
    )
    got = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert got.stdout.strip() == "[]"


def test_one_stem_on_every_floor():
    source = HOME / "src" / "sap"
    results = {p.stem for p in (source / "results").glob("*.py")} - {
        "__init__",
        "sets",
        "design",
        "rates",
        "provenance",
    }
    for stem in results:
        assert (HOME / "tests" / f"test_{stem}.py").exists() or stem == "screening", stem


OF_A_TRIAL = (
    "cabazitaxel", "AR-V7", "ARV7", "docetaxel", "prednisone", "prednisolone", "TROPIC", "abiraterone",
    "enzalutamide", "prostate", "castration",
)  # fmt: skip


def test_the_package_knows_no_drug_marker_or_disease_of_one_trial():
    """They are in the plan, `data-contracts/` and `analysis/study/`; the simulator and one intake have them."""
    word = re.compile(rf"\b({'|'.join(OF_A_TRIAL)})\b", re.IGNORECASE)
    exempt = re.compile(r"src/sap/(simulate/|intake/caba_v7|([^/]+/)*templates/)")
    files = [
        *(path for path in (HOME / "src" / "sap").rglob("*") if path.is_file()),
        *(HOME / "analysis" / "chapters").glob("*.qmd"),
        HOME / "analysis" / "displays.yml",
    ]
    read = {}
    for path in files:
        name = path.relative_to(HOME).as_posix()
        if "__pycache__" not in name and not exempt.match(name):
            read[name] = word.findall(path.read_text("utf-8", errors="replace"))
    assert len(read) > 300
    assert {name: words for name, words in read.items() if words} == {}
