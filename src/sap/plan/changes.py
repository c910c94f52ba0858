"""A plan of an earlier format: each changed key with its new place, from `changes.yml`."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path as File
from typing import Any, NamedTuple

from pydantic import Field, TypeAdapter

from sap.plan.entry import Conflict, Part, Path, check
from sap.plan.faults import Fault, line_at
from sap.plan.reading import load_yaml

Key = r"^[a-z0-9_]+(\.[a-z0-9_]+)*$"


class Change(Part):
    """One changed key: the version that changed it, its place before and now, and why."""

    since: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    old: str | None = Field(pattern=Key, description="null: the key is new")
    new: str | None = Field(pattern=Key, description="null: it is no longer a key")
    why: str = Field(min_length=10)

    @check
    def _has_a_key(self) -> Any:
        if self.old is None and self.new is None:
            yield Conflict.of("a change names its old key, its new key or both", "old", "new")

    @property
    def version(self) -> tuple[int, ...]:
        """The version as numbers, for the order."""
        return tuple(map(int, self.since.split(".")))


class Sorted(NamedTuple):
    """The faults of a plan: those of an earlier format, and the others."""

    since: str | None
    changed: list[Fault]
    others: list[Fault]


@cache
def changes() -> tuple[Change, ...]:
    """Every change, the latest version first."""
    content, _, _ = load_yaml(File(__file__).with_name("changes.yml"), "the list of changed keys")
    read = TypeAdapter(list[Change]).validate_python(content)
    return tuple(sorted(read, key=lambda change: change.version, reverse=True))


def earlier_format(faults: Iterable[Fault], content: Any, lines: dict[Path, int]) -> Sorted:
    """Faults that a change of the format explains, each changed key once.

    A plan is of an earlier format when it has a key of before that is not one any more, or that has
    another form now:

    1. A key of before in the plan that is unknown now: its new place, or that it is no longer a key. A
       key of another type than now, where the form has changed: that it has.
    2. A missing key that is the new place of 1: no line of its own.
    3. A missing key that the format did not have: the version and the reason.
    """
    listed = list(faults)
    moved = [
        (change, _hit(change, listed))
        for change in changes()
        if change.old is not None and _has(content, change.old)
    ]
    moved = [(change, hit) for change, hit in moved if hit]
    explained = {fault for _, hit in moved for fault in hit}
    places = [change.new for change, _ in moved if change.new is not None]
    changed = [_moved(change, lines) for change, _ in moved]
    others = []
    for fault in listed:
        key = ".".join(map(str, fault.path))
        if fault in explained:
            continue
        new = next(
            (change for change in changes() if change.old is None and change.new == key), None
        )
        if fault.kind == "missing" and new is not None:
            fault = fault._replace(message=f"{fault.message}; new in {new.since}: {new.why}")
            if moved:
                changed.append(fault)
                continue
        elif fault.kind == "missing" and any(_within(place, key) for place in places):
            continue
        others.append(fault)
    since = max((change for change, _ in moved), key=lambda change: change.version, default=None)
    return Sorted(since.since if since else None, changed, others)


def _within(key: str, above: str) -> bool:
    return key == above or key.startswith(f"{above}.")


def _hit(change: Change, faults: list[Fault]) -> list[Fault]:
    """The faults that a change explains: the unknown key or one above it; another type where the form changed."""
    old = str(change.old)
    hit = []
    for fault in faults:
        key = ".".join(map(str, fault.path))
        if change.new == old:
            explains = fault.kind.endswith("_type") and _within(key, old)
        else:
            explains = fault.kind == "extra_forbidden" and _within(old, key)
        if explains:
            hit.append(fault)
    return hit


def _has(content: Any, key: str) -> bool:
    for name in key.split("."):
        if not isinstance(content, dict) or name not in content:
            return False
        content = content[name]
    return True


def _moved(change: Change, lines: dict[Path, int]) -> Fault:
    path: Path = tuple(str(change.old).split("."))
    if change.new is None:
        what = "is no longer a key: remove it"
    elif change.new == change.old:
        what = "has another form"
    else:
        what = f"is now {change.new}"
    return Fault(
        path, (line_at(lines, path),), f"{what} (since {change.since}: {change.why})", change.since
    )


def page() -> str:
    """The changes as a page, the latest version first."""
    parts = [
        "# Changed keys of the plan",
        (
            "A plan of an earlier format ends with exit 13 and one message that lists its changed keys from "
            "this table (`src/sap/plan/changes.yml`). `sap plan check` prints the same."
        ),
    ]
    for version in dict.fromkeys(change.since for change in changes()):
        rows = [
            f"| {_code(change.old, 'new')} | {_code(change.new, 'no longer a key')} | {change.why} |"
            for change in changes()
            if change.since == version
        ]
        parts += [f"## {version}", "\n".join(["| Before | Now | Why |", "|---|---|---|", *rows])]
    return "\n\n".join(parts) + "\n"


def _code(key: str | None, otherwise: str) -> str:
    return otherwise if key is None else f"`{key}`"
