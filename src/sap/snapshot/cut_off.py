"""The data cut-off, domain by domain: the records an extract of that day would have had."""

import datetime as dt
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from sap.catalogue import codelist, fold
from sap.contracts.columns import days

if TYPE_CHECKING:
    import pandas as pd


FATAL = ("FATAL", *codelist("OUT").terms["FATAL"])
"""The terms for a fatal outcome."""


class Timing(NamedTuple):
    """The date column of a record, and the columns blanked with an end after the cut-off.

    `known_with` are the columns that describe the end; `others` are further dates of the record, each
    blanked separately when it is after the cut-off.
    """

    start: str
    end: str | None = None
    known_with: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


TIMINGS: Mapping[str, Timing] = MappingProxyType(
    {
        "ae": Timing("AESTDTC", "AEENDTC", ("AEOUT", "AEENRF", "AEENRTPT", "AEENTPT", "AEDUR")),
        "be": Timing("BEDTC", others=("BESTDTC", "BEENDTC")),
        "cm": Timing("CMSTDTC", "CMENDTC", ("CMENRF", "CMENRTPT", "CMENTPT", "CMRSDISC", "CMDUR")),
        "cp": Timing("CPDTC"),
        "dm": Timing(
            "RFICDTC",
            others=("RFSTDTC", "RFENDTC", "RFXSTDTC", "RFXENDTC", "RFPENDTC", "DMDTC"),
        ),
        "ds": Timing("DSSTDTC", others=("DSDTC",)),
        "dv": Timing("DVSTDTC", "DVENDTC"),
        "ex": Timing("EXSTDTC", "EXENDTC", ("EXDUR",)),
        "fa": Timing("FADTC"),
        "gf": Timing("GFDTC"),
        "ie": Timing("IEDTC"),
        "is": Timing("ISDTC"),
        "lb": Timing("LBDTC", others=("LBENDTC",)),
        "mh": Timing("MHSTDTC", "MHENDTC", ("MHENRF", "MHENRTPT", "MHENTPT"), others=("MHDTC",)),
        "mi": Timing("MIDTC"),
        "pc": Timing("PCDTC", others=("PCENDTC", "PCRFTDTC")),
        "pf": Timing("PFDTC"),
        "qs": Timing("QSDTC"),
        "rs": Timing("RSDTC"),
        "ss": Timing("SSDTC"),
        "tr": Timing("TRDTC"),
        "tu": Timing("TUDTC"),
        "vs": Timing("VSDTC"),
    }
)
"""Every domain with dated records. A column that an extract lacks is ignored."""

# Columns of an event without a start date that may describe a time after the cut-off.
UNDATED_EVENT = (
    *("AETOXGR", "AESEV", "AESER", "AESDTH", "AESLIFE", "AESHOSP", "AESDISAB", "AESCONG"),
    *("AESMIE", "AEACN"),
)
OTHER_CRITERIA = ("AESLIFE", "AESHOSP", "AESDISAB", "AESCONG", "AESMIE")
ACTUAL_ARM = ("ACTARMCD", "ACTARM", "ACTARMUD", "ARMNRS")


