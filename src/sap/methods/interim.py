"""At an interim look: conditional and predictive power, Bayesian bounds and posterior statements.

References
----------
Lee and Liu 2008, Clin Trials 5:93 (predictive probability). Thall and Simon 1994, Biometrics 50:337
(posterior comparison with a historical rate).
"""

from dataclasses import dataclass
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, betaincc, betaincinv, betaln, gammaln

from sap.methods.two_stage_design import (
    Floats,
    SingleStageDesign,
    TwoStageDesign,
    as_given,
    open_rate,
    outcome_probabilities,
    rates,
    whole_number,
)
from sap.methods.two_stage_inference import binomial_at_least

Prior = tuple[float, float]


def _checked_prior(prior: Prior, name: str = "prior") -> Prior:
    a, b = prior
    if not (0 < a < np.inf and 0 < b < np.inf):
        raise ValueError(f"{name} must be two positive numbers, the a and b of a beta distribution")
    return float(a), float(b)


def _checked_look(responders: ArrayLike, n: int, n_max: int) -> NDArray[np.float64]:
    """Responders among `n` patients so far, of `n_max` in all."""
    if whole_number(n, "n") > n_max:
        raise ValueError("n cannot exceed the patients planned")
    x = np.asarray(responders, dtype=float)
    if not ((x >= 0) & (x <= n) & (x == np.floor(x))).all():
        raise ValueError("responders must be whole numbers between 0 and n")
    return x


@overload
def conditional_power(design: TwoStageDesign, responders: int, n: int, p1: float) -> float: ...
@overload
def conditional_power(
    design: TwoStageDesign, responders: ArrayLike, n: int, p1: ArrayLike
) -> Floats | float: ...
def conditional_power(
    design: TwoStageDesign, responders: ArrayLike, n: int, p1: ArrayLike
) -> Floats | float:
    """P(the trial will reject | `responders` among the first `n` patients), at the rate `p1`.

    1. n <= n1: stage 1 must still be passed with more than r1 responders; at n = n1 this is decided.
    2. n > n1: the trial went on; more than r responders are needed among all.

    `responders` and `p1` broadcast. After n1 a count up to r1 is refused: the trial had stopped.

    Raises
    ------
    ValueError
        `n` exceeds the planned patients, `responders` is not a count of at most `n`, `p` is not a rate,
        or the trial had stopped after stage 1.

    Examples
    --------
    >>> design = TwoStageDesign(r1=1, n1=10, r=5, n=29)
    >>> conditional_power(design, [1, 2, 3, 6], 10, 0.3).round(4)
    array([0.    , 0.8668, 0.9538, 1.    ])
    >>> round(conditional_power(design, 0, 0, 0.3), 4)  # nothing seen yet: the power
    0.8051
    """
    x = _checked_look(responders, n, design.n)
    p = rates(p1, "p1")
    x, p = np.broadcast_arrays(x, p)
    if n > design.n1:
        if (x <= design.r1).any():
            raise ValueError("responders must exceed r1 after stage 1: else the trial had stopped")
        return as_given(binomial_at_least(design.r + 1 - x, design.n - n, p))
    left = design.n1 - n
    more = np.arange(left + 1)
    density = outcome_probabilities(-1, left, left, p)
    seen = x[..., np.newaxis] + more
    later = binomial_at_least(design.r + 1 - seen, design.n2, p[..., np.newaxis])
    power = np.where(seen > design.r1, density * later, 0.0).sum(axis=-1)
    return as_given(np.minimum(power, 1.0))


def _threshold(n_max: int, p0: float, prior: Prior, threshold: float) -> int:
    """The smallest final number of responders with P(rate > p0 | it) > `threshold`, or n_max + 1."""
    totals = np.arange(n_max + 1)
    convinced = betaincc(prior[0] + totals, prior[1] + n_max - totals, p0) > threshold
    return int(np.flatnonzero(np.append(convinced, True))[0])


