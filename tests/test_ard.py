"""The ARD as a file, and datasets bound for it: what goes in comes out."""

import math

import pandas as pd
import pytest

from sap import ard
from sap.errors import ResultError, UsageError
from sap.pipeline.datasets import stacked

TEXTS = [
    "=1+1",
    "'quoted",
    "a,b",
    'say "so"',
    "two\nlines",
    "two\r\nlines",
    "a\u2028b",
    "a\x85b",
    "",
]


@pytest.mark.parametrize("text", TEXTS)
def test_every_text_and_every_digit_come_back_from_the_file(tmp_path, text):
    frame = ard.rows(
        {"n": 1 / 3, "reason": ard.NotEstimable(text or "none")},
        analysis="a", section="s", population="P", method="m", level=text,
    )  # fmt: skip
    path = tmp_path / "ard.csv"
    path.write_text(ard.to_csv(frame), encoding="utf-8", newline="")
    back = ard.from_csv(path)
    assert back["level"].tolist() == [text, text]
    assert back["stat"].iloc[0] == 1 / 3
    assert math.isnan(back["stat"].iloc[1])
    assert ard.to_csv(back) == ard.to_csv(frame)


@pytest.mark.parametrize(
    "line, message",
    [
        ("a,s,P,,,,,n,three,,m", "row 2, column stat is no number"),
        ("a,s,P,,,,,n,3.0", "row 2 has 9 cells and not 11"),
    ],
)
def test_a_wrong_cell_of_an_ard_is_named_by_file_and_place(tmp_path, line, message):
    one = ard.rows({"n": 1}, analysis="a", section="s", population="P", method="m")
    path = tmp_path / "ard.csv"
    path.write_text(ard.to_csv(one) + line + "\n", encoding="utf-8")
    with pytest.raises(UsageError, match=f"ard.csv: {message}"):
        ard.from_csv(path)


def test_a_key_that_stands_twice_is_refused():
    one = ard.rows({"n": 1}, analysis="a", section="s", population="P", method="m")
    with pytest.raises(ResultError, match=r"a\|P\|"):
        ard.bind([one, one])


def test_a_number_that_is_missing_without_a_reason_is_refused():
    with pytest.raises(ValueError, match="NaN without a reason"):
        ard.rows({"n": math.nan}, analysis="a", section="s", population="P", method="m")


def test_datasets_without_a_row_keep_their_columns():
    """Before anybody is treated no part has a row; what reads COURSE must still find it."""
    empty, with_course = pd.DataFrame(columns=["X"]), pd.DataFrame(columns=["X", "COURSE"])
    assert list(stacked(empty, with_course).columns) == ["X", "COURSE"]
    one = stacked(pd.DataFrame({"X": [1]}), with_course)
    assert one["X"].tolist() == [1]
    assert one["COURSE"].isna().all()
