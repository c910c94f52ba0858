"""Reading of a contract file: what a small one becomes, and every fault that is refused."""

import contextlib
import copy
from pathlib import Path
from typing import Any

import pydantic
import pytest
import yaml

from sap import contracts
from sap.contracts import odcs
from sap.contracts.odcs import (
    Column,
    Lookup,
    Place,
    Rule,
    Running,
    Table,
    allowed_values,
    columns_of,
    folded_words,
    load,
    reads,
    stem,
    version,
)
from sap.errors import PlanError
from sap.plan import project_home


def quality(
    name: str, expectation: str = "column_values_to_not_be_null", **kwargs
) -> dict[str, Any]:
    return {
        "name": name,
        "description": f"Rule {name}",
        "severity": "warning",
        "type": "custom",
        "engine": "greatExpectations",
        "implementation": {
            "type": f"expect_{expectation}",
            "kwargs": kwargs or {"column": "AATERM"},
        },
    }


def custom(**values) -> list[dict[str, Any]]:
    return [{"property": name, "value": value} for name, value in values.items()]


def dated(name: str, form: str, **more) -> dict[str, Any]:
    return {"name": name, "logicalType": "date", "logicalTypeOptions": {"format": form}, **more}


def properties() -> list[dict[str, Any]]:
    key = {"primaryKey": True, "required": True}
    text = {"logicalType": "string"}
    return [
        {"name": "USUBJID", "description": "Subject", "primaryKeyPosition": 2, **text, **key},
        {"name": "STUDYID", "description": "Study", "primaryKeyPosition": 1, **text, **key},
        {"name": "AASEQ", "logicalType": "integer", "criticalDataElement": True},
        {"name": "AADOSE", "logicalType": "number"},
        {"name": "AATERM", "quality": [quality("aa-term")], **text},
        dated("AADTC", "yyyy-MM-dd"),
        dated("AASTDTC", "yyyy-MM-dd['T'HH:mm[:ss]]"),
        dated("AAENDTC", "yyyy[-MM[-dd]]"),
    ]


LOOKUP = {"table": "bb", "take": "BBTERM", "by": {"USUBJID": "USUBJID"}, "where": {"BBTERM": "x"}}


def contract(name: str = "aa") -> dict[str, Any]:
    """The smallest contract; that of aa has something of everything."""
    schema: dict[str, Any] = {
        "name": name.upper(),
        "properties": [
            {"name": "USUBJID", "logicalType": "string"},
            {"name": f"{name.upper()}TERM", "logicalType": "string"},
        ],
    }
    if name == "aa":
        schema["properties"] = properties()
        prepare = {
            "SAMPLE": {"lookup": LOOKUP},
            "PLACE": {
                "place": {"by": ["USUBJID"], "order": "AADTC_earliest", "where": {"AASEQ": 1}}
            },
            "COUNT_day": {"running": {"by": ["STUDYID"], "order": "AASEQ_number"}},
        }
        schema["customProperties"] = custom(
            prepare=prepare, timing="AASTDTC", derived=["AADY", "EPOCH"]
        )
        second = quality("aa-day", column="AADTC_day")
        second["severity"] = "critical"
        second["customProperties"] = custom(
            where={"AATERM": "X"},
            where_not={"SAMPLE": None},
            acceptable=False,
            of_cut="as in the extract",
        )
        third = quality("aa-count", "column_values_to_be_between", column="COUNT_day", min_value=1)
        third["customProperties"] = custom(acceptable=True)
        schema["quality"] = [second, third]
    return {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": f"sap-{name}",
        "version": "1.2.3",
        "status": "active",
        "domain": name,
        "schema": [schema],
    }


def files(folder: Path, *contents: dict[str, Any]) -> dict[str, contracts.Contract]:
    for content in contents:
        place = folder / f"{content['domain']}.odcs.yaml"
        place.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return load(folder)


# ---- what is read ----------------------------------------------------------------------------------


