"""Inference after a two-stage trial: p-values, estimates and intervals that know the design.

Outcomes are ordered by the total number of responders X, which for a design that stops only for
futility is also the stage-wise order and the order of the unbiased estimate (Jung and Kim 2004). The
two tails at a rate p are P(X >= x | p) and P(X <= x | p), summed over outcomes, never 1 minus the
other.

References
----------
Clopper and Pearson 1934, Biometrika 26:404. Jung and Kim 2004, Stat Med 23:881. Koyama and Chen 2008,
Stat Med 27:3145. Pepe, Feng, Longton and Koopmeiners 2009, Stat Med 28:762. Whitehead 1986,
Biometrika 73:573.
"""

from collections.abc import Callable
from functools import lru_cache
from math import comb, isnan, log, nan
from statistics import NormalDist
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, betaincc, betainccinv, betaincinv

from sap.methods.proportion import root
from sap.methods.two_stage_design import (
    Floats,
    TwoStageDesign,
    as_given,
    convolved,
    log_rates,
    open_rate,
    outcome_probabilities,
    outcomes,
    rates,
    ways,
    whole_number,
)

REJECT = "reject H0"
DO_NOT_REJECT = "do not reject H0"

SETTLED = 2e-14  # a root has settled when halving moves its logit no further than this,
NEARLY = 1e-9  # or a step of Newton no further than this
FAR = 100.0  # the logit beyond which no limit of a trial lies
STEPS = 100  # halving alone needs 55
EQUAL = 1e-12  # two probabilities this close, relatively, are one seen through rounding


class TwoStageInference(NamedTuple):
    """The inference of a finished two-stage trial."""

    stopped_at: int
    mle: float
    umvue: float
    median_unbiased: float
    bias_adjusted: float
    conditional_mle: float
    p_value: float
    mid_p_value: float
    conf_low: float
    conf_high: float
    decision: str


class KoyamaChen(NamedTuple):
    """The p-value function of Koyama and Chen 2008 at p0, and where it is a/2, 1/2 and 1 - a/2."""

    p_value: float
    low: float
    median: float
    high: float


class _Plan(NamedTuple):
    """The sampling plan: stop after `n1` when responders <= `r1`, else after `n`."""

    r1: int
    n1: int
    n: int


class _Stages(NamedTuple):
    """The responders of both stages and the attained size of the second."""

    x1: int
    x2: int
    m2: int


class _Estimates(NamedTuple):
    """Point estimates for 0, 1, ..., n responders."""

    mle: Floats
    umvue: Floats
    bias_adjusted: Floats
    conditional_mle: Floats


class _Limits(NamedTuple):
    """Roots of the tails for 0, 1, ..., n responders."""

    low: Floats
    median: Floats
    high: Floats


