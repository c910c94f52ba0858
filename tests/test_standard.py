"""SDTM as others write it, in standard words: each expected value is CDISC's or the standard's."""

from pathlib import Path

import pandas as pd
import pytest

from sap.audit.independent.words import in_standard_words
from sap.catalogue import coded_columns, codelist
from sap.derivations.standard import standard
from sap.plan import read_plan

PLAN = read_plan(Path(__file__).parents[1] / "analysis" / "plan.yml").plan


def both(domain: str, **cells: object) -> dict[str, object]:
    """One record in standard words, by the first and by the second computation, which must agree."""
    first = standard({domain: pd.DataFrame([cells], dtype=object)}, PLAN)[domain].iloc[0].to_dict()
    (second,) = in_standard_words({domain: [dict(cells)]}, PLAN)[domain]
    assert {k: None if pd.isna(v) else v for k, v in first.items()} == second
    return second


@pytest.mark.parametrize(
    "domain,column,said,meant",
    [
        # SDTM CT C66742, No Yes Response: the CDISC pilot writes N in 958 of 961 AESDTH
        ("ae", "AESDTH", "N", "N"),
        ("ae", "AESER", "Yes", "Y"),
        ("dm", "DTHFL", "y", "Y"),
        # C66768, Outcome of Event
        ("ae", "AEOUT", "Fatal", "FATAL"),
        ("ae", "AEOUT", "Recovered / Resolved", "RECOVERED/RESOLVED"),
        ("ae", "AEOUT", "Ongoing", "NOT RECOVERED/NOT RESOLVED"),
        # C66767, Action Taken with Study Treatment
        ("ae", "AEACN", "Drug Withdrawn", "DRUG WITHDRAWN"),
        ("ae", "AEACN", "No action taken", "DOSE NOT CHANGED"),
        # SDTMIG leaves AEREL to the sponsor; NONE, REMOTE, POSSIBLE, PROBABLE are the CDISC pilot's
        ("ae", "AEREL", "NONE", "NOT RELATED"),
        ("ae", "AEREL", "REMOTE", "UNLIKELY RELATED"),
        ("ae", "AEREL", "POSSIBLE", "POSSIBLY RELATED"),
        ("ae", "AEREL", "PROBABLE", "PROBABLY RELATED"),
        ("ae", "AETOXGR", "Grade 3", "3"),
        ("ss", "SSSTRESC", "Dead", "DEAD"),
        ("ss", "SSSTRESC", "Lost to follow up", "LOST TO FOLLOW-UP"),
        ("dm", "SEX", "Male", "M"),
        ("gf", "GFSTRESC", "Positive", "POSITIVE"),
        ("gf", "GFSTAT", "Not done", "NOT DONE"),
        ("lb", "LBTESTCD", "psa", "PSA"),
        ("vs", "VSTESTCD", "Weight", "WEIGHT"),
        ("cm", "CMCAT", "Prior anti-cancer therapy", "PRIOR ANTICANCER THERAPY"),
        ("ie", "IECAT", "Inclusion", "INCLUSION"),
        ("cp", "VISIT", "Rescreening", "RE-SCREENING"),
    ],
)
def test_a_word_of_a_list_becomes_its_submission_value(domain, column, said, meant):
    assert both(domain, USUBJID="1", **{column: said})[column] == meant


@pytest.mark.parametrize(
    "category,part,said,meant",
    [
        # C66727, Completion/Reason for Non-Completion
        ("DISPOSITION EVENT", "STUDY TREATMENT", "Withdrawal of consent", "WITHDRAWAL BY SUBJECT"),
        ("Disposition Event", "Study Treatment", "Progressive disease", "PROGRESSIVE DISEASE"),
        ("DISPOSITION EVENT", "STUDY PARTICIPATION", "LOST TO FOLLOW UP", "LOST TO FOLLOW-UP"),
        # the same words where screening ends are this trial's reasons
        ("DISPOSITION EVENT", "SCREENING", "SCREEN FAILURE", "NOT ELIGIBLE"),
        ("DISPOSITION EVENT", "SCREENING", "WITHDRAWAL BY SUBJECT", "DECLINED"),
        # C114118, Protocol Milestone
        ("PROTOCOL MILESTONE", "SCREENING", "Informed consent", "INFORMED CONSENT OBTAINED"),
        ("PROTOCOL MILESTONE", "Rescreening", "Allocated to group B", "ALLOCATED TO GROUP B"),
    ],
)
def test_the_list_of_a_disposition_word_depends_on_its_category(category, part, said, meant):
    got = both("ds", USUBJID="1", DSCAT=category, DSSCAT=part, DSDECOD=said)
    assert got["DSDECOD"] == meant


