"""From the trials of each case to rows of an ARD: probabilities, expectations, bias, coverage."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from sap import ard
from sap.ard import NotEstimable
from sap.oc.decision import FUTILITY, NOT_REJECTED, REJECTED, TOXICITY
from sap.oc.scenarios import Case
from sap.plan.model import Plan
from sap.results.design import of_plan
from sap.simulate.many import DAYS_PER_MONTH

METHOD = "Simulated trials, decided by the derivations and results of the report"
EXACT = "Exact binomial"
NONE = NotEstimable("no trial has such an estimate")
NO_ERROR = NotEstimable("a single trial has no Monte Carlo error of a mean")

Stats = dict[str, ard.type_of_stat]


def _mean(name: str, values: pd.Series) -> Stats:
    """A mean over the trials, with its Monte Carlo error; trials without a value are left out."""
    known = values.dropna().to_numpy(dtype=float)
    if not known.size:
        return {name: NONE, f"{name}_mc_error": NONE}
    mean = float(known.mean())
    if known.size == 1:
        return {name: mean, f"{name}_mc_error": NO_ERROR}
    return {name: mean, f"{name}_mc_error": float(known.std(ddof=1) / np.sqrt(known.size))}


def _share(name: str, flags: pd.Series) -> Stats:
    """A probability, with its Monte Carlo error sqrt(p (1 - p) / trials)."""
    p = float(flags.mean())
    return {name: p, f"{name}_mc_error": float(np.sqrt(p * (1 - p) / len(flags)))}


def _ratio(name: str, part: pd.Series, of: pd.Series) -> Stats:
    """A ratio of sums over the trials, with its error by the delta method (Cochran 1977, section 6.4)."""
    total = float(of.sum())
    if total == 0:
        return {name: NONE, f"{name}_mc_error": NONE}
    ratio = float(part.sum()) / total
    error = float(np.sqrt(((part - ratio * of) ** 2).sum())) / total
    return {name: ratio, f"{name}_mc_error": error}


def rows(case: Case, trials: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """The rows of one case: LEVEL is the scenario, SUBLEVEL the values of its grid.

    `oc_decision`: the probabilities of the four outcomes, which exclude one another, the expected numbers, and
    the probability that the decision is another than that of the binomial model on the true responses.
    `oc_estimates`: bias and coverage against `true_rate`, the true response rate of patients positive in truth,
    and the confirmed rate against the true rate of the treated patients. `oc_model`: the exact binomial
    characteristics of the design at `true_rate`.
    """
    true_rate = case.given.response.positive
    rejected = trials["outcome"] == REJECTED
    where = {
        "section": plan.design.section,
        "population": "PRIMARY",
        "level": case.scenario,
        "sublevel": case.cell,
    }
    decision: Stats = {"N": len(trials), "true_rate": true_rate}
    for name, outcome in (
        ("probability_of_rejection", REJECTED),
        ("probability_of_no_rejection", NOT_REJECTED),
        ("probability_of_stopping_futility", FUTILITY),
        ("probability_of_stopping_toxicity", TOXICITY),
    ):
        decision |= _share(name, trials["outcome"] == outcome)
    decision |= _share("probability_of_another_decision", rejected != trials["model_rejects"])
    decision |= _mean("expected_screened", trials["screened"])
    decision |= _mean("expected_n", trials["treated"])
    decision |= _mean("expected_months", trials["days"] / DAYS_PER_MONTH)
    decision |= _mean("expected_looks", trials["looks"])
    covered = (trials["conf_low"] <= true_rate) & (true_rate <= trials["conf_high"])
    estimates: Stats = {
        "N": len(trials),
        "true_rate": true_rate,
        "n_intervals": int(trials["conf_low"].notna().sum()),
        "n_umvue": int(trials["umvue"].notna().sum()),
    }
    for name, column in (("bias", "estimate"), ("bias_mle", "mle"), ("bias_umvue", "umvue")):
        estimates |= _mean(name, trials[column] - true_rate)
    known = covered[trials["conf_low"].notna()]
    estimates |= (
        _share("coverage", known) if len(known) else {"coverage": NONE, "coverage_mc_error": NONE}
    )
    estimates |= _ratio("confirmed_rate", trials["responders"], trials["treated"])
    estimates |= _ratio("true_rate_of_treated", trials["true_responders"], trials["treated"])
    estimates |= _ratio("confirmed_per_true", trials["responders"], trials["true_responders"])
    estimates |= _ratio("toxicity_rate", trials["toxicities"], trials["treated"])
    return ard.bind(
        [
            ard.rows(decision, analysis="oc_decision", method=METHOD, **where),
            ard.rows(estimates, analysis="oc_estimates", method=METHOD, **where),
            ard.rows(_model(plan, true_rate), analysis="oc_model", method=EXACT, **where),
        ]
    )


def _model(plan: Plan, rate: float) -> Stats:
    design = of_plan(plan)
    stats: Stats = {"probability_of_rejection": float(design.probability_of_rejection(rate))}
    early = getattr(design, "probability_of_early_termination", None)
    if early is not None:
        stats["probability_of_stopping_futility"] = float(early(rate))
        stats["expected_n"] = float(getattr(design, "expected_n")(rate))  # noqa: B009
    return stats


def all_rows(parts: Iterable[tuple[Case, pd.DataFrame]], plan: Plan) -> pd.DataFrame:
    """The ARD of a run, in the order of its cases."""
    return ard.bind([rows(case, trials, plan) for case, trials in parts])
