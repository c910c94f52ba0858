"""The blood samples planned for each subject and the samples collected, tube by tube."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from sap.plan.entry import stated
from sap.plan.model import Plan, SampleSchedule
from sap.qc.dates import Day, complete_day, earliest, latest
from sap.qc.exposure import in_order
from sap.qc.psa import NEW
from sap.qc.study import Place, QcRow, Study
from sap.qc.subjects import Record, Subject
from sap.qc.summaries import Value, summary

METHOD = "records read one by one; exact fractions"
AGAIN = "B after re-screening"
Row = tuple[str, str, str, dict[str, Value]]
"""Group, paramcd, level, statistics."""
Tables = Mapping[str, Mapping[str, list[Record]]]


class Line(NamedTuple):
    """One patient's samples of one kind at one visit."""

    who: str
    episode: str
    category: str
    visit: str | None
    expected: int
    expected_ml: float
    drawn: int
    drawn_ml: float
    extra: bool


class Choice(NamedTuple):
    """The physician's choice of a patient of group A: when it began and when it is known to have ended."""

    began: Day
    ended: Day | None


def _choice(subject: Subject, cm: Sequence[Record], be: Sequence[Record]) -> Choice | None:
    if subject.treated and subject.first_dose is not None and not subject.treated_again:
        return None
    begun = []
    for row in cm:
        if row.get("CMCAT") != "PHYSICIAN'S CHOICE":
            continue
        low, high, to_a = (
            earliest(row.get("CMSTDTC")),
            latest(row.get("CMSTDTC")),
            subject.allocated,
        )
        if low and high and to_a and low < to_a <= high:
            low = to_a
        begun.append((low is None, low or dt.date.max, row["CMSEQ"], row.get("CMDECOD")))
    if not begun or min(begun)[3] is None:
        return None
    unknown, day, _, _ = min(begun)
    began = subject.allocated if unknown else day
    return None if began is None else Choice(began, _end(subject, began, cm, be))


def _end(subject: Subject, began: Day, cm: Sequence[Record], be: Sequence[Record]) -> Day | None:
    tubes = [
        complete_day(row.get("BEDTC"))
        for row in be
        if row.get("BEDECOD") == "COLLECTING"
        and (row.get("BECAT"), row.get("VISIT")) == ("CFDNA PLASMA", "PROGRESSION")
    ]
    known = [day for day in tubes if day is not None]
    if known:
        return min(known)
    if subject.second is not None and subject.second.day is not None:
        return subject.second.day
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
    if subject.treated and subject.first_dose is not None and subject.first_dose > began:
        later.append(subject.first_dose)
    return min(later, default=None)


def _due(
    line: SampleSchedule,
    episode: str,
    subject: Subject,
    infusions: Sequence[Record],
    choice: Choice | None,
    plan: Plan,
    cut_off: Day,
) -> list[tuple[str, Day | None]]:
    """Visits, and the day on which each was due, of one line of the schedule for one patient."""
    first = subject.first.day if subject.first else None
    second = subject.second.day if subject.second else None
    if line.when == "screening":
        due = [("RE-SCREENING", second)] if episode == AGAIN else [("SCREENING", first)]
        if episode == "A" and not subject.treated_again:
            due.append(("RE-SCREENING", second))
        return [(visit, day) for visit, day in due if day is not None]
    if line.when == "choice":
        return [] if choice is None else _under_choice(subject, choice, plan, cut_off)
    made = []
    for number, row in enumerate(infusions[: plan.exposure.max_cycles], start=1):
        visit = f"CYCLE {number}"
        wanted = line.when == "each cycle" or (line.when == "first cycle" and number == 1)
        if wanted or (line.when == "visit" and visit == line.visit):
            made.append((visit, complete_day(row.get("EXSTDTC"))))
    return made


def _under_choice(
    subject: Subject, choice: Choice, plan: Plan, cut_off: Day
) -> list[tuple[str, Day | None]]:
    due: list[tuple[str, Day | None]] = [("BASELINE", choice.began)]
    week_12 = choice.began + dt.timedelta(days=stated(plan.samples).choice_days)
    until = cut_off if subject.last_alive is None else min(subject.last_alive, cut_off)
    if week_12 <= until and not (choice.ended is not None and week_12 >= choice.ended):
        due.append(("WEEK 12", week_12))
    if choice.ended is not None:
        again = subject.second is not None and subject.second.day is not None
        due.append(("RE-SCREENING" if again else "PROGRESSION", choice.ended))
    return due


