"""The state of the stopping rule at a data cut: whose answer is open, what the rule says, power by hand."""

import datetime as dt
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import betabinom, binom

from sap.catalogue.decisions import BOUNDARY_CROSSED as STOP
from sap.catalogue.decisions import BOUNDARY_OPEN as OPEN
from sap.catalogue.decisions import BOUNDARY_PASSED as CONTINUE
from sap.derivations.interim import pending
from sap.methods.interim import conditional_power as planned_power
from sap.methods.interim import predictive_probability
from sap.methods.interim_stages import Stage, conditional_power, predictive_power
from sap.methods.two_stage import TwoStageDesign
from sap.plan import read_plan
from sap.results import interim as interim_results
from sap.results.interim import Cut, interim, interim_pending, state, toxicity_oc

PLAN = read_plan(Path(__file__).parents[1] / "analysis" / "plan.yml").plan
NO_PATIENT = Stage(0, 0, 0)

# ---- whose answer is open --------------------------------------------------------------------

CUT = dt.date(2017, 6, 30)
# The plan: first fall at most 84 days after the first dose; values count to 21 days after the last.
SUBJECTS = """
    USUBJID | TRTSDT     | TRTEDT     | DCTREAS | DTHDT      | PSARESP | CASE | PSARESPU | THERAPY    | EXPECTED | WHY
    --------+------------+------------+---------+------------+---------+------+----------+------------+----------+----
    01      | 2017-05-01 | 2017-06-20 |         |            | Y       | 3    | Y        |            | N        | 1
    02      | 2017-05-01 | 2017-06-20 |         |            | NE      | 1    | NE       |            | N        | 2
    03      | 2017-05-01 | 2017-06-20 |         | 2017-06-25 | N       | 5    | N        |            | N        | 3
    04      | 2017-05-01 | 2017-06-20 |         |            | N       | 5    | N        | 2017-06-22 | N        | 3
    05      | 2017-05-01 | 2017-06-08 | OTHER   |            | N       | 4    | Y        |            | N        | 4
    06      | 2017-05-01 | 2017-06-09 | OTHER   |            | N       | 4    | Y        |            | Y        | 5
    07      | 2017-01-01 | 2017-06-20 |         |            | N       | 4    | Y        |            | Y        | 5
    08      | 2017-04-08 | 2017-06-20 |         |            | N       | 5    | N        |            | Y        | 6
    09      | 2017-04-07 | 2017-06-20 |         |            | N       | 5    | N        |            | N        | 7
    10      | 2017-06-20 | 2017-06-20 |         |            | NE      | 2    | NE       |            | Y        | 6
"""


def tables_of(subjects: pd.DataFrame) -> tuple[dict[str, pd.DataFrame], pd.DataFrame, pd.DataFrame]:
    adsl = subjects[["USUBJID", "DCTREAS"]].assign(
        STUDYID="T",
        NCYCLES=2.0,
        **{n: pd.to_datetime(subjects[n]) for n in ("TRTSDT", "TRTEDT", "DTHDT")},
    )
    adrs = pd.concat(
        pd.DataFrame(
            {
                "USUBJID": subjects["USUBJID"],
                "PARAMCD": name,
                "AVALC": subjects[name],
                "CASE": subjects["CASE"],
            }
        )
        for name in ("PSARESP", "PSARESPU")
    )
    new = subjects[subjects["THERAPY"].notna()]
    cm = pd.DataFrame(
        {
            "USUBJID": new["USUBJID"],
            "CMCAT": "SUBSEQUENT ANTICANCER THERAPY",
            "CMSTDTC": new["THERAPY"],
        }
    )
    return {"cm": cm}, adsl, adrs


def test_who_can_still_respond_by_each_case(patients):
    """The 84 days of patient 08 end on 2017-07-01 (April 23 + May 31 + June 30), those of 09 on 06-30."""
    subjects = patients(SUBJECTS)
    tables, adsl, adrs = tables_of(subjects)
    found = pending(tables, adsl, adrs, PLAN.psa_response, CUT).set_index("USUBJID")
    assert found["AVALC"].tolist() == subjects["EXPECTED"].tolist()
    assert found["CASE"].tolist() == subjects["WHY"].astype(int).tolist()


# ---- what the rule says ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "responders, pending_subjects, treated, said",
    [
        (2, 0, 15, CONTINUE),  # 2 > 1
        (2, 0, 6, CONTINUE),  # before stage 1 is full: 2 > 1 can only grow
        (1, 0, 15, STOP),  # 1 <= 1 and nothing open
        (1, 1, 15, OPEN),  # the pending patient can make it 2
        (0, 1, 15, STOP),  # even then 1 <= 1
        (0, 0, 14, STOP),  # the patient to come makes it at most 1
        (0, 0, 13, OPEN),  # two patients to come can make it 2
    ],
)
def test_the_rule_at_every_corner_of_one_responder_in_fifteen(
    responders, pending_subjects, treated, said
):
    assert state(Cut(responders, pending_subjects, treated, 15), 1) == said


