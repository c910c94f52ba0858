"""What the plan names and the data do not have, or the other way round, is a finding that names it."""

from pathlib import Path

import pandas as pd
import pytest

from sap import contracts
from sap.contracts import plan_terms
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


# ---- the lines of the table, without rules ---------------------------------------------------------


def of_kind(tables, *kinds: str, plan: Plan = PLAN) -> list[tuple]:
    """Domain, words, row, subject and whether met, of the lines of some kinds."""
    texts = {name: contracts.text(made) for name, made in tables.items()}
    return [
        (line.DOMAIN, line.COLUMN, line.ROW, line.USUBJID, line.MET)
        for line in plan_terms.lines(texts, plan)
        if line.KIND in kinds
    ]


def domain_lines(tables, *kinds: str, plan: Plan = PLAN) -> list[tuple]:
    """Domain, words and whether met of lines about a domain: without row and subject."""
    made = of_kind(tables, *kinds, plan=plan)
    assert all(line[2:4] == (None, None) for line in made)
    return [(line[0], line[1], line[4]) for line in made]


def test_every_domain_has_a_line_on_its_study():
    """A domain of fewer studies than the plan has them is of the plan; one without any as well."""
    one, other = {"STUDYID": "CARVE"}, {"STUDYID": "OTHER"}
    tables = {
        "ae": table("ae", one, one),
        "cm": table("cm", one, other),
        "ds": table("ds", {"STUDYID": None}),
        "ex": table("ex", other),
    }
    words = "STUDYID is to be CARVE"
    assert domain_lines(tables, "STUDY") == [
        ("ae", words, "Y"), ("cm", words, None), ("ds", words, "Y"), ("ex", words, None),
    ]  # fmt: skip
    two = changed(study__studyid=["OTHER", "CARVE"])
    words = "STUDYID is to be CARVE or OTHER"
    assert domain_lines({"ae": tables["ae"], "cm": tables["cm"]}, "STUDY", plan=two) == [
        ("ae", words, "Y"), ("cm", words, "Y"),
    ]  # fmt: skip


def test_one_record_of_a_study_drug_is_enough():
    given = table("ex", {"EXTRT": "PREDNISONE"}, {"EXTRT": "Jevtana"})
    assert domain_lines({"ex": given}, "STUDY DRUG", "DRUG IN A NAME") == [
        ("ex", "CABAZITAXEL", "Y"), ("ex", "", "Y"),
    ]  # fmt: skip
    other = table(
        "ex", {"EXTRT": "PREDNISONE"}, {"EXTRT": "cabazitaxel 25 mg"}, {"EXTRT": "PRECABAZITAXEL"}
    )
    assert domain_lines({"ex": other}, "STUDY DRUG", "DRUG IN A NAME") == [
        ("ex", "CABAZITAXEL", None), ("ex", "cabazitaxel 25 mg", None),
    ]  # fmt: skip
    assert domain_lines({"ex": table("ex", {"EXTRT": None})}, "STUDY DRUG", "DRUG IN A NAME") == []


def test_the_drugs_that_the_plan_names_are_looked_for_in_cm():
    """Of the lines of therapy and re-screening, the drug of choice in a trial with groups, docetaxel.

    A record without a coded name counts by its reported one; enzalutamide is in neither.
    """
    records = [
        {"CMDECOD": "ABIRATERONE", "CMTRT": "ENZALUTAMIDE", "CMCAT": ANTICANCER},
        {"CMDECOD": None, "CMTRT": "Taxotere", "CMCAT": ANTICANCER},
    ]
    cm = {"cm": table("cm", *records)}
    assert domain_lines(cm, "DRUG") == [
        ("cm", "ABIRATERONE", "Y"),
        ("cm", "ENZALUTAMIDE", None),
        ("cm", "CABAZITAXEL", None),
        ("cm", "DOCETAXEL", "Y"),
    ]
    assert domain_lines({"ae": table("ae", {})}, "DRUG", "DRUG IN A NAME", "OTHER DRUG") == []


