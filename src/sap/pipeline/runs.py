"""Reading of the facts and tables of a run folder."""

import json
from pathlib import Path
from typing import Any

from sap import runlog
from sap.errors import UsageError
from sap.plan.model import Plan


def run_facts(run: Path) -> dict[str, Any]:
    """The facts of a run (`tables/run.json`)."""
    path = run / "tables" / "run.json"
    if not path.is_file() or not (run / "ard.csv").is_file():
        raise UsageError(f"{run} holds no run: call `sap analyse CUT --out {run}` first.")
    return runlog.run_facts(run)


def json_of(path: Path) -> Any:
    """The content of a JSON file of a run.

    Raises
    ------
    UsageError
        It cannot be read: the run was damaged after it was made.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}. Make the run again.") from None
    except (ValueError, RecursionError):
        raise UsageError(f"{path} is no readable JSON. Make the run again.") from None


def table_of(run: Path, name: str) -> dict[str, Any]:
    """One of the JSON tables of a run.

    Raises
    ------
    UsageError
        It cannot be read: the run was damaged after it was made.
    """
    path = run / "tables" / f"{name}.json"
    content = json_of(path)
    if not isinstance(content, dict):
        raise UsageError(f"{path} is no table of a run. Make the run again.")
    return content


def plan_of(run: Path) -> Plan:
    """The plan of a run, typed.

    Raises
    ------
    UsageError
        It cannot be read: the run was damaged after it was made.
    """
    path = run / "tables" / "plan.json"
    try:
        return Plan.model_validate_json(path.read_bytes())
    except (OSError, ValueError):
        raise UsageError(f"{path} is no plan of a run. Make the run again.") from None
