"""Study day and epoch of a record, from the dates of the subject."""

from datetime import date

from sap.simulate.subject import Row, Subject


def study_day(when: str, start: str | None) -> int | None:
    """The study day of a date (SDTMIG 3.4, section 4.4.4); there is no day 0.

    1. The date, or the reference start (RFSTDTC), is missing or not complete: none.
    2. On or after the reference start: the days from it, plus one.
    3. Before it: the days from it, a negative number.

    >>> study_day("2017-03-01T08:30", "2017-03-01"), study_day("2017-02-28", "2017-03-01")
    (1, -1)
    >>> study_day("2017-03", "2017-03-01"), study_day("2017-03-01", None)
    (None, None)
    """
    if start is None or len(start) < 10 or len(when) < 10:
        return None
    days = (date.fromisoformat(when[:10]) - date.fromisoformat(start[:10])).days
    return days + 1 if days >= 0 else days


def epoch(subject: Subject, when: str) -> str | None:
    """The epoch (CDISC codelist EPOCH, C99079, which may be extended) of a date of the subject.

    1. Not a complete date, or before consent: none.
    2. From the first infusion of a course to its end of treatment: TREATMENT.
    3. From the consent to re-screening to its last milestone, or to the first infusion that
       follows: RE-SCREENING.
    4. From consent to the last milestone of screening, or to the first infusion: SCREENING.
    5. Otherwise: FOLLOW-UP.
    """
    if len(when) < 10:
        return None
    day = date.fromisoformat(when[:10]).toordinal()
    if day < subject.consent:
        return None
    for course in subject.episodes:
        if course.first <= day <= max(course.last, course.stop):
            return "TREATMENT"
    for name, part in (("RE-SCREENING", 1), ("SCREENING", 0)):
        ended = _screening_days(subject, name)
        treated = [course.first for course in subject.episodes if course.part == part]
        if ended and ended[0] <= day and (day <= ended[-1] or day < min(treated, default=0)):
            return name
    return "FOLLOW-UP"


def _screening_days(subject: Subject, name: str) -> list[int]:
    """The days of the records of one screening, in order."""
    rows: list[Row] = [row for row in subject.rows.get("ds", []) if row["DSSCAT"] == name]
    return sorted(date.fromisoformat(str(row["DSSTDTC"])).toordinal() for row in rows)
