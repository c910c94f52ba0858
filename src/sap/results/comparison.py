"""The primary result beside others, described and not tested as a hypothesis of the trial."""

import pandas as pd

from sap import ard
from sap.ard import NotEstimable
from sap.methods.proportion import (
    exact_odds_ratio,
    fisher_exact,
    miettinen_nurminen_difference,
)
from sap.plan.model import Plan
from sap.plan.references import References
from sap.results.provenance import makes
from sap.results.rates import rate
from sap.results.response import EXACT, primary_rate
from sap.results.sets import members

NO_PSA = NotEstimable("not in the data: no PSA of these patients")
NOT_TWO = NotEstimable("not both groups have a proportion")


def _difference(
    ours: tuple[int, int], theirs: tuple[int, int], conf_level: float, without: NotEstimable
) -> dict[str, ard.type_of_stat]:
    """Ours minus theirs, with the interval of Miettinen and Nurminen."""
    names = ("estimate", "conf_low", "conf_high")
    if not ours[1] or not theirs[1]:
        stats: dict[str, ard.type_of_stat] = {"conf_level": conf_level}
        return stats | dict.fromkeys(names, without)
    low, high = miettinen_nurminen_difference(*ours, *theirs, conf_level)
    estimate = ours[0] / ours[1] - theirs[0] / theirs[1]
    return {"conf_level": conf_level, "estimate": estimate, "conf_low": low, "conf_high": high}


def _primary(adsl: pd.DataFrame, adrs: pd.DataFrame) -> tuple[int, int]:
    people = members(adsl, "PRIMARY")
    yes = adrs.loc[(adrs["PARAMCD"] == "PSARESP") & (adrs["AVALC"] == "Y"), "USUBJID"]
    return int(people["USUBJID"].isin(yes).sum()), len(people)


def _primary_stats(
    adsl: pd.DataFrame, adrs: pd.DataFrame, plan: Plan
) -> tuple[dict[str, ard.type_of_stat], str]:
    """The primary result with the interval it has everywhere, and the method of that."""
    if plan.intervals.primary_interval == "two-stage":
        return primary_rate(members(adsl, "PRIMARY"), adrs, plan)
    return rate(*_primary(adsl, adrs), plan.intervals.conf_level), EXACT


def _by_their_rule(adsl: pd.DataFrame, adrs: pd.DataFrame) -> tuple[int, int]:
    """Responders by the published trial's rule, and whom it counts."""
    people = members(adsl, "PRIMARY")["USUBJID"]
    mine = adrs[(adrs["PARAMCD"] == "PSARESPC") & adrs["USUBJID"].isin(people)]
    counted = mine["AVALC"].isin(("Y", "N", "NE"))
    return int((mine["AVALC"] == "Y").sum()), int(counted.sum())


