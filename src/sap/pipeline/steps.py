"""Every step from frozen tables to the ARD, in order; no rule of the plan stands here."""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import NamedTuple

import pandas as pd

from sap import ard
from sap.derivations import (
    baseline,
    courses,
    ctc,
    data_timeliness,
    disposition,
    estimand,
    exposure,
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
)
from sap.plan import project_home
from sap.plan.model import Plan
from sap.plan.references import read_references
from sap.results import accrual, comparison, dsmb, rescreening, sets, survival_comparison
from sap.results import baseline as baseline_results
from sap.results import ctc as ctc_results
from sap.results import data_timeliness as currency_results
from sap.results import design as design_results
from sap.results import disposition as disposition_results
from sap.results import estimand as estimand_results
from sap.results import exposure as exposure_results
from sap.results import exposure_response as exposure_response_results
from sap.results import interim as interim_results
from sap.results import labs as lab_results
from sap.results import pk as pk_results
from sap.results import progression as progression_results
from sap.results import response as response_results
from sap.results import safety as safety_results
from sap.results import samples as sample_results
from sap.results import screening as screening_results
from sap.results import survival as survival_results
from sap.results import tumour as tumour_results

Tables = Mapping[str, pd.DataFrame]


class Step(NamedTuple):
    """One step: its name, what it reads, what it does, and whether patients can be seen in it."""

    name: str
    reads: tuple[str, ...]
    makes: Callable[..., pd.DataFrame | list[pd.DataFrame]]
    patient_level: bool


def _stacked(*parts: pd.DataFrame) -> pd.DataFrame:
    """Datasets under one another; an empty one adds its columns and no row."""
    columns = list(dict.fromkeys(name for part in parts for name in part.columns))
    some = [part for part in parts if len(part)] or parts[:1]
    return pd.concat(some, ignore_index=True).reindex(columns=columns)


