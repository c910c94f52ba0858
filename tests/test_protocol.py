"""The facts of the protocol as the report prints them; expected words are those of the plan and of ICH E3."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from sap import ard
from sap.displays import estimand, plan_text, protocol
from sap.displays.table import with_marks
from sap.pipeline import title_page
from sap.plan import project_home, read_plan
from sap.plan.model import Plan

HOME = project_home()
PLANS = {
    name: read_plan(HOME / "analysis" / f"{name}.yml").plan for name in ("plan", "plan-caba-v7")
}


def changed(**entries) -> Plan:
    """The plan of CARVE with other entries."""
    return Plan.model_validate(PLANS["plan"].model_dump() | entries)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A function that makes a run of a plan with rows of the ARD."""

    def of(plan: Plan, rows=()) -> Path:
        (tmp_path / "tables").mkdir(exist_ok=True)
        facts = {"cut_off": "2019-06-30", "cut_off_name": "final", "audience": "closed"}
        contents = {"plan": plan.model_dump(mode="json"), "run": facts}
        for name, content in contents.items():
            (tmp_path / "tables" / f"{name}.json").write_text(json.dumps(content), "utf-8")
        (tmp_path / "ard.csv").write_text(ard.to_csv(ard.bind(rows)), encoding="utf-8")
        for cache in (ard._json, ard._plan, ard._read_ard):
            cache.cache_clear()
        from sap.displays import ard_lookup

        ard_lookup._READ.clear()
        monkeypatch.setenv("SAP_RUN", str(tmp_path))
        return tmp_path

    return of


def date_row(level: str, day: str) -> pd.DataFrame:
    return ard.rows(
        {"date": day}, analysis="study_dates", section="SAP 4.1", population="SCREENED",
        level=level, method="Earliest and latest dates",
    )  # fmt: skip


def cells(table) -> list[tuple[str, list[str]]]:
    return [
        (label.text, [cell.text for cell in contents])
        for label, contents in (row.printed for row in table.rows)
    ]


# ---- texts -------------------------------------------------------------------------------------


def test_a_text_is_filled_with_the_values_of_the_plan(run):
    run(changed(protocol={
        "section": "SAP 1", "source": "by hand",
        "phase": "{psa_response.decline_pct}% with {biomarker.name} after {rescreening.after}",
    }))  # fmt: skip
    assert protocol.text("phase").plain == "50% with AR-V7 after abiraterone or enzalutamide"
    assert [number.key for number in protocol.text("phase").numbers] == [
        "plan|psa_response.decline_pct",
        "plan|biomarker.name",
        "plan|rescreening.after.0",
        "plan|rescreening.after.1",
    ]


def test_a_piece_of_text_with_a_digit_leads_to_the_text(run):
    run(changed(protocol={
        "section": "SAP 1", "source": "by hand", "phase": "within 21 days, {wording.treatment}",
    }))  # fmt: skip
    first, second = protocol.text("phase").numbers
    assert (first.text, first.key) == ("Within 21 days,", "plan|protocol.phase")
    assert protocol.text("phase").plain == "Within 21 days, cabazitaxel"
    assert second.text == "cabazitaxel"


def test_an_abbreviation_keeps_its_capitals_within_a_sentence(run):
    run(changed(protocol={
        "section": "SAP 1", "source": "by hand", "phase": "PSA change", "design": "Overall survival",
    }))  # fmt: skip
    assert plan_text.phrase("protocol.phase", capital=False).plain == "PSA change"
    assert plan_text.phrase("protocol.design", capital=False).plain == "overall survival"


def test_an_item_is_given_not_known_or_not_printed(run):
    run(changed(protocol={
        "section": "SAP 1", "source": "by hand", "phase": "Phase 2", "not_known": ["author"],
    }))  # fmt: skip
    assert protocol.text("phase").plain == "Phase 2"
    assert protocol.text("author").plain == "[To be completed by the sponsor]"
    assert protocol.text("funding").plain == ""
    author = protocol.sentence("author", "None.", "Author").plain
    assert author == "Author: [To be completed by the sponsor]"
    assert protocol.sentence("funding", "None.", "Funding").plain == "None."
    assert protocol.sentence("phase", label="Phase").plain == "Phase: Phase 2."


def test_a_plan_without_protocol_prints_nothing(run):
    run(changed(protocol=None, estimands=None))
    assert protocol.text("phase").plain == ""
    assert protocol.criteria("inclusion")._repr_markdown_() == ""
    assert protocol.centres().plain == ""
    assert protocol.schedule().absent == "The SAP has none."
    assert estimand.attributes().absent == "The plan states no estimand."
    assert title_page.rows(changed(protocol=None), ard.bind([])) == []


def test_each_criterion_has_its_id(run):
    run(changed(protocol={
        "section": "SAP 1", "source": "by hand",
        "inclusion": [{"id": "INCL01", "text": "age of at least 18 years"}],
        "not_known": ["exclusion"],
    }))  # fmt: skip
    (line,) = protocol.criteria("inclusion").lines
    assert line.plain == "INCL01: Age of at least 18 years"
    assert protocol.criteria("exclusion")._repr_markdown_() == "The criteria are not known."


# ---- dates and title page ----------------------------------------------------------------------


def test_dates_are_those_of_the_data_unless_the_plan_has_published_ones(run):
    run(PLANS["plan"], [date_row("first_consent", "2017-01-31")])
    assert protocol.date("first_consent").text == "2017-01-31"
    assert protocol.date("first_dose") == "not known"
    run(PLANS["plan-caba-v7"])
    assert protocol.date("first_consent").text == "February 2017"


