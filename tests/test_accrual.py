"""Accrual month by month, counted by hand."""

import datetime as dt
from pathlib import Path

import pandas as pd
import pytest

from sap import ard
from sap.plan import read_plan
from sap.results import accrual as results
from sap.results.accrual import accrual, dates

PLAN = read_plan(Path(__file__).parents[1] / "analysis" / "plan.yml").plan

SUBJECTS = """
    USUBJID | RFICDT     | SCRDT      | SCRFL | CTCBL | MARKBL   | GROUP | ALLOCDT    | RESALLDT   | TRTSDT     | NCYCLES
    --------+------------+------------+-------+-------+----------+-------+------------+------------+------------+--------
    01      | 2017-01-31 | 2017-02-01 | Y     | 3     | POSITIVE | B     | 2017-02-10 |            | 2017-02-28 | 2
    02      | 2017-02-01 | 2017-02-28 | Y     | 2     | POSITIVE | A     | 2017-03-01 | 2017-04-02 | 2017-04-05 | 1
    03      | 2017-03-31 |            | N     |       |          |       |            |            |            | 0
    04      | 2017-04-10 | 2017-04-10 | Y     | 9     | NEGATIVE | A     | 2017-04-11 |            |            | 0
    05      | 2017-04-01 | 2017-04-02 | Y     | 9     | POSITIVE | B     | 2017-04-03 |            |            | 1
"""
# Patient 02 has too few CTC to qualify and is allocated after re-screening. Patient 05 has a dose without a date.
EXPECTED = """
    MONTH   | CONSENTED | SAMPLED | QUALIFIED | ALLOCATED | TREATED
    --------+-----------+---------+-----------+-----------+--------
    2017-01 | 1         | 0       | 0         | 0         | 0
    2017-02 | 2         | 2       | 1         | 1         | 1
    2017-03 | 3         | 2       | 1         | 1         | 1
    2017-04 | 5         | 4       | 2         | 3         | 2
"""
DATES = ("RFICDT", "SCRDT", "ALLOCDT", "RESALLDT", "TRTSDT")


def adsl_of(patients) -> pd.DataFrame:
    subjects = patients(SUBJECTS)
    return subjects.assign(
        **{name: pd.to_datetime(subjects[name]) for name in DATES},
        CTCBL=subjects["CTCBL"].astype(float),
        NCYCLES=subjects["NCYCLES"].astype(float),
    )


def wide(rows: list[pd.DataFrame]) -> pd.DataFrame:
    counts = pd.concat(rows, ignore_index=True)
    return counts[counts["stat_name"] == "n"].pivot_table(
        index="level", columns="paramcd", values="stat"
    )


@pytest.mark.worked("accrual")
def test_each_month_counts_the_subjects_who_took_each_step_by_its_end(patients):
    counts = wide(accrual(adsl_of(patients), PLAN, dt.date(2017, 4, 30)))
    expected = patients(EXPECTED).set_index("MONTH").astype(float)
    assert counts[expected.columns].to_dict() == expected.to_dict()


def test_the_month_of_the_cut_off_ends_with_it(patients):
    """On 2017-04-03 patient 05 has consented and is allocated, patient 04 has not consented, patient 02 not been treated."""
    counts = wide(accrual(adsl_of(patients), PLAN, dt.date(2017, 4, 3)))
    assert counts.loc["2017-04"].to_dict() == {
        "CONSENTED": 4, "SAMPLED": 3, "QUALIFIED": 2, "ALLOCATED": 3, "TREATED": 1,
    }  # fmt: skip


def test_the_success_rate_is_of_the_subjects_sampled_with_the_exact_interval(patients):
    """1 of 2, Clopper-Pearson 95%: 1 - 0.975^(1/2) and 0.975^(1/2), by hand."""
    rows = pd.concat(accrual(adsl_of(patients), PLAN, dt.date(2017, 2, 28)))
    rows = rows[(rows["paramcd"] == "QUALIFIED") & (rows["level"] == "2017-02")]
    got = rows.set_index("stat_name")["stat"]
    assert got[["n", "N", "estimate"]].tolist() == [1, 2, 0.5]
    assert abs(got["conf_low"] - (1 - 0.975**0.5)) < 1e-12
    assert abs(got["conf_high"] - 0.975**0.5) < 1e-12


def test_before_the_first_sample_the_success_rate_is_not_estimable(patients):
    rows = pd.concat(accrual(adsl_of(patients), PLAN, dt.date(2017, 1, 31)))
    share = rows[(rows["paramcd"] == "QUALIFIED") & (rows["stat_name"] == "estimate")].iloc[0]
    assert pd.isna(share["stat"])
    assert share["stat_text"]


def test_without_a_consent_there_is_no_row(patients):
    assert accrual(adsl_of(patients).iloc[:0], PLAN, dt.date(2017, 1, 31)) == []


def test_a_patient_allocated_twice_counts_from_the_first_time(patients):
    """05, of group B since 2017-04-03, allocated again on 2017-05-20: 3 allocated in April, 3 in May."""
    again = adsl_of(patients).assign(LSTALVDT=pd.NaT)
    again.loc[again["USUBJID"] == "05", "RESALLDT"] = pd.Timestamp("2017-05-20")
    made = results.rows(adsl=again, cut_off=dt.date(2017, 5, 31), plan=PLAN)
    counts = wide(made)
    assert counts.loc[["2017-04", "2017-05"], "ALLOCATED"].tolist() == [3, 3]
    assert set(ard.bind(made)["analysis"]) == {"accrual", "study_dates"}


@pytest.mark.worked("study_dates")
def test_the_dates_of_the_first_and_the_last_patient(patients):
    """Of the table above; 05 has no day of its dose, and the last contact is given here."""
    adsl = adsl_of(patients).assign(
        LSTALVDT=pd.to_datetime(["2017-05-01", "2017-06-30", None, "2017-04-12", None])
    )
    rows = pd.concat(dates(adsl, PLAN))
    assert dict(zip(rows["level"], rows["stat_text"], strict=True)) == {
        "first_consent": "2017-01-31",
        "first_dose": "2017-02-28",
        "last_consent": "2017-04-10",
        "last_contact": "2017-06-30",
    }
    assert set(rows["stat_name"]) == {"date"}


def test_a_date_that_no_patient_has_has_no_row(patients):
    """Patient 03 alone: a consent, no dose, no later contact."""
    adsl = adsl_of(patients).iloc[2:3].assign(LSTALVDT=pd.NaT)
    rows = pd.concat(dates(adsl, PLAN))
    assert rows["level"].tolist() == ["first_consent", "last_consent"]


def test_published_dates_of_the_plan_replace_those_of_the_data(patients):
    """CABA-V7: the dates of its data are not real."""
    published = read_plan(Path(__file__).parents[1] / "analysis" / "plan-caba-v7.yml").plan
    adsl = adsl_of(patients).assign(LSTALVDT=pd.NaT)
    assert dates(adsl, published) == []
