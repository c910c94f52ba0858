"""Bundles made to hurt: each is refused with exit 11 before a single file is written."""

import contextlib
import hashlib
import io
import json
import os
import pickle
import stat
import struct
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from sap.bundle import opened, opening
from sap.bundle.names import safe_name
from sap.cli import app
from sap.errors import IntegrityError, SapError


def index(**more) -> bytes:
    facts = {
        "format": 1,
        "audience": "auditor",
        "study": "T",
        "cut_off": "2019-06-30",
        "cut_id": "final-2019-06-30-00000000",
        "plan_file": "plan.yml",
        "code": {"files": {}},
        "environment": {},
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


def parquet(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


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
    from sap.bundle.names import fault_of

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
