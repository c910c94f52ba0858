"""The grade of a laboratory value by CTCAE 4.03 (NIH publication 09-5410), its thresholds typed again."""

from decimal import Decimal

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


def decimal_of(number: float | None) -> Decimal | None:
    """A stored number as the decimal it was written as."""
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
