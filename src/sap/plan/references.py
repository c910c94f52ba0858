"""Published results for comparison, each with its source; read as strictly as the plan."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError, model_validator

from sap.errors import PlanError
from sap.plan.reading import load_yaml, problems


class Reference(BaseModel):
    """One published proportion: n of total, population, definition and source."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    trial: str = Field(min_length=2)
    registry: str = Field(pattern=r"^NCT\d{8}$")
    treatment: str = Field(min_length=3)
    endpoint: str = Field(min_length=3)
    definition: str = Field(min_length=3)
    n: int = Field(ge=0)
    total: int = Field(ge=1)
    source: str = Field(min_length=3)

    @model_validator(mode="after")
    def _proportion(self) -> Self:
        if self.n > self.total:
            raise ValueError("n must not be above total: it counts some of them")
        return self


Key = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]+$")]


class References(RootModel[dict[Key, Reference]]):
    """All references by id."""

    model_config = ConfigDict(frozen=True, strict=True)

    def of(self, name: str) -> Reference:
        """The reference that the plan names."""
        if name not in self.root:
            raise PlanError(
                f"The plan names the reference {name!r}, which references.yml does not hold.\n"
                f"Known: {', '.join(sorted(self.root))}."
            )
        return self.root[name]


def read_references(path: Path) -> References:
    """Read and check `references.yml`.

    Raises
    ------
    UsageError
        The file cannot be read (exit 2).
    PlanError
        An entry is not a published proportion (exit 13): each fault with its key.
    """
    content, _, _ = load_yaml(path, "the file of references")
    try:
        return References.model_validate(content)
    except ValidationError as error:
        listed = "\n".join(problems(error))
        raise PlanError(f"{path} is not a valid file of references:\n{listed}") from None
