"""PSA progression by PCWG3, one result for every course of treatment."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sap.plan.model import PsaProgression


class Value(NamedTuple):
    """One PSA value after the start of a course."""

    day: int
    psa: float


class PsaOutcome(NamedTuple):
    """PSA progression of one course: the case, the day of the increase and that of its confirmation."""

    case: int
    increase: int | None = None
    confirmed: int | None = None


def _increased(psa: float, over: float, rule: PsaProgression) -> bool:
    # Rounded as PCHG is, so that exactly 1.25 times and exactly 2 more are what they look like.
    by_share = round(psa - (1 + rule.rise_pct / 100) * over, 9) >= 0
    return by_share and round(psa - over - rule.rise_ug_l, 9) >= 0


def _outcome(
    later: list[Value], increase: Value, over: float, declined: bool, rule: PsaProgression
) -> PsaOutcome:
    """Whether later values confirm an increase over `over`, refute it, or are missing."""
    case = 3 if declined else 4
    if not declined and not rule.no_fall_confirmed:
        return PsaOutcome(case, increase.day, increase.day)
    late_enough = [value for value in later if value.day - increase.day >= rule.confirm_after_days]
    deciding = late_enough[:1] if rule.confirmed_by == "next value" else late_enough
    for value in deciding:
        if _increased(value.psa, over, rule):
            return PsaOutcome(case, increase.day, value.day)
    return PsaOutcome(6, increase.day) if late_enough else PsaOutcome(5, increase.day)


def read_course(base: float, values: list[Value], rule: PsaProgression) -> PsaOutcome:
    """Progression of PSA in one course of treatment; days are counted from its first day, day 0.

    The nadir is the lowest value so far, baseline included. An increase is a value of at least
    `rise_pct` percent and `rise_ug_l` ug/L over the nadir. A value collected at most
    `visit_window_days` days before a day named in cases 3 and 4 counts as that of the visit planned
    on that day. The first case that applies:

    1. NE: no baseline.
    2. NE: a baseline, and no value after the first day.
    3. Y: after a decline below the baseline: the first increase on or after day
       `ignore_before_day` that is confirmed by a value at least `confirm_after_days` days later,
       which must be an increase over the same nadir. `confirmed_by` states which such value
       confirms: the next value only, or any later value.
    4. Y: without any decline: the first increase over the baseline on or after day
       `no_fall_from_day` (the visit at which 12 weeks have passed), confirmed in the same way where
       `no_fall_confirmed` is yes.
    5. N: an increase that counts, without a later value to confirm or refute it.
    6. N: an increase that counts and is not confirmed by the later value.
    7. N: an increase only before the day from which increases count; it does not reset the nadir.
    8. N: no increase.

    Examples
    --------
    >>> rule = PsaProgression(
    ...     section="SAP 5.3", source="PCWG3", rise_pct=25.0, rise_ug_l=2.0, ignore_before_day=84,
    ...     no_fall_from_day=84, visit_window_days=3,
    ...     confirm_after_days=21, confirmed_by="next value", no_fall_confirmed=True)
    >>> read_course(100.0, [Value(21, 40.0), Value(105, 50.0), Value(126, 55.0)], rule)
    PsaOutcome(case=3, increase=105, confirmed=126)
    """
    nadir, declined = base, False
    outcome = PsaOutcome(8)
    for place, value in enumerate(values):
        if _increased(value.psa, nadir, rule):
            planned = rule.ignore_before_day if declined else rule.no_fall_from_day
            early = value.day < planned - rule.visit_window_days
            current = (
                PsaOutcome(7)
                if early
                else _outcome(values[place + 1 :], value, nadir, declined, rule)
            )
            if current.confirmed is not None:
                return current
            outcome = current if current.case < outcome.case else outcome
        declined = declined or value.psa < base
        nadir = min(nadir, value.psa)
    return outcome


def psa_progression(
    courses: pd.DataFrame, adpsa: pd.DataFrame, rule: PsaProgression, *, paramcd: str
) -> pd.DataFrame:
    """PSA progression of every course of treatment, by the cases above.

    1. Values count from the day after the first day of the course to the day of a new anticancer
       therapy, that day included, because blood is collected before treatment on a given day (for
       PSA response that day is not included).
    2. Values after the last dose count.
    3. The date of progression is that of the increase, not that of its confirmation.
    """
    base = adpsa[adpsa["ABLFL"] == "Y"].set_index("USUBJID")["AVAL"].to_dict()
    by_subject: dict[str, list[tuple[Any, float, float]]] = {}
    course: Any
    ordered = adpsa.sort_values(["USUBJID", "ADT"], kind="stable")
    for usubjid, *value in zip(
        *(ordered[c] for c in ("USUBJID", "ADT", "AVAL", "LBSEQ")), strict=True
    ):
        by_subject.setdefault(usubjid, []).append((value[0], value[1], value[2]))
    rows = []
    for course in courses.itertuples():
        counted = [
            value
            for value in by_subject.get(str(course.USUBJID), [])
            if value[0] > course.TRTSDT and not value[0] > course.NEWTHDT
        ]
        days = [(value[0] - course.TRTSDT).days for value in counted]
        values = [Value(d, value[1]) for d, value in zip(days, counted, strict=True)]
        baseline = base.get(course.USUBJID, np.nan)
        if np.isnan(baseline):
            outcome = PsaOutcome(1)
        elif not values:
            outcome = PsaOutcome(2)
        else:
            outcome = read_course(baseline, values, rule)
        seq = {day: value[2] for day, value in zip(days, counted, strict=True)}
        rows.append(
            {
                "STUDYID": course.STUDYID,
                "USUBJID": course.USUBJID,
                "TRTSDT": course.TRTSDT,
                "CASE": outcome.case,
                "RISE": outcome.increase,
                "CONFIRMED": outcome.confirmed,
                "LAST": days[-1] if days else None,
                "SRCSEQ": seq.get(outcome.increase, np.nan),
            }
        )
    frame = pd.DataFrame(
        rows,
        columns=["STUDYID", "USUBJID", "TRTSDT", "CASE", "RISE", "CONFIRMED", "LAST", "SRCSEQ"],
    )
    frame["TRTSDT"] = pd.to_datetime(frame["TRTSDT"])

    def day(name: str) -> pd.Series:
        # Whole days: as floats, missing ones take a path that can warn of an overflow.
        return frame["TRTSDT"] + pd.to_timedelta(frame.pop(name).astype("Int64"), unit="D")

    progressed = frame["CASE"].isin((3, 4))
    increase = day("RISE")
    return frame.assign(
        PARAMCD=paramcd,
        AVALC=np.select([frame["CASE"] <= 2, progressed], ["NE", "Y"], default="N"),
        AVAL=np.nan,
        ADT=increase.where(progressed),
        CONFDT=day("CONFIRMED"),
        RISEDT=increase,
        LASTDT=day("LAST"),
    )
