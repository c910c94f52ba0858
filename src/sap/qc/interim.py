"""What an interim report holds: responses still pending, and the boundary for toxicity."""

from collections.abc import Iterator

from sap.qc import toxicity_boundary
from sap.qc.endpoints import outcomes
from sap.qc.response import in_order_of_first_dose
from sap.qc.study import Place, QcRow, Study

METHOD = "every outcome of the design in exact fractions; scipy"
BY_VISITS = "a loop over visits in exact decimals"
BY_READINGS = "a loop over the readings of each patient"


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
    if study.plan.primary.endpoint != "psa_response":
        yield from _still_possible(study, in_order)
        return
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


REASONS = {
    "objective_response": ("response_not_confirmed", "no_response_yet"),
    "clinical_benefit": ("response_not_confirmed", "no_response_yet"),
    "rate_at": ("landmark_not_reached",),
}


def _still_possible(study: Study, in_order: list[str]) -> Iterator[QcRow]:
    """Why a response is still possible, of an endpoint other than PSA response."""
    still, n1 = outcomes(study).still, study.plan.design.n1
    stages = {"total": in_order} | ({} if n1 is None else {"stage_1": in_order[:n1]})
    for level, subjects in stages.items():
        for sublevel in REASONS[study.plan.primary.endpoint]:
            n = sum(1 for who in subjects if still.get(who) == sublevel)
            place = Place("interim_pending", "PRIMARY", "", "PRIMPEND", level, sublevel)
            yield from place.rows({"n": n, "N": len(subjects)}, BY_READINGS)
