"""ADTTE row by row: origins, events, censoring and sources of hand-made courses, by hand."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sap.derivations.survival import (
    DatedEvent,
    Definition,
    FollowUp,
    Outcome,
    adtte,
    definitions,
    outcome,
    progression_times,
    sources,
    with_baseline_status,
)
from sap.plan import read_plan

PLAN = read_plan(Path(__file__).parents[1] / "analysis" / "plan.yml").plan
ORIGIN = pd.Timestamp("2018-01-01")
DATES = ("RFICDT", "ALLOCDT", "TRTSDT", "RESALLDT", "DTHDT", "LSTALVDT", "DCTDT")


def date(day: Any) -> Any:
    return pd.NaT if day is None or pd.isna(day) else ORIGIN + pd.Timedelta(days=int(day))


def day_of(dates: pd.Series) -> pd.Series:
    return (dates - ORIGIN).dt.days


def dated(table: pd.DataFrame) -> pd.DataFrame:
    """Days from the origin as dates; a column that the table lacks is missing."""
    for name in DATES:
        days = table[name] if name in table else [None] * len(table)
        table[name] = pd.to_datetime(pd.Series([date(d) for d in days], table.index))
    return table.assign(STUDYID="T")


def tuples(frame: pd.DataFrame, *names: str) -> list[tuple]:
    """The rows of some columns; missing is None."""
    chosen = frame[list(names)].astype(object)
    return [tuple(row) for row in chosen.where(chosen.notna(), None).to_numpy()]


# ---- overall survival ----------------------------------------------------------------------------

# Days from the origin. The words are those of the cases of `adtte`.
FOLLOWED = """
    USUBJID | RFICDT | ALLOCDT | TRTSDT | RESALLDT | RESCTRFL | DTHDT | LSTALVDT | WHY
    --------+--------+---------+--------+----------+----------+-------+----------+--------------------------
    01      | -10    | 0       | 9      |          | N        | 0     | 0        | died on the day of origin
    02      | -10    | 0       | 9      |          | N        | -1    | 50       | died before the origin
    03      | -10    | 0       |        |          | N        |       | 1        | alive the day after
    04      | -10    | 0       | -12    |          | N        |       | 0        | not known alive later
    05      | -10    | 0       | 90     | 80       | Y        | 80    | 79       | allocated again, died
    06      | -10    | 0       | 90     | 0        | Y        |       | 100      | allocated again at once
    07      | -10    | 0       | 90     | 81       | Y        | 80    | 80       | died before that
    08      | -10    | 0       |        | 40       | N        |       | 100      | not treated again
    09      | -10    | 50      | 90     | 40       | Y        |       | 100      | dates out of order
    10      | -10    |         |        |          | N        |       | 20       | not allocated
    11      | -10    | 0       | -10    |          | N        |       |          | treated at screening
