"""Timeliness of the data by patient: the last contact before the data cut-off, and overdue PSA results."""

import datetime as dt
from collections.abc import Mapping

import numpy as np
import pandas as pd

from sap.derivations.dates import full_day
from sap.derivations.population import study_doses
from sap.derivations.quantities import quantified
from sap.plan.model import Plan

Tables = Mapping[str, pd.DataFrame]

# Domains recorded at a visit or contact. Prior therapy, history and consent do not count as one.
CONTACTS = {
    "ae": "AESTDTC",
    "be": "BEDTC",
    "cp": "CPDTC",
    "ds": "DSSTDTC",
    "ex": "EXSTDTC",
    "gf": "GFDTC",
    "is": "ISDTC",
    "lb": "LBDTC",
    "mi": "MIDTC",
    "pc": "PCDTC",
    "pf": "PFDTC",
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
    contacts = pd.concat(parts, ignore_index=True).dropna()
    return contacts.groupby("USUBJID")["DAY"].max()


def _expected_psa(tables: Tables, drugs: list[str]) -> pd.DataFrame:
    """Each dated infusion of the study drug, and whether a PSA result belongs to it.

    A result (a number, or below quantification) belongs to it when the sample was collected after
    the preceding infusion (for the first infusion: at any time before) and not later than on the
    day of the infusion.
    """
    doses = study_doses(tables, drugs)[["USUBJID", "DAY"]]
    doses = doses.dropna().drop_duplicates().sort_values(["USUBJID", "DAY"], ignore_index=True)
    before = doses.groupby("USUBJID")["DAY"].shift(1)
    doses["AFTER"] = before.fillna(pd.Timestamp("1900-01-01"))
    names = ["USUBJID", "LBTESTCD", "LBSTRESC", "LBSTRESN", "LBLLOQ", "LBULOQ", "LBDTC"]
    lb = tables.get("lb", pd.DataFrame(columns=names, dtype="object"))
    values = quantified(lb, "lb")
    result = values["VALUE"].notna() | (values["SIDE"] != "")
    lb = lb[(lb["LBTESTCD"] == "PSA") & result]
    drawn = pd.DataFrame({"USUBJID": lb["USUBJID"], "DRAWN": full_day(lb["LBDTC"])}).dropna()
    matched = doses.merge(drawn, on="USUBJID")
    matched = matched[(matched["DRAWN"] > matched["AFTER"]) & (matched["DRAWN"] <= matched["DAY"])]
    with_result = matched[["USUBJID", "DAY"]].drop_duplicates().assign(HAVE=True)
    expected = doses.merge(with_result, on=["USUBJID", "DAY"], how="left")
    return expected.assign(HAVE=expected["HAVE"].eq(True))


def adcur(tables: Tables, adsl: pd.DataFrame, plan: Plan, cut_off: dt.date) -> pd.DataFrame:
    """One row per patient of ADSL: last contact, days since, whether a contact is overdue, PSA missing.

    STATUS, the first case that applies:

    1. DEAD: died by the cut-off.
    2. ENDED: left the study (a disposition of study participation).
    3. NOT FOLLOWED: never allocated and never treated; no further follow-up is planned.
    4. ON TREATMENT: the study drug begun and no end of treatment recorded.
    5. FOLLOW-UP: all other patients.

    LATEFL is Y for patients of cases 4 and 5 whose last contact is longer ago than allowed: the
    plan's interval of PSA off treatment (of scans, where the plan has no PSA) and its window; on treatment, the length of a cycle and
    that window (of continuous dosing, the interval off treatment). PSAEXP counts the dated infusions of the study drug (PSA is due at each),
    PSAMISS those without a result since the infusion before.
    """
    subject = adsl[["STUDYID", "USUBJID"]].reset_index(drop=True)
    usubjid = adsl["USUBJID"].reset_index(drop=True)
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
    last = usubjid.map(_last_contact(tables)).fillna(state["RFICDT"])
    since = (pd.Timestamp(cut_off) - last).dt.days.astype(float)
    window = plan.progression.window_days
    allowed = np.select(
        [status == "ON TREATMENT", status == "FOLLOW-UP"],
        [(plan.exposure.cycle_days or plan.follow_up_days) + window, plan.follow_up_days + window],
        default=np.iinfo(np.int32).max,
    )
    psa = _expected_psa(tables, plan.exposure.drugs)
    expected = psa.groupby("USUBJID").size()
    missed = psa[~psa["HAVE"]].groupby("USUBJID").size()
    return subject.assign(
        STATUS=status,
        LASTDT=last,
        DAYS=since,
        LATEFL=np.where(since > allowed, "Y", "N"),
        PSAEXP=usubjid.map(expected).fillna(0).astype(float),
        PSAMISS=usubjid.map(missed).fillna(0).astype(float),
    )
