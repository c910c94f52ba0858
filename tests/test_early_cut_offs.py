"""A trial at a dozen early cut-offs: every dataset has its columns, and both computations agree."""

import datetime as dt
from pathlib import Path

import pytest

from sap import contracts, snapshot
from sap.pipeline import analyses, commands, datasets
from sap.plan import read_plan
from sap.qc import compare
from sap.simulate.trial import simulate

PLAN_FILE = Path(__file__).parents[1] / "analysis" / "plan.yml"
PLAN = read_plan(PLAN_FILE).plan
# Seed 128: first consent 2016-03-01, first dose 2016-05-25, first scan after a dose 2016-08-14 and first sum
# of diameters 2016-11-03; patients of the primary set are 0 to 9.
DAYS = (
    "2016-02-29", "2016-03-01", "2016-04-30", "2016-06-30", "2016-07-31", "2016-08-31", "2016-09-30",
    "2016-10-31", "2016-11-30", "2016-12-31", "2017-02-28", "2017-04-30",
)  # fmt: skip
# Flags of ADSL that a study has only with measurable lesions, concentrations, or times of a dose.
OF_DATA = {"adsl": {"MEASFL", "PKEVFL", "TRTSTM"}}


@pytest.fixture(scope="module")
def extract():
    return contracts.typed(simulate(128), contracts.load())


@pytest.fixture(scope="module")
def columns(extract) -> dict[str, list[str]]:
    """The columns of every dataset at the interim cut-off."""
    day = PLAN.cut_offs.dates["interim"].date
    made = datasets.derive(snapshot.cut(extract, day), PLAN, day).by_name()
    return {name: sorted(frame.columns) for name, frame in made.items()}


@pytest.mark.parametrize(
    "day",
    [
        pytest.param(day, marks=pytest.mark.slow if i % 2 else pytest.mark.long)
        for i, day in enumerate(DAYS)
    ],
)
def test_an_early_cut_off_is_analysed_and_each_dataset_has_its_columns(extract, columns, day):
    cut_off = dt.date.fromisoformat(day)
    made = analyses.analyse(snapshot.cut(extract, cut_off), PLAN, cut_off)
    rows = made.ard
    assert (rows["stat"].notna() | (rows["stat_text"].fillna("") != "")).all()
    for name, frame in made.datasets.by_name().items():
        assert set(columns[name]) - set(frame.columns) <= OF_DATA.get(name, set()), name


@pytest.mark.long
@pytest.mark.parametrize("day", DAYS[1:])  # a cut without a patient is refused
def test_both_computations_agree_at_an_early_cut_off(tmp_path_factory, day):
    folder = tmp_path_factory.getbasetemp() / "early"
    source = folder / "extract"
    if not source.is_dir():
        commands.simulate(source, PLAN_FILE, 128, {})
    cut = commands.freeze(source, PLAN_FILE, day, folder / "frozen")
    run = commands.analyse(cut, PLAN_FILE, folder / f"run-{day}")
    from sap import ard

    checked = compare(cut, PLAN, ard.from_csv(run / "ard.csv"))
    different = checked.rows[checked.rows["result"] == "differs"]
    assert different.empty, different.to_string()
