"""Every number of a report leads to the function that made it."""

import importlib
import inspect

import pandas as pd
import pytest

from sap import ard
from sap.catalogue.reporting import analyses as catalogue
from sap.errors import ResultError
from sap.pipeline import analyses
from sap.pipeline.addresses import addresses
from sap.plan import project_home, read_plan
from sap.results import provenance
from sap.results.provenance import makes

PLAN = read_plan(project_home() / "analysis" / "plan.yml").plan


def test_every_analysis_of_the_catalogue_is_made_by_the_function_that_says_so():
    assert set(analyses.makers()) == set(catalogue())
    for name, maker in analyses.makers().items():
        module, _, function = maker.function.rpartition(".")
        assert module == f"sap.results.{catalogue()[name].stem}"
        assert inspect.getdoc(getattr(importlib.import_module(module), function)) == maker.doc


def test_rows_of_an_analysis_that_a_function_does_not_declare_are_refused(monkeypatch):
    monkeypatch.setattr(provenance, "_MAKERS", {})

    @makes("os_guarantee")
    def guarantee(adtte: pd.DataFrame) -> pd.DataFrame:
        return ard.rows(
            {"n": len(adtte)}, analysis="os", section="SAP 1", population="PRIMARY", method="Count"
        )

    with pytest.raises(ResultError, match="makes os and does not declare it"):
        guarantee(pd.DataFrame())


def test_an_address_names_the_datasets_and_the_code():
    rows = ard.rows(
        {"n": 3}, analysis="rpfs", section="SAP 5.6", population="PRIMARY", method="Kaplan-Meier"
    )
    known = addresses(rows, PLAN.model_dump(mode="json"))
    assert known["rpfs|PRIMARY|||||n"]["datasets"] == "ADSL, ADTTE"
    assert known["rpfs|PRIMARY|||||n"]["code"].startswith("sap.results.survival.")
    assert known["plan|psa_response.decline_pct"]["value"] == 50
