"""New, gone and moved between two results; the expected answers are written by hand."""

import math
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sap import ard, contracts, snapshot
from sap.audit import pairs
from sap.bundle import compare, compare_tables
from sap.bundle.comparison import Tolerance, tolerance_of
from sap.bundle.keys import read_keys, renamed
from sap.errors import UsageError
from sap.pipeline import analyses
from sap.plan import read_plan
from sap.simulate import trial

CATALOGUE = {
    "house_style": {"hundred": "100"},
    "tlf-psa-response": {"kind": "table", "number": "14.2.1.1", "analysis": ["psa_response"]},
    "tlf-os-curve": {"kind": "figure", "number": "14.2.3", "analysis": ["os", "os_curve"]},
}


def results(**stats) -> pd.DataFrame:
    return ard.rows(
        stats,
        analysis="psa_response",
        section="SAP 5.1",
        population="PRIMARY",
        method="exact",
        paramcd="PSARESP",
    )


def changes(left, right) -> list[tuple[str, str, str, str]]:
    found = compare(left, right, CATALOGUE)
    names = ["change", "stat_name", "left", "right"]
    return [tuple(row) for row in found[names].to_numpy()]


def test_new_gone_moved_and_near_are_told_apart_and_carry_the_number_of_their_display():
    left = results(n=3, estimate=0.12, conf_low=0.025, decision="H0 not rejected")
    right = results(n=4, estimate=0.12 * (1 + 1e-13), conf_high=0.312, decision="H0 rejected")
    assert changes(left, right) == [
        ("new", "conf_high", "", "0.312"),
        ("gone", "conf_low", "0.025", ""),
        ("moved", "decision", "NE (H0 not rejected)", "NE (H0 rejected)"),
        ("near", "estimate", "0.12", repr(0.12 * (1 + 1e-13))),
        ("moved", "n", "3", "4"),
    ]
    assert set(compare(left, right, CATALOGUE)["displays"]) == {"Table 14.2.1.1"}


def test_a_number_that_is_not_estimable_for_the_same_reason_twice_has_not_moved():
    none = results(median=ard.NotEstimable("not reached"))
    other = results(median=ard.NotEstimable("no patient"))
    assert changes(none, none) == []
    assert changes(none, other) == [("moved", "median", "NE (not reached)", "NE (no patient)")]
    assert changes(none, results(median=9.4))[0][0] == "moved"


def test_another_method_with_the_same_number_is_reworded():
    left, right = results(n=3), results(n=3).assign(method="by hand")
    assert changes(left, right) == [("reworded", "n", "3", "3")]


@pytest.mark.parametrize(
    "stat_name, left, right, holds",
    [
        ("n", 3.0, 3.0 + 1e-12, False),
        ("estimate", 0.12, 0.12 + 1e-13, True),
        ("estimate", 0.12, 0.1200001, False),
        ("hazard_ratio", 0.7, 0.7 * (1 + 5e-7), True),
        ("hazard_ratio", 0.7, 0.71, False),
        ("estimate", math.inf, math.inf, True),
        ("estimate", math.inf, 1e308, False),
        ("estimate", math.nan, math.nan, True),
        ("estimate", math.nan, 0.0, False),
    ],
)
def test_counts_are_compared_exactly_and_fits_within_their_tolerance(stat_name, left, right, holds):
    assert tolerance_of(stat_name).holds(left, right) is holds


@given(st.floats(), st.floats())
@settings(derandomize=True, deadline=None, max_examples=100)
def test_a_tolerance_is_symmetric_and_every_number_is_near_itself(a, b):
    near = Tolerance(1e-12, 1e-9)
    assert near.holds(a, b) == near.holds(b, a)
    assert near.holds(a, a)


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 9), min_size=1))
@settings(derandomize=True, deadline=None, max_examples=10)
def test_an_ard_does_not_differ_from_itself_in_another_order(stats):
    frame = results(**stats)
    assert compare(frame, frame.iloc[::-1]).empty


def test_records_are_found_by_key_and_no_value_of_a_patient_is_repeated():
    left = pd.DataFrame(
        {"USUBJID": ["P1", "P2", "P3"], "AESEQ": [1.0, 1.0, 1.0], "AETERM": ["RASH", "PAIN", "X"]}
    )
    right = left.iloc[[2, 1]].assign(AETERM=["X", "SECRET WORD"])
    found = compare_tables(left, right, "ae")
    assert found.to_numpy().tolist() == [
        ["gone", "ae", "P1 1", ""],
        ["moved", "ae", "P2 1", "AETERM"],
    ]
    assert "SECRET" not in found.to_string()


def test_a_column_that_appears_or_vanishes_is_named():
    left = pd.DataFrame({"USUBJID": ["P1"], "AGE": [70.0]})
    right = pd.DataFrame({"USUBJID": ["P1"], "SEX": ["M"]})
    found = compare_tables(left, right, "dm")
    assert set(map(tuple, found.to_numpy().tolist())) == {
        ("gone", "dm", "", "AGE"),
        ("new", "dm", "", "SEX"),
    }


