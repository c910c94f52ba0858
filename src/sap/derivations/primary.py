"""Objective response, clinical benefit and the rate at a landmark: endpoints that the SAP may have.

Which of them is the primary endpoint is `primary.endpoint` of the SAP; the others are secondary.
"""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sap.derivations.lesions import records
from sap.derivations.tumour_rules import NON
from sap.plan.model import ObjectiveResponse, Plan, RateAt, Tumour

Tables = Mapping[str, pd.DataFrame]
Reading = tuple[pd.Timestamp, str]
Readings = Mapping[str, Sequence[Reading]]

RESPONSE = ("CR", "PR")
CONTROL = (*RESPONSE, "SD", NON)
OTHER = {"RS": "lesions", "lesions": "RS"}
WORST_FIRST = ("PD", "PDu", "NE", NON, "SD", "PR", "CR")
COLUMNS = ["STUDYID", "USUBJID", "COURSE", "TRTSDT", "PARAMCD", "AVALC", "ADT", "CONFDT", "CASE"]


class Answer(NamedTuple):
    """A response of one patient, the case that applied, its day and that of its confirmation."""

    response: str
    case: int
    day: pd.Timestamp | None = None
    confirmed: pd.Timestamp | None = None


def readings(
    tables: Tables, courses: pd.DataFrame, points: pd.DataFrame, rule: Tumour, source: str
) -> dict[str, list[Reading]]:
    """The overall responses of each patient in the order of their days.

    1. Source RS: the overall response (OVRLRESP) that the evaluator recorded in RS; of several on
       one day the worst, in the order PD, NE, NON-CR/NON-PD, SD, PR, CR.
    2. Source lesions: the overall response of each assessment as derived from the lesions, or from
       the evaluator's responses where the patient has no lesion at baseline.
    3. Of either, readings after the day of the first dose and, where a new anticancer therapy began,
       up to that day.
    """
    study = courses[courses["COURSE"] == "STUDY"]
    recorded = records(tables, rule).rs if source == "RS" else {}
    of_points: dict[str, list[Reading]] = {}
    if source != "RS":
        derived = points[points["COURSE"] == "STUDY"].sort_values("ADT", kind="stable")
        for row in derived[["USUBJID", "ADT", "OVRLRESP"]].itertuples(index=False, name=None):
            of_points.setdefault(row[0], []).append((row[1], row[2]))
    made: dict[str, list[Reading]] = {}
    course: Any
    noted: Any
    for course in study.itertuples():
        usubjid = str(course.USUBJID)
        listed = of_points.get(usubjid, [])
        if source == "RS":
            by_day: dict[pd.Timestamp, set[str]] = {}
            for noted in recorded.get(usubjid, []):
                if noted["RSTESTCD"] == "OVRLRESP":
                    by_day.setdefault(noted["DAY"], set()).add(str(noted["RSSTRESC"]))
            listed = [(day, _worst(by_day[day])) for day in sorted(by_day)]
        made[usubjid] = [
            (day, response)
            for day, response in listed
            if day > course.TRTSDT and not day > course.NEWTHDT
        ]
    return made


def _worst(responses: set[str]) -> str:
    known = [response for response in WORST_FIRST if response in responses]
    return known[0] if known else "NE"


def up_to_progression(listed: Sequence[Reading]) -> tuple[list[Reading], Reading | None]:
    """The readings that count, and the progression that ends them; the first that applies.

    1. PD is progression.
    2. PR, SD or NON-CR/NON-PD after a CR is progression as well: disease that was absent has come
       back (RECIST 1.1, table 3, note a).

    The readings before the progression count, and none after it.
    """
    complete = False
    for place, (day, response) in enumerate(listed):
        if response == "PD" or (complete and response in ("PR", "SD", NON)):
            return list(listed[:place]), (day, response)
        complete |= response == "CR"
    return list(listed), None


def _pair(counted: Sequence[Reading], accepted: Sequence[str], days: int) -> Answer | None:
    """The first reading of `accepted` with another one so many days later; case 1."""
    seen = [day for day, response in counted if response in accepted]
    for place, first in enumerate(seen):
        for second in seen[place + 1 :]:
            if (second - first).days >= days:
                return Answer("Y", 1, first, second)
    return None


