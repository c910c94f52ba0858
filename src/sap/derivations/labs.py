"""ADLB: safety laboratory of treated patients, graded by CTCAE 4.03 from numbers."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from sap.derivations.dates import full_day, time_of_day
from sap.derivations.quantities import quantified
from sap.methods.ctcae import grade
from sap.plan.model import Labs, Safety

Tables = Mapping[str, pd.DataFrame]

COLUMNS = (
    "LBSEQ", "LBTESTCD", "LBTEST", "LBSTRESC", "LBSTRESN", "LBSTRESU", "LBSTNRLO", "LBSTNRHI",
    "LBLLOQ", "LBULOQ", "VISIT", "LBDTC",
)  # fmt: skip


def _values(tables: Tables, adsl: pd.DataFrame, rule: Labs) -> pd.DataFrame:
    """Numbers of the plan's tests, of treated patients, on a known day, by `quantified`."""
    lb = tables.get("lb", pd.DataFrame()).reindex(columns=["USUBJID", *COLUMNS])
    treated = adsl.loc[adsl["NCYCLES"] > 0, "USUBJID"]
    lb = lb[lb["LBTESTCD"].isin(list(rule.terms)) & lb["USUBJID"].isin(treated)]
    number = quantified(lb, "lb")["VALUE"]
    lb = lb.assign(AVAL=number, ADT=full_day(lb["LBDTC"]), TIME=time_of_day(lb["LBDTC"]).fillna(""))
    lb = lb[lb["AVAL"].notna() & lb["ADT"].notna()]
    by = ["USUBJID", "LBTESTCD", "ADT", "TIME", "LBSEQ"]
    return lb.sort_values(by, kind="stable")


def _graded(values: pd.DataFrame, base: pd.Series) -> pd.DataFrame:
    """ATOXGRN and ATOXGR of each value by the cases of `adlb`."""
    grades, texts = [], []
    for term, value, unit, low, high, before in zip(
        values["ATERM"], values["AVAL"], values["LBSTRESU"].fillna("").astype(str),
        values["LBSTNRLO"].astype(float), values["LBSTNRHI"].astype(float), base.astype(float),
        strict=True,
    ):  # fmt: skip
        graded = grade(term, value, unit, low, high, before)
        if graded is not None:
            grades.append(float(graded))
            texts.append(str(graded))
            continue
        # The highest grade still possible: every missing limit taken at its strictest.
        strictest = (math.inf if math.isnan(low) else low, 0.0 if math.isnan(high) else high)
        worst = grade(term, value, unit, *strictest, 0.0 if math.isnan(before) else before)
        grades.append(math.nan)
        texts.append("0 OR 1" if worst == 1 else "NOT GRADED")
    return pd.DataFrame({"ATOXGRN": grades, "ATOXGR": texts}, index=values.index)


def adlb(tables: Tables, adsl: pd.DataFrame, rule: Labs, window: Safety) -> pd.DataFrame:
    """Values of a graded laboratory test of a treated patient, by CTCAE 4.03.

    A value is a number on a known day, in the unit it is stored in; a value below or above
    quantification is its limit. Haemoglobin is graded in its own unit, never converted.

    Baseline: the last value on or before the day of the first dose (of a day: the later time, then
    the higher LBSEQ), however long before.

    The grade:

    1. 0 to 4: from the value, the limits of normal and the baseline. Creatinine takes the more
       severe of the grade by multiples of the upper limit and that by multiples of the baseline.
    2. "0 OR 1": no absolute threshold is passed, and the lower limit of normal, which distinguishes
       0 from 1, is missing. It is counted in neither grade and has a row of its own in tables.
    3. "NOT GRADED": grade 2 or more cannot be excluded because a limit of normal is missing or the
       unit has no thresholds.

    On treatment: after the day of the first dose, to `safety.days_after_last_dose` days after the
    last dose, regardless of the visit. A test with a term for low and one for high values is graded
    once for each. The worst value on treatment of a patient, test and term has the highest grade;
    without any, it is one that is "0 OR 1", else one that is not graded (of equal ones, the
    earlier day, then LBSEQ). A shift is from the grade at baseline to that worst grade.
    """
    graded = [(grading.testcd, grading.term, grading.direction) for grading in rule.gradings]
    terms = pd.DataFrame(graded, columns=["LBTESTCD", "ATERM", "ATOXDIR"], dtype="object")
    values = _values(tables, adsl, rule).astype({"LBTESTCD": "object"}).merge(terms, on="LBTESTCD")
    subject = adsl.set_index("USUBJID")
    first, last = values["USUBJID"].map(subject["TRTSDT"]), values["USUBJID"].map(subject["TRTEDT"])
    key = ["USUBJID", "LBTESTCD", "ATERM"]
    before = values[values["ADT"] <= first]
    baseline = before.drop_duplicates(key, keep="last")
    base = values[key].merge(baseline[[*key, "AVAL"]], on=key, how="left")["AVAL"]
    grades = _graded(values, base)
    of_base = grades.loc[baseline.index, ["ATOXGR"]].join(baseline[key])
    btoxgr = values[key].merge(of_base, on=key, how="left")["ATOXGR"]
    days = pd.to_timedelta(window.days_after_last_dose, unit="D")
    on = (values["ADT"] > first) & (values["ADT"] <= last + days)
    rows = pd.DataFrame(
        {
            "STUDYID": values["USUBJID"].map(subject["STUDYID"]),
            "USUBJID": values["USUBJID"],
            "PARAMCD": values["LBTESTCD"],
            "PARAM": values["LBTEST"],
            "ATERM": values["ATERM"],
            "ATOXDIR": values["ATOXDIR"],
            "AVISIT": values["VISIT"],
            "ADT": values["ADT"],
            "AVAL": values["AVAL"],
            "AVALU": values["LBSTRESU"],
            "ANRLO": values["LBSTNRLO"].astype(float),
            "ANRHI": values["LBSTNRHI"].astype(float),
            "BASE": base,
            "ABLFL": np.where(values.index.isin(baseline.index), "Y", ""),
            "ATOXGRN": grades["ATOXGRN"],
            "ATOXGR": grades["ATOXGR"],
            "BTOXGR": btoxgr,
            "ONTRTFL": np.where(on, "Y", ""),
            "LBSEQ": values["LBSEQ"],
        }
    )
    order = rows[on].assign(WORST=-rows["ATOXGRN"], OPEN=rows["ATOXGR"] == "NOT GRADED")
    order = order.sort_values([*_KEY, "WORST", "OPEN", "ADT", "LBSEQ"], kind="stable")
    worst = order.drop_duplicates(_KEY).index
    return rows.assign(ANL01FL=np.where(rows.index.isin(worst), "Y", ""))


_KEY = ["USUBJID", "PARAMCD", "ATERM"]
