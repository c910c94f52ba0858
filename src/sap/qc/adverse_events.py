"""Adverse events counted by SQL, in DuckDB, over the records of the cut."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from sap.catalogue.codelists import fold
from sap.plan.model import Plan
from sap.qc.dates import complete_day, earliest, latest
from sap.qc.study import LINES, QcRow, Study

METHOD = "SQL over the frozen records"

COLUMNS = "AETERM AEDECOD AEBODSYS AETOXGR AESEV AESER AEREL AEACN AEOUT AESTDTC AEENDTC AESDTH"

EMERGENT = """
CREATE TABLE dose AS
SELECT USUBJID, count(*) AS doses,
       min(complete_day(EXSTDTC)) AS first,
       max(coalesce(complete_day(EXENDTC), complete_day(EXSTDTC))) AS last
FROM ex
WHERE list_contains($drugs, EXTRT) AND (EXCAT = 'STUDY TREATMENT' OR EXCAT IS NULL)
GROUP BY USUBJID;
"""

EVENTS = """
CREATE TABLE reported AS
SELECT USUBJID,
       coalesce(AEDECOD, 'UNCODED') AS pt, coalesce(AEBODSYS, 'NOT CODED') AS soc,
       {scale} AS grade,
       AESER IS NOT DISTINCT FROM 'Y' AS serious,
       AEREL IS NULL OR AEREL IN ('POSSIBLY RELATED', 'PROBABLY RELATED', 'RELATED') AS related,
       coalesce(AEACN, '') AS action,
       {fatal} OR coalesce(AEOUT = 'FATAL', false)
         OR coalesce(AESDTH = 'Y', false) AS fatal,
       folded(coalesce(AEDECOD, '')) IN (SELECT unnest($disease)) AS disease,
       CASE
  WHEN low IS NULL THEN NOT coalesce(end_high < first, false)
  WHEN high < first THEN false
  WHEN low > last + CAST($days AS INTEGER) THEN false
  WHEN low < first AND end_high < first THEN false
  ELSE true END AS emergent,
       low IS NOT NULL AND NOT coalesce(high < first, false)
         AND coalesce(low > last + CAST($days AS INTEGER), false) AS late,
       CASE WHEN low IS NULL OR (low < first AND high >= first AND NOT coalesce(end_high < first, false))
         THEN first ELSE low END - last AS days
