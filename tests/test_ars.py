"""The results as ARS 1.0: held against CDISC's schema, rows written by hand, and reading it back."""

import datetime as dt
import json
from typing import Any

import jsonschema
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sap import ard, contracts, snapshot
from sap.catalogue.reporting import analyses as catalogued
from sap.errors import UsageError
from sap.export import ars
from sap.pipeline import analyses, packing
from sap.pipeline.packing import displays_of_home
from sap.plan import project_home, read_plan
from sap.simulate import trial

PLAN = read_plan(project_home() / "analysis" / "plan.yml").plan
RUN = {
    "study": "T-1", "cut_off": "2019-06-30", "title": "A trial", "plan_file": "plan.yml",
    "plan_sha256": "0" * 64,
}  # fmt: skip


@pytest.fixture(scope="module")
def made() -> analyses.Analysis:
    rules = contracts.load()
    typed = contracts.typed(trial.simulate(5, n_screened=60), rules)
    day = dt.date(2019, 6, 30)
    cut = snapshot.in_order(snapshot.cut(typed, day), rules)
    return analyses.analyse(cut, PLAN, day)


@pytest.fixture(scope="module")
def frames(made) -> dict[str, pd.DataFrame]:
    return made.datasets.by_name()


@pytest.fixture(scope="module")
def facts(made, frames) -> ars.Facts:
    codes = {
        name.upper(): packing.variables(frame)
        for name, frame in frames.items()
        if "PARAMCD" in frame
    }
    programs = {name: (m.function, m.datasets) for name, m in analyses.makers().items()}
    return ars.Facts(made.ard, RUN, PLAN, displays_of_home(), codes, programs)


@pytest.fixture(scope="module")
def content(facts) -> bytes:
    return ars.reporting_event(facts)


@pytest.fixture(scope="module")
def document(content) -> dict[str, Any]:
    return json.loads(content)


def test_the_ard_comes_back_exactly(facts, content):
    assert len(facts.rows) > 5000
    pd.testing.assert_frame_equal(ars.read_reporting_event(content), facts.rows, check_exact=True)


def test_the_order_of_rows_changes_no_byte(facts, content):
    shuffled = facts.rows.sample(frac=1, random_state=3)
    assert ars.reporting_event(facts._replace(rows=shuffled)) == content


TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
NUMBER = st.floats(allow_nan=False)


