"""Patient profiles: where the axis ends, the cause of death, and the source of the tumour response."""

import dataclasses
import json
import re

import pandas as pd
import pytest

from sap.displays import profile
from sap.plan import project_home, read_plan


@pytest.fixture
def run(tmp_path, monkeypatch):
    plan = read_plan(project_home() / "analysis" / "plan.yml").plan.model_dump(mode="json")
    (tmp_path / "tables").mkdir()
    facts = {"plan": plan, "run": {"cut_off": "2018-03-31"}, "manifest": {"files": []}}
    for name, content in facts.items():
        (tmp_path / "tables" / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    monkeypatch.setenv("SAP_RUN", str(tmp_path))
    return tmp_path


def subject(**about: object) -> profile._Subject:
    """First dose on 2018-01-01, last on 01-22: the axis runs to 02-19 at least, or to the last value."""
    day = pd.Timestamp
    row = {
        "USUBJID": "T-1", "AGE": 70.0, "NCYCLES": 2.0, "DCTREAS": None, "DTHFL": "N",
        "TRTSDT": day("2018-01-01"), "TRTEDT": day("2018-01-22"), "DTHDT": pd.NaT,
        "LSTALVDT": day("2018-02-01"), "DTHCGR1": None, "DTHTERM": None,
    }  # fmt: skip
    doses = [{"ASTDT": day(d), "DOSE": 25.0, "DOSEC": "FULL", "DELAYC": ""} for d in ("2018-01-01", "2018-01-22")]  # fmt: skip
    event = {"ASTDT": day("2018-01-05"), "AENDT": pd.NaT, "AEDECOD": "COUGH", "ATOXGRN": 1.0, "AESER": "N", "AEOUT": "NOT RECOVERED/NOT RESOLVED"}  # fmt: skip
    return profile._Subject(row | about, doses, [], [], [], [event], [], [], {})


def death(day: str) -> dict[str, object]:
    return {"DTHFL": "Y", "DTHDT": pd.Timestamp(day)}


@pytest.mark.parametrize(
    "died, last",
    [
        (None, 49),  # four weeks after the last dose (day 21)
        ("2018-02-05", 35),  # 30 + 5 days: nothing is drawn after a death
        ("2018-05-01", 120),  # 30 + 28 + 31 + 30 + 1: the axis goes on to the death
        ("2019-01-01", 201),  # 180 days after the last dose at most
    ],
)
def test_the_axis_ends_with_the_death_or_four_weeks_after_the_last_dose(run, died, last):
    one = subject(**(death(died) if died else {}))
    assert profile._span(one)[1] == last + 4  # and a little room


def test_the_axis_ends_with_the_cut_off(run):
    from sap import ard

    (run / "tables" / "run.json").write_text('{"cut_off": "2018-01-31"}', encoding="utf-8")
    ard._json.cache_clear()
    assert profile._span(subject())[1] == 30 + 4
    # The event that has not ended is drawn to the day of the cut-off, inside of the axis.
    boxes = re.findall(
        r'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', profile.draw(subject()).svg
    )
    ends = [float(x) + float(width) for x, width in boxes]
    page = profile._Page(*profile._span(subject()))
    assert max(ends) <= page.x(31) + 0.1 < page.x(34)
    assert max(ends) > page.x(30)
    # An event without a recorded outcome is not drawn as if it had lasted.
    unknown = subject()
    unknown.events[0]["AEOUT"] = None
    boxes = re.findall(r'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', profile.draw(unknown).svg)
    assert max(float(x) + float(width) for x, width in boxes) < page.x(22)


@pytest.mark.parametrize(
    "about, expected",
    [
        ({"DTHCGR1": "Progression"}, "died; cause of death: progression (inferred)."),
        (
            {"DTHCGR1": "Progression", "DTHTERM": "PROSTATE CANCER"},
            "died; cause of death: progression (Prostate cancer).",
        ),
        (
            {"DTHCGR1": "Adverse event, not related", "DTHTERM": "MYOCARDIAL INFARCTION"},
            "died; cause of death: adverse event, not related (Myocardial infarction).",
        ),
        ({}, "died."),
    ],
)
def test_a_profile_names_the_cause_of_a_death_adverse_event_or_not(run, about, expected):
    assert profile._alt(subject(**death("2018-02-05"), **about)).endswith(expected)


@pytest.mark.parametrize(
    "responses, expected",
    [
        ({"BOR": "PR", "BORINV": "SD"}, "PR"),
        ({"BOR": "NE", "BORINV": "SD"}, "SD (investigator)"),
        ({"BOR": "NE", "BORINV": "NE"}, "NEv"),
        ({"BORINV": "PD"}, "PD (investigator)"),
        ({}, "NEv"),
    ],
)
def test_the_response_of_the_investigator_is_given_where_the_algorithm_has_none(
    responses, expected
):
    assert profile._best(responses) == expected


def test_no_line_of_the_head_is_wider_than_the_page_and_the_panels_begin_below_it(run, monkeypatch):
    texts: list[tuple[str, float]] = []
    monkeypatch.setattr(
        profile._Page, "text", lambda _, words, x, y, **how: texts.append((words, y))
    )
    responses = {"PSARESP": "N", "PSABEST": "-30", "CTCRESP": "NE", "BORINV": "NON-CR/NON-PD"}
    one = subject(NCYCLES=1.0, DTHCGR1="Progression", **death("2018-02-05"))
    one.responses.update(responses)
    bottom = profile._head(profile._Page(*profile._span(one)), one)
    best = "best tumour response: NON-CR/NON-PD (investigator)"
    assert any(words.endswith(best) for words, _ in texts)
    assert any("; 1 infusion;" in words for words, _ in texts)
    assert max(profile.text_width(w, profile.SIZE, bold=False) for w, _ in texts) < profile.RIGHT
    assert bottom > max(y for _, y in texts) + 10


@pytest.mark.parametrize(
    "domains, rows, expected",
    [
        (["ae", "cm", "rs"], [], {"none recorded"}),
        (["dm"], [], {"not in the data"}),
        (["dm"], [{"ASTDT": pd.NaT, "ADT": pd.NaT}], {"none within the axis"}),
    ],
)
def test_an_empty_lane_gives_the_reason(run, monkeypatch, domains, rows, expected):
    manifest = {"files": [{"name": f"{each}.parquet"} for each in domains]}
    (run / "tables" / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    one = dataclasses.replace(subject(), events=rows, factor=rows, scans=rows)
    texts = []
    monkeypatch.setattr(profile._Page, "text", lambda _, what, *_at, **_how: texts.append(what))
    page = profile._Page(*profile._span(one))
    lanes = ("G-CSF", "Scans", "Adverse events", "grade; S serious")
    for lane in (profile._factor, profile._scans, profile._events):
        lane(page, one, 0.0)
    assert {each for each in texts if each not in lanes} == expected


def test_responders_deaths_and_serious_events_come_first(run, monkeypatch):
    """T-4 responded and died, T-3 died, T-2 had a serious event, T-1 none of these; T-5 was not treated."""
    tables = {
        "adsl": pd.DataFrame(
            {
                "USUBJID": ["T-1", "T-2", "T-3", "T-4", "T-5"],
                "SAFFL": ["Y", "Y", "Y", "Y", "N"],
                "DTHFL": ["N", "N", "Y", "Y", "Y"],
            }
        ),
        "adrs": pd.DataFrame(
            [("T-4", "PSARESP", "Y"), ("T-3", "PSARESP", "N"), ("T-1", "CTCRESP", "Y")],
            columns=["USUBJID", "PARAMCD", "AVALC"],
        ),
        "adae": pd.DataFrame(
            [("T-2", "Y"), ("T-1", "N"), ("T-3", "Y"), ("T-5", "Y")], columns=["USUBJID", "AESER"]
        ),
    }
    monkeypatch.setattr(profile.ard, "dataset", tables.__getitem__)
    assert [who for who, _ in profile.groups()] == ["T-4", "T-3", "T-2", "T-1"]
    assert [group for _, group in profile.groups()] == [
        "PSA response",
        "death without a PSA response",
        "serious adverse event, neither of these",
        "all others",
    ]
