"""Reading of a plan file; one message lists all faults."""

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import yaml
from pydantic import ValidationError

from sap.errors import PlanError, UsageError
from sap.plan.model import Plan

MAX_BYTES = 1_000_000


class PlanFile(NamedTuple):
    """A plan, the bytes it was read from and their SHA-256."""

    plan: Plan
    text: str
    sha256: str
    name: str


class _Loader(yaml.SafeLoader):
    """YAML without aliases (unbounded expansion) and without duplicate keys (the last would be used)."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(
                problem="an alias is not allowed", problem_mark=event.start_mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = key_node.value
            if not isinstance(key, str) or key in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key!r} is given twice or is no word",
                    problem_mark=key_node.start_mark,
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def load_yaml(path: Path, what: str) -> tuple[Any, str, str]:
    """The content, the text and the SHA-256 of a YAML file; refuses aliases, tags and duplicate keys."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{path}: {what} cannot be read ({error.strerror}). Check the path."
        ) from None
    if len(raw) > MAX_BYTES:
        raise PlanError(f"{path}: {what} is larger than {MAX_BYTES} bytes. A plan is a short file.")
    try:
        text = raw.decode("utf-8")
        content = yaml.load(text, _Loader)
    except UnicodeDecodeError:
        raise PlanError(f"{path}: {what} is not UTF-8 text. Save it as UTF-8.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or type(error).__name__
        raise PlanError(f"{path}{line}: {what} is not readable YAML: {problem}.") from None
    return content, text, hashlib.sha256(raw).hexdigest()


_FIX = {
    "extra_forbidden": "unknown key: remove it or correct its spelling",
    "missing": "is missing: add it",
}


def lines_of(text: str) -> dict[tuple[str | int, ...], int]:
    r"""The line of each key and each list entry of a YAML text, by its path.

    >>> lines_of("a:\n- b: 1\n- c: 2")[("a", 1, "c")]
    3
    """
    lines_by_path: dict[tuple[str | int, ...], int] = {}

    def walk(node: Any, path: tuple[str | int, ...]) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                lines_by_path[(*path, key.value)] = key.start_mark.line + 1
                walk(value, (*path, key.value))
        elif isinstance(node, yaml.SequenceNode):
            for number, value in enumerate(node.value):
                lines_by_path[(*path, number)] = value.start_mark.line + 1
                walk(value, (*path, number))

    walk(yaml.compose(text, yaml.SafeLoader), ())
    return lines_by_path


def line_of(lines: Mapping[tuple[str | int, ...], int], path: Sequence[str | int]) -> int:
    """The line of a path, or of the nearest part above it that has one."""
    parts = tuple(path)
    return next((lines[parts[:n]] for n in range(len(parts), 0, -1) if parts[:n] in lines), 1)


def problems(
    error: ValidationError,
    what: str = "the plan",
    lines: Mapping[tuple[str | int, ...], int] = MappingProxyType({}),
) -> list[str]:
    """One line per fault: the line where it is known, the key, what is wrong, what to do."""
    lines_listed = []
    for fault in error.errors(include_url=False, include_input=False):
        where = ".".join(str(part) for part in fault["loc"]) or what
        message = _FIX.get(fault["type"], fault["msg"].removeprefix("Value error, "))
        message = message.replace("the plan", what)
        at = f"line {line_of(lines, fault['loc'])}, " if lines else ""
        lines_listed.append(f"  - {at}{where}: {message}")
    return lines_listed


def read_plan(path: Path) -> PlanFile:
    """Read and check a plan.

    Raises
    ------
    UsageError
        The file cannot be read (exit 2).
    PlanError
        It is not a plan (exit 13): each fault with its key and what to do, all at once.
    """
    content, text, sha256 = load_yaml(path, "the plan")
    if not isinstance(content, dict):
        raise PlanError(f"{path}: the plan is empty or no mapping. Begin with `study:`.")
    try:
        plan = Plan.model_validate(content)
    except ValidationError as error:
        listed = "\n".join(problems(error))
        raise PlanError(f"{path} is not a valid plan:\n{listed}") from None
    return PlanFile(plan=plan, text=text, sha256=sha256, name=path.name)
