"""ADTTE: times from an origin to an event, or to the last day without it, with the reason kept."""

import numpy as np
import pandas as pd

from sap.plan.model import Survival

ORIGINS = {
    "screening": ("RFICDT", "Consent to screening"),
    "allocation": ("ALLOCDT", "Allocation"),
    "first dose": ("TRTSDT", "First dose of study cabazitaxel"),
    "re-screening allocation": ("RESALLDT", "Allocation after re-screening"),
}


def _overall(adsl: pd.DataFrame, origin: str, paramcd: str, param: str) -> pd.DataFrame:
    column, words = ORIGINS[origin]
    known = adsl[adsl[column].notna()]
    start = known[column]
    died = known["DTHDT"].notna()
    seen = known["LSTALVDT"] > start
    case = np.select([died, seen], [1, 2], default=3)
    end = known["DTHDT"].where(died, known["LSTALVDT"].where(seen, start))
    return pd.DataFrame(
        {
            "STUDYID": known["STUDYID"],
            "USUBJID": known["USUBJID"],
            "PARAMCD": paramcd,
            "PARAM": f"{param} from {words[0].lower()}{words[1:]} (days)",
            "STARTDT": start,
            "ADT": end,
            "AVAL": (end - start).dt.days.astype(float),
            "AVALU": "DAYS",
            "CNSR": np.where(died, 0, 1),
            "EVNTDESC": np.where(died, "DEATH", ""),
            "CNSDTDSC": np.select(
                [case == 2, case == 3], ["LAST KNOWN ALIVE", "NO FOLLOW-UP AFTER ORIGIN"], default=""
            ),
            "SRCDOM": np.where(died, "DM", "ADSL"),
            "SRCVAR": np.where(died, "DTHDTC", "LSTALVDT"),
            "SRCSEQ": np.nan,
            "CASE": case,
        }
    )


def adtte(adsl: pd.DataFrame, rule: Survival) -> pd.DataFrame:
    """Overall survival of everybody who has the plan's origin.

    AVAL is ADT - STARTDT in days (no day is added); the first case that applies decides:

    1. Event (CNSR 0): the man died; ADT is the day of death.
    2. Censored (CNSR 1): ADT is the last day he is known to be alive, LAST KNOWN ALIVE.
    3. Censored at the origin: nothing shows him alive later, NO FOLLOW-UP AFTER ORIGIN.

    The cut-off needs no case: a frozen cut holds nothing behind it. PARAMCD OS counts from the
    plan's origin; OSRE, for men treated after re-screening, from their second allocation.
    """
    parts = [_overall(adsl, rule.os_origin, "OS", "Overall survival")]
    again = adsl[adsl["RESCTRFL"] == "Y"]
    parts.append(_overall(again, "re-screening allocation", "OSRE", "Overall survival"))
    return pd.concat([p for p in parts if len(p)] or parts[:1], ignore_index=True)