@given(data=st.data())
@settings(derandomize=True, deadline=None, max_examples=40,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
def test_any_rows_with_any_number_or_text_come_back(facts, data):
    picked = sorted(data.draw(st.sets(st.integers(0, len(facts.rows) - 1), max_size=12)))
    rows = facts.rows.iloc[picked].reset_index(drop=True)
    cells = [data.draw(st.tuples(NUMBER, st.just("")) | st.tuples(st.none(), TEXT)) for _ in picked]
    rows["stat"] = pd.Series([number for number, _ in cells], dtype=float)
    rows["stat_text"] = pd.Series([text for _, text in cells], dtype=object)
    back = ars.read_reporting_event(ars.reporting_event(facts._replace(rows=rows)))
    pd.testing.assert_frame_equal(back, rows, check_exact=True)


@pytest.mark.shared
def test_it_is_valid_against_the_schema_of_cdisc(document, shared_data):
    path = shared_data / "standards" / "ars" / "ars_ldm.jsonschema.json"
    schema = json.loads(path.read_text(encoding="utf-8"))
    validator = jsonschema.validators.validator_for(schema)(schema)
    faults = [f"{list(e.path)}: {e.message[:200]}" for e in validator.iter_errors(document)]
    assert faults == []
    # The schema can say no.
    broken = document | {"analyses": [{**document["analyses"][0], "methodId": 3}]}
    assert list(validator.iter_errors(broken)) != []


HAND = [
    # analysis, population, paramcd, stat_name, stat, stat_text
    ("psa_response", "PRIMARY", "PSARESP", "n", 3.0, ""),
    ("psa_response", "PRIMARY", "PSARESP", "decision", float("nan"), "H0 is not rejected"),
]


@pytest.fixture
def by_hand(facts) -> dict[str, Any]:
    rows = pd.DataFrame(
        [
            {
                "analysis": a, "section": "SAP 5.1", "population": p, "group": "", "paramcd": c,
                "level": "", "sublevel": "", "stat_name": s, "stat": x, "stat_text": t,
                "method": "Exact binomial",
            }
            for a, p, c, s, x, t in HAND
        ],
        columns=list(ard.COLUMNS),
    )  # fmt: skip
    small = facts._replace(
        rows=rows,
        codes={"ADRS": {"PSARESP": "AVALC"}},
        programs={"psa_response": ("sap.results.response.f", ("adsl", "adrs"))},
    )
    return json.loads(ars.reporting_event(small))


def test_two_rows_written_by_hand_are_one_analysis_with_two_results(by_hand):
    (one,) = by_hand["analyses"]
    assert one["id"] == "AN.psa_response.PRIMARY.PSARESP"
    assert one["purpose"] == {"controlledTerm": "PRIMARY OUTCOME MEASURE"}
    assert one["reason"] == {"controlledTerm": "SPECIFIED IN SAP"}
    assert (one["dataset"], one["variable"], one["dataSubsetId"]) == (
        "ADRS", "AVALC", "DS.ADRS.PSARESP",
    )  # fmt: skip
    assert one["analysisSetId"] == "AS.PRIMARY"
    assert one["programmingCode"]["code"] == "sap.results.response.f"
    assert one["documentRefs"][0]["pageRefs"][0]["pageNames"] == ["SAP 5.1"]
    assert one["results"] == [
        {
            "operationId": "MT.Exact_binomial.decision",
            "resultGroups": [],
            "formattedValue": "H0 is not rejected",
        },
        {"operationId": "MT.Exact_binomial.n", "resultGroups": [], "rawValue": "3.0"},
    ]
    (subset,) = by_hand["dataSubsets"]
    assert subset["condition"] == {
        "dataset": "ADRS", "variable": "PARAMCD", "comparator": "EQ", "value": ["PSARESP"],
    }  # fmt: skip
    (the_set,) = by_hand["analysisSets"]
    assert the_set["condition"] == {
        "dataset": "ADSL", "variable": "PRIMFL", "comparator": "EQ", "value": ["Y"],
    }  # fmt: skip
    (method,) = by_hand["methods"]
    assert [o["name"] for o in method["operations"]] == ["n", "decision"]


def test_a_display_of_the_register_is_an_output_with_its_number_and_title(by_hand):
    outputs = {one["id"]: one for one in by_hand["outputs"]}
    assert outputs["tlf-psa-response"]["displays"][0]["display"]["name"] == "Table 11-3"
    first = by_hand["mainListOfContents"]["contentsList"]["listItems"][0]
    assert first["sublist"]["listItems"][0]["analysisId"] == "AN.psa_response.PRIMARY.PSARESP"


@pytest.mark.parametrize(
    "name, purpose",
    [
        ("psa_response", "PRIMARY OUTCOME MEASURE"),  # the primary endpoint of the protocol
        ("psa_response_unconfirmed", "SECONDARY OUTCOME MEASURE"),
        ("os", "SECONDARY OUTCOME MEASURE"),  # a secondary endpoint
        ("os_group", "DESCRIPTION"),  # the protocol has no comparison of the groups
        ("accrual", "DESCRIPTION"),  # conduct
        ("vital_signs", "DESCRIPTION"),
    ],
)
def test_the_purpose_of_an_analysis_is_that_of_the_protocol(document, name, purpose):
    found = {
        one["purpose"]["controlledTerm"]
        for one in document["analyses"]
        if one["name"] == name and "exploratory" not in one["description"]
    }
    assert purpose in found
    if name == "psa_response":
        primary = [
            one["id"]
            for one in document["analyses"]
            if one["purpose"]["controlledTerm"] == "PRIMARY OUTCOME MEASURE"
        ]
        assert primary == ["AN.psa_response.PRIMARY.PSARESP"]
    else:
        assert found == {purpose}


def _ids(document: dict[str, Any]) -> dict[str, list[str]]:
    return {
        "analysisSetId": [one["id"] for one in document["analysisSets"]],
        "dataSubsetId": [one["id"] for one in document["dataSubsets"]],
        "groupingId": [one["id"] for one in document["analysisGroupings"]],
        "groupId": [g["id"] for one in document["analysisGroupings"] for g in one["groups"]],
        "methodId": [one["id"] for one in document["methods"]],
        "operationId": [o["id"] for one in document["methods"] for o in one["operations"]],
        "analysisId": [one["id"] for one in document["analyses"]],
        "outputId": [one["id"] for one in document["outputs"]],
        "referenceDocumentId": [one["id"] for one in document["referenceDocuments"]],
        "sponsorTermId": [
            t["id"] for one in document["terminologyExtensions"] for t in one["sponsorTerms"]
        ],
    }


def _references(value: Any) -> list[tuple[str, str]]:
    if isinstance(value, list):
        return [pair for one in value for pair in _references(one)]
    if not isinstance(value, dict):
        return []
    own = [(k, v) for k, v in value.items() if k.endswith("Id") and isinstance(v, str)]
    return own + [pair for inner in value.values() for pair in _references(inner)]


def test_every_id_is_one_and_every_reference_is_to_one_of_them(document):
    ids = _ids(document)
    flat = [one for values in ids.values() for one in values]
    assert len(flat) == len(set(flat))
    references = set(_references(document))
    assert {kind for kind, _ in references} <= set(ids)
    assert [pair for pair in references if pair[1] not in set(ids[pair[0]])] == []
    # Every analysis is in the list of contents.
    listed = {value for kind, value in _references(document["mainListOfContents"])}
    assert set(ids["analysisId"]) <= listed


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b'{"analyses": [{}]}', b"\xff", b"[" * 100000, b'{"analysisSets": 3}']
)
def test_what_is_no_reporting_event_is_refused(content):
    with pytest.raises(UsageError, match="no reporting event as `sap export` writes it"):
        ars.read_reporting_event(content)


