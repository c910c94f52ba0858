"""Adverse events: overview, SOC and preferred term, rates of interest, deaths, monitoring."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sap import ard
from sap.ard import NotEstimable
from sap.catalogue import fold, folded
from sap.catalogue.reasons import text_of
from sap.methods.monitoring import boundary_characteristics, boundary_list, toxicity_boundary
from sap.plan.model import SEVERITIES, Plan, SafetyRate, ToxicityMonitoring
from sap.plan.references import References
from sap.results.labs import absent, from_grade, worst
from sap.results.provenance import makes
from sap.results.rates import REASON_NO_PATIENT, rate
from sap.results.sets import by_line, members

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

METHOD = "Patients, each once at the worst grade; number of events"
BY_SEVERITY = "Patients, each once at the worst severity; number of events"


def _stats(events: pd.DataFrame, n_subjects: int) -> dict[str, ard.type_of_stat]:
    """The subjects who have one of the events, of all subjects, and the number of events."""
    with_event = int(events["USUBJID"].nunique())
    return {
        "n": with_event,
        "N": n_subjects,
        "estimate": with_event / n_subjects if n_subjects else REASON_NO_PATIENT,
        "n_events": len(events),
    }


def _emergent(subjects: pd.DataFrame, adae: pd.DataFrame) -> pd.DataFrame:
    """Treatment-emergent adverse events of these subjects; disease progression is not one."""
    event = (adae["TRTEMFL"] == "Y") & (adae["PROGFL"] != "Y")
    return adae[event & adae["USUBJID"].isin(subjects["USUBJID"])]


def _method(plan: Plan) -> str:
    return METHOD if plan.safety.by == "grade" else BY_SEVERITY


def scale(plan: Plan) -> str:
    """The column of ADAE with the scale of the plan: the grade, or the place of the severity (1 to 3)."""
    return "ATOXGRN" if plan.safety.by == "grade" else "ASEVN"


def action_missing(events: pd.DataFrame) -> "pd.Series[bool]":
    """Whether the action taken with study treatment is missing or unknown, of each event."""
    return events["AEACN"].isna() | (events["AEACN"] == "UNKNOWN")


def _kinds(events: pd.DataFrame, plan: Plan) -> dict[str, "pd.Series[bool]"]:
    """Each LEVEL of the overview, and which of the events belong to it."""
    severe = events[scale(plan)] >= plan.safety.severe_rank
    related, serious = events["RELFL"] == "Y", events["AESER"] == "Y"
    withdrawn, fatal = events["AEACN"] == "DRUG WITHDRAWN", events["FATALFL"] == "Y"
    return {
        "any": events["TRTEMFL"] == "Y",
        "related": related,
        "severe_grade": severe,
        "related_severe_grade": related & severe,
        "grade_missing": events[scale(plan)].isna(),
        "serious": serious,
        "related_serious": related & serious,
        "serious_or_severe_grade": serious | severe,
        "related_serious_or_severe_grade": related & (serious | severe),
        "dose_reduced": events["AEACN"] == "DOSE REDUCED",
        "drug_interrupted": events["AEACN"] == "DRUG INTERRUPTED",
        "drug_withdrawn": withdrawn,
        "related_drug_withdrawn": related & withdrawn,
        "action_missing": action_missing(events),
        "not_serious": ~serious,
        "not_serious_action_missing": ~serious & action_missing(events),
        "fatal": fatal,
        "related_fatal": related & fatal,
    }


@makes("ae_overview")
def ae_overview(adsl: pd.DataFrame, adae: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Patients and events for each line of the overview, for all patients and by line of therapy (GROUP).

    1. `severe_grade`: an event of the plan's `safety.severe_grade` or worse; where `safety.by` is severity, a
       severe event.
    2. `serious_or_severe_grade`: serious or of that grade, whatever the cause, as registries report.
    3. `grade_missing`: an event without a grade (a severity); it counts in no line of a grade.
    4. `action_missing`: an event whose action taken with study treatment is missing or unknown; it counts
       in no line of an action. `not_serious` and `not_serious_action_missing` are events that were not
       serious, and those of them without a known action: the text names them, no line.
    5. Disease progression (`deaths.progression_terms`) counts in `ae_progression` and in no line here.
    """
    parts = []
    for group, subjects in by_line(adsl, "SAFETY").items():
        events = _emergent(subjects, adae)
        parts += [
            ard.rows(
                _stats(events[which], len(subjects)),
                analysis="ae_overview",
                section=plan.safety.section,
                population="SAFETY",
                group=group,
                paramcd="TEAE",
                level=level,
                method=_method(plan),
            )
            for level, which in _kinds(events, plan).items()
        ]
    return parts


