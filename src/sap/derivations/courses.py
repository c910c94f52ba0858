"""One row per course of treatment that is followed for response and progression."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from sap.derivations.dates import earliest_day, latest_day
from sap.derivations.response import adpsa, new_therapy, psa_response
from sap.plan.model import PsaResponse

Tables = Mapping[str, pd.DataFrame]

COLUMNS = (
    "STUDYID",
    "USUBJID",
    "COURSE",
    "AGAINFL",
    "DRUG",
    "TRTSDT",
    "TRTEDT",
    "NCYCLES",
    "BEGINDT",
    "NEWTHDT",
)


def courses(tables: Tables, adsl: pd.DataFrame) -> pd.DataFrame:
    """Study cabazitaxel (STUDY) and the physician's choice (CHOICE), each with its first day.

    STUDY, for every patient with a dated first dose of study cabazitaxel:

    1. Treated through re-screening: AGAINFL = Y, and nothing before the re-screening (BEGINDT)
       belongs to the course.
    2. All others: AGAINFL = N.

    CHOICE, for every patient with a dated physician's choice, and for every patient of group A,
    except those treated without re-screening:

    1. TRTSDT is the day the first choice began; a partial date the earliest day it allows, but not
       before the allocation.
    2. No dated choice: the day of the allocation.

    NEWTHDT is the first new anticancer therapy after TRTSDT; for a CHOICE also the first dose of
    study cabazitaxel. TRTEDT is the last study dose, or the last day of the first choice.
    """
    treated = adsl[(adsl["NCYCLES"] > 0) & adsl["TRTSDT"].notna()]
    again = treated["RESCTRFL"] == "Y"
    begin = treated[["RESCCSDT", "RESCRDT", "RESALLDT"]].apply(pd.to_datetime).min(axis=1)
    study = treated.assign(
        COURSE="STUDY",
        AGAINFL=treated["RESCTRFL"],
        DRUG="CABAZITAXEL",
        BEGINDT=begin.where(again),
        NEWTHDT=treated["USUBJID"].map(new_therapy(tables, adsl)),
    )
    at_once = treated.loc[~again, "USUBJID"]
    choice = _choices(tables, adsl[~adsl["USUBJID"].isin(at_once)])
    parts = [part[list(COLUMNS)] for part in (study, choice) if len(part)]
    if not parts:
        return study.reindex(columns=list(COLUMNS))
    return pd.concat(parts, ignore_index=True)


def _choices(tables: Tables, adsl: pd.DataFrame) -> pd.DataFrame:
    cm = tables.get("cm", pd.DataFrame()).reindex(
        columns=["USUBJID", "CMSEQ", "CMDECOD", "CMCAT", "CMSTDTC", "CMENDTC"]
    )
    subject = adsl.set_index("USUBJID")
    cm = cm[(cm["CMCAT"] == "PHYSICIAN'S CHOICE") & cm["USUBJID"].isin(subject.index)]
    start, end = earliest_day(cm["CMSTDTC"]), latest_day(cm["CMENDTC"])
    could = latest_day(cm["CMSTDTC"])
    allocated = cm["USUBJID"].map(subject["ALLOCDT"])
    start = start.where(~((start < allocated) & (could >= allocated)), allocated)
    cm = cm.assign(TRTSDT=start, TRTEDT=end)
    cm = cm.sort_values(["USUBJID", "TRTSDT", "CMSEQ"], kind="stable", na_position="last")
    first = cm.drop_duplicates("USUBJID").set_index("USUBJID")
    who = adsl[(adsl["GROUP"] == "A") | adsl["USUBJID"].isin(first.index)]
    begun = who["USUBJID"].map(first["TRTSDT"]).fillna(who["ALLOCDT"])
    who = who.assign(TRTSDT=begun)[begun.notna()]
    study = who["USUBJID"].map(subject["TRTSDT"])
    study = study.where(study > who["TRTSDT"])
    other = who["USUBJID"].map(new_therapy(tables, who))
    return who.assign(
        COURSE="CHOICE",
        AGAINFL="N",
        DRUG=who["USUBJID"].map(first["CMDECOD"]),
        TRTEDT=who["USUBJID"].map(first["TRTEDT"]),
        NCYCLES=1.0,
        BEGINDT=pd.Series(pd.NaT, who.index),
        NEWTHDT=pd.concat([other, study], axis=1).min(axis=1),
    )


def choice_psa(tables: Tables, choices: pd.DataFrame, rule: PsaResponse) -> pd.DataFrame:
    """ADPSA of the CHOICE courses: the rules of `adpsa`, counted from the day the choice began.

    A value under study cabazitaxel given later does not count for the choice.
    """
    lb = tables["lb"]
    mine = {**tables, "lb": lb[lb["USUBJID"].isin(choices["USUBJID"])]}
    psa = adpsa(mine, choices, rule)
    after = psa["ADT"] >= psa["USUBJID"].map(choices.set_index("USUBJID")["NEWTHDT"])
    stops = after & rule.stop_at_new_therapy & (psa["ANL01CAS"] == 5)
    return psa.assign(
        ANL01CAS=psa["ANL01CAS"].where(~stops, 4),
        ANL01FL=np.where(stops, "", psa["ANL01FL"]),
    )


def choice_response(choices: pd.DataFrame, psa: pd.DataFrame, rule: PsaResponse) -> pd.DataFrame:
    """The plan's PSA response of every CHOICE course (PARAMCD PSARESPA): the cases of `psa_response`."""
    answer = psa_response(choices, psa, rule, confirm_after_days=rule.confirm_after_days)
    return answer.assign(
        COURSE="CHOICE",
        DRUG=answer["USUBJID"].map(choices.set_index("USUBJID")["DRUG"]),
        PARAMCD="PSARESPA",
        PARAM="Confirmed PSA response under the physician's choice",
    )