def cut(tables: Mapping[str, "pd.DataFrame"], cut_off: dt.date) -> dict[str, "pd.DataFrame"]:
    """The records included in the snapshot: those known at the end of the cut-off day.

    A date is after the cut-off when the earliest day it allows is; a missing date is not.

    1.  A patient whose consent (dm) is after the cut-off is dropped, with every record; without a date of
        consent, one whose earliest day of RFSTDTC, RFXSTDTC and DMDTC is.
    2.  A record whose start is after the cut-off is dropped.
    3.  A dose (ex) without a start is dated by its end; without either it starts, at the earliest,
        with the last dated dose of that treatment before it.
    4.  A concentration (pc) without a date is dated by the time of its reference.
    5.  Another record without a date is dropped when every dated record of that patient and visit,
        in all domains, is after the cut-off.
    6.  Whether the death of a patient is after the cut-off is decided by the first of these that is
        available: the date of death in dm, unless it is partial and may be on either side; the
        disposition "death" of ds; the end of a fatal event of ae; the status "dead" of ss. The
        death is then removed: in dm the date and the flag are blanked; in ds a disposition "death"
        and in ss a status "dead" without a date are dropped.
    7.  An end of treatment without a date (ds) is dropped when a dose of the patient is after the
        cut-off, an end of participation when any record does.
    8.  A best overall response without a date (rs) is dropped when an assessment of the patient by
        the same criteria is after the cut-off.
    9.  An end after the cut-off is blanked, with the variables that depend on it (outcome of an
        event, reason a medication stopped). An end relative to a time point after the cut-off (ae,
        cm, mh) is blanked with that time point.
    10. An event (ae) without a start that ends after the cut-off may have begun before it: it is kept;
        its grade, seriousness and action taken are blanked.
    11. A fatal event (ae) whose own end or whose patient's death is after the cut-off is not yet
        fatal: outcome, grade 5 and "results in death" are blanked, and "serious" when death was
        its only criterion. Any other grade, seriousness and action taken have no date in SDTM: an
        event that has begun keeps them.
    12. In dm each reference date after the cut-off is blanked (first and last dose, end of
        participation), and the actual arm with the first dose; so is, in other domains, any further
        date of a record.
    13. In dm an allocation, or the end of screening, that ds dates after the cut-off is not known
        yet: ARMCD becomes NOTASSGN, ARM Not Assigned, the actual arm is blanked.
    14. In ts a parameter whose value is a date after the cut-off is dropped.
    """
    limit = cut_off.isoformat()
    known = {name: table.reset_index(drop=True) for name, table in tables.items()}
    late = _late_records(known, limit)
    deaths = _late_deaths(known, limit)
    _add_undated(known, late, deaths, limit)
    kept_tables = {
        name: table[~late[name]].reset_index(drop=True) if name in late else table.copy()
        for name, table in known.items()
    }
    if "ae" in kept_tables:
        _blank_events(kept_tables["ae"], deaths, limit)
    for name, table in kept_tables.items():
        if name in TIMINGS:
            _blank_dates(table, TIMINGS[name], limit)
    if "dm" in kept_tables:
        _blank(kept_tables["dm"], kept_tables["dm"]["USUBJID"].isin(deaths), ("DTHDTC", "DTHFL"))
        _blank_arms(kept_tables["dm"], known, limit)
    return kept_tables


# ---- dates -------------------------------------------------------------------------------------


def _earliest(table: "pd.DataFrame", column: str) -> "pd.Series[Any]":
    """The earliest day that each value allows; missing for an absent column."""
    import pandas as pd

    if column not in table:
        return pd.Series([None] * len(table), index=table.index, dtype=object)
    spans = {cell: days(cell) for cell in table[column].dropna().unique()}
    ends = [None if (span := spans.get(cell)) is None else span[0] for cell in table[column]]
    return pd.Series(ends, index=table.index, dtype=object)


def _after(table: "pd.DataFrame", column: str, limit: str) -> "pd.Series[bool]":
    return _earliest(table, column).fillna("").gt(limit)


def _has_term(table: "pd.DataFrame", column: str, *words: str) -> "pd.Series[bool]":
    """Rows whose value is one of the terms, compared by folded spelling."""
    import pandas as pd

    if column not in table:
        return pd.Series(False, index=table.index)
    terms = {fold(word) for word in words}
    matches = [isinstance(cell, str) and fold(cell) in terms for cell in table[column]]
    return pd.Series(matches, index=table.index, dtype=bool)


def _among(table: "pd.DataFrame", columns: list[str], keys: set[Any]) -> "pd.Series[bool]":
    """Rows whose values of these columns, as a tuple, are one of the keys."""
    import pandas as pd

    cells = zip(*(table[column] for column in columns), strict=True)
    return pd.Series([cell in keys for cell in cells], index=table.index, dtype=bool)


def _first_days(domain: str, table: "pd.DataFrame") -> "pd.Series[Any]":
    """The day from which each record is known, by its own domain: cases 1 to 4."""
    import pandas as pd

    timing = TIMINGS[domain]
    first = _earliest(table, timing.start)
    if domain == "dm":
        others = [_earliest(table, column) for column in ("RFSTDTC", "RFXSTDTC", "DMDTC")]
        known = zip(first, *others, strict=True)
        days = [
            consent or min(filter(None, of_patient), default=None) for consent, *of_patient in known
        ]
        return pd.Series(days, first.index, dtype=object)
    if domain == "pc":
        return first.fillna(_earliest(table, "PCRFTDTC"))
    if domain != "ex":
        return first
    first = first.fillna(_earliest(table, "EXENDTC"))
    course = table[["USUBJID", "EXTRT", "EXSEQ"]].assign(first=first)
    course = course.sort_values("EXSEQ", kind="stable")
    filled = course.groupby(["USUBJID", "EXTRT"], dropna=False)["first"].ffill()
    return filled.reindex(table.index)


