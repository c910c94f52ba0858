"""The primary estimand: sensitivity analyses, two-stage adjusted and Bayesian inference."""

import math

import numpy as np
import pandas as pd

from sap import ard
from sap.ard import NotEstimable
from sap.catalogue import decisions
from sap.methods.interim import posterior_summary
from sap.methods.two_stage import TwoStageDesign, coverage, tipping_point
from sap.plan.entry import stated
from sap.plan.model import Plan
from sap.results.design import of_plan
from sap.results.provenance import makes
from sap.results.rates import REASON_NO_PATIENT, rate
from sap.results.response import EXACT, ended, primary_rate, primary_subjects
from sap.results.sets import available, members

STOPPED = "ICESTOP"
ICE = ("ICETOX", "ICETHER", "ICEDTH", "ICEMISS", "ICEPEND", STOPPED)


def _results(adrs: pd.DataFrame, paramcd: str, usubjid: pd.Series) -> pd.Series:
    results = adrs[adrs["PARAMCD"] == paramcd].set_index("USUBJID")["AVALC"]
    return usubjid.map(results).fillna("NE")


def _unknown(adrs: pd.DataFrame, usubjid: pd.Series, plan: Plan) -> pd.Series:
    """Subjects whose primary response is not known; the first case that applies.

    1. PSA response: it is missing, or a decline that no later value could confirm.
    2. Any other endpoint: NE, or a response that is still possible after the cut-off.
    """
    if plan.primary.endpoint != "psa_response":
        is_open = _results(adrs, plan.pending_parameter, usubjid) == "Y"
        return (_results(adrs, plan.primary_parameter, usubjid) == "NE") | is_open
    missing = _results(adrs, "ICEMISS", usubjid) == "Y"
    return missing | (_results(adrs, "ICEPEND", usubjid) == "Y")


@makes("psa_estimand")
def sensitivity(
    adsl: pd.DataFrame, adpsa: pd.DataFrame, adrs: pd.DataFrame, plan: Plan
) -> list[pd.DataFrame]:
    """The response rate of each sensitivity analysis (LEVEL): n, N and exact interval.

    1. `primary`: composite strategy, missing is failure; with the interval of the primary result.
    2. `treatment_policy`: values under new therapy count.
    3. `psa_evaluable`, `per_protocol`, `all_marker_positive`: these sets, the last treated or not.
    4. `baseline_psa_minimum`: patients whose baseline PSA is at or above the plan's value.
    5. `worst_case`: missing and pending patients all fail (equal to 1); `best_case`: all respond.
    6. `first_decline_any_time`: no limit on the day of the first decline, where the plan has one.

    "Pending" is ICEPEND here: a decline that no later value could confirm. A response after
    re-screening counts in no level. No level has a p-value or a decision: those of the primary
    result are part of `psa_response`.
    """
    if plan.primary.endpoint != "psa_response":
        return []
    primary = members(adsl, "PRIMARY")
    usubjid = primary["USUBJID"]
    is_responder = _results(adrs, "PSARESP", usubjid) == "Y"
    base = usubjid.map(adpsa[adpsa["ABLFL"] == "Y"].set_index("USUBJID")["AVAL"])
    high = base >= stated(stated(plan.estimand).baseline_psa_minimum)

    def of_set(population: str) -> tuple[int, int]:
        subjects = members(adsl, population)
        responders = _results(adrs, "PSARESP", subjects["USUBJID"]) == "Y"
        return int((responders & (subjects["RESCTRFL"] != "Y")).sum()), len(subjects)

    def of_primary(responders: pd.Series) -> tuple[int, int]:
        return int(responders.sum()), len(usubjid)

    rates = {
        "primary": of_primary(is_responder),
        "treatment_policy": of_primary(_results(adrs, "PSARSPTP", usubjid) == "Y"),
        "psa_evaluable": of_set("PSAEVAL"),
        **({"per_protocol": of_set("PERPROT")} if available(adsl, "PERPROT") else {}),
        "all_marker_positive": of_set("MARKERPOS"),
        "baseline_psa_minimum": (int((is_responder & high).sum()), int(high.sum())),
        "worst_case": of_primary(is_responder),
        "best_case": of_primary(is_responder | _unknown(adrs, usubjid, plan)),
    }
    if stated(plan.psa_response).first_fall_within_days is not None:
        at_any_time = _results(adrs, "PSARSPAT", usubjid) == "Y"
        rates["first_decline_any_time"] = of_primary(at_any_time)
    parts = []
    for level, (responders, n) in rates.items():
        stats, method = rate(responders, n, plan.intervals.conf_level), EXACT
        if level == "primary":
            stats, method = primary_rate(primary, adrs, plan)
        parts.append(_row(stats, "psa_estimand", plan, method, level))
    return parts