@makes("comparison_arv7")
def by_arv7(adsl: pd.DataFrame, adrs: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """PSA response under cabazitaxel: AR-V7 positive patients of B, AR-V7 negative patients outside the study.

    GROUP POSITIVE is the primary set. GROUP NEGATIVE is every patient who was AR-V7 negative at the
    first screening and whose physician chose the plan's drug; his response follows the same rule
    from the first day of that choice (PSARESPA), and missing is failure, as in the primary set.
    When none of them has a PSA value that counts, the comparison is not in the data.
    LEVEL Difference is POSITIVE minus NEGATIVE.
    """
    conf = plan.intervals.conf_level
    where = {
        "analysis": "comparison_arv7",
        "section": plan.comparison.section,
        "population": "SCREENED",
    }
    negative = adsl.loc[adsl["ARV7BL"] == plan.comparison.choice_arv7, "USUBJID"]
    choice = adrs[(adrs["PARAMCD"] == "PSARESPA") & adrs["USUBJID"].isin(negative)]
    choice = choice[choice["DRUG"] == plan.comparison.choice_drug] if len(choice) else choice
    ours = _primary(adsl, adrs)
    theirs = int((choice["AVALC"] == "Y").sum()), len(choice)
    seen = bool((choice["AVALC"] != "NE").any())
    stats = rate(*theirs, conf)
    stats["n_missing"] = int((choice["AVALC"] == "NE").sum())
    if not seen:
        stats |= dict.fromkeys(("n", "estimate", "conf_low", "conf_high"), NO_PSA)
        theirs = (0, 0)
    exact = "Clopper-Pearson"
    mine, method = _primary_stats(adsl, adrs, plan)
    return [
        ard.rows(mine, group="POSITIVE", paramcd="PSARESP", method=method, **where),
        ard.rows(stats, group="NEGATIVE", paramcd="PSARESPA", method=exact, **where),
        ard.rows(
            _difference(ours, theirs, conf, NOT_TWO if seen else NO_PSA),
            paramcd="PSARESP",
            level="Difference",
            method="Miettinen-Nurminen",
            **where,
        ),
    ]


@makes("comparison_tropic")
def published(
    adsl: pd.DataFrame, adrs: pd.DataFrame, references: References, plan: Plan
) -> list[pd.DataFrame]:
    """Our rate beside the plan's reference: odds ratio, Fisher's p, difference.

    1. GROUP "This trial" follows the rule of the published trial where the plan has `comparison.rule`:
       the responders (PSARESPC) of the patients of PRIMARY whom that rule counts. The odds ratio and
       the difference, ours less theirs, are of this row.
    2. GROUP "This trial, own rule" is the primary result by our rule, shown beside and not compared.
    3. Without a rule of the published trial the primary result is GROUP "This trial".

    The trials differ in whom they treated; nothing here is adjusted for it.
    """
    other = references.of(plan.comparison.reference)
    conf = plan.intervals.conf_level
    own, theirs = _primary(adsl, adrs), (other.n, other.total)
    ours = own if plan.comparison.rule is None else _by_their_rule(adsl, adrs)
    where = {
        "analysis": f"comparison_{other.trial.lower()}",
        "section": plan.comparison.section,
        "population": "PRIMARY",
        "paramcd": "PSARESP" if plan.comparison.rule is None else "PSARESPC",
    }
    exact = "Clopper-Pearson"
    published = rate(*theirs, conf) | {
        "definition": other.definition,
        "treatment": other.treatment,
        "source": other.source,
    }
    odds: dict[str, ard.type_of_stat] = {"conf_level": conf}
    if ours[1]:
        found = exact_odds_ratio(*ours, *theirs, conf)
        odds |= {
            "estimate": found.estimate,
            "conf_low": found.low,
            "conf_high": found.high,
            "p_value": fisher_exact(*ours, *theirs, "two-sided"),
        }
        odds = {
            k: v if v != float("inf") else NotEstimable("no finite limit") for k, v in odds.items()
        }
    else:
        odds |= dict.fromkeys(("estimate", "conf_low", "conf_high", "p_value"), NOT_TWO)
    mine, method = _primary_stats(adsl, adrs, plan)
    beside = []
    if plan.comparison.rule is not None:
        there = where | {"paramcd": "PSARESP", "group": "This trial, own rule"}
        beside = [ard.rows(mine, method=method, **there)]
        mine, method = rate(*ours, conf), exact
    return [
        ard.rows(mine, group="This trial", method=method, **where),
        *beside,
        ard.rows(published, group=other.trial, method=exact, **where),
        ard.rows(
            odds, level="Odds ratio", method="Conditional odds ratio; Fisher, two-sided", **where
        ),
        ard.rows(
            _difference(ours, theirs, conf, NOT_TWO),
            level="Difference",
            method="Miettinen-Nurminen",
            **where,
        ),
    ]


def rows(
    *, adsl: pd.DataFrame, adrs: pd.DataFrame, references: References, plan: Plan
) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *by_arv7(adsl, adrs, plan),
        *published(adsl, adrs, references, plan),
    ]
