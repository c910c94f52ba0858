"""Define-XML 2.1: held against CDISC's schema, odmlib's checks, the XPT files, and codes of the pilot's define.xml."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyreadstat
import pytest
from lxml import etree

from sap import contracts, snapshot
from sap.bundle.names import safe_name
from sap.catalogue.adam import datasets, parameters
from sap.errors import ResultError
from sap.export import define, xpt
from sap.pipeline import packing, programs
from sap.pipeline.datasets import derive
from sap.plan import project_home, read_plan
from sap.simulate import trial

NAMES = {
    "o": "http://www.cdisc.org/ns/odm/v1.3",
    "d": "http://www.cdisc.org/ns/def/v2.1",
    "x": "http://www.w3.org/1999/xlink",
}
DEF, XLINK = (f"{{{NAMES[n]}}}" for n in ("d", "x"))
DAY = dt.date(2019, 6, 30)
FACTS = {
    "study": "T-1", "title": "A trial of A & B", "cut_off": "2019-06-30", "cut_id": "final-0",
    "synthetic": True,
}  # fmt: skip


@pytest.fixture(scope="module")
def frames() -> dict[str, pd.DataFrame]:
    plan = read_plan(project_home() / "analysis" / "plan.yml").plan
    rules = contracts.load()
    typed = contracts.typed(trial.simulate(5, n_screened=60), rules)
    cut = snapshot.in_order(snapshot.cut(typed, DAY), rules)
    return derive(cut, plan, DAY).by_name()


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """The folder of a run with nothing in it but what the definition reads."""
    folder = tmp_path_factory.mktemp("define") / "run"
    (folder / "tables").mkdir(parents=True)
    (folder / "ard.csv").write_text("")
    plan = read_plan(project_home() / "analysis" / "plan.yml").plan
    (folder / "tables" / "run.json").write_text(json.dumps(FACTS))
    (folder / "tables" / "plan.json").write_text(plan.model_dump_json())
    return folder


@pytest.fixture(scope="module")
def made(run, frames) -> dict[str, bytes]:
    return packing.definition(run, frames, {"adae.xpt": "text outside ASCII"})


@pytest.fixture(scope="module")
def root(made) -> Any:
    return etree.fromstring(made["define.xml"])


def found(root: Any, path: str) -> list[Any]:
    return root.xpath(path, namespaces=NAMES)


def attribute(root: Any, path: str) -> list[str]:
    return [str(value) for value in found(root, path)]


# ---- against the standard ------------------------------------------------------------------------


def checked_by_odmlib(content: bytes, folder: Path) -> list[str]:
    """What the schema, odmlib's checks of metadata and of references find."""
    import odmlib
    import xmlschema
    from odmlib.define_2_1.rules.metadata_schema import MetadataSchema
    from odmlib.define_loader import XMLDefineLoader
    from odmlib.exceptions import OdmlibError
    from odmlib.loader import ODMLoader
    from odmlib.oid_generator import create_oid_checker

    path = folder / "define.xml"
    path.write_bytes(content)
    schema = Path(odmlib.__file__).parent / "schemas" / "define" / "2.1" / "define2-1-0.xsd"
    faults = [str(e.reason) for e in xmlschema.XMLSchema(str(schema)).iter_errors(str(path))]
    if faults:
        return faults
    loader = ODMLoader(XMLDefineLoader(model_package="define_2_1", ns_uri=NAMES["d"]))
    loader.open_odm_document(str(path))
    odm = loader.root()
    checker = create_oid_checker("define_2_1")
    try:
        odm.verify_conformance(MetadataSchema())
        odm.verify_oids(checker)
        checker.check_oid_refs()
    except OdmlibError as error:
        return [str(error)]
    return [f"{oid} is defined and not used" for oid in checker.check_unreferenced_oids()]


def test_it_is_valid_against_the_schema_and_the_checks_of_odmlib(made, tmp_path):
    assert checked_by_odmlib(made["define.xml"], tmp_path) == []


