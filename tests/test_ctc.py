"""CTC and AR-V7 on treatment, patient by patient; expected results are written by hand."""

from pathlib import Path

import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from sap import ard
from sap.derivations.ctc import adctc, ctc_response
from sap.plan import read_plan
from sap.results import ctc as stem
from sap.results.ctc import ctc_course
from sap.results.ctc import ctc_response as ctc_response_rows

PLAN = read_plan(Path(__file__).parents[1] / "analysis" / "plan.yml").plan

SUBJECTS = """
    USUBJID | CTCBL | RESCCTC | RESCTRFL | MARKBL   | RESCMARK
    --------+-------+---------+----------+----------+---------
    01      | 5     |         | N        | POSITIVE |
    02      | 4     |         | N        | POSITIVE |
    03      | 40    |         | N        | POSITIVE |
    04      | 100   |         | N        | POSITIVE |
    05      | 2     | 30      | Y        | NEGATIVE | POSITIVE
    06      | 10    |         | N        | POSITIVE |
"""
SAMPLES = """
    USUBJID | VISIT            | CPDTC      | CPREFID | CPSTRESN | ARV7
    --------+------------------+------------+---------+----------+-------------
    01      | SCREENING        | 2017-01-01 | A       | 5        | POSITIVE
    01      | CYCLE 3          | 2017-03-01 | B       | 4        | NEGATIVE
    02      | CYCLE 3          | 2017-03-01 | C       | 0        | UNDETERMINED
    04      | CYCLE 3          |            | D       | 50       | POSITIVE
    04      | END OF TREATMENT | 2017-06-01 | E       | 30       | POSITIVE
    05      | RE-SCREENING     | 2017-08-01 | F       | 30       | POSITIVE
    05      | CYCLE 3          | 2017-10-01 | G       | 5        | NEGATIVE
    06      | UNSCHEDULED      | 2017-01-20 | H       | 1        |
    06      | UNSCHEDULED      | 2017-02-20 | I       | 9        |
    06      | CYCLE 1          |            | J       | 0        |
    06      | CYCLE 2          | 2017-01-19 | K       | 0        |
"""
EXPECTED = """
    USUBJID | CTCRESP | CTC0 | CTCF50 | CTCRVIS | MARKNEG | WHY
    --------+---------+------+--------+---------+---------+-------------------------------------
    01      | Y       | N    | N      | Y       | Y       | 5 to 4, a decrease of 20 %
    02      | NE      | Y    | NE     | NE      | NE      | a baseline of 4 can only reach 0
    03      | NE      | NE   | NE     | NE      | NE      | no sample on treatment
    04      | N       | N    | Y      | N       | N       | exactly half, then 70 % down, never < 5
    05      | N       | N    | Y      | N       | Y       | counts from the re-screening; 5 is not < 5
    06      | N       | N    | N      | NE      | NE      | a count before the first dose is none (H, J, K)
"""


@pytest.mark.req("SAP-5.12")
def test_each_subject_has_the_results_of_the_table(patients):
    adsl = patients(SUBJECTS).assign(STUDYID="T", NCYCLES=3.0, TRTSDT=pd.Timestamp("2017-01-20"))
    cp = patients(SAMPLES).assign(CPTESTCD="CTC")
    cp["CPSEQ"] = range(1, len(cp) + 1)
    gf = cp[cp["ARV7"].notna()]
    gf = pd.DataFrame(
        {
            "USUBJID": gf["USUBJID"], "GFSEQ": gf["CPSEQ"], "GFTESTCD": "ARV7",
            "GFSTRESC": gf["ARV7"], "GFREFID": gf["CPREFID"],
        }
    )  # fmt: skip
    course = adctc({"cp": cp, "gf": gf}, adsl, PLAN.ctc, PLAN.biomarker)
    got = ctc_response(adsl, course, PLAN.ctc, "ARV7").pivot_table(
        index="USUBJID", columns="PARAMCD", values="AVALC", aggfunc="first"
    )
    expected = patients(EXPECTED).set_index("USUBJID").drop(columns="WHY")
    assert got[expected.columns].to_dict("index") == expected.to_dict("index")


def test_without_samples_every_treated_subject_is_not_evaluable(patients):
    adsl = patients(SUBJECTS).assign(STUDYID="T", NCYCLES=3.0, TRTSDT=pd.Timestamp("2017-01-20"))
    course = adctc({}, adsl, PLAN.ctc, PLAN.biomarker)
    got = ctc_response(adsl, course, PLAN.ctc, "ARV7")
    assert len(course) == 0
    assert set(got["AVALC"]) == {"NE"}