def response(listed: Sequence[Reading], rule: ObjectiveResponse, *, confirmed: bool) -> Answer:
    """Objective response by RECIST 1.1, from the readings up to the first progression.

    The first case that applies:

    1. Y: a CR or PR; where confirmed, followed by another CR or PR at least `confirm_after_days` days
       later, without progression between. NE, SD or NON-CR/NON-PD between the two does not matter. A
       PR after a CR is progression, so it confirms nothing. The date of response is that of the first
       of the two.
    2. N: a CR or PR that is not confirmed in this way.
    3. N: no CR or PR, and at least one reading that is not NE.
    4. NE: all readings are NE.
    5. NE: no reading after the first dose.

    In the primary set NE counts as no response.
    """
    counted, progression = up_to_progression(listed)
    seen = [day for day, answer in counted if answer in RESPONSE]
    if seen and not confirmed:
        return Answer("Y", 1, seen[0])
    pair = _pair(counted, RESPONSE, rule.confirm_after_days) if confirmed else None
    if pair is not None:
        return pair
    if seen:
        return Answer("N", 2)
    if progression or any(answer in CONTROL for _, answer in counted):
        return Answer("N", 3)
    return Answer("NE", 4 if counted else 5)


def benefit(listed: Sequence[Reading], start: pd.Timestamp, rule: ObjectiveResponse) -> Answer:
    """Clinical benefit: a response, or no progression for long enough; the first case that applies.

    1. Y: objective response as the SAP defines it (`confirmed`).
    2. Y: CR, PR, SD or NON-CR/NON-PD at least `stable_after_days` days after the first dose and
       before any progression.
    3. N: at least one reading that is not NE.
    4. NE: all readings are NE.
    5. NE: no reading after the first dose.

    In the primary set NE counts as no benefit.
    """
    main = response(listed, rule, confirmed=rule.confirmed)
    if main.response == "Y":
        return main
    counted, _ = up_to_progression(listed)
    for day, answer in counted:
        if answer in CONTROL and (day - start).days >= rule.stable_after_days:
            return Answer("Y", 2, day)
    return Answer("N", 3) if main.response == "N" else main


def best(
    listed: Sequence[Reading], start: pd.Timestamp, rule: ObjectiveResponse, *, confirmed: bool
) -> Answer:
    """The best overall response of the same readings; the first case that applies.

    1. CR: a CR; where confirmed, followed by another CR at least `confirm_after_days` days later
       without progression between.
    2. PR: a CR or PR; where confirmed, followed by another CR or PR in this way.
    3. SD: CR, PR or SD at least `stable_after_days` days after the first dose.
    4. NON-CR/NON-PD: that response so many days after the first dose.
    5. PD: a progression.
    6. NE: readings, and none of these.
    7. NE: no reading after the first dose.
    """
    counted, progression = up_to_progression(listed)
    for case, (name, accepted) in enumerate((("CR", ("CR",)), ("PR", RESPONSE)), start=1):
        seen = [day for day, answer in counted if answer in accepted]
        pair = _pair(counted, accepted, rule.confirm_after_days) if confirmed else None
        if pair is not None or (seen and not confirmed):
            return Answer(name, case, seen[0] if pair is None else pair.day)
    late = [reading for reading in counted if (reading[0] - start).days >= rule.stable_after_days]
    for case, name, among in ((3, "SD", (*RESPONSE, "SD")), (4, NON, (NON,))):
        days = [day for day, answer in late if answer in among]
        if days:
            return Answer(name, case, days[0])
    if progression is not None:
        return Answer("PD", 5, progression[0])
    return Answer("NE", 6 if counted else 7)


class Read(NamedTuple):
    """The readings of the source that the SAP names, and those of the other one, by USUBJID."""

    main: Readings
    other: Readings


def readings_of_plan(
    tables: Tables, courses: pd.DataFrame, points: pd.DataFrame, plan: Plan
) -> Read:
    """The readings of both sources; none where the SAP does not have the entry."""
    rule = plan.objective_response
    if rule is None:
        return Read({}, {})
    source = rule.source_of_response
    main, other = (
        readings(tables, courses, points, plan.tumour, name) for name in (source, OTHER[source])
    )
    return Read(main, other)


