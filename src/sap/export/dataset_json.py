"""CDISC Dataset-JSON 1.1 of one dataset, and back, digit by digit."""

import datetime as dt
import json
import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from sap import __version__
from sap.catalogue.adam import dataset_label, label_of
from sap.errors import UsageError

VERSION = "1.1.0"
KEYS = ("STUDYID", "USUBJID", "PARAMCD", "ADT", "AESEQ", "LBSEQ", "CPSEQ")


def dataset_json(frame: pd.DataFrame, name: str, *, study: str, moment: dt.date) -> bytes:
    """The dataset as Dataset-JSON 1.1, one row a line; same data, same bytes.

    Numbers are doubles with every digit, or integers where the column's type is; days ISO 8601
    dates (`targetDataType` integer: a reader may store them as SAS dates), missing null.
    `moment` is the cut-off: the standard requires a time of creation and no output depends on the clock.
    """
    columns = [_column(frame[c], str(c), name) for c in frame.columns]
    keys = [c for c in KEYS if c in frame.columns]
    for number, key in enumerate(keys, start=1):
        next(c for c in columns if c["name"] == key)["keySequence"] = number
    head = {
        "datasetJSONCreationDateTime": f"{moment.isoformat()}T00:00:00Z",
        "datasetJSONVersion": VERSION,
        "fileOID": f"{study}.{name.upper()}",
        "originator": "sap",
        "sourceSystem": {"name": "sap", "version": __version__},
        "studyOID": study,
        "metaDataVersionOID": f"MDV.{study}",
        "itemGroupOID": f"IG.{name.upper()}",
        "records": len(frame),
        "name": name.upper(),
        "label": dataset_label(name),
        "columns": columns,
    }
    kinds = [c["dataType"] for c in columns]
    cells = [
        [_cell(v, kind, f"{name.upper()}.{c}", row) for row, v in enumerate(frame[c], start=1)]
        for c, kind in zip(frame.columns, kinds, strict=True)
    ]
    rows = [_packed(list(row)) for row in zip(*cells, strict=True)]
    start = json.dumps(head, ensure_ascii=False, indent=1).removesuffix("\n}")
    body = ",\n  ".join(rows)
    text = f'{start},\n "rows": [\n  {body}\n ]\n}}\n' if rows else f'{start},\n "rows": []\n}}\n'
    return text.encode("utf-8")


def _packed(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _column(cells: "pd.Series[Any]", name: str, dataset: str) -> dict[str, Any]:
    about: dict[str, Any] = {
        "itemOID": f"IT.{dataset.upper()}.{name}",
        "name": name,
        "label": label_of(name),
    }
    if pd.api.types.is_datetime64_any_dtype(cells):
        about |= {"dataType": "date", "targetDataType": "integer", "displayFormat": "DATE9."}
    elif pd.api.types.is_integer_dtype(cells):
        about["dataType"] = "integer"
    elif pd.api.types.is_numeric_dtype(cells):
        about["dataType"] = "double"
    else:
        longest = max((len(str(v).encode()) for v in cells if not _missing(v)), default=1)
        about |= {"dataType": "string", "length": max(longest, 1)}
    return about


def _missing(value: Any) -> bool:
    return value is None or value != value  # noqa: PLR0124 - NaN and NaT alone do so


def _cell(value: Any, kind: str, where: str, row: int) -> Any:
    if _missing(value):
        return None
    if kind == "date":
        return value.date().isoformat()
    if kind == "integer":
        return int(value)
    if kind == "double":
        if math.isinf(value):
            raise UsageError(
                f"{where}: an infinite number in row {row}, which Dataset-JSON cannot hold: "
                "correct it at its source."
            )
        return float(value)
    return str(value)


def read_dataset_json(content: bytes) -> pd.DataFrame:
    """The dataset that `dataset_json` wrote, cell for cell and type for type."""
    document = json.loads(content)
    names: Sequence[str] = [c["name"] for c in document["columns"]]
    cells = list(zip(*document["rows"], strict=True)) or [()] * len(names)
    made = {}
    for about, name, column in zip(document["columns"], names, cells, strict=True):
        kind = about["dataType"]
        if kind == "date":
            made[name] = pd.to_datetime(pd.Series(column, dtype=object), format="%Y-%m-%d")
        elif kind == "integer":
            made[name] = pd.Series(column, dtype="int64")
        elif kind == "double":
            made[name] = pd.Series(column, dtype=float)
        else:
            made[name] = pd.Series(column, dtype=object)
    return pd.DataFrame(made, columns=list(names))
