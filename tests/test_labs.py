"""ADLB: grades through the whole row, worst value, shift; thresholds as CTCAE 4.03 prints them."""

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sap import ard
from sap.catalogue import codelist
from sap.derivations.labs import _graded, adlb
from sap.methods.ctcae import CRITERIA, SYNONYMS
from sap.plan import read_plan
from sap.qc import labs as qc_labs
from sap.qc.ctcae import graded as graded_again
from sap.qc.labs import courses
from sap.qc.subjects import Subject
from sap.results import labs as labs_results
from sap.results.labs import lab_grade, lab_reported, lab_shift, lab_values, worsened

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


TIES = """
    USUBJID | LBSEQ | TEST  | VALUE | UNIT   | LO  | HI  | LBDTC            | GRADE      | BASE | BEFORE | BL | ON | WORST
    --------+-------+-------+-------+--------+-----+-----+------------------+------------+------+--------+----+----+------
    01      | 3     | NEUT  | 1.6   | 10^9/L | 1.8 | 7.2 | 2018-03-10T08:00 | 1          | 0.9  | 3      |    |    |
    01      | 1     | NEUT  | 1.2   | 10^9/L | 1.8 | 7.2 | 2018-03-10T09:00 | 2          | 0.9  | 3      |    |    |
    01      | 2     | NEUT  | 0.9   | 10^9/L | 1.8 | 7.2 | 2018-03-10T09:00 | 3          | 0.9  | 3      | Y  |    |
    01      | 4     | NEUT  | 1.2   | 10^9/L | 1.8 | 7.2 | 2018-03-12       | 2          | 0.9  | 3      |    | Y  |
    01      | 6     | NEUT  | 1.2   | 10^9/L | 1.8 | 7.2 | 2018-03-11T09:00 | 2          | 0.9  | 3      |    | Y  |
    01      | 5     | NEUT  | 1.2   | 10^9/L | 1.8 | 7.2 | 2018-03-11T10:00 | 2          | 0.9  | 3      |    | Y  | Y
    01      | 7     | PLAT  | 300   | 10^9/L | 150 | 400 | 2018-03-20       | 0          |      |        |    | Y  | Y
    01      | 8     | PLAT  | 100   | 10^9/L |     |     | 2018-03-12       | 0 OR 1     |      |        |    | Y  |
    02      | 9     | NEUT  | 2     | 10^9/L |     |     | 2018-03-20       | 0 OR 1     |      |        |    | Y  | Y
    02      | 10    | NEUT  | 2     | lumps  | 1.8 | 7.2 | 2018-03-12       | NOT GRADED |      |        |    | Y  |
    02      | 11    | ALT   | 2     | U/L    |     |     | 2018-03-12       | NOT GRADED |      |        |    | Y  | Y
    02      | 12    | ALT   | 2     | U/L    |     |     | 2018-03-13       | NOT GRADED |      |        |    | Y  |
    02      | 13    | HGB   | 9.9   | g/dL   | 13  | 17  | 2018-06-09       | 2          |      |        |    | Y  | Y
    02      | 14    | HGB   | 7.9   | g/dL   | 13  | 17  | 2018-06-10       | 3          |      |        |    |    |
    02      | 15    | CREAT | 1.3   | umol/L | 64  | 104 | 2018-03-12       | NOT GRADED |      |        |    | Y  | Y
"""


