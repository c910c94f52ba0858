"""Read a plan file, or say in one message everything that is wrong with it."""

import hashlib
from collections.abc import Hashable
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import ValidationError

from sap.errors import PlanInvalid, WrongUse
from sap.plan.model import Plan

MAX_BYTES = 1_000_000


class PlanFile(NamedTuple):
    """A plan, the bytes it was read from and their SHA-256."""

    plan: Plan
    text: str
    sha256: str
    name: str


class _Loader(yaml.SafeLoader):
    """YAML without aliases (they can explode) and without a key twice (the last would win)."""

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
                    problem=f"the key {key!r} stands twice or is no word",
                    problem_mark=key_node.start_mark,
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def load_yaml(path: Path, what: str) -> tuple[Any, str, str]:
    """The content, the text and the SHA-256 of a YAML file; refuses aliases, tags and doubled keys."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise WrongUse(
            f"{path}: {what} cannot be read ({error.strerror}). Check the path."
        ) from None
    if len(raw) > MAX_BYTES:
        raise PlanInvalid(
            f"{path}: {what} is larger than {MAX_BYTES} bytes. A plan is a short file."
        )
    try:
        text = raw.decode("utf-8")
        content = yaml.load(text, _Loader)
    except UnicodeDecodeError:
        raise PlanInvalid(f"{path}: {what} is not UTF-8 text. Save it as UTF-8.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or type(error).__name__
        raise PlanInvalid(f"{path}{line}: {what} is not readable YAML: {problem}.") from None
    return content, text, hashlib.sha256(raw).hexdigest()


_FIX = {
    "extra_forbidden": "the plan knows no such key: remove it or mend its spelling",
    "missing": "is missing: add it",
}


def problems(error: ValidationError, what: str = "the plan") -> list[str]:
    """One line per fault: the key, what is wrong, what to do."""
    lines = []
    for fault in error.errors(include_url=False, include_input=False):
        where = ".".join(str(part) for part in fault["loc"]) or what
        said = _FIX.get(fault["type"], fault["msg"].removeprefix("Value error, "))
        said = said.replace("the plan", what)
        lines.append(f"  - {where}: {said}")
    return lines


def read_plan(path: Path) -> PlanFile:
    """Read and check a plan.

    Raises
    ------
    WrongUse
        The file cannot be read (exit 2).
    PlanInvalid
        It is not a plan (exit 13): each fault with its key and what to do, all at once.
    """
    content, text, sha256 = load_yaml(path, "the plan")
    if not isinstance(content, dict):
        raise PlanInvalid(f"{path}: the plan is empty or no mapping. Begin with `study:`.")
    try:
        plan = Plan.model_validate(content)
    except ValidationError as error:
        said = "\n".join(problems(error))
        raise PlanInvalid(f"{path} is not a valid plan:\n{said}") from None
    return PlanFile(plan=plan, text=text, sha256=sha256, name=path.name)
