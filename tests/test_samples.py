"""Blood samples: what is due of each patient by the schedule, and what was drawn; by hand."""

import datetime as dt
from pathlib import Path

import pandas as pd
import pytest

from sap import ard
from sap.derivations.samples import adbe
from sap.plan import read_plan
from sap.results import samples as results
from sap.results.samples import sample_inventory

PLAN = read_plan(Path(__file__).parents[1] / "analysis" / "plan.yml").plan
CUT_OFF = dt.date(2018, 12, 31)

# Group, screening, re-screening, treated again, choice, next therapy, last seen.
SUBJECTS = """
    USUBJID | GROUP | SCRDTC     | RESCRDTC   | RESCTRFL | CHOICEDTC  | NEXTDTC    | LASTDTC    | WHY
    --------+-------+------------+------------+----------+------------+------------+------------+---------------------
    01      | B     | 2018-01-01 |            | N        |            |            | 2018-12-01 | three cycles
    02      | A     | 2018-01-01 |            | N        | 2018-02-01 |            | 2018-04-25 | last seen one day too early for week 12
    03      | A     | 2018-01-01 |            | N        | 2018-02-01 |            | 2018-04-26 | day 84 itself
    04      | A     | 2018-01-01 |            | N        | 2018-02-01 | 2018-04-20 | 2018-12-01 | the next therapy came before week 12
    05      | A     | 2018-01-01 | 2018-06-01 | Y        | 2018-02-01 |            | 2018-12-01 | again, and treated
    06      | A     | 2018-01-01 | 2018-06-01 | N        | 2018-02-01 |            | 2018-12-01 | again, not treated
    07      |       | 2018-01-01 |            | N        |            |            | 2018-12-01 | never allocated
    08      |       |            |            | N        |            |            | 2018-12-01 | no sample
"""
INFUSIONS = {"01": ["2018-01-10", "2018-01-31", "2018-02-21"], "05": ["2018-06-20", "2018-07-11"]}
# CASE 1 expected and drawn, 2 expected and not drawn, 3 drawn and not expected.
EXPECTED = """
    USUBJID | BECAT        | AVISIT       | GROUP                | DRAWN | CASE
    --------+--------------+--------------+----------------------+-------+-----
    01      | CTC          | SCREENING    | B                    | 1     | 1
    01      | CTC          | CYCLE 3      | B                    | 0     | 2
    01      | CTC          | CYCLE 5      | B                    | 1     | 3
    01      | CFDNA PLASMA | CYCLE 1      | B                    | 1     | 1
    01      | CFDNA PLASMA | CYCLE 2      | B                    | 0     | 2
    01      | CFDNA PLASMA | CYCLE 3      | B                    | 0     | 2
    01      | PK           | CYCLE 1      | B                    | 3     | 1
    02      | CTC          | SCREENING    | A                    | 0     | 2
    02      | CFDNA PLASMA | BASELINE     | A                    | 1     | 1
    03      | CTC          | SCREENING    | A                    | 0     | 2
    03      | CFDNA PLASMA | BASELINE     | A                    | 0     | 2
    03      | CFDNA PLASMA | WEEK 12      | A                    | 1     | 1
    04      | CTC          | SCREENING    | A                    | 0     | 2
    04      | CFDNA PLASMA | BASELINE     | A                    | 0     | 2
    04      | CFDNA PLASMA | PROGRESSION  | A                    | 0     | 2
    05      | CTC          | SCREENING    | A                    | 0     | 2
    05      | CTC          | RE-SCREENING | B after re-screening | 1     | 1
    05      | CFDNA PLASMA | BASELINE     | A                    | 0     | 2
    05      | CFDNA PLASMA | WEEK 12      | A                    | 0     | 2
    05      | CFDNA PLASMA | RE-SCREENING | A                    | 1     | 1
    05      | CFDNA PLASMA | CYCLE 2      | B after re-screening | 0     | 2
    05      | PK           | CYCLE 1      | B after re-screening | 0     | 2
    06      | CTC          | SCREENING    | A                    | 0     | 2
    06      | CTC          | RE-SCREENING | A                    | 0     | 2
    06      | CFDNA PLASMA | BASELINE     | A                    | 0     | 2
    06      | CFDNA PLASMA | WEEK 12      | A                    | 0     | 2
    06      | CFDNA PLASMA | RE-SCREENING | A                    | 0     | 2
    07      | CTC          | SCREENING    |                      | 0     | 2
"""
VOLUME = {"CTC": 20.0, "CFDNA PLASMA": 10.0, "PK": 5.0}


