"""Exploratory: survival by AR-V7 status and by group, and what waiting for treatment does to a curve."""

import math

import numpy as np
import pandas as pd

from sap import ard
from sap.ard import NotEstimable
from sap.methods.cox import CoxFit, cox, proportional_hazards_test
from sap.methods.logrank import logrank
from sap.methods.survival import kaplan_meier
from sap.plan.model import Plan
from sap.results.provenance import makes
from sap.results.sets import members
from sap.results.survival import METHOD, curve_rows, medians, months_and_events, restricted

STATES = ("POSITIVE", "NEGATIVE", "UNDETERMINED")
EXPLORATORY = "exploratory"


def _of(adsl: pd.DataFrame, adtte: pd.DataFrame, paramcd: str) -> pd.DataFrame:
    mine = adtte.loc[adtte["PARAMCD"] == paramcd, ["USUBJID", "AVAL", "CNSR"]]
    return mine.merge(adsl, on="USUBJID").sort_values("USUBJID", kind="stable", ignore_index=True)


def _log_rank(
    mine: pd.DataFrame, group: "pd.Series[str]", plan: Plan, analysis: str, paramcd: str
) -> pd.DataFrame:
    months, event = months_and_events(mine, plan)
    stats: dict[str, ard.type_of_stat] = {"N": len(mine)}
    test = logrank(months, event, group.to_numpy(str)) if len(set(group)) > 1 else None
    if test is None or test.df == 0:
        stats["p_value"] = NotEstimable("fewer than two groups at any event")
    else:
        stats |= {"statistic": test.statistic, "df": test.df, "p_value": test.p_value}
    return ard.rows(
        stats,
        analysis=analysis,
        section=plan.survival_comparison.section,
        population="SCREENED",
        paramcd=paramcd,
        level="Log-rank",
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
        section=plan.survival_comparison.section,
        population="SCREENED",
        paramcd=paramcd,
        level="RMST difference",
        method=f"Difference of restricted means; normal limits, {EXPLORATORY}",
    )


def _no_difference() -> dict[str, ard.type_of_stat]:
    why = NotEstimable("a group without follow-up")
    return dict.fromkeys(("tau", "estimate", "standard_error", "conf_low", "conf_high"), why)


def _design(mine: pd.DataFrame, names: tuple[str, ...], plan: Plan) -> pd.DataFrame:
    """The declared covariates as numbers; missing where the patient has no value."""
    known = mine["ARV7BL"].isin(("POSITIVE", "NEGATIVE"))
    columns = {
        "AR-V7 positive": (mine["ARV7BL"] == plan.screening.arv7).astype(float).where(known),
        "log2(CTC + 1)": np.log2(mine["CTCBL"].astype(float) + 1),
        "Age, per 10 years": pd.to_numeric(mine["AGE"]).astype(float) / 10,
        "ECOG >= 1": (mine["ECOGBL"] >= 1).astype(float).where(mine["ECOGBL"].notna()),
        "Group B": (mine["GROUP"] == "B").astype(float).where(mine["GROUP"].notna()),
    }
    return pd.DataFrame({name: columns[name] for name in names})


def _cox_rows(
    mine: pd.DataFrame, names: tuple[str, ...], plan: Plan, analysis: str, paramcd: str
) -> list[pd.DataFrame]:
    """One model: a row of statistics per covariate (SUBLEVEL), and the model's own (SUBLEVEL "")."""
    x = _design(mine, names, plan)
    whole = x.notna().all(axis=1)
    rule, conf = plan.survival_comparison, plan.intervals.conf_level
    where = {
        "analysis": analysis,
        "section": rule.section,
        "population": "SCREENED",
        "paramcd": paramcd,
        "level": "Cox",
    }
    months, event = months_and_events(mine[whole], plan)
    counts: dict[str, ard.type_of_stat] = {
        "N": int(whole.sum()),
        "n_events": int(event.sum()),
        "n_missing": int((~whole).sum()),
    }
    if not event.sum():
        none = NotEstimable("no event among patients with all covariates")
        return [ard.rows(counts | {"ph_p_value": none}, method=f"Cox, {EXPLORATORY}", **where)]
    covariates = x[whole].to_numpy(float)
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
    for place, name in enumerate(names):
        stats = {
            "hazard_ratio": _value(fit.hazard_ratio[place], fit),
            "conf_low": _value(fit.conf_low[place], fit),
            "conf_high": _value(fit.conf_high[place], fit),
            "conf_level": conf,
            "p_value": _value(fit.p_value[place], fit),
            "ph_p_value": _value(ph.p_value[place], fit),
        }
        parts.append(ard.rows(stats, sublevel=name, method=method, **where))
    return parts


def _value(value: float, fit: CoxFit) -> ard.type_of_stat:
    if math.isnan(value):
        return NotEstimable(fit.reason or "not estimable with these data")
    return value


