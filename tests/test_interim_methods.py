"""Interim looks: conditional and predictive power, bounds, posteriors."""

import csv
import math
from fractions import Fraction
from itertools import pairwise
from math import comb
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import beta, betabinom, binom

from sap.methods.two_stage import (
    PredictiveBounds,
    SingleStageDesign,
    TwoStageDesign,
    conditional_bounds,
    conditional_power,
    posterior_comparison,
    posterior_summary,
    predictive_bounds,
    predictive_probability,
)

REFERENCE = Path(__file__).parent / "reference"
OPTIMAL = TwoStageDesign(1, 10, 5, 29)


def saved(name):
    lines = (REFERENCE / name).read_text().splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


# ---- conditional power ---------------------------------------------------------------------------


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(0, 29), st.data(), st.floats(0.01, 0.99))
def test_conditional_power_is_the_sum_over_every_future(n, data, p1):
    low = 0 if n <= 10 else 2
    x = data.draw(st.integers(low, n))
    power = 0.0
    left1 = max(10 - n, 0)
    left2 = 29 - max(n, 10)
    for i in range(left1 + 1):
        if n <= 10 and x + i <= 1:
            continue
        for j in range(left2 + 1):
            if x + i + j > 5:
                power += binom.pmf(i, left1, p1) * binom.pmf(j, left2, p1)
    assert conditional_power(OPTIMAL, x, n, p1) == pytest.approx(power, abs=1e-12)


# R 4.2.2: at 10, 15, 20 and 25 the largest x with P(X > r | x) < 0.1 at 0.3 by pbinom is 1, 1, 1, 3; then
# rejection, early termination and expected n by forward recursion.
LOOKS = [10, 15, 20, 25, 29]
BY_RECURSION = {
    0.1: (0.04679264796, 0.85427143736, 14.54143031405),
    0.3: (0.8043514884, 0.1588092110, 26.1251379673),
}


def test_conditional_bounds_are_those_of_pbinom():
    bounds = conditional_bounds(OPTIMAL, LOOKS, 0.3, 0.1, 1.0)
    assert bounds.futility == (1, 1, 1, 3, 5)
    assert bounds.efficacy == (11, 16, 21, 26, 6)  # none but the last can be reached
    for rate, expected in BY_RECURSION.items():
        assert bounds.characteristics(rate) == pytest.approx(expected, abs=5e-11)


def test_conditional_bounds_of_one_stage_also_stop_for_efficacy():
    """R pbinom(5 - x, 25 - m, 0.3, lower.tail = FALSE): below 0.2 up to -1 and 3, above 0.95 from 4 and 6."""
    bounds = conditional_bounds(SingleStageDesign(5, 25), [10, 20, 25], 0.3, 0.2, 0.95)
    assert (bounds.futility, bounds.efficacy) == ((-1, 3, 5), (4, 6, 6))


def test_a_look_of_the_design_stops_as_the_design_does():
    """Without any further look the bounds are the design: Simon's 0.0471 and 0.8051."""
    bounds = conditional_bounds(OPTIMAL, [10, 29], 0.3, 0.0, 1.0)
    assert bounds.futility == (1, 5)
    assert bounds.characteristics(0.1)[0] == pytest.approx(OPTIMAL.probability_of_rejection(0.1))
    early = conditional_bounds(OPTIMAL, [5, 10, 29], 0.3, 0.5, 1.0)
    assert early.futility == (0, 1, 5)  # R: 0.4242565 with none of 5, 0.7682881 with one


@pytest.mark.parametrize(
    "looks,p1,low,high,named",
    [
        ([10, 20], 0.3, 0.1, 1.0, "looks must grow to n of the design"),
        ([15, 29], 0.3, 0.1, 1.0, "looks must have n1"),
        ([10, 10, 29], 0.3, 0.1, 1.0, "looks must be growing"),
        ([10, 29], 0.3, 0.5, 0.5, "stop_low"),
        ([10, 29], 1.0, 0.1, 1.0, "p1 "),
    ],
)
def test_conditional_bounds_refuse_by_name(looks, p1, low, high, named):
    with pytest.raises(ValueError, match=f"^{named}"):
        conditional_bounds(OPTIMAL, looks, p1, low, high)


