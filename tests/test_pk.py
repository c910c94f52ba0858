"""Areas and slopes against R's NonCompart, PKNCA's own tests, the planning numbers, and by hand."""

import csv
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sap import ard
from sap.methods.pk import RULES, auc, concentration, dose_normalised, nca, terminal_slope
from sap.plan import project_home, read_plan
from sap.results import pk as pk_results
from sap.results.pk import pk

REFERENCE = Path(__file__).parent / "reference" / "pk_noncompart.csv"


def saved() -> list[dict[str, str]]:
    with REFERENCE.open() as file:
        assert file.readline().startswith("# R version 4.2")
        return list(csv.DictReader(file))


def numbers(text: str) -> list[float]:
    return [float(part) for part in text.split()]


def value(text: str) -> float:
    return float(text) if text else math.nan


@pytest.mark.parametrize(
    "row",
    [r for r in saved() if "zero" not in r["id"]],
    ids=lambda r: f"{r['data']} {r['id']} {r['rule']}",
)
def test_every_parameter_is_that_of_noncompart(row):
    """18 profiles of R's Theoph and Indometh and four made ones, by both rules NonCompart has."""
    time, conc = numbers(row["time"]), numbers(row["conc"])
    found = nca(time, conc, row["rule"])
    for ours, theirs in {
        "cmax": "cmax", "tmax": "tmax", "tlast": "tlast", "auclast": "auclast",
        "auc_infinity": "auc_infinity", "lambda_z": "lambda_z", "adjusted_r_squared": "r2adj",
    }.items():  # fmt: skip
        expected = value(row[theirs])
        assert getattr(found, ours) == pytest.approx(expected, rel=1e-10, nan_ok=True), ours
    assert found.lambda_z_points == int(row["points"])
    for part in "abc":
        start, end = float(row[f"start_{part}"]), float(row[f"end_{part}"])
        area = auc(time, conc, start, end, row["rule"])
        assert area == pytest.approx(value(row[f"auc_{part}"]), rel=1e-10), part


def test_a_zero_inside_and_at_the_end_by_hand():
    """NonCompart leaves the fall to the inner 0 out of its logarithmic AUClast, and is not followed."""
    time, conc = [0, 0.5, 1, 2, 3, 5, 8, 12, 24], [0, 2, 5, 0, 4, 2, 1, 0.4, 0]
    rising = 0.5 + 1.75 + 2.5 + 2
    straight, curved = (
        rising + 6 + 4.5 + 2.8,
        rising + (4 / math.log(2) + 3 / math.log(2) + 4 * 0.6 / math.log(2.5)),
    )
    assert nca(time, conc, "linear").auclast == pytest.approx(straight)
    assert nca(time, conc, "linear-up/log-down").auclast == pytest.approx(curved)
    [theirs] = [r for r in saved() if "zero" in r["id"] and r["rule"] == "linear-up/log-down"]
    assert curved - float(theirs["auclast"]) == pytest.approx(2.5)
    assert auc(time, conc, 12, 24, "linear-up/log-down") == pytest.approx(2.4)


FERRON = [0, 1, 3, 7], [0, 215.3, 15.49, 6.64]


def test_the_planning_numbers_of_a_four_sample_profile():
    """The typical patient of Ferron 2013 seen at 0, 1, 3 and 7 h: the areas the plan quotes."""
    assert auc(*FERRON, 0, 7, "linear-up/log-down") == pytest.approx(301.3, abs=0.05)
    assert auc(*FERRON, 0, 7, "linear") == pytest.approx(382.7, abs=0.05)
    assert auc(*FERRON, 0, 6, "linear-up/log-down") == pytest.approx(293.9, abs=0.05)
    assert concentration(*FERRON, 6, "linear-up/log-down") == pytest.approx(8.20, abs=0.01)
    # rising to the first maximum, falling ever after: the third rule is the second here
    assert auc(*FERRON, 0, 7, "linear-to-tmax-then-log") == auc(*FERRON, 0, 7, "linear-up/log-down")


def test_two_samples_after_the_infusion_give_no_terminal_slope():
    found = nca(*FERRON, "linear-up/log-down")
    assert (found.cmax, found.tmax, found.tlast, found.lambda_z_points) == (215.3, 1, 7, 0)
    for name in ("lambda_z", "half_life", "auc_infinity", "percent_extrapolated"):
        assert math.isnan(getattr(found, name))


