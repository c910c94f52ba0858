"""Association between measures: rank correlation, logistic regression, ratio of geometric means.

A missing value is refused: which pairs count is decided before. A degenerate set of numbers gives NaN
in the cases each function lists.

References
----------
Albert and Anderson 1984, Biometrika 71:1. Bonett and Wright 2000, Psychometrika 65:23. Cox 1970, The
Analysis of Binary Data, chapter 4. Firth 1993, Biometrika 80:27. Heinze and Schemper 2002, Stat Med
21:2409. Hirji, Mehta and Patel 1987, JASA 82:1110. Welch 1947, Biometrika 34:28.
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc, chdtri, expit, ndtr, ndtri, stdtr, stdtrit, xlog1py, xlogy

from sap.methods.proportion import checked_level, root

Floats = NDArray[np.float64]
NAN = float("nan")
MANY_TABLES = 2_000_000  # what the exact distribution may hold in memory


class Correlation(NamedTuple):
    """A rank correlation with its interval and the p-value of none."""

    estimate: float
    low: float
    high: float
    p_value: float
    n: int


class GeometricMeanRatio(NamedTuple):
    """The geometric mean of the first group over that of the second."""

    ratio: float
    low: float
    high: float
    p_value: float
    degrees_of_freedom: float


class LogisticFit(NamedTuple):
    """Coefficients on the log odds scale, the intercept first, and whether the data are separated."""

    coefficients: Floats
    standard_errors: Floats
    low: Floats
    high: Floats
    p_values: Floats
    log_likelihood: float
    separated: bool


class ExactSlope(NamedTuple):
    """The exact conditional slope of one covariate, on the log odds scale."""

    estimate: float
    low: float
    high: float
    p_value: float


def spearman(x: ArrayLike, y: ArrayLike, conf_level: float) -> Correlation:
    """Spearman's rank correlation, ties at their mean rank.

    The interval is Fisher's z with the variance (1 + r^2/2)/(n - 3) of Bonett and Wright
    (2000); the p-value is two-sided, from t with n - 2 degrees of freedom.

    1. All NaN: fewer than 3 pairs, or all values of x or of y equal.
    2. Limits NaN: 3 pairs, or the ranks agree or oppose exactly (z is infinite); p is then 0.

    Raises
    ------
    ValueError
        `x` and `y` differ in length, hold a missing value, or `conf_level` is not between 0 and 1.

    Examples
    --------
    >>> result = spearman([1, 2, 3, 4, 5, 6, 7], [2, 1, 4, 3, 7, 5, 6], conf_level=0.95)
    >>> [round(float(part), 4) for part in result[:4]]
    [0.8214, 0.0279, 0.9799, 0.0234]
    """
    a, b = _finite("x", x), _finite("y", y)
    if a.shape != b.shape:
        raise ValueError("x and y must have one length")
    z = float(ndtri((1 + checked_level(conf_level)) / 2))
    n = a.size
    if n < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return Correlation(NAN, NAN, NAN, NAN, n)
    rank_a, rank_b = _ranks(a) - (n + 1) / 2, _ranks(b) - (n + 1) / 2
    r = float(rank_a @ rank_b / np.sqrt((rank_a @ rank_a) * (rank_b @ rank_b)))
    if 1 - abs(r) < 1e-12:
        return Correlation(round(r), NAN, NAN, 0.0, n)
    p_value = 2 * float(stdtr(n - 2, -abs(r) * np.sqrt((n - 2) / (1 - r * r))))
    if n == 3:
        return Correlation(r, NAN, NAN, p_value, n)
    reach = z * np.sqrt((1 + r * r / 2) / (n - 3))
    low, high = (float(np.tanh(np.arctanh(r) + side)) for side in (-reach, reach))
    return Correlation(r, low, high, p_value, n)


def welch_log(x: ArrayLike, y: ArrayLike, conf_level: float) -> GeometricMeanRatio:
    """Welch's t test on logarithms: the geometric mean of x over that of y (Welch 1947).

    Only the ratio is estimable, the rest NaN, when a group has one value or neither varies. Values
    that are not positive have no logarithm and raise ValueError.

    Raises
    ------
    ValueError
        A sample is empty or holds a value that is missing or not positive, or `conf_level` is not
        between 0 and 1.

    Examples
    --------
    >>> result = welch_log([218, 240, 195, 260], [175, 181, 150, 219, 160], conf_level=0.95)
    >>> [round(part, 4) for part in result]
    [1.2931, 1.0459, 1.5988, 0.0242, 6.9225]
    """
    logs = []
    for name, given in (("x", x), ("y", y)):
        values = _finite(name, given)
        if values.size == 0:
            raise ValueError(f"{name} must hold at least one value")
        if (values <= 0).any():
            raise ValueError(f"{name} must be positive: a logarithm is taken")
        logs.append(np.log(values))
    tail = (1 - float(checked_level(conf_level))) / 2
    difference = float(logs[0].mean() - logs[1].mean())
    ratio = float(np.exp(difference))
    if min(part.size for part in logs) < 2:
        return GeometricMeanRatio(ratio, NAN, NAN, NAN, NAN)
    shares = [float(part.var(ddof=1)) / part.size for part in logs]
    if sum(shares) == 0:
        return GeometricMeanRatio(ratio, NAN, NAN, NAN, NAN)
    error = np.sqrt(sum(shares))
    df = sum(shares) ** 2 / sum(
        share**2 / (part.size - 1) for share, part in zip(shares, logs, strict=True)
    )
    reach = -float(stdtrit(df, tail)) * error
    p_value = 2 * float(stdtr(df, -abs(difference) / error))
    low, high = (float(np.exp(difference + side)) for side in (-reach, reach))
    return GeometricMeanRatio(ratio, low, high, p_value, df)


def logistic(y: ArrayLike, x: ArrayLike, conf_level: float) -> LogisticFit:
    """Logistic regression of a 0/1 outcome by maximum likelihood, with Wald intervals and p-values.

    `x` is one covariate or a column for each; the intercept is added. `separated` says whether a
    combination of covariates divides the outcomes, completely or except for ties (Albert and Anderson
    1984), determined by linear programming and not by a fit that diverges. Then, and when all outcomes are
    alike, no finite maximum exists and every number is NaN: use `logistic_firth` or `exact_logistic`.

    Raises
    ------
    ValueError
        `y` is not 0 or 1, `x` has another number of rows or a missing value, a column of `x` is a
        constant or a combination of others, or `conf_level` is not between 0 and 1.

    Examples
    --------
    >>> fit = logistic([0, 1, 0, 0, 1, 0, 1, 1], [1, 2, 3, 4, 5, 6, 7, 8], conf_level=0.95)
    >>> fit.coefficients.round(4).tolist(), fit.separated
    ([-1.9494, 0.4332], False)
    """
    outcome, design = _design(y, x)
    z = float(ndtri((1 + checked_level(conf_level)) / 2))
    nothing = np.full(design.shape[1], NAN)
    if _separated(outcome, design):
        return LogisticFit(nothing, nothing, nothing, nothing, nothing, NAN, separated=True)
    beta = _maximise(outcome, design, np.zeros(design.shape[1]), firth=False)
    error = np.sqrt(np.diag(np.linalg.inv(_information(design, beta))))
    p_values = 2 * ndtr(-np.abs(beta / error))
    at_best = _log_likelihood(outcome, design, beta, firth=False)
    return LogisticFit(
        beta, error, beta - z * error, beta + z * error, p_values, at_best, separated=False
    )


def logistic_firth(y: ArrayLike, x: ArrayLike, conf_level: float) -> LogisticFit:
    """Logistic regression with Firth's penalty: finite when the data are separated or few.

    The maximum of log L(b) + log det I(b) / 2 (Firth 1993). Intervals are profiles of that penalised
    likelihood, p-values its ratio tests with 1 degree of freedom, the other coefficients refitted and
    the penalty that of the full model (Heinze and Schemper 2002; R's logistf). Standard errors are
    those of the information. Finite for every outcome; a covariate that is constant or a combination
    of others raises ValueError. The slopes do not depend on where a covariate has its origin; the
    limits and the p-value of the intercept are NaN where that lies too far from the data.

    Raises
    ------
    ValueError
        As `logistic`; also when the penalised fit does not converge.

    Examples
    --------
    >>> fit = logistic_firth([0, 0, 0, 0, 1, 1, 1, 1], [1, 2, 3, 4, 5, 6, 7, 8], conf_level=0.95)
    >>> fit.coefficients.round(4).tolist(), fit.separated
    ([-4.6473, 1.0327], True)
    """
    outcome, design = _design(y, x)
    drop = float(chdtri(1, 1 - float(checked_level(conf_level)))) / 2
    # Fitted around the means: a covariate far from 0 would leave the information singular.
    centre, scale = design[:, 1:].mean(axis=0), design[:, 1:].std(axis=0)
    unit = np.column_stack([design[:, 0], (design[:, 1:] - centre) / scale])
    try:
        inner = _maximise(outcome, unit, np.zeros(design.shape[1]), firth=True)
        back = np.diag([1.0, *(1 / scale)])
        back[0, 1:] = -centre / scale
        beta = back @ inner
        spread = back @ np.linalg.inv(_information(unit, inner)) @ back.T
        error = np.sqrt(np.diag(spread))
        slopes = [_profile(outcome, unit, inner, which, drop) for which in range(1, len(beta))]
    except np.linalg.LinAlgError:
        raise ValueError(
            "x must not divide y so far that the penalised fit does not converge"
        ) from None
    try:
        ends = [_profile(outcome, design, beta, 0, drop)]
    except np.linalg.LinAlgError:
        ends = [(NAN, NAN, NAN)]
    ends += [
        (low / s, high / s, p) for (low, high, p), s in zip(slopes, scale.tolist(), strict=True)
    ]
    low, high, p_values = (np.array(part) for part in zip(*ends, strict=True))
    best = _log_likelihood(outcome, design, beta, firth=True)
    return LogisticFit(beta, error, low, high, p_values, best, _separated(outcome, design))


def _profile(
    outcome: Floats, design: Floats, beta: Floats, which: int, drop: float
) -> tuple[float, float, float]:
    """Limits and p-value of one coefficient by the profile of the penalised likelihood."""
    error = float(np.sqrt(np.linalg.inv(_information(design, beta))[which, which]))
    best = _log_likelihood(outcome, design, beta, firth=True)

    def excess_drop(value: float, together: tuple[float, ...] = (1.0,)) -> float:
        """How far the profile lies below the maximum, less what is allowed."""
        heights = []
        for share in together:
            start = beta + share * _information_shift(design, beta, which, value - beta[which])
            start[which] = value
            fitted = _maximise(outcome, design, start, firth=True, fixed=which)
            heights.append(_log_likelihood(outcome, design, fitted, firth=True))
        return best - max(heights) - drop

    limits = []
    for side in (-1.0, 1.0):
        limit = _where_it_drops(excess_drop, float(beta[which]), side * error)
        # In few patients the penalised likelihood can have two maxima at a fixed coefficient: the
        # other coefficients start where they would move to with it, and here also where they are.
        if excess_drop(limit, (0.0,)) < -1e-9:
            both = partial(excess_drop, together=(0.0, 1.0))
            limit = _where_it_drops(both, float(beta[which]), side * error)
        limits.append(limit)
    return limits[0], limits[1], float(chdtrc(1, max(0.0, 2 * (excess_drop(0.0) + drop))))


def exact_logistic(y: ArrayLike, x: ArrayLike, conf_level: float) -> ExactSlope:
    """The exact slope of one covariate, given the number of outcomes (Cox 1970; Hirji 1987).

    Given sum(y), the sum of x over the outcomes has a distribution that depends on the slope alone;
    it is built by adding one patient after the other.

    1. All NaN: outcomes or covariate all alike.
    2. estimate: the slope at which the mean of that sum is the observed one; infinite at its ends.
    3. low, high: P(T >= t) and P(T <= t) are (1 - conf_level)/2; infinite at the ends.
    4. p_value: twice the smaller tail at slope 0, at most 1.

    With a 0/1 covariate it is Fisher's exact inference for the odds ratio, on the log scale.

    Raises
    ------
    ValueError
        `x` is not one covariate or has too many distinct sums, or as `logistic`.

    Examples
    --------
    >>> result = exact_logistic([0, 1, 0, 0, 1, 0, 1, 1], [1, 2, 3, 4, 5, 6, 7, 8], conf_level=0.95)
    >>> [round(part, 4) for part in result]
    [0.3751, -0.2903, 1.3071, 0.3429]
    """
    outcome, design = _design(y, x, full_rank=False)
    if design.shape[1] != 2:
        raise ValueError("x must be one covariate")
    tail = (1 - float(checked_level(conf_level))) / 2
    covariate = design[:, 1]
    if np.ptp(outcome) == 0 or np.ptp(covariate) == 0:
        return ExactSlope(NAN, NAN, NAN, NAN)
    scale = float(np.ptp(covariate))
    unit = (covariate - covariate.min()) / scale
    total, ways = _conditional_distribution(unit, int(outcome.sum()))
    seen = float(unit[outcome == 1].sum())
    seen = float(total[np.abs(total - seen).argmin()])
    log_ways = np.log(ways) - np.log(ways.max())

    def mean(slope: Floats, value: Floats) -> Floats:
        exponent = log_ways + slope[:, np.newaxis] * (total - seen)
        weight = np.exp(exponent - exponent.max(axis=1, keepdims=True))
        return np.asarray((weight @ value) / weight.sum(axis=1))

    def slope_at(value: Floats, target: float) -> float:
        reach = np.ones(1)
        while np.prod([np.sign(mean(end, value)[0] - target) for end in (-reach, reach)]) > 0:
            reach = reach * 2
        return float(root(lambda at: mean(at, value) - target, -reach, reach)[0]) / scale

    at_least, at_most = (total >= seen).astype(float), (total <= seen).astype(float)
    tails = [float(mean(np.zeros(1), side)[0]) for side in (at_least, at_most)]
    is_first, is_last = seen == total[0], seen == total[-1]
    return ExactSlope(
        -np.inf if is_first else np.inf if is_last else slope_at(total, seen),
        -np.inf if is_first else slope_at(at_least, tail),
        np.inf if is_last else slope_at(at_most, tail),
        min(1.0, 2 * min(tails)),
    )


def _conditional_distribution(unit: Floats, outcomes: int) -> tuple[Floats, Floats]:
    """Every sum of `outcomes` of the values, and in how many ways it arises."""
    sums: list[dict[float, float]] = [{0.0: 1.0}] + [{} for _ in range(outcomes)]
    for value in unit.tolist():
        for chosen in range(outcomes, 0, -1):
            here = sums[chosen]
            for part, ways in sums[chosen - 1].items():
                key = round(part + value, 10)
                here[key] = here.get(key, 0.0) + ways
        if sum(map(len, sums)) > MANY_TABLES:
            raise ValueError("x has too many distinct sums for an exact fit: use logistic_firth")
    total = sorted(sums[outcomes])
    return np.array(total), np.array([sums[outcomes][key] for key in total])


def _finite(name: str, given: ArrayLike) -> Floats:
    values = np.asarray(given, dtype=float)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ValueError(f"{name} must be one list of numbers without a missing value")
    return values


def _ranks(values: Floats) -> Floats:
    """Ranks from 1, equal values sharing the mean of theirs."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return np.asarray((last - (count - 1) / 2)[place])


def _design(y: ArrayLike, x: ArrayLike, full_rank: bool = True) -> tuple[Floats, Floats]:
    outcome = _finite("y", y)
    if not np.isin(outcome, (0, 1)).all():
        raise ValueError("y must be 0 or 1")
    covariates = np.asarray(x, dtype=float)
    if covariates.ndim == 1:
        covariates = covariates[:, np.newaxis]
    if covariates.ndim != 2 or len(covariates) != outcome.size or outcome.size == 0:
        raise ValueError("x must have one row for each outcome of y")
    if not np.isfinite(covariates).all():
        raise ValueError("x must not have a missing value")
    design = np.column_stack([np.ones(outcome.size), covariates])
    if full_rank and np.linalg.matrix_rank(design) < design.shape[1]:
        raise ValueError("x must not hold a constant or a combination of its other columns")
    return outcome, design


def _separated(outcome: Floats, design: Floats) -> bool:
    """Whether some direction puts every outcome on its own side and at least one off the border."""
    from scipy.optimize import linprog

    signed = np.where(outcome == 1, 1.0, -1.0)[:, np.newaxis] * design
    signed = signed / np.abs(design).max(axis=0)
    solution = linprog(
        -signed.sum(axis=0), A_ub=-signed, b_ub=np.zeros(len(signed)), bounds=(-1, 1)
    )
    return bool(solution.x @ signed.sum(axis=0) > 1e-7)


def _log_likelihood(outcome: Floats, design: Floats, beta: Floats, firth: bool) -> float:
    chance = expit(design @ beta)
    value = float((xlogy(outcome, chance) + xlog1py(1 - outcome, -chance)).sum())
    if firth:
        value += float(np.linalg.slogdet(_information(design, beta))[1]) / 2
    return value


def _information(design: Floats, beta: Floats) -> Floats:
    chance = expit(design @ beta)
    return np.asarray(design.T @ (design * (chance * (1 - chance))[:, np.newaxis]))


def _information_shift(design: Floats, beta: Floats, which: int, shift: float) -> Floats:
    """How the coefficients move together when one is moved: along its column of the covariance."""
    column = np.linalg.inv(_information(design, beta))[which]
    return np.asarray(column / column[which] * shift)


def _maximise(
    outcome: Floats, design: Floats, start: Floats, firth: bool, fixed: int | None = None
) -> Floats:
    """Newton's steps by the information, halved until the likelihood does not decrease."""
    free = [column for column in range(design.shape[1]) if column != fixed]
    beta = start.astype(float)
    value = _log_likelihood(outcome, design, beta, firth)
    for _ in range(500):
        chance = expit(design @ beta)
        weight = chance * (1 - chance)
        information = _information(design, beta)
        residual = outcome - chance
        if firth:
            leverage = weight * np.einsum("ij,jk,ik->i", design, np.linalg.inv(information), design)
            residual = residual + leverage * (0.5 - chance)
        score = design.T @ residual
        step = np.zeros_like(beta)
        step[free] = np.linalg.solve(information[np.ix_(free, free)], score[free])
        step /= max(1.0, float(np.abs(step).max()) / 5)
        for _ in range(60):
            following = _log_likelihood(outcome, design, beta + step, firth)
            if following >= value - 1e-13 * abs(value):
                break
            step /= 2
        beta, value = beta + step, following
        gain = float(score[free] @ step[free])
        if gain < 1e-20 or (fixed is not None and gain < 1e-13):
            break  # a profile needs its height only, which the last steps no longer change
    return beta


def _where_it_drops(excess: Callable[[float], float], centre: float, step: float) -> float:
    """The point on one side of the maximum where `excess`, negative at the centre, reaches 0."""
    from scipy.optimize import brentq

    edges = [centre]
    while True:
        edges.append(edges[-1] + step)
        if excess(edges[-1]) > 0:
            break
        step *= 2
    inner, outer = list(pairwise(edges))[-1]
    return float(brentq(excess, inner, outer, xtol=1e-13, rtol=1e-13))