@makes("os_arv7", "os_arv7_at_risk", "os_arv7_curve")
def by_arv7(adsl: pd.DataFrame, adtte: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """OS by AR-V7 at the first screening: curves (GROUP), log-rank test, Cox with the plan's covariates.

    Everybody with the origin and a tested sample stands in a curve; the Cox model takes patients whose
    AR-V7 is positive or negative and who have every covariate, `n_missing` counts the others.
    """
    mine = _of(adsl, adtte, "OS")
    mine = mine[mine["ARV7BL"].isin(STATES)]
    parts = []
    for state in STATES:
        parts += curve_rows(
            adtte,
            mine[mine["ARV7BL"] == state],
            plan,
            paramcd="OS",
            population="SCREENED",
            analysis="os_arv7",
            group=state,
        )
    known = mine[mine["ARV7BL"] != "UNDETERMINED"]
    if len(known):
        parts.append(_log_rank(known, known["ARV7BL"], plan, "os_arv7", "OS"))
        positive = known["ARV7BL"] == "POSITIVE"
        two = known[positive], known[~positive]
        parts.append(_mean_difference(two, plan, "os_arv7", "OS"))
        names = tuple(plan.survival_comparison.covariates)
        parts += _cox_rows(known, names, plan, "os_arv7", "OS")
    return parts


@makes("os_group", "os_group_at_risk", "os_group_curve")
def by_group(adsl: pd.DataFrame, adtte: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """OS of group A and group B from allocation, as allocated first: curves, log-rank, Cox.

    OSCENS censors patients of A on the day they were allocated again. The groups differ by AR-V7 and by
    count from the start, so nothing here is an effect of treatment.
    """
    if not plan.study.groups:
        return []
    parts = []
    for paramcd in ("OS", "OSCENS"):
        mine = _of(adsl, adtte, paramcd)
        mine = mine[mine["GROUP"].isin(("A", "B"))]
        for group in ("A", "B"):
            parts += curve_rows(
                adtte,
                mine[mine["GROUP"] == group],
                plan,
                paramcd=paramcd,
                population="SCREENED",
                analysis="os_group",
                group=group,
            )
        if len(mine):
            parts.append(_log_rank(mine, mine["GROUP"], plan, "os_group", paramcd))
            two = mine[mine["GROUP"] == "B"], mine[mine["GROUP"] == "A"]
            parts.append(_mean_difference(two, plan, "os_group", paramcd))
            parts += _cox_rows(mine, ("Group B",), plan, "os_group", paramcd)
    return parts


@makes("os_guarantee")
def guarantee_time(adsl: pd.DataFrame, adtte: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """OS from consent to screening: a treated patient cannot have died before his first dose.

    PRIMARY, LEVEL:

    1. "From screening, as if always at risk": the naive curve, biased by that waiting time.
    2. "From screening, at risk from the first dose": delayed entry.
    3. "From the first dose": another origin, no waiting.

    MARKERPOS, from the plan's landmark after consent, patients alive and followed then: GROUP "Treated
    by then" against "Not treated by then", with the log-rank test. `n_excluded` counts patients without
    a time after their entry, or who left before the landmark.
    """
    rule = plan.survival_comparison
    parts = []

    def row(
        stats: dict[str, ard.type_of_stat], population: str, level: str, group: str = ""
    ) -> None:
        parts.append(
            ard.rows(
                stats,
                analysis="os_guarantee",
                section=rule.section,
                population=population,
                paramcd="OSSCR",
                group=group,
                level=level,
                method=f"{METHOD.format(plan.survival.transform)}; {EXPLORATORY}",
            )
        )

    mine = adtte[adtte["PARAMCD"] == "OSSCR"]
    treated = mine[mine["USUBJID"].isin(members(adsl, "PRIMARY")["USUBJID"])]
    inside = treated[treated["AVAL"] > treated["ENTRY"]]
    excluded = len(treated) - len(inside)
    if len(inside):
        months, event = months_and_events(inside, plan)
        entry = inside["ENTRY"].to_numpy(float) / plan.survival.days_per_month
        left = {"n_excluded": excluded}
        row(medians(months, event, plan) | left, "PRIMARY", "From screening, as if always at risk")
        late = medians(months, event, plan, entry) | left
        row(late, "PRIMARY", "From screening, at risk from the first dose")
        row(medians(months - entry, event, plan) | left, "PRIMARY", "From the first dose")
    landmark = rule.guarantee_landmark_days
    level = f"Landmark, day {landmark}"
    positive = mine[mine["USUBJID"].isin(members(adsl, "MARKERPOS")["USUBJID"])]
    alive = positive[positive["AVAL"] > landmark]
    group = np.where(alive["ENTRY"] <= landmark, "Treated by then", "Not treated by then")
    shifted = alive.assign(AVAL=alive["AVAL"] - landmark, GROUP=group)
    for name in ("Treated by then", "Not treated by then"):
        here = shifted[shifted["GROUP"] == name]
        if len(here):
            months, event = months_and_events(here, plan)
            row(medians(months, event, plan), "MARKERPOS", level, name)
    stats: dict[str, ard.type_of_stat] = {"n_excluded": len(positive) - len(alive)}
    months, event = months_and_events(shifted, plan)
    test = logrank(months, event, group) if len(set(group)) > 1 else None
    few = NotEstimable("fewer than two groups at any event")
    stats["p_value"] = few if test is None or test.df == 0 else test.p_value
    row(stats, "MARKERPOS", level)
    return parts


def rows(*, adsl: pd.DataFrame, adtte: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *by_arv7(adsl, adtte, plan),
        *by_group(adsl, adtte, plan),
        *guarantee_time(adsl, adtte, plan),
    ]