@pytest.mark.parametrize(
    "name, axis, value, dataset, variable",
    [
        ("ae_soc_pt", "sublevel", "Nausea", "ADAE", "AEDECOD"),
        ("os_group", "group", "A", "ADSL", "GROUP"),
        ("bor", "level", "PR", "ADRS", "AVALC"),
    ],
)
def test_a_group_that_is_a_value_of_a_variable_has_its_condition(
    document, name, axis, value, dataset, variable
):
    groupings = {one["id"]: one for one in document["analysisGroupings"]}
    grouping = groupings[f"AG.{name}.{axis}"]
    assert (grouping["groupingDataset"], grouping["groupingVariable"]) == (dataset, variable)
    (group,) = [one for one in grouping["groups"] if one["name"] == value]
    assert group["condition"] == {
        "dataset": dataset, "variable": variable, "comparator": "EQ", "value": [value],
    }  # fmt: skip


def test_a_group_that_is_no_value_of_a_variable_has_no_condition(document):
    groupings = {one["id"]: one for one in document["analysisGroupings"]}
    grouping = groupings["AG.psa_change.level"]  # declines of a depth
    assert "groupingVariable" not in grouping
    assert all("condition" not in one for one in grouping["groups"])


def test_the_variables_that_the_catalogue_names_hold_the_values(facts, frames):
    named = [(e, axis, v) for e in catalogued().values() for axis, v in e.variables.items()]
    assert len(named) >= 15
    for entry, axis, name in named:
        dataset, variable = name.split(".")
        values = set(facts.rows.loc[facts.rows["analysis"] == entry.id, axis]) - {""}
        assert values <= set(frames[dataset.lower()][variable].dropna()), (entry.id, axis)


@pytest.mark.parametrize(
    "code, variable",
    [("PSARESP", "AVALC"), ("PSABEST", "AVAL"), ("OS", "AVAL"), ("SBONE", "AVALC")],
)
def test_the_variable_of_a_parameter_is_the_one_with_values(facts, code, variable):
    assert [known[code] for known in facts.codes.values() if code in known] == [variable]


