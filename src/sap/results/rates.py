"""Rates and summaries that every stem reports in the same way."""

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
