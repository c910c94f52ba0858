"""SDTM in the words and units that the derivations read, whichever legal ones the extract wrote."""

import re
from collections.abc import Mapping

import pandas as pd

from sap.catalogue import Coded, Unit, Units, coded_columns, units_of
from sap.contracts.columns import number_text
from sap.plan.model import Plan

Tables = Mapping[str, pd.DataFrame]

MEASURED = {
    "lb": ("LBSTRESU", ("LBSTRESN", "LBSTNRLO", "LBSTNRHI", "LBLLOQ", "LBULOQ"), "LBSTRESC"),
    "vs": ("VSSTRESU", ("VSSTRESN",), "VSSTRESC"),
    "tr": ("TRSTRESU", ("TRSTRESN",), "TRSTRESC"),
    "pc": ("PCSTRESU", ("PCSTRESN", "PCLLOQ", "PCULOQ"), "PCSTRESC"),
    "cp": ("CPSTRESU", ("CPSTRESN",), "CPSTRESC"),
    "ex": ("EXDOSU", ("EXDOSE",), ""),
}
"""Of each domain that measures: the unit, the numbers that are in it, and the result as text."""
_RESULT = re.compile(r"([<>]=?)?\s*([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)")


def standard(tables: Tables, plan: Plan) -> dict[str, pd.DataFrame]:  # noqa: ARG001 - drugs follow
    """The tables in standard words and units; the tables given stay as they are.

    Of every filled cell of a coded column (`sap.catalogue.columns`), the first case that applies:

    1. The cell is a word of the column's codelist, compared without case, spaces, hyphens and
       spelling: the submission value of that word.
    2. Any other word: it stays as it is (the contracts name it as a finding).

    A column whose codelist depends on another column is read after that one.

    Of every measured value with a unit (`sap.catalogue.units`), the first case that applies:

    3. The unit is one the rules read, or another way of writing it: that unit, and the value as it
       stands.
    4. The unit is one that is converted: the unit the rules read; the value, its limits of normal
       and of quantification times the factor, with no rounding but that of a floating-point number.
    5. Any other unit of a test that the rules read: the value is not used (the contracts name the
       unit as a finding).
    6. A test that no rule reads: as it stands.
    """
    return {name: _measured(name, _coded(name, table)) for name, table in tables.items()}


def _coded(domain: str, table: pd.DataFrame) -> pd.DataFrame:
    made = table
    for column, entries in coded_columns().get(domain, {}).items():
        if column in made:
            made = made.assign(**{column: _values(made, column, entries)})
    return made


def _values(table: pd.DataFrame, column: str, entries: tuple[Coded, ...]) -> pd.Series:
    cells = table[column]
    found = cells
    open_ = pd.Series(True, table.index)
    for entry in entries:
        here = open_ & _applies(table, entry)
        words = {
            word: value
            for word in cells[here].dropna().unique()
            if isinstance(word, str) and (value := entry.codelist.standard(word)) is not None
        }
        changed = here & cells.isin([word for word, value in words.items() if word != value])
        if changed.any():
            found = found.where(~changed, cells.map(words))
        open_ &= ~here
    return found


def _applies(table: pd.DataFrame, entry: Coded) -> pd.Series:
    here = pd.Series(True, table.index)
    for name, values in entry.where.items():
        here &= table[name].isin(values) if name in table else False
    return here


def _measured(domain: str, table: pd.DataFrame) -> pd.DataFrame:
    if domain not in MEASURED or MEASURED[domain][0] not in table:
        return table
    made = table
    for entry in units_of(domain):
        made = _in_unit(domain, made, entry)
    return made


def _in_unit(domain: str, table: pd.DataFrame, entry: Units) -> pd.DataFrame:
    """The records of some tests in the units that the rules read, by cases 3 to 5."""
    column, numbers, result = MEASURED[domain]
    test = f"{domain.upper()}TESTCD"
    asked = table[test].isin(entry.tests) if entry.tests else table[column].notna()
    made = table
    for said in table.loc[asked, column].dropna().unique():
        unit = entry.read(said)
        if unit is not None and unit.unit == said:
            continue
        rows = asked & (table[column] == said)
        if unit is None or unit.factor != 1:
            for name in (name for name in numbers if name in made):
                made = made.assign(**{name: made[name].where(~rows, _times(made[name], unit))})
            if result in made:
                texts = [_text(text, unit) for text in made[result]]
                other = pd.Series(texts, made.index, dtype="object")
                made = made.assign(**{result: made[result].where(~rows, other)})
        if unit is not None:
            made = made.assign(**{column: made[column].where(~rows, unit.unit)})
    return made


def _times(cells: pd.Series, unit: Unit | None) -> pd.Series:
    if unit is None:
        return pd.Series(float("nan"), cells.index)
    return cells.astype(float).map(unit.of, na_action="ignore")


def _text(text: object, unit: Unit | None) -> str | None:
    """A result as text in another unit, the sign of a limit kept; None where it says no number."""
    found = _RESULT.fullmatch(text) if isinstance(text, str) else None
    if found is None or unit is None:
        return None
    sign, number = found.groups()
    return f"{sign or ''}{number_text(unit.of(float(number)))}"