def inventory(patients, cut_off: dt.date = CUT_OFF) -> tuple[pd.DataFrame, pd.DataFrame]:
    subjects, expected = patients(SUBJECTS), patients(EXPECTED)
    when = {
        n: pd.to_datetime(subjects[f"{n}DTC"]) for n in ("SCR", "RESCR", "CHOICE", "NEXT", "LAST")
    }
    adsl = pd.DataFrame(
        {
            "USUBJID": subjects["USUBJID"], "GROUP": subjects["GROUP"], "SCRDT": when["SCR"],
            "RESCRDT": when["RESCR"], "RESCTRFL": subjects["RESCTRFL"], "LSTALVDT": when["LAST"],
            "TRTSDT": subjects["USUBJID"].map({k: pd.Timestamp(v[0]) for k, v in INFUSIONS.items()}),
        }
    )  # fmt: skip
    adex = pd.DataFrame(
        [
            {"USUBJID": who, "ACYCLE": float(n), "ASTDT": pd.Timestamp(day)}
            for who, days in INFUSIONS.items()
            for n, day in enumerate(days, 1)
        ]
    )
    choice = when["CHOICE"].notna()
    courses = pd.DataFrame(
        {"USUBJID": subjects["USUBJID"], "COURSE": "CHOICE", "DRUG": "ABIRATERONE",
         "TRTSDT": when["CHOICE"], "NEWTHDT": when["NEXT"]}
    )[choice]  # fmt: skip
    drawn = expected.loc[expected.index.repeat(expected["DRAWN"].astype(int))]
    be = pd.DataFrame(
        {"USUBJID": drawn["USUBJID"], "BESEQ": range(len(drawn)), "BEDECOD": "COLLECTING",
         "BECAT": drawn["BECAT"], "BEVOL": drawn["BECAT"].map(VOLUME), "VISIT": drawn["AVISIT"],
         "BEDTC": "2018-01-02"}
    )  # fmt: skip
    return adbe({"be": be}, adsl, adex, courses, PLAN, cut_off), expected


@pytest.mark.req("SAP-5.11")
def test_each_sample_is_due_or_not_as_written(patients):
    got, expected = inventory(patients)
    columns = ["USUBJID", "BECAT", "AVISIT", "GROUP"]
    ours = sorted((*row[:4], int(row[4])) for row in got[[*columns, "CASE"]].to_numpy().tolist())
    by_hand = expected.fillna({"GROUP": ""})[[*columns, "CASE"]].to_numpy().tolist()
    assert ours == sorted((*row[:4], int(row[4])) for row in by_hand)


def test_what_falls_due_after_the_cut_off_is_not_asked(patients):
    got, _ = inventory(patients, dt.date(2018, 2, 20))
    cycles = got[(got["USUBJID"] == "01") & (got["BECAT"] == "CFDNA PLASMA")]
    assert sorted(cycles["AVISIT"]) == ["CYCLE 1", "CYCLE 2"]


# Of all visits, and the volume: from EXPECTED above by hand; tubes of 20, 10 and 5 mL.
INVENTORY = """
    PARAMCD      | GROUP         | YES | OF | MORE | ASKED | TUBES | SUBJECTS | TOTAL | DUEML | PLANML
    -------------+---------------+-----+----+------+-------+-------+----------+-------+-------+-------
    CTC          | A             | 0   | 6  | 0    | 6     | 0     | 5        | 0     | 120   | 40
    CTC          | B             | 1   | 2  | 1    | 2     | 2     | 1        | 40    | 40    | 40
    CTC          | b_rescreened  | 1   | 1  | 0    | 1     | 1     | 1        | 20    | 20    | 40
    CTC          | not_allocated | 0   | 1  | 0    | 1     | 0     | 1        | 0     | 20    | 40
    CFDNA PLASMA | A             | 3   | 11 | 0    | 11    | 3     | 5        | 30    | 110   | 30
    CFDNA PLASMA | B             | 1   | 3  | 0    | 3     | 1     | 1        | 10    | 30    | 100
    CFDNA PLASMA | b_rescreened  | 0   | 1  | 0    | 1     | 0     | 1        | 0     | 10    | 100
    PK           | B             | 1   | 1  | 0    | 4     | 3     | 1        | 15    | 20    | 20
    PK           | b_rescreened  | 0   | 1  | 0    | 4     | 0     | 1        | 0     | 20    | 20
"""
OF_VISITS = {"n": "YES", "N": "OF", "n_extra": "MORE", "tubes_expected": "ASKED", "tubes": "TUBES"}
OF_VOLUME = {"n": "SUBJECTS", "total": "TOTAL", "expected_ml": "DUEML", "planned_ml": "PLANML"}