"""


def test_overall_survival_has_its_end_its_reason_and_its_source(patients):
    found = adtte(dated(patients(FOLLOWED)), PLAN.survival)
    assert found.index.tolist() == list(range(len(found)))
    found = found.assign(START=day_of(found["STARTDT"]), END=day_of(found["ADT"]))
    assert set(zip(found["STUDYID"], found["AVALU"], strict=True)) == {("T", "DAYS")}
    assert found["SRCSEQ"].isna().all()
    names = ("USUBJID", "START", "END", "AVAL", "CNSR", "EVNTDESC", "CNSDTDSC", "SRCDOM", "SRCVAR",
             "CASE")  # fmt: skip

    def of(paramcd: str) -> dict[str, tuple]:
        return {row[0]: row[1:] for row in tuples(found[found["PARAMCD"] == paramcd], *names)}

    died, alive = ("DEATH", "", "DM", "DTHDTC", 1), ("", "LAST KNOWN ALIVE", "ADSL", "LSTALVDT", 3)
    before = ("", "DEATH BEFORE ORIGIN", "ADSL", "LSTALVDT", 2)
    no_more = ("", "NO FOLLOW-UP AFTER ORIGIN", "ADSL", "LSTALVDT", 4)
    again = ("", "RE-SCREENED AND ALLOCATED", "ADSL", "RESALLDT", 5)
    os = {
        "01": (0, 0, 0, 0, *died), "02": (0, 0, 0, 1, *before), "03": (0, 1, 1, 1, *alive),
        "04": (0, 0, 0, 1, *no_more), "05": (0, 80, 80, 0, *died), "06": (0, 100, 100, 1, *alive),
        "07": (0, 80, 80, 0, *died), "08": (0, 100, 100, 1, *alive), "09": (50, 100, 50, 1, *alive),
        "11": (0, 0, 0, 1, *no_more),
    }  # fmt: skip
    assert of("OS") == os
    stopped = {"05": (0, 80, 80, 1, *again), "06": (0, 0, 0, 1, *again)}
    assert of("OSCENS") == os | stopped
    assert of("OSRE") == {
        "05": (80, 80, 0, 0, *died), "06": (0, 100, 100, 1, *alive), "07": (81, 81, 0, 1, *before),
        "09": (40, 100, 60, 1, *alive),
    }  # fmt: skip
    assert of("OSSCR")["02"] == (-10, -1, 9, 0, *died)
    assert of("OSSCR")["10"] == (-10, 20, 30, 1, *alive)
    entry = found[found["PARAMCD"] == "OSSCR"]
    assert tuples(entry, "USUBJID", "ENTRY") == [
        ("01", 19), ("02", 19), ("03", None), ("04", 0), ("05", 100), ("06", 100), ("07", 100),
        ("08", None), ("09", 100), ("10", None), ("11", 0),
    ]  # fmt: skip
    assert found.loc[found["PARAMCD"] != "OSSCR", "ENTRY"].isna().all()


# Status by day; the reference day is 0 (allocation), for 06 day -10 (consent).
STATUS = """
    USUBJID | RSSEQ | RSTESTCD | RSSTRESC | DAY
    --------+-------+----------+----------+----
    01      | 1     | ECOG     | 0        | -9
    01      | 3     | ECOG     | 2        | 0
    01      | 2     | ECOG     | 1        | 0
    01      | 4     | ECOG     | 3        | 1
    02      | 1     | ECOG     | 1        | 7
    02      | 2     | ECOG     | 2        | 6
    03      | 1     | ECOG     | 1        | 7
    04      | 1     | ECOG     | 1        | 8
    05      | 1     | ECOG     | 1        | 4
    06      | 1     | ECOG     | 1        | -10
    06      | 2     | ECOG     | 2        | -9
    07      | 1     | KPS      | 90       | -1
    07      | 2     | ECOG     | 1        |
    08      | 1     | ECOG     | 1        | 3
    09      | 1     | ECOG     | 1        | 1