def test_dates_of_data_without_real_dates_are_not_known(run):
    """Of a plan that prints days since registration, and publishes no date of its own."""
    plan = PLANS["plan"]
    study = plan.study.model_copy(update={"dates": "days since registration"})
    run(plan.model_copy(update={"study": study}), [date_row("first_consent", "2017-01-31")])
    assert protocol.date("first_consent") == "not known"


# ICH E3, section 1: what the title page holds, as its sponsor knows it.
E3_TITLE_PAGE = (
    "Investigational product", "Indication", "Development phase", "Design", "Sponsor", "Protocol",
    "Study initiation date (first patient)", "Study completion date (last patient)", "Investigator", "Responsible officer", "Author",
    "Compliance with GCP",
)  # fmt: skip


@pytest.mark.parametrize("name", PLANS)
def test_the_title_page_has_what_e3_lists(name):
    dates = ard.bind(
        [date_row("first_consent", "2017-01-31"), date_row("last_contact", "2019-01-02")]
    )
    lines = {one["name"]: one["value"] for one in title_page.rows(PLANS[name], dates)}
    assert set(E3_TITLE_PAGE) <= set(lines)
    author = {
        "plan": "[To be completed by the sponsor]",
        "plan-caba-v7": "Not available: independent re-analysis",
    }
    assert lines["Author"] == author[name]
    assert lines["Sponsor"] == "Erasmus MC"
    first = {
        "plan": "Consent 2017-01-31",
        "plan-caba-v7": "Consent February 2017; first dose March 2017",
    }
    assert lines["Study initiation date (first patient)"] == first[name]
    assert not any("{" in value for value in lines.values())


def test_a_report_that_the_sponsor_has_to_complete_is_a_draft():
    """With a placeholder it is no final report; a re-analysis by others has its own status."""
    from sap.publish.facts import page_facts

    facts = {"study": "X", "kind": "csr", "status": "FINAL", "cut_off": "2019-06-30"}
    place = {"title_page": [{"name": "Author", "value": "[To be completed by the sponsor]"}]}
    assert page_facts(facts, None).status == "FINAL"
    assert page_facts(facts | place, None).status == "Draft"
    others = {"report_status": "independent re-analysis"}
    assert page_facts(facts | place | others, None).status == "independent re-analysis"


def test_the_title_page_of_the_board_has_none_of_it():
    from sap.publish.facts import page_facts

    facts = {
        "study": "X",
        "title_page": [{"name": "Author", "value": "A"}],
        "cut_off": "2019-06-30",
    }
    assert ("Author", "A") in page_facts(facts | {"kind": "csr"}, None).rows
    assert ("Author", "A") not in page_facts(facts | {"kind": "dsmb"}, None).rows
    rows = dict(page_facts(facts | {"kind": "csr"}, None).rows)
    assert rows["Data cut-off"] == "2019-06-30"
    assert "Date of report" not in rows


# ---- tables ------------------------------------------------------------------------------------


def test_the_schedule_marks_each_procedure_at_its_visits(run):
    run(changed(protocol={
        "section": "SAP 1", "source": "by hand",
        "schedule": {
            "visits": [{"id": "scr", "label": "Screening"}, {"id": "c1", "label": "C1", "meaning": "cycle 1"}],
            "procedures": [{"name": "PSA", "at": ["scr", "c1"]}, {"name": "Dose", "at": ["c1"], "note": "IV"}],
        },
    }))  # fmt: skip
    table = protocol.schedule()
    assert [column.header for column in table.columns] == ["Screening", "C1"]
    assert cells(table) == [("PSA", ["X", "X"]), ("Dose", ["", "X"])]
    marked, notes = with_marks(table)
    assert notes == ["C1: cycle 1.", ("a", "IV.")]
    assert [row.label.marks for row in marked.rows if not isinstance(row.label, str)] == ["a"]


def test_endpoints_are_grouped_by_rank_and_name_their_rule(run):
    run(changed(protocol={
        "section": "SAP 1", "source": "by hand",
        "endpoints": [
            {"rank": "secondary", "name": "DNA", "definition": "Value"},
            {"rank": "primary", "name": "PSA response", "definition": "Fall", "entry": "psa_response",
             "time_frame": "12 weeks"},
        ],
    }))  # fmt: skip
    assert cells(protocol.endpoints()) == [
        ("Primary", []),
        ("PSA response", ["Fall", "12 weeks", "SAP\u00a05.1"]),
        ("Secondary", []),
        ("DNA", ["Value", "not known", "not analysed"]),
    ]


def fields_of_chapters() -> list[str]:
    """What the paragraphs of the chapters take from the plan, in braces."""
    texts = [path.read_text("utf-8") for path in (HOME / "analysis" / "chapters").glob("*.qmd")]
    calls = [
        call
        for text in texts
        for call in re.findall(r"`\{python\} plan\.paragraph\((.*?)\)`", text)
    ]
    return sorted({field for call in calls for field in re.findall(r"\{([a-z0-9_.-]+)\}", call)})


def test_what_the_paragraphs_of_the_chapters_take_from_the_plan_is_there(run):
    """The plan of CARVE prints every paragraph; a name that it has not ends the report."""
    run(PLANS["plan"])
    fields = fields_of_chapters()
    assert {"pk.primary_h", "exposure.unit"} <= set(fields)
    assert all(plan_text._field(field).plain for field in fields if not field.startswith("tlf-"))
    assert plan_text._field("exposure.unit").plain == "mg/m²"
