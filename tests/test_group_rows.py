"""The labels of groups of rows in the structure of the PDF: data, not heads of columns."""

import io
from datetime import UTC, datetime
from pathlib import Path

import pypdf

from sap.publish import pdf

SOURCE = """#set document(title: "T")
#table(
  columns: 2,
  table.header[Characteristic][Patients],
  table.header(level: 2, repeat: true, table.cell(colspan: 2)[Age]),
  [Mean], [68],
  [Median], [70],
  table.header(level: 2, repeat: true, table.cell(colspan: 2)[Race]),
  [White], [20],
)
"""


def rows_of(data: bytes) -> list[list[tuple[str, str]]]:
    """Each row of the first table: type of each cell and what its attributes say of heads."""
    reader = pypdf.PdfReader(io.BytesIO(data))
    rows: list[list[tuple[str, str]]] = []

    def walk(element):
        element = element.get_object()
        if not isinstance(element, dict):
            return
        if element.get("/S") == "/TR":
            rows.append([(c["/S"], heads(c)) for c in (k.get_object() for k in element["/K"])])
            return
        kids = element.get("/K", [])
        for kid in kids if isinstance(kids, list) else [kids]:
            walk(kid)

    def heads(cell):
        given = [a for a in cell.get("/A", []) if a.get("/O") == "/Table"]
        return " ".join(key for a in given for key in ("/Scope", "/Headers") if key in a)

    walk(reader.trailer["/Root"]["/StructTreeRoot"])
    return rows


def test_a_label_of_a_group_is_data_and_the_heads_of_columns_are_heads(tmp_path: Path):
    """By hand: one row of two heads, then five rows of data; no cell refers to the label of its group."""
    made = pdf.compile_pdf(SOURCE, tmp_path, datetime(2020, 1, 1, tzinfo=UTC))
    rows = rows_of(made)
    assert [[kind for kind, _ in row] for row in rows] == [
        ["/TH", "/TH"],
        ["/TD"],
        ["/TD", "/TD"],
        ["/TD", "/TD"],
        ["/TD"],
        ["/TD", "/TD"],
    ]
    assert all("/Scope" in heads for _, heads in rows[0])
    assert all(heads == "" for row in rows[1:] if len(row) == 2 for _, heads in row)
    assert all("/Scope" not in heads for row in rows[1:] for _, heads in row)


def test_every_offset_of_the_file_holds(tmp_path: Path):
    made = pdf.compile_pdf(SOURCE, tmp_path, datetime(2020, 1, 1, tzinfo=UTC))
    start = int(made.rsplit(b"startxref\n", 1)[1].split()[0])
    assert made[start : start + 4] == b"xref" or made[start:].split(b"\n")[0].endswith(b"obj")
    assert "Median" in pypdf.PdfReader(io.BytesIO(made)).pages[0].extract_text()
    assert b"qpdf" not in made.lower()


def test_rows_that_stay_together_are_data(tmp_path: Path):
    """Rows that Typst keeps on one page as heads of the third level are rows of the body as others are."""
    source = SOURCE.rstrip()[:-1] + (
        "  table.header(level: 2, repeat: true, table.cell(colspan: 2)[Sex]),\n"
        "  table.header(level: 3, repeat: false, [Female], [0], [Male], [20]),\n  [Not known], [0],\n)\n"
    )
    rows = rows_of(pdf.compile_pdf(source, tmp_path, datetime(2020, 1, 1, tzinfo=UTC)))
    assert [kind for kind, _ in rows[0]] == ["/TH", "/TH"]
    assert {kind for row in rows[1:] for kind, _ in row} == {"/TD"}
    assert all(heads == "" for row in rows[1:] if len(row) == 2 for _, heads in row)
