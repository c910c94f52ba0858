"""Exploratory survival: groups and marker status against R, guarantee time by hand."""

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr

from sap import ard
from sap.derivations.survival import with_baseline_status
from sap.plan import read_plan
from sap.qc import cox as qc_cox
from sap.qc import kaplan_meier
from sap.qc.subjects import Subject
from sap.results import survival_comparison as results
from sap.results.survival_comparison import by_group, by_marker, guarantee_time

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
            "MARKBL": ["POSITIVE"] * 21 + ["NEGATIVE"] * 21, "ECOGBL": 1.0,
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
@pytest.mark.worked("os_group")
def test_group_b_against_a_has_the_numbers_of_r():
    """R survival 3.4: coxph(Surv(t, e) ~ b) 4.8168739 (2.1465082 to 10.809311), cox.zph p 0.87981289;
    survdiff chi-square 16.8 (16.79 in Cox 1972's re-analyses)."""
    rows = by_group(*freireich(), PLAN)
    cox = stats_of(rows, paramcd="OS", level="cox", sublevel="group_b")
    assert cox["hazard_ratio"] == pytest.approx(4.8168739, abs=1e-6)
    assert (cox["conf_low"], cox["conf_high"]) == pytest.approx((2.1465082, 10.809311), rel=1e-6)
    assert cox["ph_p_value"] == pytest.approx(0.87981289, rel=1e-6)
    test = stats_of(rows, paramcd="OS", level="log_rank")
    assert round(test["statistic"], 1) == 16.8
    methods = set(ard.bind(rows).query("level in ('cox', 'log_rank')")["method"])
    assert all("exploratory" in words for words in methods)


def test_covariates_that_do_not_vary_are_the_reason_of_ne():
    rows = ard.bind(by_marker(*freireich(), PLAN))
    ratio = rows[(rows["level"] == "cox") & (rows["stat_name"] == "hazard_ratio")]
    assert len(ratio) == len(PLAN.survival_comparison.covariates)
    assert ratio["stat"].isna().all()
    assert ratio["stat_text"].str.contains("constant").all()


def test_a_subject_without_a_covariate_is_counted_as_missing():
    adsl, adtte = freireich()
    rng = np.random.default_rng(1)
    adsl["AGE"], adsl["CTCBL"] = rng.normal(70, 6, 42), rng.integers(3, 90, 42).astype(float)
    adsl["ECOGBL"] = rng.integers(0, 3, 42).astype(float)
    adsl.loc[[0, 30], "ECOGBL"] = np.nan
    whole = stats_of(by_marker(adsl, adtte, PLAN), level="cox", sublevel="")
    assert (whole["N"], whole["n_missing"]) == (40, 2)


def weeks(**rule: object):
    """The plan whose month is a week of the data."""
    return PLAN.model_copy(
        update={
            "survival": PLAN.survival.model_copy(update={"days_per_month": 1.0}),
            "survival_comparison": PLAN.survival_comparison.model_copy(update=rule),
        }
    )


# Kaplan-Meier of 6-mercaptopurine as printed by Collett and by Kleinbaum and Klein (3 decimals), with
# the numbers at risk; the patients at risk every 6 weeks are counted in DRUG.
PRINTED = {6: (0.857, 21), 7: (0.807, 17), 10: (0.753, 15), 13: (0.690, 12), 16: (0.627, 11),
           22: (0.538, 7), 23: (0.448, 6)}  # fmt: skip
AT_RISK = {"0": 21, "6": 21, "12": 12, "18": 9, "24": 5, "30": 4, "36": 0}


