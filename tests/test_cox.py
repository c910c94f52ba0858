"""Cox regression with Efron's ties and with Firth's penalty, and the test of proportionality.

Saved results of R's coxph, cox.zph and coxphf: tests/reference/survival_{cox,zph,firth}.csv, written
by survival_reference.R.
"""

import csv
import math
import subprocess
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize_scalar

from sap.methods.survival import (
    cox,
    cox_efron,
    cox_firth,
    logrank,
    proportional_hazards_test,
)

REFERENCE = Path(__file__).parent / "reference"
TEST_1 = ([1, 1, 6, 6, 8, 9], [1, 0, 1, 1, 0, 1], [1, 1, 1, 0, 0, 0])
TEST_2 = (
    [2, 3, 6, 7, 8, 9, 9, 9, 14, 17],
    [1, 1, 1, 1, 1, 1, 1, 0, 0, 0],
    [1, 0, 0, 1, 0, 1, 1, 1, 0, 0],
)
TEST_2_ENTRY = [1, 2, 5, 2, 1, 7, 3, 4, 8, 8]


def read(name, *keys, family=None):
    groups = defaultdict(list)
    with (REFERENCE / f"survival_{name}.csv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            if family is None or row["family"] == family:
                groups[tuple(row[key] for key in keys)].append(row)
    return groups


def column(rows, name):
    return np.array([float(row[name]) for row in rows])


def data(rows):
    names = ["x1"] if rows[0]["x2"] == "NA" else ["x1", "x2"]
    x = np.column_stack([column(rows, name) for name in names])
    return column(rows, "time"), column(rows, "event"), x, column(rows, "entry")


CASES = read("cases", "case", family="cox")
MONOTONE = read("cases", "case", family="firth")
COX = read("cox", "case")
ZPH = read("zph", "case", "transform")
FIRTH = read("firth", "case")


# --- by hand -----------------------------------------------------------------------------------


def test_therneau_validate_vignette_test_data_1_efron():
    """The positive root of -r^3 + 23 r + 30 = 0; log-likelihood and information written out there."""
    fit = cox_efron(*TEST_1, conf_level=0.95)
    root = 2 * math.sqrt(23 / 3) * math.cos(math.acos((45 / 23) * math.sqrt(3 / 23)) / 3)
    assert fit.coef[0] == pytest.approx(math.log(root), rel=1e-10)
    assert fit.hazard_ratio[0] == pytest.approx(5.348721, abs=5e-7)
    # The vignette prints -3.358979 for its own formula, which gives -3.358975 (as R's coxph does).
    terms = math.log(3 * root + 3) + math.log(root + 3) + math.log(root / 2 + 5 / 2)
    assert fit.log_likelihood == pytest.approx(2 * math.log(root) - terms, rel=1e-12)
    assert 1 / fit.standard_error[0] ** 2 == pytest.approx(0.612632, abs=5e-7)
    assert (fit.n, fit.n_events, fit.convergence) == (6, 4, True)


def test_therneau_validate_vignette_test_data_2_delayed_entry_efron():
    """At risk as in the vignette's table; at 9 two of the three with x = 1 die: 3r + 2, then 2r + 2."""

    def score(r):
        means = [r / (r + 1), r / (r + 2), 3 * r / (3 * r + 2), 3 * r / (3 * r + 1)]
        means += [3 * r / (3 * r + 1), 3 * r / (3 * r + 2), 2 * r / (2 * r + 2)]
        return 4 - sum(means)

    fit = cox_efron(*TEST_2, conf_level=0.95, entry=TEST_2_ENTRY)
    assert fit.hazard_ratio[0] == pytest.approx(brentq(score, 0.1, 10, xtol=1e-14), rel=1e-9)


def test_firth_of_three_patients_by_maximising_its_penalised_likelihood():
    """x = 1, 1, 0, all die: l = 2b - log(2r + 1) - log(r + 1), information 2r/(2r+1)^2 + r/(r+1)^2."""

    def penalised(b):
        r = math.exp(b)
        information = 2 * r / (2 * r + 1) ** 2 + r / (r + 1) ** 2
        return 2 * b - math.log(2 * r + 1) - math.log(r + 1) + math.log(information) / 2

    best = minimize_scalar(lambda b: -penalised(b), bounds=(-3, 5), options={"xatol": 1e-12})
    fit = cox_firth([1, 2, 3], [1, 1, 1], [1, 1, 0], conf_level=0.95)
    assert fit.coef[0] == pytest.approx(best.x, abs=1e-6)
    assert fit.log_likelihood == pytest.approx(penalised(best.x), abs=1e-12)
    drop = 3.841458820694124 / 2  # chi-square table, 1 df, 0.95
    for limit in (fit.conf_low[0], fit.conf_high[0]):
        assert penalised(math.log(limit)) == pytest.approx(penalised(best.x) - drop, abs=1e-9)


# --- R, saved ------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", [case for (case,) in COX])
def test_efron_as_r_coxph(case):
    time, event, x, entry = data(CASES[case,])
    fit, rows = cox_efron(time, event, x, 0.95, entry), COX[case,]
    for mine, name in (
        (fit.coef, "coef"),
        (fit.standard_error, "standard_error"),
        (fit.p_value, "p_value"),
        (fit.conf_low, "low"),
        (fit.conf_high, "high"),
    ):
        assert mine == pytest.approx(column(rows, name), rel=1e-8, abs=1e-10), name
    assert fit.log_likelihood == pytest.approx(float(rows[0]["log_likelihood"]), rel=1e-11)
    assert fit.convergence


@pytest.mark.parametrize("case, transform", ZPH)
def test_proportional_hazards_as_r_cox_zph(case, transform):
    time, event, x, entry = data(CASES[case,])
    mine = proportional_hazards_test(time, event, x, transform, entry)
    rows = ZPH[case, transform]
    statistic, p_value = column(rows, "statistic"), column(rows, "p_value")
    assert mine.statistic == pytest.approx(statistic[:-1], rel=1e-7, abs=1e-10)
    assert mine.p_value == pytest.approx(p_value[:-1], rel=1e-7)
    assert mine.global_statistic == pytest.approx(statistic[-1], rel=1e-7, abs=1e-10)
    assert mine.global_p_value == pytest.approx(p_value[-1], rel=1e-7)


@pytest.mark.parametrize("case", [case for (case,) in FIRTH])
def test_firth_as_r_coxphf(case):
    time, event, x, entry = data(MONOTONE[case,])
    fit, rows = cox_firth(time, event, x, 0.95, entry), FIRTH[case,]
    for mine, name in (
        (fit.coef, "coef"),
        (fit.standard_error, "standard_error"),
        (np.log(fit.conf_low), "low"),
        (np.log(fit.conf_high), "high"),
        (fit.p_value, "p_value"),
    ):
        theirs = column(rows, name)
        theirs = np.log(theirs) if name in ("low", "high") else theirs
        assert mine == pytest.approx(theirs, abs=1e-7), name


# --- choice of the method ------------------------------------------------------------------------


def test_separation_is_detected_and_fitted_with_firth():
    """coxph: "Loglik converged before variable 1; coefficient may be infinite"."""
    fit = cox([1, 2, 3], [1, 1, 1], [1, 1, 0], 0.95, penalise_below=0)
    assert fit.reason == "separation"
    assert "Firth" in fit.method
    assert all(map(math.isfinite, (*fit.conf_low, *fit.conf_high)))
    plain = cox_efron([1, 2, 3], [1, 1, 1], [1, 1, 0], 0.95)
    assert (plain.reason, plain.convergence) == ("separation", False)
    assert math.isnan(plain.coef[0])


def test_separation_by_a_combination_of_two_covariates():
    """Neither orders the events alone, their sum does: 3, 2, 1, 0 at the events in turn."""
    x = np.array([[2, 1], [0, 2], [1, 0], [0, 0]])
    assert cox([1, 2, 3, 4], [1, 1, 1, 1], x, 0.95, penalise_below=0).reason == "separation"
    # In this order the events ask for b1 >= 0, b2 <= -b1 and b2 >= 2 b1, that is b = 0.
    other = np.array([[1, 0], [0, 2], [2, 1], [0, 0]])
    fit = cox([1, 2, 3, 4], [1, 1, 1, 1], other, 0.95, penalise_below=0)
    assert (fit.reason, fit.convergence) == ("", True)


def test_few_events_are_penalised_by_the_number_the_plan_names():
    fit = cox(*TEST_1, conf_level=0.95, penalise_below=5)
    assert fit.reason == "fewer than 5 events for a coefficient"
    assert fit.coef == cox_firth(*TEST_1, conf_level=0.95).coef
    assert cox(*TEST_1, conf_level=0.95, penalise_below=4) == cox_efron(*TEST_1, conf_level=0.95)


@pytest.mark.parametrize("method", [cox_efron, cox_firth])
def test_nothing_to_estimate_is_nan_with_the_reason(method):
    nothing = method([1, 2, 3], [0, 0, 0], [1, 0, 1], 0.95)
    assert (nothing.reason, nothing.n_events, nothing.convergence) == ("no event", 0, False)
    assert all(math.isnan(v[0]) for v in (nothing.coef, nothing.p_value, nothing.conf_low))
    flat = method([1, 2, 3], [1, 1, 1], [4, 4, 4], 0.95)
    assert flat.reason.startswith("covariates constant")
    twice = method([1, 2, 3, 4], [1, 1, 1, 1], [[0, 0], [1, 2], [0, 0], [1, 2]], 0.95)
    assert twice.reason.startswith("covariates constant")


def test_proportional_hazards_test_without_an_estimate_is_nan():
    answer = proportional_hazards_test([1, 2, 3], [1, 1, 1], [1, 1, 0], "km")
    assert math.isnan(answer.global_p_value)
    assert math.isnan(answer.p_value[0])


def test_lifelines_older_test_of_proportionality_differs_from_cox_zph():
    """Grambsch & Therneau's approximation, as cox.zph before survival 3.0: another number."""
    import pandas as pd
    from lifelines import CoxPHFitter
    from lifelines.statistics import proportional_hazard_test

    time, event, x, _ = data(CASES["made-01",])
    frame = pd.DataFrame({"time": time, "event": event, "x1": x[:, 0], "x2": x[:, 1]})
    older = proportional_hazard_test(CoxPHFitter().fit(frame, "time", "event"), frame, "identity")
    mine = proportional_hazards_test(time, event, x, "identity")
    saved = column(ZPH["made-01", "identity"], "statistic")
    assert mine.statistic == pytest.approx(saved[:2], rel=1e-7)
    assert np.abs(older.test_statistic - saved[:2]).max() > 1e-3


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, call",
    [
        ("time", lambda: cox_efron([], [], [], 0.95)),
        ("time", lambda: cox_efron([-1], [1], [1], 0.95)),
        ("event", lambda: cox_efron([1, 2], [1, 2], [1, 0], 0.95)),
        ("covariates", lambda: cox_efron([1, 2], [1, 1], [1], 0.95)),
        ("covariates", lambda: cox_efron([1, 2], [1, 1], [1, math.nan], 0.95)),
        ("conf_level", lambda: cox_efron([1, 2], [1, 1], [1, 0], 95)),
        ("conf_level", lambda: cox_firth([1, 2], [1, 1], [1, 0], 0)),
        ("entry", lambda: cox_efron([1, 2], [1, 1], [1, 0], 0.95, [1, 0])),
        ("transform", lambda: proportional_hazards_test([1, 2], [1, 1], [1, 0], "KM")),
        ("transform", lambda: proportional_hazards_test(ZERO[0], ZERO[1], ZERO[2], "log")),
    ],
)
def test_impossible_input_is_refused_by_the_name_of_the_argument(name, call):
    with pytest.raises(ValueError, match=f"^{name}: "):
        call()


