"""Objective response, clinical benefit and the rate at a landmark: patients decided by hand."""

import datetime as dt
from pathlib import Path

import pandas as pd
import pytest
from tests.endpoints import RECIST, with_endpoint

from sap.derivations.primary import (
    benefit,
    best,
    objective_responses,
    pending_landmark,
    pending_response,
    rate_at,
    readings,
    readings_of_plan,
    response,
)
from sap.derivations.standard import standard
from sap.pipeline import commands
from sap.plan import Plan, read_plan
from sap.plan.model import ObjectiveResponse
from sap.results import primary as results
from sap.results import tumour
from sap.results.dsmb import response_days

PLAN = read_plan(Path(__file__).parents[1] / "analysis" / "plan.yml").plan
START = pd.Timestamp("2020-01-01")
NON = "NON-CR/NON-PD"


def recist(**changes: object) -> ObjectiveResponse:
    return ObjectiveResponse.model_validate(RECIST | changes)


def with_recist(endpoint: str = "objective_response", **changes: object) -> Plan:
    return with_endpoint(PLAN, endpoint, **changes)


# Days from the first dose and readings; by hand from RECIST 1.1 (Eisenhauer 2009, table 3 and its
# note a): confirmed response, unconfirmed, benefit at 42 days, best response without and with it.
BY_HAND = {
    "two PR": ([(42, "PR"), (84, "PR")], "Y", "Y", "Y", "PR", "PR"),
    "27 days": ([(42, "PR"), (69, "PR")], "N", "Y", "Y", "PR", "SD"),
    "28 days": ([(42, "PR"), (70, "PR")], "Y", "Y", "Y", "PR", "PR"),
    "PD between": ([(42, "PR"), (56, "PD"), (84, "PR")], "N", "Y", "Y", "PR", "SD"),
    "NE between": ([(42, "PR"), (70, "NE"), (98, "PR")], "Y", "Y", "Y", "PR", "PR"),
    "SD between": ([(42, "PR"), (70, "SD"), (98, "PR")], "Y", "Y", "Y", "PR", "PR"),
    "two CR": ([(42, "CR"), (84, "CR")], "Y", "Y", "Y", "CR", "CR"),
    "CR, NE, CR": ([(42, "CR"), (70, "NE"), (98, "CR")], "Y", "Y", "Y", "CR", "CR"),
    "PR after CR": ([(42, "CR"), (84, "PR")], "N", "Y", "Y", "CR", "SD"),
    "SD after CR": ([(42, "CR"), (70, "SD"), (98, "CR")], "N", "Y", "Y", "CR", "SD"),
    "CR after PR": ([(42, "PR"), (84, "CR")], "Y", "Y", "Y", "CR", "PR"),
    "early CR, PR": ([(28, "CR"), (56, "PR")], "N", "Y", "N", "CR", "PD"),
    "one CR": ([(42, "CR")], "N", "Y", "Y", "CR", "SD"),
    "SD at 42": ([(42, "SD")], "N", "N", "Y", "SD", "SD"),
    "SD at 41": ([(41, "SD")], "N", "N", "N", "NE", "NE"),
    "early SD, PD": ([(41, "SD"), (84, "PD")], "N", "N", "N", "PD", "PD"),
    "late PR after PD": ([(42, "PD"), (84, "CR"), (126, "CR")], "N", "N", "N", "PD", "PD"),
    "non-target": ([(84, NON)], "N", "N", "Y", NON, NON),
    "not evaluable": ([(42, "NE"), (84, "NE")], "NE", "NE", "NE", "NE", "NE"),
    "PD after NE": ([(42, "NE"), (84, "PD")], "N", "N", "N", "PD", "PD"),
    "no reading": ([], "NE", "NE", "NE", "NE", "NE"),
    "third confirms": ([(42, "PR"), (56, "PR"), (71, "PR")], "Y", "Y", "Y", "PR", "PR"),
    "PR, PR, PD": ([(42, "PR"), (84, "PR"), (126, "PD")], "Y", "Y", "Y", "PR", "PR"),
    "PD confirms not": ([(42, "PR"), (84, "PD")], "N", "Y", "Y", "PR", "SD"),
}  # fmt: skip


