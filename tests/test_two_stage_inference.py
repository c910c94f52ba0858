"""Inference after a two-stage trial: peers' numbers, definitions, and properties by enumeration."""

import csv
import math
from fractions import Fraction
from math import comb
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize_scalar
from scipy.special import betainc, betaincinv
from scipy.stats import binom

from sap.methods.two_stage import (
    DO_NOT_REJECT,
    REJECT,
    TwoStageDesign,
    coverage,
    inference_table,
    koyama_chen,
    two_stage_inference,
)
from sap.methods.two_stage_inference import _roots, binomial_at_least

REFERENCE = Path(__file__).parent / "reference"
OPTIMAL = TwoStageDesign(1, 10, 5, 29)


def saved(name):
    lines = (REFERENCE / name).read_text().splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def design_of(row):
    return TwoStageDesign(*(int(row[key]) for key in ("r1", "n1", "r", "n")))


@st.composite
def designs(draw, largest=32):
    n = draw(st.integers(2, largest))
    n1 = draw(st.integers(1, n - 1))
    r1 = draw(st.integers(0, n1 - 1))
    return TwoStageDesign(r1, n1, draw(st.integers(r1, n - 1)), n)


def outcomes(design, n, p):
    """(x1, x2, probability) of every path, by products of two binomials."""
    for x1 in range(design.n1 + 1):
        here = binom.pmf(x1, design.n1, p)
        if x1 <= design.r1:
            yield x1, 0, here
        else:
            for x2 in range(n - design.n1 + 1):
                yield x1, x2, here * binom.pmf(x2, n - design.n1, p)


def test_p_value_umvue_and_lower_limit_equal_clinfun():
    """clinfun's limits stand on a grid of 1e-4: its lower one is the first grid point inside."""
    rows = saved("two_stage_clinfun_inference.csv")
    assert len(rows) > 250
    for row in rows:
        x, tail = int(row["x"]), float(row["tail"])
        end = two_stage_inference(design_of(row), x, float(row["p0"]), 1 - 2 * tail)
        # clinfun takes 1 - pbinom, which ends at 1e-16: the small ones are tested by fractions
        assert end.p_value == pytest.approx(float(row["p_value"]), abs=2e-13)
        assert end.umvue == pytest.approx(float(row["umvue"]), abs=1e-13)
        if row["lcl"] != "NA":
            assert -1e-9 <= float(row["lcl"]) - end.conf_low <= 1.0001e-4


def test_koyama_chen_limits_as_planned_equal_clinfun():
    for row in saved("two_stage_clinfun_inference.csv"):
        design, x, tail = design_of(row), int(row["x"]), float(row["tail"])
        if row["ucl"] == "NA" or x == 0:
            continue
        x1 = x if x <= design.r1 else max(design.r1 + 1, x - design.n2)
        m2 = 0 if x <= design.r1 else design.n2
        found = koyama_chen(design, x1, x - x1, m2, float(row["p0"]), 1 - 2 * tail)
        assert -1e-9 <= float(row["lcl"]) - found.low <= 1.0001e-4
        # the upper one is the last grid point inside; NA-free rows near 1 stop at the grid's end
        assert -1e-9 <= found.high - float(row["ucl"]) <= 1.0001e-4


def test_estimates_and_exact_limits_equal_singlearm():
    """To its root-finder's tolerance of 1.2e-4. Where it differs on purpose it is not compared:
    its stage 1 of the conditional estimate is x / n1, its median is 1 at x = n."""
    rows = saved("two_stage_singlearm_inference.csv")
    assert len(rows) > 50
    for row in rows:
        design, x = design_of(row), int(row["x"])
        end = two_stage_inference(design, x, 0.1, 0.9)
        assert end.stopped_at == int(row["stage"])
        assert end.umvue == pytest.approx(float(row["umvue"]), abs=1e-12)
        assert end.bias_adjusted == pytest.approx(float(row["bias_adjusted"]), abs=2e-4)
        assert end.conf_low == pytest.approx(float(row["low"]), abs=2e-4)
        assert end.conf_high == pytest.approx(float(row["high"]), abs=2e-4)
        if x < design.n:
            assert end.median_unbiased == pytest.approx(float(row["median_unbiased"]), abs=2e-4)
        if x > design.r1:
            assert end.conditional_mle == pytest.approx(float(row["conditional_mle"]), abs=2e-4)


