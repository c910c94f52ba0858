"""PSA response: the primary result, its confirmation rules, and the course of PSA."""

from collections.abc import Mapping
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from sap import ard
from sap.ard import NotEstimable
from sap.catalogue import decisions
from sap.methods.proportion import exact_test
from sap.methods.two_stage import TwoStageDesign, TwoStageInference, two_stage_inference
from sap.plan.entry import stated
from sap.plan.model import ENTRY_OF, Design, Plan
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


class Counts(NamedTuple):
    """What the decision of the design rests on: patients, responders, and stage 1 once it is complete."""

    n: int
    responders: int
    first: Stage1 | None

    @classmethod
    def of(cls, row: Mapping[str, int] | pd.Series, plan: Plan) -> Self:
        """The counts of one row of `stages`."""
        n1 = plan.design.n1
        complete = n1 is not None and row["n"] >= n1
        first = Stage1(int(row["responders_1"]), int(row["pending_1"])) if complete else None
        return cls(int(row["n"]), int(row["responders"]), first)


def stages(
    subjects: pd.DataFrame, adrs: pd.DataFrame, plan: Plan, trial: pd.Series | None = None
) -> pd.DataFrame:
    """Patients `n`, responders and pending of stage 1 (`n_1`, ...) and in total, of one trial or of many.

    Stage 1 is the first n1 patients by TRTSDT, ties by USUBJID; of a design with one stage it has none.
    `trial` gives the trial of each of the subjects, and the index of the rows; without it all are of one
    trial, in the row 0.
    """
    of = pd.Series(0, subjects.index) if trial is None else trial
    frame = pd.DataFrame(
        {
            "trial": of,
            "TRTSDT": subjects["TRTSDT"],
            "USUBJID": subjects["USUBJID"],
            "n": 1,
            "responders": (with_result(subjects, adrs, plan.primary_parameter)["AVALC"] == "Y"),
            "pending": (with_result(subjects, adrs, plan.pending_parameter)["AVALC"] == "Y"),
        }
    ).astype({"responders": int, "pending": int})
    frame = frame.sort_values(["trial", "TRTSDT", "USUBJID"], na_position="last")
    columns = ["n", "responders", "pending"]
    first = frame[frame.groupby("trial").cumcount() < (plan.design.n1 or 0)]
    index = pd.Index([0]) if trial is None else pd.Index(np.unique(of))
    parts = [
        part.groupby("trial")[columns].sum().reindex(index, fill_value=0) for part in (frame, first)
    ]
    return parts[0].join(parts[1].add_suffix("_1")).astype(int)


def stage_1(subjects: pd.DataFrame, adrs: pd.DataFrame, plan: Plan) -> Stage1 | None:
    """Stage 1 is the first n1 patients of `subjects` by TRTSDT, ties by USUBJID; None until n1 are there."""
    return Counts.of(stages(subjects, adrs, plan).iloc[0], plan).first


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
    """Two-stage inference of a set of subjects; see `end_of`."""
    return end_of(Counts.of(stages(subjects, adrs, plan).iloc[0], plan), plan, design)


def end_of(counts: Counts, plan: Plan, design: TwoStageDesign) -> Ended:
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
    p0, conf = plan.design.p0, plan.intervals.conf_level
    n, first = counts.n, counts.first
    if first is None:
        return Ended(None, decisions.STAGE_1_NOT_COMPLETE)
    if first.responders <= design.r1:
        if first.responders + first.pending > design.r1:
            return Ended(None, decisions.STAGE_1_NOT_DECIDED)
        stopped = two_stage_inference(design, first.responders, p0, conf)
        return Ended(stopped, over_run=n > design.n1)
    if n < design.n:
        return Ended(None, decisions.STAGE_2_NOT_COMPLETE)
    end = two_stage_inference(
        design, counts.responders, p0, conf, responders_stage1=first.responders, n_attained=n
    )
    return Ended(end)


EXACT = "Clopper-Pearson"
TWO_STAGE = "Equal-tailed exact interval after Jung and Kim 2004"
STAGE_1_ALONE = "the design stopped after stage 1; its interval is of stage 1 alone"


def primary_rate(
    subjects: pd.DataFrame, adrs: pd.DataFrame, plan: Plan
) -> tuple[dict[str, ard.type_of_stat], str]:
    """The primary result of a set of subjects: the response rate and its interval; see `primary_interval`."""
    results = of_first_screening(subjects, with_result(subjects, adrs, plan.primary_parameter))
    responders = int((results["AVALC"] == "Y").sum())
    counts = Counts.of(stages(subjects, adrs, plan).iloc[0], plan)
    return primary_interval(counts._replace(responders=responders), plan)


