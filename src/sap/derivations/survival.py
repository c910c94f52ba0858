"""ADTTE: times from an origin to an event or to censoring, with the event or the censoring reason."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sap.derivations import lesions
from sap.derivations.dates import full_day
from sap.derivations.progression import psa_progression
from sap.derivations.tumour import EVALUABLE, baseline_scanned
from sap.plan.entry import stated
from sap.plan.model import Baseline, Plan, Progression, Survival

Tables = Mapping[str, pd.DataFrame]

ORIGINS = {
    "screening": "RFICDT",
    "allocation": "ALLOCDT",
    "first dose": "TRTSDT",
    "re-screening allocation": "RESALLDT",
}
COLUMNS = (
    "STUDYID",
    "USUBJID",
    "PARAMCD",
    "COURSE",
    "STARTDT",
    "ADT",
    "AVAL",
    "AVALU",
    "CNSR",
    "EVNTDESC",
    "CNSDTDSC",
    "SRCDOM",
    "SRCVAR",
    "SRCSEQ",
    "CASE",
)
LEFT_STUDY = ("LOST TO FOLLOW-UP", "WITHDRAWAL BY SUBJECT")


def _overall(adsl: pd.DataFrame, origin: str, paramcd: str) -> pd.DataFrame:
    column = ORIGINS[origin]
    known = adsl[adsl[column].notna()]
    start = known[column]
    died = known["DTHDT"] >= start
    before = known["DTHDT"] < start
    alive_later = known["LSTALVDT"] > start
    case = np.select([died, before, alive_later], [1, 2, 3], default=4)
    end = known["DTHDT"].where(died, known["LSTALVDT"].where(alive_later & ~before, start))
    return pd.DataFrame(
        {
            "STUDYID": known["STUDYID"],
            "USUBJID": known["USUBJID"],
            "PARAMCD": paramcd,
            "STARTDT": start,
            "ADT": end,
            "AVAL": (end - start).dt.days.astype(float),
            "AVALU": "DAYS",
            "CNSR": np.where(died, 0, 1),
            "EVNTDESC": np.where(died, "DEATH", ""),
            "CNSDTDSC": np.select(
                [case == 2, case == 3, case == 4],
                ["DEATH BEFORE ORIGIN", "LAST KNOWN ALIVE", "NO FOLLOW-UP AFTER ORIGIN"],
                default="",
            ),
            "SRCDOM": np.where(died, "DM", "ADSL"),
            "SRCVAR": np.where(died, "DTHDTC", "LSTALVDT"),
            "SRCSEQ": np.nan,
            "CASE": case,
        }
    )


def adtte(adsl: pd.DataFrame, rule: Survival) -> pd.DataFrame:
    """Overall survival of every patient who has the SAP's origin, `os_origin`.

    The time is the number of days from the origin (no day is added). The first case that applies:

    1. Event: death, on the day of death.
    2. Censored at the origin: the recorded death is before the origin, DEATH BEFORE ORIGIN
       (contradictory dates do not give a negative time).
    3. Censored on the date last known alive, LAST KNOWN ALIVE.
    4. Censored at the origin: not known to be alive at a later date, NO FOLLOW-UP AFTER ORIGIN.

    No case is needed for the data cut-off: the data hold no record after it. Parameters:

    - OS counts from the SAP's origin. OSRE, for patients treated after re-screening, counts from their
      second allocation.
    - OSCENS is OS with those patients censored on the day of that allocation, RE-SCREENED AND
      ALLOCATED (case 5, applied before the others): a sensitivity analysis of the comparison of the
      groups.
    - OSSCR counts from consent to screening; ENTRY is the number of days until the first study
      dose. It is used in the guarantee-time sensitivity analyses.
    """
    os_rows = _overall(adsl, rule.os_origin, "OS")
    rescreened = adsl[adsl["RESCTRFL"] == "Y"]
    second = os_rows["USUBJID"].map(rescreened.set_index("USUBJID")["RESALLDT"])
    stops = second.notna() & (second <= os_rows["ADT"]) & (second >= os_rows["STARTDT"])
    censoring: dict[str, Any] = {
        "PARAMCD": "OSCENS",
        "ADT": os_rows["ADT"].where(~stops, second),
        "CNSR": os_rows["CNSR"].where(~stops, 1),
        "EVNTDESC": os_rows["EVNTDESC"].where(~stops, ""),
        "CNSDTDSC": os_rows["CNSDTDSC"].where(~stops, "RE-SCREENED AND ALLOCATED"),
        "SRCDOM": os_rows["SRCDOM"].where(~stops, "ADSL"),
        "SRCVAR": os_rows["SRCVAR"].where(~stops, "RESALLDT"),
        "CASE": os_rows["CASE"].where(~stops, 5),
    }
    censored = os_rows.assign(**censoring)
    censored["AVAL"] = (censored["ADT"] - censored["STARTDT"]).dt.days.astype(float)
    from_screening = _overall(adsl, "screening", "OSSCR")
    first_dose = from_screening["USUBJID"].map(adsl.set_index("USUBJID")["TRTSDT"])
    waited = (first_dose - from_screening["STARTDT"]).dt.days.astype(float)
    parts = [
        os_rows,
        _overall(rescreened, "re-screening allocation", "OSRE"),
        censored,
        from_screening.assign(ENTRY=waited.clip(lower=0)),
    ]
    columns = list(parts[-1].columns)
    filled = [p for p in parts if len(p)] or parts[-1:]
    return pd.concat(filled, ignore_index=True).reindex(columns=columns)


def with_baseline_status(
    adsl: pd.DataFrame, rs: pd.DataFrame | None, rule: Baseline
) -> pd.DataFrame:
    """ECOG performance status in survival models and in narratives.

    The reference day is the allocation or, for a patient not allocated, the consent to screening; without a
    day of either, the first dose.
    The first case that applies:

    1. The last status on or before the reference day (of one day, the higher RSSEQ).
    2. Where ECOG is one of `baseline.window_measures`: the first status after it, at most
       `baseline.window_days` days later, and not after the first dose of the study drug.
    3. Missing: the patient is excluded from models with this covariate.
    """
    table = pd.DataFrame() if rs is None else rs
    table = table.reindex(columns=["USUBJID", "RSSEQ", "RSTESTCD", "RSSTRESC", "RSDTC"])
    table = table[(table["RSTESTCD"] == "ECOG") & table["RSDTC"].notna()]
    table = table.assign(DAY=full_day(table["RSDTC"]))
    table = table.sort_values(["USUBJID", "DAY", "RSSEQ"], kind="stable")
    subject = adsl.set_index("USUBJID")
    reference = subject["ALLOCDT"].fillna(subject["RFICDT"]).fillna(subject["TRTSDT"])
    limit = table["USUBJID"].map(reference)
    window = rule.window_days if "ECOG" in rule.window_measures else 0
    until = limit + pd.to_timedelta(window, unit="D")
    first_dose = table["USUBJID"].map(subject["TRTSDT"])
    before = table[table["DAY"] <= limit].drop_duplicates("USUBJID", keep="last")
    after = table[(table["DAY"] > limit) & (table["DAY"] <= until) & ~(table["DAY"] > first_dose)]
    chosen = pd.concat([before, after]).drop_duplicates("USUBJID").set_index("USUBJID")["RSSTRESC"]
    return adsl.assign(ECOGBL=pd.to_numeric(adsl["USUBJID"].map(chosen)).astype(float))


class Definition(NamedTuple):
    """One definition of an event: the plan's, or one of its sensitivity definitions."""

    code: str = ""
    new_therapy: str = "censor"
    gaps: bool = True
    stop: bool = False
    unconfirmed: bool = False
    first_dose: bool = False
    next_scan: bool = False


