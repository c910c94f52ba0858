"""ADTTE: times from an origin to an event, or to the last day without it, with the reason kept."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sap.derivations.dates import full_day
from sap.derivations.progression import psa_progression
from sap.derivations.tumour import EVALUABLE, baseline_scanned
from sap.plan.model import Baseline, Plan, Progression, Survival

Tables = Mapping[str, pd.DataFrame]

ORIGINS = {
    "screening": ("RFICDT", "Consent to screening"),
    "allocation": ("ALLOCDT", "Allocation"),
    "first dose": ("TRTSDT", "First dose of study cabazitaxel"),
    "re-screening allocation": ("RESALLDT", "Allocation after re-screening"),
}
COLUMNS = (
    "STUDYID",
    "USUBJID",
    "PARAMCD",
    "PARAM",
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
GONE = ("LOST TO FOLLOW-UP", "WITHDRAWAL BY SUBJECT")


def _overall(adsl: pd.DataFrame, origin: str, paramcd: str, param: str) -> pd.DataFrame:
    column, words = ORIGINS[origin]
    known = adsl[adsl[column].notna()]
    start = known[column]
    died = known["DTHDT"] >= start
    before = known["DTHDT"] < start
    seen = known["LSTALVDT"] > start
    case = np.select([died, before, seen], [1, 2, 3], default=4)
    end = known["DTHDT"].where(died, known["LSTALVDT"].where(seen & ~before, start))
    return pd.DataFrame(
        {
            "STUDYID": known["STUDYID"],
            "USUBJID": known["USUBJID"],
            "PARAMCD": paramcd,
            "PARAM": f"{param} from {words[0].lower()}{words[1:]} (days)",
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
    """Overall survival of every patient who has the plan's origin, `os_origin`.

    The time is that from the origin in days (no day is added); the first case that applies
    decides:

    1. Event: death, on the day of death.
    2. Censored at the origin: the recorded death lies before it, DEATH BEFORE ORIGIN
       (dates that contradict one another are never turned into a negative time).
    3. Censored on the last day known alive, LAST KNOWN ALIVE.
    4. Censored at the origin: no later day known alive, NO FOLLOW-UP AFTER ORIGIN.

    The cut-off needs no case: a frozen cut holds nothing behind it. Variants:

    - OS counts from the plan's origin; OSRE, for patients treated after re-screening, from their
      second allocation.
    - OSCENS is OS with those patients censored on the day of that allocation, RE-SCREENED AND
      ALLOCATED (case 5, which goes before the others): a sensitivity of the comparison of the
      groups.
    - OSSCR counts from consent to screening, with the number of days until the first study dose
      beside it (ENTRY). It shows what waiting for treatment does to a curve.
    """
    whole = _overall(adsl, rule.os_origin, "OS", "Overall survival")
    again = adsl[adsl["RESCTRFL"] == "Y"]
    second = whole["USUBJID"].map(again.set_index("USUBJID")["RESALLDT"])
    stops = second.notna() & (second <= whole["ADT"]) & (second >= whole["STARTDT"])
    changed: dict[str, Any] = {
        "PARAMCD": "OSCENS",
        "ADT": whole["ADT"].where(~stops, second),
        "CNSR": whole["CNSR"].where(~stops, 1),
        "EVNTDESC": whole["EVNTDESC"].where(~stops, ""),
        "CNSDTDSC": whole["CNSDTDSC"].where(~stops, "RE-SCREENED AND ALLOCATED"),
        "SRCDOM": whole["SRCDOM"].where(~stops, "ADSL"),
        "SRCVAR": whole["SRCVAR"].where(~stops, "RESALLDT"),
        "CASE": whole["CASE"].where(~stops, 5),
    }
    censored = whole.assign(**changed)
    censored["AVAL"] = (censored["ADT"] - censored["STARTDT"]).dt.days.astype(float)
    from_screening = _overall(adsl, "screening", "OSSCR", "Overall survival")
    first_dose = from_screening["USUBJID"].map(adsl.set_index("USUBJID")["TRTSDT"])
    waited = (first_dose - from_screening["STARTDT"]).dt.days.astype(float)
    parts = [
        whole,
        _overall(again, "re-screening allocation", "OSRE", "Overall survival"),
        censored,
        from_screening.assign(ENTRY=waited.clip(lower=0)),
    ]
    columns = list(parts[-1].columns)
    some = [p for p in parts if len(p)] or parts[-1:]
    return pd.concat(some, ignore_index=True).reindex(columns=columns)


def with_baseline_status(
    adsl: pd.DataFrame, rs: pd.DataFrame | None, rule: Baseline
) -> pd.DataFrame:
    """The ECOG status in the models of survival, and in narratives.

    The reference day is the allocation, of a patient not allocated the consent to screening. The
    first case that applies:

    1. The last status on or before the reference day (of one day, the higher RSSEQ).
    2. Where ECOG is one of `baseline.window_measures`: the first status after it, at most
       `baseline.window_days` days later, and not after the first dose of study cabazitaxel.
    3. Missing: the patient is left out of models that need it.
    """
    table = pd.DataFrame() if rs is None else rs
    table = table.reindex(columns=["USUBJID", "RSSEQ", "RSTESTCD", "RSSTRESC", "RSDTC"])
    table = table[(table["RSTESTCD"] == "ECOG") & table["RSDTC"].notna()]
    table = table.assign(DAY=full_day(table["RSDTC"]))
    table = table.sort_values(["USUBJID", "DAY", "RSSEQ"], kind="stable")
    subject = adsl.set_index("USUBJID")
    limit = table["USUBJID"].map(subject["ALLOCDT"].fillna(subject["RFICDT"]))
    window = rule.window_days if "ECOG" in rule.window_measures else 0
    until = limit + pd.to_timedelta(window, unit="D")
    first_dose = table["USUBJID"].map(subject["TRTSDT"])
    before = table[table["DAY"] <= limit].drop_duplicates("USUBJID", keep="last")
    after = table[(table["DAY"] > limit) & (table["DAY"] <= until) & ~(table["DAY"] > first_dose)]
    chosen = pd.concat([before, after]).drop_duplicates("USUBJID").set_index("USUBJID")["RSSTRESC"]
    return adsl.assign(ECOGBL=pd.to_numeric(adsl["USUBJID"].map(chosen)).astype(float))


class Definition(NamedTuple):
    """One way to count an event: the plan's, or one of its sensitivities."""

    code: str = ""
    words: str = ""
    new_therapy: str = "censor"
    gaps: bool = True
    stop: bool = False
    unconfirmed: bool = False
    first_dose: bool = False
    next_scan: bool = False


