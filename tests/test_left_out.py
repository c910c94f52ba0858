"""What a plan leaves out, the results leave out, and no other number moves.

The second computation reads the same plan and must agree; rows of other entries are those of the
plan with everything.
"""

import datetime as dt

import pandas as pd
import pytest
from tests.endpoints import with_endpoint

from sap import contracts, snapshot
from sap.catalogue.reporting import AXES, is_in_plan
from sap.pipeline import analyses
from sap.plan import project_home, read_plan
from sap.plan.model import NEEDS
from sap.qc import agreement
from sap.qc.study import study_of
from sap.qc.subjects import read_records
from sap.simulate import trial

DAY = dt.date(2019, 6, 30)
PLAN = read_plan(project_home() / "analysis" / "plan.yml").plan
KEY = ["analysis", "population", *AXES, "stat_name"]
ALONE = {
    "ctc",
    "rescreening",
    "survival_comparison",
    "comparison",
    "lines",
    "samples",
    "toxicity_monitoring",
}
"""Entries that no result of another entry reads."""
OTHERS = {
    "biomarker",
    "psa_response",
    "psa_progression",
    "bone",
    "estimand",
    "pk",
    "exposure_response",
    "accrual",
}


OF_OTHERS = {"biomarker", "psa_response", "bone", "rescreening", "comparison"}
"""Entries that most others read, or that change who is counted: in CI. The rest in `make long`, and all at once."""
IN_CI = {
    ("objective response", "barest"),
    ("clinical benefit", "all entries"),
    ("without progression", "all entries"),
    ("alive", "barest"),
}


def tier(entry: str) -> pytest.MarkDecorator:
    return pytest.mark.slow if entry in OF_OTHERS else pytest.mark.long


def with_dependents(*entries: str) -> set[str]:
    """The entries and those that need them."""
    left_out = set(entries)
    while more := {name for name, needed in NEEDS.items() if set(needed) & left_out} - left_out:
        left_out |= more
    return left_out


@pytest.fixture(scope="module")
def cut(tmp_path_factory):
    """A simulated cut: its tables, and their folder as Parquet."""
    rules = contracts.load()
    typed = contracts.typed(trial.simulate(128, n_screened=90), rules)
    tables = snapshot.in_order(snapshot.cut(typed, DAY), rules)
    folder = tmp_path_factory.mktemp("cut")
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet")
    return tables, folder


@pytest.fixture(scope="module")
def full(cut):
    return analyses.analyse(cut[0], PLAN, DAY).ard


def without(cut, entries, endpoint="", **changes):
    """The plan without the entries and what needs them, its results, and the second computation.

    A plan without PSA response cannot have it as its primary endpoint: objective response is it then.
    """
    if not endpoint and "psa_response" in entries:
        endpoint = "objective_response"
    plan = with_endpoint(PLAN, endpoint, **changes) if endpoint else PLAN
    plan = plan.model_copy(update=dict.fromkeys(with_dependents(*entries)))
    made = analyses.analyse(cut[0], plan, DAY)
    study = study_of(read_records(cut[1]), plan, DAY)
    second = agreement.QcResult(agreement._compared(made.ard, agreement.second_values(study)))
    return plan, made, second


@pytest.mark.parametrize(
    "entry",
    [
        "lines",
        *(pytest.param(name, marks=tier(name)) for name in sorted(ALONE - {"lines"})),
    ],
)
def test_an_entry_left_out_takes_its_rows_and_moves_no_other(cut, full, entry):
    plan, made, second = without(cut, [entry])
    assert second.differing == 0
    of_plan = [is_in_plan(row[:-1], plan) for row in full[KEY].itertuples(index=False, name=None)]
    wanted, got = (
        rows.sort_values(KEY, ignore_index=True)[[*KEY, "stat", "stat_text", "section"]]
        for rows in (full[of_plan], made.ard)
    )
    pd.testing.assert_frame_equal(got, wanted)
    assert len(wanted) < len(full)


@pytest.mark.parametrize(
    "entries",
    [
        sorted(ALONE | OTHERS),  # the barest plan
        *(pytest.param([name], marks=tier(name)) for name in sorted(OTHERS)),
    ],
    ids=lambda entries: "all" if len(entries) > 1 else entries[0],
)
def test_both_computations_agree_on_a_plan_without_some_entries(cut, full, entries):
    plan, made, second = without(cut, entries)
    assert second.differing == 0
    assert second.agreeing > 5_000
    for row in made.ard[KEY].itertuples(index=False, name=None):
        assert is_in_plan(row[:-1], plan), row
    if not set(entries) & {"bone", "biomarker"}:  # these change who and what is counted
        kept = full.merge(made.ard, on=KEY, suffixes=("", "_now"))
        kept = kept[
            ~kept["analysis"].str.startswith(("pfs", "ttpp", "dor"))
        ]  # PSA is a part of PFS
        assert kept["stat"].astype(str).equals(kept["stat_now"].astype(str))


def test_the_barest_plan_speaks_of_no_marker_psa_or_concentration(cut):
    _, made, _ = without(cut, sorted(ALONE | OTHERS))
    populations = {"CONSENTED", "SCREENED", "PRIMARY", "SAFETY", "MEASURABLE", "PERPROT"}
    assert set(made.ard["population"]) == populations
    assert not made.ard["analysis"].str.contains("psa|ctc|pk|rescreen|marker|sample|ttpp").any()
    of_baseline = made.ard.loc[made.ard["analysis"] == "baseline", "paramcd"]
    assert not set(of_baseline) & {"PSA", "CTC", "MARKER"}
    assert set(made.datasets.by_name()) & {"adpsa", "adctc", "adpc", "adpp", "adbe"} == set()


ENDPOINTS = {
    "objective response": ("objective_response", {}),
    "clinical benefit": ("clinical_benefit", {"from": "lesions", "population": "measurable"}),
    "without progression": ("rate_at", {}),
    "alive": ("rate_at", {"event": "death", "months": 12}),
}
BAREST = sorted(ALONE | OTHERS)


@pytest.mark.parametrize(
    "endpoint, changes, entries",
    [
        pytest.param(
            *ENDPOINTS[name], entries, id=f"{name}, {plan}",
            marks=pytest.mark.slow if (name, plan) in IN_CI else pytest.mark.long,
        )
        for name in ENDPOINTS
        for plan, entries in (("all entries", []), ("barest", BAREST))
    ],
)  # fmt: skip
def test_both_computations_agree_on_each_primary_endpoint(cut, endpoint, changes, entries):
    plan, made, second = without(cut, entries, endpoint, **changes)
    assert second.differing == 0
    primary = made.ard[(made.ard["analysis"] == endpoint) & (made.ard["population"] == "PRIMARY")]
    assert set(primary["paramcd"]) == {plan.primary_parameter}
    names = set(primary["stat_name"])
    assert {"n", "N", "estimate", "conf_low", "conf_high", "p_value", "decision"} <= names
    assert plan.two_stage_analysis in set(made.ard["analysis"])
    compared = second.rows[second.rows["analysis"].isin([endpoint, plan.two_stage_analysis])]
    assert (compared["result"] == agreement.AGREES).sum() > 20


def test_an_entry_that_another_needs_cannot_be_left_out_alone():
    for name, needed in NEEDS.items():
        plan = PLAN.model_copy(update={needed[0]: None})
        conflicts = [str(one) for one in plan._needed_entries()]
        assert f"{name}: {name} needs {needed[0]}: add it, or leave out {name}" in conflicts