ZERO = ([0, 1, 2, 3, 4], [1, 1, 1, 1, 1], [0, 1, 0, 1, 1])

# --- properties ----------------------------------------------------------------------------------

PATIENTS = st.lists(
    st.tuples(st.integers(1, 15), st.booleans(), st.integers(-2, 2), st.integers(0, 14)),
    min_size=4,
    max_size=20,
)
bounded = settings(derandomize=True, deadline=None, max_examples=60)


@bounded
@given(PATIENTS, st.sampled_from([0.1, 1 / 30.4375, 12.0]), st.randoms(use_true_random=False))
def test_order_and_units_of_time_and_covariate_do_not_matter(patients, scale, chance):
    patients = [(t, e, x, min(b, t - 1)) for t, e, x, b in patients]
    mixed = list(patients)
    chance.shuffle(mixed)
    time, event, x, entry = (np.array(part) for part in zip(*patients, strict=True))
    one = cox_firth(time, event, x, 0.95, entry)
    time, event, x, entry = (np.array(part) for part in zip(*mixed, strict=True))
    other = cox_firth(time * scale, event, x * 10.0 + 3, 0.95, entry * scale)
    assert other.reason == one.reason
    assert np.array(other.coef) * 10 == pytest.approx(one.coef, abs=1e-7, nan_ok=True)
    assert other.p_value == pytest.approx(one.p_value, abs=1e-7, nan_ok=True)


