"""Times to progression and durations of response, from the courses of treatment."""

import datetime as dt
from collections.abc import Iterator
from typing import NamedTuple

from sap.plan.entry import stated
from sap.plan.model import Plan, Progression
from sap.qc.courses import Course, courses
from sap.qc.dates import Day, earliest
from sap.qc.psa_progression import progression
from sap.qc.recist import (
    PARTS,
    before_new_therapy,
    evaluator_records,
    first_of_confirmed_response,
    is_new,
)
from sap.qc.study import Study

ORIGIN = {"screening": "consent", "allocation": "allocated", "first dose": "first_dose"}
LOST = ("LOST TO FOLLOW-UP", "WITHDRAWAL BY SUBJECT")
NEW_THERAPY = "NEW ANTICANCER THERAPY"
PROGRESSIONS = ("PSA PROGRESSION", "RADIOGRAPHIC PROGRESSION", "CLINICAL PROGRESSION")


class Definition(NamedTuple):
    """A definition of progression: the plan's (no code, no words) or a sensitivity of it."""

    code: str
    words: str
    new_therapy: str


class Time(NamedTuple):
    """One time to an event of a subject, by one definition."""

    who: str
    endpoint: str
    definition: Definition
    rescreened: bool
    is_choice: bool
    days: int
    event: bool
    reason: str


class Assessed(NamedTuple):
    """What an endpoint needs of a course: its events, its adequate assessments, and a baseline."""

    events: list[tuple[Day, str]]
    adequate: list[Day]
    has_baseline: bool


CODES = {
    "new therapy is an event": "NT",
    "new therapy is ignored": "IT",
    "missed assessments are ignored": "GAP",
    "stopping treatment is an event": "OFF",
    "unconfirmed progression is an event": "UNC",
    "from the first dose": "DOSE",
    "at the next scheduled scan": "NEXT",
}
BY_SCANS = ("RPFS", "PFS", "RDOR")


def definitions(plan: Plan, endpoint: str) -> list[Definition]:
    """The plan's definition, and the sensitivities that an endpoint can have.

    SAP 5.5: "A sensitivity (NT, IT, GAP, OFF, UNC, DOSE, NEXT; first courses only) differs in what
    its words say and in nothing else". TTPP has no scan to come next and no stop of treatment among
    its events.
    """
    main = Definition("", "", plan.progression.new_therapy)
    if endpoint in ("DOR", "RDOR"):
        return [main]
    others = []
    for words in plan.progression.sensitivity:
        code = CODES[words]
        if endpoint == "TTPP" and code in ("OFF", "NEXT"):
            continue
        therapy = {"NT": "event", "IT": "ignore"}.get(code, main.new_therapy)
        others.append(Definition(code, words, therapy))
    return [main, *others]


def times(study: Study) -> Iterator[Time]:
    """Every time to progression, in the order of the courses."""
    every = courses(study)
    for endpoint in ("RPFS", "PFS", "TTPP", "DOR", "RDOR"):
        if not has_data(study, endpoint):
            continue
        for course in every:
            if course.is_choice and (
                endpoint not in ("PFS", "TTPP") or not study.plan.study.groups
            ):
                continue
            rescreened = course.subject.treated_again and not course.is_choice
            for definition in definitions(study.plan, endpoint):
                if definition.code and rescreened:
                    continue
                origin = _origin(study, course, endpoint, definition)
                if origin is not None:
                    ended_by = ended(study, course, endpoint, definition, origin)
                    who = course.subject.usubjid
                    yield Time(who, endpoint, definition, rescreened, course.is_choice, *ended_by)


def has_data(study: Study, endpoint: str) -> bool:
    """Whether there are rows of an endpoint at all.

    SAP 5.5: "RPFS, PFS and RDOR have no rows at all where the data hold no dated tumour assessment,
    TTPP and DOR none where they hold no PSA."
    """
    if endpoint not in BY_SCANS:
        return any(course.psa for course in courses(study))
    rule = study.plan.tumour
    responses = evaluator_records(study.records.get("rs", []), "RS", rule)
    new_lesions = evaluator_records(study.records.get("tu", []), "TU", rule)
    days = [row.get("TRDTC") for row in evaluator_records(study.records.get("tr", []), "TR", rule)]
    days += [row.get("RSDTC") for row in responses if row.get("RSTESTCD") in PARTS]
    days += [row.get("TUDTC") for row in new_lesions if is_new(row)]
    return any(earliest(day) is not None for day in days)


