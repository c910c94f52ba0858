"""Faults of a plan in words: the line, the key, what is wrong, what is allowed, what to do."""

import difflib
import types
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sap.plan.entry import Path, Wrong

SHOWN = 10
"""How many faults of one kind at one kind of place are listed; the others are counted."""
LETTERS = 60
"""How much of a value is shown."""
SIGNS = {
    annotated_types.Ge: "≥", annotated_types.Gt: ">", annotated_types.Le: "≤", annotated_types.Lt: "<",
}  # fmt: skip
BOUNDS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "at most"),
}
WANTED = {
    "string_type": "a text", "int_type": "a whole number", "int_from_float": "a whole number",
    "float_type": "a number", "bool_type": "true or false", "list_type": "a list, as [a, b]",
    "dict_type": "a mapping of keys", "model_type": "a mapping of keys", "tuple_type": "a list of numbers",
    "date_type": "a date without quotes, as 2024-06-30", "is_instance_of": "another kind of value",
    "date_from_datetime_inexact": "a date without a time, as 2024-06-30",
    "finite_number": "a finite number", "none_required": "null",
}  # fmt: skip


class Fault(NamedTuple):
    """One fault: the path of its key, its lines (the first is the one to mend), and the words."""

    path: Path
    lines: tuple[int, ...]
    message: str
    kind: str

    @property
    def key(self) -> str:
        """The dotted key, as in the file."""
        return ".".join(shown(part) for part in self.path) or "the plan"

    def __str__(self) -> str:
        others = sorted(set(self.lines[1:]) - {self.lines[0]})
        also = f" (see also line {', '.join(map(str, others))})" if others else ""
        return f"line {self.lines[0]}, {self.key}: {self.message}{also}"


