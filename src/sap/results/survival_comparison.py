"""Exploratory: survival by marker status and by group, and guarantee-time sensitivity analyses."""

import math

import numpy as np
import pandas as pd

from sap import ard
from sap.ard import NotEstimable
from sap.methods.cox import CoxFit, cox, proportional_hazards_test
from sap.methods.logrank import logrank
from sap.methods.survival import kaplan_meier
from sap.plan.entry import stated
from sap.plan.model import Plan
from sap.results.provenance import makes
from sap.results.sets import members
from sap.results.survival import METHOD, curve_rows, medians, months_and_events, restricted

STATES = ("POSITIVE", "NEGATIVE", "UNDETERMINED")
EXPLORATORY = "exploratory"
TOO_FEW = NotEstimable("fewer than two groups at any event")


def _times(adsl: pd.DataFrame, adtte: pd.DataFrame, paramcd: str) -> pd.DataFrame:
    """The times of one parameter with the columns of ADSL, in the order of USUBJID."""
    times = adtte.loc[adtte["PARAMCD"] == paramcd, ["USUBJID", "AVAL", "CNSR"]]
    return times.merge(adsl, on="USUBJID").sort_values("USUBJID", kind="stable", ignore_index=True)


def _log_rank(
    times: pd.DataFrame, group: "pd.Series[str]", plan: Plan, analysis: str, paramcd: str
) -> pd.DataFrame:
    months, event = months_and_events(times, plan)
    stats: dict[str, ard.type_of_stat] = {"N": len(times)}
    test = logrank(months, event, group.to_numpy(str)) if len(set(group)) > 1 else None
    if test is None or test.df == 0:
        stats["p_value"] = TOO_FEW
    else:
        stats |= {"statistic": test.statistic, "df": test.df, "p_value": test.p_value}
    return ard.rows(
        stats,
        analysis=analysis,
        section=stated(plan.survival_comparison).section,
        population="SCREENED",
        paramcd=paramcd,
        level="log_rank",
        method=f"Log-rank, {EXPLORATORY}",
    )


def _mean_difference(
    two: tuple[pd.DataFrame, pd.DataFrame], plan: Plan, analysis: str, paramcd: str
) -> pd.DataFrame:
    """Restricted mean of the first group less that of the second, which needs no proportional hazards.

    1. To `survival.rmst_months`, or to the shorter of the two longest times where that is less.
    2. The standard error is the root of the sum of both variances; normal limits.
    3. Not estimable where a group is empty.
    """
    conf = plan.intervals.conf_level
    stats: dict[str, ard.type_of_stat] = {"conf_level": conf}
    if all(len(side) for side in two):
        sides = [months_and_events(side, plan) for side in two]
        tau = min(plan.survival.rmst_months, *(float(months.max()) for months, _ in sides))
        curves = [kaplan_meier(months, event) for months, event in sides]
        stats |= {"tau": tau} | restricted(curves, tau, conf) if tau > 0 else _no_difference()
    else:
        stats |= _no_difference()
    return ard.rows(
        stats,
        analysis=analysis,
        section=stated(plan.survival_comparison).section,
        population="SCREENED",
        paramcd=paramcd,
        level="rmst_difference",
        method=f"Difference of restricted means; normal limits, {EXPLORATORY}",
    )


def _no_difference() -> dict[str, ard.type_of_stat]:
    why = NotEstimable("a group without follow-up")
    return dict.fromkeys(("tau", "estimate", "standard_error", "conf_low", "conf_high"), why)


def _design(times: pd.DataFrame, names: tuple[str, ...]) -> pd.DataFrame:
    """The covariates of the plan as numbers; missing where the subject has no value."""
    known = times["MARKBL"].isin(("POSITIVE", "NEGATIVE"))
    columns = {
        "marker_positive": (times["MARKBL"] == "POSITIVE").astype(float).where(known),
        "log2_ctc": np.log2(times["CTCBL"].astype(float) + 1),
        "age_10_years": pd.to_numeric(times["AGE"]).astype(float) / 10,
        "ecog_1": (times["ECOGBL"] >= 1).astype(float).where(times["ECOGBL"].notna()),
        "group_b": (times["GROUP"] == "B").astype(float).where(times["GROUP"].notna()),
    }
    return pd.DataFrame({name: columns[name] for name in names})


