"""Counts of the DSMB reports, counted by hand: deaths, stopping, cycles, accrual, sites."""

import datetime as dt
from pathlib import Path

import pandas as pd
import pytest

from sap import ard
from sap.methods.projection import days_until
from sap.plan import read_plan
from sap.plan.model import Plan
from sap.results.dsmb import (
    dsmb_accrual,
    dsmb_cycles,
    dsmb_deaths,
    dsmb_left,
    dsmb_sites,
    dsmb_stopping,
    open_analyses,
    open_rows,
)

PLAN = read_plan(Path(__file__).parents[1] / "analysis" / "plan.yml").plan
# Days from the last dose to death: 01 to 03 in the window of 30 days. 06 was never treated. 05 died
# later: that death is survival, which is closed.
SUBJECTS = """
    USUBJID | SAFFL | LDDTHELD | DTHCGR1                    | DCSREAS               | DCTREAS
    --------+-------+----------+----------------------------+-----------------------+--------------------
    01      | Y     | 30       | Progression                | DEATH                 | DEATH
    02      | Y     | 0        | Adverse event, not related | DEATH                 | DEATH
    03      | Y     | 12       | Not recorded               | LOST TO FOLLOW-UP     | ADVERSE EVENT
    04      | Y     |          |                            | WITHDRAWAL BY SUBJECT | PROGRESSIVE DISEASE
    05      | Y     | 31       | Progression                | DEATH                 | DEATH
    06      | N     |          |                            | LOST TO FOLLOW-UP     |
    07      | Y     |          |                            |                       | COMPLETED
    08      | Y     |          |                            |                       |
"""


@pytest.fixture
def subjects(patients) -> pd.DataFrame:
    table = patients(SUBJECTS)
    return table.assign(LDDTHELD=pd.to_numeric(table["LDDTHELD"]))


def statistics(parts: list[pd.DataFrame]) -> dict[tuple[str, str], tuple[float, float, float]]:
    """n, N and estimate by level and sublevel."""
    rows = ard.bind(parts).set_index(["level", "sublevel", "stat_name"])["stat"]
    places = {(level, sublevel) for level, sublevel, _ in rows.index}
    return {
        place: tuple(rows[(*place, name)] for name in ("n", "N", "estimate")) for place in places
    }


@pytest.mark.worked("dsmb_deaths")
def test_every_death_in_the_window_counts_once_and_no_later_one(subjects):
    """Three of seven treated patients died within 30 days of the last dose; no row names a progression."""
    assert statistics(dsmb_deaths(subjects, PLAN)) == {
        ("within_window", ""): (3, 7, 3 / 7),
        ("within_window", "adverse_event_related"): (0, 7, 0),
        ("within_window", "adverse_event_unrelated"): (1, 7, 1 / 7),
        ("within_window", "other"): (2, 7, 2 / 7),
    }


@pytest.mark.worked("dsmb_stopping")
def test_three_reasons_of_stopping_are_counted_and_there_is_no_total(subjects):
    """03 stopped for an adverse event, 07 completed; of three ended by death, 05 died after the window."""
    assert statistics(dsmb_stopping(subjects, PLAN)) == {
        ("adverse_event", ""): (1, 7, 1 / 7),
        ("death", ""): (2, 7, 2 / 7),
        ("completed", ""): (1, 7, 1 / 7),
    }


@pytest.mark.worked("dsmb_left")
def test_treated_subjects_lost_and_withdrawn(subjects):
    """03 was lost and 04 withdrew; 06 was lost as well but never treated."""
    assert statistics(dsmb_left(subjects, PLAN)) == {
        ("lost_to_follow_up", ""): (1, 7, 1 / 7),
        ("withdrew", ""): (1, 7, 1 / 7),
    }


def test_without_a_treated_subject_no_share_is_estimable(subjects):
    nobody_treated = subjects[subjects["SAFFL"] == "N"]
    rows = ard.bind([*dsmb_left(nobody_treated, PLAN), *dsmb_stopping(nobody_treated, PLAN)])
    shares = rows[rows["stat_name"] == "estimate"]
    assert shares["stat"].isna().all()
    assert (shares["stat_text"] != "").all()


