"""ADAE: treatment-emergence by its numbered cases, and who is counted once."""

from pathlib import Path

import pandas as pd
import pytest

from sap import ard
from sap.derivations.safety import adae
from sap.plan import read_plan
from sap.results.safety import ae_overview, ae_soc_pt

PLAN = read_plan(Path(__file__).parents[1] / "analysis" / "plan.yml").plan

ADSL = pd.DataFrame(
    {
        "USUBJID": ["01", "02"],
        "TRTSDT": [pd.Timestamp("2018-03-10"), pd.NaT],
        "TRTEDT": [pd.Timestamp("2018-05-10"), pd.NaT],
        "NCYCLES": [4.0, 0.0],
        "SAFFL": ["Y", "N"],
    }
)

# First dose 2018-03-10, last dose 2018-05-10, window 30 days: 2018-06-09 is the last day.
EVENTS = """
    USUBJID | AESTDTC    | AEENDTC    | TRTEMFL | CASE | ASTDT      | WHY
    --------+------------+------------+---------+------+------------+-----------------------------
    01      | 2018-03-10 |            | Y       | 7    | 2018-03-10 | on the day of the first dose
    01      | 2018-03-09 |            | N       | 4    | 2018-03-09 | the day before
    01      | 2018-06-09 |            | Y       | 7    | 2018-06-09 | last day of the window
    01      | 2018-06-10 |            | N       | 5    | 2018-06-10 | one day too late
    01      |            |            | Y       | 2    | 2018-03-10 | nothing known: counts
    01      |            | 2018-03-09 | N       | 3    | 2018-03-10 | ended before the first dose
    01      |            | 2018-03    | Y       | 2    | 2018-03-10 | may have ended after it
    01      | 2018-03    |            | Y       | 7    | 2018-03-10 | month of the first dose
    01      | 2018-02    |            | N       | 4    | 2018-02-01 | month before it
    01      | 2018       |            | Y       | 7    | 2018-03-10 | year of the first dose
    01      | 2018-03    | 2018-03-08 | N       | 6    | 2018-03-10 | may be earlier, ended before
    01      | 2018-07    |            | N       | 5    | 2018-07-01 | month after the window
    02      | 2018-04-01 |            | N       | 1    | 2018-04-01 | no study cabazitaxel
"""


def derived(events: pd.DataFrame, **columns: object) -> pd.DataFrame:
    ae = events.assign(
        STUDYID="T", AESEQ=range(1, len(events) + 1), AESER="N", AEREL="RELATED",
        AEACN="DOSE NOT CHANGED", AEOUT="UNKNOWN",
    )  # fmt: skip
    for name, value in {
        "AETERM": "x", "AEDECOD": "X", "AEBODSYS": "S", "AETOXGR": "2", "AEENDTC": None, **columns
    }.items():  # fmt: skip
        if name not in ae:
            ae[name] = value
    return adae({"ae": ae}, ADSL, PLAN.safety)


@pytest.mark.req("SAP-5.7")
def test_each_event_is_emergent_by_the_case_written_beside_it(patients):
    events = patients(EVENTS)
    got = derived(events)
    assert got["TRTEMCAS"].tolist() == events["CASE"].astype(int).tolist()
    assert got["TRTEMFL"].tolist() == events["TRTEMFL"].tolist()
    assert got["ASTDT"].dt.strftime("%F").tolist() == events["ASTDT"].tolist()


TERMS = """
    USUBJID | AEBODSYS | AEDECOD | AETOXGR | AESTDTC
    --------+----------+---------+---------+-----------
    01      | BLOOD    | ANAEMIA | 2       | 2018-03-20
    01      | BLOOD    | ANAEMIA | 4       | 2018-04-20
    01      | BLOOD    | OTHER   | 3       | 2018-04-01
    01      | GUT      | NAUSEA  |         | 2018-04-01
    02      | GUT      | NAUSEA  | 5       | 2018-04-01
"""


def stat(rows: pd.DataFrame, **where: str) -> float:
    found = rows
    for name, value in where.items():
        found = found[found[name] == value]
    assert len(found) == 1, where
    return float(found["stat"].iloc[0])


def test_a_man_stands_once_in_a_line_at_his_worst_grade(patients):
    events = patients(TERMS).assign(AETOXGR=lambda f: f["AETOXGR"].map(lambda g: g))
    rows = ard.bind(ae_soc_pt(ADSL, derived(events), PLAN))
    anaemia = {"level": "BLOOD", "sublevel": "ANAEMIA", "stat_name": "n"}
    assert stat(rows, paramcd="GR4", **anaemia) == 1
    assert stat(rows, paramcd="GR2", **anaemia) == 0
    assert stat(rows, paramcd="ANY", level="BLOOD", sublevel="", stat_name="n_events") == 3
    assert stat(rows, paramcd="ANY", level="BLOOD", sublevel="", stat_name="n") == 1
    # a grade that was not recorded has a column of its own; the untreated man is nowhere
    nausea = {"level": "GUT", "sublevel": "NAUSEA", "stat_name": "n"}
    assert stat(rows, paramcd="GRMISS", **nausea) == 1
    assert stat(rows, paramcd="GR5", **nausea) == 0


def test_first_occurrence_flags_mark_one_event_each(patients):
    got = derived(patients(TERMS))
    emergent = got[got["TRTEMFL"] == "Y"]
    assert (emergent["AOCCFL"] == "Y").sum() == 1
    assert emergent.loc[emergent["AOCCFL"] == "Y", "ATOXGRN"].tolist() == [4]
    assert (emergent["AOCCSFL"] == "Y").sum() == 2
    assert (emergent["AOCCPFL"] == "Y").sum() == 3


def test_overview_counts_men_and_events(patients):
    rows = ard.bind(ae_overview(ADSL, derived(patients(TERMS)), PLAN))
    assert stat(rows, level="Any", stat_name="n") == 1
    assert stat(rows, level="Any", stat_name="n_events") == 4
    assert stat(rows, level="Grade >= 3", stat_name="n_events") == 2
    assert stat(rows, level="Serious", stat_name="n") == 0
    assert stat(rows, level="Any", stat_name="N") == 1


def test_nobody_treated_gives_counts_and_no_rate():
    nobody = ADSL.assign(SAFFL="N")
    events = derived(pd.DataFrame({"USUBJID": ["02"], "AESTDTC": ["2018-04-01"]}))
    rows = ard.bind(ae_overview(nobody, events, PLAN))
    any_line = rows[(rows["level"] == "Any") & (rows["stat_name"] == "estimate")]
    assert any_line["stat"].isna().all()
    assert any_line["stat_text"].tolist() == ["nobody in this population"]
