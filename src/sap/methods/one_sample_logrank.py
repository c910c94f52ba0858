"""Survival of one group against a historical curve: the size of the one-sample log-rank test.

O events are observed where E, the sum of the historical cumulative hazard over the patients' own times,
are expected. The test rejects "not better than history" when (E - O) / sqrt(E) is at least the normal
quantile of 1 - alpha.

References
----------
Breslow 1975, Int Stat Rev 43:45. Finkelstein, Muzikansky and Schoenfeld 2003, J Natl Cancer Inst
95:1434. Wu 2015, Pharm Stat 14:26 (the exact variance under the alternative).
"""

from dataclasses import dataclass
from itertools import pairwise
from math import ceil, exp, inf, log, sqrt

from scipy.integrate import quad
from scipy.special import ndtr, ndtri

from sap.methods.two_stage_design import open_rate, whole_number


@dataclass(frozen=True)
class LogRankSize:
    """The least n of a one-sample log-rank test, and what it rests on."""

    n: int
    power: float
    critical_value: float  # of (E - O) / sqrt(E)
    hazard_ratio: float
    events: float  # expected number of events among n under the alternative
    events_historical: float  # expected value of E among n under the alternative
    probability_of_event: float  # p1 of Wu 2015, for one patient
    expected_hazard: float  # p0 of Wu 2015
    sd: float  # of O - E of one patient under the alternative

    def power_of(self, n: int) -> float:
        """Power with `n` patients, by the normal approximation of Wu 2015."""
        shift = (self.expected_hazard - self.probability_of_event) * sqrt(whole_number(n, "n"))
        return float(ndtr((shift - sqrt(self.expected_hazard) * self.critical_value) / self.sd))


def one_sample_logrank_size(  # noqa: PLR0913 - the design has eight numbers
    survival0: float,
    survival1: float,
    at: float,
    shape: float,
    accrual: float,
    follow_up: float,
    alpha: float,
    beta: float,
) -> LogRankSize:
    """The least number of patients for power 1 - `beta` at `survival1` against `survival0` (Wu 2015).

    1. Historical survival is Weibull with the given `shape` (1: exponential) through `survival0` at the
       time `at`; the new one has proportional hazards and goes through `survival1`.
    2. Patients enter uniformly during `accrual` and are followed until `follow_up` after the last one;
       no other loss. G is the share still followed at a time.
    3. With p1 = E(O), p0 = E(E), p00 and p01 as in Wu 2015, the integrals of G S1 against the historical
       hazard, each patient's O - E has mean p1 - p0 and variance
       p1 - p1^2 + 2 p00 - p0^2 - 2 p01 + 2 p0 p1.
    4. n is (sqrt(p0) z(1 - alpha) + sd z(1 - beta))^2 / (p1 - p0)^2, rounded up.

    Times are in one unit, whichever it is.

    Raises
    ------
    ValueError
        A survival, `alpha` or `beta` is not strictly between 0 and 1, `survival1` does not exceed
        `survival0`, a time or `shape` is not positive, or `accrual` or `follow_up` is negative or both
        are 0.

    Examples
    --------
    Wu 2015: median 9 years, shape 1.22, hazard ratio 1 / 1.75, accrual 5 and follow-up 3 years: 88.

    >>> size = one_sample_logrank_size(0.5, 0.5 ** (1 / 1.75), 9, 1.22, 5, 3, 0.05, 0.2)
    >>> size.n, round(size.hazard_ratio, 4)
    (88, 0.5714)
    """
    low, high = open_rate(survival0, "survival0"), open_rate(survival1, "survival1")
    if not low < high:
        raise ValueError("survival1 must exceed survival0: the test is for better survival")
    if not (0 < at < inf and 0 < shape < inf):
        raise ValueError("at and shape must be positive")
    if not (0 <= accrual < inf and 0 <= follow_up < inf and accrual + follow_up > 0):
        raise ValueError("accrual and follow_up must not be negative, nor both 0")
    z_alpha, z_beta = (
        float(-ndtri(open_rate(x, y))) for x, y in ((alpha, "alpha"), (beta, "beta"))
    )
    ratio = log(high) / log(low)

    def hazard(t: float) -> float:
        return float(-log(low) * (t / at) ** shape)

    def followed(u: float) -> float:
        """The share of patients whose follow-up reaches the time with the cumulative hazard `u`."""
        t = at * (u / -log(low)) ** (1 / shape)
        if t <= follow_up:
            return 1.0
        return max((accrual + follow_up - t) / accrual, 0.0) if accrual else 0.0

    # Integrated over u, the historical cumulative hazard, the integrand has no pole at time 0.
    cuts = (0.0, hazard(follow_up), hazard(accrual + follow_up))

    def integral(power: int) -> float:
        return sum(
            quad(
                lambda u: followed(u) * exp(-ratio * u) * u**power,
                *(start, end),
                epsabs=1e-13,
                epsrel=1e-12,
            )[0]
            for start, end in pairwise(cuts)
            if end > start
        )

    p0, p00 = integral(0), integral(1)
    p1, p01 = ratio * p0, ratio * p00
    sd = sqrt(p1 - p1**2 + 2 * p00 - p0**2 - 2 * p01 + 2 * p0 * p1)
    exact = ((sqrt(p0) * z_alpha + sd * z_beta) / (p0 - p1)) ** 2
    n = ceil(exact - 1e-9)
    size = LogRankSize(n, 0.0, z_alpha, ratio, n * p1, n * p0, p1, p0, sd)
    return LogRankSize(n, size.power_of(n), z_alpha, ratio, n * p1, n * p0, p1, p0, sd)