def _row(
    stats: dict[str, ard.type_of_stat], analysis: str, plan: Plan, method: str, level: str = ""
) -> pd.DataFrame:
    return ard.rows(
        stats,
        analysis=analysis,
        section=plan.inference_section,
        population="PRIMARY",
        paramcd=plan.primary_parameter,
        level=level,
        method=method,
    )


@makes("intercurrent_events")
def intercurrent(adsl: pd.DataFrame, adrs: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """How many patients of the primary set had each intercurrent event (PARAMCD) of PSA response.

    ICESTOP, the end of study treatment of any reason, is also counted by its reason (LEVEL, DCTREAS);
    the reasons are those of treated patients.
    """
    if plan.primary.endpoint != "psa_response":
        return []
    subjects = members(adsl, "PRIMARY")
    usubjid, reasons = subjects["USUBJID"], subjects.get("DCTREAS", pd.Series(None, subjects.index))
    of_treated = adsl.loc[adsl["NCYCLES"] > 0, "DCTREAS"] if "DCTREAS" in adsl else reasons
    places = [(name, "") for name in ICE]
    places += [(STOPPED, str(reason)) for reason in sorted(set(of_treated.dropna()))]
    parts = []
    for name, reason in places:
        happened = _results(adrs, name, usubjid) == "Y"
        if reason:
            happened &= reasons == reason
        n = int(happened.sum())
        stats: dict[str, ard.type_of_stat] = {
            "n": n,
            "N": len(usubjid),
            "estimate": n / len(usubjid) if len(usubjid) else REASON_NO_PATIENT,
        }
        parts.append(
            ard.rows(
                stats,
                analysis="intercurrent_events",
                section=stated(plan.estimand).section,
                population="PRIMARY",
                paramcd=name,
                level=reason,
                method="Distinct patients",
            )
        )
    return parts


@makes("tipping_point")
def tipping(adsl: pd.DataFrame, adrs: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """How many of the missing and pending patients would have to respond to change the decision."""
    usubjid = primary_subjects(adsl, adrs, plan)["USUBJID"]
    responders = int((_results(adrs, plan.primary_parameter, usubjid) == "Y").sum())
    missing = int(_unknown(adrs, usubjid, plan).sum())
    stats: dict[str, ard.type_of_stat] = {"n": responders, "N": len(usubjid), "n_missing": missing}
    if len(usubjid) != plan.design.n:
        reason = NotEstimable("the attained number of patients is not the planned one")
        stats |= dict.fromkeys(("responders_needed", "rate_needed"), reason)
        return [_row(stats, "tipping_point", plan, "Enumeration")]
    needed = max(plan.design.r + 1 - responders, 0)
    design = of_plan(plan)
    if isinstance(design, TwoStageDesign):
        needed = tipping_point(design, responders, missing).responders_needed
    stats["responders_needed"] = needed
    stats["rate_needed"] = needed / missing if missing else NotEstimable("no patient is missing")
    can_change = 0 < needed <= missing
    stats["decision"] = decisions.CAN_CHANGE if can_change else decisions.CANNOT_CHANGE
    return [_row(stats, "tipping_point", plan, "Enumeration")]


@makes(
    "psa_posterior",
    "objective_response_posterior",
    "clinical_benefit_posterior",
    "rate_at_posterior",
)
def posterior(adsl: pd.DataFrame, adrs: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """The rate with the plan's beta prior: mean, median, equal-tailed interval, P(rate > p0)."""
    usubjid = primary_subjects(adsl, adrs, plan)["USUBJID"]
    responders = int((_results(adrs, plan.primary_parameter, usubjid) == "Y").sum())
    a, b = stated(plan.estimand).prior
    conf = plan.intervals.conf_level
    summary = (
        posterior_summary(responders, len(usubjid), (a, b), conf, plan.design.p0)
        if len(usubjid)
        else None
    )
    names = ("mean", "sd", "median", "conf_low", "conf_high", "probability_above_p0")
    stats: dict[str, ard.type_of_stat] = {"prior_a": a, "prior_b": b, "conf_level": conf}
    stats |= (
        dict.fromkeys(names, REASON_NO_PATIENT)
        if summary is None
        else dict(zip(names, summary, strict=True))
    )
    return [_row(stats, plan.posterior_analysis, plan, "Beta-binomial")]


SUMMARY = (
    "mle",
    "umvue",
    "median_unbiased",
    "bias_adjusted",
    "conditional_mle",
    "p_value",
    "mid_p_value",
    "conf_low",
    "conf_high",
)


DECISIONS = {"reject H0": decisions.REJECTED, "do not reject H0": decisions.NOT_REJECTED}
NO_MAXIMUM = NotEstimable("the likelihood given the stage reached has no maximum")


def _confirmed_on(adrs: pd.DataFrame, usubjid: pd.Series, paramcd: str) -> pd.Series:
    """The day on which the response of each of these subjects was known, where it was.

    1. The day of the confirmation.
    2. Where none is needed, the day of the response.
    """
    yes = adrs[(adrs["PARAMCD"] == paramcd) & (adrs["AVALC"] == "Y")].set_index("USUBJID")
    known = pd.to_datetime(yes["CONFDT"])
    if "ADT" in yes:
        known = known.fillna(pd.to_datetime(yes["ADT"]))
    return pd.to_datetime(usubjid.map(known))


@makes(
    "psa_two_stage",
    "objective_response_two_stage",
    "clinical_benefit_two_stage",
    "rate_at_two_stage",
)
def two_stage(adsl: pd.DataFrame, adrs: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Two-stage adjusted estimates; not applicable to a single-stage design.

    With the total of responders and the patients of the stage reached (stage 1 alone after a stop):

    1. Maximum likelihood: the observed response rate.
    2. UMVUE: the expected response rate in stage 1, given the total number of responders (Jung and
       Kim 2004).
    3. Median-unbiased: the rate at which as many responders, or more, have a probability of one half
       (Jung and Kim's order of outcomes).
    4. Bias-adjusted: the rate at which the expected response rate equals the observed one (Whitehead 1986).
    5. Conditional on the stage reached: the most likely rate among trials that reach it (Pepe 2009).
       Not estimable where that likelihood has no maximum: at the most responders with which stage 1
       stops, and at the fewest with which stage 2 can end.

    The coverage is the minimum coverage of the interval over true rates from 0 to 1. The responses
    of stage 1 known at the first dose of stage 2 are those confirmed on or before that day.
    """
    design = of_plan(plan)
    if not isinstance(design, TwoStageDesign):
        return []
    subjects = primary_subjects(adsl, adrs, plan)
    subjects = subjects.sort_values(["TRTSDT", "USUBJID"], na_position="last")
    yes = (_results(adrs, plan.primary_parameter, subjects["USUBJID"]) == "Y").to_numpy()
    n, x1, x = len(subjects), int(yes[: design.n1].sum()), int(yes.sum())
    conf = plan.intervals.conf_level
    stats: dict[str, ard.type_of_stat] = {
        "n": x,
        "N": n,
        "responders_stage1": x1,
        "n1_attained": min(n, design.n1),
        "conf_level": conf,
    }
    if n > design.n1:
        full, began = (subjects["TRTSDT"].iloc[at] for at in (design.n1 - 1, design.n1))
        first = subjects["USUBJID"].iloc[: design.n1]
        confirmed = _confirmed_on(adrs, first, plan.primary_parameter)
        stats |= {
            "stage1_full": f"{full:%Y-%m-%d}",
            "stage2_began": f"{began:%Y-%m-%d}",
            "responders_by_then": int((confirmed <= began).sum()),
        }
    end = ended(subjects, adrs, plan, design)
    if end.inference is None:
        stats |= dict.fromkeys(SUMMARY, NotEstimable(end.reason))
        stats["decision"] = end.reason.capitalize()
        return [_row(stats, plan.two_stage_analysis, plan, "Jung and Kim 2004")]
    inference = end.inference
    for name in SUMMARY:
        number = float(getattr(inference, name))
        stats[name] = NO_MAXIMUM if math.isnan(number) else number
    if inference.stopped_at > 1 and x == design.r1 + 1:
        stats["conditional_mle"] = NO_MAXIMUM
    stats["stopped_at"] = inference.stopped_at
    held = coverage(design, conf, np.linspace(0.001, 0.999, 999))
    stats["coverage"] = float(np.min(held))
    decision = DECISIONS[inference.decision]
    stats["decision"] = f"{decision}: {decisions.OVER_RUN}" if end.over_run else decision
    return [_row(stats, plan.two_stage_analysis, plan, "Jung and Kim 2004; equal-tailed exact")]


def rows(
    *, adsl: pd.DataFrame, adpsa: pd.DataFrame, adrs: pd.DataFrame, plan: Plan
) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *sensitivity(adsl, adpsa, adrs, plan),
        *intercurrent(adsl, adrs, plan),
        *tipping(adsl, adrs, plan),
        *posterior(adsl, adrs, plan),
        *two_stage(adsl, adrs, plan),
    ]
