"""Adverse events by severity (AESEV): counted by hand in both computations; no grade is made of a severity."""

import dataclasses
from pathlib import Path

import pandas as pd
import pytest

from sap import ard
from sap.catalogue.reporting import analysis, is_in_plan
from sap.derivations.safety import adae
from sap.plan import read_plan
from sap.qc import adverse_events, safety
from sap.qc.study import Study
from sap.qc.subjects import subjects_of
from sap.results.safety import ae_overview, ae_rates, ae_soc_pt

HOME = Path(__file__).parents[1]
PLAN = read_plan(HOME / "docs" / "examples" / "one-arm-plan.yml").plan
CARVE = read_plan(HOME / "analysis" / "plan.yml").plan

# Four treated patients, dosed on 1 to 10 January 2018. A grade in the data (5 of 04) is not read: 04 has a mild event
# that is not fatal. 03's event has no severity.
EVENTS = """
    USUBJID | AEBODSYS | AEDECOD                    | AESEV    | AETOXGR | AESER
    --------+----------+----------------------------+----------+---------+------
    01      | SKIN     | APPLICATION SITE PRURITUS  | MILD     |         | N
    01      | SKIN     | APPLICATION SITE ERYTHEMA  | SEVERE   |         | N
    01      | GUT      | NAUSEA                     | MODERATE |         | N
    02      | SKIN     | APPLICATION SITE PRURITUS  | MODERATE |         | Y
    03      | GUT      | NAUSEA                     |          |         | N
    04      | GUT      | NAUSEA                     | MILD     | 5       | N
"""
COUNTS = """
    level | paramcd  | n
    ------+----------+--
    SKIN  | ANY      | 2
    SKIN  | MILD     | 0
    SKIN  | MODERATE | 1
    SKIN  | SEVERE   | 1
    SKIN  | SEVMISS  | 0
    SKIN  | GRSEV    | 1
    GUT   | ANY      | 3
    GUT   | MILD     | 1
    GUT   | MODERATE | 1
    GUT   | SEVERE   | 0
    GUT   | SEVMISS  | 1
    GUT   | GRSEV    | 0
"""
WHO = ["01", "02", "03", "04"]


def given(patients) -> dict[str, pd.DataFrame]:
    rows = patients(EVENTS)
    ae = rows.assign(
        STUDYID="T", AESEQ=range(1, len(rows) + 1), AESTDTC="2018-01-05", AEENDTC=None, AEREL="RELATED",
        AETERM=rows["AEDECOD"], AEACN=None, AEOUT="RECOVERED/RESOLVED", AESDTH=None,
        AETOXGR=[None if pd.isna(g) else str(int(g)) for g in rows["AETOXGR"]],
    )  # fmt: skip
    ex = pd.DataFrame(
        {
            "USUBJID": WHO, "EXSEQ": 1.0, "EXTRT": "XANOMELINE", "EXDOSE": 54.0, "EXDOSU": "mg",
            "EXDOSFRQ": "QD", "EXSTDTC": "2018-01-01", "EXENDTC": "2018-01-10",
        }
    )  # fmt: skip
    dm = pd.DataFrame({"STUDYID": "T", "USUBJID": WHO})
    return {"ae": ae.where(ae.notna(), None), "ex": ex, "dm": dm}


def adsl_of() -> pd.DataFrame:
    first, last = pd.Timestamp("2018-01-01"), pd.Timestamp("2018-01-10")
    return pd.DataFrame(
        {
            "USUBJID": WHO, "SAFFL": "Y", "NCYCLES": 1.0, "TRTSDT": first, "TRTEDT": last,
            "LINE": None, "LDDTHELD": float("nan"), "DTHCGR1": None,
        }
    )  # fmt: skip


@pytest.mark.req("SAP-5.7")
def test_events_have_their_severity_and_no_grade(patients):
    got = adae(given(patients), adsl_of(), PLAN.safety, PLAN.deaths)
    assert got["ASEV"].tolist()[:4] == ["MILD", "SEVERE", "MODERATE", "MODERATE"]
    assert got["ASEVN"].tolist()[:4] == [1, 3, 2, 2]
    assert got["ATOXGRN"].isna().all()
    assert set(got["FATALFL"]) == {"N"}
    # Of 01 the worst event is the severe one, of the body system and of the patient.
    assert got.loc[got["AOCCFL"] == "Y", "AESEQ"].tolist() == [2, 4, 5, 6]
    by_grade = adae(given(patients), adsl_of(), CARVE.safety, CARVE.deaths)
    assert by_grade["ASEV"].isna().all()
    assert by_grade["ATOXGRN"].tolist()[-1] == 5


def raw_study(patients) -> Study:
    tables = {
        name: frame.astype(object).where(frame.notna(), None).to_dict("records")
        for name, frame in given(patients).items()
    }
    subjects = subjects_of(tables, PLAN)
    split = {
        name: {who: [r for r in rows if r["USUBJID"] == who] for who in WHO}
        for name, rows in tables.items()
    }
    empty = {field.name: None for field in dataclasses.fields(Study)}
    return Study(**empty | {"records": tables, "by_subject": split, "subjects": subjects, "plan": PLAN})  # type: ignore[arg-type]  # fmt: skip


