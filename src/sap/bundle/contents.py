"""The contents of a bundle for each audience, and how it is written: same inputs, same bytes."""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from sap import __version__, ard, runlog
from sap.bundle.names import SUMS, safe_name
from sap.bundle.opening import INDEX, sum_of
from sap.errors import IntegrityError, UsageError
from sap.runlog.chain import NAME as LOG
from sap.runlog.software import code_files, project_files

AUDIENCES = ("open", "closed", "auditor")
REPORTS = ("*.html", "*.pdf", "*.docx", "dsmb-open/*", "dsmb-closed/*")
ZIP_DATE = (1980, 1, 1, 0, 0, 0)


class Contents(NamedTuple):
    """Every file of a bundle by its name in it."""

    files: dict[str, bytes]


class _BundleFiles:
    """The files of a bundle with their role and original name; a name given twice is refused."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.entries: list[dict[str, str]] = []

    def add(self, role: str, folder: str, original: str, content: bytes) -> None:
        name = f"{folder}/{safe_name(original)}" if folder else safe_name(original)
        if name in self.files:
            raise UsageError(f"two files would be called {name} in the bundle: rename {original}")
        self.files[name] = content
        self.entries.append({"name": name, "original": original, "role": role})


# What the DSMB decided in closed session; its open entries are printed in the open report.
CLOSED_PROJECT = ("analysis/dsmb.yml",)


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
        The audience is unknown, two files would have one name, or the run has no log.
    """
    if audience not in AUDIENCES:
        raise UsageError(f"audience {audience!r} is not one of {', '.join(AUDIENCES)}.")
    facts = json.loads((run / "tables" / "run.json").read_text(encoding="utf-8"))
    missing = dict(left_out)
    gathered = _BundleFiles()
    _add_reports(gathered, run, audience)
    _add_results(gathered, run, audience)
    _add_tables(gathered, run, audience, facts)
    _add_project(gathered, audience, missing)
    if audience != "open":
        for path in sorted(cut.iterdir()):
            gathered.add("cut", "cut", path.name, path.read_bytes())
        for path in sorted((run / "adam").glob("*.parquet")):
            gathered.add("dataset", "adam", path.name, path.read_bytes())
    if audience == "auditor":
        for name, content in sorted(exports.items()):
            gathered.add("guide" if name.startswith("adrg") else "export", "adam", name, content)
        for name, path in code_files().items():
            gathered.add("source", "source/sap", name, path.read_bytes())
    records = _add_log(gathered, run, audience)
    project = runlog.project_sums()
    if audience == "open":
        project = {name: value for name, value in project.items() if name not in CLOSED_PROJECT}
    index = {
        "format": 1,
        "audience": audience,
        "study": facts["study"],
        "status": facts["status"],
        "cut_off": facts["cut_off"],
        "cut_off_name": facts["cut_off_name"],
        "cut_id": facts["cut_id"],
        "synthetic": facts["synthetic"],
        "plan_file": facts["plan_file"],
        "plan_sha256": facts["plan_sha256"],
        "code": {
            "version": __version__,
            "commit": commit,
            "sha256": runlog.tree_sum(runlog.code_sums()),
            "files": runlog.code_sums(),
        },
        "project": project,
        "environment": runlog.environment(),
        "log": None
        if audience == "open"
        else {"records": len(records), "last": records[-1]["seal"] if records else None},
        "left_out": dict(sorted(missing.items())),
        "files": sorted(gathered.entries, key=lambda entry: entry["name"]),
    }
    gathered.files["readme.md"] = _readme(index).encode()
    gathered.files[INDEX] = (json.dumps(index, indent=1, ensure_ascii=False) + "\n").encode()
    lines = [f"{sum_of(content)}  {name}\n" for name, content in sorted(gathered.files.items())]
    gathered.files[SUMS] = "".join(lines).encode()
    return Contents(gathered.files)


def _add_reports(gathered: _BundleFiles, run: Path, audience: str) -> None:
    paths = sorted({path for pattern in REPORTS for path in run.glob(pattern) if path.is_file()})
    for path in paths:
        name = path.relative_to(run).as_posix()
        if audience != "open" or name.startswith("dsmb-open/"):
            gathered.add("report", "report", name, path.read_bytes())


