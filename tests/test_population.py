"""ADSL: one row per patient, and each set by its written cases."""

from pathlib import Path

import pandas as pd
import pytest

from sap import ard
from sap.derivations.dates import earliest_day, latest_day
from sap.derivations.population import (
    adsl,
    analysis_sets,
    biomarker,
    death,
    disposition,
    line_of_therapy,
    milestone,
    study_doses,
)
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
    assert got.loc["03", ["GROUP", "MARKBL", "RESCMARK", "RESCTRFL"]].tolist() == [
        "A", "NEGATIVE", "POSITIVE", "Y",
    ]  # fmt: skip
    assert not got.index.has_duplicates


def test_the_sample_with_a_count_decides(patients):
    got = biomarker(trial(patients, PEOPLE, SAMPLES), PLAN.biomarker, "SCREENING")
    assert got.loc["08", ["CTC", "MARKER"]].tolist() == [0.0, "NEGATIVE"]
    assert got.loc["05", "MARKER"] == "NOT DONE"
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
        got = biomarker({"cp": cp, "gf": order}, PLAN.biomarker, "SCREENING")["MARKER"].to_dict()
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
    reasons = biomarker({"cp": cp, "gf": gf}, PLAN.biomarker, "SCREENING")["MARKREAS"]
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


# ---- each rule, row by row -----------------------------------------------------------------------


def as_texts(table: pd.DataFrame | pd.Series) -> dict[object, object]:
    """Rows (or values) by index; days as texts, missing as None."""

    def text(value: object) -> object:
        if isinstance(value, pd.Timestamp):
            return f"{value:%F}"
        return None if pd.isna(value) else value

    if isinstance(table, pd.Series):
        return {key: text(value) for key, value in table.items()}
    rows = zip(table.index, table.itertuples(index=False, name=None), strict=True)
    return {key: [text(value) for value in row] for key, row in rows}


def test_a_milestone_is_the_first_day_of_its_term_in_its_episode(patients):
    ds = patients("""
        USUBJID | DSDECOD                   | DSCAT              | DSSCAT       | DSSTDTC
        --------+---------------------------+--------------------+--------------+-----------
        02      | ALLOCATED TO GROUP A      | PROTOCOL MILESTONE | RE-SCREENING | 2017-03
        01      | ALLOCATED TO GROUP A      | PROTOCOL MILESTONE | SCREENING    | 2017-02-05
        01      | ALLOCATED TO GROUP A      | PROTOCOL MILESTONE | SCREENING    | 2017-02-01
        01      | ALLOCATED TO GROUP A      | PROTOCOL MILESTONE | RE-SCREENING | 2017-01-15
        01      | ALLOCATED TO GROUP A      | DISPOSITION EVENT  | SCREENING    | 2017-01-01
        01      | INFORMED CONSENT OBTAINED | PROTOCOL MILESTONE | SCREENING    | 2016-12-01
        03      | ALLOCATED TO GROUP A      | PROTOCOL MILESTONE | SCREENING    |
        03      | ALLOCATED TO GROUP A      | PROTOCOL MILESTONE | SCREENING    | 2017-02-02
    """)
    term = "ALLOCATED TO GROUP A"
    at_screening = {"01": "2017-02-01", "03": "2017-02-02"}
    assert as_texts(milestone({"ds": ds}, term, "SCREENING")) == at_screening
    anywhere = {"01": "2017-01-15", "02": "2017-03-01", "03": "2017-02-02"}
    assert as_texts(milestone({"ds": ds}, term)) == anywhere
    assert as_texts(milestone({}, term)) == {}


