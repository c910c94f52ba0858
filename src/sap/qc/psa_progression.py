"""PSA progression by a literal loop over visits in exact decimals, and the times it ends.

Written from the rules as section 9.7.1 prints them (SAP 5.3, 5.5); the days are not those of ADTTE.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, NamedTuple

from sap.plan.model import Plan
from sap.qc.dates import Day, earliest, latest
from sap.qc.psa import Course, Visit, new_therapy, visits
from sap.qc.subjects import Record, Subject
from sap.qc.summaries import rate

CASES = (
    "No baseline",
    "No value after the first dose",
    "Confirmed after a fall",
    "Confirmed without a fall",
    "Rise without a value that could confirm it",
    "Rise refuted",
    "Rise in the ignored time only",
    "No rise",
)
ORIGIN = {"screening": "consent", "allocation": "allocated", "first dose": "first_dose"}
GONE = ("LOST TO FOLLOW-UP", "WITHDRAWAL BY SUBJECT")
# Words of the plan: letters, what a new therapy does, and what else is different.
OTHER = {
    "new therapy is an event": ("NT", "event"),
    "new therapy is ignored": ("IT", "ignore"),
    "missed assessments are ignored": ("GAP", ""),
    "unconfirmed progression is an event": ("UNC", ""),
    "from the first dose": ("DOSE", ""),
}


class Rise(NamedTuple):
    """The case of SAP 5.3 that decided, the day of the rise and the day that confirmed it."""

    case: int
    day: Day | None = None
    confirmed: Day | None = None


class Followed(NamedTuple):
    """One course of treatment with all PSA values of the patient, in order."""

    subject: Subject
    choice: bool
    start: Day
    therapy: Day | None
    seen: list[Visit]


class Time(NamedTuple):
    """One time to an event: days, whether it is one, and the word that says what ended it."""

    who: str
    paramcd: str
    words: str
    days: int
    event: bool
    why: str


def followed(
    tables: Mapping[str, Mapping[str, list[Record]]], subjects: Mapping[str, Subject], plan: Plan
) -> list[Followed]:
    """Every course that is followed for PSA: study cabazitaxel, and the physician's choice."""
    found = []
    for who, subject in subjects.items():
        lb, ex, cm = (tables.get(name, {}).get(who, []) for name in ("lb", "ex", "cm"))
        if subject.treated and subject.first_dose is not None:
            seen = visits(subject, lb, ex, plan)
            found.append(
                Followed(subject, False, subject.first_dose, new_therapy(subject, cm), seen)
            )
            if not subject.treated_again:
                continue
        begun = _begun(subject, cm)
        if begun is None:
            continue
        under = replace(subject, first_dose=begun)
        ends = [new_therapy(under, cm)]
        if subject.first_dose is not None and subject.first_dose > begun:
            ends.append(subject.first_dose)
        stop = min((day for day in ends if day is not None), default=None)
        found.append(Followed(subject, True, begun, stop, visits(under, lb, [], plan)))
    return found


def _begun(subject: Subject, cm: Sequence[Record]) -> Day | None:
    """The first day of the physician's choice, or of the allocation where it has no day."""
    first: tuple[Day, float] | None = None
    any_ = False
    for row in cm:
        if row.get("CMCAT") != "PHYSICIAN'S CHOICE":
            continue
        any_ = True
        low, high = earliest(row.get("CMSTDTC")), latest(row.get("CMSTDTC"))
        if low is None or high is None:
            continue
        if subject.allocated is not None and low < subject.allocated <= high:
            low = subject.allocated
        if first is None or (low, row["CMSEQ"]) < first:
            first = (low, row["CMSEQ"])
    if subject.group != "A" and not any_:
        return None
    return first[0] if first else subject.allocated


def progression(course: Followed, plan: Plan, *, to_the_end: bool = False) -> Rise:
    """SAP 5.3 for one course; `to_the_end` reads on under a new therapy."""
    upto = [visit.psa for visit in course.seen if visit.day <= course.start]
    base = upto[-1] if upto else None
    end = None if to_the_end else course.therapy
    after = [v for v in course.seen if v.day > course.start and (end is None or v.day <= end)]
    if base is None:
        return Rise(1)
    if not after:
        return Rise(2)
    best = Rise(8)
    for place, visit in enumerate(after):
        earlier = [base, *(v.psa for v in after[:place])]
        low, fell = min(earlier), any(psa < base for psa in earlier)
        if not _risen(visit.psa, low, plan):
            continue
        rule = plan.psa_progression
        planned = rule.ignore_before_day if fell else rule.no_fall_from_day
        if (visit.day - course.start).days + rule.visit_window_days < planned:
            here = Rise(7)
        else:
            here = _held(visit, after[place + 1 :], low, fell, plan)
        if here.case in (3, 4):
            return here
        if here.case < best.case:
            best = here
    return best


def _risen(psa: Decimal, low: Decimal, plan: Plan) -> bool:
    rule = plan.psa_progression
    percent, more = Decimal(repr(rule.rise_pct)), Decimal(repr(rule.rise_ug_l))
    return round(psa - low * (1 + percent / 100), 9) >= 0 and round(psa - low - more, 9) >= 0


