"""Tumour response: best overall response, its rate, and agreement with the investigator."""

import pandas as pd

from sap import ard
from sap.ard import NotEstimable
from sap.plan.model import Plan
from sap.results.provenance import makes
from sap.results.rates import REASON_NO_PATIENT, rate, summary
from sap.results.sets import members

CATEGORIES = ("CR", "PR", "SD", "NON-CR/NON-PD", "PD", "NE")
RESPONSE = ("CR", "PR")
CONTROL = ("CR", "PR", "SD", "NON-CR/NON-PD")
ABSENT = {
    "BOR": NotEstimable("not in the data: no dated tumour assessment"),
    "BORC": NotEstimable("not in the data: no dated tumour assessment"),
    "BORINV": NotEstimable("not in the data: no best response of the investigator"),
    "TUMBEST": NotEstimable("not in the data: no target lesion"),
}
POPULATIONS = ("PRIMARY", "RESCREENED")


@makes("objective_response", "objective_response_unconfirmed")
def objective_response(adsl: pd.DataFrame, adrs: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Objective response: a complete or partial best overall response, with its exact interval.

    `objective_response` is confirmed (BORC), `objective_response_unconfirmed` not (BOR). MEASURABLE, the
    patients who could respond, comes first; PRIMARY has every patient of the primary set. A patient
    without an assessment is no responder.
    """
    parts = []
    for analysis, paramcd in (
        ("objective_response", "BORC"),
        ("objective_response_unconfirmed", "BOR"),
    ):
        answers = adrs[adrs["PARAMCD"] == paramcd].set_index("USUBJID")["AVALC"]
        for population in ("MEASURABLE", "PRIMARY"):
            people = members(adsl, population)
            n = int(people["USUBJID"].map(answers).isin(RESPONSE).sum())
            stats = rate(n, len(people), plan.intervals.conf_level)
            if not _in_the_data(adrs, paramcd):
                names = ("n", "estimate", "conf_low", "conf_high")
                stats |= dict.fromkeys(names, ABSENT[paramcd])
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
    people = members(adsl, population)
    return people[people["NCYCLES"] > 0]


def _in_the_data(adrs: pd.DataFrame, paramcd: str) -> bool:
    """Whether anybody has the answer's source: a dated assessment, or an answer that is not NE."""
    if paramcd in ("BOR", "BORC"):
        return bool(((adrs["PARAMCD"] == "OVRLRESP") & (adrs["COURSE"] == "STUDY")).any())
    return bool(((adrs["PARAMCD"] == paramcd) & (adrs["AVALC"] != "NE")).any())


@makes("bor", "tumour_response")
def best_response(adsl: pd.DataFrame, adrs: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Best overall response by category (`bor`), and response and control rates (`tumour_response`).

    PARAMCD BOR is unconfirmed, BORC confirmed, BORINV the investigator's own. Every treated patient of
    the set is in the denominator; a patient without an assessment is NE. TARGLIM counts, of the patients
    with a target that was assessed, those with more targets than the criteria allow.
    """
    parts = []
    for population in POPULATIONS:
        people = _treated(adsl, population)
        parts.append(_over_limit(people, adrs, plan, population))
        for paramcd in ("BOR", "BORC", "BORINV"):
            answers = adrs[adrs["PARAMCD"] == paramcd].set_index("USUBJID")["AVALC"]
            best = people["USUBJID"].map(answers).fillna("NE")
            there = _in_the_data(adrs, paramcd)
            where = {"section": plan.tumour.section, "population": population, "paramcd": paramcd}
            for category in CATEGORIES:
                n = int((best == category).sum())
                share = n / len(people) if len(people) else REASON_NO_PATIENT
                stats: dict[str, ard.type_of_stat] = {"n": n, "N": len(people), "estimate": share}
                if not there:
                    stats |= dict.fromkeys(("n", "estimate"), ABSENT[paramcd])
                method = "Distinct patients"
                parts.append(
                    ard.rows(stats, analysis="bor", level=category, method=method, **where)
                )
            for level, wanted in (("CR or PR", RESPONSE), ("At least SD", CONTROL)):
                n = int(best.isin(wanted).sum())
                stats = rate(n, len(people), plan.intervals.conf_level)
                if not there:
                    names = ("n", "estimate", "conf_low", "conf_high")
                    stats |= dict.fromkeys(names, ABSENT[paramcd])
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
    people: pd.DataFrame, adrs: pd.DataFrame, plan: Plan, population: str
) -> pd.DataFrame:
    asked = adrs[(adrs["PARAMCD"] == "TARGLIM") & adrs["USUBJID"].isin(people["USUBJID"])]
    known = asked[asked["AVALC"] != "NE"]
    stats: dict[str, ard.type_of_stat] = {"n": int((known["AVALC"] == "Y").sum()), "N": len(known)}
    if not _in_the_data(adrs, "TARGLIM"):
        stats["n"] = ABSENT["TUMBEST"]
    return ard.rows(
        stats,
        analysis="tumour_response",
        section=plan.tumour.section,
        population=population,
        paramcd="TARGLIM",
        level="More targets than the criteria allow",
        method="Distinct patients",
    )


@makes("tumour_change")
def tumour_change(adsl: pd.DataFrame, adrs: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """The best percent change of the target sum, of patients who had a target and an assessment."""
    parts = []
    answers = adrs[adrs["PARAMCD"] == "TUMBEST"].set_index("USUBJID")["AVAL"]
    for population in POPULATIONS:
        people = _treated(adsl, population)
        stats = {"N": len(people)} | summary(people["USUBJID"].map(answers).astype(float))
        if not _in_the_data(adrs, "TUMBEST"):
            names = [name for name in stats if name not in ("N", "n_missing")]
            stats |= dict.fromkeys(names, ABSENT["TUMBEST"])
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
    """Assessments of treated patients: our overall answer (LEVEL) by the investigator's (SUBLEVEL).

    PARAMCD OVRLRESP counts assessments; AGREE the assessments with both answers that agree;
    REASON why the others do not. SUMDIAM: of the assessments with a recorded sum of diameters and ours,
    those where they differ.
    """
    people = members(adsl, "SAFETY")
    points = adrs[(adrs["PARAMCD"] == "OVRLRESP") & adrs["USUBJID"].isin(people["USUBJID"])]
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
        row({"n": ABSENT["BOR"], "estimate": ABSENT["BOR"]}, "AGREE")
        return parts
    given = points["INVRESP"].replace("", "Not given")
    pairs = pd.Series(list(zip(points["AVALC"], given, strict=True)))
    for ours, theirs in sorted(set(pairs)):
        row({"n": int((pairs == (ours, theirs)).sum())}, "OVRLRESP", ours, theirs)
    both = points[points["INVRESP"] != ""]
    same = int((both["AVALC"] == both["INVRESP"]).sum())
    share = same / len(both) if len(both) else NotEstimable("no answer of the investigator")
    row({"n": same, "N": len(both), "estimate": share}, "AGREE")
    for reason, n in (
        points.loc[points["DISREAS"] != "", "DISREAS"].value_counts().sort_index().items()
    ):
        row({"n": int(n), "N": len(points)}, "REASON", str(reason))
    sums = adtr[(adtr["PARAMCD"] == "SUMDIAM") & adtr["USUBJID"].isin(people["USUBJID"])]
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