def definitions(rule: Progression) -> list[Definition]:
    """The plan's definition first, then each sensitivity it lists; only what the words say differs."""
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
    return [main, *(known[words]._replace(words=words) for words in rule.sensitivity)]


class Happened(NamedTuple):
    """Something with a day (counted from 1970-01-01) and where it stands in the data."""

    day: int
    what: str
    dom: str
    var: str
    seq: float


class Followed(NamedTuple):
    """One course from its origin: the days that decide, and everything that happened in it."""

    start: int
    first_dose: int
    baseline: bool
    switch: int | None
    known: int
    left: str
    died: bool


class Outcome(NamedTuple):
    """The case that decided, and what decided: an event, the last assessment, or the origin."""

    case: int
    day: int
    by: Happened | None


def outcome(
    who: Followed, events: Sequence[Happened], seen: Sequence[Happened], d: Definition, limit: int
) -> Outcome:
    """Event or censoring of one course, by the cases of `progression_times`.

    `events` and `seen` (the adequate assessments) are in the order of their days; `limit` is the
    longest time in days from an assessment to an event that counts.

    Examples
    --------
    >>> patient = Followed(start=0, first_dose=0, baseline=True, switch=None, known=400, left="",
    ...                died=False)
    >>> scan = Happened(84, "SCAN", "TR", "TRDTC", 1)
    >>> death = Happened(300, "DEATH", "DM", "DTHDTC", float("nan"))
    >>> outcome(patient, [death], [scan], Definition(), limit=182)[:2]  # 216 days without a scan
    (3, 84)
    >>> outcome(patient, [death], [scan], Definition(gaps=False), limit=182)[:2]
    (4, 300)
    """
    event = next((e for e in events if e.day >= who.start), None)
    adequate = [s for s in seen if s.day > who.first_dose and s.day >= who.start]
    if not who.baseline:
        return Outcome(1, who.start, None)
    switched = who.switch is not None and d.new_therapy == "censor"
    if switched and who.switch is not None and (event is None or event.day > who.switch):
        return _censored(2, who, [s for s in adequate if s.day <= who.switch])
    if event is not None:
        before = [s for s in adequate if s.day < event.day]
        since = before[-1].day if before else max(who.start, who.first_dose)
        if d.gaps and event.day - since > limit:
            return _censored(3, who, before)
        return Outcome(4, event.day, event)
    if not adequate:
        return _censored(5, who, [])
    return _censored(6 if who.left else 7 if who.died else 8, who, adequate)


