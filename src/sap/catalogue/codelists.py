"""Codelists of CDISC Controlled Terminology, and the comparison of terms.

`codelists.yml` has each codelist that the code uses: its submission values, and the variants found in
extracts.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

# British letters and their American form, applied inside words; longer ones first.
_AMERICAN = (
    ("haem", "hem"), ("aemia", "emia"), ("paenia", "penia"), ("oedema", "edema"),
    ("rrhoea", "rrhea"), ("pnoea", "pnea"), ("oesoph", "esoph"), ("oestr", "estr"),
    ("tumour", "tumor"), ("colour", "color"), ("leuco", "leuko"), ("faec", "fec"), ("caec", "cec"),
    ("anaes", "anes"), ("paed", "ped"), ("gynae", "gyne"), ("coelia", "celia"), ("foet", "fet"),
    ("aetiol", "etiol"), ("sulph", "sulf"), ("goitre", "goiter"), ("fibre", "fiber"),
    ("litre", "liter"), ("isation", "ization"), ("ised", "ized"), ("ising", "izing"),
)  # fmt: skip
_BETWEEN = re.compile(r"[\s\-_\u2010-\u2015\u2212]+")


def fold(text: str) -> str:
    """The text for comparison: without case, spaces, hyphens, British and American differences.

    1. Case is folded and blanks at the ends are dropped.
    2. A run of spaces, hyphens and underscores inside is one space.
    3. British spellings become American ones.

    Examples
    --------
    >>> fold(" Diarrhoea "), fold("DIARRHEA"), fold("non-Target"), fold("NON  TARGET")
    ('diarrhea', 'diarrhea', 'non target', 'non target')
    >>> fold("Febrile neutropaenia") == fold("FEBRILE NEUTROPENIA")
    True
    """
    folded = _BETWEEN.sub(" ", text.casefold()).strip()
    for british, american in _AMERICAN:
        folded = folded.replace(british, american)
    return folded


def folded(words: Iterable[str]) -> frozenset[str]:
    """Terms in their form for comparison.

    >>> fold("Febrile Neutropaenia") in folded(["FEBRILE NEUTROPENIA"])
    True
    """
    return frozenset(fold(word) for word in words)


@dataclass(frozen=True)
class Codelist:
    """One codelist: submission values in the order of the list, with their variants.

    `code` is the NCI code of the list in CDISC Controlled Terminology, "" for an additional list.
    """

    name: str
    code: str
    source: str
    terms: Mapping[str, tuple[str, ...]]

    @property
    def values(self) -> tuple[str, ...]:
        """The submission values in the list's order."""
        return tuple(self.terms)

    @property
    def words(self) -> Mapping[str, str]:
        """The submission value of every folded term and variant."""
        return _words(self.name)

    def standard(self, text: str | None) -> str | None:
        """The submission value of a text; None when it is missing or not in the list.

        >>> codelist("NY").standard("y"), codelist("NY").standard("maybe")
        ('Y', None)
        """
        return None if text is None else self.words.get(fold(text))


@cache
def codelists() -> Mapping[str, Codelist]:
    """Every codelist by name: those of `codelists.yml`, then the units of `units.yml`."""
    import yaml

    from sap.catalogue.units import units

    text = files("sap.catalogue").joinpath("codelists.yml").read_text("utf-8")
    # The C loader reads the thousand locations in a hundredth of a second; not every build has it.
    content = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    lists = {name: _codelist(name, entry) for name, entry in content.items()}
    return lists | {name: each.codelist for name, each in units().items()}


def codelist(name: str) -> Codelist:
    """The codelist of that name.

    Raises
    ------
    KeyError
        There is no such list in `codelists.yml`.
    """
    return codelists()[name]


def _codelist(name: str, entry: Mapping[str, Any]) -> Codelist:
    terms = {
        str(value): tuple(str(word) for word in synonyms or ())
        for value, synonyms in entry["terms"].items()
    }
    return Codelist(name, str(entry.get("code", "")), str(entry["source"]), terms)


@cache
def _words(name: str) -> Mapping[str, str]:
    words: dict[str, str] = {}
    for value, synonyms in codelist(name).terms.items():
        for word in (value, *synonyms):
            known = words.setdefault(fold(word), value)
            if known != value:
                raise ValueError(f"codelist {name}: {word!r} means both {known} and {value}")
    return words
