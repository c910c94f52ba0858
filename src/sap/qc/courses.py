"""Courses of treatment: the study drug and the physician's choice, with what was measured in each."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from sap.qc.dates import Day, earliest, latest
from sap.qc.psa import Visit, new_therapy, visits
from sap.qc.recist import Scans, begin_of, scans
from sap.qc.study import Study
from sap.qc.subjects import Record, Subject


class Course(NamedTuple):
    """One course of treatment of a subject, from its first day.

    `therapy` is the first day of a new anticancer therapy; `psa` has every value of the subject, in
    order; `scans` the tumour assessments after the first day; `has_scan` whether there is a tumour
    assessment at baseline.
    """

    subject: Subject
    is_choice: bool
    start: Day
    therapy: Day | None
    psa: list[Visit]
    scans: Scans
    has_scan: bool


@lru_cache(maxsize=1)
def courses(study: Study) -> list[Course]:
    """Every course of treatment of a study.

    SAP 4.3: "STUDY, for every patient with a dated first dose of the study drug". "CHOICE, for
    every patient with a dated physician's choice, and for every patient of group A, except those
    treated without re-screening". "NEWTHDT is the first new anticancer therapy after TRTSDT; for a
    CHOICE also the first dose of the study drug."
    """
    of_study = []
    for who, subject in study.subjects.items():
        treated = subject.treated and subject.first_dose is not None
        if treated and subject.first_dose is not None:
            of_study.append(_course(study, subject, subject.first_dose, is_choice=False))
        begun = choice_begun(subject, study.of("cm", who))
        if begun is not None and (not treated or subject.treated_again):
            of_study.append(_course(study, subject, begun, is_choice=True))
    return of_study


def _course(study: Study, subject: Subject, start: Day, *, is_choice: bool) -> Course:
    who, plan = subject.usubjid, study.plan
    domains = {name: study.of(name, who) for name in ("tu", "tr", "rs", "ds")}
    under = replace(subject, first_dose=start) if is_choice else subject
    therapy = new_therapy(under, study.of("cm", who))
    dose = subject.first_dose
    if is_choice and dose is not None and dose > start:
        therapy = dose if therapy is None else min(therapy, dose)
    doses = [] if is_choice else study.of("ex", who)
    values = visits(under, study.of("lb", who), doses, plan) if plan.psa_response else []
    begin = None if is_choice else begin_of(subject, domains)
    of_course = scans(domains, start, begin, plan)
    # SAP 5.4, Assessment at baseline: "1 TU is not in the data: every course, because a baseline
    # scan could not be seen."
    has_scan = not study.records.get("tu") or of_course.has_baseline
    return Course(subject, is_choice, start, therapy, values, of_course, has_scan)


def choice_begun(subject: Subject, cm: Sequence[Record]) -> Day | None:
    """The first day of the physician's choice; None for a subject who has no such course.

    SAP 4.3: "1 TRTSDT is the day the first choice began; a partial date the earliest day it allows,
    but not before the allocation." "2 No dated choice: the day of the allocation."
    """
    first: tuple[Day, float] | None = None
    chosen = [row for row in cm if row.get("CMCAT") == "PHYSICIAN'S CHOICE"]
    for row in chosen:
        low, high = earliest(row.get("CMSTDTC")), latest(row.get("CMSTDTC"))
        if low is None or high is None:
            continue
        if subject.allocated is not None and low < subject.allocated <= high:
            low = subject.allocated
        if first is None or (low, row["CMSEQ"]) < first:
            first = (low, row["CMSEQ"])
    if subject.group != "A" and not chosen:
        return None
    return first[0] if first else subject.allocated
