"""Typst to PDF: tagged, PDF/UA-1 and PDF/A-2a, with the fonts of the locked package only."""

import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sap.errors import RenderError

if TYPE_CHECKING:
    from typst import PDFStandard

STANDARDS: list["PDFStandard"] = ["ua-1", "a-2a"]
# Libertinus Serif has these; for other characters Typst is tried first.
KNOWN_RANGES = ((0x20, 0x7E), (0xA0, 0x17F), (0x391, 0x3C9), (0x2010, 0x2026))
KNOWN = frozenset(
    "\n\t\u2007\u2009\u200a\u200b\u202f\u2212\u2264\u2265\u2032\u2033\u2030\u2039\u203a\u20ac"
)
# Marks of direction and joining have no glyph, and every font supports them.
INVISIBLE = frozenset(
    "\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
)
# An element of the structure as Typst writes it: number, type, parent.
ELEMENT = re.compile(rb"(?m)^(\d+) 0 obj\n<</Type/StructElem/S/(\w+)/P (\d+) 0 R[^\n]*")
OWN_ID = re.compile(rb"/ID\(([^)]*)\)")
SCOPE = re.compile(rb"/Scope/Column")
HEADERS = re.compile(rb"/Headers\[[^\]]*\]")
ONE_CELL = re.compile(rb"/K\[\d+ 0 R\]")
SPANS = re.compile(rb"/ColSpan ")
NAME = re.compile(rb"\(([^)]*)\)")
NOT_SHOWN = re.compile(r"the text `\"((?:[^\"\\]|\\.)*)\"` could not be displayed")


def compile_pdf(source: str, folder: Path, moment: datetime, *, name: str = "") -> bytes:
    """The PDF of a Typst source whose pictures are in `folder`; dated `moment`.

    `name` distinguishes the volumes of a report that are made at the same time.

    Raises
    ------
    RenderError
        Typst fails, or the layout does not converge.
    """
    import typst

    shown = with_visible_characters(source, folder, name=name)
    main = folder / f"report{name}.typ"
    main.write_text(shown, encoding="utf-8")
    try:
        compiled, warnings = typst.compile_with_warnings(
            str(main),
            root=str(folder),
            ignore_system_fonts=True,
            package_path=str(folder),
            package_cache_path=str(folder),
            format="pdf",
            timestamp=moment,
            pdf_standards=STANDARDS,
        )
    except typst.TypstError as problem:
        raise RenderError(f"PDF: {_located(problem, shown)}") from None
    unsettled = [str(w.message) for w in warnings if "converge" in str(w.message)]
    if unsettled:
        raise RenderError(f"PDF: {unsettled[0]}")
    if not isinstance(compiled, bytes):
        raise RenderError("PDF: Typst made no document")
    return with_groups_as_data(compiled)


def with_groups_as_data(pdf: bytes) -> bytes:
    """The PDF with the label of each group of rows tagged as data, not as a head of columns.

    Typst repeats a group's label on the next page and keeps it with its rows only as a header of the
    second level, and tags it as such, so that a table of 20 groups seems to have 21 rows of column heads.
    Such a cell is one of a row of the body, or, directly below the heads, the only one of its row. It becomes
    TD without scope, and the cells below it, which referred to it alone, have the heads of their columns
    by scope. Bytes are overwritten by as many, so that every offset of the file holds.
    """
    elements = {int(one[1]): one for one in ELEMENT.finditer(pdf)}
    labels = []
    for one in elements.values():
        row = elements.get(int(one[3])) if one[2] == b"TH" else None
        if row:
            alone = ONE_CELL.search(row[0]) and SPANS.search(one[0])
            if alone or _parent(elements, row) == b"TBody":
                labels.append(one)
    ids = {own[1] for one in labels if (own := OWN_ID.search(one[0]))}
    patched = bytearray(pdf)
    for one in labels:
        patched[one.start(2) : one.end(2)] = b"TD"
        _blank(patched, one, SCOPE)
    for one in elements.values():
        named = HEADERS.search(one[0]) if one[2] in (b"TH", b"TD") else None
        if named and ids & set(NAME.findall(named[0])):
            _blank(patched, one, HEADERS)
    return bytes(patched)


def _parent(elements: dict[int, re.Match[bytes]], one: re.Match[bytes]) -> bytes:
    parent = elements.get(int(one[3]))
    return parent[2] if parent else b""


def _blank(patched: bytearray, one: re.Match[bytes], what: re.Pattern[bytes]) -> None:
    for part in what.finditer(one[0]):
        start, end = (one.start() + at for at in part.span())
        patched[start:end] = b" " * (end - start)


def with_visible_characters(source: str, folder: Path, *, name: str = "") -> str:
    """Write characters that the fonts lack as their code point, such as ‹U+1F600›.

    PDF/A forbids a character without a glyph, and free text of the data may hold any.
    """
    missing: dict[int, str | int | None] = {
        ord(c): f"‹U+{ord(c):04X}›" for c in _unusual(source) - _displayable(source, folder, name)
    }
    return source.translate(missing) if missing else source


def _unusual(source: str) -> set[str]:
    def known(character: str) -> bool:
        return character in KNOWN or any(a <= ord(character) <= b for a, b in KNOWN_RANGES)

    return {character for character in set(source) if not known(character)}


def _displayable(source: str, folder: Path, name: str) -> set[str]:
    """The unusual characters that have a glyph, by trial: only Typst knows its fonts."""
    import typst

    left = {c for c in _unusual(source) if c.isprintable() or c in INVISIBLE}
    trial = folder / f"characters{name}.typ"
    while left:
        lines = "\n\n".join(f'#"{c}"' for c in sorted(left))
        head = '#set document(title: "t")\n#set text(font: "Libertinus Serif")\n'
        trial.write_text(head + lines + "\n", encoding="utf-8")
        try:
            typst.compile(
                str(trial),
                root=str(folder),
                ignore_system_fonts=True,
                format="pdf",
                timestamp=0,
                pdf_standards=["a-2a"],
            )
        except typst.TypstError as problem:
            named = NOT_SHOWN.findall(problem.diagnostic)
            lost = {c for text in named for c in _unescaped(text)} & left
            if not lost:
                return set()
            left -= lost
        else:
            return left
    return left


def _unescaped(text: str) -> str:
    return re.sub(r"\\u\{([0-9a-f]+)\}", lambda code: chr(int(code[1], 16)), text)


def _located(problem: Exception, source: str) -> str:
    """Typst's message, and the heading or display above the line it names."""
    message = str(getattr(problem, "message", problem))
    line = re.search(r"report[\w-]*\.typ:(\d+)", str(getattr(problem, "diagnostic", "")))
    if line is None:
        return message
    above = source.splitlines()[: int(line[1])]
    for text in reversed(above):
        place = re.match(r"^(?:=+ (.*)|  \"(tlf-[^\"]*)\",)$", text)
        if place:
            return f"{message} (near {place[1] or place[2]})"
    return message
