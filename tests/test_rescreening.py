"""Patients who came again: counted by hand from a small table."""

import pandas as pd
import pytest

from sap import ard
from sap.plan import project_home, read_plan
from sap.results.rescreening import allocation_time, rescreening

PLAN = read_plan(project_home() / "analysis" / "plan.yml").plan

SUBJECTS = """
    USUBJID | RESCFL | SCRDT      | RESCRDT    | CTCBL | RESCCTC | ARV7BL       | RESCARV7     | RESCTRFL | RESCPRFL
    --------+--------+------------+------------+-------+---------+--------------+--------------+----------+---------
    01      | Y      | 2017-01-01 | 2017-07-02 | 10    | 40      | NEGATIVE     | POSITIVE     | Y        | Y
    02      | Y      | 2017-01-01 | 2017-07-02 | 10    | 2       | NEGATIVE     | POSITIVE     | N        | Y
    03      | Y      | 2017-01-01 | 2017-07-02 | 10    | 9       | NEGATIVE     | UNDETERMINED | N        | N
    04      | Y      | 2017-01-01 | 2017-07-02 | 1     | 9       | NOT DONE     | NEGATIVE     | N        | Y
    05      | Y      | 2017-01-01 |            | 1     |         | NEGATIVE     |              | N        | Y
    06      | N      | 2017-01-01 |            | 9     |         | NEGATIVE     |              | N        | N
"""


@pytest.fixture
def subjects(patients) -> pd.DataFrame:
    frame = patients(SUBJECTS)
    for name in ("SCRDT", "RESCRDT"):
        frame[name] = pd.to_datetime(frame[name])
    return frame.assign(ALLOCDT=frame["SCRDT"] + pd.Timedelta(days=9), RESALLDT=pd.NaT)


def value(rows: pd.DataFrame, **where: str) -> float:
    for name, wanted in where.items():
        rows = rows[rows[name] == wanted]
    assert len(rows) == 1
    return float(rows["stat"].iloc[0])


@pytest.mark.req("SAP-4.3")
def test_conversion_is_counted_by_the_first_state(subjects):
    rows = ard.bind(rescreening(subjects, PLAN))
    negative = {"paramcd": "CONVERT", "level": "AR-V7 negative at first"}
    assert value(rows, **negative, group="all", stat_name="n") == 2
    assert value(rows, **negative, group="all", stat_name="N") == 3
    assert value(rows, **negative, group="determined", stat_name="N") == 2
    assert (
        value(rows, paramcd="CONVERT", level="AR-V7 not done at first", group="all", stat_name="n")
        == 0
    )
    assert value(rows, paramcd="CONVERT", level="All re-screened", group="all", stat_name="N") == 4


def test_who_qualifies_needs_the_count_too(subjects):
    rows = ard.bind(rescreening(subjects, PLAN))
    assert value(rows, paramcd="QUALIFY", level="All re-screened", stat_name="n") == 1
    assert value(rows, paramcd="TREATED", level="All re-screened", stat_name="n") == 1
    assert value(rows, paramcd="AFTER", level="All re-screened", stat_name="n") == 3


def test_time_and_change_between_the_screenings(subjects):
    rows = ard.bind(rescreening(subjects, PLAN))
    months = value(rows, paramcd="TIMERESC", level="All re-screened", stat_name="median")
    assert months == pytest.approx(182 / 30.4375)
    # +30, -8, -1 and +8 cells
    assert value(rows, paramcd="CTCCHG", level="All re-screened", stat_name="median") == 3.5


def test_time_to_allocation_is_in_days(subjects):
    rows = ard.bind(allocation_time(subjects, PLAN))
    assert value(rows, level="First screening", stat_name="median") == 9
    assert value(rows, level="Re-screening", stat_name="n") == 0
