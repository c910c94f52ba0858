"""ADPC and ADPP: samples at their times, areas by hand and from the four-sample design of trial.md 7.3."""

import math
from pathlib import Path

import pandas as pd
import pytest

from sap import ard
from sap.derivations.pk import adpc, adpp
from sap.derivations.population import analysis_sets
from sap.plan import read_plan
from sap.results.pk import pk

PLAN = read_plan(Path(__file__).parents[1] / "analysis" / "plan.yml").plan

# Infusion from 10:00. Samples planned at 0, 1, 3 and 7 h; more than 5 minutes off is a deviation.
# 01 is the typical patient of Ferron 2013 (46 mg over 1 h), sampled to the minute.
SAMPLES = """
    USUBJID | H | TIME  | SHOWN | CASE | DEV | MAX | WHY
    --------+---+-------+-------+------+-----+-----+----------------------------------------------
    01      | 0 | 09:45 | <1    | 5    |     |     | below quantification before: 0
    01      | 1 | 11:00 | 215.3 | 7    |     | Y   |
    01      | 3 | 13:00 | 15.49 | 7    |     | Y   |
    01      | 7 | 17:00 | 6.64  | 7    |     | Y   |
    02      | 0 | 10:01 | <1    | 3    | Y   |     | drawn after the infusion began
    02      | 1 | 11:05 | 114   | 7    |     | Y   | exactly 5 minutes late
    02      | 3 | 13:00 | 16    | 7    |     | Y   |
    02      | 7 | 17:00 | 4     | 7    |     | Y   |
    03      | 1 | 11:06 | 114   | 7    | Y   |     | 6 minutes late: not Cmax
    03      | 3 | 12:54 | 16    | 7    | Y   | Y   | 6 minutes early; a fall, never Cmax of the patient
    03      | 7 | 16:45 | 4     | 7    | Y   | Y   | 15 minutes early: carried on
    04      | 1 | 11:00 |       | 1    |     |     | not drawn
    04      | 3 | 13:00 | 16    | 7    |     | Y   |
    04      | 7 | 16:44 | 4     | 7    | Y   | Y   | 16 minutes early: not carried on
    05      | 1 | 11:00 | 100   | 7    |     | Y   |
    05      | 3 |       | 20    | 2    |     |     | time not known
    05      | 7 | 17:00 | <1    | 6    |     |     | below quantification: left out
    06      | 1 | 09:55 | 50    | 4    | Y   |     | before the infusion, planned after it
"""


def formatted(patients) -> pd.DataFrame:
    return patients(SAMPLES.replace("TIME", "TIMEDTC"))


def sampled(patients) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = formatted(patients)
    text = rows["SHOWN"].map(lambda v: f"{v:g}" if isinstance(v, float) else v)
    pc = pd.DataFrame(
        {
            "USUBJID": rows["USUBJID"], "PCSEQ": range(1, len(rows) + 1), "PCTESTCD": "CABAZ",
            "PCSTRESC": text, "PCSTRESN": pd.to_numeric(text, errors="coerce"), "PCLLOQ": 1.0,
            "PCSTRESU": "ng/mL", "VISIT": "CYCLE 1", "PCTPT": "x", "PCTPTNUM": rows["H"].astype(float),
            "PCRFTDTC": "2018-03-10T10:00",
            "PCDTC": rows["TIMEDTC"].map(lambda t: f"2018-03-10T{t}" if t else "2018-03-10"),
        }
    )  # fmt: skip
    who = sorted(rows["USUBJID"].unique())
    adsl = pd.DataFrame(
        {"STUDYID": "T", "USUBJID": who, "NCYCLES": 2.0, "SAFFL": "Y", "PRIMFL": "Y", "CTCBL": 9.0,
         "DCTREAS": None}
    )  # fmt: skip
    adex = pd.DataFrame(
        {"USUBJID": who, "ASTDT": pd.Timestamp("2018-03-10"), "DOSE": 20.0, "DOSEMG": 40.0,
         "BSA": 2.0}
    )  # fmt: skip
    tables = {"pc": pc, "ex": pd.DataFrame({"USUBJID": who, "EXSTDTC": "2018-03-10"})}
    return adpc(tables, adsl, adex, PLAN.pk), adsl


def values(patients) -> pd.DataFrame:
    found = adpp(sampled(patients)[0], PLAN.pk)
    return found.set_index(["USUBJID", "PARAMCD"])


