"""Interim data cut-offs: the day of one planned by number, and patients whose PSA response is still pending."""

import datetime as dt
from collections.abc import Mapping

import numpy as np
import pandas as pd

from sap.derivations.population import adsl as subjects_of
from sap.derivations.response import new_therapy
from sap.derivations.standard import standard
from sap.plan.entry import stated
from sap.plan.model import Plan, PsaResponse

Tables = Mapping[str, pd.DataFrame]


def day_of_number(tables: Tables, plan: Plan, name: str) -> dt.date | None:
    """The day of a cut-off that the SAP plans by a number of patients, determined from the data.

    Only of a cut-off without a date (`cut_offs.dates`).

    1. The patients are those of PRIMFL with a day of their first dose, in the order of that day.
    2. The day is the planned number of weeks of 7 days after the first dose of the patient with the planned
       number.
    3. With fewer patients there is no such day.
    """
    rule = plan.cut_offs.dates[name]
    number, weeks = stated(rule.after_patients), stated(rule.weeks)
    subjects = subjects_of(standard(tables, plan), plan)
    first = subjects.loc[subjects["PRIMFL"] == "Y", "TRTSDT"].dropna().sort_values()
    if len(first) < number:
        return None
    day: pd.Timestamp = first.iloc[number - 1] + pd.Timedelta(weeks=weeks)
    return day.date()


def pending(
    tables: Tables, adsl: pd.DataFrame, adrs: pd.DataFrame, rule: PsaResponse, cut_off: dt.date
) -> pd.DataFrame:
    """Whether a value after the data cut-off can still make a treated patient a responder.

    The first case that applies decides:

    1. N: confirmed response.
    2. N: no baseline, or a baseline of 0: no percent change is defined.
    3. N: death, or a new anticancer therapy where `stop_at_new_therapy` is yes.
    4. N: treatment ended and the cut-off is more than `days_after_last_cycle` days after the
       last infusion.
    5. Y: a decline within the time limit that is not confirmed yet.
    6. Y: no such decline yet, and the limit of `first_fall_within_days` days has not passed.
    7. N: all others.

    Where the next value decides on confirmation, case 5 may include a response whose next value
    has already failed to confirm it; the bounds over pending responses remain valid.
    """
    treated = adsl[adsl["NCYCLES"] > 0].reset_index(drop=True)
    usubjid, cut = treated["USUBJID"], pd.Timestamp(cut_off)

    def by_subject(paramcd: str) -> pd.DataFrame:
        return adrs[adrs["PARAMCD"] == paramcd].set_index("USUBJID")

    response = by_subject("PSARESP")
    declined = usubjid.map(by_subject("PSARESPU")["AVALC"]) == "Y"
    therapy = usubjid.map(new_therapy(tables, adsl)).notna() & rule.stop_at_new_therapy
    window = pd.to_timedelta(rule.days_after_last_cycle, unit="D")
    ended = treated["DCTREAS"].notna() & (treated["TRTEDT"] + window < cut)
    limit = rule.first_fall_within_days
    in_time = (
        pd.Series(True, usubjid.index)
        if limit is None
        else treated["TRTSDT"] + pd.to_timedelta(limit, unit="D") > cut
    )
    case = np.select(
        [
            usubjid.map(response["AVALC"]) == "Y",
            usubjid.map(response["CASE"]) == 1,
            treated["DTHDT"].notna() | therapy,
            ended,
            declined,
            in_time,
        ],
        [1, 2, 3, 4, 5, 6],
        default=7,
    )
    return pd.DataFrame(
        {
            "STUDYID": treated["STUDYID"],
            "USUBJID": usubjid,
            "PARAMCD": "PSAPEND",
            "AVALC": np.where(np.isin(case, (5, 6)), "Y", "N"),
            "CASE": case,
        }
    )
