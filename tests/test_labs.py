"""ADLB: grades through the whole row, worst value, shift; thresholds as CTCAE 4.03 prints them."""

from pathlib import Path

import pandas as pd
import pytest

from sap import ard
from sap.derivations.labs import adlb
from sap.plan import read_plan
from sap.results.labs import lab_grade, lab_reported, lab_shift

PLAN = read_plan(Path(__file__).parents[1] / "analysis" / "plan.yml").plan

ADSL = pd.DataFrame(
    {
        "STUDYID": "T",
        "USUBJID": ["01", "02", "03", "09"],
        "TRTSDT": pd.to_datetime(["2018-03-10"] * 3 + [None]),
        "TRTEDT": pd.to_datetime(["2018-05-10"] * 3 + [None]),
        "NCYCLES": [4.0, 4.0, 4.0, 0.0],
        "SAFFL": ["Y", "Y", "Y", "N"],
        "LINE": ["second line", "third line", "third line", None],
    }
)

# First dose 2018-03-10, last dose 2018-05-10, window 30 days: 2018-06-09 is the last day.
VALUES = """
    USUBJID | TEST  | VALUE | UNIT   | LO  | HI  | LBDTC      | GRADE      | ON | WORST | WHY
    --------+-------+-------+--------+-----+-----+------------+------------+----+-------+----------------------
    01      | NEUT  | 4     | 10^9/L | 1.8 | 7.2 | 2018-03-01 | 0          |    |       | before
    01      | NEUT  | 1.6   | 10^9/L | 1.8 | 7.2 | 2018-03-10 | 1          |    |       | the first day: baseline
    01      | NEUT  | 1.5   | 10^9/L | 1.8 | 7.2 | 2018-03-20 | 1          | Y  |       | 1.5 itself is grade 1
    01      | NEUT  | 1     | 10^9/L | 1.8 | 7.2 | 2018-03-27 | 2          | Y  |       | 1.0 itself is grade 2
    01      | NEUT  | 0.5   | 10^9/L | 1.8 | 7.2 | 2018-04-03 | 3          | Y  | Y     | 0.5 itself is grade 3
    01      | NEUT  | 0.4   | 10^9/L | 1.8 | 7.2 | 2018-06-10 | 4          |    |       | a day after the window
    01      | HGB   | 6.2   | mmol/L | 8.5 | 11  | 2018-06-09 | 1          | Y  | Y     | last day of the window
    01      | ALT   | 135   | U/L    |     | 45  | 2018-03-20 | 1          | Y  | Y     | 3 x 45 itself
    01      | CREAT | 90    | umol/L | 64  | 104 | 2018-03-01 | 0          |    |       | baseline 90
    01      | CREAT | 140   | umol/L | 64  | 104 | 2018-03-20 | 2          | Y  | Y     | 1.35 x ULN is 1; 1.56 x base is 2
    02      | NEUT  | 1.7   | 10^9/L |     |     | 2018-03-20 | 0 OR 1     | Y  | Y     | no lower limit
    02      | ALT   | 30    | U/L    |     |     | 2018-03-20 | NOT GRADED | Y  | Y     | no upper limit
    02      | HGB   | 9.9   | g/dL   | 13  | 17  | 2018-03-20 | 2          | Y  | Y     | in its own unit
    02      | PLAT  | 74    | 10^9/L |     |     | 2018-03-20 | 2          | Y  | Y     | 75 is absolute
    03      | NEUT  | 1.4   | 10^9/L |     |     | 2018-03-20 | 2          | Y  | Y     | graded without limits
    03      | NEUT  | 1.7   | 10^9/L |     |     | 2018-03-27 | 0 OR 1     | Y  |       | milder than the one above
    03      | HGB   | 6.2   | g/L    | 130 | 170 | 2018-03-20 | 3          | Y  | Y     | 6.2 g/L, whatever it looks like
"""


def graded(patients) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = patients(VALUES)
    lb = pd.DataFrame(
        {
            "USUBJID": rows["USUBJID"], "LBSEQ": range(1, len(rows) + 1),
            "LBTESTCD": rows["TEST"], "LBTEST": rows["TEST"], "LBSTRESN": rows["VALUE"].astype(float),
            "LBSTRESU": rows["UNIT"], "LBSTNRLO": rows["LO"].astype(float),
            "LBSTNRHI": rows["HI"].astype(float), "VISIT": "V", "LBDTC": rows["LBDTC"],
        }
    )  # fmt: skip
    got = adlb({"lb": lb.sample(frac=1, random_state=5)}, ADSL, PLAN.labs, PLAN.safety)
    return got.sort_values("LBSEQ", ignore_index=True), rows