@pytest.mark.parametrize(
    "old, new",
    [
        (b'DataType="float"', b'DataType="real"'),  # no type of ODM
        (b"def:Structure=", b"def:Shape="),  # no attribute of Define-XML
        (b'<MethodDef OID="MT.safety.adae"', b'<MethodDef OID="MT.other"'),  # a method without definition
        (b'Class Name="ADAM OTHER"', b'Class Name="MIXED"'),  # no class of Define-XML
    ],
)  # fmt: skip
def test_the_checks_can_say_no(made, tmp_path, old, new):
    assert old in made["define.xml"]
    assert checked_by_odmlib(made["define.xml"].replace(old, new), tmp_path) != []


# ---- against datasets and files ------------------------------------------------------------------


def test_each_column_of_each_dataset_is_described_in_its_order(root, frames):
    groups = found(root, "//o:ItemGroupDef")
    assert {g.get("Name").lower() for g in groups} == set(frames)
    items = {item.get("OID"): item for item in found(root, "//o:ItemDef")}
    for group in groups:
        columns = list(frames[group.get("Name").lower()].columns)
        references = found(group, "o:ItemRef")
        assert [items[r.get("ItemOID")].get("Name") for r in references] == columns
        assert [r.get("OrderNumber") for r in references] == [
            str(n + 1) for n in range(len(columns))
        ]


@pytest.mark.parametrize("name", sorted(datasets()))
def test_lengths_labels_and_formats_are_those_of_the_transport_file(root, frames, tmp_path, name):
    path = tmp_path / "file.xpt"
    frame = frames[name.lower()]
    path.write_bytes(xpt(frame, name, DAY))
    _, about = pyreadstat.read_xport(path)
    assert attribute(root, f"//o:ItemGroupDef[@Name='{name}']/o:Description/*/text()") == [
        about.file_label
    ]
    for column in map(str, frame.columns):
        (item,) = found(root, f"//o:ItemDef[@OID='IT.{name}.{column}']")
        label = attribute(item, "o:Description/o:TranslatedText/text()")
        assert label == [about.column_names_to_labels[column]]
        is_date = str(about.original_variable_types[column]).startswith("DATE")
        assert (item.get(f"{DEF}DisplayFormat") == "DATE9.") == is_date
        if item.get("DataType") == "text":
            assert int(item.get("Length")) == about.variable_storage_width[column]
            assert about.readstat_variable_types[column] == "string"
        else:
            assert item.get("DataType") in ("integer", "float")
            assert about.readstat_variable_types[column] == "double"


def test_the_file_of_a_dataset_without_xpt_is_its_dataset_json(root):
    places = {
        leaf.getparent().get("Name"): leaf.get(f"{XLINK}href")
        for leaf in found(root, "//o:ItemGroupDef/d:leaf")
    }
    assert places["ADAE"] == "adae.json"
    assert places["ADSL"] == "adsl.xpt"
    assert attribute(root, "//o:MetaDataVersion/d:leaf/@x:href") == ["adrg.md", "ars.json"]


def test_each_parameter_with_a_value_has_its_own_metadata(root, frames):
    for name, frame in frames.items():
        if "PARAMCD" not in frame:
            continue
        for column in {"AVAL", "AVALC"} & set(frame.columns):
            codes = sorted(frame.loc[frame[column].notna(), "PARAMCD"].unique())
            path = f"//d:ValueListDef[@OID='VL.{name.upper()}.{column}']/o:ItemRef"
            where = attribute(root, f"{path}/d:WhereClauseRef/@WhereClauseOID")
            values = [
                attribute(root, f"//d:WhereClauseDef[@OID='{oid}']//o:CheckValue/text()")
                for oid in where
            ]
            assert values == [[code] for code in codes]
            assert None not in [one.get("MethodOID") for one in found(root, path)]


