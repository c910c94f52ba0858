"""Cumulative incidence and its two variances.

Saved answers of R's survfit and cmprsk: tests/reference/survival_incidence*.csv, written by
survival_reference.R.
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

from sap.methods.survival import aalen_johansen, kaplan_meier

REFERENCE = Path(__file__).parent / "reference"


def read(name):
    with (REFERENCE / f"survival_{name}.csv").open(encoding="utf-8", newline="") as lines:
        groups = defaultdict(list)
        for row in csv.DictReader(lines):
            if row.get("family", "causes") == "causes":
                groups[row["case"]].append(row)
    return groups


def columns(rows, *names):
    return [np.array([float(row[name]) for row in rows]) for name in names]


CASES = read("cases")
JACKKNIFE = read("incidence")
AALEN = read("incidence_aalen")


def test_five_patients_by_hand():
    """At risk 5, 4, 3, 2, 1; causes 1, 2, 1, censored twice.

    F1: 1/5, then 3/5 x 1/3 more. F2: 4/5 x 1/4. Without censoring before 3 every F is a share of
    5 patients, whose variance is F (1 - F) / 5.
    """
    curve = aalen_johansen([1, 2, 3, 4, 5], [1, 2, 1, 0, 0], variance="infinitesimal-jackknife")
    assert curve.incidence[0] == pytest.approx([1 / 5, 1 / 5, 2 / 5, 2 / 5, 2 / 5])
    assert curve.incidence[1] == pytest.approx([0, 1 / 5, 1 / 5, 1 / 5, 1 / 5])
    shares = curve.incidence
    assert curve.standard_error**2 == pytest.approx(shares * (1 - shares) / 5, abs=1e-15)


@pytest.mark.parametrize("case", JACKKNIFE)
def test_incidence_and_infinitesimal_jackknife_as_r_survfit(case):
    """With delayed entry too, where the jackknife is no longer the delta method."""
    curve = aalen_johansen(
        *columns(CASES[case], "time", "event", "entry"), variance="infinitesimal-jackknife"
    )
    time, one, two, error_one, error_two = columns(
        JACKKNIFE[case], "time", "one", "two", "error_one", "error_two"
    )
    assert curve.time == pytest.approx(time)
    assert curve.incidence == pytest.approx(np.array([one, two]), rel=1e-11, abs=1e-14)
    assert curve.standard_error == pytest.approx(np.array([error_one, error_two]), abs=1e-8)


@pytest.mark.parametrize("case", AALEN)
def test_incidence_and_aalen_variance_as_cmprsk(case):
    curve = aalen_johansen(*columns(CASES[case], "time", "event"), variance="aalen")
    time, one, two, error_one, error_two = columns(
        AALEN[case], "time", "one", "two", "error_one", "error_two"
    )
    assert curve.time == pytest.approx(time)
    assert curve.incidence == pytest.approx(np.array([one, two]), rel=1e-11, abs=1e-14)
    assert curve.standard_error == pytest.approx(np.array([error_one, error_two]), abs=1e-8)


@pytest.mark.parametrize("case", list(AALEN)[:12])  # those without delayed entry
def test_incidence_and_error_as_statsmodels(case):
    from statsmodels.duration.survfunc import CumIncidenceRight

    time, event = columns(CASES[case], "time", "event")
    curve = aalen_johansen(time, event, variance="infinitesimal-jackknife")
    with np.errstate(divide="ignore", invalid="ignore"):
        theirs = CumIncidenceRight(time, event.astype(int))
    place = np.searchsorted(curve.time, theirs.times)
    for j in (0, 1):
        assert curve.incidence[j, place] == pytest.approx(theirs.cinc[j], abs=1e-12)
        known = np.isfinite(theirs.cinc_se[j])  # NaN there when the curve ends with an event
        assert curve.standard_error[j, place][known] == pytest.approx(
            theirs.cinc_se[j][known], abs=1e-8
        )


@pytest.mark.filterwarnings("ignore:Tied event times")
def test_tied_causes_are_exact_where_lifelines_jitters():
    """Six patients, two causes at 2: F1 = 1/6 + 5/6 x 1/5 by hand; lifelines depends on its seed."""
    from lifelines import AalenJohansenFitter

    time, event = np.array([1, 2, 2, 2, 3, 3]), np.array([1, 1, 2, 0, 1, 2])
    curve = aalen_johansen(time, event, variance="infinitesimal-jackknife")
    assert curve.incidence[0, :2] == pytest.approx([1 / 6, 1 / 6 + 5 / 6 / 5])
    assert curve.incidence[0, 2] == pytest.approx(1 / 3 + 1 / 2 * 1 / 2)
    ends = set()
    for seed in range(12):
        fit = AalenJohansenFitter(seed=seed).fit(time, event, event_of_interest=1)
        ends.add(round(float(fit.cumulative_density_.iloc[-1, 0]), 6))
    assert len(ends) > 1


def test_at_reads_the_curve_and_is_not_estimable_after_the_last_time():
    curve = aalen_johansen([2, 4, 6], [1, 2, 0], variance="aalen")
    assert curve.at(1, 1.9) == (0, 0)
    assert curve.at(1, 2)[0] == pytest.approx(1 / 3)
    assert all(map(math.isnan, curve.at(2, 6.5)))
    ended = aalen_johansen([2, 4], [1, 2], variance="aalen")
    assert ended.at(2, 100)[0] == pytest.approx(1 / 2)


def test_a_cause_that_never_occurs_is_0_throughout():
    curve = aalen_johansen([2, 4, 6], [1, 1, 0], causes=2, variance="infinitesimal-jackknife")
    assert curve.incidence.shape == (2, 3)
    assert not curve.incidence[1].any()
    assert not curve.standard_error[1].any()
    nothing = aalen_johansen([2, 4], [0, 0], variance="aalen")
    assert not nothing.incidence.any()


@pytest.mark.parametrize(
    "name, call",
    [
        ("time", lambda: aalen_johansen([], [], variance="aalen")),
        ("time", lambda: aalen_johansen([-1], [1], variance="aalen")),
        ("event", lambda: aalen_johansen([1, 2], [1], variance="aalen")),
        ("event", lambda: aalen_johansen([1, 2], [1, 3], causes=2, variance="aalen")),
        ("event", lambda: aalen_johansen([1, 2], [1, -1], variance="aalen")),
        ("entry", lambda: aalen_johansen([1, 2], [1, 2], [1, 0], variance="aalen")),
        ("variance", lambda: aalen_johansen([1, 2], [1, 2], variance="greenwood")),
        ("cause", lambda: aalen_johansen([1], [1], variance="aalen").at(2, 1)),
        ("t", lambda: aalen_johansen([1], [1], variance="aalen").at(1, math.nan)),
    ],
)
def test_impossible_input_is_refused_by_the_name_of_the_argument(name, call):
    with pytest.raises(ValueError, match=f"^{name}: "):
        call()


PATIENTS = st.lists(
    st.tuples(st.integers(1, 20), st.integers(0, 2), st.integers(0, 19)), min_size=1, max_size=25
)
bounded = settings(derandomize=True, deadline=None, max_examples=120)


@bounded
@given(PATIENTS)
def test_incidences_and_survival_add_up_to_1(patients):
    patients = [(t, e, min(b, t - 1)) for t, e, b in patients]
    curve = aalen_johansen(*zip(*patients, strict=True), causes=2, variance="aalen")
    assert curve.incidence.sum(axis=0) + curve.survival == pytest.approx(1, abs=1e-12)
    assert (np.diff(curve.incidence, axis=1) >= 0).all()


@bounded
@given(PATIENTS)
def test_one_cause_is_one_minus_kaplan_meier_with_greenwood(patients):
    time, event, _ = (np.array(part) for part in zip(*patients, strict=True))
    single = kaplan_meier(time, event > 0)
    curve = aalen_johansen(time, event > 0, variance="infinitesimal-jackknife")
    assert curve.incidence[0] == pytest.approx(1 - single.survival, abs=1e-12)
    inside = single.survival > 0
    assert curve.standard_error[0][inside] == pytest.approx(single.standard_error[inside], abs=1e-7)


@bounded
@given(PATIENTS)
def test_jackknife_is_the_sum_of_squared_changes_when_a_patient_weighs_a_little_more(patients):
    """The definition itself, with delayed entry, by giving each patient in turn a weight 1 + h."""
    patients = [(t, e, min(b, t - 1)) for t, e, b in patients]
    time, event, entry = (np.array(part) for part in zip(*patients, strict=True))
    curve = aalen_johansen(time, event, entry, causes=2, variance="infinitesimal-jackknife")
    h, total = 1e-6, np.zeros_like(curve.incidence)
    for i in range(time.size):
        up, down = np.ones(time.size), np.ones(time.size)
        up[i], down[i] = 1 + h, 1 - h
        slope = (weighted(time, event, entry, up) - weighted(time, event, entry, down)) / (2 * h)
        total += slope**2
    assert curve.standard_error**2 == pytest.approx(total, abs=1e-7)


def weighted(time, event, entry, weight):
    """Aalen-Johansen of two causes with case weights, term by term."""
    survival, sums, rows = 1.0, np.zeros(2), []
    for t in np.unique(time):
        inside = (time >= t) & ((entry < t) | (entry == 0))
        r = weight[inside].sum()
        d = np.array([weight[(time == t) & (event == j)].sum() for j in (1, 2)])
        sums = sums + survival * d / r
        if d.sum() and np.all(event[inside & (time == t)] > 0) and np.all(time[inside] == t):
            survival = 0.0
        else:
            survival *= 1 - d.sum() / r
        rows.append(sums)
    return np.array(rows).T


@bounded
@given(PATIENTS, st.randoms(use_true_random=False))
def test_order_of_patients_does_not_matter(patients, chance):
    mixed = list(patients)
    chance.shuffle(mixed)
    curves = [
        aalen_johansen(*list(zip(*rows, strict=True))[:2], causes=2, variance="aalen")
        for rows in (patients, mixed)
    ]
    assert curves[0].incidence.tolist() == curves[1].incidence.tolist()
    assert curves[0].standard_error.tolist() == curves[1].standard_error.tolist()


R_DATA = """
suppressMessages(library(survival))
options(digits = 17)
m <- mgus2[1:400, ]
m$etime <- with(m, ifelse(pstat == 0, futime, ptime))
m$state <- with(m, ifelse(pstat == 0, 2 * death, 1))
f <- survfit(Surv(etime, factor(state)) ~ 1, m)
for (row in list(m$etime, m$state, f$time, f$pstate[, 2], f$pstate[, 3], f$std.err[, 2],
                 f$std.err[, 3])) cat(row, "\\n")
"""


@pytest.mark.r
def test_mgus2_of_the_survival_package():
    """Plasma cell malignancy or death first; Therneau, "Multi-state models and competing risks"."""
    answer = subprocess.run(
        ["Rscript", "-e", R_DATA], check=True, capture_output=True, text=True
    ).stdout
    time, event, *theirs = (np.array(line.split(), float) for line in answer.splitlines())
    curve = aalen_johansen(time, event, variance="infinitesimal-jackknife")
    assert curve.time == pytest.approx(theirs[0])
    assert curve.incidence == pytest.approx(np.array(theirs[1:3]), rel=1e-10)
    assert curve.standard_error == pytest.approx(np.array(theirs[3:5]), abs=1e-9)
