"""A plan of one cohort without a biomarker: every patient of DM is screened, and no date of consent is required."""

import datetime as dt
import re
from pathlib import Path

import pandas as pd
import pytest
import yaml
from tests.test_plan_check import answer, line_of, replaced, rows

from sap import contracts, snapshot
from sap.catalogue.populations import populations
from sap.catalogue.reporting import analysis
from sap.contracts.writing import contracts_of
from sap.derivations.interim import day_of_number
from sap.derivations.population import adsl
from sap.derivations.standard import standard
from sap.errors import UsageError
from sap.pipeline import commands
from sap.plan import PlanFile, read_plan
from sap.plan.model import CutOff, Visits
from sap.qc.standard_terms import in_standard_terms
from sap.qc.subjects import subjects_of
from sap.results.screening import flow
from sap.results.sets import consented

HOME = Path(__file__).parents[1]
EXAMPLE = HOME / "docs" / "examples" / "one-arm-plan.yml"
PLAN = read_plan(EXAMPLE).plan
CARVE = read_plan(HOME / "analysis" / "plan.yml").plan


def dm(**columns: object) -> pd.DataFrame:
    table = {
        "STUDYID": "CDISCPILOT01", "DOMAIN": "DM", "USUBJID": ["1", "2", "3"],
        "SUBJID": ["1", "2", "3"], "SITEID": "1", "RFICDTC": None, "AGE": "60", "AGEU": "YEARS",
        "RFSTDTC": ["2018-01-01", "2018-03-01", None],
        "RFENDTC": None, "DTHDTC": None, "DTHFL": None, "SEX": ["F", "M", "F"], "RACE": "WHITE",
        "ETHNIC": None, "ARMCD": "Xan_Hi", "ARM": "One arm", "COUNTRY": "USA", "DMDTC": None,
    }  # fmt: skip
    return pd.DataFrame(table | columns, dtype=object)


# ---- sets ------------------------------------------------------------------------------------


@pytest.mark.req("SAP-4.2")
@pytest.mark.parametrize(
    "dates, whose",
    [([None] * 3, ["1", "2", "3"]), (["2018-01-01", None, "2018-01-02"], ["1", "3"])],
    ids=["no date in the data", "one date missing"],
)
def test_without_any_date_of_consent_every_patient_consented(dates, whose):
    table = dm(RFICDTC=dates)
    subjects = adsl({"dm": table}, PLAN)
    assert subjects.loc[consented(subjects), "USUBJID"].tolist() == whose
    assert subjects["SCRFL"].tolist() == ["Y"] * 3
    boxes = pd.concat(flow(subjects, PLAN)).set_index("level")["stat"]
    assert boxes["consented"] == len(whose)
    second = subjects_of({"dm": table.to_dict("records")}, PLAN)
    assert [who for who, subject in second.items() if subject.consented] == whose
    assert all("SCREENED" in subject.sets for subject in second.values())


@pytest.mark.req("SAP-2.1")
def test_without_a_date_of_consent_a_patient_is_of_the_cut_from_the_first_dated_day_of_dm():
    """Cut on 1 February: 2 began in March; 4 began in March, but demography was collected in January."""
    table = pd.concat([dm(), dm().iloc[1:2].assign(USUBJID="4", DMDTC="2018-01-30")])
    cut = snapshot.cut({"dm": table}, dt.date(2018, 2, 1))["dm"]
    assert cut["USUBJID"].tolist() == ["1", "3", "4"]
    assert cut["RFSTDTC"].tolist() == ["2018-01-01", None, None]


# ---- cut-offs by number ----------------------------------------------------------------------


def by_number(plan, patients: int, weeks: int):
    """The plan with an interim cut-off after so many patients and weeks."""
    rule = CutOff(after_patients=patients, weeks=weeks, status="INTERIM")
    dates = plan.cut_offs.dates | {"interim": rule}
    update = {"cut_offs": plan.cut_offs.model_copy(update={"dates": dates})}
    return plan.model_copy(update=update)


