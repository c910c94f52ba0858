"""A two-stage trial that was not conducted as planned: other sizes, pending and missing outcomes, dropout.

References
----------
Green and Dahlberg 1992, Stat Med 11:853 (attained sizes). Koyama and Chen 2008, Stat Med 27:3145. Liu
and Pan 2024, R package UnplanSimon (thresholds for attained sizes). Simon 1989, Control Clin Trials
10:1.
"""

from dataclasses import dataclass
from math import nan
from typing import Literal, NamedTuple, overload

import numpy as np
from numpy.typing import ArrayLike

from sap.methods.two_stage_design import (
    Floats,
    TwoStageDesign,
    as_given,
    open_rate,
    outcome_probabilities,
    rates,
    whole_number,
)
from sap.methods.two_stage_inference import (
    DO_NOT_REJECT,
    REJECT,
    two_stage_inference,
)

EQUALLY_NEAR = 1e-9  # two distances that differ by less than this share differ by rounding
ROUNDING = 1e-12  # an alpha this far past its limit is the limit, seen through rounding


class AttainedRule(NamedTuple):
    """One way to decide at the attained sizes, and what it attains."""

    name: str
    design: TwoStageDesign
    alpha: float
    power: float
    holds_alpha: bool


@dataclass(frozen=True)
class AttainedDesign(TwoStageDesign):
    """The design to decide by at the attained sizes: it holds alpha.

    `alpha` and `power` are what it attains; `rules` are all rules compared, the planned one first.
    """

    alpha: float
    power: float
    rules: tuple[AttainedRule, ...]

    @property
    def design(self) -> TwoStageDesign:
        """The thresholds and sizes alone."""
        return TwoStageDesign(self.r1, self.n1, self.r, self.n)


def attained_design(
    design: TwoStageDesign, n1: int, n: int, p0: float, p1: float, alpha: float
) -> AttainedDesign:
    """The thresholds for `n1` and `n` attained patients in place of those planned.

    Three rules are compared, in this order:

    1. "planned": r1 and r of the design, at the attained sizes.
    2. "final recomputed": r1 of the design; r the smallest that holds `alpha`, which gives the most
       power.
    3. "both recomputed": r1 with P(X1 <= r1 | n1, p0) nearest to what the design planned (the lower
       of two equally near), and then r as in 2.

    The result is rule 3, which is rule 2 when n1 is as planned. Rules 1 and 2 are left out where the
    old thresholds do not fit the new sizes. The stage-1 threshold must have been recomputed before
    stage 1 was decided; when it was decided by the planned r1, rule 2 is the one to follow.

    Raises
    ------
    ValueError
        Naming n1 or n when they make no two-stage design, or no threshold can hold `alpha`.

    Examples
    --------
    >>> planned = TwoStageDesign(r1=3, n1=19, r=10, n=36)  # UnplanSimon, ATS_Design case 1
    >>> attained = attained_design(planned, n1=17, n=34, p0=0.2, p1=0.4, alpha=0.1)
    >>> attained.design, round(attained.alpha, 3), round(attained.power, 3)
    (TwoStageDesign(r1=3, n1=17, r=10, n=34), 0.059, 0.847)
    >>> [(rule.name, rule.holds_alpha) for rule in attained.rules][0]
    ('planned', True)
    """
    open_rate(alpha, "alpha")
    low, high = open_rate(p0, "p0"), open_rate(p1, "p1")
    first, total = whole_number(n1, "n1"), whole_number(n, "n")
    if first < 1:
        raise ValueError("n1 must be at least 1")
    if total <= first:
        raise ValueError("n must exceed n1: there is no second stage to decide on")
    candidates = [("planned", design.r1, design.r)]
    stop = _stage_1(design.n1, low, "stop")[design.r1]
    go_on = _stage_1(design.n1, low, "go on")[design.r1]
    if stop <= go_on:  # the smaller of the two is the one that has its digits
        distance = np.abs(_stage_1(first, low, "stop") - stop)
    else:
        distance = np.abs(_stage_1(first, low, "go on") - go_on)
    nearest = int(np.flatnonzero(distance <= distance.min() * (1 + EQUALLY_NEAR))[0])
    for name, r1 in (("final recomputed", design.r1), ("both recomputed", nearest)):
        if r1 < first:
            candidates.append((name, r1, _smallest_r(r1, first, total, low, alpha)))
    rules = []
    for name, r1, r in candidates:
        if r1 < first and r < total:
            each = TwoStageDesign(r1, first, r, total)
            spent = each.probability_of_rejection(low)
            power = each.probability_of_rejection(high)
            rules.append(AttainedRule(name, each, spent, power, spent <= alpha + ROUNDING))
    if not rules or rules[-1].name != "both recomputed":
        raise ValueError("n is too small: no threshold holds alpha with so few patients")
    best = rules[-1]
    return AttainedDesign(
        *(best.design.r1, first, best.design.r, total),
        alpha=best.alpha,
        power=best.power,
        rules=tuple(rules),
    )


