"""PSA response: the primary result, its confirmation rules, and the course of PSA."""

from typing import NamedTuple

import pandas as pd

from sap import ard
from sap.ard import NotEstimable
from sap.catalogue import decisions
from sap.methods.proportion import exact_test
from sap.methods.two_stage import TwoStageDesign, TwoStageInference, two_stage_inference
from sap.plan.model import Design, Plan
from sap.results.design import of_plan
from sap.results.provenance import makes
from sap.results.rates import REASON_NO_PATIENT, rate, summary
from sap.results.rescreening import STATES
from sap.results.sets import available, members, treated_of

POPULATIONS = ("PRIMARY", "MARKERPOS", "PSAEVAL", "PERPROT", "CTCEVAL")


class Stage1(NamedTuple):
    """The first stage of a two-stage design as treated: responders, and patients still pending."""

    responders: int
    pending: int


def stage_1(subjects: pd.DataFrame, adrs: pd.DataFrame, design: Design) -> Stage1 | None:
    """Stage 1 is the first n1 patients of `subjects` by TRTSDT, ties by USUBJID; None until n1 are there."""
    if design.n1 is None or len(subjects) < design.n1:
        return None
    ordered = subjects.sort_values(["TRTSDT", "USUBJID"], na_position="last").iloc[: design.n1]

    def count(paramcd: str) -> int:
        return int((_responders(ordered, adrs, paramcd)["AVALC"] == "Y").sum())

    return Stage1(count("PSARESP"), count("PSAPEND"))


def decision(design: Design, responders: int, n: int, first: Stage1 | None = None) -> str:
    """The decision of the design about H0, with `responders` of `n` patients; the first case that applies.

    1. Stage 1 is complete, and at most r1 of it responded, pending patients counted as responders:
       the design stopped there and H0 is not rejected, whatever the response of patients treated later.
    2. Stage 1 is complete, and its pending patients decide whether more than r1 responded.
    3. n is the planned n: H0 is rejected when responders > r, else not rejected.
    4. n is below it: no decision yet, whatever the number of responders.
    5. n is above it (over-running): the planned rule does not apply; the exact p is reported.
    """
    if first is not None and design.r1 is not None and first.responders <= design.r1:
        if first.responders + first.pending <= design.r1:
            return decisions.STOPPED_STAGE_1
        return decisions.STAGE_1_PENDING
    if n == design.n:
        return decisions.REJECTED if responders > design.r else decisions.NOT_REJECTED
    return decisions.FEWER_THAN_PLANNED if n < design.n else decisions.MORE_THAN_PLANNED


class Ended(NamedTuple):
    """Two-stage inference on the primary set, or the reason why it is not estimable (yet)."""

    inference: TwoStageInference | None
    reason: str = ""
    over_run: bool = False


def ended(subjects: pd.DataFrame, adrs: pd.DataFrame, plan: Plan, design: TwoStageDesign) -> Ended:
    """Two-stage inference: the stage reached and the patients analysed.

    Stage 1 is the first `design.n1` patients of the primary set by first dose (ties: USUBJID). The
    first case that applies:

    1. Fewer patients: stage 1 is not complete; not estimable.
    2. At most `design.r1` of stage 1 responded, and more could with pending responses
       included: stage 1 is not decided; not estimable yet.
    3. At most `design.r1` of stage 1 responded: the design stopped, and stage 1 alone is analysed.
       Patients treated after the stop are over-running, which the design cannot produce.
    4. Fewer than `design.n` patients in total: stage 2 is not complete; not estimable yet.
    5. `design.n` patients: the end as planned. More: over-running of stage 2 (Koyama and Chen 2008).
    """
    ordered = subjects.sort_values(["TRTSDT", "USUBJID"], na_position="last")
    yes = (_responders(ordered, adrs, "PSARESP")["AVALC"] == "Y").to_numpy()
    n, x1, x = len(yes), int(yes[: design.n1].sum()), int(yes.sum())
    p0, conf = plan.design.p0, plan.intervals.conf_level
    first = stage_1(subjects, adrs, plan.design)
    if first is None:
        return Ended(None, decisions.STAGE_1_NOT_COMPLETE)
    if x1 <= design.r1:
        if x1 + first.pending > design.r1:
            return Ended(None, decisions.STAGE_1_NOT_DECIDED)
        stopped = two_stage_inference(design, x1, p0, conf)
        return Ended(stopped, over_run=n > design.n1)
    if n < design.n:
        return Ended(None, decisions.STAGE_2_NOT_COMPLETE)
    end = two_stage_inference(design, x, p0, conf, responders_stage1=x1, n_attained=n)
    return Ended(end)


