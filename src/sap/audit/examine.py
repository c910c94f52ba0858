"""One audit, step by step."""

import html
import io
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from sap import ard, bundle
from sap.audit import inputs
from sap.audit.findings import Audit, Kind
from sap.audit.pairs import catalogue_here
from sap.audit.rebuild import kinds_of, rebuilt, rebuilt_by_its_code
from sap.bundle.contents import PREVIOUS
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


# Files that every analysis writes and every bundle that can be rebuilt must therefore hold.
MADE = ("ard.*", "adam/*.parquet", "tables/*.json")
ORDER = ("data", "plan", "code", "chapters", "packages", "log", "report", "result")


def examined(
    path: Path, *, reports: bool = True, run_code: bool = False, independent: bool = False
) -> Audit:
    """Audit a bundle (`_examined`); the probable causes are in the order of the pipeline."""
    audit = _examined(path, reports=reports, run_code=run_code, independent=independent)
    audit.causes.sort(key=lambda cause: ORDER.index(cause.what))
    return audit


def _examined(
    path: Path, *, reports: bool = True, run_code: bool = False, independent: bool = False
) -> Audit:
    """Audit a bundle.

    1. It is opened; a hostile one is refused before anything is written.
    2. Sums, log, plan, cut and contracts are checked; the code and packages installed here are
       compared with those on record.
    3. Unless it is open, or its cut or plan cannot be used: datasets, results and (`reports`)
       reports are rebuilt in a clean temporary folder, with the code installed here or
       (`run_code`) with the bundle's own.
    4. Bytes are compared first; where they differ, datasets and results by key with a tolerance
       per statistic, displays by number.

    Raises
    ------
    IntegrityError
        The bundle is hostile or unreadable.
    """
    with step("open the bundle and check its sums"):
        opened = bundle.opened(path)
        index = opened.index
        names = ("study", "cut_off", "cut_off_name", "cut_id", "audience", "status", "synthetic")
        facts = {name: index.get(name) for name in names}
        facts |= {
            "sums": sum_of(opened.files[bundle.names.SUMS]),
            "version": index["code"].get("version"),
            "commit": index["code"].get("commit"),
            "run_code": run_code,
            "reports": reports,
        }
        audit = Audit(path.name, facts)
        inputs.check_sums(audit, opened)
        inputs.check_own_files(audit, opened)
        records = inputs.check_log(audit, opened)
        inputs.check_computing(audit, opened, run_code)
    with tempfile.TemporaryDirectory(prefix="sap-audit-") as place:
        scratch = Path(place)
        plan = inputs.check_plan(audit, opened, records, scratch)
        if index["audience"] == "open":
            with _guarded(audit, "input", "the shared results"):
                _check_shared(audit, opened)
            audit.add_finding(
                "note",
                "this bundle",
                "holds nothing patient-level: sums, plan and shared results were checked, nothing was rebuilt",
            )
            return audit
        cut = inputs.check_cut(audit, opened, records, scratch)
        if cut is None or plan is None:
            audit.add_finding(
                "note", "this bundle", "was not rebuilt: its cut or its plan cannot be used"
            )
            return audit
        with (
            step("check the contracts on the frozen cut"),
            _guarded(audit, "input", "the contracts"),
        ):
            inputs.check_contracts(audit, cut, plan[1])
        engines = {r.get("engine") for r in records if r.get("engine")} - {"builtin"}
        if engines and reports:
            audit.add_finding(
                "note",
                "the reports",
                f"were rendered by {', '.join(map(str, engines))}, so they are not rendered again here",
            )
            reports = False
        if not reports:
            audit.add_finding("note", "the reports", "were not rebuilt")
        _rebuild_and_compare(
            audit, opened, cut, plan[0], scratch, reports=reports, run_code=run_code
        )
        if independent:
            with _guarded(audit, "result", "the second computation"):
                _second_computation(audit, opened, cut, plan[1])
    return audit


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
    rebuild = rebuilt_by_its_code if run_code else rebuilt
    with _guarded(audit, "result", "the rebuild"):
        run = rebuild(audit, opened, cut, plan, scratch, reports=reports)
        audit.rebuilt = True
        _compare(audit, opened, run, reports=reports)
    if audit.results_changed and not audit.causes:
        audit.add_cause(
            "result",
            "neither data, plan, code nor packages differ from what the bundle says: "
            "a result or report of the bundle was changed after it was made, and its sums with it",
        )


