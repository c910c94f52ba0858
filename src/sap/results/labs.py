"""Laboratory: worst grade on treatment, shift from baseline, and what was reported beside it."""

import pandas as pd

from sap import ard
from sap.ard import NotEstimable
from sap.catalogue import fold, folded
from sap.plan.model import Plan
from sap.results.provenance import makes
from sap.results.rates import REASON_NO_PATIENT
from sap.results.sets import by_line, members

METHOD = "CTCAE 4.03 from numbers; patients, each once at the worst grade on treatment"
LEVELS = ("0", "0 OR 1", "1", "2", "3", "4", "NOT GRADED", "NOT MEASURED")
GRADED = ("0", "0 OR 1", "1", "2", "3", "4")


def _of(adlb: pd.DataFrame, code: str) -> pd.DataFrame:
    """The rows of one grading: a test, or one side of a test that is graded on both."""
    return adlb[(adlb["PARAMCD"] == code) | (adlb["PARAMCD"] + adlb["ATOXDIR"] == code)]


def worst(people: pd.DataFrame, adlb: pd.DataFrame, code: str) -> pd.Series:
    """The worst grade on treatment of each patient, NOT MEASURED without a value, by USUBJID."""
    mine = _of(adlb, code)
    mine = mine[mine["ANL01FL"] == "Y"].set_index("USUBJID")
    grades = people["USUBJID"].map(mine["ATOXGR"]).fillna("NOT MEASURED")
    return grades.set_axis(people["USUBJID"]).astype(str)


def absent(adlb: pd.DataFrame, code: str) -> NotEstimable | None:
    """Why no grade of a test can be given at all: it was not measured, or has no limits."""
    mine = _of(adlb, code)
    mine = mine[mine["ONTRTFL"] == "Y"]
    if mine.empty:
        return NotEstimable(f"not in the data: {code} was not measured on treatment")
    if not mine["ATOXGR"].isin(GRADED).any():
        return NotEstimable(f"not in the data: limits of normal of {code}")
    return None


def from_grade(grades: pd.Series, lowest: int) -> tuple[pd.Series, int]:
    """Who reached a grade at his worst, and of how many that cannot be told ("0 OR 1" at grade 1)."""
    reached = pd.to_numeric(grades, errors="coerce") >= lowest
    return reached, int((grades == "0 OR 1").sum()) if lowest == 1 else 0


def _line(n: int, total: int) -> dict[str, ard.type_of_stat]:
    return {"n": n, "N": total, "estimate": n / total if total else REASON_NO_PATIENT}