def objective_responses(courses: pd.DataFrame, read: Read, plan: Plan) -> pd.DataFrame:
    """Objective response and clinical benefit of every treated patient.

    1. OBJRESP: objective response, confirmed where `confirmed` is yes, by the readings of `from`.
    2. OBJRESPU: the same without confirmation.
    3. OBJRESPO: OBJRESP by the other source (derived from lesions, or the evaluator's in RS).
    4. CLINBEN: clinical benefit.
    5. OBJBOR, OBJBORC: the best overall response of the same readings without and with confirmation;
       OBJBORC only where `confirm_after_days` is above 0.

    No row where the SAP does not have the entry.
    """
    rule = plan.objective_response
    if rule is None:
        return pd.DataFrame(columns=COLUMNS)
    rows = []
    course: Any
    for course in courses[courses["COURSE"] == "STUDY"].itertuples():
        listed, start = read.main[str(course.USUBJID)], course.TRTSDT
        other = read.other[str(course.USUBJID)]
        answers = {
            "OBJRESP": response(listed, rule, confirmed=rule.confirmed),
            "OBJRESPU": response(listed, rule, confirmed=False),
            "OBJRESPO": response(other, rule, confirmed=rule.confirmed),
            "CLINBEN": benefit(listed, start, rule),
            "OBJBOR": best(listed, start, rule, confirmed=False),
        }
        if rule.confirm_after_days:
            answers["OBJBORC"] = best(listed, start, rule, confirmed=True)
        for code, (answer, case, day, confirmed) in answers.items():
            rows.append(
                (course.STUDYID, course.USUBJID, "STUDY", start, code, answer, day, confirmed, case)
            )
    return _typed(pd.DataFrame(rows, columns=COLUMNS))


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    days = ("TRTSDT", "ADT", "CONFDT")
    return frame.assign(**{name: pd.to_datetime(frame[name]) for name in days})