def two_stage_inference(
    design: TwoStageDesign,
    responders: int,
    p0: float,
    conf_level: float,
    responders_stage1: int | None = None,
    n_attained: int | None = None,
) -> TwoStageInference:
    """Estimates, p-values, interval and decision after a two-stage trial.

    With x responders in all among N patients in all:

    1. x <= r1: the trial stopped at stage 1, N = n1. Else it ended at stage 2, N = n.
    2. `mle` is x / N. `umvue` is x / n1 at stage 1; at stage 2 it is E(X1 / n1 | X = x), the sum
       over i of C(n1 - 1, i - 1) C(n2, x - i) by that of C(n1, i) C(n2, x - i), i > r1 (Jung and
       Kim 2004).
    3. `median_unbiased` solves P(X >= x | p) = 1/2; it is 0 at x = 0.
    4. `bias_adjusted` solves E(MLE | p) = x / N (Whitehead 1986).
    5. `conditional_mle` maximises the likelihood given the stage reached: it solves
       E(X | stage, p) = x. It is 0 at the fewest responders of the stage and 1 when all n of stage 2
       respond. It is NaN, not estimable, at the most responders of stage 1 (x = r1): the likelihood
       given the stop grows up to p = 1, where no trial stops, and has no maximum.
    6. `p_value` is P(X >= x | p0); `mid_p_value` counts half of P(X = x | p0).
    7. `conf_low` solves P(X >= x | p) = (1 - c) / 2, 0 at x = 0; `conf_high` solves
       P(X <= x | p) = (1 - c) / 2, 1 at x = n: both tails exact, so coverage is at least c.
    8. `decision`: "reject H0" when x > r, else "do not reject H0".

    When the trial went on and `n_attained`, the total, is not the n planned, 2 to 5 use the plan
    (r1, n1, n_attained), and

    9. with `responders_stage1`: Koyama and Chen 2008, section 4. Outcomes are ordered by the rate at
       which the planned stage 2 would reject as easily as the attained one (see `koyama_chen`);
       `p_value`, `median_unbiased`, `conf_low` follow from P(at least as far | p), `conf_high` from
       P(at most as far | p). It rejects when P(X2 >= x2 | m2, p0) is at most what the planned stage 2
       had left to spend, P(X2 > r - x1 | n2, p0). This holds alpha, and coverage, even when the
       attained size was chosen after stage 1 had been seen.
    10. without it: by the total in the plan (r1, n1, n_attained), which is exact when the size did
       not depend on the responses. It rejects when `p_value` <= the alpha the design attains at `p0`.

    Parameters
    ----------
    design : the design as planned.
    responders : all responders, of both stages.
    p0 : the rate tested, 0 < p0 < 1.
    conf_level : two-sided, such as 0.90 with a one-sided test at 0.05.
    responders_stage1 : those among the first n1 patients.
    n_attained : the number of patients at the end, of both stages; as planned when not given.

    Raises
    ------
    ValueError
        For an outcome the design cannot produce. A first stage of another size than planned is
        another design: see `attained_design`.

    Examples
    --------
    >>> design = TwoStageDesign(r1=1, n1=10, r=5, n=29)
    >>> end = two_stage_inference(design, responders=6, p0=0.1, conf_level=0.9)
    >>> end.stopped_at, round(end.p_value, 4), round(end.umvue, 4), end.decision
    (2, 0.0471, 0.2613, 'reject H0')
    >>> round(end.conf_low, 4), round(end.conf_high, 4)
    (0.1015, 0.4127)
    """
    x = whole_number(responders, "responders")
    open_rate(p0, "p0")
    open_rate(conf_level, "conf_level")
    size = _attained(design, x, responders_stage1, n_attained)
    plan = _Plan(design.r1, design.n1, size)
    inference = _inference(plan, x, p0, conf_level)
    if x <= design.r1 or size == design.n:
        return inference._replace(decision=REJECT if x > design.r else DO_NOT_REJECT)
    if responders_stage1 is None:
        alpha = design.probability_of_rejection(float(p0))
        rejects = inference.p_value <= alpha * (1 + EQUAL)
        return inference._replace(decision=REJECT if rejects else DO_NOT_REJECT)
    stages = _Stages(responders_stage1, x - responders_stage1, size - design.n1)
    return _by_conditional_error(design, inference, stages, p0, conf_level)


def inference_table(
    design: TwoStageDesign, p0: float, conf_level: float
) -> tuple[TwoStageInference, ...]:
    """`two_stage_inference` for 0, 1, ..., n responders, as planned.

    Raises
    ------
    ValueError
        `p0` or `conf_level` is not between 0 and 1.

    Examples
    --------
    >>> table = inference_table(TwoStageDesign(1, 10, 5, 29), p0=0.1, conf_level=0.9)
    >>> [round(each.conf_low, 3) for each in table[:5]]
    [0.0, 0.005, 0.037, 0.047, 0.062]
    """
    return tuple(two_stage_inference(design, x, p0, conf_level) for x in range(design.n + 1))


@overload
def coverage(design: TwoStageDesign, conf_level: float, p: float) -> float: ...
@overload
def coverage(design: TwoStageDesign, conf_level: float, p: ArrayLike) -> Floats | float: ...
def coverage(design: TwoStageDesign, conf_level: float, p: ArrayLike) -> Floats | float:
    """The probability that the interval of `two_stage_inference` holds p, summed over all outcomes.

    Raises
    ------
    ValueError
        `p` is not a rate, or `conf_level` is not between 0 and 1.

    Examples
    --------
    >>> coverage(TwoStageDesign(1, 10, 5, 29), 0.9, [0.1, 0.3]).round(4)
    array([0.9529, 0.9426])
    """
    rate = rates(p)
    limits = _limits(_Plan(design.r1, design.n1, design.n), open_rate(conf_level, "conf_level"))
    held = (limits.low <= rate[..., np.newaxis]) & (rate[..., np.newaxis] <= limits.high)
    covered = np.where(held, design.outcome_probabilities(rate), 0.0).sum(axis=-1)
    return as_given(np.minimum(covered, 1.0))


