"""Exploratory comparisons of the primary response rate; none tests a hypothesis of the trial."""

import pandas as pd

from sap import ard
from sap.ard import NotEstimable
from sap.catalogue.reasons import text_of
from sap.methods.proportion import (
    exact_odds_ratio,
    fisher_exact,
    miettinen_nurminen_difference,
)
from sap.plan.entry import stated
from sap.plan.model import Plan
from sap.plan.references import References
from sap.results.provenance import makes
from sap.results.rates import rate
from sap.results.response import EXACT, primary_rate
from sap.results.sets import members

NO_PSA = NotEstimable(text_of("psa_of_these"))
NOT_TWO = NotEstimable("not both groups have a proportion")
NO_LIMIT = NotEstimable("no finite limit")


def _difference(
    first: tuple[int, int], second: tuple[int, int], conf_level: float, reason: NotEstimable
) -> dict[str, ard.type_of_stat]:
    """The difference of two rates, the first minus the second, by Miettinen and Nurminen."""
    names = ("estimate", "conf_low", "conf_high")
    if not first[1] or not second[1]:
        stats: dict[str, ard.type_of_stat] = {"conf_level": conf_level}
        return stats | dict.fromkeys(names, reason)
    low, high = miettinen_nurminen_difference(*first, *second, conf_level)
    estimate = first[0] / first[1] - second[0] / second[1]
    return {"conf_level": conf_level, "estimate": estimate, "conf_low": low, "conf_high": high}


def _responders(adsl: pd.DataFrame, adrs: pd.DataFrame, paramcd: str) -> tuple[int, int]:
    subjects = members(adsl, "PRIMARY")
    yes = adrs.loc[(adrs["PARAMCD"] == paramcd) & (adrs["AVALC"] == "Y"), "USUBJID"]
    return int(subjects["USUBJID"].isin(yes).sum()), len(subjects)


def _primary_stats(
    adsl: pd.DataFrame, adrs: pd.DataFrame, plan: Plan, paramcd: str
) -> tuple[dict[str, ard.type_of_stat], str]:
    """The rate with its confidence interval, that of the design for the primary result, and its method."""
    if plan.intervals.primary_interval == "two-stage" and paramcd == plan.primary_parameter:
        return primary_rate(members(adsl, "PRIMARY"), adrs, plan)
    return rate(*_responders(adsl, adrs, paramcd), plan.intervals.conf_level), EXACT


def _by_published_rule(adsl: pd.DataFrame, adrs: pd.DataFrame) -> tuple[int, int]:
    """Responders and subjects that count by the published trial's rule."""
    usubjid = members(adsl, "PRIMARY")["USUBJID"]
    results = adrs[(adrs["PARAMCD"] == "PSARESPC") & adrs["USUBJID"].isin(usubjid)]["AVALC"]
    return int((results == "Y").sum()), int(results.isin(("Y", "N", "NE")).sum())