@pytest.mark.req("SAP-5.7")
def test_patients_are_counted_by_their_worst_severity(patients):
    events = adae(given(patients), adsl_of(), PLAN.safety, PLAN.deaths)
    rows = ard.bind(ae_soc_pt(adsl_of(), events, PLAN))
    rows = rows[(rows["group"] == "") & (rows["sublevel"] == "") & (rows["stat_name"] == "n")]
    found = rows.set_index(["level", "paramcd"])["stat"]
    again = {
        (row.level, row.paramcd): row.value
        for row in adverse_events.rows(raw_study(patients))
        if (row.analysis, row.group, row.sublevel, row.stat_name) == ("ae_soc_pt", "", "", "n")
    }
    for line in patients(COUNTS).to_dict("records"):
        place = line["level"], line["paramcd"]
        assert found[place] == line["n"], place
        assert again[place] == line["n"], place
    assert not {code for _, code in again} & {"GR1", "GR2", "GR3", "GR4", "GR5", "GRMISS"}


@pytest.mark.req("SAP-5.7")
def test_the_overview_has_a_severe_line_and_one_without_a_severity(patients):
    """Severe: 01. Serious: 02. Without a severity: 03."""
    events = adae(given(patients), adsl_of(), PLAN.safety, PLAN.deaths)
    rows = ard.bind(ae_overview(adsl_of(), events, PLAN))
    found = rows[(rows["group"] == "") & (rows["stat_name"] == "n")].set_index("level")["stat"]
    again = {
        row.level: row.value
        for row in adverse_events.rows(raw_study(patients))
        if (row.analysis, row.group, row.stat_name) == ("ae_overview", "", "n")
    }
    wanted = {
        "any": 4, "severe_grade": 1, "grade_missing": 1, "serious": 1, "fatal": 0,
        "serious_or_severe_grade": 2,
    }  # fmt: skip
    for level, n in wanted.items():
        assert found[level] == n, level
        assert again[level] == n, level
    labels = analysis("ae_overview")
    assert labels.text("level", "severe_grade", PLAN) == "Severe"
    assert labels.text("level", "serious_or_severe_grade", PLAN) == "Serious or severe"
    assert labels.text("level", "grade_missing", PLAN) == "Severity missing"
    assert labels.text("level", "serious_or_severe_grade", CARVE) == "Serious or grade ≥ 3"


@pytest.mark.req("SAP-5.7.2")
def test_a_rate_counts_from_its_severity(patients):
    """Site reactions: 01 (severe) and 02 (moderate) from mild and from moderate; an event without a severity counts from mild."""
    events = adae(given(patients), adsl_of(), PLAN.safety, PLAN.deaths)
    rates = [
        PLAN.safety_rates.rates[0].model_copy(update={"from_severity": s, "terms": [t], "name": n})
        for n, t, s in (
            ("Pruritus", "APPLICATION SITE PRURITUS", "MILD"),
            ("Pruritus moderate", "APPLICATION SITE PRURITUS", "MODERATE"),
            ("Pruritus severe", "APPLICATION SITE PRURITUS", "SEVERE"),
            ("Nausea", "NAUSEA", "MILD"),
            ("Nausea moderate", "NAUSEA", "MODERATE"),
        )
    ]
    update = {"safety_rates": PLAN.safety_rates.model_copy(update={"rates": rates})}
    plan = PLAN.model_copy(update=update)
    rows = ard.bind(ae_rates(adsl_of(), events, pd.DataFrame(), None, plan))  # type: ignore[arg-type]
    rows = rows[(rows["group"] == "") & rows["stat_name"].isin(["n", "n_ungraded"])]
    found = rows.set_index(["level", "stat_name"])["stat"]
    wanted = {"pruritus": 2, "pruritus_moderate": 1, "pruritus_severe": 0, "nausea": 3,
              "nausea_moderate": 1}  # fmt: skip
    study = dataclasses.replace(raw_study(patients), plan=plan)
    for rule, (level, n) in zip(rates, wanted.items(), strict=True):
        assert found[level, "n"] == n
        assert safety._rate(rule, WHO, study)["n"] == n
    assert found["nausea", "n_ungraded"] == safety._rate(rates[3], WHO, study)["n_ungraded"]
    assert found["nausea_moderate", "n_ungraded"] == 1  # 03


@pytest.mark.req("SAP-5.7.4")
def test_no_row_of_a_grade_is_in_a_plan_of_severities():
    for code in ("GR1", "GR5", "GRMISS"):
        assert is_in_plan(("ae_soc_pt", "SAFETY", code, "", "SKIN", ""), CARVE)
        assert not is_in_plan(("ae_soc_pt", "SAFETY", code, "", "SKIN", ""), PLAN)
    for code in ("MILD", "MODERATE", "SEVERE", "SEVMISS"):
        assert not is_in_plan(("ae_soc_pt", "SAFETY", code, "", "SKIN", ""), CARVE)
        assert is_in_plan(("ae_soc_pt", "SAFETY", code, "", "SKIN", ""), PLAN)
    assert not is_in_plan(("lab_reported", "SAFETY", "HGB", "", "both", "grade_1"), PLAN)
    assert not is_in_plan(("lab_grade", "SAFETY", "HGB", "", "severe_grade", ""), PLAN)
