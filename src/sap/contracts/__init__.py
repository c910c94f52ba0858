"""Data contracts: ODCS files, checked with Great Expectations; data are never repaired.

`data-contracts/` has one file per domain; `extract.odcs.yaml` has the rules that apply to all domains
(required domains, columns and values; numbers; dates).
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
