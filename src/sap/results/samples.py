"""Blood samples collected, of those scheduled, and their volume."""

import pandas as pd

from sap import ard
from sap.ard import NotEstimable
from sap.catalogue.reasons import text_of
from sap.plan.entry import stated
from sap.plan.model import Plan
from sap.results.provenance import makes
from sap.results.rates import REASON_NO_PATIENT, summary

NO_BE = NotEstimable(text_of("samples"))
GROUPS = {"A": "A", "B": "B", "B after re-screening": "b_rescreened", "": "not_allocated"}
"""GROUP of ADBE, and its id in the ARD."""


@makes("sample_inventory")
def sample_inventory(adbe: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Blood samples by kind (PARAMCD), group and visit (LEVEL), and the volume of blood by patient.

    1. LEVEL is the visit, empty for all visits. N: visits with a scheduled sample; n of them with a
       sample collected, and their proportion; n_extra: visits with an unscheduled sample only;
       tubes_expected and tubes: number of tubes scheduled and collected.
    2. LEVEL `volume`: summary of the mL collected by patient; planned_ml: the total of the protocol
       for one patient; expected_ml: scheduled up to the data cut-off, all patients; total: collected,
       all patients; n_above: patients above planned_ml.
    3. Where no collection was recorded, only planned_ml is known.
    """
    key = {
        "analysis": "sample_inventory",
        "section": stated(plan.samples).section,
        "population": "SCREENED",
    }
    totals = stated(plan.samples).planned_ml
    categories = list(dict.fromkeys(line.category for line in stated(plan.samples).schedule))
    if adbe.empty:
        return [
            ard.rows(
                {"n": NO_BE, "N": NO_BE, "planned_ml": planned},
                paramcd=category,
                group=group,
                method="Samples",
                **key,
            )
            for category in categories
            for group, planned in totals[category].items()
        ]
    parts = []
    for category in categories:
        of_category = adbe[adbe["BECAT"] == category]
        for episode, of_group in of_category.groupby("GROUP"):
            planned = totals[category].get("A" if episode in ("", "A") else "B")
            place = key | {"paramcd": category, "group": GROUPS[str(episode)]}
            visits = {"": of_group} | {
                str(v): of_visit for v, of_visit in of_group.groupby("AVISIT")
            }
            parts += [
                ard.rows(_visits(of_visit), level=level, method="Samples", **place)
                for level, of_visit in visits.items()
            ]
            stats = _volume(of_group, planned)
            parts.append(ard.rows(stats, level="volume", method="mL by patient", **place))
    return parts


def _visits(rows: pd.DataFrame) -> dict[str, ard.type_of_stat]:
    expected = rows[rows["EXPTUBES"] > 0]
    collected = int((expected["TUBES"] > 0).sum())
    none = NotEstimable("no sample was scheduled")
    return {
        "n": collected,
        "N": len(expected),
        "estimate": collected / len(expected) if len(expected) else none,
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
