"""The characteristics of the design, before any data."""

from collections.abc import Iterator

from sap.qc import two_stage
from sap.qc.study import Place, QcRow, Study

METHOD = "every outcome of the design in exact fractions; scipy"


def rows(study: Study) -> Iterator[QcRow]:
    """Every row of `design` and `design_oc`."""
    main, curve = two_stage.designed(study.plan.design)
    yield from Place("design", "PRIMARY").rows(main, METHOD)
    for level, statistics in curve.items():
        yield from Place("design_oc", "PRIMARY", level=level).rows(statistics, METHOD)
