"""The reference pages under docs/reference, written from the catalogue, the plan's model and the commands.

`python -m sap.cli.reference docs/reference` writes them; a test holds them against this module.
"""

import ast
import inspect
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel

from sap import ard, errors
from sap.bundle.rules import HOW, OWN, RULES
from sap.catalogue.adam import datasets, parameters
from sap.catalogue.reporting import AXES, Analysis, analyses, statistics
from sap.oc.scenarios import BLOCKS, Scenario
from sap.plan.changes import page as changes_page
from sap.plan.faults import limits, models, type_words
from sap.plan.model import Plan
from sap.plan.schema import schema_text

ROOMS = ("contracts", "derivations", "results", "qc")
SHORT = 3  # a key of so few letters (n, r, p0) is the name of much else
HEAD = "<!-- Written by `make docs` from the code; do not edit. -->\n\n"

ARD_COLUMNS = {
    "analysis": "key of the analysis (below)",
    "section": "section of the SAP",
    "population": "analysis set",
    "group": "group of patients within the population, or the denominator",
    "paramcd": "parameter",
    "level": "category, time point, model or rule",
    "sublevel": "category within the level",
    "stat_name": "name of the statistic (below)",
    "stat": "the number with every digit; missing where it is not estimable",
    "stat_text": "a decision, date or source; or the reason why the number is not estimable",
    "method": "statistical method",
}


def _cell(text: object) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def _of_analysis(entry: Analysis) -> str:
    shown = ", ".join(f"`{name}`" for name in entry.displays) or entry.no_display
    second = entry.second if entry.second != "none" else f"none: {entry.no_second}"
    lines = [
        f"### `{entry.id}`",
        "",
        (
            f"{entry.label}. Plan: `{entry.plan}`. Populations: {', '.join(entry.populations)}. "
            f"Audience: {entry.audience}. Displays: {shown}. Second computation: {second}."
        ),
        "",
        f"Statistics: {', '.join(f'`{name}`' for name in entry.statistics)}."
        + "".join(f" Values of {axis}: `{name}`." for axis, name in entry.variables.items()),
    ]
    items = [
        (axis, f"`{item.id}`" + (" (pattern)" if item.pattern else ""), item.label)
        for axis in AXES
        for item in entry.items(axis)
    ]
    if items:
        lines += ["", _table(("Column", "Value", "Label"), items)]
    return "\n".join(lines)


def ard_page() -> str:
    """Columns, statistics and analyses of the ARD."""
    by_stem: dict[str, list[Analysis]] = {}
    for entry in analyses().values():
        by_stem.setdefault(entry.stem, []).append(entry)
    parts = [
        "# The ARD",
        (
            "One row per statistic. A row is named by its key: "
            + ", ".join(f"`{name}`" for name in ard.KEY)
            + ". A label may hold a key of the plan in braces; a pattern represents values of the "
            "data or the plan."
        ),
        _table(("Column", "Content"), [(f"`{name}`", ARD_COLUMNS[name]) for name in ard.COLUMNS]),
        "## Statistics",
        _table(
            ("stat_name", "Label", "Definition"),
            [(f"`{name}`", of["label"], of["definition"]) for name, of in statistics().items()],
        ),
        "## Analyses",
        "By stem: the name that the modules of results, qc, displays and the test share.",
    ]
    for stem, entries in sorted(by_stem.items()):
        parts += [f"## {stem}", *(_of_analysis(entry) for entry in entries)]
    return "\n\n".join(parts) + "\n"


def adam_page() -> str:
    """Datasets and columns."""
    parts = [
        "# ADaM datasets",
        "Types, origins and codelists as in src/sap/catalogue/datasets.yml.",
    ]
    for name, dataset in datasets().items():
        parts += [
            f"## {name}: {dataset.label}",
            (
                f"{dataset.structure.capitalize()}. Keys: {', '.join(dataset.keys)}. "
                f"Class: {', '.join(filter(None, (dataset.kind, dataset.subclass))).lower()}."
            ),
            _table(
                ("Variable", "Label", "Type", "Length", "Origin", "Codelist"),
                [
                    (c.name, c.label, c.type, c.length, f"{c.origin} {c.source}", c.codelist)
                    for c in dataset.columns.values()
                ],
            ),
        ]
    return "\n\n".join(parts) + "\n"


