"""Proportional hazards regression: Efron's ties, Firth's penalty, test of proportionality.

Both likelihoods are maximised by Newton's method from 0 to all digits (lifelines stops at seven or eight
in some data), with the moments of the covariates in each risk set. Of the Python packages, firthmodels
0.8 has the penalised fit with profile likelihood limits, but with Breslow's likelihood at ties and no
delayed entry; none has the score test of proportional hazards of R's survival 3.

References
----------
Bryson and Johnson 1981, Technometrics 23:381. Cox 1972, JRSS B 34:187. Efron 1977, JASA 72:557.
Firth 1993, Biometrika 80:27. Grambsch and Therneau 1994, Biometrika 81:515. Heinze and Schemper
2001, Biometrics 57:114.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sap.methods.kaplan_meier import kaplan_meier
from sap.methods.risk_sets import (
    FloatArray,
    checked_causes,
    checked_entry,
    checked_times,
    merged,
    snapped,
)

EFRON = "Cox, Efron ties, Wald limits"
FIRTH = "Cox, Efron ties, Firth penalty, profile likelihood limits"
SEPARATION = "separation"
TimeScale = Literal["km", "rank", "identity", "log"]

STEPS = 200
LARGEST_STEP = 2.0  # in standard deviations of the covariate


@dataclass(frozen=True)
class CoxFit:
    """One value for each coefficient; `conf_low` and `conf_high` are limits of the hazard ratio.

    `log_likelihood` includes the penalty where there is one. `reason` says why the penalty was
    chosen, or why the values are NaN; empty otherwise.
    """

    coef: tuple[float, ...]
    standard_error: tuple[float, ...]
    hazard_ratio: tuple[float, ...]
    conf_low: tuple[float, ...]
    conf_high: tuple[float, ...]
    p_value: tuple[float, ...]
    log_likelihood: float
    n: int
    n_events: int
    convergence: bool
    method: str
    reason: str = ""


class ProportionalHazards(NamedTuple):
    """Test of proportional hazards, for each coefficient and for all together."""

    statistic: tuple[float, ...]
    p_value: tuple[float, ...]
    global_statistic: float
    global_df: int
    global_p_value: float
    transform: TimeScale


def cox(
    time: ArrayLike,
    event: ArrayLike,
    covariates: ArrayLike,
    conf_level: float,
    *,
    penalise_below: float,
    entry: ArrayLike | None = None,
) -> CoxFit:
    """Cox regression by the method that the data allow; the first case that applies decides.

    1. No event, or covariates that do not vary or depend linearly on each other among those at
       risk at the event times: NaN with the reason.
    2. Separation: some combination of the covariates orders the events, so that the likelihood has
       no maximum (Bryson & Johnson 1981): `cox_firth`.
    3. Fewer than `penalise_below` events for each coefficient: `cox_firth`.
    4. Otherwise `cox_efron`.

    `covariates` has a row for each patient and a column for each coefficient, or is one vector.

    Raises
    ------
    ValueError
        Times, events, covariates or entries are missing or of different lengths, an entry is not before
        its time, or `conf_level` is not between 0 and 1.

    Examples
    --------
    >>> fit = cox([1, 2, 3], [1, 1, 1], [1, 1, 0], 0.95, penalise_below=0)  # separation
    >>> fit.reason, [round(b, 4) for b in fit.coef]
    ('separation', [1.3291])
    """
    data = _prepare(time, event, covariates, entry)
    impossible = _not_estimable(data)
    if impossible:
        return _without_estimate(data, impossible)
    coef, problem = _maximum(data)
    if problem == SEPARATION:
        return _firth(data, conf_level, SEPARATION)
    if data.n_events < penalise_below * data.x.shape[1]:
        return _firth(data, conf_level, f"fewer than {penalise_below:g} events for a coefficient")
    return _without_estimate(data, problem) if problem else _efron(data, coef, conf_level)


def cox_efron(
    time: ArrayLike,
    event: ArrayLike,
    covariates: ArrayLike,
    conf_level: float,
    entry: ArrayLike | None = None,
) -> CoxFit:
    """Maximum partial likelihood (Cox 1972) with Efron's (1977) approximation for ties.

    Standard errors from the observed information, limits and p-values are Wald's. Separated data
    have no estimate: NaN with the reason.

    Raises
    ------
    ValueError
        As `cox`.

    Examples
    --------
    Freireich's 42 patients (Cox 1972; hazard ratio 1 / 4.82 with Efron's ties as R's `coxph`):

    >>> placebo = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]
    >>> drug = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
    >>> had = [1] * 21 + [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
    >>> fit = cox_efron(placebo + drug, had, [0] * 21 + [1] * 21, conf_level=0.95)
    >>> [round(x[0], 4) for x in (fit.coef, fit.standard_error, fit.hazard_ratio)]
    [-1.5721, 0.4124, 0.2076]
    """
    _normal_quantile(conf_level)
    data = _prepare(time, event, covariates, entry)
    impossible = _not_estimable(data)
    if impossible:
        return _without_estimate(data, impossible)
    coef, problem = _maximum(data)
    return _without_estimate(data, problem) if problem else _efron(data, coef, conf_level)


def cox_firth(
    time: ArrayLike,
    event: ArrayLike,
    covariates: ArrayLike,
    conf_level: float,
    entry: ArrayLike | None = None,
) -> CoxFit:
    """Firth's (1993) penalised partial likelihood for Cox regression (Heinze & Schemper 2001).

    With l the partial log-likelihood (Efron's ties), I its information and U its score:

        l*(b) = l(b) + 1/2 log det I(b)
        U*_r  = U_r + 1/2 trace(I^-1 dI/db_r) = 0 at the estimate
        limits of b_r: 2 (l*(estimate) - max l* given b_r) = chi-square quantile, 1 df
        p-value: the same difference at b_r = 0

    Standard errors are the roots of the diagonal of I^-1 at the estimate. The estimate is finite
    also where the likelihood has no maximum. `coxphf` gives the same when times are not tied; at
    ties it uses Breslow's likelihood.

    Raises
    ------
    ValueError
        As `cox`.

    Examples
    --------
    >>> fit = cox_firth([1, 2, 3], [1, 1, 1], [1, 1, 0], conf_level=0.95)
    >>> round(fit.coef[0], 4), round(fit.p_value[0], 4)
    (1.3291, 0.3387)
    """
    _normal_quantile(conf_level)
    data = _prepare(time, event, covariates, entry)
    impossible = _not_estimable(data)
    if impossible:
        return _without_estimate(data, impossible)
    return _firth(data, conf_level, "")


def proportional_hazards_test(
    time: ArrayLike,
    event: ArrayLike,
    covariates: ArrayLike,
    transform: TimeScale,
    entry: ArrayLike | None = None,
) -> ProportionalHazards:
    """Score test of b(t) = b + c g(t) against c = 0 (Grambsch & Therneau 1994), as R's `cox.zph`.

    With s_k the Schoenfeld residual of event k at the estimate, V_k the covariance of the
    covariates in its risk set, g_k = g(t_k):

        U = sum g_k s_k,   V = sum g_k^2 V_k - (sum g_k V_k)(sum V_k)^-1 (sum g_k V_k)
        each coefficient: its own part of U with V computed for it alone; all: U' V^-1 U

    `cox.zph` computes this since survival 3.0; before, and in lifelines, V_k was replaced by its
    mean, which gives other numbers. g by `transform`: km = 1 - S(t-) of all patients (R's
    default), rank among the times of all patients, identity, log.

    Raises
    ------
    ValueError
        As `cox`; also an unknown `transform`, or `log` with an event at time 0.
    """
    if transform not in get_args(TimeScale):
        raise ValueError(f"transform: expected one of {', '.join(get_args(TimeScale))}")
    data = _prepare(time, event, covariates, entry)
    p = data.x.shape[1]
    coef, problem = np.zeros(p), _not_estimable(data)
    if not problem:
        coef, problem = _maximum(data)
    if problem:
        nan = float("nan")
        return ProportionalHazards((nan,) * p, (nan,) * p, nan, 0, nan, transform)
    moments = _moments(data, coef)
    g = _time_scale(data, transform)
    g = g - g.mean()
    score = g @ (data.x[data.event_rows] - moments.mean)
    plain = moments.variance.sum(axis=0)
    once = np.einsum("k,kij->ij", g, moments.variance)
    twice = np.einsum("k,kij->ij", g**2, moments.variance)
    # Adding one column g x_r does not change the information of b, so parts of one matrix serve.
    left = twice - once @ np.linalg.solve(plain, once)
    single = score**2 / np.diag(left)
    together = float(score @ np.linalg.solve(left, score))
    return ProportionalHazards(
        _numbers(single),
        _numbers(_chi_square_tail(single)),
        together,
        p,
        float(_chi_square_tail(np.array(together), p)),
        transform,
    )


@dataclass(frozen=True, eq=False)
class _Data:
    """Patients sorted by time, ties snapped; one row of `event_rows` for each event, in time order."""

    time: FloatArray
    entry: FloatArray
    had: NDArray[np.bool_]
    x: FloatArray
    event_rows: NDArray[np.intp]
    first_at: NDArray[np.intp]
    """Of each event: the first row with its time."""
    tied: NDArray[np.intp]
    """Of each event: the index of its distinct event time."""
    share: FloatArray
    """Efron's l / d of the l-th of d tied events."""
    scale: FloatArray

    @property
    def n(self) -> int:
        return self.time.size

    @property
    def n_events(self) -> int:
        return self.event_rows.size


class _Moments(NamedTuple):
    log_likelihood: float
    score: FloatArray
    information: FloatArray
    mean: FloatArray
    variance: FloatArray
    information_slope: FloatArray | None


def _prepare(
    time: ArrayLike, event: ArrayLike, covariates: ArrayLike, entry: ArrayLike | None
) -> _Data:
    times = checked_times("time", time)
    had = checked_causes("event", event, times.size, largest=1).astype(bool)
    x = np.asarray(covariates, dtype=np.float64)
    x = x[:, None] if x.ndim == 1 else x
    if x.ndim != 2 or x.shape[0] != times.size or x.shape[1] == 0:
        raise ValueError("covariates: expected a row for each time and at least one column")
    if not np.isfinite(x).all():
        raise ValueError("covariates: every value must be a finite number")
    entries = np.zeros_like(times) if entry is None else checked_entry(entry, times)
    if entries.any():
        times, entries = snapped(times, entries)
        if np.any((entries >= times) & (entries > 0)):
            raise ValueError("entry: an entry equals the time of leaving but for rounding")
    else:
        cuts = merged(np.sort(times))
        times = cuts[np.searchsorted(cuts, times, side="right") - 1]
    # Every sum below runs in this order, so the order of the input cannot change a digit.
    order = np.lexsort((*x.T[::-1], entries, ~had, times))
    times, entries, had, x = times[order], entries[order], had[order], x[order]
    rows = np.flatnonzero(had)
    _, tied, counts = np.unique(times[rows], return_inverse=True, return_counts=True)
    place = np.arange(rows.size) - np.searchsorted(times[rows], times[rows], side="left")
    spread = x.std(axis=0)
    return _Data(
        times,
        entries,
        had,
        x - x.mean(axis=0),
        rows,
        np.searchsorted(times, times[rows], side="left"),
        tied,
        place / counts[tied] if rows.size else np.zeros(0),
        np.where(spread > 0, spread, 1.0),
    )


def _moments(data: _Data, coef: FloatArray, *, slope: bool = False) -> _Moments:
    """Log-likelihood, score and information with the moments of the covariates at each event.

    At an event the patients at risk weigh exp(x'b), those tied with it (1 - l/d) exp(x'b); mean
    and variance under these weights are the terms of score and information, the third central
    moment that of the information's slope.
    """
    x = data.x
    linear = x @ coef
    weight = np.exp(linear - linear.max(initial=0.0))
    total = _sums(data, weight)
    mean = _sums(data, weight[:, None] * x) / total[:, None]
    square = _sums(data, weight[:, None, None] * x[:, :, None] * x[:, None, :])
    square = square / total[:, None, None]
    variance = square - mean[:, :, None] * mean[:, None, :]
    rows = data.event_rows
    log_likelihood = float(
        linear[rows].sum() - rows.size * linear.max(initial=0.0) - np.log(total).sum()
    )
    third = None
    if slope:
        cube = _sums(data, weight[:, None, None, None] * np.einsum("ni,nj,nk->nijk", x, x, x))
        cube = cube / total[:, None, None, None]
        crossed = np.einsum("nij,nk->nijk", square, mean)
        third = (
            cube
            - crossed
            - crossed.transpose(0, 1, 3, 2)
            - crossed.transpose(0, 3, 2, 1)
            + 2 * np.einsum("ni,nj,nk->nijk", mean, mean, mean)
        ).sum(axis=0)
    score = (x[rows] - mean).sum(axis=0)
    return _Moments(log_likelihood, score, variance.sum(axis=0), mean, variance, third)


def _sums(data: _Data, values: FloatArray) -> FloatArray:
    """Sum of `values` over those at risk at each event, less Efron's share of those tied with it."""
    shape = (-1, *([1] * (values.ndim - 1)))
    tail = np.cumsum(values[::-1], axis=0)[::-1]
    sums = tail[data.first_at]
    if data.entry.any():
        order = np.argsort(data.entry, kind="stable")
        later = np.cumsum(values[order][::-1], axis=0)[::-1]
        later = np.concatenate((later, np.zeros((1, *values.shape[1:]))))
        position = np.searchsorted(data.entry[order], data.time[data.event_rows], side="left")
        position = np.where(data.time[data.event_rows] > 0, position, np.sum(data.entry == 0))
        sums = sums - later[position]
    if data.share.any():
        groups = int(data.tied[-1]) + 1
        tied = np.zeros((groups, *values.shape[1:]))
        np.add.at(tied, data.tied, values[data.event_rows])
        sums = sums - data.share.reshape(shape) * tied[data.tied]
    return sums


def _not_estimable(data: _Data) -> str:
    if data.n_events == 0:
        return "no event"
    information = _moments(data, np.zeros(data.x.shape[1])).information
    scaled = information / np.outer(data.scale, data.scale)
    if np.linalg.eigvalsh(scaled)[0] <= 1e-9 * data.n_events:
        return "covariates constant or linearly dependent among those at risk"
    return ""


def _separated(data: _Data) -> bool:
    """Whether a direction b exists in which every event has the largest x'b of its risk set.

    Found exactly, as a linear programme: the sum of all x'b (event) - x'b (at risk) is maximised
    over -1 <= b <= 1 with no difference negative; above 0 the likelihood has no maximum.
    """
    from scipy.optimize import linprog

    differences = _differences(data) / data.scale
    differences = np.unique(differences.round(12), axis=0)
    differences = differences[np.abs(differences).max(axis=1) > 1e-9]
    if not len(differences):
        return False
    if differences.shape[1] == 1:
        return bool((differences > 0).all() or (differences < 0).all())
    solution = linprog(
        -differences.sum(axis=0), A_ub=-differences, b_ub=np.zeros(len(differences)), bounds=(-1, 1)
    )
    return bool(solution.success and float(solution.fun or 0.0) < -1e-7)


def _differences(data: _Data) -> FloatArray:
    """Rows x(event) - x(at risk) from which all others follow by addition.

    Without delayed entry an event need be compared only with those leaving before the next event
    time and with that next event, which represents all who leave later.
    """
    times = data.time[data.event_rows]
    starts = np.flatnonzero(np.diff(times, prepend=-1.0))
    ends = np.append(starts[1:], times.size)
    late = bool(data.entry.any())
    pieces: list[FloatArray] = []
    for start, end in zip(starts, ends, strict=True):
        first = data.first_at[start]
        if late:
            t = times[start]
            inside = data.x[first:][(data.entry[first:] < t) | (data.entry[first:] == 0)]
        elif end < times.size:
            following = data.first_at[end]
            inside = np.vstack((data.x[first:following], data.x[data.event_rows[end]]))
        else:
            inside = data.x[first:]
        pieces.extend(data.x[row] - inside for row in data.event_rows[start:end])
    return np.concatenate(pieces)


def _efron(data: _Data, coef: FloatArray, conf_level: float) -> CoxFit:
    z = _normal_quantile(conf_level)
    moments = _moments(data, coef)
    error = np.sqrt(np.diag(np.linalg.inv(moments.information)))
    return CoxFit(
        _numbers(coef),
        _numbers(error),
        _numbers(np.exp(coef)),
        _numbers(np.exp(coef - z * error)),
        _numbers(np.exp(coef + z * error)),
        _numbers(_chi_square_tail((coef / error) ** 2)),
        moments.log_likelihood,
        data.n,
        data.n_events,
        True,
        EFRON,
    )


def _maximum(data: _Data) -> tuple[FloatArray, str]:
    """Where the likelihood is largest, and what is wrong if that is not known.

    A point of slope 0 and clear curvature is the maximum, because the likelihood is concave; only
    without one is the question of separation put.
    """
    p = data.x.shape[1]
    try:
        coef, converged = _newton(data, np.zeros(p), np.ones(p, dtype=bool), penalty=False)
    except np.linalg.LinAlgError:
        coef, converged = np.full(p, np.nan), False
    if converged:
        scaled = _moments(data, coef).information / np.outer(data.scale, data.scale)
        if np.linalg.eigvalsh(scaled)[0] > 1e-6:
            return coef, ""
    if _separated(data):
        return coef, SEPARATION
    return coef, "" if converged else "no convergence"


def _newton(
    data: _Data, start: FloatArray, free: NDArray[np.bool_], *, penalty: bool
) -> tuple[FloatArray, bool]:
    """Maximise the (penalised) likelihood over the `free` coefficients, the others as in `start`."""
    coef = start.copy()
    now, value = _at(data, coef, penalty)
    for _ in range(STEPS):
        score = _score(now, penalty)[free]
        step = np.zeros_like(coef)
        step[free] = np.linalg.solve(_curvature(data, coef, now, free, penalty), score)
        longest = float(np.max(np.abs(step) * data.scale, initial=0.0))
        if longest < 1e-10:
            return coef + step, True
        step *= min(1.0, LARGEST_STEP / longest)
        for _ in range(30):
            trial, height = _at(data, coef + step, penalty)
            if height >= value - 1e-12 * (1 + abs(value)):
                break
            step /= 2
        coef, now, value = coef + step, trial, height
    return coef, False


def _curvature(
    data: _Data, coef: FloatArray, now: _Moments, free: NDArray[np.bool_], penalty: bool
) -> FloatArray:
    """What Newton's step divides by: the information, or minus the slope of the penalised score.

    That slope is taken by differences; it steers the steps and does not enter the result. Where it
    is not positive definite, far from the maximum, the information serves.
    """
    information = now.information[np.ix_(free, free)]
    if not penalty:
        return information
    places = np.flatnonzero(free)
    slope = np.empty_like(information)
    for column, place in enumerate(places):
        reach = np.zeros_like(coef)
        reach[place] = 1e-5 / data.scale[place]
        ahead, behind = (
            _score(_moments(data, coef + sign * reach, slope=True), penalty)[free]
            for sign in (1, -1)
        )
        slope[:, column] = (behind - ahead) / (2 * reach[place])
    slope = (slope + slope.T) / 2
    size = np.sqrt(np.diag(information))
    definite = np.linalg.eigvalsh(slope / np.outer(size, size))[0] > 1e-4 if size.size else False
    return slope if definite else information


def _at(data: _Data, coef: FloatArray, penalty: bool) -> tuple[_Moments, float]:
    moments = _moments(data, coef, slope=penalty)
    if not penalty:
        return moments, moments.log_likelihood
    sign, log_det = np.linalg.slogdet(moments.information)
    return moments, moments.log_likelihood + float(log_det) / 2 if sign > 0 else -np.inf


def _score(moments: _Moments, penalty: bool) -> FloatArray:
    if not penalty or moments.information_slope is None:
        return moments.score
    inverse = np.linalg.inv(moments.information)
    slope: FloatArray = np.einsum("ij,jir->r", inverse, moments.information_slope) / 2
    return moments.score + slope


def _firth(data: _Data, conf_level: float, reason: str) -> CoxFit:
    from scipy.special import chdtri

    p = data.x.shape[1]
    coef, converged = _newton(data, np.zeros(p), np.ones(p, dtype=bool), penalty=True)
    moments, top = _at(data, coef, True)
    error = np.sqrt(np.diag(np.linalg.inv(moments.information)))
    drop = float(chdtri(1, 1 - conf_level)) / 2
    low, high, p_value = np.empty(p), np.empty(p), np.empty(p)
    for r in range(p):
        loss = _profile_loss(data, coef, top, r)
        low[r] = _limit(loss, drop, coef[r], -error[r])
        high[r] = _limit(loss, drop, coef[r], error[r])
        p_value[r] = _chi_square_tail(np.array(max(2 * loss(0.0), 0.0)))
    return CoxFit(
        _numbers(coef),
        _numbers(error),
        _numbers(np.exp(coef)),
        _numbers(np.exp(low)),
        _numbers(np.exp(high)),
        _numbers(p_value),
        top,
        data.n,
        data.n_events,
        converged,
        FIRTH,
        reason,
    )


def _profile_loss(data: _Data, coef: FloatArray, top: float, r: int) -> Callable[[float], float]:
    """How far the penalised likelihood is below `top` when coefficient r is fixed at a value."""
    free = np.arange(coef.size) != r
    nearest = coef.copy()

    def loss(value: float) -> float:
        nearest[r] = value
        if free.any():  # each search begins where the last one ended, a value of r nearby
            nearest[:] = _newton(data, nearest, free, penalty=True)[0]
        return top - _at(data, nearest, True)[1]

    return loss


def _limit(loss: Callable[[float], float], drop: float, estimate: float, step: float) -> float:
    """Where `loss`, 0 at the estimate, reaches `drop` in the direction of `step`."""
    from scipy.optimize import brentq

    def excess(value: float) -> float:
        return loss(value) - drop

    inner, outer = estimate, estimate + step
    for _ in range(60):
        if excess(outer) > 0:
            return float(brentq(excess, inner, outer, xtol=1e-11, rtol=1e-12))
        inner, outer = outer, outer + step
    return float("inf") if step > 0 else float("-inf")


def _time_scale(data: _Data, transform: TimeScale) -> FloatArray:
    times = data.time[data.event_rows]
    if transform == "identity":
        return times
    if transform == "log":
        if times[0] == 0:
            raise ValueError("transform: log needs event times after 0")
        return np.log(times)
    if transform == "rank":
        below = np.searchsorted(data.time, times, side="left")
        return (below + np.searchsorted(data.time, times, side="right") + 1) / 2
    entry = data.entry if data.entry.any() else None
    curve = kaplan_meier(data.time, data.had, entry)
    before = np.concatenate(([1.0], curve.survival))
    return 1 - before[np.searchsorted(curve.time, times, side="left")]


def _without_estimate(data: _Data, reason: str) -> CoxFit:
    nan = (float("nan"),) * data.x.shape[1]
    return CoxFit(
        nan, nan, nan, nan, nan, nan, float("nan"), data.n, data.n_events, False, EFRON, reason
    )


def _numbers(values: FloatArray) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _chi_square_tail(statistic: FloatArray, df: int = 1) -> FloatArray:
    from scipy.special import chdtrc

    return np.asarray(chdtrc(df, statistic), dtype=np.float64)


def _normal_quantile(conf_level: float) -> float:
    from scipy.special import ndtri

    if not 0 < conf_level < 1:
        raise ValueError("conf_level: expected a share strictly between 0 and 1")
    return float(ndtri(0.5 + conf_level / 2))
