"""Intercurrent events patient by patient, the sensitivity set, and inference by the design."""

import math

import numpy as np
import pandas as pd
import pytest
from tests.endpoints import ENDPOINTS, with_endpoint

from sap import ard
from sap.derivations.estimand import estimand
from sap.derivations.response import adpsa, adrs
from sap.plan import project_home, read_plan
from sap.plan.model import Plan
from sap.results import estimand as results

PLAN = read_plan(project_home() / "analysis" / "plan.yml").plan
START = pd.Timestamp("2018-01-01")

SUBJECTS = """
    USUBJID | DCTREAS       | STOP | THERAPY | DIED | ICETOX | ICETHER | ICEDTH | ICEMISS | ICEPEND | ICESTOP | WHY
    --------+---------------+------+---------+------+--------+---------+--------+---------+---------+---------+-----------------
    01      | ADVERSE EVENT | 50   |         |      | N      | N       | N      | N       | N       | N       | confirmed on day 49
    02      | ADVERSE EVENT | 30   |         |      | Y      | N       | N      | N       | N       | Y       | no response
    03      | COMPLETED     | 200  | 40      |      | N      | Y       | N      | N       | Y       | Y       | fall, then therapy
    04      | DEATH         | 60   |         | 60   | N      | N       | Y      | N       | N       | Y       | died, no response
    05      | COMPLETED     | 200  |         |      | N      | N       | N      | Y       | N       | Y       | no value
    06      | COMPLETED     | 200  |         |      | N      | N       | N      | N       | N       | Y       | fall not held
    07      | COMPLETED     | 50   | 71      |      | N      | Y       | N      | N       | N       | Y       | therapy on the last day that counts
    08      | COMPLETED     | 50   | 72      |      | N      | N       | N      | N       | N       | Y       | therapy a day after it
"""
VALUES = """
    USUBJID | DAY | PSA
    --------+-----+-----
    01      | 0   | 100
    01      | 21  | 40
    01      | 49  | 40
    02      | 0   | 100
    02      | 21  | 90
    03      | 0   | 100
    03      | 21  | 40
    03      | 60  | 40
    04      | 0   | 100
    04      | 21  | 90
    05      | 0   | 100
    06      | 0   | 100
    06      | 21  | 40
    06      | 60  | 80
    07      | 0   | 100
    07      | 21  | 90
    08      | 0   | 100
    08      | 21  | 90
"""


@pytest.fixture
def trial(patients):
    subjects, values = patients(SUBJECTS), patients(VALUES)
    adsl = pd.DataFrame(
        {
            "STUDYID": "T",
            "USUBJID": subjects["USUBJID"],
            "TRTSDT": START,
            "TRTEDT": START + pd.to_timedelta(subjects["STOP"].clip(upper=200), unit="D"),
            "DCTREAS": subjects["DCTREAS"],
            "DCTDT": START + pd.to_timedelta(subjects["STOP"], unit="D"),
            "DTHDT": START + pd.to_timedelta(subjects["DIED"].astype(float), unit="D"),
            "NCYCLES": 4.0, "RESCTRFL": "N", "PRIMFL": "Y", "MPOSFL": "Y", "PPROTFL": "Y", "PSAEVFL": "Y",
        }
    )  # fmt: skip
    day = START + pd.to_timedelta(values["DAY"], unit="D")
    lb = pd.DataFrame(
        {
            "USUBJID": values["USUBJID"], "LBSEQ": range(len(values)), "LBTESTCD": "PSA",
            "LBSTRESC": None, "LBSTRESN": values["PSA"], "LBLLOQ": np.nan,
            "LBDTC": day.dt.strftime("%Y-%m-%d"),
        }
    )  # fmt: skip
    ex = pd.DataFrame(
        {
            "USUBJID": subjects["USUBJID"],
            "EXTRT": "CABAZITAXEL",
            "EXCAT": "STUDY TREATMENT",
            "EXSTDTC": "2018-01-01",
        }
    )
    began = subjects[subjects["THERAPY"].notna()]
    cm = pd.DataFrame(
        {
            "USUBJID": began["USUBJID"],
            "CMCAT": "SUBSEQUENT ANTICANCER THERAPY",
            "CMSTDTC": (START + pd.to_timedelta(began["THERAPY"].astype(float), unit="D")).dt.strftime("%Y-%m-%d"),
        }
    )  # fmt: skip
    tables = {"lb": lb, "ex": ex, "cm": cm}
    course = adpsa(tables, adsl, PLAN.psa_response)
    answers = adrs(adsl, course, PLAN.psa_response, PLAN.psa_course)
    whole = pd.concat([answers, estimand(tables, adsl, course, answers, PLAN.psa_response)])
    return subjects, adsl, course, whole


