"""The ADaM datasets and their columns, and the parameters: `datasets.yml` and `parameters.yml`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from sap.catalogue.files import file_content
from sap.catalogue.reporting import PARAMETERS, filled, stem_files
from sap.errors import ResultError

ENTRY_OF: Mapping[str, str] = {
    "ADPSA": "psa_response", "ADCTC": "ctc", "ADPC": "pk", "ADPP": "pk", "ADBE": "samples",
}  # fmt: skip
"""The entry of the plan without which there is no such dataset."""


@dataclass(frozen=True)
class Column:
    """One variable: label (at most 40 ASCII characters), type, length in bytes, origin, codelist.

    `source` names the variable of SDTM that a predecessor is copied from, `rule` the function whose
    docstring is the rule, where that does not name the column.
    """

    name: str
    label: str
    type: Literal["text", "integer", "float", "date"]
    length: int
    origin: Literal["Predecessor", "Derived", "Assigned"]
    source: str
    codelist: str
    rule: str


@dataclass(frozen=True)
class Dataset:
    """One dataset: label, class, structure, the columns that order and name its records, its variables.

    `kind` and `subclass` are the class of Define-XML 2.1 and, where there is one, its subclass.
    """

    name: str
    label: str
    kind: str
    subclass: str
    structure: str
    keys: tuple[str, ...]
    columns: Mapping[str, Column]


@dataclass(frozen=True)
class Parameter:
    """One PARAMCD of a dataset: its label (PARAM), its definition, and its rule, as of a column."""

    dataset: str
    paramcd: str
    label: str
    definition: str
    rule: str = ""


def _column(name: str, entry: Mapping[str, Any]) -> Column:
    return Column(
        name=name,
        label=entry["label"],
        type=entry["type"],
        length=entry.get("length", 8),
        origin=entry["origin"],
        source=entry.get("source", ""),
        codelist=entry.get("codelist", ""),
        rule=entry.get("rule", ""),
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
            kind=entry["class"],
            subclass=entry.get("subclass", ""),
            structure=entry["structure"],
            keys=tuple(entry["keys"]),
            columns={column: _column(column, of) for column, of in entry["columns"].items()},
        )
        for name, entry in file_content("datasets.yml").items()
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
    for content in (
        file_content("parameters.yml"),
        *(of.get(PARAMETERS, {}) for _, of in stem_files()),
    ):
        for dataset, entries in content.items():
            known.setdefault(dataset, []).extend(
                Parameter(dataset, str(code), of["label"], of["definition"], of.get("rule", ""))
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
    known = parameter(dataset, paramcd)
    return filled(known.label, plan, re.fullmatch(known.paramcd, paramcd))


def parameter(dataset: str, paramcd: str) -> Parameter:
    """The parameter of a dataset that a PARAMCD is.

    Raises
    ------
    ResultError
        The catalogue has no such parameter of this dataset.
    """
    for known in parameters().get(dataset, ()):
        if re.fullmatch(known.paramcd, paramcd):
            return known
    raise ResultError(
        f"{dataset}: the catalogue has no parameter {paramcd}.\n"
        "Describe it in src/sap/catalogue/parameters.yml."
    )
