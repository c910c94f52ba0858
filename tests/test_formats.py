"""Expected texts come from the rule (SAS: half away from zero), by exact fractions, never from `formats`."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sap.displays import formats
from sap.displays.formats import FIGURE_SPACE

bounded = settings(derandomize=True, deadline=None, max_examples=300)


def half_away(exact: Fraction, digits: int) -> str:
    """The rule by integer arithmetic alone: no Decimal, no float."""
    scaled = abs(exact) * 10**digits
    steps = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    integer, part = divmod(steps, 10**digits)
    sign = "-" if exact < 0 and steps else ""
    return f"{sign}{integer}" + (f".{part:0{digits}d}" if digits else "")


TIES = [
    (k, n)
    for n in range(1, 151)
    for k in range(1, n + 1)
    if (Fraction(2000 * k, n)).denominator == 1 and Fraction(2000 * k, n).numerator % 2 == 1
]


def test_there_are_104_exact_ties_at_one_decimal_up_to_n_150():
    """The count is in the project's notes on rounding, measured with another program."""
    assert len(TIES) == 104
    assert {(1, 16), (5, 16), (2, 32), (1, 80)} <= set(TIES)


@pytest.mark.parametrize("k, n", TIES)
def test_every_tie_goes_away_from_zero(k, n):
    exact = half_away(Fraction(100 * k, n), 1)
    assert formats.percent(k, n) == exact
    assert formats.proportion(k / n) == exact


def test_python_itself_gets_half_of_the_ties_wrong():
    """Why `formats` exists: 52 of 104 by `f"{x:.1f}"` and by numpy, 53 by the percent format."""
    right = {(k, n): half_away(Fraction(100 * k, n), 1) for k, n in TIES}
    assert sum(f"{100 * k / n:.1f}" != text for (k, n), text in right.items()) == 52
    assert sum(f"{k / n:.1%}" != text + "%" for (k, n), text in right.items()) == 53


@bounded
@given(st.integers(0, 3000), st.integers(1, 3000), st.integers(0, 4))
def test_a_percentage_is_the_exact_fraction_rounded_half_away(k, n, digits):
    k = min(k, n)
    shown = formats.percent(k, n, digits=digits, hundred="100.0")
    exact = half_away(Fraction(100 * k, n), digits)
    if k and not Fraction(exact):
        assert shown == "<" + half_away(Fraction(1, 10**digits), digits)
    elif k < n and Fraction(exact) == 100:
        assert shown == ">" + half_away(100 - Fraction(1, 10**digits), digits)
    else:
        assert shown == exact


@bounded
@given(st.decimals(-1000, 1000, places=6).map(str), st.integers(0, 5))
def test_a_decimal_is_rounded_as_it_is_written(written, digits):
    assert formats.fixed(float(written), digits) == half_away(
        Fraction(repr(float(written))), digits
    )


@bounded
@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 6))
def test_no_number_prints_a_negative_zero_or_an_exponent(value, digits):
    shown = formats.fixed(value, digits)
    assert "E" not in shown.upper()
    assert not (shown.startswith("-") and float(shown) == 0)
    assert len(shown.partition(".")[2]) == digits


@bounded
@given(st.floats(-1e6, 1e6), st.integers(0, 4))
def test_rounding_mirrors_at_zero(value, digits):
    plus, minus = formats.fixed(abs(value), digits), formats.fixed(-abs(value), digits)
    assert minus.lstrip("-") == plus


@pytest.mark.parametrize(
    "value, digits, text",
    [
        (6.25, 1, "6.3"),
        (-6.25, 1, "-6.3"),
        (0.5, 0, "1"),
        (2.5, 0, "3"),
        (-0.5, 0, "-1"),
        (-0.4, 0, "0"),
        (2.675, 2, "2.68"),  # binary 2.67499999999999982236431605997495353221893310546875
        (1.005, 2, "1.01"),
        (1e21, 1, "1000000000000000000000.0"),
        (1e-9, 4, "0.0000"),
        (np.float64(0.125), 2, "0.13"),
        (7, 1, "7.0"),
    ],
)
def test_by_hand(value, digits, text):
    assert formats.fixed(value, digits) == text


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_not_estimable_and_not_calculated_are_two_things(bad):
    prints = [
        lambda x: formats.fixed(x, 1),
        formats.count,
        formats.proportion,
        formats.p_value,
        formats.months,
        formats.as_collected,
        formats.confidence,
    ]
    assert {show(bad) for show in prints} == {"NE"}
    assert {show(None) for show in prints} == {"\u2013"}


@pytest.mark.parametrize(
    "p, text",
    [
        (0.0, "<0.0001"),
        (0.00009999, "<0.0001"),
        (0.0001, "0.0001"),
        (0.00015, "0.0002"),
        (0.05, "0.0500"),
        (0.99985, "0.9999"),
        (0.9999, "0.9999"),
        (0.99990001, ">0.9999"),
        (1.0, ">0.9999"),
    ],
)
def test_p_values_at_their_ends(p, text):
    assert formats.p_value(p) == text


