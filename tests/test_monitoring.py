"""Toxicity boundaries against R's stoppingrule and clinfun, against enumeration, and by definition."""

import csv
import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binom

from sap.methods.monitoring import (
    boundary_characteristics,
    posterior_boundary,
    toxicity_boundary,
)

REFERENCE = Path(__file__).parent / "reference" / "monitoring_boundaries.csv"


def saved(by: str) -> list[dict[str, str]]:
    with REFERENCE.open() as file:
        assert file.readline().startswith("# R version 4.2")
        return [row for row in csv.DictReader(file) if row["by"] == by]


def boundary_of(row: dict[str, str]) -> np.ndarray:
    p1 = float(row["p1"]) if row["p1"] else None
    prior = (float(row["prior_a"]), float(row["prior_b"])) if row["prior_a"] else None
    size, p0, alpha = int(row["n"]), float(row["p0"]), float(row["alpha"])
    return toxicity_boundary(size, p0, alpha, row["shape"], p1=p1, prior=prior)


def reachable(bounds) -> list[int]:
    """One spelling of "never" (k + 1): programs print different counts that nobody can reach."""
    return [min(bound, k + 1) for k, bound in enumerate(bounds, start=1)]


@pytest.mark.parametrize("row", saved("stoppingrule")[::2], ids=lambda row: row["shape"])
def test_the_boundary_is_that_of_stoppingrule(row):
    ours, theirs = boundary_of(row).tolist(), reachable(map(int, row["bounds"].split()))
    if (row["shape"], row["n"], row["p0"], row["alpha"]) == ("sprt", "12", "0.33", "0.05"):
        # stoppingrule looks for its constant above qchisq(0.95, 1)/2 only; a smaller one still holds.
        assert theirs[10] == ours[10] + 1
        assert boundary_characteristics(ours, 0.33).stopping_probability <= 0.05
        theirs[10] -= 1
    assert ours == theirs


@pytest.mark.parametrize("row", saved("clinfun toxbdry")[::2], ids=lambda row: row["shape"])
def test_the_boundary_is_at_least_as_ready_as_clinfuns_at_the_same_level(row):
    """clinfun stops its search early; ours is the last of the family that holds the level."""
    p0, alpha = float(row["p0"]), float(row["alpha"])
    ours, theirs = boundary_of(row), np.array(row["bounds"].split(), dtype=int)
    assert (ours <= reachable(theirs)).all()
    assert boundary_characteristics(ours, p0).stopping_probability <= alpha


@pytest.mark.parametrize("row", saved("stoppingrule"), ids=lambda row: row["shape"])
def test_characteristics_are_those_of_stoppingrule(row):
    bounds = [int(bound) for bound in row["bounds"].split()]
    ours = boundary_characteristics(bounds, float(row["p"]))
    assert ours.stopping_probability == pytest.approx(float(row["stopping_probability"]), rel=1e-10)
    assert ours.expected_toxicities == pytest.approx(float(row["expected_toxicities"]), rel=1e-10)


@pytest.mark.parametrize("row", saved("clinfun toxbdry"), ids=lambda row: row["shape"])
def test_characteristics_are_those_of_clinfun(row):
    bounds = [int(bound) for bound in row["bounds"].split()]
    ours = boundary_characteristics(bounds, float(row["p"]))
    theirs = float(row["clinfun_stopping_probability"]), float(row["clinfun_expected_n"])
    assert (ours.stopping_probability, ours.expected_n) == pytest.approx(theirs, rel=1e-9)


def test_three_patients_by_hand():
    """Stop at 2 of 2 or 2 of 3, rate 1/5: 1/25 after two; tox-no-tox and no-tox-tox 2 (4/125) after three.

    Stopping 1/25 + 8/125 = 13/125; patients 2/25 + 3 (24/25) = 74/25; toxicities 74/125.
    """
    ours = boundary_characteristics([2, 2, 2], 0.2)
    assert ours == pytest.approx((13 / 125, 74 / 25, 74 / 125))


@settings(derandomize=True, deadline=None, max_examples=40)
@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=8),
    st.floats(0.02, 0.98),
)
def test_every_path_enumerated(bounds, p):
    """All 2^n orders of toxicity and none, each followed until it stops."""
    stopped = patients = toxicities = 0.0
    for path in itertools.product([0, 1], repeat=len(bounds)):
        chance = np.prod([p if tox else 1 - p for tox in path])
        seen = np.cumsum(path)
        crossed = np.flatnonzero(seen >= bounds)
        last = crossed[0] if crossed.size else len(bounds) - 1
        stopped += chance * bool(crossed.size)
        patients += chance * (last + 1)
        toxicities += chance * seen[last]
    ours = boundary_characteristics(bounds, p)
    assert ours == pytest.approx((stopped, patients, toxicities), rel=1e-10, abs=1e-14)


