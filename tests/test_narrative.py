"""Key facts for narratives: every day counted by hand, hostile text kept as text."""

import json
from pathlib import Path

import pandas as pd
import pytest

from sap import ard
from sap.displays import narrative
from sap.displays.listing import cause_of_death
from sap.plan import project_home, read_plan

HOSTILE = "<script>alert(1)</script> #let x = 1 \\input{/etc/passwd} =cmd() $x$ \u202e ```"


def day(text: str | None) -> pd.Timestamp:
    return pd.Timestamp(text) if text else pd.NaT


def adsl() -> pd.DataFrame:
    """T-1 had a serious event and died; T-2 neither; T-3 died untreated; T-4 died, little recorded."""
    given = pd.DataFrame(
        {
            "USUBJID": ["T-1", "T-2", "T-3", "T-4"],
            "SAFFL": ["Y", "Y", "N", "Y"],
            "DTHFL": ["Y", "N", "Y", "Y"],
            "AGE": [70.0, 60.0, 65.0, None],
            "ECOGBL": [1.0, 0.0, 0.0, 1.0],
            "MARKBL": ["POSITIVE", "POSITIVE", "NEGATIVE", "NEGATIVE"],
            "CTCBL": [12.0, 9.0, 2.0, 1.0],
            "RESCMARK": [None, None, None, "POSITIVE"],
            "RESCCTC": [None, None, None, 8.0],
            "LINE": ["second line"] * 3 + [None],
            "RESCTRFL": ["N", "N", "N", "Y"],
            "NCYCLES": [2.0, 1.0, None, 1.0],
            "TRTSDT": [day("2018-01-01"), day("2018-01-01"), day(None), day("2018-02-01")],
            "TRTEDT": [day("2018-01-22"), day("2018-01-01"), day(None), day("2018-02-01")],
            "DCTREAS": ["ADVERSE EVENT", None, None, None],
            "DCTDT": [day("2018-02-12"), day(None), day(None), day(None)],
            "DTHDT": [day("2018-03-02"), day(None), day("2018-01-01"), day(None)],
            "DTHCGR1": ["Progression", "", "Progression", "Not recorded"],
            "DTHTERM": ["mCRPC", None, None, None],
        }
    )
    return given.astype({"DTHTERM": "object"})


