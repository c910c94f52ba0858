"""Re-screened patients, counted by hand from a small table."""

import pandas as pd
import pytest

from sap import ard
from sap.plan import project_home, read_plan
from sap.results import rescreening as results
from sap.results.rescreening import allocation_time, rescreening

PLAN = read_plan(project_home() / "analysis" / "plan.yml").plan

# 05 gave no second sample, 06 was not re-screened; 08 has no date of the first sample.
SUBJECTS = """
    USUBJID | RESCFL | SCRDT      | RESCRDT    | ALLOCDT    | RESALLDT   | CTCBL | RESCCTC | MARKBL       | RESCMARK     | RESCTRFL | RESCPRFL
    --------+--------+------------+------------+------------+------------+-------+---------+--------------+--------------+----------+---------
    01      | Y      | 2017-01-01 | 2017-07-02 | 2017-01-08 | 2017-07-16 | 10    | 40      | NEGATIVE     | POSITIVE     | Y        | Y
    02      | Y      | 2017-01-01 | 2017-07-02 | 2017-01-10 |            | 10    | 2       | NEGATIVE     | POSITIVE     | N        | Y
    03      | Y      | 2017-01-01 | 2017-07-02 | 2017-01-12 |            | 10    | 9       | NEGATIVE     | UNDETERMINED | N        | N
    04      | Y      | 2017-01-01 | 2017-07-02 |            |            | 1     | 9       | NOT DONE     | NEGATIVE     | N        | Y
    05      | Y      | 2017-01-01 |            | 2017-01-14 |            | 1     |         | NEGATIVE     |              | N        | Y
    06      | N      | 2017-01-01 |            |            |            | 9     |         | NEGATIVE     |              | N        | N
    07      | Y      | 2017-01-01 | 2017-04-01 |            | 2017-04-05 | 2     | 3       | POSITIVE     | POSITIVE     | N        | Y
    08      | Y      |            | 2017-04-01 |            |            |       | 3       | UNDETERMINED | NOT DONE     | N        | N
"""
# PARAMCD, GROUP, LEVEL: n, N. Six patients gave a second sample.
RATES = """
    PARAMCD | GROUP      | LEVEL               | YES | OF
    --------+------------+---------------------+-----+---
    CONVERT | all        | all                 | 3   | 6
    CONVERT | all        | marker_negative     | 2   | 3
    CONVERT | all        | marker_undetermined | 0   | 1
    CONVERT | all        | marker_not_done     | 0   | 1
    CONVERT | all        | marker_positive     | 1   | 1
    CONVERT | determined | all                 | 3   | 4
    CONVERT | determined | marker_negative     | 2   | 2
    CONVERT | determined | marker_undetermined | 0   | 0
    CONVERT | determined | marker_not_done     | 0   | 1
    CONVERT | determined | marker_positive     | 1   | 1
    QUALIFY |            | all                 | 2   | 6
    QUALIFY |            | marker_negative     | 1   | 3
    QUALIFY |            | marker_undetermined | 0   | 1
    QUALIFY |            | marker_not_done     | 0   | 1
    QUALIFY |            | marker_positive     | 1   | 1
    TREATED |            | all                 | 1   | 6
    TREATED |            | marker_negative     | 1   | 3
    TREATED |            | marker_undetermined | 0   | 1
    TREATED |            | marker_not_done     | 0   | 1
    TREATED |            | marker_positive     | 0   | 1
    AFTER   |            | all                 | 4   | 6
"""


@pytest.fixture
def subjects(patients) -> pd.DataFrame:
    frame = patients(SUBJECTS)
    for name in ("SCRDT", "RESCRDT", "ALLOCDT", "RESALLDT"):
        frame[name] = pd.to_datetime(frame[name])
    return frame


def of(rows: pd.DataFrame, **key: str) -> dict[str, float]:
    for name, wanted in key.items():
        rows = rows[rows[name] == wanted]
    return rows.set_index("stat_name", verify_integrity=True)["stat"].to_dict()


