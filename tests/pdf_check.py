"""What two outside programs say about a PDF: outloud (PDF/UA-1 and WCAG 2.2) and qpdf (syntax, by pikepdf).

    python tests/pdf_check.py build/report/csr.pdf

One kind of error of outloud is explained, not mended: TAG-002, "prose marked as artifact". On each further page
of a table the heads of its columns are printed again. PDF/UA-1 (ISO 14289-1, 7.1) wants such repeated content
as an artifact, because a screen reader reads the heads with the cells; Typst marks it so. outloud takes such a
line for prose when it has eight words. The error is accepted only where the same line is tagged content of an
earlier page.
"""

import sys
from pathlib import Path

import pikepdf
from outloud import check
from outloud.model import Document

REPEATED_HEAD = "TAG-002"


def problems(path: Path) -> list[str]:
    """The errors that are not explained, and what qpdf says; nothing for a good file."""
    result = check(str(path))
    if result.error:
        return [f"not readable: {result.error}"]
    found = [one for one in result.findings if one.severity == "error"]
    repeated = [one for one in found if one.rule == REPEATED_HEAD]
    lost = _not_repeated(path, repeated) if repeated else []
    others = [f"{o.rule} page {o.page}: {o.message}" for o in found if o.rule != REPEATED_HEAD]
    with pikepdf.open(path) as pdf:
        return [*others, *lost, *pdf.check_pdf_syntax()]


def _not_repeated(path: Path, findings: list) -> list[str]:
    """The lines that are artifacts, and no tagged lines of an earlier page."""
    document = Document(str(path))
    try:
        tagged, lines = {}, {}
        for page in document.pages:
            for line in document.content(page.index).lines:
                if line.artifact_share < 0.2:
                    tagged.setdefault(_words(line), page.number)
                lines[page.number, _place(line.bbox)] = line
        lost = []
        for one in findings:
            assert one.count == len(one.boxes)  # outloud keeps 40 boxes a page
            for box in one.boxes:
                line = lines[box["page"], _place((box["x0"], box["y0"], box["x1"], box["y1"]))]
                if tagged.get(_words(line), one.page) >= one.page:
                    lost.append(f"{one.rule} page {one.page}: {line.text[:90]}")
        return lost
    finally:
        document.close()


def _words(line) -> str:
    return "".join(line.text.split())


def _place(box: tuple) -> tuple:
    return tuple(round(edge, 1) for edge in box)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        sys.stdout.write(f"{name}: {problems(Path(name)) or 'nothing'}\n")