@pytest.mark.req("SAP-5.10")
def test_each_sample_has_the_case_written_beside_it(patients):
    got, _ = sampled(patients)
    rows = formatted(patients)
    assert got["ANL01CAS"].tolist() == rows["CASE"].astype(int).tolist()
    assert got["DEVFL"].tolist() == rows["DEV"].fillna("").tolist()
    assert got["ANL02FL"].tolist() == rows["MAX"].fillna("").tolist()
    assert got["AVAL"].isna().tolist() == [case not in (5, 7) for case in got["ANL01CAS"]]


@pytest.mark.req("SAP-5.10")
def test_the_typical_subject_has_the_areas_of_the_four_sample_design(patients):
    """trial.md 7.3: linear-up/log-down 301.3 to 7 h, 293.9 to 6 h; at 6 h 8.20 (8.21 with C7 = 6.64)."""
    got = values(patients).loc["01"]["AVAL"]
    assert got["AUC07"] == pytest.approx(301.3, abs=0.05)
    assert got["AUC06"] == pytest.approx(293.9, abs=0.05)
    assert got["C6H"] == pytest.approx(8.20, abs=0.011)
    assert got["C7H"] == pytest.approx(6.64)
    assert got["AUCLST"] == pytest.approx(got["AUC07"])
    assert (got["CMAX"], got["TMAX"]) == (215.3, 1)
    # 20 mg/m2 and 40 mg: x 25/20, and / 40
    assert got["AUC07N"] == pytest.approx(got["AUC07"] * 1.25)
    assert got["AUC07MG"] == pytest.approx(got["AUC07"] / 40)
    assert got["CMAXN"] == pytest.approx(215.3 * 1.25)
    names = set(values(patients).index.get_level_values("PARAMCD"))
    assert not {name for name in names if "INF" in name or "HALF" in name or "LAMZ" in name}


def test_actual_times_enter_the_area(patients):
    """02 by hand: 0 to 65 min straight, then logarithmic (a - b) t / ln(a/b) to 3 h and to 7 h."""
    first, then = 65 / 60, 3 - 65 / 60
    by_hand = 114 * first / 2 + (114 - 16) * then / math.log(114 / 16) + 12 * 4 / math.log(4)
    assert values(patients).loc[("02", "AUC07"), "AVAL"] == pytest.approx(by_hand)


def test_an_end_of_infusion_off_its_time_gives_an_area_and_no_maximum(patients):
    got = values(patients).loc["03"]
    assert got.loc["CMAX", "AVALC"] == "NE"
    assert "off its time" in got.loc["CMAX", "REASON"]
    # 15 minutes before 7 h: the last piece (12:54 to 16:45, 16 to 4) carried on a quarter of an hour
    end = 4 * (4 / 16) ** (0.25 / 3.85)
    assert got.loc["C7H", "AVAL"] == pytest.approx(end)
    first = 114 * 1.1 / 2 + (114 - 16) * 1.8 / math.log(114 / 16) + 12 * 3.85 / math.log(4)
    assert got.loc["AUCLST", "AVAL"] == pytest.approx(first)
    assert got.loc["AUC07", "AVAL"] == pytest.approx(first + (4 - end) * 0.25 / math.log(4 / end))


def test_what_the_samples_do_not_give_is_not_estimated(patients):
    got = values(patients)
    assert got.loc[("04", "AUC06"), "REASON"] == "no sample at the end of the infusion"
    assert got.loc[("04", "C7H"), "REASON"] == "no sample near 7 h or later"
    assert got.loc[("04", "C6H"), "AVALC"] == ""
    assert got.loc[("05", "AUC07"), "REASON"] == "no sample near 7 h or later"
    assert got.loc[("05", "AUCLST"), "AVAL"] == pytest.approx(50)  # 0 to 100 in an hour
    assert "06" not in got.index.get_level_values("USUBJID")


