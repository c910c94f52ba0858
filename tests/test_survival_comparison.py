"""Exploratory survival: groups and AR-V7 against R, waiting time by hand."""

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sap import ard
from sap.derivations.survival import with_baseline_status
from sap.plan import read_plan
from sap.qc import cox as qc_cox
from sap.qc import kaplan_meier
from sap.qc.subjects import Subject
from sap.results.survival_comparison import by_arv7, by_group, guarantee_time

HERE = Path(__file__).parents[1] / "analysis"
PLAN = read_plan(HERE / "plan.yml").plan
CABA = read_plan(HERE / "plan-caba-v7.yml").plan


def stats_of(parts, **where) -> pd.Series:
    rows = ard.bind(parts)
    for name, value in where.items():
        rows = rows[rows[name] == value]
    return rows.set_index("stat_name")["stat"]


# Freireich's 42 patients: weeks in remission, placebo (here group B) and drug (group A).
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]
DRUG = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
RELAPSED = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]


def freireich():
    who = [f"{i:02d}" for i in range(42)]
    adsl = pd.DataFrame(
        {
            "USUBJID": who, "GROUP": ["B"] * 21 + ["A"] * 21, "AGE": 70.0, "CTCBL": 10.0,
            "ARV7BL": ["POSITIVE"] * 21 + ["NEGATIVE"] * 21, "ECOGBL": 1.0,
        }
    )  # fmt: skip
    adtte = pd.DataFrame(
        {
            "USUBJID": who * 2,
            "PARAMCD": ["OS"] * 42 + ["OSCENS"] * 42,
            "AVAL": [float(w) for w in PLACEBO + DRUG] * 2,
            "CNSR": [1 - e for e in [1] * 21 + RELAPSED] * 2,
        }
    )
    return adsl, adtte


@pytest.mark.req("SAP-5.6.1")
def test_group_b_against_a_has_the_numbers_of_r():
    """R survival 3.4: coxph(Surv(t, e) ~ b) 4.8168739 (2.1465082 to 10.809311), cox.zph p 0.87981289;
    survdiff chi-square 16.8 (16.79 in Cox 1972's re-analyses)."""
    rows = by_group(*freireich(), PLAN)
    cox = stats_of(rows, paramcd="OS", level="Cox", sublevel="Group B")
    assert cox["hazard_ratio"] == pytest.approx(4.8168739, abs=1e-6)
    assert (cox["conf_low"], cox["conf_high"]) == pytest.approx((2.1465082, 10.809311), rel=1e-6)
    assert cox["ph_p_value"] == pytest.approx(0.87981289, rel=1e-6)
    test = stats_of(rows, paramcd="OS", level="Log-rank")
    assert round(test["statistic"], 1) == 16.8
    methods = set(ard.bind(rows).query("level in ('Cox', 'Log-rank')")["method"])
    assert all("exploratory" in words for words in methods)


def test_covariates_that_do_not_vary_are_said_to_be_the_reason():
    rows = ard.bind(by_arv7(*freireich(), PLAN))
    ratio = rows[(rows["level"] == "Cox") & (rows["stat_name"] == "hazard_ratio")]
    assert len(ratio) == len(PLAN.survival_comparison.covariates)
    assert ratio["stat"].isna().all()
    assert ratio["stat_text"].str.contains("constant").all()


def test_a_subject_without_a_covariate_is_counted_and_left_out():
    adsl, adtte = freireich()
    rng = np.random.default_rng(1)
    adsl["AGE"], adsl["CTCBL"] = rng.normal(70, 6, 42), rng.integers(3, 90, 42).astype(float)
    adsl["ECOGBL"] = rng.integers(0, 3, 42).astype(float)
    adsl.loc[[0, 30], "ECOGBL"] = np.nan
    whole = stats_of(by_arv7(adsl, adtte, PLAN), level="Cox", sublevel="")
    assert (whole["N"], whole["n_missing"]) == (40, 2)


def test_a_trial_without_groups_compares_none():
    assert by_group(*freireich(), CABA) == []


