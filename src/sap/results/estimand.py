"""The primary result under other choices: the forest of its estimand, and inference by the design."""

import math

import numpy as np
import pandas as pd

from sap import ard
from sap.ard import NotEstimable
from sap.methods.interim import posterior_summary
from sap.methods.two_stage import TwoStageDesign, coverage, tipping_point
from sap.plan.model import Plan
from sap.results.design import of_plan
from sap.results.provenance import makes
from sap.results.rates import REASON_NO_PATIENT, rate
from sap.results.response import EXACT, ended, primary_rate
from sap.results.sets import available, members

ICE = ("ICETOX", "ICETHER", "ICEDTH", "ICEMISS", "ICEPEND")


def _answers(adrs: pd.DataFrame, paramcd: str, who: pd.Series) -> pd.Series:
    values = adrs[adrs["PARAMCD"] == paramcd].set_index("USUBJID")["AVALC"]
    return who.map(values).fillna("NE")


@makes("psa_estimand")
def sensitivity(
    adsl: pd.DataFrame, adpsa: pd.DataFrame, adrs: pd.DataFrame, plan: Plan
) -> list[pd.DataFrame]:
    """One line of the forest per choice, each with n, N and exact interval.

    1. Primary: composite strategy, missing is failure.
    2. Treatment policy: values under new therapy count.
    3. PSA-evaluable patients. 4. Per protocol. 5. All marker-positive patients, treated or not.
    6. Patients whose baseline PSA is at or above the plan's value (as TROPIC had it).
    7. Worst case: missing and pending patients all fail (equal to 1). 8. Best case: all respond.
    9. The first fall at any time, where the plan limits it; everything else as the plan says.

    "Pending" is ICEPEND here: a fall that no later value could confirm. A response after a
    re-screening counts in no line. Line 1 has the interval of the primary result. No line has a
    p-value or a decision: those of the primary result stand in `psa_response`.
    """
    primary = members(adsl, "PRIMARY")
    who = primary["USUBJID"]
    main = _answers(adrs, "PSARESP", who)
    base = who.map(adpsa[adpsa["ABLFL"] == "Y"].set_index("USUBJID")["AVAL"])
    unknown = (_answers(adrs, "ICEMISS", who) == "Y") | (_answers(adrs, "ICEPEND", who) == "Y")
    yes = main == "Y"

    def inside(population: str) -> tuple[int, int]:
        people = members(adsl, population)
        yes = (_answers(adrs, "PSARESP", people["USUBJID"]) == "Y") & (people["RESCTRFL"] != "Y")
        return int(yes.sum()), len(people)

    high = base >= plan.estimand.baseline_psa_minimum
    policy = _answers(adrs, "PSARSPTP", who) == "Y"
    lines = {
        "1 Primary, composite strategy": (int(yes.sum()), len(who)),
        "2 Treatment policy for new therapy": (int(policy.sum()), len(who)),
        "3 PSA-evaluable": inside("PSAEVAL"),
        **({"4 Per protocol": inside("PERPROT")} if available(adsl, "PERPROT") else {}),
        "5 All marker-positive": inside("MARKERPOS"),
        f"6 Baseline PSA >= {plan.estimand.baseline_psa_minimum:g}": (
            int((yes & high).sum()),
            int(high.sum()),
        ),
        "7 Worst case for missing and pending": (int(yes.sum()), len(who)),
        "8 Best case for missing and pending": (int((yes | unknown).sum()), len(who)),
    }
    if plan.psa_response.first_fall_within_days is not None:
        free = _answers(adrs, "PSARSPAT", who) == "Y"
        lines["9 First fall at any time"] = (int(free.sum()), len(who))
    parts = []
    for level, (responders, n) in lines.items():
        stats, method = rate(responders, n, plan.intervals.conf_level), EXACT
        if level.startswith("1 "):
            stats, method = primary_rate(primary, adrs, plan)
        parts.append(_row(stats, "psa_estimand", plan, method, level))
    return parts


def _row(
    stats: dict[str, ard.type_of_stat], analysis: str, plan: Plan, method: str, level: str = ""
) -> pd.DataFrame:
    return ard.rows(
        stats,
        analysis=analysis,
        section=plan.estimand.section,
        population="PRIMARY",
        paramcd="PSARESP",
        level=level,
        method=method,
    )