def dated(course: list[tuple[int, str]]) -> list[tuple[pd.Timestamp, str]]:
    return [(START + pd.Timedelta(days=day), answer) for day, answer in course]


@pytest.mark.parametrize("name", BY_HAND)
def test_each_patient_is_decided_as_by_hand(name):
    course, confirmed, unconfirmed, benefits, best_seen, best_confirmed = BY_HAND[name]
    listed, rule = dated(course), recist()
    assert response(listed, rule, confirmed=True).response == confirmed
    assert response(listed, rule, confirmed=False).response == unconfirmed
    assert benefit(listed, START, rule).response == benefits
    assert best(listed, START, rule, confirmed=False).response == best_seen
    assert best(listed, START, rule, confirmed=True).response == best_confirmed


@pytest.mark.parametrize(
    "name, case",
    [("two PR", 1), ("27 days", 2), ("SD at 41", 3), ("not evaluable", 4), ("no reading", 5)],
)
def test_each_case_of_the_rule_is_the_one_that_applies(name, case):
    """The number of the case in the printed rule."""
    assert response(dated(BY_HAND[name][0]), recist(), confirmed=True).case == case


def test_the_days_of_response_and_confirmation_are_those_of_the_two_readings():
    answer = response(dated(BY_HAND["third confirms"][0]), recist(), confirmed=True)
    # day 42 with day 56 is 14 days, with day 71 it is 29
    assert (answer.day, answer.confirmed) == (
        pd.Timestamp("2020-02-12"),
        pd.Timestamp("2020-03-12"),
    )


def test_without_a_minimum_any_stable_disease_is_benefit_and_84_days_need_84():
    """Stable disease on day 41 of the first dose: no minimum, then a minimum of 84 days."""
    early = dated([(41, "SD")])
    assert benefit(early, START, recist(stable_after_days=0)).response == "Y"
    assert best(early, START, recist(stable_after_days=0), confirmed=True).response == "SD"
    late = dated([(42, "SD"), (84, "SD"), (126, "PD")])
    assert benefit(late, START, recist(stable_after_days=84)).response == "Y"
    assert benefit(late, START, recist(stable_after_days=85)).response == "N"


def test_benefit_without_confirmation_takes_one_response():
    """A PR on day 28 alone: a response where none is confirmed, before the 42 days of stable disease."""
    one = dated([(28, "PR")])
    assert benefit(one, START, recist(confirmed=False)).response == "Y"
    assert benefit(one, START, recist()).response == "N"


COURSES = pd.DataFrame(
    {
        "STUDYID": "S", "USUBJID": ["01", "02", "03"], "COURSE": "STUDY", "TRTSDT": START,
        "NEWTHDT": pd.to_datetime([None, "2020-03-01", None]), "BEGINDT": pd.NaT,
    }
)  # fmt: skip
POINTS = pd.DataFrame(
    {
        "USUBJID": ["01", "01", "03"], "COURSE": "STUDY", "OVRLRESP": ["SD", "PD", "PR"],
        "ADT": pd.to_datetime(["2020-02-12", "2020-03-25", "2020-02-12"]),
    }
)  # fmt: skip


def rs_of(rows: list[tuple[str, str, str]], **columns: object) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["USUBJID", "RSDTC", "RSSTRESC"])
    return frame.assign(
        RSTESTCD="OVRLRESP", RSEVAL="INVESTIGATOR", RSSEQ=range(len(frame)), VISIT="V", RSSTAT=None
    ).assign(**columns)


RS = rs_of(
    [
        ("01", "2020-01-01", "CR"),  # the day of the first dose: before it
        ("01", "2020-02-12", "PR"), ("01", "2020-03-25", "PR"),
        ("02", "2020-02-12", "PR"), ("02", "2020-03-01", "PR"),
        ("02", "2020-03-25", "PR"),  # after the new therapy of 1 March
        ("03", "2020-02-12", "PR"), ("03", "2020-02-12", "PD"),  # two answers of one day: the worst
    ]
)  # fmt: skip


