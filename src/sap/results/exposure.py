"""Exposure to the study treatment: cycles, dose intensity, delays, reductions and G-CSF."""

import pandas as pd

from sap import ard
from sap.ard import NotEstimable
from sap.catalogue.reasons import text_of
from sap.plan.model import Plan
from sap.results.provenance import makes
from sap.results.rates import REASON_NO_PATIENT, summary
from sap.results.sets import by_line

NUMBERS = (
    "NCYCLES", "DURWK", "DURDAYS", "TRTDAYS", "OFFDAYS", "CUMDOSE", "CUMMG", "ADI", "RDI", "RDISTRT", "NDELAY", "NDELMAJ", "NREDUC",
    "NGCSF",
)  # fmt: skip
COUNTED = ("NCYCLES", "NDELAY", "NDELMAJ", "NREDUC", "NGCSF")
RESPONSES = (
    "DELAYED", "DELMAJOR", "INTERR", "REDUCED", "LOWSTART", "OVERMAX", "GCSFANY", "GCSFPRIM", "GCSFSEC",
    "GCSFTHER",
)  # fmt: skip
# The id of the reason why no value of a parameter is known.
UNKNOWN = {
    "CUMDOSE": "doses",
    "CUMMG": "doses_and_surface",
    "ADI": "doses",
    "RDI": "doses",
    "RDISTRT": "doses",
    "DURDAYS": "dose_days",
    "TRTDAYS": "dose_days",
    "OFFDAYS": "dose_days",
    "INTERR": "dose_days",
    "NDELAY": "infusion_days",
    "NDELMAJ": "infusion_days",
    "NREDUC": "doses",
    "NGCSF": "supportive_care",
    "DELAYED": "infusion_days",
    "DELMAJOR": "infusion_days",
    "REDUCED": "doses",
    "LOWSTART": "doses",
} | dict.fromkeys(("GCSFANY", "GCSFPRIM", "GCSFSEC", "GCSFTHER"), "supportive_care")
OF_SOME = {
    "doses": "doses_of_some",
    "doses_and_surface": "surface_of_some",
    "dose_days": "dose_days_of_some",
    "infusion_days": "infusion_days_of_some",
    "supportive_care": "supportive_care_of_some",
}


def _number(values: pd.Series, paramcd: str) -> dict[str, ard.type_of_stat]:
    stats = summary(values)
    known = UNKNOWN.get(paramcd)
    reason = NotEstimable(text_of(known) if known else "no value")
    if len(values) and not stats["n"]:
        return {k: reason if isinstance(v, NotEstimable) else v for k, v in stats.items()}
    if paramcd in COUNTED:
        stats["total"] = float(values.dropna().sum()) if stats["n"] else REASON_NO_PATIENT
    return stats


def _response(values: pd.Series, paramcd: str) -> dict[str, ard.type_of_stat]:
    """Patients with Y, of N.

    1. The value is known for no patient: not in the data.
    2. It is unknown for some: no estimate, and no n either when no patient has Y.
    3. Else n and n / N.
    """
    n, yes = len(values), int((values == "Y").sum())
    unknown = int((values == "U").sum())
    stats: dict[str, ard.type_of_stat] = {"n": yes, "N": n, "n_missing": unknown}
    if n and unknown == n:
        return stats | dict.fromkeys(("n", "estimate"), NotEstimable(text_of(UNKNOWN[paramcd])))
    if unknown:
        reason = NotEstimable(text_of(OF_SOME[UNKNOWN[paramcd]], unknown))
        return stats | {"n": yes or reason, "estimate": reason}
    return stats | {"estimate": yes / n if n else REASON_NO_PATIENT}


@makes("exposure")
def exposure(adsl: pd.DataFrame, adexsum: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Every parameter of ADEXSUM, for all patients and by line of therapy (GROUP).

    1. A number: n, mean, standard deviation, median, quartiles, range and, of counts, the total.
    2. A yes-or-no parameter: the patients with Y (n) of N, and `n_missing` with an unknown value.
    3. NCYCLES, LEVEL k: the patients with exactly k cycles.
    4. LEVEL `planned`: the numbers of the plan (doses in `exposure.dose_unit`, times in days). An AUC has
       no dose intensity.
    """
    rule = plan.exposure
    where = {"analysis": "exposure", "section": rule.section, "population": "SAFETY"}
    parts = []
    for group, subjects in by_line(adsl, "SAFETY").items():
        parameters = adexsum[adexsum["USUBJID"].isin(subjects["USUBJID"])]
        for paramcd in NUMBERS:
            values = parameters.loc[parameters["PARAMCD"] == paramcd, "AVAL"]
            stats = _number(values, paramcd)
            parts.append(
                ard.rows(stats, paramcd=paramcd, group=group, method="Descriptive", **where)
            )
        for paramcd in RESPONSES:
            values = parameters.loc[parameters["PARAMCD"] == paramcd, "AVALC"]
            stats = _response(values, paramcd)
            parts.append(ard.rows(stats, paramcd=paramcd, group=group, method="Patients", **where))
        cycles = parameters.loc[parameters["PARAMCD"] == "NCYCLES", "AVAL"]
        for count, n in cycles.value_counts().sort_index().items():
            share = {"n": int(n), "N": len(cycles), "estimate": int(n) / len(cycles)}
            parts.append(
                ard.rows(
                    share,
                    paramcd="NCYCLES",
                    group=group,
                    level=f"{float(str(count)):.0f}",
                    method="Patients",
                    **where,
                )
            )
    planned: dict[str, ard.type_of_stat | None] = {
        "dose": rule.planned_dose,
        "dose_intensity": rule.intensity if rule.measured else None,
        "doses_per_day": rule.doses_planned_a_day if rule.continuous else None,
        "low_start_dose": rule.low_start_dose,
        "reduced_at_most": rule.reduced_at_most,
        "cycle_days": rule.cycle_days,
        "max_cycles": rule.max_cycles,
        "delay_after_days": rule.delay_after_days,
        "major_delay_after_days": rule.major_delay_after_days,
    }
    of_plan = {name: value for name, value in planned.items() if value is not None}
    return [*parts, ard.rows(of_plan, level="planned", method="The plan", **where)]


def rows(*, adsl: pd.DataFrame, adexsum: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *exposure(adsl, adexsum, plan),
    ]