def test_a_contract_has_its_columns_rules_and_prepared_columns(tmp_path):
    given = contract() | {"name": "Anything", "description": {"purpose": "To be read"}}
    loaded = files(tmp_path, given, contract("bb"))
    aa = loaded["aa"]
    assert (aa.name, aa.label, aa.version, aa.what, aa.file) == (
        "aa", "Anything", "1.2.3", "To be read", "aa.odcs.yaml",
    )  # fmt: skip
    assert aa.columns == (
        Column("USUBJID", "Subject", "text", required=True, must_exist=True, key=2),
        Column("STUDYID", "Study", "text", required=True, must_exist=True, key=1),
        Column("AASEQ", "", "whole number", required=False, must_exist=True, key=None),
        Column("AADOSE", "", "number", required=False, must_exist=False, key=None),
        Column("AATERM", "", "text", required=False, must_exist=False, key=None),
        Column("AADTC", "", "date", required=False, must_exist=False, key=None),
        Column("AASTDTC", "", "date or time", required=False, must_exist=False, key=None),
        Column("AAENDTC", "", "partial date", required=False, must_exist=False, key=None),
    )
    assert aa.key == ("STUDYID", "USUBJID")
    (table,) = aa.tables
    assert (table.name, table.timing, table.derived) == ("aa", "AASTDTC", ("AADY", "EPOCH"))
    assert {name: (one.lookup, one.place, one.running) for name, one in table.prepared.items()} == {
        "SAMPLE": (Lookup(**LOOKUP), None, None),
        "PLACE": (None, Place(by=["USUBJID"], order="AADTC_earliest", where={"AASEQ": 1}), None),
        "COUNT_day": (None, None, Running(by=["STUDYID"], order="AASEQ_number")),
    }
    assert Lookup(**LOOKUP).pick == "first"
    assert aa.rules == table.rules


def test_the_rules_of_a_column_come_before_those_of_the_table(tmp_path):
    rules = files(tmp_path, contract(), contract("bb"))["aa"].rules
    nothing: dict[str, Any] = {}
    not_null = "expect_column_values_to_not_be_null"
    assert rules == (
        Rule(
            "aa-term", "Rule aa-term", "warning", not_null, {"column": "AATERM"}, nothing, nothing
        ),
        Rule(
            "aa-day",
            "Rule aa-day",
            "critical",
            not_null,
            {"column": "AADTC_day"},
            {"AATERM": "X"},
            {"SAMPLE": None},
            acceptable=False,
            checked_on_cut=False,
        ),
        Rule(
            "aa-count",
            "Rule aa-count",
            "warning",
            "expect_column_values_to_be_between",
            {"column": "COUNT_day", "min_value": 1},
            nothing,
            nothing,
            acceptable=True,
            checked_on_cut=True,
        ),
    )
    assert reads(rules[1]) == ("AADTC_day",)
    assert columns_of(rules[1]) == ("AADTC_day", "AATERM", "SAMPLE")


def test_a_contract_without_a_name_or_purpose_has_the_domain_and_no_purpose(tmp_path):
    loaded = files(tmp_path, contract("bb"))["bb"]
    assert (loaded.label, loaded.what, loaded.rules, loaded.key) == ("BB", "", (), ())
    assert loaded.tables[0].timing is None
    assert (loaded.tables[0].derived, dict(loaded.tables[0].prepared)) == ((), {})
    usage = contract("cc") | {"description": {"usage": "none"}}
    assert files(tmp_path, usage)["cc"].what == ""


def test_contracts_are_in_the_order_of_their_domains_and_the_extract_is_the_last(tmp_path):
    extract = contract("extract")
    extract["schema"].append(copy.deepcopy(extract["schema"][0]) | {"name": "RECORDS"})
    loaded = files(tmp_path, contract("zz"), extract, contract("bb"))
    assert list(loaded) == ["bb", "zz", "extract"]
    assert [table.name for table in loaded["extract"].tables] == ["extract", "records"]
    assert loaded["extract"].columns == loaded["extract"].tables[0].columns


def test_a_pair_and_a_list_of_columns_are_read_in_that_order(tmp_path):
    content = contract("bb")
    content["schema"][0]["quality"] = [
        quality("pair", "column_pair_values_to_be_equal", column_B="BBTERM", column_A="USUBJID"),
        quality("list", "compound_columns_to_be_unique", column_list=["BBTERM", "USUBJID"]),
    ]
    pair, several = files(tmp_path, content)["bb"].rules
    assert reads(pair) == ("USUBJID", "BBTERM")
    assert reads(several) == ("BBTERM", "USUBJID")