def test_the_last_disposition_event_is_that_of_the_last_day_then_of_the_highest_number(patients):
    ds = patients("""
        USUBJID | DSSEQ | DSDECOD             | DSCAT              | DSSCAT              | DSSTDTC
        --------+-------+---------------------+--------------------+---------------------+-----------
        01      | 2     | ADVERSE EVENT       | DISPOSITION EVENT  | STUDY TREATMENT     | 2017-05-01
        01      | 1     | COMPLETED           | DISPOSITION EVENT  | STUDY TREATMENT     | 2017-05-01
        01      | 3     | DEATH               | DISPOSITION EVENT  | STUDY PARTICIPATION | 2017-06-01
        01      | 4     | TREATMENT STARTED   | PROTOCOL MILESTONE | STUDY TREATMENT     | 2017-07-01
        02      | 6     | COMPLETED           | DISPOSITION EVENT  | STUDY TREATMENT     | 2017-03-01
        02      | 5     | PROGRESSIVE DISEASE | DISPOSITION EVENT  | STUDY TREATMENT     | 2017-04
    """)
    got = disposition({"ds": ds}, "STUDY TREATMENT")
    assert list(got) == ["DSDECOD", "DAY"]
    assert as_texts(got) == {
        "01": ["ADVERSE EVENT", "2017-05-01"],
        "02": ["PROGRESSIVE DISEASE", "2017-04-01"],
    }


def test_the_sample_of_the_screening_by_its_cases(patients):
    """01 and 02: case 1; 03: case 2; 04 and 05 have no cell count at the screening: case 3."""
    cp = patients("""
        USUBJID | CPSEQ | CPTESTCD | VISIT        | CPDTC      | CPREFID | CPSTRESN
        --------+-------+----------+--------------+------------+---------+---------
        01      | 3     | CTC      | SCREENING    | 2017-01-09 | A3      | 7
        01      | 2     | CTC      | SCREENING    | 2017-01-05 | A2      | 6
        01      | 1     | CTC      | SCREENING    | 2017-01-02 | A1      |
        01      | 4     | CTC      | CYCLE 3      | 2017-01-01 | A4      | 5
        01      | 5     | OTHER    | SCREENING    | 2017-01-01 | A5      | 4
        02      | 7     | CTC      | SCREENING    | 2017-01-05 | B7      | 9
        02      | 6     | CTC      | SCREENING    | 2017-01-05 | B6      | 8
        03      | 9     | CTC      | SCREENING    | 2017-01-06 | C9      |
        03      | 8     | CTC      | SCREENING    | 2017-01-07 | C8      |
        04      | 10    | CTC      | RE-SCREENING | 2017-01-06 | D1      | 3
    """)
    gf = patients("""
        USUBJID | GFSEQ | GFTESTCD | VISIT     | GFDTC      | GFREFID | GFSTRESC | GFRESCAT | GFREASND
        --------+-------+----------+-----------+------------+---------+----------+----------+---------
        01      | 3     | ARV7     | SCREENING | 2017-01-12 | A2      | POSITIVE |          |
        01      | 2     | ARV7     | SCREENING | 2017-01-13 | A2      | NEGATIVE |          |
        01      | 1     | OTHER    | SCREENING | 2017-01-11 | A2      | NEGATIVE |          |
        01      | 4     | ARV7     | CYCLE 3   | 2017-01-11 | A2      | NEGATIVE |          |
        02      | 6     | ARV7     | SCREENING | 2017-01-12 | B6      | NEGATIVE |          |
        02      | 5     | ARV7     | SCREENING | 2017-01-12 | B6      | POSITIVE |          |
        03      | 7     | ARV7     | SCREENING | 2017-01-12 | C9      |          |          | LOST
        05      | 8     | ARV7     | SCREENING | 2017-01-12 |         | POSITIVE |          |
    """)
    got = biomarker({"cp": cp, "gf": gf}, PLAN.biomarker, "SCREENING")
    assert list(got) == ["DAY", "CTC", "MARKER", "MARKREAS"]
    assert as_texts(got) == {
        "01": ["2017-01-05", 6, "POSITIVE", None],
        "02": ["2017-01-05", 8, "POSITIVE", None],
        "03": ["2017-01-06", None, "NOT DONE", "LOST"],
    }
    assert set(biomarker({"cp": cp}, PLAN.biomarker, "SCREENING")["MARKER"]) == {"NOT DONE"}


