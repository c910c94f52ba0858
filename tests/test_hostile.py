"""Bundles made to hurt: each is refused with exit 11 before a single file is written."""

import contextlib
import hashlib
import io
import json
import os
import pickle
import stat
import struct
import time
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from sap.bundle import opened, opening
from sap.bundle.names import fault_of, safe_name
from sap.cli import app
from sap.errors import IntegrityError, SapError, UsageError


def index(**more) -> bytes:
    facts = {
        "format": 1,
        "audience": "auditor",
        "study": "T",
        "status": "FINAL",
        "cut_off": "2019-06-30",
        "cut_off_name": "final",
        "cut_id": "final-2019-06-30-00000000",
        "synthetic": True,
        "plan_file": "plan.yml",
        "plan_sha256": "",
        "code": {"version": "1", "commit": None, "sha256": "", "files": {"ard.py": "0"}},
        "project": {"csr.qmd": "0"},
        "environment": {"python": "3", "system": "s", "machine": "m", "packages": {"six": "1"}},
        "log": {"records": 1, "last": "0"},
        "wheel": {"name": "x.whl", "sha256": "0"},
        "left_out": {"adae.xpt": "words"},
        "files": [],
    }
    return json.dumps(facts | more).encode()


def sums(files: dict[str, bytes]) -> bytes:
    lines = [f"{hashlib.sha256(c).hexdigest()}  {n}\n" for n, c in sorted(files.items())]
    return "".join(lines).encode()


def plain(**more: bytes) -> dict[str, bytes]:
    """A small bundle that can be opened; names given with _ for / and - as they are."""
    files = {"bundle.json": index(), **more}
    return files | {"SHA256SUMS": sums(files)}