def _censored(case: int, who: Followed, seen: Sequence[Happened]) -> Outcome:
    return Outcome(case, seen[-1].day, seen[-1]) if seen else Outcome(case, who.start, None)


OF_SUBJECT = ["USUBJID", "RFICDT", "ALLOCDT", "TRTSDT", "RESALLDT", "DTHDT", "LSTALVDT", "DCSREAS"]
Key = tuple[str, str]
Log = dict[Key, list[Happened]]


class Sources(NamedTuple):
    """What times are made of: patients and courses as rows, logs, and who has a baseline; each log by patient and course, in the order of its days."""

    subjects: dict[str, Any]
    courses: list[Any]
    logs: dict[str, Log]
    with_psa: frozenset[Key]
    scanned: frozenset[Key]
    responses: dict[str, dict[str, Any]]


def _log(frame: pd.DataFrame, what: str, dom: str, var: str, seq: str = "") -> Log:
    """The rows of `frame` (USUBJID, COURSE, ADT) as a log; rows without a day are left out."""
    frame = frame[frame["ADT"].notna()].sort_values(["USUBJID", "ADT"], kind="stable")
    days = _days(frame["ADT"])
    seqs = frame[seq].astype(float).tolist() if seq else [float("nan")] * len(frame)
    found: Log = {}
    for subject, course, day, number in zip(
        frame["USUBJID"], frame["COURSE"], days, seqs, strict=True
    ):
        found.setdefault((subject, course), []).append(Happened(day, what, dom, var, number))
    return found


def _days(dates: pd.Series) -> list[int]:
    return [int(v) for v in (dates - pd.Timestamp("1970-01-01")).dt.days]


def _merged(*logs: Log) -> Log:
    """Several logs as one; of one day, in the order given."""
    found: Log = {}
    for log in logs:
        for key, happened in log.items():
            found.setdefault(key, []).extend(happened)
    return {key: sorted(happened, key=lambda h: h.day) for key, happened in found.items()}


def _scan_logs(points: pd.DataFrame) -> dict[str, Log]:
    """Evaluable scans, progression, and progression with what was never confirmed."""
    unsure = (points["OVRLRESP"] == "PDu") | (points["BONERESP"] == "PDu")
    chosen = {
        "scans": points["OVRLRESP"].isin(EVALUABLE),
        "radiographic": points["OVRLRESP"] == "PD",
        "radiographic or unconfirmed": (points["OVRLRESP"] == "PD") | unsure,
    }
    found = {}
    for name, which in chosen.items():
        what = "SCAN" if name == "scans" else "RADIOGRAPHIC PROGRESSION"
        logs = [
            _log(points[which & (points["SOURCE"] == dom)], what, dom, f"{dom}DTC", "SRCSEQ")
            for dom in ("TR", "RS")
        ]
        found[name] = _merged(*logs)
    return found


def _psa_logs(answers: pd.DataFrame, more: str) -> dict[str, Log]:
    found = {}
    for name, cases in (("psa", (3, 4)), ("psa or unconfirmed", (3, 4, 5))):
        yes = answers[answers["CASE"].isin(cases)]
        yes = yes.assign(ADT=yes["RISEDT"])
        found[name + more] = _log(yes, "PSA PROGRESSION", "LB", "LBDTC", "SRCSEQ")
    return found


