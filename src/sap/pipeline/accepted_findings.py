"""What a study says of its source, on its way: findings it accepts, and the map of its intake."""

import json
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from sap import contracts
from sap.contracts.accepted import NONE
from sap.errors import ContractError
from sap.intake import sdtm_map
from sap.plan import PlanFile

ACCEPTED = "accepted.yml"
"""The name of the file in a frozen cut, whatever its name beside the plan."""


def of_plan(
    plan: PlanFile, plan_path: Path, rules: Mapping[str, contracts.Contract], other: Path | None
) -> contracts.Accepted:
    """The accepted findings that the plan names, or those of another file."""
    named = plan.plan.inputs.accepted
    path = other or (None if named is None else plan_path.parent / named)
    return NONE if path is None else contracts.read_accepted(path, rules)


def of_cut(cut: Path, rules: Mapping[str, contracts.Contract]) -> contracts.Accepted:
    """The accepted findings that were frozen with a cut."""
    path = cut / ACCEPTED
    return contracts.read_accepted(path, rules) if path.is_file() else NONE


def beside(accepted: contracts.Accepted, extract: Path) -> dict[str, bytes]:
    """The files that travel with a cut: what is accepted, and the map the extract was made by."""
    made = {ACCEPTED: accepted.content} if accepted.name else {}
    written = extract / sdtm_map.MAP
    return made | ({sdtm_map.MAP: written.read_bytes()} if written.is_file() else {})


def map_lines(cut: Path) -> list[dict[str, Any]]:
    """What each line of the map did, for the report; nothing where the data came without one."""
    import pandas as pd

    path = cut / f"{sdtm_map.MAPPED}.parquet"
    if not path.is_file():
        return []
    lines: list[dict[str, Any]] = json.loads(pd.read_parquet(path).to_json(orient="records"))
    return lines


def findings_of(cut: Path) -> Any:
    """The findings that were frozen with a cut, as the check made them: missing is None."""
    import pandas as pd

    texts: dict[Hashable, str] = dict.fromkeys(contracts.FINDING_COLUMNS, "object")
    read = pd.read_csv(cut / "findings.csv", dtype=texts)
    cells = {
        name: [None if pd.isna(cell) else cell for cell in read[name]]
        for name in contracts.FINDING_COLUMNS
    }
    rows = pd.to_numeric(read["row"]).astype("Int64")
    return pd.DataFrame(cells, dtype=object).assign(row=rows)


def refuse_unmet(accepted: contracts.Accepted, unmet: list[int], extract: Path) -> None:
    """An entry that meets no finding of the extract accepts something that is not there.

    Raises
    ------
    ContractError
        Names each entry by its number and rule (exit 10).
    """
    if not unmet:
        return
    lines = [f"  - entry {n + 1}: {accepted.entries[n].rule}" for n in unmet]
    raise ContractError(
        f"{accepted.name} accepts {len(unmet)} finding(s) that {extract} does not have:\n"
        + "\n".join(lines)
        + "\nTake the entry out, or mend its rule, subject or sequence."
    )


def record(cut: Path, findings: Any) -> list[dict[str, Any]]:
    """Each accepted finding of a cut with what was found at its row, for the report.

    `findings` counts what the entry met: none where the cut does not hold its row.
    """
    rules = contracts.load()
    made = []
    for entry in of_cut(cut, rules).entries:
        marked, _ = contracts.accept(findings, [entry])
        met = marked[marked["accepted"] == "Y"]
        words = next(
            rule.description
            for one in rules.values()
            for rule in one.rules
            if rule.name == entry.rule
        )
        made.append(
            entry.model_dump(mode="json")
            | {"description": words, "findings": len(met), "rows": [int(r) for r in met["row"]]}
        )
    return made
