"""Files of four kinds into the same tables, and back to CSV without loss."""

import json
import struct
import time
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyreadstat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sap.errors import UsageError
from sap.intake import sdtm


def put(folder: Path, name: str, content: str | bytes) -> Path:
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def rows(table: pd.DataFrame) -> list[list[str | None]]:
    return table.to_numpy().tolist()


def test_csv_with_mark_windows_line_ends_and_lower_case_header(tmp_path):
    put(tmp_path, "DM.CSV", "\ufeffusubjid,Age\r\nT-001,70\r\nT-002,\r\n\r\n")
    table = sdtm.read(tmp_path)["dm"]
    assert list(table.columns) == ["USUBJID", "AGE"]
    assert rows(table) == [["T-001", "70"], ["T-002", None]]


def test_what_pandas_would_take_for_missing_or_for_a_number_stays_text(tmp_path):
    put(tmp_path, "ae.csv", 'AEACN,AESEQ,AETERM\nNone,007,NA\nN/A,1e3,"a\nb"\n')
    assert rows(sdtm.read(tmp_path)["ae"]) == [["None", "007", "NA"], ["N/A", "1e3", "a\nb"]]


def test_a_table_without_rows_keeps_its_columns(tmp_path):
    table = sdtm.read(put(tmp_path, "dv.csv", "STUDYID,DVSEQ\n"))["dv"]
    assert list(table.columns) == ["STUDYID", "DVSEQ"]
    assert table.empty


REFUSED = [
    ("dm.csv", b"", "dm.csv is empty"),
    ("dm.csv", b"\r\n", "dm.csv is empty"),
    ("dm.csv", b"A;B\n1;2\n", "separated by semicolons"),
    ("dm.csv", b"A\tB\n1\t2\n", "separated by tabs"),
    ("dm.csv", b"A,B\n1,2,3\n", "row 1 has 3 cells, the header 2"),
    ("dm.csv", b"A,a\n1,2\n", "the column A twice"),
    ("dm.csv", b"A,\n1,2\n", "a column without a name"),
    ("dm.csv", b"A,B\n1,Ren\xe9\n", "dm.csv is not UTF-8"),
    ("dm.csv", b'A,B\n1,"open\n', "dm.csv is not a CSV file"),
    ("dm.xpt", b"", "dm.xpt is not a SAS transport file"),
    ("dm.xpt", b"not a transport file at all", "dm.xpt is not a SAS transport file"),
    ("dm.parquet", b"", "dm.parquet is not a Parquet file"),
    ("dm.parquet", b"PAR1 and more", "dm.parquet is not a Parquet file"),
    ("dm.json", b"", "dm.json is not Dataset-JSON"),
    ("dm.json", b"[1, 2]", "dm.json is not Dataset-JSON"),
    ("dm.ndjson", b"", "dm.ndjson is not Dataset-JSON"),
    ("dm.xlsx", b"PK", "dm.xlsx is of no kind that can be read"),
    ("dm.csv.gz", b"x", "dm.csv.gz is of no kind"),
]


@pytest.mark.parametrize("name, content, message", REFUSED)
def test_a_file_that_cannot_be_read_is_named(tmp_path, name, content, message):
    with pytest.raises(UsageError, match=message):
        sdtm.read(put(tmp_path, name, content))


def test_two_files_of_one_domain(tmp_path):
    put(tmp_path, "dm.csv", "A\n1\n")
    put(tmp_path, "dm.json", json.dumps({**dataset(0), "rows": []}))
    with pytest.raises(UsageError, match=r"are both domain dm"):
        sdtm.read(tmp_path)


def test_no_folder_and_no_tables(tmp_path):
    with pytest.raises(UsageError, match="is not a folder"):
        sdtm.read(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="holds no SDTM file"):
        sdtm.read(put(tmp_path, "define.xml", "<x/>"))


