"""SDTM as others write it, in standard words: each expected value is CDISC's or the standard's."""

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from sap import qc
from sap.catalogue import coded_columns, codelist, fold
from sap.derivations.standard import standard
from sap.plan import read_plan
from sap.qc.standard_terms import in_standard_terms

PLAN = read_plan(Path(__file__).parents[1] / "analysis" / "plan.yml").plan


def both(domain: str, **cells: object) -> dict[str, object]:
    """One record in standard words, by the first and by the second computation, which must agree."""
    first = standard({domain: pd.DataFrame([cells], dtype=object)}, PLAN)[domain].iloc[0].to_dict()
    (second,) = in_standard_terms({domain: [dict(cells)]}, PLAN)[domain]
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
        ("mh", "MHDECOD", "Prostate cancer", "PROSTATE CANCER"),
        ("mh", "MHTERM", "Gleason score 9", "GLEASON SCORE 9"),
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


@pytest.mark.parametrize(
    "domain,column,said,read",
    [
        # SDTMIG 3.4, 4.5.4: --OCCUR N says that a pre-specified therapy or condition was not there
        ("cm", "CMOCCUR", "N", False),
        ("cm", "CMOCCUR", "No", False),
        ("cm", "CMOCCUR", "Y", True),
        ("cm", "CMOCCUR", None, True),
        ("cm", "CMSTAT", "Not done", False),
        ("mh", "MHOCCUR", "N", False),
        ("mh", "MHSTAT", "NOT DONE", False),
        ("ae", "AEOCCUR", "N", False),
        ("ex", "EXOCCUR", "N", False),
    ],
)
def test_what_did_not_happen_is_read_by_no_rule(domain, column, said, read):
    rows = [{"USUBJID": "1", column: said}]
    first = standard({domain: pd.DataFrame(rows, dtype=object)}, PLAN)[domain]
    second = in_standard_terms({domain: rows}, PLAN)[domain]
    assert len(first) == len(second) == int(read)


@pytest.mark.parametrize(
    "domain,test,specimen,read",
    [
        # C78734, Specimen Type: creatinine of urine is CREAT with URINE, in mmol/L or mg/dL as well
        ("lb", "CREAT", "URINE", "CREAT URINE"),
        ("lb", "CREAT", "Serum", "CREAT"),
        ("lb", "PSA", "PLASMA", "PSA"),
        ("lb", "WBC", "BLOOD", "WBC"),
        ("lb", "WBC", None, "WBC"),
        ("lb", "WBC", "CEREBROSPINAL FLUID", "WBC CEREBROSPINAL FLUID"),
        ("pc", "CABAZ", "URINE", "CABAZ URINE"),
        ("pc", "CABAZ", "Plasma", "CABAZ"),
    ],
)
def test_a_value_of_urine_is_not_that_of_blood(domain, test, specimen, read):
    prefix = domain.upper()
    got = both(domain, USUBJID="1", **{f"{prefix}TESTCD": test, f"{prefix}SPEC": specimen})
    assert got[f"{prefix}TESTCD"] == read


@pytest.mark.parametrize(
    "coded,reported,known",
    [
        (None, "Prostate cancer", "PROSTATE CANCER"),
        (None, "METASTATIC DISEASE", "METASTATIC DISEASE"),
        (None, "HYPERTENSION", None),
        ("HYPERTENSION", "PROSTATE CANCER", "HYPERTENSION"),
    ],
)
def test_a_condition_that_is_not_coded_is_known_by_its_reported_term(coded, reported, known):
    assert both("mh", USUBJID="1", MHTERM=reported, MHDECOD=coded)["MHDECOD"] == known


def test_the_ecog_status_of_cdisc_is_read():
    """SDTM CT, ECOG performance status in RS: RSTESTCD is ECOG101, the result a number."""
    assert both("rs", USUBJID="1", RSTESTCD="ECOG101", RSSTRESC="1")["RSTESTCD"] == "ECOG"


