"""The screening flow of simulated trials: every patient once in every count."""

import pandas as pd
import pytest

from sap import ard, contracts
from sap.derivations.population import adsl
from sap.plan import project_home, read_plan
from sap.results.screening import biomarker_yield, boxes, final_box, flow
from sap.simulate import trial

PLAN = read_plan(project_home() / "analysis" / "plan.yml").plan


@pytest.fixture(scope="module", params=[1, 2, 3])
def people(request) -> pd.DataFrame:
    return adsl(contracts.typed(trial.simulate(request.param), contracts.load()), PLAN)


@pytest.mark.req("SAP-4.1")
def test_the_final_boxes_add_up_to_the_distinct_persons(people):
    rows = ard.bind(flow(people, PLAN))
    ends = rows[rows["paramcd"] == "FINAL"]
    assert ends["stat"].sum() == people["USUBJID"].nunique() == len(people)


def test_nobody_is_in_two_final_boxes_and_the_denominator_has_no_re_screened_subject(people):
    assert final_box(people).notna().all()
    assert not ((people["PRIMFL"] == "Y") & (people["RESCTRFL"] == "Y")).any()


def test_boxes_that_part_a_box_add_up_to_it(people):
    found = {name: int(who.sum()) for name, who in boxes(people, PLAN).items()}
    assert found["Qualifies for group B"] + found["Does not qualify"] == found["Sampled"]
    assert found["Sampled"] + found["No sample"] == found["Consented"]
    assert found["CTC < 3"] + found["CTC >= 3"] == found["CTC evaluable"]
    why = ("declined", "not eligible", "other")
    left = [found[f"Qualified, not treated: {reason}"] for reason in why]
    assert sum(left) == found["Qualified, not treated"]
    allocated = people["GROUP"] == "B"
    assert left[1] == (allocated & (people["SCRNOUT"] == "NOT ELIGIBLE")).sum()
    assert found["CTC evaluable"] + found["CTC not evaluable"] == found["Sampled"]
    treated = found["Treated in group B after first screening"]
    assert treated + found["Qualified, not treated"] == found["Qualifies for group B"]
    assert found["Group A"] + found["Does not qualify, not in group A"] == found["Does not qualify"]


def test_the_fork_of_the_re_screened_adds_up(people):
    found = {name: int(who.sum()) for name, who in boxes(people, PLAN).items()}
    again = found["Re-screened, AR-V7 positive, CTC >= 3"]
    assert again + found["Re-screened, does not qualify"] == found["Re-screened"]
    left = "Re-screened, qualified, not treated"
    assert found[left] + found["Treated in group B after re-screening"] == again
    lost = [found[f"{left}: {reason}"] for reason in ("not eligible", "declined", "other")]
    assert sum(lost) == found[left]
    # In the simulated trial a patient declines after re-screening only when he has been allocated.
    assert lost[1] == (people["RESCOUT"] == "DECLINED").sum()
    ended = final_box(people).value_counts()
    assert found["Group A"] == ended["Group A, not re-screened"] + found["Re-screened"]
    assert found["Re-screened"] > found[left] + found["Re-screened, does not qualify"] > 0


def test_reasons_for_undetermined_add_up(people):
    rows = ard.bind(flow(people, PLAN))
    for state in ("AR-V7 undetermined", "AR-V7 not done"):
        here = rows[rows["level"] == state]
        whole = here.loc[here["paramcd"] == "BOX", "stat"].sum()
        assert here.loc[here["paramcd"] == "REASON", "stat"].sum() == whole


def test_the_yield_has_the_flow_s_numbers(people):
    rows = ard.bind(biomarker_yield(people, PLAN))
    n = rows[(rows["level"] == "AR-V7 positive of sampled") & (rows["stat_name"] == "n")]
    assert n["stat"].iloc[0] == (people["ARV7BL"] == "POSITIVE").sum()


@pytest.mark.shared
def test_caba_v7_has_the_published_flow(shared_data):
    """trial.md 1.6 (SUPP): 137 patients; Pos 40, Neg 63, Und 34; CTC >= 3 in 35, 51 and 10."""
    from sap.intake import caba_v7

    plan = read_plan(project_home() / "analysis" / "plan-caba-v7.yml").plan
    tables, _ = caba_v7.read(shared_data / "caba-v7")
    subjects = adsl(contracts.typed(tables, contracts.load()), plan)
    found = {name: int(who.sum()) for name, who in boxes(subjects, plan).items()}
    states = ("positive", "negative", "undetermined")
    assert found["Sampled"] == 137
    assert [found[f"AR-V7 {s}"] for s in states] == [40, 63, 34]
    assert [found[f"AR-V7 {s}, CTC >= 3"] for s in states] == [35, 51, 10]
    assert found["Treated in group B after first screening"] == 25
    assert found["Declined"] == 14
