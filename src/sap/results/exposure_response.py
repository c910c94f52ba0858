"""Exploratory: association of exposure in the first cycle with response and with neutropenia."""

import math

import numpy as np
import pandas as pd

from sap import ard
from sap.ard import NotEstimable
from sap.methods.association import exact_logistic, logistic, logistic_firth, spearman
from sap.plan.entry import stated
from sap.plan.model import Plan
from sap.results.labs import worst
from sap.results.pk import NO_PC
from sap.results.provenance import makes
from sap.results.sets import members

FEW = NotEstimable("fewer than three patients with both, or all alike")
ALIKE = NotEstimable("all patients have the same response, or the same exposure")
INFINITE = NotEstimable("no finite limit")
ANC = "NEUT"


def _numbers(adrs: pd.DataFrame, adctc: pd.DataFrame) -> dict[str, pd.Series]:
    """Best percent changes of PSA and of the CTC count by USUBJID, for the rank correlation."""
    best = adrs[adrs["PARAMCD"] == "PSABEST"].set_index("USUBJID")["AVAL"]
    counted = adctc[adctc["ANL01FL"] == "Y"]
    return {
        "PSABEST": best.dropna(),
        "CTCBEST": counted.groupby("USUBJID")["PCHG"].min().dropna(),
    }


def _responses(adrs: pd.DataFrame) -> dict[str, pd.Series]:
    """Response (1) or none (0) by USUBJID; NE is excluded."""
    responses = {}
    for paramcd in ("PSARESP", "CTCRESP"):
        known = adrs[(adrs["PARAMCD"] == paramcd) & adrs["AVALC"].isin(("Y", "N"))]
        responses[paramcd] = (known.set_index("USUBJID")["AVALC"] == "Y").astype(float)
    return responses


@makes("exposure_response")
def exposure_response(
    adsl: pd.DataFrame,
    adpp: pd.DataFrame,
    adrs: pd.DataFrame,
    adctc: pd.DataFrame,
    adlb: pd.DataFrame,
    plan: Plan,
) -> list[pd.DataFrame]:
    """Each of the plan's exposure parameters (PARAMCD) against each response (LEVEL), in PKEVAL.

    1. SUBLEVEL `rank_correlation`: Spearman with the interval of Bonett and Wright, for PSABEST and
       CTCBEST (best percent changes) and `neutrophil_grade` (worst grade on treatment).
    2. `per_doubling`: the odds ratio for a doubling of exposure, for PSARESP, CTCRESP and
       `neutrophil_grade_reached` (the plan's grade or worse). Maximum likelihood; Firth's penalty where
       exposure separates the responses (named in the method).
    3. `above_median`: the exact odds ratio of exposure above against at or below the median.

    Exposure is that of the first sampled infusion. n counts the patients with both values; a grade that is
    0 or 1 for want of a limit of normal is excluded. No adjustment for multiplicity.
    """
    rule, conf = stated(plan.exposure_response), plan.intervals.conf_level
    where = {"analysis": "exposure_response", "section": rule.section, "population": "PKEVAL"}
    subjects = members(adsl, "PKEVAL")
    if adpp.empty:
        stats: dict[str, ard.type_of_stat] = {
            "n": NO_PC,
            "estimate": NO_PC,
            "anc_grade": rule.anc_grade,
        }
        return [ard.rows(stats, paramcd=name, method="-", **where) for name in rule.parameters]
    first = adpp.sort_values(["USUBJID", "ADT"], kind="stable")
    first = first.drop_duplicates(["USUBJID", "PARAMCD"])
    grade = pd.to_numeric(worst(subjects, adlb, ANC), errors="coerce").dropna()
    ranked = _numbers(adrs, adctc) | {"neutrophil_grade": grade}
    binary = _responses(adrs) | {
        "neutrophil_grade_reached": (grade >= rule.anc_grade).astype(float)
    }
    parts = []
    for paramcd in rule.parameters:
        exposure = first[first["PARAMCD"] == paramcd].set_index("USUBJID")["AVAL"].dropna()
        exposure = exposure[exposure.index.isin(subjects["USUBJID"])].sort_index()
        for level, values in ranked.items():
            both = exposure.index.intersection(values.index)
            stats = _rank(exposure[both].to_numpy(), values[both].to_numpy(), conf)
            parts.append(
                ard.rows(
                    stats, paramcd=paramcd, level=level, sublevel="rank_correlation",
                    method="Spearman; Bonett-Wright interval", **where,
                )
            )  # fmt: skip
        for level, values in binary.items():
            both = exposure.index.intersection(values.index)
            x, y = exposure[both].to_numpy(), values[both].to_numpy()
            for sublevel, (stats, method) in {
                "per_doubling": _per_doubling(x, y, conf),
                "above_median": _above_median(x, y, conf),
            }.items():
                parts.append(
                    ard.rows(
                        stats, paramcd=paramcd, level=level, sublevel=sublevel, method=method,
                        **where,
                    )
                )  # fmt: skip
    return parts


