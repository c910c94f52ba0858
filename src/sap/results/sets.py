"""Analysis sets: their members by the flags of ADSL, and their sizes."""

import pandas as pd

from sap import ard
from sap.catalogue.populations import flags
from sap.plan.model import Plan
from sap.results.provenance import makes

FLAGS = flags()


def members(adsl: pd.DataFrame, population: str) -> pd.DataFrame:
    """The rows of ADSL that belong to a population; none where its flag was not derived."""
    flag = FLAGS[population]
    return adsl[adsl[flag] == "Y"] if flag in adsl else adsl.iloc[:0]


def available(adsl: pd.DataFrame, population: str) -> bool:
    """Whether the flag of a set was derived: its source (deviations, concentrations) was collected."""
    return FLAGS[population] in adsl


def consented(adsl: pd.DataFrame) -> "pd.Series[bool]":
    """Whether each patient consented: has a date of consent.

    Where no patient of the data has one (the date was not collected), every patient.
    """
    dated = adsl["RFICDT"].notna()
    return dated if dated.any() else pd.Series(True, adsl.index)


def enough_cells(counts: pd.Series, plan: Plan) -> "pd.Series[bool]":
    """Whether each CTC count is enough for treatment; any, and none, where the plan requires no count."""
    if plan.biomarker is not None and plan.biomarker.cell_count is None:
        return pd.Series(True, counts.index)
    return counts >= plan.cells_required


def treated_of(adsl: pd.DataFrame, population: str) -> pd.DataFrame:
    """Treated patients of a population; of RESCREENED, those treated after re-screening."""
    subjects = members(adsl, population)
    if population == "RESCREENED":
        subjects = subjects[subjects["RESCTRFL"] == "Y"]
    return subjects[subjects["NCYCLES"] > 0]


@makes("analysis_sets")
def analysis_sets(adsl: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Number of patients in each analysis set; a set whose flag was not derived has no row."""
    return [
        ard.rows(
            {"n": len(members(adsl, population))},
            analysis="analysis_sets",
            section=plan.analysis_sets.section,
            population=population,
            method="Distinct patients",
        )
        for population, flag in FLAGS.items()
        if flag in adsl
    ]


LINES = {"second_line": "second line", "third_line": "third line"}
"""Each group of the ARD by line of therapy, and its value of LINE in ADSL."""


def by_line(adsl: pd.DataFrame, population: str) -> dict[str, pd.DataFrame]:
    """The members of a population by GROUP of the ARD: "" all patients, `second_line`, `third_line`."""
    subjects = members(adsl, population)
    lines = subjects.get("LINE", pd.Series(None, subjects.index, dtype="object"))
    return {"": subjects} | {group: subjects[lines == line] for group, line in LINES.items()}


def rows(*, adsl: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *analysis_sets(adsl, plan),
    ]
