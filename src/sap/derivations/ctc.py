"""ADCTC: circulating tumour cells and AR-V7 under study cabazitaxel."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from sap.derivations.dates import earliest_day
from sap.plan.model import AnalysisSets

Tables = Mapping[str, pd.DataFrame]

BEFORE = ("SCREENING", "RE-SCREENING")


def adctc(tables: Tables, adsl: pd.DataFrame) -> pd.DataFrame:
    """One row per evaluable count of a treated man, per 7.5 mL.

    BASE is the count of the screening that led to treatment (the re-screening for men treated
    through it). A sample is on treatment (ANL01FL = Y), the first case that applies:

    1. "": its visit is a screening.
    2. Y:  its visit is CYCLE n or END OF TREATMENT, dated or not: the visit places it.
    3. Y:  any other visit, dated after the first dose.
    4. "": everything else.
    """
    cp = tables.get("cp", pd.DataFrame()).reindex(
        columns=["USUBJID", "CPSEQ", "CPTESTCD", "CPSTRESN", "VISIT", "CPDTC"]
    )
    treated = adsl[adsl["NCYCLES"] > 0].set_index("USUBJID")
    cp = cp[(cp["CPTESTCD"] == "CTC") & cp["CPSTRESN"].notna() & cp["USUBJID"].isin(treated.index)]
    who = cp["USUBJID"]
    again = who.map(treated["RESCTRFL"]) == "Y"
    day = earliest_day(cp["CPDTC"])
    visit = cp["VISIT"].fillna("")
    case = np.select(
        [
            visit.isin(BEFORE),
            visit.str.startswith("CYCLE") | (visit == "END OF TREATMENT"),
            day > who.map(treated["TRTSDT"]),
        ],
        [1, 2, 3],
        default=4,
    )
    found = pd.DataFrame(
        {
            "USUBJID": who,
            "PARAMCD": "CTC",
            "AVISIT": visit,
            "ADT": day,
            "AVAL": cp["CPSTRESN"],
            "BASE": who.map(treated["RESCCTC"]).where(again, who.map(treated["CTCBL"])),
            "ANL01FL": np.where(np.isin(case, (2, 3)), "Y", ""),
            "ANL01CAS": case,
            "CPSEQ": cp["CPSEQ"],
        }
    )
    return found.sort_values(["USUBJID", "ADT", "CPSEQ"], kind="stable", ignore_index=True)


def ctc_response(adsl: pd.DataFrame, adctc: pd.DataFrame, rule: AnalysisSets) -> pd.DataFrame:
    """Whether the count fell from the plan's minimum or above to below it, for every treated man.

    1. NE: no baseline count, or one below the minimum.
    2. NE: no count on treatment (in the set where missing is failure, it counts as N).
    3. Y:  any count on treatment below the minimum.
    4. N:  everyone else.
    """
    treated = adsl[adsl["NCYCLES"] > 0]
    who = treated["USUBJID"]
    on = adctc[adctc["ANL01FL"] == "Y"]
    base = treated["RESCCTC"].where(treated["RESCTRFL"] == "Y", treated["CTCBL"])
    low = on.loc[on["AVAL"] < rule.ctc_baseline_minimum, "USUBJID"]
    case = np.select(
        [
            ~(base >= rule.ctc_baseline_minimum),
            ~who.isin(on["USUBJID"]),
            who.isin(low),
        ],
        [1, 2, 3],
        default=4,
    )
    return pd.DataFrame(
        {
            "STUDYID": treated["STUDYID"],
            "USUBJID": who,
            "PARAMCD": "CTCRESP",
            "PARAM": "CTC response",
            "AVALC": np.select([case <= 2, case == 3], ["NE", "Y"], default="N"),
            "CASE": case,
        }
    ).reset_index(drop=True)