def _late_records(tables: Mapping[str, "pd.DataFrame"], limit: str) -> dict[str, "pd.Series[bool]"]:
    """The records after the cut-off, by domain: cases 1 to 5."""
    first = {name: _first_days(name, table) for name, table in tables.items() if name in TIMINGS}
    visits = _late_visits(tables, first, limit)
    dm = tables.get("dm")
    subjects = set() if dm is None else set(dm["USUBJID"][first["dm"].fillna("").gt(limit)])
    late = {}
    for name, begun in first.items():
        table = tables[name]
        late[name] = begun.fillna("").gt(limit) | table["USUBJID"].isin(subjects)
        if "VISIT" in table:
            undated = _earliest(table, TIMINGS[name].start).isna()
            late[name] |= undated & _among(table, ["USUBJID", "VISIT"], visits)
    if (ts := tables.get("ts")) is not None and "TSVAL" in ts:
        late["ts"] = _after(ts, "TSVAL", limit)
    return late


def last_day(tables: Mapping[str, "pd.DataFrame"]) -> dt.date | None:
    """The latest day on which a record of any domain begins; None without any."""
    ends = [_first_days(name, table).dropna() for name, table in tables.items() if name in TIMINGS]
    last = max((str(days.max()) for days in ends if len(days)), default=None)
    return None if last is None else dt.date.fromisoformat(last)


def _late_visits(
    tables: Mapping[str, "pd.DataFrame"], first: Mapping[str, "pd.Series[Any]"], limit: str
) -> set[tuple[str, str]]:
    """The visits of a subject of which every dated record is after the cut-off."""
    before: set[tuple[str, str]] = set()
    after: set[tuple[str, str]] = set()
    for name in first:
        table = tables[name]
        if "VISIT" not in table:
            continue
        dated = _earliest(table, TIMINGS[name].start)
        rows = dated.notna() & table["VISIT"].notna()
        for subject, visit, day in zip(
            table["USUBJID"][rows], table["VISIT"][rows], dated[rows], strict=True
        ):
            (after if day > limit else before).add((subject, visit))
    return after - before


# ---- known only with later records ---------------------------------------------------------------


def _late_deaths(tables: Mapping[str, "pd.DataFrame"], limit: str) -> set[str]:
    """The subjects whose death is after the cut-off: case 6."""
    after_cut_off: dict[str, bool] = {}
    if "dm" in tables and "DTHDTC" in tables["dm"]:
        for subject, cell in zip(tables["dm"]["USUBJID"], tables["dm"]["DTHDTC"], strict=True):
            span = days(cell) if isinstance(cell, str) else None
            if span is not None and (span[0] > limit or span[1] <= limit):
                after_cut_off[subject] = span[0] > limit
    for name, column in (("ds", "DSSTDTC"), ("ae", "AEENDTC"), ("ss", "SSDTC")):
        if name not in tables:
            continue
        table = tables[name][_of_death(name, tables[name])]
        dated = _earliest(table, column).dropna()
        firsts = dated.groupby(table["USUBJID"][dated.index]).min()
        for subject, day in firsts.items():
            after_cut_off.setdefault(str(subject), day > limit)
    return {subject for subject, late in after_cut_off.items() if late}


def _of_death(domain: str, table: "pd.DataFrame") -> "pd.Series[bool]":
    if domain == "ae":
        return (
            _has_term(table, "AEOUT", *FATAL)
            | _has_term(table, "AESDTH", "Y", "YES")
            | _grade_5(table)
        )
    return _has_term(table, "DSDECOD" if domain == "ds" else "SSSTRESC", "DEATH", "DEAD", "DIED")


def _grade_5(ae: "pd.DataFrame") -> "pd.Series[bool]":
    return _has_term(ae, "AETOXGR", "5", "5.0", "GRADE 5")