def stats(rows: pd.DataFrame, **where: str) -> pd.Series:
    for name, value in where.items():
        rows = rows[rows[name] == value]
    return rows.set_index("stat_name", verify_integrity=True)["stat"]


@pytest.mark.worked("sample_inventory")
def test_samples_tubes_and_blood_are_counted_by_kind_and_group(patients):
    rows = ard.bind(sample_inventory(inventory(patients)[0], PLAN))
    by_hand = patients(INVENTORY).to_dict("records")
    assert len(rows[["paramcd", "group"]].drop_duplicates()) == len(by_hand)
    for line in by_hand:
        place = {"paramcd": line["PARAMCD"], "group": line["GROUP"]}
        visits = stats(rows, **place, level="")
        assert {name: visits[name] for name in OF_VISITS} == {
            name: line[column] for name, column in OF_VISITS.items()
        }, place
        assert visits["estimate"] == pytest.approx(line["YES"] / line["OF"])
        volume = stats(rows, **place, level="volume")
        assert {name: volume[name] for name in OF_VOLUME} == {
            name: line[column] for name, column in OF_VOLUME.items()
        }, place
        assert volume["n_above"] == 0
    # 10, 10, 0, 10 and 0 mL
    plasma = stats(rows, paramcd="CFDNA PLASMA", group="A", level="volume")
    assert plasma[["mean", "median", "min", "max"]].tolist() == [6, 10, 0, 10]
    third = stats(rows, paramcd="CTC", group="B", level="CYCLE 3")
    assert third[["n", "N", "n_extra", "tubes"]].tolist() == [0, 1, 0, 0]
    unscheduled = stats(rows, paramcd="CTC", group="B", level="CYCLE 5")
    assert unscheduled[["n", "N", "n_extra", "tubes"]].tolist() == [0, 0, 1, 1]
    assert pd.isna(unscheduled["estimate"])


def test_a_patient_above_the_volume_of_the_protocol_is_counted(patients):
    """01 gave 40 mL for CTC and 15 mL for concentrations: above 39 and above 14, not above 40 or 15."""
    adbe_rows = inventory(patients)[0]
    for ctc, pk, above in ((39, 14, 1), (40, 15, 0)):
        planned = {**PLAN.samples.planned_ml, "CTC": {"A": 40, "B": ctc}, "PK": {"B": pk}}
        samples = PLAN.samples.model_copy(update={"planned_ml": planned})
        rows = ard.bind(sample_inventory(adbe_rows, PLAN.model_copy(update={"samples": samples})))
        for paramcd in ("CTC", "PK"):
            volume = stats(rows, paramcd=paramcd, group="B", level="volume")
            assert volume["n_above"] == above, paramcd


def test_without_records_of_samples_the_inventory_says_so(patients):
    empty = adbe({}, pd.DataFrame(), pd.DataFrame(), pd.DataFrame(), PLAN, CUT_OFF)
    rows = ard.bind(sample_inventory(empty, PLAN))
    got = {(r.paramcd, r.group, r.stat_name): r.stat_text or r.stat for r in rows.itertuples()}
    # the mL of the protocol as in INVENTORY, and a sample for concentrations of group B alone
    planned = {("CTC", "A"): 40, ("CTC", "B"): 40, ("CFDNA PLASMA", "A"): 30,
               ("CFDNA PLASMA", "B"): 100, ("PK", "B"): 20}  # fmt: skip
    reason = "not in the data: no record of samples drawn"
    assert {key: value for key, value in got.items() if (*key[:2],) in planned} == {
        (*place, name): value
        for place, ml in planned.items()
        for name, value in (("n", reason), ("N", reason), ("planned_ml", ml))
    }
    assert set(ard.bind(results.rows(adbe=empty, plan=PLAN))["analysis"]) == {"sample_inventory"}


def test_a_kind_without_a_planned_volume_has_its_volume_and_no_patient_above_it(patients):
    samples = PLAN.samples.model_copy(
        update={"planned_ml": {**PLAN.samples.planned_ml, "CTC": {"A": 40.0}}}
    )
    plan = PLAN.model_copy(update={"samples": samples})
    rows = ard.bind(sample_inventory(inventory(patients)[0], plan))
    volume = stats(rows, paramcd="CTC", group="B", level="volume")
    assert (volume["n"], volume["total"]) == (1, 40)
    assert not {"planned_ml", "n_above"} & set(volume.index)
    # before allocation the plan is that of group A
    first = stats(rows, paramcd="CTC", group="not_allocated", level="volume")
    assert (first["planned_ml"], first["n_above"]) == (40, 0)
