"""Dates and times in the forms of section 4.4 of SDTMIG 3.4: the days and times that a text allows.

A text is one of

1. a date, a date and time, or the left part of one: `2017`, `2017-03`, `2017-03-02`,
   `2017-03-02T09`, `2017-03-02T09:30`, `2017-03-02T09:30:15`, `2017-03-02T09:30:15.25`;
2. the same with one hyphen for a part that is not known: `2017---02`, `--03-02`, `2017-03--`,
   `-----T07:15`, `2017-03-02T-:15`, `2017-03-02T09:-:15`;
3. either with a zone after its time: `Z`, `+02:00`;
4. an interval of uncertainty, two of these with a solidus between, the earlier first:
   `2017-03-02/2017-03-05`.

Day and time are used as written, without conversion of zones: the day of a visit is the local day.
"""

import calendar
import datetime as dt
import re
from functools import lru_cache
from typing import NamedTuple

FORMS = (
    "YYYY, YYYY-MM, YYYY-MM-DD, with or without Thh, Thh:mm, Thh:mm:ss or Thh:mm:ss.s and a zone "
    "(Z, +hh:mm); one hyphen for a part not known (YYYY---DD, --MM-DD, -----Thh:mm); or two of "
    "these as earlier/later; years 1900 to 2099, hours 00 to 23"
)
"""The forms as text, for messages."""

_PARTS = re.compile(
    r"(?P<year>(?:19|20)[0-9]{2}|-)"
    r"(?:-(?P<month>[0-9]{2}|-)"
    r"(?:-(?P<day>[0-9]{2}|-)"
    r"(?P<time>T(?P<hour>[0-9]{2}|-)"
    r"(?::(?P<minute>[0-9]{2}|-)"
    r"(?::(?P<second>[0-9]{2}|-)(?P<fraction>\.[0-9]+)?)?)?"
    r"(?P<zone>Z|[+-][0-9]{2}(?::?[0-9]{2})?)?"
    r")?)?)?"
)
_LAST = {"hour": 23, "minute": 59, "second": 59}
_LEFT = {"year": 4, "month": 7, "day": 10, "hour": 13, "minute": 16, "second": 19}
_LEAP_YEAR = 2000


class PartialDate(NamedTuple):
    """The days and times that a text allows.

    `first` and `last` are the first and last day, missing where the year is not known. `early` and
    `late` are the first and last time of day, as `hh:mm`, and seconds with their fraction
    only where they are not 0, so that times compare as texts; missing without a time, and in an interval of more than a
    day.
    `known` counts the characters of the left part that is known: 4 a year, 7 a month, 10 a day, 13
    an hour, 16 a minute, 19 a second. `zone` is that of the time, else "".
    """

    first: dt.date | None
    last: dt.date | None
    early: str | None
    late: str | None
    known: int
    zone: str

    @property
    def day(self) -> dt.date | None:
        """The day of the text; missing where it allows several."""
        return self.first if self.first is not None and self.first == self.last else None


@lru_cache(maxsize=1 << 16)
def parse_date(text: str) -> PartialDate | None:
    """The days and times that a text allows; None where it is in none of the forms above.

    A time without seconds is that minute's first second, so that `09:00` and `09:00:00` are one
    time. Values outside of the calendar and the clock are refused: `24:00` and second 60 are no times
    (00:00 of the next day is).

    Examples
    --------
    >>> [str(day) for day in parse_date("2016-02")[:2]], parse_date("2017-02-30"), parse_date("2017---31").known
    (['2016-02-01', '2016-02-29'], None, 4)
    >>> parse_date("2017-03-02T09:00") == parse_date("2017-03-02T09:00:00.0")._replace(known=16)
    True
    >>> parse_date("2017-03-02T09").early, parse_date("2017-03-02T09").late
    ('09:00', '09:59:59')
    >>> str(parse_date("2017-03-02T00:30+02:00").day), parse_date("2017-03-02/2017-03-05").day
    ('2017-03-02', None)
    """
    first, *rest = text.split("/")
    begin = _point(first)
    if not rest or begin is None:
        return begin
    end = _point(rest[0]) if len(rest) == 1 else None
    return None if end is None else _interval(begin, end)


def _interval(begin: PartialDate, end: PartialDate) -> PartialDate | None:
    if begin.first is None or begin.last is None or end.first is None or end.last is None:
        return None
    if begin.first > end.last:
        return None
    one_day = begin.first == end.last
    early, late = (begin.early, end.late) if one_day else (None, None)
    if early is not None and late is not None and early > late:
        return None
    shared = [
        10 * one_day,
        7 * (begin.first.replace(day=1) == end.last.replace(day=1)),
        4 * (begin.first.year == end.last.year),
    ]
    return PartialDate(begin.first, end.last, early, late, max(shared), begin.zone)