def test_other_drugs_are_listed_by_their_number_then_their_name():
    """Not listed: a supportive or uncategorised one, radiotherapy, one without a code, one of the plan."""
    chemo = {"CMCAT": ANTICANCER, "CMSCAT": "CHEMOTHERAPY"}
    records = [
        *({"CMDECOD": word} | chemo for word in ("ZOMETA", "ETOPOSIDE", "CISPLATIN", "ZOMETA")),
        {"CMDECOD": "ESTRAMUSTINE", "CMCAT": ANTICANCER, "CMSCAT": None},
        {"CMDECOD": "A", "CMCAT": "SUPPORTIVE CARE", "CMSCAT": "CHEMOTHERAPY"},
        {"CMDECOD": "B", "CMCAT": "OTHER", "CMSCAT": "CHEMOTHERAPY"},
        {"CMDECOD": "C", "CMCAT": None, "CMSCAT": "CHEMOTHERAPY"},
        {"CMDECOD": "D", "CMCAT": ANTICANCER, "CMSCAT": "Radiation"},
        {"CMDECOD": "E", "CMCAT": ANTICANCER, "CMSCAT": "OTHER"},
        {"CMDECOD": None} | chemo,
        {"CMDECOD": "DOCETAXEL"} | chemo,
    ]
    listed = "ZOMETA (2), CISPLATIN (1), ESTRAMUSTINE (1), ETOPOSIDE (1)"
    assert domain_lines({"cm": table("cm", *records)}, "OTHER DRUG") == [("cm", listed, None)]
    assert domain_lines({"cm": table("cm", records[-1])}, "OTHER DRUG") == [("cm", "", "Y")]


@pytest.mark.parametrize("number, more", [(15, ""), (16, ", and 1 more"), (17, ", and 2 more")])
def test_fifteen_words_are_listed(number, more):
    codes = [f"X{n:02}" for n in range(number)]
    tests = [{"VSTESTCD": code} for code in codes]
    assert domain_lines({"vs": table("vs", *tests)}, "OTHER TEST") == [
        ("vs", ", ".join(codes[:15]) + more, None)
    ]


def test_the_tests_of_the_plan_are_looked_for_in_their_domains():
    """CTC in any of its words, ARV7 in none; a domain without records lacks none. VS has no test of the plan."""
    tables = {
        "cp": table("cp", {"CPTESTCD": "prctc"}, {"CPTESTCD": "CD4"}),
        "gf": table("gf", {"GFTESTCD": "BRCA2"}),
        "ss": table("ss", {"SSTESTCD": "SURVSTAT"}),
        "vs": table("vs", {"VSTESTCD": "Weight"}),
    }
    assert domain_lines(tables, "TEST") == [("cp", "CTC", "Y"), ("gf", "ARV7", None)]
    assert domain_lines(tables, "OTHER TEST") == [
        ("cp", "CD4", None), ("gf", "BRCA2", None), ("ss", "", "Y"), ("vs", "", "Y"),
    ]  # fmt: skip
    empty = {name: made.iloc[:0] for name, made in tables.items()}
    assert domain_lines(empty, "TEST") == [("cp", "CTC", "Y"), ("gf", "ARV7", "Y")]
    lb = domain_lines(
        {"lb": table("lb", {"LBTESTCD": "HGB"}, {"LBTESTCD": "GLUC"})}, "TEST", "OTHER TEST"
    )
    assert [line for line in lb if line[2]] == [("lb", "HGB", "Y")]
    assert [line[1] for line in lb] == ["PSA", *PLAN.labs.terms, "GLUC"]


def test_concentrations_have_the_analyte_and_the_two_planned_hours():
    """End of infusion after 1 h and the primary time 7 h; a code of no list is compared in capitals."""
    pc = table(
        "pc", {"PCTESTCD": "cabaz", "PCTPTNUM": "1.0"}, {"PCTESTCD": "OTHER", "PCTPTNUM": "70"}
    )
    assert domain_lines({"pc": pc}, "TEST", "OTHER TEST") == [
        ("pc", "CABAZ", "Y"),
        ("pc", "OTHER", None),
        ("pc", "PCTPTNUM 1, in hours", "Y"),
        ("pc", "PCTPTNUM 7, in hours", None),
    ]
    assert [met for *_, met in domain_lines({"pc": pc.iloc[:0]}, "TEST")] == ["Y", "Y", "Y"]


def test_ecog_is_looked_for_in_rs_and_radiotherapy_in_cm():
    rs, cm = table("rs", {"RSTESTCD": "ECOG101"}), table("cm", {"CMSCAT": "HORMONAL"})
    assert domain_lines({"cm": cm, "rs": rs}, "TEST") == [
        ("rs", "ECOG", "Y"),
        ("cm", "RADIOTHERAPY", None),
    ]
    assert domain_lines({"cm": cm.iloc[:0]}, "TEST") == [("cm", "RADIOTHERAPY", "Y")]
    other = table("rs", {"RSTESTCD": "OVRLRESP"})
    assert domain_lines({"rs": other}, "TEST") == [("rs", "ECOG", None)]