def test_which_records_are_doses_and_their_last_day(patients):
    ex = patients("""
        USUBJID | EXSEQ | EXTRT       | EXCAT           | EXDOSE | EXSTDTC          | EXENDTC
        --------+-------+-------------+-----------------+--------+------------------+-----------
        01      | 1     | CABAZITAXEL | STUDY TREATMENT | 25     | 2018-01-01T10:00 | 2018-01-02
        01      | 2     | CABAZITAXEL |                 | 20     | 2018-01-22       |
        01      | 3     | CABAZITAXEL | STUDY TREATMENT |        | 2018-02         |
        01      | 4     | CABAZITAXEL | STUDY TREATMENT | 0      | 2018-03-01       |
        01      | 5     | CABAZITAXEL | OTHER           | 25     | 2018-03-02       |
        01      | 6     | PREDNISONE  | STUDY TREATMENT | 10     | 2018-03-03       |
        01      | 7     | PLACEBO     | STUDY TREATMENT | 0      | 2018-03-04       | 2018-03
    """)
    got = study_doses({"ex": ex}, ["CABAZITAXEL", "PLACEBO"]).set_index("EXSEQ")
    assert as_texts(got[["DAY", "LASTDAY"]]) == {
        1: ["2018-01-01", "2018-01-02"],
        2: ["2018-01-22", "2018-01-22"],
        3: [None, None],
        7: ["2018-03-04", "2018-03-04"],
    }


@pytest.mark.parametrize(
    "drug, category, start, line",
    [
        ("ENZALUTAMIDE", "PRIOR ANTICANCER THERAPY", None, "third line"),  # case 1
        ("ENZALUTAMIDE", "PRIOR ANTICANCER THERAPY", "2019-01-01", "third line"),  # case 1
        ("DOCETAXEL", "PRIOR ANTICANCER THERAPY", "2016-01-01", "second line"),
        ("ENZALUTAMIDE", "PHYSICIAN'S CHOICE", "2018-01-14", "third line"),  # case 2
        ("ENZALUTAMIDE", "PHYSICIAN'S CHOICE", "2018-01-15", "second line"),  # day of the dose
        ("ENZALUTAMIDE", "PHYSICIAN'S CHOICE", "2018-01", "third line"),  # case 2, earliest day
        ("ENZALUTAMIDE", "SUBSEQUENT ANTICANCER THERAPY", "2018-01-14", "third line"),  # case 3
        ("ENZALUTAMIDE", "SUBSEQUENT ANTICANCER THERAPY", "2018-01-15", "second line"),
        ("ENZALUTAMIDE", "SUBSEQUENT ANTICANCER THERAPY", "2018-01", "second line"),  # latest day
        ("ENZALUTAMIDE", "SUBSEQUENT ANTICANCER THERAPY", "2017", "third line"),  # latest day
        ("ENZALUTAMIDE", "CONCOMITANT MEDICATION", "2016-01-01", "second line"),
    ],
)
def test_the_line_of_therapy_by_its_cases(drug, category, start, line):
    cm = pd.DataFrame(
        {"USUBJID": ["01", "09"], "CMDECOD": drug, "CMCAT": category, "CMSTDTC": start}
    )
    first_dose = pd.Series({"01": pd.Timestamp("2018-01-15"), "02": pd.Timestamp("2018-01-15")})
    got = line_of_therapy({"cm": cm}, first_dose, ["ABIRATERONE", "ENZALUTAMIDE"])
    assert got.to_dict() == {"01": line, "02": "second line"}


