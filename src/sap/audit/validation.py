"""The validation report: installation, requirements and tests, reproduced studies.

IQ: the lock against what is installed. OQ: requirement, test, result, from the tests' own markers.
PQ: the published trial and the CDISC pilot, reproduced. Called by `make validation` with the junit
file, the folder to write and pytest's exit code.
"""

import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from sap import __version__, runlog
from sap.errors import ResultError, UsageError
from sap.plan import project_home, read_plan
from sap.runlog.software import installed, locked

PLANS = ("plan.yml", "plan-caba-v7.yml")
# By study, parts of the names of its tests; only tests that need real data count.
REPRODUCED = {
    "CABA-V7, as published": ("caba", "published_trial"),
    "CDISC pilot, as printed": ("cdisc", "pilot", "sdtm"),
}
ENDED = (0, 1)  # pytest's exit codes of a complete run
REAL_DATA = "shared"


class Outcome(NamedTuple):
    """One test: its result, its requirements, and the resources it needs."""

    test: str
    result: str
    requirements: tuple[str, ...]
    needs: tuple[str, ...] = ()


def required() -> dict[str, str]:
    """Each requirement: the section of a plan as an id, and the entries of that section.

    `SAP 5.1` is the requirement `SAP-5.1`.
    """
    entries: dict[str, set[str]] = {}
    for name in PLANS:
        plan = read_plan(project_home() / "analysis" / name).plan
        for entry, content in plan:
            if content is not None:
                entries.setdefault(content.section.replace(" ", "-"), set()).add(entry)
    return {section: ", ".join(sorted(entries[section])) for section in sorted(entries, key=_rank)}


def _rank(section: str) -> tuple[int, ...]:
    return tuple(int(part) for part in section.removeprefix("SAP-").split("."))


def outcomes(junit: Path) -> list[Outcome]:
    """The tests of a junit file that pytest wrote here."""
    try:
        root = ET.parse(junit).getroot()
    except (OSError, ET.ParseError):
        raise UsageError(f"{junit} is no result of the tests: run `make validation`.") from None
    outcomes_read = []
    for case in root.iter("testcase"):
        ended = {child.tag for child in case}
        result = (
            "failed"
            if ended & {"failure", "error"}
            else "skipped"
            if "skipped" in ended
            else "passed"
        )
        module = str(case.get("classname", "")).rpartition(".")[2]
        properties = (_values(case, name) for name in ("req", "needs"))
        outcomes_read.append(Outcome(f"{module}::{case.get('name')}", result, *properties))
    return sorted(outcomes_read)


def _values(case: ET.Element, name: str) -> tuple[str, ...]:
    values = {str(item.get("value")) for item in case.iter("property") if item.get("name") == name}
    return tuple(sorted(values))


def faults(known: Mapping[str, str], tests: Iterable[Outcome], ended_with: int = 0) -> list[str]:
    """Requirements without a passed test, tests with an unknown requirement, failed tests.

    An incomplete test run (`ended_with`, pytest's exit code) is a fault too, and so is one that
    failed without a failed test.

    >>> faults({"SAP-1": "study"}, [Outcome("t::a", "passed", ("SAP-1",))])
    []
    >>> faults({"SAP-1": "study"}, [Outcome("t::a", "skipped", ("SAP-9",))])
    ['SAP-1 (study) has no test that passed', 't::a names the unknown requirement SAP-9']
    """
    ended = list(tests)
    covered = {
        name for outcome in ended if outcome.result == "passed" for name in outcome.requirements
    }
    problems = [
        f"{name} ({words}) has no test that passed"
        for name, words in known.items()
        if name not in covered
    ]
    problems += [
        f"{outcome.test} names the unknown requirement {name}"
        for outcome in ended
        for name in outcome.requirements
        if name not in known
    ]
    failed = [f"{outcome.test} failed" for outcome in ended if outcome.result == "failed"]
    if ended_with not in ENDED or (ended_with and not failed):
        problems.append(f"the run of the tests ended with exit code {ended_with}")
    return problems + failed


def versions() -> list[tuple[str, str, str]]:
    """Each package of the lock: its name, its locked version and the installed one or absent."""
    text = (project_home() / "requirements.lock").read_text(encoding="utf-8")
    return [(name, want, installed(name) or "absent") for name, want in locked(text).items()]