@pytest.mark.parametrize("p1", [0.1, 0.3, 0.55])
def test_conditional_power_averages_to_the_power(p1):
    """The tower rule, at every n."""
    for n in range(11):
        x = np.arange(n + 1)
        mean = binom.pmf(x, n, p1) @ conditional_power(OPTIMAL, x, n, p1)
        assert mean == pytest.approx(OPTIMAL.probability_of_rejection(p1), abs=1e-12)


def test_conditional_power_is_decided_at_the_end_and_broadcasts():
    assert conditional_power(OPTIMAL, [5, 6], 29, 0.3).tolist() == [0, 1]
    assert conditional_power(OPTIMAL, 1, 10, 0.3) == 0
    assert conditional_power(OPTIMAL, np.array([[2], [3]]), 10, [0.1, 0.2, 0.3]).shape == (2, 3)
    assert conditional_power(OPTIMAL, 10, 10, 0.0) == 1  # six have responded already


@pytest.mark.parametrize(
    "responders,n,p1,named",
    [
        (1, 11, 0.3, "responders"),
        (12, 11, 0.3, "responders"),
        (2, 30, 0.3, "n"),
        (2, 10, 1.3, "p1"),
        (2.5, 10, 0.3, "responders"),
    ],
)
def test_conditional_power_refuses_by_name(responders, n, p1, named):
    with pytest.raises(ValueError, match=f"^{named} "):
        conditional_power(OPTIMAL, responders, n, p1)


# ---- predictive probability ----------------------------------------------------------------------


def test_predictive_probability_equals_ph2bayes():
    rows = saved("two_stage_ph2bayes_predictive.csv")
    assert len(rows) >= 70
    for row in rows:
        x, n, n_max = (int(row[key]) for key in ("responders", "n", "n_max"))
        prior = (float(row["a"]), float(row["b"]))
        found = predictive_probability(
            x, n, n_max, float(row["p0"]), prior, float(row["threshold"])
        )
        assert found == pytest.approx(float(row["pp"]), abs=1e-11)


def test_lee_and_liu_2008_worked_example_by_its_definition():
    """16 of 23 responded, n_max 40, p0 0.6, prior (0.6, 0.4), theta_T 0.9: sum over the 17 to come."""
    pp = sum(
        betabinom.pmf(y, 17, 16.6, 7.4)
        for y in range(18)
        if beta.sf(0.6, 16.6 + y, 7.4 + 17 - y) > 0.9
    )
    found = predictive_probability(16, 23, 40, 0.6, (0.6, 0.4), 0.9)
    assert found == pytest.approx(pp, abs=1e-12)
    assert round(found, 4) == 0.5656


def test_predictive_probability_with_a_uniform_prior_by_fractions():
    """Uniform prior: the beta-binomial is a ratio of whole numbers."""
    n, x, n_max = 6, 4, 10
    needed = next(t for t in range(11) if beta.sf(0.5, 1 + t, 11 - t) > 0.8)
    exact = sum(
        Fraction(comb(x + y, y) * comb(n - x + 4 - y, 4 - y), comb(n + 1 + 4, 4))
        for y in range(5)
        if x + y >= needed
    )
    found = predictive_probability(x, n, n_max, 0.5, (1, 1), 0.8)
    assert found == pytest.approx(float(exact), abs=1e-13)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.integers(2, 50), st.data())
def test_predictive_probability_is_a_martingale_and_grows_with_responders(n_max, data):
    """Its mean over the next patient is itself, which no wrong law of the future would give."""
    n = data.draw(st.integers(0, n_max - 1))
    a, b = data.draw(st.floats(0.2, 5)), data.draw(st.floats(0.2, 5))
    arguments = (n_max, data.draw(st.floats(0.1, 0.9)), (a, b), data.draw(st.floats(0.5, 0.99)))
    now = np.atleast_1d(predictive_probability(np.arange(n + 1), n, *arguments))
    then = predictive_probability(np.arange(n + 2), n + 1, *arguments)
    next_responds = (a + np.arange(n + 1)) / (a + b + n)
    assert now == pytest.approx(
        next_responds * then[1:] + (1 - next_responds) * then[:-1], abs=1e-11
    )
    assert (np.diff(now) >= -1e-12).all()
    assert now.max() <= 1