"""


@pytest.mark.parametrize(
    "window, measures, expected",
    [
        (7, ["ECOG"], {"01": 2, "02": 2, "03": 1, "06": 1, "08": 1, "09": 1}),
        (7, ["PSA"], {"01": 2, "06": 1}),  # no window for this measure
        (0, ["ECOG"], {"01": 2, "06": 1}),
        (1, ["ECOG"], {"01": 2, "06": 1, "09": 1}),
    ],
)
def test_the_status_at_baseline_is_the_last_before_or_the_first_within_the_window(
    patients, window, measures, expected
):
    """First dose of study treatment on day 3 for 05 and 08, on day 90 for 02 and 03."""
    rs = patients(STATUS)
    rs = rs.assign(
        RSSTRESC=rs["RSSTRESC"].astype(str),
        RSDTC=[None if pd.isna(d) else f"{date(d):%Y-%m-%d}" for d in rs.pop("DAY")],
    )
    adsl = dated(
        pd.DataFrame(
            {
                "USUBJID": [f"{n:02d}" for n in range(1, 11)],
                "RFICDT": -10,
                "ALLOCDT": [0, 0, 0, 0, 0, None, 0, 0, 0, 0],
                "TRTSDT": [None, 90, 90, None, 3, None, None, 3, None, None],
            }
        )
    )
    rule = PLAN.baseline.model_copy(update={"window_days": window, "window_measures": measures})
    found = with_baseline_status(adsl, rs.sample(frac=1, random_state=2), rule)
    assert found.set_index("USUBJID")["ECOGBL"].dropna().to_dict() == expected
    assert with_baseline_status(adsl, None, rule)["ECOGBL"].isna().all()


# ---- definitions and cases -----------------------------------------------------------------------


def test_each_definition_differs_from_that_of_the_plan_in_one_point():
    assert Definition() == ("", "censor", True, False, False, False, False)
    words = [
        "from the first dose", "new therapy is an event", "new therapy is ignored",
        "missed assessments are ignored", "stopping treatment is an event",
        "unconfirmed progression is an event", "at the next scheduled scan",
    ]  # fmt: skip
    rule = PLAN.progression.model_copy(update={"sensitivity": words})
    assert definitions(rule) == [
        ("", "censor", True, False, False, False, False),
        ("DOSE", "censor", True, False, False, True, False),
        ("NT", "event", True, False, False, False, False),
        ("IT", "ignore", True, False, False, False, False),
        ("GAP", "censor", False, False, False, False, False),
        ("OFF", "censor", True, True, False, False, False),
        ("UNC", "censor", True, False, True, False, False),
        ("NEXT", "censor", True, False, False, False, True),
    ]


# Origin on START, first dose on day 7; at most 182 days without an assessment before an event.
CASES = """
    ID | START | SCANS      | EVENTS  | SWITCH | DAY | CASE | SOURCE | WHY
    ---+-------+------------+---------+--------+-----+------+--------+-----------------------------------
    01 | 0     |            | 189     |        | 189 | 4    | 189    | 182 days after the first dose
    02 | 0     |            | 190     |        | 0   | 3    |        | 183 days
    03 | 50    | 50         | 232     |        | 232 | 4    | 232    | the scan of the origin counts
    04 | 50    | 49         | 233     |        | 50  | 3    |        | the scan before it does not
    05 | 0     | 7          |         |        | 0   | 5    |        | nor that of the first dose
    06 | 0     | 84 300     | 300     |        | 84  | 3    | 84     | the scan of the event is none before
    07 | 0     | 20 84 160  | 300     |        | 300 | 4    | 300    | 140 days after the last of three
    08 | 0     | 20 84 160  | 343     |        | 160 | 3    | 160    | 183 days
    09 | 0     | 20 84 160  |         |        | 160 | 8    | 160    | the last of three
    10 | 0     | 20 84 160  |         | 159    | 84  | 2    | 84     | the last before the new therapy
    11 | 0     | 20 84 160  | 161     | 160    | 160 | 2    | 160    | on its day
    12 | 0     | 20 84 160  | 50 90   |        | 50  | 4    | 50     | the first event
    13 | 50    | 84         | 49 90   |        | 90  | 4    | 90     | the first from the origin on
    14 | 50    | 84         | 50 90   |        | 50  | 4    | 50     | the origin included
