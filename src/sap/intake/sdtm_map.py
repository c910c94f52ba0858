"""Mapping of other SDTM to the terms of the plan, by a file whose lines are counted.

`map.yml` renames columns, recodes values, converts units, names visits, joins split domains and
excludes tests and domains. Values are compared exactly; a line without effect is a warning, and
everything outside of the map is unchanged.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Context, Decimal, InvalidOperation
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sap.errors import PlanError, UsageError
from sap.intake.sdtm import Source, joined
from sap.plan.reading import line_of, lines_of, load_yaml, problems

if TYPE_CHECKING:
    import pandas as pd

    Tables = dict[str, pd.DataFrame]

MAP = "map.yml"
MAPPED = "mapped"
"""The table with the number of records or values of each line of the map: `mapped.csv`."""
COLUMNS = ("LINE", "KIND", "WHAT", "WHY", "COUNT")

Text = Annotated[str, Field(min_length=1)]
Reason = Annotated[str, Field(min_length=3)]
Domain = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{1,7}$")]
Column = Annotated[str, Field(pattern=r"^[A-Z_][A-Z0-9_]{0,7}$")]
Factor = Annotated[str, Field(pattern=r"^[0-9]*\.?[0-9]+([eE][+-]?[0-9]{1,2})?$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)


class Split(_Strict):
    """Datasets that are parts of one domain."""

    domain: Domain
    parts: Annotated[list[Domain], Field(min_length=1)]
    why: Reason | None = None


class LeftOut(_Strict):
    """A domain that is not read, or the records of one test."""

    domain: Domain
    test: Text | None = None
    why: Reason


class Rename(_Strict):
    """A column under another name."""

    domain: Domain
    source: Column = Field(alias="from")
    to: Column
    why: Reason | None = None


class Recode(_Strict):
    """A recoded value; `to: null` removes it, which needs a reason."""

    domain: Domain
    column: Column
    source: Text = Field(alias="from")
    to: Text | None
    why: Reason | None = None

    @model_validator(mode="after")
    def _removal_has_reason(self) -> "Recode":
        if self.to is None and self.why is None:
            raise ValueError("`to: null` takes a value away: give `why`")
        return self


class Convert(_Strict):
    """Standard results converted to another unit: the number times `factor`."""

    domain: Domain
    test: Text | None = None
    source: Text = Field(alias="from")
    to: Text
    factor: Factor
    why: Reason | None = None


class Visit(_Strict):
    """A visit renamed to the term of the plan; without a domain, in all domains."""

    domain: Domain | None = None
    source: Text = Field(alias="from")
    to: Text
    why: Reason | None = None


class Map(_Strict):
    """The lines of a map by kind, in the order in which they are applied."""

    split: list[Split] = []
    leave_out: list[LeftOut] = []
    columns: list[Rename] = []
    recodes: list[Recode] = Field(default=[], alias="values")
    units: list[Convert] = []
    visits: list[Visit] = []

    @model_validator(mode="after")
    def _no_duplicate_lines(self) -> "Map":
        keys: list[tuple[object, ...]] = [
            *(("split", part) for entry in self.split for part in entry.parts),
            *(("leave_out", entry.domain, entry.test) for entry in self.leave_out),
            *(("columns", entry.domain, entry.source) for entry in self.columns),
            *(("values", entry.domain, entry.column, entry.source) for entry in self.recodes),
            *(("units", entry.domain, entry.test, entry.source) for entry in self.units),
            *(("visits", entry.domain, entry.source) for entry in self.visits),
        ]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            key_text = " ".join(str(part) for part in twice if part is not None)
            raise ValueError(f"two lines have the same subject: {key_text}")
        return self


class MapFile(NamedTuple):
    """A map, the bytes it was read from, and the line of each of its parts."""

    rules: Map
    content: bytes
    lines: Mapping[tuple[str | int, ...], int]


class Used(NamedTuple):
    """The effect of one line of a map: its position, its content, the number of values or records."""

    line: int
    kind: str
    what: str
    why: str
    times: int


def read_map(path: Path) -> MapFile:
    """Read a map.

    Raises
    ------
    UsageError
        The file cannot be read (exit 2).
    PlanError
        It is no map (exit 13): each fault with its line and key, all at once.
    """
    content, text, _ = load_yaml(path, "the map")
    lines = lines_of(text)
    try:
        rules = Map.model_validate(content)
    except ValidationError as error:
        faults = "\n".join(problems(error, "the map", lines))
        raise PlanError(f"{path} is not a valid map:\n{faults}") from None
    return MapFile(rules, text.encode("utf-8"), lines)


def fault_of_lines(folder: Path, table: "pd.DataFrame | None") -> str:
    """Why a table `mapped` is not that of the `map.yml` of its folder, in words; empty where it is.

    The first case that applies; without either there is no fault:

    1. One is there without the other.
    2. The map cannot be read.
    3. The table lacks a column.
    4. A line has another number, kind, subject or reason, or one more or less is there. How often a line
       applied is not compared: only the source files show it.
    """
    path = folder / MAP
    if path.is_file() is not (table is not None):
        both = (MAP, MAPPED) if table is None else (MAPPED, MAP)
        return " is there without ".join(both)
    if table is None:
        return ""
    try:
        rows = _Work(read_map(path)).listing()
    except (PlanError, UsageError):
        return f"{MAP} cannot be read as a map"
    names = [name for name in COLUMNS if name != "COUNT"]
    if not set(names) <= set(table.columns):
        return f"{MAPPED} has not the columns {', '.join(names)}"
    pairs = zip_longest(*(one[names].to_numpy().tolist() for one in (table, rows)))
    for number, (left, right) in enumerate(pairs, start=1):
        if left is None or right is None or _plain(left) != _plain(right):
            return f"row {number} of {MAPPED} is not what {MAP} says"
    return ""


def _plain(cells: Sequence[object]) -> tuple[float, list[str]]:
    """The number of a line, and its words with one space for many: a cut has a number where a file has text."""
    try:
        number = float(str(cells[0]))
    except ValueError:
        number = -1.0
    return number, [" ".join(str(cell or "").split()) for cell in cells[1:]]


def mapped(sources: Sequence[Source], read: MapFile) -> "Tables":
    """The domains of some datasets by a map, and the table `mapped`: one row for each of its lines.

    1. Datasets named by `split` are concatenated in the order of the line.
    2. Domains and tests of `leave_out` are removed.
    3. Columns are renamed; a name that the domain already has is refused.
    4. Values are recoded, each from its source value: lines do not act on the result of others.
    5. Units are converted, in the standard results: unit, number, text, reference range, limits of
       quantification; in exposure the dose.
    6. Visits are renamed.

    Raises
    ------
    UsageError
        A column would be renamed to an existing one.
    """
    work = _Work(read)
    tables = joined(work.split(sources))
    tables = work.leave_out(tables)
    for domain in sorted(tables):
        tables[domain] = work.columns(domain, tables[domain])
        tables[domain] = work.values(domain, tables[domain])
        tables[domain] = work.units(domain, tables[domain])
        tables[domain] = work.visits(domain, tables[domain])
    return {**tables, MAPPED: work.listing()}


class _Work:
    """The state of one intake by a map: its lines and the number of values of each."""

    def __init__(self, read: MapFile) -> None:
        self.rules = read.rules
        self.lines = read.lines
        self.met: dict[tuple[str, int], int] = {}

    def count(self, kind: str, number: int, times: int) -> None:
        self.met[kind, number] = self.met.get((kind, number), 0) + times

    def split(self, sources: Sequence[Source]) -> list[Source]:
        import pandas as pd

        remaining = list(sources)
        joined_parts = []
        for number, entry in enumerate(self.rules.split):
            parts = [each for name in entry.parts for each in remaining if each.name == name]
            self.count("split", number, len(parts))
            if not parts:
                continue
            remaining = [each for each in remaining if each.name not in entry.parts]
            names = dict.fromkeys(str(name) for part in parts for name in part.table)
            cells = {
                name: [c for part in parts for c in _cells(part.table, name)] for name in names
            }
            table = pd.DataFrame(cells, dtype=object)
            joined_parts.append(Source(", ".join(each.file for each in parts), entry.domain, table))
        return [*remaining, *joined_parts]

    def leave_out(self, tables: "Tables") -> "Tables":
        kept = dict(tables)
        for number, entry in enumerate(self.rules.leave_out):
            table = kept.get(entry.domain)
            if table is None:
                self.count("leave_out", number, 0)
                continue
            rows = [
                entry.test in (None, test) for test in _cells(table, _of(entry.domain, "TESTCD"))
            ]
            self.count("leave_out", number, sum(rows))
            if entry.test is None:
                del kept[entry.domain]
            else:
                kept[entry.domain] = table[[not row for row in rows]].reset_index(drop=True)
        return kept

    def columns(self, domain: str, table: "pd.DataFrame") -> "pd.DataFrame":
        new: dict[str, str] = {}
        for number, entry in enumerate(self.rules.columns):
            if entry.domain != domain or entry.source not in table:
                continue
            if entry.to in table or entry.to in new.values():
                raise UsageError(
                    f"{MAP}, line {self.line('columns', number)}: {domain} has a column {entry.to} "
                    "already; it is not overwritten"
                )
            new[entry.source] = entry.to
            self.count("columns", number, int(table[entry.source].notna().sum()))
        return table.rename(columns=new)

    def values(self, domain: str, table: "pd.DataFrame") -> "pd.DataFrame":
        recoded = table
        recodes: dict[str, dict[str, str | None]] = {}
        for number, entry in enumerate(self.rules.recodes):
            if entry.domain == domain and entry.column in table:
                recodes.setdefault(entry.column, {})[entry.source] = entry.to
                self.count("values", number, int((table[entry.column] == entry.source).sum()))
        for column, known in recodes.items():
            recoded = _with(recoded, column, [known.get(c, c) if c else c for c in table[column]])
        return recoded

    def units(self, domain: str, table: "pd.DataFrame") -> "pd.DataFrame":
        exposure = _of(domain, "DOSU") in table
        unit = _of(domain, "DOSU" if exposure else "STRESU")
        numbers = [
            _of(domain, each)
            for each in (["DOSE"] if exposure else _MEASURED)
            if _of(domain, each) in table
        ]
        units_recorded, tests = (
            list(_cells(table, unit)),
            list(_cells(table, _of(domain, "TESTCD"))),
        )
        converted = table
        for number, entry in enumerate(self.rules.units):
            if entry.domain != domain or unit not in table:
                continue
            rows = [
                cell == entry.source and entry.test in (None, test)
                for cell, test in zip(units_recorded, tests, strict=True)
            ]
            self.count("units", number, sum(rows))
            new = [entry.to if row else c for row, c in zip(rows, converted[unit], strict=True)]
            converted = _with(converted, unit, new)
            factor = Decimal(entry.factor)
            for name in numbers:
                pairs = zip(rows, converted[name], strict=True)
                converted = _with(
                    converted, name, [_times(c, factor) if row else c for row, c in pairs]
                )
        return converted

    def visits(self, domain: str, table: "pd.DataFrame") -> "pd.DataFrame":
        if "VISIT" not in table:
            return table
        names: dict[str, str] = {}
        for number, entry in enumerate(self.rules.visits):
            if entry.domain in (None, domain):
                names[entry.source] = entry.to
                self.count("visits", number, int((table["VISIT"] == entry.source).sum()))
        return _with(table, "VISIT", [names.get(c, c) if c else c for c in table["VISIT"]])

    def line(self, kind: str, number: int) -> int:
        return line_of(self.lines, (kind, number))

    def listing(self) -> "pd.DataFrame":
        """One row for each line of the map, in its order."""
        import pandas as pd

        used = sorted(self._used())
        rows = [
            [str(entry.line), entry.kind, entry.what, entry.why, str(entry.times)] for entry in used
        ]
        return pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)

    def _used(self) -> Iterator[Used]:
        for name, field in type(self.rules).model_fields.items():
            kind = field.alias or name
            for number, entry in enumerate(getattr(self.rules, name)):
                count = self.met.get((kind, number), 0)
                line = self.line(kind, number)
                yield Used(line, kind.replace("_", " "), _line_text(entry), entry.why or "", count)


_MEASURED = ("STRESN", "STRESC", "STNRLO", "STNRHI", "LLOQ", "ULOQ")
_DIGITS = Context(prec=15)


def _of(domain: str, suffix: str) -> str:
    return f"{domain.upper()}{suffix}"


def _cells(table: "pd.DataFrame", name: str) -> list[str | None]:
    return list(table[name]) if name in table else [None] * len(table)


def _with(table: "pd.DataFrame", name: str, cells: Sequence[str | None]) -> "pd.DataFrame":
    import pandas as pd

    return table.assign(**{name: pd.Series(list(cells), table.index, dtype=object)})


def _times(cell: str | None, factor: Decimal) -> str | None:
    """A number times a factor at 15 significant digits, keeping the sign of a limit.

    >>> _times("<0.10", Decimal("10")), _times("7.3", Decimal("1.61114")), _times("high", Decimal(2))
    ('<1', '11.761322', 'high')
    """
    if cell is None:
        return None
    number = cell.lstrip("<>= ")
    try:
        product = _DIGITS.multiply(Decimal(number), factor)
    except InvalidOperation:
        return cell
    if not product.is_finite():
        return cell
    plain = f"{product:f}"
    plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
    return cell.removesuffix(number) + plain


def _line_text(entry: Split | LeftOut | Rename | Recode | Convert | Visit) -> str:
    """The content of a line as text."""
    where = entry.domain.upper() if entry.domain else "every domain"
    match entry:
        case Split():
            return f"{where}: joined from {', '.join(entry.parts)}"
        case LeftOut():
            return where if entry.test is None else f"{where}: test {entry.test}"
        case Rename():
            return f"{where}: {entry.source} is {entry.to}"
        case Recode():
            return f"{where}.{entry.column}: {entry.source} is {entry.to or 'missing'}"
        case Convert():
            of = "" if entry.test is None else f" of {entry.test}"
            return f"{where}: {entry.source}{of} is {entry.to}, times {entry.factor}"
        case Visit():
            return f"{where}: {entry.source} is {entry.to}"
