"""How current the data are, patient by patient: the last record before the cut-off, and PSA that should be there."""

import datetime as dt
from collections.abc import Mapping

import numpy as np
import pandas as pd

from sap.derivations.dates import full_day
from sap.derivations.population import study_doses
from sap.derivations.quantities import quantified
from sap.plan.model import Plan

Tables = Mapping[str, pd.DataFrame]

# What is recorded at a visit or a contact. Prior therapy, history and the consent are no contact.
CONTACTS = {
    "ae": "AESTDTC",
    "be": "BEDTC",
    "cp": "CPDTC",
    "ds": "DSSTDTC",
    "ex": "EXSTDTC",
    "gf": "GFDTC",
    "lb": "LBDTC",
    "pc": "PCDTC",
    "rs": "RSDTC",
    "ss": "SSDTC",
    "tr": "TRDTC",
    "vs": "VSDTC",
}


def _last_contact(tables: Tables) -> pd.Series:
    """The last full date of each patient in any domain of `CONTACTS`."""
    parts = []
    for domain, dtc in CONTACTS.items():
        table = tables.get(domain, pd.DataFrame()).reindex(columns=["USUBJID", dtc])
        parts.append(pd.DataFrame({"USUBJID": table["USUBJID"], "DAY": full_day(table[dtc])}))
    whole = pd.concat(parts, ignore_index=True).dropna()
    return whole.groupby("USUBJID")["DAY"].max()


def _expected_psa(tables: Tables, drugs: list[str]) -> pd.DataFrame:
    """Each dated infusion of study cabazitaxel, and whether a PSA result belongs to it.

    It does when a result (a number, or below quantification) was drawn after the infusion before,
    for the first at any time, and at the latest on the day of this one.
    """
    doses = study_doses(tables, drugs)[["USUBJID", "DAY"]]
    doses = doses.dropna().drop_duplicates().sort_values(["USUBJID", "DAY"], ignore_index=True)
    before = doses.groupby("USUBJID")["DAY"].shift(1)
    doses["AFTER"] = before.fillna(pd.Timestamp("1900-01-01"))
    lb = tables["lb"]
    said = quantified(lb, "lb")
    result = said["VALUE"].notna() | (said["SIDE"] != "")
    lb = lb[(lb["LBTESTCD"] == "PSA") & result]
    drawn = pd.DataFrame({"USUBJID": lb["USUBJID"], "DRAWN": full_day(lb["LBDTC"])}).dropna()
    near = doses.merge(drawn, on="USUBJID")
    near = near[(near["DRAWN"] > near["AFTER"]) & (near["DRAWN"] <= near["DAY"])]
    have = near[["USUBJID", "DAY"]].drop_duplicates().assign(HAVE=True)
    found = doses.merge(have, on=["USUBJID", "DAY"], how="left")
    return found.assign(HAVE=found["HAVE"].eq(True))


def adcur(tables: Tables, adsl: pd.DataFrame, plan: Plan, cut_off: dt.date) -> pd.DataFrame:
    """One row per patient of ADSL: last contact, days since, whether a contact is overdue, PSA missing.

    STATUS, the first case that applies:

    1. DEAD: died by the cut-off.
    2. ENDED: left the study (a disposition of study participation).
    3. NOT FOLLOWED: never allocated and never treated: nothing more is asked of him.
    4. ON TREATMENT: study cabazitaxel begun and no end of treatment recorded.
    5. FOLLOW-UP: everybody else.

    LATEFL is Y for patients of cases 4 and 5 whose last contact is longer ago than is allowed: the
    plan's interval of PSA off treatment and its window; on treatment, the length of a cycle and
    that window. PSAEXP counts the dated infusions of study cabazitaxel (PSA is due at each),
    PSAMISS those without a result since the infusion before.
    """
    subject = adsl[["STUDYID", "USUBJID"]].reset_index(drop=True)
    who = adsl["USUBJID"].reset_index(drop=True)
    state = adsl.reset_index(drop=True)
    treated = state["NCYCLES"] > 0
    status = np.select(
        [
            state["DTHDT"].notna(),
            state["DCSREAS"].notna(),
            state["GROUP"].isna() & ~treated,
            treated & state["DCTREAS"].isna(),
        ],
        ["DEAD", "ENDED", "NOT FOLLOWED", "ON TREATMENT"],
        default="FOLLOW-UP",
    )
    last = who.map(_last_contact(tables)).fillna(state["RFICDT"])
    since = (pd.Timestamp(cut_off) - last).dt.days.astype(float)
    window = plan.progression.window_days
    allowed = np.select(
        [status == "ON TREATMENT", status == "FOLLOW-UP"],
        [plan.exposure.cycle_days + window, plan.progression.psa_interval_days + window],
        default=np.iinfo(np.int32).max,
    )
    psa = _expected_psa(tables, plan.exposure.drugs)
    asked = psa.groupby("USUBJID").size()
    missed = psa[~psa["HAVE"]].groupby("USUBJID").size()
    return subject.assign(
        STATUS=status,
        LASTDT=last,
        DAYS=since,
        LATEFL=np.where(since > allowed, "Y", "N"),
        PSAEXP=who.map(asked).fillna(0).astype(float),
        PSAMISS=who.map(missed).fillna(0).astype(float),
    )