def _deaths(adsl: pd.DataFrame, courses: pd.DataFrame) -> Log:
    died = courses.merge(adsl[["USUBJID", "DTHDT"]], on="USUBJID").assign(ADT=lambda f: f["DTHDT"])
    # A patient's first course cannot end by a death that belongs to his second one.
    second = died.loc[died["AGAINFL"] == "Y", "USUBJID"]
    died = died[(died["COURSE"] == "STUDY") | ~died["USUBJID"].isin(second)]
    return _log(died, "DEATH", "DM", "DTHDTC")


def _stops(adsl: pd.DataFrame) -> Log:
    off = adsl[~adsl["DCTREAS"].isin(("COMPLETED", "DEATH"))]
    return _log(off.assign(COURSE="STUDY", ADT=off["DCTDT"]), "TREATMENT STOPPED", "DS", "DSSTDTC")


def _clinical(tables: Tables, courses: pd.DataFrame, plan: Plan) -> Log:
    """Clinical progression said by the plan's evaluator in a course, with a full date."""
    rs = tables.get("rs", pd.DataFrame()).reindex(
        columns=["USUBJID", "RSSEQ", "RSTESTCD", "RSSTRESC", "RSEVAL", "RSDTC"]
    )
    by = rs["RSEVAL"].isna() | (rs["RSEVAL"] == plan.tumour.evaluator)
    said = rs[(rs["RSTESTCD"] == "CLINPROG") & (rs["RSSTRESC"] == "Y") & by]
    said = said.assign(ADT=full_day(said["RSDTC"])).merge(
        courses[["USUBJID", "COURSE", "TRTSDT"]], on="USUBJID"
    )
    study = courses[courses["COURSE"] == "STUDY"].set_index("USUBJID")["TRTSDT"]
    inside = (said["COURSE"] == "STUDY") | ~(said["ADT"] >= said["USUBJID"].map(study))
    said = said[(said["ADT"] > said["TRTSDT"]) & inside]
    return _log(said, "CLINICAL PROGRESSION", "RS", "RSDTC", "RSSEQ")


def sources(
    tables: Tables,
    adsl: pd.DataFrame,
    courses: pd.DataFrame,
    points: pd.DataFrame,
    psa: dict[str, pd.DataFrame],
    adrs: pd.DataFrame,
    plan: Plan,
) -> Sources:
    """Everything times are made of; `psa` is ADPSA by course (STUDY, CHOICE).

    Without groups in the plan the physician's choice is not followed.
    """
    if not plan.study.groups:
        courses = courses[courses["COURSE"] == "STUDY"]
    logs = _scan_logs(points) | {"death": _deaths(adsl, courses), "stop": _stops(adsl)}
    logs["clinical"] = _clinical(tables, courses, plan)
    switched = courses.assign(ADT=courses["NEWTHDT"])
    logs["new therapy"] = _log(switched, "NEW ANTICANCER THERAPY", "CM", "CMSTDTC")
    values: list[Log] = []
    limited: list[pd.DataFrame] = []
    whole: list[pd.DataFrame] = []
    for name, of_course in psa.items():
        mine = courses[courses["COURSE"] == name]
        values.append(_log(of_course.assign(COURSE=name), "PSA", "LB", "LBDTC", "LBSEQ"))
        for into, followed in (
            (limited, mine),
            (whole, mine.assign(NEWTHDT=pd.Series(pd.NaT, mine.index))),
        ):
            answer = psa_progression(followed, of_course, plan.psa_progression, paramcd="PSAPROG")
            into.append(answer.assign(COURSE=name))
    logs["psa values"] = _merged(*values)
    answers = pd.concat([part for part in limited if len(part)] or limited[:1])
    ignoring = pd.concat([part for part in whole if len(part)] or whole[:1])
    logs |= _psa_logs(answers, "") | _psa_logs(ignoring, ", therapy ignored")
    known = answers[answers["CASE"] != 1]
    yes = adrs[adrs["AVALC"].isin(("Y", "CR", "PR"))]
    return Sources(
        subjects={str(subject.USUBJID): subject for subject in adsl[OF_SUBJECT].itertuples()},
        courses=list(courses.itertuples()),
        logs=logs,
        with_psa=frozenset(zip(known["USUBJID"], known["COURSE"], strict=True)),
        scanned=baseline_scanned(tables, courses, points, plan.tumour),
        responses={
            code: _days_of(yes[yes["PARAMCD"] == paramcd])
            for code, paramcd in (("DOR", "PSARESP"), ("RDOR", "BORC"))
        },
    )


