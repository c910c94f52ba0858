"""ADSL: one row per patient, and each set by its written cases."""

from pathlib import Path

import pandas as pd
import pytest

from sap import ard
from sap.derivations.dates import earliest_day, latest_day
from sap.derivations.population import adsl, analysis_sets, biomarker, death
from sap.plan import read_plan
from sap.results.response import psa_response as psa_response_rows
from sap.results.screening import categories, final_disposition
from sap.results.sets import analysis_sets as set_rows

PLAN = read_plan(Path(__file__).parents[1] / "analysis" / "plan.yml").plan


def trial(patients, people: str, samples: str = "", doses: str = "", events: str = ""):
    """Tables of a small trial from texts."""
    empty = "USUBJID | X\n---+---"
    dm = patients(people)
    cp = patients(samples or empty)
    cp = cp.assign(CPTESTCD="CTC", CPSEQ=range(1, len(cp) + 1))
    tables = {
        "dm": dm.assign(STUDYID="T", SUBJID=dm["USUBJID"], SITEID="1", AGE=70.0, SEX="M"),
        "cp": cp,
        "ex": patients(doses or empty).assign(
            EXTRT="CABAZITAXEL", EXCAT="STUDY TREATMENT", EXSEQ=1, EXDOSE=25.0
        ),
        "ds": patients(events or empty),
    }
    if "ARV7" in cp:
        gf = cp[cp["ARV7"].notna()]
        tables["gf"] = pd.DataFrame(
            {
                "USUBJID": gf["USUBJID"], "GFSEQ": gf["CPSEQ"], "GFTESTCD": "ARV7",
                "GFSTRESC": gf["ARV7"], "GFRESCAT": None, "GFREASND": None, "GFREFID": gf["CPREFID"],
                "VISIT": gf["VISIT"], "GFDTC": gf["CPDTC"],
            }
        )  # fmt: skip
    return tables


PEOPLE = """
    USUBJID | RFICDTC
    --------+-----------
    01      | 2017-01-01
    02      | 2017-01-01
    03      | 2017-01-01
    04      | 2017-01-01
    05      | 2017-01-01
    06      | 2017-01-01
    07      | 2017-01-01
    08      | 2017-01-01
"""
SAMPLES = """
    USUBJID | VISIT        | CPDTC      | CPREFID | CPSTRESN | ARV7
    --------+--------------+------------+---------+----------+-------------
    01      | SCREENING    | 2017-01-02 | S1      | 3        | POSITIVE
    02      | SCREENING    | 2017-01-02 | S2      | 2        | POSITIVE
    03      | SCREENING    | 2017-01-02 | S3      | 40       | NEGATIVE
    03      | RE-SCREENING | 2017-09-01 | S4      | 60       | POSITIVE
    04      | SCREENING    | 2017-01-02 | S5      | 12       | POSITIVE
    05      | SCREENING    | 2017-01-02 | S6      |          |
    06      | SCREENING    | 2017-01-02 | S7      | 9        | UNDETERMINED
    08      | SCREENING    | 2017-01-03 | S9      | 0        | NEGATIVE
    08      | SCREENING    | 2017-01-02 | S8      |          |
"""
DOSES = """
    USUBJID | EXSTDTC
    --------+-----------
    01      | 2017-01-20
    01      |
    01      | 2017-03-03
    02      | 2017-01-20
    03      | 2017-09-20
    04      |
"""
EVENTS = """
    USUBJID | DSDECOD              | DSCAT              | DSSCAT       | DSSTDTC    | DSSEQ
    --------+----------------------+--------------------+--------------+------------+------
    01      | ALLOCATED TO GROUP B | PROTOCOL MILESTONE | SCREENING    | 2017-01-10 | 1
    02      | ALLOCATED TO GROUP B | PROTOCOL MILESTONE | SCREENING    | 2017-01-10 | 1
    03      | ALLOCATED TO GROUP A | PROTOCOL MILESTONE | SCREENING    | 2017-01-10 | 1
    03      | ALLOCATED TO GROUP B | PROTOCOL MILESTONE | RE-SCREENING | 2017-09-10 | 2
    04      | ALLOCATED TO GROUP B | PROTOCOL MILESTONE | SCREENING    | 2017-01-10 | 1
    06      | DECLINED             | DISPOSITION EVENT  | SCREENING    | 2017-01-12 | 1
"""
# By hand from the rules: who is in which set.
EXPECTED = """
    USUBJID | SCRFL | MPOSFL | PRIMFL | SAFFL | RESCFL | GRPAFL | WHY
    --------+-------+--------+--------+-------+--------+--------+------------------------------
    01      | Y     | Y      | Y      | Y     | N      | N      | exactly the minimum of 3 cells
    02      | Y     | Y      | N      | Y     | N      | N      | treated with 2 cells
    03      | Y     | N      | N      | Y     | Y      | Y      | treated through re-screening
    04      | Y     | Y      | Y      | Y     | N      | N      | a dose without a date is a dose
    05      | Y     | N      | N      | N     | N      | N      | sample without a count
    06      | Y     | N      | N      | N     | N      | N      | undetermined
    07      | N     | N      | N      | N     | N      | N      | consented, no sample
    08      | Y     | N      | N      | N     | N      | N      | two samples, one with a count
"""