def doses(**starts: str | None) -> dict[str, pd.DataFrame]:
    ex = pd.DataFrame(
        [
            {"USUBJID": who, "EXSEQ": 1.0, "EXTRT": "XANOMELINE", "EXDOSE": 54.0, "EXDOSU": "mg",
             "EXDOSFRQ": "QD", "EXSTDTC": day, "EXENDTC": None}
            for who, day in starts.items()
        ]
    )  # fmt: skip
    return {"dm": pd.DataFrame({"STUDYID": "T", "USUBJID": list(starts)}), "ex": ex}


@pytest.mark.req("SAP-2.1")
@pytest.mark.parametrize(
    "patients, weeks, day",
    [
        # In the order of the first dose: b 1 January, a 1 February, d 1 March; c was given none on a known day.
        (1, 0, "2018-01-01"), (2, 4, "2018-03-01"), (3, 1, "2018-03-08"), (4, 0, None),
    ],
)  # fmt: skip
def test_the_day_of_an_interim_by_number_is_found_in_the_data(patients, weeks, day):
    tables = doses(a="2018-02-01", b="2018-01-01", c=None, d="2018-03-01")
    found_day = day_of_number(tables, by_number(PLAN, patients, weeks), "interim")
    assert found_day == (None if day is None else dt.date.fromisoformat(day))


@pytest.mark.req("SAP-2.1")
def test_the_cut_of_an_interim_by_number_gives_its_own_day():
    """2 patients with 4 weeks: 1 March. The cut of that day has the dose of d and gives the same day."""
    tables = doses(a="2018-02-01", b="2018-01-01", c="2018-06-01", d="2018-03-01")
    tables["dm"]["RFICDTC"] = "2017-12-01"
    plan = by_number(PLAN, 2, 4)
    day = day_of_number(tables, plan, "interim")
    cut = snapshot.cut(tables, day)
    assert cut["ex"]["USUBJID"].tolist() == ["a", "b", "d"]
    assert day_of_number(cut, plan, "interim") == day == dt.date(2018, 3, 1)
    assert snapshot.last_day(tables) == dt.date(2018, 6, 1)
    assert (
        plan.cut_offs.dates["interim"].planned
        == "when 2 patients have 4 weeks from their first dose"
    )


@pytest.mark.req("SAP-2.1")
def test_a_cut_off_by_number_that_the_data_do_not_reach_is_wrong_use(capsys):
    tables = doses(a="2018-02-01", b="2018-01-01", d="2018-03-01")

    def of(patients: int, weeks: int) -> dt.date:
        plan = PlanFile(by_number(PLAN, patients, weeks), "", "", "plan.yml")
        return commands._day_in(tables, plan, "interim")

    assert of(2, 4) == dt.date(2018, 3, 1)
    assert (
        "when 2 patients have 4 weeks from their first dose, on 2018-03-01"
        in capsys.readouterr().err
    )
    for patients, weeks, words in (
        (4, 0, "fewer patients"),
        (3, 1, "2018-03-08, after the last record"),
    ):
        with pytest.raises(UsageError, match=words):
            of(patients, weeks)


def test_cut_offs_without_a_date_are_before_the_final_one():
    plan = by_number(CARVE, 15, 16)
    assert plan.cut_offs.in_order() == ["interim", "final"]
    assert commands.usual_cut_off(PlanFile(plan, "", "", "plan.yml"), "dsmb") == "interim"
    assert commands.usual_cut_off(PlanFile(plan, "", "", "plan.yml"), "csr") == "final"


# ---- names of groups -------------------------------------------------------------------------


def test_tables_name_the_groups_as_the_plan_does():
    names = {"A": "Standard care", "B": "Cabazitaxel"}
    plan = CARVE.model_copy(update={"wording": CARVE.wording.model_copy(update={"groups": names})})
    for given, boxes, samples in (
        (CARVE, ["Group A at the first allocation", "Qualified for group B"], "Group A"),
        (
            plan,
            ["Standard care at the first allocation", "Qualified for Cabazitaxel"],
            "Standard care",
        ),
    ):
        assert analysis("flow").text("level", "group_a", given) == boxes[0]
        assert analysis("flow").text("level", "qualified", given) == boxes[1]
        assert populations()["GROUPA"].text(given).startswith(samples.replace("Group", "group"))


