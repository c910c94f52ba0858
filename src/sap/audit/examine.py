"""One audit, step by step."""

import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from sap import __version__, ard, bundle, runlog, snapshot
from sap.audit import inputs, statements
from sap.audit.compared import compare_files, csv_of
from sap.audit.findings import Audit, Kind
from sap.audit.origin import NO_TRUST, Trust, check_auditor, check_origin
from sap.audit.rebuild import kinds_of, made_again, made_by_its_code
from sap.bundle.contents import Gathered, add_project, readme, shared_rows, software_here
from sap.bundle.opening import Bundle, sum_of
from sap.errors import SapError
from sap.pipeline.progress import step
from sap.plan import PlanFile


@contextmanager
def _guarded(audit: Audit, kind: Kind, place: str) -> Iterator[None]:
    """An error in the block becomes a finding: the next check still runs, and no traceback is printed."""
    try:
        yield
    except SapError as error:
        audit.add_finding(kind, place, f"stopped: {error}")
    except Exception as error:  # noqa: BLE001 - data of another version, or forged, become a finding too
        audit.add_finding(kind, place, f"stopped with {type(error).__name__}")


# The order of the pipeline, after what is about the bundle itself.
ORDER = (
    "signature",
    "data",
    "plan",
    "code",
    "chapters",
    "packages",
    "log",
    "index",
    "report",
    "result",
)


def examined(
    path: Path,
    *,
    reports: bool = True,
    run_code: bool = False,
    independent: bool = False,
    trust: Trust = NO_TRUST,
) -> Audit:
    """Audit a bundle (`_examined`); the probable causes are in the order of the pipeline."""
    with step("open the bundle and check its sums"):
        opened = bundle.opened(path)
    audit = Audit(path.name, _stated(opened, run_code, reports))
    _examined(audit, opened, reports, run_code, independent, trust)
    audit.causes.sort(key=lambda cause: ORDER.index(cause.what))
    return audit


def _examined(
    audit: Audit, opened: Bundle, reports: bool, run_code: bool, independent: bool, trust: Trust
) -> None:
    """Audit an opened bundle; a hostile one was refused before anything was written.

    1. Fingerprint and signature are checked, if they were given.
    2. Every file must have a rule for the audience; otherwise nothing more is done.
    3. Sums, log, plan, cut and contracts are checked, and what the index states against them; the code
       and packages that run here are compared with the verified source and lock.
    4. Unless it is open, or its cut or plan cannot be used: datasets, results, interchange files, guide
       and (`reports`) reports are rebuilt in a clean temporary folder, with the code installed here or
       (`run_code`, only where 1 to 3 found nothing) with the bundle's own.
    5. Every file is compared with the rebuilt one by its rule.
    """
    check_origin(audit, opened, trust)
    check_auditor(audit, opened, run_code=run_code)
    if not inputs.check_rules(audit, opened):
        audit.add_finding("note", "this bundle", "was not rebuilt")
        return
    inputs.check_sums(audit, opened)
    inputs.check_own_files(audit, opened)
    records = inputs.check_log(audit, opened)
    statements.check_statements(audit, opened, records)
    statements.check_running(audit, opened, run_code=run_code)
    with tempfile.TemporaryDirectory(prefix="sap-audit-") as place:
        scratch = Path(place)
        plan = inputs.check_plan(audit, opened, records, scratch)
        if opened.index["audience"] == "open":
            with _guarded(audit, "input", "the open bundle"):
                _check_open(audit, opened, plan)
            return
        cut = inputs.check_cut(audit, opened, records, scratch)
        if cut is None or plan is None:
            audit.add_finding(
                "note", "this bundle", "was not rebuilt: its cut or its plan cannot be used"
            )
            return
        if run_code and audit.inputs_changed:
            words = "was not rebuilt: the code of a bundle that is not what was made is not run"
            audit.add_finding("note", "this bundle", words)
            return
        manifest = snapshot.verify(cut)
        statements.check_planned(audit, plan[1], manifest)
        statements.check_contract_version(audit, opened, manifest)
        with (
            step("check the contracts on the frozen cut"),
            _guarded(audit, "input", "the contracts"),
        ):
            inputs.check_contracts(audit, cut, plan[1])
        engines = {r.get("engine") for r in records if r.get("engine")} - {"builtin"}
        if engines:
            named = ", ".join(map(str, engines))
            words = f"name the engine {named} in the log; they are compared with the builtin one's"
            audit.add_finding("note", "the reports", words)
        if not reports:
            audit.add_finding("note", "the reports", "were not rebuilt")
        _rebuild_and_compare(
            audit, opened, cut, plan[0], scratch, reports=reports, run_code=run_code
        )
        if independent:
            with _guarded(audit, "result", "the second computation"):
                _second_computation(audit, opened, cut, plan[1])


