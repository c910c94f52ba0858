"""Simon's designs: the search for the optimal, the minimax and the admissible two-stage designs.

References
----------
A'Hern 2001, Stat Med 20:859. Jung, Lee, Kim and George 2004, Stat Med 23:561 (admissible designs).
Simon 1989, Control Clin Trials 10:1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise, takewhile
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from sap.methods.two_stage_design import (
    OperatingCharacteristics,
    SingleStageDesign,
    TwoStageDesign,
    open_rate,
    whole_number,
)

TIED = 1e-9  # two expected numbers of patients this close are one number
ROUNDING = 1e-12  # an error rate this far past its limit is the limit, seen through rounding
LARGEST = 2000


@dataclass(frozen=True)
class AdmissibleDesign(TwoStageDesign):
    """A design that minimises w n + (1 - w) EN(p0) for every weight w of a range."""

    weight_low: float
    weight_high: float

    @property
    def design(self) -> TwoStageDesign:
        """The design without its weights."""
        return TwoStageDesign(self.r1, self.n1, self.r, self.n)


@dataclass(frozen=True)
class SimonDesigns:
    """The best designs for one question, and how far the search went.

    Attributes
    ----------
    optimal : smallest EN(p0), then smallest n.
    minimax : smallest n, then smallest EN(p0).
    admissible : the lower convex hull of (n, EN(p0)) from the minimax to the optimal design, each
        with the range of weights on n for which it is best; the ranges cover [0, 1].
    single_stage : the smallest one-stage design with the same error rates.
    optimal_ties, minimax_ties : other designs that do equally well: another r for the same n1, r1
        and n, another n1, or (optimal only) a larger n with the same EN(p0).
    searched_to : the last n that was searched.
    proved : no design with a larger n can be better; False only when `n_max` ended the search.
    """

    optimal: TwoStageDesign
    minimax: TwoStageDesign
    admissible: tuple[AdmissibleDesign, ...]
    single_stage: SingleStageDesign
    p0: float
    p1: float
    alpha: float
    beta: float
    optimal_ties: tuple[TwoStageDesign, ...]
    minimax_ties: tuple[TwoStageDesign, ...]
    searched_to: int
    proved: bool

    def characteristics(
        self, design: TwoStageDesign | SingleStageDesign
    ) -> OperatingCharacteristics:
        """Alpha, power, EN and PET of one of the designs at this question's p0 and p1."""
        return design.characteristics(self.p0, self.p1)


def simon_designs(
    p0: float, p1: float, alpha: float, beta: float, n_max: int | None = None
) -> SimonDesigns:
    """Simon's optimal and minimax designs, the admissible ones between, and A'Hern's single stage.

    A design is admitted when its attained alpha <= `alpha` and its power >= 1 - `beta`, both exact.
    Ties: for equal n1, r1 and n the largest r that keeps power; then the smallest n1.

    The search needs no largest n. For given n, n1 and r both error rates and EN(p0) speak for the
    largest r1 that keeps power, so one candidate remains. For given n1, EN(p0) is at least
    n1 + (n - n1) (1 - PET of the largest r1 with P(X1 <= r1 | p1) <= beta), which grows with n: the
    search ends, and is a proof, when no n1 is left whose bound lies below the smallest EN(p0) so far.

    Parameters
    ----------
    p0, p1 : the response rate of no interest and the one of interest, 0 < p0 < p1 < 1.
    alpha, beta : the largest error rates of either kind.
    n_max : the largest n allowed. `proved` says whether a larger one could be better.

    Raises
    ------
    ValueError
        When an argument is out of its range, or no design has n <= `n_max`; the message gives the n that would suffice.

    Examples
    --------
    >>> designs = simon_designs(0.1, 0.3, 0.05, 0.2)  # Simon 1989, table 1
    >>> designs.optimal, designs.minimax
    (TwoStageDesign(r1=1, n1=10, r=5, n=29), TwoStageDesign(r1=1, n1=15, r=5, n=25))
    >>> designs.single_stage, designs.proved
    (SingleStageDesign(r=5, n=25), True)
    >>> [(d.n, round(d.weight_low, 3), round(d.weight_high, 3)) for d in designs.admissible]
    [(25, 0.732, 1.0), (26, 0.482, 0.732), (27, 0.293, 0.482), (29, 0.0, 0.293)]
    """
    return _designs(_question(p0, p1, alpha, beta), _Limits(n_max=_checked_n_max(n_max)))


