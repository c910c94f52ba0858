"""PSA response: the plan's rule, patient by patient; expected answers are written by hand."""

import datetime as dt
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sap import ard
from sap.catalogue import decisions
from sap.derivations.dates import time_of_day
from sap.derivations.response import (
    adpsa,
    adrs,
    comparison_response,
    new_therapy,
    percent_change,
    psa_response,
)
from sap.plan import project_home, read_plan
from sap.plan.model import ComparisonRule, Plan
from sap.plan.references import read_references
from sap.results import response as primary_results
from sap.results.comparison import by_marker, published
from sap.results.rates import rate, summary
from sap.results.response import Stage1, decision, psa_change, rescreen_response, response_rate

PLAN = read_plan(Path(__file__).parents[1] / "analysis" / "plan.yml").plan
RULE = PLAN.psa_response
DOSE = dt.date(2018, 1, 1)


def day(number: float) -> str:
    """Study time in days after the first dose, as an ISO date."""
    return (DOSE + dt.timedelta(days=int(number))).isoformat()


def one_trial(values: pd.DataFrame, last_dose: int = 210, therapy: dict[str, int] | None = None):
    """A trial with the patients of `values`, first dose on day 0 and the last on `last_dose`."""
    subjects = list(dict.fromkeys(values["WHO"]))
    adsl = pd.DataFrame(
        {
            "STUDYID": "T",
            "USUBJID": subjects,
            "TRTSDT": pd.Timestamp(DOSE),
            "TRTEDT": pd.Timestamp(day(last_dose)),
            "NCYCLES": 5.0,
            "PRIMFL": "Y",
        }
    )
    lb = pd.DataFrame(
        {
            "USUBJID": values["WHO"],
            "LBSEQ": range(1, len(values) + 1),
            "LBTESTCD": "PSA",
            "LBSTRESC": None,
            "LBSTRESN": values["PSA"],
            "LBLLOQ": np.nan,
            "LBDTC": [day(d) for d in values["DAY"]],
        }
    )
    cm = pd.DataFrame(
        [(who, "SUBSEQUENT ANTICANCER THERAPY", day(d)) for who, d in (therapy or {}).items()],
        columns=["USUBJID", "CMCAT", "CMSTDTC"],
    )
    return adsl, {"lb": lb, "cm": cm}


def answers(values: pd.DataFrame, rule=RULE, days: int | None = None, **trial: object):
    adsl, tables = one_trial(values, **trial)
    course = adpsa(tables, adsl, rule)
    confirm = rule.confirm_after_days if days is None else days
    return psa_response(adsl, course, rule, confirm_after_days=confirm).set_index("USUBJID")


# PSA by days after the first dose; the rule of CARVE: 50 %, first by day 84, confirmed 28 days later.
SUBJECTS = """
    WHO | DAY | PSA  | AVALC | CASE | WHY
    ----+-----+------+-------+------+---------------------------------------------
    01  |   0 | 100  | Y     | 3    | exactly 50 %, held exactly 28 days later
    01  |  21 |  50  |       |      |
    01  |  49 |  50  |       |      |
    02  |   0 | 100  | N     | 4    | the second fall comes one day too early
    02  |  21 |  50  |       |      |
    02  |  48 |  40  |       |      |
    03  |   0 | 100  | N     | 5    | 49.9 % is no fall of 50 %
    03  |  21 |  50.1|       |      |
    03  |  60 |  50.1|       |      |
    04  |  21 |  10  | NE    | 1    | no baseline
    04  |  60 |  10  |       |      |
    05  |   0 | 100  | NE    | 2    | nothing after the first dose
    06  |   0 | 100  | Y     | 3    | first fall on day 84, confirmed behind the limit
    06  |  84 |  30  |       |      |
    06  | 130 |  30  |       |      |
    07  |   0 | 100  | N     | 5    | first fall on day 85: too late
    07  |  85 |  30  |       |      |
    07  | 130 |  30  |       |      |
    08  |  -7 | 100  | Y     | 3    | baseline is the last day on or before the dose
    08  |   0 | 200  |       |      |
    08  |  21 | 100  |       |      |
    08  |  63 |  90  |       |      |
    09  |   0 | 100  | Y     | 3    | any later value confirms, whatever lies between
    09  |  21 |  40  |       |      |
    09  |  42 |  90  |       |      |
    09  |  63 |  45  |       |      |
    10  |   0 |   0  | NE    | 1    | a baseline of 0 has no percent change
    10  |  21 |   0  |       |      |
    10  |  60 |   0  |       |      |
    11  |   0 |   0.2| Y     | 3    | 0.2 to 0.1 is exactly half, whatever the float says
    11  |  21 |   0.1|       |      |
    11  |  60 |   0.1|       |      |
    12  |   0 | 100  | Y     | 3    | the last counted day is 21 days after the last cycle
    12  |  21 |  50  |       |      |
    12  | 231 |  50  |       |      |
    13  |   0 | 100  | N     | 4    | day 22 after the last cycle does not count
    13  |  21 |  50  |       |      |
    13  | 232 |  50  |       |      |
"""


@pytest.mark.req("SAP-5.1")
def test_each_subject_gets_the_answer_written_beside_him(patients):
    subjects = patients(SUBJECTS)
    expected = subjects.dropna(subset=["AVALC"]).set_index("WHO")
    got = answers(subjects)
    assert got["AVALC"].to_dict() == expected["AVALC"].to_dict()
    assert got["CASE"].to_dict() == expected["CASE"].astype(int).to_dict()


def test_every_subject_has_exactly_one_answer_and_permuting_rows_changes_nothing(patients):
    subjects = patients(SUBJECTS)
    shuffled = subjects.sample(frac=1, random_state=7)
    left, right = answers(subjects).sort_index(), answers(shuffled).sort_index()
    assert len(left) == subjects["WHO"].nunique()
    assert left["AVALC"].equals(right["AVALC"])
    assert left["ADT"].equals(right["ADT"])


NEW_THERAPY = """
    WHO | DAY | PSA
    ----+-----+-----
    01  |   0 | 100
    01  |  21 |  50
    01  |  60 |  50
"""


@pytest.mark.parametrize(
    "start, answer",
    [
        (61, "Y"),  # the day after the confirming value
        (60, "N"),  # on its day: it no longer counts
        (21, "NE"),  # before any counted value
    ],
)
def test_a_value_under_new_therapy_does_not_count(patients, start, answer):
    got = answers(patients(NEW_THERAPY), therapy={"01": start})
    assert got.loc["01", "AVALC"] == answer


