"""What the texts of a plan name: sources, published results, keys in braces, visits."""

import difflib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sap.catalogue import codelist
from sap.plan.entry import NotValid, Path
from sap.plan.faults import Fault, line_at, shown
from sap.plan.home import study_home
from sap.plan.model import Plan
from sap.plan.references import read_references
from sap.plan.study import bibliographies
from sap.plan.tree import Tree

_BRACES = re.compile(r"\{([^{}]*)\}")
_CITED = re.compile(r"(?<![\w.])@([A-Za-z0-9][A-Za-z0-9_-]*)")
CYCLE = "n"
"""In the words of visits, the number of a cycle."""


def bibliography() -> frozenset[str]:
    """The keys of references.bib, of the package and of the study."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in bibliographies())
    return frozenset(re.findall(r"^@\w+\{([^,\s]+),", text, re.MULTILINE))


def text_faults(tree: Tree, plan: Plan, missing: Collection[str]) -> list[Fault]:
    """Each name in a text of the plan that names nothing.

    1. `@key` of a source: the key is in references.bib or references.yml.
    2. `reference`: the id is in references.yml.
    3. `{entry.key}`: the plan has the key, and a value or a list of values there. In `visits`, `{n}` is
       the number of a cycle. A key of `missing` has a fault already.
    4. `visit`: it is one of `visits.words` or of the catalogue.
    """
    published = sorted(read_references(study_home() / "analysis" / "references.yml").root)
    known = bibliography() | set(published)
    faults = []
    for path, text in texts(tree.content):
        messages: list[tuple[str, str]] = []
        if path[-1] == "source":
            messages += [("source", m) for m in _sources(text, known)]
        elif path[-1] == "reference" and text not in published:
            fix = f"write one of its ids: {', '.join(published)}"
            messages.append(
                (
                    "reference",
                    f"{shown(text)} is not in references.yml: {_near(text, published) or fix}",
                )
            )
        elif path[-1] == "visit" and not _is_visit(text, plan):
            messages.append(
                ("visit", f"{shown(text)} is no visit: add it to visits.words, or correct it")
            )
        messages += [("braces", m) for m in _braces(text, path, tree.content, missing)]
        faults += [Fault(path, (line_at(tree.lines, path),), m, kind) for kind, m in messages]
    return faults


def cited(text: str) -> list[str]:
    """The keys of sources that a text cites.

    >>> cited("@simon1989; mail to a.b@example.org")
    ['simon1989']
    """
    return _CITED.findall(text)


def braces(text: str) -> list[str]:
    """The words in braces.

    >>> braces("{design.p0} of {design.n}")
    ['design.p0', 'design.n']
    """
    return _BRACES.findall(text)


def texts(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every text of a tree with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from texts(inner, (*path, key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from texts(inner, (*path, place))


def _near(word: str, known: Sequence[str]) -> str | None:
    near = difflib.get_close_matches(word, known, 1, 0.7)
    return f"the nearest is {near[0]}" if near else None


def _sources(text: str, known: frozenset[str] | set[str]) -> Iterator[str]:
    for key in cited(text):
        if key not in known:
            near = _near(key, sorted(known))
            fix = f"correct it ({near})" if near else "add it there, or correct it"
            yield f"the source @{key} is not in references.bib: {fix}"


def _is_visit(text: str, plan: Plan) -> bool:
    try:
        return (plan.visits.visit(text) or codelist("VISIT").standard(text)) is not None
    except NotValid:
        return True  # the visits themselves have a fault, which is listed


def _braces(text: str, path: Path, content: Any, missing: Collection[str]) -> Iterator[str]:
    for name in braces(text):
        parts = name.split(".")
        if path[0] == "visits" and name == CYCLE:
            continue
        if any(".".join(parts[:n]) in missing for n in range(1, len(parts) + 1)):
            continue
        here, there = content, True
        for part in parts:
            place = int(part) if isinstance(here, list) and part.isdecimal() else part
            try:
                here = here[place]
            except (KeyError, IndexError, TypeError):
                there = False
                break
        named = "{" + shown(name) + "}"
        if not there:
            near = _near(name, _keys(content))
            fix = (
                near.replace("the nearest is", "correct it to")
                if near
                else "correct it, as {entry.key}"
            )
            yield f"{named} names no key of the plan: {fix}"
        elif here is None or isinstance(here, bool | dict) or here == []:
            yield f"{named} names no number, word or list of the plan ({shown(here)}): name another key"


def _keys(content: Any) -> list[str]:
    """The dotted keys of two levels, which texts name."""
    return [
        f"{entry}.{key}"
        for entry, keys in content.items()
        if isinstance(keys, Mapping)
        for key in keys
    ]
