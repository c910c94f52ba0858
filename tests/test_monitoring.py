"""Toxicity boundaries against R's stoppingrule and clinfun, against enumeration, and by definition."""

import csv
import datetime as dt
import itertools
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binom

from sap import ard
from sap.methods.monitoring import (
    boundary_characteristics,
    boundary_list,
    posterior_boundary,
    toxicity_boundary,
)
from sap.plan import project_home, read_plan
from sap.plan.model import ToxicityMonitoring

PLAN = read_plan(project_home() / "analysis" / "plan.yml").plan
REFERENCE = Path(__file__).parent / "reference" / "monitoring_boundaries.csv"


def saved(by: str) -> list[dict[str, str]]:
    with REFERENCE.open() as file:
        assert file.readline().startswith("# R version 4.2")
        return [row for row in csv.DictReader(file) if row["by"] == by]


def boundary_of(row: dict[str, str]) -> np.ndarray:
    p1 = float(row["p1"]) if row["p1"] else None
    prior = (float(row["prior_a"]), float(row["prior_b"])) if row["prior_a"] else None
    size, p0, alpha = int(row["n"]), float(row["p0"]), float(row["alpha"])
    return toxicity_boundary(size, p0, alpha, row["shape"], p1=p1, prior=prior)


def reachable(bounds) -> list[int]:
    """One spelling of "never" (k + 1): programs print different counts that no patient can reach."""
    return [min(bound, k + 1) for k, bound in enumerate(bounds, start=1)]


@pytest.mark.parametrize("row", saved("stoppingrule")[::2], ids=lambda row: row["shape"])
def test_the_boundary_is_that_of_stoppingrule(row):
    ours, theirs = boundary_of(row).tolist(), reachable(map(int, row["bounds"].split()))
    if (row["shape"], row["n"], row["p0"], row["alpha"]) == ("sprt", "12", "0.33", "0.05"):
        # stoppingrule looks for its constant above qchisq(0.95, 1)/2 only; a smaller one still holds.
        assert theirs[10] == ours[10] + 1
        assert boundary_characteristics(ours, 0.33).stopping_probability <= 0.05
        theirs[10] -= 1
    assert ours == theirs


@pytest.mark.parametrize("row", saved("clinfun toxbdry")[::2], ids=lambda row: row["shape"])
def test_the_boundary_is_at_least_as_ready_as_clinfuns_at_the_same_level(row):
    """clinfun stops its search early; ours is the last of the family that holds the level."""
    p0, alpha = float(row["p0"]), float(row["alpha"])
    ours, theirs = boundary_of(row), np.array(row["bounds"].split(), dtype=int)
    assert (ours <= reachable(theirs)).all()
    assert boundary_characteristics(ours, p0).stopping_probability <= alpha


@pytest.mark.parametrize("row", saved("stoppingrule"), ids=lambda row: row["shape"])
def test_characteristics_are_those_of_stoppingrule(row):
    bounds = [int(bound) for bound in row["bounds"].split()]
    ours = boundary_characteristics(bounds, float(row["p"]))
    assert ours.stopping_probability == pytest.approx(float(row["stopping_probability"]), rel=1e-10)
    assert ours.expected_toxicities == pytest.approx(float(row["expected_toxicities"]), rel=1e-10)


@pytest.mark.parametrize("row", saved("clinfun toxbdry"), ids=lambda row: row["shape"])
def test_characteristics_are_those_of_clinfun(row):
    bounds = [int(bound) for bound in row["bounds"].split()]
    ours = boundary_characteristics(bounds, float(row["p"]))
    theirs = float(row["clinfun_stopping_probability"]), float(row["clinfun_expected_n"])
    assert (ours.stopping_probability, ours.expected_n) == pytest.approx(theirs, rel=1e-9)


def test_three_patients_by_hand():
    """Stop at 2 of 2 or 2 of 3, rate 1/5: 1/25 after two; tox-no-tox and no-tox-tox 2 (4/125) after three.

    Stopping 1/25 + 8/125 = 13/125; patients 2/25 + 3 (24/25) = 74/25; toxicities 74/125.
    """
    ours = boundary_characteristics([2, 2, 2], 0.2)
    assert ours == pytest.approx((13 / 125, 74 / 25, 74 / 125))


