"""How many subjects had taken each step by the end of each month."""

import calendar
import datetime as dt
from collections.abc import Iterator

from sap.qc.dates import Day
from sap.qc.study import Place, QcRow, Study
from sap.qc.subjects import Subject
from sap.qc.summaries import Value, rate

METHOD = "dates of each subject, compared one by one; statsmodels"
STEPS = ("CONSENTED", "SAMPLED", "QUALIFIED", "ALLOCATED", "TREATED")


def _steps(subject: Subject, study: Study) -> dict[str, Day | None]:
    """The day of each step of one subject."""
    rule, first = study.plan.biomarker, subject.first
    sampled = first.day if first and "SCREENED" in subject.sets else None
    qualifies = (
        first is not None
        and first.marker == "POSITIVE"
        and rule is not None
        and (rule.cell_count is None or (first.count or 0) >= rule.cell_count.minimum)
    )
    to_b = [subject.allocated if subject.group == "B" else None, subject.again_allocated]
    return {
        "CONSENTED": subject.consent,
        "SAMPLED": sampled,
        "QUALIFIED": sampled if qualifies else None,
        "ALLOCATED": min((day for day in to_b if day), default=None),
        "TREATED": subject.first_dose if subject.treated else None,
    }


def _dates(study: Study) -> Iterator[QcRow]:
    """The dates of the first and the last subject, unless the plan has published ones."""
    protocol = study.plan.protocol
    if protocol is not None and protocol.dates is not None:
        return
    subjects = list(study.subjects.values())
    consents = sorted(subject.consent for subject in subjects if subject.consent)
    doses = sorted(s.first_dose for s in subjects if s.treated and s.first_dose)
    contacts = sorted(subject.last_alive for subject in subjects if subject.last_alive)
    ends = {
        "first_consent": consents[:1],
        "first_dose": doses[:1],
        "last_consent": consents[-1:],
        "last_contact": contacts[-1:],
    }
    for level, days in ends.items():
        for day in days:
            place = Place("study_dates", "SCREENED", level=level)
            yield from place.rows({"date": f"{day:%Y-%m-%d}"}, METHOD)


def rows(study: Study) -> Iterator[QcRow]:
    """Every row of `accrual` and `study_dates`."""
    yield from _dates(study)
    taken = [_steps(subject, study) for subject in study.subjects.values()]
    consents = [steps["CONSENTED"] for steps in taken if steps["CONSENTED"]]
    consents = consents or [steps["TREATED"] for steps in taken if steps["TREATED"]]
    if not consents:
        return
    cut_off = study.cut_off
    year, month = min(consents).year, min(consents).month
    while (year, month) <= (cut_off.year, cut_off.month):
        until = min(dt.date(year, month, calendar.monthrange(year, month)[1]), cut_off)
        counts = {
            name: sum(1 for steps in taken if (day := steps[name]) and day <= until)
            for name in STEPS
        }
        for name, n in counts.items():
            statistics: dict[str, Value] = {"n": n}
            if name == "QUALIFIED":
                statistics = rate(n, counts["SAMPLED"], study.plan)
            place = Place("accrual", "SCREENED", paramcd=name, level=f"{year}-{month:02d}")
            yield from place.rows(statistics, METHOD)
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
