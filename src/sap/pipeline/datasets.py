"""The ADaM datasets and the order in which they are derived; no rule of the plan is in this module."""

import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from sap.catalogue.adam import ENTRY_OF, datasets, param
from sap.derivations import (
    baseline,
    courses,
    ctc,
    data_timeliness,
    disposition,
    estimand,
    exposure,
    history,
    interim,
    labs,
    pk,
    population,
    primary,
    progression,
    response,
    safety,
    samples,
    standard,
    survival,
    tumour,
    vitals,
)
from sap.plan.entry import stated
from sap.plan.model import Plan

Tables = Mapping[str, pd.DataFrame]
Report = Callable[[str], None]


@dataclass(frozen=True)
class Datasets:
    """Every ADaM dataset, each in the order of its keys."""

    adsl: pd.DataFrame
    adpsa: pd.DataFrame
    adctc: pd.DataFrame
    adtr: pd.DataFrame
    adrs: pd.DataFrame
    adtte: pd.DataFrame
    adae: pd.DataFrame
    addv: pd.DataFrame
    adexcl: pd.DataFrame
    adcm: pd.DataFrame
    adbl: pd.DataFrame
    adcur: pd.DataFrame
    adex: pd.DataFrame
    adlb: pd.DataFrame
    adexsum: pd.DataFrame
    adpc: pd.DataFrame
    adpp: pd.DataFrame
    adbe: pd.DataFrame
    adie: pd.DataFrame
    admh: pd.DataFrame
    advs: pd.DataFrame
    left_out: frozenset[str] = frozenset()

    def by_name(self) -> dict[str, pd.DataFrame]:
        """The datasets of the plan by their name in lower case, in the order above."""
        names = [field.name for field in dataclasses.fields(self) if field.name != "left_out"]
        return {name: getattr(self, name) for name in names if name not in self.left_out}


def silent(_: str) -> None:
    """Report no progress."""


def stacked(*parts: pd.DataFrame) -> pd.DataFrame:
    """Datasets one below the other; an empty one adds its columns and no row."""
    columns = list(dict.fromkeys(name for part in parts for name in part.columns))
    filled = [part for part in parts if len(part)] or parts[:1]
    return pd.concat(filled, ignore_index=True).reindex(columns=columns)


def finished(frame: pd.DataFrame, name: str, plan: Plan) -> pd.DataFrame:
    """A dataset in the order of its keys, with PARAM after PARAMCD, both as the catalogue has them."""
    frame = frame.sort_values(list(datasets()[name].keys), kind="stable", ignore_index=True)
    if "PARAMCD" not in frame or "PARAM" in frame:
        return frame
    labels = {code: param(name, code, plan) for code in frame["PARAMCD"].unique()}
    place = list(frame.columns).index("PARAMCD") + 1
    frame.insert(place, "PARAM", frame["PARAMCD"].map(labels).astype(object))
    return frame