# ---- power -----------------------------------------------------------------------------------


def test_power_by_hand_when_both_stages_are_open():
    """Stage 1: 1 of 1 known of 2, r1 = 1; stage 2: 0 of 0 of 1, r = 2. All open patients must respond."""
    first, second = Stage(1, 1, 2), Stage(0, 0, 1)
    assert conditional_power(first, second, 1, 2, 0.3) == pytest.approx(0.3 * 0.3)
    # prior beta(1, 1), one responder seen: beta(2, 1); E[p^2] = (2 * 3) / (3 * 4) = 1/2
    assert predictive_power(first, second, 1, 2, (1.0, 1.0)) == pytest.approx(0.5)


def test_a_stopped_trial_has_no_power_and_a_won_one_all():
    assert conditional_power(Stage(1, 15, 15), Stage(0, 0, 10), 1, 5, 0.9) == 0
    assert conditional_power(Stage(6, 15, 15), Stage(0, 0, 10), 1, 5, 0.0) == 1
    assert predictive_power(Stage(1, 15, 15), Stage(0, 0, 10), 1, 5, (0.5, 0.5)) == 0


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.data())
def test_with_one_stage_open_it_is_the_other_implementation(data):
    """`methods.interim.conditional_power` knows the first n patients in a row."""
    n1 = data.draw(st.integers(1, 12))
    n = n1 + data.draw(st.integers(1, 12))
    r1 = data.draw(st.integers(0, n1 - 1))
    r = data.draw(st.integers(r1, n - 1))
    known = data.draw(st.integers(0, n1))
    x = data.draw(st.integers(0, known))
    p = data.draw(st.floats(0.01, 0.99))
    mine = conditional_power(Stage(x, known, n1), Stage(0, 0, n - n1), r1, r, p)
    assert mine == pytest.approx(
        planned_power(TwoStageDesign(r1, n1, r, n), x, known, p), abs=1e-12
    )


@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.integers(1, 20), st.integers(0, 20), st.data())
def test_without_a_first_stage_the_average_is_beta_binomial(known, left, data):
    """scipy's beta-binomial as the other program; and power at p by scipy's binomial."""
    x = data.draw(st.integers(0, known))
    r = data.draw(st.integers(0, known + left - 1))
    second = Stage(x, known, known + left)
    assert predictive_power(NO_PATIENT, second, -1, r, (0.5, 0.5)) == pytest.approx(
        betabinom.sf(r - x, left, 0.5 + x, 0.5 + known - x), abs=1e-9
    )
    assert conditional_power(NO_PATIENT, second, -1, r, 0.3) == pytest.approx(
        binom.sf(r - x, left, 0.3), abs=1e-12
    )


def test_predictive_power_is_that_of_lee_and_liu_2008():
    """Their example: 16 of 23, 40 in all, p0 = 0.6, prior (0.6, 0.4): 28 of 40 convince at 0.9."""
    mine = predictive_power(NO_PATIENT, Stage(16, 23, 40), -1, 27, (0.6, 0.4))
    assert round(mine, 4) == 0.5656
    assert mine == pytest.approx(predictive_probability(16, 23, 40, 0.6, (0.6, 0.4), 0.9))


@pytest.mark.parametrize(
    "first, r1, r, p, said",
    [
        (Stage(3, 2, 5), 1, 5, 0.3, "first must have"),
        (Stage(1, 2, 5), 6, 5, 0.3, "r1 must not exceed r"),
        (Stage(1, 2, 5), 1, 5, 1.1, "p must lie"),
    ],
)
def test_bad_arguments_are_named(first, r1, r, p, said):
    with pytest.raises(ValueError, match=said):
        conditional_power(first, Stage(0, 0, 5), r1, r, p)


def test_a_prior_that_is_none_is_named():
    with pytest.raises(ValueError, match="prior must be"):
        predictive_power(Stage(1, 2, 5), Stage(0, 0, 5), 1, 5, (0, 1))


# ---- the rows --------------------------------------------------------------------------------


