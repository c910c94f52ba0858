"""The published supplement of CABA-V7 as SDTM tables.

The decisions are in a mapping file (`caba_v7.yml` in the folder of this module): the meaning of each
term, the source column of each variable, exclusions and reasons. This module applies them:

1. Each file must have exactly the headers of the mapping.
2. Each row becomes the records whose condition `only` it meets.
3. The same event in two files becomes one record.
4. A cell that no record, no `no_record` and no `left_out` accounts for is listed.
5. Rows are sorted by content and numbered, so the row order of the source reaches no table.
"""

import csv
import datetime
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sap.errors import PlanError, UsageError
from sap.plan.reading import load_yaml, problems

MAPPING = Path(__file__).with_suffix(".yml")
GATE = ""
MOST_REPEATS = 1000

NOT_READ = "no rule of the mapping uses this value"
NOT_A_DAY = "not an integer number of days, so it is no date"
NOT_A_COUNT = "not a number of repetitions"
NOT_A_WORD = "not a term of the mapping"
SAME_EVENT = "the same event is in the other file with another value, which is used"

Text = Annotated[str, Field(strict=True, min_length=1)]
Condition = Literal["present", "missing"] | list[str] | dict[Literal["not"], list[str]]
Conditions = dict[str, Condition]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)


class Reason(_Strict):
    """The reason of a decision."""

    why: Text


class Term(_Strict):
    """The mapping of one source term: a controlled term, no record, or a line of the listing."""

    becomes: Text | None = Field(default=None, alias="as")
    no_record: Text | None = None
    listed: Text | None = None
    why: Text | None = None

    @model_validator(mode="after")
    def _one_mapping_with_reason(self) -> "Term":
        if sum(fate is not None for fate in (self.becomes, self.no_record, self.listed)) != 1:
            raise ValueError("give one of `as`, `no_record`, `listed`")
        if (self.becomes is None) != (self.why is None):
            raise ValueError("`as` needs `why`; `no_record` and `listed` are reasons themselves")
        return self


class Value(_Strict):
    """The source of the value of one variable."""

    text: Text | None = None
    column: Text | None = None
    number: Text | None = None
    day: Text | list[str] | None = None
    first: "Value | None" = None
    last: "Value | None" = None
    of: Text | None = None
    terms: Text | dict[str, Term] | None = None
    missing: Text | None = None
    wrapped: Text | None = Field(default=None, alias="as")
    only: Conditions = {}
    why: Text | None = None

    @model_validator(mode="after")
    def _one_source(self) -> "Value":
        sources = (self.text, self.column, self.number, self.day, self.first and self.last)
        if sum(source is not None for source in sources) != 1:
            raise ValueError(
                "give one of `text`, `column`, `number`, `day`, or `first` with `last`"
            )
        if self.terms is not None and self.column is None:
            raise ValueError("`terms` go with `column`")
        return self

    def columns(self) -> list[str]:
        """The source columns, in the order in which they are tried."""
        days = [self.day] if isinstance(self.day, str) else self.day or []
        single = [name for name in (self.column, self.number) if name is not None]
        ends = [name for end in (self.first, self.last) if end for name in end.columns()]
        return [*single, *days, *ends]


class Record(_Strict):
    """One SDTM record for each row of `source` that meets `only`."""

    domain: Text
    source: Text | None = Field(default=None, alias="from")
    why: Text
    only: Conditions = {}
    columns: dict[str, dict[str, str]] = {}
    given: Text | None = None
    repeat: Text | None = None
    variables: dict[str, Value] = Field(alias="set")

    def expanded(self) -> Iterator["Record"]:
        """The record itself, or one record for each of `columns`, with `{column}` replaced."""
        if not self.columns:
            yield self
        for column, texts in self.columns.items():
            values = {
                name: value.model_copy(update={"number": column})
                if value.number == "{column}"
                else value
                for name, value in self.variables.items()
            } | {name: Value(text=text) for name, text in texts.items()}
            gate = {} if self.given is None else {GATE: Value(column=column, terms=self.given)}
            only: Conditions = {**self.only, column: "present"}
            yield self.model_copy(
                update={"variables": gate | values, "only": only, "columns": {}, "given": None}
            )

    def reads(self) -> Iterator[tuple[str, str]]:
        """Each (file, column) used by the record."""
        if self.source is None:
            return
        for column in [*self.only, *([self.repeat] if self.repeat else [])]:
            yield self.source, column
        for value in self.variables.values():
            for column in value.columns():
                yield value.of or self.source, column
            for column in value.only:
                yield self.source, column


