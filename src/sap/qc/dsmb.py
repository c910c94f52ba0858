"""What only the DSMB reports hold: deaths, stopping, cycles, accrual against the plan, sites."""

import calendar
import datetime as dt
import math
from collections.abc import Iterator

from sap.plan.model import Plan
from sap.qc import safety, toxicity_boundary
from sap.qc.data_timeliness import psa_due
from sap.qc.dates import Day
from sap.qc.study import Place, QcRow, Study
from sap.qc.subjects import Subject
from sap.qc.summaries import Value, share

METHOD = "records read one by one"
LEFT = {"lost_to_follow_up": "LOST TO FOLLOW-UP", "withdrew": "WITHDRAWAL BY SUBJECT"}
CENTURY = 36_525  # days
PREDICTION = 0.8


def rows(study: Study) -> Iterator[QcRow]:
    """Every row of the stem."""
    if "ae" in study.records:
        yield from _deaths(study)
    treated = [study.subjects[who] for who in study.inside("SAFETY")]
    for level, reason in LEFT.items():
        n = sum(1 for subject in treated if subject.left_for == reason)
        place = Place("dsmb_left", "SAFETY", paramcd="LEFT", level=level)
        yield from place.rows(share(n, len(treated)), METHOD)
    yield from _stopping(study, treated)
    yield from _cycles(study, treated)
    yield from _accrual(study)
    yield from _sites(study)


def _deaths(study: Study) -> Iterator[QcRow]:
    """The deaths of the window; those from progression and without a cause together."""
    other: dict[str, float] = {}
    for row in safety.deaths(study):
        if row.level != "within_window" or row.group or row.sublevel.startswith("progression_"):
            continue
        if row.sublevel not in ("progression", "not_recorded"):
            yield row._replace(analysis="dsmb_deaths")
        elif row.value is not None and row.stat_name != "N":
            other[row.stat_name] = other.get(row.stat_name, 0.0) + float(row.value)
    n = round(other.get("n", 0.0))
    place = Place("dsmb_deaths", "SAFETY", "", "DEATH", "within_window", "other")
    yield from place.rows(share(n, len(study.inside("SAFETY"))), METHOD)


def _died_in_window(subject: Subject, study: Study) -> bool:
    if subject.died is None or subject.last_dose is None:
        return False
    return (subject.died - subject.last_dose).days <= study.plan.safety.days_after_last_dose


def _stopping(study: Study, treated: list[Subject]) -> Iterator[QcRow]:
    counts = {"adverse_event": 0, "death": 0, "completed": 0}
    for subject in treated:
        match subject.stopped_for:
            case "ADVERSE EVENT":
                counts["adverse_event"] += 1
            case "COMPLETED":
                counts["completed"] += 1
            case "DEATH" if _died_in_window(subject, study):
                counts["death"] += 1
    for level, n in counts.items():
        place = Place("dsmb_stopping", "SAFETY", paramcd="TREATMENT", level=level)
        yield from place.rows(share(n, len(treated)), METHOD)


def _cycles(study: Study, treated: list[Subject]) -> Iterator[QcRow]:
    if study.plan.exposure.cycle_days is None:
        return
    place = Place("dsmb_cycles", "SAFETY", paramcd="NCYCLES")
    given: dict[str, Value] = {"total": sum(s.doses for s in treated), "N": len(treated)}
    yield from place._replace(level="given").rows(given, METHOD)
    days = dt.timedelta(days=study.plan.exposure.cycle_days)
    finished = [
        subject
        for subject in treated
        if subject.doses > 1
        or (subject.first_dose is not None and subject.first_dose + days <= study.cut_off)
    ]
    counts = share(len(finished), len(treated))
    yield from place._replace(level="first_finished").rows(counts, METHOD)
    rule = study.plan.toxicity_monitoring
    if rule is None or "ae" not in study.records:
        return
    toxic = safety.with_toxicity(study)
    size = min(len(finished), rule.patients)
    bounds = toxicity_boundary.by_patients(rule)
    toxicity: dict[str, Value] = {
        "n": sum(1 for subject in finished if subject.usubjid in toxic),
        "N": len(finished),
        "boundary": bounds[str(size)]["boundary"] if size else None,
    }
    yield from place._replace(paramcd="TOX", level="toxicity").rows(toxicity, METHOD)


def _planned_by(study: Study, until: Day) -> float | None:
    """Patients planned by a day, in a straight line from the planned first to the planned last."""
    plan = study.plan.accrual
    if plan is None:
        return None
    if until <= plan.first_patient:
        return 0.0
    if until >= plan.last_patient:
        return float(study.plan.design.n)
    length = plan.last_patient.toordinal() - plan.first_patient.toordinal()
    return study.plan.design.n * ((until.toordinal() - plan.first_patient.toordinal()) / length)


