"""Locations of tumours: CDISC's terms in any order of words, and what the list does not know."""

import pytest

from sap.catalogue.codelists import codelist
from sap.catalogue.locations import location


@pytest.mark.parametrize(
    "text, term",
    [
        # SDTM CT, codelist LOC (C74456): terms as they stand there
        ("RETROPERITONEAL LYMPH NODE", "RETROPERITONEAL LYMPH NODE"),
        ("PELVIC LYMPH NODE", "PELVIC LYMPH NODE"),
        ("COMMON ILIAC LYMPH NODE", "COMMON ILIAC LYMPH NODE"),
        ("PARA-AORTIC LYMPH NODE", "PARA-AORTIC LYMPH NODE"),
        ("LYMPH NODE", "LYMPH NODE"),
        # other orders, numbers, cases, sides and short words for the same
        ("LYMPH NODE, RETROPERITONEAL", "RETROPERITONEAL LYMPH NODE"),
        ("Lymph nodes retroperitoneal", "RETROPERITONEAL LYMPH NODE"),
        ("LYMPH NODES", "LYMPH NODE"),
        ("lymphatic gland", "LYMPH NODE"),
        ("LN ILIAC", "ILIAC LYMPH NODE"),
        ("Lymph Node, Para-Aortic", "PARA-AORTIC LYMPH NODE"),
        ("paraaortic lymph node", "PARA-AORTIC LYMPH NODE"),
        ("LEFT INGUINAL LYMPH NODE", "INGUINAL LYMPH NODE"),
    ],
)
def test_a_lymph_node_is_one_whatever_the_order_of_words(text, term):
    assert location(text) == (term, True, "LYMPH NODE")


@pytest.mark.parametrize(
    "text, term, organ",
    [
        ("LIVER", "LIVER", "LIVER"),
        ("LUNG, LEFT LOWER LOBE", "LUNG, LEFT LOWER LOBE", "LUNG"),
        ("Left lung", "LUNG, LEFT", "LUNG"),
        ("LIVER, LEFT LOBE", "LIVER, LEFT LOBE", "LIVER"),
        ("Kidney right", "KIDNEY", "KIDNEY"),
        ("PROSTATE", "PROSTATE GLAND", "PROSTATE GLAND"),
        ("oesophagus", "ESOPHAGUS", "ESOPHAGUS"),
        ("AXILLA", "AXILLA", "AXILLA"),  # a region of the list, no node
        ("BONE", "BONE", "BONE"),
        ("L1 VERTEBRA", "L1 VERTEBRA", "L1 VERTEBRA"),
    ],
)
def test_other_places_are_no_nodes(text, term, organ):
    assert location(text) == (term, False, organ)


def test_a_node_in_a_place_that_the_list_lacks_is_a_node_without_a_term():
    assert location("MESORECTAL LYMPH NODE") == (None, True, "LYMPH NODE")


@pytest.mark.parametrize("text", [None, "", "MASS", "SEGMENT 4", "ILIAC NODE", "LNX"])
def test_what_says_neither_a_term_nor_a_node_is_unknown(text):
    assert location(text) is None


def test_every_term_of_the_list_means_itself_and_only_lymph_nodes_are_nodes():
    for term in codelist("LOC").values:
        found = location(term)
        assert found is not None
        assert found.term == term
        assert found.node == ("LYMPH NODE" in term)


@pytest.mark.parametrize(
    "name, code, word, value",
    [
        ("TUIDRS", "C123650", "new lesion", "NEW"),
        ("TUTESTCD", "C96784", "tusplit", "TUSPLIT"),
        ("TRTESTCD", "C96779", "SAXIS", "LPERP"),
        ("TRPROPRS", "C124309", "Not assessable", "NOT EVALUABLE"),
        ("TRPROPRS", "C124309", "unequivocal  progression", "UNEQUIVOCAL PROGRESSION"),
        ("ONCRSR", "C96785", "Partial Response", "PR"),
        ("ONCRSR", "C96785", "Non-CR/Non-PD", "NON-CR/NON-PD"),
        ("ONCRSR", "C96785", "INEVALUABLE", "NE"),
        ("ONCRSCAT", "C124298", "PCWG3", "PCWG SCHER PROSTATE CANCER 2016"),
        ("EVAL", "C78735", "Investigator", "INVESTIGATOR"),
        ("MEDEVAL", "C96777", "Radiologist 1", "RADIOLOGIST 1"),
        ("ND", "C66789", "not done", "NOT DONE"),
        ("TUMETHOD", "C85492", "Computed tomography", "CT SCAN"),
    ],
)
def test_tumour_lists_have_cdisc_values_and_the_words_extracts_write(name, code, word, value):
    """Codes and values: SDTM CT 2015-12-18; the newer ones CDISC COSMoS, as the list says."""
    assert codelist(name).code == code
    assert codelist(name).standard(word) == value