def test_new_therapy_is_ignored_when_the_plan_says_so(patients):
    rule = RULE.model_copy(update={"stop_at_new_therapy": False})
    assert answers(patients(NEW_THERAPY), rule, therapy={"01": 21}).loc["01", "AVALC"] == "Y"


def test_next_value_confirms_only_when_it_is_the_first_far_enough(patients):
    rule = RULE.model_copy(update={"confirmed_by": "next value"})
    subjects = patients("""
        WHO | DAY | PSA
        ----+-----+-----
        01  |   0 | 100
        01  |  21 |  40
        01  |  49 |  90
        01  |  77 |  40
        02  |   0 | 100
        02  |  21 |  40
        02  |  42 |  90
        02  |  49 |  40
    """)
    # 01: the first value 28 days or more later is 90; its fall of day 77 is confirmed by nothing.
    # 02: the value of day 42 is too near to be asked; that of day 49 holds.
    assert answers(subjects, rule)["AVALC"].to_dict() == {"01": "N", "02": "Y"}


@pytest.mark.parametrize("days, answer", [(0, "Y"), (21, "Y"), (22, "N")])
def test_confirmation_days_decide(patients, days, answer):
    subjects = patients("""
        WHO | DAY | PSA
        ----+-----+-----
        01  |   0 | 100
        01  |  21 |  50
        01  |  42 |  50
    """)
    assert answers(subjects, days=days).loc["01", "AVALC"] == answer


def test_a_longer_confirmation_never_adds_a_responder(patients):
    subjects = patients(SUBJECTS)
    responders = [
        set(answers(subjects, days=d).query("AVALC == 'Y'").index) for d in (0, 21, 28, 42)
    ]
    assert all(later <= earlier for earlier, later in pairwise(responders))
    assert responders[0] > responders[-1]


def course(
    rows: list[tuple[str, float | None, str | None]],
    dose: str = "2018-01-01",
    lloq: float | None = 0.1,
):
    """ADPSA of one patient from (LBDTC, LBSTRESN, LBSTRESC)."""
    adsl = pd.DataFrame(
        {
            "STUDYID": ["T"], "USUBJID": ["01"], "TRTSDT": [pd.Timestamp("2018-01-01")],
            "TRTEDT": [pd.Timestamp("2018-06-01")], "NCYCLES": [5.0],
        }
    )  # fmt: skip
    lb = pd.DataFrame(rows, columns=["LBDTC", "LBSTRESN", "LBSTRESC"]).assign(
        USUBJID="01", LBTESTCD="PSA", LBLLOQ=lloq
    )
    lb["LBSEQ"] = range(1, len(lb) + 1)
    adsl["TRTSTM"] = time_of_day(pd.Series([dose]))
    return adpsa({"lb": lb}, adsl, RULE)


def test_two_values_on_a_day_the_latest_time_is_taken():
    got = course([("2017-12-30T08:00", 10.0, None), ("2017-12-30T16:00", 12.0, None)])
    assert got[["AVAL", "DTYPE"]].to_numpy().tolist() == [[12.0, ""]]


def test_two_values_on_a_day_without_times_are_averaged_and_flagged():
    got = course([("2017-12-30", 10.0, None), ("2017-12-30", 13.0, None)])
    assert got[["AVAL", "DTYPE"]].to_numpy().tolist() == [[11.5, "AVERAGE"]]


def test_a_value_drawn_after_the_infusion_began_is_no_baseline():
    timed = [("2018-01-01T09:00", 100.0, None), ("2018-01-01T12:00", 90.0, None)]
    assert course(timed, dose="2018-01-01T10:00")["BASE"].tolist() == [100.0]
    # without a time of the infusion the sample of that day counts as drawn before it
    assert course(timed)["BASE"].tolist() == [90.0]


def test_a_value_below_quantification_is_the_limit():
    got = course([("2017-12-30", 10.0, None), ("2018-02-01", None, "<0.1")])
    assert got["AVAL"].tolist() == [10.0, 0.1]
    assert got["BLQFL"].tolist() == ["", "Y"]


def test_a_result_below_a_limit_that_no_column_names_takes_the_limit_from_its_text():
    got = course([("2017-12-30", 10.0, None), ("2018-02-01", None, "<0.1")], lloq=None)
    assert got["AVAL"].tolist() == [10.0, 0.1]


@pytest.mark.parametrize(
    "category, start, day_found",
    [
        ("SUBSEQUENT ANTICANCER THERAPY", "2018-01-02", "2018-01-02"),  # case 1
        ("SUBSEQUENT ANTICANCER THERAPY", "2018-02", "2018-02-01"),  # case 1, earliest day
        ("SUBSEQUENT ANTICANCER THERAPY", "2018-01", "2018-01-02"),  # case 2, in doubt
        ("SUBSEQUENT ANTICANCER THERAPY", "2018", "2018-01-02"),  # case 2, in doubt
        ("SUBSEQUENT ANTICANCER THERAPY", "2018-01-01", None),  # case 3, on the day of the dose
        ("SUBSEQUENT ANTICANCER THERAPY", None, None),  # case 3, no date
        ("SUBSEQUENT ANTICANCER THERAPY", "2017-11", None),  # case 3, surely before the dose
        ("SUBSEQUENT ANTICANCER THERAPY", "2016", None),  # case 3, surely before the dose
        ("PHYSICIAN'S CHOICE", "2018-01", None),  # case 3
        ("PRIOR ANTICANCER THERAPY", "2018-02-01", None),  # case 3
    ],
)
def test_the_first_day_of_a_new_therapy_by_its_cases(category, start, day_found):
    adsl = pd.DataFrame({"USUBJID": ["01"], "TRTSDT": [pd.Timestamp(DOSE)]})
    cm = pd.DataFrame({"USUBJID": ["01"], "CMCAT": [category], "CMSTDTC": [start]})
    expected = {} if day_found is None else {"01": pd.Timestamp(day_found)}
    assert new_therapy({"cm": cm}, adsl).to_dict() == expected


def test_a_value_without_a_full_date_or_a_number_is_not_analysed():
    got = course([("2017-12", 10.0, None), ("2018-02-01", None, None), ("2017-12-30", 8.0, None)])
    assert got["AVAL"].tolist() == [8.0]


def test_there_is_no_study_day_0():
    got = course([("2017-12-31", 1.0, None), ("2018-01-01", 1.0, None), ("2018-01-02", 1.0, None)])
    assert got["ADY"].tolist() == [-1.0, 1.0, 2.0]


def test_exact_tenfold_falls_compare_as_90_percent():
    base = pd.Series(range(1, 400)) / 10
    assert (percent_change(base / 10, base) == -90).all()


