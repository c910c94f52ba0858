"""Why a number of the ARD has no value, and which of the three marks it is printed with.

- NE, not estimable: the method or the data that there are give no number.
- NC, not collected: the data hold nothing that the number could be computed from.
- NEv, not evaluable: a category of response, which has numbers of its own; it is no reason here.

`results` writes the text of a reason by its id, `displays` finds the reason by the text of the ARD.
"""

import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Literal, NamedTuple

from sap.catalogue.files import file_content

NOT_ESTIMABLE: Literal["NE"] = "NE"
NOT_COLLECTED: Literal["NC"] = "NC"
NOT_EVALUABLE: Literal["NEv"] = "NEv"
Mark = Literal["NE", "NC"]

UNKNOWN_LEVELS = frozenset({"not_graded", "not_measured", "missing"})
"""Levels of the ARD that count what has no value; they are no results of a parameter."""


class Reason(NamedTuple):
    """Why a number has no value: the mark, the text of the ARD, and the words after the mark in a note."""

    mark: Mark
    text: str
    note: str


@cache
def reasons() -> Mapping[str, Reason]:
    """The reasons that lie in the data, by id; braces hold what differs from one row to another."""
    entries = file_content("reasons.yml")
    return MappingProxyType({key: Reason(**entry) for key, entry in entries.items()})


def text_of(reason: str, *values: object) -> str:
    """The text of the ARD for a reason.

    >>> text_of("limits_of_normal", "ALT")
    'not in the data: limits of normal of ALT'
    """
    return reasons()[reason].text.format(*values)


def reason_of(text: str) -> Reason:
    """The reason that a text of the ARD gives; one that is not in the list is a reason of NE.

    >>> reason_of("not in the data: limits of normal of ALT").note
    'limits of normal of ALT'
    >>> reason_of("the curve ends before this time").mark
    'NE'
    """
    for reason, pattern in _patterns():
        if match := pattern.fullmatch(text):
            return Reason(reason.mark, text, reason.note.format(*match.groups()))
    return Reason(NOT_ESTIMABLE, text, text)


@cache
def _patterns() -> tuple[tuple[Reason, re.Pattern[str]], ...]:
    """A pattern for each text; the longest text first, so that a reason of some patients is not one of all."""
    longest = sorted(reasons().values(), key=lambda reason: -len(reason.text))
    return tuple(
        (reason, re.compile(re.escape(reason.text).replace(r"\{0\}", "(.+)"))) for reason in longest
    )
