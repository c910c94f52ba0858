"""How current the data are, in numbers."""

import pandas as pd

from sap import ard
from sap.plan.model import Plan
from sap.results.provenance import makes
from sap.results.rates import REASON_NO_PATIENT, summary

FOLLOWED = ("ON TREATMENT", "FOLLOW-UP")
GONE = {"DEAD": "NO LONGER FOLLOWED", "ENDED": "NO LONGER FOLLOWED"}


@makes("data_currency")
def currency(adcur: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Days from the last contact to the cut-off of patients still followed, patients overdue, PSA missing.

    1. PARAMCD DAYS, LEVEL "On treatment", "Follow-up" and "All followed": summary of the days,
       `n_late` patients overdue of N.
    2. PARAMCD RESULTS: `n` infusions with a PSA result of `N` where one was due, `n_missing` without.
    3. PARAMCD STATUS: `n` patients on treatment, in follow-up, not followed, no longer followed. The
       dead are not told apart here: this table may go to those who must not see survival.
    """
    where = {
        "analysis": "data_currency",
        "section": plan.cut_offs.section,
        "population": "SCREENED",
        "method": "Days between calendar dates",
    }
    parts = []
    groups = {"On treatment": FOLLOWED[:1], "Follow-up": FOLLOWED[1:], "All followed": FOLLOWED}
    for level, states in groups.items():
        mine = adcur[adcur["STATUS"].isin(states)]
        late = int((mine["LATEFL"] == "Y").sum())
        stats = summary(mine["DAYS"])
        stats |= {
            "N": len(mine),
            "n_late": late,
            "estimate": late / len(mine) if len(mine) else REASON_NO_PATIENT,
        }
        parts.append(ard.rows(stats, paramcd="DAYS", level=level, **where))
    due, missed = int(adcur["PSAEXP"].sum()), int(adcur["PSAMISS"].sum())
    psa: dict[str, ard.type_of_stat] = {
        "n": due - missed,
        "N": due,
        "n_missing": missed,
        "estimate": (due - missed) / due if due else REASON_NO_PATIENT,
    }
    parts.append(ard.rows(psa, paramcd="RESULTS", **where))
    for status, n in adcur["STATUS"].replace(GONE).value_counts().sort_index().items():
        words: dict[str, ard.type_of_stat] = {"n": int(n), "N": len(adcur)}
        parts.append(ard.rows(words, paramcd="STATUS", level=str(status).capitalize(), **where))
    return parts


def rows(*, adcur: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *currency(adcur, plan),
    ]
