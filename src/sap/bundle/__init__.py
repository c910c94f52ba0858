"""A bundle: everything an auditor needs in one folder or zip, and the comparison of two results.

`contents` gathers the files, `write_into` and `zipped` write them, `opened` reads a bundle of unknown
origin, and `compare` lists the numbers of two results that differ.
"""

from sap.bundle.comparison import compare, compare_tables
from sap.bundle.contents import Contents, contents, write_into, zipped
from sap.bundle.opening import Bundle, opened, sums_of
from sap.bundle.rules import AUDIENCES

__all__ = [
    "AUDIENCES",
    "Bundle",
    "Contents",
    "compare",
    "compare_tables",
    "contents",
    "opened",
    "sums_of",
    "write_into",
    "zipped",
]
