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
from sap.results.interim import Cut, interim, state

PLAN = read_plan(Path(__file__).parents[1] / "analysis" / "plan.yml").plan
REASON_NO_PATIENT = Stage(0, 0, 0)

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
    assert predictive_power(REASON_NO_PATIENT, second, -1, r, (0.5, 0.5)) == pytest.approx(
        betabinom.sf(r - x, left, 0.5 + x, 0.5 + known - x), abs=1e-9
    )
    assert conditional_power(REASON_NO_PATIENT, second, -1, r, 0.3) == pytest.approx(
        binom.sf(r - x, left, 0.3), abs=1e-12
    )


def test_predictive_power_is_that_of_lee_and_liu_2008():
    """Their example: 16 of 23, 40 in all, p0 = 0.6, prior (0.6, 0.4): 28 of 40 convince at 0.9."""
    mine = predictive_power(REASON_NO_PATIENT, Stage(16, 23, 40), -1, 27, (0.6, 0.4))
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


def test_stage_one_is_the_first_fifteen_subjects_by_first_dose():
    rows = rows_of(17, responders=[1, 16], waiting=[15, 17])
    assert [stat(rows, "stage_1", name) for name in ("n", "N", "n_missing")] == [1, 15, 1]
    assert [stat(rows, "total", name) for name in ("n", "N", "n_missing")] == [2, 17, 2]
    assert [stat(rows, "stage_1", f"responders_{end}") for end in ("low", "high")] == [1, 2]
    words = rows[rows["level"] == "stage_1"].set_index("stat_name")["stat_text"]
    assert words[["decision", "decision_low", "decision_high"]].tolist() == [OPEN, STOP, CONTINUE]


def test_the_outlook_bounds_what_the_pending_subjects_can_do():
    """25 patients, r = 5: with 5 sure responders and 1 pending patient everything hangs on him."""
    rows = rows_of(25, responders=[1, 2, 3, 4, 5], waiting=[25])
    views = (
        "none_respond",
        "not_observed",
        "all_respond",
    )
    power = [stat(rows, view, "conditional_power_p1") for view in views]
    assert power == pytest.approx([0.0, PLAN.design.p1, 1.0])
    # prior beta(0.5, 0.5), 5 of 24 known: mean of beta(5.5, 19.5) is 5.5 / 25
    assert stat(rows, views[1], "predictive_power") == pytest.approx(5.5 / 25)
    assert stat(rows, views[1], "conditional_power_seen") == pytest.approx(5 / 24)


def test_more_subjects_than_planned_have_no_outlook_and_say_why():
    rows = rows_of(26, responders=[1, 2, 3], waiting=[])
    view = rows[rows["level"] == "none_respond"].set_index("stat_name")
    assert pd.isna(view.loc["predictive_power", "stat"])
    assert "more patients than planned" in view.loc["predictive_power", "stat_text"]


def test_nobody_treated_yet_is_not_decided_and_has_the_power_of_the_design():
    rows = rows_of(0, [], [])
    words = rows[rows["level"] == "stage_1"].set_index("stat_name")["stat_text"]
    assert words["decision"] == OPEN
    d = PLAN.design
    design = TwoStageDesign(d.r1, d.n1, d.r, d.n)
    power = stat(rows, "none_respond", "conditional_power_p1")
    assert power == pytest.approx(float(design.probability_of_rejection(d.p1)))


def test_a_design_with_one_stage_has_no_rule_before_its_end():
    plan = read_plan(Path(__file__).parents[1] / "analysis" / "plan-caba-v7.yml").plan
    assert plan.design.kind == "single-stage"
    rows = rows_of(3, [1], [], plan)
    assert "stage_1" not in set(rows["level"])
    assert stat(rows, "total", "n") == 1


def test_pending_subjects_wait_for_a_confirmation_or_for_a_first_fall():
    """20 patients, stage 1 the first 15: 14 and 16 have a fall, 15 and 20 none yet, 3 is no longer asked."""
    from sap.results.interim import interim_pending

    who = [f"{i:02d}" for i in range(1, 21)]
    adsl = pd.DataFrame(
        {"USUBJID": who, "PRIMFL": "Y", "TRTSDT": pd.date_range("2017-01-01", periods=20)}
    )
    case = {"14": 5, "16": 5, "15": 6, "20": 6, "03": 7}
    adrs = pd.DataFrame(
        {"USUBJID": who, "PARAMCD": "PSAPEND", "CASE": [case.get(w, 4) for w in who]}
    )
    adrs["AVALC"] = ["Y" if case.get(w) in (5, 6) else "N" for w in who]
    rows = pd.concat(interim_pending(adsl, adrs, PLAN))
    n = rows[rows["stat_name"] == "n"].set_index(["level", "sublevel"])["stat"]
    falls, none = "confirmation_pending", "no_decline_yet"
    assert (n["stage_1", falls], n["stage_1", none]) == (1, 1)
    assert (n["total", falls], n["total", none]) == (2, 2)


def test_the_boundary_for_toxicity_stops_as_often_as_the_plan_allows_and_more_with_the_rate():
    """At p0 at most alpha (the plan's 5 % at 20 %); the definition by enumeration is in test_monitoring."""
    from sap.results.interim import toxicity_oc

    rows = pd.concat(toxicity_oc(PLAN)).set_index(["level", "stat_name"])["stat"]
    levels = list(dict.fromkeys(level for level, _ in rows.index))
    assert "0.20" in levels
    stops = [rows[level, "probability_of_stopping"] for level in levels]
    subjects = [rows[level, "expected_n"] for level in levels]
    assert rows["0.20", "probability_of_stopping"] <= PLAN.toxicity_monitoring.alpha
    assert stops == sorted(stops)
    assert subjects == sorted(subjects, reverse=True)
    assert max(subjects) <= PLAN.toxicity_monitoring.patients