def test_the_set_holds_subjects_with_a_concentration_after_the_start(patients):
    pc, adsl = sampled(patients)
    nothing = pd.DataFrame({"PARAMCD": [], "AVALC": [], "USUBJID": []})
    got = analysis_sets(adsl, nothing, None, {}, PLAN, pc)
    assert got["PKEVFL"].tolist() == ["Y", "Y", "Y", "Y", "Y", "N"]
    without_dose = analysis_sets(adsl, nothing, None, {}, PLAN, pc.assign(DOSE=float("nan")))
    assert set(without_dose["PKEVFL"]) == {"N"}
    absent = adpc({"ex": pd.DataFrame()}, adsl, pd.DataFrame(), PLAN.pk)
    assert "PKEVFL" not in analysis_sets(adsl, nothing, None, {}, PLAN, absent)


def stat(rows: pd.DataFrame, **where: str) -> float | str:
    for name, value in ({"group": "", "sublevel": ""} | where).items():
        rows = rows[rows[name] == value]
    assert len(rows) == 1, where
    return rows["stat_text"].iloc[0] or float(rows["stat"].iloc[0])


def test_results_count_who_has_a_value_and_describe_the_samples(patients):
    pc, adsl = sampled(patients)
    adsl = adsl.assign(PKEVFL=["Y"] * 5 + ["N"])
    rows = ard.bind(pk(adsl, pc, adpp(pc, PLAN.pk), PLAN))
    assert stat(rows, paramcd="AUC07", stat_name="n") == 3
    assert stat(rows, paramcd="AUC07", stat_name="n_missing") == 2
    assert stat(rows, paramcd="CMAX", stat_name="n") == 3
    assert (
        stat(rows, paramcd="SAMPLE", level="hour_1", sublevel="outside_window", stat_name="n") == 1
    )
    assert (
        stat(rows, paramcd="SAMPLE", level="hour_1", sublevel="not_collected", stat_name="n") == 1
    )
    # geometric mean of 215.3, 114 and 100 (01, 02, 05)
    expected = (215.3 * 114 * 100) ** (1 / 3)
    assert stat(rows, paramcd="CMAX", stat_name="geometric_mean") == pytest.approx(expected)


def test_without_concentrations_the_result_says_so():
    adsl = pd.DataFrame({"USUBJID": ["01"], "NCYCLES": [1.0], "SAFFL": ["Y"]})
    pc = adpc({"ex": pd.DataFrame()}, adsl, pd.DataFrame(), PLAN.pk)
    rows = ard.bind(pk(adsl, pc, adpp(pc, PLAN.pk), PLAN))
    assert str(stat(rows, paramcd="AUC07", stat_name="n")).startswith("not in the data")


# ---- samples and profiles, row by row ------------------------------------------------------------

ROWS = """
    USUBJID | PCTESTCD | HOUR  | PCRFTDTC         | PCDTC                 | PCSTRESC
    --------+----------+-------+------------------+-----------------------+---------
    01      | CABAZ    | -0.25 | 2018-03-10T10:00 | 2018-03-10T09:30      | 3
    01      | CABAZ    | -0.25 | 2018-03-10T10:00 | 2018-03-10T10:00      | <1
    01      | CABAZ    | 1     | 2018-03-10T10:00 | 2018-03-10T10:00      | 5
    01      | CABAZ    | 1     | 2018-03-10T10:00 | 2018-03-10T11:00:00.5 | >500
    01      | CABAZ    | 3     | 2018-03-10T10:00 | 2018-03-10T12:54:59.5 | 90
    01      | CABAZ    | 7     | 2018-03-10       | 2018-03-10T17:00      | 20
    02      | CABAZ    | 1     |                  | 2018-03-10T11:30      | 80
    02      | CABAZ    | 1     |                  | 2018-03-11T11:30      | 70
    02      | CABAZ    | 1     | 2018-03-10T10    | 2018-03-10T11:30      | 60
    02      | PRED     | 1     | 2018-03-10T10:00 | 2018-03-10T11:00      | 50
    03      | CABAZ    | 1     | 2018-03-10T10:00 | 2018-03-10T11:00      | 40
    04      | CABAZ    | 1     | 2018-03-10T10:00 | 2018-03-10T11:00      | 30
"""


