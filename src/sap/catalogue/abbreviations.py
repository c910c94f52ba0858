"""Abbreviations: their meanings, and which of them a text uses.

>>> [one.text for one in used("OS, 95% CI; Mean (SD)", abbreviations())]
['CI', 'OS', 'SD']
>>> [one.short for one in used("Mean (SD) | 4.2 (1.1)", abbreviations())]
['standard deviation']
>>> used("APSA, PSAX", abbreviations())
[]
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple

from sap.catalogue.files import file_content

# Nothing of a longer word: `CTCs` and `AUC₀₋₇` are uses, `CTCAE` is none of CTC.
_BEFORE, _AFTER = r"(?<!\w)", r"(?:s|[₀-₉₋ₕ]+)?(?!\w)"


class Abbreviation(NamedTuple):
    """One meaning of an abbreviation: `short` in a note, `long` in section 4, `where` it has this meaning.

    `needs`: the entries of a plan without which section 4 does not list it.
    """

    text: str
    short: str
    long: str
    where: str = ""
    any_case: bool = False
    needs: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """As a note spells it out."""
        return f"{self.text}, {self.short}"


def one_of(text: str, meaning: str | Mapping[str, Any]) -> Abbreviation:
    """An entry of the list as an abbreviation."""
    entry = {"short": meaning} if isinstance(meaning, str) else meaning
    needs = tuple(entry.get("needs", ()))
    return Abbreviation(text, **{"long": entry["short"], **entry, "needs": needs})


@cache
def abbreviations() -> tuple[Abbreviation, ...]:
    """Those of the catalogue; one with several meanings is there once for each."""
    entries: Mapping[str, Any] = file_content("abbreviations.yml")
    return tuple(
        one_of(text, meaning)
        for text, entry in entries.items()
        for meaning in (
            entry["meanings"] if "meanings" in entry and isinstance(entry, dict) else [entry]
        )
    )


def used(text: str, known: Iterable[Abbreviation]) -> list[Abbreviation]:
    """The abbreviations that a text uses, in the order of the alphabet."""
    each = [one for one in known if _pattern(one.text, one.any_case).search(text)]
    there = [one for one in each if not one.where or re.search(one.where, text)]
    return sorted(there, key=lambda one: (one.text.casefold(), one.text, one.short))


@cache
def _pattern(text: str, any_case: bool) -> re.Pattern[str]:
    return re.compile(f"{_BEFORE}{re.escape(text)}{_AFTER}", re.IGNORECASE if any_case else 0)