@pytest.mark.worked("os_group_curve", "os_group_at_risk", "os_marker_curve", "os_marker_at_risk")
@pytest.mark.parametrize(
    "made, analysis, drug", [(by_group, "os_group", "A"), (by_marker, "os_marker", "NEGATIVE")]
)
def test_the_curve_of_each_group_is_the_printed_one(made, analysis, drug):
    rows = ard.bind(made(*freireich(), weeks()))
    mine = rows[(rows["group"] == drug) & (rows["paramcd"] == "OS")]
    steps = mine[mine["analysis"] == f"{analysis}_curve"]
    wide = steps.pivot_table(index="level", columns="stat_name", values="stat", dropna=False)
    falls = wide[wide["n_events"] > 0].set_index("time")
    assert falls["estimate"].round(3).to_dict() == {t: s for t, (s, _) in PRINTED.items()}
    assert falls["at_risk"].to_dict() == {t: n for t, (_, n) in PRINTED.items()}
    assert wide["n_events"].sum() == 9
    assert wide["n_censored"].sum() == 12
    below = mine[(mine["analysis"] == f"{analysis}_at_risk") & (mine["stat_name"] == "at_risk")]
    assert dict(zip(below["level"], below["stat"], strict=True)) == AT_RISK


@pytest.mark.req("SAP-5.6.1")
@pytest.mark.worked("os_marker")
def test_marker_positive_against_negative_has_the_published_numbers():
    """Freireich's patients, placebo as positive: medians 8 and 23 weeks, log-rank 16.79, p 0.0000417.

    R survival 3.4, coxph with Efron's ties: hazard ratio 4.8168739 (2.1465082 to 10.809311).
    """
    rows = by_marker(*freireich(), weeks(covariates=["marker_positive"]))
    for group, median, events in (("POSITIVE", 8, 21), ("NEGATIVE", 23, 9)):
        of_group = stats_of(rows, analysis="os_marker", group=group, level="")
        assert (of_group["N"], of_group["n_events"], of_group["median"]) == (21, events, median)
    undetermined = stats_of(rows, analysis="os_marker", group="UNDETERMINED", level="")
    assert undetermined["N"] == 0
    rank = stats_of(rows, level="log_rank")
    assert (rank["N"], rank["df"]) == (42, 1)
    assert rank["statistic"] == pytest.approx(16.79, abs=0.005)
    assert rank["p_value"] == pytest.approx(4.17e-5, abs=5e-8)
    cox = stats_of(rows, level="cox", sublevel="marker_positive")
    found = (cox["hazard_ratio"], cox["conf_low"], cox["conf_high"])
    assert found == pytest.approx((4.8168739, 2.1465082, 10.809311), rel=1e-6)
    model = stats_of(rows, level="cox", sublevel="")
    assert (model["N"], model["n_events"], model["n_missing"]) == (42, 30, 0)
    assert model["ph_doubtful"] == 0


def test_a_trial_without_groups_compares_none():
    assert by_group(*freireich(), CABA) == []


@pytest.mark.worked("os_guarantee")
def test_guarantee_time_is_removed_by_left_truncation():
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
        "at_risk_from_screening": 4,
        "left_truncated": 3,
        "from_first_dose": 2,
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
        for group in ("treated", "not_treated")
    }
    assert counts == {"treated": 1, "not_treated": 2}
    landmark = {"population": "MARKERPOS", "level": "landmark"}
    assert stats_of(rows, group="", **landmark)["n_excluded"] == 1
    # from day 42: treated 58 days; not treated 158 days to death, 258 to censoring. One event of two groups
    # at day 58, when 1 of 3 at risk is treated: expected 1/3, variance 2/9; then no treated patient is left.
    # chi-square (1 - 1/3)^2 / (2/9) = 2, p 0.1573 by the table of chi-square with 1 degree of freedom
    assert stats_of(rows, group="", **landmark)["p_value"] == pytest.approx(0.157299, abs=1e-6)
    month = PLAN.survival.days_per_month
    assert stats_of(rows, group="treated", **landmark)["median"] == pytest.approx(58 / month)


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
    frame = pd.DataFrame(rows, columns=["USUBJID", "MARKBL", "AVAL", "CNSR"])
    adsl = frame[["USUBJID", "MARKBL"]].assign(CTCBL=5.0, AGE=70.0, ECOGBL=1.0, GROUP="B")
    return adsl, frame.drop(columns="MARKBL").assign(PARAMCD="OS"), survival, groups


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
    got = stats_of(by_marker(adsl, adtte, plan), level="rmst_difference")
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
    rule = PLAN.survival_comparison.model_copy(update={"covariates": ["log2_ctc"]})
    flags = []
    for limit in (1e-12, 1 - 1e-12):
        changed = rule.model_copy(update={"ph_doubt_below": limit})
        plan = PLAN.model_copy(update={"survival_comparison": changed})
        flags.append(
            stats_of(by_marker(adsl, adtte, plan), level="cox", sublevel="")["ph_doubtful"]
        )
    assert flags == [0.0, 1.0]
    p = stats_of(by_marker(adsl, adtte, plan), level="cox", sublevel="")["ph_p_value"]
    for limit, flag in ((p, 0), (np.nextafter(p, 1), 1)):  # below the limit, and not at it
        changed = rule.model_copy(update={"ph_doubt_below": float(limit)})
        plan = PLAN.model_copy(update={"survival_comparison": changed})
        model = stats_of(by_marker(adsl, adtte, plan), level="cox", sublevel="")
        assert model["ph_doubtful"] == flag


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


