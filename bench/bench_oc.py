"""Simulated trials a second: by size of batch and of trial, with 1 and 2 workers, and one by one.

    python bench/bench_oc.py [--small] [--scenario FILE]

Target: at least 35 trials a second with two workers, 150 wanted; two workers at least 1.8 times one. Seconds of
the processor are of one process; the rates with workers are of the clock, and mean something only on a machine
that does nothing else. One by one: `analyse` on the extract of a trial, without its check, freezing and report.
--small takes a fifth of the trials.
"""

import os
import sys
import tempfile
from pathlib import Path
from time import perf_counter, process_time

from sap.oc.decision import decided, one_trial
from sap.oc.looks import date_of_look
from sap.oc.scenarios import read_scenarios
from sap.oc.store import Store, code_sum, pieces
from sap.oc.work import Cluster, Task, run
from sap.pipeline.analyses import analyse
from sap.pipeline.plans import read_plan
from sap.plan import project_home

TARGET, WANTED, RATIO = 35, 150, 1.8


def main() -> None:
    part = 5 if "--small" in sys.argv else 1
    home = project_home()
    path = home / "analysis" / "plan.yml"
    read = read_plan(path)
    plan = read.plan
    scenario = home / "docs" / "examples" / "carve-scenarios.yml"
    if "--scenario" in sys.argv:
        scenario = Path(sys.argv[sys.argv.index("--scenario") + 1])
    cases = read_scenarios(scenario, plan).cases[1:2]
    given = cases[0].given
    decided(range(1, 6), plan, given, 1)  # imports and tables of the catalogue

    print(f"{cases[0].title}, {cases[0].cell}; load {os.getloadavg()[0]:.1f}\n")
    print("batch   trials / s of the processor")
    for size in (20, 100, 250, 500):
        trials = max(size // part, 5)
        began = process_time()
        decided(range(1, trials + 1), plan, given, 1)
        print(f"{trials:>5}   {trials / (process_time() - began):6.1f}")

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

    rates = {}
    for workers in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            store = Store(Path(folder), {})
            task = Task(str(path), read.sha256, 1, code_sum())
            parts = pieces(1, 4000 // part, 250 // part)
            began = perf_counter()
            run(store, task, cases, parts, Cluster(workers), lambda _: None)
            rates[workers] = parts[-1].last / (perf_counter() - began)
    print("\nworkers   trials / s of the clock, start of the workers included")
    for workers, rate in rates.items():
        print(f"{workers:>7}   {rate:.1f}")
    print(f"two workers {rates[2] / rates[1]:.2f} times one (target {RATIO})")
    print(f"two workers {rates[2]:.0f} a second (target {TARGET}, wanted {WANTED})")

    numbers = range(1, 1 + max(5 // part, 2))
    extracts = [one_trial(number, plan, given, 1) for number in numbers]
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
