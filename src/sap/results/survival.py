"""Times to event by Kaplan-Meier: medians, landmarks, and the curve that the figure draws."""

import math

import numpy as np
import pandas as pd

from sap import ard
from sap.ard import NotEstimable
from sap.methods.survival import interval, kaplan_meier, quantile, reverse_kaplan_meier
from sap.plan.model import Plan
from sap.results.sets import members

METHOD = "Kaplan-Meier; Brookmeyer-Crowley, {} transform; midpoint rule"
EMPTY = NotEstimable("nobody with this origin in this population")


def _number(value: float, reason: str) -> ard.type_of_stat:
    return NotEstimable(reason) if math.isnan(value) else value


def _median(months: np.ndarray, event: np.ndarray, plan: Plan) -> dict[str, ard.type_of_stat]:
    curve = kaplan_meier(months, event)
    conf = plan.intervals.conf_level
    middle = quantile(curve, 0.5, conf, plan.survival.transform)
    follow = quantile(reverse_kaplan_meier(months, event), 0.5, conf, plan.survival.transform)
    return {
        "N": len(months),
        "n_events": int(event.sum()),
        "n_censored": int((1 - event).sum()),
        "median": _number(middle.estimate, "the curve does not fall to one half"),
        "conf_low": _number(middle.low, "the band does not fall to one half"),
        "conf_high": _number(middle.high, "the band does not fall to one half"),
        "conf_level": conf,
        "min": float(months.min()),
        "max": float(months.max()),
        "follow_up_median": _number(follow.estimate, "reverse curve does not fall to one half"),
    }


def curve_rows(
    adtte: pd.DataFrame, people: pd.DataFrame, plan: Plan, *, paramcd: str, population: str, analysis: str
) -> list[pd.DataFrame]:
    """Median with limits, landmarks, the steps of the curve and the numbers at risk.

    CNSR 0 is an event in ADaM; it is turned to 1 = event here and nowhere else. Times are in
    months of the plan's length.
    """
    method = METHOD.format(plan.survival.transform)

    def row(stats: dict[str, ard.type_of_stat], level: str = "", what: str = "") -> pd.DataFrame:
        return ard.rows(
            stats,
            analysis=analysis + what,
            section=plan.survival.section,
            population=population,
            paramcd=paramcd,
            level=level,
            method=method,
        )

    mine = adtte[(adtte["PARAMCD"] == paramcd) & adtte["USUBJID"].isin(people["USUBJID"])]
    if mine.empty:
        empty: dict[str, ard.type_of_stat] = {"N": 0, "n_events": 0}
        return [row(empty | dict.fromkeys(("median", "conf_low", "conf_high"), EMPTY))]
    months = mine["AVAL"].to_numpy(float) / plan.survival.days_per_month
    event = (mine["CNSR"] == 0).to_numpy().astype(int)
    curve = kaplan_meier(months, event)
    parts = [row(_median(months, event, plan))]
    for landmark in plan.survival.landmarks_months:
        level = f"{landmark:g} months"
        share = curve.at(landmark)
        low, high = interval(curve, landmark, plan.intervals.conf_level, plan.survival.transform)
        parts.append(
            row(
                {
                    "estimate": _number(share, "after the last observed time"),
                    "conf_low": _number(low, "no standard error here"),
                    "conf_high": _number(high, "no standard error here"),
                    "conf_level": plan.intervals.conf_level,
                    "at_risk": int((months >= landmark).sum()),
                },
                level,
            )
        )
    lows, highs = interval(curve, curve.time, plan.intervals.conf_level, plan.survival.transform)
    for place, time in enumerate(curve.time):
        parts.append(
            row(
                {
                    "time": float(time),
                    "estimate": float(curve.survival[place]),
                    "conf_low": _number(float(lows[place]), "no standard error here"),
                    "conf_high": _number(float(highs[place]), "no standard error here"),
                    "at_risk": int(curve.at_risk[place]),
                    "n_events": int(curve.events[place]),
                    "n_censored": int(curve.censored[place]),
                },
                f"{place + 1:04d}",
                "_curve",
            )
        )
    step = _tick(float(months.max()))
    for time in np.arange(0, float(months.max()) + step / 2, step):
        at_risk = {"time": float(time), "at_risk": int((months >= time).sum())}
        parts.append(row(at_risk, f"{time:04g}", "_at_risk"))
    return parts


def _tick(longest: float) -> float:
    """Months between two numbers at risk: about eight of them, at a usual distance."""
    return next((s for s in (1.0, 2.0, 3.0, 6.0, 12.0) if longest / s <= 9), 24.0)


def overall_survival(adsl: pd.DataFrame, adtte: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """OS of each set from the plan's origin, and of re-screened treated men from their second one."""
    parts = []
    for population in ("PRIMARY", "SAFETY", "MARKERPOS", "SCREENED", "GROUPA"):
        people = members(adsl, population)
        if population == "GROUPA" and not plan.study.groups:
            continue
        parts += curve_rows(
            adtte, people, plan, paramcd="OS", population=population, analysis="os"
        )
    again = members(adsl, "RESCREENED")
    parts += curve_rows(adtte, again, plan, paramcd="OSRE", population="RESCREENED", analysis="os")
    return parts
