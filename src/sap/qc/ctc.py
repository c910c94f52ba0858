"""CTC counts and biomarker under treatment, subject by subject."""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sap.plan.entry import stated
from sap.plan.model import Plan
from sap.qc.dates import Day, earliest
from sap.qc.study import Place, QcRow, Study
from sap.qc.subjects import Assay, Record, Subject, assays
from sap.qc.summaries import rate, summary

BEFORE = ("SCREENING", "RE-SCREENING", "CYCLE 1")
METHOD = "records read one by one; exact fractions"


class Count(NamedTuple):
    """One count under treatment and what the biomarker was in that sample."""

    visit: str
    day: Day | None
    number: float
    value: float
    marker: str | None


class Course(NamedTuple):
    """CTC results of one subject: by PARAMCD whether evaluable at baseline, counted again, and met."""

    results: dict[str, tuple[bool, bool, bool]]
    at_visit: Count | None
    change: float | None


def _result(tests: Sequence[Assay], sample: str | None) -> str | None:
    of_sample = [
        one
        for one in tests
        if one.result is not None and sample is not None and one.sample == sample
    ]
    return min(of_sample, key=lambda one: float(one.seq)).result if of_sample else None


def _under_treatment(subject: Subject, cp: Sequence[Record], tests: Sequence[Assay]) -> list[Count]:
    counts = []
    for row in cp:
        count, visit, day = row.get("CPSTRESN"), row.get("VISIT") or "", earliest(row.get("CPDTC"))
        if row.get("CPTESTCD") != "CTC" or count is None or visit in BEFORE:
            continue
        first = subject.first_dose
        if day is not None and first is not None and day < first:
            continue
        named = visit.startswith("CYCLE") or visit == "END OF TREATMENT"
        if named or (day is not None and first is not None and day > first):
            result = _result(tests, row.get("CPREFID"))
            counts.append(Count(visit, day, row["CPSEQ"], float(count), result))
    return counts


def _change(count: float, base: float | None) -> float | None:
    return None if base is None or base <= 0 else round(100 * (count - base) / base, 9)


def course(subject: Subject, cp: Sequence[Record], tests: Sequence[Assay], plan: Plan) -> Course:
    """The CTC results of one treated subject."""
    rule = stated(plan.ctc)
    sample = subject.second if subject.treated_again else subject.first
    base, state = (sample.count, sample.marker) if sample else (None, "")
    on = _under_treatment(subject, cp, tests)
    there = sorted(
        (one for one in on if one.visit == rule.visit),
        key=lambda one: (one.day is None, one.day or dt.date.max, one.number),
    )
    at_visit = there[0] if there else None
    high = base is not None and base >= rule.response_below
    known = [one for one in on if one.marker in ("POSITIVE", "NEGATIVE")]
    results = {
        "CTCRESP": (high, bool(on), any(one.value < rule.response_below for one in on)),
        "CTC0": (base is not None and base >= 1, bool(on), any(one.value == 0 for one in on)),
        "CTCRVIS": (high, bool(there), bool(there) and there[0].value < rule.response_below),
        "MARKNEG": (state == "POSITIVE", bool(known), any(o.marker == "NEGATIVE" for o in known)),
    }
    for depth in rule.depths_pct:
        changes = [_change(one.value, base) for one in on]
        deep = any(change is not None and change <= -depth for change in changes)
        results[f"CTCF{depth:g}"] = (high, bool(on), deep)
    return Course(results, at_visit, _change(at_visit.value, base) if at_visit else None)


def rows(study: Study) -> Iterator[QcRow]:
    """Every row of `ctc_response` and `ctc_course`."""
    marker = stated(study.plan.biomarker)
    courses = {
        who: course(
            subject,
            study.of("cp", who),
            assays({marker.domain: study.of(marker.domain, who)}, marker),
            study.plan,
        )
        for who, subject in study.subjects.items()
        if subject.treated
    }
    for population in ("CTCEVAL", "PRIMARY"):
        inside = study.inside(population)
        n = sum(1 for who in inside if who in courses and all(courses[who].results["CTCRESP"]))
        place = Place("ctc_response", population, paramcd="CTCRESP")
        yield from place.rows(rate(n, len(inside), study.plan), METHOD)
    columns = {
        "PRIMARY": study.inside("PRIMARY"),
        "RESCREENED": study.treated_when_rescreened(),
    }
    names = (
        [name for name in next(iter(courses.values())).results if name != "CTCRESP"]
        if courses
        else []
    )
    for population, subjects in columns.items():
        of_column = [courses[who] for who in subjects]
        for name in names:
            yield from _rates(population, name, [one.results[name] for one in of_column], study)
        counted = [one for one in of_column if one.at_visit is not None]
        counts = summary([one.at_visit.value for one in counted if one.at_visit])
        changes = summary([one.change for one in counted])
        for paramcd, statistics in (("CTC", counts), ("CTCPCHG", changes)):
            place = Place("ctc_course", population, "", paramcd, stated(study.plan.ctc).visit)
            yield from place.rows(statistics, METHOD)


def _rates(
    population: str, name: str, results: Sequence[tuple[bool, bool, bool]], study: Study
) -> Iterator[QcRow]:
    n = sum(1 for result in results if all(result))
    at_baseline = sum(1 for evaluable, _, _ in results if evaluable)
    evaluable = sum(1 for can, counted, _ in results if can and counted)
    for group, total in (("evaluable", evaluable), ("missing_failure", at_baseline)):
        place = Place("ctc_course", population, group, name)
        yield from place.rows(rate(n, total, study.plan), METHOD)
