"""CTC and AR-V7 on treatment, patient by patient; expected answers are written by hand."""

from pathlib import Path

import pandas as pd
import pytest

from sap.derivations.ctc import adctc, ctc_response
from sap.plan import read_plan

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
ANSWERS = """
    USUBJID | CTCRESP | CTC0 | CTCF50 | CTCRVIS | ARV7NEG | WHY
    --------+---------+------+--------+---------+---------+-------------------------------------
    01      | Y       | N    | N      | Y       | Y       | 5 to 4, a fall of 20 %
    02      | NE      | Y    | NE     | NE      | NE      | a baseline of 4 can only reach 0
    03      | NE      | NE   | NE     | NE      | NE      | no sample on treatment
    04      | N       | N    | Y      | N       | N       | exactly half, then 70 % down, never < 5
    05      | N       | N    | Y      | N       | Y       | counts from the re-screening; 5 is not < 5
    06      | N       | N    | N      | NE      | NE      | a count before the first dose is none (H, J, K)
"""


@pytest.mark.req("SAP-5.12")
def test_each_subject_has_the_answers_written_beside_him(patients):
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
    expected = patients(ANSWERS).set_index("USUBJID").drop(columns="WHY")
    assert got[expected.columns].to_dict("index") == expected.to_dict("index")


def test_without_samples_every_treated_subject_is_not_evaluable(patients):
    adsl = patients(SUBJECTS).assign(STUDYID="T", NCYCLES=3.0, TRTSDT=pd.Timestamp("2017-01-20"))
    course = adctc({}, adsl, PLAN.ctc)
    got = ctc_response(adsl, course, PLAN.ctc)
    assert len(course) == 0
    assert set(got["AVALC"]) == {"NE"}
