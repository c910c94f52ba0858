"""Exposure: each infusion by its case, each patient by arithmetic done by hand."""

import datetime as dt
from pathlib import Path

import pandas as pd
import pytest

from sap import ard
from sap.derivations.exposure import adex, adexsum, body_surface, growth_factor
from sap.derivations.population import line_of_therapy
from sap.plan import read_plan
from sap.qc.exposure import _delays, in_order
from sap.results import exposure as results
from sap.results.exposure import exposure

HOME = Path(__file__).parents[1]
PLAN = read_plan(HOME / "analysis" / "plan.yml").plan

# Every 21 days; more than 3 days late is a delay, more than 7 a major one; 22.5 mg/m2 or less is
# reduced. Days are counted from 2018-01-01 (day 0).
INFUSIONS = """
    USUBJID | CYCLE | DAY | DOSE | DELAYC | DOSEC     | WHY
    --------+-------+-----+------+--------+-----------+---------------------------------------
    01      | 1     | 0   | 25   |        | FULL      | the first infusion is never late
    01      | 2     | 24  | 25   | N      | FULL      | exactly 3 days late is no delay
    01      | 3     | 49  | 22.5 | MINOR  | REDUCED   | 4 days late; exactly at the limit of dose
    01      | 4     | 77  | 20   | MINOR  | LOW       | exactly 7 days late is not major
    01      | 5     | 106 | 20   | MAJOR  | LOW       | 8 days late
    02      | 1     | 0   | 20   |        | LOW START | begins at 20: no reduction
    02      | 2     | 20  | 20   | N      | LOW       | a day early
    03      | 1     | 0   | 25   |        | FULL      |
    03      | 2     |     |      | U      | U         | neither day nor dose known
    03      | 3     | 42  | 22.6 | U      | FULL      | just above the limit of dose
    04      | 1     | 0   | 25   |        | FULL      | one infusion
    05      | 1     | 0   | 20   |        | LOW START |
    05      | 2     | 21  | 25   | N      | FULL      | up again
    05      | 3     | 42  | 20   | N      | REDUCED   | and down: now a reduction
"""
# By hand. 01: 112.5 mg/m2 in (106 + 21)/7 = 127/7 weeks; 112.5/(127/7) = 6.2008; of 25/3: 74.409 %.
# 02: 40 mg/m2 in 41/7 weeks: 6.8293, 81.951 %; against 20 mg/m2: 102.439 %.
# 04: 25 mg/m2 in 3 weeks: 100 %. 05: 65 mg/m2 in 9 weeks: 7.2222, 86.667 %, against 20: 108.333 %.
SUBJECTS = """
    USUBJID | NCYCLES | DURWK   | CUMDOSE | CUMMG | RDI    | RDISTRT | DELAYED | REDUCED | LOWSTART
    --------+---------+---------+---------+-------+--------+---------+---------+---------+---------
    01      | 5       | 18.1429 | 112.5   | 225   | 74.409 | 74.409  | Y       | Y       | N
    02      | 2       | 5.8571  | 40      | 80    | 81.951 | 102.439 | N       | N       | Y
    03      | 3       | 9       |         |       |        |         | U       | U       | N
    04      | 1       | 3       | 25      | 50    | 100    | 100     | N       | N       | N
    05      | 3       | 9       | 65      | 130   | 86.667 | 108.333 | N       | Y       | Y
"""


def day(number: float | None) -> str | None:
    if number is None or pd.isna(number):
        return None
    return (pd.Timestamp("2018-01-01") + pd.Timedelta(days=number)).strftime("%Y-%m-%d")


def wide(got: pd.DataFrame, values: str) -> pd.DataFrame:
    return got.set_index(["USUBJID", "PARAMCD"])[values].unstack()  # noqa: PD010 - no aggregation


def given(patients, **tables: pd.DataFrame):
    rows = patients(INFUSIONS)
    cycle = rows["CYCLE"].astype(int)
    ex = pd.DataFrame(
        {
            "USUBJID": rows["USUBJID"], "EXSEQ": range(1, len(rows) + 1), "EXTRT": "CABAZITAXEL",
            "EXCAT": "STUDY TREATMENT", "EXDOSE": rows["DOSE"].astype(float), "EXDOSU": "mg/m2",
            "EXSTDTC": rows["DAY"].map(day), "VISIT": "CYCLE " + cycle.astype(str),
        }
    )  # fmt: skip
    days = pd.to_datetime(ex["EXSTDTC"]).groupby(ex["USUBJID"])
    adsl = pd.DataFrame(
        {
            "STUDYID": "T", "TRTSDT": days.min(), "TRTEDT": days.max(), "SAFFL": "Y",
            "NCYCLES": ex.groupby("USUBJID").size().astype(float),
            "LINE": ["second line", "third line", "third line", "second line", "second line"],
        }
    ).reset_index()  # fmt: skip
    vs = pd.DataFrame(
        {"USUBJID": adsl["USUBJID"], "VSSEQ": 1.0, "VSTESTCD": "BSA", "VSSTRESN": 2.0,
         "VSDTC": "2018-01-01"}
    )  # fmt: skip
    return {"ex": ex.sample(frac=1, random_state=3), "vs": vs, **tables}, adsl, rows