def _add_results(gathered: _BundleFiles, run: Path, audience: str) -> None:
    if audience != "open":
        for name in ("ard.csv", "ard.parquet"):
            gathered.add("ard", "ard", name, (run / name).read_bytes())
        return
    own = run / "dsmb-open" / "ard.csv"
    rows = ard.from_csv(own if own.is_file() else run / "ard.csv")
    shared = rows if own.is_file() else shared_rows(rows)
    gathered.add("ard", "ard", "ard.csv", ard.to_csv(shared).encode())
    frame = io.BytesIO()
    shared.to_parquet(frame, index=False)
    gathered.add("ard", "ard", "ard.parquet", frame.getvalue())


# Of the tables of a run those that an open reader may have; they are without rows and patients.
OPEN_TABLES = ("run.json", "plan.json", "manifest.json", "rules.json", "deviations.json")
PREVIOUS = ("previous.json", "previous-ard.csv")


def _add_tables(gathered: _BundleFiles, run: Path, audience: str, facts: Mapping[str, Any]) -> None:
    for path in sorted((run / "tables").iterdir()):
        if path.name == "plan.yml":
            gathered.add("plan", "plan", str(facts["plan_file"]), path.read_bytes())
        elif path.name in PREVIOUS:
            # For the comparison with the previous report: read, never made again.
            if audience != "open":
                gathered.add("previous", "tables", path.name, path.read_bytes())
        elif path.suffix == ".json" and audience != "open":
            gathered.add("table", "tables", path.name, path.read_bytes())
        elif path.name in OPEN_TABLES:
            gathered.add("table", "tables", path.name, _for_open_reader(path))


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


def _add_project(gathered: _BundleFiles, audience: str, missing: dict[str, str]) -> None:
    for name, path in project_files().items():
        if name == "requirements.lock":
            gathered.add("lock", "environment", name, path.read_bytes())
        elif audience == "open" and name in CLOSED_PROJECT:
            missing[name] = "closed: its open entries are printed in the open report"
        else:
            gathered.add("project", "project", name, path.read_bytes())


def _add_log(gathered: _BundleFiles, run: Path, audience: str) -> list[dict[str, Any]]:
    """Check the files of the run against its log, and add the log unless the bundle is open."""
    path = run / LOG
    if not path.is_file():
        raise UsageError(f"{run} has no run log: make the run again with this version.")
    records = runlog.verify(path)
    files = [p for p in run.rglob("*") if p.is_file()]
    sums = {p.relative_to(run).as_posix(): sum_of(p.read_bytes()) for p in files}
    changed = runlog.swapped(records, sums) + runlog.missing(records, sums)
    if changed:
        raise IntegrityError(
            f"{run} is not what its log says: {'; '.join(changed)}. Make the run again."
        )
    if audience != "open":
        gathered.add("log", "log", LOG, path.read_bytes())
    return records


def _readme(index: Mapping[str, Any]) -> str:
    synthetic = "The data are synthetic.\n\n" if index["synthetic"] else ""
    rebuilt = (
        "This bundle holds nothing patient-level, so nothing is rebuilt from it."
        if index["audience"] == "open"
        else "Datasets, results and reports are rebuilt from the frozen data in `cut/`."
    )
    return (
        f"# {index['study']}, data cut-off {index['cut_off']} ({index['cut_off_name']})\n\n"
        f"Bundle for the audience `{index['audience']}`. {synthetic}"
        "To check it: install the packages of `environment/requirements-lock.txt` and sap "
        f"{index['code']['version']}, then\n\n"
        "    sap audit THIS-FOLDER --out audit\n\n"
        f"{rebuilt} `{INDEX}` names each file's role and the name it had before; `{SUMS}` holds "
        "the SHA-256 of every file but itself (`sha256sum -c` reads it).\n"
    )


def write_into(folder: Path, bundle: Contents) -> None:
    """Write every file of a bundle into an empty folder."""
    for name, content in bundle.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o644)


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