def _origin(study: Study, course: Course, endpoint: str, definition: Definition) -> Day | None:
    """The day from which a time is counted; None where there is no such time.

    SAP 5.5: "DOR: the same from the first fall of a PSA response." "RDOR: as RPFS, from the first
    assessment of a confirmed CR or PR."
    """
    subject = course.subject
    if endpoint == "DOR":
        response = study.psa.get(subject.usubjid)
        of_rule = None if response is None else response.results["PSARESP"]
        return of_rule.decline if of_rule is not None and of_rule.result == "Y" else None
    if endpoint == "RDOR":
        kept = before_new_therapy(course.scans.time_points, course.therapy)
        return first_of_confirmed_response(kept, study.plan.tumour)
    if definition.code == "DOSE":
        return course.start
    if subject.treated_again and not course.is_choice:
        return subject.again_allocated
    day: Day | None = getattr(subject, ORIGIN[study.plan.survival.pfs_origin])
    return day


def _psa(study: Study, course: Course, definition: Definition) -> Assessed:
    """PSA progression and the days of PSA values.

    SAP 5.5: "TTPP: PSA progression; PSA values."
    """
    if study.plan.psa_progression is None:
        return Assessed([], [], False)
    result = progression(course, study.plan, to_the_end=definition.new_therapy == "ignore")
    cases = (3, 4, 5) if definition.code == "UNC" else (3, 4)
    days = [] if result.day is None or result.case not in cases else [result.day]
    return Assessed(
        [(day, "PSA PROGRESSION") for day in days],
        [visit.day for visit in course.psa],
        progression(course, study.plan).case != 1,
    )


def _radiographic(course: Course, definition: Definition) -> Assessed:
    """Radiographic progression and the days of evaluable tumour assessments.

    SAP 5.5: "An assessment is adequate when it is dated and, of tumours, its overall response is not
    NE." A progression that is not confirmed is PDu, overall or of bone.
    """
    points = course.scans.time_points
    days = [
        point.day
        for point in points
        if point.overall == "PD" or (definition.code == "UNC" and point.unconfirmed)
    ]
    return Assessed(
        [(day, "RADIOGRAPHIC PROGRESSION") for day in days],
        [point.day for point in points if point.overall != "NE"],
        course.has_scan,
    )


def _assessed(study: Study, course: Course, endpoint: str, definition: Definition) -> Assessed:
    """The events and assessments of an endpoint.

    SAP 5.5: "RPFS: radiographic progression or death; evaluable tumour assessments of study courses."
    "PFS: PSA, radiographic or clinical progression or death; tumour assessments and PSA values."
    Of a PFS with two kinds of assessment, a baseline of either is one.
    """
    if endpoint in ("TTPP", "DOR"):
        return _psa(study, course, definition)
    by_scan = _radiographic(course, definition)
    if endpoint != "PFS":
        return by_scan
    by_psa = _psa(study, course, definition)
    return Assessed(
        [*by_scan.events, *by_psa.events, *_clinical(study, course)],
        [*by_psa.adequate, *by_scan.adequate],
        by_psa.has_baseline or by_scan.has_baseline,
    )


def _clinical(study: Study, course: Course) -> list[tuple[Day, str]]:
    """Clinical progressions after the first day of a course, as the evaluator records them in RS."""
    records = evaluator_records(study.of("rs", course.subject.usubjid), "RS", study.plan.tumour)
    days = [
        earliest(row.get("RSDTC"))
        for row in records
        if row.get("RSTESTCD") == "CLINPROG" and row.get("RSSTRESC") == "Y"
    ]
    return [(day, "CLINICAL PROGRESSION") for day in days if day is not None and day > course.start]