def _held(rise: Visit, later: list[Visit], low: Decimal, fell: bool, plan: Plan) -> Rise:
    rule = plan.psa_progression
    if not fell and not rule.no_fall_confirmed:
        return Rise(4, rise.day, rise.day)
    far = [v for v in later if (v.day - rise.day).days >= rule.confirm_after_days]
    for value in far[:1] if rule.confirmed_by == "next value" else far:
        if _risen(value.psa, low, plan):
            return Rise(3 if fell else 4, rise.day, value.day)
    return Rise(6 if far else 5, rise.day)


def counted(
    courses: Sequence[Followed], subjects: Mapping[str, Subject], plan: Plan
) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Every row of `psa_progression`: population, paramcd, level, statistics."""
    asked = [("PRIMARY", False), ("RESCREENED", False)]
    asked += [("GROUPA", True)] if plan.study.groups else []
    for population, choice in asked:
        inside = [
            who
            for who, subject in subjects.items()
            if population in subject.sets and (choice or subject.treated)
        ]
        mine = [
            progression(course, plan).case
            for course in courses
            if course.choice is choice and course.subject.usubjid in inside
        ]
        paramcd = "PSAPROGA" if choice else "PSAPROG"
        yes = mine.count(3) + mine.count(4)
        known = sum(case > 2 for case in mine)
        stats = rate(yes, len(inside), plan) | {"n_missing": len(inside) - known}
        yield population, paramcd, "", stats
        for case, words in enumerate(CASES, start=1):
            yield population, paramcd, words, {"n": mine.count(case), "N": len(inside)}


def times(
    courses: Sequence[Followed], responses: Mapping[str, Course], plan: Plan
) -> Iterator[Time]:
    """TTPP by every definition, and the duration of a PSA response, by the cases of SAP 5.5."""
    asked: list[tuple[str, str, str]] = [("", "", plan.progression.new_therapy)]
    for words in plan.progression.sensitivity:
        if words in OTHER:
            code, therapy = OTHER[words]
            asked.append((code, words, therapy or plan.progression.new_therapy))
    if not any(course.seen for course in courses):
        return
    for course in courses:
        if course.choice and not plan.study.groups:
            continue
        again = course.subject.treated_again and not course.choice
        for code, definition, therapy in asked:
            if code and again:
                continue
            start = _origin(course, again, code, plan)
            if start is not None:
                name = f"TTPP{code}" + ("RE" if again else "")
                days, event, why = _ended(course, start, (definition, therapy, True), plan)
                yield Time(course.subject.usubjid, name, definition, days, event, why)
        answer = responses.get(course.subject.usubjid)
        fall = answer.results["PSARESP"] if answer is not None else None
        if (
            not course.choice
            and fall is not None
            and fall.result == "Y"
            and fall.decline is not None
        ):
            name = "DOR" + ("RE" if again else "")
            main = ("", plan.progression.new_therapy, False)
            yield Time(course.subject.usubjid, name, "", *_ended(course, fall.decline, main, plan))


def _origin(course: Followed, again: bool, code: str, plan: Plan) -> Day | None:
    if code == "DOSE":
        return course.start
    if again:
        return course.subject.again_allocated
    day: Day | None = getattr(course.subject, ORIGIN[plan.survival.pfs_origin])
    return day


def _ended(
    course: Followed, start: Day, how: tuple[str, str, bool], plan: Plan
) -> tuple[int, bool, str]:
    """Days, event and reason; `how`: the definition's words, what a new therapy does, base asked."""
    words, therapy, needs_base = how
    subject, rule = course.subject, plan.progression
    found = progression(course, plan, to_the_end=therapy == "ignore")
    counts = (3, 4, 5) if words == "unconfirmed progression is an event" else (3, 4)
    events = [(found.day, "PSA PROGRESSION")] if found.case in counts else []
    if therapy == "event":
        events.append((course.therapy, "NEW ANTICANCER THERAPY"))
    days = [(day, what) for day, what in events if day is not None and day >= start]
    first = min(days, key=lambda one: one[0], default=None)
    seen = [v.day for v in course.seen if v.day > course.start and v.day >= start]

    def censored(upto: list[Day], reason: str) -> tuple[int, bool, str]:
        return ((upto[-1] - start).days if upto else 0), False, reason

    if needs_base and progression(course, plan).case == 1:
        return censored([], "NO BASELINE ASSESSMENT")
    switch = course.therapy
    if switch is not None and therapy == "censor" and (first is None or first[0] > switch):
        return censored([day for day in seen if day <= switch], "NEW ANTICANCER THERAPY")
    if first is not None:
        before = [day for day in seen if day < first[0]]
        since = before[-1] if before else max(start, course.start)
        limit = rule.missed_assessments * rule.psa_interval_days + rule.window_days
        gaps = words != "missed assessments are ignored"
        if gaps and first[0] - since > dt.timedelta(days=limit):
            return censored(before, "MISSED ASSESSMENTS BEFORE THE EVENT")
        return (first[0] - start).days, True, first[1]
    if not seen:
        return censored([], "NO ASSESSMENT AFTER BASELINE")
    if subject.left_for in GONE:
        return censored(seen, str(subject.left_for))
    return censored(
        seen,
        "DIED WITHOUT PROGRESSION"
        if subject.died is not None
        else "NO PROGRESSION AT LAST ASSESSMENT",
    )
