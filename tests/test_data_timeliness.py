"""Timeliness of the data: last contacts, overdue patients and PSA results due, by hand."""

import datetime as dt
from pathlib import Path

import pandas as pd
import pytest

from sap import ard
from sap.derivations.data_timeliness import adcur
from sap.plan import read_plan
from sap.results import data_timeliness as results
from sap.results.data_timeliness import data_timeliness

PLAN = read_plan(Path(__file__).parents[1] / "analysis" / "plan.yml").plan
CUT = dt.date(2017, 6, 30)
# The plan: PSA every 91 days off treatment, cycles of 21 days, a window of 14 days.
ON, OFF = 21 + 14, 91 + 14

SUBJECTS = """
    USUBJID | RFICDT     | GROUP | NCYCLES | DCTREAS | DCSREAS    | DTHDT      | LAST       | STATUS       | DAYS | LATE
    --------+------------+-------+---------+---------+------------+------------+------------+--------------+------+-----
    01      | 2017-01-01 | B     | 2       |         |            |            | 2017-05-26 | ON TREATMENT | 35   | N
    02      | 2017-01-01 | B     | 2       |         |            |            | 2017-05-25 | ON TREATMENT | 36   | Y
    03      | 2017-01-01 | A     | 0       |         |            |            | 2017-03-17 | FOLLOW-UP    | 105  | N
    04      | 2017-01-01 | A     | 0       |         |            |            | 2017-03-16 | FOLLOW-UP    | 106  | Y
    05      | 2017-01-01 | B     | 3       | OTHER   |            |            | 2017-06-30 | FOLLOW-UP    | 0    | N
    06      | 2017-01-01 | B     | 3       | DEATH   | DEATH      | 2017-02-01 | 2017-02-01 | DEAD         | 149  | N
    07      | 2017-01-01 | A     | 0       |         | WITHDRAWAL |            | 2017-01-20 | ENDED        | 161  | N
    08      | 2017-01-01 |       | 0       |         |            |            |            | NOT FOLLOWED | 180  | N
"""


def adsl_of(subjects: pd.DataFrame) -> pd.DataFrame:
    return subjects.assign(
        STUDYID="T",
        RFICDT=pd.to_datetime(subjects["RFICDT"]),
        DTHDT=pd.to_datetime(subjects["DTHDT"]),
        NCYCLES=subjects["NCYCLES"].astype(float),
    )


def no_doses() -> dict[str, pd.DataFrame]:
    ex = pd.DataFrame(columns=["USUBJID", "EXTRT", "EXCAT", "EXSTDTC"])
    lb = pd.DataFrame(columns=["USUBJID", "LBTESTCD", "LBSTRESN", "LBSTRESC", "LBDTC"])
    return {"ex": ex, "lb": lb}


@pytest.fixture
def derived(patients) -> pd.DataFrame:
    subjects = patients(SUBJECTS)
    visits = subjects[subjects["LAST"].notna()]
    vs = pd.DataFrame({"USUBJID": visits["USUBJID"], "VSDTC": visits["LAST"]})
    # A partial date is not used as a contact.
    ss = pd.DataFrame({"USUBJID": ["02", "04"], "SSDTC": ["2017-06", "2017"]})
    derived = adcur({**no_doses(), "vs": vs, "ss": ss}, adsl_of(subjects), PLAN, CUT)
    return subjects.merge(derived, on="USUBJID", suffixes=("_EXPECTED", ""))


def test_every_subject_has_one_status_and_the_days_by_the_calendar(derived):
    assert derived["STATUS"].tolist() == derived["STATUS_EXPECTED"].tolist()
    assert derived["DAYS"].tolist() == derived["DAYS_EXPECTED"].tolist()


def test_a_subject_is_overdue_one_day_after_the_limit_of_the_plan(derived):
    assert (ON, OFF) == (35, 105)
    assert derived["LATEFL"].tolist() == derived["LATE"].tolist()


