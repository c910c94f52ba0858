"""The words for each analysis set, written with the numbers of the plan of the run."""

from collections.abc import Mapping
from typing import Any

from sap import ard
from sap.displays.formats import as_collected
from sap.errors import RenderError

_WORDS = {
    "NONE": "none (about the study, not about its patients)",
    "RECORDS": "all records of the frozen cut",
    "CONSENTED": "all patients who consented to screening",
    "SCREENED": "screened set (all patients with a screening sample)",
    "MARKERPOS": "marker-positive set (AR-V7 {arv7} at the first screening, whatever the count)",
    "PRIMARY": "primary analysis set ({marker} at the first screening, at least one dose of "
    "cabazitaxel)",
    "SAFETY": "safety set (at least one dose of study cabazitaxel)",
    "RESCREENED": "re-screened set (patients of group A who were screened again)",
    "AGAINTREATED": "re-screened patients treated with study cabazitaxel",
    "PSAEVAL": "PSA-evaluable set (primary set with a baseline PSA and a later value)",
    "PERPROT": "per-protocol set (primary set, at least {cycles} cycles or earlier progression, no "
    "major deviation)",
    "CTCEVAL": "CTC-evaluable set (primary set with a baseline count of at least {ctc_baseline} per "
    "{volume} mL and a later count)",
    "MEASURABLE": "measurable set (primary set with a target lesion at baseline)",
    "PKEVAL": "PK-evaluable set (at least one concentration that can be evaluated)",
    "GROUPA": "group A (physician's choice)",
}

_SHORT = {
    "PRIMARY": "Primary",
    "PSAEVAL": "PSA-evaluable",
    "PERPROT": "Per protocol",
    "MARKERPOS": "All marker-positive",
    "RESCREENED": "Re-screened, treated",
    "CTCEVAL": "CTC-evaluable",
    "MEASURABLE": "Measurable disease",
    "GROUPA": "Group A",
}


def short(population: str) -> str:
    """The analysis set in a word or two, as a column or a row of a table names it."""
    return _SHORT[population]


def words(population: str) -> str:
    """The analysis set in words, as the title of a display names it.

    A set of the code that has no words here is an error: a table must stand alone.
    """
    if population not in _WORDS:
        raise RenderError(
            f"The analysis set {population} has no words.\n"
            f"Name one of {', '.join(_WORDS)} in analysis/displays.yml."
        )
    return _WORDS[population].format_map(_numbers(ard.table("plan")))


def _numbers(plan: Mapping[str, Any]) -> dict[str, str]:
    screening, sets = plan["screening"], plan["analysis_sets"]
    volume = as_collected(screening["volume_ml"])
    arv7 = str(screening["arv7"]).lower()
    return {
        "arv7": arv7,
        "marker": f"AR-V7 {arv7}, CTC >= {screening['ctc_minimum']} per {volume} mL",
        "volume": volume,
        "cycles": str(sets["per_protocol_cycles"]),
        "ctc_baseline": str(sets["ctc_baseline_minimum"]),
    }