def test_of_equal_values_the_baseline_is_the_last_and_the_worst_is_the_first(patients):
    """A grade of 0 goes before one that is not known. Not used: a month alone, no number, a test
    without a term, a patient without treatment."""
    rows = patients(TIES)
    lb = pd.DataFrame(
        {
            "USUBJID": rows["USUBJID"], "LBSEQ": rows["LBSEQ"], "LBTESTCD": rows["TEST"],
            "LBTEST": "name", "LBSTRESN": rows["VALUE"].astype(float), "LBSTRESU": rows["UNIT"],
            "LBSTNRLO": rows["LO"].astype(float), "LBSTNRHI": rows["HI"].astype(float),
            "VISIT": "V", "LBDTC": rows["LBDTC"],
        }
    )  # fmt: skip
    last = lb[lb["LBTESTCD"] == "HGB"].iloc[[-1]].assign(LBSEQ=99.0)
    others = [
        last.assign(LBDTC="2018-03"), last.assign(LBSTRESN=float("nan")), last.assign(LBDTC=None),
        last.assign(LBTESTCD="K"), last.assign(USUBJID="09", LBDTC="2018-03-20"),
        last.assign(USUBJID="08", LBDTC="2018-03-20"),
    ]  # fmt: skip
    adsl = ADSL.assign(NCYCLES=[1.0, 1.0, 1.0, 0.0])
    tables = {"lb": pd.concat([*others, lb.iloc[::-1]], ignore_index=True)}
    got = adlb(tables, adsl, PLAN.labs, PLAN.safety).set_index("LBSEQ").loc[rows["LBSEQ"]]
    assert len(got) == len(adlb(tables, adsl, PLAN.labs, PLAN.safety))
    text = {0: "0", 1: "1", 2: "2", 3: "3"}
    for column, name in (("GRADE", "ATOXGR"), ("BEFORE", "BTOXGR")):
        expected = [text.get(cell, cell) for cell in rows[column].fillna("")]
        assert got[name].fillna("").tolist() == expected, name
    assert got["BASE"].fillna(0).tolist() == rows["BASE"].astype(float).fillna(0).tolist()
    for column, name in (("BL", "ABLFL"), ("ON", "ONTRTFL"), ("WORST", "ANL01FL")):
        assert got[name].tolist() == rows[column].fillna("").tolist(), name
    assert got["ATOXGRN"].fillna(-1).tolist() == [
        {"0 OR 1": -1, "NOT GRADED": -1}.get(cell, cell) for cell in rows["GRADE"]
    ]
    assert got["AVAL"].tolist() == rows["VALUE"].tolist()
    assert got["AVALU"].tolist() == rows["UNIT"].tolist()
    assert got["ANRLO"].fillna(0).tolist() == rows["LO"].astype(float).fillna(0).tolist()
    assert got["ANRHI"].fillna(0).tolist() == rows["HI"].astype(float).fillna(0).tolist()
    for name, value in (("STUDYID", "T"), ("PARAM", "name"), ("AVISIT", "V")):
        assert set(got[name]) == {value}
    directions = {"NEUT": "L", "PLAT": "L", "HGB": "L", "ALT": "H", "CREAT": "H"}
    assert got["ATOXDIR"].tolist() == [directions[test] for test in rows["TEST"]]
    assert got["ATERM"].tolist() == [PLAN.labs.terms[test][0] for test in rows["TEST"]]


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


@pytest.mark.worked("lab_grade")
def test_a_subject_is_counted_once_at_the_worst_grade_and_without_a_value_too(patients):
    rows = ard.bind(lab_grade(ADSL, graded(patients)[0], PLAN))
    of = {"paramcd": "NEUT", "group": "", "stat_name": "n"}
    counts = {level: stat(rows, level=level, **of) for level in ("0_or_1", "1", "2", "3", "4")}
    assert counts == {"0_or_1": 1, "1": 0, "2": 1, "3": 1, "4": 0}
    assert stat(rows, level="not_measured", **of) == 0
    assert stat(rows, level="severe_grade", **of) == 1
    assert stat(rows, level="severe_grade", **(of | {"group": "third_line"})) == 0
    assert stat(rows, level="not_measured", **(of | {"paramcd": "CREAT"})) == 2
    assert stat(rows, level="not_graded", **(of | {"paramcd": "ALT"})) == 1
    for name, value in (("N", 3), ("estimate", 1 / 3)):
        assert stat(rows, level="severe_grade", **(of | {"stat_name": name})) == value
    second = {"paramcd": "NEUT", "group": "second_line", "level": "3"}
    assert [stat(rows, stat_name=s, **second) for s in ("n", "N", "estimate")] == [1, 1, 1]
    third = second | {"group": "third_line", "level": "0_or_1"}
    assert [stat(rows, stat_name=s, **third) for s in ("n", "N", "estimate")] == [1, 2, 0.5]
    assert stat(rows, level="0", **(of | {"stat_name": "term"})) == "Neutrophil count decreased"
    assert str(stat(rows, level="2", **(of | {"paramcd": "BILI"}))).startswith("not in the data")


