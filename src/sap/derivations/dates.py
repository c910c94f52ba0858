"""ISO 8601 texts of SDTM as days and times of day; `sap.catalogue.iso8601` has their forms."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sap.catalogue.iso8601 import FORMS, PartialDate, hours_between, parse_date


def _distinct(
    dtc: pd.Series, part: Callable[[PartialDate], Any]
) -> tuple[NDArray[np.intp], list[Any]]:
    """`part` of each distinct text, and which of them each row has (-1: none).

    Rows of an extract share few dates, so that each text is read once.

    Raises
    ------
    ValueError
        A text is no date.
    """
    codes, texts = pd.factorize(np.asarray(dtc, dtype=object))
    parsed = [parse_date(text) if isinstance(text, str) else None for text in texts]
    no_date = [
        isinstance(text, str) and date is None for text, date in zip(texts, parsed, strict=True)
    ]
    if any(no_date):
        invalid = int(np.isin(codes, np.flatnonzero(no_date)).sum())
        raise ValueError(
            f"dtc: {invalid} text(s) are no ISO 8601 date; check the extract. A date is {FORMS}"
        )
    return codes, [None if date is None else part(date) for date in parsed]


def _read(dtc: pd.Series, part: Callable[[PartialDate], Any]) -> list[Any]:
    """`part` of each text, None where there is none; ValueError where a text is no date."""
    codes, parts = _distinct(dtc, part)
    parts.append(None)  # of the code -1
    return [parts[code] for code in codes]


def _days(dtc: pd.Series, part: Callable[[PartialDate], Any]) -> pd.Series:
    codes, parts = _distinct(dtc, part)
    days = pd.to_datetime(pd.Series([*parts, None], dtype="object")).to_numpy()
    return pd.Series(days[codes], dtc.index)


def earliest_day(dtc: pd.Series) -> pd.Series:
    """The earliest day that each text allows.

    1. A full date, with or without a time: that day, as written, whatever its zone.
    2. ``2017-03``: 2017-03-01. ``2017``: 2017-01-01. ``2017---02``: 2017-01-02.
    3. An interval: the earliest day of its first part.
    4. Missing, or without a year (``--03-02``): NaT.

    Raises
    ------
    ValueError
        A text is in no form of a date; the message counts such texts and quotes none.

    Examples
    --------
    >>> earliest_day(pd.Series(["2017-03-02T08:00", "2017-03", "2017", None])).dt.strftime("%F").tolist()
    ['2017-03-02', '2017-03-01', '2017-01-01', nan]
    """
    return _days(dtc, lambda parsed: parsed.first)


def precision(dtc: pd.Series) -> pd.Series:
    """How many leading characters are known: 4 a year, 7 a month, 10 a day, more a time.

    0 where nothing is known. Of an interval: the common part of its two dates.

    >>> precision(pd.Series(["2017", "2017---02", "2017-03-02", "2017-03-02/2017-03-05", None])).tolist()
    [4, 4, 10, 7, 0]
    """
    known = _read(dtc, lambda parsed: parsed.known)
    return pd.Series([length or 0 for length in known], dtc.index, dtype=int)


def latest_day(dtc: pd.Series) -> pd.Series:
    """The latest day that each text allows.

    1. A full date: that day.
    2. ``2017-02``: 2017-02-28. ``2017``: 2017-12-31. ``2017---02``: 2017-12-02.
    3. An interval: the latest day of its second part.
    4. Missing, or without a year: NaT.

    Examples
    --------
    >>> latest_day(pd.Series(["2017-03-02", "2017-02", "2017", None])).dt.strftime("%F").tolist()
    ['2017-03-02', '2017-02-28', '2017-12-31', nan]
    """
    return _days(dtc, lambda parsed: parsed.last)


def full_day(dtc: pd.Series) -> pd.Series:
    """The day of each text that means one day; NaT where the day is not known.

    >>> full_day(pd.Series(["2017-03-02T08:00", "2017-03"])).dt.strftime("%F").tolist()
    ['2017-03-02', nan]
    """
    return _days(dtc, lambda parsed: parsed.day)


def time_of_day(dtc: pd.Series) -> pd.Series:
    """The time of each text, the earliest it allows; missing where there is none.

    ``09:00`` and ``09:00:00`` are one time; the texts sort in the order of the times.

    >>> time_of_day(pd.Series(["2017-03-02T08:30", "2017-03-02T08:30:00.50", "2017-03-02"])).tolist()
    ['08:30', '08:30:00.5', None]
    """
    return pd.Series(_read(dtc, lambda parsed: parsed.early), dtc.index, dtype="object")


def latest_time_of_day(dtc: pd.Series) -> pd.Series:
    """The latest time that each text allows: of an hour alone its last second.

    >>> latest_time_of_day(pd.Series(["2017-03-02T08:30", "2017-03-02T08", None])).tolist()
    ['08:30', '08:59:59', None]
    """
    return pd.Series(_read(dtc, lambda parsed: parsed.late), dtc.index, dtype="object")


def hours_since(later: pd.Series, earlier: pd.Series) -> pd.Series:
    """Hours from one text to the other; missing where day, hour or minute of either is not known.

    Two times with a zone are compared by their zones, others as written.

    >>> hours_since(pd.Series(["2017-03-02T10:30"]), pd.Series(["2017-03-02T09:00:00"])).tolist()
    [1.5]
    """
    hours = [
        hours_between(end, begin) if isinstance(end, str) and isinstance(begin, str) else None
        for end, begin in zip(later, earlier, strict=True)
    ]
    return pd.Series(hours, later.index, dtype=float)
