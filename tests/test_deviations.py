"""Departures from the plan: read strictly, loud when the plan moved, shown where they matter."""

from pathlib import Path

import pytest

from sap.errors import PlanError
from sap.plan import project_home, read_plan
from sap.plan.deviations import check_affected, read_deviations

HOME = project_home()
PLAN = read_plan(HOME / "analysis" / "plan.yml").plan

ENTRY = """
- id: DEV-01
  study: CARVE
  decided: 2019-03-14
  before_lock: true
  section: SAP 5.1
  planned: Confirmation after the days of the plan.
  done: Confirmation a week earlier.
  reason: An amendment moved the visits.
  results_affected: [psa_response]
  expect: {psa_response.confirm_after_days: 28}
"""


def read(tmp_path: Path, text: str):
    path = tmp_path / "deviations.yml"
    path.write_text(text, encoding="utf-8")
    return read_deviations(path, PLAN)


@pytest.mark.parametrize("name", ["plan.yml", "plan-caba-v7.yml"])
def test_the_file_of_the_repository_fits_both_plans(name):
    plan = read_plan(HOME / "analysis" / name).plan
    assert read_deviations(HOME / "analysis" / "deviations.yml", plan) is not None


def test_an_entry_that_fits_is_read(tmp_path):
    (one,) = read(tmp_path, ENTRY)
    assert (one.id, str(one.decided), one.results_affected) == (
        "DEV-01",
        "2019-03-14",
        ["psa_response"],
    )


def test_an_entry_of_another_study_is_left_out(tmp_path):
    other = ENTRY.replace("study: CARVE", "study: CABA-V7").replace(": 28}", ": 99}")
    assert read(tmp_path, other) == []


@pytest.mark.parametrize(
    "old, new, said",
    [
        (": 28}", ": 21}", "was changed after the deviation was recorded"),
        ("confirm_after_days", "confirm_after", "the plan has no entry"),
        ("DEV-01", "DEV-1", "id"),
        ("before_lock: true\n", "before_lock: perhaps\n", "before_lock"),
        ("  reason: An amendment moved the visits.\n", "", "reason: is missing"),
        ("  reason:", "  excuse: none\n  reason:", "excuse: unknown key"),
        ("[psa_response]", "[]", "results_affected"),
        ("{psa_response.confirm_after_days: 28}", "{}", "expect"),
    ],
)
def test_an_entry_that_does_not_hold_stops_the_run(tmp_path, old, new, said):
    assert old in ENTRY
    with pytest.raises(PlanError, match=said):
        read(tmp_path, ENTRY.replace(old, new))


def test_an_id_twice_and_an_empty_file_are_refused(tmp_path):
    with pytest.raises(PlanError, match="given twice"):
        read(tmp_path, ENTRY + ENTRY)
    with pytest.raises(PlanError, match=r"Write `\[\]` for none"):
        read(tmp_path, "# nothing\n")


def test_an_affected_result_must_be_one_of_the_run(tmp_path):
    found = read(tmp_path, ENTRY)
    check_affected(found, {"psa_response", "os"})
    with pytest.raises(PlanError, match="no analysis psa_response"):
        check_affected(found, {"os"})
