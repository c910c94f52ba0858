"""Correlation, logistic fits and Welch's ratio against R's saved output, enumeration and by hand."""

import csv
import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import chi2

from sap.methods import association
from sap.methods.association import (
    exact_logistic,
    logistic,
    logistic_firth,
    spearman,
    welch_log,
)
from sap.methods.proportion import exact_odds_ratio

REFERENCE = Path(__file__).parent / "reference"


def saved(name: str) -> list[dict[str, str]]:
    with (REFERENCE / f"association_{name}.csv").open() as file:
        assert file.readline().startswith("# R version 4.2")
        return list(csv.DictReader(file))


def numbers(text: str) -> np.ndarray:
    return np.array([float(part) for part in text.split()])


def columns(text: str) -> np.ndarray:
    return np.column_stack([numbers(part) for part in text.split("|")])


# --- correlation --------------------------------------------------------------------------------


@pytest.mark.parametrize("row", saved("spearman"), ids=lambda row: "")
def test_correlation_and_p_value_are_those_of_cor_test(row):
    """33 sets, a third of them with ties; the last is R's mtcars."""
    found = spearman(numbers(row["x"]), numbers(row["y"]), 0.95)
    assert found.estimate == pytest.approx(float(row["estimate"]), rel=1e-10)
    assert found.p_value == pytest.approx(float(row["p_value"]), rel=1e-8)


def test_bonett_and_wrights_interval_by_hand():
    """r = 0.8214286, n = 7: z = 1.1620, half width 1.95996 sqrt((1 + 0.33737)/4) = 1.13328."""
    found = spearman([1, 2, 3, 4, 5, 6, 7], [2, 1, 4, 3, 7, 5, 6], 0.95)
    assert found.estimate == pytest.approx(1 - 6 * 10 / (7 * 48))
    z = 0.5 * math.log((1 + 23 / 28) / (1 - 23 / 28))
    half = 1.959963984540054 * math.sqrt((1 + (23 / 28) ** 2 / 2) / 4)
    assert (found.low, found.high) == pytest.approx((math.tanh(z - half), math.tanh(z + half)))


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=4, max_size=30))
def test_a_correlation_depends_on_the_order_only(pairs):
    x, y = np.array(pairs, dtype=float).T
    found = spearman(x, y, 0.9)
    if math.isnan(found.estimate):
        assert np.ptp(x) == 0 or np.ptp(y) == 0
        return
    assert spearman(np.exp(x / 3), y**3, 0.9)[:4] == pytest.approx(found[:4], nan_ok=True)
    assert spearman(-x, y, 0.9).estimate == pytest.approx(-found.estimate)
    if abs(found.estimate) < 1:
        assert -1 <= found.low <= found.estimate <= found.high <= 1


def test_degenerate_correlations():
    assert all(math.isnan(part) for part in spearman([1, 2], [3, 4], 0.95)[:4])
    assert all(math.isnan(part) for part in spearman([1, 1, 1, 1], [1, 2, 3, 4], 0.95)[:4])
    perfect = spearman([1, 2, 3, 4, 5], [10, 20, 30, 40, 99], 0.95)
    assert (perfect.estimate, perfect.p_value, perfect.n) == (1, 0, 5)
    assert math.isnan(perfect.low)
    assert math.isnan(perfect.high)
    three = spearman([1, 2, 3], [1, 3, 2], 0.95)
    assert three.estimate == 0.5
    assert math.isnan(three.low)


# --- ratio of geometric means -------------------------------------------------------------------


@pytest.mark.parametrize("row", saved("welch"), ids=lambda row: "")
def test_the_ratio_is_that_of_t_test_on_logs(row):
    found = welch_log(numbers(row["x"]), numbers(row["y"]), float(row["conf_level"]))
    expected = [float(row[name]) for name in ("ratio", "low", "high", "p_value", "df")]
    assert found == pytest.approx(tuple(expected), rel=1e-9)


