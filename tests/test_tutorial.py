"""docs/tutorial.md is followed word for word in a copy of the repository: what it promises is there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sap import ard

HOME = Path(__file__).parents[1]
STEP = re.compile(
    r"In\s`([^`]+)`,\s(?:before\s`([^`]+)`|at\sthe\send):\n\n(`{3,4})[a-z]+\n(.*?)^\3$",
    re.MULTILINE | re.DOTALL,
)
COPIED = ("src", "analysis", "data-contracts", "tests")


def follow(home: Path) -> list[str]:
    """Do every step of the page; the files that were changed."""
    changed = []
    for path, anchor, _, block in STEP.findall((HOME / "docs/tutorial.md").read_text()):
        text = (home / path).read_text(encoding="utf-8")
        if anchor:
            assert text.count(f"\n{anchor}") == 1, f"{path}: {anchor!r}"
            text = text.replace(f"\n{anchor}", f"\n{block}{anchor}")
        else:
            text += block
        (home / path).write_text(text, encoding="utf-8")
        changed.append(path)
    return changed


def called(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    own = {"PYTHONPATH": str(home / "src"), "PATH": os.environ["PATH"]}
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=home, env=own, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("tutorial") / "sap"
    for name in COPIED:
        shutil.copytree(HOME / name, home / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in HOME.glob("*.*"):
        if path.is_file():
            shutil.copy(path, home)
    return home


@pytest.mark.slow
def test_the_tutorial_gives_a_result_a_table_a_second_computation_and_a_test(copy):
    changed = follow(copy)
    assert len(set(changed)) == 7
    tests = ["test_catalogue.py", "test_ctc.py", "test_architecture.py", "test_rules.py"]
    done = called(
        copy, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", "not slow",
        *(f"tests/{name}" for name in tests),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    plan = ("--plan", "analysis/plan.yml")
    for words in (
        ("simulate", "build/extract", "--seed", "5", "--n", "60", *plan),
        ("freeze", "build/extract", "--cut-off", "final", "--out", "build/frozen", *plan),
    ):
        done = called(copy, "-m", "sap", *words)
        assert done.returncode == 0, done.stderr
    cut = next((copy / "build/frozen").glob("final-*"))
    done = called(copy, "-m", "sap", "analyse", str(cut), "--out", "build/run", *plan)
    assert done.returncode == 0, done.stderr
    rows = ard.from_csv(copy / "build/run/ard.csv")
    assert set(rows.loc[rows["analysis"] == "ctc_clearance", "stat_name"]) == {
        "n", "N", "estimate", "conf_level", "conf_low", "conf_high",
    }  # fmt: skip
    code = (
        "from pathlib import Path; from sap import ard, qc; from sap.plan import read_plan\n"
        f"plan = read_plan(Path('analysis/plan.yml')).plan; cut = Path({str(cut)!r})\n"
        "rows = qc.compare(cut, plan, ard.from_csv(Path('build/run/ard.csv'))).rows\n"
        "print(sorted(rows.loc[rows['analysis'] == 'ctc_clearance', 'result'].unique()))"
    )
    assert called(copy, "-c", code).stdout.strip() == "['agrees']"
    done = called(copy, "-m", "sap", "report", "build/run")
    assert done.returncode == 0, done.stderr
    page = (copy / "build/run/csr.html").read_text(encoding="utf-8")
    assert "CTC count of 0 at the visit of the plan" in page


@pytest.mark.slow
def test_a_missing_step_is_named_by_a_failing_test(copy, tmp_path):
    """With the description alone, the walk over the catalogue names all that is missing."""
    home = tmp_path / "sap"
    shutil.copytree(copy, home, ignore=shutil.ignore_patterns("__pycache__", "build"))
    for name in COPIED:
        shutil.rmtree(home / name)
        shutil.copytree(HOME / name, home / name, ignore=shutil.ignore_patterns("__pycache__"))
    path = home / "src/sap/catalogue/analyses/ctc.yml"
    described = STEP.search((HOME / "docs/tutorial.md").read_text())
    assert described is not None
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("\nctc_course:", f"\n{described[4]}ctc_course:"))
    done = called(
        home, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_catalogue.py",
        "-k", "ctc_clearance",
    )  # fmt: skip
    failed = set(re.findall(r"FAILED tests/test_catalogue.py::(\w+)", done.stdout))
    assert failed == {
        "test_an_analysis_is_made_by_a_function_of_its_own_stem",
        "test_an_analysis_is_shown_by_the_displays_it_names_or_says_why_not",
        "test_an_analysis_has_a_second_computation_in_its_own_stem_or_says_why_not",
        "test_rows_of_an_analysis_are_worked_by_hand_in_the_test_of_its_stem",
    }