def koyama_chen(
    design: TwoStageDesign, x1: int, x2: int, m2: int, p0: float, conf_level: float
) -> KoyamaChen:
    """The p-value of Koyama and Chen 2008, and the interval of its p-value function.

    With x1 responders at stage 1 and x2 among the `m2` patients of stage 2, the p-value function is

    1. x1 <= r1, m2 = 0: P(X1 >= x1 | p).
    2. m2 = n2 as planned: P(X >= x1 + x2 | p) (section 3).
    3. another m2 (section 4): sum over i > r1 of P(X1 = i | p) A(i, s), where A(i, s) =
       P(X2 > r - i | n2, s) is the chance of rejection left to the planned stage 2, and s, the
       smallest rate with A(x1, s) >= P(X2 >= x2 | m2, p). When stage 1 alone has already rejected
       (x1 > r) s is 0; when it cannot reject any more (x1 + n2 <= r) the outcome is the last one.

    `p_value` is its value at `p0`; `low`, `median` and `high` are where it is (1 - c)/2, 1/2 and
    1 - (1 - c)/2. The limits belong to the test but both come from one tail, and the upper one may
    cover less than c; `two_stage_inference` gives the interval that does not.

    Not estimable: at x1 = 0 the function is 1 at every rate, `low` and `median` are 0 and `high` is
    NaN.

    Raises
    ------
    ValueError
        A count is negative or exceeds its stage, or stage 2 has patients after a stop.

    Examples
    --------
    >>> design = TwoStageDesign(r1=1, n1=10, r=5, n=29)  # Koyama and Chen 2008, section 3.4
    >>> [round(value, 4) for value in koyama_chen(design, 2, 4, 19, 0.1, 0.9)]
    [0.0471, 0.1015, 0.2147, 0.4007]
    >>> design = TwoStageDesign(r1=6, n1=19, r=16, n=39)  # sections 4.1 and 4.2: 23, not 20
    >>> round(koyama_chen(design, 7, 10, 23, 0.3, 0.9).p_value, 4)
    0.0828
    """
    first, second, size = whole_number(x1, "x1"), whole_number(x2, "x2"), whole_number(m2, "m2")
    if first > design.n1:
        raise ValueError("x1 cannot exceed n1, the patients of stage 1")
    if second > size:
        raise ValueError("x2 cannot exceed m2, the patients of stage 2")
    if first <= design.r1 and size > 0:
        raise ValueError("m2 must be 0: with x1 <= r1 the trial stopped after stage 1")
    open_rate(p0, "p0")
    tail = (1 - open_rate(conf_level, "conf_level")) / 2
    p_value = _p_value_function(design, first, second, size)
    value = float(p_value(np.array([p0]))[0])
    if first == 0:
        return KoyamaChen(value, 0.0, 0.0, nan)
    low, median, high = _solved(p_value, np.array([tail, 0.5, 1 - tail]))
    return KoyamaChen(value, low, median, high)


# ---- the plan's outcomes -------------------------------------------------------------------------


def _attained(
    design: TwoStageDesign, x: int, responders_stage1: int | None, n_attained: int | None
) -> int:
    """The number of patients at the end; a ValueError for what the design cannot produce."""
    stopped = x <= design.r1
    planned = design.n1 if stopped else design.n
    size = planned if n_attained is None else whole_number(n_attained, "n_attained")
    if size < design.n1:
        raise ValueError("n_attained is below n1: stage 1 is not complete; see attained_design")
    if stopped and size != design.n1:
        raise ValueError(
            "n_attained must be n1 when responders <= r1: the design stops there; see"
            " attained_design for a first stage of another size"
        )
    if x > size:
        raise ValueError("responders cannot exceed the number of patients")
    if responders_stage1 is not None:
        _check_stage1(design, x, size, whole_number(responders_stage1, "responders_stage1"))
    return size if not stopped else design.n


def _check_stage1(design: TwoStageDesign, x: int, size: int, first: int) -> None:
    if first > min(x, design.n1):
        raise ValueError("responders_stage1 cannot exceed responders or n1")
    if x - first > size - design.n1:
        raise ValueError("responders_stage1 leaves more responders than stage 2 has patients")
    if first <= design.r1 < x:
        raise ValueError(
            "responders_stage1 <= r1 stops the trial: there is no stage 2 to add to it"
        )


