"""Which program makes each dataset and what it reads, as `datasets.derive` itself is written."""

import ast
import dataclasses
import inspect
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from textwrap import dedent
from types import FunctionType, ModuleType
from typing import NamedTuple

from sap.catalogue import adam
from sap.pipeline import datasets

LONGEST_TITLE = 70


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


class Rule(NamedTuple):
    """The docstring of a function that takes part in making a dataset, without its sections.

    `writes` has the columns and codes that its code names as the key or the keyword of a value.
    """

    program: str
    name: str
    text: str
    writes: frozenset[str]


def chains_of_datasets() -> dict[str, tuple[str, ...]]:
    """By dataset (upper case) the programs that make it: its own, and those of intermediate tables."""
    steps, names = _steps()
    return {
        name.upper(): tuple(
            dict.fromkeys(
                full_name
                for step in (*steps[name], *_between(name, steps, names))
                for full_name in filter(None, step.functions.split(", "))
            )
        )
        for name in sorted(names)
    }


def _steps() -> tuple[dict[str, list[Program]], set[str]]:
    """The steps of each table, and the names of the datasets."""
    steps: dict[str, list[Program]] = {}
    for step in of_datasets():
        steps.setdefault(step.name, []).append(step)
    return steps, {field.name for field in dataclasses.fields(datasets.Datasets)}


def rules_of_datasets() -> dict[str, tuple[tuple[Rule, ...], ...]]:
    """By dataset (upper case) the rules that make it, nearest first; those of public functions.

    1. Those of its own program.
    2. Those of the functions that this program calls in `sap.derivations`.
    3. Those of the intermediate tables that it reads, with the functions that they call. The table of
       patients before its sets (`adsl_core`) belongs to ADSL only, and the standardisation of terms
       (`sdtm`) to none.
    """
    steps, names = _steps()
    return {name.upper(): _tiers(name, steps, names) for name in sorted(names)}


def _tiers(
    name: str, steps: Mapping[str, list[Program]], names: set[str]
) -> tuple[tuple[Rule, ...], ...]:
    own = [f for step in steps[name] for f in _functions(step.functions)]
    between = _between(name, steps, names)
    inner = [f for step in between for f in _functions(step.functions)]
    tiers = (own, list(_called(own)), [*inner, *_called(inner)])
    return tuple(_rules(functions) for functions in tiers)


def _between(name: str, steps: Mapping[str, list[Program]], names: set[str]) -> list[Program]:
    """The steps of the intermediate tables of a dataset, nearest first."""
    waiting = [read for step in steps[name] for read in step.reads]
    between: list[str] = []
    while waiting:
        read = waiting.pop(0)
        other = read in names or read == "sdtm" or (read == "adsl_core" and name != "adsl")
        if read in steps and not other and read not in between:
            between.append(read)
            waiting += [more for step in steps[read] for more in step.reads]
    return [step for read in between for step in steps[read]]


def _rules(functions: list[FunctionType]) -> tuple[Rule, ...]:
    from sap.pipeline import rules

    printed = {rule.function: rule.name for rule in rules.PRINTED}
    made = [
        Rule(
            f"{function.__module__}.{function.__qualname__}",
            printed.get(function) or _title(function, rules.text_of(function)),
            rules.unwrapped(rules.text_of(function)),
            _written(function),
        )
        for function in dict.fromkeys(functions)
        if not function.__name__.startswith("_")
    ]
    return tuple(rule for rule in made if rule.text)


def _title(function: FunctionType, text: str) -> str:
    """The label of the dataset that it makes; else the first sentence where short; else its name."""
    known = adam.datasets().get(function.__name__.upper())
    first = " ".join(text.partition("\n\n")[0].split()).partition(". ")[0].rstrip(".:")
    if known:
        return known.label
    if 0 < len(first) <= LONGEST_TITLE:
        return first
    return function.__name__.replace("_", " ").capitalize()


@cache
def _written(function: FunctionType) -> frozenset[str]:
    written: set[object] = set()
    for node in ast.walk(ast.parse(dedent(inspect.getsource(function)))):
        if isinstance(node, ast.Dict):
            written |= {key.value for key in node.keys if isinstance(key, ast.Constant)}
        elif isinstance(node, ast.keyword):
            written |= {node.arg} | (
                {node.value.value} if isinstance(node.value, ast.Constant) else set()
            )
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            written |= {node.slice.value} if isinstance(node.slice, ast.Constant) else set()
    return frozenset(one for one in written if isinstance(one, str))


def _functions(full_names: str) -> Iterator[FunctionType]:
    for full_name in filter(None, full_names.split(", ")):
        module, _, name = full_name.rpartition(".")
        function = getattr(sys.modules[module], name)
        if isinstance(function, FunctionType):
            yield function


def _called(functions: list[FunctionType]) -> Iterator[FunctionType]:
    """The functions of `sap.derivations` that these call, and that those call, each once."""
    seen = set(functions)
    waiting = list(functions)
    while waiting:
        for function in _calls(waiting.pop(0)):
            if function not in seen:
                seen.add(function)
                waiting.append(function)
                yield function


@cache
def _calls(function: FunctionType) -> tuple[FunctionType, ...]:
    body = ast.parse(dedent(inspect.getsource(function)))
    written: dict[FunctionType, None] = {}
    for node in ast.walk(body):
        known: object = None
        if isinstance(node, ast.Name):
            known = function.__globals__.get(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            known = getattr(function.__globals__.get(node.value.id), node.attr, None)
        if isinstance(known, FunctionType) and known.__module__.startswith("sap.derivations."):
            written[known] = None
    written.pop(function, None)
    return tuple(written)
