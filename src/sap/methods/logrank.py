"""Comparison of survival curves: the log-rank family."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sap.methods.risk_sets import FloatArray, IntArray, RiskSets, risk_sets


class LogRank(NamedTuple):
    """A k-sample test; `groups` sorted, `observed` and `expected` weighted and in that order."""

    statistic: float
    df: int
    p_value: float
    groups: tuple[str | int | float, ...]
    n: tuple[int, ...]
    observed: tuple[float, ...]
    expected: tuple[float, ...]


def logrank(
    time: ArrayLike,
    event: ArrayLike,
    group: ArrayLike,
    rho: float = 0.0,
    gamma: float = 0.0,
    entry: ArrayLike | None = None,
) -> LogRank:
    """Log-rank test of k groups, weighted as Fleming & Harrington (1991, section 7.2).

    At the distinct event times t_i, with d_i events among r_i at risk, d_ig and r_ig in group g, S
    the Kaplan-Meier curve of all together and S(t_i -) its value just before t_i:

        w_i = S(t_i -)^rho (1 - S(t_i -))^gamma
        O_g = sum w_i d_ig                        E_g = sum w_i d_i r_ig / r_i
        V_gh = sum w_i^2 d_i (r_i - d_i) / (r_i - 1)  r_ig / r_i (1[g = h] - r_ih / r_i)
        statistic = (O - E)' V^- (O - E), chi-square with rank(V) degrees of freedom

    rho = gamma = 0 is the log-rank test, rho = 1 Peto & Peto's Wilcoxon (as R's `survdiff`).

    1. Fewer than two groups at any event time, or no event: statistic and p-value NaN, df 0.

    Raises
    ------
    ValueError
        As `kaplan_meier`; also a patient without a group or stratum, or a negative `rho` or `gamma`.

    Examples
    --------
    >>> test = logrank([1, 2, 3, 4, 5, 6], [1, 1, 0, 1, 0, 1], list("AAABBB"))
    >>> test.observed, tuple(round(e, 4) for e in test.expected), test.df
    ((2.0, 2.0), (0.9, 3.1), 1)
    >>> round(test.statistic, 4), round(test.p_value, 4)
    (2.4694, 0.1161)
    """
    if not (rho >= 0 and gamma >= 0):
        raise ValueError("rho, gamma: expected numbers that are not negative")
    all_subjects = risk_sets(time, event, entry, causes=1)
    labels, member = _groups(group, all_subjects.exit.size)
    steps = np.flatnonzero(all_subjects.counts[1])
    r = all_subjects.at_risk[steps].astype(np.float64)
    d = all_subjects.counts[1][steps]
    survival = np.concatenate(([1.0], np.cumprod((r - d) / r)))[:-1]
    weight = survival**rho * np.maximum(1 - survival, 0.0) ** gamma

    events, at_risk = _by_group(all_subjects, steps, member, len(labels))
    share = at_risk / r
    observed = (weight * events).sum(axis=1)
    expected = (weight * d * share).sum(axis=1)
    spread = weight**2 * d * (r - d) / np.where(r > 1, r - 1, 1)
    covariance = np.diag(share @ spread) - (share * spread) @ share.T
    statistic, df = _quadratic_form(observed - expected, covariance)
    return LogRank(
        statistic,
        df,
        _chi_square_tail(statistic, df),
        tuple(labels.tolist()),
        tuple(np.bincount(member).tolist()),
        tuple(observed.tolist()),
        tuple(expected.tolist()),
    )


def _groups(group: ArrayLike, n: int) -> tuple[NDArray[np.generic], IntArray]:
    given = np.asarray(group)
    if given.shape != (n,):
        raise ValueError(f"group: expected {n} values, one for each time")
    if given.dtype.kind == "O":
        given = given.astype(str)
    if given.dtype.kind == "f" and np.isnan(given).any():
        raise ValueError("group: every patient needs a group")
    labels, member = np.unique(given, return_inverse=True)
    return labels, member.astype(np.int64)


def _by_group(
    subjects: RiskSets, steps: IntArray, member: IntArray, k: int
) -> tuple[FloatArray, FloatArray]:
    """Events and patients at risk in each group (rows) at the event times, the `steps` of all times."""
    # One sort for all groups: counts of a group are differences of running counts at the first of each time.
    order = np.argsort(subjects.exit)
    times, by_time, had = subjects.time, member[order], subjects.cause[order] == 1
    starts = np.searchsorted(subjects.exit[order], times, side="left")
    events, at_risk = np.empty((k, steps.size)), np.empty((k, steps.size))
    for g in range(k):
        inside = by_time == g
        before = np.concatenate(([0], np.cumsum(inside)))[starts[steps]]
        at_risk[g] = inside.sum() - before
        events[g] = np.add.reduceat((inside & had).astype(np.int64), starts)[steps]
    entries = subjects.entry
    if entries.any():
        for g in range(k):
            late = np.sort(entries[(member == g) & (entries > 0)])
            at_risk[g] -= late.size - np.searchsorted(late, times[steps], side="left")
    return events, at_risk


def _quadratic_form(difference: FloatArray, covariance: FloatArray) -> tuple[float, int]:
    """Difference in the metric of the covariance and its rank, groups never at risk left out."""
    there = np.diag(covariance) > 0
    if there.sum() < 2:
        return float("nan"), 0
    keep = np.flatnonzero(there)[:-1]  # the sum over groups is 0, so one of them follows
    block, part = covariance[np.ix_(keep, keep)], difference[keep]
    scale = np.sqrt(np.diag(block))
    values, vectors = np.linalg.eigh(block / np.outer(scale, scale))
    solid = values > 1e-10
    projected = vectors.T @ (part / scale)
    return float(np.sum(projected[solid] ** 2 / values[solid])), int(solid.sum())


def _chi_square_tail(statistic: float, df: int) -> float:
    from scipy.special import chdtrc

    return float(chdtrc(df, statistic)) if df else float("nan")
