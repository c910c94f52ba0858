"""Columns as a rule needs them, and as the analysis needs them.

Before the check every cell may be text. Beside a column of a table stand, when a rule asks for them,

- `X_number`    the number the text says, at 15 significant digits, else missing
- `X_standard`  that number in the unit that the rules read (`sap.catalogue.units`); in a unit that
                they cannot read, missing
- `X_iso`       `Y` where the text is a date as SDTMIG 3.4 has it (`sap.catalogue.iso8601`)
- `X_earliest`  the first day such a text can mean, as `YYYY-MM-DD`, else missing
- `X_latest`    the last such day
- `X_day`       the day, where the text means one day
- `X_moment`    that day with its time, in one spelling: `09:00` is `09:00:00`
- `X_result`    `Y` where the text is a result (`sap.catalogue.quantities`)
- `X_below`     `Y` where it lies below quantification: `<0.1`, `BLQ`; `X_above` where above
- `X_nolimit`   `BELOW` or `ABOVE` where it does, and the text names no limit: `BLQ`
- `X_location`  the place of the body the text names (`sap.catalogue.locations`), else missing
- `X_node`      `Y` where that is a lymph node
- `X_word`      the submission value of the text in the column's codelist, else the text folded

so that a text that is no number breaks the rule on numbers and not the rule on ranges as well.
"""

from collections.abc import Callable, Mapping, Sequence
from math import isnan
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sap.catalogue import coded_columns, fold
from sap.catalogue.iso8601 import Stated, stated
from sap.catalogue.locations import location
from sap.catalogue.numbers import is_missing_number, number
from sap.catalogue.quantities import Quantity, quantity
from sap.catalogue.units import units_of
from sap.contracts.odcs import Contract, Lookup, Place, Prepared, Running, Table, stem
from sap.errors import ContractError

if TYPE_CHECKING:
    import pandas as pd


def number_text(number: float) -> str | None:
    """A number as the shortest text that gives it back; missing as None.

    >>> number_text(25.0), number_text(0.1), number_text(-0.0), number_text(float("nan"))
    ('25', '0.1', '0', None)
    """
    if isnan(number):
        return None
    return (repr(float(number) + 0.0)).removesuffix(".0")


def days(said: str | None) -> tuple[str, str] | None:
    """The first and the last day an ISO 8601 text can mean; None when no such day is known.

    >>> days("2016-02"), days("2017-02-30"), days("2017-03-01T09:30")
    (('2016-02-01', '2016-02-29'), None, ('2017-03-01', '2017-03-01'))
    """
    found = None if said is None else stated(said)
    if found is None or found.first is None or found.last is None:
        return None
    return found.first.isoformat(), found.last.isoformat()


def _moment(said: Stated) -> str | None:
    if said.day is None:
        return None
    return said.day.isoformat() + ("" if said.early is None else f"T{said.early}")


_OF_A_DATE: Mapping[str, Callable[[Stated], Any]] = MappingProxyType(
    {
        "_iso": lambda _: "Y",
        "_earliest": lambda said: said.first and said.first.isoformat(),
        "_latest": lambda said: said.last and said.last.isoformat(),
        "_day": lambda said: said.day and said.day.isoformat(),
        "_moment": _moment,
    }
)


def _nolimit(said: Quantity) -> str | None:
    if not said.side or said.value is not None:
        return None
    return "BELOW" if said.side == "<" else "ABOVE"


_OF_A_RESULT: Mapping[str, Callable[[Quantity], str | None]] = MappingProxyType(
    {
        "_result": lambda said: "Y" if said.readable else None,
        "_below": lambda said: "Y" if said.side == "<" else None,
        "_above": lambda said: "Y" if said.side == ">" else None,
        "_nolimit": _nolimit,
    }
)


def text(table: "pd.DataFrame", contract: Contract | None = None) -> "pd.DataFrame":
    """The table as text: what the rules read, whether it comes typed or not; empty is missing.

    In the number columns of a contract the signs for no number are missing too: `.` as SAS writes
    it in CSV, with a letter behind it or not, and `NA`.
    """
    import pandas as pd

    made = {}
    numbers = {one.name for one in contract.columns if "number" in one.kind} if contract else set()
    for name, column in table.items():
        if pd.api.types.is_numeric_dtype(column):
            made[name] = [number_text(value) for value in column.astype(float)]
        else:
            cells = [None if pd.isna(value) or value == "" else str(value) for value in column]
            none = {cell for cell in cells if name in numbers and cell and is_missing_number(cell)}
            made[name] = [None if cell in none else cell for cell in cells]
    return pd.DataFrame(made, index=pd.RangeIndex(len(table)), dtype=object)


