"""The ADaM datasets and their columns, and the parameters: `datasets.yml` and `parameters.yml`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from sap.catalogue.reporting import PARAMETERS, filled, stem_files
from sap.errors import ResultError


@dataclass(frozen=True)
class Column:
    """One variable: label (at most 40 ASCII characters), type, length in bytes, origin, codelist.

    `source` names the variable of SDTM that a predecessor is copied from.
    """

    name: str
    label: str
    type: Literal["text", "integer", "float", "date"]
    length: int
    origin: Literal["Predecessor", "Derived", "Assigned"]
    source: str
    codelist: str


@dataclass(frozen=True)
class Dataset:
    """One dataset: label, structure, the columns that order and name its records, its variables."""

    name: str
    label: str
    structure: str
    keys: tuple[str, ...]
    columns: Mapping[str, Column]


@dataclass(frozen=True)
class Parameter:
    """One PARAMCD of a dataset: its label (PARAM) and its definition."""

    dataset: str
    paramcd: str
    label: str
    definition: str


def _read(name: str) -> Any:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = files("sap.catalogue").joinpath(name).read_text("utf-8")
    return yaml.load(text, loader)


def _column(name: str, entry: Mapping[str, Any]) -> Column:
    return Column(
        name=name,
        label=entry["label"],
        type=entry["type"],
        length=entry.get("length", 8),
        origin=entry["origin"],
        source=entry.get("source", ""),
        codelist=entry.get("codelist", ""),
    )


@cache
def datasets() -> Mapping[str, Dataset]:
    """All datasets by name in upper case.

    >>> datasets()["ADSL"].columns["USUBJID"].label
    'Unique Subject Identifier'
    """
    return {
        name: Dataset(
            name=name,
            label=entry["label"],
            structure=entry["structure"],
            keys=tuple(entry["keys"]),
            columns={column: _column(column, of) for column, of in entry["columns"].items()},
        )
        for name, entry in _read("datasets.yml").items()
    }


@cache
def _labels() -> Mapping[str, str]:
    return {
        name: column.label
        for dataset in datasets().values()
        for name, column in dataset.columns.items()
    }


def label_of(variable: str) -> str:
    """The label of a variable, the same in every dataset; an unknown one carries its name."""
    return _labels().get(variable, variable)


def dataset_label(name: str) -> str:
    """The label of a dataset; an unknown one carries its name."""
    known = datasets().get(name.upper())
    return known.label if known else name.upper()


@cache
def parameters() -> Mapping[str, tuple[Parameter, ...]]:
    """The parameters of each dataset in the order of the catalogue; a code may be a pattern."""
    known: dict[str, list[Parameter]] = {}
    for content in (_read("parameters.yml"), *(of.get(PARAMETERS, {}) for _, of in stem_files())):
        for dataset, entries in content.items():
            known.setdefault(dataset, []).extend(
                Parameter(dataset, str(code), of["label"], of["definition"])
                for code, of in entries.items()
            )
    return {dataset: tuple(entries) for dataset, entries in sorted(known.items())}


def param(dataset: str, paramcd: str, plan: object) -> str:
    """PARAM of a PARAMCD, filled from the plan.

    Raises
    ------
    ResultError
        The catalogue has no such parameter of this dataset.
    """
    for known in parameters()[dataset]:
        match = re.fullmatch(known.paramcd, paramcd)
        if match:
            return filled(known.label, plan, match)
    raise ResultError(
        f"{dataset}: the catalogue has no parameter {paramcd}.\n"
        "Describe it in src/sap/catalogue/parameters.yml."
    )
