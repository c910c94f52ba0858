"""PSA progression by PCWG3: one answer for every course of treatment."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sap.plan.model import PsaProgression


class Value(NamedTuple):
    """One PSA value after the start of a course."""

    day: int
    psa: float


class Answer(NamedTuple):
    """What a course of PSA says: the case, the day of the rise and the day that confirmed it."""

    case: int
    rise: int | None = None
    confirmed: int | None = None


def _risen(psa: float, over: float, rule: PsaProgression) -> bool:
    # Rounded as PCHG is, so that exactly 1.25 times and exactly 2 more are what they look like.
    by_share = round(psa - (1 + rule.rise_pct / 100) * over, 9) >= 0
    return by_share and round(psa - over - rule.rise_ug_l, 9) >= 0


def _judge(
    later: list[Value], rise: Value, over: float, fell: bool, rule: PsaProgression
) -> Answer:
    """Whether later values confirm a rise over `over`, refute it, or are not there."""
    case = 3 if fell else 4
    if not fell and not rule.no_fall_confirmed:
        return Answer(case, rise.day, rise.day)
    far = [value for value in later if value.day - rise.day >= rule.confirm_after_days]
    asked = far[:1] if rule.confirmed_by == "next value" else far
    for value in asked:
        if _risen(value.psa, over, rule):
            return Answer(case, rise.day, value.day)
    return Answer(6, rise.day) if far else Answer(5, rise.day)


def read_course(base: float, values: list[Value], rule: PsaProgression) -> Answer:
    """Progression of PSA in one course of treatment; days are counted from its first day, day 0.

    The nadir is the lowest value so far, the baseline included. A rise is a value of at least
    `rise_pct` percent and `rise_ug_l` ug/L over the nadir. A value drawn at most
    `visit_window_days` days before one of the days of cases 3 and 4 is that of the visit planned
    on it. The first case that applies:

    1. NE: no baseline.
    2. NE: a baseline, and no value after the first day.
    3. Y: PSA had fallen below the baseline before: the first rise on or after day
       `ignore_before_day` that a value at least `confirm_after_days` days later confirms; it must
       be a rise over the same nadir. `confirmed_by` is which such value decides: the next one and
       no other, or any of them.
    4. Y: PSA had never fallen: the first rise over the baseline on or after day
       `no_fall_from_day`, the visit at which 12 weeks have passed, confirmed in the same way where
       `no_fall_confirmed` is yes.
    5. N: a rise that counts, and no value far enough after it to confirm or refute it.
    6. N: a rise that counts, refuted by the value that decides.
    7. N: a rise, but only in the time that is ignored; it does not reset the nadir.
    8. N: no rise.

    Examples
    --------
    >>> rule = PsaProgression(
    ...     section="SAP 5.3", source="PCWG3", rise_pct=25.0, rise_ug_l=2.0, ignore_before_day=84,
    ...     no_fall_from_day=84, visit_window_days=3,
    ...     confirm_after_days=21, confirmed_by="next value", no_fall_confirmed=True)
    >>> read_course(100.0, [Value(21, 40.0), Value(105, 50.0), Value(126, 55.0)], rule)
    Answer(case=3, rise=105, confirmed=126)
    """
    nadir, fell = base, False
    seen = Answer(8)
    for place, value in enumerate(values):
        if _risen(value.psa, nadir, rule):
            planned = rule.ignore_before_day if fell else rule.no_fall_from_day
            early = value.day < planned - rule.visit_window_days
            found = Answer(7) if early else _judge(values[place + 1 :], value, nadir, fell, rule)
            if found.confirmed is not None:
                return found
            seen = found if found.case < seen.case else seen
        fell = fell or value.psa < base
        nadir = min(nadir, value.psa)
    return seen


def psa_progression(
    courses: pd.DataFrame, adpsa: pd.DataFrame, rule: PsaProgression, *, paramcd: str
) -> pd.DataFrame:
    """PSA progression of every course of treatment, by the cases above.

    1. Values from the day after the first day of the course count, to the day of a new anticancer
       therapy, that day included (for a response it is not: blood is drawn before the treatment of
       its day, and a response must not rest on a later therapy); later values do not count.
    2. Values after the last dose count.
    3. The day of the progression is the day of the rise, not that of its confirmation.
    """
    base = adpsa[adpsa["ABLFL"] == "Y"].set_index("USUBJID")["AVAL"].to_dict()
    by_subject: dict[str, list[tuple[Any, float, float]]] = {}
    course: Any
    ordered = adpsa.sort_values(["USUBJID", "ADT"], kind="stable")
    for who, *row in zip(*(ordered[c] for c in ("USUBJID", "ADT", "AVAL", "LBSEQ")), strict=True):
        by_subject.setdefault(who, []).append((row[0], row[1], row[2]))
    found = []
    for course in courses.itertuples():
        rows = [
            row
            for row in by_subject.get(str(course.USUBJID), [])
            if row[0] > course.TRTSDT and not row[0] > course.NEWTHDT
        ]
        days = [(row[0] - course.TRTSDT).days for row in rows]
        values = [Value(d, row[1]) for d, row in zip(days, rows, strict=True)]
        baseline = base.get(course.USUBJID, np.nan)
        if np.isnan(baseline):
            answer = Answer(1)
        elif not values:
            answer = Answer(2)
        else:
            answer = read_course(baseline, values, rule)
        seq = {day: row[2] for day, row in zip(days, rows, strict=True)}
        found.append(
            {
                "STUDYID": course.STUDYID,
                "USUBJID": course.USUBJID,
                "TRTSDT": course.TRTSDT,
                "CASE": answer.case,
                "RISE": answer.rise,
                "CONFIRMED": answer.confirmed,
                "LAST": days[-1] if days else None,
                "SRCSEQ": seq.get(answer.rise, np.nan),
            }
        )
    frame = pd.DataFrame(
        found,
        columns=["STUDYID", "USUBJID", "TRTSDT", "CASE", "RISE", "CONFIRMED", "LAST", "SRCSEQ"],
    )
    frame["TRTSDT"] = pd.to_datetime(frame["TRTSDT"])

    def day(name: str) -> pd.Series:
        # Whole days: as floats, missing ones take a path that can warn of an overflow.
        return frame["TRTSDT"] + pd.to_timedelta(frame.pop(name).astype("Int64"), unit="D")

    yes = frame["CASE"].isin((3, 4))
    rise = day("RISE")
    return frame.assign(
        PARAMCD=paramcd,
        PARAM="PSA progression" if paramcd == "PSAPROG" else "PSA progression under the choice",
        AVALC=np.select([frame["CASE"] <= 2, yes], ["NE", "Y"], default="N"),
        AVAL=np.nan,
        ADT=rise.where(yes),
        CONFDT=day("CONFIRMED"),
        RISEDT=rise,
        LASTDT=day("LAST"),
    )