# ---- contracts -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rules(tmp_path_factory):
    folder = tmp_path_factory.mktemp("contracts")
    for name, text in contracts_of(PLAN).items():
        (folder / name).write_text(text, encoding="utf-8")
    return contracts.load(folder)


def found(rules, **tables: pd.DataFrame) -> dict[str, list[int]]:
    """The rows of each rule that stops or warns."""
    got = contracts.check(tables, rules, [])
    got = got[(got["severity"] != "info") & got["row"].notna()]
    return {rule: sorted(of["row"]) for rule, of in got.groupby("rule")}


def test_demography_without_consent_of_women_in_an_arm_of_any_name_has_no_finding(rules):
    assert found(rules, dm=dm()) == {}
    one_missing = dm(RFICDTC=["2018-01-01", None, "2018-01-02"])
    assert found(rules, dm=one_missing) == {"dm-consent-date": [2]}
    of_dm = {rule.name: rule for rule in rules["dm"].rules}
    assert of_dm["dm-consent-date"].severity == "warning"
    assert {"dm-armcd", "dm-sex"}.isdisjoint(of_dm)


@pytest.mark.parametrize("sex, refused", [("F", [2]), ("M", [1, 3])])
def test_a_trial_of_one_sex_refuses_the_other(tmp_path, sex, refused):
    plan = PLAN.model_copy(update={"study": PLAN.study.model_copy(update={"sexes": [sex]})})
    for name, text in contracts_of(plan).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert found(contracts.load(tmp_path), dm=dm()) == {"dm-sex": refused}


def test_an_interval_needs_a_frequency_whose_doses_can_be_counted(rules):
    ex = pd.DataFrame(
        {
            "STUDYID": "CDISCPILOT01", "DOMAIN": "EX", "USUBJID": "1", "EXSEQ": ["1", "2", "3", "4"],
            "EXTRT": "XANOMELINE", "EXCAT": None, "EXDOSE": ["54", "81", "81", "82"], "EXDOSU": "mg",
            "EXDOSFRQ": ["QD", "once daily", "PRN", None], "EXROUTE": None,
            "EXSTDTC": ["2018-01-01", "2018-01-15", "2018-02-01", "2018-03-01"],
            "EXENDTC": ["2018-01-14", None, "2018-02-20", None], "VISIT": None, "EXADJ": None,
            "EXOCCUR": None, "EXSTAT": None,
        },
        dtype=object,
    )  # fmt: skip
    assert found(rules, dm=dm(), ex=ex) == {
        "ex-frequency": [3],
        "ex-frequency-missing": [4],
        "ex-interval-end": [2],  # the last one may be going on
        "ex-dose-high": [4],
    }


def test_an_event_has_a_severity_and_needs_no_grade(rules):
    names = [column.name for column in rules["ae"].tables[0].columns]
    ae = pd.DataFrame(dict.fromkeys(names), index=range(3), dtype=object).assign(
        STUDYID="CDISCPILOT01", DOMAIN="AE", USUBJID="1", AESEQ=["1", "2", "3"], AETERM=["A", "B", "C"],
        AEDECOD=["A", "B", "C"], AEBODSYS="X", AESER="N", AEREL="NONE", AEACN="DOSE NOT CHANGED",
        AESTDTC="2018-01-05", AESEV=["MILD", "LIFE THREATENING", None],
    )  # fmt: skip
    assert found(rules, dm=dm(), ae=ae) == {"ae-aesev": [2], "ae-severity-missing": [3]}
    assert "AETOXGR" not in names


@pytest.mark.parametrize("name", ["dm", "ds", "ex", "ae"])
def test_the_general_form_of_a_contract_has_every_block_closed(name):
    for plan in (CARVE, PLAN):
        text = contracts_of(plan)[f"{name}.odcs.yaml"]
        assert not re.findall(r"^ *#(if|unless|each|end)\b", text, re.MULTILINE)
        assert not re.findall(r"\[\[[\w.]+\]\]", text)


# ---- the plan --------------------------------------------------------------------------------

