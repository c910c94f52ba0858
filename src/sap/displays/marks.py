"""Footnotes of particular cells: which cells a footnote explains, and the letter that marks them.

A footnote is tied to its cells by ids, never by printed words: by the parts of the ARD keys of their
numbers, or by the id of a row, a column or a cell without numbers. The letters are a, b, c in the order
in which a reader meets them: heads from left to right, then row by row. A footnote without a cell in the
table at hand explains nothing and is not printed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from sap.displays.ard_lookup import Number
    from sap.displays.inline import RichText

Part = Literal["analysis", "population", "group", "paramcd", "level", "sublevel", "stat", "id"]
PARTS: tuple[Part, ...] = (
    "analysis", "population", "group", "paramcd", "level", "sublevel", "stat", "id",
)  # fmt: skip
"""The parts of an ARD key, its statistic last, and the id of a row, column or cell."""
Where = Mapping[Part, Sequence[str]]
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class TiedNote:
    """A footnote and its cells: the mark is at labels of rows or groups, at heads, or in cells.

    Each of `rows`, `groups`, `columns` and `cells` gives for parts of the ARD key the values that belong
    to the footnote; a value may end in `*`. A row or a cell is marked where one of its numbers has all the parts,
    a column where all of its numbers have, a group where all numbers below its label have. `keys` are
    the keys of single numbers whose cells are marked.
    """

    text: "str | RichText"
    rows: Where = field(default_factory=dict)
    groups: Where = field(default_factory=dict)
    columns: Where = field(default_factory=dict)
    cells: Where = field(default_factory=dict)
    keys: frozenset[str] = frozenset()


class Place(NamedTuple):
    """A place of a mark in reading order: row -2 is a head over columns, -1 a head; column -1 the label of a row."""

    row: int
    column: int


class Line(NamedTuple):
    """A row of a table as marks see it.

    Its id, whether it is the label of a group, whether it is indented, and of each cell its id and numbers.
    """

    id: str
    group: bool
    indented: bool
    cells: "Sequence[tuple[str, Sequence[Number]]]"

    @property
    def numbers(self) -> "list[Number]":
        return [number for _, numbers in self.cells for number in numbers]


class Head(NamedTuple):
    """A column as marks see it: its id, and the head over it."""

    id: str
    under: str


def _has(number: "Number", where: Where) -> bool:
    values = [part.replace("%7C", "|").replace("%25", "%") for part in number.key.split("|")]
    have = dict(zip(PARTS, values, strict=False))
    return all(
        any(fnmatchcase(have.get(part, ""), value) for value in values)
        for part, values in where.items()
        if part != "id"
    )


def _named(an_id: str, where: Where) -> bool:
    """Whether the place is named by its id."""
    return bool(an_id) and an_id in where.get("id", ())


def _any(numbers: "Iterable[Number]", where: Where) -> bool:
    return bool(where) and "id" not in where and any(_has(n, where) for n in numbers)


def _all(numbers: "Sequence[Number]", where: Where) -> bool:
    return (
        bool(numbers) and bool(where) and "id" not in where and all(_has(n, where) for n in numbers)
    )


def _below(lines: Sequence[Line], at: int) -> "list[Number]":
    """The numbers of the rows below the label of a group.

    Up to the next label; where the first row is indented, also up to the next row that is not.
    """
    numbers: list[Number] = []
    below = lines[at + 1 :]
    for line in below:
        if line.group or (below[0].indented and not line.indented):
            break
        numbers += line.numbers
    return numbers


def _of_heads(note: TiedNote, heads: Sequence[Head], lines: Sequence[Line]) -> list[Place]:
    """The marked heads; where all columns below one head are marked, that head alone."""
    if not note.columns:
        return []
    marked = []
    for j, head in enumerate(heads):
        numbers = [n for line in lines if line.cells for n in line.cells[j][1]]
        if _named(head.id, note.columns) or _all(numbers, note.columns):
            marked.append(j)
    places = []
    for j in marked:
        under = [k for k, head in enumerate(heads) if head.under and head.under == heads[j].under]
        if len(under) > 1 and set(under) <= set(marked):
            places += [Place(-2, j)] if j == under[0] else []
        else:
            places.append(Place(-1, j))
    return places


def _of_lines(note: TiedNote, lines: Sequence[Line]) -> list[Place]:
    places = []
    for i, line in enumerate(lines):
        if line.group:
            if _named(line.id, note.groups) or _all(_below(lines, i), note.groups):
                places.append(Place(i, -1))
            continue
        if _named(line.id, note.rows) or _any(line.numbers, note.rows):
            places.append(Place(i, -1))
        for j, (an_id, numbers) in enumerate(line.cells):
            of_keys = any(number.key in note.keys for number in numbers)
            if of_keys or _named(an_id, note.cells) or _any(numbers, note.cells):
                places.append(Place(i, j))
    return places


class Marked(NamedTuple):
    """The letters of each place, and the printed footnotes with their letters."""

    places: dict[Place, str]
    notes: "list[tuple[str, str | RichText]]"


def marked(notes: Iterable[TiedNote], heads: Sequence[Head], lines: Sequence[Line]) -> Marked:
    """The letters of a table: `places` to `a` or `a,b`, and the footnotes in the order of their letters."""
    of_notes = [
        (note, sorted([*_of_heads(note, heads, lines), *_of_lines(note, lines)])) for note in notes
    ]
    printed = sorted((n for n in of_notes if n[1]), key=lambda n: n[1][0])
    letters: dict[Place, list[str]] = {}
    texts: list[tuple[str, str | RichText]] = []
    for letter, (note, places) in zip(_letters(len(printed)), printed, strict=True):
        texts.append((letter, note.text))
        for place in places:
            letters.setdefault(place, []).append(letter)
    return Marked({place: ",".join(of_place) for place, of_place in letters.items()}, texts)


def _letters(n: int) -> list[str]:
    """The letters a to z, then aa, ab and so on."""
    more = (first + second for first in LETTERS for second in LETTERS)
    return [*LETTERS, *more][:n]
