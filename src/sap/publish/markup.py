"""The outputs of a cell, as Markdown."""

import re
from typing import Any

from sap.errors import RenderError
from sap.publish.source import Cell

NOTHING = "[]{}"
"""The Markdown of nothing. Quarto prints the code of an inline value that is an empty text."""
MARKUP = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~^$@:\"'=&])")


def escaped(text: str) -> str:
    r"""The text with every character escaped that Markdown reads as markup.

    >>> print(escaped("a_b <i> #let"))
    a\_b \<i\> \#let
    """
    return MARKUP.sub(r"\\\1", " ".join(text.split()))


def cell_markdown(cell: Cell, outputs: list[Any], file: str) -> str:
    """The code, with the option `echo`, and the outputs of the cell.

    `include: false` and `output: false` show nothing; with `output: asis` printed text is
    Markdown. Warnings and other text on stderr are never shown.
    """
    if cell.options.get("include") is False:
        return ""
    parts = [fenced(cell.source, "{.python}")] if cell.options.get("echo") is True else []
    if cell.options.get("output") is not False:
        parts += [_shown(output, cell, file) for output in outputs]
    return "\n\n".join(part for part in parts if part)


def without_nothing(markdown: str) -> str:
    """The Markdown, empty where it is that of nothing."""
    return "" if markdown == NOTHING else markdown


def fenced(text: str, info: str) -> str:
    """A code block whose fence is longer than any run of backticks in `text`."""
    ticks = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, ticks + 1)
    return f"{fence}{info}\n{text}\n{fence}"


def _shown(output: Any, cell: Cell, file: str) -> str:
    if output["output_type"] == "stream":
        if output["name"] == "stderr":
            return ""
        text = str(output["text"])
        return (
            text if cell.options.get("output") == "asis" else fenced(text.rstrip("\n"), "{.output}")
        )
    data = output.get("data", {})
    if "text/markdown" in data:
        return without_nothing(str(data["text/markdown"]))
    if "text/html" in data:
        return fenced(str(data["text/html"]), "{=html}")
    if any(kind.startswith("image/") for kind in data):
        raise RenderError(
            f"{file}, cell {cell.label}: shows a bare picture, which has no number, no title and "
            "no alternative text; show it through sap.displays"
        )
    return fenced(str(data["text/plain"]), "{.output}") if "text/plain" in data else ""
