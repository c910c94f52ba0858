"""A folder appears whole or not at all, and only where a folder of ours may stand."""

from pathlib import Path

import pytest

from sap.errors import WrongUse
from sap.pipeline.folders import whole_folder


def made(target: Path, text: str) -> None:
    with whole_folder(target) as new:
        (new / "a.txt").write_text(text, encoding="utf-8")


def test_the_new_folder_replaces_the_old_one_and_leaves_nothing_beside_it(tmp_path):
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
    with pytest.raises(WrongUse, match="working folder"):
        made(Path(name), "new")
    assert (here / "mine.txt").read_text(encoding="utf-8") == "mine"


def test_a_file_is_never_replaced_by_a_folder(tmp_path):
    target = tmp_path / "notes.txt"
    target.write_text("mine", encoding="utf-8")
    with pytest.raises(WrongUse, match="is a file"):
        made(target, "new")
    assert target.read_text(encoding="utf-8") == "mine"