def rate_at(adsl: pd.DataFrame, adtte: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """Whether a treated patient was free of the event at the landmark (RATEAT).

    The landmark is `months` months after the origin of progression-free survival (`event` is
    progression; PFS, where death is an event as well) or of overall survival (death), a month being
    `survival.days_per_month` days. The first case that applies:

    1. N: the event on or before the landmark.
    2. Y: no event, or an event after the landmark, and observed until the landmark or later.
    3. NE: not observed until the landmark, censored for any reason.
    4. NE: no such time, because the patient has no origin or the data no assessment.

    A success is known (CONFDT) on the day of the landmark, a part of a day counted as a day. In the
    primary set NE is a failure where `not_observed` is failure; where it is excluded, the
    patient is not in the denominator. No row where the SAP does not have the entry.
    """
    rule = plan.rate_at
    if rule is None:
        return pd.DataFrame(columns=COLUMNS)
    treated = adsl.loc[adsl["NCYCLES"] > 0, ["STUDYID", "USUBJID", "TRTSDT"]].reset_index(drop=True)
    of_subject = times_of(adtte, rule).set_index("USUBJID")
    time, censored, last, start = (
        treated["USUBJID"].map(of_subject[name]) for name in ("AVAL", "CNSR", "ADT", "STARTDT")
    )
    landmark = rule.months * plan.survival.days_per_month
    case = np.select(
        [(censored == 0) & (time <= landmark), time >= landmark, time.notna()],
        [1, 2, 3],
        default=4,
    )
    rows = treated.assign(
        COURSE="STUDY",
        PARAMCD="RATEAT",
        AVALC=np.select([case == 1, case == 2], ["N", "Y"], default="NE"),
        ADT=last,
        CONFDT=(pd.to_datetime(start) + pd.Timedelta(days=math.ceil(landmark))).where(case == 2),
        CASE=case,
    )
    return _typed(rows.reindex(columns=COLUMNS))


def times_of(adtte: pd.DataFrame, rule: RateAt) -> pd.DataFrame:
    """The times to the event of the landmark: PFS or OS of the study course."""
    wanted = {"progression": ("PFS", "PFSRE"), "death": ("OS", "OSRE")}[rule.event]
    times = adtte[adtte["PARAMCD"].isin(wanted)]
    if rule.event == "progression":
        times = times[times["COURSE"] == "STUDY"]
    return times.drop_duplicates("USUBJID", keep="last")


def pending_response(
    adsl: pd.DataFrame,
    courses: pd.DataFrame,
    adrs: pd.DataFrame,
    reading_of: Readings,
    plan: Plan,
) -> pd.DataFrame:
    """Whether readings after the data cut-off can still make a treated patient a responder (PRIMPEND).

    The first case that applies, of the primary endpoint:

    1. N: the patient has the response, or the benefit.
    2. N: death, withdrawal of consent or loss to follow-up.
    3. N: a new anticancer therapy; readings after it do not count.
    4. N: a progression; readings after it do not count.
    5. Y: a CR or PR that is not confirmed yet.
    6. Y: no CR or PR yet.
    """
    if plan.primary.endpoint not in ("objective_response", "clinical_benefit"):
        return pd.DataFrame(columns=COLUMNS)
    treated = adsl[adsl["NCYCLES"] > 0].reset_index(drop=True)
    usubjid = treated["USUBJID"]
    study = courses[courses["COURSE"] == "STUDY"].set_index("USUBJID")
    counted = {who: up_to_progression(listed) for who, listed in reading_of.items()}
    progressed = {who for who, (_, end) in counted.items() if end is not None}
    seen = {who for who, (rows, _) in counted.items() if any(a in RESPONSE for _, a in rows)}
    conditions = [
        usubjid.map(_result(adrs, plan)) == "Y",
        _gone(treated),
        usubjid.map(study["NEWTHDT"]).notna(),
        usubjid.isin(progressed),
        usubjid.isin(seen),
    ]
    return _pending(treated, np.select(conditions, [1, 2, 3, 4, 5], default=6), (5, 6))


def pending_landmark(
    adsl: pd.DataFrame, adrs: pd.DataFrame, adtte: pd.DataFrame, plan: Plan, cut_off: dt.date
) -> pd.DataFrame:
    """Whether a treated patient can still reach the landmark without the event (PRIMPEND).

    The first case that applies:

    1. N: an event on or before the landmark, or observed without it until the landmark.
    2. N: death, withdrawal of consent or loss to follow-up.
    3. N: censored for another reason than the last assessment, such as a new anticancer therapy.
    4. N: the landmark is on or before the cut-off.
    5. Y: all others.
    """
    rule = plan.rate_at
    treated = adsl[adsl["NCYCLES"] > 0].reset_index(drop=True)
    usubjid = treated["USUBJID"]
    if rule is None:
        return pd.DataFrame(columns=COLUMNS)
    times = times_of(adtte, rule).set_index("USUBJID")
    length = pd.to_timedelta(rule.months * plan.survival.days_per_month, unit="D")
    start = usubjid.map(times["STARTDT"]).fillna(treated["TRTSDT"])
    conditions = [
        usubjid.map(_result(adrs, plan)).isin(("Y", "N")),
        _gone(treated),
        usubjid.map(times["CNSDTDSC"]).isin(FOR_GOOD),
        start + length <= pd.Timestamp(cut_off),
    ]
    return _pending(treated, np.select(conditions, [1, 2, 3, 4], default=5), (5,))


FOR_GOOD = (
    "NEW ANTICANCER THERAPY",
    "MISSED ASSESSMENTS BEFORE THE EVENT",
    "NO BASELINE ASSESSMENT",
)
"""Reasons of censoring that no later assessment changes."""


def _result(adrs: pd.DataFrame, plan: Plan) -> pd.Series:
    return adrs[adrs["PARAMCD"] == plan.primary_parameter].set_index("USUBJID")["AVALC"]


def _gone(treated: pd.DataFrame) -> pd.Series:
    left = treated["DCSREAS"].isin(("LOST TO FOLLOW-UP", "WITHDRAWAL BY SUBJECT"))
    return treated["DTHDT"].notna() | left


def _pending(treated: pd.DataFrame, case: NDArray[np.int64], yes: tuple[int, ...]) -> pd.DataFrame:
    rows = treated[["STUDYID", "USUBJID", "TRTSDT"]].assign(
        COURSE="STUDY",
        PARAMCD="PRIMPEND",
        AVALC=np.where(np.isin(case, yes), "Y", "N"),
        CASE=case,
    )
    return _typed(rows.reindex(columns=COLUMNS))
