"""Kaplan-Meier curves of one group: estimate, intervals, quantiles, restricted mean, follow-up.

References
----------
Brookmeyer and Crowley 1982, Biometrics 38:29. Collett 2015, Modelling Survival Data in Medical
Research, 3rd ed. Greenwood 1926, The Natural Duration of Cancer. Kaplan and Meier 1958, JASA 53:457.
Klein and Moeschberger 2003, Survival Analysis, 2nd ed. Schemper and Smith 1996, Control Clin Trials
17:343.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, NamedTuple, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sap.methods.proportion import Interval, Intervals
from sap.methods.risk_sets import TOLERANCE, FloatArray, IntArray, checked_causes, risk_sets

Times = Sequence[float] | NDArray[Any]
Transform = Literal["plain", "log", "log-log", "arcsin", "logit"]
BLOCK = 32_768  # times of a long curve looked at together, so that they stay in the cache


@dataclass(frozen=True, eq=False)
class KaplanMeier:
    """The product-limit estimate at each distinct observed time, event or not.

    `standard_error` is Greenwood's, of S(t) itself; it is NaN where S = 0.
    """

    time: FloatArray
    at_risk: IntArray
    events: IntArray
    censored: IntArray
    survival: FloatArray
    standard_error: FloatArray

    @overload
    def at(self, t: float) -> float: ...
    @overload
    def at(self, t: Times) -> FloatArray: ...
    def at(self, t: float | Times) -> float | FloatArray:
        """S(t).

        1. Before the first observed time: 1.
        2. After the last observed time: 0 where the curve has reached 0, NaN (not estimable) else.
        3. In between: the value at the last observed time up to t.
        """
        survival = _read(self, self.survival, t, before=1.0)
        return float(survival) if np.ndim(t) == 0 else survival


class QuantileEstimate(NamedTuple):
    """A quantile of the time to event with its confidence limits; NaN where not estimable."""

    estimate: float
    low: float
    high: float


def kaplan_meier(time: ArrayLike, event: ArrayLike, entry: ArrayLike | None = None) -> KaplanMeier:
    """Product-limit estimate of Kaplan & Meier (1958) with Greenwood's (1926) standard error.

    With d_i events among r_i at risk at the distinct times t_i:

        S(t)      = product over t_i <= t of (r_i - d_i) / r_i
        Var[S(t)] = S(t)^2  sum over t_i <= t of d_i / (r_i (r_i - d_i))

    Events come before censoring at the same time; times equal but for rounding are one time;
    a patient with a delayed `entry` is at risk when entry < t <= time (see `risk_sets`).
    When every patient at risk has the event S is 0 from there on, also if others enter later.

    Raises
    ------
    ValueError
        Times are empty, missing, negative or infinite, events are not 0 or 1, or an entry is not before
        its time.

    Examples
    --------
    The six patients of Therneau's "Software validation" (test data 1):

    >>> curve = kaplan_meier([1, 1, 6, 6, 8, 9], [1, 0, 1, 1, 0, 1])
    >>> curve.time.tolist(), curve.at_risk.tolist(), curve.events.tolist()
    ([1.0, 6.0, 8.0, 9.0], [6, 4, 2, 1], [1, 2, 0, 1])
    >>> curve.survival.round(6).tolist()
    [0.833333, 0.416667, 0.416667, 0.0]
    >>> round(curve.at(7.0), 6), curve.at(10.0)
    (0.416667, 0.0)
    """
    sets = risk_sets(time, event, entry, causes=1)
    at_risk, events = sets.at_risk, sets.counts[1]
    r = at_risk.astype(np.float64)
    left = r - events
    survival = left / r
    np.cumprod(survival, out=survival)
    # In place, because a million times fill the caches: Greenwood's sum, its root, times S.
    standard_error = left
    standard_error *= r
    with np.errstate(divide="ignore", invalid="ignore"):
        np.divide(events, standard_error, out=standard_error)
        np.cumsum(standard_error, out=standard_error)
        np.sqrt(standard_error, out=standard_error)
        standard_error *= survival
    return KaplanMeier(sets.time, at_risk, events, sets.censored, survival, standard_error)


def reverse_kaplan_meier(
    time: ArrayLike, event: ArrayLike, entry: ArrayLike | None = None
) -> KaplanMeier:
    """Curve of the potential follow-up: being censored is the event (Schemper & Smith 1996).

    The indicator is flipped and nothing else: at a tied time a patient with the event is still at
    risk of being censored, as `survfit(Surv(time, 1 - event))` and PROC LIFETEST count.

    Raises
    ------
    ValueError
        As `kaplan_meier`.

    Examples
    --------
    >>> quantile(reverse_kaplan_meier([3, 5, 8, 9], [1, 0, 0, 1]), 0.5, 0.95, "log-log").estimate
    8.0
    """
    times = np.asarray(time)
    flipped = 1 - checked_causes("event", event, times.size, largest=1)
    return kaplan_meier(time, flipped, entry)


@overload
def interval(curve: KaplanMeier, t: float, conf_level: float, transform: Transform) -> Interval: ...
@overload
def interval(
    curve: KaplanMeier, t: Times, conf_level: float, transform: Transform
) -> Intervals: ...
def interval(
    curve: KaplanMeier, t: float | Times, conf_level: float, transform: Transform
) -> Interval | Intervals:
    """Pointwise confidence interval of S(t), symmetric on the scale of g.

    With z the normal quantile, se Greenwood's standard error of S(t) and g' the derivative, the
    limits are g(S) - z |g'(S)| se and g(S) + z |g'(S)| se taken back and kept within [0, 1]
    (Klein & Moeschberger 2003, section 4.3; Collett 2015, section 2.2):

        plain     g(S) = S                    log     g(S) = log S
        log-log   g(S) = log(-log S)          logit   g(S) = log(S / (1 - S))
        arcsin    g(S) = arcsin(sqrt S)

    1. S(t) = 1, before the first event: (1, 1).
    2. S(t) = 0, or t after the last observed time: (NaN, NaN), not estimable.

    `t` may be an array; the result is then `Intervals` of arrays.

    Raises
    ------
    ValueError
        `t` is negative, `transform` is unknown, or `conf_level` is not between 0 and 1.

    Examples
    --------
    >>> curve = kaplan_meier([1, 1, 6, 6, 8, 9], [1, 0, 1, 1, 0, 1])
    >>> low, high = interval(curve, 6.0, conf_level=0.95, transform="log-log")
    >>> round(low, 4), round(high, 4)
    (0.056, 0.7665)
    """
    z = _normal_quantile(conf_level)
    survival = _read(curve, curve.survival, t, before=1.0)
    low, high = _limits(survival, _read(curve, curve.standard_error, t, before=0.0), z, transform)
    return Interval(float(low), float(high)) if np.ndim(t) == 0 else Intervals(low, high)


def quantile(
    curve: KaplanMeier, p: float, conf_level: float, transform: Transform
) -> QuantileEstimate:
    """The time by which a share p has had the event, with the limits of Brookmeyer & Crowley (1982).

    For the estimate, y(t) = S(t); for the limits, y(t) is the lower and the upper limit of
    `interval` at t. In each of the three the first case that applies decides; "equal" is within
    sqrt(eps), as in R's `quantile.survfit`:

    1. y never decreases to 1 - p: NaN, not reached.
    2. y equals 1 - p on a stretch and then decreases: the middle of the stretch.
    3. y equals 1 - p on a stretch and never leaves it: the middle between its beginning and the
       last observed time (SAS prints NE). For the limits only if they exist at that time.
    4. Otherwise the first time at which y is below 1 - p. (A limit need not decrease monotonically,
       with delayed entry above all; R's `print.survfit` takes the first crossing as we do, its
       `quantile` may then take a later one.)

    Raises
    ------
    ValueError
        `p` or `conf_level` is not between 0 and 1, or `transform` is unknown.

    Examples
    --------
    >>> quantile(kaplan_meier([1, 2, 3, 4, 5, 6], [1, 1, 1, 0, 0, 0]), 0.5, 0.95, "log-log")
    QuantileEstimate(estimate=4.5, low=1.0, high=nan)
    """
    if not 0 < p < 1:
        raise ValueError("p: expected a share strictly between 0 and 1")
    z = _normal_quantile(conf_level)
    if transform not in _TRANSFORMS:
        raise ValueError(f"transform: expected one of {', '.join(_TRANSFORMS)}")
    steps = np.flatnonzero(curve.events)
    survival, error = curve.survival[steps], curve.standard_error[steps]
    times, end = curve.time[steps], float(curve.time[-1])

    @cache
    def limits(start: int) -> tuple[FloatArray, FloatArray]:
        block = slice(start, start + BLOCK)
        return _limits(survival[block], error[block], z, transform)

    return QuantileEstimate(
        _crossing(times, lambda start: survival[start : start + BLOCK], 1 - p, end),
        _crossing(times, lambda start: limits(start)[0], 1 - p, end),
        _crossing(times, lambda start: limits(start)[1], 1 - p, end),
    )


class RestrictedMean(NamedTuple):
    """Restricted mean survival time with its standard error."""

    estimate: float
    standard_error: float


def rmst(curve: KaplanMeier, tau: float) -> RestrictedMean:
    """Restricted mean survival time: the area under S(t) from 0 to tau.

    With A_i the area from t_i to tau (Klein & Moeschberger 2003, eq. 4.5.1 and 4.5.2):

        estimate         = integral from 0 to tau of S(t) dt
        standard_error^2 = sum over t_i <= tau of A_i^2 d_i / (r_i (r_i - d_i))

    A tau after the last observed time is refused unless S = 0 there. A time at which S becomes 0
    adds nothing to the variance: the area after it is 0.

    By hand: 1 x 1 + 5 x 5/6 + 2 x 5/12 = 6, variance 5^2 / 30 + (5/6)^2 x 2/8 = 1.006944.

    Raises
    ------
    ValueError
        `tau` is not a finite time after 0, or lies where the curve is not estimable.

    Examples
    --------
    >>> area = rmst(kaplan_meier([1, 1, 6, 6, 8, 9], [1, 0, 1, 1, 0, 1]), tau=8.0)
    >>> round(area.estimate, 6), round(area.standard_error, 6)
    (6.0, 1.003466)
    """
    if not 0 < tau < np.inf:
        raise ValueError("tau: expected a finite time after 0")
    if tau > curve.time[-1] + TOLERANCE and curve.survival[-1] > 0:
        raise ValueError("tau: after the last observed time, where the curve is not estimable")
    inside = int(np.searchsorted(curve.time, tau, side="right"))
    height = np.concatenate(([1.0], curve.survival[:inside]))
    width = np.diff(np.concatenate(([0.0], curve.time[:inside], [tau])))
    pieces = height * width
    after = np.cumsum(pieces[:0:-1])[::-1]
    at_risk, events = curve.at_risk[:inside], curve.events[:inside]
    terms = np.zeros(inside)
    counted = (at_risk > events) & (after > 0)
    r, d = at_risk[counted].astype(np.float64), events[counted]
    terms[counted] = after[counted] ** 2 * d / (r * (r - d))
    return RestrictedMean(float(pieces.sum()), float(np.sqrt(terms.sum())))


def _read(curve: KaplanMeier, values: FloatArray, t: float | Times, before: float) -> FloatArray:
    """`values` of the curve's times as a step function read at t; NaN after a curve that ends > 0."""
    at = np.asarray(t, dtype=np.float64)
    if at is curve.time or (at.shape == curve.time.shape and np.shares_memory(at, curve.time)):
        return values
    if not np.all(at >= 0):
        raise ValueError("t: every time must be a number and not negative")
    position = np.searchsorted(curve.time, at, side="right")
    read = np.where(position == 0, before, values[position - 1])
    if curve.survival[-1] > 0:
        read = np.where(at > curve.time[-1], np.nan, read)
    return np.asarray(read, dtype=np.float64)


