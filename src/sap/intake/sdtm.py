"""SDTM tables from and to files: one file per domain, named after it.

Every value is read as text. The data contracts decide what is a number or a date, so that an invalid
value such as `abc` in a number column becomes a finding. Formats:

- CSV: UTF-8, with or without byte order mark, commas, header first
- SAS transport (XPT): each text in UTF-8, else in Windows-1252; one or several datasets per file
- Parquet
- Dataset-JSON 1.1 (CDISC), as one JSON object or as lines (NDJSON)

A domain may be split over files (SDTMIG 3.4, section 4.1.7): `lbch.xpt` and `lbhe.xpt` with DOMAIN LB
are the domain lb.
"""

import csv
import datetime as dt
import io
import secrets
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sap.catalogue.numbers import significant
from sap.contracts import number_text
from sap.errors import UsageError
from sap.intake import dataset_json, xpt

if TYPE_CHECKING:
    import pandas as pd

NO_TABLES = frozenset({"planted.csv", "unmapped.csv", "map.yml"})
"""Files written by `sap simulate` and `sap intake` that are no tables."""

DOCUMENTS = frozenset({".md", ".pdf", ".txt", ".xml", ".xsl"})
"""Other files of a submission folder: Define-XML, its style sheet, guides."""


class Source(NamedTuple):
    """One dataset of a folder: its file, its name in the file, its table."""

    file: str
    name: str
    table: "pd.DataFrame"


def read(directory: Path) -> dict[str, "pd.DataFrame"]:
    """The tables of a folder by domain, lower case; values are text, missing is None.

    Raises
    ------
    UsageError
        No folder, no tables, two files of one domain, or a file that cannot be read in the format
        of its suffix; the message names the file.
    """
    return joined(sources(directory))


def sources(directory: Path) -> list[Source]:
    """Every dataset of a folder by the name of its file, in the order of the names.

    Raises
    ------
    UsageError
        As `read`.
    """
    if not directory.is_dir():
        raise UsageError(f"{directory} is not a folder: name the folder that holds the SDTM files")
    datasets: list[Source] = []
    for path in sorted(directory.iterdir()):
        kind = path.suffix.lower()
        if not path.is_file() or path.name.startswith(".") or path.name in NO_TABLES:
            continue
        if kind in DOCUMENTS:
            continue
        if kind not in READERS:
            raise UsageError(
                f"{path.name} is of no kind that can be read ({', '.join(sorted(READERS))}): "
                "convert it or take it out of the folder"
            )
        datasets += [Source(path.name, name, table) for name, table in READERS[kind](path)]
    if not datasets:
        raise UsageError(f"{directory} holds no SDTM file ({', '.join(sorted(READERS))})")
    return datasets


def joined(datasets: Sequence[Source]) -> dict[str, "pd.DataFrame"]:
    """The tables by domain, the parts of a split domain concatenated in the order of their names.

    Raises
    ------
    UsageError
        Two files hold one domain.
    """
    parts: dict[str, list[Source]] = {}
    for source in sorted(datasets, key=lambda each: (each.name, each.file)):
        parts.setdefault(domain_of(source), []).append(source)
    for domain, of_domain in parts.items():
        names = Counter(each.name for each in of_domain)
        if max(names.values()) > 1:
            first, other = [each.file for each in of_domain if names[each.name] > 1][:2]
            raise UsageError(f"{first} and {other} are both domain {domain}: keep one")
    return {domain: _concatenated(of_domain) for domain, of_domain in sorted(parts.items())}


def domain_of(source: Source) -> str:
    """The domain of a dataset: its name, or the first two letters of a split dataset.

    A dataset of three or four letters is split when DOMAIN is its first two letters in every row.
    """
    short = source.name[:2]
    if len(source.name) not in (3, 4) or "DOMAIN" not in source.table or source.table.empty:
        return source.name
    values = {str(cell).strip().lower() for cell in source.table["DOMAIN"].unique()}
    return short if values == {short} else source.name


def _concatenated(parts: Sequence[Source]) -> "pd.DataFrame":
    import pandas as pd

    if len(parts) == 1:
        return parts[0].table
    names = dict.fromkeys(str(name) for part in parts for name in part.table)
    cells = {
        name: [
            cell
            for part in parts
            for cell in (part.table[name] if name in part.table else [None] * len(part.table))
        ]
        for name in names
    }
    return pd.DataFrame(cells, dtype=object)


