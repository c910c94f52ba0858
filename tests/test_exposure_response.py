"""Exposure against response: which patients, which method, and what is said when nothing can be."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr
from scipy.stats.contingency import odds_ratio

from sap import ard
from sap.plan import read_plan
from sap.results import exposure_response as results
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


def tables(patients, text: str = SUBJECTS) -> dict[str, pd.DataFrame]:
    """ADaM datasets of the patients of a table, each with one infusion and one change of each kind."""
    subjects = patients(text)
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
    return {"adsl": adsl, "adpp": adpp, "adrs": adrs, "adctc": adctc, "adlb": adlb}


def rows(patients, text: str = SUBJECTS) -> pd.DataFrame:
    return ard.bind(results.rows(**tables(patients, text), plan=PLAN))


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
    got = {(r.paramcd, r.stat_name): r.stat_text or r.stat for r in ard.bind(found).itertuples()}
    reason = "not in the data: no plasma concentrations"
    assert got == {
        (paramcd, name): value
        for paramcd in ("AUC07", "C7H")
        for name, value in (("n", reason), ("estimate", reason), ("anc_grade", 3))
    }


def values(frame: pd.DataFrame, level: str, sublevel: str) -> dict[str, float | str]:
    chosen = frame[
        (frame["paramcd"] == "AUC07") & (frame["level"] == level) & (frame["sublevel"] == sublevel)
    ]
    return {r.stat_name: r.stat_text or r.stat for r in chosen.itertuples()}


# Two exposures, one twice doubled: 1 of 4 respond at 100, 3 of 4 at 400.
HALVES = """
    USUBJID | AUC07 | PSABEST | PSARESP | CTCRESP | ANC
    --------+-------+---------+---------+---------+----
    01      | 100   | 1       | Y       | N       | 2
    02      | 100   | 2       | N       | N       | 2
    03      | 100   | 3       | N       | N       | 2
    04      | 100   | 4       | N       | N       | 2
    05      | 400   | 5       | Y       | N       | 2
    06      | 400   | 6       | Y       | N       | 2
    07      | 400   | 7       | Y       | N       | 2
    08      | 400   | 8       | N       | N       | 2