def test_the_source_of_the_day_of_death_is_the_first_that_has_a_date(patients):
    """01: DM goes before the other two, also with a month alone; 02: DS before SS; 03 and 04: SS."""
    tables = {
        "dm": pd.DataFrame({"USUBJID": ["01", "02"], "DTHDTC": ["2018-05", None]}),
        "ds": patients("""
            USUBJID | DSDECOD           | DSSTDTC
            --------+-------------------+-----------
            01      | DEATH             | 2018-04-02
            02      | DEATH             | 2018-04-05
            02      | DEATH             | 2018-04-03
            02      | COMPLETED         | 2018-01-03
            03      | LOST TO FOLLOW-UP | 2018-01-05
            04      | DEATH             |
            05      | DEATH             | --03-02
        """),
        "ss": patients("""
            USUBJID | SSSTRESC | SSDTC
            --------+----------+-----------
            01      | DEAD     | 2018-04-01
            02      | DEAD     | 2018-03-01
            03      | DEAD     | 2018-07-01
            03      | DEAD     | 2018-06-01
            03      | ALIVE    | 2018-05-01
            04      | DEAD     | 2018
            04      | DEAD     | 2018-08
        """),
    }
    alive = pd.Series({"01": pd.Timestamp("2018-05-31"), "09": pd.Timestamp("2018-05-31")})
    assert as_texts(death(tables, alive)) == {
        "01": "2018-05-31", "02": "2018-04-03", "03": "2018-06-01", "04": "2018-01-01",
    }  # fmt: skip


@pytest.mark.parametrize("seen, day", [("2018-03-01", "2018-03-05"), ("2018-04-01", "2018-03-05")])
def test_a_full_date_of_death_stays_whatever_contact_is_recorded(seen, day):
    dm = pd.DataFrame({"USUBJID": ["01"], "DTHDTC": ["2018-03-05"]})
    alive = pd.Series({"01": pd.Timestamp(seen)})
    assert as_texts(death({"dm": dm}, alive)) == {"01": day}


WHOLE_EVENTS = """
    USUBJID | DSDECOD                        | DSCAT              | DSSCAT              | DSSTDTC    | DSSEQ
    --------+--------------------------------+--------------------+---------------------+------------+------
    01      | ALLOCATED TO GROUP A           | PROTOCOL MILESTONE | SCREENING           | 2017-01-10 | 1
    01      | ALLOCATED TO GROUP B           | PROTOCOL MILESTONE | SCREENING           | 2017-01-10 | 2
    02      | ALLOCATED TO GROUP A           | PROTOCOL MILESTONE | SCREENING           | 2017-01-11 | 1
    02      | ALLOCATED TO GROUP B           | PROTOCOL MILESTONE | SCREENING           | 2017-01-10 | 2
    03      | ALLOCATED TO GROUP A           | PROTOCOL MILESTONE | SCREENING           | 2017-01-10 | 1
    03      | ALLOCATED TO GROUP B           | PROTOCOL MILESTONE | SCREENING           | 2017-01-11 | 2
    04      | ALLOCATED TO GROUP B           | PROTOCOL MILESTONE | SCREENING           | 2017-01-12 | 1
    06      | ALLOCATED TO GROUP A           | PROTOCOL MILESTONE | SCREENING           | 2017-01-13 | 1
    06      | RE-SCREENING CONSENT OBTAINED  | PROTOCOL MILESTONE | RE-SCREENING        | 2017-08-01 | 2
    06      | ALLOCATED TO GROUP B           | PROTOCOL MILESTONE | RE-SCREENING        | 2017-09-01 | 3
    07      | ALLOCATED TO GROUP B           | PROTOCOL MILESTONE | RE-SCREENING        | 2017-09-01 | 1
    08      | ALLOCATED TO GROUP B           | PROTOCOL MILESTONE | RE-SCREENING        | 2017-09-01 | 1
    01      | ADVERSE EVENT                  | DISPOSITION EVENT  | STUDY TREATMENT     | 2017-06-01 | 5
    01      | LOST TO FOLLOW-UP              | DISPOSITION EVENT  | STUDY PARTICIPATION | 2017-07-01 | 6
    01      | ALLOCATED                      | DISPOSITION EVENT  | SCREENING           | 2017-01-10 | 7
    06      | NOT ELIGIBLE                   | DISPOSITION EVENT  | RE-SCREENING        | 2017-08-02 | 7
"""


