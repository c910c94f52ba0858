"""The table of estimands: five attributes by E9(R1), and strategies that are those of the derivations.

Each strategy is held against one patient by hand: under treatment policy the event changes nothing, under
composite it makes a non-responder (or is the event), under the hypothetical strategy follow-up ends before it.
"""

import json

import numpy as np
import pandas as pd
import pytest

from sap import ard
from sap.catalogue.reporting import analyses, analysis
from sap.derivations.response import adpsa, psa_response
from sap.derivations.survival import DatedEvent, FollowUp, adtte, definitions, outcome
from sap.displays import estimand as display
from sap.plan import project_home, read_plan
from sap.plan.model import Plan

HOME = project_home()
PLANS = {
    name: read_plan(HOME / "analysis" / f"{name}.yml").plan for name in ("plan", "plan-caba-v7")
}
PLAN = PLANS["plan"]
START = pd.Timestamp("2018-01-01")
NAMES = ("psa_response", "os", "pfs")
both = pytest.mark.parametrize("plan", PLANS.values(), ids=list(PLANS))


def day(number: int) -> str:
    return f"{START + pd.Timedelta(days=number):%Y-%m-%d}"


# ---- PSA response ------------------------------------------------------------------------------


def response_of(rule, *, last: int = 63, values=((0, 100), (21, 40), (56, 30)), cm=()) -> str:
    """PSA response of one patient, who without any event responds on day 21, confirmed on day 56."""
    adsl = pd.DataFrame({
        "STUDYID": ["T"], "USUBJID": ["01"], "TRTSDT": [START], "NCYCLES": [4.0],
        "TRTEDT": [START + pd.Timedelta(days=last)],
    })  # fmt: skip
    lb = pd.DataFrame({
        "USUBJID": "01", "LBSEQ": range(len(values)), "LBTESTCD": "PSA", "LBSTRESC": None,
        "LBSTRESN": [float(psa) for _, psa in values], "LBLLOQ": np.nan,
        "LBDTC": [day(at) for at, _ in values],
    })  # fmt: skip
    therapies = pd.DataFrame(
        [{"USUBJID": "01", "CMCAT": category, "CMSTDTC": day(at)} for category, at in cm],
        columns=["USUBJID", "CMCAT", "CMSTDTC"],
    )
    course = adpsa({"lb": lb, "cm": therapies}, adsl, rule)
    result = psa_response(adsl, course, rule, confirm_after_days=rule.confirm_after_days)
    return str(result["AVALC"].iloc[0])


SUBSEQUENT = "SUBSEQUENT ANTICANCER THERAPY"
# What happens to the patient by each event; the rule reads no dose and no reading of progression, so that
# a dose change and progression leave the course as it is.
PSA_EVENTS = {
    "dose change": {},
    "progression": {},
    "treatment stopped": {"last": 21},  # values count until day 42: the one of day 56 does not
    "new anticancer therapy": {"cm": [(SUBSEQUENT, 30)]},
    "other treatment": {"cm": [("CONCOMITANT RADIOTHERAPY", 30), ("PALLIATIVE", 31)]},
    "death": {"values": ((0, 100), (21, 40))},  # on day 40: no value after it
}


@both
@pytest.mark.parametrize("event", PSA_EVENTS)
def test_the_strategy_of_psa_response_is_what_the_rule_does(plan, event):
    rule = plan.psa_response
    assert response_of(rule) == "Y"
    strategy = plan.estimands.of("psa_response").strategy(event)
    expected = {"treatment policy": "Y", "composite": "N", "while on treatment": "N"}[strategy]
    assert response_of(rule, **PSA_EVENTS[event]) == expected


@both
def test_a_response_confirmed_after_the_end_of_treatment_counts_as_the_table_has_it(plan):
    """Last infusion on day 40: values until day 61 count, the confirming one of day 56 among them.

    So the strategy is no composite one: the end of treatment by itself is no failure.
    """
    assert plan.estimands.of("psa_response").strategy("treatment stopped") == "while on treatment"
    assert response_of(plan.psa_response, last=40) == "Y"


@both
def test_a_therapy_after_the_confirmation_takes_no_response_away(plan):
    assert response_of(plan.psa_response, cm=[(SUBSEQUENT, 57)]) == "Y"