def test_best_and_week_12_changes(patients):
    subjects = patients("""
        WHO | DAY | PSA
        ----+-----+-----
        01  |   0 | 100
        01  |  63 |  70
        01  |  83 |  60
        01  |  85 |  40
        01  | 105 |  90
        02  |   0 | 100
        02  |  99 | 150
    """)
    adsl, tables = one_trial(subjects)
    course = adpsa(tables, adsl, RULE).iloc[::-1]  # in any order
    whole = adrs(adsl, course, RULE, PLAN.psa_course)
    got = whole.set_index(["USUBJID", "PARAMCD"])["AVAL"]
    assert got["01", "PSABEST"] == -60
    assert got["01", "PSAWK12"] == -40  # days 83 and 85 are as near: the earlier
    assert got["02", "PSABEST"] == 50  # no fall: the least rise
    assert np.isnan(got["02", "PSAWK12"])  # day 99 is 15 days off, the window is 14


@pytest.mark.parametrize(
    "responders, n, words",
    [
        (6, 25, "H0 rejected"),
        (5, 25, "H0 not rejected"),
        (6, 24, "No decision: fewer than planned"),
        (7, 26, "No decision: more than planned"),
    ],
)
def test_the_decision_is_that_of_the_design(responders, n, words):
    assert decision(PLAN.design, responders, n) == words


@pytest.mark.parametrize(
    "responders, n, first, words",
    [
        (1, 15, (1, 0), "H0 not rejected: stopped after stage 1"),  # case 1: 1 of 15 stops
        (8, 25, (1, 0), "H0 not rejected: stopped after stage 1"),  # case 1: patients came too late
        (1, 15, (1, 1), "No decision: stage 1 has pending patients"),  # case 2
        (0, 20, (0, 1), "H0 not rejected: stopped after stage 1"),  # case 1: 1 at most
        (6, 25, (2, 0), "H0 rejected"),  # case 3
        (2, 15, (2, 0), "No decision: fewer than planned"),  # case 4
        (6, 26, (2, 0), "No decision: more than planned"),  # case 5
    ],
)
def test_the_decision_about_the_primary_set_knows_stage_1(responders, n, first, words):
    """Simon minimax of the plan: stop with at most 1 of 15, reject with more than 5 of 25."""
    assert decision(PLAN.design, responders, n, Stage1(*first)) == words


def test_the_rule_of_the_design_decides_about_no_other_set_of_the_planned_size():
    """Twenty-five marker-positive patients, six of them responders, of whom 24 are the primary set."""
    who = [f"{i:02d}" for i in range(25)]
    adsl = pd.DataFrame(
        {
            "USUBJID": who, "MPOSFL": "Y", "PRIMFL": ["N", *["Y"] * 24], "RESCTRFL": "N",
            "TRTSDT": pd.date_range("2018-01-01", periods=25),
        }
    )  # fmt: skip
    adrs = pd.DataFrame({"USUBJID": who, "PARAMCD": "PSARESP", "AVALC": ["Y"] * 6 + ["N"] * 19})
    said = {}
    for population in ("PRIMARY", "MARKERPOS"):
        rows = response_rate(
            adsl, adrs, PLAN, population=population, paramcd="PSARESP", analysis="psa_response"
        ).set_index("stat_name")
        said[population] = rows["stat"]["N"], {"decision", "p_value"} & set(rows.index)
        if population == "PRIMARY":
            assert rows.loc["decision", "stat_text"] == "No decision: fewer than planned"
    assert said == {"PRIMARY": (24, {"decision", "p_value"}), "MARKERPOS": (25, set())}


def test_only_the_primary_analysis_of_the_primary_set_has_a_p_value_and_a_decision():
    """The rule of the design decides once: no set and no rule of confirmation beside it does."""
    who = [f"{i:02d}" for i in range(25)]
    flags = {"PRIMFL": "Y", "MPOSFL": "Y", "PSAEVFL": "Y", "PPROTFL": "Y", "CTCEVFL": "Y"}
    adsl = pd.DataFrame(
        {"USUBJID": who, "RESCTRFL": "N", "TRTSDT": pd.date_range("2018-01-01", periods=25)} | flags
    )
    names = ["PSARESP", "PSARESPU", "PSARSP21", "PSARSP28"]
    adrs = pd.concat(
        pd.DataFrame({"USUBJID": who, "PARAMCD": name, "AVALC": ["Y"] * 6 + ["N"] * 19})
        for name in names
    )
    rows = pd.concat(primary_results.psa_response(adsl, adrs, PLAN))
    decides = rows[rows["stat_name"].isin(("p_value", "decision"))]
    assert decides[["analysis", "population"]].drop_duplicates().to_numpy().tolist() == [
        ["psa_response", "PRIMARY"]
    ]
    # P(X >= 6 | 25, 0.1), Cochran's tables of the binomial: 0.0334
    p = decides.set_index("stat_name").loc["p_value", "stat"]
    assert p == pytest.approx(0.0334, abs=5e-5)
    assert len(rows[rows["stat_name"] == "n"]) == 4 * 5


def test_a_response_after_a_re_screening_counts_in_no_set_of_the_first_screening():
    adsl = pd.DataFrame(
        {
            "USUBJID": ["01", "02"], "MPOSFL": "Y", "PRIMFL": ["Y", "N"], "RESCFL": ["N", "Y"],
            "RESCTRFL": ["N", "Y"], "NCYCLES": 4.0, "TRTSDT": pd.Timestamp(DOSE),
        }
    )  # fmt: skip
    answered = pd.DataFrame({"USUBJID": ["01", "02"], "PARAMCD": "PSARESP", "AVALC": "Y"})
    where = {"paramcd": "PSARESP", "analysis": "psa_response"}
    got = {
        name: response_rate(adsl, answered, PLAN, population=name, **where).set_index("stat_name")
        for name in ("PRIMARY", "MARKERPOS")
    }
    assert got["MARKERPOS"].loc[["n", "N", "n_missing"], "stat"].tolist() == [1, 2, 1]
    assert got["PRIMARY"].loc[["n", "N"], "stat"].tolist() == [1, 1]


def test_a_subject_treated_at_first_who_comes_again_stands_in_one_block_of_changes():
    adsl = pd.DataFrame(
        {
            "USUBJID": ["01", "02"], "PRIMFL": ["Y", "N"], "RESCFL": "Y",
            "RESCTRFL": ["N", "Y"], "NCYCLES": 4.0,
        }
    )  # fmt: skip
    best = pd.DataFrame({"USUBJID": ["01", "02"], "PARAMCD": "PSABEST", "AVAL": [-60.0, -20.0]})
    rows = ard.bind(psa_change(adsl, best, PLAN))
    mean = rows[(rows["paramcd"] == "PSABEST") & (rows["stat_name"] == "mean")]
    assert mean.set_index("population")["stat"].to_dict() == {"PRIMARY": -60, "RESCREENED": -20}


