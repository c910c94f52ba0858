"""Tumour response: best overall response, its rates, and concordance with the investigator."""

import pandas as pd

from sap import ard
from sap.ard import NotEstimable
from sap.catalogue.reasons import text_of
from sap.plan.model import Plan
from sap.results.provenance import makes
from sap.results.rates import REASON_NO_PATIENT, rate, summary
from sap.results.response import response_rate
from sap.results.sets import available, members

CATEGORIES = ("CR", "PR", "SD", "NON-CR/NON-PD", "PD", "NE")
RESPONSE = ("CR", "PR")
CONTROL = ("CR", "PR", "SD", "NON-CR/NON-PD")
NOT_IN_DATA = {
    "BOR": NotEstimable(text_of("scans")),
    "BORC": NotEstimable(text_of("scans")),
    "OBJBOR": NotEstimable(text_of("scans")),
    "OBJBORC": NotEstimable(text_of("scans")),
    "BORINV": NotEstimable(text_of("investigator")),
    "TUMBEST": NotEstimable(text_of("target_lesions")),
}
POPULATIONS = ("PRIMARY", "RESCREENED")
BEST = ("BOR", "BORC", "BORINV")
OF_PLAN = ("OBJBOR", "OBJBORC")
"""The best overall responses of the readings of `objective_response`."""


