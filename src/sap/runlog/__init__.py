"""The run log: who ran what, when, with which versions, from which bytes, to which bytes.

One JSON object a line, each sealed over its own words and the seal of the line before, so that a
record that was edited, moved or removed from the middle is found and named. It is a log, not a
signature: whoever can write the file can write a new chain (docs/audit.md says what follows).
"""

from sap.runlog.chain import append, faults, missing, read, swapped, verify
from sap.runlog.software import code_sums, differing, environment, project_sums, tree_sum

__all__ = [
    "append",
    "code_sums",
    "differing",
    "environment",
    "faults",
    "missing",
    "project_sums",
    "read",
    "swapped",
    "tree_sum",
    "verify",
]
