"""The boundary for toxicity once more: every constant tried, exact fractions over every count."""

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

from sap.plan.model import ToxicityMonitoring
from sap.qc.summaries import Value

RATES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5)


def _against(rule: ToxicityMonitoring, x: int, k: int) -> float:
    """How much x toxicities among k speak against the rate p0."""
    from scipy.stats import beta, binom, norm

    if rule.shape == "bayesian" and rule.prior is not None:
        a, b = rule.prior
        return float(beta.sf(rule.p0, a + x, b + k - x))
    tail = float(binom.sf(x - 1, k, rule.p0))
    if rule.shape == "pocock":
        return -tail
    return float(norm.isf(tail)) * math.sqrt(k / rule.patients)


def course(stops: Sequence[int | None], p: Fraction) -> tuple[float, float]:
    """The chance to stop, and the patients treated on average, at the true rate p."""
    going, stopped, patients = {0: Fraction(1)}, Fraction(0), Fraction(0)
    for k, stop in enumerate(stops, 1):
        now: dict[int, Fraction] = {}
        for seen, chance in going.items():
            now[seen] = now.get(seen, Fraction(0)) + chance * (1 - p)
            now[seen + 1] = now.get(seen + 1, Fraction(0)) + chance * p
        gone = sum((c for x, c in now.items() if stop is not None and x >= stop), Fraction(0))
        stopped, patients = stopped + gone, patients + k * gone
        going = {x: c for x, c in now.items() if stop is None or x < stop}
    return float(stopped), float(patients + len(stops) * sum(going.values(), Fraction(0)))


@lru_cache(maxsize=4)
def _stops(text: str) -> tuple[int | None, ...]:
    rule = ToxicityMonitoring.model_validate_json(text)
    p, n = Fraction(str(rule.p0)), rule.patients
    table = [[_against(rule, x, k) for x in range(1, k + 1)] for k in range(1, n + 1)]
    tried = sorted({value for row in table for value in row if math.isfinite(value)})

    def at(constant: float) -> tuple[int | None, ...]:
        return tuple(
            next((x for x, value in enumerate(row, 1) if value >= constant), None) for row in table
        )

    low, high = -1, len(tried)
    while high - low > 1:
        half = (low + high) // 2
        if course(at(tried[half]), p)[0] <= rule.alpha:
            high = half
        else:
            low = half
    return at(tried[high]) if high < len(tried) else (None,) * n


def stops(rule: ToxicityMonitoring) -> tuple[int | None, ...]:
    """After each patient the count that stops; None where no count that can be reached does."""
    return _stops(rule.model_dump_json())


def printed(rule: ToxicityMonitoring) -> list[tuple[int, int, int]]:
    """Count, first and last number of patients, of each run of the same count."""
    runs: list[tuple[int, int, int]] = []
    for k, stop in enumerate(stops(rule), 1):
        if stop is None:
            continue
        if runs and runs[-1][0] == stop and runs[-1][2] == k - 1:
            runs[-1] = (stop, runs[-1][1], k)
        else:
            runs.append((stop, k, k))
    return runs


def state(rule: ToxicityMonitoring, seen: Sequence[int]) -> dict[str, Value]:
    """The state of the boundary after toxicities counted patient by patient."""
    all_ = stops(rule)
    reached = [
        k
        for k, (x, stop) in enumerate(zip(seen, all_, strict=False), 1)
        if stop is not None and x >= stop
    ]
    decision = "not crossed"
    if reached:
        decision = f"crossed after patient {reached[0]}"
    elif len(seen) > rule.patients:
        decision += ", more patients than planned"
    now = min(len(seen), rule.patients)
    bound = None if not now else _bound(all_, now)
    return {
        "decision": decision,
        "boundary": bound,
        "stop_under_p0": course(all_, Fraction(str(rule.p0)))[0],
    }


def _bound(all_: Sequence[int | None], k: int) -> int:
    """The count after patient k; k + 1, which no patients can have, where none stops."""
    boundary = all_[k - 1]
    return k + 1 if boundary is None else boundary


def lines(rule: ToxicityMonitoring) -> dict[str, dict[str, Value]]:
    """The boundary as it is printed: by line the count and the numbers of patients it holds for."""
    runs = printed(rule)
    table: dict[str, dict[str, Value]] = {"": {"lines": len(runs)}}
    return table | {
        str(place): {"boundary": events, "from_n": first, "to_n": last}
        for place, (events, first, last) in enumerate(runs, 1)
    }


def by_patients(rule: ToxicityMonitoring) -> dict[str, dict[str, Value]]:
    """The count that stops after each number of patients."""
    all_ = stops(rule)
    return {str(k): {"boundary": _bound(all_, k)} for k in range(1, rule.patients + 1)}


def operating(rule: ToxicityMonitoring) -> dict[str, dict[str, Value]]:
    """By true rate: the chance to stop, and the number of patients expected."""
    characteristics: dict[str, dict[str, Value]] = {}
    for rate in sorted({*RATES, rule.p0}):
        chance, patients = course(stops(rule), Fraction(str(rate)))
        characteristics[f"{rate:.2f}"] = {
            "p": rate, "probability_of_stopping": chance, "expected_n": patients,
        }  # fmt: skip
    return characteristics