def _predictive(x: Floats, n: int, n_max: int, prior: Prior, needed: int) -> Floats:
    """P(X >= needed at n_max | x of n), by the beta-binomial law of the patients to come."""
    left = n_max - n
    more = np.arange(left + 1.0)
    a, b = prior[0] + x[..., np.newaxis], prior[1] + n - x[..., np.newaxis]
    log_ways = gammaln(left + 1) - gammaln(more + 1) - gammaln(left - more + 1)
    density = np.exp(log_ways + betaln(a + more, b + left - more) - betaln(a, b))
    enough = x[..., np.newaxis] + more >= needed
    # A sum over everything is 1, not 1 and a rounding: one ulp above 1 would stop a trial whose
    # upper bound is 1.
    chance = np.where(enough.all(axis=-1), 1.0, np.where(enough, density, 0.0).sum(axis=-1))
    return np.minimum(chance, 1.0)


@overload
def predictive_probability(
    responders: int, n: int, n_max: int, p0: float, prior: Prior, threshold: float
) -> float: ...
@overload
def predictive_probability(
    responders: ArrayLike, n: int, n_max: int, p0: float, prior: Prior, threshold: float
) -> Floats | float: ...
def predictive_probability(
    responders: ArrayLike, n: int, n_max: int, p0: float, prior: Prior, threshold: float
) -> Floats | float:
    """The predictive probability that the trial will end with P(rate > p0) > `threshold`.

    The patients to come are beta-binomial given those seen; each possible outcome is judged at
    `n_max` by its posterior (Lee and Liu 2008). At n = n_max it is 0 or 1.

    Parameters
    ----------
    responders : among the first `n` patients; one count or many.
    n, n_max : patients so far and at the end.
    p0 : the rate to be exceeded.
    prior : a and b of the beta prior.
    threshold : theta_T, the posterior probability required.

    Raises
    ------
    ValueError
        `n` exceeds `n_max`, `responders` is not a count of at most `n`, or the prior is not two positive
        numbers.

    Examples
    --------
    >>> round(predictive_probability(16, 23, 40, 0.6, (0.6, 0.4), 0.9), 4)  # Lee and Liu 2008
    0.5656
    """
    final = whole_number(n_max, "n_max")
    x = _checked_look(responders, n, final)
    a_b = _checked_prior(prior)
    needed = _threshold(final, open_rate(p0, "p0"), a_b, open_rate(threshold, "threshold"))
    return as_given(_predictive(x, n, final, a_b, needed))


class MonitoringCharacteristics(NamedTuple):
    """What a monitored trial does at a given rate."""

    probability_of_rejection: Floats | float
    probability_of_early_termination: Floats | float
    expected_n: Floats | float


@dataclass(frozen=True)
class PredictiveBounds:
    """At each look: stop for futility at or below one count, for efficacy at or above another.

    A futility bound of -1, or an efficacy bound of n + 1, cannot be reached. At the last look,
    n_max, the trial rejects when responders > `r`, and both bounds state it.
    """

    looks: tuple[int, ...]
    futility: tuple[int, ...]
    efficacy: tuple[int, ...]
    r: int

    @property
    def n_max(self) -> int:
        """Patients at the last look."""
        return self.looks[-1]

    @overload
    def characteristics(self, p: float) -> MonitoringCharacteristics: ...
    @overload
    def characteristics(self, p: ArrayLike) -> MonitoringCharacteristics: ...
    def characteristics(self, p: ArrayLike) -> MonitoringCharacteristics:
        """Rejection, early termination and expected n, by exact recursion over the looks."""
        rate = rates(p)
        going = np.zeros((*rate.shape, self.n_max + 1))
        going[..., 0] = 1.0
        counts = np.arange(self.n_max + 1)
        reject, early = np.zeros(rate.shape), np.zeros(rate.shape)
        expected_n = np.zeros(rate.shape)
        before = 0
        for look, low, high in zip(self.looks, self.futility, self.efficacy, strict=True):
            step = outcome_probabilities(-1, look - before, look - before, rate)
            moved = np.zeros_like(going)
            for more in range(look - before + 1):
                kept = going[..., : going.shape[-1] - more]
                moved[..., more:] += kept * step[..., more : more + 1]
            stops = (counts <= low) | (counts >= high)
            here = np.where(stops, moved, 0.0)
            reject += np.where(counts >= high, moved, 0.0).sum(axis=-1)
            expected_n += look * here.sum(axis=-1)
            early += here.sum(axis=-1) if look < self.n_max else 0.0
            going, before = moved - here, look
        return MonitoringCharacteristics(*(as_given(each) for each in (reject, early, expected_n)))


