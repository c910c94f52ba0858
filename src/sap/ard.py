"""The ARD (analysis results data): one row per statistic, with all digits.

The key of a row is `analysis|population|group|paramcd|level|sublevel|stat_name` and is unique. `stat` is
the number with all its digits; `stat_text` is a decision, or the reason why a number is not estimable
(`stat` is then missing). Nothing is rounded here.

Chapters read the run in the folder of the variable `SAP_RUN` (default `build/report`). It is the only
environment variable this package reads, and it is never printed.
"""

import csv
import io
import json
import math
import os
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from sap.errors import ResultError, UsageError

if TYPE_CHECKING:
    from sap.plan.model import Plan

COLUMNS = (
    "analysis",
    "section",
    "population",
    "group",
    "paramcd",
    "level",
    "sublevel",
    "stat_name",
    "stat",
    "stat_text",
    "method",
)
_NAMES = pd.Index(COLUMNS)
KEY = ("analysis", "population", "group", "paramcd", "level", "sublevel", "stat_name")


class NotEstimable(NamedTuple):
    """A statistic that is not estimable (NE), with the reason to be displayed."""

    reason: str


type_of_stat = float | int | str | NotEstimable


def key(row: Mapping[str, Any]) -> str:
    """The address of one row.

    >>> key(dict(analysis="os", population="PRIMARY", group="", paramcd="OS", level="a|b",
    ...          sublevel="", stat_name="median"))
    'os|PRIMARY||OS|a%7Cb||median'
    """
    return "|".join(str(row[name]).replace("%", "%25").replace("|", "%7C") for name in KEY)


def rows(  # noqa: PLR0913 - one keyword per column of the ARD
    stats: Mapping[str, type_of_stat],
    *,
    analysis: str,
    section: str,
    population: str,
    method: str,
    paramcd: str = "",
    group: str = "",
    level: str = "",
    sublevel: str = "",
) -> pd.DataFrame:
    """One row per statistic of `stats`; a text becomes `stat_text`, `NotEstimable` a missing number.

    A plain NaN is refused: a missing number needs its reason (`NotEstimable`).

    Examples
    --------
    >>> frame = rows({"n": 3, "estimate": 0.12}, analysis="psa_response", section="SAP 6.1",
    ...              population="PRIMARY", paramcd="PSARESP", method="Clopper-Pearson")
    >>> frame[["stat_name", "stat"]].to_numpy().tolist()
    [['n', 3.0], ['estimate', 0.12]]
    """
    where = {
        "analysis": analysis,
        "section": section,
        "population": population,
        "group": group,
        "paramcd": paramcd,
        "level": level,
        "sublevel": sublevel,
        "method": method,
    }
    cells = np.empty((len(stats), len(COLUMNS)), dtype=object)
    for i, (name, value) in enumerate(stats.items()):
        if isinstance(value, NotEstimable):
            number, text = math.nan, value.reason
        elif isinstance(value, str):
            number, text = math.nan, value
        else:
            number, text = float(value), ""
            if math.isnan(number):
                raise ValueError(f"{analysis} {population} {level} {name}: NaN without a reason")
        row = {**where, "stat_name": name, "stat": number, "stat_text": text}
        cells[i] = [row[column] for column in COLUMNS]
    # One object array is five times faster than eleven columns; `bind` sets the type of `stat`.
    return pd.DataFrame(cells, columns=_NAMES, copy=False)


