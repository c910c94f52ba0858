"""Demographic and other baseline characteristics by population."""

import pandas as pd

from sap import ard
from sap.plan.model import Plan
from sap.results.disposition import TREATED, subjects_of
from sap.results.provenance import makes
from sap.results.rates import REASON_NO_PATIENT, summary

LAST = "SCREENING BEFORE TREATMENT"
COLUMNS = (
    ("PRIMARY", "", "SCREENING"),
    ("RESCREENED", TREATED, "RE-SCREENING"),
    ("RESCREENED", "", "RE-SCREENING"),
    ("GROUPA", "", "SCREENING"),
    ("SCREENED", "", "SCREENING"),
    ("SAFETY", "", LAST),
)
"""Population, group, and AVISIT of ADBL of each column of the table; LAST is the screening that led to treatment."""


def _visits(adbl: pd.DataFrame, adsl: pd.DataFrame, visit: str) -> pd.Series:
    """For each row of ADBL the visit whose values a column takes of its subject."""
    if visit != LAST:
        return pd.Series(visit, adbl.index)
    again = adsl.loc[adsl["RESCTRFL"] == "Y", "USUBJID"]
    return adbl["USUBJID"].isin(again).map({True: "RE-SCREENING", False: "SCREENING"})


@makes("baseline")
def baseline(adsl: pd.DataFrame, adbl: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Demographics and baseline characteristics (PARAMCD of ADBL) by population.

    1. Columns of re-screened patients take the values at re-screening, the others those at screening; all
       treated patients (SAFETY) those of the screening that led to treatment.
    2. Continuous characteristics: n, missing, mean, SD, median, quartiles, minimum and maximum.
    3. Categorical characteristics: n and proportion of each category (LEVEL), and of `missing`; N is
       the number of patients of the population, so the categories add up to it.
    4. A characteristic without a value in any patient has no row.
    """
    known = adbl[adbl["AVAL"].notna() | adbl["AVALC"].notna()]
    parts = []
    for population, group, visit in COLUMNS:
        subjects = subjects_of(adsl, population, group)
        of_visit = adbl[adbl["AVISIT"] == _visits(adbl, adsl, visit)]
        for paramcd, of_param in known.groupby("PARAMCD"):
            by_subject = of_visit[of_visit["PARAMCD"] == paramcd].set_index("USUBJID")
            key = {
                "analysis": "baseline",
                "section": plan.analysis_sets.section,
                "population": population,
                "group": group,
                "paramcd": str(paramcd),
                "method": "Descriptive",
            }
            if of_param["AVALC"].notna().any():
                values = subjects["USUBJID"].map(by_subject["AVALC"])
                categories = sorted(set(of_param["AVALC"].dropna()))
                parts += _categorical(values, categories, key)
                continue
            numbers = subjects["USUBJID"].map(by_subject["AVAL"]).astype(float)
            parts.append(ard.rows({"N": len(subjects)} | summary(numbers), **key))
    return parts


def _categorical(
    values: pd.Series, categories: list[str], key: dict[str, str]
) -> list[pd.DataFrame]:
    total = len(values)
    counts = {str(category): int((values == category).sum()) for category in categories}
    counts["missing"] = int(values.isna().sum())
    return [
        ard.rows(
            {"n": n, "N": total, "estimate": n / total if total else REASON_NO_PATIENT},
            level=level,
            **key,
        )
        for level, n in counts.items()
    ]


def rows(*, adsl: pd.DataFrame, adbl: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *baseline(adsl, adbl, plan),
    ]
