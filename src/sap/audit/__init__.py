"""The audit: a bundle is checked, rebuilt from its frozen data, and compared number by number."""

from sap.audit.examine import examined
from sap.audit.findings import Audit, Finding
from sap.audit.page import write_pages

__all__ = ["Audit", "Finding", "examined", "write_pages"]
