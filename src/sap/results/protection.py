"""What an open report may hold: the rows of open analyses, with small counts of people hidden."""

from collections.abc import Collection, Iterable
from math import isnan, nan
from typing import Any

import pandas as pd

from sap import ard

PEOPLE = ("n", "n_missing", "n_late")
TELLING = ("estimate", "conf_low", "conf_high", "p_value")
PLACE = tuple(name for name in ard.KEY if name != "stat_name")
GRADES = ("GR1", "GR2", "GR3", "GR4", "GR5", "GRMISS")

Row = dict[str, Any]


def open_rows(rows: pd.DataFrame, analyses: Collection[str], small_count: int) -> pd.DataFrame:
    """The rows of `analyses`, without what tells a count of people from 1 to below `small_count`.

    1. A count (`n`, `n_missing`, `n_late`) from 1 to below the limit k: `stat` is missing and
       `stat_text` says `<k`. A count of 0 is shown: nobody can be recognised in it. A number of
       events below k is hidden likewise.
    2. What stands at the place of a hidden count and would give it away is hidden with it: the
       share, its limits and its p-value.
    3. Where parts add up to a known total (worst grades of adverse events, the states of one
       status) and what is hidden follows from what is not, the smallest shown part is hidden
       behind the next ten above it: `<10`.

    Steps of a cumulative count (accrual by month) are left; every site knows them.
    """
    kept: list[Row] = [
        {str(name): value for name, value in row.items()}
        for row in rows[rows["analysis"].isin(list(analyses))].to_dict("records")
    ]
    places: dict[tuple[str, ...], list[Row]] = {}
    for row in kept:
        places.setdefault(tuple(row[name] for name in PLACE), []).append(row)
    for place in places.values():
        for row in place:
            if row["stat_name"] in (*PEOPLE, "n_events") and 0 < row["stat"] < small_count:
                _hide(row, place, small_count)
    for total, parts in _sums(places):
        _complement(total, parts, places, small_count)
    return pd.DataFrame(kept, columns=list(ard.COLUMNS)).astype({"stat": float})


def _hide(row: Row, place: list[Row], bound: int) -> None:
    mark = f"<{bound}"
    beside = (
        [r for r in place if r["stat_name"] in TELLING] if row["stat_name"] != "n_events" else []
    )
    for each in (row, *beside):
        each["stat"], each["stat_text"] = nan, mark


def _sums(places: dict[tuple[str, ...], list[Row]]) -> Iterable[tuple[float, list[Row]]]:
    """Known totals with the counts that add up to them."""
    of_grades: dict[tuple[str, ...], dict[str, Row]] = {}
    of_states: dict[tuple[str, ...], list[Row]] = {}
    for (analysis, population, group, paramcd, level, sublevel), place in places.items():
        for row in (r for r in place if r["stat_name"] == "n"):
            if paramcd in (*GRADES, "ANY"):
                line = (analysis, population, group, level, sublevel)
                of_grades.setdefault(line, {})[paramcd] = row
            if analysis == "treatment_status" or paramcd == "STATUS":
                of_states.setdefault((analysis, population, group, paramcd), []).append(row)
    for by_code in of_grades.values():
        parts = [by_code[code] for code in GRADES if code in by_code]
        if "ANY" in by_code and not isnan(by_code["ANY"]["stat"]):
            yield by_code["ANY"]["stat"], parts
    for (analysis, population, group, paramcd), parts in of_states.items():
        first = places[(analysis, population, group, paramcd, parts[0]["level"], "")]
        yield next(row["stat"] for row in first if row["stat_name"] == "N"), parts


def follows(left: float, ranges: list[tuple[int, int]]) -> bool:
    """Whether hidden counts, each between its two numbers, follow from what they add up to.

    >>> follows(3, [(1, 4)]), follows(5, [(1, 4), (1, 4)]), follows(2, [(1, 4), (1, 4)])
    (True, False, True)
    >>> follows(8, [(1, 4), (1, 4)]), follows(0, [])
    (True, False)
    """
    if len(ranges) < 2:
        return bool(ranges)
    return left in (sum(low for low, _ in ranges), sum(high for _, high in ranges))


def _complement(
    total: float, parts: list[Row], places: dict[tuple[str, ...], list[Row]], small_count: int
) -> None:
    while True:
        shown = [row for row in parts if not isnan(row["stat"])]
        ranges = [_range(row, small_count) for row in parts if isnan(row["stat"])]
        left = total - sum(row["stat"] for row in shown)
        counts = [row for row in shown if row["stat"] > 0]
        if not follows(left, ranges) or not counts:
            return
        smallest = min(counts, key=lambda row: float(row["stat"]))
        place = places[tuple(smallest[name] for name in PLACE)]
        _hide(smallest, place, 10 * (int(smallest["stat"]) // 10 + 1))


def _range(row: Row, small_count: int) -> tuple[int, int]:
    bound = int(row["stat_text"].removeprefix("<"))
    return (1 if bound <= small_count else small_count), bound - 1
