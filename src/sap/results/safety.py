"""Adverse events: overview, SOC and preferred term, rates of interest, deaths, monitoring."""

import pandas as pd

from sap import ard
from sap.ard import NotEstimable
from sap.catalogue import fold, folded
from sap.methods.monitoring import boundary_characteristics, boundary_list, toxicity_boundary
from sap.plan.model import Plan, SafetyRate, ToxicityMonitoring
from sap.plan.references import References
from sap.results.labs import absent, from_grade, worst
from sap.results.provenance import makes
from sap.results.rates import REASON_NO_PATIENT, rate
from sap.results.sets import by_line, members

METHOD = "Participants, each once at the worst grade; events beside"


def _stats(events: pd.DataFrame, n: int) -> dict[str, ard.type_of_stat]:
    who = int(events["USUBJID"].nunique())
    return {
        "n": who,
        "N": n,
        "estimate": who / n if n else REASON_NO_PATIENT,
        "n_events": len(events),
    }


def _emergent(people: pd.DataFrame, adae: pd.DataFrame) -> pd.DataFrame:
    """Treatment-emergent adverse events of these patients; the disease itself is none."""
    event = (adae["TRTEMFL"] == "Y") & (adae["PROGFL"] != "Y")
    return adae[event & adae["USUBJID"].isin(people["USUBJID"])]