@pytest.mark.req("SAP-5.9")
def test_each_infusion_has_the_case_written_beside_it(patients):
    tables, adsl, rows = given(patients)
    got = adex(tables, adsl, PLAN.exposure)
    assert got["DELAYC"].tolist() == rows["DELAYC"].fillna("").tolist()
    assert got["DOSEC"].tolist() == rows["DOSEC"].tolist()
    assert got["ACYCLE"].tolist() == rows["CYCLE"].tolist()


@pytest.mark.req("SAP-5.9")
@pytest.mark.parametrize(
    "days,cycles,delays",
    [
        # by hand, 21 days a cycle: 42 days between two infusions are a delay of 21, unless the one
        # without a day was given between them
        ([0, 21, None, 63], [1, 2, 3, 4], ["", "N", "U", "U"]),
        ([0, 21, None, 63], None, ["", "N", "U", "U"]),
        ([0, 21, 42, None], None, ["", "N", "N", "U"]),
        ([0, 21, 63], None, ["", "N", "MAJOR"]),
    ],
)
def test_an_infusion_that_may_lie_between_two_makes_no_delay_of_them(days, cycles, delays):
    ex = pd.DataFrame(
        {
            "USUBJID": "1", "EXSEQ": range(1, len(days) + 1), "EXTRT": "CABAZITAXEL",
            "EXCAT": "STUDY TREATMENT", "EXDOSE": 25.0, "EXDOSU": "mg/m2",
            "EXSTDTC": [day(number) for number in days],
            "VISIT": [f"CYCLE {number}" for number in cycles] if cycles else None,
        }
    )  # fmt: skip
    adsl = pd.DataFrame({"STUDYID": ["T"], "USUBJID": ["1"], "NCYCLES": [float(len(days))]})
    got = adex({"ex": ex}, adsl, PLAN.exposure)["DELAYC"].tolist()
    assert got == delays
    rows = in_order(ex.astype(object).where(ex.notna(), None).to_dict("records"), PLAN)
    late = [None if number is None else number > 3 for number in _delays(rows, PLAN)]
    assert late == [{"U": None, "N": False}.get(word, True) for word in delays[1:]]


@pytest.mark.req("SAP-5.9")
def test_each_subject_has_the_intensity_computed_by_hand(patients):
    tables, adsl, _ = given(patients)
    got = adexsum(tables, adsl, adex(tables, adsl, PLAN.exposure), PLAN.exposure)
    numbers = wide(got, "AVAL")
    answers = wide(got, "AVALC")
    expected = patients(SUBJECTS).set_index("USUBJID")
    for name in ("NCYCLES", "DURWK", "CUMDOSE", "CUMMG", "RDI", "RDISTRT"):
        want = expected[name].astype(float).tolist()
        assert numbers[name].tolist() == pytest.approx(want, abs=6e-4, nan_ok=True), name
    for name in ("DELAYED", "REDUCED", "LOWSTART"):
        assert answers[name].tolist() == expected[name].tolist(), name
    assert numbers["NDELAY"].tolist()[:2] == [3, 0]
    assert numbers["NDELMAJ"].tolist()[:2] == [1, 0]
    assert numbers["NREDUC"].tolist()[0] == 1


GIVEN = """
    USUBJID | CMSCAT | CMINDC                   | CMSTDTC    | WHY
    --------+--------+--------------------------+------------+----------------------------------
    01      | G-CSF  | PRIMARY PROPHYLAXIS      | 2018-01-02 | cycle 1
    01      | G-CSF  | PRIMARY PROPHYLAXIS      | 2018-01-03 | cycle 1 again: one cycle
    01      | G-CSF  | SECONDARY PROPHYLAXIS    | 2018-01-25 | the day of the second infusion
    02      | G-CSF  | TREATMENT OF NEUTROPENIA | 2018-02-11 | 21 days after his last dose: counts
    04      | G-CSF  | TREATMENT OF NEUTROPENIA | 2018-01-23 | 22 days after: not under treatment
    05      | G-CSF  |                          | 2018-01-02 | why it was given is not known
"""


