"""From the datasets to the ARD: one function a stem, in the order of the report."""

import datetime as dt
from typing import NamedTuple

import pandas as pd

from sap import ard
from sap.catalogue.reporting import AXES, faults, is_in_plan
from sap.errors import ResultError
from sap.pipeline.datasets import Datasets, Report, Tables, derive, silent
from sap.plan import study_home
from sap.plan.model import Plan
from sap.plan.references import References, read_references
from sap.results import (
    accrual,
    baseline,
    comparison,
    ctc,
    data_timeliness,
    design,
    disposition,
    dsmb,
    estimand,
    exposure,
    exposure_response,
    history,
    interim,
    labs,
    pk,
    primary,
    progression,
    rescreening,
    response,
    safety,
    samples,
    screening,
    sets,
    survival,
    survival_comparison,
    tumour,
    vitals,
)
from sap.results.provenance import maker_of, makers

__all__ = ["Analysis", "analyse", "described", "maker_of", "makers", "results"]


class Analysis(NamedTuple):
    """The ADaM datasets and the ARD of a cut."""

    datasets: Datasets
    ard: pd.DataFrame


def results(data: Datasets, plan: Plan, references: References, cut_off: dt.date) -> pd.DataFrame:
    """Every row of the ARD.

    Raises
    ------
    ResultError
        A row that the catalogue does not describe, or two with one key: a fault of the code.
    """
    adsl, adrs = data.adsl, data.adrs
    parts = [
        design.rows(plan=plan),
        sets.rows(adsl=adsl, plan=plan),
        screening.rows(adsl=adsl, plan=plan),
        disposition.rows(adsl=adsl, addv=data.addv, adie=data.adie, plan=plan),
        baseline.rows(adsl=adsl, adbl=data.adbl, plan=plan),
        history.rows(adsl=adsl, admh=data.admh, adcm=data.adcm, plan=plan),
        accrual.rows(adsl=adsl, cut_off=cut_off, plan=plan),
        data_timeliness.rows(adcur=data.adcur, adsl=data.adsl, plan=plan),
        response.rows(adsl=adsl, adrs=adrs, plan=plan),
        estimand.rows(adsl=adsl, adpsa=data.adpsa, adrs=adrs, plan=plan),
        primary.rows(adsl=adsl, adrs=adrs, adtte=data.adtte, plan=plan),
        interim.rows(adsl=adsl, adrs=adrs, plan=plan),
        comparison.rows(adsl=adsl, adrs=adrs, references=references, plan=plan),
        rescreening.rows(adsl=adsl, plan=plan),
        ctc.rows(adsl=adsl, adctc=data.adctc, adrs=adrs, plan=plan),
        progression.rows(adsl=adsl, adrs=adrs, plan=plan),
        tumour.rows(adsl=adsl, adtr=data.adtr, adrs=adrs, plan=plan),
        survival.rows(adsl=adsl, adtte=data.adtte, plan=plan),
        survival_comparison.rows(adsl=adsl, adtte=data.adtte, plan=plan),
        exposure.rows(adsl=adsl, adexsum=data.adexsum, plan=plan),
        pk.rows(adsl=adsl, adpc=data.adpc, adpp=data.adpp, plan=plan),
        exposure_response.rows(
            adsl=adsl, adctc=data.adctc, adrs=adrs, adlb=data.adlb, adpp=data.adpp, plan=plan
        ),
        samples.rows(adbe=data.adbe, plan=plan),
        safety.rows(adsl=adsl, adae=data.adae, adlb=data.adlb, references=references, plan=plan),
        labs.rows(adsl=adsl, adae=data.adae, adlb=data.adlb, plan=plan),
        vitals.rows(adsl=adsl, advs=data.advs, plan=plan),
        dsmb.rows(
            adsl=adsl, adae=data.adae, adcur=data.adcur, addv=data.addv, cut_off=cut_off, plan=plan
        ),
    ]
    return described(in_plan(ard.bind(frame for part in parts for frame in part), plan))


def in_plan(rows: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """The rows whose analysis, population and levels are of entries that the plan has."""
    columns = ["analysis", "population", *AXES]
    kinds = rows[columns].drop_duplicates()
    absent = [
        kind for kind in kinds.itertuples(index=False, name=None) if not is_in_plan(kind, plan)
    ]
    if not absent:
        return rows
    left_out = pd.MultiIndex.from_tuples(absent)
    return rows[~pd.MultiIndex.from_frame(rows[columns]).isin(left_out)].reset_index(drop=True)


def described(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows, unless the catalogue lacks one of them.

    Raises
    ------
    ResultError
        Naming each analysis with the value that the catalogue does not describe.
    """
    columns = ["analysis", "population", *AXES, "stat_name"]
    distinct = rows[columns].drop_duplicates().itertuples(index=False, name=None)
    if missing := faults(distinct):
        raise ResultError(
            "The catalogue of analyses (src/sap/catalogue/analyses) does not describe:\n"
            + "\n".join(f"  - {fault}" for fault in missing[:20])
        )
    return rows


def analyse(
    tables: Tables, plan: Plan, cut_off: dt.date, report_progress: Report = silent
) -> Analysis:
    """From the tables of a cut to every number of the report."""
    datasets = derive(tables, plan, cut_off, report_progress)
    report_progress("results")
    references = read_references(study_home() / "analysis" / "references.yml")
    return Analysis(datasets, results(datasets, plan, references, cut_off))
