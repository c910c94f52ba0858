"""Strict reading of `data-contracts/*.odcs.yaml`: an unsupported key is an error.

Open Data Contract Standard v3.1, https://bitol-io.github.io/open-data-contract-standard/. Supported are

- the schema object (one table) and its properties (the columns): name, description, logicalType,
  required (never missing), criticalDataElement (the column must exist, its values may be missing),
  primaryKey, and for dates the format;
- quality rules `type: custom, engine: greatExpectations`, whose `implementation` is one Great
  Expectations expectation with its arguments. `expect_column_values_to_be_in_set` may name a
  `codelist` of `sap.catalogue`: every term of the list is allowed, compared without regard to case,
  spaces, hyphens and spelling; an additional `value_set` restricts it to those submission values;
- seven custom properties: of a table `timing` (the column that dates its records), `prepare`
  (columns joined from other domains) and `derived` (columns of the standard derived from
  others, such as study days and epochs: an extract may have them, the analysis derives its own, and
  a cut does not keep them); of a rule `where` and `where_not` (the rows it applies to),
  `acceptable: false` where a violation makes a result undefined, so that no finding may be accepted,
  and `of_cut: as in the extract` where the cut-off itself can make a record the last one or a value
  missing: the rule is not checked on a cut, its findings are those of the extract for the records
  of the cut.
"""

import datetime as dt
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from sap.catalogue import codelists, fold
from sap.errors import PlanError
from sap.plan.home import study_home
from sap.plan.reading import StrictLoader

if TYPE_CHECKING:
    from open_data_contract_standard.model import DataQuality, SchemaObject, SchemaProperty

Properties = TypeVar("Properties", bound=BaseModel)
Where: TypeAlias = Mapping[str, Any]
Kind: TypeAlias = Literal["text", "number", "whole number", "date", "date or time", "partial date"]

EXTRACT = "extract"
"""The name of the contract with the rules for all domains of the extract."""


LISTED_VALUES = 12
"""The number of allowed values that a finding lists."""

SEVERITIES = ("critical", "warning", "info")

DATE_FORMATS: Mapping[str, Kind] = MappingProxyType(
    {
        "yyyy-MM-dd": "date",
        "yyyy-MM-dd['T'HH:mm[:ss]]": "date or time",
        "yyyy[-MM[-dd]]": "partial date",
    }
)
"""Required precision of a date, in the notation of ODCS. All allow every form of SDTMIG 3.4.

1. `date`: the day must be known, because results depend on it.
2. `date or time`: a record without a known day is not used, which is a warning.
3. `partial date`: the day need not be known.
"""

EXPECTATIONS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "expect_column_pair_values_a_to_be_greater_than_b": frozenset(
            {"column_A", "column_B", "or_equal", "ignore_row_if"}
        ),
        "expect_column_pair_values_to_be_equal": frozenset(
            {"column_A", "column_B", "ignore_row_if"}
        ),
        "expect_column_values_to_be_between": frozenset({"column", "min_value", "max_value"}),
        "expect_column_values_to_be_in_set": frozenset({"column", "value_set", "codelist"}),
        "expect_column_values_to_be_null": frozenset({"column"}),
        "expect_column_values_to_be_unique": frozenset({"column"}),
        "expect_column_values_to_match_regex": frozenset({"column", "regex"}),
        "expect_column_values_to_not_be_null": frozenset({"column"}),
        "expect_compound_columns_to_be_unique": frozenset({"column_list", "ignore_row_if"}),
        "expect_table_row_count_to_be_between": frozenset({"min_value", "max_value"}),
    }
)
"""The expectations a contract may name, each with its allowed arguments."""

SUFFIXES = (
    *("_number", "_standard", "_iso", "_earliest", "_latest", "_day", "_moment"),
    *("_result", "_below", "_above", "_nolimit", "_location", "_node", "_word"),
)
"""The suffixes of the columns derived from every column of a table, made by `columns.derived_column`."""


