"""CTC response under study cabazitaxel."""

import pandas as pd

from sap import ard
from sap.plan.model import Plan
from sap.results.response import rate
from sap.results.sets import members


def ctc_response(adsl: pd.DataFrame, adrs: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Responders of the evaluable, and of everybody with a high count, where missing is failure."""
    answers = adrs[adrs["PARAMCD"] == "CTCRESP"].set_index("USUBJID")["AVALC"]
    parts = []
    for population in ("CTCEVAL", "PRIMARY"):
        people = members(adsl, population)
        responders = int((people["USUBJID"].map(answers) == "Y").sum())
        parts.append(
            ard.rows(
                rate(responders, len(people), plan.intervals.conf_level),
                analysis="ctc_response",
                section=plan.analysis_sets.section,
                population=population,
                paramcd="CTCRESP",
                method="Clopper-Pearson",
            )
        )
    return parts
