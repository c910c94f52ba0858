"""Published results beside ours: their sums, their sources, and that every source cited exists."""

import re
from pathlib import Path

import pytest

from sap.plan.references import read_references

HOME = Path(__file__).parents[1]
CITING = (
    *sorted((HOME / "analysis").glob("*.yml")),
    *sorted((HOME / "analysis" / "chapters").glob("*.qmd")),
    HOME / "csr.qmd",
    HOME / "dsmb.qmd",
)
KEYS = re.findall(r"(?m)^@\w+\{([^,\s]+),", (HOME / "references.bib").read_text(encoding="utf-8"))


def cited(path: Path) -> set[str]:
    """What stands after an @ that begins a word; a mail address or a decorator does not."""
    return set(re.findall(r"(?<![\w.@])@([a-z][a-z0-9-]*[a-z0-9])", path.read_text("utf-8")))


@pytest.mark.parametrize("path", CITING, ids=lambda path: path.name)
def test_every_key_that_is_cited_stands_in_the_bibliography(path):
    assert cited(path) - set(KEYS) == set()


def test_the_bibliography_names_each_source_once_and_none_that_nobody_cites():
    assert sorted(KEYS) == KEYS
    assert len(KEYS) == len(set(KEYS))
    assert set(KEYS) <= set().union(*map(cited, CITING))


@pytest.mark.parametrize(
    "name, percent",
    [
        # ClinicalTrials.gov NCT00417079, posted results: 39.2 % of 329 and 17.8 % of 325
        ("tropic-psa-response", 39.2),
        ("tropic-psa-response-mitoxantrone", 17.8),
        # US label, 2010: deaths other than of progression, 18 (5 %)
        ("tropic-toxic-death", 5),
        # de Bono 2010 as quoted with counts in an abstract of the Clinical Oncology Society of
        # Australia (2012, abstract 2823): 347 (94 %), 303 (82 %), 28 (8 %), 173 (47 %), 23 (6 %).
        # The US label prints 7 % for febrile neutropenia.
        ("tropic-neutropenia", 94),
        ("tropic-neutropenia-severe", 82),
        ("tropic-febrile-neutropenia", 8),
        ("tropic-diarrhoea", 47),
        ("tropic-diarrhoea-severe", 6),
    ],
)
def test_a_count_gives_the_percentage_its_source_prints(name, percent):
    one = read_references(HOME / "analysis" / "references.yml").of(name)
    digits = 1 if isinstance(percent, float) else 0
    assert round(100 * one.n / one.total, digits) == percent
