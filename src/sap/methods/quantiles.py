"""Quantiles and summary statistics of one variable.

References
----------
Hyndman and Fan 1996, Am Stat 50:361 (their definition 2).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

ROUNDING = 1e-14


class Summary(NamedTuple):
    """Summary statistics of the values that are not missing; NaN where a statistic has no value."""

    n: int
    n_missing: int
    mean: float
    sd: float
    median: float
    q1: float
    q3: float
    minimum: float
    maximum: float


def quantile(values: ArrayLike, q: float) -> float:
    """The quantile q of the values, by definition 5 of SAS (PCTLDEF=5), which is type 2 of R.

    With n values in increasing order, the first case that applies:

    1. n q is not a whole number: the value in position n q, rounded up.
    2. q = 0: the smallest value; q = 1: the largest.
    3. n q is a whole number: the mean of the values in positions n q and n q + 1.

    A product that differs from a whole number by rounding only (10 x 0.7) is that number.

    Parameters
    ----------
    values
        One-dimensional, at least one value, none missing; any unit.
    q
        Share between 0 and 1.

    Returns
    -------
    float
        In the unit of `values`.

    Raises
    ------
    ValueError
        No value, a value that is not finite, more than one dimension, or q outside of [0, 1].

    >>> quantile([1, 2, 3, 4], 0.5), quantile([1, 2, 3, 4], 0.25), quantile([5, 1, 3], 0.25)
    (2.5, 1.5, 1.0)
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    if ordered.ndim != 1 or ordered.size == 0 or not np.isfinite(ordered).all():
        raise ValueError("values: expected at least one number in one dimension, none missing")
    if not 0 <= q <= 1:
        raise ValueError("q: expected a share between 0 and 1")
    position = ordered.size * q
    below = round(position)
    if abs(position - below) > ROUNDING * ordered.size:
        return float(ordered[int(position)])
    first, second = max(below - 1, 0), min(below, ordered.size - 1)
    return float((ordered[first] + ordered[second]) / 2)


def summary(values: ArrayLike) -> Summary:
    """Mean, standard deviation, median, quartiles and range of the values that are not missing.

    1. n counts the values that are not missing, n_missing the others (NaN).
    2. The standard deviation divides by n - 1; of one value there is none (NaN).
    3. The median and the quartiles are `quantile` at 1/2, 1/4 and 3/4.
    4. Without a value every statistic but n and n_missing is NaN.

    Parameters
    ----------
    values
        One-dimensional; NaN is a missing value.

    Returns
    -------
    Summary
        In the unit of `values`.

    Raises
    ------
    ValueError
        An infinite value, or more than one dimension.

    >>> summary([2.0, 4.0, float("nan"), 6.0, 8.0])[:5]
    (4, 1, 5.0, 2.581988897471611, 5.0)
    """
    given = np.asarray(values, dtype=np.float64)
    if given.ndim != 1 or np.isinf(given).any():
        raise ValueError("values: expected finite numbers or NaN in one dimension")
    known = given[~np.isnan(given)]
    missing = given.size - known.size
    if not known.size:
        return Summary(0, missing, *(float("nan"),) * 7)
    mean = float(known.mean())
    return Summary(
        known.size,
        missing,
        mean,
        float(known.std(ddof=1)) if known.size > 1 else float("nan"),
        quantile(known, 0.5),
        quantile(known, 0.25),
        quantile(known, 0.75),
        float(known.min()),
        float(known.max()),
    )
