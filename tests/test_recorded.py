"""The simulated trial has the readers, sexes, reduced doses and ends of treatment of its plan."""

from pathlib import Path

import pandas as pd
import pytest

from sap.catalogue.populations import populations
from sap.derivations.disposition import least_treatment
from sap.displays import sentences
from sap.plan import read_plan
from sap.plan.model import PriorTherapy
from sap.simulate.recorded import ends_of_intervals, readers, sexes
from sap.simulate.study import _scaled, names_of

HOME = Path(__file__).parents[1]
CARVE = read_plan(HOME / "analysis" / "plan.yml").plan
DAILY = read_plan(HOME / "docs" / "examples" / "one-arm-plan.yml").plan

pytestmark = pytest.mark.req("SAP-5.9")


def test_daily_doses_end_with_treatment_death_or_the_data():
    """By hand: 01 stopped on 2016-09-30, day 61; 02 died on the day of the second interval; 03 is on treatment."""
    ex = pd.DataFrame(
        [
            ("01", "XANOMELINE", "2016-08-01", "2016-09-11", "42"),
            ("01", "XANOMELINE", "2016-09-12", "2016-10-02", "63"),
            ("01", "XANOMELINE", None, None, None),
            ("02", "XANOMELINE", "2016-08-01", "2016-08-21", "21"),
            ("02", "XANOMELINE", "2016-08-22", "2016-09-11", "42"),
            ("03", "XANOMELINE", "2016-09-01", "2016-10-09", "39"),
        ],
        columns=["USUBJID", "EXTRT", "EXSTDTC", "EXENDTC", "EXENDY"], dtype=object,
    )  # fmt: skip
    dm = pd.DataFrame(
        [
            ("01", "2016-08-01", "2016-09-12", None),
            ("02", "2016-08-01", "2016-08-22", "2016-08-22"),
            ("03", "2016-09-01", "2016-09-01", None),
            ("04", None, None, None),
        ],
        columns=["USUBJID", "RFSTDTC", "RFENDTC", "DTHDTC"], dtype=object,
    )  # fmt: skip
    ds = pd.DataFrame(
        [("01", "DISPOSITION EVENT", "STUDY TREATMENT", "2016-09-30")],
        columns=["USUBJID", "DSCAT", "DSSCAT", "DSSTDTC"],
    )
    ts = pd.DataFrame({"TSPARMCD": ["DCUTDTC"], "TSVAL": ["2016-10-01"]})
    tables = {"ex": ex, "dm": dm, "ds": ds, "ts": ts}
    made = ends_of_intervals(tables, DAILY)
    assert made["ex"][["EXENDTC", "EXENDY"]].to_numpy().tolist() == [
        ["2016-09-11", "42"],
        ["2016-09-30", "61"],
        [None, None],
        ["2016-08-21", "21"],
        ["2016-08-22", "22"],
        ["2016-10-01", "31"],
    ]
    assert made["dm"]["RFENDTC"].tolist() == ["2016-09-30", "2016-08-22", "2016-10-01", None]
    assert ends_of_intervals(tables, CARVE) == tables


def test_a_reduced_dose_is_that_of_the_plan():
    """A reduced dose of 54 mg where the plan has it, else in proportion: 81 x 20/25 = 64.8."""
    ex = pd.DataFrame(
        {"EXTRT": "XANOMELINE", "EXDOSE": ["25", "20"], "EXDOSU": "mg/m2"}, dtype=object
    )
    exposure = DAILY.exposure.model_copy(update={"reduced_at_most": 54.0})
    with_dose = DAILY.model_copy(update={"exposure": exposure})
    assert _scaled(ex, with_dose)["EXDOSE"].tolist() == ["81", "54"]
    assert _scaled(ex, DAILY)["EXDOSE"].tolist() == ["81", "64.8"]


def test_a_class_of_prior_drugs_is_the_prior_treatment_where_the_plan_names_no_drug():
    prior = PriorTherapy(
        name="platinum", abbreviation="platinum", drugs=["CARBOPLATIN", "CISPLATIN"]
    )
    baseline = DAILY.baseline.model_copy(update={"prior_class": prior})
    named = names_of(DAILY.model_copy(update={"baseline": baseline}))
    assert (named["DOCETAXEL"], named["ABIRATERONE"]) == ("CARBOPLATIN", "CISPLATIN")


def test_scans_are_read_by_the_evaluator_of_the_plan():
    tumour = DAILY.tumour.model_copy(
        update={"evaluator": "INDEPENDENT ASSESSOR", "evaluator_id": "RADIOLOGIST 1"}
    )
    rs = pd.DataFrame({"RSEVAL": ["INVESTIGATOR", None]}, dtype=object)
    made = readers({"rs": rs}, DAILY.model_copy(update={"tumour": tumour}))["rs"]
    assert made["RSEVAL"].tolist() == ["INDEPENDENT ASSESSOR", None]
    assert made["RSEVALID"].tolist() == ["RADIOLOGIST 1", None]


def test_the_patients_have_the_sexes_of_the_plan():
    dm = pd.DataFrame({"USUBJID": [f"{n:03d}" for n in range(60)], "SEX": "M"}, dtype=object)
    assert set(sexes({"dm": dm}, DAILY)["dm"]["SEX"]) == {"F", "M"}
    of_women = DAILY.model_copy(update={"study": DAILY.study.model_copy(update={"sexes": ["F"]})})
    assert set(sexes({"dm": dm}, of_women)["dm"]["SEX"]) == {"F"}
    assert set(sexes({"dm": dm}, CARVE)["dm"]["SEX"]) == {"M"}


@pytest.mark.req("SAP-3")
@pytest.mark.parametrize(
    "plan,assumed,protocol",
    [(CARVE, True, "2 cycles, or"), (DAILY, False, "42 days of treatment, or")],
)
def test_the_report_says_the_per_protocol_set_and_where_the_design_is_from(
    plan, assumed, protocol, monkeypatch
):
    plan = plan.model_copy(
        update={"design": plan.design.model_copy(update={"assumption": assumed})}
    )
    content = plan.model_dump(mode="json")
    monkeypatch.setattr("sap.ard.plan", lambda: plan)
    monkeypatch.setattr("sap.ard.table", lambda _: content)
    monkeypatch.setattr(sentences, "printed", lambda _: True)
    assert protocol in sentences.per_protocol().plain
    assert ("as assumptions" in sentences.design_source().plain) == assumed
    in_cycles = plan.exposure.dosing == "cycles"
    by_protocol = populations()["PERPROT"].text(plan)
    assert ("2 cycles or" in by_protocol, "42 days of treatment or" in by_protocol) == (
        in_cycles,
        not in_cycles,
    )
    assert least_treatment(plan) == ("2 cycles" if in_cycles else "42 days of treatment")
    assert ("Infusions" in sentences.given_by().plain) == in_cycles
    assert ("intervals" in sentences.intensity_by_day().plain) != in_cycles
    assert ("sample" in sentences.assignment()) == (plan.biomarker is not None)
    assert ("line" in sentences.and_line().plain) == (plan.lines is not None)
    monkeypatch.setattr(sentences, "printed", lambda _: False)
    assert sentences.per_protocol().plain == ""
