"""A figure of the catalogue: one look for all, the same bytes on every machine, and a text alternative.

Colours are those of Okabe and Ito (2008, "Color Universal Design"), distinguished by every common kind
of colour vision; lines differ in their dashes and points in their shape too, and fills in their
lightness, so that a copy in black and white is readable.

Letters are drawn as outlines of Libertinus Serif, the font of the report's text, whose files are in
`fonts` (SIL Open Font License 1.1), so no machine's fonts, and no reader's, change a figure.
"""

import io
import re
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from sap import ard
from sap.displays import frame
from sap.displays.ard_lookup import Number
from sap.displays.escape import font_file, markdown_text
from sap.displays.formats import typeset
from sap.displays.frame import Note
from sap.displays.register import printed, register
from sap.errors import RenderError

FAMILY = "SAP Serif"
TEXT_POINTS = 9.5
SMALL_POINTS = 8.5
LEAST_POINTS = 7.2
"""No letter of a figure is smaller (7 pt as printed: a test of the PDF)."""

# Ordered by lightness as well as by hue: dark, light, middle ...
BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, BLACK, GREY, PALE = "#56B4E9", "#CC79A7", "#000000", "#7F7F7F", "#D9D9D9"
COLOURS = (BLUE, VERMILION, BLACK, GREEN, PURPLE, ORANGE, SKY)
DASHES = ("solid", "dashed", "dotted", "dashdot", (0, (5, 1)), (0, (1, 1)), (0, (3, 1, 1, 1)))
SHAPES = ("o", "^", "s", "D", "v", "P", "X")
# For filled bars, from the best to the worst: neighbours differ in lightness by 12 of 100 at least, so a copy
# in grey and every common kind of colour vision tells them apart (a test).
FILLS = (BLUE, SKY, PALE)
FILLS_OF_FIVE = ("#00395A", BLUE, PALE, ORANGE, "white")

PORTRAIT_INCHES = 6.5
LANDSCAPE_INCHES = 9.6


# A plotnine plot, a matplotlib figure, or SVG. plotnine's own types are incomplete (`aes` has none,
# `+` gives Any), so nothing is gained by naming them.
Plot: TypeAlias = Any


def plotnine() -> Any:
    """The library, imported when something is drawn and not before."""
    import plotnine

    return plotnine


def _register_font() -> None:
    """Our own Libertinus Serif under a name no machine has: another copy of a system cannot win."""
    from matplotlib import font_manager

    if any(entry.name == FAMILY for entry in font_manager.fontManager.ttflist):
        return
    for bold, weight in ((False, 400), (True, 700)):
        font_manager.fontManager.ttflist.append(
            font_manager.FontEntry(
                fname=str(font_file(bold=bold)),
                name=FAMILY,
                style="normal",
                variant="normal",
                weight=weight,
                stretch="normal",
                size="scalable",
            )
        )


def drawing() -> AbstractContextManager[None]:
    """The settings under which a figure is drawn; a text with a dollar sign is no formula."""
    import matplotlib as mpl

    _register_font()
    return mpl.rc_context(
        {
            "svg.hashsalt": "sap",
            "svg.fonttype": "path",
            "font.family": FAMILY,
            "font.size": TEXT_POINTS,
            "text.parse_math": False,
            "axes.unicode_minus": True,
            "path.simplify": False,
        }
    )


def look() -> Any:
    """The theme of every plotnine figure."""
    p9 = plotnine()
    _register_font()
    small = p9.element_text(size=SMALL_POINTS, color=BLACK)
    return p9.theme_bw(base_size=TEXT_POINTS, base_family=FAMILY) + p9.theme(
        panel_border=p9.element_blank(),
        panel_grid_minor=p9.element_blank(),
        panel_grid_major_x=p9.element_blank(),
        panel_grid_major_y=p9.element_line(color="#E6E6E6", size=0.4),
        axis_line=p9.element_line(color=BLACK, size=0.5),
        axis_ticks=p9.element_line(color=BLACK, size=0.5),
        axis_ticks_minor=p9.element_blank(),
        panel_spacing_x=0.03,
        axis_text=small,
        axis_title=p9.element_text(size=TEXT_POINTS),
        strip_background=p9.element_blank(),
        strip_text=p9.element_text(size=TEXT_POINTS, weight="bold", ha="left", x=0),
        legend_position="top",
        legend_direction="horizontal",
        legend_title=p9.element_blank(),
        legend_text=p9.element_text(size=TEXT_POINTS - 0.5),
        legend_key=p9.element_blank(),
        legend_background=p9.element_blank(),
        legend_margin=0,
        legend_box_spacing=0.01,
        plot_background=p9.element_rect(fill="white", color="white"),
        plot_margin=0.01,
    )


