"""Where each number of a report comes from: the row of the ARD, or the entry of the plan."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from sap import ard
from sap.pipeline import runs
from sap.pipeline.analyses import maker_of

SEVERITIES = ("critical", "warning", "info", "accepted")
CHANGES = ("moved", "new", "gone", "same")


def addresses(rows: pd.DataFrame, plan: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What the reader of the HTML is shown about a number, by its key.

    For a row of the ARD: its columns, the datasets it was computed from and the code that did it.
    For a number of the plan (`plan|psa_response.decline_pct`): section, source, and whether the
    plan only assumes it.
    """
    known: dict[str, dict[str, Any]] = {}
    for row in rows.to_dict("records"):
        shown = {
            str(k): ard.visible(v) if isinstance(v, str) else v
            for k, v in row.items()
            if v not in ("", None) and v == v  # noqa: PLR0124
        }
        maker = maker_of(str(row["analysis"]))
        if maker is not None:
            shown["datasets"] = ", ".join(name.upper() for name in maker.datasets) or "the plan"
            shown["code"] = maker.function
        known[ard.key({str(k): v for k, v in row.items()})] = shown
    for path, value, entry in _numbers("", plan, {}):
        known[f"plan|{path}"] = {
            "plan": path,
            "value": value,
            "section": entry.get("section", ""),
            "source": entry.get("source", ""),
            "assumption": entry.get("assumption", False),
        }
    return known


def of_run(run: Path) -> dict[str, dict[str, Any]]:
    """All addresses of a run folder: of its ARD, of its plan and of its other tables."""
    plan = runs.table_of(run, "plan")
    return addresses(ard.from_csv(run / "ard.csv"), plan) | of_files(run / "tables")


def of_files(tables: Path) -> dict[str, dict[str, Any]]:
    """Where the numbers about the data and the report lead that no ARD holds.

    1. `findings|severity` and `findings|severity|domain|rule`: the contracts' findings.
    2. `manifest|file|rows`, `|columns`, `|sha256`: the manifest of the frozen cut.
    3. `mapped|line`: what a line of the map of the intake met.
    4. `changes|kind|analysis`, and `changes|before|key` of a row: the comparison of two ARDs.
    """
    known: dict[str, dict[str, Any]] = {}
    for one in _read(tables / "findings.json", []):
        contract = {"dataset": "findings.json", "severity": one["severity"]}
        rule = contract | {
            "domain": one["domain"],
            "rule": one["rule"],
            "contract": f"data-contracts/{one.get('contract') or one['domain'] + '.odcs.yaml'}",
        }
        place = f"findings|{'accepted' if one.get('accepted') else one['severity']}"
        for key, named in ((place, contract), (f"{place}|{one['domain']}|{one['rule']}", rule)):
            known.setdefault(key, named | {"findings": 0})["findings"] += 1
    for severity in SEVERITIES:
        none = {"dataset": "findings.json", "severity": severity, "findings": 0}
        known.setdefault(f"findings|{severity}", none)
    for file in _read(tables / "manifest.json", {"files": []})["files"]:
        if "rows" not in file:  # the manifest of an open report
            continue
        shown = {"dataset": "manifest.json", "file": file["name"]}
        values = {"rows": file["rows"], "columns": len(file["columns"]), "sha256": file["sha256"]}
        for name, value in values.items():
            known[f"manifest|{file['name']}|{name}"] = shown | {name: value}
    for one in _read(tables / "mapped.json", []):
        shown = {"dataset": "mapped.json", "line": one["LINE"], "count": one["COUNT"]}
        known[f"mapped|{one['LINE']:.0f}"] = shown
    rows = _read(tables / "changes.json", {"rows": []})["rows"]
    for row in rows:
        analysis = str(row["key"]).partition("|")[0]
        shown = {"dataset": "changes.csv", "analysis": analysis}
        known[f"changes|before|{row['key']}"] = shown | {"row": row["key"], "before": row["before"]}
        for kind in CHANGES:
            tally = known.setdefault(f"changes|{kind}|{analysis}", shown | {kind: 0})
            tally[kind] += kind == row["change"]
    return known


def _read(path: Path, otherwise: Any) -> Any:
    return runs.json_of(path) if path.is_file() else otherwise


def _numbers(
    path: str, here: Any, entry: dict[str, Any]
) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    if isinstance(here, dict):
        entry = here if "section" in here else entry
        for name, inner in here.items():
            yield from _numbers(f"{path}.{name}" if path else name, inner, entry)
    elif isinstance(here, list):
        for place, inner in enumerate(here):
            yield from _numbers(f"{path}.{place}", inner, entry)
    elif here is not None:
        yield path, here, entry