def row_by_row(patients) -> pd.DataFrame:
    """01 and 02 were treated, 02 with two records of one day; 03 has no dose, 04 is not in ADSL."""
    rows = patients(ROWS)
    text = rows["PCSTRESC"].map(lambda v: f"{v:g}" if isinstance(v, float) else v)
    pc = rows.drop(columns="HOUR").assign(
        PCSEQ=[float(i) for i in range(1, len(rows) + 1)], PCSTRESC=text, PCSTRESU="ng/mL",
        PCTPTNUM=rows["HOUR"].astype(float), VISIT="CYCLE 1", PCTPT="planned",
    )  # fmt: skip
    ex = pd.DataFrame(
        [
            ("01", "2018-03-10T10:00"), ("02", "2018-03-09T08:00"), ("02", "2018-03-10T10:15"),
            ("02", "2018-03-10T09:00"), ("03", "2018-03-10T10:00"),
        ],
        columns=["USUBJID", "EXSTDTC"],
    )  # fmt: skip
    adex = pd.DataFrame(
        {
            "USUBJID": ["01", "02", "02", "02"], "DOSE": [20.0, 21.0, 22.0, 23.0],
            "ASTDT": pd.to_datetime(["2018-03-10", None, "2018-03-10", "2018-03-10"]),
            "DOSEMG": [40.0, 41.0, 42.0, 43.0], "BSA": [2.0, 2.1, 2.2, 2.3],
        }
    )  # fmt: skip
    adsl = pd.DataFrame({"STUDYID": "T", "USUBJID": ["01", "02", "03"], "NCYCLES": [1.0, 2.0, 0.0]})
    return adpc({"pc": pc, "ex": ex}, adsl, adex, PLAN.pk)


def test_each_planned_sample_has_its_time_its_deviation_and_its_dose(patients):
    """By hand from 10:00, or from EX where PCRFTDTC has no minutes (02: 10:15, the first of that day).

    12:54:59.5 is 5 minutes and half a second early: 5.008333 minutes. 02 has no infusion on 03-11.
    """
    got = row_by_row(patients)
    assert got["PCSEQ"].tolist() == list(range(1, 10))
    assert got["ANL01CAS"].tolist() == [7, 5, 4, 1, 7, 7, 7, 2, 7]
    assert got["ANL01FL"].tolist() == ["Y", "Y", "", "", "Y", "Y", "Y", "", "Y"]
    assert got["ANL02FL"].tolist() == ["", "", "", "", "Y", "Y", "", "", ""]
    assert got["BLQFL"].tolist() == ["", "Y", *[""] * 7]
    missing = float("nan")
    levels = [3, 0, missing, missing, 90, 20, 80, missing, 60]
    assert got["AVAL"].tolist() == pytest.approx(levels, nan_ok=True)
    hours = [-0.5, 0, 0, 1 + 0.5 / 3600, 3 - 300.5 / 3600, 7, 1.25, missing, 1.25]
    assert got["AREL"].tolist() == pytest.approx(hours, nan_ok=True)
    assert got["DEVMIN"].fillna(-999).tolist() == [
        -15,
        15,
        -60,
        0.008333,
        -5.008333,
        0,
        15,
        -999,
        15,
    ]
    assert got["DEVFL"].tolist() == ["", "", "Y", "", "Y", "", "Y", "", "Y"]
    days = ["2018-03-10"] * 7 + ["2018-03-11", "2018-03-10"]
    assert got["ADT"].dt.strftime("%F").tolist() == days
    assert got["DOSE"].fillna(0).tolist() == [20] * 6 + [22, 0, 22]
    assert got["DOSEMG"].fillna(0).tolist() == [40] * 6 + [42, 0, 42]
    assert got["BSA"].fillna(0).tolist() == [2] * 6 + [2.2, 0, 2.2]
    assert got["ATPTN"].tolist() == [-0.25, -0.25, 1, 1, 3, 7, 1, 1, 1]
    assert got["USUBJID"].tolist() == ["01"] * 6 + ["02"] * 3
    for name, value in (
        ("STUDYID", "T"),
        ("AVISIT", "CYCLE 1"),
        ("ATPT", "planned"),
        ("AVALU", "ng/mL"),
    ):
        assert set(got[name]) == {value}


def profile(
    points: list[tuple[float, float, float]], off: tuple[int, ...] = (), **other: object
) -> pd.DataFrame:
    """ADPC of one infusion from (planned hour, actual hour, concentration); `off` deviate."""
    table = pd.DataFrame(points, columns=["ATPTN", "AREL", "AVAL"])
    late = ["Y" if place in off else "" for place in range(len(points))]
    table = table.assign(
        STUDYID="T", USUBJID="01", PCSEQ=range(len(points)), AVISIT="CYCLE 1", ADT=pd.Timestamp("2018-03-10"),
        ANL01FL="Y", DEVFL=late, DOSE=20.0, DOSEMG=40.0,
    )  # fmt: skip
    top = (table["AREL"] > 0) & ~((table["ATPTN"] == 1) & (table["DEVFL"] == "Y"))
    return table.assign(ANL02FL=["Y" if each else "" for each in top], **other)