def derive(
    tables: Tables, plan: Plan, cut_off: dt.date, report_progress: Report = silent
) -> Datasets:
    """Derive all datasets from the tables of a cut.

    Parameters
    ----------
    tables
        SDTM domains by name in lower case, as frozen.
    plan, cut_off
        The statistical analysis plan, and the date of the data cut-off.
    report_progress
        Called with the name of each part before it begins.
    """
    report_progress("subjects and doses")
    sdtm = population.with_interval_ends(standard.standard(tables, plan), plan, cut_off)
    adsl_core = population.adsl(sdtm, plan)
    adex = finished(exposure.adex(sdtm, adsl_core, plan.exposure), "ADEX", plan)
    treatments = courses.courses(sdtm, adsl_core, plan.exposure.drugs[0])

    study = treatments[treatments["COURSE"] == "STUDY"]
    choice = treatments[treatments["COURSE"] == "CHOICE"]

    report_progress("PSA")
    adpsa = psa_of_choice = _nothing("ADPSA")
    rs_psa = rs_estimand = rs_progression = rs_pending = rs_comparison = _nothing("ADRS")
    if plan.psa_response is not None:
        adpsa = finished(response.adpsa(sdtm, adsl_core, plan.psa_response), "ADPSA", plan)
        psa_of_choice = courses.choice_psa(sdtm, choice, plan.psa_response)
        rs_psa = response.adrs(adsl_core, adpsa, plan.psa_response, stated(plan.psa_course))
        rs_estimand = estimand.estimand(sdtm, adsl_core, adpsa, rs_psa, plan.psa_response)
        rs_progression = courses.choice_response(choice, psa_of_choice, plan.psa_response)
        rs_pending = interim.pending(sdtm, adsl_core, rs_psa, plan.psa_response, cut_off)
        published = plan.comparison.rule if plan.comparison else None
        rs_comparison = response.comparison_response(adsl_core, adpsa, plan.psa_response, published)
    if plan.psa_progression is not None:
        rule = plan.psa_progression
        rs_progression = stacked(
            progression.psa_progression(study, adpsa, rule, paramcd="PSAPROG"),
            progression.psa_progression(choice, psa_of_choice, rule, paramcd="PSAPROGA"),
            rs_progression,
        )

    report_progress("CTC and tumour assessments")
    adctc, rs_ctc = _nothing("ADCTC"), _nothing("ADRS")
    if plan.ctc is not None:
        test = plan.biomarker.test if plan.biomarker else None
        adctc = finished(ctc.adctc(sdtm, adsl_core, plan.ctc, plan.biomarker), "ADCTC", plan)
        rs_ctc = ctc.ctc_response(adsl_core, adctc, plan.ctc, test)
    assessments = tumour.time_points(sdtm, treatments, plan.tumour, plan.bone)
    adtr = finished(tumour.adtr(assessments), "ADTR", plan)
    rs_tumour = tumour.tumour_responses(sdtm, treatments, assessments, plan.tumour)
    read = primary.readings_of_plan(sdtm, treatments, assessments, plan)
    rs_objective = primary.objective_responses(treatments, read, plan)
    adrs = stacked(
        rs_psa, rs_ctc, rs_estimand, rs_progression, rs_tumour, rs_objective, rs_pending,
        rs_comparison,
    )  # fmt: skip

    report_progress("adverse events, laboratory and concentrations")
    adae = finished(safety.adae(sdtm, adsl_core, plan.safety, plan.deaths), "ADAE", plan)
    adpc, adpp = _nothing("ADPC"), _nothing("ADPP")
    if plan.pk is not None:
        adpc = finished(pk.adpc(sdtm, adsl_core, adex, plan.pk), "ADPC", plan)
        adpp = finished(pk.adpp(adpc, plan.pk), "ADPP", plan)

    report_progress("analysis sets and times to events")
    ctc_on_treatment = adctc[adctc["ANL01FL"] == "Y"]
    with_sets = population.analysis_sets(adsl_core, adrs, ctc_on_treatment, sdtm, plan, adpc)
    with_status = survival.with_baseline_status(with_sets, sdtm.get("rs"), plan.baseline)
    adsl = finished(safety.with_deaths(with_status, adae, plan.safety, plan.deaths), "ADSL", plan)
    psa_by_course = {"STUDY": adpsa, "CHOICE": psa_of_choice}
    sources = survival.sources(sdtm, adsl, treatments, assessments, psa_by_course, adrs, plan)
    adtte = finished(
        stacked(survival.adtte(adsl, plan.survival), survival.progression_times(sources, plan)),
        "ADTTE",
        plan,
    )

    adrs = stacked(adrs, primary.rate_at(adsl, adtte, plan))
    if plan.primary.endpoint == "rate_at":
        rs_open = primary.pending_landmark(adsl, adrs, adtte, plan, cut_off)
    else:
        rs_open = primary.pending_response(adsl, treatments, adrs, read.main, plan)
    adrs = stacked(adrs, rs_open)
    adrs = finished(adrs, "ADRS", plan)

    report_progress("the other datasets")
    addv = finished(disposition.addv(sdtm, adsl), "ADDV", plan)
    adlb = labs.adlb(sdtm, adsl, plan.labs, plan.safety)
    adbl = baseline.adbl(sdtm, adsl, adpsa, adrs, plan)
    adexsum = exposure.adexsum(sdtm, adsl, adex, plan.exposure)
    adbe = _nothing("ADBE")
    if plan.samples is not None:
        adbe = finished(samples.adbe(sdtm, adsl, adex, treatments, plan, cut_off), "ADBE", plan)
    return Datasets(
        adsl=adsl,
        adpsa=adpsa,
        adctc=adctc,
        adtr=adtr,
        adrs=adrs,
        adtte=adtte,
        adae=adae,
        addv=addv,
        adexcl=finished(disposition.adexcl(adsl, addv, plan), "ADEXCL", plan),
        adcm=finished(disposition.adcm(sdtm, adsl, plan), "ADCM", plan),
        adbl=finished(adbl, "ADBL", plan),
        adcur=finished(data_timeliness.adcur(sdtm, adsl, plan, cut_off), "ADCUR", plan),
        adex=adex,
        adlb=finished(adlb, "ADLB", plan),
        adexsum=finished(adexsum, "ADEXSUM", plan),
        adpc=adpc,
        adpp=adpp,
        adbe=adbe,
        adie=finished(disposition.adie(sdtm, adsl), "ADIE", plan),
        admh=finished(history.admh(sdtm, adsl), "ADMH", plan),
        advs=finished(vitals.advs(sdtm, adsl, plan.safety), "ADVS", plan),
        left_out=frozenset(
            name.lower() for name, entry in ENTRY_OF.items() if getattr(plan, entry) is None
        ),
    )


class Deciding(NamedTuple):
    """What the decision about a PSA response rate and the boundary for toxicity rest on."""

    adsl: pd.DataFrame
    adrs: pd.DataFrame
    adae: pd.DataFrame


def derive_deciding(tables: Tables, plan: Plan, cut_off: dt.date) -> Deciding:
    """The part of `derive` from which the decision of a plan with the endpoint psa_response follows.

    The same derivations in the same order, of ADSL, PSARESP, PSARESPU, PSAPEND and ADAE alone. Every rule
    of them is of one subject at a time, so that the tables of many trials with distinct USUBJID are derived
    at once.
    """
    rule = stated(plan.psa_response)
    sdtm = population.with_interval_ends(standard.standard(tables, plan), plan, cut_off)
    adsl = population.adsl(sdtm, plan)
    adpsa = finished(response.adpsa(sdtm, adsl, rule), "ADPSA", plan)
    responses = response.deciding_response(adsl, adpsa, rule)
    pending = interim.pending(sdtm, adsl, responses, rule, cut_off)
    adae = safety.adae(sdtm, adsl, plan.safety, plan.deaths)
    return Deciding(adsl, stacked(responses, pending), adae)


def _nothing(name: str) -> pd.DataFrame:
    """A dataset without records."""
    return pd.DataFrame(columns=list(datasets()[name].columns))