def test_a_rate_without_patients_is_not_estimable_with_a_reason():
    stats = rate(0, 0, 0.95)
    assert (stats["n"], stats["N"], stats["conf_level"]) == (0, 0, 0.95)
    for name in ("estimate", "conf_low", "conf_high"):
        assert stats[name].reason == "no patient in this population"


def test_3_of_25_has_the_published_interval():
    """Isebia 2022: 12 % (exact 95 % CI 2.5 to 31.2)."""
    stats = rate(3, 25, 0.95)
    assert stats["estimate"] == pytest.approx(0.12)
    assert (round(stats["conf_low"], 3), round(stats["conf_high"], 3)) == (0.025, 0.312)


def test_percentiles_are_those_of_sas_type_5():
    """By hand, PCTLDEF=5: n q whole takes the mean of two neighbours, else the next value."""
    got = summary(pd.Series([1.0, 2.0, 3.0, 4.0]))
    assert (got["q1"], got["median"], got["q3"]) == (1.5, 2.5, 3.5)
    got = summary(pd.Series([1.0, 2.0, 3.0, 4.0, 5.0]))
    assert (got["q1"], got["median"], got["q3"]) == (2.0, 3.0, 4.0)


TWO_STAGE = PLAN.model_copy(
    update={
        "design": PLAN.design.model_copy(update={"r1": 1, "n1": 10, "r": 5, "n": 29}),
        "intervals": PLAN.intervals.model_copy(
            update={"primary_interval": "two-stage", "conf_level": 0.9}
        ),
    }
)


def primary(yes: list[bool], plan: Plan, pending: list[bool] | None = None) -> pd.DataFrame:
    """The rows of `psa_response` of PRIMARY and of the first line of the forest, by statistic."""
    who = [f"{i:03d}" for i in range(len(yes))]
    adsl = pd.DataFrame(
        {
            "USUBJID": who, "PRIMFL": "Y", "RESCTRFL": "N",
            "TRTSDT": pd.date_range("2018-01-01", periods=len(yes)),
        }
    )  # fmt: skip
    answers = pd.DataFrame(
        {"USUBJID": who, "PARAMCD": "PSARESP", "AVALC": ["Y" if y else "N" for y in yes]}
    )
    waits = ["Y" if wait else "N" for wait in pending or [False] * len(yes)]
    answers = pd.concat([answers, answers.assign(PARAMCD="PSAPEND", AVALC=waits)])
    rows = response_rate(
        adsl, answers, plan, population="PRIMARY", paramcd="PSARESP", analysis="psa_response"
    )
    return rows.set_index("stat_name")


def test_the_primary_interval_of_two_stages_is_that_of_singlearm():
    """R's singlearm 1.0.0, ci_gs_exact for 1/10, 5/29, 90 %: 6 of 29 has 0.1015 to 0.4127 and 1 of 10
    (a stop) 0.0051 to 0.3942 (tests/reference/two_stage_singlearm_inference.csv)."""
    end = primary([True] * 3 + [False] * 7 + [True] * 3 + [False] * 16, TWO_STAGE)
    assert end.loc[["conf_low", "conf_high"], "stat"].tolist() == pytest.approx(
        [0.10151, 0.41268], abs=2e-4
    )
    assert end.loc["estimate", "stat"] == pytest.approx(6 / 29)
    assert set(end["method"]) == {
        "Equal-tailed exact interval after Jung and Kim 2004; exact binomial test, one-sided"
    }
    stop = primary([True] + [False] * 9, TWO_STAGE)
    assert stop.loc[["conf_low", "conf_high"], "stat"].tolist() == pytest.approx(
        [0.00514, 0.39416], abs=2e-4
    )


def test_the_primary_result_has_one_interval_wherever_it_stands():
    """6 of 29 by singlearm, as above: beside AR-V7 negative patients and beside the published rate too."""
    who = [f"{i:03d}" for i in range(29)]
    adsl = pd.DataFrame(
        {
            "USUBJID": who, "PRIMFL": "Y", "RESCTRFL": "N", "MARKBL": "POSITIVE",
            "TRTSDT": pd.date_range("2018-01-01", periods=29),
        }
    )  # fmt: skip
    yes = [True] * 3 + [False] * 7 + [True] * 3 + [False] * 16
    adrs = pd.DataFrame(
        {"USUBJID": who, "PARAMCD": "PSARESP", "AVALC": ["Y" if y else "N" for y in yes]}
    )
    references = read_references(project_home() / "analysis" / "references.yml")
    rows = ard.bind(
        [*by_marker(adsl, adrs, TWO_STAGE), *published(adsl, adrs, references, TWO_STAGE)]
    )
    for group in ("POSITIVE", "this_study_own_rule"):
        mine = rows[rows["group"] == group].set_index("stat_name")
        limits = mine.loc[["conf_low", "conf_high"], "stat"].tolist()
        assert limits == pytest.approx([0.10151, 0.41268], abs=2e-4), group


@pytest.mark.parametrize(
    "yes, pending, reason",
    [
        ([True] * 2 + [False] * 6, None, "stage 1 is not complete"),
        ([True] + [False] * 9, [False] * 9 + [True], "stage 1 is not decided: patients are pending"),
        ([True] * 2 + [False] * 18, None, "stage 2 is not complete"),
        ([True] + [False] * 11, None, "the design stopped after stage 1; its interval is of stage 1 alone"),
    ],
)  # fmt: skip
def test_before_the_design_has_ended_the_primary_interval_of_two_stages_does_not_exist(
    yes, pending, reason
):
    rows = primary(yes, TWO_STAGE, pending)
    assert rows.loc[["conf_low", "conf_high"], "stat_text"].tolist() == [reason] * 2
    assert rows.loc["estimate", "stat"] == pytest.approx(sum(yes) / len(yes))


def test_the_interval_of_clopper_and_pearson_stays_where_the_plan_has_it():
    """6 of 25 at 95 %: 0.0936 to 0.4513 (Clopper and Pearson 1934; R's binom.test)."""
    rows = primary([True] * 3 + [False] * 12 + [True] * 3 + [False] * 7, PLAN)
    assert rows.loc[["conf_low", "conf_high"], "stat"].tolist() == pytest.approx(
        [0.0936, 0.4513], abs=5e-5
    )
    assert set(rows["method"]) == {"Clopper-Pearson; exact binomial test, one-sided"}