def _stage_1(n1: int, p: float, side: Literal["stop", "go on"]) -> Floats:
    """P(X1 <= r1) (stop) or P(X1 > r1) (go on) for r1 = 0, ..., n1 - 1, as one array (n1,)."""
    density = outcome_probabilities(-1, n1, n1, p)
    if side == "stop":
        return np.asarray(np.cumsum(density)[:n1])
    return np.asarray(np.cumsum(density[::-1])[::-1][1:])


def _smallest_r(r1: int, n1: int, n: int, p0: float, alpha: float) -> int:
    """The smallest threshold that holds alpha; n when none below n does."""
    density = TwoStageDesign(r1, n1, r1, n).outcome_probabilities(p0)
    beyond = np.append(np.cumsum(density[::-1])[::-1][1:], 0.0)  # P(X > r) for r = 0, ..., n
    return int(np.flatnonzero((beyond <= alpha + ROUNDING) & (np.arange(n + 1) >= r1))[0])


class PendingBounds(NamedTuple):
    """The decisions that are possible with the pending outcomes."""

    decision_low: str  # when no pending patient responds
    decision_high: str  # when every pending patient responds
    settled: bool  # both agree
    p_value_low: float
    p_value_high: float
    umvue_low: float
    umvue_high: float
    conf_low: float  # the lowest limit over all outcomes
    conf_high: float  # the highest


def pending_bounds(
    design: TwoStageDesign,
    responders: int,
    pending: int,
    n: int,
    p0: float,
    conf_level: float,
) -> PendingBounds:
    """Bounds over all outcomes of `pending` unconfirmed responses among `n` patients.

    `responders` are confirmed; each pending patient may respond or not.

    1. n = n1: the decisions are "stop" or "continue"; the inference does not exist yet and is NaN.
    2. n = design.n: decisions and inference after the trial. Every quantity is monotone in the
       number of responders, so the two extreme outcomes bound all others. Totals up to r1 cannot
       occur any more: the trial went on, so at least r1 + 1 had responded.

    Raises
    ------
    ValueError
        Counts are negative, exceed `n`, or contradict the decision after stage 1; or `n` is neither n1 nor
        n of the design.

    Examples
    --------
    >>> design = TwoStageDesign(r1=1, n1=10, r=5, n=29)
    >>> pending_bounds(design, responders=1, pending=2, n=10, p0=0.1, conf_level=0.9)[:3]
    ('stop', 'continue', False)
    >>> bounds = pending_bounds(design, responders=6, pending=2, n=29, p0=0.1, conf_level=0.9)
    >>> bounds.settled, round(bounds.p_value_low, 4), round(bounds.p_value_high, 4)
    (True, 0.0055, 0.0471)
    """
    least = whole_number(responders, "responders")
    most = least + whole_number(pending, "pending")
    if most > whole_number(n, "n"):
        raise ValueError("responders and pending together cannot exceed n")
    open_rate(p0, "p0")
    open_rate(conf_level, "conf_level")
    if n == design.n1:
        low, high = ("stop" if x <= design.r1 else "continue" for x in (least, most))
        return PendingBounds(low, high, low == high, *(nan,) * 6)
    if n != design.n:
        raise ValueError("n must be n1 or n of the design: pending outcomes bound a decision")
    if most <= design.r1:
        raise ValueError("responders and pending together must exceed r1: the trial went on")
    worst, best = (
        two_stage_inference(design, max(x, design.r1 + 1), p0, conf_level) for x in (least, most)
    )
    return PendingBounds(
        decision_low=worst.decision,
        decision_high=best.decision,
        settled=worst.decision == best.decision,
        p_value_low=best.p_value,
        p_value_high=worst.p_value,
        umvue_low=worst.umvue,
        umvue_high=best.umvue,
        conf_low=worst.conf_low,
        conf_high=best.conf_high,
    )


