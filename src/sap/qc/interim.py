"""What an interim report holds: the operating characteristics of the boundary for toxicity."""

from collections.abc import Iterator

from sap.qc import toxicity_boundary
from sap.qc.study import Place, QcRow, Study

METHOD = "every outcome of the design in exact fractions; scipy"


def rows(study: Study) -> Iterator[QcRow]:
    """Every row of `toxicity_oc`."""
    rule = study.plan.toxicity_monitoring
    if rule is None:
        return
    for level, statistics in toxicity_boundary.operating(rule).items():
        place = Place("toxicity_oc", "SAFETY", paramcd="TOX", level=level)
        yield from place.rows(statistics, METHOD)
