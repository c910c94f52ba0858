"""Meetings of the DSMB: `analysis/dsmb.yml`, read as strictly as the plan."""

import datetime as dt
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from sap.errors import PlanError
from sap.plan.reading import load_yaml, problems

Audience = Literal["open", "closed"]


class Strict(BaseModel):
    """A key that the model does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ReportOf(Strict):
    """The cover of the reports of one cut-off."""

    meeting: str = Field(min_length=3, description="the meeting, as `Second meeting`")
    date: dt.date = Field(description="the day of the meeting")
    prepared_by: str = Field(min_length=3)
    version: str = Field(min_length=1)
    distribution: dict[Audience, list[str]] = Field(description="who receives which report")


class Amendment(Strict):
    """One amendment of the protocol."""

    number: str = Field(min_length=1)
    date: dt.date
    summary: str = Field(min_length=3)


class Meeting(Strict):
    """An action that an earlier meeting requested, and its outcome; closed unless it is marked open."""

    date: dt.date
    meeting: str = Field(min_length=3)
    action: str = Field(min_length=3)
    resolution: str = Field(min_length=3)
    audience: Audience = "closed"


class Monitoring(Strict):
    """The entries of one study; `reports` by the name of the cut-off or its date."""

    reports: dict[str, ReportOf] = Field(default_factory=dict)
    amendments: list[Amendment] | None = Field(
        default=None, description="left out: not recorded; an empty list: there was none"
    )
    meetings: list[Meeting] = Field(default_factory=list)


_STUDIES = TypeAdapter(dict[str, Monitoring])


def read_dsmb(path: Path, study: str) -> Monitoring:
    """The entries of a study; a study that the file does not name has none.

    Raises
    ------
    UsageError
        The file cannot be read (exit 2).
    PlanError
        A key is unknown or missing, or a value has another form (exit 13).
    """
    content, _, _ = load_yaml(path, "the file of DSMB meetings")
    try:
        return _STUDIES.validate_python(content or {}).get(study, Monitoring())
    except ValidationError as error:
        listed = "\n".join(problems(error))
        raise PlanError(f"{path} is not a valid file of DSMB meetings:\n{listed}") from None
