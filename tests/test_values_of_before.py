"""The results of 0.3.0 are those of now, but where a version says so: CARVE, seeds 128, 1 and 2.

tests/reference/ard_0_3_0.parquet has the value of each row of before under a hash of its key. It shows
that new simulated domains draw from streams of their own; that a value is right is shown elsewhere.
"""

import hashlib
from pathlib import Path

import pandas as pd
import pytest

from sap import contracts, snapshot
from sap.pipeline.analyses import analyse
from sap.plan import project_home, read_plan
from sap.simulate import trial

PLAN = read_plan(project_home() / "analysis" / "plan.yml").plan
BEFORE = Path(__file__).parent / "reference" / "ard_0_3_0.parquet"
KEY = ["analysis", "population", "group", "paramcd", "level", "sublevel", "stat_name"]
MOVED = {
    "dsmb_deaths": "0.4.0, The board: one sublevel for the causes that only the closed report has"
}
"""Analyses whose values moved since, and the entry of CHANGELOG that says so."""


def hashed(rows: pd.DataFrame) -> pd.Series:
    """The values by the hash of their keys."""
    keys = ["|".join(map(str, key)) for key in rows[KEY].itertuples(index=False, name=None)]
    places = [int.from_bytes(hashlib.blake2b(k.encode(), digest_size=6).digest()) for k in keys]
    return pd.Series(rows["stat"].to_numpy(), index=places)


EARLIER_CODES = {
    "MARKER": "ARV7", "MARKNEG": "ARV7NEG", "PRIORTRT": "DOCETAX", "PRIORCL": "ARSI", "NPRIORCL": "NARSI",
}  # fmt: skip
"""Parameters that 0.6.0 gave a name without a drug or marker; the values are kept under the earlier ones."""


@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(128, marks=pytest.mark.slow),
        *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2)),
    ],
)
def test_every_value_of_before_is_there_and_the_same(seed):
    rules, day = contracts.load(), PLAN.cut_offs.dates["final"].date
    cut = snapshot.cut(contracts.typed(trial.simulate(seed), rules), day)
    made = analyse(snapshot.in_order(cut, rules), PLAN, day).ard.astype({"group": str})
    now = hashed(made.assign(paramcd=made["paramcd"].astype(str).replace(EARLIER_CODES)))
    before = pd.read_parquet(BEFORE, filters=[("seed", "==", seed)])
    before = before[~before["analysis"].astype(str).isin(MOVED)]
    assert len(before) > 10_000
    same = before.assign(now=before["key"].map(now))
    changed = same[
        ~((same["now"] - same["stat"]).abs() <= 1e-9 * same["stat"].abs().clip(lower=1e-9))
    ]
    assert changed.groupby("analysis", observed=True).size().to_dict() == {}
