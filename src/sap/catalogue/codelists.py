"""Codelists of CDISC Controlled Terminology, and the comparison of terms.

`codelists.yml` has each codelist that the code uses: its submission values, and the variants found in
extracts. A study adds terms of its disease in `data-contracts/terms.yaml`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sap.catalogue.files import file_content
from sap.catalogue.home import study_home
from sap.errors import PlanError

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

    `code` is the NCI code of the list in CDISC Controlled Terminology, "" for an additional list;
    `term_codes` holds those of terms, where a source gives them.
    """

    name: str
    code: str
    source: str
    terms: Mapping[str, tuple[str, ...]]
    term_codes: Mapping[str, str] = field(default_factory=dict)

    @property
    def values(self) -> tuple[str, ...]:
        """The submission values in the list's order."""
        return tuple(self.terms)

    @property
    def words(self) -> Mapping[str, str]:
        """The submission value of every folded term and variant."""
        return _words(study_home(), self.name)

    def standard(self, text: str | None) -> str | None:
        """The submission value of a text; None when it is missing or not in the list.

        >>> codelist("NY").standard("y"), codelist("NY").standard("maybe")
        ('Y', None)
        """
        return None if text is None else self.words.get(fold(text))


def codelists() -> Mapping[str, Codelist]:
    """Every codelist by name: those of `codelists.yml`, then the units of `units.yml`."""
    return _codelists(study_home())


@cache
def _codelists(study: Path) -> Mapping[str, Codelist]:
    from sap.catalogue.units import units

    added = terms_of_study(study / "data-contracts" / "terms.yaml")
    lists = {
        name: _codelist(name, entry, added.get(name, {}))
        for name, entry in file_content("codelists.yml").items()
    }
    unknown = sorted(set(added) - set(lists))
    if unknown:
        raise PlanError(
            f"data-contracts/terms.yaml: there is no codelist {', '.join(unknown)}; "
            f"there are {', '.join(lists)}"
        )
    return lists | {name: each.codelist for name, each in units().items()}


def codelist(name: str) -> Codelist:
    """The codelist of that name.

    Raises
    ------
    KeyError
        There is no such list in `codelists.yml`.
    """
    return codelists()[name]


def terms_of_study(path: Path) -> dict[str, dict[str, list[str]]]:
    """The terms that a study adds, by codelist: each submission value with its variants.

    1. No file: no terms.
    2. Else one mapping: codelist: {submission value: [variant, ...]}.

    Raises
    ------
    PlanError
        The file has another form; it names the entry.
    """
    import yaml

    if not path.is_file():
        return {}
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        where = " ".join(str(getattr(error, "problem_mark", "") or "").split())
        raise PlanError(f"{path.name} cannot be read as YAML {where}".rstrip()) from error
    form = "codelist: {SUBMISSION VALUE: [variant, ...]}"
    if not isinstance(content, dict):
        raise PlanError(f"{path.name}: write {form}")
    for name, terms in content.items():
        for value, variants in terms.items() if isinstance(terms, dict) else [(None, None)]:
            texts = [name, value, *variants] if isinstance(variants, list) else [None]
            if not all(isinstance(text, str) for text in texts):
                raise PlanError(f"{path.name}: {name}: write {form}, each a text")
    return content


def _codelist(
    name: str, entry: Mapping[str, Any], added: Mapping[str, Iterable[str]] = MappingProxyType({})
) -> Codelist:
    entries = {str(value): list(words or ()) for value, words in entry["terms"].items()}
    for value, words in added.items():
        entries[value] = [*entries.get(value, []), *words]
    terms = {value: tuple(str(word) for word in words) for value, words in entries.items()}
    codes = {str(value): str(code) for value, code in entry.get("term_codes", {}).items()}
    return Codelist(name, str(entry.get("code", "")), str(entry["source"]), terms, codes)


@cache
def _words(study: Path, name: str) -> Mapping[str, str]:
    words: dict[str, str] = {}
    for value, synonyms in _codelists(study)[name].terms.items():
        for word in (value, *synonyms):
            known = words.setdefault(fold(word), value)
            if known != value:
                raise PlanError(f"codelist {name}: {word!r} means both {known} and {value}")
    return words