def test_a_word_that_no_list_has_stays_as_it_is():
    assert both("ae", USUBJID="1", AEOUT="better", AESER=None) == {
        "USUBJID": "1",
        "AEOUT": "better",
        "AESER": None,
    }


def test_the_tables_of_the_cut_keep_the_words_of_the_source():
    given = {"ae": pd.DataFrame({"USUBJID": ["1"], "AESER": ["yes"]})}
    standard(given, PLAN)
    assert given["ae"]["AESER"].tolist() == ["yes"]


def test_every_submission_value_is_its_own_standard():
    """Standard words once more in standard words are the same."""
    for columns in coded_columns().values():
        for entries in columns.values():
            for entry in entries:
                for value in entry.codelist.terms:
                    assert entry.codelist.standard(value) == value


def test_no_word_folds_to_nothing():
    for columns in coded_columns().values():
        for entries in columns.values():
            for entry in entries:
                assert "" not in entry.codelist.words
    assert codelist("NY").standard("-") is None


UNITS = [
    # the same unit otherwise written: the number stands
    ("PSA", "ng/mL", 4.0, "ug/L", 4.0),
    ("PSA", "ng/ml", 4.0, "ug/L", 4.0),
    ("PSA", "µg/L", 4.0, "ug/L", 4.0),  # micro sign
    ("PSA", "μg/L", 4.0, "ug/L", 4.0),  # Greek mu
    ("PSA", "MCG/L", 4.0, "ug/L", 4.0),
    ("NEUT", "10^3/uL", 1.2, "10^9/L", 1.2),
    ("NEUT", "10*9/L", 1.2, "10^9/L", 1.2),
    ("NEUT", "GIGA/L", 1.2, "10^9/L", 1.2),
    ("PLAT", "K/uL", 150.0, "10^9/L", 150.0),
    ("ALT", "IU/L", 35.0, "U/L", 35.0),
    ("HGB", "G/DL", 13.5, "g/dL", 13.5),
    # converted: 1500 cells in a microlitre are 1.5 x 10^9 in a litre
    ("NEUT", "/mm3", 1500.0, "10^9/L", 1.5),
    ("NEUT", "cells/uL", 1499.0, "10^9/L", 1.499),
    # albumin 3.5 g/dL is 35 g/L; 2.9 g/dL is 29 g/L and not 28.999999999999996
    ("ALB", "g/dL", 3.5, "g/L", 35.0),
    ("ALB", "g/dL", 2.9, "g/L", 29.0),
    # creatinine 1 mg/dL is 88.42 umol/L; bilirubin 1 mg/dL is 17.1 umol/L (AMA Manual of Style)
    ("CREAT", "mg/dL", 1.0, "umol/L", 88.42),
    ("CREAT", "mg/dL", 1.3, "umol/L", 114.946),
    ("BILI", "mg/dL", 1.2, "umol/L", 20.52),
    # testosterone 50 ng/dL, the limit of castration, is 1.7335 nmol/L (1.7 in PCWG3)
    ("TESTOS", "ng/dL", 50.0, "nmol/L", 1.7335),
    ("ALT", "ukat/L", 1.0, "U/L", 60.0),
    ("PSA", "mg/L", 0.5, "ug/L", 500.0),
]


@pytest.mark.parametrize("test,unit,value,standard_unit,expected", UNITS)
def test_a_unit_is_the_same_or_is_converted(test, unit, value, standard_unit, expected):
    got = both("lb", LBTESTCD=test, LBSTRESU=unit, LBSTRESN=value, LBSTNRHI=value, LBLLOQ=None)
    assert (got["LBSTRESU"], got["LBSTRESN"], got["LBSTNRHI"]) == (
        standard_unit,
        expected,
        expected,
    )


