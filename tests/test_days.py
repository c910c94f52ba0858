"""Dates of the report: as they are, or as days since registration where the data have no real dates."""

import json

import pandas as pd
import pytest

from sap.displays import days
from sap.displays.listing import Shown, listing
from sap.plan import project_home, read_plan
from sap.publish.facts import page_facts

PLANS = {
    name: read_plan(project_home() / "analysis" / f"{name}.yml").plan
    for name in ("plan", "plan-caba-v7")
}
ADSL = pd.DataFrame(
    {
        "USUBJID": ["01", "02"],
        "RFICDT": pd.to_datetime(["2018-01-31", "2018-02-10"]),
        "TRTSDT": pd.to_datetime(["2018-03-01", None]),
        "CMSTDTC": ["2018-01-30", "2018-02"],
    }
)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run of one of the two plans with two patients."""

    def write(plan):
        (tmp_path / "tables").mkdir(exist_ok=True)
        (tmp_path / "adam").mkdir(exist_ok=True)
        made = {"plan": PLANS[plan].model_dump(mode="json"), "run": {"cut_off": "2020-01-01", "cut_off_name": "final"}}  # fmt: skip
        for name, content in made.items():
            (tmp_path / "tables" / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
        ADSL.to_parquet(tmp_path / "adam" / "adsl.parquet")
        (tmp_path / "ard.csv").write_text(
            "analysis,section,population,group,paramcd,level,sublevel,stat_name,stat,stat_text,method\n"
        )
        monkeypatch.setenv("SAP_RUN", str(tmp_path))

    return write


def shown():
    columns = (Shown("Date", "TRTSDT"), Shown("Start", "CMSTDTC"))
    return listing(
        "tlf-l-therapy",
        ADSL,
        columns,
        dataset="ADSL",
        key=("TRTSDT",),
        population="SAFETY",
        absent="none",
    )


def test_dates_are_printed_as_they_are(run):
    run("plan")
    table = shown()
    assert [c.header for c in table.columns] == ["Date", "Start"]
    assert [list(r.cells) for r in table.rows] == [["2018-03-01", "2018-01-30"], ["", "2018-02"]]
    assert not table.notes
    assert days.cut_off() == "2020-01-01 (final)"


def test_days_since_registration_are_printed_where_the_plan_has_them(run):
    """31 January to 1 March 2018 are 29 days, the day before registration is -1; part of a date is no day."""
    run("plan-caba-v7")
    table = shown()
    assert [c.header for c in table.columns] == ["Days since registration", "Start (day)"]
    assert [list(r.cells) for r in table.rows] == [["29", "\u22121"], ["", ""]]
    assert table.rows[0].address == "ADSL|01|29"
    assert days.NOTE in table.notes
    assert days.cut_off() == "final"


def test_header_and_title_page_say_what_the_report_is():
    facts = {"kind": "csr", "audience": "closed", "status": "FINAL", "cut_off": "2020-01-01", "cut_off_name": "final"}  # fmt: skip
    usual = page_facts(facts, None)
    assert (usual.status, usual.audience, usual.cut_off) == (
        "FINAL", "Confidential", "2020-01-01 (final)",
    )  # fmt: skip
    own = {"report_status": "independent re-analysis of published data", "dates": days.RELATIVE}
    page = page_facts(facts | own, None)
    assert page.status == "independent re-analysis of published data"
    assert (page.audience, page.cut_off) == ("", "final (data of the publication)")
    assert not {"FINAL", "Confidential"} & {value for _, value in page.rows}
