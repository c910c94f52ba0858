"""What a run folder says of itself; to ask needs nothing of what made it."""

import json
from pathlib import Path
from typing import Any

from sap.errors import UsageError


def run_facts(run: Path) -> dict[str, Any]:
    """What a run says of itself."""
    path = run / "tables" / "run.json"
    if not path.is_file() or not (run / "ard.csv").is_file():
        raise UsageError(f"{run} holds no run: call `sap analyse CUT --out {run}` first.")
    facts = table_of(run, "run")
    if not {"study", "cut_off", "cut_id"} <= facts.keys():
        raise UsageError(f"{path} says too little of its run: make the run again.")
    return facts


def table_of(run: Path, name: str) -> dict[str, Any]:
    """One of the tables a run holds as JSON.

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