def _days_of(answers: pd.DataFrame) -> dict[str, Any]:
    return dict(zip(answers["USUBJID"], answers["ADT"], strict=True))


WORDS = {
    "PFS": "Progression-free survival",
    "RPFS": "Radiographic progression-free survival",
    "TTPP": "Time to PSA progression",
    "DOR": "Duration of PSA response",
    "RDOR": "Duration of radiographic response",
}
CENSORED = {
    1: "NO BASELINE ASSESSMENT",
    2: "NEW ANTICANCER THERAPY",
    3: "MISSED ASSESSMENTS BEFORE THE EVENT",
    5: "NO ASSESSMENT AFTER BASELINE",
    7: "DIED WITHOUT PROGRESSION",
    8: "NO PROGRESSION AT LAST ASSESSMENT",
}
BY_PSA = ("TTPP", "DOR")


def _events(code: str, logs: dict[str, Log], d: Definition) -> Log:
    """What counts as an event of an endpoint; of one day, progression before death."""
    unsure = " or unconfirmed" if d.unconfirmed else ""
    psa = logs["psa" + unsure + (", therapy ignored" if d.new_therapy == "ignore" else "")]
    scan = logs["radiographic" + unsure]
    parts = {
        "PFS": [scan, psa, logs["clinical"], logs["death"]],
        "RPFS": [scan, logs["death"]],
        "RDOR": [scan, logs["death"]],
    }.get(code, [psa])
    more = [logs["stop"]] if d.stop else []
    more += [logs["new therapy"]] if d.new_therapy == "event" else []
    return _merged(*parts, *more)


def _seen(code: str, logs: dict[str, Log]) -> Log:
    if code in BY_PSA:
        return logs["psa values"]
    return _merged(logs["scans"], logs["psa values"]) if code == "PFS" else logs["scans"]


def _start(code: str, course: Any, subject: Any, got: Sources, how: tuple[Definition, Plan]) -> Any:
    """The origin: of the response (DOR, RDOR), the second allocation, the first dose, the plan's."""
    d, plan = how
    if code in got.responses:
        return got.responses[code].get(course.USUBJID, pd.NaT)
    if d.first_dose:
        return course.TRTSDT
    if course.AGAINFL == "Y":
        return subject.RESALLDT
    return getattr(subject, ORIGINS[plan.survival.pfs_origin][0])


def _baseline(code: str, key: Key, got: Sources) -> bool:
    psa, scan = key in got.with_psa, key in got.scanned
    return {"TTPP": psa, "RPFS": scan, "PFS": psa or scan}.get(code, True)


def _since_1970(day: pd.Timestamp) -> int:
    return (day - pd.Timestamp("1970-01-01")).days


def _scheduled(who: Followed, found: Outcome, interval: int) -> int:
    """Progression on the day of the next planned scan, never after the last known day."""
    if found.by is None or found.by.what in ("DEATH", "TREATMENT STOPPED"):
        return found.day
    reference = max(who.start, who.first_dose)
    planned = reference - (reference - found.day) // interval * interval
    return min(planned, max(who.known, found.day))


