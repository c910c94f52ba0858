"""Protocol deviations, concomitant therapy, and reasons for exclusion from the efficacy sets."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from sap.derivations.dates import earliest_day
from sap.derivations.history import with_timing
from sap.plan.model import Plan

Tables = Mapping[str, pd.DataFrame]


def study_day(day: pd.Series, first: pd.Series) -> pd.Series:
    """ADY of a day: 1 on the day of the first dose, -1 the day before; there is no day 0."""
    since = (day - first).dt.days.astype(float)
    return since.where(since < 0, since + 1)


def addv(tables: Tables, adsl: pd.DataFrame) -> pd.DataFrame:
    """One row per recorded protocol deviation, with its day; no row where the data have no DV.

    ADT is the earliest day that DVSTDTC allows, ADY its study day.
    """
    dv = tables.get("dv", pd.DataFrame())
    dv = dv.reindex(
        columns=["STUDYID", "USUBJID", "DVSEQ", "DVTERM", "DVDECOD", "DVCAT", "DVSTDTC"]
    )
    day = earliest_day(dv["DVSTDTC"])
    first = pd.to_datetime(dv["USUBJID"].map(adsl.set_index("USUBJID")["TRTSDT"]))
    return dv.drop(columns="DVSTDTC").assign(
        DVDECOD=dv["DVDECOD"].fillna(dv["DVTERM"]), ADT=day, ADY=study_day(day, first)
    )


def least_treatment(plan: Plan) -> str:
    """The cycles, or days of treatment under continuous dosing, of the per-protocol set."""
    sets = plan.analysis_sets
    if plan.exposure.dosing == "cycles":
        return f"{sets.per_protocol_cycles} cycles"
    return f"{sets.per_protocol_days} days of treatment"


def adexcl(adsl: pd.DataFrame, addv: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """One row per exclusion of a patient from an efficacy set: SET, CASE and REASON.

    PRIMARY, of the patients biomarker positive at the first screening and of all who were treated; the first
    case that applies:

    1. Treated through re-screening: analysed separately.
    2. Biomarker not positive at the first screening.
    3. No count, or a count below the plan's minimum, at the first screening.
    4. No dose of the study drug.

    Of the patients of PRIMARY:

    5. PSAEVAL: no baseline PSA, or no value that counts after it.
    6. PERPROT: a major protocol deviation.
    7. PERPROT: fewer cycles, or days of continuous dosing, than the plan's number, and not stopped for progression.
    8. CTCEVAL: baseline count below the plan's minimum.
    9. CTCEVAL: no count on treatment.
    10. MEASURABLE, and PRIMARY where the plan limits it: no target lesion at baseline.
    """
    treated = adsl["NCYCLES"] > 0
    marker = plan.biomarker
    positive = (adsl["MARKBL"] == "POSITIVE") if marker else pd.Series(True, adsl.index)
    minimum = marker.cell_count.minimum if marker and marker.cell_count else 0
    counted = (adsl["CTCBL"] >= minimum) if minimum else pd.Series(True, adsl.index)
    baseline = plan.analysis_sets.ctc_baseline_minimum or 0
    major = adsl["USUBJID"].isin(addv.loc[addv["DVCAT"] == "MAJOR", "USUBJID"])
    reasons = {
        1: "Treated through re-screening: counted apart",
        2: f"{marker.name if marker else 'Biomarker'} not positive at the first screening",
        3: f"No count, or fewer than {minimum} CTC, at the first screening",
        4: f"No dose of {plan.wording.treatment}",
        5: "No baseline PSA, or no value that counts after it",
        6: "Major protocol deviation",
        7: f"Fewer than {least_treatment(plan)}, not stopped for progression",
        8: f"Fewer than {baseline} CTC at baseline, or no count",
        9: "No count on treatment",
        10: "No target lesion at baseline",
    }
    outside = (adsl["PRIMFL"] != "Y") & (positive | treated)
    primary = adsl["PRIMFL"] == "Y"
    cases = np.select(
        [
            treated & (adsl["RESCTRFL"] == "Y"),
            ~positive,
            ~counted,
            treated & plan.of_measurable,
        ],
        [1, 2, 3, 10],
        default=4,
    )
    parts = {"PRIMARY": (outside, cases)}
    if plan.psa_response is not None:
        parts["PSAEVAL"] = primary & (adsl["PSAEVFL"] != "Y"), np.full(len(adsl), 5)
    if plan.ctc is not None:
        low = ~(adsl["CTCBL"] >= baseline)
        parts["CTCEVAL"] = primary & (adsl["CTCEVFL"] != "Y"), np.where(low, 8, 9)
    if "PPROTFL" in adsl:
        parts["PERPROT"] = primary & (adsl["PPROTFL"] != "Y"), np.where(major, 6, 7)
    if "MEASFL" in adsl:
        parts["MEASURABLE"] = (primary & (adsl["MEASFL"] != "Y"), np.full(len(adsl), 10))
    exclusions = [
        adsl.loc[excluded, ["STUDYID", "USUBJID"]].assign(SET=name, CASE=case[excluded.to_numpy()])
        for name, (excluded, case) in parts.items()
    ]
    rows = pd.concat(exclusions, ignore_index=True)
    return rows.assign(REASON=rows["CASE"].map(reasons))


def adie(tables: Tables, adsl: pd.DataFrame) -> pd.DataFrame:
    """One row per eligibility criterion that a patient did not meet, with its day and visit.

    A record counts when an inclusion criterion is N or an exclusion criterion is Y (IESTRESC). A
    criterion without a text (IETEST) is named by its code.
    """
    names = [
        "STUDYID",
        "USUBJID",
        "IESEQ",
        "IETESTCD",
        "IETEST",
        "IECAT",
        "IESTRESC",
        "VISIT",
        "IEDTC",
    ]
    ie = tables.get("ie", pd.DataFrame()).reindex(columns=names)
    failed = (ie["IECAT"].eq("INCLUSION") & ie["IESTRESC"].eq("N")) | (
        ie["IECAT"].eq("EXCLUSION") & ie["IESTRESC"].eq("Y")
    )
    ie = ie[failed]
    day = earliest_day(ie["IEDTC"])
    first = pd.to_datetime(ie["USUBJID"].map(adsl.set_index("USUBJID")["TRTSDT"]))
    return ie.drop(columns=["IESTRESC", "IEDTC", "VISIT"]).assign(
        IETEST=ie["IETEST"].fillna(ie["IETESTCD"]),
        AVISIT=ie["VISIT"],
        ADT=day,
        ADY=study_day(day, first),
    )


def adcm(tables: Tables, adsl: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """One row per recorded therapy: prior, the physician's choice, subsequent, supportive, concomitant.

    ASTDT and AENDT are the earliest day that CMSTDTC and CMENDTC allow; both texts are kept as
    collected (CMSTDTC, CMENDTC). ADY and AENDY are their study days.
    """
    names = (
        "STUDYID", "USUBJID", "CMSEQ", "CMTRT", "CMDECOD", "CMCAT", "CMSCAT", "CMCLAS", "CMINDC", "CMSTDTC",
        "CMENDTC", "CMENRTPT", "CMRSDISC",
    )  # fmt: skip
    cm = tables.get("cm", pd.DataFrame()).reindex(columns=list(names))
    start, end = earliest_day(cm["CMSTDTC"]), earliest_day(cm["CMENDTC"])
    first = pd.to_datetime(cm["USUBJID"].map(adsl.set_index("USUBJID")["TRTSDT"]))
    dated = cm.assign(
        ASTDT=start, AENDT=end, ADY=study_day(start, first), AENDY=study_day(end, first)
    )
    return with_timing(dated, adsl, plan)
