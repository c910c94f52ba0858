"""The screening flow by SQL over the men, and rates by scipy and statsmodels."""

from typing import Any

from sap.audit.independent.people import Man
from sap.plan.model import Plan

Value = float | str | None
STATES = ("POSITIVE", "NEGATIVE", "UNDETERMINED", "NOT DONE")


def rate(responders: int, n: int, plan: Plan) -> dict[str, Value]:
    """n, N, estimate and the Clopper-Pearson limits, by statsmodels."""
    conf = plan.intervals.conf_level
    found: dict[str, Value] = {"n": responders, "N": n, "conf_level": conf}
    if not n:
        return found | dict.fromkeys(("estimate", "conf_low", "conf_high"))
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(responders, n, alpha=1 - conf, method="beta")
    low, high = (0.0 if responders == 0 else low), (1.0 if responders == n else high)
    return found | {"estimate": responders / n, "conf_low": float(low), "conf_high": float(high)}


def tested(responders: int, n: int, plan: Plan, says: str) -> dict[str, Value]:
    """The one-sided exact p against p0, by scipy, beside what the design's rule says."""
    from scipy.stats import binomtest

    p = float(binomtest(responders, n, plan.design.p0, "greater").pvalue) if n else None
    return {"p_value": p, "decision": says}


def believed(responders: int, n: int, plan: Plan) -> dict[str, Value]:
    """What the plan's beta prior becomes, by scipy's distribution."""
    a, b = plan.estimand.prior
    conf = plan.intervals.conf_level
    found: dict[str, Value] = {"prior_a": a, "prior_b": b, "conf_level": conf}
    names = ("mean", "sd", "median", "conf_low", "conf_high", "probability_above_p0")
    if not n:
        return found | dict.fromkeys(names)
    from scipy.stats import beta

    after = beta(a + responders, b + n - responders)
    low, high = after.interval(conf)
    numbers = (after.mean(), after.std(), after.median(), low, high, after.sf(plan.design.p0))
    return found | dict(zip(names, map(float, numbers), strict=True))


def _men_table(men: dict[str, Man]) -> tuple[str, list[list[Any]]]:
    columns = (
        "consent BOOL, sampled BOOL, ctc DOUBLE, arv7 VARCHAR, reason VARCHAR, grp VARCHAR, "
        "treated BOOL, treated_again BOOL, again BOOL, again_ctc DOUBLE, again_arv7 VARCHAR, "
        "failed_again BOOL, again_allocated BOOL, outcome VARCHAR"
    )
    rows = []
    for man in men.values():
        first, second = man.first, man.second
        rows.append(
            [
                man.consent is not None,
                "SCREENED" in man.sets,
                first.count if first else None,
                first.arv7 if first else None,
                first.reason if first else None,
                man.group,
                man.treated,
                man.treated_again,
                "RESCREENED" in man.sets,
                second.count if second else None,
                second.arv7 if second else None,
                man.not_eligible_again,
                man.again_allocated is not None,
                man.screening_end,
            ]
        )
    return columns, rows