def test_spellings_of_one_event_term_are_one_term():
    """MedDRA has one term: NAUSEA, Nausea and nausea; diarrhoea and diarrhea (data.md 4)."""
    said = ["DIARRHOEA", "Diarrhea", "DIARRHOEA", "Nausea", "NAUSEA", None]
    records = [{"USUBJID": "1", "AESEQ": n, "AEDECOD": term} for n, term in enumerate(said)]
    one = ["DIARRHOEA", "DIARRHOEA", "DIARRHOEA", "NAUSEA", "NAUSEA", None]
    first = standard({"ae": pd.DataFrame(records)}, PLAN)["ae"]["AEDECOD"]
    assert [None if pd.isna(term) else term for term in first] == one
    second = in_standard_terms({"ae": records}, PLAN)["ae"]
    assert [record["AEDECOD"] for record in second] == one


# --- several records in one table -------------------------------------------------------------------


def rows_of(domain: str, records: list[dict[str, object]]) -> list[dict[str, object]]:
    """Records in standard words, by the first and by the second computation, which must agree."""
    given = pd.DataFrame(records, dtype=object)
    first = standard({domain: given}, PLAN)[domain]
    assert list(first) == list(given)
    assert first.index.tolist() == list(range(len(first)))
    cells = first.astype(object).where(first.notna(), None).to_dict("records")
    assert cells == in_standard_terms({domain: [dict(one) for one in records]}, PLAN)[domain]
    return cells


def test_only_what_did_not_occur_is_left_out():
    """Case 13: N or NOT DONE, each on its own."""
    records: list[dict[str, object]] = [
        {"CMSEQ": 1, "CMOCCUR": "N", "CMSTAT": None},
        {"CMSEQ": 2, "CMOCCUR": "Y", "CMSTAT": None},
        {"CMSEQ": 3, "CMOCCUR": None, "CMSTAT": "NOT DONE"},
        {"CMSEQ": 4, "CMOCCUR": None, "CMSTAT": None},
    ]
    assert [row["CMSEQ"] for row in rows_of("cm", records)] == [2, 4]
    vitals: list[dict[str, object]] = [{"VSSEQ": 1, "VSSTAT": "NOT DONE"}]
    assert rows_of("vs", vitals) == vitals


def test_a_specimen_changes_the_test_of_its_own_record_only():
    """Case 14."""
    records: list[dict[str, object]] = [
        {"LBTESTCD": "CREAT", "LBSPEC": "SERUM"},
        {"LBTESTCD": "CREAT", "LBSPEC": "URINE"},
        {"LBTESTCD": "CREAT", "LBSPEC": None},
    ]
    assert [row["LBTESTCD"] for row in rows_of("lb", records)] == ["CREAT", "CREAT URINE", "CREAT"]
    without = pd.DataFrame({"LBSPEC": ["URINE"]})
    assert standard({"lb": without}, PLAN)["lb"].equals(without)
    assert rows_of("cp", [{"CPTESTCD": "CTC", "CPSPEC": "URINE"}])[0]["CPTESTCD"] == "CTC"


def test_a_condition_without_a_column_for_its_code_or_its_term_is_unchanged():
    """Case 15."""
    for column in ("MHTERM", "MHDECOD"):
        assert rows_of("mh", [{column: "Anaemia"}]) == [{column: "Anaemia"}]
    records: list[dict[str, object]] = [
        {"MHTERM": "Prostate cancer", "MHDECOD": None},
        {"MHTERM": "Prostate cancer", "MHDECOD": "HYPERTENSION"},
        {"MHTERM": "Gout", "MHDECOD": None},
    ]
    coded = [row["MHDECOD"] for row in rows_of("mh", records)]
    assert coded == ["PROSTATE CANCER", "HYPERTENSION", None]


@pytest.mark.parametrize(
    "terms, spelling",
    [
        (["Nausea", "nausea", "nausea"], "nausea"),  # the most frequent
        (["nausea", "Nausea", "NAUSEA"], "NAUSEA"),  # as frequent: the first in the alphabet
        (["nausea", "nausea", "Nausea", "Nausea"], "Nausea"),
        (["Nausea", "Nausea"], "Nausea"),  # one spelling stays
    ],
)
def test_the_spelling_of_an_event_term_is_the_most_frequent_then_the_first(terms, spelling):
    """Case 12, for terms and for body systems; another term keeps its own."""
    for column in ("AEDECOD", "AEBODSYS"):
        records: list[dict[str, object]] = [{"USUBJID": "1", column: term} for term in terms]
        records += [{"USUBJID": "1", column: "Pain"}, {"USUBJID": "1", column: None}]
        words = [row[column] for row in rows_of("ae", records)]
        assert words == [*[spelling] * len(terms), "Pain", None]


