"""Participant flow: categories and dispositions by hand, and sums over simulated trials."""

import pandas as pd
import pytest

from sap import ard, contracts
from sap.derivations.population import adsl
from sap.plan import project_home, read_plan
from sap.results import screening as results
from sap.results.screening import biomarker_yield, categories, final_disposition, flow
from sap.simulate import trial

PLAN = read_plan(project_home() / "analysis" / "plan.yml").plan


# One patient for each category; RESCTRFL and NCYCLES say who was treated.
SUBJECTS = """
    USUBJID | RFICDTC    | SCRFL | CTCBL | MARKBL       | MARKREAS     | GROUP | SCRNOUT      | NCYCLES | RESCFL | RESCMARK | RESCCTC | RESCTRFL | RESCIEFL | RESCOUT  | RESALLDTC
    --------+------------+-------+-------+--------------+--------------+-------+--------------+---------+--------+----------+---------+----------+----------+----------+-----------
    01      | 2017-01-01 | Y     | 3     | POSITIVE     |              | B     |              | 2       | N      |          |         | N        |          |          |
    02      | 2017-01-01 | Y     | 9     | POSITIVE     |              | B     | DECLINED     | 0       | N      |          |         | N        |          |          |
    03      | 2017-01-01 | Y     | 9     | POSITIVE     |              | B     | NOT ELIGIBLE | 0       | N      |          |         | N        |          |          |
    04      | 2017-01-01 | Y     | 9     | POSITIVE     |              | B     |              | 0       | N      |          |         | N        |          |          |
    05      | 2017-01-01 | Y     | 2     | POSITIVE     |              | A     |              | 0       | Y      | POSITIVE | 3       | Y        | Y        |          | 2017-09-01
    06      | 2017-01-01 | Y     | 40    | NEGATIVE     |              | A     |              | 0       | Y      | POSITIVE | 9       | N        | N        | DECLINED |
    07      | 2017-01-01 | Y     | 2     | NEGATIVE     |              | A     |              | 0       | Y      | POSITIVE | 9       | N        | Y        | DECLINED | 2017-09-01
    08      | 2017-01-01 | Y     | 9     | UNDETERMINED | QPCR FAILURE | A     |              | 0       | Y      | POSITIVE | 9       | N        | Y        |          |
    09      | 2017-01-01 | Y     | 9     | UNDETERMINED | QPCR FAILURE | A     |              | 0       | Y      | POSITIVE | 2       | N        | N        |          |
    10      | 2017-01-01 | Y     | 0     | UNDETERMINED | TOO FEW CTC  | A     |              | 0       | Y      | NEGATIVE | 9       | N        |          |          |
    11      | 2017-01-01 | Y     |       | NOT DONE     |              | A     |              | 0       | N      |          |         | N        |          |          |
    12      | 2017-01-01 | Y     | 9     | NEGATIVE     |              |       | DECLINED     | 0       | N      |          |         | N        |          |          |
    13      | 2017-01-01 | Y     | 9     | NEGATIVE     |              |       |              | 0       | N      |          |         | N        |          |          |
    14      | 2017-01-01 | N     |       |              |              |       | NOT ELIGIBLE | 0       | N      |          |         | N        |          |          |
    15      |            | N     |       |              |              |       |              | 0       | N      |          |         | N        |          |          |
    16      | 2017-01-01 | Y     | 9     | NEGATIVE     |              | B     |              | 1       | N      |          |         | N        |          |          |
"""
PATIENTS = {
    "consented": "01 02 03 04 05 06 07 08 09 10 11 12 13 14 16",
    "no_sample": "14",
    "sampled": "01 02 03 04 05 06 07 08 09 10 11 12 13 16",
    "ctc_evaluable": "01 02 03 04 05 06 07 08 09 10 12 13 16",
    "ctc_not_evaluable": "11",
    "ctc_below_minimum": "05 07 10",
    "ctc_minimum_met": "01 02 03 04 06 08 09 12 13 16",
    "marker_positive": "01 02 03 04 05",
    "marker_positive_ctc_minimum_met": "01 02 03 04",
    "marker_positive_ctc_below_minimum": "05",
    "marker_negative": "06 07 12 13 16",
    "marker_negative_ctc_minimum_met": "06 12 13 16",
    "marker_negative_ctc_below_minimum": "07",
    "marker_undetermined": "08 09 10",
    "marker_undetermined_ctc_minimum_met": "08 09",
    "marker_undetermined_ctc_below_minimum": "10",
    "marker_not_done": "11",
    "marker_not_done_ctc_minimum_met": "",
    "marker_not_done_ctc_below_minimum": "",
    "qualified": "01 02 03 04",
    "not_qualified": "05 06 07 08 09 10 11 12 13 16",
    "not_qualified_not_allocated": "12 13 16",
    "group_a": "05 06 07 08 09 10 11",
    "group_b": "01 02 03 04 16",
    "treated_first": "01 16",
    "qualified_not_treated": "02 03 04",
    "qualified_not_treated_declined": "02",
    "qualified_not_treated_not_eligible": "03",
    "qualified_not_treated_other": "04",
    "declined": "02 12",
    "not_eligible": "03 14",
    "rescreened": "05 06 07 08 09 10",
    "rescreened_not_qualified": "09 10",
    "rescreened_qualified": "05 06 07 08",
    "rescreened_allocated": "05 07",
    "rescreened_treated": "05",
    "rescreened_qualified_not_treated": "06 07 08",
    "rescreened_qualified_not_treated_not_eligible": "06",
    "rescreened_qualified_not_treated_declined": "07",
    "rescreened_qualified_not_treated_other": "08",
    "rescreened_not_eligible": "06 09",
}
FINAL = {
    "end_treated_first": "01 16",
    "end_rescreened_treated": "05",
    "end_rescreened_not_treated": "06 07 08 09 10",
    "end_group_a_not_rescreened": "11",
    "end_no_sample": "14 15",
    "end_declined": "02 12",
    "end_not_eligible": "03",
    "end_group_b_not_treated": "04",
    "end_not_allocated": "13",
}


