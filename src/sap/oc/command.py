"""`sap oc`: a run from beginning to end, from the plan and its scenarios to the page."""

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from sap import ard
from sap.errors import UsageError
from sap.oc import page, summary
from sap.oc.scenarios import Case, read_scenarios
from sap.oc.store import FORM, MANIFEST, Piece, Store, code_sum, pieces
from sap.oc.work import PACKAGE, Cluster, Task, run
from sap.pipeline.folders import lock, write_text
from sap.pipeline.plans import read_plan
from sap.pipeline.progress import print_progress, step

__all__ = ["Cluster", "Size", "characteristics", "trial"]


class Size(NamedTuple):
    """How many trials of each case, how many at a time, and the seed."""

    trials: int
    batch: int
    seed: int


def characteristics(
    plan_path: Path, scenario: Path | None, out: Path, size: Size, where: Cluster
) -> list[Path]:
    """Simulate and decide the trials of each case, and write the ARD and the page into `out`.

    A run that was stopped goes on where it was when it is called with the same plan, scenarios and seed; with more
    trials it adds them.

    Raises
    ------
    UsageError, PlanError, IntegrityError
        As `read_scenarios`, `Store.open`, `Store.read` and `sap.oc.work.run`.
    """
    read = read_plan(plan_path)
    cases, text = read_scenarios(scenario, read.plan)
    code = code_sum()
    facts: dict[str, Any] = {
        "form": FORM,
        "plan": read.sha256,
        "scenario": hashlib.sha256(text.encode()).hexdigest(),
        "seed": size.seed,
        "code": code,
    }
    store = Store(out, facts)
    with lock(out.resolve()):
        texts = {"plan.yml": read.text} | ({"scenario.yml": text} if text else {})
        store.open(texts)
        parts = pieces(len(cases), size.trials, size.batch)
        task = Task(str(plan_path.resolve()), read.sha256, size.seed, code)
        print_progress(f"  {len(cases)} case(s), {size.trials:,} trials each")
        run(store, task, cases, parts, where, print_progress)
        with step("summarise the trials and write the page"):
            by_case = [
                (case, _trials(store, case, number, parts)) for number, case in enumerate(cases)
            ]
            rows = summary.all_rows(by_case, read.plan)
            shown = facts | {
                "trials": size.trials, "plan_file": read.name, "version": version(PACKAGE),
            }  # fmt: skip
            write_text(out / "ard.csv", ard.to_csv(rows))
            rows.to_parquet(out / "ard.parquet", index=False)
            page.write(cases, rows, read.plan, shown, out)
    for row in page.cases_of_the_design(cases, rows, read.plan):
        print_progress(f"  {page.sentence(row, read.plan)}")
    return [out / name for name in ("oc.html", "oc.pdf", "ard.csv")]


def _trials(store: Store, case: Case, number: int, parts: list[Piece]) -> pd.DataFrame:
    """The trials of a case, in the order of their numbers."""
    frames = [store.read(case, piece) for piece in parts if piece.case == number]
    if any(frame is None for frame in frames):
        raise UsageError(
            f"A batch of {store.folder / MANIFEST} was removed during the run. Call it again."
        )
    return pd.concat([frame for frame in frames if frame is not None], ignore_index=True)


def trial(
    plan_path: Path, scenario: Path | None, seed: int, number: int, place: int, out: Path
) -> Path:
    """Write the extract of one trial of a case (`place`, from 1) at its final analysis: an input of `sap run`.

    Raises
    ------
    UsageError
        There is no such case.
    """
    from sap.intake import sdtm
    from sap.oc.decision import one_trial
    from sap.pipeline.folders import atomic_folder

    read = read_plan(plan_path)
    cases, _ = read_scenarios(scenario, read.plan)
    if not 1 <= place <= len(cases):
        names = "; ".join(
            f"{n} {case.scenario} {case.cell}" for n, case in enumerate(cases, start=1)
        )
        raise UsageError(f"There is no case {place}; there are: {names}.")
    with atomic_folder(out) as new:
        sdtm.write(one_trial(number, read.plan, cases[place - 1].given, seed), new)
    return out