def test_degenerate_ratios():
    """Two of 4 over 2 and 8: the geometric means are both 4."""
    single = welch_log([4.0], [2.0, 8.0], 0.95)
    assert single.ratio == pytest.approx(1)
    assert math.isnan(single.low)
    flat = welch_log([4.0, 4.0], [2.0, 2.0], 0.95)
    assert flat.ratio == pytest.approx(2)
    assert math.isnan(flat.p_value)


# --- logistic -----------------------------------------------------------------------------------

LOGISTIC = saved("logistic")


@pytest.mark.parametrize("row", LOGISTIC, ids=lambda row: row["tag"])
def test_separation_is_detected_where_glm_diverges(row):
    fit = logistic(numbers(row["y"]), columns(row["x"]), float(row["conf_level"]))
    assert fit.separated == (row["separated"] == "TRUE")
    if fit.separated:
        assert np.isnan(fit.coefficients).all()
        assert math.isnan(fit.log_likelihood)


@pytest.mark.parametrize(
    "row", [r for r in LOGISTIC if r["separated"] == "FALSE"], ids=lambda row: row["tag"]
)
def test_maximum_likelihood_is_that_of_glm(row):
    fit = logistic(numbers(row["y"]), columns(row["x"]), float(row["conf_level"]))
    assert fit.coefficients == pytest.approx(numbers(row["ml"]), rel=1e-8, abs=1e-10)
    # glm takes its standard errors from the step before the last
    assert fit.standard_errors == pytest.approx(numbers(row["ml_se"]), rel=1e-5)
    assert fit.p_values == pytest.approx(numbers(row["ml_p"]), rel=1e-5)
    assert fit.log_likelihood == pytest.approx(float(row["ml_loglik"]), rel=1e-10)
    middle = (fit.low + fit.high) / 2
    assert middle == pytest.approx(fit.coefficients)


@pytest.mark.parametrize("row", LOGISTIC, ids=lambda row: row["tag"])
def test_firths_fit_and_its_profiles_are_those_of_logistf(row):
    """26 random sets, R's sex2 and four made to be separated or nearly so; logistf stops near 1e-6."""
    fit = logistic_firth(numbers(row["y"]), columns(row["x"]), float(row["conf_level"]))
    assert fit.coefficients == pytest.approx(numbers(row["firth"]), rel=1e-6, abs=1e-7)
    assert fit.low == pytest.approx(numbers(row["firth_low"]), rel=1e-5, abs=1e-6)
    assert fit.high == pytest.approx(numbers(row["firth_high"]), rel=1e-5, abs=1e-6)
    assert fit.p_values == pytest.approx(numbers(row["firth_p"]), rel=1e-5, abs=1e-9)
    assert fit.log_likelihood == pytest.approx(float(row["firth_loglik"]), rel=1e-9)
    assert fit.separated == (row["separated"] == "TRUE")


@pytest.mark.parametrize("tag", ["random 25", "random 10", "quasi separation"])
def test_the_profile_falls_by_half_a_chi_squared_quantile_at_each_limit(tag):
    """The definition, with the penalised likelihood written out and maximised by scipy's simplex."""
    [row] = [r for r in LOGISTIC if r["tag"] == tag]
    y, conf_level = numbers(row["y"]), float(row["conf_level"])
    design = np.column_stack([np.ones(y.size), columns(row["x"])])
    fit = logistic_firth(y, columns(row["x"]), conf_level)

    def height(beta):
        chance = 1 / (1 + np.exp(-design @ beta))
        information = design.T @ (design * (chance * (1 - chance))[:, None])
        eta = design @ beta
        return y @ eta - np.logaddexp(0, eta).sum() + np.linalg.slogdet(information)[1] / 2

    options = {"xatol": 1e-6, "fatol": 1e-9, "maxiter": 2000, "maxfev": 2000}
    assert height(fit.coefficients) == pytest.approx(fit.log_likelihood)
    for which in range(1, design.shape[1]):
        others = [column for column in range(design.shape[1]) if column != which]
        for limit in (fit.low[which], fit.high[which]):

            def depth(free, which=which, others=others, limit=limit):
                beta = np.empty(design.shape[1])
                beta[which], beta[others] = limit, free
                return -height(beta)

            # random 25 has two hills at its upper limit: many starts, the highest counts
            starts = [fit.coefficients[others] + shift for shift in (0.0, -1.0, 1.0, -3.0, 3.0)]
            found = [minimize(depth, s, method="Nelder-Mead", options=options).fun for s in starts]
            fallen = 2 * (fit.log_likelihood + min(found))
            assert fallen == pytest.approx(chi2.ppf(conf_level, 1), rel=1e-6)


