"""Timeliness of the data at the cut-off."""

import pandas as pd

from sap import ard
from sap.plan.model import Plan
from sap.results.provenance import makes
from sap.results.rates import REASON_NO_PATIENT, summary

FOLLOWED = ("ON TREATMENT", "FOLLOW-UP")
# Each LEVEL of the patients in follow-up, and its values of STATUS in ADCUR.
GROUPS = {"on_treatment": FOLLOWED[:1], "follow_up": FOLLOWED[1:], "all_followed": FOLLOWED}
# Each value of STATUS in ADCUR, and its LEVEL.
STATUSES = {
    "ON TREATMENT": "on_treatment",
    "FOLLOW-UP": "follow_up",
    "NOT FOLLOWED": "not_followed",
    "DEAD": "no_longer_followed",
    "ENDED": "no_longer_followed",
}


@makes("data_timeliness")
def data_timeliness(adcur: pd.DataFrame, adsl: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Days from the last contact to the cut-off of patients in follow-up, patients overdue, PSA missing.

    1. PARAMCD DAYS, LEVEL `on_treatment`, `follow_up` and `all_followed`: summary of the days,
       `n_late` patients overdue of N. `follow_up_treated` and `follow_up_untreated` are the patients of
       `follow_up` with and without a cycle of study treatment (NCYCLES of ADSL).
    2. PARAMCD RESULTS: `n` infusions with a PSA result of `N` where one was due, `n_missing` without.
    3. PARAMCD STATUS: `n` patients on treatment, in follow-up, not followed, no longer followed. Deaths
       are not a level of their own: this table may go to readers who must not see survival.
    """
    where = {
        "analysis": "data_timeliness",
        "section": plan.cut_offs.section,
        "population": "SCREENED",
        "method": "Days between calendar dates",
    }
    parts = []
    treated = adcur["USUBJID"].isin(adsl.loc[adsl["NCYCLES"] > 0, "USUBJID"])
    groups = {level: adcur["STATUS"].isin(statuses) for level, statuses in GROUPS.items()}
    groups |= {
        "follow_up_treated": groups["follow_up"] & treated,
        "follow_up_untreated": groups["follow_up"] & ~treated,
    }
    for level, which in groups.items():
        followed = adcur[which]
        late = int((followed["LATEFL"] == "Y").sum())
        stats = summary(followed["DAYS"])
        stats |= {
            "N": len(followed),
            "n_late": late,
            "estimate": late / len(followed) if len(followed) else REASON_NO_PATIENT,
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
    levels = adcur["STATUS"].map(STATUSES)
    for level in dict.fromkeys(STATUSES.values()):
        if n := int((levels == level).sum()):
            counts: dict[str, ard.type_of_stat] = {"n": n, "N": len(adcur)}
            parts.append(ard.rows(counts, paramcd="STATUS", level=level, **where))
    return parts


def rows(*, adcur: pd.DataFrame, adsl: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *data_timeliness(adcur, adsl, plan),
    ]
