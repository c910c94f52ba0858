"""A run of `sap oc`: its scenarios, its folder, its workers, its results and its page."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from sap import ard
from sap.errors import IntegrityError, PlanError, UsageError
from sap.oc import command, page, work
from sap.oc.command import Cluster, Size
from sap.oc.scenarios import read_scenarios
from sap.oc.store import Piece, Store, pieces
from sap.oc.summary import rows
from sap.pipeline.plans import read_plan

HOME = Path(__file__).parents[1]
PLAN_PATH = HOME / "analysis" / "plan.yml"
PLAN = read_plan(PLAN_PATH).plan
CARVE = HOME / "docs" / "examples" / "carve-scenarios.yml"
FAST = """\
study: CARVE
scenarios:
  - name: fast
    title: Fast accrual
    grid: {response.positive: [0.3]}
    accrual: {source: declared here, assumption: true, screened_per_month: 30.0}
    response: {source: declared here, assumption: true, positive: 0.3}
    stops: {source: declared here, assumption: true, lost_before_confirmation: 0.1}
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "scenario.yml"
    path.write_text(FAST, encoding="utf-8")
    return path


# ---- the scenario file -------------------------------------------------------------------------


@pytest.mark.req("SAP-2.4")
def test_without_a_file_data_are_perfect_at_p0_and_p1_and_accrual_is_the_plans() -> None:
    cases = read_scenarios(None, PLAN).cases
    assert [case.given.response.positive for case in cases] == [0.10, 0.30]
    # 25 patients from 2016-03-01 to 2018-09-01, 914 days: by hand.
    assert cases[0].given.accrual.screened_per_month == pytest.approx(25 / (914 / 30.4375))
    assert cases[0].given.share_treated == 1
    assert cases[0].given.rate_of_treated == 0.10


def test_a_grid_has_every_combination_and_the_example_is_valid() -> None:
    cases = read_scenarios(CARVE, PLAN).cases
    assert [(case.scenario, case.cell) for case in cases][:2] == [
        ("expected", "response.positive=0.1"),
        ("expected", "response.positive=0.3"),
    ]
    assert len(cases) == 6
    assert len({case.key for case in cases}) == 6
    misread = cases[5].given
    # By hand: called positive 0.39 + 0.61 * 0.1 = 0.451; of these 0.39 respond at 0.3, 0.061 at 0.1.
    assert misread.rate_of_treated == pytest.approx((0.39 * 0.3 + 0.061 * 0.1) / 0.451)
    assert misread.share_treated == pytest.approx(0.896 * 0.451 * 0.7 * 0.8)


FAULTS = [
    ("screened_per_month: 30.0", "screened_per_mont: 30.0", "line 6.*screened_per_mont.*unknown key"),
    ("source: declared here, assumption: true, positive", "positive", "line 7.*source: is missing"),
    ("positive: 0.3}", "positive: 1.3}", "response.positive"),
    ("response.positive: [0.3]", "response.positiv: [0.3]", "is no key of a block"),
    ("response.positive: [0.3]", "response.positive: []", "at least one value"),
    ("study: CARVE", "study: OTHER", "study is OTHER"),
    ("source: declared here, assumption: true, lost", "source: '@nowhere2001', lost", r"@nowhere2001 \(line 8\)"),
    ("stops: {source", "toxicity: {source: declared, onset_days: [1, 40], rate: 0.1}\n    stops: {source",
     r"line 3, fast \(response.positive=0.3\): toxicity.onset_days: at most 21 days"),
    ("stops: {source", ("assay: {source: declared, specificity: 0.9}\n    screening: {source: declared, "
     "positive: 0.4}\n    stops: {source"), "response.negative is needed"),
    ("response.positive: [0.3]", "response.positive: [0.3, 0.30]", "positive=0.3.*has these values twice"),
    ("response.positive: [0.3]", "accrual.screened_per_month: [4, 4.0]", "has these values twice"),
    ("response.positive: [0.3]", "response: [0.3]", r"block.key \(response.positive, response.negative\)"),
    ("response.positive: [0.3]", "visit.late: [0.3]", r"block.key \(accrual.key, .*, visits.key, toxicity.key\)"),
    ("response.positive: [0.3]", "response.positive: ['a']", r"file:\n  - line 5[^\n]*write a number[^\n]*$"),
    ("stops: {source", "screening: {source: declared, positive: 0.0}\n    stops: {source",
     "0.00 % of the screened patients .*change screening or assay"),
    ("accrual: {source: declared here, assumption: true, screened_per_month: 30.0}",
     "screening: {source: declared, positive: 0.0}", "0.00 % of the screened patients .*change screening or assay"),
    ("screened_per_month: 30.0", "screened_per_month: 1.0e-300", "screened_per_month: with 1e-300 .*50 years"),
]  # fmt: skip


