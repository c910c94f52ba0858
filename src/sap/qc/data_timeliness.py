"""Whether each subject is still followed, and the PSA results due.

The days since the last contact have no second computation: no printed rule says which records are a
contact.
"""

import itertools
from collections.abc import Iterator

from sap.qc.dates import complete_day
from sap.qc.quantities import result
from sap.qc.study import Place, QcRow, Study
from sap.qc.subjects import Subject, is_study_dose
from sap.qc.summaries import Value, share

METHOD = "records read one by one; exact fractions"
STATES = ("on_treatment", "follow_up", "no_longer_followed", "not_followed")


def state(subject: Subject) -> str:
    """Whether a subject is on treatment, in follow-up, no longer followed, or never was."""
    if subject.died is not None or subject.left_for:
        return "no_longer_followed"
    if subject.allocated is None and subject.again_allocated is None and not subject.treated:
        return "not_followed"
    return "on_treatment" if subject.treated and not subject.stopped_for else "follow_up"


def rows(study: Study) -> Iterator[QcRow]:
    """The rows of `data_timeliness` but the days since the last contact."""
    consented = [s for s in study.subjects.values() if s.consented]
    states = [state(subject) for subject in consented]
    place = Place("data_timeliness", "SCREENED", paramcd="STATUS")
    for level in STATES:
        n = states.count(level)
        if n:
            yield from place._replace(level=level).rows({"n": n, "N": len(states)}, METHOD)
    yield from Place("data_timeliness", "SCREENED", paramcd="RESULTS").rows(_due(study), METHOD)


def _due(study: Study) -> dict[str, Value]:
    """PSA results due at each infusion.

    Table 6-2 of the DSMB report: "The denominator is the infusions of the study drug with a date;
    a PSA result is due at each, from a sample taken after the preceding infusion and at the latest
    on the day of the infusion."
    """
    counts = [psa_due(subject, study) for subject in study.subjects.values()]
    due, there = (sum(column) for column in zip(*counts, strict=True)) if counts else (0, 0)
    return share(there, due) | {"n_missing": due - there}


def psa_due(subject: Subject, study: Study) -> tuple[int, int]:
    """The PSA results due at the infusions of one subject, and how many of them there are."""
    if not subject.treated:
        return 0, 0
    due = there = 0
    days = sorted(
        {
            day
            for row in study.of("ex", subject.usubjid)
            if is_study_dose(row, study.plan.exposure.drugs)
            and (day := complete_day(row.get("EXSTDTC"))) is not None
        }
    )
    samples = [
        complete_day(row.get("LBDTC"))
        for row in study.of("lb", subject.usubjid)
        if row.get("LBTESTCD") == "PSA" and result(row, "LB")[0] is not None
    ]
    known = [day for day in samples if day is not None]
    for before, day in itertools.pairwise([None, *days]):
        due += 1
        there += any(
            sample <= day and (before is None or sample > before)
            for sample in known
            if day is not None
        )
    return due, there
