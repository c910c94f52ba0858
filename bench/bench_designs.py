"""Two-stage designs and inference compared with their peers, timed in one run.

    python bench/bench_designs.py [--r-library DIR] [--repeats N]

clinfun is timed where `Rscript` and the package are installed (in R's own libraries or in DIR); the
plain Python peer, the triple loop that scripts and notebooks use, always. Each time is the best of N
runs in a warm process; caches of ours are emptied before every run.
"""

import argparse
import json
import shutil
import subprocess
import time
from collections.abc import Callable

from scipy.stats import binom

from sap.methods import two_stage_design, two_stage_inference
from sap.methods.two_stage import TwoStageDesign, inference_table, simon_designs

QUESTIONS = {
    "designs (.05, .20, .05, .20), n to 100": ((0.05, 0.20, 0.05, 0.20), 100),
    "designs (.30, .45, .05, .10), n to 200": ((0.30, 0.45, 0.05, 0.10), 200),
    "designs (.50, .60, .05, .20), n to 400": ((0.50, 0.60, 0.05, 0.20), 400),
}
TARGETS = (1, 3, 10, 5)  # how many times faster than clinfun
INFERENCE = "inference, every outcome, n = 110"
DESIGN = TwoStageDesign(13, 40, 40, 110)

R_PROGRAM = """
suppressMessages(library(clinfun))
best <- function(f, times) min(sapply(seq_len(times), function(i) system.time(f())[["elapsed"]]))
per <- function(f, inner, times) best(function() for (j in seq_len(inner)) f(), times) / inner
seconds <- c(
  per(function() ph2simon(.05, .20, .05, .20, nmax = 100), 20, {repeats}),
  per(function() ph2simon(.30, .45, .05, .10, nmax = 200), 2, {repeats}),
  per(function() ph2simon(.50, .60, .05, .20, nmax = 400), 1, {repeats}),
  per(function() for (x in 1:110) twostage.inference(x, 13, 40, 110, .3, .05), 1, {repeats}))
cat(sprintf("[%s]", paste(sprintf("%.9f", seconds), collapse = ",")))
"""


def best(work: Callable[[], object], repeats: int) -> float:
    """Seconds of the fastest of some runs."""
    times = []
    for _ in range(repeats):
        empty_caches()
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def empty_caches() -> None:
    for module in (two_stage_design, two_stage_inference):
        for name in dir(module):
            if hasattr(getattr(module, name), "cache_clear"):
                getattr(module, name).cache_clear()


def clinfun(library: str | None, repeats: int) -> list[float] | None:
    """Seconds of the R package for each row; None where it is not installed."""
    if shutil.which("Rscript") is None:
        return None
    program = R_PROGRAM.replace("{repeats}", str(repeats))
    if library:
        program = f".libPaths(c({json.dumps(library)}, .libPaths()))\n{program}"
    done = subprocess.run(["Rscript", "-e", program], capture_output=True, text=True, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else None


def plain_search(p0: float, p1: float, alpha: float, beta: float, n_max: int) -> tuple[int, ...]:
    """The loops over n, n1, r1 and r as usually written, with scipy's binomial."""
    least, design = float("inf"), ()
    for n in range(2, n_max + 1):
        for n1 in range(1, n):
            first = range(n1 + 1)
            density = [binom.pmf(first, n1, p) for p in (p0, p1)]
            for r in range(n):
                later = [binom.sf([r - x for x in first], n - n1, p) for p in (p0, p1)]
                for r1 in range(min(n1, r + 1)):
                    passed = slice(r1 + 1, None)
                    spent, power = (
                        (d[passed] * s[passed]).sum() for d, s in zip(density, later, strict=True)
                    )
                    if spent <= alpha and power >= 1 - beta:
                        en = n1 + (n - n1) * density[0][passed].sum()
                        if en < least:
                            least, design = en, (r1, n1, r, n)
    return design


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--r-library", help="a folder that holds the R package clinfun")
    options.add_argument("--repeats", type=int, default=5)
    given = options.parse_args()

    ours = [
        best(lambda q=question, n=n_max: simon_designs(*q, n_max=n), given.repeats)
        for question, n_max in QUESTIONS.values()
    ]
    ours.append(best(lambda: inference_table(DESIGN, 0.3, 0.9), given.repeats))
    peer = clinfun(given.r_library, given.repeats)

    print(f"{'work':44} {'sap, s':>9} {'clinfun, s':>11} {'times':>7} {'wanted':>7}")
    for i, work in enumerate([*QUESTIONS, INFERENCE]):
        other = f"{peer[i]:11.4f} {peer[i] / ours[i]:7.1f}" if peer else f"{'absent':>11} {'':7}"
        print(f"{work:44} {ours[i]:9.4f} {other} {TARGETS[i]:7d}")

    question, n_max = (0.1, 0.5, 0.1, 0.1), 18
    start = time.perf_counter()
    plain = plain_search(*question, n_max)
    plain_seconds = time.perf_counter() - start
    fast = best(lambda: simon_designs(*question, n_max=n_max), given.repeats)
    ours = simon_designs(*question, n_max=n_max).optimal
    print()
    print(f"{'work':44} {'sap, s':>9} {'plain, s':>11} {'times':>7}")
    work = f"designs {question}, n to {n_max}"
    print(f"{work:44} {fast:9.4f} {plain_seconds:11.4f} {plain_seconds / fast:7.0f}")
    print(f"the same design: {plain == (ours.r1, ours.n1, ours.r, ours.n)}")


if __name__ == "__main__":
    main()
