"""A result read letter by letter: a number, or less or more than the assay can tell."""

import math
from decimal import Decimal, InvalidOperation

from sap.catalogue import codelist
from sap.qc.subjects import Record

LESS, MORE = "\N{LESS-THAN OR EQUAL TO}<", "\N{GREATER-THAN OR EQUAL TO}>"


def decimal(number: float | None) -> Decimal | None:
    """A stored number at the 15 digits that a file keeps.

    >>> decimal(0.30000000000000004), decimal(100.0)
    (Decimal('0.300000000000000'), Decimal('100'))
    """
    if number is None or math.isnan(number):
        return None
    return Decimal(number) if number == int(number) else Decimal(f"{number:#.15g}")


def _spoken(text: str) -> Decimal | None:
    """The number that a text is."""
    try:
        return Decimal(text) if text[-1:] in "0123456789." and text.isascii() else None
    except InvalidOperation:
        return None


def _split(text: str) -> tuple[str, str]:
    """Side and rest of a text: `<0.1` is `<` and `0.1`, `BLQ (<0.1)` likewise, `BLQ` is `<`.

    >>> _split("< 0.1"), _split("BLQ"), _split("BLQ (<= 0.1)"), _split(">ULOQ"), _split("7.3")
    (('<', '0.1'), ('<', ''), ('<', '0.1'), ('>', ''), ('', '7.3'))
    """
    text = text.strip()
    for place, letter in enumerate(text):
        if letter in LESS + MORE:
            side = "<" if letter in LESS else ">"
            limit = text[place + 1 :].lstrip("= ").rstrip(") ")
            word = text[:place].strip(" (")
            if _spoken(limit) is not None and (not word or _word(word)):
                return side, limit
    side = _word(text) or _word(text.strip("()")) or _word(text.replace(" ", ""))
    return (side, "") if side else ("", text)


def _word(text: str) -> str:
    return {"BELOW": "<", "ABOVE": ">"}.get(codelist("QUANTIFICATION").standard(text) or "", "")


def result(row: Record, domain: str) -> tuple[Decimal | None, str]:
    """The value of a record, and `<` or `>` where it is the limit of what could be measured."""
    text = row.get(f"{domain}STRESC")
    side, rest = _split(text) if isinstance(text, str) else ("", "")
    if side:
        named = _spoken(rest)
        limit = row.get(f"{domain}LLOQ" if side == "<" else f"{domain}ULOQ")
        return named if named is not None else decimal(limit), side
    stored = decimal(row.get(f"{domain}STRESN"))
    return stored if stored is not None else _spoken(rest), ""
