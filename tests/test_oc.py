"""Many simulated trials: their truth, their decisions, and exact answers that they must meet."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sap.errors import UsageError
from sap.methods.monitoring import boundary_characteristics
from sap.methods.two_stage import (
    TwoStageDesign,
    power_under_dropout,
    power_under_misclassification,
)
from sap.oc.decision import FUTILITY, REJECTED, TOXICITY, decided, one_trial
from sap.oc.looks import date_of_look
from sap.pipeline.plans import read_plan
from sap.plan.model import Plan
from sap.results.safety import bounds_of
from sap.simulate import many
from sap.simulate.conditions import Conditions

HOME = Path(__file__).parents[1]
PLAN = read_plan(HOME / "analysis" / "plan.yml").plan
SOURCE = {"source": "declared in this test", "assumption": True}


def plan_of(*, toxicity: bool = False, **design: Any) -> Plan:
    """The plan with another design, and without its boundary for toxicity unless wanted."""
    changed: dict[str, Any] = {"design": PLAN.design.model_copy(update=design)}
    if not toxicity:
        changed["toxicity_monitoring"] = None
    return PLAN.model_copy(update=changed)


def conditions(rate: float, per_month: float = 4.0, **blocks: dict[str, Any]) -> Conditions:
    """Perfect conditions but for the blocks that are given."""
    content: dict[str, Any] = {
        "accrual": SOURCE | {"screened_per_month": per_month},
        "response": SOURCE | {"positive": rate},
    }
    for name, block in blocks.items():
        content[name] = content.get(name, SOURCE) | block
    return Conditions.model_validate(content)


MESSY = conditions(
    0.3,
    accrual={"days_to_result": 7, "days_to_first_dose": [1, 7]},
    screening={"positive": 0.39, "enough_cells": 0.7, "starts_treatment": 0.8},
    assay={"failure": 0.1, "sensitivity": 0.95, "specificity": 0.95},
    course={"days_to_decline": 30.0, "spread": 0.5, "brief_decline": 0.1, "variation": 0.1},
    stops={
        "progression_months_responder": 8.0,
        "progression_months_other": 3.0,
        "death_per_month": 0.02,
        "withdrawal_per_month": 0.02,
        "new_therapy": 0.5,
    },
    visits={"missed": 0.05, "late": 0.1, "late_days": [1, 7], "no_baseline": 0.02},
    toxicity={"rate": 0.2, "onset_days": [5, 15], "stops_treatment": 0.3},
)

DESIGNS: list[tuple[float, dict[str, Any]]] = [
    (0.10, {}),
    (0.30, {}),
    (0.30, {"r1": 1, "n1": 10, "r": 5, "n": 29, "p0": 0.1, "p1": 0.3}),
    (0.40, {"r1": 3, "n1": 13, "r": 12, "n": 43, "p0": 0.2, "p1": 0.4}),
    (0.25, {"kind": "single-stage", "r1": None, "n1": None, "r": 4, "n": 20}),
]


def within(count: int, trials: int, probability: float) -> bool:
    """Within three Monte Carlo errors of the exact probability."""
    error = np.sqrt(probability * (1 - probability) / trials)
    return bool(abs(count / trials - probability) <= 3 * error)


@pytest.mark.req("SAP-3")
@pytest.mark.parametrize("rate, design", DESIGNS)
def test_with_perfect_data_each_trial_is_decided_as_the_binomial_model_decides(
    rate: float, design: dict[str, Any]
) -> None:
    from sap.results.design import of_plan

    plan, trials = plan_of(**design), 40
    rows = decided(range(1, trials + 1), plan, conditions(rate), seed=11)
    rejected = rows["outcome"] == REJECTED
    assert (rejected == rows["model_rejects"]).all()
    exact = of_plan(plan)
    assert within(int(rejected.sum()), trials, float(exact.probability_of_rejection(rate)))
    if isinstance(exact, TwoStageDesign):
        stopped = (rows["outcome"] == FUTILITY).sum()
        early = float(exact.probability_of_early_termination(rate))
        assert within(int(stopped), trials, early)
        assert set(rows.loc[rows["outcome"] == FUTILITY, "treated"]) <= {exact.n1}


def test_responses_in_truth_are_binomial() -> None:
    """20,000 patients of 800 trials: mean and variance of the responders of a trial, by hand n p q."""
    design = many.design_of(plan_of())
    patients = many.screened(range(800), 3, conditions(0.3), design)
    column = many.places(patients, design, pause=True)
    responders = many.courses(patients, column, conditions(0.3), design).responds.sum(axis=1)
    assert abs(responders.mean() - 25 * 0.3) < 3 * np.sqrt(25 * 0.3 * 0.7 / 800)
    assert abs(responders.var() - 25 * 0.3 * 0.7) < 3 * 25 * 0.3 * 0.7 * np.sqrt(2 / 799)


@pytest.mark.req("SAP-5.7.5")
def test_stopping_for_toxicity_is_that_of_the_exact_recursion() -> None:
    plan = plan_of(toxicity=True, kind="single-stage", r1=None, n1=None)
    rule = plan.toxicity_monitoring
    assert rule is not None
    trials = 150
    # Slow accrual: one patient at a time, as the recursion has it.
    given = conditions(0.3, per_month=0.5, toxicity={"rate": 0.3})
    rows = decided(range(1, trials + 1), plan, given, seed=5)
    exact = boundary_characteristics(bounds_of(rule)[: plan.design.n], 0.3)
    stopped = rows["outcome"] == TOXICITY
    assert within(int(stopped.sum()), trials, float(exact.stopping_probability))
    error = rows["treated"].std() / np.sqrt(trials)
    assert abs(rows["treated"].mean() - float(exact.expected_n)) <= 3 * error


def test_a_stop_for_toxicity_ends_looks_and_screening_in_a_pause_too() -> None:
    """Every trial by counting: no look from the day of the stop on, and nobody consents while screening waits."""
    from sap.oc.decision import batch

    plan, trials = plan_of(toxicity=True), range(1, 41)
    toxicity = {"rate": 0.45, "onset_days": [5, 21], "stops_treatment": 0.5}
    given = conditions(0.3, per_month=20.0, toxicity=toxicity)
    made, rows = batch(trials, plan, given, 7), decided(trials, plan, given, 7)
    calendar, n1 = made.calendar, plan.design.n1
    assert n1 is not None
    where = []
    for row, day in enumerate(calendar.toxic):
        if day == many.NEVER:
            continue
        end, consent = made.courses.ready[row, n1 - 1], made.patients.consent[row]
        places = calendar.treated[row].sum()
        column = made.courses.column[row, places - 1]
        looks = [end + 21 * k for k in range(calendar.looks[row]) if end + 21 * k < day]
        assert rows["looks"][row] == len(looks)
        if day <= end:
            where.append("stage 1")
            screened = [c <= column or d < day for c, d in enumerate(consent)]
        elif day < calendar.decided[row]:
            where.append("pause")
            screened = [c <= column or d < end for c, d in enumerate(consent)]
        else:
            where.append("stage 2")
            continue
        assert rows["screened"][row] == sum(screened)
    assert set(where) == {"stage 1", "pause", "stage 2"}


LOST: dict[str, dict[str, Any]] = {"stops": {"lost_before_confirmation": 0.2}}
MISREAD: dict[str, dict[str, Any]] = {
    "screening": {"positive": 0.5},
    "assay": {"specificity": 0.7},
    "response": {"negative": 0.05},
}


@pytest.mark.parametrize(
    "blocks, power",
    [
        (LOST, lambda d: power_under_dropout(d, 0.4, 0.2)),
        # Of those called positive 0.5 / (0.5 + 0.5 * 0.3) are positive in truth.
        (MISREAD, lambda d: power_under_misclassification(d, 0.4, 0.05, 0.5 / 0.65)),
    ],
    ids=["lost before confirmation", "misread marker"],
)
def test_a_single_departure_has_the_power_of_its_closed_form(
    blocks: dict[str, dict[str, Any]], power: Callable[[TwoStageDesign], float]
) -> None:
    trials = 100
    rows = decided(range(1, trials + 1), plan_of(), conditions(0.4, **blocks), seed=23)
    rejected = int((rows["outcome"] == REJECTED).sum())
    assert within(rejected, trials, power(TwoStageDesign(1, 15, 5, 25)))


def test_a_trial_has_the_same_numbers_in_any_batch_and_order() -> None:
    together = decided([4, 1, 2, 3, 5, 6], PLAN, MESSY, seed=9).set_index("trial").sort_index()
    apart = pd.concat([decided([t], PLAN, MESSY, seed=9) for t in (1, 6)]).set_index("trial")
    pd.testing.assert_frame_equal(together.loc[[1, 6]], apart)


def test_scenarios_are_compared_on_the_same_patients() -> None:
    """A patient who responds at a rate responds at every higher one."""
    design = many.design_of(PLAN)
    patients = many.screened(range(5), 1, conditions(0.1), design)
    column = many.places(patients, design, pause=False)
    low, high = (
        many.courses(patients, column, conditions(rate), design).responds for rate in (0.1, 0.4)
    )
    assert (high | ~low).all()
    assert high.sum() > low.sum()


def test_a_decline_to_nothing_is_refused() -> None:
    """A value of 0 has no logarithm: every responder would be without one."""
    rule = PLAN.psa_response
    assert rule is not None
    plan = plan_of().model_copy(
        update={"psa_response": rule.model_copy(update={"decline_pct": 100})}
    )
    with pytest.raises(UsageError, match=r"psa_response\.decline_pct"):
        many.design_of(plan)


def test_places_are_of_different_eligible_patients_however_many_consent_on_a_day() -> None:
    """300 patients a day: those of the last day of stage 1 have no place in stage 2, which needs others."""
    design = many.design_of(PLAN)
    for screening in ({"positive": 1.0}, {"positive": 0.5}):
        given = conditions(0.3, per_month=9000.0, screening=screening)
        patients = many.screened(range(1, 6), 4, given, design)
        column = many.places(patients, design, pause=True)
        rows = np.arange(5)[:, np.newaxis]
        assert all(len(set(of)) == design.n for of in column.tolist())
        assert patients.eligible[rows, column].all()
        consent = patients.consent[rows, column]
        end = patients.ready[rows, column][:, : design.n1].max(axis=1)
        assert (consent[:, design.n1 :] > end[:, np.newaxis]).all()


def test_a_look_has_the_records_that_a_data_cut_off_of_that_day_keeps() -> None:
    """Case by case the data of a look, against the data cut-off of the complete extract."""
    from sap.pipeline.datasets import derive_deciding
    from sap.simulate.many_tables import treated_tables
    from sap.snapshot.cut_off import cut

    design, look = many.design_of(PLAN), date_of_look(PLAN)
    patients = many.screened(range(1, 7), 31, MESSY, design)
    of = many.courses(patients, many.places(patients, design, pause=False), MESSY, design)
    every = np.ones(of.ready.shape, dtype=bool)
    end = np.full(6, int((of.ready + of.last).max()) + 60)
    complete = treated_tables(patients, of, of.ready, end, every, PLAN, look)
    for days_before in (400, 250):
        day = end - days_before
        at_look = treated_tables(patients, of, of.ready, day, every, PLAN, look)
        earlier = look - pd.Timedelta(days=days_before)
        kept = cut(complete, earlier)
        mine = derive_deciding(at_look, PLAN, look)
        theirs = derive_deciding(kept, PLAN, earlier)
        columns = ["USUBJID", "PARAMCD", "AVALC", "CASE"]
        pd.testing.assert_frame_equal(mine.adrs[columns], theirs.adrs[columns])
        columns = ["USUBJID", "NCYCLES", "DCTREAS", "PRIMFL", "DTHFL"]
        treated = theirs.adsl[theirs.adsl["NCYCLES"] > 0].reset_index(drop=True)
        pd.testing.assert_frame_equal(mine.adsl[columns], treated[columns])
        assert (mine.adae["USUBJID"] == theirs.adae["USUBJID"]).all()
        assert len(mine.adsl) < 6 * design.n
        assert {"Y", "N"} <= set(mine.adrs.loc[mine.adrs["PARAMCD"] == "PSAPEND", "AVALC"])


def test_the_look_that_decides_is_the_first_that_is_decided() -> None:
    """Each look in turn, where `looks_at_stage_1` derives only the one that it foresees and the one before."""
    from sap.catalogue import decisions
    from sap.oc.decision import batch
    from sap.oc.looks import states_at

    made = batch(range(1, 9), PLAN, MESSY, seed=9)
    looks = made.calendar.looks
    assert looks.max() > 3
    rows = np.arange(8)
    begin = made.courses.ready[:, : PLAN.design.n1].max(axis=1)
    for k in range(int(looks.max())):
        states = states_at(made.patients, made.courses, rows, begin + 21 * k, PLAN)
        is_open = states == decisions.BOUNDARY_OPEN
        assert (is_open == (k < looks - 1)).all()
        at_last = (looks - 1 == k) & (made.calendar.toxic >= many.NEVER)
        crossed = states == decisions.BOUNDARY_CROSSED
        assert (crossed == made.calendar.futile)[at_last].all()


def test_a_trial_of_a_stack_has_the_same_results_in_the_report() -> None:
    from sap.pipeline.analyses import analyse

    rows = decided([3], PLAN, MESSY, seed=128).set_index("trial")
    typed = {"LBSTRESN", "LBSEQ", "EXDOSE", "EXSEQ", "CPSTRESN", "CPSEQ", "DSSEQ", "GFSEQ", "AESEQ", "CMSEQ", "AGE"}  # fmt: skip
    for trial in (3,):
        tables = one_trial(trial, PLAN, MESSY, seed=128)
        for table in tables.values():
            for column in typed & set(table.columns):
                table[column] = table[column].astype(float)
        ard = analyse(tables, PLAN, date_of_look(PLAN)).ard
        primary = ard[(ard["analysis"] == "psa_response") & (ard["population"] == "PRIMARY")]
        stats = primary.set_index("stat_name")
        row = rows.loc[trial]
        assert stats.loc["decision", "stat_text"] == row["decision"]
        assert stats.loc["n", "stat"] == row["responders"]
        assert stats.loc["N", "stat"] == row["treated"]
        for name in ("estimate", "conf_low", "conf_high"):
            assert stats.loc[name, "stat"] == row[name]
        two = ard[(ard["analysis"] == "psa_two_stage") & (ard["stat_name"] == "umvue")]
        assert two["stat"].tolist() == [row["umvue"]]
        sets = ard[ard["analysis"] == "analysis_sets"].set_index("population")
        assert sets.loc["SCREENED", "stat"] == row["screened"]


def test_a_plan_without_a_biomarker_and_the_plan_of_another_trial_are_decided() -> None:
    """With perfect data as the binomial model decides; each patient who consents is treated."""
    other = read_plan(HOME / "analysis" / "plan-caba-v7.yml").plan
    for plan in (plan_of().model_copy(update={"biomarker": None}), other):
        rows = decided(range(1, 9), plan, conditions(0.3), seed=2)
        assert ((rows["outcome"] == REJECTED) == rows["model_rejects"]).all()
        assert (rows["screened"] == rows["treated"]).all()
