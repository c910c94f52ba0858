"""SAS transport files: one or several members, each text decoded on its own.

A transport file does not state its encoding, and its texts may have several: labels of a data
dictionary, terms of two vendors, a text truncated within a character. Therefore the file is read as
bytes (ISO 8859-1 is reversible) and the encoding is determined for each text; labels are not used.
"""

import re
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sap.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

RECORD = 80
LIBRARY = 3 * RECORD
MEMBER = re.compile(rb"HEADER RECORD\*{7}(?:MEMBER  |MEMBV8  )HEADER RECORD!{7}")


class Member(NamedTuple):
    """One dataset of a transport file; cells are texts and numbers."""

    name: str
    columns: list[str]
    rows: Iterator[tuple[Any, ...]]


def members(path: Path) -> list[Member]:
    """Every dataset of a transport file, in the order of the file.

    Raises
    ------
    UsageError
        The file is no transport file, or two of its datasets have one name.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path.name} cannot be read: {error.strerror}") from error
    starts = [at.start() for at in MEMBER.finditer(content, LIBRARY) if not at.start() % RECORD]
    if len(starts) < 2:
        return [_member(path, path.name, path.stem)]
    names = [_name(content, start) for start in starts]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(
            f"{path.name} holds {len(names)} datasets and two are called {twice.upper()}: "
            "write each into a file of its own"
        )
    with tempfile.TemporaryDirectory() as folder:
        read = []
        for name, (start, end) in zip(names, pairwise([*starts, len(content)]), strict=True):
            alone = Path(folder) / "member.xpt"
            alone.write_bytes(content[:LIBRARY] + content[start:end])
            read.append(_member(alone, path.name, name))
        return read


def _name(content: bytes, start: int) -> str:
    """The name of the member: bytes 8 to 16 of the second record after its header."""
    record = content[start + 2 * RECORD : start + 3 * RECORD]
    return record[8:16].decode("ascii", "replace").strip().lower()


def _member(path: Path, file: str, name: str) -> Member:
    import pyreadstat

    # Of a damaged file pyreadstat raises its own errors, or those of its code, such as TypeError.
    own = (pyreadstat.ReadstatError, pyreadstat.PyreadstatError)
    faults = (*own, ValueError, OSError, TypeError, LookupError, ArithmeticError)
    try:
        table, meta = pyreadstat.read_xport(
            path, encoding="ISO-8859-1", disable_datetime_conversion=True
        )
    except faults as error:
        raise UsageError(f"{file} is not a SAS transport file that can be read") from error
    if any(not isinstance(column, str) or not column for column in table):
        raise UsageError(f"{file} has a variable without a name: correct the file at its source")
    names = [str(column) for column in table]
    texts = _decoded(table, meta.variable_storage_width)
    columns = [texts.get(column, table[column].tolist()) for column in names]
    return Member(name, names, zip(*columns, strict=True))


def _decoded(table: "pd.DataFrame", widths: dict[str, int]) -> dict[str, list[Any]]:
    """The text columns with each text in its own encoding.

    1. Valid UTF-8 is UTF-8, also when truncated within a character after other multi-byte
       characters: the rest of that character becomes U+FFFD.
    2. A text that is ASCII except for an end that may be a truncated UTF-8 character is truncated
       UTF-8 where other texts of the table are of case 1 and none is of case 4, and Windows-1252 in
       the opposite situation.
    3. Where neither or both kinds are present, it is truncated UTF-8 when it has the full length of
       its variable.
    4. All others are Windows-1252; a byte without a character there becomes U+FFFD.
    """
    raw = {
        str(name): [_bytes(cell) for cell in table[name].tolist()]
        for name in table
        if table[name].dtype == object
    }
    seen = {(cell, widths.get(name, 0)) for name in raw for cell in raw[name]}
    texts = {each: _kind(each[0]) for each in seen if isinstance(each[0], bytes)}
    kinds = set(texts.values())
    known = {each: _text(*each, kind, kinds) for each, kind in texts.items()}
    return {
        name: [known.get((cell, widths.get(name, 0)), cell) for cell in cells]
        for name, cells in raw.items()
    }


def _bytes(cell: Any) -> Any:
    """A text that is not ASCII as its bytes in the file; other values unchanged."""
    if not isinstance(cell, str) or cell.isascii():
        return cell
    return cell.encode("iso-8859-1")


def _kind(cell: bytes) -> str:
    try:
        cell.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data":
            return "windows"
        return "cut" if cell[: error.start].isascii() else "utf-8"
    return "utf-8"


def _text(cell: bytes, width: int, kind: str, kinds: set[str]) -> str:
    if kind == "cut":
        utf_8, windows = "utf-8" in kinds, "windows" in kinds
        kind = "utf-8" if (utf_8 if utf_8 != windows else len(cell) >= width) else "windows"
    return cell.decode("utf-8" if kind == "utf-8" else "windows-1252", "replace")