"""


def test_the_case_has_its_day_and_the_record_it_rests_on(patients):
    for row in patients(CASES).itertuples():
        course = FollowUp(int(row.START), 7, True, None if pd.isna(row.SWITCH) else int(row.SWITCH),
                          400, "", False)  # fmt: skip

        def of(text: Any, kind: str) -> list[DatedEvent]:
            days = [] if pd.isna(text) else [int(float(d)) for d in str(text).split()]
            return [DatedEvent(d, kind, "TR", "TRDTC", float(d)) for d in days]

        got = outcome(course, of(row.EVENTS, "X"), of(row.SCANS, "SCAN"), Definition(), 182)
        source = None if got.source is None else got.source.day
        expected = None if pd.isna(row.SOURCE) else int(row.SOURCE)
        assert (got.day, got.case, source) == (int(row.DAY), int(row.CASE), expected), row.ID


def test_a_new_therapy_censors_only_where_the_definition_censors():
    course = FollowUp(0, 7, True, 100, 400, "", False)
    scans = [DatedEvent(84, "SCAN", "TR", "TRDTC", 1)]
    event = DatedEvent(168, "X", "TR", "TRDTC", 2)
    assert outcome(course, [event], scans, Definition(), 182) == Outcome(2, 84, scans[0])
    for other in ("ignore", "event"):
        got = outcome(course, [event], scans, Definition(new_therapy=other), 182)
        assert got == Outcome(4, 168, event)
    none = course._replace(switch=None)
    assert outcome(none, [], scans, Definition(), 182) == Outcome(8, 84, scans[0])
    assert outcome(course, [], [], Definition(), 182) == Outcome(2, 0, None)
    without = course._replace(baseline=False)
    assert outcome(without, [event], scans, Definition(), 182) == Outcome(1, 0, None)


# ---- progression, row by row ---------------------------------------------------------------------

# One course a row, study treatment from day 7 where nothing else is given; allocation on day 0.
COURSES = """
    USUBJID | COURSE | AGAINFL | TRTSDT | NEWTHDT | ALLOCDT | RESALLDT | DTHDT | LSTALVDT | DCSREAS               | DCTREAS       | DCTDT
    --------+--------+---------+--------+---------+---------+----------+-------+----------+-----------------------+---------------+------
    rad     | STUDY  | N       | 7      |         | 0       |          |       | 160      |                       | ADVERSE EVENT | 110
    fall    | STUDY  | N       | 7      |         | 0       |          |       |          |                       | COMPLETED     | 110
    nofall  | STUDY  | N       | 7      |         | 0       |          |       | 300      | COMPLETED             | DEATH         | 110
    once    | STUDY  | N       | 7      |         | 0       |          | 200   | 240      |                       |               |
    nopsa   | STUDY  | N       | 7      |         | 0       |          |       | 300      | LOST TO FOLLOW-UP     |               |
    noscan  | STUDY  | N       | 7      |         | 0       |          |       | 300      |                       |               |
    clin    | STUDY  | N       | 7      |         | 0       |          |       | 300      |                       |               |
    gap     | STUDY  | N       | 7      |         | 0       |          |       | 300      | WITHDRAWAL BY SUBJECT |               |
    switch  | STUDY  | N       | 7      | 100     | 0       |          |       | 300      |                       |               |
    bone    | STUDY  | N       | 7      |         | 0       |          |       | 300      |                       |               |
    late    | STUDY  | N       | 7      |         |         |          |       | 300      |                       |               |
    twice   | CHOICE | N       | 10     | 300     | 0       | 290      | 400   | 399      |                       |               |
    twice   | STUDY  | Y       | 300    |         | 0       | 290      | 400   | 399      |                       |               |
"""
POINTS = """
    USUBJID | COURSE | DAY | OVRLRESP | BONERESP | SOURCE | SRCSEQ
    --------+--------+-----+----------+----------+--------+-------
    rad     | STUDY  | 84  | SD       | NED      | TR     | 1
    rad     | STUDY  | 170 | PD       | NED      | RS     | 2
    fall    | STUDY  | 84  | SD       | NED      | TR     | 3
    fall    | STUDY  | 168 | NE       | NED      | TR     | 4
    nofall  | STUDY  | 84  | SD       | NED      | TR     | 5
    nopsa   | STUDY  | 84  | PR       | NED      | RS     | 6
    noscan  | STUDY  | 84  | SD       | NED      | TR     | 7
    clin    | STUDY  | 84  | SD       | NED      | TR     | 8
    gap     | STUDY  | 84  | PR       | NED      | TR     | 9
    gap     | STUDY  | 267 | PD       | NED      | TR     | 10
    switch  | STUDY  | 84  | SD       | NED      | TR     | 11
    switch  | STUDY  | 168 | PD       | NED      | TR     | 12
    bone    | STUDY  | 84  | SD       | PDu      | TR     | 13
    late    | STUDY  | 84  | PDu      | NE       | TR     | 14
    twice   | CHOICE | 60  | SD       | NED      | TR     | 15
    twice   | STUDY  | 384 | SD       | NED      | TR     | 16
