"""How a date is printed: as it is, or as the days since registration where the data have no real dates.

The plan decides (`study.dates`). With days since registration the day of registration is 0, a day before
it has a minus sign, and a date of which a part is missing is not printed.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from sap import ard

RELATIVE = "days since registration"
NOTE = "Days are counted from registration (day 0); a day before it has a minus sign."
_DATE = "%Y-%m-%d"


def relative() -> bool:
    """Whether the plan has days since registration instead of dates."""
    known = (ard.run_folder() / "tables" / "plan.json").is_file()
    return known and ard.plan().study.dates == RELATIVE


@lru_cache(maxsize=4)
def _registered(_run: Path) -> dict[str, pd.Timestamp]:
    adsl = ard.dataset("adsl")
    return dict(zip(adsl["USUBJID"], pd.to_datetime(adsl["RFICDT"]), strict=True))


def printed(value: Any, who: str) -> str:
    """A date of a patient (a timestamp, or text after ISO 8601): the date, or the day since registration."""
    if value is None or pd.isna(value) or value == "":
        return ""
    if not relative():
        return f"{value:{_DATE}}" if isinstance(value, pd.Timestamp) else str(value)
    day = value if isinstance(value, pd.Timestamp) else _complete(str(value))
    zero = _registered(ard.run_folder().resolve()).get(who)
    if day is None or zero is None or pd.isna(zero):
        return ""
    return str((day.normalize() - zero.normalize()).days).replace("-", "\u2212")


def _complete(text: str) -> pd.Timestamp | None:
    day = pd.to_datetime(text[:10], format=_DATE, errors="coerce")
    return None if pd.isna(day) else pd.Timestamp(day)


def is_date(column: str, values: pd.Series | None) -> bool:
    """Whether a column of a dataset holds dates: by its type, or by a name of SDTM."""
    dated = values is not None and pd.api.types.is_datetime64_any_dtype(values)
    return bool(dated) or column.endswith("DTC")


def heading(header: str) -> str:
    """The header of a column of dates.

    >>> heading("Date")
    'Date'
    """
    if not relative():
        return header
    return "Days since registration" if header == "Date" else f"{header} (day)"


def cut_off() -> str:
    """The cut-off in words: date and name, or the name alone."""
    facts = ard.run_facts()
    name = str(facts["cut_off_name"]).replace(f" {facts['cut_off']}", "")
    if not relative():
        return f"{facts['cut_off']} ({name})"
    return f"{name} (data of the publication)" if facts.get("report_status") else name
