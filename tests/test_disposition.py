"""Disposition, protocol deviations and exclusions: invented patients, every answer written by hand."""

import pandas as pd
import pytest

from sap import ard
from sap.derivations.disposition import adcm, addv, adexcl, study_day
from sap.plan import project_home, read_plan
from sap.results.disposition import OPEN_END, disposition, protocol_deviations

PLAN = read_plan(project_home() / "analysis" / "plan.yml").plan

# Who is in which set is given here; REASON is what `adexcl` must say for PRIMARY (minimum 3 CTC).
SUBJECTS = """
| USUBJID | NCYCLES | ARV7BL   | CTCBL | RESCTRFL | SCRFL | PRIMFL | SAFFL | RESCFL | GRPAFL | DCTREAS             | DCSREAS |
|---------|---------|----------|-------|----------|-------|--------|-------|--------|--------|---------------------|---------|
| M01     | 6       | POSITIVE | 3     | N        | Y     | Y      | Y     | N      | N      | PROGRESSIVE DISEASE | DEATH   |
| M02     | 1       | POSITIVE | 9     | N        | Y     | Y      | Y     | N      | N      | ADVERSE EVENT       |         |
| M03     | 4       | NEGATIVE | 9     | Y        | Y     | N      | Y     | Y      | Y      |                     | DEATH   |
| M04     | 0       | POSITIVE | 2     | N        | Y     | N      | N     | N      | Y      |                     |         |
| M05     | 0       | POSITIVE |       | N        | Y     | N      | N     | Y      | Y      |                     | DEATH   |
| M06     | 0       | POSITIVE | 8     | N        | Y     | N      | N     | N      | N      |                     |         |
| M07     | 2       | NEGATIVE | 8     | N        | Y     | N      | Y     | N      | N      |                     |         |
| M08     | 0       | NEGATIVE | 8     | N        | Y     | N      | N     | N      | Y      |                     |         |
"""
DEVIATIONS = """
| USUBJID | DVSEQ | DVTERM        | DVDECOD | DVCAT | DVSTDTC    |
|---------|-------|---------------|---------|-------|------------|
| M01     | 1     | late visit    | LATE    | MINOR | 2018-01-31 |
| M01     | 2     | later visit   | LATE    | MINOR | 2018-03    |
| M02     | 1     | wrong drug    | DRUG    | MAJOR | 2018-01-09 |
| M08     | 1     | late visit    | LATE    | MINOR |            |
"""


@pytest.fixture(scope="module")
def people(patients) -> pd.DataFrame:
    subjects = patients(SUBJECTS)
    sets = {"PSAEVFL": ["Y", "N"], "PPROTFL": ["Y", "N"], "CTCEVFL": ["N", "N"]}
    for flag, values in sets.items():
        subjects[flag] = [*values, *["N"] * 6]
    days = ["2018-01-10", "2018-01-10", "2018-05-01", None, None, None, "2018-02-01", None]
    return subjects.assign(STUDYID="T", TRTSDT=pd.to_datetime(pd.Series(days)))


@pytest.fixture(scope="module")
def dv(patients, people) -> pd.DataFrame:
    return addv({"dv": patients(DEVIATIONS).assign(STUDYID="T")}, people)


def n_of(rows: pd.DataFrame, **where: str) -> tuple[float, float]:
    for name, value in where.items():
        rows = rows[rows[name] == value]
    found = rows.set_index("stat_name")["stat"]
    return found["n"], found["N"]


def test_there_is_no_study_day_0():
    days = pd.Series(pd.to_datetime(["2018-01-09", "2018-01-10", "2018-01-11", None]))
    first = pd.Series(pd.Timestamp("2018-01-10"), days.index)
    assert study_day(days, first).fillna(99).tolist() == [-1, 1, 2, 99]


def test_each_subject_has_one_end_and_the_levels_add_up(people):
    rows = ard.bind(disposition(people, PLAN))
    treated = {"population": "SAFETY", "paramcd": "TREATMENT"}
    assert n_of(rows, **treated, level="Progressive disease") == (1, 4)
    assert n_of(rows, **treated, level="Adverse event") == (1, 4)
    assert n_of(rows, **treated, level=OPEN_END) == (2, 4)
    assert n_of(rows, **treated, level="Ended") == (2, 4)
    again = {"population": "RESCREENED", "group": "TREATED", "paramcd": "STUDY"}
    assert n_of(rows, **again, level="Death") == (1, 1)
    assert n_of(rows, population="GROUPA", paramcd="STUDY", level="Death") == (2, 4)
    assert n_of(rows, population="SCREENED", paramcd="STUDY", level=OPEN_END) == (5, 8)


def test_a_subject_with_two_deviations_counts_once_and_both_are_counted_beside(people, dv):
    rows = ard.bind(protocol_deviations(people, dv, PLAN))
    late = rows[(rows["population"] == "PRIMARY") & (rows["sublevel"] == "LATE")]
    assert late.set_index("stat_name")["stat"][["n", "N", "n_events"]].tolist() == [1, 2, 2]
    assert n_of(rows, population="SCREENED", level="Any", sublevel="") == (3, 8)
    assert n_of(rows, population="SCREENED", level="Major", sublevel="") == (1, 8)


def test_data_without_deviations_give_no_row_and_no_zero(people):
    assert protocol_deviations(people, addv({}, people), PLAN) == []


def test_days_of_deviations(dv):
    assert dv["ADT"].dt.strftime("%F").fillna("").tolist() == [
        "2018-01-31",
        "2018-03-01",
        "2018-01-09",
        "",
    ]
    assert dv["ADY"].fillna(0).tolist() == [22, 51, -1, 0]


def test_why_a_subject_is_outside_of_a_set(people, dv):
    found = adexcl(people, dv, PLAN)
    cases = {(s, who): case for s, who, case in found[["SET", "USUBJID", "CASE"]].to_numpy()}
    assert cases == {
        ("PRIMARY", "M03"): 1,
        ("PRIMARY", "M04"): 3,
        ("PRIMARY", "M05"): 3,
        ("PRIMARY", "M06"): 4,
        ("PRIMARY", "M07"): 2,
        ("PSAEVAL", "M02"): 5,
        ("PERPROT", "M02"): 6,
        ("CTCEVAL", "M01"): 8,
        ("CTCEVAL", "M02"): 9,
    }
    # the same patient without the deviation is outside for his single cycle
    assert adexcl(people, dv.iloc[0:0], PLAN).query("SET == 'PERPROT'")["CASE"].tolist() == [7]


def test_therapies_keep_the_text_of_a_partial_date(people):
    cm = pd.DataFrame(
        {"USUBJID": ["M01"], "CMSEQ": [1.0], "CMSTDTC": ["2018-02"], "CMENDTC": [None]}
    )
    (one,) = adcm({"cm": cm}, people).to_dict("records")
    assert (one["CMSTDTC"], one["ASTDT"], one["ADY"]) == ("2018-02", pd.Timestamp("2018-02-01"), 23)
    assert adcm({}, people).empty