@pytest.mark.parametrize(
    "x,umvue",
    [
        # by hand, Jung and Kim 2004, for r1/n1 = 0/2, n = 4
        (0, Fraction(0)),
        (1, Fraction(1 * 1, 2 * 1 * 1)),  # x1 = 1 only: C(1,0)C(2,0) / C(2,1)C(2,0)
        (2, Fraction(1 * 2 + 1 * 1, 2 * 2 + 1 * 1)),  # x1 = 1, 2
        (3, Fraction(1 * 1 + 1 * 2, 2 * 1 + 1 * 2)),
        (4, Fraction(1)),
    ],
)
def test_the_unbiased_estimate_by_hand(x, umvue):
    end = two_stage_inference(TwoStageDesign(0, 2, 1, 4), x, 0.3, 0.9)
    assert end.umvue == float(umvue)


def random_designs(count, largest=40):
    rng = np.random.default_rng(1989)
    for _ in range(count):
        n = int(rng.integers(2, largest))
        n1 = int(rng.integers(1, n))
        r1 = int(rng.integers(0, n1))
        yield TwoStageDesign(r1, n1, int(rng.integers(r1, n)), n), rng


MANY = pytest.mark.parametrize("count", [120, pytest.param(2000, marks=pytest.mark.long)])


def test_a_root_that_never_settles_ends_the_search_all_the_same():
    """A value that asks for a tiny step for ever."""
    calls = []

    def gap(logit, rows):
        calls.append(rows.size)
        return np.full(rows.size, -1.0), np.full(rows.size, 1e7)

    assert _roots(gap, np.zeros(1)) == pytest.approx(0.5, abs=1e-5)
    assert len(calls) == 100


def searched(value, slope, start: float) -> tuple[float, list[float]]:
    """The logit of the root of one function, and the logits at which it was computed."""
    places: list[float] = []

    def gap(logit, rows):
        places.append(float(logit[0]))
        return np.array([float(value(logit[0]))]), np.array([float(slope)])

    rate = _roots(gap, np.array([start]))[0]
    with np.errstate(divide="ignore"):
        return float(np.log(rate) - np.log1p(-rate)), places


@pytest.mark.parametrize(
    "start, step, steps",
    [
        (0.0, 0.9e-9, 1),  # the limit is 1e-9 (1 + |logit|): here 1e-9
        (0.0, 1.1e-9, 100),
        (1.0, 1.9e-9, 1),  # here 2e-9
        (1.0, 2.1e-9, 100),
        (-1.0, 1.9e-9, 1),
        (-1.0, 2.1e-9, 100),
    ],
)
def test_a_step_of_newton_no_further_than_its_limit_ends_the_search(start, step, steps):
    """The function is always below 0, with the slope that asks for this step each time."""
    logit, places = searched(lambda _: -1.0, 1 / step, start)
    assert len(places) == steps
    assert logit == pytest.approx(start + steps * step, abs=1e-12)


def test_halving_ends_when_it_moves_the_logit_no_further_than_its_limit():
    """A step function at 3.3 without a slope, between -100 and 100: the k-th halving moves 100 / 2^k.

    That is at most 2e-14 (1 + 3.3) from k = 51: 100 / 2^50 = 8.9e-14, 100 / 2^51 = 4.4e-14.
    """
    logit, places = searched(lambda at: 1.0 if at >= 3.3 else -1.0, 0.0, 0.0)
    assert logit == pytest.approx(3.3, abs=1e-13)
    assert len(places) == 51
    assert places[:5] == [0.0, 50.0, 25.0, 12.5, 6.25]