@pytest.mark.req("SAP-5.1.1")
def test_each_subject_has_the_events_written_beside_him(trial):
    subjects, _, _, whole = trial
    wide = whole.pivot_table(index="USUBJID", columns="PARAMCD", values="AVALC", aggfunc="first")
    expected = subjects.set_index("USUBJID")[list(results.ICE)]
    assert wide[list(results.ICE)].to_dict("index") == expected.to_dict("index")


def test_treatment_policy_counts_values_under_new_therapy(trial):
    _, _, _, whole = trial
    policy = whole[whole["PARAMCD"] == "PSARSPTP"].set_index("USUBJID")["AVALC"]
    assert policy["03"] == "Y"


def test_best_case_lets_the_missing_and_pending_respond(trial):
    _, adsl, course, whole = trial
    rows = ard.bind(results.sensitivity(adsl, course, whole, PLAN))
    n = rows[rows["stat_name"] == "n"].set_index("level")["stat"]
    assert n["primary"] == 1
    assert n["best_case"] == 3  # 01, and 03 pending, 05 missing
    assert n["worst_case"] == n["primary"]


def test_without_the_limit_a_late_first_fall_is_a_response(trial):
    """The only fall of 01 that is confirmed is on day 21: beyond a limit of 10 days, not of 84."""
    _, adsl, course, whole = trial
    rule = PLAN.psa_response.model_copy(update={"first_fall_within_days": 10})
    plan = PLAN.model_copy(update={"psa_response": rule})
    others = whole[~whole["PARAMCD"].isin(("PSARESP", "PSARSPAT"))]
    answers = adrs(adsl, course, rule, plan.psa_course)
    late = pd.concat([others, answers[answers["PARAMCD"].isin(("PSARESP", "PSARSPAT"))]])
    rows = ard.bind(results.sensitivity(adsl, course, late, plan))
    n = rows[rows["stat_name"] == "n"].set_index("level")["stat"]
    assert n["primary"] == 0
    assert n["first_decline_any_time"] == 1
    none = PLAN.psa_response.model_copy(update={"first_fall_within_days": None})
    plan = PLAN.model_copy(update={"psa_response": none})
    rows = ard.bind(results.sensitivity(adsl, course, whole, plan))
    assert "first_decline_any_time" not in set(rows["level"])


def inference(
    yes: list[bool],
    pending: list[bool] | None = None,
    confirmed_after: int = 60,
    plan: Plan = PLAN,
) -> dict[str, object]:
    """The rows of `two_stage` for patients treated in this order; `pending`: an answer can still come."""
    who = [f"{i:03d}" for i in range(len(yes))]
    adsl = pd.DataFrame(
        {"USUBJID": who, "PRIMFL": "Y", "TRTSDT": pd.date_range("2018-01-01", periods=len(yes))}
    )
    answers = pd.DataFrame(
        {
            "USUBJID": who,
            "PARAMCD": "PSARESP",
            "AVALC": ["Y" if y else "N" for y in yes],
            "CONFDT": adsl["TRTSDT"] + pd.Timedelta(days=confirmed_after),
        }
    )
    waits = ["Y" if wait else "N" for wait in pending or [False] * len(yes)]
    answers = pd.concat([answers, answers.assign(PARAMCD="PSAPEND", AVALC=waits)])
    rows = results.two_stage(adsl, answers, plan)[0]
    return {
        r.stat_name: r.stat_text if r.stat_text else r.stat for r in rows.itertuples(index=False)
    }


def test_the_planned_end_has_the_published_kind_of_inference():
    """Simon minimax 1/15, 5/25: 6 of 25 rejects; MLE 6/25; the interval excludes p0 one-sided."""
    got = inference([True] * 3 + [False] * 12 + [True] * 3 + [False] * 7)
    assert got["decision"] == "H0 rejected"
    assert got["mle"] == pytest.approx(0.24)
    assert got["stopped_at"] == 2
    assert got["p_value"] < 0.05
    assert got["coverage"] >= 0.95


