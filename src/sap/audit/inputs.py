"""Is the bundle what it says it is? Sums, log, plan, cut, contracts, and what computes here."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from sap import contracts, runlog, snapshot
from sap.audit.findings import Audit
from sap.bundle.names import SUMS
from sap.bundle.opening import Bundle, sum_of, sums_of
from sap.errors import SapError
from sap.pipeline import accepted_findings
from sap.pipeline.plans import read_plan
from sap.plan import PlanFile

ROLE_CAUSE = {
    "cut": "data",
    "previous": "data",
    "plan": "plan",
    "source": "code",
    "project": "chapters",
    "report": "report",
    "log": "log",
    "lock": "packages",
}


def role_of(bundle: Bundle) -> dict[str, str]:
    """What each file is, by its name in the bundle."""
    return {str(e["name"]): str(e["role"]) for e in bundle.index["files"]}


def run_names(bundle: Bundle) -> dict[str, str]:
    """The name that a file of a run has in the bundle, by the name it had in the run."""
    found = dict(bundle.of_role("report")) | dict(bundle.of_role("ard"))
    found |= {f"adam/{original}": name for original, name in bundle.of_role("dataset").items()}
    found |= {f"tables/{original}": name for original, name in bundle.of_role("table").items()}
    plan = bundle.of_role("plan").get(str(bundle.index["plan_file"]))
    return found | ({"tables/plan.yml": plan} if plan else {})


def check_sums(audit: Audit, bundle: Bundle) -> None:
    """Every file has the sum that SHA256SUMS gives it, and no file is missing or was added."""
    promised = sums_of(bundle.place, bundle.files)
    roles = role_of(bundle)
    wrong = 0
    for name in sorted(promised.keys() | (bundle.files.keys() - {SUMS})):
        if name not in bundle.files:
            words = "is missing"
        elif name not in promised:
            words = f"was added: {SUMS} does not name it"
        elif sum_of(bundle.files[name]) != promised[name]:
            words = "changed: its bytes are not those that were summed"
        else:
            continue
        wrong += 1
        audit.say("input", name, words)
        audit.blame(ROLE_CAUSE.get(roles.get(name, ""), "result"), f"{name} {words}")
    named = {str(e["name"]) for e in bundle.index["files"]} | {"readme.md", "bundle.json", SUMS}
    for name in sorted(bundle.files.keys() ^ named):
        if (name in promised) == (name in bundle.files):
            audit.say("input", name, "stands in the bundle or its index, but not in both")
            wrong += 1
    good = len(promised) - wrong
    audit.checks.append(
        (
            f"{SUMS}: {len(promised)} files",
            "as summed" if not wrong else f"{good} as summed, {wrong} not",
        )
    )


def check_own_files(audit: Audit, bundle: Bundle) -> None:
    """Chapters, contracts and source are those whose sums the index took when the bundle was made."""
    for role, sums, cause in (
        ("project", bundle.index.get("project"), "chapters"),
        ("source", bundle.index["code"].get("files"), "code"),
    ):
        promised = sums if isinstance(sums, dict) else {}
        for original, name in bundle.of_role(role).items():
            content = bundle.files.get(name)
            if content is not None and promised.get(original) != sum_of(content):
                audit.say("input", name, "is not the file that the index took the sum of")
                audit.blame(cause, f"{name} is not the file that was bundled")


def check_log(audit: Audit, bundle: Bundle) -> list[dict[str, Any]]:
    """The chain of the run log, its length, and whether the files are those it wrote last."""
    place = next(iter(bundle.of_role("log").values()), "")
    content = bundle.files.get(place)
    if content is None:
        audit.say("input", "the run log", "is missing")
        audit.blame("log", "the run log is missing")
        return []
    broken = runlog.faults(content)
    records = [r for r in runlog.read(content) if isinstance(r, dict)]
    about = bundle.index.get("log")
    promised = about if isinstance(about, dict) else {}
    if len(records) != promised.get("records"):
        broken.append(f"it has {len(records)} records, the index counted {promised.get('records')}")
    elif records and records[-1].get("seal") != promised.get("last") and not broken:
        broken.append("its last record is not the one the index names: the chain was written anew")
    for words in broken:
        audit.say("input", place, words)
        audit.blame("log", f"{place}: {words}")
    if bundle.index["audience"] != "open":
        sums = {
            original: sum_of(bundle.files[name])
            for original, name in run_names(bundle).items()
            if name in bundle.files
        }
        for words in (*runlog.swapped(records, sums), *runlog.missing(records, sums)):
            audit.say("input", place, words)
            which = words.partition(" ")[0].rstrip(",")
            is_report = which.endswith((".html", ".pdf", ".docx"))
            cause = "report" if is_report else "plan" if which == "tables/plan.yml" else "result"
            audit.blame(cause, words)
        _check_previous(audit, bundle, records)
    audit.checks.append(
        (f"Run log: {len(records)} records", "chain broken" if broken else "chain whole")
    )
    return records


def _check_previous(audit: Audit, bundle: Bundle, records: list[dict[str, Any]]) -> None:
    """The results of the report before are those that the board's last report was made with."""
    inputs = [r["inputs"] for r in records if r.get("step") == "report dsmb" and "inputs" in r]
    named = inputs[-1] if inputs and isinstance(inputs[-1], dict) else {}
    for original, name in bundle.of_role("previous").items():
        content = bundle.files.get(name)
        if content is not None and named.get(f"tables/{original}") != sum_of(content):
            words = "is not what the board's last report was compared with"
            audit.say("input", name, words)
            audit.blame("data", f"{name} {words}")


