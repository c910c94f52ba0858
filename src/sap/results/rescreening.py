"""Re-screened patients: marker conversion, interval and CTC change between the screenings."""

import pandas as pd

from sap import ard
from sap.plan.entry import stated
from sap.plan.model import Plan
from sap.results.provenance import makes
from sap.results.rates import rate, summary
from sap.results.sets import enough_cells, members

STATES = {
    "NEGATIVE": "marker_negative",
    "UNDETERMINED": "marker_undetermined",
    "NOT DONE": "marker_not_done",
    "POSITIVE": "marker_positive",
}


@makes("rescreening")
def rescreening(adsl: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Re-screened patients with a second sample, by the marker status at the first screening (LEVEL).

    1. CONVERT: marker positive at re-screening. GROUP `all` divides by all patients of the level,
       `determined` by those with a positive or negative result at re-screening.
    2. QUALIFY: marker positive and at least the minimum CTC count at re-screening.
    3. TREATED: treated with the study treatment after re-screening.
    4. AFTER: re-screened after progression on a treatment that the plan names.
    5. TIMERESC: months between the two samples; CTCCHG: change in the CTC count between them.

    The subgroup of interest is `marker_negative`.
    """
    sampled = members(adsl, "RESCREENED")
    sampled = sampled[sampled["RESCRDT"].notna()]
    converted = sampled["RESCMARK"] == "POSITIVE"
    determined = sampled["RESCMARK"].isin(("POSITIVE", "NEGATIVE"))
    minimum_met = enough_cells(sampled["RESCCTC"], plan)
    conf = plan.intervals.conf_level
    parts = []

    def row(stats: dict[str, ard.type_of_stat], paramcd: str, level: str, group: str = "") -> None:
        parts.append(
            ard.rows(
                stats,
                analysis="rescreening",
                section=stated(plan.rescreening).section,
                population="RESCREENED",
                group=group,
                paramcd=paramcd,
                level=level,
                method="Clopper-Pearson" if "conf_level" in stats else "Descriptive",
            )
        )

    levels = {"all": pd.Series(True, sampled.index)}
    levels |= {level: sampled["MARKBL"] == state for state, level in STATES.items()}
    for level, of_level in levels.items():
        size, yes = int(of_level.sum()), int((of_level & converted).sum())
        row(rate(yes, size, conf), "CONVERT", level, "all")
        row(rate(yes, int((of_level & determined).sum()), conf), "CONVERT", level, "determined")
        qualified = int((of_level & converted & minimum_met).sum())
        row(rate(qualified, size, conf), "QUALIFY", level)
        treated = int((of_level & (sampled["RESCTRFL"] == "Y")).sum())
        row(rate(treated, size, conf), "TREATED", level)
    after = int((sampled["RESCPRFL"] == "Y").sum())
    row(rate(after, len(sampled), conf), "AFTER", "all")
    months = (sampled["RESCRDT"] - sampled["SCRDT"]).dt.days / plan.survival.days_per_month
    change = sampled["RESCCTC"].astype(float) - sampled["CTCBL"].astype(float)
    row(summary(months), "TIMERESC", "all")
    row(summary(months[converted]), "TIMERESC", "converted")
    row(summary(change), "CTCCHG", "all")
    return parts


@makes("allocation_time")
def allocation_time(adsl: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Days from sample to allocation, at the first screening and at re-screening (LEVEL)."""
    first = (adsl["ALLOCDT"] - adsl["SCRDT"]).dt.days
    second = (adsl["RESALLDT"] - adsl["RESCRDT"]).dt.days
    return [
        ard.rows(
            summary(days[days.notna()]),
            analysis="allocation_time",
            section=plan.screening_section,
            population="SCREENED",
            level=level,
            method="Descriptive",
        )
        for level, days in (("first_screening", first), ("rescreening", second))
    ]


def rows(*, adsl: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *rescreening(adsl, plan),
        *allocation_time(adsl, plan),
    ]
