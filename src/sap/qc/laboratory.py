"""Laboratory grades by a literal loop over each patient's values, in exact decimals.

The thresholds are typed here a second time, from CTCAE 4.03 (NIH publication 09-5410).
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from sap.catalogue import fold
from sap.plan.model import Plan
from sap.qc.counts import Value
from sap.qc.days import Day, clock, whole
from sap.qc.people import Record, Subject
from sap.qc.results import result

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
# Salts and glucose: the side, the grade of a value beyond the limit of normal ("" where the limit
# grades nothing), and by unit the grades with the value where each begins.
SALTS: dict[str, tuple[str, str, dict[str, dict[str, str]]]] = {
    "Hyperkalemia": ("high", "1", {"mmol/l": {"2": "5.5", "3": "6", "4": "7"}}),
    # Grades 1 and 2 share their range; symptoms, which no value has, tell them apart.
    "Hypokalemia": ("low", "2", {"mmol/l": {"3": "3", "4": "2.5"}}),
    "Hypernatremia": ("high", "1", {"mmol/l": {"2": "150", "3": "155", "4": "160"}}),
    "Hyponatremia": ("low", "1", {"mmol/l": {"3": "130", "4": "120"}}),
    "Hypercalcemia": (
        "high",
        "1",
        {
            "mmol/l": {"2": "2.9", "3": "3.1", "4": "3.4"},
            "mg/dl": {"2": "11.5", "3": "12.5", "4": "13.5"},
        },
    ),
    "Hypocalcemia": (
        "low",
        "1",
        {"mmol/l": {"2": "2", "3": "1.75", "4": "1.5"}, "mg/dl": {"2": "8", "3": "7", "4": "6"}},
    ),
    "Hypermagnesemia": (
        "high",
        "1",
        {"mmol/l": {"3": "1.23", "4": "3.3"}, "mg/dl": {"3": "3", "4": "8"}},
    ),
    "Hypomagnesemia": (
        "low",
        "1",
        {
            "mmol/l": {"2": "0.5", "3": "0.4", "4": "0.3"},
            "mg/dl": {"2": "1.2", "3": "0.9", "4": "0.7"},
        },
    ),
    "Hypophosphatemia": (
        "low",
        "1",
        {"mmol/l": {"2": "0.8", "3": "0.6", "4": "0.3"}, "mg/dl": {"2": "2.5", "3": "2", "4": "1"}},
    ),
    "Hyperglycemia": (
        "high",
        "",
        {"mmol/l": {"3": "13.9", "4": "27.8"}, "mg/dl": {"3": "250", "4": "500"}},
    ),
    "Hyperglycemia (Fasting)": (
        "high",
        "1",
        {
            "mmol/l": {"2": "8.9", "3": "13.9", "4": "27.8"},
            "mg/dl": {"2": "160", "3": "250", "4": "500"},
        },
    ),
    "Hypoglycemia": (
        "low",
        "1",
        {"mmol/l": {"2": "3", "3": "2.2", "4": "1.7"}, "mg/dl": {"2": "55", "3": "40", "4": "30"}},
    ),
}
# Grams above the upper limit, or above a baseline that is higher, where grades 2 and 3 begin.
ABOVE_NORMAL = {"Hemoglobin increased": {"g/dl": ("0", "2", "4"), "g/l": ("0", "20", "40")}}
GRADES = ("0", "0 OR 1", "1", "2", "3", "4")
LEVELS = (*GRADES, "NOT GRADED", "NOT MEASURED")
Row = tuple[str, str, str, str, str, dict[str, Value]]
"""Analysis, group, paramcd, level, sublevel, statistics."""


class Graded(NamedTuple):
    """One value of one patient: when, and what it was graded."""

    day: Day
    grade: str


class Course(NamedTuple):
    """The grade at baseline and the worst grade on treatment of one patient in one test."""

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
    if term in SALTS:
        return _salt(term, value, unit, limits)
    if term in ABOVE_NORMAL:
        return _increase(ABOVE_NORMAL[term].get((unit or "").strip().lower()), value, high, base)
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


def _increase(
    steps: tuple[str, ...] | None, value: Decimal, high: Decimal | None, base: Decimal | None
) -> str:
    if steps is None or high is None:
        return "NOT GRADED"
    normal = high if base is None else max(high, base)
    return str(sum(1 for step in steps if value > normal + Decimal(step)))


def _salt(
    term: str, value: Decimal, unit: str | None, limits: tuple[Decimal | None, Decimal | None]
) -> str:
    side, beyond, units = SALTS[term]
    cuts = units.get((unit or "").strip().lower())
    if cuts is None:
        return "NOT GRADED"
    # A high value turned round is a low one.
    sign, limit = (1, limits[0]) if side == "low" else (-1, limits[1])
    passed = [grade for grade, cut in cuts.items() if sign * value < sign * Decimal(cut)]
    if beyond and limit is not None and sign * value < sign * limit:
        passed.append(beyond)
    if passed:
        return max(passed)
    if not beyond or limit is not None:
        return "0"
    return "0 OR 1" if beyond == "1" else "NOT GRADED"


def courses(
    lb: Mapping[str, list[Record]], subjects: Mapping[str, Subject], plan: Plan
) -> dict[str, dict[str, Course]]:
    """By test and treated patient: the grade at baseline and the worst grade on treatment."""
    found: dict[str, dict[str, Course]] = {one.code: {} for one in plan.labs.gradings}
    for who, subject in subjects.items():
        if not subject.treated:
            continue
        for code, testcd, term, _ in plan.labs.gradings:
            mine = [row for row in lb.get(who, []) if row.get("LBTESTCD") == testcd]
            found[code][who] = _course(subject, mine, term, plan)
    return found


def _course(subject: Subject, rows: Sequence[Record], term: str, plan: Plan) -> Course:
    seen = []
    for row in rows:
        day, value = whole(row.get("LBDTC")), result(row, "LB")[0]
        if day is not None and value is not None:
            time = clock(row["LBDTC"])
            seen.append((day, -1.0 if time is None else time, row["LBSEQ"], value, row))
    seen.sort(key=lambda one: one[:3])
    first, last = subject.first_dose, subject.last_dose
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
    """Whether a test was measured on treatment of no patient, or graded of no patient."""
    # A grade that stands at a worst value is the only kind there is: any graded value makes it one.
    return not any(course.worst in GRADES for course in found.values())


def answers(
    found: Mapping[str, Mapping[str, Course]],
    subjects: Mapping[str, Subject],
    reported: Mapping[str, list[tuple[str, int | None]]],
    plan: Plan,
) -> Iterator[Row]:
    """Every row of `lab_grade`, `lab_shift` and `lab_reported`.

    `reported` holds the term and grade of each patient's treatment-emergent events.
    """
    severe = plan.safety.severe_grade
    for code, _, term, _ in plan.labs.gradings:
        closed = unknown(found[code])
        for group in ("", "second line", "third line"):
            worst = [
                course.worst
                for who, course in found[code].items()
                if not group or subjects[who].line == group
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
            fold(term) in [fold(one) for one in terms]
            and (lowest == 1 if grade is None else grade >= lowest)
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
