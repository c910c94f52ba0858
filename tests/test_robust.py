"""Killed, full, read-only, twice at once, fed with anything: a clear error, no damage, no traceback."""

import contextlib
import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sap import bundle, contracts, runlog, snapshot
from sap.bundle.contents import Contents
from sap.contracts import odcs
from sap.errors import SapError, UsageError
from sap.intake import sdtm
from sap.pipeline import commands, folders
from sap.plan import read_plan

HOME = Path(__file__).parents[1]
PLAN = HOME / "analysis" / "plan.yml"


def sap(*words: str | Path) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, "-m", "sap", *map(str, words)]
    return subprocess.run(call, capture_output=True, text=True, check=False)


def left_over(folder: Path) -> list[str]:
    """What a killed run may leave for the next one to sweep."""
    return sorted(p.name for p in folder.iterdir() if p.name.startswith(".") and p.is_dir())


# ---- killed --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cut(tmp_path_factory) -> Path:
    from sap.simulate import trial

    plan = read_plan(PLAN)
    rules = contracts.load()
    day = plan.plan.cut_offs.dates["final"].date
    tables = trial.simulate(11, ctc_threshold=plan.plan.biomarker.cell_count.minimum, n_screened=30)
    return snapshot.freeze(
        snapshot.in_order(snapshot.cut(contracts.typed(tables, rules), day), rules),
        cut_off=day,
        cut_off_name="final",
        planned=True,
        plan_hash=plan.sha256,
        contracts=rules,
        findings=pd.DataFrame(columns=list(contracts.FINDING_COLUMNS)),
        frozen_root=tmp_path_factory.mktemp("robust") / "frozen",
    )


TIMES = [pytest.param(2, marks=pytest.mark.slow), pytest.param(10, marks=pytest.mark.long)]


