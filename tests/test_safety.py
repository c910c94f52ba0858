"""ADAE: treatment-emergence by its numbered cases, and who is counted once."""

import json
from pathlib import Path

import pandas as pd
import pytest

from sap import ard
from sap.derivations.population import adsl as adsl_of
from sap.derivations.safety import adae, with_deaths
from sap.displays import sentences
from sap.intake import sdtm
from sap.plan import read_plan
from sap.plan.references import read_references
from sap.results.safety import (
    ae_overview,
    ae_rates,
    ae_soc_pt,
    deaths,
    fatal_events,
    progression,
    toxicity_monitoring,
)

HOME = Path(__file__).parents[1]
PLAN = read_plan(HOME / "analysis" / "plan.yml").plan
NO_LABS = pd.DataFrame(columns=["USUBJID", "PARAMCD", "ATOXDIR", "ONTRTFL", "ANL01FL", "ATOXGR"])

ADSL = pd.DataFrame(
    {
        "USUBJID": ["01", "02"],
        "TRTSDT": [pd.Timestamp("2018-03-10"), pd.NaT],
        "TRTEDT": [pd.Timestamp("2018-05-10"), pd.NaT],
        "NCYCLES": [4.0, 0.0],
        "SAFFL": ["Y", "N"],
    }
)

# First dose 2018-03-10, last dose 2018-05-10, window 30 days: 2018-06-09 is the last day.
EVENTS = """
    USUBJID | AESTDTC    | AEENDTC    | TRTEMFL | CASE | ASTDT      | WHY
    --------+------------+------------+---------+------+------------+-----------------------------
    01      | 2018-03-10 |            | Y       | 7    | 2018-03-10 | on the day of the first dose
    01      | 2018-03-09 |            | N       | 4    | 2018-03-09 | the day before
    01      | 2018-06-09 |            | Y       | 7    | 2018-06-09 | last day of the window
    01      | 2018-06-10 |            | N       | 5    | 2018-06-10 | one day too late
    01      |            |            | Y       | 2    | 2018-03-10 | nothing known: counts
    01      |            | 2018-03-09 | N       | 3    |            | ended before the first dose
    01      |            | 2018-03    | Y       | 2    | 2018-03-10 | may have ended after it
    01      | 2018-03    |            | Y       | 7    | 2018-03-10 | month of the first dose
    01      | 2018-02    |            | N       | 4    | 2018-02-01 | month before it
    01      | 2018       |            | Y       | 7    | 2018-03-10 | year of the first dose
    01      | 2018-03    | 2018-03-08 | N       | 6    | 2018-03-01 | may be earlier, ended before
    01      | 2018-07    |            | N       | 5    | 2018-07-01 | month after the window
    02      | 2018-04-01 |            | N       | 1    | 2018-04-01 | no study cabazitaxel
"""


def derived(events: pd.DataFrame, **columns: object) -> pd.DataFrame:
    ae = events.assign(
        STUDYID="T", AESEQ=range(1, len(events) + 1), AESER="N", AEREL="RELATED",
        AEACN="DOSE NOT CHANGED", AEOUT="UNKNOWN",
    )  # fmt: skip
    for name, value in {
        "AETERM": "x", "AEDECOD": "X", "AEBODSYS": "S", "AETOXGR": "2", "AEENDTC": None, **columns
    }.items():  # fmt: skip
        if name not in ae:
            ae[name] = value
    return adae({"ae": ae}, ADSL, PLAN.safety, PLAN.deaths)


def test_an_event_without_a_preferred_term_is_uncoded_and_never_its_own_words(patients):
    events = patients(EVENTS)
    terms = ["Mr Jansen fell at the bus stop", *["x"] * (len(events) - 1)]
    got = derived(events.assign(AETERM=terms, AEDECOD=[None, *["X"] * (len(events) - 1)]))
    assert got["AEDECOD"].tolist() == ["UNCODED", *["X"] * (len(events) - 1)]
    assert got["AETERM"].tolist() == terms  # the listing of the closed report shows what was said


