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
from sap.bundle.comparison import Tolerance, displays_of, key_of, tolerance_of
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


# ---- tolerances, displays and rows, each case by hand ----------------------------------------------


@pytest.mark.parametrize(
    "absolute, relative, left, right, holds",
    [
        (0.5, 0.0, 1.0, 1.5, True),  # exactly at the limit
        (0.5, 0.0, 1.0, 1.75, False),
        (0.0, 0.5, 1.0, 2.0, True),  # half of the larger number
        (0.0, 0.5, 2.0, 1.0, True),
        (0.0, 0.5, -2.0, -1.0, True),
        (0.0, 0.5, 1.0, 2.5, False),
        (0.5, 0.125, 1.0, 1.5, True),  # the larger of the two limits counts
        (0.125, 0.5, 1.0, 1.5, True),
        (0.5, 0.5, 1.0, -1.0, False),
        (9.0, 9.0, -math.inf, math.inf, False),
        (9.0, 9.0, math.nan, 1.0, False),
        (9.0, 9.0, 1.0, math.nan, False),
    ],
)
def test_a_difference_at_the_limit_of_a_tolerance_is_within_it(
    absolute, relative, left, right, holds
):
    assert Tolerance(absolute, relative).holds(left, right) is holds


def test_counts_have_no_tolerance_fits_a_wide_one_and_all_others_a_narrow_one():
    assert [tuple(tolerance_of(name)) for name in ("n_events", "coverage", "median")] == [
        (0.0, 0.0), (1e-9, 1e-6), (1e-12, 1e-9),
    ]  # fmt: skip


SHOWN = {
    "house_style": {"hundred": "100"},
    "number": "a text that holds no display",
    "tlf-a": {"kind": "table", "number": "1", "analysis": ["os", "os_curve"]},
    "tlf-b": {"kind": "figure", "number": "2", "analysis": ["os_curve"]},
    "tlf-c": {"number": "3"},
    "tlf-d": {"kind": "listing", "number": "4", "analysis": None},
}


@pytest.mark.parametrize(
    "analysis, displays",
    [
        ("os", "Table 1"),
        ("os_curve", "Table 1; Figure 2"),
        ("os_curve_steps", "Table 1; Figure 2"),
        ("os_rate", "Table 1"),
        ("osx", ""),
        ("o", ""),
    ],
)
def test_an_analysis_belongs_to_the_displays_of_the_longest_name_it_begins_with(analysis, displays):
    assert displays_of(SHOWN, analysis) == displays


def test_each_kind_of_difference_has_both_sides_and_the_difference_right_minus_left():
    """Rows in the order of the keys; without a catalogue no display is named."""
    left = results(a=1, b=2.5, c=0.5, d="yes", e=1, f=4)
    right = results(a=3, b=2.5, c=0.5 + 1e-12, d="no", f=4, g=7).assign(
        section=lambda rows: rows["section"].where(rows["stat_name"] != "b", "SAP 5.2")
    )
    found = compare(left, right)
    assert list(found.columns) == ["change", "displays", *ard.KEY, "left", "right", "difference"]
    assert set(found["displays"]) == {""}
    assert set(found["analysis"]) == {"psa_response"}
    rows = found[["change", "stat_name", "left", "right"]].to_numpy().tolist()
    assert rows == [
        ["moved", "a", "1", "3"],
        ["reworded", "b", "2.5", "2.5"],
        ["near", "c", "0.5", repr(0.5 + 1e-12)],
        ["moved", "d", "NE (yes)", "NE (no)"],
        ["gone", "e", "1", ""],
        ["new", "g", "", "7"],
    ]
    gaps = found["difference"].tolist()
    assert gaps[0] == 2.0
    assert gaps[2] == pytest.approx(1e-12, rel=1e-3)
    assert [math.isnan(gap) for gap in gaps] == [False, True, False, True, True, True]


