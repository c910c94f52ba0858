"""PSA progression: how many patients progressed, and the case of the definition that applied."""

import pandas as pd

from sap import ard
from sap.plan.entry import stated
from sap.plan.model import Plan
from sap.results.provenance import makes
from sap.results.rates import rate
from sap.results.sets import members

CASES = {
    1: "no_baseline",
    2: "no_post_baseline",
    3: "confirmed_after_decline",
    4: "confirmed_without_decline",
    5: "no_later_value",
    6: "not_confirmed",
    7: "early_only",
    8: "no_increase",
}


@makes("psa_progression")
def psa_progression(adsl: pd.DataFrame, adrs: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Treated patients with PSA progression, and the patients of each case of its definition (LEVEL).

    RESCREENED has patients treated through re-screening, GROUPA the treatment chosen by the physician
    (PSAPROGA). `n_missing` counts patients who cannot be evaluated (cases 1 and 2).
    """
    where = [("PRIMARY", "PSAPROG"), ("RESCREENED", "PSAPROG")]
    where += [("GROUPA", "PSAPROGA")] if plan.study.groups else []
    parts = []
    for population, paramcd in where:
        subjects = members(adsl, population)
        if paramcd == "PSAPROG":
            subjects = subjects[subjects["NCYCLES"] > 0]
        results = adrs[(adrs["PARAMCD"] == paramcd) & adrs["USUBJID"].isin(subjects["USUBJID"])]
        at = {
            "analysis": "psa_progression",
            "section": stated(plan.psa_progression).section,
            "population": population,
            "paramcd": paramcd,
        }
        total = rate(int((results["AVALC"] == "Y").sum()), len(subjects), plan.intervals.conf_level)
        total["n_missing"] = len(subjects) - int((results["AVALC"] != "NE").sum())
        parts.append(ard.rows(total, method="Clopper-Pearson", **at))
        parts += [
            ard.rows(
                {"n": int((results["CASE"] == case).sum()), "N": len(subjects)},
                level=level,
                method="Distinct patients",
                **at,
            )
            for case, level in CASES.items()
        ]
    return parts


def rows(*, adsl: pd.DataFrame, adrs: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *psa_progression(adsl, adrs, plan),
    ]