@pytest.mark.req("SAP-5.7")
def test_each_event_is_emergent_by_the_case_written_beside_it(patients):
    events = patients(EVENTS)
    got = derived(events)
    assert got["TRTEMCAS"].tolist() == events["CASE"].astype(int).tolist()
    assert got["TRTEMFL"].tolist() == events["TRTEMFL"].tolist()
    assert got["ASTDT"].dt.strftime("%F").fillna("").tolist() == events["ASTDT"].fillna("").tolist()
    # a whole date missing, then the day, then the month; an end before a start stands nowhere
    assert got["ASTDTF"].tolist() == [*[""] * 4, "Y", "", "Y", "D", "D", "M", "D", "D", ""]
    assert not (got["AENDT"] < got["ASTDT"]).any()


TERMS = """
    USUBJID | AEBODSYS | AEDECOD | AETOXGR | AESTDTC
    --------+----------+---------+---------+-----------
    01      | BLOOD    | ANAEMIA | 2       | 2018-03-20
    01      | BLOOD    | ANAEMIA | 4       | 2018-04-20
    01      | BLOOD    | OTHER   | 3       | 2018-04-01
    01      | GUT      | NAUSEA  |         | 2018-04-01
    02      | GUT      | NAUSEA  | 5       | 2018-04-01
"""


def stat(rows: pd.DataFrame, **where: str) -> float:
    found = rows
    for name, value in ({"group": ""} | where).items():
        found = found[found[name] == value]
    assert len(found) == 1, where
    return float(found["stat"].iloc[0])


def test_a_subject_stands_once_in_a_line_at_his_worst_grade(patients):
    events = patients(TERMS).assign(AETOXGR=lambda f: f["AETOXGR"].map(lambda g: g))
    rows = ard.bind(ae_soc_pt(ADSL, derived(events), PLAN))
    anaemia = {"level": "BLOOD", "sublevel": "ANAEMIA", "stat_name": "n"}
    assert stat(rows, paramcd="GR4", **anaemia) == 1
    assert stat(rows, paramcd="GR2", **anaemia) == 0
    assert stat(rows, paramcd="ANY", level="BLOOD", sublevel="", stat_name="n_events") == 3
    assert stat(rows, paramcd="ANY", level="BLOOD", sublevel="", stat_name="n") == 1
    # a grade that was not recorded has a column of its own; the untreated patient is nowhere
    nausea = {"level": "GUT", "sublevel": "NAUSEA", "stat_name": "n"}
    assert stat(rows, paramcd="GRMISS", **nausea) == 1
    assert stat(rows, paramcd="GR5", **nausea) == 0


def test_first_occurrence_flags_mark_one_event_each(patients):
    got = derived(patients(TERMS))
    emergent = got[got["TRTEMFL"] == "Y"]
    assert (emergent["AOCCFL"] == "Y").sum() == 1
    assert emergent.loc[emergent["AOCCFL"] == "Y", "ATOXGRN"].tolist() == [4]
    assert (emergent["AOCCSFL"] == "Y").sum() == 2
    assert (emergent["AOCCPFL"] == "Y").sum() == 3


def test_overview_counts_subjects_and_events(patients):
    rows = ard.bind(ae_overview(ADSL, derived(patients(TERMS)), PLAN))
    assert stat(rows, level="Any", stat_name="n") == 1
    assert stat(rows, level="Any", stat_name="n_events") == 4
    assert stat(rows, level="Grade >= 3", stat_name="n_events") == 2
    assert stat(rows, level="Serious", stat_name="n") == 0
    assert stat(rows, level="Any", stat_name="N") == 1


def test_nobody_treated_gives_counts_and_no_rate():
    nobody = ADSL.assign(SAFFL="N")
    events = derived(pd.DataFrame({"USUBJID": ["02"], "AESTDTC": ["2018-04-01"]}))
    rows = ard.bind(ae_overview(nobody, events, PLAN))
    any_line = rows[(rows["level"] == "Any") & (rows["stat_name"] == "estimate")]
    any_line = any_line[any_line["group"] == ""]
    assert any_line["stat"].isna().all()
    assert any_line["stat_text"].tolist() == ["no patient in this population"]


