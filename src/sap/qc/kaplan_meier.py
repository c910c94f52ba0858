"""Kaplan-Meier by three other routes: exact fractions by hand, lifelines, and statsmodels.

A number is given only when the routes that know it agree among themselves.
"""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from sap.plan.model import Plan

NEAR = 1e-9
R_EPS = 1.5e-8  # within sqrt(eps) two heights of a curve are one, as R's survival has it


class Step(NamedTuple):
    """The curve at one observed time."""

    time: float
    at_risk: int
    events: int
    censored: int
    survival: Fraction
    greenwood: Fraction | None


def product(
    days: Sequence[int], event: Sequence[int], entry: Sequence[int] | None = None
) -> list[Step]:
    """The product limit in exact fractions, time by time, with Greenwood's sum.

    With `entry` a patient is at risk after that day only.
    """
    since = [-1] * len(days) if entry is None else entry
    height, total = Fraction(1), Fraction(0)
    steps = []
    dead = False
    for time in sorted(set(days)):
        here = [e for d, e in zip(days, event, strict=True) if d == time]
        risk = sum(1 for d, e in zip(days, since, strict=True) if e < time <= d)
        died = sum(here)
        height *= Fraction(risk - died, risk)
        if died == risk:
            dead = True
        elif died:
            total += Fraction(died, risk * (risk - died))
        steps.append(
            Step(float(time), risk, died, len(here) - died, height, None if dead else total)
        )
    return steps


def quantile_z(conf_level: float) -> float:
    """The normal quantile of a two-sided level."""
    from scipy.stats import norm

    return float(norm.ppf(0.5 + conf_level / 2))


def limits(step: Step, plan: Plan) -> tuple[float, float] | None:
    """The pointwise interval by the plan's transform; None where there is none."""
    s = float(step.survival)
    if step.survival == 1:
        return 1.0, 1.0
    if step.greenwood is None or s == 0:
        return None
    z = quantile_z(plan.intervals.conf_level)
    error = math.sqrt(step.greenwood)  # of log S
    match plan.survival.transform:
        case "plain":
            return max(s - z * error * s, 0.0), min(s + z * error * s, 1.0)
        case "log":
            return s * math.exp(-z * error), min(s * math.exp(z * error), 1.0)
        case "log-log":
            centre, reach = math.log(-math.log(s)), z * error / abs(math.log(s))
            return math.exp(-math.exp(centre + reach)), math.exp(-math.exp(centre - reach))
        case "logit":
            centre, reach = math.log(s / (1 - s)), z * error / (1 - s)
            return 1 / (1 + math.exp(-(centre - reach))), 1 / (1 + math.exp(-(centre + reach)))
        case _:
            centre = math.asin(math.sqrt(s))
            reach = z * error * s / (2 * math.sqrt(s * (1 - s)))
            low, high = max(centre - reach, 0.0), min(centre + reach, math.pi / 2)
            return math.sin(low) ** 2, math.sin(high) ** 2


def half(
    points: Sequence[tuple[float, float | None]], end: float, last: float | None
) -> float | None:
    """Where a falling step function passes one half; the middle of a stretch that lies on it.

    >>> half([(1.0, 0.75), (2.0, 0.5), (3.0, 0.25)], 4.0, 0.25), half([(1.0, 0.6)], 2.0, 0.6)
    (2.5, None)
    """
    begin = None
    for time, height in points:
        if height is None:
            continue
        if begin is None and height <= 0.5 + R_EPS:
            if height < 0.5 - R_EPS:
                return time
            begin = time
        elif begin is not None and height <= 0.5 - R_EPS:
            return (begin + time) / 2
    if begin is not None and last is not None and abs(last - 0.5) < R_EPS:
        return (begin + end) / 2
    return None