@pytest.mark.worked("rescreening")
@pytest.mark.req("SAP-4.3")
def test_each_rate_has_the_numerator_and_denominator_counted_by_hand(subjects, patients):
    rows = ard.bind(rescreening(subjects, PLAN))
    counted = rows[rows["stat_name"].isin(("n", "N"))].pivot_table(
        index=["paramcd", "group", "level"], columns="stat_name", values="stat"
    )
    by_hand = {
        (r["PARAMCD"], r["GROUP"] or "", r["LEVEL"]): (r["YES"], r["OF"])
        for r in patients(RATES).to_dict("records")
    }
    rates = counted[counted["N"].notna()]
    assert {key: (row["n"], row["N"]) for key, row in rates.iterrows()} == by_hand
    # 3 of 6: exact 95 % limits 0.1181 and 0.8819 (tables of Clopper and Pearson).
    half = of(rows, paramcd="CONVERT", group="all", level="all")
    assert half["estimate"] == 0.5
    assert (half["conf_low"], half["conf_high"]) == pytest.approx((0.1181, 0.8819), abs=5e-5)


def test_a_count_of_exactly_the_minimum_qualifies(subjects):
    """02 with 3 cells in place of 2: with 01 (40) and 07 (3) all who converted qualify."""
    subjects.loc[subjects["USUBJID"] == "02", "RESCCTC"] = 3.0
    rows = ard.bind(rescreening(subjects, PLAN))
    assert of(rows, paramcd="QUALIFY", level="all")["n"] == 3
    assert of(rows, paramcd="QUALIFY", level="marker_negative")["n"] == 2


def test_a_level_without_a_patient_is_not_estimable(subjects):
    rows = ard.bind(rescreening(subjects, PLAN))
    undetermined = rows[(rows["group"] == "determined") & (rows["level"] == "marker_undetermined")]
    reasons = undetermined[undetermined["stat_name"] == "estimate"]
    assert reasons["stat"].isna().all()
    assert reasons["stat_text"].tolist() == ["no patient in this population"]


def test_interval_and_change_between_the_screenings(subjects):
    """182 days four times and 90 days once, of 30.4375 days a month; +30, -8, -1, +8 and +1 cells."""
    rows = ard.bind(rescreening(subjects, PLAN))
    months = of(rows, paramcd="TIMERESC", level="all")
    assert (months["n"], months["n_missing"]) == (5, 1)
    assert months["mean"] == pytest.approx((4 * 182 + 90) / 5 / 30.4375)
    assert months["median"] == months["max"] == pytest.approx(182 / 30.4375)
    converted = of(rows, paramcd="TIMERESC", level="converted")
    assert (converted["n"], converted["n_missing"]) == (3, 0)
    assert converted["min"] == pytest.approx(90 / 30.4375)
    change = of(rows, paramcd="CTCCHG", level="all")
    assert (change["n"], change["n_missing"]) == (5, 1)
    assert (change["mean"], change["median"]) == (6, 1)
    assert (change["min"], change["max"]) == (-8, 30)


@pytest.mark.worked("allocation_time")
def test_time_to_allocation_is_in_days(subjects):
    """7, 9, 11 and 13 days at the first screening; 14 and 4 days at re-screening."""
    rows = ard.bind(allocation_time(subjects, PLAN))
    first = of(rows, level="first_screening")
    assert (first["n"], first["n_missing"], first["min"], first["max"]) == (4, 0, 7, 13)
    assert (first["mean"], first["median"], first["q1"], first["q3"]) == (10, 10, 8, 12)
    second = of(rows, level="rescreening")
    assert (second["n"], second["mean"], second["min"], second["max"]) == (2, 9, 4, 14)


def test_the_results_of_re_screening_are_all_of_them_with_their_methods(subjects):
    rows = ard.bind(results.rows(adsl=subjects, plan=PLAN))
    assert set(rows["analysis"]) == {"rescreening", "allocation_time"}
    of_rates = rows["paramcd"].isin(("CONVERT", "QUALIFY", "TREATED", "AFTER"))
    assert set(rows.loc[of_rates, "method"]) == {"Clopper-Pearson"}
    assert set(rows.loc[~of_rates, "method"]) == {"Descriptive"}
    assert set(rows.loc[rows["paramcd"].isin(("AFTER", "CTCCHG")), "level"]) == {"all"}
