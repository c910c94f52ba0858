"""Cumulative incidence when one of several events comes first."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from sap.methods.risk_sets import (
    FloatArray,
    IntArray,
    RiskSets,
    checked_causes,
    checked_times,
    risk_sets,
)

Variance = Literal["infinitesimal-jackknife", "aalen"]


@dataclass(frozen=True, eq=False)
class AalenJohansen:
    """Cumulative incidence of each cause at each distinct observed time.

    Rows of `events`, `incidence` and `standard_error` are the causes 1 ... k in order. `survival`
    is the share without any event.
    """

    time: FloatArray
    at_risk: IntArray
    censored: IntArray
    events: IntArray
    survival: FloatArray
    incidence: FloatArray
    standard_error: FloatArray
    variance: Variance

    def at(self, cause: int, t: float) -> tuple[float, float]:
        """Incidence of `cause` at t and its standard error.

        1. Before the first observed time: (0, 0).
        2. After the last observed time: the last values where no patient is left without an event,
           (NaN, NaN), not estimable, else.
        3. In between: the values at the last observed time up to t.
        """
        if not 1 <= cause <= len(self.incidence):
            raise ValueError(f"cause: expected 1 to {len(self.incidence)}")
        if not t >= 0:
            raise ValueError("t: expected a number that is not negative")
        position = int(np.searchsorted(self.time, t, side="right")) - 1
        if position < 0:
            return 0.0, 0.0
        if t > self.time[-1] and self.survival[-1] > 0:
            return float("nan"), float("nan")
        row = cause - 1
        return float(self.incidence[row, position]), float(self.standard_error[row, position])


def aalen_johansen(
    time: ArrayLike,
    event: ArrayLike,
    entry: ArrayLike | None = None,
    *,
    causes: int | None = None,
    variance: Variance,
) -> AalenJohansen:
    """Cumulative incidence of Aalen & Johansen (1978); `event` is 0 for censored, else the cause.

    With d_ij events of cause j and d_i of any cause among r_i at risk at t_i:

        F_j(t) = sum over t_i <= t of S(t_i -) d_ij / r_i,  S the Kaplan-Meier curve of any event

    and the variance of F_j(t), sums over t_i <= t, G_i = F_j(t) - F_j(t_i), S_i before t_i:

        infinitesimal-jackknife   (survfit, etm, statsmodels)
            sum G_i^2 d_i / (r_i (r_i - d_i)) + sum S_i^2 d_ij (r_i - d_ij) / r_i^3
            - 2 sum G_i S_i d_ij / r_i^2
        aalen                     (Aalen 1978, as cmprsk programs it)
            sum G_i^2 a_i / (r_i - d_i)^2 + sum S_i^2 a_ij / r_i^2
            - 2 sum G_i S_i a_ij / (r_i (r_i - d_i))
            a_ij = d_ij (r_i - d_ij) / (r_i - 1), 1 when d_ij = 1; a_i = sum over j of a_ij

    The first is the delta method of Dinse & Larson (1986), which is the sum of squared influences of
    the patients when all enter at 0. With delayed entry the two part, and the sum of squared
    influences is returned, as `survfit(..., id=)` does.
    A term whose denominator is 0 belongs to a time after which nothing can happen and counts as 0.
    `causes` is the number of causes when the last ones did not occur.

    Five patients by hand: F_1 = 1/5 at 1, 1/5 + 3/5 x 1/3 = 2/5 at 3; F_2 = 1/5 at 2.

    Raises
    ------
    ValueError
        Times, causes or entries are missing, negative or of different lengths; no cause, or an unknown
        `variance`.

    Examples
    --------
    >>> curve = aalen_johansen([1, 2, 3, 4, 5], [1, 2, 1, 0, 0], variance="infinitesimal-jackknife")
    >>> curve.incidence.round(4).tolist()
    [[0.2, 0.2, 0.4, 0.4, 0.4], [0.0, 0.2, 0.2, 0.2, 0.2]]
    >>> [round(x, 6) for x in curve.at(cause=1, t=4.5)]
    [0.4, 0.219089]
    """
    if variance not in get_args(Variance):
        raise ValueError(f"variance: expected one of {', '.join(get_args(Variance))}")
    n = checked_times("time", time).size
    k = max(int(checked_causes("event", event, n).max()), 1) if causes is None else causes
    if k < 1:
        raise ValueError("causes: expected at least one")
    sets = risk_sets(time, event, entry, causes=k)
    events = np.stack(sets.counts[1:])
    r = sets.at_risk.astype(np.float64)
    d = events.sum(axis=0).astype(np.float64)
    left = r - d
    survival: FloatArray = np.cumprod(left / r, dtype=np.float64)
    before = np.concatenate(([1.0], survival[:-1]))
    left[left == 0] = np.inf
    incidence: FloatArray = np.cumsum(before / r * events, axis=1, dtype=np.float64)
    if variance == "aalen":
        squared = _aalen_variance(r, left, events, before, incidence)
    elif entry is None or not np.any(entry):
        squared = _delta_variance(r, left, d, events, before, incidence)
    else:
        squared = [_influence_variance(sets, left, d, j, before, incidence[j]) for j in range(k)]
    standard_error = np.sqrt(np.maximum(squared, 0.0), dtype=np.float64)
    return AalenJohansen(
        sets.time,
        sets.at_risk,
        sets.censored,
        events,
        survival,
        incidence,
        standard_error,
        variance,
    )


def _delta_variance(
    r: FloatArray,
    left: FloatArray,
    d: FloatArray,
    events: IntArray,
    before: FloatArray,
    incidence: FloatArray,
) -> list[FloatArray]:
    outer = d / (r * left)
    squares = np.cumsum(outer)
    share = before / r
    variances = []
    for j in range(len(events)):
        jump = share * events[j]
        crossed = jump / r
        own = (share - crossed) * jump
        variances.append(_three_sums(incidence[j], outer, squares, own, crossed))
    return variances


def _aalen_variance(
    r: FloatArray, left: FloatArray, events: IntArray, before: FloatArray, incidence: FloatArray
) -> list[FloatArray]:
    a = np.where(events > 1, events * (r - events) / np.where(r > 1, r - 1, 1), events)
    outer = a.sum(axis=0) / left**2
    squares = np.cumsum(outer)
    return [
        _three_sums(
            incidence[j], outer, squares, (before / r) ** 2 * a[j], before * a[j] / (r * left)
        )
        for j in range(len(events))
    ]


def _three_sums(
    incidence: FloatArray,
    outer: FloatArray,
    squares: FloatArray,
    own: FloatArray,
    crossed: FloatArray,
) -> FloatArray:
    """Sum of outer G^2 + own - 2 crossed G, G = F(t) - F(t_i) multiplied out into running sums."""
    linear = outer * incidence
    linear += crossed
    constant = linear + crossed
    constant *= incidence
    constant += own
    np.cumsum(linear, out=linear)
    np.cumsum(constant, out=constant)
    linear *= -2
    linear += squares * incidence
    linear *= incidence
    linear += constant
    return linear


def _influence_variance(
    sets: RiskSets,
    left: FloatArray,
    d: FloatArray,
    j: int,
    before: FloatArray,
    incidence: FloatArray,
) -> FloatArray:
    """Sum over patients of the squared derivative of F_j(t) by the patient's weight.

    With M_i the martingale residual of patient i (events less expected) for any event and M_ij for
    cause j, r and S_i as in `aalen_johansen`, and the sums of each patient running from entry to exit:

        U_i(t) = b_i(t) - F_j(t) a_i(t)
        a_i(t) = sum dM_i / (r - d)
        b_i(t) = sum S_i dM_ij / r + F_j dM_i / (r - d)

    a and b are frozen when a patient leaves. While at risk they differ from a function common
    to all at risk by their value at entry, so that four running sums replace the double loop.
    """
    r = sets.at_risk.astype(np.float64)
    cause = sets.counts[j + 1]
    a_event = 1 / left
    b_event = incidence * a_event  # for an event of another cause
    b_own = b_event + before / r
    a_common = -np.cumsum(d / (r * left))
    b_common = -np.cumsum(before * cause / (r * r) + incidence * d / (r * left))

    # The value of the common functions at the entry of each patient: 0 without delayed entry.
    at_entry = np.searchsorted(sets.time, sets.entry, side="right") - 1
    a_zero = np.where((at_entry < 0) | (sets.entry == 0), 0.0, a_common[at_entry])
    b_zero = np.where((at_entry < 0) | (sets.entry == 0), 0.0, b_common[at_entry])
    leaving = np.searchsorted(sets.time, sets.exit)
    a_end = a_common[leaving] - a_zero
    b_end = b_common[leaving] - b_zero
    had = sets.cause > 0
    a_end[had] += a_event[leaving[had]]
    b_end[had] += np.where(sets.cause == j + 1, b_own[leaving], b_event[leaving])[had]

    m = sets.time.size
    # A patient is inside from the first time after entry up to the time before exit.
    first = np.where(sets.entry == 0, 0, at_entry + 1)

    def inside(values: FloatArray) -> FloatArray:
        steps = np.bincount(first, values, m + 1) - np.bincount(leaving, values, m + 1)
        return np.cumsum(steps[:m], dtype=np.float64)

    def gone(values: FloatArray) -> FloatArray:
        return np.cumsum(np.bincount(leaving, values, m), dtype=np.float64)

    n = inside(np.ones_like(a_zero))
    sum_a, sum_b = inside(a_zero), inside(b_zero)
    aa = gone(a_end**2) + n * a_common**2 - 2 * a_common * sum_a + inside(a_zero**2)
    bb = gone(b_end**2) + n * b_common**2 - 2 * b_common * sum_b + inside(b_zero**2)
    ab = gone(a_end * b_end) + n * a_common * b_common + inside(a_zero * b_zero)
    ab -= a_common * sum_b + b_common * sum_a
    return bb - 2 * incidence * ab + incidence**2 * aa