def _normal_quantile(conf_level: float) -> float:
    from scipy.special import ndtri

    if not 0 < conf_level < 1:
        raise ValueError("conf_level: expected a share strictly between 0 and 1")
    return float(ndtri(0.5 + conf_level / 2))


def _limits(
    survival: FloatArray, standard_error: FloatArray, z: float, transform: Transform
) -> tuple[FloatArray, FloatArray]:
    if transform not in _TRANSFORMS:
        raise ValueError(f"transform: expected one of {', '.join(_TRANSFORMS)}")
    if survival.size > BLOCK:
        low, high = np.empty_like(survival), np.empty_like(survival)
        for start in range(0, survival.size, BLOCK):
            part = slice(start, start + BLOCK)
            low[part], high[part] = _limits(survival[part], standard_error[part], z, transform)
        return low, high
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        low, high = _TRANSFORMS[transform](survival, z * standard_error)
    ends = survival == 1.0
    if ends.any():
        low, high = np.where(ends, 1.0, low), np.where(ends, 1.0, high)
    return low, high


def _plain(s: FloatArray, reach: FloatArray) -> tuple[FloatArray, FloatArray]:
    return np.maximum(s - reach, 0.0), np.minimum(s + reach, 1.0)


def _log(s: FloatArray, reach: FloatArray) -> tuple[FloatArray, FloatArray]:
    factor = np.exp(reach / s)
    return s / factor, np.minimum(s * factor, 1.0)