def test_a_column_without_any_value_says_so(run, frames):
    empty = frames | {
        "adsl": frames["adsl"].assign(LINE=float("nan")),
        "addv": frames["addv"].iloc[:0],
        "adpc": frames["adpc"].iloc[:0].astype(object),
    }
    root = etree.fromstring(packing.definition(run, empty, {})["define.xml"])
    (reference,) = found(root, "//o:ItemRef[@ItemOID='IT.ADSL.LINE']")
    assert reference.get(f"{DEF}HasNoData") == "Yes"
    (item,) = found(root, "//o:ItemDef[@OID='IT.ADSL.LINE']")
    comment = item.get(f"{DEF}CommentOID")
    assert attribute(root, f"//d:CommentDef[@OID='{comment}']//text()[normalize-space()]") == [
        "No record of this data cut has a value."
    ]
    assert item.get("DataType") == "text"
    (day,) = found(root, "//o:ItemDef[@OID='IT.ADPC.ADT']")
    assert (day.get("DataType"), day.get(f"{DEF}DisplayFormat")) == ("integer", "DATE9.")
    (group,) = found(root, "//o:ItemGroupDef[@Name='ADDV']")
    assert group.get(f"{DEF}HasNoData") == "Yes"
    assert found(group, "o:ItemRef[@d:HasNoData]") == []


@pytest.mark.parametrize(
    "values, kind, expected",
    [
        (["Y", None, "abc"], "text", ("text", 3, None)),
        (["caf\u00e9"], "text", ("text", 5, None)),  # bytes, not letters
        ([None], "text", ("text", 1, None)),
        ([1, 20, 300], "integer", ("integer", 3, None)),
        ([-7.0, None], "integer", ("integer", 1, None)),
        ([0.1, 100.25], "float", ("float", 5, 2)),  # 100 and 25
        ([0.1 + 0.2], "float", ("float", 2, 1)),  # 0.30000000000000004
        ([2 / 3], "float", ("float", 13, 12)),  # 0.666666666667
        ([1e-7], "float", ("float", 8, 7)),  # 0.0000001
        ([1e21], "float", ("float", 22, 0)),
        ([float("inf"), 2.5], "float", ("float", 2, 1)),
        (pd.to_datetime(["1960-01-02", "2019-06-30"]), "date", ("integer", 5, None)),  # 1 and 21730
    ],
)
def test_the_size_of_a_column_is_that_of_its_longest_value(values, kind, expected):
    assert tuple(define.size_of(pd.Series(values), kind)) == expected


# ---- methods -------------------------------------------------------------------------------------


def rule(name: str, text: str, *writes: str) -> define.Rule:
    return define.Rule(f"sap.derivations.{name}", name, text, frozenset(writes))


TIERS = (
    (rule("a.own", "One row each."),),
    (rule("a.called", "CHG: the change.", "PCHG"), rule("a.flags", "ANL01FL is Y.", "CHG")),
    (rule("b.far", "PCHG and CHG.", "BASE"),),
)


@pytest.mark.parametrize(
    "column, given, chosen",
    [
        ("CHG", "b.far", ["b.far"]),  # the catalogue
        ("CHG", "", ["a.called"]),  # the nearest docstring that names it
        ("PCHG", "", ["b.far"]),  # a docstring before code
        ("BASE", "", ["b.far"]),  # code
        ("ADT", "", ["a.own"]),  # the program of the dataset
        ("ANL01", "", ["a.own"]),  # no part of a word
    ],
)
def test_the_rule_of_a_column(column, given, chosen):
    assert [one.name for one in define.chosen_rules(column, given, TIERS)] == chosen


def test_a_rule_of_the_catalogue_that_no_program_calls_is_refused():
    with pytest.raises(ResultError, match=r"CHG: the catalogue gives it the rule c\.none"):
        define.chosen_rules("CHG", "c.none", TIERS)


