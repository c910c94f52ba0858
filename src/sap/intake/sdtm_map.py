"""SDTM of others in the words of the plan: a written map, every line of which is counted.

`map.yml` renames columns, recodes values, converts units, names visits, joins split domains and
leaves tests and domains out. Nothing is guessed: words are compared letter by letter, a line that
meets nothing is a warning, and what no line names stays as it is.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Context, Decimal, InvalidOperation
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
"""The table that says of each line of the map what it met: `mapped.csv` beside the domains."""
COLUMNS = ("LINE", "KIND", "WHAT", "WHY", "COUNT")

Words = Annotated[str, Field(min_length=1)]
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
    test: Words | None = None
    why: Reason


class Rename(_Strict):
    """A column under another name."""

    domain: Domain
    source: Column = Field(alias="from")
    to: Column
    why: Reason | None = None


class Recode(_Strict):
    """A value in another word; `to: null` takes it away, which needs a reason."""

    domain: Domain
    column: Column
    source: Words = Field(alias="from")
    to: Words | None
    why: Reason | None = None

    @model_validator(mode="after")
    def _nothing_goes_without_reason(self) -> "Recode":
        if self.to is None and self.why is None:
            raise ValueError("`to: null` takes a value away: give `why`")
        return self


class Convert(_Strict):
    """Standard results of one unit in another: their number times `factor`."""

    domain: Domain
    test: Words | None = None
    source: Words = Field(alias="from")
    to: Words
    factor: Factor
    why: Reason | None = None


class Visit(_Strict):
    """A visit by the name the plan has for it; without a domain in all of them."""

    domain: Domain | None = None
    source: Words = Field(alias="from")
    to: Words
    why: Reason | None = None


class Map(_Strict):
    """Every line of a map, by what it does; they are carried out in this order."""

    split: list[Split] = []
    leave_out: list[LeftOut] = []
    columns: list[Rename] = []
    recodes: list[Recode] = Field(default=[], alias="values")
    units: list[Convert] = []
    visits: list[Visit] = []

    @model_validator(mode="after")
    def _one_line_for_one_thing(self) -> "Map":
        keys: list[tuple[object, ...]] = [
            *(("split", part) for one in self.split for part in one.parts),
            *(("leave_out", one.domain, one.test) for one in self.leave_out),
            *(("columns", one.domain, one.source) for one in self.columns),
            *(("values", one.domain, one.column, one.source) for one in self.recodes),
            *(("units", one.domain, one.test, one.source) for one in self.units),
            *(("visits", one.domain, one.source) for one in self.visits),
        ]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            said = " ".join(str(part) for part in twice if part is not None)
            raise ValueError(f"two lines speak of the same: {said}")
        return self


class MapFile(NamedTuple):
    """A map, the bytes it was read from, and the line of each of its parts."""

    rules: Map
    content: bytes
    lines: Mapping[tuple[str | int, ...], int]


class Used(NamedTuple):
    """What one line of a map did: where it stands, what it says, how many cells or records it met."""

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
        said = "\n".join(problems(error, "the map", lines))
        raise PlanError(f"{path} is not a valid map:\n{said}") from None
    return MapFile(rules, text.encode("utf-8"), lines)


def mapped(sources: Sequence[Source], read: MapFile) -> "Tables":
    """The domains of some datasets by a map, and the table `mapped`: one row for each of its lines.

    1. Datasets named by `split` are joined, one below the other in the order of the line.
    2. Domains and tests of `leave_out` go.
    3. Columns are renamed; a name that the domain has already is refused.
    4. Values are recoded, every one from what the source said: no line sees the work of another.
    5. Units are converted, in the standard results: unit, number, text, reference range, limits of
       quantification; in exposure the dose.
    6. Visits get their names.

    Raises
    ------
    UsageError
        A column would be renamed to one that is there.
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
    """One intake by a map: its lines, and how often each of them met something."""

    def __init__(self, read: MapFile) -> None:
        self.rules = read.rules
        self.lines = read.lines
        self.met: dict[tuple[str, int], int] = {}

    def count(self, kind: str, number: int, times: int) -> None:
        self.met[kind, number] = self.met.get((kind, number), 0) + times

    def split(self, sources: Sequence[Source]) -> list[Source]:
        import pandas as pd

        left = list(sources)
        made = []
        for number, one in enumerate(self.rules.split):
            parts = [each for name in one.parts for each in left if each.name == name]
            self.count("split", number, len(parts))
            if not parts:
                continue
            left = [each for each in left if each.name not in one.parts]
            names = dict.fromkeys(str(name) for part in parts for name in part.table)
            cells = {
                name: [c for part in parts for c in _cells(part.table, name)] for name in names
            }
            table = pd.DataFrame(cells, dtype=object)
            made.append(Source(", ".join(each.file for each in parts), one.domain, table))
        return [*left, *made]

    def leave_out(self, tables: "Tables") -> "Tables":
        kept = dict(tables)
        for number, one in enumerate(self.rules.leave_out):
            table = kept.get(one.domain)
            if table is None:
                self.count("leave_out", number, 0)
                continue
            rows = [one.test in (None, test) for test in _cells(table, _of(one.domain, "TESTCD"))]
            self.count("leave_out", number, sum(rows))
            if one.test is None:
                del kept[one.domain]
            else:
                kept[one.domain] = table[[not row for row in rows]].reset_index(drop=True)
        return kept

    def columns(self, domain: str, table: "pd.DataFrame") -> "pd.DataFrame":
        new: dict[str, str] = {}
        for number, one in enumerate(self.rules.columns):
            if one.domain != domain or one.source not in table:
                continue
            if one.to in table or one.to in new.values():
                raise UsageError(
                    f"{MAP}, line {self.line('columns', number)}: {domain} has a column {one.to} "
                    "already; nothing is written over it"
                )
            new[one.source] = one.to
            self.count("columns", number, int(table[one.source].notna().sum()))
        return table.rename(columns=new)

    def values(self, domain: str, table: "pd.DataFrame") -> "pd.DataFrame":
        made = table
        words: dict[str, dict[str, str | None]] = {}
        for number, one in enumerate(self.rules.recodes):
            if one.domain == domain and one.column in table:
                words.setdefault(one.column, {})[one.source] = one.to
                self.count("values", number, int((table[one.column] == one.source).sum()))
        for column, known in words.items():
            made = _with(made, column, [known.get(c, c) if c else c for c in table[column]])
        return made

    def units(self, domain: str, table: "pd.DataFrame") -> "pd.DataFrame":
        exposure = _of(domain, "DOSU") in table
        unit = _of(domain, "DOSU" if exposure else "STRESU")
        numbers = [
            _of(domain, each)
            for each in (["DOSE"] if exposure else _MEASURED)
            if _of(domain, each) in table
        ]
        said, tests = list(_cells(table, unit)), list(_cells(table, _of(domain, "TESTCD")))
        made = table
        for number, one in enumerate(self.rules.units):
            if one.domain != domain or unit not in table:
                continue
            rows = [
                cell == one.source and one.test in (None, test)
                for cell, test in zip(said, tests, strict=True)
            ]
            self.count("units", number, sum(rows))
            new = [one.to if row else c for row, c in zip(rows, made[unit], strict=True)]
            made = _with(made, unit, new)
            factor = Decimal(one.factor)
            for name in numbers:
                pairs = zip(rows, made[name], strict=True)
                made = _with(made, name, [_times(c, factor) if row else c for row, c in pairs])
        return made

    def visits(self, domain: str, table: "pd.DataFrame") -> "pd.DataFrame":
        if "VISIT" not in table:
            return table
        names: dict[str, str] = {}
        for number, one in enumerate(self.rules.visits):
            if one.domain in (None, domain):
                names[one.source] = one.to
                self.count("visits", number, int((table["VISIT"] == one.source).sum()))
        return _with(table, "VISIT", [names.get(c, c) if c else c for c in table["VISIT"]])

    def line(self, kind: str, number: int) -> int:
        return line_of(self.lines, (kind, number))

    def listing(self) -> "pd.DataFrame":
        """One row for each line of the map, in its order."""
        import pandas as pd

        used = sorted(self._used())
        rows = [[str(one.line), one.kind, one.what, one.why, str(one.times)] for one in used]
        return pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)

    def _used(self) -> Iterator[Used]:
        for name, field in type(self.rules).model_fields.items():
            kind = field.alias or name
            for number, one in enumerate(getattr(self.rules, name)):
                count = self.met.get((kind, number), 0)
                line = self.line(kind, number)
                yield Used(line, kind.replace("_", " "), _words(one), one.why or "", count)


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
    """A number times a factor at 15 significant digits, the sign of a limit kept.

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


def _words(one: Split | LeftOut | Rename | Recode | Convert | Visit) -> str:
    """What a line does, in words of the map."""
    where = one.domain.upper() if one.domain else "every domain"
    match one:
        case Split():
            return f"{where}: joined from {', '.join(one.parts)}"
        case LeftOut():
            return where if one.test is None else f"{where}: test {one.test}"
        case Rename():
            return f"{where}: {one.source} is {one.to}"
        case Recode():
            return f"{where}.{one.column}: {one.source} is {one.to or 'missing'}"
        case Convert():
            of = "" if one.test is None else f" of {one.test}"
            return f"{where}: {one.source}{of} is {one.to}, times {one.factor}"
        case Visit():
            return f"{where}: {one.source} is {one.to}"
