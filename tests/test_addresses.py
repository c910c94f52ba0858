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


def test_the_function_of_an_analysis_has_its_name_its_words_and_its_datasets(monkeypatch):
    """The plan, the references and the day of the cut-off are no datasets."""
    monkeypatch.setattr(provenance, "_MAKERS", {})
    one = ard.rows({"n": 1}, analysis="os", section="s", population="PRIMARY", method="m")

    @makes("os", "os_curve")
    def survival(adsl: object, adtte: object, references: object, plan: object, cut_off: object):
        """Overall survival."""
        return [one, one] if plan else one

    maker = provenance.maker_of("os")
    assert maker == provenance.Maker(
        f"{__name__}.{survival.__qualname__}", "Overall survival.", ("adsl", "adtte")
    )
    assert provenance.maker_of("os_curve") == maker
    assert provenance.maker_of("pfs") is None
    assert dict(provenance.makers()) == {"os": maker, "os_curve": maker}
    assert survival(1, 2, 3, plan=None, cut_off=5) is one
    assert len(survival(1, 2, 3, plan="plan", cut_off=5)) == 2


def test_an_analysis_is_made_by_one_function(monkeypatch):
    monkeypatch.setattr(provenance, "_MAKERS", {})

    def first() -> list[pd.DataFrame]:
        return []

    def second() -> list[pd.DataFrame]:
        return []

    assert makes("os")(first)() == []
    makes("os")(first)  # the same function once more, as when its module is read again
    with pytest.raises(ResultError, match=r"os is made by .*first and by .*second"):
        makes("os")(second)


def test_an_address_names_the_datasets_and_the_code():
    rows = ard.rows(
        {"n": 3}, analysis="rpfs", section="SAP 5.6", population="PRIMARY", method="Kaplan-Meier"
    )
    known = addresses(rows, PLAN.model_dump(mode="json"))
    assert known["rpfs|PRIMARY|||||n"]["datasets"] == "ADSL, ADTTE"
    assert known["rpfs|PRIMARY|||||n"]["code"].startswith("sap.results.survival.")
    assert known["plan|psa_response.decline_pct"]["value"] == 50
