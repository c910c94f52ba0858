"""Laboratory grades by a literal loop over each subject's values, in exact decimals."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from sap.catalogue import fold
from sap.plan.model import Plan
from sap.qc import adverse_events, vitals
from sap.qc.ctcae import decimal_of, graded
from sap.qc.dates import clock, complete_day
from sap.qc.quantities import result
from sap.qc.study import LINES, Place, QcRow, Study
from sap.qc.subjects import Record, Subject
from sap.qc.summaries import Value, share

METHOD = "thresholds typed again; a loop over values in exact decimals"
GRADES = ("0", "0 OR 1", "1", "2", "3", "4")
LEVELS = (*GRADES, "NOT GRADED", "NOT MEASURED")
LOWEST = ("grade_1", "severe_grade")


class Course(NamedTuple):
    """The grade at baseline and the worst grade on treatment of one subject in one test."""

    base: str
    worst: str


def courses(
    lb: Mapping[str, list[Record]], subjects: Mapping[str, Subject], plan: Plan
) -> dict[str, dict[str, Course]]:
    """By test and treated subject: the grade at baseline and the worst grade on treatment."""
    graded_: dict[str, dict[str, Course]] = {one.code: {} for one in plan.labs.gradings}
    for who, subject in subjects.items():
        if not subject.treated:
            continue
        for code, testcd, term, _ in plan.labs.gradings:
            records = [row for row in lb.get(who, []) if row.get("LBTESTCD") == testcd]
            graded_[code][who] = _course(subject, records, term, plan)
    return graded_


def _course(subject: Subject, rows: Sequence[Record], term: str, plan: Plan) -> Course:
    values = []
    for row in rows:
        day, value = complete_day(row.get("LBDTC")), result(row, "LB")[0]
        if day is not None and value is not None:
            time = clock(row["LBDTC"])
            values.append((day, -1.0 if time is None else time, row["LBSEQ"], value, row))
    values.sort(key=lambda one: one[:3])
    first, last = subject.first_dose, subject.last_dose
    before = [one for one in values if first is not None and one[0] <= first]
    base = before[-1][3] if before else None

    def grade_of(value: Decimal, row: Record) -> str:
        limits = (decimal_of(row.get("LBSTNRLO")), decimal_of(row.get("LBSTNRHI")))
        return graded(term, value, row.get("LBSTRESU"), limits, base)

    at_base = grade_of(before[-1][3], before[-1][4]) if before else "NOT MEASURED"
    if first is None or last is None:
        return Course(at_base, "NOT MEASURED")
    until = last + dt.timedelta(days=plan.safety.days_after_last_dose)
    later = [grade_of(value, row) for day, _, _, value, row in values if first < day <= until]
    numbers = [grade for grade in later if grade.isdigit()]
    if numbers:
        return Course(at_base, max(numbers))
    worst = "0 OR 1" if "0 OR 1" in later else "NOT GRADED" if later else "NOT MEASURED"
    return Course(at_base, worst)


def is_unknown(of_test: Mapping[str, Course]) -> bool:
    """Whether a test was measured on treatment, or graded, in no subject."""
    return not any(course.worst in GRADES for course in of_test.values())


@lru_cache(maxsize=1)
def grades(study: Study) -> dict[str, dict[str, Course]]:
    """The grades of every test and treated subject of a study."""
    return courses(study.by_subject["lb"], study.subjects, study.plan)


def rows(study: Study) -> Iterator[QcRow]:
    """Every row of `lab_values`, `lab_grade`, `lab_shift` and `lab_reported`."""
    yield from _values(study)
    if "ae" not in study.records:
        return
    of_test = grades(study)
    for code, _, term, _ in study.plan.labs.gradings:
        yield from _worst_grades(study, code, term)
        yield from _shifts(code, of_test[code])
    severe = study.plan.safety.severe_grade
    if severe is None:  # events have no grade
        return
    for code, terms in study.plan.labs.reported_as.items():
        for sublevel, lowest in zip(LOWEST, (1, severe), strict=True):
            for level, statistics in _reported(
                of_test[code], adverse_events.emergent(study), terms, lowest
            ):
                place = Place("lab_reported", "SAFETY", "", code, level, sublevel)
                yield from place.rows(statistics, METHOD)


def _values(study: Study) -> Iterator[QcRow]:
    per = {"mmol/L": 1.0, "g/dL": 10 / 16.114, "g/L": 1 / 16.114}
    for code in study.plan.labs.terms:
        of_subject, measured = [], False
        for who in study.inside("SAFETY"):
            records: list[vitals.Measured] = []
            for row in study.of("lb", who):
                day, value = complete_day(row.get("LBDTC")), result(row, "LB")[0]
                if row.get("LBTESTCD") != code or day is None or value is None:
                    continue
                factor = per.get(row.get("LBSTRESU") or "") if code == "HGB" else 1.0
                measured = True
                if factor is not None:
                    time = clock(row["LBDTC"])
                    place = (day, -1.0 if time is None else time, row["LBSEQ"], row.get("VISIT"))
                    records.append((*place, float(value) * factor))
            days = study.plan.safety.days_after_last_dose
            of_subject.append(vitals.visits(records, study.subjects[who], days))
        if measured:
            yield from vitals.over_time("lab_values", code, of_subject)


def _id(grade: str) -> str:
    """The key of a grade in the ARD."""
    return grade.lower().replace(" ", "_")


def _worst_grades(study: Study, code: str, term: str) -> Iterator[QcRow]:
    of_test, severe = grades(study)[code], study.plan.safety.severe_grade
    for group in LINES:
        worst = [
            course.worst
            for who, course in of_test.items()
            if not group or study.subjects[who].line == group
        ]
        counts = {_id(grade): worst.count(grade) for grade in LEVELS}
        if severe is not None:
            counts["severe_grade"] = sum(1 for g in worst if g.isdigit() and int(g) >= severe)
        worse = [
            _is_worse(course)
            for who, course in of_test.items()
            if not group or study.subjects[who].line == group
        ]
        counts["worsened"] = worse.count(True)
        for level, n in counts.items():
            statistics = share(n, len(worst))
            if level == "worsened" and None in worse:
                statistics["estimate"] = None
            if is_unknown(of_test) and not level.startswith("not_"):
                statistics |= {"n": None, "estimate": None}
            if level == "0" and not group:
                statistics["term"] = term
            yield from Place("lab_grade", "SAFETY", group, code, level).rows(statistics, METHOD)


def _is_worse(course: Course) -> bool | None:
    """Whether the worst grade is above that at baseline; None where it depends on what "0 OR 1" is."""
    if course.base.startswith("NOT") or course.worst.startswith("NOT"):
        return False
    answers = {
        int(worst) > int(base)
        for base in course.base.split(" OR ")
        for worst in course.worst.split(" OR ")
    }
    return answers.pop() if len(answers) == 1 else None


def _shifts(code: str, of_test: Mapping[str, Course]) -> Iterator[QcRow]:
    for base in LEVELS:
        for worst in LEVELS:
            n = sum(1 for course in of_test.values() if course == (base, worst))
            if n == 0 and {base, worst} & {"0 OR 1", "NOT GRADED", "NOT MEASURED"}:
                continue  # such a row exists only when a subject is in it
            hidden = is_unknown(of_test) and not worst.startswith("NOT")
            statistics: dict[str, Value] = {"n": None if hidden else n, "N": len(of_test)}
            place = Place("lab_shift", "SAFETY", "", code, _id(base), _id(worst))
            yield from place.rows(statistics, METHOD)


def _reported(
    of_test: Mapping[str, Course],
    reported: Mapping[str, list[tuple[str, int | None]]],
    terms: Sequence[str],
    lowest: int,
) -> Iterator[tuple[str, dict[str, Value]]]:
    counts = dict.fromkeys(
        ("laboratory", "reported", "both", "laboratory_only", "reported_only", "neither"), 0
    )
    bounds: set[str] = set()
    for who, course in of_test.items():
        lab = course.worst.isdigit() and int(course.worst) >= lowest
        event = any(
            fold(term) in [fold(one) for one in terms]
            and (lowest == 1 if grade is None else grade >= lowest)
            for term, grade in reported.get(who, [])
        )
        counts["laboratory"] += lab
        counts["reported"] += event
        both = {(True, True): "both", (True, False): "laboratory_only"}
        both |= {(False, True): "reported_only", (False, False): "neither"}
        counts[both[lab, event]] += 1
        if lowest == 1 and course.worst == "0 OR 1":
            bounds |= {"laboratory", both[True, event], both[False, event]}
    for level, n in counts.items():
        statistics = share(n, len(of_test))
        if level != "reported" and is_unknown(of_test):
            statistics |= {"n": None, "estimate": None}
        if level in bounds:
            statistics["estimate"] = None
        yield level, statistics
