"""A trial at its edges: no patient treated, none positive, no event, stage 1 exactly full, no boundary.

Each extract is made from the simulator's by taking away what has not happened. Every cell of the
study report and of the board's report is run; slowly, both are rendered.
"""

import ast
import datetime as dt
import html
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sap import ard, contracts, snapshot
from sap.pipeline import commands
from sap.plan import read_plan
from sap.simulate import trial

HOME = Path(__file__).parents[1]
PLAN = HOME / "analysis" / "plan.yml"
Tables = dict[str, pd.DataFrame]


def untreated(tables: Tables) -> Tables:
    """Allocated, and no dose given yet."""
    dm = tables["dm"].assign(RFSTDTC=None, RFENDTC=None)
    treated = set(tables["ex"]["USUBJID"])
    ds, ae = tables["ds"], tables["ae"]
    return tables | {
        "dm": dm,
        "ex": tables["ex"].iloc[:0],
        "pc": tables["pc"].iloc[:0],
        "ds": ds[~ds["DSSCAT"].eq("STUDY TREATMENT")],
        "ae": ae[~ae["USUBJID"].isin(treated)],
    }


def none_positive(tables: Tables) -> Tables:
    """Screened, and every result of AR-V7 negative: each patient has the physician's choice."""
    made = untreated(tables) | {"ae": tables["ae"].iloc[:0]}
    gf, dm, ds = made["gf"].copy(), made["dm"].copy(), made["ds"].copy()
    gf.loc[gf["GFSTRESC"].eq("POSITIVE"), ["GFORRES", "GFSTRESC"]] = "NEGATIVE"
    dm.loc[dm["ARMCD"].eq("B"), ["ARMCD", "ARM"]] = ["A", "Physician's choice"]
    ds.loc[ds["DSDECOD"].eq("ALLOCATED TO GROUP B"), "DSDECOD"] = "ALLOCATED TO GROUP A"
    return made | {"gf": gf, "dm": dm, "ds": ds}


def no_event(tables: Tables) -> Tables:
    return tables | {"ae": tables["ae"].iloc[:0]}


def as_it_is(tables: Tables) -> Tables:
    return tables


def plan_without_boundary(folder: Path) -> Path:
    text = PLAN.read_text(encoding="utf-8")
    start = text.index("toxicity_monitoring:")
    place = folder / "plan.yml"
    place.write_text(text[:start] + text[text.index("\n\n", start) + 2 :], encoding="utf-8")
    return place


def stage_1_is_full() -> str:
    """The day of the first dose of the last patient of stage 1, in the simulated trial."""
    plan = read_plan(PLAN).plan
    tables = contracts.typed(trial.simulate(128, ctc_threshold=3), contracts.load())
    from sap.pipeline import datasets

    day = dt.date(2019, 6, 30)
    adsl = datasets.derive(snapshot.cut(tables, day), plan, day).adsl
    first = adsl[adsl["PRIMFL"] == "Y"]["TRTSDT"].sort_values().tolist()
    return str(first[plan.design.n1 - 1])[:10]


def run_of(
    tmp: Path, change: Callable[[Tables], Tables], cut_off: str, plan: Path = PLAN, **small: int
) -> Path:
    """Cut, freeze and analyse, without the check of the extract."""
    rules = contracts.load()
    read = read_plan(plan)
    day, name, _, planned = commands.cut_off_of(commands.read_plan(plan), cut_off)
    typed = contracts.typed(change(trial.simulate(128, ctc_threshold=3, **small)), rules)
    cut = snapshot.freeze(
        snapshot.in_order(snapshot.cut(typed, day), rules),
        cut_off=day, cut_off_name=name, planned=planned, plan_hash=read.sha256, contracts=rules,
        findings=pd.DataFrame(columns=list(contracts.FINDING_COLUMNS)), frozen_root=tmp / "frozen",
    )  # fmt: skip
    return commands.analyse(cut, plan, tmp / "run")


def cells(document: str) -> list[tuple[str, bool]]:
    """The code of a report, in order: cells, and expressions inside a line."""

    def chapter(found: re.Match[str]) -> str:
        return "\n" + (HOME / found[1]).read_text(encoding="utf-8") + "\n"

    text = (HOME / document).read_text(encoding="utf-8")
    text = re.sub(r"\{\{< include (\S+) >\}\}", chapter, text)
    found = re.finditer(r"```\{python\}\n(.*?)```|`\{python\} (.*?)`", text, re.DOTALL)
    return [(one[1] or one[2], one[1] is not None) for one in found]


