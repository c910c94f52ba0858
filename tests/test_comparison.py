"""Comparisons, descriptive and exploratory: against published numbers and other programs."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sap import ard
from sap.derivations.survival import with_baseline_status
from sap.errors import PlanInvalid
from sap.plan import read_plan
from sap.plan.references import read_references
from sap.results.comparison import by_arv7, published
from sap.results.survival_comparison import by_arv7 as survival_by_arv7
from sap.results.survival_comparison import by_group, guarantee_time

HERE = Path(__file__).parents[1] / "analysis"
PLAN = read_plan(HERE / "plan.yml").plan
CABA = read_plan(HERE / "plan-caba-v7.yml").plan
REFERENCES = read_references(HERE / "references.yml")


def men_of(primary: tuple[int, int], negative: tuple[int, int], *, answer: str = "N"):
    """ADSL and ADRS with so many responders of so many men in B, and given the drug in A."""
    n_b, n_a = primary[1], negative[1]
    who = [f"B{i:03d}" for i in range(n_b)] + [f"A{i:03d}" for i in range(n_a)]
    adsl = pd.DataFrame(
        {
            "USUBJID": who,
            "PRIMFL": ["Y"] * n_b + ["N"] * n_a,
            "ARV7BL": ["POSITIVE"] * n_b + ["NEGATIVE"] * n_a,
        }
    )
    adrs = pd.DataFrame(
        {
            "USUBJID": who,
            "PARAMCD": ["PSARESP"] * n_b + ["PSARESPA"] * n_a,
            "AVALC": ["Y"] * primary[0]
            + ["N"] * (n_b - primary[0])
            + ["Y"] * negative[0]
            + [answer] * (n_a - negative[0]),
            "DRUG": [None] * n_b + ["CABAZITAXEL"] * n_a,
        }
    )
    return adsl, adrs


def stats_of(parts, **where) -> pd.Series:
    rows = ard.bind(parts)
    for name, value in where.items():
        rows = rows[rows[name] == value]
    return rows.set_index("stat_name")["stat"]


@pytest.mark.req("SAP-5.8")
def test_the_difference_by_arv7_is_that_of_miettinen_and_nurminen():
    """56 of 70 against 48 of 80: 0.2, limits 0.0528 and 0.3382 (R DescTools, in tests of the method)."""
    got = stats_of(by_arv7(*men_of((56, 70), (48, 80)), PLAN), level="Difference")
    assert got["estimate"] == pytest.approx(0.2)
    assert (round(got["conf_low"], 4), round(got["conf_high"], 4)) == (0.0528, 0.3382)


def test_only_negative_men_given_the_drug_are_compared():
    adsl, adrs = men_of((3, 25), (4, 10))
    adrs.loc[adrs["USUBJID"] == "A009", "DRUG"] = "DOCETAXEL"
    adsl.loc[adsl["USUBJID"] == "A008", "ARV7BL"] = "UNDETERMINED"
    got = stats_of(by_arv7(adsl, adrs, PLAN), group="NEGATIVE")
    assert (got["n"], got["N"]) == (4, 8)


def test_men_without_psa_are_failures_unless_nobody_has_any():
    got = stats_of(by_arv7(*men_of((3, 25), (4, 10), answer="NE"), PLAN), group="NEGATIVE")
    assert (got["n"], got["N"], got["n_missing"]) == (4, 10, 6)
    rows = ard.bind(by_arv7(*men_of((3, 25), (0, 10), answer="NE"), PLAN))
    negative = rows[(rows["group"] == "NEGATIVE") & (rows["stat_name"] == "n")].iloc[0]
    assert np.isnan(negative["stat"])
    assert negative["stat_text"] == "not in the data: no PSA of these men"
    difference = rows[(rows["level"] == "Difference") & (rows["stat_name"] == "estimate")].iloc[0]
    assert difference["stat_text"] == "not in the data: no PSA of these men"


def test_nobody_in_a_group_is_no_crash():
    rows = ard.bind(by_arv7(*men_of((0, 0), (0, 0)), PLAN))
    assert rows.loc[rows["stat_name"] == "estimate", "stat"].isna().all()


def test_the_primary_beside_tropic_has_the_numbers_of_r():
    """3 of 25 against 129 of 329. R 4.2: fisher.test(matrix(c(3, 22, 129, 200), 2)) prints odds
    ratio 0.2121280918, limits 0.0398507562 and 0.7274788802, p 0.0052888178 (to its tolerance)."""
    rows = published(*men_of((3, 25), (0, 0)), REFERENCES, PLAN)
    got = stats_of(rows, level="Odds ratio")
    expected = {
        "estimate": 0.2121280918,
        "conf_low": 0.0398507562,
        "conf_high": 0.7274788802,
        "p_value": 0.0052888178,
    }
    for name, value in expected.items():
        assert got[name] == pytest.approx(value, rel=1e-4), name
    assert stats_of(rows, level="Difference")["estimate"] == pytest.approx(3 / 25 - 129 / 329)
    theirs = stats_of(rows, group="TROPIC")
    # 39.2 %; the posted interval (33.9 to 44.5) is Wald's, the exact one is 33.9 to 44.7.
    assert (theirs["n"], theirs["N"]) == (129, 329)
    assert (round(theirs["conf_low"], 3), round(theirs["conf_high"], 3)) == (0.339, 0.447)


def test_no_responder_has_no_finite_lower_odds_but_a_row():
    got = stats_of(published(*men_of((0, 25), (0, 0)), REFERENCES, PLAN), level="Odds ratio")
    assert got["estimate"] == got["conf_low"] == 0
    rows = ard.bind(published(*men_of((0, 0), (0, 0)), REFERENCES, PLAN))
    assert set(rows.loc[rows["level"] == "Odds ratio", "stat_text"]) == {
        "", "not both groups have a proportion",
    }  # fmt: skip


def test_a_plan_that_names_an_unknown_reference_is_refused():
    with pytest.raises(PlanInvalid, match=r"'no-such'.*\n.*tropic-psa-response"):
        REFERENCES.of("no-such")


@pytest.mark.parametrize(
    "change, said",
    [
        ("n: 129", "n: 999"),
        ("total: 329", "total: 0"),
        ("registry: NCT00417079", "registry: 417079"),
        ("trial: TROPIC", "trail: TROPIC"),
        ('  source: "@regtropic, posted results"\n', ""),
    ],
)
def test_references_are_read_strictly(tmp_path, change, said):
    text = (HERE / "references.yml").read_text(encoding="utf-8")
    path = tmp_path / "references.yml"
    path.write_text(text.replace(change, said, 1), encoding="utf-8")
    with pytest.raises(PlanInvalid, match="tropic-psa-response"):
        read_references(path)


@pytest.mark.parametrize("plan", [PLAN, CABA])
def test_both_plans_name_a_reference_that_exists(plan):
    assert REFERENCES.of(plan.comparison.reference).total == 329


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
    rows = ard.bind(survival_by_arv7(*freireich(), PLAN))
    ratio = rows[(rows["level"] == "Cox") & (rows["stat_name"] == "hazard_ratio")]
    assert len(ratio) == len(PLAN.survival_comparison.covariates)
    assert ratio["stat"].isna().all()
    assert ratio["stat_text"].str.contains("constant").all()


def test_a_man_without_a_covariate_is_counted_and_left_out():
    adsl, adtte = freireich()
    rng = np.random.default_rng(1)
    adsl["AGE"], adsl["CTCBL"] = rng.normal(70, 6, 42), rng.integers(3, 90, 42).astype(float)
    adsl["ECOGBL"] = rng.integers(0, 3, 42).astype(float)
    adsl.loc[[0, 30], "ECOGBL"] = np.nan
    whole = stats_of(survival_by_arv7(adsl, adtte, PLAN), level="Cox", sublevel="")
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


def test_the_landmark_takes_men_alive_and_splits_them_by_what_had_happened():
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


def test_the_status_at_baseline_is_the_last_one_not_after_allocation():
    adsl = pd.DataFrame(
        {
            "USUBJID": ["1", "2", "3"],
            "ALLOCDT": pd.to_datetime(["2018-02-01", None, "2018-02-01"]),
            "RFICDT": pd.Timestamp("2018-01-01"),
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
    got = with_baseline_status(adsl, rs)["ECOGBL"]
    assert got.tolist()[:2] == [1.0, 2.0]
    assert np.isnan(got[2])  # a month is no day
    assert with_baseline_status(adsl, None)["ECOGBL"].isna().all()