def test_pknca_zero_in_the_middle():
    """PKNCA tests/testthat/test-auc.R, "center BLQ": 0 2 0 1 2 1, AUClast with conc.blq = "keep"."""
    time, conc = range(6), [0, 2, 0, 1, 2, 1]
    assert nca(time, conc, "linear").auclast == pytest.approx(1 + 1 + 0.5 + 1.5 + 1.5)
    expected = 1 + 1 + 0.5 + 1.5 + 1 / math.log(2)
    assert nca(time, conc, "linear-up/log-down").auclast == pytest.approx(expected)


def test_pknca_pieces_of_the_third_rule():
    """PKNCA test-auc_integrate.R: 0 0 1 2 0 2 1 0 0 is zero linear linear linear linear log."""
    time, conc = range(1, 10), [0, 0, 1, 2, 0, 2, 1, 0, 0]
    found = nca(time, conc, "linear-to-tmax-then-log")
    assert found.auclast == pytest.approx(0 + 0.5 + 1.5 + 1 + 1 + 1 / math.log(2))


def test_pknca_half_life():
    """PKNCA test-half.life.R: 1 0.5 0.25 0.1251 without the maximum gives 1.000577."""
    slope = terminal_slope([0, 1, 2, 3], [1, 0.5, 0.25, 0.1251])
    assert slope.points == 3
    assert math.log(2) / slope.lambda_z == pytest.approx(1.000577, abs=1e-6)


def test_theophylline_subject_1_by_hand():
    """Linear trapezoids of R's Theoph, subject 1, added up; R's own sum is 148.92305."""
    time = [0, 0.25, 0.57, 1.12, 2.02, 3.82, 5.1, 7.03, 9.05, 12.12, 24.37]
    conc = [0.74, 2.84, 6.57, 10.5, 9.66, 8.58, 8.36, 7.47, 6.89, 5.94, 3.28]
    by_hand = sum(
        (time[i + 1] - time[i]) * (conc[i] + conc[i + 1]) / 2 for i in range(len(time) - 1)
    )
    assert nca(time, conc, "linear").auclast == pytest.approx(by_hand)
    assert nca(time, conc, "linear").auclast == pytest.approx(148.92305, abs=5e-9)


def test_a_second_rise_is_straight_under_one_rule_and_logarithmic_under_the_other():
    """0 4 1 2 at 0 1 2 3: 2 + 3/ln 4 + 1.5 against 2 + 3/ln 4 + 1/ln 2."""
    time, conc = [0, 1, 2, 3], [0, 4, 1, 2]
    fall = 2 + 3 / math.log(4)
    assert auc(time, conc, 0, 3, "linear-up/log-down") == pytest.approx(fall + 1.5)
    assert auc(time, conc, 0, 3, "linear-to-tmax-then-log") == pytest.approx(fall + 1 / math.log(2))
    assert auc(time, conc, 0, 3, "linear") == pytest.approx(2 + 2.5 + 1.5)


def test_a_logarithmic_piece_that_hardly_falls_keeps_its_digits():
    """For b = a(1 - e) the area is a(1 - e/2 + ...): the naive quotient loses half of the digits."""
    area = auc([0, 1], [1.0, 1 - 1e-12], 0, 1, "linear-up/log-down")
    assert area == pytest.approx(1 - 5e-13, rel=1e-15)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    st.lists(st.floats(0, 300).map(lambda c: c if c > 0.01 else 0.0), min_size=2, max_size=9),
    st.sampled_from(RULES),
    st.floats(0.01, 0.98),
    st.floats(0.01, 0.98),
)
def test_areas_add_up_wherever_they_are_cut(conc, rule, first, second):
    """The area to a cut and from it is the whole, also inside a piece: area and interpolation agree."""
    time = [0.7 * i + 0.1 * i * i for i in range(len(conc))]
    whole = auc(time, conc, 0, time[-1], rule)
    cut = first * time[-1]
    parts = auc(time, conc, 0, cut, rule) + auc(time, conc, cut, time[-1], rule)
    assert parts == pytest.approx(whole, rel=1e-9, abs=1e-12)
    assert auc(time, conc, 0, second * time[-1], rule) <= whole * (1 + 1e-12) + 1e-12


@settings(derandomize=True, deadline=None, max_examples=100)
@given(
    st.lists(st.floats(0.1, 300), min_size=3, max_size=9),
    st.floats(0.1, 50),
    st.sampled_from(RULES),
)
def test_areas_scale_with_the_concentration_and_slopes_do_not(conc, factor, rule):
    time = np.arange(len(conc)) * 1.3
    one, more = nca(time, conc, rule), nca(time, np.array(conc) * factor, rule)
    assert more.auclast == pytest.approx(factor * one.auclast, rel=1e-9)
    assert more.cmax == pytest.approx(factor * one.cmax)
    assert auc(time, conc, 0, time[-1], "linear") >= one.auclast - 1e-9