def test_the_source_of_a_derived_column():
    assert [stem(name) for name in ("LBSTRESN_number", "LBDTC_latest", "LBDTC", "A_b")] == [
        "LBSTRESN", "LBDTC", "LBDTC", "A_b",
    ]  # fmt: skip


def test_the_sum_of_the_files_is_not_printed_with_a_contract(tmp_path):
    loaded = files(tmp_path, contract("bb"))["bb"]
    assert len(loaded.sha256) == 64
    assert loaded.sha256 not in repr(loaded)


@pytest.mark.parametrize("number, ending", [(11, "T10"), (12, "T11"), (13, "T11, ... (13 words)")])
def test_twelve_allowed_values_are_listed(number, ending):
    values = [f"T{n}" for n in range(number)]
    rule = Rule("a", "A", "info", "in_set", {"value_set": values}, {}, {})
    assert rule.allowed == ", ".join([*(f"T{n}" for n in range(min(number, 12) - 1)), ending])
    assert (rule.acceptable, rule.checked_on_cut) == (True, True)


def test_the_words_that_a_codelist_allows():
    """NY (C66742) has Y, N, U and NA, each with its word in full."""
    assert allowed_values({"codelist": "NY"}) == ("Y", "N", "U", "NA")
    assert allowed_values({"codelist": "NY", "value_set": ["U", "Y"]}) == ("U", "Y")
    assert allowed_values({"value_set": [1, "b"]}) == ("1", "b")
    assert allowed_values({"column": "A"}) == ()
    assert folded_words({"codelist": "NY", "value_set": ["Y", "U"]}) == ["u", "unknown", "y", "yes"]


def test_a_part_of_a_contract_cannot_be_changed():
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        Lookup(**LOOKUP).table = "cc"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        Table("a", None, (), {}, ()).name = "b"  # type: ignore[misc]


def test_the_version_has_the_sum_of_the_sums_of_all_files(tmp_path):
    one = files(tmp_path, contract("bb"), contract("cc"))
    number, _, checksum = version(one).partition("+")
    assert number == "1.2.3"
    assert len(checksum) == 8
    assert version(dict(reversed(one.items()))) == version(one)
    assert version({"bb": one["bb"]}) != version(one)


# ---- what is refused -------------------------------------------------------------------------------


def with_rule(**changes) -> dict[str, Any]:
    """The contract of bb with one rule, of which some keys are other or absent (None)."""
    rule = quality("bb-term", column="BBTERM") | changes
    content = contract("bb")
    content["schema"][0]["quality"] = [
        {key: each for key, each in rule.items() if each is not None}
    ]
    return content


def implementing(expectation: str, **kwargs) -> dict[str, Any]:
    return with_rule(implementation={"type": expectation, "kwargs": kwargs})


def with_property(**each) -> dict[str, Any]:
    content = contract("bb")
    content["schema"][0]["properties"].append({"name": "BBX"} | each)
    return content


def with_schema(**changes) -> dict[str, Any]:
    content = contract("bb")
    content["schema"][0] |= changes
    return content


def preparing(**way) -> dict[str, Any]:
    return with_schema(customProperties=custom(prepare={"X": way}))