SHAPES = [
    ("pocock", {}),
    ("obrien-fleming", {}),
    ("sprt", {"p1": 0.6}),
    ("bayesian", {"prior": (0.6, 1.4)}),
]


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(1, 60), st.floats(0.02, 0.5), st.floats(0.01, 0.3), st.sampled_from(SHAPES))
def test_every_boundary_holds_its_level_and_wald_holds(n, p0, alpha, shape):
    """The level, and Wald's identity: expected toxicities are the rate times the expected patients."""
    bounds = toxicity_boundary(n, p0, alpha, shape[0], **shape[1])
    rates = np.array([p0, 0.5 + p0 / 2])
    found = boundary_characteristics(bounds, rates)
    assert found.stopping_probability[0] <= alpha
    assert found.expected_toxicities == pytest.approx(rates * found.expected_n, rel=1e-10)
    assert (bounds <= np.arange(2, n + 2)).all()


@pytest.mark.parametrize("n", [8, 20, 33])
@pytest.mark.parametrize("alpha", [0.05, 0.1])
def test_the_next_looser_pocock_boundary_breaks_the_level(n, alpha):
    """Ivanova's definition by hand: nominal levels, one after the other, through scipy's tails."""
    patients = range(1, n + 1)
    tails = [[binom.sf(x - 1, k, 0.2) for x in range(1, k + 1)] for k in patients]

    def rule(level):
        return [next((x for x, t in enumerate(ts, 1) if t <= level * (1 + 1e-9)), k + 1)
                for k, ts in zip(patients, tails, strict=True)]  # fmt: skip

    levels = sorted({round(t, 14) for ts in tails for t in ts})
    held = [lv for lv in levels if boundary_characteristics(rule(lv), 0.2)[0] <= alpha]
    assert toxicity_boundary(n, 0.2, alpha, "pocock").tolist() == rule(max(held))
    following = levels[levels.index(max(held)) + 1]
    assert boundary_characteristics(rule(following), 0.2)[0] > alpha


def test_a_trial_too_small_to_stop_never_stops():
    """One patient, rate 0.2: a toxicity has probability 0.2, more than 0.05."""
    assert toxicity_boundary(1, 0.2, 0.05, "pocock").tolist() == [2]
    assert toxicity_boundary(2, 0.3, 0.05, "pocock").tolist() == [2, 3]
    assert boundary_characteristics([2, 3], 0.3) == pytest.approx((0, 2, 0.6))


@pytest.mark.parametrize("threshold", [0.8, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("prior", [(0.6, 1.4), (1, 1), (0.2, 0.8)])
def test_the_posterior_boundary_is_the_first_count_above_the_threshold(threshold, prior):
    """Thall and Simon's rule read off scipy's beta distribution."""
    expected = []
    for k in range(1, 41):
        above = [
            x for x in range(1, k + 1)
            if beta.sf(0.3, prior[0] + x, prior[1] + k - x) > threshold
        ]  # fmt: skip
        expected.append(min(above, default=k + 1))
    assert posterior_boundary(40, 0.3, prior, threshold).tolist() == expected


def test_sure_and_impossible_toxicity():
    found = boundary_characteristics([2, 2, 2, 3], np.array([[0.0, 1.0]]))
    assert found.stopping_probability.tolist() == [[0.0, 1.0]]
    assert found.expected_n.tolist() == [[4.0, 2.0]]
    assert found.expected_toxicities.tolist() == [[0.0, 2.0]]


@pytest.mark.parametrize(
    "arguments, name",
    [
        ((0, 0.2, 0.05, "pocock"), "n must"),
        ((2.5, 0.2, 0.05, "pocock"), "n must"),
        ((10, 0.0, 0.05, "pocock"), "p0"),
        ((10, 0.2, 1.0, "pocock"), "alpha"),
        ((10, 0.2, 0.05, "haybittle"), "shape"),
        ((10, 0.2, 0.05, "sprt"), "p1"),
        ((10, 0.2, 0.05, "sprt", 0.1), "p1"),
        ((10, 0.2, 0.05, "bayesian"), "prior"),
        ((10, 0.2, 0.05, "bayesian", None, (0, 1)), "prior"),
    ],
)
def test_impossible_boundaries_are_refused_by_name(arguments, name):
    with pytest.raises(ValueError, match=name):
        toxicity_boundary(*arguments)


def test_impossible_characteristics_are_refused_by_name():
    for bounds in ([], [0, 1], [1.5], [[1, 2]]):
        with pytest.raises(ValueError, match="bounds"):
            boundary_characteristics(bounds, 0.2)
    with pytest.raises(ValueError, match="p must"):
        boundary_characteristics([2, 2], 1.2)
    with pytest.raises(ValueError, match="threshold"):
        posterior_boundary(10, 0.2, (1, 1), 1.0)
    with pytest.raises(ValueError, match="n must"):
        posterior_boundary(0, 0.2, (1, 1), 0.9)