@makes("lab_grade")
def lab_grade(adsl: pd.DataFrame, adlb: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Patients by worst grade on treatment, for each grading of a test (PARAMCD), all and by line of therapy.

    LEVEL is the grade, "0 OR 1" (lower limit missing), NOT GRADED, NOT MEASURED; "severe" is the
    plan's severe grade or worse. Patients without a value stay in N.
    """
    severe = [str(g) for g in range(plan.safety.severe_grade, 5)]
    parts = []
    for group, people in by_line(adsl, "SAFETY").items():
        for code, _, term, _ in plan.labs.gradings:
            why = absent(adlb, code)
            grades = worst(people, adlb, code)
            counts = {level: int((grades == level).sum()) for level in LEVELS}
            counts[f"Grade >= {plan.safety.severe_grade}"] = int(grades.isin(severe).sum())
            for level, n in counts.items():
                stats = _line(n, len(people))
                if why is not None and not level.startswith("NOT"):
                    stats |= dict.fromkeys(("n", "estimate"), why)
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
    """Patients by grade at baseline (LEVEL) and worst grade on treatment (SUBLEVEL), for each grading of a test."""
    people = members(adsl, "SAFETY")
    parts = []
    for code, *_ in plan.labs.gradings:
        why = absent(adlb, code)
        mine = _of(adlb, code)
        mine = mine[mine["ABLFL"] == "Y"].set_index("USUBJID")
        base = people["USUBJID"].map(mine["ATOXGR"]).fillna("NOT MEASURED")
        last = worst(people, adlb, code)
        pairs = pd.crosstab(base.to_numpy(), last.to_numpy()).reindex(
            index=list(LEVELS), columns=list(LEVELS), fill_value=0
        )
        for level in LEVELS:
            for sublevel in LEVELS:
                n = int(pairs.to_numpy()[LEVELS.index(level), LEVELS.index(sublevel)])
                shown = n if why is None or sublevel.startswith("NOT") else why
                if n == 0 and {level, sublevel} & {"0 OR 1", "NOT GRADED", "NOT MEASURED"}:
                    continue  # a row of its own only where somebody stands in it
                parts.append(
                    ard.rows(
                        {"n": shown, "N": len(people)},
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


@makes("lab_reported")
def lab_reported(
    adsl: pd.DataFrame, adlb: pd.DataFrame, adae: pd.DataFrame, plan: Plan
) -> list[pd.DataFrame]:
    """Graded by the laboratory and reported as an event, side by side: two different populations.

    For each test that the plan pairs with preferred terms, from grade 1 and from the severe grade:
    LEVEL "laboratory" (worst value on treatment), "reported" (treatment-emergent events), and of
    these patients "both", "laboratory only", "reported only", "neither". SUBLEVEL is the lowest grade.
    From grade 1, a patient "0 OR 1" may belong to the laboratory's line, to "both" where he was reported,
    to "laboratory only" where not: a line he may enter or leave has no estimate, its count is a bound.
    A patient not measured or not graded reached no grade: he is in "reported only" or "neither".
    """
    people = members(adsl, "SAFETY")
    who = people["USUBJID"]
    events = adae[(adae["TRTEMFL"] == "Y") & adae["USUBJID"].isin(who)]
    term = events["AEDECOD"].map(fold)
    parts = []
    for testcd, terms in plan.labs.reported_as.items():
        why = absent(adlb, testcd)
        grades = worst(people, adlb, testcd)
        for lowest in (1, plan.safety.severe_grade):
            reached, open_ = from_grade(grades, lowest)
            lab = reached.set_axis(who.index)
            untold = (grades == "0 OR 1").set_axis(who.index) & (open_ > 0)
            grade = events["ATOXGRN"]
            counts = term.isin(folded(terms)) & ((grade >= lowest) | (grade.isna() & (lowest == 1)))
            reported = who.isin(events.loc[counts, "USUBJID"])
            lines = {
                "laboratory": lab,
                "reported": reported,
                "both": lab & reported,
                "laboratory only": lab & ~reported,
                "reported only": reported & ~lab,
                "neither": ~lab & ~reported,
            }
            told = int((untold & reported).sum())
            may_move = dict.fromkeys(("both", "reported only"), told)
            may_move |= dict.fromkeys(("laboratory only", "neither"), open_ - told)
            may_move |= {"laboratory": open_, "reported": 0}
            for level, which in lines.items():
                stats = _line(int(which.sum()), len(people))
                if may_move[level]:
                    stats["estimate"] = NotEstimable(
                        f"not in the data: lower limits of normal of {may_move[level]} patients"
                    )
                if level != "reported" and why is not None:
                    stats |= dict.fromkeys(("n", "estimate"), why)
                parts.append(
                    ard.rows(
                        stats,
                        analysis="lab_reported",
                        section=plan.labs.section,
                        population="SAFETY",
                        paramcd=testcd,
                        level=level,
                        sublevel=f"Grade >= {lowest}",
                        method="Laboratory: CTCAE 4.03 from numbers; reported: events",
                    )
                )
    return parts


def rows(
    *, adsl: pd.DataFrame, adae: pd.DataFrame, adlb: pd.DataFrame, plan: Plan
) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *lab_grade(adsl, adlb, plan),
        *lab_shift(adsl, adlb, plan),
        *lab_reported(adsl, adlb, adae, plan),
    ]