def lock_differences() -> list[str]:
    """Packages whose installed version is not the locked one."""
    return [
        f"{name}: {want} locked, {here} here" for name, want, here in versions() if here != want
    ]


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(
        [*lines, *("| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in rows)]
    )


NOT_PERFORMED = "not performed here"


def _performed(tests: Iterable[Outcome], marks: Sequence[str]) -> tuple[str, list[Outcome]]:
    """The summary and the list of the tests on one study's real data; all skipped: not performed."""
    selected = [
        outcome
        for outcome in tests
        if REAL_DATA in outcome.needs and any(mark in outcome.test.lower() for mark in marks)
    ]
    counts = _counts(selected)
    if counts["skipped"] == len(selected):
        return f"{NOT_PERFORMED}: {counts['skipped']} of {len(selected)} tests skipped", selected
    parts = [f"{counts['passed']} of {len(selected)} tests passed"]
    parts += [f"{counts[word]} {word}" for word in ("failed", "skipped") if counts[word]]
    return ", ".join(parts), selected


def _counts(tests: Iterable[Outcome]) -> dict[str, int]:
    ended = [outcome.result for outcome in tests]
    return {word: ended.count(word) for word in ("passed", "failed", "skipped")}


def _states(tests: Iterable[Outcome]) -> Iterator[tuple[str, str]]:
    """Each tested requirement with the number of its passed, failed and skipped tests."""
    by: dict[str, list[Outcome]] = {}
    for outcome in tests:
        for name in outcome.requirements:
            by.setdefault(name, []).append(outcome)
    for name, outcomes_of in by.items():
        yield name, ", ".join(f"{n} {word}" for word, n in _counts(outcomes_of).items() if n)


def report(tests: Sequence[Outcome], ended_with: int = 0) -> str:
    """The report as Markdown; without date and machine name, so that two can be compared."""
    known, lock_problems = required(), lock_differences()
    here = runlog.environment()
    counts, states = _counts(tests), dict(_states(tests))
    states_shown = [(name, words, states.get(name, "no test")) for name, words in known.items()]
    matrix = []
    for name, words in known.items():
        outcomes_of = [outcome for outcome in tests if name in outcome.requirements]
        for outcome in outcomes_of or [Outcome("no test", "missing", ())]:
            matrix.append((name, words, outcome.test, outcome.result))
    performed = {words: _performed(tests, marks) for words, marks in REPRODUCED.items()}
    skipped = [
        words for words, (summary, _) in performed.items() if summary.startswith(NOT_PERFORMED)
    ]
    problems = faults(known, tests, ended_with)
    parts = [
        "# Validation report",
        (
            f"sap {__version__}, code `{runlog.tree_sum(runlog.code_sums())}`; Python {here['python']} on "
            f"{here['system']} {here['machine']}. {counts['passed']} tests passed, {counts['failed']} "
            f"failed, {counts['skipped']} skipped."
        ),
        "**"
        + (
            "Nothing is open."
            if not problems and not lock_problems
            else f"{len(problems) + len(lock_problems)} points are open."
        )
        + "".join(f" Not performed here: {words}." for words in skipped)
        + "**",
        *(
            ["\n".join(f"- {line}" for line in [*lock_problems, *problems])]
            if problems or lock_problems
            else []
        ),
        "## Installation (IQ)",
        f"{len(versions()) - len(lock_problems)} of {len(versions())} locked packages are installed"
        + (
            " in their locked version."
            if not lock_problems
            else f" in their locked version; {len(lock_problems)} differ."
        ),
        _table(
            ("Package", "Locked", "Installed", "Result"),
            (
                (name, want, has, "as locked" if want == has else "differs")
                for name, want, has in versions()
            ),
        ),
        "## Operation (OQ)",
        _table(("Requirement", "Plan entries", "Tests"), states_shown),
        _table(("Requirement", "Plan entries", "Test", "Result"), matrix),
        "## Performance (PQ)",
        _table(
            ("Study", "Result"), ((words, summary) for words, (summary, _) in performed.items())
        ),
        _table(
            ("Study", "Test", "Result"),
            (
                (words, outcome.test, outcome.result)
                for words, (_, outcomes_of) in performed.items()
                for outcome in outcomes_of
            ),
        ),
    ]
    return "\n\n".join(parts) + "\n"


def main(junit: Path, out: Path, ended_with: int = 0) -> None:
    """Write the report, then fail when a point is open.

    Raises
    ------
    ResultError
        Names every open point.
    UsageError
        The junit file cannot be read.
    """
    tests = outcomes(junit)
    out.mkdir(parents=True, exist_ok=True)
    (out / "validation.md").write_text(report(tests, ended_with), encoding="utf-8")
    sys.stdout.write(f"{out / 'validation.md'}\n")
    problems = [*lock_differences(), *faults(required(), tests, ended_with)]
    if problems:
        raise ResultError("The validation has open points:\n  - " + "\n  - ".join(problems))


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]), int([*sys.argv, "0"][3]))
    except (ResultError, UsageError) as error:
        sys.stderr.write(f"{type(error).__name__} (exit {error.exit_code}): {error}\n")
        sys.exit(error.exit_code)
