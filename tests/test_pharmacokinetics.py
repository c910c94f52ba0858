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
        {"USUBJID": who, "NCYCLES": 2.0, "SAFFL": "Y", "PRIMFL": "Y", "CTCBL": 9.0,
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
