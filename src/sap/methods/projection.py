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


def days_until(arrivals: int, elapsed: float, more: int, level: float) -> Projection:
    """Days until `more` further patients, when `arrivals` came in `elapsed` days, in a Poisson process.

    The patient whose arrival starts the clock is none of them: from the first dose of ten patients to a
    cut-off there are nine arrivals.

    1. Expected: the mean interval so far, `elapsed / arrivals`, times `more`.
    2. Limits of the given level: that number times the quantiles of F(2 more, 2 arrivals).

    Raises
    ------
    ValueError
        No patient has arrived yet, no day has passed, or none is missing.

    Examples
    --------
    After the first patient nine came in 360 days: five more are expected 200 days later.

    >>> days_until(9, 360.0, 5, 0.8).expected
    200.0
    """
    if arrivals < 1 or elapsed <= 0 or more < 1:
        raise ValueError("a projection needs an arrival, days passed and a patient to come")
    expected = more * elapsed / arrivals
    low, high = (
        float(f.ppf(q, 2 * more, 2 * arrivals)) for q in ((1 - level) / 2, (1 + level) / 2)
    )
    return Projection(expected, expected * low, expected * high)