def as_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def as_folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def parquet(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def refused(path: Path, said: str) -> None:
    """Refused by the reader, and by the command with exit 11, nothing written anywhere."""
    with pytest.raises(IntegrityError, match=said):
        opened(path)
    beside = sorted(path.parent.iterdir())
    out = path.parent / "audit-of-it"
    got = CliRunner().invoke(app, ["audit", str(path), "--out", str(out)])
    assert isinstance(got.exception, IntegrityError)
    assert got.exception.exit_code == 11
    assert sorted(path.parent.iterdir()) == beside


def test_a_harmless_bundle_is_opened_as_folder_and_as_zip_alike(tmp_path):
    files = plain()
    assert opened(as_folder(tmp_path / "b", files)).files == files
    assert opened(as_zip(tmp_path / "b.zip", files)).files == files


# ---- at each limit ---------------------------------------------------------------------------------


def refuses(check, said: str) -> None:
    with pytest.raises(IntegrityError, match=said):
        check()


def test_the_limits_of_a_bundle():
    """5000 files of at most 256 MB, 1 GB in all; text of 32 MB, YAML of 1 MB."""
    assert (opening.MAX_FILES, opening.MAX_COLUMNS, opening.MAX_DEPTH) == (5000, 2000, 60)
    assert (opening.MAX_CELLS, opening.MAX_NODES) == (200_000_000, 200_000)
    megabyte = 1_048_576
    assert megabyte == opening.LARGEST_YAML
    assert 32 * megabyte == opening.LARGEST_TEXT
    assert 256 * megabyte == opening.LARGEST_FILE
    assert 1024 * megabyte == opening.LARGEST_TOTAL
    assert 128 * megabyte == opening.LARGEST_JSON
    assert 512 * megabyte == opening.LARGEST_TABLE
    assert opening.MAX_JSON_NODES == 20_000_000
    assert opening.LARGEST_SIGNATURE == 32_768


def test_a_signature_has_at_most_32_kb_and_another_file_may_have_more():
    """One of OpenSSH has less than 2 kB with the largest RSA key it makes."""
    opening._check_content("b", "SHA256SUMS.sig", b"x" * 32_768)
    opening._check_content("b", "x.csv", b"x" * 32_769)
    too_large = "'SHA256SUMS.sig' is larger than a signature can be"
    refuses(lambda: opening._check_content("b", "SHA256SUMS.sig", b"x" * 32_769), too_large)


def test_an_entry_that_became_a_link_is_not_followed(tmp_path):
    (tmp_path / "real.csv").write_bytes(b"x")
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
    assert opening._read(tmp_path, tmp_path / "real.csv", "real.csv") == b"x"
    for name in ("link.csv", "absent.csv"):
        with pytest.raises(UsageError, match="cannot be read"):
            opening._read(tmp_path, tmp_path / name, name)


def both(tmp_path: Path, files: dict[str, bytes]) -> list[Path]:
    """A bundle as folder and as zip; with an own folder for each number of files."""
    place = tmp_path / str(len(list(tmp_path.iterdir())))
    place.mkdir()
    return [as_folder(place / "b", files), as_zip(place / "b.zip", files)]


def test_a_bundle_may_have_as_many_files_and_bytes_as_the_limits_and_no_more(tmp_path, monkeypatch):
    files = plain(**{"x.csv": bytes(1000)})
    total = sum(map(len, files.values()))
    for name, limit, said in (
        ("MAX_FILES", 3, "more than 2 files"),
        ("LARGEST_TOTAL", total, r"more than"),
        ("LARGEST_FILE", 1000, "'x.csv' is larger than"),
    ):
        with monkeypatch.context() as changed:
            changed.setattr(opening, name, limit)
            for path in both(tmp_path, files):
                assert opened(path).files == files
            changed.setattr(opening, name, limit - 1)
            for path in both(tmp_path, files):
                refuses(lambda path=path: opened(path), said)


def test_folders_may_be_nested_twelve_deep(tmp_path):
    name = "a/" * 12 + "x.csv"
    assert opened(as_folder(tmp_path / "b", plain(**{name: b"x"}))).files[name] == b"x"
    deeper = as_folder(tmp_path / "c", plain(**{"a/" + name: b"x"}))
    refuses(lambda: opened(deeper), "nested too deep")


def with_entry(tmp_path: Path, name: str, mode: int, compression: int = zipfile.ZIP_STORED) -> Path:
    path = as_zip(tmp_path / f"{len(list(tmp_path.iterdir()))}.zip", plain())
    with zipfile.ZipFile(path, "a") as archive:
        entry = zipfile.ZipInfo(name)
        entry.external_attr = mode << 16
        entry.compress_type = compression
        archive.writestr(entry, b"")
    return path


@pytest.mark.parametrize(
    "name, mode, refused_as",
    [
        ("x.csv", stat.S_IFREG | 0o644, None),
        ("x.csv", 0, None),
        ("folder/", stat.S_IFDIR | 0o755, None),
        ("folder/", 0, None),
        ("x.csv", stat.S_IFDIR | 0o755, "is a link or no ordinary file"),
        ("x.csv", stat.S_IFIFO | 0o644, "is a link or no ordinary file"),
        ("folder/", stat.S_IFLNK | 0o777, "is a link or no ordinary file"),
    ],
)
def test_an_entry_of_a_zip_is_a_file_or_a_folder(tmp_path, name, mode, refused_as):
    path = with_entry(tmp_path, name, mode)
    if name == "folder/":  # with a file in it: an empty one is refused
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("folder/y.csv", b"")
    if refused_as is None:
        held = {"folder/y.csv"} if name == "folder/" else {name}
        assert set(opened(path).files) == set(plain()) | held
    else:
        refuses(lambda: opened(path), refused_as)


def test_an_empty_folder_is_refused(tmp_path):
    """No checksum covers it, and whoever unpacks the bundle gets it."""
    place = as_folder(tmp_path / "b", plain())
    assert opened(place)
    (place / "approved").mkdir()
    refuses(lambda: opened(place), "the folder 'approved' is empty")
    (place / "approved" / "by").mkdir()
    refuses(lambda: opened(place), "the folder 'approved/by' is empty")
    refuses(
        lambda: opened(with_entry(tmp_path, "approved/", stat.S_IFDIR)),
        "the folder 'approved/' is empty",
    )


def test_an_encrypted_entry_and_an_unusual_packing_are_refused(tmp_path):
    packed = with_entry(tmp_path, "x.csv", 0o644, zipfile.ZIP_BZIP2)
    refuses(lambda: opened(packed), "packed in an unusual way")
    path = as_zip(tmp_path / "b.zip", plain())
    content = bytearray(path.read_bytes())
    content[content.find(b"PK\x01\x02") + 8] |= 0x1  # the flags in the first line of the directory
    path.write_bytes(content)
    refuses(lambda: opened(path), "is encrypted")


def test_a_name_with_a_zero_byte_is_refused(tmp_path):
    path = as_zip(tmp_path / "b.zip", plain() | {"x.csvQevil.csv": b""})
    path.write_bytes(path.read_bytes().replace(b"x.csvQevil", b"x.csv\0evil"))
    refuses(lambda: opened(path), "holds characters no name may hold")


@pytest.mark.parametrize(
    "rows, columns, group, cells, most_columns, fits",
    [
        (10, 2, 10, 20, 2, True),  # at both limits
        (10, 2, 10, 19, 2, False),
        (10, 2, 10, 20, 1, False),
        (10, 1, 10, 10, 2, True),
        (10, 2, 5, 19, 2, False),  # two groups of five: the rows of all count
        (10, 0, 10, 10, 2, True),
    ],
)
def test_a_table_has_as_many_cells_and_columns_as_the_limits(
    rows, columns, group, cells, most_columns, fits, monkeypatch
):
    monkeypatch.setattr(opening, "MAX_CELLS", cells)
    monkeypatch.setattr(opening, "MAX_COLUMNS", most_columns)
    table = pa.table({f"A{n}": [float(row) for row in range(rows)] for n in range(columns)})
    out = io.BytesIO()
    pq.write_table(table, out, row_group_size=group)
    if fits:
        opening._check_parquet("b", "x.parquet", out.getvalue())
    else:
        refuses(lambda: opening._check_parquet("b", "x.parquet", out.getvalue()), "excessive size")


def test_a_table_may_unpack_to_the_largest_total_and_has_no_nested_column(monkeypatch):
    out = io.BytesIO()
    pq.write_table(pa.table({"A": [float(n) for n in range(100)]}), out, row_group_size=50)
    about = pq.ParquetFile(io.BytesIO(out.getvalue())).metadata
    total = about.row_group(0).total_byte_size + about.row_group(1).total_byte_size
    monkeypatch.setattr(opening, "LARGEST_TOTAL", total)
    opening._check_parquet("b", "x.parquet", out.getvalue())
    monkeypatch.setattr(opening, "LARGEST_TOTAL", total - 1)
    refuses(lambda: opening._check_parquet("b", "x.parquet", out.getvalue()), "excessive size")
    monkeypatch.undo()
    mixed = parquet(pa.table({"A": [1.0], "B": [[1.0]]}))
    refuses(lambda: opening._check_parquet("b", "x.parquet", mixed), "plain columns")


def nested(depth: int, first: str = "") -> bytes:
    """A list within lists, of that depth, after other elements of the outermost list."""
    return ("[" + first + "[" * (depth - 1) + "]" * depth).encode()


@pytest.mark.parametrize(
    "content, fits",
    [
        (nested(60), True),
        (nested(61), False),
        (nested(60, "[], {}, " * 50), True),  # what is closed does not count
        (nested(61, "[], {}, " * 50), False),
        (nested(60, '"[[[", "]", "\\"{", ' * 50), True),  # nor do brackets in a text
        (nested(61, '"]]]", "x", ' * 50), False),
        (b'{"a": ' * 61 + b"1" + b"}" * 61, False),
    ],
)
def test_json_is_nested_sixty_deep_at_most(content, fits):
    for name in ("x.json", "x.jsonl"):
        if fits:
            opening._check_content("b", name, content)
        else:
            refuses(lambda name=name: opening._check_content("b", name, content), "nested too deep")


def test_the_index_is_as_large_as_a_text_and_other_json_as_a_file(monkeypatch):
    monkeypatch.setattr(opening, "LARGEST_TEXT", 10)
    monkeypatch.setattr(opening, "LARGEST_JSON", 20)
    for name, size in (("bundle.json", 10), ("x.json", 20), ("x.jsonl", 20)):
        opening._check_content("b", name, b"1" * size)
        refuses(
            lambda name=name, size=size: opening._check_content("b", name, b"1" * (size + 1)),
            "larger than a JSON file",
        )


@pytest.mark.parametrize(
    "content", [b'"' + b'\\"' * 2**20, b'"\\"' * 2**20, b'"x' * 2**20, b'"' * 2**21]
)
def test_texts_that_do_not_end_are_read_once(content):
    """2 MB of them; a search that begins again at every quote does not end in hours."""
    began = time.process_time()
    with contextlib.suppress(IntegrityError):
        opening._check_json("b", "x.json", content)
    assert time.process_time() - began < 20


def test_json_has_as_many_values_as_the_limit(monkeypatch):
    """Counted are commas and opening brackets outside of texts."""
    monkeypatch.setattr(opening, "MAX_JSON_NODES", 4)
    opening._check_json("b", "x.json", b'{"a,[": [1, 2, {}]}'.replace(b", {}", b", 3"))
    refuses(lambda: opening._check_json("b", "x.json", b"[[], [], []]"), "more values")


def repeated(value: str, rows: int, times: int) -> bytes:
    """A table with one text in every row, held once in the file."""
    kind = pa.dictionary(pa.int32(), pa.string())
    column = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([value]))
    out = io.BytesIO()
    schema = pa.schema([("A", kind)])
    with pq.ParquetWriter(out, schema, compression="zstd", store_schema=False) as writer:
        for _ in range(times):
            writer.write_table(pa.table({"A": column}))
    return out.getvalue()