def _add_undated(
    tables: Mapping[str, "pd.DataFrame"],
    late: dict[str, "pd.Series[bool]"],
    deaths: set[str],
    limit: str,
) -> None:
    """Add the undated records that are known only with later ones: cases 6 to 8."""
    for name in ("ds", "ss"):
        if name in tables:
            table = tables[name]
            undated = _earliest(table, TIMINGS[name].start).isna() & _of_death(name, table)
            late[name] |= undated & table["USUBJID"].isin(deaths)
    if "ds" in tables:
        ds = tables["ds"]
        undated = _earliest(ds, "DSSTDTC").isna() & _has_term(ds, "DSCAT", "DISPOSITION EVENT")
        treated, seen = _followed_after(tables, late, deaths, limit)
        of_treatment = _has_term(ds, "DSSCAT", "STUDY TREATMENT") & ds["USUBJID"].isin(treated)
        of_study = _has_term(ds, "DSSCAT", "STUDY PARTICIPATION") & ds["USUBJID"].isin(seen)
        late["ds"] |= undated & (of_treatment | of_study)
    if "rs" in tables:
        rs = tables["rs"]
        criteria = [name for name in ("USUBJID", "RSCAT") if name in rs]
        dated = rs[_after(rs, "RSDTC", limit)]
        later = set(zip(*(dated[name] for name in criteria), strict=True))
        summary = _earliest(rs, "RSDTC").isna() & _has_term(rs, "RSTESTCD", "BESTRESP")
        late["rs"] |= summary & _among(rs, criteria, later)


def _followed_after(
    tables: Mapping[str, "pd.DataFrame"],
    late: Mapping[str, "pd.Series[bool]"],
    deaths: set[str],
    limit: str,
) -> tuple[set[str], set[str]]:
    """The subjects with a dose after the cut-off, and those with any record after it."""
    treated: set[str] = set()
    seen = set(deaths)
    for name, timing in TIMINGS.items():
        if name not in tables:
            continue
        table = tables[name]
        rows = late[name]
        for column in (timing.end, *timing.others):
            rows = rows | (_after(table, column, limit) if column else False)
        seen |= set(table["USUBJID"][rows])
        if name == "ex":
            treated |= set(table["USUBJID"][rows])
        if name == "dm":
            last = _after(table, "RFENDTC", limit) | _after(table, "RFXENDTC", limit)
            treated |= set(table["USUBJID"][last])
    return treated, seen


# ---- blanking ------------------------------------------------------------------------------------


def _blank(table: "pd.DataFrame", rows: "pd.Series[bool]", columns: Iterable[str]) -> None:
    for column in columns:
        if column in table:
            table.loc[rows, column] = None


def _blank_dates(table: "pd.DataFrame", timing: Timing, limit: str) -> None:
    """Cases 9 and 12."""
    if timing.end is not None:
        _blank(table, _after(table, timing.end, limit), (timing.end, *timing.known_with))
        domain = timing.start[:2]
        relative = (f"{domain}ENRTPT", f"{domain}ENTPT")
        _blank(table, _after(table, relative[1], limit), relative)
    if timing.start == "RFICDTC":
        first = _after(table, "RFSTDTC", limit) | _after(table, "RFXSTDTC", limit)
        _blank(table, first, ACTUAL_ARM)
    for column in timing.others:
        _blank(table, _after(table, column, limit), (column,))


def _blank_events(ae: "pd.DataFrame", deaths: set[str], limit: str) -> None:
    """Cases 10 and 11; called before the ends are blanked."""
    ends_later = _after(ae, "AEENDTC", limit)
    _blank(ae, ends_later & _earliest(ae, "AESTDTC").isna(), UNDATED_EVENT)
    later = ends_later | ae["USUBJID"].isin(deaths)
    led_to_death = later & _has_term(ae, "AESDTH", "Y", "YES")
    other = led_to_death & False
    for column in OTHER_CRITERIA:
        other |= _has_term(ae, column, "Y", "YES")
    _blank(ae, led_to_death & ~other, ("AESER",))
    _blank(ae, led_to_death, ("AESDTH",))
    _blank(ae, later & _has_term(ae, "AEOUT", *FATAL), ("AEOUT",))
    _blank(ae, later & _grade_5(ae), ("AETOXGR",))


def _blank_arms(dm: "pd.DataFrame", tables: Mapping[str, "pd.DataFrame"], limit: str) -> None:
    """Case 13."""
    if "ds" not in tables:
        return
    ds = tables["ds"]
    allocated = _has_term(ds, "DSDECOD", "ALLOCATED TO GROUP A", "ALLOCATED TO GROUP B")
    ended = _has_term(ds, "DSCAT", "DISPOSITION EVENT") & _has_term(ds, "DSSCAT", "SCREENING")
    decided = ds[allocated | ended]
    late = _after(decided, "DSSTDTC", limit)
    later = set(decided["USUBJID"][late]) - set(decided["USUBJID"][~late])
    rows = dm["USUBJID"].isin(later)
    dm.loc[rows, "ARMCD"] = "NOTASSGN"
    if "ARM" in dm:
        dm.loc[rows, "ARM"] = "Not Assigned"
    _blank(dm, rows, ACTUAL_ARM)
