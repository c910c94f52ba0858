"""100,000 Clopper-Pearson intervals in one call, beside statsmodels; the other intervals for scale.

    python bench/bench_proportion.py

Two sets of counts: trials of up to 200 patients, where pairs repeat, and up to 100,000, where none does.
"""

from collections.abc import Callable
from time import perf_counter

import numpy as np
from statsmodels.stats.proportion import proportion_confint

from sap.methods.proportion import blaker, clopper_pearson, mid_p


def best_of(runs: int, call: Callable[[], object]) -> float:
    times = []
    for _ in range(runs):
        start = perf_counter()
        call()
        times.append(perf_counter() - start)
    return min(times)


def main() -> None:
    random = np.random.default_rng(20_240_301)
    print(f"{'100,000 intervals':40} {'seconds':>9} {'times the peer':>15}")
    for largest in (200, 100_000):
        n = random.integers(1, largest, size=100_000)
        x = random.binomial(n, random.uniform(size=n.size))
        peer = best_of(5, lambda n=n, x=x: proportion_confint(x, n, 0.05, method="beta"))
        print(f"statsmodels beta, n to {largest:<17,} {peer:9.3f} {1.0:15.2f}")
        for method, runs in ((clopper_pearson, 5), (mid_p, 1), (blaker, 1))[
            : 3 if largest == 200 else 1
        ]:
            ours = best_of(runs, lambda n=n, x=x, method=method: method(x, n, 0.95))
            name = f"sap {method.__name__}, n to {largest:,}"
            print(f"{name:40} {ours:9.3f} {ours / peer:15.2f}")


if __name__ == "__main__":
    main()
