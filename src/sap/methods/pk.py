"""Noncompartmental pharmacokinetics on actual sampling times.

A profile is times (strictly increasing) and concentrations (not negative); a missing concentration
is no sample and is left out. What a value below the limit of quantification becomes (0, missing) is
decided before: here 0 is 0. Nothing is extrapolated unless the name of a result says it.

References
----------
Gabrielsson and Weiner, Pharmacokinetic and Pharmacodynamic Data Analysis, 4th ed., section 2.8. Purves 1992, J Pharmacokinet Biopharm 20:211.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Rule = Literal["linear", "linear-up/log-down", "linear-to-tmax-then-log"]
RULES = ("linear", "linear-up/log-down", "linear-to-tmax-then-log")
FEWEST_POINTS = 3  # a line through two points has no residual
SAME_FIT = 1e-4  # adjusted R2 within this of the best counts as the best


class Nca(NamedTuple):
    """The results of one profile; NaN where the profile does not allow one."""

    cmax: float
    tmax: float
    clast: float
    tlast: float
    auclast: float
    lambda_z: float
    half_life: float
    lambda_z_points: int
    adjusted_r_squared: float
    auc_infinity: float
    percent_extrapolated: float


class TerminalSlope(NamedTuple):
    """lambda_z with the number of points it rests on and their adjusted R2; NaN, 0, NaN if none."""

    lambda_z: float
    points: int
    adjusted_r_squared: float


def auc(time: ArrayLike, conc: ArrayLike, start: float, end: float, rule: Rule) -> float:
    """The area under the concentrations between two times, interpolated where no sample was taken.

    NaN when fewer than two samples are left, or when start or end lies outside them. Each piece
    between two samples is a trapezoid, straight or, by the rule, logarithmic:

    1. linear: every piece is straight.
    2. linear-up/log-down: a piece is logarithmic when the concentration decreases and ends above 0.
    3. linear-to-tmax-then-log: a piece after the first maximum is logarithmic, rising or falling.

    A piece with a 0 at either end, or with equal ends, is straight under every rule. The concentration
    at a time inside a piece follows the same curve as its area.

    Raises
    ------
    ValueError
        `end` is not after `start`, times do not increase, a concentration is negative, or the rule is
        unknown.

    Examples
    --------
    >>> round(auc([0, 1, 3, 7], [0, 215.3, 15.49, 6.64], 0, 7, "linear-up/log-down"), 1)
    301.3
    >>> round(auc([0, 1, 3, 7], [0, 215.3, 15.49, 6.64], 0, 6, "linear-up/log-down"), 1)
    293.9
    """
    t, c = _profile(time, conc)
    if not start < end:
        raise ValueError("end must lie after start")
    logarithmic = _logarithmic(c, rule)
    if t.size < 2 or start < t[0] or end > t[-1]:
        return float("nan")
    edges = np.array([start, *t[(t > start) & (t < end)], end])
    values = np.array([_interpolated(t, c, logarithmic, at) for at in edges])
    piece = np.searchsorted(t, edges[:-1], side="right") - 1
    return float(_areas(edges, values, logarithmic[piece]).sum())


def concentration(time: ArrayLike, conc: ArrayLike, at: float, rule: Rule) -> float:
    """The concentration at a time, on the curve whose area `auc` takes; NaN outside the samples.

    Raises
    ------
    ValueError
        Times do not increase, a concentration is negative, or the rule is unknown.

    Examples
    --------
    >>> round(concentration([0, 1, 3, 7], [0, 215.3, 15.49, 6.64], 6, "linear-up/log-down"), 2)
    8.21
    """
    t, c = _profile(time, conc)
    logarithmic = _logarithmic(c, rule)
    if t.size == 0 or not t[0] <= at <= t[-1]:
        return float("nan")
    return _interpolated(t, c, logarithmic, at)


def nca(time: ArrayLike, conc: ArrayLike, rule: Rule) -> Nca:
    """Every parameter of one profile.

    cmax, tmax
        The largest concentration and its first time.
    clast, tlast
        The last concentration above 0 and its time; NaN when all are 0.
    auclast
        The area from the first sample to tlast by `auc`; 0 when all are 0, NaN for fewer than two
        samples, 0 when only the first is above 0.
    lambda_z, half_life, lambda_z_points, adjusted_r_squared
        By `terminal_slope`; half_life is ln 2 / lambda_z.
    auc_infinity, percent_extrapolated
        auclast + clast / lambda_z, and the share of the second term; NaN without lambda_z.

    Everything is NaN without a sample.

    Raises
    ------
    ValueError
        As `concentration`.

    Examples
    --------
    >>> result = nca([0, 1, 2, 4, 8], [0, 8, 4, 1, 0.0625], "linear-up/log-down")
    >>> result.cmax, result.tmax, round(result.half_life, 6), result.lambda_z_points
    (8.0, 1.0, 1.0, 3)
    """
    t, c = _profile(time, conc)
    logarithmic = _logarithmic(c, rule)
    nan = float("nan")
    if t.size == 0:
        return Nca(nan, nan, nan, nan, nan, nan, nan, 0, nan, nan, nan)
    peak = int(np.argmax(c))
    area = nan if t.size < 2 else 0.0
    clast = tlast = nan
    if c[peak] > 0:
        last = int(np.flatnonzero(c)[-1])
        clast, tlast = float(c[last]), float(t[last])
        if t.size > 1:
            area = float(_areas(t[: last + 1], c[: last + 1], logarithmic[:last]).sum())
    slope = terminal_slope(t, c)
    beyond = clast / slope.lambda_z
    return Nca(
        float(c[peak]),
        float(t[peak]),
        clast,
        tlast,
        area,
        slope.lambda_z,
        float(np.log(2)) / slope.lambda_z,
        slope.points,
        slope.adjusted_r_squared,
        area + beyond,
        100 * beyond / (area + beyond),
    )


def terminal_slope(time: ArrayLike, conc: ArrayLike) -> TerminalSlope:
    """The rate of the last, log-linear part of a profile: the best adjusted R2, then the most points.

    1. Candidates are the last 3, 4, ... concentrations above 0 after the (first) maximum, which
       itself is never used.
    2. A regression of ln(concentration) on time for each.
    3. Of the falling ones with an adjusted R2 within 0.0001 of the best of all, the one with the most
       points.

    NaN with 0 points when nothing is left: fewer than three concentrations after the maximum, as
    always with a sample at the end of infusion and two later ones, or a tail that increases or is flat.

    Raises
    ------
    ValueError
        Times do not increase, or a concentration is negative.

    Examples
    --------
    >>> terminal_slope([0, 1, 3, 7], [0, 215.3, 15.49, 6.64])
    TerminalSlope(lambda_z=nan, points=0, adjusted_r_squared=nan)
    """
    t, c = _profile(time, conc)
    if c.size:
        after = np.arange(c.size) > np.argmax(c)
        t, c = t[after & (c > 0)], c[after & (c > 0)]
    lines = []
    for points in range(FEWEST_POINTS, c.size + 1):
        x, y = t[-points:], np.log(c[-points:])
        x, y = x - x.mean(), y - y.mean()
        slope = float(x @ y / (x @ x))
        if slope != 0:
            unexplained = float(((y - slope * x) ** 2).sum() / (y @ y))
            adjusted = 1 - unexplained * (points - 1) / (points - 2)
            lines.append(TerminalSlope(-slope, points, adjusted))
    best = max((line.adjusted_r_squared for line in lines), default=0.0)
    falling = [
        line for line in lines if line.lambda_z > 0 and best - line.adjusted_r_squared < SAME_FIT
    ]
    nothing = TerminalSlope(float("nan"), 0, float("nan"))
    return max(falling, key=lambda line: line.points, default=nothing)


def dose_normalised(value: float, dose: float, reference_dose: float) -> float:
    """An exposure as it would be at the reference dose, if it is proportional to dose.

    With dose in mg/m2 and reference 25 it is the exposure per 25 mg/m2; with dose in mg and reference
    1, per mg.

    Raises
    ------
    ValueError
        A dose is not positive.

    Examples
    --------
    >>> dose_normalised(240.0, dose=20.0, reference_dose=25.0)
    300.0
    """
    if not dose > 0:
        raise ValueError("dose must be positive")
    if not reference_dose > 0:
        raise ValueError("reference_dose must be positive")
    return value * reference_dose / dose


def _profile(time: ArrayLike, conc: ArrayLike) -> tuple[Floats, Floats]:
    t, c = np.asarray(time, dtype=float), np.asarray(conc, dtype=float)
    if t.ndim != 1 or t.shape != c.shape:
        raise ValueError("time and conc must be two lists of one length")
    if not np.isfinite(t).all() or (np.diff(t) <= 0).any():
        raise ValueError("time must be strictly increasing, without a missing value")
    if (c < 0).any() or np.isinf(c).any():
        raise ValueError("conc must not be negative or infinite")
    return t[~np.isnan(c)], c[~np.isnan(c)]


def _logarithmic(c: Floats, rule: Rule) -> NDArray[np.bool_]:
    """For each piece between two samples, whether it is logarithmic under the rule."""
    if rule not in RULES:
        raise ValueError(f"rule must be one of {', '.join(RULES)}")
    before, after = c[:-1], c[1:]
    positive = (before > 0) & (after > 0)
    if rule == "linear-up/log-down":
        return np.asarray(positive & (after < before))
    if rule == "linear-to-tmax-then-log":
        past_peak = np.arange(before.size) >= (np.argmax(c) if c.size else 0)
        return np.asarray(positive & past_peak & (after != before))
    return np.zeros(before.size, dtype=bool)


def _areas(t: Floats, c: Floats, logarithmic: NDArray[np.bool_]) -> Floats:
    """The area of each piece; log1p keeps the digits of a logarithmic piece that hardly decreases."""
    width, before, after = np.diff(t), c[:-1], c[1:]
    decrease = np.where(logarithmic & (before != after), before - after, 1.0)
    base = np.where(logarithmic, after, 1.0)
    curved = decrease / np.log1p(decrease / base)
    straight = (before + after) / 2
    return width * np.where(logarithmic & (before != after), curved, straight)


def _interpolated(t: Floats, c: Floats, logarithmic: NDArray[np.bool_], at: float) -> float:
    left = int(np.searchsorted(t, at, side="right")) - 1
    if t[left] == at:
        return float(c[left])
    share = (at - t[left]) / (t[left + 1] - t[left])
    if logarithmic[left]:
        return float(c[left] * (c[left + 1] / c[left]) ** share)
    return float(c[left] + share * (c[left + 1] - c[left]))
