"""The two-stage design by exact fractions over every outcome, and its decision for a trial."""

import math
from collections.abc import Callable
from fractions import Fraction

from sap.plan.model import Design

Value = float | str | None
SUMMARY = (
    "mle", "umvue", "median_unbiased", "bias_adjusted", "conditional_mle", "p_value",
    "mid_p_value", "conf_low", "conf_high",
)  # fmt: skip


class Outcomes:
    """Every total of responders: in how many ways it comes, and among how many patients."""

    def __init__(self, r1: int, n1: int, n: int) -> None:
        self.r1, self.n1, self.n = r1, n1, n
        self.ways = [
            math.comb(n1, x)
            if x <= r1
            else sum(
                math.comb(n1, i) * math.comb(n - n1, x - i)
                for i in range(r1 + 1, min(x, n1) + 1)
                if x - i <= n - n1
            )
            for x in range(n + 1)
        ]

    def subjects(self, x: int) -> int:
        """How many patients were treated when so many responded."""
        return self.n1 if x <= self.r1 else self.n

    def chances(self, p: float | Fraction) -> list[float | Fraction]:
        """The chance of each total."""
        return [w * p**x * (1 - p) ** (self.subjects(x) - x) for x, w in enumerate(self.ways)]

    def umvue(self, x: int) -> Fraction:
        """The share of stage 1 that is expected of responders, given the total."""
        if x <= self.r1:
            return Fraction(x, self.n1)
        of_first = sum(
            i * math.comb(self.n1, i) * math.comb(self.n - self.n1, x - i)
            for i in range(self.r1 + 1, min(x, self.n1) + 1)
            if x - i <= self.n - self.n1
        )
        return Fraction(of_first, self.n1 * self.ways[x])


def _root(function: Callable[[float], float]) -> float:
    from scipy.optimize import brentq

    tiny = 1e-12
    return float(brentq(function, tiny, 1 - tiny, xtol=1e-14, rtol=1e-14, maxiter=500))


def limits(all_: Outcomes, x: int, tail: float) -> tuple[float, float]:
    """Where each tail of the total is `tail`; 0 and 1 at the ends."""

    def up(p: float) -> float:
        return math.fsum(map(float, all_.chances(p)[x:])) - tail

    def down(p: float) -> float:
        return math.fsum(map(float, all_.chances(p)[: x + 1])) - tail

    return (0.0 if x == 0 else _root(up)), (1.0 if x == all_.n else _root(down))


def estimates(all_: Outcomes, x: int, p0: float, conf: float) -> dict[str, Value]:
    """Every number of the inference after `x` responders in all."""
    exact = Fraction(str(p0))
    chances = all_.chances(exact)
    p_value = sum(chances[x:], Fraction(0))
    low, high = limits(all_, x, (1 - conf) / 2)
    rate = x / all_.subjects(x)

    def mean_rate(p: float) -> float:
        parts = (float(c) * i / all_.subjects(i) for i, c in enumerate(all_.chances(p)))
        return math.fsum(parts) - rate

    return {
        "mle": rate,
        "umvue": float(all_.umvue(x)),
        "median_unbiased": limits(all_, x, 0.5)[0],
        "bias_adjusted": float(rate) if x in (0, all_.n) else _root(mean_rate),
        "conditional_mle": _conditional(all_, x),
        "p_value": float(p_value),
        "mid_p_value": float(p_value - Fraction(chances[x]) / 2),
        "conf_low": low,
        "conf_high": high,
    }


def _conditional(all_: Outcomes, x: int) -> float | None:
    stage = range(all_.r1 + 1) if x <= all_.r1 else range(all_.r1 + 1, all_.n + 1)
    if len(stage) == 1:  # it says nothing about the rate
        return None
    # A likelihood that still grows where the stage is never reached has no maximum.
    if x in (0, all_.n):
        return float(x > 0)
    if x in (stage[0], stage[-1]):
        return None

    def mean(p: float) -> float:
        chances = [float(c) for c in all_.chances(p)]
        stage_chance = math.fsum(chances[i] for i in stage)
        return math.fsum(i * chances[i] for i in stage) / stage_chance - x

    return _root(mean)