DOSES = """
    USUBJID | EXSTDTC
    --------+-----------
    01      | 2017-03-01
    01      | 2017-03-22
    01      | 2017-04-12
    01      |
    02      | 2017-05-01
"""
PSA = """
    USUBJID | LBDTC      | LBSTRESN | LBSTRESC
    --------+------------+----------+---------
    01      | 2017-01-05 | 80       | 80
    01      | 2017-03-01 | 81       | 81
    01      | 2017-04-12 |          | <0.1
    02      | 2017-05-02 | 30       | 30
    02      | 2017-04-30 |          |
"""


def test_a_psa_result_is_due_at_each_dated_infusion(patients):
    """01: infusion 1 has a result (its day), 2 has none since the first, 3 one below quantification.

    02: the result of the day after is too late, the record before it has no result.
    """
    subjects = patients(SUBJECTS)
    tables = {
        "ex": patients(DOSES).assign(EXTRT="CABAZITAXEL", EXCAT="STUDY TREATMENT"),
        "lb": patients(PSA).assign(LBTESTCD="PSA"),
    }
    derived = adcur(tables, adsl_of(subjects), PLAN, CUT).set_index("USUBJID")
    assert derived.loc[["01", "02", "03"], "PSAEXP"].tolist() == [3, 1, 0]
    assert derived.loc[["01", "02", "03"], "PSAMISS"].tolist() == [1, 1, 0]


@pytest.mark.worked("data_timeliness")
def test_the_summary_is_of_subjects_in_follow_up(derived):
    rows = ard.bind(
        data_timeliness(derived.assign(PSAEXP=2.0, PSAMISS=[1.0, *[0.0] * 7]), derived, PLAN)
    )
    by = rows.set_index(["paramcd", "level", "stat_name"])["stat"]
    # 0, 35, 36, 105, 106 of all in follow-up; quartiles by SAS definition 5 are the 2nd and 4th value
    days = by["DAYS"]
    expected = {"N": 5, "n": 5, "n_late": 2, "estimate": 2 / 5, "mean": 282 / 5, "median": 36,
                "q1": 35, "q3": 105, "min": 0, "max": 106}  # fmt: skip
    assert {name: days["all_followed", name] for name in expected} == pytest.approx(expected)
    assert [days["on_treatment", name] for name in ("N", "n_late", "median")] == [2, 1, 35.5]
    assert [days["follow_up", name] for name in ("N", "n_late", "median")] == [3, 1, 105]
    # 05 was treated; 03 and 04 were not.
    assert [days["follow_up_treated", name] for name in ("N", "n_late", "median")] == [1, 0, 0]
    assert [days["follow_up_untreated", name] for name in ("N", "n_late", "median")] == [
        2,
        1,
        105.5,
    ]
    assert days["follow_up", "estimate"] == pytest.approx(1 / 3)
    assert by["RESULTS", ""].to_dict() == {"n": 15, "N": 16, "n_missing": 1, "estimate": 15 / 16}
    # Deaths and ends of the study are one level, so that an open report shows no survival.
    assert by["STATUS"].to_dict() == {
        ("on_treatment", "n"): 2, ("on_treatment", "N"): 8,
        ("follow_up", "n"): 3, ("follow_up", "N"): 8,
        ("not_followed", "n"): 1, ("not_followed", "N"): 8,
        ("no_longer_followed", "n"): 2, ("no_longer_followed", "N"): 8,
    }  # fmt: skip


def test_without_a_patient_in_follow_up_the_share_is_not_estimable(derived):
    rest = derived.iloc[5:].assign(PSAEXP=0.0, PSAMISS=0.0)
    rows = ard.bind(data_timeliness(rest, rest, PLAN))
    share = rows[(rows["level"] == "all_followed") & (rows["stat_name"] == "estimate")].iloc[0]
    assert pd.isna(share["stat"])
    assert share["stat_text"]


