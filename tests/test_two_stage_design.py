"""The two-stage design itself: probabilities against independent sums, and its limits."""

import csv
from fractions import Fraction
from math import comb
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from sap.methods.two_stage import SingleStageDesign, TwoStageDesign
from sap.methods.two_stage_design import convolved, open_rate, ways

CLINFUN = Path(__file__).parent / "reference" / "two_stage_clinfun_designs.csv"


@st.composite
def designs(draw, largest=45):
    n = draw(st.integers(2, largest))
    n1 = draw(st.integers(1, n - 1))
    r1 = draw(st.integers(0, n1 - 1))
    return TwoStageDesign(r1, n1, draw(st.integers(r1, n - 1)), n)


def by_definition(design, p):
    """Simon 1989: (P(reject), PET, EN) by summing over the first stage."""
    first = np.arange(design.r1 + 1, design.n1 + 1)
    reject = (
        binom.pmf(first, design.n1, p) * binom.sf(design.r - first, design.n - design.n1, p)
    ).sum()
    pet = binom.cdf(design.r1, design.n1, p)
    return reject, pet, design.n1 + (1 - pet) * (design.n - design.n1)


def clinfun_designs():
    lines = [line for line in CLINFUN.read_text().splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines))


def test_characteristics_equal_those_of_clinfun_for_every_design_of_it():
    rows = clinfun_designs()
    assert len(rows) > 150
    for row in rows:
        design = TwoStageDesign(*(int(row[key]) for key in ("r1", "n1", "r", "n")))
        found = design.characteristics(float(row["p0"]), float(row["p1"]))
        assert found.alpha == pytest.approx(float(row["attained_alpha"]), abs=1e-13)
        assert found.power == pytest.approx(float(row["power"]), abs=1e-13)
        assert found.pet_p0 == pytest.approx(float(row["pet"]), abs=1e-13)
        assert found.expected_n_p0 == pytest.approx(float(row["expected_n"]), abs=1e-11)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(designs(), st.floats(1e-9, 1))  # scipy's own pmf overflows near 1e-308
def test_every_probability_is_its_definition(design, p):
    reject, pet, expected = by_definition(design, p)
    assert design.probability_of_rejection(p) == pytest.approx(reject, abs=1e-12)
    assert design.probability_of_early_termination(p) == pytest.approx(pet, abs=1e-12)
    assert design.expected_n(p) == pytest.approx(expected, abs=1e-11)
    assert design.outcome_probabilities(p).sum() == pytest.approx(1, abs=1e-12)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(designs(largest=14))
def test_the_ways_are_those_of_counting_every_path(design):
    counted = [0] * (design.n + 1)
    for i in range(design.n1 + 1):
        for j in range(design.n2 + 1) if i > design.r1 else [0]:
            counted[i + j] += comb(design.n1, i) * (comb(design.n2, j) if i > design.r1 else 1)
    assert list(ways(design.r1, design.n1, design.n)) == counted


def test_probabilities_keep_their_digits_where_doubles_would_lose_them():
    """By whole-number fractions: P(reject | p0) of the 110-patient design at p0 = 1/1000."""
    design, p = TwoStageDesign(13, 40, 40, 110), Fraction(1, 1000)
    exact = sum(
        comb(40, i) * comb(70, j) * p ** (i + j) * (1 - p) ** (110 - i - j)
        for i in range(14, 41)
        for j in range(71)
        if i + j > 40
    )
    assert design.probability_of_rejection(0.001) == pytest.approx(float(exact), rel=1e-11)
    assert float(exact) < 1e-80


def test_rates_of_nought_and_one_are_certain():
    design = TwoStageDesign(1, 10, 5, 29)
    assert design.probability_of_rejection(np.array([0.0, 1.0])).tolist() == [0.0, 1.0]
    assert design.probability_of_early_termination([0, 1]).tolist() == [1.0, 0.0]
    assert design.expected_n([0, 1]).tolist() == [10.0, 29.0]


def test_a_number_gives_a_number_and_an_array_its_shape():
    design = TwoStageDesign(1, 10, 5, 29)
    assert type(design.expected_n(0.1)) is float
    grid = np.linspace(0, 1, 6).reshape(2, 3)
    for method in ("expected_n", "probability_of_rejection", "probability_of_early_termination"):
        many = getattr(design, method)(grid)
        assert many.shape == (2, 3)
        assert many[1, 2] == getattr(design, method)(float(grid[1, 2]))


def test_the_rejection_probability_grows_with_the_rate():
    design = TwoStageDesign(3, 13, 12, 43)
    steps = np.diff(design.probability_of_rejection(np.linspace(0, 1, 1001)))
    assert (steps >= -1e-15).all()


@pytest.mark.parametrize("r,n,p", [(5, 25, 0.1), (5, 25, 0.3), (0, 1, 0.5), (19, 40, 0.45)])
def test_one_stage_is_a_binomial_tail(r, n, p):
    design = SingleStageDesign(r, n)
    assert design.probability_of_rejection(p) == pytest.approx(binom.sf(r, n, p), abs=1e-14)
    assert (design.expected_n(p), design.probability_of_early_termination(p)) == (n, 0)
    assert design.characteristics(p, p)[2:] == (n, n, 0, 0)
    assert design.expected_n([p, p]).tolist() == [n, n]


@pytest.mark.parametrize(
    "arguments,named",
    [
        ((-1, 10, 5, 29), "r1"),
        ((10, 10, 12, 29), "r1"),
        ((1, 29, 5, 29), "n1"),
        ((1, 10, 0, 29), "r"),
        ((1, 10, 29, 29), "r"),
        ((1.5, 10, 5, 29), "r1"),
        ((1, 10, 5, "29"), "n"),
    ],
)
def test_a_design_that_is_none_is_refused_by_name(arguments, named):
    with pytest.raises(ValueError, match=rf"^{named} must"):
        TwoStageDesign(*arguments)


@pytest.mark.parametrize("r,n", [(25, 25), (-1, 25), (0, 0)])
def test_a_single_stage_that_is_none_is_refused(r, n):
    with pytest.raises(ValueError, match="r must"):
        SingleStageDesign(r, n)


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan"), [0.2, 1.2]])
def test_a_rate_outside_nought_and_one_is_refused(p):
    with pytest.raises(ValueError, match="p must lie between 0 and 1"):
        TwoStageDesign(1, 10, 5, 29).expected_n(p)


def test_whole_numbers_of_numpy_are_whole_numbers():
    design = TwoStageDesign(*np.array([1, 10, 5, 29]))
    assert design == TwoStageDesign(1, 10, 5, 29)
    assert type(design.n) is int


def test_packed_multiplication_is_the_convolution():
    assert convolved([1, 2, 3], [4, 5], 6) == np.convolve([1, 2, 3], [4, 5]).tolist()


@pytest.mark.parametrize("p", [0, 1, -0.1, 1.1])
def test_a_rate_at_an_end_of_its_interval_is_refused_by_name(p):
    with pytest.raises(ValueError, match="p1 must lie strictly between 0 and 1"):
        open_rate(p, "p1")


def test_a_rate_just_inside_its_interval_is_taken():
    assert open_rate(1e-9, "p1") == 1e-9