def _cox_rows(
    times: pd.DataFrame, names: tuple[str, ...], plan: Plan, analysis: str, paramcd: str
) -> list[pd.DataFrame]:
    """One model: a row of statistics per covariate (SUBLEVEL), and the model's own (SUBLEVEL "")."""
    x = _design(times, names)
    complete = x.notna().all(axis=1)
    rule, conf = stated(plan.survival_comparison), plan.intervals.conf_level
    where = {
        "analysis": analysis,
        "section": rule.section,
        "population": "SCREENED",
        "paramcd": paramcd,
        "level": "cox",
    }
    months, event = months_and_events(times[complete], plan)
    counts: dict[str, ard.type_of_stat] = {
        "N": int(complete.sum()),
        "n_events": int(event.sum()),
        "n_missing": int((~complete).sum()),
    }
    if not event.sum():
        none = NotEstimable("no event among patients with all covariates")
        return [ard.rows(counts | {"ph_p_value": none}, method=f"Cox, {EXPLORATORY}", **where)]
    covariates = x[complete].to_numpy(float)
    fit = cox(months, event, covariates, conf, penalise_below=rule.events_per_coefficient)
    ph = proportional_hazards_test(months, event, covariates, rule.ph_transform)
    method = f"{fit.method}, {EXPLORATORY}"
    counts["ph_p_value"] = _value(ph.global_p_value, fit)
    counts["ph_doubtful"] = (
        counts["ph_p_value"]
        if math.isnan(ph.global_p_value)
        else float(ph.global_p_value < rule.ph_doubt_below)
    )
    parts = [ard.rows(counts, method=method, **where)]
    for column, name in enumerate(names):
        stats = {
            "hazard_ratio": _value(fit.hazard_ratio[column], fit),
            "conf_low": _value(fit.conf_low[column], fit),
            "conf_high": _value(fit.conf_high[column], fit),
            "conf_level": conf,
            "p_value": _value(fit.p_value[column], fit),
            "ph_p_value": _value(ph.p_value[column], fit),
        }
        parts.append(ard.rows(stats, sublevel=name, method=method, **where))
    return parts


def _value(value: float, fit: CoxFit) -> ard.type_of_stat:
    if math.isnan(value):
        return NotEstimable(fit.reason or "not estimable with these data")
    return value


