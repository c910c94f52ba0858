"""ADMH: medical history; and which therapies of ADCM are prior or concomitant."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from sap.derivations.dates import earliest_day, latest_day
from sap.plan.model import Plan

Tables = Mapping[str, pd.DataFrame]

DIAGNOSIS = ("PRIMARY DIAGNOSIS",)
ANTICANCER = ("PRIOR ANTICANCER THERAPY", "PHYSICIAN'S CHOICE", "SUBSEQUENT ANTICANCER THERAPY")


def admh(tables: Tables, adsl: pd.DataFrame) -> pd.DataFrame:
    """One row per recorded condition of the medical history.

    MHHISTFL is Y for a condition of the history of a treated patient; the first case that applies:

    1. A record of the disease under study (MHCAT is PRIMARY DIAGNOSIS): N; it is reported with the
       baseline characteristics.
    2. The patient was not treated: N.
    3. The condition began after the day of the first dose, by the earliest day that its date allows: N.
    4. Otherwise, also without a date: Y.

    A condition without a coded term (MHDECOD) is counted under its reported term (MHTERM).
    """
    names = ["STUDYID", "USUBJID", "MHSEQ", "MHTERM", "MHDECOD", "MHCAT", "MHSTDTC", "MHENDTC"]
    mh = tables.get("mh", pd.DataFrame()).reindex(columns=names)
    first = pd.to_datetime(mh["USUBJID"].map(adsl.set_index("USUBJID")["TRTSDT"]))
    start = earliest_day(mh["MHSTDTC"])
    of_disease = mh["MHCAT"].isin(DIAGNOSIS)
    counts = ~of_disease & first.notna() & ~(start > first)
    return mh.assign(
        MHDECOD=mh["MHDECOD"].fillna(mh["MHTERM"]),
        ASTDT=start,
        AENDT=earliest_day(mh["MHENDTC"]),
        MHHISTFL=np.where(counts, "Y", "N"),
    )


def with_timing(adcm: pd.DataFrame, adsl: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """Prior anticancer therapy (PREFL) and concomitant medication (ONTRTFL) of treated patients.

    PREFL, the first case that applies:

    1. The patient was not treated, or the record is no anticancer therapy by its category (CMCAT): N.
    2. CMCAT is PRIOR ANTICANCER THERAPY: Y.
    3. Another anticancer therapy that began before the day of the first dose, by the earliest day that
       its date allows: Y.
    4. Otherwise, also without a date: N.

    ONTRTFL, the first case that applies:

    1. The patient was not treated, or the record is an anticancer therapy: N.
    2. It ended before the first dose, by the latest day that its date allows or because CMENRTPT is
       BEFORE: N.
    3. It began more than `safety.days_after_last_dose` days after the last dose, by the earliest day
       that its date allows: N.
    4. Otherwise, also without dates: Y.
    """
    subject = adsl.set_index("USUBJID")
    first = pd.to_datetime(adcm["USUBJID"].map(subject["TRTSDT"]))
    last = pd.to_datetime(adcm["USUBJID"].map(subject["TRTEDT"]))
    treated = first.notna()
    anticancer = adcm["CMCAT"].isin(ANTICANCER)
    prior = (adcm["CMCAT"] == ANTICANCER[0]) | (adcm["ASTDT"] < first)
    until = last + pd.to_timedelta(plan.safety.days_after_last_dose, unit="D")
    ended = (latest_day(adcm["CMENDTC"]) < first) | (adcm["CMENRTPT"] == "BEFORE")
    concomitant = ~ended & ~(adcm["ASTDT"] > until)
    return adcm.assign(
        PREFL=np.where(treated & anticancer & prior, "Y", "N"),
        ONTRTFL=np.where(treated & ~anticancer & concomitant, "Y", "N"),
    )
