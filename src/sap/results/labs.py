"""Laboratory: worst grade on treatment, shift from baseline, and concordance with reported events."""

from collections import Counter

import numpy as np
import pandas as pd

from sap import ard
from sap.ard import NotEstimable
from sap.catalogue import fold, folded
from sap.catalogue.reasons import text_of
from sap.plan.model import Plan
from sap.results.provenance import makes
from sap.results.rates import over_time, share
from sap.results.sets import by_line, members

METHOD = "CTCAE 4.03 from numbers; patients, each once at the worst grade on treatment"
NOT_MEASURED = "NOT MEASURED"
GRADES = {"0": "0", "0 OR 1": "0_or_1", "1": "1", "2": "2", "3": "3", "4": "4"}
"""Each grade of ATOXGR, and its LEVEL; "0 OR 1" where the lower limit of normal is missing."""
# One mmol of haemoglobin monomer is 16.114 g (IFCC, 1988).
HAEMOGLOBIN = {"mmol/L": 1.0, "g/dL": 10 / 16.114, "g/L": 1 / 16.114}
LEVELS = GRADES | {"NOT GRADED": "not_graded", NOT_MEASURED: "not_measured"}
ALWAYS = ("0", "1", "2", "3", "4")
"""The grades that have a row of a shift even where no patient has it."""


def _of(adlb: pd.DataFrame, code: str) -> pd.DataFrame:
    """The rows of one grading: a test, or one side of a test that is graded on both."""
    return adlb[(adlb["PARAMCD"] == code) | (adlb["PARAMCD"] + adlb["ATOXDIR"] == code)]


def worst(subjects: pd.DataFrame, adlb: pd.DataFrame, code: str) -> pd.Series:
    """The worst grade on treatment of each subject by USUBJID, as ATOXGR has it, or NOT MEASURED."""
    values = _of(adlb, code)
    values = values[values["ANL01FL"] == "Y"].set_index("USUBJID")
    grades = subjects["USUBJID"].map(values["ATOXGR"]).fillna(NOT_MEASURED)
    return grades.set_axis(subjects["USUBJID"]).astype(str)


def absent(adlb: pd.DataFrame, code: str) -> NotEstimable | None:
    """Why no grade of a test can be given at all: it was not measured, or has no limits."""
    values = _of(adlb, code)
    values = values[values["ONTRTFL"] == "Y"]
    if values.empty:
        return NotEstimable(text_of("laboratory_test", code))
    if not values["ATOXGR"].isin(list(GRADES)).any():
        return NotEstimable(text_of("limits_of_normal", code))
    return None


def from_grade(grades: pd.Series, lowest: int) -> tuple[pd.Series, int]:
    """Which subjects reached a grade, and for how many it is unknown ("0 OR 1" for grade 1)."""
    reached = pd.to_numeric(grades, errors="coerce") >= lowest
    return reached, int((grades == "0 OR 1").sum()) if lowest == 1 else 0


def at_baseline(subjects: pd.DataFrame, adlb: pd.DataFrame, code: str) -> pd.Series:
    """The grade at baseline of each subject by USUBJID, as ATOXGR has it, or NOT MEASURED."""
    values = _of(adlb, code)
    values = values[values["ABLFL"] == "Y"].set_index("USUBJID")
    grades = subjects["USUBJID"].map(values["ATOXGR"]).fillna(NOT_MEASURED)
    return grades.set_axis(subjects["USUBJID"]).astype(str)


_BOUNDS = {"0 OR 1": (0, 1)} | {str(grade): (grade, grade) for grade in range(5)}
"""The lowest and the highest number that a grade of ATOXGR can be."""


def worsened(before: pd.Series, after: pd.Series) -> tuple[int, int]:
    """How many patients have a worse grade on treatment than at baseline, and for how many it is unknown.

    1. Worse: the worst grade on treatment is above the grade at baseline, whatever "0 OR 1" stands for.
    2. Unknown: it is above for one reading of "0 OR 1" and not for the other.
    3. Neither: without a grade at baseline or on treatment, and all others.
    """
    known, unknown = 0, 0
    for first, last in zip(before, after, strict=True):
        if first not in _BOUNDS or last not in _BOUNDS:
            continue
        (first_low, first_high), (last_low, last_high) = _BOUNDS[first], _BOUNDS[last]
        known += last_low > first_high
        unknown += last_high > first_low and not last_low > first_high
    return known, unknown