def test_growth_factor_is_counted_by_cycle_and_reason(patients):
    cm = patients(GIVEN).assign(CMCAT="SUPPORTIVE CARE")
    tables, adsl, _ = given(patients, cm=cm)
    got = adexsum(tables, adsl, adex(tables, adsl, PLAN.exposure), PLAN.exposure)
    answers = wide(got, "AVALC")
    assert answers["GCSFPRIM"].tolist() == ["Y", "N", "N", "N", "N"]
    assert answers["GCSFSEC"].tolist() == ["Y", "N", "N", "N", "N"]
    assert answers["GCSFTHER"].tolist() == ["N", "Y", "N", "N", "N"]
    assert answers["GCSFANY"].tolist() == ["Y", "Y", "N", "N", "Y"]
    numbers = got[got["PARAMCD"] == "NGCSF"]["AVAL"].tolist()
    assert numbers == [2, 1, 0, 0, 1]


def test_a_dose_in_mg_is_divided_by_the_surface_of_the_day(patients):
    """100 mg in a patient of 2 m2 is 50 mg/m2; Mosteller: sqrt(180 x 80 / 3600) = 2 m2."""
    tables, adsl, _ = given(patients)
    tables["ex"] = tables["ex"].assign(EXDOSU="mg", EXDOSE=100.0)
    by_bsa = adex(tables, adsl, PLAN.exposure)
    assert set(by_bsa["DOSE"].dropna()) == {50.0}
    who = adsl["USUBJID"]
    tables["vs"] = pd.concat(
        [
            pd.DataFrame({"USUBJID": who, "VSSEQ": 1.0, "VSTESTCD": code, "VSSTRESN": value,
                          "VSDTC": "2017-12-20"})
            for code, value in (("HEIGHT", 180.0), ("WEIGHT", 80.0))
        ]
    )  # fmt: skip
    by_formula = adex(tables, adsl, PLAN.exposure)
    assert set(by_formula["BSA"].dropna()) == {2.0}


def stat(rows: pd.DataFrame, **where: str) -> ard.type_of_stat:
    for name, value in ({"group": "", "level": ""} | where).items():
        rows = rows[rows[name] == value]
    assert len(rows) == 1, where
    return rows["stat_text"].iloc[0] or float(rows["stat"].iloc[0])


def test_what_is_not_known_is_said_and_not_counted_as_no(patients):
    tables, adsl, _ = given(patients)
    summed = adexsum(tables, adsl, adex(tables, adsl, PLAN.exposure), PLAN.exposure)
    rows = ard.bind(exposure(adsl, summed, PLAN))
    assert stat(rows, paramcd="DELAYED", stat_name="n") == 1
    assert "of 1 patients" in str(stat(rows, paramcd="DELAYED", stat_name="estimate"))
    assert stat(rows, paramcd="GCSFANY", stat_name="n") == "not in the data: supportive care"
    assert stat(rows, paramcd="NCYCLES", stat_name="total") == 14
    assert stat(rows, paramcd="NCYCLES", stat_name="n", level="3") == 2
    assert stat(rows, paramcd="NCYCLES", stat_name="n", group="third_line") == 2
    assert stat(rows, paramcd="RDI", stat_name="n") == 4


@pytest.mark.shared
@pytest.mark.slow
def test_caba_v7_gives_the_published_cycles(shared_data):
    """Supplement of Isebia 2022: median 5 (range 2 to 14), mean 5.84, 146 in all; doses are not there.

    Any abiraterone or enzalutamide before: 17 of 25 treated patients.
    """
    from sap import contracts
    from sap.intake import caba_v7
    from sap.pipeline import analyses

    plan = read_plan(HOME / "analysis" / "plan-caba-v7.yml").plan
    tables = contracts.typed(caba_v7.read(shared_data / "caba-v7")[0], contracts.load())
    rows = analyses.analyse(tables, plan, dt.date(2023, 12, 31)).ard
    rows = rows[rows["analysis"] == "exposure"]
    known = {"median": 5, "min": 2, "max": 14, "mean": 5.84, "total": 146, "n": 25}
    for name, value in known.items():
        assert stat(rows, paramcd="NCYCLES", stat_name=name) == pytest.approx(value)
    subjects = {"2": 3, "3": 2, "4": 5, "5": 4, "6": 4, "8": 2, "10": 4, "14": 1}
    for level, count in subjects.items():
        assert stat(rows, paramcd="NCYCLES", stat_name="n", level=level) == count
    assert stat(rows, paramcd="NCYCLES", stat_name="n", group="third_line") == 17
    assert stat(rows, paramcd="OVERMAX", stat_name="n") == 1
    for paramcd in ("RDI", "CUMDOSE", "GCSFANY"):
        name = "n" if paramcd == "GCSFANY" else "mean"
        assert str(stat(rows, paramcd=paramcd, stat_name=name)).startswith("not in the data")