@pytest.mark.parametrize("text, instead, message", FAULTS)
def test_a_fault_of_a_scenario_file_is_named_with_its_place(
    scenario: Path, text: str, instead: str, message: str
) -> None:
    assert text in FAST
    scenario.write_text(FAST.replace(text, instead, 1), encoding="utf-8")
    with pytest.raises(PlanError, match=re.compile(message, re.DOTALL)):
        read_scenarios(scenario, PLAN)


def test_a_plan_without_accrual_needs_the_rate_of_a_scenario(scenario: Path) -> None:
    plan = PLAN.model_copy(update={"accrual": None})
    with pytest.raises(
        PlanError, match=r"in a scenario file \(--scenario\), or add accrual to the"
    ):
        read_scenarios(None, plan)
    assert read_scenarios(scenario, plan).cases[0].given.accrual.screened_per_month == 30


def test_two_scenarios_of_one_title_are_refused(scenario: Path) -> None:
    """Tables and the curve know a scenario by its title."""
    second = FAST.split("scenarios:\n")[1].replace("name: fast", "name: slow")
    scenario.write_text(FAST + second, encoding="utf-8")
    with pytest.raises(PlanError, match="the title Fast accrual is given twice"):
        read_scenarios(scenario, PLAN)


def test_another_primary_endpoint_is_refused_in_one_message() -> None:
    primary = PLAN.primary.model_copy(update={"endpoint": "objective_response"})
    plan = PLAN.model_copy(update={"primary": primary})
    with pytest.raises(UsageError, match="simulates the primary endpoint psa_response"):
        read_scenarios(None, plan)


# ---- a run -------------------------------------------------------------------------------------


def test_batches_cover_every_trial_once() -> None:
    made = pieces(2, 7, 3)
    assert [(p.first, p.last) for p in made if p.case == 1] == [(1, 3), (4, 6), (7, 7)]


