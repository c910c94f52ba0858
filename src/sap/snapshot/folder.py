"""Frozen cuts: `frozen/<cut-id>/` with one Parquet file per domain, `findings.csv` and `manifest.json`.

A cut is never edited. Its id ends in a hash over the checksums of its files, its cut-off, the plan and
the contracts, so that the id identifies the content and `verify` detects every change.
"""

import datetime as dt
import hashlib
import json
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from filelock import FileLock, Timeout
from pydantic import AfterValidator, ConfigDict, TypeAdapter, ValidationError

from sap import __version__
from sap.contracts import Contract, text, version
from sap.errors import IntegrityError, UsageError
from sap.plan.reading import day, problems

if TYPE_CHECKING:
    import pandas as pd

MANIFEST = "manifest.json"
FINDINGS = "findings.csv"
NEW = ".new-"
STRICT = ConfigDict(strict=True, extra="forbid")


@dataclass(frozen=True)
class FrozenFile:
    """One file of a cut, with the SHA-256 of its bytes."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    name: str
    sha256: str
    rows: int
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Manifest:
    """The description of a cut: identity, versions, files with checksums."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    cut_id: str
    cut_off: Annotated[str, AfterValidator(day)]
    cut_off_name: str | None
    planned: bool
    synthetic: bool
    plan_hash: str
    contract_version: str
    package_version: str
    files: tuple[FrozenFile, ...]


def in_order(
    tables: Mapping[str, "pd.DataFrame"], contracts: Mapping[str, Contract]
) -> dict[str, "pd.DataFrame"]:
    """The tables in the order of a cut: columns by contract, rows by key, then by all other columns.

    Results must not depend on the order of the extract.
    """
    return {
        name: _rows_in_order(tables[name], contracts[name])
        for name in sorted(tables)
        if name in contracts
    }


def _rows_in_order(table: "pd.DataFrame", contract: Contract) -> "pd.DataFrame":
    import pandas as pd

    names = [column.name for column in contract.columns if column.name in table]
    first = [name for name in contract.key if name in names]
    columns = []
    for name in [*first, *(name for name in names if name not in first)]:
        cells = [None if pd.isna(cell) else cell for cell in table[name].tolist()]
        numeric = pd.api.types.is_numeric_dtype(table[name])
        blank: float | str = 0.0 if numeric else ""
        columns.append([(cell is None, blank if cell is None else cell) for cell in cells])
    rows = list(zip(*columns, strict=True))
    order = sorted(range(len(rows)), key=rows.__getitem__)
    return table[names].iloc[order].reset_index(drop=True)


def freeze(  # noqa: PLR0913 - each argument is a line of the manifest
    tables: Mapping[str, "pd.DataFrame"],
    *,
    cut_off: dt.date,
    cut_off_name: str | None,
    planned: bool,
    plan_hash: str,
    contracts: Mapping[str, Contract],
    findings: "pd.DataFrame",
    frozen_root: Path,
    attachments: Mapping[str, bytes] = MappingProxyType({}),
) -> Path:
    """Write `tables` (typed, cut) under `frozen_root` and return the folder of the cut.

    1. The folder is written under a temporary name and renamed: it is complete or absent.
    2. The same tables, plan, contracts and cut-off have the same id. An existing cut is verified and
       not written again.
    3. Files are read-only.
    4. Incomplete folders of killed runs are removed; those of other running processes are not.

    `findings` are those of the contracts on these tables, in the order of `in_order`;
    `attachments` are further files of the cut: accepted findings, the map of the intake.
    """
    try:
        frozen_root.mkdir(parents=True, exist_ok=True)
        with _new_folder(frozen_root) as new:
            files = [
                _write_table(new / f"{name}.parquet", table)
                for name, table in in_order(tables, contracts).items()
            ]
            manifest = _manifest(
                cut_off=cut_off.isoformat(),
                cut_off_name=cut_off_name,
                planned=planned,
                synthetic=is_synthetic(tables),
                plan_hash=plan_hash,
                contract_version=version(contracts),
                package_version=__version__,
                files=(
                    *files,
                    _write_findings(new / FINDINGS, findings),
                    *(
                        _write_attachment(new / name, attachments[name])
                        for name in sorted(attachments)
                    ),
                ),
            )
            (new / MANIFEST).write_text(_as_json(manifest), encoding="utf-8", newline="\n")
            for path in new.iterdir():
                path.chmod(path.stat().st_mode & 0o444)  # who may read is the umask's
            return _put(new, frozen_root / manifest.cut_id)
    except OSError as error:
        raise UsageError(f"{frozen_root} cannot be written: {error.strerror}") from error