def test_a_limit_of_quantification_is_converted_with_its_text():
    got = both("lb", LBTESTCD="ALB", LBSTRESU="g/dL", LBSTRESC="<0.5", LBSTRESN=None, LBLLOQ=0.5)
    assert (got["LBSTRESC"], got["LBLLOQ"], got["LBSTRESN"]) == ("<5", 5.0, None)


def test_a_value_in_a_unit_that_is_not_known_is_not_used():
    got = both("lb", LBTESTCD="PSA", LBSTRESU="kU/L", LBSTRESC="7", LBSTRESN=7.0)
    assert pd.isna(got["LBSTRESN"])
    assert got["LBSTRESC"] is None


def test_a_test_that_no_rule_reads_keeps_its_unit_and_value():
    said = {"LBTESTCD": "K", "LBSTRESU": "mEq/L", "LBSTRESC": "4.1", "LBSTRESN": 4.1}
    assert both("lb", **said) == said


@pytest.mark.parametrize(
    "domain,cells,expected",
    [
        ("vs", {"VSTESTCD": "WEIGHT", "VSSTRESU": "LB", "VSSTRESN": 200.0}, ("kg", 90.718474)),
        ("vs", {"VSTESTCD": "HEIGHT", "VSSTRESU": "in", "VSSTRESN": 70.0}, ("cm", 177.8)),
        ("vs", {"VSTESTCD": "HEIGHT", "VSSTRESU": "m", "VSSTRESN": 1.78}, ("cm", 178.0)),
        ("tr", {"TRTESTCD": "LDIAM", "TRSTRESU": "cm", "TRSTRESN": 2.3}, ("mm", 23.0)),
        ("pc", {"PCTESTCD": "CABAZ", "PCSTRESU": "ug/mL", "PCSTRESN": 0.12}, ("ng/mL", 120.0)),
        ("cp", {"CPTESTCD": "CTC", "CPSTRESU": "/7.5mL", "CPSTRESN": 5.0}, ("/7.5 mL", 5.0)),
    ],
)
def test_units_of_other_domains(domain, cells, expected):
    got = both(domain, **cells)
    assert (got[f"{domain.upper()}STRESU"], got[f"{domain.upper()}STRESN"]) == expected


@pytest.mark.parametrize("said", ["mg/m^2", "mg/m²", "MG/M2"])
def test_a_dose_by_body_surface(said):
    assert both("ex", EXTRT="X", EXDOSU=said, EXDOSE=25.0)["EXDOSU"] == "mg/m2"


@pytest.mark.parametrize(
    "said,ingredient",
    [
        # WHODrug codes the salt or the hydrate; a site writes the trade name
        ("ABIRATERONE ACETATE", "ABIRATERONE"),
        ("Abiraterone", "ABIRATERONE"),
        ("Zytiga", "ABIRATERONE"),
        ("Xtandi", "ENZALUTAMIDE"),
        ("Docetaxel", "DOCETAXEL"),
        ("Docetaxel anhydrous", "DOCETAXEL"),
        ("TAXOTERE", "DOCETAXEL"),
        ("Jevtana", "CABAZITAXEL"),
        ("OLAPARIB", "OLAPARIB"),
    ],
)
def test_a_drug_is_its_ingredient(said, ingredient):
    assert both("cm", CMDECOD=said, CMTRT="x")["CMDECOD"] == ingredient
    assert both("ex", EXTRT=said)["EXTRT"] == ingredient


def test_a_drug_that_is_not_coded_is_known_by_its_reported_name():
    assert both("cm", CMDECOD=None, CMTRT="Zytiga 500 mg")["CMDECOD"] is None
    got = both("cm", CMDECOD=None, CMTRT="Zytiga")
    assert (got["CMDECOD"], got["CMTRT"]) == ("ABIRATERONE", "Zytiga")


@pytest.mark.parametrize(
    "said,visit",
    [
        ("C1D1", "CYCLE 1"),
        ("C10D1", "CYCLE 10"),
        ("Cycle 3 Day 1", "CYCLE 3"),
        ("cycle 03", "CYCLE 3"),
        ("Screening", "SCREENING"),
        ("EOT", "END OF TREATMENT"),
        ("C3D8", "C3D8"),  # another day is another visit
        ("WEEK 6", "WEEK 6"),
    ],
)
def test_a_visit_is_known_by_the_words_of_the_plan(said, visit):
    assert both("cp", CPTESTCD="CTC", VISIT=said)["VISIT"] == visit