def test_documents_lists_and_hidden_files_are_no_tables(tmp_path):
    for name in ("define.xml", "README.md", "acrf.pdf", ".DS_Store", "planted.csv", "unmapped.csv"):
        put(tmp_path, name, "x\n")
    (tmp_path / "split").mkdir()
    assert list(sdtm.read(put(tmp_path, "dm.csv", "A\n1\n"))) == ["dm"]


cells = (
    st.none()
    | st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=6
    )
    | st.sampled_from(['"', "\r", "\n", "\r\n", ",", " ", "'", "\ufeff", "NA"])
)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.lists(st.tuples(cells, cells), max_size=5))
def test_a_table_comes_back_from_its_file_as_it_was(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("round")
    table = pd.DataFrame(content, columns=["USUBJID", "AETERM"], dtype=object)
    sdtm.write({"ae": table}, folder)
    assert rows(sdtm.read(folder)["ae"]) == [list(row) for row in content]


def test_the_same_table_the_same_bytes_and_nothing_left_beside(tmp_path):
    table = pd.DataFrame({"USUBJID": ["T-1", "T-2"], "AGE": [70.0, None], "X": [0.1, 1e-7]})
    for folder in (tmp_path / "one", tmp_path / "two"):
        sdtm.write({"dm": table}, folder)
        assert [path.name for path in folder.iterdir()] == ["dm.csv"]
        assert (folder / "dm.csv").read_bytes() == b"USUBJID,AGE,X\nT-1,70,0.1\nT-2,,1e-07\n"


numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False, width=64)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.lists(numbers, min_size=1, max_size=5))
def test_parquet_loses_no_digit(tmp_path_factory, values):
    folder = tmp_path_factory.mktemp("parquet")
    table = pa.table(
        {"LBSTRESN": pa.array(values, pa.float64()), "LBSEQ": [2**53 + 1] * len(values)}
    )
    pq.write_table(table, folder / "lb.parquet")
    read = sdtm.read(folder)["lb"]
    assert [None if cell is None else float(cell) for cell in read["LBSTRESN"]] == values
    assert set(read["LBSEQ"]) == {"9007199254740993"}


def test_a_list_in_parquet_is_refused(tmp_path):
    pq.write_table(pa.table({"A": [[1, 2]]}), tmp_path / "lb.parquet")
    with pytest.raises(UsageError, match=r"lb\.parquet is not a Parquet file of plain columns"):
        sdtm.read(tmp_path)


def test_transport_file_of_version_5(tmp_path):
    table = pd.DataFrame({"USUBJID": ["T-1", "T-2"], "AGE": [70.0, None], "VAL": [0.1, -2.5]})
    pyreadstat.write_xport(table, tmp_path / "dm.xpt", table_name="DM", file_format_version=5)
    assert rows(sdtm.read(tmp_path)["dm"]) == [["T-1", "70", "0.1"], ["T-2", None, "-2.5"]]


def dataset(records: int, version: str = "1.1.0") -> dict[str, object]:
    columns = [{"name": name} for name in ("USUBJID", "AGE", "WEIGHT")]
    return {"datasetJSONVersion": version, "columns": columns, "records": records}


def test_dataset_json_whole_and_by_lines(tmp_path):
    content = [["T-1", 70, 82.50], ["T-2", None, "82.50"]]
    put(tmp_path, "dm.json", json.dumps({**dataset(2), "rows": content}))
    lines = [json.dumps(part) for part in (dataset(2), *content)]
    put(tmp_path, "vs.ndjson", "\n".join(lines) + "\n")
    tables = sdtm.read(tmp_path)
    expected = [["T-1", "70", "82.5"], ["T-2", None, "82.50"]]
    assert rows(tables["dm"]) == rows(tables["vs"]) == expected


@pytest.mark.parametrize(
    "content, message",
    [
        ({**dataset(0, "1.0.0"), "rows": []}, "another version"),
        ({**dataset(2), "rows": [["T-1", 70, 1]]}, "declares 2 records and has 1"),
        ({**dataset(1), "rows": [["T-1", 70]]}, "row 1 has 2 cells"),
        (
            {**dataset(1), "rows": [["T-1", {}, 1]]},
            "row 1, column AGE: a value is no text, number or date",
        ),
    ],
)
def test_dataset_json_that_breaks_its_word(tmp_path, content, message):
    with pytest.raises(UsageError, match=message):
        sdtm.read(put(tmp_path, "dm.json", json.dumps(content)))


