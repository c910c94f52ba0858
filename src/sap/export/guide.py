"""The analysis data reviewer's guide, written from what the report was made from.

Nothing in it is typed by hand: datasets and programs come from the pipeline's own steps, displays
from the catalogue, selection criteria from the programs' docstrings, versions from the lock.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sap.catalogue.adam import dataset_label, label_of
from sap.catalogue.reporting import analysis


class Step(NamedTuple):
    """One step of the pipeline: its name, what it reads, its program, what the program says it does."""

    name: str
    reads: tuple[str, ...]
    program: str
    words: str


class Facts(NamedTuple):
    """The inputs of the guide."""

    run: Mapping[str, Any]
    plan: Mapping[str, Any]
    catalogue: Mapping[str, Any]
    datasets: Mapping[str, Sequence[str]]
    rows: Mapping[str, int]
    makes_datasets: Sequence[Step]
    makes_results: Mapping[str, Step]
    flags: Mapping[str, str]
    environment: Mapping[str, Any]
    version: str
    code: str
    required: Sequence[str]


def _cell(text: object) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def _first_sentence(words: str) -> str:
    return words.strip().partition("\n\n")[0].replace("\n", " ")


def reviewers_guide(facts: Facts) -> str:
    """The guide as Markdown."""
    run = facts.run
    parts = [
        f"# Analysis data reviewer's guide: {run['study']}",
        f"Study {run['study']} ({run['registry']}). Data cut-off {run['cut_off']} "
        f"({run['cut_off_name']}), frozen cut `{run['cut_id']}`."
        + (" The data are synthetic." if run.get("synthetic") else ""),
        "## 1 Standards",
        _table(
            ("Standard", "Where it is used"),
            [
                ("SDTM, as specified in data-contracts/*.odcs.yaml (ODCS 3)", "input"),
                ("ADaM structures BDS, OCCDS, ADSL and ADTTE", "analysis datasets"),
                ("SAS transport version 5; Dataset-JSON 1.1", "exchange"),
                ("Define-XML 2.1", "definition of the datasets (define.xml, define.html)"),
                ("Analysis Results Standard (ARS) 1.0", "results (ars.json)"),
                ("ICH E3", "numbers of sections, tables and figures"),
            ],
        ),
        (
            f"Required domains: {', '.join(d.upper() for d in facts.required)}. Dates are SAS dates "
            "(days since 1960-01-01, format DATE9.) in XPT and ISO 8601 in Dataset-JSON."
        ),
        "## 2 Population flags",
        _table(
            ("Population of the results", "Variable of ADSL", "Label"),
            [(population, flag, label_of(flag)) for population, flag in facts.flags.items()],
        ),
        "## 3 Analysis datasets",
        _table(
            ("Dataset", "Label", "Records", "Variables"),
            [
                (name.upper(), dataset_label(name), facts.rows[name], ", ".join(columns))
                for name, columns in sorted(facts.datasets.items())
            ],
        ),
        "## 4 Dependencies and programs of the datasets",
        "Intermediate steps keep their name; SDTM means the frozen cut, PLAN the plan.",
        _table(
            ("Step", "Reads", "Program", "What it holds"),
            [
                (
                    s.name.upper(),
                    ", ".join(r.upper() for r in s.reads),
                    s.program,
                    _first_sentence(s.words),
                )
                for s in facts.makes_datasets
            ],
        ),
        "## 5 From dataset to program to display",
        _table(
            ("Display", "Title", "Population", "Selection", "Datasets", "Program"),
            _display_rows(facts),
        ),
        "## 6 Rules of the plan",
        _table(("Section", "Key", "Value", "Source"), _plan_rows(facts.plan)),
        "## 7 Software",
        (
            f"sap {facts.version}, code `{facts.code}`; Python {facts.environment.get('python')} on "
            f"{facts.environment.get('system')} {facts.environment.get('machine')}."
        ),
        _table(("Package", "Version"), sorted((facts.environment.get("packages") or {}).items())),
        "## 8 Steps to run it again",
        (
            "1. In an empty folder: `python3 -m venv venv`.\n"
            "2. `venv/bin/pip install --require-hashes --no-deps -r environment/requirements-lock.txt`.\n"
            f"3. `venv/bin/pip install --no-index --no-deps environment/single_arm_sap-{facts.version}-py3-none-any.whl`, "
            "after its checksum was compared (readme.md).\n"
            "4. `venv/bin/sap audit BUNDLE --out audit`, with BUNDLE the folder of this guide. "
            "Its page says whether every number was reproduced."
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _display_rows(facts: Facts) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for entry in facts.catalogue.values():
        if not isinstance(entry, Mapping) or "number" not in entry:
            continue
        steps = [facts.makes_results.get(analysis(a).id) for a in entry.get("analysis") or ()]
        known = [s for s in steps if s is not None]
        programs = sorted({s.program for s in known})
        population = str(entry["population"])
        flag = facts.flags.get(population)
        reads = {r.upper() for s in known for r in s.reads} - {"PLAN"}
        rows.append(
            (
                f"{str(entry['kind']).capitalize()} {entry['number']}",
                str(entry["title"]),
                population,
                f"{flag} = Y" if flag else "all",
                ", ".join(sorted(reads) or entry.get("source") or ()),
                ", ".join(programs) or "shows data",
            )
        )
    return rows


def _plan_rows(plan: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    rows = []
    for name, entry in plan.items():
        if not isinstance(entry, Mapping):
            continue
        source = str(entry.get("source", "")) + (" (assumption)" if entry.get("assumption") else "")
        for key, value in entry.items():
            if key not in ("section", "source", "assumption"):
                shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
                rows.append((str(entry.get("section", "")), f"{name}.{key}", shown, source))
    return rows