def formatted(run: Path, document: str, monkeypatch) -> str:
    """Everything the cells show, run in this process."""
    monkeypatch.setenv("SAP_RUN", str(run))
    names: dict[str, Any] = {}
    told = []
    for code, is_cell in cells(document):
        value = None
        if is_cell:
            tree = ast.parse(code)
            last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
            exec(compile(tree, "cell", "exec"), names)  # noqa: S102 - a chapter's cell is code
            if isinstance(last, ast.Expr):
                value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
        else:
            value = eval(code, names)
        told.append(value._repr_markdown_() if hasattr(value, "_repr_markdown_") else str(value))
    return html.unescape("\n".join(told)).replace("\\", "")


def numbers(run: Path, analysis: str, population: str, **place: str) -> dict[str, Any]:
    rows = ard.from_csv(run / "ard.csv")
    rows = rows[(rows["analysis"] == analysis) & (rows["population"] == population)]
    for name, value in place.items():
        rows = rows[rows[name] == value]
    return dict(zip(rows["stat_name"], rows["stat"], strict=True))


@pytest.mark.parametrize(
    "change, cut_off, small",
    [
        (untreated, "final", {"n_screened": 40}),
        pytest.param(none_positive, "final", {"n_screened": 40}, marks=pytest.mark.slow),
        pytest.param(no_event, "final", {"n_screened": 40}, marks=pytest.mark.slow),
        pytest.param(as_it_is, "2016-03-20", {}, marks=pytest.mark.slow),
        pytest.param(as_it_is, "stage 1", {}, marks=pytest.mark.slow),
    ],
)
def test_every_cell_of_both_reports_runs(change, cut_off, small, tmp_path, monkeypatch):
    day = stage_1_is_full() if cut_off == "stage 1" else cut_off
    run = run_of(tmp_path, change, day, **small)
    primary = numbers(run, "analysis_sets", "PRIMARY")["n"]
    if change in (untreated, none_positive) or cut_off == "2016-03-20":
        assert primary == 0  # data.md 13: no patient is treated
    if cut_off == "stage 1":
        assert primary == read_plan(PLAN).plan.design.n1
    if change is no_event:
        assert numbers(run, "ae_overview", "SAFETY", level="any", group="")["n"] == 0
    for document in ("csr.qmd", "dsmb.qmd"):
        text = formatted(run, document, monkeypatch)
        if primary == 0 and document == "csr.qmd":
            assert "No patient belongs to the primary analysis set yet" in text
        if change is untreated and document == "dsmb.qmd":
            assert "No patient has been treated yet." in text
            assert "no patient has been treated yet" in text  # in the place of the boundary
        assert not re.search(r"\b(nan|NaN|NaT)\b|>(None|inf)<", text), document


@pytest.mark.slow
def test_a_plan_without_a_boundary_for_toxicity_is_reported_so(tmp_path, monkeypatch):
    """data.md 13: the plan was refused though the displays have words for it."""
    run = run_of(
        tmp_path, as_it_is, "interim", plan_without_boundary(tmp_path), n_screened=40
    )  # fmt: skip
    analyses = set(ard.from_csv(run / "ard.csv")["analysis"])
    assert not {"toxicity_monitoring", "toxicity_boundary", "toxicity_oc"} & analyses
    csr, board = (formatted(run, document, monkeypatch) for document in ("csr.qmd", "dsmb.qmd"))
    assert "No stopping boundary for toxicity is planned." in csr
    assert "The SAP has no stopping boundary for toxicity." in board
    assert "Not planned: the SAP has no stopping boundary for toxicity." in board


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(untreated, marks=pytest.mark.long),
        pytest.param(none_positive, marks=pytest.mark.long),
        pytest.param(no_event, marks=pytest.mark.slow),
    ],
)
def test_both_reports_are_rendered(change, tmp_path):
    run = run_of(tmp_path, change, "final")
    made = commands.report(run, "csr", "builtin", ("html", "pdf"))
    made += commands.report(run, "dsmb", "builtin", ("html", "pdf"))
    assert all(path.stat().st_size > 1000 for path in made)