def test_a_reported_drug_is_used_only_where_none_is_coded():
    """Cases 7 to 9."""
    records: list[dict[str, object]] = [
        {"CMDECOD": "Xtandi", "CMTRT": "Zytiga"},
        {"CMDECOD": None, "CMTRT": "Zytiga"},
        {"CMDECOD": "OLAPARIB", "CMTRT": "Zytiga"},
        {"CMDECOD": None, "CMTRT": "herbs"},
        {"CMDECOD": None, "CMTRT": None},
    ]
    drugs = [row["CMDECOD"] for row in rows_of("cm", records)]
    assert drugs == ["ENZALUTAMIDE", "ABIRATERONE", "OLAPARIB", None, None]
    assert rows_of("cm", [{"CMDECOD": "Xtandi"}]) == [{"CMDECOD": "ENZALUTAMIDE"}]
    assert rows_of("cm", [{"CMTRT": "Xtandi"}]) == [{"CMTRT": "Xtandi"}]
    assert rows_of("pr", [{"CMDECOD": "Xtandi"}]) == [{"CMDECOD": "Xtandi"}]


def test_visits_of_one_table_are_each_known_or_unchanged():
    """Cases 10 and 11."""
    records: list[dict[str, object]] = [
        {"VISIT": visit} for visit in ("C1D1", "CYCLE 2", "WEEK 6", None)
    ]
    visits = [row["VISIT"] for row in rows_of("vs", records)]
    assert visits == ["CYCLE 1", "CYCLE 2", "WEEK 6", None]


def test_one_disposition_term_has_the_value_of_the_list_of_its_own_record():
    end, screening = "STUDY TREATMENT", "SCREENING"
    records: list[dict[str, object]] = [
        {"DSCAT": "DISPOSITION EVENT", "DSSCAT": part, "DSDECOD": word}
        for part, word in (
            (end, "Withdrawal of consent"), (screening, "WITHDRAWAL BY SUBJECT"),
            (end, "WITHDRAWAL BY SUBJECT"), (screening, "DECLINED"), (screening, "unknown term"),
            ("OTHER", "Withdrawal of consent"),
        )
    ]  # fmt: skip
    assert [row["DSDECOD"] for row in rows_of("ds", records)][:5] == [
        "WITHDRAWAL BY SUBJECT", "DECLINED", "WITHDRAWAL BY SUBJECT", "DECLINED", "unknown term",
    ]  # fmt: skip


def test_a_list_that_depends_on_a_column_is_not_used_without_the_column():
    for word in ("SCREEN FAILURE", "Informed consent"):
        record = {"USUBJID": "1", "DSDECOD": word}
        assert both("ds", **record) == record
    # The list of disposition events needs DSCAT only; that of the screening needs DSSCAT as well.
    got = both("ds", DSCAT="DISPOSITION EVENT", DSDECOD="Withdrawal of consent")
    assert got["DSDECOD"] == "WITHDRAWAL BY SUBJECT"


def test_units_of_one_table_are_each_read_for_their_own_records():
    """Cases 3 to 6: albumin in g/L, in g/dL (x 10), in an unknown unit, and other tests in g/dL."""
    rows = [
        ("ALB", "g/L", "35.0", 35.0, 30.0),
        ("ALB", "g/dL", "3.5", 3.5, 3.0),
        ("ALB", "G/L", "36.0", 36.0, 30.0),
        ("ALB", "lumps", "7", 7.0, 3.0),
        ("HGB", "G/DL", "13.50", 13.5, 12.0),
        ("PROT", "g/dL", "7.10", 7.1, 6.0),
        ("ALB", None, "3.5", 3.5, 3.0),
        ("ALB", "g/dL", "BLQ", None, None),
        ("ALB", "g/dL", "not done", None, None),
        ("ALB", "g/dL", None, None, None),
    ]
    names = ["LBTESTCD", "LBSTRESU", "LBSTRESC", "LBSTRESN", "LBSTNRLO"]
    got = rows_of("lb", [dict(zip(names, row, strict=True)) for row in rows])
    assert [list(row.values()) for row in got] == [
        ["ALB", "g/L", "35.0", 35, 30],
        ["ALB", "g/L", "35", 35, 30],
        ["ALB", "g/L", "36.0", 36, 30],
        ["ALB", "lumps", None, None, None],
        ["HGB", "g/dL", "13.50", 13.5, 12],
        ["PROT", "g/dL", "7.10", 7.1, 6],
        ["ALB", None, "3.5", 3.5, 3],
        ["ALB", "g/L", "BLQ", None, None],
        ["ALB", "g/L", None, None, None],
        ["ALB", "g/L", None, None, None],
    ]


