"""Rates and summaries that every stem reports in the same way."""

import re

import pandas as pd

from sap import ard
from sap.ard import NotEstimable
from sap.methods import quantiles
from sap.methods.proportion import clopper_pearson

REASON_NO_PATIENT = NotEstimable("no patient in this population")
REASON_NO_VALUE = NotEstimable("no value")
REASON_ONE_VALUE = NotEstimable("one value only")


def rate(responders: int, n: int, conf_level: float) -> dict[str, ard.type_of_stat]:
    """n, N, estimate and the exact interval; with no patient in the denominator they are not estimable."""
    stats: dict[str, ard.type_of_stat] = {"n": responders, "N": n, "conf_level": conf_level}
    if n == 0:
        return stats | dict.fromkeys(("estimate", "conf_low", "conf_high"), REASON_NO_PATIENT)
    low, high = clopper_pearson(responders, n, conf_level)
    return stats | {"estimate": responders / n, "conf_low": low, "conf_high": high}


def summary(values: pd.Series) -> dict[str, ard.type_of_stat]:
    """Means, standard deviations, medians, quartiles and ranges of the values that are not missing.

    1. The standard deviation divides by one less than the number of values; of one value there is
       none.
    2. The quantile q of n ordered values is the value of rank n q, rounded up; where n q is an
       integer, the mean of the values of ranks n q and n q + 1 (definition 5 of SAS, type 2 of R).
    3. The median is that quantile at 1/2; the quartiles are those at 1/4 and 3/4.
    4. The median of a time to event is that of the Kaplan-Meier estimate.
    """
    statistics = quantiles.summary(values.astype(float))
    counts: dict[str, ard.type_of_stat] = {"n": statistics.n, "n_missing": statistics.n_missing}
    names = ("mean", "sd", "median", "q1", "q3", "min", "max")
    if not statistics.n:
        return counts | dict.fromkeys(names, REASON_NO_VALUE)
    known = dict(zip(names, statistics[2:], strict=True))
    spread = statistics.sd if statistics.n > 1 else REASON_ONE_VALUE
    return counts | known | {"sd": spread}


def share(n: int, total: int) -> dict[str, ard.type_of_stat]:
    """n, N and their ratio; of no patient there is none."""
    return {"n": n, "N": total, "estimate": n / total if total else REASON_NO_PATIENT}


VISIT = re.compile(r"CYCLE \d+|END OF TREATMENT")


def over_time(
    values: pd.DataFrame, subjects: pd.Series
) -> dict[tuple[str, str], dict[str, ard.type_of_stat]]:
    """Summaries of the values of a laboratory test or vital sign by visit.

    1. Baseline: the baseline value of each patient (ABLFL).
    2. Cycle 2 and later, and end of treatment: the last value on treatment at that visit (ANL01FL); the
       visit of the first dose is the baseline. Other visits are not summarised.
    3. The change is from the baseline, of patients who have one.
    4. n is the number of patients with a value in the summary.

    Parameters
    ----------
    values
        USUBJID, AVISIT, AVAL, BASE, ABLFL, ANL01FL; at most one flagged row a patient and visit.
    subjects
        USUBJID of the population.

    Returns
    -------
    By LEVEL (BASELINE, CYCLE n, END OF TREATMENT) and SUBLEVEL (value, change): the statistics.
    """
    values = values[values["USUBJID"].isin(subjects)]
    rows = {("BASELINE", "value"): summary(values.loc[values["ABLFL"] == "Y", "AVAL"])}
    treated = values[values["ANL01FL"] == "Y"]
    visits = {v for v in treated["AVISIT"].dropna() if VISIT.fullmatch(v)}
    for visit in sorted(visits, key=_place):
        at_visit = treated[treated["AVISIT"] == visit]
        rows[visit, "value"] = summary(at_visit["AVAL"])
        change = (at_visit["AVAL"] - at_visit["BASE"]).dropna()
        rows[visit, "change"] = summary(change)
    return {
        key: {name: value for name, value in stats.items() if name != "n_missing"}
        for key, stats in rows.items()
    }


def _place(visit: str) -> tuple[bool, int]:
    """Cycles in their order, the end of treatment last."""
    number = re.search(r"\d+", visit)
    return number is None, int(number.group()) if number else 0
