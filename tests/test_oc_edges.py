"""Small cases of `sap oc`: the day of a stop, looks foreseen wrongly, Monte Carlo errors, what a plan has no use for."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sap.errors import PlanError, UsageError
from sap.methods.monitoring import boundary_characteristics
from sap.oc import command, looks
from sap.oc.command import Cluster, Size
from sap.oc.decision import TOXICITY, batch, decided
from sap.oc.scenarios import read_scenarios
from sap.oc.summary import rows
from sap.pipeline.plans import read_plan
from sap.results.safety import bounds_of
from sap.simulate.conditions import Conditions
from sap.simulate.many import NEVER

HOME = Path(__file__).parents[1]
PLAN = read_plan(HOME / "analysis" / "plan.yml").plan
OTHER = read_plan(HOME / "analysis" / "plan-caba-v7.yml").plan
SOURCE = {"source": "declared in this test", "assumption": True}


def given(rate: float, per_month: float = 4.0, **blocks: dict[str, Any]) -> Conditions:
    content: dict[str, Any] = {
        "accrual": SOURCE | {"screened_per_month": per_month},
        "response": SOURCE | {"positive": rate},
    }
    return Conditions.model_validate(content | {name: SOURCE | of for name, of in blocks.items()})


def test_the_patient_whose_toxicity_stops_the_trial_is_treated() -> None:
    """Each patient has the toxicity on the first day: the trial ends with the first bound that is met."""
    rule = PLAN.toxicity_monitoring
    assert rule is not None
    bounds = bounds_of(rule)
    every = decided(range(1, 4), PLAN, given(0.3, 0.5, toxicity={"rate": 1.0}), seed=3)
    assert set(every["outcome"]) == {TOXICITY}
    first = next(n for n, bound in enumerate(bounds, start=1) if n >= bound)
    assert every["treated"].tolist() == every["toxicities"].tolist() == [first] * 3
    assert float(boundary_characteristics(bounds, 1.0).expected_n) == first


ROUGH = {
    "visits": {"missed": 0.1, "late": 0.2, "late_days": [1, 7]},
    "course": {"days_to_decline": 30.0, "spread": 0.5},
    "stops": {"progression_months_other": 3.0, "death_per_month": 0.02},
}


def test_the_look_that_decides_is_foreseen_and_found_where_it_was_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Foreseen rightly, two stacks of looks are derived; one look too late or too early, the numbers stay."""
    asked: list[int] = []
    states, foreseen = looks.states_at, looks.foreseen

    def counted(*arguments: Any) -> Any:
        asked.append(len(arguments[2]))
        return states(*arguments)

    monkeypatch.setattr(looks, "states_at", counted)
    right = decided(range(1, 13), PLAN, given(0.3, **ROUGH), seed=4)
    assert len(asked) == 2
    assert right["looks"].max() > 2
    for by in (-1, 1):
        monkeypatch.setattr(looks, "foreseen", lambda *of, by=by: np.maximum(foreseen(*of) + by, 0))
        again = decided(range(1, 13), PLAN, given(0.3, **ROUGH), seed=4)
        pd.testing.assert_frame_equal(again, right)


def test_a_pause_moves_the_patients_of_stage_2_by_the_wait_and_no_other() -> None:
    made = batch(range(1, 31), PLAN, given(0.1, 6.0), seed=4)
    first, ready, n1 = made.calendar.first_dose, made.courses.ready, PLAN.design.n1
    assert n1 is not None
    assert (first[:, :n1] == ready[:, :n1]).all()
    wait = made.calendar.decided - ready[:, n1 - 1]
    assert wait.min() >= 0
    futile = made.calendar.futile
    assert set(futile) == {True, False}
    assert (first[futile, n1:] == NEVER).all()
    assert (first[~futile, n1:] == ready[~futile, n1:] + wait[~futile, np.newaxis]).all()


def test_a_case_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    for place in (0, 3):
        with pytest.raises(UsageError, match=rf"no case {place}; there are: 1 .*; 2 [^;]*\.$"):
            command.trial(PLAN_PATH, None, 1, 1, place, tmp_path / "extract")
    assert not (tmp_path / "extract").exists()


def test_the_error_of_a_mean_is_its_standard_error() -> None:
    """Treated 15, 25, 20, 20: mean 20, SD sqrt(50 / 3), error that over 2; of one trial there is none."""
    case = read_scenarios(None, PLAN).cases[1]
    trials = decided(range(1, 5), PLAN, case.given, seed=1).assign(treated=[15, 25, 20, 20])
    found = rows(case, trials, PLAN).set_index("stat_name")["stat"]
    assert found["expected_n"].iloc[0] == 20
    assert found["expected_n_mc_error"] == pytest.approx(np.sqrt(50 / 3) / 2)
    of_one = rows(case, trials[:1], PLAN).set_index("stat_name")["stat"]
    assert np.isnan(of_one["expected_n_mc_error"])


def test_a_run_gives_the_files_that_it_wrote(tmp_path: Path) -> None:
    made = command.characteristics(PLAN_PATH, None, tmp_path / "out", Size(1, 1, 1), Cluster(1))
    assert [path.name for path in made] == ["oc.html", "oc.pdf", "ard.csv"]
    assert all(path.is_file() for path in made)


PLAN_PATH = HOME / "analysis" / "plan.yml"
UNSUITED = [
    ("course: {source: declared here, lowest: [0.4, 0.95]}", "course.lowest: at most 0.9"),
    ("screening: {source: declared here, enough_cells: 0.5}", "the plan requires no cell count"),
]


@pytest.mark.parametrize("block, message", UNSUITED)
def test_what_a_plan_without_a_cell_count_has_no_use_for_is_refused(
    block: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "scenario.yml"
    path.write_text(
        f"study: {OTHER.study.id}\n"
        "scenarios:\n  - name: one\n    title: One scenario\n"
        "    accrual: {source: declared here, screened_per_month: 2.0}\n"
        f"    {block}\n",
        encoding="utf-8",
    )
    without = OTHER.model_copy(update={"biomarker": None})
    with pytest.raises(PlanError, match=message):
        read_scenarios(path, without)
    path.write_text(
        path.read_text(encoding="utf-8").replace("0.95", "0.9").replace("0.5", "1.0"),
        encoding="utf-8",
    )
    assert len(read_scenarios(path, without).cases) == 2
