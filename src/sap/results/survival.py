"""Times to event by Kaplan-Meier: medians, landmarks, restricted means, and the curves."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sap import ard
from sap.ard import NotEstimable
from sap.catalogue.reasons import text_of
from sap.methods.survival import (
    KaplanMeier,
    interval,
    kaplan_meier,
    quantile,
    reverse_kaplan_meier,
    rmst,
)
from sap.plan.entry import stated
from sap.plan.model import Plan
from sap.results.provenance import makes
from sap.results.sets import members

METHOD = "Kaplan-Meier; Brookmeyer-Crowley, {} transform; midpoint rule"
NO_ORIGIN = NotEstimable("no patient with this origin in this population")
NO_SCANS = NotEstimable(text_of("scans"))
NO_PSA = NotEstimable(text_of("psa"))
NOT_IN_DATA = {
    "PFS": NO_SCANS,
    "RPFS": NO_SCANS,
    "RDOR": NO_SCANS,
    "TTPP": NO_PSA,
    "DOR": NO_PSA,
}
Months = NDArray[np.float64]
Events = NDArray[np.int64]
DEFINITIONS = {
    "": "as_planned",
    "DOSE": "from_first_dose",
    "GAP": "missed_assessments_ignored",
    "IT": "new_therapy_ignored",
    "NEXT": "next_scan",
    "NT": "new_therapy_event",
    "OFF": "discontinuation_event",
    "UNC": "unconfirmed_event",
}
"""The end of PARAMCD of each sensitivity definition in ADTTE, and its LEVEL."""


def _number(value: float, reason: str) -> ard.type_of_stat:
    return NotEstimable(reason) if math.isnan(value) else value


def months_and_events(times: pd.DataFrame, plan: Plan) -> tuple[Months, Events]:
    """Times in months of the plan's length, and 1 for an event.

    CNSR 0 is an event in ADaM; it is turned to 1 = event here and nowhere else.
    """
    months = times["AVAL"].to_numpy(float) / plan.survival.days_per_month
    return months, (times["CNSR"] == 0).to_numpy().astype(np.int64)


def medians(
    months: Months, event: Events, plan: Plan, entry: Months | None = None
) -> dict[str, ard.type_of_stat]:
    """Counts, the median with its limits, the range, and the median follow-up."""
    curve = kaplan_meier(months, event, entry)
    conf = plan.intervals.conf_level
    median = quantile(curve, 0.5, conf, plan.survival.transform)
    reverse = reverse_kaplan_meier(months, event, entry)
    follow_up = quantile(reverse, 0.5, conf, plan.survival.transform)
    return {
        "N": len(months),
        "n_events": int(event.sum()),
        "n_censored": int((1 - event).sum()),
        "median": _number(median.estimate, "the survival estimate does not reach 0.5"),
        "conf_low": _number(median.low, "the confidence band does not reach 0.5"),
        "conf_high": _number(median.high, "the confidence band does not reach 0.5"),
        "conf_level": conf,
        "min": float(months.min()),
        "max": float(months.max()),
        "follow_up_median": _number(follow_up.estimate, "the reverse estimate does not reach 0.5"),
    }


def landmark(
    curve: KaplanMeier, months: Months, at: float, plan: Plan
) -> dict[str, ard.type_of_stat]:
    """The curve at one time in months; before the first event it has no variance and no interval."""
    low, high = interval(curve, at, plan.intervals.conf_level, plan.survival.transform)
    estimate = curve.at(at)
    reason = "no event by then" if estimate == 1 else "no standard error at this time"
    if estimate == 1:
        low = high = math.nan
    return {
        "estimate": _number(estimate, "after the last observed time"),
        "conf_low": _number(low, reason),
        "conf_high": _number(high, reason),
        "conf_level": plan.intervals.conf_level,
        "at_risk": int((months >= at).sum()),
    }


def restricted(curves: Sequence[KaplanMeier], tau: float, conf: float) -> dict[str, Any]:
    """The area under a curve to tau, or that of the first less that of the second, normal limits."""
    from scipy.special import ndtri

    areas = [rmst(curve, tau) for curve in curves]
    estimate = areas[0].estimate - sum(area.estimate for area in areas[1:])
    error = math.sqrt(sum(area.standard_error**2 for area in areas))
    reach = float(ndtri(0.5 + conf / 2)) * error
    return {
        "estimate": estimate,
        "standard_error": error,
        "conf_low": estimate - reach,
        "conf_high": estimate + reach,
        "conf_level": conf,
    }


def _restricted_mean(curve: KaplanMeier, plan: Plan) -> dict[str, ard.type_of_stat]:
    """The area under the curve to the plan's time, normal limits."""
    tau, conf = plan.survival.rmst_months, plan.intervals.conf_level
    if tau > float(curve.time[-1]) and float(curve.survival[-1]) > 0:
        short = NotEstimable("the curve ends before this time")
        none: dict[str, ard.type_of_stat] = {"conf_level": conf}
        return none | dict.fromkeys(("estimate", "standard_error", "conf_low", "conf_high"), short)
    return restricted([curve], tau, conf)