# Rows of the ARD. 05, 06 and 08 were treated through re-screening, 07 was only re-screened. 04 has no
# PSA that counts, and 08 has no row at all. Declines of exactly 30, 50 and 90 % reach their depth.
ROWS = """
    USUBJID | PRIMFL | MPOSFL | PSAEVFL | PPROTFL | CTCEVFL | RESCFL | RESCTRFL | MARKBL   | PSARESP | PSARESPU | PSARSP21 | PSABEST | PSAWK12
    --------+--------+--------+---------+---------+---------+--------+----------+----------+---------+----------+----------+---------+--------
    01      | Y      | Y      | Y       | Y       | Y       | N      | N        | POSITIVE | Y       | Y        | Y        | -90     | -50
    02      | Y      | Y      | Y       | Y       | N       | N      | N        | POSITIVE | N       | Y        | Y        | -50     | -30
    03      | Y      | Y      | Y       | N       | N       | N      | N        | POSITIVE | N       | Y        | N        | -29.5   | 10
    04      | Y      | Y      | N       | N       | N       | N      | N        | POSITIVE | NE      | NE       | NE       |         |
    05      | N      | Y      | N       | N       | N       | Y      | Y        | NEGATIVE | Y       | Y        | Y        | -60     |
    06      | N      | Y      | N       | N       | N       | Y      | Y        | NOT DONE | N       | Y        | N        | -30     | -30
    07      | N      | N      | N       | N       | N       | Y      | N        | NEGATIVE | Y       | Y        | Y        | -99     | -99
    08      | N      | N      | N       | N       | N       | Y      | Y        | NEGATIVE |         |          |          |         |
"""
# Clopper-Pearson limits as R's binom.test prints them.
LIMITS = {
    (0, 3): (0, 0.7075982),
    (0, 4): (0, 0.6023646),
    (1, 1): (0.025, 1),
    (1, 2): (0.01257912, 0.98742088),
    (1, 3): (0.008403759, 0.905700676),
    (1, 4): (0.006309463, 0.805879550),
    (1, 6): (0.004210745, 0.641234579),
    (2, 2): (0.1581139, 1),
    (2, 3): (0.094299324, 0.991596241),
    (2, 4): (0.06758599, 0.93241401),
    (2, 6): (0.04327187, 0.77722190),
    (3, 3): (0.2924018, 1),
    (3, 4): (0.1941204, 0.9936905),
    (3, 6): (0.1181172, 0.8818828),
}


def rate_of(n: int, N: int) -> dict[str, float]:  # noqa: N803 - as in the ARD
    """The statistics of a rate, with the limits of R."""
    low, high = LIMITS[n, N]
    return {
        "n": n, "N": N, "estimate": n / N, "conf_level": 0.95, "conf_low": low, "conf_high": high,
    }  # fmt: skip


@pytest.fixture
def ards(patients):
    """ADSL and ADRS of ROWS."""
    table = patients(ROWS)
    flags = [name for name in table if name.endswith("FL")]
    adsl = table[["USUBJID", "MARKBL", *flags]].assign(NCYCLES=4.0, TRTSDT=pd.Timestamp(DOSE))
    adsl.loc[adsl["USUBJID"] == "07", "NCYCLES"] = 0.0
    coded = [
        table[["USUBJID"]].assign(PARAMCD=name, AVALC=table[name])[table[name].notna()]
        for name in ("PSARESP", "PSARESPU", "PSARSP21")
    ]
    coded.append(coded[0].assign(PARAMCD="PSARSP28"))
    valued = [
        table[["USUBJID"]].assign(PARAMCD=name, AVAL=table[name].astype(float))[table[name].notna()]
        for name in ("PSABEST", "PSAWK12")
    ]
    return adsl, pd.concat(coded), pd.concat(valued)


def at(rows: pd.DataFrame, **where: str) -> dict[str, float | str]:
    """The statistics at one place of the ARD; an axis that is not named is empty there."""
    empty = {name: "" for name in ("group", "level", "sublevel") if name not in where}
    for name, value in (empty | where).items():
        rows = rows[rows[name] == value]
    assert not rows["stat_name"].duplicated().any()
    return {row.stat_name: row.stat_text or row.stat for row in rows.itertuples()}


@pytest.mark.req("SAP-5.1")
@pytest.mark.worked("psa_response", "psa_response_unconfirmed", "psa_response_{days}d")
def test_psa_response_has_the_numbers_worked_by_hand_in_every_set(ards):
    """A response after re-screening (05) is NE in the marker-positive set; the p of 1 of 4 at 0.1 is
    1 - 0.9^4 = 0.3439."""
    adsl, coded, _ = ards
    rows = ard.bind(primary_results.psa_response(adsl, coded, PLAN))
    tested = {"p_value": 0.3439, "decision": "No decision: fewer than planned"}
    expected = {
        ("psa_response", "PRIMARY"): rate_of(1, 4) | {"n_missing": 1} | tested,
        ("psa_response", "MARKERPOS"): rate_of(1, 6) | {"n_missing": 3},
        ("psa_response", "PSAEVAL"): rate_of(1, 3) | {"n_missing": 0},
        ("psa_response", "PERPROT"): rate_of(1, 2) | {"n_missing": 0},
        ("psa_response", "CTCEVAL"): rate_of(1, 1) | {"n_missing": 0},
        ("psa_response_unconfirmed", "PRIMARY"): rate_of(3, 4) | {"n_missing": 1},
        ("psa_response_unconfirmed", "MARKERPOS"): rate_of(3, 6) | {"n_missing": 3},
        ("psa_response_unconfirmed", "PSAEVAL"): rate_of(3, 3) | {"n_missing": 0},
        ("psa_response_unconfirmed", "PERPROT"): rate_of(2, 2) | {"n_missing": 0},
        ("psa_response_21d", "PRIMARY"): rate_of(2, 4) | {"n_missing": 1},
        ("psa_response_21d", "MARKERPOS"): rate_of(2, 6) | {"n_missing": 3},
        ("psa_response_28d", "PRIMARY"): rate_of(1, 4) | {"n_missing": 1},
    }
    for (analysis, population), statistics in expected.items():
        got = at(rows, analysis=analysis, population=population)
        assert got == pytest.approx(statistics | {"p0": 0.1}), (analysis, population)