class Strict(BaseModel):
    """A model that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Cell: TypeAlias = str | int | float | bool | dt.date | None
"""A value that a rule compares with: as YAML reads it, never converted."""

Rows: TypeAlias = dict[str, Cell | list[Cell]]
"""The rows of a rule: the value, or one of the values, of each column."""


class Arguments(Strict):
    """The arguments of all expectations with their types; which belong to which, `EXPECTATIONS` says."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    column: str = ""
    column_A: str = ""  # noqa: N815  (the argument of Great Expectations)
    column_B: str = ""  # noqa: N815  (the argument of Great Expectations)
    column_list: list[str] = []
    or_equal: bool = False
    ignore_row_if: str = ""
    min_value: int | float | dt.date | None = None
    max_value: int | float | dt.date | None = None
    value_set: list[str | int | float] = []
    codelist: str = ""
    regex: str = ""


class RuleProperties(Strict):
    """The custom properties of a rule."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    where: Rows = {}
    where_not: Rows = {}
    acceptable: bool = True
    of_cut: Literal["as in the extract"] | None = None


class Lookup(Strict):
    """A value of another table (or the same), joined to each row.

    Rows of `table` that meet `where` and agree in the columns of `by` (own column: other column) give
    `take`;
    where there are several, `pick` decides.
    """

    table: str
    take: str
    by: dict[str, str]
    where: Rows = {}
    pick: Literal["first", "min", "max"] = "first"


class Place(Strict):
    """The position of a row in its group: `first`, `inside`, `last`; a single row is `first`."""

    by: list[str]
    order: str
    where: Rows = {}


class Running(Strict):
    """The running number, from 1, of a row in its group."""

    by: list[str]
    order: str
    where: Rows = {}


class Prepared(Strict):
    """One joined column: exactly one way to make it."""

    lookup: Lookup | None = None
    place: Place | None = None
    running: Running | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "Prepared":
        if sum(way is not None for way in (self.lookup, self.place, self.running)) != 1:
            raise ValueError("name exactly one of lookup, place, running")
        return self


class TableProperties(Strict):
    """The custom properties of a table."""

    timing: str | None = None
    prepare: dict[str, Prepared] = {}
    derived: list[str] = []


@dataclass(frozen=True)
class Column:
    """One column of a contract."""

    name: str
    label: str
    kind: Kind
    required: bool
    must_exist: bool
    key: int | None


@dataclass(frozen=True)
class Rule:
    """One rule: its description and its expectation.

    `acceptable` is false where a violation makes a result undefined: such a finding always stops.
    `checked_on_cut` is false where the cut-off itself can cause a violation: the findings of the
    extract are used.
    """

    name: str
    description: str
    severity: str
    expectation: str
    kwargs: Mapping[str, Any]
    where: Where
    where_not: Where
    acceptable: bool = True
    checked_on_cut: bool = True

    @property
    def allowed(self) -> str:
        """The allowed values, abbreviated; empty for a rule without a list of values."""
        words = allowed_values(self.kwargs)
        more = f", ... ({len(words)} words)" if len(words) > LISTED_VALUES else ""
        return ", ".join(words[:LISTED_VALUES]) + more


@dataclass(frozen=True)
class Table:
    """One table of a contract: its columns, the columns joined to it, its rules.

    `timing` is the column with the start date of a record; `derived` are columns that an extract may
    have and the analysis does not read, since they are derived from others.
    """

    name: str
    timing: str | None
    columns: tuple[Column, ...]
    prepared: Mapping[str, Prepared]
    rules: tuple[Rule, ...]
    derived: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, ...]:
        keyed = [(column.key, column.name) for column in self.columns if column.key is not None]
        return tuple(name for _, name in sorted(keyed))


@dataclass(frozen=True)
class Contract:
    """One ODCS file. A domain has one table; the extract contract has one per group of rules."""

    name: str
    label: str
    version: str
    what: str
    tables: tuple[Table, ...]
    sha256: str = field(repr=False)

    @property
    def file(self) -> str:
        return f"{self.name}.odcs.yaml"

    @property
    def columns(self) -> tuple[Column, ...]:
        return self.tables[0].columns

    @property
    def key(self) -> tuple[str, ...]:
        return self.tables[0].key

    @property
    def rules(self) -> tuple[Rule, ...]:
        return tuple(rule for table in self.tables for rule in table.rules)


def load(directory: Path | None = None) -> dict[str, Contract]:
    """Every contract of a folder by its domain, `extract` last.

    Raises
    ------
    PlanError
        A file is no ODCS contract, or has an unsupported key or value.
    """
    folder = study_home() / "data-contracts" if directory is None else directory
    contracts = [_contract(path) for path in sorted(folder.glob("*.odcs.yaml"))]
    if not contracts:
        raise PlanError(f"{folder} holds no *.odcs.yaml: name the folder of the data contracts")
    loaded = {
        contract.name: contract
        for contract in sorted(contracts, key=lambda each: (each.name == EXTRACT, each.name))
    }
    version(loaded)
    _check_unique_names(loaded)
    for contract in loaded.values():
        _check_lookups(contract, loaded)
    return loaded


def version(contracts: Mapping[str, Contract]) -> str:
    """The common version of all files, and a checksum of their bytes: `1.0.0+3fa9c1d2`."""
    versions = sorted({contract.version for contract in contracts.values()})
    if len(versions) != 1:
        raise PlanError(
            f"data-contracts carry {len(versions)} versions ({', '.join(versions)}): "
            "they change together, so give every file the same version"
        )
    sums = "".join(contracts[name].sha256 for name in sorted(contracts))
    return f"{versions[0]}+{hashlib.sha256(sums.encode()).hexdigest()[:8]}"


def _contract(path: Path) -> Contract:
    from open_data_contract_standard.model import OpenDataContractStandard

    content = path.read_bytes()
    name = path.name.removesuffix(".odcs.yaml")
    try:
        raw = yaml.load(content.decode("utf-8"), Loader=StrictLoader)
        odcs = OpenDataContractStandard(**raw)
    except (yaml.YAMLError, UnicodeDecodeError, TypeError, ValidationError) as error:
        raise PlanError(f"{path.name} is no ODCS contract: {_first_line(error)}") from error
    _refuse_unknown_keys(path.name, raw, odcs.model_dump(by_alias=True))
    if odcs.domain != name or odcs.schema_ is None or odcs.version is None:
        raise PlanError(f"{path.name}: give version, schema, and domain: {name} as the file name")
    tables = tuple(_table(path.name, schema) for schema in odcs.schema_)
    if name != EXTRACT and [table.name for table in tables] != [name]:
        raise PlanError(f"{path.name}: schema must be the one table {name.upper()}")
    return Contract(
        name=name,
        label=odcs.name or name.upper(),
        version=odcs.version,
        what=(odcs.description.purpose or "") if odcs.description else "",
        tables=tables,
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _table(file: str, schema: "SchemaObject") -> Table:
    name = (schema.name or "").lower()
    properties = schema.properties or []
    columns = tuple(_column(file, each) for each in properties)
    custom = _custom(f"{file}: {name}", schema.customProperties, TableProperties)
    timing, prepared = custom.timing, custom.prepare
    if timing is not None and timing not in {column.name for column in columns}:
        raise PlanError(f"{file}: timing names {timing}, which is not among the properties")
    quality = [rule for each in properties for rule in each.quality or []]
    known = {column.name for column in columns} | set(prepared)
    rules = tuple(_rule(file, rule, known) for rule in [*quality, *(schema.quality or [])])
    return Table(name, timing, columns, MappingProxyType(prepared), rules, tuple(custom.derived))


def _column(file: str, each: "SchemaProperty") -> Column:
    kind: Kind
    options = each.logicalTypeOptions or {}
    match each.logicalType:
        case "string" if not options:
            kind = "text"
        case "number" if not options:
            kind = "number"
        case "integer" if not options:
            kind = "whole number"
        case "date" if set(options) == {"format"} and str(options["format"]) in DATE_FORMATS:
            kind = DATE_FORMATS[str(options["format"])]
        case _:
            raise PlanError(
                f"{file}: {each.name}: logicalType must be string, number, integer, or date with "
                f"one of the formats {', '.join(DATE_FORMATS)}"
            )
    required = bool(each.required)
    return Column(
        name=each.name or "",
        label=each.description or "",
        kind=kind,
        required=required,
        must_exist=required or bool(each.criticalDataElement),
        key=each.primaryKeyPosition if each.primaryKey else None,
    )


def _rule(file: str, quality: "DataQuality", known: set[str]) -> Rule:
    name, where = quality.name, f"{file}: rule {quality.name}"
    if not name or not quality.description:
        raise PlanError(f"{where}: give it a name and a description in words")
    if quality.type != "custom" or quality.engine != "greatExpectations":
        raise PlanError(f"{where}: only type: custom, engine: greatExpectations is carried out")
    if quality.severity not in SEVERITIES:
        raise PlanError(f"{where}: severity must be one of {', '.join(SEVERITIES)}")
    expectation, kwargs = _implementation(where, quality.implementation)
    custom = _custom(where, quality.customProperties, RuleProperties)
    rule = Rule(
        name=name,
        description=quality.description,
        severity=quality.severity,
        expectation=expectation,
        kwargs=MappingProxyType(kwargs),
        where=MappingProxyType(custom.where),
        where_not=MappingProxyType(custom.where_not),
        acceptable=custom.acceptable,
        checked_on_cut=custom.of_cut is None,
    )
    for column in columns_of(rule):
        if column not in known and stem(column) not in known:
            raise PlanError(f"{where}: {column} is neither a property nor a prepared column")
    return rule


def _implementation(where: str, implementation: Any) -> tuple[str, dict[str, Any]]:
    if not isinstance(implementation, dict) or set(implementation) != {"type", "kwargs"}:
        raise PlanError(f"{where}: implementation must have type and kwargs, nothing else")
    expectation, kwargs = str(implementation["type"]), implementation["kwargs"]
    if expectation not in EXPECTATIONS:
        raise PlanError(
            f"{where}: {expectation} is not an expectation a contract may use; "
            f"use one of {', '.join(sorted(EXPECTATIONS))}"
        )
    if not isinstance(kwargs, dict):
        raise PlanError(f"{where}: kwargs must be the arguments of {expectation} by name")
    unknown = sorted({str(each) for each in kwargs} - EXPECTATIONS[expectation])
    if unknown:
        raise PlanError(
            f"{where}: {expectation} takes {', '.join(sorted(EXPECTATIONS[expectation]))}, "
            f"not {', '.join(unknown)}"
        )
    _model(where, Arguments, kwargs)
    if "codelist" in kwargs:
        _codelist_is_known(where, kwargs)
    if "regex" in kwargs:
        try:
            re.compile(kwargs["regex"])
        except re.error as error:
            raise PlanError(f"{where}: the regex cannot be read: {error}") from error
    return expectation, kwargs


def _codelist_is_known(where: str, kwargs: Mapping[str, Any]) -> None:
    known = codelists()
    if kwargs["codelist"] not in known:
        raise PlanError(
            f"{where}: there is no codelist {kwargs['codelist']}; there are {', '.join(known)}"
        )
    values = known[kwargs["codelist"]].values
    others = [str(each) for each in kwargs.get("value_set", ()) if each not in values]
    if others:
        raise PlanError(f"{where}: {', '.join(others)} is no value of {kwargs['codelist']}")


def allowed_values(kwargs: Mapping[str, Any]) -> tuple[str, ...]:
    """The submission values that an expectation allows, in the order of its list."""
    if "codelist" in kwargs and "value_set" not in kwargs:
        return codelists()[kwargs["codelist"]].values
    return tuple(str(each) for each in kwargs.get("value_set", ()))


def folded_words(kwargs: Mapping[str, Any]) -> list[str]:
    """Every folded word that an expectation with a codelist allows."""
    allowed = set(allowed_values(kwargs))
    words = codelists()[kwargs["codelist"]].words
    return sorted({fold(each) for each in allowed} | {w for w, v in words.items() if v in allowed})


def _custom(where: str, properties: Sequence[Any] | None, model: type[Properties]) -> Properties:
    custom = {str(each.property): each.value for each in properties or []}
    unknown = sorted(set(custom) - set(model.model_fields))
    if unknown:
        raise PlanError(
            f"{where}: customProperties may be {', '.join(sorted(model.model_fields))}, "
            f"not {', '.join(unknown)}"
        )
    return _model(where, model, custom)


def _model(where: str, model: type[Properties], values: Any) -> Properties:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise PlanError(f"{where}: {_first_line(error)}") from error


def reads(rule: Rule) -> tuple[str, ...]:
    """The columns the expectation of a rule reads, as the rule names them."""
    words = ("column", "column_A", "column_B")
    named = [rule.kwargs[word] for word in words if word in rule.kwargs]
    return (*named, *rule.kwargs.get("column_list", ()))


def columns_of(rule: Rule) -> tuple[str, ...]:
    """Every column of a rule: those of its expectation and those of `where` and `where_not`."""
    return (*reads(rule), *rule.where, *rule.where_not)


def stem(column: str) -> str:
    """The source of a derived column: `LBSTRESN` of `LBSTRESN_number`."""
    for suffix in SUFFIXES:
        if column.endswith(suffix):
            return column.removesuffix(suffix)
    return column


def _refuse_unknown_keys(file: str, raw: Any, read: Any, path: str = "") -> None:
    """Raises on a key of the file that the ODCS model dropped because it does not know it."""
    for place, left, right in _pairs(file, raw, read, path):
        _refuse_unknown_keys(file, left, right, place)


def _pairs(file: str, raw: Any, read: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(raw, dict) and isinstance(read, dict):
        for key, value in raw.items():
            if key not in read:
                raise PlanError(f"{file}: {path}{key} is no key of ODCS: check its spelling")
            yield f"{path}{key}.", value, read[key]
    elif isinstance(raw, list) and isinstance(read, list):
        for position, (left, right) in enumerate(zip(raw, read, strict=True), start=1):
            yield f"{path}{position}.", left, right


def _check_unique_names(contracts: Mapping[str, Contract]) -> None:
    names = [rule.name for contract in contracts.values() for rule in contract.rules]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise PlanError(f"data-contracts: rules named twice: {', '.join(twice)}")


def _check_lookups(contract: Contract, contracts: Mapping[str, Contract]) -> None:
    for table in contract.tables:
        own = {column.name for column in table.columns}
        for name, prepared in table.prepared.items():
            where = f"{contract.name}.odcs.yaml: prepare {name}"
            if prepared.lookup is None:
                way = prepared.place or prepared.running
                assert way is not None
                read = [*way.by, way.order, *way.where]
                _columns_exist(where, read, own)
            elif prepared.lookup.table not in contracts:
                raise PlanError(f"{where}: there is no contract {prepared.lookup.table}")
            else:
                lookup = prepared.lookup
                other = {column.name for column in contracts[lookup.table].columns}
                _columns_exist(where, lookup.by, own)
                _columns_exist(where, [lookup.take, *lookup.by.values(), *lookup.where], other)


def _columns_exist(where: str, read: Sequence[str] | Mapping[str, str], known: set[str]) -> None:
    missing = [column for column in read if stem(column) not in known]
    if missing:
        raise PlanError(f"{where}: no contract has the column {', '.join(missing)}")


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return " ".join(str(error).split())