def text_and_stats(parts, **where: str) -> dict[str, float | str]:
    """The statistics at one place of the ARD; an axis that is not named is empty there."""
    rows = ard.bind(parts)
    for name, value in ({"group": "", "level": "", "sublevel": ""} | where).items():
        rows = rows[rows[name] == value]
    return {r.stat_name: r.stat_text or r.stat for r in rows.itertuples()}


def marked(*subjects: tuple[str, float, int], months: float = 8.0):
    """ADSL, ADTTE and a plan whose month is a day, of marker status, day and event."""
    frame = pd.DataFrame(subjects, columns=["MARKBL", "AVAL", "EVENT"])
    frame = frame.assign(
        USUBJID=[f"{n:02d}" for n in range(len(frame))], PARAMCD="OS", CNSR=1 - frame["EVENT"],
        AVAL=frame["AVAL"].astype(float),
    )  # fmt: skip
    adsl = frame[["USUBJID", "MARKBL"]].assign(CTCBL=5.0, AGE=70.0, ECOGBL=1.0, GROUP="B")
    plan = weeks(covariates=["marker_positive"])
    survival = plan.survival.model_copy(update={"rmst_months": months})
    adtte = frame[["USUBJID", "PARAMCD", "AVAL", "CNSR"]]
    return adsl, adtte, plan.model_copy(update={"survival": survival})


FEW = "fewer than two groups at any event"
NO_GROUP = "a group without follow-up"
DIFFERENCE = ("tau", "estimate", "standard_error", "conf_low", "conf_high")


def test_the_whole_of_a_comparison_of_two_groups():
    """Freireich's patients to 12 weeks; R as above. p of Wald's test from the limits of R.

    Placebo, all events: the mean of the smaller of time and 12. Drug: 6 + 1 x 6/7 + 3 x 6/7 x 16/17
    + 2 x 6/7 x 16/17 x 14/15.
    """
    plan = weeks(covariates=["marker_positive"])
    plan = plan.model_copy(
        update={"survival": plan.survival.model_copy(update={"rmst_months": 12.0})}
    )
    placebo = sum(min(week, 12) for week in PLACEBO) / 21
    s7 = 6 / 7
    drug = 6 + s7 + 3 * s7 * 16 / 17 + 2 * s7 * 16 / 17 * 14 / 15
    error = np.log(10.809311 / 2.1465082) / (2 * 1.959963984540054)
    p = 2 * float(ndtr(-np.log(4.8168739) / error))
    for made, paramcd, name in (
        (by_marker, "OS", "marker_positive"), (by_group, "OS", "group_b"),
        (by_group, "OSCENS", "group_b"),
    ):  # fmt: skip
        parts = made(*freireich(), plan)
        rank = text_and_stats(parts, paramcd=paramcd, level="log_rank")
        assert set(rank) == {"N", "statistic", "df", "p_value"}
        assert (rank["N"], rank["df"]) == (42, 1)
        mean = text_and_stats(parts, paramcd=paramcd, level="rmst_difference")
        assert (mean["tau"], mean["conf_level"]) == (12, 0.95)
        assert mean["estimate"] == pytest.approx(placebo - drug)
        covariate = text_and_stats(parts, paramcd=paramcd, level="cox", sublevel=name)
        assert covariate == pytest.approx(
            {"hazard_ratio": 4.8168739, "conf_low": 2.1465082, "conf_high": 10.809311,
             "conf_level": 0.95, "p_value": p, "ph_p_value": 0.87981289},
            rel=1e-4,
        )  # fmt: skip
        model = text_and_stats(parts, paramcd=paramcd, level="cox")
        assert model == pytest.approx(
            {"N": 42, "n_events": 30, "n_missing": 0, "ph_p_value": 0.87981289, "ph_doubtful": 0},
            rel=1e-6,
        )  # fmt: skip


