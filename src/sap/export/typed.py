"""The types of the catalogue for columns that have no value to show their type."""

from typing import Any

import pandas as pd

from sap.catalogue.adam import datasets


def typed(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """The dataset in which a column without any value has the type that the catalogue gives it.

    A table without records, or a column of missing values, has any type in memory; in a file its type
    is a statement. A dataset or column that the catalogue does not describe stays as it is.

    >>> frame = pd.DataFrame({"USUBJID": ["T-1"], "LINE": [float("nan")], "DTHDT": [None]})
    >>> [str(kind) for kind in typed(frame, "adsl").dtypes]
    ['object', 'object', 'datetime64[ns]']
    """
    known = datasets().get(name.upper())
    if known is None:
        return frame
    changed = {}
    for column in map(str, frame.columns):
        if column in known.columns and not frame[column].notna().any():
            changed[column] = _empty(len(frame), known.columns[column].type, frame.index)
    return frame.assign(**changed)


def _empty(length: int, kind: str, index: pd.Index) -> "pd.Series[Any]":
    if kind == "text":
        return pd.Series([None] * length, index, dtype=object)
    if kind == "date":
        return pd.Series([pd.NaT] * length, index, dtype="datetime64[ns]")
    return pd.Series([float("nan")] * length, index, dtype=float)
