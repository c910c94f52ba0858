"""A bundle: everything an auditor needs in one folder or zip, and the comparison of two of them.

`contents` says what goes in, `write_into` and `zipped` write it, `opened` reads one that nobody has
reason to trust, and `compare` says which numbers of two results differ.
"""

from sap.bundle.comparison import compare, compare_tables
from sap.bundle.contents import AUDIENCES, Contents, contents, write_into, zipped
from sap.bundle.opening import Bundle, opened, sums_of

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