def test_readings_are_those_after_the_first_dose_up_to_a_new_therapy():
    read = readings({"rs": RS}, COURSES, POINTS, PLAN.tumour, "RS")
    assert [answer for _, answer in read["01"]] == ["PR", "PR"]
    assert [f"{day:%m-%d}" for day, _ in read["02"]] == ["02-12", "03-01"]
    assert [answer for _, answer in read["03"]] == ["PD"]
    derived = readings({"rs": RS}, COURSES, POINTS, PLAN.tumour, "lesions")
    assert [answer for _, answer in derived["01"]] == ["SD", "PD"]
    assert derived["02"] == []


def test_a_reading_of_another_evaluator_is_no_reading():
    other = pd.concat([RS, rs_of([("01", "2020-05-06", "PD")], RSEVAL="INDEPENDENT ASSESSOR")])
    read = readings({"rs": other}, COURSES, POINTS, PLAN.tumour, "RS")
    assert [answer for _, answer in read["01"]] == ["PR", "PR"]


def answers(plan: Plan) -> pd.DataFrame:
    read = readings_of_plan({"rs": RS}, COURSES, POINTS, plan)
    rows = objective_responses(COURSES, read, plan)
    return rows.set_index(["USUBJID", "PARAMCD"])["AVALC"].unstack()  # noqa: PD010


def test_the_source_of_the_plan_decides_and_the_other_is_listed():
    """01 by RS two PR 42 days apart, by lesions SD then PD; 02: 18 days; 03 by lesions one PR."""
    by_rs = answers(with_recist())
    assert by_rs["OBJRESP"].to_dict() == {"01": "Y", "02": "N", "03": "N"}
    assert by_rs["OBJRESPU"].to_dict() == {"01": "Y", "02": "Y", "03": "N"}
    assert by_rs["OBJRESPO"].to_dict() == {"01": "N", "02": "NE", "03": "N"}
    by_lesions = answers(with_recist(**{"from": "lesions"}))
    assert by_lesions["OBJRESPO"].to_dict() == by_rs["OBJRESP"].to_dict()
    assert by_lesions["OBJRESPU"].to_dict() == {"01": "N", "02": "NE", "03": "Y"}
    assert by_lesions["CLINBEN"].to_dict() == {"01": "Y", "02": "NE", "03": "Y"}


def test_a_plan_without_the_entry_has_no_such_parameter():
    read = readings_of_plan({"rs": RS}, COURSES, POINTS, PLAN)
    assert objective_responses(COURSES, read, PLAN).empty


def test_no_confirmed_best_response_where_nothing_is_confirmed():
    rows = answers(with_recist(confirmed=False, confirm_after_days=0))
    assert "OBJBORC" not in rows
    assert rows["OBJRESP"].equals(rows["OBJRESPU"])


def adsl_of(**columns: object) -> pd.DataFrame:
    who = ["01", "02", "03", "04", "05", "06"]
    return pd.DataFrame(
        {
            "STUDYID": "S", "USUBJID": who, "NCYCLES": 2.0, "TRTSDT": START,
            "DTHDT": pd.NaT, "DCSREAS": None,
        }
    ).assign(**columns)  # fmt: skip


def landmark(endpoint: str = "rate_at", **changes: object) -> Plan:
    return with_endpoint(PLAN, endpoint, **changes)


def times(rows: list[tuple[str, str, float, int]], reason: str = "") -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["USUBJID", "PARAMCD", "AVAL", "CNSR"])
    return frame.assign(
        COURSE="STUDY", STARTDT=START, ADT=START + pd.to_timedelta(frame["AVAL"], unit="D"),
        CNSDTDSC=reason,
    )  # fmt: skip


# Six months of 30.4375 days are 182.625 days.
PFS = times(
    [
        ("01", "PFS", 182, 0),  # progression before the landmark
        ("02", "PFS", 183, 0),  # progression after it: free of it at the landmark
        ("03", "PFS", 183, 1),  # censored after it
        ("04", "PFS", 182, 1),  # not observed until it
        ("05", "PFS", 0, 1),
    ]
)