def test_a_root_beyond_every_limit_is_at_the_end_of_the_bracket():
    logit, _ = searched(lambda _: 1.0, 0.0, 0.0)
    assert logit == pytest.approx(-100, abs=1e-9)


def test_a_value_of_0_is_the_root_with_or_without_a_slope():
    for slope in (1.0, 0.0):
        logit, places = searched(lambda _: 0.0, slope, 0.75)
        assert logit == pytest.approx(0.75, abs=1e-12)
        assert places == [0.75]


def test_a_step_that_leaves_the_bracket_halves_it():
    """From 0 the step of 200 leaves -100 to 100: at -50 the function is below 0, and above it at -25."""
    logit, places = searched(lambda at: at + 30.0, 0.15, 0.0)
    assert places[:4] == [0.0, -50.0, -25.0, -37.5]
    assert logit == pytest.approx(-30.0, abs=1e-7)


def test_a_step_within_the_bracket_is_taken():
    logit, places = searched(lambda at: at + 30.0, 1.0, 0.0)
    assert places == [0.0, -30.0]
    assert logit == pytest.approx(-30.0, abs=1e-9)


def test_roots_of_several_functions_are_searched_until_the_last_settles():
    """Three functions at once: one at its root, one a step away, one that is halved."""
    roots = np.array([0.5, -1.0, 2.0])
    rows_searched: list[list[int]] = []

    def gap(logit, rows):
        rows_searched.append(rows.tolist())
        return logit - roots[rows], np.array([1.0, 1.0, 0.0])[rows]

    found = _roots(gap, np.array([0.5, 0.0, 0.0]))
    assert np.log(found) - np.log1p(-found) == pytest.approx(roots, abs=1e-12)
    assert rows_searched[:3] == [[0, 1, 2], [1, 2], [2]]


@MANY
def test_the_umvue_is_unbiased(count):
    """Its definition: the sum over all outcomes is p."""
    for design, rng in random_designs(count):
        p = rng.uniform(size=5)
        umvue = np.array([end.umvue for end in inference_table(design, 0.5, 0.9)])
        assert design.outcome_probabilities(p) @ umvue == pytest.approx(p, abs=1e-12)


@MANY
def test_coverage_is_never_below_nominal(count):
    """By full enumeration, at a random rate and just beside every limit, where it is least."""
    for design, rng in random_designs(count):
        conf_level = float(rng.choice([0.5, 0.8, 0.9, 0.95, 0.999]))
        table = inference_table(design, 0.5, conf_level)
        low = np.array([end.conf_low for end in table])
        high = np.array([end.conf_high for end in table])
        beside = [low[1:] - 1e-10, low[1:] + 1e-10, high[:-1] - 1e-10, high[:-1] + 1e-10]
        p = np.clip(np.concatenate([rng.uniform(size=5), *beside]), 0, 1)
        held = (low <= p[:, None]) & (p[:, None] <= high)
        covered = (design.outcome_probabilities(p) * held).sum(axis=1)
        assert (covered >= conf_level - 1e-8).all()
        assert coverage(design, conf_level, p) == pytest.approx(covered, abs=1e-12)


