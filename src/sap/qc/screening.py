"""The screening flow by SQL over the subjects, and the biomarker yield."""

from collections.abc import Iterator, Mapping
from typing import Any

from sap.plan.model import Plan
from sap.qc.study import Place, QcRow, Study
from sap.qc.subjects import Subject
from sap.qc.summaries import rate

METHOD = "SQL over subjects read record by record"
STATES = ("POSITIVE", "NEGATIVE", "UNDETERMINED", "NOT DONE")


def rows(study: Study) -> Iterator[QcRow]:
    """Every row of `flow` and `biomarker_yield`."""
    for (paramcd, level, sublevel), n in flow(study.subjects, study.plan).items():
        place = Place("flow", "SCREENED", "", paramcd, level, sublevel)
        yield from place.rows({"n": n}, METHOD)
    for level, (n, total) in yields(study.subjects, study.plan).items():
        place = Place("biomarker_yield", "SCREENED", level=level)
        yield from place.rows(rate(n, total, study.plan), METHOD)


def _subjects_table(subjects: Mapping[str, Subject]) -> tuple[str, list[list[Any]]]:
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
            ELSE 'Sampled, not allocated' END AS ends, count(*) FROM subject GROUP BY ends
"""


def flow(subjects: Mapping[str, Subject], plan: Plan) -> dict[tuple[str, str, str], int]:
    """Counts of the flow by paramcd, level and sublevel."""
    import duckdb

    columns, rows = _subjects_table(subjects)
    found: dict[tuple[str, str, str], int] = {}
    with duckdb.connect(":memory:") as base:
        base.execute(f"CREATE TABLE subject ({columns})")
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            base.executemany(f"INSERT INTO subject VALUES ({marks})", rows)
        for box, where in _boxes(plan).items():
            query = base.execute(f"SELECT count(*) FILTER (WHERE {where}) FROM subject").fetchone()
            found[("BOX", box, "")] = query[0] if query else 0
        for state in ("UNDETERMINED", "NOT DONE"):
            reasons = base.execute(
                "SELECT coalesce(reason, 'Reason not recorded') AS why, count(*) FROM subject "
                "WHERE sampled AND arv7 = ? GROUP BY why",
                [state],
            ).fetchall()
            for why, n in reasons:
                found[("REASON", f"AR-V7 {state.lower()}", why)] = n
        for ends, n in base.execute(FINAL).fetchall():
            found[("FINAL", ends, "")] = n
    return found


def yields(subjects: Mapping[str, Subject], plan: Plan) -> dict[str, tuple[int, int]]:
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
