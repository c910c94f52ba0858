"""ISO 8601 texts of SDTM, partial ones included, as days."""

import pandas as pd


def earliest_day(dtc: pd.Series) -> pd.Series:
    """The earliest day that each text allows.

    1. A full date, with or without a time: that day.
    2. ``2017-03``: 2017-03-01.
    3. ``2017``: 2017-01-01.
    4. Missing: NaT.

    Raises
    ------
    ValueError
        A text is no day of the calendar; the message counts such texts and quotes none.

    Examples
    --------
    >>> earliest_day(pd.Series(["2017-03-02T08:00", "2017-03", "2017", None])).dt.strftime("%F").tolist()
    ['2017-03-02', '2017-03-01', '2017-01-01', nan]
    """
    days = [v[:10] + "-01-01"[len(v[:10]) - 4 :] if isinstance(v, str) else None for v in dtc]
    texts = pd.Series(days, index=dtc.index, dtype="object")
    found = pd.to_datetime(texts, format="%Y-%m-%d", errors="coerce")
    wrong = int((found.isna() & texts.notna()).sum())
    if wrong:
        raise ValueError(
            f"dtc: {wrong} text(s) are no ISO 8601 day, month or year; check the extract"
        )
    return found


def precision(dtc: pd.Series) -> pd.Series:
    """How many characters stand: 4 a year, 7 a month, 10 a day, more a time, 0 nothing.

    >>> precision(pd.Series(["2017", "2017-03", "2017-03-02", None])).tolist()
    [4, 7, 10, 0]
    """
    return dtc.map(lambda v: len(v) if isinstance(v, str) else 0).astype(int)


def latest_day(dtc: pd.Series) -> pd.Series:
    """The latest day that each text allows.

    1. A full date: that day.
    2. ``2017-02``: 2017-02-28.
    3. ``2017``: 2017-12-31.
    4. Missing: NaT.

    Examples
    --------
    >>> latest_day(pd.Series(["2017-03-02", "2017-02", "2017", None])).dt.strftime("%F").tolist()
    ['2017-03-02', '2017-02-28', '2017-12-31', nan]
    """
    first = earliest_day(dtc)
    length = precision(dtc)
    of_month = first + pd.offsets.MonthEnd(0)
    of_year = first + pd.offsets.YearEnd(0)
    return first.where(length != 7, of_month).where(length != 4, of_year)


def full_day(dtc: pd.Series) -> pd.Series:
    """The day of each complete date; NaT where the day is not known.

    >>> full_day(pd.Series(["2017-03-02T08:00", "2017-03"])).dt.strftime("%F").tolist()
    ['2017-03-02', nan]
    """
    length = precision(dtc)
    return earliest_day(dtc).where(length >= 10)


def time_of_day(dtc: pd.Series) -> pd.Series:
    """The time part (``08:30``) of each text; missing where none stands.

    >>> time_of_day(pd.Series(["2017-03-02T08:30", "2017-03-02"])).tolist()
    ['08:30', None]
    """
    return dtc.map(lambda v: v[11:] if isinstance(v, str) and len(v) > 11 else None).astype(
        "object"
    )
