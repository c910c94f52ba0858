"""The catalogue of analyses is walked: what it describes has a function, a display, a test, a second computation."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
import yaml
from tests.endpoints import ENDPOINTS, with_endpoint

from sap import contracts, results, snapshot
from sap.catalogue.adam import parameters
from sap.catalogue.reporting import analyses, analysis, faults, filled, statistics
from sap.errors import ResultError
from sap.pipeline.analyses import analyse, makers
from sap.pipeline.datasets import derive
from sap.plan import project_home, read_plan
from sap.qc.agreement import rows_of, stems
from sap.qc.study import read_study, study_of
from sap.qc.subjects import read_records
from sap.simulate import trial

HOME = project_home()
TESTS = Path(__file__).parent
PLANS = [read_plan(path).plan for path in sorted((HOME / "analysis").glob("plan*.yml"))]
DISPLAYS = yaml.safe_load((HOME / "analysis" / "displays.yml").read_text(encoding="utf-8"))


each = pytest.mark.parametrize("entry", analyses().values(), ids=list(analyses()))


@cache
def worked() -> dict[str, set[str]]:
    """The analyses that the tests of each stem assert rows of: `@pytest.mark.worked("os", ...)`."""
    by_stem: dict[str, set[str]] = {}
    for path in TESTS.glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.worked":
                names = {ast.literal_eval(argument) for argument in node.args}
                by_stem.setdefault(path.stem.removeprefix("test_"), set()).update(names)
    return by_stem


class Computed(NamedTuple):
    """Of sixty simulated patients: the analyses with a row in the ARD, and with a second value, and PARAMCD."""

    ard: frozenset[str]
    second: frozenset[str]
    paramcd: dict[str, set[str]]


@pytest.fixture(scope="module")
def computed(tmp_path_factory) -> Computed:
    plan = read_plan(HOME / "analysis" / "plan.yml")
    rules, day = contracts.load(), plan.plan.cut_offs.dates["final"].date
    typed = contracts.typed(trial.simulate(5, n_screened=60), rules)
    cut = snapshot.freeze(
        snapshot.in_order(snapshot.cut(typed, day), rules),
        cut_off=day,
        cut_off_name="final",
        planned=True,
        plan_hash=plan.sha256,
        contracts=rules,
        findings=pd.DataFrame(columns=list(contracts.FINDING_COLUMNS)),
        frozen_root=tmp_path_factory.mktemp("frozen"),
    )
    made = analyse(snapshot.load(cut), plan.plan, day)
    study = read_study(cut, plan.plan)
    second = {row.analysis for stem in stems(study.plan) for row in rows_of(stem, study)}
    first = set(made.ard["analysis"].unique())
    paramcd = {
        name.upper(): set(frame["PARAMCD"])
        for name, frame in made.datasets.by_name().items()
        if "PARAMCD" in frame
    }
    # The other endpoints: derived once, with every entry, and analysed as the primary one in turn.
    data = derive(snapshot.load(cut), with_endpoint(plan.plan, "rate_at"), day)
    paramcd["ADRS"] |= set(data.adrs["PARAMCD"])
    for endpoint in ENDPOINTS:
        other = with_endpoint(plan.plan, endpoint)
        tte, adsl, adrs = data.adtte, data.adsl, data.adrs
        rows = results.primary.rows(adsl=adsl, adrs=adrs, adtte=tte, plan=other)
        rows += results.estimand.rows(adsl=adsl, adpsa=data.adpsa, adrs=adrs, plan=other)
        first |= {name for part in rows for name in part["analysis"]}
        changed = study_of(read_records(cut), other, day)
        second |= {r.analysis for stem in ("primary", "estimand") for r in rows_of(stem, changed)}
    return Computed(
        frozenset(analysis(name).id for name in first),
        frozenset(analysis(name).id for name in second),
        paramcd,
    )


@each
def test_an_analysis_is_made_by_a_function_of_its_own_stem(entry, computed):
    """A function that `rows` of its stem does not call makes no row, whatever its own tests say."""
    assert entry.id in makers(), f"no function of sap/results/{entry.stem}.py makes it"
    assert makers()[entry.id].function.startswith(f"sap.results.{entry.stem}.")
    assert entry.id in computed.ard, f"`rows` of sap/results/{entry.stem}.py does not call it"


@each
def test_an_analysis_is_shown_by_the_displays_it_names_or_says_why_not(entry):
    named = {
        name
        for name, display in DISPLAYS.items()
        if entry.id in {analysis(shown).id for shown in display.get("analysis", [])}
    }
    assert named == set(entry.displays)
    assert bool(entry.displays) != bool(entry.no_display)


@each
def test_an_analysis_has_a_second_computation_in_its_own_stem_or_says_why_not(entry, computed):
    assert entry.second in ("raw", "datasets", "none")
    assert (entry.second == "none") == bool(entry.no_second)
    if entry.second != "none":
        assert entry.id in computed.second, f"sap/qc/{entry.stem}.py yields no row of it"


@each
def test_rows_of_an_analysis_are_worked_by_hand_in_the_test_of_its_stem(entry):
    asserted = worked().get(entry.stem, set())
    assert entry.id in asserted, f"tests/test_{entry.stem}.py asserts no row of it"


@each
def test_labels_are_filled_from_either_plan_and_the_section_is_an_entry_of_it(entry):
    for plan in PLANS:
        assert hasattr(plan, entry.plan)
        for axis in ("paramcd", "group", "level", "sublevel"):
            for item in entry.items(axis):
                label = filled(item.label, plan)
                assert label
                assert "{" not in label or item.pattern
    assert set(entry.statistics) <= set(statistics())


def test_every_described_parameter_is_derived(computed):
    """A parameter that no dataset has counts every patient as a failure, and no row is missing."""
    missing = [
        f"{dataset} {described.paramcd}"
        for dataset, entries in parameters().items()
        for described in entries
        if not any(re.fullmatch(described.paramcd, code) for code in computed.paramcd[dataset])
    ]
    # The first are derived where the plan lists them (`baseline.of_dm`), which CARVE's does not, the others under
    # continuous dosing (tests/test_other_dosing.py has each of them).
    continuous = ["ADEXSUM DURDAYS", "ADEXSUM TRTDAYS", "ADEXSUM OFFDAYS", "ADEXSUM INTERR"]
    assert missing == ["ADBL SEX", "ADBL RACE", "ADBL ETHNIC", *continuous]


def test_what_the_catalogue_lacks_is_named():
    rows = [
        ("os", "PRIMARY", "OS", "", "", "", "median"),
        ("os", "NOBODY", "OS", "", "", "", "median"),
        ("os", "PRIMARY", "OSX", "", "", "", "mode"),
        ("osmosis", "PRIMARY", "OS", "", "", "", "n"),
    ]
    assert faults(rows) == [
        "os: no population NOBODY",
        "os: no statistic mode",
        "os: no paramcd 'OSX'",
        "The catalogue has no analysis 'osmosis'.",
    ]
    with pytest.raises(ResultError, match="no analysis 'psa_response_d'"):
        analysis("psa_response_d")