CUT_OFF = dt.date(2017, 6, 30)
# 11 had two cycles; 12 one, 21 days before the cut-off; 13 one, 20 days before it.
TREATED = """
    USUBJID | SAFFL | PRIMFL | TRTSDT     | NCYCLES | RFICDT     | SCRFL | SITEID
    --------+-------+--------+------------+---------+------------+-------+-------
    11      | Y     | Y      | 2017-06-25 | 2       | 2017-05-01 | Y     | A
    12      | Y     | Y      | 2017-06-09 | 1       | 2017-05-02 | Y     | A
    13      | Y     | N      | 2017-06-10 | 1       | 2017-05-03 | Y     | B
    14      | N     | N      |            | 0       | 2017-06-01 | N     | B
    15      | N     | N      |            | 0       | 2017-06-02 | Y     | C
"""
EVENTS = """
    USUBJID | TRTEMFL | PROGFL | AEDECOD             | ATOXGRN
    --------+---------+--------+---------------------+--------
    12      | Y       | N      | FEBRILE NEUTROPENIA | 3
    13      | Y       | N      | FEBRILE NEUTROPENIA | 3
    11      | Y       | N      | DIARRHOEA           | 3
"""


@pytest.fixture
def treated(patients) -> pd.DataFrame:
    table = patients(TREATED)
    days = {name: pd.to_datetime(table[name]) for name in ("TRTSDT", "RFICDT")}
    return table.assign(**days, NCYCLES=pd.to_numeric(table["NCYCLES"]))


def values(parts: list[pd.DataFrame]) -> dict[tuple[str, str, str], float | str]:
    """Number or text by paramcd, level and statistic."""
    rows = ard.bind(parts)
    return {
        (row["paramcd"], row["level"], row["stat_name"]): row["stat_text"] or row["stat"]
        for row in rows.to_dict("records")
    }


@pytest.mark.worked("dsmb_cycles")
def test_a_first_cycle_is_finished_by_a_second_one_or_by_its_days(treated, patients):
    """12's 21 days are over at the cut-off and 13's are not; of 11 and 12, 12 had the toxicity."""
    adae = patients(EVENTS)
    adae = adae.assign(ATOXGRN=pd.to_numeric(adae["ATOXGRN"]))
    found = values(dsmb_cycles(treated, adae, PLAN, CUT_OFF))
    assert found["NCYCLES", "given", "total"] == 4
    assert [found["NCYCLES", "first_finished", name] for name in ("n", "N")] == [2, 3]
    assert [found["TOX", "toxicity", name] for name in ("n", "N")] == [1, 2]
    # Two patients cannot cross the boundary, which begins with 3 of 3.
    assert found["TOX", "toxicity", "boundary"] == 3
    none = values(dsmb_cycles(treated[treated["SAFFL"] == "N"], adae, PLAN, CUT_OFF))
    assert none["TOX", "toxicity", "boundary"] == "no patient in this population"


def planned(**design: object) -> Plan:
    """The plan with a stage of 3 of 6 patients, planned from January to the last day of June 2017."""
    accrual = {"first_patient": dt.date(2017, 1, 1), "last_patient": dt.date(2017, 6, 30)}
    return PLAN.model_copy(
        update={
            "design": PLAN.design.model_copy(update={"n1": 3, "r1": 0, "n": 6, "r": 1} | design),
            "accrual": PLAN.accrual.model_copy(update=accrual),
        }
    )


def starts(*days: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "USUBJID": [f"{i}" for i in range(len(days))],
            "PRIMFL": "Y",
            "TRTSDT": pd.to_datetime(list(days)),
            "RFICDT": pd.Timestamp("2017-01-15"),
        }
    )


