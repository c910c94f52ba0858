"""SDTM tables from and to files: one file a domain, named after it.

Every cell becomes text, as the data contracts want it: what is a number and what is a date they
decide, and a file that says `abc` where a number belongs must reach them. Read are

- CSV: UTF-8, with or without byte order mark, commas, header first
- SAS transport (XPT): text in UTF-8, else in Windows-1252
- Parquet
- Dataset-JSON 1.1 (CDISC), as one JSON object or as lines (NDJSON)
"""

import csv
import datetime as dt
import io
import json
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sap.contracts import number_text
from sap.errors import WrongUse

if TYPE_CHECKING:
    import pandas as pd

BESIDE = frozenset({"planted.csv", "unmapped.csv"})
"""Lists that `sap simulate` and `sap intake` leave beside the tables; no tables themselves."""

DOCUMENTS = frozenset({".md", ".pdf", ".txt", ".xml", ".xsl"})
"""What a submission folder holds besides data: Define-XML, its style sheet, guides."""


def read(directory: Path) -> dict[str, "pd.DataFrame"]:
    """The tables of a folder by domain, lower case; cells are text, missing is None.

    Raises
    ------
    WrongUse
        No folder, no tables, two files of one domain, or a file that cannot be read as what its
        name says; the message names the file.
    """
    if not directory.is_dir():
        raise WrongUse(f"{directory} is not a folder: name the folder that holds the SDTM files")
    tables: dict[str, pd.DataFrame] = {}
    origin: dict[str, str] = {}
    for path in sorted(directory.iterdir()):
        kind = path.suffix.lower()
        if not path.is_file() or path.name.startswith(".") or path.name in BESIDE:
            continue
        if kind in DOCUMENTS:
            continue
        if kind not in READERS:
            raise WrongUse(
                f"{path.name} is of no kind that can be read ({', '.join(sorted(READERS))}): "
                "convert it or take it out of the folder"
            )
        domain = path.stem.lower()
        if domain in tables:
            raise WrongUse(f"{origin[domain]} and {path.name} are both domain {domain}: keep one")
        origin[domain] = path.name
        tables[domain] = READERS[kind](path)
    if not tables:
        raise WrongUse(f"{directory} holds no SDTM file ({', '.join(sorted(READERS))})")
    return tables


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
            return value or None
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


def _table(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> "pd.DataFrame":
    import pandas as pd

    names = [name.strip().upper() for name in header]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or "" in names:
        found = f"the column {twice[0]} twice" if twice else "a column without a name"
        raise WrongUse(f"{path.name} has {found}: correct its header")
    cells = [[_text(cell) for cell in row] for row in rows]
    for number, row in enumerate(cells, start=1):
        if len(row) != len(names):
            raise WrongUse(
                f"{path.name}: row {number} has {len(row)} cells, the header {len(names)}: "
                "correct the file at its source"
            )
    return pd.DataFrame(cells, columns=names, dtype=object)


def _csv(path: Path) -> "pd.DataFrame":
    try:
        content = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise WrongUse(f"{path.name} is not UTF-8: save it as CSV UTF-8") from error
    try:
        rows = [row for row in csv.reader(io.StringIO(content, newline=""), strict=True) if row]
    except csv.Error as error:
        raise WrongUse(f"{path.name} is not a CSV file: {error}") from error
    if not rows:
        raise WrongUse(f"{path.name} is empty: not even a header")
    for mark, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(rows[0]) == 1 and mark in rows[0][0]:
            raise WrongUse(f"{path.name} is separated by {name}: save it separated by commas")
    return _table(path, rows[0], rows[1:])


def _xpt(path: Path) -> "pd.DataFrame":
    import pyreadstat

    faults = (pyreadstat.ReadstatError, pyreadstat.PyreadstatError, ValueError, OSError)
    try:
        try:
            table, _ = pyreadstat.read_xport(path, disable_datetime_conversion=True)
        except UnicodeDecodeError:
            # SAS on Windows writes its own code page; XPT does not say which.
            table, _ = pyreadstat.read_xport(
                path, encoding="WINDOWS-1252", disable_datetime_conversion=True
            )
    except faults as error:
        raise WrongUse(f"{path.name} is not a SAS transport file that can be read") from error
    columns = [table[name].tolist() for name in table]
    return _table(path, [str(name) for name in table], zip(*columns, strict=True))


def _parquet(path: Path) -> "pd.DataFrame":
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        columns = [column.to_pylist() for column in table.columns]
        return _table(path, table.column_names, zip(*columns, strict=True))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise WrongUse(f"{path.name} is not a Parquet file of plain columns") from error


def _dataset_json(path: Path) -> "pd.DataFrame":
    """https://www.cdisc.org/standards/data-exchange/dataset-json, version 1.1."""
    lines = path.suffix.lower() == ".ndjson"
    try:
        content = path.read_bytes().decode("utf-8-sig")
        if lines:
            head, *rows = [json.loads(line) for line in content.splitlines() if line.strip()]
        else:
            head = json.loads(content)
            rows = head.get("rows", [])
        version = str(head["datasetJSONVersion"])
        names = [column["name"] for column in head["columns"]]
        promised = int(head["records"])
    except (UnicodeDecodeError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WrongUse(f"{path.name} is not Dataset-JSON 1.1") from error
    if not version.startswith("1.1"):
        raise WrongUse(f"{path.name} is Dataset-JSON of another version than 1.1: export it as 1.1")
    if promised != len(rows):
        raise WrongUse(
            f"{path.name} says it has {promised} records and has {len(rows)}: it was cut short; "
            "transfer it again"
        )
    try:
        return _table(path, names, rows)
    except (ValueError, TypeError) as error:
        raise WrongUse(f"{path.name} is not Dataset-JSON 1.1: a cell is no plain value") from error


READERS: Mapping[str, Callable[[Path], "pd.DataFrame"]] = {
    ".csv": _csv,
    ".json": _dataset_json,
    ".ndjson": _dataset_json,
    ".parquet": _parquet,
    ".xpt": _xpt,
}
