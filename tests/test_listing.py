"""Listings and profiles: rows as recorded, addresses, hostile text; expected texts by hand."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from sap.displays import listing, plan_tables, profile
from sap.displays.table import Column
from sap.plan import project_home, read_plan

HOSTILE = "<script>alert(1)</script> #let x = 1 =cmd() $x$ \u202e ```"


@pytest.fixture
def run(tmp_path, monkeypatch) -> Path:
    (tmp_path / "tables").mkdir()
    (tmp_path / "adam").mkdir()
    facts = {"cut_off": "2019-06-30", "cut_off_name": "final", "audience": "closed"}
    plan = read_plan(project_home() / "analysis" / "plan.yml").plan.model_dump(mode="json")
    tables = {"run": facts, "plan": plan, "manifest": {"files": [{"name": "ae.parquet"}]}}
    for name, content in tables.items():
        (tmp_path / "tables" / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    from sap import ard

    treated = ard.rows(
        {"n": 2}, analysis="analysis_sets", section="SAP 4.2", population="SAFETY", method="m"
    )
    consented = ard.rows(
        {"n": 3}, analysis="flow", section="SAP 4.1", population="SCREENED", paramcd="BOX",
        level="consented", method="m",
    )  # fmt: skip
    rows = pd.concat([treated, consented])
    (tmp_path / "ard.csv").write_text(ard.to_csv(rows), encoding="utf-8")
    monkeypatch.setenv("SAP_RUN", str(tmp_path))
    return tmp_path


def events(term: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "USUBJID": ["T-1", "T-1", "T-2"],
            "AESEQ": [1.0, 2.0, 1.0],
            "AETERM": [term, "cough", "cough"],
            "AEDECOD": ["COUGH", "COUGH", "COUGH"],
            "ATOXGRN": [3.0, 1.0, None],
            "ASTDT": pd.to_datetime(["2018-01-05", "2018-01-02", "2018-01-03"]),
            "AENDT": pd.to_datetime(["2018-01-09", None, None]),
            "AEREL": ["RELATED"] * 3,
            "AEACN": [None] * 3,
            "AEOUT": ["FATAL"] * 3,
            "AESER": ["Y", "N", "N"],
            "AESHOSP": ["Y", None, None],
            "AESLIFE": ["Y", None, None],
            "TRTEMFL": ["Y"] * 3,
            "PROGFL": ["N"] * 3,
        }
    )


def test_rows_are_sorted_the_patient_is_printed_once_and_each_row_has_its_key(run):
    events("lasting cough").to_parquet(run / "adam" / "adae.parquet")
    table = listing.events()
    assert [row.label for row in table.rows] == ["T-1", "", "T-2"]
    assert [row.again for row in table.rows] == ["", "T-1", ""]
    assert [row.address for row in table.rows] == ["ADAE|T-1|2", "ADAE|T-1|1", "ADAE|T-2|1"]
    html = table.html()
    assert html.count('<th scope="row">T-1</th>') == 1
    assert html.count('<th scope="row" class="again">T-1</th>') == 1
    assert 'data-row="ADAE|T-1|1"' in html
    assert "who consented to screening, N=[3]{.ard" in table._repr_markdown_()


def test_a_serious_event_says_what_made_it_serious(run):
    events("x").to_parquet(run / "adam" / "adae.parquet")
    table = listing.serious()
    assert len(table.rows) == 1
    assert table.rows[0].cells[-2:] == ["life-threatening, hospitalisation", "Y"]


def test_no_event_is_not_the_same_as_no_domain(run):
    events("x").iloc[0:0].to_parquet(run / "adam" / "adae.parquet")
    assert "No adverse event was recorded" in listing.events()._repr_markdown_()
    none = {"files": [{"name": "dm.parquet"}]}
    (run / "tables" / "manifest.json").write_text(json.dumps(none), encoding="utf-8")
    from sap import ard

    ard._json.cache_clear()
    ard._plan.cache_clear()
    assert "Not collected: adverse event" in listing.events()._repr_markdown_()


def test_the_laboratory_listing_shows_every_graded_test_with_its_worse_side(run):
    """A test of another plan (potassium) is listed with those of CARVE, by the name in LB."""
    values = [
        ("PLAT", "Platelets", 70.0, "10^9/L", 2.0, "L"),
        ("K", "Potassium", 7.1, "mmol/L", 0.0, "L"),
        ("K", "Potassium", 7.1, "mmol/L", 4.0, "H"),
    ]
    frame = pd.DataFrame(
        values, columns=["PARAMCD", "PARAM", "AVAL", "AVALU", "ATOXGRN", "ATOXDIR"]
    ).assign(USUBJID="T-1", ADT=pd.Timestamp("2018-01-05"), AVISIT="CYCLE 1", LBSEQ=1.0)
    frame["ATOXGR"] = frame["ATOXGRN"].map("{:.0f}".format)
    frame.to_parquet(run / "adam" / "adlb.parquet")
    pd.DataFrame({"USUBJID": ["T-1"], "SAFFL": ["Y"]}).to_parquet(run / "adam" / "adsl.parquet")
    text = listing.laboratory()._repr_markdown_()
    assert "70 [2]" in text
    assert "7.1 [4]" in text
    assert text.index("PLAT") < text.index(">K<")
    assert "PLAT platelets (×10⁹/L), K Potassium (mmol/L)" in text.replace("\\", "")


def test_hostile_text_of_a_site_stays_text(run):
    events(HOSTILE).to_parquet(run / "adam" / "adae.parquet")
    text = listing.events()._repr_markdown_()
    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "\u202e" not in text
    assert text.count("```") == 2


def subject(term: str) -> profile._Subject:
    day = pd.Timestamp
    row = {
        "USUBJID": "T-1", "AGE": 70.0, "NCYCLES": 2.0, "DCTREAS": "DEATH", "DTHFL": "Y",
        "TRTSDT": day("2018-01-01"), "TRTEDT": day("2018-01-22"), "DTHDT": day("2018-03-02"),
        "LSTALVDT": day("2018-03-01"), "PRIMFL": "Y", "RESCTRFL": "N", "PPROTFL": "N",
    }  # fmt: skip
    doses = [
        {"ASTDT": day("2018-01-01"), "DOSE": 25.0, "DOSEC": "FULL", "DELAYC": ""},
        {"ASTDT": day("2018-01-22"), "DOSE": None, "DOSEC": "U", "DELAYC": "N"},
        {"ASTDT": pd.NaT, "DOSE": 20.0, "DOSEC": "REDUCED", "DELAYC": "U"},
    ]
    psa = [
        {"ADT": day("2018-01-01"), "AVAL": 100.0, "BASE": 100.0, "ANL01FL": "", "ABLFL": "Y"},
        {"ADT": day("2018-01-22"), "AVAL": 40.0, "BASE": 100.0, "ANL01FL": "Y", "ABLFL": ""},
    ]
    event = {"ASTDT": day("2018-01-05"), "AENDT": pd.NaT, "AEDECOD": term, "ATOXGRN": 4.0, "AESER": "Y", "AEOUT": None}  # fmt: skip
    return profile._Subject(
        row, doses, psa, [], [], [event], [], [], {"PSABEST": "-60", "PSARESP": "Y"}
    )


def test_a_profile_draws_letters_as_outlines_and_no_word_of_a_site_as_markup(run):
    drawn = profile.draw(subject(HOSTILE))
    assert drawn == profile.draw(subject(HOSTILE))
    assert "<text" not in drawn.svg
    assert "script" not in drawn.svg
    assert drawn.svg.count("<rect") == 3  # two infusions with a day, one event


def test_a_profile_has_its_numbers_in_the_alternative_text(run):
    assert profile._alt(subject("COUGH")) == (
        "Profile of T-1: 2 infusions; PSA from 40 to 100; 0 CTC counts, 0 scans, 1 adverse event, "
        "1 of them of grade 3 or more; died."
    )


def test_a_subject_without_anything_but_a_first_dose_still_has_a_page(run):
    empty = subject("COUGH")
    bare = profile._Subject(empty.row, [], [], [], [], [], [], [], {})
    assert re.search(r'height="[\d.]+pt"', profile.draw(bare).svg)


def test_every_entry_of_the_plan_is_printed_with_its_address(run):
    import yaml

    plan = yaml.safe_load((project_home() / "analysis" / "plan.yml").read_text(encoding="utf-8"))
    for entry in plan.values():
        entry.setdefault("assumption", False)
    (run / "tables" / "plan.json").write_text(json.dumps(plan, default=str), encoding="utf-8")
    from sap import ard

    ard._json.cache_clear()
    ard._plan.cache_clear()
    keys = {number.key for number in plan_tables.plan().numbers}
    assert {"plan|design.p0", "plan|psa_response.sensitivity_confirm_days.1"} <= keys
    rows = [str(row.label) for row in plan_tables.plan().rows if row.kind == "total"]
    assert len(rows) == len(plan)
    sources = [str(row.cells[0]) for row in plan_tables.plan().rows if row.kind == "total"]
    cited = plan_tables.sources()
    assert "simon1989" in cited.names
    assert any("Simon 1989" in text for text in sources)
    assert not any("@" in text or name in text for text in sources for name in cited.names)
    assert "@simon1989" in cited._repr_markdown_()
    assert "](#ref" not in cited._repr_markdown_()


def test_a_departure_is_named_under_the_results_it_affects(run):
    one = {
        "id": "DEV-01", "section": "SAP 5.7", "planned": "As planned.", "done": "Otherwise.",
        "results_affected": ["ae_soc_pt"],
    }  # fmt: skip
    (run / "tables" / "deviations.json").write_text(json.dumps([one]), encoding="utf-8")
    from sap.displays import frame

    moved, other = (frame.block(i, "body") for i in ("tlf-ae-soc-pt", "tlf-lab-grade"))
    assert "DEV\\-01, SAP 5.7. Planned" in moved
    assert "DEV" not in other


def test_haemoglobin_has_one_decimal_and_scores_are_aligned_as_numbers(run):
    """15.9 g/dL is 9.868 mmol/L by the molar mass of 16.114 g per mmol of haem (15.9 / 1.6114)."""
    rows = [("T-1", "HGB", 15.9 / 1.6114, None), ("T-1", "ECOG", None, "1"),
            ("T-2", "HGB", 8.0, None), ("T-2", "ECOG", None, "0")]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["USUBJID", "PARAMCD", "AVAL", "AVALC"])
    frame.assign(AVISIT="SCREENING").to_parquet(run / "adam" / "adbl.parquet")
    table = listing.demographics()
    at = {column.header: i for i, column in enumerate(table.columns)}
    assert [row.cells[at["Hb (mmol/L)"]] for row in table.rows] == ["9.9", "8.0"]
    assert [row.cells[at["ECOG"]] for row in table.rows] == ["1", "0"]
    assert table.columns[at["ECOG"]].numeric


def test_the_ctc_count_of_a_screening_has_no_change_on_treatment(run):
    """Of a patient screened twice the first count has no change: 13 is no decrease from the later 86."""
    pd.DataFrame({"USUBJID": ["T-1"], "SAFFL": ["Y"]}).to_parquet(run / "adam" / "adsl.parquet")
    pd.DataFrame(
        {
            "USUBJID": ["T-1"] * 3,
            "AVISIT": ["SCREENING", "RE-SCREENING", "CYCLE 3"],
            "ADT": pd.to_datetime(["2016-04-16", "2016-09-28", "2016-11-26"]),
            "AVAL": [13.0, 86.0, 17.2],
            "MARKER": ["NEGATIVE", "POSITIVE", "POSITIVE"],
            "BASE": [86.0] * 3,
            "PCHG": [-84.9, 0.0, -80.0],
            "ANL01FL": ["", "", "Y"],
            "CPSEQ": [1.0, 2.0, 3.0],
        }
    ).to_parquet(run / "adam" / "adctc.parquet")
    table = listing.ctc()
    place = [column.header for column in table.columns].index("Change (%)")
    assert [row.cells[place] for row in table.rows] == ["", "", "-80.0"]


def test_a_column_of_one_word_or_without_a_value_is_named_in_a_note():
    """By hand: of four columns over six rows one is empty, one always A, one always the number 25, one varies."""
    shown = [
        listing.Shown("Group", "GROUP"),
        listing.Shown("Reason", "REASON", "Stop"),
        listing.Shown("Dose", "DOSE"),
        listing.Shown("Term", "TERM"),
    ]
    columns = [Column(one.header) for one in shown]
    rows = [{"GROUP": "A", "REASON": None, "DOSE": 25.0, "TERM": f"term {i}"} for i in range(6)]
    kept, heads, notes = listing._varied(shown, columns, rows, set())
    assert [one.header for one in kept] == [one.header for one in heads] == ["Dose", "Term"]
    assert notes == [
        "The same in all rows, and not shown: Group (A).",
        "Without a value, and not shown: Stop: reason.",
    ]
    kept, heads, notes = listing._varied(shown, columns, rows[:4], set())
    assert len(kept) == len(heads) == 4
    assert notes == []


def test_a_data_set_without_a_deviation_has_no_listing_and_a_term_like_the_recorded_one_stands_once(
    run,
):
    """An empty dataset has columns of no type; the recorded term is printed only where it differs."""
    columns = ["STUDYID", "USUBJID", "DVSEQ", "DVCAT", "DVTERM", "DVDECOD", "ADT", "ADY"]
    pd.DataFrame(columns=columns, dtype=float).to_parquet(run / "adam" / "addv.parquet")
    assert listing.deviations().rows == []
    terms = [("T", "01", 1.0, "MAJOR", "missed scan", "MISSED SCAN", None, 1.0),
            ("T", "02", 1.0, "MAJOR", "scan on 3 may", "LATE SCAN", None, 2.0)]  # fmt: skip
    pd.DataFrame(terms, columns=columns).to_parquet(run / "adam" / "addv.parquet")
    rows = str(listing.deviations().rows)
    assert "missed scan" not in rows
    assert "scan on 3 may" in rows
