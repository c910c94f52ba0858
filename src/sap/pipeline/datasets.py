"""The ADaM datasets and the order in which they are derived; no rule of the plan is in this module."""

import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from sap.catalogue.adam import datasets, param
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
    progression,
    response,
    safety,
    samples,
    standard,
    survival,
    tumour,
    vitals,
)
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

    def by_name(self) -> dict[str, pd.DataFrame]:
        """The datasets by their name in lower case, in the order above."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


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
    sdtm = standard.standard(tables, plan)
    adsl_core = population.adsl(sdtm, plan)
    adex = finished(exposure.adex(sdtm, adsl_core, plan.exposure), "ADEX", plan)
    treatments = courses.courses(sdtm, adsl_core)
    study = treatments[treatments["COURSE"] == "STUDY"]
    choice = treatments[treatments["COURSE"] == "CHOICE"]

    report_progress("PSA")
    adpsa = finished(response.adpsa(sdtm, adsl_core, plan.psa_response), "ADPSA", plan)
    psa_of_choice = courses.choice_psa(sdtm, choice, plan.psa_response)
    rs_psa = response.adrs(adsl_core, adpsa, plan.psa_response, plan.psa_course)
    rs_estimand = estimand.estimand(sdtm, adsl_core, adpsa, rs_psa, plan.psa_response)
    rs_progression = stacked(
        progression.psa_progression(study, adpsa, plan.psa_progression, paramcd="PSAPROG"),
        progression.psa_progression(
            choice, psa_of_choice, plan.psa_progression, paramcd="PSAPROGA"
        ),
        courses.choice_response(choice, psa_of_choice, plan.psa_response),
    )
    rs_pending = interim.pending(sdtm, adsl_core, rs_psa, plan.psa_response, cut_off)
    rs_comparison = response.comparison_response(
        adsl_core, adpsa, plan.psa_response, plan.comparison.rule
    )

    report_progress("CTC and tumour assessments")
    adctc = finished(ctc.adctc(sdtm, adsl_core, plan.ctc), "ADCTC", plan)
    rs_ctc = ctc.ctc_response(adsl_core, adctc, plan.ctc)
    assessments = tumour.time_points(sdtm, treatments, plan.tumour, plan.bone)
    adtr = finished(tumour.adtr(assessments), "ADTR", plan)
    rs_tumour = tumour.tumour_responses(sdtm, treatments, assessments, plan.tumour)
    adrs = finished(
        stacked(rs_psa, rs_ctc, rs_estimand, rs_progression, rs_tumour, rs_pending, rs_comparison),
        "ADRS",
        plan,
    )

    report_progress("adverse events, laboratory and concentrations")
    adae = finished(safety.adae(sdtm, adsl_core, plan.safety, plan.deaths), "ADAE", plan)
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

    report_progress("the other datasets")
    addv = finished(disposition.addv(sdtm, adsl), "ADDV", plan)
    adlb = labs.adlb(sdtm, adsl, plan.labs, plan.safety)
    adbl = baseline.adbl(sdtm, adsl, adpsa, adrs, plan)
    adexsum = exposure.adexsum(sdtm, adsl, adex, plan.exposure)
    adbe = samples.adbe(sdtm, adsl, adex, treatments, plan, cut_off)
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
        adbe=finished(adbe, "ADBE", plan),
        adie=finished(disposition.adie(sdtm, adsl), "ADIE", plan),
        admh=finished(history.admh(sdtm, adsl), "ADMH", plan),
        advs=finished(vitals.advs(sdtm, adsl, plan.safety), "ADVS", plan),
    )