BEFORE = """
    USUBJID | CMDECOD      | CMCAT                         | CMSTDTC    | LINE        | WHY
    --------+--------------+-------------------------------+------------+-------------+------------------------
    01      | ABIRATERONE  | PRIOR ANTICANCER THERAPY      |            | third line  | prior, whenever
    02      | ENZALUTAMIDE | PHYSICIAN'S CHOICE            | 2018-01-09 | third line  | the day before
    03      | ENZALUTAMIDE | PHYSICIAN'S CHOICE            | 2018-01-10 | second line | the day itself
    04      | ABIRATERONE  | PHYSICIAN'S CHOICE            | 2018-01    | third line  | may be before
    05      | ABIRATERONE  | SUBSEQUENT ANTICANCER THERAPY | 2018-01    | second line | need not be before
    06      | ABIRATERONE  | SUBSEQUENT ANTICANCER THERAPY | 2017-12    | third line  | surely before
    07      | DOCETAXEL    | PRIOR ANTICANCER THERAPY      | 2017-01-01 | second line | another drug
    08      |              |                               |            | second line | nothing recorded
"""


@pytest.mark.req("SAP-5.7.1")
def test_the_line_of_therapy_is_the_one_written_beside_each_subject(patients):
    cm = patients(BEFORE)
    first = pd.Series(pd.Timestamp("2018-01-10"), cm["USUBJID"])
    got = line_of_therapy({"cm": cm}, first, PLAN.lines.third_line_after)
    assert got.tolist() == cm["LINE"].tolist()


# 01 to 05 were treated; 05 has no line of therapy. "U" and missing: not known.
SUMMED = """
    USUBJID | NCYCLES | RDI | DELAYED | REDUCED | GCSFANY
    --------+---------+-----+---------+---------+--------
    01      | 2       | 80  | Y       | U       | U
    02      | 4       | 90  | Y       | N       | U
    03      | 4       | 100 | N       | N       | U
    04      | 10      |     | N       | N       | U
    05      | 10      |     | N       | N       | U
"""


@pytest.mark.req("SAP-5.9")
@pytest.mark.worked("exposure")
def test_exposure_has_the_numbers_worked_by_hand(patients):
    table = patients(SUMMED)
    adexsum = pd.concat(
        [
            pd.DataFrame(
                {"USUBJID": table["USUBJID"], "PARAMCD": name, "AVAL": table[name].astype(float)}
            )
            for name in ("NCYCLES", "RDI")
        ]
        + [
            pd.DataFrame({"USUBJID": table["USUBJID"], "PARAMCD": name, "AVALC": table[name]})
            for name in ("DELAYED", "REDUCED", "GCSFANY")
        ]
    )
    adsl = pd.DataFrame(
        {"USUBJID": table["USUBJID"], "SAFFL": "Y",
         "LINE": ["second line", "second line", "third line", "third line", None]}
    )  # fmt: skip
    rows = ard.bind(exposure(adsl, adexsum, PLAN))

    def values(**where: str) -> dict[str, float | str]:
        chosen = rows
        for name, value in ({"group": "", "level": ""} | where).items():
            chosen = chosen[chosen[name] == value]
        return {r.stat_name: r.stat_text or r.stat for r in chosen.itertuples()}

    # 2 4 4 10 10: mean 6, variance (16 + 4 + 4 + 16 + 16) / 4 = 14, quartiles the 2nd and 4th value
    assert values(paramcd="NCYCLES") == pytest.approx(
        {"n": 5, "n_missing": 0, "mean": 6, "sd": 14**0.5, "median": 4, "q1": 4, "q3": 10, "min": 2,
         "max": 10, "total": 30}
    )  # fmt: skip
    # 80 90 100: n q is 0.75 and 2.25, the 1st and the 3rd value
    assert values(paramcd="RDI") == pytest.approx(
        {"n": 3, "n_missing": 2, "mean": 90, "sd": 10, "median": 90, "q1": 80, "q3": 100, "min": 80,
         "max": 100}
    )  # fmt: skip
    levels = {"2": 1, "4": 2, "10": 2}
    assert set(rows[rows["paramcd"] == "NCYCLES"]["level"]) == {"", *levels}
    for level, n in levels.items():
        assert values(paramcd="NCYCLES", level=level) == {"n": n, "N": 5, "estimate": n / 5}
    second = {"group": "second_line"}
    assert values(paramcd="NCYCLES", level="4", **second) == {"n": 1, "N": 2, "estimate": 0.5}
    assert values(paramcd="NCYCLES", **second)["total"] == 6
    assert values(paramcd="RDI", group="third_line")["sd"] == "one value only"
    delayed = {"n": 2, "N": 5, "n_missing": 0, "estimate": 0.4}
    assert values(paramcd="DELAYED") == delayed
    assert values(paramcd="DELAYED", **second) == {"n": 2, "N": 2, "n_missing": 0, "estimate": 1}
    unknown = "not in the data: a dose given of 1 patients"
    assert values(paramcd="REDUCED") == {"n": unknown, "N": 5, "n_missing": 1, "estimate": unknown}
    third = {"n": 0, "N": 2, "n_missing": 0, "estimate": 0}
    assert values(paramcd="REDUCED", group="third_line") == third
    care = "not in the data: supportive care"
    assert values(paramcd="GCSFANY") == {"n": care, "N": 5, "n_missing": 5, "estimate": care}
    # CARVE: 25 mg/m2 every 21 days is 25 / 3 mg/m2 per week
    planned = values(paramcd="", level="planned")
    assert planned == pytest.approx(
        {"dose": 25, "dose_intensity": 25 / 3, "low_start_dose": 20, "reduced_at_most": 22.5,
         "cycle_days": 21, "max_cycles": 10, "delay_after_days": 3, "major_delay_after_days": 7}
    )  # fmt: skip