RULE = "bb.odcs.yaml: rule bb-term: "
IN_SET = "expect_column_values_to_be_in_set"
BAD = [
    (with_rule(name=None), "bb.odcs.yaml: rule None: give it a name and a description in words"),
    (with_rule(description=None), RULE + "give it a name and a description in words"),
    (with_rule(type="library"), RULE + "only type: custom, engine: greatExpectations is carried out"),
    (with_rule(engine="soda"), RULE + "only type: custom, engine: greatExpectations is carried out"),
    (with_rule(severity="fatal"), RULE + "severity must be one of critical, warning, info"),
    (with_rule(severity=None), RULE + "severity must be one of critical, warning, info"),
    (with_rule(implementation="SELECT"), RULE + "implementation must have type and kwargs, nothing else"),
    (with_rule(implementation=None), RULE + "implementation must have type and kwargs, nothing else"),
    (
        with_rule(implementation={"type": IN_SET, "kwargs": {}, "more": 1}),
        RULE + "implementation must have type and kwargs, nothing else",
    ),
    (implementing("expect_wonders"), RULE + "expect_wonders is not an expectation a contract may use; use one"),
    (
        implementing("expect_column_values_to_not_be_null", column="BBTERM", mostly=0.9, b=1),
        RULE + "expect_column_values_to_not_be_null takes column, not b, mostly",
    ),
    (implementing(IN_SET, column="BBTERM", codelist="YN"), RULE + "there is no codelist YN; there are NY"),
    (
        implementing(IN_SET, column="BBTERM", codelist="NY", value_set=["Y", "JA", 1]),
        RULE + "JA, 1 is no value of NY",
    ),
    (
        implementing("expect_column_values_to_match_regex", column="BBTERM", regex="("),
        RULE + "the regex cannot be read: missing )",
    ),
    (
        implementing("expect_column_values_to_be_null", column="BBTERMS"),
        RULE + "BBTERMS is neither a property nor a prepared column",
    ),
    (
        implementing("expect_column_values_to_be_null", column="X_day"),
        RULE + "X_day is neither a property nor a prepared column",
    ),
    (
        with_rule(customProperties=custom(where_not={"CCTERM": "x"})),
        RULE + "CCTERM is neither a property nor a prepared column",
    ),
    (with_rule(customProperties=custom(of_cut="never")), RULE + "of_cut: Input should be 'as in the extract'"),
    (
        with_rule(customProperties=custom(wher={}, b=1)),
        "bb.odcs.yaml: rule bb-term: customProperties may be acceptable, of_cut, where, where_not, not b, wher",
    ),
    (
        with_schema(customProperties=custom(time="BBTERM")),
        "bb.odcs.yaml: bb: customProperties may be derived, prepare, timing, not time",
    ),
    (
        with_schema(customProperties=custom(timing="BBDTC")),
        "bb.odcs.yaml: timing names BBDTC, which is not among the properties",
    ),
    (with_property(logicalType="boolean"), "bb.odcs.yaml: BBX: logicalType must be string, number"),
    (with_property(), "bb.odcs.yaml: BBX: logicalType must be string, number"),
    (with_property(logicalType="date"), "bb.odcs.yaml: BBX: logicalType must be string, number"),
    (with_property(**dated("BBX", "dd/MM/yyyy")), "bb.odcs.yaml: BBX: logicalType must be string"),
    *(
        (
            with_property(logicalType=kind, logicalTypeOptions={"format": "yyyy-MM-dd"}),
            "bb.odcs.yaml: BBX: logicalType must be string, number",
        )
        for kind in ("string", "number", "integer")
    ),
    (
        with_property(logicalType="date", logicalTypeOptions={"format": "yyyy-MM-dd", "minimum": "2017"}),
        "bb.odcs.yaml: BBX: logicalType must be string, number",
    ),
    (preparing(), "bb.odcs.yaml: bb: prepare.X: Value error, name exactly one of lookup, place, running"),
    (
        preparing(place={"by": [], "order": "BBTERM"}, running={"by": [], "order": "BBTERM"}),
        "bb.odcs.yaml: bb: prepare.X: Value error, name exactly one of lookup, place, running",
    ),
    (
        preparing(running={"by": ["USUBJID"], "order": "BBTERM", "pick": "min"}),
        "bb.odcs.yaml: bb: prepare.X.running.pick: Extra inputs",
    ),
    (with_schema(customProperties=custom(prepare={"X": "lookup"})), "bb.odcs.yaml: bb: prepare.X: Input should be a valid dictionary"),
    (
        preparing(place={"by": ["A"], "order": "B_day", "where": {"C": 1, "USUBJID": "x"}}),
        "bb.odcs.yaml: prepare X: no contract has the column A, B_day, C",
    ),
    (
        preparing(running={"by": ["A"], "order": "BBTERM"}),
        "bb.odcs.yaml: prepare X: no contract has the column A",
    ),
    (preparing(lookup=LOOKUP | {"table": "dd"}), "bb.odcs.yaml: prepare X: there is no contract dd"),
    (
        preparing(lookup=LOOKUP | {"by": {"CCTERM": "USUBJID"}}),
        "bb.odcs.yaml: prepare X: no contract has the column CCTERM",
    ),
    (
        preparing(lookup=LOOKUP | {"take": "T", "by": {"USUBJID": "U"}, "where": {"W_day": 1}}),
        "bb.odcs.yaml: prepare X: no contract has the column T, U, W_day",
    ),
    (with_schema(name="CC"), "bb.odcs.yaml: schema must be the one table BB"),
    (contract("bb") | {"schema": contract("bb")["schema"] * 2}, "bb.odcs.yaml: schema must be the one table BB"),
    (with_property(logicalType="string", lable="X"), "bb.odcs.yaml: schema.1.properties.3.lable is no key of ODCS"),
    (contract("bb") | {"versoin": "1"}, "bb.odcs.yaml is no ODCS contract: versoin: Extra inputs"),
    (contract("bb") | {"schema": "BB"}, "bb.odcs.yaml is no ODCS contract: schema: Input should be"),
]  # fmt: skip


