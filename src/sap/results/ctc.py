"""CTC response, CTC decline, and marker conversion on study treatment."""

import pandas as pd

from sap import ard
from sap.plan.entry import stated
from sap.plan.model import Plan
from sap.results.provenance import makes
from sap.results.rates import rate, summary
from sap.results.sets import members, treated_of


@makes("ctc_response")
def ctc_response(adsl: pd.DataFrame, adrs: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """CTC response in the CTC-evaluable set, and in the primary set, where missing is failure."""
    responses = adrs[adrs["PARAMCD"] == "CTCRESP"].set_index("USUBJID")["AVALC"]
    parts = []
    for population in ("CTCEVAL", "PRIMARY"):
        subjects = members(adsl, population)
        responders = int((subjects["USUBJID"].map(responses) == "Y").sum())
        parts.append(
            ard.rows(
                rate(responders, len(subjects), plan.intervals.conf_level),
                analysis="ctc_response",
                section=stated(plan.ctc).section,
                population=population,
                paramcd="CTCRESP",
                method="Clopper-Pearson",
            )
        )
    return parts


@makes("ctc_course")
def ctc_course(
    adsl: pd.DataFrame, adctc: pd.DataFrame, adrs: pd.DataFrame, plan: Plan
) -> list[pd.DataFrame]:
    """Further CTC endpoints with two denominators, and the CTC count at the visit of the plan.

    GROUP `evaluable` divides by the patients with a suitable baseline and a later value,
    `missing_failure` by those with a suitable baseline.
    """
    names = ["CTC0", "CTCRVIS", *(f"CTCF{d:g}" for d in stated(plan.ctc).depths_pct), "MARKNEG"]
    parts = []
    for population in ("PRIMARY", "RESCREENED"):
        subjects = treated_of(adsl, population)
        of_treated = adrs[adrs["USUBJID"].isin(subjects["USUBJID"])]
        for name in names:
            responses = of_treated[of_treated["PARAMCD"] == name]
            yes = int((responses["AVALC"] == "Y").sum())
            denominators = {
                "evaluable": int((responses["AVALC"] != "NE").sum()),
                "missing_failure": int((responses["CASE"] > 1).sum()),
            }
            parts += [
                ard.rows(
                    rate(yes, n, plan.intervals.conf_level),
                    analysis="ctc_course",
                    section=stated(plan.ctc).section,
                    population=population,
                    group=group,
                    paramcd=name,
                    method="Clopper-Pearson",
                )
                for group, n in denominators.items()
            ]
        change = adctc[(adctc["ANL02FL"] == "Y") & adctc["USUBJID"].isin(subjects["USUBJID"])]
        for name, column in (("CTC", "AVAL"), ("CTCPCHG", "PCHG")):
            parts.append(
                ard.rows(
                    summary(change[column]),
                    analysis="ctc_course",
                    section=stated(plan.ctc).section,
                    population=population,
                    paramcd=name,
                    level=stated(plan.ctc).visit,
                    method="Descriptive",
                )
            )
    return parts


def rows(
    *, adsl: pd.DataFrame, adctc: pd.DataFrame, adrs: pd.DataFrame, plan: Plan
) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *ctc_response(adsl, adrs, plan),
        *ctc_course(adsl, adctc, adrs, plan),
    ]
