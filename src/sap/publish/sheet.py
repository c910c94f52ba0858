"""One text as a page of HTML and a PDF, by the pandoc and Typst of the reports: results that are no report."""

import base64
import html
import re
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

from sap.publish import pandoc, pdf
from sap.publish.policy import PLACE, policy

HTML = """<!DOCTYPE html>
<html lang="en-GB">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<!-- policy -->
<title>$pagetitle$</title>
<style>
body { font: 16px/1.5 "Libertinus Serif", Georgia, serif; color: #1c2733; background: #fff;
  max-width: 56rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
h1 { font-size: 1.5rem; margin: 0 0 .2rem; } h2 { font-size: 1.15rem; margin: 1.8rem 0 .4rem; }
img { width: 100%; } .wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .86rem; }
th, td { text-align: left; vertical-align: top; padding: .25rem .6rem .25rem 0; border-bottom: 1px solid #c9d1d9; }
p { overflow-wrap: anywhere; } td { overflow-wrap: break-word; } main > table { display: block; overflow-x: auto; }
thead th { border-bottom: 2px solid #1c2733; } code { overflow-wrap: anywhere; font-size: .85em; }
.verdict { border-left: .35rem solid #8a5a00; padding: .5rem .9rem; margin: 1rem 0; background: #f6f7f8; font-weight: 600; }
.verdict.good { border-color: #1d6b3a; } .verdict.bad { border-color: #a3211b; }
@media (max-width: 30rem) { body { font-size: 15px; } }
blockquote { border-left: .35rem solid #0072b2; margin: 1rem 0; padding: .3rem .9rem; background: #f6f7f8; }
@media print { body { max-width: none; padding: 0; } thead { display: table-header-group; } tr { break-inside: avoid; } }
</style>
</head>
<body>
<main>
$body$
</main>
</body>
</html>
"""
STYLED = re.compile(r'<colgroup>.*?</colgroup>\s*|(?<=<t[hd]) style="[^"]*"', re.DOTALL)
TYPST = """#set document(title: "$title$", date: auto)
#set page(paper: "a4", margin: (x: 2cm, y: 2cm), footer: context [#set text(8pt); $title$ #h(1fr) Page #counter(page).display("1 of 1", both: true)])
#set text(font: "Libertinus Serif", size: 9.5pt, lang: "en", region: "GB")
#set par(leading: 0.55em)
#set table(stroke: none, inset: (x: 3pt, y: 2.5pt), align: left)
#show table: set text(8pt)
#show figure: set align(left)
#show figure: set block(breakable: true)
#show heading.where(level: 1): set text(15pt)
#show heading.where(level: 2): it => block(above: 1.2em, below: 0.5em, text(11pt, it.body))
#show quote: it => block(inset: (left: 8pt), stroke: (left: 2pt + rgb("#0072b2")), it.body)
#let horizontalrule = line(length: 100%)
$body$
"""
FROM = "markdown-citations-tex_math_dollars"


def cell(text: object) -> str:
    r"""A text in a cell of a table: no character of it is markup.

    >>> cell("a|b * c")
    'a\\|b \\* c'
    """
    plain = " ".join(str(text).split())
    return re.sub(r"([\\`*_{}\[\]<>#|$~^@])", r"\\\1", plain) or " "


def table(header: Sequence[str], rows: Sequence[Sequence[object]], widths: Sequence[int]) -> str:
    """A pipe table with relative widths of its columns."""
    lines = ["| " + " | ".join(header) + " |", "|" + "|".join("-" * w for w in widths) + "|"]
    lines += ["| " + " | ".join(cell(each) for each in row) + " |" for row in rows]
    return "\n".join(lines)


class Picture(NamedTuple):
    """A figure: SVG, and what it shows in words."""

    svg: str
    alt: str


def place_of(name: str) -> str:
    """The line of a text in whose place a figure is shown."""
    return f"FIGURE-{name}"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def written(
    text: str, title: str, figures: Mapping[str, Picture], day: date, folder: Path, stem: str
) -> list[Path]:
    """Write `text` (Markdown) as `stem`.html and `stem`.pdf; figures are shown in their places (`place_of`).

    The day is that of the PDF's metadata, so that the same text has the same bytes.

    Raises
    ------
    RenderError
        Pandoc or Typst fails.
    """
    with tempfile.TemporaryDirectory(prefix="sap-sheet-") as place:
        scratch = Path(place)
        for_screen = for_print = text
        for name, (svg, alt) in figures.items():
            (scratch / f"{name}.svg").write_text(svg, encoding="utf-8")
            data = base64.b64encode(svg.encode()).decode("ascii")
            image = f'<img alt="{html.escape(alt)}" src="data:image/svg+xml;base64,{data}">'
            for_screen = for_screen.replace(place_of(name), f"```{{=html}}\n<p>{image}</p>\n```")
            image = f'#image("{name}.svg", width: 100%, alt: "{_quoted(alt)}")'
            for_print = for_print.replace(place_of(name), f"```{{=typst}}\n{image}\n```")
        plain = re.sub(r"[^\w .,:()-]", " ", title)
        (scratch / "template.html").write_text(HTML.replace(PLACE, policy(HTML)), encoding="utf-8")
        (scratch / "template.typ").write_text(TYPST.replace("$title$", plain), encoding="utf-8")
        page, _ = pandoc.run(
            ["--from", FROM, "--wrap=preserve", "--to", "html5", "--metadata", f"pagetitle={plain}",
             "--template", "template.html"],
            data=for_screen.encode(), folder=scratch, what=f"{stem}.html",
        )  # fmt: skip
        body, _ = pandoc.run(
            ["--from", FROM, "--wrap=preserve", "--to", "typst", "--template", "template.typ"],
            data=for_print.encode(), folder=scratch, what=f"{stem}.pdf",
        )  # fmt: skip
        moment = datetime(day.year, day.month, day.day, tzinfo=UTC)
        source = body.decode("utf-8").replace("align(center)", "align(left)")
        made = pdf.compile_pdf(source, scratch, moment)
    paths = [folder / f"{stem}.html", folder / f"{stem}.pdf"]
    paths[0].write_text(STYLED.sub("", page.decode("utf-8")), encoding="utf-8")
    paths[1].write_bytes(made)
    return paths