@bounded
@given(PATIENTS)
def test_firth_has_an_estimate_within_its_limits_whenever_there_is_information(patients):
    time, event, x, _ = (np.array(part) for part in zip(*patients, strict=True))
    fit = cox_firth(time, event, x, 0.9)
    if fit.reason:
        return
    assert fit.convergence
    assert fit.conf_low[0] < fit.hazard_ratio[0] < fit.conf_high[0]
    assert (fit.p_value[0] < 0.1) == (fit.conf_low[0] > 1 or fit.conf_high[0] < 1)


@bounded
@given(PATIENTS)
def test_no_estimate_means_separation_or_nothing_to_estimate(patients):
    """The likelihood is concave: no finite maximum exactly when its slope keeps its sign at b = 40."""
    time, event, x, _ = (np.array(part) for part in zip(*patients, strict=True))
    fit = cox_efron(time, event, x, 0.95)
    if fit.reason.startswith(("no event", "covariates")):
        return
    slopes = [score(time, event, x, b) for b in (-40.0, 40.0)]
    assert (fit.reason == "separation") == (slopes[0] < 1e-9 or slopes[1] > -1e-9)


def score(time, event, x, b):
    """Efron's score, event by event."""
    total = 0.0
    for t in np.unique(time[event]):
        tied = (time == t) & event
        d = tied.sum()
        for k in range(d):
            weight = np.exp(x * b - np.max(x * b)) * np.where(tied, 1 - k / d, 1.0) * (time >= t)
            weight = weight / weight.sum()
            total += x[tied].mean() - (weight * x).sum()
    return total


