"""Every number of a report leads to the step that made it."""

import datetime as dt

import pytest

from sap import contracts, snapshot
from sap.pipeline import steps
from sap.pipeline.addresses import addresses, step_of
from sap.plan import project_home, read_plan
from sap.plan.references import read_references
from sap.simulate import trial

PLAN = read_plan(project_home() / "analysis" / "plan.yml").plan
CUT = dt.date(2019, 6, 30)


@pytest.mark.slow
def test_every_analysis_leads_to_the_step_that_makes_it():
    """Each step is called alone: the step found by name must be the one that gave the rows."""
    rules = contracts.load()
    typed = contracts.typed(trial.simulate(3, n_screened=40), rules)
    datasets = steps.derive(snapshot.in_order(snapshot.cut(typed, CUT), rules), PLAN, CUT)
    references = read_references(project_home() / "analysis" / "references.yml")
    have = {"plan": PLAN, "cut_off": CUT, "references": references, **datasets}
    for step in steps.RESULTS:
        made = step.makes(*(have[name] for name in step.reads))
        parts = made if isinstance(made, list) else [made]
        for analysis in {name for part in parts for name in part["analysis"]}:
            assert step_of(analysis) is step, analysis


@pytest.mark.parametrize(
    "analysis, name",
    [
        ("os", "os"),
        ("os_curve", "os"),
        ("os_arv7_at_risk", "os_arv7"),
        ("rpfs_sensitivity", "pfs_sensitivity"),
        ("osmosis", None),  # begins with `os` and is no part of it
    ],
)
def test_the_longest_name_that_begins_an_analysis_made_it(analysis, name):
    found = step_of(analysis)
    assert (found.name if found else None) == name


def test_an_address_names_the_datasets_and_the_code():
    from sap import ard

    rows = ard.rows(
        {"n": 3}, analysis="rpfs", section="SAP 5.6", population="PRIMARY", method="Kaplan-Meier"
    )
    known = addresses(rows, PLAN.model_dump(mode="json"))
    assert known["rpfs|PRIMARY|||||n"]["datasets"] == "ADSL, ADTTE"
    assert known["rpfs|PRIMARY|||||n"]["code"].startswith("sap.results.survival.")
    assert known["plan|psa_response.decline_pct"]["value"] == 50