@settings(derandomize=True, deadline=None, max_examples=120)
@given(designs(), st.sampled_from([0.8, 0.9, 0.95]), st.floats(0.02, 0.98))
def test_everything_is_ordered_by_the_total(design, conf_level, p0):
    table = inference_table(design, p0, conf_level)
    for name in ("conf_low", "conf_high", "median_unbiased", "umvue"):
        assert (np.diff([getattr(end, name) for end in table]) > -1e-12).all()
    assert (np.diff([end.p_value for end in table]) <= 0).all()
    for end in table:
        assert end.conf_low <= end.median_unbiased + 1e-12
        assert end.median_unbiased <= end.conf_high + 1e-12
        assert end.mid_p_value <= end.p_value
    assert (table[0].p_value, table[0].median_unbiased, table[0].conf_low) == (1, 0, 0)
    assert table[-1].conf_high == table[-1].mle == table[-1].umvue == 1
    # decision and p-value speak with one voice
    alpha = design.probability_of_rejection(p0)
    for x, end in enumerate(table):
        assert (end.decision == REJECT) == (x > design.r)
        if x > design.r:
            assert end.p_value <= alpha * (1 + 1e-12)


@settings(derandomize=True, deadline=None, max_examples=120)
@given(designs(), st.floats(0.02, 0.98), st.floats(0.001, 0.999))
def test_the_p_value_is_uniform_or_larger_under_p0(design, p0, level):
    density = design.outcome_probabilities(p0)
    p_values = np.array([end.p_value for end in inference_table(design, p0, 0.9)])
    assert density[p_values <= level].sum() <= level * (1 + 1e-12)


@settings(derandomize=True, deadline=None, max_examples=25)
@given(designs(largest=11), st.sampled_from([0.8, 0.9, 0.95]))
def test_limits_and_medians_solve_their_equations(design, conf_level):
    """P(X >= x) and P(X <= x) by summing paths, independent of the module."""
    tail = (1 - conf_level) / 2

    def at_least(x, p):
        return sum(chance for x1, x2, chance in outcomes(design, design.n, p) if x1 + x2 >= x)

    for x, end in enumerate(inference_table(design, 0.5, conf_level)):
        if x > 0:
            assert at_least(x, end.conf_low) == pytest.approx(tail, rel=1e-9)
            assert at_least(x, end.median_unbiased) == pytest.approx(0.5, rel=1e-9)
        if x < design.n:
            assert 1 - at_least(x + 1, end.conf_high) == pytest.approx(tail, rel=1e-8)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(designs(largest=20), st.data())
def test_whiteheads_estimate_would_be_expected_to_give_the_mle_seen(design, data):
    x = data.draw(st.integers(0, design.n))
    end = two_stage_inference(design, x, 0.5, 0.9)
    expected = sum(
        chance * (x1 / design.n1 if x1 <= design.r1 else (x1 + x2) / design.n)
        for x1, x2, chance in outcomes(design, design.n, end.bias_adjusted)
    )
    assert expected == pytest.approx(end.mle, abs=1e-10)


def test_the_expected_mle_grows_with_the_rate_so_that_whiteheads_estimate_is_one():
    rng = np.random.default_rng(20080616)
    grid = np.linspace(0, 1, 401)
    for _ in range(300):
        n = int(rng.integers(2, 80))
        n1 = int(rng.integers(1, n))
        r1 = int(rng.integers(0, n1))
        x = np.arange(n + 1)
        mle = np.where(x <= r1, x / n1, x / n)
        expected = TwoStageDesign(r1, n1, r1, n).outcome_probabilities(grid) @ mle
        assert (np.diff(expected) > 0).all()


@pytest.mark.parametrize(
    "design", [OPTIMAL, TwoStageDesign(3, 13, 12, 43), TwoStageDesign(2, 4, 5, 9)]
)
def test_the_conditional_estimate_maximises_the_conditional_likelihood(design):
    """By a numerical maximum of the log likelihood given the stage reached."""
    for x in range(design.n + 1):
        stopped = x <= design.r1
        fewest, most = (0, design.r1) if stopped else (design.r1 + 1, design.n)
        found = two_stage_inference(design, x, 0.5, 0.9).conditional_mle
        if x == most == design.r1:  # the likelihood given the stop grows up to p = 1: no maximum
            assert math.isnan(found)
            continue
        if x in (fewest, most):
            assert found == (x == most)
            continue
        size = design.n1 if stopped else design.n

        def minus_log_likelihood(p, x=x, size=size, stopped=stopped):
            reached = (
                binom.cdf(design.r1, design.n1, p) if stopped else binom.sf(design.r1, design.n1, p)
            )
            return -(x * math.log(p) + (size - x) * math.log1p(-p) - math.log(reached))

        best = minimize_scalar(
            minus_log_likelihood,
            bounds=(1e-9, 1 - 1e-9),
            method="bounded",
            options={"xatol": 1e-10},
        )
        assert found == pytest.approx(best.x, abs=2e-6)


