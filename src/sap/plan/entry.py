"""The base of every entry of the plan."""

from pydantic import BaseModel, ConfigDict, Field


class Part(BaseModel):
    """A part of an entry; an unknown key is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Entry(Part):
    """One entry of the plan: its section of the SAP, its source, and whether it is an assumption."""

    section: str = Field(pattern=r"^SAP \d+(\.\d+)*$")
    source: str = Field(min_length=3)
    assumption: bool = False
