"""A folder appears whole or not at all, and only where a folder of ours may stand."""

import datetime as dt
import os
import stat
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from sap import contracts, snapshot
from sap.bundle import Contents, write_into
from sap.cli import app
from sap.errors import PlanError, UsageError
from sap.intake import sdtm
from sap.pipeline import commands
from sap.pipeline.folders import atomic_folder, lock, refuse_within, write_bytes

PLAN = Path(__file__).parents[1] / "analysis" / "plan.yml"


def made(target: Path, text: str) -> None:
    with atomic_folder(target) as new:
        (new / "a.txt").write_text(text, encoding="utf-8")


def test_the_new_folder_replaces_the_old_one_and_leaves_nothing_else(tmp_path):
    target = tmp_path / "out"
    made(target, "first")
    made(target, "second")
    assert (target / "a.txt").read_text(encoding="utf-8") == "second"
    assert sorted(p.name for p in tmp_path.iterdir()) == [".out.lock", "out"]


def test_a_block_that_fails_leaves_what_was_there(tmp_path):
    target = tmp_path / "out"
    made(target, "first")
    with pytest.raises(TypeError):
        made(target, 3)  # type: ignore[arg-type]  # no text: writing it fails inside the block
    assert (target / "a.txt").read_text(encoding="utf-8") == "first"
    assert sorted(p.name for p in tmp_path.iterdir()) == [".out.lock", "out"]


@pytest.mark.parametrize("name", [".", "..", "/", "../here"])
def test_the_working_folder_is_never_replaced(tmp_path, monkeypatch, name):
    here = tmp_path / "here"
    here.mkdir()
    (here / "mine.txt").write_text("mine", encoding="utf-8")
    monkeypatch.chdir(here)
    with pytest.raises(UsageError, match="working folder"):
        made(Path(name), "new")
    assert (here / "mine.txt").read_text(encoding="utf-8") == "mine"


def test_a_file_is_never_replaced_by_a_folder(tmp_path):
    target = tmp_path / "notes.txt"
    target.write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="is a file"):
        made(target, "new")
    assert target.read_text(encoding="utf-8") == "mine"


def test_a_folder_that_sap_did_not_make_is_never_replaced_and_an_empty_one_is(tmp_path):
    target = tmp_path / "home"
    target.mkdir()
    made(target, "into an empty folder")
    assert (target / "a.txt").read_text(encoding="utf-8") == "into an empty folder"
    mine = tmp_path / "photos"
    mine.mkdir()
    (mine / "a.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="files that sap did not write"):
        made(mine, "new")
    assert (mine / "a.txt").read_text(encoding="utf-8") == "mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == [".home.lock", "home", "photos"]


@pytest.mark.parametrize("name", ["notes.txt", "deep/er/notes.txt", ".bashrc", ".ssh/id"])
def test_a_folder_with_a_file_that_sap_did_not_write_is_never_replaced(tmp_path, name):
    target = tmp_path / "out"
    made(target, "first")
    (target / name).parent.mkdir(parents=True, exist_ok=True)
    (target / name).write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match=f"{name} in it is not a file that sap wrote"):
        made(target, "second")
    assert (target / name).read_text(encoding="utf-8") == "mine"
    (target / name).unlink()
    made(target, "second")
    assert (target / "a.txt").read_text(encoding="utf-8") == "second"


@pytest.mark.parametrize("mark", ["", "[", "{}", "3", "[" * 100_000])
def test_a_mark_that_cannot_be_read_marks_nothing(tmp_path, mark):
    target = tmp_path / "out"
    made(target, "first")
    (target / ".sap").write_text(mark, encoding="utf-8")
    with pytest.raises(UsageError, match="did not write"):
        made(target, "second")


def test_what_a_report_adds_to_a_run_goes_with_it(tmp_path):
    target = tmp_path / "run"
    made(target, "first")
    for name in (
        "csr.html",
        "csr-16-2.pdf",
        "dsmb-open/report.pdf",
        "tables/previous-ard.csv",
        ".new-x/csr.pdf",
        ".run-log.jsonl.lock",
    ):
        (target / name).parent.mkdir(exist_ok=True)
        (target / name).write_text("", encoding="utf-8")
    made(target, "second")
    assert sorted(p.name for p in target.iterdir()) == [".sap", "a.txt"]


