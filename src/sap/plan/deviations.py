"""Deviations from the plan: dated entries in `analysis/deviations.yml`, read as strictly as the plan."""

import datetime as dt
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from sap.errors import PlanError
from sap.plan.model import Plan
from sap.plan.reading import load_yaml, problems

PlanPath = Annotated[str, Field(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)+$")]


class Deviation(BaseModel):
    """One deviation: what was planned, what was done, the reason, the affected results."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    id: str = Field(pattern=r"^DEV-\d{2}$")
    study: str = Field(min_length=2)
    decided: dt.date
    before_lock: bool
    section: str = Field(pattern=r"^SAP \d+(\.\d+)*$")
    planned: str = Field(min_length=3)
    done: str = Field(min_length=3)
    reason: str = Field(min_length=3)
    results_affected: list[str] = Field(min_length=1)
    expect: dict[PlanPath, Any] = Field(min_length=1)


_ENTRIES = TypeAdapter(list[Deviation])


def _at(plan: dict[str, Any], path: str) -> Any:
    value: Any = plan
    for part in path.split("."):
        if not isinstance(value, dict) or part not in value:
            raise KeyError(path)
        value = value[part]
    return value


def _faults(deviations: list[Deviation], plan: dict[str, Any]) -> Iterable[str]:
    ids = [deviation.id for deviation in deviations]
    for deviation in deviations:
        if ids.count(deviation.id) > 1:
            yield f"{deviation.id}: the id is given twice: give one of them another number"
        if deviation.study != plan["study"]["id"]:
            continue
        for path, value in deviation.expect.items():
            try:
                planned = _at(plan, path)
            except KeyError:
                yield f"{deviation.id}.expect: the plan has no entry {path}: correct the path"
                continue
            if planned != value:
                yield (
                    f"{deviation.id}.expect: {path} is {planned!r} in the plan and not {value!r}: the plan "
                    "was changed after the deviation was recorded. Restore the plan, or remove the entry"
                )


def read_deviations(path: Path, plan: Plan) -> list[Deviation]:
    """The deviations from this plan, in the order of the file.

    The file has entries for every plan of the repository; those of another study are checked and not
    returned.

    Raises
    ------
    UsageError
        The file cannot be read (exit 2).
    PlanError
        It is no list of deviations, an id is given twice, or the plan does not have the value that an
        entry expects (exit 13).
    """
    content, _, _ = load_yaml(path, "the file of deviations")
    if content is None:
        raise PlanError(f"{path}: the file of deviations is empty. Write `[]` for none.")
    try:
        entries = _ENTRIES.validate_python(content)
    except ValidationError as error:
        listed = "\n".join(problems(error))
        raise PlanError(f"{path} is not a valid file of deviations:\n{listed}") from None
    faults = list(dict.fromkeys(_faults(entries, plan.model_dump(mode="json"))))
    if faults:
        listed = "\n".join(f"  - {fault}." for fault in faults)
        raise PlanError(f"{path} does not fit the plan:\n{listed}")
    return [entry for entry in entries if entry.study == plan.study.id]


def check_affected(deviations: Iterable[Deviation], analyses: set[str]) -> None:
    """Refuse a deviation whose affected result is not in the run."""
    for deviation in deviations:
        lost = sorted(set(deviation.results_affected) - analyses)
        if lost:
            raise PlanError(
                f"{deviation.id}.results_affected: there is no analysis {lost[0]} in the ARD.\n"
                "Correct its name in analysis/deviations.yml."
            )
