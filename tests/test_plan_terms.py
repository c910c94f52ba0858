"""What the plan names and the data do not have, or the other way round, is a finding that names it."""

from pathlib import Path

import pandas as pd
import pytest

from sap import contracts
from sap.plan import read_plan
from sap.plan.model import Plan

PLAN = read_plan(Path(__file__).parents[1] / "analysis" / "plan.yml").plan
ANTICANCER = "PRIOR ANTICANCER THERAPY"


def table(domain: str, *records: dict[str, str | None]) -> pd.DataFrame:
    rows = [
        {
            "STUDYID": "CARVE",
            "DOMAIN": domain.upper(),
            "USUBJID": "1",
            f"{domain.upper()}SEQ": n,
            **one,
        }
        for n, one in enumerate(records, start=1)
    ]
    return pd.DataFrame(rows, dtype=object)


@pytest.fixture(scope="module")
def extract() -> dict[str, contracts.Contract]:
    """The contract of the whole alone: the domains' own rules have their tests elsewhere."""
    rules = contracts.load()
    return {
        name: rules[name]
        for name in (
            "extract",
            "ae",
            "be",
            "cm",
            "cp",
            "ex",
            "gf",
            "lb",
            "pc",
            "rs",
            "tr",
            "tu",
            "vs",
        )
    }


def found(
    rules, tables, plan: Plan = PLAN, *, of_cut: bool = False
) -> list[tuple[str, str, str, str]]:
    """Rule, severity, domain and what stands in brackets, of the findings beside the plan."""
    only = {"extract": rules["extract"]} | {
        n: _no_rules(c) for n, c in rules.items() if n in tables
    }
    got = contracts.check(tables, only, [], of_cut=of_cut, plan=plan)
    own = {rule.name for table in rules["extract"].tables[-1:] for rule in table.rules}
    return [
        (
            one["rule"],
            one["severity"],
            one["domain"],
            one["description"].rpartition("(")[2].rstrip(")"),
        )
        for one in got.to_dict("records")
        if one["rule"] in own
    ]


def _no_rules(contract):
    from dataclasses import replace

    return replace(contract, tables=tuple(replace(t, rules=()) for t in contract.tables))


def changed(**edits) -> Plan:
    content = PLAN.model_dump(mode="json")
    for path, value in edits.items():
        section, _, key = path.partition("__")
        content[section][key] = value
    return Plan.model_validate(content, strict=False)


def test_another_study_is_critical_and_names_the_domain(extract):
    """data.md 6: nothing compared STUDYID with the plan."""
    tables = {"ex": table("ex", {"EXTRT": "CABAZITAXEL", "STUDYID": "CARBO-DDR"})}
    assert found(extract, tables) == [("extract-study", "critical", "ex", "STUDYID is to be CARVE")]
    other = changed(study__studyid=["CARVE", "CARBO-DDR"])
    assert found(extract, tables, other) == []


def test_another_study_cannot_be_accepted(extract):
    rules = {rule.name: rule for rule in extract["extract"].rules}
    assert not rules["extract-study"].acceptable
    assert not rules["extract-study-drug"].acceptable


def test_a_plan_of_another_drug_is_critical(extract):
    """Case plan-carboplatin.yml: a carboplatin plan took a cabazitaxel extract, no patient was treated."""
    drugs = {**PLAN.drugs.ingredients, "CARBOPLATIN": ["PARAPLATIN"]}
    plan = changed(drugs__ingredients=drugs, exposure__drugs=["CARBOPLATIN"])
    tables = {"ex": table("ex", {"EXTRT": "CABAZITAXEL"}, {"EXTRT": "PREDNISONE"})}
    assert found(extract, tables, plan) == [("extract-study-drug", "critical", "ex", "CARBOPLATIN")]
    assert found(extract, {"ex": table("ex", {"EXTRT": "Paraplatin"})}, plan) == []
    assert found(extract, {"ex": table("ex", {"EXTRT": "Jevtana"})}) == []
    # before the first dose no dose is recorded, at an early cut-off only what was given beside
    assert found(extract, {"ex": table("ex").reindex(columns=["STUDYID", "EXTRT"])}) == []
    assert found(extract, tables, plan, of_cut=True) == []