# ---- infusions and courses, row by row -----------------------------------------------------------


def none_of(values: object) -> list[object]:
    """Values as a list, days as texts, missing as None."""
    cells = pd.Series(values).astype(object)
    texts = [f"{cell:%F}" if isinstance(cell, pd.Timestamp) else cell for cell in cells]
    return [None if pd.isna(cell) else cell for cell in texts]


def one_course(rows: list[tuple[object, ...]], **vs: pd.DataFrame) -> pd.DataFrame:
    """ADEX of patient 01 from (VISIT, day, EXDOSE, EXDOSU)."""
    ex = pd.DataFrame(rows, columns=["VISIT", "DAY", "EXDOSE", "EXDOSU"])
    ex = ex.assign(USUBJID="01", EXTRT="CABAZITAXEL", EXSEQ=[float(i) for i in range(len(ex))])
    ex["EXSTDTC"] = ex.pop("DAY").map(day)
    adsl = pd.DataFrame({"STUDYID": ["T"], "USUBJID": ["01"], "NCYCLES": [float(len(ex))]})
    return adex({"ex": ex, **vs}, adsl, PLAN.exposure)


def test_the_surface_of_mosteller_is_a_square_root():
    """150 cm and 54 kg: 8100 / 3600 = 2.25, its root 1.5 m2."""
    assert body_surface(pd.Series([150.0]), pd.Series([54.0]), "Mosteller").tolist() == [1.5]


def test_the_surface_is_the_last_value_on_or_before_the_infusion(patients):
    """Of one day the highest VSSEQ; neither a month alone, nor a later value, nor one without a number.

    Cycle 2: 40 mg / 1.9 m2 = 21.052631579 mg/m2 at 9 decimals. Cycle 3 is in another unit.
    """
    vs = patients("""
        USUBJID | VSSEQ | VSTESTCD | VSSTRESN | VSDTC
        --------+-------+----------+----------+-----------
        01      | 9     | BSA      | 2        | 2017-12-29
        01      | 3     | BSA      | 1.9      | 2018-01-01
        01      | 2     | BSA      | 1.8      | 2018-01-01
        01      | 10    | BSA      | 7.7      | 2018-01
        01      | 11    | BSA      |          | 2018-01-22
        01      | 12    | WEIGHT   | 80       | 2018-01-22
        01      | 13    | BSA      | 2.1      | 2018-02-12
        01      | 14    | BSA      | 9.9      | 2018-02-13
        02      | 15    | BSA      | 9.9      | 2018-01-01
    """)
    rows = [("CYCLE 1", 0, 25.0, "mg/m2"), ("CYCLE 2", 21, 40.0, "mg"), ("CYCLE 3", 42, 25.0, "g")]
    got = one_course(rows, vs=vs)
    assert got["BSA"].tolist() == [1.9, 1.9, 2.1]
    assert none_of(got["DOSE"]) == [25, 21.052631579, None]
    assert none_of(got["DOSEMG"]) == [47.5, 40, None]
    assert got["DOSEC"].tolist() == ["FULL", "REDUCED", "U"]
    assert none_of(got["DELAYD"]) == [None, 0, 0]
    assert none_of(got["ASTDT"]) == ["2018-01-01", "2018-01-22", "2018-02-12"]
    assert got["AVISIT"].tolist() == ["CYCLE 1", "CYCLE 2", "CYCLE 3"]
    assert got["STUDYID"].tolist() == ["T"] * 3