@contextmanager
def _new_folder(root: Path) -> Iterator[Path]:
    """A new folder under `root`, locked by this process until the block ends, and removed then.

    The operating system unlocks a folder when its process ends: one that can be locked was left by
    a process that was ended, and is removed. `root` is locked while folders are removed and made,
    so that no folder is seen before its lock. Where the file system has no locks none is removed.
    """
    own = ExitStack()
    with _locked(root / ".lock", wait=True) as alone:
        for abandoned in root.glob(f"{NEW}*") if alone else ():
            with _locked(_lock_of(abandoned), wait=False) as unused:
                if unused:
                    shutil.rmtree(abandoned, ignore_errors=True)
            if unused:
                _remove(_lock_of(abandoned))
        new = root / f"{NEW}{secrets.token_hex(6)}"
        new.mkdir()  # not mkdtemp, whose mode is not the umask's
        own.enter_context(_locked(_lock_of(new), wait=True))
    try:
        yield new
    finally:
        shutil.rmtree(new, ignore_errors=True)
        own.close()
        _remove(_lock_of(new))


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f".lock{folder.name}")


def _remove(lock: Path) -> None:
    with suppress(OSError):
        lock.unlink()


@contextmanager
def _locked(path: Path, *, wait: bool) -> Iterator[bool]:
    """Whether the block has the lock: not when another process has it or there are no locks."""
    lock = FileLock(path, blocking=wait)
    try:
        lock.acquire()
    except (Timeout, OSError):
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def verify(cut_dir: Path) -> Manifest:
    """The manifest of a cut whose every file is what was frozen.

    Raises
    ------
    IntegrityError
        Names each file that changed, is missing, or was added.
    """
    return _verified(cut_dir)[0]


