"""One proportion and two, against R's saved output, published tables and the definitions."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from statsmodels.stats.proportion import proportion_confint

from sap.methods import proportion
from sap.methods.proportion import (
    Interval,
    Intervals,
    agresti_coull,
    blaker,
    clopper_pearson,
    exact_odds_ratio,
    exact_test,
    fisher_exact,
    jeffreys,
    mid_p,
    miettinen_nurminen_difference,
    miettinen_nurminen_test,
    newcombe_difference,
    wald,
    wilson,
    wilson_continuity,
)

ALL = [clopper_pearson, mid_p, wilson, wilson_continuity, agresti_coull, jeffreys, wald, blaker]
EXACT = [clopper_pearson, blaker]
REFERENCE = Path(__file__).parent / "reference"


def saved(name: str) -> list[dict[str, str]]:
    """The rows of a reference file; its first line says which program wrote it."""
    with (REFERENCE / name).open() as file:
        assert file.readline().startswith("# R version 4.2")
        return list(csv.DictReader(file))


def by_name(method: str):
    return getattr(proportion, method)


# --- published tables ---------------------------------------------------------------------------

# Newcombe 1998a, table I, as the tests of R's ratesci 1.0.0 quote it (section "Newcombe examples").
NEWCOMBE_1998A_TABLE_I = [
    (clopper_pearson, 15, 148, 0.0578, 0.1617),
    (clopper_pearson, 0, 20, 0.0000, 0.1684),
    (clopper_pearson, 1, 29, 0.0009, 0.1776),
    (mid_p, 15, 148, 0.0601, 0.1581),
    (mid_p, 0, 20, 0.0000, 0.1391),
    (mid_p, 1, 29, 0.0017, 0.1585),
    (wilson, 15, 148, 0.0624, 0.1605),
    (wilson, 0, 20, 0.0000, 0.1611),
    (wilson, 1, 29, 0.0061, 0.1718),
    (wilson_continuity, 15, 148, 0.0598, 0.1644),
    (wilson_continuity, 0, 20, 0.0000, 0.2005),
    (wilson_continuity, 1, 29, 0.0018, 0.1963),
    (wilson, 81, 263, 0.2553, 0.3662),  # quoted in the tests of R's propint
]


@pytest.mark.parametrize("method, responders, n, low, high", NEWCOMBE_1998A_TABLE_I)
def test_newcombe_1998a_table_i(method, responders, n, low, high):
    assert method(responders, n, 0.95) == pytest.approx((low, high), abs=5.1e-5)


# Brown, Cai and DasGupta 2001, as the same tests of ratesci quote them, to three places.
@pytest.mark.parametrize("responders, n, low, high", [(0, 20, 0.000, 0.117), (1, 29, 0.004, 0.150)])
def test_brown_2001_jeffreys(responders, n, low, high):
    assert jeffreys(responders, n, 0.95) == pytest.approx((low, high), abs=5.1e-4)


# Newcombe 1998b, table II: examples (a) and (b) as R's DescTools 0.99.59 quotes them, (d) as ratesci.
NEWCOMBE_1998B_TABLE_II = [
    (newcombe_difference, 56, 70, 48, 80, 0.0524, 0.3339),
    (newcombe_difference, 5, 56, 0, 29, -0.0381, 0.1926),
    (miettinen_nurminen_difference, 56, 70, 48, 80, 0.0528, 0.3382),
    (miettinen_nurminen_difference, 5, 56, 0, 29, -0.0326, 0.1933),
    # "127 Final Paper" of WUSS 2016, page 9, as DescTools quotes it
    (newcombe_difference, 9, 10, 3, 10, 0.1705, 0.8090),
    (newcombe_difference, 10, 10, 0, 20, 0.6791, 1.0),
    (newcombe_difference, 84, 101, 89, 105, -0.1177, 0.0851),
    (miettinen_nurminen_difference, 9, 10, 3, 10, 0.1700, 0.8406),
    (miettinen_nurminen_difference, 10, 10, 0, 20, 0.7156, 1.0),
    (miettinen_nurminen_difference, 84, 101, 89, 105, -0.1191, 0.0860),
]


@pytest.mark.parametrize("method, a, n_a, b, n_b, low, high", NEWCOMBE_1998B_TABLE_II)
def test_newcombe_1998b_table_ii(method, a, n_a, b, n_b, low, high):
    assert method(a, n_a, b, n_b, 0.95) == pytest.approx((low, high), abs=5.1e-5)


# --- R's output, saved --------------------------------------------------------------------------


def columns(rows: list[dict[str, str]], *names: str) -> list[np.ndarray]:
    return [np.array([float(row[name]) for row in rows]) for name in names]


@pytest.mark.parametrize(
    "method",
    ["clopper_pearson", "mid_p", "wilson", "wilson_continuity", "jeffreys", "blaker"],
)
def test_every_interval_is_that_of_r(method):
    rows = [row for row in saved("proportion_intervals.csv") if row["method"] == method]
    assert len(rows) >= 57
    x, n, level, low, high = columns(rows, "responders", "n", "conf_level", "low", "high")
    ours = by_name(method)(x, n, level)
    assert ours.low == pytest.approx(low, rel=1e-8, abs=1e-9)
    assert ours.high == pytest.approx(high, rel=1e-8, abs=1e-9)


@pytest.mark.parametrize("alternative", ["greater", "less", "two-sided"])
def test_the_exact_test_is_binom_test(alternative):
    rows = [r for r in saved("proportion_exact_test.csv") if r["alternative"] == alternative]
    assert len(rows) >= 110
    x, n, p0, p_value = columns(rows, "responders", "n", "p0", "p_value")
    assert exact_test(x, n, p0, alternative) == pytest.approx(p_value, rel=1e-8, abs=1e-300)


@pytest.mark.parametrize("method", ["newcombe_difference", "miettinen_nurminen_difference"])
def test_every_difference_is_that_of_ratesci(method):
    rows = [row for row in saved("proportion_differences.csv") if row["method"] == method]
    assert len(rows) == 54
    counts = columns(rows, "responders_a", "n_a", "responders_b", "n_b", "conf_level")
    low, high = columns(rows, "low", "high")
    ours = by_name(method)(*counts)
    assert ours.low == pytest.approx(low, abs=1e-10)
    assert ours.high == pytest.approx(high, abs=1e-10)


@pytest.mark.parametrize("row", saved("proportion_fisher.csv"), ids=lambda row: "")
def test_odds_ratio_and_fisher_p_value_are_those_of_r(row):
    counts = [int(row[name]) for name in ("responders_a", "n_a", "responders_b", "n_b")]
    odds = exact_odds_ratio(*counts, float(row["conf_level"]))
    expected = [float(row[name]) for name in ("estimate", "low", "high")]
    assert odds == pytest.approx(tuple(expected), rel=1e-8)
    # fisher.test stops its root finder at 1.2e-4, for a ratio above 1 of its inverse: near, no nearer.
    for name, ours in zip(("estimate", "low", "high"), odds, strict=True):
        theirs = float(row[f"fisher_{name}"])
        assert (1 / ours if ours > 1 else ours) == pytest.approx(
            1 / theirs if ours > 1 else theirs, abs=1.3e-4
        )
    for alternative in ("two-sided", "greater", "less"):
        p_value = float(row["p_" + alternative.replace("-", "_")])
        assert fisher_exact(*counts, alternative) == pytest.approx(p_value, rel=1e-8)


def test_fisher_tea_by_hand():
    """Odds ratio u: P(X = 4) = u^4 / (1 + 16u + 36u^2 + 16u^3 + u^4), and 0.025 is left above it."""
    high = exact_odds_ratio(3, 4, 1, 4, 0.95).high
    weights = [math.comb(4, k) ** 2 * high**k for k in range(5)]
    assert sum(weights[:4]) / sum(weights) == pytest.approx(0.025, rel=1e-10)


def test_a_table_with_one_possible_total_has_no_odds_ratio():
    odds = exact_odds_ratio(0, 10, 0, 10, 0.95)
    assert math.isnan(odds.estimate)
    assert (odds.low, odds.high) == (0, math.inf)


def test_score_test_is_the_chi_squared_of_prop_test_with_n_minus_1():
    """R: pchisq(prop.test(c(56, 48), c(70, 80), correct = FALSE)$statistic * 149/150, 1, lower = F)."""
    p_value = miettinen_nurminen_test(56, 70, 48, 80, 0.0, "two-sided")
    assert p_value == pytest.approx(0.00825828792938, rel=1e-10)


@pytest.mark.parametrize("conf_level", [0.8, 0.95, 0.99])
@pytest.mark.parametrize(
    "counts", [(56, 70, 48, 80), (5, 56, 0, 29), (9, 10, 3, 10), (0, 10, 0, 20)]
)
def test_the_score_interval_ends_where_the_score_test_says(counts, conf_level):
    low, high = miettinen_nurminen_difference(*counts, conf_level)
    tail = (1 - conf_level) / 2
    assert miettinen_nurminen_test(*counts, low, "greater") == pytest.approx(tail, rel=1e-8)
    assert miettinen_nurminen_test(*counts, high, "less") == pytest.approx(tail, rel=1e-8)


@pytest.mark.parametrize("method", [newcombe_difference, miettinen_nurminen_difference])
def test_swapping_the_groups_mirrors_the_difference(method):
    a, n_a = np.array([0, 3, 7, 12, 25]), np.array([5, 30, 9, 12, 60])
    b, n_b = np.array([4, 0, 7, 11, 25]), np.array([9, 17, 9, 12, 40])
    one, other = method(a, n_a, b, n_b, 0.9), method(b, n_b, a, n_a, 0.9)
    assert one.low == pytest.approx(-other.high, abs=1e-12)
    assert one.high == pytest.approx(-other.low, abs=1e-12)
    failures = method(n_a - a, n_a, n_b - b, n_b, 0.9)
    assert one.low == pytest.approx(-failures.high, abs=1e-12)


# --- edges --------------------------------------------------------------------------------------


@pytest.mark.parametrize("conf_level", [0.8, 0.95, 0.999])
@pytest.mark.parametrize("n", [1, 2, 20, 100_000])
@pytest.mark.parametrize("method", ALL)
def test_zero_and_all_reach_the_ends_exactly(method, n, conf_level):
    none, all_ = method(0, n, conf_level), method(n, n, conf_level)
    assert none.low == 0.0
    assert all_.high == 1.0
    assert 0 <= none.high <= 1
    assert all_.low == pytest.approx(1 - none.high, abs=1e-12)


@pytest.mark.parametrize("n", [1, 20, 100_000])
def test_closed_forms_without_responders(n):
    """Clopper-Pearson 1 - (a/2)^(1/n), mid-p 1 - a^(1/n), Wilson z^2/(n + z^2), by hand."""
    z2 = 1.959963984540054**2
    assert clopper_pearson(0, n, 0.95).high == pytest.approx(-math.expm1(math.log(0.025) / n))
    assert mid_p(0, n, 0.95).high == pytest.approx(-math.expm1(math.log(0.05) / n), rel=1e-9)
    assert wilson(0, n, 0.95).high == pytest.approx(z2 / (n + z2))
    assert wald(0, n, 0.95) == (0.0, 0.0)


def test_wald_and_agresti_coull_are_clipped():
    assert wald(1, 20, 0.95).low == 0.0
    assert agresti_coull(0, 20, 0.95).low == 0.0
    assert agresti_coull(20, 20, 0.95).high == 1.0
    assert wald(19, 20, 0.95).high == 1.0


def test_agresti_coull_by_hand():
    """z = 1.95996, x + z^2/2 = 9.92073 of n + z^2 = 29.84146: p = 0.332448, reach 0.169022."""
    assert agresti_coull(8, 26, 0.95) == pytest.approx((0.163426, 0.501469), abs=2e-6)


@pytest.mark.parametrize("method", ALL)
def test_mirror_symmetry(method):
    n = 37
    x = np.arange(n + 1)
    seen, mirrored = method(x, n, 0.9), method(n - x, n, 0.9)
    assert seen.low == pytest.approx(1 - mirrored.high, abs=1e-13)


@pytest.mark.parametrize("method", ALL)
def test_limits_never_fall_with_another_responder(method):
    for n in (1, 7, 40, 173):
        limits = method(np.arange(n + 1), n, 0.95)
        assert (np.diff(limits.low) >= -1e-15).all()
        assert (np.diff(limits.high) >= -1e-15).all()


@pytest.mark.parametrize("method", ALL)
def test_numbers_give_floats_and_arrays_give_arrays(method):
    one = method(3, 10, 0.95)
    assert isinstance(one, Interval)
    assert type(one.low) is float
    many = method([[3, 5]], [[10], [20]], [0.95, 0.9])
    assert isinstance(many, Intervals)
    assert many.low.shape == (2, 2)
    assert many.high[1, 1] == method(5, 20, 0.9).high


@pytest.mark.parametrize("method", ALL)
def test_many_intervals_are_the_same_as_one_by_one(method):
    n = np.arange(3000) % 41 + 1
    x = np.arange(3000) * 7 % (n + 1)
    many = method(x, n, 0.95)
    alone = [method(int(a), int(b), 0.95) for a, b in zip(x[::97], n[::97], strict=True)]
    assert many.low[::97].tolist() == [interval.low for interval in alone]
    assert many.high[::97].tolist() == [interval.high for interval in alone]


IMPOSSIBLE = [
    ((-1, 10, 0.95), "responders"),
    ((11, 10, 0.95), "responders"),
    ((2.5, 10, 0.95), "responders"),
    ((math.nan, 10, 0.95), "responders"),
    ((0, 0, 0.95), "n must"),
    ((0, 10.5, 0.95), "n must"),
    ((0, 10, 0.0), "conf_level"),
    ((0, 10, 1.0), "conf_level"),
    ((0, 10, 95), "conf_level"),
    ((0, 10, math.nan), "conf_level"),
    (([1, 11], 10, 0.95), "responders"),
]


@pytest.mark.parametrize("arguments, name", IMPOSSIBLE)
@pytest.mark.parametrize("method", ALL)
def test_impossible_input_is_refused_by_name(method, arguments, name):
    with pytest.raises(ValueError, match=name):
        method(*arguments)


def test_impossible_comparisons_are_refused_by_name():
    with pytest.raises(ValueError, match="responders_b"):
        newcombe_difference(1, 2, 3, 2, 0.95)
    with pytest.raises(ValueError, match="n_a"):
        miettinen_nurminen_difference(0, 0, 1, 2, 0.95)
    with pytest.raises(ValueError, match="difference"):
        miettinen_nurminen_test(1, 2, 1, 2, 1.0, "greater")
    with pytest.raises(ValueError, match="n_b"):
        exact_odds_ratio(1, 2, 0, 0, 0.95)
    with pytest.raises(ValueError, match="p0"):
        exact_test(1, 2, 1.5, "greater")
    for call in (
        lambda: exact_test(1, 2, 0.5, "greter"),
        lambda: miettinen_nurminen_test(1, 2, 1, 2, 0.0, "greter"),
        lambda: fisher_exact(1, 2, 1, 2, "greter"),
    ):
        with pytest.raises(ValueError, match="alternative"):
            call()


# --- definitions --------------------------------------------------------------------------------


@settings(derandomize=True, deadline=None, max_examples=120)
@given(st.integers(1, 60), st.floats(0.5, 0.999), st.floats(0.001, 0.999))
def test_coverage_of_the_exact_intervals_is_never_below_nominal(n, conf_level, p):
    """The defining property, by summing over every possible trial."""
    x = np.arange(n + 1)
    for method in EXACT:
        limits = method(x, n, conf_level)
        covered = (limits.low <= p) & (p <= limits.high)
        assert binom.pmf(x[covered], n, p).sum() >= conf_level - 1e-9


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.integers(1, 400), st.data())
def test_the_exact_test_rejects_outside_the_exact_interval(n, data):
    x = data.draw(st.integers(0, n))
    low, high = clopper_pearson(x, n, 0.95)
    if x > 0:
        assert exact_test(x, n, low, "greater") == pytest.approx(0.025, rel=1e-9)
    if x < n:
        assert exact_test(x, n, high, "less") == pytest.approx(0.025, rel=1e-9)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.integers(1, 300), st.floats(0.01, 0.99), st.data())
def test_the_two_sided_test_sums_every_count_no_likelier(n, p0, data):
    """The definition, term by term: R's factor for ties is 1 + 1e-7."""
    x = data.draw(st.integers(0, n))
    probability = binom.pmf(np.arange(n + 1), n, p0)
    unlikely = probability <= probability[x] * (1 + 1e-7)
    assert exact_test(x, n, p0, "two-sided") == pytest.approx(probability[unlikely].sum(), rel=1e-7)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.integers(1, 120), st.floats(0.5, 0.999), st.data())