@pytest.fixture
def whole(patients) -> pd.DataFrame:
    """ADSL of eight patients by USUBJID, with each way to a group and through a re-screening."""
    tables = trial(
        patients,
        PEOPLE.replace("    08      | 2017-01-01", "    08      | 2017-01"),
        """
    USUBJID | VISIT        | CPDTC      | CPREFID | CPSTRESN | ARV7
    --------+--------------+------------+---------+----------+-------------
    01      | SCREENING    | 2017-01-02 | S1      | 4        | POSITIVE
    06      | SCREENING    | 2017-01-03 | S6      | 0        | UNDETERMINED
    06      | RE-SCREENING | 2017-08-15 | R6      | 5        | NEGATIVE
    07      | RE-SCREENING | 2017-08-16 | R7      |          | POSITIVE
    08      | SCREENING    | 2017-01-04 | S8      | 3        | POSITIVE
        """,
        """
    USUBJID | EXSTDTC          | EXENDTC
    --------+------------------+-----------
    01      | 2017-01-20T10:30 | 2017-01-21
    01      | 2017-01-20T09    |
    01      | 2017-02-10T06:00 | 2017-02-10
    02      | 2017-01-22       |
    06      | 2017-09-01       |
    08      |                  |
        """,
        WHOLE_EVENTS,
    )
    tables["dm"] = tables["dm"].assign(DTHDTC=[None, "2017-05-05", *[None] * 6])
    tables["lb"] = pd.DataFrame(
        {"USUBJID": ["02", "03"], "LBSTAT": None, "LBDTC": ["2017-05-06", "2017-05-06"]}
    )
    tables["cm"] = patients("""
        USUBJID | CMDECOD      | CMCAT                    | CMSTDTC
        --------+--------------+--------------------------+-----------
        06      | ABIRATERONE  | PHYSICIAN'S CHOICE       | 2017-08-14
        07      | ABIRATERONE  | PHYSICIAN'S CHOICE       | 2017-08-16
        07      | ENZALUTAMIDE | PRIOR ANTICANCER THERAPY | 2017-01-01
        07      | DOCETAXEL    | PHYSICIAN'S CHOICE       | 2017-01-01
        03      | ABIRATERONE  | PHYSICIAN'S CHOICE       | 2017-01-01
        02      | ABIRATERONE  | PRIOR ANTICANCER THERAPY | 2016-01-01
    """)
    tables["ie"] = patients("""
        USUBJID | VISIT        | IECAT     | IESTRESC
        --------+--------------+-----------+---------
        01      | SCREENING    | INCLUSION | N
        02      | RE-SCREENING | INCLUSION | Y
        03      | RE-SCREENING | EXCLUSION | N
        06      | RE-SCREENING | INCLUSION | N
        07      | RE-SCREENING | EXCLUSION | Y
    """)
    return adsl(tables, PLAN).set_index("USUBJID")


def test_the_subject_dataset_has_its_columns_and_no_other(whole):
    assert ["USUBJID", *whole] == [
        "USUBJID", "STUDYID", "SUBJID", "SITEID", "AGE", "SEX", "RFICDT", "SCRDT", "CTCBL", "MARKBL",
        "MARKREAS", "GROUP", "ALLOCDT", "TRTSDT", "TRTSTM", "TRTEDT", "NCYCLES", "LINE", "RESCCSDT",
        "RESCRDT", "RESCCTC", "RESCMARK", "RESALLDT", "RESCPRFL", "RESCIEFL", "RESCTRFL", "DTHDT",
        "DTHFL", "LSTALVDT", "DCTREAS", "DCTDT", "DCSREAS", "DCSDT", "SCRNOUT", "RESCOUT", "SCRFL",
        "MPOSFL", "PRIMFL", "SAFFL", "RESCFL", "GRPAFL",
    ]  # fmt: skip