def constrained_designs(
    p0: float,
    p1: float,
    alpha: float,
    beta: float,
    *,
    n1: int | None = None,
    n_max: int | None = None,
    min_pet: float | None = None,
) -> SimonDesigns:
    """The best designs among those with a given n1, a largest n, or at least `min_pet` PET(p0).

    Raises
    ------
    ValueError
        An argument is out of its range, or no design meets the constraints; the message says which.

    Examples
    --------
    >>> constrained_designs(0.1, 0.3, 0.05, 0.2, n1=12).optimal
    TwoStageDesign(r1=1, n1=12, r=5, n=26)
    >>> constrained_designs(0.1, 0.3, 0.05, 0.2, min_pet=0.8).optimal
    TwoStageDesign(r1=2, n1=14, r=5, n=29)
    """
    limits = _Limits(
        n1=None if n1 is None else whole_number(n1, "n1"),
        n_max=_checked_n_max(n_max),
        min_pet=0.0 if min_pet is None else open_rate(min_pet, "min_pet"),
    )
    return _designs(_question(p0, p1, alpha, beta), limits)


class _Question(NamedTuple):
    p0: float
    p1: float
    alpha: float
    beta: float


class _Limits(NamedTuple):
    n1: int | None = None
    n_max: int | None = None
    min_pet: float = 0.0


def _question(p0: float, p1: float, alpha: float, beta: float) -> _Question:
    question = _Question(
        open_rate(p0, "p0"), open_rate(p1, "p1"), open_rate(alpha, "alpha"), open_rate(beta, "beta")
    )
    if not p0 < p1:
        raise ValueError("p0 must be smaller than p1")
    return question


def _checked_n_max(n_max: int | None) -> int | None:
    if n_max is not None and whole_number(n_max, "n_max") < 2:
        raise ValueError("n_max must be at least 2: each stage needs a patient")
    return n_max


class _Tables:
    """Binomial probabilities of both rates for every number of patients up to `size`."""

    def __init__(self, question: _Question, size: int) -> None:
        p0, p1, alpha, beta = question
        rate = np.array([p0, p1])[:, np.newaxis]
        density = np.zeros((2, size + 1, size + 2))
        density[:, 0, 0] = 1.0
        for n in range(1, size + 1):  # Pascal's rule: only sums of positive numbers, so no loss
            np.multiply(density[:, n - 1, :n], 1 - rate, out=density[:, n, :n])
            density[:, n, 1 : n + 1] += rate * density[:, n - 1, :n]
        at_least = np.cumsum(density[:, :, ::-1], axis=2)[:, :, ::-1]
        at_most = np.cumsum(density, axis=2)
        self.size = size
        self.density0, self.density1 = density
        self.at_least0, self.at_least1 = at_least
        self.at_most0 = at_most[0]
        # The largest r1 that can keep power, for each n1 (-1: none), and the most PET it gives.
        self.r1_most = (at_most[1] <= beta + ROUNDING).sum(axis=1) - 1
        self.pet_most = np.where(
            self.r1_most >= 0, at_most[0][np.arange(size + 1), self.r1_most], 0.0
        )
        # The largest r with which one stage has the power, for each n (-1: none). The most powerful
        # test of size alpha gives away its spare power where that costs p1 least, at X = r + 1; no
        # design of this n can do better (Neyman and Pearson), so the others need no look.
        each = np.arange(size + 1)
        spare = self.at_least1[:, 1:] - (1 - beta)
        self.r_most = (spare >= -ROUNDING).sum(axis=1) - 1
        r = np.maximum(self.r_most, 0)
        log_ratio = (r + 1) * np.log(p0 / p1) + (each - r - 1) * np.log((1 - p0) / (1 - p1))
        least_alpha = self.at_least0[each, r + 1] - spare[each, r] * np.exp(log_ratio)
        self.open = (self.r_most >= 0) & (least_alpha <= alpha + ROUNDING)
        self.one_stage = (self.r_most >= 0) & (self.at_least0[each, r + 1] <= alpha + ROUNDING)


class _Found(NamedTuple):
    """The best design of one n and those tied with it."""

    expected_n: float
    design: TwoStageDesign
    ties: tuple[TwoStageDesign, ...]


