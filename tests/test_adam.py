"""The datasets that the pipeline derives are those that the catalogue describes, column by column."""

import datetime as dt
import re

import pandas as pd
import pytest

from sap import contracts, snapshot
from sap.catalogue import codelist
from sap.catalogue.adam import datasets, param, parameters
from sap.errors import ResultError
from sap.pipeline.datasets import derive
from sap.plan import project_home, read_plan
from sap.simulate import trial

PLAN = read_plan(project_home() / "analysis" / "plan.yml").plan
OPTIONAL = {"PPROTFL", "PKEVFL", "MEASFL"}  # of analysis sets that the data may not allow
KINDS = {"text": "OSU", "integer": "iuf", "float": "f", "date": "M"}

named = pytest.mark.parametrize("name", sorted(datasets()))


@pytest.fixture(scope="module")
def derived() -> dict[str, pd.DataFrame]:
    rules = contracts.load()
    typed = contracts.typed(trial.simulate(5, n_screened=60), rules)
    day = dt.date(2019, 6, 30)
    cut = snapshot.in_order(snapshot.cut(typed, day), rules)
    return {name.upper(): frame for name, frame in derive(cut, PLAN, day).by_name().items()}


def test_every_dataset_is_described_and_every_description_is_of_a_dataset(derived):
    assert set(derived) == set(datasets())


@named
def test_a_dataset_has_the_columns_and_types_of_the_catalogue(derived, name):
    frame, columns = derived[name], datasets()[name].columns
    assert set(frame.columns) - set(columns) == set()
    assert set(columns) - set(frame.columns) <= OPTIONAL
    for column in frame.columns:
        known = frame[column].dropna()
        kind = columns[column].type
        assert known.empty or frame[column].dtype.kind in KINDS[kind], column
        if kind == "integer":
            assert (known == known.round()).all(), column
        if kind == "text":
            assert known.map(len).max() <= columns[column].length or known.empty, column
        if columns[column].codelist:
            words = {codelist(columns[column].codelist).standard(word) for word in known if word}
            assert None not in words, column


@named
def test_the_keys_name_each_record_and_order_the_dataset(derived, name):
    keys = list(datasets()[name].keys)
    frame = derived[name]
    assert set(keys) <= set(datasets()[name].columns)
    pd.testing.assert_frame_equal(
        frame[keys], frame.sort_values(keys, kind="stable", ignore_index=True)[keys]
    )


@named
def test_a_parameter_has_the_label_of_the_catalogue(derived, name):
    frame = derived[name]
    if "PARAMCD" not in frame:
        assert name not in parameters()
        return
    for code, label in frame[["PARAMCD", "PARAM"]].drop_duplicates().itertuples(index=False):
        assert any(re.fullmatch(known.paramcd, code) for known in parameters()[name]), code
        if name != "ADLB":
            assert label == param(name, code, PLAN)


def test_labels_fit_the_transport_format_and_are_one_for_a_variable():
    labels: dict[str, str] = {}
    for dataset in datasets().values():
        assert len(dataset.label) <= 40
        for name, column in dataset.columns.items():
            assert len(name) <= 8
            assert len(column.label) <= 40
            assert column.label.isascii()
            assert labels.setdefault(name, column.label) == column.label
            assert (column.origin == "Predecessor") == bool(column.source)


def test_a_parameter_that_is_not_described_is_named():
    assert param("ADRS", "PSARSP21", PLAN) == "PSA response confirmed after 21 days"
    with pytest.raises(ResultError, match="ADRS: the catalogue has no parameter PSAXYZ"):
        param("ADRS", "PSAXYZ", PLAN)
