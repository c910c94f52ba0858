"""ADaM out: the other end is pyreadstat, R's foreign, CDISC's own schema, and the bytes of TS-140."""

import datetime as dt
import json
import re
import struct
from fractions import Fraction
from pathlib import Path

import jsonschema
import pandas as pd
import pyreadstat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sap.errors import UsageError
from sap.export import dataset_json, read_dataset_json, xpt
from sap.intake import sdtm

CUT_OFF = dt.date(2019, 6, 30)


@pytest.fixture
def adsl() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "STUDYID": ["T", "T", "T"],
            "USUBJID": ["T-001", "T-002", "T-003"],
            "AGE": [70.0, None, 0.1 + 0.2],
            "TRTSDT": pd.to_datetime(["1960-01-01", None, "2019-06-30"]),
            "DCTREAS": ["ADVERSE EVENT", None, "x" * 200],
            "NCYCLES": pd.Series([1, 2, 10], dtype="int64"),
        }
    )


def test_every_variable_the_pipeline_derives_has_a_label_of_its_own_or_its_name(adsl):
    content = xpt(adsl, "adsl", CUT_OFF)
    assert b"Unique Subject Identifier" in content
    assert b"Subject Level Analysis Dataset" in content


def test_an_xpt_is_read_back_exactly_with_labels_lengths_and_dates(adsl, tmp_path):
    path = tmp_path / "adsl.xpt"
    path.write_bytes(xpt(adsl, "adsl", CUT_OFF))
    back, about = pyreadstat.read_xport(path)
    assert about.table_name == "ADSL"
    assert about.file_label == "Subject Level Analysis Dataset"
    assert about.column_names_to_labels["AGE"] == "Age"
    assert about.variable_storage_width == {
        "STUDYID": 1, "USUBJID": 5, "AGE": 8, "TRTSDT": 8, "DCTREAS": 200, "NCYCLES": 8,
    }  # fmt: skip
    assert back["AGE"].tolist()[0] == 70.0
    assert back["AGE"].tolist()[2] == 0.1 + 0.2
    assert back["AGE"].isna().tolist() == [False, True, False]
    assert back["DCTREAS"].tolist() == ["ADVERSE EVENT", "", "x" * 200]
    assert [str(d) for d in back["TRTSDT"]][:1] == ["1960-01-01"]


def test_the_stamps_are_the_cut_off_where_ts_140_puts_them(adsl):
    content = xpt(adsl, "adsl", CUT_OFF)
    stamp = b"30JUN19:00:00:00"
    # TS-140: header records of 80 bytes; the library's second and third, the member's fifth and sixth.
    assert [content[i : i + 16] for i in (144, 160, 464, 480)] == [stamp] * 4
    assert content.startswith(b"HEADER RECORD*******LIBRARY HEADER RECORD!!!!!!!")
    assert content == xpt(adsl, "adsl", CUT_OFF)


@pytest.mark.parametrize(
    "change, said",
    [
        ({"DCTREAS": ["caf\u00e9", "ok", "na\u00efve"]}, r"ADSL.DCTREAS: text outside ASCII in row\(s\) 1, 3"),
        ({"DCTREAS": ["a\0b", "ok", "x\ny"]}, r"ADSL.DCTREAS: text with a control character in row\(s\) 1, 3"),
        ({"DCTREAS": ["ok", "x" * 201, None]}, r"text of more than 200 bytes in row\(s\) 2"),
        ({"AGE": [1.0, float("inf"), 2.0]}, r"ADSL.AGE: a number that XPT v5 cannot hold in row\(s\) 2"),
        ({"AGE": [1.0, 1e80, 2.0]}, r"ADSL.AGE: .* row\(s\) 2"),
        ({"TOOLONGNAME": [1.0, 2.0, 3.0]}, "names of 8 letters"),
    ],
)  # fmt: skip
def test_what_the_format_cannot_hold_is_refused_with_rows_and_never_cut(adsl, change, said):
    with pytest.raises(UsageError, match=said) as refused:
        xpt(adsl.assign(**change), "adsl", CUT_OFF)
    assert "caf" not in str(refused.value)


