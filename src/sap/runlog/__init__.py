"""The run log: user, command, time, versions, and the SHA-256 of inputs and outputs of each step.

One JSON object a line, each sealed over its content and the seal of the previous line, so that a
record that was edited, moved or removed from the middle is detected and named. It is a log, not a
signature: a user who can write the file can write a new chain (see docs/audit.md).
"""

from sap.runlog.chain import append, faults, misread, missing, read, swapped, unnamed, verify
from sap.runlog.facts import run_facts
from sap.runlog.software import code_sums, differing, environment, origins, project_sums, tree_sum

__all__ = [
    "append",
    "code_sums",
    "differing",
    "environment",
    "faults",
    "misread",
    "missing",
    "origins",
    "project_sums",
    "read",
    "run_facts",
    "swapped",
    "tree_sum",
    "unnamed",
    "verify",
]
