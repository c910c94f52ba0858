"""Every section of the plan is shown by a test, and no test names a section that is not there."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas
import pytest
import yaml

from sap.audit import validation
from sap.audit.validation import Outcome, faults, lock_differences, outcomes, report, required
from sap.errors import UsageError

TESTS = Path(__file__).parent
MODULES: dict[str, list[str]] = yaml.safe_load((TESTS / "requirements.yml").read_text())


def marked() -> dict[str, set[str]]:
    """The requirements that @pytest.mark.req names, by the module that does."""
    found: dict[str, set[str]] = {}
    for path in TESTS.glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.req":
                found.setdefault(path.stem, set()).add(ast.literal_eval(node.args[0]))
    return found


def test_every_section_of_the_plan_has_a_test():
    shown = set(MODULES) | {name for names in marked().values() for name in names}
    missing = {name: words for name, words in required().items() if name not in shown}
    assert not missing


def test_no_test_names_a_section_the_plan_does_not_have():
    known = set(required())
    assert not set(MODULES) - known
    assert not {(stem, n) for stem, names in marked().items() for n in names - known}


def test_every_module_of_the_table_is_there():
    named = {stem for stems in MODULES.values() for stem in stems}
    assert not {stem for stem in named if not (TESTS / f"{stem}.py").is_file()}


def test_a_requirement_without_a_passed_test_and_an_unknown_one_are_open_points():
    known = {"SAP-1": "study", "SAP-2": "inputs"}
    tests = [
        Outcome("t::a", "passed", ("SAP-1",)),
        Outcome("t::b", "skipped", ("SAP-2",)),
        Outcome("t::c", "failed", ("SAP-7",)),
    ]
    assert faults(known, tests) == [
        "SAP-2 (inputs) has no test that passed",
        "t::c names the unknown requirement SAP-7",
        "t::c failed",
    ]
    cut_short = faults(known, tests, 2)
    assert "the run of the tests ended with exit code 2" in cut_short


JUNIT = """<testsuites><testsuite>
<testcase classname="tests.test_a" name="test_one"><properties><property name="req" value="SAP-1"/></properties></testcase>
<testcase classname="tests.test_a" name="test_six"><properties><property name="req" value="SAP-1"/></properties><skipped/></testcase>
<testcase classname="tests.test_caba" name="test_two"><properties><property name="needs" value="shared"/></properties><failure message="x"/></testcase>
<testcase classname="tests.test_caba" name="test_of_no_data"/>
<testcase classname="tests.test_a" name="test_the_cdisc_pilot"><properties><property name="needs" value="shared"/></properties><skipped/></testcase>
<testcase classname="tests.test_a" name="test_collected"><error message="y"/></testcase>
</testsuite></testsuites>"""


def test_the_report_is_made_from_what_pytest_wrote(tmp_path):
    path = tmp_path / "junit.xml"
    path.write_text(JUNIT)
    got = outcomes(path)
    assert [(o.test, o.result) for o in got] == [
        ("test_a::test_collected", "failed"),
        ("test_a::test_one", "passed"),
        ("test_a::test_six", "skipped"),
        ("test_a::test_the_cdisc_pilot", "skipped"),
        ("test_caba::test_of_no_data", "passed"),
        ("test_caba::test_two", "failed"),
    ]
    text = report(got)
    assert "2 tests passed, 2 failed, 2 skipped." in text
    # IQ: each package of the lock with both versions.
    assert f"| pandas | {pandas.__version__} | {pandas.__version__} | as locked |" in text
    # OQ: the requirement, then each of its tests.
    assert "| SAP-1 | study | 1 passed, 1 skipped |" in text
    assert "| SAP-5.1 | psa_response | no test |" in text
    assert "| SAP-1 | study | test_a::test_one | passed |" in text
    assert "| SAP-5.1 | psa_response | no test | missing |" in text
    # PQ: only a test on the study's data shows anything, and one that failed is no "not performed".
    assert "| CABA-V7, as published | 0 of 1 tests passed, 1 failed |" in text
    assert "| CABA-V7, as published | test_caba::test_two | failed |" in text
    assert "| CDISC pilot, as printed | not performed here: 1 of 1 tests skipped |" in text
    assert " Not performed here: CDISC pilot, as printed.**" in text
    done = report([*got, Outcome("test_caba::test_four", "passed", (), ("shared",))])
    assert "| CABA-V7, as published | 1 of 2 tests passed, 1 failed |" in done
    with pytest.raises(UsageError, match="no result of the tests"):
        outcomes(tmp_path / "none.xml")


def test_a_package_in_another_version_or_absent_is_said_and_an_open_point(monkeypatch):
    has = {"pandas": "0.1", "scipy": None}
    installed = validation.installed
    monkeypatch.setattr(validation, "installed", lambda n: has.get(n, installed(n)))
    assert [line.split(": ")[0] for line in lock_differences()] == ["pandas", "scipy"]
    text = report([])
    assert f"| pandas | {pandas.__version__} | 0.1 | differs |" in text
    assert "| absent | differs |" in text
    assert "; 2 differ." in text


def junit_of(place: Path, failed: bool) -> Path:
    """A junit file in which one test shows every requirement, and passes or not."""
    names = "".join(f'<property name="req" value="{name}"/>' for name in required())
    ended = "<failure/>" if failed else ""
    path = place / "junit.xml"
    path.write_text(
        f'<testsuite><testcase classname="t" name="all"><properties>{names}</properties></testcase>'
        f'<testcase classname="t" name="one">{ended}</testcase></testsuite>'
    )
    return path


@pytest.mark.parametrize(
    "failed, ended_with, code, words",
    [
        (False, 0, 0, ""),
        (True, 1, 12, "t::one failed"),
        (True, 0, 12, "t::one failed"),
        (False, 2, 12, "the run of the tests ended with exit code 2"),  # interrupted
        (False, 3, 12, "the run of the tests ended with exit code 3"),  # internal error
        (False, 1, 12, "the run of the tests ended with exit code 1"),  # nothing to show for it
    ],
)
def test_the_command_fails_when_a_test_did_or_the_run_was_cut_short(
    tmp_path, failed, ended_with, code, words
):
    junit = junit_of(tmp_path, failed)
    got = subprocess.run(
        [sys.executable, "-m", "sap.audit.validation", junit, tmp_path, str(ended_with)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert got.returncode == code, got.stderr
    assert words in got.stderr
    text = (tmp_path / "validation.md").read_text(encoding="utf-8")
    assert ("Nothing is open." in text) == (code == 0)


PYTEST = """#!/bin/sh
for word; do last=$word; done
cp ../{junit} "$last" 2>/dev/null
exit {code}
"""


@pytest.mark.parametrize(
    "junit, code, fails",
    [("passed.xml", 0, False), ("failed.xml", 1, True), ("passed.xml", 2, True), ("none", 4, True)],
)
def test_make_validation_fails_when_pytest_did_and_never_reads_an_old_result(
    tmp_path, junit, code, fails
):
    """The rule of the Makefile itself, with a pytest that copies a result and ends as it is told."""
    place = tmp_path / "project"
    (place / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(TESTS.parent / "Makefile", place)
    for name in ("requirements.lock", "pyproject.toml"):
        (place / name).touch()
    (tmp_path / "passed.xml").write_text(junit_of(tmp_path, failed=False).read_text())
    (tmp_path / "failed.xml").write_text(junit_of(tmp_path, failed=True).read_text())
    (place / "build" / "validation").mkdir(parents=True)
    shutil.copy(tmp_path / "passed.xml", place / "build" / "validation" / "junit.xml")
    fake = place / ".venv" / "bin" / "pytest"
    fake.write_text(PYTEST.format(junit=junit, code=code))
    fake.chmod(0o755)
    (place / ".venv" / "bin" / "python").symlink_to(sys.executable)
    (place / ".venv" / ".installed").touch()
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "MAKEFLAGS": "",
        "PYTHON": "python3",
    }
    got = subprocess.run(
        ["make", "validation"], cwd=place, env=env, capture_output=True, text=True, check=False
    )
    assert (got.returncode != 0) == fails, got.stderr
    assert (place / "build" / "validation" / "validation.md").is_file() == (junit != "none")


def test_the_locked_versions_are_installed():
    assert lock_differences() == []


def test_this_run_carries_the_requirements_of_its_modules(request):
    items = [i for i in request.session.items if i.path.stem == "test_validation"]
    assert all(("req", "SAP-1") not in i.user_properties for i in items)
    others = [i for i in request.session.items if i.path.stem == "test_plan"]
    assert all(("req", "SAP-1") in i.user_properties for i in others)