def test_a_table_is_refused_by_what_it_decodes_to_not_by_what_it_takes():
    """50 000 letters in each of 2 million rows: 100 GB from less than 100 kB."""
    content = repeated("x" * 50_000, 100_000, 20)
    assert len(content) < 100_000
    refuses(lambda: opening._check_parquet("b", "x.parquet", content), "excessive size")


def test_a_table_may_decode_to_the_limit(monkeypatch):
    """Eight bytes for the place of a cell, and the letters of each text: 10 rows of 5 letters are 130."""
    content = repeated("abcde", 10, 1)
    monkeypatch.setattr(opening, "LARGEST_TABLE", 130)
    opening._check_parquet("b", "x.parquet", content)
    monkeypatch.setattr(opening, "LARGEST_TABLE", 129)
    refuses(lambda: opening._check_parquet("b", "x.parquet", content), "excessive size")
    monkeypatch.setattr(
        opening, "LARGEST_TABLE", 80
    )  # texts without a letter take their places only
    opening._check_parquet("b", "x.parquet", repeated("", 10, 1))


def test_a_line_of_jsonl_is_not_read_and_a_file_of_another_kind_is_not_checked():
    opening._check_content("b", "log/run-log.jsonl", b"{}\n{}\n")
    opening._check_content("b", "x.txt", b"{")
    refuses(lambda: opening._check_content("b", "x.yaml", b"a: [1"), "no readable YAML")


