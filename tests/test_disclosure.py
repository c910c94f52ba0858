"""Whether a hidden count follows from the counts that are printed and their sums, against enumeration."""

from itertools import product

import numpy as np
import pytest

from sap.methods.disclosure import other_solution

K = 5


@pytest.mark.parametrize("truth", [(1, 1, 2, 4), (4, 4, 1, 9), (3, 2, 6, 11), (4, 1, 4, 9)])
@pytest.mark.parametrize("shown", [3, 2])
def test_another_solution_is_found_when_enumeration_finds_one(truth, shown):
    """Three parts and their total, parts under 5 hidden as 1 to 4, others shown; all tables tried."""
    low = [1 if number < K and place != shown else number for place, number in enumerate(truth)]
    high = [4 if number < K and place != shown else number for place, number in enumerate(truth)]
    low[3], high[3] = (truth[3], truth[3]) if shown == 3 else (1, 12)
    ranges = (range(a, b + 1) for a, b in zip(low, high, strict=True))
    fits = [guess for guess in product(*ranges) if sum(guess[:3]) == guess[3]]
    for place in range(4):
        found = other_solution([{0: 1, 1: 1, 2: 1, 3: -1}], truth, low, high, place)
        others = [guess for guess in fits if guess[place] != truth[place]]
        assert (found is None) == (not others)
        if found is not None:
            assert tuple(found.tolist()) in others
            nearest = min(sum(abs(a - b) for a, b in zip(g, truth, strict=True)) for g in others)
            assert np.abs(found - np.array(truth)).sum() == nearest


@pytest.mark.parametrize(
    "truth, low, high, place, said",
    [
        ([1, 2], [1], [4, 4], 0, "one number for each"),
        ([5, 2], [1, 1], [4, 4], 0, "must lie between"),
        ([1, 2], [1, 1], [4, 4], 2, "must name places"),
    ],
)
def test_bad_arguments_of_the_search_are_named(truth, low, high, place, said):
    with pytest.raises(ValueError, match=said):
        other_solution([{0: 1, 1: 1}], truth, low, high, place)