def _best_of_n(
    tables: _Tables, question: _Question, limits: _Limits, n: int, most: float
) -> _Found | None:
    """The design of this n with the smallest EN(p0) not above `most`.

    r decreases from the largest that has power in one stage. The largest r1 that keeps power grows
    meanwhile, up to the bound of stage 1; once it is there, or once alpha is lost even there, a
    smaller r has nothing to offer to this n1.
    """
    rows = _rows(tables, limits, n, most) if tables.open[n] else ()
    r = int(tables.r_most[n])
    candidates: list[tuple[float, int, int, int]] = []
    while rows and r >= 0:
        first, last = rows
        n1 = np.arange(first, last + 1)
        each = n1 - first
        r1_most = np.minimum(tables.r1_most[first : last + 1], r)
        columns = slice(0, int(r1_most.max()) + 1)
        reach = (slice(n - last, n - first + 1), slice(r + 2 - columns.stop, r + 2))
        # P(X1 <= r1 and X > r), what stopping at r1 takes from the one-stage test, for every r1
        lost1 = tables.density1[first : last + 1, columns] * tables.at_least1[reach][::-1, ::-1]
        lost0 = tables.density0[first : last + 1, columns] * tables.at_least0[reach][::-1, ::-1]
        lost0 = np.cumsum(lost0, axis=1)
        spare = tables.at_least1[n, r + 1] - (1 - question.beta) + ROUNDING
        excess = tables.at_least0[n, r + 1] - question.alpha - ROUNDING
        r1 = (np.cumsum(lost1, axis=1) <= spare).sum(axis=1) - 1
        expected_n = n1 + (1 - tables.at_most0[n1, r1]) * (n - n1)
        holds = (r1 >= 0) & (lost0[each, r1] >= excess) & (expected_n <= most)
        holds &= tables.at_most0[n1, r1] >= limits.min_pet
        if limits.n1 is not None:
            holds &= n1 == limits.n1
        for i in np.flatnonzero(holds).tolist():
            candidates.append((float(expected_n[i]), int(n1[i]), -r, int(r1[i])))
        if candidates:
            most = min(candidates)[0] + TIED
        unfinished = (r1 < r1_most) & (lost0[each, r1_most] >= excess)
        left = np.flatnonzero(unfinished)
        rows = (first + int(left[0]), first + int(left[-1])) if left.size else ()
        r -= 1
    if not candidates:
        return None
    least = min(candidates)[0]
    tied = sorted(each[1:] for each in candidates if each[0] <= least + TIED)
    design, *others = (TwoStageDesign(r1_, n1_, -minus_r, n) for n1_, minus_r, r1_ in tied)
    # The same n1 and r1 with another r is added when ties are reported.
    return _Found(
        least,
        design,
        tuple(other for other in others if (other.n1, other.r1) != (design.n1, design.r1)),
    )


def _rows(tables: _Tables, limits: _Limits, n: int, most: float) -> tuple[int, int] | tuple[()]:
    """The first and last n1 whose bound on EN(p0) leaves room below `most`; empty when none does."""
    n1 = np.arange(1, n)
    open_rows = (n1 + (1 - tables.pet_most[1:n]) * (n - n1) <= most) & (tables.r1_most[1:n] >= 0)
    if limits.n1 is not None:
        open_rows &= n1 == limits.n1
    left = np.flatnonzero(open_rows)
    return (int(left[0]) + 1, int(left[-1]) + 1) if left.size else ()


def _first_size(question: _Question) -> int:
    """A first guess of the largest n the search needs, from the normal approximation."""
    p0, p1, alpha, beta = question
    z = NormalDist().inv_cdf
    spread = z(1 - alpha) * (p0 * (1 - p0)) ** 0.5 + z(1 - beta) * (p1 * (1 - p1)) ** 0.5
    return min(int(1.45 * max(spread, 0.0) ** 2 / (p1 - p0) ** 2) + 15, LARGEST)