class Curve:
    """One curve in days, and every number the report takes from it, in months."""

    def __init__(
        self,
        days: Sequence[int],
        event: Sequence[int],
        plan: Plan,
        entry: Sequence[int] | None = None,
    ) -> None:
        self.plan = plan
        self.days, self.event, self.entry = list(days), list(event), entry
        self.month = plan.survival.days_per_month
        self.steps = product(days, event, entry)
        self.disputed = entry is None and self._disputed()

    def _disputed(self) -> bool:
        """Whether lifelines or statsmodels sees another curve than the exact one."""
        from lifelines import KaplanMeierFitter
        from statsmodels.duration.survfunc import SurvfuncRight

        fitted = KaplanMeierFitter(alpha=1 - self.plan.intervals.conf_level)
        fitted.fit(self.days, self.event)
        heights = fitted.survival_function_["KM_estimate"]
        log_log = self.plan.survival.transform == "log-log"
        for step in self.steps:
            if abs(float(heights.loc[step.time]) - float(step.survival)) > NEAR:
                return True
            exact_limits = limits(step, self.plan)
            if log_log and exact_limits is not None and 0 < step.survival < 1:
                theirs = fitted.confidence_interval_.loc[step.time].to_numpy(float)
                if np.abs(theirs - np.array(exact_limits)).max() > NEAR:
                    return True
        if not any(self.event):
            return False
        other = SurvfuncRight(np.array(self.days), np.array(self.event))
        for time, height in zip(other.surv_times, other.surv_prob, strict=True):
            exact_step = next(s for s in self.steps if s.time == time)
            if abs(height - float(exact_step.survival)) > NEAR:
                return True
        return False

    def at(self, days: float) -> Step | None:
        """The step that holds at a time; None behind a curve that does not end at 0."""
        if days > self.steps[-1].time and self.steps[-1].survival > 0:
            return None
        before = [step for step in self.steps if step.time <= days]
        return before[-1] if before else Step(0.0, len(self.days), 0, 0, Fraction(1), Fraction(0))

    def median(self) -> dict[str, float | None]:
        """Median and limits in months, by the midpoint rule."""
        falls = [step for step in self.steps if step.events]
        end = self.steps[-1].time
        bands = [limits(step, self.plan) for step in falls]
        statistics = {}
        for name, points in (
            ("median", [(s.time, float(s.survival)) for s in falls]),
            (
                "conf_low",
                [(s.time, b[0] if b else None) for s, b in zip(falls, bands, strict=True)],
            ),
            (
                "conf_high",
                [(s.time, b[1] if b else None) for s, b in zip(falls, bands, strict=True)],
            ),
        ):
            last = points[-1][1] if points else None
            place = half(points, end, last)
            statistics[name] = None if place is None else place / self.month
        return statistics

    def follow_up(self) -> float | None:
        """The median of the reverse curve, in months."""
        reverse = product(self.days, [1 - e for e in self.event], self.entry)
        falls = [(step.time, float(step.survival)) for step in reverse if step.events]
        place = half(falls, reverse[-1].time, falls[-1][1] if falls else None)
        return None if place is None else place / self.month

    def restricted_mean(self, days: int | None = None) -> dict[str, float | None]:
        """The area under the curve to the plan's month (or to a day), and its limits, in fractions."""
        tau = Fraction(self.plan.survival.rmst_months) * Fraction(self.month)
        tau = tau if days is None else Fraction(days)
        names = ("estimate", "standard_error", "conf_low", "conf_high")
        if tau > self.steps[-1].time and self.steps[-1].survival > 0:
            return dict.fromkeys(names)
        times = [Fraction(0), *(Fraction(s.time) for s in self.steps if s.time <= tau), tau]
        heights = [Fraction(1), *(s.survival for s in self.steps if s.time <= tau)]
        areas = [h * (b - a) for h, a, b in zip(heights, times[:-1], times[1:], strict=True)]
        variance = Fraction(0)
        inside = [s for s in self.steps if s.time <= tau]
        for place, step in enumerate(inside):
            rest = sum(areas[place + 1 :], Fraction(0))
            if step.at_risk > step.events and rest > 0:
                variance += rest**2 * Fraction(
                    step.events, step.at_risk * (step.at_risk - step.events)
                )
        mean, error = float(sum(areas)) / self.month, math.sqrt(variance) / self.month
        reach = quantile_z(self.plan.intervals.conf_level) * error
        return dict(zip(names, (mean, error, mean - reach, mean + reach), strict=True))


