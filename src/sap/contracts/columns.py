"""Columns as the rules need them (text, and columns derived from it), and as the analysis needs them.

Before the check every value may be text. From a column X of a table a rule can use:

- `X_number`    the number, at 15 significant digits; missing where the text is no number
- `X_standard`  the number in the unit of analysis (`sap.catalogue.units`); missing in an unknown unit
- `X_iso`       `Y` where the text is a date in a form of SDTMIG 3.4 (`sap.catalogue.iso8601`)
- `X_earliest`  the earliest day the text allows, as `YYYY-MM-DD`, else missing
- `X_latest`    the latest day it allows
- `X_day`       the day, where it is known
- `X_moment`    that day with its time, in one spelling: `09:00` is `09:00:00`
- `X_result`    `Y` where the text is a result (`sap.catalogue.quantities`)
- `X_below`     `Y` where it is below quantification: `<0.1`, `BLQ`; `X_above` where above
- `X_nolimit`   `BELOW` or `ABOVE` where it is, and the text gives no limit: `BLQ`
- `X_location`  the anatomical location of the text (`sap.catalogue.locations`), else missing
- `X_node`      `Y` where that is a lymph node
- `X_word`      the submission value of the text in the codelist of the column, else the folded text

Thus a text that is no number breaks the rule on numbers, and not the rule on ranges as well.
"""

from collections.abc import Callable, Mapping, Sequence
from math import isnan
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sap.catalogue import coded_columns, fold
from sap.catalogue.iso8601 import PartialDate, parse_date
from sap.catalogue.locations import location
from sap.catalogue.numbers import is_missing_number, number
from sap.catalogue.quantities import Quantity, quantity
from sap.catalogue.units import units_of
from sap.contracts.odcs import Contract, Lookup, Place, Prepared, Running, Table, stem
from sap.errors import ContractError

if TYPE_CHECKING:
    import pandas as pd


def number_text(number: float) -> str | None:
    """A number as the shortest text with the same value; missing as None.

    >>> number_text(25.0), number_text(0.1), number_text(-0.0), number_text(float("nan"))
    ('25', '0.1', '0', None)
    """
    if isnan(number):
        return None
    return (repr(float(number) + 0.0)).removesuffix(".0")


def days(text: str | None) -> tuple[str, str] | None:
    """The earliest and the latest day an ISO 8601 text allows; None when there is none.

    >>> days("2016-02"), days("2017-02-30"), days("2017-03-01T09:30")
    (('2016-02-01', '2016-02-29'), None, ('2017-03-01', '2017-03-01'))
    """
    date = None if text is None else parse_date(text)
    if date is None or date.first is None or date.last is None:
        return None
    return date.first.isoformat(), date.last.isoformat()


def _moment(date: PartialDate) -> str | None:
    if date.day is None:
        return None
    return date.day.isoformat() + ("" if date.early is None else f"T{date.early}")


_OF_A_DATE: Mapping[str, Callable[[PartialDate], Any]] = MappingProxyType(
    {
        "_iso": lambda _: "Y",
        "_earliest": lambda date: date.first and date.first.isoformat(),
        "_latest": lambda date: date.last and date.last.isoformat(),
        "_day": lambda date: date.day and date.day.isoformat(),
        "_moment": _moment,
    }
)


def _nolimit(result: Quantity) -> str | None:
    if not result.side or result.value is not None:
        return None
    return "BELOW" if result.side == "<" else "ABOVE"


_OF_A_RESULT: Mapping[str, Callable[[Quantity], str | None]] = MappingProxyType(
    {
        "_result": lambda result: "Y" if result.readable else None,
        "_below": lambda result: "Y" if result.side == "<" else None,
        "_above": lambda result: "Y" if result.side == ">" else None,
        "_nolimit": _nolimit,
    }
)


def text(table: "pd.DataFrame", contract: Contract | None = None) -> "pd.DataFrame":
    """The table as text, as the rules use it; an empty text is missing.

    In the number columns of a contract the codes for a missing number are missing too: `.` as
    written by SAS, with or without a letter, and `NA`.
    """
    import pandas as pd

    columns = {}
    numbers = (
        {column.name for column in contract.columns if "number" in column.kind}
        if contract
        else set()
    )
    for name, column in table.items():
        if pd.api.types.is_numeric_dtype(column):
            columns[name] = [number_text(value) for value in column.astype(float)]
        else:
            cells = [None if pd.isna(value) or value == "" else str(value) for value in column]
            missing = {
                cell for cell in cells if name in numbers and cell and is_missing_number(cell)
            }
            columns[name] = [None if cell in missing else cell for cell in cells]
    return pd.DataFrame(columns, index=pd.RangeIndex(len(table)), dtype=object)


