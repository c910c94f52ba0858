"""One proportion and the comparison of two: intervals, exact tests, odds ratio, differences.

One method, one function: the plan names the interval. Every interval takes numbers or arrays, which
broadcast; numbers give an `Interval` of floats, arrays give `Intervals` of arrays. Every limit lies
in [0, 1], and 0 and 1 are reached exactly where the method says so.

References
----------
Agresti and Coull 1998, Am Stat 52:119. Blaker 2000, Can J Stat 28:783. Brown, Cai and DasGupta 2001,
Stat Sci 16:101. Clopper and Pearson 1934, Biometrika 26:404. Klaschka and Reiczigel 2021, Comput Stat
36:1775 (ends of Blaker's interval). Newcombe 1998a, Stat Med 17:857 (one proportion), 1998b, Stat Med
17:873 (two). Miettinen and Nurminen 1985, Stat Med 4:213. Wilson 1927, JASA 22:209.
"""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Literal, NamedTuple, Protocol, cast, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import (
    betainc,
    betaincc,
    betainccinv,
    betaincinv,
    betaln,
    ndtri,
    xlog1py,
    xlogy,
)

Floats = NDArray[np.float64]
Counts = Sequence[int] | NDArray[Any]
Levels = float | Sequence[float] | NDArray[Any]
Alternative = Literal["greater", "less", "two-sided"]

TIED = 1 + 1e-7  # R's binom.test and fisher.test call two probabilities equal within this factor


class Interval(NamedTuple):
    """Both limits of a confidence interval."""

    low: float
    high: float


class Intervals(NamedTuple):
    """Both limits of many intervals, as two arrays of one shape."""

    low: Floats
    high: Floats


class ProportionInterval(Protocol):
    """What every interval of this module looks like from outside."""

    __name__: str

    @overload
    def __call__(self, responders: int, n: int, conf_level: float) -> Interval: ...
    @overload
    def __call__(self, responders: Counts, n: Counts | int, conf_level: Levels) -> Intervals: ...
    @overload
    def __call__(self, responders: int, n: Counts, conf_level: Levels) -> Intervals: ...
    def __call__(self, responders: Any, n: Any, conf_level: Any) -> Any: ...


def checked_counts(responders: ArrayLike, n: ArrayLike, suffix: str = "") -> tuple[Floats, Floats]:
    """Responders and patients as floats, refused when they are not a proportion of whole patients."""
    counts = []
    for name, given in (("responders", responders), ("n", n)):
        values = np.asarray(given, dtype=float)
        if not (np.isfinite(values) & (values == np.floor(values))).all():
            raise ValueError(f"{name}{suffix} must be a whole number of patients")
        counts.append(values)
    x, size = counts
    if (size < 1).any():
        raise ValueError(f"n{suffix} must be at least 1: there is no proportion of no patients")
    if (x < 0).any() or (x > size).any():
        raise ValueError(f"responders{suffix} must lie between 0 and n{suffix}")
    return x, size


def checked_level(conf_level: ArrayLike) -> Floats:
    """A confidence level strictly between 0 and 1."""
    level = np.asarray(conf_level, dtype=float)
    if not ((level > 0) & (level < 1)).all():
        raise ValueError("conf_level must lie strictly between 0 and 1, such as 0.95")
    return level


def as_interval(low: Floats, high: Floats) -> Interval | Intervals:
    """Floats for one interval, arrays for many."""
    if np.ndim(low) == 0 and np.ndim(high) == 0:
        return Interval(float(low), float(high))
    return Intervals(np.asarray(low), np.asarray(high))


def _proportion_interval(
    limits: Callable[[Floats, Floats, Floats], tuple[Floats, Floats]],
) -> ProportionInterval:
    """Check the arguments, broadcast them, and hand back floats or arrays as they were given."""

    @wraps(limits)
    def interval(responders: ArrayLike, n: ArrayLike, conf_level: ArrayLike) -> Any:
        x, size = checked_counts(responders, n)
        broadcast = np.broadcast_arrays(x, size, checked_level(conf_level))
        flat = [np.atleast_1d(part) for part in broadcast]
        low, high = limits(*flat)
        shape = broadcast[0].shape
        return as_interval(low.reshape(shape), high.reshape(shape))

    return cast(ProportionInterval, interval)


