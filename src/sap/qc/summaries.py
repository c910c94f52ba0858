"""Rates with exact limits, and summaries of numbers in exact fractions."""

import math
from collections.abc import Sequence
from fractions import Fraction

from sap.plan.model import Plan

Value = float | str | None
"""A statistic, a decision in words, or None where it is not estimable."""


def rate(responders: int, n: int, plan: Plan) -> dict[str, Value]:
    """n, N, estimate and the Clopper-Pearson limits, by statsmodels."""
    conf = plan.intervals.conf_level
    statistics: dict[str, Value] = {"n": responders, "N": n, "conf_level": conf}
    if not n:
        return statistics | dict.fromkeys(("estimate", "conf_low", "conf_high"))
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(responders, n, alpha=1 - conf, method="beta")
    low, high = (0.0 if responders == 0 else low), (1.0 if responders == n else high)
    limits: dict[str, Value] = {"conf_low": float(low), "conf_high": float(high)}
    return statistics | {"estimate": responders / n} | limits


def share(n: int, total: int) -> dict[str, Value]:
    """n, N and their ratio; no ratio of nothing."""
    return {"n": n, "N": total, "estimate": n / total if total else None}


def summary(values: Sequence[float | None]) -> dict[str, Value]:
    """n, missing, mean, sd, median, quartiles and range; a quartile on a step is the middle of it."""
    known = sorted(Fraction(v) for v in values if v is not None and not math.isnan(v))
    names = ("mean", "sd", "median", "q1", "q3", "min", "max")
    counts: dict[str, Value] = {"n": len(known), "n_missing": len(values) - len(known)}
    if not known:
        return counts | dict.fromkeys(names)
    n = len(known)
    mean = sum(known, Fraction(0)) / n
    spread = math.sqrt(sum((v - mean) ** 2 for v in known) / (n - 1)) if n > 1 else None

    def at(quantile: Fraction) -> float:
        place = quantile * n
        if place.denominator == 1:
            return float((known[max(int(place) - 1, 0)] + known[min(int(place), n - 1)]) / 2)
        return float(known[math.floor(place)])

    quartiles = {q: at(Fraction(k, 4)) for q, k in (("q1", 1), ("median", 2), ("q3", 3))}
    ends: dict[str, Value] = {"min": float(known[0]), "max": float(known[-1])}
    return counts | {"mean": float(mean), "sd": spread} | quartiles | ends