def test_a_stopped_run_goes_on_and_has_the_numbers_of_one_that_was_not(
    scenario: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Cluster(1)
    one = tmp_path / "one"
    command.characteristics(PLAN_PATH, scenario, one, Size(24, 24, 5), here)
    two = tmp_path / "two"
    decide, made = work.decide, []

    def stopped(task: work.Task, given: str, piece: Piece) -> pd.DataFrame:
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(piece)
        return decide(task, given, piece)

    monkeypatch.setattr(work, "decide", stopped)
    with pytest.raises(KeyboardInterrupt):
        command.characteristics(PLAN_PATH, scenario, two, Size(24, 8, 5), here)
    assert not (two / "ard.csv").exists()
    made.clear()
    command.characteristics(PLAN_PATH, scenario, two, Size(24, 8, 5), here)
    assert [(piece.first, piece.last) for piece in made] == [(17, 24)]
    for name in ("ard.csv", "oc.html", "oc.pdf"):
        assert (one / name).read_bytes() == (two / name).read_bytes()

    # Trials of another seed or scenario are not mixed with these, and a changed batch is seen.
    with pytest.raises(UsageError, match="trials of another seed"):
        command.characteristics(PLAN_PATH, scenario, two, Size(24, 8, 6), here)
    with pytest.raises(UsageError, match="trials of another scenario"):
        command.characteristics(PLAN_PATH, None, two, Size(24, 8, 5), here)
    kept = next(two.glob("batches/*/*.parquet"))
    kept.write_bytes(kept.read_bytes()[:-1] + b"x")
    with pytest.raises(IntegrityError, match="not the batch that was written"):
        command.characteristics(PLAN_PATH, scenario, two, Size(24, 8, 5), here)

    shown = (one / "oc.html").read_text(encoding="utf-8")
    assert "Fast accrual: at a true response rate of 30% power is" in shown
    assert "lost_before_confirmation 0.1" in shown
    assert 'alt="Probability of rejecting H0' in shown
    assert "style=" not in shown.split("</style>")[1].replace("<svg", "")
    made_ard = ard.from_csv(one / "ard.csv")
    exact = made_ard[(made_ard["analysis"] == "oc_model")].set_index("stat_name")["stat"]
    assert exact["probability_of_rejection"] == pytest.approx(0.8017, abs=5e-5)  # R: clinfun


def test_a_folder_of_other_files_is_refused(scenario: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match=re.escape("thesis.txt, which sap oc did not write")):
        command.characteristics(PLAN_PATH, scenario, folder, Size(4, 4, 1), Cluster(1))
    assert [path.name for path in folder.iterdir()] == ["thesis.txt"]


def test_a_file_is_no_folder_of_a_run(scenario: Path) -> None:
    with pytest.raises(UsageError, match=r"is a file\. Give the name of a folder"):
        command.characteristics(PLAN_PATH, scenario, scenario, Size(4, 4, 1), Cluster(1))


def test_a_run_killed_while_it_began_goes_on(scenario: Path, tmp_path: Path) -> None:
    """Killed before the plan was kept, or while a file was being written."""
    store = Store(tmp_path / "out", {"seed": 1})
    store.open({"plan.yml": "a"})
    (store.folder / "plan.yml").unlink()
    store.open({"plan.yml": "a"})
    assert (store.folder / "plan.yml").read_text() == "a"
    new = Store(tmp_path / "new", {"seed": 1})
    new.folder.mkdir()
    (new.folder / ".oc.json.new").write_text("{")
    new.open({"plan.yml": "a"})
    assert (new.folder / "oc.json").is_file()
    (new.folder / "oc.json").unlink()
    with pytest.raises(UsageError, match=r"plan.yml, and no oc.json says of which run"):
        new.open({"plan.yml": "a"})


@pytest.mark.parametrize(
    "change", ["sum is no text", "no sum", "no table", "other trials", "no trials"]
)
def test_a_batch_that_was_not_written_is_refused(
    change: str, scenario: Path, tmp_path: Path
) -> None:
    store, case = Store(tmp_path / "out", {}), read_scenarios(scenario, PLAN).cases[0]
    piece = Piece(0, 1, 3)
    store.write(case, piece, pd.DataFrame({"trial": [1, 2, 3]}))
    kept = store.read(case, piece)
    assert kept is not None
    assert len(kept) == 3
    path = store.path(case, piece)
    if change == "sum is no text":
        path.with_suffix(".sha256").write_bytes(b"\xff\xfe")
    elif change == "no sum":
        path.with_suffix(".sha256").unlink()
    elif change == "no table":
        path.write_bytes(b"PAR1")
        path.with_suffix(".sha256").write_text(hashlib.sha256(b"PAR1").hexdigest())
    else:
        other = {"trial": [4, 5, 6]} if change == "other trials" else {"looks": [1, 1, 1]}
        store.write(case, piece, pd.DataFrame(other))
    with pytest.raises(IntegrityError, match="not the batch that was written"):
        store.read(case, piece)


def test_the_statistics_of_five_trials_by_hand(scenario: Path) -> None:
    case = read_scenarios(scenario, PLAN).cases[0]
    trials = pd.DataFrame(
        {
            "outcome": ["H0 rejected", "H0 rejected", "H0 not rejected", "stopped for futility",
                        "stopped for toxicity"],
            "model_rejects": [True, False, True, False, True],
            "screened": [30, 30, 30, 20, 10],
            "treated": [25, 25, 25, 15, 10],
            "responders": [10, 8, 5, 1, 2],
            "true_responders": [10, 8, 7, 2, 3],
            "toxicities": [1, 1, 1, 1, 4],
            "days": [304.375, 304.375, 304.375, 152.1875, 0.0],
            "looks": [1, 1, 1, 2, 0],
            "estimate": [0.4, 0.32, 0.2, 1 / 15, 0.2],
            "conf_low": [0.2, 0.31, 0.05, 0.0, np.nan],
            "conf_high": [0.6, 0.5, 0.4, 0.29, np.nan],
            "mle": [0.4, 0.32, 0.2, 0.0, np.nan],
            "umvue": [0.4, 0.32, 0.2, 0.0, np.nan],
        }
    )  # fmt: skip
    made = rows(case, trials, PLAN)
    by_hand = {
        "probability_of_rejection": 0.4,
        "probability_of_rejection_mc_error": np.sqrt(0.4 * 0.6 / 5),
        "probability_of_no_rejection": 0.2,
        "probability_of_stopping_futility": 0.2,
        "probability_of_stopping_toxicity": 0.2,
        "probability_of_another_decision": 0.6,  # trials 2, 3 and 5
        "expected_screened": 24,
        "expected_n": 20,
        "expected_months": (10 + 10 + 10 + 5 + 0) / 5,
        "coverage": 2 / 4,  # 0.3 lies in the first and the third of four intervals
        "n_intervals": 4,
        "bias_umvue": 0.92 / 4 - 0.3,
        "confirmed_rate": 26 / 100,
        "confirmed_per_true": 26 / 30,
        "true_rate_of_treated": 0.3,
        # Residuals 10 - 10 r, 8 - 8 r, 5 - 7 r, 1 - 2 r, 2 - 3 r with r = 26 / 30, over 30.
        "confirmed_per_true_mc_error": np.sqrt(
            sum((x - t * 26 / 30) ** 2 for x, t in [(10, 10), (8, 8), (5, 7), (1, 2), (2, 3)])
        )
        / 30,
    }
    stats = made[made["analysis"] != "oc_model"].set_index("stat_name")["stat"]
    for name, value in by_hand.items():
        assert stats[name] == pytest.approx(value), name


@pytest.mark.parametrize("share,said", [(0.0, "none"), (1.0, "all")])
def test_a_share_of_none_or_all_is_not_given_an_error_of_zero(
    scenario: Path, share: float, said: str
) -> None:
    case = read_scenarios(scenario, PLAN).cases[0]
    decision = {
        "N": 60.0,
        "probability_of_rejection": share,
        "probability_of_rejection_mc_error": 0.0,
    }
    row = page.Row(case, {"oc_decision": decision, "oc_model": {"probability_of_rejection": 0.8}})
    sentence = page.sentence(row, PLAN)
    assert f"(60 simulated trials, H0 rejected in {said} of them)" in sentence
    assert "error" not in sentence.replace("type I error", "")


def test_a_single_trial_has_no_monte_carlo_error_of_a_mean(scenario: Path, tmp_path: Path) -> None:
    command.characteristics(PLAN_PATH, scenario, tmp_path / "out", Size(1, 1, 5), Cluster(1))
    made = ard.from_csv(tmp_path / "out" / "ard.csv")
    made = made[made["analysis"] == "oc_decision"].set_index("stat_name")
    assert np.isnan(made.loc["expected_n_mc_error", "stat"])
    assert made.loc["expected_n", "stat"] > 0
    assert "(NE)" in (tmp_path / "out" / "oc.html").read_text(encoding="utf-8")


def test_a_curve_of_many_scenarios_keeps_its_place(
    scenario: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thirty names would cover the curve; twelve are named each, more are one series."""
    from matplotlib.axes import Axes

    case = read_scenarios(scenario, PLAN).cases[0]
    stats = {
        "oc_decision": {"probability_of_rejection": 0.7, "probability_of_rejection_mc_error": 0.1}
    }
    drawn: list[Any] = []
    plain = Axes.errorbar

    def counted(self: Axes, *args: Any, **named: Any) -> Any:
        drawn.append(named["label"])
        return plain(self, *args, **named)

    monkeypatch.setattr(Axes, "errorbar", counted)
    for number, labels in ((12, 12), (30, 1)):
        drawn.clear()
        rows_ = [page.Row(case._replace(title=f"Scenario {k}"), stats) for k in range(number)]
        page._curve(rows_, PLAN)
        assert len(drawn) == labels
    assert drawn == ["The 30 scenarios of the table"]


def test_the_page_has_no_look_that_the_plan_has_not(scenario: Path) -> None:
    case = read_scenarios(scenario, PLAN).cases[0]
    assert page._conduct(case, PLAN).startswith("Stage 1 is looked at every 21 days")
    assert "boundary for toxicity" in page._conduct(case, PLAN)
    without = PLAN.model_copy(update={"toxicity_monitoring": None})
    assert "toxicity" not in page._conduct(case, without)
    single = {"kind": "single-stage", "n1": None, "r1": None}
    once = without.model_copy(update={"design": PLAN.design.model_copy(update=single)})
    assert page._conduct(case, once) == "The data are looked at once, in the final analysis."


def test_the_command_says_what_it_does_and_refuses_two_places_of_work(tmp_path: Path) -> None:
    from sap.cli import app

    shown = CliRunner().invoke(app, ["oc", "--help"])
    assert shown.exit_code == 0
    assert "--scheduler" in shown.output
    called = ["oc", str(PLAN_PATH), "--workers", "2", "--scheduler", "tcp://127.0.0.1:1", "--out"]
    with pytest.raises(UsageError, match="not both"):
        CliRunner().invoke(app, [*called, str(tmp_path)], catch_exceptions=False)


def test_without_dask_several_workers_are_refused_and_one_works(
    scenario: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match="install the extra `oc`"):
        command.characteristics(PLAN_PATH, scenario, tmp_path / "out", Size(4, 2, 1), Cluster(2))


# ---- workers -----------------------------------------------------------------------------------


def _ard(folder: Path) -> str:
    return (folder / "ard.csv").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_killed_worker_and_a_killed_client_lose_nothing(scenario: Path, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    command.characteristics(PLAN_PATH, scenario, alone, Size(48, 48, 5), Cluster(1))
    call = [sys.executable, "-m", "sap", "oc", str(PLAN_PATH), "--scenario", str(scenario), "--trials", "48",
            "--batch", "4", "--seed", "5", "--workers", "2", "--out", str(shared)]  # fmt: skip

    def started() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            call,
            cwd=HOME,
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def wait_for(batches: int) -> None:
        until = time.monotonic() + 120
        while len(list(shared.glob("batches/*/*.parquet"))) < batches:
            assert time.monotonic() < until
            time.sleep(0.1)

    first = started()
    wait_for(1)
    os.killpg(first.pid, signal.SIGKILL)  # the client with its scheduler and its workers
    first.wait()
    kept = len(list(shared.glob("batches/*/*.parquet")))
    second = started()
    wait_for(kept + 1)
    for worker in _workers(second.pid)[:1]:
        os.kill(worker, signal.SIGKILL)
    assert second.wait(timeout=240) == 0
    assert _ard(shared) == _ard(alone)


def _workers(parent: int) -> list[int]:
    """Processes of workers below a process: those whose command line names spawn."""
    found, waiting = [], [parent]
    while waiting:
        pid = waiting.pop()
        tasks = Path(f"/proc/{pid}/task")
        if not tasks.is_dir():
            continue
        for task in tasks.iterdir():
            children = (task / "children").read_text().split()
            waiting += [int(child) for child in children]
            for child in children:
                line = Path(f"/proc/{child}/cmdline").read_bytes()
                if b"spawn_main" in line:
                    found.append(int(child))
    return found


@contextmanager
def _dask(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    with _running([sys.executable, "-m", "dask", *arguments]) as one:
        yield one


@contextmanager
def _running(call: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    one = subprocess.Popen(call, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd=HOME)
    try:
        yield one
    finally:
        one.terminate()
        one.wait()


def _wait_for_a_worker(address: str) -> None:
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(1, timeout=120)


def _free_port() -> int:
    import socket

    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        port: int = opened.getsockname()[1]
    return port


def _wait_until_it_listens(port: int) -> None:
    """A scheduler that begins with its imports; on a busy machine they take long."""
    import socket

    until = time.monotonic() + 120
    while True:
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < until
        time.sleep(0.2)


@pytest.mark.slow
def test_a_scheduler_that_runs_decides_with_its_own_workers(scenario: Path, tmp_path: Path) -> None:
    """The lines of docs/oc.md, on loopback."""
    pytest.importorskip("distributed")
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    command.characteristics(PLAN_PATH, scenario, alone, Size(16, 16, 5), Cluster(1))
    port = _free_port()
    address = f"tcp://127.0.0.1:{port}"
    worker = ("worker", address, "--nthreads", "1", "--no-dashboard")
    with (
        _dask("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"),
        _dask(*worker),
        _dask(*worker),
    ):
        _wait_until_it_listens(port)
        command.characteristics(PLAN_PATH, scenario, shared, Size(16, 4, 5), Cluster(2, address))
    assert _ard(shared) == _ard(alone)


@pytest.mark.slow
def test_a_worker_of_this_machine_keeps_its_memory_and_seldom_looks_at_itself() -> None:
    """With Dask's own settings two workers decide a fifth fewer trials. Dask's usual port 8787 is taken, as by another run."""
    import socket

    pytest.importorskip("distributed")

    def settings() -> dict[str, str]:  # here, for a worker does not find the modules of the tests
        import os

        import dask

        found = {name: value for name, value in os.environ.items() if "_THRESHOLD_" in name}
        return found | {"tick": str(dask.config.get("distributed.admin.tick.interval"))}

    with socket.socket() as taken:
        with suppress(OSError):  # taken already
            taken.bind(("127.0.0.1", 8787))
            taken.listen()
        with work._client(Cluster(1)) as client:
            found = client.submit(settings).result(timeout=240)
    assert found == {
        "MALLOC_TRIM_THRESHOLD_": "268435456", "MALLOC_MMAP_THRESHOLD_": "33554432", "tick": "1s",
    }  # fmt: skip


WITHOUT_SAP = """
import sys
from pathlib import Path
sys.path.append(sys.argv.pop(1))
from distributed.cli.dask_worker import main
main()
"""


@pytest.mark.slow
def test_a_worker_without_the_package_is_named_before_a_batch_is_sent(
    scenario: Path, tmp_path: Path
) -> None:
    """It would end at its first batch, and the command wait for ever."""
    pytest.importorskip("distributed")
    site = tmp_path / "site"
    site.mkdir()
    for item in Path(sysconfig.get_path("purelib")).iterdir():
        if "single_arm_sap" not in item.name and item.name not in {"sap", "__pycache__"}:
            (site / item.name).symlink_to(item)
    port = _free_port()
    address = f"tcp://127.0.0.1:{port}"
    call = [sys.executable, "-I", "-S", "-c", WITHOUT_SAP, str(site), address, "--nthreads", "1",
            "--no-dashboard", "--no-nanny"]  # fmt: skip
    with (
        _dask("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"),
        _running(call),
    ):
        _wait_until_it_listens(port)
        _wait_for_a_worker(address)
        with pytest.raises(UsageError, match=r"The worker tcp://.* and has none\. Install it"):
            command.characteristics(
                PLAN_PATH, scenario, tmp_path / "out", Size(8, 4, 5), Cluster(2, address)
            )


@pytest.mark.slow
def test_a_scheduler_without_a_worker_is_said_and_the_run_goes_on_with_the_first(
    scenario: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(work, "WAIT_SECONDS", 0.5)
    port = _free_port()
    address = f"tcp://127.0.0.1:{port}"
    said: list[str] = []
    with (
        _dask("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"),
        ExitStack() as started,
    ):
        _wait_until_it_listens(port)

        def report(line: str) -> None:
            if "has no worker" in line and not any("has no worker" in one for one in said):
                started.enter_context(_dask("worker", address, "--nthreads", "1", "--no-dashboard"))
            said.append(line)

        monkeypatch.setattr(command, "print_progress", report)
        command.characteristics(
            PLAN_PATH, scenario, tmp_path / "out", Size(8, 4, 5), Cluster(2, address)
        )
    assert any("has no worker" in line for line in said)
    assert (tmp_path / "out" / "ard.csv").is_file()


@pytest.mark.slow
def test_a_scheduler_that_ends_during_a_run_has_one_message(scenario: Path, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    port = _free_port()
    address = f"tcp://127.0.0.1:{port}"
    call = [sys.executable, "-m", "sap", "oc", str(PLAN_PATH), "--scenario", str(scenario), "--trials", "4000",
            "--batch", "4", "--out", str(tmp_path / "out"), "--scheduler", address]  # fmt: skip
    with ExitStack() as started:
        scheduler = started.enter_context(
            _dask("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
        )
        started.enter_context(_dask("worker", address, "--nthreads", "1", "--no-dashboard"))
        _wait_until_it_listens(port)
        run = subprocess.Popen(call, cwd=HOME, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        started.callback(run.kill)
        until = time.monotonic() + 120
        while not list(tmp_path.glob("out/batches/*/*.parquet")):
            assert time.monotonic() < until
            time.sleep(0.1)
        scheduler.kill()
        said = run.communicate(timeout=240)[1].decode()
    assert run.returncode == UsageError.exit_code
    assert "The scheduler ended, or its connection did. Finished batches are kept" in said
    assert "Traceback" not in said


@pytest.mark.slow
def test_a_run_whose_workers_of_this_machine_are_gone_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(work, "WAIT_SECONDS", 0.5)
    said: list[str] = []
    with work._client(Cluster(1)) as client:
        client.retire_workers()
        waiting = [client.submit(pow, 2, 3)]
        with pytest.raises(UsageError, match="none took their place"):
            work._finished(distributed, client, waiting, Cluster(1), said.append)
    assert len(said) == 1


def test_a_scheduler_that_is_not_there_is_named(
    scenario: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(work, "ANSWER_SECONDS", 1)
    where = Cluster(2, f"tcp://127.0.0.1:{_free_port()}")
    with pytest.raises(UsageError, match="does not answer"):
        command.characteristics(PLAN_PATH, scenario, tmp_path / "out", Size(4, 2, 1), where)


@pytest.mark.slow
def test_a_trial_of_a_run_passes_the_contracts_and_is_decided_the_same_by_sap_run(
    tmp_path: Path,
) -> None:
    from sap.oc.decision import decided
    from sap.pipeline import commands

    case = read_scenarios(CARVE, PLAN).cases[1]
    expected = decided([2], PLAN, case.given, seed=128).iloc[0]
    extract = command.trial(PLAN_PATH, CARVE, 128, 2, 2, tmp_path / "extract")
    cut = commands.freeze(extract, PLAN_PATH, "final", tmp_path / "frozen")
    commands.analyse(cut, PLAN_PATH, tmp_path / "run")
    made = ard.from_csv(tmp_path / "run" / "ard.csv")
    primary = made[(made["analysis"] == "psa_response") & (made["population"] == "PRIMARY")]
    stats: Any = primary.set_index("stat_name")
    assert stats.loc["decision", "stat_text"] == expected["decision"]
    assert stats.loc["estimate", "stat"] == expected["estimate"]


def test_the_page_in_docs_names_every_key_and_every_statistic(scenario: Path) -> None:
    from sap.oc import scenarios

    text = (HOME / "docs" / "oc.md").read_text(encoding="utf-8")
    for block, model in scenarios.BLOCKS.items():
        for key in set(model.model_fields) - {"source", "assumption"}:
            line = next(line for line in text.splitlines() if line.startswith(f"| `{block}` |"))
            assert f"`{key}`" in line, (block, key)
    case = read_scenarios(scenario, PLAN).cases[0]
    from sap.oc.decision import decided

    made = rows(case, decided(range(1, 5), PLAN, case.given, 1), PLAN)
    names = {n for n in made["stat_name"] if not n.endswith("_mc_error")}
    missing = {n for n in names - {"N", "n_intervals", "n_umvue"} if f"`{n}`" not in text}
    assert not missing


def test_the_results_of_carve_in_docs_are_those_of_the_record() -> None:
    """The table of docs/oc.md, against the ARD of the run that it reports."""
    record = ard.from_csv(HOME / "docs" / "examples" / "carve-oc-ard.csv")
    stat = record.set_index(["level", "sublevel", "analysis", "stat_name"])["stat"].sort_index()
    text = (
        (HOME / "docs" / "oc.md").read_text(encoding="utf-8").split("## What it says of CARVE")[1]
    )
    lines = [
        line.split(" | ") for line in text.splitlines() if re.match(r"\| expected conduct", line)
    ]
    cases = read_scenarios(CARVE, PLAN).cases
    assert len(lines) == len(cases)
    for cells, case in zip(lines, cases, strict=True):
        of = stat.loc[case.scenario, case.cell]
        printed = [float(cell) for cell in re.findall(r"[-+]?\d+\.?\d*", " ".join(cells[2:]))]
        error = of["oc_decision", "probability_of_rejection_mc_error"]
        assert printed == pytest.approx(
            [
                100 * of["oc_decision", "probability_of_rejection"],
                100 * error,
                100 * of["oc_decision", "probability_of_stopping_futility"],
                100 * of["oc_decision", "probability_of_another_decision"],
                of["oc_decision", "expected_screened"],
                of["oc_decision", "expected_n"],
                of["oc_decision", "expected_months"],
                of["oc_estimates", "confirmed_per_true"],
                100 * of["oc_estimates", "bias_umvue"],
                100 * of["oc_estimates", "coverage"],
            ],
            abs=0.501,
        )
        assert printed[0] == pytest.approx(
            100 * of["oc_decision", "probability_of_rejection"], abs=0.051
        )


def test_the_power_of_carve_in_docs_is_that_of_the_longer_run() -> None:
    """The three numbers of docs/oc.md at p1, in the order of the scenarios, against the ARD of that run."""
    record = ard.from_csv(HOME / "docs" / "examples" / "carve-oc-p1-ard.csv")
    of_decision = record[record["analysis"] == "oc_decision"].set_index(["level", "stat_name"])[
        "stat"
    ]
    text = " ".join((HOME / "docs" / "oc.md").read_text(encoding="utf-8").split())
    printed = re.search(r"H0 was rejected in ([\d.]+) % .*?, ([\d.]+) % .*? and ([\d.]+) % ", text)
    assert printed is not None
    for number, scenario in zip(printed.groups(), ("expected", "lost", "misread"), strict=True):
        assert of_decision[scenario, "N"] == 34_000
        assert float(number) == pytest.approx(
            100 * of_decision[scenario, "probability_of_rejection"], abs=0.0501
        )
        assert of_decision[scenario, "probability_of_rejection_mc_error"] < 0.003
