"""Simon's designs: against clinfun, Simon's tables, a brute-force search and the definitions."""

import csv
import itertools
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from sap.methods.two_stage import (
    SingleStageDesign,
    TwoStageDesign,
    constrained_designs,
    simon_designs,
)
from sap.methods.two_stage_search import _Question, _single_stage, _Tables

CLINFUN = Path(__file__).parent / "reference" / "two_stage_clinfun_designs.csv"

# Simon 1989, tables 1 and 2: p0, p1, alpha, beta; optimal r1/n1 r/n EN(p0) PET(p0); minimax the same.
# None: this digit could not be checked against the print.
SIMON_1989 = [
    (0.05, 0.25, 0.10, 0.10, (0, 9, 2, 24), 14.5, 0.63, (0, 13, 2, 20), 16.4, 0.51),
    (0.05, 0.25, 0.05, 0.20, (0, 9, 2, 17), 12.0, 0.63, (0, 12, 2, 16), 13.8, 0.54),
    (0.05, 0.25, 0.05, 0.10, (0, 9, 3, 30), 16.8, 0.63, (0, 15, 3, 25), 20.4, 0.46),
    (0.10, 0.30, 0.10, 0.10, (1, 12, 5, 35), 19.8, None, (1, 16, 4, 25), 20.4, 0.51),
    (0.10, 0.30, 0.05, 0.20, (1, 10, 5, 29), 15.0, 0.74, (1, 15, 5, 25), 19.5, 0.55),
    (0.10, 0.30, 0.05, 0.10, (2, 18, 6, 35), 22.5, 0.73, (2, 22, 6, 33), 26.2, 0.62),
    (0.20, 0.40, 0.10, 0.10, (3, 17, 10, 37), 26.0, 0.55, (3, 19, 10, 36), 28.3, 0.46),
    (0.20, 0.40, 0.05, 0.20, (3, 13, 12, 43), 20.6, 0.75, (4, 18, 10, 33), 22.3, 0.72),
    (0.20, 0.40, 0.05, 0.10, (4, 19, 15, 54), 30.4, 0.67, (5, 24, 13, 45), 31.2, 0.66),
    (0.30, 0.50, 0.10, 0.10, (7, 22, 17, 46), 29.9, 0.67, (7, 28, 15, 39), 35.0, 0.36),
    (0.30, 0.50, 0.05, 0.20, (5, 15, 18, 46), 23.6, 0.72, (6, 19, 16, 39), 25.7, 0.67),
    (0.30, 0.50, 0.05, 0.10, (8, 24, 24, 63), 34.7, 0.73, (7, 24, 21, 53), 36.6, 0.56),
    (0.40, 0.60, 0.10, 0.10, (7, 18, 22, 46), 30.2, 0.56, (11, 28, 20, 41), 33.8, 0.55),
    (0.40, 0.60, 0.05, 0.20, (7, 16, 23, 46), 24.5, 0.72, (17, 34, 20, 39), 34.4, 0.91),
    (0.40, 0.60, 0.05, 0.10, (11, 25, 32, 66), 36.0, 0.73, (12, 29, 27, 54), 38.1, 0.64),
    (0.50, 0.70, 0.10, 0.10, (11, 21, 26, 45), 29.0, 0.67, (11, 23, 23, 39), 31.0, 0.50),
    (0.50, 0.70, 0.05, 0.20, (8, 15, 26, 43), 23.5, 0.70, (12, 23, 23, 37), 27.7, 0.66),
    (0.50, 0.70, 0.05, 0.10, (13, 24, 36, 61), 34.0, 0.73, (14, 27, 32, 53), 36.1, 0.65),
    (0.60, 0.80, 0.05, 0.20, (7, 11, 30, 43), 20.5, 0.70, (8, 13, 25, 35), 20.8, 0.65),
    (0.70, 0.90, 0.05, 0.20, (4, 6, 22, 27), 14.8, 0.58, (19, 23, 21, 26), 23.2, 0.95),
    (0.05, 0.20, 0.05, 0.20, (0, 10, 3, 29), 17.6, 0.60, (0, 13, 3, 27), 19.8, 0.51),
    (0.10, 0.25, 0.05, 0.20, (2, 18, 7, 43), 24.7, 0.73, (2, 22, 7, 40), 28.8, 0.62),
    (0.20, 0.35, 0.05, 0.20, (5, 22, 19, 72), 35.4, 0.73, (6, 31, 15, 53), 40.4, 0.57),
    (0.30, 0.45, 0.05, 0.20, (9, 27, 30, 81), 41.7, 0.73, (16, 46, 25, 65), 49.6, 0.81),
    (0.30, 0.45, 0.05, 0.10, (13, 40, 40, 110), 60.8, 0.70, (27, 77, 33, 88), 78.5, 0.86),
]


