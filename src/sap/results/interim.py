"""Where the stopping rule stands at a data cut, with bounds over the answers that are still open."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sap import ard
from sap.ard import NotEstimable
from sap.methods.interim_stages import Stage, conditional_power, predictive_power
from sap.methods.monitoring import boundary_characteristics
from sap.methods.two_stage import TwoStageDesign
from sap.plan.model import Plan
from sap.results.design import of_plan
from sap.results.provenance import makes
from sap.results.safety import bounds_of
from sap.results.sets import members

CONTINUE = "Passed: the trial goes on to stage 2"
STOP = "Crossed: the trial stops for futility"
OPEN = "Not decided"
METHOD = "Exact enumeration over the open answers"


class Cut(NamedTuple):
    """One stage at a data cut: confirmed responders, pending patients, patients treated, patients planned."""

    responders: int
    pending: int
    treated: int
    planned: int


def state(first: Cut, r1: int) -> str:
    """What the rule "stop when at most r1 of stage 1 respond" says; the first case that applies.

    1. More than r1 patients of stage 1 have a confirmed response: passed, whatever is still open.
    2. Even if every pending patient, and every patient of stage 1 not yet treated, responded, at most r1
       would have: crossed.
    3. Else it is not decided.
    """
    if first.responders > r1:
        return CONTINUE
    most = first.responders + first.pending + max(first.planned - first.treated, 0)
    return STOP if most <= r1 else OPEN


def _stages(people: pd.DataFrame, adrs: pd.DataFrame, n1: int, n: int) -> tuple[Cut, Cut]:
    """Stage 1 is the first n1 patients by first dose (ties: USUBJID), stage 2 the others."""
    ordered = people.sort_values(["TRTSDT", "USUBJID"], na_position="last")["USUBJID"]

    def is_yes(paramcd: str) -> NDArray[np.bool_]:
        answers = adrs[adrs["PARAMCD"] == paramcd].set_index("USUBJID")["AVALC"]
        return (ordered.map(answers) == "Y").to_numpy()

    yes, waits = is_yes("PSARESP"), is_yes("PSAPEND")
    first = Cut(int(yes[:n1].sum()), int(waits[:n1].sum()), min(len(yes), n1), n1)
    second = Cut(int(yes[n1:].sum()), int(waits[n1:].sum()), max(len(yes) - n1, 0), n - n1)
    return first, second


WAITING = {5: "A fall awaits its confirmation", 6: "No such fall yet, and time left for one"}


@makes("interim_pending")
def interim_pending(adsl: pd.DataFrame, adrs: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """What the pending patients wait for (SUBLEVEL), of stage 1 and in all (LEVEL): cases 5 and 6 of PSAPEND."""
    design = of_plan(plan)
    n1 = design.n1 if isinstance(design, TwoStageDesign) else 0
    subjects = members(adsl, "PRIMARY").sort_values(["TRTSDT", "USUBJID"], na_position="last")
    asked = adrs[adrs["PARAMCD"] == "PSAPEND"].set_index("USUBJID")
    waits = (
        subjects["USUBJID"].map(asked["CASE"]).where(subjects["USUBJID"].map(asked["AVALC"]) == "Y")
    )
    levels = {"Stage 1": waits[:n1]} if n1 else {}
    return [
        ard.rows(
            {"n": int((mine == case).sum()), "N": len(mine)},
            analysis="interim_pending",
            section=plan.design.section,
            population="PRIMARY",
            paramcd="PSAPEND",
            level=level,
            sublevel=words,
            method="Distinct patients",
        )
        for level, mine in (levels | {"In all": waits}).items()
        for case, words in WAITING.items()
    ]


# The true rates at which the behaviour of the boundary for toxicity is told, beside the plan's p0.
TRUE_RATES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5)


@makes("toxicity_oc")
def toxicity_oc(plan: Plan) -> list[pd.DataFrame]:
    """What the boundary for toxicity does at each true rate (LEVEL), exactly.

    `probability_of_stopping`, and the patients (`expected_n`) of a trial of the planned size.
    """
    rule = plan.toxicity_monitoring
    if rule is None:
        return []
    bounds = bounds_of(rule)
    parts = []
    for rate in sorted({*TRUE_RATES, rule.p0}):
        found = boundary_characteristics(bounds, rate)
        stats: dict[str, ard.type_of_stat] = {
            "p": rate,
            "probability_of_stopping": float(found.stopping_probability),
            "expected_n": float(found.expected_n),
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


VIEWS = {
    "None of the pending patients responds": 0,
    "Pending patients counted as not yet seen": None,
    "All of the pending patients respond": 1,
}


def _seen(cut: Cut, outcome: int | None) -> Stage:
    """The stage when every pending patient has this outcome; None: their answers are still to come."""
    if outcome is None:
        return Stage(cut.responders, cut.treated - cut.pending, cut.planned)
    return Stage(cut.responders + outcome * cut.pending, cut.treated, cut.planned)


@makes("interim")
def interim(adsl: pd.DataFrame, adrs: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """The state of the stopping rule, and the chance to reject H0 at the end.

    LEVEL "Stage 1" (two-stage designs) and "In all": confirmed responders `n`, treated patients `N`,
    pending patients `n_missing`, planned patients. The decision stands at "Stage 1"; see `state`.

    For each of `VIEWS`, what the pending patients do, the chance that the design will reject H0:
    conditional on the plan's p1 and p0, on the rate seen among patients with an answer, and predictive,
    averaged over the posterior under the plan's prior. With more patients than planned the design has no
    such chance.
    """
    design, d = of_plan(plan), plan.design
    two = isinstance(design, TwoStageDesign)
    n1, r1 = (design.n1, design.r1) if isinstance(design, TwoStageDesign) else (0, -1)
    people = members(adsl, "PRIMARY")
    first, second = _stages(people, adrs, n1, d.n)
    whole = Cut(*(a + b for a, b in zip(first, second, strict=True)))
    where = {
        "analysis": "interim",
        "section": d.section,
        "population": "PRIMARY",
        "paramcd": "PSARESP",
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

    parts = [ard.rows(counts(whole) | {"r": d.r}, level="In all", method=METHOD, **where)]
    if two:
        decided: dict[str, ard.type_of_stat] = {
            "r1": r1,
            "decision": state(first, r1),
            "decision_low": state(first._replace(pending=0), r1),
            "decision_high": state(
                first._replace(responders=first.responders + first.pending, pending=0), r1
            ),
        }
        parts.append(ard.rows(counts(first) | decided, level="Stage 1", method=METHOD, **where))
    for words, outcome in VIEWS.items():
        one, rest = _seen(first, outcome), _seen(second, outcome)
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
                    NotEstimable("no patient has an answer yet")
                    if rate is None
                    else conditional_power(one, rest, r1, d.r, rate)
                )
            stats["predictive_power"] = predictive_power(one, rest, r1, d.r, plan.estimand.prior)
        parts.append(ard.rows(stats, level=words, group="Outlook", method=METHOD, **where))
    return parts


def rows(*, adsl: pd.DataFrame, adrs: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *interim(adsl, adrs, plan),
        *interim_pending(adsl, adrs, plan),
        *toxicity_oc(plan),
    ]