@pytest.mark.parametrize("p", [-0.1, 1.1])
def test_what_is_no_p_value_is_refused(p):
    with pytest.raises(ValueError, match="p must lie between"):
        formats.p_value(p)


def test_the_published_primary_result():
    """3 of 25, 12.0 % (2.5 to 31.2), as published for CABA-V7."""
    assert formats.n_pct(3, 25) == "3 (12.0)"
    assert formats.proportion_interval(0.0254654, 0.3121903) == "(2.5, 31.2)"


@pytest.mark.parametrize(
    "k, n, hundred, text",
    [
        (0, 25, "100", "0"),
        (0, 0, "100", "0"),
        (25, 25, "100", "25 (100)"),
        (25, 25, "100.0", "25 (100.0)"),
        (1, 3000, "100", "1 (<0.1)"),
        (2999, 3000, "100", "2999 (>99.9)"),
        (12.0, 25.0, "100", "12 (48.0)"),
    ],
)
def test_counts_with_percent(k, n, hundred, text):
    assert formats.n_pct(k, n, hundred=hundred) == text


@pytest.mark.parametrize("k, n", [(2, 1), (-1, 5), (0.5, 5), (1, 2.5), (float("nan"), 3)])
def test_what_is_no_count_is_refused(k, n):
    with pytest.raises(ValueError, match=r"count|exceed"):
        formats.n_pct(k, n)


def test_mean_and_spread_have_one_decimal_more_than_the_data_and_a_derived_value_has_one():
    """SAP, reporting conventions: data 0 decimals, mean 1; data 1, mean 2; percentages and months 1."""
    assert formats.of_data(0) == (0, 1)
    assert formats.of_data(1) == (1, 2)
    assert formats.DERIVED == (1, 1)
    assert formats.decimals([61.0, 74.5, 80.25, float("nan")]) == 2
    assert formats.decimals([]) == 0


CELL = st.one_of(
    st.integers(0, 2000).map(str),
    st.tuples(st.integers(1, 999), st.integers(0, 999)).map(lambda t: f"{t[0]} ({t[1] / 10:.1f})"),
    st.floats(-999, 999).map(lambda x: formats.fixed(x, 1)),
    st.tuples(st.integers(0, 500), st.integers(0, 500)).map(
        lambda t: f"({t[0] / 10:.1f}, {t[1] / 10:.1f})"
    ),
    st.sampled_from(["NE", "-", "\u2013", "0", "<0.0001", "(2.5, NE)"]),
)


@bounded
@given(st.lists(CELL, min_size=1, max_size=8))
def test_padding_adds_figure_spaces_only_and_none_at_the_right(column):
    shown = formats.pad_column(column)
    assert [text.replace(FIGURE_SPACE, "") for text in shown] == column
    assert not any(text.endswith(FIGURE_SPACE) for text in shown)


@bounded
@given(st.lists(st.floats(-9999, 9999).map(lambda x: formats.fixed(x, 2)), min_size=1, max_size=8))
def test_decimals_are_aligned(column):
    assert len({text.index(".") for text in formats.pad_column(column)}) == 1


def test_percentages_are_aligned():
    shown = formats.pad_column(["12 (48.0)", "3 (4.0)", "25 (100)", "0", "1 (10.0)"])
    assert shown[0].index("(") == shown[1].index("(") == shown[2].index("(") == shown[4].index("(")
    assert shown[0].index(".") == shown[4].index(".")
    assert shown[3].index("0") == shown[1].index("3") == shown[0].index("2")


def test_text_without_a_number_is_left_alone():
    assert formats.pad_column(["", "see text", "12"]) == ["", "see text", "12"]


def test_nothing_is_padded_inside_a_bracket():
    """By hand: the first numbers end at one place, 4 letters from the left; what follows has no space before it."""
    shown = formats.pad_column(["1 (2.0)", "1000 (20.0)", "(-3.1, 4.0)", "9 (100)"])
    assert [text.replace(FIGURE_SPACE, "_") for text in shown] == [
        "___1 (2.0)", "1000 (20.0)", "_(-3.1, 4.0)", "___9 (100)",
    ]  # fmt: skip


def test_a_minus_sign_is_no_hyphen():
    assert formats.signed("-40.3 (-37.8, 29.6)") == "\u221240.3 (\u221237.8, 29.6)"
    for text in ("2018-01-31", "CARVE-006", "28-day", "2-4", "G-CSF"):
        assert formats.signed(text) == text


def test_a_number_behind_a_word_ends_where_the_others_end():
    assert formats.leading_spaces(["n = 1", "n = 100"]) == [2, 0]
    assert formats.pad_column(["n = 1", "n = 100"]) == [
        f"{2 * formats.FIGURE_SPACE}n = 1",
        "n = 100",
    ]
