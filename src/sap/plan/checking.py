"""A plan and every fault of it, all at once."""

from collections.abc import Iterator
from pathlib import Path as File
from typing import NamedTuple

from sap.errors import PlanError
from sap.plan.changes import earlier_format
from sap.plan.cited import text_faults
from sap.plan.entry import Conflict, Kept, Path, Wrong
from sap.plan.faults import Fault, line_at, listed, of_model
from sap.plan.home import study_of_plan
from sap.plan.model import Plan
from sap.plan.reading import file_text
from sap.plan.tree import Tree, tree


class PlanFile(NamedTuple):
    """A plan, the bytes it was read from and their SHA-256."""

    plan: Plan
    text: str
    sha256: str
    name: str


class Examined(NamedTuple):
    """A file that is to be a plan: what of it is valid, and its faults.

    `plan` lacks the keys that are not valid (asking for one raises `NotValid`).
    """

    plan: Plan
    tree: Tree
    faults: list[Fault]
    text: str
    sha256: str


def examine(path: File) -> Examined:
    """Read a file, with every fault of the text, the keys, the cross-checks and what its texts name.

    Raises
    ------
    UsageError
        The file cannot be read (exit 2).
    PlanError
        It is no UTF-8, is too large, or holds no keys (exit 13).
    """
    text, sha256 = file_text(path, "the plan")
    read = tree(text)
    if not isinstance(read.content, dict):
        if read.faults:
            raise refusal(path, read.faults)
        raise PlanError(f"{path}: the plan is empty or no mapping. Begin with `study:`.")
    kept = Kept()
    plan = Plan.model_validate(read.content, context=kept)
    faults = [*read.faults, *_of_keys(kept.faults(plan), read)]
    missing = {fault.key for fault in faults if fault.kind == "missing"}
    with study_of_plan(path):
        faults += text_faults(read, plan, missing)
    return Examined(plan, read, _once(faults), text, sha256)


def _of_keys(kept_faults: Iterator[tuple[Path, Wrong | Conflict]], read: Tree) -> Iterator[Fault]:
    for path, one in kept_faults:
        if isinstance(one, Wrong):
            yield of_model(path, one, read.lines)
        else:
            lines = tuple(line_at(read.lines, (*path, *key)) for key in one.keys)
            yield Fault((*path, *one.keys[0]), lines, one.message, "conflict")


def _once(faults: list[Fault]) -> list[Fault]:
    """The faults, without those of a model at a place whose text has a fault."""
    text = {fault.path for fault in faults if fault.kind in ("key", "tag", "value", "twice")}
    kept = [
        fault
        for fault in faults
        if fault.path not in text or fault.kind in ("key", "tag", "value", "twice")
    ]
    return list(dict.fromkeys(kept))


def refusal(path: File, faults: list[Fault], read: Tree | None = None) -> PlanError:
    """The error that lists every fault of a plan; those of an earlier format first."""
    content, lines = (read.content, read.lines) if read else (None, {})
    since, changed, others = earlier_format(faults, content, lines)
    if since is None:
        return PlanError(f"{path} is not a valid plan: {_count(others, 'fault')}\n{listed(others)}")
    message = (
        f"{path} is a plan of a format before {since}: {_count(changed, 'changed key')} "
        f"(docs/plan-changes.md)\n{listed(changed)}"
    )
    if others:
        message += f"\nand {_count(others, 'other fault')}:\n{listed(others)}"
    return PlanError(message)


def _count(faults: list[Fault], noun: str) -> str:
    return f"{len(faults)} {noun}" + "s" * (len(faults) != 1)


def read_plan(path: File) -> PlanFile:
    """Read and check a plan.

    Raises
    ------
    UsageError
        The file cannot be read (exit 2).
    PlanError
        It is not a plan (exit 13): each fault with its line, its key and what to do, all at once.
    """
    examined = examine(path)
    if examined.faults:
        raise refusal(path, examined.faults, examined.tree)
    return PlanFile(examined.plan, examined.text, examined.sha256, path.name)