def test_a_drug_of_the_plan_that_nobody_took_is_a_warning_and_others_are_listed(extract):
    records = [
        {"CMDECOD": "ABIRATERONE ACETATE", "CMCAT": ANTICANCER, "CMSCAT": "HORMONAL"},
        {"CMDECOD": "Jevtana", "CMCAT": "PHYSICIAN'S CHOICE", "CMSCAT": "CHEMOTHERAPY"},
        {"CMDECOD": "DOCETAXEL ANHYDROUS", "CMCAT": ANTICANCER, "CMSCAT": "CHEMOTHERAPY"},
        {"CMDECOD": "MITOXANTRONE", "CMCAT": ANTICANCER, "CMSCAT": "CHEMOTHERAPY"},
        {"CMDECOD": "MITOXANTRONE", "CMCAT": ANTICANCER, "CMSCAT": "CHEMOTHERAPY"},
        {"CMDECOD": "RADIOTHERAPY", "CMCAT": ANTICANCER, "CMSCAT": "RADIOTHERAPY"},
        {"CMDECOD": "FILGRASTIM", "CMCAT": "SUPPORTIVE CARE", "CMSCAT": "G-CSF"},
    ]
    assert found(extract, {"cm": table("cm", *records)}) == [
        ("extract-drug-never-met", "warning", "cm", "ENZALUTAMIDE"),
        ("extract-drug-not-in-plan", "info", "cm", "2"),
    ]
    only = {"extract": extract["extract"], "cm": extract["cm"]}
    rows = contracts.check({"cm": table("cm", *records)}, only, [], plan=PLAN)
    assert rows["description"].str.endswith("(MITOXANTRONE (2))").any()


@pytest.mark.parametrize(
    "domain,name,named",
    [
        # WHODrug names a combination by its ingredients with a semicolon between
        ("cm", "ABIRATERONE ACETATE;PREDNISONE", True),
        ("cm", "Abiraterone decanoate", True),
        ("cm", "ABIRATERONE ACETATE", False),
        ("cm", "Docetaxel + carboplatin", True),
        ("cm", "PACLITAXEL;CARBOPLATIN", False),
        ("ex", "CABAZITAXEL 25 MG/M2", True),
        ("ex", "Jevtana", False),
    ],
)
def test_a_name_that_holds_a_drug_of_the_plan_is_named(extract, domain, name, named):
    column = {"cm": "CMDECOD", "ex": "EXTRT"}[domain]
    rows = found(extract, {domain: table(domain, {column: name, "CMCAT": ANTICANCER})})
    assert (("extract-drug-in-a-name", "warning", domain, name) in rows) == named


@pytest.mark.parametrize(
    "hours,named", [("0 1 3 7", []), ("1 2 3 4", ["7"]), ("0 60 420", ["1", "7"])]
)
def test_planned_times_in_another_unit_or_as_an_order_are_named(extract, hours, named):
    """SDTMIG 3.4: PCTPTNUM may be any number in the order of time; the plan reads hours."""
    rows = [{"PCTESTCD": PLAN.pk.analyte, "PCTPTNUM": hour} for hour in hours.split()]
    got = found(extract, {"pc": table("pc", *rows)})
    assert [word for rule, _, _, word in got if rule == "extract-test-never-met"] == [
        f"PCTPTNUM {hour}, in hours" for hour in named
    ]


def test_a_test_of_the_plan_that_nothing_has_is_a_warning_and_others_are_listed(extract):
    tests = [{"LBTESTCD": code} for code in ("psa", *PLAN.labs.terms, "GLUC", "K") if code != "ALB"]
    assert found(extract, {"lb": table("lb", *tests)}) == [
        ("extract-test-never-met", "warning", "lb", "ALB"),
        ("extract-test-not-read", "info", "lb", "GLUC, K"),
    ]


def test_an_unreadable_result_of_another_test_that_the_plan_grades_names_test_and_row(extract):
    """CARVE's plan does not grade potassium, this one does; glucose is graded by neither."""
    plan = changed(labs__terms=PLAN.labs.terms | {"K": ["Hypokalemia", "Hyperkalemia"]})
    results = [
        {"LBTESTCD": "K", "LBSTRESC": "4.1"}, {"LBTESTCD": "K", "LBSTRESC": "haemolysed"},
        {"LBTESTCD": "K", "LBSTRESC": "BLQ"}, {"LBTESTCD": "K", "LBSTRESC": "BLQ", "LBLLOQ": "1"},
        {"LBTESTCD": "K", "LBSTRESC": "<1"}, {"LBTESTCD": "K", "LBSTRESC": None},
        {"LBTESTCD": "GLUC", "LBSTRESC": "NEGATIVE"},
    ]  # fmt: skip
    rules = {"extract": extract["extract"], "lb": extract["lb"]}
    for asked, rows_in in ((plan, [2, 3]), (PLAN, [])):
        rows = contracts.check({"lb": table("lb", *results)}, rules, [], plan=asked)
        rows = rows[rows["rule"] == "extract-result"]
        assert rows["row"].tolist() == rows_in
        assert (rows["severity"] == "critical").all()
        assert rows["description"].str.endswith("(K)").all()