@pytest.mark.parametrize(
    "visits, days, order",
    [
        (["CYCLE 2", "CYCLE 1"], [0, 21], [1, 0]),  # each has a cycle: by cycle
        (["CYCLE 2", "CYCLE 1", None], [0, 21, 42], [0, 1, 2]),  # one has none: by day
        (["CYCLE 2", "CYCLE 1", "CYCLE 1 DAY 1"], [0, 21, 42], [0, 1, 2]),
        ([None, None, None], [21, None, 0], [2, 0, 1]),  # an unknown day is last
        ([None, None], [0, 0], [0, 1]),  # one day: by EXSEQ
    ],
)
def test_infusions_are_in_the_order_of_cycles_where_each_has_one_else_of_days(visits, days, order):
    rows = [(visit, number, 25.0, "mg/m2") for visit, number in zip(visits, days, strict=True)]
    got = one_course(rows)
    assert got["EXSEQ"].tolist() == order
    assert got["ACYCLE"].tolist() == [float(i) for i in range(1, len(rows) + 1)]
    assert got.index.tolist() == list(range(len(rows)))


def test_an_interval_within_the_limit_of_delay_is_no_delay_whatever_lies_between():
    """24 days are 3 days late, no delay; of 25 days an infusion without a day may lie between."""
    for number, delay in ((24, "N"), (25, "U")):
        rows = [
            (None, 0, 25.0, "mg/m2"),
            (None, number, 25.0, "mg/m2"),
            (None, None, 25.0, "mg/m2"),
        ]
        assert one_course(rows)["DELAYC"].tolist() == ["", delay, "U"]


@pytest.mark.parametrize(
    "doses, classes",
    [
        ([25.0, None, 20.0], ["FULL", "U", "REDUCED"]),  # the last known dose was above 22.5
        ([22.5, 22.0, 22.5], ["LOW START", "LOW", "LOW"]),
        ([None, 20.0, 22.6], ["U", "LOW START", "FULL"]),
        ([22.5 + 4e-10, 22.5 + 6e-10], ["LOW START", "FULL"]),  # compared at 9 decimals
    ],
)
def test_a_reduction_is_judged_by_the_last_known_dose(doses, classes):
    got = one_course([(None, 21 * i, dose, "mg/m2") for i, dose in enumerate(doses)])
    assert got["DOSEC"].tolist() == classes


def test_infusions_of_patients_who_were_not_treated_are_left_out(patients):
    tables, adsl, _ = given(patients)
    adsl = adsl.assign(NCYCLES=adsl["NCYCLES"].where(adsl["USUBJID"] != "03", 0.0))
    infusions = adex(tables, adsl[adsl["USUBJID"] != "02"], PLAN.exposure)
    assert list(dict.fromkeys(infusions["USUBJID"])) == ["01", "04", "05"]
    summed = adexsum(tables, adsl, infusions, PLAN.exposure)
    assert list(dict.fromkeys(summed["USUBJID"])) == ["01", "02", "04", "05"]