@pytest.mark.parametrize(
    "before, after, worse, unknown",
    [
        ("0", "1", 1, 0),
        ("1", "1", 0, 0),
        ("3", "1", 0, 0),
        # 0 or 1 at baseline: 2 is worse than both, 1 than 0 only, 0 than neither.
        ("0 OR 1", "2", 1, 0),
        ("0 OR 1", "1", 0, 1),
        ("0 OR 1", "0", 0, 0),
        ("0 OR 1", "0 OR 1", 0, 1),
        # 0 or 1 on treatment: 1 is worse than 0, neither is worse than 1.
        ("0", "0 OR 1", 0, 1),
        ("1", "0 OR 1", 0, 0),
        ("NOT MEASURED", "4", 0, 0),
        ("0", "NOT GRADED", 0, 0),
    ],
)
def test_a_grade_is_worse_than_at_baseline_whatever_0_or_1_stands_for(
    before, after, worse, unknown
):
    assert worsened(pd.Series([before]), pd.Series([after])) == (worse, unknown)
    by_loop = qc_labs._is_worse(qc_labs.Course(before, after))
    assert (by_loop is True, by_loop is None) == (worse == 1, unknown == 1)


@pytest.mark.worked("lab_shift")
def test_a_shift_is_counted_from_baseline_to_worst(patients):
    rows = ard.bind(lab_shift(ADSL, graded(patients)[0], PLAN))
    of = {"paramcd": "NEUT", "stat_name": "n"}
    assert stat(rows, level="1", sublevel="3", **of) == 1
    assert stat(rows, level="not_measured", sublevel="0_or_1", **of) == 1
    assert stat(rows, level="not_measured", sublevel="2", **of) == 1
    assert stat(rows, level="1", sublevel="2", **of) == 0
    assert stat(rows, level="1", sublevel="3", paramcd="NEUT", stat_name="N") == 3
    pairs = rows[rows["paramcd"] == "NEUT"]
    assert {"not_graded"}.isdisjoint(pairs["level"])
    assert str(stat(rows, level="1", sublevel="2", paramcd="BILI", stat_name="n")).startswith(
        "not in the data"
    )
    total = rows[(rows["paramcd"] == "NEUT") & (rows["stat_name"] == "n")]["stat"].sum()
    assert total == 3


@pytest.mark.worked("lab_reported")
def test_reported_and_graded_neutropenia_are_two_populations(patients):
    """01 graded 3 and not reported; 03 reported 3 and graded 2; 02 neither, or grade 1: not known."""
    adae = pd.DataFrame(
        {"USUBJID": ["03", "09"], "AEDECOD": ["Neutropenia", "Neutropenia"], "ATOXGRN": [3.0, 3.0],
         "TRTEMFL": ["Y", "N"]}
    )  # fmt: skip
    rows = ard.bind(lab_reported(ADSL, graded(patients)[0], adae, PLAN))
    severe = {"paramcd": "NEUT", "sublevel": "severe_grade", "stat_name": "n"}
    got = [
        stat(rows, level=level, **severe)
        for level in (
            "laboratory",
            "reported",
            "both",
            "laboratory_only",
            "reported_only",
            "neither",
        )
    ]
    assert got == [1, 1, 0, 1, 1, 1]
    assert stat(rows, level="both", **(severe | {"stat_name": "N"})) == 3
    assert stat(rows, level="both", **(severe | {"stat_name": "estimate"})) == 0
    assert stat(rows, level="laboratory_only", **(severe | {"stat_name": "estimate"})) == 1 / 3
    any_grade = {"paramcd": "NEUT", "sublevel": "grade_1", "stat_name": "estimate"}
    assert str(stat(rows, level="laboratory", **any_grade)).startswith("not in the data")
    assert stat(rows, level="reported", **any_grade) == pytest.approx(1 / 3)
    # 02 was not reported: the patient may move from "neither" to "laboratory_only", and to no other line.
    for level in ("laboratory_only", "neither"):
        assert stat(rows, level=level, **any_grade) == (
            "not in the data: lower limits of normal of 1 patients"
        )
    assert stat(rows, level="both", **any_grade) == pytest.approx(1 / 3)
    assert stat(rows, level="reported_only", **any_grade) == 0


