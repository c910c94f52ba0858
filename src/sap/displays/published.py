"""The published trials that results are compared with, by the id of the reference."""

from sap.plan.home import study_home
from sap.plan.references import read_references


def trial_of(reference: str) -> str:
    """The name of the published trial of a reference: `trial_of("affirm-psa-response")` is AFFIRM.

    Raises
    ------
    PlanError
        `references.yml` has no such reference.
    """
    return read_references(study_home() / "analysis" / "references.yml").of(reference).trial


def source_of(reference: str) -> str:
    """Where the count of a reference is published: registry entry and what of it."""
    one = read_references(study_home() / "analysis" / "references.yml").of(reference)
    what = one.source.partition(", ")[2]
    return f"{one.registry}, {what}" if what else one.registry