@pytest.mark.req("SAP-5.7.4")
def test_each_value_has_the_grade_written_beside_it(patients):
    got, rows = graded(patients)
    text = rows["GRADE"].map(lambda g: g if isinstance(g, str) else f"{g:g}")
    assert got["ATOXGR"].tolist() == text.tolist()
    assert got["ONTRTFL"].tolist() == rows["ON"].fillna("").tolist()
    assert got["ANL01FL"].tolist() == rows["WORST"].fillna("").tolist()
    assert got.loc[got["ABLFL"] == "Y", "LBSEQ"].tolist() == [2, 9]
    assert got["BASE"].dropna().unique().tolist() == [1.6, 90]


def test_below_quantification_is_graded_at_its_limit():
    lb = pd.DataFrame(
        {"USUBJID": ["01"], "LBSEQ": [1], "LBTESTCD": ["NEUT"], "LBSTRESC": ["<0.1"],
         "LBSTRESN": [None], "LBLLOQ": [0.1], "LBSTRESU": ["10^9/L"], "LBDTC": ["2018-03-20"]}
    )  # fmt: skip
    got = adlb({"lb": lb}, ADSL, PLAN.labs, PLAN.safety)
    assert got["ATOXGR"].tolist() == ["4"]


def stat(rows: pd.DataFrame, **where: str) -> float | str:
    for name, value in where.items():
        rows = rows[rows[name] == value]
    assert len(rows) == 1, where
    return rows["stat_text"].iloc[0] or float(rows["stat"].iloc[0])


def test_a_man_stands_once_at_his_worst_grade_and_without_a_value_all_the_same(patients):
    rows = ard.bind(lab_grade(ADSL, graded(patients)[0], PLAN))
    of = {"paramcd": "NEUT", "group": "", "stat_name": "n"}
    counts = {level: stat(rows, level=level, **of) for level in ("0 OR 1", "1", "2", "3", "4")}
    assert counts == {"0 OR 1": 1, "1": 0, "2": 1, "3": 1, "4": 0}
    assert stat(rows, level="NOT MEASURED", **of) == 0
    assert stat(rows, level="Grade >= 3", **of) == 1
    assert stat(rows, level="Grade >= 3", **(of | {"group": "third line"})) == 0
    assert stat(rows, level="NOT MEASURED", **(of | {"paramcd": "CREAT"})) == 2
    assert str(stat(rows, level="2", **(of | {"paramcd": "BILI"}))).startswith("not in the data")


def test_a_shift_is_counted_from_baseline_to_worst(patients):
    rows = ard.bind(lab_shift(ADSL, graded(patients)[0], PLAN))
    of = {"paramcd": "NEUT", "stat_name": "n"}
    assert stat(rows, level="1", sublevel="3", **of) == 1
    assert stat(rows, level="NOT MEASURED", sublevel="0 OR 1", **of) == 1
    assert stat(rows, level="NOT MEASURED", sublevel="2", **of) == 1
    total = rows[(rows["paramcd"] == "NEUT") & (rows["stat_name"] == "n")]["stat"].sum()
    assert total == 3


def test_reported_and_graded_neutropenia_are_two_populations(patients):
    """01 graded 3 and not reported; 03 reported 3 and graded 2; 02 neither, or grade 1: not known."""
    adae = pd.DataFrame(
        {"USUBJID": ["03", "09"], "AEDECOD": ["Neutropenia", "Neutropenia"], "ATOXGRN": [3.0, 3.0],
         "TRTEMFL": ["Y", "N"]}
    )  # fmt: skip
    rows = ard.bind(lab_reported(ADSL, graded(patients)[0], adae, PLAN))
    severe = {"paramcd": "NEUT", "sublevel": "Grade >= 3", "stat_name": "n"}
    got = [
        stat(rows, level=level, **severe)
        for level in (
            "laboratory",
            "reported",
            "both",
            "laboratory only",
            "reported only",
            "neither",
        )
    ]
    assert got == [1, 1, 0, 1, 1, 1]
    any_grade = {"paramcd": "NEUT", "sublevel": "Grade >= 1", "stat_name": "estimate"}
    assert str(stat(rows, level="laboratory", **any_grade)).startswith("not in the data")
    assert stat(rows, level="reported", **any_grade) == pytest.approx(1 / 3)
    # 02 was not reported: he may go from "neither" to "laboratory only", and to no other line.
    for level in ("laboratory only", "neither"):
        assert stat(rows, level=level, **any_grade) == (
            "not in the data: lower limits of normal of 1 men"
        )
    assert stat(rows, level="both", **any_grade) == pytest.approx(1 / 3)
    assert stat(rows, level="reported only", **any_grade) == 0


def test_without_a_laboratory_nothing_is_counted_as_zero():
    empty = adlb({}, ADSL, PLAN.labs, PLAN.safety)
    rows = ard.bind(lab_grade(ADSL, empty, PLAN))
    graded_rows = rows[(rows["stat_name"] == "n") & ~rows["level"].str.startswith("NOT")]
    assert graded_rows["stat"].isna().all()
    assert graded_rows["stat_text"].str.startswith("not in the data").all()