def _designs(question: _Question, limits: _Limits) -> SimonDesigns:
    tables = _Tables(question, _first_size(question))
    frontier: list[_Found] = []
    optimal_ties: list[TwoStageDesign] = []
    n, best, proved = 1, np.inf, False
    _check_first_stage(question, limits)
    while not proved and n != limits.n_max:
        n += 1
        if n > tables.size:
            tables = _larger(question, tables)
        if frontier and not _rows(tables, limits, n, best + TIED):
            n, proved = n - 1, True
            break
        best_of_n = _best_of_n(tables, question, limits, n, best + TIED)
        if best_of_n is None:
            continue
        if best_of_n.expected_n >= best - TIED:
            optimal_ties += [best_of_n.design, *best_of_n.ties]
            continue
        frontier.append(best_of_n)
        optimal_ties = list(best_of_n.ties)
        best = best_of_n.expected_n
    if not frontier:
        needed = _designs(question, limits._replace(n_max=None)).minimax.n
        raise ValueError(
            f"n_max is too small: no two-stage design has n <= {limits.n_max}, the smallest has"
            f" n = {needed}; raise n_max, alpha or beta"
        )
    return SimonDesigns(
        optimal=frontier[-1].design,
        minimax=frontier[0].design,
        admissible=_admissible(frontier),
        single_stage=_single_stage(question, tables),
        **question._asdict(),
        optimal_ties=(*_other_r(frontier[-1].design, question), *optimal_ties),
        minimax_ties=(*_other_r(frontier[0].design, question), *frontier[0].ties),
        searched_to=n,
        proved=proved,
    )


def _other_r(design: TwoStageDesign, question: _Question) -> list[TwoStageDesign]:
    """The same design with a smaller r, as long as alpha holds; power can only grow."""
    smaller = [
        TwoStageDesign(design.r1, design.n1, r, design.n)
        for r in range(design.r - 1, design.r1 - 1, -1)
    ]
    return list(
        takewhile(
            lambda each: each.probability_of_rejection(question.p0) <= question.alpha + ROUNDING,
            smaller,
        )
    )


def _larger(question: _Question, tables: _Tables) -> _Tables:
    if tables.size >= LARGEST:
        raise ValueError(
            f"p1 is too close to p0 for these limits: no design up to n = {LARGEST} could be proved"
        )
    return _Tables(question, min(2 * tables.size, LARGEST))


def _check_first_stage(question: _Question, limits: _Limits) -> None:
    """Refuse an n1 for which no n can ever do, before looking for it for ever.

    With enough patients in stage 2 every error rate is that of stage 1, so that an n1 will do when
    some r1 >= 0 keeps P(X1 <= r1 | p1) <= beta and gives the required PET.
    """
    if limits.n1 is None:
        return
    if limits.n1 < 1:
        raise ValueError("n1 must be at least 1")
    tables = _Tables(question, limits.n1)
    if tables.r1_most[limits.n1] < 0:
        raise ValueError(
            "n1 is too small: stopping at 0 responders alone would cost more power than beta allows"
        )
    if tables.pet_most[limits.n1] < limits.min_pet:
        raise ValueError("min_pet cannot be reached with this n1 without losing the power")


def _admissible(frontier: Sequence[_Found]) -> tuple[AdmissibleDesign, ...]:
    """The lower convex hull of (n, EN), from the smallest n to the smallest EN (Jung et al. 2004).

    Neighbours a, b on the hull cost the same at w = (EN_a - EN_b) / (EN_a - EN_b + n_b - n_a); the
    one with fewer patients at most is better for heavier weights on n. A design on the straight line
    between two others is best, together with both, at that one weight: it stays, with that weight.
    """
    hull: list[_Found] = []
    for point in frontier:
        while len(hull) > 1 and (
            _turning_weight(hull[-2], hull[-1]) < _turning_weight(hull[-1], point) - TIED
        ):
            hull.pop()
        hull.append(point)
    turns = list(accumulate([1.0, *(_turning_weight(a, b) for a, b in pairwise(hull)), 0.0], min))
    return tuple(
        AdmissibleDesign(
            *(each.design.r1, each.design.n1, each.design.r, each.design.n),
            weight_low=turns[i + 1],
            weight_high=turns[i],
        )
        for i, each in enumerate(hull)
    )


def _turning_weight(a: _Found, b: _Found) -> float:
    saved = a.expected_n - b.expected_n
    return saved / (saved + b.design.n - a.design.n)


def _single_stage(question: _Question, tables: _Tables) -> SingleStageDesign:
    """The smallest n with both error rates; the largest r that keeps power."""
    while not tables.one_stage.any():
        tables = _larger(question, tables)
    n = int(np.flatnonzero(tables.one_stage)[0])
    return SingleStageDesign(r=int(tables.r_most[n]), n=n)