def test_the_rate_at_a_landmark_counts_the_patients_observed_until_it():
    rows = rate_at(adsl_of(), PFS, landmark()).set_index("USUBJID")
    assert rows["AVALC"].to_dict() == {
        "01": "N", "02": "Y", "03": "Y", "04": "NE", "05": "NE", "06": "NE",
    }  # fmt: skip
    assert rows["CASE"].tolist() == [1, 2, 2, 3, 3, 4]


def test_the_event_death_reads_overall_survival():
    both = pd.concat([PFS, times([("01", "OS", 400, 1), ("02", "OS", 100, 0)])])
    rows = rate_at(adsl_of(), both, landmark(event="death")).set_index("USUBJID")["AVALC"]
    assert rows.to_dict() == {"01": "Y", "02": "N"} | dict.fromkeys(("03", "04", "05", "06"), "NE")


def test_a_plan_without_a_landmark_has_no_such_parameter():
    assert rate_at(adsl_of(), PFS, PLAN).empty


def test_who_can_still_respond():
    """01 responded, 02 died, 03 has a new therapy, 04 progressed, 05 one PR, 06 no reading."""
    plan = with_recist()
    died = pd.to_datetime([None, "2020-02-01", None, None, None, None])
    courses = pd.DataFrame({"USUBJID": ["03", "05"], "COURSE": "STUDY", "NEWTHDT": [START, pd.NaT]})
    adrs = pd.DataFrame({"USUBJID": ["01"], "PARAMCD": "OBJRESP", "AVALC": "Y"})
    read = {"04": dated([(42, "SD"), (84, "PD")]), "05": dated([(42, "PR")])}
    rows = pending_response(adsl_of(DTHDT=died), courses, adrs, read, plan).set_index("USUBJID")
    assert rows["CASE"].tolist() == [1, 2, 3, 4, 5, 6]
    assert rows["AVALC"].tolist() == ["N", "N", "N", "N", "Y", "Y"]
    left = adsl_of(DCSREAS="LOST TO FOLLOW-UP")
    assert set(pending_response(left, courses, adrs, read, plan)["CASE"]) == {1, 2}


def test_who_can_still_reach_the_landmark():
    """182.625 days from 1 January 2020 end on 1 July 2020 at 15:00."""
    plan = landmark()
    seen = times([("01", "PFS", 190, 1), ("03", "PFS", 60, 1)])
    switched = times([("04", "PFS", 60, 1)], "NEW ANTICANCER THERAPY")
    adtte = pd.concat([seen, switched])
    adrs = rate_at(adsl_of(), adtte, plan)
    died = pd.to_datetime([None, "2020-02-01", None, None, None, None])

    def cases(day: dt.date) -> list[int]:
        return pending_landmark(adsl_of(DTHDT=died), adrs, adtte, plan, day)["CASE"].tolist()

    assert cases(dt.date(2020, 6, 30)) == [1, 2, 5, 3, 5, 5]
    assert cases(dt.date(2020, 7, 2)) == [1, 2, 4, 3, 4, 4]


# ---- results: two patients of the primary set, one with the endpoint and one without a result ------

TWO = pd.DataFrame(
    {
        "USUBJID": ["01", "02"], "PRIMFL": "Y", "MEASFL": ["Y", "N"], "PPROTFL": ["Y", "N"],
        "RESCTRFL": "N", "TRTSDT": START,
    }
)  # fmt: skip
CODES = ("OBJRESP", "OBJRESPU", "OBJRESPO", "CLINBEN", "RATEAT")
ANSWERS = pd.concat(
    [
        *(
            pd.DataFrame({"USUBJID": ["01", "02"], "PARAMCD": code, "AVALC": ["Y", "NE"]})
            for code in CODES
        ),
        pd.DataFrame({"USUBJID": ["01", "02"], "PARAMCD": "PRIMPEND", "AVALC": ["N", "Y"]}),
    ]
)
# One of two: P(at least 1) = 1 - (1 - p)^2 and P(at most 1) = 1 - p^2, each 0.025 at a limit.
ONE_OF_TWO = {
    "n": 1, "N": 2, "estimate": 0.5, "conf_level": 0.95, "conf_low": 1 - 0.975**0.5,
    "conf_high": 0.975**0.5,
}  # fmt: skip
ONE_OF_ONE = {"n": 1, "N": 1, "estimate": 1, "conf_level": 0.95, "conf_low": 0.025, "conf_high": 1}
# The design has 25 patients and p0 0.1: P(at least 1 of 2) = 1 - 0.9^2.
TESTED = {"p0": 0.1, "p_value": 0.19, "decision": "No decision: fewer than planned"}


