"""The screening flow as a drawing: rows of boxes, arrows between them, one loop back; and as a list.

Drawn by own code, because no plotting library places boxes of text. Letters are outlines of the same
font as in every figure and are measured from the font itself, so a box is always as large as its
text and nothing overlaps, on any machine. A line that would run through a box is refused.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, Literal

from sap.displays.ard_lookup import Number
from sap.displays.escape import figure_text, font_file, html_text

WIDTH = 468.0  # points: 6.5 inches
_SIZE = 8.5
_LINE = 10.6
_PAD = 5.5
_GAP_X, _GAP_Y = 11.0, 19.0
_LANE = 22.0
_CORNER = 3.0
_LONGEST = 120
NO_BREAK = "\u00a0"

Tone = Literal["plain", "strong", "side"]
Count = str | Number
"""A count as it is printed, with or without its address."""
# Fill, edge and width of the edge; dark on light in black and white too
_LOOK = {
    "plain": ("#FFFFFF", "#333333", 0.9),
    "strong": ("#DCEAF5", "#0072B2", 1.6),
    "side": ("#F4F4F4", "#8C8C8C", 0.7),
}


@dataclass(frozen=True)
class Box:
    """A box: its heading with the count as it is printed, and lines of detail below.

    `column` and `span` place it on the grid of the diagram. `strong` boxes lead to treatment, `side`
    boxes are ends.
    """

    id: str
    heading: str
    n: Count
    column: int
    span: int = 1
    lines: Sequence[tuple[str, Count]] = ()
    tone: Tone = "plain"


@dataclass(frozen=True)
class Arrow:
    """From one box to another.

    A `loop` leaves its box to the right, runs up outside of all boxes and comes in from the right.
    """

    start: str
    end: str
    label: str = ""
    loop: bool = False


@dataclass(frozen=True)
class _Placed:
    box: Box
    row: int
    x: float
    y: float
    width: float
    height: float
    heading: list[str]
    details: list[str]

    @property
    def centre(self) -> float:
        return self.x + self.width / 2

    @property
    def middle(self) -> float:
        return self.y + self.height / 2

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height


Point = tuple[float, float]


@lru_cache(maxsize=2)
def _font(*, bold: bool) -> Any:
    from matplotlib.ft2font import FT2Font

    font = FT2Font(str(font_file(bold=bold)))
    font.set_size(100, 72)
    return font


@lru_cache(maxsize=1024)
def glyph(letter: str, *, bold: bool) -> tuple[float, str]:
    """The advance of a letter at 100 points and its outline; one that the font lacks is its box."""
    from matplotlib.ft2font import LoadFlags

    font = _font(bold=bold)
    index = font.get_char_index(ord(letter))  # 0: the font's own box
    glyph_slot = font.load_glyph(index, flags=LoadFlags.NO_HINTING)
    points, codes = font.get_path()
    return glyph_slot.linearHoriAdvance / 65536, _outline(points, codes)


def _outline(points: Any, codes: Any) -> str:
    steps, i = [], 0
    words = {1: ("M", 1), 2: ("L", 1), 3: ("Q", 2), 4: ("C", 3), 79: ("Z", 1)}
    while i < len(codes):
        word, used = words[int(codes[i])]
        at = () if word == "Z" else (f"{x:.1f} {-y:.1f}" for x, y in points[i : i + used])
        steps.append(word + " ".join(at))
        i += used
    return "".join(steps)


def text_width(text: str, size: float, *, bold: bool) -> float:
    """The width of a text in points, as it will be drawn."""
    return sum(glyph(c, bold=bold)[0] for c in text) * size / 100


def wrapped(text: str, width: float, *, bold: bool) -> list[str]:
    """`text` on lines no wider than `width`, broken at spaces; a word that is wider is cut."""
    lines: list[str] = []
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, _SIZE, bold=bold) <= width:
            lines[-1] = longer
            continue
        rest = word
        while text_width(rest, _SIZE, bold=bold) > width and len(rest) > 1:
            fits = next(
                n for n in range(len(rest), 0, -1)
                if n == 1 or text_width(rest[:n], _SIZE, bold=bold) <= width
            )  # fmt: skip
            lines.append(rest[:fits])
            rest = rest[fits:]
        lines.append(rest)
    return lines


def _text(n: Count) -> str:
    return n.text if isinstance(n, Number) else n


def _with_count(words: str, n: Count) -> str:
    shown = figure_text(words, _LONGEST)
    return f"{shown} (n\u00a0=\u00a0{figure_text(_text(n), 12)})" if _text(n) else shown


def _placed(rows: Sequence[Sequence[Box]], columns: int, right: float) -> list[_Placed]:
    column_width = (right + _GAP_X) / columns
    placed: list[_Placed] = []
    y = 1.0
    for i, row in enumerate(rows):
        boxes = []
        for box in row:
            width = column_width * box.span - _GAP_X
            room = width - 2 * _PAD
            heading = [
                *wrapped(figure_text(box.heading, _LONGEST), room, bold=True),
                *wrapped(f"n\u00a0=\u00a0{figure_text(_text(box.n), 12)}", room, bold=True),
            ]
            details = [
                line
                for words, n in box.lines
                for line in wrapped(_with_count(words, n), room, bold=False)
            ]
            boxes.append((box, width, heading, details))
        height = max(_height(heading, details) for _, _, heading, details in boxes)
        placed += [
            _Placed(box, i, box.column * column_width, y, width, height, heading, details)
            for box, width, heading, details in boxes
        ]
        y += height + _GAP_Y
    return placed


def _height(heading: list[str], details: list[str]) -> float:
    return 2 * _PAD + _LINE * (len(heading) + len(details)) + (3.0 if details else 0.0)


def _route(start: _Placed, end: _Placed, lane: float | None) -> list[Point]:
    if lane is not None:
        return [
            (start.right, start.middle),
            (lane, start.middle),
            (lane, end.middle),
            (end.right, end.middle),
        ]
    if start.row == end.row:
        left_to_right = start.x < end.x
        a, b = (start.right, end.x) if left_to_right else (start.x, end.right)
        return [(a, start.middle), (b, end.middle)]
    turn = end.y - _GAP_Y / 2
    return [
        (start.centre, start.bottom),
        (start.centre, turn),
        (end.centre, turn),
        (end.centre, end.y),
    ]


def _segments(route: Sequence[Point]) -> Iterator[tuple[Point, Point]]:
    return pairwise(route)


def _runs_through(route: Sequence[Point], box: _Placed) -> bool:
    return any(
        max(a[0], b[0]) > box.x
        and min(a[0], b[0]) < box.right
        and max(a[1], b[1]) > box.y
        and min(a[1], b[1]) < box.bottom
        for a, b in _segments(route)
    )


def flow_diagram(rows: Sequence[Sequence[Box]], arrows: Iterable[Arrow], columns: int) -> str:
    """The diagram as SVG.

    Parameters
    ----------
    rows
        The boxes from top to bottom; those of a row have one height.
    arrows
        Lines between boxes by their ids.
    columns
        Into how many columns the width is cut.

    Raises
    ------
    ValueError
        Two boxes share a place or an id, an arrow names no box, or a line would run through a box.
    """
    arrows = list(arrows)
    loops = sum(arrow.loop for arrow in arrows)
    right = WIDTH - 2 - _LANE * loops
    placed = _placed(rows, columns, right)
    by_id = {p.box.id: p for p in placed}
    _check(placed, by_id, arrows, columns)
    pen = _Pen()
    lanes = iter(right + _LANE * (i + 0.55) for i in range(loops))
    for arrow in arrows:
        start, end = by_id[arrow.start], by_id[arrow.end]
        route = _route(start, end, next(lanes) if arrow.loop else None)
        crossed = [p for p in placed if _runs_through(route, p)]
        if crossed:
            raise ValueError(
                f"the arrow from {arrow.start} to {arrow.end} would run through {crossed[0].box.id}"
            )
        pen.arrow(route, dashed=arrow.loop)
        if arrow.label:
            pen.label(arrow, route)
    for box in placed:
        pen.box(box)
    return pen.svg(max(p.bottom for p in placed) + 1.5)


def flow_list(rows: Sequence[Sequence[Box]], arrows: Iterable[Arrow]) -> str:
    """The diagram as a nested HTML list, for a screen on which the drawing is too narrow to read.

    Each box has its lines of detail below it, then the boxes that its arrows lead to. A loop leads to a box
    that is listed already: its label follows the heading of the box that it leaves. Counts keep their addresses.
    """
    boxes = {box.id: box for row in rows for box in row}
    below: dict[str, list[str]] = {}
    loops: dict[str, str] = {}
    for arrow in arrows:
        if arrow.loop:
            loops[arrow.start] = arrow.label
        else:
            below.setdefault(arrow.start, []).append(arrow.end)
    led_to = {end for ends in below.values() for end in ends}

    def item(box: Box) -> str:
        loop = f", {html_text(loops[box.id])}" if loops.get(box.id) else ""
        lines = "".join(f"<li>{_with_count_html(words, n)}</li>" for words, n in box.lines)
        inner = "".join(item(boxes[each]) for each in below.get(box.id, ()))
        heading = f"<strong>{_with_count_html(box.heading, box.n)}</strong>{loop}"
        details = f'<ul class="details">{lines}</ul>' if lines else ""
        return f"<li>{heading}{details}{f'<ul>{inner}</ul>' if inner else ''}</li>"

    return "<ul>" + "".join(item(box) for box in boxes.values() if box.id not in led_to) + "</ul>"


def _with_count_html(words: str, n: Count) -> str:
    shown = n.html(html_text(n.text)) if isinstance(n, Number) else html_text(n)
    label = f"<span>{html_text(words.replace(NO_BREAK, ' '))}</span>"
    return f"{label} (n{NO_BREAK}={NO_BREAK}{shown})" if _text(n) else label


def _check(
    placed: list[_Placed], by_id: dict[str, _Placed], arrows: list[Arrow], columns: int
) -> None:
    if len(by_id) < len(placed):
        raise ValueError("two boxes have one id")
    for arrow in arrows:
        for name in (arrow.start, arrow.end):
            if name not in by_id:
                raise ValueError(f"an arrow names the box {name}, which is not there")
    taken: set[tuple[int, int]] = set()
    for p in placed:
        places = {(p.row, c) for c in range(p.box.column, p.box.column + p.box.span)}
        if taken & places or max(c for _, c in places) >= columns or p.box.column < 0:
            raise ValueError(f"the box {p.box.id} overlaps another or is outside of the grid")
        taken |= places


class _Pen:
    """Collects the elements; letters are kept once and used many times."""

    def __init__(self) -> None:
        self._letters: dict[str, str] = {}
        self._drawn: list[str] = []

    def text(self, words: str, at: Point, *, bold: bool, turned: bool = False) -> None:
        x, uses = 0.0, []
        for letter in words:
            advance, outline = glyph(letter, bold=bold)
            name = f"sap-{'b' if bold else 'r'}-{ord(letter):x}"
            if outline:
                self._letters[name] = outline
                uses.append(f'<use href="#{name}" x="{x:.1f}"/>')
            x += advance
        turn = " rotate(-90)" if turned else ""
        place = f"translate({at[0]:.2f} {at[1]:.2f}){turn} scale({_SIZE / 100:g})"
        self._drawn.append(f'<g transform="{place}">{"".join(uses)}</g>')

    def arrow(self, route: Sequence[Point], *, dashed: bool) -> None:
        steps = " ".join(f"{'L' if i else 'M'}{x:.2f} {y:.2f}" for i, (x, y) in enumerate(route))
        dash = ' stroke-dasharray="4 2.5"' if dashed else ""
        self._drawn.append(
            f'<path d="{steps}" fill="none" stroke="#333333" stroke-width="1"{dash}/>'
        )
        (ax, ay), (bx, by) = route[-2], route[-1]
        dx, dy = (bx > ax) - (bx < ax), (by > ay) - (by < ay)
        wings = [
            (bx - 6 * dx - 3 * dy, by - 6 * dy - 3 * dx),
            (bx - 6 * dx + 3 * dy, by - 6 * dy + 3 * dx),
        ]
        corners = " ".join(f"{x:.2f},{y:.2f}" for x, y in [(bx, by), *wings])
        self._drawn.append(f'<polygon points="{corners}" fill="#333333"/>')

    def label(self, arrow: Arrow, route: Sequence[Point]) -> None:
        words = figure_text(arrow.label, 60)
        width = text_width(words, _SIZE, bold=False)
        if arrow.loop:
            (x, low), (_, high) = route[1], route[2]
            self.text(words, (x + 10.0, (low + high + width) / 2), bold=False, turned=True)
            return
        (x, y) = route[-1] if len(route) > 2 else route[0]
        self.text(words, (x + 5.0, y - 8.0), bold=False)

    def box(self, p: _Placed) -> None:
        fill, edge, line = _LOOK[p.box.tone]
        self._drawn.append(
            f'<rect x="{p.x + 1:.2f}" y="{p.y:.2f}" width="{p.width - 2:.2f}" height="{p.height:.2f}" '
            f'rx="{_CORNER:g}" fill="{fill}" stroke="{edge}" stroke-width="{line:g}"/>'
        )
        free = p.height - _height(p.heading, p.details)
        y = p.y + _PAD + (0.0 if p.details else free / 2) + _SIZE * 0.92
        for words in p.heading:
            x = p.centre - text_width(words, _SIZE, bold=True) / 2
            self.text(words, (x, y), bold=True)
            y += _LINE
        y += 3.0
        for words in p.details:
            self.text(words, (p.x + _PAD, y), bold=False)
            y += _LINE

    def svg(self, height: float) -> str:
        letters = "".join(
            f'<path id="{name}" d="{outline}"/>' for name, outline in sorted(self._letters.items())
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH:g}pt" height="{height:.2f}pt" '
            f'viewBox="0 0 {WIDTH:g} {height:.2f}">\n<defs>{letters}</defs>\n'
            + "\n".join(self._drawn)
            + "\n</svg>\n"
        )