@pytest.mark.parametrize("r1, n1, r, n", [(1, 15, 5, 25), (1, 10, 5, 29), (3, 13, 12, 43)])
def test_the_most_responders_that_stop_at_stage_1_have_no_conditional_estimate(r1, n1, r, n):
    """By hand, P(X1 = r1 | X1 <= r1) rises with p all the way: 1 of 15 gives 15 p / (1 + 14 p)."""
    given_stop = [binom.pmf(r1, n1, p) / binom.cdf(r1, n1, p) for p in np.linspace(0.01, 0.99, 50)]
    assert (np.diff(given_stop) > 0).all()
    end = two_stage_inference(TwoStageDesign(r1, n1, r, n), r1, 0.1, 0.95)
    assert math.isnan(end.conditional_mle)
    assert (end.stopped_at, end.mle) == (1, r1 / n1)


def test_a_stage_with_one_outcome_says_nothing_given_that_stage():
    """r1 = 0: given the stop, x = 0 is certain at every rate."""
    end = two_stage_inference(TwoStageDesign(0, 10, 3, 29), 0, 0.05, 0.9)
    assert math.isnan(end.conditional_mle)
    assert (end.stopped_at, end.mle, end.umvue, end.p_value) == (1, 0, 0, 1)
    # Clopper-Pearson at 0 of 10: 1 - 0.05 ** (1 / 10)
    assert end.conf_high == pytest.approx(1 - 0.05 ** (1 / 10), abs=1e-13)


@pytest.mark.parametrize("x", [1, 2, 3])
def test_a_stop_at_stage_1_is_clopper_pearson_on_stage_1(x):
    """Outcomes of stage 2 all lie above: both tails are binomial in n1."""
    end = two_stage_inference(TwoStageDesign(3, 13, 12, 43), x, 0.2, 0.95)
    assert end.stopped_at == 1
    assert end.conf_low == pytest.approx(betaincinv(x, 14 - x, 0.025), abs=1e-13)
    assert end.conf_high == pytest.approx(betaincinv(x + 1, 13 - x, 0.975), abs=1e-13)
    assert end.median_unbiased == pytest.approx(betaincinv(x, 14 - x, 0.5), abs=1e-13)
    assert end.p_value == pytest.approx(betainc(x, 14 - x, 0.2), abs=1e-14)


def test_all_responding_is_the_upper_end():
    end = two_stage_inference(OPTIMAL, 29, 0.1, 0.9)
    assert end.conf_low == pytest.approx(0.05 ** (1 / 29), abs=1e-13)
    assert end.p_value == pytest.approx(1e-29, rel=1e-12)
    assert end.mid_p_value == pytest.approx(5e-30, rel=1e-12)
    assert (end.conf_high, end.bias_adjusted, end.conditional_mle) == (1, 1, 1)


def test_p_values_too_small_for_one_minus_a_probability():
    """By whole-number fractions: r1/n1 = 13/40, n = 110, p0 = 0.3, 105 responders."""
    p, x = Fraction(3, 10), 105
    exact = sum(
        comb(40, i) * comb(70, j) * p ** (i + j) * (1 - p) ** (110 - i - j)
        for i in range(14, 41)
        for j in range(71)
        if i + j >= x
    )
    end = two_stage_inference(TwoStageDesign(13, 40, 40, 110), x, 0.3, 0.9)
    assert end.p_value == pytest.approx(float(exact), rel=1e-12)


