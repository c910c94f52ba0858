"""Simulated trials a second: by size of batch and of trial, with 1 and 2 workers, and one by one.

    python bench/bench_oc.py [--small] [--scenario FILE] [--trials N] [--rounds N]

Target: at least 35 trials a second with two workers, 150 wanted; two workers at least 1.8 times one. Seconds of
the processor are of one process; the rates with workers are of the clock, in rounds with one worker, two workers
and two processes without Dask in turn, and mean something only on a machine that does nothing else. One by one: `analyse` on the extract of a trial, without its check, freezing and report.
--small takes a fifth of the trials. --trials N (10,000) are decided in each of --rounds N (3) for these rates: the start of Dask, 2 to 3 seconds,
is a twentieth of 10,000 trials and a sixtieth of 30,000.
"""

import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from multiprocessing.context import SpawnProcess
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

from sap.oc.decision import decided, one_trial
from sap.oc.looks import date_of_look
from sap.oc.scenarios import read_scenarios
from sap.oc.store import Store, code_sum, pieces
from sap.oc.work import Cluster, Task, run
from sap.pipeline.analyses import analyse
from sap.pipeline.plans import read_plan
from sap.plan import project_home
from sap.plan.model import Plan
from sap.simulate.conditions import Conditions

TARGET, WANTED, RATIO = 35, 150, 1.8


def main() -> None:
    part = 5 if "--small" in sys.argv else 1
    home = project_home()
    path = home / "analysis" / "plan.yml"
    scenario = home / "docs" / "examples" / "carve-scenarios.yml"
    if "--scenario" in sys.argv:
        scenario = Path(_option("--scenario"))
    trials = int(_option("--trials", "10000"))
    rounds = int(_option("--rounds", "3"))
    plan = read_plan(path).plan
    case = read_scenarios(scenario, plan).cases[1]
    decided(range(1, 6), plan, case.given, 1)  # imports and tables of the catalogue
    print(f"{case.title}, {case.cell}; load {os.getloadavg()[0]:.1f}\n")
    by_batch(plan, case.given, part)
    by_size(plan, case.given, part)
    by_workers(path, scenario, trials // part, rounds)
    one_by_one(plan, case.given, max(5 // part, 2))


def _option(name: str, default: str = "") -> str:
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else default


def by_batch(plan: Plan, given: Conditions, part: int) -> None:
    print("batch   trials / s of the processor")
    for size in (20, 100, 250, 500):
        trials = max(size // part, 5)
        began = process_time()
        decided(range(1, trials + 1), plan, given, 1)
        print(f"{trials:>5}   {trials / (process_time() - began):6.1f}")


def by_size(plan: Plan, given: Conditions, part: int) -> None:
    print("\npatients   trials / s of the processor   patients / s")
    for times in (1, 2, 4):
        d = plan.design
        larger = {
            "n1": (d.n1 or 0) * times,
            "n": d.n * times,
            "r1": (d.r1 or 0) * times,
            "r": d.r * times,
        }
        changed = plan.model_copy(update={"design": d.model_copy(update=larger)})
        trials = 200 // part
        began = process_time()
        decided(range(1, trials + 1), changed, given, 1)
        rate = trials / (process_time() - began)
        print(f"{d.n * times:>8}   {rate:27.1f}   {rate * d.n * times:12.0f}")


def by_workers(path: Path, scenario: Path, trials: int, rounds: int) -> None:
    ways: dict[str, Callable[[], None]] = {
        "1 worker": lambda: in_a_process(1, trials, path, scenario),
        "2 workers": lambda: in_a_process(2, trials, path, scenario),
        "2 apart": lambda: apart(trials, path, scenario),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        for name in list(ways) if number % 2 == 0 else reversed(list(ways)):
            began = perf_counter()
            ways[name]()
            seconds[name].append(perf_counter() - began)
    print(f"\ntrials / s of the clock, {trials} trials in each of {rounds} rounds, starts included")
    for name, of in seconds.items():
        rates = ", ".join(f"{trials / each:.0f}" for each in of)
        print(f"{name:>9}   median {trials / median(of):5.0f}   rounds {rates}")
    for name, text in (("2 workers", f"(target {RATIO})"), ("2 apart", "(what this machine can)")):
        pairs = zip(seconds["1 worker"], seconds[name], strict=True)
        print(f"{name}: {median(one / two for one, two in pairs):.2f} times one {text}")
    rate = trials / median(seconds["2 workers"])
    print(f"two workers {rate:.0f} a second (target {TARGET}, wanted {WANTED})")


def decide_all(workers: int, trials: int, path: Path, scenario: Path) -> None:
    """Trials of the second case by this process (1) or by workers of Dask."""
    read = read_plan(path)
    cases = read_scenarios(scenario, read.plan).cases[1:2]
    task = Task(str(path), read.sha256, 1, code_sum())
    with tempfile.TemporaryDirectory() as folder:
        parts = pieces(1, trials, min(500, trials // 4))
        run(Store(Path(folder), {}), task, cases, parts, Cluster(workers), lambda _: None)


def in_a_process(workers: int, trials: int, path: Path, scenario: Path) -> None:
    """As the command does: a process that begins with its imports."""
    finish(
        [get_context("spawn").Process(target=decide_all, args=(workers, trials, path, scenario))]
    )


def apart(trials: int, path: Path, scenario: Path) -> None:
    """Half of the trials in each of two processes that know nothing of each other: the machine's own limit."""
    spawn = get_context("spawn")
    arguments = (1, trials // 2, path, scenario)
    finish([spawn.Process(target=decide_all, args=arguments) for _ in range(2)])


def finish(processes: Sequence[SpawnProcess]) -> None:
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        if process.exitcode:
            raise SystemExit(process.exitcode)


def one_by_one(plan: Plan, given: Conditions, trials: int) -> None:
    extracts = [one_trial(number, plan, given, 1) for number in range(1, 1 + trials)]
    began = process_time()
    for tables in extracts:
        for table in tables.values():
            for column in table.columns:
                if column.endswith(("SEQ", "STRESN", "EXDOSE", "AGE")):
                    table[column] = table[column].astype(float)
        analyse(tables, plan, date_of_look(plan))
    each = (process_time() - began) / len(extracts)
    print(f"\none by one through analyse: {1 / each:.2f} trials / s of the processor")


if __name__ == "__main__":
    main()