def test_the_visits_of_the_plan_are_looked_for_in_counts_and_samples():
    """The visit of the count and the one of the schedule of samples that names a visit: cycle 3 both."""
    assert PLAN.ctc.visit == "CYCLE 3"
    tables = {"be": table("be", {"VISIT": "C1D1"}), "cp": table("cp", {"VISIT": "C3D1"})}
    assert domain_lines(tables, "VISIT") == [("cp", "CYCLE 3", "Y"), ("be", "CYCLE 3", None)]
    assert domain_lines({"be": tables["be"].iloc[:0]}, "VISIT") == [("be", "CYCLE 3", "Y")]
    assert domain_lines({"gf": table("gf", {"VISIT": "C1"})}, "VISIT") == []


def test_each_record_of_counts_and_markers_has_a_visit_of_the_trial():
    """A visit of no list is named by its first 40 letters; BE is not selected by visit."""
    long = "UNKNOWN " + "X" * 40
    cp = table("cp", {"VISIT": "Screening visit"}, {"VISIT": None, "USUBJID": "2"}, {"VISIT": long})
    tables = {
        "be": table("be", {"VISIT": "WEEK 6"}),
        "cp": cp,
        "gf": table("gf", {"VISIT": "WEEK 12"}),
    }
    assert of_kind(tables, "VISIT OF A RECORD") == [
        ("cp", "Screening visit", 1, "1", "Y"),
        ("cp", "no VISIT", 2, "2", None),
        ("cp", "UNKNOWN " + "X" * 32, 3, "1", None),
        ("gf", "WEEK 12", 1, "1", "Y"),
    ]


def test_each_result_of_another_graded_test_can_be_read_and_has_its_limit():
    """Potassium is graded here and has no rule of its own; haemoglobin has one, glucose is not graded."""
    plan = changed(labs__terms=PLAN.labs.terms | {"K": ["Hypokalemia"]})
    results = [
        {"LBTESTCD": "HGB", "LBSTRESC": "odd"}, {"LBTESTCD": "GLUC", "LBSTRESC": "odd"},
        {"LBTESTCD": "K", "LBSTRESC": "4.1"}, {"LBTESTCD": "K", "LBSTRESC": "haemolysed"},
        {"LBTESTCD": "K", "LBSTRESC": None}, {"LBTESTCD": "K", "LBSTRESC": "BLQ"},
        {"LBTESTCD": "K", "LBSTRESC": "BLQ", "LBLLOQ": "1"}, {"LBTESTCD": "K", "LBSTRESC": "ALQ", "LBULOQ": "9"},
        {"LBTESTCD": "K", "LBSTRESC": "ALQ", "LBLLOQ": "1", "USUBJID": "2"},
    ]  # fmt: skip
    lb = {"lb": table("lb", *results)}
    assert of_kind(lb, "RESULT OF A RECORD", plan=plan) == [
        ("lb", "K", 3, "1", "Y"),
        ("lb", "K", 4, "1", None),
        ("lb", "K", 6, "1", None),
        ("lb", "K", 7, "1", "Y"),
        ("lb", "K", 8, "1", "Y"),
        ("lb", "K", 9, "2", None),
    ]
    assert of_kind(lb, "RESULT OF A RECORD") == []
    assert of_kind({"ae": table("ae", {})}, "RESULT OF A RECORD", plan=plan) == []


def test_readings_are_of_the_evaluator_of_the_plan_and_of_its_reader():
    """A missing evaluator is the investigator; a word of no list is an evaluator of its own."""
    readings = [
        {"RSEVAL": None, "RSEVALID": None},
        {"RSEVAL": "local", "RSEVALID": "READER 1"},
        {"RSEVAL": "BICR", "RSEVALID": "radiologist 1"},
        {"RSEVAL": "BICR", "RSEVALID": "Radiologist 2"},
        {"RSEVAL": "BICR", "RSEVALID": "RADIOLOGIST 2"},
        {"RSEVAL": "NURSE", "RSEVALID": "Ward 7"},
    ]
    rs = {"rs": table("rs", *readings)}
    central = "INDEPENDENT ASSESSOR RADIOLOGIST"
    assert domain_lines(rs, "OTHER EVALUATOR") == [
        ("rs", f"{central} 1 (1), {central} 2 (2), NURSE Ward 7 (1)", None)
    ]
    assert domain_lines({"tu": table("tu", {"TUEVAL": None})}, "OTHER EVALUATOR") == [
        ("tu", "", "Y")
    ]
    plan = changed(tumour__evaluator="INDEPENDENT ASSESSOR", tumour__evaluator_id="RADIOLOGIST 1")
    assert domain_lines(rs, "OTHER EVALUATOR", plan=plan) == [
        (
            "rs",
            f"{central} 2 (2), INVESTIGATOR (1), INVESTIGATOR READER 1 (1), NURSE Ward 7 (1)",
            None,
        )
    ]
    assert domain_lines({"lb": table("lb", {})}, "OTHER EVALUATOR") == []


