"""Who is at risk, has the event or is censored at each distinct time: the counts every estimator uses.

Times that differ by rounding only are one time, as in R's `survival::aeqSurv` (its vignette
"Roundoff error and tied times"): neighbours among the sorted distinct times are merged when their
difference, or the difference divided by the mean of the distinct times, is at most sqrt(eps).
A chain of such neighbours takes its first value.

A patient with a delayed entry (left truncation) is at risk at t when entry < t <= time. An entry of
0 means: under observation from the start, time 0 included.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

TOLERANCE = float(np.sqrt(np.finfo(np.float64).eps))
"""R's `.Machine$double.eps^0.5`: two times, or a curve and 1 - p, closer than this are equal."""


@dataclass(frozen=True, eq=False)
class RiskSets:
    """Counts at each distinct observed time; `cause` is 0 for censored, 1 ... k for the events."""

    time: FloatArray
    at_risk: IntArray
    counts: tuple[IntArray, ...]
    """How many left at each time, by cause: `counts[0]` censored, `counts[j]` event of cause j."""
    entry: FloatArray
    exit: FloatArray
    cause: IntArray
    """Each patient as given, ties snapped when some enter late; `entry` is empty when not given."""

    @property
    def censored(self) -> IntArray:
        return self.counts[0]


def checked_times(name: str, values: ArrayLike) -> FloatArray:
    """`values` as a vector of finite times, none negative; ValueError naming `name` otherwise.

    Raises
    ------
    ValueError
        The times are empty, of more than one dimension, missing, negative or infinite.
    """
    times = np.asarray(values, dtype=np.float64)
    if times.ndim != 1:
        raise ValueError(f"{name}: expected one dimension, got {times.ndim}")
    if times.size == 0:
        raise ValueError(f"{name}: no observations")
    if not (times.min() >= 0.0 and times.max() < np.inf):  # NaN fails both comparisons
        raise ValueError(f"{name}: every time must be a number, finite and not negative")
    return times


def checked_causes(name: str, values: ArrayLike, n: int, largest: int | None = None) -> IntArray:
    """`values` as n whole numbers from 0 (censored) to `largest`; ValueError naming `name`.

    Raises
    ------
    ValueError
        There is not one whole number from 0 to `largest` for each time.
    """
    raw = np.asarray(values)
    if raw.shape != (n,):
        raise ValueError(f"{name}: expected {n} values, one for each time, got shape {raw.shape}")
    if raw.dtype.kind not in "buif":
        raise ValueError(f"{name}: expected whole numbers, 0 for censored")
    with np.errstate(invalid="ignore"):
        causes = raw.astype(np.int64)
    if raw.dtype.kind == "f" and not np.array_equal(causes, raw):
        raise ValueError(f"{name}: expected whole numbers, 0 for censored, none missing")
    if n and (causes.min() < 0 or (largest is not None and causes.max() > largest)):
        upper = "k" if largest is None else str(largest)
        raise ValueError(f"{name}: expected 0 for censored and 1 to {upper} for the event")
    return causes


def checked_entry(entry: ArrayLike, time: FloatArray) -> FloatArray:
    """Times of entry, each before the patient's own `time`; an entry of 0 may equal a time of 0.

    Raises
    ------
    ValueError
        There is not one entry before each time.
    """
    entries = checked_times("entry", entry)
    if entries.shape != time.shape:
        raise ValueError(f"entry: expected {time.size} values, one for each time")
    if np.any((entries >= time) & (entries > 0)):
        raise ValueError("entry: every entry must be before the time of leaving")
    return entries


def merged(times: FloatArray) -> FloatArray:
    """The distinct values of sorted `times`, those equal but for rounding under their first."""
    distinct = times[np.concatenate(([True], times[1:] > times[:-1]))]
    steps = np.diff(distinct)
    tied = (steps <= TOLERANCE) | (steps <= TOLERANCE * np.mean(distinct))
    return distinct[np.concatenate(([True], ~tied))] if tied.any() else distinct


def snapped(*vectors: FloatArray) -> tuple[FloatArray, ...]:
    """The same vectors with times that differ by rounding only made identical."""
    cuts = merged(np.sort(np.concatenate(vectors)))
    return tuple(cuts[np.searchsorted(cuts, vector, side="right") - 1] for vector in vectors)


def risk_sets(
    time: ArrayLike, cause: ArrayLike, entry: ArrayLike | None = None, *, causes: int
) -> RiskSets:
    """Counts at each distinct time; events come before censoring at the same time.

    Raises
    ------
    ValueError
        As `checked_times`, `checked_causes` and `checked_entry`.

    Examples
    --------
    >>> sets = risk_sets([2, 2, 2 + 1e-12, 5], [1, 0, 1, 1], causes=1)
    >>> sets.time.tolist(), sets.at_risk.tolist(), [c.tolist() for c in sets.counts]
    ([2.0, 5.0], [4, 1], [[1, 0], [2, 1]])
    """
    times = checked_times("time", time)
    causes_given = checked_causes("event", cause, times.size, largest=causes)
    entered = None if entry is None else checked_entry(entry, times)
    if entered is not None and entered.any():
        times, entered = snapped(times, entered)
        if np.any((entered >= times) & (entered > 0)):
            raise ValueError("entry: an entry equals the time of leaving but for rounding")

    ordered, which = _sorted_together(times, causes_given, causes)
    starts, distinct = _groups(ordered)
    at_risk = times.size - starts
    if entered is not None and entered.any():
        late = np.sort(entered[entered > 0])
        at_risk = at_risk - (late.size - np.searchsorted(late, distinct, side="left"))
    events = (
        [which] if causes == 1 else [(which == j).astype(np.int64) for j in range(1, causes + 1)]
    )
    left = np.ones_like(which)
    if starts.size < times.size:
        left = np.diff(starts, append=times.size)
        events = [np.add.reduceat(indicator, starts) for indicator in events]
    counts = (left - sum(events), *events)
    if entered is None:
        entered = np.zeros(0)
    return RiskSets(distinct, at_risk, counts, entered, times, causes_given)


def _sorted_together(
    times: FloatArray, which: IntArray, causes: int
) -> tuple[FloatArray, IntArray]:
    if causes > 1:
        order = np.argsort(times)
        return times[order], which[order]
    # The sign bit of a time is always 0, so shifting left by one loses nothing and makes room for
    # the event: one sort of integers, several times faster than an argsort and two gathers.
    keys = (times + 0.0).view(np.uint64)
    keys <<= np.uint64(1)
    keys |= which.view(np.uint64)
    keys.sort()
    events = (keys & np.uint64(1)).view(np.int64)
    keys >>= np.uint64(1)
    return keys.view(np.float64), events


def _groups(ordered: FloatArray) -> tuple[IntArray, FloatArray]:
    """Where each distinct time begins in sorted times, and its value; see `merged`."""
    steps = np.diff(ordered)
    distinct = ordered
    if steps.min(initial=np.inf) <= 0:
        distinct = ordered[np.concatenate(([True], steps > 0))]
    reach = max(TOLERANCE, TOLERANCE * float(np.mean(distinct)))
    # A step of 0 is no new time either way, so one comparison serves ties and near ties.
    starts = np.concatenate(([0], np.flatnonzero(steps > reach) + 1))
    return starts, ordered if starts.size == ordered.size else ordered[starts]
