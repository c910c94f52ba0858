"""Clinical benefit, the rate at a landmark, and the sensitivity of a primary endpoint other than PSA."""

import pandas as pd

from sap import ard
from sap.methods.kaplan_meier import kaplan_meier
from sap.plan.entry import stated
from sap.plan.model import Plan
from sap.results.provenance import makes
from sap.results.rates import rate
from sap.results.response import (
    EXACT,
    of_first_screening,
    primary_rate,
    primary_subjects,
    response_rate,
    with_result,
)
from sap.results.sets import available, members
from sap.results.survival import METHOD, NO_ORIGIN, landmark, months_and_events

TIMES = {"progression": "PFS", "death": "OS"}


@makes("objective_response_other")
def other_source(adsl: pd.DataFrame, adrs: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Objective response by the other source: the lesions, or the evaluator's recorded response."""
    if plan.objective_response is None:
        return []
    where = {"paramcd": "OBJRESPO", "analysis": "objective_response_other"}
    return [
        response_rate(adsl, adrs, plan, population=population, **where)
        for population in ("MEASURABLE", "PRIMARY")
        if available(adsl, population)
    ]


@makes("clinical_benefit")
def clinical_benefit(adsl: pd.DataFrame, adrs: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Clinical benefit by the rule of the plan (CLINBEN); NE counts as no benefit."""
    if plan.objective_response is None:
        return []
    where = {"paramcd": "CLINBEN", "analysis": "clinical_benefit"}
    return [
        response_rate(adsl, adrs, plan, population=population, **where)
        for population in ("MEASURABLE", "PRIMARY")
        if available(adsl, population)
    ]


@makes("rate_at", "rate_at_kaplan_meier")
def rate_at(
    adsl: pd.DataFrame, adrs: pd.DataFrame, adtte: pd.DataFrame, plan: Plan
) -> list[pd.DataFrame]:
    """The share of patients free of the event at the landmark, and the Kaplan-Meier estimate there.

    1. `rate_at`: patients of PRIMARY with RATEAT = Y among those in the denominator, with the exact
       interval. NE counts as a failure, or is not in the denominator where the plan excludes it.
    2. `rate_at_kaplan_meier`: the estimate at the same time from all patients of PRIMARY, censored
       where they were last observed, with the number at risk. It decides nothing.
    """
    rule = plan.rate_at
    if rule is None:
        return []
    counted = response_rate(
        adsl, adrs, plan, population="PRIMARY", paramcd="RATEAT", analysis="rate_at"
    )
    subjects = members(adsl, "PRIMARY")["USUBJID"]
    code = TIMES[rule.event]
    times = adtte[(adtte["PARAMCD"] == code) & adtte["USUBJID"].isin(subjects)]
    if len(times):
        months, event = months_and_events(times, plan)
        stats = landmark(kaplan_meier(months, event), months, rule.months, plan)
    else:
        names = ("estimate", "conf_low", "conf_high")
        stats = {"conf_level": plan.intervals.conf_level, "at_risk": 0}
        stats |= dict.fromkeys(names, NO_ORIGIN)
    curve = ard.rows(
        {"N": len(times)} | stats,
        analysis="rate_at_kaplan_meier",
        section=rule.section,
        population="PRIMARY",
        paramcd=code,
        method=METHOD.format(plan.survival.transform),
    )
    return [counted, curve]


@makes("primary_sensitivity")
def sensitivity(adsl: pd.DataFrame, adrs: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """The primary rate under other assumptions (LEVEL); PSA response has `psa_estimand` instead.

    1. `primary`: the primary result, with its interval.
    2. `per_protocol`, `measurable`: these sets, where they are available.
    3. `unconfirmed`, `other_source`: objective response without confirmation, and by the other source.
    4. `worst_case`: every patient without a result, and every one who can still respond, fails;
       `best_case`: all of them respond.

    No level has a p-value or a decision: those of the primary result are part of its own analysis.
    """
    endpoint, paramcd = plan.primary.endpoint, plan.primary_parameter
    if endpoint == "psa_response":
        return []

    def of(subjects: pd.DataFrame, code: str) -> tuple[int, int]:
        results = of_first_screening(subjects, with_result(subjects, adrs, code))["AVALC"]
        return int((results == "Y").sum()), len(subjects)

    in_set, counted = members(adsl, "PRIMARY"), primary_subjects(adsl, adrs, plan)
    rates = {"primary": of(counted, paramcd)}
    for level, name in (("per_protocol", "PERPROT"), ("measurable", "MEASURABLE")):
        if available(adsl, name):
            rates[level] = of(members(adsl, name), paramcd)
    if endpoint == "objective_response":
        rates["unconfirmed"] = of(in_set, "OBJRESPU")
        rates["other_source"] = of(in_set, "OBJRESPO")
    result = with_result(in_set, adrs, paramcd)["AVALC"]
    is_open = with_result(in_set, adrs, plan.pending_parameter)["AVALC"] == "Y"
    best = int(((result == "Y") | (result == "NE") | is_open).sum())
    rates["worst_case"] = of(in_set, paramcd)
    rates["best_case"] = best, len(in_set)
    parts = []
    for level, (responders, n) in rates.items():
        stats, method = rate(responders, n, plan.intervals.conf_level), EXACT
        if level == "primary":
            stats, method = primary_rate(counted, adrs, plan)
        parts.append(
            ard.rows(
                stats,
                analysis="primary_sensitivity",
                section=stated(plan.estimand).section,
                population="PRIMARY",
                paramcd=paramcd,
                level=level,
                method=method,
            )
        )
    return parts


def rows(
    *, adsl: pd.DataFrame, adrs: pd.DataFrame, adtte: pd.DataFrame, plan: Plan
) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *other_source(adsl, adrs, plan),
        *clinical_benefit(adsl, adrs, plan),
        *rate_at(adsl, adrs, adtte, plan),
        *sensitivity(adsl, adrs, plan),
    ]
