"""The primary estimand: its sensitivity analyses, the two-stage inference and the posterior."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

from sap.plan.entry import stated
from sap.plan.model import Plan
from sap.qc import two_stage
from sap.qc.dates import Day
from sap.qc.psa import new_therapy
from sap.qc.response import (
    between_stages,
    is_pending,
    limits_of_design,
    primary_set,
    results_in,
)
from sap.qc.study import Place, QcRow, Study
from sap.qc.summaries import Value, rate, share

METHOD = "a loop over visits in exact decimals; statsmodels; scipy"
BY_OUTCOMES = "a loop over visits; every outcome of the design in exact fractions; scipy"


def posterior(responders: int, n: int, plan: Plan) -> dict[str, Value]:
    """The posterior distribution of the rate under the plan's beta prior, by scipy."""
    a, b = stated(plan.estimand).prior
    conf = plan.intervals.conf_level
    statistics: dict[str, Value] = {"prior_a": a, "prior_b": b, "conf_level": conf}
    names = ("mean", "sd", "median", "conf_low", "conf_high", "probability_above_p0")
    if not n:
        return statistics | dict.fromkeys(names)
    from scipy.stats import beta

    after = beta(a + responders, b + n - responders)
    low, high = after.interval(conf)
    numbers = (after.mean(), after.std(), after.median(), low, high, after.sf(plan.design.p0))
    return statistics | dict(zip(names, map(float, numbers), strict=True))


def rows(study: Study) -> Iterator[QcRow]:
    """Every row about the estimand of the primary endpoint."""
    plan, psa = study.plan, study.psa
    in_order, code = primary_set(study), plan.primary_parameter
    of_psa = plan.primary.endpoint == "psa_response"
    results = results_in(study, in_order, code)
    responses = [result == "Y" for result in results]
    pending = [is_pending(study, who) for who in in_order]
    if of_psa and plan.estimand is not None:
        yield from _sensitivity(study, limits_of_design(plan, responses, pending))
    inference: dict[str, Any] = two_stage.two_stage(
        plan.design, responses, pending, plan.intervals.conf_level
    )
    inference |= between_stages(study, in_order)
    place = Place(plan.two_stage_analysis, "PRIMARY", paramcd=code)
    yield from place.rows(inference, BY_OUTCOMES)
    if plan.estimand is not None:
        place = Place(plan.posterior_analysis, "PRIMARY", paramcd=code)
        yield from place.rows(posterior(sum(responses), len(responses), plan), METHOD)
    unknown = [
        result == "NE" or (psa[who].unconfirmed if of_psa else open_)
        for who, result, open_ in zip(in_order, results, pending, strict=True)
    ]
    counts: dict[str, Value] = {
        "n": sum(responses), "N": len(responses), "n_missing": sum(unknown),
    }  # fmt: skip
    yield from Place("tipping_point", "PRIMARY", paramcd=code).rows(counts, METHOD)
    if of_psa:
        yield from _intercurrent(study)


def _intercurrent(study: Study) -> Iterator[QcRow]:
    subjects = study.inside("PRIMARY")
    events = [intercurrent_events(study, who) for who in subjects]
    for name in ("ICETOX", "ICETHER", "ICEDTH", "ICEMISS", "ICEPEND"):
        n = sum(1 for of_subject in events if name in of_subject)
        place = Place("intercurrent_events", "PRIMARY", paramcd=name)
        yield from place.rows(share(n, len(subjects)), METHOD)
    known = {study.subjects[who].stopped_for for who in study.inside("SAFETY")}
    for reason in ("", *sorted(filter(None, known))):
        ended = [
            who
            for who, of_subject in zip(subjects, events, strict=True)
            if "ICESTOP" in of_subject and reason in ("", study.subjects[who].stopped_for)
        ]
        place = Place("intercurrent_events", "PRIMARY", paramcd="ICESTOP", level=reason)
        yield from place.rows(share(len(ended), len(subjects)), METHOD)