@pytest.fixture
def worked(patients) -> pd.DataFrame:
    adsl = patients(SUBJECTS).set_index("USUBJID", drop=False)
    adsl["NCYCLES"] = adsl["NCYCLES"].where(adsl.index != "05", 3.0)
    for name in ("RFIC", "RESALL"):
        adsl[f"{name}DT"] = pd.to_datetime(adsl[f"{name}DTC"])
    return adsl


@pytest.mark.worked("flow")
@pytest.mark.req("SAP-4.1")
def test_each_category_counts_the_patients_named_by_hand(worked):
    members = categories(worked, PLAN)
    assert {level: " ".join(who.index[who]) for level, who in members.items()} == PATIENTS
    final = final_disposition(worked)
    assert {level: " ".join(final.index[final == level]) for level in FINAL} == FINAL
    rows = ard.bind(flow(worked, PLAN))
    assert set(rows["stat_name"]) == {"n"}
    keys = rows[["paramcd", "level", "sublevel"]].itertuples(index=False, name=None)
    by_hand = {("BOX", level, ""): len(ids.split()) for level, ids in PATIENTS.items()}
    by_hand |= {("FINAL", level, ""): len(ids.split()) for level, ids in FINAL.items()}
    by_hand |= {
        ("REASON", "marker_undetermined", "QPCR FAILURE"): 2,
        ("REASON", "marker_undetermined", "TOO FEW CTC"): 1,
        ("REASON", "marker_not_done", "not_recorded"): 1,
    }
    assert dict(zip(keys, rows["stat"], strict=True)) == by_hand


@pytest.mark.worked("biomarker_yield")
def test_the_rates_of_the_screening_samples_have_their_own_denominators(worked):
    """14 sampled: 13 with a count, 10 positive or negative, 5 positive, 4 of them with 3 CTC or more.

    Exact 95 % limits of 5 of 10: 0.1871, 0.8129 (tables of Clopper and Pearson).
    """
    rows = ard.bind(biomarker_yield(worked, PLAN)).set_index(["level", "stat_name"])["stat"]
    assert {level: (rows[level, "n"], rows[level, "N"]) for level in rows.index.levels[0]} == {
        "ctc_evaluable": (13, 14),
        "marker_determined": (10, 14),
        "marker_positive_of_determined": (5, 10),
        "marker_positive_of_sampled": (5, 14),
        "marker_positive_ctc_minimum_met": (4, 14),
    }
    positive = rows["marker_positive_of_determined"]
    assert positive["estimate"] == 0.5
    assert positive["conf_level"] == 0.95
    assert positive["conf_low"] == pytest.approx(0.1871, abs=5e-5)
    assert positive["conf_high"] == pytest.approx(0.8129, abs=5e-5)


def test_without_a_screened_patient_no_rate_is_estimable(worked):
    no_patients = worked.iloc[:0]
    rows = ard.bind(biomarker_yield(no_patients, PLAN))
    estimates = rows[rows["stat_name"].isin(("estimate", "conf_low", "conf_high"))]
    assert estimates["stat"].isna().all()
    assert (estimates["stat_text"] != "").all()
    counts = ard.bind(flow(no_patients, PLAN))
    assert set(counts["paramcd"]) == {"BOX"}
    assert set(counts["stat"]) == {0}


@pytest.fixture(scope="module", params=[1, 2, 3])
def subjects(request) -> pd.DataFrame:
    return adsl(contracts.typed(trial.simulate(request.param), contracts.load()), PLAN)


@pytest.mark.req("SAP-4.1")
def test_the_final_dispositions_add_up_to_the_distinct_patients(subjects):
    rows = ard.bind(flow(subjects, PLAN))
    ends = rows[rows["paramcd"] == "FINAL"]
    assert ends["stat"].sum() == subjects["USUBJID"].nunique() == len(subjects)


