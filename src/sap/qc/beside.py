"""Our rate beside a published one, by scipy: exact odds, and a difference from its score equation."""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from sap.plan.model import Plan
from sap.plan.references import Reference
from sap.qc.counts import Value, rate

Row = tuple[str, str, str, dict[str, Value]]  # group, paramcd, level, statistics


def odds(ours: tuple[int, int], theirs: tuple[int, int], conf: float) -> dict[str, Value]:
    """The conditional odds ratio with exact limits, and Fisher's two-sided p."""
    names = ("estimate", "conf_low", "conf_high", "p_value")
    found: dict[str, Value] = {"conf_level": conf}
    if not ours[1] or not theirs[1]:
        return found | dict.fromkeys(names)
    from scipy.stats import fisher_exact
    from scipy.stats.contingency import odds_ratio

    table = np.array([[ours[0], ours[1] - ours[0]], [theirs[0], theirs[1] - theirs[0]]])
    ratio = odds_ratio(table, kind="conditional")
    limits = ratio.confidence_interval(confidence_level=conf)
    numbers = (ratio.statistic, limits.low, limits.high, fisher_exact(table).pvalue)
    known = (float(number) if math.isfinite(number) else None for number in numbers)
    return found | dict(zip(names, known, strict=True))


def _score(ours: tuple[int, int], theirs: tuple[int, int], d: float) -> float:
    """The distance of the difference from d in standard errors of the likeliest rates d apart.

    The variance has the factor N / (N - 1) of Miettinen and Nurminen 1985.
    """
    (x1, n1), (x2, n2) = ours, theirs
    low, high = max(0.0, -d), min(1.0, 1.0 - d)

    def slope(p: float) -> float:
        parts = ((x1, p + d), (x1 - n1, 1 - p - d), (x2, p), (x2 - n2, 1 - p))
        return sum(count / rate for count, rate in parts if count)

    tiny = 1e-14 * (high - low)
    ends = low + tiny, high - tiny
    p = low if slope(ends[0]) <= 0 else high if slope(ends[1]) >= 0 else _root(slope, *ends)
    spread = ((p + d) * (1 - p - d) / n1 + p * (1 - p) / n2) * (n1 + n2) / (n1 + n2 - 1)
    gap = x1 / n1 - x2 / n2 - d
    if spread <= 0:
        return math.copysign(math.inf, gap) if gap else 0.0
    return gap / math.sqrt(spread)


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    from scipy.optimize import brentq

    return float(brentq(function, low, high, xtol=1e-15, rtol=1e-14, maxiter=500))


def _limit(function: Callable[[float], float], low: float, high: float) -> float:
    """Where the falling function is 0, by halving; its ends where it is not."""
    for _ in range(100):
        half = (low + high) / 2
        low, high = (half, high) if function(half) > 0 else (low, half)
    return (low + high) / 2


def difference(ours: tuple[int, int], theirs: tuple[int, int], conf: float) -> dict[str, Value]:
    """Ours less theirs; the score interval with the factor N / (N - 1) of Miettinen and Nurminen."""
    found: dict[str, Value] = {"conf_level": conf}
    if not ours[1] or not theirs[1]:
        return found | dict.fromkeys(("estimate", "conf_low", "conf_high"))
    from scipy.stats import norm

    z = float(norm.isf((1 - conf) / 2))
    estimate = ours[0] / ours[1] - theirs[0] / theirs[1]
    return found | {
        "estimate": estimate,
        "conf_low": _limit(lambda d: _score(ours, theirs, d) - z, -1.0, estimate),
        "conf_high": _limit(lambda d: _score(ours, theirs, d) + z, estimate, 1.0),
    }


def rows(
    own: Sequence[str],
    by_their_rule: Sequence[str],
    other: Reference,
    plan: Plan,
    limits: dict[str, Value],
) -> Iterator[Row]:
    """Every row; "" is a patient whom the published trial's rule does not count.

    `limits` are those of the primary result where they are not Clopper and Pearson's.
    """
    conf = plan.intervals.conf_level
    counted = [says for says in by_their_rule if says]
    ours, paramcd = (own.count("Y"), len(own)), "PSARESP"
    if plan.comparison.rule is not None:
        yield "This trial, own rule", "PSARESP", "", rate(*ours, plan) | limits
        limits = {}
        ours, paramcd = (counted.count("Y"), len(counted)), "PSARESPC"
    theirs = (other.n, other.total)
    told: dict[str, Value] = {
        "definition": other.definition, "treatment": other.treatment, "source": other.source,
    }  # fmt: skip
    yield "This trial", paramcd, "", rate(*ours, plan) | limits
    yield other.trial, paramcd, "", rate(*theirs, plan) | told
    yield "", paramcd, "Odds ratio", odds(ours, theirs, conf)
    yield "", paramcd, "Difference", difference(ours, theirs, conf)