@makes("objective_response", "objective_response_unconfirmed")
def objective_response(adsl: pd.DataFrame, adrs: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Objective response: a complete or partial best overall response, with its exact interval.

    `objective_response` is confirmed (BORC), `objective_response_unconfirmed` is not (BOR). MEASURABLE
    has the patients with measurable disease, PRIMARY every patient of the primary set. A patient
    without an assessment is no responder. Where the plan has `objective_response`, both are by its
    rule (OBJRESP, OBJRESPU), with the test and the decision of the design where it is the primary
    endpoint.
    """
    parts = []
    if plan.objective_response is not None:
        return [
            response_rate(adsl, adrs, plan, population=of, paramcd=paramcd, analysis=analysis)
            for analysis, paramcd in (
                ("objective_response", "OBJRESP"),
                ("objective_response_unconfirmed", "OBJRESPU"),
            )
            for of in ("MEASURABLE", "PRIMARY")
            if available(adsl, of)
        ]
    for analysis, paramcd in (
        ("objective_response", "BORC"),
        ("objective_response_unconfirmed", "BOR"),
    ):
        results = adrs[adrs["PARAMCD"] == paramcd].set_index("USUBJID")["AVALC"]
        for population in ("MEASURABLE", "PRIMARY"):
            subjects = members(adsl, population)
            n = int(subjects["USUBJID"].map(results).isin(RESPONSE).sum())
            stats = rate(n, len(subjects), plan.intervals.conf_level)
            if not _in_the_data(adrs, paramcd):
                names = ("n", "estimate", "conf_low", "conf_high")
                stats |= dict.fromkeys(names, NOT_IN_DATA[paramcd])
            parts.append(
                ard.rows(
                    stats,
                    analysis=analysis,
                    section=plan.tumour.section,
                    population=population,
                    paramcd=paramcd,
                    method="Clopper-Pearson",
                )
            )
    return parts


def _treated(adsl: pd.DataFrame, population: str) -> pd.DataFrame:
    subjects = members(adsl, population)
    return subjects[subjects["NCYCLES"] > 0]


def _in_the_data(adrs: pd.DataFrame, paramcd: str) -> bool:
    """Whether any subject has a dated assessment (BOR, BORC), or a result of the parameter but NE."""
    if paramcd in ("BOR", "BORC"):
        return bool(((adrs["PARAMCD"] == "OVRLRESP") & (adrs["COURSE"] == "STUDY")).any())
    return bool(((adrs["PARAMCD"] == paramcd) & (adrs["AVALC"] != "NE")).any())


@makes("bor", "tumour_response")
def best_response(adsl: pd.DataFrame, adrs: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Best overall response by category (`bor`), and response and control rates (`tumour_response`).

    PARAMCD BOR is unconfirmed, BORC confirmed, BORINV the investigator's; OBJBOR and OBJBORC are those
    of the readings of the plan's `objective_response`. Every treated patient of
    the set is in the denominator; a patient without an assessment is NE. `objective_response` is CR or
    PR, `disease_control` CR, PR, SD or NON-CR/NON-PD. TARGLIM counts, of the patients with an assessed
    target lesion, those with more target lesions than the criteria allow.
    """
    parts = []
    for population in POPULATIONS:
        subjects = _treated(adsl, population)
        parts.append(_over_limit(subjects, adrs, plan, population))
        for paramcd in (*BEST, *(OF_PLAN if plan.objective_response is not None else ())):
            results = adrs[adrs["PARAMCD"] == paramcd].set_index("USUBJID")["AVALC"]
            best = subjects["USUBJID"].map(results).fillna("NE")
            is_known = _in_the_data(adrs, paramcd)
            where = {"section": plan.tumour.section, "population": population, "paramcd": paramcd}
            for category in CATEGORIES:
                n = int((best == category).sum())
                share = n / len(subjects) if len(subjects) else REASON_NO_PATIENT
                stats: dict[str, ard.type_of_stat] = {"n": n, "N": len(subjects), "estimate": share}
                if not is_known:
                    stats |= dict.fromkeys(("n", "estimate"), NOT_IN_DATA[paramcd])
                method = "Distinct patients"
                parts.append(
                    ard.rows(stats, analysis="bor", level=category, method=method, **where)
                )
            for level, categories in (
                ("objective_response", RESPONSE),
                ("disease_control", CONTROL),
            ):
                n = int(best.isin(categories).sum())
                stats = rate(n, len(subjects), plan.intervals.conf_level)
                if not is_known:
                    names = ("n", "estimate", "conf_low", "conf_high")
                    stats |= dict.fromkeys(names, NOT_IN_DATA[paramcd])
                parts.append(
                    ard.rows(
                        stats,
                        analysis="tumour_response",
                        level=level,
                        method="Clopper-Pearson",
                        **where,
                    )
                )
    return parts


def _over_limit(
    subjects: pd.DataFrame, adrs: pd.DataFrame, plan: Plan, population: str
) -> pd.DataFrame:
    of_subjects = adrs[(adrs["PARAMCD"] == "TARGLIM") & adrs["USUBJID"].isin(subjects["USUBJID"])]
    known = of_subjects[of_subjects["AVALC"] != "NE"]
    stats: dict[str, ard.type_of_stat] = {"n": int((known["AVALC"] == "Y").sum()), "N": len(known)}
    if not _in_the_data(adrs, "TARGLIM"):
        stats["n"] = NOT_IN_DATA["TUMBEST"]
    return ard.rows(
        stats,
        analysis="tumour_response",
        section=plan.tumour.section,
        population=population,
        paramcd="TARGLIM",
        level="targets_over_limit",
        method="Distinct patients",
    )


@makes("tumour_change")
def tumour_change(adsl: pd.DataFrame, adrs: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """The best percent change of the target sum, of patients with a target lesion and an assessment."""
    parts = []
    results = adrs[adrs["PARAMCD"] == "TUMBEST"].set_index("USUBJID")["AVAL"]
    for population in POPULATIONS:
        subjects = _treated(adsl, population)
        stats = {"N": len(subjects)} | summary(subjects["USUBJID"].map(results).astype(float))
        if not _in_the_data(adrs, "TUMBEST"):
            names = [name for name in stats if name not in ("N", "n_missing")]
            stats |= dict.fromkeys(names, NOT_IN_DATA["TUMBEST"])
        parts.append(
            ard.rows(
                stats,
                analysis="tumour_change",
                section=plan.tumour.section,
                population=population,
                paramcd="TUMBEST",
                method="Descriptive",
            )
        )
    return parts


@makes("tumour_agreement")
def agreement(
    adsl: pd.DataFrame, adrs: pd.DataFrame, adtr: pd.DataFrame, plan: Plan
) -> list[pd.DataFrame]:
    """Assessments of treated patients: derived overall response (LEVEL) by the investigator's (SUBLEVEL).

    PARAMCD OVRLRESP counts assessments; AGREE those with both responses that are the same; REASON
    (LEVEL) those that are not, by the reason. SUMDIAM: of the assessments with a recorded and a derived
    sum of diameters, those where they differ.
    """
    subjects = members(adsl, "SAFETY")
    points = adrs[(adrs["PARAMCD"] == "OVRLRESP") & adrs["USUBJID"].isin(subjects["USUBJID"])]
    points = points[points["COURSE"] == "STUDY"] if len(points) else points
    parts = []

    def row(
        stats: dict[str, ard.type_of_stat], paramcd: str, level: str = "", sub: str = ""
    ) -> None:
        parts.append(
            ard.rows(
                stats,
                analysis="tumour_agreement",
                section=plan.tumour.section,
                population="SAFETY",
                paramcd=paramcd,
                level=level,
                sublevel=sub,
                method="Assessments",
            )
        )

    if points.empty:
        row({"n": NOT_IN_DATA["BOR"], "estimate": NOT_IN_DATA["BOR"]}, "AGREE")
        return parts
    investigator = points["INVRESP"].replace("", "not_reported")
    pairs = pd.Series(list(zip(points["AVALC"], investigator, strict=True)))
    for pair in sorted(set(pairs)):
        row({"n": int((pairs == pair).sum())}, "OVRLRESP", *pair)
    both = points[points["INVRESP"] != ""]
    same = int((both["AVALC"] == both["INVRESP"]).sum())
    share = same / len(both) if len(both) else NotEstimable("no response of the evaluator")
    row({"n": same, "N": len(both), "estimate": share}, "AGREE")
    for reason, n in (
        points.loc[points["DISREAS"] != "", "DISREAS"].value_counts().sort_index().items()
    ):
        row({"n": int(n), "N": len(points)}, "REASON", str(reason))
    sums = adtr[(adtr["PARAMCD"] == "SUMDIAM") & adtr["USUBJID"].isin(subjects["USUBJID"])]
    compared = sums[(sums["COURSE"] == "STUDY") & sums["SUMDIFFL"].isin(("Y", "N"))]
    if len(compared):
        row({"n": int((compared["SUMDIFFL"] == "Y").sum()), "N": len(compared)}, "SUMDIAM")
    return parts


def rows(
    *, adsl: pd.DataFrame, adtr: pd.DataFrame, adrs: pd.DataFrame, plan: Plan
) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *objective_response(adsl, adrs, plan),
        *best_response(adsl, adrs, plan),
        *tumour_change(adsl, adrs, plan),
        *agreement(adsl, adrs, adtr, plan),
    ]
