"""Why patients left the treatment and the study, and which protocol deviations they had."""

import pandas as pd

from sap import ard
from sap.plan.model import Plan
from sap.results.provenance import makes
from sap.results.rates import REASON_NO_PATIENT
from sap.results.sets import members

# Columns of the tables: population, and which of its patients (TREATED: those with a study dose).
TREATED = "TREATED"
OPEN_END = "No end recorded at the cut-off"
CODED = {"MAJOR": "Major", "MINOR": "Minor"}


def people(adsl: pd.DataFrame, population: str, group: str) -> pd.DataFrame:
    """The patients of one column; TREATED leaves out re-screened patients who got no study cabazitaxel."""
    mine = members(adsl, population)
    return mine[mine["RESCTRFL"] == "Y"] if group == TREATED else mine


def _share(n: int, of: int) -> dict[str, ard.type_of_stat]:
    return {"n": n, "N": of, "estimate": n / of if of else REASON_NO_PATIENT}


@makes("disposition")
def disposition(adsl: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """End of study treatment (PARAMCD TREATMENT) and of participation (STUDY), by reason.

    Each patient stands in one level: the last disposition event of its kind, or "No end recorded at the
    cut-off". The level "Ended" has all with an event. End of treatment asks treated patients only.
    """
    asked = (
        ("TREATMENT", "DCTREAS", (("PRIMARY", ""), ("RESCREENED", TREATED), ("SAFETY", ""))),
        (
            "STUDY",
            "DCSREAS",
            (
                ("PRIMARY", ""),
                ("RESCREENED", TREATED),
                ("SAFETY", ""),
                ("GROUPA", ""),
                ("SCREENED", ""),
            ),
        ),
    )
    parts = []
    for paramcd, column, columns in asked:
        reasons = sorted(set(adsl.loc[adsl["SCRFL"] == "Y", column].dropna()))
        for population, group in columns:
            mine = people(adsl, population, group)
            counts = {"Ended": int(mine[column].notna().sum())}
            counts |= {str(r).capitalize(): int((mine[column] == r).sum()) for r in reasons}
            counts[OPEN_END] = int(mine[column].isna().sum())
            parts += [
                ard.rows(
                    _share(n, len(mine)),
                    analysis="disposition",
                    section=plan.analysis_sets.section,
                    population=population,
                    group=group,
                    paramcd=paramcd,
                    level=level,
                    method="Distinct patients, by the last disposition event",
                )
                for level, n in counts.items()
            ]
    return parts


@makes("protocol_deviations")
def protocol_deviations(adsl: pd.DataFrame, addv: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Patients with a deviation and how many there were, by category (level) and term (sublevel).

    No row at all where no deviation is recorded: whether the data have the domain, the display says.
    """
    if addv.empty:
        return []
    parts = []

    def line(mine: pd.DataFrame, subjects: pd.DataFrame, where: dict[str, str]) -> None:
        here = mine[mine["USUBJID"].isin(subjects["USUBJID"])]
        stats = _share(int(here["USUBJID"].nunique()), len(subjects)) | {"n_events": len(here)}
        parts.append(
            ard.rows(
                stats,
                analysis="protocol_deviations",
                section=plan.analysis_sets.section,
                method="Distinct patients; deviations beside",
                **where,
            )
        )

    for population, group in (("PRIMARY", ""), ("RESCREENED", TREATED), ("SCREENED", "")):
        subjects = people(adsl, population, group)
        place = {"population": population, "group": group}
        line(addv, subjects, place | {"level": "Any"})
        for category, of_category in addv.groupby(addv["DVCAT"].fillna("NOT CLASSIFIED")):
            level = CODED.get(str(category), str(category).capitalize())
            line(of_category, subjects, place | {"level": level})
            for term, of_term in of_category.groupby("DVDECOD"):
                line(of_term, subjects, place | {"level": level, "sublevel": str(term)})
    return parts


def rows(*, adsl: pd.DataFrame, addv: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *disposition(adsl, plan),
        *protocol_deviations(adsl, addv, plan),
    ]