@pytest.mark.parametrize(
    "subjects, rank, difference",
    [
        # no negative patient, so nothing is compared
        ([("POSITIVE", 1, 1), ("POSITIVE", 5, 1)], FEW, NO_GROUP),
        # the negative patient is lost before the first death: one group at every event
        ([("NEGATIVE", 2, 0), ("POSITIVE", 5, 1), ("POSITIVE", 6, 1)], FEW, 0.0),
        # all are followed for no time at all
        ([("NEGATIVE", 0, 0), ("POSITIVE", 0, 0)], FEW, NO_GROUP),
    ],
)
def test_groups_that_cannot_be_compared_have_the_reason(subjects, rank, difference):
    adsl, adtte, plan = marked(*subjects)
    parts = by_marker(adsl, adtte, plan)
    expected = {"N": len(subjects), "p_value": rank}
    assert text_and_stats(parts, level="log_rank") == expected
    mean = text_and_stats(parts, level="rmst_difference")
    if difference == NO_GROUP:
        assert mean == {"conf_level": 0.95, **dict.fromkeys(DIFFERENCE, NO_GROUP)}
    else:  # to day 2, when all live
        assert (mean["tau"], mean["estimate"]) == (2, difference)


def test_a_difference_of_means_to_a_time_of_less_than_a_month():
    """To half a month: all positive patients live, one of two negative dies at 0.25: 0.5 less 0.375."""
    adsl, adtte, plan = marked(
        ("POSITIVE", 3, 1), ("NEGATIVE", 0.25, 1), ("NEGATIVE", 2, 1), months=0.5
    )
    mean = text_and_stats(by_marker(adsl, adtte, plan), level="rmst_difference")
    assert (mean["tau"], mean["estimate"]) == (0.5, pytest.approx(0.125))


def test_undetermined_patients_alone_have_a_curve_and_no_comparison():
    adsl, adtte, plan = marked(("UNDETERMINED", 3, 1), ("NOT DONE", 4, 1))
    parts = by_marker(adsl, adtte, plan)
    assert text_and_stats(parts, analysis="os_marker", group="UNDETERMINED")["N"] == 1
    assert set(ard.bind(parts)["group"]) == {"POSITIVE", "NEGATIVE", "UNDETERMINED"}
    neither = by_group(adsl.assign(GROUP=None), adtte, PLAN)
    assert set(ard.bind(neither)["level"]) == {""}


def test_undetermined_patients_are_in_no_comparison():
    adsl, adtte, plan = marked(
        ("POSITIVE", 3, 1), ("NEGATIVE", 2, 1), ("NEGATIVE", 4, 0), ("UNDETERMINED", 1, 1)
    )
    parts = by_marker(adsl, adtte, plan)
    assert text_and_stats(parts, level="log_rank")["N"] == 3
    model = text_and_stats(parts, level="cox")
    assert (model["N"], model["n_events"], model["n_missing"]) == (3, 2, 0)


def test_a_model_without_an_event_is_not_fitted():
    adsl, adtte, plan = marked(("POSITIVE", 3, 0), ("NEGATIVE", 2, 0))
    rows = by_marker(adsl, adtte, plan)
    assert text_and_stats(rows, level="cox") == {
        "N": 2, "n_events": 0, "n_missing": 0,
        "ph_p_value": "no event among patients with all covariates",
    }  # fmt: skip
    assert "marker_positive" not in set(ard.bind(rows)["sublevel"])