@pytest.mark.req("SAP-4.2")
def test_each_subject_is_in_the_sets_written_beside_him(patients):
    got = adsl(trial(patients, PEOPLE, SAMPLES, DOSES, EVENTS), PLAN).set_index("USUBJID")
    expected = patients(EXPECTED).set_index("USUBJID").drop(columns="WHY")
    assert got[expected.columns].to_dict("index") == expected.to_dict("index")


def test_a_re_screened_subject_keeps_his_first_group_and_one_row(patients):
    got = adsl(trial(patients, PEOPLE, SAMPLES, DOSES, EVENTS), PLAN).set_index("USUBJID")
    assert got.loc["03", ["GROUP", "ARV7BL", "RESCARV7", "RESCTRFL"]].tolist() == [
        "A", "NEGATIVE", "POSITIVE", "Y",
    ]  # fmt: skip
    assert not got.index.has_duplicates


def test_the_sample_with_a_count_decides(patients):
    got = biomarker(trial(patients, PEOPLE, SAMPLES), "SCREENING")
    assert got.loc["08", ["CTC", "ARV7"]].tolist() == [0.0, "NEGATIVE"]
    assert got.loc["05", "ARV7"] == "NOT DONE"
    assert pd.isna(got.loc["05", "CTC"])


def test_each_patient_has_one_final_disposition(patients):
    people = adsl(trial(patients, PEOPLE, SAMPLES, DOSES, EVENTS), PLAN)
    ends = final_disposition(people)
    assert ends.notna().all()
    by_subject = dict(zip(people["USUBJID"], ends, strict=True))
    assert by_subject["03"] == "end_rescreened_treated"
    assert by_subject["06"] == "end_declined"
    assert by_subject["07"] == "end_no_sample"


def test_states_of_ar_v7_part_the_sampled_subjects(patients):
    people = adsl(trial(patients, PEOPLE, SAMPLES, DOSES, EVENTS), PLAN)
    counts = categories(people, PLAN)
    parts = [counts[f"marker_{s}"] for s in ("positive", "negative", "undetermined", "not_done")]
    assert sum(p.astype(int) for p in parts).eq(counts["sampled"].astype(int)).all()


@pytest.mark.parametrize(
    "dm, ds, ss, day",
    [
        ("2018-05-04", None, None, "2018-05-04"),  # case 1
        ("2018-05", None, None, "2018-05-20"),  # case 2: seen alive on the 20th
        ("2018-06", None, None, "2018-06-01"),  # case 2: earliest day allowed
        (None, "2018-05-30", "2018-06-02", "2018-05-30"),  # case 3
        (None, None, "2018-06-02", "2018-06-02"),  # case 4
    ],
)
def test_day_of_death_by_its_cases(dm, ds, ss, day):
    tables = {
        "dm": pd.DataFrame({"USUBJID": ["01"], "DTHDTC": [dm]}),
        "ds": pd.DataFrame({"USUBJID": ["01"], "DSDECOD": ["DEATH"], "DSSTDTC": [ds]}),
        "ss": pd.DataFrame({"USUBJID": ["01"], "SSSTRESC": ["DEAD"], "SSDTC": [ss]}),
    }
    alive = pd.Series({"01": pd.Timestamp("2018-05-20")})
    assert death(tables, alive)["01"] == pd.Timestamp(day)


def test_a_full_date_of_death_goes_before_a_partial_one_of_the_same_source():
    tables = {
        "dm": pd.DataFrame({"USUBJID": ["01"], "DTHDTC": [None]}),
        "ds": pd.DataFrame(
            {"USUBJID": "01", "DSDECOD": "DEATH", "DSSTDTC": ["2018-05", "2018-05-30"]}
        ),
    }
    assert death(tables, pd.Series(dtype="datetime64[ns]"))["01"] == pd.Timestamp("2018-05-30")