def test_predictive_probability_is_decided_at_the_end():
    assert predictive_probability([10, 11], 36, 36, 0.2, (0.2, 0.8), 0.922).tolist() == [0, 1]


@pytest.mark.parametrize(
    "arguments,named",
    [
        ((24, 23, 40, 0.6, (0.6, 0.4), 0.9), "responders"),
        ((16, 41, 40, 0.6, (0.6, 0.4), 0.9), "n"),
        ((16, 23, -1, 0.6, (0.6, 0.4), 0.9), "n_max"),
        ((16, 23, 40, 1.0, (0.6, 0.4), 0.9), "p0"),
        ((16, 23, 40, 0.6, (0.0, 0.4), 0.9), "prior"),
        ((16, 23, 40, 0.6, (0.6, math.inf), 0.9), "prior"),
        ((16, 23, 40, 0.6, (0.6, 0.4), 1.0), "threshold"),
    ],
)
def test_predictive_probability_refuses_by_name(arguments, named):
    with pytest.raises(ValueError, match=f"^{named} "):
        predictive_probability(*arguments)


# ---- bounds --------------------------------------------------------------------------------------


def test_bounds_equal_ph2bayes():
    """Its bounds are >= and <=, ours > and <: they differ only where PP meets theta exactly."""
    rows = saved("two_stage_ph2bayes_bounds.csv")
    keys = ("n_max", "theta", "a", "b", "p0", "threshold", "type")
    for setting in dict.fromkeys(tuple(row[key] for key in keys) for row in rows):
        n_max, theta, a, b, p0, threshold = (float(value) for value in setting[:6])
        futile = setting[6] == "futility"
        looks = range(1, int(n_max) + 1)
        bounds = predictive_bounds(
            looks, p0, (a, b), threshold, theta if futile else 0.0, 1.0 if futile else theta
        )
        ours = list(zip(looks, bounds.futility if futile else bounds.efficacy, strict=True))
        for row in rows:
            if tuple(row[key] for key in keys) != setting or row["bound"] == "NA":
                continue
            n, bound = int(row["n"]), int(row["bound"])
            if n < n_max:
                assert ours[n - 1] == (n, bound)


# Lee and Liu 2008: reject the treatment at these responders among so many patients
# (p0 = 0.2, p1 = 0.4, prior (0.2, 0.8), theta_T 0.922, theta_L 0.001, looks from 10 to 36).
LEE_LIU = {10: 0, 17: 1, 21: 2, 24: 3, 27: 4, 29: 5, 31: 6, 33: 7, 34: 8, 35: 9, 36: 10}


def test_lee_and_liu_2008_stopping_bounds():
    bounds = predictive_bounds(range(10, 37), 0.2, (0.2, 0.8), 0.922, 0.001, 1.0)
    first = {}
    for n, bound in zip(bounds.looks, bounds.futility, strict=True):
        first.setdefault(bound, n)
    assert {n: bound for bound, n in first.items()} == LEE_LIU
    assert bounds.efficacy[:-1] == tuple(n + 1 for n in range(10, 36))
    null, alternative = bounds.characteristics(0.2), bounds.characteristics(0.4)
    # alpha 0.088, power 0.906, EN(p0) 27.67 as published
    assert null.probability_of_rejection == pytest.approx(0.088, abs=5.1e-4)
    assert alternative.probability_of_rejection == pytest.approx(0.906, abs=5.1e-4)
    assert null.expected_n == pytest.approx(27.67, abs=5.1e-3)


def enumerated(bounds, p):
    """Every order of responses, patient by patient (small n_max only)."""
    reject = early = expected = 0.0
    paths = {0: 1.0}
    looks = dict(zip(bounds.looks, zip(bounds.futility, bounds.efficacy, strict=True), strict=True))
    for n in range(1, bounds.n_max + 1):
        after = {}
        for x, chance in paths.items():
            after[x] = after.get(x, 0) + chance * (1 - p)
            after[x + 1] = after.get(x + 1, 0) + chance * p
        paths = after
        if n in looks:
            low, high = looks[n]
            for x in list(paths):
                if x <= low or x >= high:
                    chance = paths.pop(x)
                    reject += chance * (x >= high)
                    early += chance * (n < bounds.n_max)
                    expected += n * chance
    return reject, early, expected