def parameters_of(samples: pd.DataFrame) -> pd.DataFrame:
    return adpp(samples, PLAN.pk).set_index("PARAMCD")


def test_the_curve_begins_with_the_last_sample_before_the_infusion():
    """Predose 8 then 4: from 4 straight up to 10 in an hour, 7; constant to 7 h, 60."""
    points = [(-1, -1.0, 8.0), (0, -0.1, 4.0), (1, 1.0, 10.0), (7, 7.0, 10.0)]
    assert parameters_of(profile(points)).loc["AUC07", "AVAL"] == pytest.approx(67)
    # at time 0 exactly: before the infusion; of two samples of one time, the first
    points = [(0, 0.0, 6.0), (1, 1.0, 10.0), (3, 1.0, 99.0), (7, 7.0, 10.0)]
    assert parameters_of(profile(points)).loc["AUC07", "AVAL"] == pytest.approx(8 + 60)
    # without one: from 0
    points = [(7, 7.0, 10.0), (1, 1.0, 10.0)]
    assert parameters_of(profile(points)).loc["AUC07", "AVAL"] == pytest.approx(5 + 60)


@pytest.mark.parametrize(
    "points, at_7_h",
    [
        ([(1, 1.0, 32.0), (7, 6.75, 32 * 0.5**5.75)], 32 * 0.5**6),  # halves every hour
        ([(1, 1.0, 16.0), (7, 6.74, 2.0)], None),  # more than 15 minutes before
        ([(1, 1.0, 16.0), (7, 6.75, 16.0)], None),  # does not decrease
        ([(1, 1.0, 16.0), (7, 6.75, 20.0)], None),
        ([(1, 1.0, 16.0), (7, 6.75, 0.0)], None),  # a logarithm needs a value above 0
        ([(0, 0.0, 16.0), (1, 6.75, 2.0)], None),  # the infusion lies within the segment
        ([(1, 1.0, 16.0), (7, 7.0, 2.0)], 2.0),  # nothing to extrapolate
    ],
)
def test_a_last_decreasing_segment_is_extrapolated_15_minutes_at_most(points, at_7_h):
    got = parameters_of(profile(points))
    row = got.loc["C7H"]
    if at_7_h is None:
        assert (row["AVALC"], row["REASON"]) == ("NE", "no sample near 7 h or later")
        assert math.isnan(row["AVAL"])
    else:
        assert (row["AVALC"], row["REASON"]) == ("", "")
        assert row["AVAL"] == pytest.approx(at_7_h)
    # AUCLST ends at the last sample, whatever is extrapolated.
    if points[-1][1] == 6.75 and at_7_h is not None:
        area = 16 + (32 - 32 * 0.5**5.75) / math.log(2)
        assert got.loc["AUCLST", "AVAL"] == pytest.approx(area)


def test_of_two_equal_maxima_the_earlier_time_counts():
    got = parameters_of(profile([(3, 3.0, 50.0), (1, 1.0, 50.0), (7, 7.0, 10.0)]))
    assert got.loc[["CMAX", "TMAX", "CMAXN"], "AVAL"].tolist() == [50, 1, 62.5]
    # the maximum is among samples that are eligible for it, the largest of them
    got = parameters_of(profile([(1, 1.0, 50.0), (3, 3.0, 60.0), (7, 7.0, 10.0)]))
    assert got.loc[["CMAX", "TMAX"], "AVAL"].tolist() == [60, 3]


OFF = "the sample at the end of the infusion was off its time"


@pytest.mark.parametrize(
    "points, off, reason",
    [
        ([(1, 1.5, 50.0), (7, 7.0, 10.0)], (0,), OFF),
        ([(1, 1.0, 50.0), (1, 1.5, 40.0), (7, 7.0, 10.0)], (1,), OFF),
        ([(3, 3.0, 50.0), (7, 7.0, 10.0)], (), "no sample at the end of the infusion"),
    ],
)
def test_without_the_end_of_the_infusion_at_its_time_there_is_no_maximum(points, off, reason):
    got = parameters_of(profile(points, off))
    for name in ("CMAX", "TMAX", "CMAXN"):
        assert got.loc[name, ["AVALC", "REASON"]].tolist() == ["NE", reason]
        assert math.isnan(got.loc[name, "AVAL"])