# ---- attained sizes ------------------------------------------------------------------------------


def test_koyama_chen_equals_the_authors_program():
    rows = saved("two_stage_koyama_chen.csv")
    assert len(rows) >= 30
    for row in rows:
        x1, x2, m2 = (int(row[key]) for key in ("x1", "x2", "m2"))
        found = koyama_chen(design_of(row), x1, x2, m2, float(row["p0"]), float(row["conf_level"]))
        for name, value in found._asdict().items():
            assert value == pytest.approx(float(row[name]), abs=1e-9), row


def test_koyama_chen_2008_section_4_seven_and_ten_of_23():
    """r1/n1 = 6/19, r/n = 16/39, p0 = 0.3; x1 = 7, and 10 of 23 instead of 20.

    P(X2 >= 10 | 23, 0.3) exceeds what stage 2 had left, P(X2 >= 10 | 20, 0.3): not rejected."""
    design = TwoStageDesign(6, 19, 16, 39)
    end = two_stage_inference(design, 17, 0.3, 0.9, responders_stage1=7, n_attained=42)
    assert binom.sf(9, 23, 0.3) > binom.sf(9, 20, 0.3)
    assert end.decision == DO_NOT_REJECT
    found = koyama_chen(design, 7, 10, 23, 0.3, 0.9)
    assert (end.p_value, end.conf_low, end.median_unbiased) == found[:3]
    assert end.p_value > design.probability_of_rejection(0.3)
    assert end.mle == 17 / 42
    # two responders more, or fewer patients, do reject
    assert two_stage_inference(design, 19, 0.3, 0.9, 7, 42).decision == REJECT
    assert two_stage_inference(design, 17, 0.3, 0.9, 7, 37).decision == REJECT


def test_koyama_chen_with_the_planned_size_is_the_order_of_totals():
    """Section 3: any x1 gives the same answer, which `two_stage_inference` gives too."""
    for x in range(2, 30):
        end = two_stage_inference(OPTIMAL, x, 0.1, 0.9)
        for x1 in range(max(2, x - 19), min(x, 10) + 1):
            found = koyama_chen(OPTIMAL, x1, x - x1, 19, 0.1, 0.9)
            assert found.p_value == pytest.approx(end.p_value, rel=1e-12)
            assert found.low == pytest.approx(end.conf_low, abs=1e-12)
            assert found.median == pytest.approx(end.median_unbiased, abs=1e-12)
            assert found.high <= end.conf_high + 1e-12


@pytest.mark.parametrize("x1,p_value", [(0, 1.0), (1, 1 - 0.9**10)])
def test_koyama_chen_after_a_stop_at_stage_1(x1, p_value):
    found = koyama_chen(OPTIMAL, x1, 0, 0, 0.1, 0.9)
    assert found.p_value == pytest.approx(p_value, abs=1e-14)
    if x1 == 0:
        assert (found.low, found.median) == (0, 0)
        assert math.isnan(found.high)
    else:
        assert found.high == pytest.approx(betaincinv(1, 10, 0.95), abs=1e-12)


def test_koyama_chen_when_stage_1_has_rejected_already():
    """The author's program: s = 0, the p-value is P(X1 > r)."""
    design = TwoStageDesign(0, 13, 2, 20)
    found = koyama_chen(design, 5, 2, 9, 0.05, 0.9)
    assert found.p_value == pytest.approx(binom.sf(2, 13, 0.05), rel=1e-12)
    end = two_stage_inference(design, 7, 0.05, 0.9, responders_stage1=5, n_attained=22)
    assert (end.conf_high, end.decision) == (1, REJECT)
    assert end.mid_p_value == pytest.approx(end.p_value / 2, rel=1e-12)