TEXT = (HOME / "analysis" / "plan.yml").read_text("utf-8")
FAULTS = [
    # entry, what is there, what is planted, key, words of its line, message
    ("exposure", "  cycle_days: 21\n", "", "exposure.dosing", "exposure:", "dosing cycles needs cycle_days: add it"),
    ("exposure", "  dose_unit: mg/m2", "  dose_unit: mg", "exposure.bsa_formula", "bsa_formula",
     "bsa_formula must be given with dose_unit mg/m2, and with no other unit"),
    ("exposure", "  dose_unit: mg/m2", "  dose_unit: mg/l", "exposure.dose_unit", "dose_unit",
     "write 'mg/m2', 'mg/kg', 'mg' or 'AUC'"),
    ("exposure", "  dose_unit: mg/m2", "  dose_unit: AUC", "exposure.reduced_at_most", "reduced_at_most",
     "cannot be compared with a dose in mg where dose_unit is AUC: remove it"),
    ("exposure", "  reduced_at_most: 22.5\n", "", "exposure.low_start_dose", "low_start_dose",
     "low_start_dose needs reduced_at_most: add it"),
    ("exposure", "  max_cycles: 10", "  max_cycles: 10\n  frequency: QD", "exposure.frequency", "frequency: QD",
     "dosing cycles has no frequency: remove it"),
    ("exposure", "  drugs: [CABAZITAXEL]", "  drugs: [CABAZITAXEL]\n  dosing: continuous", "exposure.dosing",
     "dosing: continuous", "dosing continuous needs frequency: add it"),
    ("exposure", "  drugs: [CABAZITAXEL]", "  drugs: [CABAZITAXEL]\n  dosing: continuous\n  frequency: PRN",
     "exposure.frequency", "frequency: PRN", "PRN is no frequency of a planned dose; there are QD"),
    ("exposure", "  planned_dose: 25", "  planned_dose_mg_m2: 25", "exposure.planned_dose_mg_m2",
     "planned_dose_mg_m2", "planned_dose"),
    ("cut_offs", "    interim: {date: 2017-06-30, status: INTERIM}", "    interim: {after_patients: 15, status: INTERIM}",
     "cut_offs.dates.interim.after_patients", "interim:", "after_patients and weeks go together: add the other one"),
    ("cut_offs", "    interim: {date: 2017-06-30,", "    interim: {date: 2017-06-30, after_patients: 15, weeks: 16,",
     "cut_offs.dates.interim.status", "interim:", "a cut-off is on a date, or after_patients with weeks: write one of them"),
    ("cut_offs", "    interim: {date: 2017-06-30,", "    interim: {after_patients: 26, weeks: 16,",
     "cut_offs.dates.interim.after_patients", "interim:", "after_patients is above design.n (25)"),
    ("labs", "    HGB: Anemia\n", "    HGB: Anemia\n    HAEMO: Anemia\n", "labs.terms.HAEMO", "HAEMO:",
     "no rule of data-contracts/lb.odcs.yaml names HAEMO, and the codelist LBTESTCD lacks it"),
    ("pk", "  analyte: CABAZ", "  analyte: CABAZI", "pk.analyte", "CABAZI",
     "no rule of data-contracts/pc.odcs.yaml names CABAZI; they name CABAZ"),
    ("exposure", "  drugs: [CABAZITAXEL]", "  drugs: [DOCETAXEL]", "exposure.drugs.0", "drugs: [DOCETAXEL]",
     "no rule of data-contracts/ex.odcs.yaml names DOCETAXEL; they name CABAZITAXEL"),
    ("exposure", "  dose_unit: mg/m2", "  dose_unit: mg/kg", "exposure.dose_unit", "dose_unit",
     "the rule ex-unit-cabazitaxel of data-contracts/ex.odcs.yaml refuses mg/kg; it allows mg/m2"),
    ("safety", "  severe_grade: 3\n", "", "safety.severe_grade", "safety:",
     "severe_grade must be given where events have a grade"),
]  # fmt: skip


@pytest.mark.parametrize("entry, before, after, key, at, words", FAULTS, ids=range(len(FAULTS)))
def test_a_fault_of_doses_and_severity_has_its_line_and_its_fix(
    tmp_path, entry, before, after, key, at, words
):
    text = replaced(TEXT, entry, before, after)
    said = answer(tmp_path, text)
    line = line_of(text, entry, at)
    assert any(
        row.startswith(f"  - line {line}, {key}: ") and words in row for row in rows(said)
    ), said


