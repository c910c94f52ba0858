"""Interchange: ADaM as XPT v5 and Dataset-JSON 1.1 with Define-XML 2.1, results as ARS 1.0, and the reviewer's guide."""

from sap.export.dataset_json import dataset_json, read_dataset_json
from sap.export.guide import Facts, reviewers_guide
from sap.export.typed import typed
from sap.export.xpt import xpt

__all__ = [
    "Facts",
    "dataset_json",
    "read_dataset_json",
    "reviewers_guide",
    "typed",
    "xpt",
]