def test_koyama_chen_when_the_planned_stage_2_could_not_reject_any_more():
    """r1/n1 = 1/10, r/n = 12/15: with 3 of 10 the five to come cannot bring 13."""
    design = TwoStageDesign(1, 10, 12, 15)
    found = koyama_chen(design, 3, 5, 7, 0.3, 0.9)
    assert found.p_value == pytest.approx(binom.sf(1, 10, 0.3), rel=1e-12)
    end = two_stage_inference(design, 8, 0.3, 0.9, responders_stage1=3, n_attained=17)
    assert end.decision == DO_NOT_REJECT
    assert end.mid_p_value == pytest.approx(
        (binom.sf(1, 10, 0.3) + binom.sf(7, 10, 0.3)) / 2, rel=1e-12
    )


@settings(derandomize=True, deadline=None, max_examples=25)
@given(
    designs(largest=13),
    st.integers(-6, 6),
    st.sampled_from([0.8, 0.9]),
    st.floats(0.05, 0.95),
)
def test_any_attained_size_keeps_coverage_and_alpha(design, change, conf_level, p):
    """By enumerating every path of the trial as it was run."""
    n = max(design.n + change, design.n1)
    for known in (True, False):
        covered = rejected = 0.0
        for x1, x2, chance in outcomes(design, n, p):
            if x1 <= design.r1:
                end = two_stage_inference(design, x1, p, conf_level)
            else:
                given_x1 = x1 if known else None
                end = two_stage_inference(design, x1 + x2, p, conf_level, given_x1, n)
            covered += chance * (end.conf_low - 1e-11 <= p <= end.conf_high + 1e-11)
            rejected += chance * (end.decision == REJECT)
        assert covered >= conf_level - 1e-9
        assert rejected <= design.probability_of_rejection(p) + 1e-9


@pytest.mark.slow
def test_a_size_chosen_after_stage_1_keeps_alpha_with_the_responders_of_stage_1():
    """The worst of three sizes is chosen for each x1: Koyama and Chen's rule still holds alpha."""
    design, p0 = TwoStageDesign(6, 19, 16, 39), 0.3
    spent = 0.0
    for x1 in range(7, 17):
        chances = []
        for n in (30, 39, 47):
            m2 = n - 19
            chances.append(
                sum(
                    binom.pmf(x2, m2, p0)
                    for x2 in range(m2 + 1)
                    if two_stage_inference(design, x1 + x2, p0, 0.9, x1, n).decision == REJECT
                )
            )
        spent += binom.pmf(x1, 19, p0) * max(chances)
    spent += binom.sf(16, 19, p0)  # stage 1 has rejected
    assert spent <= design.probability_of_rejection(p0) + 1e-12


def test_without_the_responders_of_stage_1_the_plan_is_the_attained_one():
    attained = TwoStageDesign(1, 10, 5, 33)
    end = two_stage_inference(OPTIMAL, 7, 0.1, 0.9, n_attained=33)
    by_plan = two_stage_inference(attained, 7, 0.1, 0.9)
    assert end[:10] == by_plan[:10]
    assert end.mle == 7 / 33
    alpha = OPTIMAL.probability_of_rejection(0.1)
    for x in range(2, 34):
        end = two_stage_inference(OPTIMAL, x, 0.1, 0.9, n_attained=33)
        assert (end.decision == REJECT) == (end.p_value <= alpha)


def test_a_trial_ended_after_passing_stage_1_is_a_second_stage_without_patients():
    end = two_stage_inference(OPTIMAL, 4, 0.1, 0.9, n_attained=10)
    assert (end.stopped_at, end.mle, end.umvue) == (2, 0.4, 0.4)
    assert end.p_value == pytest.approx(binom.sf(3, 10, 0.1), rel=1e-12)
    known = two_stage_inference(OPTIMAL, 4, 0.1, 0.9, responders_stage1=4, n_attained=10)
    assert known.decision == DO_NOT_REJECT  # 1 = P(no patient to come) exceeds what was left