def mean_difference(
    one: Sequence[tuple[int, int]], other: Sequence[tuple[int, int]], plan: Plan
) -> dict[str, Any]:
    """The restricted mean of one group less that of another, to where both were followed."""
    if not one or not other:
        return dict.fromkeys(("tau", "estimate", "standard_error", "conf_low", "conf_high"))
    month = plan.survival.days_per_month
    last = min(max(day for day, _ in side) for side in (one, other))
    complete = last >= plan.survival.rmst_months * month
    tau = plan.survival.rmst_months if complete else last / month
    if tau <= 0:
        return dict.fromkeys(("tau", "estimate", "standard_error", "conf_low", "conf_high"))
    sides = [Curve([d for d, _ in side], [e for _, e in side], plan) for side in (one, other)]
    means = [side.restricted_mean(None if complete else last) for side in sides]
    first, second = ((m["estimate"] or 0.0, m["standard_error"] or 0.0) for m in means)
    estimate, error = first[0] - second[0], math.hypot(first[1], second[1])
    reach = quantile_z(plan.intervals.conf_level) * error
    return {
        "tau": tau, "estimate": estimate, "standard_error": error,
        "conf_low": estimate - reach, "conf_high": estimate + reach,
        "conf_level": plan.intervals.conf_level,
    }  # fmt: skip


CurveStatistics = dict[tuple[str, str, str], Any]


def middle(curve: Curve) -> dict[str, float | None]:
    """Counts, range, the median with its limits and the median follow-up of one curve."""
    days, event = curve.days, curve.event
    return {
        "N": len(days),
        "n_events": sum(event),
        "n_censored": len(event) - sum(event),
        "conf_level": curve.plan.intervals.conf_level,
        "min": min(days) / curve.month,
        "max": max(days) / curve.month,
        "follow_up_median": curve.follow_up(),
        **curve.median(),
    }


def curve_statistics(days: Sequence[int], event: Sequence[int], plan: Plan) -> CurveStatistics:
    """Every statistic of one curve: by what follows the analysis' name, the level, the statistic."""
    curve = Curve(days, event, plan)
    conf, month = plan.intervals.conf_level, curve.month
    statistics: CurveStatistics = {("", "", name): value for name, value in middle(curve).items()}
    for months in plan.survival.landmarks_months:
        level, place = f"month_{months:g}", curve.at(months * month)
        # Before the first event there is no spread to make an interval of.
        band = limits(place, plan) if place and place.survival < 1 else None
        statistics[("", level, "estimate")] = float(place.survival) if place else None
        statistics[("", level, "conf_low")] = band[0] if band else None
        statistics[("", level, "conf_high")] = band[1] if band else None
        statistics[("", level, "conf_level")] = conf
        statistics[("", level, "at_risk")] = sum(1 for d in days if d >= months * month)
    level = f"rmst_{plan.survival.rmst_months:g}"
    statistics |= {("", level, name): value for name, value in curve.restricted_mean().items()}
    statistics[("", level, "conf_level")] = conf
    for number, step in enumerate(curve.steps, start=1):
        band = limits(step, plan)
        values = {
            "time": step.time / month,
            "estimate": float(step.survival),
            "conf_low": band[0] if band else None,
            "conf_high": band[1] if band else None,
            "at_risk": step.at_risk,
            "n_events": step.events,
            "n_censored": step.censored,
        }
        statistics |= {("_curve", str(number), name): value for name, value in values.items()}
    return {} if curve.disputed else statistics | _numbers_at_risk(days, month)


def _numbers_at_risk(days: Sequence[int], month: float) -> CurveStatistics:
    longest = max(days) / month
    step = next((s for s in (1, 2, 3, 6, 12) if longest / s <= 9), 24)
    statistics: CurveStatistics = {}
    at = 0
    while at < longest + step / 2:
        name = str(at)
        statistics[("_at_risk", name, "time")] = float(at)
        statistics[("_at_risk", name, "at_risk")] = sum(1 for d in days if d / month >= at)
        at += step
    return statistics


def log_rank(
    one: Sequence[tuple[int, int]], other: Sequence[tuple[int, int]]
) -> dict[str, float | None]:
    """The log-rank test of two groups by lifelines; None where no event could tell them apart."""
    times = sorted({day for day, event in (*one, *other) if event})
    both = any(any(d >= t for d, _ in one) and any(d >= t for d, _ in other) for t in times)
    if not one or not other or not both:
        return {"p_value": None}
    from lifelines.statistics import logrank_test

    (days, event), (days_2, event_2) = (zip(*side, strict=True) for side in (one, other))
    test = logrank_test(days, days_2, event, event_2)
    return {"statistic": float(test.test_statistic), "df": 1, "p_value": float(test.p_value)}
