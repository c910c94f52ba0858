"""Reading a bundle of unknown origin: a hostile one is refused before anything is written or executed.

Everything is read into memory within limits, and every name, size and shape is checked, before a
caller gets any byte. Nothing in a bundle is executed, and no file is written here.
"""

import hashlib
import io
import json
import os
import re
import stat
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

from pydantic import BaseModel, ConfigDict, ValidationError

from sap.bundle.names import SIGNATURE, SUMS, fault_of
from sap.errors import IntegrityError, UsageError
from sap.plan.reading import problems

INDEX = "bundle.json"

MAX_FILES = 5_000
LARGEST_FILE = 256 * 2**20
LARGEST_TOTAL = 1024 * 2**20
LARGEST_TEXT = 32 * 2**20
LARGEST_YAML = 2**20
LARGEST_SIGNATURE = 2**15
LARGEST_JSON = 128 * 2**20
LARGEST_TABLE = 512 * 2**20
MAX_CELLS = 200_000_000
MAX_COLUMNS = 2_000
MAX_DEPTH = 60
MAX_NODES = 200_000
MAX_JSON_NODES = 20_000_000
BATCH_ROWS = 65_536


@dataclass(frozen=True)
class Bundle:
    """The bytes of every file by its name, and the index with the role of each."""

    place: str
    files: Mapping[str, bytes]
    index: Mapping[str, Any]

    def json(self, name: str) -> Any:
        """One of its JSON files, which `opened` has checked."""
        return json.loads(self.files[name])

    def of_role(self, role: str) -> dict[str, str]:
        """The files of one role: their name in the project, and their name in the bundle."""
        return {
            str(entry["original"]): str(entry["name"])
            for entry in self.index["files"]
            if entry["role"] == role
        }


def _refuse(place: object, why: str) -> NoReturn:
    raise IntegrityError(
        f"{place} is refused as a bundle: {why}. Nothing was written; ask its sender for a new one."
    )


def is_bundle(path: Path) -> bool:
    """Whether a path claims to be a bundle."""
    return (path.is_file() and path.suffix == ".zip") or (path / INDEX).is_file()


def opened(path: Path) -> Bundle:
    """Every file of a bundle, folder or zip.

    Raises
    ------
    UsageError
        There is no such folder or file, or it cannot be read.
    IntegrityError
        A name that leads out, an absolute path, a link, a name twice, an empty folder, a file or a total of excessive
        size, YAML with tags or aliases, JSON too deep, Parquet of excessive shape, no readable index
        or list of sums, or one with a name that is not permitted (exit 11).
    """
    if path.is_dir():
        if not (path / INDEX).exists():
            _refuse(path, f"it has no {INDEX}")
        files = _of_folder(path)
    elif path.is_file():
        files = _of_zip(path)
    else:
        raise UsageError(f"{path}: no such folder or zip. Give the bundle that `sap bundle` wrote.")
    place = str(path)
    for name, content in files.items():
        _check_content(place, name, content)
    sums_of(place, files)
    return Bundle(place, files, _index(place, files))


def _of_folder(path: Path) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    total = 0
    for place in _walk(path, path):
        name = place.relative_to(path).as_posix()
        _check_name(path, name)
        content = _read(path, place, name)
        total += len(content)
        if len(files) >= MAX_FILES or total > LARGEST_TOTAL:
            _refuse(path, f"it holds more than {MAX_FILES} files or {LARGEST_TOTAL >> 20} MB")
        files[name] = content
    return files


def _walk(root: Path, folder: Path, depth: int = 0) -> Iterator[Path]:
    if depth > 12:
        _refuse(root, "its folders are nested too deep")
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise UsageError(f"{folder} cannot be read: {error.strerror}.") from None
    if depth and not entries:
        _refuse(root, f"the folder {folder.relative_to(root).as_posix()!r} is empty")
    for entry in entries:
        name = Path(entry.path).relative_to(root).as_posix()
        if entry.is_symlink():
            _refuse(root, f"{name!r} is a link")
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(root, Path(entry.path), depth + 1)
        else:
            yield Path(entry.path)


def _read(root: Path, place: Path, name: str) -> bytes:
    try:
        # Without following: the entry may have become a link since it was listed. Without
        # blocking: a pipe has no end.
        handle = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise UsageError(f"{place} cannot be read: {error.strerror}.") from None
    with os.fdopen(handle, "rb") as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode):
            _refuse(root, f"{name!r} is no ordinary file")
        if about.st_size > LARGEST_FILE:
            _refuse(root, f"{name!r} is larger than {LARGEST_FILE >> 20} MB")
        return file.read(LARGEST_FILE)