@pytest.mark.worked("dsmb_accrual")
def test_two_patients_in_a_hundred_days_after_the_first_are_followed_by_another_after_fifty():
    """100 days before the cut-off the first, which starts the clock, and two since then: one in 50 days.

    The fourth of stage 1 is expected 50 days after 2017-06-30, the sixth 150 days after it; a response can
    be evaluated 84 + 28 days later. Planned: 6 patients in 180 days, 5 of them by day 150 (2017-05-31).
    """
    three = starts("2017-03-22", "2017-05-02", "2017-06-20")
    found = values(dsmb_accrual(three, planned(n1=4), CUT_OFF))
    first, total = (
        {name: v for (_, level, name), v in found.items() if level == at}
        for at in ("stage_1", "total")
    )
    assert (first["n"], first["N"], first["days_to_evaluation"]) == (3, 4, 112)
    assert first["expected_on"] == "2017-08-19"
    assert first["due_on"] == "2017-12-09"
    assert first["status"] == "not due yet"
    # 4 of 6 patients in 120 of the 180 days; then 112 days to the evaluation; 2017-05-01 to 2017-08-19.
    assert (first["planned_on"], first["due_planned_on"]) == ("2017-05-01", "2017-08-21")
    assert first["delay_days"] == 110
    assert (total["planned_on"], total["delay_days"]) == ("2017-06-30", 150)
    assert first["patients_per_month"] == pytest.approx(2 * 30.4375 / 100)
    assert total["expected_on"] == "2017-11-27"
    # R: 50 * qf(c(0.1, 0.9), 2, 4) = 5.409255, 216.2278.
    assert (first["expected_from"], first["expected_to"]) == ("2017-07-05", "2018-02-02")
    assert found["TREATED", "2017-05", "n_expected"] == pytest.approx(5)
    by_month = [found["TREATED", month, "n"] for month in ("2017-01", "2017-03", "2017-06")]
    assert by_month == [0, 1, 3]


@pytest.mark.parametrize("days", [(), ("2017-03-22",), ("2017-03-22", "2017-06-20")])
def test_below_three_patients_there_is_at_most_one_interval_and_no_day_is_expected(days):
    found = values(dsmb_accrual(starts(*days), planned(), CUT_OFF))
    assert found["TREATED", "stage_1", "n"] == len(days)
    for name in ("expected_on", "expected_from", "expected_to"):
        reason = found["TREATED", "stage_1", name]
        assert reason == "fewer than 3 patients of the primary set treated"
    assert ("TREATED", "stage_1", "due_on") not in found
    assert ("TREATED", "stage_1", "patients_per_month") not in found


def test_a_complete_stage_has_a_date_and_is_due_when_its_days_are_over():
    early = starts("2017-01-01", "2017-02-01", "2017-03-10", "2017-06-01")
    found = values(dsmb_accrual(early, planned(), CUT_OFF))
    assert found["TREATED", "stage_1", "reached_on"] == "2017-03-10"
    assert found["TREATED", "stage_1", "due_on"] == "2017-06-30"
    assert found["TREATED", "stage_1", "status"] == "due"
    assert ("TREATED", "stage_1", "expected_on") not in found


@pytest.mark.worked("dsmb_sites")
def test_patients_deviations_and_missing_results_by_site(treated, patients):
    addv = patients("""
        USUBJID | DVCAT
        --------+------
        11      | MAJOR
        11      | MAJOR
        13      | MINOR
    """)
    adcur = pd.DataFrame({"USUBJID": ["11", "12", "13"], "PSAEXP": [2, 1, 1], "PSAMISS": [1, 0, 1]})
    found = values(dsmb_sites(treated, addv, adcur, PLAN))
    assert [found["CONSENTED", site, "n"] for site in "ABC"] == [2, 2, 1]
    assert [found["SAMPLED", site, "n"] for site in "ABC"] == [2, 1, 1]
    assert [found["TREATED", site, "n"] for site in "ABC"] == [2, 1, 0]
    assert [found["MAJOR", site, "n_events"] for site in "ABC"] == [2, 0, 0]
    assert [found["PSA", site, "n_missing"] for site in "ABC"] == [1, 1, 0]


# ---- what the open report may hold ---------------------------------------------------------------

# The written list: an analysis is added here and in the catalogue, after the question what a reader could
# compute from it (tests/test_dsmb_identities.py).
OPEN = {
    "accrual", "ae_overview", "ae_rates", "ae_soc_pt", "baseline", "biomarker_yield", "data_timeliness",
    "design", "design_oc", "dsmb_accrual", "dsmb_cycles", "dsmb_deaths", "dsmb_sites", "dsmb_stopping",
    "eligibility", "exposure", "flow", "lab_grade", "analysis_sets", "protocol_deviations", "toxicity_boundary",
    "toxicity_monitoring", "toxicity_oc",
}  # fmt: skip


