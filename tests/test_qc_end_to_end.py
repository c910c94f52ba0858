"""The second computation of sixty simulated patients: what the catalogue claims, and planted faults."""

import datetime as dt
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from sap import contracts, snapshot
from sap.catalogue.reporting import analysis
from sap.pipeline import analyses
from sap.plan import read_plan
from sap.qc import agreement, compare
from sap.qc.study import QcRow, study_of
from sap.qc.subjects import read_records
from sap.simulate import trial

HOME = Path(__file__).parents[1]
CARVE = read_plan(HOME / "analysis" / "plan.yml")


def compared(tables, plan, frozen_root: Path, spoil=None):
    """Freeze, analyse, compute again; `spoil` changes the ARD in between."""
    rules = contracts.load()
    day = plan.plan.cut_offs.dates["final"].date
    kept = snapshot.in_order(snapshot.cut(contracts.typed(tables, rules), day), rules)
    cut = snapshot.freeze(
        kept,
        cut_off=day,
        cut_off_name="final",
        planned=True,
        plan_hash=plan.sha256,
        contracts=rules,
        findings=pd.DataFrame(columns=list(contracts.FINDING_COLUMNS)),
        frozen_root=frozen_root,
    )
    made = analyses.analyse(snapshot.load(cut), plan.plan, day)
    rows = made.ard if spoil is None else spoil(made.ard)
    return compare(cut, plan.plan, rows)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The second computation of sixty simulated patients, and the folder of their cut."""
    tables = trial.simulate(3, ctc_threshold=CARVE.plan.biomarker.cell_count.minimum, n_screened=60)
    folder = tmp_path_factory.mktemp("frozen")
    return SimpleNamespace(result=compared(tables, CARVE, folder), folder=folder)


# Of these analyses some statistics have no second computation: no other program tests
# proportional hazards by the plan's transform, or has Firth's penalty by the plan's rule.
PARTLY = {"os_marker", "os_group", "tipping_point", "tumour_agreement", "data_timeliness"}


def test_what_the_catalogue_says_of_the_second_computation_is_delivered(small):
    for name, rows in small.result.rows.groupby("analysis"):
        expected = {analysis(name).second.replace("none", "")}
        if name in PARTLY:
            assert "raw" in set(rows["source"]), name
            expected.add("")
        assert set(rows["source"]) <= expected, name
    assert small.result.differing == 0
    assert small.result.shares()["raw"] > 95
    assert small.result.shares()["datasets"] == 0


def test_one_changed_result_of_each_analysis_is_noticed_and_no_other(small):
    """One statistic of each analysis is changed by a thousandth, and that row alone differs."""
    rows = small.result.rows[
        small.result.rows["source"].eq("raw") & small.result.rows["stat"].notna()
    ]
    changed = rows.groupby("analysis").head(1).index
    ard = small.result.rows.copy()
    ard.loc[changed, "stat"] = ard.loc[changed, "stat"] * 1.001 + 0.001
    known = {
        key: QcRow(*key, second, method, source)
        for key, second, method, source in zip(
            ard[list(agreement.KEY)].itertuples(index=False, name=None),
            ard["second"].where(ard["second"].notna(), None),
            ard["method"],
            ard["source"],
            strict=True,
        )
        if source
    }
    result = agreement._compared(ard, known)
    assert set(result.index[result["result"] == agreement.DIFFERS]) == set(changed)
    assert len(changed) > 50


def test_a_changed_record_of_the_raw_data_changes_the_second_value(small):
    """One death is a day earlier: survival differs, PSA response does not."""
    cut = next(path.parent for path in small.folder.glob("*/manifest.json"))
    tables = read_records(cut)
    dead = next(row for row in tables["dm"] if row["DTHDTC"])
    dead["DTHDTC"] = (dt.date.fromisoformat(dead["DTHDTC"]) - dt.timedelta(days=1)).isoformat()
    cut_off = CARVE.plan.cut_offs.dates["final"].date
    known = agreement.second_values(study_of(tables, CARVE.plan, cut_off))
    before = small.result.rows.set_index(list(agreement.KEY))["second"]
    differing = {
        key[0]
        for key, row in known.items()
        if key in before.index
        and not (row.value == before[key] or (row.value is None and pd.isna(before[key])))
    }
    assert {"os", "os_curve"} <= differing
    assert "psa_response" not in differing