def typed(
    tables: Mapping[str, "pd.DataFrame"], contracts: Mapping[str, Contract]
) -> dict[str, "pd.DataFrame"]:
    """The tables as the analysis reads them: what the contract names, in its order.

    1. A table without a contract and a column without a property stay behind (`check` lists them).
    2. A column the extract lacks is there and empty.
    3. Numbers and whole numbers become float64, at 15 significant digits; all else is text, missing
       as None.

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

    said = text(table, contract)
    made: dict[str, pd.Series[Any]] = {}
    for column in contract.columns:
        cells = _column(said, column.name)
        if column.kind in {"number", "whole number"}:
            numbers = pd.Series([number(cell) for cell in cells], dtype=float)
            broken = (numbers.isna() & cells.notna()).to_numpy().nonzero()[0] + 1
            if len(broken):
                raise ContractError(
                    f"{domain}.{column.name} is no number in row(s) "
                    f"{', '.join(str(row) for row in broken[:10])}: run `sap check`, then correct "
                    "the extract at its source"
                )
            made[column.name] = numbers
        else:
            made[column.name] = cells
    return pd.DataFrame(made, columns=[column.name for column in contract.columns])


def _column(table: "pd.DataFrame", name: str) -> "pd.Series[Any]":
    import pandas as pd

    return table[name] if name in table else pd.Series([None] * len(table), table.index, object)


def beside(table: "pd.DataFrame", name: str) -> "pd.Series[Any]":
    """The column of that name, made from the column it stands beside when it is not there yet."""
    import pandas as pd

    if name in table or stem(name) == name:
        return _column(table, name)
    cells = _column(table, stem(name))
    if name.endswith("_number"):
        return pd.Series([number(cell) for cell in cells], index=table.index, dtype=float)
    if name.endswith("_standard"):
        return _in_standard_unit(table, stem(name))
    if name.endswith("_word"):
        return _in_words(cells, stem(name))
    suffix = name.removeprefix(stem(name))
    known = {cell: _beside(suffix, cell) for cell in cells.unique() if cell is not None}
    return pd.Series([known.get(cell) for cell in cells], index=table.index, dtype=object)


def _in_words(cells: "pd.Series[Any]", name: str) -> "pd.Series[Any]":
    """The words of a coded column, whose domain its first two letters name."""
    entries = coded_columns().get(name[:2].lower(), {}).get(name, ())
    lists = [entry.codelist for entry in entries if not entry.where]
    words = {
        cell: next((word for one in lists if (word := one.standard(cell))), fold(cell))
        for cell in cells.dropna().unique()
    }
    return cells.map(words)


def _in_standard_unit(table: "pd.DataFrame", name: str) -> "pd.Series[Any]":
    """The numbers of a column of measured values, each in the unit that the rules read."""
    import pandas as pd

    domain = name[:2].lower()
    known = {test: entry for entry in units_of(domain) for test in entry.tests or (None,)}
    cells = (_column(table, each) for each in (name, f"{name[:2]}TESTCD", f"{name[:2]}STRESU"))
    made = []
    for said, test, unit in zip(*cells, strict=True):
        value, entry = number(said), known.get(test, known.get(None))
        read = None if entry is None or unit is None else entry.read(unit)
        plain = entry is None or unit is None
        made.append(value if plain or value is None else None if read is None else read.of(value))
    return pd.Series(made, index=table.index, dtype=float)


def _beside(suffix: str, cell: str) -> Any:
    if suffix in _OF_A_RESULT:
        return _OF_A_RESULT[suffix](quantity(cell))
    if suffix in ("_location", "_node"):
        return _located(cell, suffix)
    said = stated(cell)
    return None if said is None else _OF_A_DATE[suffix](said)


def _located(cell: str | None, name: str) -> str | None:
    found = location(cell)
    if found is None:
        return None
    return ("Y" if found.node else None) if name.endswith("_node") else found.term


def matching(table: "pd.DataFrame", where: Mapping[str, Any]) -> "pd.Series[bool]":
    """Rows that have, in every named column, the value or one of the values; null means missing.

    Words are compared without case, spaces, hyphens and spelling (`sap.catalogue.fold`).
    """
    import pandas as pd

    found = pd.Series(True, index=table.index)
    for name, wanted in where.items():
        cells = beside(table, name)
        values = [_folded(each) for each in (wanted if isinstance(wanted, list) else [wanted])]
        found &= cells.isna() if wanted is None else folded(cells).isin(values)
    return found


def folded(cells: "pd.Series[Any]") -> "pd.Series[Any]":
    """The column with its words as they are compared; missing stays missing."""
    known = {cell: _folded(cell) for cell in cells.unique()}
    return cells.map(known) if any(isinstance(cell, str) for cell in known) else cells


def _folded(cell: Any) -> Any:
    return fold(cell) if isinstance(cell, str) else cell


def complete(
    table: "pd.DataFrame", contract: Table, others: Mapping[str, "pd.DataFrame"]
) -> "pd.DataFrame":
    """The table with every column of the contract and every prepared column whose source exists."""
    import pandas as pd

    made = {column.name: _column(table, column.name) for column in contract.columns}
    whole = pd.DataFrame({**{str(name): table[name] for name in table}, **made})
    for name, prepared in contract.prepared.items():
        if prepared.lookup is None or prepared.lookup.table in others:
            whole[name] = _prepared(whole, prepared, others)
    return whole


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

    there = other[matching(other, lookup.where)]
    found: dict[tuple[str, ...], Any] = {}
    keys = _keys(there, list(lookup.by.values()))
    for key, value in zip(keys, beside(there, lookup.take), strict=True):
        if None in key or pd.isna(value):
            continue
        if key not in found:
            found[key] = value
        elif lookup.pick != "first":
            found[key] = min(found[key], value) if lookup.pick == "min" else max(found[key], value)
    values = [found.get(key) for key in _keys(table, list(lookup.by))]
    numeric = lookup.take.endswith(("_number", "_standard"))
    return pd.Series(values, index=table.index, dtype=float if numeric else object)


def _keys(table: "pd.DataFrame", names: Sequence[str]) -> list[tuple[Any, ...]]:
    return list(zip(*(beside(table, name) for name in names), strict=True))


def _in_order(
    table: "pd.DataFrame", rule: Place | Running
) -> tuple["pd.Series[Any]", "pd.Series[Any]"]:
    """The number of each row in its group from the front and from the back."""
    rows = table.index[matching(table, rule.where)]
    order = beside(table, rule.order).loc[rows].sort_values(kind="stable").index
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
