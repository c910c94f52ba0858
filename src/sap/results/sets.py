"""Which flag of ADSL makes which population of the ARD."""

import pandas as pd

from sap import ard
from sap.plan.model import Plan
from sap.results.provenance import makes

FLAGS = {
    "SCREENED": "SCRFL",
    "MARKERPOS": "MPOSFL",
    "PRIMARY": "PRIMFL",
    "SAFETY": "SAFFL",
    "RESCREENED": "RESCFL",
    "PSAEVAL": "PSAEVFL",
    "PERPROT": "PPROTFL",
    "CTCEVAL": "CTCEVFL",
    "MEASURABLE": "MEASFL",
    "PKEVAL": "PKEVFL",
    "GROUPA": "GRPAFL",
}


def members(adsl: pd.DataFrame, population: str) -> pd.DataFrame:
    """The rows of ADSL that belong to a population; a set not derived for this data has no patient."""
    flag = FLAGS[population]
    return adsl[adsl[flag] == "Y"] if flag in adsl else adsl.iloc[0:0]


def available(adsl: pd.DataFrame, population: str) -> bool:
    """Whether the data can say who belongs to a set: deviations, concentrations were collected."""
    return FLAGS[population] in adsl


def treated_of(adsl: pd.DataFrame, population: str) -> pd.DataFrame:
    """The treated patients of PRIMARY, or of RESCREENED those treated through it; no patient is in both."""
    people = members(adsl, population)
    if population == "RESCREENED":
        people = people[people["RESCTRFL"] == "Y"]
    return people[people["NCYCLES"] > 0]


@makes("analysis_sets")
def analysis_sets(adsl: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """How many patients each analysis set has; a set that the data cannot tell is left out."""
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
