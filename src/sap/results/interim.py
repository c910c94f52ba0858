"""The stopping rule for futility at a data cut-off, with bounds over the pending responses."""

from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from sap import ard
from sap.ard import NotEstimable
from sap.catalogue import decisions
from sap.methods.interim_stages import Stage, conditional_power, predictive_power
from sap.methods.monitoring import boundary_characteristics
from sap.methods.two_stage import TwoStageDesign
from sap.plan.model import Plan
from sap.results.design import of_plan
from sap.results.provenance import makes
from sap.results.response import primary_subjects, stages
from sap.results.safety import bounds_of
from sap.results.sets import members

STAGE_1, TOTAL = "stage_1", "total"
METHOD = "Exact enumeration over the pending responses"


class Cut(NamedTuple):
    """One stage at a data cut: confirmed responders, pending patients, patients treated, patients planned."""

    responders: int
    pending: int
    treated: int
    planned: int


def state(first: Cut, r1: int) -> str:
    """The state of the rule "stop when at most r1 of stage 1 respond"; the first case that applies.

    1. More than r1 patients of stage 1 have a confirmed response: passed, whatever is pending.
    2. At most r1 responders, with every pending patient and every patient of stage 1 not yet treated
       counted as a responder: crossed.
    3. Else it is not decided.
    """
    if first.responders > r1:
        return decisions.BOUNDARY_PASSED
    most = first.responders + first.pending + max(first.planned - first.treated, 0)
    return decisions.BOUNDARY_CROSSED if most <= r1 else decisions.BOUNDARY_OPEN


def _stages(subjects: pd.DataFrame, adrs: pd.DataFrame, plan: Plan, n1: int) -> tuple[Cut, Cut]:
    """Stage 1 is the first n1 patients by first dose (ties: USUBJID), stage 2 the others."""
    row = stages(subjects, adrs, plan).iloc[0]
    first, second = first_stage(row, n1), plan.design.n - n1
    rest = Cut(
        int(row["responders"]) - first.responders,
        int(row["pending"]) - first.pending,
        int(row["n"]) - first.treated,
        second,
    )
    return first, rest


def first_stage(row: Mapping[str, int] | pd.Series, n1: int) -> Cut:
    """Stage 1 of one row of `sap.results.response.stages`."""
    return Cut(int(row["responders_1"]), int(row["pending_1"]), int(row["n_1"]), n1)


PENDING = {
    "psa_response": {5: "confirmation_pending", 6: "no_decline_yet"},
    "objective_response": {5: "response_not_confirmed", 6: "no_response_yet"},
    "clinical_benefit": {5: "response_not_confirmed", 6: "no_response_yet"},
    "rate_at": {5: "landmark_not_reached"},
}
"""By primary endpoint the reasons of a pending response, by CASE of PSAPEND or PRIMPEND."""