class TippingPoint(NamedTuple):
    """How many missing patients would have to be responders to turn the decision."""

    decision: str  # with every missing patient counted as a failure
    responders_needed: int  # among the missing, to reject; 0 when it rejects already
    can_tip: bool  # there are missing patients enough
    rate_needed: float  # responders_needed / missing; NaN when no patient is missing


def tipping_point(design: TwoStageDesign, responders: int, missing: int) -> TippingPoint:
    """The tipping point of "missing = failure": at how many responders among the missing it turns.

    `responders` and `missing` are counted over all `design.n` patients of a trial that reached its
    end. Counting a missing patient as a failure can only hide a rejection, so one count decides.

    Raises
    ------
    ValueError
        A count is negative, or both exceed `n` of the design.

    Examples
    --------
    >>> tipping_point(TwoStageDesign(r1=1, n1=10, r=5, n=29), responders=4, missing=3)
    TippingPoint(decision='do not reject H0', responders_needed=2, can_tip=True, rate_needed=0.6666666666666666)
    """
    seen, unseen = whole_number(responders, "responders"), whole_number(missing, "missing")
    if seen + unseen > design.n:
        raise ValueError("responders and missing together cannot exceed n")
    needed = max(design.r + 1 - seen, 0)
    return TippingPoint(
        decision=REJECT if needed == 0 else DO_NOT_REJECT,
        responders_needed=needed,
        can_tip=0 < needed <= unseen,
        rate_needed=needed / unseen if unseen else nan,
    )


@overload
def power_under_dropout(design: TwoStageDesign, p: float, dropout: float) -> float: ...
@overload
def power_under_dropout(
    design: TwoStageDesign, p: ArrayLike, dropout: ArrayLike
) -> Floats | float: ...
def power_under_dropout(design: TwoStageDesign, p: ArrayLike, dropout: ArrayLike) -> Floats | float:
    """P(reject) when a share `dropout` of the patients is not evaluable and counts as failure.

    Each patient is evaluable with probability 1 - dropout and then responds with probability p, so
    that the number of responders, a binomial mixed over the binomial number of evaluable patients,
    is binomial with p (1 - dropout): the mixture is exact in closed form.

    >>> power_under_dropout(TwoStageDesign(1, 10, 5, 29), 0.3, [0.0, 0.1]).round(4)
    array([0.8051, 0.7199])
    """
    return design.probability_of_rejection(rates(p) * (1 - rates(dropout, "dropout")))


def positive_predictive_value(
    prevalence: ArrayLike, sensitivity: ArrayLike, specificity: ArrayLike
) -> Floats | float:
    """The share of truly positive among marker-positive patients; NaN when no patient is positive.

    >>> round(positive_predictive_value(0.3, 0.9, 0.95), 4)  # 0.27 / (0.27 + 0.035), by hand
    0.8852
    """
    marked = rates(prevalence, "prevalence")
    true = marked * rates(sensitivity, "sensitivity")
    false = (1 - marked) * (1 - rates(specificity, "specificity"))
    called = np.asarray(true + false)
    share = np.full(called.shape, nan)
    return as_given(np.divide(true, called, out=share, where=called > 0))


@overload
def power_under_misclassification(
    design: TwoStageDesign, p_positive: float, p_negative: float, predictive_value: float
) -> float: ...
@overload
def power_under_misclassification(
    design: TwoStageDesign,
    p_positive: ArrayLike,
    p_negative: ArrayLike,
    predictive_value: ArrayLike,
) -> Floats | float: ...
def power_under_misclassification(
    design: TwoStageDesign,
    p_positive: ArrayLike,
    p_negative: ArrayLike,
    predictive_value: ArrayLike,
) -> Floats | float:
    """P(reject) when only a share `predictive_value` of the enrolled is truly marker-positive.

    A truly positive patient responds with `p_positive`, a wrongly enrolled one with `p_negative`.
    Patients are independent, so the responders are binomial with the mixed rate: exact.
    `positive_predictive_value` gives the share from prevalence, sensitivity and specificity.

    >>> design = TwoStageDesign(1, 10, 5, 29)
    >>> power_under_misclassification(design, 0.3, 0.1, [1.0, 0.9]).round(4)
    array([0.8051, 0.751 ])
    """
    share = rates(predictive_value, "predictive_value")
    positive, negative = rates(p_positive, "p_positive"), rates(p_negative, "p_negative")
    return design.probability_of_rejection(share * positive + (1 - share) * negative)
