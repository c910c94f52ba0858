"""What a bundle states about itself (`bundle.json`) against what was verified.

The index is compared with the log, the lock and the source of the bundle, and with manifest and facts of the
rebuilt run; the code and packages installed here with the verified source and lock. No statement of the
bundle becomes a cause.
"""

import json
from collections.abc import Mapping
from typing import Any

from sap import __version__, contracts, runlog
from sap.audit.findings import Audit
from sap.bundle.contents import FACTS, as_index, closed_project
from sap.bundle.opening import INDEX, Bundle, sum_of
from sap.bundle.rules import CLOSED_PROJECT, What
from sap.pipeline import rules
from sap.pipeline.commands import facts_of_plan
from sap.plan import PlanFile, project_home, study_home
from sap.plan.deviations import read_deviations
from sap.runlog.software import installed, locked, other_software, unlocked
from sap.snapshot import Manifest

LOCK = "requirements.lock"
SHOWN = 6


def _state_fault(audit: Audit, words: str) -> None:
    audit.add_finding("input", INDEX, words)
    audit.add_cause("index", f"{INDEX} {words}")


def check_statements(audit: Audit, bundle: Bundle, records: list[dict[str, Any]]) -> None:
    """The index against the log and the lock of the bundle.

    1. It is written as sap writes it, so that no name is in it twice.
    2. The version and the sum of the code are those of its list of source files.
    3. The last record of each step of the log was made by the same code, study files and packages.
    4. Every package has the version of the lock in the bundle.
    """
    index = bundle.index
    if as_index(index) != bundle.files[INDEX]:
        _state_fault(audit, "is not written as sap writes it")
    code = index["code"]
    files = code.get("files")
    if not isinstance(files, dict) or not all(isinstance(v, str) for v in files.values()):
        _state_fault(audit, "has no list of the source files")
    elif runlog.tree_sum(files) != code.get("sha256"):
        _state_fault(audit, "gives another sum of the code than its list of source files does")
    named = index.get("wheel")
    if named is not None and not bundle.of_role("wheel"):
        _state_fault(audit, "names a wheel that is not in the bundle")
    for original, name in bundle.of_role("wheel").items():
        if name in bundle.files and named != {"name": name, "sha256": sum_of(bundle.files[name])}:
            _state_fault(audit, f"names another wheel than {original}")
    if index["audience"] != "open":
        _check_record(audit, bundle, records)
    lock = bundle.files.get(bundle.of_role("lock").get(LOCK, ""))
    if lock is None:
        audit.add_finding("input", LOCK, "is missing")
        audit.add_cause("packages", "the lock is missing from the bundle")
        return
    other = unlocked(index["environment"], lock.decode("utf-8", "replace"))
    if other:
        _state_fault(
            audit, f"names packages that its lock does not have: {'; '.join(other[:SHOWN])}"
        )
    audit.checks.append(
        ("Packages named by the bundle", "as in its lock" if not other else f"{len(other)} differ")
    )


def _check_record(audit: Audit, bundle: Bundle, records: list[dict[str, Any]]) -> None:
    index = bundle.index
    project = index.get("project")
    sums = project if isinstance(project, dict) else {}
    stated = {
        "sap": index["code"].get("version"),
        "code": index["code"].get("sha256"),
        "project": runlog.tree_sum({str(k): str(v) for k, v in sums.items()}),
        **index["environment"],
    }
    last = {str(record.get("step")): record for record in records}
    for record in last.values():
        parts = other_software(record, stated)
        if parts:
            number = record.get("number")
            _state_fault(audit, f"names other software than record {number} of the log: {'; '.join(parts[:SHOWN])}")  # fmt: skip


def check_running(audit: Audit, bundle: Bundle, *, run_code: bool) -> None:
    """What runs here against the verified lock and source: each difference is a cause.

    With `run_code` the source and study files of the bundle run, so only packages can differ, from the
    bundle's lock.
    """
    if run_code:
        lock = bundle.files.get(bundle.of_role("lock").get(LOCK, ""), b"")
    else:
        lock = (project_home() / LOCK).read_bytes()
        _check_code(audit, bundle)
    packages = [
        f"{name} {here} runs here, locked is {wanted}"
        for name, wanted in locked(lock.decode("utf-8", "replace")).items()
        if (here := installed(name)) not in (None, wanted)
    ]
    if packages:
        audit.add_cause("packages", "; ".join(packages))
        audit.add_finding("note", "the packages", "; ".join(packages))
    audit.checks.append(
        ("Packages that run", "as locked" if not packages else f"{len(packages)} differ")
    )
    local = runlog.environment()
    machine = [
        f"{fact} {stated}, here {local[fact]}"
        for fact in ("python", "system", "machine")
        if (stated := bundle.index["environment"].get(fact)) != local[fact]
    ]
    if machine:
        audit.add_finding(
            "note",
            "the machine",
            f"the bundle states {'; '.join(machine)}: not verified, and no reason for a difference",
        )


def _check_code(audit: Audit, bundle: Bundle) -> None:
    """The sums that the index has of source and study files against those of the files installed here."""
    code = bundle.index["code"]
    here = runlog.project_sums()
    if bundle.index["audience"] == "open":
        here = {name: one for name, one in here.items() if name not in CLOSED_PROJECT}
    if code.get("version") != __version__:
        words = f"sap {__version__} runs here, the bundle names {code.get('version')}"
        audit.add_finding("result", "the version of sap", words)
        audit.add_cause("code", words)
    _files(audit, code.get("files"), runlog.code_sums(), "code", "sap/")
    project = bundle.index.get("project")
    old = project if isinstance(project, dict) else {}
    for cause, of_lock in LISTS:
        then, now = (
            {n: s for n, s in one.items() if (n == LOCK) is of_lock} for one in (old, here)
        )
        _files(audit, then, now, cause, "")


