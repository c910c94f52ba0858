"""Courses of treatment: who has one, its first day, and the new therapy that ends it, by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sap.derivations.courses import choice_psa, choice_response, courses
from sap.plan import read_plan

PLAN = read_plan(Path(__file__).parents[1] / "analysis" / "plan.yml").plan
ORIGIN = pd.Timestamp("2018-01-01")
CHOICE, LATER = "PHYSICIAN'S CHOICE", "SUBSEQUENT ANTICANCER THERAPY"

# Days from 2018-01-01. 01 to 05: study treatment; 11 to 19: the physician's choice.
SUBJECTS = """
    USUBJID | GROUP | NCYCLES | ALLOCDT | TRTSDT | TRTEDT | RESCTRFL | RESCCSDT | RESCRDT | RESALLDT
    --------+-------+---------+---------+--------+--------+----------+----------+---------+---------
    01      | B     | 1       | 0       | 7      | 28     | N        |          |         |
    02      | B     | 0       | 0       | 7      |        | N        |          |         |
    03      | B     | 3       | 0       |        |        | N        |          |         |
    04      | A     | 4       | 0       | 100    | 190    | Y        | 80       | 70      | 90
    05      | B     | 2       | 0       | 7      | 28     | N        | -5       | -4      | -3
    11      | A     | 0       | 31      |        |        | N        |          |         |
    12      | A     | 0       | 9       |        |        | N        |          |         |
    13      | B     | 0       | 9       |        |        | N        |          |         |
    14      | A     | 0       |         |        |        | N        |          |         |
    15      |       | 0       |         |        |        | N        |          |         |
    16      | A     | 0       | 9       |        |        | N        |          |         |
    17      | A     | 0       | 30      |        |        | N        |          |         |
    18      | A     | 2       | 20      | 20     | 40     | Y        | 15       | 16      | 17
    19      | A     | 2       | 31      | 100    | 121    | Y        | 80       |         |
"""
THERAPIES = """
    USUBJID | CMSEQ | CMDECOD       | CMCAT   | CMSTDTC    | CMENDTC
    --------+-------+---------------+---------+------------+-----------
    01      | 1     | DOCETAXEL     | LATER   | 2018-04-11 |
    04      | 1     | ABIRATERONE   | CHOICE  | 2018-01-11 | 2018-02
    04      | 2     | DOCETAXEL     | LATER   | 2018-03-02 |
    05      | 1     | DOCETAXEL     | CHOICE  | 2018-01-05 |
    18      | 2     | DOCETAXEL     | LATER   | 2018-02-10 |
    12      | 2     | ENZALUTAMIDE  | CHOICE  | 2018-03-02 | 2018-04-01
    12      | 1     | ABIRATERONE   | CHOICE  | 2018-01-20 | 2018
    12      | 3     | DOCETAXEL     | LATER   | 2018-03-12 |
    13      | 1     | ABIRATERONE   | CHOICE  | 2018-01-05 |
    13      | 2     | DOCETAXEL     | PRIOR   | 2017-12-05 |
    14      | 1     | ABIRATERONE   | CHOICE  |            |
    15      | 1     | ABIRATERONE   | PRIOR   | 2018-01-20 |
    16      | 2     | DOCETAXEL     | CHOICE  | 2018-01    |
    16      | 1     | ABIRATERONE   | CHOICE  | 2018-01-10 | 2018-01-15
    17      | 1     | ABIRATERONE   | CHOICE  | 2018-01    |
    18      | 1     | ABIRATERONE   | CHOICE  | 2018-01-21 |
    19      | 1     | ABIRATERONE   | CHOICE  | 2018-01    |