def _log_log(s: FloatArray, reach: FloatArray) -> tuple[FloatArray, FloatArray]:
    log_s = np.log(s)
    factor = np.exp(reach / (s * log_s))  # below 1, because log S is negative
    return np.exp(log_s / factor), np.exp(log_s * factor)


def _arcsin(s: FloatArray, reach: FloatArray) -> tuple[FloatArray, FloatArray]:
    angle, half = np.arcsin(np.sqrt(s)), reach / (2 * np.sqrt(s * (1 - s)))
    low = np.sin(np.maximum(angle - half, 0.0)) ** 2
    return low, np.sin(np.minimum(angle + half, np.pi / 2)) ** 2


def _logit(s: FloatArray, reach: FloatArray) -> tuple[FloatArray, FloatArray]:
    odds, factor = s / (1 - s), np.exp(reach / (s * (1 - s)))
    low, high = odds / factor, odds * factor
    return low / (1 + low), 1 / (1 + 1 / high)


_TRANSFORMS = {
    "plain": _plain,
    "log": _log,
    "log-log": _log_log,
    "arcsin": _arcsin,
    "logit": _logit,
}


def _crossing(
    times: FloatArray, read: Callable[[int], FloatArray], target: float, end: float
) -> float:
    """The time at which a step function crosses `target`, by the cases of `quantile`.

    `read` gives its values at the BLOCK `times` from a place on; blocks after the crossing are never computed.
    """
    first, last = -1, float("nan")
    for start in range(0, times.size, BLOCK):
        y = read(start)
        last = float(y[-1])
        if first < 0:
            reached = y <= target + TOLERANCE
            if not reached.any():
                continue
            first = start + int(np.argmax(reached))
            if y[first - start] < target - TOLERANCE:
                return float(times[first])
        below = y[max(first - start, 0) :] <= target - TOLERANCE
        if below.any():
            return float((times[first] + times[max(first, start) + int(np.argmax(below))]) / 2)
    on_the_level = first >= 0 and abs(last - target) < TOLERANCE
    return float((times[first] + end) / 2) if on_the_level else float("nan")
