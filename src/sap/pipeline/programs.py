"""Which program makes each dataset and what it reads, as `datasets.derive` itself is written."""

import ast
import inspect
from types import FunctionType, ModuleType
from typing import NamedTuple

from sap.pipeline import datasets


class Program(NamedTuple):
    """One dataset or intermediate table: its name, what it reads, its functions, their docstring."""

    name: str
    reads: tuple[str, ...]
    functions: str
    doc: str


def of_datasets() -> list[Program]:
    """The assignments of `derive` in their order, and the datasets it hands over at its end."""
    body = ast.parse(inspect.getsource(datasets.derive)).body[0]
    parts: list[tuple[str, ast.expr]] = []
    for node in ast.walk(body):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            parts.append((node.targets[0].id, node.value))
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Call):
            named = ((keyword.arg, keyword.value) for keyword in node.value.keywords)
            parts += [(str(n), v) for n, v in named if not isinstance(v, ast.Name)]
    known = {name for name, _ in parts} | {"tables", "plan", "cut_off"}
    made = []
    for name, value in parts:
        nodes = sorted((n for n in ast.walk(value) if isinstance(n, ast.expr)), key=_position)
        functions = [f for node in nodes if (f := _function(node)) is not None]
        reads = [n.id for n in nodes if isinstance(n, ast.Name) and n.id in known]
        full_names = ", ".join(f"{f.__module__}.{f.__name__}" for f in functions)
        doc = (inspect.getdoc(functions[0]) or "") if functions else ""
        made.append(Program(name, tuple(dict.fromkeys(reads)), full_names, doc))
    return made


def _position(node: ast.expr) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _function(node: ast.AST) -> FunctionType | None:
    """The function of a room that a node names: `labs.adlb`."""
    if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)):
        return None
    room = getattr(datasets, node.value.id, None)
    function = getattr(room, node.attr, None) if isinstance(room, ModuleType) else None
    return function if isinstance(function, FunctionType) else None