@pytest.mark.parametrize(
    "content, nodes",
    [
        (b"[x, x, x]", 4),
        (b"a: &a [x, y]\nb: *a\n", 9),  # mapping, a, list of three, b, list of three again
        (b"a: &a x\nb: *a\n", 5),  # mapping, a, x, b, x again
        (b"a: &a {b: c}\nd: [*a, *a]\n", 13),
    ],
)
def test_the_nodes_of_yaml_are_counted_with_its_aliases_expanded(content, nodes, monkeypatch):
    monkeypatch.setattr(opening, "MAX_NODES", nodes)
    opening._check_content("b", "x.yml", content)
    monkeypatch.setattr(opening, "MAX_NODES", nodes - 1)
    refuses(lambda: opening._check_content("b", "x.yml", content), "more YAML nodes")


def test_yaml_is_as_large_and_as_deep_as_the_limits(monkeypatch):
    monkeypatch.setattr(opening, "MAX_DEPTH", 3)
    opening._check_content("b", "x.yml", b"[[], [[x]], [[]]]")
    refuses(lambda: opening._check_content("b", "x.yml", b"[[[[x]]]]"), "nested too deep")
    monkeypatch.setattr(opening, "LARGEST_YAML", 5)
    opening._check_content("b", "x.yml", b"abcde")
    refuses(lambda: opening._check_content("b", "x.yml", b"abcdef"), "larger than a YAML file")


ONE = f"{'0' * 63}a  a.csv\n"


@pytest.mark.parametrize(
    "text, said",
    [
        (ONE + "none\n", "line 2 of SHA256SUMS is no sum and name"),
        (ONE.upper(), "line 1 of SHA256SUMS is no sum and name"),
        (ONE[1:], "line 1 of SHA256SUMS is no sum and name"),
        (ONE + ONE, "SHA256SUMS names 'a.csv' twice"),
    ],
)
def test_a_list_of_sums_has_one_sum_and_name_in_each_line(text, said):
    refuses(lambda: opening.sums_of("b", {"SHA256SUMS": text.encode()}), said)


def test_the_sums_of_a_list_by_name():
    text = ONE + f"{'1' * 64}  cut/b.csv\n"
    sums_by_name = {"a.csv": "0" * 63 + "a", "cut/b.csv": "1" * 64}
    assert opening.sums_of("b", {"SHA256SUMS": text.encode()}) == sums_by_name
    assert opening.sum_of(b"abc").startswith("ba7816bf8f01cfea")  # FIPS 180-4, example of SHA-256


ENTRY = {"name": "cut/dm.csv", "original": "dm.csv", "role": "cut"}
OTHER = {"name": "adam/dm.csv", "original": "dm.csv", "role": "dataset"}


def with_index(content: bytes) -> dict[str, bytes]:
    files = {"bundle.json": content}
    return files | {"SHA256SUMS": sums(files)}