def thresholds(design):
    return (design.r1, design.n1, design.r, design.n)


def clinfun_questions():
    lines = [line for line in CLINFUN.read_text().splitlines() if not line.startswith("#")]
    rows = csv.DictReader(lines)
    keys = ("p0", "p1", "alpha", "beta")
    return [
        (tuple(float(value) for value in question), list(group))
        for question, group in itertools.groupby(rows, key=lambda row: [row[key] for key in keys])
    ]


@pytest.mark.parametrize("row", SIMON_1989, ids=lambda row: "-".join(map(str, row[:4])))
def test_simon_1989_tables_1_and_2(row):
    p0, p1, alpha, beta, optimal, optimal_en, optimal_pet, minimax, minimax_en, minimax_pet = row
    found = simon_designs(p0, p1, alpha, beta)
    assert (thresholds(found.optimal), thresholds(found.minimax)) == (optimal, minimax)
    for design, printed_en, printed_pet in (
        (found.optimal, optimal_en, optimal_pet),
        (found.minimax, minimax_en, minimax_pet),
    ):
        # To the last digit printed; a tie in rounding may fall either way.
        assert design.expected_n(p0) == pytest.approx(printed_en, abs=0.051)
        if printed_pet is not None:
            pet = design.probability_of_early_termination(p0)
            assert pet == pytest.approx(printed_pet, abs=0.0051)
    assert found.proved


@pytest.mark.parametrize("question,rows", clinfun_questions(), ids=lambda value: str(value)[:24])
def test_all_designs_are_those_of_clinfun(question, rows):
    """ph2simon, twostage.admissible (weights printed to 3 decimals) and ph2single."""
    found = simon_designs(*question)
    wanted = list(
        dict.fromkeys(tuple(int(row[key]) for key in ("r1", "n1", "r", "n")) for row in rows)
    )
    assert [thresholds(design) for design in found.admissible] == wanted
    assert thresholds(found.minimax) == wanted[0]
    assert thresholds(found.optimal) == wanted[-1]
    if len(wanted) > 1:
        for design, row in zip(found.admissible, rows, strict=True):
            assert design.weight_low == pytest.approx(float(row["weight_low"]), abs=5.01e-4)
            assert design.weight_high == pytest.approx(float(row["weight_high"]), abs=5.01e-4)
    single = SingleStageDesign(int(rows[0]["single_r"]), int(rows[0]["single_n"]))
    assert found.single_stage.n == single.n


@cache
def brute_force(p0, p1, alpha, beta, largest):
    """Every design up to `largest`, by Simon's sums: (EN, n, n1, r1, r) of those that hold."""
    held = []
    for n in range(2, largest + 1):
        for n1 in range(1, n):
            first, r = np.arange(n1 + 1), np.arange(n)
            rejecting = [
                binom.pmf(first, n1, p)[:, None] * binom.sf(r - first[:, None], n - n1, p)
                for p in (p0, p1)
            ]
            # row r1 + 1 of the tail sums is a trial that passes stage 1 with more than r1
            spent, power = (each[::-1].cumsum(axis=0)[::-1][1:] for each in rejecting)
            holds = (spent <= alpha + 1e-12) & (power >= 1 - beta - 1e-12)
            holds &= r >= first[:-1, None]
            stopped = binom.cdf(first, n1, p0)
            for r1, final in np.argwhere(holds).tolist():
                pet = stopped[r1]
                held.append((n1 + (1 - pet) * (n - n1), n, n1, r1, final))
    return held