def definitions(rule: Progression) -> list[Definition]:
    """The plan's definition first, then each sensitivity definition that it lists."""
    main = Definition(new_therapy=rule.new_therapy)
    known = {
        "new therapy is an event": main._replace(code="NT", new_therapy="event"),
        "new therapy is ignored": main._replace(code="IT", new_therapy="ignore"),
        "missed assessments are ignored": main._replace(code="GAP", gaps=False),
        "stopping treatment is an event": main._replace(code="OFF", stop=True),
        "unconfirmed progression is an event": main._replace(code="UNC", unconfirmed=True),
        "from the first dose": main._replace(code="DOSE", first_dose=True),
        "at the next scheduled scan": main._replace(code="NEXT", next_scan=True),
    }
    return [main, *(known[words] for words in rule.sensitivity)]


class DatedEvent(NamedTuple):
    """An event or assessment with its day (counted from 1970-01-01) and its source record."""

    day: int
    kind: str
    dom: str
    var: str
    seq: float


class FollowUp(NamedTuple):
    """One course from its origin: the days and facts that decide on event or censoring."""

    start: int
    first_dose: int
    baseline: bool
    switch: int | None
    known: int
    left: str
    died: bool


class Outcome(NamedTuple):
    """The case that applied, its day, and the event or assessment it rests on (None: the origin)."""

    case: int
    day: int
    source: DatedEvent | None