def test_an_index_with_all_entries_is_read_and_gives_files_by_role(tmp_path):
    """Two roles may have a file of one original name."""
    read = opened(as_folder(tmp_path / "b", with_index(index(files=[ENTRY, OTHER]))))
    assert read.index["study"] == "T"
    assert read.json("bundle.json") == read.index
    assert read.of_role("cut") == {"dm.csv": "cut/dm.csv"}
    assert read.of_role("dataset") == {"dm.csv": "adam/dm.csv"}
    assert read.of_role("report") == {}
    assert read.place == str(tmp_path / "b")


LACKS = "is not as sap writes it"


@pytest.mark.parametrize(
    "content, said",
    [
        (b"[1]", "another format"),
        (index(format=2), "another format"),
        (index(format=None), "another format"),
        *((index(**{name: None}), LACKS) for name in ("audience", "study", "cut_id", "plan_file")),
        *((index(**{name: 1}), LACKS) for name in ("cut_off", "code", "environment")),
        (index(files={}), LACKS),
        (index(files=None), LACKS),
        (index(files=[ENTRY, "x"]), LACKS),
        *((index(files=[OTHER, ENTRY | {name: None}]), LACKS) for name in ENTRY),
        (index(files=[ENTRY, ENTRY | {"original": "x.csv"}]), "names a file twice"),
        (index(files=[ENTRY, ENTRY | {"name": "cut/x.csv"}]), "names a file twice"),
        (index(files=[ENTRY | {"name": "../x.csv"}]), "leads out of the bundle"),
        *(
            (index(cut_off=day), "names no day as its cut-off")
            for day in (
                "2019-6-30",
                "2019-06-32",
                "2019-00-30",
                "1819-06-30",
                "2019-06-30 ",
                "2019",
            )
        ),
    ],
)
def test_an_index_without_an_entry_or_with_one_twice_is_refused(content, said, tmp_path):
    path = as_folder(tmp_path / "b", with_index(content))
    refuses(lambda: opened(path), said)


def test_a_value_of_another_kind_anywhere_in_the_index_is_refused_with_its_place(tmp_path, altered):
    """A text may be another text, a number another number; a value that may be absent may be null."""
    path = as_folder(tmp_path / "b", plain())
    read = []
    for at, value, tree in altered(json.loads(index(files=[ENTRY]))):
        content = json.dumps(tree).encode()
        files = {"bundle.json": content, "SHA256SUMS": sums({"bundle.json": content})}
        for name, each in files.items():
            (path / name).write_bytes(each)
        with contextlib.suppress(IntegrityError):
            opened(path)
            read.append((".".join(map(str, at)), value))
    by_value = {
        repr(value): {at for at, v in read if v == value and type(v) is type(value)}
        for _, value in read
    }
    assert set(by_value) == {"None", "[]", "{}", "-1", "True", "'x'"}
    assert by_value["None"] == {"cut_off_name", "code.commit", "log", "log.last", "wheel"}
    assert by_value["[]"] == {"files"}
    assert by_value["{}"] == {"code.files", "project", "environment.packages", "left_out"}
    assert by_value["-1"] == {"log.records"}
    assert by_value["True"] == {"synthetic"}


@pytest.mark.parametrize("of_entry", [False, True])
def test_a_zip_with_a_comment_is_refused(tmp_path, of_entry):
    """No checksum covers it, and programs show it beside the files."""
    path = tmp_path / "b.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in plain().items():
            entry = zipfile.ZipInfo(name)
            entry.comment = b"approved" if of_entry else b""
            archive.writestr(entry, content)
        archive.comment = b"" if of_entry else b"approved"
    refuses(lambda: opened(path), "it has a comment, which no checksum covers")


def test_one_more_entry_of_the_index_is_refused_and_named(tmp_path):
    refuses(
        lambda: opened(as_folder(tmp_path / "b", with_index(index(approved="yes")))),
        "approved: unknown key",
    )


def test_a_bundle_is_a_zip_or_a_folder_with_an_index(tmp_path):
    folder, archive = both(tmp_path, plain())
    (tmp_path / "other").mkdir()
    (tmp_path / "folder.zip").mkdir()
    (tmp_path / "x.csv").write_bytes(b"")
    claims = [folder, archive, tmp_path / "other", tmp_path / "folder.zip", tmp_path / "x.csv"]
    assert [opening.is_bundle(path) for path in claims] == [True, True, False, False, False]
    assert opening.is_bundle(tmp_path / "absent.zip") is False
    with pytest.raises(UsageError, match="no such folder or zip"):
        opened(tmp_path / "absent.zip")
    refuses(lambda: opened(tmp_path / "other"), r"it has no bundle\.json")