@pytest.mark.parametrize("times", TIMES)
def test_a_command_killed_at_random_moments_leaves_all_of_the_old_or_all_of_the_new(
    cut, tmp_path, times
):
    run, packed = tmp_path / "run", tmp_path / "bundle"
    commands.analyse(cut, PLAN, run)
    steps = {
        "analyse": (["analyse", cut, "--plan", PLAN, "--out", run], run),
        "bundle": (["bundle", run, packed, "--cut", cut], packed),
        "simulate": (["simulate", tmp_path / "extract", "--seed", "3"], tmp_path / "extract"),
    }
    chance = random.Random(6)
    for name, (words, place) in steps.items():
        took = time.monotonic()
        assert sap(*words).returncode == 0, name
        took = time.monotonic() - took
        for _ in range(times):
            whole = {p.relative_to(place) for p in place.rglob("*")}
            running = subprocess.Popen(
                [sys.executable, "-m", "sap", *map(str, words)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            time.sleep(chance.uniform(0.3, 1.0) * took)
            running.send_signal(signal.SIGKILL)
            running.wait()
            # Between the two renames the old folder stands beside; `recover` is what the next call does.
            with folders.lock(place):
                folders.recover(place)
            assert {p.relative_to(place) for p in place.rglob("*")} == whole
            if place == run:
                assert (
                    runlog.swapped(
                        runlog.verify(run / "run-log.jsonl"),
                        {"ard.csv": snapshot.folder._sum((run / "ard.csv").read_bytes())},
                    )
                    == []
                )
            if place == packed:
                bundle.opened(packed)
        assert sap(*words).returncode == 0, f"{name} after it was killed"
        assert left_over(tmp_path) == []


@pytest.mark.parametrize("times", TIMES)
def test_a_freeze_killed_at_random_moments_never_leaves_half_a_cut(tmp_path, times):
    from sap.simulate import trial

    extract, frozen = tmp_path / "extract", tmp_path / "frozen"
    extract.mkdir()
    sdtm.write(trial.simulate(3, ctc_threshold=3, n_screened=30), extract)
    words = ["freeze", extract, "--cut-off", "final", "--plan", PLAN, "--out", frozen]
    took = time.monotonic()
    first = sap(*words)
    took = time.monotonic() - took
    assert first.returncode == 0, first.stderr
    chance = random.Random(7)
    for _ in range(times):
        for path in (each for each in frozen.iterdir() if each.is_dir()):
            for inside in path.iterdir():
                inside.chmod(0o644)
            shutil.rmtree(path)
        running = subprocess.Popen(
            [sys.executable, "-m", "sap", *map(str, words)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(chance.uniform(0.7, 1.0) * took)
        running.send_signal(signal.SIGKILL)
        running.wait()
        for path in frozen.iterdir():
            if not path.name.startswith("."):
                snapshot.verify(path)
    assert sap(*words).returncode == 0
    assert left_over(frozen) == []


# ---- full, read-only, twice ----------------------------------------------------------------------


def small() -> Contents:
    return Contents({"a.csv": b"1", "b/c.csv": b"2" * 1000})


def old_bundle(place: Path) -> Path:
    with folders.atomic_folder(place) as new:
        (new / "old.csv").write_text("old")
    return place


def names(place: Path) -> list[str]:
    found = (p.relative_to(place).as_posix() for p in place.rglob("*") if p.is_file())
    return sorted(name for name in found if name != folders.MARK)


def test_a_full_disk_is_reported_and_the_old_folder_stays(tmp_path, monkeypatch):
    place = old_bundle(tmp_path / "b")
    write = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if path.name == "c.csv":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with (
        pytest.raises(UsageError, match="The disk is full"),
        folders.atomic_folder(place) as new,
    ):
        bundle.write_into(new, small())
    assert names(place) == ["old.csv"]
    assert left_over(tmp_path) == []


def test_a_full_disk_leaves_the_old_zip(tmp_path, monkeypatch):
    place = tmp_path / "b.zip"
    folders.write_bytes(place, b"old")

    def full(path: Path, content: bytes) -> int:
        path.touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UsageError, match="it is unchanged"):
        folders.write_bytes(place, b"new")
    assert place.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["b.zip"]


def test_a_log_on_a_full_disk_is_a_clear_error(tmp_path, monkeypatch):
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match="cannot be written"):
        runlog.append(tmp_path / "run-log.jsonl", {"step": "analyse"})


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_a_read_only_disk_is_reported_and_nothing_changes(tmp_path, monkeypatch, code):
    place = old_bundle(tmp_path / "b")

    def refused(*_words, **_more):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "write_bytes", refused)
    with pytest.raises(UsageError, match="cannot be written"), folders.atomic_folder(place) as new:
        bundle.write_into(new, small())
    assert names(place) == ["old.csv"]


HOLD = """
import time
from pathlib import Path
from sap.pipeline import folders
with folders.lock(Path({!r})):
    print("held", flush=True)
    time.sleep(60)
"""


def test_two_runs_at_once_are_refused_and_the_lock_ends_with_its_process(tmp_path):
    place = tmp_path / "b"
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            HOLD.format(str(place)),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(UsageError, match="Another run is writing"), folders.atomic_folder(place):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    with folders.atomic_folder(place) as new:
        bundle.write_into(new, small())
    assert names(place) == ["a.csv", "b/c.csv"]


# ---- fed with anything ---------------------------------------------------------------------------

QUIET = list(HealthCheck)


def often(times: int) -> settings:
    """So many inputs in `make long`, which loads the profile `long`; a twentieth of them else."""
    share = 1 if settings.get_current_profile_name() == "long" else 20
    return settings(
        derandomize=True,
        deadline=None,
        max_examples=times // share,
        suppress_health_check=QUIET,
        database=None,
    )


PLAN_BYTES = PLAN.read_bytes()
CONTRACT_BYTES = (HOME / "data-contracts" / "gf.odcs.yaml").read_bytes()
MANIFEST = {
    "cut_id": "x", "cut_off": "2019-06-30", "cut_off_name": "final", "planned": True,
    "synthetic": True, "plan_hash": "", "contract_version": "1", "package_version": "1", "files": [],
}  # fmt: skip
WORDS = st.sampled_from(
    [b"", b"\n", b"- ", b": ", b"{", b"}", b"[", b"*a", b"&a ", b"!!x ", b"null", b"-1", b"1e999",
     b"2019-13-45", b"\xff", b"\x00", b"'", b'"', b"|", b">", b"NaN", b"\xe2\x80\xa8", b"  ", b"#"]
)  # fmt: skip
EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 12), WORDS | st.binary(max_size=4)), max_size=4
)