def shown(value: object, letters: int = LETTERS) -> str:
    r"""A value of a plan on one line, as YAML writes it; control characters are named, a long one is cut.

    >>> shown("a\u202eb"), shown(None), shown(True), shown([1, 2]), shown("x" * 99, 3)
    ('a[U+202E]b', 'null', 'true', 'a list', 'xxx...')
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, dict):
        return "a mapping"
    text = str(value)
    cut = text if len(text) <= letters else f"{text[:letters]}..."
    return "".join(
        f"[U+{ord(c):04X}]" if unicodedata.category(c)[0] == "C" or c in "\u2028\u2029" else c
        for c in cut
    )


def type_words(annotation: Any) -> str:
    """A type as a reader of YAML names it.

    >>> type_words(list[int] | None)
    'list of whole number'
    """
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return " or ".join(type_words(one) for one in inner if one is not type(None))
    if origin is Literal:
        return " or ".join(f"`{one}`" for one in inner)
    if origin in (list, tuple):
        kinds = dict.fromkeys(type_words(one) for one in inner if one is not Ellipsis)
        return f"list of {' and '.join(kinds)}"
    if origin is dict:
        return f"mapping of {type_words(inner[0])} to {type_words(inner[1])}"
    if hasattr(annotation, "__metadata__"):
        return type_words(inner[0])
    names = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false"}
    name = str(annotation.__name__)
    return names.get(name, name)


def limits(field: FieldInfo) -> str:
    """The limits of a number, as `> 0, < 1`."""
    return ", ".join(
        f"{sign} {getattr(limit, kind.__name__.lower())}"
        for limit in field.metadata
        for kind, sign in SIGNS.items()
        if isinstance(limit, kind)
    )


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models in a type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from models(inner)


def of_model(path: Path, wrong: Wrong, lines: Mapping[Path, int]) -> Fault:
    """The fault of a key: where, and what pydantic says of it in our words."""
    parts = tuple(part for part in (*path, *wrong.path) if part != "[key]")
    if wrong.kind == "missing":
        place = parts[:-1]
    else:  # the kinds of a union, and the places of a list that the file writes as one term
        place = parts = _longest(parts, lines)
    return Fault(parts, (line_at(lines, place),), _message(wrong), wrong.kind)


def _longest(path: Path, lines: Mapping[Path, int]) -> Path:
    return next((path[:n] for n in range(len(path), 0, -1) if path[:n] in lines), path)


def line_at(lines: Mapping[Path, int], path: Path) -> int:
    """The line of a path, or of the nearest part above it that has one."""
    return lines.get(_longest(path, lines), 1)


def _message(wrong: Wrong) -> str:
    field = wrong.model.model_fields.get(str(wrong.path[0])) if wrong.model and wrong.path else None
    kind, value = wrong.kind, shown(wrong.value)
    if kind == "extra_forbidden":
        return _unknown(str(wrong.path[-1]), wrong.model)
    if kind == "missing":
        return _missing(wrong, field)
    if kind == "literal_error":
        return _word(wrong)
    if kind in BOUNDS:
        key, words = BOUNDS[kind]
        allowed = limits(field) if field and len(wrong.path) == 1 else ""
        range_ = f"{words} {wrong.context[key]:g}"
        return f"{value} is out of range: write a number {allowed or range_}"
    if kind in WANTED:
        return _other_kind(wrong, WANTED[kind])
    return _form(wrong)


def _unknown(name: str, model: type[BaseModel] | None) -> str:
    known = list(model.model_fields) if model else []
    near = difflib.get_close_matches(name, known, 1, 0.6)
    if near:
        return f"unknown key: correct it to {near[0]}, or remove it"
    return f"unknown key: remove it, or correct it to one of {', '.join(known)}"


def _missing(wrong: Wrong, field: FieldInfo | None) -> str:
    if isinstance(wrong.path[-1], int):
        return "is missing: add the value to the list"
    if field is None:
        return "is missing: add it"
    inner = list(models(field.annotation))
    if inner and inner[0] is field.annotation:
        wanted = [name for name, one in inner[0].model_fields.items() if one.is_required()]
        return f"is missing: add it, with {', '.join(wanted)}"
    bounds = limits(field) + (" or null" if type(None) in get_args(field.annotation) else "")
    meaning = f" ({field.description})" if field.description else ""
    return f"is missing: add it, {type_words(field.annotation)}{', ' * bounds.startswith(tuple(SIGNS.values()))}{bounds}{meaning}"


def _word(wrong: Wrong) -> str:
    allowed = str(wrong.context["expected"])
    hint = ""
    if isinstance(wrong.value, bool):
        hint = " (YAML reads yes, no, on and off as true or false: put such a word in quotes)"
    elif isinstance(wrong.value, str):
        words = [word.strip("'") for word in allowed.replace(" or ", ", ").split(", ")]
        near = difflib.get_close_matches(wrong.value, words, 1, 0.6)
        hint = f"; the nearest is {near[0]}" if near else ""
    return f"{shown(wrong.value)} is no word of this key: write {allowed}{hint}"


def _other_kind(wrong: Wrong, wanted: str) -> str:
    value = wrong.value
    given = (
        shown(value)
        if isinstance(value, list | dict) or value is None
        else f"{shown(value)}, {_kind(value)}"
    )
    hint = ""
    if isinstance(value, str) and wanted in ("a number", "a whole number"):
        try:
            hint = f": {float(value):g}, without quotes and in decimals"
        except ValueError:
            hint = ""
    elif isinstance(value, dict) and wanted == "a text":
        hint = ": one that begins with a brace is put in quotes"
    elif wanted == "a text":
        hint = (
            f': "{shown(value)}", in quotes'
            if value is not None and not isinstance(value, list)
            else ""
        )
    return f"is {given}: write {wanted}{hint}"


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    return "a text" if isinstance(value, str) else "a date"


def _form(wrong: Wrong) -> str:
    value, context = shown(wrong.value), wrong.context
    words = {
        "string_too_short": f"{value or 'an empty text'} is too short: write at least "
        f"{context.get('min_length')} letters",
        "string_too_long": f"{value} is too long: write at most {context.get('max_length')} letters",
        "string_pattern_mismatch": f"{value} has another form: write it as {context.get('pattern')} asks",
        "too_short": f"the list has too few values: write at least {context.get('min_length')}",
        "too_long": f"the list has too many values: write at most {context.get('max_length')}",
    }
    return words.get(wrong.kind, wrong.message.removeprefix("Value error, "))


def listed(faults: Iterable[Fault]) -> str:
    """One line per fault in the order of the file; of many of one kind at one kind of place the first."""
    ordered = sorted(dict.fromkeys(faults), key=lambda fault: (fault.lines[0], fault.key))
    groups: dict[tuple[object, ...], list[Fault]] = {}
    for fault in ordered:
        groups.setdefault(_group(fault), []).append(fault)
    rows: list[str] = []
    for fault in ordered:
        group = groups[_group(fault)]
        place = group.index(fault)
        if place < SHOWN:
            rows.append(f"  - {fault}")
        elif place == SHOWN:
            rest = [str(one.lines[0]) for one in group[SHOWN:]]
            more = ", ..." if len(rest) > SHOWN else ""
            rows.append(
                f"  - and {len(rest)} more of this kind, line {', '.join(rest[:SHOWN])}{more}"
            )
    return "\n".join(rows)


def _group(fault: Fault) -> tuple[object, ...]:
    path: Sequence[object] = fault.path[:-1] if fault.kind == "extra_forbidden" else fault.path
    return (fault.kind, *("*" if isinstance(part, int) else part for part in path))
