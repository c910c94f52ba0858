"""Deaths in the safety window, and patients lost or withdrawn, counted by hand."""

from pathlib import Path

import pandas as pd
import pytest

from sap import ard
from sap.plan import read_plan
from sap.results import dsmb as results
from sap.results.dsmb import DAY_UNKNOWN, dsmb_deaths, dsmb_left, open_rows

PLAN = read_plan(Path(__file__).parents[1] / "analysis" / "plan.yml").plan
WITHIN, LATER = "Within 30 days of the last dose", "More than 30 days after the last dose"
# 06 was never treated. 05 died later: that death is survival, which is closed.
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


def statistics(parts: list[pd.DataFrame]) -> dict[tuple[str, str], tuple[float, float, float]]:
    """n, N and estimate by level and sublevel."""
    rows = ard.bind(parts).set_index(["level", "sublevel", "stat_name"])["stat"]
    places = {(level, sublevel) for level, sublevel, _ in rows.index}
    return {
        place: tuple(rows[(*place, name)] for name in ("n", "N", "estimate")) for place in places
    }


@pytest.mark.worked("dsmb_deaths")
def test_every_death_in_the_window_counts_once_by_its_cause_and_no_later_one(subjects):
    """Three of six treated patients died within 30 days of the last dose: one of each of three causes."""
    assert statistics(dsmb_deaths(subjects, PLAN)) == {
        ("within_window", ""): (3, 6, 1 / 2),
        ("within_window", "adverse_event_related"): (0, 6, 0),
        ("within_window", "adverse_event_unrelated"): (1, 6, 1 / 6),
        ("within_window", "progression"): (1, 6, 1 / 6),
        ("within_window", "not_recorded"): (1, 6, 1 / 6),
    }


def test_a_death_at_an_unknown_time_after_the_last_dose_has_a_level_of_its_own(subjects):
    subjects.loc[subjects["USUBJID"] == "05", "LDDTHGR1"] = DAY_UNKNOWN
    deaths = statistics(dsmb_deaths(subjects, PLAN))
    assert deaths["day_unknown", ""] == deaths["day_unknown", "progression"] == (1, 6, 1 / 6)


@pytest.mark.worked("dsmb_left")
def test_treated_subjects_lost_and_withdrawn(subjects):
    """03 was lost and 04 withdrew; 06 was lost as well but never treated."""
    assert statistics(dsmb_left(subjects, PLAN)) == {
        ("lost_to_follow_up", ""): (1, 6, 1 / 6),
        ("withdrew", ""): (1, 6, 1 / 6),
    }


def test_without_a_treated_subject_no_share_is_estimable(subjects):
    rows = ard.bind(dsmb_left(subjects[subjects["SAFFL"] == "N"], PLAN))
    shares = rows[rows["stat_name"] == "estimate"]
    assert shares["stat"].isna().all()
    assert (shares["stat_text"] != "").all()


def test_open_rows_are_those_of_the_listed_analyses_without_a_count_after_each_subject():
    where = {"section": "SAP 1", "population": "SAFETY", "method": "m"}
    rows = ard.bind(
        [
            ard.rows({"n": 1, "N": 2}, analysis="toxicity_monitoring", **where),
            ard.rows({"n": 1, "boundary": 2}, analysis="toxicity_monitoring", level="01", **where),
            ard.rows({"n": 3}, analysis="os", **where),
            ard.rows({"n": 4}, analysis="ae_overview", level="any", **where),
        ]
    )
    kept = open_rows(rows, ("toxicity_monitoring", "ae_overview"))
    assert kept.index.tolist() == [0, 1, 2, 3]
    assert list(kept) == list(rows)
    assert kept.set_index(["level", "stat_name"])["stat"].to_dict() == {
        ("", "n"): 1, ("", "N"): 2, ("01", "boundary"): 2, ("any", "n"): 4,
    }  # fmt: skip


def test_the_results_of_a_dsmb_report_are_all_of_them(subjects):
    rows = ard.bind(results.rows(adsl=subjects, plan=PLAN))
    assert set(rows["analysis"]) == {"dsmb_deaths", "dsmb_left"}
