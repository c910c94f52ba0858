"""ADVS: vital signs and body weight of treated patients, with baseline and change."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from sap.derivations.dates import full_day, time_of_day
from sap.plan.model import Safety

Tables = Mapping[str, pd.DataFrame]

TESTS = ("SYSBP", "DIABP", "PULSE", "TEMP", "WEIGHT")
_KEY = ["USUBJID", "VSTESTCD"]


def advs(tables: Tables, adsl: pd.DataFrame, window: Safety) -> pd.DataFrame:
    """Blood pressure, pulse, temperature and weight of treated patients.

    A value is a number on a known day (VSSTRESN), in the standard unit of its test.

    1. Baseline: the last value on or before the day of the first dose (of a day: the later time, then
       the higher VSSEQ), however long before.
    2. On treatment: after the day of the first dose, to `safety.days_after_last_dose` days after the
       last dose.
    3. Of several values on treatment at one visit, the last counts (ANL01FL). The change is from the
       baseline; without a baseline it is missing.
    """
    names = ["USUBJID", "VSSEQ", "VSTESTCD", "VSSTRESN", "VSSTRESU", "VISIT", "VSDTC"]
    vs = tables.get("vs", pd.DataFrame()).reindex(columns=names)
    treated = adsl.loc[adsl["NCYCLES"] > 0, "USUBJID"]
    vs = vs[vs["VSTESTCD"].isin(TESTS) & vs["USUBJID"].isin(treated)]
    vs = vs.assign(
        AVAL=vs["VSSTRESN"].astype(float),
        ADT=full_day(vs["VSDTC"]),
        TIME=time_of_day(vs["VSDTC"]).fillna(""),
    )
    vs = vs[vs["AVAL"].notna() & vs["ADT"].notna()]
    vs = vs.sort_values([*_KEY, "ADT", "TIME", "VSSEQ"], kind="stable", ignore_index=True)
    subject = adsl.set_index("USUBJID")
    first = pd.to_datetime(vs["USUBJID"].map(subject["TRTSDT"]))
    last = pd.to_datetime(vs["USUBJID"].map(subject["TRTEDT"]))
    baseline = vs[vs["ADT"] <= first].drop_duplicates(_KEY, keep="last")
    base = vs[_KEY].merge(baseline[[*_KEY, "AVAL"]], on=_KEY, how="left")["AVAL"]
    until = last + pd.to_timedelta(window.days_after_last_dose, unit="D")
    on = (vs["ADT"] > first) & (vs["ADT"] <= until)
    counted = vs[on].drop_duplicates([*_KEY, "VISIT"], keep="last").index
    return pd.DataFrame(
        {
            "STUDYID": vs["USUBJID"].map(subject["STUDYID"]),
            "USUBJID": vs["USUBJID"],
            "PARAMCD": vs["VSTESTCD"],
            "AVISIT": vs["VISIT"],
            "ADT": vs["ADT"],
            "AVAL": vs["AVAL"],
            "AVALU": vs["VSSTRESU"],
            "BASE": base,
            "CHG": vs["AVAL"] - base,
            "ABLFL": np.where(vs.index.isin(baseline.index), "Y", ""),
            "ONTRTFL": np.where(on, "Y", ""),
            "ANL01FL": np.where(vs.index.isin(counted), "Y", ""),
            "VSSEQ": vs["VSSEQ"],
        }
    )