def _steps(curve: KaplanMeier, plan: Plan) -> pd.DataFrame:
    """The curve as a table: one row per time, one column per statistic."""
    lows, highs = interval(curve, curve.time, plan.intervals.conf_level, plan.survival.transform)
    return pd.DataFrame(
        {
            "time": curve.time,
            "estimate": curve.survival,
            "conf_low": lows,
            "conf_high": highs,
            "at_risk": curve.at_risk,
            "n_events": curve.events,
            "n_censored": curve.censored,
        },
        index=[str(step) for step in range(1, len(curve.time) + 1)],
        dtype=float,
    )


def _numbers_at_risk(months: Months) -> pd.DataFrame:
    step = _tick(float(months.max()))
    times = np.arange(0, float(months.max()) + step / 2, step)
    at_risk = [(months >= time).sum() for time in times]
    return pd.DataFrame(
        {"time": times, "at_risk": at_risk}, index=[f"{t:g}" for t in times], dtype=float
    )


def _tick(longest: float) -> float:
    """Months between two numbers at risk: about eight of them, at a usual distance."""
    return next((s for s in (1.0, 2.0, 3.0, 6.0, 12.0) if longest / s <= 9), 24.0)


def _as_rows(wide: pd.DataFrame, place: pd.DataFrame, suffix: str) -> pd.DataFrame:
    """A table of statistics (columns) by level (index) as ARD rows at the place of one row."""
    long = wide.rename_axis("level").reset_index().melt("level", None, "stat_name", "stat")
    shared = {name: place[name].iloc[0] for name in ard.COLUMNS if name not in long}
    reason = np.where(long["stat"].isna(), "no standard error at this time", "")
    rows = long.assign(**shared | {"analysis": shared["analysis"] + suffix, "stat_text": reason})
    return rows[list(ard.COLUMNS)]


def _section(analysis: str, plan: Plan) -> str:
    if analysis in ("os_marker", "os_group"):
        return stated(plan.survival_comparison).section
    return plan.survival.section if analysis == "os" else plan.progression.section


def curve_rows(
    adtte: pd.DataFrame,
    subjects: pd.DataFrame,
    plan: Plan,
    *,
    paramcd: str,
    population: str,
    analysis: str,
    group: str = "",
) -> list[pd.DataFrame]:
    """Median with limits, survival rates, restricted mean, the steps of the curve, numbers at risk.

    Times are in months of the plan's length (`survival.days_per_month`).

    1. LEVEL "": counts, median, range and median follow-up.
    2. `month_<m>`: the estimate at each of the plan's months, with the number at risk.
    3. `rmst_<m>`: the restricted mean to the plan's month.
    4. `..._curve`: LEVEL is the number of the step; `..._at_risk`: the month.
    5. Without a patient who has the endpoint: the reason.
    """
    method = METHOD.format(plan.survival.transform)

    def row(stats: dict[str, ard.type_of_stat], level: str = "", by: str = method) -> pd.DataFrame:
        return ard.rows(
            stats,
            analysis=analysis,
            section=_section(analysis, plan),
            population=population,
            paramcd=paramcd,
            group=group,
            level=level,
            method=by,
        )

    of_endpoint = adtte[adtte["PARAMCD"] == paramcd]
    times = of_endpoint[of_endpoint["USUBJID"].isin(subjects["USUBJID"])]
    if times.empty:
        return [row(_without_times(adtte, paramcd))]
    months, event = months_and_events(times, plan)
    curve = kaplan_meier(months, event)
    main = row(medians(months, event, plan))
    rmst_level = f"rmst_{plan.survival.rmst_months:g}"
    return [
        main,
        *(
            row(landmark(curve, months, at, plan), f"month_{at:g}")
            for at in plan.survival.landmarks_months
        ),
        row(_restricted_mean(curve, plan), rmst_level, "Restricted mean; normal limits"),
        _as_rows(_steps(curve, plan), main, "_curve"),
        _as_rows(_numbers_at_risk(months), main, "_at_risk"),
    ]


def _without_times(adtte: pd.DataFrame, paramcd: str) -> dict[str, ard.type_of_stat]:
    """Counts of 0, or the reason where no patient can have the endpoint."""
    reason = NOT_IN_DATA.get(paramcd.removesuffix("RE"))
    # A treated patient has every endpoint that the same data give; a duration only with a response.
    same = [code for code, why in NOT_IN_DATA.items() if why is reason]
    derived = bool(adtte["PARAMCD"].isin([*same, *(f"{code}RE" for code in same)]).any())
    if reason and not derived:
        names = ("N", "n_events", "median", "conf_low", "conf_high")
        return dict.fromkeys(names, reason)
    counts: dict[str, ard.type_of_stat] = {"N": 0, "n_events": 0}
    return counts | dict.fromkeys(("median", "conf_low", "conf_high"), NO_ORIGIN)