def test_dataset_json_is_read_to_the_letter(tmp_path):
    """CDISC's schema: `records` is an integer, `rows` an array of arrays, `name` a string; RFC 8259
    leaves open what a key given twice means, and has no NaN."""
    names = '"columns": [{"name": "A"}], "datasetJSONVersion": "1.1.0"'
    for content, message in (
        ('{%s, "records": 1, "rows": [["a"]], "rows": [["b"]]}', "the key 'rows' is given twice"),
        ('{%s, "records": 2, "rows": "ab"}', "`rows` is no list"),
        ('{%s, "records": 1, "rows": null}', "`rows` is no list"),
        ('{%s, "records": 1, "rows": ["a"]}', "row 1 is no list of cells"),
        ('{%s, "records": 1.9, "rows": [["a"]]}', "`records` is missing or no whole number"),
        ('{%s, "records": true, "rows": [["a"]]}', "`records` is missing or no whole number"),
        ('{%s, "records": 1e999, "rows": [["a"]]}', "a number is out of range"),
        ('{%s, "records": 1, "rows": [[1e999]]}', "a number is out of range"),
        ('{%s, "records": 1, "rows": [[NaN]]}', "NaN is no number of JSON"),
        ('{%s, "records": 1, "rows": [["\\ud800"]]}', "row 1, column A: .*lone surrogate"),
        ('{%s, "x": ' + "[" * 200_000 + "]" * 200_000 + "}", "nested too deep"),
        ("[%.0s1]", "begins with no object"),
    ):
        with pytest.raises(UsageError, match=f"dm.json.*{message}"):
            sdtm.read(put(tmp_path, "dm.json", content % names))
    numbered = '{"columns": [{"name": 5}], "datasetJSONVersion": "1.1.0", "records": 0, "rows": []}'
    with pytest.raises(UsageError, match="the name of column 1 is no text"):
        sdtm.read(put(tmp_path, "dm.json", numbered))


def test_lines_of_ndjson_end_at_a_line_feed_alone(tmp_path):
    """U+2028, U+2029 and U+0085 are letters of a text in JSON (RFC 8259, section 7)."""
    text = "hip\u2028left\u2029of\x85him"
    head = {**dataset(1), "columns": [{"name": "AETERM"}]}
    lines = [json.dumps(head), json.dumps([text], ensure_ascii=False)]
    put(tmp_path, "ae.ndjson", "\r\n".join(lines))
    assert rows(sdtm.read(tmp_path)["ae"]) == [[text]]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([2**40], pa.timestamp("s")),
        pa.array([2**31 - 1], pa.date32()),
        pa.array([0], pa.timestamp("s", "Mars/Olympus")),
    ],
    ids=["time beyond 9999", "date beyond 9999", "unknown zone"],
)
def test_a_parquet_time_that_no_calendar_has_is_named(tmp_path, column):
    pq.write_table(pa.table({"LBDTC": column}), tmp_path / "lb.parquet")
    with pytest.raises(UsageError, match=r"lb\.parquet: column LBDTC .* write it as text"):
        sdtm.read(tmp_path)


def test_a_long_cell_is_read_and_a_wide_header_is_checked_in_one_pass(tmp_path):
    """131,072 characters is the limit of Python's csv module unless it is raised."""
    put(tmp_path, "co.csv", "COVAL\n" + "x" * 200_000 + "\n")
    wide = ",".join(f"C{number}" for number in range(20_000))
    put(tmp_path, "xx.csv", f"{wide}\n")
    start = time.process_time()
    tables = sdtm.read(tmp_path)
    assert time.process_time() - start < 2
    assert len(tables["co"]["COVAL"][0]) == 200_000
    assert len(tables["xx"].columns) == 20_000


