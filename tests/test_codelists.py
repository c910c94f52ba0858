"""Codelists: words are compared folded, and a word that means two values is refused."""

import pytest

from sap.catalogue import codelist, codelists, fold
from sap.catalogue.codelists import Codelist, terms_of_study
from sap.errors import PlanError


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


# SDTM CT 2025-03-28, read from NCI's file of that package: C123650, C124309, C66728, C124297, C66727.
@pytest.mark.parametrize(
    "name,word,meant",
    [
        ("TUIDRS", "NEW BONE LESION", "NEW"),
        ("TUIDRS", "New Nodal", "NEW"),
        ("TUIDRS", "NON-TARGET EXTRA NODAL", "NON-TARGET"),
        ("TUIDRS", "MEASURED", None),
        ("TRPROPRS", "UNCHANGED", "PRESENT"),
        ("TRPROPRS", "FURTHER ENLARGEMENT", "ENLARGEMENT"),
        ("TRPROPRS", "TUMOR MERGED", None),
        ("STENRF", "U", "UNKNOWN"),
        ("SAMPLE_EVENT", "COLLECTED", "COLLECTING"),
        ("CPTESTCD", "PRCTC", "CTC"),
        ("NCOMPLT", "No longer clinically benefiting", "NO LONGER CLINICALLY BENEFITING"),
        ("PROTMLST", "ENTERED INTO TRIAL", "ENTERED INTO TRIAL"),
        ("LOC", "Zygomatic bone", "ZYGOMATIC BONE"),
    ],
)
def test_words_of_the_package_of_march_2025(name, word, meant):
    assert codelist(name).standard(word) == meant


@pytest.mark.parametrize(
    "name,code,terms", [("LOC", "C74456", 1397), ("OUT", "C66768", 6), ("ACN", "C66767", 8)]
)
def test_whole_lists_have_the_terms_of_the_package(name, code, terms):
    """The counts are those of the package; a term that is another word for a second one counts too."""
    one = codelist(name)
    words = {word for value, others in one.terms.items() for word in (value, *others)}
    assert one.code == code
    assert len(words) >= terms


def test_a_study_adds_terms_and_their_variants(tmp_path):
    """The folder of this study adds the gland to LOC (CDISC C74456) and PCWG3 to the categories."""
    assert codelist("LOC").standard("prostate") == "PROSTATE GLAND"
    assert codelist("ONCRSCAT").standard("PCWG3") == "PCWG SCHER PROSTATE CANCER 2016"
    assert terms_of_study(tmp_path / "terms.yaml") == {}


@pytest.mark.parametrize(
    "text, message",
    [
        ("[A]", "terms.yaml: write codelist: {SUBMISSION VALUE: [variant, ...]}"),
        ("LOC: A", "terms.yaml: LOC: write codelist"),
        ("LOC: {A: B}", "terms.yaml: LOC: write codelist"),
        ("LOC: {A: [1]}", "terms.yaml: LOC: write codelist"),
        ("LOC: {1: [A]}", "terms.yaml: LOC: write codelist"),
        ("LOC: {A: [", "terms.yaml cannot be read as YAML"),
    ],
)
def test_terms_of_another_form_are_refused(tmp_path, text, message):
    path = tmp_path / "terms.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(PlanError) as error:
        terms_of_study(path)
    assert str(error.value).startswith(message)