def by_hand(content: bytes) -> dict[str, list]:
    """A transport file read by the letters of TS-140: namestrs of 140 bytes, IBM numbers."""
    place = content.index(b"NAMESTR HEADER RECORD")
    count = int(content[place + 34 : place + 38])
    start = (place // 80 + 1) * 80
    columns = []
    for i in range(count):
        one = content[start + 140 * i : start + 140 * (i + 1)]
        kind, _, length = struct.unpack(">hhh", one[:6])
        columns.append((one[8:16].decode().strip(), kind, length))
    first = content.index(b"OBS     HEADER RECORD") // 80 * 80 + 80
    width = sum(length for _, _, length in columns)
    found: dict[str, list] = {name: [] for name, _, _ in columns}
    body = content[first:]
    while len(body) >= width and body[:width].strip(b" "):
        for name, kind, length in columns:
            cell, body = body[:length], body[length:]
            found[name].append(ibm(cell) if kind == 1 else cell.decode().rstrip(" "))
    return found


def ibm(cell: bytes) -> float | None:
    """Sign, exponent of 16 with bias 64, fraction of 56 bits; a dot and zeros are missing."""
    if cell == b"." + b"\0" * 7:
        return None
    sign = -1 if cell[0] & 0x80 else 1
    fraction = Fraction(int.from_bytes(cell[1:], "big"), 2**56)
    return float(sign * fraction * Fraction(16) ** ((cell[0] & 0x7F) - 64))


def test_a_reader_written_from_the_specification_finds_the_same_cells(adsl):
    found = by_hand(xpt(adsl, "adsl", CUT_OFF))
    assert list(found) == list(adsl.columns)
    assert found["AGE"] == [70.0, None, 0.1 + 0.2]
    assert found["USUBJID"] == ["T-001", "T-002", "T-003"]
    # By hand: 59 years of 365 days, 15 leap days and 180 days from 1 January to 30 June: 21730.
    assert found["TRTSDT"] == [0.0, None, 21730.0]
    assert found["NCYCLES"] == [1.0, 2.0, 10.0]


@pytest.mark.shared
def test_dataset_json_is_valid_against_the_schema_of_cdisc(adsl, shared_data):
    path = shared_data / "standards" / "dataset-json" / "dataset.schema.json"
    schema = json.loads(path.read_text(encoding="utf-8"))
    for frame in (adsl, adsl.iloc[:0]):
        content = json.loads(dataset_json(frame, "adsl", study="T", moment=CUT_OFF))
        jsonschema.validate(content, schema)
        assert content["records"] == len(content["rows"]) == len(frame)
    # The schema can say no.
    del content["columns"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, schema)


def test_dataset_json_comes_back_cell_for_cell_and_type_for_type(adsl):
    again = read_dataset_json(dataset_json(adsl, "adsl", study="T", moment=CUT_OFF))
    pd.testing.assert_frame_equal(again, adsl)


def test_the_intake_of_this_program_reads_what_it_exports(adsl, tmp_path):
    (tmp_path / "dm.json").write_bytes(dataset_json(adsl, "dm", study="T", moment=CUT_OFF))
    table = sdtm.read(tmp_path)["dm"]
    assert table["USUBJID"].tolist() == adsl["USUBJID"].tolist()
    assert table["AGE"].tolist() == ["70", None, "0.30000000000000004"]


TEXT = st.text(st.characters(codec="utf-8"), max_size=20)


@given(st.lists(st.tuples(st.floats(allow_nan=False, allow_infinity=False), TEXT), max_size=8))
@settings(derandomize=True, deadline=None, max_examples=60)
def test_any_number_and_any_text_survive_dataset_json(rows):
    frame = pd.DataFrame(
        {
            "AVAL": pd.Series([a for a, _ in rows], dtype=float),
            "AVALC": pd.Series([t for _, t in rows], dtype=object),
        }
    )
    again = read_dataset_json(dataset_json(frame, "adrs", study="T", moment=CUT_OFF))
    pd.testing.assert_frame_equal(again, frame)


ASCII = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)
IBM = st.floats(min_value=1e-70, max_value=1e70) | st.floats(min_value=-1e70, max_value=-1e-70)


@given(st.lists(st.tuples(IBM, ASCII), min_size=1, max_size=5))
@settings(derandomize=True, deadline=None, max_examples=25)
def test_any_number_in_range_and_any_ascii_survive_xpt(tmp_path_factory, rows):
    frame = pd.DataFrame({"AVAL": [a for a, _ in rows], "AVALC": [t for _, t in rows]})
    path = tmp_path_factory.mktemp("xpt") / "adrs.xpt"
    path.write_bytes(xpt(frame, "adrs", CUT_OFF))
    back, _ = pyreadstat.read_xport(path)
    # A double has 53 bits, an IBM number at least 53: nothing is lost.
    assert back["AVAL"].tolist() == frame["AVAL"].tolist()
    assert back["AVALC"].tolist() == frame["AVALC"].tolist()


@pytest.fixture
def run_with_an_accent(tmp_path) -> Path:
    run = tmp_path / "run"
    (run / "adam").mkdir(parents=True)
    (run / "tables").mkdir()
    (run / "ard.csv").write_text("")
    facts = {"study": "T", "cut_off": "2019-06-30", "cut_id": "final-2019-06-30-00000000"}
    (run / "tables" / "run.json").write_text(json.dumps(facts))
    accent = pd.DataFrame({"USUBJID": ["T-1"], "AETERM": ["caf\u00e9"]})
    accent.to_parquet(run / "adam" / "adae.parquet", index=False)
    pd.DataFrame({"USUBJID": ["T-1"]}).to_parquet(run / "adam" / "adsl.parquet", index=False)
    return run