def test_waiting_for_treatment_is_taken_out_by_delayed_entry():
    """By hand, months: entries 0, 1, 3, deaths 2, 5, 4.

    As if always at risk: S is 2/3, 1/3, 0 at 2, 4, 5, the median 4. At risk from the entry: at 2 one
    of two dies, at 4 one of two: S is 1/2 from 2 to 4, the median the middle of it, 3. From the
    entry on: times 2, 4, 1, the median 2.
    """
    month = PLAN.survival.days_per_month
    who = ["1", "2", "3"]
    adsl = pd.DataFrame({"USUBJID": who, "PRIMFL": "Y", "MPOSFL": "Y"})
    adtte = pd.DataFrame(
        {
            "USUBJID": who, "PARAMCD": "OSSCR", "AVAL": np.array([2, 5, 4]) * month, "CNSR": 0,
            "ENTRY": np.array([0, 1, 3]) * month,
        }
    )  # fmt: skip
    rows = guarantee_time(adsl, adtte, PLAN)
    levels = {
        "From screening, as if always at risk": 4,
        "From screening, at risk from the first dose": 3,
        "From the first dose": 2,
    }
    for level, median in levels.items():
        got = stats_of(rows, population="PRIMARY", level=level)
        assert got["median"] == pytest.approx(median), level
        assert got["n_excluded"] == 0


def test_the_landmark_takes_subjects_alive_and_splits_them_by_what_had_happened():
    """By hand at day 42: 1 died on day 42 (out), 2 treated on day 42, 3 later, 4 never."""
    who = ["1", "2", "3", "4"]
    adsl = pd.DataFrame({"USUBJID": who, "PRIMFL": "N", "MPOSFL": "Y"})
    adtte = pd.DataFrame(
        {
            "USUBJID": who, "PARAMCD": "OSSCR", "AVAL": [42.0, 100, 200, 300], "CNSR": [0, 0, 0, 1],
            "ENTRY": [10.0, 42, 43, np.nan],
        }
    )  # fmt: skip
    rows = guarantee_time(adsl, adtte, PLAN)
    counts = {
        group: stats_of(rows, population="MARKERPOS", group=group)["N"]
        for group in ("Treated by then", "Not treated by then")
    }
    assert counts == {"Treated by then": 1, "Not treated by then": 2}
    assert stats_of(rows, population="MARKERPOS", group="")["n_excluded"] == 1


def small_groups(rmst_months: float):
    """Two groups with times in days of a plan whose month is a day, and that plan."""
    survival = PLAN.survival.model_copy(update={"days_per_month": 1.0, "rmst_months": rmst_months})
    groups = {
        "POSITIVE": ([1, 1, 6, 6, 8, 9], [1, 0, 1, 1, 0, 1]),
        "NEGATIVE": ([2, 4, 10], [1, 1, 0]),
    }
    rows = [
        (f"{state}{place}", state, float(day), 1 - event)
        for state, (days, events) in groups.items()
        for place, (day, event) in enumerate(zip(days, events, strict=True))
    ]
    frame = pd.DataFrame(rows, columns=["USUBJID", "ARV7BL", "AVAL", "CNSR"])
    adsl = frame[["USUBJID", "ARV7BL"]].assign(CTCBL=5.0, AGE=70.0, ECOGBL=1.0, GROUP="B")
    return adsl, frame.drop(columns="ARV7BL").assign(PARAMCD="OS"), survival, groups


@pytest.mark.parametrize(
    "months, tau, difference, error",
    [
        # By hand. To 8: 6 (Klein and Moeschberger's sum, variance 1.006944) less
        # 2 + 2 x 2/3 + 4 x 1/3 = 14/3, variance (8/3)^2 / 6 + (4/3)^2 / 2 = 2.074074.
        (8.0, 8.0, 4 / 3, (1.006944444 + 2.074074074) ** 0.5),
        # To 12, but the first group was followed for 9: 77/12 less 5.
        (12.0, 9.0, 17 / 12, None),
    ],
)
def test_the_difference_of_restricted_means_by_hand(months, tau, difference, error):
    adsl, adtte, survival, groups = small_groups(months)
    plan = PLAN.model_copy(update={"survival": survival})
    got = stats_of(by_arv7(adsl, adtte, plan), level="RMST difference")
    assert got["tau"] == tau
    assert got["estimate"] == pytest.approx(difference, rel=1e-12)
    assert error is None or got["standard_error"] == pytest.approx(error, rel=1e-8)
    reach = 1.959963984540054 * got["standard_error"]
    assert got["conf_low"] == pytest.approx(difference - reach, rel=1e-9)
    sides = [list(zip(*groups[state], strict=True)) for state in ("POSITIVE", "NEGATIVE")]
    second = kaplan_meier.mean_difference(*sides, plan)
    assert {name: second[name] for name in got.index} == pytest.approx(got.to_dict(), rel=1e-12)