@makes("os", "os_at_risk", "os_curve")
def overall_survival(adsl: pd.DataFrame, adtte: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """OS of each analysis set from the plan's origin; of re-screened patients from their second allocation."""
    parts = []
    for population in ("PRIMARY", "SAFETY", "MARKERPOS", "SCREENED", "GROUPA"):
        subjects = members(adsl, population)
        if population == "GROUPA" and not plan.study.groups:
            continue
        parts += curve_rows(
            adtte, subjects, plan, paramcd="OS", population=population, analysis="os"
        )
    rescreened = members(adsl, "RESCREENED")
    parts += curve_rows(
        adtte, rescreened, plan, paramcd="OSRE", population="RESCREENED", analysis="os"
    )
    return parts


ENDPOINTS = ("PFS", "RPFS", "TTPP", "DOR", "RDOR")


@makes(
    "dor",
    "dor_at_risk",
    "dor_curve",
    "dor_reasons",
    "pfs",
    "pfs_at_risk",
    "pfs_curve",
    "pfs_reasons",
    "rdor",
    "rdor_at_risk",
    "rdor_curve",
    "rdor_reasons",
    "rpfs",
    "rpfs_at_risk",
    "rpfs_curve",
    "rpfs_reasons",
    "ttpp",
    "ttpp_at_risk",
    "ttpp_curve",
    "ttpp_reasons",
)
def time_to_progression(adsl: pd.DataFrame, adtte: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """PFS, RPFS, TTPP, DOR and RDOR of the primary set, of re-screened patients, and of group A.

    The analyses are the endpoints in lower case. Group A has PFS and TTPP: its scans are not planned by
    the protocol. `..._reasons`: LEVEL is the event or the censoring reason (EVNTDESC or CNSDTDSC of
    ADTTE), SUBLEVEL `event` or `censored`.
    """
    parts = []
    for code in ENDPOINTS:
        analysis = code.lower()
        where = [("PRIMARY", code), ("RESCREENED", f"{code}RE")]
        if plan.study.groups and code in ("PFS", "TTPP"):
            where.append(("GROUPA", code))
        for population, paramcd in where:
            subjects = members(adsl, population)
            parts += curve_rows(
                adtte, subjects, plan, paramcd=paramcd, population=population, analysis=analysis
            )
            of_endpoint = adtte[adtte["PARAMCD"] == paramcd]
            times = of_endpoint[of_endpoint["USUBJID"].isin(subjects["USUBJID"])]
            parts += _reasons(times, plan, population, paramcd)
    return parts


def _reasons(times: pd.DataFrame, plan: Plan, population: str, paramcd: str) -> list[pd.DataFrame]:
    analysis = paramcd.removesuffix("RE").lower() + "_reasons"
    parts = []
    for sublevel, column, flag in (("event", "EVNTDESC", 0), ("censored", "CNSDTDSC", 1)):
        counts = times.loc[times["CNSR"] == flag, column].value_counts().sort_index()
        parts += [
            ard.rows(
                {"n": int(n), "N": len(times)},
                analysis=analysis,
                section=plan.progression.section,
                population=population,
                paramcd=paramcd,
                level=str(reason),
                sublevel=sublevel,
                method="Distinct patients",
            )
            for reason, n in counts.items()
        ]
    return parts


@makes("pfs_sensitivity", "rpfs_sensitivity", "ttpp_sensitivity")
def progression_sensitivity(
    adsl: pd.DataFrame, adtte: pd.DataFrame, plan: Plan
) -> list[pd.DataFrame]:
    """PFS, RPFS and TTPP of the primary set under the plan's definition and each sensitivity definition.

    LEVEL is the definition, `as_planned` the plan's own; `next_scan` dates progression at the next
    scheduled scan, the others name what counts or is ignored.
    """
    of_set = adtte[adtte["USUBJID"].isin(members(adsl, "PRIMARY")["USUBJID"])]
    parts = []
    for code in ("PFS", "RPFS", "TTPP"):
        where = {
            "analysis": f"{code.lower()}_sensitivity",
            "section": plan.progression.section,
            "population": "PRIMARY",
            "method": METHOD.format(plan.survival.transform),
        }
        by_definition = {
            level: of_set[of_set["PARAMCD"] == code + suffix]
            for suffix, level in DEFINITIONS.items()
        }
        parts += [
            ard.rows(
                medians(*months_and_events(times, plan), plan),
                paramcd=str(times["PARAMCD"].iloc[0]),
                level=level,
                **where,
            )
            for level, times in by_definition.items()
            if len(times)
        ]
        if not any(map(len, by_definition.values())):
            missing = {"median": NOT_IN_DATA[code]}
            parts.append(ard.rows(missing, paramcd=code, level="as_planned", **where))
    return parts


def rows(*, adsl: pd.DataFrame, adtte: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *overall_survival(adsl, adtte, plan),
        *time_to_progression(adsl, adtte, plan),
        *progression_sensitivity(adsl, adtte, plan),
    ]