# First dose 2018-03-10, last dose 2018-05-10, window to 2018-06-09; the plan's terms of progression.
FATES = """
    USUBJID | AEBODSYS | AEDECOD              | AETOXGR | AEOUT         | AESTDTC    | WHY
    --------+----------+----------------------+---------+---------------+------------+-----------------------------
    01      | GENERAL  | Disease  Progression | 5       | FATAL         | 2018-05-20 | the disease, folded
    01      | NEOPLASM | PROSTATE CANCER      | 3       | NOT RECOVERED | 2018-04-20 | the disease, not fatal
    01      | BLOOD    | LEUKAEMIA            | 5       | FATAL         | 2018-09-30 | fatal, 143 days after the last dose
    01      | BLOOD    | FEBRILE NEUTROPENIA  |         | RECOVERED     | 2018-04-01 | no grade
    01      | GUT      | DIARRHOEA            | 2       | RECOVERED     | 2018-04-01 | graded
    02      | GENERAL  | DISEASE PROGRESSION  | 5       | FATAL         | 2018-05-20 | never treated
"""


def fated(patients) -> pd.DataFrame:
    events = patients(FATES)
    ae = events.assign(
        STUDYID="T", AESEQ=range(1, len(events) + 1), AETERM="x", AESER="N", AEREL="RELATED",
        AEACN="DRUG WITHDRAWN", AEENDTC=None,
    )  # fmt: skip
    return adae({"ae": ae}, ADSL, PLAN.safety, PLAN.deaths)


@pytest.mark.req("SAP-5.7")
def test_the_disease_itself_is_no_adverse_event_and_stands_apart(patients):
    """By hand: two events are left in the window, none of them fatal; the disease twice, once fatal."""
    events = fated(patients)
    assert events["PROGFL"].tolist() == ["Y", "Y", "N", "N", "N", "Y"]
    rows = ard.bind([*ae_overview(ADSL, events, PLAN), *ae_soc_pt(ADSL, events, PLAN)])
    whole = {"analysis": "ae_overview", "stat_name": "n_events"}
    for level, n in (
        ("Any", 2),
        ("Fatal", 0),
        ("Grade >= 3", 0),
        ("Leading to discontinuation", 2),
    ):
        assert stat(rows, level=level, **whole) == n, level
    assert not {"GENERAL", "NEOPLASM"} & set(rows["level"])
    apart = ard.bind(progression(ADSL, events, PLAN))
    assert stat(apart, level="Any", stat_name="n_events") == 2
    assert stat(apart, level="Any", stat_name="n") == 1
    assert stat(apart, level="Fatal", stat_name="n_events") == 1
    assert stat(apart, level="Fatal", stat_name="N") == 1
    assert (
        events.loc[events["PROGFL"] == "Y", ["AOCCFL", "AOCCSFL", "AOCCPFL"]].eq("").all(axis=None)
    )


@pytest.mark.req("SAP-5.7.3")
def test_a_fatal_event_after_the_window_is_named_with_its_day(patients):
    """Last dose 2018-05-10, event 2018-09-30: 21 + 30 + 31 + 31 + 30 = 143 days."""
    rows = ard.bind(fatal_events(ADSL, fated(patients), PLAN))
    late = {"level": "More than 30 days after the last dose"}
    assert stat(rows, sublevel="LEUKAEMIA", stat_name="n", **late) == 1
    assert stat(rows, sublevel="LEUKAEMIA", stat_name="min", **late) == 143
    assert stat(rows, sublevel="", stat_name="n", **late) == 1
    assert stat(rows, level="Treatment-emergent", sublevel="", stat_name="n") == 0
    assert stat(rows, level="Before the first dose", sublevel="", stat_name="n") == 0