@pytest.mark.parametrize("content, message", BAD, ids=[f"{n}" for n in range(len(BAD))])
def test_a_faulty_contract_is_refused_with_its_place(tmp_path, content, message):
    with pytest.raises(PlanError) as error:
        files(tmp_path, content)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("absent", ["version", "schema", "domain"])
def test_version_schema_and_the_domain_of_the_file_are_needed(tmp_path, absent):
    content = contract("bb")
    del content[absent]
    (tmp_path / "bb.odcs.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(
        PlanError, match=r"bb\.odcs\.yaml: give version, schema, and domain: bb as the file"
    ):
        load(tmp_path)


@pytest.mark.parametrize(
    "text, message",
    [
        ("version: 1\nversion: 1\n", "the key 'version' is given twice"),
        ("schema:\n  - {name: A, name: B}\n", "the key 'name' is given twice"),
        ("- 1\n", "bb.odcs.yaml is no ODCS contract"),
        ("a: [1\n", "bb.odcs.yaml is no ODCS contract"),
        ("a: \xff\n", "bb.odcs.yaml is no ODCS contract"),
    ],
)
def test_a_file_that_is_no_contract_is_refused(tmp_path, text, message):
    (tmp_path / "bb.odcs.yaml").write_bytes(text.encode("latin-1"))
    with pytest.raises(PlanError) as error:
        load(tmp_path)
    assert message in str(error.value)


def test_contracts_of_two_versions_or_with_one_name_twice_are_refused(tmp_path):
    with pytest.raises(PlanError, match=r"carry 2 versions \(1\.2\.3, 2\.0\.0\)"):
        files(tmp_path, contract("bb"), contract("cc") | {"version": "2.0.0"})
    other = contract("cc")
    other["schema"][0]["quality"] = [
        quality("bb-term", column="CCTERM"),
        quality("cc", column="CCTERM"),
    ]
    with pytest.raises(PlanError, match=r"data-contracts: rules named twice: bb-term$"):
        files(tmp_path, with_rule(), other)


def test_a_folder_without_contracts_is_refused_and_without_a_folder_the_project_s_are_read(
    tmp_path,
):
    with pytest.raises(PlanError, match="holds no"):
        load(tmp_path)
    assert "dm" in load()


@pytest.mark.parametrize("name", ["tr", "extract"])  # every key that contracts use is in these two
def test_a_value_of_another_kind_anywhere_is_read_or_refused_with_words(tmp_path, altered, name):
    path = tmp_path / f"{name}.odcs.yaml"
    text = (project_home() / "data-contracts" / path.name).read_text("utf-8")
    escaped = []
    for at, value, tree in altered(yaml.safe_load(text)):
        path.write_text(yaml.dump(tree, Dumper=yaml.CSafeDumper, sort_keys=False), "utf-8")
        try:
            with contextlib.suppress(PlanError):
                odcs._contract(path)
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            escaped.append((at, value, repr(error)))
    assert escaped == []
