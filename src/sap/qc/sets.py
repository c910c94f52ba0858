"""The sizes of the analysis sets."""

from collections.abc import Iterator

from sap.qc import pk, tumour
from sap.qc.study import Place, QcRow, Study

METHOD = "subjects read record by record"
SETS = (
    "SCREENED", "MARKERPOS", "PRIMARY", "SAFETY", "RESCREENED", "PSAEVAL", "PERPROT", "CTCEVAL",
    "GROUPA",
)  # fmt: skip


def rows(study: Study) -> Iterator[QcRow]:
    """Every row of `analysis_sets`."""
    sizes = {name: len(study.inside(name)) for name in SETS}
    if tumour.is_assessed(study):
        sizes["MEASURABLE"] = len(tumour.measurable(study))
    profiles = pk.profiles(study)
    if profiles:
        sizes["PKEVAL"] = sum(1 for of_subject in profiles.values() if pk.evaluable(of_subject))
    for name, n in sizes.items():
        yield from Place("analysis_sets", name).rows({"n": n}, METHOD)
