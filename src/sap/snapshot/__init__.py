"""A data cut: the records known at a date, stored as a snapshot with SHA-256 checksums."""

from sap.snapshot.cut_off import TIMINGS, Timing, cut, last_day
from sap.snapshot.folder import FrozenFile, Manifest, freeze, in_order, is_synthetic, load, verify

__all__ = [
    "TIMINGS",
    "FrozenFile",
    "Manifest",
    "Timing",
    "cut",
    "freeze",
    "in_order",
    "is_synthetic",
    "last_day",
    "load",
    "verify",
]
