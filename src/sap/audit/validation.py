"""The validation report: what is installed, what was required and tested, what was reproduced.

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
# What the name of a test on one study's real data says; a test that needs no such data is none.
REPRODUCED = {
    "CABA-V7, as published": ("caba", "published_trial"),
    "CDISC pilot, as printed": ("cdisc", "pilot", "sdtm"),
}
ENDED = (0, 1)  # pytest's exit codes for a run that went to its end
REAL_DATA = "shared"


class Outcome(NamedTuple):
    """One test as it ended, the requirements it names, and what it needs from outside."""

    test: str
    result: str
    requirements: tuple[str, ...]
    needs: tuple[str, ...] = ()


def required() -> dict[str, str]:
    """Each requirement: the section of a plan as an id, and the entries that stand there.

    `SAP 5.1` is the requirement `SAP-5.1`.
    """
    found: dict[str, set[str]] = {}
    for name in PLANS:
        plan = read_plan(project_home() / "analysis" / name).plan
        for entry, content in plan:
            if content is not None:
                found.setdefault(content.section.replace(" ", "-"), set()).add(entry)
    return {section: ", ".join(sorted(found[section])) for section in sorted(found, key=_rank)}


def _rank(section: str) -> tuple[int, ...]:
    return tuple(int(part) for part in section.removeprefix("SAP-").split("."))


def outcomes(junit: Path) -> list[Outcome]:
    """The tests of a junit file that pytest wrote here."""
    try:
        root = ET.parse(junit).getroot()
    except (OSError, ET.ParseError):
        raise UsageError(f"{junit} is no result of the tests: run `make validation`.") from None
    found = []
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
        named = (_values(case, name) for name in ("req", "needs"))
        found.append(Outcome(f"{module}::{case.get('name')}", result, *named))
    return sorted(found)


def _values(case: ET.Element, name: str) -> tuple[str, ...]:
    said = {str(one.get("value")) for one in case.iter("property") if one.get("name") == name}
    return tuple(sorted(said))


def faults(known: Mapping[str, str], tests: Iterable[Outcome], ended_with: int = 0) -> list[str]:
    """A requirement without a passed test, a test that names none we know, a test that failed.

    A run of the tests that did not come to its end (`ended_with`, pytest's exit code) is one too, and
    so is one that failed with no test to show for it.

    >>> faults({"SAP-1": "study"}, [Outcome("t::a", "passed", ("SAP-1",))])
    []
    >>> faults({"SAP-1": "study"}, [Outcome("t::a", "skipped", ("SAP-9",))])
    ['SAP-1 (study) has no test that passed', 't::a names the unknown requirement SAP-9']
    """
    ended = list(tests)
    shown = {name for one in ended if one.result == "passed" for name in one.requirements}
    found = [
        f"{name} ({words}) has no test that passed"
        for name, words in known.items()
        if name not in shown
    ]
    found += [
        f"{one.test} names the unknown requirement {name}"
        for one in ended
        for name in one.requirements
        if name not in known
    ]
    failed = [f"{one.test} failed" for one in ended if one.result == "failed"]
    if ended_with not in ENDED or (ended_with and not failed):
        found.append(f"the run of the tests ended with exit code {ended_with}")
    return found + failed


def versions() -> list[tuple[str, str, str]]:
    """Each package of the lock: its name, its locked version and the installed one or absent."""
    text = (project_home() / "requirements.lock").read_text(encoding="utf-8")
    return [(name, want, installed(name) or "absent") for name, want in locked(text).items()]


def lock_differences() -> list[str]:
    """Packages that are not installed as the lock says."""
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
    """How the tests on one study's real data ended, and these; all skipped means not performed."""
    mine = [
        one
        for one in tests
        if REAL_DATA in one.needs and any(mark in one.test.lower() for mark in marks)
    ]
    counts = _counts(mine)
    if counts["skipped"] == len(mine):
        return f"{NOT_PERFORMED}: {counts['skipped']} of {len(mine)} tests skipped", mine
    said = [f"{counts['passed']} of {len(mine)} tests passed"]
    said += [f"{counts[word]} {word}" for word in ("failed", "skipped") if counts[word]]
    return ", ".join(said), mine


def _counts(tests: Iterable[Outcome]) -> dict[str, int]:
    ended = [one.result for one in tests]
    return {word: ended.count(word) for word in ("passed", "failed", "skipped")}


def _states(tests: Iterable[Outcome]) -> Iterator[tuple[str, str]]:
    """Each requirement that a test names, and in a word or two how its tests ended."""
    by: dict[str, list[Outcome]] = {}
    for one in tests:
        for name in one.requirements:
            by.setdefault(name, []).append(one)
    for name, mine in by.items():
        yield name, ", ".join(f"{n} {word}" for word, n in _counts(mine).items() if n)


def report(tests: Sequence[Outcome], ended_with: int = 0) -> str:
    """The report as Markdown; no date and no machine's name, so that it can be compared."""
    known, wrong = required(), lock_differences()
    here = runlog.environment()
    counts, states = _counts(tests), dict(_states(tests))
    shown = [(name, words, states.get(name, "no test")) for name, words in known.items()]
    matrix = []
    for name, words in known.items():
        mine = [one for one in tests if name in one.requirements]
        for one in mine or [Outcome("no test", "missing", ())]:
            matrix.append((name, words, one.test, one.result))
    performed = {words: _performed(tests, marks) for words, marks in REPRODUCED.items()}
    skipped = [words for words, (said, _) in performed.items() if said.startswith(NOT_PERFORMED)]
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
            if not problems and not wrong
            else f"{len(problems) + len(wrong)} points are open."
        )
        + "".join(f" Not performed here: {words}." for words in skipped)
        + "**",
        *(["\n".join(f"- {line}" for line in [*wrong, *problems])] if problems or wrong else []),
        "## Installation (IQ)",
        f"{len(versions()) - len(wrong)} of {len(versions())} locked packages are installed"
        + (
            " in their locked version."
            if not wrong
            else f" in their locked version; {len(wrong)} differ."
        ),
        _table(
            ("Package", "Locked", "Installed", "Result"),
            (
                (name, want, has, "as locked" if want == has else "differs")
                for name, want, has in versions()
            ),
        ),
        "## Operation (OQ)",
        _table(("Requirement", "Plan entries", "Tests"), shown),
        _table(("Requirement", "Plan entries", "Test", "Result"), matrix),
        "## Performance (PQ)",
        _table(("Study", "Result"), ((words, said) for words, (said, _) in performed.items())),
        _table(
            ("Study", "Test", "Result"),
            (
                (words, one.test, one.result)
                for words, (_, mine) in performed.items()
                for one in mine
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