def _choice_psa(tables: Tables, all_courses: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    choices = all_courses[all_courses["COURSE"] == "CHOICE"]
    return courses.choice_psa(tables, choices, plan.psa_response)


def _psa_progression(
    all_courses: pd.DataFrame, adpsa: pd.DataFrame, adpsa_choice: pd.DataFrame, plan: Plan
) -> pd.DataFrame:
    """PSA progression of every course, and the PSA response of the physician's choice."""
    rule = plan.psa_progression
    study = all_courses[all_courses["COURSE"] == "STUDY"]
    choices = all_courses[all_courses["COURSE"] == "CHOICE"]
    return _stacked(
        progression.psa_progression(study, adpsa, rule, paramcd="PSAPROG"),
        progression.psa_progression(choices, adpsa_choice, rule, paramcd="PSAPROGA"),
        courses.choice_response(choices, adpsa_choice, plan.psa_response),
    )


def _times(  # noqa: PLR0913 - every dataset that can hold an event
    tables: Tables,
    adsl: pd.DataFrame,
    all_courses: pd.DataFrame,
    points: pd.DataFrame,
    adpsa: pd.DataFrame,
    adpsa_choice: pd.DataFrame,
    adrs: pd.DataFrame,
    plan: Plan,
) -> pd.DataFrame:
    """Overall survival and every time to progression."""
    psa = {"STUDY": adpsa, "CHOICE": adpsa_choice}
    made_of = survival.sources(tables, adsl, all_courses, points, psa, adrs, plan)
    return _stacked(survival.adtte(adsl, plan.survival), survival.progression_times(made_of, plan))


def _adsl(
    core: pd.DataFrame,
    adrs: pd.DataFrame,
    adctc: pd.DataFrame,
    adae: pd.DataFrame,
    adpc: pd.DataFrame,
    tables: Tables,
    plan: Plan,
) -> pd.DataFrame:
    """ADSL with the flags that need measurements, performance status, and what patients died of."""
    on_treatment = adctc[adctc["ANL01FL"] == "Y"]
    adsl = population.analysis_sets(core, adrs, on_treatment, tables, plan, adpc)
    adsl = survival.with_baseline_status(adsl, tables.get("rs"), plan.baseline)
    return safety.with_deaths(adsl, adae, plan.safety, plan.deaths)


# "sdtm", "plan" and "cut_off" are given; every other name is an earlier step.
DATASETS = (
    Step("adsl_core", ("sdtm", "plan"), population.adsl, patient_level=True),
    Step(
        "adex",
        ("sdtm", "adsl_core", "plan"),
        lambda t, adsl, plan: exposure.adex(t, adsl, plan.exposure),
        patient_level=True,
    ),
    Step(
        "adpsa",
        ("sdtm", "adsl_core", "plan"),
        lambda t, adsl, plan: response.adpsa(t, adsl, plan.psa_response),
        patient_level=True,
    ),
    Step(
        "adctc",
        ("sdtm", "adsl_core", "plan"),
        lambda t, adsl, plan: ctc.adctc(t, adsl, plan.screening, plan.ctc),
        patient_level=True,
    ),
    Step(
        "adrs_psa",
        ("adsl_core", "adpsa", "plan"),
        lambda adsl, adpsa, plan: response.adrs(adsl, adpsa, plan.psa_response, plan.psa_course),
        patient_level=True,
    ),
    Step(
        "adrs_ctc",
        ("adsl_core", "adctc", "plan"),
        lambda adsl, adctc, plan: ctc.ctc_response(adsl, adctc, plan.ctc),
        patient_level=True,
    ),
    Step(
        "adrs_estimand",
        ("sdtm", "adsl_core", "adpsa", "adrs_psa", "plan"),
        lambda t, adsl, adpsa, adrs, plan: estimand.estimand(
            t, adsl, adpsa, adrs, plan.psa_response
        ),
        patient_level=True,
    ),
    Step("courses", ("sdtm", "adsl_core"), courses.courses, patient_level=True),
    Step("adpsa_choice", ("sdtm", "courses", "plan"), _choice_psa, patient_level=True),
    Step(
        "adrs_progression",
        ("courses", "adpsa", "adpsa_choice", "plan"),
        _psa_progression,
        patient_level=True,
    ),
    Step(
        "tumour_points",
        ("sdtm", "courses", "plan"),
        lambda t, courses, plan: tumour.time_points(t, courses, plan.tumour, plan.bone),
        patient_level=True,
    ),
    Step("adtr", ("tumour_points",), tumour.adtr, patient_level=True),
    Step(
        "adrs_tumour",
        ("sdtm", "courses", "tumour_points", "plan"),
        lambda t, courses, points, plan: tumour.tumour_responses(t, courses, points, plan.tumour),
        patient_level=True,
    ),
    Step(
        "adrs_pending",
        ("sdtm", "adsl_core", "adrs_psa", "plan", "cut_off"),
        lambda t, adsl, adrs, plan, cut_off: interim.pending(
            t, adsl, adrs, plan.psa_response, cut_off
        ),
        patient_level=True,
    ),
    Step(
        "adrs_comparison",
        ("adsl_core", "adpsa", "plan"),
        lambda adsl, adpsa, plan: response.comparison_response(
            adsl, adpsa, plan.psa_response, plan.comparison.rule
        ),
        patient_level=True,
    ),
    Step(
        "adrs",
        (
            "adrs_psa",
            "adrs_ctc",
            "adrs_estimand",
            "adrs_progression",
            "adrs_tumour",
            "adrs_pending",
            "adrs_comparison",
        ),
        _stacked,
        patient_level=True,
    ),
    Step(
        "adae",
        ("sdtm", "adsl_core", "plan"),
        lambda t, adsl, plan: safety.adae(t, adsl, plan.safety, plan.deaths),
        patient_level=True,
    ),
    Step(
        "adpc",
        ("sdtm", "adsl_core", "adex", "plan"),
        lambda t, adsl, adex, plan: pk.adpc(t, adsl, adex, plan.pk),
        patient_level=True,
    ),
    Step("adpp", ("adpc", "plan"), lambda adpc, plan: pk.adpp(adpc, plan.pk), patient_level=True),
    Step(
        "adsl",
        ("adsl_core", "adrs", "adctc", "adae", "adpc", "sdtm", "plan"),
        _adsl,
        patient_level=True,
    ),
    Step(
        "adtte",
        ("sdtm", "adsl", "courses", "tumour_points", "adpsa", "adpsa_choice", "adrs", "plan"),
        _times,
        patient_level=True,
    ),
    Step("addv", ("sdtm", "adsl"), disposition.addv, patient_level=True),
    Step("adexcl", ("adsl", "addv", "plan"), disposition.adexcl, patient_level=True),
    Step("adcm", ("sdtm", "adsl"), disposition.adcm, patient_level=True),
    Step("adbl", ("sdtm", "adsl", "adpsa", "plan"), baseline.adbl, patient_level=True),
    Step(
        "adlb",
        ("sdtm", "adsl", "plan"),
        lambda t, adsl, plan: labs.adlb(t, adsl, plan.labs, plan.safety),
        patient_level=True,
    ),
    Step("adcur", ("sdtm", "adsl", "plan", "cut_off"), data_timeliness.adcur, patient_level=True),
    Step(
        "adbe",
        ("sdtm", "adsl", "adex", "courses", "plan", "cut_off"),
        samples.adbe,
        patient_level=True,
    ),
    Step(
        "adexsum",
        ("sdtm", "adsl", "adex", "plan"),
        lambda t, adsl, adex, plan: exposure.adexsum(t, adsl, adex, plan.exposure),
        patient_level=True,
    ),
)

RESULTS = (
    Step("design", ("plan",), design_results.design, patient_level=False),
    Step("analysis_sets", ("adsl", "plan"), sets.analysis_sets, patient_level=False),
    Step("flow", ("adsl", "plan"), screening_results.flow, patient_level=False),
    Step("disposition", ("adsl", "plan"), disposition_results.disposition, patient_level=False),
    Step(
        "protocol_deviations",
        ("adsl", "addv", "plan"),
        disposition_results.protocol_deviations,
        patient_level=False,
    ),
    Step("baseline", ("adsl", "adbl", "plan"), baseline_results.baseline, patient_level=False),
    Step(
        "biomarker_yield", ("adsl", "plan"), screening_results.biomarker_yield, patient_level=False
    ),
    Step(
        "psa_response", ("adsl", "adrs", "plan"), response_results.psa_response, patient_level=False
    ),
    Step(
        "rescreen_response",
        ("adsl", "adrs", "plan"),
        response_results.rescreen_response,
        patient_level=False,
    ),
    Step(
        "psa_estimand",
        ("adsl", "adpsa", "adrs", "plan"),
        estimand_results.sensitivity,
        patient_level=False,
    ),
    Step(
        "intercurrent_events",
        ("adsl", "adrs", "plan"),
        estimand_results.intercurrent,
        patient_level=False,
    ),
    Step("tipping_point", ("adsl", "adrs", "plan"), estimand_results.tipping, patient_level=False),
    Step(
        "psa_posterior", ("adsl", "adrs", "plan"), estimand_results.posterior, patient_level=False
    ),
    Step(
        "psa_two_stage", ("adsl", "adrs", "plan"), estimand_results.two_stage, patient_level=False
    ),
    Step("interim", ("adsl", "adrs", "plan"), interim_results.interim, patient_level=False),
    Step(
        "interim_pending",
        ("adsl", "adrs", "plan"),
        interim_results.interim_pending,
        patient_level=False,
    ),
    Step(
        "toxicity_boundary", ("plan",), safety_results.toxicity_boundary_list, patient_level=False
    ),
    Step("toxicity_oc", ("plan",), interim_results.toxicity_oc, patient_level=False),
    Step("board_deaths", ("adsl", "plan"), dsmb.board_deaths, patient_level=False),
    Step("board_left", ("adsl", "plan"), dsmb.board_left, patient_level=False),
    Step("accrual", ("adsl", "plan", "cut_off"), accrual.accrual, patient_level=False),
    Step("data_currency", ("adcur", "plan"), currency_results.currency, patient_level=False),
    Step("rescreening", ("adsl", "plan"), rescreening.rescreening, patient_level=False),
    Step("allocation_time", ("adsl", "plan"), rescreening.allocation_time, patient_level=False),
    Step("psa_change", ("adsl", "adrs", "plan"), response_results.psa_change, patient_level=False),
    Step("ctc_response", ("adsl", "adrs", "plan"), ctc_results.ctc_response, patient_level=False),
    Step(
        "ctc_course", ("adsl", "adctc", "adrs", "plan"), ctc_results.ctc_course, patient_level=False
    ),
    Step(
        "psa_progression",
        ("adsl", "adrs", "plan"),
        progression_results.psa_progression,
        patient_level=False,
    ),
    Step(
        "objective_response",
        ("adsl", "adrs", "plan"),
        tumour_results.objective_response,
        patient_level=False,
    ),
    Step("bor", ("adsl", "adrs", "plan"), tumour_results.best_response, patient_level=False),
    Step(
        "tumour_change", ("adsl", "adrs", "plan"), tumour_results.tumour_change, patient_level=False
    ),
    Step(
        "tumour_agreement",
        ("adsl", "adrs", "adtr", "plan"),
        tumour_results.agreement,
        patient_level=False,
    ),
    Step("os", ("adsl", "adtte", "plan"), survival_results.overall_survival, patient_level=False),
    Step(
        "pfs", ("adsl", "adtte", "plan"), survival_results.time_to_progression, patient_level=False
    ),
    Step(
        "pfs_sensitivity",
        ("adsl", "adtte", "plan"),
        survival_results.progression_sensitivity,
        patient_level=False,
    ),
    Step("os_arv7", ("adsl", "adtte", "plan"), survival_comparison.by_arv7, patient_level=False),
    Step("os_group", ("adsl", "adtte", "plan"), survival_comparison.by_group, patient_level=False),
    Step(
        "os_guarantee",
        ("adsl", "adtte", "plan"),
        survival_comparison.guarantee_time,
        patient_level=False,
    ),
    Step("comparison_arv7", ("adsl", "adrs", "plan"), comparison.by_arv7, patient_level=False),
    Step(
        "comparison_published",
        ("adsl", "adrs", "references", "plan"),
        comparison.published,
        patient_level=False,
    ),
    Step("ae_overview", ("adsl", "adae", "plan"), safety_results.ae_overview, patient_level=False),
    Step("ae_soc_pt", ("adsl", "adae", "plan"), safety_results.ae_soc_pt, patient_level=False),
    Step(
        "ae_rates",
        ("adsl", "adae", "adlb", "references", "plan"),
        safety_results.ae_rates,
        patient_level=False,
    ),
    Step(
        "ae_progression", ("adsl", "adae", "plan"), safety_results.progression, patient_level=False
    ),
    Step("deaths", ("adsl", "plan"), safety_results.deaths, patient_level=False),
    Step(
        "fatal_events", ("adsl", "adae", "plan"), safety_results.fatal_events, patient_level=False
    ),
    Step(
        "toxicity_monitoring",
        ("adsl", "adae", "plan"),
        safety_results.toxicity_monitoring,
        patient_level=False,
    ),
    Step("lab_grade", ("adsl", "adlb", "plan"), lab_results.lab_grade, patient_level=False),
    Step("lab_shift", ("adsl", "adlb", "plan"), lab_results.lab_shift, patient_level=False),
    Step(
        "lab_reported",
        ("adsl", "adlb", "adae", "plan"),
        lab_results.lab_reported,
        patient_level=False,
    ),
    Step("exposure", ("adsl", "adexsum", "plan"), exposure_results.exposure, patient_level=False),
    Step("pk", ("adsl", "adpc", "adpp", "plan"), pk_results.pk, patient_level=False),
    Step(
        "exposure_response",
        ("adsl", "adpp", "adrs", "adctc", "adlb", "plan"),
        exposure_response_results.exposure_response,
        patient_level=False,
    ),
    Step(
        "sample_inventory", ("adbe", "plan"), sample_results.sample_inventory, patient_level=False
    ),
)

SORTED_BY = {
    "adsl": ["USUBJID"],
    "adpsa": ["USUBJID", "ADT"],
    "adctc": ["USUBJID", "ADT", "CPSEQ"],
    "adtr": ["USUBJID", "PARAMCD", "ADT"],
    "adrs": ["PARAMCD", "USUBJID", "ADT"],
    "adtte": ["PARAMCD", "USUBJID"],
    "adae": ["USUBJID", "AESEQ"],
    "addv": ["USUBJID", "ADT", "DVSEQ"],
    "adexcl": ["SET", "USUBJID"],
    "adcm": ["USUBJID", "ASTDT", "CMSEQ"],
    "adbl": ["USUBJID", "AVISIT", "PARAMCD"],
    "adcur": ["USUBJID"],
    "adex": ["USUBJID", "ACYCLE"],
    "adlb": ["USUBJID", "PARAMCD", "ATERM", "ADT", "LBSEQ"],
    "adexsum": ["PARAMCD", "USUBJID"],
    "adpc": ["USUBJID", "ADT", "PCSEQ"],
    "adpp": ["PARAMCD", "USUBJID", "ADT"],
    "adbe": ["USUBJID", "BECAT", "DUEDT", "AVISIT"],
}


def _nobody(_: str) -> None:
    """Hears nothing."""


class Analysis(NamedTuple):
    """The ADaM datasets by name and the ARD."""

    datasets: dict[str, pd.DataFrame]
    ard: pd.DataFrame


def derive(
    tables: Tables, plan: Plan, cut_off: dt.date, tell: Callable[[str], None] = _nobody
) -> dict[str, pd.DataFrame]:
    """All ADaM datasets, each in the order of its keys; `tell` hears the name of each step.

    Every step reads the tables in standard words (`sap.derivations.standard`).
    """
    words = standard.standard(tables, plan)
    have: dict[str, object] = {"sdtm": words, "plan": plan, "cut_off": cut_off}
    for step in DATASETS:
        tell(step.name)
        made = step.makes(*(have[name] for name in step.reads))
        if isinstance(made, list):
            raise TypeError(f"{step.name} gives a list, not a dataset")
        keys = SORTED_BY.get(step.name)
        have[step.name] = made.sort_values(keys, kind="stable", ignore_index=True) if keys else made
    return {
        name: frame
        for name, frame in have.items()
        if isinstance(frame, pd.DataFrame) and name in SORTED_BY
    }


def analyse(
    tables: Tables, plan: Plan, cut_off: dt.date, tell: Callable[[str], None] = _nobody
) -> Analysis:
    """From the tables of a cut to every number of the report; `tell` hears the name of each step."""
    datasets = derive(tables, plan, cut_off, tell)
    references = read_references(project_home() / "analysis" / "references.yml")
    have: dict[str, object] = {
        "plan": plan,
        "cut_off": cut_off,
        "references": references,
        **datasets,
    }
    parts: list[pd.DataFrame] = []
    for step in RESULTS:
        tell(step.name)
        made = step.makes(*(have[name] for name in step.reads))
        parts += made if isinstance(made, list) else [made]
    return Analysis(datasets, ard.bind(parts))
