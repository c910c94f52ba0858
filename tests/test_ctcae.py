"""Grades at and beside every threshold: the printed table, and admiral's metadata run in R."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from sap.methods.ctcae import CRITERIA, SYNONYMS, UNITS, criteria, grade, grades

REFERENCE = Path(__file__).parent / "reference" / "ctcae_admiral.csv"

# CTCAE 4.03 as printed; LLN, ULN are the laboratory's. Each line: value, grade.
PRINTED = """
    term                  | unit   | LLN  | ULN | base | value  | grade
    Neutrophils decreased | 10^9/L | 2.0  |     |      | 2.0    | 0
    Neutrophils decreased | 10^9/L | 2.0  |     |      | 1.999  | 1
    Neutrophils decreased | 10^9/L | 2.0  |     |      | 1.5    | 1
    Neutrophils decreased | 10^9/L | 2.0  |     |      | 1.499  | 2
    Neutrophils decreased | 10^9/L | 2.0  |     |      | 1.0    | 2
    Neutrophils decreased | 10^9/L | 2.0  |     |      | 0.999  | 3
    Neutrophils decreased | 10^9/L | 2.0  |     |      | 0.5    | 3
    Neutrophils decreased | 10^9/L | 2.0  |     |      | 0.499  | 4
    Neutrophils decreased | 10^9/L | 2.0  |     |      | 0      | 4
    Neutrophils decreased | /mm3   | 2000 |     |      | 1500   | 1
    Neutrophils decreased | /mm3   | 2000 |     |      | 499    | 4
    Platelets decreased   | 10^9/L | 150  |     |      | 150    | 0
    Platelets decreased   | 10^9/L | 150  |     |      | 149    | 1
    Platelets decreased   | 10^9/L | 150  |     |      | 75     | 1
    Platelets decreased   | 10^9/L | 150  |     |      | 74.9   | 2
    Platelets decreased   | 10^9/L | 150  |     |      | 50     | 2
    Platelets decreased   | 10^9/L | 150  |     |      | 49.9   | 3
    Platelets decreased   | 10^9/L | 150  |     |      | 25     | 3
    Platelets decreased   | 10^9/L | 150  |     |      | 24.9   | 4
    WBC decreased         | 10^9/L | 4.0  |     |      | 4.0    | 0
    WBC decreased         | 10^9/L | 4.0  |     |      | 3.0    | 1
    WBC decreased         | 10^9/L | 4.0  |     |      | 2.99   | 2
    WBC decreased         | 10^9/L | 4.0  |     |      | 2.0    | 2
    WBC decreased         | 10^9/L | 4.0  |     |      | 1.99   | 3
    WBC decreased         | 10^9/L | 4.0  |     |      | 1.0    | 3
    WBC decreased         | 10^9/L | 4.0  |     |      | 0.99   | 4
    Lymphocytes decreased | 10^9/L | 1.0  |     |      | 0.8    | 1
    Lymphocytes decreased | 10^9/L | 1.0  |     |      | 0.79   | 2
    Lymphocytes decreased | 10^9/L | 1.0  |     |      | 0.5    | 2
    Lymphocytes decreased | 10^9/L | 1.0  |     |      | 0.49   | 3
    Lymphocytes decreased | 10^9/L | 1.0  |     |      | 0.2    | 3
    Lymphocytes decreased | 10^9/L | 1.0  |     |      | 0.19   | 4
    Anaemia               | mmol/L | 8.5  |     |      | 8.5    | 0
    Anaemia               | mmol/L | 8.5  |     |      | 8.4    | 1
    Anaemia               | mmol/L | 8.5  |     |      | 6.2    | 1
    Anaemia               | mmol/L | 8.5  |     |      | 6.1    | 2
    Anaemia               | mmol/L | 8.5  |     |      | 4.9    | 2
    Anaemia               | mmol/L | 8.5  |     |      | 4.8    | 3
    Anaemia               | mmol/L | 8.5  |     |      | 1.0    | 3
    Anaemia               | g/dL   | 13.7 |     |      | 10.0   | 1
    Anaemia               | g/dL   | 13.7 |     |      | 9.99   | 2
    Anaemia               | g/dL   | 13.7 |     |      | 8.0    | 2
    Anaemia               | g/dL   | 13.7 |     |      | 7.9    | 3
    Anaemia               | g/L    | 137  |     |      | 100    | 1
    Anaemia               | g/L    | 137  |     |      | 99     | 2
    Anaemia               | g/L    | 137  |     |      | 80     | 2
    Anaemia               | g/L    | 137  |     |      | 79     | 3
    ALT increased         | U/L    |      | 40  |      | 40     | 0
    ALT increased         | U/L    |      | 40  |      | 41     | 1
    ALT increased         | U/L    |      | 40  |      | 120    | 1
    ALT increased         | U/L    |      | 40  |      | 121    | 2
    ALT increased         | U/L    |      | 40  |      | 200    | 2
    ALT increased         | U/L    |      | 40  |      | 201    | 3
    ALT increased         | U/L    |      | 40  |      | 800    | 3
    ALT increased         | U/L    |      | 40  |      | 801    | 4
    AST increased         | U/L    |      | 30  |      | 90     | 1
    AST increased         | U/L    |      | 30  |      | 151    | 3
    ALP increased         | U/L    |      | 100 |      | 250    | 1
    ALP increased         | U/L    |      | 100 |      | 251    | 2
    ALP increased         | U/L    |      | 100 |      | 500    | 2
    ALP increased         | U/L    |      | 100 |      | 501    | 3
    ALP increased         | U/L    |      | 100 |      | 2000   | 3
    ALP increased         | U/L    |      | 100 |      | 2001   | 4
    GGT increased         | U/L    |      | 60  |      | 150    | 1
    GGT increased         | U/L    |      | 60  |      | 151    | 2
    GGT increased         | U/L    |      | 60  |      | 1201   | 4
    Bilirubin increased   | umol/L |      | 20  |      | 30     | 1
    Bilirubin increased   | umol/L |      | 20  |      | 31     | 2
    Bilirubin increased   | umol/L |      | 20  |      | 60     | 2
    Bilirubin increased   | umol/L |      | 20  |      | 61     | 3
    Bilirubin increased   | umol/L |      | 20  |      | 200    | 3
    Bilirubin increased   | umol/L |      | 20  |      | 201    | 4
    Creatinine increased  | umol/L |      | 110 | 60   | 60     | 0
    Creatinine increased  | umol/L |      | 110 | 60   | 61     | 1
    Creatinine increased  | umol/L |      | 110 | 60   | 90     | 1
    Creatinine increased  | umol/L |      | 110 | 60   | 91     | 2
    Creatinine increased  | umol/L |      | 110 | 60   | 180    | 2
    Creatinine increased  | umol/L |      | 110 | 60   | 181    | 3
    Creatinine increased  | umol/L |      | 110 | 60   | 660    | 3
    Creatinine increased  | umol/L |      | 110 | 60   | 661    | 4
    Creatinine increased  | umol/L |      | 110 | 200  | 110    | 0
    Creatinine increased  | umol/L |      | 110 | 200  | 165    | 1
    Creatinine increased  | umol/L |      | 110 | 200  | 166    | 2
    Hypoalbuminaemia      | g/L    | 35   |     |      | 35     | 0
    Hypoalbuminaemia      | g/L    | 35   |     |      | 30     | 1
    Hypoalbuminaemia      | g/L    | 35   |     |      | 29.9   | 2
    Hypoalbuminaemia      | g/L    | 35   |     |      | 20     | 2
    Hypoalbuminaemia      | g/L    | 35   |     |      | 19.9   | 3
    Hypoalbuminaemia      | g/dL   | 3.5  |     |      | 2.9    | 2
    Haemoglobin increased | g/dL   |      | 17  | 15   | 17     | 0
    Haemoglobin increased | g/dL   |      | 17  | 15   | 19     | 1
    Haemoglobin increased | g/dL   |      | 17  | 15   | 19.1   | 2
    Haemoglobin increased | g/dL   |      | 17  | 18   | 20     | 1
    Haemoglobin increased | g/dL   |      | 17  | 18   | 22.1   | 3
