"""Blood samples: what the protocol asked for, what was drawn, and how much blood that was."""

import pandas as pd

from sap import ard
from sap.ard import NotEstimable
from sap.plan.model import Plan
from sap.results.provenance import makes
from sap.results.rates import REASON_NO_PATIENT, summary

NO_BE = NotEstimable("not in the data: no record of samples drawn")


def _place(visit: str) -> str:
    """CYCLE 2 before CYCLE 10 in the order of the ARD: CYCLE 02."""
    head, _, number = visit.partition(" ")
    return f"{head} {int(number):02d}" if head == "CYCLE" and number.isdecimal() else visit


@makes("sample_inventory")
def sample_inventory(adbe: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """By group and kind of sample (PARAMCD): visits expected and drawn, and mL of blood by patient.

    LEVEL is the visit, "" all visits: N visits expected, n of them drawn, `estimate` their share,
    `n_extra` visits drawn and not expected; tubes_expected and tubes count tubes.
    LEVEL "volume": mL drawn of each patient who was asked, described, with `planned_ml` (the protocol's
    total for the whole course), `expected_ml` (what was due so far, of all patients), `n_above` patients
    above the protocol's total.
    """
    where = {
        "analysis": "sample_inventory",
        "section": plan.samples.section,
        "population": "SCREENED",
    }
    totals = plan.samples.planned_ml
    parts = []
    for category in dict.fromkeys(line.category for line in plan.samples.schedule):
        groups = list(totals[category])
        if adbe.empty:
            for of_group in groups:
                stats: dict[str, ard.type_of_stat] = {
                    "n": NO_BE, "N": NO_BE, "planned_ml": totals[category][of_group],
                }  # fmt: skip
                parts.append(
                    ard.rows(stats, paramcd=category, group=of_group, method="Samples", **where)
                )
            continue
        for episode in sorted(set(adbe["GROUP"])):
            mine = adbe[(adbe["GROUP"] == episode) & (adbe["BECAT"] == category)]
            if mine.empty:
                continue
            group = episode or "not allocated"
            visits = {"": mine} | {_place(str(v)): rows for v, rows in mine.groupby("AVISIT")}
            for level, rows in visits.items():
                parts.append(
                    ard.rows(
                        _visits(rows), paramcd=category, group=group, level=level,
                        method="Samples", **where,
                    )
                )  # fmt: skip
            planned = totals[category].get("A" if episode in ("", "A") else "B")
            parts.append(
                ard.rows(
                    _volume(mine, planned), paramcd=category, group=group, level="volume",
                    method="mL by patient", **where,
                )
            )  # fmt: skip
    return parts


def _visits(rows: pd.DataFrame) -> dict[str, ard.type_of_stat]:
    expected = rows[rows["EXPTUBES"] > 0]
    drawn = int((expected["TUBES"] > 0).sum())
    none = NotEstimable("none was expected")
    return {
        "n": drawn,
        "N": len(expected),
        "estimate": drawn / len(expected) if len(expected) else none,
        "n_extra": int((rows["CASE"] == 3).sum()),
        "tubes_expected": float(expected["EXPTUBES"].sum()),
        "tubes": float(rows["TUBES"].sum()),
    }


def _volume(rows: pd.DataFrame, planned: float | None) -> dict[str, ard.type_of_stat]:
    of_subject = rows.groupby("USUBJID")["VOLUME"].sum()
    stats = summary(of_subject) | {"expected_ml": float(rows["EXPVOL"].sum())}
    stats["total"] = float(of_subject.sum()) if len(of_subject) else REASON_NO_PATIENT
    if planned is None:
        return stats
    return stats | {"planned_ml": planned, "n_above": int((of_subject > planned).sum())}


def rows(*, adbe: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *sample_inventory(adbe, plan),
    ]