def test_the_size_as_planned_may_be_given():
    assert two_stage_inference(OPTIMAL, 6, 0.1, 0.9, 2, 29) == two_stage_inference(
        OPTIMAL, 6, 0.1, 0.9
    )
    assert two_stage_inference(OPTIMAL, 1, 0.1, 0.9, 1, 10) == two_stage_inference(
        OPTIMAL, 1, 0.1, 0.9
    )


@pytest.mark.parametrize(
    "arguments,named",
    [
        ({"responders": 30}, "responders"),
        ({"responders": -1}, "responders"),
        ({"responders": 6.5}, "responders"),
        ({"p0": 0.0}, "p0"),
        ({"p0": 1.0}, "p0"),
        ({"conf_level": 1.0}, "conf_level"),
        ({"conf_level": 90}, "conf_level"),
        ({"responders_stage1": 1}, "responders_stage1"),
        ({"responders_stage1": 7}, "responders_stage1"),
        ({"responders": 25, "responders_stage1": 2}, "responders_stage1"),
        ({"responders": 25, "responders_stage1": 11}, "responders_stage1"),
        ({"n_attained": 9}, "n_attained"),
        ({"responders": 1, "n_attained": 29}, "n_attained"),
        ({"responders": 12, "n_attained": 11}, "responders"),
    ],
)
def test_what_the_design_cannot_produce_is_refused_by_name(arguments, named):
    ordinary = {"responders": 6, "p0": 0.1, "conf_level": 0.9}
    with pytest.raises(ValueError, match=f"^{named} "):
        two_stage_inference(OPTIMAL, **{**ordinary, **arguments})


@pytest.mark.parametrize(
    "arguments,named",
    [
        ((11, 0, 19, 0.1, 0.9), "x1"),
        ((2, 20, 19, 0.1, 0.9), "x2"),
        ((1, 0, 19, 0.1, 0.9), "m2"),
        ((2, 4, 19, 0.0, 0.9), "p0"),
        ((2, 4, 19, 0.1, 0.0), "conf_level"),
        ((2, 4, -1, 0.1, 0.9), "m2"),
    ],
)
def test_koyama_chen_refuses_by_name(arguments, named):
    with pytest.raises(ValueError, match=f"^{named} "):
        koyama_chen(OPTIMAL, *arguments)


def test_coverage_at_the_ends_is_certain():
    assert coverage(OPTIMAL, 0.9, [0.0, 1.0]).tolist() == [1, 1]
    assert type(coverage(OPTIMAL, 0.9, 0.3)) is float


def test_the_interval_of_one_tail_covers_less_than_it_says():
    """The reason for two tails: Koyama and Chen's own upper limit misses more than 5 % somewhere."""
    grid = np.linspace(0.02, 0.98, 400)
    high = [
        1.0 if x == 0 else brentq(lambda p, x=x: tail(x, p) - 0.95, 1e-9, 1 - 1e-12)
        for x in range(30)
    ]

    def tail_misses(p):
        return sum(OPTIMAL.outcome_probabilities(p)[x] for x in range(30) if high[x] < p)

    assert max(tail_misses(p) for p in grid) > 0.10
    ours = [end.conf_high for end in inference_table(OPTIMAL, 0.1, 0.9)]
    missed = [OPTIMAL.outcome_probabilities(p)[np.array(ours) < p].sum() for p in grid]
    assert max(missed) <= 0.05 + 1e-12


def tail(x, p):
    return OPTIMAL.outcome_probabilities(p)[x:].sum()


def test_at_least_so_many_responders_at_every_count():
    """Of three patients at 1/2: 1, 7/8, 4/8, 1/8, and none of four."""
    tail = binomial_at_least(np.array([-1, 0, 1, 2, 3, 4]), 3, 0.5)
    assert tail.tolist() == pytest.approx([1, 1, 7 / 8, 4 / 8, 1 / 8, 0])
