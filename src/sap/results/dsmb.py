"""What the first page of the board's report counts beside adverse events: deaths in the window, patients gone."""

from collections.abc import Collection

import pandas as pd

from sap import ard
from sap.plan.model import Plan
from sap.results.provenance import makes
from sap.results.rates import REASON_NO_PATIENT
from sap.results.sets import members

CAUSES = ("Adverse event, related", "Adverse event, not related", "Progression", "Not recorded")
UNKNOWN = "Day of the last dose not known"
GONE = {
    "Lost to follow-up": "LOST TO FOLLOW-UP",
    "Withdrew": "WITHDRAWAL BY SUBJECT",
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


@makes("board_deaths")
def board_deaths(adsl: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Treated patients who died in the window of safety, of whatever (SUBLEVEL), an adverse event or not.

    LEVEL "Within W days of the last dose", with the plan's W; and "Day of the last dose not known"
    where a patient died of whom it cannot be said. Later deaths are survival, which is closed.
    """
    people = members(adsl, "SAFETY")
    days = plan.safety.days_after_last_dose
    levels = [f"Within {days} days of the last dose"]
    if (people["LDDTHGR1"] == UNKNOWN).any():
        levels.append(UNKNOWN)
    parts = []
    for level in levels:
        dead = people[people["LDDTHGR1"] == level]
        for cause in ("", *CAUSES):
            n = len(dead) if not cause else int((dead["DTHCGR1"] == cause).sum())
            parts.append(
                ard.rows(
                    _share(n, len(people)),
                    analysis="board_deaths",
                    section=plan.deaths.section,
                    population="SAFETY",
                    paramcd="DEATH",
                    level=level,
                    sublevel=cause,
                    method="Participants",
                )
            )
    return parts


@makes("board_left")
def board_left(adsl: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Treated patients lost to follow-up and patients who withdrew (LEVEL), by the last event of the study.

    Of treated patients alone: of all patients, those gone and those still followed would tell the dead.
    """
    people = members(adsl, "SAFETY")
    return [
        ard.rows(
            _share(int((people["DCSREAS"] == reason).sum()), len(people)),
            analysis="board_left",
            section=plan.analysis_sets.section,
            population="SAFETY",
            paramcd="LEFT",
            level=level,
            method="Distinct patients, by the last disposition event",
        )
        for level, reason in GONE.items()
    ]


def rows(*, adsl: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *board_deaths(adsl, plan),
        *board_left(adsl, plan),
    ]