@pytest.mark.parametrize("origin", [10.0, 1e3, 1e7])
@pytest.mark.parametrize("y", [[0, 0, 0, 1, 1, 1], [0, 0, 1, 0, 1, 1], [0, 0, 0, 0, 0, 1]])
def test_firths_slope_does_not_depend_on_the_origin_of_the_covariate(y, origin):
    """A logistic model with an intercept is the same model when its covariate is moved."""
    x = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    here, there = (logistic_firth(y, values, conf_level=0.95) for values in (x, x + origin))
    for name in ("coefficients", "low", "high", "p_values"):
        moved, expected = getattr(there, name)[1], getattr(here, name)[1]
        assert moved == pytest.approx(expected, rel=1e-5), name
    assert there.coefficients[0] == pytest.approx(
        here.coefficients[0] - origin * here.coefficients[1], rel=1e-5
    )


@pytest.mark.parametrize("cells", [(3, 10, 7, 12), (1, 4, 9, 11), (0, 6, 4, 9), (5, 5, 2, 9)])
def test_firth_in_a_two_by_two_table_adds_a_half_to_each_cell(cells):
    """Firth 1993, section 3: for a saturated model the penalty is half an observation per cell."""
    a, n_a, b, n_b = cells
    y = [1] * a + [0] * (n_a - a) + [1] * b + [0] * (n_b - b)
    fit = logistic_firth(y, [1] * n_a + [0] * n_b, 0.95)
    expected = math.log((a + 0.5) / (n_a - a + 0.5)) - math.log((b + 0.5) / (n_b - b + 0.5))
    assert fit.coefficients[1] == pytest.approx(expected, rel=1e-9)
    assert fit.coefficients[0] == pytest.approx(math.log((b + 0.5) / (n_b - b + 0.5)), rel=1e-9)


def test_no_event_has_a_finite_firth_fit_and_no_maximum():
    y, x = [0] * 8, [1, 2, 3, 4, 5, 6, 7, 8]
    assert logistic(y, x, 0.95).separated
    assert np.isfinite(logistic_firth(y, x, 0.95).coefficients).all()


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.booleans(), st.integers(-3, 3)), min_size=4, max_size=14))
def test_one_covariate_separates_exactly_when_a_threshold_does(pairs):
    """The definition for one covariate: max of one outcome is at most min of the other."""
    y = np.array([int(event) for event, _ in pairs])
    x = np.array([float(value) for _, value in pairs])
    if np.ptp(x) == 0:
        return
    ones, zeros = x[y == 1], x[y == 0]
    threshold = (
        not ones.size or not zeros.size or (ones.max() <= zeros.min() or zeros.max() <= ones.min())
    )
    assert logistic(y, x, 0.95).separated == bool(threshold)


# --- exact --------------------------------------------------------------------------------------


