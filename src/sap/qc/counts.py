"""The screening flow by SQL over the patients, and rates by scipy and statsmodels."""

import calendar
import datetime as dt
from collections.abc import Iterator
from typing import Any

from sap.plan.model import Plan
from sap.qc.days import Day
from sap.qc.people import Subject

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


def _subjects_table(subjects: dict[str, Subject]) -> tuple[str, list[list[Any]]]:
    columns = (
        "consent BOOL, sampled BOOL, ctc DOUBLE, arv7 VARCHAR, reason VARCHAR, grp VARCHAR, "
        "treated BOOL, treated_again BOOL, again BOOL, again_ctc DOUBLE, again_arv7 VARCHAR, "
        "failed_again BOOL, again_allocated BOOL, outcome VARCHAR, again_outcome VARCHAR"
    )
    rows = []
    for subject in subjects.values():
        first, second = subject.first, subject.second
        rows.append(
            [
                subject.consent is not None,
                "SCREENED" in subject.sets,
                first.count if first else None,
                first.arv7 if first else None,
                first.reason if first else None,
                subject.group,
                subject.treated,
                subject.treated_again,
                "RESCREENED" in subject.sets,
                second.count if second else None,
                second.arv7 if second else None,
                subject.not_eligible_again,
                subject.again_allocated is not None,
                subject.screening_end,
                subject.again_end,
            ]
        )
    return columns, rows


