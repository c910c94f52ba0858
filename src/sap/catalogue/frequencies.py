"""Dosing frequencies (EXDOSFRQ): doses a day of each term of the codelist FREQ."""

from collections.abc import Mapping
from fractions import Fraction
from math import ceil
from types import MappingProxyType

from sap.catalogue.codelists import codelist

ONCE = "ONCE"

_A_DAY = {
    "QD": "1", "QAM": "1", "QPM": "1", "QHS": "1", "QN": "1", "EVERY EVENING": "1", "Q24H": "1",
    "BID": "2", "Q12H": "2", "TID": "3", "Q8H": "3", "QID": "4", "Q6H": "4", "5 TIMES PER DAY": "5",
    "6 TIMES PER DAY": "6", "Q4H": "6", "Q48H": "1/2", "QOD": "1/2", "Q3D": "1/3", "Q72H": "1/3",
    "Q4D": "1/4", "Q5D": "1/5", "Q6D": "1/6", "Q7D": "1/7", "EVERY WEEK": "1/7",
    "1 TIME PER WEEK": "1/7", "2 TIMES PER WEEK": "2/7", "3 TIMES PER WEEK": "3/7",
    "4 TIMES PER WEEK": "4/7", "5 TIMES PER WEEK": "5/7", "6 TIMES PER WEEK": "6/7",
    "EVERY 2 WEEKS": "1/14", "EVERY 3 WEEKS": "1/21", "EVERY 4 WEEKS": "1/28",
}  # fmt: skip
FREQUENCIES: Mapping[str, Fraction] = MappingProxyType(
    {name: Fraction(count) for name, count in _A_DAY.items()}
)
"""Doses a day by term; ONCE is a single dose and has none."""


def frequency(text: str | None) -> str | None:
    """The term of the codelist FREQ for a text; None for a text that it lacks.

    >>> frequency("once daily"), frequency("Q2D"), frequency("as needed")
    ('QD', 'QOD', None)
    """
    return None if text is None else codelist("FREQ").standard(text)


def doses_per_day(text: str) -> float | None:
    """Doses a day of a frequency; None for ONCE and for an unknown one.

    >>> doses_per_day("BID"), doses_per_day("QOD"), doses_per_day("ONCE")
    (2.0, 0.5, None)
    """
    count = FREQUENCIES.get(frequency(text) or "")
    return None if count is None else float(count)


def doses_in(text: str | None, days: int) -> int | None:
    """Doses in an interval of a number of days, the first on its first day; None when not known.

    >>> [doses_in(word, 7) for word in ("QD", "BID", "QOD", "Q3D", "EVERY 2 WEEKS", "ONCE", None)]
    [7, 14, 4, 3, 1, 1, None]
    """
    known = frequency(text)
    if known == ONCE:
        return 1
    count = FREQUENCIES.get(known or "")
    return None if count is None else ceil(count * days)
