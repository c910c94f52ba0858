"""What an interim report holds: responses still pending, and the boundary for toxicity."""

from collections.abc import Iterator

from sap.qc import toxicity_boundary
from sap.qc.response import in_order_of_first_dose
from sap.qc.study import Place, QcRow, Study

METHOD = "every outcome of the design in exact fractions; scipy"
BY_VISITS = "a loop over visits in exact decimals"


def rows(study: Study) -> Iterator[QcRow]:
    """Every row of `interim_pending` and `toxicity_oc`."""
    yield from _pending(study)
    rule = study.plan.toxicity_monitoring
    if rule is None:
        return
    for level, statistics in toxicity_boundary.operating(rule).items():
        place = Place("toxicity_oc", "SAFETY", paramcd="TOX", level=level)
        yield from place.rows(statistics, METHOD)


def _pending(study: Study) -> Iterator[QcRow]:
    """Why a response is still pending.

    SAP 5.1, Response still possible after the cut-off: "5 Y: a decline within the time limit that is
    not confirmed yet." "6 Y: no such decline yet, and the limit of `first_fall_within_days` days has
    not passed."
    """
    in_order = in_order_of_first_dose(study, study.inside("PRIMARY"))
    n1 = study.plan.design.n1
    stages = {"total": in_order} | ({} if n1 is None else {"stage_1": in_order[:n1]})
    for level, subjects in stages.items():
        pending = [study.psa[who] for who in subjects if who in study.psa]
        declined = [
            course.results["PSARESPU"].result == "Y" for course in pending if course.pending
        ]
        place = Place("interim_pending", "PRIMARY", paramcd="PSAPEND", level=level)
        for sublevel, n in (
            ("confirmation_pending", declined.count(True)),
            ("no_decline_yet", declined.count(False)),
        ):
            yield from place._replace(sublevel=sublevel).rows(
                {"n": n, "N": len(subjects)}, BY_VISITS
            )
