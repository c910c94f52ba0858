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
