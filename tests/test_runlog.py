"""The run log: each way to spoil it is found and named."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sap import runlog
from sap.errors import IntegrityError
from sap.runlog.software import locked

STEPS = ("analyse", "report csr", "report dsmb")


@pytest.fixture(scope="module")
def log(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("log") / "run-log.jsonl"
    for step in STEPS:
        runlog.append(path, {"step": step, "inputs": {"a": "00"}, "outputs": {f"{step}.txt": "ff"}})
    return path


def lines_of(log: Path) -> list[bytes]:
    return log.read_bytes().splitlines(keepends=True)


def test_a_record_says_who_when_what_with_which_versions_and_follows_the_one_before(log):
    records = runlog.verify(log)
    assert [r["step"] for r in records] == list(STEPS)
    assert [r["number"] for r in records] == [1, 2, 3]
    assert records[0]["previous"] == "0" * 64
    assert [r["previous"] for r in records[1:]] == [r["seal"] for r in records[:2]]
    for name in ("when", "who", "command", "software", "inputs", "outputs"):
        assert records[0][name]
    assert records[0]["software"]["packages"]["scipy"]


def edited(lines):
    return [lines[0], lines[1].replace(b'"ff"', b'"fe"'), lines[2]]


@pytest.mark.parametrize(
    "spoil, said",
    [
        (edited, "record 2 was edited"),
        (lambda lines: [lines[0], lines[2]], "record 2 has the number 3"),
        (lambda lines: lines[1:], "record 1 has the number 2"),
        (lambda lines: [lines[1], lines[0], lines[2]], "record 1 has the number 2"),
        (lambda lines: [*lines, lines[2]], "record 4 has the number 3"),
        (lambda lines: [lines[0], b"not json\n", lines[2]], "record 2 cannot be read"),
        (lambda lines: [lines[0], lines[1], lines[2][:-9]], "record 3 cannot be read"),
        (lambda lines: [lines[0], lines[1], lines[2].rstrip(b"\n")], "the last line is cut off"),
    ],
)
def test_a_record_that_was_edited_removed_moved_added_or_cut_is_named(log, spoil, said, tmp_path):
    bad = tmp_path / "run-log.jsonl"
    bad.write_bytes(b"".join(spoil(lines_of(log))))
    with pytest.raises(IntegrityError, match=said):
        runlog.verify(bad)
    before = bad.read_bytes()
    with pytest.raises(IntegrityError):
        runlog.append(bad, {"step": "more"})
    assert bad.read_bytes() == before


def test_a_value_of_another_kind_anywhere_in_a_record_is_named_although_its_seal_fits(
    log, altered, tmp_path
):
    """Other words pass as what they are; another type, an unknown name and a missing one do not."""
    from sap.runlog.chain import _seal

    record = json.loads(lines_of(log)[0])
    read = []
    for at, value, tree in altered(record):
        if at and at != ("seal",) and isinstance(tree, dict):
            tree["seal"] = _seal(tree)
        faults = runlog.faults(json.dumps(tree).encode() + b"\n")
        if not faults:
            read.append((".".join(at), value))
        assert len(faults) <= 1
    texts = {
        "when",
        "who",
        "command",
        "step",
        "software.sap",
        "software.packages.scipy",
        "inputs.a",
    }
    assert texts <= {at for at, value in read if value == "x"}
    assert {at for at, value in read if value == {}} == {"inputs", "outputs", "software.packages"}
    assert {repr(value) for _, value in read} == {"'x'", "{}"}
    more = record | {"approved": "yes"}
    more["seal"] = _seal(more)
    assert "approved: unknown key" in runlog.faults(json.dumps(more).encode() + b"\n")[0]


def test_a_command_with_a_line_separator_or_bytes_that_are_no_text_is_logged(tmp_path, monkeypatch):
    """Only a line feed ends a record: U+2028 and U+0085 are characters of a folder's name."""
    path = tmp_path / "run-log.jsonl"
    monkeypatch.setattr("sys.argv", ["sap", "analyse", "a\u2028b\u0085c\udcff"])
    runlog.append(path, {"step": "analyse", "inputs": {}, "outputs": {}})
    runlog.append(path, {"step": "report csr", "inputs": {}, "outputs": {}})
    assert [each["command"] for each in runlog.verify(path)] == ["sap analyse a\u2028b\u0085c?"] * 2


