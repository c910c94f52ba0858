"""The validation report: what is installed, what was required and tested, what was reproduced.

IQ: the lock against what is installed. OQ: requirement, test, result, from the tests' own markers.
PQ: the published trial and the CDISC pilot, reproduced. Called by `make validation`.
"""

import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from sap import __version__, runlog
from sap.errors import ResultChanged, WrongUse
from sap.plan import project_home, read_plan
from sap.runlog.software import installed, locked

PLANS = ("plan.yml", "plan-caba-v7.yml")
REPRODUCED = {"CABA-V7, as published": ("caba",), "CDISC pilot, as printed": ("cdisc", "pilot")}


class Outcome(NamedTuple):
    """One test as it ended, and the requirements it names."""

    test: str
    result: str
    requirements: tuple[str, ...]


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
        raise WrongUse(f"{junit} is no result of the tests: run `make validation`.") from None
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
        named = [str(one.get("value")) for one in case.iter("property") if one.get("name") == "req"]
        module = str(case.get("classname", "")).rpartition(".")[2]
        found.append(Outcome(f"{module}::{case.get('name')}", result, tuple(sorted(set(named)))))
    return sorted(found)


def faults(known: Mapping[str, str], tests: Iterable[Outcome]) -> list[str]:
    """A requirement without a passed test, a test that names none we know, a test that failed.

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
    return found + [f"{one.test} failed" for one in ended if one.result == "failed"]


def lock_differences() -> list[str]:
    """Packages that are not installed as the lock says."""
    text = (project_home() / "requirements.lock").read_text(encoding="utf-8")
    return [
        f"{name}: {version} locked, {installed(name) or 'absent'} here"
        for name, version in locked(text).items()
        if installed(name) != version
    ]


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(
        [*lines, *("| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in rows)]
    )


NOT_PERFORMED = "not performed here"


def _performed(tests: Iterable[Outcome], marks: Sequence[str]) -> str:
    """How the tests on one study's real data ended; skipped ones, without its data, show nothing."""
    ended = [one.result for one in tests if any(mark in one.test.lower() for mark in marks)]
    done, skipped = ended.count("passed"), ended.count("skipped")
    if not done:
        return f"{NOT_PERFORMED}: {skipped} of {len(ended)} tests skipped"
    return f"{done} of {len(ended)} tests passed" + (f", {skipped} skipped" if skipped else "")


def report(tests: Sequence[Outcome]) -> str:
    """The report as Markdown; no date and no machine's name, so that it can be compared."""
    known, wrong = required(), lock_differences()
    here = runlog.environment()
    counts = {
        word: sum(one.result == word for one in tests) for word in ("passed", "failed", "skipped")
    }
    matrix = []
    for name, words in known.items():
        mine = [one for one in tests if name in one.requirements]
        for one in mine or [Outcome("no test", "missing", ())]:
            matrix.append((name, words, one.test, one.result))
    performed = [(words, _performed(tests, marks)) for words, marks in REPRODUCED.items()]
    skipped = [words for words, said in performed if said.startswith(NOT_PERFORMED)]
    problems = faults(known, tests)
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
        f"{len(here['packages'])} locked packages are installed"
        + (" in the locked versions." if not wrong else f"; {len(wrong)} differ."),
        "## Operation (OQ)",
        _table(("Requirement", "Plan entries", "Test", "Result"), matrix),
        "## Performance (PQ)",
        _table(("Study", "Result"), performed),
    ]
    return "\n\n".join(parts) + "\n"


def main(junit: Path, out: Path) -> None:
    """Write the report, then fail when a point is open."""
    tests = outcomes(junit)
    out.mkdir(parents=True, exist_ok=True)
    (out / "validation.md").write_text(report(tests), encoding="utf-8")
    sys.stdout.write(f"{out / 'validation.md'}\n")
    problems = [*lock_differences(), *faults(required(), tests)]
    if problems:
        raise ResultChanged("The validation has open points:\n  - " + "\n  - ".join(problems))


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
    except (ResultChanged, WrongUse) as error:
        sys.stderr.write(f"{type(error).__name__} (exit {error.exit_code}): {error}\n")
        sys.exit(error.exit_code)
