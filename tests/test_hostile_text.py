"""Whatever hospitals write in a cell is text in the report: in HTML, PDF and Word, nothing ends it."""

import html
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from sap.intake import sdtm
from sap.simulate import trial

PLAN = Path(__file__).parents[1] / "analysis" / "plan.yml"
# Marks that begin something in Typst, Markdown, HTML or a spreadsheet; a lone "#" is a fracture.
WORDS = [
    "#", "# rib", "= x", "+ x", "/ x", "/* x", "1. x", "@x", "$x$", "<x>", "~", "`", "\\", "x\\", "*",
    "_", "-", "- x", "[x]", "]", "//x", '"#"', '"', "'", ":", "; x", "{x}", "|", "^x^", "&amp;", "!x",
    "(x", "%", "#let x", "骨折 left", "🦴", "كسر", "e\u0301\u0328 x", "x\u2028y",
]  # fmt: skip
COLUMNS = {
    "ae": ["AETERM", "AEDECOD", "AEBODSYS"],
    "cm": ["CMTRT"],
    "mh": ["MHTERM", "MHDECOD"],
    "dv": ["DVTERM", "DVDECOD"],
    "ds": ["DSTERM"],
    "dm": ["SITEID"],
    "ie": ["IETEST"],
    "tr": ["TRREASND"],
    "pc": ["PCREASND"],
    "ex": ["EXADJ"],
}


def hostile() -> dict[str, pd.DataFrame]:
    tables = trial.simulate(128, ctc_threshold=3)
    for domain, columns in COLUMNS.items():
        for shift, column in enumerate(columns):
            cells = tables[domain][column]
            words = [WORDS[(row + 7 * shift) % len(WORDS)] for row in range(len(cells))]
            tables[domain][column] = cells.where(cells.isna() | cells.eq(""), words)
    others = tables["tu"]["TUORRES"].ne("TARGET")
    words = [WORDS[row % len(WORDS)] for row in range(len(others))]
    tables["tu"]["TULOC"] = tables["tu"]["TULOC"].mask(others, words)
    return tables


def formatted(text: str) -> str:
    return text.replace("\u2028", " ")


@pytest.mark.slow
def test_every_word_of_the_data_stands_in_the_report_as_it_was_written(tmp_path):
    """data.md 11: "#" ended the PDF, Chinese the figures."""
    sdtm.write(hostile(), tmp_path / "extract")
    for words in (
        ("run", "--plan", PLAN, "--source", tmp_path / "extract", "--out", tmp_path / "report",
         "--frozen", tmp_path / "frozen"),
        ("report", tmp_path / "report", "--kind", "csr", "--docx"),
    ):  # fmt: skip
        call = [sys.executable, "-m", "sap", *map(str, words)]
        got = subprocess.run(call, capture_output=True, text=True, check=False)
        assert got.returncode == 0, got.stderr
        if words[0] == "run":
            assert (
                "6 character(s) of the data appear as a box in figures: "
                "U+0631, U+0633, U+0643, U+6298, U+9AA8, U+1F9B4" in got.stderr
            )
    page = (tmp_path / "report" / "csr.html").read_text(encoding="utf-8")
    cells = {
        html.unescape(cell).strip() for cell in re.split(r"<[^>]+>", page.replace("<wbr>", ""))
    }
    assert {word for word in map(formatted, WORDS) if word not in cells} == set()
    with zipfile.ZipFile(tmp_path / "report" / "csr.docx") as archive:
        document = archive.read("word/document.xml").decode("utf-8")
    text = html.unescape(re.sub(r"<[^>]+>", "", document.replace("</w:tc>", "\n")))
    lines = {line.strip() for line in text.replace("\u200b", "").splitlines()}
    assert {word for word in map(formatted, WORDS) if word not in lines} == set()
    assert (tmp_path / "report" / "csr.pdf").stat().st_size > 100_000
