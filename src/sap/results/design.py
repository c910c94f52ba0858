"""The design's operating characteristics, exactly."""

import numpy as np
import pandas as pd

from sap import ard
from sap.methods.two_stage import SingleStageDesign, TwoStageDesign
from sap.plan.model import Plan
from sap.results.provenance import makes


def of_plan(plan: Plan) -> TwoStageDesign | SingleStageDesign:
    """The design of the plan as an object of `sap.methods.two_stage`."""
    d = plan.design
    if d.r1 is None or d.n1 is None:
        return SingleStageDesign(r=d.r, n=d.n)
    return TwoStageDesign(r1=d.r1, n1=d.n1, r=d.r, n=d.n)


@makes("design", "design_oc")
def design(plan: Plan) -> list[pd.DataFrame]:
    """Numbers of the design in the plan, and its exact operating characteristics.

    1. `design`: planned and actual type I error and power; of a two-stage design also the probability
       of early termination and the expected sample size under p0.
    2. `design_oc`: the same probabilities for true response rates of 0 to 60 % in steps of 2 % (LEVEL
       is the rate in percent).
    """
    characteristics = of_plan(plan)
    d = plan.design
    stats: dict[str, ard.type_of_stat] = {
        "p0": d.p0, "p1": d.p1, "alpha_planned": d.alpha, "power_planned": 1 - d.beta, "r": d.r, "n": d.n,
        "alpha": float(characteristics.probability_of_rejection(d.p0)),
        "power": float(characteristics.probability_of_rejection(d.p1)),
    }  # fmt: skip
    if isinstance(characteristics, TwoStageDesign):
        stats |= {
            "r1": characteristics.r1,
            "n1": characteristics.n1,
            "probability_of_early_termination": float(
                characteristics.probability_of_early_termination(d.p0)
            ),
            "expected_n": float(characteristics.expected_n(d.p0)),
        }
    where = {"section": d.section, "population": "PRIMARY", "method": "Exact binomial"}
    parts = [ard.rows(stats, analysis="design", **where)]
    for percent in range(0, 61, 2):
        p = percent / 100
        curve: dict[str, ard.type_of_stat] = {
            "p": p,
            "probability_of_rejection": float(characteristics.probability_of_rejection(p)),
        }
        if isinstance(characteristics, TwoStageDesign):
            curve["probability_of_early_termination"] = float(
                characteristics.probability_of_early_termination(p)
            )
            curve["expected_n"] = float(characteristics.expected_n(np.float64(p)))
        parts.append(ard.rows(curve, analysis="design_oc", level=str(percent), **where))
    return parts


def rows(*, plan: Plan) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *design(plan),
    ]
