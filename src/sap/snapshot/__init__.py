"""A data cut: what was known at a date, frozen under the fingerprint of its bytes."""

from sap.snapshot.cut_off import TIMINGS, Timing, cut
from sap.snapshot.folder import FrozenFile, Manifest, freeze, in_order, load, verify

__all__ = [
    "TIMINGS",
    "FrozenFile",
    "Manifest",
    "Timing",
    "cut",
    "freeze",
    "in_order",
    "load",
    "verify",
]
