"""Accepted findings and the intake map of a study: reading, freezing and reporting."""

import json
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from sap import contracts
from sap.contracts.accepted import NONE
from sap.errors import ContractError, UsageError
from sap.intake import sdtm_map
from sap.plan import PlanFile

ACCEPTED = "accepted.yml"
"""The name of the file in a frozen cut (the plan may use another name)."""


def of_plan(
    plan: PlanFile, plan_path: Path, rules: Mapping[str, contracts.Contract], other: Path | None
) -> contracts.Accepted:
    """The accepted findings of the file named in the plan, or of another file."""
    named = plan.plan.inputs.accepted
    path = other or (None if named is None else plan_path.parent / named)
    return NONE if path is None else contracts.read_accepted(path, rules)


def of_cut(cut: Path, rules: Mapping[str, contracts.Contract]) -> contracts.Accepted:
    """The accepted findings that were frozen with a cut."""
    path = cut / ACCEPTED
    return contracts.read_accepted(path, rules) if path.is_file() else NONE


def attachments(accepted: contracts.Accepted, extract: Path) -> dict[str, bytes]:
    """Further files of a cut: the accepted findings, and the map by which the extract was made."""
    made = {ACCEPTED: accepted.content} if accepted.name else {}
    written = extract / sdtm_map.MAP
    return made | ({sdtm_map.MAP: written.read_bytes()} if written.is_file() else {})


def refuse_other_map(extract: Path, tables: Mapping[str, Any]) -> None:
    """Refuse an extract whose `map.yml` is not the one by which it was made.

    Raises
    ------
    UsageError
        Names the line of `mapped` that the map does not give.
    """
    fault = sdtm_map.fault_of_lines(extract, tables.get(sdtm_map.MAPPED))
    if fault:
        raise UsageError(
            f"{extract}: {fault}. The map and its table are written together: make the extract again "
            "(sap intake sdtm DIR OUT --map FILE)."
        )


def map_lines(cut: Path) -> list[dict[str, Any]]:
    """The effect of each line of the map, for the report; empty without a map."""
    import pandas as pd

    path = cut / f"{sdtm_map.MAPPED}.parquet"
    if not path.is_file():
        return []
    lines: list[dict[str, Any]] = json.loads(pd.read_parquet(path).to_json(orient="records"))
    return lines


def findings_of(cut: Path) -> Any:
    """The findings that were frozen with a cut; missing is None."""
    import pandas as pd

    texts: dict[Hashable, str] = dict.fromkeys(contracts.FINDING_COLUMNS, "object")
    read = pd.read_csv(cut / "findings.csv", dtype=texts)
    cells = {
        name: [None if pd.isna(cell) else cell for cell in read[name]]
        for name in contracts.FINDING_COLUMNS
    }
    rows = pd.to_numeric(read["row"]).astype("Int64")
    return pd.DataFrame(cells, dtype=object).assign(row=rows)


def refuse_unmet(accepted: contracts.Accepted, unmatched: list[int], extract: Path) -> None:
    """Refuse accepted findings that match no finding of the extract.

    Raises
    ------
    ContractError
        Names each entry by its number and rule (exit 10).
    """
    if not unmatched:
        return
    lines = [f"  - entry {n + 1}: {accepted.entries[n].rule}" for n in unmatched]
    raise ContractError(
        f"{accepted.name} accepts {len(unmatched)} finding(s) that {extract} does not have:\n"
        + "\n".join(lines)
        + "\nRemove the entry, or correct its rule, subject or sequence."
    )


def record(cut: Path, findings: Any) -> list[dict[str, Any]]:
    """Each accepted finding of a cut with its matching findings, for the report.

    `findings` is the number of matches; 0 where the record is not in the cut.
    """
    rules = contracts.load()
    entries = []
    for entry in of_cut(cut, rules).entries:
        marked, _ = contracts.accept(findings, [entry])
        matched = marked[marked["accepted"] == "Y"]
        description = next(
            rule.description
            for contract in rules.values()
            for rule in contract.rules
            if rule.name == entry.rule
        )
        entries.append(
            entry.model_dump(mode="json")
            | {
                "description": description,
                "findings": len(matched),
                "rows": [int(r) for r in matched["row"]],
            }
        )
    return entries
