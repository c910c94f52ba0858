"""Writes the run log of a run folder: a record for each step that made something in it."""

import functools
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sap import runlog
from sap.runlog.chain import NAME

RESULTS = ("ard.csv", "ard.parquet", "adam/*.parquet", "tables/*")
READ = ("ard.csv", "tables/*.json", "tables/plan.yml", "tables/previous-ard.csv")
"""What a report is made from; of the datasets it reads those of its listings and figures."""


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def sums(run: Path, patterns: Sequence[str]) -> dict[str, str]:
    """The SHA-256 of the run's files that match the patterns, by name."""
    paths = sorted({path for pattern in patterns for path in run.glob(pattern) if path.is_file()})
    return {path.relative_to(run).as_posix(): _sum(path) for path in paths}


def analysing(step: Callable[[Path, Path, Path], None]) -> Callable[[Path, Path, Path], None]:
    """Let `step` (run, cut, plan) begin the log of its run folder when it has succeeded."""

    @functools.wraps(step)
    def logged(run: Path, cut: Path, plan_path: Path) -> None:
        step(run, cut, plan_path)
        inputs = {f"cut/{cut.resolve().name}": _sum(cut / "manifest.json"), "plan": _sum(plan_path)}
        record = {"step": "analyse", "inputs": inputs, "outputs": sums(run, RESULTS)}
        runlog.append(run / NAME, record)

    return logged


def reporting(step: Callable[..., list[Path]]) -> Callable[..., list[Path]]:
    """Let `step` (run, kind, engine, formats) add a record with what it rendered."""

    @functools.wraps(step)
    def logged(
        run: Path, kind: str, engine: str, formats: Sequence[str], **choices: Any
    ) -> list[Path]:
        made = step(run, kind, engine, formats, **choices)
        folder = run.resolve()
        names = {path.resolve() for path in made}
        inside = {
            p.relative_to(folder).as_posix(): _sum(p)
            for p in sorted(names)
            if p.is_relative_to(folder)
        }
        record: dict[str, Any] = {"step": f"report {kind}", "engine": engine}
        record |= {"inputs": sums(run, READ), "outputs": inside}
        runlog.append(run / NAME, record)
        return made

    return logged