def test_each_rule_of_the_catalogue_takes_part_in_making_its_dataset():
    tiers = programs.rules_of_datasets()
    given = [(d.name, c.name, c.rule) for d in datasets().values() for c in d.columns.values()]
    given += [(p.dataset, p.paramcd, p.rule) for known in parameters().values() for p in known]
    with_rule = [one for one in given if one[2]]
    assert len(with_rule) > 20
    for dataset, name, rule_name in with_rule:
        programs_of = {one.program for tier in tiers[dataset] for one in tier}
        assert f"sap.derivations.{rule_name}" in programs_of, (dataset, name)


def test_each_derived_column_has_a_method_or_a_value_list_with_methods(root):
    items = {item.get("OID"): item for item in found(root, "//o:ItemDef")}
    for reference in found(root, "//o:ItemGroupDef/o:ItemRef"):
        item = items[reference.get("ItemOID")]
        derived = found(item, "d:Origin[@Type='Derived']") != []
        by_value = found(item, "d:ValueListRef") != []
        assert (reference.get("MethodOID") is not None) == (derived and not by_value)


@pytest.mark.parametrize(
    "item, method, words",
    [
        ("IT.ADAE.TRTEMFL", "MT.safety.adae", "7. Y: all others, including a start on T or on W."),
        ("IT.ADSL.DTHDT", "MT.population.death", "1. DM.DTHDTC, a full date."),
        ("IT.ADRS.AVALC.PSARESP", "MT.response.adrs", "PSARESP"),
        ("IT.ADTTE.AVAL.PFSNT", "MT.survival.progression_times", ""),
        ("IT.ADAE.ASTDT", "MT.safety.adae", "the day days_after_last_dose (30) days after"),
    ],
)
def test_a_method_is_the_rule_that_the_report_prints(root, item, method, words):
    assert attribute(root, f"//o:ItemRef[@ItemOID='{item}']/@MethodOID") == [method]
    (text,) = attribute(root, f"//o:MethodDef[@OID='{method}']/o:Description/*/text()")
    assert words in text
    # Each paragraph and case is one line, and no key is in backticks.
    assert "`" not in text
    program = attribute(root, f"//o:MethodDef[@OID='{method}']/o:FormalExpression/text()")
    assert program == [f"sap.derivations.{method.removeprefix('MT.')}"]


# ---- codelists -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, list_code, codes",
    [
        # NCI codes as in the define.xml of CDISC's pilot (SDTM, 2018) and of the tests of its rules engine.
        ("NY", "C66742", {"Y": "C49488", "N": "C49487", "U": "C17998"}),
        ("ACN", "C66767", {"DRUG WITHDRAWN": "C49502", "DOSE RATE REDUCED": None}),
        ("SEX", "C66731", {"F": "C16576", "M": "C20197", "U": "C17998"}),
        ("OUT", "C66768", {"FATAL": "C48275", "RECOVERED/RESOLVED": "C49498"}),
        ("IECAT", "C66797", {"INCLUSION": "C25532", "EXCLUSION": "C25370"}),
    ],
)
def test_codes_of_the_nci(root, name, list_code, codes):
    (known,) = found(root, f"//o:CodeList[@OID='CL.{name}']")
    assert attribute(known, "o:Alias/@Name") == [list_code]
    assert known.get(f"{DEF}StandardOID") == "STD.CT.SDTM.2025-03-28"
    for term, code in codes.items():
        (item,) = found(known, f"o:EnumeratedItem[@CodedValue='{term}']")
        assert attribute(item, "o:Alias/@Name") == ([code] if code else [])