def bind(parts: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """All rows in the order of their keys; a duplicate key is refused."""
    frames = [part for part in parts if len(part)]
    if not frames:
        return pd.DataFrame(columns=list(COLUMNS)).astype({"stat": float})
    bound = pd.concat(frames, ignore_index=True)[list(COLUMNS)].astype({"stat": float})
    duplicated = bound.duplicated(list(KEY))
    if duplicated.any():
        first = key({str(k): v for k, v in bound[duplicated].iloc[0].items()})
        raise ResultError(
            f"{int(duplicated.sum())} rows of the ARD share a key with another, first: {first}.\n"
            "Each statistic has one key: give one of them another level or group."
        )
    return bound.sort_values(list(KEY), kind="stable", ignore_index=True)


_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")


def _safe(text: str) -> str:
    # A spreadsheet would evaluate such a value; an apostrophe makes it text. Undone by `from_csv`.
    return "'" + text if text.startswith(_FORMULA) else text


def to_csv(frame: pd.DataFrame) -> str:
    """The ARD as text with every digit (`repr`), safe to open in a spreadsheet.

    >>> frame = rows({"n": 3}, analysis="a", section="s", population="P", method="=cmd()")
    >>> print(to_csv(frame).splitlines()[1])
    a,s,P,,,,,n,3.0,,'=cmd()
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in frame[list(COLUMNS)].itertuples(index=False):
        writer.writerow(
            ("" if math.isnan(v) else repr(float(v))) if name == "stat" else _safe(str(v))
            for name, v in zip(COLUMNS, row, strict=True)
        )
    return out.getvalue()


def from_csv(path: Path) -> pd.DataFrame:
    """Read a file of `to_csv`; numbers are bit-identical."""
    try:
        with path.open(encoding="utf-8", newline="") as file:  # a field may hold any line break
            lines = list(csv.reader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read as an ARD: {type(error).__name__}.") from None
    if not lines or tuple(lines[0]) != COLUMNS:
        raise UsageError(f"{path} is not an ARD: its header is not {', '.join(COLUMNS)}.")
    for number, line in enumerate(lines[1:], start=1):
        if len(line) != len(COLUMNS):
            raise UsageError(
                f"{path}: row {number} has {len(line)} cells and not {len(COLUMNS)}: it is not an "
                "ARD as it was written. Take it from the run again."
            )
    frame = pd.DataFrame(lines[1:], columns=list(COLUMNS))
    for name in COLUMNS:
        if name != "stat":
            frame[name] = frame[name].str.removeprefix("'")
    frame["stat"] = [_number(path, row, v) for row, v in enumerate(frame["stat"], start=1)]
    return frame


def _number(path: Path, row: int, text: str) -> float:
    try:
        return float(text) if text else math.nan
    except ValueError:
        raise UsageError(
            f"{path}: row {row}, column stat is no number: the file is not an unchanged ARD. "
            "Take it from the run again."
        ) from None


def run_folder() -> Path:
    """The folder of the run that chapters read."""
    return Path(os.environ.get("SAP_RUN", "build/report"))


@lru_cache(maxsize=4)
def _read_ard(path: Path) -> pd.DataFrame:
    return from_csv(path)


def all_rows() -> pd.DataFrame:
    """Every row of the run's ARD."""
    return _read_ard(run_folder().resolve() / "ard.csv").copy()


def read(analysis: str) -> pd.DataFrame:
    """The rows of one analysis of the run; empty when the run has none."""
    frame = _read_ard(run_folder().resolve() / "ard.csv")
    return frame[frame["analysis"] == analysis].reset_index(drop=True)


@lru_cache(maxsize=64)
def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise UsageError(
            f"{path.name} of this run is missing or broken: run `sap analyse` again."
        ) from None


def table(name: str) -> Any:
    """One of the run's own tables: `plan`, `findings`, `manifest`, `run`, `sections`, `catalogue`."""
    return _json(run_folder().resolve() / "tables" / f"{name}.json")


@lru_cache(maxsize=4)
def _plan(path: Path) -> "Plan":
    from sap.plan.model import Plan

    try:
        return Plan.model_validate_json(path.read_bytes())
    except (OSError, ValueError):
        raise UsageError(
            f"{path.name} of this run is missing or broken: run `sap analyse` again."
        ) from None


def plan() -> "Plan":
    """The plan of the run, typed: `plan().ctc.visit`."""
    return _plan(run_folder().resolve() / "tables" / "plan.json")


def run_facts() -> dict[str, Any]:
    """The facts of the run: study, title, kind, audience, status, cut_off, synthetic."""
    return dict(table("run"))


def dataset(name: str) -> pd.DataFrame:
    """One ADaM dataset of the run (patient-level); only listings and patient figures read it."""
    path = run_folder().resolve() / "adam" / f"{name.lower()}.parquet"
    if not path.is_file():
        raise UsageError(f"The run has no dataset {name.upper()}: it was not derived, or not kept.")
    return pd.read_parquet(path)