def coverage(all_: Outcomes, conf: float) -> float:
    """The smallest chance, over 999 rates, that the interval holds the rate."""
    bands = [limits(all_, x, (1 - conf) / 2) for x in range(all_.n + 1)]
    least = 1.0
    for place in range(999):
        p = 0.001 + place * (0.998 / 998)
        held = zip(all_.chances(p), bands, strict=True)
        least = min(least, math.fsum(float(c) for c, (low, high) in held if low <= p <= high))
    return least


def operating(design: Design, p: Fraction) -> dict[str, Value]:
    """What the design does at one true rate, in exact fractions over every outcome."""
    n = design.n
    if design.r1 is None or design.n1 is None:
        chance = [math.comb(n, x) * p**x * (1 - p) ** (n - x) for x in range(n + 1)]
        return {"probability_of_rejection": float(sum(chance[design.r + 1 :], Fraction(0)))}
    all_ = Outcomes(design.r1, design.n1, n)
    chances = [Fraction(chance) for chance in all_.chances(p)]
    stops = sum(chances[: design.r1 + 1], Fraction(0))
    return {
        "probability_of_rejection": float(sum(chances[design.r + 1 :], Fraction(0))),
        "probability_of_early_termination": float(stops),
        "expected_n": float(design.n1 + (1 - stops) * (n - design.n1)),
    }


def designed(design: Design) -> tuple[dict[str, Value], dict[str, dict[str, Value]]]:
    """The row of `design`, and by true rate those of `design_oc`."""
    at = {"alpha": operating(design, Fraction(str(design.p0)))}
    at["power"] = operating(design, Fraction(str(design.p1)))
    main: dict[str, Value] = {
        "p0": design.p0, "p1": design.p1, "alpha_planned": design.alpha,
        "power_planned": 1 - design.beta, "r": design.r, "n": design.n,
        **{name: statistics["probability_of_rejection"] for name, statistics in at.items()},
    }  # fmt: skip
    if design.r1 is not None:
        main |= {"r1": design.r1, "n1": design.n1}
        names = ("probability_of_early_termination", "expected_n")
        main |= {name: at["alpha"][name] for name in names}
    rates = [Fraction(percent, 100) for percent in range(0, 61, 2)]
    curve: dict[str, dict[str, Value]] = {
        f"{int(100 * p)}": {"p": float(p), **operating(design, p)} for p in rates
    }
    return main, curve


def decision(design: Design, responders: int, n: int, first: tuple[int, int] | None) -> str:
    """The decision; `first` are responders and pending patients of a complete stage 1."""
    if first is not None and design.r1 is not None:
        yes, open_ = first
        if yes + open_ <= design.r1:
            return "H0 not rejected: stopped after stage 1"
        if yes <= design.r1:
            return "No decision: stage 1 has pending patients"
    if n != design.n:
        return f"No decision: {'fewer' if n < design.n else 'more'} than planned"
    return "H0 not rejected" if responders <= design.r else "H0 rejected"


def two_stage(
    design: Design, responded: list[bool], pending: list[bool], conf: float
) -> dict[str, Value]:
    """The rows of the design's own inference; patients in the order of their first dose.

    No inference is given on over-running after a passed stage 1: that needs another method.
    """
    if design.r1 is None or design.n1 is None:
        return {}
    r1, n1 = design.r1, design.n1
    x, n, x1 = sum(responded), len(responded), sum(responded[:n1])
    statistics: dict[str, Value] = {
        "n": x, "N": n, "responders_stage1": x1, "n1_attained": min(n, n1), "conf_level": conf,
    }  # fmt: skip
    none = dict.fromkeys(SUMMARY)
    if n < n1:
        return statistics | none | {"decision": "Stage 1 is not complete"}
    all_ = Outcomes(r1, n1, design.n)
    if x1 <= r1:
        if x1 + sum(pending[:n1]) > r1:
            return statistics | none | {"decision": "Stage 1 is not decided: patients are pending"}
        late = "" if n == n1 else (
            ": the design stops after stage 1; the patients treated later are over-running"
        )  # fmt: skip
        statistics |= estimates(all_, x1, design.p0, conf)
        statistics |= {"stopped_at": 1, "decision": f"H0 not rejected{late}"}
    elif n < design.n:
        return statistics | none | {"decision": "Stage 2 is not complete"}
    elif n > design.n:
        return statistics
    else:
        statistics |= estimates(all_, x, design.p0, conf)
        outcome = "H0 rejected" if x > design.r else "H0 not rejected"
        statistics |= {"stopped_at": 2, "decision": outcome}
    return statistics | {"coverage": coverage(all_, conf)}