def rows_of(n: int, responders: list[int], waiting: list[int], plan=PLAN) -> pd.DataFrame:
    """ARD rows of n patients of the primary set, treated one a day; who responds, who is pending."""
    who = [f"{i:02d}" for i in range(1, n + 1)]
    adsl = pd.DataFrame(
        {"USUBJID": who, "PRIMFL": "Y", "TRTSDT": pd.date_range("2017-01-01", periods=n)}
    )
    answers = {"PSARESP": responders, "PSAPEND": waiting}
    adrs = pd.concat(
        pd.DataFrame(
            {
                "USUBJID": who,
                "PARAMCD": name,
                "AVALC": ["Y" if i in these else "N" for i in range(1, n + 1)],
            }
        )
        for name, these in answers.items()
    )
    return pd.concat(interim(adsl, adrs, plan), ignore_index=True)


def stat(rows: pd.DataFrame, level: str, name: str) -> float:
    found = rows[(rows["level"] == level) & (rows["stat_name"] == name)]
    assert len(found) == 1
    return float(found["stat"].iloc[0])


def at(rows: pd.DataFrame, **where: str) -> dict[str, float | str]:
    """The statistics at one place of the ARD."""
    for name, value in where.items():
        rows = rows[rows[name] == value]
    assert not rows["stat_name"].duplicated().any()
    return {row.stat_name: row.stat_text or row.stat for row in rows.itertuples()}


@pytest.mark.worked("interim")
def test_stage_one_is_the_first_fifteen_subjects_by_first_dose():
    """Design 1/15, 5/25; patients 1 and 16 responded, 15 and 17 are pending."""
    rows = rows_of(17, responders=[1, 16], waiting=[15, 17])
    assert at(rows, level="stage_1") == {
        "n": 1, "N": 15, "n_missing": 1, "n_planned": 15, "responders_low": 1, "responders_high": 2,
        "r1": 1, "decision": "Not decided", "decision_low": "Boundary crossed",
        "decision_high": "Boundary passed: stage 2 is open",
    }  # fmt: skip
    assert at(rows, level="total") == {
        "n": 2, "N": 17, "n_missing": 2, "n_planned": 25, "responders_low": 2, "responders_high": 4,
        "r": 5,
    }  # fmt: skip
    expected = {"none_respond": (2, 17), "not_observed": (2, 15), "all_respond": (4, 17)}
    for level, (n, known) in expected.items():
        got = at(rows, level=level, group="projection")
        assert (got["n"], got["N"]) == (n, known), level


@pytest.mark.worked("interim")
def test_the_projections_have_the_numbers_worked_by_hand():
    """One patient of 25 to come, prior beta(0.5, 0.5), r = 5: the last patient decides.

    Known 5 of 24, one pending: without a response 5 of 25 do not reject, with one 6 of 25 do. Seen as
    not yet observed, H0 is rejected with the probability of one response: p0 = 0.1, p1 = 0.3, 5/24, or
    on average over beta(5.5, 19.5) 5.5 / 25.
    """
    rows = rows_of(25, responders=[1, 2, 3, 4, 5], waiting=[25])
    names = (
        "conditional_power_p0", "conditional_power_p1", "conditional_power_seen",
        "predictive_power",
    )  # fmt: skip
    expected = {
        "none_respond": {"n": 5, "N": 25} | dict.fromkeys(names, 0.0),
        "not_observed": {"n": 5, "N": 24}
        | dict(zip(names, (0.1, 0.3, 5 / 24, 5.5 / 25), strict=True)),
        "all_respond": {"n": 6, "N": 25} | dict.fromkeys(names, 1.0),
    }
    for level, statistics in expected.items():
        assert at(rows, level=level, group="projection") == pytest.approx(statistics), level


def test_more_subjects_than_planned_have_no_projection_and_a_reason():
    rows = rows_of(26, responders=[1, 2, 3], waiting=[])
    view = rows[rows["level"] == "none_respond"].set_index("stat_name")
    assert pd.isna(view.loc["predictive_power", "stat"])
    assert "more patients than planned" in view.loc["predictive_power", "stat_text"]
    assert (view.loc["n", "stat"], view.loc["N", "stat"]) == (3, 26)


def test_before_the_first_patient_nothing_is_decided_and_the_power_is_that_of_the_design():
    rows = rows_of(0, [], [])
    words = rows[rows["level"] == "stage_1"].set_index("stat_name")["stat_text"]
    assert words["decision"] == OPEN
    d = PLAN.design
    design = TwoStageDesign(d.r1, d.n1, d.r, d.n)
    power = stat(rows, "none_respond", "conditional_power_p1")
    assert power == pytest.approx(float(design.probability_of_rejection(d.p1)))
    level = rows[rows["level"] == "none_respond"].set_index("stat_name")["stat_text"]
    assert level["conditional_power_seen"] == "no patient has a result yet"