@pytest.mark.parametrize(
    "yes",
    [[True] + [False] * 14, [True] * 2 + [False] * 23],
)
def test_at_the_edge_of_a_stage_the_estimate_given_the_stage_is_not_estimable(yes):
    """1 of 15 is the most that stops, 2 of 25 the fewest that ends: no rate is the likeliest there."""
    got = inference(yes)
    assert got["conditional_mle"] == "the likelihood given the stage reached has no maximum"
    assert got["mle"] == pytest.approx(sum(yes) / len(yes))


def test_no_line_of_the_forest_has_a_p_value_or_a_decision(trial):
    _, adsl, course, whole = trial
    rows = ard.bind(results.sensitivity(adsl, course, whole, PLAN))
    assert not {"p_value", "decision"} & set(rows["stat_name"])
    assert len(set(rows["level"])) == 9


def test_futility_at_stage_1():
    got = inference([True] + [False] * 14)
    assert (got["stopped_at"], got["decision"]) == (1, "H0 not rejected")
    assert got["mle"] == pytest.approx(1 / 15)


@pytest.mark.parametrize("after, known", [(15, 1), (13, 2), (12, 3), (1, 3)])
def test_what_was_known_when_stage_2_began_is_told(after, known):
    """One patient a day from 2018-01-01 on: patient 15 on the 15th, patient 16 on the 16th.

    Patients 1, 3 and 4 respond, so with a confirmation after 13 days those of patients 1 and 3 are known on
    the 16th (on the 14th and on the 16th itself), after 12 days that of patient 4 as well.
    """
    yes = [True, False, True, True] + [False] * 21
    got = inference(yes, confirmed_after=after)
    assert (got["stage1_full"], got["stage2_began"]) == ("2018-01-15", "2018-01-16")
    assert got["responders_by_then"] == known
    assert "stage2_began" not in inference(yes[:15])


def test_pending_subjects_who_could_lift_stage_1_leave_it_undecided():
    pending = [False] * 14 + [True]
    got = inference([True] + [False] * 14, pending)
    assert got["decision"] == "Stage 1 is not decided: patients are pending"
    assert got["mle"] == "stage 1 is not decided: patients are pending"
    # none of 15 responded: one pending patient more is 1, which stops all the same
    assert inference([False] * 15, pending)["decision"] == "H0 not rejected"


def test_subjects_treated_after_the_stop_are_over_running():
    got = inference([True] + [False] * 14 + [True] * 2)
    assert "over-running" in got["decision"]
    assert got["mle"] == pytest.approx(1 / 15)


@pytest.mark.parametrize("n, stage", [(10, 1), (20, 2)])
def test_an_incomplete_stage_estimates_nothing(n, stage):
    got = inference([True] * 3 + [False] * (n - 3))
    assert got["decision"] == f"Stage {stage} is not complete"
    assert got["umvue"] == f"stage {stage} is not complete"
    assert (got["n1_attained"], got["N"], got["n"]) == (min(n, 15), n, 3)
    names = ("mle", "umvue", "median_unbiased", "bias_adjusted", "conditional_mle", "p_value",
             "mid_p_value", "conf_low", "conf_high")  # fmt: skip
    assert {got[name] for name in names} == {f"stage {stage} is not complete"}
    assert not {"coverage", "stopped_at"} & set(got)


def test_over_running_after_a_stop_without_a_response_has_the_estimate_of_stage_1():
    """0 of 15, then 2 of 2: given the stop, the rate 0 is the likeliest, although 2 of 17 responded."""
    got = inference([False] * 15 + [True] * 2)
    assert (got["n"], got["stopped_at"]) == (2, 1)
    assert got["conditional_mle"] == pytest.approx(0, abs=1e-6)
    assert got["decision"].startswith("H0 not rejected: ")


def test_a_design_with_one_stage_has_no_inference_of_two(ards):
    """CABA-V7 has one stage; the other results of the estimand are made for both."""
    single = read_plan(project_home() / "analysis" / "plan-caba-v7.yml").plan
    adsl, adpsa, adrs = ards
    adrs = adrs.assign(CONFDT=START)
    everything = {
        "psa_estimand", "intercurrent_events", "tipping_point", "psa_posterior", "psa_two_stage",
    }  # fmt: skip
    for plan, made in ((PLAN, everything), (single, everything - {"psa_two_stage"})):
        rows = ard.bind(results.rows(adsl=adsl, adpsa=adpsa, adrs=adrs, plan=plan))
        assert set(rows["analysis"]) == made
    assert results.two_stage(adsl, adrs, single) == []


