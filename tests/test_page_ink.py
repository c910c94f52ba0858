"""The measure of empty pages, on pages whose ink is known."""

from collections.abc import Callable
from pathlib import Path

import pytest


def page_of(folder: Path, *bars: tuple[float, float]) -> Path:
    """A page of A4 with black bars: each from so many centimetres below the upper edge, so high."""
    import typst

    lines = ["#set page(width: 21cm, height: 29.7cm, margin: 0pt)"]
    lines += [
        f"#place(top, dy: {y}cm, rect(width: 10cm, height: {high}cm, fill: black))"
        for y, high in bars
    ]
    (folder / "page.typ").write_text("\n".join(lines), encoding="utf-8")
    typst.compile(str(folder / "page.typ"), output=str(folder / "page.pdf"))
    return folder / "page.pdf"


@pytest.mark.parametrize(
    "bars, empty",
    [
        # The text area is 29.7 - 2.4 - 2.1 = 25.2 cm high and begins at 2.4.
        ([(2.4, 25.2)], 0.0),
        ([(2.4, 12.6)], 0.5),
        ([(2.4, 6.3)], 0.75),
        ([(2.4, 6.3), (15.0, 12.6)], 0.25),  # a gap inside counts like one at the foot
        (
            [(2.4, 12.0), (15.0, 12.6)],
            0.0,
        ),  # one of 0.6 cm does not: it is the space before a heading
        ([(0.5, 1.5), (28.0, 1.0)], 1.0),  # header and footer alone
    ],
)
def test_a_page_is_as_empty_as_its_gaps_are_high(
    tmp_path: Path,
    bars: list[tuple[float, float]],
    empty: float,
    emptiness: Callable[[Path], list[float]],
) -> None:
    (measured,) = emptiness(page_of(tmp_path, *bars))
    assert measured == pytest.approx(empty, abs=0.01)