LISTS: tuple[tuple[What, bool], ...] = (("packages", True), ("chapters", False))
LABELS: Mapping[What, str] = {
    "code": "Code of the package",
    "chapters": "Chapters, catalogue and contracts",
    "packages": "The lock",
}


def _files(audit: Audit, recorded: Any, here: Mapping[str, str], cause: What, prefix: str) -> None:
    old = recorded if isinstance(recorded, dict) else {}
    changed = sorted(n for n in old.keys() | here.keys() if old.get(n) != here.get(n))
    if changed:
        more = f" and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
        listed = ", ".join(prefix + n for n in changed[:SHOWN]) + more
        words = f"installed here differ(s) from what the bundle names in {listed}"
        audit.add_finding("result", LABELS[cause], words)
        audit.add_cause(cause, f"{listed} installed here differ(s) from what the bundle names")
    audit.checks.append(
        (LABELS[cause], "as installed" if not changed else f"{len(changed)} file(s) differ")
    )


def verified_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a rebuilt run that the page shows."""
    return {name: facts[name] for name in FACTS} | {"verified": True}


def check_facts(audit: Audit, bundle: Bundle, facts: Mapping[str, Any]) -> None:
    """The facts in the index are those of the rebuilt run, which the page then shows."""
    for name in FACTS:
        if bundle.index.get(name) != facts.get(name):
            _state_fault(audit, f"names another {name} than manifest and plan give")
    audit.facts |= verified_facts(facts)


def check_left_out(audit: Audit, bundle: Bundle, left_out: Mapping[str, str]) -> None:
    """The reasons why an interchange file is missing are those of the rebuild."""
    if bundle.index.get("left_out") != dict(left_out):
        _state_fault(audit, "gives other reasons for missing files than the rebuild")


def check_open_left_out(audit: Audit, bundle: Bundle) -> None:
    """The files that an open bundle leaves out are those of the study that are closed."""
    check_left_out(audit, bundle, closed_project(runlog.project_sums()))


def check_planned(audit: Audit, plan: PlanFile, manifest: Manifest) -> None:
    """A planned cut-off is one of the plan, with its date."""
    known = plan.plan.cut_offs.dates.get(str(manifest.cut_off_name))
    day = known.date if known is not None else None
    by_number = (
        known is not None and day is None
    )  # the rebuild compares it with the data of the cut
    if manifest.planned and not by_number and (day is None or day.isoformat() != manifest.cut_off):
        words = "names a planned cut-off that the plan does not have at this date"
        audit.add_finding("input", "cut/manifest.json", words)
        audit.add_cause("data", f"the manifest of the cut {words}")


def check_contract_version(audit: Audit, bundle: Bundle, manifest: Manifest) -> None:
    """The manifest names the contracts of the bundle, where those are the ones installed here.

    Others than those installed here are a difference by themselves (`check_running`).
    """
    project = bundle.index["project"]
    then, here = (
        {name: one for name, one in sums.items() if name.startswith("data-contracts/")}
        for sums in (project, runlog.project_sums())
    )
    version = contracts.version(contracts.load())
    if then == here and manifest.contract_version != version:
        words = (
            f"names the contracts {manifest.contract_version}, those of the bundle are {version}"
        )
        audit.add_finding("input", "cut/manifest.json", words)
        audit.add_cause("data", f"the manifest of the cut {words}")


def check_open_facts(audit: Audit, bundle: Bundle, plan: PlanFile) -> None:
    """What can be checked of an open bundle without its data: plan, cut-off, facts of the run."""
    check_open_left_out(audit, bundle)
    run = _table(bundle, "run.json")
    for name in FACTS:
        if bundle.index.get(name) != run.get(name):
            _state_fault(audit, f"names another {name} than tables/run.json")
    wrong = {
        "audience": run.get("audience") != "open",
        "study": run.get("study") != plan.plan.study.id,
    }
    manifest = _table(bundle, "manifest.json")
    shared = ("cut_id", "cut_off", "cut_off_name", "planned", "synthetic")
    wrong |= {name: manifest.get(name) != run.get(name) for name in shared}
    of_plan = facts_of_plan(plan, run.get("cut_off_name"), planned=run.get("planned") is True)
    wrong |= {name: run.get(name) != value for name, value in of_plan.items()}
    departures = read_deviations(study_home() / "analysis" / "deviations.yml", plan.plan)
    wanted: dict[str, tuple[What, Any]] = {
        "plan.json": ("plan", plan.plan.model_dump(mode="json")),
        "rules.json": ("chapters", rules.table(plan.plan)),
        "deviations.json": ("chapters", [one.model_dump(mode="json") for one in departures]),
    }
    for name, (cause, content) in wanted.items():
        if _content(bundle, name) != json.loads(json.dumps(content)):
            words = "is not what plan and study files give"
            audit.add_finding("input", f"tables/{name}", words)
            audit.add_cause(cause, f"tables/{name} {words}")
    for name in (name for name, is_wrong in wrong.items() if is_wrong):
        audit.add_finding("input", "tables/run.json", f"names another {name} than the other files")
        audit.add_cause("index", f"tables/run.json names another {name} than the other files")


def _content(bundle: Bundle, name: str) -> Any:
    place = bundle.of_role("table").get(name, "")
    return bundle.json(place) if place in bundle.files else None


def _table(bundle: Bundle, name: str) -> dict[str, Any]:
    content = _content(bundle, name)
    return content if isinstance(content, dict) else {}
