"""A tree of YAML or JSON with, in turn at each place, a value of another kind than the one there.

Places that differ only in their position in a list count once: the second rule is read as the first.
"""

import copy
from collections.abc import Iterator
from typing import Any

VALUES: tuple[Any, ...] = (None, [], {}, -1, 1.5, True, "x", [None], [[1]], {"a": None}, {1: 2})

Place = tuple[str | int, ...]


def places(tree: Any, at: Place = ()) -> Iterator[Place]:
    """Every place of the tree, the root first."""
    yield at
    keys = tree if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ()
    for key in keys:
        yield from places(tree[key], (*at, key))


def put(tree: Any, at: Place, value: Any) -> Any:
    """The tree with the value at that place; the given tree is not changed."""
    if not at:
        return value
    new = copy.copy(tree)
    new[at[0]] = put(tree[at[0]], at[1:], value)
    return new


def altered(tree: Any) -> Iterator[tuple[Place, Any, Any]]:
    """Each place, each value put there, and the tree that comes of it."""
    seen = set()
    for at in places(tree):
        kind = tuple(key if isinstance(key, str) else "*" for key in at)
        if kind not in seen:
            seen.add(kind)
            for value in VALUES:
                yield at, value, put(tree, at, value)
