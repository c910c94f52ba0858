"""One proportion and the comparison of two: intervals, exact tests, odds ratio, differences.

One method, one function: the plan names the interval. Every interval takes numbers or arrays, which
broadcast; numbers give an `Interval` of floats, arrays give `Intervals` of arrays. Every limit lies
in [0, 1], and 0 and 1 are reached exactly where the method says so.

References
----------
Agresti and Coull 1998, Am Stat 52:119. Blaker 2000, Can J Stat 28:783 and 29:681. Brown, Cai and
DasGupta 2001, Stat Sci 16:101. Chandrupatla 1997, Adv Eng Softw 28:145. Clopper and Pearson 1934,
Biometrika 26:404. Miettinen and Nurminen 1985, Stat Med 4:213. Newcombe 1998a, Stat Med 17:857 (one
proportion), 1998b, Stat Med 17:873 (two). Wilson 1927, JASA 22:209.
"""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Literal, NamedTuple, Protocol, cast, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import (
    betainc,
    betainccinv,
    betaincinv,
    betaln,
    ndtr,
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
    """The signature of every interval of this module."""

    __name__: str

    @overload
    def __call__(self, responders: int, n: int, conf_level: float) -> Interval: ...
    @overload
    def __call__(self, responders: Counts, n: Counts | int, conf_level: Levels) -> Intervals: ...
    @overload
    def __call__(self, responders: int, n: Counts, conf_level: Levels) -> Intervals: ...
    def __call__(self, responders: Any, n: Any, conf_level: Any) -> Any: ...


def checked_counts(responders: ArrayLike, n: ArrayLike, suffix: str = "") -> tuple[Floats, Floats]:
    """Responders and patients as floats, refused when they are not a count of patients.

    Raises
    ------
    ValueError
        A count is not a whole number from 0 to `n`, or `n` is below 1.
    """
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
    """A confidence level strictly between 0 and 1.

    Raises
    ------
    ValueError
        A level is not between 0 and 1.
    """
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
    """Check the arguments, broadcast them, and return floats or arrays as the arguments were.

    Many intervals are often intervals of few distinct counts: each pair is computed once.
    """

    @wraps(limits)
    def interval(responders: ArrayLike, n: ArrayLike, conf_level: ArrayLike) -> Any:
        x, size = checked_counts(responders, n)
        level = checked_level(conf_level)
        broadcast = np.broadcast_arrays(x, size, level)
        shape = broadcast[0].shape
        x, size, each_level = (part.ravel() for part in broadcast)
        pairs = x + size * (size.max(initial=0.0) + 1)
        probe = pairs[:: max(1, x.size // 2000)]  # sorting all of them must be worth it
        if level.size == 1 and x.size > 2000 and np.unique(probe).size < 0.97 * probe.size:
            pairs, pair = np.unique(pairs, return_inverse=True)
            first = np.empty(pairs.size, dtype=np.intp)
            first[pair] = np.arange(x.size)
            low, high = (end[pair] for end in limits(x[first], size[first], each_level[first]))
        else:
            low, high = limits(x, size, each_level)
        return as_interval(low.reshape(shape), high.reshape(shape))

    return cast(ProportionInterval, interval)


def root(f: Callable[[Floats], Floats], low: Floats, high: Floats) -> Floats:
    """Where `f` changes its sign between `low` and `high`, element by element (Chandrupatla 1997).

    Inverse quadratic interpolation where it is safe and halving where it is not, to the last bits
    of a float. An element without a change of sign gets some point of its bracket.

    `scipy.optimize.elementwise.find_root` is the same method. It has no root where `f` is infinite at
    an end of the bracket, as the slope of a log-likelihood is (`_most_likely`), and its last digit
    differs in one of five roots.
    """
    x1, x2 = low.astype(float), high.astype(float)
    f1, f2 = f(x1), f(x2)
    x3, f3, t = x2, f2, np.full_like(x1, 0.5)
    for _ in range(200):
        small = np.abs(f2) < np.abs(f1)
        best, width = np.where(small, x2, x1), np.abs(x2 - x1)
        room = 2 * np.finfo(float).eps * np.abs(best) + np.finfo(float).tiny
        done = (width <= 2 * room) | (np.minimum(np.abs(f1), np.abs(f2)) == 0)
        if done.all():
            break
        with np.errstate(divide="ignore", invalid="ignore"):
            limit = room / width
            x = np.where(done, x1, x1 + np.clip(t, limit, 1 - limit) * (x2 - x1))
        f_x = np.where(done, f1, f(x))
        same = np.sign(f_x) == np.sign(f1)
        x3, f3 = np.where(same, x1, x2), np.where(same, f1, f2)
        x2, f2 = np.where(same, x2, x1), np.where(same, f2, f1)
        x1, f1 = x, f_x
        with np.errstate(divide="ignore", invalid="ignore"):
            xi, phi = (x1 - x2) / (x3 - x2), (f1 - f2) / (f3 - f2)
            safe = (phi**2 < xi) & ((1 - phi) ** 2 < 1 - xi)
            bent = f1 / (f2 - f1) * f3 / (f2 - f3)
            bent += (x3 - x1) / (x2 - x1) * f1 / (f3 - f1) * f2 / (f3 - f2)
        t = np.where(safe, bent, 0.5)
    return best


def at_least(x: Floats, n: Floats, p: Floats) -> Floats:
    """P(X >= x) for X binomial(n, p), small tails to full relative accuracy."""
    inside = np.clip(x, 1, n)
    tail = betainc(inside, n - inside + 1, p)
    return np.where(x <= 0, 1.0, np.where(x > n, 0.0, tail))


def at_most(x: Floats, n: Floats, p: Floats) -> Floats:
    """P(X <= x) for X binomial(n, p), small tails to full relative accuracy."""
    inside = np.clip(x, 0, n - 1)
    tail = betainc(n - inside, inside + 1, 1 - p)  # betaincc is the same, and seven times slower
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
    def excess(p: Floats) -> Floats:
        return (at_least(x, n, p) + at_least(x + 1, n, p)) / 2 - tail

    ceiling = np.where(x == n, 1.0, exact_low(np.minimum(x + 1, n), n, tail))
    return np.where(x == 0, 0.0, root(excess, exact_low(x, n, tail), ceiling))


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
    denominator = 2 * (n + z**2)
    low = np.where(x == 0, 0.0, (centre - reach) / denominator)
    high = np.where(q == 0, 1.0, (centre + reach) / denominator)
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
    denominator = 2 * (n + z**2)
    low = np.where(x == 0, 0.0, (2 * x + z**2 - 1 - z * root_low) / denominator)
    high = np.where(q == 0, 1.0, (2 * x + z**2 + 1 + z * root_high) / denominator)
    return np.clip(low, 0, 1), np.clip(high, 0, 1)


@_proportion_interval
def agresti_coull(responders: Floats, n: Floats, conf_level: Floats) -> tuple[Floats, Floats]:
    """Wald about the Wilson midpoint, clipped to [0, 1] (Agresti and Coull 1998).

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
    """Equal-tailed interval of the posterior Beta(x + 1/2, n - x + 1/2) (Brown 2001).

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
    the largest tail on the other side that is no larger. That set can have gaps, so that a root
    finder alone is not enough. Below x/n the acceptability is P(X >= x) + P(X <= k), where k grows with p
    in steps; inside a step it decreases and then increases, at a step it jumps up to 2 P(X >= x). Hence,
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
    seen = np.maximum(x, 1)  # the limit at x = 0 is written at the end
    floor, ceiling = exact_low(seen, n, alpha / 2), exact_low(seen, n, alpha)

    # k is the largest count whose lower tail at `floor` is no larger than the upper tail of x.
    k, above = np.full_like(seen, -1.0), seen
    while (above - k > 1).any():
        middle = np.floor((k + above) / 2)
        small = at_most(middle, n, floor) <= alpha / 2
        k, above = np.where(small, middle, k), np.where(small, above, middle)

    def beyond_step(p: Floats) -> Floats:
        return at_least(seen, n, p) - at_most(k + 1, n, p)

    def excess(p: Floats) -> Floats:
        return at_least(seen, n, p) + at_most(k, n, p) - alpha

    step = np.where(beyond_step(ceiling) > 0, root(beyond_step, floor, ceiling), ceiling)
    low = np.where(excess(step) > 0, root(excess, floor, step), step)
    return np.where(x == 0, 0.0, low)


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

    Raises
    ------
    ValueError
        A count is not a whole number from 0 to `n`, `p0` is not a rate, or the alternative is unknown.

    Examples
    --------
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
    # Above the mean the probabilities decrease, so bisection gives the first unlikely count.
    below, first = np.ceil(n * p) - 1, n + 1
    while (first - below > 1).any():
        middle = np.floor((below + first) / 2)
        unlikely = log_pmf(np.maximum(middle, 0), n, p) <= likely
        below, first = np.where(unlikely, below, middle), np.where(unlikely, middle, first)
    both = np.minimum(at_most(x, n, p) + at_least(first, n, p), 1.0)
    return np.where(x == n * p, 1.0, both)


class OddsRatio(NamedTuple):
    """An odds ratio with both limits of its exact interval."""

    estimate: float
    low: float
    high: float


class DifferenceInterval(Protocol):
    """The signature of an interval for the difference of two proportions."""

    __name__: str

    @overload
    def __call__(
        self, responders_a: int, n_a: int, responders_b: int, n_b: int, conf_level: float
    ) -> Interval: ...
    @overload
    def __call__(
        self,
        responders_a: Counts,
        n_a: Counts,
        responders_b: Counts,
        n_b: Counts,
        conf_level: float,
    ) -> Intervals: ...
    def __call__(
        self, responders_a: Any, n_a: Any, responders_b: Any, n_b: Any, conf_level: Any
    ) -> Any: ...


def _difference_interval(
    limits: Callable[[Floats, Floats, Floats, Floats, Floats], tuple[Floats, Floats]],
) -> DifferenceInterval:
    """Check the four counts, broadcast them, and return floats or arrays as the arguments were."""

    @wraps(limits)
    def interval(
        responders_a: ArrayLike,
        n_a: ArrayLike,
        responders_b: ArrayLike,
        n_b: ArrayLike,
        conf_level: ArrayLike,
    ) -> Any:
        a, size_a = checked_counts(responders_a, n_a, "_a")
        b, size_b = checked_counts(responders_b, n_b, "_b")
        broadcast = np.broadcast_arrays(a, size_a, b, size_b, checked_level(conf_level))
        shape = broadcast[0].shape
        a, size_a, b, size_b, level = (part.ravel() for part in broadcast)
        low, high = limits(a, size_a, b, size_b, level)
        return as_interval(low.reshape(shape), high.reshape(shape))

    return cast(DifferenceInterval, interval)


@_difference_interval
def newcombe_difference(
    responders_a: Floats, n_a: Floats, responders_b: Floats, n_b: Floats, conf_level: Floats
) -> tuple[Floats, Floats]:
    """The difference a - b of two proportions, hybrid of two Wilson intervals (Newcombe 1998b, method 10).

    With Wilson's limits l, u of each group and d the observed difference:

        low  = d - sqrt((p_a - l_a)^2 + (u_b - p_b)^2)
        high = d + sqrt((u_a - p_a)^2 + (p_b - l_b)^2)

    >>> low, high = newcombe_difference(56, 70, 48, 80, conf_level=0.95)
    >>> round(low, 4), round(high, 4)
    (0.0524, 0.3339)
    """
    p_a, p_b = responders_a / n_a, responders_b / n_b
    a, b = wilson(responders_a, n_a, conf_level), wilson(responders_b, n_b, conf_level)
    low = p_a - p_b - np.hypot(p_a - a.low, b.high - p_b)
    high = p_a - p_b + np.hypot(a.high - p_a, p_b - b.low)
    return low, high


@_difference_interval
def miettinen_nurminen_difference(
    responders_a: Floats, n_a: Floats, responders_b: Floats, n_b: Floats, conf_level: Floats
) -> tuple[Floats, Floats]:
    """The difference a - b of two proportions by inverting the score test (Miettinen and Nurminen 1985).

    The limits are the differences at which the statistic of `miettinen_nurminen_test` is the normal
    quantile of (1 + conf_level)/2, above and below; -1 and 1 when it is never reached. They are
    Newcombe's (1998b) method 5 with the variance enlarged by N/(N - 1).

    >>> low, high = miettinen_nurminen_difference(56, 70, 48, 80, conf_level=0.95)
    >>> round(low, 4), round(high, 4)
    (0.0528, 0.3382)
    """
    z = ndtri((1 + conf_level) / 2)
    observed = responders_a / n_a - responders_b / n_b
    counts = responders_a, n_a, responders_b, n_b

    def above(difference: Floats) -> Floats:
        return _score_statistic(*counts, difference) - z

    def below(difference: Floats) -> Floats:
        return _score_statistic(*counts, difference) + z

    lowest, highest = np.full_like(observed, -1.0), np.full_like(observed, 1.0)
    low = np.where(above(lowest) > 0, root(above, lowest, observed), lowest)
    high = np.where(below(highest) < 0, root(below, observed, highest), highest)
    return low, high


@overload
def miettinen_nurminen_test(
    responders_a: int,
    n_a: int,
    responders_b: int,
    n_b: int,
    difference: float,
    alternative: Alternative,
) -> float: ...
@overload
def miettinen_nurminen_test(
    responders_a: Counts,
    n_a: Counts,
    responders_b: Counts,
    n_b: Counts,
    difference: Levels,
    alternative: Alternative,
) -> Floats: ...
def miettinen_nurminen_test(
    responders_a: Any,
    n_a: Any,
    responders_b: Any,
    n_b: Any,
    difference: Any,
    alternative: Alternative,
) -> Any:
    """Score test of the difference p_a - p_b (Miettinen and Nurminen 1985).

    z = (observed - difference) / sqrt((a(1-a)/n_a + b(1-b)/n_b) N/(N - 1)), a and b being the most
    likely proportions that differ by `difference`. The p-value is normal: greater P(Z >= z), less
    P(Z <= z), two-sided twice the smaller. z is 0 where observed and difference agree, also as 0/0.

    Raises
    ------
    ValueError
        A count is not a whole number from 0 to `n`, `difference` is not between -1 and 1, or the
        alternative is unknown.

    Examples
    --------
    >>> round(miettinen_nurminen_test(56, 70, 48, 80, 0.0, "two-sided"), 6)
    0.008258
    """
    a, size_a = checked_counts(responders_a, n_a, "_a")
    b, size_b = checked_counts(responders_b, n_b, "_b")
    margin = np.asarray(difference, dtype=float)
    if not (np.abs(margin) < 1).all():
        raise ValueError("difference must lie strictly between -1 and 1")
    z = _score_statistic(*np.broadcast_arrays(a, size_a, b, size_b, margin))
    tails = {"greater": ndtr(-z), "less": ndtr(z), "two-sided": 2 * ndtr(-np.abs(z))}
    if alternative not in tails:
        raise ValueError("alternative must be 'greater', 'less' or 'two-sided'")
    p_value = tails[alternative]
    return float(p_value) if np.ndim(p_value) == 0 else p_value


def _score_statistic(x_a: Floats, n_a: Floats, x_b: Floats, n_b: Floats, gap: Floats) -> Floats:
    observed, total = x_a / n_a - x_b / n_b, n_a + n_b
    b = _most_likely(x_a, n_a, x_b, n_b, gap)
    a = np.clip(b + gap, 0, 1)
    variance = (a * (1 - a) / n_a + b * (1 - b) / n_b) * total / (total - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(observed == gap, 0.0, (observed - gap) / np.sqrt(variance))


def _most_likely(x_a: Floats, n_a: Floats, x_b: Floats, n_b: Floats, gap: Floats) -> Floats:
    """The p_b that makes the counts likeliest when p_a = p_b + gap.

    Miettinen and Nurminen solve a cubic in closed form; the slope of the log likelihood decreases
    from max(0, -gap) to min(1, 1 - gap), so its root keeps every digit. An end is the solution
    when the slope does not change its sign.
    """

    def each(count: Floats, p: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(count == 0, 0.0, count / np.maximum(p, 0.0))

    def slope(b: Floats) -> Floats:
        up = each(x_b, b) + each(x_a, b + gap)
        return up - each(n_b - x_b, 1 - b) - each(n_a - x_a, 1 - b - gap)

    low, high = np.maximum(0.0, -gap), np.minimum(1.0, 1 - gap)
    with np.errstate(invalid="ignore"):
        inside = root(slope, low, high)
        return np.where(slope(low) <= 0, low, np.where(slope(high) >= 0, high, inside))


def exact_odds_ratio(
    responders_a: int, n_a: int, responders_b: int, n_b: int, conf_level: float
) -> OddsRatio:
    """The odds of response in a over those in b: conditional estimate and exact limits, as R's `fisher.test`.

    Given the total of responders, those in a follow the noncentral hypergeometric distribution:

    1. NaN, limits 0 and infinity: the total leaves only one table (no patient or every patient responded).
    2. estimate: the ratio at which the mean is the observed count; 0 or infinite at its ends.
    3. low: P(X >= x) = (1 - conf_level)/2, and 0 at the smallest count possible.
    4. high: P(X <= x) = (1 - conf_level)/2, and infinite at the largest.

    Fisher's tea (R's example): 3 of 4 cups against 1 of 4.

    Raises
    ------
    ValueError
        A count is not a whole number from 0 to `n`, or `conf_level` is not between 0 and 1.

    Examples
    --------
    >>> tuple(round(value, 4) for value in exact_odds_ratio(3, 4, 1, 4, conf_level=0.95))
    (6.4083, 0.2117, 626.2435)
    """
    checked_counts(responders_a, n_a, "_a")
    checked_counts(responders_b, n_b, "_b")
    tail = (1 - float(checked_level(conf_level))) / 2
    responders = responders_a + responders_b
    smallest, largest = max(0, responders - n_b), min(n_a, responders)
    if smallest == largest:
        return OddsRatio(np.nan, 0.0, np.inf)
    count = np.arange(smallest, largest + 1.0)
    log_weight = -betaln(n_a - count + 1, count + 1)
    log_weight -= betaln(n_b - responders + count + 1, responders - count + 1)
    log_weight -= log_weight.max()

    def weighted(log_ratio: Floats, value: Floats) -> Floats:
        """The mean of `value` over the tables when the logarithm of the odds ratio is `log_ratio`."""
        exponent = log_weight + log_ratio[:, np.newaxis] * (count - responders_a)
        weight = np.exp(exponent - exponent.max(axis=1, keepdims=True))
        return np.asarray((weight @ value) / weight.sum(axis=1))

    def ratio(value: Floats, target: float) -> float:
        """The odds ratio at which the mean of `value`, which increases or decreases with it, is `target`."""
        reach = np.ones(1)
        while np.prod(np.sign([weighted(end, value)[0] - target for end in (-reach, reach)])) > 0:
            reach = reach * 2
        return float(np.exp(root(lambda at: weighted(at, value) - target, -reach, reach))[0])

    is_smallest, is_largest = responders_a == smallest, responders_a == largest
    low = 0.0 if is_smallest else ratio((count >= responders_a).astype(float), tail)
    high = np.inf if is_largest else ratio((count <= responders_a).astype(float), tail)
    if is_smallest or is_largest:
        return OddsRatio(0.0 if is_smallest else np.inf, low, high)
    return OddsRatio(ratio(count, responders_a), low, high)


def fisher_exact(
    responders_a: int, n_a: int, responders_b: int, n_b: int, alternative: Alternative
) -> float:
    """Fisher's exact p-value of equal proportions, by scipy; `greater`: a responds more often than b.

    Fisher's tea: 3 of 4 cups against 1 of 4.

    Raises
    ------
    ValueError
        A count is not a whole number from 0 to `n`, or the alternative is unknown.

    Examples
    --------
    >>> round(fisher_exact(3, 4, 1, 4, "greater"), 4)
    0.2429
    """
    from scipy.stats import fisher_exact as scipy_fisher_exact

    checked_counts(responders_a, n_a, "_a")
    checked_counts(responders_b, n_b, "_b")
    if alternative not in ("greater", "less", "two-sided"):
        raise ValueError("alternative must be 'greater', 'less' or 'two-sided'")
    table = np.array([[responders_a, n_a - responders_a], [responders_b, n_b - responders_b]])
    return float(scipy_fisher_exact(table, alternative=alternative).pvalue)