@makes("ae_progression")
def progression(adsl: pd.DataFrame, adae: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Disease progression reported as an event, apart from adverse events, by line of therapy (GROUP).

    LEVEL `any` and `fatal`: treated patients with an event of the plan's terms of progression whose
    start counts as treatment-emergent.
    """
    parts = []
    for group, subjects in by_line(adsl, "SAFETY").items():
        events = adae[(adae["TRTEMFL"] == "Y") & (adae["PROGFL"] == "Y")]
        events = events[events["USUBJID"].isin(subjects["USUBJID"])]
        for level, counted in (("any", events), ("fatal", events[events["FATALFL"] == "Y"])):
            parts.append(
                ard.rows(
                    _stats(counted, len(subjects)),
                    analysis="ae_progression",
                    section=plan.deaths.section,
                    population="SAFETY",
                    group=group,
                    paramcd="PROG",
                    level=level,
                    method=_method(plan),
                )
            )
    return parts


AFTER_WINDOW = 5  # TRTEMCAS: began after the window of the last dose


@makes("fatal_events")
def fatal_events(adsl: pd.DataFrame, adae: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Treated patients with a fatal adverse event, by time of onset (LEVEL) and preferred term (SUBLEVEL).

    The first case that applies to the event; disease progression is not an adverse event:

    1. `treatment_emergent`.
    2. `after_window`: more than `safety.days_after_last_dose` days after the last dose.
    3. `before_first_dose`.

    `min` and `max` are the days from the last dose to the onset of the event.
    """
    subjects = members(adsl, "SAFETY")
    fatal = adae[(adae["FATALFL"] == "Y") & (adae["PROGFL"] != "Y")]
    fatal = fatal[fatal["USUBJID"].isin(subjects["USUBJID"])]
    last_dose = fatal["USUBJID"].map(subjects.set_index("USUBJID")["TRTEDT"])
    fatal = fatal.assign(DAYS=(fatal["ASTDT"] - last_dose).dt.days)
    emergent, after = fatal["TRTEMFL"] == "Y", fatal["TRTEMCAS"] == AFTER_WINDOW
    parts = []
    for level, which in (
        ("treatment_emergent", emergent),
        ("after_window", after),
        ("before_first_dose", ~emergent & ~after),
    ):
        of_level = fatal[which]
        for term, events in (("", of_level), *of_level.groupby("AEDECOD")):
            stats = _stats(events, len(subjects))
            if term and events["DAYS"].notna().any():
                stats |= {"min": float(events["DAYS"].min()), "max": float(events["DAYS"].max())}
            parts.append(
                ard.rows(
                    stats,
                    analysis="fatal_events",
                    section=plan.deaths.section,
                    population="SAFETY",
                    paramcd="FATAL",
                    level=level,
                    sublevel=str(term),
                    method=_method(plan),
                )
            )
    return parts


ACTIONS = {
    "REDUCED": "DOSE REDUCED",
    "DELAYED": "DRUG INTERRUPTED",
    "STOPPED": "DRUG WITHDRAWN",
}
"""PARAMCD of each action taken with study treatment, and its value of AEACN."""


@makes("ae_soc_pt")
def ae_soc_pt(adsl: pd.DataFrame, adae: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """By SOC (LEVEL) and preferred term (SUBLEVEL), for all patients and by line of therapy (GROUP).

    1. ANY: the patients with an event, each once, and the number of events.
    2. GR1 to GR5: the patients whose worst grade is 1 to 5; GRMISS: no event has a grade; GRSEV: the
       worst grade is the plan's `safety.severe_grade` or worse. Where `safety.by` is severity: MILD, MODERATE and
       SEVERE, the patients whose worst severity it is; SEVMISS: no event has one; GRSEV as SEVERE.
    3. Patients and events: REL (related), RELSEV (related, of that grade), SER (serious), RELSER,
       REDUCED, DELAYED and STOPPED (dose reduced, drug interrupted, drug withdrawn), NOACTION (the action
       is missing or unknown), FATAL.
    """
    lines = by_line(adsl, "SAFETY")
    events = _emergent(lines[""], adae)
    patient, names = pd.factorize(events["USUBJID"])
    soc, socs = pd.factorize(events["AEBODSYS"], sort=True)
    term, terms = pd.factorize(events["AEDECOD"], sort=True)
    both = np.where((soc < 0) | (term < 0), -1, soc * max(len(terms), 1) + term)
    counted, places = _numbered(both)
    events = events.assign(RANK=events[scale(plan)])
    flags = _flags(events, plan.safety.severe_rank)
    parts = []
    for levels, sublevels, pairs in (
        ([str(name) for name in socs], [""] * len(socs), _pairs(soc, patient, events, flags)),
        (
            [str(socs[place // len(terms)]) for place in places],
            [str(terms[place % len(terms)]) for place in places],
            _pairs(counted, patient, events, flags),
        ),
    ):
        for group, subjects in lines.items():
            of_line = names.isin(subjects["USUBJID"])[pairs.patient]
            counts = _counts(pairs, of_line, len(levels), plan)
            there = np.flatnonzero(counts["ANY"][0])
            for paramcd, (n, n_events) in counts.items():
                total = np.full(there.size, len(subjects))
                stats = {"n": n[there], "N": total, "estimate": n[there] / total}
                if n_events is not None:
                    stats["n_events"] = n_events[there]
                parts.append(
                    ard.many(
                        stats,
                        analysis="ae_soc_pt",
                        section=plan.safety.section,
                        population="SAFETY",
                        group=group,
                        paramcd=paramcd,
                        level=[levels[place] for place in there],
                        sublevel=[sublevels[place] for place in there],
                        method=_method(plan),
                    )
                )
    return [part for part in parts if len(part)]


def _numbered(codes: IntArray) -> tuple[IntArray, list[int]]:
    """Codes as 0, 1, ... in their order, those below 0 as -1, and the code of each number."""
    there = np.unique(codes[codes >= 0])
    return np.where(codes >= 0, np.searchsorted(there, codes), -1), there.tolist()


def _flags(events: pd.DataFrame, lowest: int) -> dict[str, BoolArray]:
    """Each PARAMCD that counts patients and events, and which events are of it."""
    related, serious = events["RELFL"] == "Y", events["AESER"] == "Y"
    kinds = {
        "REL": related,
        "RELSEV": related & (events["RANK"] >= lowest),
        "SER": serious,
        "RELSER": related & serious,
        **{paramcd: events["AEACN"] == action for paramcd, action in ACTIONS.items()},
        "NOACTION": action_missing(events),
        "FATAL": events["FATALFL"] == "Y",
    }
    return {paramcd: which.to_numpy(dtype=bool) for paramcd, which in kinds.items()}


class _Pairs(NamedTuple):
    """One entry for each patient with an event in a place (a SOC, or a term of one)."""

    place: IntArray
    patient: IntArray
    events: IntArray
    worst: NDArray[np.float64]  # the worst grade or severity; NaN when no event has one
    kinds: dict[str, IntArray]  # number of events of each kind


def _pairs(
    place: IntArray, patient: IntArray, events: pd.DataFrame, flags: dict[str, BoolArray]
) -> _Pairs:
    """Events sorted once by place and patient, and counted in the stretches of equal ones."""
    patients = max(int(patient.max(initial=0)) + 1, 1)
    placed = np.flatnonzero(place >= 0)
    key = place[placed] * patients + patient[placed]
    by_key = np.argsort(key)
    key, order = key[by_key], placed[by_key]
    if not key.size:
        none = np.zeros(0, dtype=np.int64)
        return _Pairs(none, none, none, np.zeros(0), dict.fromkeys(flags, none))
    starts = np.concatenate(([0], np.flatnonzero(np.diff(key)) + 1))
    grade = events["RANK"].to_numpy(dtype=np.float64, na_value=np.nan)
    return _Pairs(
        key[starts] // patients,
        key[starts] % patients,
        np.diff(starts, append=key.size),
        np.fmax.reduceat(grade[order], starts),
        {
            paramcd: np.add.reduceat(which[order].astype(np.int64), starts)
            for paramcd, which in flags.items()
        },
    )


def _counts(
    pairs: _Pairs, of_line: BoolArray, places: int, plan: Plan
) -> dict[str, tuple[IntArray, IntArray | None]]:
    """By PARAMCD: patients in each place, and events where the analysis counts them."""
    # The pairs are in the order of their places, and each place has one at least.
    starts = np.searchsorted(pairs.place, np.arange(places))

    def events(number: IntArray) -> IntArray:
        if not places:
            return number
        return np.add.reduceat(np.where(of_line, number, 0), starts)

    def patients(which: BoolArray) -> IntArray:
        return events(which.astype(np.int64))

    worst = pairs.worst
    counts: dict[str, tuple[IntArray, IntArray | None]] = {
        "ANY": (patients(np.ones_like(of_line)), events(pairs.events))
    }
    names, missing = [f"GR{grade}" for grade in range(1, 6)], "GRMISS"
    if plan.safety.by == "severity":
        names, missing = list(SEVERITIES), "SEVMISS"
    counts |= {name: (patients(worst == rank), None) for rank, name in enumerate(names, start=1)}
    counts[missing] = patients(np.isnan(worst)), None
    counts["GRSEV"] = patients(worst >= plan.safety.severe_rank), None
    for paramcd, number in pairs.kinds.items():
        counts[paramcd] = patients(number > 0), events(number)
    return counts


def _with_rate(
    subjects: pd.DataFrame, adae: pd.DataFrame, adlb: pd.DataFrame, rule: SafetyRate, plan: Plan
) -> tuple[pd.Series, int, NotEstimable | None]:
    """Which subjects count for one rate, for how many it is unknown, and why it is unknown for all."""
    usubjid = subjects["USUBJID"]
    if rule.lowest is None:  # the plan gives every rate but that of deaths a grade or a severity
        within = subjects["LDDTHELD"] <= plan.safety.days_after_last_dose
        return within & (subjects["DTHCGR1"] != CAUSES["progression"]), 0, None
    if rule.kind == "laboratory":
        code = next(one.code for one in plan.labs.gradings if one.term in rule.terms)
        reached, unknown = from_grade(worst(subjects, adlb, code), rule.lowest)
        return reached.set_axis(usubjid.index), unknown, absent(adlb, code)
    events = _emergent(subjects, adae)
    grade = events[scale(plan)]
    reached = (grade >= rule.lowest) | (grade.isna() & (rule.lowest == 1))
    counts = events[events["AEDECOD"].map(fold).isin(folded(rule.terms)) & reached]
    collected = plan.safety_rates.collected_from
    reason = NotEstimable(text_of("milder_events", collected))
    missing = reason if rule.lowest < collected else None
    return usubjid.isin(counts["USUBJID"]), 0, missing


def _ungraded(subjects: pd.DataFrame, adae: pd.DataFrame, rule: SafetyRate, plan: Plan) -> int:
    """How many subjects have an event of these terms without a grade, and none that counts."""
    events = _emergent(subjects, adae)
    of_terms = events[events["AEDECOD"].map(fold).isin(folded(rule.terms))]
    counts = of_terms[scale(plan)] >= rule.lowest
    ungraded = set(of_terms.loc[of_terms[scale(plan)].isna(), "USUBJID"])
    return len(ungraded - set(of_terms.loc[counts, "USUBJID"]))


def _bounded(yes: int, unknown: int, n: int, conf_level: float) -> dict[str, ard.type_of_stat]:
    """A rate; with subjects for whom it is unknown, its two bounds and an interval that covers both."""
    stats = rate(yes, n, conf_level)
    if not unknown:
        return stats
    highest = rate(yes + unknown, n, conf_level)
    return stats | {
        "n_missing": unknown,
        "estimate": NotEstimable(text_of("limits_of_some", unknown)),
        "estimate_lowest": stats["estimate"],
        "estimate_highest": highest["estimate"],
        "conf_high": highest["conf_high"],
    }


@makes("ae_rates")
def ae_rates(
    adsl: pd.DataFrame,
    adae: pd.DataFrame,
    adlb: pd.DataFrame,
    references: References,
    plan: Plan,
) -> list[pd.DataFrame]:
    """The plan's rates of interest with exact intervals, and published rates; descriptive.

    LEVEL is the id of the rate, PARAMCD its kind; GROUP "" all patients, the lines of therapy, and the
    published trial. The first case that applies:

    1. REPORTED: a treatment-emergent event of the rate's terms, of its lowest grade (`from_severity`: its lowest
       severity) or worse; an event without one counts for a rate from grade 1 (from mild). `n_ungraded` counts the patients who have only an
       event without a grade.
    2. LABORATORY: the worst grade on treatment. Where the grade of some patients is 0 or 1, for want of
       a lower limit of normal, the rate has no estimate but two bounds (none or all of them at grade
       1), and the interval goes from the lower limit of the one to the upper limit of the other.
    3. DEATH: a death within `safety.days_after_last_dose` days of the last dose, not from progression.
    """
    conf = plan.intervals.conf_level
    parts = []
    for rule in plan.safety_rates.rates:
        where = {
            "analysis": "ae_rates",
            "section": plan.safety_rates.section,
            "population": "SAFETY",
            "paramcd": rule.kind.upper(),
            "level": rule.id,
            "method": "Clopper-Pearson",
        }
        for group, subjects in by_line(adsl, "SAFETY").items():
            yes, unknown, missing = _with_rate(subjects, adae, adlb, rule, plan)
            stats = _bounded(int(yes.sum()), unknown, len(subjects), conf)
            if rule.kind == "reported":
                stats["n_ungraded"] = _ungraded(subjects, adae, rule, plan)
            if missing is not None:
                stats |= dict.fromkeys(("n", "estimate", "conf_low", "conf_high"), missing)
            parts.append(ard.rows(stats, group=group, **where))
        if rule.reference is not None:
            published = references.of(rule.reference)
            stats = rate(published.n, published.total, conf)
            stats |= {"definition": published.definition, "source": published.source}
            parts.append(ard.rows(stats, group=published.trial, **where))
    return parts


CAUSES = {
    "progression": "Progression",
    "adverse_event_related": "Adverse event, related",
    "adverse_event_unrelated": "Adverse event, not related",
    "not_recorded": "Not recorded",
}
"""Each SUBLEVEL of deaths, and its value of DTHCGR1 in ADSL."""


def times_of_death(adsl: pd.DataFrame, plan: Plan) -> dict[str, pd.DataFrame]:
    """The treated subjects who died, by LEVEL: all, and by the days from the last dose to death."""
    dead = adsl[(adsl["SAFFL"] == "Y") & adsl["DTHCGR1"].notna()]
    days, window = dead["LDDTHELD"], plan.safety.days_after_last_dose
    return {
        "all": dead,
        "within_window": dead[days <= window],
        "after_window": dead[days > window],
        "day_unknown": dead[days.isna()],
    }


@makes("deaths")
def deaths(adsl: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Treated patients who died, by time since the last dose (LEVEL) and cause (SUBLEVEL), by line (GROUP).

    1. `all`: every death up to the cut-off.
    2. `within_window`: at most `safety.days_after_last_dose` days after the last dose.
    3. `after_window`: later.
    4. `day_unknown`: the days since the last dose are not known.

    `progression` is `progression_reported`, a fatal event whose term is the disease (DTHTERM), or
    `progression_inferred` from the reason for the end of study treatment.
    """
    parts = []
    for group, subjects in by_line(adsl, "SAFETY").items():
        for level, dead in times_of_death(subjects, plan).items():
            counts = {"": len(dead)} | {
                cause: int((dead["DTHCGR1"] == text).sum()) for cause, text in CAUSES.items()
            }
            progression_ = dead["DTHCGR1"] == CAUSES["progression"]
            counts["progression_reported"] = int((progression_ & dead["DTHTERM"].notna()).sum())
            counts["progression_inferred"] = int((progression_ & dead["DTHTERM"].isna()).sum())
            for cause, n in counts.items():
                share = n / len(subjects) if len(subjects) else REASON_NO_PATIENT
                parts.append(
                    ard.rows(
                        {"n": n, "N": len(subjects), "estimate": share},
                        analysis="deaths",
                        section=plan.deaths.section,
                        population="SAFETY",
                        group=group,
                        paramcd="DEATH",
                        level=level,
                        sublevel=cause,
                        method="Patients",
                    )
                )
    return parts


SHAPES = {
    "pocock": "Pocock",
    "obrien-fleming": "O'Brien-Fleming",
    "bayesian": "Bayesian (beta-binomial)",
}


def bounds_of(rule: ToxicityMonitoring) -> list[int]:
    """The number of patients with the toxicity that stops the trial, after each patient."""
    bounds = toxicity_boundary(rule.patients, rule.p0, rule.alpha, rule.shape, prior=rule.prior)
    return [int(bound) for bound in bounds]


def toxic_events(
    subjects: pd.DataFrame, adae: pd.DataFrame, rule: ToxicityMonitoring
) -> pd.DataFrame:
    """The treatment-emergent events of these subjects that are the monitored toxicity."""
    events = _emergent(subjects, adae)
    named = events["AEDECOD"].map(fold).isin(folded(rule.terms))
    return events[named & (events["ATOXGRN"] >= rule.from_grade)]


def crossed_after(toxicities: Sequence[int], bounds: Sequence[int]) -> int | None:
    """The number of patients after which the toxicities first reached the boundary; None: not reached.

    `toxicities` are counted after each patient in the order of the first dose.

    >>> crossed_after([0, 1, 2, 2], bounds=[2, 3, 2, 3]), crossed_after([0, 1], bounds=[2, 3])
    (3, None)
    """
    pairs = enumerate(zip(toxicities, bounds, strict=False), 1)
    return next((k for k, (x, bound) in pairs if x >= bound), None)


@makes("toxicity_boundary")
def toxicity_boundary_list(plan: Plan) -> list[pd.DataFrame]:
    """The stopping boundary as a list of lines: LEVEL is the number of the line, "" holds how many there are.

    `boundary` patients with the toxicity stop the trial when `from_n` to `to_n` patients are
    treated. Counts above the number of patients treated (4 of 3) are excluded before equal counts are
    joined into a line.
    """
    rule = plan.toxicity_monitoring
    if rule is None:
        return []
    where = {
        "analysis": "toxicity_boundary",
        "section": rule.section,
        "population": "SAFETY",
        "paramcd": "TOX",
        "method": f"{SHAPES[rule.shape]} boundary, exact",
    }
    steps = boundary_list(bounds_of(rule))
    parts = [ard.rows({"lines": len(steps)}, **where)]
    for number, step in enumerate(steps, 1):
        stats: dict[str, ard.type_of_stat] = {
            "boundary": step.events, "from_n": step.from_n, "to_n": step.to_n,
        }  # fmt: skip
        parts.append(ard.rows(stats, level=str(number), **where))
    return parts


@makes("toxicity_monitoring")
def toxicity_monitoring(adsl: pd.DataFrame, adae: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """The SAP's stopping boundary for toxicity and the status of the trial against it.

    Patients come in the order of their first dose (ties: USUBJID). Re-screened patients are included. A
    patient has the toxicity when a treatment-emergent event of the `terms` has at least the grade
    `from_grade`, at any time; an event without a grade does not count. After each patient
    the trial stops when the number of patients with the toxicity reaches the boundary. The
    boundary is the one of its `shape` (pocock: the same nominal level after every patient;
    obrien-fleming: strict at first; bayesian: the posterior probability, under the beta distribution
    `prior`, that the rate is above `p0`) that stops earliest while the probability to stop among
    `patients` patients at a true rate of `p0` is at most `alpha`. The state, the first case that
    applies:

    1. Crossed after patient k: after k patients the toxicities first reached the boundary.
    2. Not crossed, more patients than planned: beyond the planned number no boundary exists.
    3. Not crossed.
    """
    rule = plan.toxicity_monitoring
    if rule is None:
        return []
    subjects = members(adsl, "SAFETY").sort_values(["TRTSDT", "USUBJID"], kind="stable")
    events = toxic_events(subjects, adae, rule)
    toxicities = subjects["USUBJID"].isin(events["USUBJID"]).cumsum().tolist()
    bounds = bounds_of(rule)
    crossed = crossed_after(toxicities, bounds)
    decision = "not crossed"
    if crossed is not None:
        decision = f"crossed after patient {crossed}"
    elif len(toxicities) > rule.patients:
        decision = "not crossed, more patients than planned"
    bounded = min(len(toxicities), rule.patients)
    where = {
        "analysis": "toxicity_monitoring",
        "section": rule.section,
        "population": "SAFETY",
        "paramcd": "TOX",
        "method": f"{rule.name}, grade >= {rule.from_grade}: {SHAPES[rule.shape]} boundary, exact",
    }
    stats: dict[str, ard.type_of_stat] = {
        "N": len(toxicities),
        "n": toxicities[-1] if toxicities else 0,
        "boundary": bounds[bounded - 1] if bounded else REASON_NO_PATIENT,
        "p0": rule.p0,
        "alpha": rule.alpha,
        "patients_planned": rule.patients,
        "stop_under_p0": float(boundary_characteristics(bounds, rule.p0).stopping_probability),
        "decision": decision,
    }
    parts = [ard.rows(stats, **where)]
    for k, bound in enumerate(bounds, 1):
        after: dict[str, ard.type_of_stat] = {"boundary": bound}
        if k <= len(toxicities):
            after["n"] = toxicities[k - 1]
        parts.append(ard.rows(after, level=str(k), **where))
    return parts


def rows(
    *,
    adsl: pd.DataFrame,
    adae: pd.DataFrame,
    adlb: pd.DataFrame,
    references: References,
    plan: Plan,
) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *toxicity_boundary_list(plan),
        *ae_overview(adsl, adae, plan),
        *ae_soc_pt(adsl, adae, plan),
        *ae_rates(adsl, adae, adlb, references, plan),
        *progression(adsl, adae, plan),
        *deaths(adsl, plan),
        *fatal_events(adsl, adae, plan),
        *toxicity_monitoring(adsl, adae, plan),
    ]