@makes("comparison_marker")
def by_marker(adsl: pd.DataFrame, adrs: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """PSA response to one drug: marker positive in the trial, marker negative outside of it.

    GROUP POSITIVE is the primary set. GROUP NEGATIVE is every patient who was marker negative at the
    first screening and was given the plan's drug as physician's choice; the response follows the same
    rule from the first day of that treatment (PSARESPA), and missing is failure, as in the primary set.
    When none of them has a PSA value that counts, the comparison is not in the data.
    LEVEL `difference` is POSITIVE minus NEGATIVE.
    """
    conf = plan.intervals.conf_level
    where = {
        "analysis": "comparison_marker",
        "section": stated(plan.comparison).section,
        "population": "SCREENED",
    }
    negative = adsl.loc[adsl["MARKBL"] == stated(plan.comparison).choice_marker, "USUBJID"]
    chosen = adrs[(adrs["PARAMCD"] == "PSARESPA") & adrs["USUBJID"].isin(negative)]
    chosen = (
        chosen[chosen["DRUG"] == stated(plan.comparison).choice_drug] if len(chosen) else chosen
    )
    of_positive = _responders(adsl, adrs, "PSARESP")
    of_negative = int((chosen["AVALC"] == "Y").sum()), len(chosen)
    is_observed = bool((chosen["AVALC"] != "NE").any())
    stats = rate(*of_negative, conf)
    stats["n_missing"] = int((chosen["AVALC"] == "NE").sum())
    if not is_observed:
        stats |= dict.fromkeys(("n", "estimate", "conf_low", "conf_high"), NO_PSA)
        of_negative = (0, 0)
    primary, method = _primary_stats(adsl, adrs, plan, "PSARESP")
    return [
        ard.rows(primary, group="POSITIVE", paramcd="PSARESP", method=method, **where),
        ard.rows(stats, group="NEGATIVE", paramcd="PSARESPA", method=EXACT, **where),
        ard.rows(
            _difference(of_positive, of_negative, conf, NOT_TWO if is_observed else NO_PSA),
            paramcd="PSARESP",
            level="difference",
            method="Miettinen-Nurminen",
            **where,
        ),
    ]


def _odds_ratio(
    ours: tuple[int, int], published: tuple[int, int], conf: float
) -> dict[str, ard.type_of_stat]:
    """The conditional odds ratio with its exact limits, and Fisher's two-sided p."""
    stats: dict[str, ard.type_of_stat] = {"conf_level": conf}
    if not ours[1]:
        return stats | dict.fromkeys(("estimate", "conf_low", "conf_high", "p_value"), NOT_TWO)
    ratio = exact_odds_ratio(*ours, *published, conf)
    numbers = {"estimate": ratio.estimate, "conf_low": ratio.low, "conf_high": ratio.high}
    stats |= {
        name: NO_LIMIT if number == float("inf") else number for name, number in numbers.items()
    }
    return stats | {"p_value": fisher_exact(*ours, *published, "two-sided")}


@makes("comparison_published")
def published(
    adsl: pd.DataFrame, adrs: pd.DataFrame, references: References, plan: Plan
) -> list[pd.DataFrame]:
    """The primary rate and the published rate of the plan: odds ratio, Fisher's p, difference.

    1. GROUP `this_study` follows the rule of the published trial where the plan has `comparison.rule`:
       the responders (PSARESPC) of the patients of PRIMARY whom that rule counts. LEVEL `odds_ratio`
       and `difference`, this study minus published, are of this row.
    2. GROUP `this_study_own_rule` is the primary result by the rule of this study; it is not compared.
    3. Without a rule of the published trial the primary result is GROUP `this_study`.
    4. The published rate has the id of the reference as GROUP.

    The trials differ in the patients treated; nothing here is adjusted for it.
    """
    reference = references.of(stated(plan.comparison).reference)
    conf, rule = plan.intervals.conf_level, stated(plan.comparison).rule
    code = plan.primary_parameter
    ours = _responders(adsl, adrs, code) if rule is None else _by_published_rule(adsl, adrs)
    theirs = (reference.n, reference.total)
    where = {
        "analysis": "comparison_published",
        "section": stated(plan.comparison).section,
        "population": "PRIMARY",
    }
    stats, method = _primary_stats(adsl, adrs, plan, code)
    parts = []
    if rule is not None:
        group = "this_study_own_rule"
        parts.append(ard.rows(stats, paramcd=code, group=group, method=method, **where))
        stats, method = rate(*ours, conf), EXACT
    where["paramcd"] = code if rule is None else "PSARESPC"
    of_reference = rate(*theirs, conf) | {
        "definition": reference.definition,
        "treatment": reference.treatment,
        "source": reference.source,
    }
    odds_method = "Conditional odds ratio; Fisher, two-sided"
    return [
        *parts,
        ard.rows(stats, group="this_study", method=method, **where),
        ard.rows(of_reference, group=stated(plan.comparison).reference, method=EXACT, **where),
        ard.rows(_odds_ratio(ours, theirs, conf), level="odds_ratio", method=odds_method, **where),
        ard.rows(
            _difference(ours, theirs, conf, NOT_TWO),
            level="difference",
            method="Miettinen-Nurminen",
            **where,
        ),
    ]


def rows(
    *, adsl: pd.DataFrame, adrs: pd.DataFrame, references: References, plan: Plan
) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *by_marker(adsl, adrs, plan),
        *published(adsl, adrs, references, plan),
    ]
