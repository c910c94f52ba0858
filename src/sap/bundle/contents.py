"""The contents of a bundle for each audience, and how it is written: same inputs, same bytes."""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from sap import __version__, ard, runlog
from sap.bundle.names import OUTSIDE_SUMS, SIGNATURE, SUMS
from sap.bundle.opening import INDEX, sum_of
from sap.bundle.rules import (
    AUDIENCES,
    CLOSED_PROJECT,
    OPEN_TABLES,
    PREVIOUS,
    placed,
    rule_of,
)
from sap.bundle.wheel import wheel_of
from sap.errors import IntegrityError, UsageError
from sap.runlog.chain import NAME as LOG
from sap.runlog.software import (
    Software,
    code_files,
    other_software,
    project_files,
    software_record,
    unlocked,
)

REPORTS = ("*.html", "*.pdf", "*.docx", "dsmb-open/*", "dsmb-closed/*")
ZIP_DATE = (1980, 1, 1, 0, 0, 0)


class Contents(NamedTuple):
    """Every file of a bundle by its name in it."""

    files: dict[str, bytes]


class Gathered:
    """The files of a bundle with their role and original name; a name given twice is refused."""

    def __init__(self, audience: str) -> None:
        self.audience = audience
        self.files: dict[str, bytes] = {}
        self.entries: list[dict[str, str]] = []

    def add(self, role: str, original: str, content: bytes) -> None:
        """Add a file at the place that its rule names.

        Raises
        ------
        UsageError
            No bundle for this audience holds such a file, or another one has its name.
        """
        rule = rule_of(role, original, self.audience)
        if rule is None:
            raise UsageError(
                f"{original} is no file of a bundle for {self.audience}: the audit has no rule by which it "
                "could compare it (docs/reference/bundle.md). Remove it from the run."
            )
        name = placed(rule, original)
        if name in self.files:
            raise UsageError(f"two files would be called {name} in the bundle: rename {original}")
        self.files[name] = content
        self.entries.append({"name": name, "original": original, "role": role})


def software_here() -> Software:
    """The software that is installed here."""
    return Software(__version__, code_files(), project_files(), runlog.environment())