def values(rows: pd.DataFrame) -> dict[str, object]:
    text = rows["stat_text"].where(rows["stat"].isna(), rows["stat"])
    return dict(zip(rows["stat_name"], text, strict=True))


def found(parts: list[pd.DataFrame]) -> dict[tuple[str, str, str], dict[str, object]]:
    keys = ["analysis", "population", "level"]
    return {key: values(rows) for part in parts for key, rows in part.groupby(keys)}


@pytest.mark.worked("clinical_benefit", "objective_response_other")
def test_rates_by_recist_have_the_numbers_worked_by_hand():
    """The test and the decision are part of the primary endpoint in the primary set, and of nothing else."""
    benefit_first = with_recist("clinical_benefit")
    rates = found(results.clinical_benefit(TWO, ANSWERS, benefit_first))
    main = rates["clinical_benefit", "PRIMARY", ""]
    assert main == pytest.approx(ONE_OF_TWO | TESTED | {"n_missing": 1})
    measurable = rates["clinical_benefit", "MEASURABLE", ""]
    assert measurable == pytest.approx(ONE_OF_ONE | {"n_missing": 0, "p0": 0.1})
    second = found(results.clinical_benefit(TWO, ANSWERS, with_recist()))
    secondary = second["clinical_benefit", "PRIMARY", ""]
    assert secondary == pytest.approx(ONE_OF_TWO | {"n_missing": 1})
    other = found(results.other_source(TWO, ANSWERS, with_recist()))
    listed = other["objective_response_other", "PRIMARY", ""]
    assert listed == pytest.approx(ONE_OF_TWO | {"n_missing": 1, "p0": 0.1})


def test_objective_response_by_the_rule_of_the_plan_replaces_that_of_the_assessments():
    rows = found(tumour.objective_response(TWO, ANSWERS, with_recist()))
    main = rows["objective_response", "PRIMARY", ""]
    assert main == pytest.approx(ONE_OF_TWO | TESTED | {"n_missing": 1})
    unconfirmed = rows["objective_response_unconfirmed", "PRIMARY", ""]
    assert unconfirmed == pytest.approx(ONE_OF_TWO | {"n_missing": 1, "p0": 0.1})


@pytest.mark.worked("rate_at", "rate_at_kaplan_meier")
def test_the_rate_at_a_landmark_has_the_numbers_worked_by_hand():
    """One event on day 100, one censored on day 200, the landmark on day 182.6: 1/2 of the curve is left."""
    adtte = times([("01", "PFS", 200, 1), ("02", "PFS", 100, 0)])
    rows = found(results.rate_at(TWO, ANSWERS, adtte, landmark()))
    assert rows["rate_at", "PRIMARY", ""] == pytest.approx(ONE_OF_TWO | TESTED | {"n_missing": 1})
    curve = rows["rate_at_kaplan_meier", "PRIMARY", ""]
    assert (curve["N"], curve["at_risk"], curve["estimate"]) == (2, 1, 0.5)
    assert curve["conf_low"] < 0.5 < curve["conf_high"]
    single = PLAN.design.model_copy(update={"kind": "single-stage", "r1": None, "n1": None})
    one_stage = landmark(not_observed="excluded").model_copy(update={"design": single})
    left_out = found(results.rate_at(TWO, ANSWERS, adtte, one_stage))["rate_at", "PRIMARY", ""]
    # P(at least 1 of 1) at p0 is p0
    assert left_out == pytest.approx(ONE_OF_ONE | TESTED | {"n_missing": 0, "p_value": 0.1})
    none = found(results.rate_at(TWO, ANSWERS, adtte.iloc[:0], landmark()))
    assert none["rate_at_kaplan_meier", "PRIMARY", ""]["estimate"] == (
        "no patient with this origin in this population"
    )


