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
            "STUDYID": "T", "USUBJID": subjects["USUBJID"], "GROUP": subjects["GROUP"], "SCRDT": when["SCR"],
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


# ---- samples due and collected, row by row -------------------------------------------------------


def as_days(values: object) -> pd.Series:
    return pd.to_datetime(pd.Series(values, dtype="object"))


def inventory_of(
    adsl: pd.DataFrame, be: pd.DataFrame, cut_off: str, choices: pd.DataFrame | None = None
) -> list[list[object]]:
    """The rows of ADBE, sorted, days as texts and missing as None; 01 and 04 had 12 infusions."""
    infused = pd.DataFrame(
        [
            {"USUBJID": key, "ACYCLE": float(n), "ASTDT": day}
            for key, start in (("01", "2018-01-10"), ("04", "2018-07-01"))
            for n, day in enumerate(pd.date_range(start, periods=12, freq="21D"), 1)
        ]
    )
    if choices is None:
        choices = pd.DataFrame(columns=["USUBJID", "COURSE", "DRUG"])
        choices = choices.assign(TRTSDT=as_days([]), NEWTHDT=as_days([]))
    day = dt.date.fromisoformat(cut_off)
    got = adbe({"be": be}, adsl, infused, choices, PLAN, day)
    names = [
        "USUBJID",
        "GROUP",
        "BECAT",
        "AVISIT",
        "DUEDT",
        "EXPTUBES",
        "EXPVOL",
        "TUBES",
        "VOLUME",
        "CASE",
    ]
    assert list(got) == ["STUDYID", *names]
    assert set(got.loc[got["USUBJID"].isin(adsl["USUBJID"]), "STUDYID"]) == {"T"}
    rows = got[names].assign(DUEDT=got["DUEDT"].dt.strftime("%F")).astype(object)
    cells: list[list[object]] = rows.where(rows.notna(), None).to_numpy().tolist()
    return sorted(cells, key=lambda row: [str(cell) for cell in row])


def collected(rows: list[tuple[object, ...]]) -> pd.DataFrame:
    names = ["USUBJID", "BECAT", "VISIT", "BEDTC", "BEVOL"]
    be = pd.DataFrame(rows, columns=names)
    return be.assign(BEDECOD="COLLECTING", BESEQ=range(len(be)))


def subjects_of(rows: list[tuple[object, ...]]) -> pd.DataFrame:
    names = ["USUBJID", "GROUP", "RESCTRFL", "SCRDT", "RESCRDT", "TRTSDT", "LSTALVDT"]
    adsl = pd.DataFrame(rows, columns=names)
    adsl = adsl.assign(STUDYID="T")
    return adsl.assign(**{name: as_days(adsl[name].tolist()) for name in names[3:]})


def test_samples_are_due_to_the_cut_off_and_to_the_last_planned_cycle():
    """Cycle 10 is the last of the plan and given on 2018-07-18, 189 days after cycle 1."""
    adsl = subjects_of([("01", "B", "N", "2018-01-01", None, "2018-01-10", "2018-12-01")])
    be = collected([("01", "PK", "CYCLE 1", "2018-01-10", 5.0), ("01", "PK", "CYCLE 1", None, 4.5)])
    be = pd.concat([be, be.assign(BEDECOD="STORING")], ignore_index=True)
    start = pd.Timestamp("2018-01-10")
    plasma = [
        ["01", "B", "CFDNA PLASMA", f"CYCLE {n}", f"{start + pd.Timedelta(days=21 * (n - 1)):%F}",
         1, 10, 0, 0, 2]
        for n in (1, 10, 2, 3, 4, 5, 6, 7, 8, 9)
    ]  # fmt: skip
    others = [
        ["01", "B", "CTC", "CYCLE 3", "2018-02-21", 1, 20, 0, 0, 2],
        ["01", "B", "CTC", "SCREENING", "2018-01-01", 1, 20, 0, 0, 2],
        ["01", "B", "PK", "CYCLE 1", "2018-01-10", 4, 20, 2, 9.5, 1],
    ]
    assert inventory_of(adsl, be, "2018-12-31") == [*plasma, *others]
    assert inventory_of(adsl, be, "2018-07-18") == [*plasma, *others]  # due on the cut-off
    assert inventory_of(adsl, be, "2018-07-17") == [plasma[0], *plasma[2:], *others]