def test_the_open_analyses_are_a_written_list():
    assert open_analyses() == OPEN


def one_row(key: str) -> pd.DataFrame:
    names = ("analysis", "population", "group", "paramcd", "level", "sublevel", "stat_name")
    where = dict(zip(names, key.split("|"), strict=True))
    stat = where.pop("stat_name")
    return ard.rows({stat: 1}, section="SAP 1", method="m", **where)


@pytest.mark.parametrize(
    "key, is_open",
    [
        ("ae_overview|SAFETY||TEAE|any||n", True),
        ("ae_overview|SAFETY|third_line|TEAE|any||n", False),
        ("ae_progression|SAFETY||PROG|any||n", False),
        ("ae_rates|SAFETY|TROPIC|REPORTED|diarrhoea||estimate", True),
        ("ae_rates|SAFETY|second_line|REPORTED|diarrhoea||estimate", False),
        ("ae_rates|SAFETY||DEATH|early_death||n", False),
        ("analysis_sets|PRIMARY|||||n", True),
        ("analysis_sets|PSAEVAL|||||n", False),
        ("baseline|SAFETY||AGE|||mean", True),
        ("baseline|PRIMARY||AGE|||mean", False),
        ("data_timeliness|SCREENED||RESULTS|||n_missing", True),
        ("data_timeliness|SCREENED||RESULTS|||N", False),
        ("data_timeliness|SCREENED||DAYS|on_treatment||N", False),
        ("data_timeliness|SCREENED||STATUS|follow_up||n", False),
        ("deaths|SAFETY||DEATH|after_window||n", False),
        ("disposition|SAFETY||TREATMENT|ongoing||n", False),
        ("dsmb_cycles|SAFETY||NCYCLES|given||total", False),
        ("dsmb_cycles|SAFETY||NCYCLES|first_finished||n", True),
        ("dsmb_deaths|SAFETY||DEATH|within_window||n", True),
        ("dsmb_deaths|SAFETY||DEATH|within_window|adverse_event_related|n", False),
        ("dsmb_deaths|SAFETY||DEATH|within_window|other|n", False),
        ("dsmb_left|SAFETY||LEFT|withdrew||n", False),
        ("dsmb_stopping|SAFETY||TREATMENT|adverse_event||n", True),
        ("dsmb_stopping|SAFETY||TREATMENT|death||n", True),
        ("dsmb_stopping|SAFETY||TREATMENT|completed||n", False),
        ("dsmb_sites|SCREENED||PSA|01||N", False),
        ("exposure|SAFETY||NCYCLES|||total", False),
        ("exposure|SAFETY||NCYCLES|4||n", False),
        ("exposure|SAFETY||DURWK|||median", False),
        ("exposure|SAFETY||CUMDOSE|||median", False),
        ("exposure|SAFETY||OVERMAX|||n", False),
        ("exposure|SAFETY||RDI|||median", True),
        ("lab_shift|SAFETY||HGB|0|1|n", False),
        ("os|PRIMARY||OS|||n_events", False),
        ("protocol_deviations|PRIMARY|||any||n", False),
        ("protocol_deviations|SCREENED|||any||n", True),
        ("psa_response|PRIMARY||PSARESP|||n", False),
        ("interim|PRIMARY||PSARESP|stage_1||decision", False),
        ("toxicity_monitoring|SAFETY||TOX|||n", True),
        ("toxicity_monitoring|SAFETY||TOX|7||n", False),
        ("toxicity_monitoring|SAFETY||TOX|7||boundary", True),
    ],
)  # fmt: skip
def test_a_row_is_open_or_closed(key, is_open):
    assert len(open_rows(one_row(key))) == int(is_open)


def test_a_day_of_another_century_is_not_expected():
    """Two patients in 20,000 days after the first: one more takes 10,000 days, three take 30,000.

    The quantile of F(2, 4) at 0.9 is 4.32: 43,246 days. R: qf(0.9, 6, 4) = 4.01 for the three.
    """
    first = pd.Timestamp(CUT_OFF) - pd.Timedelta(days=20_000)
    three = starts(f"{first:%Y-%m-%d}", "1990-01-01", "2017-01-01")
    found = values(dsmb_accrual(three, planned(n1=4), CUT_OFF))
    assert found["TREATED", "stage_1", "expected_on"] == "2044-11-15"
    assert (
        found["TREATED", "stage_1", "expected_to"] == "more than 100 years after the data cut-off"
    )
    assert found["TREATED", "stage_1", "status"] == "not due yet"
    assert found["TREATED", "total", "expected_on"] == "2099-08-19"


