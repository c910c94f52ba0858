"""Objective response by the plan's rule, clinical benefit, the rate at a landmark, and their sensitivity."""

from collections.abc import Iterator

from sap.plan.model import Plan
from sap.qc.endpoints import outcomes
from sap.qc.kaplan_meier import Curve, limits
from sap.qc.progression_times import times
from sap.qc.response import (
    is_pending,
    limits_of_design,
    primary_set,
    primary_statistics,
    results_in,
)
from sap.qc.study import Place, QcRow, Study
from sap.qc.summaries import Value, rate
from sap.qc.survival import origin_of, survival_time
from sap.qc.tumour import is_assessed, measurable

METHOD = "a loop over the readings of each patient; statsmodels; scipy"
BY_CURVE = "product-limit estimate in exact fractions"
RATES = {
    "objective_response_other": "OBJRESPO",
    "clinical_benefit": "CLINBEN",
}


def populations(study: Study) -> dict[str, list[str]]:
    """The sets of the rates by RECIST; measurable disease only where the data hold lesions."""
    of_measurable = {"MEASURABLE": measurable(study)} if is_assessed(study) else {}
    return {"PRIMARY": study.inside("PRIMARY")} | of_measurable


def rate_rows(study: Study, analysis: str, paramcd: str) -> Iterator[QcRow]:
    """A rate in each set, with the test and the decision where it is the primary endpoint."""
    plan = study.plan
    for population, subjects in populations(study).items():
        yield from _one(study, Place(analysis, population, paramcd=paramcd), subjects, plan)


def _one(study: Study, place: Place, subjects: list[str], plan: Plan) -> Iterator[QcRow]:
    results = results_in(study, subjects, place.paramcd)
    statistics: dict[str, Value] = rate(results.count("Y"), len(results), plan)
    statistics |= {"n_missing": results.count("NE")}
    if place.analysis.startswith(plan.primary.endpoint):
        statistics |= {"p0": plan.design.p0}
    if (place.analysis, place.population) == (plan.primary.endpoint, "PRIMARY"):
        statistics |= primary_statistics(study)
    yield from place.rows(statistics, METHOD)


def rows(study: Study) -> Iterator[QcRow]:
    """Every row of clinical benefit, the other source, the rate at a landmark, and the sensitivity."""
    plan = study.plan
    if plan.objective_response is not None:
        for analysis, paramcd in RATES.items():
            yield from rate_rows(study, analysis, paramcd)
    if plan.rate_at is not None:
        yield from _landmark(study)
    if plan.primary.endpoint != "psa_response":
        yield from _sensitivity(study)


def _landmark(study: Study) -> Iterator[QcRow]:
    plan, rule = study.plan, study.plan.rate_at
    assert rule is not None
    subjects = study.inside("PRIMARY")
    answered = results_in(study, subjects, "RATEAT")
    if rule.not_observed == "excluded":
        subjects = [w for w, result in zip(subjects, answered, strict=True) if result != "NE"]
    yield from _one(study, Place("rate_at", "PRIMARY", paramcd="RATEAT"), subjects, plan)
    inside = set(study.inside("PRIMARY"))
    if rule.event == "progression":
        code = "PFS"
        seen = [
            (t.days, int(t.event))
            for t in times(study)
            if (t.endpoint, t.definition.code, t.is_choice) == ("PFS", "", False)
            and t.who in inside
        ]
    else:
        code = "OS"
        days = {who: origin_of(study.subjects[who], study) for who in inside}
        seen = [survival_time(study.subjects[w], d) for w, d in days.items() if d is not None]
    place = Place("rate_at_kaplan_meier", "PRIMARY", paramcd=code)
    at = rule.months * plan.survival.days_per_month
    statistics: dict[str, Value] = {
        "N": len(seen),
        "conf_level": plan.intervals.conf_level,
        "at_risk": sum(1 for days_, _ in seen if days_ >= at),
    }
    names = ("estimate", "conf_low", "conf_high")
    step = None
    if seen:
        step = Curve([d for d, _ in seen], [e for _, e in seen], plan).at(at)
    band = limits(step, plan) if step and step.survival < 1 else None
    numbers = (float(step.survival), *(band or (None, None))) if step else (None,) * 3
    yield from place.rows(statistics | dict(zip(names, numbers, strict=True)), BY_CURVE)


def _sensitivity(study: Study) -> Iterator[QcRow]:
    plan, code = study.plan, study.plan.primary_parameter
    in_set, counted = study.inside("PRIMARY"), primary_set(study)

    def answers(subjects: list[str], paramcd: str) -> list[bool]:
        return [result == "Y" for result in results_in(study, subjects, paramcd)]

    main = results_in(study, in_set, code)
    lines = {"primary": answers(counted, code), "worst_case": answers(in_set, code)}
    lines["best_case"] = [
        result in ("Y", "NE") or is_pending(study, who)
        for who, result in zip(in_set, main, strict=True)
    ]
    if study.records.get("dv") is not None:
        lines["per_protocol"] = answers(study.inside("PERPROT"), code)
    if "MEASURABLE" in populations(study):
        lines["measurable"] = answers(measurable(study), code)
    if plan.primary.endpoint == "objective_response":
        lines["unconfirmed"] = answers(in_set, "OBJRESPU")
        lines["other_source"] = answers(in_set, "OBJRESPO")
    pending = [is_pending(study, who) for who in counted]
    for level, responses in lines.items():
        statistics = rate(sum(responses), len(responses), plan)
        if level == "primary":
            statistics |= limits_of_design(plan, responses, pending)
        place = Place("primary_sensitivity", "PRIMARY", paramcd=code, level=level)
        yield from place.rows(statistics, METHOD)


def best_responses(study: Study, subjects: list[str], paramcd: str) -> list[str]:
    """The best overall responses of the readings of objective response."""
    of = outcomes(study).of.get(paramcd, {})
    return [of[who].result if who in of else "NE" for who in subjects]