def test_a_design_with_one_stage_has_no_rule_before_its_end():
    plan = read_plan(Path(__file__).parents[1] / "analysis" / "plan-caba-v7.yml").plan
    assert plan.design.kind == "single-stage"
    rows = rows_of(3, [1], [], plan)
    assert "stage_1" not in set(rows["level"])
    assert at(rows, level="total") == {
        "n": 1, "N": 3, "n_missing": 0, "n_planned": 25, "responders_low": 1, "responders_high": 1,
        "r": 5,
    }  # fmt: skip
    # no stop: of the 22 patients to come at least 5 must respond; the posterior is beta(1.5, 2.5)
    names = {
        "conditional_power_p0": 0.1,
        "conditional_power_p1": 0.3,
        "conditional_power_seen": 1 / 3,
    }
    expected = {name: binom.sf(4, 22, p) for name, p in names.items()}
    expected |= {"n": 1, "N": 3, "predictive_power": betabinom.sf(4, 22, 1.5, 2.5)}
    assert at(rows, level="none_respond") == pytest.approx(expected)


def test_an_incomplete_first_stage_has_no_second_one():
    """14 patients, 1 and 14 responded, 13 is pending: one more of stage 1 is to come, 10 of stage 2."""
    rows = rows_of(14, responders=[1, 14], waiting=[13])
    assert at(rows, level="stage_1") == {
        "n": 2, "N": 14, "n_missing": 1, "n_planned": 15, "responders_low": 2, "responders_high": 3,
        "r1": 1, **dict.fromkeys(("decision", "decision_low", "decision_high"), CONTINUE),
    }  # fmt: skip
    assert at(rows, level="total") == {
        "n": 2, "N": 14, "n_missing": 1, "n_planned": 25, "responders_low": 2, "responders_high": 3,
        "r": 5,
    }  # fmt: skip
    known = at(rows, level="not_observed")
    # passed: of the 12 patients without a result at least 4 must respond
    assert (known["n"], known["N"]) == (2, 13)
    assert known["conditional_power_p1"] == pytest.approx(binom.sf(3, 12, 0.3))


@pytest.mark.parametrize(
    "responders, waiting, decided",
    [
        ([1], [], (STOP, STOP, STOP)),  # complete: 1 <= 1 with nothing pending
        ([], [15], (STOP, STOP, STOP)),  # even with the pending one 1 <= 1
        ([1], [15], (OPEN, STOP, CONTINUE)),
        ([], [14, 15], (OPEN, STOP, CONTINUE)),
    ],
)
def test_the_bounds_of_the_decision_are_those_of_no_and_of_every_pending_response(
    responders, waiting, decided
):
    first = at(rows_of(15, responders, waiting), level="stage_1")
    assert (first["decision"], first["decision_low"], first["decision_high"]) == decided


def test_the_results_of_an_interim_analysis_are_all_of_them():
    adsl = pd.DataFrame({"USUBJID": ["01"], "PRIMFL": "Y", "TRTSDT": pd.Timestamp("2017-01-01")})
    adrs = pd.DataFrame({"USUBJID": ["01"], "PARAMCD": "PSARESP", "AVALC": "Y", "CASE": 3.0})
    made = pd.concat(interim_results.rows(adsl=adsl, adrs=adrs, plan=PLAN))
    assert set(made["analysis"]) == {"interim", "interim_pending", "toxicity_oc"}


@pytest.mark.worked("interim_pending")
def test_pending_subjects_await_a_confirmation_or_a_first_decline():
    """20 patients, stage 1 the first 15: 14, 16 and 17 have a decline, 15 and 20 none yet, 3 is final."""
    who = [f"{i:02d}" for i in range(1, 21)]
    adsl = pd.DataFrame(
        {"USUBJID": who, "PRIMFL": "Y", "TRTSDT": pd.date_range("2017-01-01", periods=20)}
    )
    case = {"14": 5, "16": 5, "17": 5, "15": 6, "20": 6, "03": 7}
    adrs = pd.DataFrame(
        {"USUBJID": who, "PARAMCD": "PSAPEND", "CASE": [case.get(w, 4) for w in who]}
    )
    adrs["AVALC"] = ["Y" if case.get(w) in (5, 6) else "N" for w in who]
    rows = pd.concat(interim_pending(adsl, adrs, PLAN))
    expected = {
        ("stage_1", "confirmation_pending"): (1, 15),
        ("stage_1", "no_decline_yet"): (1, 15),
        ("total", "confirmation_pending"): (3, 20),
        ("total", "no_decline_yet"): (2, 20),
    }
    for (level, sublevel), (n, N) in expected.items():  # noqa: N806 - as in the ARD
        assert at(rows, level=level, sublevel=sublevel) == {"n": n, "N": N}, (level, sublevel)
    one_stage = read_plan(Path(__file__).parents[1] / "analysis" / "plan-caba-v7.yml").plan
    assert set(pd.concat(interim_pending(adsl, adrs, one_stage))["level"]) == {"total"}


