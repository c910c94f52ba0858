"""Vital signs: baseline, visits on treatment and changes, every answer written by hand."""

import pandas as pd
import pytest

from sap import ard
from sap.derivations.vitals import advs
from sap.plan import project_home, read_plan
from sap.results.vitals import rows, vital_signs

PLAN = read_plan(project_home() / "analysis" / "plan.yml").plan

# First dose 2018-03-10, last dose 2018-03-31: on treatment to 30 days after it, 2018-04-30.
ADSL = pd.DataFrame(
    {
        "STUDYID": "T",
        "USUBJID": ["V1", "V2", "V3"],
        "TRTSDT": pd.to_datetime(["2018-03-10", "2018-03-10", None]),
        "TRTEDT": pd.to_datetime(["2018-03-31", "2018-03-31", None]),
        "NCYCLES": [2.0, 2.0, 0.0],
        "SAFFL": ["Y", "Y", "N"],
    }
)
SIGNS = """
    USUBJID | VSSEQ | VSTESTCD | VSSTRESN | VISIT            | VSDTC            | BASE | ON | USED | WHY
    --------+-------+----------+----------+------------------+------------------+------+----+------+-----------------------
    V1      | 1     | SYSBP    | 150      | SCREENING        | 2018-03-01       |      |    |      | an earlier day
    V1      | 2     | SYSBP    | 140      | CYCLE 1          | 2018-03-10T08:00 |      |    |      | an earlier time
    V1      | 3     | SYSBP    | 130      | CYCLE 1          | 2018-03-10T09:00 | Y    |    |      | baseline
    V1      | 4     | SYSBP    | 120      | CYCLE 2          | 2018-03-31       |      | Y  |      | an earlier one of the visit
    V1      | 5     | SYSBP    | 124      | CYCLE 2          | 2018-04-01       |      | Y  | Y    | the last of the visit
    V1      | 6     | SYSBP    | 110      | END OF TREATMENT | 2018-04-30       |      | Y  | Y    | last day of the window
    V1      | 7     | SYSBP    | 90       | END OF TREATMENT | 2018-05-01       |      |    |      | a day after it
    V1      | 8     | SYSBP    |          | CYCLE 2          | 2018-04-02       |      |    |      | no number: no row
    V1      | 9     | HEIGHT   | 180      | SCREENING        | 2018-03-01       |      |    |      | another test: no row
    V2      | 1     | SYSBP    | 134      | CYCLE 2          | 2018-03-31       |      | Y  | Y    | no baseline
    V2      | 2     | SYSBP    | 160      | UNSCHEDULED      | 2018-04-02       |      | Y  | Y    | no visit of the table
    V3      | 1     | SYSBP    | 100      | SCREENING        | 2018-03-01       |      |    |      | not treated: no row
"""


def derived(patients) -> tuple[pd.DataFrame, pd.DataFrame]:
    table = patients(SIGNS)
    vs = table[["USUBJID", "VSSEQ", "VSTESTCD", "VSSTRESN", "VISIT", "VSDTC"]].assign(
        VSSTRESU="mmHg"
    )
    counted = table[
        table["VSSTRESN"].notna() & (table["VSTESTCD"] == "SYSBP") & (table["USUBJID"] != "V3")
    ]
    return advs({"vs": vs.sample(frac=1, random_state=3)}, ADSL, PLAN.safety), counted


def test_baseline_and_the_value_of_each_visit(patients):
    got, table = derived(patients)
    got = got.sort_values(["USUBJID", "VSSEQ"])
    assert got["VSSEQ"].tolist() == table["VSSEQ"].tolist()
    for column, written in (("ABLFL", "BASE"), ("ONTRTFL", "ON"), ("ANL01FL", "USED")):
        assert got[column].tolist() == table[written].fillna("").tolist(), column
    assert got.loc[got["USUBJID"] == "V1", "CHG"].tolist() == [20, 10, 0, -10, -6, -20, -40]
    assert got.loc[got["USUBJID"] == "V2", "BASE"].isna().all()
    assert set(got["STUDYID"]) == {"T"}
    assert set(got["AVALU"]) == {"mmHg"}


@pytest.mark.worked("vital_signs")
def test_values_and_changes_are_summarised_by_visit(patients):
    """Cycle 2: 124 and 134, mean 129, SD sqrt(50); only V1 has a change, of which there is no SD."""
    found = ard.bind(vital_signs(ADSL, derived(patients)[0], PLAN))
    assert set(found["paramcd"]) == {"SYSBP"}
    at = {
        (level, sublevel): part.set_index("stat_name")["stat"]
        for (level, sublevel), part in found.groupby(["level", "sublevel"])
    }
    assert list(dict.fromkeys(found["level"])) == ["BASELINE", "CYCLE 2", "END OF TREATMENT"]
    assert set(at) == {
        ("BASELINE", "value"), ("CYCLE 2", "value"), ("CYCLE 2", "change"),
        ("END OF TREATMENT", "value"), ("END OF TREATMENT", "change"),
    }  # fmt: skip
    names = ["n", "mean", "median", "q1", "q3", "min", "max"]
    assert at["BASELINE", "value"][names].tolist() == [1, 130, 130, 130, 130, 130, 130]
    assert at["CYCLE 2", "value"][names].tolist() == [2, 129, 129, 124, 134, 124, 134]
    assert at["CYCLE 2", "value"]["sd"] == pytest.approx(50**0.5)
    assert at["CYCLE 2", "change"][names].tolist() == [1, -6, -6, -6, -6, -6, -6]
    assert at["END OF TREATMENT", "change"][names].tolist() == [1, -20, -20, -20, -20, -20, -20]
    texts = found[found["stat_name"] == "sd"].set_index(["level", "sublevel"])["stat_text"]
    assert texts["CYCLE 2", "change"] == "one value only"


def test_data_without_vital_signs_give_no_row():
    assert rows(adsl=ADSL, advs=advs({}, ADSL, PLAN.safety), plan=PLAN) == []