@settings(derandomize=True, deadline=None, max_examples=80)
@given(st.sets(st.integers(1, 18), min_size=1), st.floats(0.05, 0.95), st.data())
def test_characteristics_of_bounds_by_walking_patient_by_patient(looks, p, data):
    bounds = predictive_bounds(
        sorted(looks),
        data.draw(st.sampled_from([0.2, 0.5])),
        (0.5, 0.5),
        0.9,
        data.draw(st.sampled_from([0.0, 0.01, 0.1])),
        data.draw(st.sampled_from([0.9, 0.99, 1.0])),
    )
    assert bounds.characteristics(p) == pytest.approx(enumerated(bounds, p), abs=1e-12)


def test_a_two_stage_design_is_a_bound_with_two_looks():
    bounds = PredictiveBounds(looks=(10, 29), futility=(1, 5), efficacy=(11, 6), r=5)
    p = np.array([0.0, 0.1, 0.3, 1.0])
    found = bounds.characteristics(p)
    assert found.probability_of_rejection == pytest.approx(
        OPTIMAL.probability_of_rejection(p), abs=1e-13
    )
    assert found.probability_of_early_termination == pytest.approx(
        OPTIMAL.probability_of_early_termination(p), abs=1e-13
    )
    assert found.expected_n == pytest.approx(OPTIMAL.expected_n(p), abs=1e-12)


def test_an_upper_bound_of_one_never_stops_for_success():
    """Facts of the peers: a sum one ulp above 1 stopped the trial and EN(p1) fell to 28.0."""
    bounds = predictive_bounds(range(10, 37), 0.2, (0.2, 0.8), 0.922, 0.001, 1.0)
    assert bounds.characteristics(0.4).expected_n == pytest.approx(35.7, abs=0.05)


@pytest.mark.parametrize(
    "arguments,named",
    [
        (((), 0.2, (0.2, 0.8), 0.9, 0.01, 1.0), "looks"),
        (((0, 10), 0.2, (0.2, 0.8), 0.9, 0.01, 1.0), "looks"),
        (((10, 10), 0.2, (0.2, 0.8), 0.9, 0.01, 1.0), "looks"),
        (((20, 10), 0.2, (0.2, 0.8), 0.9, 0.01, 1.0), "looks"),
        (((10, 20), 0.2, (0.2, 0.8), 0.9, 0.5, 0.4), "stop_low"),
        (((10, 20), 0.2, (0.2, 0.8), 0.9, 0.5, 1.4), "stop_low"),
        (((10, 20), 0.2, (0.2, -0.8), 0.9, 0.5, 1.0), "prior"),
    ],
)
def test_bounds_refuse_by_name(arguments, named):
    with pytest.raises(ValueError, match=f"^{named} "):
        predictive_bounds(*arguments)


# ---- posterior -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "responders,n,prior", [(6, 29, (0.5, 0.5)), (0, 10, (1, 1)), (25, 25, (0.3, 2.0))]
)
def test_posterior_summary_is_the_beta_distribution_of_scipy(responders, n, prior):
    law = beta(prior[0] + responders, prior[1] + n - responders)
    found = posterior_summary(responders, n, prior, 0.9, 0.1)
    wanted = (law.mean(), law.std(), law.median(), law.ppf(0.05), law.ppf(0.95), law.sf(0.1))
    assert found == pytest.approx(wanted, abs=1e-12)


def test_posterior_summary_with_a_uniform_prior_by_hand():
    """0 of 1, uniform prior: Beta(1, 2), F(p) = 1 - (1 - p)^2."""
    found = posterior_summary(0, 1, (1, 1), 0.5, 0.5)
    root = [1 - math.sqrt(1 - level) for level in (0.5, 0.25, 0.75)]
    assert found == pytest.approx((1 / 3, math.sqrt(1 / 18), *root, 0.25), abs=1e-14)


