"""Kaplan-Meier, its intervals and quantiles, restricted mean, log-rank, small-sample interval.

Saved answers of other programs: tests/reference/survival_*.csv, written by survival_reference.R.
"""

import csv
import math
import subprocess
from collections import defaultdict
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sap.methods.proportion import clopper_pearson
from sap.methods.risk_sets import risk_sets
from sap.methods.survival import (
    beta_product,
    beta_product_moments,
    interval,
    kaplan_meier,
    logrank,
    quantile,
    reverse_kaplan_meier,
    rmst,
)

REFERENCE = Path(__file__).parent / "reference"
TRANSFORMS = ["plain", "log", "log-log", "logit", "arcsin"]
DRUG = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
DRUG_EVENT = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
CAMIS = ([54, 75, 77, 84, 87, 92, 103, 105, 112, 118], [1, 1, 1, 1, 1, 0, 0, 0, 0, 0])


def number(text):
    return math.nan if text in ("NA", "") else float(text)


def read(name):
    with (REFERENCE / f"survival_{name}.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def by(rows, *keys):
    groups = defaultdict(list)
    for row in rows:
        groups[tuple(row[key] for key in keys)].append(row)
    return groups


def column(rows, name):
    return np.array([number(row[name]) for row in rows])


def cases(family):
    return {
        case: (column(rows, "time"), column(rows, "event"), column(rows, "entry"))
        for (case,), rows in by([r for r in read("cases") if r["family"] == family], "case").items()
    }


CURVES = cases("curve")
GROUPS = by([row for row in read("cases") if row["family"] == "groups"], "case")


# --- by hand -----------------------------------------------------------------------------------


def test_therneau_validate_vignette_test_data_1():
    """time 1: 6 at risk, 1 event -> 5/6; time 6: 4 at risk, 2 events -> 5/12; time 9: 1 -> 0."""
    curve = kaplan_meier(time=[1, 1, 6, 6, 8, 9], event=[1, 0, 1, 1, 0, 1])
    assert curve.time.tolist() == [1, 6, 8, 9]
    assert curve.at_risk.tolist() == [6, 4, 2, 1]
    assert curve.events.tolist() == [1, 2, 0, 1]
    assert curve.censored.tolist() == [1, 0, 1, 0]
    assert curve.survival == pytest.approx([5 / 6, 5 / 12, 5 / 12, 0], abs=1e-15)
    # Greenwood: (5/6)^2 / 30 and (5/12)^2 (1/30 + 2/8); at S = 0 not defined.
    greenwood = [(5 / 6) ** 2 / 30, (5 / 12) ** 2 * (1 / 30 + 1 / 4)]
    assert curve.standard_error[:2] ** 2 == pytest.approx(greenwood, rel=1e-14)
    assert math.isnan(curve.standard_error[3])


def test_freireich_6mp_product_of_fractions_klein_moeschberger_example_4_1():
    """21 patients, events at 6 (3 of 21), 7 (1 of 17), 10 (15), 13 (12), 16 (11), 22 (7), 23 (6)."""
    curve = kaplan_meier(DRUG, DRUG_EVENT)
    at_risk = {6: 21, 7: 17, 10: 15, 13: 12, 16: 11, 22: 7, 23: 6}
    survival, greenwood = Fraction(1), Fraction(0)
    for time, r in at_risk.items():
        d = 3 if time == 6 else 1
        survival *= Fraction(r - d, r)
        greenwood += Fraction(d, r * (r - d))
        place = curve.time.tolist().index(time)
        assert curve.survival[place] == pytest.approx(float(survival), rel=1e-14)
        error = float(survival) * math.sqrt(greenwood)
        assert curve.standard_error[place] == pytest.approx(error, rel=1e-14)


@pytest.mark.parametrize(
    "transform, forward, slope, backward",
    [
        ("plain", lambda s: s, lambda _: 1, lambda g: min(max(g, 0), 1)),
        ("log", math.log, lambda s: 1 / s, lambda g: min(math.exp(g), 1)),
        (
            "log-log",
            lambda s: math.log(-math.log(s)),
            lambda s: 1 / (s * math.log(s)),
            lambda g: math.exp(-math.exp(g)),
        ),
        (
            "logit",
            lambda s: math.log(s / (1 - s)),
            lambda s: 1 / (s * (1 - s)),
            lambda g: 1 / (1 + math.exp(-g)),
        ),
        (
            "arcsin",
            lambda s: math.asin(math.sqrt(s)),
            lambda s: 1 / (2 * math.sqrt(s * (1 - s))),
            lambda g: math.sin(min(max(g, 0), math.pi / 2)) ** 2,
        ),
    ],
)
@pytest.mark.parametrize("t", [6, 10, 23, 30])
def test_interval_by_the_delta_method_written_out(transform, forward, slope, backward, t):
    curve = kaplan_meier(DRUG, DRUG_EVENT)
    place = np.searchsorted(curve.time, t, side="right") - 1
    s, se = curve.survival[place], curve.standard_error[place]
    reach = 1.6448536269514722 * abs(slope(s)) * se  # normal quantile of 0.95, printed in any table
    expected = sorted((backward(forward(s) - reach), backward(forward(s) + reach)))
    assert interval(curve, t, 0.90, transform) == pytest.approx(expected, rel=1e-12)


def test_rmst_by_hand():
    """1 x 1 + 5 x 5/6 + 2 x 5/12 = 6; areas after the events 5 and 5/6."""
    estimate, error = rmst(kaplan_meier([1, 1, 6, 6, 8, 9], [1, 0, 1, 1, 0, 1]), tau=8)
    assert estimate == pytest.approx(6, abs=1e-14)
    assert error**2 == pytest.approx(25 / 30 + (5 / 6) ** 2 / 4, rel=1e-14)


def test_delayed_entry_by_hand():
    """Entry 0, 0, 2, 4; exit 3 (event), 5 (event), 6 (event), 7: at risk 3 at 3, 3 at 5, 2 at 6."""
    curve = kaplan_meier([3, 5, 6, 7], [1, 1, 1, 0], entry=[0, 0, 2, 4])
    assert curve.at_risk.tolist() == [3, 3, 2, 1]
    assert curve.survival == pytest.approx([2 / 3, 4 / 9, 2 / 9, 2 / 9])


def test_entry_at_an_event_time_is_not_yet_at_risk():
    assert kaplan_meier([3, 5], [1, 1], entry=[0, 3]).at_risk.tolist() == [1, 1]


# --- R, saved ----------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CURVES)
def test_curves_and_intervals_as_r_survfit(case):
    curve = kaplan_meier(*CURVES[case])
    for transform in TRANSFORMS:
        rows = CURVE_ROWS[case, transform]
        for name in ("time", "at_risk", "events", "censored", "survival"):
            assert getattr(curve, name) == pytest.approx(column(rows, name), rel=1e-12, abs=1e-14)
        some = curve.survival > 0
        error = column(rows, "standard_error")
        assert curve.standard_error[some] == pytest.approx(error[some], rel=1e-11)
        low, high = interval(curve, curve.time, 0.95, transform)
        between = some & (curve.survival < 1)
        assert low[between] == pytest.approx(column(rows, "low")[between], rel=1e-10, abs=1e-13)
        assert high[between] == pytest.approx(column(rows, "high")[between], rel=1e-10, abs=1e-13)
        # survival 3.5-3 prints NA before the first event for two transforms, 3.8-6 prints 1.
        assert (low[curve.survival == 1] == 1).all()
        assert np.isnan(low[~some]).all()
        assert np.isnan(high[~some]).all()


CURVE_ROWS = by(read("curves"), "case", "transform")
QUANTILE_ROWS = by(read("quantiles"), "case")


@pytest.mark.parametrize("case", CURVES)
def test_quantiles_and_limits_as_r_quantile_survfit(case):
    curve = kaplan_meier(*CURVES[case])
    for row in QUANTILE_ROWS[case,]:
        mine = quantile(curve, float(row["p"]), 0.95, row["transform"])
        theirs = [number(row[name]) for name in ("estimate", "low", "high")]
        assert list(mine) == pytest.approx(theirs, rel=1e-12, nan_ok=True), row


@pytest.mark.parametrize("case", CURVES)
def test_restricted_mean_as_r_survmean(case):
    curve = kaplan_meier(*CURVES[case])
    for row in by(read("rmst"), "case")[case,]:
        mine = rmst(curve, float(row["tau"]))
        assert mine.estimate == pytest.approx(float(row["estimate"]), rel=1e-12)
        assert mine.standard_error == pytest.approx(float(row["standard_error"]), rel=1e-10)


PRODUCT = by(read("bpcp"), "case")


@pytest.mark.parametrize("case", [case for (case,) in PRODUCT])
def test_beta_product_as_bpcp(case):
    """Its default matches moments: equal to ours of that name; its Monte Carlo nears our exact one."""
    curve = kaplan_meier(*CURVES[case])
    for row in PRODUCT[case,]:
        t = float(row["time"])
        theirs = (float(row["low"]), float(row["high"]))
        assert beta_product_moments(curve, t, 0.95) == pytest.approx(theirs, rel=1e-9, abs=1e-12)
        random = (float(row["low_monte_carlo"]), float(row["high_monte_carlo"]))
        assert beta_product(curve, t, 0.95) == pytest.approx(random, abs=0.006)


LOGRANK = by(read("logrank"), "case", "rho")


@pytest.mark.parametrize("case, rho", LOGRANK)
def test_logrank_as_r_survdiff(case, rho):
    rows = GROUPS[case,]
    answer = LOGRANK[case, rho]
    group = [row["group"] for row in rows]
    mine = logrank(column(rows, "time"), column(rows, "event"), group, rho=float(rho))
    assert list(mine.groups) == [row["group"] for row in answer]
    assert mine.observed == pytest.approx(column(answer, "observed"), rel=1e-12, abs=1e-13)
    assert mine.expected == pytest.approx(column(answer, "expected"), rel=1e-12)
    assert mine.statistic == pytest.approx(float(answer[0]["statistic"]), rel=1e-9)


# --- conventions: where lifelines, statsmodels, R and SAS part -----------------------------------


def lifelines_fit(time, event, **more):
    from lifelines import KaplanMeierFitter

    return KaplanMeierFitter().fit(time, event, **more)


def test_camis_median_102_5_as_r_where_sas_prints_ne_and_python_peers_neither():
    """CAMIS, "R vs SAS - Kaplan Meier": R (87 + 118) / 2 = 102.5, SAS NE."""
    from statsmodels.duration.survfunc import SurvfuncRight

    assert quantile(kaplan_meier(*CAMIS), 0.5, 0.95, "log-log").estimate == 102.5
    assert lifelines_fit(*CAMIS).median_survival_time_ == 87.0
    assert math.isnan(SurvfuncRight(np.array(CAMIS[0]), np.array(CAMIS[1])).quantile(0.5))


def test_camis_survival_after_the_last_time_is_ne_as_sas_where_r_carries_0_5_on():
    """CAMIS, same page: day 120 with the last patient censored at 118; and dying there."""
    curve = kaplan_meier(*CAMIS)
    assert curve.at(118) == pytest.approx(0.5)
    assert interval(curve, 118, 0.95, "log-log") == pytest.approx((0.184, 0.753), abs=5e-4)
    assert math.isnan(curve.at(120))
    assert all(math.isnan(limit) for limit in interval(curve, 120, 0.95, "log-log"))
    assert kaplan_meier(CAMIS[0], [*CAMIS[1][:-1], 1]).at(120) == 0
    assert float(lifelines_fit(*CAMIS).predict(120)) == pytest.approx(0.5)


def test_median_on_a_flat_stretch_is_its_middle_where_lifelines_and_statsmodels_take_an_end():
    """t = 1 ... 10, all events: R 5.5, lifelines 5, statsmodels 6 (statistics of R by hand too)."""
    from statsmodels.duration.survfunc import SurvfuncRight

    time, event = np.arange(1, 11), np.ones(10)
    assert quantile(kaplan_meier(time, event), 0.5, 0.95, "log-log").estimate == 5.5
    assert lifelines_fit(time, event).median_survival_time_ == 5
    assert SurvfuncRight(time, event).quantile(0.5) == 6


def test_median_at_0_5_for_ever_runs_to_the_last_observed_time_as_r():
    """t = 1 ... 6, events 1, 2, 3: S is 0.5000000000000001 in floating point; R 4.5."""
    assert (
        quantile(kaplan_meier([1, 2, 3, 4, 5, 6], [1, 1, 1, 0, 0, 0]), 0.5, 0.95, "plain")[0] == 4.5
    )
    assert lifelines_fit([1, 2, 3, 4, 5, 6], [1, 1, 1, 0, 0, 0]).median_survival_time_ == math.inf


def test_upper_limit_of_the_median_is_ne_when_only_the_fall_to_0_crosses_it():
    """Two patients, events at 1 and 2. R: upper NA. lifelines takes the last time, 2."""
    from lifelines.utils import median_survival_times

    assert math.isnan(quantile(kaplan_meier([1, 2], [1, 1]), 0.5, 0.95, "log-log").high)
    band = lifelines_fit([1, 2], [1, 1]).confidence_interval_
    assert median_survival_times(band).iloc[0, 1] == 2


@pytest.mark.filterwarnings("ignore::scipy.integrate.IntegrationWarning")  # lifelines' own
def test_rmst_error_is_that_of_the_mean_where_lifelines_gives_the_spread_of_patients():
    """6-MP patients to 30 weeks; R's survmean is among the saved answers for the same curve."""
    from lifelines.utils import restricted_mean_survival_time

    area = rmst(kaplan_meier(DRUG, DRUG_EVENT), 30)
    estimate, variance = restricted_mean_survival_time(
        lifelines_fit(DRUG, DRUG_EVENT), t=30, return_variance=True
    )
    assert area.estimate == pytest.approx(estimate, rel=1e-4)
    assert math.sqrt(variance) > 3 * area.standard_error


def test_times_that_differ_by_rounding_are_one_time_where_lifelines_sees_two():
    """0.1 + 0.2 and 0.3; R (timefix = TRUE) and we: one time with two events."""
    curve = kaplan_meier([0.1 + 0.2, 0.3, 1.0], [1, 1, 0])
    assert curve.time.tolist() == [0.3, 1.0]
    assert curve.events.tolist() == [2, 0]
    assert len(lifelines_fit([0.1 + 0.2, 0.3, 1.0], [1, 1, 0]).event_table) == 4  # with time 0


def test_a_limit_that_rises_again_counts_from_its_first_crossing_as_r_prints():
    """Two at risk at first, then ten more enter: the lower limit of S(t) falls, rises and falls.

    R 4.2.2, survival 3.5-3: print.survfit gives a lower limit of 1; quantile.survfit gives 6, after
    the median of 1.5, because it looks for the value of the limit nearest to 1/2.
    """
    time = [1, 8, 9, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    curve = kaplan_meier(time, [1] * 12, entry=[0, 0] + [1.5] * 10)
    low = interval(curve, curve.time, 0.95, "log-log").low
    assert low[:6] == pytest.approx(
        [0.005983, 0.009601, 0.012956, 0.015480, 0.016839, 0.016884], abs=1e-6
    )
    assert quantile(curve, 0.5, 0.95, "log-log") == (1.5, 1, 8)


@pytest.mark.shared
def test_standard_of_care_time_to_progression_median_14_3_published_lifelines_13_8(shared_data):
    """Zhang et al., eLife 2022;11:e76284: 14.3 months; S is 0.5 between 13.8 and 14.8."""
    with (shared_data / "adaptive-abiraterone" / "ttp.csv").open(encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines) if row["arm"] == "control"]
    time = [float(row["ttp_months"]) for row in rows]
    event = [1 - int(row["censored"]) for row in rows]
    median = quantile(kaplan_meier(time, event), 0.5, 0.95, "log-log").estimate
    assert median == pytest.approx(14.3, abs=1e-9)
    assert lifelines_fit(time, event).median_survival_time_ == pytest.approx(13.8)


@pytest.mark.shared
def test_gastric_xelox_median_44_5_weeks_asaur(shared_data):
    with (shared_data / "asaur" / "gastricXelox.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    curve = kaplan_meier([float(r["timeWeeks"]) for r in rows], [int(r["delta"]) for r in rows])
    assert (int(curve.at_risk[0]), int(curve.events.sum())) == (48, 32)
    assert quantile(curve, 0.5, 0.95, "log-log").estimate == 44.5


@pytest.mark.shared
@pytest.mark.parametrize(
    "name, arm, patients, events, median",
    [  # kmdata/INDEX.csv, itself from the digitised publications
        ("CA184043_2A", "placebo", 400, 296, 10.1),
        ("CA184043_2A", "ipilimumab", 399, 265, 11.4),
        ("COMET1_2A", "prednisone", 346, 210, 9.77),
        ("COMET1_2A", "cabozantinib", 682, 401, 11.1),
    ],
)
def test_digitised_prostate_trials(shared_data, name, arm, patients, events, median):
    with (shared_data / "kmdata" / f"{name}.csv").open(encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines) if row["arm"] == arm]
    curve = kaplan_meier([float(r["time"]) for r in rows], [int(r["event"]) for r in rows])
    assert (len(rows), int(curve.events.sum())) == (patients, events)
    assert quantile(curve, 0.5, 0.95, "log-log").estimate == pytest.approx(median, rel=0.006)


@pytest.mark.parametrize("rho, gamma", [(0, 1), (1, 1), (0.5, 0.5), (0.5, 2)])
def test_fleming_harrington_gamma_as_lifelines(rho, gamma):
    from lifelines.statistics import logrank_test

    rows = GROUPS["6mp",]
    time, event = column(rows, "time"), column(rows, "event")
    drug = np.array([row["group"] == "drug" for row in rows])
    theirs = logrank_test(
        time[drug],
        time[~drug],
        event[drug],
        event[~drug],
        weightings="fleming-harrington",
        p=rho,
        q=gamma,
    )
    mine = logrank(time, event, drug, rho, gamma)
    assert mine.statistic == pytest.approx(theirs.test_statistic, rel=1e-9)
    assert mine.p_value == pytest.approx(theirs.p_value, rel=1e-8)


def test_logrank_is_the_score_test_of_cox_with_delayed_entry_by_hand():
    """Entry 0, 0, 2, 1; event times 3, 4, 5, 6, groups a, b, a, b: expected 1/2 + 1/3 + 1/2 in a."""
    test = logrank([3, 4, 5, 6], [1, 1, 1, 1], ["a", "b", "a", "b"], entry=[0, 0, 2, 1])
    assert test.expected == pytest.approx((1 / 2 + 1 / 3 + 1 / 2, 1 / 2 + 2 / 3 + 1 / 2 + 1))
    assert test.statistic == pytest.approx((2 - 4 / 3) ** 2 / (1 / 4 + 2 / 9 + 1 / 4), rel=1e-12)


# --- beta product --------------------------------------------------------------------------------


@pytest.mark.parametrize("n, died", [(5, 2), (10, 1), (20, 7), (60, 30), (200, 3)])
def test_beta_product_is_clopper_pearson_without_censoring(n, died):
    """Fay, Brittain & Proschan 2013: the procedure reduces to the exact binomial interval."""
    curve = kaplan_meier(np.arange(1, n + 1), np.ones(n))
    expected = clopper_pearson(n - died, n, 0.95)
    assert beta_product(curve, died + 0.5, 0.95) == pytest.approx(tuple(expected), abs=1e-12)


def test_beta_product_is_exact_where_bpcp_matches_moments():
    """Censoring that leaves 3 at risk: the two-moment fit is 0.04 too wide above.

    Two million draws of the product (2.5 and 97.5 % quantiles known to 0.001) say which is right.
    """
    steps = [(51, 2), (43, 1), (40, 2), (35, 1), (33, 2), (24, 1), (22, 1), (3, 1)]
    time, event, at_risk = [], [], 51
    for place, (r, d) in enumerate(steps, start=1):
        time += [place - 0.5] * (at_risk - r) + [place] * d
        event += [0] * (at_risk - r) + [1] * d
        at_risk = r - d
    time, event = [*time, *[9.0] * at_risk], [*event, *[0] * at_risk]
    curve = kaplan_meier(time, event)
    draws = np.random.default_rng(7)
    product = np.ones(1_000_000)
    for r, d in steps:
        product *= draws.beta(r - d + 1, d, product.size)
    high = float(np.quantile(product, 0.975))
    low = float(np.quantile(product * draws.beta(2, 1, product.size), 0.025))
    assert beta_product(curve, 8.5, 0.95) == pytest.approx((low, high), abs=1e-3)
    assert beta_product_moments(curve, 8.5, 0.95).high > high + 0.03


def test_beta_product_before_the_first_event_and_after_everybody_left():
    curve = kaplan_meier([2, 3, 4], [0, 1, 0])
    assert beta_product(curve, 1, 0.95).high == 1
    assert beta_product(curve, 1, 0.95).low == pytest.approx(0.025 ** (1 / 3))  # Beta(3, 1)
    assert beta_product(curve, 5, 0.95).low == 0
    assert 0.5 < beta_product(curve, 5, 0.95).high < 1
    gone = kaplan_meier([1], [1])
    assert beta_product(gone, 1, 0.95) == pytest.approx((0, 0.975))  # Clopper-Pearson 0 of 1


def test_beta_product_refuses_delayed_entry():
    with pytest.raises(ValueError, match="delayed entry"):
        beta_product(kaplan_meier([3, 5, 6], [1, 1, 0], entry=[0, 3, 0]), 5, 0.95)


# --- properties ------------------------------------------------------------------------------------

POSSIBLE_PATIENTS = st.lists(
    st.tuples(st.integers(0, 30), st.booleans(), st.integers(0, 29)), min_size=1, max_size=25
)
bounded = settings(derandomize=True, deadline=None, max_examples=120)


def same(one, other, scale=1.0):
    assert other.time == pytest.approx(one.time * scale)
    for name in ("at_risk", "events", "censored"):
        assert getattr(other, name).tolist() == getattr(one, name).tolist()
    for name in ("survival", "standard_error"):
        assert getattr(other, name) == pytest.approx(getattr(one, name), nan_ok=True)


@bounded
@given(POSSIBLE_PATIENTS, st.randoms(use_true_random=False))
def test_order_of_patients_does_not_matter(patients, chance):
    patients = [(t, e, min(b, t - 1) if t else 0) for t, e, b in patients]
    mixed = list(patients)
    chance.shuffle(mixed)
    one = kaplan_meier(*map(list, zip(*patients, strict=True)))
    other = kaplan_meier(*map(list, zip(*mixed, strict=True)))
    for name in ("time", "at_risk", "events", "censored", "survival"):
        assert getattr(one, name).tolist() == getattr(other, name).tolist()  # to the last bit


@bounded
@given(POSSIBLE_PATIENTS, st.sampled_from([0.01, 1 / 30.4375, 7.0, 365.25]))
def test_unit_of_time_does_not_matter(patients, scale):
    time, event, _ = (np.array(part) for part in zip(*patients, strict=True))
    one, other = kaplan_meier(time, event), kaplan_meier(time * scale, event)
    same(one, other, scale)
    for transform in ("log-log", "plain"):
        first = quantile(one, 0.5, 0.9, transform)
        second = quantile(other, 0.5, 0.9, transform)
        assert list(second) == pytest.approx([x * scale for x in first], nan_ok=True)


@bounded
@given(st.lists(st.integers(0, 30), min_size=1, max_size=40))
def test_without_censoring_it_is_the_empirical_survival_function(times):
    curve = kaplan_meier(times, [1] * len(times))
    n = len(times)
    left = np.array([sum(time > t for time in times) / n for t in curve.time])
    assert curve.survival == pytest.approx(left, abs=1e-14)
    inside = left > 0
    binomial = np.sqrt(left * (1 - left) / n)
    assert curve.standard_error[inside] == pytest.approx(binomial[inside], abs=1e-14)
    assert rmst(curve, max(times) + 1).estimate == pytest.approx(np.mean(times), abs=1e-12)


@bounded
@given(POSSIBLE_PATIENTS)
def test_entry_at_0_is_no_delayed_entry(patients):
    time, event, _ = zip(*patients, strict=True)
    same(kaplan_meier(time, event), kaplan_meier(time, event, entry=[0] * len(time)))


@bounded
@given(POSSIBLE_PATIENTS)
def test_logrank_of_two_groups_changes_only_names_when_they_are_swapped(patients):
    time, event, label = (np.array(part) for part in zip(*patients, strict=True))
    one = logrank(time, event, label % 2)
    other = logrank(time, event, 1 - label % 2)
    assert one.statistic == pytest.approx(other.statistic, nan_ok=True)
    assert sum(one.observed) == pytest.approx(sum(one.expected))


@bounded
@given(POSSIBLE_PATIENTS, st.sampled_from(TRANSFORMS), st.floats(0.5, 0.999))
def test_limits_enclose_the_curve_and_stay_within_0_and_1(patients, transform, conf_level):
    time, event, _ = zip(*patients, strict=True)
    curve = kaplan_meier(time, event)
    low, high = interval(curve, curve.time, conf_level, transform)
    there = curve.survival > 0
    assert np.isnan(low[~there]).all()
    assert ((low >= 0) & (low <= curve.survival + 1e-12))[there].all()
    assert ((high <= 1) & (high >= curve.survival - 1e-12))[there].all()


@settings(derandomize=True, deadline=None, max_examples=40)
@given(POSSIBLE_PATIENTS)
def test_beta_product_encloses_the_curve_and_falls(patients):
    time, event, _ = zip(*patients, strict=True)
    curve = kaplan_meier(time, event)
    limits = [beta_product(curve, t, 0.95) for t in curve.time]
    for (low, high), s in zip(limits, curve.survival, strict=True):
        assert 0 <= low <= s + 1e-12
        assert s - 1e-12 <= high <= 1
    assert (np.diff([x.low for x in limits]) <= 1e-12).all()
    assert (np.diff([x.high for x in limits]) <= 1e-12).all()


# --- edges -----------------------------------------------------------------------------------------


def test_no_patient_has_the_event():
    curve = kaplan_meier([3, 5, 8], [0, 0, 0])
    assert curve.survival.tolist() == [1, 1, 1]
    assert interval(curve, 8, 0.95, "log-log") == (1, 1)
    assert all(map(math.isnan, quantile(curve, 0.5, 0.95, "log-log")))
    assert rmst(curve, 8) == (8, 0)
    assert math.isnan(curve.at(8.1))
    assert math.isnan(logrank([3, 5, 8], [0, 0, 0], [1, 2, 1]).p_value)


def test_one_patient():
    died, left = kaplan_meier([4], [1]), kaplan_meier([4], [0])
    assert (died.at(3.9), died.at(4), died.at(9)) == (1, 0, 0)
    assert quantile(died, 0.5, 0.95, "log-log").estimate == 4
    assert left.at(4) == 1
    assert rmst(died, 10) == (4, 0)


def test_a_vector_of_times_is_read_like_one_time_after_the_other():
    curve = kaplan_meier(DRUG, DRUG_EVENT)
    times = [0, 5.9, 6, 22.5, 35, 36]
    assert curve.at(times) == pytest.approx([curve.at(t) for t in times], nan_ok=True)
    low, high = interval(curve, times, 0.95, "logit")
    each = [interval(curve, t, 0.95, "logit") for t in times]
    assert low == pytest.approx([one.low for one in each], nan_ok=True)
    assert high == pytest.approx([one.high for one in each], nan_ok=True)


def test_a_long_curve_is_the_same_whether_its_limits_are_computed_in_blocks_or_one_by_one():
    draws = np.random.default_rng(3)
    time, event = draws.exponential(10, 90_000), draws.random(90_000) < 0.8
    curve = kaplan_meier(time, event)
    low, high = interval(curve, curve.time, 0.95, "log-log")
    for place in (0, 32_767, 32_768, 70_000):
        one = interval(curve, float(curve.time[place]), 0.95, "log-log")
        assert (low[place], high[place]) == pytest.approx(tuple(one), rel=1e-12)
    median = quantile(curve, 0.5, 0.95, "log-log")
    assert list(median) == [curve.time[np.argmax(y < 0.5)] for y in (curve.survival, low, high)]


def test_event_at_time_0():
    curve = kaplan_meier([0, 0, 2], [1, 0, 1])
    assert curve.at(0) == pytest.approx(2 / 3)
    assert rmst(curve, 2).estimate == pytest.approx(4 / 3)


def test_events_come_before_censoring_at_the_same_time():
    assert kaplan_meier([5, 5], [0, 1]).survival.tolist() == [0.5]


def test_before_the_first_event_the_interval_is_1_to_1_and_at_0_not_estimable():
    curve = kaplan_meier([1, 2, 3], [0, 1, 1])
    for transform in TRANSFORMS:
        assert interval(curve, 1.5, 0.95, transform) == (1, 1)
        assert all(map(math.isnan, interval(curve, 3, 0.95, transform)))


def test_reverse_kaplan_meier_flips_the_indicator_only():
    """At 3 one dies and one is censored: for the follow-up 1 of 4, the dead still at risk (R flip)."""
    curve = reverse_kaplan_meier([3, 3, 6, 7], [1, 0, 1, 0])
    assert curve.survival == pytest.approx([3 / 4, 3 / 4, 0])
    assert quantile(curve, 0.5, 0.95, "log-log").estimate == 7


def test_rmst_refuses_a_tau_after_the_last_time_unless_the_curve_is_0_there():
    with pytest.raises(ValueError, match="tau"):
        rmst(kaplan_meier([1, 2], [1, 0]), 2.1)
    assert rmst(kaplan_meier([1, 2], [0, 1]), 2.5).estimate == 2


@pytest.mark.parametrize(
    "time, event, entry, name",
    [
        ([], [], None, "time"),
        ([[1, 2]], [1, 1], None, "time"),
        ([-1, 2], [1, 1], None, "time"),
        ([math.nan, 2], [1, 1], None, "time"),
        ([math.inf, 2], [1, 1], None, "time"),
        ([1, 2], [1], None, "event"),
        ([1, 2], [1, 2], None, "event"),
        ([1, 2], [1, -1], None, "event"),
        ([1, 2], [1, math.nan], None, "event"),
        ([1, 2], [1, 0.5], None, "event"),
        ([1, 2], ["yes", "no"], None, "event"),
        ([1, 2], [1, 1], [0], "entry"),
        ([1, 2], [1, 1], [0, 2], "entry"),
        ([1, 2], [1, 1], [0, -1], "entry"),
        ([1, 2], [1, 1], [0, math.nan], "entry"),
        ([1, 2], [1, 1], [0, 2 - 1e-12], "entry"),
    ],
)
def test_impossible_data_are_refused_by_the_name_of_the_argument(time, event, entry, name):
    with pytest.raises(ValueError, match=f"^{name}: "):
        kaplan_meier(time, event, entry)


def test_impossible_questions_are_refused_by_the_name_of_the_argument():
    curve = kaplan_meier([1, 2, 3], [1, 1, 0])
    for name, ask in {
        "t": lambda: interval(curve, math.nan, 0.95, "log"),
        "conf_level": lambda: interval(curve, 1, 1.0, "log"),
        "transform": lambda: interval(curve, 1, 0.95, "loglog"),
        "p": lambda: quantile(curve, 0, 0.95, "log"),
        "tau": lambda: rmst(curve, math.nan),
        "group": lambda: logrank([1, 2], [1, 1], [1]),
        "rho": lambda: logrank([1, 2], [1, 1], [1, 2], rho=-1),
    }.items():
        with pytest.raises(ValueError, match=f"^{name}"):
            ask()
    with pytest.raises(ValueError, match=r"^t: "):
        curve.at(-1)


# --- R, running ------------------------------------------------------------------------------------


@pytest.mark.r
@pytest.mark.slow
def test_the_saved_results_are_those_of_r_here(tmp_path):
    script, data = REFERENCE / "survival_reference.R", REFERENCE / "survival_cases.csv"
    subprocess.run(["Rscript", script, data, tmp_path], check=True, capture_output=True)
    for name in ("curves", "quantiles", "rmst", "incidence", "logrank", "cox", "zph"):
        fresh = (tmp_path / f"survival_{name}.csv").read_text(encoding="utf-8").splitlines()
        saved = (REFERENCE / f"survival_{name}.csv").read_text(encoding="utf-8").splitlines()
        assert len(fresh) == len(saved)
        for new, old in zip(fresh[1:], saved[1:], strict=True):
            for left, right in zip(new.split(","), old.split(","), strict=True):
                if left != right and not (left == "NA" or right == "NA"):
                    assert float(left) == pytest.approx(float(right), rel=1e-8, abs=1e-10), name


R_DATA = """
suppressMessages(library(survival))
options(digits = 17)
show <- function(name, y) {
  f <- survfit(y ~ 1, conf.type = "log-log")
  q <- quantile(f, c(0.25, 0.5, 0.75))
  m <- summary(f, rmean = median(f$time))$table
  late <- ncol(y) == 3
  cat(name, "|", unlist(q), "|", m[["rmean"]], m[["se(rmean)"]], median(f$time), "|",
      y[, if (late) 2 else 1], "|", y[, if (late) 3 else 2], "|",
      if (late) y[, 1] else rep(0, nrow(y)), "\\n")
}
show("lung", with(lung, Surv(time, status)))
show("veteran", with(veteran, Surv(time, status)))
show("ovarian", with(ovarian, Surv(futime, fustat)))
show("aml", with(aml, Surv(time, status)))
show("pbc", with(pbc, Surv(time, status == 2)))
show("colon", with(colon[colon$etype == 2, ], Surv(time, status)))
show("mgus", with(mgus, Surv(futime, death)))
show("rats", with(rats, Surv(time, status)))
show("kidney", with(kidney, Surv(time, status)))
show("heart", with(heart, Surv(start, stop, event)))
show("myeloma", with(myeloma[myeloma$entry < myeloma$futime, ], Surv(entry, futime, death)))
"""


@pytest.mark.r
def test_data_sets_of_the_survival_package():
    answer = subprocess.run(
        ["Rscript", "-e", R_DATA], check=True, capture_output=True, text=True
    ).stdout
    lines = answer.strip().splitlines()
    assert len(lines) == 11
    for line in lines:
        name, quantiles, means, time, event, entry = line.split("|")
        values = [[number(x) for x in part.split()] for part in (quantiles, means)]
        data = [np.array(part.split(), dtype=float) for part in (time, event, entry)]
        curve = kaplan_meier(*data)
        mine = [quantile(curve, p, 0.95, "log-log") for p in (0.25, 0.5, 0.75)]
        order = [part for parts in zip(*mine, strict=True) for part in parts]
        assert order == pytest.approx(values[0], rel=1e-9, nan_ok=True), name
        area = rmst(curve, values[1][2])
        assert list(area) == pytest.approx(values[1][:2], rel=1e-8), name


@pytest.mark.parametrize(
    "group, message",
    [
        ([1, 2], "group: expected 3 values, one for each time"),
        ([1.0, float("nan"), 2.0], "group: every patient needs a group"),
    ],
)
def test_logrank_refuses_a_group_that_is_missing(group, message):
    with pytest.raises(ValueError, match=message):
        logrank([1, 2, 3], [1, 1, 1], group)


def test_a_time_of_minus_zero_is_the_first_time():
    """Its sign is no part of the time: the event at -0.0 precedes the one at 1."""
    sets = risk_sets(np.array([1.0, -0.0, 2.0]), np.array([1, 1, 0]), causes=1)
    assert sets.time.tolist() == [0.0, 1.0, 2.0]
    assert sets.at_risk.tolist() == [3, 2, 1]
    assert [counts.tolist() for counts in sets.counts] == [[0, 0, 1], [1, 1, 0]]


def test_times_are_near_ties_by_the_mean_of_the_distinct_times():
    """Of 1, 1, 1000 and 1000 + 1e-6 the mean of the distinct is 667: 1e-6 is below 1.5e-8 of it, and no step."""
    sets = risk_sets(np.array([1.0, 1.0, 1000.0, 1000.0 + 1e-6]), np.array([1, 0, 1, 1]), causes=1)
    assert sets.time.tolist() == [1.0, 1000.0]
    assert [counts.tolist() for counts in sets.counts] == [[1, 0], [1, 2]]