def test_who_is_screened_again_has_a_second_screening_sample():
    """02 of group A without treatment; 03 of group B, 05 never allocated and 06 treated again.

    What is collected and not expected: of 06 from the first dose after the re-screening on of the
    second group, before it and without a day of the first; 07 is no patient of ADSL.
    """
    adsl = subjects_of([
        ("02", "A", "N", "2018-01-01", "2018-06-01", None, "2018-12-01"),
        ("03", "B", "N", "2018-01-01", "2018-06-01", None, "2018-12-01"),
        ("05", None, "N", "2018-01-01", "2018-06-01", None, "2018-12-01"),
        ("04", "A", "Y", "2018-01-01", "2018-06-01", "2018-07-01", "2018-12-01"),
        ("08", None, "N", None, None, None, "2018-12-01"),
    ])  # fmt: skip
    be = collected([
        ("04", "CTC", "UNSCHEDULED", "2018-07-01", 1.0),
        ("04", "CTC", "OTHER", "2018-06-30", 2.0),
        ("04", "CTC", None, None, None),
        ("07", "CTC", "SCREENING", "2018-01-01", 3.0),
        ("04", "CTC", "RE-SCREENING", "2018-07-02", 4.0),
        ("04", "CTC", "SCREENING", "2018-07-02", 5.0),
        ("04", "CTC", "SCREENING", "2018-01-01", 6.0),
    ])  # fmt: skip
    again = "B after re-screening"
    assert inventory_of(adsl, be, "2018-07-02") == [
        ["02", "A", "CTC", "RE-SCREENING", "2018-06-01", 1, 20, 0, 0, 2],
        ["02", "A", "CTC", "SCREENING", "2018-01-01", 1, 20, 0, 0, 2],
        ["03", "B", "CTC", "SCREENING", "2018-01-01", 1, 20, 0, 0, 2],
        ["04", "A", "CTC", None, None, 0, 0, 1, 0, 3],
        ["04", "A", "CTC", "OTHER", None, 0, 0, 1, 2, 3],
        ["04", "A", "CTC", "SCREENING", "2018-01-01", 1, 20, 2, 11, 1],
        ["04", again, "CTC", "RE-SCREENING", "2018-06-01", 1, 20, 1, 4, 1],
        ["04", again, "CTC", "UNSCHEDULED", None, 0, 0, 1, 1, 3],
        ["04", again, "PK", "CYCLE 1", "2018-07-01", 4, 20, 0, 0, 2],
        ["05", "", "CTC", "SCREENING", "2018-01-01", 1, 20, 0, 0, 2],
        ["07", "", "CTC", "SCREENING", None, 0, 0, 1, 3, 3],
    ]


def test_samples_under_the_physicians_choice_end_with_the_progression():
    """The choice began on 2018-02-01; day 84 is 2018-04-26.

    1: followed to day 84. 2: the next therapy the day after it. 3: on it. 4: a progression sample, the
    earliest of two, before the re-screening. 5: the re-screening before the next therapy. 6: began no
    drug. 7: a course of study treatment is no choice. 8: last known alive the day before day 84.
    """
    seen = "2018-12-01"
    adsl = subjects_of([
        ("1", "A", "N", None, None, None, seen),
        ("2", "A", "N", None, None, None, seen),
        ("3", "A", "N", None, None, None, seen),
        ("4", "A", "N", None, "2018-06-01", None, seen),
        ("5", "A", "N", None, "2018-06-01", None, seen),
        ("6", "A", "N", None, None, None, seen),
        ("7", "A", "N", None, None, None, seen),
        ("8", "A", "N", None, None, None, "2018-04-25"),
    ])  # fmt: skip
    later = [None, "2018-04-27", "2018-04-26", "2018-06-20", "2018-06-20", None, None, None]
    choices = pd.DataFrame(
        {
            "USUBJID": adsl["USUBJID"], "COURSE": [*["CHOICE"] * 6, "STUDY", "CHOICE"],
            "DRUG": [*["ABIRATERONE"] * 5, None, "CABAZITAXEL", "ABIRATERONE"],
            "TRTSDT": as_days(["2018-02-01"] * 8), "NEWTHDT": as_days(later),
        }
    )  # fmt: skip
    plasma = "CFDNA PLASMA"
    be = collected([
        ("4", plasma, "PROGRESSION", "2018-05-03", 10.0),
        ("4", plasma, "PROGRESSION", "2018-05-02", 10.0),
        ("5", "CTC", "PROGRESSION", "2018-05-02", 10.0),
        ("5", plasma, "WEEK 12", "2018-04-26", 10.0),
    ])  # fmt: skip
    baseline = [[key, "A", plasma, "BASELINE", "2018-02-01", 1, 10, 0, 0, 2] for key in "123458"]
    week_12 = {key: [key, "A", plasma, "WEEK 12", "2018-04-26", 1, 10, 0, 0, 2] for key in "1245"}
    week_12["5"] = ["5", "A", plasma, "WEEK 12", "2018-04-26", 1, 10, 1, 10, 1]
    end = [
        ["2", "A", plasma, "PROGRESSION", "2018-04-27", 1, 10, 0, 0, 2],
        ["3", "A", plasma, "PROGRESSION", "2018-04-26", 1, 10, 0, 0, 2],
        ["4", "A", plasma, "RE-SCREENING", "2018-05-02", 1, 10, 0, 0, 2],
        ["4", "A", plasma, "PROGRESSION", None, 0, 0, 2, 20, 3],
        ["5", "A", plasma, "RE-SCREENING", "2018-06-01", 1, 10, 0, 0, 2],
        ["5", "A", "CTC", "PROGRESSION", None, 0, 0, 1, 10, 3],
    ]
    screening = [[key, "A", "CTC", "RE-SCREENING", "2018-06-01", 1, 20, 0, 0, 2] for key in "45"]
    rows = [*baseline, *week_12.values(), *end, *screening]
    expected = sorted(rows, key=lambda row: [str(cell) for cell in row])
    assert inventory_of(adsl, be, "2018-12-31", choices) == expected
    # By a cut-off on day 84 the sample is due; a day earlier it is not.
    for cut_off, due in (("2018-04-26", 4), ("2018-04-25", 0)):
        at_cut_off = inventory_of(adsl, be[:2], cut_off, choices)
        assert sum(row[3] == "WEEK 12" for row in at_cut_off) == due