def test_more_subjects_than_planned_are_analysed_with_the_attained_number():
    got = inference([True] * 3 + [False] * 12 + [True] * 3 + [False] * 9)
    assert got["N"] == 27
    assert got["mle"] == pytest.approx(6 / 27)


# Rows of the ARD. 06 is marker positive and was not treated, 07 responded after re-screening: neither
# is a responder of the first screening. The baseline limit of the plan is 20.
ROWS = """
    USUBJID | PRIMFL | PSAEVFL | PPROTFL | MPOSFL | RESCTRFL | BASE | PSARESP | PSARSPTP | PSARSPAT | ICETOX | ICETHER | ICEDTH | ICEMISS | ICEPEND | DCTREAS       | ICESTOP
    --------+--------+---------+---------+--------+----------+------+---------+----------+----------+--------+---------+--------+---------+---------+---------------+--------
    01      | Y      | Y       | Y       | Y      | N        | 20   | Y       | Y        | Y        | Y      | N       | N      | N       | N       | ADVERSE EVENT | Y
    02      | Y      | Y       | N       | Y      | N        | 19.9 | Y       | Y        | Y        | Y      | N       | N      | N       | N       | ADVERSE EVENT | N
    03      | Y      | Y       | Y       | Y      | N        | 100  | N       | Y        | N        | Y      | Y       | N      | N       | N       | ADVERSE EVENT | Y
    04      | Y      | Y       | N       | Y      | N        | 50   | N       | N        | Y        | N      | Y       | N      | N       | Y       | COMPLETED     | Y
    05      | Y      | N       | N       | Y      | N        |      | NE      | NE       | NE       | N      | N       | N      | Y       | N       |               | N
    06      | N      | N       | N       | Y      | N        | 80   |         |          |          |        |         |        |         |         |               |
    07      | N      | N       | N       | Y      | Y        | 80   | Y       | Y        | Y        | N      | N       | N      | N       | N       | DEATH         | N
"""
CODES = (
    "PSARESP", "PSARSPTP", "PSARSPAT", "ICETOX", "ICETHER", "ICEDTH", "ICEMISS", "ICEPEND", "ICESTOP",
)  # fmt: skip


@pytest.fixture
def ards(patients):
    """ADSL, ADPSA and ADRS of ROWS."""
    table = patients(ROWS)
    flags = [name for name in table if name.endswith("FL")]
    adsl = table[["USUBJID", "DCTREAS", *flags]].assign(TRTSDT=START, NCYCLES=4.0)
    base = table[table["BASE"].notna()]
    adpsa = pd.DataFrame(
        {"USUBJID": base["USUBJID"], "ABLFL": "Y", "AVAL": base["BASE"].astype(float)}
    )
    adrs = pd.concat(
        table[["USUBJID"]].assign(PARAMCD=name, AVALC=table[name])[table[name].notna()]
        for name in CODES
    )
    return adsl, adpsa, adrs


def at(rows: pd.DataFrame, **where: str) -> dict[str, float | str]:
    """The statistics at one place of the ARD."""
    for name, value in where.items():
        rows = rows[rows[name] == value]
    assert not rows["stat_name"].duplicated().any()
    return {row.stat_name: row.stat_text or row.stat for row in rows.itertuples()}


@pytest.mark.worked("psa_estimand")
def test_each_sensitivity_analysis_has_the_numbers_worked_by_hand(ards):
    """n, N and the limits of R's binom.test."""
    rows = ard.bind(results.sensitivity(*ards, PLAN))
    expected = {
        "primary": (2, 5, 0.05274495, 0.85336720),  # 01, 02
        "treatment_policy": (3, 5, 0.14663280, 0.94725505),  # 03 as well
        "psa_evaluable": (2, 4, 0.06758599, 0.93241401),
        "per_protocol": (1, 2, 0.01257912, 0.98742088),  # 01 of 01 and 03
        "all_marker_positive": (2, 7, 0.03669257, 0.70957914),  # not 07, who was re-screened
        "baseline_psa_minimum": (1, 3, 0.00840376, 0.90570068),  # 01 of 01, 03, 04: 20 is enough
        "worst_case": (2, 5, 0.05274495, 0.85336720),
        "best_case": (4, 5, 0.28358210, 0.99494922),  # 04 pending, 05 missing
        "first_decline_any_time": (3, 5, 0.14663280, 0.94725505),  # 04 as well
    }
    assert set(rows["level"]) == set(expected)
    for level, (n, N, low, high) in expected.items():  # noqa: N806 - as in the ARD
        statistics = {"n": n, "N": N, "estimate": n / N, "conf_level": 0.95}
        statistics |= {"conf_low": low, "conf_high": high}
        assert at(rows, level=level) == pytest.approx(statistics), level
    without = ards[0].drop(columns="PPROTFL")  # deviations were not collected
    rows = ard.bind(results.sensitivity(without, *ards[1:], PLAN))
    assert set(rows["level"]) == set(expected) - {"per_protocol"}