def test_synopsis_and_12_3_name_the_late_fatal_event_and_the_progression(
    patients, tmp_path, monkeypatch
):
    """The sentences of the synopsis and of 12.3, from FATES: one treated patient."""
    events = fated(patients)
    parts = [made(ADSL, events, PLAN) for made in (ae_overview, fatal_events, progression)]
    (tmp_path / "tables").mkdir()
    rows = ard.to_csv(ard.bind([row for part in parts for row in part]))
    (tmp_path / "ard.csv").write_text(rows, encoding="utf-8")
    plan = json.dumps(PLAN.model_dump(mode="json"))
    (tmp_path / "tables" / "plan.json").write_text(plan, encoding="utf-8")
    monkeypatch.setenv("SAP_RUN", str(tmp_path))
    late = "1 of 1 treated patients (leukaemia, 143 days after the last dose)"
    assert late in sentences.late_fatal().plain.replace("\u00a0", " ")
    chapters = HOME / "analysis" / "chapters"
    for name in ("02-synopsis.qmd", "12-safety.qmd"):
        assert "sentences.late_fatal()" in (chapters / name).read_text(encoding="utf-8"), name
    said = sentences.progression_events().plain.replace("\u00a0", " ")
    assert "in 1 of 1 treated patients, fatal in 1" in said


def test_an_event_without_a_grade_is_counted_as_such(patients):
    """Febrile neutropenia without a grade: in no rate from grade 3, and the rate says so."""
    events = fated(patients)
    rows = ard.bind(ae_overview(ADSL, events, PLAN))
    assert stat(rows, level="Grade not recorded", stat_name="n_events") == 1
    assert stat(rows, level="Grade not recorded", stat_name="n") == 1
    references = read_references(HOME / "analysis" / "references.yml")
    people = ADSL.assign(LDDTHGR1=None, DTHCGR1=None, LINE=None)
    rates = ard.bind(ae_rates(people, events, NO_LABS, references, PLAN))
    assert stat(rates, level="Febrile neutropenia", stat_name="n") == 0
    assert stat(rates, level="Febrile neutropenia", stat_name="n_ungraded") == 1
    assert stat(rates, level="Diarrhoea", stat_name="n_ungraded") == 0
    graded = events.assign(ATOXGRN=events["ATOXGRN"].fillna(3))
    rates = ard.bind(ae_rates(people, graded, NO_LABS, references, PLAN))
    assert stat(rates, level="Febrile neutropenia", stat_name="n") == 1
    assert stat(rates, level="Febrile neutropenia", stat_name="n_ungraded") == 0


@pytest.mark.shared
def test_the_events_of_caba_v7_are_those_of_its_two_files(shared_data):
    """Counted by hand in sae.csv, ae.csv and clinical.csv: serious events of eleven patients. One is a
    progression of grade 5, one a leukaemia of grade 5 that began 143 days after the last dose (so the
    outside check as well). Nine patients are left with a serious event in the window, none fatal.
    """
    from sap import contracts
    from sap.intake import caba_v7
    from sap.pipeline import datasets

    plan = read_plan(HOME / "analysis" / "plan-caba-v7.yml").plan
    tables, _ = caba_v7.read(shared_data / "caba-v7")
    day = plan.cut_offs.dates["final"].date
    found = datasets.derive(contracts.typed(tables, contracts.load()), plan, day).by_name()
    adsl, events = found["adsl"], found["adae"]
    rows = ard.bind(ae_overview(adsl, events, plan))
    for level, n in (("Serious", 9), ("Any", 9), ("Fatal", 0), ("Grade not recorded", 0)):
        assert stat(rows, level=level, stat_name="n") == n, level
    apart = ard.bind(progression(adsl, events, plan))
    assert stat(apart, level="Fatal", stat_name="n") == 1
    rows = ard.bind(fatal_events(adsl, events, plan))
    late = rows[(rows["level"].str.startswith("More than 30")) & (rows["sublevel"] != "")]
    assert set(late["sublevel"]) == {"Acute promyelocytic leukaemia"}
    assert late.set_index("stat_name").loc[["n", "min"], "stat"].tolist() == [1, 143]