def test_each_course_has_a_row_for_each_parameter(patients):
    """By hand, as SUBJECTS; intensities are doses / weeks. No supportive care is in the data."""
    tables, adsl, _ = given(patients)
    rule = PLAN.exposure.model_copy(update={"max_cycles": 3})
    got = adexsum(tables, adsl, adex(tables, adsl, rule), rule)
    numbers = {
        "NCYCLES": [5, 2, 3, 1, 3],
        "DURWK": [127 / 7, 41 / 7, 9, 3, 9],
        "CUMDOSE": [112.5, 40, None, 25, 65],
        "CUMMG": [225, 80, None, 50, 130],
        "ADI": [112.5 * 7 / 127, 40 * 7 / 41, None, 25 / 3, 65 / 9],
        "RDI": [
            100 * 112.5 * 7 / 127 * 3 / 25, 100 * 40 * 7 / 41 * 3 / 25, None, 100,
            100 * 65 / 9 * 3 / 25,
        ],
        "RDISTRT": [
            100 * 112.5 * 7 / 127 * 3 / 25, 100 * 40 * 7 / 41 * 3 / 20, None, 100,
            100 * 65 / 9 * 3 / 20,
        ],
        "NDELAY": [3, 0, None, 0, 0],
        "NDELMAJ": [1, 0, None, 0, 0],
        "NREDUC": [1, 0, None, 0, 1],
        "NGCSF": [None] * 5,
    }  # fmt: skip
    answers = {
        "DELAYED": "YNUNN", "DELMAJOR": "YNUNN", "REDUCED": "YNUNY", "LOWSTART": "NYNNY",
        "OVERMAX": "YNNNN", "GCSFANY": "UUUUU", "GCSFPRIM": "UUUUU", "GCSFSEC": "UUUUU",
        "GCSFTHER": "UUUUU",
    }  # fmt: skip
    assert list(dict.fromkeys(got["PARAMCD"])) == [*numbers, *answers]
    assert got.index.tolist() == list(range(5 * 20))
    by_name = dict(list(got.groupby("PARAMCD")))
    for name, expected in numbers.items():
        rows = by_name[name]
        assert rows["AVAL"].tolist() == [
            pytest.approx(float("nan") if value is None else value, nan_ok=True)
            for value in expected
        ], name
        assert set(rows["AVALC"]) == {""}
        assert rows["CASE"].tolist() == [2 if value is None else 1 for value in expected], name
    for name, letters in answers.items():
        rows = by_name[name]
        assert rows["AVAL"].isna().all()
        assert rows["AVALC"].tolist() == list(letters), name
        assert rows["CASE"].tolist() == [2 if letter == "U" else 1 for letter in letters], name


def test_one_unknown_delay_leaves_the_question_of_a_major_one_open():
    """A minor delay, then an infusion without a day: delayed is Y, a major delay may have been."""
    rows = [("CYCLE 1", 0), ("CYCLE 2", 25), ("CYCLE 3", None)]
    infusions = one_course([(*row, 25.0, "mg/m2") for row in rows])
    adsl = pd.DataFrame(
        {
            "STUDYID": ["T"], "USUBJID": ["01"], "NCYCLES": [3.0],
            "TRTSDT": [pd.Timestamp("2018-01-01")], "TRTEDT": [pd.Timestamp("2018-01-26")],
        }
    )  # fmt: skip
    got = adexsum({}, adsl, infusions, PLAN.exposure).set_index("PARAMCD")
    assert got.loc[["DELAYED", "DELMAJOR"], "AVALC"].tolist() == ["Y", "U"]
    assert none_of(got.loc[["NDELAY", "NDELMAJ"], "AVAL"]) == [1, None]


def test_an_unknown_first_dose_leaves_the_question_of_a_low_start_open():
    infusions = one_course([(None, 0, None, "mg/m2"), (None, 21, 20.0, "mg/m2")])
    adsl = pd.DataFrame(
        {
            "STUDYID": ["T"], "USUBJID": ["01"], "NCYCLES": [2.0],
            "TRTSDT": [pd.Timestamp("2018-01-01")], "TRTEDT": [pd.Timestamp("2018-01-22")],
        }
    )  # fmt: skip
    got = adexsum({}, adsl, infusions, PLAN.exposure).set_index("PARAMCD")
    assert got.loc[["LOWSTART", "REDUCED"], "AVALC"].tolist() == ["U", "U"]