def typed(
    tables: Mapping[str, "pd.DataFrame"], contracts: Mapping[str, Contract]
) -> dict[str, "pd.DataFrame"]:
    """The tables as the analysis reads them: the columns of the contract, in its order.

    1. A table without a contract and a column without a property are dropped (`check` lists them).
    2. A column that the extract lacks is added, with missing values.
    3. Numbers and whole numbers become float64, at 15 significant digits; all other columns are text,
       missing as None.

    Raises
    ------
    ContractError
        A number column holds a text that is no number: run `check` first.
    """
    return {
        name: _typed(name, table, contracts[name])
        for name, table in sorted(tables.items())
        if name in contracts
    }


def _typed(domain: str, table: "pd.DataFrame", contract: Contract) -> "pd.DataFrame":
    import pandas as pd

    texts = text(table, contract)
    columns: dict[str, pd.Series[Any]] = {}
    for column in contract.columns:
        cells = _column(texts, column.name)
        if column.kind in {"number", "whole number"}:
            numbers = pd.Series([number(cell) for cell in cells], dtype=float)
            invalid = (numbers.isna() & cells.notna()).to_numpy().nonzero()[0] + 1
            if len(invalid):
                raise ContractError(
                    f"{domain}.{column.name} is no number in row(s) "
                    f"{', '.join(str(row) for row in invalid[:10])}: run `sap check`, then correct "
                    "the extract at its source"
                )
            columns[column.name] = numbers
        else:
            columns[column.name] = cells
    return pd.DataFrame(columns, columns=[column.name for column in contract.columns])


def _column(table: "pd.DataFrame", name: str) -> "pd.Series[Any]":
    import pandas as pd

    return table[name] if name in table else pd.Series([None] * len(table), table.index, object)


def derived_column(table: "pd.DataFrame", name: str) -> "pd.Series[Any]":
    """The column of that name; derived from its source column when the table does not have it."""
    import pandas as pd

    if name in table or stem(name) == name:
        return _column(table, name)
    cells = _column(table, stem(name))
    if name.endswith("_number"):
        return pd.Series([number(cell) for cell in cells], index=table.index, dtype=float)
    if name.endswith("_standard"):
        return _in_standard_unit(table, stem(name))
    if name.endswith("_word"):
        return _submission_values(cells, stem(name))
    suffix = name.removeprefix(stem(name))
    known = {cell: _derived_value(suffix, cell) for cell in cells.unique() if cell is not None}
    return pd.Series([known.get(cell) for cell in cells], index=table.index, dtype=object)


def _submission_values(cells: "pd.Series[Any]", name: str) -> "pd.Series[Any]":
    """The submission values of a coded column; the first two letters of its name are the domain."""
    entries = coded_columns().get(name[:2].lower(), {}).get(name, ())
    lists = [entry.codelist for entry in entries if not entry.where]
    words = {
        cell: next((word for codelist_ in lists if (word := codelist_.standard(cell))), fold(cell))
        for cell in cells.dropna().unique()
    }
    return cells.map(words)


def _in_standard_unit(table: "pd.DataFrame", name: str) -> "pd.Series[Any]":
    """The numbers of a column of measured values, each in the unit of analysis."""
    import pandas as pd

    domain = name[:2].lower()
    known = {test: entry for entry in units_of(domain) for test in entry.tests or (None,)}
    cells = (_column(table, each) for each in (name, f"{name[:2]}TESTCD", f"{name[:2]}STRESU"))
    values = []
    for cell, test, unit in zip(*cells, strict=True):
        value, entry = number(cell), known.get(test, known.get(None))
        known_unit = None if entry is None or unit is None else entry.read(unit)
        without_unit = entry is None or unit is None
        values.append(
            value
            if without_unit or value is None
            else None
            if known_unit is None
            else known_unit.of(value)
        )
    return pd.Series(values, index=table.index, dtype=float)


def _derived_value(suffix: str, cell: str) -> Any:
    if suffix in _OF_A_RESULT:
        return _OF_A_RESULT[suffix](quantity(cell))
    if suffix in ("_location", "_node"):
        return _located(cell, suffix)
    date = parse_date(cell)
    return None if date is None else _OF_A_DATE[suffix](date)


