"""The two-stage and the single-stage design of a single-arm trial, and the law of their outcomes.

A two-stage trial ends with a total number of responders X. X <= r1 can only have been seen at the
end of stage 1 and X > r1 only at the end of stage 2, so X alone names the stage, and its law is

    P(X = x) = w(x) p^x (1 - p)^(N(x) - x),   N(x) = n1 when x <= r1, else n,

with w(x) the number of ways to see x: C(n1, x) in stage 1, the sum of C(n1, i) C(n - n1, x - i) over
i > r1 in stage 2 (Jung and Kim 2004). The w(x) are counted exactly, in whole numbers.

References
----------
A'Hern 2001, Stat Med 20:859. Jung and Kim 2004, Stat Med 23:881. Simon 1989, Control Clin Trials 10:1.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import comb, log
from operator import index
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

LOG_ZERO = -1e6  # used as log 0: exp of it is 0, and 0 times it is 0 where 0 times -inf is NaN


def whole_number(value: int, name: str) -> int:
    """A whole number that is not negative, or a ValueError that names the argument.

    Raises
    ------
    ValueError
        `value` is not a whole number or is negative; the message has `name`.
    """
    try:
        number = index(value)
    except TypeError:
        raise ValueError(f"{name} must be a whole number") from None
    if number < 0:
        raise ValueError(f"{name} must not be negative")
    return number


def rates(p: ArrayLike, name: str = "p") -> Floats:
    """Response rates in [0, 1], or a ValueError that names the argument.

    Raises
    ------
    ValueError
        A rate is not in [0, 1]; the message has `name`.
    """
    values = np.asarray(p, dtype=float)
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"{name} must lie between 0 and 1")
    return values


def open_rate(p: float, name: str) -> float:
    """A rate strictly between 0 and 1, or a ValueError that names the argument.

    Raises
    ------
    ValueError
        `p` is not strictly between 0 and 1; the message has `name`.
    """
    if not 0 < p < 1:
        raise ValueError(f"{name} must lie strictly between 0 and 1")
    return float(p)


def log_rates(p: Floats) -> tuple[Floats, Floats]:
    """The logarithms of p and 1 - p, with a large negative number for log 0."""
    low = np.full(p.shape, LOG_ZERO)
    high = np.full(p.shape, LOG_ZERO)
    return np.log(p, out=low, where=p > 0), np.log1p(-p, out=high, where=p < 1)


def as_given(values: Floats) -> Floats | float:
    """A float for one rate, an array for many."""
    return float(values) if values.ndim == 0 else values


class Outcomes(NamedTuple):
    """Every total of responders a design can end with: 0, 1, ..., n."""

    responders: Floats
    patients: Floats  # n1 when the trial stopped at stage 1, else n
    log_ways: Floats  # the logarithm of the number of ways to see this total


def convolved(first: list[int], second: list[int], bits: int) -> list[int]:
    """The product of two polynomials with whole, non-negative coefficients.

    Every coefficient of the product must be below 2^bits. Both are packed into one large number
    each, which Python multiplies faster than any loop over coefficients (Kronecker 1882).
    """
    width = bits // 8 + 1
    packed = [
        int.from_bytes(b"".join(c.to_bytes(width, "little") for c in coefficients), "little")
        for coefficients in (first, second)
    ]
    terms = len(first) + len(second) - 1
    product = (packed[0] * packed[1]).to_bytes(terms * width, "little")
    return [int.from_bytes(product[i * width : (i + 1) * width], "little") for i in range(terms)]


@lru_cache(maxsize=256)
def ways(r1: int, n1: int, n: int) -> tuple[int, ...]:
    """The number of ways to end with 0, 1, ..., n responders."""
    second = [comb(n - n1, j) for j in range(n - n1 + 1)]
    passed = [comb(n1, i) if i > r1 else 0 for i in range(n1 + 1)]
    stage_2 = convolved(passed, second, n)
    return (*(comb(n1, i) for i in range(r1 + 1)), *stage_2[r1 + 1 :])


@lru_cache(maxsize=256)
def outcomes(r1: int, n1: int, n: int) -> Outcomes:
    """Every outcome of the plan that stops after `n1` when responders <= `r1`, else after `n`."""
    responders = np.arange(n + 1.0)
    patients = np.where(responders <= r1, float(n1), float(n))
    log_ways = np.array([log(count) for count in ways(r1, n1, n)])
    for each in (responders, patients, log_ways):
        each.flags.writeable = False  # shared by every caller of the cache
    return Outcomes(responders, patients, log_ways)


def outcome_probabilities(r1: int, n1: int, n: int, p: ArrayLike) -> Floats:
    """The probability of every total 0, 1, ..., n at each rate; the totals are the last axis.

    Raises
    ------
    ValueError
        `p` is not a rate.
    """
    x, patients, log_ways = outcomes(r1, n1, n)
    log_p, log_q = log_rates(rates(p)[..., np.newaxis])
    return np.asarray(np.exp(log_ways + x * log_p + (patients - x) * log_q))


class OperatingCharacteristics(NamedTuple):
    """What a design promises at the two rates it was planned for."""

    alpha: float
    power: float
    expected_n_p0: float
    expected_n_p1: float
    pet_p0: float
    pet_p1: float


@dataclass(frozen=True)
class TwoStageDesign:
    """Simon's two-stage design (Simon 1989).

    1. After `n1` patients: stop, and do not reject p <= p0, when responders <= `r1`.
    2. Else after `n` patients in all: reject p <= p0 when responders > `r`.

    All probabilities are exact sums over the outcomes and take one rate or many.

    >>> design = TwoStageDesign(r1=1, n1=10, r=5, n=29)  # Simon 1989, table 1: 15.0 and 0.74
    >>> round(design.expected_n(0.1), 6), round(design.probability_of_early_termination(0.1), 6)
    (15.01412, 0.736099)
    >>> design.probability_of_rejection([0.1, 0.3]).round(4)
    array([0.0471, 0.8051])
    """

    r1: int
    n1: int
    r: int
    n: int

    def __post_init__(self) -> None:
        for name in ("r1", "n1", "r", "n"):
            object.__setattr__(self, name, whole_number(getattr(self, name), name))
        if not self.r1 < self.n1:
            raise ValueError("r1 must be smaller than n1: no trial could pass stage 1")
        if not self.n1 < self.n:
            raise ValueError("n1 must be smaller than n: there would be no second stage")
        if not self.r1 <= self.r < self.n:
            raise ValueError("r must lie between r1 and n - 1: the last rule would decide nothing")

    @property
    def n2(self) -> int:
        """Patients planned for stage 2."""
        return self.n - self.n1

    @overload
    def probability_of_early_termination(self, p: float) -> float: ...
    @overload
    def probability_of_early_termination(self, p: ArrayLike) -> Floats | float: ...
    def probability_of_early_termination(self, p: ArrayLike) -> Floats | float:
        """P(stop after stage 1)."""
        stage_1 = self.outcome_probabilities(p)[..., : self.r1 + 1]
        return as_given(np.minimum(stage_1.sum(axis=-1), 1.0))

    @overload
    def expected_n(self, p: float) -> float: ...
    @overload
    def expected_n(self, p: ArrayLike) -> Floats | float: ...
    def expected_n(self, p: ArrayLike) -> Floats | float:
        """The expected number of patients, n1 + (n - n1) P(go on)."""
        go_on = self.outcome_probabilities(p)[..., self.r1 + 1 :].sum(axis=-1)
        return as_given(self.n1 + self.n2 * np.minimum(go_on, 1.0))

    @overload
    def probability_of_rejection(self, p: float) -> float: ...
    @overload
    def probability_of_rejection(self, p: ArrayLike) -> Floats | float: ...
    def probability_of_rejection(self, p: ArrayLike) -> Floats | float:
        """P(reject p <= p0): the attained alpha at p0, the power at p1."""
        rejecting = self.outcome_probabilities(p)[..., self.r + 1 :]
        return as_given(np.minimum(rejecting.sum(axis=-1), 1.0))

    def outcome_probabilities(self, p: ArrayLike) -> Floats:
        """P(X = 0), ..., P(X = n) along the last axis."""
        return outcome_probabilities(self.r1, self.n1, self.n, p)

    def characteristics(self, p0: float, p1: float) -> OperatingCharacteristics:
        """Attained alpha, power, expected numbers and probabilities of stopping early."""
        return OperatingCharacteristics(
            alpha=self.probability_of_rejection(float(p0)),
            power=self.probability_of_rejection(float(p1)),
            expected_n_p0=self.expected_n(float(p0)),
            expected_n_p1=self.expected_n(float(p1)),
            pet_p0=self.probability_of_early_termination(float(p0)),
            pet_p1=self.probability_of_early_termination(float(p1)),
        )


@dataclass(frozen=True)
class SingleStageDesign:
    """One stage: reject p <= p0 when responders > `r` among `n` (A'Hern 2001).

    It has the methods of the two-stage design, so that one table can hold both; it never stops
    early and always takes `n` patients.

    >>> SingleStageDesign(r=5, n=25).probability_of_rejection([0.1, 0.3]).round(4)
    array([0.0334, 0.8065])
    """

    r: int
    n: int

    def __post_init__(self) -> None:
        for name in ("r", "n"):
            object.__setattr__(self, name, whole_number(getattr(self, name), name))
        if not self.r < self.n:
            raise ValueError("r must be smaller than n: nothing could be rejected")

    @overload
    def probability_of_early_termination(self, p: float) -> float: ...
    @overload
    def probability_of_early_termination(self, p: ArrayLike) -> Floats | float: ...
    def probability_of_early_termination(self, p: ArrayLike) -> Floats | float:
        """Nought: there is no look before the end."""
        return as_given(0.0 * rates(p))

    @overload
    def expected_n(self, p: float) -> float: ...
    @overload
    def expected_n(self, p: ArrayLike) -> Floats | float: ...
    def expected_n(self, p: ArrayLike) -> Floats | float:
        """`n`, at every rate."""
        return as_given(np.full(rates(p).shape, float(self.n)))

    @overload
    def probability_of_rejection(self, p: float) -> float: ...
    @overload
    def probability_of_rejection(self, p: ArrayLike) -> Floats | float: ...
    def probability_of_rejection(self, p: ArrayLike) -> Floats | float:
        """P(responders > r)."""
        rejecting = self.outcome_probabilities(p)[..., self.r + 1 :]
        return as_given(np.minimum(rejecting.sum(axis=-1), 1.0))

    def outcome_probabilities(self, p: ArrayLike) -> Floats:
        """P(X = 0), ..., P(X = n) along the last axis."""
        return outcome_probabilities(-1, self.n, self.n, p)  # no trial stops at -1 responders

    def characteristics(self, p0: float, p1: float) -> OperatingCharacteristics:
        """Attained alpha and power, with `n` as expected size and no early stopping."""
        return OperatingCharacteristics(
            alpha=self.probability_of_rejection(float(p0)),
            power=self.probability_of_rejection(float(p1)),
            expected_n_p0=float(self.n),
            expected_n_p1=float(self.n),
            pet_p0=0.0,
            pet_p1=0.0,
        )