EXACT = "Clopper-Pearson"
TWO_STAGE = "Equal-tailed exact interval after Jung and Kim 2004"
STAGE_1_ALONE = "the design stopped after stage 1; its interval is of stage 1 alone"


def primary_rate(
    subjects: pd.DataFrame, adrs: pd.DataFrame, plan: Plan
) -> tuple[dict[str, ard.type_of_stat], str]:
    """The primary result: the response rate and its confidence interval.

    The first case that applies to the interval:

    1. `primary_interval` is clopper-pearson: equal-tailed exact, as for a single stage.
    2. It is two-stage, and two-stage inference is not estimable (yet): no interval.
    3. It is two-stage, and patients were treated after a stop at stage 1: no interval; that of
       stage 1 alone is given with the two-stage inference.
    4. It is two-stage: equal-tailed exact over the outcomes of the design, ordered by the total
       number of responders (Jung and Kim 2004), which is also the order of the response rate.
    """
    results = of_first_screening(subjects, _responders(subjects, adrs, "PSARESP"))
    responders = int((results["AVALC"] == "Y").sum())
    stats = rate(responders, len(results), plan.intervals.conf_level)
    design = of_plan(plan)
    if plan.intervals.primary_interval == "clopper-pearson" or not isinstance(
        design, TwoStageDesign
    ):
        return stats, EXACT
    end = ended(subjects, adrs, plan, design)
    if end.inference is None or end.over_run:
        reason = NotEstimable(end.reason or STAGE_1_ALONE)
        return stats | {"conf_low": reason, "conf_high": reason}, TWO_STAGE
    return stats | {
        "conf_low": end.inference.conf_low,
        "conf_high": end.inference.conf_high,
    }, TWO_STAGE


def _responders(subjects: pd.DataFrame, adrs: pd.DataFrame, paramcd: str) -> pd.DataFrame:
    """The subjects with the result of a parameter (AVALC), NE where ADRS has none."""
    results = adrs[adrs["PARAMCD"] == paramcd].set_index("USUBJID")["AVALC"]
    return subjects.assign(AVALC=subjects["USUBJID"].map(results).fillna("NE"))


def of_first_screening(subjects: pd.DataFrame, results: pd.DataFrame) -> pd.DataFrame:
    """The results, with NE for the subjects who were treated through re-screening."""
    rescreened = subjects["RESCTRFL"] == "Y"
    return results.assign(AVALC=results["AVALC"].mask(rescreened, "NE"))


def response_rate(
    adsl: pd.DataFrame,
    adrs: pd.DataFrame,
    plan: Plan,
    *,
    population: str,
    paramcd: str,
    analysis: str,
) -> pd.DataFrame:
    """Responders, denominator and exact interval; of the primary analysis alone, p and the decision.

    The denominator is the population of ADSL; NE, and a patient without any result, is no response.
    `n_missing` counts those NE. A response after re-screening is part of no set of the first
    screening: the result is NE there, and is reported in `rescreen_response`. The one-sided exact p
    against p0 and the decision of the design, stage 1 included, are part of the primary analysis of
    PRIMARY alone, with the interval of `primary_rate`; another rule of confirmation and another set,
    even one that has the planned n, have neither.
    """
    subjects = members(adsl, population)
    results = of_first_screening(subjects, _responders(subjects, adrs, paramcd))
    responders, n = int((results["AVALC"] == "Y").sum()), len(results)
    stats = rate(responders, n, plan.intervals.conf_level)
    stats["n_missing"] = int((results["AVALC"] == "NE").sum())
    stats["p0"] = plan.design.p0
    method = EXACT
    if population == "PRIMARY" and analysis == "psa_response":
        primary, method = primary_rate(subjects, adrs, plan)
        stats |= primary
        stats["p_value"] = (
            exact_test(responders, n, plan.design.p0, "greater") if n else REASON_NO_PATIENT
        )
        stats["decision"] = decision(
            plan.design, responders, n, stage_1(subjects, adrs, plan.design)
        )
        method += "; exact binomial test, one-sided"
    return ard.rows(
        stats,
        analysis=analysis,
        section=plan.psa_response.section,
        population=population,
        paramcd=paramcd,
        method=method,
    )


