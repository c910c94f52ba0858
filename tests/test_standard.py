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
    (second,) = in_standard_words({domain: [dict(cells)]})[domain]
    assert first == second
    return first


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