def test_the_estimate_of_6000_patients_is_where_the_score_is_0():
    """Data of this size begin without lifelines; Efron's score is recomputed event by event."""
    draws = np.random.default_rng(5)
    x = draws.integers(0, 3, 6000)
    time = np.ceil(draws.exponential(50 / np.exp(0.4 * x)))
    event = draws.random(6000) < 0.7
    fit = cox_efron(time, event, x, 0.95)
    assert fit.convergence
    assert score(time, event, x, fit.coef[0]) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("case", [case for (case,) in COX][:8])
def test_logrank_with_delayed_entry_is_the_score_test_at_0(case):
    """Untied times: the log-rank statistic is the score test of one 0/1 covariate."""
    time, event, x, entry = data(CASES[case,])
    time = time + np.arange(time.size) * 1e-4
    group = x[:, 0]
    slope = information = 0.0
    for i in np.flatnonzero(event):
        inside = (time >= time[i]) & ((entry < time[i]) | (entry == 0))
        share = group[inside].mean()
        slope += group[i] - share
        information += share * (1 - share)
    assert logrank(time, event, group, entry=entry).statistic == pytest.approx(
        slope**2 / information, rel=1e-10
    )


R_DATA = """
suppressMessages(library(survival))
options(digits = 17)
show <- function(y, x) {
  x <- as.matrix(x)
  f <- coxph(y ~ x, control = coxph.control(eps = 1e-11, toler.chol = 1e-12, iter.max = 40))
  z <- cox.zph(f, transform = "km", terms = FALSE)$table
  late <- ncol(y) == 3
  cat(coef(f), "|", sqrt(diag(vcov(f))), "|", z[seq_along(coef(f)), 1], "|",
      y[, if (late) 2 else 1], "|", y[, if (late) 3 else 2], "|",
      if (late) y[, 1] else rep(0, nrow(y)), "|", x, "\\n")
}
l <- na.omit(lung[, c("time", "status", "age", "sex", "ph.ecog", "wt.loss")])
show(with(l, Surv(time, status)), l[, -(1:2)])
show(with(veteran, Surv(time, status)), veteran[, c("trt", "karno", "age")])
show(with(ovarian, Surv(futime, fustat)), ovarian[, c("age", "rx", "ecog.ps")])
show(with(rats, Surv(time, status)), data.frame(rats$rx, rats$sex == "f"))
show(with(heart, Surv(start, stop, event)), heart[, c("age", "surgery")])
"""


@pytest.mark.r
def test_data_sets_of_the_survival_package():
    answer = subprocess.run(
        ["Rscript", "-e", R_DATA], check=True, capture_output=True, text=True
    ).stdout
    lines = answer.splitlines()
    assert len(lines) == 5
    for line in lines:
        coef, error, zph, time, event, entry, x = (
            np.array(part.split(), dtype=float) for part in line.split("|")
        )
        x = x.reshape(coef.size, -1).T
        fit = cox_efron(time, event, x, 0.95, entry)
        assert fit.coef == pytest.approx(coef, rel=1e-8)
        assert fit.standard_error == pytest.approx(error, rel=1e-8)
        mine = proportional_hazards_test(time, event, x, "km", entry)
        assert mine.statistic == pytest.approx(zph, rel=1e-6)
