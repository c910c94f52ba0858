"""Deaths of treated patients and the plan's rates of interest, patient by patient."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence

from sap.catalogue.codelists import fold
from sap.plan.model import Plan, SafetyRate
from sap.plan.references import References
from sap.qc import boundary
from sap.qc.counts import Value, rate
from sap.qc.laboratory import Course, unknown
from sap.qc.people import Record, Subject

CAUSES = ("Adverse event, related", "Adverse event, not related", "Progression", "Not recorded")
RELATED = ("POSSIBLY RELATED", "PROBABLY RELATED", "RELATED")
LINES = ("", "second line", "third line")
Row = tuple[str, str, str, str, str, dict[str, Value]]
"""Analysis, group, paramcd, level, sublevel, statistics."""


def _fatal(row: Record) -> bool:
    grade = row.get("AETOXGR")
    five = grade is not None and str(grade).strip() == "5"
    return five or row.get("AEOUT") == "FATAL" or row.get("AESDTH") == "Y"


def cause(subject: Subject, ae: Sequence[Record], plan: Plan) -> str:
    """Of what a patient died, by his fatal events and by what ended his treatment."""
    fatal = [row for row in ae if _fatal(row)]
    disease = {fold(term) for term in plan.deaths.progression_terms}
    harm = [row for row in fatal if fold(row.get("AEDECOD") or "") not in disease]
    if any(row.get("AEREL") is None or row["AEREL"] in RELATED for row in harm):
        return CAUSES[0]
    if harm:
        return CAUSES[1]
    return CAUSES[2] if fatal or subject.stopped_for == "PROGRESSIVE DISEASE" else CAUSES[3]


def _when(subject: Subject, plan: Plan) -> str:
    within = plan.safety.days_after_last_dose
    if subject.died is None or subject.last_dose is None:
        return "Day of the last dose not known"
    if (subject.died - subject.last_dose).days <= within:
        return f"Within {within} days of the last dose"
    return f"More than {within} days after the last dose"


def dead(
    subjects: Mapping[str, Subject], ae: Mapping[str, list[Record]], plan: Plan
) -> dict[str, tuple[str, str]]:
    """When and of what each treated patient died who did."""
    return {
        who: (_when(subject, plan), cause(subject, ae.get(who, []), plan))
        for who, subject in subjects.items()
        if subject.treated and subject.died is not None
    }


def deaths(
    subjects: Mapping[str, Subject], died: Mapping[str, tuple[str, str]], plan: Plan
) -> Iterator[Row]:
    """Every row of `deaths`."""
    within = plan.safety.days_after_last_dose
    levels = (
        "All",
        f"Within {within} days of the last dose",
        f"More than {within} days after the last dose",
        "Day of the last dose not known",
    )
    for group in LINES:
        who = _of(subjects, group)
        for level in levels:
            for why in ("", *CAUSES):
                n = 0
                for subject in who:
                    at, of = died.get(subject, (None, None))
                    n += at is not None and level in ("All", at) and why in ("", of)
                stats: dict[str, Value] = {"n": n, "N": len(who)}
                stats["estimate"] = n / len(who) if who else None
                yield "deaths", group, "DEATH", level, why, stats


def _of(subjects: Mapping[str, Subject], group: str) -> list[str]:
    return [w for w, m in subjects.items() if m.treated and (not group or m.line == group)]


def rates(
    subjects: Mapping[str, Subject],
    died: Mapping[str, tuple[str, str]],
    reported: Mapping[str, list[tuple[str, int | None]]],
    labs: Mapping[str, Mapping[str, Course]],
    plan: Plan,
) -> Iterator[Row]:
    """Every row of `ae_rates` that is about this trial."""
    for asked in plan.safety_rates.rates:
        for group in LINES:
            who = _of(subjects, group)
            stats = _rate(asked, who, died, reported, labs, plan)
            yield "ae_rates", group, asked.kind.upper(), asked.name, "", stats


def published(references: References, plan: Plan) -> Iterator[Row]:
    """The rows of `ae_rates` that stand beside them."""
    for asked in plan.safety_rates.rates:
        if asked.reference is not None:
            other = references.of(asked.reference)
            stats = rate(other.n, other.total, plan)
            stats |= {"definition": other.definition, "source": other.source}
            yield "ae_rates", other.trial, asked.kind.upper(), asked.name, "", stats


def _ungraded(
    asked: SafetyRate, who: Sequence[str], reported: Mapping[str, list[tuple[str, int | None]]]
) -> int:
    """Of how many the only events of these terms that could count have no grade."""
    n = 0
    for subject in who:
        grades = [g for term, g in reported.get(subject, []) if term.upper() in asked.terms]
        counts = any(g is not None and g >= (asked.from_grade or 1) for g in grades)
        n += None in grades and not counts
    return n


def _rate(
    asked: SafetyRate,
    who: Sequence[str],
    died: Mapping[str, tuple[str, str]],
    reported: Mapping[str, list[tuple[str, int | None]]],
    labs: Mapping[str, Mapping[str, Course]],
    plan: Plan,
) -> dict[str, Value]:
    names = ("n", "estimate", "conf_low", "conf_high")
    lowest = asked.from_grade
    if lowest is None:
        yes = [w for w in who if w in died and died[w][0].startswith("Within")]
        return rate(sum(1 for w in yes if died[w][1] != "Progression"), len(who), plan)
    if asked.kind == "reported":
        n = sum(
            1
            for w in who
            if any(
                fold(term) in [fold(one) for one in asked.terms]
                and (lowest == 1 if grade is None else grade >= lowest)
                for term, grade in reported.get(w, [])
            )
        )
        found = rate(n, len(who), plan) | {"n_ungraded": _ungraded(asked, who, reported)}
        if lowest < plan.safety_rates.collected_from_grade:
            found |= dict.fromkeys(names)
        return found
    code = next(one.code for one in plan.labs.gradings if one.term in asked.terms)
    worst = [labs[code][w].worst for w in who]
    n = sum(1 for grade in worst if grade.isdigit() and int(grade) >= lowest)
    open_ = worst.count("0 OR 1") if lowest == 1 else 0
    found = rate(n, len(who), plan)
    if open_:
        most = rate(n + open_, len(who), plan)
        ends: dict[str, Value] = {
            "n_missing": open_,
            "estimate_lowest": found["estimate"],
            "estimate_highest": most["estimate"],
        }
        found |= ends | {"estimate": None, "conf_high": most["conf_high"]}
    if unknown(labs[code]):
        found |= dict.fromkeys(names)
    return found


def toxicities(
    subjects: Mapping[str, Subject],
    reported: Mapping[str, list[tuple[str, int | None]]],
    plan: Plan,
) -> Iterator[tuple[str, dict[str, Value]]]:
    """What `toxicity_monitoring` counts, by level, and what the boundary says of it."""
    rule = plan.toxicity_monitoring
    if rule is None:
        return
    order = sorted((m.first_dose or dt.date.max, w) for w, m in subjects.items() if m.treated)
    seen, counted = 0, []
    for place, (_, who) in enumerate(order, start=1):
        seen += any(
            fold(term) in [fold(one) for one in rule.terms]
            and grade is not None
            and grade >= rule.from_grade
            for term, grade in reported.get(who, [])
        )
        counted.append(seen)
        if place <= rule.patients:
            yield f"{place:02d}", {"n": seen}
    planned = {"p0": rule.p0, "alpha": rule.alpha, "patients_planned": rule.patients}
    yield "", {"N": len(order), "n": seen, **planned, **boundary.state(rule, counted)}