def test_a_domain_with_units_may_lack_columns():
    assert rows_of("lb", [{"LBTESTCD": "ALB", "LBSTRESN": 3.5}])[0]["LBSTRESN"] == 3.5
    assert rows_of("lb", [{"LBTESTCD": "ALB", "LBSTRESU": "g/dL"}])[0]["LBSTRESU"] == "g/L"
    only = {"LBTESTCD": "ALB", "LBSTRESU": "g/dL", "LBLLOQ": 0.5}
    assert rows_of("lb", [only])[0]["LBLLOQ"] == 5
    other = {"QSTESTCD": "ALB", "LBSTRESU": "g/dL", "LBSTRESN": 3.5}
    assert rows_of("qs", [other]) == [other]


# --- the whole trial in other legal words -----------------------------------------------------------

AMERICAN = {"DIARRHOEA": "DIARRHEA", "ANAEMIA": "ANEMIA", "OEDEMA": "EDEMA"}
SAME_UNIT = {"ug/L": "ng/mL", "10^9/L": "10^3/uL", "U/L": "IU/L", "umol/L": "µmol/L"}
OTHER_WORDS = {
    "ae": {
        "AESER": {"Y": "Yes", "N": "No"},
        "AEREL": {"NOT RELATED": "NONE", "UNLIKELY RELATED": "REMOTE", "POSSIBLY RELATED": "POSSIBLE",
                  "PROBABLY RELATED": "PROBABLE"},
        "AEACN": {"DOSE NOT CHANGED": "Dose not changed", "DRUG WITHDRAWN": "Drug discontinued"},
        "AEOUT": {"RECOVERED/RESOLVED": "Resolved", "NOT RECOVERED/NOT RESOLVED": "Ongoing"},
    },
    "ds": {"DSDECOD": {"WITHDRAWAL BY SUBJECT": "WITHDRAWAL OF CONSENT",
                       "PROGRESSIVE DISEASE": "Disease progression",
                       "LOST TO FOLLOW-UP": "Lost to follow up"}},
    "ss": {"SSSTRESC": {"ALIVE": "Alive", "DEAD": "Dead"}},
    "gf": {"GFSTRESC": {"POSITIVE": "Positive", "NEGATIVE": "Negative"}},
    "cm": {"CMDECOD": {"ABIRATERONE": "ABIRATERONE ACETATE", "DOCETAXEL": "Docetaxel",
                       "ENZALUTAMIDE": "Xtandi", "CABAZITAXEL": "CABAZITAXEL ACETONE"}},
    "ex": {"EXTRT": {"CABAZITAXEL": "Jevtana", "PREDNISONE": "Prednisone"},
           "EXDOSU": {"mg/m2": "mg/m^2"}},
}  # fmt: skip


