"""Subjects who were re-screened, counted one after another, and the days to allocation."""

from collections.abc import Iterator

from sap.plan.model import Plan
from sap.qc.study import Place, QcRow, Study
from sap.qc.subjects import Subject
from sap.qc.summaries import Value, rate, summary

METHOD = "subjects counted one by one; statsmodels; exact fractions"
ALL = "all"
STATES = {
    "marker_negative": "NEGATIVE",
    "marker_undetermined": "UNDETERMINED",
    "marker_not_done": "NOT DONE",
    "marker_positive": "POSITIVE",
}


def rows(study: Study) -> Iterator[QcRow]:
    """Every row of `rescreening` and `allocation_time`."""
    subjects = [study.subjects[who] for who in study.inside("RESCREENED")]
    rescreened = [s for s in subjects if s.second is not None and s.second.day]
    yield from _conversions(rescreened, study.plan)
    yield from _times(rescreened, study.plan)
    yield from _days_to_allocation(study)


def _place(paramcd: str, level: str, group: str = "") -> Place:
    return Place("rescreening", "RESCREENED", group, paramcd, level)


def _conversions(rescreened: list[Subject], plan: Plan) -> Iterator[QcRow]:
    wanted, least = "POSITIVE", plan.cells_required
    for level, state in {ALL: None, **STATES}.items():
        here = [s for s in rescreened if state is None or (s.first and s.first.marker == state)]
        converted = [s for s in here if s.second is not None and s.second.marker == wanted]
        known = [s for s in here if s.second and s.second.marker in ("POSITIVE", "NEGATIVE")]
        enough = [s for s in converted if s.second and (s.second.count or 0) >= least]
        treated = [s for s in here if s.treated_again]
        for paramcd, group, n, total in (
            ("CONVERT", "all", len(converted), len(here)),
            ("CONVERT", "determined", len(converted), len(known)),
            ("QUALIFY", "", len(enough), len(here)),
            ("TREATED", "", len(treated), len(here)),
        ):
            yield from _place(paramcd, level, group).rows(rate(n, total, plan), METHOD)
    after = sum(1 for s in rescreened if s.choice_before_again)
    yield from _place("AFTER", ALL).rows(rate(after, len(rescreened), plan), METHOD)


def _times(rescreened: list[Subject], plan: Plan) -> Iterator[QcRow]:
    months = [_months(subject, plan) for subject in rescreened]
    converted = [
        time
        for subject, time in zip(rescreened, months, strict=True)
        if subject.second and subject.second.marker == "POSITIVE"
    ]
    yield from _place("TIMERESC", ALL).rows(summary(months), METHOD)
    yield from _place("TIMERESC", "converted").rows(summary(converted), METHOD)
    yield from _place("CTCCHG", ALL).rows(summary([_change(s) for s in rescreened]), METHOD)


def _months(subject: Subject, plan: Plan) -> float | None:
    if (
        subject.first is None
        or subject.second is None
        or not subject.first.day
        or not subject.second.day
    ):
        return None
    return (subject.second.day - subject.first.day).days / plan.survival.days_per_month


def _change(subject: Subject) -> float | None:
    if subject.first is None or subject.second is None:
        return None
    if subject.first.count is None or subject.second.count is None:
        return None
    return subject.second.count - subject.first.count


def _days_to_allocation(study: Study) -> Iterator[QcRow]:
    first = [(s.first, s.allocated) for s in study.subjects.values()]
    second = [(s.second, s.again_allocated) for s in study.subjects.values()]
    for level, pairs in (("first_screening", first), ("rescreening", second)):
        days: list[float | None] = [
            float((allocated - sample.day).days)
            for sample, allocated in pairs
            if sample is not None and sample.day and allocated is not None
        ]
        place = Place("allocation_time", "SCREENED", level=level)
        statistics: dict[str, Value] = summary(days)
        yield from place.rows(statistics, METHOD)
