"""The second computation: results of the frozen SDTM computed again by another method.

It reads the frozen cut and the plan only, and no code of the first computation: import-linter keeps
`sap.derivations`, `sap.results`, `sap.methods`, `sap.displays`, `sap.pipeline` and `sap.simulate` out.
"""

from sap.qc.agreement import QcResult, compare

__all__ = ["QcResult", "compare"]