def test_posterior_comparison_equals_ph2bayes_to_its_tolerance():
    rows = saved("two_stage_ph2bayes_posterior.csv")
    assert len(rows) >= 40
    for row in rows:
        found = posterior_comparison(
            int(row["responders"]),
            int(row["n"]),
            (float(row["a"]), float(row["b"])),
            (float(row["a_control"]), float(row["b_control"])),
            float(row["margin"]),
        )
        assert found == pytest.approx(float(row["probability"]), abs=2e-5)


@pytest.mark.parametrize(
    "responders,n,prior,historical,margin",
    [
        (9, 20, (0.6, 1.4), (15, 35), 0.0),
        (9, 20, (0.6, 1.4), (15, 35), 0.15),
        (0, 12, (1, 1), (2, 8), 0.05),
        (12, 12, (1, 1), (2, 8), 0.2),
        (300, 1000, (1, 1), (280, 720), 0.0),
        (3, 9, (2.5, 3.5), (1.2, 1.7), 0.4),
        (1, 5, (0.3, 0.2), (0.4, 0.6), 0.1),
    ],
)
def test_posterior_comparison_by_quadrature(responders, n, prior, historical, margin):
    law, old = beta(prior[0] + responders, prior[1] + n - responders), beta(*historical)
    # over the quantiles of the historical rate, where the integrand is bounded
    points = sorted({0.0, *old.cdf([law.ppf(q) - margin for q in (0.01, 0.5, 0.99)]), 1.0})
    wanted = sum(
        quad(lambda u: law.sf(old.ppf(u) + margin), low, high, epsabs=1e-12, limit=200)[0]
        for low, high in pairwise(points)
    )
    found = posterior_comparison(responders, n, prior, historical, margin)
    assert found == pytest.approx(wanted, abs=1e-8)


@pytest.mark.parametrize("a,b,c,d", [(1, 1, 1, 1), (3, 2, 1, 4), (7, 5, 6, 9), (2, 30, 3, 20)])
def test_posterior_comparison_of_whole_parameters_by_fractions(a, b, c, d):
    """P(Beta(a, b) > Beta(c, d)) = sum over i < a of B(c + i, d + b) / ((b + i) B(1 + i, b) B(c, d))."""

    def beta_function(p, q):
        return Fraction(math.factorial(p - 1) * math.factorial(q - 1), math.factorial(p + q - 1))

    exact = sum(
        beta_function(c + i, d + b) / ((b + i) * beta_function(1 + i, b) * beta_function(c, d))
        for i in range(a)
    )
    assert posterior_comparison(0, 0, (a, b), (c, d), 0.0) == pytest.approx(float(exact), abs=1e-12)


@pytest.mark.parametrize("margin", [0.0, 0.1, 0.5])
def test_posterior_comparison_grows_with_responders_and_stays_a_probability(margin):
    found = [posterior_comparison(x, 20, (0.5, 0.5), (10, 30), margin) for x in range(21)]
    assert (np.diff(found) >= -1e-12).all()
    assert 0 <= found[0] <= found[-1] <= 1


@pytest.mark.parametrize(
    "arguments,named",
    [
        ((21, 20, (1, 1), (1, 1), 0.0), "responders"),
        ((2, 20, (1, 0), (1, 1), 0.0), "prior"),
        ((2, 20, (1, 1), (-1, 1), 0.0), "historical"),
        ((2, 20, (1, 1), (1, 1), 1.0), "margin"),
        ((2, 20, (1, 1), (1, 1), -0.1), "margin"),
    ],
)
def test_posterior_comparison_refuses_by_name(arguments, named):
    with pytest.raises(ValueError, match=f"^{named} "):
        posterior_comparison(*arguments)


@pytest.mark.parametrize(
    "prior", [(np.inf, 1), (1, np.inf), (0, 1), (1, 0), (np.nan, 1), (1, np.nan)]
)
def test_a_prior_is_two_finite_positive_numbers(prior):
    with pytest.raises(ValueError, match="two positive numbers"):
        posterior_summary(1, 2, prior, 0.95, 0.2)