def test_the_last_of_several_contacts_counts_and_treated_patients_are_followed(patients):
    """01: three contacts in two domains. 02: treated without a group. 03: no full date, the consent.
    04: 1 cycle, still on treatment. Each has one row, with the columns of the dataset alone."""
    adsl = adsl_of(
        patients("""
            USUBJID | RFICDT     | GROUP | DCTREAS | DCSREAS | DTHDT | NCYCLES
            --------+------------+-------+---------+---------+-------+--------
            01      | 2017-01-01 | B     | OTHER   |         |       | 2
            02      | 2017-01-01 |       | OTHER   |         |       | 2
            03      | 2017-03-16 | A     |         |         |       | 0
            04      | 2017-01-01 | B     |         |         |       | 1
        """)
    )
    adsl.index = [9, 8, 7, 6]
    contacts = pd.DataFrame(
        {
            "USUBJID": ["01", "01", "02", "04"],
            "VSDTC": ["2017-06-29", "2017-02-01", "2017-06-30", "2017-05-26"],
        }
    )
    ae = pd.DataFrame(
        {"USUBJID": ["01", "01", "03"], "AESTDTC": ["2017-06-30", "2017-01-05", "2017-06"]}
    )
    lb = pd.DataFrame(
        {
            "USUBJID": ["01", "01", "01", "02"],
            "LBTESTCD": ["LDH", "PSA", "PSA", "PSA"],
            "LBSTRESN": [200.0, None, 5.0, None],
            "LBSTRESC": ["200", "BLQ", "5", None],
            "LBDTC": ["2017-05-01", "2017-05-22", "2017-06", "2017-05-01"],
        }
    )
    ex = pd.DataFrame(
        {
            "USUBJID": ["01", "01", "01", "02"],
            "EXTRT": "CABAZITAXEL",
            "EXCAT": "STUDY TREATMENT",
            "EXSTDTC": ["2017-05-01", "2017-05-22", "2017-06-12", "2017-05-01"],
        }
    )
    found = adcur({"vs": contacts, "ae": ae, "lb": lb, "ex": ex}, adsl, PLAN, CUT)
    assert list(found.columns) == [
        "STUDYID", "USUBJID", "STATUS", "LASTDT", "DAYS", "LATEFL", "PSAEXP", "PSAMISS",
    ]  # fmt: skip
    # 01: of three infusions only the second has a result (below quantification); another test, a
    # partial date and a record without a result do not count.
    assert found.assign(LASTDT=found["LASTDT"].dt.strftime("%F")).to_numpy().tolist() == [
        ["T", "01", "FOLLOW-UP", "2017-06-30", 0, "N", 3, 2],
        ["T", "02", "FOLLOW-UP", "2017-06-30", 0, "N", 1, 1],
        ["T", "03", "FOLLOW-UP", "2017-03-16", 106, "Y", 0, 0],
        ["T", "04", "ON TREATMENT", "2017-05-26", 35, "N", 0, 0],
    ]


def test_without_an_infusion_no_result_is_due(derived):
    """One patient in follow-up is described; a status without a patient has no row."""
    one = derived.iloc[[4]].assign(PSAEXP=0.0, PSAMISS=0.0)
    rows = ard.bind(results.rows(adcur=one, adsl=derived, plan=PLAN))
    got = {(r.paramcd, r.level, r.stat_name): r.stat_text or r.stat for r in rows.itertuples()}
    none = "no patient in this population"
    of_psa = {name: got["RESULTS", "", name] for name in ("n", "N", "n_missing", "estimate")}
    assert of_psa == {"n": 0, "N": 0, "n_missing": 0, "estimate": none}
    assert {key: value for key, value in got.items() if key[0] == "STATUS"} == {
        ("STATUS", "follow_up", "n"): 1, ("STATUS", "follow_up", "N"): 1,
    }  # fmt: skip
    for level, n in (("on_treatment", 0), ("follow_up", 1), ("all_followed", 1)):
        late = [got["DAYS", level, name] for name in ("N", "n", "n_late", "estimate")]
        assert late == [n, n, 0, 0 if n else none], level