@makes("intercurrent_events")
def intercurrent(adsl: pd.DataFrame, adrs: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """How many patients of the primary set had each intercurrent event."""
    who = members(adsl, "PRIMARY")["USUBJID"]
    parts = []
    for name in ICE:
        n = int((_answers(adrs, name, who) == "Y").sum())
        stats: dict[str, ard.type_of_stat] = {
            "n": n,
            "N": len(who),
            "estimate": n / len(who) if len(who) else REASON_NO_PATIENT,
        }
        parts.append(
            ard.rows(
                stats,
                analysis="intercurrent_events",
                section=plan.estimand.section,
                population="PRIMARY",
                paramcd=name,
                method="Distinct patients",
            )
        )
    return parts


@makes("tipping_point")
def tipping(adsl: pd.DataFrame, adrs: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """How many of the missing and pending patients would have to respond to change the decision."""
    who = members(adsl, "PRIMARY")["USUBJID"]
    responders = int((_answers(adrs, "PSARESP", who) == "Y").sum())
    unknown = (_answers(adrs, "ICEMISS", who) == "Y") | (_answers(adrs, "ICEPEND", who) == "Y")
    missing = int(unknown.sum())
    stats: dict[str, ard.type_of_stat] = {"n": responders, "N": len(who), "n_missing": missing}
    if len(who) != plan.design.n:
        reason = NotEstimable("the attained number of patients is not the planned one")
        stats |= dict.fromkeys(("responders_needed", "rate_needed"), reason)
        return [_row(stats, "tipping_point", plan, "Enumeration")]
    needed = max(plan.design.r + 1 - responders, 0)
    design = of_plan(plan)
    if isinstance(design, TwoStageDesign):
        needed = tipping_point(design, responders, missing).responders_needed
    stats["responders_needed"] = needed
    stats["rate_needed"] = needed / missing if missing else NotEstimable("no patient is missing")
    can = "can change the decision" if 0 < needed <= missing else "cannot change the decision"
    stats["decision"] = f"The patients without an answer {can}"
    return [_row(stats, "tipping_point", plan, "Enumeration")]


@makes("psa_posterior")
def posterior(adsl: pd.DataFrame, adrs: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """The rate with the plan's beta prior: mean, median, equal-tailed interval, P(rate > p0)."""
    who = members(adsl, "PRIMARY")["USUBJID"]
    responders = int((_answers(adrs, "PSARESP", who) == "Y").sum())
    a, b = plan.estimand.prior
    conf = plan.intervals.conf_level
    got = (
        posterior_summary(responders, len(who), (a, b), conf, plan.design.p0) if len(who) else None
    )
    names = ("mean", "sd", "median", "conf_low", "conf_high", "probability_above_p0")
    stats: dict[str, ard.type_of_stat] = {"prior_a": a, "prior_b": b, "conf_level": conf}
    stats |= (
        dict.fromkeys(names, REASON_NO_PATIENT)
        if got is None
        else dict(zip(names, got, strict=True))
    )
    return [_row(stats, "psa_posterior", plan, "Beta-binomial")]


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


NO_MAXIMUM = NotEstimable("the likelihood given the stage reached has no maximum")


def _confirmed_on(adrs: pd.DataFrame, who: pd.Series) -> pd.Series:
    """The day on which the response of each of these patients was confirmed, where it was."""
    yes = adrs[(adrs["PARAMCD"] == "PSARESP") & (adrs["AVALC"] == "Y")]
    return pd.to_datetime(who.map(yes.set_index("USUBJID")["CONFDT"]))


@makes("psa_two_stage")
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
    people = members(adsl, "PRIMARY").sort_values(["TRTSDT", "USUBJID"], na_position="last")
    yes = (_answers(adrs, "PSARESP", people["USUBJID"]) == "Y").to_numpy()
    n, x1, x = len(people), int(yes[: design.n1].sum()), int(yes.sum())
    conf = plan.intervals.conf_level
    stats: dict[str, ard.type_of_stat] = {
        "n": x,
        "N": n,
        "responders_stage1": x1,
        "n1_attained": min(n, design.n1),
        "conf_level": conf,
    }
    if n > design.n1:
        full, began = (people["TRTSDT"].iloc[at] for at in (design.n1 - 1, design.n1))
        confirmed = _confirmed_on(adrs, people["USUBJID"].iloc[: design.n1])
        stats |= {
            "stage1_full": f"{full:%Y-%m-%d}",
            "stage2_began": f"{began:%Y-%m-%d}",
            "responders_by_then": int((confirmed <= began).sum()),
        }
    end = ended(people, adrs, plan, design)
    if end.inference is None:
        stats |= dict.fromkeys(SUMMARY, NotEstimable(end.reason))
        stats["decision"] = end.reason.capitalize()
        return [_row(stats, "psa_two_stage", plan, "Jung and Kim 2004")]
    got = end.inference
    for name in SUMMARY:
        number = float(getattr(got, name))
        stats[name] = NO_MAXIMUM if math.isnan(number) else number
    if got.stopped_at > 1 and x == design.r1 + 1:
        stats["conditional_mle"] = NO_MAXIMUM
    stats["stopped_at"] = got.stopped_at
    held = coverage(design, conf, np.linspace(0.001, 0.999, 999))
    stats["coverage"] = float(np.min(held))
    words = {"reject H0": "H0 rejected", "do not reject H0": "H0 not rejected"}[got.decision]
    stats["decision"] = (
        f"{words}: the design stops after stage 1; the patients treated later are over-running"
        if end.over_run
        else words
    )
    return [_row(stats, "psa_two_stage", plan, "Jung and Kim 2004; both exact tails")]


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
