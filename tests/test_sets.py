"""Analysis sets: their sizes, and which patients of a set were treated, by hand."""

import pytest

from sap import ard
from sap.catalogue.populations import flags
from sap.plan import project_home, read_plan
from sap.results import sets as results
from sap.results.sets import analysis_sets, available, by_line, members, treated_of

PLAN = read_plan(project_home() / "analysis" / "plan.yml").plan

# No deviation and no concentration was collected: PPROTFL and PKEVFL are not derived.
SUBJECTS = """
    USUBJID | SCRFL | MPOSFL | PRIMFL | SAFFL | RESCFL | PSAEVFL | CTCEVFL | MEASFL | GRPAFL | RESCTRFL | NCYCLES | LINE
    --------+-------+--------+--------+-------+--------+---------+---------+--------+--------+----------+---------+------------
    01      | Y     | Y      | Y      | Y     | N      | Y       | Y       | N      | N      | N        | 3       | second line
    02      | Y     | Y      | Y      | Y     | N      | N       | N       | N      | N      | N        | 0       | third line
    03      | Y     | N      | N      | Y     | Y      | N       | N       | N      | Y      | Y        | 1       |
    04      | Y     | N      | N      | Y     | Y      | N       | N       | N      | Y      | N        | 2       |
    05      | Y     | N      | N      | N     | Y      | N       | N       | N      | Y      | Y        | 0       |
    06      | N     |        |        | N     |        | N       | N       | N      |        |          | 0       |
"""


@pytest.mark.worked("analysis_sets")
@pytest.mark.req("SAP-4.2")
def test_each_set_has_the_size_counted_by_hand(patients):
    rows = ard.bind(analysis_sets(patients(SUBJECTS), PLAN))
    assert set(rows["stat_name"]) == {"n"}
    assert dict(zip(rows["population"], rows["stat"], strict=True)) == {
        "SCREENED": 5, "MARKERPOS": 2, "PRIMARY": 2, "SAFETY": 4, "RESCREENED": 3, "PSAEVAL": 1,
        "CTCEVAL": 1, "MEASURABLE": 0, "GROUPA": 3,
    }  # fmt: skip


def test_a_set_that_was_not_derived_is_not_available_and_has_no_members(patients):
    adsl = patients(SUBJECTS)
    assert not available(adsl, "PERPROT")
    assert available(adsl, "MEASURABLE")
    assert len(members(adsl, "PERPROT")) == len(members(adsl, "MEASURABLE")) == 0


def test_the_treated_of_the_re_screened_were_treated_after_re_screening(patients):
    adsl = patients(SUBJECTS)
    assert treated_of(adsl, "PRIMARY")["USUBJID"].tolist() == ["01"]
    assert treated_of(adsl, "RESCREENED")["USUBJID"].tolist() == ["03"]
    assert treated_of(adsl, "SAFETY")["USUBJID"].tolist() == ["01", "03", "04"]


def test_lines_of_therapy_are_those_of_the_set(patients):
    lines = by_line(patients(SUBJECTS), "PRIMARY")
    assert {name: subjects["USUBJID"].tolist() for name, subjects in lines.items()} == {
        "": ["01", "02"],
        "second_line": ["01"],
        "third_line": ["02"],
    }


def test_the_populations_have_the_flags_of_the_sap():
    """SAP 4.2: eleven sets; the other entries of the catalogue only title displays."""
    assert dict(flags()) == {
        "SCREENED": "SCRFL", "MARKERPOS": "MPOSFL", "PRIMARY": "PRIMFL", "PSAEVAL": "PSAEVFL",
        "PERPROT": "PPROTFL", "CTCEVAL": "CTCEVFL", "MEASURABLE": "MEASFL", "GROUPA": "GRPAFL",
        "RESCREENED": "RESCFL", "SAFETY": "SAFFL", "PKEVAL": "PKEVFL",
    }  # fmt: skip


def test_the_results_of_the_sets_are_all_of_them(patients):
    rows = ard.bind(results.rows(adsl=patients(SUBJECTS), plan=PLAN))
    assert set(rows["analysis"]) == {"analysis_sets"}


def test_without_lines_of_therapy_every_patient_is_of_none(patients):
    lines = by_line(patients(SUBJECTS).drop(columns="LINE"), "PRIMARY")
    assert {name: len(subjects) for name, subjects in lines.items()} == {
        "": 2, "second_line": 0, "third_line": 0,
    }  # fmt: skip