def _boxes(plan: Plan) -> dict[str, str]:
    m, positive = plan.screening.ctc_minimum, f"'{plan.screening.arv7}'"
    qualifies = f"sampled AND ctc >= {m} AND arv7 = {positive}"
    found = {
        "Consented": "consent",
        "Sampled": "sampled",
        "CTC evaluable": "sampled AND ctc IS NOT NULL",
        f"CTC < {m}": f"sampled AND ctc < {m}",
        f"CTC >= {m}": f"sampled AND ctc >= {m}",
        "Qualifies for group B": qualifies,
        "Does not qualify": f"sampled AND NOT coalesce({qualifies}, false)",
        "Group A": "grp = 'A'",
        "Group B": "grp = 'B'",
        "No sample": "consent AND NOT sampled",
        "Qualified, not treated": f"{qualifies} AND NOT treated",
        "Qualified, not treated: declined": f"{qualifies} AND NOT treated AND outcome = 'DECLINED'",
        "Qualified, not treated: other": f"{qualifies} AND NOT treated AND outcome IS DISTINCT FROM 'DECLINED'",
        "Does not qualify, not in group A": f"sampled AND NOT coalesce({qualifies}, false) AND grp IS DISTINCT FROM 'A'",
        "Declined": "outcome = 'DECLINED'",
        "Not eligible": "outcome = 'NOT ELIGIBLE'",
        "Treated in group B after first screening": "treated AND NOT treated_again",
        "Re-screened": "again",
        f"Re-screened, AR-V7 positive, CTC >= {m}": f"again AND again_arv7 = {positive} AND again_ctc >= {m}",
        "Second eligibility check failed": "again AND failed_again",
        "Allocated to group B after re-screening": "again_allocated",
        "Treated in group B after re-screening": "treated_again",
    }
    for state in STATES:
        here, words = f"sampled AND arv7 = '{state}'", f"AR-V7 {state.lower()}"
        found[words] = here
        found[f"{words}, CTC >= {m}"] = f"{here} AND ctc >= {m}"
        found[f"{words}, CTC < {m}"] = f"{here} AND ctc < {m}"
    return found


FINAL = """
SELECT CASE WHEN treated_again THEN 'Treated through re-screening'
            WHEN treated THEN 'Treated after the first screening'
            WHEN again THEN 'Re-screened, not treated'
            WHEN grp = 'A' THEN 'Group A, not re-screened'
            WHEN outcome = 'DECLINED' THEN 'Declined after the first screening'
            WHEN outcome = 'NOT ELIGIBLE' THEN 'Not eligible after the first screening'
            WHEN sampled THEN 'Sampled, not allocated'
            ELSE 'Consented, no sample' END AS ends, count(*) FROM man GROUP BY ends
"""


def flow(men: dict[str, Man], plan: Plan) -> dict[tuple[str, str, str], int]:
    """Counts of the flow by paramcd, level and sublevel."""
    import duckdb

    columns, rows = _men_table(men)
    found: dict[tuple[str, str, str], int] = {}
    with duckdb.connect(":memory:") as base:
        base.execute(f"CREATE TABLE man ({columns})")
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            base.executemany(f"INSERT INTO man VALUES ({marks})", rows)
        for box, where in _boxes(plan).items():
            asked = base.execute(f"SELECT count(*) FILTER (WHERE {where}) FROM man").fetchone()
            found[("BOX", box, "")] = asked[0] if asked else 0
        for state in ("UNDETERMINED", "NOT DONE"):
            asked_reasons = base.execute(
                "SELECT coalesce(reason, 'Reason not recorded') AS why, count(*) FROM man "
                "WHERE sampled AND arv7 = ? GROUP BY why",
                [state],
            ).fetchall()
            for why, n in asked_reasons:
                found[("REASON", f"AR-V7 {state.lower()}", why)] = n
        for ends, n in base.execute(FINAL).fetchall():
            found[("FINAL", ends, "")] = n
    return found


def yields(men: dict[str, Man], plan: Plan) -> dict[str, tuple[int, int]]:
    """Numerator and denominator of each line of the biomarker yield."""
    sampled = [man.first for man in men.values() if "SCREENED" in man.sets and man.first]
    determined = [s for s in sampled if s.arv7 in ("POSITIVE", "NEGATIVE")]
    positive = [s for s in sampled if s.arv7 == plan.screening.arv7]
    enough = [s for s in positive if s.count is not None and s.count >= plan.screening.ctc_minimum]
    return {
        "CTC evaluable": (sum(1 for s in sampled if s.count is not None), len(sampled)),
        "AR-V7 determined": (len(determined), len(sampled)),
        "AR-V7 positive of determined": (len(positive), len(determined)),
        "AR-V7 positive of sampled": (len(positive), len(sampled)),
        "AR-V7 positive and enough CTC, of sampled": (len(enough), len(sampled)),
    }