def _located(cell: str | None, name: str) -> str | None:
    known = location(cell)
    if known is None:
        return None
    return ("Y" if known.node else None) if name.endswith("_node") else known.term


def matching(table: "pd.DataFrame", where: Mapping[str, Any]) -> "pd.Series[bool]":
    """Rows that have, in every named column, the value or one of the values; null means missing.

    Terms are compared without regard to case, spaces, hyphens and spelling (`sap.catalogue.fold`).
    """
    import pandas as pd

    selected = pd.Series(True, index=table.index)
    for name, wanted in where.items():
        cells = derived_column(table, name)
        values = [_folded(each) for each in (wanted if isinstance(wanted, list) else [wanted])]
        selected &= cells.isna() if wanted is None else folded(cells).isin(values)
    return selected


def folded(cells: "pd.Series[Any]") -> "pd.Series[Any]":
    """The column with folded terms, for comparison; missing values stay missing."""
    known = {cell: _folded(cell) for cell in cells.unique()}
    return cells.map(known) if any(isinstance(cell, str) for cell in known) else cells


def _folded(cell: Any) -> Any:
    return fold(cell) if isinstance(cell, str) else cell


def complete(
    table: "pd.DataFrame", contract: Table, others: Mapping[str, "pd.DataFrame"]
) -> "pd.DataFrame":
    """The table with every column of the contract and every prepared column whose source exists."""
    import pandas as pd

    contracted = {column.name: _column(table, column.name) for column in contract.columns}
    completed = pd.DataFrame({**{str(name): table[name] for name in table}, **contracted})
    for name, prepared in contract.prepared.items():
        if prepared.lookup is None or prepared.lookup.table in others:
            completed[name] = _prepared(completed, prepared, others)
    return completed


def _prepared(
    table: "pd.DataFrame", prepared: Prepared, others: Mapping[str, "pd.DataFrame"]
) -> "pd.Series[Any]":
    if prepared.lookup is not None:
        return _looked_up(table, prepared.lookup, others[prepared.lookup.table])
    if prepared.place is not None:
        return _placed(table, prepared.place)
    assert prepared.running is not None
    return _in_order(table, prepared.running)[0]


def _looked_up(table: "pd.DataFrame", lookup: Lookup, other: "pd.DataFrame") -> "pd.Series[Any]":
    import pandas as pd

    rows = other[matching(other, lookup.where)]
    values_by_key: dict[tuple[str, ...], Any] = {}
    keys = _keys(rows, list(lookup.by.values()))
    for key, value in zip(keys, derived_column(rows, lookup.take), strict=True):
        if None in key or pd.isna(value):
            continue
        if key not in values_by_key:
            values_by_key[key] = value
        elif lookup.pick != "first":
            values_by_key[key] = (
                min(values_by_key[key], value)
                if lookup.pick == "min"
                else max(values_by_key[key], value)
            )
    values = [values_by_key.get(key) for key in _keys(table, list(lookup.by))]
    numeric = lookup.take.endswith(("_number", "_standard"))
    return pd.Series(values, index=table.index, dtype=float if numeric else object)


def _keys(table: "pd.DataFrame", names: Sequence[str]) -> list[tuple[Any, ...]]:
    return list(zip(*(derived_column(table, name) for name in names), strict=True))


def _in_order(
    table: "pd.DataFrame", rule: Place | Running
) -> tuple["pd.Series[Any]", "pd.Series[Any]"]:
    """The number of each row in its group from the front and from the back."""
    rows = table.index[matching(table, rule.where)]
    order = derived_column(table, rule.order).loc[rows].sort_values(kind="stable").index
    groups = table.loc[order].groupby(list(rule.by), sort=False)
    front, back = groups.cumcount() + 1, groups.cumcount(ascending=False) + 1
    return front.reindex(table.index), back.reindex(table.index)


def _placed(table: "pd.DataFrame", place: Place) -> "pd.Series[Any]":
    import pandas as pd

    front, back = _in_order(table, place)
    placed = [
        None
        if isnan(from_front)
        else "first"
        if from_front == 1
        else "last"
        if from_back == 1
        else "inside"
        for from_front, from_back in zip(front, back, strict=True)
    ]
    return pd.Series(placed, index=table.index, dtype=object)
