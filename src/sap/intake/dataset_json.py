"""Strict reading of CDISC Dataset-JSON 1.1, as one object or as lines (NDJSON).

https://www.cdisc.org/standards/data-exchange/dataset-json
"""

import json
from pathlib import Path
from typing import Any, NoReturn

from sap.errors import UsageError

VERSION = "1.1"


class _Fault(ValueError):
    """A fault of the file; its message describes it."""


def read(path: Path) -> tuple[list[str], list[list[Any]]]:
    """The names of the columns and the rows.

    1. Duplicate keys, numbers out of range (1e999, NaN) and lone surrogates are refused, because JSON
       readers treat them differently.
    2. Lines of NDJSON end at a line feed only; other line separators of Unicode are characters.
    3. `records` is an integer and is the number of rows.

    Raises
    ------
    UsageError
        Names the file and what is wrong with it.
    """
    try:
        content = path.read_bytes().decode("utf-8-sig")
        head, rows = _parts(content, lines=path.suffix.lower() == ".ndjson")
        _check_version(head)
        names = _names(head)
        _check_rows(head, rows)
    except OSError as error:
        raise UsageError(f"{path.name} cannot be read: {error.strerror}") from error
    except _Fault as error:
        raise UsageError(f"{path.name} is not Dataset-JSON {VERSION}: {error}") from error
    except RecursionError:
        raise UsageError(
            f"{path.name} is not Dataset-JSON {VERSION}: it is nested too deep"
        ) from None
    except UnicodeDecodeError:
        raise UsageError(f"{path.name} is not Dataset-JSON {VERSION}: it is not UTF-8") from None
    except ValueError as error:
        raise UsageError(f"{path.name} is not Dataset-JSON {VERSION}: it is not JSON") from error
    return names, rows


def _parts(content: str, *, lines: bool) -> tuple[dict[str, Any], list[list[Any]]]:
    if lines:
        first, *rest = [_parsed(line) for line in content.split("\n") if line.strip()] or [None]
        head, rows = first, rest
    else:
        head = _parsed(content)
        rows = head.get("rows", []) if isinstance(head, dict) else []
    if not isinstance(head, dict):
        raise _Fault("it begins with no object")
    if not isinstance(rows, list):
        raise _Fault("`rows` is no list")
    return head, rows


def _parsed(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_once, parse_constant=_no_number, parse_float=_finite)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise _Fault(f"the key {name!r} is given twice")
        members[name] = value
    return members


def _no_number(text: str) -> NoReturn:
    raise _Fault(f"{text} is no number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    if abs(number) == float("inf"):
        raise _Fault("a number is out of range")
    return number


def _check_version(head: dict[str, Any]) -> None:
    version = head.get("datasetJSONVersion")
    if not isinstance(version, str):
        raise _Fault("`datasetJSONVersion` is missing or no text")
    if not version.startswith(VERSION):
        raise _Fault("it is of another version: export it again")


def _names(head: dict[str, Any]) -> list[str]:
    columns = head.get("columns")
    if not isinstance(columns, list) or not all(isinstance(column, dict) for column in columns):
        raise _Fault("`columns` is no list of objects")
    names = [column.get("name") for column in columns]
    for number, name in enumerate(names, start=1):
        if not isinstance(name, str):
            raise _Fault(f"the name of column {number} is no text")
    return [str(name) for name in names]


def _check_rows(head: dict[str, Any], rows: list[Any]) -> None:
    expected = head.get("records")
    if not isinstance(expected, int) or isinstance(expected, bool):
        raise _Fault("`records` is missing or no whole number")
    if expected != len(rows):
        raise _Fault(
            f"it declares {expected} records and has {len(rows)}: it was truncated; "
            "transfer it again"
        )
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, list):
            raise _Fault(f"row {number} is no list of cells")