def test_the_group_is_that_of_the_earlier_allocation_and_a_on_one_day(whole):
    assert as_texts(whole[["GROUP", "ALLOCDT", "GRPAFL"]]) == {
        "01": ["A", "2017-01-10", "Y"],
        "02": ["B", "2017-01-10", "N"],
        "03": ["A", "2017-01-10", "Y"],
        "04": ["B", "2017-01-12", "N"],
        "05": [None, None, "N"],
        "06": ["A", "2017-01-13", "Y"],
        "07": [None, None, "N"],
        "08": [None, None, "N"],
    }


def test_first_and_last_dose_their_time_number_and_line(whole):
    """The infusion of 09 h without minutes counts as 09:59:59; 08 has a dose without a day."""
    names = ["TRTSDT", "TRTSTM", "TRTEDT", "NCYCLES", "LINE", "SAFFL"]
    none = [None, None, None, 0, None, "N"]
    assert as_texts(whole[names]) == {
        "01": ["2017-01-20", "09:59:59", "2017-02-10", 3, "second line", "Y"],
        "02": ["2017-01-22", None, "2017-01-22", 1, "third line", "Y"],
        "03": none, "04": none, "05": none,
        "06": ["2017-09-01", None, "2017-09-01", 1, "third line", "Y"],
        "07": none,
        "08": [None, None, None, 1, whole.loc["08", "LINE"], "Y"],
    }  # fmt: skip


def test_what_a_re_screening_gave_and_who_was_treated_through_it(whole):
    """06 was treated on the day of the second allocation; 08 on an unknown day; 07 never."""
    names = ["RESCCSDT", "RESCRDT", "RESCCTC", "RESCMARK", "RESALLDT", "RESCPRFL", "RESCIEFL"]
    none = [None] * 5
    assert as_texts(whole[[*names, "RESCTRFL", "RESCFL", "RESCOUT"]]) == {
        **{key: [*none, "N", "Y", "N", "N", None] for key in ("01", "02", "03", "04", "05")},
        "06": [
            "2017-08-01", "2017-08-15", 5, "NEGATIVE", "2017-09-01", "Y", "N", "Y", "Y",
            "NOT ELIGIBLE",
        ],
        "07": [None, "2017-08-16", None, "POSITIVE", "2017-09-01", "N", "N", "N", "Y", None],
        "08": [None, None, None, None, "2017-09-01", "N", "Y", "Y", "N", None],
    }  # fmt: skip


def test_screening_death_and_end_of_each_patient(whole):
    """A record after the death of 02 shows 02 alive until that day only; 08 has no full consent date.
    The day on which 01 was lost to follow-up shows no contact."""
    names = ["RFICDT", "SCRDT", "CTCBL", "MARKBL", "SCRFL", "MPOSFL", "PRIMFL"]
    consent = "2017-01-01"
    none = [consent, None, None, None, "N", "N", "N"]
    assert as_texts(whole[names]) == {
        "01": [consent, "2017-01-02", 4, "POSITIVE", "Y", "Y", "Y"],
        "02": none, "03": none, "04": none, "05": none,
        "06": [consent, "2017-01-03", 0, "UNDETERMINED", "Y", "N", "N"],
        "07": none,
        "08": [None, "2017-01-04", 3, "POSITIVE", "N", "Y", "N"],
    }  # fmt: skip
    assert as_texts(whole.loc["01":"03", ["DTHDT", "DTHFL", "LSTALVDT"]]) == {
        "01": [None, "N", "2017-06-01"],
        "02": ["2017-05-05", "Y", "2017-05-05"],
        "03": [None, "N", "2017-05-06"],
    }
    names = ["DCTREAS", "DCTDT", "DCSREAS", "DCSDT", "SCRNOUT"]
    assert as_texts(whole.loc[["01", "06"], names]) == {
        "01": ["ADVERSE EVENT", "2017-06-01", "LOST TO FOLLOW-UP", "2017-07-01", "ALLOCATED"],
        "06": [None] * 5,
    }
    assert whole.loc["01", ["STUDYID", "SUBJID", "SITEID", "AGE", "SEX"]].tolist() == [
        "T", "01", "1", 70, "M",
    ]  # fmt: skip


