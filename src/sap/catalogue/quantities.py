"""Results of assays, including results below or above the limits of quantification."""

import re
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

from sap.catalogue.codelists import codelist
from sap.catalogue.home import study_home
from sap.catalogue.numbers import number, significant

FORMS = (
    "a number; <, <=, > or >= and a number; BLQ, BQL, BLOQ, <LLOQ, BELOW LIMIT OF QUANTIFICATION, "
    "UNDETECTABLE; ALQ, AQL, >ULOQ, ABOVE LIMIT OF QUANTIFICATION"
)
"""The forms of a result as text, for messages."""

_SIGN = re.compile(r"\s*(<=|>=|<|>|≤|≥)\s*(.*?)\s*", re.DOTALL)
_WORD_AND_LIMIT = re.compile(r"(.*?)\s*\(?\s*([<>≤≥]=?\s*[0-9.].*?)\)?\s*", re.DOTALL)
_SIDE: dict[str, Literal["<", ">"]] = {"<": "<", "≤": "<", ">": ">", "≥": ">"}


class Quantity(NamedTuple):
    """A result: its value, and `<` or `>` where the value is the limit of quantification.

    `readable` is whether the text is in a known form; a readable result has no value when it is
    beyond an unrecorded limit.
    """

    value: float | None
    side: Literal["", "<", ">"]
    readable: bool


def quantity(
    text: str | None,
    stated: float | None = None,
    lower: float | None = None,
    upper: float | None = None,
) -> Quantity:
    """The value of a result: `text` is --STRESC, `stated` --STRESN, the limits --LLOQ and --ULOQ.

    1. Below quantification ("<0.1", "<= 0.1", "BLQ", "<LLOQ"): the limit, which is the number after
       the sign or, without one, the lower limit of quantification.
    2. Above quantification (">5000", ">= 5000", ">ULOQ"): the limit, which is the number after the
       sign or, without one, the upper limit of quantification.
    3. Else the numeric result; where it is missing, the text as a number.
    4. Neither: no value.

    Examples
    --------
    >>> quantity("< 0.1"), quantity("BLQ", lower=0.5), quantity("BLQ (<0.1)")
    (Quantity(value=0.1, side='<', readable=True), Quantity(value=0.5, side='<', readable=True), Quantity(value=0.1, side='<', readable=True))
    >>> quantity(">5000"), quantity("7.3", 7.3), quantity("7.3"), quantity("haemolysed")
    (Quantity(value=5000.0, side='>', readable=True), Quantity(value=7.3, side='', readable=True), Quantity(value=7.3, side='', readable=True), Quantity(value=None, side='', readable=False))
    """
    if text is not None:
        side, limit = _beyond(study_home(), text)
        if side:
            if limit is None:
                limit = lower if side == "<" else upper
            return Quantity(None if limit is None else significant(limit), side, True)
    from_text = number(text)
    value = from_text if stated is None else significant(stated)
    return Quantity(value, "", text is None or from_text is not None)


@lru_cache(maxsize=65_536)
def _beyond(study: Path, text: str) -> tuple[Literal["", "<", ">"], float | None]:
    """The sign of a text beyond a limit of quantification, and the limit in the text.

    Kept by the study, whose terms of the codelist these are: most results of a large trial are repeated.
    """
    signed = _SIGN.fullmatch(text)
    if signed and (limit := number(signed[2])) is not None:
        return _SIDE[signed[1][0]], limit
    bare = text.strip().removeprefix("(").removesuffix(")")
    if signed:
        bare = signed[1][0] + signed[2]
    word = codelist("QUANTIFICATION").standard(bare)
    if word is not None:
        return ("<" if word == "BELOW" else ">"), None
    both = _WORD_AND_LIMIT.fullmatch(text)
    if both and codelist("QUANTIFICATION").standard(both[1]) is not None:
        return _beyond(study, both[2])
    return "", None