@pytest.mark.worked("intercurrent_events")
def test_intercurrent_events_have_the_numbers_worked_by_hand(ards):
    adsl, _, adrs = ards
    rows = ard.bind(results.intercurrent(adsl, adrs, PLAN))
    n = {"ICETOX": 3, "ICETHER": 2, "ICEDTH": 0, "ICEMISS": 1, "ICEPEND": 1}
    for name, events in n.items():
        assert at(rows, paramcd=name) == {"n": events, "N": 5, "estimate": events / 5}, name
    # ended without a response by then: 01 and 03 for toxicity, 04 as planned; 07 is in no primary set
    reasons = {"": 3, "ADVERSE EVENT": 2, "COMPLETED": 1, "DEATH": 0}
    for reason, events in reasons.items():
        assert at(rows, paramcd="ICESTOP", level=reason)["n"] == events, reason
    rows = ard.bind(results.intercurrent(adsl.assign(PRIMFL="N"), adrs, PLAN))
    assert at(rows, paramcd="ICETOX") == {
        "n": 0, "N": 0, "estimate": "no patient in this population",
    }  # fmt: skip


def tipping(
    responders: int, missing: int, n: int = 25, plan: Plan = PLAN
) -> dict[str, float | str]:
    """The rows of `tipping_point`: responders first, then the missing."""
    who = [f"{i:03d}" for i in range(n)]
    adsl = pd.DataFrame({"USUBJID": who, "PRIMFL": "Y"})
    codes = ["Y"] * responders + ["NE"] * missing
    codes += ["N"] * (n - len(codes))
    adrs = pd.DataFrame({"USUBJID": who, "PARAMCD": "PSARESP", "AVALC": codes})
    is_missing = ["Y" if code == "NE" else "N" for code in codes]
    missing_rows = adrs.assign(PARAMCD="ICEMISS", AVALC=is_missing)
    return at(results.tipping(adsl, pd.concat([adrs, missing_rows]), plan)[0])


@pytest.mark.worked("tipping_point")
@pytest.mark.parametrize(
    "responders, missing, needed, changes",
    [
        (4, 3, 2, True),  # more than 5 of 25 reject H0
        (4, 2, 2, True),
        (4, 1, 2, False),
        (5, 1, 1, True),  # the one missing patient decides
        (6, 3, 0, False),
    ],
)
def test_the_tipping_point_has_the_numbers_worked_by_hand(responders, missing, needed, changes):
    conclusion = (
        f"The patients without a response result can{'' if changes else 'not'} change the decision"
    )
    assert tipping(responders, missing) == pytest.approx(
        {"n": responders, "N": 25, "n_missing": missing, "responders_needed": needed,
         "rate_needed": needed / missing, "decision": conclusion}
    )  # fmt: skip


def test_the_tipping_point_is_not_estimable_without_missing_patients_or_with_another_number():
    assert tipping(4, 0)["rate_needed"] == "no patient is missing"
    other = tipping(4, 3, n=24)
    reason = "the attained number of patients is not the planned one"
    assert (other["n"], other["N"], other["n_missing"]) == (4, 24, 3)
    assert (other["responders_needed"], other["rate_needed"]) == (reason, reason)
    assert "decision" not in other


def test_the_tipping_point_of_a_single_stage_is_one_more_than_its_boundary():
    """CABA-V7: H0 is rejected with more than r of 25."""
    plan = read_plan(project_home() / "analysis" / "plan-caba-v7.yml").plan
    assert (plan.design.kind, plan.design.n) == ("single-stage", 25)
    r = plan.design.r
    assert tipping(r - 1, 3, plan=plan)["responders_needed"] == 2
    assert tipping(r + 1, 3, plan=plan)["responders_needed"] == 0
    assert tipping(r + 2, 3, plan=plan)["responders_needed"] == 0