def parameters_page() -> str:
    """Parameters by dataset."""
    parts = [
        "# Parameters",
        (
            "PARAMCD of each dataset. The derivation rule is the docstring of the function in "
            "`src/sap/derivations`, printed in section 16.1.9 of the report."
        ),
    ]
    for name, known in parameters().items():
        rows = [(f"`{one.paramcd}`", one.label, one.definition) for one in known]
        parts += [f"## {name}", _table(("PARAMCD", "PARAM", "Definition"), rows)]
    return "\n\n".join(parts) + "\n"


@cache
def _used() -> dict[str, list[str]]:
    """By key of the plan, the modules that read it: an attribute of that name in their code."""
    source = Path(inspect.getfile(Plan)).parents[1]
    used: dict[str, list[str]] = {}
    for room in ROOMS:
        for path in sorted((source / room).glob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
            for name in names:
                used.setdefault(name, []).append(f"{room}/{path.name}")
    return used


def _fields(model: type[BaseModel]) -> str:
    rows = [
        (
            f"`{name}`",
            type_words(field.annotation) + (f", {bounds}" if (bounds := limits(field)) else ""),
            ("" if field.is_required() else "Optional. ") + (field.description or ""),
            ", ".join(_used().get(name, ())) if len(name) > SHORT else "",
        )
        for name, field in model.model_fields.items()
        if name not in ("section", "source", "assumption")
    ]
    return _table(("Key", "Type", "Meaning", "Read by"), rows)


def plan_page() -> str:
    """Every entry of a plan, with the entries inside it."""
    parts = [
        "# The plan",
        (
            "Every entry has `section` (SAP n.n), `source` and, where no source gives its numbers, "
            "`assumption: true`. An unknown key is refused (exit 13). *Read by* names the modules of "
            "contracts, derivations, results and qc with an attribute of that name."
        ),
    ]
    for name, field in Plan.model_fields.items():
        optional = "" if field.is_required() else " (optional)"
        for model in models(field.annotation):
            parts += [f"## `{name}`{optional}", inspect.getdoc(model) or "", _fields(model)]
            seen = {model}
            waiting = [m for f in model.model_fields.values() for m in models(f.annotation)]
            while waiting:
                inner = waiting.pop(0)
                if inner not in seen:
                    seen.add(inner)
                    parts += [f"### {inner.__name__}", inspect.getdoc(inner) or "", _fields(inner)]
                    waiting += [
                        m for f in inner.model_fields.values() for m in models(f.annotation)
                    ]
    return "\n\n".join(parts) + "\n"


def scenario_page() -> str:
    """Every block of a scenario of `sap oc`."""
    parts = [
        "# The scenario file of `sap oc`",
        (
            "`study`, `common` (blocks of all scenarios) and `scenarios`; [../oc.md](../oc.md) explains them. Shares are from 0 to 1. "
            "Every block has `source` and, where no source gives its numbers, `assumption: true`. A block that is "
            "left out is ideal: perfect visits, no stop, no false result, no toxicity."
        ),
        "## A scenario",
        _table(
            ("Key", "Meaning"),
            [
                (f"`{name}`", field.description)
                for name, field in Scenario.model_fields.items()
                if name not in BLOCKS
            ]
            + [(", ".join(f"`{name}`" for name in BLOCKS), "the blocks below")],
        ),
    ]
    for name, model in BLOCKS.items():
        rows = [
            (
                f"`{key}`",
                type_words(field.annotation) + (f", {bounds}" if (bounds := limits(field)) else ""),
                "required" if field.is_required() else _default(field.default),
                field.description,
            )
            for key, field in model.model_fields.items()
            if key not in ("source", "assumption")
        ]
        table = _table(("Key", "Type", "Left out", "Meaning"), rows)
        parts += [f"## `{name}`", inspect.getdoc(model) or "", table]
    return "\n\n".join(parts) + "\n"


def _default(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(f'{each:g}' for each in value)}]"
    return "" if value is None else f"{value:g}"


