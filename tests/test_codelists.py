"""Codelists: words are compared folded, and a word that means two values is refused."""

import pytest

from sap.catalogue import codelist, codelists, fold
from sap.catalogue.codelists import Codelist


@pytest.mark.parametrize(
    "ours,theirs",
    [
        ("DIARRHOEA", "Diarrhea"),
        ("ANAEMIA", "Anemia"),
        ("NEUTROPENIA", "Neutropaenia"),
        ("OEDEMA PERIPHERAL", "Edema  peripheral"),
        ("LEUKOPENIA", "leucopenia"),
        ("NON-TARGET", "Non target"),
        ("Haemoglobin", "HEMOGLOBIN"),
        ("HYPERCALCAEMIA OF MALIGNANCY", "Hypercalcemia of malignancy"),
    ],
)
def test_british_and_american_forms_of_meddra_are_one_word(ours, theirs):
    assert fold(ours) == fold(theirs)


@pytest.mark.parametrize("ours,theirs", [("NEUTROPENIA", "LEUKOPENIA"), ("TARGET", "NON-TARGET")])
def test_other_words_stay_other_words(ours, theirs):
    assert fold(ours) != fold(theirs)


def test_every_list_is_cited_and_has_one_meaning_a_word():
    for one in codelists().values():
        assert isinstance(one, Codelist)
        assert one.source
        assert len(one.words) >= len(one.values)


def test_an_unknown_word_has_no_value():
    assert codelist("NY").standard("maybe") is None
    assert codelist("NY").standard(None) is None