def test_without_a_laboratory_nothing_is_counted_as_zero():
    empty = adlb({}, ADSL, PLAN.labs, PLAN.safety)
    rows = ard.bind(lab_grade(ADSL, empty, PLAN))
    graded_rows = rows[
        (rows["stat_name"] == "n") & ~rows["level"].isin(["not_graded", "not_measured"])
    ]
    assert graded_rows["stat"].isna().all()
    assert graded_rows["stat_text"].str.startswith("not in the data").all()


# Grades of neutrophils on treatment, and the grade of a reported event ("?" without one), by hand.
# 02 and 03 may have grade 1; 05 has no value on treatment; 07 was not treated.
PAIRED = """
    USUBJID | SAFFL | BEFORE | WORST  | REPORTED
    --------+-------+--------+--------+---------
    01      | Y     | 0      | 3      |
    02      | Y     | 0 OR 1 | 0 OR 1 | 1
    03      | Y     |        | 0 OR 1 |
    04      | Y     | 1      | 1      | ?
    05      | Y     | 0      |        | 3
    06      | Y     | 0      | 0      |
    07      | N     | 0      | 4      | 4
"""
NEITHER_IN_THE_DATA = "not in the data: {} was not measured on treatment"


def paired(patients) -> dict[str, pd.DataFrame]:
    """ADSL, ADLB and ADAE of PAIRED; platelets are measured without any limit of normal."""
    table = patients(PAIRED.replace("0 OR 1", "0_OR_1"))
    of_text = {0.0: "0", 1.0: "1", 3.0: "3", 4.0: "4", "0_OR_1": "0 OR 1"}
    who = table["USUBJID"]
    none = {"ONTRTFL": "", "ANL01FL": "", "ABLFL": ""}
    before = pd.DataFrame({"USUBJID": who, "PARAMCD": "NEUT", "ATOXDIR": "L",
                           "ATOXGR": table["BEFORE"].map(of_text)} | none | {"ABLFL": "Y"})  # fmt: skip
    worst = pd.DataFrame({"USUBJID": who, "PARAMCD": "NEUT", "ATOXDIR": "L",
                          "ATOXGR": table["WORST"].map(of_text)} | none
                         | {"ONTRTFL": "Y", "ANL01FL": "Y"})  # fmt: skip
    platelets = worst.iloc[:2].assign(PARAMCD="PLAT", ATOXGR="NOT GRADED")
    adlb = pd.concat([before, worst, platelets], ignore_index=True)
    adlb = adlb.assign(
        LBSEQ=range(1, len(adlb) + 1), AVAL=1.0, AVALU="10^9/L", BASE=1.0, AVISIT="CYCLE 2",
        ADT=pd.Timestamp("2018-03-20"),
    )  # fmt: skip
    reported = table[table["REPORTED"].notna()]
    adae = pd.DataFrame(
        {"USUBJID": reported["USUBJID"], "AEDECOD": "Neutropenia", "TRTEMFL": "Y",
         "ATOXGRN": pd.to_numeric(reported["REPORTED"], errors="coerce")}
    )  # fmt: skip
    late = pd.DataFrame(
        {"USUBJID": ["06", "01"], "AEDECOD": ["Neutropenia", "Nausea"], "TRTEMFL": ["N", "Y"],
         "ATOXGRN": [4.0, 4.0]}
    )  # fmt: skip
    adsl = table[["USUBJID", "SAFFL"]].assign(LINE=None)
    return {"adsl": adsl, "adlb": adlb[adlb["ATOXGR"].notna()], "adae": pd.concat([adae, late])}


