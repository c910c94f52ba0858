"""The screening flow by SQL over the subjects, and the biomarker yield."""

from collections.abc import Iterator, Mapping
from typing import Any

from sap.plan.model import Plan
from sap.qc.study import Place, QcRow, Study
from sap.qc.subjects import Subject
from sap.qc.summaries import rate

METHOD = "SQL over subjects read record by record"
STATES = {
    "POSITIVE": "marker_positive",
    "NEGATIVE": "marker_negative",
    "UNDETERMINED": "marker_undetermined",
    "NOT DONE": "marker_not_done",
}


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
        "consent BOOL, sampled BOOL, ctc DOUBLE, marker VARCHAR, reason VARCHAR, grp VARCHAR, "
        "treated BOOL, treated_again BOOL, again BOOL, again_ctc DOUBLE, again_marker VARCHAR, "
        "failed_again BOOL, again_allocated BOOL, outcome VARCHAR, again_outcome VARCHAR"
    )
    rows = []
    for subject in subjects.values():
        first, second = subject.first, subject.second
        rows.append(
            [
                subject.consented,
                "SCREENED" in subject.sets,
                first.count if first else None,
                first.marker if first else None,
                first.reason if first else None,
                subject.group,
                subject.treated,
                subject.treated_again,
                "RESCREENED" in subject.sets,
                second.count if second else None,
                second.marker if second else None,
                subject.not_eligible_again,
                subject.again_allocated is not None,
                subject.screening_end,
                subject.again_end,
            ]
        )
    return columns, rows


def _boxes(plan: Plan) -> dict[str, str]:
    m, positive = plan.cells_required, "'POSITIVE'"
    qualifies = f"sampled AND marker = {positive}"
    qualifies_again = f"again_marker = {positive}"
    if plan.biomarker is None or plan.biomarker.cell_count is not None:
        qualifies, qualifies_again = (
            f"{qualifies} AND ctc >= {m}",
            f"{qualifies_again} AND again_ctc >= {m}",
        )
    qualifies_again = f"coalesce({qualifies_again}, false)"
    left_again = f"again AND {qualifies_again} AND NOT treated_again"
    conditions = {
        "consented": "consent",
        "sampled": "sampled",
        "ctc_evaluable": "sampled AND ctc IS NOT NULL",
        "ctc_not_evaluable": "sampled AND ctc IS NULL",
        "ctc_below_minimum": f"sampled AND ctc < {m}",
        "ctc_minimum_met": f"sampled AND ctc >= {m}",
        "qualified": qualifies,
        "not_qualified": f"sampled AND NOT coalesce({qualifies}, false)",
        "group_a": "grp = 'A'",
        "group_b": "grp = 'B'",
        "no_sample": "consent AND NOT sampled",
        "qualified_not_treated": f"{qualifies} AND NOT treated",
        "qualified_not_treated_declined": f"{qualifies} AND NOT treated AND outcome = 'DECLINED'",
        "qualified_not_treated_not_eligible": f"{qualifies} AND NOT treated AND outcome = 'NOT ELIGIBLE'",
        "qualified_not_treated_other": f"{qualifies} AND NOT treated AND coalesce(outcome, '') NOT IN ('DECLINED', 'NOT ELIGIBLE')",
        "not_qualified_not_allocated": f"sampled AND NOT coalesce({qualifies}, false) AND grp IS DISTINCT FROM 'A'",
        "declined": "outcome = 'DECLINED'",
        "not_eligible": "outcome = 'NOT ELIGIBLE'",
        "treated_first": "treated AND NOT treated_again",
        "rescreened": "again",
        "rescreened_not_qualified": f"again AND NOT {qualifies_again}",
        "rescreened_qualified": f"again AND {qualifies_again}",
        "rescreened_qualified_not_treated": left_again,
        "rescreened_qualified_not_treated_not_eligible": f"{left_again} AND failed_again",
        "rescreened_qualified_not_treated_declined": f"{left_again} AND NOT failed_again AND again_outcome = 'DECLINED'",
        "rescreened_qualified_not_treated_other": f"{left_again} AND NOT failed_again AND again_outcome IS DISTINCT FROM 'DECLINED'",
        "rescreened_not_eligible": "again AND failed_again",
        "rescreened_allocated": "again_allocated",
        "rescreened_treated": "treated_again",
    }
    for state, level in STATES.items():
        here = f"sampled AND marker = '{state}'"
        conditions[level] = here
        conditions[f"{level}_ctc_minimum_met"] = f"{here} AND ctc >= {m}"
        conditions[f"{level}_ctc_below_minimum"] = f"{here} AND ctc < {m}"
    return conditions


FINAL = """
SELECT CASE WHEN treated_again THEN 'end_rescreened_treated'
            WHEN treated THEN 'end_treated_first'
            WHEN again THEN 'end_rescreened_not_treated'
            WHEN grp = 'A' THEN 'end_group_a_not_rescreened'
            WHEN NOT sampled AND coalesce(grp, '') <> 'B' THEN 'end_no_sample'
            WHEN outcome = 'DECLINED' THEN 'end_declined'
            WHEN outcome = 'NOT ELIGIBLE' THEN 'end_not_eligible'
            WHEN grp = 'B' THEN 'end_group_b_not_treated'
            ELSE 'end_not_allocated' END AS ends, count(*) FROM subject GROUP BY ends
"""


def flow(subjects: Mapping[str, Subject], plan: Plan) -> dict[tuple[str, str, str], int]:
    """Counts of the flow by paramcd, level and sublevel."""
    import duckdb

    columns, rows = _subjects_table(subjects)
    counts: dict[tuple[str, str, str], int] = {}
    with duckdb.connect(":memory:") as base:
        base.execute(f"CREATE TABLE subject ({columns})")
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            base.executemany(f"INSERT INTO subject VALUES ({marks})", rows)
        for box, where in _boxes(plan).items():
            query = base.execute(f"SELECT count(*) FILTER (WHERE {where}) FROM subject").fetchone()
            counts[("BOX", box, "")] = query[0] if query else 0
        for state in ("UNDETERMINED", "NOT DONE"):
            reasons = base.execute(
                "SELECT coalesce(reason, 'not_recorded') AS why, count(*) FROM subject "
                "WHERE sampled AND marker = ? GROUP BY why",
                [state],
            ).fetchall()
            for why, n in reasons:
                counts[("REASON", STATES[state], why)] = n
        for ends, n in base.execute(FINAL).fetchall():
            counts[("FINAL", ends, "")] = n
    return counts


def yields(subjects: Mapping[str, Subject], plan: Plan) -> dict[str, tuple[int, int]]:
    """Numerator and denominator of each line of the biomarker yield."""
    sampled = [
        subject.first
        for subject in subjects.values()
        if "SCREENED" in subject.sets and subject.first
    ]
    determined = [s for s in sampled if s.marker in ("POSITIVE", "NEGATIVE")]
    positive = [s for s in sampled if s.marker == "POSITIVE"]
    enough = [s for s in positive if s.count is not None and s.count >= plan.cells_required]
    return {
        "ctc_evaluable": (sum(1 for s in sampled if s.count is not None), len(sampled)),
        "marker_determined": (len(determined), len(sampled)),
        "marker_positive_of_determined": (len(positive), len(determined)),
        "marker_positive_of_sampled": (len(positive), len(sampled)),
        "marker_positive_ctc_minimum_met": (len(enough), len(sampled)),
    }