# ---- overall and progression-free survival -----------------------------------------------------


@both
def test_overall_survival_has_treatment_policy_for_every_event(plan):
    """Whatever happens on treatment, a death is an event on its day: allocation on day 0, death on day 300."""
    strategies = {one.strategy for one in plan.estimands.of("os").intercurrent_events}
    assert strategies == {"treatment policy"}
    adsl = pd.DataFrame({
        "STUDYID": ["T"], "USUBJID": ["01"], "RFICDT": [START], "ALLOCDT": [START],
        "TRTSDT": [START + pd.Timedelta(days=5)], "RESALLDT": [pd.NaT], "RESCTRFL": ["N"],
        "DTHDT": [START + pd.Timedelta(days=300)], "LSTALVDT": [START + pd.Timedelta(days=300)],
        # stopped on day 60, a new therapy on day 70
        "DCTREAS": ["ADVERSE EVENT"], "DCTDT": [START + pd.Timedelta(days=60)],
        "NEWTHDT": [START + pd.Timedelta(days=70)],
    })  # fmt: skip
    times = adtte(adsl, plan.survival)
    of_os = times[times["PARAMCD"] == "OS"].iloc[0]
    assert (of_os["AVAL"], of_os["CNSR"], of_os["EVNTDESC"]) == (300.0, 0, "DEATH")


def scan(at: int) -> DatedEvent:
    return DatedEvent(at, "SCAN", "TR", "TRDTC", 1)


@both
def test_progression_free_survival_ends_before_a_new_therapy_under_the_hypothetical_strategy(plan):
    """Scans on days 84 and 168, a new therapy on day 100, progression on day 168: censored on day 84."""
    assert plan.estimands.of("pfs").strategy("new anticancer therapy") == "hypothetical"
    course = FollowUp(
        start=0, first_dose=0, baseline=True, switch=100, known=400, left="", died=False
    )
    progression = DatedEvent(168, "RADIOGRAPHIC PROGRESSION", "TR", "TRDTC", 2)
    main = definitions(plan.progression)[0]
    censored = outcome(course, [progression], [scan(84), scan(168)], main, limit=182)
    assert (censored.case, censored.day) == (2, 84)
    composite, policy = (
        next(d for d in definitions(plan.progression) if d.code == code) for code in ("NT", "IT")
    )
    therapy = DatedEvent(100, "NEW ANTICANCER THERAPY", "CM", "CMSTDTC", 1)
    at_therapy = outcome(
        course, [therapy, progression], [scan(84), scan(168)], composite, limit=182
    )
    assert (at_therapy.case, at_therapy.day) == (4, 100)
    ignored = outcome(course, [progression], [scan(84), scan(168)], policy, limit=182)
    assert (ignored.case, ignored.day) == (4, 168)


@both
def test_death_is_an_event_of_progression_free_survival_and_the_end_of_treatment_none(plan):
    """Composite for death on day 120; treatment stopped on day 30 is no event (`stop` is not in the main rule)."""
    pfs = plan.estimands.of("pfs")
    assert (pfs.strategy("death"), pfs.strategy("treatment stopped")) == (
        "composite",
        "treatment policy",
    )
    course = FollowUp(
        start=0, first_dose=0, baseline=True, switch=None, known=120, left="", died=False
    )
    death = DatedEvent(120, "DEATH", "DM", "DTHDTC", float("nan"))
    main = definitions(plan.progression)[0]
    assert not main.stop
    assert outcome(course, [death], [scan(84)], main, limit=182)[:2] == (4, 120)


# ---- the table ---------------------------------------------------------------------------------

# ICH E9(R1), A.3: the attributes of an estimand.
ATTRIBUTES = [
    "Population", "Treatment", "Variable", "Intercurrent events", "Population-level summary",
]  # fmt: skip
E9_STRATEGIES = {
    "treatment policy", "hypothetical", "composite", "while on treatment", "principal stratum",
}  # fmt: skip