# First dose 2017-01-20. The percent change of 02: from 3 to 1 is -66.666666667 at 9 decimals.
COUNTS = """
    USUBJID | CPSEQ | CPTESTCD | VISIT            | CPDTC      | CPREFID | CPSTRESN
    --------+-------+----------+------------------+------------+---------+---------
    02      | 9     | CTC      | CYCLE 3          | 2017-03-01 | B9      | 1
    02      | 8     | CTC      | CYCLE 2          | 2017-01-20 | B8      | 6
    02      | 7     | CTC      | UNSCHEDULED      | 2017-01-20 | B7      | 3
    02      | 6     | CTC      |                  | 2017-01-21 |         | 4
    02      | 5     | CTC      | CYCLE 3          | 2017-01-19 | B5      | 2
    01      | 4     | CTC      | CYCLE 3          | 2017-03-01 | A4      | 7
    01      | 3     | CTC      | CYCLE 3          | 2017-03-01 | A3      | 8
    01      | 2     | CTC      | CYCLE 3          | 2017-03-02 | A2      | 9
    01      | 1     | CTC      | CYCLE 1          | 2017-01-25 | A1      | 5
    01      | 10    | CTC      | CYCLE 3          | 2017-02-28 | A5      |
    01      | 11    | OTHER    | CYCLE 3          | 2017-02-27 | A6      | 99
    03      | 12    | CTC      | CYCLE 3          | 2017-03-01 | C1      | 5
    04      | 13    | CTC      | END OF TREATMENT |            | D1      | 5
    04      | 14    | CTC      | UNSCHEDULED      |            | D2      | 5
    05      | 15    | CTC      | CYCLE 2          | 2017-02-10 | E1      | 0
"""


def test_each_count_has_its_baseline_its_case_and_the_ar_v7_of_its_sample(patients):
    """03 was not treated; 04 has a baseline of 0. Of two results of a sample the lower GFSEQ counts."""
    adsl = pd.DataFrame(
        {
            "STUDYID": "T", "USUBJID": ["01", "02", "03", "04", "05"],
            "NCYCLES": [2.0, 2.0, 0.0, 1.0, 1.0],
            "CTCBL": [40.0, 3.0, 9.0, 0.0, 1.0], "RESCCTC": [4.0, 99.0, 9.0, 9.0, None],
            "RESCTRFL": ["Y", "N", "N", "N", "N"], "TRTSDT": pd.to_datetime(["2017-01-20"] * 5),
        }
    )  # fmt: skip
    gf = patients("""
        USUBJID | GFSEQ | GFTESTCD | GFSTRESC     | GFREFID
        --------+-------+----------+--------------+--------
        01      | 5     | ARV7     | POSITIVE     | A4
        01      | 4     | ARV7     | NEGATIVE     | A4
        01      | 3     | ARV7     |              | A4
        01      | 2     | ARFL     | POSITIVE     | A4
        01      | 1     | ARFL     | POSITIVE     | A3
        02      | 6     | ARV7     | UNDETERMINED | B9
        02      | 7     | ARV7     | POSITIVE     |
        01      | 8     | ARV7     | POSITIVE     | B8
    """)
    got = adctc({"cp": patients(COUNTS), "gf": gf}, adsl, PLAN.ctc, PLAN.biomarker)
    assert got.index.tolist() == list(range(12))
    days = got["ADT"].dt.strftime("%F")
    assert set(got["STUDYID"]) == {"T"}
    rows = got.assign(ADT=days).astype(object).drop(columns=["STUDYID", "PARAMCD"])
    assert rows.where(rows.notna(), None).to_numpy().tolist() == [
        # USUBJID, AVISIT, ADT, AVAL, BASE, PCHG, MARKER, ANL01FL, ANL01CAS, CPSEQ, ANL02FL
        ["01", "CYCLE 1", "2017-01-25", 5, 4, 25, None, "", 1, 1, ""],
        ["01", "CYCLE 3", "2017-03-01", 8, 4, 100, None, "Y", 3, 3, "Y"],
        ["01", "CYCLE 3", "2017-03-01", 7, 4, 75, "NEGATIVE", "Y", 3, 4, ""],
        ["01", "CYCLE 3", "2017-03-02", 9, 4, 125, None, "Y", 3, 2, ""],
        ["02", "CYCLE 3", "2017-01-19", 2, 3, -33.333333333, None, "", 2, 5, ""],
        ["02", "UNSCHEDULED", "2017-01-20", 3, 3, 0, None, "", 5, 7, ""],
        ["02", "CYCLE 2", "2017-01-20", 6, 3, 100, None, "Y", 3, 8, ""],
        ["02", "", "2017-01-21", 4, 3, 33.333333333, None, "Y", 4, 6, ""],
        ["02", "CYCLE 3", "2017-03-01", 1, 3, -66.666666667, "UNDETERMINED", "Y", 3, 9, "Y"],
        ["04", "END OF TREATMENT", None, 5, 0, None, None, "Y", 3, 13, ""],
        ["04", "UNSCHEDULED", None, 5, 0, None, None, "", 5, 14, ""],
        ["05", "CYCLE 2", "2017-02-10", 0, 1, -100, None, "Y", 3, 15, ""],
    ]
    assert set(got["PARAMCD"]) == {"CTC"}