"""


@pytest.mark.req("SAP-5.10.1")
@pytest.mark.worked("exposure_response")
def test_the_odds_ratios_of_two_exposures_are_those_of_the_table(patients):
    """Odds 3 against 1/3: 9 for two doublings, 3 for one; SE of log 9 is the root of 1 + 1/3 + 1/3 + 1.

    Above the median of 250 the exact odds ratio is that of the same table, p twice (16 + 1) / 70.
    """
    frame = rows(patients, HALVES)
    z, error = 1.959963984540054, (8 / 3) ** 0.5
    limits = [math.exp((math.log(9) + side * z * error) / 2) for side in (-1, 1)]
    assert values(frame, "PSARESP", "per_doubling") == pytest.approx(
        {"n": 8, "n_events": 4, "conf_level": 0.95, "estimate": 3, "conf_low": limits[0],
         "conf_high": limits[1], "p_value": 2 * float(ndtr(-math.log(9) / error))}
    )  # fmt: skip
    exact = odds_ratio([[3, 1], [1, 3]], kind="conditional")
    low, high = exact.confidence_interval(0.95)
    assert values(frame, "PSARESP", "above_median") == pytest.approx(
        {"n": 8, "n_events": 4, "conf_level": 0.95, "estimate": exact.statistic, "conf_low": low,
         "conf_high": high, "p_value": 34 / 70},
        rel=1e-5,
    )  # fmt: skip
    # no patient has the CTC response, and all have the same grade
    alike = "all patients have the same response, or the same exposure"
    for sublevel in ("per_doubling", "above_median"):
        assert values(frame, "CTCRESP", sublevel) == {
            "n": 8, "n_events": 0, "conf_level": 0.95,
            **dict.fromkeys(("estimate", "conf_low", "conf_high", "p_value"), alike),
        }  # fmt: skip
    few = "fewer than three patients with both, or all alike"
    assert values(frame, "neutrophil_grade", "rank_correlation") == {
        "n": 8, "conf_level": 0.95,
        **dict.fromkeys(("estimate", "conf_low", "conf_high", "p_value"), few),
    }  # fmt: skip


def few(exposures: str, responses: str) -> str:
    """A table of the patients 01, 02, ... with these exposures and PSA responses."""
    lines = [
        f"{n:02d} | {x} | {n} | {y} | N | 2"
        for n, (x, y) in enumerate(zip(exposures.split(), responses.split(), strict=True), 1)
    ]
    return "\n".join([*SUBJECTS.strip().splitlines()[:2], *lines])


@pytest.mark.parametrize(
    "exposures, responses, per_doubling, above_median",
    [
        ("100 200", "N Y", False, False),  # two patients are too few
        ("100 200 400", "N Y N", True, True),  # three are not
        ("100 100 100 100", "N Y N Y", False, False),  # one exposure
        ("0 100 200 400", "Y N Y N", False, True),  # 0 has no logarithm, but a rank
        ("0.5 1 2 4", "N Y Y N", True, True),  # an exposure below 1 has one
    ],
)
def test_what_is_too_few_or_too_much_alike_is_not_estimated(
    patients, exposures, responses, per_doubling, above_median
):
    frame = rows(patients, few(exposures, responses))
    for sublevel, is_number in (("per_doubling", per_doubling), ("above_median", above_median)):
        got = values(frame, "PSARESP", sublevel)
        assert (got["n"], got["n_events"]) == (len(responses.split()), responses.count("Y"))
        assert isinstance(got["p_value"], float) == is_number, sublevel
        assert is_number or got["estimate"].startswith("all patients have the same response")
    rank = values(frame, "PSABEST", "rank_correlation")
    expected = "fewer than three patients with both, or all alike"
    assert (rank["estimate"] == expected) == (exposures in ("100 200", "100 100 100 100"))


def test_a_fit_that_does_not_converge_is_named(patients, monkeypatch):
    def fails(*_: object) -> None:
        raise np.linalg.LinAlgError

    monkeypatch.setattr(results, "logistic", fails)
    got = values(rows(patients, HALVES), "PSARESP", "per_doubling")
    assert got == {
        "n": 8, "n_events": 4, "conf_level": 0.95,
        **dict.fromkeys(("estimate", "conf_low", "conf_high", "p_value"), "the fit did not converge"),
    }  # fmt: skip


def test_the_first_infusion_of_a_patient_of_the_set_and_the_best_counted_change_are_taken(patients):
    """A later infusion, a patient outside of the set, a count that is not analysed change nothing."""
    given = tables(patients)
    expected = ard.bind(results.rows(**given, plan=PLAN))
    later = given["adpp"].assign(ADT=pd.Timestamp("2018-02-01"), AVAL=1000 - given["adpp"]["AVAL"])
    outside = given["adpp"].iloc[[0]].assign(USUBJID="99", AVAL=5000.0)
    more = {
        "adpp": pd.concat([later, outside, given["adpp"]], ignore_index=True),
        "adrs": pd.concat(
            [given["adrs"], pd.DataFrame({"USUBJID": ["99"], "PARAMCD": "PSABEST", "AVAL": -90.0})]
        ),
        # a milder change that counts, and a better one that does not
        "adctc": pd.concat(
            [
                given["adctc"].assign(PCHG=given["adctc"]["PCHG"].rank() * 7 + 50),
                given["adctc"],
                given["adctc"].assign(ANL01FL="", PCHG=-100.0),
            ]
        ),
    }
    frame = ard.bind(results.rows(**given | more, plan=PLAN))
    pd.testing.assert_frame_equal(frame, expected)
    best = {"level": "CTCBEST", "sublevel": "rank_correlation", "stat_name": "estimate"}
    assert stat(frame, **best) == pytest.approx(60 / 336 - 1)