def text_or_number(rows: pd.DataFrame, *names: str) -> dict[tuple[str, ...], float | str]:
    """Each statistic by the named columns and its own name."""
    return {
        (*(getattr(r, name) for name in names), r.stat_name): r.stat_text or r.stat
        for r in rows.itertuples()
    }


@pytest.mark.req("SAP-5.7.4")
@pytest.mark.worked("lab_reported")
def test_each_line_of_the_concordance_has_the_numbers_worked_by_hand(patients):
    """From grade 1: 01 and 04 by the laboratory; 02, 04 and 05 reported; of the open ones 02 was reported."""
    given = paired(patients)
    frame = ard.bind(lab_reported(given["adsl"], given["adlb"], given["adae"], PLAN))
    open_ = "not in the data: lower limits of normal of {} patients".format
    one, two = open_(1), open_(2)
    expected = {
        "grade_1": {
            "laboratory": (2, two), "reported": (3, 3 / 6), "both": (1, one),
            "laboratory_only": (1, one), "reported_only": (2, one), "neither": (2, one),
        },
        "severe_grade": {
            "laboratory": (1, 1 / 6), "reported": (1, 1 / 6), "both": (0, 0),
            "laboratory_only": (1, 1 / 6), "reported_only": (1, 1 / 6), "neither": (4, 4 / 6),
        },
    }  # fmt: skip
    got = text_or_number(frame[frame["paramcd"] == "NEUT"], "sublevel", "level")
    assert got == {
        (sublevel, level, name): value
        for sublevel, lines in expected.items()
        for level, (n, share) in lines.items()
        for name, value in (("n", n), ("N", 6), ("estimate", share))
    }
    # haemoglobin was not measured: only the reported events are known
    got = text_or_number(frame[frame["paramcd"] == "HGB"], "sublevel", "level")
    for (_, level, name), value in got.items():
        known = {"n": 0, "N": 6, "estimate": 0}[name]
        reason = NEITHER_IN_THE_DATA.format("HGB")
        assert value == (known if level == "reported" or name == "N" else reason), (level, name)