def test_a_record_that_was_replaced_with_a_fitting_seal_breaks_the_next_one(log, tmp_path):
    from sap.runlog.chain import _seal

    lines = lines_of(log)
    record = json.loads(lines[1])
    record["outputs"] = {"report csr.txt": "00"}
    record["seal"] = _seal(record)
    bad = tmp_path / "run-log.jsonl"
    bad.write_bytes(lines[0] + json.dumps(record).encode() + b"\n" + lines[2])
    with pytest.raises(IntegrityError, match="record 3 does not follow record 2"):
        runlog.verify(bad)


def test_a_swapped_file_is_named_with_the_record_that_wrote_it(log):
    records = runlog.verify(log)
    assert runlog.swapped(records, {"analyse.txt": "ff", "other": "11"}) == []
    assert runlog.swapped(records, {"report csr.txt": "ee"}) == [
        "report csr.txt is not the file that record 2 wrote"
    ]


@given(st.integers(0, 10**6), st.integers(0, 255))
@settings(derandomize=True, deadline=None, max_examples=60)
def test_no_byte_of_a_log_can_change_unseen(log, place, byte):
    content = bytearray(log.read_bytes())
    place %= len(content)
    before = runlog.read(bytes(content))
    content[place] = byte
    if runlog.read(bytes(content)) == before:
        return  # white space of JSON, or the same byte
    assert runlog.faults(bytes(content))


@given(st.binary(max_size=300))
@settings(derandomize=True, deadline=None, max_examples=300)
def test_any_bytes_are_read_as_a_log_or_faulted_without_a_traceback(content):
    assert isinstance(runlog.faults(content), list)


def test_versions_are_compared_in_words():
    old = {"python": "3.11.2", "system": "Linux", "packages": {"scipy": "1.0", "gone": "2"}}
    new = {"python": "3.12.1", "system": "Linux", "packages": {"scipy": "1.1"}}
    assert runlog.differing(old, new) == [
        "python 3.11.2 on record, 3.12.1 here",
        "gone 2 on record, absent here",
        "scipy 1.0 on record, 1.1 here",
    ]
    assert runlog.differing(new, new) == []


def test_the_lock_is_read_with_its_markers():
    text = 'a==1.0 \\\n    --hash=sha256:00\nb==2.0 ; python_version < "3" \\\n    --hash=sha256:00\ne==1 ; python_version < "3"\nc-d==3.1\n'
    assert locked(text) == {"a": "1.0", "c-d": "3.1"}


ANALYSED = {
    "number": 1,
    "step": "analyse",
    "outputs": {"ard.csv": "a", "adam/adsl.parquet": "b", "tables/run.json": "c"},
}


@pytest.mark.parametrize(
    "read, other",
    [
        ({"ard.csv": "a", "tables/run.json": "c"}, []),
        ({"ard.csv": "a", "tables/run.json": "c", "tables/previous.json": "d"}, []),
        ({"ard.csv": "0", "tables/run.json": "c"}, ["ard.csv"]),
        ({"ard.csv": "a"}, ["tables/run.json"]),
        ({"ard.csv": "a", "tables/run.json": "c", "tables/more.json": "d"}, ["tables/more.json"]),
        ({}, ["ard.csv", "tables/run.json"]),
        ("ard.csv", ["ard.csv", "tables/run.json"]),
    ],
)
def test_a_report_was_made_from_what_the_analysis_before_it_wrote(read, other):
    """The datasets are read for listings only, and the previous results are of another run."""
    report = {"number": 2, "step": "report csr", "inputs": read}
    said = [f"record 2 was made from another {name} than the analysis wrote" for name in other]
    assert runlog.misread([ANALYSED, report]) == said
    assert runlog.misread([{"number": 1, "step": "check", "inputs": read}]) == []


def test_a_report_is_held_to_the_last_analysis_before_it():
    again = {"number": 2, "step": "analyse", "outputs": {"ard.csv": "z"}}
    report = {"number": 3, "step": "report dsmb", "inputs": {"ard.csv": "z"}}
    assert runlog.misread([ANALYSED, again, report]) == []
    assert runlog.misread([again, report, ANALYSED]) == []
    assert len(runlog.misread([again, ANALYSED, report])) == 2