"""


def table(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()[1:]]


def number(text: str) -> float | None:
    return float(text) if text else None


@pytest.mark.parametrize("row", table(PRINTED), ids=lambda row: f"{row[0]} {row[5]} {row[1]}")
def test_the_printed_table(row):
    term, unit, lln, uln, base, value, expected = row
    assert grade(term, float(value), unit, number(lln), number(uln), number(base)) == int(expected)


@pytest.mark.parametrize("term", sorted(CRITERIA))
def test_every_term_is_graded_as_by_admirals_metadata(term):
    """At, a millionth beside and a bit beside each threshold, with limits there and missing."""
    with REFERENCE.open() as file:
        assert file.readline().startswith("# R version 4.2")
        rows = [row for row in csv.DictReader(file) if row["term"] == term]
    assert len(rows) >= 12
    for row in rows:
        limits = [number(row[name]) for name in ("lln", "uln", "base")]
        found = grade(term, float(row["value"]), row["unit"] or None, *limits)
        assert found == (int(row["grade"]) if row["grade"] else None), row


MISSING = [
    # term, value, unit, lln, uln, base, grade, why
    ("Anemia", 95, "g/L", None, None, None, 2, "absolute thresholds need no limit"),
    ("Anemia", 120, "g/L", None, None, None, None, "may be grade 1"),
    ("Anemia", 120, "g/L", math.nan, None, None, None, "NaN is missing too"),
    ("Anemia", 120, "mg/dL", 130, None, None, None, "no threshold in that unit"),
    ("Anemia", 120, None, 130, None, None, None, "no unit, no threshold"),
    ("Anemia", None, "g/L", 130, None, None, None, "no value"),
    ("Anemia", math.nan, "g/L", 130, None, None, None, "no value"),
    ("ALT increased", 500, "U/L", None, None, None, None, "every grade is a multiple of ULN"),
    ("Creatinine increased", 200, None, None, None, 50, 3, "baseline alone"),
    ("Creatinine increased", 700, None, None, 100, None, 4, "upper limit alone"),
    ("Creatinine increased", 90, None, None, 100, None, None, "may exceed an unknown baseline"),
    ("Creatinine increased", 50, None, None, None, 50, None, "may exceed an unknown limit"),
    ("Hyperglycemia", 10.0, "mmol/L", None, None, None, 0, "not fasting: nothing below 13.9"),
    ("Hemoglobin increased", 18, "mmol/L", None, 11, None, None, "printed in g/dL only"),
    ("Hemoglobin increased", 20, "g/dL", None, None, 19, None, "no limit"),
]


@pytest.mark.parametrize(
    "term, value, unit, lln, uln, base, expected, why", MISSING, ids=[row[-1] for row in MISSING]
)
def test_missing_limits_leave_what_absolute_thresholds_allow(
    term, value, unit, lln, uln, base, expected, why
):
    assert grade(term, value, unit, lln, uln, base) == expected


def test_float_noise_does_not_cross_a_threshold():
    """3 x 0.1 is 0.30000000000000004: equal at 15 digits, so not above three times the limit."""
    assert 3 * 0.1 > 0.3
    assert grade("Blood bilirubin increased", 0.1 + 0.2, None, None, 0.1, None) == 2
    assert grade("ALT increased", 3 * 0.1, None, None, 0.1, None) == 1
    assert grade("Anemia", 6.2 - 1e-15, "mmol/L", 8, None, None) == 1


def test_haemoglobin_is_graded_in_its_own_unit():
    """6.2 mmol/L is 9.99 g/dL: converted first, a grade 1 would become a grade 2."""
    assert grade("Anemia", 6.2, "mmol/L", 8.5, None, None) == 1
    assert grade("Anemia", 6.2 * 1.6114, "g/dL", 13.7, None, None) == 2


def test_a_worse_value_never_has_a_milder_grade():
    for term, rules in CRITERIA.items():
        for unit in rules.absolute or rules.above_normal or [None]:
            rising = grades(term, np.geomspace(0.01, 5000, 400), unit, 10, 20, 15)
            steps = np.diff(rising)
            assert (steps <= 0).all() if rules.direction == "low" else (steps >= 0).all(), term


@pytest.mark.parametrize("term", sorted(CRITERIA))
def test_every_term_can_be_reached_by_its_own_name_in_any_case(term):
    assert criteria(term) is criteria(f" {term.upper()} ") is CRITERIA[term]


def test_every_synonym_and_unit_leads_to_the_table():
    assert set(SYNONYMS.values()) == set(CRITERIA)
    units = {u for c in CRITERIA.values() for u in (*c.absolute, *c.above_normal)}
    assert set(UNITS.values()) == units
    assert all(key == key.lower() for key in (*SYNONYMS, *UNITS))


def test_arrays_broadcast_and_nan_stands_for_none():
    found = grades(
        "Platelets decreased", [[200, 60], [None, 10]], "10*9/L", [150, math.nan], None, None
    )
    assert found.shape == (2, 2)
    assert found.tolist()[0] == [0, 2]
    assert math.isnan(found[1, 0])
    assert found[1, 1] == 4


def test_an_unknown_term_is_refused_by_name():
    with pytest.raises(ValueError, match="term 'Nausea'"):
        grade("Nausea", 1, None, None, None, None)