def test_a_link_is_never_replaced(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(UsageError, match="is a link"):
        made(tmp_path / "link", "new")


def test_a_bundle_is_known_by_its_index_and_sums_and_holds_no_mark(tmp_path):
    target = tmp_path / "bundle"
    for _ in range(2):
        with atomic_folder(target) as new:
            (new / "bundle.json").write_text("{}")
            (new / "SHA256SUMS").write_text(f"{'0' * 64}  bundle.json\n")
        assert sorted(p.name for p in target.iterdir()) == ["SHA256SUMS", "bundle.json"]
    (target / "mine.csv").write_text("mine")
    with pytest.raises(UsageError, match=r"mine\.csv in it"):
        made(target, "new")


def test_what_is_written_neither_holds_what_is_read_nor_lies_in_it(tmp_path):
    source = tmp_path / "run"
    for target in (source, source / "bundle", tmp_path, source / ".." / "run"):
        with pytest.raises(UsageError, match="cannot be written: it is, holds, or lies in"):
            refuse_within(target, source, "the run")
    refuse_within(tmp_path / "run-2", source, "the run")


@pytest.mark.parametrize("mask, mode", [(0o022, 0o644), (0o077, 0o600), (0o027, 0o640)])
def test_who_may_read_what_is_written_is_decided_by_the_umask(tmp_path, mask, mode):
    """A run, a single file, an extract, a frozen cut and a bundle; folders have the right to enter too."""
    folders = 0o777 & ~mask
    before = os.umask(mask)
    try:
        made(tmp_path / "run", "x")
        write_bytes(tmp_path / "files" / "b.txt", b"x")
        sdtm.write({"dm": pd.DataFrame({"USUBJID": ["1"]})}, tmp_path / "extract")
        cut = snapshot.freeze(
            {}, cut_off=dt.date(2018, 6, 30), cut_off_name="c", planned=False, plan_hash="0",
            contracts=contracts.load(), findings=pd.DataFrame(), frozen_root=tmp_path / "frozen",
        )  # fmt: skip
        write_into(tmp_path / "bundle", Contents({"a/b.csv": b"x"}))
    finally:
        os.umask(before)

    def of(place: Path) -> int:
        return stat.S_IMODE(place.stat().st_mode)

    for written in ("run/a.txt", "files/b.txt", "extract/dm.csv", "bundle/a/b.csv"):
        assert of(tmp_path / written) == mode, written
        assert of((tmp_path / written).parent) == folders, written
    assert of(cut) == folders
    assert of(cut / "manifest.json") == mode & 0o444


def test_two_reports_of_one_run_at_once_are_refused(tmp_path):
    run = tmp_path / "run"
    (run / "tables").mkdir(parents=True)
    (run / "ard.csv").write_text("")
    facts = '{"study": "T", "cut_off": "2019-06-30", "cut_id": "c"}'
    (run / "tables" / "run.json").write_text(facts)
    (run / "tables" / "plan.json").write_text("{}")
    with lock(run.resolve()):
        got = CliRunner().invoke(app, ["report", str(run)])
    assert isinstance(got.exception, UsageError)
    assert "Another run is writing" in str(got.exception)


def test_the_deviations_are_read_before_anything_is_computed(tmp_path, monkeypatch):
    (tmp_path / "analysis").mkdir()
    (tmp_path / "analysis" / "deviations.yml").write_text("- id: DEV-01\n")
    monkeypatch.setattr(commands, "study_home", lambda: tmp_path)
    out = tmp_path / "build" / "report"
    with pytest.raises(PlanError, match="not a valid file of deviations"):
        commands.run_all(PLAN, None, 1, "final", out, tmp_path / "frozen")
    assert [path.name for path in tmp_path.iterdir()] == ["analysis"]