def _inference(plan: _Plan, x: int, p0: float, conf_level: float) -> TwoStageInference:
    """Everything but the decision, by the total number of responders."""
    estimates, limits = _estimates(plan), _limits(plan, float(conf_level))
    conditional = float(estimates.conditional_mle[x])
    p_values, mid_p_values = _p_values(plan, float(p0))
    return TwoStageInference(
        stopped_at=1 if x <= plan.r1 else 2,
        mle=float(estimates.mle[x]),
        umvue=float(estimates.umvue[x]),
        median_unbiased=float(limits.median[x]),
        bias_adjusted=float(estimates.bias_adjusted[x]),
        conditional_mle=nan if isnan(conditional) else conditional,  # one nan: equal to itself
        p_value=float(p_values[x]),
        mid_p_value=float(mid_p_values[x]),
        conf_low=float(limits.low[x]),
        conf_high=float(limits.high[x]),
        decision="",
    )


@lru_cache(maxsize=256)
def _p_values(plan: _Plan, p0: float) -> tuple[Floats, Floats]:
    """P(X >= x) and the same with half of P(X = x), for every x."""
    density = outcome_probabilities(*plan, p0)
    at_least = np.minimum(np.cumsum(density[::-1])[::-1], 1.0)
    at_least[0] = 1.0
    return at_least, np.append(at_least[1:], 0.0) + density / 2


# ---- roots ---------------------------------------------------------------------------------------


def _roots(
    gap: Callable[[Floats, NDArray[np.intp]], tuple[Floats, Floats]], start: Floats
) -> Floats:
    """Rates at which increasing functions of the logit are 0: Newton's steps inside a bracket.

    `gap(logit, rows)` gives value and slope. A step that leaves the bracket, or that no slope
    supports, halves it instead.
    """
    logit = start.copy()
    low, high = np.full(start.shape, -FAR), np.full(start.shape, FAR)
    rows = np.arange(start.size)
    for _ in range(STEPS):
        here = logit[rows]
        value, slope = gap(here, rows)
        low[rows] = np.where(value <= 0, here, low[rows])
        high[rows] = np.where(value >= 0, here, high[rows])
        with np.errstate(divide="ignore", invalid="ignore"):
            there = here - value / slope
        # An end of the bracket may be the root itself, seen through rounding: a step may touch it
        nearly = NEARLY * (1 + np.abs(here))
        inside = (there >= low[rows] - nearly) & (there <= high[rows] + nearly)
        there = np.where(inside, there, (low[rows] + high[rows]) / 2)
        logit[rows] = there
        # Newton's error after a step is of the order of its square
        settled = np.where(inside, nearly, SETTLED * (1 + np.abs(here)))
        rows = rows[np.abs(there - here) > settled]
        if not rows.size:
            break
    return np.asarray(1 / (1 + np.exp(-logit)))


