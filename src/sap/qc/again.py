"""The patients who came again, counted one after another; and summaries of numbers in exact order."""

import math
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

from sap.plan.model import Plan
from sap.qc.counts import Value, rate
from sap.qc.people import Subject

STATES = {
    "AR-V7 negative at first": "NEGATIVE",
    "AR-V7 undetermined at first": "UNDETERMINED",
    "AR-V7 not done at first": "NOT DONE",
    "AR-V7 positive at first": "POSITIVE",
}
Row = tuple[str, str, str, dict[str, Value]]  # group, paramcd, level, statistics


def summary(values: Sequence[float | None]) -> dict[str, Value]:
    """n, missing, mean, sd, median, quartiles and range; a quartile on a step is the middle of it."""
    known = sorted(Fraction(v) for v in values if v is not None and not math.isnan(v))
    names = ("mean", "sd", "median", "q1", "q3", "min", "max")
    found: dict[str, Value] = {"n": len(known), "n_missing": len(values) - len(known)}
    if not known:
        return found | dict.fromkeys(names)
    n = len(known)
    mean = sum(known, Fraction(0)) / n
    spread = math.sqrt(sum((v - mean) ** 2 for v in known) / (n - 1)) if n > 1 else None

    def at(share: Fraction) -> float:
        place = share * n
        if place.denominator == 1:
            return float((known[max(int(place) - 1, 0)] + known[min(int(place), n - 1)]) / 2)
        return float(known[math.floor(place)])

    quartiles = {q: at(Fraction(k, 4)) for q, k in (("q1", 1), ("median", 2), ("q3", 3))}
    ends: dict[str, Value] = {"min": float(known[0]), "max": float(known[-1])}
    return found | {"mean": float(mean), "sd": spread} | quartiles | ends


def rescreened(subjects: Mapping[str, Subject], plan: Plan) -> Iterator[Row]:
    """Every row of `rescreening`."""
    came = [
        m
        for m in subjects.values()
        if "RESCREENED" in m.sets and m.second is not None and m.second.day
    ]
    wanted, least = plan.screening.arv7, plan.screening.ctc_minimum
    for words, state in {"All re-screened": None, **STATES}.items():
        here = [m for m in came if state is None or (m.first is not None and m.first.arv7 == state)]
        turned = [m for m in here if m.second is not None and m.second.arv7 == wanted]
        known = [m for m in here if m.second and m.second.arv7 in ("POSITIVE", "NEGATIVE")]
        enough = [m for m in turned if m.second and (m.second.count or 0) >= least]
        treated = [m for m in here if m.treated_again]
        yield "all", "CONVERT", words, rate(len(turned), len(here), plan)
        yield "determined", "CONVERT", words, rate(len(turned), len(known), plan)
        yield "", "QUALIFY", words, rate(len(enough), len(here), plan)
        yield "", "TREATED", words, rate(len(treated), len(here), plan)
    after = sum(1 for m in came if m.choice_before_again)
    yield "", "AFTER", "All re-screened", rate(after, len(came), plan)
    months = [_months(m, plan) for m in came]
    yield "", "TIMERESC", "All re-screened", summary(months)
    turned_at = [
        t for m, t in zip(came, months, strict=True) if m.second and m.second.arv7 == wanted
    ]
    yield "", "TIMERESC", "Converted", summary(turned_at)
    yield "", "CTCCHG", "All re-screened", summary([_change(m) for m in came])


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


def waited(subjects: Mapping[str, Subject]) -> Iterator[tuple[str, dict[str, Value]]]:
    """Every row of `allocation_time`: days from sample to allocation."""
    first = [(m.first, m.allocated) for m in subjects.values()]
    again = [(m.second, m.again_allocated) for m in subjects.values()]
    for level, pairs in (("First screening", first), ("Re-screening", again)):
        days = [(to - s.day).days for s, to in pairs if s is not None and s.day and to is not None]
        yield level, summary([float(d) for d in days])