"""
PSA = """
    USUBJID | COURSE | DAY | AVAL | LBSEQ | ABLFL
    --------+--------+-----+------+-------+------
    rad     | STUDY  | 0   | 100  | 1     | Y
    rad     | STUDY  | 28  | 90   | 2     |
    fall    | STUDY  | 0   | 100  | 3     | Y
    fall    | STUDY  | 30  | 40   | 4     |
    fall    | STUDY  | 226 | 60   | 5     |
    fall    | STUDY  | 250 | 60   | 6     |
    nofall  | STUDY  | 0   | 100  | 7     | Y
    nofall  | STUDY  | 120 | 130  | 8     |
    nofall  | STUDY  | 150 | 140  | 9     |
    once    | STUDY  | 0   | 100  | 10    | Y
    once    | STUDY  | 30  | 40   | 11    |
    once    | STUDY  | 120 | 60   | 12    |
    nopsa   | STUDY  | 30  | 40   | 13    |
    noscan  | STUDY  | 0   | 100  | 14    | Y
    clin    | STUDY  | 0   | 100  | 15    | Y
    gap     | STUDY  | 0   | 100  | 16    | Y
    gap     | STUDY  | 30  | 40   | 17    |
    gap     | STUDY  | 227 | 60   | 18    |
    gap     | STUDY  | 250 | 60   | 19    |
    switch  | STUDY  | 0   | 100  | 20    | Y
    switch  | STUDY  | 30  | 40   | 21    |
    switch  | STUDY  | 120 | 60   | 22    |
    switch  | STUDY  | 150 | 60   | 23    |
    twice   | CHOICE | 0   | 100  | 24    | Y
    twice   | CHOICE | 40  | 40   | 25    |
    twice   | STUDY  | 295 | 100  | 26    | Y
    twice   | STUDY  | 330 | 90   | 27    |
"""
# Clinical progression of `clin`: on the first day, by another evaluator, denied, of another test, then
# without an evaluator. Of `twice`: on the first day of the study treatment, which is of no course.
CLINICAL = """
    USUBJID | RSSEQ | RSTESTCD | RSSTRESC | RSEVAL               | DAY
    --------+-------+----------+----------+----------------------+----
    clin    | 1     | CLINPROG | Y        | INVESTIGATOR         | 7
    clin    | 2     | CLINPROG | Y        | INDEPENDENT ASSESSOR | 50
    clin    | 3     | CLINPROG | N        | INVESTIGATOR         | 60
    clin    | 4     | OTHER    | Y        | INVESTIGATOR         | 70
    clin    | 5     | CLINPROG | Y        |                      | 120
    clin    | 6     | CLINPROG | Y        | INVESTIGATOR         | 130
    twice   | 7     | CLINPROG | Y        | INVESTIGATOR         | 300
    twice   | 8     | CLINPROG | Y        | INVESTIGATOR         | 390
"""
RESPONSES = """
    USUBJID | PARAMCD | AVALC | DAY
    --------+---------+-------+----
    fall    | PSARESP | Y     | 30
    gap     | PSARESP | Y     | 30
    rad     | PSARESP | N     | 28
    once    | PSARESP | Y     |
    fall    | PSARESPU | Y    | 20
    nopsa   | BORC    | PR    | 84
    gap     | BORC    | CR    | 84
    rad     | BORC    | SD    | 84
    gap     | BOR     | CR    | 20