@pytest.mark.worked("psa_posterior")
def test_the_posterior_has_the_numbers_worked_by_hand():
    """Prior Beta(1, 1), 3 of 25: Beta(4, 23). Mean 4/27, variance 4 x 23 / (27^2 x 28).

    P(rate > x) is the binomial probability of at most 3 of 26 at the rate x.
    """
    flat = PLAN.estimand.model_copy(update={"prior": (1.0, 1.0)})
    plan = PLAN.model_copy(update={"estimand": flat})
    who = [f"{i:03d}" for i in range(25)]
    adsl = pd.DataFrame({"USUBJID": who, "PRIMFL": "Y"})
    adrs = pd.DataFrame({"USUBJID": who, "PARAMCD": "PSARESP", "AVALC": ["Y"] * 3 + ["N"] * 22})
    got = at(results.posterior(adsl, adrs, plan)[0])

    def above(rate: float) -> float:
        return sum(math.comb(26, x) * rate**x * (1 - rate) ** (26 - x) for x in range(4))

    assert (got["prior_a"], got["prior_b"], got["conf_level"]) == (1, 1, 0.95)
    assert got["mean"] == pytest.approx(4 / 27)
    assert got["sd"] == pytest.approx((4 * 23 / (27**2 * 28)) ** 0.5)
    assert above(got["median"]) == pytest.approx(0.5)
    assert above(got["conf_low"]) == pytest.approx(0.975)
    assert above(got["conf_high"]) == pytest.approx(0.025)
    assert got["probability_above_p0"] == pytest.approx(above(0.1))
    none = at(results.posterior(adsl.assign(PRIMFL="N"), adrs, plan)[0])
    assert none["mean"] == none["probability_above_p0"] == "no patient in this population"


@pytest.mark.worked(
    "objective_response_posterior", "clinical_benefit_posterior", "rate_at_posterior",
    "objective_response_two_stage", "clinical_benefit_two_stage", "rate_at_two_stage",
)  # fmt: skip
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_another_primary_endpoint_has_the_same_inference_under_its_own_name(endpoint):
    """The numbers of the two tests around: 3 of 25 with Beta(1, 1), mean 4/27; 2 of 3 after stage 1.

    With an unconfirmed endpoint the day of a response is that on which it was known.
    """
    plan = with_endpoint(PLAN, endpoint)
    flat = PLAN.estimand.model_copy(update={"prior": (1.0, 1.0)})
    who = [f"{i:03d}" for i in range(25)]
    adsl = pd.DataFrame({"USUBJID": who, "PRIMFL": "Y", "TRTSDT": pd.Timestamp("2018-01-01")})
    code = plan.primary_parameter
    adrs = pd.DataFrame({"USUBJID": who, "PARAMCD": code, "AVALC": ["Y"] * 3 + ["N"] * 22})
    rows = results.posterior(adsl, adrs, plan.model_copy(update={"estimand": flat}))[0]
    assert set(rows["analysis"] + " " + rows["paramcd"]) == {f"{endpoint}_posterior {code}"}
    assert at(rows)["mean"] == pytest.approx(4 / 27)

    design = PLAN.design.model_copy(update={"r1": 0, "n1": 2, "r": 1, "n": 3})
    days = pd.to_datetime(["2018-01-01", "2018-01-02", "2018-01-03"])
    three = pd.DataFrame({"USUBJID": who[:3], "PRIMFL": "Y", "TRTSDT": days})
    answers = pd.DataFrame(
        {
            "USUBJID": who[:3], "PARAMCD": code, "AVALC": ["Y", "N", "Y"], "CONFDT": pd.NaT,
            "ADT": pd.to_datetime(["2018-01-03", None, "2018-02-01"]),
        }
    )  # fmt: skip
    rows = results.two_stage(three, answers, plan.model_copy(update={"design": design}))[0]
    assert set(rows["analysis"] + " " + rows["paramcd"]) == {f"{endpoint}_two_stage {code}"}
    got = at(rows)
    assert (got["n"], got["N"], got["responders_stage1"]) == (2, 3, 1)
    assert (got["responders_by_then"], got["decision"]) == (1, "H0 rejected")
    assert got["mle"] == pytest.approx(2 / 3)
    assert got["p_value"] == pytest.approx(0.028)