def _nodes(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside a document."""
    inner: Any = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    return [path] + [one for key, item in inner for one in _nodes(item, (*path, key))]


ANY = (
    st.none() | st.booleans() | st.integers() | st.just(10**400) | TEXT | st.just([]) | st.just({})
)


@pytest.mark.fuzz
@given(data=st.data())
@settings(derandomize=True, deadline=None, max_examples=150,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
def test_a_changed_document_is_read_or_refused(by_hand, data):
    paths = _nodes(by_hand)[1:]
    changed = json.loads(json.dumps(by_hand))
    path = data.draw(st.sampled_from(paths))
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = data.draw(ANY)
    try:
        rows = ars.read_reporting_event(json.dumps(changed).encode())
    except UsageError:
        return
    assert list(rows.columns) == list(ard.COLUMNS)
    assert rows["stat"].dtype == float


LEVEL = st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), min_size=1, max_size=8)


@given(
    levels=st.sets(LEVEL | st.sampled_from(["A B", "A-B", "A.B", "-", " "]), min_size=1, max_size=6)
)
@settings(derandomize=True, deadline=None, max_examples=40,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
def test_terms_of_the_data_come_back_whatever_they_are(facts, levels):
    """Two terms that differ in a sign alone have two ids."""
    one = facts.rows[facts.rows["analysis"] == "ae_soc_pt"].iloc[[0]]
    frame = pd.concat([one] * len(levels)).assign(sublevel=sorted(levels), stat=1.0, stat_text="")
    rows = frame.sort_values(list(ard.KEY), kind="stable", ignore_index=True)
    back = ars.read_reporting_event(ars.reporting_event(facts._replace(rows=rows)))
    pd.testing.assert_frame_equal(back, rows, check_exact=True)


def _with(document: dict[str, Any], change: str) -> bytes:
    changed = json.loads(json.dumps(document))
    (one,) = changed["analyses"]
    if change == "last digit":
        one["results"][0]["rawValue"] = repr(0.12 * (1 + 1e-13))
    if change == "number":
        one["results"][0]["rawValue"] = "0.13"
    if change == "decision":
        one["results"][1]["formattedValue"] = "H0 is rejected"
    if change == "program":
        one["programmingCode"]["code"] = "sap.results.other"
    return json.dumps(changed).encode()


@pytest.mark.parametrize(
    "change, words",
    [
        ("last digit", []),  # what another version of a package may give
        ("number", ["1 results moved"]),
        (
            "decision",
            [
                "1 results moved",
                "1 value(s) differ, the first at .analyses[0].results[1].formattedValue",
            ],
        ),
        ("program", ["1 value(s) differ, the first at .analyses[0].programmingCode.code"]),
    ],
)
def test_the_audit_compares_results_as_rows_of_the_ard_and_the_rest_to_the_letter(change, words):
    from sap.audit.compared import METHODS
    from sap.audit.findings import Audit
    from sap.bundle.rules import rule_of

    rule = rule_of("export", "ars.json", "auditor")
    assert rule is not None
    assert rule.method == "ars"
    made = _one_analysis()
    old, new = _with(made, ""), _with(made, change)
    _, differences = METHODS["ars"](Audit("bundle", {}), "adam/ars.json", old, new)
    assert differences == words


def _one_analysis() -> dict[str, Any]:
    return {
        "analysisSets": [{"id": "AS.PRIMARY", "name": "PRIMARY"}],
        "dataSubsets": [{"id": "DS", "condition": {"value": ["PSARESP"]}}],
        "analysisGroupings": [],
        "methods": [
            {
                "name": "Exact binomial",
                "operations": [
                    {"id": "estimate", "name": "estimate"},
                    {"id": "decision", "name": "decision"},
                ],
            }
        ],
        "analyses": [
            {
                "name": "psa_response",
                "documentRefs": [{"pageRefs": [{"pageNames": ["SAP 5.1"]}]}],
                "analysisSetId": "AS.PRIMARY",
                "dataSubsetId": "DS",
                "programmingCode": {"code": "sap.results.response.f"},
                "results": [
                    {"operationId": "estimate", "resultGroups": [], "rawValue": "0.12"},
                    {
                        "operationId": "decision",
                        "resultGroups": [],
                        "formattedValue": "H0 is not rejected",
                    },
                ],
            }
        ],
    }
