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


def _table(content: bytes) -> pd.DataFrame | None:
    """A table of Parquet; None where it is none."""
    try:
        return pd.read_parquet(io.BytesIO(content))
    except (ValueError, OSError):  # what pyarrow raises
        return None


class Store:
    """The batches of one run in its folder."""

    def __init__(self, folder: Path, facts: dict[str, Any]) -> None:
        self.folder, self.facts = folder, facts

    def open(self, texts: dict[str, str]) -> None:
        """Begin the folder, or go on in one of the same run.

        Raises
        ------
        UsageError
            The folder is a file, or holds other files, or trials of another plan, scenario, seed or code.
        """
        manifest = self.folder / MANIFEST
        if self.folder.is_dir():
            there = sorted(path.name for path in self.folder.iterdir() if path.name[0] != ".")
            foreign = [name for name in there if name not in OURS]
            if foreign:
                raise UsageError(
                    f"{self.folder} holds {foreign[0]}, which sap oc did not write. Give a new or an empty folder."
                )
            if there and not manifest.is_file():
                raise UsageError(
                    f"{self.folder} holds {there[0]}, and no {MANIFEST} says of which run it is. "
                    "Give a new or an empty folder."
                )
        elif self.folder.exists():
            raise UsageError(f"{self.folder} is a file. Give the name of a folder.")
        if manifest.is_file():
            self._refuse_another_run()
        else:
            write_text(manifest, json.dumps(self.facts, indent=1, sort_keys=True) + "\n")
        # After the manifest: a run that is killed between them goes on.
        for name, text in texts.items():
            if not (self.folder / name).is_file():
                write_text(self.folder / name, text)

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
        known = sums.read_bytes().strip() if sums.is_file() else b""
        if hashlib.sha256(content).hexdigest().encode() == known:
            rows = _table(content)
            if rows is not None and rows.get("trial", pd.Series()).tolist() == list(
                range(piece.first, piece.last + 1)
            ):
                return rows
        raise IntegrityError(
            f"{path} is not the batch that was written. Remove it; its trials are then simulated again."
        )

    def write(self, case: Case, piece: Piece, rows: pd.DataFrame) -> None:
        """Keep a batch: its sum first, so that a batch without one is never read."""
        out = io.BytesIO()
        rows.to_parquet(out, index=False)
        path = self.path(case, piece)
        write_text(path.with_suffix(".sha256"), hashlib.sha256(out.getvalue()).hexdigest() + "\n")
        write_bytes(path, out.getvalue())