def bisect(too_low: Callable[[Floats], NDArray[np.bool_]], low: Floats, high: Floats) -> Floats:
    """Where `too_low` turns from true to false, element by element, to the last bit of a float.

    Sixty halvings of a bracket of width 1 leave less than 1e-18; the loop ends as soon as no
    midpoint differs from both ends.
    """
    low, high = low.astype(float), high.astype(float)
    for _ in range(200):
        middle = (low + high) / 2
        if ((middle == low) | (middle == high)).all():
            break
        below = too_low(middle)
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2


def at_least(x: Floats, n: Floats, p: Floats) -> Floats:
    """P(X >= x) for X binomial(n, p), small tails to full relative accuracy."""
    inside = np.clip(x, 1, n)
    tail = betainc(inside, n - inside + 1, p)
    return np.where(x <= 0, 1.0, np.where(x > n, 0.0, tail))


def at_most(x: Floats, n: Floats, p: Floats) -> Floats:
    """P(X <= x) for X binomial(n, p), small tails to full relative accuracy."""
    inside = np.clip(x, 0, n - 1)
    tail = betaincc(inside + 1, n - inside, p)
    return np.where(x < 0, 0.0, np.where(x >= n, 1.0, tail))


def log_pmf(x: Floats, n: Floats, p: Floats) -> Floats:
    """The logarithm of P(X = x) for X binomial(n, p)."""
    log_choose = -np.log1p(n) - betaln(n - x + 1, x + 1)
    return np.asarray(log_choose + xlogy(x, p) + xlog1py(n - x, -p))


@_proportion_interval
def clopper_pearson(responders: Floats, n: Floats, conf_level: Floats) -> tuple[Floats, Floats]:
    """Exact interval of Clopper and Pearson (1934), by inverting two one-sided tests.

    With x responders of n and a = 1 - conf_level (Newcombe 1998a, method 5):

        low  = a/2     quantile of Beta(x,     n - x + 1), and 0 when x = 0
        high = 1 - a/2 quantile of Beta(x + 1, n - x    ), and 1 when x = n

    >>> low, high = clopper_pearson(15, 148, conf_level=0.95)
    >>> round(low, 4), round(high, 4)
    (0.0578, 0.1617)
    """
    tail = (1 - conf_level) / 2
    return exact_low(responders, n, tail), exact_high(responders, n, tail)


def exact_low(x: Floats, n: Floats, tail: Floats) -> Floats:
    """The p at which P(X >= x) is `tail`; 0 when x = 0."""
    return np.where(x == 0, 0.0, betaincinv(np.maximum(x, 1), n - x + 1, tail))


def exact_high(x: Floats, n: Floats, tail: Floats) -> Floats:
    """The p at which P(X <= x) is `tail`; 1 when x = n."""
    return np.where(x == n, 1.0, betainccinv(x + 1, np.maximum(n - x, 1), tail))


@_proportion_interval
def mid_p(responders: Floats, n: Floats, conf_level: Floats) -> tuple[Floats, Floats]:
    """The exact interval with half the probability of the observed count (Newcombe 1998a, method 6).

    low solves P(X > x) + P(X = x)/2 = a/2 (0 when x = 0), high solves P(X < x) + P(X = x)/2 = a/2
    (1 when x = n). Each root lies between the exact limits of x and of its neighbour.

    >>> low, high = mid_p(15, 148, conf_level=0.95)
    >>> round(low, 4), round(high, 4)
    (0.0601, 0.1581)
    """
    tail = (1 - conf_level) / 2
    return _mid_p_low(responders, n, tail), 1 - _mid_p_low(n - responders, n, tail)


def _mid_p_low(x: Floats, n: Floats, tail: Floats) -> Floats:
    def too_low(p: Floats) -> NDArray[np.bool_]:
        return (at_least(x, n, p) + at_least(x + 1, n, p)) / 2 < tail

    ceiling = np.where(x == n, 1.0, exact_low(np.minimum(x + 1, n), n, tail))
    return np.where(x == 0, 0.0, bisect(too_low, exact_low(x, n, tail), ceiling))