def _stated(opened: Bundle, run_code: bool, reports: bool) -> dict[str, Any]:
    """The facts that the bundle states; those of the rebuilt run replace them."""
    index = opened.index
    names = ("study", "cut_off", "cut_off_name", "cut_id", "audience", "status", "synthetic")
    return {name: index.get(name) for name in names} | {
        "verified": False,
        "sums": sum_of(opened.files[bundle.names.SUMS]),
        "version": __version__,
        "code": runlog.tree_sum(runlog.code_sums()),
        "run_code": run_code,
        "reports": reports,
    }


def _rebuild_and_compare(
    audit: Audit,
    opened: Bundle,
    cut: Path,
    plan: Path,
    scratch: Path,
    *,
    reports: bool,
    run_code: bool,
) -> None:
    rebuild = made_by_its_code if run_code else made_again
    with _guarded(audit, "result", "the rebuild"):
        made = rebuild(audit, opened, cut, plan, scratch, reports=reports)
        audit.rebuilt = True
        statements.check_facts(audit, opened, made.facts)
        if made.left_out is not None:
            statements.check_left_out(audit, opened, made.left_out)
        # Source and study files of the bundle ran: they are compared with nothing.
        skipped = (() if reports else ("report",)) + (
            ("source", "project", "lock", "wheel") if run_code else ()
        )
        compare_files(audit, opened, made.files, skipped=skipped)
    _check_readme(audit, opened)
    explained = {"data", "plan", "code", "chapters", "packages"}
    if audit.results_changed and not explained & {cause.what for cause in audit.causes}:
        audit.add_cause(
            "result",
            "neither data, plan, code nor packages differ: a result or report of the bundle was "
            "changed after it was made, and its sums with it, or it was made with another CPU",
        )


def _check_readme(audit: Audit, opened: Bundle) -> None:
    with _guarded(audit, "input", "readme.md"):
        content = opened.files.get("readme.md")
        if content != readme(opened.index).encode("utf-8", "surrogatepass"):
            audit.add_finding("result", "readme.md", "is not the text that the index gives")


def _check_open(audit: Audit, opened: Bundle, plan: tuple[Path, PlanFile] | None) -> None:
    """What can be checked without the data of a bundle for open readers."""
    _check_shared(audit, opened)
    _check_readme(audit, opened)
    if plan is not None:
        statements.check_open_facts(audit, opened, plan[1])
    gathered = Gathered("open")
    add_project(gathered, software_here())
    compare_files(audit, opened, gathered.files, skipped=("report", "ard", "table", "plan"))
    audit.add_finding(
        "note",
        "this bundle",
        "is for open readers: plan, study files and shared results were checked, nothing was rebuilt",
    )


def _check_shared(audit: Audit, opened: Bundle) -> None:
    """The shared rows are the same ARD in both files, without a duplicate key."""
    files = opened.of_role("ard")
    if not {"ard.csv", "ard.parquet"} <= files.keys() or not all(
        n in opened.files for n in files.values()
    ):
        audit.add_finding("input", "ard", "the shared results are missing")
        return
    rows = csv_of(opened.files[files["ard.csv"]])
    other = pd.read_parquet(io.BytesIO(opened.files[files["ard.parquet"]]))
    if len(bundle.compare(rows, other.fillna({c: "" for c in ard.COLUMNS if c != "stat"}))):
        audit.add_finding("input", files["ard.parquet"], "is not the same table as ard.csv")
    if len(shared_rows(rows)) != len(rows):
        words = "holds rows that the catalogue does not mark as open"
        audit.add_finding("input", files["ard.csv"], words)
        audit.add_cause("result", f"{files['ard.csv']} {words}")
    if rows.duplicated(list(ard.KEY)).any():
        audit.add_finding("input", files["ard.csv"], "holds a duplicate key")
    audit.checks.append(("Shared results", f"{len(rows)} rows, not rebuilt"))


def _second_computation(audit: Audit, opened: Bundle, cut: Path, plan: PlanFile) -> None:
    from sap import qc

    with step("compute the results a second time"):
        rows = csv_of(opened.files[opened.of_role("ard")["ard.csv"]])
        audit.qc = qc.compare(cut, plan.plan, rows)
    if audit.qc.differing:
        differing = f"differs in {audit.qc.differing} results"
        audit.add_finding("result", "the second computation", differing)


__all__ = ["examined", "kinds_of"]