@makes("ae_overview")
def ae_overview(adsl: pd.DataFrame, adae: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Participants and events for each line of the overview table, all and by line (`group`).

    "Serious or grade >= 3" is what the registry asks for: severe or serious, whatever the cause. "Grade
    not recorded" are patients with an event without a grade: it counts in no line of a grade. Events of
    the disease itself (`deaths.progression_terms`) stand in `ae_progression` and in no line here.
    """
    lowest = plan.safety.severe_grade
    parts = []
    for group, people in by_line(adsl, "SAFETY").items():
        events = _emergent(people, adae)
        severe = events["ATOXGRN"] >= lowest
        related, serious = events["RELFL"] == "Y", events["AESER"] == "Y"
        stopped, fatal = events["AEACN"] == "DRUG WITHDRAWN", events["FATALFL"] == "Y"
        lines = {
            "Any": events["TRTEMFL"] == "Y",
            "Related": related,
            f"Grade >= {lowest}": severe,
            f"Related, grade >= {lowest}": related & severe,
            "Grade not recorded": events["ATOXGRN"].isna(),
            "Serious": serious,
            "Related, serious": related & serious,
            f"Serious or grade >= {lowest}": serious | severe,
            f"Related, serious or grade >= {lowest}": related & (serious | severe),
            "Leading to dose reduction": events["AEACN"] == "DOSE REDUCED",
            "Leading to delay": events["AEACN"] == "DRUG INTERRUPTED",
            "Leading to discontinuation": stopped,
            "Related, leading to discontinuation": related & stopped,
            "Fatal": fatal,
            "Related, fatal": related & fatal,
        }
        parts += [
            ard.rows(
                _stats(events[which], len(people)),
                analysis="ae_overview",
                section=plan.safety.section,
                population="SAFETY",
                group=group,
                paramcd="TEAE",
                level=level,
                method=METHOD,
            )
            for level, which in lines.items()
        ]
    return parts


@makes("ae_progression")
def progression(adsl: pd.DataFrame, adae: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Events of the disease itself in the window of safety, apart from adverse events, by line.

    LEVEL "Any" and "Fatal": treated patients with an event of the plan's terms of progression whose
    start counts as treatment-emergent.
    """
    parts = []
    for group, people in by_line(adsl, "SAFETY").items():
        events = adae[(adae["TRTEMFL"] == "Y") & (adae["PROGFL"] == "Y")]
        events = events[events["USUBJID"].isin(people["USUBJID"])]
        for level, mine in (("Any", events), ("Fatal", events[events["FATALFL"] == "Y"])):
            parts.append(
                ard.rows(
                    _stats(mine, len(people)),
                    analysis="ae_progression",
                    section=plan.deaths.section,
                    population="SAFETY",
                    group=group,
                    paramcd="PROG",
                    level=level,
                    method=METHOD,
                )
            )
    return parts


@makes("fatal_events")
def fatal_events(adsl: pd.DataFrame, adae: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Treated patients with a fatal adverse event, by when (LEVEL) and by term (SUBLEVEL).

    The first case that applies to the event; the disease itself is no adverse event:

    1. "Treatment-emergent".
    2. "More than W days after the last dose", with the plan's W.
    3. "Before the first dose".

    `min` and `max` are the days from the last dose to the start of the event.
    """
    people = members(adsl, "SAFETY")
    fatal = adae[(adae["FATALFL"] == "Y") & (adae["PROGFL"] != "Y")]
    fatal = fatal[fatal["USUBJID"].isin(people["USUBJID"])]
    late = f"More than {plan.safety.days_after_last_dose} days after the last dose"
    last = fatal["USUBJID"].map(people.set_index("USUBJID")["TRTEDT"])
    fatal = fatal.assign(DAYS=(fatal["ASTDT"] - last).dt.days)
    emergent, after = fatal["TRTEMFL"] == "Y", fatal["TRTEMCAS"] == 5
    parts = []
    for level, which in (
        ("Treatment-emergent", emergent),
        (late, after),
        ("Before the first dose", ~emergent & ~after),
    ):
        mine = fatal[which]
        for term, events in (("", mine), *mine.groupby("AEDECOD")):
            stats = _stats(events, len(people))
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
                    method=METHOD,
                )
            )
    return parts


ACTIONS = {
    "REDUCED": "DOSE REDUCED",
    "DELAYED": "DRUG INTERRUPTED",
    "STOPPED": "DRUG WITHDRAWN",
}


@makes("ae_soc_pt")
def ae_soc_pt(adsl: pd.DataFrame, adae: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """By SOC (level) and preferred term (sublevel), all patients and by line of therapy (`group`).

    PARAMCD is ANY, GR1 to GR5, GRMISS (no grade recorded) and GRSEV (the plan's severe grade or
    worse), where a patient stands once, at his worst grade; and, by patients and events, REL (related),
    RELSEV (related and severe), SER (serious), RELSER, REDUCED, DELAYED and STOPPED (what was done
    with the study drug) and FATAL.
    """
    parts = []
    for group, people in by_line(adsl, "SAFETY").items():
        events, n = _emergent(people, adae), len(people)
        for soc, of_soc in events.groupby("AEBODSYS"):
            parts += _block(of_soc, n, plan, (group, str(soc), ""))
            for term, of_term in of_soc.groupby("AEDECOD"):
                parts += _block(of_term, n, plan, (group, str(soc), str(term)))
    return parts


def _block(
    mine: pd.DataFrame, n: int, plan: Plan, place: tuple[str, str, str]
) -> list[pd.DataFrame]:
    """The rows of one SOC or term in one group."""
    severe = plan.safety.severe_grade
    worst_grade = mine.groupby("USUBJID")["ATOXGRN"].max()
    counts = {f"GR{grade}": int((worst_grade == grade).sum()) for grade in range(1, 6)}
    counts["GRMISS"] = int(worst_grade.isna().sum())
    counts["GRSEV"] = int((worst_grade >= severe).sum())
    where = {
        "analysis": "ae_soc_pt",
        "section": plan.safety.section,
        "population": "SAFETY",
        "group": place[0],
        "level": place[1],
        "sublevel": place[2],
        "method": METHOD,
    }
    parts = [ard.rows(_stats(mine, n), paramcd="ANY", **where)]
    for paramcd, who in counts.items():
        share = who / n if n else REASON_NO_PATIENT
        parts.append(ard.rows({"n": who, "N": n, "estimate": share}, paramcd=paramcd, **where))
    related, serious = mine["RELFL"] == "Y", mine["AESER"] == "Y"
    kinds = {
        "REL": related,
        "RELSEV": related & (mine["ATOXGRN"] >= severe),
        "SER": serious,
        "RELSER": related & serious,
        **{paramcd: mine["AEACN"] == action for paramcd, action in ACTIONS.items()},
        "FATAL": mine["FATALFL"] == "Y",
    }
    for paramcd, which in kinds.items():
        parts.append(ard.rows(_stats(mine[which], n), paramcd=paramcd, **where))
    return parts


def _with_rate(
    people: pd.DataFrame, adae: pd.DataFrame, adlb: pd.DataFrame, asked: SafetyRate, plan: Plan
) -> tuple[pd.Series, int, NotEstimable | None]:
    """Who counts for one rate, of how many patients it is open, and why it is open of everybody."""
    who = people["USUBJID"]
    if asked.kind == "death" or asked.from_grade is None:
        within = people["LDDTHGR1"].fillna("").str.startswith("Within")
        return within & (people["DTHCGR1"] != "Progression"), 0, None
    if asked.kind == "laboratory":
        code = next(one.code for one in plan.labs.gradings if one.term in asked.terms)
        reached, open_ = from_grade(worst(people, adlb, code), asked.from_grade)
        return reached.set_axis(who.index), open_, absent(adlb, code)
    events = _emergent(people, adae)
    grade = events["ATOXGRN"]
    severe = (grade >= asked.from_grade) | (grade.isna() & (asked.from_grade == 1))
    counts = events[events["AEDECOD"].map(fold).isin(folded(asked.terms)) & severe]
    collected = plan.safety_rates.collected_from_grade
    why = NotEstimable(f"not in the data: events below grade {collected} were not all registered")
    return who.isin(counts["USUBJID"]), 0, why if asked.from_grade < collected else None


def _ungraded(people: pd.DataFrame, adae: pd.DataFrame, asked: SafetyRate) -> int:
    """How many patients have an event of these terms without a grade, and none that counts."""
    events = _emergent(people, adae)
    mine = events[events["AEDECOD"].str.upper().isin(asked.terms)]
    counts = mine["ATOXGRN"] >= (asked.from_grade or 1)
    open_ = set(mine.loc[mine["ATOXGRN"].isna(), "USUBJID"])
    return len(open_ - set(mine.loc[counts, "USUBJID"]))


def _bounded(yes: int, open_: int, n: int, conf_level: float) -> dict[str, ard.type_of_stat]:
    """A rate; with patients of whom it is open, its two ends and an interval that holds for both."""
    stats = rate(yes, n, conf_level)
    if not open_:
        return stats
    high = rate(yes + open_, n, conf_level)
    return stats | {
        "n_missing": open_,
        "estimate": NotEstimable(f"not in the data: lower limits of normal of {open_} patients"),
        "estimate_lowest": stats["estimate"],
        "estimate_highest": high["estimate"],
        "conf_high": high["conf_high"],
    }


@makes("ae_rates")
def ae_rates(
    adsl: pd.DataFrame,
    adae: pd.DataFrame,
    adlb: pd.DataFrame,
    references: References,
    plan: Plan,
) -> list[pd.DataFrame]:
    """The plan's rates of interest with exact intervals, beside the published ones; descriptive.

    LEVEL is the name of the rate; GROUP "" all patients, the lines of therapy, and the published trial.
    A reported event counts from the rate's grade; one without a grade counts from grade 1, and
    `n_ungraded` counts the patients who have only such an event of the rate's terms. A death counts when it came within the plan's days of the last dose and was not from progression.

    Where the grade of k patients is open (0 or 1, no lower limit of normal) the rate has no estimate but
    two ends, none and all of them; the interval goes from the lower limit of the one to the upper
    limit of the other.
    """
    conf = plan.intervals.conf_level
    parts = []
    for asked in plan.safety_rates.rates:
        where = {
            "analysis": "ae_rates",
            "section": plan.safety_rates.section,
            "population": "SAFETY",
            "paramcd": asked.kind.upper(),
            "level": asked.name,
            "method": "Clopper-Pearson",
        }
        for group, people in by_line(adsl, "SAFETY").items():
            yes, open_, why = _with_rate(people, adae, adlb, asked, plan)
            stats = _bounded(int(yes.sum()), open_, len(people), conf)
            if asked.kind == "reported":
                stats["n_ungraded"] = _ungraded(people, adae, asked)
            if why is not None:
                stats |= dict.fromkeys(("n", "estimate", "conf_low", "conf_high"), why)
            parts.append(ard.rows(stats, group=group, **where))
        if asked.reference is not None:
            other = references.of(asked.reference)
            stats = rate(other.n, other.total, conf)
            stats |= {"definition": other.definition, "source": other.source}
            parts.append(ard.rows(stats, group=other.trial, **where))
    return parts


@makes("deaths")
def deaths(adsl: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Treated patients who died: when after the last dose (LEVEL) and of what (SUBLEVEL), by line.

    LEVEL "All" is every death; the other levels are the values of LDDTHGR1 of ADSL.
    """
    from_last = plan.safety.days_after_last_dose
    levels = (
        "All",
        f"Within {from_last} days of the last dose",
        f"More than {from_last} days after the last dose",
        "Day of the last dose not known",
    )
    causes = (
        "", "Adverse event, related", "Adverse event, not related", "Progression", "Not recorded",
    )  # fmt: skip
    parts = []
    for group, people in by_line(adsl, "SAFETY").items():
        dead = people[people["DTHCGR1"].notna()]
        for level in levels:
            mine = dead if level == "All" else dead[dead["LDDTHGR1"] == level]
            for cause in causes:
                n = len(mine) if not cause else int((mine["DTHCGR1"] == cause).sum())
                share = n / len(people) if len(people) else REASON_NO_PATIENT
                parts.append(
                    ard.rows(
                        {"n": n, "N": len(people), "estimate": share},
                        analysis="deaths",
                        section=plan.deaths.section,
                        population="SAFETY",
                        group=group,
                        paramcd="DEATH",
                        level=level,
                        sublevel=cause,
                        method="Participants",
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
    found = toxicity_boundary(rule.patients, rule.p0, rule.alpha, rule.shape, prior=rule.prior)
    return [int(bound) for bound in found]


@makes("toxicity_boundary")
def toxicity_boundary_list(plan: Plan) -> list[pd.DataFrame]:
    """The boundary as a board reads it; LEVEL numbers its lines, "" tells how many there are.

    `boundary` patients with the toxicity stop the trial when `from_n` to `to_n` patients are
    treated. Counts that no patient can reach (4 of 3) are left out, before equal ones become a line.
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
    for place, step in enumerate(steps, 1):
        stats: dict[str, ard.type_of_stat] = {
            "boundary": step.events, "from_n": step.from_n, "to_n": step.to_n,
        }  # fmt: skip
        parts.append(ard.rows(stats, level=f"{place:02d}", **where))
    return parts


@makes("toxicity_monitoring")
def toxicity_monitoring(adsl: pd.DataFrame, adae: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """The plan's stopping boundary for toxicity and the status of the trial against it.

    Patients come in the order of their first dose (ties: USUBJID), re-screened patients included. A
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
    people = members(adsl, "SAFETY").sort_values(["TRTSDT", "USUBJID"], kind="stable")
    events = _emergent(people, adae)
    toxic = events["AEDECOD"].map(fold).isin(folded(rule.terms)) & (
        events["ATOXGRN"] >= rule.from_grade
    )
    seen = people["USUBJID"].isin(events.loc[toxic, "USUBJID"]).cumsum().tolist()
    bounds = bounds_of(rule)
    reached = [k for k, (x, b) in enumerate(zip(seen, bounds, strict=False), 1) if x >= b]
    state = "not crossed"
    if reached:
        state = f"crossed after patient {reached[0]}"
    elif len(seen) > rule.patients:
        state = "not crossed, more patients than planned"
    now = min(len(seen), rule.patients)
    where = {
        "analysis": "toxicity_monitoring",
        "section": rule.section,
        "population": "SAFETY",
        "paramcd": "TOX",
        "method": f"{rule.name}, grade >= {rule.from_grade}: {SHAPES[rule.shape]} boundary, exact",
    }
    stats: dict[str, ard.type_of_stat] = {
        "N": len(seen),
        "n": seen[-1] if seen else 0,
        "boundary": bounds[now - 1] if now else REASON_NO_PATIENT,
        "p0": rule.p0,
        "alpha": rule.alpha,
        "patients_planned": rule.patients,
        "stop_under_p0": float(boundary_characteristics(bounds, rule.p0).stopping_probability),
        "decision": state,
    }
    parts = [ard.rows(stats, **where)]
    for k, bound in enumerate(bounds, 1):
        known: dict[str, ard.type_of_stat] = {"boundary": bound}
        if k <= len(seen):
            known["n"] = seen[k - 1]
        parts.append(ard.rows(known, level=f"{k:02d}", **where))
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