@pytest.mark.parametrize(
    "question",
    [(0.1, 0.4, 0.1, 0.1), (0.3, 0.7, 0.05, 0.2), (0.5, 0.8, 0.1, 0.2), (0.02, 0.25, 0.05, 0.1)],
)
def test_no_design_among_all_is_better(question):
    found = simon_designs(*question)
    held = brute_force(*question, largest=found.searched_to + 3)
    least = min(held)[0]
    smallest = min(each[1] for each in held)
    assert found.optimal.expected_n(question[0]) == pytest.approx(least, abs=1e-9)
    assert found.minimax.n == smallest
    assert found.minimax.expected_n(question[0]) == pytest.approx(
        min(each[0] for each in held if each[1] == smallest), abs=1e-9
    )
    # Ties: every design as good as the optimal one is reported, and it has the largest r of them.
    tied = {(r1, n1, r, n) for en, n, n1, r1, r in held if en <= least + 1e-9}
    reported = {thresholds(design) for design in (found.optimal, *found.optimal_ties)}
    assert reported == tied
    assert found.optimal.r == max(
        r
        for r1, n1, r, n in tied
        if (r1, n1, n) == (found.optimal.r1, found.optimal.n1, found.optimal.n)
    )
    # Admissible: at the middle of its range of weights no design costs less.
    for design in found.admissible:
        weight = (design.weight_low + design.weight_high) / 2
        cost = weight * design.n + (1 - weight) * design.expected_n(question[0])
        assert cost <= min(weight * n + (1 - weight) * en for en, n, *_ in held) + 1e-9
        assert design.design == TwoStageDesign(*thresholds(design))


def test_a_smaller_r_that_also_holds_alpha_is_reported_as_a_tie():
    """p0 = 0.001: of 2 responders needed or 1, both hold alpha at the same n1, r1 and n."""
    found = simon_designs(0.01, 0.5, 0.2, 0.2)
    p0, alpha = 0.01, 0.2
    for design, ties in ((found.optimal, found.optimal_ties), (found.minimax, found.minimax_ties)):
        smaller = [
            tie for tie in ties if (tie.r1, tie.n1, tie.n) == (design.r1, design.n1, design.n)
        ]
        assert all(tie.r < design.r for tie in smaller)
        holding = [
            r
            for r in range(design.r1, design.r)
            if TwoStageDesign(design.r1, design.n1, r, design.n).probability_of_rejection(p0)
            <= alpha
        ]
        assert sorted(tie.r for tie in smaller) == holding


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    st.floats(0.02, 0.7),
    st.floats(0.15, 0.28),
    st.sampled_from([0.025, 0.05, 0.1, 0.2]),
    st.sampled_from([0.1, 0.2, 0.3]),
)
def test_error_rates_hold_by_an_independent_sum_for_every_design_returned(p0, gap, alpha, beta):
    found = simon_designs(p0, p0 + gap, alpha, beta)
    for design in (found.optimal, found.minimax, *found.admissible, *found.optimal_ties):
        assert 0 <= design.r1 < design.n1 < design.n
        first = np.arange(design.r1 + 1, design.n1 + 1)
        spent, power = (
            (
                binom.pmf(first, design.n1, p) * binom.sf(design.r - first, design.n - design.n1, p)
            ).sum()
            for p in (p0, p0 + gap)
        )
        assert spent <= alpha + 1e-11
        assert power >= 1 - beta - 1e-11
    assert found.proved
    assert found.optimal.expected_n(p0) <= found.minimax.expected_n(p0) + 1e-9
    assert found.minimax.n <= found.optimal.n
    weights = [(each.weight_low, each.weight_high) for each in found.admissible]
    assert (weights[0][1], weights[-1][0]) == (1, 0)
    assert all(low == next_high for (low, _), (_, next_high) in itertools.pairwise(weights))
    single = found.single_stage
    assert binom.sf(single.r, single.n, p0) <= alpha + 1e-11
    assert binom.sf(single.r, single.n, p0 + gap) >= 1 - beta - 1e-11


@pytest.mark.parametrize("p0,p1,alpha,beta", [(0.1, 0.3, 0.05, 0.2), (0.4, 0.6, 0.05, 0.1)])
def test_no_smaller_single_stage_will_do(p0, p1, alpha, beta):
    found = simon_designs(p0, p1, alpha, beta).single_stage
    for n in range(1, found.n):
        r = np.arange(n)
        assert not ((binom.sf(r, n, p0) <= alpha) & (binom.sf(r, n, p1) >= 1 - beta)).any()


def test_a_collinear_design_is_admissible_at_one_weight():
    """clinfun for (.5, .65, .1, .1): EN 55.5, 54.5, 53.5 at n 74, 76, 78, on one line."""
    found = {each.n: each for each in simon_designs(0.5, 0.65, 0.1, 0.1).admissible}
    assert found[76].weight_low == pytest.approx(1 / 3, abs=1e-9)
    assert found[76].weight_high == pytest.approx(1 / 3, abs=1e-9)


