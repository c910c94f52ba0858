"""The facts of a run, `tables/run.json`: read as strictly as the plan."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from sap.errors import UsageError
from sap.plan.reading import day, problems


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Line(_Strict):
    name: str
    value: str


class _Facts(_Strict):
    """Every fact with its type; which ones a step needs, the step says."""

    study: str
    cut_off: str
    cut_id: str
    registry: str = ""
    about: str = ""
    title: str = ""
    short_title: str = ""
    sponsor: str = ""
    title_page: list[_Line] = []
    kind: str = ""
    audience: str = ""
    status: str = ""
    report_status: str | None = None
    dates: str = ""
    cut_off_name: str | None = None
    planned: bool = False
    synthetic: bool = False
    plan_file: str = ""
    plan_sha256: str = ""
    profile: str = ""

    _day = field_validator("cut_off")(day)


def run_facts(run: Path) -> dict[str, Any]:
    """The facts of a run.

    Raises
    ------
    UsageError
        They cannot be read, or one is missing or has another type: the run was damaged after it was
        made.
    """
    return read_facts(run / "tables" / "run.json")


def read_facts(path: Path) -> dict[str, Any]:
    """As `run_facts`, from a file: that of a run, or of the previous one."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}. Make the run again.") from None
    try:
        return _Facts.model_validate_json(content).model_dump(exclude_unset=True)
    except ValidationError as error:
        kind = error.errors(include_input=False)[0]["type"]
        what = _WHAT.get(kind, "is no table of a run")
        faults = "\n".join(problems(error, "the file"))
        raise UsageError(f"{path} {what}. Make the run again.\n{faults}") from None


_WHAT = {"json_invalid": "is no readable JSON", "missing": "is incomplete"}