def _logit(p: Floats) -> Floats:
    """log(p / (1 - p)), infinite at 0 and 1."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(p) - np.log1p(-p))


class _Expectations(NamedTuple):
    """Rows of weights for the outcomes, the expectation each must have, and where to begin."""

    weights: Floats
    targets: Floats
    signs: Floats  # 1 when the expectation grows with p, -1 when it decreases
    start: Floats


def _solved_expectations(plan: _Plan, rows_wanted: _Expectations) -> Floats:
    """The rate at which sum_x weight(x) P(X = x | p), between 0 and 1, reaches each target."""
    x, patients, log_ways = outcomes(*plan)
    exponents = np.array([x, patients, log_ways])
    moments = np.array([np.ones(x.size), x, patients]).T
    weights, targets, signs, start = rows_wanted
    wanted = _logit(targets)

    def gap(logit: Floats, rows: NDArray[np.intp]) -> tuple[Floats, Floats]:
        log_q = -np.log1p(np.exp(logit))
        weighted = np.exp(np.array([logit, log_q, np.ones(rows.size)]).T @ exponents)
        weighted *= weights[rows]
        mean, responders, enrolled = (weighted @ moments).T
        mean = np.clip(mean, 1e-300, 1 - 1e-16)
        slope = responders - enrolled / (1 + np.exp(-logit))
        sign = signs[rows]
        return sign * (_logit(mean) - wanted[rows]), sign * slope / (mean * (1 - mean))

    return _roots(gap, start)


def _start(plan: _Plan, z: float) -> Floats:
    """A first guess for each outcome, `z` standard errors of the logit away from the estimate."""
    x, patients, _ = outcomes(*plan)
    p = (x + 0.5) / (patients + 1)
    return np.asarray(_logit(p) + z / np.sqrt(patients * p * (1 - p)))


@lru_cache(maxsize=256)
def _limits(plan: _Plan, conf_level: float) -> _Limits:
    """Both limits and the median, for every outcome at once."""
    n = plan.n
    tail = (1 - conf_level) / 2
    z = NormalDist().inv_cdf(1 - tail)
    at_least = np.triu(np.ones((n + 1, n + 1)))[1:]  # X >= x for x = 1, ..., n
    at_most = np.tril(np.ones((n + 1, n + 1)))[:-1]  # X <= x for x = 0, ..., n - 1
    low, median, high = _solved_expectations(
        plan,
        _Expectations(
            weights=np.concatenate([at_least, at_least, at_most]),
            targets=np.repeat([tail, 0.5, tail], n),
            signs=np.repeat([1.0, 1.0, -1.0], n),
            start=np.concatenate(
                [_start(plan, -z)[1:], _start(plan, 0.0)[1:], _start(plan, z)[:-1]]
            ),
        ),
    ).reshape(3, n)
    return _Limits(np.append(0.0, low), np.append(0.0, median), np.append(high, 1.0))


@lru_cache(maxsize=256)
def _estimates(plan: _Plan) -> _Estimates:
    """The estimates that need no level, for every outcome at once."""
    x, patients, _ = outcomes(*plan)
    mle = x / patients
    between = np.flatnonzero((mle > 0) & (mle < 1))
    bias_adjusted = mle.copy()
    bias_adjusted[between] = _solved_expectations(
        plan,
        _Expectations(
            weights=np.broadcast_to(mle, (between.size, mle.size)),
            targets=mle[between],
            signs=np.ones(between.size),
            start=_start(plan, 0.0)[between],
        ),
    )
    stages = (np.flatnonzero(x <= plan.r1), np.flatnonzero(x > plan.r1))
    conditional_mle = np.concatenate([_conditional_mle(plan, stage) for stage in stages])
    return _Estimates(mle, _umvue(plan), bias_adjusted, conditional_mle)


def _umvue(plan: _Plan) -> Floats:
    """The share x / n1 at stage 1; at stage 2 the share of responders expected in stage 1, given the total."""
    r1, n1, n = plan
    first = [comb(n1 - 1, i - 1) if i > r1 else 0 for i in range(n1 + 1)]
    responding = convolved(first, [comb(n - n1, j) for j in range(n - n1 + 1)], n)
    counted = ways(r1, n1, n)
    stage_1 = [x / n1 for x in range(r1 + 1)]
    return np.array([*stage_1, *(responding[x] / counted[x] for x in range(r1 + 1, n + 1))])


def _conditional_mle(plan: _Plan, stage: NDArray[np.intp]) -> Floats:
    """The root of E(X | stage, p) = x for each outcome of one stage."""
    last = nan if stage[-1] == plan.r1 else 1.0
    if stage.size == 1:
        return np.array([last])
    x, _, log_ways = (each[stage] for each in outcomes(*plan))
    fewest, most = x[0], x[-1]
    share = (x[1:-1] - fewest) / (most - fewest)
    wanted = _logit(share)

    def gap(logit: Floats, rows: NDArray[np.intp]) -> tuple[Floats, Floats]:
        # Every outcome of a stage has the same number of patients, so only p / (1 - p) matters.
        log_weight = log_ways + logit[:, np.newaxis] * x
        weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
        weight /= weight.sum(axis=1, keepdims=True)
        mean = weight @ x
        variance = (weight * (x - mean[:, np.newaxis]) ** 2).sum(axis=1)
        reached = np.clip((mean - fewest) / (most - fewest), 1e-300, 1 - 1e-16)
        slope = variance / (most - fewest) / (reached * (1 - reached))
        return _logit(reached) - wanted[rows], slope

    return np.concatenate([[0.0], _roots(gap, wanted), [last]])


# ---- Koyama and Chen -----------------------------------------------------------------------------


def binomial_at_least(k: ArrayLike, n: ArrayLike, p: float | Floats) -> Floats:
    """P(at least `k` responders among `n`), also for k <= 0 and k > n."""
    responders, patients = np.asarray(k, dtype=float), np.asarray(n, dtype=float)
    a = np.maximum(responders, 1.0)
    b = np.maximum(patients - a + 1, 1.0)
    tail = np.where(responders > patients, 0.0, betainc(a, b, p))
    return np.asarray(np.where(responders <= 0, 1.0, tail))


def _as_easily(design: TwoStageDesign, x1: int, x2: int, m2: int, p: Floats) -> Floats:
    """The rate s at which the planned stage 2 rejects with the chance P(X2 >= x2 | m2, p)."""
    needed = design.r + 1 - x1
    if needed <= 0 or x2 > m2:
        return np.zeros(p.shape)
    if x2 == 0:
        return np.ones(p.shape)
    # The complement is used above 1/2, where it keeps the digits.
    chance, complement = betainc(x2, m2 - x2 + 1, p), betaincc(x2, m2 - x2 + 1, p)
    a, b = needed, design.n2 - needed + 1
    return np.where(chance <= 0.5, betaincinv(a, b, chance), betainccinv(a, b, complement))


def _at_least_as_far(design: TwoStageDesign, x1: int, x2: int, m2: int, p: Floats) -> Floats:
    """P(an outcome at least as far as (x1, x2) | p), by the chance left to the planned stage 2."""
    first = np.arange(design.r1 + 1, design.n1 + 1)
    passed = np.exp(_log_binomial(first, design.n1, p[:, np.newaxis]))
    if x1 + design.n2 <= design.r:
        return np.asarray(np.minimum(passed.sum(axis=1), 1.0))
    rate = _as_easily(design, x1, x2, m2, p)[:, np.newaxis]
    left = binomial_at_least(design.r + 1 - first, design.n2, rate)
    return np.asarray(np.minimum((passed * left).sum(axis=1), 1.0))


def _further(design: TwoStageDesign, x1: int, x2: int, m2: int, p: Floats) -> Floats:
    """P(an outcome further than (x1, x2) | p)."""
    if x1 > design.r:  # stage 1 has rejected: nothing lies further
        return np.zeros(p.shape)
    if x1 + design.n2 <= design.r:  # the last outcome of stage 2: all that can still reject
        return binomial_at_least(design.r + 1 - design.n2, design.n1, p)
    return _at_least_as_far(design, x1, x2 + 1, m2, p)


def _log_binomial(x: NDArray[np.intp], n: int, p: Floats) -> Floats:
    log_ways = np.array([log(comb(n, int(each))) for each in x])
    log_p, log_q = log_rates(p)
    return np.asarray(log_ways + x * log_p + (n - x) * log_q)


def _p_value_function(
    design: TwoStageDesign, x1: int, x2: int, m2: int
) -> Callable[[Floats], Floats]:
    """The three cases of `koyama_chen`, as a function of the rate."""
    if x1 <= design.r1:
        return lambda p: binomial_at_least(x1, design.n1, p)
    if m2 == design.n2:
        return lambda p: np.asarray(design.outcome_probabilities(p)[:, x1 + x2 :].sum(axis=1))
    return lambda p: _at_least_as_far(design, x1, x2, m2, p)


def _solved(tail: Callable[[Floats], Floats], targets: Floats) -> list[float]:
    """Where a function that grows from 0 to 1 reaches each target."""
    nought = np.zeros(targets.shape)
    return [float(each) for each in root(lambda p: tail(p) - targets, nought, nought + 1)]


def _by_conditional_error(
    design: TwoStageDesign, end: TwoStageInference, stages: _Stages, p0: float, conf_level: float
) -> TwoStageInference:
    """Case 9 of `two_stage_inference`."""
    tail = (1 - conf_level) / 2

    def at_least_as_far(p: Floats) -> Floats:
        return _at_least_as_far(design, *stages, p)

    def further(p: Floats) -> Floats:
        return _further(design, *stages, p)

    low, median = _solved(at_least_as_far, np.array([tail, 0.5]))
    top = float(further(np.ones(1))[0])
    high = _solved(further, np.array([1 - tail]))[0] if top > 1 - tail else 1.0
    null = np.array([p0])
    p_value, beyond = float(at_least_as_far(null)[0]), float(further(null)[0])
    spent = binomial_at_least(stages.x2, stages.m2, p0)
    left = binomial_at_least(design.r + 1 - stages.x1, design.n2, p0)
    return end._replace(
        median_unbiased=median,
        p_value=p_value,
        mid_p_value=(p_value + beyond) / 2,
        conf_low=low,
        conf_high=high,
        decision=REJECT if spent <= left * (1 + EQUAL) else DO_NOT_REJECT,
    )