@pytest.mark.parametrize("rule", RULES)
def test_an_exact_exponential_is_recovered(rule):
    """Decay at rate 0.3 from 1 h on: slope, half-life, area and infinity in closed form."""
    time = np.array([0, 1, 2, 3.5, 6, 9, 14])
    conc = np.where(time == 0, 0.0, 20 * np.exp(-0.3 * (time - 1)))
    found = nca(time, conc, rule)
    assert found.lambda_z == pytest.approx(0.3)
    assert found.half_life == pytest.approx(math.log(2) / 0.3)
    assert (found.lambda_z_points, found.adjusted_r_squared) == (5, pytest.approx(1))
    if rule != "linear":
        assert found.auc_infinity == pytest.approx(10 + 20 / 0.3)
        assert found.percent_extrapolated == pytest.approx(
            100 * (20 / 0.3) * math.exp(-0.3 * 13) / (10 + 20 / 0.3)
        )


def test_missing_concentrations_are_no_samples():
    with_gap = nca([0, 1, 2, 3, 7], [0, 215.3, math.nan, 15.49, 6.64], "linear-up/log-down")
    assert with_gap[:5] == nca(*FERRON, "linear-up/log-down")[:5]


def test_profiles_that_do_not_allow_a_result():
    empty = nca([], [], "linear")
    assert all(math.isnan(part) for part in empty[:7])
    assert empty.lambda_z_points == 0
    one = nca([1.0], [5.0], "linear")
    assert (one.cmax, one.tmax, one.clast, one.tlast) == (5, 1, 5, 1)
    assert math.isnan(one.auclast)
    zero = nca([0, 1, 2], [0, 0, 0], "linear-up/log-down")
    assert (zero.cmax, zero.tmax, zero.auclast) == (0, 0, 0)
    assert math.isnan(zero.tlast)
    assert nca([0, 1], [4, 0], "linear").auclast == 0
    assert math.isnan(auc([0, 1, 2], [1, 2, 1], -1, 2, "linear"))
    assert math.isnan(auc([0, 1, 2], [1, 2, 1], 0, 2.001, "linear"))
    assert math.isnan(auc([1], [1], 1, 2, "linear"))
    assert math.isnan(concentration([0, 1], [1, 2], 1.5, "linear"))
    assert math.isnan(concentration([], [], 1.5, "linear"))
    assert concentration([0, 1, 3], [1, 2, 0], 3, "linear-up/log-down") == 0


@pytest.mark.parametrize(
    "call, name",
    [
        (lambda: auc([0, 1], [1, 2], 1, 1, "linear"), "end"),
        (lambda: auc([0, 1], [1, 2], 0, 1, "log"), "rule"),
        (lambda: auc([0, 0], [1, 2], 0, 1, "linear"), "time"),
        (lambda: auc([1, 0], [1, 2], 0, 1, "linear"), "time"),
        (lambda: auc([0, math.nan], [1, 2], 0, 1, "linear"), "time"),
        (lambda: auc([0, 1, 2], [1, 2], 0, 1, "linear"), "time and conc"),
        (lambda: nca([0, 1], [1, -2], "linear"), "conc"),
        (lambda: nca([0, 1], [1, math.inf], "linear"), "conc"),
        (lambda: dose_normalised(1, 0, 25), "dose"),
        (lambda: dose_normalised(1, 25, 0), "reference_dose"),
    ],
)
def test_impossible_input_is_refused_by_name(call, name):
    with pytest.raises(ValueError, match=name):
        call()


# ---- results worked by hand ------------------------------------------------------------------

# 01 has a second infusion, which is not described; 04 is not in the set.
PARAMETERS = """
    USUBJID | ADTDTC     | DOSE | AVAL
    --------+------------+------+-----
    01      | 2018-03-10 | 25   | 100
    01      | 2018-06-10 | 25   | 999
    02      | 2018-03-10 | 20   | 400
    03      | 2018-03-10 | 25   |
    04      | 2018-03-10 | 20   | 777
"""
PLANNED = """
    USUBJID | ATPTN | AVAL | ANL01FL | ANL01CAS | BLQFL | DEVFL
    --------+-------+------+---------+----------+-------+------
    01      | 0     | 0    | Y       | 5        | Y     |
    01      | 1     | 100  | Y       | 7        |       |
    02      | 1     | 400  | Y       | 7        |       | Y
    03      | 1     |      |         | 1        |       |
    03      | 1     |      |         | 6        | Y     |
    04      | 1     | 777  | Y       | 7        |       |
"""