@settings(derandomize=True, deadline=None, max_examples=40)
@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=8),
    st.floats(0.02, 0.98),
)
def test_every_path_enumerated(bounds, p):
    """All 2^n orders of toxicity and none, each followed until it stops."""
    stopped = patients = toxicities = 0.0
    for path in itertools.product([0, 1], repeat=len(bounds)):
        chance = np.prod([p if tox else 1 - p for tox in path])
        seen = np.cumsum(path)
        crossed = np.flatnonzero(seen >= bounds)
        last = crossed[0] if crossed.size else len(bounds) - 1
        stopped += chance * bool(crossed.size)
        patients += chance * (last + 1)
        toxicities += chance * seen[last]
    ours = boundary_characteristics(bounds, p)
    assert ours == pytest.approx((stopped, patients, toxicities), rel=1e-10, abs=1e-14)


SHAPES = [
    ("pocock", {}),
    ("obrien-fleming", {}),
    ("sprt", {"p1": 0.6}),
    ("bayesian", {"prior": (0.6, 1.4)}),
]


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(1, 60), st.floats(0.02, 0.5), st.floats(0.01, 0.3), st.sampled_from(SHAPES))
def test_every_boundary_holds_its_level_and_wald_holds(n, p0, alpha, shape):
    """The level, and Wald's identity: expected toxicities are the rate times the expected patients."""
    bounds = toxicity_boundary(n, p0, alpha, shape[0], **shape[1])
    rates = np.array([p0, 0.5 + p0 / 2])
    found = boundary_characteristics(bounds, rates)
    assert found.stopping_probability[0] <= alpha
    assert found.expected_toxicities == pytest.approx(rates * found.expected_n, rel=1e-10)
    assert (bounds <= np.arange(2, n + 2)).all()


@pytest.mark.parametrize("n", [8, 20, 33])
@pytest.mark.parametrize("alpha", [0.05, 0.1])
def test_the_next_looser_pocock_boundary_breaks_the_level(n, alpha):
    """Ivanova's definition by hand: nominal levels, one after the other, through scipy's tails."""
    patients = range(1, n + 1)
    tails = [[binom.sf(x - 1, k, 0.2) for x in range(1, k + 1)] for k in patients]

    def rule(level):
        return [next((x for x, t in enumerate(ts, 1) if t <= level * (1 + 1e-9)), k + 1)
                for k, ts in zip(patients, tails, strict=True)]  # fmt: skip

    levels = sorted({round(t, 14) for ts in tails for t in ts})
    held = [lv for lv in levels if boundary_characteristics(rule(lv), 0.2)[0] <= alpha]
    assert toxicity_boundary(n, 0.2, alpha, "pocock").tolist() == rule(max(held))
    following = levels[levels.index(max(held)) + 1]
    assert boundary_characteristics(rule(following), 0.2)[0] > alpha


def test_a_trial_too_small_to_stop_never_stops():
    """One patient, rate 0.2: a toxicity has probability 0.2, more than 0.05."""
    assert toxicity_boundary(1, 0.2, 0.05, "pocock").tolist() == [2]
    assert toxicity_boundary(2, 0.3, 0.05, "pocock").tolist() == [2, 3]
    assert boundary_characteristics([2, 3], 0.3) == pytest.approx((0, 2, 0.6))