def edited(content: bytes, edits) -> bytes:
    made = content
    for share, gone, word in edits:
        place = int(share * len(made))
        made = made[:place] + word + made[place + gone :]
    return made


def known_error_or_none(call, *words) -> None:
    """Whatever is given, an answer or an error of ours; anything else fails the test."""
    with contextlib.suppress(SapError):
        call(*words)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@pytest.mark.slow
@pytest.mark.fuzz
class TestAnyInput:
    """Five readers, 103,000 inputs in all in `make long`; the quick readers get most of them."""

    @often(4_000)
    @given(EDITS)
    def test_the_plan_loader(self, place, edits):
        start = PLAN_BYTES.index(b"design:")
        end = PLAN_BYTES.index(b"analysis_sets:")
        path = place / "plan.yml"
        path.write_bytes(edited(PLAN_BYTES[start:end], edits))
        known_error_or_none(read_plan, path)

    @often(4_000)
    @given(EDITS)
    def test_the_contract_loader(self, place, edits):
        path = place / "gf.odcs.yaml"
        head = CONTRACT_BYTES[: CONTRACT_BYTES.index(b"schema:") + 900]
        path.write_bytes(edited(head, edits))
        known_error_or_none(odcs._contract, path)

    @often(30_000)
    @given(EDITS, st.sampled_from([".csv", ".json", ".ndjson", ".xpt", ".parquet"]))
    def test_the_readers_of_the_intake(self, place, edits, suffix):
        content = {
            ".csv": b'USUBJID,AESEQ\nP1,1\n"P,2",2\n',
            ".json": b'{"datasetJSONVersion":"1.1.0","records":1,"columns":[{"name":"A"}],"rows":[["x"]]}',
            ".ndjson": b'{"datasetJSONVersion":"1.1.0","records":1,"columns":[{"name":"A"}]}\n["x"]\n',
            ".xpt": b"HEADER RECORD*******LIBRARY HEADER RECORD!!!!!!!" + b"0" * 300,
            ".parquet": b"PAR1" + b"\x00" * 40 + b"PAR1",
        }[suffix]
        path = place / f"x{suffix}"
        path.write_bytes(edited(content, edits))
        known_error_or_none(sdtm.READERS[suffix], path)

    @often(35_000)
    @given(EDITS)
    def test_the_manifest_reader(self, place, edits):
        folder = place / "cut"
        folder.mkdir(exist_ok=True)
        (folder / "manifest.json").write_bytes(edited(json.dumps(MANIFEST).encode(), edits))
        known_error_or_none(snapshot.verify, folder)

    @often(30_000)
    @given(EDITS, st.sampled_from(["bundle.json", "SHA256SUMS", "x.yml"]))
    def test_the_bundle_reader(self, place, edits, which):
        folder = place / "bundle"
        folder.mkdir(exist_ok=True)
        facts = {
            "format": 1, "audience": "open", "study": "T", "status": "FINAL", "cut_off": "2019-06-30",
            "cut_off_name": "final", "cut_id": "c", "synthetic": True, "plan_file": "p.yml", "plan_sha256": "",
            "code": {"version": "1", "commit": None, "sha256": "", "files": {}}, "project": {},
            "environment": {"python": "3", "system": "s", "machine": "m", "packages": {}},
            "log": None, "wheel": None, "left_out": {},
            "files": [{"name": "x.yml", "original": "x.yml", "role": "table"}],
        }  # fmt: skip
        files = {
            "bundle.json": json.dumps(facts).encode(),
            "SHA256SUMS": b"0" * 64 + b"  bundle.json\n",
            "x.yml": b"a: [1, {b: 2}]\n",
        }
        files[which] = edited(files[which], edits)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        known_error_or_none(bundle.opened, folder)
