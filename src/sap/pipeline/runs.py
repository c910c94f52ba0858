"""Reading of the facts and tables of a run folder."""

import json
from pathlib import Path
from typing import Any

from sap.errors import UsageError


def run_facts(run: Path) -> dict[str, Any]:
    """The facts of a run (`tables/run.json`)."""
    path = run / "tables" / "run.json"
    if not path.is_file() or not (run / "ard.csv").is_file():
        raise UsageError(f"{run} holds no run: call `sap analyse CUT --out {run}` first.")
    facts = table_of(run, "run")
    if not {"study", "cut_off", "cut_id"} <= facts.keys():
        raise UsageError(f"{path} is incomplete: make the run again.")
    return facts


def table_of(run: Path, name: str) -> dict[str, Any]:
    """One of the JSON tables of a run.

    Raises
    ------
    UsageError
        It cannot be read: the run was damaged after it was made.
    """
    path = run / "tables" / f"{name}.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}. Make the run again.") from None
    except (ValueError, RecursionError):
        raise UsageError(f"{path} is no readable JSON. Make the run again.") from None
    if not isinstance(content, dict):
        raise UsageError(f"{path} is no table of a run. Make the run again.")
    return content
