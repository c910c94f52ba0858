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


def test_many_places_at_once_are_the_rows_of_each():
    where = {"analysis": "a", "section": "s", "population": "P", "method": "m", "paramcd": "C"}
    places = [("Skin", "", 3, 0.3), ("Skin", "=Rash", 1, 0.1)]
    levels, sublevels, n, share = zip(*places, strict=True)
    at_once = ard.many({"n": n, "estimate": share}, level=levels, sublevel=sublevels, **where)
    one_by_one = [
        ard.rows({"n": n, "estimate": share}, level=level, sublevel=sublevel, **where)
        for level, sublevel, n, share in places
    ]
    pd.testing.assert_frame_equal(ard.bind([at_once]), ard.bind(one_by_one))
    with pytest.raises(ValueError, match="NaN without a reason"):
        ard.many({"n": [math.nan]}, level=["Skin"], sublevel=[""], **where)
    assert len(ard.many({"n": []}, level=[], sublevel=[], **where)) == 0


def test_datasets_without_a_row_keep_their_columns():
    """Before anybody is treated no part has a row; what reads COURSE must still find it."""
    empty, with_course = pd.DataFrame(columns=["X"]), pd.DataFrame(columns=["X", "COURSE"])
    assert list(stacked(empty, with_course).columns) == ["X", "COURSE"]
    one = stacked(pd.DataFrame({"X": [1]}), with_course)
    assert one["X"].tolist() == [1]
    assert one["COURSE"].isna().all()


@pytest.mark.parametrize(
    "text, shown",
    [
        ("abc\u202edef", "abc[U+202E]def"),
        ("\x00\x1b[31m", "[U+0000][U+001B][31m"),
        ("a\u2066b\u2069\u200b", "a[U+2066]b[U+2069][U+200B]"),
        ("a\u2028b\ufeff", "a[U+2028]b[U+FEFF]"),
        ("\U000e0041", "[U+E0041]"),
        ("[U+0041]", "[U+005B]U+0041]"),
        ("two\nlines, \u0645\u200c\u06cc, \u6f22", "two\nlines, \u0645\u200c\u06cc, \u6f22"),
    ],
)
def test_no_control_or_direction_character_is_in_a_file_or_an_address_unnamed(
    tmp_path, text, shown
):
    """Named by their code points (Unicode), in CSV and keys; read again they are what they were."""
    one = ard.rows(
        {"n": 1, "t": text}, analysis="a", section="s", population="P", method="m", level=text
    )
    path = tmp_path / "ard.csv"
    written = ard.to_csv(one)
    path.write_text(written, encoding="utf-8", newline="")
    back = ard.from_csv(path)
    assert back["level"].tolist() == [text, text]
    assert back["stat_text"].tolist() == ["", text]
    for held in (written, ard.key(dict(one.iloc[0]))):
        assert shown in held
        assert not [c for c in held if c != "\n" and c != "\u200c" and not c.isprintable()]