@makes("psa_response", "psa_response_{days}d", "psa_response_unconfirmed")
def psa_response(adsl: pd.DataFrame, adrs: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """The primary result in every set, and the rates by other rules of confirmation."""
    variants = {"psa_response": "PSARESP", "psa_response_unconfirmed": "PSARESPU"}
    variants |= {
        f"psa_response_{days}d": f"PSARSP{days}"
        for days in plan.psa_response.sensitivity_confirm_days
    }
    return [
        response_rate(adsl, adrs, plan, population=population, paramcd=paramcd, analysis=analysis)
        for analysis, paramcd in variants.items()
        for population in POPULATIONS
        if available(adsl, population)
    ]


@makes("rescreen_response")
def rescreen_response(adsl: pd.DataFrame, adrs: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """PSA response of patients treated through re-screening, who are in no other denominator.

    Of all, and by the marker status at the first screening (LEVEL, ARV7BL).
    """
    treated = members(adsl, "RESCREENED")
    treated = treated[treated["RESCTRFL"] == "Y"]
    parts = []
    for paramcd in ("PSARESP", "PSARESPU"):
        of_all = _responders(treated, adrs, paramcd)
        levels = {"": of_all}
        levels |= {level: of_all[of_all["ARV7BL"] == state] for state, level in STATES.items()}
        for level, results in levels.items():
            responders = int((results["AVALC"] == "Y").sum())
            stats = rate(responders, len(results), plan.intervals.conf_level)
            stats["n_missing"] = int((results["AVALC"] == "NE").sum())
            parts.append(
                ard.rows(
                    stats,
                    analysis="rescreen_response",
                    section=plan.psa_response.section,
                    population="RESCREENED",
                    paramcd=paramcd,
                    level=level,
                    method=EXACT,
                )
            )
    return parts


@makes("psa_change")
def psa_change(adsl: pd.DataFrame, adrs: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Best change and change at week 12, and how many declined by each percentage of the plan."""
    parts = []
    for population in ("PRIMARY", "RESCREENED"):
        subjects = treated_of(adsl, population)
        for paramcd in ("PSABEST", "PSAWK12"):
            values = subjects["USUBJID"].map(
                adrs[adrs["PARAMCD"] == paramcd].set_index("USUBJID")["AVAL"]
            )
            parts.append(
                ard.rows(
                    {"N": len(subjects)} | summary(values),
                    analysis="psa_change",
                    section=plan.psa_course.section,
                    population=population,
                    paramcd=paramcd,
                    method="Descriptive",
                )
            )
            parts += [
                ard.rows(
                    rate(int((values <= -depth).sum()), len(subjects), plan.intervals.conf_level),
                    analysis="psa_change",
                    section=plan.psa_course.section,
                    population=population,
                    paramcd=paramcd,
                    level=f"decline_{depth:g}",
                    method=EXACT,
                )
                for depth in plan.psa_course.depths_pct
            ]
    return parts


def rows(*, adsl: pd.DataFrame, adrs: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *psa_response(adsl, adrs, plan),
        *rescreen_response(adsl, adrs, plan),
        *psa_change(adsl, adrs, plan),
    ]
