"""Adverse events by SOC, preferred term and grade: a million events, and the least a data frame can do.

    python bench/bench_safety.py [--small]

Target: the table of 1,000,000 events of 50,000 patients (26 SOCs, 520 terms, two lines of therapy)
in less than 2 s. The bare group-by counts the patients of each SOC and term once and nothing else.
Each number is the best of three calls. --small takes a tenth of the events and patients.
"""

import sys
from collections.abc import Callable
from time import perf_counter

import numpy as np
import pandas as pd

from sap.plan import project_home
from sap.plan.reading import read_plan
from sap.results.safety import ae_soc_pt

TARGET = 2.0


def events(n: int, patients: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """ADSL and ADAE with the columns that the table reads; a tenth of the grades is missing."""
    draws = np.random.default_rng(20_240_301)
    names = np.array([f"S-{i:06d}" for i in range(patients)], dtype=object)
    adsl = pd.DataFrame({"USUBJID": names, "SAFFL": "Y"})
    adsl["LINE"] = np.array(["second line", "third line"], dtype=object)[
        draws.integers(0, 2, patients)
    ]
    term = (520 * draws.random(n) ** 2).astype(int)
    pick = lambda words: np.array(words, dtype=object)[draws.integers(0, len(words), n)]
    adae = pd.DataFrame({
        "USUBJID": names[draws.integers(0, patients, n)],
        "AEBODSYS": np.array([f"SOC {i:02d}" for i in range(26)], dtype=object)[term % 26],
        "AEDECOD": np.array([f"Term {i:03d}" for i in range(520)], dtype=object)[term],
        "ATOXGRN": np.where(draws.random(n) < 0.1, np.nan, draws.integers(1, 6, n)),
        "TRTEMFL": pick(["Y", "Y", "Y", None]),
        "PROGFL": pick(["Y", *[None] * 9]),
        "RELFL": pick(["Y", "N", None]),
        "AESER": pick(["Y", "N", "N", "N"]),
        "FATALFL": pick(["Y", *[None] * 19]),
        "AEACN": pick(["DOSE REDUCED", "DRUG INTERRUPTED", "DRUG WITHDRAWN", "UNKNOWN", None,
                       "DOSE NOT CHANGED"]),
    })  # fmt: skip
    return adsl, adae


def best_of(runs: int, call: Callable[[], object]) -> float:
    times = []
    for _ in range(runs):
        start = perf_counter()
        call()
        times.append(perf_counter() - start)
    return min(times)


def main() -> None:
    part = 10 if "--small" in sys.argv else 1
    n = 1_000_000 // part
    adsl, adae = events(n, 50_000 // part)
    plan = read_plan(project_home() / "analysis/plan.yml").plan
    table = best_of(3, lambda: ae_soc_pt(adsl, adae, plan))
    bare = best_of(3, lambda: adae.groupby(["AEBODSYS", "AEDECOD"])["USUBJID"].nunique())
    print(f"Adverse events by SOC, term and grade: {n:,} events, {len(adsl):,} patients")
    print(f"  {'sap, three groups':36} {table:8.3f} s   wanted below {TARGET / part:.1f} s")
    print(f"  {'bare group-by, patients only':36} {bare:8.3f} s")


if __name__ == "__main__":
    main()
