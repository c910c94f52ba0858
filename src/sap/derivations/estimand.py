"""Intercurrent events of the primary estimand, and the response under the treatment-policy strategy."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from sap.derivations.response import adpsa, new_therapy, psa_response
from sap.plan.model import PsaResponse

Tables = Mapping[str, pd.DataFrame]


def estimand(
    tables: Tables, adsl: pd.DataFrame, course: pd.DataFrame, adrs: pd.DataFrame, rule: PsaResponse
) -> pd.DataFrame:
    """Intercurrent events of each treated patient before a confirmed response (E9(R1), A.3).

    C is the day of the confirmation of the response (a patient without a response has no C). L is
    the day `psa_response.days_after_last_cycle` days after the last infusion, the last day whose value
    can count. An event is Y when

    1. Toxicity (ICETOX): treatment ended for an adverse event, and no C is on or before that day.
    2. New therapy (ICETHER): a new anticancer therapy began on or before L, and no C is before
       that day. A therapy that began later cannot change the response.
    3. Death (ICEDTH): on or before L, and there is no C.
    4. Missing PSA (ICEMISS): the response is NE.
    5. Pending (ICEPEND): an unconfirmed decline within the time limit, no C, and no value that
       counts at least `psa_response.confirm_after_days` less `psa_response.confirm_tolerance_days`
       days after the first such decline.
    6. End of treatment (ICESTOP): study treatment ended, of any reason, and no C is on or before that
       day. Values up to L still count (while-on-treatment strategy).

    and N otherwise. Cases 2 and 3 mean no response in the primary analysis (composite strategy), as do
    the missing values of 4 and 5, which are no intercurrent events. PSARSPTP is the response with
    values under new therapy counted (treatment policy).
    """
    treated = adsl[adsl["NCYCLES"] > 0].reset_index(drop=True)
    usubjid = treated["USUBJID"]
    main = adrs[adrs["PARAMCD"] == "PSARESP"].set_index("USUBJID")
    confirmed = usubjid.map(main["CONFDT"])
    therapy = usubjid.map(new_therapy(tables, adsl))
    toxic = treated["DCTREAS"] == "ADVERSE EVENT"
    last = treated["TRTEDT"] + pd.to_timedelta(rule.days_after_last_cycle, unit="D")
    response = usubjid.map(main["AVALC"])

    first_decline = usubjid.map(adrs[adrs["PARAMCD"] == "PSARESPU"].set_index("USUBJID")["ADT"])
    counted = course[course["ANL01FL"] == "Y"].groupby("USUBJID")["ADT"].max()
    wait = max(rule.confirm_after_days - rule.confirm_tolerance_days, 1)
    far_enough = first_decline + pd.to_timedelta(wait, unit="D")
    events = {
        "ICETOX": toxic & ~(confirmed <= treated["DCTDT"]),
        "ICETHER": (therapy <= last) & ~(confirmed < therapy),
        "ICEDTH": (treated["DTHDT"] <= last) & confirmed.isna(),
        "ICEMISS": response == "NE",
        "ICEPEND": (response == "N")
        & first_decline.notna()
        & ~(usubjid.map(counted) >= far_enough),
        "ICESTOP": treated["DCTREAS"].notna() & ~(confirmed <= treated["DCTDT"]),
    }
    parts = [
        pd.DataFrame(
            {
                "STUDYID": treated["STUDYID"],
                "USUBJID": usubjid,
                "PARAMCD": name,
                "AVALC": np.where(happened, "Y", "N"),
                "CASE": number,
            }
        )
        for number, (name, happened) in enumerate(events.items(), start=1)
    ]
    policy = rule.model_copy(update={"stop_at_new_therapy": False})
    open_course = adpsa(tables, adsl, policy)
    treatment_policy = psa_response(
        adsl, open_course, policy, confirm_after_days=rule.confirm_after_days
    )
    parts.append(treatment_policy.assign(PARAMCD="PSARSPTP"))
    return pd.concat(parts, ignore_index=True)