@_proportion_interval
def wilson(responders: Floats, n: Floats, conf_level: Floats) -> tuple[Floats, Floats]:
    """The score interval of Wilson (1927), without continuity correction (Newcombe 1998a, method 3).

    low is 0 at x = 0 and high is 1 at x = n.

    >>> low, high = wilson(15, 148, conf_level=0.95)
    >>> round(low, 4), round(high, 4)
    (0.0624, 0.1605)
    """
    z = ndtri((1 + conf_level) / 2)
    x, q = responders, n - responders
    centre = 2 * x + z**2
    reach = z * np.sqrt(z**2 + 4 * x * q / n)
    whole = 2 * (n + z**2)
    low = np.where(x == 0, 0.0, (centre - reach) / whole)
    high = np.where(q == 0, 1.0, (centre + reach) / whole)
    return np.clip(low, 0, 1), np.clip(high, 0, 1)


@_proportion_interval
def wilson_continuity(responders: Floats, n: Floats, conf_level: Floats) -> tuple[Floats, Floats]:
    """The score interval with continuity correction (Newcombe 1998a, method 4).

    low is 0 at x = 0 and high is 1 at x = n. R's `prop.test` gives the same, except at x = n/2,
    where it drops the correction.

    >>> low, high = wilson_continuity(15, 148, conf_level=0.95)
    >>> round(low, 4), round(high, 4)
    (0.0598, 0.1644)
    """
    z = ndtri((1 + conf_level) / 2)
    x, q = responders, n - responders
    # Inside 0 < x < n both roots are of positive numbers; at the ends the limit is written.
    root_low = np.sqrt(np.maximum(z**2 - 2 - 1 / n + 4 * x * (q + 1) / n, 0))
    root_high = np.sqrt(np.maximum(z**2 + 2 - 1 / n + 4 * x * (q - 1) / n, 0))
    whole = 2 * (n + z**2)
    low = np.where(x == 0, 0.0, (2 * x + z**2 - 1 - z * root_low) / whole)
    high = np.where(q == 0, 1.0, (2 * x + z**2 + 1 + z * root_high) / whole)
    return np.clip(low, 0, 1), np.clip(high, 0, 1)


@_proportion_interval
def agresti_coull(responders: Floats, n: Floats, conf_level: Floats) -> tuple[Floats, Floats]:
    """Wald about the Wilson midpoint, clipped to [0, 1] (Agresti and Coull 1998; Brown 2001, eq. 5).

    >>> low, high = agresti_coull(15, 148, conf_level=0.95)
    >>> round(low, 4), round(high, 4)
    (0.0614, 0.1615)
    """
    z = ndtri((1 + conf_level) / 2)
    size = n + z**2
    p = (responders + z**2 / 2) / size
    reach = z * np.sqrt(p * (1 - p) / size)
    return np.clip(p - reach, 0, 1), np.clip(p + reach, 0, 1)


@_proportion_interval
def jeffreys(responders: Floats, n: Floats, conf_level: Floats) -> tuple[Floats, Floats]:
    """Equal-tailed interval of the posterior Beta(x + 1/2, n - x + 1/2) (Brown 2001, section 4.1.2).

    low is 0 at x = 0 and high is 1 at x = n, so that coverage does not vanish near 0 and 1.

    >>> low, high = jeffreys(15, 148, conf_level=0.95)
    >>> round(low, 4), round(high, 4)
    (0.0604, 0.1576)
    """
    tail = (1 - conf_level) / 2
    a, b = responders + 0.5, n - responders + 0.5
    low = np.where(responders == 0, 0.0, betaincinv(a, b, tail))
    high = np.where(responders == n, 1.0, betainccinv(a, b, tail))
    return low, high


@_proportion_interval
def wald(responders: Floats, n: Floats, conf_level: Floats) -> tuple[Floats, Floats]:
    """The simple normal interval, clipped to [0, 1] (Newcombe 1998a, method 1); a point at x = 0 and n.

    >>> low, high = wald(15, 148, conf_level=0.95)
    >>> round(low, 4), round(high, 4)
    (0.0527, 0.15)
    """
    p = responders / n
    reach = ndtri((1 + conf_level) / 2) * np.sqrt(p * (1 - p) / n)
    return np.clip(p - reach, 0, 1), np.clip(p + reach, 0, 1)