@pytest.mark.parametrize(
    "name, safe",
    [
        (".gitignore", "gitignore.txt"),
        (".csv", "csv.txt"),
        ("a/___/B.CSV", "a/x/b.csv"),
        ("a.tar.gz", "a-tar-gz.txt"),
        ("-a-.md", "a.md"),
    ],
)
def test_a_name_in_a_bundle_is_made_from_its_words(name, safe):
    assert safe_name(name) == safe


@pytest.mark.parametrize(
    "name, fault",
    [
        ("a" * 64 + ".csv", None),
        ("a" * 65 + ".csv", "is not written in"),
        ("a" * 64 + "/x.csv", None),
        ("a" * 65 + "/x.csv", "is not written in"),
        ("a-.csv", "is not written in"),
        ("a--b/x.csv", "is not written in"),
        ("a/.csv", "is not written in"),
        ("c:x.csv", "is an absolute path"),
        ("\\x.csv", "is an absolute path"),
        ("a/SHA256SUMS", "is not written in"),
        ("a.exe", "has a suffix that no bundle holds"),
    ],
)
def test_a_name_has_parts_of_at_most_64_letters_digits_and_single_hyphens(name, fault):
    found = fault_of(name)
    assert found is None if fault is None else found.startswith(fault)


@pytest.mark.parametrize(
    "name, said",
    [
        ("../evil.csv", "leads out of the bundle"),
        ("a/../../evil.csv", "leads out of the bundle"),
        ("..\\evil.csv", "leads out of the bundle"),
        ("/etc/evil.csv", "is an absolute path"),
        ("C:/evil.csv", "is an absolute path"),
        ("\\\\host\\evil.csv", "is an absolute path"),
        ("UPPER.csv", "lower-case letters"),
        (".hidden.csv", "lower-case letters"),
        ("a b.csv", "lower-case letters"),
        ("con\u0441.csv", "lower-case letters"),  # a Cyrillic letter that looks Latin
        ("x" * 70 + ".csv", "lower-case letters"),
        ("evil.sh", "suffix that no bundle holds"),
        ("evil.pth", "suffix that no bundle holds"),
    ],
)
def test_a_name_that_leads_out_or_deceives_is_refused(name, said, tmp_path):
    refused(as_zip(tmp_path / "b.zip", plain() | {name: b"x"}), said)


def test_a_link_in_a_folder_and_a_link_in_a_zip_are_refused(tmp_path):
    folder = as_folder(tmp_path / "one" / "b", plain())
    (folder / "link.csv").symlink_to("/etc/hostname")
    refused(folder, "is a link")
    place = tmp_path / "two" / "b.zip"
    place.parent.mkdir()
    with zipfile.ZipFile(place, "w") as archive:
        for name, content in plain().items():
            archive.writestr(name, content)
        entry = zipfile.ZipInfo("link.csv")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc/hostname")
    refused(place, "is a link")


def test_a_link_to_a_folder_and_a_pipe_are_refused_without_waiting(tmp_path):
    folder = as_folder(tmp_path / "one" / "b", plain())
    (folder / "more").symlink_to("/etc", target_is_directory=True)
    refused(folder, "is a link")
    folder = as_folder(tmp_path / "two" / "b", plain())
    os.mkfifo(folder / "pipe.csv")
    refused(folder, "no ordinary file")


def test_a_name_twice_in_a_zip_is_refused(tmp_path):
    path = tmp_path / "b.zip"
    as_zip(path, plain())
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("bundle.json", index(study="X"))
    refused(path, "is in it twice")


def test_a_zip_bomb_is_refused_by_what_it_says_and_by_what_it_unpacks_to(tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "LARGEST_FILE", 2**20)
    monkeypatch.setattr(opening, "LARGEST_TOTAL", 3 * 2**20)
    bomb = as_zip(tmp_path / "a.zip", plain() | {"x.csv": bytes(2**21)})
    refused(bomb, "larger than 1 MB")
    many = {f"x{i}.csv": bytes(2**20) for i in range(4)}
    refused(as_zip(tmp_path / "b.zip", plain() | many), "unpacks to more than")
    # One that lies about its size: the header says 10 bytes.
    small = as_zip(tmp_path / "c.zip", plain() | {"x.csv": bytes(10_000)})
    content = bytearray(small.read_bytes())
    size = struct.pack("<I", 10_000)
    while (place := content.find(size)) >= 0:
        content[place : place + 4] = struct.pack("<I", 10)
    small.write_bytes(content)
    refused(small, r"not as large as the archive states|cannot be read|no readable zip")