# ---- deaths, rates of interest, the boundary ------------------------------------------------

# W is 30 days. Last dose 2018-05-10: 2018-06-09 is day 30.
DEAD = """
    USUBJID | DTHDTC     | AEDECOD             | GRADE | REL | REASON              | WHEN   | CAUSE                      | WHY
    --------+------------+---------------------+-------+-----+---------------------+--------+----------------------------+------------------------------
    01      | 2018-06-09 | NEUTROPENIC SEPSIS  | 5     | Y   | DEATH               | Within | Adverse event, related     | exactly day 30
    02      | 2018-06-10 | NEUTROPENIC SEPSIS  | 5     | Y   | DEATH               | More   | Adverse event, related     | day 31
    03      | 2018-05-20 | STROKE              | 5     | N   | PROGRESSIVE DISEASE | Within | Adverse event, not related | an event comes before the stop
    04      | 2018-05-20 | Disease progression | 5     | N   | DEATH               | Within | Progression                | the event is the disease
    05      | 2018-07-20 |                     |       |     | PROGRESSIVE DISEASE | More   | Progression                | stopped for progression
    06      | 2018-05-20 | NAUSEA              | 2     | Y   | COMPLETED           | Within | Not recorded               | no event was fatal
    07      |            | STROKE              | 4     | Y   | COMPLETED           |        |                            | alive
    08      | 2018-05-20 |                     |       |     |                     |        |                            | never treated
"""


def subjects(patients) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    rows = patients(DEAD)
    treated = rows["USUBJID"] != "08"
    adsl = pd.DataFrame(
        {
            "USUBJID": rows["USUBJID"], "TRTSDT": pd.Timestamp("2018-03-10"),
            "TRTEDT": pd.Timestamp("2018-05-10"), "NCYCLES": treated.map({True: 4.0, False: 0.0}),
            "DTHDT": pd.to_datetime(rows["DTHDTC"]), "DCTREAS": rows["REASON"],
            "SAFFL": treated.map({True: "Y", False: "N"}),
            "LINE": ["second line", "second line"] + ["third line"] * 5 + [None],
        }
    )  # fmt: skip
    events = pd.DataFrame(
        {
            "USUBJID": rows["USUBJID"], "AESEQ": 1.0, "AEDECOD": rows["AEDECOD"], "AEBODSYS": "S",
            "ATOXGRN": rows["GRADE"].astype(float), "RELFL": rows["REL"], "TRTEMFL": "Y",
            "FATALFL": (rows["GRADE"] == 5).map({True: "Y", False: "N"}), "AESER": "N",
            "PROGFL": (rows["AEDECOD"] == "Disease progression").map({True: "Y", False: "N"}),
        }
    )  # fmt: skip
    adae = events[events["AEDECOD"].notna()]
    return with_deaths(adsl, adae, PLAN.safety, PLAN.deaths), adae, rows


@pytest.mark.req("SAP-5.7.3")
def test_each_death_has_the_time_and_the_cause_written_beside_it(patients):
    got, _, rows = subjects(patients)
    when = got["LDDTHGR1"].fillna("").str.split().str[0].fillna("")
    assert when.tolist() == rows["WHEN"].fillna("").tolist()
    assert got["DTHCGR1"].fillna("").tolist() == rows["CAUSE"].fillna("").tolist()
    assert got["LDDTHELD"].tolist()[:2] == [30, 31]


def test_deaths_are_counted_by_time_and_cause(patients):
    adsl, _, _ = subjects(patients)
    rows = ard.bind(deaths(adsl, PLAN))
    within = {"group": "", "level": "Within 30 days of the last dose", "stat_name": "n"}
    assert stat(rows, sublevel="", **within) == 4
    assert stat(rows, sublevel="Progression", **within) == 1
    assert stat(rows, group="", level="All", sublevel="", stat_name="n") == 6
    assert stat(rows, group="", level="All", sublevel="", stat_name="N") == 7