def test_covariates_are_the_numbers_of_the_plan():
    """log2(count + 1) of 0, 3 and 7 is 0, 2 and 3; ages in tens of years; ECOG from 1; B is 1."""
    times = pd.DataFrame(
        {"MARKBL": ["POSITIVE", "NEGATIVE", "UNDETERMINED"], "CTCBL": [0.0, 3.0, 7.0],
         "AGE": [65.0, 70.0, 82.0], "ECOGBL": [0.0, 1.0, np.nan], "GROUP": ["B", "A", None]}
    )  # fmt: skip
    names = ("marker_positive", "log2_ctc", "age_10_years", "ecog_1", "group_b")
    frame = results._design(times, names)
    assert list(frame) == list(names)
    expected = [[1, 0, 6.5, 0, 1], [0, 2, 7, 1, 0], [np.nan, 3, 8.2, np.nan, np.nan]]
    np.testing.assert_allclose(frame.to_numpy(float), expected)


def test_a_treated_patient_without_follow_up_after_the_first_dose_is_excluded():
    """Days: 1 dies on the day of the first dose, 2 and 3 later; the first dose of 3 is on day 5."""
    who = ["1", "2", "3"]
    adsl = pd.DataFrame({"USUBJID": who, "PRIMFL": "Y", "MPOSFL": "N"})
    adtte = pd.DataFrame(
        {"USUBJID": who, "PARAMCD": "OSSCR", "AVAL": [4.0, 6, 9], "CNSR": 0, "ENTRY": [4.0, 2, 5]}
    )
    parts = guarantee_time(adsl, adtte, weeks())
    levels = {"at_risk_from_screening": 7.5, "left_truncated": 7.5, "from_first_dose": 4}
    for level, median in levels.items():
        got = text_and_stats(parts, population="PRIMARY", level=level)
        assert (got["N"], got["n_excluded"], got["median"]) == (2, 1, median), level
    landmark = text_and_stats(parts, population="MARKERPOS", level="landmark")
    assert landmark == {"n_excluded": 0, "p_value": FEW}
    none_left = guarantee_time(adsl, adtte.assign(AVAL=adtte["ENTRY"]), weeks())
    assert set(ard.bind(none_left)["population"]) == {"MARKERPOS"}


@pytest.mark.parametrize("entries", [[10.0, 20.0], [np.nan, 50.0], [10.0, np.nan]])
def test_a_landmark_with_one_group_at_the_events_has_no_test(entries):
    """At day 42: both treated, none treated, and one treated who is lost before the other dies."""
    adsl = pd.DataFrame({"USUBJID": ["1", "2"], "PRIMFL": "N", "MPOSFL": "Y"})
    adtte = pd.DataFrame(
        {"USUBJID": ["1", "2"], "PARAMCD": "OSSCR", "AVAL": [60.0, 90], "CNSR": [1, 0],
         "ENTRY": entries}
    )  # fmt: skip
    parts = guarantee_time(adsl, adtte, weeks())
    assert text_and_stats(parts, level="landmark") == {"n_excluded": 0, "p_value": FEW}
    groups = {"treated" if entry <= 42 else "not_treated" for entry in entries}
    assert set(ard.bind(parts)["group"]) == {"", *groups}
    for name in groups:
        n = sum((entry <= 42) == (name == "treated") for entry in entries)
        got = text_and_stats(parts, level="landmark", group=name)
        assert (got["N"], "n_excluded" in got) == (n, False)


def test_the_results_of_exploratory_survival_are_all_of_them():
    adsl, adtte = freireich()
    adsl = adsl.assign(PRIMFL="Y", MPOSFL="Y")
    entry = adtte[adtte["PARAMCD"] == "OS"].assign(PARAMCD="OSSCR", ENTRY=0.5)
    made = results.rows(adsl=adsl, adtte=pd.concat([adtte, entry]), plan=weeks())
    stems = {
        name.removesuffix("_curve").removesuffix("_at_risk") for name in ard.bind(made)["analysis"]
    }
    assert stems == {"os_marker", "os_group", "os_guarantee"}