@pytest.fixture
def run(tmp_path, monkeypatch):
    def of(plan: Plan, rows=()):
        from sap.displays import ard_lookup

        (tmp_path / "tables").mkdir(exist_ok=True)
        facts = {"cut_off": "2019-06-30", "cut_off_name": "final", "audience": "closed"}
        for name, content in (("plan", plan.model_dump(mode="json")), ("run", facts)):
            (tmp_path / "tables" / f"{name}.json").write_text(json.dumps(content), "utf-8")
        (tmp_path / "ard.csv").write_text(ard.to_csv(ard.bind(rows)), encoding="utf-8")
        for cache in (ard._json, ard._plan, ard._read_ard):
            cache.cache_clear()
        ard_lookup._READ.clear()
        monkeypatch.setenv("SAP_RUN", str(tmp_path))

    return of


@both
def test_the_table_has_the_attributes_of_e9_for_each_estimand(plan, run):
    run(plan)
    table = display.attributes()
    assert [column.header for column in table.columns] == [
        "PSA response", "Overall survival", "Progression-free survival",
    ]  # fmt: skip
    labels = [row.printed[0].text for row in table.rows if row.kind != "indent1"]
    assert [label for label in labels if label in ATTRIBUTES] == ATTRIBUTES
    for row in table.rows:
        label, cells = row.printed
        if row.kind == "indent1":
            words = [cell.text for cell in cells if cell.text]
            assert words, label.text
            assert all(any(f": {name}. " in text for name in E9_STRATEGIES) for text in words)
        elif row.kind != "group":
            assert all(len(cell.text) > 10 for cell in cells), label.text
    # what can happen in each trial has a strategy in each estimand
    events = {row.printed[0].text: row.printed[1] for row in table.rows if row.kind == "indent1"}
    for event in ("Dose change", "Treatment stopped", "New anticancer therapy"):
        assert all(cell.text for cell in events[event])


@both
def test_no_brace_is_left_in_the_printed_table(plan, run):
    run(plan)
    assert "{" not in "".join(c.text for row in display.attributes().rows for c in row.printed[1])


# ---- sensitivity analyses ----------------------------------------------------------------------


def test_each_sensitivity_analysis_of_the_catalogue_names_the_assumption_that_it_varies():
    named = {(one.analysis, one.level) for e in PLAN.estimands.defined for one in e.sensitivity}
    levels = {item.id for item in analysis("psa_estimand").items("level")} - {"primary"}
    assert {level for name, level in named if name == "psa_estimand"} == levels
    definitions_of_pfs = {item.id for item in analysis("pfs_sensitivity").items("level")}
    assert {level for name, level in named if name == "pfs_sensitivity"} == (
        definitions_of_pfs - {"as_planned"}
    )
    assert {"psa_response_unconfirmed", "tipping_point", "psa_posterior", "os_guarantee"} <= {
        name for name, _ in named
    }


@both
def test_what_varies_is_an_attribute_or_missing_data(plan):
    """ "Variable: ...", so that a reader sees which part of the estimand another analysis changes."""
    starts = (
        "Population", "Variable", "Missing data", "Time origin", "New anticancer therapy",
        "End of study treatment", "Date of progression", "Comparison of the groups", "Inference",
    )  # fmt: skip
    for one in (v for e in plan.estimands.defined for v in e.sensitivity):
        assert one.varies.partition(":")[0] in starts
        assert one.analysis in analyses() or analysis(one.analysis)


def test_figure_and_table_call_a_strategy_by_the_same_words():
    labels = {item.id: item.label for item in analysis("psa_estimand").items("level")}
    assert labels["treatment_policy"] == "New anticancer therapy: treatment policy"
    of_pfs = {item.id: item.label for item in analysis("pfs_sensitivity").items("level")}
    assert of_pfs["new_therapy_event"] == "New anticancer therapy: composite"
    assert of_pfs["new_therapy_ignored"] == "New anticancer therapy: treatment policy"


def test_only_analyses_of_the_run_are_listed(run):
    rows = [
        ard.rows({"n": 1}, analysis="psa_estimand", section="SAP 5", population="PRIMARY",
                 paramcd="PSARESP", level=level, method="m")
        for level in ("primary", "treatment_policy")
    ]  # fmt: skip
    run(PLAN, rows)
    printed = [
        (r.printed[0].text, [c.text for c in r.printed[1]]) for r in display.assumptions().rows
    ]
    assert printed == [
        ("PSA response", []),
        (
            "New anticancer therapy: treatment policy",
            ["New anticancer therapy: treatment policy instead of composite", printed[1][1][1]],
        ),
    ]
    assert printed[1][1][1].startswith("Figure ")