def test_a_toxic_death_is_early_and_not_from_progression(patients):
    """01, 03 and 06 of seven treated patients; TROPIC 18 of 371 with its own exact interval beside."""
    adsl, adae, _ = subjects(patients)
    references = read_references(HOME / "analysis" / "references.yml")
    rows = ard.bind(ae_rates(adsl, adae, NO_LABS, references, PLAN))
    of = {"level": "Early death, not of progression", "stat_name": "n"}
    assert stat(rows, group="", **of) == 3
    assert stat(rows, group="second line", **of) == 1
    assert stat(rows, group="TROPIC", **of) == 18
    # exact limits of 3 of 7: the roots of the binomial tails, by R's binom.test(3, 7)
    low = stat(rows, group="", level="Early death, not of progression", stat_name="conf_low")
    assert low == pytest.approx(0.09898828, abs=1e-7)
    lab = rows[(rows["paramcd"] == "LABORATORY") & (rows["group"] == "")]
    assert lab[lab["stat_name"] == "estimate"]["stat_text"].str.startswith("not in the data").all()


def test_mild_events_that_were_not_registered_are_not_counted(patients):
    """CABA-V7 registered grades 3 and 4 and serious events: a rate of any grade does not exist."""
    plan = read_plan(HOME / "analysis" / "plan-caba-v7.yml").plan
    adsl, adae, _ = subjects(patients)
    references = read_references(HOME / "analysis" / "references.yml")
    rows = ard.bind(ae_rates(adsl, adae, NO_LABS, references, plan))
    found = rows[(rows["group"] == "") & (rows["stat_name"] == "n")].set_index("level")["stat"]
    assert found[["Diarrhoea", "Neutropenia"]].isna().all()
    assert found["Diarrhoea, grade >= 3"] == 0


@pytest.mark.req("SAP-5.7.5")
@pytest.mark.parametrize(
    "toxic, said",
    [
        ([1, 2, 3], "crossed after patient 3"),
        ([1, 2], "not crossed"),
        ([2, 3, 4, 5], "crossed after patient 5"),
        ([], "not crossed"),
    ],
)
def test_the_boundary_is_crossed_at_the_patient_it_names(toxic, said):
    """Pocock for 20 patients, p0 0.20, alpha 0.05: 3 of 3, then 4 of up to 6 (see test_monitoring)."""
    plan = PLAN.model_copy(
        update={"toxicity_monitoring": PLAN.toxicity_monitoring.model_copy(update={"patients": 20})}
    )
    who = [f"{n:02d}" for n in range(1, 6)]
    adsl = pd.DataFrame(
        {"USUBJID": who[::-1], "SAFFL": "Y", "TRTSDT": pd.date_range("2018-01-05", periods=5)[::-1]}
    )
    adae = pd.DataFrame(
        {"USUBJID": [f"{n:02d}" for n in toxic] + ["05"], "AEDECOD": "Febrile neutropenia",
         "ATOXGRN": [3.0] * len(toxic) + [2.0], "TRTEMFL": "Y", "PROGFL": "N"}
    )  # fmt: skip
    rows = ard.bind(toxicity_monitoring(adsl, adae, plan))
    assert rows[rows["stat_name"] == "decision"]["stat_text"].tolist() == [said]
    assert stat(rows, level="", stat_name="n") == len(toxic)
    assert [stat(rows, level=f"{k:02d}", stat_name="boundary") for k in (1, 2, 3, 4)] == [
        2,
        3,
        3,
        4,
    ]
    assert "n" not in set(rows[rows["level"] == "06"]["stat_name"])


