"""What only the DSMB reports hold: deaths soon after the last dose, and losses of treated subjects."""

from collections.abc import Iterator

from sap.qc import safety
from sap.qc.study import Place, QcRow, Study
from sap.qc.summaries import share

METHOD = "records read one by one"
LEFT = {"lost_to_follow_up": "LOST TO FOLLOW-UP", "withdrew": "WITHDRAWAL BY SUBJECT"}


def rows(study: Study) -> Iterator[QcRow]:
    """Every row of `dsmb_deaths` and `dsmb_left`."""
    if "ae" in study.records:
        for row in safety.deaths(study):
            if row.level == "within_window" and not row.group:
                yield row._replace(analysis="dsmb_deaths")
    treated = [study.subjects[who] for who in study.inside("SAFETY")]
    for level, reason in LEFT.items():
        n = sum(1 for subject in treated if subject.left_for == reason)
        place = Place("dsmb_left", "SAFETY", paramcd="LEFT", level=level)
        yield from place.rows(share(n, len(treated)), METHOD)