class RowsLeftOut(_Strict):
    """Rows that become no record."""

    only: Conditions
    why: Text


class SourceFile(_Strict):
    """The exclusions of one file, and the reason listed for a value that no record uses."""

    left_out: dict[str, Reason] = {}
    otherwise: dict[str, Reason] = {}
    rows_left_out: list[RowsLeftOut] = []


class SameEvent(_Strict):
    """When a record of `absorb` is the same event as one of `keep`."""

    domain: Text
    keep: Text
    absorb: Text
    same: list[str]
    begins: Text
    ends: Text
    why: Text


class Table(_Strict):
    """The variables of one table in order, and the first sort keys of its rows."""

    sort: list[str]
    variables: list[str]


class Anchor(_Strict):
    """The common registration date of all patients."""

    date: datetime.date
    why: Text


class Mapping(_Strict):
    """Every decision of the intake."""

    study: Text
    key: Text
    once_per_subject: list[str]
    anchor: Anchor
    files: dict[str, SourceFile]
    kept: dict[str, Text]
    terms: dict[str, dict[str, Term]]
    records: list[Record]
    same_event: SameEvent
    tables: dict[str, Table]

    @model_validator(mode="after")
    def _closed(self) -> "Mapping":
        """Every name exists, and no column is both used and left out."""
        faults = list(itertools.chain(*(self._faults(record) for record in self.expanded())))
        faults += [
            f"{file} is not listed under files"
            for file in self.once_per_subject
            if file not in self.files
        ]
        for file, about in self.files.items():
            known = self.headers(file)
            for left in about.rows_left_out:
                faults += [
                    f"{file}: {name} is no column" for name in left.only if name not in known
                ]
        if faults:
            raise ValueError("; ".join(dict.fromkeys(faults)))
        return self

    def _faults(self, record: Record) -> Iterator[str]:
        if record.domain not in self.tables:
            yield f"a record goes to {record.domain}, which is no table"
            return
        for name in sorted(
            set(record.variables) - {GATE} - set(self.tables[record.domain].variables)
        ):
            yield f"the table {record.domain} has no variable {name}"
        for value in record.variables.values():
            if isinstance(value.terms, str) and value.terms not in self.terms:
                yield f"no terms are called {value.terms}"
            if value.of is not None and value.of not in self.once_per_subject:
                yield f"{value.of} is read with `of` but is not once_per_subject"
            if record.source is None and value.text is None:
                yield f"a record of {record.domain} reads a column and has no `from`"
        for file, column in record.reads():
            if file not in self.files:
                yield f"a record reads {file}, which is not listed under files"
            elif column in self.files[file].left_out:
                yield f"{file}: {column} is read and left out"

    def expanded(self) -> Iterator[Record]:
        """The records, with one record per column where there are several."""
        for record in self.records:
            yield from record.expanded()

    def headers(self, file: str) -> list[str]:
        """The headers of a file: the key, the used and the excluded columns."""
        read = [column for record in self.expanded() for at, column in record.reads() if at == file]
        about = self.files[file]
        return list(dict.fromkeys([self.key, *read, *about.left_out, *about.otherwise]))


class _Cell(NamedTuple):
    file: str
    row: int
    column: str


class _Built(NamedTuple):
    """A record with its rule, source row and subject (None: of the study)."""

    rule: Record
    row: int
    subject: str | None
    texts: dict[str, str | None]


class _NoRecord(Exception):
    """The row becomes no record; `cell`, where given, is thereby accounted for."""

    def __init__(self, cell: _Cell | None = None) -> None:
        self.cell = cell