def test_more_files_than_a_bundle_can_have_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "MAX_FILES", 20)
    many = {f"x{i}.csv": b"" for i in range(30)}
    refused(as_zip(tmp_path / "b.zip", plain() | many), "more than 20 files")
    refused(as_folder(tmp_path / "b", plain() | many), "more than 20 files")


def test_a_manifest_that_names_files_outside_is_refused(tmp_path):
    files = plain()
    outside = f"{'0' * 64}  ../../etc/passwd.csv\n".encode()
    refused(
        as_folder(tmp_path / "a" / "b", files | {"SHA256SUMS": files["SHA256SUMS"] + outside}),
        "leads out of the bundle",
    )
    for original in ("../x.py", "/etc/x.py", "a/../../x.py", "a\\..\\x.py", "~/x.py", ""):
        entry = {"name": "source/x.py", "original": original, "role": "source"}
        bad = {"bundle.json": index(files=[entry])}
        where = tmp_path / f"o{abs(hash(original))}" / "b"
        refused(as_folder(where, bad | {"SHA256SUMS": sums(bad)}), "outside the project")
    for key in ("plan_file", "cut_id"):
        bad = {"bundle.json": index(**{key: "../../x"})}
        refused(as_folder(tmp_path / key / "b", bad | {"SHA256SUMS": sums(bad)}), "outside")


def test_a_parquet_of_excessive_shape_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "MAX_CELLS", 10_000)
    monkeypatch.setattr(opening, "MAX_COLUMNS", 50)
    # A million rows of one value take a few hundred bytes.
    tall = parquet(pa.table({"A": pa.array([1.0] * 1_000_000)}))
    assert len(tall) < 100_000
    wide = parquet(pa.table({f"A{i}": [1.0] for i in range(60)}))
    nested = parquet(pa.table({"A": [[1.0]]}))
    for number, (content, said) in enumerate(
        [
            (tall, "excessive size"),
            (wide, "excessive size"),
            (nested, "no table of plain columns"),
            (b"PAR1 nonsense PAR1", "no readable Parquet"),
            (tall[:200], "no readable Parquet"),
        ]
    ):
        place = as_folder(tmp_path / str(number) / "b", plain(**{"x.parquet": content}))
        refused(place, said)


@pytest.mark.parametrize(
    "content, said",
    [
        (b"[" * 100_000 + b"]" * 100_000, "nested too deep"),
        (b'{"a":' * 500 + b"1" + b"}" * 500, "nested too deep"),
        (b"{", "no readable JSON"),
        (b"1" * 10_000, "no readable JSON"),
        (b"\xff\xfe", "no readable JSON"),
    ],
)
def test_json_too_deep_or_broken_is_refused(content, said, tmp_path):
    refused(as_folder(tmp_path / "b", plain(**{"x.json": content})), said)


LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}]\n" for i in range(20)
)


@pytest.mark.parametrize(
    "content, said",
    [
        (LAUGHS.encode(), "YAML alias within an anchor"),
        (b"a: &a [x, *a]\n", "YAML alias within an anchor"),
        (b"a: &a [" + b"x," * 900 + b"]\nb: [" + b"*a," * 300 + b"]\n", "more YAML nodes"),
        (b"!!python/object/apply:os.system ['touch evil']\n", "YAML tag"),
        (b"a: !!python/name:os.system\n", "YAML tag"),
        (b"a: !custom x\n", "YAML tag"),
        (b"[" * 5_000, "nested too deep"),
        (b"a: [1\n", "no readable YAML"),
        (b"\x00\x01", "no readable YAML"),
    ],
)
def test_yaml_with_tags_aliases_or_depth_is_refused_and_runs_nothing(
    content, said, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    refused(as_folder(tmp_path / "b", plain(**{"x.yml": content})), said)
    assert not (tmp_path / "evil").exists()


def test_yaml_with_a_few_aliases_of_plain_anchors_is_read(tmp_path):
    """As the catalogue of analyses shares lists; 2 x 4 nodes are far below the limit."""
    content = b"a: &a [x, y, z]\nb: *a\nc: {d: *a}\n"
    assert opening.opened(as_folder(tmp_path / "b", plain(**{"x.yml": content}))).files


def test_a_file_of_excessive_size_is_refused_by_its_size_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "LARGEST_FILE", 1000)
    refused(as_folder(tmp_path / "b", plain(**{"x.csv": bytes(1001)})), "larger than")
    monkeypatch.setattr(opening, "LARGEST_YAML", 100)
    refused(as_folder(tmp_path / "c", plain(**{"x.yml": b"a: " + b"1" * 200})), "larger than")


