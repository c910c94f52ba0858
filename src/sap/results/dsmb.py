"""Counts of the DSMB reports besides adverse events: deaths in the safety window, patients lost or withdrawn."""

from collections.abc import Collection

import pandas as pd

from sap import ard
from sap.plan.model import Plan
from sap.results.provenance import makes
from sap.results.rates import REASON_NO_PATIENT
from sap.results.sets import members

# Each SUBLEVEL of deaths, and its value of DTHCGR1 in ADSL.
CAUSES = {
    "adverse_event_related": "Adverse event, related",
    "adverse_event_unrelated": "Adverse event, not related",
    "progression": "Progression",
    "not_recorded": "Not recorded",
}
# The value of LDDTHGR1 in ADSL of a death at an unknown time after the last dose.
DAY_UNKNOWN = "Day of the last dose not known"
# Each LEVEL of patients who left, and its value of DCSREAS in ADSL.
REASONS = {
    "lost_to_follow_up": "LOST TO FOLLOW-UP",
    "withdrew": "WITHDRAWAL BY SUBJECT",
}

# Analyses with one row per patient: LEVEL is the patient's position in the order of treatment.
BY_PATIENT = ("toxicity_monitoring",)


def open_rows(rows: pd.DataFrame, analyses: Collection[str]) -> pd.DataFrame:
    """The rows of an ARD that an open report may hold, with their exact numbers.

    1. Not: rows of an analysis that is not in `analyses`.
    2. Not: the running count after each single patient (`BY_PATIENT`), which is patient-level.
    3. All others, unchanged.
    """
    by_patient = (
        rows["analysis"].isin(BY_PATIENT) & rows["level"].ne("") & rows["stat_name"].eq("n")
    )
    return rows[rows["analysis"].isin(list(analyses)) & ~by_patient].reset_index(drop=True)


def _share(n: int, of: int) -> dict[str, ard.type_of_stat]:
    return {"n": n, "N": of, "estimate": n / of if of else REASON_NO_PATIENT}


@makes("dsmb_deaths")
def dsmb_deaths(adsl: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Treated patients who died in the safety window, of any cause (SUBLEVEL; empty: all causes).

    LEVEL `within_window` is the window of the plan (`safety.days_after_last_dose`); `day_unknown` is
    there when a patient died at an unknown time after the last dose. Later deaths belong to survival,
    which is closed.
    """
    treated = members(adsl, "SAFETY")
    days = plan.safety.days_after_last_dose
    times = {"within_window": f"Within {days} days of the last dose"}
    if (treated["LDDTHGR1"] == DAY_UNKNOWN).any():
        times["day_unknown"] = DAY_UNKNOWN
    parts = []
    for level, time in times.items():
        causes = treated.loc[treated["LDDTHGR1"] == time, "DTHCGR1"]
        counts = {"": len(causes)} | {
            cause: int((causes == text).sum()) for cause, text in CAUSES.items()
        }
        for cause, n in counts.items():
            parts.append(
                ard.rows(
                    _share(n, len(treated)),
                    analysis="dsmb_deaths",
                    section=plan.deaths.section,
                    population="SAFETY",
                    paramcd="DEATH",
                    level=level,
                    sublevel=cause,
                    method="Distinct patients",
                )
            )
    return parts


@makes("dsmb_left")
def dsmb_left(adsl: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Treated patients lost to follow-up or withdrawn (LEVEL), by their last disposition event.

    The denominator is the treated patients: of all patients, these counts and the patients in follow-up
    would disclose the number of deaths.
    """
    treated = members(adsl, "SAFETY")
    return [
        ard.rows(
            _share(int((treated["DCSREAS"] == reason).sum()), len(treated)),
            analysis="dsmb_left",
            section=plan.analysis_sets.section,
            population="SAFETY",
            paramcd="LEFT",
            level=level,
            method="Distinct patients, by the last disposition event",
        )
        for level, reason in REASONS.items()
    ]


def rows(*, adsl: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *dsmb_deaths(adsl, plan),
        *dsmb_left(adsl, plan),
    ]