@pytest.mark.parametrize(
    "dose, reason", [(0.0, "dose not known"), (float("nan"), "dose not known")]
)
def test_without_a_dose_nothing_is_normalised(dose, reason):
    got = parameters_of(profile([(1, 1.0, 50.0), (7, 7.0, 10.0)], DOSE=dose, DOSEMG=dose))
    for name in ("AUC07N", "AUC07MG", "CMAXN"):
        assert got.loc[name, ["AVALC", "REASON"]].tolist() == ["NE", reason]
    assert got.loc["CMAX", "AVAL"] == 50


def test_values_are_normalised_by_any_dose_above_0():
    """25 mg/m2 over 0.5 mg/m2 is a factor of 50; the area is divided by 0.5 mg."""
    got = parameters_of(profile([(1, 1.0, 50.0), (7, 7.0, 10.0)], DOSE=0.5, DOSEMG=0.5))
    assert got.loc["CMAXN", "AVAL"] == 2500
    area = 25 + 40 * 6 / math.log(5)
    assert got.loc[["AUC07", "AUC07MG"], "AVAL"].tolist() == pytest.approx([area, 2 * area])


def test_one_sample_at_the_end_of_the_infusion_gives_a_maximum():
    """20 mg/m2: the maximum per 25 mg/m2 is 50 x 25 / 20. The area to it is that of a triangle."""
    got = parameters_of(profile([(1, 1.0, 50.0)]))
    assert got.loc[["CMAX", "TMAX", "CMAXN", "AUCLST"], "AVAL"].tolist() == [50, 1, 62.5, 25]
    assert set(got["DOSE"]) == {20}
    assert set(got["DOSEMG"]) == {40}


def test_a_normalised_value_without_value_has_its_reason():
    points = [(1, 1.0, 50.0), (3, 3.0, 10.0)]
    got = parameters_of(profile(points, DOSE=float("nan")))
    late = "no sample near 7 h or later"
    assert got.loc[["AUC07", "AUC07N", "AUC07MG"], "REASON"].tolist() == [late] * 3
    assert got.loc["CMAXN", "REASON"] == "dose not known"


def test_each_visit_with_a_sample_after_the_start_has_its_rows():
    """Cycle 2 has only a sample before the infusion; a visit without a name is a visit too."""
    first = profile([(1, 1.0, 50.0), (7, 7.0, 10.0)])
    second = profile([(0, 0.0, 5.0)], AVISIT="CYCLE 2", ADT=pd.Timestamp("2018-04-01"))
    third = profile(
        [(1, 1.0, 40.0), (7, 7.0, 10.0)], AVISIT=None, ADT=pd.Timestamp("2018-05-01"), DOSE=18.0,
        DOSEMG=36.0,
    )  # fmt: skip
    other = profile([(1, 1.0, 30.0)], USUBJID="02", ANL01FL="", ADT=pd.Timestamp("2018-03-10"))
    got = adpp(pd.concat([first, second, third, other], ignore_index=True), PLAN.pk)
    names = ["AUC07", "C7H", "AUC06", "C6H", "AUCLST", "CMAX", "TMAX", "AUC07N", "AUC07MG", "CMAXN"]
    assert got["PARAMCD"].tolist() == names * 2
    assert got["USUBJID"].tolist() == ["01"] * 20
    assert got["STUDYID"].tolist() == ["T"] * 20
    days = got["ADT"].dt.strftime("%F").tolist()
    assert days == ["2018-03-10"] * 10 + ["2018-05-01"] * 10
    assert got["AVISIT"].fillna("").tolist() == ["CYCLE 1"] * 10 + [""] * 10
    assert got["DOSE"].tolist() == [20] * 10 + [18] * 10
    assert got["DOSEMG"].tolist() == [40] * 10 + [36] * 10
    assert list(got) == [
        "STUDYID", "USUBJID", "AVISIT", "ADT", "PARAMCD", "AVAL", "AVALC", "REASON", "DOSE", "DOSEMG",
    ]  # fmt: skip
