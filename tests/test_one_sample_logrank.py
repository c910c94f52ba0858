"""The size of the one-sample log-rank test: Wu 2015, R's integrate and OneArm2stage."""

import pytest

from sap.methods.one_sample_logrank import one_sample_logrank_size

# (survival0, survival1, at, shape, accrual, follow_up, alpha, beta): n before rounding, p0, p1, sd, by
# R 4.2.2's integrate over time of the formulas of Wu 2015.
BY_R = {
    (0.5, 0.5 ** (1 / 1.75), 9, 1.22, 5, 3, 0.05, 0.2): (
        87.3154607205, 0.3411446979, 0.1949398274, 0.4817594499,
    ),
    (0.3, 0.5, 12, 1, 24, 12, 0.05, 0.2): (
        28.4376929773, 1.2671071600, 0.7294946798, 1.2064604335,
    ),
    (0.62, 0.75, 2, 1, 3, 2, 0.05, 0.1): (
        76.2565638855, 0.6494741018, 0.3908536876, 0.7278802427,
    ),
    (0.4, 0.6, 12, 1, 0, 24, 0.1, 0.2): (20.116151629, 1.147996579, 0.64, 1.075666546),
    (0.2, 0.35, 12, 1.5, 36, 12, 0.05, 0.2): (
        40.1978019829, 1.4385373212, 0.9383451794, 1.4240175387,
    ),
}  # fmt: skip


@pytest.mark.parametrize("design", BY_R)
def test_the_integrals_are_those_of_r(design):
    n, p0, p1, sd = BY_R[design]
    size = one_sample_logrank_size(*design)
    found = (size.expected_hazard, size.probability_of_event, size.sd)
    assert found == pytest.approx((p0, p1, sd), abs=2e-9)
    assert size.n == int(n) + 1
    assert size.events == pytest.approx(size.n * p1, rel=1e-8)
    assert size.events_historical == pytest.approx(size.n * p0, rel=1e-8)


def test_wu_2015_needs_88_patients():
    """The example of R logRank1s: SampleSize(0.05, 0.8, ta = 5, tf = 3, m0 = 9, delta = 1/1.75, k = 1.22)."""
    assert one_sample_logrank_size(0.5, 0.5 ** (1 / 1.75), 9, 1.22, 5, 3, 0.05, 0.2).n == 88


def test_one_arm_2stage_needs_45_patients_in_one_stage():
    """phase2.TTE(shape=0.5, S0=0.6, x0=3, hr=0.5, tf=1, rate=5, alpha=0.05, beta=0.15): 45 in 9 years."""
    size = one_sample_logrank_size(0.6, 0.6**0.5, 3, 0.5, 9, 1, 0.05, 0.15)
    assert size.n == 45
    assert size.critical_value == pytest.approx(1.644854, abs=5e-7)


def test_the_power_of_the_answer_is_enough_and_one_patient_less_is_not():
    size = one_sample_logrank_size(0.3, 0.5, 12, 1, 24, 12, 0.05, 0.2)
    assert size.power == size.power_of(size.n) >= 0.8 > size.power_of(size.n - 1)


def test_without_follow_up_after_the_last_patient_less_is_seen():
    followed = one_sample_logrank_size(0.3, 0.5, 12, 1, 24, 12, 0.05, 0.2)
    stopped = one_sample_logrank_size(0.3, 0.5, 12, 1, 24, 0, 0.05, 0.2)
    assert stopped.probability_of_event < followed.probability_of_event
    assert stopped.n > followed.n


@pytest.mark.parametrize(
    "place,value,named",
    [
        (0, 1, "survival0 "), (1, 0, "survival1 "), (1, 0.3, "survival1 must exceed"),
        (2, 0, "at and shape"), (3, -1, "at and shape"), (4, -1, "accrual and follow_up"),
        (5, -1, "accrual and follow_up"), (6, 0, "alpha "), (7, 1, "beta "),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_named(place, value, named):
    given = [0.3, 0.5, 12, 1, 24, 12, 0.05, 0.2]
    given[place] = value
    with pytest.raises(ValueError, match=f"^{named}"):
        one_sample_logrank_size(*given)
    with pytest.raises(ValueError, match="accrual and follow_up"):
        one_sample_logrank_size(0.3, 0.5, 12, 1, 0, 0, 0.05, 0.2)
