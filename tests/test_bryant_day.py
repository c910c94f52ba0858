"""Response and toxicity together: the example of Bryant and Day, and R EurosarcBayes."""

import pytest

from sap.methods.bryant_day import JointDesign, bryant_day

EXAMPLE = JointDesign(r1=5, t1=8, n1=19, r=12, t=11, n=33)

# EurosarcBayes 1.1, freq_binom_two_bryantday_twostage, which counts those who go on and those without
# toxicity: (r1 + 1, n1 - t1 + 1, n1, r + 1, n - t + 1, n), both errors, power, the larger expected n.
BY_R = {
    "optimal 0.1 0.3 0.3 0.1": (
        (0.1, 0.3, 0.3, 0.1, 0.1, 0.1, 0.2, 27), "optimal", (3, 13, 16, 5, 22, 27),
        (0.08703984741, 0.09556828041, 0.8033088293, 18.43570474),
    ),
    "minimax 0.1 0.3 0.3 0.1": (
        (0.1, 0.3, 0.3, 0.1, 0.1, 0.1, 0.2, 27), "minimax", (1, 7, 10, 5, 20, 24),
        (0.07468358792, 0.09624234133, 0.8003140089, 19.0018288),
    ),
    "0.3 0.5 0.4 0.2, errors 0.15": (
        (0.3, 0.5, 0.4, 0.2, 0.15, 0.15, 0.15, 36), "optimal", (6, 12, 19, 13, 23, 33),
        (0.1447446041, 0.1458079782, 0.8542211642, 26.19445836),
    ),
    "0.3 0.5 0.4 0.2, errors 0.1": (
        (0.3, 0.5, 0.4, 0.2, 0.1, 0.1, 0.1, 48), "optimal", (10, 20, 32, 19, 34, 48),
        (0.0945234967, 0.07611201941, 0.9007248206, 40.0298522),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BY_R)
def test_the_search_finds_the_design_of_eurosarcbayes(case):
    question, kind, (c1r, c1t, n1, cr, ct, n), numbers = BY_R[case]
    found = getattr(bryant_day(*question), kind)
    expected = JointDesign(c1r - 1, n1 - c1t + 1, n1, cr - 1, n - ct + 1, n)
    assert found.design == expected
    answer = (found.alpha_response, found.alpha_toxicity, found.power, found.expected_n)
    assert answer == pytest.approx(numbers, abs=5e-9)


def test_the_example_of_the_paper():
    """Bryant and Day 1995, p 1379: N1 19, N 33, C_R1 5, C_R 12, C_T1 11, C_T 22, for rates of response
    0.3 and 0.5 and rates without toxicity 0.6 and 0.8."""
    found = bryant_day(0.3, 0.5, 0.4, 0.2, 0.15, 0.15, 0.15, 36)
    assert found.optimal.design == found.minimax.design == EXAMPLE
    assert (EXAMPLE.n1 - EXAMPLE.t1, EXAMPLE.n - EXAMPLE.t) == (11, 22)


# R 4.2.2: dmultinom over all four-fold counts of both stages
BY_ENUMERATION = {
    (0.5, 0.2, 1): (0.85422116425, 0.05432249077, 32.23948512919),
    (0.3, 0.2, 4): (0.1348372383, 0.4923184335, 26.1075419317),
    (0.5, 0.4, 0.25): (0.1556752997, 0.5190904792, 25.7327332910),
}


@pytest.mark.parametrize("truth", BY_ENUMERATION)
def test_the_characteristics_at_an_odds_ratio(truth):
    assert EXAMPLE.characteristics(*truth) == pytest.approx(BY_ENUMERATION[truth], abs=5e-10)


def test_with_every_patient_responding_only_toxicity_decides():
    """P(7 or fewer of 19) and P(10 or fewer of 33): the design is one for toxicity alone."""
    sure = EXAMPLE.characteristics(1.0, 0.2, 1.0)
    assert EXAMPLE.characteristics(1.0, 0.0, 1.0).probability_of_acceptance == pytest.approx(1)
    assert 1 - sure.probability_of_early_termination == pytest.approx(
        0.9767, abs=5e-4
    )  # pbinom(7, 19, .2)
    assert EXAMPLE.characteristics(0.0, 0.0, 1.0).probability_of_acceptance == 0


@pytest.mark.parametrize(
    "call,named",
    [
        (lambda: bryant_day(0.5, 0.3, 0.4, 0.2, 0.1, 0.1, 0.1, 40), "p_r1 must exceed"),
        (lambda: bryant_day(0.3, 0.5, 0.2, 0.4, 0.1, 0.1, 0.1, 40), "p_t0 must exceed"),
        (lambda: bryant_day(0.3, 0.5, 0.4, 0.2, 0, 0.1, 0.1, 40), "alpha_response "),
        (lambda: bryant_day(0.3, 0.5, 0.4, 0.2, 0.1, 0.1, 0.1, 12), "n_max is too small"),
        (lambda: JointDesign(5, 8, 5, 12, 11, 33), "r1 must be smaller"),
        (lambda: JointDesign(5, 8, 19, 4, 11, 33), "r must lie"),
        (lambda: JointDesign(5, 20, 19, 12, 11, 33), "t1 must lie"),
        (lambda: EXAMPLE.characteristics(0.5, 0.2, 0), "odds_ratio "),
        (lambda: EXAMPLE.characteristics(1.5, 0.2, 1), "p_response "),
    ],
)
def test_a_wrong_argument_is_named(call, named):
    with pytest.raises(ValueError, match=f"^{named}"):
        call()