Floats = np.ndarray[tuple[int], np.dtype[np.float64]]
Stats = dict[str, ard.type_of_stat]
ESTIMATE = ("estimate", "conf_low", "conf_high", "p_value")


def _finite(value: float) -> ard.type_of_stat:
    return FEW if math.isnan(value) else INFINITE if math.isinf(value) else value


def _rank(x: Floats, y: Floats, conf: float) -> Stats:
    fit = spearman(x, y, conf)
    stats: Stats = {"n": fit.n, "conf_level": conf}
    values = (fit.estimate, fit.low, fit.high, fit.p_value)
    return stats | {name: _finite(v) for name, v in zip(ESTIMATE, values, strict=True)}


def _odds(*logs: float) -> list[float]:
    return [math.exp(v) if v < math.log(1e300) else math.inf for v in logs]


def _per_doubling(x: Floats, y: Floats, conf: float) -> tuple[Stats, str]:
    """The odds ratio for a doubling, by maximum likelihood or, where separated, by Firth."""
    stats: Stats = {"n": len(y), "n_events": int(y.sum()), "conf_level": conf}
    method = "Logistic regression on log2 exposure"
    if len(y) < 3 or len(set(y)) < 2 or len(set(x)) < 2 or (x <= 0).any():
        return stats | dict.fromkeys(ESTIMATE, ALIKE), method
    centred = np.log2(x) - np.log2(x).mean()  # the slope is the same, the intercept near the data
    try:
        fit = logistic(y, centred, conf)
        if fit.separated:
            fit, method = logistic_firth(y, centred, conf), f"{method}, Firth's penalty"
    except (ValueError, np.linalg.LinAlgError):
        return stats | dict.fromkeys(ESTIMATE, NotEstimable("the fit did not converge")), method
    values = [*_odds(fit.coefficients[1], fit.low[1], fit.high[1]), float(fit.p_values[1])]
    return stats | {
        name: _finite(float(v)) for name, v in zip(ESTIMATE, values, strict=True)
    }, method


def _above_median(x: Floats, y: Floats, conf: float) -> tuple[Stats, str]:
    """The exact odds ratio of two halves; an infinite limit is not a number."""
    stats: Stats = {"n": len(y), "n_events": int(y.sum()), "conf_level": conf}
    method = "Exact conditional odds ratio"
    above = (x > np.median(x)).astype(float) if len(x) else x
    if len(y) < 3 or len(set(y)) < 2 or len(set(above)) < 2:
        return stats | dict.fromkeys(ESTIMATE, ALIKE), method
    fit = exact_logistic(y, above, conf)
    values = [*_odds(fit.estimate, fit.low, fit.high), fit.p_value]
    return stats | {name: _finite(v) for name, v in zip(ESTIMATE, values, strict=True)}, method


def rows(
    *,
    adsl: pd.DataFrame,
    adctc: pd.DataFrame,
    adrs: pd.DataFrame,
    adlb: pd.DataFrame,
    adpp: pd.DataFrame,
    plan: Plan,
) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *exposure_response(adsl, adpp, adrs, adctc, adlb, plan),
    ]
