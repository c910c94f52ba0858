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
    USUBJID | CTCBL | RESCCTC | RESCTRFL | ARV7BL   | RESCARV7
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
    USUBJID | CTCRESP | CTC0 | CTCF50 | CTCRVIS | ARV7NEG | WHY
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
    course = adctc({"cp": cp, "gf": gf}, adsl, PLAN.ctc)
    got = ctc_response(adsl, course, PLAN.ctc).pivot_table(
        index="USUBJID", columns="PARAMCD", values="AVALC", aggfunc="first"
    )
    expected = patients(EXPECTED).set_index("USUBJID").drop(columns="WHY")
    assert got[expected.columns].to_dict("index") == expected.to_dict("index")


def test_without_samples_every_treated_subject_is_not_evaluable(patients):
    adsl = patients(SUBJECTS).assign(STUDYID="T", NCYCLES=3.0, TRTSDT=pd.Timestamp("2017-01-20"))
    course = adctc({}, adsl, PLAN.ctc)
    got = ctc_response(adsl, course, PLAN.ctc)
    assert len(course) == 0
    assert set(got["AVALC"]) == {"NE"}


# Rows of the ARD. A result has the case that decided: 1 no suitable baseline, 2 no later value, 3 Y,
# 4 N. 05 was treated through re-screening; 06 was only screened again.
ROWS = """
    USUBJID | PRIMFL | CTCEVFL | RESCFL | RESCTRFL | CTCRESP | CTC0 | CTCRVIS | CTCF50 | ARV7NEG | CTC | CTCPCHG
    --------+--------+---------+--------+----------+---------+------+---------+--------+---------+-----+--------
    01      | Y      | Y       | N      | N        | Y 3     | Y 3  | Y 3     | Y 3    | Y 3     | 0   | -100
    02      | Y      | Y       | N      | N        | N 4     | N 4  | NE 2    | Y 3    | NE 1    |     |
    03      | Y      | N       | N      | N        | NE 2    | NE 2 | NE 2    | NE 2   | NE 2    |     |
    04      | Y      | N       | N      | N        | NE 1    | Y 3  | NE 1    | NE 1   | N 4     | 6   | 50
    05      | N      | N       | Y      | Y        | Y 3     | N 4  | Y 3     | N 4    | N 4     | 2   | -60
    06      | N      | N       | Y      | N        |         |      |         |        |         | 9   | 10
"""
NAMES = ("CTCRESP", "CTC0", "CTCRVIS", "CTCF50", "ARV7NEG")


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
        "ARV7NEG": (1, 2, 3),  # 02 was not positive at baseline
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
