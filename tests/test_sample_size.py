"""How many patients: to screen, to enrol, and for an interval of a given width."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from sap.methods.proportion import clopper_pearson, wilson
from sap.methods.sample_size import enough, needed_for, precision_size, remaining_share

# R 4.2.2: 29 + qnbinom(q, 29, 0.27); pbinom(28, c(129, 130), 0.27, lower.tail = FALSE)
R_SCREENED = [(0.5, 106), (0.8, 121), (0.9, 130), (0.95, 137)]


@pytest.mark.parametrize("assurance,screened", R_SCREENED)
def test_screened_for_29_positives_are_quantiles_of_the_negative_binomial(assurance, screened):
    assert needed_for(29, 0.27, assurance).assured == screened


def test_the_probability_is_that_of_rs_pbinom():
    needed = needed_for(29, 0.27, 0.9)
    assert needed.probability == pytest.approx(0.9059359, abs=5e-8)
    assert enough(129, 29, 0.27) == pytest.approx(0.8971569, abs=5e-8)  # one less is not enough


def test_enrolled_for_25_evaluable_of_90_percent():
    """R: 25 + qnbinom(0.9, 25, 0.9) is 30; pbinom(24, 30, 0.9, lower.tail = FALSE) 0.9268098916."""
    needed = needed_for(25, 0.9, 0.9)
    assert (needed.on_average, needed.assured) == (28, 30)  # 25 / 0.9 = 27.8
    assert needed.probability == pytest.approx(0.9268098916, abs=5e-11)


def test_the_rate_is_the_decimal_that_is_written():
    """21 / 0.7 is 30.000000000000004 in binary, and 30 by hand."""
    assert math.ceil(21 / 0.7) == 31
    assert needed_for(21, 0.7, 0.5).on_average == 30
    assert remaining_share([0.1, 0.2]) == 0.72  # 0.9 x 0.8, by hand
    assert remaining_share([0.0]) == 1
    assert needed_for(5, 1, 0.5)[1:3] == (5, 5)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(1, 60), st.floats(0.02, 1), st.floats(0.05, 0.99))
def test_the_answer_is_enough_and_one_less_is_not(n, rate, assurance):
    needed = needed_for(n, rate, assurance)
    assert binom.sf(n - 1, needed.assured, rate) >= assurance - 1e-12
    assert binom.sf(n - 1, needed.assured - 1, rate) < assurance + 1e-12
    assert needed.on_average * rate >= n - 1e-9 > (needed.on_average - 1) * rate - 2e-9


def test_the_width_of_an_exact_interval_at_the_nearest_count():
    """R binom.test: 12 of 40 has 0.1656272044 to 0.4653162853; 12 of 39 is 0.3054955 wide, 11 of 38
    0.3047858, and each of 40 to 48 at most 0.2996891."""
    answer = precision_size(0.3, 0.3, 0.95, clopper_pearson, "observed")
    assert (answer.n, answer.responders) == (40, 12)
    assert [answer.low, answer.high] == pytest.approx([0.1656272044, 0.4653162853], abs=5e-11)
    assert answer.width == pytest.approx(0.4653162853 - 0.1656272044, abs=1e-9)


def test_a_number_that_happens_to_be_narrow_enough_is_not_the_answer():
    """R prop.test without correction at 0.2: 0.24725 wide for 37 patients, 0.25271 for 38."""
    answer = precision_size(0.2, 0.25, 0.95, wilson, "observed")
    assert answer.n == 39


def test_the_expected_and_the_widest_interval():
    """R: sum of dbinom(x, n, 0.3) times the width: 0.3032412469 for 38, 0.2993730331 for 39; the widest
    of 46 is 0.3019236952, of 47 0.2985983318."""
    expected = precision_size(0.3, 0.3, 0.95, clopper_pearson, "expected")
    assert (expected.n, expected.responders) == (39, 12)
    assert expected.width == pytest.approx(0.2993730331, abs=5e-11)
    widest = precision_size(0.3, 0.3, 0.95, clopper_pearson, "widest")
    assert widest.n == 47
    assert widest.responders in (23, 24)
    assert widest.width == pytest.approx(0.2985983318, abs=5e-11)


@pytest.mark.parametrize(
    "call,named",
    [
        (lambda: needed_for(0, 0.5, 0.9), "n "),
        (lambda: needed_for(3, 0, 0.9), "rate "),
        (lambda: needed_for(3, 1.1, 0.9), "rate "),
        (lambda: needed_for(3, 0.5, 1), "assurance "),
        (lambda: remaining_share([]), "losses "),
        (lambda: remaining_share([1.0]), "losses "),
        (lambda: remaining_share([-0.1]), "losses "),
        (lambda: precision_size(0, 0.3, 0.95, clopper_pearson, "observed"), "p "),
        (lambda: precision_size(0.3, 1, 0.95, clopper_pearson, "observed"), "width "),
        (lambda: precision_size(0.3, 0.3, 95, clopper_pearson, "observed"), "conf_level "),
        (lambda: precision_size(0.3, 0.3, 0.95, clopper_pearson, "mean"), "measure "),
        (
            lambda: precision_size(0.5, 0.001, 0.95, clopper_pearson, "observed"),
            "width is too small",
        ),
    ],
)
def test_a_wrong_argument_is_named(call, named):
    with pytest.raises(ValueError, match=f"^{named}"):
        call()