def test_n_max_too_small_says_what_is_needed():
    with pytest.raises(ValueError, match=r"n_max is too small.*n <= 20.*n = 25"):
        simon_designs(0.1, 0.3, 0.05, 0.2, n_max=20)


def test_n_max_between_minimax_and_optimal_says_that_the_optimum_is_not_proved():
    found = simon_designs(0.1, 0.3, 0.05, 0.2, n_max=26)
    assert not found.proved
    assert found.optimal.n == 26
    assert found.searched_to == 26
    assert found.single_stage == SingleStageDesign(5, 25)
    assert simon_designs(0.1, 0.3, 0.05, 0.2, n_max=100).proved


def test_designs_without_an_interim_look_are_not_two_stage_designs():
    """clinfun returns r1 = -1 for p0 = .001, p1 = .2 (facts of the peers): ours has r1 >= 0."""
    assert thresholds(simon_designs(0.001, 0.2, 0.05, 0.2).optimal)[0] == 0


@pytest.mark.parametrize("n1", [5, 8, 13])
def test_given_n1(n1):
    question = (0.1, 0.5, 0.1, 0.1)
    found = constrained_designs(*question, n1=n1)
    assert found.optimal.n1 == found.minimax.n1 == n1
    assert found.searched_to <= 36
    held = [each for each in brute_force(*question, 36) if each[2] == n1]
    assert found.optimal.expected_n(0.1) == pytest.approx(min(held)[0], abs=1e-9)
    assert found.minimax.n == min(each[1] for each in held)


@pytest.mark.parametrize("min_pet", [0.5, 0.7, 0.8])
def test_minimum_pet(min_pet):
    question = (0.1, 0.5, 0.1, 0.1)
    found = constrained_designs(*question, min_pet=min_pet)
    assert found.optimal.probability_of_early_termination(0.1) >= min_pet
    assert found.searched_to <= 36
    held = [
        each for each in brute_force(*question, 36) if binom.cdf(each[3], each[2], 0.1) >= min_pet
    ]
    assert found.optimal.expected_n(0.1) == pytest.approx(min(held)[0], abs=1e-9)


def test_constraints_together_and_largest_n():
    found = constrained_designs(0.1, 0.3, 0.05, 0.2, n1=12, n_max=30, min_pet=0.6)
    assert found.optimal.n1 == 12
    assert found.optimal.n <= 30
    assert constrained_designs(0.1, 0.3, 0.05, 0.2).optimal == TwoStageDesign(1, 10, 5, 29)


@pytest.mark.parametrize(
    "limits,named",
    [
        ({"n1": 0}, "n1"),
        ({"n1": 3}, "n1"),
        ({"n1": 10, "min_pet": 0.99}, "min_pet"),
        ({"min_pet": 1.0}, "min_pet"),
        ({"n_max": 1}, "n_max"),
        ({"n1": 12, "n_max": 20}, "n_max"),
    ],
)
def test_constraints_that_nothing_meets_are_refused_by_name(limits, named):
    with pytest.raises(ValueError, match=f"^{named} "):
        constrained_designs(0.1, 0.3, 0.05, 0.2, **limits)


@pytest.mark.parametrize(
    "question,named",
    [
        ((0.0, 0.3, 0.05, 0.2), "p0"),
        ((0.1, 1.0, 0.05, 0.2), "p1"),
        ((0.3, 0.3, 0.05, 0.2), "p0"),
        ((0.1, 0.3, 0.0, 0.2), "alpha"),
        ((0.1, 0.3, 0.05, 1.0), "beta"),
    ],
)
def test_a_question_without_an_answer_is_refused_by_name(question, named):
    with pytest.raises(ValueError, match=f"^{named} must"):
        simon_designs(*question)


@pytest.mark.slow
def test_rates_too_close_are_refused_after_the_largest_n():
    with pytest.raises(ValueError, match="p1 is too close to p0"):
        simon_designs(0.5, 0.505, 0.05, 0.1)


def test_error_rates_that_ask_for_nothing_still_give_two_stages():
    found = simon_designs(0.2, 0.6, 0.9, 0.9)
    assert thresholds(found.minimax)[1::2] == (1, 2)
    assert found.characteristics(found.optimal).power >= 0.1


def test_the_single_stage_is_found_after_the_first_tables():
    question = _Question(0.1, 0.3, 0.05, 0.2)
    assert _single_stage(question, _Tables(question, 5)) == SingleStageDesign(5, 25)
