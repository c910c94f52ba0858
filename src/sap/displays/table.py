"""A small model of a table: columns with their N, rows of a kind, cells of texts and addressed numbers.

The model knows nothing of a trial. It writes one HTML table whose numbers are padded with figure
spaces, so that decimals are aligned in every format without help from an engine.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal

from sap.catalogue.reasons import UNKNOWN_LEVELS
from sap.displays import formats, frame
from sap.displays.absence import not_shown
from sap.displays.ard_lookup import Number
from sap.displays.escape import html_attribute, html_text
from sap.displays.frame import Note
from sap.displays.marks import Head, Line, Place, TiedNote, marked
from sap.displays.reason_words import note_of
from sap.errors import RenderError

RowKind = Literal["", "group", "indent1", "indent2", "total"]


class Cell:
    """Texts and numbers in order: `Cell(n, " (", percent, ")")`.

    `id` is what a footnote names a cell by that has no number; `marks` are the letters of its footnotes,
    which are no part of its text.
    """

    def __init__(self, *parts: str | Number, id: str = "", marks: str = "") -> None:  # noqa: A002
        self.parts = parts
        self.id = id
        self.marks = marks

    def typeset(self) -> "Cell":
        """The cell with the printed signs in its texts (`sap.displays.formats.typeset`)."""
        parts = (p if isinstance(p, Number) else formats.typeset(p) for p in self.parts)
        return Cell(*parts, id=self.id, marks=self.marks)

    def marked(self, marks: str) -> "Cell":
        """The cell with the letters of its footnotes."""
        return Cell(*self.parts, id=self.id, marks=marks)

    @property
    def text(self) -> str:
        return "".join(p.text if isinstance(p, Number) else p for p in self.parts)

    @property
    def numbers(self) -> list[Number]:
        return [p for p in self.parts if isinstance(p, Number)]

    def html(self, lead: int = 0, *, numeric: bool = False) -> str:
        """The cell after `lead` figure spaces; numbers, and all of a `numeric` cell, with their minus signs."""
        written = (
            p.html(html_text(formats.signed(p.text)))
            if isinstance(p, Number)
            else html_text(formats.signed(p) if numeric else p)
            for p in self.parts
        )
        return formats.FIGURE_SPACE * lead + "".join(written) + _sup(self.marks)


def n_pct(n: Number, percent: Number) -> Cell:
    """Count and percent by the house rule: a count of zero or one that is not known has no percent.

    Two addresses in one cell: the count's and the percentage's.
    """
    return Cell(n) if n.text in ("0", formats.NE, formats.NC) else Cell(n, " (", percent, ")")


def limits(low: Number, high: Number) -> Cell:
    """The limits of an interval: `(2.5, 31.2)`."""
    return Cell("(", low, ", ", high, ")")


def pair(centre: Number, spread: Number) -> Cell:
    """A mean with its standard deviation: `68.4 (7.21)`."""
    return Cell(centre, " (", spread, ")")


def span(low: Number, high: Number) -> Cell:
    """Smallest and largest: `45, 83`."""
    return Cell(low, ", ", high)


@dataclass(frozen=True)
class Column:
    """A column of cells.

    `N` is printed under the header as `(N=25)`; `under` is a header over several neighbouring columns.
    Cells of a column that is not `numeric` are text: they are not aligned. A footnote names a column
    without numbers by its `id`; `marks` and `marks_under` are the letters of footnotes at the two heads.
    """

    header: str
    N: Number | int | None = None
    numeric: bool = True
    under: str = ""
    id: str = ""
    marks: str = ""
    marks_under: str = ""


Content = Cell | Number | str


@dataclass(frozen=True)
class Row:
    """A row: its label, its cells, and what kind of row it is.

    `group` rows hold a label over the rows below and no cells. `address` is where a listing's row
    comes from (dataset and key). `again` is the label that the row above has too: it is printed
    paler, so that each row can be copied, found and read out alone. A footnote names a row without
    numbers by its `id`. The texts of a listing's row, and of one that is `verbatim`, print
    as they were recorded; those of others with the signs of `sap.displays.formats.typeset`.
    """

    label: Content
    cells: Sequence[Content] = ()
    kind: RowKind = ""
    address: str = ""
    again: str = ""
    verbatim: bool = False
    id: str = ""

    @property
    def printed(self) -> tuple[Cell, list[Cell]]:
        """The label and the cells as they are printed."""
        as_recorded = self.verbatim or bool(self.address)
        label, *cells = (
            _cell(content) if as_recorded else _cell(content).typeset()
            for content in (self.label, *self.cells)
        )
        return label, cells


@dataclass(frozen=True)
class Table:
    """A table or listing of the catalogue.

    `notes` may be tied to cells (`TiedNote`), which then have their letter. An
    empty one must give the reason in `absent` ("No adverse event was recorded"). `n` is
    the size of the population for the caption, where no column header holds it.
    """

    id: str
    stub: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    notes: Iterable[Note | TiedNote] = ()
    absent: str = ""
    n: Number | None = None

    def __post_init__(self) -> None:
        for i, row in enumerate(self.rows, start=1):
            wanted = 0 if row.kind == "group" and not row.cells else len(self.columns)
            if len(row.cells) != wanted:
                raise RenderError(
                    f"{self.id}: row {i} has {len(row.cells)} cells for {len(self.columns)} columns.\n"
                    "Give it one cell a column."
                )

    @property
    def numbers(self) -> list[Number]:
        """Every addressed number of the table, header first."""
        heads = [c.N for c in self.columns if isinstance(c.N, Number)]
        cells = (_cell(content) for row in self.rows for content in (row.label, *row.cells))
        return [*heads, *(number for cell in cells for number in cell.numbers)]

    def html(self) -> str:
        """The table alone."""
        return "\n".join(["<table>", *self._head(), *self._body(), "</table>"])

    def _repr_markdown_(self) -> str:
        if not self.rows:
            texts = [note.text if isinstance(note, TiedNote) else note for note in self.notes]
            return frame.absent(self.id, self.absent, texts)
        if why := frame.without_patients(self.id):
            return frame.absent(self.id, why)
        shown = collected(self)
        if not shown.rows:
            return frame.absent(self.id, shown.absent)
        shown, notes = with_marks(shown)
        fenced = f"```{{=html}}\n{shown.html()}\n```"
        return frame.block(shown.id, fenced, notes=notes, numbers=shown.numbers, n=shown.n)

    def _head(self) -> list[str]:
        spanned = any(column.under for column in self.columns)
        rows = ["<thead>"]
        if spanned:
            over = "".join(
                _over(under, list(columns))
                for under, columns in groupby(self.columns, key=lambda column: column.under)
            )
            rows.append(f"<tr><td></td>{over}</tr>")
        heads = "".join(_th(_header(c), "col", "num" if c.numeric else "") for c in self.columns)
        return [
            *rows,
            f"<tr>{_th(html_text(formats.typeset(self.stub)), 'col')}{heads}</tr>",
            "</thead>",
        ]

    def _body(self) -> list[str]:
        leads = self._leads()
        lines = ["<tbody>"]
        for i, row in enumerate(self.rows):
            printed, contents = row.printed
            label = printed.html()
            attributes = f' class="{row.kind}"' if row.kind else ""
            attributes += f' data-row="{html_attribute(row.address)}"' if row.address else ""
            if not row.cells and self.columns:
                cells = f'<td colspan="{len(self.columns) + 1}">{label}</td>'
            else:
                cells = (
                    _again(row.again) if row.again else _th(label, "row") if label else "<td></td>"
                )
                cells += "".join(
                    _td(cell, column, leads[j][i])
                    for j, (cell, column) in enumerate(zip(contents, self.columns, strict=True))
                )
            lines.append(f"<tr{attributes}>{cells}</tr>")
        return [*lines, "</tbody>"]

    def _leads(self) -> list[list[int]]:
        columns = []
        for j, column in enumerate(self.columns):
            texts = [row.printed[1][j].text if row.cells else "" for row in self.rows]
            columns.append(formats.leading_spaces(texts) if column.numeric else [0] * len(texts))
        return columns


# Statistics and levels that say nothing where what they count was never collected.
_SIZES = {"N", "n_missing"}
_DEPTH: dict[RowKind, int] = {"group": -1, "": 0, "total": 0, "indent1": 1, "indent2": 2}


def _is_size(number: Number) -> bool:
    """Whether a number is the size of a set, or counts values that are missing."""
    parts = number.key.split("|")
    return parts[-1] in _SIZES or bool(UNKNOWN_LEVELS & set(parts))


def _of_nothing(numbers: Sequence[Number]) -> bool:
    """Whether numbers are NC, sizes of sets apart, and one at least is."""
    given = [n for n in numbers if not _is_size(n)]
    return bool(given) and all(number.text == formats.NC for number in given)


def _row_numbers(row: Row) -> list[Number]:
    return [number for content in row.cells for number in _cell(content).numbers]


def _blocks(rows: Sequence[Row]) -> list[list[Row]]:
    """The rows in pieces: each row with the deeper rows below it."""
    blocks: list[list[Row]] = []
    for row in rows:
        if not blocks or _DEPTH[row.kind] <= _DEPTH[blocks[-1][0].kind]:
            blocks.append([])
        blocks[-1].append(row)
    return blocks


def collected(table: Table) -> Table:
    """The table without what was never collected, and a note that names it with the reason.

    1. A row and a column are left out where every number of them is NC, sizes of sets and counts of
       missing values apart; the deeper rows below such a row go with it.
    2. A group is left out when every number in it is NC, or is a size or the count of no value.
    3. Where nothing is left, the table has no rows and gives the reason.
    """
    left_out: list[tuple[str, list[Number]]] = []
    columns, rows = list(table.columns), _kept(table.rows, left_out)
    of_rows = len(left_out)
    for j in reversed(range(len(columns))):
        numbers = [n for r in rows if r.cells for n in _cell(r.cells[j]).numbers]
        if _of_nothing(numbers):
            left_out.insert(of_rows, (columns[j].header, numbers))
            del columns[j]
            rows = [replace(r, cells=_without(r.cells, j)) for r in rows]
    if not left_out:
        return table
    named: dict[str, list[str]] = {}
    for label, numbers in left_out:
        for text in dict.fromkeys(n.reason for n in numbers if n.text == formats.NC and n.reason):
            labels = named.setdefault(note_of(text), [])
            labels += [label] if label not in labels else []
    words = "; ".join(f"{', '.join(labels)} ({note})" for note, labels in named.items())
    note = not_shown(words)
    return replace(table, columns=columns, rows=rows, notes=[*table.notes, note], absent=note)


def _without(cells: Sequence[Content], j: int) -> list[Content]:
    return [*cells[:j], *cells[j + 1 :]]


def _kept(rows: Sequence[Row], left_out: list[tuple[str, list[Number]]]) -> list[Row]:
    kept: list[Row] = []
    for block in _blocks(rows):
        head, *below = block
        numbers = [number for row in block for number in _row_numbers(row)]
        given = [n for n in numbers if not (n.key.endswith("|n") and n.text == "0")]
        of_nothing = _of_nothing(_row_numbers(head)) or (below and _of_nothing(given))
        if of_nothing:
            left_out.append((_cell(head.label).text, numbers))
        elif below:
            inner = _kept(below, left_out)
            kept += [head, *inner] if inner or head.cells else []
        else:
            kept.append(head)
    return kept


def with_marks(table: Table) -> tuple[Table, list[Note | tuple[str, Note]]]:
    """The table with the letters of its tied footnotes, and its notes: those of the whole table first.

    Tied are footnotes of the register, of the table, and the reasons of NE or NC where there is more than one.
    """
    tied = [note for note in table.notes if isinstance(note, TiedNote)]
    notes = [note for note in table.notes if not isinstance(note, TiedNote)]
    tied = [*frame.tied_footnotes(table.id), *tied, *frame.reasons(table.numbers)]
    lines = [
        Line(
            row.id,
            row.kind == "group" and not row.cells,
            row.kind in ("indent1", "indent2"),
            [(cell.id, cell.numbers) for cell in map(_cell, row.cells)],
        )
        for row in table.rows
    ]
    letters, texts = marked(tied, [Head(c.id, c.under) for c in table.columns], lines)
    columns = [
        replace(
            column,
            marks=letters.get(Place(-1, j), ""),
            marks_under=letters.get(Place(-2, j), ""),
        )
        for j, column in enumerate(table.columns)
    ]
    rows = []
    for i, row in enumerate(table.rows):
        label, *cells = (
            _cell(content).marked(letters[place]) if place in letters else content
            for j, content in enumerate((row.label, *row.cells), start=-1)
            for place in [Place(i, j)]
        )
        rows.append(replace(row, label=label, cells=cells))
    return replace(table, columns=columns, rows=rows), [*notes, *texts]


def _cell(content: Content) -> Cell:
    return content if isinstance(content, Cell) else Cell(content)


def _header(column: Column) -> str:
    header = html_text(formats.typeset(column.header)) + _sup(column.marks)
    if column.N is None:
        return header
    n = column.N.html(html_text(column.N.text)) if isinstance(column.N, Number) else str(column.N)
    return f"{header}<br>(N={n})"


def _over(under: str, columns: Sequence[Column]) -> str:
    """A head over neighbouring columns; where there is none an empty cell, which is no head."""
    width = len(columns)
    if not under:
        return f'<td colspan="{width}"></td>' if width > 1 else "<td></td>"
    words = html_text(formats.typeset(under)) + _sup(columns[0].marks_under)
    return f'<th scope="colgroup" colspan="{width}" class="over">{words}</th>'


def _sup(marks: str) -> str:
    """The letters of footnotes after a text."""
    return f'<sup class="mark">{marks}</sup>' if marks else ""


def _th(inner_html: str, scope: str, css: str = "") -> str:
    return (
        f'<th scope="{scope}"{f" class={chr(34)}{css}{chr(34)}" if css else ""}>{inner_html}</th>'
    )


def _again(label: str) -> str:
    return _th(html_text(label), "row", "again")


def _td(cell: Cell, column: Column, lead: int) -> str:
    if not column.numeric:
        return f"<td>{cell.html()}</td>"
    return f'<td class="num">{cell.html(lead, numeric=True)}</td>'