@pytest.mark.req("SAP-5.7.4")
@pytest.mark.worked("lab_grade", "lab_shift")
def test_every_grade_and_shift_has_the_numbers_worked_by_hand(patients):
    given = paired(patients)
    frame = ard.bind(lab_grade(given["adsl"], given["adlb"], PLAN))
    overall = frame[frame["group"] == ""]
    counts = {
        "0": 1, "0_or_1": 2, "1": 1, "2": 0, "3": 1, "4": 0, "not_graded": 0, "not_measured": 1,
        "severe_grade": 1,
    }  # fmt: skip
    got = text_or_number(overall[overall["paramcd"] == "NEUT"], "level")
    expected = {
        (level, name): value
        for level, n in counts.items()
        for name, value in (("n", n), ("N", 6), ("estimate", n / 6))
    }
    # 01 from 0 to 3. 02 is 0 or 1 at both: not known. 03 and 05 lack one of the two; 04 and 06 are as before.
    expected |= {
        ("worsened", "n"): 1, ("worsened", "N"): 6,
        ("worsened", "estimate"): "not in the data: lower limits of normal of 1 patients",
    }  # fmt: skip
    assert got == expected | {("0", "term"): "Neutrophil count decreased"}
    # the term once for each grading, of all patients
    terms = frame[frame["stat_name"] == "term"]
    assert len(terms) == len(PLAN.labs.gradings)
    assert set(zip(terms["group"], terms["level"], strict=True)) == {("", "0")}
    for paramcd, reason, lines in (
        ("PLAT", "not in the data: limits of normal of PLAT", {"not_graded": 2, "not_measured": 4}),
        ("BILI", NEITHER_IN_THE_DATA.format("BILI"), {"not_graded": 0, "not_measured": 6}),
    ):
        got = text_or_number(overall[overall["paramcd"] == paramcd], "level")
        for level in counts:
            n = lines.get(level, reason)
            share = n if isinstance(n, str) else n / 6
            assert [got[level, s] for s in ("n", "N", "estimate")] == [n, 6, share], (
                paramcd,
                level,
            )
    none = "no patient in this population"
    assert stat(frame, paramcd="NEUT", group="second_line", level="0", stat_name="estimate") == none

    shift = ard.bind(lab_shift(given["adsl"], given["adlb"], PLAN))
    got = text_or_number(shift[shift["paramcd"] == "NEUT"], "level", "sublevel")
    pairs = dict.fromkeys([(a, b) for a in "01234" for b in "01234"], 0)
    pairs |= {("0", "3"): 1, ("0_or_1", "0_or_1"): 1, ("not_measured", "0_or_1"): 1,
              ("1", "1"): 1, ("0", "not_measured"): 1, ("0", "0"): 1}  # fmt: skip
    assert got == {
        (*pair, name): value for pair, n in pairs.items() for name, value in (("n", n), ("N", 6))
    }
    for paramcd, reason, lines in (
        ("PLAT", "not in the data: limits of normal of PLAT",
         {("not_measured", "not_graded"): 2, ("not_measured", "not_measured"): 4}),
        ("BILI", NEITHER_IN_THE_DATA.format("BILI"), {("not_measured", "not_measured"): 6}),
    ):  # fmt: skip
        got = text_or_number(shift[shift["paramcd"] == paramcd], "level", "sublevel")
        pairs = dict.fromkeys([(a, b) for a in "01234" for b in "01234"], reason) | lines
        assert {key[:2]: n for key, n in got.items() if key[2] == "n"} == pairs


@pytest.mark.parametrize(
    "lowest, reached, unknown",
    [
        (1, [False, False, True, True, False, False], 1),
        (2, [False, False, False, True, False, False], 0),
        (3, [False, False, False, True, False, False], 0),
        (4, [False, False, False, False, False, False], 0),
    ],
)
def test_a_grade_is_reached_from_itself_on_and_unknown_from_grade_1_alone(lowest, reached, unknown):
    grades = pd.Series(["0", "0 OR 1", "1", "3", "NOT GRADED", "NOT MEASURED"])
    yes, open_ = labs_results.from_grade(grades, lowest)
    assert (yes.tolist(), open_) == (reached, unknown)


def test_the_laboratory_results_are_all_of_them(patients):
    frame = ard.bind(labs_results.rows(**paired(patients), plan=PLAN))
    assert set(frame["analysis"]) == {"lab_values", "lab_grade", "lab_shift", "lab_reported"}


# Potassium by CTCAE 4.03: high 1 above the limit, 2 above 5.5, 3 above 6.0, 4 above 7.0 mmol/L; low 2
# below the limit (1 and 2 differ by symptoms), 3 below 3.0, 4 below 2.5. A cut belongs to the milder.
POTASSIUM = """
    USUBJID | VALUE | LO  | HI  | LBDTC      | LOW        | HIGH
    --------+-------+-----+-----+------------+------------+-------
    01      | 4.0   | 3.5 | 5.0 | 2018-03-01 | 0          | 0
    01      | 5.5   | 3.5 | 5.0 | 2018-03-20 | 0          | 1
    01      | 2.9   | 3.5 | 5.0 | 2018-03-27 | 3          | 0
    02      | 3.4   | 3.5 | 5.0 | 2018-03-20 | 2          | 0
    02      | 7.1   | 3.5 | 5.0 | 2018-03-27 | 0          | 4
    03      | 4.0   |     |     | 2018-03-20 | NOT GRADED | 0 OR 1
"""


