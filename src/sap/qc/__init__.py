"""Statistics computed a second time, by another route and without any code of the first.

Nothing here may import `sap.derivations`, `sap.results` or `sap.methods`: import-linter says so.
What is shared is the frozen data, the plan, and the words that name a row.
"""

from sap.qc.opinion import Opinion, second_opinion

__all__ = ["Opinion", "second_opinion"]
