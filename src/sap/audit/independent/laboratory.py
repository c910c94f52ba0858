"""Laboratory grades by a literal loop over each man's values, in exact decimals.

The thresholds are typed here a second time, from CTCAE 4.03 (NIH publication 09-5410).
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from sap.audit.independent.counts import Value
from sap.audit.independent.days import Day, clock, whole
from sap.audit.independent.people import Man, Record
from sap.audit.independent.results import result
from sap.plan.model import Plan

# Where grades 2, 3 and 4 begin below; grade 1 is anything below the lower limit of normal.
BELOW: dict[str, dict[str, tuple[str, ...]]] = {
    "Anemia": {"g/dl": ("10", "8"), "mmol/l": ("6.2", "4.9"), "g/l": ("100", "80")},
    "White blood cell decreased": {"10^9/l": ("3", "2", "1")},
    "Neutrophil count decreased": {"10^9/l": ("1.5", "1", "0.5")},
    "Lymphocyte count decreased": {"10^9/l": ("0.8", "0.5", "0.2")},
    "Platelet count decreased": {"10^9/l": ("75", "50", "25")},
    "Hypoalbuminemia": {"g/dl": ("3", "2"), "g/l": ("30", "20")},
}
# Times the upper limit of normal above which grades 1, 2, 3 and 4 begin.
ABOVE = {
    "Alanine aminotransferase increased": ("1", "3", "5", "20"),
    "Aspartate aminotransferase increased": ("1", "3", "5", "20"),
    "Alkaline phosphatase increased": ("1", "2.5", "5", "20"),
    "GGT increased": ("1", "2.5", "5", "20"),
    "Blood bilirubin increased": ("1", "1.5", "3", "10"),
    "Creatinine increased": ("1", "1.5", "3", "6"),
}
TIMES_BASELINE = {"Creatinine increased": ("1", "1.5", "3")}
GRADES = ("0", "0 OR 1", "1", "2", "3", "4")
LEVELS = (*GRADES, "NOT GRADED", "NOT MEASURED")
Row = tuple[str, str, str, str, str, dict[str, Value]]
"""Analysis, group, paramcd, level, sublevel, statistics."""


class Graded(NamedTuple):
    """One value of one man: when, and what it was graded."""

    day: Day
    grade: str


class Course(NamedTuple):
    """The grade at baseline and the worst grade on treatment of one man in one test."""

    base: str
    worst: str


def _decimal(number: float | None) -> Decimal | None:
    return None if number is None else Decimal(repr(float(number)))


def graded(
    term: str,
    value: Decimal,
    unit: str | None,
    limits: tuple[Decimal | None, Decimal | None],
    base: Decimal | None,
) -> str:
    """The grade of one value; "0 OR 1" when only the lower limit is missing, else "NOT GRADED".

    >>> ten, none = Decimal("1.4"), (None, None)
    >>> graded("Neutrophil count decreased", ten, "10^9/L", none, None)
    '2'
    >>> graded("Neutrophil count decreased", Decimal("1.5"), "10^9/L", none, None)
    '0 OR 1'
    """
    low, high = limits
    if term in BELOW:
        cuts = BELOW[term].get((unit or "").strip().lower())
        if cuts is None:
            return "NOT GRADED"
        passed = [grade for grade, cut in enumerate(cuts, start=2) if value < Decimal(cut)]
        if passed:
            return str(max(passed))
        return "0 OR 1" if low is None else "1" if value < low else "0"
    worst, open_ = 0, False
    for limit, times in ((high, ABOVE[term]), (base, TIMES_BASELINE.get(term, ()))):
        if times and limit is None:
            open_ = True
            continue
        for grade, factor in enumerate(times, start=1):
            if limit is not None and value > Decimal(factor) * limit:
                worst = max(worst, grade)
    return "NOT GRADED" if open_ and not worst else str(worst)


def courses(
    lb: Mapping[str, list[Record]], men: Mapping[str, Man], plan: Plan
) -> dict[str, dict[str, Course]]:
    """By test and treated man: the grade at baseline and the worst grade on treatment."""
    found: dict[str, dict[str, Course]] = {code: {} for code in plan.labs.terms}
    for who, man in men.items():
        if not man.treated:
            continue
        for code, term in plan.labs.terms.items():
            mine = [row for row in lb.get(who, []) if row.get("LBTESTCD") == code]
            found[code][who] = _course(man, mine, term, plan)
    return found


def _course(man: Man, rows: Sequence[Record], term: str, plan: Plan) -> Course:
    seen = []
    for row in rows:
        day, value = whole(row.get("LBDTC")), result(row, "LB")[0]
        if day is not None and value is not None:
            time = clock(row["LBDTC"])
            seen.append((day, -1.0 if time is None else time, row["LBSEQ"], value, row))
    seen.sort(key=lambda one: one[:3])
    first, last = man.first_dose, man.last_dose
    before = [one for one in seen if first is not None and one[0] <= first]
    base = before[-1][3] if before else None

    def grade_of(value: Decimal, row: Record) -> str:
        limits = (_decimal(row.get("LBSTNRLO")), _decimal(row.get("LBSTNRHI")))
        return graded(term, value, row.get("LBSTRESU"), limits, base)

    at_base = grade_of(before[-1][3], before[-1][4]) if before else "NOT MEASURED"
    if first is None or last is None:
        return Course(at_base, "NOT MEASURED")
    until = last + dt.timedelta(days=plan.safety.days_after_last_dose)
    later = [grade_of(value, row) for day, _, _, value, row in seen if first < day <= until]
    numbers = [grade for grade in later if grade.isdigit()]
    if numbers:
        return Course(at_base, max(numbers))
    worst = "0 OR 1" if "0 OR 1" in later else "NOT GRADED" if later else "NOT MEASURED"
    return Course(at_base, worst)


def unknown(found: Mapping[str, Course]) -> bool:
    """Whether a test was measured on treatment of nobody, or graded of nobody."""
    # A grade that stands at a worst value is the only kind there is: any graded value makes it one.
    return not any(course.worst in GRADES for course in found.values())


def answers(
    found: Mapping[str, Mapping[str, Course]],
    men: Mapping[str, Man],
    reported: Mapping[str, list[tuple[str, int | None]]],
    plan: Plan,
) -> Iterator[Row]:
    """Every row of `lab_grade`, `lab_shift` and `lab_reported`.

    `reported` holds the term and grade of each man's treatment-emergent events.
    """
    severe = plan.safety.severe_grade
    for code, term in plan.labs.terms.items():
        closed = unknown(found[code])
        for group in ("", "second line", "third line"):
            worst = [
                course.worst
                for who, course in found[code].items()
                if not group or men[who].line == group
            ]
            counts = {level: worst.count(level) for level in LEVELS}
            counts[f"Grade >= {severe}"] = sum(1 for g in worst if g.isdigit() and int(g) >= severe)
            for level, n in counts.items():
                stats = _share(n, len(worst))
                if closed and not level.startswith("NOT"):
                    stats |= {"n": None, "estimate": None}
                if level == "0" and not group:
                    stats["term"] = term
                yield "lab_grade", group, code, level, "", stats
        yield from _shifts(code, found[code], closed)
    for code, terms in plan.labs.reported_as.items():
        for lowest in (1, severe):
            for level, stats in _beside(found[code], reported, terms, lowest):
                yield "lab_reported", "", code, level, f"Grade >= {lowest}", stats


def _share(n: int, total: int) -> dict[str, Value]:
    return {"n": n, "N": total, "estimate": n / total if total else None}


def _shifts(code: str, mine: Mapping[str, Course], closed: bool) -> Iterator[Row]:
    for base in LEVELS:
        for worst in LEVELS:
            n = sum(1 for course in mine.values() if course == (base, worst))
            if n == 0 and {base, worst} & {"0 OR 1", "NOT GRADED", "NOT MEASURED"}:
                continue  # such a row is there only when somebody stands in it
            hidden = closed and not worst.startswith("NOT")
            stats: dict[str, Value] = {"n": None if hidden else n, "N": len(mine)}
            yield "lab_shift", "", code, base, worst, stats


def _beside(
    mine: Mapping[str, Course],
    reported: Mapping[str, list[tuple[str, int | None]]],
    terms: Sequence[str],
    lowest: int,
) -> Iterator[tuple[str, dict[str, Value]]]:
    counts = dict.fromkeys(
        ("laboratory", "reported", "both", "laboratory only", "reported only", "neither"), 0
    )
    bounds: set[str] = set()
    for who, course in mine.items():
        lab = course.worst.isdigit() and int(course.worst) >= lowest
        told = any(
            term.upper() in terms and (lowest == 1 if grade is None else grade >= lowest)
            for term, grade in reported.get(who, [])
        )
        counts["laboratory"] += lab
        counts["reported"] += told
        both = {(True, True): "both", (True, False): "laboratory only"}
        both |= {(False, True): "reported only", (False, False): "neither"}
        counts[both[lab, told]] += 1
        if lowest == 1 and course.worst == "0 OR 1":
            bounds |= {"laboratory", both[True, told], both[False, told]}
    for level, n in counts.items():
        stats = _share(n, len(mine))
        if level != "reported" and unknown(mine):
            stats |= {"n": None, "estimate": None}
        if level in bounds:
            stats["estimate"] = None
        yield level, stats