"""


def date(day: Any) -> Any:
    return pd.NaT if pd.isna(day) else ORIGIN + pd.Timedelta(days=int(day))


@pytest.fixture(scope="module")
def adsl(patients) -> pd.DataFrame:
    table = patients(SUBJECTS).assign(STUDYID="T")
    for name in ("ALLOCDT", "TRTSDT", "TRTEDT", "RESCCSDT", "RESCRDT", "RESALLDT"):
        table[name] = pd.to_datetime(pd.Series([date(d) for d in table[name]], table.index))
    return table


@pytest.fixture(scope="module")
def cm(patients) -> pd.DataFrame:
    table = patients(THERAPIES)
    return table.assign(CMCAT=table["CMCAT"].replace({"CHOICE": CHOICE, "LATER": LATER}))


def rows_of(found: pd.DataFrame) -> dict[tuple[str, str], tuple]:
    """By subject and course the other columns; days from 2018-01-01, missing is None."""
    table = found.copy()
    for name in ("TRTSDT", "TRTEDT", "BEGINDT", "NEWTHDT"):
        table[name] = (pd.to_datetime(table[name]) - ORIGIN).dt.days
    names = ["USUBJID", "COURSE", "AGAINFL", "DRUG", "TRTSDT", "TRTEDT", "NCYCLES", "BEGINDT",
             "NEWTHDT"]  # fmt: skip
    chosen = table[names].astype(object)
    return {(r[0], r[1]): tuple(r[2:]) for r in chosen.where(chosen.notna(), None).to_numpy()}


def test_each_course_has_its_days_its_drug_and_the_new_therapy_that_ends_it(adsl, cm):
    """16: the partial date allows the day of the allocation, which the other record is on: CMSEQ 1
    is first. 17: January allows day 30 (the 31st), the day of the allocation; 19: not day 31."""
    found = courses({"cm": cm}, adsl, "CABAZITAXEL")
    assert found.index.tolist() == list(range(len(found)))
    assert set(found["STUDYID"]) == {"T"}
    cabazitaxel, abiraterone = "CABAZITAXEL", "ABIRATERONE"
    assert rows_of(found) == {
        ("01", "STUDY"): ("N", cabazitaxel, 7, 28, 1, None, 100),
        ("04", "STUDY"): ("Y", cabazitaxel, 100, 190, 4, 70, None),
        ("05", "STUDY"): ("N", cabazitaxel, 7, 28, 2, None, None),
        ("19", "STUDY"): ("Y", cabazitaxel, 100, 121, 2, 80, None),
        ("18", "STUDY"): ("Y", cabazitaxel, 20, 40, 2, 15, 40),
        # the end is the last day that a partial date allows
        ("04", "CHOICE"): ("N", abiraterone, 10, 58, 1, None, 60),  # before the study treatment
        ("11", "CHOICE"): ("N", None, 31, None, 1, None, None),  # none recorded: the allocation
        ("12", "CHOICE"): ("N", abiraterone, 19, 364, 1, None, 60),  # a second choice is new
        ("13", "CHOICE"): ("N", abiraterone, 4, None, 1, None, None),  # a full date is kept
        ("16", "CHOICE"): ("N", abiraterone, 9, 14, 1, None, None),
        ("17", "CHOICE"): ("N", abiraterone, 30, None, 1, None, None),
        ("18", "CHOICE"): ("N", abiraterone, 20, None, 1, None, 40),  # not on its first day
        ("19", "CHOICE"): ("N", abiraterone, 0, None, 1, None, 100),
    }


def test_without_a_course_the_columns_are_the_same(adsl, cm):
    none = courses({"cm": cm}, adsl[adsl["USUBJID"].isin(["02", "03", "15"])], "CABAZITAXEL")
    assert none.empty
    assert list(none.columns) == list(courses({"cm": cm}, adsl, "CABAZITAXEL").columns)
    assert list(courses({}, adsl[adsl["USUBJID"] == "11"], "CABAZITAXEL")["COURSE"]) == ["CHOICE"]


CHOICES = pd.DataFrame(
    {
        "STUDYID": "T", "USUBJID": ["01", "02"], "DRUG": ["ABIRATERONE", "DOCETAXEL"], "NCYCLES": 1.0,
        "TRTSDT": ORIGIN, "TRTEDT": ORIGIN + pd.Timedelta(days=200),
        "NEWTHDT": [ORIGIN + pd.Timedelta(days=60), pd.NaT],
    }
)  # fmt: skip


@pytest.mark.parametrize("stops", [True, False])
def test_values_from_the_first_day_of_the_study_treatment_do_not_count_for_the_choice(stops):
    """Values on days 0, 30, 60, 90 and 300: baseline, before, on and after the day, and too late."""
    days = [0, 30, 60, 90, 300]
    rows = [(who, d) for who in ("01", "02", "03") for d in days]
    lb = pd.DataFrame(
        {
            "USUBJID": [who for who, _ in rows], "LBSEQ": np.arange(1.0, len(rows) + 1),
            "LBTESTCD": "PSA", "LBSTRESC": None, "LBSTRESN": [100.0, 40, 90, 40, 40] * 3,
            "LBLLOQ": np.nan, "LBDTC": [f"{date(d):%Y-%m-%d}" for _, d in rows],
        }
    )  # fmt: skip
    rule = PLAN.psa_response.model_copy(update={"stop_at_new_therapy": stops})
    psa = choice_psa({"lb": lb}, CHOICES, rule)
    found = {
        who: list(zip(part["ANL01CAS"], part["ANL01FL"], strict=True))
        for who, part in psa.groupby("USUBJID")
    }
    counts = [(2, ""), (5, "Y"), (5, "Y"), (5, "Y"), (3, "")]
    stopped = [(2, ""), (5, "Y"), (4, ""), (4, ""), (3, "")]
    assert found == {"01": stopped if stops else counts, "02": counts}
    response = choice_response(CHOICES, psa, rule)
    names = ["USUBJID", "COURSE", "DRUG", "PARAMCD", "AVALC", "CASE"]
    assert response[names].to_numpy().tolist() == [
        ["01", "CHOICE", "ABIRATERONE", "PSARESPA", *(("N", 4) if stops else ("Y", 3))],
        ["02", "CHOICE", "DOCETAXEL", "PSARESPA", "Y", 3],
    ]