def outcome(
    course: FollowUp,
    events: Sequence[DatedEvent],
    assessments: Sequence[DatedEvent],
    definition: Definition,
    limit: int,
) -> Outcome:
    """Event or censoring of one course, by the cases of `progression_times`.

    `events` and `seen` (the adequate assessments) are in the order of their days; `limit` is the
    longest time in days from an assessment to an event that counts.

    Examples
    --------
    >>> course = FollowUp(start=0, first_dose=0, baseline=True, switch=None, known=400, left="",
    ...                   died=False)
    >>> scan = DatedEvent(84, "SCAN", "TR", "TRDTC", 1)
    >>> death = DatedEvent(300, "DEATH", "DM", "DTHDTC", float("nan"))
    >>> outcome(course, [death], [scan], Definition(), limit=182)[:2]  # 216 days without a scan
    (3, 84)
    >>> outcome(course, [death], [scan], Definition(gaps=False), limit=182)[:2]
    (4, 300)
    """
    event = next((e for e in events if e.day >= course.start), None)
    adequate = [s for s in assessments if s.day > course.first_dose and s.day >= course.start]
    if not course.baseline:
        return Outcome(1, course.start, None)
    switched = course.switch is not None and definition.new_therapy == "censor"
    if switched and course.switch is not None and (event is None or event.day > course.switch):
        return _censored(2, course, [s for s in adequate if s.day <= course.switch])
    if event is not None:
        before = [s for s in adequate if s.day < event.day]
        since = before[-1].day if before else max(course.start, course.first_dose)
        if definition.gaps and event.day - since > limit:
            return _censored(3, course, before)
        return Outcome(4, event.day, event)
    if not adequate:
        return _censored(5, course, [])
    return _censored(6 if course.left else 7 if course.died else 8, course, adequate)


def _censored(case: int, course: FollowUp, assessments: Sequence[DatedEvent]) -> Outcome:
    return (
        Outcome(case, assessments[-1].day, assessments[-1])
        if assessments
        else Outcome(case, course.start, None)
    )


OF_SUBJECT = ["USUBJID", "RFICDT", "ALLOCDT", "TRTSDT", "RESALLDT", "DTHDT", "LSTALVDT", "DCSREAS"]
Key = tuple[str, str]
Log = dict[Key, list[DatedEvent]]


class Sources(NamedTuple):
    """The inputs of the times to event.

    Subjects and courses as rows; dated events by subject and course in the order of their days; the
    courses with a baseline PSA and with a baseline scan; whether the data hold a dated tumour
    assessment at all; the days of response.
    """

    subjects: dict[str, Any]
    courses: list[Any]
    logs: dict[str, Log]
    with_psa: frozenset[Key]
    scanned: frozenset[Key]
    has_scans: bool
    responses: dict[str, dict[str, Any]]


