"""Blood that was asked of each man and blood that was drawn, tube by tube."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from sap.audit.independent.again import summary
from sap.audit.independent.counts import Value
from sap.audit.independent.days import Day, earliest, latest, whole
from sap.audit.independent.dosing import in_order
from sap.audit.independent.people import Man, Record
from sap.audit.independent.response import NEW
from sap.plan.model import Plan, SampleSchedule

AGAIN = "B after re-screening"
Row = tuple[str, str, str, dict[str, Value]]
"""Group, paramcd, level, statistics."""
Tables = Mapping[str, Mapping[str, list[Record]]]


class Line(NamedTuple):
    """One man's samples of one kind at one visit."""

    who: str
    episode: str
    category: str
    visit: str | None
    asked: int
    asked_ml: float
    drawn: int
    drawn_ml: float
    extra: bool


class Choice(NamedTuple):
    """The physician's choice of a man of group A: when it began and when it is known to have ended."""

    began: Day
    ended: Day | None


def _choice(man: Man, cm: Sequence[Record], be: Sequence[Record]) -> Choice | None:
    if man.treated and man.first_dose is not None and not man.treated_again:
        return None
    begun = []
    for row in cm:
        if row.get("CMCAT") != "PHYSICIAN'S CHOICE":
            continue
        low, high, to_a = earliest(row.get("CMSTDTC")), latest(row.get("CMSTDTC")), man.allocated
        if low and high and to_a and low < to_a <= high:
            low = to_a
        begun.append((low is None, low or dt.date.max, row["CMSEQ"], row.get("CMDECOD")))
    if not begun or min(begun)[3] is None:
        return None
    unknown, day, _, _ = min(begun)
    began = man.allocated if unknown else day
    return None if began is None else Choice(began, _end(man, began, cm, be))


def _end(man: Man, began: Day, cm: Sequence[Record], be: Sequence[Record]) -> Day | None:
    tubes = [
        whole(row.get("BEDTC"))
        for row in be
        if row.get("BEDECOD") == "COLLECTING"
        and (row.get("BECAT"), row.get("VISIT")) == ("CFDNA PLASMA", "PROGRESSION")
    ]
    known = [day for day in tubes if day is not None]
    if known:
        return min(known)
    if man.second is not None and man.second.day is not None:
        return man.second.day
    later = []
    for row in cm:
        low, high = earliest(row.get("CMSTDTC")), latest(row.get("CMSTDTC"))
        if row.get("CMCAT") not in NEW or low is None or high is None:
            continue
        subsequent = row["CMCAT"] == "SUBSEQUENT ANTICANCER THERAPY"
        if subsequent and low <= began < high:
            low = began + dt.timedelta(days=1)
        if low > began:
            later.append(low)
    if man.treated and man.first_dose is not None and man.first_dose > began:
        later.append(man.first_dose)
    return min(later, default=None)


def _due(
    line: SampleSchedule,
    episode: str,
    man: Man,
    infusions: Sequence[Record],
    choice: Choice | None,
    plan: Plan,
    cut_off: Day,
) -> list[tuple[str, Day | None]]:
    """Visits, and the day on which each was due, of one line of the schedule for one man."""
    first = man.first.day if man.first else None
    second = man.second.day if man.second else None
    if line.when == "screening":
        found = [("RE-SCREENING", second)] if episode == AGAIN else [("SCREENING", first)]
        if episode == "A" and not man.treated_again:
            found.append(("RE-SCREENING", second))
        return [(visit, day) for visit, day in found if day is not None]
    if line.when == "choice":
        return [] if choice is None else _under_choice(man, choice, plan, cut_off)
    made = []
    for number, row in enumerate(infusions[: plan.exposure.max_cycles], start=1):
        visit = f"CYCLE {number}"
        wanted = line.when == "each cycle" or (line.when == "first cycle" and number == 1)
        if wanted or (line.when == "visit" and visit == line.visit):
            made.append((visit, whole(row.get("EXSTDTC"))))
    return made


def _under_choice(
    man: Man, choice: Choice, plan: Plan, cut_off: Day
) -> list[tuple[str, Day | None]]:
    found: list[tuple[str, Day | None]] = [("BASELINE", choice.began)]
    week_12 = choice.began + dt.timedelta(days=plan.samples.choice_days)
    until = cut_off if man.last_alive is None else min(man.last_alive, cut_off)
    if week_12 <= until and not (choice.ended is not None and week_12 >= choice.ended):
        found.append(("WEEK 12", week_12))
    if choice.ended is not None:
        again = man.second is not None and man.second.day is not None
        found.append(("RE-SCREENING" if again else "PROGRESSION", choice.ended))
    return found


