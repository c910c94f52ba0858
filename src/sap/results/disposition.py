"""Treatment and study discontinuation by reason, and protocol deviations."""

import pandas as pd

from sap import ard
from sap.plan.model import Plan
from sap.results.provenance import makes
from sap.results.rates import REASON_NO_PATIENT
from sap.results.sets import members

TREATED = "treated"
"""GROUP of the ARD: of the re-screened patients, those treated with the study treatment afterwards."""

AFTER_RESCREENING = ("RESCREENED", TREATED)
COLUMNS = {
    "TREATMENT": ("DCTREAS", (("PRIMARY", ""), AFTER_RESCREENING, ("SAFETY", ""))),
    "STUDY": (
        "DCSREAS",
        (("PRIMARY", ""), AFTER_RESCREENING, ("SAFETY", ""), ("GROUPA", ""), ("SCREENED", "")),
    ),
}
"""By PARAMCD: the reason in ADSL, and population and group of each column of the table."""

DEVIATION_COLUMNS = (("PRIMARY", ""), AFTER_RESCREENING, ("SCREENED", ""))


def subjects_of(adsl: pd.DataFrame, population: str, group: str) -> pd.DataFrame:
    """The rows of ADSL of one column: a population, or its patients treated after re-screening."""
    subjects = members(adsl, population)
    return subjects[subjects["RESCTRFL"] == "Y"] if group == TREATED else subjects


def _share(n: int, total: int) -> dict[str, ard.type_of_stat]:
    return {"n": n, "N": total, "estimate": n / total if total else REASON_NO_PATIENT}


@makes("disposition")
def disposition(adsl: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Treatment discontinuation (PARAMCD TREATMENT) and study discontinuation (STUDY), by reason.

    1. LEVEL is the DSDECOD term of the last disposition event of its kind; the terms are those of the
       patients with a screening sample.
    2. `ended`: patients with any such event; `ongoing`: patients without one at the data cut-off.
    3. N is the number of patients in the population; treatment discontinuation is reported for
       treated patients only.
    """
    parts = []
    for paramcd, (column, columns) in COLUMNS.items():
        terms = sorted(set(adsl.loc[adsl["SCRFL"] == "Y", column].dropna()))
        for population, group in columns:
            subjects = subjects_of(adsl, population, group)
            reasons = subjects[column]
            counts = {str(term): int((reasons == term).sum()) for term in terms}
            counts["ended"] = int(reasons.notna().sum())
            counts["ongoing"] = int(reasons.isna().sum())
            parts += [
                ard.rows(
                    _share(n, len(subjects)),
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
    """Patients with a protocol deviation, and number of deviations, by category and term.

    1. LEVEL is the category as collected (DVCAT), `not_classified` without one, `any` for all.
    2. SUBLEVEL is the term; empty for all terms of the category.
    3. n counts distinct patients, n_events deviations, N all patients of the population.

    Without a recorded deviation there is no row.
    """
    if addv.empty:
        return []
    parts = []

    def row(deviations: pd.DataFrame, subjects: pd.DataFrame, key: dict[str, str]) -> None:
        of_column = deviations[deviations["USUBJID"].isin(subjects["USUBJID"])]
        stats = _share(int(of_column["USUBJID"].nunique()), len(subjects))
        parts.append(
            ard.rows(
                stats | {"n_events": len(of_column)},
                analysis="protocol_deviations",
                section=plan.analysis_sets.section,
                method="Distinct patients, and number of deviations",
                **key,
            )
        )

    for population, group in DEVIATION_COLUMNS:
        subjects = subjects_of(adsl, population, group)
        column = {"population": population, "group": group}
        row(addv, subjects, column | {"level": "any"})
        for category, of_category in addv.groupby(addv["DVCAT"].fillna("not_classified")):
            of_level = column | {"level": str(category)}
            row(of_category, subjects, of_level)
            for term, of_term in of_category.groupby("DVDECOD"):
                row(of_term, subjects, of_level | {"sublevel": str(term)})
    return parts


def rows(*, adsl: pd.DataFrame, addv: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *disposition(adsl, plan),
        *protocol_deviations(adsl, addv, plan),
    ]
