"""100,000 Clopper-Pearson intervals in one call, compared with statsmodels; the other intervals for scale.

    python bench/bench_proportion.py

Two sets of counts: trials of up to 200 patients, where pairs repeat, and up to 100,000, where none does.
"""

from collections.abc import Callable
from functools import partial
from time import perf_counter

import numpy as np
from statsmodels.stats.proportion import proportion_confint

from sap.methods.proportion import blaker, clopper_pearson, mid_p


def best_of(runs: int, calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """The shortest of each, run in turns so that a busy moment of the machine hits them alike."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(runs):
        for name, call in calls.items():
            start = perf_counter()
            call()
            times[name].append(perf_counter() - start)
    return {name: min(each) for name, each in times.items()}


def main() -> None:
    random = np.random.default_rng(20_240_301)
    print(f"{'100,000 intervals':40} {'seconds':>9} {'times the peer':>15}")
    for largest in (200, 100_000):
        n = random.integers(1, largest, size=100_000)
        x = random.binomial(n, random.uniform(size=n.size))
        calls = {
            "statsmodels beta": partial(proportion_confint, x, n, 0.05, method="beta"),
            "sap clopper_pearson": partial(clopper_pearson, x, n, 0.95),
        }
        seconds = best_of(7, calls)
        if largest == 200:
            others = {f"sap {m.__name__}": partial(m, x, n, 0.95) for m in (mid_p, blaker)}
            seconds |= best_of(1, others)
        for name, best in seconds.items():
            line = f"{name}, n to {largest:,}"
            print(f"{line:40} {best:9.3f} {best / seconds['statsmodels beta']:15.2f}")


if __name__ == "__main__":
    main()