def test_potassium_is_graded_in_both_directions_in_both_computations(patients):
    rows = patients(POTASSIUM)
    terms = PLAN.labs.terms | {"K": ["Hypokalemia", "Hyperkalemia"]}
    plan = PLAN.model_copy(update={"labs": PLAN.labs.model_copy(update={"terms": terms})})
    lb = pd.DataFrame(
        {
            "USUBJID": rows["USUBJID"], "LBSEQ": [float(n) for n in range(1, 7)], "LBTESTCD": "K",
            "LBTEST": "Potassium", "LBSTRESN": rows["VALUE"].astype(float), "LBSTRESU": "mmol/L",
            "LBSTNRLO": rows["LO"].astype(float), "LBSTNRHI": rows["HI"].astype(float), "VISIT": "V",
            "LBDTC": rows["LBDTC"],
        }
    )  # fmt: skip
    got = adlb({"lb": lb}, ADSL, plan.labs, plan.safety)
    for side, column in (("L", "LOW"), ("H", "HIGH")):
        text = rows[column].map(lambda g: g if isinstance(g, str) else f"{g:g}").tolist()
        mine = got[got["ATOXDIR"] == side].sort_values("LBSEQ")
        assert mine["ATOXGR"].tolist() == text
        assert mine["ABLFL"].tolist() == ["Y", "", "", "", "", ""]
    worst = {
        (one.PARAMCD, one.LEVEL): one.STAT
        for one in ard.bind(lab_grade(ADSL, got, plan)).rename(columns=str.upper).itertuples()
        if one.GROUP == "" and one.STAT_NAME == "n" and one.PARAMCD in ("KL", "KH") and one.STAT
    }
    # Low: 01 grade 3, 02 grade 2, 03 not graded. High: 01 grade 1, 02 grade 4, 03 "0 or 1".
    assert worst == {
        ("KL", "3"): 1, ("KL", "2"): 1, ("KL", "not_graded"): 1, ("KL", "severe_grade"): 1,
        ("KL", "worsened"): 1, ("KH", "worsened"): 1,
        ("KH", "1"): 1, ("KH", "4"): 1, ("KH", "0_or_1"): 1, ("KH", "severe_grade"): 1,
    }  # fmt: skip
    shift = ard.bind(lab_shift(ADSL, got, plan))
    moved = shift[(shift["paramcd"] == "KL") & (shift["stat_name"] == "n") & (shift["stat"] > 0)]
    assert set(zip(moved["level"], moved["sublevel"], strict=True)) == {
        ("0", "3"), ("not_measured", "2"), ("not_measured", "not_graded"),
    }  # fmt: skip
    first, last = dt.date(2018, 3, 10), dt.date(2018, 5, 10)
    subjects = {
        who: Subject(who, doses=4, first_dose=first, last_dose=last) for who in ("01", "02", "03")
    }
    plain = lb.astype(object).where(lb.notna(), None)
    by = {who: part.to_dict("records") for who, part in plain.groupby("USUBJID")}
    again = courses(by, subjects, plan)
    assert {who: one.worst for who, one in again["KL"].items()} == {
        "01": "3", "02": "2", "03": "NOT GRADED",
    }  # fmt: skip
    assert {who: one.worst for who, one in again["KH"].items()} == {
        "01": "1", "02": "4", "03": "0 OR 1",
    }  # fmt: skip


def test_the_plans_laboratory_terms_are_those_that_are_graded_on_their_side():
    for side, name in (("low", "CTCAE_LAB_LOW"), ("high", "CTCAE_LAB_HIGH")):
        graded_there = [term for term, one in CRITERIA.items() if one.direction == side]
        assert sorted(codelist(name).values) == sorted(graded_there)
    for said, term in SYNONYMS.items():
        found = [codelist(name).standard(said) for name in ("CTCAE_LAB_LOW", "CTCAE_LAB_HIGH")]
        assert term in found, said


