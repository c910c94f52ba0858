"""What a bundle says about itself where nothing is rebuilt, and the first record of a log: each false word is named."""

import json

import pytest

from sap import contracts, runlog
from sap.audit import inputs, statements
from sap.audit.findings import Audit
from sap.bundle.contents import as_index, closed_project
from sap.bundle.opening import Bundle
from sap.pipeline import rules
from sap.pipeline.commands import facts_of_plan
from sap.plan import project_home, read_plan
from sap.plan.deviations import read_deviations
from sap.snapshot import Manifest

HOME = project_home()
PLAN = read_plan(HOME / "analysis" / "plan.yml")
CUT = {
    "cut_id": "c",
    "cut_off": "2019-06-30",
    "cut_off_name": "final",
    "planned": True,
    "synthetic": True,
}
RUN = facts_of_plan(PLAN, "final", planned=True) | CUT | {"audience": "open", "title_page": []}


def a_bundle(run: dict[str, object] = RUN, **changes: object) -> Bundle:
    """An open bundle with the tables that name facts, and an index that agrees with them."""
    departures = read_deviations(HOME / "analysis" / "deviations.yml", PLAN.plan)
    tables = {
        "run.json": run, "manifest.json": CUT, "plan.json": PLAN.plan.model_dump(mode="json"),
        "rules.json": rules.table(PLAN.plan), "deviations.json": [d.model_dump(mode="json") for d in departures],
    }  # fmt: skip
    facts = (
        "study",
        "status",
        "cut_off",
        "cut_off_name",
        "cut_id",
        "synthetic",
        "plan_file",
        "plan_sha256",
    )
    index = {
        "format": 1, "audience": "open", **{name: run[name] for name in facts},
        "code": {"version": "1", "commit": None, "sha256": runlog.tree_sum({}), "files": {}}, "project": {},
        "environment": {"python": "3", "system": "s", "machine": "m", "packages": {}}, "log": None, "wheel": None,
        "left_out": closed_project(runlog.project_sums()),
        "files": [{"name": f"tables/{n}", "original": n, "role": "table"} for n in tables],
    } | changes  # fmt: skip
    files = {f"tables/{name}": json.dumps(content).encode() for name, content in tables.items()}
    return Bundle("b", files | {"bundle.json": as_index(index)}, index)


def said(bundle: Bundle) -> list[str]:
    audit = Audit("b", {})
    inputs.check_log(audit, bundle)
    statements.check_statements(audit, bundle, [])
    statements.check_open_facts(audit, bundle, PLAN)
    return [f"{f.place} {f.words}" for f in audit.findings if f.place != "requirements.lock"]


def test_an_open_bundle_that_agrees_with_plan_and_study_files_has_no_finding():
    assert said(a_bundle()) == []


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"log": {"records": 3, "last": "0"}}, "names a log, which an open bundle does not have"),
        ({"wheel": {"name": "x.whl", "sha256": "0"}}, "names a wheel that is not in the bundle"),
        ({"left_out": {"ard.csv": "asked for"}}, "gives other reasons for missing files"),
        ({"left_out": {}}, "gives other reasons for missing files"),
    ],
)
def test_an_entry_that_no_open_bundle_has_is_named(changes, words):
    assert any(words in each for each in said(a_bundle(**changes))), words


@pytest.mark.parametrize("name", facts_of_plan(PLAN, "final", planned=True))
def test_a_fact_of_the_plan_that_run_and_index_both_falsify_is_named(name):
    """The status of the report, its title, its sponsor: the plan in the bundle says them."""
    got = said(a_bundle(RUN | {name: "another"}))
    assert f"tables/run.json names another {name} than the other files" in got


def test_an_unplanned_cut_off_is_interim_whatever_the_bundle_calls_it():
    got = said(a_bundle(RUN | {"planned": False, "status": "FINAL"}))
    assert "tables/run.json names another status than the other files" in got


def of_contracts(version: str, project: dict[str, str]) -> list[str]:
    manifest = Manifest("c", "2019-06-30", "final", True, True, "0", version, "1", ())
    audit = Audit("b", {})
    statements.check_contract_version(audit, a_bundle(project=project), manifest)
    assert [cause.what for cause in audit.causes] == ["data"] * len(audit.findings)
    return [finding.words for finding in audit.findings]


def test_a_manifest_that_names_other_contracts_than_the_bundle_holds_is_named():
    """The bundle holds the contracts that are installed here; of others the difference is said elsewhere."""
    here, version = runlog.project_sums(), contracts.version(contracts.load())
    assert of_contracts(version, here) == []
    words = f"names the contracts 9.9.9+00000000, those of the bundle are {version}"
    assert of_contracts("9.9.9+00000000", here) == [words]
    assert of_contracts("9.9.9+00000000", here | {"analysis/plan.yml": "0"}) == [words]
    assert of_contracts("9.9.9+00000000", here | {"data-contracts/lb.odcs.yaml": "0"}) == []


@pytest.mark.parametrize(
    "made_from, fault",
    [
        ({"plan": "0", "cut/final": "0"}, False),
        ({}, True),
        ({"plan": "0"}, True),
        ({"cut/final": "0"}, True),
        ({"plan": "0", "cut/final": "0", "cut/other": "0"}, True),
        ({"plan": "0", "plan-of-others": "0", "cut/final": "0"}, True),
    ],
)
def test_the_first_record_of_a_log_names_one_cut_and_the_plan(made_from, fault):
    """Without them plan and cut were compared with nothing."""
    got = inputs._incomplete([{"step": "analyse", "inputs": made_from}])
    assert got == (["its first record does not name one cut and the plan"] if fault else [])
