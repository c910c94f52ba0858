"""Power of a two-stage trial at an interim analysis, when outcomes of both stages are still pending.

`sap.methods.interim` is for n consecutive patients whose outcomes are all known. At a data cut-off
patients of stage 1 may still be pending while patients of stage 2 are treated, so here each stage has
its own numbers.

References
----------
Simon 1989, Control Clin Trials 10:1 (the rule). Lee and Liu 2008, Clin Trials 5:93 (averaging over the
posterior).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, gammaln, xlog1py, xlogy


class Stage(NamedTuple):
    """One stage at a data cut: responders, patients whose outcome is known, patients planned."""

    responders: int
    known: int
    planned: int

    @property
    def open(self) -> int:
        """Patients whose outcome is not known yet, treated or not."""
        return self.planned - self.known


def _log_ways(n: int) -> NDArray[np.float64]:
    k = np.arange(n + 1.0)
    ways: NDArray[np.float64] = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return ways


def _checked(first: Stage, second: Stage, r1: int, r: int) -> None:
    for name, stage in (("first", first), ("second", second)):
        if not 0 <= stage.responders <= stage.known <= stage.planned:
            raise ValueError(
                f"{name} must have responders <= known <= planned, none of them negative"
            )
    if r1 > r:
        raise ValueError("r1 must not exceed r")


def _succeeds(first: Stage, second: Stage, r1: int, r: int) -> NDArray[np.bool_]:
    """The numbers of later responders (stage 1 down, stage 2 across) reject H0."""
    one = first.responders + np.arange(first.open + 1)[:, np.newaxis]
    two = second.responders + np.arange(second.open + 1)
    rejects: NDArray[np.bool_] = (one > r1) & (one + two > r)
    return rejects


def conditional_power(first: Stage, second: Stage, r1: int, r: int, p: float) -> float:
    """P(more than r1 responders in stage 1 and more than r in all | what is known), at the rate `p`.

    Pending outcomes are independent with rate `p`. A design with one stage has a first stage without
    patients and r1 = -1.

    Raises
    ------
    ValueError
        Counts of a stage are not 0 <= responders <= known <= planned, `r1` exceeds `r`, or `p` is not a
        rate.

    Examples
    --------
    >>> not_begun = Stage(0, 0, 19)
    >>> round(conditional_power(Stage(2, 10, 10), not_begun, 1, 5, 0.3), 4)  # stage 1 complete
    0.8668
    >>> conditional_power(Stage(1, 10, 10), not_begun, 1, 5, 0.3)
    0.0
    """
    _checked(first, second, r1, r)
    if not 0 <= p <= 1:
        raise ValueError("p must lie between 0 and 1")

    def density(n: int) -> NDArray[np.float64]:
        k = np.arange(n + 1.0)
        mass: NDArray[np.float64] = np.exp(_log_ways(n) + xlogy(k, p) + xlog1py(n - k, -p))
        return mass

    chance = np.outer(density(first.open), density(second.open))
    return min(float(chance[_succeeds(first, second, r1, r)].sum()), 1.0)


def predictive_power(
    first: Stage, second: Stage, r1: int, r: int, prior: tuple[float, float]
) -> float:
    """Conditional power averaged over the posterior of the rate: pending outcomes are beta-binomial.

    Raises
    ------
    ValueError
        As `conditional_power`; also a prior that is not two positive numbers.

    Examples
    --------
    >>> round(predictive_power(Stage(0, 0, 0), Stage(16, 23, 40), -1, 27, (0.6, 0.4)), 4)  # Lee and Liu
    0.5656
    """
    _checked(first, second, r1, r)
    a, b = prior
    if not (a > 0 and b > 0):
        raise ValueError("prior must be two positive numbers, the a and b of a beta distribution")
    seen = first.responders + second.responders
    a, b = a + seen, b + first.known + second.known - seen
    one = np.arange(first.open + 1.0)[:, np.newaxis]
    two = np.arange(second.open + 1.0)
    later, left = one + two, first.open + second.open
    ways = _log_ways(first.open)[:, np.newaxis] + _log_ways(second.open)
    chance = np.exp(ways + betaln(a + later, b + left - later) - betaln(a, b))
    return min(float(chance[_succeeds(first, second, r1, r)].sum()), 1.0)