@settings(derandomize=True, deadline=None)
@given(
    st.sampled_from(sorted(CRITERIA)),
    st.sampled_from(["10^9/L", "mmol/L", "g/dL", "g/L", "mg/dL", "U/L"]),
    *[st.one_of(st.none(), st.decimals(1, 600, places=1).map(float)) for _ in range(3)],
    st.decimals("0.01", 600, places=2).map(float),
)
def test_two_computations_grade_every_term_alike(term, unit, low, high, base, value):
    got = _graded(
        pd.DataFrame(
            {"ATERM": [term], "AVAL": [value], "LBSTRESU": [unit], "LBSTNRLO": [low],
             "LBSTNRHI": [high]}
        ),
        pd.Series([base], dtype=float),
    )  # fmt: skip
    exact = [None if one is None else Decimal(repr(one)) for one in (value, low, high, base)]
    assert got["ATOXGR"].iloc[0] == graded_again(
        term, exact[0], unit, (exact[1], exact[2]), exact[3]
    )


# First dose 2018-03-10, last dose 2018-05-10. HGB in g/dL: 16.114 g/L a mmol/L, so 16.114 g/dL are 10 mmol/L.
OVER_TIME = """
    USUBJID | TEST | VALUE   | UNIT   | VISIT            | LBDTC      | WHY
    --------+------+---------+--------+------------------+------------+--------------------------
    01      | HGB  | 16.114  | g/dL   | CYCLE 1          | 2018-03-10 | baseline: 10 mmol/L
    01      | HGB  | 9       | mmol/L | CYCLE 2          | 2018-03-31 | change -1
    02      | HGB  | 8       | mmol/L | SCREENING        | 2018-03-01 | baseline
    02      | HGB  | 112.798 | g/L    | CYCLE 2          | 2018-03-31 | 7 mmol/L, followed by
    02      | HGB  | 6       | mmol/L | CYCLE 2          | 2018-04-02 | the last of the visit: -2
    02      | HGB  | 5       | mmol/L | CYCLE 3 NADIR    | 2018-04-20 | no visit of the table
    03      | HGB  | 7       | mmol/L | END OF TREATMENT | 2018-06-09 | no baseline
    03      | HGB  | 99      | %      | CYCLE 2          | 2018-03-31 | a unit that is not used
"""


@pytest.mark.worked("lab_values")
def test_laboratory_values_are_summarised_by_visit_in_one_unit(patients):
    table = patients(OVER_TIME)
    lb = pd.DataFrame(
        {
            "USUBJID": table["USUBJID"], "LBSEQ": range(1, len(table) + 1), "LBTESTCD": "HGB",
            "LBTEST": "Hemoglobin", "LBSTRESN": table["VALUE"].astype(float),
            "LBSTRESU": table["UNIT"], "LBSTNRLO": None, "LBSTNRHI": None, "VISIT": table["VISIT"],
            "LBDTC": table["LBDTC"],
        }
    )  # fmt: skip
    found = ard.bind(lab_values(ADSL, adlb({"lb": lb}, ADSL, PLAN.labs, PLAN.safety), PLAN))
    at = {
        (level, sublevel): part.set_index("stat_name")["stat"]
        for (level, sublevel), part in found.groupby(["level", "sublevel"])
    }
    assert list(dict.fromkeys(found["level"])) == ["BASELINE", "CYCLE 2", "END OF TREATMENT"]
    names = ["n", "mean", "median", "min", "max"]
    assert at["BASELINE", "value"][names].tolist() == pytest.approx([2, 9, 9, 8, 10])
    assert at["CYCLE 2", "value"][names].tolist() == pytest.approx([2, 7.5, 7.5, 6, 9])
    assert at["CYCLE 2", "change"][names].tolist() == pytest.approx([2, -1.5, -1.5, -2, -1])
    assert at["END OF TREATMENT", "value"][names].tolist() == [1, 7, 7, 7, 7]
    assert at["END OF TREATMENT", "change"]["n"] == 0