@pytest.mark.parametrize("conf_level", [0.9, 0.95])
@pytest.mark.parametrize(
    "cells",
    [(3, 4, 1, 4), (7, 12, 2, 13), (0, 6, 4, 9), (5, 5, 2, 9), (4, 9, 4, 9), (10, 30, 3, 25)],
)
def test_with_a_group_as_covariate_it_is_fishers_inference(cells, conf_level):
    a, n_a, b, n_b = cells
    y = [1] * a + [0] * (n_a - a) + [1] * b + [0] * (n_b - b)
    slope = exact_logistic(y, [2.5] * n_a + [1.5] * n_b, conf_level)
    odds = exact_odds_ratio(*cells, conf_level)
    with np.errstate(divide="ignore"):
        expected = np.log([odds.estimate, odds.low, odds.high])
    assert list(slope[:3]) == pytest.approx(expected.tolist(), rel=1e-9, abs=1e-10)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from([-1.5, 0.1, 0.2, 0.7, 3.0, 4.4])), min_size=3,
             max_size=9)
)  # fmt: skip
def test_exact_by_every_permutation(pairs):
    """Each way of placing the events, weighted by exp(slope T): the tails at the limits, the p-value."""
    y = np.array([int(event) for event, _ in pairs])
    x = np.array([value for _, value in pairs])
    found = exact_logistic(y, x, 0.9)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        assert all(math.isnan(part) for part in found)
        return
    sums = np.array([sum(x[list(c)]) for c in itertools.combinations(range(len(y)), int(y.sum()))])
    seen = x[y == 1].sum()
    upper, lower = sums >= seen - 1e-9, sums <= seen + 1e-9
    assert found.p_value == pytest.approx(min(1, 2 * min(upper.mean(), lower.mean())))
    for limit, side in ((found.low, upper), (found.high, lower)):
        if np.isfinite(limit):
            weight = np.exp(limit * (sums - seen))
            assert weight[side].sum() / weight.sum() == pytest.approx(0.05, rel=1e-7)
        else:
            assert side.all()
    if np.isfinite(found.estimate):
        weight = np.exp(found.estimate * (sums - seen))
        assert (weight * sums).sum() / weight.sum() == pytest.approx(seen, rel=1e-9, abs=1e-9)


def test_the_exact_slope_scales_with_the_covariate():
    y, x = [0, 1, 0, 0, 1, 0, 1, 1], np.array([1, 2, 3, 4, 5, 6, 7, 8.5])
    one, ten = exact_logistic(y, x, 0.95), exact_logistic(y, 10 * x + 3, 0.95)
    assert np.array(one[:3]) == pytest.approx(10 * np.array(ten[:3]), rel=1e-9)
    assert one.p_value == pytest.approx(ten.p_value)


def test_an_exact_fit_too_large_says_what_to_use(monkeypatch):
    monkeypatch.setattr(association, "MANY_TABLES", 2000)
    x = np.sqrt(np.arange(2.0, 42.0))
    with pytest.raises(ValueError, match="logistic_firth"):
        exact_logistic([0, 1] * 20, x, 0.95)


@pytest.mark.parametrize(
    "call, name",
    [
        (lambda: spearman([1, 2, 3], [1, 2], 0.95), "x and y"),
        (lambda: spearman([1, math.nan, 3], [1, 2, 3], 0.95), "x must"),
        (lambda: spearman([1, 2, 3], [1, 2, 3], 95), "conf_level"),
        (lambda: welch_log([1, 0], [1, 2], 0.95), "x must be positive"),
        (lambda: welch_log([1, 2], [], 0.95), "y must"),
        (lambda: logistic([0, 2], [1, 2], 0.95), "y must"),
        (lambda: logistic([0, 1], [1, 2, 3], 0.95), "x must have one row"),
        (lambda: logistic([0, 1, 1], [1, math.nan, 2], 0.95), "x must not have a missing"),
        (lambda: logistic([0, 1, 1], [2, 2, 2], 0.95), "constant"),
        (
            lambda: logistic_firth([0, 1, 1, 0], [[1, 2], [2, 4], [3, 6], [5, 10]], 0.95),
            "combination",
        ),
        (lambda: exact_logistic([0, 1, 1], [[1, 2], [2, 5], [3, 6]], 0.95), "one covariate"),
    ],
)
def test_impossible_input_is_refused_by_name(call, name):
    with pytest.raises(ValueError, match=name):
        call()
