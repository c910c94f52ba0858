"""The second computation compared with the ARD, row by row, and how much of it agrees."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd

from sap.catalogue.reporting import analyses, analysis, is_in_plan
from sap.errors import ResultError
from sap.plan.model import Plan
from sap.qc.study import QcRow, Study, read_study

KEY = ("analysis", "population", "group", "paramcd", "level", "sublevel", "stat_name")
SOURCES = ("raw", "datasets", "none")
RELATIVE = 1e-9
AGREES, DIFFERS, NONE = "agrees", "differs", "no second computation"


@dataclass(frozen=True)
class QcResult:
    """Every row of the ARD with its second value.

    `rows` has the key columns, `stat` and `stat_text` of the ARD, `second` (the second value),
    `method`, `source` (`raw`, `datasets` or empty) and `result` (`agrees`, `differs` or `no second
    computation`). A row that only the second computation has is there with `stat_text` `not in the
    ARD`.
    """

    rows: pd.DataFrame

    @property
    def total(self) -> int:
        """The number of rows."""
        return len(self.rows)

    def count(self, result: str) -> int:
        """The number of rows with a result."""
        return int((self.rows["result"] == result).sum())

    @property
    def agreeing(self) -> int:
        """Rows whose second value is the same."""
        return self.count(AGREES)

    @property
    def differing(self) -> int:
        """Rows whose second value is another."""
        return self.count(DIFFERS)

    @property
    def without(self) -> int:
        """Rows that are not computed a second time."""
        return self.count(NONE)

    def shares(self, analysis: str | None = None) -> dict[str, float]:
        """Percent of rows computed a second time from raw data, from our datasets, and not at all."""
        rows = self.rows if analysis is None else self.rows[self.rows["analysis"] == analysis]
        of_source = rows["source"].replace("", "none")
        return {
            name: 100 * float((of_source == name).mean()) if len(rows) else math.nan
            for name in SOURCES
        }

    @property
    def analyses_without(self) -> list[str]:
        """The analyses with a row that is not computed a second time."""
        return sorted(self.rows.loc[self.rows["result"] == NONE, "analysis"].unique())

    def share_agreeing(self, analysis: str) -> float:
        """Percent of the rows of one analysis whose second value is the same."""
        rows = self.rows[self.rows["analysis"] == analysis]
        return 100 * float((rows["result"] == AGREES).mean()) if len(rows) else math.nan

    def as_json(self) -> dict[str, Any]:
        """Counts and shares in all and by analysis, and every row that differs."""
        by_analysis: dict[str, dict[str, int]] = {}
        for name, of_analysis in self.rows.groupby("analysis"):
            sources = of_analysis["source"].replace("", "none").value_counts()
            counts = {source: int(sources.get(source, 0)) for source in SOURCES}
            differing = int((of_analysis["result"] == DIFFERS).sum())
            by_analysis[str(name)] = counts | {"differs": differing}
        different = self.rows[self.rows["result"] == DIFFERS]
        return {
            "total": self.total,
            "agreeing": self.agreeing,
            "differing": self.differing,
            "without": self.without,
            "shares": self.shares(),
            "analyses_without": self.analyses_without,
            "by_analysis": by_analysis,
            "differences": different.astype(str).to_dict("records"),
        }


def compare(cut: Path, plan: Plan, ard: pd.DataFrame) -> QcResult:
    """Compute the results of a frozen cut a second time and compare them with the ARD.

    Parameters
    ----------
    cut
        The folder of the frozen cut: Parquet per SDTM domain and `manifest.json`.
    plan
        The plan.
    ard
        The rows to compare, with at least the key columns, `stat` and `stat_text`.
    """
    study = read_study(cut, plan)
    return QcResult(_compared(ard, second_values(study)))


def stems(plan: Plan) -> list[str]:
    """The stems with an analysis of the plan that has a second computation, as the catalogue says."""
    computed = (entry for entry in analyses().values() if entry.second != "none")
    return sorted({entry.stem for entry in computed if entry.is_in(plan)})


def rows_of(stem: str, study: Study) -> Iterator[QcRow]:
    """The rows of one stem, each of an analysis that the catalogue gives to that stem and source.

    Raises
    ------
    ResultError
        A row is of an analysis of another stem, or computed from another source.
    """
    rows: Callable[[Study], Iterator[QcRow]] = import_module(f"sap.qc.{stem}").rows
    for row in rows(study):
        entry = analysis(row.analysis)
        if (entry.stem, entry.second) != (stem, row.source):
            raise ResultError(
                f"sap.qc.{stem} computes {row.analysis} from {row.source}; the catalogue has it in "
                f"{entry.stem}.yml, from {entry.second}."
            )
        yield row


def second_values(study: Study) -> dict[tuple[str, ...], QcRow]:
    """Every row of every stem by its key."""
    known = {row.key: row for stem in stems(study.plan) for row in rows_of(stem, study)}
    if "dv" not in study.records:  # deviations were not collected: there is no per-protocol set
        none = {"PERPROT", "per_protocol"}
        known = {key: row for key, row in known.items() if not {key[1], key[4]} & none}
    return {
        key: row
        for key, row in known.items()
        if is_in_plan((key[0], key[1], key[3], key[2], key[4], key[5]), study.plan)
    }


def _same(stat: float, text: str, second: QcRow) -> bool:
    if isinstance(second.value, str):
        return second.value == text
    if second.value is None:
        return math.isnan(stat)
    value = float(second.value)
    return abs(value - stat) <= max(1e-12, RELATIVE * max(abs(value), abs(stat)))


def _compared(ard: pd.DataFrame, known: Mapping[tuple[str, ...], QcRow]) -> pd.DataFrame:
    compared: list[tuple[Any, ...]] = []
    keys = set()
    for row in ard[[*KEY, "stat", "stat_text"]].itertuples(index=False):
        key = tuple(str(part) for part in row[:7])
        keys.add(key)
        second = known.get(key)
        if second is None:
            compared.append((*row, None, "", "", NONE))
            continue
        result = AGREES if _same(float(row[7]), str(row[8]), second) else DIFFERS
        compared.append((*row, second.value, second.method, second.source, result))
    analyses = set(ard["analysis"])
    for key, second in known.items():
        # A row that the second computation expects and the ARD lacks differs as well.
        if key not in keys and key[0] in analyses and second.value not in (None, 0):
            absent = (math.nan, "not in the ARD")
            compared.append((*key, *absent, second.value, second.method, second.source, DIFFERS))
    columns = [*KEY, "stat", "stat_text", "second", "method", "source", "result"]
    return pd.DataFrame(compared, columns=columns)