@_proportion_interval
def blaker(responders: Floats, n: Floats, conf_level: Floats) -> tuple[Floats, Floats]:
    """The exact interval of Blaker (2000), always inside Clopper and Pearson's.

    It is the hull of all p whose acceptability exceeds a = 1 - conf_level: the smaller tail at x plus
    the largest tail on the other side that is no larger. That set can have gaps, so no root finder
    may be let loose on it. Below x/n the acceptability is P(X >= x) + P(X <= k), where k grows with p
    in steps; inside a step it falls and then rises, at a step it jumps up to 2 P(X >= x). Hence,
    from the exact limit l of level a/2, where it is at most a, the lower limit is

    1. the root of P(X >= x) + P(X <= k) = a, k being that of l, when it exceeds a before the step;
    2. the next step, where P(X >= x) = P(X <= k + 1), otherwise.

    The upper limit is the mirror image; 0 at x = 0 and 1 at x = n.

    >>> low, high = blaker(15, 148, conf_level=0.95)
    >>> round(low, 4), round(high, 4)
    (0.058, 0.1601)
    """
    alpha = 1 - conf_level
    return _blaker_low(responders, n, alpha), 1 - _blaker_low(n - responders, n, alpha)


def _blaker_low(x: Floats, n: Floats, alpha: Floats) -> Floats:
    x_seen = np.maximum(x, 1)  # x = 0 is written at the end
    floor, ceiling = exact_low(x_seen, n, alpha / 2), exact_low(x_seen, n, alpha)

    # k is the largest count whose lower tail at `floor` is no larger than the upper tail of x.
    k, above = np.full_like(x, -1.0), n.copy()
    while (above - k > 1).any():
        middle = np.floor((k + above) / 2)
        small = at_most(middle, n, floor) <= alpha / 2
        k, above = np.where(small, middle, k), np.where(small, above, middle)

    def before_step(p: Floats) -> NDArray[np.bool_]:
        return at_least(x_seen, n, p) < at_most(k + 1, n, p)

    def not_acceptable(p: Floats) -> NDArray[np.bool_]:
        return at_least(x_seen, n, p) + at_most(k, n, p) <= alpha

    step = bisect(before_step, floor, ceiling)
    root = bisect(not_acceptable, floor, step)
    return np.where(x == 0, 0.0, root)


@overload
def exact_test(responders: int, n: int, p0: float, alternative: Alternative) -> float: ...
@overload
def exact_test(
    responders: Counts, n: Counts | int, p0: Levels, alternative: Alternative
) -> Floats: ...
def exact_test(responders: Any, n: Any, p0: Any, alternative: Alternative) -> Any:
    """The exact binomial p-value of p = p0.

    1. greater: P(X >= x).
    2. less: P(X <= x).
    3. two-sided: the probability of every count no likelier than x, as R's `binom.test`, which calls
       two probabilities equal when they differ by less than 1e-7 of themselves; 1 at the mean.

    >>> round(exact_test(5, 20, 0.10, "greater"), 6)
    0.043174
    >>> round(exact_test(682, 925, 0.75, "two-sided"), 7)
    0.3824916
    """
    x, size = checked_counts(responders, n)
    rate = np.asarray(p0, dtype=float)
    if not ((rate >= 0) & (rate <= 1)).all():
        raise ValueError("p0 must lie between 0 and 1")
    x, size, rate = np.broadcast_arrays(x, size, rate)
    if alternative == "greater":
        p_value = at_least(x, size, rate)
    elif alternative == "less":
        p_value = at_most(x, size, rate)
    elif alternative == "two-sided":
        mirrored = x > size * rate  # so that x always lies below the mean
        p_value = _two_sided(
            np.where(mirrored, size - x, x), size, np.where(mirrored, 1 - rate, rate)
        )
    else:
        raise ValueError("alternative must be 'greater', 'less' or 'two-sided'")
    return float(p_value) if np.ndim(p_value) == 0 else p_value


def _two_sided(x: Floats, n: Floats, p: Floats) -> Floats:
    """P(X <= x) plus every count above the mean that is no likelier than x, for x <= np."""
    likely = log_pmf(x, n, p) + np.log(TIED)
    # Above the mean the probabilities fall, so the first unlikely count is found by halving.
    below, first = np.ceil(n * p) - 1, n + 1
    while (first - below > 1).any():
        middle = np.floor((below + first) / 2)
        unlikely = log_pmf(middle, n, p) <= likely
        below, first = np.where(unlikely, below, middle), np.where(unlikely, middle, first)
    both = np.minimum(at_most(x, n, p) + at_least(first, n, p), 1.0)
    return np.where(x == n * p, 1.0, both)