@pytest.mark.shared
def test_the_codes_of_terms_are_those_of_the_define_of_the_pilot(root, shared_data):
    pilot = etree.parse(shared_data / "cdisc-pilot" / "sdtm" / "define.xml").getroot()
    published: dict[tuple[str, str], set[str]] = {}
    for known in found(pilot, "//o:CodeList[o:Alias]"):
        (code,) = attribute(known, "o:Alias/@Name")
        for item in found(known, "o:CodeListItem[o:Alias]|o:EnumeratedItem[o:Alias]"):
            pair = code, item.get("CodedValue")
            published.setdefault(pair, set()).update(attribute(item, "o:Alias/@Name"))
    ours = [
        (known.find("o:Alias", NAMES).get("Name"), item)
        for known in found(root, "//o:CodeList[o:Alias]")
        for item in found(known, "o:EnumeratedItem[o:Alias]")
    ]
    both = [(c, item) for c, item in ours if (c, item.get("CodedValue")) in published]
    assert len(both) >= 10
    for code, item in both:
        term = item.get("CodedValue")
        assert published[code, term] == set(attribute(item, "o:Alias/@Name")), term


def test_a_codelist_of_the_sponsor_is_not_standard(root):
    (known,) = found(root, "//o:CodeList[@OID='CL.CAUSALITY']")
    assert known.get(f"{DEF}IsNonStandard") == "Yes"
    assert found(known, "o:Alias") == []
    decodes = found(root, "//o:CodeList[@OID='CL.ADRS.PARAMCD']/o:CodeListItem")
    labels = {d.get("CodedValue"): attribute(d, "o:Decode/*/text()")[0] for d in decodes}
    assert labels["PSARESP"] == "Confirmed PSA response"


# ---- texts, bytes, the page ----------------------------------------------------------------------


def test_the_same_datasets_give_the_same_bytes(run, frames, made):
    assert packing.definition(run, frames, {"adae.xpt": "text outside ASCII"}) == made
    assert b'CreationDateTime="2019-06-30T00:00:00"' in made["define.xml"]
    assert b'Context="Other"' in made["define.xml"]


def test_a_text_that_xml_cannot_hold_or_that_looks_like_markup_stays_text(run, frames):
    adlb = frames["adlb"].assign(PARAM="<b>\x07]]>&amp;\U0001f4c8")
    made = packing.definition(run, {"adlb": adlb}, {})
    root = etree.fromstring(made["define.xml"])
    decodes = set(attribute(root, "//o:CodeList[@OID='CL.ADLB.PARAMCD']//o:Decode/*/text()"))
    assert decodes == {"<b>\ufffd]]>&amp;\U0001f4c8"}
    assert b"<b>" not in made["define.html"]


@pytest.mark.parametrize(
    "change, said",
    [
        ({"adsl": {"NEW": 1}}, "ADSL: the catalogue has no column NEW"),
        ({"adxx": {"USUBJID": "1"}}, "The catalogue has no dataset ADXX"),
    ],
)
def test_what_the_catalogue_lacks_is_named(run, change, said):
    frames = {name: pd.DataFrame([columns]) for name, columns in change.items()}
    with pytest.raises(ResultError, match=said):
        packing.definition(run, frames, {})


def test_the_files_keep_their_names_in_a_bundle(made):
    assert [safe_name(name) for name in made] == ["define.xml", "define.xsl", "define.html"]


def test_the_page_is_one_file_without_script_or_network(made):
    page = made["define.html"].decode()
    assert page.startswith("<!DOCTYPE html")
    assert "<script" not in page.lower()
    assert "http" not in page.replace("http-equiv", "")
    assert "A trial of A &amp; B" in page
    assert '<a href="adae.json">adae.json</a>' in page


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("width", [1300, 390])
def test_the_page_has_no_dead_link_no_overflow_and_no_fault_of_axe(
    made, tmp_path, chromium, axe, width
):
    page = tmp_path / "define.html"
    page.write_bytes(made["define.html"])
    tab = chromium.new_page(viewport={"width": width, "height": 900})
    tab.goto(page.as_uri())
    dead = tab.evaluate(
        "[...document.querySelectorAll('a[href^=\"#\"]')].map(a => decodeURIComponent("
        "a.getAttribute('href').slice(1))).filter(id => !document.getElementById(id))"
    )
    assert dead == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    tab.close()
    assert axe(page, width) == {}