FROM (
  SELECT ae.*, dose.first, dose.last, earliest(AESTDTC) AS low, latest(AESTDTC) AS high,
         latest(AEENDTC) AS end_high
  FROM ae JOIN dose USING (USUBJID)
);
"""

BY_GRADE = {
    "scale": "TRY_CAST(AETOXGR AS INTEGER)",
    "fatal": "coalesce(TRY_CAST(AETOXGR AS INTEGER) = 5, false)",
}
BY_SEVERITY = {
    "scale": "CASE AESEV WHEN 'MILD' THEN 1 WHEN 'MODERATE' THEN 2 WHEN 'SEVERE' THEN 3 END",
    "fatal": "false",
}
WORST = {f"GR{g}": f"worst = {g}" for g in range(1, 6)} | {"GRMISS": "worst IS NULL"}
WORST_SEVERITY = {
    "MILD": "worst = 1",
    "MODERATE": "worst = 2",
    "SEVERE": "worst = 3",
    "SEVMISS": "worst IS NULL",
}
OVERVIEW = {
    "any": "true",
    "related": "related",
    "severe_grade": "grade >= {g}",
    "related_severe_grade": "related AND grade >= {g}",
    "grade_missing": "grade IS NULL",
    "serious": "serious",
    "related_serious": "related AND serious",
    "serious_or_severe_grade": "(serious OR grade >= {g})",
    "related_serious_or_severe_grade": "related AND (serious OR grade >= {g})",
    "dose_reduced": "action = 'DOSE REDUCED'",
    "drug_interrupted": "action = 'DRUG INTERRUPTED'",
    "drug_withdrawn": "action = 'DRUG WITHDRAWN'",
    "related_drug_withdrawn": "related AND action = 'DRUG WITHDRAWN'",
    "action_missing": "action IN ('', 'UNKNOWN')",
    "not_serious": "NOT serious",
    "not_serious_action_missing": "NOT serious AND action IN ('', 'UNKNOWN')",
    "fatal": "fatal",
    "related_fatal": "related AND fatal",
}
KINDS = {
    "ANY": "true",
    "REL": "related",
    "RELSEV": "related AND grade >= {g}",
    "SER": "serious",
    "RELSER": "related AND serious",
    "REDUCED": "action = 'DOSE REDUCED'",
    "DELAYED": "action = 'DRUG INTERRUPTED'",
    "STOPPED": "action = 'DRUG WITHDRAWN'",
    "NOACTION": "action IN ('', 'UNKNOWN')",
    "FATAL": "fatal",
}
Key = tuple[str, str, str, str, str, str]  # analysis, group, paramcd, level, sublevel, statistic


def rows(study: Study) -> Iterator[QcRow]:
    """Every row of `ae_overview`, `ae_soc_pt`, `ae_progression` and `fatal_events`."""
    import duckdb

    with duckdb.connect(":memory:") as base:
        _tables(base, study)
        counts: dict[Key, float | None] = {}
        for group in LINES:
            counts |= _of_group(base, group, study.plan)
            counts |= _progression(base, group)
        counts |= _fatal(base)
    for key, value in counts.items():
        yield QcRow(key[0], "SAFETY", *key[1:], value, METHOD)


def _progression(base: Any, group: str) -> dict[Key, float | None]:
    """Events of the disease itself in the window."""
    inside = "" if not group else f"WHERE line = '{group}'"
    n = int(base.execute(f"SELECT count(*) FROM subject {inside}").fetchone()[0])
    counts: dict[Key, float | None] = {}
    for level, where in (("any", "true"), ("fatal", "fatal")):
        who, events = base.execute(
            f"SELECT count(DISTINCT USUBJID), count(*) FROM (SELECT reported.* FROM reported "
            f"JOIN subject USING (USUBJID) {inside}) WHERE emergent AND disease AND {where}"
        ).fetchone()
        values = {"n": who, "N": n, "estimate": who / n if n else None, "n_events": events}
        for stat, value in values.items():
            counts["ae_progression", group, "PROG", level, "", stat] = value
    return counts


def _fatal(base: Any) -> dict[Key, float | None]:
    """Fatal adverse events by when and by term."""
    n = int(base.execute("SELECT count(*) FROM subject").fetchone()[0])
    counts: dict[Key, float | None] = {}
    levels = {
        "treatment_emergent": "emergent",
        "after_window": "NOT emergent AND late",
        "before_first_dose": "NOT emergent AND NOT late",
    }
    for level, where in levels.items():
        place = ("fatal_events", "", "FATAL", level)
        source = (
            f"FROM reported JOIN subject USING (USUBJID) WHERE fatal AND NOT disease AND {where}"
        )
        who, events = base.execute(f"SELECT count(DISTINCT USUBJID), count(*) {source}").fetchone()
        rows: list[tuple[Any, ...]] = [("", who, events, None, None)]
        rows += base.execute(
            f"SELECT pt, count(DISTINCT USUBJID), count(*), min(days), max(days) {source} GROUP BY pt"
        ).fetchall()
        for pt, subjects_, events_, low, high in rows:
            share = subjects_ / n if n else None
            for stat, value in (
                ("n", subjects_),
                ("N", n),
                ("estimate", share),
                ("n_events", events_),
            ):
                counts[*place, pt, stat] = value
            if low is not None:
                counts[*place, pt, "min"], counts[*place, pt, "max"] = low, high
    return counts


@lru_cache(maxsize=1)
def emergent(study: Study) -> dict[str, list[tuple[str, int | None]]]:
    """Term and grade (or place of the severity) of each treatment-emergent event, by subject."""
    import duckdb

    events: dict[str, list[tuple[str, int | None]]] = {}
    with duckdb.connect(":memory:") as base:
        _tables(base, study)
        query = (
            "SELECT event.USUBJID, pt, grade FROM event JOIN subject USING (USUBJID) ORDER BY ALL"
        )
        for who, term, grade in base.execute(query).fetchall():
            events.setdefault(who, []).append((term, grade))
    return events


EX = "USUBJID EXTRT EXCAT EXSTDTC EXENDTC"


def _tables(base: Any, study: Study) -> None:
    plan = study.plan
    for of_text in (earliest, latest, complete_day):
        # The functions of `dates` as functions of SQL; a text may have no such day.
        base.create_function(
            of_text.__name__, of_text, ["VARCHAR"], "DATE", null_handling="special"
        )
    for name, columns in (("ae", f"USUBJID {COLUMNS}"), ("ex", EX)):
        names = columns.split()
        base.execute(f"CREATE TABLE {name} ({', '.join(f'{one} VARCHAR' for one in names)})")
        rows = [[row.get(one) for one in names] for row in study.records.get(name, [])]
        if rows:
            base.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(names))})", rows)
    base.execute(EMERGENT, {"drugs": plan.exposure.drugs})
    base.create_function("folded", fold, ["VARCHAR"], "VARCHAR")
    disease = [fold(term) for term in plan.deaths.progression_terms]
    scale = BY_GRADE if plan.safety.by == "grade" else BY_SEVERITY
    base.execute(
        EVENTS.format(**scale), {"days": plan.safety.days_after_last_dose, "disease": disease}
    )
    base.execute("CREATE TABLE event AS SELECT * FROM reported WHERE emergent AND NOT disease")
    base.execute("CREATE TABLE subject (USUBJID VARCHAR, line VARCHAR)")
    safety = [
        [subject.usubjid, subject.line]
        for subject in study.subjects.values()
        if "SAFETY" in subject.sets
    ]
    if safety:
        base.executemany("INSERT INTO subject VALUES (?, ?)", safety)


def _of_group(base: Any, group: str, plan: Plan) -> dict[Key, float | None]:
    # Of the severities, the third and last is severe.
    by_severity = plan.safety.by == "severity"
    grade = 3 if by_severity else plan.safety.severe_grade
    inside = "" if not group else f"WHERE line = '{group}'"
    n = int(base.execute(f"SELECT count(*) FROM subject {inside}").fetchone()[0])
    view = f"(SELECT event.* FROM event JOIN subject USING (USUBJID) {inside})"
    counts: dict[Key, float | None] = {}

    def put(analysis: str, place: tuple[str, str, str], who: int, events: int | None) -> None:
        paramcd, level, sublevel = place
        values: dict[str, float | None] = {"n": who, "N": n, "estimate": who / n if n else None}
        if events is not None:
            values["n_events"] = events
        for stat, value in values.items():
            counts[(analysis, group, paramcd, level, sublevel, stat)] = value

    for level, where in OVERVIEW.items():
        query = (
            f"SELECT count(DISTINCT USUBJID), count(*) FROM {view} WHERE {where.format(g=grade)}"
        )
        who, events = base.execute(query).fetchone()
        put("ae_overview", ("TEAE", level, ""), who, events)
    for terms in ("soc, ''", "soc, pt"):
        for paramcd, where in KINDS.items():
            # Terms come from all events, so that a line with none of this kind shows its zero.
            query = (
                f"SELECT {terms}, count(DISTINCT CASE WHEN hit THEN USUBJID END), "
                f"sum(CASE WHEN hit THEN 1 ELSE 0 END) FROM (SELECT *, "
                f"coalesce({where.format(g=grade)}, false) AS hit FROM {view}) GROUP BY ALL"
            )
            for soc, pt, who, events in base.execute(query).fetchall():
                put("ae_soc_pt", (paramcd, soc, pt), who, events)
        worst = (
            f"SELECT {terms}, max(grade) AS worst, USUBJID FROM {view} GROUP BY {terms.split(', ')[0]}"
            + (", pt" if terms.endswith("pt") else "")
            + ", USUBJID"
        )
        wheres = (WORST_SEVERITY if by_severity else WORST) | {"GRSEV": f"worst >= {grade}"}
        for paramcd, where in wheres.items():
            query = f"SELECT * EXCLUDE (worst, USUBJID), count(*) FILTER (WHERE {where}) FROM ({worst}) GROUP BY ALL"
            for soc, pt, who in base.execute(query).fetchall():
                put("ae_soc_pt", (paramcd, soc, pt), who, None)
    return counts
