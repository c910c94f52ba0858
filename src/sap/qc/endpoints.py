"""Objective response, clinical benefit and the rate at a landmark, patient by patient, from raw SDTM.

Written from the text of the plan. A response is confirmed when the days of the first and of the last
CR or PR are far enough apart: nothing is paired.
"""

import datetime as dt
import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

from sap.plan.model import ObjectiveResponse, Plan
from sap.qc.dates import Day, earliest
from sap.qc.progression_times import times
from sap.qc.psa import new_therapy
from sap.qc.recist import NON, evaluator_records
from sap.qc.study import Study
from sap.qc.survival import origin_of, survival_time
from sap.qc.tumour import courses

SEEN = list[tuple[Day, str]]
ORDER = ["PD", "PDu", "NE", NON, "SD", "PR", "CR"]
LEFT = ("LOST TO FOLLOW-UP", "WITHDRAWAL BY SUBJECT")


class Outcome(NamedTuple):
    """One endpoint of one patient: Y, N or NE (or a best response), and the day it was known."""

    result: str
    known: Day | None = None


class Outcomes(NamedTuple):
    """The endpoints by PARAMCD and USUBJID, and why a response is still possible, by USUBJID."""

    of: Mapping[str, Mapping[str, Outcome]]
    still: Mapping[str, str]


def recorded(study: Study, who: str) -> SEEN:
    """The evaluator's overall responses in RS: "of several on one day the worst"."""
    rows = evaluator_records(study.of("rs", who), "RS", study.plan.tumour)
    of_day: dict[Day, list[str]] = {}
    for row in rows:
        day = earliest(row.get("RSDTC"))
        answer = row.get("RSSTRESC") or ("NE" if row.get("RSSTAT") == "NOT DONE" else None)
        if row.get("RSTESTCD") == "OVRLRESP" and day is not None and answer:
            of_day.setdefault(day, []).append(answer if answer in ORDER else "NE")
    return [(day, min(answers, key=ORDER.index)) for day, answers in sorted(of_day.items())]


def _seen(study: Study, who: str, source: str) -> SEEN:
    """Readings "after the day of the first dose" and up to the day of a new anticancer therapy."""
    subject = study.subjects[who]
    start, therapy = subject.first_dose, new_therapy(subject, study.of("cm", who))
    if source == "RS":
        listed = recorded(study, who)
    else:
        listed = [(point.day, point.overall) for point in courses(study)[who].time_points]
    return [
        (day, answer)
        for day, answer in listed
        if start is not None and day > start and (therapy is None or day <= therapy)
    ]


def _before_progression(seen: SEEN) -> tuple[SEEN, bool]:
    """SAP: "PD is progression. PR, SD or NON-CR/NON-PD after a CR is progression as well"."""
    kept: SEEN = []
    for day, answer in seen:
        back = answer in ("PR", "SD", NON) and "CR" in [other for _, other in kept]
        if answer == "PD" or back:
            return kept, True
        kept.append((day, answer))
    return kept, False


def _responded(kept: SEEN, words: tuple[str, ...], apart: int | None) -> Day | None:
    """When a response was known: its first day, or the first day far enough after it."""
    days = [day for day, answer in kept if answer in words]
    if not days or apart is None:
        return days[0] if days else None
    return next((day for day in days[1:] if (day - days[0]).days >= apart), None)


def objective(seen: SEEN, apart: int | None) -> Outcome:
    """Y, N or NE of objective response; `apart` days to its confirmation, None without one."""
    kept, progressed = _before_progression(seen)
    known = _responded(kept, ("CR", "PR"), apart)
    if known is not None:
        return Outcome("Y", known)
    evaluable = progressed or any(answer not in ("NE", "PDu") for _, answer in kept)
    return Outcome("N" if evaluable else "NE")


def _held(seen: SEEN, start: Day, rule: ObjectiveResponse) -> SEEN:
    kept, _ = _before_progression(seen)
    return [(day, word) for day, word in kept if (day - start).days >= rule.stable_after_days]


def clinical(seen: SEEN, start: Day, rule: ObjectiveResponse) -> Outcome:
    """Clinical benefit: the response, or no progression for long enough."""
    main = objective(seen, rule.confirm_after_days if rule.confirmed else None)
    lasting = [d for d, word in _held(seen, start, rule) if word in ("CR", "PR", "SD", NON)]
    return Outcome("Y", lasting[0]) if main.result != "Y" and lasting else main


def best_of(seen: SEEN, start: Day, rule: ObjectiveResponse, apart: int | None) -> str:
    """The best overall response of the readings."""
    kept, progressed = _before_progression(seen)
    if _responded(kept, ("CR",), apart) is not None:
        return "CR"
    if _responded(kept, ("CR", "PR"), apart) is not None:
        return "PR"
    words = {word for _, word in _held(seen, start, rule)}
    if words & {"CR", "PR", "SD"}:
        return "SD"
    if NON in words:
        return NON
    return "PD" if progressed else "NE"