@pytest.mark.worked("rescreen_response")
def test_rescreen_response_has_the_numbers_worked_by_hand(ards):
    """Of 05, 06 and 08, 05 has a confirmed response, 05 and 06 an unconfirmed one; 08 has no result.

    05 and 08 were negative at the first screening, of 06 the marker was not done.
    """
    adsl, coded, _ = ards
    rows = ard.bind(rescreen_response(adsl, coded, PLAN))
    assert at(rows, paramcd="PSARESP") == pytest.approx(rate_of(1, 3) | {"n_missing": 1})
    assert at(rows, paramcd="PSARESPU") == pytest.approx(rate_of(2, 3) | {"n_missing": 1})
    negative = {"paramcd": "PSARESP", "level": "marker_negative"}
    assert at(rows, **negative) == pytest.approx(rate_of(1, 2) | {"n_missing": 1})
    not_done = at(rows, paramcd="PSARESPU", level="marker_not_done")
    assert not_done == pytest.approx(rate_of(1, 1) | {"n_missing": 0})
    assert at(rows, paramcd="PSARESP", level="marker_not_done")["n"] == 0
    for level in ("marker_undetermined", "marker_positive"):
        assert at(rows, paramcd="PSARESP", level=level)["N"] == 0
    assert set(rows["population"]) == {"RESCREENED"}


@pytest.mark.req("SAP-5.2")
@pytest.mark.worked("psa_change")
def test_psa_change_has_the_numbers_worked_by_hand(ards):
    """PRIMARY, best: -90, -50, -29.5, one missing; mean -56.5, squares 1122.25 + 42.25 + 729 = 1893.5.

    RESCREENED: -60 and -30, 08 missing; at week 12 one value only.
    """
    adsl, _, valued = ards
    rows = ard.bind(psa_change(adsl, valued, PLAN))
    where = {"population": "PRIMARY", "paramcd": "PSABEST"}
    assert at(rows, **where) == pytest.approx(
        {"N": 4, "n": 3, "n_missing": 1, "mean": -56.5, "sd": (1893.5 / 2) ** 0.5, "median": -50,
         "q1": -90, "q3": -29.5, "min": -90, "max": -29.5}
    )  # fmt: skip
    for depth, n in ((30, 2), (50, 2), (90, 1)):
        got = at(rows, **where, level=f"decline_{depth}")
        assert got == pytest.approx(rate_of(n, 4)), depth
    where["paramcd"] = "PSAWK12"
    assert at(rows, **where)["mean"] == pytest.approx((-50 - 30 + 10) / 3)
    for depth, n in ((30, 2), (50, 1), (90, 0)):
        got = at(rows, **where, level=f"decline_{depth}")
        assert got == pytest.approx(rate_of(n, 4)), depth
    where = {"population": "RESCREENED", "paramcd": "PSABEST"}
    assert at(rows, **where) == pytest.approx(
        {"N": 3, "n": 2, "n_missing": 1, "mean": -45, "sd": 450**0.5, "median": -45, "q1": -60,
         "q3": -30, "min": -60, "max": -30}
    )  # fmt: skip
    assert at(rows, **where, level="decline_50") == pytest.approx(rate_of(1, 3))
    assert at(rows, **where, level="decline_90") == pytest.approx(rate_of(0, 3))
    where["paramcd"] = "PSAWK12"
    assert at(rows, **where)["sd"] == "one value only"
    assert [at(rows, **where)[name] for name in ("N", "n", "n_missing")] == [3, 1, 2]
    assert at(rows, **where)["median"] == -30


def test_a_summary_of_no_value_states_the_reason():
    stats = summary(pd.Series([None, None], dtype="float64"))
    assert (stats["n"], stats["n_missing"]) == (0, 2)
    names = ("mean", "sd", "median", "q1", "q3", "min", "max")
    assert {stats[name].reason for name in names} == {"no value"}


def test_the_stem_makes_all_of_its_analyses(ards):
    adsl, coded, valued = ards
    results = pd.concat([coded, valued])
    rows = ard.bind(primary_results.rows(adsl=adsl, adrs=results, plan=PLAN))
    assert set(rows["analysis"]) == {
        "psa_response", "psa_response_unconfirmed", "psa_response_21d", "psa_response_28d",
        "rescreen_response", "psa_change",
    }  # fmt: skip


# ---- the datasets, row by row --------------------------------------------------------------------


def as_rows(table: pd.DataFrame, *columns: str) -> list[list[object]]:
    """The rows as lists; days as texts, missing as None."""
    texts = {
        name: table[name].dt.strftime("%F")
        for name in columns
        if pd.api.types.is_datetime64_any_dtype(table[name])
    }
    cells = table.assign(**texts)[list(columns)].astype(object)
    rows: list[list[object]] = cells.where(cells.notna(), None).to_numpy().tolist()
    return rows


def test_percent_changes_are_rounded_to_9_decimals_and_need_a_positive_baseline():
    """1 of 3: -66.666 666 666 666 7 %."""
    got = percent_change(pd.Series([1.0, 3.0, 4.0]), pd.Series([3.0, 0.0, 1.0]))
    assert got.tolist()[::2] == [-66.666666667, 300.0]
    assert np.isnan(got[1])


def test_of_several_new_therapies_the_earliest_counts():
    adsl = pd.DataFrame({"USUBJID": ["01", "02"], "TRTSDT": [pd.Timestamp(DOSE)] * 2})
    cm = pd.DataFrame(
        [
            ("01", "PHYSICIAN'S CHOICE", "2018-04-01"),
            ("01", "SUBSEQUENT ANTICANCER THERAPY", "2018-03-01"),
            ("01", "SUBSEQUENT ANTICANCER THERAPY", "2018-05"),
            ("02", "PHYSICIAN'S CHOICE", "2018-01-01"),
        ],
        columns=["USUBJID", "CMCAT", "CMSTDTC"],
    )
    assert new_therapy({"cm": cm}, adsl).to_dict() == {"01": pd.Timestamp("2018-03-01")}
    assert new_therapy({}, adsl).to_dict() == {}


PSA_RECORDS = """
    USUBJID | LBSEQ | LBTESTCD | LBDTC            | LBSTRESN | LBSTRESC
    --------+-------+----------+------------------+----------+---------
    03      | 12    | PSA      | 2018-01-05       | 7        |
    01      | 8     | PSA      | 2018-03-23       | 30       |
    01      | 7     | PSA      | 2018-03-22       |          | >5000
    01      | 6     | PSA      | 2018-02-01T18:00 | 60       |
    01      | 5     | PSA      | 2018-01-15T12:00 |          | <1
    01      | 4     | PSA      | 2018-01-15T12:00 | 40       |
    01      | 3     | PSA      | 2018-01-01T10:01 | 500      |
    01      | 2     | PSA      | 2018-01-01T10:00 | 80       |
    01      | 1     | PSA      | 2017-12-20       | 120      |
    01      | 9     | ALP      | 2018-02-02       | 66       |
    02      | 10    | PSA      | 2018-02-01       | 12       |
    02      | 11    | PSA      | 2018-01-31       | 10       |
"""


