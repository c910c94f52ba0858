"""The published supplement of CABA-V7 as SDTM tables.

The decisions stand in a mapping file (`caba_v7.yml` beside this module): what each word means, which
column feeds which variable, what is left out and why. This module only carries them out:

1. Each file has exactly the headers that the mapping names; anything else is refused.
2. Each row becomes the records whose `only` it fits.
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

NOT_READ = "no rule of the mapping reads this value"
NOT_A_DAY = "not a whole number of days, so it is no date"
NOT_A_COUNT = "not a number of repetitions"
NOT_A_WORD = "not a word that the mapping knows here"
SAME_EVENT = "the same event stands in the other file with another value, which is kept"

Text = Annotated[str, Field(strict=True, min_length=1)]
Condition = Literal["present", "missing"] | list[str] | dict[Literal["not"], list[str]]
Conditions = dict[str, Condition]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Reason(_Strict):
    """Why."""

    why: Text


class Term(_Strict):
    """What one word of the source becomes: a controlled term, no record, or a line of the listing."""

    becomes: Text | None = Field(default=None, alias="as")
    no_record: Text | None = None
    listed: Text | None = None
    why: Text | None = None

    @model_validator(mode="after")
    def _one_fate_with_its_reason(self) -> "Term":
        if sum(fate is not None for fate in (self.becomes, self.no_record, self.listed)) != 1:
            raise ValueError("give one of `as`, `no_record`, `listed`")
        if (self.becomes is None) != (self.why is None):
            raise ValueError("`as` needs `why`; `no_record` and `listed` are reasons themselves")
        return self


class Value(_Strict):
    """Where the value of one variable comes from."""

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
        """The columns it reads, in the order in which they are tried."""
        days = [self.day] if isinstance(self.day, str) else self.day or []
        single = [name for name in (self.column, self.number) if name is not None]
        ends = [name for end in (self.first, self.last) if end for name in end.columns()]
        return [*single, *days, *ends]


class Record(_Strict):
    """One SDTM record for each row of `source` that fits `only`."""

    domain: Text
    source: Text | None = Field(default=None, alias="from")
    why: Text
    only: Conditions = {}
    columns: dict[str, dict[str, str]] = {}
    given: Text | None = None
    repeat: Text | None = None
    variables: dict[str, Value] = Field(alias="set")

    def expanded(self) -> Iterator["Record"]:
        """Itself, or one record for each of `columns`, with `{column}` filled in."""
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
        """Each (file, column) that it looks at."""
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
    """Rows that become no record at all."""

    only: Conditions
    why: Text


class SourceFile(_Strict):
    """What of one file is left out, and what is said of a cell that no record reads."""

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
    """The variables of one table in order, and by which its rows are sorted first."""

    sort: list[str]
    variables: list[str]


class Anchor(_Strict):
    """The one day on which every patient is registered."""

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
        """Whatever is named exists, and nothing is both read and left out."""
        faults = list(itertools.chain(*(self._faults(record) for record in self.expanded())))
        faults += [
            f"{file} stands not under files"
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
                yield f"a record reads {file}, which stands not under files"
            elif column in self.files[file].left_out:
                yield f"{file}: {column} is read and left out"

    def expanded(self) -> Iterator[Record]:
        """The records, those for several columns one by one."""
        for record in self.records:
            yield from record.expanded()

    def headers(self, file: str) -> list[str]:
        """The headers that a file has: the key, what is read, what is left out."""
        read = [column for record in self.expanded() for at, column in record.reads() if at == file]
        about = self.files[file]
        return list(dict.fromkeys([self.key, *read, *about.left_out, *about.otherwise]))


class _Cell(NamedTuple):
    file: str
    row: int
    column: str


class _Built(NamedTuple):
    """A record made: by which rule, of which row, for whom (None: for the study)."""

    rule: Record
    row: int
    subject: str | None
    texts: dict[str, str | None]


class _NoRecord(Exception):
    """The row becomes no record; `cell`, where given, is accounted for by that."""

    def __init__(self, cell: _Cell | None = None) -> None:
        self.cell = cell


def read(
    directory: Path, mapping: Path | None = None
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """The supplement as SDTM tables, and a listing of what could not be mapped.

    Parameters
    ----------
    directory
        The folder with one CSV a sheet of the workbook.
    mapping
        Another mapping file than the one of the package.

    Returns
    -------
    tables
        One frame of text a domain; a missing value is None.
    unmapped
        One row a cell: file, row (1-based, header not counted), column, reason. An empty row number
        stands for the whole column, an empty column for the whole row. It holds no patient's value.

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
    made = [record for rule in rules.expanded() for record in work.records(rule)]
    built = work.one_record_per_event(made)
    tables = {
        name: _table(rules, name, [one for one in built if one.rule.domain == name])
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
        said = "\n".join(problems(error))
        raise UsageError(f"{path} is not a valid mapping:\n{said}") from None
    except PlanError as error:
        raise UsageError(str(error)) from None


def _sources(directory: Path, rules: Mapping) -> dict[str, list[dict[str, str]]]:
    """The rows of every file as text, after its headers were found to be the known ones."""
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
            + "\nMend the files, or describe them in a mapping of your own."
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
        faults.append(f"{path.name} has a column twice")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            faults.append(f"{path.name}, row {number}: not as many fields as headers")
    return [dict(zip(header, row, strict=False)) for row in rows]


def _plain(number: str) -> str:
    """A number without trailing noise; a text that is none stays, and its contract refuses it.

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


def _whole(text: str) -> int | None:
    """A whole number written as 27 or 27.0; None for anything else.

    >>> _whole("27.0"), _whole("-3"), _whole("27.5"), _whole("soon")
    (27, -3, None, None)
    """
    plain = _plain(text)
    return int(plain) if re.fullmatch(r"-?[0-9]{1,5}", plain) else None


class _Work:
    """One reading: the rules, the sources, and what became of each cell."""

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
            if _fits(left.only, row)
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
            if (rule.source, number) in self.left_out or not _fits(rule.only, row):
                continue
            used = _words(rule.source, number, rule.only)
            try:
                made = self._of_one_row(rule, rule.source, number, used)
            except _NoRecord as signal:
                self.used |= {signal.cell} if signal.cell else set()
                continue
            self.used |= used
            yield from made

    def _of_one_row(self, rule: Record, file: str, number: int, used: set[_Cell]) -> list[_Built]:
        """As many records as `repeat` says; one without it."""
        row = self.sources[file][number - 1]
        times = 1
        if rule.repeat is not None:
            cell = _Cell(file, number, rule.repeat)
            times = _whole(row[rule.repeat]) or 0
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
        """The text of one variable for one row; the cells it came from join `used`."""
        row = self.sources[file][number - 1]
        if not _fits(value.only, row):
            return None
        used |= _words(file, number, value.only)
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

        1. A day that is no whole number: listed, and the variable stays empty.
        2. A day: the anchor date and that many days.
        3. A word the terms do not know: listed, and the variable stays empty.
        4. A word with `listed`: listed with its reason, and the row becomes no record.
        5. A word with `no_record`: accounted for, and the row becomes no record.
        6. A word with `as`: that term.
        7. A number: without trailing noise. A text: as it stands.
        """
        if value.day is not None:
            days = _whole(raw)
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
        """Fold the records of one file into those of the other where both are the same event.

        1. Same patient and same values in `same`, and the day lies in the course of the kept event
           (no end: still open).
        2. The kept record takes over what it lacks.
        3. Where both have a value and differ, the kept one stays and the other's cell is listed.
        """
        same_event = self.rules.same_event
        kept = [one for one in made if _from(one, same_event.domain, same_event.keep)]
        left = []
        for one in made:
            absorbable = _from(one, same_event.domain, same_event.absorb)
            twin = next((k for k in kept if absorbable and _is_same(k, one, same_event)), None)
            if twin is None:
                left.append(one)
            else:
                self._absorb(twin, one, same_event.absorb)
        return left

    def _absorb(self, kept: _Built, other: _Built, file: str) -> None:
        for name, text in other.texts.items():
            if kept.texts.get(name) is None:
                kept.texts[name] = text
            elif text is not None and text != kept.texts[name]:
                for column in other.rule.variables[name].columns():
                    self.listed[_Cell(file, other.row, column)] = SAME_EVENT

    def listing(self) -> pd.DataFrame:
        """What became no part of a table, by file, row and column of the source."""
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
        """Why a cell feeds nothing; None when it does, is empty, or is told of with its column."""
        about = self.rules.files[cell.file]
        if cell in self.listed:
            return self.listed[cell]
        told = cell.column == self.rules.key or cell.column in about.left_out
        if told or cell in self.used or not raw.strip():
            return None
        return about.otherwise[cell.column].why if cell.column in about.otherwise else NOT_READ


def _fits(only: Conditions, row: dict[str, str]) -> bool:
    return all(_holds(condition, row[column]) for column, condition in only.items())


def _holds(condition: Condition, raw: str) -> bool:
    if isinstance(condition, list):
        return raw in condition
    if isinstance(condition, dict):
        return bool(raw.strip()) and raw not in condition["not"]
    return bool(raw.strip()) == (condition == "present")


def _words(file: str, number: int, only: Conditions) -> set[_Cell]:
    """The cells matched by their very word: they did their work in the condition."""
    return {_Cell(file, number, name) for name, words in only.items() if isinstance(words, list)}


def _end(value: Value, *, first: bool, last: bool) -> Value | None:
    """What stands for this repetition: `first`, `last`, nothing between; else the value itself."""
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
    """The rows of one domain: sorted by subject, the table's `sort`, then all else; numbered."""
    about = rules.tables[name]
    order = [*about.sort, *about.variables]
    rows = sorted(
        built,
        key=lambda one: (one.subject or "", [_natural(one.texts.get(column)) for column in order]),
    )
    count: Counter[str | None] = Counter()
    lines = []
    for one in rows:
        count[one.subject] += 1
        line: dict[str, str | None] = {"STUDYID": rules.study, "DOMAIN": name.upper()}
        if one.subject is not None:
            line["USUBJID"] = f"{rules.study}-{one.subject}"
        if name != "dm":
            line[f"{name.upper()}SEQ"] = str(count[one.subject])
        lines.append(line | {column: one.texts.get(column) for column in about.variables})
    ids = ["STUDYID", "DOMAIN", *([] if name == "ts" else ["USUBJID"])]
    sequence = [] if name == "dm" else [f"{name.upper()}SEQ"]
    return pd.DataFrame(lines, columns=[*ids, *sequence, *about.variables], dtype="object")


def _natural(text: str | None) -> tuple[bool, list[str | int]]:
    """A sort key: CYCLE 2 before CYCLE 10, missing last."""
    parts = re.split(r"([0-9]+)", text or "")
    return text is None, [int(part) if part.isdigit() else part for part in parts]
