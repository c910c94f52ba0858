"""The codelist of each coded SDTM column, from `columns.yml`."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from sap.catalogue.codelists import Codelist, codelist
from sap.catalogue.files import file_content


@dataclass(frozen=True)
class Coded:
    """A column, its codelist, and the values other columns must have for it to apply."""

    domain: str
    column: str
    codelist: Codelist
    where: Mapping[str, tuple[str, ...]]


@cache
def coded_columns() -> Mapping[str, Mapping[str, tuple[Coded, ...]]]:
    """By domain and column, in the order of the file: the entries; the first that applies is used.

    >>> coded_columns()["ae"]["AEOUT"][0].codelist.name
    'OUT'
    """
    read = file_content("columns.yml")
    return {
        domain: {
            column: tuple(_coded(domain, column, content)) for column, content in columns.items()
        }
        for domain, columns in read.items()
    }


def _coded(domain: str, column: str, content: str | list[Mapping[str, Any]]) -> list[Coded]:
    entries: list[Mapping[str, Any]] = (
        [{"codelist": content}] if isinstance(content, str) else content
    )
    return [
        Coded(
            domain,
            column,
            codelist(entry["codelist"]),
            {name: tuple(values) for name, values in entry.get("where", {}).items()},
        )
        for entry in entries
    ]
