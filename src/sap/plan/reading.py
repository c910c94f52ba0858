"""Reading of the YAML files of a study; one message lists all faults of a model."""

import datetime as dt
import hashlib
import re
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml
from pydantic import ValidationError

from sap.errors import PlanError, UsageError

MAX_BYTES = 1_000_000
MAX_DEPTH = 50


class StrictLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML without keys that are given twice, of which plain YAML silently takes the last."""

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
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return mapping


def _refuse_expansion(text: str) -> None:
    """Refuse aliases, whose expansion has no bound, and nesting that no file of a study needs."""
    depth = 0
    for event in yaml.parse(text, StrictLoader):
        if isinstance(event, yaml.AliasEvent):
            problem = "an alias is not allowed"
        elif isinstance(event, yaml.CollectionStartEvent) and depth == MAX_DEPTH:
            problem = f"it is nested deeper than {MAX_DEPTH} levels"
        else:
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            continue
        mark: Any = event.start_mark  # of libyaml's own type
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def file_text(path: Path, what: str) -> tuple[str, str]:
    """The text and the SHA-256 of a file of the study."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{path}: {what} cannot be read ({error.strerror}). Check the path."
        ) from None
    if len(raw) > MAX_BYTES:
        raise PlanError(f"{path}: {what} is larger than {MAX_BYTES} bytes. A plan is a short file.")
    try:
        return raw.decode("utf-8"), hashlib.sha256(raw).hexdigest()
    except UnicodeDecodeError:
        raise PlanError(f"{path}: {what} is not UTF-8 text. Save it as UTF-8.") from None


def load_yaml(path: Path, what: str) -> tuple[Any, str, str]:
    """The content, the text and the SHA-256 of a YAML file; refuses aliases, tags and duplicate keys."""
    text, sha256 = file_text(path, what)
    try:
        _refuse_expansion(text)
        content = yaml.load(text, StrictLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or type(error).__name__
        raise PlanError(f"{path}{line}: {what} is not readable YAML: {problem}.") from None
    return content, text, sha256


_FIX = {
    "extra_forbidden": "unknown key: remove it or correct its spelling",
    "unexpected_keyword_argument": "unknown key: remove it or correct its spelling",
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

    walk(yaml.compose(text, StrictLoader), ())
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


def day(text: str) -> str:
    """A day as our own files have it, else a fault for a model.

    >>> day("2019-06-30")
    '2019-06-30'
    """
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) is None:
        raise ValueError("must be a day such as 2019-06-30")
    return dt.date.fromisoformat(text).isoformat()