RESULTS = """
    USUBJID | GFREFID | GFSTRESC     | GFDTC      | EXPECTED | WHY
    --------+---------+--------------+------------+----------+------------------------------------
    01      | A1      | NEGATIVE     | 2017-01-05 | NEGATIVE | case 1: the deciding sample ...
    01      |         | POSITIVE     | 2017-01-04 |          | ... goes before a result without one
    02      |         | POSITIVE     | 2017-01-04 | POSITIVE | case 2: no sample named
    03      | X9      | POSITIVE     | 2017-01-04 | POSITIVE | case 2: a sample that is not his
    04      | D0      | POSITIVE     | 2017-01-04 | NOT DONE | case 3: the result of another sample
    05      | E1      |              | 2017-01-04 | POSITIVE | case 1: not done at first, then ...
    05      | E1      | POSITIVE     | 2017-01-09 |          | ... the sample gave a result
    06      | F1      |              | 2017-01-04 | NOT DONE | case 3: recorded as not done
"""


def test_the_result_that_belongs_to_the_deciding_sample(patients):
    samples = [(f"0{i}", f"{letter}1", "2017-01-02", 9.0) for i, letter in enumerate("ABCDEF", 1)]
    samples += [("04", "D0", "2017-01-01", None)]
    cp = pd.DataFrame(samples, columns=["USUBJID", "CPREFID", "CPDTC", "CPSTRESN"])
    cp = cp.assign(CPTESTCD="CTC", CPSEQ=range(len(cp)), VISIT="SCREENING")
    gf = patients(RESULTS)
    gf = gf.assign(GFTESTCD="ARV7", GFSEQ=range(len(gf)), VISIT="SCREENING")
    gf = gf.assign(GFRESCAT=None, GFREASND=None)
    expected = gf.dropna(subset=["EXPECTED"]).set_index("USUBJID")["EXPECTED"].to_dict()
    for order in (gf, gf.iloc[::-1]):
        got = biomarker({"cp": cp, "gf": order}, "SCREENING")["ARV7"].to_dict()
        assert got == expected


REASONS = """
    USUBJID | GFSTRESC     | GFRESCAT  | GFREASND  | EXPECTED | WHY
    --------+--------------+-----------+-----------+----------+--------------------------------------
    01      | UNDETERMINED | weak      |           | weak     | ... case 1: the category of the result
    02      | UNDETERMINED |           | weak      | weak     | ... case 2: as extracts wrote it before
    03      |              |           | lost      | lost     | ... case 2: not done
    04      | POSITIVE     | high      |           |          | ... a category of another result is none
"""


def test_why_a_result_is_missing_stands_with_the_result_or_with_what_was_not_done(patients):
    """SDTMIG 3.4: --REASND belongs to --STAT NOT DONE (CG0094); --RESCAT to a result (CG0427)."""
    gf = patients(REASONS).assign(GFTESTCD="ARV7", GFSEQ=1, VISIT="SCREENING", GFDTC="2017-01-02")
    gf = gf.assign(GFREFID=gf["USUBJID"])
    cp = pd.DataFrame({"USUBJID": gf["USUBJID"], "CPREFID": gf["USUBJID"], "CPSTRESN": 9.0})
    cp = cp.assign(CPTESTCD="CTC", CPSEQ=1, VISIT="SCREENING", CPDTC="2017-01-02")
    expected = gf.set_index("USUBJID")["EXPECTED"].fillna("").to_dict()
    reasons = biomarker({"cp": cp, "gf": gf}, "SCREENING")["ARV7REAS"]
    assert reasons.fillna("").to_dict() == expected


def test_a_dose_of_0_is_no_dose_and_a_missing_one_is(patients):
    tables = trial(patients, PEOPLE, SAMPLES, DOSES, EVENTS)
    tables["ex"] = tables["ex"].assign(EXDOSE=[25.0, None, 0.0, 0.0, 25.0, 25.0])
    got = adsl(tables, PLAN).set_index("USUBJID")
    assert got["NCYCLES"].to_dict() == {
        "01": 2, "02": 0, "03": 1, "04": 1, "05": 0, "06": 0, "07": 0, "08": 0,
    }  # fmt: skip
    assert got.loc["01", "TRTEDT"] == pd.Timestamp("2017-01-20")
    assert got.loc["02", "SAFFL"] == "N"


def test_a_first_dose_before_the_second_allocation_was_not_given_through_re_screening(patients):
    tables = trial(patients, PEOPLE, SAMPLES, DOSES, EVENTS)
    late = tables["ds"].assign(DSSTDTC=tables["ds"]["DSSTDTC"].replace("2017-09-10", "2017-09-21"))
    got = adsl({**tables, "ds": late}, PLAN).set_index("USUBJID")
    assert got.loc["03", "RESCTRFL"] == "N"
    assert adsl(tables, PLAN).set_index("USUBJID").loc["03", "RESCTRFL"] == "Y"