def test_mid_p_leaves_half_the_probability_of_the_count(n, conf_level, data):
    x = data.draw(st.integers(0, n))
    low, high = mid_p(x, n, conf_level)
    if x > 0:
        left = binom.sf(x, n, low) + binom.pmf(x, n, low) / 2
        assert left == pytest.approx((1 - conf_level) / 2, rel=1e-7)
    if x < n:
        left = binom.cdf(x - 1, n, high) + binom.pmf(x, n, high) / 2
        assert left == pytest.approx((1 - conf_level) / 2, rel=1e-7)


def acceptability(x: int, n: int, p: np.ndarray) -> np.ndarray:
    """Blaker 2000, section 2, literally: the smaller tail plus the largest other tail not above it."""
    counts = np.arange(n + 1)
    lower = binom.cdf(counts[:, None], n, p)
    upper = binom.sf(counts[:, None] - 1, n, p)
    own = np.minimum(lower[x], upper[x])
    other = np.where(upper[x] <= lower[x], lower, upper)
    other = np.where(other <= own, other, 0).max(axis=0)
    return np.minimum(own + other, 1)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(1, 60), st.sampled_from([0.6, 0.8, 0.9, 0.95, 0.99, 0.999]), st.data())
def test_blaker_is_the_hull_of_all_acceptable_rates(n, conf_level, data):
    """Nothing acceptable outside the limits, and something acceptable within 1e-8 inside of each."""
    x = data.draw(st.integers(0, n))
    low, high = blaker(x, n, conf_level)
    alpha = 1 - conf_level
    below, above = np.linspace(0, low - 1e-9, 2000), np.linspace(high + 1e-9, 1, 2000)
    if x > 0:
        assert (acceptability(x, n, below[1:]) <= alpha + 1e-12).all()
        assert acceptability(x, n, low + np.array([1e-9, 3e-9, 1e-8])).max() >= alpha - 1e-12
    if x < n:
        assert (acceptability(x, n, above[:-1]) <= alpha + 1e-12).all()
        assert acceptability(x, n, high - np.array([1e-9, 3e-9, 1e-8])).max() >= alpha - 1e-12


