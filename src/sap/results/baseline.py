"""Demographic and other baseline characteristics by population."""

import pandas as pd

from sap import ard
from sap.ard import NotEstimable
from sap.catalogue.reasons import text_of
from sap.plan.model import Plan
from sap.results.disposition import TREATED, subjects_of
from sap.results.provenance import makes
from sap.results.rates import share, summary

NO_VALUE = NotEstimable(text_of("value_of_these"))
OF_UNTREATED = NotEstimable(text_of("of_untreated"))
OF_TREATED = ("BSA", "MEASDIS", "SBONE", "SNODE", "SLIVER", "SLUNG", "SOTHER")
"""Characteristics that a study may record of treated patients alone."""
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
    5. In a column without a value in any of its patients, of a characteristic that others have: N, n and
       missing of numbers and N and `missing` of categories; everything else is not in the data.
    6. Body surface, measurable disease and sites of disease in a column with untreated patients, none of
       whom has a value, while treated ones have: N alone; everything else is not in the data.
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
                if _of_treated_alone(str(paramcd), values, subjects):
                    absent: dict[str, ard.type_of_stat] = {
                        "n": OF_UNTREATED,
                        "N": len(values),
                        "estimate": OF_UNTREATED,
                    }
                    levels = [*map(str, categories), "missing"]
                    parts += [ard.rows(absent, level=level, **key) for level in levels]
                    continue
                parts += _categorical(values, categories, key)
                continue
            numbers = subjects["USUBJID"].map(by_subject["AVAL"]).astype(float)
            statistics = summary(numbers)
            if _of_treated_alone(str(paramcd), numbers, subjects):
                statistics = dict.fromkeys(statistics, OF_UNTREATED)
            elif len(numbers) and numbers.isna().all():
                counted = ("n", "n_missing")
                statistics = {k: v if k in counted else NO_VALUE for k, v in statistics.items()}
            parts.append(ard.rows({"N": len(subjects)} | statistics, **key))
    return parts


def _of_treated_alone(paramcd: str, values: pd.Series, subjects: pd.DataFrame) -> bool:
    """Whether case 6 applies to a characteristic in a column."""
    treated = (subjects["NCYCLES"] > 0).to_numpy()
    known = values.notna().to_numpy()
    return paramcd in OF_TREATED and bool((~treated).any() and known.any() and treated[known].all())


def _categorical(
    values: pd.Series, categories: list[str], key: dict[str, str]
) -> list[pd.DataFrame]:
    total = len(values)
    missing = int(values.isna().sum())
    of_level: dict[str, dict[str, ard.type_of_stat]] = {}
    for category in categories:
        known = share(int((values == category).sum()), total)
        absent: dict[str, ard.type_of_stat] = {"n": NO_VALUE, "N": total, "estimate": NO_VALUE}
        of_level[str(category)] = absent if total and missing == total else known
    of_level["missing"] = share(missing, total)
    return [ard.rows(statistics, level=level, **key) for level, statistics in of_level.items()]


def rows(*, adsl: pd.DataFrame, adbl: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *baseline(adsl, adbl, plan),
    ]
