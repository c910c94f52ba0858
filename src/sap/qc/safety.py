"""Adverse events, deaths and the plan's rates of interest, subject by subject."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from sap.catalogue.codelists import fold
from sap.plan.model import Plan, SafetyRate
from sap.qc import adverse_events, labs, toxicity_boundary
from sap.qc.study import LINES, Place, QcRow, Study
from sap.qc.subjects import Record, Subject
from sap.qc.summaries import Value, rate, share

CAUSES = ("adverse_event_related", "adverse_event_unrelated", "progression", "not_recorded")
RELATED = ("POSSIBLY RELATED", "PROBABLY RELATED", "RELATED")
METHOD = "SQL over the frozen records; events and deaths subject by subject; statsmodels"


def _fatal(row: Record, plan: Plan) -> bool:
    grade = row.get("AETOXGR") if plan.safety.by == "grade" else None
    five = grade is not None and str(grade).strip() == "5"
    return five or row.get("AEOUT") == "FATAL" or row.get("AESDTH") == "Y"


def cause(subject: Subject, ae: Sequence[Record], plan: Plan) -> str:
    """The cause of a death, from the fatal events and the reason for the end of treatment."""
    fatal = [row for row in ae if _fatal(row, plan)]
    disease = {fold(term) for term in plan.deaths.progression_terms}
    other = [row for row in fatal if fold(row.get("AEDECOD") or "") not in disease]
    if any(row.get("AEREL") is None or row["AEREL"] in RELATED for row in other):
        return CAUSES[0]
    if other:
        return CAUSES[1]
    return CAUSES[2] if fatal or subject.stopped_for == "PROGRESSIVE DISEASE" else CAUSES[3]


def _when(subject: Subject, plan: Plan) -> str:
    within = plan.safety.days_after_last_dose
    if subject.died is None or subject.last_dose is None:
        return "day_unknown"
    if (subject.died - subject.last_dose).days <= within:
        return "within_window"
    return "after_window"


@lru_cache(maxsize=1)
def dead(study: Study) -> dict[str, tuple[str, str]]:
    """The time and the cause of each death of a treated subject."""
    return {
        who: (_when(subject, study.plan), cause(subject, study.of("ae", who), study.plan))
        for who, subject in study.subjects.items()
        if subject.treated and subject.died is not None
    }


def rows(study: Study) -> Iterator[QcRow]:
    """Every row about adverse events, deaths and toxicities of treated subjects."""
    yield from _boundary(study)
    if "ae" not in study.records:
        return
    yield from adverse_events.rows(study)
    yield from deaths(study)
    for wanted in study.plan.safety_rates.rates:
        place = Place("ae_rates", "SAFETY", "", wanted.kind.upper(), wanted.id)
        for group in LINES:
            statistics = _rate(wanted, _of(study, group), study)
            yield from place._replace(group=group).rows(statistics, METHOD)
        if wanted.reference is not None:
            other = study.references.of(wanted.reference)
            published = rate(other.n, other.total, study.plan)
            published |= {"definition": other.definition, "source": other.source}
            yield from place._replace(group=other.trial).rows(published, METHOD)
    yield from _toxicities(study)


def _of(study: Study, group: str) -> list[str]:
    return [
        who
        for who, subject in study.subjects.items()
        if subject.treated and (not group or subject.line == group)
    ]


def deaths(study: Study) -> Iterator[QcRow]:
    """Every row of `deaths`."""
    died = dead(study)
    levels = ("all", "within_window", "after_window", "day_unknown")
    for group in LINES:
        subjects = _of(study, group)
        for level in levels:
            for why in ("", *CAUSES):
                n = 0
                for who in subjects:
                    at, of = died.get(who, (None, None))
                    n += at is not None and level in ("all", at) and why in ("", of)
                place = Place("deaths", "SAFETY", group, "DEATH", level, why)
                yield from place.rows(share(n, len(subjects)), METHOD)
            of_disease = [
                any(_fatal(row, study.plan) for row in study.of("ae", who))
                for who in subjects
                if died.get(who, ("", ""))[1] == CAUSES[2] and level in ("all", died[who][0])
            ]
            place = Place("deaths", "SAFETY", group, "DEATH", level, "progression_reported")
            yield from place.rows(share(of_disease.count(True), len(subjects)), METHOD)
            place = place._replace(sublevel="progression_inferred")
            yield from place.rows(share(of_disease.count(False), len(subjects)), METHOD)


def _lowest(wanted: SafetyRate) -> int | None:
    """The lowest grade of a rate, or the place of its lowest severity."""
    if wanted.from_severity is None:
        return wanted.from_grade
    return {"MILD": 1, "MODERATE": 2, "SEVERE": 3}[wanted.from_severity]


def _ungraded(
    wanted: SafetyRate, who: Sequence[str], reported: Mapping[str, list[tuple[str, int | None]]]
) -> int:
    """Of how many the only events of these terms that could count have no grade."""
    n = 0
    for subject in who:
        grades = [g for term, g in reported.get(subject, []) if term.upper() in wanted.terms]
        counts = any(g is not None and g >= (_lowest(wanted) or 1) for g in grades)
        n += None in grades and not counts
    return n


def _rate(wanted: SafetyRate, who: Sequence[str], study: Study) -> dict[str, Value]:
    plan, died, reported = study.plan, dead(study), adverse_events.emergent(study)
    names = ("n", "estimate", "conf_low", "conf_high")
    lowest = _lowest(wanted)
    if lowest is None:
        yes = [w for w in who if w in died and died[w][0] == "within_window"]
        return rate(sum(1 for w in yes if died[w][1] != "progression"), len(who), plan)
    if wanted.kind == "reported":
        n = sum(
            1
            for w in who
            if any(
                fold(term) in [fold(one) for one in wanted.terms]
                and (lowest == 1 if grade is None else grade >= lowest)
                for term, grade in reported.get(w, [])
            )
        )
        statistics = rate(n, len(who), plan) | {"n_ungraded": _ungraded(wanted, who, reported)}
        if lowest < (plan.safety_rates.collected_from_grade or 1):
            statistics |= dict.fromkeys(names)
        return statistics
    code = next(one.code for one in plan.labs.gradings if one.term in wanted.terms)
    of_test = labs.grades(study)[code]
    worst = [of_test[w].worst for w in who]
    n = sum(1 for grade in worst if grade.isdigit() and int(grade) >= lowest)
    open_ = worst.count("0 OR 1") if lowest == 1 else 0
    statistics = rate(n, len(who), plan)
    if open_:
        most = rate(n + open_, len(who), plan)
        ends: dict[str, Value] = {
            "n_missing": open_,
            "estimate_lowest": statistics["estimate"],
            "estimate_highest": most["estimate"],
        }
        statistics |= ends | {"estimate": None, "conf_high": most["conf_high"]}
    if labs.is_unknown(of_test):
        statistics |= dict.fromkeys(names)
    return statistics


def _boundary(study: Study) -> Iterator[QcRow]:
    """The boundary for toxicity, which needs no subject."""
    rule = study.plan.toxicity_monitoring
    if rule is None:
        return
    for level, statistics in toxicity_boundary.lines(rule).items():
        place = Place("toxicity_boundary", "SAFETY", paramcd="TOX", level=level)
        yield from place.rows(statistics, METHOD)
    for level, statistics in toxicity_boundary.by_patients(rule).items():
        place = Place("toxicity_monitoring", "SAFETY", paramcd="TOX", level=level)
        yield from place.rows(statistics, METHOD)


def with_toxicity(study: Study) -> set[str]:
    """The subjects with a treatment-emergent event that counts against the boundary for toxicity."""
    rule = study.plan.toxicity_monitoring
    if rule is None:
        return set()
    terms = {fold(term) for term in rule.terms}
    return {
        who
        for who, events in adverse_events.emergent(study).items()
        if any(
            fold(term) in terms and grade is not None and grade >= rule.from_grade
            for term, grade in events
        )
    }


def _toxicities(study: Study) -> Iterator[QcRow]:
    """The number of subjects with a toxicity after each treated subject, and the boundary's decision."""
    plan, toxic = study.plan, with_toxicity(study)
    rule = plan.toxicity_monitoring
    if rule is None:
        return
    here = Place("toxicity_monitoring", "SAFETY", paramcd="TOX")
    order = sorted((m.first_dose or dt.date.max, w) for w, m in study.subjects.items() if m.treated)
    seen, counted = 0, []
    for place, (_, who) in enumerate(order, start=1):
        seen += who in toxic
        counted.append(seen)
        if place <= rule.patients:
            yield from here._replace(level=str(place)).rows({"n": seen}, METHOD)
    planned = {"p0": rule.p0, "alpha": rule.alpha, "patients_planned": rule.patients}
    state = toxicity_boundary.state(rule, counted)
    yield from here.rows({"N": len(order), "n": seen, **planned, **state}, METHOD)
