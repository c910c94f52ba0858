"""What an open report may hold: the rows of open analyses, with small counts of people hidden."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from math import isnan, nan
from typing import Any, NamedTuple

import pandas as pd

from sap import ard
from sap.catalogue import fold
from sap.plan.model import gradings
from sap.results import flow_sums

PEOPLE = ("n", "N", "n_missing", "n_ungraded", "n_late")
RATE = ("estimate", "conf_low", "conf_high")
TELLING = (
    *RATE,
    *("estimate_lowest", "estimate_highest", "p_value"),
    *("mean", "sd", "median", "q1", "q3", "min", "max"),
)
PLACE = tuple(name for name in ard.KEY if name != "stat_name")

EXPOSURE = "exposure"
# Analyses whose LEVEL is a patient.
BY_PATIENT = ("toxicity_monitoring",)
# The numbers of exposure (PARAMCD) whose summary tells how many patients have each of the few values they
# take, and the counts of patients that it tells: of six patients who had 5 to 7 cycles, 35 in all and 6 in the
# middle, two had 5, three had 6 and one had 7. Durations and doses are multiples of cycles.
TELLS = {
    **dict.fromkeys(("NCYCLES", "DURWK", "CUMDOSE", "CUMMG"), "NCYCLES"),
    "NDELAY": "DELAYED",
    "NDELMAJ": "DELMAJOR",
    "NREDUC": "REDUCED",
    "NGCSF": "GCSFANY",
}
FOURFOLD = ("both", "laboratory only", "reported only", "neither")
SUMMARY = ("mean", "sd", "q1", "q3", "min", "max", "total")
CURRENCY = "data_currency"


class SameMen(NamedTuple):
    """A count at (analysis, PARAMCD, LEVEL, SUBLEVEL) of patients whom another table counts by grade.

    They reached `from_grade` in the laboratory test `testcd`, or in an event of one of `terms`.
    """

    place: tuple[str, str, str, str]
    testcd: str
    terms: tuple[str, ...]
    from_grade: int


Row = dict[str, Any]
Place = tuple[str, ...]
Places = dict[Place, list[Row]]
Sum = tuple[Row, list[Row]]
Range = tuple[int, int]


def same_subjects(plan: Mapping[str, Any]) -> list[SameMen]:
    """What the plan counts twice: rates of interest, and events reported beside laboratory grades."""
    found = []
    codes = {one.term: one.code for one in gradings(plan["labs"]["terms"])}
    for rate in plan["safety_rates"]["rates"]:
        kind, terms, grade = rate["kind"], tuple(rate["terms"]), rate["from_grade"]
        place = ("ae_rates", kind.upper(), rate["name"], "")
        if kind == "laboratory":
            found += [SameMen(place, codes[term], (), grade) for term in terms if term in codes]
        elif grade is not None:
            found.append(SameMen(place, "", terms, grade))
    for code, terms in plan["labs"]["reported_as"].items():
        for grade in (1, plan["safety"]["severe_grade"]):
            where = f"Grade >= {grade}"
            found.append(SameMen(("lab_reported", code, "laboratory", where), code, (), grade))
            found.append(
                SameMen(("lab_reported", code, "reported", where), "", tuple(terms), grade)
            )
    return found


def open_rows(
    rows: pd.DataFrame,
    analyses: Collection[str],
    small_count: int,
    severe_grade: int,
    counted_twice: Sequence[SameMen] = (),
    *,
    summary_from: int,
) -> pd.DataFrame:
    """The rows of `analyses`, without what tells a count of people from 1 to below `small_count`.

    1. Counts after each single patient (the toxicity boundary by LEVEL) are left out: they would
       tell who.
    2. A count (`n`, `N`, `n_missing`, `n_late`) from 1 to below the limit k: `stat` is missing and
       `stat_text` says `<k`. A count of 0 is shown: no patient can be recognised in it. A number of
       events below k is hidden likewise.
    3. What stands at the place of a hidden count and would give it away is hidden with it: the
       share, its limits and its p-value, and the summary of so few values.
    4. Where parts add up to a total and what is hidden follows from what is shown, the smallest
       part that is shown, or the total when none is, is hidden behind the next ten above it
       (`<10`), until nothing follows any more. The sums: worst grades of adverse events and of
       laboratory values, grades from `severe_grade` on, the same grades by that at baseline and
       beside reported events, what else counts the same patients (`counted_twice`), lines of therapy, the
       states of one status, deaths by cause.
    5. The boxes of the flow, and what is counted of the same patients elsewhere (`flow_sums`), are solved
       as a whole, exactly, and as many more are hidden as it needs until no hidden count has a single
       solution (`flow_sums.to_hide`).
    6. Where a count of patients by cycles, or of those with a delay, a reduction or growth factor, is
       hidden, what would tell it of the numbers behind it (`TELLS`) is left out: of all patients the
       median stays, of a line of therapy nothing but how many patients are known.
    7. Of fewer than `summary_from` patients, exposure and days since the last contact have no summary but
       the median: the extremes are single patients', and with mean and quartiles they tell the others.
    8. PSA results that were due, one at each infusion, are hidden with the cycles: they are as many.
       Those that are there are hidden with the few that are missing.

    A count close to its denominator is shown. Between the months of a cumulative count (accrual)
    nothing is hidden but what is small: who came when, every site knows.
    """
    kept: list[Row] = [
        {str(name): value for name, value in row.items()}
        for row in rows[rows["analysis"].isin(list(analyses))].to_dict("records")
        if not (row["analysis"] in BY_PATIENT and row["level"] and row["stat_name"] == "n")
    ]
    places: Places = {}
    for row in kept:
        places.setdefault(_place(row), []).append(row)
    of_labs = [*_lab_sums(places, severe_grade), *_lab_tables(places)]
    of_labs += _twice(places, counted_twice)
    sums = [*_sums(places, severe_grade), *_exact(of_labs)]
    more = flow_sums.to_hide(flow_sums.flow_sums(kept), small_count)
    for place in places.values():
        for row in place:
            if row["stat_name"] in (*PEOPLE, "n_events") and 0 < row["stat"] < small_count:
                _hide(row, place, small_count)
    sums = [one for one in sums if all(map(_is_count, (one[0], *one[1])))]
    for of_some in _apart(sums):
        _complement(of_some, places, small_count)
    for row in more:
        _hide(row, places[_place(row)], flow_sums.ceiling(int(row["stat"]), small_count))
    told = {row["paramcd"] for row in kept if row["analysis"] == EXPOSURE and _is_hidden(row)}
    _hide_due(places, hide_total="NCYCLES" in told)
    few = {
        _place(row)
        for row in kept
        if row["analysis"] in (EXPOSURE, CURRENCY)
        and row["stat_name"] == "n"
        and not row["stat"] >= summary_from
    }
    kept = [
        row
        for row in kept
        if not _tells(row, told) and not (row["stat_name"] in SUMMARY and _place(row) in few)
    ]
    return pd.DataFrame(kept, columns=list(ard.COLUMNS)).astype({"stat": float})


def _next_ten(row: Row) -> int:
    return 10 * (int(row["stat"]) // 10 + 1)


def _hide_due(places: Places, *, hide_total: bool) -> None:
    """Hide the PSA results that were due, where they are as many as hidden cycles.

    Those that are there are hidden too where the difference would tell how few are missing.
    """
    for where, place in places.items():
        if (where[0], where[3]) != (CURRENCY, "RESULTS"):
            continue
        missing = any(row["stat_name"] == "n_missing" and isnan(row["stat"]) for row in place)
        for row in place:
            told = hide_total if row["stat_name"] == "N" else hide_total or missing
            if told and row["stat_name"] in PEOPLE and row["stat"] > 0:
                _hide(row, place, _next_ten(row))


def _is_hidden(row: Row) -> bool:
    return row["stat_name"] == "n" and isnan(row["stat"]) and row["stat_text"][:1] == "<"


def _tells(row: Row, hidden: Collection[str]) -> bool:
    """Whether a number of exposure would tell one of the hidden counts (PARAMCD) of the same patients."""
    if row["analysis"] != EXPOSURE or TELLS.get(row["paramcd"]) not in hidden or row["level"]:
        return False
    return row["stat_name"] in SUMMARY or (row["stat_name"] == "median" and bool(row["group"]))


def _is_count(row: Row) -> bool:
    """Whether the row holds a number, shown or hidden, and not the reason why there is none."""
    return not isnan(row["stat"]) or row["stat_text"].removeprefix("<").isdecimal()


def _place(row: Row) -> Place:
    return tuple(row[name] for name in PLACE)


def _hide(row: Row, place: list[Row], bound: int) -> None:
    mark = f"<{bound}"
    told = {"n": TELLING, "N": TELLING, "n_late": RATE}.get(row["stat_name"], ())
    if row["stat_name"] == "n_missing" and any(o["stat_name"] == "estimate_highest" for o in place):
        told = ("estimate_highest", "conf_high")  # of those counted and those without an answer
    beside = [other for other in place if other["stat_name"] in told]
    for each in (row, *beside):
        each["stat"], each["stat_text"] = nan, mark


def _sums(places: Places, severe_grade: int) -> Iterator[Sum]:
    """Each total with the counts that add up to it."""
    counts = {
        place: row for place, beside in places.items() for row in beside if row["stat_name"] == "n"
    }
    grades = [f"GR{grade}" for grade in range(1, 6)]
    mild, severe = grades[: severe_grade - 1], grades[severe_grade - 1 :]
    adding_up = {"ANY": (*mild, "GRSEV", "GRMISS"), "GRSEV": (*severe,)}
    lines = {place[2] for place in counts if place[0] == "ae_overview" and place[2]}
    states: dict[Place, list[Row]] = {}
    for place, row in counts.items():
        analysis, population, group, paramcd, level, sublevel = place
        codes = adding_up.get(paramcd, ())
        parts = [(analysis, population, group, code, level, sublevel) for code in codes]
        if codes and all(part in counts for part in parts):
            yield row, [counts[part] for part in parts]
        if not group:
            yield from _by_line(place, sorted(lines), places)
        if analysis == "board_deaths" and not sublevel:
            causes = [other for other in counts if other[:5] == place[:5] and other[5]]
            yield row, [counts[cause] for cause in causes]
        if paramcd == "STATUS":
            states.setdefault((analysis, population, group, paramcd), []).append(row)
    for place, of_state in states.items():
        whole_place = (*place, of_state[0]["level"], of_state[0]["sublevel"])
        yield next(row for row in places[whole_place] if row["stat_name"] == "N"), of_state


def _exact(sums: Sequence[Sum]) -> list[Sum]:
    """Those that do add up in this run."""
    return [
        (total, parts) for total, parts in sums if total["stat"] == sum(r["stat"] for r in parts)
    ]


def _lab_sums(places: Places, severe_grade: int) -> Iterator[Sum]:
    """Worst laboratory grades: all of a parameter are its patients, and the severe ones are a line."""
    by_parameter: dict[Place, dict[str, list[Row]]] = {}
    for (analysis, population, group, paramcd, level, _), beside in places.items():
        if analysis == "lab_grade":
            where = (analysis, population, group, paramcd)
            by_parameter.setdefault(where, {})[level] = beside
    for levels in by_parameter.values():
        n = {
            level: row for level, rows in levels.items() for row in rows if row["stat_name"] == "n"
        }
        severe = f"Grade >= {severe_grade}"
        states = [row for level, row in n.items() if level != severe]
        whole = [row for rows in levels.values() for row in rows if row["stat_name"] == "N"]
        if whole and states:
            yield whole[0], states
        if severe in n:
            grades = [
                row for level, row in n.items() if level.isdecimal() and int(level) >= severe_grade
            ]
            yield n[severe], grades


def _lab_tables(places: Places) -> Iterator[Sum]:
    """Grades by those at baseline: a column adds up to a worst grade. Fourfold tables of the reported."""
    columns: dict[Place, list[Row]] = {}
    fourfold: dict[Place, dict[str, Row]] = {}
    for (analysis, population, group, paramcd, level, sublevel), beside in places.items():
        n = {row["stat_name"]: row for row in beside}
        if analysis == "lab_shift":
            worst = ("lab_grade", population, group, paramcd, sublevel, "")
            columns.setdefault(worst, []).append(n["n"])
        if analysis == "lab_reported":
            table = (analysis, population, group, paramcd, sublevel, "")
            fourfold.setdefault(table, {})[level] = n["n"]
            fourfold[table]["N"] = n["N"]
    for place, parts in columns.items():
        for row in places.get(place, []):
            if row["stat_name"] == "n":
                yield row, parts
    for counts in fourfold.values():
        if {"N", "laboratory", "reported", *FOURFOLD} <= set(counts):
            both, laboratory, reported, neither = (counts[level] for level in FOURFOLD)
            yield counts["laboratory"], [both, laboratory]
            yield counts["reported"], [both, reported]
            yield counts["N"], [both, laboratory, reported, neither]


def _twice(places: Places, counted_twice: Sequence[SameMen]) -> Iterator[Sum]:
    """Each count of `counted_twice` and the grades that add up to it, for every group there is."""
    grades: dict[tuple[str, str, str], list[Row]] = {}
    for (analysis, _, group, paramcd, level, sublevel), beside in places.items():
        n = [row for row in beside if row["stat_name"] == "n"]
        if analysis == "lab_grade" and level.isdecimal():
            grades.setdefault((group, paramcd, level), []).extend(n)
        if analysis == "ae_soc_pt" and sublevel and paramcd.startswith("GR"):
            grade = paramcd.removeprefix("GR").replace("MISS", "1")
            grades.setdefault((group, fold(sublevel), grade), []).extend(n)
    for place, beside in places.items():
        for one in counted_twice:
            if (place[0], *place[3:]) != one.place:
                continue
            reached = range(one.from_grade, 6)
            names = [one.testcd] if one.testcd else [fold(term) for term in one.terms]
            parts = [
                row
                for name in names
                for grade in reached
                for row in grades.get((place[2], name, str(grade)), [])
            ]
            total = [row for row in beside if row["stat_name"] == "n"]
            if total and parts:
                yield total[0], parts
            severe = ("lab_grade", place[1], place[2], one.testcd, f"Grade >= {one.from_grade}", "")
            same = [row for row in places.get(severe, []) if row["stat_name"] == "n"]
            if total and same:
                yield total[0], same


def _by_line(place: Place, lines: list[str], places: Places) -> Iterator[Sum]:
    """Patients of all lines of therapy, and of each."""
    each = [(*place[:2], line, *place[3:]) for line in lines]
    if not lines or not all(other in places for other in each):
        return
    for name in PEOPLE:
        found = [[row for row in places[one] if row["stat_name"] == name] for one in (place, *each)]
        if all(found):
            yield found[0][0], [rows[0] for rows in found[1:]]


def _complement(sums: list[Sum], places: Places, small_count: int) -> None:
    """Hide one more count of a sum that tells a hidden one, until no sum tells any.

    One at a time: a sum that only passes on what another told needs nothing once that one is mended.
    """
    while True:
        ranges = _ranges(sums, small_count)
        telling = (
            (total, parts)
            for total, parts in sums
            if any(isnan(r["stat"]) and _single(ranges[id(r)]) for r in (total, *parts))
        )
        if not any(_hide_one(total, parts, places) for total, parts in telling):
            return


def _apart(sums: Sequence[Sum]) -> list[list[Sum]]:
    """The sums in groups that share no count: each can be solved for itself."""
    groups: dict[int, list[int]] = {}
    first_with: dict[int, int] = {}
    group_of: list[int] = []
    for number, (total, parts) in enumerate(sums):
        group_of.append(number)
        groups[number] = [number]
        for row in (total, *parts):
            mine, other = group_of[number], group_of[first_with.setdefault(id(row), number)]
            if mine != other:
                for each in groups[mine]:
                    group_of[each] = other
                groups[other] += groups.pop(mine)
    return [[sums[number] for number in sorted(group)] for group in groups.values()]


def _single(between: Range) -> bool:
    return between[0] == between[1]


def _hide_one(total: Row, parts: list[Row], places: Places) -> bool:
    """Hide the smallest part that is shown and not 0, else the total; whether there was one."""
    shown = [row for row in parts if row["stat"] > 0]
    if not shown and not total["stat"] > 0:
        return False
    row = min(shown, key=lambda part: float(part["stat"])) if shown else total
    _hide(row, places[_place(row)], _next_ten(row))
    return True


def _ranges(sums: list[Sum], small_count: int) -> dict[int, Range]:
    """What a reader of the table knows of each count, when he uses every sum.

    In a sum the total lies between the sums of the ends of its parts, and each part between what the
    total leaves when the others are as large, and as small, as they can be.
    """
    known = {id(r): _range(r, small_count) for total, parts in sums for r in (total, *parts)}
    changed = True
    while changed:
        changed = False
        for total, parts in sums:
            if not any(isnan(row["stat"]) for row in (total, *parts)):
                continue
            lows = [known[id(row)][0] for row in parts]
            highs = [known[id(row)][1] for row in parts]
            low, high = known[id(total)]
            asked = {id(total): (sum(lows), sum(highs))}
            for row, mine_low, mine_high in zip(parts, lows, highs, strict=True):
                asked[id(row)] = low - sum(highs) + mine_high, high - sum(lows) + mine_low
            for who, (least, most) in asked.items():
                narrow = max(known[who][0], least), min(known[who][1], most)
                changed |= narrow != known[who]
                known[who] = narrow
    return known


def _range(row: Row, small_count: int) -> Range:
    """What the printed count alone tells."""
    if not isnan(row["stat"]):
        return int(row["stat"]), int(row["stat"])
    bound = int(row["stat_text"].removeprefix("<"))
    return (1 if bound <= small_count else small_count), bound - 1
