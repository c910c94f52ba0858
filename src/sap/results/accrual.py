"""Accrual and the screening success rate over calendar time."""

import datetime as dt

import pandas as pd

from sap import ard
from sap.plan.model import Plan
from sap.results.provenance import makes
from sap.results.rates import rate
from sap.results.sets import enough_cells

STEPS = ("CONSENTED", "SAMPLED", "QUALIFIED", "ALLOCATED", "TREATED")


def _days(adsl: pd.DataFrame, plan: Plan) -> dict[str, pd.Series]:
    """The day on which each patient took each step for the first time; NaT without it."""
    sampled = adsl["SCRDT"].where(adsl["SCRFL"] == "Y")
    qualifies = (adsl["MARKBL"] == "POSITIVE") & enough_cells(adsl["CTCBL"], plan)
    to_b = adsl["ALLOCDT"].where(adsl["GROUP"] == "B")
    return {
        "CONSENTED": adsl["RFICDT"],
        "SAMPLED": sampled,
        "QUALIFIED": sampled.where(qualifies),
        "ALLOCATED": pd.concat([to_b, adsl["RESALLDT"]], axis=1).min(axis=1),
        "TREATED": adsl["TRTSDT"].where(adsl["NCYCLES"] > 0),
    }


@makes("accrual")
def accrual(adsl: pd.DataFrame, plan: Plan, cut_off: dt.date) -> list[pd.DataFrame]:
    """Patients who had taken each step by the end of each month, from the first consent to the cut-off.

    Without a date of consent in the data the first month is that of the first dose. LEVEL is the month. PARAMCD: CONSENTED, SAMPLED (first screening sample), QUALIFIED (that sample
    is biomarker positive with at least the minimum CTC count, where the plan has one), ALLOCATED (to the study drug: group B, or after re-screening)
    and TREATED (first dose of the study drug), each with the cumulative count. The month of the
    cut-off ends with it. A step without a date is counted in no month.

    QUALIFIED carries the success rate: of the patients sampled so far, with the exact interval.
    """
    days = _days(adsl, plan)
    first = days["CONSENTED"].min()
    if pd.isna(first):
        first = days["TREATED"].min()
    if pd.isna(first):
        return []
    end = pd.Timestamp(cut_off)
    parts = []
    for month in pd.period_range(first, end, freq="M"):
        until = min(month.end_time.normalize(), end)
        counts = {step: int((day <= until).sum()) for step, day in days.items()}
        for step, n in counts.items():
            stats: dict[str, ard.type_of_stat] = {"n": n}
            if step == "QUALIFIED":
                stats = rate(n, counts["SAMPLED"], plan.intervals.conf_level)
            parts.append(
                ard.rows(
                    stats,
                    analysis="accrual",
                    section=plan.screening_section,
                    population="SCREENED",
                    paramcd=step,
                    level=str(month),
                    method="Distinct patients, cumulative",
                )
            )
    return parts


@makes("study_dates")
def dates(adsl: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """The dates of the first and the last patient (LEVEL); none where the plan has published dates.

    1. `first_consent`, `last_consent`: the earliest and the latest consent to screening.
    2. `first_dose`: the earliest first dose of the study treatment.
    3. `last_contact`: the latest day on which a patient was known to be alive, or died.

    A date that no patient has is not given.
    """
    if plan.protocol is not None and plan.protocol.dates is not None:
        return []
    treated = adsl["TRTSDT"].where(adsl["NCYCLES"] > 0)
    days = {
        "first_consent": adsl["RFICDT"].min(),
        "first_dose": treated.min(),
        "last_consent": adsl["RFICDT"].max(),
        "last_contact": adsl["LSTALVDT"].max(),
    }
    return [
        ard.rows(
            {"date": f"{day:%Y-%m-%d}"},
            analysis="study_dates",
            section=plan.screening_section,
            population="SCREENED",
            level=level,
            method="Earliest and latest dates",
        )
        for level, day in days.items()
        if not pd.isna(day)
    ]


def rows(*, adsl: pd.DataFrame, cut_off: dt.date, plan: Plan) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *accrual(adsl, plan, cut_off),
        *dates(adsl, plan),
    ]