def _first_event(
    study: Study, course: Course, endpoint: str, definition: Definition, origin: Day
) -> tuple[Day, str] | None:
    """E, "the first event on or after the origin".

    Of events on one day: radiographic progression, then PSA, clinical progression, and death. A
    treatment that was completed, or ended by death, was not stopped.
    """
    events = list(_assessed(study, course, endpoint, definition).events)
    if definition.code == "OFF" and not course.is_choice:
        stopped = course.subject.stopped_on
        if stopped is not None and course.subject.stopped_for not in ("COMPLETED", "DEATH"):
            events.append((stopped, "END OF TREATMENT"))
    if endpoint in BY_SCANS and course.subject.died is not None:
        events.append((course.subject.died, "DEATH"))
    if definition.new_therapy == "event" and course.therapy is not None:
        events.append((course.therapy, NEW_THERAPY))
    since = [(day, what) for day, what in events if day >= origin]
    return min(since, key=lambda event: event[0], default=None)


def _next_scan(course: Course, origin: Day, event: tuple[Day, str], interval: int) -> Day:
    """The first scheduled scan on or after a progression, but not after the last day known alive.

    Scans are scheduled from the origin or the first dose, whichever is later; a death stays.
    """
    day, what = event
    if what not in (*PROGRESSIONS, NEW_THERAPY):
        return day
    first = max(origin, course.start)
    passed = (day - first).days
    scheduled = first + dt.timedelta(days=-(-passed // interval) * interval)
    return min(scheduled, max(course.subject.last_alive or origin, day))


def _interval(rule: Progression, endpoint: str) -> int:
    return rule.scan_interval_days if endpoint in BY_SCANS else stated(rule.psa_interval_days)


def ended(
    study: Study, course: Course, endpoint: str, definition: Definition, origin: Day
) -> tuple[int, bool, str]:
    """Days from the origin, whether it is an event, and the reason.

    SAP 5.5: "E is the first event on or after the origin, N the first day of a new anticancer
    therapy, A the last adequate assessment after the first dose: on or before N in case 2, before E
    in case 3, any in the others. [...] The first case that applies":

    1. "No baseline assessment: censored at the origin."
    2. "N before E, or N and no E: censored at A, where `new_therapy` is censor."
    3. "E more than `missed_assessments` intervals and `window_days` days after A (after the origin
       or the first dose, whichever is later, where there is no A): censored at A. An interval is
       `psa_interval_days` days for TTPP and DOR, and `scan_interval_days` days for the others."
    4. "E: event, on its own day; on the day of N it still counts. A death before the first
       assessment and between two of them is an event."
    5. "No E and no A: censored at the origin."
    6. "Lost to follow-up or consent withdrawn: censored at A."
    7. "Died, where death is no event (TTPP, DOR): censored at A."
    8. "No E by the cut-off: censored at A."

    "Where A does not exist the origin takes its place."
    """
    rule = study.plan.progression
    assessed = _assessed(study, course, endpoint, definition)
    first = _first_event(study, course, endpoint, definition, origin)
    adequate = sorted(day for day in assessed.adequate if day > course.start and day >= origin)

    def censored(days: list[Day], reason: str) -> tuple[int, bool, str]:
        return ((days[-1] - origin).days if days else 0), False, reason

    if endpoint not in ("DOR", "RDOR") and not assessed.has_baseline:
        return censored([], "NO BASELINE ASSESSMENT")
    switch = course.therapy
    if (
        switch is not None
        and definition.new_therapy == "censor"
        and (first is None or switch < first[0])
    ):
        return censored([day for day in adequate if day <= switch], NEW_THERAPY)
    if first is not None:
        before = [day for day in adequate if day < first[0]]
        since = before[-1] if before else max(origin, course.start)
        interval = _interval(rule, endpoint)
        limit = rule.missed_assessments * interval + rule.window_days
        if definition.code != "GAP" and (first[0] - since).days > limit:
            return censored(before, "MISSED ASSESSMENTS BEFORE THE EVENT")
        day = first[0]
        if definition.code == "NEXT":
            day = _next_scan(course, origin, first, rule.scan_interval_days)
        return (day - origin).days, True, first[1]
    if not adequate:
        return censored([], "NO ASSESSMENT AFTER BASELINE")
    if course.subject.left_for in LOST:
        return censored(adequate, str(course.subject.left_for))
    if course.subject.died is not None and endpoint not in BY_SCANS:
        return censored(adequate, "DIED WITHOUT PROGRESSION")
    return censored(adequate, "NO PROGRESSION AT LAST ASSESSMENT")
