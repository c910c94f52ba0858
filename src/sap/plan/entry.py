"""The base of every entry of the plan, its cross-checks, and the reading that keeps what is valid."""

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    ValidationError,
    ValidationInfo,
    create_model,
    model_validator,
)
from pydantic_core import core_schema

from sap.errors import ResultError

Path = tuple[str | int, ...]


class NotValid(Exception):
    """A cross-check asks for a key that is missing or not valid; the check is then left out."""


class Conflict(NamedTuple):
    """Two values of which one excludes the other, or a name that is not listed.

    `keys` are the keys concerned, from the model of the check; the first is the one to mend.
    """

    message: str
    keys: tuple[Path, ...]

    @classmethod
    def of(cls, message: str, *keys: str | Path) -> Self:
        """A conflict of keys: a name, or a path of names and positions."""
        return cls(message, tuple((key,) if isinstance(key, str) else key for key in keys))

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.keys[0]))}: {self.message}"


Check = TypeVar("Check", bound=Callable[[Any], Iterator[Conflict]])


def check(function: Check) -> Check:
    """Mark a method as a cross-check: it yields each conflict between the values of its model.

    Each condition has a check of its own, because a check whose keys are not all valid is left out.
    """
    function.__dict__["cross_check"] = True
    return function


def _kept(
    model: "type[Part]", data: Any, handler: Callable[[Any], Any], info: ValidationInfo
) -> Any:
    kept = info.context
    return kept.part(model, data, handler) if isinstance(kept, Kept) else handler(data)


class Part(BaseModel):
    """A part of an entry; an unknown key is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """As of any model; a tree of YAML passes `Kept` where it is given. JSON keeps its own kinds."""
        schema = handler(source)
        keeping = core_schema.with_info_wrap_validator_function(partial(_kept, cls), schema)
        return core_schema.json_or_python_schema(schema, keeping)

    @model_validator(mode="after")
    def _without_conflicts(self, info: ValidationInfo) -> Self:
        if not isinstance(info.context, Kept) and (refused := list(self.conflicts())):
            raise ValueError("; ".join(map(str, refused)))
        return self

    def conflicts(self) -> Iterator[Conflict]:
        """Every conflict of the cross-checks whose keys are valid."""
        for name in _checks(type(self)):
            try:
                yield from getattr(self, name)()
            except NotValid:
                continue

    if not TYPE_CHECKING:  # a type checker knows the keys of each model

        def __getattr__(self, name: str) -> Any:
            if name in type(self).model_fields:
                raise NotValid(name)
            return super().__getattr__(name)


@cache
def _checks(model: type[Part]) -> tuple[str, ...]:
    """The cross-checks of a model by name, those of its bases first."""
    methods = {name: one for base in reversed(model.__mro__) for name, one in vars(base).items()}
    return tuple(name for name, one in methods.items() if hasattr(one, "cross_check"))


def valid(part: Part, key: str) -> Any:
    """The value of a dotted key; None where it is null, missing or not valid."""
    here: Any = part
    for name in key.split("."):
        try:
            here = getattr(here, name)
        except NotValid:
            return None
        if here is None:
            return None
    return here


Stated = TypeVar("Stated")


def stated(entry: Stated | None) -> Stated:
    """An entry that the plan has: what needs it is not computed for a plan without it.

    Raises
    ------
    ResultError
        The plan has no such entry: a fault of the code, which needs it.
    """
    if entry is None:
        raise ResultError("An analysis needs an entry that the plan leaves out.")
    return entry


class Entry(Part):
    """One entry of the plan: its section of the SAP, its source, and whether it is an assumption."""

    section: str = Field(pattern=r"^SAP \d+(\.\d+)*$")
    source: str = Field(min_length=3)
    assumption: bool = False


class Wrong(NamedTuple):
    """One fault of a model's own keys: the path, the kind and limits by pydantic, and the value."""

    path: Path
    kind: str
    context: dict[str, Any]
    message: str
    value: Any
    model: type[BaseModel] | None


class Kept:
    """Validation that keeps the valid keys of a model with faults; given as the context.

    A part with faults becomes a part without the keys concerned: asking for one of them raises
    `NotValid`.
    """

    def __init__(self) -> None:
        self._wrong: dict[int, list[Wrong]] = {}
        self._parts: list[Part] = []  # an id belongs to one object only while it lives

    def part(self, model: type[Part], data: Any, handler: Callable[[Any], Any]) -> Any:
        """The part, or what is valid of it."""
        try:
            return handler(data)
        except ValidationError as error:
            listed = error.errors(include_url=False)
        wrong = [
            Wrong(one["loc"], one["type"], one.get("ctx", {}), one["msg"], one["input"], model)
            for one in listed
        ]
        begun = {one.path[0] for one in wrong if one.path}
        faulty = frozenset(key for key in model.model_fields if key in begun)
        given = data if isinstance(data, dict) else {}
        rest = {
            key: value
            for key, value in given.items()
            if key in model.model_fields and key not in faulty
        }
        lost = faulty if isinstance(data, dict) else frozenset(model.model_fields)
        valid = _without(model, lost).model_validate(rest, context=self)
        part = model.model_construct(**{key: getattr(valid, key) for key in model.model_fields})
        for key in lost:
            part.__dict__.pop(key)
        self._wrong[id(part)] = wrong
        self._parts.append(part)
        return part

    def faults(self, value: Any, path: Path = ()) -> Iterator[tuple[Path, Wrong | Conflict]]:
        """Each fault of a value and of all inside it, with the path of the part that has it."""
        if isinstance(value, Part):
            yield from ((path, wrong) for wrong in self._wrong.get(id(value), ()))
            yield from ((path, conflict) for conflict in value.conflicts())
            items: Any = vars(value).items()
        elif isinstance(value, dict):
            items = value.items()
        elif isinstance(value, list | tuple):
            items = enumerate(value)
        else:
            return
        for key, inner in items:
            yield from self.faults(inner, (*path, key))


@cache
def _without(model: type[BaseModel], keys: frozenset[str]) -> type[BaseModel]:
    """The model in which some keys may have any value, or none."""
    loose: dict[str, Any] = dict.fromkeys(keys, (Any, None))
    return create_model(model.__name__, __base__=model, **loose)