def _of_zip(path: Path) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if archive.comment or any(entry.comment for entry in entries):
                _refuse(path, "it has a comment, which no checksum covers")
            _check_entries(path, entries)
            return {
                entry.filename: _unpacked(path, archive, entry)
                for entry in entries
                if not entry.is_dir()
            }
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError) as error:
        _refuse(path, f"it is no readable zip ({type(error).__name__})")
    except (OSError, RuntimeError, ValueError) as error:
        _refuse(path, f"it cannot be read as a zip ({type(error).__name__})")
    except Exception as error:
        # zlib, lzma and struct have errors of their own for broken streams.
        if isinstance(error, IntegrityError):
            raise
        _refuse(path, f"it cannot be unpacked ({type(error).__name__})")


def _check_entries(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > MAX_FILES:
        _refuse(path, f"it holds more than {MAX_FILES} files")
    seen: set[str] = set()
    for entry in entries:
        # `orig_filename` is the name in the archive; `filename` stops at a zero byte.
        if entry.orig_filename != entry.filename:
            _refuse(path, f"the name {entry.orig_filename!r} holds characters no name may hold")
        _check_name(path, entry.filename.removesuffix("/") + ("/x.csv" if entry.is_dir() else ""))
        if entry.filename in seen:
            _refuse(path, f"{entry.filename!r} is in it twice")
        seen.add(entry.filename)
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind and not (stat.S_ISREG(kind) or (entry.is_dir() and stat.S_ISDIR(kind))):
            _refuse(path, f"{entry.filename!r} is a link or no ordinary file")
        if entry.flag_bits & 0x1:
            _refuse(path, f"{entry.filename!r} is encrypted")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            _refuse(path, f"{entry.filename!r} is packed in an unusual way")
        if entry.file_size > LARGEST_FILE:
            _refuse(path, f"{entry.filename!r} is larger than {LARGEST_FILE >> 20} MB")
    _check_folders(path, entries)
    if sum(entry.file_size for entry in entries) > LARGEST_TOTAL:
        _refuse(path, f"it unpacks to more than {LARGEST_TOTAL >> 20} MB")


def _check_folders(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    """A folder that no file is in would be unpacked next to the files, and no checksum covers it."""
    files = [entry.filename for entry in entries if not entry.is_dir()]
    for folder in (entry.filename for entry in entries if entry.is_dir()):
        if not any(name.startswith(folder) for name in files):
            _refuse(path, f"the folder {folder!r} is empty")


def _unpacked(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    with archive.open(entry) as file:
        content = file.read(entry.file_size + 1)
    if len(content) != entry.file_size:
        _refuse(path, f"{entry.filename!r} is not as large as the archive states")
    return content


def _check_name(place: object, name: str) -> None:
    fault = fault_of(name)
    if fault:
        _refuse(place, f"the name {name!r} {fault}")


def _check_content(place: str, name: str, content: bytes) -> None:
    suffix = name.rpartition(".")[2]
    if name == SIGNATURE and len(content) > LARGEST_SIGNATURE:
        _refuse(place, f"{name!r} is larger than a signature can be")
    if suffix == "parquet":
        _check_parquet(place, name, content)
    elif suffix in ("json", "jsonl"):
        _check_json(place, name, content)
    elif suffix in ("yml", "yaml"):
        _check_yaml(place, name, content)


def _check_parquet(place: str, name: str, content: bytes) -> None:
    """Refuse a table by what its footer says, then by what it decodes to."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        about = pq.ParquetFile(pa.BufferReader(content)).metadata
        schema = about.schema.to_arrow_schema()
    except (pa.ArrowException, OSError, ValueError) as error:
        _refuse(place, f"{name!r} is no readable Parquet file ({type(error).__name__})")
    groups = [about.row_group(i) for i in range(about.num_row_groups)]
    large = sum(group.total_byte_size for group in groups) > LARGEST_TOTAL
    most = max([about.num_rows, *(group.num_rows for group in groups)])
    if large or most * max(about.num_columns, 1) > MAX_CELLS or about.num_columns > MAX_COLUMNS:
        _refuse(place, f"{name!r} is a table of excessive size")
    if any(pa.types.is_nested(field.type) for field in schema):
        _refuse(place, f"{name!r} is no table of plain columns")
    try:
        decoded = _decoded_bytes(content, schema)
    except (pa.ArrowException, OSError, ValueError) as error:
        _refuse(place, f"{name!r} is no readable Parquet file ({type(error).__name__})")
    if decoded > LARGEST_TABLE:
        _refuse(place, f"{name!r} is a table of excessive size")


def _decoded_bytes(content: bytes, schema: Any) -> int:
    """The bytes of all cells of a table, counted until they are too many; no text is decoded for it.

    Texts are read as indices into their dictionary, one column and one batch of rows at a time: a
    value that is repeated a million times is held once and counted a million times.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = [f.name for f in schema if _is_text(f.type)]
    file = pq.ParquetFile(pa.BufferReader(content), read_dictionary=texts, pre_buffer=False)
    total = 0
    for field in schema:
        batches = file.iter_batches(BATCH_ROWS, columns=[field.name], use_threads=False)
        for batch in batches:
            total += sum(_cell_bytes(column) for column in batch.columns)
            if total > LARGEST_TABLE:
                return total
    return total


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return any(
        test(kind)
        for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    )  # fmt: skip


def _cell_bytes(column: Any) -> int:
    """The bytes that the cells of a column take once each is decoded, eight for its place."""
    import pyarrow as pa
    import pyarrow.compute as pc

    cells = 8 * len(column)
    if pa.types.is_dictionary(column.type):
        if not len(column.dictionary):
            return cells
        lengths = pc.binary_length(column.dictionary)
        return cells + int(pc.sum(lengths.take(column.indices)).as_py() or 0)
    return cells + (int(column.nbytes) if _is_text(column.type) else 0)


JSON_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
"""A text; one that does not end takes the rest, so that each byte is read once."""
STEPS = {b"[": 1, b"{": 1, b"]": -1, b"}": -1}


def _check_json(place: str, name: str, content: bytes) -> None:
    if len(content) > LARGEST_JSON or (name == INDEX and len(content) > LARGEST_TEXT):
        _refuse(place, f"{name!r} is larger than a JSON file of a bundle can be")
    depth, nodes = _json_shape(content)
    if depth > MAX_DEPTH:
        _refuse(place, f"{name!r} is nested too deep")
    if nodes > MAX_JSON_NODES:
        _refuse(place, f"{name!r} has more values than a file of a bundle can have")
    try:
        if name.endswith(".json"):
            json.loads(content)
    except (ValueError, RecursionError) as error:
        _refuse(place, f"{name!r} is no readable JSON ({type(error).__name__})")


def _json_shape(content: bytes) -> tuple[int, int]:
    """How deep JSON is nested and how many values it has at most, before anything is decoded.

    >>> _json_shape(b'{"a": [1, 2, {"b": "]"}]}')
    (3, 5)
    """
    import numpy as np

    marks = np.frombuffer(JSON_TEXT.sub(b"", content), dtype=np.uint8)
    marks = marks[np.isin(marks, np.frombuffer(b"[]{},", dtype=np.uint8))]
    steps = np.zeros(256, dtype=np.int32)
    for sign, move in STEPS.items():
        steps[ord(sign)] = move
    depths = np.cumsum(steps[marks])
    closed = int(np.isin(marks, np.frombuffer(b"]}", dtype=np.uint8)).sum())
    return int(depths.max(initial=0)), len(marks) - closed


def _check_yaml(place: str, name: str, content: bytes) -> None:
    import yaml

    if len(content) > LARGEST_YAML:
        _refuse(place, f"{name!r} is larger than a YAML file of a bundle can be")
    try:
        problem = _yaml_problem(yaml.parse(io.BytesIO(content), yaml.SafeLoader))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        _refuse(place, f"{name!r} is no readable YAML ({type(error).__name__})")
    if problem:
        _refuse(place, f"{name!r} {problem}")


def _yaml_problem(events: Iterator[Any]) -> str:
    """Why a YAML file is refused; empty where it is not.

    1. It has a tag, which could name a Python object.
    2. An alias is within an anchor, so that few lines could expand to billions of nodes.
    3. It is nested deeper than `MAX_DEPTH`.
    4. It has more than `MAX_NODES` nodes with its aliases expanded.
    """
    import yaml

    sizes: dict[str, int] = {}
    stack: list[tuple[str | None, int]] = []  # of each open collection: its anchor, nodes before it
    nodes = 0
    for event in events:
        if getattr(event, "tag", None):
            return "holds a YAML tag"
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, before = stack.pop()
            sizes |= {anchor: nodes - before} if anchor else {}
        elif isinstance(event, yaml.AliasEvent):
            if any(anchor for anchor, _ in stack):
                return "holds a YAML alias within an anchor"
            nodes += sizes.get(str(event.anchor), 1)
        elif isinstance(event, yaml.NodeEvent):
            if isinstance(event, yaml.CollectionStartEvent):
                stack.append((event.anchor, nodes))
            nodes += 1
        if len(stack) > MAX_DEPTH:
            return "is nested too deep"
        if nodes > MAX_NODES:
            return "has more YAML nodes than a file of a bundle can have"
    return ""


def sums_of(place: str, files: Mapping[str, bytes]) -> dict[str, str]:
    """The SHA-256 of each file by name, as the list of sums states it.

    Raises
    ------
    IntegrityError
        There is no list, or a line of it is not a sum and a name, or a name is given twice.
    """
    content = files.get(SUMS)
    if content is None:
        _refuse(place, f"it has no {SUMS}")
    sums: dict[str, str] = {}
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), start=1):
        parts = re.fullmatch(r"([0-9a-f]{64})  (.+)", line)
        if parts is None:
            _refuse(place, f"line {number} of {SUMS} is no sum and name")
        name = parts[2]
        _check_name(f"{place} ({SUMS})", name)
        if name in sums:
            _refuse(place, f"{SUMS} names {name!r} twice")
        sums[name] = parts[1]
    return sums


def sum_of(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


DAY = re.compile(r"(19|20)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8]|29|30|31)")
ORIGINAL = re.compile(
    r"(?!.*(^|/)\.\.?(/|$))[A-Za-z0-9_.][A-Za-z0-9_. -]*(/[A-Za-z0-9_.][A-Za-z0-9_. -]*)*"
)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _File(_Strict):
    name: str
    original: str
    role: str


class _Code(_Strict):
    version: str
    commit: str | None
    sha256: str
    files: dict[str, str]


class _Environment(_Strict):
    python: str
    system: str
    machine: str
    packages: dict[str, str]


class _Log(_Strict):
    records: int
    last: str | None


class _Wheel(_Strict):
    name: str
    sha256: str


class _Index(_Strict):
    """Every entry of an index with its type; one more or one less is refused."""

    format: Literal[1]
    audience: str
    study: str
    status: str
    cut_off: str
    cut_off_name: str | None
    cut_id: str
    synthetic: bool
    plan_file: str
    plan_sha256: str
    code: _Code
    project: dict[str, str]
    environment: _Environment
    log: _Log | None
    wheel: _Wheel | None
    left_out: dict[str, str]
    files: list[_File]


def _index(place: str, files: Mapping[str, bytes]) -> Mapping[str, Any]:
    if INDEX not in files:
        _refuse(place, f"it has no {INDEX}")
    index = json.loads(files[INDEX])
    if not isinstance(index, dict) or (type(index.get("format")), index.get("format")) != (int, 1):
        _refuse(place, f"its {INDEX} is of another format than this version reads")
    try:
        _Index.model_validate(index)
    except ValidationError as error:
        first = problems(error, "the index")[0].removeprefix("  - ")
        _refuse(place, f"its {INDEX} is not as sap writes it: {first!r}")
    entries = index["files"]
    for entry in entries:
        _check_name(f"{place} ({INDEX})", entry["name"])
        if not ORIGINAL.fullmatch(entry["original"]):
            _refuse(place, f"its {INDEX} gives {entry['name']!r} a place outside the project")
    _names_once(place, entries)
    if not DAY.fullmatch(index["cut_off"]):
        _refuse(place, f"its {INDEX} names no day as its cut-off")
    if not ORIGINAL.fullmatch(index["plan_file"]) or not ORIGINAL.fullmatch(index["cut_id"]):
        _refuse(place, f"its {INDEX} names a plan or a cut outside the project")
    return index


def _names_once(place: str, entries: list[dict[str, str]]) -> None:
    for field in (("name",), ("role", "original")):
        named = [tuple(entry[f] for f in field) for entry in entries]
        if len(set(named)) != len(named):
            _refuse(place, f"its {INDEX} names a file twice")
