"""Anatomical locations of lesions: CDISC Controlled Terminology, codelist LOC (C74456).

Extracts write a location in more than one order of words ("RETROPERITONEAL LYMPH NODE", "LYMPH
NODE, RETROPERITONEAL", "Lymph nodes retroperitoneal"). Whether a lesion is a lymph node decides
which diameter is used; therefore a location outside of the list is reported and not guessed.
"""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from sap.catalogue.codelists import codelist, fold
from sap.catalogue.home import study_home

_WORD = re.compile(r"[^a-z0-9]+")
_SIDES = {"left", "right", "bilateral", "unilateral", "ipsilateral", "contralateral"}
_SAME = {"lns": "ln", "nodes": "node", "glands": "gland", "lymphatic": "lymph"}


_BONES = re.compile(
    r"\b(BONE(?! MARROW)|VERTEBRAE?|RIB|SPINE|SPINOUS|PHALANX|ACETABULUM|CLAVICLE|COCCYX|FEMUR|FIBULA|HUMERUS|"
    r"ILIAC CREST|ILIUM|ISCHIUM|ISCHIAL TUBEROSITY|MANDIBLE|MAXILLA|PATELLA|PUBIC RAMUS|RADIUS|SACRUM|"
    r"SCAPULA|SKULL|STERNUM|STERNAL|TIBIA|ULNA|VERTEBRAL COLUMN|XIPHOID|CALCANEUS|TALUS)\b"
)
_SOFT = re.compile(r"ARTERY|VEIN|NERVE|MUSCLE|TENDON|JOINT|GANGLIA|PLATE|SINUS|CORD|SYMPHYSIS")
SITES = ("BONE", "LYMPH NODE", "LIVER", "LUNG", "OTHER")
"""The kinds of sites of metastases that baseline tables distinguish."""


class Location(NamedTuple):
    """A location: the list's term, None where the list lacks it; lymph node or not; its organ."""

    term: str | None
    node: bool
    organ: str


def location(text: str | None) -> Location | None:
    """The location of a text; the first case that applies.

    1. It is missing, or has neither a term of the list nor "lymph node": None.
    2. It is a term of the list or a variant, in any order of words; a side (left, right) counts only
       where the list has it. A lymph node when the term is one.
    3. It has "lymph node" (or LN) with an unknown location: a lymph node without a term.

    The organ is "LYMPH NODE" for every node, as RECIST 1.1 counts them; else the term up to its
    comma: both lungs are one organ.

    Examples
    --------
    >>> location("LYMPH NODES, RETROPERITONEAL")
    Location(term='RETROPERITONEAL LYMPH NODE', node=True, organ='LYMPH NODE')
    >>> location("Left lung").organ, location("LYMPH NODE OF ELSEWHERE").term, location("MASS")
    ('LUNG', None, None)
    """
    if text is None:
        return None
    words = _words(text)
    terms = _terms(study_home())
    term = terms.get(words) or terms.get(words - _SIDES)
    node = {"lymph", "node"} <= words
    if term is None and not node:
        return None
    organ = "LYMPH NODE" if node else str(term).partition(",")[0]
    return Location(term, node, organ)


def site(text: str | None) -> str | None:
    """The kind of site of a location: one of `SITES`; None where the location is missing or unknown.

    1. A lymph node: LYMPH NODE.
    2. The liver or a lung, whichever side or lobe: LIVER, LUNG.
    3. A bone of the list (bone marrow, joints, vessels, nerves and muscles are none): BONE.
    4. Any other term of the list: OTHER.

    Examples
    --------
    >>> site("Vertebrae"), site("Left lung"), site("LYMPH NODES, PELVIC"), site("BONE MARROW"), site("MASS")
    ('BONE', 'LUNG', 'LYMPH NODE', 'OTHER', None)
    """
    known = location(text)
    if known is None:
        return None
    if known.node:
        return "LYMPH NODE"
    if known.organ in ("LIVER", "LUNG"):
        return known.organ
    return (
        "BONE" if _BONES.search(str(known.term)) and not _SOFT.search(str(known.term)) else "OTHER"
    )


def _words(text: str) -> frozenset[str]:
    """The set of words of a location; all variants of lymph node as "lymph node"."""
    words = [_SAME.get(word, word) for word in _WORD.split(fold(text)) if word]
    if words in (["lymph", "gland"], ["gland", "lymph"]) or "ln" in words:
        words = [word for word in words if word not in {"ln", "gland"}] + ["lymph", "node"]
    return frozenset(words)


@cache
def _terms(_study: Path) -> Mapping[frozenset[str], str]:
    terms: dict[frozenset[str], str] = {}
    for term, others in codelist("LOC").terms.items():
        for text in (term, *others):
            terms.setdefault(_words(text), term)
    return terms
