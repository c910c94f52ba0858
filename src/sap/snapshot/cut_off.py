"""The cut-off, domain by domain: what an extract of that evening would have said."""

import datetime as dt
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from sap.contracts.columns import days

if TYPE_CHECKING:
    import pandas as pd


class Timing(NamedTuple):
    """The column that dates a record, and what an end after the cut-off blanks.

    `known_with` are the columns that speak of the end and are known only with it.
    """

    start: str
    end: str | None = None
    known_with: tuple[str, ...] = ()


TIMINGS: Mapping[str, Timing] = MappingProxyType(
    {
        "ae": Timing("AESTDTC", "AEENDTC", ("AEOUT", "AEENRTPT", "AEENTPT")),
        "be": Timing("BEDTC"),
        "cm": Timing("CMSTDTC", "CMENDTC", ("CMENRTPT", "CMENTPT", "CMRSDISC")),
        "cp": Timing("CPDTC"),
        "dm": Timing("RFICDTC", "RFENDTC"),
        "ds": Timing("DSSTDTC"),
        "dv": Timing("DVSTDTC"),
        "ex": Timing("EXSTDTC", "EXENDTC"),
        "gf": Timing("GFDTC"),
        "ie": Timing("IEDTC"),
        "lb": Timing("LBDTC"),
        "mh": Timing("MHSTDTC", "MHENDTC"),
        "pc": Timing("PCDTC"),
        "rs": Timing("RSDTC"),
        "ss": Timing("SSDTC"),
        "tr": Timing("TRDTC"),
        "tu": Timing("TUDTC"),
        "vs": Timing("VSDTC"),
    }
)
"""Every domain that dates its records. `ts` has no subjects and stays as it is."""


def cut(tables: Mapping[str, "pd.DataFrame"], cut_off: dt.date) -> dict[str, "pd.DataFrame"]:
    """The tables as they were known at the end of the cut-off day.

    A date lies after the cut-off when the first day it can mean does; a missing date never does.

    1.  A subject whose consent (dm) lies after the cut-off is dropped, with every record of his.
    2.  A record whose start lies after the cut-off is dropped.
    3.  An infusion without a date (ex) starts, at the earliest, with the last dated one before it.
    4.  An end after the cut-off is blanked, and what is known only with it: the outcome of an
        event, the reason a medication stopped. An end relative to a time point after the cut-off
        (ae, cm) is blanked with that time point.
    5.  In dm a first dose, a last dose and a death after the cut-off are blanked, the flag of
        death with it.
    6.  In dm an allocation, or the end of screening, that ds dates after the cut-off is not known
        yet: ARMCD becomes NOTASSGN, ARM Not Assigned.
    7.  In ae a fatal outcome, the criterion "results in death" and grade 5 are blanked when the
        subject's death lies after the cut-off.
    8.  ss and ds go by their own date alone; ts stays as it is.
    """
    limit = cut_off.isoformat()
    known = {name: table.reset_index(drop=True) for name, table in tables.items()}
    dm = known.get("dm")
    late_men = set() if dm is None else set(dm["USUBJID"][_after(dm, "RFICDTC", limit)])
    late_deaths = set() if dm is None else set(dm["USUBJID"][_after(dm, "DTHDTC", limit)])
    made = {}
    for name, table in known.items():
        timing = TIMINGS.get(name)
        if timing is None:
            made[name] = table.copy()
            continue
        late = _starts_after(name, table, timing.start, limit) | table["USUBJID"].isin(late_men)
        kept = table[~late].reset_index(drop=True)
        if timing.end is not None:
            _blank(kept, _after(kept, timing.end, limit), (timing.end, *timing.known_with))
            relative = (f"{name.upper()}ENRTPT", f"{name.upper()}ENTPT")
            _blank(kept, _after(kept, relative[1], limit), relative)
        made[name] = kept
    if "dm" in made:
        _forget_death_and_doses(made["dm"], limit)
        if "ds" in known:
            _forget_allocation(made["dm"], known["ds"], limit)
    if "ae" in made:
        _forget_fatal(made["ae"], late_deaths)
    return made


def _earliest(table: "pd.DataFrame", column: str) -> "pd.Series[Any]":
    import pandas as pd

    spans = {cell: days(cell) for cell in table[column].dropna().unique()}
    ends = [None if (span := spans.get(cell)) is None else span[0] for cell in table[column]]
    return pd.Series(ends, index=table.index, dtype=object)


def _after(table: "pd.DataFrame", column: str, limit: str) -> "pd.Series[bool]":
    if column not in table:
        return table.index.to_series().ne(table.index.to_series())
    return _earliest(table, column).fillna("").gt(limit)


def _starts_after(domain: str, table: "pd.DataFrame", column: str, limit: str) -> "pd.Series[bool]":
    if domain != "ex" or column not in table:
        return _after(table, column, limit)
    first = _earliest(table, column).rename("first")
    course = table[["USUBJID", "EXTRT", "EXSEQ"]].join(first)
    course = course.sort_values("EXSEQ", kind="stable")
    filled = course.groupby(["USUBJID", "EXTRT"], dropna=False)["first"].ffill()
    return filled.reindex(table.index).fillna("").gt(limit)


def _blank(table: "pd.DataFrame", rows: "pd.Series[bool]", columns: tuple[str, ...]) -> None:
    for column in columns:
        if column in table:
            table.loc[rows, column] = None


def _forget_death_and_doses(dm: "pd.DataFrame", limit: str) -> None:
    _blank(dm, _after(dm, "DTHDTC", limit), ("DTHDTC", "DTHFL"))
    _blank(dm, _after(dm, "RFSTDTC", limit), ("RFSTDTC",))


def _forget_allocation(dm: "pd.DataFrame", ds: "pd.DataFrame", limit: str) -> None:
    allocated = ds["DSDECOD"].isin(["ALLOCATED TO GROUP A", "ALLOCATED TO GROUP B"])
    ended = ds["DSCAT"].eq("DISPOSITION EVENT") & ds["DSSCAT"].eq("SCREENING")
    decided = ds[allocated | ended]
    late = _after(decided, "DSSTDTC", limit)
    later = set(decided["USUBJID"][late]) - set(decided["USUBJID"][~late])
    rows = dm["USUBJID"].isin(later)
    dm.loc[rows, "ARMCD"] = "NOTASSGN"
    if "ARM" in dm:
        dm.loc[rows, "ARM"] = "Not Assigned"


def _forget_fatal(ae: "pd.DataFrame", late_deaths: set[str]) -> None:
    late = ae["USUBJID"].isin(late_deaths)
    fatal = late & ae["AEOUT"].eq("FATAL") if "AEOUT" in ae else late & False
    _blank(ae, fatal, ("AEOUT",))
    if "AESDTH" in ae:
        _blank(ae, late & ae["AESDTH"].eq("Y"), ("AESDTH",))
    if "AETOXGR" in ae:
        _blank(ae, late & ae["AETOXGR"].eq("5"), ("AETOXGR",))
