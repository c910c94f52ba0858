"""Our response rate compared with a published one: exact odds, and a difference from its score equation."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from sap.plan.entry import stated
from sap.qc.courses import Course, courses
from sap.qc.dates import Day, earliest, latest
from sap.qc.psa import counted, response_result
from sap.qc.response import is_pending, limits_of_design, primary_set, results_in
from sap.qc.study import Place, QcRow, Study
from sap.qc.subjects import Subject
from sap.qc.summaries import Value, rate

METHOD = "a loop over visits in exact decimals; scipy"


def odds(ours: tuple[int, int], published: tuple[int, int], conf: float) -> dict[str, Value]:
    """The conditional odds ratio with exact limits, and Fisher's two-sided p."""
    names = ("estimate", "conf_low", "conf_high", "p_value")
    statistics: dict[str, Value] = {"conf_level": conf}
    if not ours[1] or not published[1]:
        return statistics | dict.fromkeys(names)
    from scipy.stats import fisher_exact
    from scipy.stats.contingency import odds_ratio

    table = np.array([[ours[0], ours[1] - ours[0]], [published[0], published[1] - published[0]]])
    ratio = odds_ratio(table, kind="conditional")
    limits = ratio.confidence_interval(confidence_level=conf)
    numbers = (ratio.statistic, limits.low, limits.high, fisher_exact(table).pvalue)
    known = (float(number) if math.isfinite(number) else None for number in numbers)
    return statistics | dict(zip(names, known, strict=True))


def _score(ours: tuple[int, int], published: tuple[int, int], d: float) -> float:
    """The distance of the difference from d in standard errors of the likeliest rates d apart.

    The variance has the factor N / (N - 1) of Miettinen and Nurminen 1985.
    """
    (x1, n1), (x2, n2) = ours, published
    low, high = max(0.0, -d), min(1.0, 1.0 - d)

    def slope(p: float) -> float:
        parts = ((x1, p + d), (x1 - n1, 1 - p - d), (x2, p), (x2 - n2, 1 - p))
        return sum(count / rate for count, rate in parts if count)

    tiny = 1e-14 * (high - low)
    ends = low + tiny, high - tiny
    p = low if slope(ends[0]) <= 0 else high if slope(ends[1]) >= 0 else _root(slope, *ends)
    spread = ((p + d) * (1 - p - d) / n1 + p * (1 - p) / n2) * (n1 + n2) / (n1 + n2 - 1)
    gap = x1 / n1 - x2 / n2 - d
    if spread <= 0:
        return math.copysign(math.inf, gap) if gap else 0.0
    return gap / math.sqrt(spread)


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    from scipy.optimize import brentq

    return float(brentq(function, low, high, xtol=1e-15, rtol=1e-14, maxiter=500))


def _limit(function: Callable[[float], float], low: float, high: float) -> float:
    """Where the falling function is 0, by halving; its ends where it is not."""
    for _ in range(100):
        half = (low + high) / 2
        low, high = (half, high) if function(half) > 0 else (low, half)
    return (low + high) / 2


def difference(ours: tuple[int, int], published: tuple[int, int], conf: float) -> dict[str, Value]:
    """Ours less published; the score interval with the factor N / (N - 1) of Miettinen and Nurminen."""
    statistics: dict[str, Value] = {"conf_level": conf}
    if not ours[1] or not published[1]:
        return statistics | dict.fromkeys(("estimate", "conf_low", "conf_high"))
    from scipy.stats import norm

    z = float(norm.isf((1 - conf) / 2))
    estimate = ours[0] / ours[1] - published[0] / published[1]
    return statistics | {
        "estimate": estimate,
        "conf_low": _limit(lambda d: _score(ours, published, d) - z, -1.0, estimate),
        "conf_high": _limit(lambda d: _score(ours, published, d) + z, estimate, 1.0),
    }


def rows(study: Study) -> Iterator[QcRow]:
    """Every row of the comparisons with biomarker negative patients and with the published trial."""
    yield from _by_marker(study)
    yield from _published(study)


