"""Medical history, prior anticancer therapy and concomitant medication of treated patients."""

from collections.abc import Sequence

import pandas as pd

from sap import ard
from sap.plan.model import Plan
from sap.results.disposition import AFTER_RESCREENING, subjects_of
from sap.results.provenance import makes
from sap.results.rates import share

COLUMNS = (("PRIMARY", ""), AFTER_RESCREENING, ("SAFETY", ""))
"""Population and group of each column of the tables."""
METHOD = "Distinct patients"
NOT_CLASSIFIED = "not_classified"


def _counted(
    adsl: pd.DataFrame, records: pd.DataFrame, analysis: str, by: Sequence[str], section: str
) -> list[pd.DataFrame]:
    """Distinct patients with any record (LEVEL `any`), by the first and by both columns of `by`."""
    if records.empty:
        return []
    level = records[by[0]].fillna(NOT_CLASSIFIED)
    sublevel = records[by[1]].fillna(NOT_CLASSIFIED) if len(by) > 1 else pd.Series("", level.index)
    who = records["USUBJID"]
    places = [("any", "", pd.Series(True, who.index))]
    for first in sorted(set(level)):
        places.append((first, "", level == first))
        places += [
            (first, second, (level == first) & (sublevel == second))
            for second in sorted(set(sublevel[level == first]) - {""})
        ]
    parts = []
    for population, group in COLUMNS:
        subjects = subjects_of(adsl, population, group)["USUBJID"]
        parts += [
            ard.rows(
                share(int(subjects.isin(who[chosen]).sum()), len(subjects)),
                analysis=analysis,
                section=section,
                population=population,
                group=group,
                level=first,
                sublevel=second,
                method=METHOD,
            )
            for first, second, chosen in places
        ]
    return parts


@makes("medical_history")
def medical_history(adsl: pd.DataFrame, admh: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Patients with a condition of the medical history (MHHISTFL), any and by term (LEVEL).

    Without a recorded condition there is no row.
    """
    records = admh[admh["MHHISTFL"] == "Y"]
    return _counted(adsl, records, "medical_history", ["MHDECOD"], plan.baseline.section)


@makes("prior_therapy")
def prior_therapy(adsl: pd.DataFrame, adcm: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Patients with prior anticancer therapy (PREFL), any, by kind (LEVEL) and by drug (SUBLEVEL)."""
    records = adcm[adcm["PREFL"] == "Y"]
    records = records.assign(CMDECOD=records["CMDECOD"].fillna(records["CMTRT"]))
    return _counted(adsl, records, "prior_therapy", ["CMSCAT", "CMDECOD"], plan.baseline.section)


@makes("concomitant_medication")
def concomitant_medication(
    adsl: pd.DataFrame, adcm: pd.DataFrame, plan: Plan
) -> list[pd.DataFrame]:
    """Patients with concomitant medication (ONTRTFL), any, by class (LEVEL) and by drug (SUBLEVEL).

    The class is CMCLAS, else the subcategory (CMSCAT).
    """
    records = adcm[adcm["ONTRTFL"] == "Y"]
    records = records.assign(
        CMDECOD=records["CMDECOD"].fillna(records["CMTRT"]),
        CMCLAS=records["CMCLAS"].fillna(records["CMSCAT"]),
    )
    return _counted(
        adsl, records, "concomitant_medication", ["CMCLAS", "CMDECOD"], plan.baseline.section
    )


def rows(
    *, adsl: pd.DataFrame, admh: pd.DataFrame, adcm: pd.DataFrame, plan: Plan
) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *medical_history(adsl, admh, plan),
        *prior_therapy(adsl, adcm, plan),
        *concomitant_medication(adsl, adcm, plan),
    ]
