"""What an extract promises: ODCS files, checked by Great Expectations, never repaired.

One file a domain stands in `data-contracts/`, and `extract.odcs.yaml` holds the promises every domain
makes in the same way (required domains, columns and values; numbers; dates).
"""

from sap.contracts.accepted import Accepted, accept, stops
from sap.contracts.accepted import read as read_accepted
from sap.contracts.columns import number_text, text, typed
from sap.contracts.expectations import FINDING_COLUMNS, check
from sap.contracts.odcs import Column, Contract, Rule, load, version
from sap.contracts.of_cut import check_cut, rows_in

__all__ = [
    "FINDING_COLUMNS",
    "Accepted",
    "Column",
    "Contract",
    "Rule",
    "accept",
    "check",
    "check_cut",
    "load",
    "number_text",
    "read_accepted",
    "rows_in",
    "stops",
    "text",
    "typed",
    "version",
]
