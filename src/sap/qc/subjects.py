"""Each subject, read record by record from the frozen SDTM."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from sap.catalogue import fold
from sap.plan.model import AliveOn, Biomarker, Plan
from sap.qc.dates import Day, complete_day, earliest, latest

Record = dict[str, Any]


def read_records(cut: Path) -> dict[str, list[Record]]:
    """Every domain of a cut as a list of records, read by DuckDB."""
    import duckdb

    tables: dict[str, list[Record]] = {}
    with duckdb.connect(":memory:") as base:
        for path in sorted(cut.glob("*.parquet")):
            query = base.execute("SELECT * FROM read_parquet(?)", [str(path)])
            names = [column[0] for column in query.description]
            tables[path.stem] = [dict(zip(names, row, strict=True)) for row in query.fetchall()]
    return tables


@dataclass
class Sample:
    """The deciding sample of one screening."""

    count: float | None
    marker: str
    reason: str | None
    day: Day | None = None


@dataclass
class Subject:
    """What several rules need of one subject."""

    usubjid: str
    consent: Day | None = None
    consented: bool = False
    first: Sample | None = None
    second: Sample | None = None
    group: str | None = None
    allocated: Day | None = None
    again_allocated: Day | None = None
    again_consent: bool = False
    doses: int = 0
    first_dose: Day | None = None
    last_dose: Day | None = None
    line: str | None = None
    last_alive: Day | None = None
    died: Day | None = None
    stopped_for: str | None = None
    stopped_on: Day | None = None
    left_for: str | None = None
    screening_end: str | None = None
    not_eligible_again: bool = False
    again_end: str | None = None
    choice_before_again: bool = False
    sets: set[str] = field(default_factory=set)

    @property
    def treated(self) -> bool:
        return self.doses > 0

    @property
    def treated_again(self) -> bool:
        """Allocated to group B at re-screening, and no dose before that."""
        if not self.treated or self.again_allocated is None:
            return False
        return self.first_dose is None or self.first_dose >= self.again_allocated


def by_subject(rows: list[Record]) -> dict[str, list[Record]]:
    """The records of each subject, in their order."""
    records: dict[str, list[Record]] = {}
    for row in rows:
        records.setdefault(row["USUBJID"], []).append(row)
    return records


LATE = dt.date.max


class Assay(NamedTuple):
    """One record of the biomarker test, whichever domain reports it."""

    seq: float
    result: str | None
    why_undetermined: str | None
    not_done: str | None
    sample: str | None
    at_visit: str | None
    date: str | None

    @property
    def precedence(self) -> tuple[bool, Day, float]:
        return self.sample is None, earliest(self.date) or LATE, self.seq


def assays(records: Mapping[str, list[Record]], rule: Biomarker) -> list[Assay]:
    """What one subject's records of the domain that the SAP names say of the biomarker test, in their order.

    Where the SAP names a detail of the test, the record must carry it.
    """
    stem = rule.domain.upper()
    made = []
    for row in records.get(rule.domain, []):
        of_detail = rule.detail is None or fold(row.get(f"{stem}TSTDTL") or "") == fold(rule.detail)
        if row.get(f"{stem}TESTCD") == rule.test and of_detail:
            made.append(
                Assay(
                    row[f"{stem}SEQ"],
                    row.get(f"{stem}STRESC"),
                    row.get(f"{stem}RESCAT"),
                    row.get(f"{stem}REASND"),
                    row.get(f"{stem}REFID"),
                    row.get("VISIT"),
                    row.get(f"{stem}DTC"),
                )
            )
    return made


def _of_results(tested: list[Assay], visit: str) -> list[Record]:
    """Where no count is required, the sample of a visit is that of its first result."""
    if not tested:
        return []
    first = min(tested, key=lambda one: (one.result is None, *one.precedence[1:]))
    sample = {"CPTESTCD": "CTC", "VISIT": visit, "CPSEQ": 1, "CPDTC": first.date}
    return [sample | {"CPREFID": first.sample}]


def _sample(cp: list[Record], tests: list[Assay], visit: str, rule: Biomarker) -> Sample | None:
    tested = [one for one in tests if one.at_visit == visit]
    if rule.cell_count is None:
        cp = _of_results(tested, visit)
    best: Record | None = None
    for row in cp:
        if row.get("CPTESTCD") != "CTC" or row.get("VISIT") != visit:
            continue
        if best is None or _rank(row) < _rank(best):
            best = row
    if best is None:
        return None
    chosen: Assay | None = None
    for one in tested:
        if one.sample is not None and one.sample != best.get("CPREFID"):
            continue
        if chosen is None or one.precedence < chosen.precedence:
            chosen = one
    state = (chosen.result if chosen else None) or "NOT DONE"
    reason = None
    if chosen is not None:
        reason = (chosen.why_undetermined if state == "UNDETERMINED" else None) or chosen.not_done
    return Sample(best.get("CPSTRESN"), state, reason, earliest(best.get("CPDTC")))


def _rank(row: Record) -> tuple[bool, Day, float]:
    return row.get("CPSTRESN") is None, earliest(row.get("CPDTC")) or LATE, row["CPSEQ"]


def milestone(ds: list[Record], term: str, part: str | None = None) -> Day | None:
    """The first day of a milestone; None also when it is recorded without a day."""
    days = []
    for row in ds:
        named = row.get("DSCAT") == "PROTOCOL MILESTONE" and row.get("DSDECOD") == term
        if named and (part is None or row.get("DSSCAT") == part):
            day = earliest(row.get("DSSTDTC"))
            if day is not None:
                days.append(day)
    return min(days) if days else None


def ended(ds: list[Record], about: str) -> Record | None:
    """The last disposition event about something."""
    last: Record | None = None
    for row in ds:
        if row.get("DSCAT") == "DISPOSITION EVENT" and row.get("DSSCAT") == about:
            here = (earliest(row.get("DSSTDTC")) or LATE, row["DSSEQ"])
            if last is None or here >= (earliest(last.get("DSSTDTC")) or LATE, last["DSSEQ"]):
                last = row
    return last


def is_study_dose(row: Record, drugs: list[str]) -> bool:
    """Whether an EX record is a dose of the study drug."""
    return row.get("EXTRT") in drugs and row.get("EXCAT") in ("STUDY TREATMENT", None)


def days_with_doses(ex: list[Record], plan: Plan) -> int:
    """The days that lie in any interval of continuous dosing."""
    days: set[int] = set()
    for row in ex:
        first, last = complete_day(row.get("EXSTDTC")), complete_day(row.get("EXENDTC"))
        if is_study_dose(row, plan.exposure.drugs) and first is not None:
            days.update(range(first.toordinal(), (last or first).toordinal() + 1))
    return len(days)


def with_ends(
    tables: Mapping[str, list[Record]], plan: Plan, cut_off: dt.date
) -> dict[str, list[Record]]:
    """The tables in which each end that the plan's rules supply is written.

    Without any DSSCAT an end is one of participation. An interval of continuous dosing without an end has one.

    It ends before the next interval of the drug, else with treatment, life or the data, and not later than a
    partial end allows.
    """
    made = dict(tables)
    if not any(row.get("DSSCAT") for row in made.get("ds", [])):  # it was not collected
        made["ds"] = [
            row | {"DSSCAT": "STUDY PARTICIPATION"}
            if row.get("DSCAT") == "DISPOSITION EVENT"
            else row
            for row in made.get("ds", [])
        ]
    if plan.exposure.dosing == "cycles":
        return made
    ends: dict[str, list[Day | None]] = {}
    for who, ds in by_subject(made.get("ds", [])).items():
        last = [ended(ds, "STUDY TREATMENT"), ended(ds, "STUDY PARTICIPATION")]
        ends[who] = [earliest(one.get("DSSTDTC")) for one in last if one]
    for row in made.get("dm", []):
        ends.setdefault(row["USUBJID"], []).append(complete_day(row.get("DTHDTC")))
    rows = []
    for row in made.get("ex", []):
        start = complete_day(row.get("EXSTDTC"))
        if (
            row.get("EXTRT") in plan.exposure.drugs
            and start is not None
            and complete_day(row.get("EXENDTC")) is None
        ):
            others = [
                day
                for other in made["ex"]
                if (other["USUBJID"], other.get("EXTRT")) == (row["USUBJID"], row["EXTRT"])
                and (day := complete_day(other.get("EXSTDTC"))) is not None
                and day > start
            ]
            limits: list[Day | None] = [cut_off, *ends.get(row["USUBJID"], [])]
            if others:
                limits = [min(others) - dt.timedelta(days=1)]
            limits.append(latest(row.get("EXENDTC")))
            end = max(start, min(day for day in limits if day is not None))
            row = row | {"EXENDTC": end.isoformat()}
        rows.append(row)
    if "ex" in made:
        made["ex"] = rows
    return made


def _doses(subject: Subject, ex: list[Record], drugs: list[str]) -> None:
    begins, ends = [], []
    for row in ex:
        if not is_study_dose(row, drugs):
            continue
        subject.doses += 1
        begin = complete_day(row.get("EXSTDTC"))
        end = complete_day(row.get("EXENDTC")) or begin
        if begin is not None:
            begins.append(begin)
        if end is not None:
            ends.append(end)
    subject.first_dose = min(begins) if begins else None
    subject.last_dose = max(ends) if ends else None


def _line(subject: Subject, cm: list[Record], drugs: list[str]) -> str | None:
    if not subject.treated:
        return None
    for row in cm:
        if row.get("CMDECOD") not in drugs:
            continue
        category = row.get("CMCAT")
        low, high = earliest(row.get("CMSTDTC")), latest(row.get("CMSTDTC"))
        if category == "PRIOR ANTICANCER THERAPY":
            return "third_line"
        if subject.first_dose is None:
            continue
        if category == "PHYSICIAN'S CHOICE" and low is not None and low < subject.first_dose:
            return "third_line"
        if (
            category == "SUBSEQUENT ANTICANCER THERAPY"
            and high is not None
            and high < subject.first_dose
        ):
            return "third_line"
    return "second_line"


def _shows_alive(row: Record, line: AliveOn) -> bool:
    """Whether a record meets the condition of a line of the plan, and was done."""
    stem = line.domain.upper()
    if row.get(f"{stem}STAT") == "NOT DONE" or row.get(f"{stem}OCCUR") == "N":
        return False
    if any(row.get(name) not in words for name, words in (line.only or {}).items()):
        return False
    return all(row.get(name) not in words for name, words in (line.unless or {}).items())


def _seen(domains: dict[str, list[Record]], plan: Plan) -> Day | None:
    last: Day | None = None
    for line in plan.survival.alive_on:
        for row in domains.get(line.domain, []):
            day = complete_day(row.get(line.date))
            if day is not None and _shows_alive(row, line) and (last is None or day > last):
                last = day
    return last


def _death(dm: Record, domains: dict[str, list[Record]], seen: Day | None) -> Day | None:
    texts = [dm.get("DTHDTC")]
    ds = [r for r in domains.get("ds", []) if r.get("DSDECOD") == "DEATH" and r.get("DSSTDTC")]
    ss = [r for r in domains.get("ss", []) if r.get("SSSTRESC") == "DEAD" and r.get("SSDTC")]
    texts += [min((r["DSSTDTC"] for r in ds), key=lambda t: earliest(t) or LATE, default=None)]
    texts += [min((r["SSDTC"] for r in ss), key=lambda t: earliest(t) or LATE, default=None)]
    for text in texts:
        day = earliest(text)
        if day is not None:
            if complete_day(text) or seen is None:
                return day
            return max(day, min(seen, latest(text) or seen))
    return None


def _failed_again(ie: list[Record]) -> bool:
    for row in ie:
        if row.get("VISIT") == "RE-SCREENING" and (
            (row.get("IECAT"), row.get("IESTRESC")) in (("INCLUSION", "N"), ("EXCLUSION", "Y"))
        ):
            return True
    return False


def _chosen_before(subject: Subject, cm: list[Record], drugs: list[str]) -> bool:
    came = subject.second.day if subject.second else None
    for row in cm:
        began = earliest(row.get("CMSTDTC"))
        chosen = row.get("CMCAT") == "PHYSICIAN'S CHOICE" and row.get("CMDECOD") in drugs
        if chosen and came is not None and began is not None and began < came:
            return True
    return False


def subjects_of(tables: Mapping[str, list[Record]], plan: Plan) -> dict[str, Subject]:
    """Every patient of DM by USUBJID, with the sets that need no measurement of PSA."""
    split = {name: by_subject(rows) for name, rows in tables.items() if name != "ts"}
    subjects = {}
    dated = any(complete_day(dm.get("RFICDTC")) for dm in tables["dm"])
    for dm in tables["dm"]:
        who = dm["USUBJID"]
        domains = {name: rows.get(who, []) for name, rows in split.items()}
        subject = Subject(who, consent=complete_day(dm.get("RFICDTC")))
        subject.consented = subject.consent is not None or not dated
        ds, cp = (domains.get(name, []) for name in ("ds", "cp"))
        if plan.biomarker is not None:
            tests = assays(domains, plan.biomarker)
            subject.first = _sample(cp, tests, "SCREENING", plan.biomarker)
            subject.second = _sample(cp, tests, "RE-SCREENING", plan.biomarker)
        to_a = milestone(ds, "ALLOCATED TO GROUP A", "SCREENING")
        to_b = milestone(ds, "ALLOCATED TO GROUP B", "SCREENING")
        if to_a is not None and not (to_b is not None and to_b < to_a):
            subject.group, subject.allocated = "A", to_a
        elif to_b is not None:
            subject.group, subject.allocated = "B", to_b
        subject.again_allocated = milestone(ds, "ALLOCATED TO GROUP B", "RE-SCREENING")
        subject.again_consent = milestone(ds, "RE-SCREENING CONSENT OBTAINED") is not None
        _doses(subject, domains.get("ex", []), plan.exposure.drugs)
        if plan.lines is not None:
            subject.line = _line(subject, domains.get("cm", []), plan.lines.third_line_after)
        seen = _seen({**domains, "dm": [dm]}, plan)
        subject.died = _death(dm, domains, seen)
        subject.last_alive = seen
        if subject.died is not None and (
            subject.last_alive is None or subject.last_alive > subject.died
        ):
            subject.last_alive = subject.died
        end = ended(ds, "STUDY TREATMENT")
        if end is not None:
            subject.stopped_for, subject.stopped_on = (
                end.get("DSDECOD"),
                earliest(end.get("DSSTDTC")),
            )
        of_study = ended(ds, "STUDY PARTICIPATION")
        subject.left_for = of_study.get("DSDECOD") if of_study else None
        of_screening = ended(ds, "SCREENING")
        subject.screening_end = of_screening.get("DSDECOD") if of_screening else None
        of_again = ended(ds, "RE-SCREENING")
        subject.again_end = of_again.get("DSDECOD") if of_again else None
        subject.not_eligible_again = _failed_again(domains.get("ie", []))
        after = plan.rescreening.after if plan.rescreening else []
        subject.choice_before_again = _chosen_before(subject, domains.get("cm", []), after)
        subject.sets = _sets(subject, domains, plan)
        subjects[who] = subject
    return subjects


def _sets(subject: Subject, domains: dict[str, list[Record]], plan: Plan) -> set[str]:
    sets = set()
    positive = subject.first is not None and subject.first.marker == "POSITIVE"
    count = subject.first.count if subject.first is not None else None
    enough = not plan.cells_required or (count is not None and count >= plan.cells_required)
    if plan.biomarker is None:  # all are screened, all treated are of the primary set
        selected = True
        sets.add("SCREENED")
    else:
        selected = positive and enough
        if subject.consented and subject.first is not None:
            sets.add("SCREENED")
    primary = selected and subject.treated and not subject.treated_again
    if positive:
        sets.add("MARKERPOS")
    if subject.treated:
        sets.add("SAFETY")
    if subject.second is not None or subject.again_consent:
        sets.add("RESCREENED")
    if subject.group == "A":
        sets.add("GROUPA")
    if not primary:
        return sets
    sets.add("PRIMARY")
    major = any(row.get("DVCAT") == "MAJOR" for row in domains.get("dv", []))
    long = _long_enough(subject, domains.get("ex", []), plan)
    if not major and (long or subject.stopped_for == "PROGRESSIVE DISEASE"):
        sets.add("PERPROT")
    on_treatment = any(_is_on_treatment(row, subject) for row in domains.get("cp", []))
    if (
        count is not None
        and count >= (plan.analysis_sets.ctc_baseline_minimum or 0)
        and on_treatment
    ):
        sets.add("CTCEVAL")
    return sets


def _long_enough(subject: Subject, ex: list[Record], plan: Plan) -> bool:
    """Whether the treatment was as long as the per-protocol set requires."""
    cycles, days = plan.analysis_sets.per_protocol_cycles, plan.analysis_sets.per_protocol_days
    if cycles is not None:
        return subject.doses >= cycles
    return days_with_doses(ex, plan) >= (days or 0)


def _is_on_treatment(row: Record, subject: Subject) -> bool:
    if row.get("CPTESTCD") != "CTC" or row.get("CPSTRESN") is None:
        return False
    visit = row.get("VISIT") or ""
    if visit in ("SCREENING", "RE-SCREENING"):
        return False
    if visit.startswith("CYCLE") or visit == "END OF TREATMENT":
        return True
    day = earliest(row.get("CPDTC"))
    return day is not None and subject.first_dose is not None and day > subject.first_dose
