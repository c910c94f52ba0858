"""The lists of tests/mutation.yml name what is there, and the tool makes the mutants it promises."""

import importlib.util
import sys
from pathlib import Path

import pytest
import yaml

HOME = Path(__file__).parents[1]
spec = importlib.util.spec_from_file_location("mutation", HOME / "tests" / "mutation.py")
mutation = importlib.util.module_from_spec(spec)
sys.modules["mutation"] = mutation
spec.loader.exec_module(mutation)

NAMED, EQUIVALENT = mutation.settings()


@pytest.mark.parametrize("room", mutation.ROOMS)
def test_each_module_of_a_room_has_tests_that_must_notice_its_mutants(room):
    files = [str(path.relative_to(HOME)) for path in mutation.files_of(room)]
    assert files
    for file in files:
        assert mutation.files_for(file, NAMED)


def test_each_file_with_tests_of_another_name_exists():
    assert [file for file in NAMED if not (HOME / file).exists()] == []


def test_nothing_is_listed_twice():
    """A key that stands twice would hide the tests of the first; an equivalent mutant has one reason."""
    written = yaml.compose((HOME / "tests" / "mutation.yml").read_text(encoding="utf-8"))
    lists = {key.value: value for key, value in written.value}
    assert len(lists) == len(written.value)
    files = [key.value for key, _ in lists["tests"].value]
    assert sorted(set(files)) == sorted(files)
    assert len(lists["equivalent"].value) == len(EQUIVALENT)


def test_each_equivalent_mutant_exists_and_has_a_reason():
    for (file, line, change), reason in EQUIVALENT.items():
        source = (HOME / file).read_text(encoding="utf-8")
        keys = {mutant.key for mutant in mutation.mutants_of(file, source)}
        assert (file, line, change) in keys, change
        assert len(reason.split()) >= 4, change


@pytest.mark.parametrize(
    "expression, changes",
    [
        ("a >= b", ["a > b", "a <= b"]),
        ("a == b", ["a != b"]),
        ("a and b", ["a or b"]),
        ("a & b", ["a | b"]),
        ("a / b", ["a * b"]),
        ("not a", ["a"]),
        ("min(a, b)", ["max(a, b)"]),
        ("a.max()", ["a.min()"]),
        ("a in b", ["a not in b"]),
        ("'<' + a", []),
    ],
)
def test_an_expression_has_these_mutants(expression, changes):
    source = f"def f(a, b):\n    yield {expression}\n"
    mutants = mutation.mutants_of("a.py", source)
    assert [m.change for m in mutants] == [f"{expression} -> {change}" for change in changes]
    for mutant, change in zip(mutants, changes, strict=True):
        assert mutant.source == f"def f(a, b):\n    yield ({change})\n"


def test_annotations_and_type_aliases_have_no_mutants():
    assert (
        mutation.mutants_of("a.py", "Cell = str | None\ndef f(a: int | None) -> int | None: ...\n")
        == []
    )


def test_a_changed_line_leaves_the_rest_of_the_sample():
    few, more = (mutation.sample("formats", "", size, 1) for size in (5, 10))
    assert {m.key for m in few} < {m.key for m in more}