def _rows(code: str, d: Definition, got: Sources, plan: Plan) -> list[dict[str, Any]]:
    """One row per course of one endpoint by one definition."""
    rule = plan.progression
    interval = rule.psa_interval_days if code in BY_PSA else rule.scan_interval_days
    limit = rule.missed_assessments * interval + rule.window_days
    events, seen = _events(code, got.logs, d), _seen(code, got.logs)
    rows = []
    for course in got.courses:
        subject, key = got.subjects[course.USUBJID], (course.USUBJID, course.COURSE)
        start = _start(code, course, subject, got, (d, plan))
        unplanned = course.COURSE == "CHOICE" and code not in ("PFS", "TTPP")
        second = d.code and course.AGAINFL == "Y"
        if pd.isna(start) or unplanned or second:
            continue
        who = Followed(
            start=_since_1970(start),
            first_dose=_since_1970(course.TRTSDT),
            baseline=_baseline(code, key, got),
            switch=None if pd.isna(course.NEWTHDT) else _since_1970(course.NEWTHDT),
            known=_since_1970(start if pd.isna(subject.LSTALVDT) else subject.LSTALVDT),
            left=subject.DCSREAS if subject.DCSREAS in GONE else "",
            died=code in BY_PSA and not pd.isna(subject.DTHDT),
        )
        found = outcome(who, events.get(key, []), seen.get(key, []), d, limit)
        had = found.case == 4
        day = _scheduled(who, found, interval) if had and d.next_scan else found.day
        by = found.by or Happened(who.start, "", "ADSL", "STARTDT", float("nan"))
        rows.append(
            {
                "STUDYID": course.STUDYID,
                "USUBJID": course.USUBJID,
                "PARAMCD": code + d.code + ("RE" if course.AGAINFL == "Y" else ""),
                "PARAM": WORDS[code] + " (days)" + (f"; {d.words}" if d.words else ""),
                "COURSE": course.COURSE,
                "STARTDT": start,
                "ADT": pd.Timestamp("1970-01-01") + pd.Timedelta(days=day),
                "AVAL": float(day - who.start),
                "AVALU": "DAYS",
                "CNSR": 0 if had else 1,
                "EVNTDESC": by.what if had else "",
                "CNSDTDSC": "" if had else (who.left if found.case == 6 else CENSORED[found.case]),
                "SRCDOM": by.dom,
                "SRCVAR": by.var,
                "SRCSEQ": by.seq,
                "CASE": found.case,
            }
        )
    return rows


def progression_times(got: Sources, plan: Plan) -> pd.DataFrame:
    """RPFS, PFS, TTPP, DOR and RDOR by the plan's definition, and its sensitivities.

    What counts and what is adequate:

    - RPFS: radiographic progression or death; evaluable tumour assessments of study courses.
    - PFS: PSA, radiographic or clinical progression or death; tumour assessments and PSA values.
    - TTPP: PSA progression; PSA values. DOR: the same from the first fall of a PSA response.
    - RDOR: as RPFS, from the first assessment of a confirmed CR or PR.

    E is the first event on or after the origin, N the first day of a new anticancer therapy, A the
    last adequate assessment after the first dose: on or before N in case 2, before E in case 3,
    any in the others. An assessment is adequate when it is dated and, of tumours, its overall
    response is not NE. The first case that applies:

    1. No baseline assessment: censored at the origin.
    2. N before E, or N and no E: censored at A, where `new_therapy` is censor.
    3. E more than `missed_assessments` intervals and `window_days` days after A (after the origin
       or the first dose, whichever is later, where there is no A): censored at A. An interval is
       `psa_interval_days` days for TTPP and DOR, and `scan_interval_days` days for the others.
    4. E: event, on its own day; on the day of N it still counts. A death before the first
       assessment and between two of them is an event.
    5. No E and no A: censored at the origin.
    6. Lost to follow-up or consent withdrawn: censored at A.
    7. Died, where death is no event (TTPP, DOR): censored at A.
    8. No E by the cut-off: censored at A.

    Where A does not exist the origin takes its place. A sensitivity (NT, IT, GAP, OFF, UNC, DOSE,
    NEXT; first courses only) differs in what its words say and in nothing else; RE is the course
    after re-screening. RPFS, PFS and RDOR have no rows at all where the data hold no dated tumour
    assessment, TTPP and DOR none where they hold no PSA.
    """
    rows: list[dict[str, Any]] = []
    for d in definitions(plan.progression):
        for code in ("PFS", "RPFS", "TTPP") if d.code else WORDS:
            needed = got.logs["psa values" if code in BY_PSA else "scans"]
            by_psa_too = d.code not in ("OFF", "NEXT") or code not in BY_PSA
            if needed and by_psa_too:
                rows += _rows(code, d, got, plan)
    return pd.DataFrame(rows, columns=[*COLUMNS])