def lines(tables: Tables, subjects: Mapping[str, Subject], plan: Plan, cut_off: Day) -> list[Line]:
    """Every line of every subject: expected and drawn, expected only, drawn only."""
    every_line = []
    for who, subject in subjects.items():
        be = [
            row for row in tables.get("be", {}).get(who, []) if row.get("BEDECOD") == "COLLECTING"
        ]
        infusions = in_order(tables["ex"].get(who, []), plan) if subject.treated else []
        choice = _choice(subject, tables["cm"].get(who, []), be)
        episodes = [(subject.group, subject.group)] if subject.group else [("", "A")]
        episodes += [(AGAIN, "B")] if subject.treated_again else []
        seen = set()
        for line in stated(plan.samples).schedule:
            for episode, group in episodes:
                if group != line.group or (line.when != "screening" and not episode):
                    continue
                for visit, day in _due(line, episode, subject, infusions, choice, plan, cut_off):
                    twice = episode == AGAIN and line.category == "CFDNA PLASMA"
                    if (twice and visit == "CYCLE 1") or (day is not None and day > cut_off):
                        continue
                    seen.add((line.category, visit))
                    n, ml, _ = _drawn(be, line.category, visit)
                    expected_ml = line.tubes * line.volume_ml
                    place = (who, episode, line.category, visit)
                    every_line.append(Line(*place, line.tubes, expected_ml, n, ml, False))
        for kind, at in {(row.get("BECAT"), row.get("VISIT")) for row in be} - seen:
            n, ml, day = _drawn(be, kind, at)
            episode = min(name for name, _ in episodes)
            if subject.treated_again and day and subject.first_dose and day >= subject.first_dose:
                episode = AGAIN
            every_line.append(Line(who, episode, str(kind), at, 0, 0.0, n, ml, True))
    return every_line


def _drawn(
    be: Sequence[Record], category: str | None, visit: str | None
) -> tuple[int, float, Day | None]:
    tubes = [row for row in be if row.get("BECAT") == category and row.get("VISIT") == visit]
    days = [complete_day(row.get("BEDTC")) for row in tubes]
    volume = sum(float(row.get("BEVOL") or 0) for row in tubes)
    return len(tubes), volume, min((day for day in days if day is not None), default=None)


GROUPS = {AGAIN: "b_rescreened", "": "not_allocated"}


def rows(study: Study) -> Iterator[QcRow]:
    """Every row of `sample_inventory`."""
    of_inventory = inventory(study.by_subject, study.subjects, study.plan, study.cut_off)
    for group, paramcd, level, statistics in of_inventory:
        place = Place("sample_inventory", "SCREENED", group, paramcd, level)
        yield from place.rows(statistics, METHOD)


def inventory(
    tables: Tables, subjects: Mapping[str, Subject], plan: Plan, cut_off: Day
) -> Iterator[Row]:
    """Group, paramcd, level and statistics of every row of `sample_inventory`."""
    totals = stated(plan.samples).planned_ml
    categories = {line.category: None for line in stated(plan.samples).schedule}
    be = tables.get("be", {})
    if not any(row.get("BEDECOD") == "COLLECTING" for rows in be.values() for row in rows):
        for category in categories:
            for name, planned in totals[category].items():
                yield name, category, "", {"n": None, "N": None, "planned_ml": planned}
        return
    every = lines(tables, subjects, plan, cut_off)
    for category in categories:
        for episode in sorted({one.episode for one in every}):
            selected = [one for one in every if (one.episode, one.category) == (episode, category)]
            if not selected:
                continue
            group = GROUPS.get(episode, episode)
            yield group, category, "", _visits(selected)
            for visit in {one.visit for one in selected if one.visit is not None}:
                here = [one for one in selected if one.visit == visit]
                yield group, category, visit, _visits(here)
            of_subject: dict[str, float] = {}
            for one in selected:
                of_subject[one.who] = of_subject.get(one.who, 0.0) + one.drawn_ml
            stats = summary(list(of_subject.values()))
            stats |= {
                "expected_ml": sum(o.expected_ml for o in selected),
                "total": sum(of_subject.values()),
            }
            limit = totals[category].get("A" if episode in ("", "A") else "B")
            if limit is not None:
                above = sum(1 for volume in of_subject.values() if volume > limit)
                stats |= {"planned_ml": limit, "n_above": above}
            yield group, category, "volume", stats


def _visits(selected: Sequence[Line]) -> dict[str, Value]:
    expected = [one for one in selected if one.expected]
    n = sum(1 for one in expected if one.drawn)
    return {
        "n": n,
        "N": len(expected),
        "estimate": n / len(expected) if expected else None,
        "n_extra": sum(1 for one in selected if one.extra),
        "tubes_expected": sum(one.expected for one in selected),
        "tubes": sum(one.drawn for one in selected),
    }