def _boxes(plan: Plan) -> dict[str, str]:
    m, positive = plan.screening.ctc_minimum, f"'{plan.screening.arv7}'"
    qualifies = f"sampled AND ctc >= {m} AND arv7 = {positive}"
    qualifies_again = f"coalesce(again_arv7 = {positive} AND again_ctc >= {m}, false)"
    left_again = f"again AND {qualifies_again} AND NOT treated_again"
    found = {
        "Consented": "consent",
        "Sampled": "sampled",
        "CTC evaluable": "sampled AND ctc IS NOT NULL",
        "CTC not evaluable": "sampled AND ctc IS NULL",
        f"CTC < {m}": f"sampled AND ctc < {m}",
        f"CTC >= {m}": f"sampled AND ctc >= {m}",
        "Qualifies for group B": qualifies,
        "Does not qualify": f"sampled AND NOT coalesce({qualifies}, false)",
        "Group A": "grp = 'A'",
        "Group B": "grp = 'B'",
        "No sample": "consent AND NOT sampled",
        "Qualified, not treated": f"{qualifies} AND NOT treated",
        "Qualified, not treated: declined": f"{qualifies} AND NOT treated AND outcome = 'DECLINED'",
        "Qualified, not treated: not eligible": f"{qualifies} AND NOT treated AND outcome = 'NOT ELIGIBLE'",
        "Qualified, not treated: other": f"{qualifies} AND NOT treated AND coalesce(outcome, '') NOT IN ('DECLINED', 'NOT ELIGIBLE')",
        "Does not qualify, not in group A": f"sampled AND NOT coalesce({qualifies}, false) AND grp IS DISTINCT FROM 'A'",
        "Declined": "outcome = 'DECLINED'",
        "Not eligible": "outcome = 'NOT ELIGIBLE'",
        "Treated in group B after first screening": "treated AND NOT treated_again",
        "Re-screened": "again",
        "Re-screened, does not qualify": f"again AND NOT {qualifies_again}",
        f"Re-screened, AR-V7 positive, CTC >= {m}": f"again AND {qualifies_again}",
        "Re-screened, qualified, not treated": left_again,
        "Re-screened, qualified, not treated: not eligible": f"{left_again} AND failed_again",
        "Re-screened, qualified, not treated: declined": f"{left_again} AND NOT failed_again AND again_outcome = 'DECLINED'",
        "Re-screened, qualified, not treated: other": f"{left_again} AND NOT failed_again AND again_outcome IS DISTINCT FROM 'DECLINED'",
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
            WHEN NOT sampled AND coalesce(grp, '') <> 'B' THEN 'Consented, no sample'
            WHEN outcome = 'DECLINED' THEN 'Declined after the first screening'
            WHEN outcome = 'NOT ELIGIBLE' THEN 'Not eligible after the first screening'
            WHEN grp = 'B' THEN 'Group B, not treated'
            ELSE 'Sampled, not allocated' END AS ends, count(*) FROM patient GROUP BY ends
"""


def flow(subjects: dict[str, Subject], plan: Plan) -> dict[tuple[str, str, str], int]:
    """Counts of the flow by paramcd, level and sublevel."""
    import duckdb

    columns, rows = _subjects_table(subjects)
    found: dict[tuple[str, str, str], int] = {}
    with duckdb.connect(":memory:") as base:
        base.execute(f"CREATE TABLE patient ({columns})")
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            base.executemany(f"INSERT INTO patient VALUES ({marks})", rows)
        for box, where in _boxes(plan).items():
            asked = base.execute(f"SELECT count(*) FILTER (WHERE {where}) FROM patient").fetchone()
            found[("BOX", box, "")] = asked[0] if asked else 0
        for state in ("UNDETERMINED", "NOT DONE"):
            asked_reasons = base.execute(
                "SELECT coalesce(reason, 'Reason not recorded') AS why, count(*) FROM patient "
                "WHERE sampled AND arv7 = ? GROUP BY why",
                [state],
            ).fetchall()
            for why, n in asked_reasons:
                found[("REASON", f"AR-V7 {state.lower()}", why)] = n
        for ends, n in base.execute(FINAL).fetchall():
            found[("FINAL", ends, "")] = n
    return found


def yields(subjects: dict[str, Subject], plan: Plan) -> dict[str, tuple[int, int]]:
    """Numerator and denominator of each line of the biomarker yield."""
    sampled = [
        subject.first
        for subject in subjects.values()
        if "SCREENED" in subject.sets and subject.first
    ]
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


def accrued(
    subjects: dict[str, Subject], plan: Plan, cut_off: Day
) -> Iterator[tuple[str, str, dict[str, Value]]]:
    """Who had taken each step by the end of each month: step, month, statistics."""
    began = [subject.consent for subject in subjects.values() if subject.consent]
    if not began:
        return
    least, wanted = plan.screening.ctc_minimum, plan.screening.arv7
    steps: dict[str, list[Day | None]] = {
        name: [] for name in ("CONSENTED", "SAMPLED", "QUALIFIED", "ALLOCATED", "TREATED")
    }
    for subject in subjects.values():
        sampled = subject.first.day if subject.first and "SCREENED" in subject.sets else None
        enough = (
            subject.first is not None
            and subject.first.count is not None
            and subject.first.count >= least
        )
        qualifies = enough and subject.first is not None and subject.first.arv7 == wanted
        to_b = [subject.allocated if subject.group == "B" else None, subject.again_allocated]
        steps["CONSENTED"].append(subject.consent)
        steps["SAMPLED"].append(sampled)
        steps["QUALIFIED"].append(sampled if qualifies else None)
        steps["ALLOCATED"].append(min((day for day in to_b if day), default=None))
        steps["TREATED"].append(subject.first_dose if subject.treated else None)
    year, month = min(began).year, min(began).month
    while (year, month) <= (cut_off.year, cut_off.month):
        until = min(dt.date(year, month, calendar.monthrange(year, month)[1]), cut_off)
        done = {name: sum(1 for d in days if d and d <= until) for name, days in steps.items()}
        for name, n in done.items():
            stats: dict[str, Value] = {"n": n}
            if name == "QUALIFIED":
                stats = rate(n, done["SAMPLED"], plan)
            yield name, f"{year}-{month:02d}", stats
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)


def ended(subjects: dict[str, Subject]) -> Iterator[tuple[str, str, str, str, dict[str, Value]]]:
    """End of treatment and of participation: population, group, kind, reason, statistics."""
    again = ("RESCREENED", "TREATED")
    kinds = {
        "TREATMENT": [("PRIMARY", ""), again, ("SAFETY", "")],
        "STUDY": [("PRIMARY", ""), again, ("SAFETY", ""), ("GROUPA", ""), ("SCREENED", "")],
    }
    for kind, columns in kinds.items():
        why = {w: m.stopped_for if kind == "TREATMENT" else m.left_for for w, m in subjects.items()}
        known = {str(why[w]) for w, m in subjects.items() if why[w] and "SCREENED" in m.sets}
        for population, group in columns:
            inside = [
                why[w]
                for w, m in subjects.items()
                if population in m.sets and (not group or m.treated_again)
            ]
            told = {reason.capitalize(): inside.count(reason) for reason in sorted(known)}
            told |= {
                "Ended": sum(1 for reason in inside if reason),
                "No end recorded at the cut-off": inside.count(None),
            }
            for level, n in told.items():
                share = n / len(inside) if inside else None
                stats: dict[str, Value] = {"n": n, "N": len(inside), "estimate": share}
                yield population, group, kind, level, stats
