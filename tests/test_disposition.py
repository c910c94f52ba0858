"""Disposition, protocol deviations and exclusions: invented patients, every answer written by hand."""

import pandas as pd
import pytest

from sap import ard
from sap.derivations.disposition import adcm, addv, adexcl, adie, study_day
from sap.plan import project_home, read_plan
from sap.results import disposition as results
from sap.results.disposition import centres, disposition, eligibility, protocol_deviations

PLAN = read_plan(project_home() / "analysis" / "plan.yml").plan

# Who is in which set is given here; REASON is what `adexcl` must say for PRIMARY (minimum 3 CTC).
SUBJECTS = """
| USUBJID | NCYCLES | MARKBL   | CTCBL | RESCTRFL | SCRFL | PRIMFL | SAFFL | RESCFL | GRPAFL | DCTREAS             | DCSREAS |
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
    first = pd.to_datetime(pd.Series(days))
    return subjects.assign(STUDYID="T", TRTSDT=first, TRTEDT=first)


@pytest.fixture(scope="module")
def dv(patients, people) -> pd.DataFrame:
    return addv({"dv": patients(DEVIATIONS).assign(STUDYID="T")}, people)


def test_there_is_no_study_day_0():
    days = pd.Series(pd.to_datetime(["2018-01-09", "2018-01-10", "2018-01-11", None]))
    first = pd.Series(pd.Timestamp("2018-01-10"), days.index)
    assert study_day(days, first).fillna(99).tolist() == [-1, 1, 2, 99]


# PARAMCD, population, GROUP, LEVEL: n of N, counted by hand.
ENDS = """
| PARAMCD   | SET        | GROUP   | LEVEL               | YES | OF |
|-----------|------------|---------|---------------------|-----|----|
| TREATMENT | PRIMARY    |         | ended               | 2   | 2  |
| TREATMENT | PRIMARY    |         | PROGRESSIVE DISEASE | 1   | 2  |
| TREATMENT | PRIMARY    |         | ADVERSE EVENT       | 1   | 2  |
| TREATMENT | PRIMARY    |         | ongoing             | 0   | 2  |
| TREATMENT | RESCREENED | treated | ended               | 0   | 1  |
| TREATMENT | RESCREENED | treated | PROGRESSIVE DISEASE | 0   | 1  |
| TREATMENT | RESCREENED | treated | ADVERSE EVENT       | 0   | 1  |
| TREATMENT | RESCREENED | treated | ongoing             | 1   | 1  |
| TREATMENT | SAFETY     |         | ended               | 2   | 4  |
| TREATMENT | SAFETY     |         | PROGRESSIVE DISEASE | 1   | 4  |
| TREATMENT | SAFETY     |         | ADVERSE EVENT       | 1   | 4  |
| TREATMENT | SAFETY     |         | ongoing             | 2   | 4  |
| STUDY     | PRIMARY    |         | ended               | 1   | 2  |
| STUDY     | PRIMARY    |         | DEATH               | 1   | 2  |
| STUDY     | PRIMARY    |         | ongoing             | 1   | 2  |
| STUDY     | RESCREENED | treated | ended               | 1   | 1  |
| STUDY     | RESCREENED | treated | DEATH               | 1   | 1  |
| STUDY     | RESCREENED | treated | ongoing             | 0   | 1  |
| STUDY     | SAFETY     |         | ended               | 2   | 4  |
| STUDY     | SAFETY     |         | DEATH               | 2   | 4  |
| STUDY     | SAFETY     |         | ongoing             | 2   | 4  |
| STUDY     | GROUPA     |         | ended               | 2   | 4  |
| STUDY     | GROUPA     |         | DEATH               | 2   | 4  |
| STUDY     | GROUPA     |         | ongoing             | 2   | 4  |
| STUDY     | SCREENED   |         | ended               | 3   | 8  |
| STUDY     | SCREENED   |         | DEATH               | 3   | 8  |
| STUDY     | SCREENED   |         | ongoing             | 5   | 8  |
"""
# M01 has two deviations of one term, M02 an important one, M08 one without a category.
COUNTED = """
| SET        | GROUP   | LEVEL          | SUBLEVEL | YES | OF | EVENTS |
|------------|---------|----------------|----------|-----|----|--------|
| PRIMARY    |         | any            |          | 2   | 2  | 3      |
| PRIMARY    |         | MINOR          |          | 1   | 2  | 2      |
| PRIMARY    |         | MINOR          | LATE     | 1   | 2  | 2      |
| PRIMARY    |         | MAJOR          |          | 1   | 2  | 1      |
| PRIMARY    |         | MAJOR          | DRUG     | 1   | 2  | 1      |
| PRIMARY    |         | not_classified |          | 0   | 2  | 0      |
| PRIMARY    |         | not_classified | LATE     | 0   | 2  | 0      |
| RESCREENED | treated | any            |          | 0   | 1  | 0      |
| RESCREENED | treated | MINOR          |          | 0   | 1  | 0      |
| RESCREENED | treated | MINOR          | LATE     | 0   | 1  | 0      |
| RESCREENED | treated | MAJOR          |          | 0   | 1  | 0      |
| RESCREENED | treated | MAJOR          | DRUG     | 0   | 1  | 0      |
| RESCREENED | treated | not_classified |          | 0   | 1  | 0      |
| RESCREENED | treated | not_classified | LATE     | 0   | 1  | 0      |
| SCREENED   |         | any            |          | 3   | 8  | 4      |
| SCREENED   |         | MINOR          |          | 1   | 8  | 2      |
| SCREENED   |         | MINOR          | LATE     | 1   | 8  | 2      |
| SCREENED   |         | MAJOR          |          | 1   | 8  | 1      |
| SCREENED   |         | MAJOR          | DRUG     | 1   | 8  | 1      |
| SCREENED   |         | not_classified |          | 1   | 8  | 1      |
| SCREENED   |         | not_classified | LATE     | 1   | 8  | 1      |
"""


def table(rows: pd.DataFrame, key: list[str], stats: list[str]) -> dict[tuple, tuple]:
    wide = rows[rows["stat_name"].isin(stats)].pivot_table(
        index=key, columns="stat_name", values="stat"
    )
    return {key: tuple(row[stats]) for key, row in wide.iterrows()}


@pytest.mark.worked("disposition")
def test_each_reason_counts_the_patients_of_its_population(people, patients):
    rows = ard.bind(disposition(people, PLAN))
    by_hand = {
        (r["PARAMCD"], r["SET"], r["GROUP"] or "", r["LEVEL"]): (r["YES"], r["OF"])
        for r in patients(ENDS).to_dict("records")
    }
    assert table(rows, ["paramcd", "population", "group", "level"], ["n", "N"]) == by_hand
    ended = rows[(rows["population"] == "SCREENED") & (rows["level"] == "ended")]
    assert ended.set_index("stat_name")["stat"]["estimate"] == 3 / 8


@pytest.mark.worked("protocol_deviations")
def test_a_patient_with_two_deviations_counts_once_and_both_deviations_count(people, dv, patients):
    last = dv.index[-1]
    rows = ard.bind(
        protocol_deviations(people, dv.assign(DVCAT=dv["DVCAT"].where(dv.index != last)), PLAN)
    )
    by_hand = {
        (r["SET"], r["GROUP"] or "", r["LEVEL"], r["SUBLEVEL"] or ""): (
            r["YES"],
            r["OF"],
            r["EVENTS"],
        )
        for r in patients(COUNTED).to_dict("records")
    }
    counted = table(rows, ["population", "group", "level", "sublevel"], ["n", "N", "n_events"])
    assert counted == by_hand


def test_a_population_without_a_patient_has_no_proportion(people):
    rows = ard.bind(disposition(people.assign(GRPAFL="N"), PLAN))
    estimates = rows[(rows["population"] == "GROUPA") & (rows["stat_name"] == "estimate")]
    assert estimates["stat"].isna().all()
    assert set(estimates["stat_text"]) == {"no patient in this population"}


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
    (one,) = adcm({"cm": cm}, people, PLAN).to_dict("records")
    assert (one["CMSTDTC"], one["ASTDT"], one["ADY"]) == ("2018-02", pd.Timestamp("2018-02-01"), 23)
    assert adcm({}, people, PLAN).empty


REASONS = {
    1: "Treated through re-screening: counted apart",
    2: "AR-V7 not positive at the first screening",
    3: "No count, or fewer than 3 CTC, at the first screening",
    4: "No dose of cabazitaxel",
    5: "No baseline PSA, or no value that counts after it",
    6: "Major protocol deviation",
    7: "Fewer than 2 cycles, not stopped for progression",
    8: "Fewer than 5 CTC at baseline, or no count",
    9: "No count on treatment",
    10: "No target lesion at baseline",
}
# X01 to X04 are of the primary set; the minimum at the first screening is 3 CTC, at baseline 5.
EXCLUDED = """
| USUBJID | NCYCLES | MARKBL   | CTCBL | RESCTRFL | PRIMFL | PSAEVFL | PPROTFL | CTCEVFL | MEASFL |
|---------|---------|----------|-------|----------|--------|---------|---------|---------|--------|
| X01     | 1       | POSITIVE | 5     | N        | Y      | N       | N       | N       | N      |
| X02     | 2       | POSITIVE | 4     | N        | Y      | Y       | N       | N       | Y      |
| X03     | 2       | POSITIVE |       | N        | Y      | Y       | Y       | N       | Y      |
| X04     | 2       | POSITIVE | 5     | N        | Y      | Y       | Y       | Y       | Y      |
| X05     | 0       | POSITIVE | 3     | N        | N      | N       | N       | N       | N      |
| X06     | 1       | NEGATIVE | 2     | N        | N      | N       | N       | N       | N      |
| X07     | 0       | NEGATIVE | 9     | Y        | N      | N       | N       | N       | N      |
| X08     | 0       | POSITIVE | 9     | Y        | N      | N       | N       | N       | N      |
| X09     | 1       | POSITIVE | 9     | Y        | N      | N       | N       | N       | N      |
| X10     | 0       | POSITIVE | 2.9   | N        | N      | N       | N       | N       | N      |
"""


def test_each_exclusion_has_its_case_and_its_words(patients):
    """X07 is neither positive nor treated: outside of what the primary set is taken from."""
    adsl = patients(EXCLUDED).assign(STUDYID="T")
    dv = pd.DataFrame({"USUBJID": ["X01", "X02"], "DVCAT": ["MINOR", "MAJOR"]})
    found = adexcl(adsl, dv, PLAN)
    assert found.index.tolist() == list(range(len(found)))
    cases = {
        "PRIMARY": {"X05": 4, "X06": 2, "X08": 4, "X09": 1, "X10": 3},
        "PSAEVAL": {"X01": 5},
        "CTCEVAL": {"X01": 9, "X02": 8, "X03": 8},
        "PERPROT": {"X01": 7, "X02": 6},
        "MEASURABLE": {"X01": 10},
    }
    rows = [("T", who, name, case) for name, of in cases.items() for who, case in of.items()]
    assert found[["STUDYID", "USUBJID", "SET", "CASE"]].to_numpy().tolist() == [
        list(row) for row in rows
    ]
    assert found["REASON"].tolist() == [REASONS[case] for *_, case in rows]
    without = adexcl(adsl.drop(columns=["PPROTFL", "MEASFL"]), dv, PLAN)
    assert set(without["SET"]) == {"PRIMARY", "PSAEVAL", "CTCEVAL"}


def test_deviations_and_therapies_have_their_days_and_study_days(people):
    dv = pd.DataFrame(
        [("M01", "late visit", "LATE", "2018-01-10"), ("M02", "wrong drug", None, "2018-01-11")],
        columns=["USUBJID", "DVTERM", "DVDECOD", "DVSTDTC"],
    )
    found = addv({"dv": dv}, people)
    assert found["DVDECOD"].tolist() == ["LATE", "wrong drug"]
    assert found["ADY"].tolist() == [1, 2]
    assert "DVSTDTC" not in found
    cm = pd.DataFrame(
        [("M01", "2018-01-09", "2018-01-12"), ("M04", "2018-01-09", "2018-02")],
        columns=["USUBJID", "CMSTDTC", "CMENDTC"],
    )
    therapies = adcm({"cm": cm}, people, PLAN)
    assert therapies["AENDT"].dt.strftime("%F").tolist() == ["2018-01-12", "2018-02-01"]
    assert therapies[["ADY", "AENDY"]].iloc[0].tolist() == [-1, 3]
    assert therapies[["ADY", "AENDY"]].iloc[1].isna().all()  # no first dose


def test_the_results_of_disposition_are_all_of_them(people, dv, patients):
    failed = adie({"ie": patients(CRITERIA)}, people)
    subjects = people.assign(SITEID="01", MPOSFL="Y", RFICDT=pd.Timestamp("2018-01-01"))
    rows = ard.bind(results.rows(adsl=subjects, addv=dv, adie=failed, plan=PLAN))
    assert set(rows["analysis"]) == {
        "centres", "eligibility", "disposition", "protocol_deviations",
    }  # fmt: skip
    estimates = rows[
        (rows["analysis"] == "protocol_deviations") & (rows["population"] == "SCREENED")
    ]
    any_of = estimates[(estimates["level"] == "any") & (estimates["stat_name"] == "estimate")]
    assert any_of["stat"].tolist() == [3 / 8]


# Six patients at two centres and one without; counted by hand.
CENTRES = """
| USUBJID | SITEID | SCRFL | MPOSFL | PRIMFL | RESCTRFL | SAFFL |
|---------|--------|-------|--------|--------|----------|-------|
| S1      | 01     | Y     | Y      | Y      | N        | Y     |
| S2      | 01     | Y     | N      | N      | Y        | Y     |
| S3      | 01     | Y     | N      | N      | N        | N     |
| S4      | 02     | Y     | Y      | N      | N        | N     |
| S5      | 02     | N     | N      | N      | N        | N     |
| S6      |        | N     | N      | N      | N        | N     |
"""
AT_CENTRES = {
    "consented": {"total": (6, 6), "01": (3, 6), "02": (2, 6), "not_recorded": (1, 6)},
    "screened": {"total": (4, 4), "01": (3, 4), "02": (1, 4), "not_recorded": (0, 4)},
    "marker_positive": {"total": (2, 2), "01": (1, 2), "02": (1, 2), "not_recorded": (0, 2)},
    "primary": {"total": (1, 1), "01": (1, 1), "02": (0, 1), "not_recorded": (0, 1)},
    "rescreened_treated": {"total": (1, 1), "01": (1, 1), "02": (0, 1), "not_recorded": (0, 1)},
    "treated": {"total": (2, 2), "01": (2, 2), "02": (0, 2), "not_recorded": (0, 2)},
}


@pytest.mark.worked("centres")
def test_patients_are_counted_at_each_centre_and_stage(patients):
    adsl = patients(CENTRES)
    adsl["SITEID"] = ["01", "01", "01", "02", "02", None]
    rows = ard.bind(centres(adsl, PLAN))
    got = table(rows, ["sublevel", "level"], ["n", "N"])
    assert got == {
        (stage, level): numbers
        for stage, by_centre in AT_CENTRES.items()
        for level, numbers in by_centre.items()
    }
    counted = rows[rows["stat_name"] == "n_centres"]
    assert dict(zip(counted["sublevel"], counted["stat"], strict=True)) == {
        "consented": 2, "screened": 2, "marker_positive": 2, "primary": 1, "rescreened_treated": 1,
        "treated": 1,
    }  # fmt: skip
    assert set(counted["level"]) == {"total"}
    one = rows[(rows["sublevel"] == "screened") & (rows["level"] == "01")].set_index("stat_name")
    assert one["stat"]["estimate"] == 0.75
    assert centres(adsl.assign(SITEID=None), PLAN) == []


CRITERIA = """
| USUBJID | IESEQ | IETESTCD | IETEST    | IECAT     | IESTRESC | VISIT        | IEDTC      |
|---------|-------|----------|-----------|-----------|----------|--------------|------------|
| M01     | 1     | INCL01   | AGE       | INCLUSION | N        | SCREENING    | 2018-01-09 |
| M02     | 1     | EXCL02   | HEART     | EXCLUSION | Y        | SCREENING    | 2018-01    |
| M02     | 2     | INCL01   | ADULT     | INCLUSION | N        |              |            |
| M03     | 1     | EXCL02   |           | EXCLUSION | Y        | RE-SCREENING | 2018-04-01 |
| M04     | 1     | INCL01   | AGE       | INCLUSION | Y        | SCREENING    | 2018-01-09 |
| M05     | 1     | EXCL02   | HEART     | EXCLUSION | N        | SCREENING    | 2018-01-09 |
"""


@pytest.mark.worked("eligibility")
def test_criteria_that_were_not_met_are_counted_by_screening(people, patients):
    """M04 met the inclusion criterion, M05 had no reason for exclusion; M02 has two, once without a visit.

    The denominator is who consented: M02 gave no sample and counts, M08 has no consent and does not.
    """
    people = people.assign(RFICDT=pd.to_datetime(["2018-01-01"] * 7 + [None]))
    people.loc[people["USUBJID"] == "M02", "SCRFL"] = "N"
    adie_ = adie({"ie": patients(CRITERIA)}, people)
    assert adie_["USUBJID"].tolist() == ["M01", "M02", "M02", "M03"]
    assert adie_["ADY"].fillna(0).tolist() == [-1, -9, 0, -30]
    rows = ard.bind(eligibility(people, adie_, PLAN))
    assert table(rows, ["group", "level", "sublevel"], ["n", "N"]) == {
        ("", "any", ""): (2, 7),
        ("", "EXCLUSION", "EXCL02"): (1, 7),
        ("", "INCLUSION", "INCL01"): (2, 7),
        ("rescreening", "any", ""): (1, 2),
        ("rescreening", "EXCLUSION", "EXCL02"): (1, 2),
        ("rescreening", "INCLUSION", "INCL01"): (0, 2),
    }
    terms = rows[rows["stat_name"] == "term"].set_index(["group", "sublevel"])["stat_text"]
    assert terms["", "INCL01"] == "ADULT"
    assert terms["", "EXCL02"] == "EXCL02"  # of EXCL02 and HEART the first in the alphabet
    half = rows[(rows["group"] == "rescreening") & (rows["level"] == "any")].set_index("stat_name")
    assert half["stat"]["estimate"] == 0.5
    assert eligibility(people, adie({}, people), PLAN) == []