def _check_shared(audit: Audit, opened: Bundle) -> None:
    """The shared rows are the same ARD in both files, without a duplicate key."""
    files = opened.of_role("ard")
    if not {"ard.csv", "ard.parquet"} <= files.keys() or not all(
        n in opened.files for n in files.values()
    ):
        audit.add_finding("input", "ard", "the shared results are missing")
        return
    with tempfile.TemporaryDirectory(prefix="sap-audit-") as place:
        path = Path(place) / "ard.csv"
        path.write_bytes(opened.files[files["ard.csv"]])
        rows = ard.from_csv(path)
    other = pd.read_parquet(io.BytesIO(opened.files[files["ard.parquet"]]))
    if len(bundle.compare(rows, other.fillna({c: "" for c in ard.COLUMNS if c != "stat"}))):
        audit.add_finding("input", files["ard.parquet"], "is not the same table as ard.csv")
    if rows.duplicated(list(ard.KEY)).any():
        audit.add_finding("input", files["ard.csv"], "holds a duplicate key")
    audit.checks.append(("Shared results", f"{len(rows)} rows, not rebuilt"))


def _compare(audit: Audit, opened: Bundle, run: Path, *, reports: bool) -> None:
    names = inputs.run_names(opened)
    names |= {f"adam/{o}": n for o, n in opened.of_role("export").items()}
    for original, name in sorted(names.items()):
        if name not in opened.files:
            continue
        kind = original.rpartition(".")[2]
        if original.startswith(("csr.", "csr-", "dsmb")) and not reports:
            continue
        rebuilt_file = run / original
        if not rebuilt_file.is_file():
            audit.add_finding("result", name, "was not reproduced")
            audit.compared[name] = "missing"
            continue
        content = rebuilt_file.read_bytes()
        if content == opened.files[name]:
            audit.compared[name] = "identical"
            continue
        audit.compared[name] = _difference(audit, original, name, kind, opened.files[name], content)
    for pattern in MADE:
        for path in sorted(run.glob(pattern)):
            original = path.relative_to(run).as_posix()
            if original not in names and path.name not in PREVIOUS:
                audit.add_finding("result", original, "is new: the bundle has no such file")


def _difference(audit: Audit, original: str, name: str, kind: str, old: bytes, new: bytes) -> str:
    if original == "ard.csv" or original.endswith("/ard.csv"):
        return _ard_difference(audit, name, old, new)
    if original == "ard.parquet":
        return _parquet_ard_difference(audit, name, old, new)
    if original.startswith("adam/") and kind == "parquet":
        return _dataset_difference(audit, original, name, old, new)
    if kind == "html":
        return _report_difference(audit, name, old, new)
    # The content of these files is compared in the datasets, the ARD and the HTML.
    derived = kind in ("pdf", "docx", "json", "xpt") or original.endswith("/changes.csv")
    if audit.causes and (derived or original.startswith("tables/")):
        return "other bytes"
    audit.add_finding("result", name, "differs from the rebuild")
    return "different"


def _frame(content: bytes) -> pd.DataFrame:
    frame = pd.read_parquet(io.BytesIO(content))
    return frame.fillna({c: "" for c in ard.COLUMNS if c != "stat" and c in frame})


def _csv(content: bytes) -> pd.DataFrame:
    with tempfile.TemporaryDirectory(prefix="sap-audit-") as place:
        path = Path(place) / "ard.csv"
        path.write_bytes(content)
        return ard.from_csv(path)


def _ard_difference(audit: Audit, name: str, old: bytes, new: bytes) -> str:
    try:
        differences = bundle.compare(_csv(old), _csv(new), catalogue_here())
    except (SapError, ValueError, KeyError):
        audit.add_finding("result", name, "cannot be read as the ARD of the run")
        return "different"
    # The two DSMB reports repeat rows of the ARD: a number is listed once.
    known = [] if audit.numbers is None else [audit.numbers]
    audit.numbers = pd.concat([*known, differences], ignore_index=True).drop_duplicates(
        ignore_index=True
    )
    counts = differences["change"].value_counts()
    counted = {w: int(counts[w]) for w in ("moved", "new", "gone") if w in counts}
    if counted:
        audit.add_finding("result", name, ", ".join(f"{n} results {w}" for w, n in counted.items()))
        return "different"
    return "within tolerance"