# --- transport files, written byte by byte as the SAS technical note on version 5 has them ---------


def record(text: bytes) -> bytes:
    return text.ljust(80)


def member(name: str, texts: list[bytes], width: int, label: bytes = b"") -> bytes:
    """A dataset of one text variable, AETERM."""
    header = b"HEADER RECORD*******%-8sHEADER RECORD!!!!!!!"
    namestr = struct.pack(
        ">hhhh8s40s8shhh2s8shhl52x", 2, 0, width, 1, b"AETERM".ljust(8), label.ljust(40),
        b" " * 8, 0, 0, 0, b"", b" " * 8, 0, 0, 0,
    )  # fmt: skip
    cells = b"".join(text.ljust(width) for text in texts)
    parts = [
        record(header % b"MEMBER" + b"0" * 17 + b"1600000000140"),
        record(header % b"DSCRPTR" + b"0" * 30),
        record(b"SAS     " + name.encode().ljust(8) + b"SASDATA 6.06    bsd4.2".ljust(48)),
        record(b"28NOV26:23:02:29"),
        record(header % b"NAMESTR" + b"000000000100000000000000000000"),
        namestr.ljust(160),
        record(header % b"OBS" + b"0" * 30),
        cells.ljust(-(-len(cells) // 80) * 80),
    ]
    return b"".join(parts)


def transport(*members: bytes) -> bytes:
    first = record(b"HEADER RECORD*******LIBRARY HEADER RECORD!!!!!!!" + b"0" * 30)
    system = record(b"SAS     SAS     SASLIB  6.06    bsd4.2".ljust(64) + b"28NOV26:23:02:29")
    return first + system + record(b"28NOV26:23:02:29") + b"".join(members)


FEVER = "Fièvre élevée"


@pytest.mark.parametrize(
    "texts, width, expected",
    [
        ([FEVER.encode(), b"pain"], 20, [FEVER, "pain"]),
        ([FEVER.encode("cp1252"), "10 µg – 5".encode("cp1252")], 20, [FEVER, "10 µg – 5"]),
        ([FEVER.encode(), FEVER.encode("cp1252")], 20, [FEVER, FEVER]),
        # cut at the length of the variable: 16 bytes of 16, the last the first byte of a letter
        ([FEVER.encode(), b"fifteen bytes: \xc3"], 16, [FEVER, "fifteen bytes: \ufffd"]),
        # cut before it came here: other texts of the table are UTF-8, none is Windows-1252
        ([FEVER.encode(), b"XXXXXXXXX\xc3"], 20, [FEVER, "XXXXXXXXX\ufffd"]),
        ([FEVER.encode()[:-2]], 20, ["Fièvre élev\ufffd"]),
        # both kinds are there, and it has room to spare
        ([FEVER.encode(), FEVER.encode("cp1252"), b"CAF\xc9"], 20, [FEVER, FEVER, "CAFÉ"]),
        # the same bytes with room to spare are an A with tilde; and so in a file of Windows
        ([b"fifteen bytes: \xc3"], 20, ["fifteen bytes: Ã"]),
        ([b"\xc9tat", b"CAF\xc9"], 4, ["État", "CAFÉ"]),
        ([b"\x81 no letter of either"], 30, ["\ufffd no letter of either"]),
    ],
)
def test_each_text_of_a_transport_file_has_its_own_encoding(tmp_path, texts, width, expected):
    put(tmp_path, "ae.xpt", transport(member("AE", texts, width)))
    assert [row[0] for row in rows(sdtm.read(tmp_path)["ae"])] == expected


def test_a_label_decides_no_encoding(tmp_path):
    """A micro sign of Windows-1252 in the label of the variable, UTF-8 in its values."""
    put(tmp_path, "ae.xpt", transport(member("AE", [FEVER.encode()], 20, b"Term (\xb5)")))
    assert rows(sdtm.read(tmp_path)["ae"]) == [[FEVER]]


def test_several_datasets_of_a_transport_file_are_several_tables(tmp_path):
    both = transport(member("AE", [b"pain", b"rash"], 8), member("CM", [b"aspirin"], 10))
    tables = sdtm.read(put(tmp_path, "all.xpt", both))
    assert {name: rows(table) for name, table in tables.items()} == {
        "ae": [["pain"], ["rash"]],
        "cm": [["aspirin"]],
    }
    twice = transport(member("AE", [b"pain"], 8), member("AE", [b"rash"], 8))
    with pytest.raises(UsageError, match="holds 2 datasets and two are called AE"):
        sdtm.read(put(tmp_path, "all.xpt", twice))


# --- split domains ---------------------------------------------------------------------------------


def test_a_split_domain_is_one_table(tmp_path):
    """SDTMIG 3.4, section 4.1.7: LBCH and LBHE, in which DOMAIN says LB."""
    put(tmp_path, "lbhe.csv", "DOMAIN,USUBJID,LBSEQ,LBNAM\nLB,T-1,3,X\n")
    put(tmp_path, "lbch.csv", "DOMAIN,USUBJID,LBSEQ\nLB,T-1,1\nLB,T-2,1\n")
    tables = sdtm.read(tmp_path)
    assert list(tables) == ["lb"]
    assert rows(tables["lb"]) == [
        ["LB", "T-1", "1", None],
        ["LB", "T-2", "1", None],
        ["LB", "T-1", "3", "X"],
    ]


def test_a_name_that_only_looks_split_stays_a_domain_of_its_own(tmp_path):
    put(tmp_path, "lbch.csv", "DOMAIN,USUBJID\nZZ,T-1\n")
    put(tmp_path, "suppae.csv", "RDOMAIN,USUBJID\nAE,T-1\n")
    assert list(sdtm.read(tmp_path)) == ["lbch", "suppae"]


# --- real files ------------------------------------------------------------------------------------


@pytest.mark.shared
def test_the_cdisc_pilot_is_read_whole(shared_data):
    """Row counts and the Windows-1252 apostrophe of TS: data/README.md and Define-XML."""
    tables = sdtm.read(shared_data / "cdisc-pilot" / "sdtm")
    assert {name: len(tables[name]) for name in ("dm", "ae", "ds", "sv")} == {
        "dm": 306,
        "ae": 961,
        "ds": 596,
        "sv": 3559,
    }
    assert tables["ts"]["TSVAL"].str.contains("Alzheimer’s").any()
    assert set(tables["dm"]["AGE"].str.fullmatch(r"[0-9]{2}")) == {True}
    assert {"2003", "2012-02"} <= set(tables["ae"]["AESTDTC"].dropna())
    assert int(tables["ae"]["AEENDTC"].isna().sum()) == 472


@pytest.mark.shared
@pytest.mark.parametrize("domain", ["dm", "ae"])
def test_three_formats_of_one_table_agree(shared_data, tmp_path, domain):
    """CDISC publishes these as JSON, NDJSON and XPT of the same data."""
    source = shared_data / "standards" / "dataset-json"
    read = []
    for kind in ("json", "ndjson", "xpt"):
        folder = tmp_path / kind
        folder.mkdir()
        put(folder, f"{domain}.{kind}", (source / f"sdtm_{domain}.{kind}").read_bytes())
        read.append(sdtm.read(folder)[domain])
    pd.testing.assert_frame_equal(read[0], read[1])
    assert len(read[0]) == len(read[2]) > 0
    for name in read[2]:
        assert read[0][name].tolist() == read[2][name].tolist(), name


@pytest.mark.shared
def test_real_tables_come_back_from_csv_as_they_were(shared_data, tmp_path):
    tables = sdtm.read(shared_data / "cdisc-pilot" / "sdtm")
    sdtm.write(tables, tmp_path)
    again = sdtm.read(tmp_path)
    assert list(again) == list(tables)
    for name, table in tables.items():
        pd.testing.assert_frame_equal(again[name], table)