class Drawing(NamedTuple):
    """A drawing as SVG, and the texts in it."""

    svg: str
    words: tuple[str, ...]


def svg(plot: Plot, width: float, height: float) -> str:
    """`plot` (plotnine, matplotlib, or SVG text as it is) as SVG of `width` by `height` inches."""
    return drawn(plot, width, height).svg


def drawn(plot: Plot, width: float, height: float) -> Drawing:
    """As `svg`, with the texts in the drawing; SVG that is given comes without them.

    Equal input gives equal bytes: fixed salt for the ids, no date, letters as outlines.
    """
    if isinstance(plot, str):
        return Drawing(plot, ())
    from matplotlib import pyplot
    from matplotlib.figure import Figure as Canvas
    from matplotlib.text import Text

    with drawing():
        canvas = plot if isinstance(plot, Canvas) else _sized(plot, width, height).draw()
        out = io.StringIO()
        canvas.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
        words = [one.get_text() for one in canvas.findobj(Text) if one.get_visible()]
        pyplot.close(canvas)
    return Drawing(_lean(out.getvalue()), tuple(dict.fromkeys(filter(None, words))))


def _sized(plot: Plot, width: float, height: float) -> Plot:
    return plot + plotnine().theme(figure_size=(width, height))


def _lean(text: str) -> str:
    """Without what names another program or another site: metadata, document type."""
    text = re.sub(r"<\?xml[^>]*\?>\s*|<!DOCTYPE[^>]*>\s*", "", text)
    return re.sub(r"\s*<metadata>.*?</metadata>", "", text, flags=re.DOTALL)


@dataclass(frozen=True)
class Figure:
    """A figure of the catalogue.

    Parameters
    ----------
    id
        Its id in the catalogue.
    plot
        What a function of `sap.displays.plots` or `sap.displays.flow_diagram` returns; None when
        there is nothing to draw, and then `absent` gives the reason.
    alt
        What the figure shows, in words and with its main numbers.
    height
        In inches; the width is the page's.
    n
        The size of the population, for the caption.
    numbers
        The addressed numbers that are drawn, for the legend of methods under the figure.
    narrow
        The content of the figure as HTML text, shown in its place on a screen too narrow for it, and
        nowhere else: a reader of any kind gets one of the two.
    """

    id: str
    plot: Plot
    alt: str
    height: float = 3.8
    notes: Iterable[Note] = ()
    n: Number | None = None
    numbers: Sequence[Number] = ()
    absent: str = ""
    narrow: str = ""

    def __post_init__(self) -> None:
        if self.plot is not None and not re.search(r"\d", self.alt):
            raise RenderError(
                f"{self.id}: the alternative text states no number.\n"
                "Say in words what the figure shows, with its main numbers."
            )

    def _repr_markdown_(self) -> str:
        if not printed(self.id):
            return ""
        if self.plot is None:
            return frame.absent(self.id, self.absent, self.notes)
        landscape = register()[self.id].orientation == "landscape"
        drawing = drawn(self.plot, LANDSCAPE_INCHES if landscape else PORTRAIT_INCHES, self.height)
        path = write_svg(self.id, drawing.svg)
        image = f"![{markdown_text(typeset(self.alt))}](<{path}>){{width=100%}}\\"
        text = (
            f'```{{=html}}\n<div class="narrow">{self.narrow}</div>\n```\n\n' if self.narrow else ""
        )
        return frame.block(
            self.id,
            f"{text}{image}\n",
            notes=self.notes,
            numbers=self.numbers,
            n=self.n,
            words=drawing.words,
        )


def write_svg(name: str, text: str) -> str:
    """Write a drawing into the run's `figures`; its path as a chapter names it."""
    folder = ard.run_folder().resolve() / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.svg"
    partial = path.with_suffix(".svg.part")
    partial.write_text(text, encoding="utf-8", newline="\n")
    partial.replace(path)
    here = Path.cwd()  # cells run in the folder of the document
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