@pytest.mark.worked("psa_two_stage")
def test_two_stage_inference_has_the_numbers_worked_by_hand():
    """Two patients, stop without a response; then a third: H0 (0.1) is rejected with 2 of 3 or more.

    Seen: Y, N, then Y. With q = 1 - p: P(0) = q^2 (stop), P(1) = 2pq^2, P(2) = 2p^2q + p^2q, P(3) = p^3.
    UMVUE: of the 2 + 1 ways to 2 responders, 2 have one of two in stage 1 and 1 has both.
    Conditional: 3p^2q / (1 - q^2) is largest at 2 - sqrt(2).
    """
    design = PLAN.design.model_copy(update={"r1": 0, "n1": 2, "r": 1, "n": 3})
    plan = PLAN.model_copy(update={"design": design})
    got = inference([True, False, True], plan=plan, confirmed_after=1)

    def at_least_two(p: float) -> float:
        return 3 * p**2 * (1 - p) + p**3

    fixed = {
        "n": 2, "N": 3, "responders_stage1": 1, "n1_attained": 2, "conf_level": 0.95,
        "stage1_full": "2018-01-02", "stage2_began": "2018-01-03", "responders_by_then": 1,
        "stopped_at": 2, "decision": "H0 rejected", "mle": 2 / 3, "umvue": 2 / 3,
        "median_unbiased": 0.5, "conditional_mle": 2 - 2**0.5, "p_value": 0.028,
        "mid_p_value": 0.028 - 0.027 / 2, "conf_high": 0.975 ** (1 / 3),
    }  # fmt: skip
    assert {name: got[name] for name in fixed} == pytest.approx(fixed)
    assert at_least_two(got["conf_low"]) == pytest.approx(0.025)
    # E(X / patients) = p (2/3 + 2p/3 - p^2/3), which is 2/3 at the bias-adjusted estimate
    p = got["bias_adjusted"]
    assert p * (2 + 2 * p - p**2) / 3 == pytest.approx(2 / 3)
    # limits of 0, 1, 2 and 3 responders by the same sums; the smallest coverage over p = 0.001 ... 0.999
    low, high = got["conf_low"], got["conf_high"]
    limits = [(0, 1 - 0.025**0.5), (1 - 0.975**0.5, 1 - low), (low, high), (0.025 ** (1 / 3), 1)]

    def covered(p: float) -> float:
        q = 1 - p
        chances = (q**2, 2 * p * q**2, 3 * p**2 * q, p**3)
        return sum(c for c, (a, b) in zip(chances, limits, strict=True) if a <= p <= b)

    assert got["coverage"] == pytest.approx(min(covered(i / 1000) for i in range(1, 1000)))
    assert set(got) == {*fixed, "conf_low", "bias_adjusted", "coverage"}


# Days from the first dose; L is the last infusion and 21 days. DECLINE: the first decline; COUNTED: the
# last value that counts. A confirming value is at least 28 days after the decline.
BOUNDARIES = """
    USUBJID | NCYCLES | DCTREAS       | STOP | LAST | DIED | THERAPY | AVALC | CONF | DECLINE | COUNTED | EVENTS
    --------+---------+---------------+------+------+------+---------+-------+------+---------+---------+--------------
    01      | 1       | ADVERSE EVENT | 50   | 50   |      |         | Y     | 50   | 21      | 50      |
    02      | 1       | ADVERSE EVENT | 50   | 50   |      |         | Y     | 51   | 21      | 51      | TOX STOP
    03      | 1       | COMPLETED     | 50   | 50   |      | 60      | Y     | 60   | 21      | 60      | THER STOP
    04      | 1       | COMPLETED     | 50   | 50   |      | 60      | Y     | 59   | 21      | 59      | STOP
    05      | 1       | COMPLETED     | 50   | 50   |      | 71      | N     |      |         | 50      | THER STOP
    06      | 1       | COMPLETED     | 50   | 50   |      | 72      | N     |      |         | 50      | STOP
    07      | 1       | DEATH         | 50   | 50   | 71   |         | N     |      |         | 50      | DTH STOP
    08      | 1       | DEATH         | 50   | 50   | 72   |         | N     |      |         | 50      | STOP
    09      | 1       | DEATH         | 50   | 50   | 60   |         | Y     | 50   | 21      | 50      |
    10      | 1       | COMPLETED     | 90   | 90   |      |         | N     |      | 21      | 49      | STOP
    11      | 1       | COMPLETED     | 90   | 90   |      |         | N     |      | 21      | 48      | PEND STOP
    12      | 1       | COMPLETED     | 90   | 90   |      |         | N     |      |         | 21      | STOP
    13      | 1       | COMPLETED     | 90   | 90   |      |         | NE    |      |         |         | MISS STOP
    14      | 0       | COMPLETED     | 90   | 90   |      |         | NE    |      |         |         |
    15      | 1       | COMPLETED     | 90   | 90   |      |         | N     |      | 21      | 21      | PEND STOP
"""