def test_a_small_p_of_the_test_of_proportional_hazards_is_flagged():
    """The flag follows the plan's number: p of this model is between 0 and 1."""
    rng = np.random.default_rng(3)
    adsl, adtte, *_ = small_groups(8.0)
    adsl["CTCBL"] = rng.integers(0, 50, len(adsl)).astype(float)
    rule = PLAN.survival_comparison.model_copy(update={"covariates": ["log2(CTC + 1)"]})
    flags = []
    for limit in (1e-12, 1 - 1e-12):
        changed = rule.model_copy(update={"ph_doubt_below": limit})
        plan = PLAN.model_copy(update={"survival_comparison": changed})
        flags.append(stats_of(by_arv7(adsl, adtte, plan), level="Cox", sublevel="")["ph_doubtful"])
    assert flags == [0.0, 1.0]


def test_the_status_at_baseline_is_the_last_one_not_after_allocation():
    adsl = pd.DataFrame(
        {
            "USUBJID": ["1", "2", "3"],
            "ALLOCDT": pd.to_datetime(["2018-02-01", None, "2018-02-01"]),
            "RFICDT": pd.Timestamp("2018-01-01"),
            "TRTSDT": pd.to_datetime(["2018-02-01", None, "2018-02-10"]),
        }
    )
    rs = pd.DataFrame(
        [
            ("1", 1.0, "ECOG", "0", "2018-01-01"), ("1", 2.0, "ECOG", "1", "2018-02-01"),
            ("1", 3.0, "ECOG", "2", "2018-02-02"), ("2", 1.0, "ECOG", "2", "2018-01-01"),
            ("3", 1.0, "ECOG", "1", "2018-02"),
        ],
        columns=["USUBJID", "RSSEQ", "RSTESTCD", "RSSTRESC", "RSDTC"],
    )  # fmt: skip
    rule = PLAN.baseline.model_copy(update={"window_days": 0})
    got = with_baseline_status(adsl, rs, rule)["ECOGBL"]
    assert got.tolist()[:2] == [1.0, 2.0]
    assert np.isnan(got[2])  # a month is no day
    assert with_baseline_status(adsl, None, rule)["ECOGBL"].isna().all()


def test_a_status_taken_at_registration_counts_within_the_window_and_before_treatment():
    """Day 0 is the allocation, 2018-02-01; window 14 days; worked out by hand."""
    whole = [
        # subject, first dose, statuses (day, value), expected
        ("1", None, [("2018-02-09", "1")], 1.0),  # 8 days later, not treated
        ("2", None, [("2018-02-15", "1"), ("2018-02-09", "0")], 0.0),  # the first of two
        ("3", None, [("2018-02-16", "1")], None),  # 15 days: too late
        ("4", "2018-02-05", [("2018-02-06", "1")], None),  # after the first dose
        ("5", "2018-02-05", [("2018-02-05", "1")], 1.0),  # on the day of the first dose
        ("6", None, [("2018-01-01", "2"), ("2018-02-02", "0")], 2.0),  # an earlier one goes first
    ]
    adsl = pd.DataFrame(
        {
            "USUBJID": [one[0] for one in whole],
            "ALLOCDT": pd.Timestamp("2018-02-01"),
            "RFICDT": pd.Timestamp("2018-01-01"),
            "TRTSDT": pd.to_datetime([one[1] for one in whole]),
        }
    )
    rs = pd.DataFrame(
        [
            (who, float(seq), "ECOG", value, day)
            for who, _, statuses, _ in whole
            for seq, (day, value) in enumerate(statuses)
        ],
        columns=["USUBJID", "RSSEQ", "RSTESTCD", "RSSTRESC", "RSDTC"],
    )
    window = {"window_days": 14, "window_measures": ["ECOG"]}
    plan = PLAN.model_copy(update={"baseline": PLAN.baseline.model_copy(update=window)})
    got = with_baseline_status(adsl, rs, plan.baseline)["ECOGBL"]
    expected = [one[3] for one in whole]
    assert [None if np.isnan(value) else value for value in got] == expected
    second = [
        qc_cox.status(
            Subject(
                who,
                allocated=dt.date(2018, 2, 1),
                first_dose=dt.date.fromisoformat(dose) if dose else None,
            ),
            rs[rs["USUBJID"] == who].to_dict("records"),
            plan,
        )
        for who, dose, _, _ in whole
    ]
    assert second == expected