def test_two_rows_of_analyses_with_other_displays_have_each_its_own():
    both = [ard.bind([results(n=n), results(n=n).assign(analysis="os")]) for n in (3, 4)]
    found = compare(*both, CATALOGUE)
    assert found[["analysis", "displays"]].to_numpy().tolist() == [
        ["os", "Figure 14.2.3"],
        ["psa_response", "Table 14.2.1.1"],
    ]


@pytest.mark.parametrize("reasons", [True, False])
def test_a_number_that_became_estimable_or_lost_its_estimate_has_moved(reasons):
    """Also where other words of a reason do not count, and where neither side has words."""
    none, some = results(median=ard.NotEstimable("not reached")), results(median=9.5)
    for left, right in ((none, some), (some, none)):
        assert compare(left, right, reasons=reasons)["change"].tolist() == ["moved"]
    wordless = none.assign(stat_text="")
    for left, right in ((wordless, some), (some, wordless)):
        assert compare(left, right, reasons=reasons)["change"].tolist() == ["moved"]
    assert compare(wordless, wordless).empty
    assert compare(wordless, wordless.assign(method="other"))["left"].tolist() == ["NE"]


def test_a_number_with_another_text_has_moved_whatever_counts_as_a_reason():
    left = results(estimate=1.5).assign(stat_text="a")
    right = left.assign(stat_text="b")
    assert compare(left, right, reasons=False)["change"].tolist() == ["moved"]


@pytest.mark.parametrize(
    "columns, key",
    [
        (["AESEQ", "USUBJID", "AETERM"], ["USUBJID", "AESEQ"]),
        (["ADT", "COURSE", "PARAMCD", "USUBJID"], ["USUBJID", "PARAMCD", "COURSE", "ADT"]),
        (["STUDYID", "RELSEQ1", "SUBSEQ", "ABCDE"], ["STUDYID"]),
        (["X", "Y"], ["X"]),
        ([], []),
    ],
)
def test_the_key_of_a_dataset_is_in_the_order_of_subject_parameter_course_and_day(columns, key):
    assert key_of(columns) == key


def test_records_of_one_key_are_numbered_and_a_date_or_missing_part_is_not_printed():
    """P1 has two records on one day and a third in the right table; P2 has no parameter.

    Of the second P1 record the value differs; P3 is in the left table only.
    """
    day, later = pd.Timestamp("2017-03-01"), pd.Timestamp("2017-04-01")
    left = pd.DataFrame(
        {
            "USUBJID": ["P1", "P1", "P2", "P3"],
            "PARAMCD": ["PSA", "PSA", None, "PSA"],
            "ADT": [day, day, day, later],
            "AVAL": [1.0, 2.0, 3.0, 4.0],
            "AVALC": ["1", "2", None, "4"],
            "OLD": ["x"] * 4,
        }
    )
    right = pd.DataFrame(
        {
            "USUBJID": ["P1", "P1", "P1", "P2"],
            "PARAMCD": ["PSA", "PSA", "PSA", math.nan],
            "ADT": [day] * 4,
            "AVAL": [1.0, 2.5, 9.0, 3.0],
            "AVALC": ["1", "2", "9", "x"],
            "NEW": ["x"] * 4,
        }
    )
    found = compare_tables(left, right, "adlb")
    assert list(found.columns) == ["change", "dataset", "key", "columns"]
    assert found.to_numpy().tolist() == [
        ["gone", "adlb", "", "OLD"],
        ["new", "adlb", "", "NEW"],
        ["moved", "adlb", "P1 PSA #1", "AVAL"],
        ["new", "adlb", "P1 PSA #2", ""],
        ["moved", "adlb", "P2", "AVALC"],
        ["gone", "adlb", "P3 PSA", ""],
    ]


def test_a_key_column_that_one_side_lacks_is_no_part_of_the_key():
    left = pd.DataFrame({"USUBJID": ["P1"], "AESEQ": [1.0], "AETERM": ["X"]})
    found = compare_tables(left, left.drop(columns="AESEQ"), "ae")
    assert found.to_numpy().tolist() == [["gone", "ae", "", "AESEQ"]]
    other = compare_tables(left.drop(columns="AESEQ"), left, "ae")
    assert other.to_numpy().tolist() == [["new", "ae", "", "AESEQ"]]