@pytest.mark.parametrize("threshold", [0.8, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("prior", [(0.6, 1.4), (1, 1), (0.2, 0.8)])
def test_the_posterior_boundary_is_the_first_count_above_the_threshold(threshold, prior):
    """Thall and Simon's rule read off scipy's beta distribution."""
    expected = []
    for k in range(1, 41):
        above = [
            x for x in range(1, k + 1)
            if beta.sf(0.3, prior[0] + x, prior[1] + k - x) > threshold
        ]  # fmt: skip
        expected.append(min(above, default=k + 1))
    assert posterior_boundary(40, 0.3, prior, threshold).tolist() == expected


def test_sure_and_impossible_toxicity():
    found = boundary_characteristics([2, 2, 2, 3], np.array([[0.0, 1.0]]))
    assert found.stopping_probability.tolist() == [[0.0, 1.0]]
    assert found.expected_n.tolist() == [[4.0, 2.0]]
    assert found.expected_toxicities.tolist() == [[0.0, 2.0]]


@pytest.mark.parametrize(
    "arguments, name",
    [
        ((0, 0.2, 0.05, "pocock"), "n must"),
        ((2.5, 0.2, 0.05, "pocock"), "n must"),
        ((10, 0.0, 0.05, "pocock"), "p0"),
        ((10, 0.2, 1.0, "pocock"), "alpha"),
        ((10, 0.2, 0.05, "haybittle"), "shape"),
        ((10, 0.2, 0.05, "sprt"), "p1"),
        ((10, 0.2, 0.05, "sprt", 0.1), "p1"),
        ((10, 0.2, 0.05, "bayesian"), "prior"),
        ((10, 0.2, 0.05, "bayesian", None, (0, 1)), "prior"),
    ],
)
def test_impossible_boundaries_are_refused_by_name(arguments, name):
    with pytest.raises(ValueError, match=name):
        toxicity_boundary(*arguments)


def test_impossible_characteristics_are_refused_by_name():
    for bounds in ([], [0, 1], [1.5], [[1, 2]]):
        with pytest.raises(ValueError, match="bounds"):
            boundary_characteristics(bounds, 0.2)
    with pytest.raises(ValueError, match="p must"):
        boundary_characteristics([2, 2], 1.2)
    with pytest.raises(ValueError, match="threshold"):
        posterior_boundary(10, 0.2, (1, 1), 1.0)
    with pytest.raises(ValueError, match="n must"):
        posterior_boundary(0, 0.2, (1, 1), 0.9)


# ---- the boundary as a board reads it ----------------------------------------------------------

LINE = re.compile(r"(\d+) of (\d+)(?: to (\d+))?")


def stopping_of_the_printed(text: str, n: int, p: Fraction) -> Fraction:
    """Follow every count of toxicities, patient by patient, and stop where the printed list says so."""
    stops: dict[int, int] = {}
    for line in text.split(", "):
        events, first, last = LINE.fullmatch(line).groups()
        for k in range(int(first), int(last or first) + 1):
            assert k not in stops, "two lines speak of the same number of patients"
            stops[k] = int(events)
    going, stopped = {0: Fraction(1)}, Fraction(0)
    for k in range(1, n + 1):
        following: dict[int, Fraction] = {}
        for seen, chance in going.items():
            for more, part in ((0, 1 - p), (1, p)):
                if k in stops and seen + more >= stops[k]:
                    stopped += chance * part
                else:
                    following[seen + more] = following.get(seen + more, Fraction(0)) + chance * part
        going = following
    return stopped


def formatted(run, rule) -> str:
    """The boundary list of the board's table on toxicity, from the results of a plan with this rule."""
    from sap.displays import dsmb
    from sap.results.dsmb import dsmb_cycles
    from sap.results.safety import toxicity_boundary_list, toxicity_monitoring

    plan = PLAN.model_copy(update={"toxicity_monitoring": rule})
    adsl = pd.DataFrame({"USUBJID": ["01"], "SAFFL": "Y", "TRTSDT": [pd.Timestamp("2018-01-05")]})
    adsl = adsl.assign(NCYCLES=1.0)
    names = ("USUBJID", "AEDECOD", "ATOXGRN", "TRTEMFL", "PROGFL")
    adae = pd.DataFrame({name: [] for name in names}, dtype="str")
    adae["ATOXGRN"] = adae["ATOXGRN"].astype(float)
    cycles = dsmb_cycles(adsl, adae, plan, dt.date(2018, 2, 1))
    run(ard.bind([*toxicity_monitoring(adsl, adae, plan), *toxicity_boundary_list(plan), *cycles]))
    lines = [
        row for row in dsmb.toxicity().rows if getattr(row.label, "text", "").startswith("n = ")
    ]
    printed = [
        f"{line.cells[0].text.removesuffix(' or more')} of {line.label.text.removeprefix('n = ')}"
        for line in lines
    ]
    return ", ".join(printed).replace("\u00a0", " ")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run folder that holds these rows and no other."""
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "plan.json").write_text("{}", encoding="utf-8")
    (tmp_path / "tables" / "run.json").write_text('{"audience": "closed"}', encoding="utf-8")
    monkeypatch.setenv("SAP_RUN", str(tmp_path))

    def write(rows: pd.DataFrame) -> None:
        (tmp_path / "ard.csv").write_text(ard.to_csv(rows), encoding="utf-8")

    return write


def test_the_printed_boundary_of_carve_stops_as_often_as_the_true_one(run):
    """Outside check of the plan's Pocock boundary (40 patients, p0 0.20, alpha 0.05): 0.0497, and
    0.0458 for a list that has lost "3 of 3"."""
    text = formatted(run, PLAN.toxicity_monitoring)
    assert text.startswith("3 of 3, 4 of 4 to 5, 5 of 6 to 8, 6 of 9 to 11")
    p = Fraction(1, 5)
    assert round(float(stopping_of_the_printed(text, 40, p)), 4) == 0.0497
    lost = text.removeprefix("3 of 3, ")
    assert round(float(stopping_of_the_printed(lost, 40, p)), 4) == 0.0458


@pytest.mark.parametrize(
    "shape, prior", [("pocock", None), ("obrien-fleming", None), ("bayesian", (0.2, 0.8))]
)
@pytest.mark.parametrize("n, p0, alpha", [(40, 0.2, 0.05), (25, 0.33, 0.1), (12, 0.05, 0.05)])
def test_the_printed_boundary_stops_as_often_as_the_boundary(run, shape, prior, n, p0, alpha):
    change = {"shape": shape, "prior": prior, "patients": n, "p0": p0, "alpha": alpha}
    text = formatted(run, PLAN.toxicity_monitoring.model_copy(update=change))
    for rate in (Fraction(str(p0)), Fraction(1, 10), Fraction(1, 2)):
        exact = stopping_of_the_printed(text, n, rate)
        bounds = toxicity_boundary(n, p0, alpha, shape, prior=prior)
        true = boundary_characteristics(bounds, float(rate)).stopping_probability
        assert float(exact) == pytest.approx(true, rel=1e-11)
    assert stopping_of_the_printed(text, n, Fraction(str(p0))) <= Fraction(str(alpha))


@pytest.mark.parametrize("row", saved("stoppingrule"), ids=lambda row: row["shape"])
def test_the_list_of_stoppingrules_bounds_stops_as_often_as_stoppingrule_says(row):
    """Bounds and stopping probabilities both of R's stoppingrule: Pocock, O'Brien-Fleming, SPRT, Bayesian."""
    bounds = [int(bound) for bound in row["bounds"].split()]
    text = ", ".join(f"{s.events} of {s.from_n} to {s.to_n}" for s in boundary_list(bounds))
    exact = stopping_of_the_printed(text, len(bounds), Fraction(row["p"]))
    assert float(exact) == pytest.approx(float(row["stopping_probability"]), rel=1e-9)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(3, 30), st.floats(0.03, 0.5), st.floats(0.02, 0.3), st.sampled_from(SHAPES))
def test_the_list_of_any_boundary_stops_as_often_as_it(n, p0, alpha, shape):
    bounds = toxicity_boundary(n, p0, alpha, shape[0], **shape[1])
    steps = boundary_list(bounds)
    assert all(1 <= step.events <= step.from_n <= step.to_n <= n for step in steps)
    if not steps:
        assert boundary_characteristics(bounds, p0).stopping_probability == 0
        return
    text = ", ".join(f"{s.events} of {s.from_n} to {s.to_n}" for s in steps)
    exact = stopping_of_the_printed(text, n, Fraction(p0))
    true = boundary_characteristics(bounds, p0).stopping_probability
    assert float(exact) == pytest.approx(true, rel=1e-9)


def test_a_boundary_that_no_count_can_reach_has_an_empty_list():
    assert boundary_list([2, 3, 4]) == []


def test_the_plan_takes_the_bayesian_shape_with_a_prior_and_only_with_one():
    whole = PLAN.toxicity_monitoring.model_dump()
    known = ToxicityMonitoring.model_validate(whole | {"shape": "bayesian", "prior": [0.2, 0.8]})
    assert known.prior == (0.2, 0.8)
    for wrong in ({"shape": "bayesian"}, {"prior": [0.2, 0.8]}):
        with pytest.raises(ValueError, match="prior must be given for the shape bayesian"):
            ToxicityMonitoring.model_validate(whole | wrong)