@makes("os_marker", "os_marker_at_risk", "os_marker_curve")
def by_marker(adsl: pd.DataFrame, adtte: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """OS by marker status at the first screening: curves (GROUP), log-rank test, Cox model of the plan.

    1. A curve: all patients with the origin and a tested sample, undetermined results included.
    2. Log-rank test and difference of restricted means: positive against negative.
    3. Cox model (SUBLEVEL the covariate): positive or negative patients with every covariate of the
       plan; `n_missing` counts the others.
    """
    times = _times(adsl, adtte, "OS")
    times = times[times["MARKBL"].isin(STATES)]
    parts = []
    for state in STATES:
        parts += curve_rows(
            adtte,
            times[times["MARKBL"] == state],
            plan,
            paramcd="OS",
            population="SCREENED",
            analysis="os_marker",
            group=state,
        )
    tested = times[times["MARKBL"] != "UNDETERMINED"]
    if len(tested):
        parts.append(_log_rank(tested, tested["MARKBL"], plan, "os_marker", "OS"))
        positive = tested["MARKBL"] == "POSITIVE"
        sides = tested[positive], tested[~positive]
        parts.append(_mean_difference(sides, plan, "os_marker", "OS"))
        names = tuple(stated(plan.survival_comparison).covariates)
        parts += _cox_rows(tested, names, plan, "os_marker", "OS")
    return parts


@makes("os_group", "os_group_at_risk", "os_group_curve")
def by_group(adsl: pd.DataFrame, adtte: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """OS of group A and group B from allocation, as first allocated: curves, log-rank test, Cox model.

    OSCENS censors patients of group A on the day of their second allocation. The groups were not
    randomised, so no difference is an effect of treatment.
    """
    if not plan.study.groups:
        return []
    parts = []
    for paramcd in ("OS", "OSCENS"):
        times = _times(adsl, adtte, paramcd)
        times = times[times["GROUP"].isin(("A", "B"))]
        for group in ("A", "B"):
            parts += curve_rows(
                adtte,
                times[times["GROUP"] == group],
                plan,
                paramcd=paramcd,
                population="SCREENED",
                analysis="os_group",
                group=group,
            )
        if len(times):
            parts.append(_log_rank(times, times["GROUP"], plan, "os_group", paramcd))
            sides = times[times["GROUP"] == "B"], times[times["GROUP"] == "A"]
            parts.append(_mean_difference(sides, plan, "os_group", paramcd))
            parts += _cox_rows(times, ("group_b",), plan, "os_group", paramcd)
    return parts


@makes("os_guarantee")
def guarantee_time(adsl: pd.DataFrame, adtte: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """OS from consent to screening under three treatments of the guarantee time, and a landmark analysis.

    A treated patient was alive at the first dose (guarantee time). PRIMARY, LEVEL:

    1. `at_risk_from_screening`: at risk from screening, biased by the guarantee time.
    2. `left_truncated`: at risk from the first dose (left truncation).
    3. `from_first_dose`: time counted from the first dose.

    MARKERPOS, LEVEL `landmark`: patients alive and in follow-up at the plan's landmark after consent,
    GROUP `treated` or `not_treated` by then, and the log-rank test of the two. `n_excluded` counts
    patients without follow-up after the first dose, or not in follow-up at the landmark.
    """
    return [*_truncated(adsl, adtte, plan), *_landmark(adsl, adtte, plan)]


def _guarantee_row(
    stats: dict[str, ard.type_of_stat], plan: Plan, population: str, level: str, group: str = ""
) -> pd.DataFrame:
    return ard.rows(
        stats,
        analysis="os_guarantee",
        section=stated(plan.survival_comparison).section,
        population=population,
        paramcd="OSSCR",
        group=group,
        level=level,
        method=f"{METHOD.format(plan.survival.transform)}; {EXPLORATORY}",
    )


def _from_consent(adsl: pd.DataFrame, adtte: pd.DataFrame, population: str) -> pd.DataFrame:
    times = adtte[adtte["PARAMCD"] == "OSSCR"]
    return times[times["USUBJID"].isin(members(adsl, population)["USUBJID"])]


def _truncated(adsl: pd.DataFrame, adtte: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """The primary set by each treatment of the time before the first dose."""
    treated = _from_consent(adsl, adtte, "PRIMARY")
    followed = treated[treated["AVAL"] > treated["ENTRY"]]
    if followed.empty:
        return []
    months, event = months_and_events(followed, plan)
    entry = followed["ENTRY"].to_numpy(float) / plan.survival.days_per_month
    excluded = {"n_excluded": len(treated) - len(followed)}
    curves = {
        "at_risk_from_screening": medians(months, event, plan),
        "left_truncated": medians(months, event, plan, entry),
        "from_first_dose": medians(months - entry, event, plan),
    }
    return [
        _guarantee_row(stats | excluded, plan, "PRIMARY", level) for level, stats in curves.items()
    ]


def _landmark(adsl: pd.DataFrame, adtte: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Marker-positive patients alive at the landmark, by treatment until then."""
    landmark = stated(plan.survival_comparison).guarantee_landmark_days
    positive = _from_consent(adsl, adtte, "MARKERPOS")
    alive = positive[positive["AVAL"] > landmark]
    group = np.where(alive["ENTRY"] <= landmark, "treated", "not_treated")
    shifted = alive.assign(AVAL=alive["AVAL"] - landmark, GROUP=group)
    parts = []
    for name in ("treated", "not_treated"):
        of_group = shifted[shifted["GROUP"] == name]
        if len(of_group):
            stats = medians(*months_and_events(of_group, plan), plan)
            parts.append(_guarantee_row(stats, plan, "MARKERPOS", "landmark", name))
    months, event = months_and_events(shifted, plan)
    test = logrank(months, event, group) if len(set(group)) > 1 else None
    compared: dict[str, ard.type_of_stat] = {
        "n_excluded": len(positive) - len(alive),
        "p_value": TOO_FEW if test is None or test.df == 0 else test.p_value,
    }
    return [*parts, _guarantee_row(compared, plan, "MARKERPOS", "landmark")]


def rows(*, adsl: pd.DataFrame, adtte: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *by_marker(adsl, adtte, plan),
        *by_group(adsl, adtte, plan),
        *guarantee_time(adsl, adtte, plan),
    ]
