"""Which days and times a text of SDTM can mean: every day of the years it names, tried in turn."""

import datetime as dt
from functools import cache

Day = dt.date
_WIDTHS = (4, 2, 2)


def _parts(date: str) -> list[int | None]:
    """Year, month and day; None for one that is a hyphen or is absent.

    >>> _parts("2017---02"), _parts("--03-02"), _parts("2017-03"), _parts("-----")
    ([2017, None, 2], [None, 3, 2], [2017, 3, None], [None, None, None])
    """
    parts: list[int | None] = []
    for width in _WIDTHS:
        if not date or date.startswith("-"):
            parts.append(None)
            date = date[1:]
        else:
            parts.append(int(date[:width]))
            date = date[width:]
        date = date[1:]
    return parts


@cache
def _span(text: str) -> tuple[Day, Day] | None:
    ends = []
    for side in text.split("/"):
        year, month, day = _parts(side.partition("T")[0])
        if year is None:
            return None
        of_year = (dt.date(year, 1, 1) + dt.timedelta(days=n) for n in range(366))
        ends.append(
            [
                one
                for one in of_year
                if one.year == year and month in (None, one.month) and day in (None, one.day)
            ]
        )
    return ends[0][0], ends[-1][-1]


def earliest(text: str | None) -> Day | None:
    """The first day a text can mean; None without a year.

    >>> earliest("2017-02"), earliest("2017-02-03T08:00Z"), earliest("2017-02-03/2017-02-05")
    (datetime.date(2017, 2, 1), datetime.date(2017, 2, 3), datetime.date(2017, 2, 3))
    """
    span = _span(text) if text else None
    return span[0] if span else None


def latest(text: str | None) -> Day | None:
    """The last day a text can mean.

    >>> latest("2016-02"), latest("2017"), latest("2017---02")
    (datetime.date(2016, 2, 29), datetime.date(2017, 12, 31), datetime.date(2017, 12, 2))
    """
    span = _span(text) if text else None
    return span[1] if span else None


def complete_day(text: str | None) -> Day | None:
    """The day of a text that names one."""
    return earliest(text) if earliest(text) == latest(text) else None


def clock(text: str | None, *, last: bool = False) -> float | None:
    """Seconds since midnight, as written: the first the text allows, or the last.

    >>> clock("2017-02-03T08:00"), clock("2017-02-03T08:00:00.5"), clock("2017-02-03T08", last=True)
    (28800.0, 28800.5, 32399.0)
    """
    if not text or "T" not in text or complete_day(text) is None:
        return None
    side = text.split("/")[-1 if last else 0]
    parts = _without_zone(side.partition("T")[2]).split(":")
    if parts == [""]:
        return None
    high = ("23", "59", "59") if last else ("0", "0", "0")
    if len(parts) == 2 and parts[1] != "-":
        parts.append("0")
    given = [*parts, "-", "-"][:3]
    hour, minute, second = (
        float(end if part == "-" else part) for part, end in zip(given, high, strict=True)
    )
    return 3600 * hour + 60 * minute + second


def _without_zone(time: str) -> str:
    """The time before its zone; a hyphen in place of a part is no zone.

    >>> _without_zone("09:30Z"), _without_zone("-:15-05:00"), _without_zone("09:-:17")
    ('09:30', '-:15', '09:-:17')
    """
    for place, letter in enumerate(time):
        zone = letter in "Z+" or (letter == "-" and time[place + 1 : place + 2].isdigit())
        if zone:
            return time[:place]
    return time


def hours(later: str | None, earlier: str | None) -> float | None:
    """Hours between two times that have a minute; by their zones where both have one.

    >>> hours("2017-02-03T10:30Z", "2017-02-03T10:00+01:00"), hours("2017-02-03T10", "2017-02-03T09:00")
    (1.5, None)
    """
    ends = []
    for text in (later, earlier):
        day, second = complete_day(text), clock(text)
        if text is None or day is None or second is None or "/" in text:
            return None
        time = text.partition("T")[2]
        plain = _without_zone(time)
        if ":" not in plain or plain.startswith("-") or plain.split(":")[1] == "-":
            return None
        ends.append((86400 * day.toordinal() + second, time[len(plain) :]))
    (end, to), (begin, since) = ends
    if to and since:
        end, begin = end - _seconds(to), begin - _seconds(since)
    return (end - begin) / 3600


def _seconds(zone: str) -> int:
    digits = zone[1:].replace(":", "")
    ahead = 3600 * int(digits[:2] or 0) + 60 * int(digits[2:] or 0)
    return -ahead if zone[0] == "-" else ahead
