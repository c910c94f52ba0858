"""The populations of the report: id, label, words of titles, and the flag of ADSL."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

from sap.catalogue.files import file_content
from sap.catalogue.reporting import filled


class Population(NamedTuple):
    """One population.

    Attributes
    ----------
    id
        Its value in the column `population` of the ARD and in `analysis/displays.yml`.
    label
        A short name for the head of a column.
    words
        Its definition as the title of a display gives it; empty for displays that are not about
        patients. Braces hold keys of the plan.
    flag
        The column of ADSL that is `Y` for its patients; None for a group that only titles name.
    name
        What a caption says where the definition is long: the words, where there is none.
    needs
        The entries of the plan without which there is no such population.
    """

    id: str
    label: str
    words: str
    flag: str | None
    name: str
    needs: tuple[str, ...] = ()

    def text(self, plan: object) -> str:
        """The definition with the numbers and words of the plan."""
        return filled(self.words, plan)


@cache
def populations() -> Mapping[str, Population]:
    """Every population by its id, in the order of tables.

    >>> populations()["PRIMARY"].flag
    'PRIMFL'
    """
    entries = file_content("populations.yml")
    return MappingProxyType(
        {
            key: Population(
                key,
                entry["label"],
                entry["words"],
                entry.get("flag"),
                entry.get("name", entry["words"]),
                tuple(entry.get("needs", ())),
            )
            for key, entry in entries.items()
        }
    )


@cache
def flags() -> Mapping[str, str]:
    """The populations of the ARD with their flag of ADSL.

    >>> flags()["SAFETY"]
    'SAFFL'
    """
    return MappingProxyType({p.id: p.flag for p in populations().values() if p.flag})