SETS = """
    USUBJID | PRIMFL | SAFFL | NCYCLES | CTCBL | DCTREAS             | WHY
    --------+--------+-------+---------+-------+---------------------+---------------------------
    01      | Y      | Y     | 2       | 5     | ADVERSE EVENT       | each number on its limit
    02      | Y      | Y     | 1       | 4     | PROGRESSIVE DISEASE | one cycle until progression
    03      | Y      | Y     | 1       | 9     | ADVERSE EVENT       | one cycle, another reason
    04      | N      | Y     | 5       | 9     |                     | not in PRIMARY
    05      | Y      | Y     | 5       | 9     |                     | a minor deviation
    06      | Y      | Y     | 5       | 9     |                     | a major deviation
    07      | N      | N     | 0       | 9     |                     | not treated
"""


def test_each_set_of_measurements_by_its_rule(patients):
    people = patients(SETS)
    adrs = pd.DataFrame(
        [
            *[(key, "PSARESP", "N") for key in ("01", "04", "05")],
            ("02", "PSARESP", "NE"), ("03", "PSARESPU", "Y"), ("06", "PSARESP", "Y"),
            *[(key, "MEASDIS", "Y") for key in ("01", "04")],
            ("02", "MEASDIS", "N"), ("03", "MEASDIS", "NE"), ("05", "TARGET", "Y"),
        ],
        columns=["USUBJID", "PARAMCD", "AVALC"],
    )  # fmt: skip
    adctc = pd.DataFrame({"USUBJID": ["01", "02", "04", "05"]})
    adpc = patients("""
        USUBJID | ANL01FL | AREL | BLQFL | DOSE
        --------+---------+------+-------+-----
        01      | Y       | 0.1  |       | 25
        02      | Y       | 0    |       | 25
        03      | Y       | 1    | Y     | 25
        04      |         | 1    |       | 25
        05      | Y       | 1    |       |
        06      | Y       | 1    |       | 25
        06      | Y       | 0    | Y     |
        07      | Y       | 1    |       | 25
    """)
    dv = pd.DataFrame({"USUBJID": ["05", "06"], "DVCAT": ["MINOR", "MAJOR"]})
    got = analysis_sets(people, adrs, adctc, {"dv": dv}, PLAN, adpc)
    expected = patients("""
        USUBJID | PSAEVFL | PPROTFL | CTCEVFL | PKEVFL | MEASFL
        --------+---------+---------+---------+--------+-------
        01      | Y       | Y       | Y       | Y      | Y
        02      | N       | Y       | N       | N      | N
        03      | N       | N       | N       | N      | N
        04      | N       | N       | N       | N      | N
        05      | Y       | Y       | Y       | N      | N
        06      | Y       | N       | N       | Y      | N
        07      | N       | N       | N       | N      | N
    """)
    assert got[list(expected)].to_dict("records") == expected.to_dict("records")


def test_sets_of_data_that_the_trial_does_not_have_are_not_made(patients):
    """No count on treatment: the set of cell counts is empty; the others are absent."""
    people = patients(SETS)
    adrs = pd.DataFrame(
        {"USUBJID": ["01", "02"], "PARAMCD": ["PSARESP", "MEASDIS"], "AVALC": ["N", "NE"]}
    )
    none = pd.DataFrame(columns=["USUBJID", "ANL01FL", "AREL", "BLQFL", "DOSE"])
    for adpc in (None, none):
        got = analysis_sets(people, adrs, None, {}, PLAN, adpc)
        assert list(got)[len(people.columns) :] == ["PSAEVFL", "CTCEVFL"]
        assert set(got["CTCEVFL"]) == {"N"}