def test_the_first_infusion_has_its_time_where_the_data_have_it(patients):
    tables = trial(patients, PEOPLE, SAMPLES, DOSES, EVENTS)
    days = tables["ex"]["EXSTDTC"] + pd.Series(["T10:30", None, "T08:00", "", "", ""])
    got = adsl({**tables, "ex": tables["ex"].assign(EXSTDTC=days)}, PLAN).set_index("USUBJID")
    assert got.loc["01", "TRTSTM"] == "10:30"
    assert got["TRTSTM"].drop("01").isna().all()


def test_a_visit_that_was_planned_and_not_done_shows_nobody_alive(patients):
    tables = trial(patients, PEOPLE)
    tables["lb"] = pd.DataFrame(
        {
            "USUBJID": ["01", "01", "02"],
            "LBSTAT": [None, "NOT DONE", "NOT DONE"],
            "LBDTC": ["2017-02-01", "2017-05-01", "2017-05-01"],
        }
    )
    got = adsl(tables, PLAN).set_index("USUBJID")["LSTALVDT"]
    assert got["01"] == pd.Timestamp("2017-02-01")
    assert got["02"] == pd.Timestamp("2017-01-01")  # his consent shows him alive


def test_allocated_to_group_b_and_neither_treated_nor_out_is_an_end_of_its_own(patients):
    people = adsl(trial(patients, PEOPLE, SAMPLES, "", EVENTS), PLAN)
    ends = dict(zip(people["USUBJID"], final_disposition(people), strict=True))
    assert ends["01"] == ends["02"] == ends["04"] == "end_group_b_not_treated"
    assert ends["03"] == "end_rescreened_not_treated"
    assert ends["05"] == "end_not_allocated"


def test_a_text_that_is_no_day_is_refused_and_not_quoted():
    with pytest.raises(ValueError, match=r"^dtc: 2 text\(s\)") as caught:
        earliest_day(pd.Series(["2017-02-30", "2017-02-28", "in spring", None]))
    assert "02-30" not in str(caught.value)


def test_sets_that_need_measurements(patients):
    people = adsl(trial(patients, PEOPLE, SAMPLES, DOSES, EVENTS), PLAN)
    adrs = pd.DataFrame({"USUBJID": ["01", "04"], "PARAMCD": "PSARESP", "AVALC": ["N", "NE"]})
    counted = pd.DataFrame({"USUBJID": ["01", "04"]})
    tables = {"dv": pd.DataFrame({"USUBJID": ["04"], "DVCAT": ["MAJOR"]})}
    got = analysis_sets(people, adrs, counted, tables, PLAN).set_index("USUBJID")
    assert got.loc["01", ["PSAEVFL", "PPROTFL", "CTCEVFL"]].tolist() == ["Y", "Y", "N"]
    assert got.loc["04", ["PSAEVFL", "PPROTFL", "CTCEVFL"]].tolist() == ["N", "N", "Y"]
    assert (got.loc[["02", "03"], ["PSAEVFL", "PPROTFL", "CTCEVFL"]] == "N").all(axis=None)


def test_without_deviations_in_the_data_there_is_no_per_protocol_set(patients):
    """An extract without DV (as CABA-V7's) says nothing of deviations: no set, and no row of one."""
    people = adsl(trial(patients, PEOPLE, SAMPLES, DOSES, EVENTS), PLAN)
    adrs = pd.DataFrame({"USUBJID": ["01", "04"], "PARAMCD": "PSARESP", "AVALC": ["N", "NE"]})
    for tables, there in (({}, False), ({"dv": pd.DataFrame()}, True)):
        got = analysis_sets(people, adrs, None, tables, PLAN)
        assert ("PPROTFL" in got) is there
        rows = ard.bind(set_rows(got, PLAN) + psa_response_rows(got, adrs, PLAN))
        assert ("PERPROT" in set(rows["population"])) is there
        assert "PSAEVAL" in set(rows["population"])


def test_partial_dates_span_their_month_or_year():
    text = pd.Series(["2016-02", "2016", "2016-12-31T23:59"])
    assert earliest_day(text).dt.strftime("%F").tolist() == [
        "2016-02-01",
        "2016-01-01",
        "2016-12-31",
    ]
    assert latest_day(text).dt.strftime("%F").tolist() == ["2016-02-29", "2016-12-31", "2016-12-31"]
