"""The check of small tables by small contracts, and the tables of the contract of the extract."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from sap import contracts
from sap.contracts.expectations import _cells, _contents, _extract_table, _records
from sap.contracts.odcs import Column, Contract, Lookup, Prepared, Rule, Table
from sap.errors import PlanError
from sap.plan import read_plan

PLAN = read_plan(Path(__file__).parents[1] / "analysis" / "plan.yml").plan


def column(name: str, kind="text", key: int | None = None, **more: bool) -> Column:
    """A column of a contract; a key column is required."""
    given = {"required": key is not None, "must_exist": key is not None} | more
    return Column(name=name, label=name, kind=kind, key=key, **given)


def rule(name: str, expectation: str, **more) -> Rule:
    conditions = {each: more.pop(each) for each in ("where", "where_not") if each in more}
    flags = {each: more.pop(each) for each in ("checked_on_cut",) if each in more}
    severity = more.pop("severity", "warning")
    conditions = {"where": {}, "where_not": {}} | conditions
    return Rule(
        name, f"Rule {name}", severity, f"expect_{expectation}", more, **conditions, **flags
    )


def contract_of(
    name: str, columns, rules=(), *, prepared=None, timing=None, derived=()
) -> Contract:
    table = Table(name, timing, tuple(columns), prepared or {}, tuple(rules), tuple(derived))
    return Contract(name, name.upper(), "1.0.0", "", (table,), "")


def frame(**columns) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(cells, dtype=object) for name, cells in columns.items()})


COLUMNS = [
    column("USUBJID", key=1),
    column("DVSEQ", "whole number", key=2),
    column("DVTERM"),
    column("DVCAT"),
    column("DVSTDTC", "partial date"),
    column("DVENDTC", "partial date"),
    column("DVNOTE"),
    column("DVGONE", must_exist=True, required=False),
]
NOT_NULL = "column_values_to_not_be_null"
RULES = [
    rule("cat", "column_values_to_be_in_set", column="DVCAT", codelist="DEVIATION", severity="critical"),
    rule("term", NOT_NULL, column="DVTERM", where={"DVCAT": "MAJOR"}),
    rule(
        "order",
        "column_pair_values_a_to_be_greater_than_b",
        column_A="DVENDTC_latest",
        column_B="DVSTDTC_earliest",
        or_equal=True,
        ignore_row_if="either_value_is_missing",
        where_not={"DVCAT": "minor"},
    ),
    rule("key", "compound_columns_to_be_unique", column_list=["USUBJID", "DVSEQ"]),
    rule("note", NOT_NULL, column="DVNOTE", severity="info"),
    rule("gone", NOT_NULL, column="DVGONE"),
    rule("gone-too", "column_pair_values_to_be_equal", column_A="DVTERM", column_B="DVGONE"),
    rule("gone-where", NOT_NULL, column="DVNOTE", where={"DVGONE": None}),
    rule("joined", NOT_NULL, column="SAMPLE"),
    rule("rows", "table_row_count_to_be_between", min_value=5),
    rule("cut", NOT_NULL, column="DVTERM", checked_on_cut=False),
    rule("few", "column_values_to_be_between", column="DVSEQ_number", max_value=1),
    rule("upper", "column_values_to_match_regex", column="DVTERM", regex="^[A-Z ]*$"),
    rule("lower", "column_values_to_match_regex", column="DVTERM", regex="^[a-z ]*$", where={"DVCAT": "minor"}),
]  # fmt: skip
SAMPLE = Prepared(lookup=Lookup(table="be", take="BEREFID", by={"USUBJID": "USUBJID"}))
DV_RULES = contract_of("dv", COLUMNS, RULES, prepared={"SAMPLE": SAMPLE})
DV = frame(
    USUBJID=["A", "A", "B", "B"],
    DVSEQ=["1", "2", "1", "1"],
    DVTERM=["late", None, "TOO LATE", None],
    DVCAT=["Major", "MAJOR", "minor", "SEVERE"],
    DVSTDTC=["2017-02-01", "2017-01", "2017-02-01", "2017-03"],
    DVENDTC=["2017-01-31", "2017-01-01", "2017-01-01", None],
)
SEEN = ["rule", "severity", "row", "usubjid", "seq"]


def lines(findings: pd.DataFrame, columns=SEEN) -> list[tuple]:
    return [
        tuple(None if pd.isna(cell) else cell for cell in row)
        for row in findings[list(columns)].itertuples(index=False, name=None)
    ]


@pytest.fixture(scope="module")
def of_dv() -> pd.DataFrame:
    return contracts.check({"dv": DV}, {"dv": DV_RULES}, [])


def test_each_rule_has_its_rows_in_the_order_of_the_contract(of_dv):
    """Worked out by hand from the four records.

    1. cat: SEVERE alone is no value of the codelist; Major and minor are, folded.
    2. term: of the major ones the second has no term; the others are not selected.
    3. order: January 31 is before February 1; of January 2017 the first day counts for the start;
       the minor one is excluded; a missing end is ignored.
    4. key: B 1 is there twice. note: the column is absent and optional, so that it is all missing.
    5. gone: a column that must exist is absent, so that no rule on it is checked; nor is one on a
       column of an absent domain.
    6. rows: four are fewer than five, a finding of the table. few: A 2. upper: `late`, as written;
       lower: TOO LATE, as written.
    """
    assert lines(of_dv) == [
        ("cat", "critical", 4, "B", "1"),
        ("term", "warning", 2, "A", "2"),
        ("order", "warning", 1, "A", "1"),
        ("key", "warning", 3, "B", "1"),
        ("key", "warning", 4, "B", "1"),
        ("note", "info", 1, "A", "1"),
        ("note", "info", 2, "A", "2"),
        ("note", "info", 3, "B", "1"),
        ("note", "info", 4, "B", "1"),
        ("rows", "warning", None, None, None),
        ("cut", "warning", 2, "A", "2"),
        ("cut", "warning", 4, "B", "1"),
        ("few", "warning", 2, "A", "2"),
        ("upper", "warning", 1, "A", "1"),
        ("lower", "warning", 3, "B", "1"),
    ]


def test_a_finding_has_domain_words_file_and_allowed_values(of_dv):
    assert tuple(of_dv.columns) == contracts.FINDING_COLUMNS
    first, second = of_dv.to_dict("records")[:2]
    assert first == {
        "domain": "dv", "rule": "cat", "description": "Rule cat", "severity": "critical", "row": 4,
        "usubjid": "B", "seq": "1", "contract": "dv.odcs.yaml", "allowed": "MAJOR, MINOR",
        "accepted": None,
    }  # fmt: skip
    assert second["allowed"] is None
    assert of_dv["row"].dtype == "Int64"
    assert of_dv["accepted"].isna().all()


def test_a_cut_is_not_checked_by_a_rule_of_the_extract(of_dv):
    of_cut = contracts.check({"dv": DV}, {"dv": DV_RULES}, [], of_cut=True)
    assert lines(of_cut) == lines(of_dv[of_dv["rule"] != "cut"])


def test_without_rows_only_the_rule_about_the_table_is_checked():
    found = contracts.check({"dv": DV.iloc[:0]}, {"dv": DV_RULES}, [])
    assert lines(found) == [("rows", "warning", None, None, None)]


def test_a_table_in_order_has_no_finding_with_the_columns_of_findings():
    good = frame(USUBJID=["A"], DVSEQ=["1"], DVTERM=["x"], DVCAT=["MAJOR"])
    rules = contract_of("dv", COLUMNS[:4], RULES[:2])
    found = contracts.check({"dv": good}, {"dv": rules}, [])
    assert found.empty
    assert tuple(found.columns) == contracts.FINDING_COLUMNS
    assert found["usubjid"].dtype == object
    assert contracts.check({"dv": DV}, {"dv": contract_of("dv", COLUMNS)}, []).empty


def test_a_joined_column_is_checked_where_its_domain_is_in_the_extract():
    be = frame(USUBJID=["A"], BEREFID=["S1"])
    rules = contract_of("dv", COLUMNS, [RULES[8]], prepared={"SAMPLE": SAMPLE})
    found = contracts.check({"dv": DV, "be": be}, {"dv": rules}, [])
    assert lines(found) == [("joined", "warning", 3, "B", "1"), ("joined", "warning", 4, "B", "1")]


def test_a_domain_without_a_sequence_has_findings_without_one():
    rules = contract_of(
        "dm", [column("USUBJID", key=1), column("SEX")], [rule("sex", NOT_NULL, column="SEX")]
    )
    found = contracts.check({"dm": frame(USUBJID=["A", "B"], SEX=["M", ""])}, {"dm": rules}, [])
    assert lines(found) == [("sex", "warning", 2, "B", None)]


def test_the_check_names_each_contract_as_it_goes_and_prints_nothing(capfd):
    named: list[str] = []
    rules = {"dv": DV_RULES, "zz": contract_of("zz", [column("USUBJID")])}
    contracts.check({"dv": DV}, rules, [], named.append)
    assert named == ["dv", "zz"]
    assert capfd.readouterr() == ("", "")


def test_two_rules_on_one_column_see_it_each_with_its_own_condition():
    """The unconditional rule comes first and second; the conditional one sees its rows only."""
    term = rule("all", NOT_NULL, column="DVTERM")
    for pair in ([term, RULES[1]], [RULES[1], term]):
        found = contracts.check({"dv": DV}, {"dv": contract_of("dv", COLUMNS, pair)}, [])
        rows = found.groupby("rule")["row"].agg(list).to_dict()
        assert rows == {"all": [2, 4], "term": [2]}


def test_a_rule_that_great_expectations_cannot_carry_out_is_named():
    broken = rule("odd", "column_values_to_be_between", column="DVTERM", min_value=1)
    with pytest.raises(PlanError, match="cannot carry out rule odd;"):
        contracts.check({"dv": DV}, {"dv": contract_of("dv", COLUMNS, [broken])}, [])


def test_a_name_of_a_study_drug_is_checked_as_its_ingredient():
    """Jevtana is listed in the plan as cabazitaxel; without a plan it is a word outside of the set."""
    drug = rule("drug", "column_values_to_be_in_set", column="EXTRT", value_set=["CABAZITAXEL"])
    rules = {"ex": contract_of("ex", [column("USUBJID", key=1), column("EXTRT")], [drug])}
    tables = {"ex": frame(USUBJID=["A", "B"], EXTRT=["Jevtana", "PLACEBO"])}
    assert contracts.check(tables, rules, [], plan=PLAN)["row"].tolist() == [2]
    assert contracts.check(tables, rules, [])["row"].tolist() == [1, 2]


# ---- the tables of the extract ---------------------------------------------------------------------

AE_COLUMNS = [
    column("STUDYID"),
    column("DOMAIN"),
    column("USUBJID", key=1),
    column("AESEQ", "whole number", key=2),
    column("AETERM", required=True, must_exist=True),
    column("AESTDTC", "partial date"),
    column("AEDOSE", "number"),
    column("AERATE", "number"),
]
SMALL = {
    "ae": contract_of("ae", AE_COLUMNS, timing="AESTDTC", derived=("AESTDY",)),
    "dm": contract_of("dm", [column("STUDYID", key=1), column("USUBJID", key=2), column("DTHDTC", "date")]),
    "ts": contract_of("ts", [column("TSSEQ", "whole number", key=1)]),
}  # fmt: skip
AE = frame(
    STUDYID=["T", "T", "T", "OTHER"],
    DOMAIN=["AE", "XX", None, "AE"],
    USUBJID=["A", "A", "Z", "A"],
    AESEQ=["1", "1", None, "2"],
    AETERM=["naïve", None, "plain", "RASH"],
    AESTDTC=["2018-06", "2018-06-02", None, "2018"],
    AESTDY=["1", "2", "3", "4"],
    AEDOSE=["2", None, "word", "x"],
    AERATE=["high", "1", None, "-1"],
)
DM = frame(STUDYID=["T", "T"], USUBJID=["A", "B"], DTHDTC=["2018-06", None])
TEXTS = {"ae": AE, "dm": DM, "zz": frame(A=["1"])}


def cells(table: pd.DataFrame) -> list[tuple]:
    return lines(table, table.columns)


def test_the_contents_list_every_domain_and_every_column_of_extract_and_contract():
    """In the extract, in a contract, required, has records; AESTDY may be there, DVX is unknown."""
    y = "Y"
    texts = {"ae": AE[["USUBJID", "AESEQ", "AESTDY"]].assign(AEX="1"), "dm": DM.iloc[:0], "zz": AE}
    rules = {name: SMALL[name] for name in ("dm", "ts")} | {
        "ae": contract_of("ae", AE_COLUMNS[2:5], derived=("AESTDY",)),
        "extract": contract_of("extract", []),
    }
    made = list(_contents(texts, rules, ["dm", "ae", "lb"], of_cut=False))
    no_row = (None, None)
    assert made == [
        ("ae", None, *no_row, y, y, y, y),
        ("ae", "USUBJID", *no_row, y, y, y, y),
        ("ae", "AESEQ", *no_row, y, y, y, y),
        ("ae", "AETERM", *no_row, None, y, y, y),
        ("ae", "AESTDY", *no_row, y, y, None, y),
        ("ae", "AEX", *no_row, y, None, None, y),
        ("dm", None, *no_row, y, y, y, None),
        ("dm", "STUDYID", *no_row, y, y, y, y),
        ("dm", "USUBJID", *no_row, y, y, y, y),
        ("dm", "DTHDTC", *no_row, y, y, None, y),
        ("lb", None, *no_row, None, None, y, None),
        ("zz", None, *no_row, y, None, None, y),
    ]
    of_cut = [
        line for line in _contents(texts, rules, ["dm", "lb"], of_cut=True) if line[1] is None
    ]
    assert [line[-1] for line in of_cut] == ["Y"] * 4
    # a domain is not one because there is a contract of it
    assert list(_contents({}, rules, [], of_cut=False)) == []


def test_a_record_has_its_key_its_domain_its_subject_and_the_day_of_death():
    """A record without a part of its key has none; A of another study is not the A of DM."""
    made = _records("ae", AE, SMALL["ae"], TEXTS)
    sep = "\x1f"
    assert cells(made) == [
        ("ae", None, 1, "A", f"A{sep}1", "AE", "AE", "Y", "Y", "2018-06-01", "2018-06-30"),
        ("ae", None, 2, "A", f"A{sep}1", "XX", "AE", "Y", "Y", "2018-06-02", "2018-06-30"),
        ("ae", None, 3, "Z", None, None, "AE", "Y", None, None, None),
        ("ae", None, 4, "A", f"A{sep}2", "AE", "AE", "Y", None, "2018-01-01", "2018-06-30"),
    ]


def test_a_record_of_dm_or_of_a_domain_without_subjects_needs_no_subject():
    of_dm = _records("dm", DM, SMALL["dm"], TEXTS)
    assert of_dm["NEEDS_SUBJECT"].isna().all()
    assert of_dm["FIRST_DAY"].isna().all()  # DM has no column that dates its records
    assert of_dm["DEATH_DAY"].tolist() == ["2018-06-30", None]
    of_ts = _records("ts", frame(TSSEQ=["1"]), SMALL["ts"], TEXTS)
    assert of_ts["NEEDS_SUBJECT"].isna().all()
    without = _records("ae", AE, SMALL["ae"], {"ae": AE})
    assert without["NEEDS_SUBJECT"].isna().all()
    assert without["SUBJECT"].isna().all()
    assert without["DEATH_DAY"].isna().all()


def test_a_subject_without_an_id_in_dm_is_the_subject_of_no_record():
    dm = frame(STUDYID=["T", None], USUBJID=[None, "A"])
    made = _records("ae", AE.assign(USUBJID=None), SMALL["ae"], {"dm": dm})
    assert made["SUBJECT"].isna().all()


@pytest.mark.parametrize(
    "kind, expected",
    [
        ("number", [("AEDOSE", 1, "2"), ("AEDOSE", 3, "word"), ("AEDOSE", 4, "x"),
                    ("AERATE", 1, "high"), ("AERATE", 2, "1"), ("AERATE", 4, "-1")]),
        ("whole number", [("AESEQ", 1, "1"), ("AESEQ", 2, "1"), ("AESEQ", 4, "2")]),
        ("partial date", [("AESTDTC", 1, "2018-06"), ("AESTDTC", 2, "2018-06-02"), ("AESTDTC", 4, "2018")]),
        ("date", []),
        ("text", [("AETERM", 1, "naïve")]),
    ],
)  # fmt: skip
def test_the_values_of_a_kind_are_listed_by_column_without_missing_ones(kind, expected):
    """Of texts only those that are not ASCII."""
    parts = [cells(part) for part in _cells("ae", AE, SMALL["ae"], kind)]
    subjects = {1: "A", 2: "A", 3: "Z", 4: "A"}
    assert [line for part in parts for line in part] == [
        ("ae", name, row, subjects[row], value, "Y") for name, row, value in expected
    ]


def test_the_values_of_required_columns_are_listed_with_missing_ones():
    parts = [cells(part) for part in _cells("ae", AE.drop(columns="AESEQ"), SMALL["ae"], None)]
    assert [line[1:3] + line[4:5] for part in parts for line in part] == [
        ("USUBJID", 1, "A"), ("USUBJID", 2, "A"), ("USUBJID", 3, "Z"), ("USUBJID", 4, "A"),
        ("AETERM", 1, "naïve"), ("AETERM", 2, None), ("AETERM", 3, "plain"), ("AETERM", 4, "RASH"),
    ]  # fmt: skip


def test_a_record_is_analysed_where_its_test_is_in_the_codelist():
    """LBTESTCD of the list has PSA; ECGs have no list; a table without tests is analysed whole."""
    lb = frame(USUBJID=["A"] * 3, LBTESTCD=["psa", "KETONES", None], LBSTRESN=["1", "2", "3"])
    rules = contract_of("lb", [column("LBSTRESN", "number")])
    (part,) = _cells("lb", lb, rules, "number")
    assert part["READ"].tolist() == ["Y", None, None]
    (part,) = _cells("lb", lb.drop(columns="LBTESTCD"), rules, "number")
    assert part["READ"].tolist() == ["Y", "Y", "Y"]
    eg = frame(EGTESTCD=["QTCF"], EGSTRESN=["400"])
    (part,) = _cells("eg", eg, contract_of("eg", [column("EGSTRESN", "number")]), "number")
    assert part["READ"].tolist() == ["Y"]


def test_a_table_of_the_extract_is_made_of_the_domains_with_a_contract():
    numbers = Table("numbers", None, tuple(map(column, ("DOMAIN", "ROW", "VALUE"))), {}, ())
    known = {**SMALL, "extract": contract_of("extract", [])}
    texts = {**TEXTS, "extract": frame(A=["1"])}
    made = _extract_table(numbers, texts, known, [], of_cut=False)
    assert list(made) == ["DOMAIN", "ROW", "VALUE"]
    assert made["VALUE"].tolist() == ["2", "word", "x", "high", "1", "-1"]
    assert list(made.index) == list(range(6))
    empty = _extract_table(numbers, {"zz": AE}, known, [], of_cut=False)
    assert list(empty) == ["DOMAIN", "ROW", "VALUE"]
    assert empty.empty
    records = Table("records", None, (column("DOMAIN"), column("ROW")), {}, ())
    made = _extract_table(records, texts, known, [], of_cut=False)
    assert cells(made) == [("ae", 1), ("ae", 2), ("ae", 3), ("ae", 4), ("dm", 1), ("dm", 2)]
    with pytest.raises(
        PlanError, match="no table OTHER; there are contents, records, plan_terms, req"
    ):
        _extract_table(Table("other", None, (), {}, ()), texts, known, [], of_cut=False)


# ---- the check of an extract -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def of_the_extract() -> contracts.Contract:
    return contracts.load()["extract"]


def test_findings_of_domain_and_column_come_first_and_those_of_values_last(of_the_extract):
    """In a domain: first what is missing or unknown, then its own rules, then its values.

    Values are in the order of the rules, then by row, then by column: row 1 of AERATE comes before
    row 3 of AEDOSE.
    """
    serious = rule("ae-term", NOT_NULL, column="AETERM")
    ae = contract_of(
        "ae", [*AE_COLUMNS, column("AEGONE", must_exist=True)], [serious], timing="AESTDTC"
    )
    known = {**SMALL, "ae": ae, "extract": of_the_extract}
    found = contracts.check(TEXTS, known, ["dm", "lb"])
    words = found["description"].str.extract(r"\((\w+)\)$")[0]
    table = found.assign(column=words)
    assert lines(table, ("domain", "rule", "column", "row", "usubjid", "seq")) == [
        ("ae", "extract-column-missing", "AEGONE", None, None, None),
        ("ae", "extract-column-unknown", "AESTDY", None, None, None),
        ("ae", "ae-term", None, 2, "A", "1"),
        ("ae", "extract-domain-mismatch", None, 2, "A", "1"),
        ("ae", "extract-key", None, 1, "A", "1"),
        ("ae", "extract-key", None, 2, "A", "1"),
        ("ae", "extract-subject-unknown", None, 3, "Z", None),
        ("ae", "extract-subject-unknown", None, 4, "A", "2"),
        ("ae", "extract-value-missing", "AETERM", 2, "A", "1"),
        ("ae", "extract-value-missing", "AESEQ", 3, "Z", None),
        ("ae", "extract-number", "AERATE", 1, "A", "1"),
        ("ae", "extract-number", "AEDOSE", 3, "Z", None),
        ("ae", "extract-number", "AEDOSE", 4, "A", "2"),
        ("ae", "extract-negative", "AERATE", 4, "A", "2"),
        ("dm", "extract-date-day", "DTHDTC", 1, "A", None),
        ("lb", "extract-domain-missing", None, None, None, None),
        ("zz", "extract-domain-unknown", None, None, None, None),
    ]  # fmt: skip
    assert set(found["contract"]) == {"ae.odcs.yaml", "extract.odcs.yaml"}


def test_a_rule_on_all_domains_may_be_one_of_the_extract_as_well(of_the_extract):
    """Of the two rules on numbers, the first is not checked on a cut."""
    tables = tuple(
        replace(table, rules=tuple(replace(each, checked_on_cut=each.name != "extract-number") for each in table.rules))
        for table in of_the_extract.tables
        if table.name == "numbers"
    )  # fmt: skip
    known = {"ae": SMALL["ae"], "extract": replace(of_the_extract, tables=tables)}
    names = ["extract-number", "extract-negative"]
    for of_cut, expected in ((False, names), (True, names[1:])):
        found = contracts.check({"ae": AE}, known, [], of_cut=of_cut)
        assert list(dict.fromkeys(found["rule"])) == expected


def test_terms_of_the_plan_are_compared_in_the_domains_with_a_contract(of_the_extract):
    """The table `extract` and the domain without a contract are of no study; AE is of another."""
    known = {"ae": contract_of("ae", AE_COLUMNS), "extract": of_the_extract}
    other = frame(STUDYID=["OTHER"])
    tables = {"ae": frame(STUDYID=["OTHER"], USUBJID=["A"]), "zz": other, "extract": other}
    found = contracts.check(tables, known, [], plan=PLAN)
    assert found[found["rule"] == "extract-study"]["domain"].tolist() == ["ae"]
    without = contracts.check(tables, known, [])
    assert "extract-study" not in set(without["rule"])


# ---- the check of a cut ----------------------------------------------------------------------------


def seq_rows(*rows: tuple[str, str, str | None]) -> pd.DataFrame:
    subjects, numbers, terms = zip(*rows, strict=True)
    return frame(USUBJID=subjects, DVSEQ=numbers, DVTERM=terms)


def test_a_cut_has_its_own_findings_and_those_of_the_extract_for_its_records():
    """B 1 and A 2 have no term in the extract; A 2 is later than the cut-off. In the cut B 1 is row 2.

    `own` is checked on the cut; `term` has the findings of the extract. The findings of `aa`, which
    has none of its own, are put in front of those of `dv`.
    """
    term = rule("term", NOT_NULL, column="DVTERM", checked_on_cut=False)
    own = rule("own", "column_values_to_be_in_set", column="DVTERM", value_set=["x"])
    aa_term = rule("aa-term", NOT_NULL, column="AATERM", checked_on_cut=False)
    rules = {
        "aa": contract_of("aa", [column("USUBJID"), column("AASEQ"), column("AATERM")], [aa_term]),
        "dv": contract_of("dv", COLUMNS[:3], [own, term]),
    }
    aa = frame(USUBJID=["Q"], AASEQ=["1"], AATERM=[None])
    extract = {
        "aa": aa,
        "dv": seq_rows(("B", "1", None), ("A", "1", "y"), ("A", "2", None), ("A", "3", "y")),
    }
    cut = {"aa": aa, "dv": seq_rows(("A", "1", "y"), ("B", "1.0", None), ("C", "1", None))}
    of_extract = contracts.check(extract, rules, [])
    assert lines(of_extract, ("rule", "row")) == [
        ("aa-term", 1), ("own", 2), ("own", 4), ("term", 1), ("term", 3),
    ]  # fmt: skip
    found = contracts.check_cut(cut, rules, [], of_extract)
    assert lines(found, ("domain", "rule", "row", "usubjid", "seq")) == [
        ("aa", "aa-term", 1, "Q", "1"),
        ("dv", "own", 1, "A", "1"),
        ("dv", "term", 2, "B", "1"),
    ]
    assert list(found.index) == [0, 1, 2]
    assert found["row"].dtype == "Int64"
    only = contracts.check_cut({"aa": aa}, {"aa": rules["aa"]}, [], of_extract)
    assert lines(only, ("domain", "rule", "row")) == [("aa", "aa-term", 1)]
    assert only["row"].dtype == "Int64"
    none = contracts.check_cut({"dv": cut["dv"]}, rules, [], of_extract.iloc[:0])
    assert lines(none, ("domain", "rule", "row")) == [("dv", "own", 1)]


def test_the_row_of_a_finding_in_the_extract_is_that_of_its_record():
    """A record that the extract does not have has no row; 2.0 and 2 are one number."""
    extract = seq_rows(("B", "1", None), ("A", "1", None), ("A", "2.0", None))
    findings = pd.DataFrame(
        {"usubjid": ["A", "A", "B", "B", None], "seq": ["2", "1", "1", "2", None]}, dtype=object
    )
    assert contracts.rows_in(extract, "dv", findings) == [3, 2, 1, None, None]
    dm = frame(USUBJID=["A", "B"])
    assert contracts.rows_in(dm, "dm", findings.assign(seq=None).iloc[[2]]) == [2]