@makes("interim_pending")
def interim_pending(adsl: pd.DataFrame, adrs: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Why responses are pending (SUBLEVEL: the cases with Y of PSAPEND or PRIMPEND), in stage 1 and in total (LEVEL)."""
    design = of_plan(plan)
    n1 = design.n1 if isinstance(design, TwoStageDesign) else 0
    subjects = members(adsl, "PRIMARY").sort_values(["TRTSDT", "USUBJID"], na_position="last")
    results = adrs[adrs["PARAMCD"] == plan.pending_parameter].set_index("USUBJID")
    is_pending = subjects["USUBJID"].map(results["AVALC"]) == "Y"
    cases = subjects["USUBJID"].map(results["CASE"]).where(is_pending)
    levels = {STAGE_1: cases[:n1]} if n1 else {}
    return [
        ard.rows(
            {"n": int((of_level == case).sum()), "N": len(of_level)},
            analysis="interim_pending",
            section=plan.design.section,
            population="PRIMARY",
            paramcd=plan.pending_parameter,
            level=level,
            sublevel=sublevel,
            method="Distinct patients",
        )
        for level, of_level in (levels | {TOTAL: cases}).items()
        for case, sublevel in PENDING[plan.primary.endpoint].items()
    ]


# True rates of the operating characteristics of the boundary for toxicity, with the plan's p0.
TRUE_RATES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5)


@makes("toxicity_oc")
def toxicity_oc(plan: Plan) -> list[pd.DataFrame]:
    """Exact operating characteristics of the boundary for toxicity at each true rate (LEVEL).

    `probability_of_stopping`, and the expected number of patients (`expected_n`) of a trial of the
    planned size.
    """
    rule = plan.toxicity_monitoring
    if rule is None:
        return []
    bounds = bounds_of(rule)
    parts = []
    for rate in sorted({*TRUE_RATES, rule.p0}):
        characteristics = boundary_characteristics(bounds, rate)
        stats: dict[str, ard.type_of_stat] = {
            "p": rate,
            "probability_of_stopping": float(characteristics.stopping_probability),
            "expected_n": float(characteristics.expected_n),
        }
        parts.append(
            ard.rows(
                stats,
                analysis="toxicity_oc",
                section=rule.section,
                population="SAFETY",
                paramcd="TOX",
                level=f"{rate:.2f}",
                method="Exact recursion over patients",
            )
        )
    return parts


# The response of each pending patient in a projection; None: still to be observed.
PROJECTIONS = {"none_respond": 0, "not_observed": None, "all_respond": 1}


def _observed(cut: Cut, outcome: int | None) -> Stage:
    """The stage if every pending patient has this outcome; None: their responses are still to come."""
    if outcome is None:
        return Stage(cut.responders, cut.treated - cut.pending, cut.planned)
    return Stage(cut.responders + outcome * cut.pending, cut.treated, cut.planned)


@makes("interim")
def interim(adsl: pd.DataFrame, adrs: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """The state of the stopping rule, and the probability of rejecting H0 at the end.

    LEVEL `stage_1` (two-stage designs) and `total`: confirmed responders `n`, treated patients `N`,
    pending patients `n_missing`, planned patients. The decision is that of `stage_1`; see `state`.

    GROUP `projection`: for each of `PROJECTIONS` (LEVEL) the probability that the design will reject
    H0: conditional on the plan's p1 and p0, on the rate observed among patients with a result, and
    predictive, averaged over the posterior under the plan's prior. With more patients than planned it
    is not estimable.
    """
    design, d = of_plan(plan), plan.design
    two = isinstance(design, TwoStageDesign)
    n1, r1 = (design.n1, design.r1) if isinstance(design, TwoStageDesign) else (0, -1)
    subjects = primary_subjects(adsl, adrs, plan)
    first, second = _stages(subjects, adrs, plan, n1)
    total = Cut(*(a + b for a, b in zip(first, second, strict=True)))
    where = {
        "analysis": "interim",
        "section": d.section,
        "population": "PRIMARY",
        "paramcd": plan.primary_parameter,
    }

    def counts(cut: Cut) -> dict[str, ard.type_of_stat]:
        return {
            "n": cut.responders,
            "N": cut.treated,
            "n_missing": cut.pending,
            "n_planned": cut.planned,
            "responders_low": cut.responders,
            "responders_high": cut.responders + cut.pending,
        }

    parts = [ard.rows(counts(total) | {"r": d.r}, level=TOTAL, method=METHOD, **where)]
    if two:
        decided: dict[str, ard.type_of_stat] = {
            "r1": r1,
            "decision": state(first, r1),
            "decision_low": state(first._replace(pending=0), r1),
            "decision_high": state(
                first._replace(responders=first.responders + first.pending, pending=0), r1
            ),
        }
        parts.append(ard.rows(counts(first) | decided, level=STAGE_1, method=METHOD, **where))
    for projection, outcome in PROJECTIONS.items():
        one, rest = _observed(first, outcome), _observed(second, outcome)
        stats: dict[str, ard.type_of_stat] = {
            "n": one.responders + rest.responders,
            "N": one.known + rest.known,
        }
        names = ("conditional_power_p1", "conditional_power_p0", "conditional_power_seen",
                 "predictive_power")  # fmt: skip
        if rest.known > rest.planned:
            stats |= dict.fromkeys(names, NotEstimable("more patients than planned were treated"))
        else:
            known = one.known + rest.known
            rates: dict[str, float | None] = {
                "conditional_power_p1": d.p1,
                "conditional_power_p0": d.p0,
                "conditional_power_seen": (one.responders + rest.responders) / known
                if known
                else None,
            }
            for name, rate in rates.items():
                stats[name] = (
                    NotEstimable("no patient has a result yet")
                    if rate is None
                    else conditional_power(one, rest, r1, d.r, rate)
                )
            if plan.estimand is not None:
                prior = plan.estimand.prior
                stats["predictive_power"] = predictive_power(one, rest, r1, d.r, prior)
        parts.append(ard.rows(stats, level=projection, group="projection", method=METHOD, **where))
    return parts


def rows(*, adsl: pd.DataFrame, adrs: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *interim(adsl, adrs, plan),
        *interim_pending(adsl, adrs, plan),
        *toxicity_oc(plan),
    ]
