"""The folder of a run of `sap oc`: what it is a run of, and its batches, from which a stopped run goes on."""

import hashlib
import io
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from sap import runlog
from sap.errors import IntegrityError, UsageError
from sap.oc.scenarios import Case
from sap.pipeline.folders import write_bytes, write_text

MANIFEST = "oc.json"
FORM = 1
_NAME = re.compile(r"trials-(\d{8})-(\d{8})\.parquet")
OURS = (MANIFEST, "batches", "ard.csv", "ard.parquet", "oc.html", "oc.pdf", "plan.yml", "scenario.yml",
        "oc-rejection.svg")  # fmt: skip


class Piece(NamedTuple):
    """A batch: a case by its place, and the numbers of its trials."""

    case: int
    first: int
    last: int


def pieces(cases: int, trials: int, size: int) -> list[Piece]:
    """The batches of a run: of each case all trials from 1, `size` at a time.

    >>> [tuple(piece) for piece in pieces(1, 5, 2)]
    [(0, 1, 2), (0, 3, 4), (0, 5, 5)]
    """
    return [
        Piece(case, first, min(first + size - 1, trials))
        for first in range(1, trials + 1, size)
        for case in range(cases)
    ]


def code_sum() -> str:
    """The SHA-256 of the package's files: other code may give other numbers."""
    return runlog.tree_sum(runlog.code_sums())


class Store:
    """The batches of one run in its folder."""

    def __init__(self, folder: Path, facts: dict[str, Any]) -> None:
        self.folder, self.facts = folder, facts

    def open(self, texts: dict[str, str]) -> None:
        """Begin the folder, or go on in one of the same run.

        Raises
        ------
        UsageError
            The folder holds other files, or trials of another plan, scenario, seed or code.
        """
        if self.folder.is_dir():
            foreign = sorted(
                path.name
                for path in self.folder.iterdir()
                if path.name not in OURS and not path.name.startswith(".")
            )
            if foreign or (any(self.folder.iterdir()) and not (self.folder / MANIFEST).is_file()):
                named = foreign[0] if foreign else "a file"
                raise UsageError(
                    f"{self.folder} holds {named}, which sap oc did not write. Give a new or an empty folder."
                )
        if (self.folder / MANIFEST).is_file():
            self._refuse_another_run()
            return
        for name, text in texts.items():
            write_text(self.folder / name, text)
        write_text(self.folder / MANIFEST, json.dumps(self.facts, indent=1, sort_keys=True) + "\n")

    def _refuse_another_run(self) -> None:
        try:
            known = json.loads((self.folder / MANIFEST).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            known = {}
        known = known if isinstance(known, dict) else {}
        for name, value in self.facts.items():
            if known.get(name) != value:
                raise UsageError(
                    f"{self.folder} holds trials of another {name}. Give another folder, or remove this one."
                )

    def path(self, case: Case, piece: Piece) -> Path:
        """Where a batch is kept: by the conditions of its case."""
        return (
            self.folder
            / "batches"
            / case.key[:16]
            / f"trials-{piece.first:08d}-{piece.last:08d}.parquet"
        )

    def read(self, case: Case, piece: Piece) -> pd.DataFrame | None:
        """A batch that is there; None where it is not.

        Raises
        ------
        IntegrityError
            The file is not what was written.
        """
        path = self.path(case, piece)
        if not path.is_file():
            return None
        content = path.read_bytes()
        sums = path.with_suffix(".sha256")
        known = sums.read_text(encoding="utf-8").strip() if sums.is_file() else ""
        if hashlib.sha256(content).hexdigest() != known:
            raise IntegrityError(
                f"{path} is not the batch that was written. Remove it; its trials are then simulated again."
            )
        return pd.read_parquet(io.BytesIO(content))

    def write(self, case: Case, piece: Piece, rows: pd.DataFrame) -> None:
        """Keep a batch: its sum first, so that a batch without one is never read."""
        out = io.BytesIO()
        rows.to_parquet(out, index=False)
        path = self.path(case, piece)
        write_text(path.with_suffix(".sha256"), hashlib.sha256(out.getvalue()).hexdigest() + "\n")
        write_bytes(path, out.getvalue())
