"""From a data cut to a report: same bytes, whole or not at all, and refusals with their exit codes."""

import csv
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock

HOME = Path(__file__).parents[1]
PLAN = HOME / "analysis" / "plan.yml"


def sap(*words: str | Path, env: dict[str, str] | None = None, cwd: Path | None = None):
    call = [sys.executable, "-m", "sap", *map(str, words)]
    full = {**os.environ, **(env or {})}
    return subprocess.run(call, capture_output=True, text=True, check=False, env=full, cwd=cwd)


@pytest.fixture(scope="module")
def extract(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pipeline") / "extract"
    got = sap("simulate", folder, "--seed", "7", "--n", "70", "--plan", PLAN)
    assert got.returncode == 0, got.stderr
    return folder


@pytest.fixture(scope="module")
def frozen(extract) -> Path:
    got = sap(
        "freeze", extract, "--cut-off", "final", "--plan", PLAN, "--out", extract.parent / "frozen"
    )
    assert got.returncode == 0, got.stderr
    return Path(got.stdout.strip().splitlines()[-1])


@pytest.fixture(scope="module")
def run(frozen) -> Path:
    out = frozen.parents[1] / "run"
    got = sap("analyse", frozen, "--plan", PLAN, "--out", out)
    assert got.returncode == 0, got.stderr
    return out


def rows_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def write_rows(path: Path, rows: list[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def edited(extract: Path, to: Path, domain: str, column: str, value: str, row: int = 1) -> None:
    """A copy of an extract's domain with one cell changed (row 1 is the first below the header)."""
    rows = rows_of(extract / f"{domain}.csv")
    rows[row][rows[0].index(column)] = value
    write_rows(to / f"{domain}.csv", rows)


# ---- refusals ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_four_planted_faults_are_all_named_by_domain_and_row_with_exit_10(extract, tmp_path):
    bad = tmp_path / "bad"
    shutil.copytree(extract, bad)
    lb = rows_of(extract / "lb.csv")
    test, result = lb[0].index("LBTESTCD"), lb[0].index("LBSTRESN")
    psa = [i for i, row in enumerate(lb) if row[test] == "PSA" and row[result]]
    other = next(
        i for i in psa if lb[i][lb[0].index("USUBJID")] != lb[psa[0]][lb[0].index("USUBJID")]
    )
    edited(extract, bad, "lb", "LBSTRESN", "abc", psa[0])
    edited(bad, bad, "lb", "LBSTRESU", "furlong", other)
    ex = rows_of(extract / "ex.csv")
    dose = next(i for i, row in enumerate(ex) if row[ex[0].index("EXTRT")] == "CABAZITAXEL")
    edited(extract, bad, "ex", "EXSTDTC", "2001-01-01", dose)
    dm = rows_of(extract / "dm.csv")
    write_rows(bad / "dm.csv", [*dm, dm[1]])
    got = sap("check", bad, "--plan", PLAN, "--out", tmp_path / "findings")
    assert got.returncode == 10
    assert "Traceback" not in got.stderr
    found = rows_of(tmp_path / "findings" / "findings.csv")
    assert found[0] == [
        *("domain", "rule", "description", "severity", "row", "usubjid"),
        *("seq", "contract", "allowed", "accepted"),
    ]
    critical = {(r[0], r[4]) for r in found[1:] if r[3] == "critical"}
    assert {
        ("lb", str(psa[0])),
        ("lb", str(other)),
        ("ex", str(dose)),
        ("dm", str(len(dm))),
    } <= critical
    assert "abc" not in got.stderr + got.stdout
    assert "furlong" not in got.stderr + got.stdout
    assert (tmp_path / "findings" / "findings.json").stat().st_size > 0


@pytest.mark.slow
def test_one_byte_of_a_frozen_file_stops_every_later_step_and_is_named(frozen, tmp_path):
    cut = tmp_path / frozen.name
    shutil.copytree(frozen, cut)
    victim = cut / "lb.parquet"
    victim.chmod(0o644)
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(content)
    got = sap("analyse", cut, "--plan", PLAN, "--out", tmp_path / "run")
    assert got.returncode == 11
    assert "lb.parquet" in got.stderr
    assert "Traceback" not in got.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "words, code, said",
    [
        (("freeze", "none", "--cut-off", "final"), 2, "no such folder"),
        (("freeze", "{extract}", "--cut-off", "someday"), 2, "no name of plan.yml"),
        (("check", "{extract}", "--out", "x", "--plan", "none.yml"), 2, "cannot be read"),
        (("report", "{extract}"), 2, "holds no run"),
        (("intake", "caba-v7", "{extract}", "x"), 2, "clinical.csv"),
        (("intake", "sas", "{extract}", "x"), 2, ""),
        (("analyse", "{extract}", "--out", "x"), 11, "manifest"),
    ],
)
def test_wrong_use_says_what_and_exits_with_its_code(words, code, said, extract, tmp_path):
    asked = [w.replace("{extract}", str(extract)) for w in words]
    plan = [] if "--plan" in asked or asked[0] in ("report", "intake") else ["--plan", str(PLAN)]
    got = sap(*asked, *plan, cwd=tmp_path)
    assert got.returncode == code, got.stderr
    assert said in got.stderr
    assert "Traceback" not in got.stderr


def test_quarto_is_refused_clearly_where_it_is_not(run, tmp_path):
    got = sap("report", run, "--engine", "quarto", env={"PATH": str(tmp_path)})
    assert got.returncode == 2
    assert "quarto" in got.stderr.lower()
    assert "Traceback" not in got.stderr


# ---- whole or not at all -------------------------------------------------------------------------


@pytest.mark.slow
def test_a_killed_run_leaves_the_last_report_as_it_was(run, frozen, tmp_path):
    out = tmp_path / "report"
    first = sap("analyse", frozen, "--plan", PLAN, "--out", out)
    assert first.returncode == 0, first.stderr
    last = {path: path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}
    words = ["run", "--plan", str(PLAN), "--out", str(out), "--frozen", str(tmp_path / "frozen")]
    process = subprocess.Popen(
        [sys.executable, "-m", "sap", *words],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if "render" in line:
            break
    else:
        raise AssertionError("the run ended before it rendered")
    time.sleep(1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stderr.close()
    now = {path: path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}
    assert now == last
    again = sap("analyse", frozen, "--plan", PLAN, "--out", out)
    assert again.returncode == 0, again.stderr
    assert not list(tmp_path.glob(".report.new-*"))


def test_two_runs_at_once_on_one_folder_are_refused(run, frozen, tmp_path):
    with FileLock(tmp_path / ".out.lock"):
        got = sap("analyse", frozen, "--plan", PLAN, "--out", tmp_path / "out")
    assert got.returncode == 2
    assert "Another run is writing" in got.stderr


# ---- same bytes ----------------------------------------------------------------------------------


def shuffled(extract: Path, to: Path) -> Path:
    """The same extract with its rows in another order."""
    shutil.copytree(extract, to)
    order = random.Random(3)
    for path in sorted(to.glob("*.csv")):
        head, *rows = rows_of(path)
        order.shuffle(rows)
        write_rows(path, [head, *rows])
    return to


# Derivations, results, writers and Typst work in this process, which faketime gives another date. The
# kernels get no variable of it; they see two dates some seconds apart. Under faketime `sleep`
# fails now and then, so waiting is done by `select`.
ON_ANOTHER_DAY = """
import select, sys, time
time.sleep = lambda seconds: select.select([], [], [], max(seconds, 0))
sys.argv[0] = "sap"
from sap.__main__ import main
main()
"""


@pytest.mark.slow
@pytest.mark.clock
def test_two_reports_that_differ_in_all_that_must_not_matter_have_the_same_bytes(extract, tmp_path):
    """The day, TZ (local dates a day apart), LANG, PYTHONHASHSEED, HOME, folder and row order differ."""
    worlds = {
        "one": {"TZ": "Pacific/Kiritimati", "LANG": "C", "LC_ALL": "C", "PYTHONHASHSEED": "1"},
        "two": {
            "TZ": "Etc/GMT+12", "LANG": "tr_TR.UTF-8", "LC_ALL": "", "PYTHONHASHSEED": "2",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        },
    }  # fmt: skip
    calls = {
        "one": [sys.executable, "-m", "sap"],
        "two": ["faketime", "2031-02-03 04:05:06", sys.executable, "-c", ON_ANOTHER_DAY],
    }
    sources = {"one": extract, "two": shuffled(extract, tmp_path / "shuffled")}
    for name, env in worlds.items():
        (tmp_path / name).mkdir()
        words = ["run", "--plan", PLAN, "--source", sources[name], "--out", tmp_path / name / "report",
                 "--frozen", tmp_path / name / "frozen"]  # fmt: skip
        got = subprocess.run(
            [*calls[name], *map(str, words)], capture_output=True, text=True, check=False,
            env={**os.environ, **env, "HOME": str(tmp_path / name)}, cwd=tmp_path / name,
        )  # fmt: skip
        assert got.returncode == 0, got.stderr
    for file in ("ard.csv", "csr.html", "csr.pdf", "csr-16-2.pdf", "csr-profiles.pdf"):
        left, right = ((tmp_path / name / "report" / file).read_bytes() for name in worlds)
        assert left == right, file
    assert str(tmp_path).encode() not in (tmp_path / "one" / "report" / "csr.html").read_bytes()
    log = (tmp_path / "two" / "report" / "run-log.jsonl").read_text(encoding="utf-8")
    assert '"2031-02-03T' in log  # the clock gave that day


@pytest.mark.slow
@pytest.mark.shared
def test_caba_v7_comes_out_as_published(shared_data, tmp_path):
    """Isebia 2022 and trial.md 1.6: 3/25 (2.5 to 31.2), 2/25 at 28 days, 4/25 unconfirmed."""
    from sap.ard import from_csv

    plan = HOME / "analysis" / "plan-caba-v7.yml"
    source = shared_data / "caba-v7"
    steps = [
        ("intake", "caba-v7", source, tmp_path / "extract"),
        ("freeze", tmp_path / "extract", "--cut-off", "final", "--plan", plan, "--out", tmp_path / "frozen"),
    ]  # fmt: skip
    for words in steps:
        got = sap(*words)
        assert got.returncode == 0, got.stderr
    cut = next(p for p in (tmp_path / "frozen").iterdir() if not p.name.startswith("."))
    got = sap("analyse", cut, "--plan", plan, "--out", tmp_path / "run")
    assert got.returncode == 0, got.stderr
    rows = from_csv(tmp_path / "run" / "ard.csv")
    rows = rows[rows["population"] == "PRIMARY"]

    def stat(analysis: str, name: str) -> float:
        found = rows[(rows["analysis"] == analysis) & (rows["stat_name"] == name)]
        return float(found["stat"].iloc[0])

    assert [stat("psa_response", s) for s in ("n", "N")] == [3, 25]
    assert round(100 * stat("psa_response", "conf_low"), 1) == 2.5
    assert round(100 * stat("psa_response", "conf_high"), 1) == 31.2
    assert stat("psa_response_28d", "n") == 2
    assert stat("psa_response_unconfirmed", "n") == 4
    decision = rows[(rows["analysis"] == "psa_response") & (rows["stat_name"] == "decision")]
    assert decision["stat_text"].iloc[0] == "H0 not rejected"
    assert stat("os", "n_events") == 22