@pytest.mark.req("SAP-5")
@pytest.mark.worked("primary_sensitivity")
def test_sensitivities_of_the_primary_rate_have_the_numbers_worked_by_hand():
    """02 has no result and can still respond: it fails in the worst case and responds in the best."""
    rows = found(results.sensitivity(TWO, ANSWERS, with_recist()))
    both = {
        "n": 2,
        "N": 2,
        "estimate": 1,
        "conf_level": 0.95,
        "conf_low": 0.025**0.5,
        "conf_high": 1,
    }
    expected = dict.fromkeys(("primary", "unconfirmed", "other_source", "worst_case"), ONE_OF_TWO)
    expected |= {"per_protocol": ONE_OF_ONE, "measurable": ONE_OF_ONE, "best_case": both}
    assert {level for _, _, level in rows} == set(expected)
    for level, numbers in expected.items():
        assert rows["primary_sensitivity", "PRIMARY", level] == pytest.approx(numbers)
    assert results.sensitivity(TWO, ANSWERS, PLAN) == []


def test_the_days_until_the_primary_response_is_known():
    """CARVE: 84 days in which it can begin and 28 to confirm it; six months of 30.4375 days are 182.625."""
    assert response_days(PLAN) == 112
    assert response_days(with_recist()) is None
    assert response_days(landmark()) == 183


# ---- outside proof -------------------------------------------------------------------------------


@pytest.mark.shared
def test_the_investigator_s_responses_of_84_patients_are_those_counted_from_the_file(
    shared_data, tmp_path
):
    """pharmaversesdtm, one arm: every number was counted from RS by a script of its own (no code of this
    package), the limits are those of R 4 (binom.test).

    65 of 84 were assessed. Best response before the first PD without confirmation and without a
    minimum for SD: 2 CR, 16 PR, 3 SD, 44 PD, 19 not assessed. Response in 18 of 84 (0.1322241537 to
    0.3173552400), confirmed after 28 days in 7 of 84 (0.0341623779 to 0.1641890803).
    """
    from sap.intake import sdtm
    from sap.results.rates import rate

    extract = commands.intake("sdtm", shared_data / "pharmaverse-onco" / "one-arm", tmp_path / "x")
    tables = sdtm.read(extract)
    standardised = standard(tables, PLAN)
    first = pd.to_datetime(standardised["ex"].groupby("USUBJID")["EXSTDTC"].min().str[:10])
    courses = pd.DataFrame(
        {
            "STUDYID": "S", "USUBJID": first.index, "COURSE": "STUDY", "TRTSDT": first.to_numpy(),
            "NEWTHDT": pd.NaT, "BEGINDT": pd.NaT,
        }
    )  # fmt: skip
    plan = with_recist(stable_after_days=0)
    no_points = POINTS.iloc[:0]
    read = readings_of_plan(standardised, courses, no_points, plan)
    rows = objective_responses(courses, read, plan)
    of = {code: part["AVALC"].value_counts() for code, part in rows.groupby("PARAMCD")}
    cases = rows[rows["PARAMCD"] == "OBJBOR"]["CASE"].value_counts().to_dict()
    assert len(courses) == 84
    assert of["OBJBOR"].to_dict() == {"PD": 44, "NE": 19, "PR": 16, "SD": 3, "CR": 2}
    assert cases[7] == 19  # not assessed: no reading at all
    for code, n, low, high in (
        ("OBJRESPU", 18, 0.1322241537, 0.3173552400),
        ("OBJRESP", 7, 0.0341623779, 0.1641890803),
    ):
        assert of[code]["Y"] == n
        limits = rate(n, 84, 0.95)
        assert (limits["conf_low"], limits["conf_high"]) == pytest.approx((low, high), abs=1e-9)