def _log(frame: pd.DataFrame, kind: str, dom: str, var: str, seq: str = "") -> Log:
    """The rows of `frame` (USUBJID, COURSE, ADT) as dated events; rows without a day are excluded."""
    frame = frame[frame["ADT"].notna()].sort_values(["USUBJID", "ADT"], kind="stable")
    days = _days(frame["ADT"])
    seqs = frame[seq].astype(float).tolist() if seq else [float("nan")] * len(frame)
    log: Log = {}
    for subject, course, day, number in zip(
        frame["USUBJID"], frame["COURSE"], days, seqs, strict=True
    ):
        log.setdefault((subject, course), []).append(DatedEvent(day, kind, dom, var, number))
    return log


def _days(dates: pd.Series) -> list[int]:
    return [int(v) for v in (dates - pd.Timestamp("1970-01-01")).dt.days]


def _merged(*logs: Log) -> Log:
    """Several logs combined; events of one day in the order of the arguments."""
    merged: Log = {}
    for log in logs:
        for key, events in log.items():
            merged.setdefault(key, []).extend(events)
    return {key: sorted(events, key=lambda h: h.day) for key, events in merged.items()}


def _scan_logs(points: pd.DataFrame) -> dict[str, Log]:
    """Evaluable scans, progression, and progression including unconfirmed progression."""
    unconfirmed = (points["OVRLRESP"] == "PDu") | (points["BONERESP"] == "PDu")
    chosen = {
        "scans": points["OVRLRESP"].isin(EVALUABLE),
        "radiographic": points["OVRLRESP"] == "PD",
        "radiographic or unconfirmed": (points["OVRLRESP"] == "PD") | unconfirmed,
    }
    scan_logs = {}
    for name, which in chosen.items():
        kind = "SCAN" if name == "scans" else "RADIOGRAPHIC PROGRESSION"
        logs = [
            _log(points[which & (points["SOURCE"] == dom)], kind, dom, f"{dom}DTC", "SRCSEQ")
            for dom in ("TR", "RS")
        ]
        scan_logs[name] = _merged(*logs)
    return scan_logs


def _psa_logs(progression: pd.DataFrame, suffix: str) -> dict[str, Log]:
    psa_logs = {}
    for name, cases in (("psa", (3, 4)), ("psa or unconfirmed", (3, 4, 5))):
        progressed = progression[progression["CASE"].isin(cases)]
        progressed = progressed.assign(ADT=progressed["RISEDT"])
        psa_logs[name + suffix] = _log(progressed, "PSA PROGRESSION", "LB", "LBDTC", "SRCSEQ")
    return psa_logs


def _deaths(adsl: pd.DataFrame, courses: pd.DataFrame) -> Log:
    died = courses.merge(adsl[["USUBJID", "DTHDT"]], on="USUBJID").assign(ADT=lambda f: f["DTHDT"])
    # A death during the second course of a patient is no event of the first course.
    second = died.loc[died["AGAINFL"] == "Y", "USUBJID"]
    died = died[(died["COURSE"] == "STUDY") | ~died["USUBJID"].isin(second)]
    return _log(died, "DEATH", "DM", "DTHDTC")


def _discontinuations(adsl: pd.DataFrame) -> Log:
    stopped = adsl[~adsl["DCTREAS"].isin(("COMPLETED", "DEATH"))]
    return _log(
        stopped.assign(COURSE="STUDY", ADT=stopped["DCTDT"]), "TREATMENT STOPPED", "DS", "DSSTDTC"
    )


def _clinical(tables: Tables, courses: pd.DataFrame, plan: Plan) -> Log:
    """Clinical progression recorded by the plan's evaluator in a course, with a full date."""
    rs = tables.get("rs", pd.DataFrame()).reindex(
        columns=["USUBJID", "RSSEQ", "RSTESTCD", "RSSTRESC", "RSEVAL", "RSDTC"]
    )
    by_evaluator = rs["RSEVAL"].isna() | (rs["RSEVAL"] == plan.tumour.evaluator)
    clinical = rs[(rs["RSTESTCD"] == "CLINPROG") & (rs["RSSTRESC"] == "Y") & by_evaluator]
    clinical = clinical.assign(ADT=full_day(clinical["RSDTC"])).merge(
        courses[["USUBJID", "COURSE", "TRTSDT"]], on="USUBJID"
    )
    study = courses[courses["COURSE"] == "STUDY"].set_index("USUBJID")["TRTSDT"]
    inside = (clinical["COURSE"] == "STUDY") | ~(clinical["ADT"] >= clinical["USUBJID"].map(study))
    clinical = clinical[(clinical["ADT"] > clinical["TRTSDT"]) & inside]
    return _log(clinical, "CLINICAL PROGRESSION", "RS", "RSDTC", "RSSEQ")


