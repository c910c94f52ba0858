"""SDTM in the words that the derivations read, whichever legal words the extract wrote."""

from collections.abc import Mapping

import pandas as pd

from sap.catalogue import Coded, coded_columns
from sap.plan.model import Plan

Tables = Mapping[str, pd.DataFrame]


def standard(tables: Tables, plan: Plan) -> dict[str, pd.DataFrame]:  # noqa: ARG001 - drugs follow
    """The tables with submission values in their coded columns; the tables given stay as they are.

    Of every filled cell of a coded column (`sap.catalogue.columns`), the first case that applies:

    1. The cell is a word of the column's codelist, compared without case, spaces, hyphens and
       spelling: the submission value of that word.
    2. Any other word: it stays as it is (the contracts name it as a finding).

    A column whose codelist depends on another column is read after that one.
    """
    return {name: _coded(name, table) for name, table in tables.items()}


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