def _by_marker(study: Study) -> Iterator[QcRow]:
    """Every row of `comparison_marker`.

    `tlf-comparison`: "The denominator of marker-positive patients is the primary set, without patients
    treated through re-screening; that of marker-negative patients is all who were given the study
    drug outside of the study treatment."
    """
    plan = study.plan
    positive = results_in(study, study.inside("PRIMARY"), "PSARESP")
    negative = [
        choice_response(study, course)
        for course in courses(study)
        if course.is_choice and _is_compared(study, course)
    ]
    place = Place("comparison_marker", "SCREENED")
    ours = (positive.count("Y"), len(positive))
    yield from place._replace(group="POSITIVE", paramcd="PSARESP").rows(rate(*ours, plan), METHOD)
    theirs = (negative.count("Y"), len(negative))
    statistics = rate(*theirs, plan) | {"n_missing": negative.count("NE")}
    unknown = negative.count("NE") == len(negative)
    between = difference(ours, theirs, plan.intervals.conf_level)
    if unknown:  # no PSA of these patients in the data
        statistics |= dict.fromkeys(("n", "estimate", "conf_low", "conf_high"))
        between |= dict.fromkeys(("estimate", "conf_low", "conf_high"))
    yield from place._replace(group="NEGATIVE", paramcd="PSARESPA").rows(statistics, METHOD)
    yield from place._replace(paramcd="PSARESP", level="difference").rows(between, METHOD)


def _is_compared(study: Study, course: Course) -> bool:
    """Whether a physician's choice was the drug of the comparison, in a subject of its marker state."""
    rule, subject = stated(study.plan.comparison), course.subject
    first = subject.first is not None and subject.first.marker == rule.choice_marker
    return first and first_choice(study, subject)[0] == rule.choice_drug


def first_choice(study: Study, subject: Subject) -> tuple[str | None, Day | None]:
    """The drug of the first physician's choice, and the last day of it."""
    chosen = [
        (earliest(row.get("CMSTDTC")) or Day.max, row["CMSEQ"], row)
        for row in study.of("cm", subject.usubjid)
        if row.get("CMCAT") == "PHYSICIAN'S CHOICE"
    ]
    if not chosen:
        return None, None
    row = min(chosen, key=lambda one: one[:2])[2]
    return row.get("CMDECOD"), latest(row.get("CMENDTC"))


def choice_response(study: Study, course: Course) -> str:
    """PSA response under the physician's choice, by the rule of the primary endpoint.

    SAP 4.3: "TRTEDT is the last study dose, or the last day of the first choice."
    """
    rule = stated(study.plan.psa_response)
    under = replace(
        course.subject,
        first_dose=course.start,
        last_dose=first_choice(study, course.subject)[1],
    )
    base, after = counted(
        under, course.psa, course.therapy, study.plan, stop_at_therapy=rule.stop_at_new_therapy
    )
    return response_result(
        under, base, after, study.plan, confirm_days=rule.confirm_after_days
    ).result


def _published(study: Study) -> Iterator[QcRow]:
    """Every row of the comparison with the published trial that the plan names.

    A subject whom the published trial's rule does not count is left out of the comparison by that
    rule; the limits by this trial's own rule are those of the primary result.
    """
    plan = study.plan
    other = study.references.of(stated(plan.comparison).reference)
    primary, paramcd = study.inside("PRIMARY"), plan.primary_parameter
    in_order = primary_set(study)
    responses = [result == "Y" for result in results_in(study, in_order, paramcd)]
    pending = [is_pending(study, who) for who in in_order]
    limits = limits_of_design(plan, responses, pending)
    ours = (sum(responses), len(responses))
    place = Place("comparison_published", "PRIMARY")
    if stated(plan.comparison).rule is not None:
        own = place._replace(group="this_study_own_rule", paramcd=paramcd)
        yield from own.rows(rate(*ours, plan) | limits, METHOD)
        limits, paramcd = {}, "PSARESPC"
        results = [result for result in results_in(study, primary, paramcd) if result]
        ours = (results.count("Y"), len(results))
    published = (other.n, other.total)
    source: dict[str, Value] = {
        "definition": other.definition, "treatment": other.treatment, "source": other.source,
    }  # fmt: skip
    conf = plan.intervals.conf_level
    for group, level, statistics in (
        ("this_study", "", rate(*ours, plan) | limits),
        (stated(plan.comparison).reference, "", rate(*published, plan) | source),
        ("", "odds_ratio", odds(ours, published, conf)),
        ("", "difference", difference(ours, published, conf)),
    ):
        here = place._replace(group=group, paramcd=paramcd, level=level)
        yield from here.rows(statistics, METHOD)