def load(cut_dir: Path) -> dict[str, "pd.DataFrame"]:
    """The tables of a verified cut; the parsed bytes are the verified bytes.

    Raises
    ------
    IntegrityError
        As `verify`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    _, contents = _verified(cut_dir)
    tables = {}
    for name, content in contents.items():
        if name.endswith(".parquet"):
            try:
                table = pq.read_table(pa.BufferReader(content)).to_pandas()
            except (pa.ArrowException, OSError, ValueError) as error:
                raise IntegrityError(
                    f"{cut_dir / name} cannot be read as Parquet ({type(error).__name__}): "
                    "freeze the extract again"
                ) from None
            tables[name.removesuffix(".parquet")] = table
    return tables


def _write_table(path: Path, table: "pd.DataFrame") -> FrozenFile:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {}
    for name in table:
        numeric = pd.api.types.is_numeric_dtype(table[name])
        kind = pa.float64() if numeric else pa.string()
        columns[str(name)] = pa.array(table[name], type=kind, from_pandas=True)
    # Without pandas metadata: the bytes depend on the values only.
    pq.write_table(pa.table(columns), path, compression="zstd")
    return FrozenFile(path.name, _sum(path.read_bytes()), len(table), tuple(columns))


def _write_findings(path: Path, findings: "pd.DataFrame") -> FrozenFile:
    content = findings.to_csv(index=False, lineterminator="\n").encode()
    path.write_bytes(content)
    columns = tuple(str(name) for name in findings)
    return FrozenFile(path.name, _sum(content), len(findings), columns)


def _write_attachment(path: Path, content: bytes) -> FrozenFile:
    path.write_bytes(content)
    return FrozenFile(path.name, _sum(content), len(content.splitlines()), ())


def is_synthetic(tables: Mapping[str, "pd.DataFrame"]) -> bool:
    """Whether the trial summary (TS) of the data calls them synthetic."""
    if "ts" not in tables or not {"TSPARMCD", "TSVAL"} <= set(tables["ts"]):
        return False
    ts = text(tables["ts"])
    return bool((ts["TSPARMCD"].eq("SYNTHDAT") & ts["TSVAL"].eq("Y")).any())


def _manifest(**facts: Any) -> Manifest:
    unnamed = Manifest(cut_id="", **facts)
    return Manifest(cut_id=_cut_id(unnamed), **facts)


def _cut_id(manifest: Manifest) -> str:
    """Name, day and fingerprint, in letters, digits and hyphens: what eCTD allows a folder.

    The version of the package is not part of it: the same data are the same cut.
    """
    facts = asdict(manifest)
    del facts["cut_id"], facts["package_version"]
    fingerprint = _sum(json.dumps(facts, sort_keys=True).encode())[:8]
    name = re.sub(r"[^a-z0-9]+", "-", (manifest.cut_off_name or "cut").lower()).strip("-")
    name = name.removesuffix(manifest.cut_off).strip("-")[:32].strip("-") or "cut"
    return f"{name}-{manifest.cut_off}-{fingerprint}"


def _put(new: Path, place: Path) -> Path:
    if not place.exists():
        try:
            new.rename(place)
        except OSError:
            if not place.exists():
                raise
        else:
            return place
    if place.is_dir():
        verify(place)
        return place
    raise IntegrityError(f"{place} is in the place of a cut: move it away")


def _verified(cut_dir: Path) -> tuple[Manifest, dict[str, bytes]]:
    manifest = _read_manifest(cut_dir / MANIFEST)
    recorded = {file.name: file for file in manifest.files}
    present = sorted(path.name for path in cut_dir.iterdir() if path.name != MANIFEST)
    contents = {
        name: (cut_dir / name).read_bytes()
        for name in present
        if name in recorded and (cut_dir / name).is_file()
    }
    faults = [f"{name} was added" for name in present if name not in recorded]
    faults += [f"{name} is missing" for name in recorded if name not in contents]
    faults += [
        f"{name} changed" for name in contents if _sum(contents[name]) != recorded[name].sha256
    ]
    as_written = _as_json(manifest).encode() == (cut_dir / MANIFEST).read_bytes()
    if not faults and (_cut_id(manifest) != manifest.cut_id or not as_written):
        faults.append(f"{MANIFEST} changed")
    if faults:
        raise IntegrityError(
            f"{cut_dir} is not what was frozen: {'; '.join(sorted(faults))}. "
            "A cut is never edited: restore it, or freeze the extract again."
        )
    return manifest, contents


def _read_manifest(path: Path) -> Manifest:
    if not path.parent.is_dir():
        raise UsageError(f"{path.parent} is not a frozen cut: run `sap freeze` first")
    if not path.is_file():
        raise IntegrityError(f"{path.parent} has no {MANIFEST}: restore it or freeze again")
    try:
        manifest = _MANIFEST.validate_json(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        faults = "\n".join(problems(error, "the manifest"))
        raise IntegrityError(f"{path} cannot be read as a manifest: restore it\n{faults}") from None
    names = [file.name for file in manifest.files]
    if len(set(names)) < len(names):
        raise IntegrityError(f"{path} cannot be read as a manifest: it names a file twice")
    return manifest


_MANIFEST = TypeAdapter(Manifest)


def _as_json(manifest: Manifest) -> str:
    return json.dumps(asdict(manifest), indent=1, ensure_ascii=False) + "\n"


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