@pytest.mark.parametrize(
    "only, written",
    [
        ("dataset-json", ["adae.json", "adsl.json"]),
        ("adam-xpt", ["adsl.xpt", "left-out.txt"]),
    ],
)
def test_one_letter_stops_its_own_xpt_and_nothing_else(run_with_an_accent, tmp_path, only, written):
    from sap.pipeline import packing

    out = packing.hand_over(run_with_an_accent, tmp_path / "out", only)
    assert sorted(p.name for p in out.iterdir() if p.name != ".sap") == written
    if only == "adam-xpt":
        said = (out / "left-out.txt").read_text()
        assert re.search(r"ADAE.AETERM: text outside ASCII in row\(s\) 1", said)


def test_an_export_that_holds_nothing_is_refused_and_writes_nothing(run_with_an_accent, tmp_path):
    from sap.pipeline import packing

    (run_with_an_accent / "adam" / "adsl.parquet").unlink()
    with pytest.raises(UsageError, match=r"ADAE.AETERM: text outside ASCII in row\(s\) 1"):
        packing.hand_over(run_with_an_accent, tmp_path / "out", "adam-xpt")
    assert not (tmp_path / "out").exists()
    assert [p.name for p in Path(tmp_path).iterdir() if "out.new" in p.name] == []


@pytest.mark.parametrize(
    "label, said",
    [
        ("x" * 41, "ADSL.AGE: its label is longer than 40 characters"),
        ("\u00c2ge", "ADSL.AGE: its label has a character outside printable ASCII"),
        ("A\0ge", "ADSL.AGE: its label has a character outside printable ASCII"),
    ],
)
def test_a_label_that_the_format_cannot_hold_is_refused(adsl, monkeypatch, label, said):
    monkeypatch.setitem(xpt.__globals__, "label_of", lambda name: label if name == "AGE" else name)
    with pytest.raises(UsageError, match=said):
        xpt(adsl, "adsl", CUT_OFF)


def test_a_label_of_a_dataset_is_held_to_the_same(adsl, monkeypatch):
    monkeypatch.setitem(xpt.__globals__, "dataset_label", lambda name: "x" * 41)
    with pytest.raises(UsageError, match="ADSL: its label is longer than 40 characters"):
        xpt(adsl, "adsl", CUT_OFF)


def test_an_infinite_number_leaves_out_the_files_of_its_dataset_alone(tmp_path):
    from sap.pipeline import packing

    frames = {
        "adsl": pd.DataFrame({"USUBJID": ["T-1"], "AGE": [float("inf")]}),
        "adae": pd.DataFrame({"USUBJID": ["T-1"]}),
    }
    made, left_out = packing.interchange(frames, {"study": "T", "cut_off": "2019-06-30"})
    assert sorted(made) == ["adae.json", "adae.xpt"]
    assert sorted(left_out) == ["adsl.json", "adsl.xpt"]
    assert "ADSL.AGE: a number that XPT v5 cannot hold in row(s) 1" in left_out["adsl.xpt"]
    assert left_out["adsl.json"].startswith("ADSL.AGE: an infinite number in row 1")


def test_a_column_without_a_value_has_the_type_of_the_catalogue_in_each_file(tmp_path):
    """Pandas gives a column of missing values any type: LINE is a text, RFICDT a date, AGE a number."""
    from sap.pipeline import packing

    nothing = {"LINE": [float("nan")], "RFICDT": [None], "AGE": [None], "OTHER": [None]}
    frames = {"adsl": pd.DataFrame({"USUBJID": ["T-1"], **nothing}), "adpc": _no_sample()}
    made, left_out = packing.interchange(frames, {"study": "T", "cut_off": "2019-06-30"})
    assert left_out == {}
    for name, columns in {
        "adsl": ("LINE", "RFICDT", "AGE"),
        "adpc": ("AVISIT", "ADT", "AVAL"),
    }.items():
        (tmp_path / f"{name}.xpt").write_bytes(made[f"{name}.xpt"])
        _, about = pyreadstat.read_xport(tmp_path / f"{name}.xpt")
        kinds = [about.readstat_variable_types[c] for c in columns]
        assert kinds == ["string", "double", "double"]
        assert str(about.original_variable_types[columns[1]]).startswith("DATE")
        described = {c["name"]: c["dataType"] for c in json.loads(made[f"{name}.json"])["columns"]}
        assert [described[c] for c in columns] == ["string", "date", "double"]


def _no_sample() -> pd.DataFrame:
    return pd.DataFrame(columns=["USUBJID", "AVISIT", "ADT", "AVAL"], dtype=object)
