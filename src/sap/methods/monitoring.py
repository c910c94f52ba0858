"""Stopping for toxicity after every patient: exact boundaries and what they do at a given rate.

A boundary is an array of counts: after patient k the trial stops when at least `bounds[k - 1]`
patients had a toxicity. k + 1, which no count can reach, means that no look takes place or no count stops.

References
----------
Geller, Follman, Leifer and Carter 2003, in: Advances in Clinical Trial Biostatistics. Goldman 1987,
Control Clin Trials 8:327. Ivanova, Qaqish and Schell 2005, Biometrics 61:540. Martens and Logan 2024,
Clin Trials 21:152. Thall and Simon 1994, Biometrics 50:337.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, betaincc, ndtri

Floats = NDArray[np.float64]
Bounds = NDArray[np.int64]
Shape = Literal["pocock", "obrien-fleming", "sprt", "bayesian"]


class BoundaryStep(NamedTuple):
    """One line of a printed boundary: so many toxicities stop the trial from n to n patients."""

    events: int
    from_n: int
    to_n: int


class BoundaryCharacteristics(NamedTuple):
    """What a boundary does at each true rate of toxicity: floats for one rate, arrays for many."""

    stopping_probability: float | Floats
    expected_n: float | Floats
    expected_toxicities: float | Floats


def toxicity_boundary(
    n: int,
    p0: float,
    alpha: float,
    shape: Shape,
    p1: float | None = None,
    prior: tuple[float, float] | None = None,
) -> Bounds:
    """The boundary that stops most readily while P(stop within n patients | p0) is at most alpha.

    After patient k, x toxicities stop the trial when the evidence of the shape reaches one constant:

    1. pocock: P(X >= x | p0) of the binomial(k, p0), small is evidence; the same nominal level at
       every look (Ivanova 2005).
    2. obrien-fleming: the same tail with nominal level 1 - Phi(c sqrt(n/k)), strict at first
       (Ivanova 2005; the power family of R's `clinfun::toxbdry` with delta = 1/2).
    3. sprt: the likelihood ratio of `p1` against p0, truncated at n (Goldman 1987). Needs `p1`.
    4. bayesian: the posterior P(rate > p0) under the beta `prior` (a, b) (Geller 2003). Needs `prior`.

    No toxicity never stops. The constant is not approximated: the only ones that matter are the
    evidences of the counts themselves, and the exact error at the best of them is returned. When even
    the strictest exceeds alpha, no count stops and every bound is k + 1.

    Raises
    ------
    ValueError
        `n` is not at least 1, a rate is not between 0 and 1, or the shape is unknown or lacks its `p1` or
        `prior`.

    Examples
    --------
    >>> toxicity_boundary(20, 0.20, 0.05, "pocock").tolist()
    [2, 3, 3, 4, 4, 4, 5, 5, 5, 6, 6, 6, 7, 7, 7, 8, 8, 8, 9, 9]
    """
    rate = _checked_rate("p0", p0)
    _checked_rate("alpha", alpha)
    if n < 1 or n != int(n):
        raise ValueError("n must be a whole number of patients, at least 1")
    evidence = _evidence(int(n), rate, shape, p1, prior)
    constants = np.unique(evidence[np.isfinite(evidence)])
    # The error decreases in the constant, so the first admissible one is determined by bisection.
    strict, loose = constants.size, -1
    while strict - loose > 1:
        middle = (strict + loose) // 2
        bounds = _first_reached(evidence, constants[middle])
        if _recursion(bounds, np.array([rate]))[0][0] <= alpha:
            strict = middle
        else:
            loose = middle
    if strict == constants.size:
        return np.arange(2, n + 2, dtype=np.int64)
    return _first_reached(evidence, constants[strict])


def posterior_boundary(n: int, p0: float, prior: tuple[float, float], threshold: float) -> Bounds:
    """Stop when P(rate > p0 | x of k) exceeds a threshold written in the plan (Thall and Simon 1994).

    `boundary_characteristics` gives the error. A count of 0 never stops.

    Raises
    ------
    ValueError
        `n` is not at least 1, `p0` or `threshold` is not between 0 and 1, or the prior is not two positive
        numbers.

    Examples
    --------
    >>> posterior_boundary(10, 0.30, prior=(0.6, 1.4), threshold=0.90).tolist()
    [2, 2, 3, 3, 4, 4, 4, 5, 5, 6]
    """
    rate = _checked_rate("p0", p0)
    _checked_rate("threshold", threshold)
    if n < 1 or n != int(n):
        raise ValueError("n must be a whole number of patients, at least 1")
    evidence = _evidence(int(n), rate, "bayesian", None, prior)
    return _first_reached(evidence, np.nextafter(threshold, 1.0))


def boundary_list(bounds: ArrayLike) -> list[BoundaryStep]:
    """The boundary as a board reads it: "3 of 3, 4 of 4 to 5, 5 of 6 to 8" stop the trial.

    1. A count that more patients would have to have than are treated stops nothing: it is cut off
       before anything else, so that the part of a run that can be reached stays in the list.
    2. Neighbouring numbers of patients with the same count are one line.

    The list stops a trial exactly where the boundary does. It is empty when no count can stop.

    Raises
    ------
    ValueError
        `bounds` are not whole numbers of at least 1.

    Examples
    --------
    >>> boundary_list([2, 3, 3, 4, 4, 5, 5, 5, 6])
    [BoundaryStep(events=3, from_n=3, to_n=3), BoundaryStep(events=4, from_n=4, to_n=5), \
BoundaryStep(events=5, from_n=6, to_n=8), BoundaryStep(events=6, from_n=9, to_n=9)]
    """
    steps: list[BoundaryStep] = []
    for n, events in enumerate(_checked_bounds(bounds).tolist(), start=1):
        if events > n:
            continue
        if steps and (steps[-1].events, steps[-1].to_n) == (events, n - 1):
            steps[-1] = steps[-1]._replace(to_n=n)
        else:
            steps.append(BoundaryStep(events, n, n))
    return steps


def boundary_characteristics(bounds: ArrayLike, p: ArrayLike) -> BoundaryCharacteristics:
    """Exact stopping probability, expected patients and expected toxicities at the true rate p.

    By recursion over patients: each moves the distribution of toxicities of a trial still going, and
    what reached the bound leaves it. A trial that stops with its last patient counts as stopped.

    Raises
    ------
    ValueError
        `bounds` are not whole numbers of at least 1, or `p` is not a rate.

    Examples
    --------
    >>> bounds = toxicity_boundary(20, 0.20, 0.05, "pocock")
    >>> [round(float(value), 4) for value in boundary_characteristics(bounds, 0.20)]
    [0.0484, 19.4662, 3.8932]
    """
    limits = _checked_bounds(bounds)
    rates = np.asarray(p, dtype=float)
    if not ((rates >= 0) & (rates <= 1)).all():
        raise ValueError("p must lie between 0 and 1")
    parts = _recursion(limits, rates.ravel())
    if rates.ndim == 0:
        return BoundaryCharacteristics(*(float(part[0]) for part in parts))
    return BoundaryCharacteristics(*(part.reshape(rates.shape) for part in parts))


def _checked_bounds(bounds: ArrayLike) -> Bounds:
    limits = np.asarray(bounds)
    if limits.ndim != 1 or limits.size == 0 or (limits != np.floor(limits)).any():
        raise ValueError("bounds must be one whole number for each patient")
    if (limits < 1).any():
        raise ValueError("bounds must be at least 1: a trial cannot stop for no toxicity")
    return limits.astype(np.int64)


def _checked_rate(name: str, value: float) -> float:
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie strictly between 0 and 1")
    return float(value)


def _evidence(
    n: int, p0: float, shape: Shape, p1: float | None, prior: tuple[float, float] | None
) -> Floats:
    """Evidence against p0 in row k - 1 and column x - 1: x toxicities in k patients; -inf if x > k."""
    k, x = np.arange(1.0, n + 1)[:, np.newaxis], np.arange(1.0, n + 1)
    possible = x <= k
    rest = np.maximum(k - x, 0)
    if shape in ("pocock", "obrien-fleming"):
        tail = betainc(x, rest + 1, p0)
        evidence = -tail if shape == "pocock" else -ndtri(tail) * np.sqrt(k / n)
    elif shape == "sprt":
        if p1 is None or not p0 < p1 < 1:
            raise ValueError("p1 must be given for the shape sprt, between p0 and 1")
        evidence = x * np.log(p1 / p0) + rest * np.log((1 - p1) / (1 - p0))
    elif shape == "bayesian":
        if prior is None or min(prior) <= 0:
            raise ValueError("prior must be given for the shape bayesian, two positive numbers")
        evidence = betaincc(prior[0] + x, prior[1] + rest, p0)
    else:
        raise ValueError("shape must be 'pocock', 'obrien-fleming', 'sprt' or 'bayesian'")
    return np.where(possible, evidence, -np.inf)


def _first_reached(evidence: Floats, constant: float) -> Bounds:
    """The smallest count of each row whose evidence is at least the constant; k + 1 if there is none."""
    reached = evidence >= constant
    patients = np.arange(1, len(evidence) + 1)
    return np.where(reached.any(axis=1), reached.argmax(axis=1) + 1, patients + 1).astype(np.int64)


def _recursion(bounds: Bounds, p: Floats) -> tuple[Floats, Floats, Floats]:
    n = bounds.size
    counts = np.arange(n + 1.0)
    going = np.zeros((p.size, n + 1))
    going[:, 0] = 1.0
    stopped, patients, toxicities = np.zeros((3, p.size))
    chance = p[:, np.newaxis]
    for k, bound in enumerate(bounds.tolist(), start=1):
        going[:, 1 : k + 1] = going[:, 1 : k + 1] * (1 - chance) + going[:, :k] * chance
        going[:, 0] *= 1 - p
        leaving = going[:, bound : k + 1]
        share = leaving.sum(axis=1)
        stopped += share
        patients += k * share
        toxicities += leaving @ counts[bound : k + 1]
        leaving[:] = 0.0
    patients += n * going.sum(axis=1)
    toxicities += going @ counts
    return stopped, patients, toxicities