def primary_interval(counts: Counts, plan: Plan) -> tuple[dict[str, ard.type_of_stat], str]:
    """The primary result: the response rate and its confidence interval.

    The first case that applies to the interval:

    1. `primary_interval` is clopper-pearson: equal-tailed exact, as for a single stage.
    2. It is two-stage, and two-stage inference is not estimable (yet): no interval.
    3. It is two-stage, and patients were treated after a stop at stage 1: no interval; that of
       stage 1 alone is given with the two-stage inference.
    4. It is two-stage: equal-tailed exact over the outcomes of the design, ordered by the total
       number of responders (Jung and Kim 2004), which is also the order of the response rate.
    """
    stats = rate(counts.responders, counts.n, plan.intervals.conf_level)
    design = of_plan(plan)
    if plan.intervals.primary_interval == "clopper-pearson" or not isinstance(
        design, TwoStageDesign
    ):
        return stats, EXACT
    end = end_of(counts, plan, design)
    if end.inference is None or end.over_run:
        reason = NotEstimable(end.reason or STAGE_1_ALONE)
        return stats | {"conf_low": reason, "conf_high": reason}, TWO_STAGE
    return stats | {
        "conf_low": end.inference.conf_low,
        "conf_high": end.inference.conf_high,
    }, TWO_STAGE


def with_result(subjects: pd.DataFrame, adrs: pd.DataFrame, paramcd: str) -> pd.DataFrame:
    """The subjects with the result of a parameter (AVALC), NE where ADRS has none."""
    results = adrs[adrs["PARAMCD"] == paramcd].set_index("USUBJID")["AVALC"]
    return subjects.assign(AVALC=subjects["USUBJID"].map(results).fillna("NE"))


def analysed(subjects: pd.DataFrame, adrs: pd.DataFrame, plan: Plan, paramcd: str) -> pd.DataFrame:
    """The subjects in the denominator of a rate; all, but for the rate at a landmark.

    Of the rate at a landmark, patients who were not observed until it are left out where the plan says
    that they are excluded.
    """
    excluded = plan.rate_at is not None and plan.rate_at.not_observed == "excluded"
    if paramcd != "RATEAT" or not excluded:
        return subjects
    return subjects[with_result(subjects, adrs, paramcd)["AVALC"] != "NE"]


def primary_subjects(adsl: pd.DataFrame, adrs: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """The subjects of the primary set that are in the denominator of the primary endpoint."""
    return analysed(members(adsl, "PRIMARY"), adrs, plan, plan.primary_parameter)


def _section(analysis: str, plan: Plan) -> str:
    """The section of the SAP with the rule of a response."""
    entry = next(entry for name, entry in ENTRY_OF.items() if analysis.startswith(name))
    section: str = getattr(plan, entry).section
    return section


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
    even one that has the planned n, have neither. p0 goes with the endpoint that the design tests.
    """
    subjects = analysed(members(adsl, population), adrs, plan, paramcd)
    results = of_first_screening(subjects, with_result(subjects, adrs, paramcd))
    responders, n = int((results["AVALC"] == "Y").sum()), len(results)
    stats = rate(responders, n, plan.intervals.conf_level)
    stats["n_missing"] = int((results["AVALC"] == "NE").sum())
    if analysis.startswith(plan.primary.endpoint):
        stats["p0"] = plan.design.p0
    method = EXACT
    if population == "PRIMARY" and analysis == plan.primary.endpoint:
        primary, method = primary_rate(subjects, adrs, plan)
        stats |= primary
        stats["p_value"] = (
            exact_test(responders, n, plan.design.p0, "greater") if n else REASON_NO_PATIENT
        )
        stats["decision"] = decision(plan.design, responders, n, stage_1(subjects, adrs, plan))
        method += "; exact binomial test, one-sided"
    return ard.rows(
        stats,
        analysis=analysis,
        section=_section(analysis, plan),
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
        for days in stated(plan.psa_response).sensitivity_confirm_days
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

    Of all, and by the marker status at the first screening (LEVEL, MARKBL).
    """
    treated = members(adsl, "RESCREENED")
    treated = treated[treated["RESCTRFL"] == "Y"]
    parts = []
    for paramcd in ("PSARESP", "PSARESPU"):
        of_all = with_result(treated, adrs, paramcd)
        levels = {"": of_all}
        levels |= {level: of_all[of_all["MARKBL"] == state] for state, level in STATES.items()}
        for level, results in levels.items():
            responders = int((results["AVALC"] == "Y").sum())
            stats = rate(responders, len(results), plan.intervals.conf_level)
            stats["n_missing"] = int((results["AVALC"] == "NE").sum())
            parts.append(
                ard.rows(
                    stats,
                    analysis="rescreen_response",
                    section=stated(plan.psa_response).section,
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
                    section=stated(plan.psa_course).section,
                    population=population,
                    paramcd=paramcd,
                    method="Descriptive",
                )
            )
            parts += [
                ard.rows(
                    rate(int((values <= -depth).sum()), len(subjects), plan.intervals.conf_level),
                    analysis="psa_change",
                    section=stated(plan.psa_course).section,
                    population=population,
                    paramcd=paramcd,
                    level=f"decline_{depth:g}",
                    method=EXACT,
                )
                for depth in stated(plan.psa_course).depths_pct
            ]
    return parts


def rows(*, adsl: pd.DataFrame, adrs: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *psa_response(adsl, adrs, plan),
        *rescreen_response(adsl, adrs, plan),
        *psa_change(adsl, adrs, plan),
    ]
