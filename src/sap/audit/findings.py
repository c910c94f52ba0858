"""The findings of an audit, and its verdict."""

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import pandas as pd

from sap.bundle.rules import What

Kind = Literal["input", "result", "note"]

SAME_BYTES = "identical"
SAME_NUMBERS = "within tolerance"
SAME_CONTENT = "same content"
SAME_PAGES = "equal in text and picture"
MISSING = "missing"
OTHER = "different"
"""What a comparison of one file gives."""

IDENTICAL = "identical"
NEAR = "numerically identical"
DIFFERENT = "different"
NOT_REBUILT = "not rebuilt"
CHANGED = "input changed"


class Finding(NamedTuple):
    """One discrepancy (input, result), or a note for the reader."""

    kind: Kind
    place: str
    words: str


class Cause(NamedTuple):
    """One difference between the making of the bundle and this audit that can explain findings.

    The audit computes it from what runs here, the lock, the source and the other files of the bundle,
    never from what the bundle says about itself. It explains a finding and excuses none.
    """

    what: What
    words: str


@dataclass
class Audit:
    """All findings of an audit; `verdict` and `exit_code` follow from them."""

    bundle: str
    facts: dict[str, Any]
    findings: list[Finding] = field(default_factory=list)
    causes: list[Cause] = field(default_factory=list)
    compared: dict[str, str] = field(default_factory=dict)
    numbers: pd.DataFrame | None = None
    records: pd.DataFrame | None = None
    displays: list[str] = field(default_factory=list)
    rebuilt: bool = False
    checks: list[tuple[str, str]] = field(default_factory=list)
    qc: Any = None

    def add_finding(self, kind: Kind, place: str, words: str) -> None:
        """Add a finding."""
        self.findings.append(Finding(kind, place, words))

    def add_cause(self, what: What, words: str) -> None:
        """Add a probable cause, once."""
        if Cause(what, words) not in self.causes:
            self.causes.append(Cause(what, words))

    @property
    def inputs_changed(self) -> bool:
        """Whether an input differs from what the bundle has on record."""
        return any(f.kind == "input" for f in self.findings)

    @property
    def results_changed(self) -> bool:
        """Whether a result was not reproduced."""
        return any(f.kind == "result" for f in self.findings)

    @property
    def verdict(self) -> str:
        """The verdict, the first case that applies.

        1. different: a result was not reproduced.
        2. input changed: an input is not what was bundled, or not from who should have made it.
        3. not rebuilt: no patient-level data in the bundle, or an input that cannot be used.
        4. identical: every file compared is byte-identical.
        5. numerically identical: bytes differ, content does not, and the packages that run are not
           those of the lock (without such a difference other bytes are a result that differs).
        """
        if self.results_changed:
            return DIFFERENT
        if self.inputs_changed:
            return CHANGED
        if not self.rebuilt:
            return NOT_REBUILT
        return IDENTICAL if set(self.compared.values()) <= {"identical"} else NEAR

    @property
    def exit_code(self) -> int:
        """11 for a changed input, 12 for a changed result, else 0."""
        if self.inputs_changed:
            return 11
        return 12 if self.results_changed else 0
