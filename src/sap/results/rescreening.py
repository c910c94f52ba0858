"""Patients of group A who came again: conversion, time, cells, and who was treated."""

import pandas as pd

from sap import ard
from sap.plan.model import Plan
from sap.results.provenance import makes
from sap.results.rates import rate, summary
from sap.results.sets import members

STATES = {
    "NEGATIVE": "AR-V7 negative at first",
    "UNDETERMINED": "AR-V7 undetermined at first",
    "NOT DONE": "AR-V7 not done at first",
    "POSITIVE": "AR-V7 positive at first",
}


@makes("rescreening")
def rescreening(adsl: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Conversion by the first state, with two denominators, and what happened between.

    A patient counts here when he gave a sample at re-screening. GROUP "all" divides by all of his
    first state, "determined" by those whose AR-V7 was positive or negative at re-screening. The
    subgroup of interest is 'AR-V7 negative at first'. LEVEL "All re-screened" sums the states.
    """
    came = members(adsl, "RESCREENED")
    came = came[came["RESCRDT"].notna()]
    converted = came["RESCARV7"] == plan.screening.arv7
    determined = came["RESCARV7"].isin(("POSITIVE", "NEGATIVE"))
    enough = came["RESCCTC"] >= plan.screening.ctc_minimum
    parts = []

    def row(stats: dict[str, ard.type_of_stat], paramcd: str, level: str, group: str = "") -> None:
        parts.append(
            ard.rows(
                stats,
                analysis="rescreening",
                section=plan.rescreening.section,
                population="RESCREENED",
                group=group,
                paramcd=paramcd,
                level=level,
                method="Clopper-Pearson" if "conf_level" in stats else "Descriptive",
            )
        )

    states = {"All re-screened": pd.Series(True, came.index)}
    states |= {words: came["ARV7BL"] == state for state, words in STATES.items()}
    for words, here in states.items():
        yes = int((here & converted).sum())
        conf = plan.intervals.conf_level
        row(rate(yes, int(here.sum()), conf), "CONVERT", words, "all")
        row(rate(yes, int((here & determined).sum()), conf), "CONVERT", words, "determined")
        qualified = int((here & converted & enough).sum())
        row(rate(qualified, int(here.sum()), conf), "QUALIFY", words)
        treated = int((here & (came["RESCTRFL"] == "Y")).sum())
        row(rate(treated, int(here.sum()), conf), "TREATED", words)
    after = came["RESCPRFL"] == "Y"
    row(rate(int(after.sum()), len(came), plan.intervals.conf_level), "AFTER", "All re-screened")
    months = (came["RESCRDT"] - came["SCRDT"]).dt.days / plan.survival.days_per_month
    change = came["RESCCTC"].astype(float) - came["CTCBL"].astype(float)
    row(summary(months), "TIMERESC", "All re-screened")
    row(summary(months[converted]), "TIMERESC", "Converted")
    row(summary(change), "CTCCHG", "All re-screened")
    return parts


@makes("allocation_time")
def allocation_time(adsl: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Days from the screening sample to allocation, first screening and re-screening."""
    first = (adsl["ALLOCDT"] - adsl["SCRDT"]).dt.days
    again = (adsl["RESALLDT"] - adsl["RESCRDT"]).dt.days
    return [
        ard.rows(
            summary(days[days.notna()]),
            analysis="allocation_time",
            section=plan.screening.section,
            population="SCREENED",
            level=level,
            method="Descriptive",
        )
        for level, days in (("First screening", first), ("Re-screening", again))
    ]


def rows(*, adsl: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *rescreening(adsl, plan),
        *allocation_time(adsl, plan),
    ]
