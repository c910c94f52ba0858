"""The words of a reason in a note or a table: tests of the laboratory have their names, not their codes."""

import re

from sap import ard
from sap.catalogue.reasons import reason_of
from sap.catalogue.reporting import analysis

_CODE = re.compile(r"^[A-Z][A-Z0-9]{2,7}(?= on treatment$)|(?<= of )[A-Z][A-Z0-9]{2,7}$")


def note_of(text: str) -> str:
    """The note of a reason: "bilirubin on treatment" of "BILI on treatment"."""
    note = _CODE.sub(lambda code: _named(code[0]), reason_of(text).note)
    if INVESTIGATOR not in note or not (ard.run_folder() / "tables" / "plan.json").is_file():
        return note
    return note.replace(INVESTIGATOR, ard.plan().tumour.assessor)


INVESTIGATOR = "investigator"
"""In a reason, the assessor of the scans; the plan names who it is."""


def _named(code: str) -> str:
    """The name of a test without its direction; an abbreviation keeps its capitals."""
    if not (ard.run_folder() / "tables" / "plan.json").is_file():
        return code
    plan = ard.plan()
    if code not in plan.labs.terms:
        return code
    name = analysis("lab_grade").text("paramcd", code, plan).partition(",")[0]
    return name if name[1:2].isupper() or name == code else name[:1].lower() + name[1:]
