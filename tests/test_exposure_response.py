"""Exposure against response: which patients, which method, and what is said when nothing can be."""

import math
from pathlib import Path

import pandas as pd
import pytest

from sap import ard
from sap.plan import read_plan
from sap.results.exposure_response import exposure_response

PLAN = read_plan(Path(__file__).parents[1] / "analysis" / "plan.yml").plan

# Ranks of AUC07 1 to 7 against PSABEST as in the doctest of `spearman`, which R's cor.test confirms.
SUBJECTS = """
    USUBJID | AUC07 | PSABEST | PSARESP | CTCRESP | ANC
    --------+-------+---------+---------+---------+-------
    01      | 100   | 2       | N       | N       | 0
    02      | 200   | 1       | N       | Y       | 1
    03      | 300   | 4       | N       | N       | 2
    04      | 400   | 3       | N       | N       | 3
    05      | 500   | 7       | Y       | NE      | 3
    06      | 600   | 5       | Y       | Y       | 4
    07      | 700   | 6       | Y       | N       | 4
    08      |       | 8       | Y       | Y       | 4
"""


def rows(patients) -> pd.DataFrame:
    subjects = patients(SUBJECTS)
    who = subjects["USUBJID"]
    adsl = pd.DataFrame({"USUBJID": who, "PKEVFL": "Y"})
    adpp = pd.concat(
        pd.DataFrame({"USUBJID": who, "ADT": pd.Timestamp("2018-01-01"), "PARAMCD": name,
                      "AVAL": subjects["AUC07"]})
        for name in ("AUC07", "C7H")
    )  # fmt: skip
    adrs = pd.concat(
        [
            pd.DataFrame({"USUBJID": who, "PARAMCD": "PSABEST", "AVAL": subjects["PSABEST"]}),
            *(
                pd.DataFrame({"USUBJID": who, "PARAMCD": name, "AVALC": subjects[name]})
                for name in ("PSARESP", "CTCRESP")
            ),
        ]
    )
    adctc = pd.DataFrame({"USUBJID": who, "ANL01FL": "Y", "PCHG": -subjects["PSABEST"]})
    adlb = pd.DataFrame(
        {"USUBJID": who, "PARAMCD": "NEUT", "ATOXDIR": "L", "ANL01FL": "Y", "ONTRTFL": "Y",
         "ATOXGR": subjects["ANC"].map("{:.0f}".format)}
    )  # fmt: skip
    return ard.bind(exposure_response(adsl, adpp, adrs, adctc, adlb, PLAN))


def stat(found: pd.DataFrame, **where: str) -> float | str:
    for name, value in ({"paramcd": "AUC07"} | where).items():
        found = found[found[name] == value]
    assert len(found) == 1, where
    return found["stat_text"].iloc[0] or float(found["stat"].iloc[0])


@pytest.mark.req("SAP-5.10.1")
@pytest.mark.worked("exposure_response")
def test_the_rank_correlation_is_that_of_the_subjects_with_both(patients):
    """By hand: squared rank differences of 2 1 4 3 7 5 6 sum to 10; 1 - 6 x 10/(7 x 48) = 0.82143."""
    found = rows(patients)
    of = {"level": "PSABEST", "sublevel": "rank_correlation"}
    assert stat(found, stat_name="n", **of) == 7
    assert stat(found, stat_name="estimate", **of) == pytest.approx(1 - 60 / 336)
    of["level"] = "CTCBEST"
    assert stat(found, stat_name="estimate", **of) == pytest.approx(60 / 336 - 1)
    # grades 0 1 2 3 3 4 4 have ranks 1 2 3 4.5 4.5 6.5 6.5; sums of squares 28 and 27, of products 27:
    # 27 / sqrt(28 x 27) = 0.98198
    of["level"] = "neutrophil_grade"
    assert stat(found, stat_name="n", **of) == 7
    assert stat(found, stat_name="estimate", **of) == pytest.approx(27 / (28 * 27) ** 0.5)
    # Bonett and Wright: tanh(atanh(r) -+ 1.96 sqrt((1 + r^2 / 2) / (n - 3)))
    r = 1 - 60 / 336
    reach = 1.959963984540054 * ((1 + r**2 / 2) / 4) ** 0.5
    limits = [math.tanh(math.atanh(r) + side * reach) for side in (-1, 1)]
    of["level"] = "PSABEST"
    assert [stat(found, stat_name=s, **of) for s in ("conf_low", "conf_high")] == pytest.approx(
        limits
    )


def test_a_separated_response_is_fitted_with_a_penalty_and_says_so(patients):
    """PSARESP is Y exactly above 400: no finite maximum exists; the halves give no finite limit."""
    found = rows(patients)
    separated = {"level": "PSARESP", "sublevel": "per_doubling", "stat_name": "estimate"}
    here = found[(found["level"] == "PSARESP") & (found["sublevel"] == "per_doubling")]
    assert here["method"].str.contains("Firth").all()
    assert 1 < stat(found, **separated) < float("inf")
    halves = {"level": "PSARESP", "sublevel": "above_median"}
    assert stat(found, stat_name="conf_high", **halves) == "no finite limit"
    # Fisher: 3 of 3 above the median of 400 and 0 of 4 below; 1/35 in each tail at most, doubled
    assert stat(found, stat_name="p_value", **halves) == pytest.approx(2 / 35)
    mixed = found[(found["level"] == "CTCRESP") & (found["sublevel"] == "per_doubling")]
    assert not mixed["method"].str.contains("Firth").any()
    assert stat(found, stat_name="n", level="CTCRESP", sublevel="per_doubling") == 6


def test_the_grade_of_the_plan_splits_the_neutrophils(patients):
    found = rows(patients)
    of = {"level": "neutrophil_grade_reached", "sublevel": "above_median"}
    assert stat(found, stat_name="n_events", **of) == 4
    # above the median of 400: 3 of 3; at or below: 1 of 4. Fisher, one tail 4 / 35, doubled
    assert stat(found, stat_name="p_value", **of) == pytest.approx(8 / 35)


def test_without_concentrations_nothing_is_related(patients):
    empty = pd.DataFrame(columns=["USUBJID", "ADT", "PARAMCD", "AVAL"])
    found = exposure_response(pd.DataFrame({"USUBJID": []}), empty, empty, empty, empty, PLAN)
    assert ard.bind(found)["stat_text"].str.startswith("not in the data").sum() == 4
