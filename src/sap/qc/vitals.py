"""Vital signs by visit, measurement by measurement."""

import datetime as dt
from collections.abc import Iterator, Sequence

from sap.qc.dates import Day, clock, complete_day
from sap.qc.study import Place, QcRow, Study
from sap.qc.subjects import Subject
from sap.qc.summaries import summary

METHOD = "measurements read one by one; exact fractions"
TESTS = ("SYSBP", "DIABP", "PULSE", "TEMP", "WEIGHT")
Measured = tuple[Day, float, float, str | None, float]
"""Day, time (-1 without one), sequence number, visit and value of a measurement."""


def visits(measured: Sequence[Measured], subject: Subject, days: int) -> dict[str, float]:
    """The baseline and the last value on treatment at each visit of one subject."""
    if subject.first_dose is None or subject.last_dose is None:
        return {}
    until = subject.last_dose + dt.timedelta(days=days)
    values: dict[str, float] = {}
    for day, _, _, visit, value in sorted(measured, key=lambda one: one[:3]):
        if day <= subject.first_dose:
            values["BASELINE"] = value
        elif day <= until and visit and (visit.startswith("CYCLE ") or visit == "END OF TREATMENT"):
            values[visit] = value
    return values


def over_time(analysis: str, code: str, by_subject: Sequence[dict[str, float]]) -> Iterator[QcRow]:
    """The summaries of one test over the visits of the subjects."""
    names = {
        name for values in by_subject for name in values if name.removeprefix("CYCLE ").isdigit()
    }
    names |= {name for values in by_subject for name in values if name == "END OF TREATMENT"}
    for visit in ("BASELINE", *sorted(names)):
        here = [values[visit] for values in by_subject if visit in values]
        yield from _summary(analysis, code, visit, "value", here)
        if visit != "BASELINE":
            changes = [
                values[visit] - values["BASELINE"]
                for values in by_subject
                if visit in values and "BASELINE" in values
            ]
            yield from _summary(analysis, code, visit, "change", changes)


def _summary(
    analysis: str, code: str, visit: str, kind: str, values: Sequence[float]
) -> Iterator[QcRow]:
    statistics = summary(list(values))
    del statistics["n_missing"]
    place = Place(analysis, "SAFETY", "", code, visit, kind)
    yield from place.rows(statistics, METHOD)


def rows(study: Study) -> Iterator[QcRow]:
    """Every row of `vital_signs`."""
    for code in TESTS:
        of_subject = []
        measured = False
        for who in study.inside("SAFETY"):
            records: list[Measured] = []
            for row in study.of("vs", who):
                day = complete_day(row.get("VSDTC"))
                if (
                    row.get("VSTESTCD") == code
                    and day is not None
                    and row.get("VSSTRESN") is not None
                ):
                    time = clock(row["VSDTC"])
                    records.append(
                        (
                            day,
                            -1.0 if time is None else time,
                            row["VSSEQ"],
                            row.get("VISIT"),
                            row["VSSTRESN"],
                        )
                    )
            measured = measured or bool(records)
            days = study.plan.safety.days_after_last_dose
            of_subject.append(visits(records, study.subjects[who], days))
        if measured:
            yield from over_time("vital_signs", code, of_subject)