def _input_of(records: list[dict[str, Any]], prefix: str) -> tuple[str, str] | None:
    for record in reversed(records):
        inputs = record.get("inputs")
        if record.get("step") == "analyse" and isinstance(inputs, dict):
            for name, value in inputs.items():
                if str(name).startswith(prefix):
                    return str(name), str(value)
    return None


def check_plan(
    audit: Audit, bundle: Bundle, records: list[dict[str, Any]], scratch: Path
) -> tuple[Path, PlanFile] | None:
    """The plan can be read and is the one the index, the run and the log name."""
    place = bundle.of_role("plan").get(str(bundle.index["plan_file"]))
    if place is None or place not in bundle.files:
        audit.say("input", "the plan", "is missing")
        return None
    content = bundle.files[place]
    hash_here = sum_of(content)
    run = bundle.json("tables/run.json") if "tables/run.json" in bundle.files else {}
    logged = _input_of(records, "plan")
    says = {
        "the index of the bundle": bundle.index.get("plan_sha256"),
        "the run": run.get("plan_sha256") if isinstance(run, dict) else None,
        "the run log": logged[1] if logged else None,
    }
    others = [who for who, value in says.items() if value is not None and value != hash_here]
    if others:
        words = f"is not the plan that {' and '.join(others)} name"
        audit.say("input", place, words)
        audit.blame("plan", f"{place} {words}")
    audit.checks.append(("Plan", "hash as named" if not others else "hash differs"))
    path = scratch / "plan" / str(bundle.index["plan_file"])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    try:
        return path, read_plan(path)
    except SapError as error:
        # The right plan that this version cannot read is a matter of the code, not of the plan.
        words = str(error).replace(str(path), place)
        audit.say("input" if others else "result", place, f"cannot be used here: {words}")
        return None