def test_criteria_that_the_protocol_does_not_have_are_named_with_their_number():
    """INCL02 and EXCL03 are of the protocol; the code of an amended criterion is not."""
    rows = [
        {"IETESTCD": code}
        for code in ("INCL02", "excl03", "EXCL03", "INCL02A", "INCL02A", "AGE", None)
    ]
    got = domain_lines({"ie": table("ie", *rows)}, "CRITERION")
    assert got == [("ie", "AGE (1), INCL02A (2)", None)]
    assert domain_lines({"ie": table("ie", *rows[:3])}, "CRITERION") == [("ie", "", "Y")]
    assert domain_lines({"lb": table("lb", {})}, "CRITERION") == []
    without = PLAN.model_copy(update={"protocol": None})
    assert domain_lines({"ie": table("ie", *rows)}, "CRITERION", plan=without) == []


def test_one_line_has_every_event_term_of_the_plan_that_no_event_has():
    events = [
        {"AEDECOD": term} for term in ("Anaemia", "Febrile neutropenia", "Diarrhea", "Leukopenia")
    ]
    absent = [
        "NEUTROPENIA", "NEUTROPHIL COUNT DECREASED", "THROMBOCYTOPENIA", "PLATELET COUNT DECREASED",
        "WHITE BLOOD CELL COUNT DECREASED", *PLAN.deaths.progression_terms,
    ]  # fmt: skip
    assert domain_lines({"ae": table("ae", *events)}, "AE TERM") == [
        ("ae", ", ".join(absent), None)
    ]
    present = [{"AEDECOD": term} for term in absent]
    assert domain_lines({"ae": table("ae", *events, *present)}, "AE TERM") == [("ae", "", "Y")]
    assert domain_lines({"cm": table("cm", {})}, "AE TERM") == []


def test_drug_names_of_the_plan_become_their_ingredient_and_others_stay():
    ex = table("ex", {"EXTRT": "Jevtana"}, {"EXTRT": "PLACEBO"}, {"EXTRT": None})
    made = plan_terms.with_ingredients(ex, "EXTRT", PLAN)["EXTRT"]
    assert made.tolist()[:2] == ["CABAZITAXEL", "PLACEBO"]
    assert made.isna().tolist() == [False, False, True]
    assert plan_terms.with_ingredients(ex, "CMTRT", PLAN) is ex


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


def test_what_a_plan_leaves_out_is_not_looked_for():
    """Without PSA, marker, counts, concentrations, samples, lines and re-screening: their terms are no question."""
    left_out = (
        "psa_response", "biomarker", "ctc", "pk", "samples", "lines", "rescreening", "comparison",
    )  # fmt: skip
    plan = PLAN.model_copy(update=dict.fromkeys(left_out))
    tables = {
        "be": table("be", {"VISIT": "C1D1"}),
        "cm": table("cm", {"CMCAT": ANTICANCER, "CMDECOD": "DOCETAXEL", "CMSCAT": "RADIOTHERAPY"}),
        "gf": table("gf", {"GFTESTCD": "ARV7"}),
        "lb": table("lb", {"LBTESTCD": "HGB"}),
        "pc": table("pc", {"PCTESTCD": "CABAZ", "PCTPTNUM": "1"}),
    }
    tests = [line[1] for line in domain_lines(tables, "TEST", plan=plan)]
    assert tests == [*plan.labs.terms, "RADIOTHERAPY"]
    others = domain_lines(tables, "OTHER TEST", plan=plan)
    assert ("gf", "ARV7", None) in others
    assert ("pc", "CABAZ", None) in others
    assert domain_lines(tables, "VISIT", plan=plan) == []
    drugs = {plan.baseline.prior_drug, *plan.baseline.prior_class.drugs}
    assert {line[1] for line in domain_lines(tables, "DRUG", plan=plan)} == drugs
