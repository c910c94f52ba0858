"""Whether a hidden count can be worked out from counts that are shown, when sums of them are known.

References
----------
Fischetti and Salazar 2001, Management Science 47:1008 (the attacker of complementary suppression
knows all sums and what a mark allows; a hidden cell is safe while another table fits too). Hundepool
et al. 2012, Statistical Disclosure Control, section 4.4.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Whole = NDArray[np.int64]


def other_solution(
    equations: Sequence[Mapping[int, int]],
    truth: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    place: int,
) -> Whole | None:
    """Counts that fit all equations as the true ones do, with another number at `place`.

    Of all such counts those that differ least from the true ones, in the sum of the differences;
    None when there are none: then the equations tell the count. Exact, by two integer programs.

    Parameters
    ----------
    equations
        Factors by the place of the count; what the products add up to follows from `truth`.
    truth
        The true counts.
    low, high
        What is known of each count alone; the same number twice for one that is shown.

    Raises
    ------
    ValueError
        The counts are not between their limits, or an equation names a place that is not there.

    Examples
    --------
    Two hidden counts, 1 to 4 each. Their sum of 3 leaves open which is 1; a sum of 8 tells both.

    >>> other_solution([{0: 1, 1: 1}], [1, 2], [1, 1], [4, 4], place=0).tolist()
    [2, 1]
    >>> other_solution([{0: 1, 1: 1}], [4, 4], [1, 1], [4, 4], place=0) is None
    True
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    known, least, most = (np.asarray(each, dtype=np.int64) for each in (truth, low, high))
    if known.ndim != 1 or not known.shape == least.shape == most.shape:
        raise ValueError("truth, low and high must be one number for each count")
    if (known < least).any() or (known > most).any():
        raise ValueError("truth must lie between low and high")
    size = known.size
    if any(not 0 <= at < size for factors in equations for at in (*factors, place)):
        raise ValueError("equations and place must name places of truth")
    # Each count is its truth plus a rise minus a fall; the rises come first.
    room = np.concatenate([most - known, known - least])
    matrix = np.zeros((max(len(equations), 1), 2 * size))
    for i, factors in enumerate(equations):
        for at, factor in factors.items():
            matrix[i, at], matrix[i, size + at] = factor, -factor
    best: Whole | None = None
    for moved in (place, size + place):
        if room[moved] < 1:
            continue
        floor, roof = np.zeros(2 * size), room.copy()
        floor[moved], roof[(moved + size) % (2 * size)] = 1, 0
        found = milp(
            np.ones(2 * size),
            integrality=np.ones(2 * size, dtype=np.int64),
            bounds=Bounds(floor, roof),
            constraints=LinearConstraint(matrix, 0, 0),
        )
        if found.x is None:
            continue
        steps = np.rint(found.x).astype(np.int64)
        other = known + steps[:size] - steps[size:]
        if best is None or np.abs(other - known).sum() < np.abs(best - known).sum():
            best = other
    return best
