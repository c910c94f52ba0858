"""PSA progression by a literal loop over visits in exact decimals."""

from decimal import Decimal
from typing import NamedTuple

from sap.plan.entry import stated
from sap.plan.model import Plan
from sap.qc.courses import Course
from sap.qc.dates import Day
from sap.qc.psa import Visit

CASES = (
    "no_baseline",
    "no_post_baseline",
    "confirmed_after_decline",
    "confirmed_without_decline",
    "no_later_value",
    "not_confirmed",
    "early_only",
    "no_increase",
)


class Rise(NamedTuple):
    """The case of SAP 5.3 that applies, the day of the rise and the day that confirmed it."""

    case: int
    day: Day | None = None
    confirmed: Day | None = None


def progression(course: Course, plan: Plan, *, to_the_end: bool = False) -> Rise:
    """PSA progression of one course; `to_the_end` reads on under a new therapy.

    SAP 5.3: "The nadir is the lowest value so far, the baseline included. A rise is a value of at
    least `rise_pct` percent and `rise_ug_l` ug/L over the nadir. A value drawn at most
    `visit_window_days` days before one of the days of cases 3 and 4 is that of the visit planned on
    it. The first case that applies":

    1. "NE: no baseline."
    2. "NE: a baseline, and no value after the first day."
    3. "Y: PSA had fallen below the baseline before: the first rise on or after day
       `ignore_before_day` that a value at least `confirm_after_days` days later confirms; it must be
       a rise over the same nadir."
    4. "Y: PSA had never fallen: the first rise over the baseline on or after day `no_fall_from_day`
       [...] confirmed in the same way where `no_fall_confirmed` is yes."
    5. "N: a rise that counts, and no value far enough after it to confirm or refute it."
    6. "N: a rise that counts, refuted by the value that decides."
    7. "N: a rise, but only in the time that is ignored; it does not reset the nadir."
    8. "N: no rise."

    "Values from the day after the first day of the course count, to the day of a new anticancer
    therapy, that day included." "The day of the progression is the day of the rise, not that of its
    confirmation."
    """
    upto = [visit.psa for visit in course.psa if visit.day <= course.start]
    base = upto[-1] if upto else None
    end = None if to_the_end else course.therapy
    after = [v for v in course.psa if v.day > course.start and (end is None or v.day <= end)]
    if base is None:
        return Rise(1)
    if not after:
        return Rise(2)
    best = Rise(8)
    for place, visit in enumerate(after):
        earlier = [base, *(v.psa for v in after[:place])]
        low, fell = min(earlier), any(psa < base for psa in earlier)
        if not _risen(visit.psa, low, plan):
            continue
        rule = stated(plan.psa_progression)
        planned = rule.ignore_before_day if fell else rule.no_fall_from_day
        if (visit.day - course.start).days + rule.visit_window_days < planned:
            here = Rise(7)
        else:
            here = _held(visit, after[place + 1 :], low, fell, plan)
        if here.case in (3, 4):
            return here
        if here.case < best.case:
            best = here
    return best


def _risen(psa: Decimal, low: Decimal, plan: Plan) -> bool:
    rule = stated(plan.psa_progression)
    percent, more = Decimal(repr(rule.rise_pct)), Decimal(repr(rule.rise_ug_l))
    return round(psa - low * (1 + percent / 100), 9) >= 0 and round(psa - low - more, 9) >= 0


def _held(rise: Visit, later: list[Visit], low: Decimal, fell: bool, plan: Plan) -> Rise:
    rule = stated(plan.psa_progression)
    if not fell and not rule.no_fall_confirmed:
        return Rise(4, rise.day, rise.day)
    far = [v for v in later if (v.day - rise.day).days >= rule.confirm_after_days]
    for value in far[:1] if rule.confirmed_by == "next value" else far:
        if _risen(value.psa, low, plan):
            return Rise(3 if fell else 4, rise.day, value.day)
    return Rise(6 if far else 5, rise.day)