def _at_landmark(study: Study, plan: Plan) -> tuple[dict[str, Outcome], dict[str, str]]:
    """RATEAT, and who can still reach the landmark."""
    rule = plan.rate_at
    assert rule is not None
    until: dict[str, tuple[int, bool, str]] = {}
    if rule.event == "progression":
        for time in times(study):
            if time.endpoint == "PFS" and not time.definition.code and not time.is_choice:
                until[time.who] = (time.days, time.event, time.reason)
    else:
        for who, subject in study.subjects.items():
            origin = origin_of(subject, study)
            if origin is not None and subject.treated:
                days, event = survival_time(subject, origin)
                until[who] = (days, bool(event), "")
    length = rule.months * plan.survival.days_per_month
    outcomes, still = {}, {}
    for who, subject in study.subjects.items():
        if not subject.treated:
            continue
        days, event, reason = until.get(who, (-1, False, ""))
        if event and days <= length:
            outcomes[who] = Outcome("N")
        else:
            origin = _origin(study, who)
            at = origin + dt.timedelta(days=math.ceil(length)) if origin else None
            outcomes[who] = Outcome("Y", at) if days >= length else Outcome("NE")
        start = _origin(study, who) or subject.first_dose
        ended = start is not None and _midnight(start) + dt.timedelta(days=length) <= _midnight(
            study.cut_off
        )
        for_good = reason in (
            "NEW ANTICANCER THERAPY",
            "MISSED ASSESSMENTS BEFORE THE EVENT",
            "NO BASELINE ASSESSMENT",
        )
        gone = subject.died is not None or subject.left_for in LEFT
        if outcomes[who].result == "NE" and not (gone or ended or for_good):
            still[who] = "landmark_not_reached"
    return outcomes, still


def _midnight(day: Day) -> dt.datetime:
    return dt.datetime.combine(day, dt.time())


def _origin(study: Study, who: str) -> Day | None:
    subject, plan = study.subjects[who], study.plan
    rule = plan.rate_at
    if rule is not None and rule.event == "death":
        return origin_of(subject, study)
    if subject.treated_again:
        return subject.again_allocated
    names = {"screening": "consent", "allocation": "allocated", "first dose": "first_dose"}
    day: Day | None = getattr(subject, names[plan.survival.pfs_origin])
    return day


@lru_cache(maxsize=1)
def outcomes(study: Study) -> Outcomes:
    """Every endpoint of the plan but PSA response, of every treated patient."""
    plan, rule = study.plan, study.plan.objective_response
    of: dict[str, dict[str, Outcome]] = {}
    still: dict[str, str] = {}
    if rule is not None:
        apart = rule.confirm_after_days if rule.confirmed else None
        source = rule.source_of_response
        other = "lesions" if source == "RS" else "RS"
        codes: dict[str, Callable[[SEEN, SEEN, Day], Outcome]] = {
            "OBJRESP": lambda own, _, __: objective(own, apart),
            "OBJRESPU": lambda own, _, __: objective(own, None),
            "OBJRESPO": lambda _, other, __: objective(other, apart),
            "CLINBEN": lambda own, _, start: clinical(own, start, rule),
            "OBJBOR": lambda own, _, start: Outcome(best_of(own, start, rule, None)),
        }
        if rule.confirm_after_days:
            confirm = rule.confirm_after_days
            codes["OBJBORC"] = lambda own, _, start: Outcome(best_of(own, start, rule, confirm))
        for who, subject in study.subjects.items():
            if not subject.treated or subject.first_dose is None:
                continue
            own, second = _seen(study, who, source), _seen(study, who, other)
            for code, made in codes.items():
                of.setdefault(code, {})[who] = made(own, second, subject.first_dose)
            _still_possible(study, who, own, of, still)
    if plan.rate_at is not None:
        of["RATEAT"], at_landmark = _at_landmark(study, plan)
        if plan.primary.endpoint == "rate_at":
            still = at_landmark
    return Outcomes(of, still)


def _still_possible(
    study: Study,
    who: str,
    seen: SEEN,
    of: Mapping[str, Mapping[str, Outcome]],
    still: dict[str, str],
) -> None:
    """Cases 5 and 6: "a CR or PR that is not confirmed yet", "no CR or PR yet"."""
    subject, plan = study.subjects[who], study.plan
    if plan.primary.endpoint not in ("objective_response", "clinical_benefit"):
        return
    kept, progressed = _before_progression(seen)
    gone = subject.died is not None or subject.left_for in LEFT
    therapy = new_therapy(subject, study.of("cm", who))
    yes = of[plan.primary_parameter][who].result == "Y"
    if yes or gone or progressed or therapy is not None:
        return
    has = any(answer in ("CR", "PR") for _, answer in kept)
    still[who] = "response_not_confirmed" if has else "no_response_yet"