def test_visits_of_samples_are_the_trial_s_or_the_plan_s_words(extract):
    visits = ("Screening", "C1D1", "C3D1", "End of treatment", "WEEK 6")
    records = [{"CPTESTCD": "CTC", "VISIT": visit} for visit in visits]
    rows = contracts.check(
        {"cp": table("cp", *records)}, {"extract": extract["extract"], "cp": extract["cp"]}, [],
        plan=PLAN,
    )  # fmt: skip
    found_ = rows[rows["rule"] == "extract-visit"]
    assert found_[["domain", "row", "usubjid", "seq", "severity"]].to_dict("split")["data"] == [
        ["cp", 5, "1", "5", "warning"]
    ]
    assert found_["description"].iloc[0].endswith("(WEEK 6)")
    assert not (rows["rule"] == "extract-visit-never-met").any()


def test_a_visit_of_the_plan_that_no_record_has_is_a_warning(extract):
    records = table("cp", {"CPTESTCD": "CTC", "VISIT": "SCREENING"})
    assert found(extract, {"cp": records}) == [
        ("extract-visit-never-met", "warning", "cp", PLAN.ctc.visit)
    ]


def test_readings_of_other_evaluators_are_listed_with_their_numbers(extract):
    """SDTMIG 3.4, TUEVAL: missing where the investigator read; TUEVALID tells readers of one kind apart."""
    readings = table(
        "tr",
        {"TRTESTCD": "LDIAM", "TREVAL": None},
        {"TRTESTCD": "LDIAM", "TREVAL": "Investigator"},
        {"TRTESTCD": "LDIAM", "TREVAL": "INDEPENDENT ASSESSOR", "TREVALID": "RADIOLOGIST 1"},
        {"TRTESTCD": "LDIAM", "TREVAL": "INDEPENDENT ASSESSOR", "TREVALID": "RADIOLOGIST 1"},
        {"TRTESTCD": "LDIAM", "TREVAL": "INDEPENDENT ASSESSOR", "TREVALID": "RADIOLOGIST 2"},
    )
    only = {"extract": extract["extract"], "tr": _no_rules(extract["tr"])}
    rows = contracts.check({"tr": readings}, only, [], plan=PLAN)
    listed = rows[rows["rule"] == "extract-evaluator-not-read"]
    assert listed["severity"].tolist() == ["info"]
    assert "INDEPENDENT ASSESSOR RADIOLOGIST 1 (2)" in listed["description"].item()
    assert "INDEPENDENT ASSESSOR RADIOLOGIST 2 (1)" in listed["description"].item()
    own = found(extract, {"tr": readings.iloc[:2]})
    assert not [rule for rule, *_ in own if rule == "extract-evaluator-not-read"]


def test_event_terms_that_no_event_has_are_one_line_that_names_them_all(extract):
    """data.md 4: MedDRA's own spelling is found; what is not found is named."""
    plan = changed(
        labs__reported_as={"HGB": ["Anemia", "Hemoglobin decreased"]},
        deaths__progression_terms=["DISEASE PROGRESSION"],
    )
    events = [{"AEDECOD": term} for term in ("Anaemia", "FEBRILE NEUTROPENIA", "Diarrhea")]
    assert found(extract, {"ae": table("ae", *events)}, plan) == [
        ("extract-event-terms-never-met", "info", "ae",
         "NEUTROPENIA, NEUTROPHIL COUNT DECREASED, Hemoglobin decreased, DISEASE PROGRESSION")
    ]  # fmt: skip


def test_without_a_plan_nothing_is_asked_beside_it(extract):
    tables = {"ex": table("ex", {"EXTRT": "X", "STUDYID": "OTHER"})}
    rows = contracts.check(
        tables, {"extract": extract["extract"], "ex": _no_rules(extract["ex"])}, []
    )
    assert not rows["rule"].str.startswith("extract-study").any()
