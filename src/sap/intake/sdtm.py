"""SDTM tables from and to files: one file a domain, named after it.

Every cell becomes text, as the data contracts want it: what is a number and what is a date they
decide, and a file that says `abc` where a number belongs must reach them. Read are

- CSV: UTF-8, with or without byte order mark, commas, header first
- SAS transport (XPT): each text in UTF-8, else in Windows-1252; one or several datasets a file
- Parquet
- Dataset-JSON 1.1 (CDISC), as one JSON object or as lines (NDJSON)

A domain may be split over files, as section 4.1.7 of SDTMIG 3.4 has it: `lbch.xpt` and `lbhe.xpt`,
whose DOMAIN says LB, are the domain lb.
"""

import csv
import datetime as dt
import io
import sys
import tempfile
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

BESIDE = frozenset({"planted.csv", "unmapped.csv", "map.yml"})
"""What `sap simulate` and `sap intake` leave beside the tables; no tables themselves."""

DOCUMENTS = frozenset({".md", ".pdf", ".txt", ".xml", ".xsl"})
"""What a submission folder holds besides data: Define-XML, its style sheet, guides."""


class Source(NamedTuple):
    """One dataset of a folder: the file it stands in, the name it has there, its table."""

    file: str
    name: str
    table: "pd.DataFrame"


def read(directory: Path) -> dict[str, "pd.DataFrame"]:
    """The tables of a folder by domain, lower case; cells are text, missing is None.

    Raises
    ------
    UsageError
        No folder, no tables, two files of one domain, or a file that cannot be read as what its
        name says; the message names the file.
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
    found: list[Source] = []
    for path in sorted(directory.iterdir()):
        kind = path.suffix.lower()
        if not path.is_file() or path.name.startswith(".") or path.name in BESIDE:
            continue
        if kind in DOCUMENTS:
            continue
        if kind not in READERS:
            raise UsageError(
                f"{path.name} is of no kind that can be read ({', '.join(sorted(READERS))}): "
                "convert it or take it out of the folder"
            )
        found += [Source(path.name, name, table) for name, table in READERS[kind](path)]
    if not found:
        raise UsageError(f"{directory} holds no SDTM file ({', '.join(sorted(READERS))})")
    return found


def joined(found: Sequence[Source]) -> dict[str, "pd.DataFrame"]:
    """The tables by domain, the parts of a split domain one below the other, by name.

    Raises
    ------
    UsageError
        Two files hold one domain.
    """
    parts: dict[str, list[Source]] = {}
    for source in sorted(found, key=lambda each: (each.name, each.file)):
        parts.setdefault(domain_of(source), []).append(source)
    for domain, these in parts.items():
        names = Counter(each.name for each in these)
        if max(names.values()) > 1:
            one, other = [each.file for each in these if names[each.name] > 1][:2]
            raise UsageError(f"{one} and {other} are both domain {domain}: keep one")
    return {domain: _below(these) for domain, these in sorted(parts.items())}


def domain_of(source: Source) -> str:
    """The domain a dataset is part of: its name, or the two letters that a split one begins with.

    Split is a dataset of three or four letters whose DOMAIN says the first two in every row.
    """
    short = source.name[:2]
    if len(source.name) not in (3, 4) or "DOMAIN" not in source.table or source.table.empty:
        return source.name
    said = {str(cell).strip().lower() for cell in source.table["DOMAIN"].unique()}
    return short if said == {short} else source.name


def _below(parts: Sequence[Source]) -> "pd.DataFrame":
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
    r"""One CSV a table, each written beside its place and renamed: the same tables, the same bytes.

    UTF-8, `\n`, header in upper case, missing as nothing, quotes only where a cell needs them.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for domain, table in sorted(tables.items()):
        columns = [[_text(cell) for cell in table[name].tolist()] for name in table]
        lines = [_line([str(name).upper() for name in table])]
        lines += [_line(row) for row in zip(*columns, strict=True)]
        _replace(directory / f"{domain}.csv", "".join(lines))


def _replace(path: Path, content: str) -> None:
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, prefix=f".{path.name}.", delete=False, encoding="utf-8", newline=""
    ) as new:
        new.write(content)
    Path(new.name).chmod(0o644)
    Path(new.name).replace(path)


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
            return _whole(value) or None
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


def _whole(text: str) -> str:
    """The text; half of a surrogate pair, which is no letter, raises UnicodeEncodeError."""
    if not text.isascii():
        text.encode()
    return text


def _table(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> "pd.DataFrame":
    import pandas as pd

    names = [name.strip().upper() for name in header]
    twice = next((name for name, times in Counter(names).items() if times > 1), None)
    if twice is not None or "" in names:
        found = f"the column {twice} twice" if twice else "a column without a name"
        raise UsageError(f"{path.name} has {found}: correct its header")
    cells = []
    for number, row in enumerate(rows, start=1):
        if len(row) != len(names):
            raise UsageError(
                f"{path.name}: row {number} has {len(row)} cells, the header {len(names)}: "
                "correct the file at its source"
            )
        try:
            cells.append([_text(cell) for cell in row])
        except ValueError:
            raise UsageError(_bad_cell(path, number, names, row)) from None
    return pd.DataFrame(cells, columns=names, dtype=object)


def _bad_cell(path: Path, number: int, names: Sequence[str], row: Sequence[Any]) -> str:
    for name, cell in zip(names, row, strict=True):
        try:
            _text(cell)
        except UnicodeEncodeError:
            what = "a cell holds half of a letter (a lone surrogate)"
        except ValueError:
            what = "a cell is no plain value"
        else:
            continue
        return f"{path.name}: row {number}, column {name}: {what}: correct the file at its source"
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
    """A row of a transport file; a number that was a decimal fraction carries noise in its last bits."""
    return [significant(cell) if isinstance(cell, float) else cell for cell in row]


def _parquet(path: Path) -> list[tuple[str, "pd.DataFrame"]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UsageError(f"{path.name} is not a Parquet file of plain columns") from error
    columns = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        try:
            columns.append(column.to_pylist())
        except (pa.ArrowException, ValueError, OverflowError, LookupError) as error:
            raise UsageError(
                f"{path.name}: column {name} ({column.type}) holds a value that is no day or time "
                "of the calendar, or a time zone that is not known: write it as text"
            ) from error
    if any(pa.types.is_nested(column.type) for column in table.columns):
        raise UsageError(f"{path.name} is not a Parquet file of plain columns")
    return [(path.stem.lower(), _table(path, table.column_names, zip(*columns, strict=True)))]


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
