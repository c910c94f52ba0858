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
import re
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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


# Control, direction and other characters without a shape; a line break is a cell's own affair.
_SHAPELESS = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_PLAIN = frozenset("\t\n\r\u200c\u200d")  # the joiners of Indic and Persian writing change letters
_NAMED = re.compile(r"\[U\+([0-9A-F]{4,6})\]")


@lru_cache(maxsize=65_536)
def visible(text: str) -> str:
    r"""`text` with every control and direction character named, so that none acts on what is around it.

    `restored` undoes it: a text that holds `[U+` already has its bracket named.

    >>> visible("abc\u202edef\x00"), visible("[U+0041]")
    ('abc[U+202E]def[U+0000]', '[U+005B]U+0041]')
    """
    if text.isascii() and text.isprintable() and "[U+" not in text:
        return text
    named = text.replace("[U+", "[U+005B]U+")
    return "".join(
        f"[U+{ord(c):04X}]" if c not in _PLAIN and unicodedata.category(c) in _SHAPELESS else c
        for c in named
    )


def restored(text: str) -> str:
    r"""The text of which `visible` named the characters.

    >>> restored(visible("a\u202eb[U+0041]")) == "a\u202eb[U+0041]"
    True
    """
    if "[U+" not in text:
        return text
    return _NAMED.sub(lambda code: chr(min(int(code[1], 16), sys.maxunicode)), text)


def key(row: Mapping[str, Any]) -> str:
    """The address of one row; control and direction characters are named in it (`visible`).

    >>> key(dict(analysis="os", population="PRIMARY", group="", paramcd="OS", level="a|b",
    ...          sublevel="", stat_name="median"))
    'os|PRIMARY||OS|a%7Cb||median'
    """
    words = (visible(str(row[name])) for name in KEY)
    return "|".join(word.replace("%", "%25").replace("|", "%7C") for word in words)


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


def many(  # noqa: PLR0913 - one keyword per column of the ARD
    stats: Mapping[str, Sequence[float] | NDArray[Any]],
    *,
    analysis: str,
    section: str,
    population: str,
    method: str,
    level: Sequence[str],
    sublevel: Sequence[str],
    paramcd: str = "",
    group: str = "",
) -> pd.DataFrame:
    """The same statistics at many places, each a `level` and a `sublevel`: `rows` of them all, at once.

    Each statistic has one number for each place. A NaN is refused: a missing number needs its reason, and
    so `rows`.

    Examples
    --------
    >>> frame = many({"n": [3, 1], "N": [9, 9]}, analysis="ae_soc_pt", section="SAP 6", population="SAFETY",
    ...              level=["Skin", "Skin"], sublevel=["", "Rash"], paramcd="ANY", method="Patients")
    >>> frame[["sublevel", "stat_name", "stat"]].to_numpy().tolist()
    [['', 'n', 3.0], ['', 'N', 9.0], ['Rash', 'n', 1.0], ['Rash', 'N', 9.0]]
    """
    numbers = np.column_stack([np.asarray(each, dtype=np.float64) for each in stats.values()])
    if np.isnan(numbers).any():
        raise ValueError(f"{analysis} {population} {paramcd}: NaN without a reason")
    places, names = len(level), len(stats)
    frame = pd.DataFrame(
        {
            "analysis": analysis,
            "section": section,
            "population": population,
            "group": group,
            "paramcd": paramcd,
            "level": np.repeat(np.array(level, dtype=object), names),
            "sublevel": np.repeat(np.array(sublevel, dtype=object), names),
            "stat_name": np.tile(np.array(list(stats), dtype=object), places),
            "stat": numbers.ravel(),
            "stat_text": "",
            "method": method,
        }
    )
    return frame[list(COLUMNS)]


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

    Control and direction characters are named (`visible`); `from_csv` gives them back.

    >>> frame = rows({"n": 3}, analysis="a", section="s", population="P", method="=cmd()")
    >>> print(to_csv(frame).splitlines()[1])
    a,s,P,,,,,n,3.0,,'=cmd()
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in frame[list(COLUMNS)].itertuples(index=False):
        writer.writerow(
            ("" if math.isnan(v) else repr(float(v))) if name == "stat" else _safe(visible(str(v)))
            for name, v in zip(COLUMNS, row, strict=True)
        )
    return out.getvalue()


def safe_csv(frame: pd.DataFrame) -> str:
    r"""A listing for people as CSV: control and direction characters named, no value a formula.

    >>> safe_csv(pd.DataFrame({"WHAT": ["a\u202eb", "=1+1", "-1", None], "ROW": [1, 2, 3, 4]})).split()
    ['WHAT,ROW', 'a[U+202E]b,1', "'=1+1,2", "'-1,3", ',4']
    """
    shown = frame.map(lambda cell: _safe(visible(cell)) if isinstance(cell, str) else cell)
    return str(shown.to_csv(index=False, lineterminator="\n"))


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
            frame[name] = frame[name].str.removeprefix("'").map(restored)
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
    return plan_of(run_folder())


def plan_of(run: Path) -> "Plan":
    """The plan of the run in a folder."""
    return _plan(run.resolve() / "tables" / "plan.json")


def run_facts() -> dict[str, Any]:
    """The facts of the run: study, title, kind, audience, status, cut_off, synthetic."""
    return dict(table("run"))


def dataset(name: str) -> pd.DataFrame:
    """One ADaM dataset of the run (patient-level); only listings and patient figures read it."""
    path = run_folder().resolve() / "adam" / f"{name.lower()}.parquet"
    if not path.is_file():
        raise UsageError(f"The run has no dataset {name.upper()}: it was not derived, or not kept.")
    return pd.read_parquet(path)
