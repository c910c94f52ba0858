"""Two-stage designs that watch response and toxicity together (Bryant and Day 1995).

The paper counts patients without toxicity (C_T1 of N1, C_T2 of N); here toxicities are counted, as
protocols write it: C_T1 or fewer without toxicity are n1 - C_T1 or more with it.

References
----------
Bryant and Day 1995, Biometrics 51:1372.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import betainc

from sap.methods.proportion import log_pmf
from sap.methods.two_stage_design import Floats, open_rate, rates, whole_number

ROUNDING = 1e-12  # an error rate this far past its limit is the limit, seen through rounding


class JointCharacteristics(NamedTuple):
    """What a joint design does at one rate of response and one of toxicity."""

    probability_of_acceptance: float  # the treatment is judged active and tolerable
    probability_of_early_termination: float
    expected_n: float


@dataclass(frozen=True)
class JointDesign:
    """Response and toxicity at two looks.

    1. After `n1` patients: stop when responders <= `r1` or patients with toxicity >= `t1`.
    2. Else after `n` patients in all: accept the treatment when responders > `r` and patients with
       toxicity < `t`.

    >>> design = JointDesign(r1=5, t1=8, n1=19, r=12, t=11, n=33)  # Bryant and Day 1995, p 1379
    >>> [round(value, 4) for value in design.characteristics(0.5, 0.2, 1.0)]
    [0.8542, 0.0543, 32.2395]
    """

    r1: int
    t1: int
    n1: int
    r: int
    t: int
    n: int

    def __post_init__(self) -> None:
        for name in ("r1", "t1", "n1", "r", "t", "n"):
            object.__setattr__(self, name, whole_number(getattr(self, name), name))
        if not self.r1 < self.n1 < self.n:
            raise ValueError("r1 must be smaller than n1, and n1 smaller than n")
        if not self.r1 <= self.r < self.n:
            raise ValueError("r must lie between r1 and n - 1")
        if not (1 <= self.t1 <= self.n1 and 1 <= self.t <= self.n):
            raise ValueError("t1 must lie between 1 and n1, and t between 1 and n")

    def characteristics(
        self, p_response: float, p_toxicity: float, odds_ratio: float
    ) -> JointCharacteristics:
        """Acceptance, early termination and expected n, by enumeration of both counts.

        `odds_ratio` is that of response and toxicity within a patient: 1 is independence, above 1
        patients who respond have more toxicity.

        Raises
        ------
        ValueError
            A rate is not in [0, 1] or the odds ratio is not positive.
        """
        cells = _cells(p_response, p_toxicity, odds_ratio)
        law = np.zeros((self.n + 1, self.n + 1))  # responders down, patients with toxicity across
        law[0, 0] = 1.0
        law = _after(law, self.n1, cells)
        law[: self.r1 + 1] = 0.0
        law[:, self.t1 :] = 0.0
        going = min(float(law.sum()), 1.0)
        law = _after(law, self.n - self.n1, cells)
        accepted = min(float(law[self.r + 1 :, : self.t].sum()), 1.0)
        return JointCharacteristics(accepted, 1 - going, self.n1 + (self.n - self.n1) * going)


def _cells(p_response: float, p_toxicity: float, odds_ratio: float) -> tuple[float, ...]:
    """One patient: P(neither), P(response only), P(toxicity only), P(both) with this odds ratio."""
    a, b = float(rates(p_response, "p_response")), float(rates(p_toxicity, "p_toxicity"))
    if not 0 < odds_ratio < np.inf:
        raise ValueError("odds_ratio must be positive")
    if odds_ratio == 1:
        both = a * b
    else:  # the root of the quadratic of the 2 x 2 table that is a probability (Plackett 1965)
        s = 1 + (a + b) * (odds_ratio - 1)
        both = (s - (s * s - 4 * odds_ratio * (odds_ratio - 1) * a * b) ** 0.5) / (
            2 * (odds_ratio - 1)
        )
    both = min(max(both, a + b - 1, 0.0), a, b)
    return 1 - a - b + both, a - both, b - both, both


def _after(law: Floats, patients: int, cells: tuple[float, ...]) -> Floats:
    neither, response, toxicity, both = cells
    for _ in range(patients):
        moved = neither * law
        moved[1:] += response * law[:-1]
        moved[:, 1:] += toxicity * law[:, :-1]
        moved[1:, 1:] += both * law[:-1, :-1]
        law = moved
    return law


class JointChoice(NamedTuple):
    """One design of the search with its error rates at independence."""

    design: JointDesign
    alpha_response: float  # P(accept) with p_r0 and p_t1
    alpha_toxicity: float  # P(accept) with p_r1 and p_t0
    power: float  # P(accept) with p_r1 and p_t1
    expected_n_response: float  # with p_r0 and p_t1
    expected_n_toxicity: float  # with p_r1 and p_t0
    expected_n: float  # the larger of the two, which the optimal design makes least


@dataclass(frozen=True)
class BryantDay:
    """The optimal and the minimax design, both up to `searched_to` patients."""

    optimal: JointChoice
    minimax: JointChoice
    searched_to: int


def bryant_day(  # noqa: PLR0913 - the design has eight numbers
    p_r0: float,
    p_r1: float,
    p_t0: float,
    p_t1: float,
    alpha_response: float,
    alpha_toxicity: float,
    beta: float,
    n_max: int,
) -> BryantDay:
    """Bryant and Day's designs of at most `n_max` patients.

    Response is unacceptable at `p_r0` and good at `p_r1`; toxicity is unacceptable at `p_t0` and low at
    `p_t1`. Response and toxicity of a patient are taken as independent for the search, as in the paper;
    `JointDesign.characteristics` gives the error rates at any odds ratio.

    1. P(accept) <= `alpha_response` at (`p_r0`, `p_t1`), <= `alpha_toxicity` at (`p_r1`, `p_t0`), and
       >= 1 - `beta` at (`p_r1`, `p_t1`).
    2. Optimal: the least of the larger of the two expected numbers of patients at the first two points;
       minimax: the same among the designs with the least n.
    3. Of the last thresholds that do with one first stage, those with the most power.

    Raises
    ------
    ValueError
        A rate is not strictly between 0 and 1, `p_r1` does not exceed `p_r0` or `p_t0` does not exceed
        `p_t1`, or no design of at most `n_max` patients is good enough.

    Examples
    --------
    Bryant and Day 1995, p 1379: 5/19 and 12/33 responders, 11/19 and 22/33 patients without toxicity.

    >>> bryant_day(0.3, 0.5, 0.4, 0.2, 0.15, 0.15, 0.15, 34).optimal.design
    JointDesign(r1=5, t1=8, n1=19, r=12, t=11, n=33)
    """
    for name, value in (("p_r0", p_r0), ("p_r1", p_r1), ("p_t0", p_t0), ("p_t1", p_t1),
                        ("alpha_response", alpha_response), ("alpha_toxicity", alpha_toxicity),
                        ("beta", beta)):  # fmt: skip
        open_rate(value, name)
    if not p_r0 < p_r1:
        raise ValueError("p_r1 must exceed p_r0")
    if not p_t1 < p_t0:
        raise ValueError("p_t0 must exceed p_t1")
    limits = _Limits(p_r0, p_r1, 1 - p_t0, 1 - p_t1, alpha_response, alpha_toxicity, 1 - beta)
    optimal, minimax = _searched(limits, whole_number(n_max, "n_max"))
    if optimal is None or minimax is None:
        raise ValueError("n_max is too small: no design of so few patients holds the error rates")
    return BryantDay(optimal, minimax, n_max)


def _searched(limits: "_Limits", n_max: int) -> tuple[JointChoice | None, JointChoice | None]:
    """The optimal and the minimax design of at most `n_max` patients, if there are any."""
    optimal: JointChoice | None = None
    minimax: JointChoice | None = None
    for n in range(2, n_max + 1):
        for n1 in range(1, n):
            least = np.inf if optimal is None else optimal.expected_n
            if n1 >= least:
                break  # more patients in stage 1 than the best expects in all
            found = _best(limits, n1, n, least)
            if found is not None:
                optimal = found
        if minimax is None:
            minimax = optimal  # the first n with a design, and its best
    return optimal, minimax


class _Limits(NamedTuple):
    """Rates of response and of no toxicity under both hypotheses, and the limits of the errors."""

    r0: float
    r1: float
    t0: float
    t1: float
    alpha_r: float
    alpha_t: float
    power: float


class _Table(NamedTuple):
    """P(pass stage 1) by threshold c1, and P(pass both) by c1 (down) and c (across), at two rates."""

    go: tuple[Floats, Floats]
    both: tuple[Floats, Floats]


def _table(n1: int, n: int, p0: float, p1: float) -> _Table:
    go, both = [], []
    x1 = np.arange(n1 + 1.0)
    for p in (p0, p1):
        first = np.exp(log_pmf(x1, np.full_like(x1, n1), np.full_like(x1, p)))
        # P(X2 > c - x1) for x1 down and c across, X2 of the n - n1 later patients
        more = np.arange(n)[np.newaxis, :] - x1[:, np.newaxis] + 1
        m = n - n1
        inside = np.clip(more, 1, m)
        later = np.where(
            more <= 0, 1.0, np.where(more > m, 0.0, betainc(inside, m - inside + 1, p))
        )
        passed = np.cumsum((first[:, np.newaxis] * later)[::-1], axis=0)[::-1]
        both.append(passed[1:])  # row c1: x1 > c1
        go.append(np.cumsum(first[::-1])[::-1][1:])
    return _Table((go[0], go[1]), (both[0], both[1]))


def _best(limits: _Limits, n1: int, n: int, least: float) -> JointChoice | None:
    """The design of these sizes with the least expected number, when it is below `least`."""
    response = _table(n1, n, limits.r0, limits.r1)
    tolerated = _table(n1, n, limits.t0, limits.t1)
    choice = None
    for r1, c1 in _first_stages(limits, response, tolerated):
        go_r0, go_r1 = response.go[0][r1], response.go[1][r1]
        go_t0, go_t1 = tolerated.go[0][c1], tolerated.go[1][c1]
        if go_r1 * go_t1 < limits.power - ROUNDING:
            continue
        at_response, at_toxicity = (
            float(n1 + (n - n1) * go) for go in (go_r0 * go_t1, go_r1 * go_t0)
        )
        expected = max(at_response, at_toxicity)
        if expected >= least:
            continue
        last = _last_thresholds(limits, response, tolerated, r1, c1)
        if last is None:
            continue
        r, c, (alpha_r, alpha_t, power) = last
        design = JointDesign(r1, n1 - c1, n1, r, n - c, n)
        choice = JointChoice(design, alpha_r, alpha_t, power, at_response, at_toxicity, expected)
        least = expected
    return choice


def _first_stages(
    limits: _Limits, response: _Table, tolerated: _Table
) -> Iterator[tuple[int, int]]:
    """Thresholds of stage 1 that a good treatment passes often enough, strictest first."""
    able_r = np.flatnonzero(response.go[1] >= limits.power)[::-1].tolist()
    able_t = np.flatnonzero(tolerated.go[1] >= limits.power)[::-1].tolist()
    return ((r1, c1) for r1 in able_r for c1 in able_t)


def _last_thresholds(
    limits: _Limits, response: _Table, tolerated: _Table, r1: int, c1: int
) -> tuple[int, int, tuple[float, float, float]] | None:
    """Thresholds r and c of the last look within the limits, those with the most power."""
    r0, r_ = response.both[0][r1, r1:, np.newaxis], response.both[1][r1, r1:, np.newaxis]
    t0, t_ = tolerated.both[0][c1, c1:], tolerated.both[1][c1, c1:]
    power = r_ * t_
    good = (
        (r0 * t_ <= limits.alpha_r + ROUNDING)
        & (r_ * t0 <= limits.alpha_t + ROUNDING)
        & (power >= limits.power - ROUNDING)
    )
    if not good.any():
        return None
    r, c = np.unravel_index(int(np.argmax(np.where(good, power, -1.0))), power.shape)
    errors = float(r0[r, 0] * t_[c]), float(r_[r, 0] * t0[c]), float(power[r, c])
    return r1 + int(r), c1 + int(c), errors
