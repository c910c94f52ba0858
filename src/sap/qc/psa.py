"""PSA response by a literal loop over each subject's visits, in exact decimals."""

import datetime as dt
from decimal import Decimal
from typing import NamedTuple

from sap.plan.entry import stated
from sap.plan.model import ComparisonRule, Plan
from sap.qc.dates import Day, clock, complete_day, earliest, latest
from sap.qc.quantities import result
from sap.qc.subjects import Record, Subject, is_study_dose

NEW = ("SUBSEQUENT ANTICANCER THERAPY", "PHYSICIAN'S CHOICE")


class Visit(NamedTuple):
    """One day with a PSA value."""

    day: Day
    psa: Decimal


class ResponseResult(NamedTuple):
    """Y, N or NE for one subject, with the days of the decrease and of its confirmation."""

    result: str
    decline: Day | None = None
    confirmed: Day | None = None


def _dec(number: float) -> Decimal:
    return Decimal(repr(float(number)))


def new_therapy(subject: Subject, cm: list[Record]) -> Day | None:
    """The first day of a new anticancer therapy after the first dose."""
    if subject.first_dose is None:
        return None
    days = []
    for row in cm:
        day = earliest(row.get("CMSTDTC"))
        if row.get("CMCAT") not in NEW or day is None:
            continue
        subsequent = row["CMCAT"] == "SUBSEQUENT ANTICANCER THERAPY"
        end = latest(row["CMSTDTC"])
        if (
            subsequent
            and day <= subject.first_dose
            and end is not None
            and end > subject.first_dose
        ):
            day = subject.first_dose + dt.timedelta(days=1)
        if day > subject.first_dose:
            days.append(day)
    return min(days) if days else None


def visits(subject: Subject, lb: list[Record], ex: list[Record], plan: Plan) -> list[Visit]:
    """One value a day, in the order of days."""
    infusion: float | None = None
    for row in ex:
        begun = clock(row.get("EXSTDTC"), last=True)
        first = is_study_dose(row, plan.exposure.drugs) and complete_day(row.get("EXSTDTC"))
        if begun is not None and first and first == subject.first_dose:
            infusion = begun if infusion is None else min(begun, infusion)
    days: dict[Day, list[tuple[float | None, Decimal]]] = {}
    for row in lb:
        day = complete_day(row.get("LBDTC"))
        value = _value(row, plan)
        if row.get("LBTESTCD") != "PSA" or day is None or value is None:
            continue
        time = clock(row.get("LBDTC"))
        if (
            day == subject.first_dose
            and time is not None
            and infusion is not None
            and time > infusion
        ):
            continue
        days.setdefault(day, []).append((time, value))
    visits_ = []
    for day in sorted(days):
        times = [time for time, _ in days[day] if time is not None]
        kept = [v for time, v in days[day] if not times or time == max(times)]
        visits_.append(Visit(day, sum(kept, Decimal(0)) / len(kept)))
    return visits_


def _value(row: Record, plan: Plan) -> Decimal | None:
    value, side = result(row, "LB")
    half = stated(plan.psa_response).below_quantification != "limit"
    return value / 2 if value is not None and side == "<" and half else value


def counted(
    subject: Subject, values: list[Visit], therapy: Day | None, plan: Plan, *, stop_at_therapy: bool
) -> tuple[Decimal | None, list[Visit]]:
    """The baseline, and the visits that count for response."""
    if subject.first_dose is None:
        return None, []
    base, after = None, []
    for visit in values:
        if visit.day <= subject.first_dose:
            base = visit.psa
            continue
        if subject.last_dose is not None:
            window = dt.timedelta(days=stated(plan.psa_response).days_after_last_cycle)
            if visit.day > subject.last_dose + window:
                continue
        if stop_at_therapy and therapy is not None and visit.day >= therapy:
            continue
        after.append(visit)
    return base, after


def response_result(
    subject: Subject,
    base: Decimal | None,
    after: list[Visit],
    plan: Plan,
    *,
    confirm_days: int,
    any_time: bool = False,
) -> ResponseResult:
    """Whether PSA decreased far enough, in time, and whether a later visit confirmed it."""
    rule = stated(plan.psa_response)
    if base is None or base <= 0 or not after or subject.first_dose is None:
        return ResponseResult("NE")
    depth = -_dec(rule.decline_pct)

    def decreased(visit: Visit) -> bool:
        return round(100 * (visit.psa - base) / base, 9) <= depth

    limit = None if any_time else rule.first_fall_within_days
    for place, visit in enumerate(after):
        late = limit is not None and visit.day > subject.first_dose + dt.timedelta(days=limit)
        if late or not decreased(visit):
            continue
        if confirm_days == 0:
            return ResponseResult("Y", visit.day, visit.day)
        gap = max(confirm_days - rule.confirm_tolerance_days, 1)
        far = [later for later in after[place + 1 :] if (later.day - visit.day).days >= gap]
        candidates = far[:1] if rule.confirmed_by == "next value" else far
        for later in candidates:
            if decreased(later):
                return ResponseResult("Y", visit.day, later.day)
    return ResponseResult("N")