def intercurrent_events(study: Study, who: str) -> set[str]:
    """The intercurrent events of a treated subject before a confirmed response.

    SAP 5.1.1: "C is the day of the confirmation of the response (a patient without a response has no
    C). L is the day `psa_response.days_after_last_cycle` days after the last infusion, the last day
    whose value can count. An event is Y when"

    1. "Toxicity (ICETOX): treatment ended for an adverse event, and no C is on or before that day."
    2. "New therapy (ICETHER): a new anticancer therapy began on or before L, and no C is before that
       day."
    3. "Death (ICEDTH): on or before L, and there is no C."
    4. "Missing PSA (ICEMISS): the response is NE."
    5. "Pending (ICEPEND): an unconfirmed decline within the time limit, no C, and no value that
       counts at least `psa_response.confirm_after_days` less `psa_response.confirm_tolerance_days`
       days after the first such decline."
    6. "End of treatment (ICESTOP): study treatment ended, of any reason, and no C is on or before that
       day."
    """
    subject, rule = study.subjects[who], stated(study.plan.psa_response)
    course = study.psa[who]
    response = course.results["PSARESP"]
    confirmed = response.confirmed if response.result == "Y" else None
    last = None
    if subject.last_dose is not None:
        last = subject.last_dose + dt.timedelta(days=rule.days_after_last_cycle)
    therapy, off = new_therapy(subject, study.of("cm", who)), subject.stopped_on

    def in_time(day: Day | None) -> bool:
        return day is not None and last is not None and day <= last

    events = set()
    if subject.stopped_for == "ADVERSE EVENT" and not (
        confirmed is not None and (off is None or confirmed <= off)
    ):
        events.add("ICETOX")
    by_then = confirmed is not None and off is not None and confirmed <= off
    if subject.stopped_for and not by_then:
        events.add("ICESTOP")
    if in_time(therapy) and not (confirmed is not None and therapy and confirmed < therapy):
        events.add("ICETHER")
    if in_time(subject.died) and confirmed is None:
        events.add("ICEDTH")
    if response.result == "NE":
        events.add("ICEMISS")
    if confirmed is None and course.unconfirmed:
        events.add("ICEPEND")
    return events


def _sensitivity(study: Study, of_design: dict[str, Value]) -> Iterator[QcRow]:
    plan, psa = study.plan, study.psa
    primary = study.inside("PRIMARY")
    main = dict(zip(primary, results_in(study, primary, "PSARESP"), strict=True))
    lowest = stated(stated(plan.estimand).baseline_psa_minimum)
    high = [
        who
        for who in primary
        if who in psa and psa[who].base is not None and float(psa[who].base or 0) >= lowest
    ]
    unknown = [main[who] == "NE" or psa[who].unconfirmed for who in primary]
    policy = results_in(study, primary, "PSARSPTP")
    lines: dict[str, list[bool]] = {
        "primary": [main[who] == "Y" for who in primary],
        "treatment_policy": [result == "Y" for result in policy],
        "baseline_psa_minimum": [main[who] == "Y" for who in high],
        "worst_case": [main[who] == "Y" for who in primary],
        "best_case": [
            main[who] == "Y" or open_ for who, open_ in zip(primary, unknown, strict=True)
        ],
    }
    if stated(plan.psa_response).first_fall_within_days is not None:
        at_any_time = results_in(study, primary, "PSARSPAT")
        lines["first_decline_any_time"] = [result == "Y" for result in at_any_time]
    for level, name in (
        ("psa_evaluable", "PSAEVAL"),
        ("per_protocol", "PERPROT"),
        ("all_marker_positive", "MARKERPOS"),
    ):
        lines[level] = [r == "Y" for r in results_in(study, study.inside(name), "PSARESP")]
    for level, responses in lines.items():
        statistics = rate(sum(responses), len(responses), plan)
        statistics |= of_design if level == "primary" else {}
        place = Place("psa_estimand", "PRIMARY", paramcd="PSARESP", level=level)
        yield from place.rows(statistics, METHOD)
