"""Deaths in the window of safety and patients gone, counted by hand."""

from pathlib import Path

import pandas as pd
import pytest

from sap import ard
from sap.plan import read_plan
from sap.results.dsmb import UNKNOWN, board_deaths, board_left

PLAN = read_plan(Path(__file__).parents[1] / "analysis" / "plan.yml").plan
WITHIN, LATER = "Within 30 days of the last dose", "More than 30 days after the last dose"
# 06 was never treated. 05 died late: of him the open report says nothing.
SUBJECTS = """
    USUBJID | SAFFL | LDDTHGR1 | DTHCGR1                    | DCSREAS
    --------+-------+----------+----------------------------+----------------------
    01      | Y     | W        | Progression                | DEATH
    02      | Y     | W        | Adverse event, not related | DEATH
    03      | Y     | W        | Not recorded               | LOST TO FOLLOW-UP
    04      | Y     |          |                            | WITHDRAWAL BY SUBJECT
    05      | Y     | L        | Progression                | DEATH
    06      | N     |          |                            | LOST TO FOLLOW-UP
    07      | Y     |          |                            |
"""


@pytest.fixture
def subjects(patients) -> pd.DataFrame:
    table = patients(SUBJECTS)
    return table.assign(LDDTHGR1=table["LDDTHGR1"].replace({"W": WITHIN, "L": LATER}))


def counts(parts: list[pd.DataFrame]) -> dict[tuple[str, str], tuple[float, float]]:
    rows = ard.bind(parts).set_index(["level", "sublevel", "stat_name"])["stat"]
    places = {(level, sublevel) for level, sublevel, _ in rows.index}
    return {place: (rows[(*place, "n")], rows[(*place, "N")]) for place in places}


def test_every_death_in_the_window_counts_once_by_its_cause_and_no_later_one(subjects):
    found = counts(board_deaths(subjects, PLAN))
    assert found == {
        (WITHIN, ""): (3, 6),
        (WITHIN, "Adverse event, related"): (0, 6),
        (WITHIN, "Adverse event, not related"): (1, 6),
        (WITHIN, "Progression"): (1, 6),
        (WITHIN, "Not recorded"): (1, 6),
    }


def test_a_death_that_cannot_be_placed_has_a_line_of_its_own(subjects):
    subjects.loc[subjects["USUBJID"] == "05", "LDDTHGR1"] = UNKNOWN
    found = counts(board_deaths(subjects, PLAN))
    assert found[UNKNOWN, ""] == found[UNKNOWN, "Progression"] == (1, 6)


def test_treated_subjects_lost_and_withdrawn(subjects):
    found = counts(board_left(subjects, PLAN))
    assert found == {("Lost to follow-up", ""): (1, 6), ("Withdrew", ""): (1, 6)}
