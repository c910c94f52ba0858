"""Counts of the screening flow that must be hidden so that the sums of the flow tell no hidden one."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from sap.methods.disclosure import other_solution

Row = dict[str, Any]
# A total, its parts, and whether the parts may leave some of the total out.
Sum = tuple[Row, list[Row], bool]
_MANY = 10_000

STATES = ("positive", "negative", "undetermined", "not done")
# The dearer a count, the later it is hidden to protect another.
DEAR = {
    "Qualifies for group B": 4,
    "Group B": 4,
    "Consented": 4,
    "Sampled": 4,
    "CTC evaluable": 3,
    "Group A": 3,
    "AR-V7 positive": 2,
    "Re-screened": 2,
}
DEAR_ANALYSES = {"accrual": 4, "analysis_sets": 3, "biomarker_yield": 2, "protocol_deviations": 2}
# Every table of safety has its size as the denominator: it is never hidden.
NEVER = ("analysis_sets", "SAFETY")


def cost(row: Row) -> int:
    """How much the open report loses with a count; 0 for one that must stay."""
    if (row["analysis"], row["population"]) == NEVER:
        return 0
    dear = DEAR.get(row["level"], 1) if row["analysis"] == "flow" else 1
    return max(dear, DEAR_ANALYSES.get(row["analysis"], 1))


class _Flow:
    """The counts of a run, found by their words; a count that is not there adds up to nothing."""

    def __init__(self, rows: Iterable[Row]) -> None:
        rows = list(rows)
        mine = [row for row in rows if row["analysis"] == "flow" and row["stat_name"] == "n"]
        self.boxes = {row["level"]: row for row in mine if row["paramcd"] == "BOX"}
        self.ends = {row["level"]: row for row in mine if row["paramcd"] == "FINAL"}
        self.reasons: dict[str, list[Row]] = {}
        for row in mine:
            if row["paramcd"] == "REASON":
                self.reasons.setdefault(row["level"], []).append(row)
        self.sets = {
            row["population"]: row
            for row in rows
            if row["analysis"] == "analysis_sets" and row["stat_name"] == "n"
        }
        self.shares = {
            (row["level"], row["stat_name"]): row
            for row in rows
            if row["analysis"] == "biomarker_yield" and row["stat_name"] in ("n", "N")
        }
        self.months: dict[str, list[Row]] = {}
        for row in rows:
            if row["analysis"] == "accrual" and row["stat_name"] == "n":
                self.months.setdefault(row["paramcd"], []).append(row)
        for of_step in self.months.values():
            of_step.sort(key=lambda row: str(row["level"]))
        self.deviations = [
            row for row in rows if row["analysis"] == "protocol_deviations" and row["stat_name"] == "N"
        ]  # fmt: skip
        found = (re.fullmatch(r"CTC >= (\d+)", level) for level in self.boxes)
        self.minimum = next((match[1] for match in found if match), "")

    def sums(self) -> Iterator[tuple[Row | None, list[Row | None], bool]]:
        box, end, m = self.boxes.get, self.ends.get, self.minimum
        few, enough = f"CTC < {m}", f"CTC >= {m}"
        again = f"Re-screened, AR-V7 positive, {enough}"
        left, lost = "Qualified, not treated", "Re-screened, qualified, not treated"
        first, second = (
            f"Treated in group B after {s}" for s in ("first screening", "re-screening")
        )
        whole = {
            "Consented": ("Sampled", "No sample"),
            "Sampled": ("Qualifies for group B", "Does not qualify"),
            "CTC evaluable": (few, enough),
            few: tuple(f"AR-V7 {state}, {few}" for state in STATES),
            enough: tuple(f"AR-V7 {state}, {enough}" for state in STATES),
            "Qualifies for group B": (left, first),
            left: (f"{left}: declined", f"{left}: not eligible", f"{left}: other"),
            "Does not qualify": ("Group A", "Does not qualify, not in group A"),
            "Re-screened": ("Re-screened, does not qualify", again),
            again: (lost, second),
            lost: (f"{lost}: not eligible", f"{lost}: declined", f"{lost}: other"),
        }
        for total, parts in whole.items():
            yield box(total), [box(part) for part in parts], False
        yield box("Sampled"), [box("CTC evaluable"), box("CTC not evaluable")], False
        yield box("Sampled"), [box(f"AR-V7 {state}") for state in STATES], False
        for state in STATES:
            split = [box(f"AR-V7 {state}, {counted}") for counted in (few, enough)]
            yield box(f"AR-V7 {state}"), split, True
        yield box("Qualifies for group B"), [box(f"AR-V7 positive, {enough}")], False
        yield box("Qualifies for group B"), [box("Group B")], True
        not_positive = [box(f"AR-V7 {state}") for state in STATES[1:]]
        yield box("Does not qualify"), [box(f"AR-V7 positive, {few}"), *not_positive], True
        for level, of_level in self.reasons.items():
            yield box(level), list(of_level), False
        yield from self._ends(first, second)
        yield box("Declined"), [end("Declined after the first screening")], True
        yield box("Declined"), [box(f"{left}: declined")], True
        yield box("Not eligible"), [box(f"{left}: not eligible")], True
        yield box("Not eligible"), [end("Not eligible after the first screening")], True
        yield box("Second eligibility check failed"), [box(f"{lost}: not eligible")], True
        yield box("Re-screened"), [box("Second eligibility check failed")], True
        yield box("Allocated to group B after re-screening"), [box(second)], True
        yield from self._elsewhere(first, second)

    def _ends(self, first: str, second: str) -> Iterator[tuple[Row | None, list[Row | None], bool]]:
        box, end = self.boxes.get, self.ends.get
        yield box("Consented"), list(self.ends.values()), False
        yield box("Group A"), [box("Re-screened"), end("Group A, not re-screened")], False
        yield box("Re-screened"), [box(second), end("Re-screened, not treated")], False
        yield box("No sample"), [end("Consented, no sample")], True
        yield box(first), [end("Treated after the first screening")], False
        yield box(second), [end("Treated through re-screening")], False

    def _elsewhere(
        self, first: str, second: str
    ) -> Iterator[tuple[Row | None, list[Row | None], bool]]:
        """The same patients in the analysis sets, the yield, the accrual and the deviations."""
        box, whole = self.boxes.get, self.sets.get
        same = {"SCREENED": "Sampled", "GROUPA": "Group A", "RESCREENED": "Re-screened"}
        for population, level in same.items():
            yield whole(population), [box(level)], False
        yield whole("MARKERPOS"), [box("AR-V7 positive")], False
        yield box(first), [whole("PRIMARY")], True
        yield whole("SAFETY"), [box(first), box(second)], False
        for place, row in self.shares.items():
            yield row, [box(level) for level in self._of_share(*place)], False
        now: Mapping[str, list[Row | None]] = {
            "CONSENTED": [box("Consented")],
            "SAMPLED": [box("Sampled")],
            "QUALIFIED": [box("Qualifies for group B")],
            "ALLOCATED": [box("Group B"), box("Allocated to group B after re-screening")],
            "TREATED": [whole("SAFETY")],
        }
        for step, of_step in self.months.items():
            yield of_step[-1], now.get(step, []), False
            for before in of_step[:-1]:
                if before["stat"] == of_step[-1]["stat"]:
                    yield of_step[-1], [before], False
        for row in self.deviations:
            yield row, [box(second) if row["group"] else whole(row["population"])], False

    @staticmethod
    def _of_share(level: str, name: str) -> tuple[str, ...]:
        """The boxes that are the count (n) or the denominator (N) of a share of the yield."""
        determined = ("AR-V7 positive", "AR-V7 negative")
        if name == "N":
            return determined if level.endswith("of determined") else ("Sampled",)
        if level == "AR-V7 determined":
            return determined
        if level.startswith("AR-V7 positive and"):
            return ("Qualifies for group B",)
        return (level,) if level == "CTC evaluable" else ("AR-V7 positive",)


def flow_sums(rows: Iterable[Row]) -> list[Sum]:
    """Every sum a reader can write down of the counts of `rows`, before any is hidden.

    1. A sum that must hold and does in this run. What does not add up here (a patient treated who did
       not qualify) is left out: no patient can count on it.
    2. Parts that cannot be more than their total: a sum like 1 where they happen to be equal, for a
       reader will guess so; else the rest is a number from 0 that no patient sees.
    3. One that names a count the run does not have is none.
    """
    found: list[Sum] = []
    for total, parts, open_ in _Flow(rows).sums():
        there = [part for part in parts if part is not None]
        if total is None or not there or len(there) < len(parts):
            continue
        left = total["stat"] - sum(part["stat"] for part in there)
        if left == 0 or (open_ and left > 0):
            found.append((total, there, left > 0))
    return found


class _Subjects(NamedTuple):
    """One number of patients, in however many rows of the ARD it stands."""

    number: int
    cost: int
    small: bool


class _System:
    """The sums over numbers of patients; rows that must be equal are one number."""

    def __init__(self, sums: list[Sum], small_count: int) -> None:
        self.rows = _same_number(sums)
        at = {id(row): place for place, rows in enumerate(self.rows) for row in rows}
        self.subjects = [self._subjects(rows, small_count) for rows in self.rows]
        self.small = {place for place, subjects in enumerate(self.subjects) if subjects.small}
        ranges = [(1, small_count - 1) if subjects.small else (small_count, ceiling(subjects.number, small_count) - 1)
                  for subjects in self.subjects]  # fmt: skip
        self.truth = [subjects.number for subjects in self.subjects]
        self.equations = []
        for total, parts, open_ in sums:
            factors = Counter({at[id(total)]: 1})
            factors.subtract(at[id(part)] for part in parts)
            if open_:
                factors[len(self.truth)] = -1
                self.truth.append(int(total["stat"] - sum(part["stat"] for part in parts)))
                ranges.append((0, _MANY))
            if any(factors.values()):
                self.equations.append(factors)
        self.low, self.high = (list(ends) for ends in zip(*ranges, strict=True))
        for place, subjects in enumerate(self.subjects):
            if not subjects.number:
                self.low[place] = self.high[place] = 0
        # For each small number other numbers that fit as well, found when everything was hidden.
        self.other: dict[int, list[int]] = {}

    @staticmethod
    def _subjects(rows: list[Row], small_count: int) -> _Subjects:
        number = int(rows[0]["stat"])
        costs = [cost(row) for row in rows]
        return _Subjects(number, 0 if 0 in costs else max(costs), 0 < number < small_count)

    def told(self, shown: set[int]) -> set[int]:
        """The small numbers that have a single solution when these numbers are shown."""
        low, high = list(self.low), list(self.high)
        for place in shown:
            low[place] = high[place] = self.truth[place]
        found = set()
        for place in sorted(self.small):
            known = self.other.get(place)
            if known is not None and all(known[p] == self.truth[p] for p in shown):
                continue
            other = other_solution(self.equations, self.truth, low, high, place)
            if other is None:
                found.add(place)
            else:
                self.other[place] = other.tolist()
        return found


def _same_number(sums: list[Sum]) -> list[list[Row]]:
    """The rows of all sums, those together that a sum of one part makes equal."""
    rows = {id(row): row for total, parts, _ in sums for row in (total, *parts)}
    same = {name: name for name in rows}

    def first(name: int) -> int:
        while same[name] != name:
            name = same[name]
        return name

    for total, parts, open_ in sums:
        if len(parts) == 1 and not open_:
            same[first(id(parts[0]))] = first(id(total))
    together: dict[int, list[Row]] = {}
    for name, row in rows.items():
        together.setdefault(first(name), []).append(row)
    return list(together.values())


def ceiling(number: int, small_count: int) -> int:
    """The ten that a count hidden to protect another is printed below: so far above that it says little.

    >>> ceiling(13, 5), ceiling(15, 5), ceiling(16, 5)
    (20, 20, 30)
    """
    return 10 * ((number + small_count - 1) // 10 + 1)


def to_hide(sums: list[Sum], small_count: int) -> list[Row]:
    """The counts that must be hidden beside the small ones so that no small one has one solution.

    `sums` are those of `flow_sums`, with every number in it. A number that stands in several rows
    is hidden in all of them. Everything but 0 is taken as hidden at first; then each number that is
    not small, the dearest (`cost`) and of those the largest first, is shown again if no small one
    then has a single solution that had more before. What is left is hidden.

    The number of treated patients is the denominator of every table of safety and always shown. What it
    tells even so, of 8 treated patients 4 and 4 below a limit of 5, cannot be helped here.
    """
    if not sums:
        return []
    system = _System(sums, small_count)
    whole = range(len(system.subjects))
    shown = {
        place
        for place in whole
        if not system.subjects[place].number or not system.subjects[place].cost
    }
    left = system.told(shown)
    for place in sorted(
        set(whole) - shown - system.small,
        key=lambda one: (-system.subjects[one].cost, -system.subjects[one].number, one),
    ):
        if system.told(shown | {place}) <= left:
            shown.add(place)
    hidden = sorted(set(whole) - shown - system.small)
    return [row for place in hidden for row in system.rows[place]]