def sources(
    tables: Tables,
    adsl: pd.DataFrame,
    courses: pd.DataFrame,
    points: pd.DataFrame,
    psa: dict[str, pd.DataFrame],
    adrs: pd.DataFrame,
    plan: Plan,
) -> Sources:
    """The inputs of the times to event; `psa` is ADPSA by course (STUDY, CHOICE).

    Without groups in the plan there are no times under the physician's choice.
    """
    if not plan.study.groups:
        courses = courses[courses["COURSE"] == "STUDY"]
    logs = _scan_logs(points) | {"death": _deaths(adsl, courses), "stop": _discontinuations(adsl)}
    logs["clinical"] = _clinical(tables, courses, plan)
    switched = courses.assign(ADT=courses["NEWTHDT"])
    logs["new therapy"] = _log(switched, "NEW ANTICANCER THERAPY", "CM", "CMSTDTC")
    values: list[Log] = []
    limited: list[pd.DataFrame] = []
    ignoring_therapy: list[pd.DataFrame] = []
    rule = plan.psa_progression
    for name, of_course in psa.items() if rule is not None else ():
        of_name = courses[courses["COURSE"] == name]
        values.append(_log(of_course.assign(COURSE=name), "PSA", "LB", "LBDTC", "LBSEQ"))
        for target, followed in (
            (limited, of_name),
            (ignoring_therapy, of_name.assign(NEWTHDT=pd.Series(pd.NaT, of_name.index))),
        ):
            progression = psa_progression(followed, of_course, stated(rule), paramcd="PSAPROG")
            target.append(progression.assign(COURSE=name))
    logs["psa values"] = _merged(*values)
    progressions, unlimited = _together(limited), _together(ignoring_therapy)
    logs |= _psa_logs(progressions, "") | _psa_logs(unlimited, ", therapy ignored")
    known = progressions[progressions["CASE"] != 1]
    responses = adrs[adrs["AVALC"].isin(("Y", "CR", "PR"))]
    recorded = lesions.records(tables, plan.tumour)
    return Sources(
        subjects={str(subject.USUBJID): subject for subject in adsl[OF_SUBJECT].itertuples()},
        courses=list(courses.itertuples()),
        logs=logs,
        with_psa=frozenset(zip(known["USUBJID"], known["COURSE"], strict=True)),
        scanned=baseline_scanned(tables, courses, points, plan.tumour),
        has_scans=bool(logs["scans"] or recorded.tr or recorded.rs),
        responses={
            code: _days_of(responses[responses["PARAMCD"] == paramcd])
            for code, paramcd in (("DOR", "PSARESP"), ("RDOR", "BORC"))
        },
    )