def test_kinds_of_events_stand_by_soc_and_term(patients):
    rows = ard.bind(ae_soc_pt(ADSL, derived(patients(TERMS)), PLAN))
    blood = {"group": "", "level": "BLOOD", "sublevel": "", "stat_name": "n_events"}
    assert stat(rows, paramcd="REL", **blood) == 3
    assert stat(rows, paramcd="RELSEV", **blood) == 2
    assert stat(rows, paramcd="SER", **blood) == 0
    assert stat(rows, paramcd="STOPPED", **blood) == 0


# ---- the CDISC pilot ------------------------------------------------------------------------

# Printed CSR of the pilot, table 14-5.01: patients with a treatment-emergent event, events, patients
# with a serious one.
PRINTED = {
    "Placebo": (65, 281, 0),
    "Xanomeline Low Dose": (77, 412, 1),
    "Xanomeline High Dose": (76, 433, 2),
}


@pytest.mark.shared
def test_counts_from_the_given_adae_equal_the_printed_pilot(shared_data):
    given = sdtm.read(shared_data / "cdisc-pilot" / "adam")
    adsl, adae = (
        given["adsl"],
        given["adae"].assign(ATOXGRN=float("nan"), RELFL="Y", FATALFL="N", PROGFL="N"),
    )
    for arm, (patients_, events, serious) in PRINTED.items():
        rows = ard.bind(ae_overview(adsl[adsl["TRT01A"] == arm], adae, PLAN))
        assert stat(rows, group="", level="Any", stat_name="n") == patients_
        assert stat(rows, group="", level="Any", stat_name="n_events") == events
        assert stat(rows, group="", level="Serious", stat_name="n") == serious


@pytest.mark.shared
def test_the_chain_on_the_raw_pilot_differs_by_the_missing_rows_only(shared_data):
    """The raw AE, EX and DM of the pilot through intake and derivations, without a hand edit.

    Only the plan is the pilot's: its drugs, and no end of the treatment-emergent window. This version
    of SDTM holds 961 events where the given ADAE has 1191; the 230 missing rows are whole events
    (216 of them treatment-emergent), which no rule of ours drops. On every one of the 961 our flag,
    our start and our first occurrences agree with ADAE. Their share of the printed counts is thus
    910 of 1126 treatment-emergent events.
    """
    tables = sdtm.read(shared_data / "cdisc-pilot" / "sdtm")
    given = sdtm.read(shared_data / "cdisc-pilot" / "adam")["adae"]
    for name in ("ae", "ex"):
        seq = f"{name.upper()}SEQ"
        tables[name][seq] = pd.to_numeric(tables[name][seq])
    drugs = sorted(tables["ex"]["EXTRT"].dropna().unique())
    plan = PLAN.model_copy(
        update={
            "exposure": PLAN.exposure.model_copy(update={"drugs": drugs}),
            "safety": PLAN.safety.model_copy(update={"days_after_last_dose": 36500}),
        }
    )
    people = adsl_of(tables, plan)
    assert (people["SAFFL"] == "Y").sum() == 86 + 84 + 84
    ours = adae(tables, people, plan.safety, plan.deaths)
    given = given.assign(AESEQ=pd.to_numeric(given["AESEQ"]))
    both = ours.merge(given, on=["USUBJID", "AESEQ"], suffixes=("", "_GIVEN"), how="outer")
    assert both["TRTEMFL"].isna().sum() == 230
    missing = both["TRTEMFL"].isna()
    assert (both.loc[missing, "TRTEMFL_GIVEN"] == "Y").sum() == 216
    shared_rows = both[~missing]
    assert len(shared_rows) == 961
    assert ((shared_rows["TRTEMFL"] == "Y") == (shared_rows["TRTEMFL_GIVEN"] == "Y")).all()
    assert (shared_rows["TRTEMFL"] == "Y").sum() == 281 + 412 + 433 - 216
    start = pd.to_datetime(pd.to_numeric(shared_rows["ASTDT_GIVEN"]), unit="D", origin="1960-01-01")
    full = shared_rows["ASTDTF"] == ""
    assert (shared_rows["ASTDT"] == start)[full].all()
