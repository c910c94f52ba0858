"""Every display is read alone: title, population, N, method of intervals and tests, denominators, source.

These are the complaints of a reviewer who gets one table out of its report ("Tables should be able to
stand alone", FDA on the R Consortium's pilot 1), turned into a reading of the rendered Markdown of every
display of the study report, on a synthetic trial and on the published one.
"""

import ast
import json
import re
from pathlib import Path

import pytest

from sap.displays import register
from sap.pipeline import commands
from sap.plan import project_home

HOME = project_home()
INCLUDE = re.compile(r"\{\{< include (\S+) >\}\}")
CELL = re.compile(r"^```\{python\}\n#\| label: (\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
# Displays about the report itself count no patients.
OF_THE_REPORT = {"SAP", "dated changes", "data validation checks", "manifest of the data snapshot"}
# Sentences in a table, each with its own patients and method; and analyses that have none.
OF_NO_SET = {"tlf-synopsis", "tlf-data-gaps"}
DENOMINATOR = re.compile(
    r"denominator|[Pp]ercentages are of|one line|counts patients|distinct patients|N is the number of patients"
)


def cells() -> list[tuple[str, str, str]]:
    """Chapter, label and code of each cell of the study report that shows a display, set-up first."""
    blocks = []
    for name in INCLUDE.findall((HOME / "csr.qmd").read_text(encoding="utf-8")):
        text = (HOME / name).read_text(encoding="utf-8")
        blocks += [(name, label, code) for label, code in CELL.findall(text)]
    return blocks


def formatted(code: str, names: dict[str, object]) -> object:
    """Run a cell; the value of its last expression."""
    body = ast.parse(code).body
    if not isinstance(body[-1], ast.Expr):
        exec(compile(ast.Module(body, []), "cell", "exec"), names)  # noqa: S102 - our own chapter
        return None
    exec(compile(ast.Module(body[:-1], []), "cell", "exec"), names)  # noqa: S102
    return eval(compile(ast.Expression(body[-1].value), "cell", "eval"), names)


def rendered(run: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("SAP_RUN", str(run))
    displays, names, chapter = {}, {}, ""
    for name, label, code in cells():
        if name != chapter:
            chapter = name
        value = formatted(code, names)
        if label.startswith("tlf-"):
            displays[label] = value._repr_markdown_()
    return displays


@pytest.fixture(scope="module")
def carve(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("carve")
    plan = HOME / "analysis" / "plan.yml"
    extract = commands.simulate(place / "extract", plan, 128, {})
    cut = commands.freeze(extract, plan, "final", place / "frozen")
    return commands.analyse(cut, plan, place / "run")


@pytest.fixture(scope="module")
def caba_v7(tmp_path_factory, shared_data) -> Path:
    place = tmp_path_factory.mktemp("caba")
    plan = HOME / "analysis" / "plan-caba-v7.yml"
    extract = commands.intake("caba-v7", shared_data / "caba-v7", place / "extract")
    cut = commands.freeze(extract, plan, "final", place / "frozen")
    return commands.analyse(cut, plan, place / "run")


def missing(label: str, text: str, facts: dict[str, str]) -> list[str]:
    """What a reader of this display alone would not know."""
    caption = text.partition("```{=html}")[0]
    required = {
        "number": re.search(
            r"\[(Table|Figure|Listing) [\d.]+(-\d+)?\w?\]\{\.tlf-number\}", caption
        ),
        "title": re.search(r"\[[^\]]{3,}\]\{\.tlf-title\}", caption),
        "population": register.register()[label].population == "NONE"
        or re.search(r"\[Population: .{3,}\]\{\.tlf-population\}", caption),
        "source": re.search(r"^- Source: .{3,}", text, re.MULTILINE),
    }
    if ".tlf-absent" in text:
        why = text.partition(".tlf-absent}")[2].partition(":::")[0].strip()
        required["why it is empty"] = len(why) > 20
    elif label not in OF_NO_SET and not set(register.register()[label].source) <= OF_THE_REPORT:
        required |= of_patients(label, text, caption)
    return [name for name, there in required.items() if not there]


def of_patients(label: str, text: str, caption: str) -> dict[str, object]:
    """What a display that counts patients must state besides."""
    entry = register.register()[label]
    head = re.search(r"<thead>.*?</thead>", text, re.DOTALL)
    header = re.sub(r"<[^>]+>", " ", head[0]) if head else ""
    n = re.search(r"N=", caption + header) or re.search(r"(^|\s)N(\s|$)", header)
    if entry.kind == "listing":
        return {"N": n}
    # Counts and summaries need no method; an interval and a p-value do.
    inferred = re.search(r"\bCI\b|>p<|\bHR\b", re.sub(r"<th[^>]*>\s*p\s*</th>", ">p<", text))
    method = not inferred or re.search(r"^- Method: .{3,}", text, re.MULTILINE)
    notes = text.partition(".tlf-notes}")[2]
    shares = re.search(r"\(\d[\d.\u2007 ]*\)|%", re.sub(r"<[^>]+>", "", text))
    # 9.7.1: a percentage is of the N in the head of its column, unless a note gives another denominator.
    in_head = re.search(r"\(N=", header)
    denominators = entry.kind == "figure" or not shares or in_head or DENOMINATOR.search(notes)
    return {"N": n, "method": method, "denominators": denominators}


def faults(run: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    facts = json.loads((run / "tables" / "run.json").read_text(encoding="utf-8"))
    displays = rendered(run, monkeypatch)
    assert len(displays) > 60
    printed = {label: text for label, text in displays.items() if register.printed(label)}
    assert [label for label in displays if not displays[label]] == [
        label for label in displays if label not in printed
    ]
    lacking = {label: missing(label, text, facts) for label, text in printed.items()}
    return {label: lost for label, lost in lacking.items() if lost}


@pytest.mark.slow
def test_every_display_of_the_synthetic_trial_stands_alone(carve, monkeypatch):
    assert faults(carve, monkeypatch) == {}


@pytest.mark.slow
@pytest.mark.shared
def test_every_display_of_the_published_trial_stands_alone(caba_v7, monkeypatch):
    assert faults(caba_v7, monkeypatch) == {}


def test_the_reading_misses_nothing_that_is_not_there():
    """A display without anything lacks everything; the id is one of the catalogue."""
    facts = {"cut_off": "2019-06-30"}
    assert missing("tlf-baseline", "| 3 (12.0) | 95% CI", facts) == [
        "number",
        "title",
        "population",
        "source",
        "N",
        "method",
        "denominators",
    ]
