"""PSA progression: how many progressed, and by which branch of the rule."""

import pandas as pd

from sap import ard
from sap.plan.model import Plan
from sap.results.provenance import makes
from sap.results.rates import rate
from sap.results.sets import members

CASES = {
    1: "No baseline",
    2: "No value after the first dose",
    3: "Confirmed after a fall",
    4: "Confirmed without a fall",
    5: "Rise without a value that could confirm it",
    6: "Rise refuted",
    7: "Rise in the ignored time only",
    8: "No rise",
}


@makes("psa_progression")
def psa_progression(adsl: pd.DataFrame, adrs: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Patients with PSA progression of those treated, and the case that decided for each.

    RESCREENED counts patients treated through re-screening, GROUPA the course under the physician's
    choice (PSAPROGA). `n_missing` counts patients who cannot be evaluated (cases 1 and 2).
    """
    where = [("PRIMARY", "PSAPROG"), ("RESCREENED", "PSAPROG")]
    where += [("GROUPA", "PSAPROGA")] if plan.study.groups else []
    parts = []
    for population, paramcd in where:
        people = members(adsl, population)
        if paramcd == "PSAPROG":
            people = people[people["NCYCLES"] > 0]
        answers = adrs[(adrs["PARAMCD"] == paramcd) & adrs["USUBJID"].isin(people["USUBJID"])]
        at = {
            "analysis": "psa_progression",
            "section": plan.psa_progression.section,
            "population": population,
            "paramcd": paramcd,
        }
        total = rate(int((answers["AVALC"] == "Y").sum()), len(people), plan.intervals.conf_level)
        total["n_missing"] = len(people) - int((answers["AVALC"] != "NE").sum())
        parts.append(ard.rows(total, method="Clopper-Pearson", **at))
        parts += [
            ard.rows(
                {"n": int((answers["CASE"] == case).sum()), "N": len(people)},
                level=words,
                method="Distinct patients",
                **at,
            )
            for case, words in CASES.items()
        ]
    return parts


def rows(*, adsl: pd.DataFrame, adrs: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *psa_progression(adsl, adrs, plan),
    ]
