"""What a command says to wrong input: one clear line, its exit code, no traceback, nothing written."""

import json
import sys
from pathlib import Path

import pytest

from sap import ard
from sap.__main__ import main

HOME = Path(__file__).parents[1]
PLAN = str(HOME / "analysis" / "plan.yml")


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """A folder with everything that can be named wrongly."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "broken.yml").write_text("a: [1\n")
    (tmp_path / "junk.yml").write_bytes(bytes(range(128, 256)))
    (tmp_path / "blank.yml").write_text("")
    (tmp_path / "list.yml").write_text("- 1\n")
    for name, run_json in (("torn", "{"), ("short", "{}"), ("odd", "[]"), ("deep", "[" * 10**5)):
        run = tmp_path / name
        (run / "tables").mkdir(parents=True)
        (run / "tables" / "run.json").write_text(run_json)
        rows = ard.rows({"n": 1}, analysis="a", section="s", population="P", method="m")
        (run / "ard.csv").write_text(ard.to_csv(rows))
    damaged = tmp_path / "damaged"
    (damaged / "tables").mkdir(parents=True)
    (damaged / "adam").mkdir()
    facts = {"study": "T", "cut_off": "2019-06-30", "cut_id": "x"}
    (damaged / "tables" / "run.json").write_text(json.dumps(facts))
    (damaged / "adam" / "adsl.parquet").write_bytes(b"PAR1xxxx")
    (damaged / "ard.csv").write_bytes(b"\xff\xfe\x00")
    for name, content in {
        "noise": bytes(range(256)) * 9, "nothing": b"", "blank-lines": b"\n\n", "latin": b"A\nM\xfcde\n",
        "twice": b"USUBJID,usubjid\n1,2\n", "semicolon": b"A;B\n1;2\n", "ragged": b"A,B\n1\n",
        "open": b'A\n"x\n', "wide": "A\n1\n".encode("utf-16"),
    }.items():  # fmt: skip
        folder = tmp_path / f"csv-{name}"
        folder.mkdir()
        (folder / "dm.csv").write_bytes(content)
    return tmp_path


def tree(folder: Path) -> dict[str, bytes | None]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() if p.is_file() else None
        for p in folder.rglob("*")
        if not p.name.endswith(".lock")
    }


def as_text(words: list[str], monkeypatch, capsys) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["sap", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0), capsys.readouterr().err


NASTY = [
    ("check nowhere --plan {plan} --out new", 2, "nowhere: no such folder. Give the folder of"),
    ("check file.txt --plan {plan} --out new", 2, "file.txt: no such folder"),
    ("check empty --plan {plan} --out new", 2, "empty holds no SDTM file"),
    ("check csv-noise --plan {plan} --out new", 2, "dm.csv is not UTF-8"),
    ("check csv-latin --plan {plan} --out new", 2, "dm.csv is not UTF-8"),
    ("check csv-wide --plan {plan} --out new", 2, "dm.csv is not UTF-8"),
    ("check csv-nothing --plan {plan} --out new", 2, "dm.csv is empty"),
    ("check csv-blank-lines --plan {plan} --out new", 2, "dm.csv is empty"),
    ("check csv-twice --plan {plan} --out new", 2, "has the column USUBJID twice"),
    ("check csv-semicolon --plan {plan} --out new", 2, "separated by semicolons"),
    ("check csv-ragged --plan {plan} --out new", 2, "row 1 has 1 cells, the header 2"),
    ("check csv-open --plan {plan} --out new", 2, "is not a CSV file"),
    ("check empty --plan {plan} --out empty/new", 2, "which is checked"),
    ("check empty --plan nope.yml --out new", 2, "nope.yml: the plan cannot be read"),
    ("check empty --plan full --out new", 2, "Is a directory"),
    ("check empty --plan broken.yml --out new", 13, "line 2, the plan: not readable YAML"),
    ("check empty --plan junk.yml --out new", 13, "not UTF-8"),
    ("check empty --plan blank.yml --out new", 13, "empty or no mapping"),
    ("check empty --plan list.yml --out new", 13, "empty or no mapping"),
    ("check empty --plan {plan}", 2, "Missing option '--out'"),
    (
        "freeze empty --plan {plan} --cut-off nix",
        2,
        "'nix' is no name of plan.yml (interim, final)",
    ),
    ("freeze empty --plan {plan} --cut-off 2019-02-30", 2, "no date like"),
    ("freeze empty --plan {plan} --cut-off final --out empty", 2, "which is frozen"),
    ("analyse empty --plan {plan} --out new", 11, "empty has no manifest.json"),
    ("analyse empty --plan {plan} --out file.txt", 2, "file.txt is a file"),
    ("analyse empty --plan {plan} --out full", 2, "full holds files that sap did not write"),
    ("analyse empty --plan {plan} --out .", 2, "it is, holds, or lies in empty"),
    ("report empty", 2, "empty holds no run: call `sap analyse CUT --out empty` first"),
    ("report torn", 2, "torn/tables/run.json is no readable JSON"),
    ("report deep", 2, "deep/tables/run.json is no readable JSON"),
    ("report odd", 2, "odd/tables/run.json is no table of a run"),
    ("report short", 2, "is incomplete"),
    ("report torn --previous full", 2, "torn/tables/run.json is no readable JSON"),
    ("report damaged", 2, "damaged/tables/plan.json cannot be read: No such file"),
    ("report torn --kind pdf", 2, "'pdf' is not one of 'csr', 'dsmb'"),
    ("bundle torn new", 2, "torn/tables/run.json is no readable JSON"),
    ("bundle damaged new", 2, "frozen/x: no such cut"),
    ("bundle damaged new --cut file.txt", 2, "file.txt: no such cut"),
    ("bundle damaged new --audience all", 2, "'all' is not one of 'open', 'closed', 'auditor'"),
    ("audit nowhere --out new", 2, "no such folder or zip"),
    ("audit file.txt --out new", 11, "it is no readable zip"),
    ("audit full --out new", 11, "it has no bundle.json"),
    ("audit full --out full", 2, "the bundle. Give a folder next to it"),
    ("audit empty --out full", 2, "full holds files that sap did not write"),
    ("compare full empty", 2, "full is no bundle, run, frozen cut or ARD"),
    ("compare damaged torn", 2, "damaged/ard.csv cannot be read as an ARD"),
    ("compare torn file.txt", 2, "file.txt is no bundle, run"),
    ("compare torn short --out empty", 2, "empty cannot be written: Is a directory"),
    ("export empty new", 2, "empty holds no run"),
    ("export damaged new", 2, "adsl.parquet cannot be read as Parquet"),
    ("export damaged damaged", 2, "it is, holds, or lies in damaged, the run"),
    ("simulate full --plan {plan}", 2, "full holds files that sap did not write"),
    ("simulate .. --plan {plan}", 2, "is the working folder or holds it"),
    ("simulate new --plan {plan} --n 0", 2, "greater than or equal to 1"),
    ("simulate new --plan {plan} --seed x", 2, "valid integer"),
    ("intake sdtm full full", 2, "which is read"),
    ("intake sdtm full new", 2, "holds no SDTM file"),
    ("intake caba-v7 empty new", 2, "empty lacks clinical.csv"),
    ("intake csv empty new", 2, "'csv' is not one of 'sdtm', 'caba-v7'"),
    ("run --plan {plan} --cut-off nix", 2, "'nix' is no name of plan.yml"),
    ("run --plan {plan} --source nowhere", 2, "nowhere: no such folder"),
    ("run --plan {plan} --out full", 2, "full holds files that sap did not write"),
    ("nix", 2, "No such command 'nix'"),
]


@pytest.mark.parametrize("words, code, line", NASTY)
def test_wrong_input_gets_one_clear_line_and_changes_nothing(
    here, monkeypatch, capsys, words, code, line
):
    before = tree(here)
    ended, text = as_text(words.format(plan=PLAN).split(), monkeypatch, capsys)
    assert (ended, line in text) == (code, True), text
    assert "Traceback" not in text
    assert tree(here) == before


def test_spaces_umlauts_and_quotes_in_names_are_names_like_others(here, monkeypatch, capsys):
    place = here / "M\u00fcller's data; rm -rf"
    place.mkdir()
    (place / "dm.csv").write_text("USUBJID,AGE\nP1,70\n")
    out = here / "ex tract \u00e9"
    code, _ = as_text(["intake", "sdtm", str(place), str(out)], monkeypatch, capsys)
    assert code == 0
    assert (out / "dm.csv").read_text() == "USUBJID,AGE\nP1,70\n"


def test_a_byte_order_mark_and_carriage_returns_are_no_part_of_a_cell(here, monkeypatch, capsys):
    place = here / "windows"
    place.mkdir()
    (place / "dm.csv").write_bytes(b"\xef\xbb\xbfUSUBJID,AGE\r\nP1,70\r\n")
    assert as_text(["intake", "sdtm", "windows", "out"], monkeypatch, capsys)[0] == 0
    assert (here / "out" / "dm.csv").read_bytes() == b"USUBJID,AGE\nP1,70\n"


def test_a_fault_of_the_program_says_where_and_quotes_no_data(here, monkeypatch, capsys):
    from sap.pipeline import runs

    def fails(*_words):
        raise KeyError("P1 has 70 years")

    monkeypatch.setattr(runs, "json_of", fails)
    code, text = as_text(["report", "damaged"], monkeypatch, capsys)
    assert code == 1
    assert "KeyError in pipeline/runs.py, line" in text
    assert "70 years" not in text
    assert len(text.splitlines()) == 1


def test_every_command_says_what_it_does_what_it_takes_and_how_it_ends(monkeypatch, capsys):
    from typer.main import get_command

    from sap.cli import app

    def commands(group, path):
        for name, one in sorted(group.commands.items()):
            inner = getattr(one, "commands", None)
            yield from commands(one, [*path, name]) if inner else [([*path, name], one)]

    for path, one in commands(get_command(app), []):
        assert one.help, path
        for parameter in one.params:
            if parameter.name != "help" and path[:1] != ["calc"]:
                assert getattr(parameter, "help", None), (path, parameter.name)


def test_a_terminal_that_takes_no_more_is_no_traceback(here):
    import subprocess

    with open("/dev/full", "w") as full:  # noqa: PTH123
        got = subprocess.run(
            [sys.executable, "-m", "sap", "--help"], stdout=full, stderr=subprocess.PIPE, text=True,
            check=False,
        )  # fmt: skip
    assert "Traceback" not in got.stderr
