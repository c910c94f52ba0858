"""Whose PSA response can still come: what a data cut before the end of a trial leaves open."""

import datetime as dt
from collections.abc import Mapping

import numpy as np
import pandas as pd

from sap.derivations.response import new_therapy
from sap.plan.model import PsaResponse

Tables = Mapping[str, pd.DataFrame]


def pending(
    tables: Tables, adsl: pd.DataFrame, adrs: pd.DataFrame, rule: PsaResponse, cut_off: dt.date
) -> pd.DataFrame:
    """Whether a value after the cut-off can still make a responder, for every treated patient.

    The first case that applies decides:

    1. N: there is a confirmed response.
    2. N: no baseline, or a baseline of 0: no percent change can ever exist.
    3. N: death, or a new anticancer therapy where `stop_at_new_therapy` is yes.
    4. N: treatment ended and the cut-off lies more than `days_after_last_cycle` days after the
       last cycle.
    5. Y: a fall came in time and awaits its confirmation.
    6. Y: no such fall yet, and the limit of `first_fall_within_days` days is not passed.
    7. N: everything else.

    Where the next value must confirm, case 5 may call a response pending whose next value has
    failed already; the bounds over pending responses stay bounds.
    """
    treated = adsl[adsl["NCYCLES"] > 0].reset_index(drop=True)
    who, cut = treated["USUBJID"], pd.Timestamp(cut_off)

    def answers(paramcd: str) -> pd.DataFrame:
        return adrs[adrs["PARAMCD"] == paramcd].set_index("USUBJID")

    response = answers("PSARESP")
    fell = who.map(answers("PSARESPU")["AVALC"]) == "Y"
    therapy = who.map(new_therapy(tables, adsl)).notna() & rule.stop_at_new_therapy
    window = pd.to_timedelta(rule.days_after_last_cycle, unit="D")
    ended = treated["DCTREAS"].notna() & (treated["TRTEDT"] + window < cut)
    limit = rule.first_fall_within_days
    in_time = (
        pd.Series(True, who.index)
        if limit is None
        else treated["TRTSDT"] + pd.to_timedelta(limit, unit="D") > cut
    )
    case = np.select(
        [
            who.map(response["AVALC"]) == "Y",
            who.map(response["CASE"]) == 1,
            treated["DTHDT"].notna() | therapy,
            ended,
            fell,
            in_time,
        ],
        [1, 2, 3, 4, 5, 6],
        default=7,
    )
    return pd.DataFrame(
        {
            "STUDYID": treated["STUDYID"],
            "USUBJID": who,
            "PARAMCD": "PSAPEND",
            "PARAM": "A confirmed PSA response can still come",
            "AVALC": np.where(np.isin(case, (5, 6)), "Y", "N"),
            "CASE": case,
        }
    )