@makes("lab_grade")
def lab_grade(adsl: pd.DataFrame, adlb: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Patients by worst grade on treatment (LEVEL), for each grading of a test (PARAMCD), by line (GROUP).

    1. `0` to `4`: the worst grade.
    2. `0_or_1`: a value whose grade is 0 or 1, for want of a lower limit of normal, and no worse grade.
    3. `not_graded`: values on treatment, none of them with a grade.
    4. `not_measured`: no value on treatment; the patient stays in N.
    5. `severe_grade`: the plan's `safety.severe_grade` or worse, where it has one.
    6. `worsened`: a worse grade than at baseline. A patient without a grade at one of the two is not counted;
       where one is 0 or 1 and the other does not decide, the count is a bound and there is no proportion.
    """
    lowest = plan.safety.severe_grade
    parts = []
    for group, subjects in by_line(adsl, "SAFETY").items():
        for code, _, term, _ in plan.labs.gradings:
            missing = absent(adlb, code)
            grades = worst(subjects, adlb, code)
            counts = {level: int((grades == grade).sum()) for grade, level in LEVELS.items()}
            if lowest is not None:
                severe = [str(g) for g in range(lowest, 5)]
                counts["severe_grade"] = int(grades.isin(severe).sum())
            counts["worsened"], open_ = worsened(at_baseline(subjects, adlb, code), grades)
            for level, n in counts.items():
                stats = share(n, len(subjects))
                if level == "worsened" and open_:
                    stats["estimate"] = NotEstimable(text_of("limits_of_some", open_))
                if missing is not None and level not in ("not_graded", "not_measured"):
                    stats |= dict.fromkeys(("n", "estimate"), missing)
                parts.append(
                    ard.rows(
                        stats | ({"term": term} if level == "0" and not group else {}),
                        analysis="lab_grade",
                        section=plan.labs.section,
                        population="SAFETY",
                        group=group,
                        paramcd=code,
                        level=level,
                        method=METHOD,
                    )
                )
    return parts


@makes("lab_shift")
def lab_shift(adsl: pd.DataFrame, adlb: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Patients by grade at baseline (LEVEL) and worst grade on treatment (SUBLEVEL), for each grading of a test.

    A pair with `0_or_1`, `not_graded` or `not_measured` has a row only where a patient has it.
    """
    subjects = members(adsl, "SAFETY")
    parts = []
    for code, *_ in plan.labs.gradings:
        missing = absent(adlb, code)
        baseline = at_baseline(subjects, adlb, code)
        pairs = Counter(zip(baseline, worst(subjects, adlb, code), strict=True))
        for before, level in LEVELS.items():
            for after, sublevel in LEVELS.items():
                n = pairs[before, after]
                if n == 0 and not {before, after} <= set(ALWAYS):
                    continue
                count = n if missing is None or after not in GRADES else missing
                parts.append(
                    ard.rows(
                        {"n": count, "N": len(subjects)},
                        analysis="lab_shift",
                        section=plan.labs.section,
                        population="SAFETY",
                        paramcd=code,
                        level=level,
                        sublevel=sublevel,
                        method=METHOD,
                    )
                )
    return parts


def _concordance(
    laboratory: pd.Series, reported: pd.Series, unknown: pd.Series
) -> dict[str, tuple[int, int]]:
    """Each LEVEL of `lab_reported`: how many subjects, and how many more or fewer may belong to it."""
    lines = {
        "laboratory": laboratory,
        "reported": reported,
        "both": laboratory & reported,
        "laboratory_only": laboratory & ~reported,
        "reported_only": reported & ~laboratory,
        "neither": ~laboratory & ~reported,
    }
    with_event, without = int((unknown & reported).sum()), int((unknown & ~reported).sum())
    open_ = dict.fromkeys(("both", "reported_only"), with_event)
    open_ |= dict.fromkeys(("laboratory_only", "neither"), without)
    open_ |= {"laboratory": with_event + without, "reported": 0}
    return {level: (int(which.sum()), open_[level]) for level, which in lines.items()}


@makes("lab_reported")
def lab_reported(
    adsl: pd.DataFrame, adlb: pd.DataFrame, adae: pd.DataFrame, plan: Plan
) -> list[pd.DataFrame]:
    """Concordance of the laboratory grade and the reported event, for each test paired with preferred terms.

    None where events have a severity, with which a grade is not compared. SUBLEVEL is the lowest grade:
    `grade_1` or the plan's `severe_grade`. LEVEL:

    1. `laboratory`: the worst value on treatment has the grade; a patient not measured or not graded has
       none.
    2. `reported`: a treatment-emergent event of the terms has it (from grade 1 also without a grade).
    3. `both`, `laboratory_only`, `reported_only`, `neither`: of these patients.
    4. From grade 1, patients whose grade is 0 or 1 may belong to another line: the lines that they may
       enter or leave have no estimate, and their count is a bound.
    """
    subjects = members(adsl, "SAFETY")
    usubjid = subjects["USUBJID"]
    events = adae[(adae["TRTEMFL"] == "Y") & adae["USUBJID"].isin(usubjid)]
    term, grade = events["AEDECOD"].map(fold), events["ATOXGRN"]
    if plan.safety.severe_grade is None:
        return []
    lowest_grades = {"grade_1": 1, "severe_grade": plan.safety.severe_grade}
    parts = []
    for testcd, terms in plan.labs.reported_as.items():
        missing = absent(adlb, testcd)
        grades = worst(subjects, adlb, testcd).set_axis(usubjid.index)
        for sublevel, lowest in lowest_grades.items():
            reached, _ = from_grade(grades, lowest)
            unknown = (grades == "0 OR 1") & (lowest == 1)
            counts = term.isin(folded(terms)) & ((grade >= lowest) | (grade.isna() & (lowest == 1)))
            reported = usubjid.isin(events.loc[counts, "USUBJID"])
            for level, (n, open_) in _concordance(reached, reported, unknown).items():
                stats = share(n, len(subjects))
                if open_:
                    stats["estimate"] = NotEstimable(text_of("limits_of_some", open_))
                if level != "reported" and missing is not None:
                    stats |= dict.fromkeys(("n", "estimate"), missing)
                parts.append(
                    ard.rows(
                        stats,
                        analysis="lab_reported",
                        section=plan.labs.section,
                        population="SAFETY",
                        paramcd=testcd,
                        level=level,
                        sublevel=sublevel,
                        method="Laboratory: CTCAE 4.03 from numbers; reported: events",
                    )
                )
    return parts


@makes("lab_values")
def lab_values(adsl: pd.DataFrame, adlb: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Values (SUBLEVEL `value`) and changes from baseline (`change`) by visit (LEVEL), for each test.

    1. The baseline is that of the grades. Of several values on treatment at one visit, the last counts
       (of a day, the higher LBSEQ).
    2. Haemoglobin is converted to mmol/L from g/dL or g/L, as at baseline; in another unit it is not
       used.
    3. The visits are those of `over_time`; a test that was never measured has no row.
    """
    subjects = members(adsl, "SAFETY")["USUBJID"]
    values = adlb.drop_duplicates(["USUBJID", "PARAMCD", "LBSEQ"])
    factor = values["AVALU"].map(HAEMOGLOBIN).where(values["PARAMCD"] == "HGB", 1.0).astype(float)
    values = values.assign(AVAL=values["AVAL"] * factor)
    key = ["USUBJID", "PARAMCD"]
    base = values[values["ABLFL"] == "Y"].drop_duplicates(key, keep="last").set_index(key)["AVAL"]
    values = values.drop(columns="BASE").join(base.rename("BASE"), on=key)
    values = values[values["AVAL"].notna()].sort_values([*key, "ADT", "LBSEQ"], kind="stable")
    on = values[values["ONTRTFL"] == "Y"].drop_duplicates([*key, "AVISIT"], keep="last").index
    values["ANL01FL"] = np.where(values.index.isin(on), "Y", "")
    parts = []
    for code in plan.labs.terms:
        of_test = values[values["PARAMCD"] == code]
        if of_test.empty:
            continue
        for (level, sublevel), stats in over_time(of_test, subjects).items():
            parts.append(
                ard.rows(
                    stats,
                    analysis="lab_values",
                    section=plan.labs.section,
                    population="SAFETY",
                    paramcd=code,
                    level=level,
                    sublevel=sublevel,
                    method="Descriptive",
                )
            )
    return parts


def rows(
    *, adsl: pd.DataFrame, adae: pd.DataFrame, adlb: pd.DataFrame, plan: Plan
) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *lab_values(adsl, adlb, plan),
        *lab_grade(adsl, adlb, plan),
        *lab_shift(adsl, adlb, plan),
        *lab_reported(adsl, adlb, adae, plan),
    ]
