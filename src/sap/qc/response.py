"""PSA response by every rule of the plan, and the change of PSA under treatment."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

from sap.plan.entry import stated
from sap.plan.model import Plan
from sap.qc import two_stage
from sap.qc.endpoints import outcomes
from sap.qc.psa import counted, new_therapy, visits
from sap.qc.study import Place, QcRow, Study
from sap.qc.summaries import Value, rate, summary

METHOD = "a loop over visits in exact decimals; statsmodels; scipy"
POPULATIONS = ("PRIMARY", "MARKERPOS", "PSAEVAL", "PERPROT", "CTCEVAL")


def results_in(study: Study, subjects: list[str], paramcd: str) -> list[str]:
    """Y, N or NE of each subject for a set of the first screening; re-screened treatment is NE."""
    if paramcd.startswith("OBJ") or paramcd in ("CLINBEN", "RATEAT"):
        of = outcomes(study).of.get(paramcd, {})
        return [
            of[who].result if who in of and not study.subjects[who].treated_again else "NE"
            for who in subjects
        ]
    return [
        study.psa[who].results[paramcd].result
        if who in study.psa and not study.subjects[who].treated_again
        else "NE"
        for who in subjects
    ]


def primary_set(study: Study) -> list[str]:
    """The subjects in the denominator of the primary endpoint, in the order of their first dose."""
    in_order = in_order_of_first_dose(study, study.inside("PRIMARY"))
    rule, endpoint = study.plan.rate_at, study.plan.primary.endpoint
    if endpoint != "rate_at" or rule is None or rule.not_observed == "failure":
        return in_order
    answered = results_in(study, in_order, "RATEAT")
    return [who for who, result in zip(in_order, answered, strict=True) if result != "NE"]


def is_pending(study: Study, who: str) -> bool:
    """Whether the primary response of a subject is still possible."""
    if study.plan.primary.endpoint == "psa_response":
        return who in study.psa and study.psa[who].pending
    return who in outcomes(study).still


def known_on(study: Study, who: str) -> dt.date | None:
    """The day on which the primary response of a subject was known, where it has one."""
    if study.plan.primary.endpoint == "psa_response":
        return study.psa[who].results["PSARESP"].confirmed if who in study.psa else None
    one = outcomes(study).of[study.plan.primary_parameter].get(who)
    return None if one is None or one.result != "Y" else one.known


def in_order_of_first_dose(study: Study, subjects: list[str]) -> list[str]:
    """Subjects in the order of their first dose, which is the order of the stages."""
    return sorted(subjects, key=lambda who: (study.subjects[who].first_dose or dt.date.max, who))


def between_stages(study: Study, in_order: list[str]) -> dict[str, Any]:
    """The first dose of the last subject of stage 1 and of the first of stage 2, responders by then."""
    n1 = study.plan.design.n1
    if n1 is None or len(in_order) <= n1:
        return {}
    full, began = (study.subjects[in_order[at]].first_dose for at in (n1 - 1, n1))
    days = [known_on(study, who) for who in in_order[:n1]]
    known = sum(day is not None and began is not None and day <= began for day in days)
    return {"stage1_full": str(full), "stage2_began": str(began), "responders_by_then": known}


def limits_of_design(plan: Plan, responses: list[bool], pending: list[bool]) -> dict[str, Value]:
    """The limits of the primary result where the plan wants those of the two stages."""
    if plan.intervals.primary_interval != "two-stage":
        return {}
    inference = two_stage.two_stage(plan.design, responses, pending, plan.intervals.conf_level)
    late = inference.get("stopped_at") == 1 and plan.design.n1 != len(responses)
    if "decision" not in inference:  # more subjects than planned: another method
        return {}
    return {name: None if late else inference[name] for name in ("conf_low", "conf_high")}


def tested(responders: int, n: int, plan: Plan, decision: str) -> dict[str, Value]:
    """The one-sided exact p against p0, by scipy, and the decision of the design's rule."""
    from scipy.stats import binomtest

    p = float(binomtest(responders, n, plan.design.p0, "greater").pvalue) if n else None
    return {"p_value": p, "decision": decision}


