"""The outside check of PDFs: what it explains, and what it must find."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sap.publish import pdf

MOMENT = datetime(2020, 1, 1, tzinfo=UTC)
HEAD = "Patient of the trial with first dose and last dose of this drug"
START = '#set document(title: "t")\n#set page(height: 8cm)\n= Title\n'


def made(folder: Path, source: str) -> Path:
    (folder / "made.pdf").write_bytes(pdf.compile_pdf(START + source, folder, MOMENT))
    return folder / "made.pdf"


def test_the_repeated_heads_of_a_table_are_explained(tmp_path: Path, pdf_problems: Any) -> None:
    rows = "".join(f"[{i}]," for i in range(40))
    path = made(tmp_path, f"#table(columns: 1, table.header[{HEAD}], {rows})")
    assert pdf_problems(path) == []


def test_prose_that_is_an_artifact_is_an_error(tmp_path: Path, pdf_problems: Any) -> None:
    path = made(tmp_path, f"Some text.\n\n#pdf.artifact[{HEAD}]")
    assert pdf_problems(path) == [f"TAG-002 page 1: {HEAD}"]


def test_a_file_without_tags_is_an_error(tmp_path: Path, pdf_problems: Any) -> None:
    import typst

    (tmp_path / "plain.typ").write_text("Text without a title.", encoding="utf-8")
    path = tmp_path / "plain.pdf"
    path.write_bytes(typst.compile(str(tmp_path / "plain.typ"), pdf_tags=False))
    assert any(one.startswith("DOC-") for one in pdf_problems(path))


def test_what_is_no_pdf_is_not_readable(tmp_path: Path, pdf_problems: Any) -> None:
    (tmp_path / "no.pdf").write_text("no", encoding="utf-8")
    (only,) = pdf_problems(tmp_path / "no.pdf")
    assert only.startswith("not readable")