def test_each_record_of_growth_factor_has_its_cycle_and_its_days_since_the_last_infusion(patients):
    """Infusions of 01 on days 0, 24, 49, 77 and 106 (2018-04-17); of 05 on days 0, 21 and 42."""
    cm = patients("""
        USUBJID | CMCAT           | CMSCAT | CMINDC                | CMSTDTC
        --------+-----------------+--------+-----------------------+-----------
        01      |                 | G-CSF  | SECONDARY PROPHYLAXIS | 2018-05-08
        01      |                 | G-CSF  | PRIMARY PROPHYLAXIS   | 2018-01-24
        01      |                 | G-CSF  | PRIMARY PROPHYLAXIS   | 2017-12-31
        01      |                 | OTHER  | PRIMARY PROPHYLAXIS   | 2018-01-25
        01      |                 | G-CSF  | PRIMARY PROPHYLAXIS   |
        05      |                 | G-CSF  | OTHER                 | 2018-01
        09      |                 | G-CSF  | PRIMARY PROPHYLAXIS   | 2018-01-02
    """)
    tables, adsl, _ = given(patients)
    got = growth_factor({"cm": cm}, adsl, adex(tables, adsl, PLAN.exposure))
    assert got is not None
    names = ["USUBJID", "GCSF", "CMDT", "ROW", "ACYCLE", "ASTDT", "SINCE"]
    assert list(got) == names
    assert [none_of(row) for row in got.itertuples(index=False)] == [
        ["01", "GCSFSEC", "2018-05-08", 0, 5, "2018-04-17", 21],
        ["01", "GCSFPRIM", "2018-01-24", 1, 1, "2018-01-01", -83],
        ["05", "", "2018-01-01", 4, 1, "2018-01-01", -42],
    ]
    assert got.index.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "category, kind, recorded",
    [
        ("SUPPORTIVE CARE", None, True),
        ("OTHER", "G-CSF", True),
        ("OTHER", "ANTIEMETIC", False),
        (None, None, False),
    ],
)
def test_growth_factor_is_known_where_any_supportive_care_is_recorded(
    patients, category, kind, recorded
):
    cm = pd.DataFrame(
        {"USUBJID": ["09"], "CMCAT": [category], "CMSCAT": [kind], "CMSTDTC": ["2018-01-02"]}
    )
    tables, adsl, _ = given(patients, cm=cm)
    infusions = adex(tables, adsl, PLAN.exposure)
    assert (growth_factor(tables, adsl, infusions) is not None) is recorded
    got = wide(adexsum(tables, adsl, infusions, PLAN.exposure), "AVALC")
    assert set(got["GCSFANY"]) == set(got["GCSFSEC"]) == {"N" if recorded else "U"}


def test_a_yes_or_no_of_exposure_by_its_cases():
    """Known of none, unknown for some with and without a Y, known of all, and no patient."""

    def of(*answers: str) -> dict[str, float | str]:
        stats = results._response(pd.Series(answers, dtype=object), "REDUCED")
        rows = ard.rows(stats, analysis="exposure", section="s", population="SAFETY", method="m")
        return {r.stat_name: r.stat_text or r.stat for r in rows.itertuples()}

    none, some = "not in the data: a dose given", "not in the data: a dose given of 1 patients"
    assert of("U", "U") == {"n": none, "N": 2, "n_missing": 2, "estimate": none}
    assert of("U", "Y", "N") == {"n": 1, "N": 3, "n_missing": 1, "estimate": some}
    assert of("U", "N") == {"n": some, "N": 2, "n_missing": 1, "estimate": some}
    assert of("Y", "N") == {"n": 1, "N": 2, "n_missing": 0, "estimate": 0.5}
    assert of() == {
        "n": 0, "N": 0, "n_missing": 0, "estimate": "no patient in this population",
    }  # fmt: skip


def test_without_a_treated_patient_exposure_has_counts_of_zero():
    adsl = pd.DataFrame({"USUBJID": ["01"], "SAFFL": "N", "LINE": None})
    adexsum = pd.DataFrame({"USUBJID": ["01"], "PARAMCD": "NCYCLES", "AVAL": 2.0, "AVALC": None})
    rows = ard.bind(results.rows(adsl=adsl, adexsum=adexsum, plan=PLAN))
    assert set(rows["analysis"]) == {"exposure"}
    assert set(rows["level"]) == {"", "planned"}
    overall = rows[(rows["group"] == "") & (rows["level"] == "")]
    for paramcd in ("DELAYED", "OVERMAX"):
        mine = overall[overall["paramcd"] == paramcd].set_index("stat_name")
        assert mine["stat"][["n", "N", "n_missing"]].tolist() == [0, 0, 0]
        assert mine["stat_text"]["estimate"] == "no patient in this population"
    cycles = overall[overall["paramcd"] == "NCYCLES"].set_index("stat_name")
    assert cycles["stat"][["n", "n_missing"]].tolist() == [0, 0]
    assert cycles["stat_text"]["total"] == "no patient in this population"
    assert cycles["stat_text"]["mean"] == "no value"


def test_a_number_of_no_known_value_has_the_reason_of_its_parameter():
    """Dose intensity missing of both patients, a total of counts of those known."""
    missing = results._number(pd.Series([None, None], dtype=float), "RDI")
    assert (missing["n"], missing["n_missing"]) == (0, 2)
    assert missing["mean"].reason == "not in the data: a dose given"
    assert "total" not in missing
    counted = results._number(pd.Series([1, None, 2], dtype=float), "NDELAY")
    assert (counted["n"], counted["n_missing"], counted["total"]) == (2, 1, 3)
