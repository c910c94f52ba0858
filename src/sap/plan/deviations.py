"""Departures from the plan: dated entries beside it, read as strictly as the plan itself."""

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
    """What was planned, what was done, why, and which results it moves."""

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
    here: Any = plan
    for part in path.split("."):
        if not isinstance(here, dict) or part not in here:
            raise KeyError(path)
        here = here[part]
    return here


def _faults(found: list[Deviation], plan: dict[str, Any]) -> Iterable[str]:
    ids = [one.id for one in found]
    for one in found:
        if ids.count(one.id) > 1:
            yield f"{one.id}: the id stands twice: give one of them another number"
        if one.study != plan["study"]["id"]:
            continue
        for path, value in one.expect.items():
            try:
                planned = _at(plan, path)
            except KeyError:
                yield f"{one.id}.expect: the plan has no entry {path}: mend the path"
                continue
            if planned != value:
                yield (
                    f"{one.id}.expect: {path} is {planned!r} in the plan and not {value!r}: the plan "
                    "was changed under the deviation. Put the plan back, or take the entry out"
                )


def read_deviations(path: Path, plan: Plan) -> list[Deviation]:
    """The deviations from this plan, in the order of the file.

    The file holds entries of every plan of the repository; those of another study are checked and
    left out.

    Raises
    ------
    UsageError
        The file cannot be read (exit 2).
    PlanError
        It is no list of deviations, an id stands twice, or the plan no longer says what an entry
        expects of it (exit 13).
    """
    content, _, _ = load_yaml(path, "the file of deviations")
    if content is None:
        raise PlanError(f"{path}: the file of deviations is empty. Write `[]` for none.")
    try:
        found = _ENTRIES.validate_python(content)
    except ValidationError as error:
        said = "\n".join(problems(error))
        raise PlanError(f"{path} is not a valid file of deviations:\n{said}") from None
    faults = list(dict.fromkeys(_faults(found, plan.model_dump(mode="json"))))
    if faults:
        said = "\n".join(f"  - {fault}." for fault in faults)
        raise PlanError(f"{path} does not fit the plan:\n{said}")
    return [one for one in found if one.study == plan.study.id]


def check_affected(found: Iterable[Deviation], analyses: set[str]) -> None:
    """Refuse a deviation that says it moves a result which the run does not have."""
    for one in found:
        lost = sorted(set(one.results_affected) - analyses)
        if lost:
            raise PlanError(
                f"{one.id}.results_affected: there is no analysis {lost[0]} in the ARD.\n"
                "Mend its name in analysis/deviations.yml."
            )