def reduced_manifest(manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest of a cut for an open reader: which domains there are, without rows and checksums.

    Rows and checksums of a domain are results: the rows of DV are the deviations, those of TU the scans.
    """
    names = ("cut_id", "cut_off", "cut_off_name", "planned", "synthetic")
    shown = {name: manifest[name] for name in names if name in manifest}
    return shown | {"files": [{"name": file["name"]} for file in manifest.get("files", ())]}


def shared_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of an ARD that may be published: those that the open DSMB report may hold."""
    from sap.results.dsmb import open_rows

    return open_rows(rows)


def contents(
    run: Path,
    cut: Path,
    *,
    audience: str,
    exports: Mapping[str, bytes],
    left_out: Mapping[str, str],
    commit: str | None,
) -> Contents:
    """Everything a bundle of this run holds for an audience.

    1. open: nothing patient-level or closed: the open report, shared ARD rows, plan, chapters,
       contracts, catalogue, lock, names of the domains. No log, which has the checksums of closed
       files, accounts, hosts and paths, and no rows or checksums of the cut.
    2. closed: also the closed reports, the complete ARD, the frozen cut, the datasets, the findings,
       the results of the previous report and the DSMB's list of actions.
    3. auditor: also the package's source, and the guide and interchange files.

    `exports` are files made for the bundle (XPT, Dataset-JSON, guide) and `left_out` says why one
    is missing. The run log is copied as it is into the bundles that hold it.

    Raises
    ------
    IntegrityError
        A file of the run is not the one that its log records.
    UsageError
        The audience is unknown, two files would have one name, a file has no rule, the run has no
        log, or was made by other code or packages than those installed here.
    """
    if audience not in AUDIENCES:
        raise UsageError(f"audience {audience!r} is not one of {', '.join(AUDIENCES)}.")
    records = _checked_log(run)
    software = software_here()
    _refuse_other_software(run, records, software)
    gathered = gather(run, cut, audience=audience, exports=exports, software=software)
    if audience != "open":
        gathered.add("log", LOG, (run / LOG).read_bytes())
    index = index_of(
        gathered,
        facts=runlog.run_facts(run),
        software=software,
        commit=commit,
        log=records,
        left_out=left_out,
    )
    return sealed(gathered.files, index)


def gather(
    run: Path, cut: Path, *, audience: str, exports: Mapping[str, bytes], software: Software
) -> Gathered:
    """The files of a bundle without index, readme, checksums and log."""
    gathered = Gathered(audience)
    _add_reports(gathered, run)
    _add_results(gathered, run)
    _add_tables(gathered, run)
    add_project(gathered, software)
    if audience != "open":
        for path in sorted(cut.iterdir()):
            gathered.add("cut", path.name, path.read_bytes())
        for path in sorted((run / "adam").glob("*.parquet")):
            gathered.add("dataset", path.name, path.read_bytes())
        if software.source:
            gathered.add("wheel", *wheel_of(software))
    if audience == "auditor":
        for name, content in sorted(exports.items()):
            gathered.add("guide" if name.startswith("adrg") else "export", name, content)
        for name, path in software.source.items():
            gathered.add("source", name, path.read_bytes())
    return gathered


def index_of(
    gathered: Gathered,
    *,
    facts: Mapping[str, Any],
    software: Software,
    commit: str | None,
    log: Sequence[Mapping[str, Any]],
    left_out: Mapping[str, str],
) -> dict[str, Any]:
    """The index of a bundle: facts of the run, what made it, and the role of each file."""
    is_open = gathered.audience == "open"
    missing = dict(left_out)
    project = sums_of_files(software.project)
    if is_open:
        missing |= closed_project(project)
        project = {name: one for name, one in project.items() if name not in CLOSED_PROJECT}
    code = sums_of_files(software.source)
    return {
        "format": 1,
        "audience": gathered.audience,
        **{name: facts[name] for name in FACTS},
        "code": {
            "version": software.version,
            "commit": commit,
            "sha256": runlog.tree_sum(code),
            "files": code,
        },
        "project": project,
        "environment": dict(software.environment),
        "log": None if is_open else {"records": len(log), "last": log[-1]["seal"] if log else None},
        "wheel": _wheel(gathered),
        "left_out": dict(sorted(missing.items())),
        "files": sorted(gathered.entries, key=lambda entry: entry["name"]),
    }


def closed_project(project: Mapping[str, str]) -> dict[str, str]:
    """The files of a study that an open bundle leaves out, each with its reason."""
    reason = "closed: its open entries are printed in the open report"
    return {name: reason for name in CLOSED_PROJECT if name in project}


def _wheel(gathered: Gathered) -> dict[str, str] | None:
    """The name and checksum of the package's wheel in the bundle."""
    names = [entry["name"] for entry in gathered.entries if entry["role"] == "wheel"]
    return {"name": names[0], "sha256": sum_of(gathered.files[names[0]])} if names else None


# Facts of the run that the index repeats.
FACTS = (
    "study",
    "status",
    "cut_off",
    "cut_off_name",
    "cut_id",
    "synthetic",
    "plan_file",
    "plan_sha256",
)


def sums_of_files(files: Mapping[str, Path]) -> dict[str, str]:
    """The SHA-256 of each file by name."""
    return {name: sum_of(path.read_bytes()) for name, path in files.items()}


def as_index(index: Mapping[str, Any]) -> bytes:
    """The bytes of an index: the same index, the same bytes."""
    return (json.dumps(index, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")


def as_sums(files: Mapping[str, bytes]) -> bytes:
    """The list of checksums of all files but itself and its signature, in the order of names."""
    lines = [
        f"{sum_of(content)}  {name}\n"
        for name, content in sorted(files.items())
        if name not in OUTSIDE_SUMS
    ]
    return "".join(lines).encode()


def sealed(files: Mapping[str, bytes], index: Mapping[str, Any]) -> Contents:
    """The bundle of these files with its index, readme and list of checksums."""
    complete = dict(files)
    complete["readme.md"] = readme(index).encode("utf-8", "surrogatepass")
    complete[INDEX] = as_index(index)
    complete[SUMS] = as_sums(complete)
    return Contents(complete)


def _refuse_other_software(
    run: Path, records: Sequence[Mapping[str, Any]], software: Software
) -> None:
    """Refuse a run that other code, study files or packages made than those the index will name."""
    here = software_record(software)
    last = {str(record.get("step")): record for record in records}
    other = sorted({part for r in last.values() for part in other_software(r, here)})
    if other:
        raise UsageError(
            f"{run} was made with other software than what is installed here: {', '.join(other[:6])}. "
            "Make the run again, so that the bundle names what made it."
        )
    lock = software.project.get("requirements.lock")
    not_locked = unlocked(software.environment, lock.read_text(encoding="utf-8")) if lock else []
    if not_locked:
        raise UsageError(
            f"The packages installed here are not those of requirements.lock: {'; '.join(not_locked[:6])}. "
            "Install the lock and make the run again: an audit holds a bundle to its lock."
        )


def _add_reports(gathered: Gathered, run: Path) -> None:
    paths = sorted({path for pattern in REPORTS for path in run.glob(pattern) if path.is_file()})
    for path in paths:
        name = path.relative_to(run).as_posix()
        if gathered.audience != "open" or name.startswith("dsmb-open/"):
            gathered.add("report", name, path.read_bytes())


def _add_results(gathered: Gathered, run: Path) -> None:
    if gathered.audience != "open":
        for name in ("ard.csv", "ard.parquet"):
            gathered.add("ard", name, (run / name).read_bytes())
        return
    own = run / "dsmb-open" / "ard.csv"
    rows = ard.from_csv(own if own.is_file() else run / "ard.csv")
    shared = rows if own.is_file() else shared_rows(rows)
    gathered.add("ard", "ard.csv", ard.to_csv(shared).encode())
    frame = io.BytesIO()
    shared.to_parquet(frame, index=False)
    gathered.add("ard", "ard.parquet", frame.getvalue())


def _add_tables(gathered: Gathered, run: Path) -> None:
    is_open = gathered.audience == "open"
    for path in sorted((run / "tables").iterdir()):
        if path.name == "plan.yml":
            gathered.add("plan", str(runlog.run_facts(run)["plan_file"]), path.read_bytes())
        elif path.name in PREVIOUS:
            # For the comparison with the previous report: read, never made again.
            if not is_open:
                gathered.add("previous", path.name, path.read_bytes())
        elif path.suffix == ".json" and not is_open:
            gathered.add("table", path.name, path.read_bytes())
        elif path.name in OPEN_TABLES:
            gathered.add("table", path.name, _for_open_reader(path))


def _for_open_reader(path: Path) -> bytes:
    """The content of a table of a run in an open bundle."""
    if path.name not in ("run.json", "manifest.json"):
        return path.read_bytes()
    content = json.loads(path.read_text(encoding="utf-8"))
    if path.name == "run.json":
        content |= {"audience": "open"}
    else:
        content = reduced_manifest(content)
    return (json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


def add_project(gathered: Gathered, software: Software) -> None:
    """Add the study's own files and the lock."""
    for name, path in software.project.items():
        role = "lock" if name == "requirements.lock" else "project"
        if gathered.audience == "open" and name in CLOSED_PROJECT:
            continue
        gathered.add(role, name, path.read_bytes())


def _checked_log(run: Path) -> list[dict[str, Any]]:
    """The records of the run's log, against which its files were checked."""
    path = run / LOG
    if not path.is_file():
        raise UsageError(f"{run} has no run log: make the run again with this version.")
    records = runlog.verify(path)
    files = [p for p in run.rglob("*") if p.is_file()]
    sums = {p.relative_to(run).as_posix(): sum_of(p.read_bytes()) for p in files}
    changed = runlog.swapped(records, sums) + runlog.missing(records, sums)
    changed += runlog.misread(records)
    if changed:
        raise IntegrityError(
            f"{run} is not what its log says: {'; '.join(changed)}. Make the run again."
        )
    return records


def readme(index: Mapping[str, Any]) -> str:
    """The text for who receives the bundle, made from its index alone; signed or not, it is the same."""
    synthetic = "The data are synthetic.\n\n" if index["synthetic"] else ""
    rebuilt = (
        "This bundle holds nothing patient-level, so nothing is rebuilt from it."
        if index["audience"] == "open"
        else "Datasets, results and reports are rebuilt from the frozen data in `cut/`."
    )
    return (
        f"# {index['study']}, data cut-off {index['cut_off']} ({index['cut_off_name']})\n\n"
        f"Bundle for the audience `{index['audience']}`. {synthetic}{rebuilt}\n\n"
        f"{READ_FIRST}{_installing(index)}{THEN_AUDIT}"
        f"`{INDEX}` names each file's role and the name it had before; `{SUMS}` holds "
        f"the SHA-256 of every file but itself and its signature, `{SIGNATURE}`.\n"
    )


READ_FIRST = f"""\
## 1. Who made it

First, in this folder, with tools that are not from this bundle:

    ssh-keygen -Y verify -f SIGNERS -I IDENTITY -n sap-bundle -s {SIGNATURE} < {SUMS}
    sha256sum {SUMS}
    sha256sum --check --quiet {SUMS}

The first line is for a signed bundle; the second prints the fingerprint. The list of signers, or the
fingerprint, must have reached you by another way than this bundle. Without both, nothing below proves anything
against a forger.

"""
THEN_AUDIT = """\
## 3. Audit it

    venv/bin/sap audit THIS-FOLDER --out audit --signers SIGNERS --fingerprint FINGERPRINT

With the option for what you have; `docs/audit.md` of the package says what each way proves.

"""


def _installing(index: Mapping[str, Any]) -> str:
    wheel = index.get("wheel")
    if not isinstance(wheel, Mapping):
        return (
            "## 2. Install\n\nThis bundle has no wheel of the package: use a copy of single-arm-sap "
            f"{index['code']['version']} of your own.\n\n"
        )
    return (
        "## 2. Install, unless you have a copy of the package of your own\n\n"
        f"Python {index['environment'].get('python')}, in a folder next to this one "
        "(`python3 -m venv venv`):\n\n"
        "    venv/bin/pip install --require-hashes --no-deps -r THIS-FOLDER/environment/requirements-lock.txt\n"
        f"    venv/bin/pip install --no-index --no-deps THIS-FOLDER/{wheel['name']}\n\n"
        f"The SHA-256 of the wheel is `{wheel['sha256']}`, which step 1 has checked. The package is "
        "installed from this file and never by its name: it is on no index.\n\n"
    )


def write_into(folder: Path, bundle: Contents) -> None:
    """Write every file of a bundle into an empty folder."""
    for name, content in bundle.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def zipped(bundle: Contents) -> bytes:
    """The bundle as one zip whose bytes depend on its files alone: sorted, one date, one mode."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name in sorted(bundle.files):
            entry = zipfile.ZipInfo(name, date_time=ZIP_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o100644 << 16
            entry.create_system = 3
            archive.writestr(entry, bundle.files[name])
    return out.getvalue()