def read(
    directory: Path, mapping: Path | None = None
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """The supplement as SDTM tables, and a listing of what could not be mapped.

    Parameters
    ----------
    directory
        The folder with one CSV per sheet of the workbook.
    mapping
        Another mapping file than the one of the package.

    Returns
    -------
    tables
        One frame of texts per domain; a missing value is None.
    unmapped
        One row per value: file, row (1-based, header not counted), column, reason. An empty row
        number means all rows of the column, an empty column all columns of the row. No values.

    Raises
    ------
    UsageError
        A file is missing or unreadable, a header is missing or unknown, or the mapping is faulty.
    """
    return mapped(directory, _packaged() if mapping is None else read_mapping(mapping))


def mapped(directory: Path, rules: Mapping) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """As `read`, with a mapping that was read before."""
    sources = _sources(directory, rules)
    work = _Work(rules, sources)
    records_made = [record for rule in rules.expanded() for record in work.records(rule)]
    built = work.one_record_per_event(records_made)
    tables = {
        name: _table(rules, name, [record for record in built if record.rule.domain == name])
        for name in rules.tables
    }
    return tables, work.listing()


@cache
def _packaged() -> Mapping:
    return read_mapping(MAPPING)


def read_mapping(path: Path) -> Mapping:
    """Read and check a mapping file; every fault in one message."""
    try:
        content, _, _ = load_yaml(path, "the mapping")
        return Mapping.model_validate(content)
    except ValidationError as error:
        faults = "\n".join(problems(error))
        raise UsageError(f"{path} is not a valid mapping:\n{faults}") from None
    except PlanError as error:
        raise UsageError(str(error)) from None


def _sources(directory: Path, rules: Mapping) -> dict[str, list[dict[str, str]]]:
    """The rows of every file as text, after its headers were verified."""
    absent = [name for name in rules.files if not (directory / name).is_file()]
    if absent:
        raise UsageError(
            f"{directory} lacks {', '.join(absent)}. Give the folder with all of: {', '.join(rules.files)}."
        )
    faults: list[str] = []
    sources = {name: _rows(directory / name, rules.headers(name), faults) for name in rules.files}
    if faults:
        raise UsageError(
            "The files are not those that the mapping describes:\n"
            + "\n".join(f"  - {fault}" for fault in faults)
            + "\nCorrect the files, or describe them in another mapping."
        )
    return sources


def _rows(path: Path, expected: list[str], faults: list[str]) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            header, *rows = [row for row in csv.reader(stream, strict=True) if row] or [[]]
    except (OSError, UnicodeDecodeError, csv.Error):
        faults.append(f"{path.name} cannot be read as CSV in UTF-8")
        return []
    faults += [f"{path.name} lacks the column {name!r}" for name in expected if name not in header]
    faults += [
        f"{path.name} has an unknown column {name!r}" for name in header if name not in expected
    ]
    if len(set(header)) < len(header):
        faults.append(f"{path.name} has a duplicate column")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            faults.append(f"{path.name}, row {number}: not as many fields as headers")
    return [dict(zip(header, row, strict=False)) for row in rows]


def _plain(number: str) -> str:
    """A number without trailing zeros; a text that is no number is unchanged (its contract refuses it).

    >>> _plain("25.0"), _plain("7.90"), _plain("100"), _plain("<0.1")
    ('25', '7.9', '100', '<0.1')
    """
    try:
        exact = Decimal(number.strip())
    except InvalidOperation:
        return number
    if not exact.is_finite():
        return number
    text = f"{exact:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _integer(text: str) -> int | None:
    """An integer written as 27 or 27.0; None for anything else.

    >>> _integer("27.0"), _integer("-3"), _integer("27.5"), _integer("soon")
    (27, -3, None, None)
    """
    plain = _plain(text)
    return int(plain) if re.fullmatch(r"-?[0-9]{1,5}", plain) else None


class _Work:
    """The state of one intake: the rules, the sources, and the use of each value."""

    def __init__(self, rules: Mapping, sources: dict[str, list[dict[str, str]]]) -> None:
        self.rules = rules
        self.sources = sources
        self.used: set[_Cell] = set()
        self.listed: dict[_Cell, str] = {}
        self.left_out = {
            (file, number): left.why
            for file, about in rules.files.items()
            for left in about.rows_left_out
            for number, row in enumerate(sources[file], start=1)
            if _meets_all(left.only, row)
        }
        self.of_subject: dict[tuple[str, str], int] = {}
        for file in rules.once_per_subject:
            for number, row in enumerate(sources[file], start=1):
                self.of_subject.setdefault((file, row[rules.key]), number)

    def records(self, rule: Record) -> Iterator[_Built]:
        """The records that one rule makes of its file."""
        if rule.source is None:
            values = {name: self._filled(value, "", 1) for name, value in rule.variables.items()}
            yield _Built(rule, 0, None, values)
            return
        for number, row in enumerate(self.sources[rule.source], start=1):
            if (rule.source, number) in self.left_out or not _meets_all(rule.only, row):
                continue
            used = _literal_cells(rule.source, number, rule.only)
            try:
                made = self._of_one_row(rule, rule.source, number, used)
            except _NoRecord as signal:
                self.used |= {signal.cell} if signal.cell else set()
                continue
            self.used |= used
            yield from made

    def _of_one_row(self, rule: Record, file: str, number: int, used: set[_Cell]) -> list[_Built]:
        """The number of records given by `repeat`; one without it."""
        row = self.sources[file][number - 1]
        times = 1
        if rule.repeat is not None:
            cell = _Cell(file, number, rule.repeat)
            times = _integer(row[rule.repeat]) or 0
            if not 0 < times <= MOST_REPEATS:
                self.listed[cell] = NOT_A_COUNT
                raise _NoRecord
            used.add(cell)
        made = []
        for n in range(1, times + 1):
            values = {}
            for name, value in rule.variables.items():
                end = _end(value, first=n == 1, last=n == times)
                values[name] = None if end is None else self._value(end, file, number, n, used)
            values.pop(GATE, None)
            made.append(_Built(rule, number, row[self.rules.key], values))
        return made

    def _value(self, value: Value, file: str, number: int, n: int, used: set[_Cell]) -> str | None:
        """The text of one variable for one row; its source values are added to `used`."""
        row = self.sources[file][number - 1]
        if not _meets_all(value.only, row):
            return None
        used |= _literal_cells(file, number, value.only)
        if value.text is not None:
            return self._filled(value, row[self.rules.key], n)
        if value.of is not None:
            file, number = value.of, self.of_subject.get((value.of, row[self.rules.key]), 0)
            if number == 0:
                return None
            row = self.sources[file][number - 1]
        column = next((name for name in value.columns() if row[name].strip()), None)
        if column is None:
            return value.missing
        text = self._word(value, _Cell(file, number, column), row[column], used)
        return value.wrapped.replace("{value}", text) if value.wrapped and text else text

    def _word(self, value: Value, cell: _Cell, raw: str, used: set[_Cell]) -> str | None:
        """A cell as text, number, date or controlled term.

        1. A day that is no integer: listed, and the variable is missing.
        2. A day: the anchor date plus that number of days.
        3. An unknown term: listed, and the variable is missing.
        4. A term with `listed`: listed with its reason, and the row becomes no record.
        5. A term with `no_record`: accounted for, and the row becomes no record.
        6. A term with `as`: that term.
        7. A number: without trailing zeros. A text: unchanged.
        """
        if value.day is not None:
            days = _integer(raw)
            if days is None:
                self.listed[cell] = NOT_A_DAY
                return None
            used.add(cell)
            return (self.rules.anchor.date + datetime.timedelta(days=days)).isoformat()
        if value.terms is not None:
            terms = self.rules.terms[value.terms] if isinstance(value.terms, str) else value.terms
            term = terms.get(raw)
            if term is None:
                self.listed.setdefault(cell, NOT_A_WORD)
                return None
            if term.listed is not None:
                self.listed[cell] = term.listed
                raise _NoRecord
            if term.no_record is not None:
                raise _NoRecord(cell)
            used.add(cell)
            return term.becomes
        used.add(cell)
        return raw if value.number is None else _plain(raw)

    def _filled(self, value: Value, subject: str, n: int) -> str | None:
        text = value.text or ""
        anchor = self.rules.anchor.date.isoformat()
        for mark, known in (("{subject}", subject), ("{n}", str(n)), ("{anchor}", anchor)):
            text = text.replace(mark, known)
        return text or None

    def one_record_per_event(self, made: list[_Built]) -> list[_Built]:
        """Merge the records of one file into those of the other where both are the same event.

        1. Same patient and same values in `same`, and the day is within the retained event (without
           an end: ongoing).
        2. Missing values of the retained record are taken from the other.
        3. Where both have different values, the retained one is used and the other is listed.
        """
        same_event = self.rules.same_event
        retained = [record for record in made if _from(record, same_event.domain, same_event.keep)]
        remaining = []
        for record in made:
            absorbable = _from(record, same_event.domain, same_event.absorb)
            twin = next(
                (k for k in retained if absorbable and _is_same(k, record, same_event)), None
            )
            if twin is None:
                remaining.append(record)
            else:
                self._absorb(twin, record, same_event.absorb)
        return remaining

    def _absorb(self, retained: _Built, other: _Built, file: str) -> None:
        for name, text in other.texts.items():
            if retained.texts.get(name) is None:
                retained.texts[name] = text
            elif text is not None and text != retained.texts[name]:
                for column in other.rule.variables[name].columns():
                    self.listed[_Cell(file, other.row, column)] = SAME_EVENT

    def listing(self) -> pd.DataFrame:
        """The source values that are not used, by file, row and column."""
        lines: list[tuple[str, str | None, str | None, str]] = []
        for file, about in self.rules.files.items():
            lines += [(file, None, column, left.why) for column, left in about.left_out.items()]
            for number, row in enumerate(self.sources[file], start=1):
                if (file, number) in self.left_out:
                    lines.append((file, str(number), None, self.left_out[file, number]))
                    continue
                for column, raw in row.items():
                    reason = self._unread(_Cell(file, number, column), raw)
                    lines += [(file, str(number), column, reason)] if reason else []
        return pd.DataFrame(lines, columns=["file", "row", "column", "reason"], dtype="object")

    def _unread(self, cell: _Cell, raw: str) -> str | None:
        """Why a value is not used; None when it is used, is empty, or is listed with its column."""
        about = self.rules.files[cell.file]
        if cell in self.listed:
            return self.listed[cell]
        listed_with_column = cell.column == self.rules.key or cell.column in about.left_out
        if listed_with_column or cell in self.used or not raw.strip():
            return None
        return about.otherwise[cell.column].why if cell.column in about.otherwise else NOT_READ


def _meets_all(only: Conditions, row: dict[str, str]) -> bool:
    return all(_meets(condition, row[column]) for column, condition in only.items())


def _meets(condition: Condition, raw: str) -> bool:
    if isinstance(condition, list):
        return raw in condition
    if isinstance(condition, dict):
        return bool(raw.strip()) and raw not in condition["not"]
    return bool(raw.strip()) == (condition == "present")


def _literal_cells(file: str, number: int, only: Conditions) -> set[_Cell]:
    """The values matched literally in a condition: they are accounted for."""
    return {_Cell(file, number, name) for name, words in only.items() if isinstance(words, list)}


def _end(value: Value, *, first: bool, last: bool) -> Value | None:
    """The value of this repetition: `first`, `last`, none between; else the value itself."""
    if value.first is None:
        return value
    return value.first if first else value.last if last else None


def _from(made: _Built, domain: str, file: str) -> bool:
    return made.rule.domain == domain and made.rule.source == file


def _is_same(kept: _Built, other: _Built, rule: SameEvent) -> bool:
    if kept.subject != other.subject:
        return False
    if any(kept.texts.get(name) != other.texts.get(name) for name in rule.same):
        return False
    day, begins, ends = (
        other.texts.get(rule.begins),
        kept.texts.get(rule.begins),
        kept.texts.get(rule.ends),
    )
    if day is None or begins is None:
        return False
    return begins <= day and (ends is None or day <= ends)


def _table(rules: Mapping, name: str, built: list[_Built]) -> pd.DataFrame:
    """The rows of one domain: sorted by subject, `sort`, then all other columns; numbered."""
    about = rules.tables[name]
    order = [*about.sort, *about.variables]
    rows = sorted(
        built,
        key=lambda record: (
            record.subject or "",
            [_natural(record.texts.get(column)) for column in order],
        ),
    )
    count: Counter[str | None] = Counter()
    lines = []
    for record in rows:
        count[record.subject] += 1
        line: dict[str, str | None] = {"STUDYID": rules.study, "DOMAIN": name.upper()}
        if record.subject is not None:
            line["USUBJID"] = f"{rules.study}-{record.subject}"
        if name != "dm":
            line[f"{name.upper()}SEQ"] = str(count[record.subject])
        lines.append(line | {column: record.texts.get(column) for column in about.variables})
    ids = ["STUDYID", "DOMAIN", *([] if name == "ts" else ["USUBJID"])]
    sequence = [] if name == "dm" else [f"{name.upper()}SEQ"]
    return pd.DataFrame(lines, columns=[*ids, *sequence, *about.variables], dtype="object")


def _natural(text: str | None) -> tuple[bool, list[str | int]]:
    """A sort key: CYCLE 2 before CYCLE 10, missing last."""
    parts = re.split(r"([0-9]+)", text or "")
    return text is None, [int(part) if part.isdigit() else part for part in parts]
