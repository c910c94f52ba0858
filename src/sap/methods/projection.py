"""When a number of patients will be reached, from the patients treated so far.

References
----------
Cox and Lewis 1966, The Statistical Analysis of Series of Events, section 2.3: in a Poisson process of
unknown rate the ratio of the mean intervals of two independent stretches follows F(2m, 2k).
"""

from typing import NamedTuple

from scipy.stats import f


class Projection(NamedTuple):
    """Days until a further number of patients: expected at the observed rate, and its prediction limits."""

    expected: float
    low: float
    high: float


def days_until(treated: int, elapsed: float, more: int, level: float) -> Projection:
    """Days until `more` further patients, when `treated` came in `elapsed` days, in a Poisson process.

    1. Expected: the mean interval so far, `elapsed / treated`, times `more`.
    2. Limits of the given level: that number times the quantiles of F(2 more, 2 treated).

    Raises
    ------
    ValueError
        No patient was treated yet, no day has passed, or none is missing.

    Examples
    --------
    Ten patients in 400 days: five more are expected 200 days later.

    >>> days_until(10, 400.0, 5, 0.8).expected
    200.0
    """
    if treated < 1 or elapsed <= 0 or more < 1:
        raise ValueError("a projection needs a patient treated, days passed and a patient to come")
    expected = more * elapsed / treated
    low, high = (float(f.ppf(q, 2 * more, 2 * treated)) for q in ((1 - level) / 2, (1 + level) / 2))
    return Projection(expected, expected * low, expected * high)
