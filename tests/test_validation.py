"""Every section of the plan is shown by a test, and no test names a section that is not there."""

import ast
from pathlib import Path

import pytest
import yaml

from sap.audit.validation import Outcome, faults, lock_differences, outcomes, report, required
from sap.errors import WrongUse

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


JUNIT = """<testsuites><testsuite>
<testcase classname="tests.test_a" name="test_one"><properties><property name="req" value="SAP-1"/></properties></testcase>
<testcase classname="tests.test_caba" name="test_two"><failure message="x"/></testcase>
<testcase classname="tests.test_a" name="test_three"><skipped/></testcase>
</testsuite></testsuites>"""


def test_the_report_is_made_from_what_pytest_wrote(tmp_path):
    path = tmp_path / "junit.xml"
    path.write_text(JUNIT)
    got = outcomes(path)
    assert [(o.test, o.result) for o in got] == [
        ("test_a::test_one", "passed"),
        ("test_a::test_three", "skipped"),
        ("test_caba::test_two", "failed"),
    ]
    text = report(got)
    assert "| SAP-1 | study | test_a::test_one | passed |" in text
    assert "| SAP-5.1 | psa_response | no test | missing |" in text
    assert "| CABA-V7, as published | not performed here: 0 of 1 tests skipped |" in text
    assert "Not performed here: CABA-V7, as published. Not performed here: CDISC pilot" in text
    done = report([*got, Outcome("test_caba::test_four", "passed", ())])
    assert "| CABA-V7, as published | 1 of 2 tests passed |" in done
    with pytest.raises(WrongUse, match="no result of the tests"):
        outcomes(tmp_path / "none.xml")


def test_the_locked_versions_are_installed():
    assert lock_differences() == []


def test_this_run_carries_the_requirements_of_its_modules(request):
    items = [i for i in request.session.items if i.path.stem == "test_validation"]
    assert all(("req", "SAP-1") not in i.user_properties for i in items)
    others = [i for i in request.session.items if i.path.stem == "test_plan"]
    assert all(("req", "SAP-1") in i.user_properties for i in others)