def _checked_looks(looks: ArrayLike) -> list[int]:
    planned = [whole_number(each, "looks") for each in np.atleast_1d(np.asarray(looks)).tolist()]
    if not planned or planned[0] < 1 or sorted(set(planned)) != planned:
        raise ValueError("looks must be growing numbers of patients, the last one n_max")
    return planned


def predictive_bounds(
    looks: ArrayLike,
    p0: float,
    prior: Prior,
    threshold: float,
    stop_low: float,
    stop_high: float,
) -> PredictiveBounds:
    """Bounds of the predictive probability design (Lee and Liu 2008).

    At each look before the last, with PP the predictive probability of success at the last:

    1. PP < `stop_low` (theta_L): stop for futility.
    2. PP > `stop_high` (theta_U): stop for efficacy; 1 never stops.
    3. else go on.

    At the last look it rejects when P(rate > p0) > `threshold`.

    Raises
    ------
    ValueError
        `looks` do not grow to `n_max`, the limits are not 0 <= `stop_low` < `stop_high` <= 1, or the
        prior is not two positive numbers.

    Examples
    --------
    >>> bounds = predictive_bounds(range(10, 37), 0.2, (0.2, 0.8), 0.922, 0.001, 1.0)
    >>> [low for low in bounds.futility[:12]], bounds.r  # Lee and Liu 2008: 0/10 ... 10/36
    ([0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2], 10)
    >>> [round(float(each), 4) for each in bounds.characteristics(0.2)]
    [0.0878, 0.8571, 27.6677]
    """
    planned = _checked_looks(looks)
    if not 0 <= stop_low < stop_high <= 1:
        raise ValueError("stop_low must be smaller than stop_high, both between 0 and 1")
    a_b = _checked_prior(prior)
    n_max = planned[-1]
    needed = _threshold(n_max, open_rate(p0, "p0"), a_b, open_rate(threshold, "threshold"))
    futility, efficacy = [], []
    for n in planned[:-1]:
        chance = _predictive(np.arange(n + 1.0), n, n_max, a_b, needed)
        futility.append(int((chance < stop_low).sum()) - 1)
        efficacy.append(n + 1 - int((chance > stop_high).sum()))
    return PredictiveBounds(
        looks=tuple(planned),
        futility=(*futility, needed - 1),
        efficacy=(*efficacy, needed),
        r=needed - 1,
    )


def conditional_bounds(
    design: TwoStageDesign | SingleStageDesign,
    looks: ArrayLike,
    p1: float,
    stop_low: float,
    stop_high: float,
) -> PredictiveBounds:
    """Bounds by the conditional power of a design at each look (stochastic curtailment).

    At each look before the last, with CP the conditional power at the rate `p1`:

    1. At n1 of a two-stage design responders <= r1 stop the trial, whatever CP is.
    2. CP < `stop_low`: stop for futility.
    3. CP > `stop_high`: stop for efficacy; 1 never stops.
    4. else go on.

    At the last look it rejects when responders > r. `characteristics` of the answer gives the error rates
    of the design with these looks: looks for futility lower both, looks for efficacy raise both.

    Raises
    ------
    ValueError
        `looks` do not grow to n of the design or leave out n1, `p1` is not strictly between 0 and 1, or
        the limits are not 0 <= `stop_low` < `stop_high` <= 1.

    Examples
    --------
    >>> design = TwoStageDesign(r1=1, n1=10, r=5, n=29)
    >>> bounds = conditional_bounds(design, [10, 15, 20, 25, 29], 0.3, 0.1, 1.0)
    >>> bounds.futility, bounds.efficacy
    ((1, 1, 1, 3, 5), (11, 16, 21, 26, 6))
    """
    planned = _checked_looks(looks)
    if planned[-1] != design.n:
        raise ValueError("looks must grow to n of the design")
    if isinstance(design, TwoStageDesign) and design.n1 not in planned:
        raise ValueError("looks must have n1 among them: the design itself looks there")
    if not 0 <= stop_low < stop_high <= 1:
        raise ValueError("stop_low must be smaller than stop_high, both between 0 and 1")
    rate = open_rate(p1, "p1")
    futility, efficacy = [], []
    for n in planned[:-1]:
        counts = np.arange(n + 1.0)
        if isinstance(design, SingleStageDesign):
            chance = binomial_at_least(design.r + 1 - counts, design.n - n, rate)
        else:
            gone_on = counts > design.r1 if n >= design.n1 else counts >= 0
            chance = np.zeros(n + 1)
            chance[gone_on] = conditional_power(design, counts[gone_on], n, rate)
        stopped = design.r1 if isinstance(design, TwoStageDesign) and n == design.n1 else -1
        futility.append(max(int((chance < stop_low).sum()) - 1, stopped))
        efficacy.append(n + 1 - int((chance > stop_high).sum()))
    return PredictiveBounds(
        looks=tuple(planned),
        futility=(*futility, design.r),
        efficacy=(*efficacy, design.r + 1),
        r=design.r,
    )