def _point(text: str) -> PartialDate | None:
    matched = _PARTS.fullmatch(text)
    if matched is None or not set(text) & set("0123456789"):
        return None
    parts = {name: _number(matched[name]) for name in _LEFT}
    days = _days(parts["year"], parts["month"], parts["day"])
    times = _times(parts, matched["fraction"] or "") if matched["time"] else (None, None)
    if days is None or times is None or not _is_zone(matched["zone"] or ""):
        return None
    known = 0
    for name, length in _LEFT.items():
        if parts[name] is None:
            break
        known = length
    return PartialDate(*days, *times, known, matched["zone"] or "")


def _number(part: str | None) -> int | None:
    return None if part is None or part == "-" else int(part)


def _days(
    year: int | None, month: int | None, day: int | None
) -> tuple[dt.date | None, dt.date | None] | None:
    """The first and last day; None for a day that does not exist."""
    if month is not None and not 1 <= month <= 12:
        return None
    longest = calendar.monthrange(year or _LEAP_YEAR, month or 1)[1]
    if day is not None and not 1 <= day <= longest:
        return None
    if year is None:
        return None, None
    low, high = month or 1, month or 12
    end = day or calendar.monthrange(year, high)[1]
    return dt.date(year, low, day or 1), dt.date(year, high, end)


def _times(parts: dict[str, int | None], fraction: str) -> tuple[str | None, str | None] | None:
    """The first and last time; None for a time that does not exist."""
    if any((parts[name] or 0) > last for name, last in _LAST.items()):
        return None
    if parts["hour"] is None and parts["minute"] is None and parts["second"] is None:
        return None
    if fraction and parts["second"] is None:
        return None
    low, high = [], []
    for name, last in _LAST.items():
        part = parts[name]
        low.append(0 if part is None else part)
        # A minute without seconds is taken as its first second.
        whole_minute = name == "second" and parts["minute"] is not None
        high.append(part if part is not None else 0 if whole_minute else last)
    left = fraction.rstrip("0").rstrip(".")
    early, late = (":".join(f"{each:02}" for each in ends) + left for ends in (low, high))
    return _shortest(early), _shortest(late)


def _shortest(time: str) -> str:
    return time.removesuffix(":00") if len(time) == len("hh:mm:ss") else time


def _is_zone(zone: str) -> bool:
    digits = zone.strip("Z+-").replace(":", "")
    hours, minutes = digits[:2], digits[2:]
    return int(hours or 0) <= 14 and int(minutes or 0) <= 59


def moment(text: str) -> dt.datetime | None:
    """The date and time of a text that has day, hour and minute; aware where it has a zone.

    >>> moment("2017-03-02T09:30"), moment("2017-03-02T09"), moment("2017-03-02T09:30Z").utcoffset()
    (datetime.datetime(2017, 3, 2, 9, 30), None, datetime.timedelta(0))
    """
    parsed = parse_date(text)
    if (
        parsed is None
        or parsed.day is None
        or parsed.early is None
        or parsed.known < _LEFT["minute"]
    ):
        return None
    seconds, _, fraction = parsed.early.partition(".")
    clock = dt.time.fromisoformat(seconds).replace(microsecond=int(f"{fraction:0<6}"[:6]))
    return dt.datetime.combine(parsed.day, clock, _offset(parsed.zone))


def _offset(zone: str) -> dt.timezone | None:
    if not zone or zone == "Z":
        return dt.UTC if zone else None
    digits = zone[1:].replace(":", "")
    ahead = dt.timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0))
    return dt.timezone(-ahead if zone[0] == "-" else ahead)


def hours_between(later: str, earlier: str) -> float | None:
    """Hours from one time to another; None where a day, hour or minute of either is not known.

    1. Both have a zone: the elapsed time.
    2. Else: the difference of the times as written.

    >>> hours_between("2017-03-02T10:30", "2017-03-02T09:00:00")
    1.5
    >>> hours_between("2017-03-02T10:30+02:00", "2017-03-02T09:30+01:00")
    0.0
    """
    end, begin = moment(later), moment(earlier)
    if end is None or begin is None:
        return None
    if end.tzinfo is None or begin.tzinfo is None:
        end, begin = end.replace(tzinfo=None), begin.replace(tzinfo=None)
    return (end - begin).total_seconds() / 3600