def _together(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """PSA progressions of all courses; none without a rule of PSA progression."""
    if not parts:
        nothing = pd.DataFrame(columns=["USUBJID", "COURSE", "CASE", "SRCSEQ"])
        return nothing.assign(RISEDT=pd.Series(dtype="M8[ns]"))
    return pd.concat([part for part in parts if len(part)] or parts[:1])


def _days_of(responses: pd.DataFrame) -> dict[str, Any]:
    return dict(zip(responses["USUBJID"], responses["ADT"], strict=True))


ENDPOINTS = ("PFS", "RPFS", "TTPP", "DOR", "RDOR")
CENSORED = {
    1: "NO BASELINE ASSESSMENT",
    2: "NEW ANTICANCER THERAPY",
    3: "MISSED ASSESSMENTS BEFORE THE EVENT",
    5: "NO ASSESSMENT AFTER BASELINE",
    7: "DIED WITHOUT PROGRESSION",
    8: "NO PROGRESSION AT LAST ASSESSMENT",
}
BY_PSA = ("TTPP", "DOR")


def _events(code: str, logs: dict[str, Log], definition: Definition) -> Log:
    """The events of an endpoint; of one day, progression before death."""
    unconfirmed = " or unconfirmed" if definition.unconfirmed else ""
    psa = logs[
        "psa" + unconfirmed + (", therapy ignored" if definition.new_therapy == "ignore" else "")
    ]
    scan = logs["radiographic" + unconfirmed]
    parts = {
        "PFS": [scan, psa, logs["clinical"], logs["death"]],
        "RPFS": [scan, logs["death"]],
        "RDOR": [scan, logs["death"]],
    }.get(code, [psa])
    others = [logs["stop"]] if definition.stop else []
    others += [logs["new therapy"]] if definition.new_therapy == "event" else []
    return _merged(*parts, *others)


def _assessments(code: str, logs: dict[str, Log]) -> Log:
    if code in BY_PSA:
        return logs["psa values"]
    return _merged(logs["scans"], logs["psa values"]) if code == "PFS" else logs["scans"]


def _start(
    code: str,
    course: Any,
    subject: Any,
    inputs: Sources,
    definition_and_plan: tuple[Definition, Plan],
) -> Any:
    """The origin: of the response (DOR, RDOR), the second allocation, the first dose, or the plan's."""
    definition, plan = definition_and_plan
    if code in inputs.responses:
        return inputs.responses[code].get(course.USUBJID, pd.NaT)
    if definition.first_dose:
        return course.TRTSDT
    if course.AGAINFL == "Y":
        return subject.RESALLDT
    return getattr(subject, ORIGINS[plan.survival.pfs_origin])


def _baseline(code: str, key: Key, inputs: Sources) -> bool:
    psa, scan = key in inputs.with_psa, key in inputs.scanned
    return {"TTPP": psa, "RPFS": scan, "PFS": psa or scan}.get(code, True)


def _since_1970(day: pd.Timestamp) -> int:
    return (day - pd.Timestamp("1970-01-01")).days


def _scheduled(course: FollowUp, result: Outcome, interval: int) -> int:
    """Progression on the day of the next planned scan, at the latest the last known day."""
    if result.source is None or result.source.kind in ("DEATH", "TREATMENT STOPPED"):
        return result.day
    reference = max(course.start, course.first_dose)
    planned = reference - (reference - result.day) // interval * interval
    return min(planned, max(course.known, result.day))


def _rows(code: str, definition: Definition, inputs: Sources, plan: Plan) -> list[dict[str, Any]]:
    """One row per course of one endpoint by one definition."""
    rule = plan.progression
    interval = stated(rule.psa_interval_days) if code in BY_PSA else rule.scan_interval_days
    limit = rule.missed_assessments * interval + rule.window_days
    events, assessments = _events(code, inputs.logs, definition), _assessments(code, inputs.logs)
    rows = []
    for course in inputs.courses:
        subject, key = inputs.subjects[course.USUBJID], (course.USUBJID, course.COURSE)
        start = _start(code, course, subject, inputs, (definition, plan))
        unplanned = course.COURSE == "CHOICE" and code not in ("PFS", "TTPP")
        second = definition.code and course.AGAINFL == "Y"
        if pd.isna(start) or unplanned or second:
            continue
        follow_up = FollowUp(
            start=_since_1970(start),
            first_dose=_since_1970(course.TRTSDT),
            baseline=_baseline(code, key, inputs),
            switch=None if pd.isna(course.NEWTHDT) else _since_1970(course.NEWTHDT),
            known=_since_1970(start if pd.isna(subject.LSTALVDT) else subject.LSTALVDT),
            left=subject.DCSREAS if subject.DCSREAS in LEFT_STUDY else "",
            died=code in BY_PSA and not pd.isna(subject.DTHDT),
        )
        result = outcome(
            follow_up, events.get(key, []), assessments.get(key, []), definition, limit
        )
        has_event = result.case == 4
        day = (
            _scheduled(follow_up, result, interval)
            if has_event and definition.next_scan
            else result.day
        )
        source = result.source or DatedEvent(follow_up.start, "", "ADSL", "STARTDT", float("nan"))
        rows.append(
            {
                "STUDYID": course.STUDYID,
                "USUBJID": course.USUBJID,
                "PARAMCD": code + definition.code + ("RE" if course.AGAINFL == "Y" else ""),
                "COURSE": course.COURSE,
                "STARTDT": start,
                "ADT": pd.Timestamp("1970-01-01") + pd.Timedelta(days=day),
                "AVAL": float(day - follow_up.start),
                "AVALU": "DAYS",
                "CNSR": 0 if has_event else 1,
                "EVNTDESC": source.kind if has_event else "",
                "CNSDTDSC": ""
                if has_event
                else (follow_up.left if result.case == 6 else CENSORED[result.case]),
                "SRCDOM": source.dom,
                "SRCVAR": source.var,
                "SRCSEQ": source.seq,
                "CASE": result.case,
            }
        )
    return rows


def progression_times(inputs: Sources, plan: Plan) -> pd.DataFrame:
    """The times to progression by the SAP's definition and its sensitivity definitions.

    Events and assessments of each endpoint:

    - RPFS: radiographic progression or death; evaluable tumour assessments of study courses.
    - PFS: radiographic or clinical progression or death; tumour assessments. Where the SAP has a rule of
      PSA progression, PSA progression and PSA values as well.
    - TTPP: PSA progression; PSA values. DOR: the same from the first decline of a PSA response.
    - RDOR: as RPFS, from the first assessment of a confirmed CR or PR.

    E is the first event on or after the origin, N the first day of a new anticancer therapy, A the
    last adequate assessment after the first dose: on or before N in case 2, before E in case 3,
    any in the other cases. An assessment is adequate when it is dated and, for tumour assessments,
    its overall response is not NE. The first case that applies:

    1. No baseline assessment: censored at the origin.
    2. N before E, or N and no E: censored at A, where `new_therapy` is censor.
    3. E more than `missed_assessments` intervals and `window_days` days after A (after the origin
       or the first dose, whichever is later, where there is no A): censored at A. An interval is
       `scan_interval_days` days. For PSA progression (TTPP and DOR) it is `psa_interval_days` days.
    4. E: event on the day of E, also when E is on the day of N. A death before the first assessment
       or between two assessments is an event.
    5. No E and no A: censored at the origin.
    6. Lost to follow-up or consent withdrawn: censored at A.
    7. Died, where death is no event (TTPP, DOR): censored at A.
    8. No E by the cut-off: censored at A.

    Where there is no A, the origin is used. Of several events on one day, E is the first of this
    list: radiographic progression, clinical progression, death. PSA progression comes second. A sensitivity
    definition (NT, IT, GAP, OFF, UNC, DOSE, NEXT; first courses only) differs only in the point it
    names. OFF: an end of study treatment for another reason than completion or death is an event.
    UNC: an unconfirmed progression of bone is an event under any overall response. NEXT: the cases
    are applied to the true days, then a progression of any kind is dated at the next scheduled
    scan, not after the last day known alive; a death is not moved. RE is the course after
    re-screening. RPFS, PFS and RDOR are not derived where the data hold no dated tumour assessment.
    TTPP and DOR are not derived where they hold no PSA or the SAP has no rule of PSA progression.
    """
    rows: list[dict[str, Any]] = []
    for definition in definitions(plan.progression):
        for code in ("PFS", "RPFS", "TTPP") if definition.code else ENDPOINTS:
            needed = inputs.logs["psa values"] if code in BY_PSA else inputs.has_scans
            defined_for_psa = definition.code not in ("OFF", "NEXT") or code not in BY_PSA
            if needed and defined_for_psa:
                rows += _rows(code, definition, inputs, plan)
    return pd.DataFrame(rows, columns=[*COLUMNS])