LIMITS = """
    USUBJID | CTCBL | MARKBL   | COUNT | ARV7         | FIRST | CTCRESP | CTC0 | CTCRVIS | MARKNEG | CTCF30 | CTCF70
    --------+-------+----------+-------+--------------+-------+---------+------+---------+---------+--------+-------
    01      | 5     | POSITIVE | 4     | NEGATIVE     | Y     | Y 3     | N 4  | Y 3     | Y 3     | N 4    | N 4
    02      | 4     | POSITIVE | 0     | POSITIVE     | Y     | NE 1    | Y 3  | NE 1    | N 4     | NE 1   | NE 1
    03      | 1     | NEGATIVE | 0     | NEGATIVE     |       | NE 1    | Y 3  | NE 1    | NE 1    | NE 1   | NE 1
    04      | 0     | POSITIVE | 0     | UNDETERMINED | Y     | NE 1    | NE 1 | NE 1    | NE 2    | NE 1   | NE 1
    05      | 10    | POSITIVE | 7     |              |       | N 4     | N 4  | NE 2    | NE 2    | Y 3    | N 4
    06      | 10    | POSITIVE | 3     | NEGATIVE     |       | Y 3     | N 4  | NE 2    | Y 3     | Y 3    | Y 3
    07      | 10    | POSITIVE |       |              |       | NE 2    | NE 2 | NE 2    | NE 2    | NE 2   | NE 2
    08      | 10    | POSITIVE | 0     | NEGATIVE     | Y     |         |      |         |         |        |
"""


def test_each_parameter_of_the_counts_has_its_case_at_its_limits(patients):
    """A count of `FIRST` is that of the visit of the plan. 08 was not treated."""
    table = patients(LIMITS)
    adsl = table[["USUBJID", "CTCBL", "MARKBL"]].assign(
        STUDYID="T", RESCCTC=None, RESCMARK=None, RESCTRFL="N",
        NCYCLES=[*[1.0] * 7, 0.0],
    )  # fmt: skip
    counts = table[table["COUNT"].notna()]
    count, base = counts["COUNT"].astype(float), counts["CTCBL"].astype(float)
    course = pd.DataFrame(
        {
            "USUBJID": counts["USUBJID"], "AVAL": count, "MARKER": counts["ARV7"], "ANL01FL": "Y",
            "PCHG": (100 * (count - base) / base).where(base > 0), "ANL02FL": counts["FIRST"].fillna(""),
        }
    )  # fmt: skip
    none = course.assign(AVAL=0.0, ANL01FL="", ANL02FL="", MARKER="NEGATIVE", PCHG=-100.0)
    rows = adsl.iloc[::-1].set_index(pd.Index([4] * 8))
    got = ctc_response(rows, pd.concat([course, none]), PLAN.ctc, "ARV7")
    names = ["CTCRESP", "CTC0", "CTCRVIS", "MARKNEG", "CTCF30", "CTCF50", "CTCF70"]
    # Another parameter, such as the tutorial's, has a case of its own.
    assert got.index.tolist() == list(range(len(got)))
    got = got[got["PARAMCD"].isin(names)]
    assert got["PARAMCD"].tolist() == [name for name in names for _ in range(7)]
    assert set(got["STUDYID"]) == {"T"}
    texts = got.assign(TEXT=got["AVALC"] + " " + got["CASE"].astype(str))
    for name in ("CTCRESP", "CTC0", "CTCRVIS", "MARKNEG", "CTCF30", "CTCF70"):
        found = texts[texts["PARAMCD"] == name].set_index("USUBJID")["TEXT"].to_dict()
        assert found == table[:7].set_index("USUBJID")[name].to_dict(), name


# Rows of the ARD. A result has the case that decided: 1 no suitable baseline, 2 no later value, 3 Y,
# 4 N. 05 was treated through re-screening; 06 was only screened again.
ROWS = """
    USUBJID | PRIMFL | CTCEVFL | RESCFL | RESCTRFL | CTCRESP | CTC0 | CTCRVIS | CTCF50 | MARKNEG | CTC | CTCPCHG
    --------+--------+---------+--------+----------+---------+------+---------+--------+---------+-----+--------
    01      | Y      | Y       | N      | N        | Y 3     | Y 3  | Y 3     | Y 3    | Y 3     | 0   | -100
    02      | Y      | Y       | N      | N        | N 4     | N 4  | NE 2    | Y 3    | NE 1    |     |
    03      | Y      | N       | N      | N        | NE 2    | NE 2 | NE 2    | NE 2   | NE 2    |     |
    04      | Y      | N       | N      | N        | NE 1    | Y 3  | NE 1    | NE 1   | N 4     | 6   | 50
    05      | N      | N       | Y      | Y        | Y 3     | N 4  | Y 3     | N 4    | N 4     | 2   | -60
    06      | N      | N       | Y      | N        |         |      |         |        |         | 9   | 10
"""
NAMES = ("CTCRESP", "CTC0", "CTCRVIS", "CTCF50", "MARKNEG")