@pytest.mark.worked("toxicity_oc")
def test_the_characteristics_of_a_boundary_of_three_patients_are_those_worked_by_hand():
    """Level 0.05 at a rate of 0.2: P(1 of 1) is 0.2, P(2 of 2) 0.04, P(2 of 3 or more) 0.104.

    So only 2 of the first 2 stop the trial: with the probability p^2, after 2 patients in place of 3.
    """
    rule = PLAN.toxicity_monitoring.model_copy(
        update={"patients": 3, "p0": 0.2, "alpha": 0.05, "shape": "pocock"}
    )
    rows = pd.concat(toxicity_oc(PLAN.model_copy(update={"toxicity_monitoring": rule})))
    rates = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
    assert set(rows["level"]) == {f"{rate:.2f}" for rate in rates}
    for rate in rates:
        assert at(rows, level=f"{rate:.2f}") == pytest.approx(
            {"p": rate, "probability_of_stopping": rate**2, "expected_n": 3 - rate**2}
        )
    assert toxicity_oc(PLAN.model_copy(update={"toxicity_monitoring": None})) == []


def test_the_boundary_for_toxicity_stops_as_often_as_the_plan_allows_and_more_with_the_rate():
    """At p0 at most alpha (the plan's 5 % at 20 %); the definition by enumeration is in test_monitoring."""
    rows = pd.concat(toxicity_oc(PLAN)).set_index(["level", "stat_name"])["stat"]
    levels = list(dict.fromkeys(level for level, _ in rows.index))
    assert "0.20" in levels
    stops = [rows[level, "probability_of_stopping"] for level in levels]
    subjects = [rows[level, "expected_n"] for level in levels]
    assert rows["0.20", "probability_of_stopping"] <= PLAN.toxicity_monitoring.alpha
    assert stops == sorted(stops)
    assert subjects == sorted(subjects, reverse=True)
    assert max(subjects) <= PLAN.toxicity_monitoring.patients


OTHERS = """
    USUBJID | NCYCLES | TRTSDT     | TRTEDT     | DCTREAS | DTHDT      | PSARESP | CASE | PSARESPU | THERAPY    | WHY
    --------+---------+------------+------------+---------+------------+---------+------+----------+------------+----
    11      | 0       | 2017-05-01 | 2017-06-20 |         |            | N       | 5    | N        |            |
    12      | 1       | 2017-05-01 | 2017-05-01 |         |            | N       | 4    | Y        |            | 5
    13      | 1       | 2017-05-01 | 2017-06-20 |         |            | N       | 5    | N        | 2017-06-22 | 6
    14      | 1       | 2017-01-01 | 2017-06-20 |         |            | N       | 5    | N        |            | 6
    15      | 1       | 2017-01-01 | 2017-05-01 | OTHER   |            | N       | 4    | Y        |            | 4
    16      | 1       | 2017-01-01 | 2017-06-20 |         | 2017-06-25 | N       | 4    | Y        |            | 3
    17      | 1       | 2017-01-01 | 2017-06-20 |         |            | NE      | 2    | NE       |            | 6
"""


def test_without_a_limit_and_without_a_stop_at_new_therapy_more_can_still_respond(patients):
    """11 is not treated. 12: treatment goes on although the last cycle is long ago. 13 and 14 are
    pending only by a rule without the stop and without the limit of the first decline."""
    subjects = patients(OTHERS)
    tables, adsl, adrs = tables_of(subjects)
    adsl["NCYCLES"] = subjects["NCYCLES"].astype(float)
    rule = PLAN.psa_response.model_copy(
        update={"stop_at_new_therapy": False, "first_fall_within_days": None}
    )
    found = pending(tables, adsl, adrs, rule, CUT).set_index("USUBJID")
    expected = subjects.dropna(subset=["WHY"]).set_index("USUBJID")["WHY"]
    assert found["CASE"].to_dict() == expected.to_dict()
    assert found["AVALC"].to_dict() == {
        who: "Y" if why in (5, 6) else "N" for who, why in expected.items()
    }
    planned = pending(tables, adsl, adrs, PLAN.psa_response, CUT).set_index("USUBJID")["CASE"]
    assert planned.to_dict() == expected.to_dict() | {"13": 3, "14": 7, "17": 7}