def write(tables: Mapping[str, "pd.DataFrame"], directory: Path) -> None:
    r"""One CSV per table, written atomically; the same tables give the same bytes.

    UTF-8, `\n`, header in upper case, missing as empty, quotes only where needed.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for domain, table in sorted(tables.items()):
        columns = [[_text(cell) for cell in table[name].tolist()] for name in table]
        lines = [_line([str(name).upper() for name in table])]
        lines += [_line(row) for row in zip(*columns, strict=True)]
        _replace(directory / f"{domain}.csv", "".join(lines))


def _replace(path: Path, content: str) -> None:
    new = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        new.write_text(content, encoding="utf-8", newline="")
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def _line(cells: Sequence[str | None]) -> str:
    r"""One line of CSV. The csv module of Python 3.11 leaves a lone carriage return unquoted."""
    quoted = [
        '"' + cell.replace('"', '""') + '"' if any(mark in cell for mark in ',"\r\n') else cell
        for cell in ("" if each is None else each for each in cells)
    ]
    return (",".join(quoted) or '""') + "\n"


def _text(value: Any) -> str | None:
    """A cell as text; the empty text is missing.

    >>> [_text(x) for x in (None, "", " a", 25.0, 7, True, dt.date(2017, 3, 1), Decimal("0.10"))]
    [None, None, ' a', '25', '7', 'Y', '2017-03-01', '0.10']
    """
    match value:
        case None:
            return None
        case str():
            return _encodable(value) or None
        case bool():
            return "Y" if value else "N"
        case int() | Decimal():
            return f"{value:f}" if isinstance(value, Decimal) else str(value)
        case float():
            return number_text(value)
        case dt.datetime() | dt.date() | dt.time():
            return value.isoformat()
        case _:
            raise ValueError(f"a cell of type {type(value).__name__} has no text")


def _encodable(text: str) -> str:
    """The text; a lone surrogate raises UnicodeEncodeError."""
    if not text.isascii():
        text.encode()
    return text


def _table(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> "pd.DataFrame":
    import pandas as pd

    names = [name.strip().upper() for name in header]
    duplicate = next((name for name, times in Counter(names).items() if times > 1), None)
    if duplicate is not None or "" in names:
        fault = f"the column {duplicate} twice" if duplicate else "a column without a name"
        raise UsageError(f"{path.name} has {fault}: correct its header")
    texts = []
    for number, row in enumerate(rows, start=1):
        if len(row) != len(names):
            raise UsageError(
                f"{path.name}: row {number} has {len(row)} cells, the header {len(names)}: "
                "correct the file at its source"
            )
        try:
            texts.append([_text(cell) for cell in row])
        except ValueError:
            raise UsageError(_bad_cell(path, number, names, row)) from None
    return pd.DataFrame(texts, columns=names, dtype=object)


def _bad_cell(path: Path, number: int, names: Sequence[str], row: Sequence[Any]) -> str:
    for name, cell in zip(names, row, strict=True):
        try:
            _text(cell)
        except UnicodeEncodeError:
            fault = "a value has a lone surrogate"
        except ValueError:
            fault = "a value is no text, number or date"
        else:
            continue
        return f"{path.name}: row {number}, column {name}: {fault}: correct the file at its source"
    raise AssertionError("no cell is bad")


def _csv(path: Path) -> list[tuple[str, "pd.DataFrame"]]:
    try:
        content = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path.name} is not UTF-8: save it as CSV UTF-8") from error
    usual = csv.field_size_limit(sys.maxsize)
    try:
        rows = [row for row in csv.reader(io.StringIO(content, newline=""), strict=True) if row]
    except csv.Error as error:
        raise UsageError(f"{path.name} is not a CSV file: {error}") from error
    finally:
        csv.field_size_limit(usual)
    if not rows:
        raise UsageError(f"{path.name} is empty: not even a header")
    for mark, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(rows[0]) == 1 and mark in rows[0][0]:
            raise UsageError(f"{path.name} is separated by {name}: save it separated by commas")
    return [(path.stem.lower(), _table(path, rows[0], rows[1:]))]


def _xpt(path: Path) -> list[tuple[str, "pd.DataFrame"]]:
    return [
        (member.name.lower(), _table(path, member.columns, map(_digits, member.rows)))
        for member in xpt.members(path)
    ]


def _digits(row: Sequence[Any]) -> list[Any]:
    """A row of a transport file, its numbers at 15 significant digits (decimal fractions are not exact)."""
    return [significant(cell) if isinstance(cell, float) else cell for cell in row]


def _parquet(path: Path) -> list[tuple[str, "pd.DataFrame"]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        names = table.column_names  # a name that is no UTF-8 raises here
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UsageError(f"{path.name} is not a Parquet file of plain columns") from error
    columns = []
    for name, column in zip(names, table.columns, strict=True):
        try:
            columns.append(column.to_pylist())
        except (pa.ArrowException, ValueError, OverflowError, LookupError) as error:
            raise UsageError(
                f"{path.name}: column {name} ({column.type}) holds a value that is no day or time "
                "of the calendar, or a time zone that is not known: write it as text"
            ) from error
    if any(pa.types.is_nested(column.type) for column in table.columns):
        raise UsageError(f"{path.name} is not a Parquet file of plain columns")
    return [(path.stem.lower(), _table(path, names, zip(*columns, strict=True)))]


def _dataset_json(path: Path) -> list[tuple[str, "pd.DataFrame"]]:
    names, rows = dataset_json.read(path)
    return [(path.stem.lower(), _table(path, names, rows))]


READERS: Mapping[str, Callable[[Path], list[tuple[str, "pd.DataFrame"]]]] = {
    ".csv": _csv,
    ".json": _dataset_json,
    ".ndjson": _dataset_json,
    ".parquet": _parquet,
    ".xpt": _xpt,
}