@pytest.mark.parametrize(
    "x, n, gap, low, high",
    [
        (1, 31, (0.1607, 0.1658), 0.00165325426658, 0.16691185227602),
        (2, 35, (0.1877, 0.1892), 0.01024866455908, 0.19143689224821),
    ],
)
def test_blaker_spans_a_set_with_a_gap(x, n, gap, low, high):
    """A root finder may stop at the near side of the gap; limits by R's BlakerCI, tol = 1e-13."""
    inside = np.linspace(*gap, 50)
    assert (acceptability(x, n, inside) < 0.05).all()
    assert acceptability(x, n, np.array([(gap[1] + high) / 2]))[0] > 0.05
    assert blaker(x, n, 0.95) == pytest.approx((low, high), abs=1e-11)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.integers(1, 1000), st.floats(0.5, 0.999), st.data())
def test_blaker_lies_inside_clopper_pearson(n, conf_level, data):
    x = data.draw(st.integers(0, n))
    outer, inner = clopper_pearson(x, n, conf_level), blaker(x, n, conf_level)
    assert outer.low <= inner.low + 1e-12
    assert inner.high <= outer.high + 1e-12


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(1, 12), st.integers(1, 12), st.floats(0.7, 0.99), st.floats(-4, 4))
def test_the_exact_odds_interval_covers(n_a, n_b, conf_level, log_ratio):
    """Over every table with the same total, weighted by the noncentral hypergeometric distribution."""
    total = (n_a + n_b) // 2
    counts = range(max(0, total - n_b), min(n_a, total) + 1)
    weight = [
        math.comb(n_a, k) * math.comb(n_b, total - k) * math.exp(k * log_ratio) for k in counts
    ]
    covered = 0.0
    for k, w in zip(counts, weight, strict=True):
        odds = exact_odds_ratio(k, n_a, total - k, n_b, conf_level)
        covered += w * (odds.low <= math.exp(log_ratio) <= odds.high)
    assert covered / sum(weight) >= conf_level - 1e-9


# --- second opinion -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method, name",
    [
        (clopper_pearson, "beta"),
        (wilson, "wilson"),
        (agresti_coull, "agresti_coull"),
        (wald, "normal"),
    ],
)
def test_statsmodels_agrees(method, name):
    n = np.repeat([1, 10, 57, 300], 7)
    x = np.floor(n * np.tile(np.linspace(0, 1, 7), 4)).astype(int)
    ours, theirs = method(x, n, 0.95), proportion_confint(x, n, 0.05, method=name)
    assert ours.low == pytest.approx(theirs[0], abs=1e-12)
    assert ours.high == pytest.approx(theirs[1], abs=1e-12)
