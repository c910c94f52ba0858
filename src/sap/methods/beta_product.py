"""Interval of S(t) that keeps its level in small samples: the beta product confidence procedure."""

from decimal import Context, Decimal, localcontext

import numpy as np

from sap.methods.kaplan_meier import KaplanMeier
from sap.methods.proportion import Interval
from sap.methods.risk_sets import FloatArray, IntArray

LARGEST = 1000  # events: beyond, the digits needed grow and no small-sample interval is wanted


def beta_product(curve: KaplanMeier, t: float, conf_level: float) -> Interval:
    """Beta product confidence interval of S(t) (Fay, Brittain & Proschan 2013, section 3).

    With d_i events among r_i at risk at the event times t_i <= t, r' the number at risk at the next
    observed time after t, and independent beta variables,

        W- = product of Beta(r_i - d_i + 1, d_i)            high = upper quantile of W-
        W+ = W- Beta(r', 1)                                 low  = lower quantile of W+

    at (1 + conf_level) / 2 and (1 - conf_level) / 2. Without censoring before t it is Clopper and
    Pearson's interval for the share of survivors, ties included.

    1. No event up to t: high = 1. No patient under observation after t: low = 0.
    2. No patient at risk is left without the event: low = 0, high by the rule.
    3. A curve with delayed entry is refused: the procedure is derived for censoring only.

    The distribution of the product is exact here (all parameters are whole numbers, so that it is
    a polynomial), where bpcp's default matches two moments; see `beta_product_moments`.

    Raises
    ------
    ValueError
        `t` is negative, the curve has delayed entry or more than `LARGEST` events up to `t`, or
        `conf_level` is not between 0 and 1.

    Examples
    --------
    With 2 events among 5 and no censoring, Clopper & Pearson for 3 of 5:

    >>> from sap.methods.kaplan_meier import kaplan_meier
    >>> low, high = beta_product(kaplan_meier([1, 2, 3, 4, 5], [1, 1, 1, 1, 1]), 2.5, 0.95)
    >>> round(low, 4), round(high, 4)
    (0.1466, 0.9473)
    """
    tail = _tail(conf_level)
    at_risk, events, after = _steps(curve, t)
    rates = [int(r) - k for r, d in zip(at_risk, events, strict=True) for k in range(int(d))]
    if len(rates) > LARGEST:
        raise ValueError(f"t: more than {LARGEST} events up to t; `interval` is for large samples")
    low = _product_quantile([*rates, after], tail) if after else 0.0
    high = _product_quantile(rates, 1 - tail) if rates else 1.0
    return Interval(low, high)


def beta_product_moments(curve: KaplanMeier, t: float, conf_level: float) -> Interval:
    """The interval of `beta_product` with one beta variable of the same two moments as the product.

    As R's bpcp 1.4.2 computes by default (Fay & Brittain 2016, Stat Med 35:2726), kept decreasing.

    Raises
    ------
    ValueError
        `t` is negative, the curve has delayed entry, or `conf_level` is not between 0 and 1.

    Examples
    --------
    >>> from sap.methods.kaplan_meier import kaplan_meier
    >>> curve = kaplan_meier([1, 1, 6, 6, 8, 9], [1, 0, 1, 1, 0, 1])
    >>> low, high = beta_product_moments(curve, 6.0, 0.95)
    >>> beta_product(curve, 6.0, 0.95).low < curve.at(6.0) < beta_product(curve, 6.0, 0.95).high
    True
    >>> 0 < low < curve.at(6.0) < high < 1
    True
    """
    tail = _tail(conf_level)
    _steps(curve, t)
    inside = int(np.searchsorted(curve.time, t, side="right"))
    low, high = 1.0, 1.0
    for times in range(inside + 1):
        at_risk, events, after = _counts(curve, times)
        b = events.astype(np.float64)
        a = at_risk.astype(np.float64) - b + 1
        low = min(low, _moments_quantile(np.append(a, after), np.append(b, 1.0), tail))
        high = min(high, _moments_quantile(a, b, 1 - tail))
    return Interval(low, high)


def _tail(conf_level: float) -> float:
    if not 0 < conf_level < 1:
        raise ValueError("conf_level: expected a share strictly between 0 and 1")
    return (1 - conf_level) / 2


def _steps(curve: KaplanMeier, t: float) -> tuple[IntArray, IntArray, int]:
    if not t >= 0:
        raise ValueError("t: expected a number that is not negative")
    left = curve.at_risk - curve.events - curve.censored
    if not np.array_equal(left[:-1], curve.at_risk[1:]) or left[-1] != 0:
        raise ValueError("curve: the beta product is not defined with delayed entry")
    return _counts(curve, int(np.searchsorted(curve.time, t, side="right")))


def _counts(curve: KaplanMeier, inside: int) -> tuple[IntArray, IntArray, int]:
    had = np.flatnonzero(curve.events[:inside])
    after = int(curve.at_risk[inside]) if inside < curve.time.size else 0
    return curve.at_risk[had], curve.events[had], after


def _product_quantile(rates: list[int], q: float) -> float:
    """Quantile q of the product of independent Beta(rate, 1), all rates different whole numbers.

    With c_i = product over j != i of rate_j / (rate_j - rate_i), P(W <= w) = sum c_i w^rate_i. The
    terms alternate and cancel, so that they are summed with digits in proportion to their size.
    """
    from scipy.optimize import brentq
    from scipy.special import betaincinv

    rates = sorted(rates)
    smallest, largest = rates[0], rates[-1]
    if largest - smallest + 1 == len(rates):  # Beta(a, 1) Beta(a + 1, 1) ... is one beta variable
        return float(betaincinv(smallest, len(rates), q))
    with localcontext(Context(prec=40 + _digits_lost(rates))):
        exact = [Decimal(rate) for rate in rates]
        weights = []
        for own in exact:
            weight = Decimal(1)
            for other in exact:
                if other != own:
                    weight *= other / (other - own)
            weights.append(weight)

        def excess(w: float) -> float:
            total, power, at = Decimal(0), Decimal(1), 0
            base = Decimal(w)
            for rate, weight in zip(rates, weights, strict=True):
                power *= base ** (rate - at)
                at = rate
                total += weight * power
            return float(total) - q

        return float(brentq(excess, 0.0, 1.0, xtol=1e-15, rtol=1e-14))


def _digits_lost(rates: list[int]) -> int:
    """Decimal digits of the largest coefficient: so many cancel in the alternating sum."""
    rate = np.array(rates, dtype=np.float64)
    gaps = np.abs(rate - rate[:, None])
    np.fill_diagonal(gaps, 1)
    sizes = np.log10(rate).sum() - np.log10(rate) - np.log10(gaps).sum(axis=1)
    return int(np.ceil(max(float(sizes.max()), 0.0)))


def _moments_quantile(a: FloatArray, b: FloatArray, q: float) -> float:
    from scipy.special import betaincinv

    if not b.size:
        return 1.0
    if a[-1] == 0:
        return 0.0
    mean = float(np.prod(a / (a + b)))
    square = float(np.prod(a * (a + 1) / ((a + b) * (a + b + 1))))
    spread = (mean - square) / (square - mean**2)
    return float(betaincinv(mean * spread, (1 - mean) * spread, q))