def test_what_needs_a_grade_is_refused_where_events_have_a_severity(tmp_path):
    text = replaced(TEXT, "safety", "  severe_grade: 3", "  by: severity")
    said = rows(answer(tmp_path, text))
    line = line_of(text, "toxicity_monitoring", "toxicity_monitoring:")
    assert any(row.startswith(f"  - line {line}, toxicity_monitoring: ") for row in said)
    at = line_of(text, "safety_rates", "collected_from_grade")
    assert f"  - line {at}, safety_rates.collected_from_grade: safety.by is severity" in "\n".join(said)  # fmt: skip
    assert sum("write from_severity in place of from_grade" in row for row in said) == 5


def test_entries_of_infusions_are_refused_under_continuous_dosing(tmp_path):
    before = "  drugs: [CABAZITAXEL]"
    text = replaced(TEXT, "exposure", before, f"{before}\n  dosing: continuous\n  frequency: QD")
    for key in (
        "cycle_days: 21",
        "max_cycles: 10",
        "delay_after_days: 3",
        "major_delay_after_days: 7",
    ):
        text = replaced(text, "exposure", f"  {key}\n", "")
    said = "\n".join(rows(answer(tmp_path, text)))
    for name in ("pk", "samples"):
        assert f", {name}: {name} is read by infusions, but exposure.dosing is continuous" in said
    assert "analysis_sets needs per_protocol_days where exposure.dosing is continuous" in said
    assert "write per_protocol_days in its place" in said


# ---- visits by number ------------------------------------------------------------------------


def with_numbers(**numbers: str):
    visits = Visits.model_validate(
        CARVE.visits.model_dump() | {"numbers": {k.strip("_"): v for k, v in numbers.items()}}
    )
    return CARVE.model_copy(update={"visits": visits})


@pytest.mark.req("SAP-2.3")
def test_a_visit_without_a_known_name_is_that_of_its_number():
    """4 is cycle 2: for a missing and for an unknown name, not where the name is a visit of the plan."""
    plan = with_numbers(_4="CYCLE 2")
    lb = pd.DataFrame(
        {
            "USUBJID": "1", "LBTESTCD": "PSA", "VISIT": [None, "VISIT FOUR", "C3D1", None, "SCREENING", "OTHER"],
            "VISITNUM": [4.0, 4.0, 4.0, None, 4.0, 5.0],
        }
    )  # fmt: skip
    wanted = ["CYCLE 2", "CYCLE 2", "CYCLE 3", None, "SCREENING", "OTHER"]
    got = standard({"lb": lb}, plan)["lb"]["VISIT"]
    assert got.where(got.notna(), None).tolist() == wanted
    raw = lb.astype(object).where(lb.notna(), None).to_dict("records")
    assert [row["VISIT"] for row in in_standard_terms({"lb": raw}, plan)["lb"]] == wanted
    without = standard({"lb": lb}, CARVE)["lb"]["VISIT"].tolist()
    assert without[1] == "VISIT FOUR"


def test_contracts_of_a_plan_with_numbers_of_visits_keep_the_number():
    for plan, there in ((with_numbers(_4="CYCLE 2"), True), (CARVE, False)):
        texts = contracts_of(plan)
        for name in ("lb", "ex", "vs"):
            columns = [
                p["name"]
                for p in yaml.safe_load(texts[f"{name}.odcs.yaml"])["schema"][0]["properties"]
            ]
            assert ("VISITNUM" in columns) == there, name


@pytest.mark.parametrize(
    "line, key, words",
    [
        ("    '4': CICLE 2", "visits.numbers.4", "CICLE 2 is no visit: add it to visits.words"),
        ("    'x': CYCLE 2", "visits.numbers.x", "x is no VISITNUM"),
    ],
)
def test_a_number_of_no_visit_is_a_fault(tmp_path, line, key, words):
    end = "    UNSCHEDULED: [UNSCHEDULED VISIT, UNS]\n"
    text = replaced(TEXT, "visits", end, f"{end}  numbers:\n{line}\n")
    assert any(f"{key}: {words}" in row for row in rows(answer(tmp_path, text)))