class PosteriorSummary(NamedTuple):
    """A beta posterior of one response rate."""

    mean: float
    sd: float
    median: float
    low: float
    high: float
    probability_above: float


def posterior_summary(
    responders: int, n: int, prior: Prior, conf_level: float, p0: float
) -> PosteriorSummary:
    """Mean, standard deviation, median, equal-tailed interval and P(rate > p0) of the posterior.

    Raises
    ------
    ValueError
        `responders` is not a count of at most `n`, or the prior is not two positive numbers.

    Examples
    --------
    >>> summary = posterior_summary(6, 29, (0.5, 0.5), 0.9, 0.1)
    >>> [round(value, 4) for value in summary]
    [0.2167, 0.074, 0.2103, 0.1065, 0.3486, 0.9621]
    """
    x = float(_checked_look(responders, n, n))
    a, b = _checked_prior(prior)
    a, b = a + x, b + n - x
    tail = (1 - open_rate(conf_level, "conf_level")) / 2
    low, median, high = (float(betaincinv(a, b, level)) for level in (tail, 0.5, 1 - tail))
    return PosteriorSummary(
        mean=a / (a + b),
        sd=(a * b / (a + b + 1)) ** 0.5 / (a + b),
        median=median,
        low=low,
        high=high,
        probability_above=float(betaincc(a, b, open_rate(p0, "p0"))),
    )


def posterior_comparison(
    responders: int, n: int, prior: Prior, historical: Prior, margin: float
) -> float:
    """P(rate > historical rate + `margin` | data), both rates beta (Thall and Simon 1994).

    The integral of P(rate > t + margin) over the historical density of t is taken over the logit of
    t / (1 - margin), where the integrand is smooth and decreases exponentially at both ends: the
    trapezium rule then has no error but rounding.

    Raises
    ------
    ValueError
        As `posterior_summary` for both priors; also `margin` outside of [0, 1).

    Examples
    --------
    >>> round(posterior_comparison(9, 20, (0.6, 1.4), (15, 35), 0.0), 6)
    0.867035
    """
    x = float(_checked_look(responders, n, n))
    a, b = _checked_prior(prior)
    old_a, old_b = _checked_prior(historical, "historical")
    if not 0 <= margin < 1:
        raise ValueError("margin must lie between 0 and 1, 1 excluded")
    a, b = a + x, b + n - x
    step = min(0.05, 0.4 / (a + b + old_a + old_b) ** 0.5)
    ends = 45 / min(old_a, 1.0), 45 / min(b + (old_b if margin == 0 else 1.0), 1.0)
    logit = np.arange(-ends[0], ends[1] + step, step)
    share, rest = 1 / (1 + np.exp(-logit)), 1 / (1 + np.exp(logit))
    t = (1 - margin) * share
    # 1 - t and 1 - t - margin without cancellation
    log_density = (old_a - 1) * np.log(t) + (old_b - 1) * np.log(margin + (1 - margin) * rest)
    weight = np.exp(log_density - betaln(old_a, old_b)) * (1 - margin) * share * rest
    above = betainc(b, a, (1 - margin) * rest)
    return min(float((weight * above).sum() * step), 1.0)
