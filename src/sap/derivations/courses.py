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


def courses(tables: Tables, adsl: pd.DataFrame, drug: str) -> pd.DataFrame:
    """Courses of the study drug (STUDY) and of the physician's choice (CHOICE), with their first day.

    STUDY, for every patient with a dated first dose of the study drug:

    1. Treated through re-screening: AGAINFL = Y; data from before the re-screening (BEGINDT) do
       not belong to the course.
    2. All others: AGAINFL = N.

    CHOICE, for every patient with a dated physician's choice, and for every patient of group A,
    except those treated without re-screening:

    1. TRTSDT is the first day of the first physician's choice; for a partial date the earliest day
       it allows, but not before the allocation.
    2. No dated physician's choice: the day of the allocation.

    NEWTHDT is the first day of a new anticancer therapy after TRTSDT; for CHOICE also the first dose
    of the study drug. TRTEDT is the last study dose, or the last day of the first physician's
    choice.
    """
    treated = adsl[(adsl["NCYCLES"] > 0) & adsl["TRTSDT"].notna()]
    through_rescreening = treated["RESCTRFL"] == "Y"
    begin = treated[["RESCCSDT", "RESCRDT", "RESALLDT"]].apply(pd.to_datetime).min(axis=1)
    study = treated.assign(
        COURSE="STUDY",
        AGAINFL=treated["RESCTRFL"],
        DRUG=drug,
        BEGINDT=begin.where(through_rescreening),
        NEWTHDT=treated["USUBJID"].map(new_therapy(tables, adsl)),
    )
    without_rescreening = treated.loc[~through_rescreening, "USUBJID"]
    choice = _choices(tables, adsl[~adsl["USUBJID"].isin(without_rescreening)])
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
    latest_start = latest_day(cm["CMSTDTC"])
    allocated = cm["USUBJID"].map(subject["ALLOCDT"])
    start = start.where(~((start < allocated) & (latest_start >= allocated)), allocated)
    cm = cm.assign(TRTSDT=start, TRTEDT=end)
    cm = cm.sort_values(["USUBJID", "TRTSDT", "CMSEQ"], kind="stable", na_position="last")
    first = cm.drop_duplicates("USUBJID").set_index("USUBJID")
    chosen = adsl[(adsl["GROUP"] == "A") | adsl["USUBJID"].isin(first.index)]
    first_day = chosen["USUBJID"].map(first["TRTSDT"]).fillna(chosen["ALLOCDT"])
    chosen = chosen.assign(TRTSDT=first_day)[first_day.notna()]
    study = chosen["USUBJID"].map(subject["TRTSDT"])
    study = study.where(study > chosen["TRTSDT"])
    other = chosen["USUBJID"].map(new_therapy(tables, chosen))
    return chosen.assign(
        COURSE="CHOICE",
        AGAINFL="N",
        DRUG=chosen["USUBJID"].map(first["CMDECOD"]),
        TRTEDT=chosen["USUBJID"].map(first["TRTEDT"]),
        NCYCLES=1.0,
        BEGINDT=pd.Series(pd.NaT, chosen.index),
        NEWTHDT=pd.concat([other, study], axis=1).min(axis=1),
    )


def choice_psa(tables: Tables, choices: pd.DataFrame, rule: PsaResponse) -> pd.DataFrame:
    """ADPSA of the CHOICE courses: the rules of `adpsa`, counted from the first day of the choice.

    A value under later the study drug does not count for the choice.
    """
    lb = tables["lb"]
    with_choice = {**tables, "lb": lb[lb["USUBJID"].isin(choices["USUBJID"])]}
    psa = adpsa(with_choice, choices, rule)
    after = psa["ADT"] >= psa["USUBJID"].map(choices.set_index("USUBJID")["NEWTHDT"])
    stops = after & rule.stop_at_new_therapy & (psa["ANL01CAS"] == 5)
    return psa.assign(
        ANL01CAS=psa["ANL01CAS"].where(~stops, 4),
        ANL01FL=np.where(stops, "", psa["ANL01FL"]),
    )


def choice_response(choices: pd.DataFrame, psa: pd.DataFrame, rule: PsaResponse) -> pd.DataFrame:
    """The plan's PSA response of every CHOICE course (PARAMCD PSARESPA): the cases of `psa_response`."""
    response = psa_response(choices, psa, rule, confirm_after_days=rule.confirm_after_days)
    return response.assign(
        COURSE="CHOICE",
        DRUG=response["USUBJID"].map(choices.set_index("USUBJID")["DRUG"]),
        PARAMCD="PSARESPA",
    )
