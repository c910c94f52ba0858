"""What an open report may hold: the rows of open analyses, with small counts of people hidden."""

from collections.abc import Collection, Iterator
from math import isnan, nan
from typing import Any

import pandas as pd

from sap import ard

PEOPLE = ("n", "N", "n_missing", "n_late")
TELLING = (
    *("estimate", "conf_low", "conf_high", "p_value"),
    *("mean", "sd", "median", "q1", "q3", "min", "max"),
)
PLACE = tuple(name for name in ard.KEY if name != "stat_name")
GRADES = ("GR1", "GR2", "GR3", "GR4", "GR5", "GRMISS")

# Analyses whose LEVEL is a patient, and whose LEVELs are the states of everybody.
BY_PATIENT = ("toxicity_monitoring",)
BY_STATE = ("treatment_status",)
# What is counted there (analysis, PARAMCD) are results, not men.
NOT_PEOPLE = {("data_currency", "PSA")}

Row = dict[str, Any]
Place = tuple[str, ...]
Places = dict[Place, list[Row]]


def open_rows(
    rows: pd.DataFrame, analyses: Collection[str], small_count: int, severe_grade: int
) -> pd.DataFrame:
    """The rows of `analyses`, without what tells a count of people from 1 to below `small_count`.

    1. Counts after each single patient (the toxicity boundary by LEVEL) are left out: they would
       tell who.
    2. A count (`n`, `N`, `n_missing`, `n_late`) from 1 to below the limit k: `stat` is missing and
       `stat_text` says `<k`. A count of 0 is shown: nobody can be recognised in it. A number of
       events below k is hidden likewise.
    3. What stands at the place of a hidden count and would give it away is hidden with it: the
       share, its limits and its p-value, and the summary of so few values.
    4. Where parts add up to a total and what is hidden follows from what is shown, the smallest
       part that is shown is hidden behind the next ten above it (`<10`), until nothing follows any
       more. The sums: worst grades of adverse events, grades from `severe_grade` on, lines of
       therapy, the states of one status.

    A count close to its denominator is shown. Steps of a cumulative count over calendar time (accrual) are left; every site knows them.
    """
    kept: list[Row] = [
        {str(name): value for name, value in row.items()}
        for row in rows[rows["analysis"].isin(list(analyses))].to_dict("records")
        if not (row["analysis"] in BY_PATIENT and row["level"] and row["stat_name"] == "n")
    ]
    places: Places = {}
    for row in kept:
        places.setdefault(tuple(row[name] for name in PLACE), []).append(row)
    for where, place in places.items():
        if (where[0], where[3]) in NOT_PEOPLE:
            continue
        for row in place:
            if row["stat_name"] in (*PEOPLE, "n_events") and 0 < row["stat"] < small_count:
                _hide(row, place, small_count)
    sums = [*_sums(places, severe_grade)]
    while any(_complement(total, parts, places, small_count) for total, parts in sums):
        pass
    return pd.DataFrame(kept, columns=list(ard.COLUMNS)).astype({"stat": float})


def _hide(row: Row, place: list[Row], bound: int) -> None:
    mark = f"<{bound}"
    told = {"n": TELLING, "N": TELLING, "n_late": TELLING[:3]}.get(row["stat_name"], ())
    beside = [other for other in place if other["stat_name"] in told]
    for each in (row, *beside):
        each["stat"], each["stat_text"] = nan, mark


def _sums(places: Places, severe_grade: int) -> Iterator[tuple[Row, list[Row]]]:
    """Each total with the counts that add up to it."""
    counts = {
        place: row for place, beside in places.items() for row in beside if row["stat_name"] == "n"
    }
    severe = [f"GR{grade}" for grade in range(severe_grade, 6)]
    lines = {place[2] for place in counts if place[0] == "ae_overview" and place[2]}
    states: dict[Place, list[Row]] = {}
    for place, row in counts.items():
        analysis, population, group, paramcd, level, sublevel = place
        for whole, codes in (("ANY", GRADES), ("GRSEV", severe)):
            if paramcd == whole:
                others = [(analysis, population, group, code, level, sublevel) for code in codes]
                yield row, [counts[other] for other in others if other in counts]
        if not group:
            yield from _by_line(place, sorted(lines), places)
        if analysis in BY_STATE or paramcd == "STATUS":
            states.setdefault((analysis, population, group, paramcd), []).append(row)
    for place, parts in states.items():
        whole_place = (*place, parts[0]["level"], parts[0]["sublevel"])
        yield next(row for row in places[whole_place] if row["stat_name"] == "N"), parts


def _by_line(place: Place, lines: list[str], places: Places) -> Iterator[tuple[Row, list[Row]]]:
    """Men of all lines of therapy, and of each."""
    each = [(*place[:2], line, *place[3:]) for line in lines]
    if not lines or not all(other in places for other in each):
        return
    for name in PEOPLE:
        found = [[row for row in places[one] if row["stat_name"] == name] for one in (place, *each)]
        if all(found):
            yield found[0][0], [rows[0] for rows in found[1:]]


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


def _complement(total: Row, parts: list[Row], places: Places, small_count: int) -> bool:
    """Hide one more part when a hidden count follows from the sum; whether one was hidden."""
    shown = [row for row in parts if not isnan(row["stat"])]
    ranges = [_range(row, small_count) for row in parts if isnan(row["stat"])]
    counts = [row for row in shown if row["stat"] > 0]
    if isnan(total["stat"]):
        told = not ranges
    else:
        told = follows(total["stat"] - sum(row["stat"] for row in shown), ranges)
    if not told or not counts:
        return False
    smallest = min(counts, key=lambda row: float(row["stat"]))
    place = places[tuple(smallest[name] for name in PLACE)]
    _hide(smallest, place, 10 * (int(smallest["stat"]) // 10 + 1))
    return True


def _range(row: Row, small_count: int) -> tuple[int, int]:
    bound = int(row["stat_text"].removeprefix("<"))
    return (1 if bound <= small_count else small_count), bound - 1
