"""Laboratory grades by CTCAE version 4.03 (NCI, 14 June 2010): the thresholds, and one function.

Version 5 grades ALT, AST, ALP and bilirubin relative to an abnormal baseline; the two are not mixed.

References
----------
Common Terminology Criteria for Adverse Events v4.03, NIH publication 09-5410. The thresholds and the
treatment of missing limits are those of the metadata of R's admiral (`atoxgr_criteria_ctcv4`).
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Cuts = Mapping[int, float]  # grade: the value beyond which it begins


@dataclass(frozen=True)
class Criteria:
    """When a value earns a grade: below a cut for `low`, above it for `high`; the worst grade counts.

    `absolute` has cuts for each unit, `times_uln` and `times_base` cuts in multiples of the upper
    limit of normal and of the baseline, `above_normal` for each unit what is added to the upper limit,
    or to the baseline when that is higher. `beyond_limit` is the grade of a value beyond the limit of
    normal on its side.
    """

    direction: Literal["low", "high"]
    beyond_limit: int | None = None
    absolute: Mapping[str, Cuts] = field(default_factory=dict)
    times_uln: Cuts = field(default_factory=dict)
    times_base: Cuts = field(default_factory=dict)
    above_normal: Mapping[str, Cuts] = field(default_factory=dict)


def _cells(grade_2: float, grade_3: float, grade_4: float) -> Criteria:
    """Blood cells: 10^9/L, and the same numbers per cubic millimetre."""
    per_litre = {2: grade_2, 3: grade_3, 4: grade_4}
    per_mm3 = {grade: round(1000 * cut) for grade, cut in per_litre.items()}
    return Criteria("low", 1, {"10^9/L": per_litre, "/mm3": per_mm3})


def _low(**units: Cuts) -> Criteria:
    return Criteria("low", 1, {name.replace("_", "/"): cuts for name, cuts in units.items()})


def _high(**units: Cuts) -> Criteria:
    return Criteria("high", 1, {name.replace("_", "/"): cuts for name, cuts in units.items()})


def _times_uln(grade_2: float, grade_3: float, grade_4: float) -> Criteria:
    return Criteria("high", times_uln={1: 1, 2: grade_2, 3: grade_3, 4: grade_4})


CRITERIA: Mapping[str, Criteria] = {
    # blood
    "Neutrophil count decreased": _cells(1.5, 1.0, 0.5),
    "Platelet count decreased": _cells(75, 50, 25),
    "White blood cell decreased": _cells(3, 2, 1),
    "Lymphocyte count decreased": _cells(0.8, 0.5, 0.2),
    # Grade 3 of anaemia and of a low albumin is the highest that a value alone can give; 4 is clinical.
    "Anemia": _low(mmol_L={2: 6.2, 3: 4.9}, g_dL={2: 10, 3: 8}, g_L={2: 100, 3: 80}),
    "Hemoglobin increased": Criteria(
        "high", above_normal={"g/dL": {1: 0, 2: 2, 3: 4}, "g/L": {1: 0, 2: 20, 3: 40}}
    ),
    # liver and kidney
    "Alanine aminotransferase increased": _times_uln(3, 5, 20),
    "Aspartate aminotransferase increased": _times_uln(3, 5, 20),
    "Alkaline phosphatase increased": _times_uln(2.5, 5, 20),
    "GGT increased": _times_uln(2.5, 5, 20),
    "Blood bilirubin increased": _times_uln(1.5, 3, 10),
    "Creatinine increased": Criteria(
        "high", times_uln={1: 1, 2: 1.5, 3: 3, 4: 6}, times_base={1: 1, 2: 1.5, 3: 3}
    ),
    "Hypoalbuminemia": _low(g_L={2: 30, 3: 20}, g_dL={2: 3, 3: 2}),
    # electrolytes; calcium is the calcium corrected for albumin
    "Hyperkalemia": _high(mmol_L={2: 5.5, 3: 6, 4: 7}),
    # Grades 1 and 2 of a low potassium differ by symptoms only; a value gives the higher.
    "Hypokalemia": Criteria("low", 2, {"mmol/L": {3: 3, 4: 2.5}}),
    "Hypernatremia": _high(mmol_L={2: 150, 3: 155, 4: 160}),
    "Hyponatremia": _low(mmol_L={3: 130, 4: 120}),
    "Hypercalcemia": _high(mmol_L={2: 2.9, 3: 3.1, 4: 3.4}, mg_dL={2: 11.5, 3: 12.5, 4: 13.5}),
    "Hypocalcemia": _low(mmol_L={2: 2, 3: 1.75, 4: 1.5}, mg_dL={2: 8, 3: 7, 4: 6}),
    "Hypermagnesemia": _high(mmol_L={3: 1.23, 4: 3.3}, mg_dL={3: 3, 4: 8}),
    "Hypomagnesemia": _low(mmol_L={2: 0.5, 3: 0.4, 4: 0.3}, mg_dL={2: 1.2, 3: 0.9, 4: 0.7}),
    "Hypophosphatemia": _low(mmol_L={2: 0.8, 3: 0.6, 4: 0.3}, mg_dL={2: 2.5, 3: 2, 4: 1}),
    # glucose; grades 1 and 2 of a high one are defined for a fasting sample only
    "Hyperglycemia": Criteria(
        "high", None, {"mmol/L": {3: 13.9, 4: 27.8}, "mg/dL": {3: 250, 4: 500}}
    ),
    "Hyperglycemia (Fasting)": _high(
        mmol_L={2: 8.9, 3: 13.9, 4: 27.8}, mg_dL={2: 160, 3: 250, 4: 500}
    ),
    "Hypoglycemia": _low(mmol_L={2: 3, 3: 2.2, 4: 1.7}, mg_dL={2: 55, 3: 40, 4: 30}),
}

SYNONYMS: Mapping[str, str] = {  # lower case: the CTCAE term
    "neutrophils decreased": "Neutrophil count decreased",
    "platelets decreased": "Platelet count decreased",
    "wbc decreased": "White blood cell decreased",
    "lymphocytes decreased": "Lymphocyte count decreased",
    "anaemia": "Anemia",
    "haemoglobin increased": "Hemoglobin increased",
    "alt increased": "Alanine aminotransferase increased",
    "ast increased": "Aspartate aminotransferase increased",
    "alp increased": "Alkaline phosphatase increased",
    "bilirubin increased": "Blood bilirubin increased",
    "hypoalbuminaemia": "Hypoalbuminemia",
    "hyperkalaemia": "Hyperkalemia",
    "hypokalaemia": "Hypokalemia",
    "hypernatraemia": "Hypernatremia",
    "hyponatraemia": "Hyponatremia",
    "hypercalcaemia": "Hypercalcemia",
    "hypocalcaemia": "Hypocalcemia",
    "hypermagnesaemia": "Hypermagnesemia",
    "hypomagnesaemia": "Hypomagnesemia",
    "hypophosphataemia": "Hypophosphatemia",
    "hyperglycaemia": "Hyperglycemia",
    "hyperglycaemia (fasting)": "Hyperglycemia (Fasting)",
    "hypoglycaemia": "Hypoglycemia",
} | {term.lower(): term for term in CRITERIA}

UNITS: Mapping[str, str] = {  # lower case: the unit of the table with the same numbers
    **dict.fromkeys(
        ["10^9/l", "10*9/l", "1e9/l", "10e9/l", "x10^9/l", "x10e9/l", "giga/l"], "10^9/L"
    ),
    **dict.fromkeys(["10^3/ul", "10*3/ul", "10^3/mm3", "10*3/mm3", "thou/ul", "k/ul"], "10^9/L"),
    **dict.fromkeys(["/mm3", "/ul", "1/ul", "cells/ul"], "/mm3"),
    **{unit.lower(): unit for unit in ("mmol/L", "g/dL", "g/L", "mg/dL")},
}


def criteria(term: str) -> Criteria:
    """The criteria of a CTCAE term, in any case, by its CTCAE name or a common synonym.

    Raises
    ------
    ValueError
        There are no laboratory criteria for this term.
    """
    try:
        return CRITERIA[SYNONYMS[term.strip().lower()]]
    except KeyError:
        raise ValueError(f"term {term!r} has no laboratory criteria here") from None


def grade(
    term: str,
    value: float | None,
    unit: str | None,
    lln: float | None,
    uln: float | None,
    base: float | None,
) -> int | None:
    """The grade of one value, in the first case that applies; value, limits and base share one unit.

    1. None: no value, or a unit for which the term prints no threshold (multiples need no unit).
    2. 4, 3, 2, 1: the worst grade whose threshold the value passes, of the thresholds that can be
       computed. A threshold itself belongs to the milder grade. Creatinine takes the worse of
       multiples of the upper limit and of the baseline.
    3. None: no threshold is passed, but one could not be computed for want of a limit or baseline.
    4. 0: graded and normal.

    Value and thresholds are compared at 15 significant digits, so that 3 x 0.1 is 0.3. An absolute
    threshold counts even when the laboratory's own limit is milder (a value of 1.45 with a lower
    limit of 1.4 is grade 2 of neutrophils), as printed. An unknown term raises ValueError.

    Raises
    ------
    ValueError
        There are no laboratory criteria for this term.

    Examples
    --------
    >>> grade("Neutrophil count decreased", 1.5, "10^9/L", lln=2.0, uln=None, base=None)
    1
    >>> grade("Anemia", 6.1, "mmol/L", lln=None, uln=None, base=None)
    2
    >>> grade("Anemia", 6.2, "mmol/L", lln=None, uln=None, base=None) is None
    True
    >>> grade("Creatinine increased", 140, None, lln=None, uln=110, base=45)
    3
    """
    rules = criteria(term)
    known_unit = UNITS.get(unit.strip().lower()) if unit else None
    by_unit = rules.absolute or rules.above_normal
    if _missing(value) or (by_unit and known_unit not in by_unit):
        return None
    seen = _signif(value)
    worst, unknown = 0, False
    for each, cut in _cuts(rules, known_unit or "", lln, uln, base):
        if math.isnan(cut):
            unknown = True
        elif seen < _signif(cut) if rules.direction == "low" else seen > _signif(cut):
            worst = max(worst, each)
    return None if unknown and worst == 0 else worst


def grades(
    term: str,
    value: ArrayLike,
    unit: ArrayLike,
    lln: ArrayLike,
    uln: ArrayLike,
    base: ArrayLike,
) -> NDArray[np.float64]:
    """`grade` for arrays that broadcast, as floats; NaN where a value cannot be graded.

    Raises
    ------
    ValueError
        There are no laboratory criteria for this term.

    Examples
    --------
    >>> grades("ALT increased", [30, 121, 1000, float("nan")], "U/L", None, 40, None).tolist()
    [0.0, 2.0, 4.0, nan]
    """
    parts = (np.asarray(part, dtype=object) for part in (value, unit, lln, uln, base))
    rows = np.broadcast(*parts)
    graded = [grade(term, *row) for row in rows]
    return np.array([math.nan if one is None else one for one in graded]).reshape(rows.shape)


def _cuts(
    rules: Criteria, unit: str, lln: float | None, uln: float | None, base: float | None
) -> Iterator[tuple[int, float]]:
    """Every grade with the value where it begins; NaN where that needs a number that is missing."""
    lower, upper, before = _number(lln), _number(uln), _number(base)
    yield from rules.absolute.get(unit, {}).items()
    if rules.beyond_limit is not None:
        yield rules.beyond_limit, lower if rules.direction == "low" else upper
    for each, times in rules.times_uln.items():
        yield each, times * upper
    for each, times in rules.times_base.items():
        yield each, times * before
    start = before if _signif(before) > _signif(upper) else upper
    for each, step in rules.above_normal.get(unit, {}).items():
        yield each, start + step


def _missing(value: float | None) -> bool:
    return value is None or math.isnan(value)


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _signif(value: float | None) -> float:
    return float(f"{_number(value):.15g}")