def psa_days(patients, rule=RULE) -> pd.DataFrame:
    """01 and 02 with doses from 2018-01-01 10:00 to 2018-03-01; 03 without a day of a dose."""
    doses = pd.DataFrame(
        {
            "STUDYID": "T",
            "USUBJID": ["01", "02", "03"],
            "TRTSDT": pd.to_datetime(["2018-01-01", "2018-01-01", None]),
            "TRTEDT": pd.to_datetime(["2018-03-01", "2018-03-01", None]),
            "TRTSTM": ["10:00", None, None],
            "NCYCLES": [4.0, 4.0, 1.0],
        }
    )
    therapy = {
        "USUBJID": ["02"],
        "CMCAT": "SUBSEQUENT ANTICANCER THERAPY",
        "CMSTDTC": ["2018-02-01"],
    }
    tables = {"lb": patients(PSA_RECORDS), "cm": pd.DataFrame(therapy)}
    return adpsa(tables, doses, rule)


def test_each_day_with_psa_has_its_value_its_change_and_its_case(patients):
    """The window ends 21 days after the last cycle, on 2018-03-22. The value at the very start of the
    infusion is the baseline; the two of 2018-01-15 have one time, their mean is (40 + 1) / 2."""
    got = psa_days(patients)
    assert as_rows(
        got, "USUBJID", "ADT", "LBSEQ", "AVAL", "BLQFL", "ALQFL", "DTYPE", "ABLFL", "BASE"
    ) == [
        ["01", "2017-12-20", 1, 120, "", "", "", "", 80],
        ["01", "2018-01-01", 2, 80, "", "", "", "Y", 80],
        ["01", "2018-01-15", 4, 20.5, "Y", "", "AVERAGE", "", 80],
        ["01", "2018-02-01", 6, 60, "", "", "", "", 80],
        ["01", "2018-03-22", 7, 5000, "", "Y", "", "", 80],
        ["01", "2018-03-23", 8, 30, "", "", "", "", 80],
        ["02", "2018-01-31", 11, 10, "", "", "", "", None],
        ["02", "2018-02-01", 10, 12, "", "", "", "", None],
        ["03", "2018-01-05", 12, 7, "", "", "", "", None],
    ]
    assert as_rows(got, "CHG", "PCHG", "ADY", "ANL01CAS", "ANL01FL", "NADIR") == [
        [None, None, -12, 2, "", None],
        [None, None, 1, 2, "", 80],
        [-59.5, -74.375, 15, 5, "Y", 20.5],
        [-20, -25, 32, 5, "Y", 20.5],
        [4920, 6150, 81, 5, "Y", 20.5],
        [-50, -62.5, 82, 3, "", 20.5],
        [None, None, 31, 5, "Y", 10],
        [None, None, 32, 4, "", 10],
        [None, None, None, 1, "", None],
    ]
    assert set(got["PARAMCD"]) == {"PSA"}
    assert set(got["AVALU"]) == {"ug/L"}
    assert set(got["STUDYID"]) == {"T"}


def test_half_the_limit_is_taken_for_values_below_quantification_only(patients):
    half = RULE.model_copy(update={"below_quantification": "half the limit"})
    got = psa_days(patients, half)
    assert got["AVAL"].tolist() == [120, 80, 20.25, 60, 5000, 30, 10, 12, 7]


TWELVE_WEEKS = """
    WHO | DAY | PSA
    ----+-----+-----
    01  |   0 | 100
    01  |   7 |  60
    01  |  21 |  50
    01  |  42 |  45
    01  |  49 |  80
    01  |  90 |  30
    02  |   0 | 100
    02  |  70 | 120
    02  |  98 | 110
    02  | 120 |  20
    02  | 150 |  20
    03  |  21 |  10
    04  |   0 | 100
    05  |   0 | 100
    05  |  14 |  10
    06  |   0 | 100
    06  |  14 |  50
"""


def test_each_definition_of_psa_response_has_its_rows(patients):
    """05 was never treated; of 04 no value counts; the fall of 02 is too late for the limit of day 84."""
    adsl, tables = one_trial(patients(TWELVE_WEEKS))
    adsl["NCYCLES"] = adsl["USUBJID"].map({"05": 0.0}).fillna(1.0)
    got = adrs(adsl, adpsa(tables, adsl, RULE), RULE, PLAN.psa_course)
    assert list(got) == [
        "STUDYID", "USUBJID", "TRTSDT", "AVALC", "AVAL", "ADT", "CONFDT", "CASE", "PARAMCD",
    ]  # fmt: skip
    assert got.index.tolist() == list(range(5 * 7))
    assert set(got["TRTSDT"]) == {pd.Timestamp(DOSE)}
    response = as_rows(got, "PARAMCD", "USUBJID", "AVALC", "CASE", "ADT", "CONFDT", "AVAL")
    without = [["03", "NE", 1, None, None, None], ["04", "NE", 2, None, None, None]]
    unconfirmed = ["06", "N", 4, None, None, None]
    late = ["02", "N", 5, None, None, None]
    confirmed = ["01", "Y", 3, day(21), day(90), None]
    expected = {
        "PSARESP": [confirmed, late, *without, unconfirmed],
        "PSARESPU": [
            ["01", "Y", 3, day(21), day(21), None], late, *without,
            ["06", "Y", 3, day(14), day(14), None],
        ],
        "PSARSP21": [["01", "Y", 3, day(21), day(42), None], late, *without, unconfirmed],
        "PSARSP28": [confirmed, late, *without, unconfirmed],
        "PSARSPAT": [
            confirmed, ["02", "Y", 3, day(120), day(150), None], *without, unconfirmed,
        ],
        "PSABEST": [
            ["01", "", 2, day(90), None, -70], ["02", "", 2, day(120), None, -80],
            ["03", "NE", 1, None, None, None], ["04", "NE", 1, None, None, None],
            ["06", "", 2, day(14), None, -50],
        ],
        "PSAWK12": [
            ["01", "", 2, day(90), None, -70], ["02", "", 2, day(70), None, 20],
            ["03", "NE", 1, None, None, None], ["04", "NE", 1, None, None, None],
            ["06", "NE", 1, None, None, None],
        ],
    }  # fmt: skip
    assert response == [[name, *row] for name, rows in expected.items() for row in rows]


def test_without_a_limit_on_the_first_decline_there_is_no_row_without_it(patients):
    adsl, tables = one_trial(patients(TWELVE_WEEKS))
    rule = RULE.model_copy(update={"first_fall_within_days": None})
    got = adrs(adsl, adpsa(tables, adsl, rule), rule, PLAN.psa_course)
    names = ["PSARESP", "PSARESPU", "PSARSP21", "PSARSP28", "PSABEST", "PSAWK12"]
    assert list(dict.fromkeys(got["PARAMCD"])) == names


