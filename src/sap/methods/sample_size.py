"""How many patients: for so many positive or evaluable ones, and for an interval of a given width.

References
----------
Johnson, Kemp and Kotz 2005, Univariate Discrete Distributions, 3rd ed., chapter 5 (negative binomial).
Machin, Campbell, Tan and Tan 2018, Sample Sizes for Clinical, Laboratory and Epidemiology Studies, 4th
ed., chapter 9 (width of an interval). Newcombe 1998, Stat Med 17:857.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, prod
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import betainc

from sap.methods.proportion import ProportionInterval, log_pmf
from sap.methods.two_stage_design import open_rate, whole_number

Measure = Literal["observed", "expected", "widest"]


class Needed(NamedTuple):
    """How many patients give a number of those that count."""

    rate: float  # the share of patients that count
    on_average: int  # the least with an expected number that is enough
    assured: int  # the least that gives enough with the probability required
    probability: float  # with which `assured` gives enough
    probability_on_average: float  # with which `on_average` gives enough


def enough(patients: int, n: int, rate: float) -> float:
    """P(at least `n` of `patients` count), when each counts with probability `rate`.

    >>> round(enough(12, 10, 0.9), 4)  # R: pbinom(9, 12, 0.9, lower.tail = FALSE)
    0.8891
    """
    if n == 0:
        return 1.0
    return float(betainc(n, patients - n + 1, rate)) if patients >= n else 0.0


def needed_for(n: int, rate: float, assurance: float) -> Needed:
    """Patients to screen for `n` positives, or to enrol for `n` evaluable ones.

    1. On average: the least number N with N `rate` >= n. The rate is taken as the decimal that it is
       written as, so that 21 at 0.7 need 30.
    2. Assured: the least N with P(at least n of N) >= `assurance`. The patients who do not count before
       the n-th who does are negative binomial; N is n plus their quantile.

    Raises
    ------
    ValueError
        `n` is not a whole number of at least 1, `rate` is not above 0 and at most 1, or `assurance` is
        not strictly between 0 and 1.

    Examples
    --------
    >>> needed = needed_for(29, 0.27, 0.9)  # R: 29 + qnbinom(0.9, 29, 0.27) is 130
    >>> needed.on_average, needed.assured, round(needed.probability, 4)
    (108, 130, 0.9059)
    """
    if whole_number(n, "n") < 1:
        raise ValueError("n must be at least 1")
    if not 0 < rate <= 1:
        raise ValueError("rate must lie above 0 and at most at 1")
    open_rate(assurance, "assurance")
    on_average = ceil(n / Fraction(repr(float(rate))))
    low, high = n - 1, n  # P is below at `low`, perhaps reached at `high`
    while enough(high, n, rate) < assurance:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if enough(middle, n, rate) >= assurance:
            high = middle
        else:
            low = middle
    return Needed(float(rate), on_average, high, enough(high, n, rate), enough(on_average, n, rate))


def remaining_share(losses: Sequence[float]) -> float:
    """The share of patients left after independent losses: the product of 1 - loss, in exact decimals.

    Raises
    ------
    ValueError
        A loss is not at least 0 and below 1, or there is none.

    Examples
    --------
    >>> remaining_share([0.1, 0.05])
    0.855
    """
    if not losses or not all(0 <= loss < 1 for loss in losses):
        raise ValueError("losses must be shares of at least 0 and below 1")
    return float(prod(1 - Fraction(repr(float(loss))) for loss in losses))


class Precision(NamedTuple):
    """The least number of patients for an interval of a given width."""

    n: int
    width: float  # by the measure required
    responders: int  # the count nearest to n p, or that with the widest interval
    low: float  # limits at that count
    high: float


def precision_size(
    p: float, width: float, conf_level: float, interval: ProportionInterval, measure: Measure
) -> Precision:
    """The least n from which on the interval is at most `width` wide: at n and at every larger number.

    The width of an exact interval goes up and down with n, so the least n that happens to be narrow
    enough is not the answer. The width is, by `measure`:

    1. observed: that at the whole number of responders nearest to n p (the higher of two).
    2. expected: the mean over the binomial law of the responders, at the rate `p`.
    3. widest: the largest of all counts, whatever the rate.

    Raises
    ------
    ValueError
        `p`, `width` or `conf_level` is not strictly between 0 and 1, the measure is unknown, or the
        answer is beyond 5000 patients.

    Examples
    --------
    >>> from sap.methods.proportion import clopper_pearson
    >>> answer = precision_size(0.3, 0.3, 0.95, clopper_pearson, "observed")
    >>> answer.n, answer.responders, round(answer.low, 4), round(answer.high, 4)
    (40, 12, 0.1656, 0.4653)
    """
    open_rate(p, "p")
    open_rate(width, "width")
    open_rate(conf_level, "conf_level")
    if measure not in ("observed", "expected", "widest"):
        raise ValueError("measure must be 'observed', 'expected' or 'widest'")

    top = 1  # at half of the patients responding no count is wider, and all larger n are narrower
    while _at_half(top, conf_level, interval) > width:
        top *= 2
        if top > LARGEST:
            raise ValueError(f"width is too small: more than {LARGEST} patients would be needed")
    n = top
    while n > 1 and width_at(n - 1, p, conf_level, interval, measure) <= width:
        n -= 1
    reached, responders = _width_and_count(n, p, conf_level, interval, measure)
    limits = interval(responders, n, conf_level)
    return Precision(n, reached, responders, limits.low, limits.high)


LARGEST = 5_000


def width_at(
    n: int, p: float, conf_level: float, interval: ProportionInterval, measure: Measure
) -> float:
    """The width of the interval with `n` patients, by the measure of `precision_size`."""
    return _width_and_count(n, p, conf_level, interval, measure)[0]


def _width_and_count(
    n: int, p: float, conf_level: float, interval: ProportionInterval, measure: Measure
) -> tuple[float, int]:
    nearest = int(np.floor(n * p + 0.5))
    if measure == "observed":
        x = np.array([nearest])
    elif measure == "expected":  # beyond 10 standard deviations lies less than 1e-20
        reach = int(10 * np.sqrt(n * p * (1 - p))) + 10
        x = np.arange(max(nearest - reach, 0), min(nearest + reach, n) + 1)
    else:
        x = np.arange(n + 1)
    limits = interval(x, n, conf_level)
    spread = np.asarray(limits.high - limits.low)
    if measure == "expected":
        counts = x.astype(float)
        law = np.exp(log_pmf(counts, np.full_like(counts, n), np.full_like(counts, p)))
        return float(law @ spread), nearest
    widest = int(np.argmax(spread))
    return float(spread[widest]), int(x[widest])


def _at_half(n: int, conf_level: float, interval: ProportionInterval) -> float:
    limits = interval(np.array([n // 2, (n + 1) // 2]), n, conf_level)
    return float(np.max(limits.high - limits.low))