@pytest.mark.req("SAP-5.10")
@pytest.mark.worked("pk")
def test_concentrations_and_samples_have_the_numbers_worked_by_hand(patients):
    """100 and 400: mean 250, SD 150 sqrt 2, geometric mean 200; the logs differ by ln 4, so their variance
    is (ln 4)^2 / 2 and the geometric CV sqrt(exp(0.960906) - 1) = 1.270457."""
    rows = patients(PARAMETERS)
    adpp = rows.assign(ADT=pd.to_datetime(rows["ADTDTC"]), PARAMCD="CMAX").astype({"AVAL": float})
    adpc = patients(PLANNED).astype({"AVAL": float})
    adsl = pd.DataFrame({"USUBJID": ["01", "02", "03", "04"], "PKEVFL": ["Y", "Y", "Y", "N"]})
    plan = read_plan(project_home() / "analysis" / "plan.yml").plan
    found = ard.bind(pk(adsl, adpc, adpp, plan))

    def values(**where: str) -> dict[str, float | str]:
        chosen = found
        for name, value in ({"group": "", "level": "", "sublevel": ""} | where).items():
            chosen = chosen[chosen[name] == value]
        return {r.stat_name: r.stat_text or r.stat for r in chosen.itertuples()}

    two = {
        "mean": 250, "sd": 150 * 2**0.5, "median": 250, "q1": 100, "q3": 400, "min": 100, "max": 400,
        "geometric_mean": 200, "geometric_cv": 1.270457,
    }  # fmt: skip
    assert values(paramcd="CMAX") == pytest.approx({"N": 3, "n": 2, "n_missing": 1, **two})
    one = values(paramcd="CMAX", group="dose_25")
    assert (one["N"], one["n"], one["n_missing"], one["mean"]) == (2, 1, 1, 100)
    assert one["sd"] == one["geometric_cv"] == "one value only"
    assert values(paramcd="CMAX", group="dose_20")["median"] == 400
    assert set(found["group"]) == {"", "dose_20", "dose_25"}
    at_1 = {"N": 4, "n": 2, "n_missing": 0, **two}
    assert values(paramcd="CONC", level="hour_1") == pytest.approx(at_1)
    before = values(paramcd="CONC", level="hour_0")
    assert (before["n"], before["mean"]) == (1, 0)
    assert before["geometric_mean"] == "a value of 0 has no logarithm"
    counts = {
        "hour_0": {"analysed": 1, "below_quantification": 1, "outside_window": 0, "excluded": 0,
                   "not_collected": 0},
        "hour_1": {"analysed": 2, "below_quantification": 1, "outside_window": 1, "excluded": 1,
                   "not_collected": 1},
    }  # fmt: skip
    for level, total in (("hour_0", 1), ("hour_1", 4)):
        for sublevel, n in counts[level].items():
            expected = {"n": n, "N": total, "estimate": n / total}
            assert values(paramcd="SAMPLE", level=level, sublevel=sublevel) == expected
    made = pk_results.rows(adsl=adsl, adpc=adpc, adpp=adpp, plan=plan)
    pd.testing.assert_frame_equal(ard.bind(made), found)
    absent = pk_results.rows(adsl=adsl, adpc=adpc.iloc[:0], adpp=adpp.iloc[:0], plan=plan)
    rows = ard.bind(absent)
    reason = "not in the data: no plasma concentrations"
    mine = rows[rows["paramcd"] == "AUC07"]
    assert dict(zip(mine["stat_name"], mine["stat_text"], strict=True)) == dict.fromkeys(
        ("N", "n", *two), reason
    )
    assert set(rows["level"]) == {"", "planned"}
    assert values(paramcd="", level="planned") == {
        "end_of_infusion_h": 1, "primary_h": 7, "secondary_h": 6, "deviation_minutes": 5,
        "carry_on_minutes": 15, "reference_dose": 25,
    }  # fmt: skip


@pytest.mark.parametrize(
    "values, mean, cv",
    [
        ([0.0, 100.0], "a value of 0 has no logarithm", "a value of 0 has no logarithm"),
        # 1/2 and 2: the logs are -ln 2 and ln 2, their variance 2 (ln 2)^2
        ([0.5, 2.0], 1.0, (math.exp(2 * math.log(2) ** 2) - 1) ** 0.5),
        ([0.5, None], 0.5, "one value only"),
        ([None], "no value", "no value"),
    ],
)
def test_the_geometric_mean_by_hand(values, mean, cv):
    got = pk_results.geometric(pd.Series(values, dtype=float))
    plain = [v.reason if isinstance(v, ard.NotEstimable) else v for v in got.values()]
    assert list(got) == ["geometric_mean", "geometric_cv"]
    assert plain == [pytest.approx(v) if isinstance(v, float) else v for v in (mean, cv)]