@pytest.fixture
def ards(patients):
    """ADSL, ADCTC and ADRS of ROWS; a count at another visit (ANL02FL empty) is in no summary."""
    table = patients(ROWS)
    flags = [name for name in table if name.endswith("FL")]
    adsl = table[["USUBJID", *flags]].assign(NCYCLES=3.0)
    adrs = pd.concat(
        table[["USUBJID"]].assign(
            PARAMCD=name,
            AVALC=table[name].str.partition(" ")[0],
            CASE=table[name].str.partition(" ")[2],
        )[table[name].notna()]
        for name in NAMES
    ).astype({"CASE": int})
    counts = table[table["CTC"].notna()]
    at_visit = pd.DataFrame(
        {
            "USUBJID": counts["USUBJID"], "ANL02FL": "Y", "AVAL": counts["CTC"].astype(float),
            "PCHG": counts["CTCPCHG"].astype(float),
        }
    )  # fmt: skip
    return adsl, pd.concat([at_visit, at_visit.assign(ANL02FL="", AVAL=99.0)]), adrs


def at(rows: pd.DataFrame, **where: str) -> dict[str, float | str]:
    """The statistics at one place of the ARD."""
    for name, value in where.items():
        rows = rows[rows[name] == value]
    assert not rows["stat_name"].duplicated().any()
    return {row.stat_name: row.stat_text or row.stat for row in rows.itertuples()}


def rate_of(n: int, N: int) -> dict[str, float]:  # noqa: N803 - as in the ARD
    """The statistics of a rate, with the exact limits of statsmodels."""
    low, high = proportion_confint(n, N, alpha=0.05, method="beta")
    return {
        "n": n, "N": N, "estimate": n / N, "conf_level": 0.95, "conf_low": low, "conf_high": high,
    }  # fmt: skip


@pytest.mark.worked("ctc_response")
def test_ctc_response_has_the_numbers_worked_by_hand(ards):
    """Of the evaluable 01 and 02, 01 responds; in the primary set 03 and 04 are failures."""
    adsl, _, adrs = ards
    rows = ard.bind(ctc_response_rows(adsl, adrs, PLAN))
    assert at(rows, population="CTCEVAL") == pytest.approx(rate_of(1, 2))
    assert at(rows, population="PRIMARY") == pytest.approx(rate_of(1, 4))


@pytest.mark.worked("ctc_course")
def test_ctc_course_has_the_numbers_worked_by_hand(ards):
    rows = ard.bind(ctc_course(*ards, PLAN))
    expected = {  # responders, evaluable, with a suitable baseline
        "CTC0": (2, 3, 4),
        "CTCRVIS": (1, 1, 3),  # 04 has no suitable baseline
        "CTCF50": (2, 2, 3),
        "MARKNEG": (1, 2, 3),  # 02 was not positive at baseline
    }
    for name, (n, evaluable, suitable) in expected.items():
        where = {"population": "PRIMARY", "paramcd": name}
        assert at(rows, **where, group="evaluable") == pytest.approx(rate_of(n, evaluable)), name
        got = at(rows, **where, group="missing_failure")
        assert got == pytest.approx(rate_of(n, suitable)), name
    where = {"population": "RESCREENED", "paramcd": "CTCRVIS"}
    assert at(rows, **where, group="evaluable") == pytest.approx(rate_of(1, 1))
    none = at(rows, population="PRIMARY", paramcd="CTCF30", group="evaluable")
    assert (none["n"], none["N"], none["estimate"]) == (0, 0, "no patient in this population")
    assert at(rows, population="PRIMARY", paramcd="CTC", level=PLAN.ctc.visit) == pytest.approx(
        {"n": 2, "n_missing": 0, "mean": 3, "sd": 18**0.5, "median": 3, "q1": 0, "q3": 6, "min": 0,
         "max": 6}
    )  # fmt: skip
    assert at(rows, population="PRIMARY", paramcd="CTCPCHG")["mean"] == -25
    assert at(rows, population="RESCREENED", paramcd="CTCPCHG")["mean"] == -60


def test_the_stem_makes_all_of_its_analyses(ards):
    adsl, counts, results = ards
    rows = ard.bind(stem.rows(adsl=adsl, adctc=counts, adrs=results, plan=PLAN))
    assert set(rows["analysis"]) == {
        "ctc_response",
        "ctc_course",
    }