@pytest.mark.parametrize(
    "one, other, same",
    [
        (1.0, 1.0 + 1e-13, True),
        (1, 1.0, True),
        (1.0, 1.1, False),
        (None, math.nan, True),
        (None, None, True),
        (pd.NaT, None, True),
        (None, "x", False),
        ("x", math.nan, False),
        ("1", 1.0, False),
        (1.0, "1", False),
        ("x", "x", True),
        ("x", "y", False),
    ],
)
def test_two_cells_are_the_same_within_the_tolerance_or_both_missing(one, other, same):
    cells = [
        pd.DataFrame({"USUBJID": ["P"], "V": pd.Series([v], dtype=object)}) for v in (one, other)
    ]
    found = compare_tables(*cells, "x")
    assert found.to_numpy().tolist() == ([] if same else [["moved", "x", "P", "V"]])


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
        (KEYS_HEAD + "\n", "its columns must be old_analysis"),
        ("", "its columns must be old_analysis"),
        (KEYS_HEAD.replace("old_level", "level") + "\n" + "a," * 13 + "a\n", "its columns must be"),
        (RENAMED + "a," * 14 + "a\n", "row 3 has not 14 cells"),
        (RENAMED + "os,PRIMARY\n", "row 3 has not 14 cells"),
        (RENAMED.replace("Consented", '"Con"sented'), "cannot be read as CSV: Error"),
    ],
)
def test_a_table_of_keys_that_is_none_is_refused(tmp_path, text, message):
    (tmp_path / "keys.csv").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageError, match=message):
        read_keys(tmp_path / "keys.csv")


def test_one_row_of_keys_and_a_row_given_twice_are_read(tmp_path):
    """A key that is not in the table stays as it is; the index of the rows stays as well."""
    one = "\n".join(RENAMED.splitlines()[:2]) + "\n"
    cells = {"analysis": "flow", "population": "SCREENED", "paramcd": "BOX", "stat_name": "n"}
    old, new = (
        tuple((cells | {"level": level}).get(name, "") for name in ard.KEY)
        for level in ("Consented", "consented")
    )
    expected = {old: new}
    for text in (one, one + one.splitlines()[1] + "\n"):
        (tmp_path / "keys.csv").write_text(text)
        assert read_keys(tmp_path / "keys.csv") == expected
    rows = ard.bind([of_flow("Consented", 1), of_flow("Other", 2)]).set_index(pd.Index([5, 9]))
    made = renamed(rows, expected)
    assert made["level"].to_dict() == {5: "consented", 9: "Other"}
    assert made.drop(columns="level").equals(rows.drop(columns="level"))


HOME = Path(__file__).parents[1]
BEFORE = Path(__file__).parent / "reference" / "ard_60_patients_0_2_0.csv"
"""CARVE's plan, 60 simulated patients, seed 5, final cut-off: the ARD of version 0.2.0."""


# 0.4.0, The board: causes of death that only the closed report has are one sublevel; decisions in other words.
MOVED = {
    "dsmb_deaths": {"N", "estimate", "n"},
    "interim": {"decision", "decision_high", "decision_low"},
}


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
    # The last digits of a fit that starts elsewhere, or that another CPU's kernel of OpenBLAS gives.
    near = changes[changes["change"] == "near"]
    assert set(near["analysis"]) <= {"os_group", "os_marker", "exposure_response"}
    assert set(near.loc[near["analysis"] != "exposure_response", "level"]) <= {"cox"}
    moved = changes[~changes["change"].isin(["reworded", "near", "new"])]
    statistics = moved.groupby("analysis")["stat_name"].unique().map(set).to_dict()
    assert statistics == MOVED
    assert len(before) > 10_000
    assert (
        len(now)
        == len(before) + (changes["change"] == "new").sum() - (moved["change"] == "gone").sum()
    )