def test_each_patient_has_a_final_disposition_and_the_primary_set_no_re_screened_patient(subjects):
    assert final_disposition(subjects).notna().all()
    assert not ((subjects["PRIMFL"] == "Y") & (subjects["RESCTRFL"] == "Y")).any()


def test_the_parts_of_a_category_add_up_to_it(subjects):
    counts = {level: int(members.sum()) for level, members in categories(subjects, PLAN).items()}
    assert counts["qualified"] + counts["not_qualified"] == counts["sampled"]
    assert counts["sampled"] + counts["no_sample"] == counts["consented"]
    assert counts["ctc_below_minimum"] + counts["ctc_minimum_met"] == counts["ctc_evaluable"]
    why = ("declined", "not_eligible", "other")
    left = [counts[f"qualified_not_treated_{reason}"] for reason in why]
    assert sum(left) == counts["qualified_not_treated"]
    allocated = subjects["GROUP"] == "B"
    assert left[1] == (allocated & (subjects["SCRNOUT"] == "NOT ELIGIBLE")).sum()
    assert counts["ctc_evaluable"] + counts["ctc_not_evaluable"] == counts["sampled"]
    treated = counts["treated_first"]
    assert treated + counts["qualified_not_treated"] == counts["qualified"]
    assert counts["group_a"] + counts["not_qualified_not_allocated"] == counts["not_qualified"]


def test_the_categories_of_re_screened_patients_add_up(subjects):
    counts = {level: int(members.sum()) for level, members in categories(subjects, PLAN).items()}
    again = counts["rescreened_qualified"]
    assert again + counts["rescreened_not_qualified"] == counts["rescreened"]
    left = "rescreened_qualified_not_treated"
    assert counts[left] + counts["rescreened_treated"] == again
    lost = [counts[f"{left}_{reason}"] for reason in ("not_eligible", "declined", "other")]
    assert sum(lost) == counts[left]
    # In the simulated trial a patient declines after re-screening only when he has been allocated.
    assert lost[1] == (subjects["RESCOUT"] == "DECLINED").sum()
    ended = final_disposition(subjects).value_counts()
    assert counts["group_a"] == ended["end_group_a_not_rescreened"] + counts["rescreened"]
    assert counts["rescreened"] > counts[left] + counts["rescreened_not_qualified"] > 0


def test_reasons_for_undetermined_add_up(subjects):
    rows = ard.bind(flow(subjects, PLAN))
    for state in ("marker_undetermined", "marker_not_done"):
        of_state = rows[rows["level"] == state]
        total = of_state.loc[of_state["paramcd"] == "BOX", "stat"].sum()
        assert of_state.loc[of_state["paramcd"] == "REASON", "stat"].sum() == total > 0


def test_the_yield_has_the_numbers_of_the_flow(subjects):
    rows = ard.bind(biomarker_yield(subjects, PLAN))
    n = rows[(rows["level"] == "marker_positive_of_sampled") & (rows["stat_name"] == "n")]
    assert n["stat"].iloc[0] == (subjects["MARKBL"] == "POSITIVE").sum()


@pytest.mark.shared
def test_caba_v7_has_the_published_flow(shared_data):
    """trial.md 1.6 (SUPP): 137 patients; Pos 40, Neg 63, Und 34; CTC >= 3 in 35, 51 and 10."""
    from sap.intake import caba_v7

    plan = read_plan(project_home() / "analysis" / "plan-caba-v7.yml").plan
    tables, _ = caba_v7.read(shared_data / "caba-v7")
    subjects = adsl(contracts.typed(tables, contracts.load()), plan)
    counts = {level: int(members.sum()) for level, members in categories(subjects, plan).items()}
    states = ("positive", "negative", "undetermined")
    assert counts["sampled"] == 137
    assert [counts[f"marker_{s}"] for s in states] == [40, 63, 34]
    assert [counts[f"marker_{s}_ctc_minimum_met"] for s in states] == [35, 51, 10]
    assert counts["treated_first"] == 25
    assert counts["declined"] == 14


def test_the_results_of_the_screening_are_all_of_them(worked):
    rows = ard.bind(results.rows(adsl=worked, plan=PLAN))
    assert set(rows["analysis"]) == {"flow", "biomarker_yield"}


def test_what_was_recorded_of_a_patient_without_a_screening_sample_is_no_result_of_it(worked):
    """A count and a marker of another sample, and an answer about re-screening, of 14 and 15."""
    more = worked.copy()
    more.loc[["14", "15"], ["CTCBL", "MARKBL"]] = [9.0, "POSITIVE"]
    more.loc[["14", "15"], "RESCIEFL"] = "N"
    members = categories(more, PLAN)
    expected = {level: " ".join(who.index[who]) for level, who in members.items()}
    assert expected == PATIENTS
    rows = ard.bind(biomarker_yield(more, PLAN))
    pd.testing.assert_frame_equal(rows, ard.bind(biomarker_yield(worked, PLAN)))