def events(term: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "USUBJID": ["T-1", "T-1", "T-2"],
            "AESEQ": [1.0, 2.0, 1.0],
            "AETERM": [term, "cough", "cough"],
            "AEDECOD": ["FEBRILE NEUTROPENIA", "COUGH", "COUGH"],
            "ATOXGRN": [3.0, 1.0, 1.0],
            "ASTDT": pd.to_datetime(["2018-01-29", "2018-01-29", "2018-01-03"]),
            "AENDT": pd.to_datetime(["2018-02-05", None, None]),
            "AEREL": ["RELATED", "NOT RELATED", "NOT RELATED"],
            "AEACN": ["DOSE REDUCED", None, None],
            "AEOUT": ["RECOVERED/RESOLVED", None, None],
            "AESER": ["Y", "N", "N"],
            "AESHOSP": ["Y", None, None],
        }
    )


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("tables", "adam"):
        (tmp_path / name).mkdir()
    facts = {"cut_off": "2019-06-30", "cut_off_name": "final", "audience": "closed"}
    plan = read_plan(project_home() / "analysis" / "plan.yml").plan.model_dump(mode="json")
    tables = {"run": facts, "plan": plan, "manifest": {"files": [{"name": "ae.parquet"}]}}
    for name, content in tables.items():
        (tmp_path / "tables" / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    sizes = {"analysis": "analysis_sets", "section": "SAP 4.2", "population": "SAFETY"}
    (tmp_path / "ard.csv").write_text(ard.to_csv(ard.rows({"n": 3}, method="m", **sizes)))
    doses = pd.DataFrame(
        {
            "USUBJID": ["T-1", "T-1"],
            "EXSEQ": [1.0, 2.0],
            "ACYCLE": [1.0, 2.0],
            "ASTDT": pd.to_datetime(["2018-01-01", "2018-01-22"]),
            "DOSE": [25.0, 20.0],
        }
    )
    drugs = pd.DataFrame(
        {
            "USUBJID": ["T-1", "T-1"],
            "CMCAT": ["SUPPORTIVE CARE"] * 2,
            "CMDECOD": ["FILGRASTIM", "PARACETAMOL"],
            "ASTDT": pd.to_datetime(["2018-01-30", "2018-02-06"]),
        }
    )
    ecog = pd.DataFrame(
        {
            "USUBJID": ["T-4", "T-4", "T-1"],
            "PARAMCD": ["ECOG", "ECOG", "ECOG"],
            "AVISIT": ["SCREENING", "RE-SCREENING", "SCREENING"],
            "AVALC": ["1", "2", "1"],
        }
    )
    frames = {
        "adbl": ecog,
        "adsl": adsl(),
        "adae": events("neutropenic fever"),
        "adex": doses,
        "adcm": drugs,
    }
    for name, frame in frames.items():
        frame.to_parquet(tmp_path / "adam" / f"{name}.parquet")
    monkeypatch.setenv("SAP_RUN", str(tmp_path))
    return tmp_path


def printed_facts() -> list[tuple[str, str, str]]:
    return [(str(row.label), *map(str, row.cells)) for row in narrative.narratives().rows]


def test_the_facts_of_treated_subjects_who_died_or_had_a_serious_event(run: Path) -> None:
    """By hand: 29 January is day 29, seven days after the infusion of the 22nd; 2 March is day 61."""
    serious = (
        "Febrile neutropenia, reported as 'neutropenic fever', grade 3; began day 29 (2018-01-29); "
        "7 days after infusion 2 (20 mg/m²); seriousness criterion: hospitalisation; relation: related; action taken: dose reduced; "
        "given: filgrastim; on the same day: cough; outcome: recovered/resolved 2018-02-05."
    )
    assert printed_facts() == [
        ("T-1", "Patient", "70 years at consent; ECOG 1 at allocation; AR-V7 positive and 12 CTC per 7.5 mL at the first screening; second line."),
        ("", "Treatment", "2 infusions of study cabazitaxel, 2018-01-01 to 2018-01-22; ended 2018-02-12: adverse event."),
        ("", "Serious event", serious),
        ("", "Death", "Died on day 61 (2018-03-02); 39 days after the last infusion; cause: progression; recorded as mCRPC."),
        ("T-4", "Patient", "Treated after re-screening; at re-screening: ECOG 2, AR-V7 positive, 8 CTC per 7.5 mL; at the first screening: ECOG 1, AR-V7 negative, 1 CTC per 7.5 mL."),
        ("", "Treatment", "1 infusion of study cabazitaxel, on 2018-02-01; no end of treatment recorded."),
        ("", "Death", "Died, date not recorded; cause: not recorded."),
    ]  # fmt: skip


def test_each_row_leads_to_its_dataset_and_key_and_names_its_subject_when_moved(run: Path) -> None:
    rows = narrative.narratives().rows
    assert [row.address for row in rows[:4]] == ["ADSL|T-1", "ADSL|T-1", "ADAE|T-1|1", "ADSL|T-1"]
    assert [row.again for row in rows[:4]] == ["", "T-1", "T-1", "T-1"]


def test_hostile_text_of_a_site_stays_text(run: Path) -> None:
    events(HOSTILE).to_parquet(run / "adam" / "adae.parquet")
    text = narrative.narratives()._repr_markdown_()
    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "\u202e" not in text
    assert text.count("```") == 2


def test_without_a_death_or_a_serious_event_the_listing_gives_the_reason(run: Path) -> None:
    alive = adsl().assign(DTHFL="N")
    alive.to_parquet(run / "adam" / "adsl.parquet")
    events("x").assign(AESER="N").to_parquet(run / "adam" / "adae.parquet")
    assert "No death or serious adverse event" in narrative.narratives()._repr_markdown_()


def test_days_since_an_infusion_mention_when_later_ones_have_no_day(monkeypatch):
    """3 January to 30 January are 27 days; infusion 2 may lie between, its date was not recorded."""
    plans = (
        project_home() / "analysis" / "plan.yml",
        project_home() / "docs/examples/one-arm-plan.yml",
    )
    in_cycles, continuous = (read_plan(path).plan for path in plans)
    monkeypatch.setattr(ard, "plan", lambda: in_cycles)
    day = pd.Timestamp
    event = {"ASTDT": day("2018-01-30")}
    first = {"ASTDT": day("2018-01-03"), "ACYCLE": 1.0, "DOSE": None}
    known = narrative._since_dose(event, pd.DataFrame([first]))
    assert known == "27 days after infusion 1"
    undated = {"ASTDT": pd.NaT, "ACYCLE": 2.0, "DOSE": None}
    followed = narrative._since_dose(event, pd.DataFrame([first, undated]))
    assert followed == f"{known}, the last preceding one with a recorded date"
    monkeypatch.setattr(ard, "plan", lambda: continuous)
    interval = narrative._since_dose(event, pd.DataFrame([first | {"DOSE": 81.0}]))
    assert interval == "27 days after the start of interval 1 (81 mg)"


def test_a_cause_that_no_event_gives_is_called_inferred():
    assert cause_of_death({"DTHCGR1": "Progression"}) == "Progression (inferred)"
    assert cause_of_death({"DTHCGR1": "Progression", "DTHTERM": "PROSTATE CANCER"}) == "Progression"
    assert cause_of_death({"DTHCGR1": "Not recorded"}) == "Not recorded"