def _accrual(study: Study) -> Iterator[QcRow]:
    starts = sorted(
        day for who in study.inside("PRIMARY") if (day := study.subjects[who].first_dose)
    )
    cut_off = study.cut_off
    place = Place("dsmb_accrual", "PRIMARY", paramcd="TREATED")
    begins = [s.consent for s in study.subjects.values() if s.consent] or starts[:1]
    begins += [study.plan.accrual.first_patient] if study.plan.accrual else []
    first = min([*begins, cut_off])
    year, month = first.year, first.month
    while (year, month) <= (cut_off.year, cut_off.month):
        until = min(dt.date(year, month, calendar.monthrange(year, month)[1]), cut_off)
        values: dict[str, Value] = {"n": sum(1 for day in starts if day <= until)}
        planned = _planned_by(study, until)
        values |= {} if planned is None else {"n_expected": planned}
        yield from place._replace(level=f"{year}-{month:02d}").rows(values, METHOD)
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    design = study.plan.design
    stages = {"stage_1": design.n1} if design.kind == "two-stage" and design.n1 else {}
    for level, size in (stages | {"total": design.n}).items():
        values = _reached(starts, size, study)
        values |= _of_plan(values, size, study)
        yield from place._replace(level=level).rows(values, METHOD)


def _days_to_response(plan: Plan) -> int | None:
    """Days until the primary response of a patient is known; None where the plan sets no limit."""
    if plan.primary.endpoint == "rate_at" and plan.rate_at is not None:
        days = plan.rate_at.months * plan.survival.days_per_month
        return int(days) + (days > int(days))
    rule = plan.psa_response
    if (
        plan.primary.endpoint != "psa_response"
        or rule is None
        or rule.first_fall_within_days is None
    ):
        return None
    return rule.first_fall_within_days + rule.confirm_after_days


def _of_plan(values: dict[str, Value], size: int, study: Study) -> dict[str, Value]:
    """The first day by which a number of patients is planned, counted day by day, and the days against it."""
    plan, wait = study.plan.accrual, _days_to_response(study.plan)
    if plan is None:
        return {}
    length = plan.last_patient.toordinal() - plan.first_patient.toordinal()
    passed = next(d for d in range(length + 1) if d * study.plan.design.n >= size * length)
    day = plan.first_patient + dt.timedelta(days=passed)
    dates: dict[str, Value] = {"planned_on": day.isoformat()}
    if wait is not None:
        dates["due_planned_on"] = (day + dt.timedelta(days=wait)).isoformat()
    actual = values.get("reached_on") or values.get("expected_on")
    if isinstance(actual, str):
        dates["delay_days"] = (dt.date.fromisoformat(actual) - day).days
    return dates


def _reached(starts: list[Day], size: int, study: Study) -> dict[str, Value]:
    from scipy.special import fdtri

    treated, wait = len(starts), _days_to_response(study.plan)
    values: dict[str, Value] = {"n": treated, "N": size}
    if wait is not None:
        values["days_to_evaluation"] = wait
    if treated >= size:
        day = starts[size - 1]
        values["reached_on"] = day.isoformat()
    else:
        elapsed = (study.cut_off - starts[0]).days if starts else 0
        if treated < 3 or elapsed <= 0:
            return values | dict.fromkeys(("expected_on", "expected_from", "expected_to"))
        more, after_first = size - treated, len(starts[1:])
        ahead = more / (after_first / elapsed)
        values["patients_per_month"] = after_first / (elapsed / study.plan.survival.days_per_month)
        low, high = (
            ahead * float(fdtri(2 * more, 2 * after_first, q))
            for q in ((1 - PREDICTION) / 2, (1 + PREDICTION) / 2)
        )
        after = {
            "expected_on": math.ceil(round(ahead, 9)),
            "expected_from": math.floor(low),
            "expected_to": math.ceil(high),
        }
        for name, days in after.items():
            within = days <= CENTURY
            values[name] = (study.cut_off + dt.timedelta(days)).isoformat() if within else None
        if after["expected_on"] > CENTURY:
            return values
        day = study.cut_off + dt.timedelta(after["expected_on"])
    if wait is not None:
        due = day + dt.timedelta(days=wait)
        values["due_on"] = due.isoformat()
        values["status"] = "due" if due <= study.cut_off else "not due yet"
    return values


def _sites(study: Study) -> Iterator[QcRow]:
    site_of = {row["USUBJID"]: row.get("SITEID") or "not_recorded" for row in study.records["dm"]}
    important = [
        row["USUBJID"] for row in study.records.get("dv", []) if row.get("DVCAT") == "MAJOR"
    ]
    for site in sorted(set(site_of.values())):
        here = [s for who, s in study.subjects.items() if site_of[who] == site]
        place = Place("dsmb_sites", "SCREENED", level=site)
        sampled = sum(1 for s in here if "SCREENED" in s.sets)
        counts: dict[str, dict[str, Value]] = {
            "CONSENTED": {"n": sum(1 for s in here if s.consented)},
            "SAMPLED": {"n": sampled},
            "TREATED": {"n": sum(1 for s in here if s.treated)},
            "MAJOR": {"n_events": sum(1 for who in important if site_of.get(who) == site)},
        }
        due = there = 0
        for subject in here:
            of_subject = psa_due(subject, study)
            due, there = due + of_subject[0], there + of_subject[1]
        counts["PSA"] = {"n_missing": due - there, "N": due}
        for paramcd, values in counts.items():
            yield from place._replace(paramcd=paramcd).rows(values, METHOD)