def lines(tables: Tables, men: Mapping[str, Man], plan: Plan, cut_off: Day) -> list[Line]:
    """Every line of every man: asked and drawn, asked only, drawn only."""
    found = []
    for who, man in men.items():
        be = [
            row for row in tables.get("be", {}).get(who, []) if row.get("BEDECOD") == "COLLECTING"
        ]
        infusions = in_order(tables["ex"].get(who, []), plan) if man.treated else []
        choice = _choice(man, tables["cm"].get(who, []), be)
        episodes = [(man.group, man.group)] if man.group else [("", "A")]
        episodes += [(AGAIN, "B")] if man.treated_again else []
        seen = set()
        for line in plan.samples.schedule:
            for episode, group in episodes:
                if group != line.group or (line.when != "screening" and not episode):
                    continue
                for visit, day in _due(line, episode, man, infusions, choice, plan, cut_off):
                    twice = episode == AGAIN and line.category == "CFDNA PLASMA"
                    if (twice and visit == "CYCLE 1") or (day is not None and day > cut_off):
                        continue
                    seen.add((line.category, visit))
                    n, ml, _ = _drawn(be, line.category, visit)
                    asked_ml = line.tubes * line.volume_ml
                    found.append(
                        Line(who, episode, line.category, visit, line.tubes, asked_ml, n, ml, False)
                    )
        for kind, at in {(row.get("BECAT"), row.get("VISIT")) for row in be} - seen:
            n, ml, day = _drawn(be, kind, at)
            episode = min(name for name, _ in episodes)
            if man.treated_again and day and man.first_dose and day >= man.first_dose:
                episode = AGAIN
            found.append(Line(who, episode, str(kind), at, 0, 0.0, n, ml, True))
    return found


def _drawn(
    be: Sequence[Record], category: str | None, visit: str | None
) -> tuple[int, float, Day | None]:
    mine = [row for row in be if row.get("BECAT") == category and row.get("VISIT") == visit]
    days = [whole(row.get("BEDTC")) for row in mine]
    volume = sum(float(row.get("BEVOL") or 0) for row in mine)
    return len(mine), volume, min((day for day in days if day is not None), default=None)


def _place(visit: str) -> str:
    head, _, number = visit.partition(" ")
    return f"CYCLE {int(number):02d}" if head == "CYCLE" and number.isdecimal() else visit


def inventory(tables: Tables, men: Mapping[str, Man], plan: Plan, cut_off: Day) -> Iterator[Row]:
    """Every row of `sample_inventory`."""
    totals = plan.samples.planned_ml
    categories = {line.category: None for line in plan.samples.schedule}
    be = tables.get("be", {})
    if not any(row.get("BEDECOD") == "COLLECTING" for rows in be.values() for row in rows):
        for category in categories:
            for name, planned in totals[category].items():
                yield name, category, "", {"n": None, "N": None, "planned_ml": planned}
        return
    every = lines(tables, men, plan, cut_off)
    for category in categories:
        for episode in sorted({one.episode for one in every}):
            mine = [one for one in every if (one.episode, one.category) == (episode, category)]
            if not mine:
                continue
            group = episode or "not allocated"
            yield group, category, "", _visits(mine)
            for visit in {one.visit for one in mine if one.visit is not None}:
                here = [one for one in mine if one.visit == visit]
                yield group, category, _place(visit), _visits(here)
            of_man: dict[str, float] = {}
            for one in mine:
                of_man[one.who] = of_man.get(one.who, 0.0) + one.drawn_ml
            stats = summary(list(of_man.values()))
            stats |= {"expected_ml": sum(o.asked_ml for o in mine), "total": sum(of_man.values())}
            limit = totals[category].get("A" if episode in ("", "A") else "B")
            if limit is not None:
                above = sum(1 for volume in of_man.values() if volume > limit)
                stats |= {"planned_ml": limit, "n_above": above}
            yield group, category, "volume", stats


def _visits(mine: Sequence[Line]) -> dict[str, Value]:
    asked = [one for one in mine if one.asked]
    n = sum(1 for one in asked if one.drawn)
    return {
        "n": n,
        "N": len(asked),
        "estimate": n / len(asked) if asked else None,
        "n_extra": sum(1 for one in mine if one.extra),
        "tubes_expected": sum(one.asked for one in mine),
        "tubes": sum(one.drawn for one in mine),
    }
