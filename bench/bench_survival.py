"""Kaplan-Meier, cumulative incidence, log-rank and Cox compared with their peers, in one run.

    python bench/bench_survival.py [--small]

Targets: Kaplan-Meier with standard errors, log-log band and median of 1,000,000 patients in at most
1.5 times the fastest peer; Aalen-Johansen with its variance of 100,000 in at most 1.5 times
statsmodels; the log-rank test of 100,000 not slower than the fastest peer. R (survival) is timed where Rscript is installed, on the same data, reading not counted.
Each number is the best of several calls. --small takes a tenth of the patients.
"""

import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np

from sap.methods.survival import aalen_johansen, cox, interval, kaplan_meier, logrank, quantile

R = """
suppressMessages(library(survival))
arguments <- commandArgs(trailingOnly = TRUE)
n <- as.integer(arguments[2])
read <- function(name) readBin(file.path(arguments[1], name), "double", n)
time <- read("time"); event <- read("event"); x <- read("x")
best <- function(runs, work) min(sapply(seq_len(runs), function(i) system.time(work())[["elapsed"]]))
cat(switch(arguments[3],
  km = best(3, function() quantile(survfit(Surv(time, event) ~ 1, conf.type = "log-log"), 0.5)),
  logrank = best(3, function() survdiff(Surv(time, event) ~ x)),
  cox = best(3, function() coxph(Surv(time, event) ~ x))))
"""


def best_of(runs: int, call: Callable[[], object]) -> float:
    times = []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # the peers' own
        for _ in range(runs):
            start = perf_counter()
            call()
            times.append(perf_counter() - start)
    return min(times)


def in_r(what: str, time: np.ndarray, event: np.ndarray, x: np.ndarray) -> float | None:
    if shutil.which("Rscript") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        for name, values in (("time", time), ("event", event), ("x", x)):
            (Path(folder) / name).write_bytes(np.asarray(values, dtype="<f8").tobytes())
        call = ["Rscript", "-e", R, folder, str(time.size), what]
        done = subprocess.run(call, capture_output=True, text=True, check=False)
    return float(done.stdout) if done.returncode == 0 else None


def show(title: str, rows: dict[str, float | None]) -> None:
    ours = rows["sap"]
    fastest = min(v for k, v in rows.items() if v is not None and k != "sap")
    print(f"\n{title}")
    for name, seconds in rows.items():
        text = "not installed" if seconds is None else f"{seconds:9.4f} s"
        print(f"  {name:44} {text}")
    print(f"  {'sap / fastest peer':44} {ours / fastest:9.2f}")


def patients(n: int, *, days: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draws = np.random.default_rng(20_240_301)
    x = draws.integers(0, 2, n)
    death, left = draws.exponential(400, n) / np.exp(0.3 * x), draws.exponential(600, n)
    time = np.minimum(death, left)
    return np.ceil(time) if days else time, (death <= left).astype(np.int64), x


def curve_band_and_median(time: np.ndarray, event: np.ndarray) -> object:
    curve = kaplan_meier(time, event)
    return (
        interval(curve, curve.time, 0.95, "log-log"),
        quantile(curve, 0.5, 0.95, "log-log"),
    )


def main() -> None:
    from lifelines import CoxPHFitter, KaplanMeierFitter
    from lifelines.statistics import logrank_test
    from pandas import DataFrame
    from statsmodels.duration.survfunc import CumIncidenceRight, SurvfuncRight

    part = 10 if "--small" in sys.argv else 1
    for days in (False, True):
        n = 1_000_000 // part
        time, event, x = patients(n, days=days)
        kind = "whole days" if days else "continuous times"
        show(
            f"Kaplan-Meier, errors, log-log band, median: {n:,} patients, {kind}",
            {
                "sap": best_of(5, lambda t=time, e=event: curve_band_and_median(t, e)),
                "statsmodels SurvfuncRight, no band, no median": best_of(
                    5, lambda t=time, e=event: SurvfuncRight(t, e)
                ),
                "lifelines, no limits of the median": best_of(
                    2, lambda t=time, e=event: KaplanMeierFitter().fit(t, e)
                ),
                "R survfit, quantile": in_r("km", time, event, x),
            },
        )
    n = 100_000 // part
    for days in (False, True):
        time, event, x = patients(n, days=days)
        kind = "whole days" if days else "continuous times"
        causes = event * (1 + np.arange(n) % 2)
        show(
            f"Aalen-Johansen with variance, two causes: {n:,} patients, {kind}",
            {
                "sap": best_of(
                    15,
                    lambda t=time, c=causes: aalen_johansen(
                        t, c, variance="infinitesimal-jackknife"
                    ),
                ),
                "statsmodels CumIncidenceRight": best_of(
                    15, lambda t=time, c=causes: CumIncidenceRight(t, c)
                ),
            },
        )
    for days in (False, True):
        time, event, x = patients(n, days=days)
        there, kind = x == 1, "whole days" if days else "continuous times"
        halves = (time[there], time[~there], event[there], event[~there])
        show(
            f"Log-rank, two groups: {n:,} patients, {kind}",
            {
                "sap": best_of(9, lambda t=time, e=event, x=x: logrank(t, e, x)),
                "lifelines": best_of(5, lambda halves=halves: logrank_test(*halves)),
                "R survdiff": in_r("logrank", time, event, x),
            },
        )
    frame = DataFrame({"time": time, "event": event, "x": x})
    show(
        f"Cox, Efron ties, one covariate: {n:,} patients, whole days",
        {
            "sap": best_of(3, lambda: cox(time, event, x, 0.95, penalise_below=10)),
            "lifelines": best_of(1, lambda: CoxPHFitter().fit(frame, "time", "event")),
            "R coxph": in_r("cox", time, event, x),
        },
    )


if __name__ == "__main__":
    main()