@pytest.mark.parametrize("arrivals, elapsed, more", [(0, 10.0, 5), (1, 0.0, 5), (1, 10.0, 0)])
def test_nothing_is_projected_without_an_arrival_a_day_or_one_missing(arrivals, elapsed, more):
    with pytest.raises(ValueError, match="a projection needs an arrival"):
        days_until(arrivals, elapsed, more, 0.8)


def test_a_dose_intensity_with_all_its_digits_is_the_cycles_and_days_of_a_patient():
    """168 / 167 is 8 cycles of 21 days in 167 days; the open report has 101, which 4 to 8 cycles give."""
    rows = pd.concat(
        [
            one_row("exposure|SAFETY||RDI|||max").assign(stat=100 * 168 / 167),
            one_row("exposure|SAFETY||RDI|||mean").assign(stat=98.5),
            one_row("exposure|SAFETY||DELAYED|||n").assign(stat=3.0),
            one_row("baseline|SAFETY||AGE|||mean").assign(stat=68.123),
        ],
        ignore_index=True,
    )
    assert open_rows(rows)["stat"].tolist() == [101.0, 99.0, 3.0, 68.123]


@pytest.mark.parametrize(
    "pause, words",
    [
        (True, "Accrual stops after stage 1 until the decision on futility."),
        (False, "Accrual continues after stage 1 until the decision on futility."),
        (None, "Whether accrual continues until the decision on futility is not known."),
    ],
)
def test_the_board_reads_whether_accrual_stops_after_stage_1(pause, words, monkeypatch):
    """CARVE has two cut-offs; none is near the day on which the analysis of stage 1 is due."""
    from sap.displays import dsmb as displays
    from sap.displays.ard_lookup import Number

    design = PLAN.design.model_copy(update={"pause_after_stage_1": pause})
    dates = {
        "interim": {"date": "2017-06-30", "status": "INTERIM"},
        "final": {"date": "2019-06-30", "status": "FINAL"},
    }
    monkeypatch.setattr(displays.ard, "plan", lambda: PLAN.model_copy(update={"design": design}))
    monkeypatch.setattr(displays.ard, "table", lambda _: {"cut_offs": {"dates": dates}})
    day = Number("2018-05-31", "dsmb_accrual|||||stage_1|due_on")
    assert displays._cut_off_for("stage_1", day)[-1] == f"{words} "
    assert "Accrual" not in "".join(map(str, displays._cut_off_for("total", day)))


@pytest.mark.parametrize(
    "name, cut_off, words",
    [
        ("interim", "2017-06-30", ["interim look 1 of 1 (interim)", "attaches no decision", "Next look: final, 2019-06-30."]),
        ("final", "2019-06-30", ["This is the final analysis (final).", "The SAP has no later look."]),
        ("2018-01-31", "2018-01-31", ["not one of those planned (interim, final)", "Next look: final, 2019-06-30."]),
    ],
)  # fmt: skip
def test_the_final_analysis_is_not_counted_as_a_look(name, cut_off, words, monkeypatch):
    from sap.displays import dsmb as displays

    dates = {
        "interim": {"date": "2017-06-30", "status": "INTERIM"},
        "final": {"date": "2019-06-30", "status": "FINAL"},
    }
    facts = {"cut_off": cut_off, "cut_off_name": name, "planned": name in dates, "cut_id": "x"}
    monkeypatch.setattr(displays.ard, "run_facts", lambda: facts)
    monkeypatch.setattr(displays.ard, "table", lambda _: {"cut_offs": {"dates": dates}})
    monkeypatch.setattr(displays.days, "cut_off", lambda: cut_off)
    monkeypatch.setattr(displays.days, "relative", lambda: False)
    text = displays.look().plain
    assert [one for one in words if one not in text] == []
    assert "look 2" not in text