class Course(NamedTuple):
    """The PSA response results of one subject."""

    base: Decimal | None
    results: dict[str, ResponseResult]
    unconfirmed: bool  # a decrease that no later value could confirm
    pending: bool  # a value after the cut-off can still make a responder


def courses(
    tables: dict[str, dict[str, list[Record]]],
    subjects: dict[str, Subject],
    plan: Plan,
    cut_off: Day,
) -> dict[str, Course]:
    """Each treated subject's results by variant: PSARESP, PSARESPU, PSARSPnn, PSARSPTP, PSARSPAT."""
    by_subject: dict[str, Course] = {}
    rule = plan.psa_response
    if rule is None:
        return by_subject
    for who, subject in subjects.items():
        if not subject.treated:
            continue
        values = visits(subject, tables["lb"].get(who, []), tables["ex"].get(who, []), plan)
        therapy = new_therapy(subject, tables.get("cm", {}).get(who, []))
        base, after = counted(
            subject, values, therapy, plan, stop_at_therapy=rule.stop_at_new_therapy
        )
        _, open_after = counted(subject, values, therapy, plan, stop_at_therapy=False)
        days: dict[str, int] = {"PSARESP": rule.confirm_after_days, "PSARESPU": 0}
        days |= {f"PSARSP{d}": d for d in rule.sensitivity_confirm_days}
        made: dict[str, ResponseResult] = {
            name: response_result(subject, base, after, plan, confirm_days=d)
            for name, d in days.items()
        }
        made["PSARSPTP"] = response_result(
            subject, base, open_after, plan, confirm_days=rule.confirm_after_days
        )
        made["PSARSPAT"] = response_result(
            subject, base, after, plan, confirm_days=rule.confirm_after_days, any_time=True
        )
        published = plan.comparison.rule if plan.comparison else None
        if published is not None:
            made["PSARESPC"] = _as_published(subject, base, after, plan, published)
        pending = _is_pending(subject, base, made, therapy, plan, cut_off)
        by_subject[who] = Course(base, made, _unconfirmed(made, after, plan), pending)
        if "PRIMARY" in subject.sets and made["PSARESP"].result != "NE":
            subject.sets.add("PSAEVAL")
    return by_subject


def _as_published(
    subject: Subject,
    base: Decimal | None,
    after: list[Visit],
    plan: Plan,
    published: ComparisonRule,
) -> ResponseResult:
    """The result by the rule of the published trial; "" where that rule does not count the subject."""
    if base is None or base <= 0 or base < _dec(published.baseline_psa_minimum):
        return ResponseResult("")
    changed_rule = stated(plan.psa_response).model_copy(
        update={
            "decline_pct": published.decline_pct,
            "first_fall_within_days": published.first_fall_within_days,
            "confirm_tolerance_days": 0,
        }
    )
    changed = plan.model_copy(update={"psa_response": changed_rule})
    return response_result(subject, base, after, changed, confirm_days=published.confirm_after_days)


def _unconfirmed(made: dict[str, ResponseResult], after: list[Visit], plan: Plan) -> bool:
    decline = made["PSARESPU"].decline
    if made["PSARESP"].result != "N" or decline is None:
        return False
    far = decline + dt.timedelta(days=stated(plan.psa_response).confirm_after_days)
    return not any(visit.day >= far for visit in after)


def _is_pending(
    subject: Subject,
    base: Decimal | None,
    made: dict[str, ResponseResult],
    therapy: Day | None,
    plan: Plan,
    cut_off: Day,
) -> bool:
    rule = stated(plan.psa_response)
    if made["PSARESP"].result == "Y" or base is None or base <= 0 or subject.first_dose is None:
        return False
    if subject.died is not None or (therapy is not None and rule.stop_at_new_therapy):
        return False
    last = subject.last_dose
    window = dt.timedelta(days=rule.days_after_last_cycle)
    if subject.stopped_for is not None and last is not None and last + window < cut_off:
        return False
    if made["PSARESPU"].result == "Y" or rule.first_fall_within_days is None:
        return True
    return subject.first_dose + dt.timedelta(days=rule.first_fall_within_days) > cut_off
