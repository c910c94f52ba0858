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
from typing import Any, NoReturn

from sap.bundle.names import SUMS, fault_of
from sap.errors import IntegrityError, UsageError

INDEX = "bundle.json"

MAX_FILES = 5_000
LARGEST_FILE = 256 * 2**20
LARGEST_TOTAL = 1024 * 2**20
LARGEST_TEXT = 32 * 2**20
LARGEST_YAML = 2**20
MAX_CELLS = 200_000_000
MAX_COLUMNS = 2_000
MAX_DEPTH = 60
MAX_NODES = 200_000


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
        A name that leads out, an absolute path, a link, a name twice, a file or a total of excessive
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
    if sum(entry.file_size for entry in entries) > LARGEST_TOTAL:
        _refuse(path, f"it unpacks to more than {LARGEST_TOTAL >> 20} MB")


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
    if suffix == "parquet":
        _check_parquet(place, name, content)
    elif suffix in ("json", "jsonl"):
        _check_json(place, name, content)
    elif suffix in ("yml", "yaml"):
        _check_yaml(place, name, content)


def _check_parquet(place: str, name: str, content: bytes) -> None:
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


def _check_json(place: str, name: str, content: bytes) -> None:
    if len(content) > LARGEST_FILE or (name == INDEX and len(content) > LARGEST_TEXT):
        _refuse(place, f"{name!r} is larger than a JSON file of a bundle can be")
    depth = deepest = 0
    for mark in re.finditer(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', content):
        if mark[0] in (b"[", b"{"):
            depth += 1
            deepest = max(depth, deepest)
        elif mark[0] in (b"]", b"}"):
            depth -= 1
    if deepest > MAX_DEPTH:
        _refuse(place, f"{name!r} is nested too deep")
    try:
        if name.endswith(".json"):
            json.loads(content)
    except (ValueError, RecursionError) as error:
        _refuse(place, f"{name!r} is no readable JSON ({type(error).__name__})")


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


def _index(place: str, files: Mapping[str, bytes]) -> Mapping[str, Any]:
    if INDEX not in files:
        _refuse(place, f"it has no {INDEX}")
    index = json.loads(files[INDEX])
    if not isinstance(index, dict) or index.get("format") != 1:
        _refuse(place, f"its {INDEX} is of another format than this version reads")
    entries = index.get("files")
    texts = ("audience", "study", "cut_id", "plan_file", "cut_off")
    fields = ("name", "original", "role")
    if (
        not isinstance(entries, list)
        or not all(isinstance(index.get(name), str) for name in texts)
        or not all(isinstance(index.get(name), dict) for name in ("code", "environment"))
        or not all(
            isinstance(e, dict) and all(isinstance(e.get(f), str) for f in fields) for e in entries
        )
    ):
        _refuse(place, f"its {INDEX} lacks an entry that every bundle has")
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
