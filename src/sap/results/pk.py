"""Pharmacokinetics of the study treatment: concentrations, parameters, deviations of sampling."""

import math

import numpy as np
import pandas as pd

from sap import ard
from sap.ard import NotEstimable
from sap.catalogue.reasons import text_of
from sap.plan.entry import stated
from sap.plan.model import Plan
from sap.results.provenance import makes
from sap.results.rates import REASON_NO_PATIENT, summary
from sap.results.sets import members

NO_PC = NotEstimable(text_of("concentrations"))
NAMES = ("mean", "sd", "median", "q1", "q3", "min", "max", "geometric_mean", "geometric_cv")


def geometric(values: pd.Series) -> dict[str, ard.type_of_stat]:
    """Geometric mean and its coefficient of variation, sqrt(exp(variance of the logs) - 1)."""
    known = values.dropna().astype(float)
    if known.empty or (known <= 0).any():
        why = NotEstimable("no value" if known.empty else "a value of 0 has no logarithm")
        return {"geometric_mean": why, "geometric_cv": why}
    logs = np.log(known)
    spread: ard.type_of_stat = NotEstimable("one value only")
    if len(known) > 1:
        spread = math.sqrt(math.exp(float(logs.var())) - 1)
    return {"geometric_mean": math.exp(float(logs.mean())), "geometric_cv": spread}


def _described(values: pd.Series) -> dict[str, ard.type_of_stat]:
    return summary(values) | geometric(values)


def _first_profile(adpp: pd.DataFrame) -> pd.DataFrame:
    """One infusion of each patient: the first with concentrations."""
    first = adpp.sort_values(["USUBJID", "ADT"], kind="stable").drop_duplicates("USUBJID")
    return adpp.merge(first[["USUBJID", "ADT"]], on=["USUBJID", "ADT"])


@makes("pk")
def pk(
    adsl: pd.DataFrame, adpc: pd.DataFrame, adpp: pd.DataFrame, plan: Plan
) -> list[pd.DataFrame]:
    """Parameters of the first sampled infusion of each patient, for all and by dose given (GROUP), and samples.

    1. A parameter of ADPP: `n` patients with a value, `n_missing` NE, N the patients of the set.
    2. CONC, LEVEL `hour_<h>`: the analysed concentrations at a planned hour.
    3. SAMPLE, LEVEL `hour_<h>`: of the planned samples, those `analysed`, `below_quantification`,
       `outside_window` (deviation of the sampling time), `excluded` and `not_collected` (SUBLEVEL).
    4. LEVEL `planned`: the numbers of the plan (hours, minutes, mg/m²).
    """
    rule = stated(plan.pk)
    where = {"analysis": "pk", "section": rule.section, "population": "PKEVAL"}
    subjects = members(adsl, "PKEVAL")
    planned: dict[str, ard.type_of_stat] = {
        "end_of_infusion_h": rule.end_of_infusion_h,
        "primary_h": rule.primary_h,
        "secondary_h": rule.secondary_h,
        "deviation_minutes": rule.deviation_minutes,
        "carry_on_minutes": rule.carry_on_minutes,
        "reference_dose": rule.reference_dose,
    }
    parts = [ard.rows(planned, level="planned", method="The plan", **where)]
    if adpc.empty:
        absent = {"N": NO_PC, "n": NO_PC} | dict.fromkeys(NAMES, NO_PC)
        return [*parts, ard.rows(absent, paramcd=f"AUC0{rule.primary_h:g}", method="-", **where)]
    profiles = _first_profile(adpp[adpp["USUBJID"].isin(subjects["USUBJID"])])
    doses = sorted(profiles["DOSE"].dropna().unique())
    groups = {"": profiles} | {
        f"dose_{dose:g}": profiles[profiles["DOSE"] == dose] for dose in doses
    }
    for group, of_group in groups.items():
        n = of_group["USUBJID"].nunique() if group else len(subjects)
        for paramcd, rows in of_group.groupby("PARAMCD"):
            parts.append(
                ard.rows(
                    {"N": n} | _described(rows["AVAL"]),
                    paramcd=str(paramcd),
                    group=group,
                    method=f"Noncompartmental, {rule.rule}, actual times",
                    **where,
                )
            )
    return [*parts, *_samples(subjects, adpc, plan)]


def _samples(subjects: pd.DataFrame, adpc: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Concentrations at each planned hour, and the number of samples of each kind."""
    where = {"analysis": "pk", "section": stated(plan.pk).section, "population": "PKEVAL"}
    samples = adpc[adpc["USUBJID"].isin(subjects["USUBJID"])]
    parts = []
    for hour, rows in samples.groupby("ATPTN"):
        analysed = rows[rows["ANL01FL"] == "Y"]
        level = f"hour_{float(str(hour)):g}"
        parts.append(
            ard.rows(
                {"N": len(rows)} | _described(analysed["AVAL"]),
                paramcd="CONC", level=level, method="Analysed samples, planned time", **where,
            )
        )  # fmt: skip
        counts = {
            "analysed": len(analysed),
            "not_collected": int((rows["ANL01CAS"] == 1).sum()),
            "below_quantification": int((rows["BLQFL"] == "Y").sum()),
            "outside_window": int((rows["DEVFL"] == "Y").sum()),
            "excluded": int((~rows["ANL01CAS"].isin((1, 5, 7))).sum()),
        }
        for sublevel, n in counts.items():
            share = n / len(rows) if len(rows) else REASON_NO_PATIENT
            parts.append(
                ard.rows(
                    {"n": n, "N": len(rows), "estimate": share},
                    paramcd="SAMPLE", level=level, sublevel=sublevel, method="Samples", **where,
                )
            )  # fmt: skip
    return parts


def rows(
    *, adsl: pd.DataFrame, adpc: pd.DataFrame, adpp: pd.DataFrame, plan: Plan
) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *pk(adsl, adpc, adpp, plan),
    ]