FIRST_STATUS = {
    "": None,
    "marker_negative": "NEGATIVE",
    "marker_undetermined": "UNDETERMINED",
    "marker_not_done": "NOT DONE",
    "marker_positive": "POSITIVE",
}
"""LEVEL of `rescreen_response`, and the marker status at the first screening."""


def rows(study: Study) -> Iterator[QcRow]:
    """Every row of `psa_response` and its variants, `rescreen_response` and `psa_change`."""
    rule = stated(study.plan.psa_response)
    variants = {"psa_response": "PSARESP", "psa_response_unconfirmed": "PSARESPU"}
    variants |= {f"psa_response_{d}d": f"PSARSP{d}" for d in rule.sensitivity_confirm_days}
    for analysis, paramcd in variants.items():
        for population in POPULATIONS:
            results = results_in(study, study.inside(population), paramcd)
            statistics = _rate(results, study.plan)
            if study.plan.primary.endpoint == "psa_response":
                statistics |= {"p0": study.plan.design.p0}
                if (analysis, population) == ("psa_response", "PRIMARY"):
                    statistics |= primary_statistics(study)
            yield from Place(analysis, population, paramcd=paramcd).rows(statistics, METHOD)
    treated = study.treated_when_rescreened()
    for paramcd in ("PSARESP", "PSARESPU"):
        for level, status in FIRST_STATUS.items():
            results = [
                study.psa[who].results[paramcd].result if who in study.psa else "NE"
                for who in treated
                if status is None or getattr(study.subjects[who].first, "marker", None) == status
            ]
            place = Place("rescreen_response", "RESCREENED", paramcd=paramcd, level=level)
            yield from place.rows(_rate(results, study.plan), METHOD)
    yield from _changes(study)


def _rate(results: list[str], plan: Plan) -> dict[str, Value]:
    return rate(results.count("Y"), len(results), plan) | {"n_missing": results.count("NE")}


def primary_statistics(study: Study) -> dict[str, Value]:
    """Test, decision and limits of the primary result."""
    plan = study.plan
    in_order = primary_set(study)
    responses = [r == "Y" for r in results_in(study, in_order, plan.primary_parameter)]
    pending = [is_pending(study, who) for who in in_order]
    n1, responders, n = plan.design.n1, sum(responses), len(responses)
    complete = n1 is not None and n >= n1
    first = (sum(responses[:n1]), sum(pending[:n1])) if complete else None
    decision = two_stage.decision(plan.design, responders, n, first)
    return tested(responders, n, plan, decision) | limits_of_design(plan, responses, pending)


def _changes(study: Study) -> Iterator[QcRow]:
    rule = stated(study.plan.psa_course)
    columns = {
        "PRIMARY": study.inside("PRIMARY"),
        "RESCREENED": study.treated_when_rescreened(),
    }
    for population, subjects in columns.items():
        changes = [_change(study, who) for who in subjects]
        for at, paramcd in enumerate(("PSABEST", "PSAWK12")):
            values = [change[at] for change in changes]
            place = Place("psa_change", population, paramcd=paramcd)
            yield from place.rows({"N": len(values)} | summary(values), METHOD)
            for depth in rule.depths_pct:
                n = sum(1 for value in values if value is not None and value <= -depth)
                deeper = place._replace(level=f"decline_{depth:g}")
                yield from deeper.rows(rate(n, len(values), study.plan), METHOD)


def _change(study: Study, who: str) -> tuple[float | None, float | None]:
    """The largest decrease of one subject, and the change nearest to week 12, in percent."""
    plan, subject = study.plan, study.subjects[who]
    rule = stated(plan.psa_course)
    values = visits(subject, study.of("lb", who), study.of("ex", who), plan)
    therapy = new_therapy(subject, study.of("cm", who))
    stop = stated(plan.psa_response).stop_at_new_therapy
    base, after = counted(subject, values, therapy, plan, stop_at_therapy=stop)
    if base is None or base <= 0 or subject.first_dose is None:
        return None, None
    changes = [
        (
            float(round(100 * (visit.psa - base) / base, 9)),
            (visit.day - subject.first_dose).days - rule.week_12_day,
        )
        for visit in after
    ]
    near = [
        (abs(off), off > 0, change)
        for change, off in changes
        if abs(off) <= rule.week_12_window_days
    ]
    return min((change for change, _ in changes), default=None), min(near)[2] if near else None