def events_of(patients, **rule: object) -> dict[str, str]:
    """By treated subject the events that are Y, from the days of BOUNDARIES."""
    subjects = patients(BOUNDARIES)

    def dates(name: str) -> pd.Series:
        return START + pd.to_timedelta(subjects[name].astype(float), unit="D")

    adsl = pd.DataFrame(
        {
            "STUDYID": "T", "USUBJID": subjects["USUBJID"], "NCYCLES": subjects["NCYCLES"],
            "TRTSDT": START, "TRTEDT": dates("LAST"), "DCTREAS": subjects["DCTREAS"],
            "DCTDT": dates("STOP"), "DTHDT": dates("DIED"),
        }
    )  # fmt: skip
    who = subjects[["USUBJID"]]
    response = who.assign(PARAMCD="PSARESP", AVALC=subjects["AVALC"], CONFDT=dates("CONF"))
    decline = who.assign(PARAMCD="PSARESPU", AVALC="Y", ADT=dates("DECLINE"))
    counted = who.assign(ADT=dates("COUNTED"), ANL01FL="Y")
    counted = pd.concat(
        [
            counted[counted["ADT"].notna()],
            counted[counted["ADT"].notna()].assign(ADT=START + pd.Timedelta(days=7)),
            who.assign(
                ADT=START + pd.Timedelta(days=300), ANL01FL=""
            ),  # a value that does not count
        ]
    )
    cm = pd.DataFrame(
        {
            "USUBJID": subjects["USUBJID"], "CMCAT": "SUBSEQUENT ANTICANCER THERAPY",
            "CMSTDTC": [None if pd.isna(d) else f"{d:%Y-%m-%d}" for d in dates("THERAPY")],
        }
    )  # fmt: skip
    lb = pd.DataFrame(
        {
            "USUBJID": ["01", "01"], "LBSEQ": [1.0, 2.0], "LBTESTCD": "PSA", "LBSTRESC": None,
            "LBSTRESN": [100.0, 40.0], "LBLLOQ": np.nan, "LBDTC": ["2018-01-01", "2018-01-22"],
        }
    )  # fmt: skip
    changed = PLAN.psa_response.model_copy(update=rule)
    both = pd.concat([response, decline])
    found = estimand({"cm": cm, "lb": lb}, adsl, counted, both, changed)
    assert found.index.tolist() == list(range(len(found)))
    events = found[found["PARAMCD"] != "PSARSPTP"]
    names = ("ICETOX", "ICETHER", "ICEDTH", "ICEMISS", "ICEPEND", "ICESTOP")
    assert events.groupby("PARAMCD")["CASE"].unique().map(list).to_dict() == {
        name: [case] for case, name in enumerate(names, start=1)
    }
    yes = events[events["AVALC"] == "Y"].groupby("USUBJID")["PARAMCD"].agg(" ".join)
    return {w: yes.get(w, "").replace("ICE", "") for w in sorted(set(events["USUBJID"]))}


@pytest.mark.req("SAP-5.1.1")
def test_events_on_the_first_and_the_last_day_that_counts(patients):
    expected = patients(BOUNDARIES).fillna({"EVENTS": ""}).set_index("USUBJID")["EVENTS"]
    treated = expected.drop("14").to_dict()
    assert events_of(patients) == treated
    # 48 is 27 days after the decline: far enough with a tolerance of one day
    assert events_of(patients, confirm_tolerance_days=1) == treated | {"11": "STOP"}
    # a confirming value is never the decline itself
    same = events_of(patients, confirm_after_days=1, confirm_tolerance_days=1)
    assert same == treated | {"11": "STOP"}
