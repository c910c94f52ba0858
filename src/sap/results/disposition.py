"""Treatment and study discontinuation by reason, and protocol deviations."""

import pandas as pd

from sap import ard
from sap.plan.model import Plan
from sap.results.provenance import makes
from sap.results.rates import share
from sap.results.sets import consented, members

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
                    share(n, len(subjects)),
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
        stats = share(int(of_column["USUBJID"].nunique()), len(subjects))
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


CENTRE_COUNTS = {
    "consented": "",
    "screened": "SCRFL",
    "marker_positive": "MPOSFL",
    "primary": "PRIMFL",
    "rescreened_treated": "RESCTRFL",
    "treated": "SAFFL",
}
"""By SUBLEVEL of `centres`: the flag of ADSL; consented: every patient."""


@makes("centres")
def centres(adsl: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Patients by centre (LEVEL, SITEID) and stage of the trial (SUBLEVEL).

    1. `total`: all centres. `not_recorded`: patients without a SITEID, where there are any.
    2. A patient is counted in each stage that was reached; n is the number of the centre, N that of all
       centres. `n_centres`, of the total: the number of centres (SITEID) with at least one such patient.

    Without any SITEID there is no row.
    """
    if adsl["SITEID"].isna().all():
        return []
    site = adsl["SITEID"].fillna("not_recorded")
    parts = []
    for stage, flag in CENTRE_COUNTS.items():
        inside = adsl[flag] == "Y" if flag else adsl["USUBJID"].notna()
        total = int(inside.sum())
        for level in ["total", *sorted(set(site))]:
            n = total if level == "total" else int((inside & (site == level)).sum())
            stats = share(n, total)
            if level == "total":
                stats |= {"n_centres": int(adsl.loc[inside, "SITEID"].nunique())}
            parts.append(
                ard.rows(
                    stats,
                    analysis="centres",
                    section=plan.analysis_sets.section,
                    population="CONSENTED",
                    level=level,
                    sublevel=stage,
                    method="Distinct patients",
                )
            )
    return parts


@makes("eligibility")
def eligibility(adsl: pd.DataFrame, adie: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Patients who did not meet an eligibility criterion, by screening (GROUP) and criterion.

    1. LEVEL is `any`, or the category of the criterion (IECAT) with its code as SUBLEVEL (IETESTCD).
    2. GROUP is empty for the first screening, `rescreening` for re-screening (AVISIT); a record without
       a visit belongs to the first.
    3. N is the number of patients who consented, with a screening sample or without one; at re-screening
       the re-screened set. `term` is the text of the criterion (IETEST; of several the first in
       alphabetical order).

    Without a recorded criterion there is no row.
    """
    if adie.empty:
        return []
    texts = adie.groupby("IETESTCD")["IETEST"].min()
    again = adie["AVISIT"].eq("RE-SCREENING")
    parts = []
    for group, of_visit, inside in (
        ("", ~again, consented(adsl)),
        ("rescreening", again, adsl["RESCFL"] == "Y"),
    ):
        subjects = adsl.loc[inside, "USUBJID"]
        records = adie[of_visit]
        places = [("any", "", records)]
        criteria = adie[["IECAT", "IETESTCD"]].drop_duplicates().sort_values(["IECAT", "IETESTCD"])
        for category, code in criteria.itertuples(index=False, name=None):
            chosen = (records["IECAT"] == category) & (records["IETESTCD"] == code)
            places.append((category, code, records[chosen]))
        for level, sublevel, failed in places:
            n = int(subjects.isin(failed["USUBJID"]).sum())
            text = {"term": str(texts[sublevel])} if sublevel else {}
            parts.append(
                ard.rows(
                    share(n, len(subjects)) | text,
                    analysis="eligibility",
                    section=plan.analysis_sets.section,
                    population="CONSENTED",
                    group=group,
                    level=level,
                    sublevel=sublevel,
                    method="Distinct patients",
                )
            )
    return parts


def rows(
    *, adsl: pd.DataFrame, addv: pd.DataFrame, adie: pd.DataFrame, plan: Plan
) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *centres(adsl, plan),
        *eligibility(adsl, adie, plan),
        *disposition(adsl, plan),
        *protocol_deviations(adsl, addv, plan),
    ]