def check_cut(
    audit: Audit, bundle: Bundle, records: list[dict[str, Any]], scratch: Path
) -> Path | None:
    """The frozen cut is what was frozen, and the one the index, the run and the log name."""
    folder = scratch / "frozen" / str(bundle.index["cut_id"])
    folder.mkdir(parents=True)
    for original, name in bundle.of_role("cut").items():
        if "/" not in original and name in bundle.files:
            (folder / original).write_bytes(bundle.files[name])
    try:
        manifest = snapshot.verify(folder)
    except SapError as error:
        words = str(error).replace(str(folder), "the cut")
        audit.say("input", "cut", words)
        audit.blame("data", words)
        audit.checks.append(("Frozen cut", "not what was frozen"))
        return None
    logged = _input_of(records, "cut/")
    here = sum_of(bundle.files[bundle.of_role("cut")["manifest.json"]])
    same_id = manifest.cut_id == bundle.index["cut_id"]
    if not same_id or (logged and logged != (f"cut/{manifest.cut_id}", here)):
        words = f"is not the cut the run was made from ({bundle.index['cut_id']})"
        audit.say("input", "cut", words)
        audit.blame("data", f"the frozen cut {words}")
    audit.checks.append(("Frozen cut", f"{manifest.cut_id}, {len(manifest.files)} files as frozen"))
    return folder


def check_contracts(audit: Audit, cut: Path, plan: PlanFile) -> None:
    """The contracts installed here say of the cut what the findings beside it say.

    A rule that is not asked of a cut (`of_cut: as in the extract`) is taken from the record: only
    the extract, which no bundle holds, could answer it again.
    """
    rules = contracts.load()
    recorded = accepted_findings.findings_of(cut)
    asked = plan.plan.inputs.required
    found = contracts.check_cut(snapshot.load(cut), rules, asked, recorded, plan=plan.plan)
    found, _ = contracts.accept(found, accepted_findings.of_cut(cut, rules).entries)
    critical = contracts.stops(found)
    if len(critical):
        audit.say("input", "cut", f"breaks its contracts in {len(critical)} place(s)")
        audit.blame("data", "the frozen data break a critical rule of a contract")
    on_record = pd.read_csv(cut / "findings.csv", dtype=object, keep_default_na=False)
    here = pd.read_csv(
        io.StringIO(found.to_csv(index=False, lineterminator="\n")),
        dtype=object,
        keep_default_na=False,
    )
    same = on_record.equals(here)
    version = contracts.version(rules)
    then = snapshot.verify(cut).contract_version
    if not same:
        other = "" if version == then else f" (contracts {then} then, {version} here)"
        audit.say(
            "input" if not other else "note",
            "cut/findings.csv",
            f"its findings are not those of the contracts here{other}",
        )
        audit.blame("data" if not other else "chapters", f"the findings on the cut differ{other}")
    audit.checks.append(
        (
            f"Contracts {version}",
            f"{len(found)} findings, {'as recorded' if same else 'not as recorded'}",
        )
    )


def check_computing(audit: Audit, bundle: Bundle, run_code: bool) -> None:
    """What computes here and computed there: code, chapters and packages, named where they differ.

    With `run_code` the bundle's own code and chapters compute, so only packages can differ.
    """
    if not run_code:
        code = bundle.index["code"]
        _files(audit, code.get("files"), runlog.code_sums(), "code", "sap/")
        _files(audit, bundle.index.get("project"), runlog.project_sums(), "chapters", "")
    packages = runlog.differing(bundle.index["environment"], runlog.environment())
    if packages:
        audit.blame("packages", "; ".join(packages))
        audit.say("note", "the packages", "; ".join(packages))
    audit.checks.append(("Packages", "as on record" if not packages else f"{len(packages)} differ"))


def _files(audit: Audit, recorded: Any, here: Mapping[str, str], cause: str, prefix: str) -> None:
    old = recorded if isinstance(recorded, dict) else {}
    # A plan beside the one that is audited decides nothing.
    names = {n for n in old.keys() | here.keys() if not n.startswith("analysis/plan")}
    changed = sorted(n for n in names if old.get(n) != here.get(n))
    words = {"code": "Code of the package", "chapters": "Chapters, catalogue and contracts"}[cause]
    if changed:
        shown = ", ".join(prefix + n for n in changed[:6]) + (
            f" and {len(changed) - 6} more" if len(changed) > 6 else ""
        )
        audit.say("note", words, f"installed here differ from the bundle's in {shown}")
        audit.blame(cause, f"{shown} installed here differ(s) from what made the bundle")
    audit.checks.append((words, "as on record" if not changed else f"{len(changed)} files differ"))
