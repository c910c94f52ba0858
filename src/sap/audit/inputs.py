"""Verification of the inputs of a bundle: rules, sums, log, plan, cut and contracts."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from sap import contracts, runlog, snapshot
from sap.audit.compared import rules_of
from sap.audit.findings import Audit
from sap.bundle.contents import as_sums
from sap.bundle.names import OUTSIDE_SUMS, SIGNATURE, SUMS
from sap.bundle.opening import INDEX, Bundle, sum_of, sums_of
from sap.bundle.rules import OWN, What, without_rule
from sap.errors import SapError
from sap.intake import sdtm_map
from sap.pipeline import accepted_findings
from sap.pipeline.plans import read_plan
from sap.plan import PlanFile
from sap.runlog.chain import ANALYSIS

FIRST_STEP = ANALYSIS
LOCK = "requirements.lock"


def causes_of(bundle: Bundle) -> dict[str, What]:
    """What a change of each file is called as a cause, by its name in the bundle."""
    causes: dict[str, What] = {name: rule.cause for name, rule in rules_of(bundle).items()}
    return causes | {INDEX: "index"}


def check_rules(audit: Audit, bundle: Bundle) -> bool:
    """Whether every file of the bundle has a rule for its audience; what has none is a finding."""
    index = bundle.index
    refused = without_rule(str(index["audience"]), index["files"])
    for name, words in refused:
        audit.add_finding("input", name, words)
    if refused:
        names = ", ".join(name for name, _ in refused[:6])
        audit.add_cause("index", f"the bundle holds what no bundle for its audience holds: {names}")
    audit.checks.append(
        ("Rules", "each file has one" if not refused else f"{len(refused)} file(s) have none")
    )
    return not refused


def run_names(bundle: Bundle) -> dict[str, str]:
    """The name of each file of the run in the bundle, by its name in the run."""
    names = dict(bundle.of_role("report")) | dict(bundle.of_role("ard"))
    names |= {f"adam/{original}": name for original, name in bundle.of_role("dataset").items()}
    names |= {f"tables/{original}": name for original, name in bundle.of_role("table").items()}
    plan = bundle.of_role("plan").get(str(bundle.index["plan_file"]))
    return names | ({"tables/plan.yml": plan} if plan else {})


def check_sums(audit: Audit, bundle: Bundle) -> None:
    """Every file has the checksum in SHA256SUMS, and no file is missing or was added."""
    recorded = sums_of(bundle.place, bundle.files)
    causes = causes_of(bundle)
    n_wrong = 0
    for name in sorted(recorded.keys() | (bundle.files.keys() - set(OUTSIDE_SUMS))):
        if name not in bundle.files:
            problem = "is missing"
        elif name not in recorded:
            problem = f"was added: {SUMS} does not name it"
        elif sum_of(bundle.files[name]) != recorded[name]:
            problem = "changed: its bytes do not match its checksum"
        else:
            continue
        n_wrong += 1
        audit.add_finding("input", name, problem)
        audit.add_cause(causes.get(name, "result"), f"{name} {problem}")
    named = {str(e["name"]) for e in bundle.index["files"]} | set(OWN)
    for name in sorted((bundle.files.keys() - {SIGNATURE}) ^ named):
        if (name in recorded) == (name in bundle.files) and name != SUMS:
            problem = "is in the bundle or in its index, but not in both"
            audit.add_finding("input", name, problem)
            audit.add_cause(causes.get(name, "index"), f"{name} {problem}")
            n_wrong += 1
    if not n_wrong and as_sums(bundle.files) != bundle.files[SUMS]:
        audit.add_finding(
            "input", SUMS, "is not written as sap writes it: one line a file, by name"
        )
        audit.add_cause("index", f"{SUMS} was rewritten")
    n_good = len(recorded) - n_wrong
    audit.checks.append(
        (
            f"{SUMS}: {len(recorded)} files",
            "checksums match" if not n_wrong else f"{n_good} match, {n_wrong} do not",
        )
    )


def check_own_files(audit: Audit, bundle: Bundle) -> None:
    """Lock, chapters, contracts and source are the files whose checksums the index has, and all of them."""
    roles: tuple[tuple[tuple[str, ...], Any, What], ...] = (
        (("project",), bundle.index.get("project"), "chapters"),
        (("lock",), bundle.index.get("project"), "packages"),
        (("source",), bundle.index["code"].get("files"), "code"),
    )
    for names, sums, cause in roles:
        recorded = sums if isinstance(sums, dict) else {}
        listed = {o: n for role in names for o, n in bundle.of_role(role).items()}
        if cause == "code" and bundle.index["audience"] != "auditor":
            continue  # its source is not in the bundle: the sums of the index are compared with what runs
        wanted = {o for o in recorded if (o == LOCK) == (cause == "packages")} if sums else set()
        for original in sorted(listed.keys() | wanted):
            content = bundle.files.get(listed.get(original, ""))
            if content is None:
                audit.add_finding("input", original, "is in the index and not in the bundle")
                audit.add_cause(cause, f"{original} was removed")
            elif recorded.get(original) != sum_of(content):
                name = listed[original]
                audit.add_finding("input", name, "is not the file that the index took the sum of")
                audit.add_cause(cause, f"{name} is not the file that was bundled")


def check_log(audit: Audit, bundle: Bundle) -> list[dict[str, Any]]:
    """The chain of the run log, its length, and whether the files are those it recorded last."""
    if bundle.index["audience"] == "open":
        if bundle.index["log"] is not None:
            audit.add_finding("input", INDEX, "names a log, which an open bundle does not have")
            audit.add_cause("index", f"{INDEX} names a log, which an open bundle does not have")
        audit.checks.append(("Run log", "not part of an open bundle"))
        return []
    place = next(iter(bundle.of_role("log").values()), "")
    content = bundle.files.get(place)
    if content is None:
        audit.add_finding("input", "the run log", "is missing")
        audit.add_cause("log", "the run log is missing")
        return []
    records = [r for r in runlog.read(content) if isinstance(r, dict)]
    faults = runlog.faults(content) or _incomplete(records)
    about = bundle.index.get("log")
    recorded = about if isinstance(about, dict) else {}
    if len(records) != recorded.get("records"):
        faults.append(f"it has {len(records)} records, the index has {recorded.get('records')}")
    elif records and records[-1].get("seal") != recorded.get("last") and not faults:
        faults.append("its last record is not the one in the index: the chain was rewritten")
    for fault in faults or runlog.misread(records):
        audit.add_finding("input", place, fault)
        audit.add_cause("log", f"{place}: {fault}")
    sums = {
        original: sum_of(bundle.files[name])
        for original, name in run_names(bundle).items()
        if name in bundle.files
    }
    unnamed = [] if faults else runlog.unnamed(records, sums)
    for fault in (*runlog.swapped(records, sums), *runlog.missing(records, sums), *unnamed):
        audit.add_finding("input", place, fault)
        file_name = fault.partition(" ")[0].rstrip(",")
        is_report = file_name.endswith((".html", ".pdf", ".docx"))
        cause: What = (
            "report" if is_report else "plan" if file_name == "tables/plan.yml" else "result"
        )
        audit.add_cause(cause, fault)
    _check_previous(audit, bundle, records)
    audit.checks.append(
        (f"Run log: {len(records)} records", "chain broken" if faults else "chain intact")
    )
    return records


def _incomplete(records: list[dict[str, Any]]) -> list[str]:
    """What a log lacks whose seals are unbroken; the first case that applies.

    1. A record: an empty log is no chain.
    2. The record that began the run: the first one analysed a cut.
    3. What it was made from: that record names one cut and the plan, nothing else.
    """
    if not records:
        return ["it has no record: an empty log is no chain"]
    first = records[0]
    if first.get("step") != FIRST_STEP or not isinstance(first.get("inputs"), dict):
        return ["its first record is not that of the analysis"]
    if sorted(name.partition("/")[0] for name in first["inputs"]) != ["cut", "plan"]:
        return ["its first record does not name one cut and the plan"]
    return []


def _check_previous(audit: Audit, bundle: Bundle, records: list[dict[str, Any]]) -> None:
    """The previous results are those with which the last DSMB report was compared."""
    inputs = [r["inputs"] for r in records if r.get("step") == "report dsmb" and "inputs" in r]
    recorded = inputs[-1] if inputs and isinstance(inputs[-1], dict) else {}
    for original, name in bundle.of_role("previous").items():
        content = bundle.files.get(name)
        if content is not None and recorded.get(f"tables/{original}") != sum_of(content):
            problem = "is not what the last DSMB report was compared with"
            audit.add_finding("input", name, problem)
            audit.add_cause("data", f"{name} {problem}")


def _input_of(records: list[dict[str, Any]], prefix: str) -> tuple[str, str] | None:
    for record in reversed(records):
        inputs = record.get("inputs")
        if record.get("step") == FIRST_STEP and isinstance(inputs, dict):
            for name, value in inputs.items():
                if str(name).startswith(prefix):
                    return str(name), str(value)
    return None


def check_plan(
    audit: Audit, bundle: Bundle, records: list[dict[str, Any]], scratch: Path
) -> tuple[Path, PlanFile] | None:
    """The plan can be read and is the one recorded in the index, the run and the log."""
    place = bundle.of_role("plan").get(str(bundle.index["plan_file"]))
    if place is None or place not in bundle.files:
        audit.add_finding("input", "the plan", "is missing")
        return None
    content = bundle.files[place]
    hash_here = sum_of(content)
    run = bundle.json("tables/run.json") if "tables/run.json" in bundle.files else {}
    logged = _input_of(records, "plan")
    recorded = {
        "the index of the bundle": bundle.index.get("plan_sha256"),
        "the run": run.get("plan_sha256") if isinstance(run, dict) else None,
        "the run log": logged[1] if logged else None,
    }
    differing = [
        source for source, value in recorded.items() if value is not None and value != hash_here
    ]
    if differing:
        problem = f"is not the plan that {' and '.join(differing)} name"
        audit.add_finding("input", place, problem)
        audit.add_cause("plan", f"{place} {problem}")
    audit.checks.append(("Plan", "hash as named" if not differing else "hash differs"))
    path = scratch / "plan" / str(bundle.index["plan_file"])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    try:
        return path, read_plan(path)
    except SapError as error:
        # The recorded plan that this version cannot read is a difference of the code, not of the plan.
        problem = str(error).replace(str(path), place)
        audit.add_finding(
            "input" if differing else "result", place, f"cannot be used here: {problem}"
        )
        return None


def check_cut(
    audit: Audit, bundle: Bundle, records: list[dict[str, Any]], scratch: Path
) -> Path | None:
    """The frozen cut is unchanged, and is the one recorded in the index, the run and the log."""
    folder = scratch / "frozen" / str(bundle.index["cut_id"])
    folder.mkdir(parents=True)
    for original, name in bundle.of_role("cut").items():
        if "/" not in original and name in bundle.files:
            (folder / original).write_bytes(bundle.files[name])
    try:
        manifest = snapshot.verify(folder)
    except SapError as error:
        problem = str(error).replace(str(folder), "the cut")
        audit.add_finding("input", "cut", problem)
        audit.add_cause("data", problem)
        audit.checks.append(("Frozen cut", "not what was frozen"))
        return None
    tables = snapshot.load(folder)
    _check_synthetic(audit, tables, manifest)
    _check_map(audit, folder, tables)
    logged = _input_of(records, "cut/")
    here = sum_of(bundle.files[bundle.of_role("cut")["manifest.json"]])
    same_id = manifest.cut_id == bundle.index["cut_id"]
    if not same_id or (logged and logged != (f"cut/{manifest.cut_id}", here)):
        problem = f"is not the cut the run was made from ({bundle.index['cut_id']})"
        audit.add_finding("input", "cut", problem)
        audit.add_cause("data", f"the frozen cut {problem}")
    audit.checks.append(("Frozen cut", f"{manifest.cut_id}, {len(manifest.files)} files as frozen"))
    return folder


def _check_map(audit: Audit, cut: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """The lines of the table `mapped` are those of the map that was frozen with it."""
    fault = sdtm_map.fault_of_lines(cut, tables.get(sdtm_map.MAPPED))
    if fault:
        audit.add_finding("input", "cut", fault)
        audit.add_cause("data", f"the map of the intake: {fault}")


def _check_synthetic(
    audit: Audit, tables: Mapping[str, pd.DataFrame], manifest: snapshot.Manifest
) -> None:
    """What the manifest calls synthetic is what the data call so."""
    if manifest.synthetic != snapshot.is_synthetic(dict(tables)):
        words = (
            "calls the data synthetic" if manifest.synthetic else "does not call the data synthetic"
        )
        audit.add_finding("input", "cut/manifest.json", f"{words}, and the data do not agree")
        audit.add_cause("data", f"the manifest of the cut {words}, and the data do not agree")


def check_contracts(audit: Audit, cut: Path, plan: PlanFile) -> None:
    """The contracts installed here give the findings recorded with the cut.

    The findings of a rule that is not checked on a cut (`of_cut: as in the extract`) are taken from
    the record, because the extract is not part of the bundle.
    """
    rules = contracts.load()
    recorded = accepted_findings.findings_of(cut)
    required = plan.plan.inputs.required
    findings = contracts.check_cut(snapshot.load(cut), rules, required, recorded, plan=plan.plan)
    findings, _ = contracts.accept(findings, accepted_findings.of_cut(cut, rules).entries)
    critical = contracts.stops(findings)
    if len(critical):
        audit.add_finding("input", "cut", f"breaks its contracts in {len(critical)} place(s)")
        audit.add_cause("data", "the frozen data break a critical rule of a contract")
    on_record = pd.read_csv(cut / "findings.csv", dtype=object, keep_default_na=False)
    here = pd.read_csv(
        io.StringIO(findings.to_csv(index=False, lineterminator="\n")),
        dtype=object,
        keep_default_na=False,
    )
    same = on_record.equals(here)
    version = contracts.version(rules)
    version_then = snapshot.verify(cut).contract_version
    if not same:
        other = (
            "" if version == version_then else f" (contracts {version_then} then, {version} here)"
        )
        words = f"its findings are not those of the contracts here{other}"
        audit.add_finding("input", "cut/findings.csv", words)
        audit.add_cause(
            "data" if not other else "chapters", f"the findings on the cut differ{other}"
        )
    audit.checks.append(
        (
            f"Contracts {version}",
            f"{len(findings)} findings, {'as recorded' if same else 'not as recorded'}",
        )
    )
