"""The YAML text of a plan as a tree, with the line of each key and every fault of the text itself."""

import re
from collections.abc import Hashable, Iterator
from typing import Any, NamedTuple

import yaml

from sap.plan.entry import Path
from sap.plan.faults import Fault, shown
from sap.plan.reading import MAX_DEPTH, StrictLoader

HINTS = (
    ("tab character", "indent by spaces, not by a tab"),
    ("mapping values are not allowed", "put a text with a colon in quotes, or correct the indentation"),
    ("could not find expected ':'", "a key ends with a colon: add it, or correct the indentation"),
    ("expected <block end>", "put a text that begins with a brace or bracket in quotes, or correct the indentation"),
    ("unexpected end of stream", "close the quotes"),
    ("did not find expected ',' or", "close the bracket or brace, or put the text in quotes"),
    ("did not find expected key", "correct the indentation, or close the quotes"),
    ("did not find expected '-' indicator", "correct the indentation of the list"),
    ("characters are not allowed", "remove the character"),
)  # fmt: skip
"""What to do about a text that is no YAML, by words of the message of libyaml."""
KINDS = {"int": "a number", "float": "a number", "bool": "true or false", "timestamp": "a date",
         "null": "nothing"}  # fmt: skip


class Tree(NamedTuple):
    """A text of YAML: its content, the line of each key and list entry, and its faults."""

    content: Any
    lines: dict[Path, int]
    faults: list[Fault]


def tree(text: str) -> Tree:
    """Read a text: every alias, duplicate key, tag and value that is no date is a fault with its line.

    A text that is no YAML, one with aliases, and one that is nested too deep have no content.
    """
    try:
        refused = list(_refused(text))
        if refused:
            return Tree(None, {}, refused)
        root = yaml.compose(text, StrictLoader)
    except (yaml.YAMLError, RecursionError) as error:
        return Tree(None, {}, [_unreadable(error, text)])
    if root is None:
        return Tree(None, {}, [])
    reader = _Reader()
    reader.walk(root, ())
    return Tree(reader.content(root, ()), reader.lines, reader.faults)


def _refused(text: str) -> Iterator[Fault]:
    """Each alias, whose expansion has no bound, and nesting that no file of a study needs."""
    depth = 0
    for event in yaml.parse(text, StrictLoader):
        mark: Any = event.start_mark  # of libyaml's own type
        line = mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            yield Fault(
                (),
                (line,),
                "not readable YAML: an alias is not allowed: write the value out",
                "alias",
            )
        elif isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                message = f"not readable YAML: it is nested deeper than {MAX_DEPTH} levels"
                yield Fault((), (line,), message, "depth")
                return
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _unreadable(error: Exception, text: str) -> Fault:
    mark = getattr(error, "problem_mark", None)
    problem = str(getattr(error, "problem", None) or type(error).__name__)
    hint = next(
        (what for words, what in HINTS if words in problem), "correct the line or the one above"
    )
    begins = (
        text.splitlines()[mark.line][mark.column :][:1] if mark and "any token" in problem else ""
    )
    if begins:
        is_tab = begins == "\t"
        hint = HINTS[0][1] if is_tab else f"put a text that begins with {shown(begins)} in quotes"
    line = (mark.line + 1,) if mark else (1,)
    return Fault((), line, f"not readable YAML: {shown(problem, 80)}: {hint}", "yaml")


class _Reader:
    """The nodes of a text: first their lines and faults, then their content without the faulty ones."""

    def __init__(self) -> None:
        self.lines: dict[Path, int] = {}
        self.faults: list[Fault] = []
        self._loader = StrictLoader("")

    def walk(self, node: Any, path: Path) -> None:
        if isinstance(node, yaml.SequenceNode):
            for number, value in enumerate(node.value):
                self.lines[(*path, number)] = value.start_mark.line + 1
                self.walk(value, (*path, number))
        elif isinstance(node, yaml.MappingNode):
            kept = []
            for key, value in node.value:
                if (name := self._key(key, path)) is not None:
                    self.lines[(*path, name)] = key.start_mark.line + 1
                    self.walk(value, (*path, name))
                    kept.append((key, value))
            node.value[:] = kept

    def _key(self, key: Any, path: Path) -> str | None:
        """The name of a key; None, and a fault, where it is no word or is given twice."""
        line = key.start_mark.line + 1
        kind = key.tag.rsplit(":", 1)[-1]
        if not isinstance(key, yaml.ScalarNode):
            self._fault(path, line, "a key is a list or a mapping: write a word", "key")
        elif kind == "merge":
            self._fault(
                path, line, "the key << is not read: write the keys of the other entry out", "key"
            )
        elif kind != "str":
            read = KINDS.get(kind, "no word")
            words = f'the key {shown(key.value)} is read as {read}: put it in quotes, "{shown(key.value)}"'
            self._fault((*path, key.value), line, words, "key")
        elif (*path, key.value) in self.lines:
            first = self.lines[(*path, key.value)]
            self.faults.append(
                Fault(
                    (*path, key.value), (line, first), "the key is given twice: remove one", "twice"
                )
            )
        else:
            return str(key.value)
        return None

    def _fault(self, path: Path, line: int, message: str, kind: str) -> None:
        self.faults.append(Fault(path, (line,), message, kind))

    def content(self, node: Any, path: Path) -> Any:
        """The content of a node; a value that cannot be read is a fault, and is None."""
        if isinstance(node, yaml.SequenceNode):
            self._plain(node, path, "seq")
            return [self.content(value, (*path, n)) for n, value in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            self._plain(node, path, "map")
            made: dict[Hashable, Any] = {
                key.value: self.content(value, (*path, key.value)) for key, value in node.value
            }
            return made
        return self._scalar(node, path)

    def _plain(self, node: Any, path: Path, kind: str) -> None:
        if node.tag != f"tag:yaml.org,2002:{kind}":
            message = f"not readable YAML: the tag {shown(node.tag)} is not allowed: remove it"
            self._fault(path, node.start_mark.line + 1, message, "tag")

    def _scalar(self, node: Any, path: Path) -> Any:
        line = node.start_mark.line + 1
        try:
            return self._loader.construct_object(node)
        except yaml.YAMLError:
            message = f"not readable YAML: the tag {shown(node.tag)} is not allowed: remove it"
            self._fault(path, line, message, "tag")
        except ValueError:
            date = re.match(r"\d{4}-\d\d?-\d\d?", node.value) is not None
            what = (
                "no day of the calendar: correct the date"
                if date
                else "no number: put it in quotes"
            )
            self._fault(path, line, f"{shown(node.value)} is {what}", "value")
        return None