def test_two_ards_on_disk_are_compared_by_display_and_two_of_different_kinds_are_refused(tmp_path):
    for name, n in (("a.csv", 3), ("b.csv", 4)):
        (tmp_path / name).write_text(ard.to_csv(results(n=n)))
    results(n=3).to_parquet(tmp_path / "c.parquet", index=False)
    found = pairs.compared(tmp_path / "a.csv", tmp_path / "b.csv")
    assert "moved psa_response PRIMARY PSARESP n: 3 -> 4" in found.text
    assert "no difference" in pairs.compared(tmp_path / "a.csv", tmp_path / "c.parquet").text
    with pytest.raises(UsageError, match="no bundle, run, frozen cut or ARD"):
        pairs.compared(tmp_path / "a.csv", tmp_path)


def test_comparing_returns_0_whatever_it_finds(tmp_path):
    from typer.testing import CliRunner

    from sap.cli import app

    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for path, n in zip(paths, (3, 4), strict=True):
        Path(path).write_text(ard.to_csv(results(n=n)))
    got = CliRunner().invoke(app, ["compare", *map(str, paths), "--out", str(tmp_path / "d.csv")])
    assert got.exit_code == 0
    assert "1 moved" in got.output
    assert (tmp_path / "d.csv").read_text().splitlines()[1].startswith("moved,")


KEYS_HEAD = ",".join(
    f"{side}_{name}"
    for side in ("old", "new")
    for name in ("analysis", "population", "paramcd", "group", "level", "sublevel", "stat_name")
)
RENAMED = (
    KEYS_HEAD
    + "\nflow,SCREENED,BOX,,Consented,,n,flow,SCREENED,BOX,,consented,,n"
    + "\nos,PRIMARY,OS,,,,median,os,PRIMARY,OS,,,,median\n"
)


def of_flow(level: str, n: float) -> pd.DataFrame:
    return ard.rows(
        {"n": n}, analysis="flow", section="SAP 4", population="SCREENED", paramcd="BOX",
        level=level, method="Count",
    )  # fmt: skip


@pytest.mark.parametrize(
    "before, after, words",
    [
        (74, 74, "no difference"),
        (74, 75, "1 moved"),
    ],
)
def test_a_result_of_before_is_read_under_its_new_key(tmp_path, before, after, words):
    (tmp_path / "keys.csv").write_text(RENAMED)
    (tmp_path / "old.csv").write_text(ard.to_csv(of_flow("Consented", before)))
    (tmp_path / "new.csv").write_text(ard.to_csv(of_flow("consented", after)))
    sides = tmp_path / "old.csv", tmp_path / "new.csv"
    assert words in pairs.compared(*sides, tmp_path / "keys.csv").text
    assert "1 new, 1 gone" in pairs.compared(*sides).text


def test_with_keys_a_reason_in_other_words_is_reworded_and_a_decision_is_not(tmp_path):
    (tmp_path / "keys.csv").write_text(RENAMED)
    reasons = [results(estimate=ard.NotEstimable(why)) for why in ("no one", "no patient")]
    assert compare(*reasons, reasons=False)["change"].tolist() == ["reworded"]
    assert compare(*reasons)["change"].tolist() == ["moved"]
    decisions = [results(decision=words) for words in ("H0 rejected", "H0 not rejected")]
    assert compare(*decisions, reasons=False)["change"].tolist() == ["moved"]


@pytest.mark.parametrize(
    "text, message",
    [
        ("a,b\n1,2\n", "its columns must be old_analysis"),
        (KEYS_HEAD + "\nos,PRIMARY\n", "row 1 has not 14 cells"),
        (RENAMED + RENAMED.splitlines()[1].replace("consented", "agreed") + "\n", "row 3 gives"),
        ("\udcff", "cannot be read"),
    ],
)
def test_a_table_of_keys_that_is_none_is_refused(tmp_path, text, message):
    (tmp_path / "keys.csv").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageError, match=message):
        read_keys(tmp_path / "keys.csv")


HOME = Path(__file__).parents[1]
BEFORE = Path(__file__).parent / "reference" / "ard_60_patients_0_2_0.csv"
"""CARVE's plan, 60 simulated patients, seed 5, final cut-off: the ARD of version 0.2.0."""


def test_every_number_of_version_0_2_0_is_the_same_under_its_new_key(tmp_path):
    rules = contracts.load()
    plan = read_plan(HOME / "analysis" / "plan.yml").plan
    day = plan.cut_offs.dates["final"].date
    typed = contracts.typed(trial.simulate(5, n_screened=60), rules)
    now = analyses.analyse(snapshot.in_order(snapshot.cut(typed, day), rules), plan, day).ard
    before = ard.from_csv(BEFORE)
    keys = read_keys(HOME / "docs" / "ard-keys.csv")
    assert {tuple(key) for key in before[list(ard.KEY)].itertuples(index=False)} <= set(keys)
    changes = compare(renamed(before, keys), now, reasons=False)
    near = changes[changes["change"] == "near"]  # the last digits of a fit that starts elsewhere
    assert set(near["level"]) <= {"cox"}
    assert set(changes["change"]) <= {"reworded", "near"}
    assert len(now) == len(before) > 10_000
