"""Intercurrent events of the primary estimand, and the response under another strategy for them."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from sap.derivations.response import adpsa, new_therapy, psa_response
from sap.plan.model import PsaResponse

Tables = Mapping[str, pd.DataFrame]

PARAMS = {
    "ICETOX": "Stopped for toxicity before a response",
    "ICETHER": "New anticancer therapy before a response",
    "ICEDTH": "Died before a response, while values still counted",
    "ICEMISS": "PSA missing: no baseline or no value that counts",
    "ICEPEND": "Fall never confirmed because no later value counts",
    "PSARSPTP": "Confirmed PSA response, values under new therapy counted",
}


def estimand(
    tables: Tables, adsl: pd.DataFrame, course: pd.DataFrame, adrs: pd.DataFrame, rule: PsaResponse
) -> pd.DataFrame:
    """Which intercurrent events each treated patient had before a confirmed response (E9(R1), A.3).

    With C the day that confirmed the response, no C without one, and L the day
    `psa_response.days_after_last_cycle` days after the last cycle, the last day whose value can
    count, an event is Y when

    1. Toxicity (ICETOX): treatment ended for an adverse event, and no C is on or before that day.
    2. New therapy (ICETHER): a new anticancer therapy began on or before L, and no C is before
       that day. A therapy that began later cannot have changed the answer.
    3. Death (ICEDTH): on or before L, and there is no C.
    4. Missing PSA (ICEMISS): the response is NE.
    5. Pending (ICEPEND): PSA fell far enough in time, there is no C, and no value that counts lies
       `psa_response.confirm_after_days` less `psa_response.confirm_tolerance_days` days or more
       after the first such fall.

    and N else. In the primary analysis all five mean no response (composite strategy). PSARSPTP is
    the response with values under new therapy counted (treatment policy).
    """
    treated = adsl[adsl["NCYCLES"] > 0].reset_index(drop=True)
    who = treated["USUBJID"]
    main = adrs[adrs["PARAMCD"] == "PSARESP"].set_index("USUBJID")
    confirmed = who.map(main["CONFDT"])
    therapy = who.map(new_therapy(tables, adsl))
    toxic = treated["DCTREAS"] == "ADVERSE EVENT"
    last = treated["TRTEDT"] + pd.to_timedelta(rule.days_after_last_cycle, unit="D")
    answer = who.map(main["AVALC"])

    first_fall = who.map(adrs[adrs["PARAMCD"] == "PSARESPU"].set_index("USUBJID")["ADT"])
    counted = course[course["ANL01FL"] == "Y"].groupby("USUBJID")["ADT"].max()
    wait = max(rule.confirm_after_days - rule.confirm_tolerance_days, 1)
    far_enough = first_fall + pd.to_timedelta(wait, unit="D")
    events = {
        "ICETOX": toxic & ~(confirmed <= treated["DCTDT"]),
        "ICETHER": (therapy <= last) & ~(confirmed < therapy),
        "ICEDTH": (treated["DTHDT"] <= last) & confirmed.isna(),
        "ICEMISS": answer == "NE",
        "ICEPEND": (answer == "N") & first_fall.notna() & ~(who.map(counted) >= far_enough),
    }
    parts = [
        pd.DataFrame(
            {
                "STUDYID": treated["STUDYID"],
                "USUBJID": who,
                "PARAMCD": name,
                "AVALC": np.where(happened, "Y", "N"),
                "CASE": number,
            }
        )
        for number, (name, happened) in enumerate(events.items(), start=1)
    ]
    policy = rule.model_copy(update={"stop_at_new_therapy": False})
    open_course = adpsa(tables, adsl, policy)
    whole = psa_response(adsl, open_course, policy, confirm_after_days=rule.confirm_after_days)
    parts.append(whole.assign(PARAMCD="PSARSPTP"))
    found = pd.concat(parts, ignore_index=True)
    return found.assign(PARAM=found["PARAMCD"].map(PARAMS))