def otherwise(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The extract as another sponsor writes it: words, drugs, event terms, units, visits."""
    made = {name: table.copy() for name, table in tables.items()}
    for name, columns in OTHER_WORDS.items():
        for column, words in columns.items():
            made[name][column] = made[name][column].map(lambda cell, w=words: w.get(cell, cell))
    for name in ("cp", "gf", "lb", "ex", "vs"):
        if "VISIT" in made[name]:
            visits = made[name]["VISIT"].str.replace(r"^CYCLE (\d+)$", r"C\1D1", regex=True)
            made[name]["VISIT"] = visits
    terms = made["ae"]["AEDECOD"].replace(AMERICAN, regex=True)
    made["ae"]["AEDECOD"] = terms.where(made["ae"].index % 2 == 0, terms.str.capitalize())
    lb = made["lb"]
    albumin = lb["LBTESTCD"] == "ALB"
    for column in ("LBSTRESC", "LBSTRESN", "LBSTNRLO", "LBSTNRHI"):
        tenth = [None if cell is None else str(Decimal(cell) / 10) for cell in lb[column][albumin]]
        lb.loc[albumin, column] = tenth
    lb["LBSTRESU"] = lb["LBSTRESU"].replace(SAME_UNIT)
    lb.loc[albumin & lb["LBSTRESU"].notna(), "LBSTRESU"] = "G/DL"
    return made


@pytest.mark.slow
def test_the_trial_in_other_legal_words_gives_every_number_of_the_trial(tmp_path):
    from sap import ard, contracts, snapshot
    from sap.pipeline import analyses
    from sap.simulate import trial

    rules, day = contracts.load(), dt.date(2019, 6, 30)
    tables = trial.simulate(5, ctc_threshold=PLAN.biomarker.cell_count.minimum, n_screened=150)
    found, findings = [], []
    for extract in (tables, otherwise(tables)):
        rows = contracts.check(extract, rules, PLAN.inputs.required, plan=PLAN)
        findings.append(rows.groupby(["domain", "rule"]).size().to_dict())
        cut = snapshot.in_order(snapshot.cut(contracts.typed(extract, rules), day), rules)
        text = ard.to_csv(analyses.analyse(cut, PLAN, day).ard)
        found.append(sorted(fold(line) for line in text.splitlines()))
    assert found[0] == found[1]
    assert findings[0] == findings[1]  # and not one of them is called wrong
    frozen = snapshot.freeze(
        cut, cut_off=day, cut_off_name="final", planned=True, plan_hash="0", contracts=rules,
        findings=rows.iloc[:0], frozen_root=tmp_path,
    )  # fmt: skip
    made = analyses.analyse(snapshot.load(frozen), PLAN, day)
    second = qc.compare(frozen, PLAN, made.ard).rows
    assert (second["result"] == "agrees").sum() > 1000
    assert not (second["result"] == "differs").any()


@pytest.mark.slow
def test_plan_terms_in_the_spelling_of_meddra_give_the_numbers_of_upper_case():
    """Case plan-meddra-case.yml: "Febrile neutropenia" in the plan gave 0 events, nothing said."""
    from sap import ard, contracts
    from sap.pipeline import analyses
    from sap.plan.model import Plan
    from sap.simulate import trial

    content = PLAN.model_dump(mode="json")
    for rate in content["safety_rates"]["rates"]:
        rate["terms"] = [AMERICAN.get(term, term).capitalize() for term in rate["terms"]]
    monitored = content["toxicity_monitoring"]
    monitored["terms"] = [term.capitalize() for term in monitored["terms"]]
    reported = content["labs"]["reported_as"]
    reported |= {code: [term.capitalize() for term in terms] for code, terms in reported.items()}
    disease = content["deaths"]["progression_terms"]
    content["deaths"]["progression_terms"] = [term.capitalize() for term in disease]
    other = Plan.model_validate(content, strict=False)
    rules = contracts.load()
    tables = trial.simulate(5, ctc_threshold=PLAN.biomarker.cell_count.minimum, n_screened=150)
    typed = contracts.typed(tables, rules)
    first, second = (
        ard.to_csv(analyses.analyse(typed, plan, dt.date(2019, 6, 30)).ard)
        for plan in (PLAN, other)
    )
    assert first == second
    assert "toxicity_monitoring" in first


@pytest.mark.parametrize(
    "code, word, meant",
    [
        # a study whose laboratory reports DETECTED; MARKER-X is a variant of the test code
        ("MARKX", "detected", ("MARKX", "POSITIVE")),
        ("Marker-X", "NOT DETECTED", ("MARKX", "NEGATIVE")),
        ("MARKX", "FAILED", ("MARKX", "FAILED")),
        ("OTHER", "SEEN", ("OTHER", "SEEN")),  # of another test nothing changes
    ],
)
def test_results_of_the_biomarker_are_positive_or_negative_by_the_plan(code, word, meant):
    rule = PLAN.biomarker.model_copy(
        update={
            "test": "MARKX", "also": ["MARKER X"], "positive": ["DETECTED", "SEEN"],
            "negative": ["NOT DETECTED"],
        }
    )  # fmt: skip
    plan = PLAN.model_copy(update={"biomarker": rule})
    cells = {"GFTESTCD": code, "GFSTRESC": word}
    first = standard({"gf": pd.DataFrame([cells])}, plan)["gf"].iloc[0]
    (second,) = in_standard_terms({"gf": [dict(cells)]}, plan)["gf"]
    assert (first["GFTESTCD"], first["GFSTRESC"]) == meant
    assert (second["GFTESTCD"], second["GFSTRESC"]) == meant