@pytest.mark.parametrize("missing", ["SHA256SUMS", "bundle.json"])
def test_without_sums_or_index_it_is_no_bundle(missing, tmp_path):
    files = plain()
    del files[missing]
    if missing == "bundle.json":
        files["SHA256SUMS"] = sums({})
    refused(as_folder(tmp_path / "b", files), f"it has no {missing}")


def test_a_pickle_under_a_known_suffix_is_never_loaded(tmp_path, monkeypatch):
    class Evil:
        def __reduce__(self):
            return os.system, ("touch evil",)

    monkeypatch.chdir(tmp_path)
    refused(
        as_folder(tmp_path / "b", plain(**{"x.parquet": pickle.dumps(Evil())})),
        "no readable Parquet",
    )
    assert not (tmp_path / "evil").exists()


def test_no_program_of_a_bundle_runs_without_run_code(tmp_path, monkeypatch):
    """Code and chapters that would leave a trace are opened and checked; the trace is absent."""
    trace = tmp_path / "trace"
    code = f"import pathlib\npathlib.Path({str(trace)!r}).touch()\n".encode()
    chapter = b"```{python}\n" + code + b"```\n"
    entries = [
        {"name": "source/sap/init.py", "original": "__init__.py", "role": "source"},
        {"name": "project/csr.qmd", "original": "csr.qmd", "role": "project"},
    ]
    files = {
        "bundle.json": index(files=entries),
        "source/sap/init.py": code,
        "project/csr.qmd": chapter,
    }
    place = as_folder(tmp_path / "b", files | {"SHA256SUMS": sums(files)})
    out = tmp_path / "out"
    got = CliRunner().invoke(app, ["audit", str(place), "--out", str(out)])
    assert got.exit_code == 11  # its plan and cut are missing
    assert (out / "audit.json").is_file()
    assert not trace.exists()


@pytest.mark.parametrize(
    "path", ["src/sap/publish/__init__.py", "_quarto.yml", "dm.odcs.yaml", "a/B c.TXT", "x.lock", "LICENSE"]
)  # fmt: skip
def test_every_name_made_for_a_bundle_is_one_that_a_bundle_may_hold(path):
    assert fault_of(safe_name(path)) is None


# ---- any bytes -----------------------------------------------------------------------------------


def opens_or_refuses(path: Path) -> None:
    with contextlib.suppress(SapError):  # anything else is the fault that is looked for
        opened(path)


def _changed(content: bytes, places: list[tuple[int, int]]) -> bytes:
    made = bytearray(content)
    for place, byte in places:
        made[place % len(made)] = byte
    return bytes(made)


CHANGES = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=6)
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


@given(CHANGES)
@settings(derandomize=True, deadline=None, max_examples=150, suppress_health_check=QUIET)
def test_a_zip_with_any_bytes_changed_is_opened_or_refused(tmp_path, places):
    path = as_zip(tmp_path / "b.zip", plain(**{"x.yml": b"a: 1\n", "y.json": b"[1]"}))
    path.write_bytes(_changed(path.read_bytes(), places))
    opens_or_refuses(path)


@given(
    st.sampled_from(["bundle.json", "SHA256SUMS", "x.yml", "y.json", "z.parquet"]),
    st.binary(max_size=200),
)
@settings(derandomize=True, deadline=None, max_examples=150, suppress_health_check=QUIET)
def test_a_file_of_any_bytes_in_a_bundle_is_read_or_refused(tmp_path, name, content):
    files = plain(**{"x.yml": b"a: 1\n"}) | {name: content}
    opens_or_refuses(as_zip(tmp_path / "b.zip", files))


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
FIELDS = [
    "format",
    "audience",
    "study",
    "cut_id",
    "plan_file",
    "code",
    "environment",
    "files",
    "log",
]


@given(st.dictionaries(st.sampled_from(FIELDS), JSONS, max_size=4))
@settings(derandomize=True, deadline=None, max_examples=150, suppress_health_check=QUIET)
def test_an_index_that_says_anything_is_read_or_refused(tmp_path, facts):
    files = {"bundle.json": index(**facts)}
    opens_or_refuses(as_zip(tmp_path / "b.zip", files | {"SHA256SUMS": sums(files)}))