@pytest.mark.parametrize(
    "days, tolerance, second, answer",
    [
        (28, 3, 46, "Y"),  # 25 days later: 3 days early
        (28, 3, 45, "N"),
        (7, 7, 22, "Y"),  # the tolerance takes all: the next day confirms, ...
        (7, 30, 22, "Y"),
        (1, 0, 22, "Y"),
        (2, 0, 22, "N"),
    ],
)
def test_a_confirming_value_may_be_as_early_as_the_tolerance_and_is_another_value(
    patients, days, tolerance, second, answer
):
    rule = RULE.model_copy(update={"confirm_tolerance_days": tolerance})
    text = f"WHO | DAY | PSA\n---+---\n01 | 0 | 100\n01 | 21 | 50\n01 | {second} | 50"
    assert answers(patients(text), rule, days).loc["01", "AVALC"] == answer
    # ... and a decline never confirms itself.
    once = answers(patients(text.rsplit("\n", 1)[0]), rule, days)
    assert once.loc["01", ["AVALC", "CASE"]].tolist() == ["N", 4]


PUBLISHED = ComparisonRule(
    baseline_psa_minimum=20, decline_pct=30, confirm_after_days=21, first_fall_within_days=None
)


@pytest.mark.parametrize(
    "minimum, zero_and_low",
    [
        (20.0, [[None, 1, None, None], [None, 1, None, None]]),
        (0.0, [[None, 1, None, None], ["Y", 3, day(21), day(42)]]),
    ],
)
def test_the_published_rule_counts_patients_with_its_minimum_baseline_only(
    patients, minimum, zero_and_low
):
    """A decline of exactly 30 %, confirmed exactly 21 days later, whatever tolerance this trial has."""
    values = patients("""
        WHO | DAY | PSA
        ----+-----+-----
        01  |   0 |  20
        01  | 100 |  14
        01  | 121 |  14
        02  |   0 |   0
        02  |  21 |   0
        03  |   0 |  19.9
        03  |  21 |  10
        03  |  42 |  10
        04  |  21 |  10
        05  |   0 |  50
        06  |   0 |  50
        06  |  21 |  35
        06  |  41 |  35
        07  |   0 |  50
        07  |  21 |  35.1
    """)
    adsl, tables = one_trial(values)
    rule = RULE.model_copy(update={"confirm_tolerance_days": 3})
    published_rule = PUBLISHED.model_copy(update={"baseline_psa_minimum": minimum})
    got = comparison_response(adsl, adpsa(tables, adsl, rule), rule, published_rule)
    assert got["USUBJID"].tolist() == ["01", "02", "03", "04", "05", "06", "07"]
    assert as_rows(got, "AVALC", "CASE", "ADT", "CONFDT") == [
        ["Y", 3, day(100), day(121)],
        *zero_and_low,
        [None, 1, None, None],
        ["NE", 2, None, None],
        ["N", 4, None, None],
        ["N", 5, None, None],
    ]
    assert set(got["PARAMCD"]) == {"PSARESPC"}


def test_without_a_published_rule_no_response_by_it_is_derived(patients):
    adsl, tables = one_trial(patients(TWELVE_WEEKS))
    got = comparison_response(adsl, adpsa(tables, adsl, RULE), RULE, None)
    assert got.empty
    assert list(got) == ["STUDYID", "USUBJID", "PARAMCD", "AVALC", "CASE"]


def test_a_stage_that_no_pending_patient_can_lift_has_ended():
    """None of 10 responded, one is pending, 1 is at most r1: stage 1 alone, 0 to 1 - 0.05^(1/10) at 90 %.

    Two pending patients could make it 2, more than r1.
    """
    one = primary([False] * 10, TWO_STAGE, [True] + [False] * 9)
    limits = one.loc[["conf_low", "conf_high"], "stat"].tolist()
    assert limits == pytest.approx([0, 1 - 0.05 ** (1 / 10)], abs=1e-6)
    two = primary([False] * 10, TWO_STAGE, [True] * 2 + [False] * 8)
    reason = "stage 1 is not decided: patients are pending"
    assert set(two.loc[["conf_low", "conf_high"], "stat_text"]) == {reason}


def test_more_patients_than_planned_have_the_interval_of_the_attained_number():
    """30 of 29: an estimate of 6 of 30 with limits around it, and no decision of the planned rule."""
    over = primary([True] * 3 + [False] * 7 + [True] * 3 + [False] * 17, TWO_STAGE)
    low, high = over.loc[["conf_low", "conf_high"], "stat"]
    assert 0 < low < 6 / 30 < high < 0.41268  # below the upper limit of 6 of 29
    assert over.loc["decision", "stat_text"] == decisions.MORE_THAN_PLANNED


def test_a_single_stage_decides_at_its_end_and_has_the_interval_of_a_rate():
    """CABA-V7: 6 of 25 are more than 5; with 24 patients no decision. Clopper-Pearson in any plan."""
    single = read_plan(project_home() / "analysis" / "plan-caba-v7.yml").plan
    wanted = single.intervals.model_copy(update={"primary_interval": "two-stage"})
    for plan in (single, single.model_copy(update={"intervals": wanted})):
        rows = primary([True] * 6 + [False] * 19, plan)
        assert rows.loc["decision", "stat_text"] == decisions.REJECTED
        assert rows.loc[["conf_low", "conf_high"], "stat"].tolist() == pytest.approx(
            [0.0936, 0.4513], abs=5e-5
        )
        assert primary([True] * 5 + [False] * 20, plan).loc["decision", "stat_text"] == (
            decisions.NOT_REJECTED
        )
        assert primary([True] * 6 + [False] * 18, plan).loc["decision", "stat_text"] == (
            decisions.FEWER_THAN_PLANNED
        )


def test_the_primary_set_without_a_patient_has_no_p_value():
    rows = primary([], PLAN)
    assert rows.loc["p_value", "stat_text"] == "no patient in this population"
    assert rows.loc["decision", "stat_text"] == decisions.FEWER_THAN_PLANNED
    assert rows.loc[["n", "N", "n_missing"], "stat"].tolist() == [0, 0, 0]


def test_a_set_that_was_not_derived_has_no_rate(ards):
    adsl, coded, _ = ards
    rows = ard.bind(primary_results.psa_response(adsl.drop(columns="PPROTFL"), coded, PLAN))
    assert set(rows["population"]) == {"PRIMARY", "MARKERPOS", "PSAEVAL", "CTCEVAL"}