def _parquet_ard_difference(audit: Audit, name: str, old: bytes, new: bytes) -> str:
    try:
        differences = bundle.compare(_frame(old), _frame(new))
    except (ValueError, KeyError, TypeError):
        audit.add_finding("result", name, "cannot be read as the ARD of the run")
        return "different"
    if differences["change"].isin(("moved", "new", "gone")).any():
        audit.add_finding("result", name, f"{len(differences)} results differ")
        return "different"
    return "within tolerance"


def _dataset_difference(audit: Audit, original: str, name: str, old: bytes, new: bytes) -> str:
    stem = original.removeprefix("adam/").removesuffix(".parquet")
    differences = bundle.compare_tables(
        pd.read_parquet(io.BytesIO(old)), pd.read_parquet(io.BytesIO(new)), stem
    )
    if differences.empty:
        return "within tolerance"
    known = [] if audit.records is None else [audit.records]
    audit.records = pd.concat([*known, differences], ignore_index=True)
    counts = differences["change"].value_counts()
    counted = ", ".join(f"{int(n)} {w}" for w, n in counts.items())
    audit.add_finding("result", name, f"records: {counted}")
    return "different"


DISPLAY = re.compile(r'<(?:div|section|figure)[^>]* id="(tlf-[a-z0-9-]+)"')
SPAN = re.compile(r'data-ard="([^"]*)"[^>]*>([^<]*)<')
SCRIPT = re.compile(r"<(script|style)\b.*?</\1>", re.DOTALL)
TAG = re.compile(r"<[^>]+>")


def displays_in(page: str) -> dict[str, str]:
    """The visible text of each display of an HTML report, by its id.

    >>> displays_in('<div id="tlf-a" class="tlf"><p>3 <b>patients</b></p></div><div id="tlf-b">x</div>')
    {'tlf-a': '3 patients', 'tlf-b': 'x'}
    """
    places = [(m.start(), m[1]) for m in DISPLAY.finditer(page)]
    ends = [place for place, _ in places[1:]] + [len(page)]
    texts: dict[str, str] = {}
    for (start, name), end in zip(places, ends, strict=True):
        texts.setdefault(name, words_of(page[start:end]))
    return texts


def words_of(page: str) -> str:
    """The visible text of a piece of HTML."""
    return " ".join(html.unescape(TAG.sub(" ", SCRIPT.sub(" ", page))).split())


def _report_difference(audit: Audit, name: str, old: bytes, new: bytes) -> str:
    pages = [content.decode("utf-8", "replace") for content in (old, new)]
    first, second = (displays_in(page) for page in pages)
    catalogue: Mapping[str, Any] = catalogue_here()
    changed = sorted(d for d in first.keys() | second.keys() if first.get(d) != second.get(d))
    for display in changed:
        entry = catalogue.get(display)
        label = f"{entry['kind'].capitalize()} {entry['number']}" if entry else display
        if label not in audit.displays:
            audit.displays.append(label)
    if changed:
        audit.add_finding(
            "result", name, f"{len(changed)} display(s) differ: {', '.join(audit.displays[:8])}"
        )
        return "different"
    if words_of(pages[0]) != words_of(pages[1]):
        audit.add_finding("result", name, "its text differs outside the displays")
        return "different"
    if not audit.causes:
        audit.add_finding("result", name, "same text, other bytes, without an explanation")
        return "different"
    return "same text"


def _second_computation(audit: Audit, opened: Bundle, cut: Path, plan: PlanFile) -> None:
    from sap import qc

    with step("compute the results a second time"):
        rows = _csv(opened.files[opened.of_role("ard")["ard.csv"]])
        audit.qc = qc.compare(cut, plan.plan, rows)
    if audit.qc.differing:
        differing = f"differs in {audit.qc.differing} results"
        audit.add_finding("result", "the second computation", differing)


__all__ = ["displays_in", "examined", "kinds_of", "words_of"]
