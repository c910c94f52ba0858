"""How full the pages of a PDF are, by the ink on the rendered pages.

A gap is a strip over the full width of the text area, at least a centimetre high, without ink. A page is as
empty as its gaps are high, of the height of its text area; header and footer are left out. What is inside
the frame of a figure is part of that figure, because its rules and axes are ink.

    python tests/page_ink.py build/report/csr.pdf
"""

import sys
from pathlib import Path

import numpy as np
import pypdfium2

DPI = 36
CM = DPI / 2.54
TOP, BOTTOM = 2.4, 2.1  # cm, header and footer of the template
GAP = 1.0  # cm
INK = 215  # a grey darker than this is ink


def emptiness(path: Path) -> list[float]:
    """The empty part of each page, 0 to 1."""
    document = pypdfium2.PdfDocument(path)
    return [_empty_part(np.asarray(_grey(page))) for page in document]


def _grey(page: pypdfium2.PdfPage) -> np.ndarray:
    bitmap = page.render(scale=DPI / 72, grayscale=True)
    return bitmap.to_numpy()[:, :, 0] if bitmap.to_numpy().ndim == 3 else bitmap.to_numpy()


def _empty_part(pixels: np.ndarray) -> float:
    area = pixels[round(TOP * CM) : pixels.shape[0] - round(BOTTOM * CM)]
    inked = (area < INK).any(axis=1)
    empty, run = 0, 0
    for row in [*inked, True]:
        if row:
            empty += run if run >= GAP * CM else 0
            run = 0
        else:
            run += 1
    return empty / len(inked)


def summary(path: Path) -> str:
    """The number of pages, those more than half empty, and the mean."""
    parts = emptiness(path)
    most = [f"{i} ({part:.0%})" for i, part in enumerate(parts, start=1) if part > 0.5]
    mean = sum(parts) / len(parts)
    return f"{len(parts)} pages, mean {mean:.0%} empty, {len(most)} more than half: {', '.join(most)}\n"


if __name__ == "__main__":
    sys.stdout.writelines(summary(Path(name)) for name in sys.argv[1:])