"""
RAD, PSA_UP, CLIN = "RADIOGRAPHIC PROGRESSION", "PSA PROGRESSION", "CLINICAL PROGRESSION"
OTHER, STOPPED = "NEW ANTICANCER THERAPY", "TREATMENT STOPPED"
TR, RS, LB = ("TR", "TRDTC"), ("RS", "RSDTC"), ("LB", "LBDTC")
DM, CM, DS, NONE = ("DM", "DTHDTC"), ("CM", "CMSTDTC"), ("DS", "DSSTDTC"), ("ADSL", "STARTDT")


def event(
    start: int, end: int, kind: str, source: tuple[str, str], seq: int | None = None
) -> tuple:
    return start, end, end - start, 0, kind, "", *source, seq, 4


def censored(
    case: int, start: int, end: int, why: str, source: tuple[str, str], seq: int | None
) -> tuple:
    return start, end, end - start, 1, "", why, *source, seq, case


def last(start: int, end: int, source: tuple[str, str], seq: int) -> tuple:
    return censored(8, start, end, "NO PROGRESSION AT LAST ASSESSMENT", source, seq)


def missed(start: int, end: int, source: tuple[str, str], seq: int | None) -> tuple:
    return censored(3, start, end, "MISSED ASSESSMENTS BEFORE THE EVENT", source, seq)


NO_BASELINE = censored(1, 0, 0, "NO BASELINE ASSESSMENT", NONE, None)
NOTHING_AFTER = censored(5, 0, 0, "NO ASSESSMENT AFTER BASELINE", NONE, None)


def times_of(patients, plan=PLAN) -> pd.DataFrame:
    """ADTTE of the courses above, with START and END as days; 'noscan' has no scan at baseline."""
    course = dated(patients(COURSES)).assign(
        NEWTHDT=lambda f: pd.to_datetime(pd.Series([date(d) for d in f["NEWTHDT"]], f.index)),
        BEGINDT=pd.NaT,
    )
    adsl = course.drop_duplicates("USUBJID", keep="last").assign(RFICDT=ORIGIN)
    of_course = ["STUDYID", "USUBJID", "COURSE", "AGAINFL", "TRTSDT", "BEGINDT", "NEWTHDT"]
    course = course[of_course]

    def read(text: str) -> pd.DataFrame:
        frame = patients(text)
        return frame.assign(ADT=pd.to_datetime(pd.Series([date(d) for d in frame.pop("DAY")])))

    clinical = read(CLINICAL)
    clinical["RSDTC"] = clinical.pop("ADT").dt.strftime("%Y-%m-%d")
    tu = pd.DataFrame(
        [(who, "T01", "TARGET", f"{date(100 if who == 'noscan' else -9):%Y-%m-%d}")
         for who in adsl["USUBJID"]],
        columns=["USUBJID", "TULNKID", "TUSTRESC", "TUDTC"],
    )  # fmt: skip
    values = read(PSA).astype({"AVAL": float, "LBSEQ": float})
    psa = {name: part.drop(columns="COURSE") for name, part in values.groupby("COURSE")}
    adrs = read(RESPONSES)
    got = sources({"rs": clinical, "tu": tu}, adsl, course, read(POINTS), psa, adrs, plan)
    times = progression_times(got, plan)
    return times.assign(START=day_of(times["STARTDT"]), END=day_of(times["ADT"]))


@pytest.fixture(scope="module")
def times(patients) -> pd.DataFrame:
    return times_of(patients)


def rows_of(times: pd.DataFrame, paramcd: str) -> dict[str, tuple]:
    """By subject and course the row of a parameter; the parameter of a second course has RE."""
    names = ("USUBJID", "COURSE", "PARAMCD", "START", "END", "AVAL", "CNSR", "EVNTDESC", "CNSDTDSC",
             "SRCDOM", "SRCVAR", "SRCSEQ", "CASE")  # fmt: skip
    chosen = times[times["PARAMCD"].isin([paramcd, f"{paramcd}RE"])]
    rows = {}
    for who, course, code, *values in tuples(chosen, *names):
        assert code.endswith("RE") == (who == "twice" and course == "STUDY")
        rows[f"{who} {course}" if who == "twice" else who] = tuple(values)
    return rows


LOST = "LOST TO FOLLOW-UP"
# By the cases of `progression_times`: an interval of 84 days for scans and of 91 for PSA, 2 of them may
# be missed, and 14 days more: 182 days for RPFS, PFS and RDOR, 196 days for TTPP and DOR.
RPFS = {
    "rad": event(0, 170, RAD, RS, 2),
    "fall": last(0, 84, TR, 3),  # NE on day 168 is no assessment
    "nofall": last(0, 84, TR, 5),
    "once": missed(0, 0, NONE, None),  # died 193 days after the first dose
    "nopsa": censored(6, 0, 84, LOST, RS, 6),
    "noscan": NO_BASELINE,
    "clin": last(0, 84, TR, 8),
    "gap": missed(0, 84, TR, 9),  # 183 days
    "switch": censored(2, 0, 84, OTHER, TR, 11),
    "bone": last(0, 84, TR, 13),
    "twice STUDY": event(290, 400, "DEATH", DM),
}
PFS = {
    "rad": event(0, 170, RAD, RS, 2),
    "fall": event(0, 226, PSA_UP, LB, 5),
    "nofall": event(0, 120, PSA_UP, LB, 8),
    "once": event(0, 200, "DEATH", DM),  # 80 days after the last PSA
    "nopsa": censored(6, 0, 84, LOST, RS, 6),
    "noscan": last(0, 84, TR, 7),  # a baseline of PSA is enough
    "clin": event(0, 120, CLIN, RS, 5),
    "gap": event(0, 227, PSA_UP, LB, 18),
    "switch": censored(2, 0, 84, OTHER, TR, 11),
    "bone": last(0, 84, TR, 13),
    "twice CHOICE": censored(2, 0, 60, OTHER, TR, 15),  # the death belongs to the second course
    "twice STUDY": event(290, 390, CLIN, RS, 8),
}
TTPP = {
    "rad": last(0, 28, LB, 2),
    "fall": event(0, 226, PSA_UP, LB, 5),  # 196 days after the last PSA
    "nofall": event(0, 120, PSA_UP, LB, 8),
    "once": censored(7, 0, 120, "DIED WITHOUT PROGRESSION", LB, 12),
    "nopsa": NO_BASELINE,
    "noscan": NOTHING_AFTER,
    "clin": NOTHING_AFTER,
    "gap": missed(0, 30, LB, 17),  # 197 days
    "switch": censored(2, 0, 30, OTHER, LB, 21),
    "bone": NO_BASELINE,
    "twice CHOICE": censored(2, 0, 40, OTHER, LB, 25),
    "twice STUDY": censored(7, 290, 330, "DIED WITHOUT PROGRESSION", LB, 27),
}


@pytest.mark.req("SAP-5.5")
def test_each_course_has_the_row_worked_out_for_it(times):
    assert rows_of(times, "RPFS") == RPFS
    assert rows_of(times, "PFS") == PFS
    assert rows_of(times, "TTPP") == TTPP
    assert rows_of(times, "DOR") == {
        "fall": event(30, 226, PSA_UP, LB, 5),
        "gap": missed(30, 30, LB, 17),  # the response itself is an assessment
    }
    assert rows_of(times, "RDOR") == {
        "nopsa": censored(6, 84, 84, LOST, RS, 6),
        "gap": missed(84, 84, TR, 9),
    }
    assert set(zip(times["STUDYID"], times["AVALU"], strict=True)) == {("T", "DAYS")}


CHANGED = {
    "RPFSNT": {"switch": event(0, 100, OTHER, CM)},
    "PFSNT": {"switch": event(0, 100, OTHER, CM), "twice CHOICE": missed(0, 60, TR, 15)},
    "TTPPNT": {"switch": event(0, 100, OTHER, CM), "twice CHOICE": missed(0, 40, LB, 25)},
    "RPFSIT": {"switch": event(0, 168, RAD, TR, 12)},
    "PFSIT": {"switch": event(0, 120, PSA_UP, LB, 22), "twice CHOICE": last(0, 60, TR, 15)},
    "TTPPIT": {
        "switch": event(0, 120, PSA_UP, LB, 22),
        "twice CHOICE": censored(7, 0, 40, "DIED WITHOUT PROGRESSION", LB, 25),
    },
    "RPFSGAP": {"once": event(0, 200, "DEATH", DM), "gap": event(0, 267, RAD, TR, 10)},
    "PFSGAP": {},
    "TTPPGAP": {"gap": event(0, 227, PSA_UP, LB, 18)},
    "RPFSOFF": {"rad": event(0, 110, STOPPED, DS)},
    "PFSOFF": {"rad": event(0, 110, STOPPED, DS)},
    "RPFSUNC": {"bone": event(0, 84, RAD, TR, 13)},
    "PFSUNC": {"bone": event(0, 84, RAD, TR, 13), "once": event(0, 120, PSA_UP, LB, 12)},
    "TTPPUNC": {"once": event(0, 120, PSA_UP, LB, 12)},
    # Scans are planned on days 91, 175 and 259; not after the last day known alive, nor before the event.
    "RPFSNEXT": {"rad": event(0, 170, RAD, RS, 2)},
    "PFSNEXT": {
        "nofall": event(0, 175, PSA_UP, LB, 8),
        "clin": event(0, 175, CLIN, RS, 5),
        "gap": event(0, 259, PSA_UP, LB, 18),
    },
}


@pytest.mark.req("SAP-5.5")
@pytest.mark.parametrize("code", CHANGED)
def test_each_sensitivity_definition_changes_only_the_rows_it_names(times, code):
    """First courses only."""
    main = {"R": RPFS, "P": PFS, "T": TTPP}[code[0]]
    first = {name: row for name, row in main.items() if name != "twice STUDY"}
    assert rows_of(times, code) == first | CHANGED[code]


def test_from_the_first_dose_a_course_without_an_allocation_has_a_time(times):
    for code, subjects in (("RPFSDOSE", RPFS), ("PFSDOSE", PFS), ("TTPPDOSE", TTPP)):
        rows = rows_of(times, code)
        assert set(rows) == {*subjects, "late"} - {"twice STUDY"}
        assert {row[0] for name, row in rows.items() if name != "twice CHOICE"} == {7}
    assert rows_of(times, "RPFSDOSE")["rad"] == event(7, 170, RAD, RS, 2)
    assert rows_of(times, "RPFSDOSE")["late"] == last(7, 84, TR, 14)
    assert rows_of(times, "PFSDOSE")["twice CHOICE"] == censored(2, 10, 60, OTHER, TR, 15)
    made = {*CHANGED, "RPFS", "PFS", "TTPP", "DOR", "RDOR", "RPFSDOSE", "PFSDOSE", "TTPPDOSE"}
    assert set(times["PARAMCD"]) == {*made, "RPFSRE", "PFSRE", "TTPPRE"}


def test_the_plan_names_the_origin_and_whether_there_are_groups(patients):
    survival = PLAN.survival.model_copy(update={"pfs_origin": "screening"})
    study = PLAN.study.model_copy(update={"groups": []})
    progression = PLAN.progression.model_copy(update={"sensitivity": [], "missed_assessments": 1})
    plan = PLAN.model_copy(
        update={"survival": survival, "study": study, "progression": progression}
    )
    times = times_of(patients, plan)
    assert set(times["PARAMCD"]) == {
        "RPFS", "PFS", "TTPP", "DOR", "RDOR", "RPFSRE", "PFSRE", "TTPPRE",
    }  # fmt: skip
    assert set(times["COURSE"]) == {"STUDY"}
    ttpp = rows_of(times, "TTPP")
    assert ttpp["late"] == NO_BASELINE  # screened on day 0, never allocated
    assert ttpp["fall"] == missed(0, 30, LB, 4)  # 105 days at most
    assert ttpp["nofall"] == missed(0, 0, NONE, None)  # 113 days after the first dose


def test_without_a_course_there_are_no_times():
    columns = ["STUDYID", "USUBJID", "COURSE", "AGAINFL", "TRTSDT", "NEWTHDT", "BEGINDT"]
    course = pd.DataFrame({name: [] for name in columns}).astype(
        {"TRTSDT": "datetime64[ns]", "NEWTHDT": "datetime64[ns]"}
    )
    adsl = dated(pd.DataFrame({"USUBJID": ["01"], "DCSREAS": [None], "DCTREAS": [None]}))
    points = pd.DataFrame(
        {
            name: []
            for name in ("USUBJID", "COURSE", "ADT", "OVRLRESP", "BONERESP", "SOURCE", "SRCSEQ")
        }
    ).astype({"ADT": "datetime64[ns]"})
    psa = pd.DataFrame(
        {"USUBJID": ["01"], "ADT": [ORIGIN], "AVAL": [9.0], "LBSEQ": [1.0], "ABLFL": ["Y"]}
    )
    adrs = pd.DataFrame({"USUBJID": [], "PARAMCD": [], "AVALC": [], "ADT": []})
    both = {"STUDY": psa, "CHOICE": psa[:0]}
    got = sources({}, adsl, course, points, both, adrs, PLAN)
    assert (got.courses, got.with_psa, got.scanned) == ([], frozenset(), frozenset())
    assert progression_times(got, PLAN).empty