def _commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
        return
    for name, one in sorted(inner.items()):
        yield from _commands(one, f"{path} {name}")


def _parameter(one: Any) -> tuple[str, str, str]:
    name = ", ".join(f"`{opt}`" for opt in one.opts if opt.startswith("-")) or f"`{one.name}`"
    default = "" if one.default in (None, (), []) or callable(one.default) else f"`{one.default}`"
    return name, "required" if one.required else default, getattr(one, "help", "") or ""


def commands_page() -> str:
    """Every command with its arguments and options."""
    from sap.cli import app

    parts = ["# Commands", "`sap COMMAND --help` prints the same."]
    for path, command in _commands(typer.main.get_command(app), "sap"):
        rows = [_parameter(one) for one in command.params if one.name != "help"]
        parts += [f"## {path}", inspect.cleandoc(command.help or "")]
        if rows:
            parts.append(_table(("Name", "Default", "Meaning"), rows))
    return "\n\n".join(parts) + "\n"


def exit_codes_page() -> str:
    """Exit codes with the errors behind them."""
    rows = [(0, "", "Done; numerically identical included."), (1, "", "A fault of sap itself.")]
    known = [
        one
        for _, one in inspect.getmembers(errors, inspect.isclass)
        if issubclass(one, errors.SapError) and one is not errors.SapError
    ]
    named = [(one.exit_code, f"`{one.__name__}`", inspect.getdoc(one) or "") for one in known]
    return (
        "# Exit codes\n\nOf `sap`; make itself returns 2 for any recipe that fails.\n\n"
        + _table(("Code", "Error", "Meaning"), [*rows, *sorted(named)])
        + "\n"
    )


def bundle_page() -> str:
    """The files of a bundle, and the rule by which the audit compares each."""
    rows = [
        (
            rule.role,
            f"`{rule.folder}/`",
            f"`{rule.pattern}`",
            ", ".join(rule.audiences),
            rule.against,
            HOW[rule.method],
        )
        for rule in RULES
    ]
    own = [("", "", f"`{name}`", "all", against, how) for name, (against, how) in OWN.items()]
    return (
        "\n\n".join(
            [
                "# The files of a bundle",
                (
                    "A file has exactly one rule, chosen by its role and its original name (an expression in "
                    "Python's syntax). A file without a rule for the audience of the bundle is refused (exit 11). "
                    "Bytes are compared first. Where they differ, and the packages that run are not those of the "
                    "lock, the file is compared by the last column; without such a difference other bytes are a "
                    "difference (exit 12). Source, study files and lock are always compared by every byte."
                ),
                _table(
                    ("Role", "Folder", "Original name", "Audiences", "Compared with", "How"),
                    [*rows, *own],
                ),
            ]
        )
        + "\n"
    )


def pages() -> dict[str, str]:
    """Name and text of each page."""
    made = {
        "ard.md": ard_page(),
        "adam.md": adam_page(),
        "parameters.md": parameters_page(),
        "plan.md": plan_page(),
        "scenario.md": scenario_page(),
        "commands.md": commands_page(),
        "exit-codes.md": exit_codes_page(),
        "bundle.md": bundle_page(),
    }
    return {name: HEAD + text for name, text in made.items()}


def others() -> dict[str, str]:
    """Files outside of the reference, by their path in the study folder, and their text."""
    return {
        "analysis/plan.schema.json": schema_text(),
        "docs/plan-changes.md": HEAD + changes_page(),
    }


if __name__ == "__main__":
    reference = Path(sys.argv[1])
    for name, text in pages().items():
        (reference / name).write_text(text, encoding="utf-8")
    for name, text in others().items():
        (reference.parents[1] / name).write_text(text, encoding="utf-8")
