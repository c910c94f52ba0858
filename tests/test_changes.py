"""What changed between two ARDs, row by row, with the answer beside each."""

import pandas as pd
import pytest

from sap import ard
from sap.ard import NotEstimable
from sap.results.changes import changes


def rows(**stats) -> pd.DataFrame:
    return ard.rows(stats, analysis="a", section="SAP 1", population="P", method="m")


@pytest.mark.parametrize(
    "before, now, said",
    [
        ({"n": 1}, {"n": 1}, ("same", "1.0", "1.0")),
        ({"n": 1}, {"n": 2}, ("moved", "1.0", "2.0")),
        ({"n": 0.3}, {"n": 0.1 + 0.2}, ("moved", "0.3", "0.30000000000000004")),
        (
            {"n": NotEstimable("no patient")},
            {"n": NotEstimable("no patient")},
            ("same", "no patient", "no patient"),
        ),
        ({"n": NotEstimable("no patient")}, {"n": 1}, ("moved", "no patient", "1.0")),
        ({"n": "stop"}, {"n": "go on"}, ("moved", "stop", "go on")),
        ({}, {"n": 1}, ("new", "", "1.0")),
        ({"n": 1}, {}, ("gone", "1.0", "")),
    ],
)
def test_each_row_is_same_moved_new_or_gone(before, now, said):
    keep = {"kept": 1}
    found = changes(rows(**keep, **before), rows(**keep, **now))
    mine = found[found["stat_name"] == "n"]
    assert mine[["change", "before", "now"]].to_numpy().tolist() == [list(said)]
    assert found[found["stat_name"] == "kept"]["change"].tolist() == ["same"]


def test_two_equal_reports_have_no_change_and_the_order_of_rows_does_not_matter():
    one = pd.concat([rows(n=1), rows(mean=2.5)])
    assert set(changes(one, one.iloc[::-1])["change"]) == {"same"}
