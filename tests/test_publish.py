"""The built-in engine on a toy document: two displays and a listing whose last rows are hostile."""

import asyncio
import csv
import html
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import psutil
import pypdf
import pytest
import yaml
from docx import Document
from docx.enum.section import WD_ORIENTATION
from docx.enum.text import WD_TAB_ALIGNMENT
from docx.oxml.ns import qn

from sap import __version__, publish
from sap.errors import RenderError, UsageError
from sap.publish import cache, docx, kernels, pdf, report, source, tree
from sap.publish import facts as page_words

TOY = Path(__file__).parent / "publish_toy" / "toy.qmd"
KEYS = [f"psa_response|PRIMARY|||||{name}" for name in ("N", "n", "estimate")]
FACTS: dict[str, Any] = {
    "study": "TOY-1",
    "registry": "NCT00000000",
    "title": "A toy trial <of> #nothing",
    "kind": "dsmb",
    "audience": "closed",
    "status": "FINAL",
    "cut_off": "2018-06-30",
    "cut_off_name": "final",
    "synthetic": True,
    "cut_id": "2018-06-30-final",
    "addresses": {
        key: {"analysis": "psa_response", "method": "Clopper-Pearson", "note": "</script><b>"}
        for key in KEYS
    },
}
HOSTILE = [
    "<script>alert(1)</script>",
    '#let x = 1; #panic("no") $x$ @ref <label> *b* _i_ `r` = h',
    "\\input{/etc/passwd} \\u{41} \\",
    '"#" end "#"quote"',
    "=cmd()",
    "]] #[ // /* -- --- ... 'q'",
    "::: {.x}",
]
ALL = ("html", "pdf", "docx")


def rendered(out: Path, *, run: Path, document: Path = TOY, **changes: Any) -> list[Path]:
    words: dict[str, Any] = {"formats": ALL, "stem": "csr", "profile": "final", "facts": FACTS}
    words |= {"progress": lambda _: None}
    return publish.render(document, run=run, out=out, **words | changes)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toy")
    (folder / "run").mkdir()
    rendered(folder / "out", run=folder / "run")
    return folder / "out"


@pytest.fixture(scope="module")
def page(toy: Path) -> str:
    return (toy / "csr.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def pages(toy: Path) -> list[str]:
    return [page.extract_text() for page in pypdf.PdfReader(toy / "csr.pdf").pages]


@pytest.fixture(scope="module")
def word(toy: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(toy / "csr.docx")


@pytest.fixture
def document(tmp_path: Path) -> Any:
    """Write a small document of a set-up and chapters; gives its path."""

    def write(*chapters: str) -> Path:
        (tmp_path / "setup.qmd").write_text(
            "```{python}\n#| label: setup\n#| include: false\nimport os\n```\n", encoding="utf-8"
        )
        lines = ["---", "title: T", "---", "", "{{< include setup.qmd >}}"]
        for number, text in enumerate(chapters):
            (tmp_path / f"chapter-{number}.qmd").write_text(text, encoding="utf-8")
            lines.append(f"{{{{< include chapter-{number}.qmd >}}}}")
        (tmp_path / "root.qmd").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (tmp_path / "run").mkdir(exist_ok=True)
        return tmp_path / "root.qmd"

    return write


def children() -> list[psutil.Process]:
    return [p for p in psutil.Process().children(recursive=True) if is_kernel(p)]


def is_kernel(process: psutil.Process) -> bool:
    """A kernel, or the process that forks them."""
    try:
        words = " ".join(process.cmdline())
    except psutil.Error:
        return False
    return "ipykernel" in words or "sap.publish.kernel_pool" in words


# The same bytes everywhere --------------------------------------------------------------------

AGAIN = """
import json, sys
from pathlib import Path
from sap import publish
run, out, toy, facts = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), json.loads(sys.argv[4])
publish.render(toy, run=run, out=out, formats=("html", "pdf", "docx"), stem="csr", profile="final",
               facts=facts, progress=lambda _: None)
"""


@pytest.mark.slow
def test_another_place_zone_language_home_and_hash_seed_give_the_same_bytes(
    toy: Path, tmp_path: Path
) -> None:
    strange = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "TZ": "Pacific/Kiritimati",
        "LANG": "tr_TR.UTF-8",
        "LC_ALL": "C",
        "PYTHONHASHSEED": "4711",
        "SOURCE_DATE_EPOCH": "1",
        "MPLBACKEND": "svg",
        "JUPYTER_PATH": "/nowhere",
    }
    run, out = tmp_path / "some other run", tmp_path / "deep" / "er"
    run.mkdir()
    subprocess.run(
        [sys.executable, "-c", AGAIN, str(run), str(out), str(TOY), json.dumps(FACTS)],
        env=strange,
        cwd=tmp_path,
        check=True,
    )
    for name in ("csr.html", "csr.pdf", "csr.docx"):
        assert (out / name).read_bytes() == (toy / name).read_bytes(), name


def test_nothing_of_this_machine_is_in_the_files(toy: Path, word: zipfile.ZipFile) -> None:
    inside = b"".join(word.read(name) for name in word.namelist())
    for content in ((toy / "csr.html").read_bytes(), (toy / "csr.pdf").read_bytes(), inside):
        for secret in (str(toy.parent), str(Path.home() / ""), sys.prefix):
            if secret != "/":
                assert secret.encode() not in content


def test_the_files_are_dated_by_the_cut_off(toy: Path, word: zipfile.ZipFile) -> None:
    assert pypdf.PdfReader(toy / "csr.pdf").metadata.creation_date.date().isoformat() == (
        "2018-06-30"
    )
    assert word.read("docProps/core.xml").count(b"2018-06-30T00:00:00Z") == 2
    assert {entry.date_time for entry in word.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_nothing_is_left_behind(toy: Path) -> None:
    assert sorted(path.name for path in toy.iterdir()) == ["csr.docx", "csr.html", "csr.pdf"]
    assert sorted(path.name for path in toy.parent.iterdir()) == ["out", "run"]
    assert children() == []


# What is on the pages -------------------------------------------------------------------------


def test_every_page_of_the_pdf_says_study_status_audience_cut_off_and_synthetic(
    pages: list[str],
) -> None:
    for number, text in enumerate(pages):  # the cover of the board's report has no number
        for words in ("TOY-1", "FINAL", "Closed report", "Synthetic data", "2018-06-30 (final)"):
            assert words in text, (number, words)
        assert not number or f"Page {number} of {len(pages) - 1}" in text


def test_the_pdf_has_title_language_outline_and_tags(toy: Path) -> None:
    reader = pypdf.PdfReader(toy / "csr.pdf")
    root = reader.trailer["/Root"]
    assert reader.metadata.title == FACTS["title"]
    assert root["/Lang"] == "en-GB"
    assert root["/MarkInfo"]["/Marked"]
    assert "/StructTreeRoot" in root
    flat = [entry.title for entry in _flat(reader.outline)]
    # Two chapters of the board's report come before the list of what it holds.
    assert flat[0] == "2 Synopsis"
    assert flat.index("List of tables") == flat.index("Contents") + 1
    assert (
        flat.index("11 Efficacy evaluation") < flat.index("Contents") < flat.index("16 Appendices")
    )
    assert [title for title in flat if title[0].isdigit()] == [
        "2 Synopsis",
        "2.1 A table in the text",
        "11 Efficacy evaluation",
        "16 Appendices",
        "16.2.7 Adverse events by patient",
    ]


def _flat(outline: list[Any]) -> Iterator[Any]:
    for entry in outline:
        if isinstance(entry, list):
            yield from _flat(entry)
        else:
            yield entry


def test_the_pdf_claims_pdf_ua_1_and_pdf_a_2a_which_typst_has_checked(toy: Path) -> None:
    """Typst refuses to write a file that breaks the standard it was asked for."""
    metadata = pypdf.PdfReader(toy / "csr.pdf").trailer["/Root"]["/Metadata"].get_data().decode()
    assert "<pdfuaid:part>1</pdfuaid:part>" in metadata
    assert "<pdfaid:part>2</pdfaid:part>" in metadata
    assert "<pdfaid:conformance>A</pdfaid:conformance>" in metadata


def test_a_listing_repeats_its_header_and_has_its_notes_at_its_end(toy: Path) -> None:
    """What a reader aloud would miss, being an artefact where repeated, stands once."""
    reader = pypdf.PdfReader(toy / "csr.pdf")
    turned = [page for page in reader.pages if page.mediabox.width > page.mediabox.height]
    assert len(turned) > 2
    for number, page in enumerate(turned):
        text = page.extract_text()
        assert "Listing 16.2.7.1" in text
        assert ("(continued)" in text) == (number > 0)
        assert "Participant" in text
        assert ("Sorted by participant and start." in text) == (number == len(turned) - 1)


@pytest.mark.parametrize("lines_before", range(16, 40, 4))
def test_a_short_table_stays_on_one_page_with_its_heading_and_introduction(
    lines_before: int, document: Any, tmp_path: Path
) -> None:
    """Wherever on a page it begins; a page has about 45 lines."""
    rows = "".join(f"<tr><td>row{i:02d}</td><td>{i}</td></tr>" for i in range(20))
    table = f"<table><thead><tr><th>A</th><th>B</th></tr></thead><tbody>{rows}</tbody></table>"
    filling = "\n\n".join(f"Filling {i}." for i in range(lines_before))
    root = document(
        f"# 1 First {{#a}}\n\n{filling}\n\n## 1.1 Heading {{#b}}\n\nThe rows follow.\n\n"
        "::: {#tlf-x .tlf .tlf-table}\n::: {.tlf-caption}\n[Table 1]{.tlf-number} "
        "[Title]{.tlf-title} [Population: all]{.tlf-population}\n:::\n\n"
        f"```{{=html}}\n{table}\n```\n\n::: {{.tlf-notes}}\n- The note.\n:::\n:::\n"
    )
    words: dict[str, Any] = {"document": root, "formats": ("pdf",)}
    words["facts"] = FACTS | {"kind": "csr"}
    (made,) = rendered(tmp_path / "out", run=tmp_path / "run", **words)
    texts = [page.extract_text() for page in pypdf.PdfReader(made).pages]
    assert "Contents" in texts[1]  # of a study report they stand in front
    texts = texts[2:]
    (whole,) = (text for text in texts if "row00" in text)
    for piece in ("1.1 Heading", "The rows follow.", "Table 1", "row19", "The note."):
        assert piece in whole, piece


def test_lists_of_displays_follow_the_first_chapter_of_a_dsmb_report(
    pages: list[str], page: str
) -> None:
    assert "2 Synopsis" in pages[1]
    front = next(text for text in pages[2:] if "List of tables" in text)
    for words in ("List of tables", "Table 14.2.1.1", "List of figures", "List of listings"):
        assert words in front
    assert '<a href="#tlf-psa">Table 14.2.1.1 Confirmed PSA response</a>' in page


def test_a_display_of_several_pages_is_listed_once(document: Any, tmp_path: Path) -> None:
    def part(suffix: str, further: str, words: str) -> str:
        return (
            f"::: {{#tlf-x{suffix} .tlf .tlf-figure{further}}}\n::: {{.tlf-caption}}\n"
            f"[Figure 7]{{.tlf-number}} [Course]{{.tlf-title}} [({words})]{{.tlf-part}} "
            "[Population: all]{.tlf-population}\n:::\n\nWords.\n\n::: {.pagebreak}\n:::\n\n"
            "::: {.tlf-notes}\n- The note.\n:::\n:::\n"
        )

    chapter = "# 1 First {#a}\n\n"
    page_after_page = (("", "", "one"), ("-2", " .tlf-further", "two"))
    chapter += "\n".join(f"# {i} {{#b{i}}}\n\n{part(*of)}" for i, of in enumerate(page_after_page))
    root = document(chapter)
    words: dict[str, Any] = {"document": root, "formats": ("html", "pdf", "docx")}
    words["facts"] = FACTS | {"kind": "csr"}
    made = {path.suffix: path for path in rendered(tmp_path / "out", run=tmp_path / "run", **words)}

    html = made[".html"].read_text("utf-8")
    assert re.findall(r"<li><a href=\"#tlf-x[^<]*", html.split("<main")[0]) == [
        '<li><a href="#tlf-x">Figure 7 Course'
    ]
    texts = [page.extract_text() for page in pypdf.PdfReader(made[".pdf"]).pages]
    (front,) = (text for text in texts if "List of figures" in text)
    assert len(re.findall(r"Figure 7 Course", front)) == 1
    assert "(one)" not in front
    at = [n for n, text in enumerate(texts, 1) for of in ("one", "two") if f"Course ({of})" in text]
    assert len(at) == 2
    with zipfile.ZipFile(made[".docx"]) as word:
        written = word.read("word/document.xml").decode()
    before, _, _ = written.rpartition("1 First")
    listed = re.findall(r'w:anchor="tlf-x[^"]*"', before)
    assert listed == ['w:anchor="tlf-x"']


def test_a_figure_has_its_alternative_text_in_every_format(
    toy: Path, page: str, word: zipfile.ZipFile
) -> None:
    words = "Kaplan-Meier curve; median 14.3 months, 20 deaths of 25"
    assert f'alt="{words}"' in page
    assert f'descr="{words}"' in word.read("word/document.xml").decode()
    assert words in list(_alternatives(pypdf.PdfReader(toy / "csr.pdf")))


def _alternatives(reader: pypdf.PdfReader) -> Iterator[str]:
    waiting = [reader.trailer["/Root"]["/StructTreeRoot"]]
    while waiting:
        node = waiting.pop()
        node = node.get_object() if hasattr(node, "get_object") else node
        if isinstance(node, list):
            waiting.extend(node)
        elif isinstance(node, dict):
            if "/Alt" in node:
                yield str(node["/Alt"])
            if "/K" in node:
                waiting.append(node["/K"])


def test_word_has_one_title_and_no_empty_cell_as_high_as_a_line_of_text(
    word: zipfile.ZipFile,
) -> None:
    body = ElementTree.fromstring(word.read("word/document.xml"))
    styles = [each.get(qn("w:val")) for each in body.iter(qn("w:pStyle"))]
    assert styles.count("Title") == 1
    cells = [each for each in body.iter(qn("w:tc")) if merged_into(each) != "continue"]
    assert cells
    styled = "/".join(map(qn, ("w:p", "w:pPr", "w:pStyle")))
    assert all(cell.find(styled) is not None for cell in cells)


def merged_into(cell: ElementTree.Element) -> str | None:
    merge = cell.find(f"{qn('w:tcPr')}/{qn('w:vMerge')}")
    return None if merge is None else merge.get(qn("w:val"))


def document_of_pandoc(*body: str) -> bytes:
    """A Word document whose body is this XML, as pandoc packs one."""
    empty = io.BytesIO()
    Document().save(empty)
    packed = io.BytesIO()
    with zipfile.ZipFile(empty) as old, zipfile.ZipFile(packed, "w") as new:
        for name in old.namelist():
            content = old.read(name).decode("utf-8", "replace") if name.endswith("xml") else None
            if name == "word/document.xml":
                start = content[: content.index("<w:body>")]
                content = f"{start}<w:body>{''.join(body)}<w:sectPr/></w:body></w:document>"
            new.writestr(name, old.read(name) if content is None else content)
    return packed.getvalue()


def test_no_portrait_page_lies_between_two_landscape_displays_of_word() -> None:
    """Sections by hand: P before the first, one of its own for each of two neighbours, P, the third."""
    one, end = "<!-- landscape --><w:tbl/>", "<!-- portrait -->"
    mark = '<w:bookmarkStart w:id="1" w:name="m"/><w:bookmarkEnd w:id="1"/>'
    laid = Document(
        io.BytesIO(document_of_pandoc(f"<w:p/>{one}{end}\n {mark} \n{one}{end}<w:p/>{one}{end}"))
    )
    docx._turn_landscape_displays(laid, docx._page_forms(laid, page_words.page_facts(FACTS, None)))
    body = laid.element.body
    kinds = {qn("w:tbl"): "t", qn("w:bookmarkEnd"): "b"}
    shapes = [
        ("L" if each.get(qn("w:orient")) == "landscape" else "P")
        if each.tag == qn("w:pgSz")
        else kinds[each.tag]
        for each in body.iter(qn("w:pgSz"), *kinds)
    ]
    assert "".join(shapes) == "PtLbtLPtLP"  # the last P is the page that ends the document
    assert body.xpath("comment()") == []


def test_word_tables_are_tables_whose_headers_repeat(toy: Path) -> None:
    document = Document(str(toy / "csr.docx"))
    heads = [len(table._tbl.findall(f".//{qn('w:tblHeader')}")) for table in document.tables]
    assert heads == [1, 2, 1]  # the pipe table, the two header rows of 14.2.1.1, the listing
    whole = [len(table._tbl.findall(f".//{qn('w:cantSplit')}")) for table in document.tables]
    assert whole == heads


def test_a_table_of_word_is_as_wide_as_the_text_of_its_page(toy: Path) -> None:
    """A4 less 1134 and 1417 twentieths of a point: 9355 upright and 14287 on its side."""
    document = Document(str(toy / "csr.docx"))
    wide = [
        sum(int(column.get(qn("w:w"))) for column in table._tbl.iter(qn("w:gridCol")))
        for table in document.tables
    ]
    assert len(wide) > 1
    assert all(min(abs(each - 9355), abs(each - 14287)) <= 20 for each in wide)
    assert any(abs(each - 14287) <= 20 for each in wide)


def test_each_page_of_word_has_header_and_footer_up_to_its_right_margin(toy: Path) -> None:
    """A4, 1134 and 1417 twentieths of a point at the sides: 9355 and 14287 between them."""
    sections = list(Document(str(toy / "csr.docx")).sections)
    forms = [(s.orientation, s.page_width.twips, s.page_height.twips) for s in sections]
    portrait = (WD_ORIENTATION.PORTRAIT, 11906, 16838)
    assert forms == [portrait, (WD_ORIENTATION.LANDSCAPE, 16838, 11906), portrait]
    for section, width in zip(sections, (9355, 14287, 9355), strict=True):
        (header,), (footer,) = section.header.paragraphs, section.footer.paragraphs
        subject = "Report to the data and safety monitoring board"
        status = "FINAL · Closed report (DSMB members only) · Synthetic data"
        assert header.text == f"TOY-1 · {subject}\t{status}"
        assert (header.style.style_id, footer.style.style_id) == ("Header", "Footer")
        assert footer.text.startswith("Data cut-off 2018-06-30 (final)\tPage ")
        fields = [each.get(qn("w:instr")) for each in footer._p.iter(qn("w:fldSimple"))]
        assert fields == ["PAGE", "NUMPAGES"]
        for paragraph in (header, footer):
            (stop,) = paragraph.paragraph_format.tab_stops
            assert (stop.position.twips, stop.alignment) == (width, WD_TAB_ALIGNMENT.RIGHT)


def test_word_is_dated_by_the_cut_off_and_asks_nothing_on_opening(toy: Path) -> None:
    document = Document(str(toy / "csr.docx"))
    properties = document.core_properties
    moment = datetime(2018, 6, 30, tzinfo=UTC)
    assert (properties.created.date(), properties.modified.date()) == (moment.date(),) * 2
    assert document.settings.element.find(qn("w:updateFields")) is None
    assert not [e for e in document.element.iter(qn("w:fldChar")) if e.get(qn("w:dirty"))]


def test_the_contents_of_word_are_filled_and_each_entry_leads_to_its_heading(toy: Path) -> None:
    """The headings of the toy's three chapters, as typed there, by level."""
    document = Document(str(toy / "csr.docx"))
    (block,) = document.element.body.iter(qn("w:sdt"))
    entries = {}
    for paragraph in block.iter(qn("w:p")):
        link = paragraph.find(qn("w:hyperlink"))
        if link is not None:
            words = "".join(text.text for text in link.iter(qn("w:t")))
            entries[words] = (paragraph.style, link.get(qn("w:anchor")))
    typed = {}
    for chapter in sorted((TOY.parent / "chapters").glob("*.qmd")):
        text = re.sub(
            r"^(```+).*?^\1$",
            "",
            chapter.read_text(encoding="utf-8"),
            flags=re.MULTILINE | re.DOTALL,
        )
        for marks, words in re.findall(r"^(#{1,3}) (.*?)(?: \{.*\})?$", text, flags=re.MULTILINE):
            typed[words] = f"TOC{len(marks)}"
    assert len(typed) > 3
    assert {words: style for words, (style, _) in entries.items()} == typed
    for paragraph in document.paragraphs:
        if paragraph.style.style_id in ("Heading1", "Heading2", "Heading3"):
            names = [e.get(qn("w:name")) for e in paragraph._p.iter(qn("w:bookmarkStart"))]
            assert entries[paragraph.text][1] in names
    kinds = [e.get(qn("w:fldCharType")) for e in block.iter(qn("w:fldChar"))]
    assert kinds == ["begin", "separate", "end"]
    ids = [e.get(qn("w:id")) for e in document.element.iter(qn("w:bookmarkStart"))]
    assert len(ids) == len(set(ids))


def test_word_has_the_same_bytes_at_another_time(monkeypatch: pytest.MonkeyPatch) -> None:
    made = document_of_pandoc("<w:p/>")
    facts = page_words.page_facts(FACTS | {"synthetic": False}, None)
    first = docx.finished(made, facts)
    monkeypatch.setattr(time, "time", lambda: 2_000_000_000.0)
    monkeypatch.setattr(time, "localtime", lambda *_: time.gmtime(2_000_000_000))
    assert docx.finished(made, facts) == first


def test_conditions_choose_by_profile_and_format(
    page: str, pages: list[str], tmp_path: Path
) -> None:
    printed = "\n".join(pages)
    assert "Only the final report says this." in page
    assert "Only the interim report says this." not in page + printed
    assert "Only the HTML says this." in page
    assert "Only the HTML says this." not in printed
    assert "Only the PDF says this." in printed
    assert "Only the PDF says this." not in page


def test_inline_values_are_text_unless_they_say_markdown(page: str) -> None:
    assert "Two and two are 4, and a word with markup is a_b *c* &lt;d&gt;." in re.sub(
        r"\s+", " ", page
    )
    assert '<span class="ard" data-ard="psa_response|PRIMARY|||||N">25</span>' in page


def test_citations_become_text_and_a_reference(page: str, pages: list[str]) -> None:
    for text in (html.unescape(page), "\n".join(pages)):
        text = " ".join(re.sub(r"<[^>]*>", "", text).split())
        assert "the exact interval is that of Clopper and Pearson (1934)" in text
        assert "Biometrika" in text


# Hostile text ---------------------------------------------------------------------------------


def visible(text: str) -> str:
    return re.sub(r"\s+", "", text.replace("\u200b", ""))


@pytest.mark.parametrize("words", HOSTILE)
def test_hostile_text_arrives_as_text(
    words: str, page: str, pages: list[str], word: zipfile.ZipFile
) -> None:
    table = re.search(r'<div class="tlf-scroll"[^>]*Listing.*?</table>', page, re.DOTALL)
    assert table
    assert words in [html.unescape(cell) for cell in re.findall(r"<td>(.*?)</td>", table[0])]
    assert visible(words) in visible("".join(pages))
    body = ElementTree.fromstring(word.read("word/document.xml"))
    assert visible(words) in visible("".join(body.itertext()))


def test_a_word_of_ten_thousand_letters_is_complete_in_every_format(
    page: str, pages: list[str], word: zipfile.ZipFile
) -> None:
    assert "A" * 10_000 in page
    assert "".join(pages).count("A") >= 10_000
    body = ElementTree.fromstring(word.read("word/document.xml"))
    assert "A" * 10_000 in "".join(body.itertext()).replace("\u200b", "")


def test_characters_without_a_glyph_are_named_in_the_pdf_and_unchanged_elsewhere(
    page: str, pages: list[str]
) -> None:
    assert "\U0001f600" in page
    assert "U+1F600" in "".join(pages)


def test_only_characters_without_a_glyph_are_rewritten(tmp_path: Path) -> None:
    kept = "≥ ≤ ± µ é – — − ‰ α β → א"
    assert pdf.with_visible_characters(kept, tmp_path) == kept
    assert pdf.with_visible_characters("a\U0001f600\x07b", tmp_path) == "a‹U+1F600›‹U+0007›b"


def test_an_address_cannot_end_its_script(page: str) -> None:
    block = re.search(r'<script type="application/json" id="addresses">(.*?)</script>', page)
    assert block
    assert "<" not in block[1]
    assert json.loads(block[1]) == FACTS["addresses"]


# Refusals -------------------------------------------------------------------------------------


def test_a_failing_cell_names_chapter_cell_and_reason(document: Any, tmp_path: Path) -> None:
    root = document("# Fine {#a}\n", "```{python}\n#| label: sum\n1 / 0\n```\n")
    with pytest.raises(RenderError) as caught:
        rendered(tmp_path / "out", run=tmp_path / "run", document=root)
    assert caught.value.exit_code == 14
    assert str(caught.value) == "chapter-1.qmd, cell sum: ZeroDivisionError: division by zero"
    assert sorted(path.name for path in tmp_path.glob(".*")) == []
    assert list((tmp_path / "out").iterdir()) == []
    assert children() == []


def test_a_kernel_that_ends_while_it_is_stopped_keeps_no_other_alive() -> None:
    """jupyter_client raises when two ask one kernel to end; the rest must still be asked."""
    asked = []

    class Ending:
        has_kernel = True

        async def shutdown_kernel(self, *, now: bool) -> None:
            asked.append(now)
            raise asyncio.InvalidStateError

    running = object.__new__(kernels._Kernels)
    running._clients = [SimpleNamespace(km=Ending()), SimpleNamespace(km=Ending())]
    asyncio.run(running._stop())
    assert asked == [True, True]


def test_a_message_of_two_lines_in_inline_code_is_printed_completely(
    document: Any, tmp_path: Path
) -> None:
    root = document("""```{python}
#| label: two
class TimeRecord:
    def rate(self):
        raise ValueError("What is wrong.\\nWhat to do.")
```

`{python} TimeRecord().rate()`
""")
    with pytest.raises(
        RenderError, match=r"TimeRecord\(\)\.rate\(\).*What is wrong\. What to do\.$"
    ):
        rendered(tmp_path / "out", run=tmp_path / "run", document=root)


def test_failing_inline_code_is_quoted(document: Any, tmp_path: Path) -> None:
    root = document("The rate is `{python} nothing.rate()`.\n")
    with pytest.raises(RenderError) as caught:
        rendered(tmp_path / "out", run=tmp_path / "run", document=root)
    assert "chapter-0.qmd, inline code: RuntimeError: `{python} nothing.rate()`: NameError" in str(
        caught.value
    )


def test_chapters_share_the_set_up_and_nothing_else(document: Any, tmp_path: Path) -> None:
    uses_setup = "```{python}\n#| label: one\n#| include: false\nos.getcwd(); mine = 1\n```\n"
    root = document(uses_setup, "`{python} mine`\n")
    with pytest.raises(RenderError, match=r"chapter-1.qmd.*name 'mine' is not defined"):
        rendered(tmp_path / "out", run=tmp_path / "run", document=root)


@pytest.mark.parametrize("form", ALL)
def test_a_link_to_a_display_that_is_not_shown_stops_the_render(
    form: str, document: Any, tmp_path: Path
) -> None:
    root = document("# A {#a}\n\n[Table 1](#tlf-lost) and [here](#a).\n")
    with pytest.raises(RenderError, match="#tlf-lost") as caught:
        rendered(tmp_path / "out", run=tmp_path / "run", document=root, formats=(form,))
    assert "#a," not in str(caught.value)


def test_a_closed_display_in_an_open_report_stops_the_render(document: Any, tmp_path: Path) -> None:
    root = document("::: {#tlf-x .tlf .tlf-table .closed}\nA\n:::\n")
    open_facts = FACTS | {"audience": "open"}
    with pytest.raises(RenderError, match="tlf-x is closed"):
        rendered(tmp_path / "out", run=tmp_path / "run", document=root, facts=open_facts)


def test_an_id_given_twice_stops_the_render(document: Any, tmp_path: Path) -> None:
    root = document("# A {#same}\n", "# B {#same}\n")
    with pytest.raises(RenderError, match="the id same is given twice"):
        rendered(tmp_path / "out", run=tmp_path / "run", document=root)


def test_a_missing_include_and_a_missing_reference_are_named(document: Any, tmp_path: Path) -> None:
    root = document("As [@nobody1900] says.\n")
    (tmp_path / "refs.bib").write_text("", encoding="utf-8")
    text = root.read_text(encoding="utf-8")
    root.write_text(text.replace("title: T", "title: T\nbibliography: refs.bib"), encoding="utf-8")
    with pytest.raises(RenderError, match="nobody1900"):
        rendered(tmp_path / "out", run=tmp_path / "run", document=root)
    root.write_text(text + "{{< include gone.qmd >}}\n", encoding="utf-8")
    with pytest.raises(RenderError, match=r"gone\.qmd does not exist"):
        rendered(tmp_path / "out", run=tmp_path / "run", document=root)


def test_a_bare_picture_is_refused(document: Any, tmp_path: Path) -> None:
    cell = (
        "```{python}\n#| label: drawing\nfrom IPython.display import SVG\n"
        "SVG('<svg xmlns=\"http://www.w3.org/2000/svg\"/>')\n```\n"
    )
    with pytest.raises(RenderError, match="cell drawing: shows a bare SVG, which has no number"):
        rendered(tmp_path / "out", run=tmp_path / "run", document=document(cell))


def of_code(code: str, label: str = "own") -> str:
    return f"# A {{#{label}}}\n\n```{{python}}\n#| label: {label}\n{code}\n```\n"


@pytest.mark.parametrize(
    "code,reason",
    [
        ("import pandas as pd\npd.DataFrame({'a': [1]})", "shows a bare DataFrame,"),
        ("import pandas as pd\npd.Series([1])", "shows a bare Series,"),
        ("import matplotlib.pyplot as plt\nplt.figure()", "shows a bare Figure,"),
        ("import matplotlib.pyplot as plt\nplt.plot([1, 2])", "shows a bare list,"),
        (
            "import matplotlib.pyplot as plt\n_ = plt.plot([1, 2])",
            "draws a figure with matplotlib ",
        ),
    ],
)
def test_a_table_or_figure_without_the_style_of_the_report_is_refused(
    code: str, reason: str, document: Any, tmp_path: Path
) -> None:
    with pytest.raises(RenderError) as caught:
        rendered(tmp_path / "out", run=tmp_path / "run", document=document(of_code(code)))
    assert str(caught.value).startswith(f"chapter-0.qmd, cell own: {reason}")
    assert "sap.displays.figure" in str(caught.value)


BROKEN_DISPLAY = """class Rates:
    def _repr_markdown_(self):
        raise ValueError("What is known.\\nthe level is unknown")
rates = Rates()
"""


def test_an_exception_in_a_display_is_shown_with_its_type_and_message(
    document: Any, tmp_path: Path
) -> None:
    root = document(of_code(BROKEN_DISPLAY + "rates"))
    with pytest.raises(RenderError) as caught:
        rendered(tmp_path / "out", run=tmp_path / "run", document=root)
    assert str(caught.value) == "chapter-0.qmd, cell own: ValueError: the level is unknown"
    assert caught.value.exit_code == 14
    root = document(of_code(BROKEN_DISPLAY) + "\nA rate of `{python} rates`.\n")
    with pytest.raises(RenderError) as caught:
        rendered(tmp_path / "out", run=tmp_path / "run", document=root)
    assert str(caught.value).endswith(
        "`{python} rates`: ValueError: What is known. the level is unknown"
    )


def test_a_display_that_leaves_one_form_to_another_is_shown(document: Any, tmp_path: Path) -> None:
    """NotImplementedError says that a form is not offered, as everywhere in IPython."""
    code = """class Both:
    def _repr_html_(self):
        raise NotImplementedError
    def _repr_markdown_(self):
        return "shown as **Markdown**"
Both()"""
    page, *_ = rendered(
        tmp_path / "out", run=tmp_path / "run", document=document(of_code(code)), formats=("html",)
    )
    assert "shown as <strong>Markdown</strong>" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("chapters", [1, 2])  # a kernel from nothing; a parent and two forks
def test_a_failed_import_names_chapter_cell_and_module(
    chapters: int, document: Any, tmp_path: Path
) -> None:
    parts = [of_code("import of_no_package", f"own-{n}") for n in range(chapters)]
    with pytest.raises(RenderError) as caught:
        rendered(tmp_path / "out", run=tmp_path / "run", document=document(*parts))
    place = r"chapter-(\d)\.qmd, cell own-\1"
    reason = "ModuleNotFoundError: No module named 'of_no_package'"
    assert re.fullmatch(f"{place}: {reason}", str(caught.value))


@pytest.mark.parametrize("chapters", [1, 2])
def test_a_kernel_that_cannot_be_imported_shows_the_last_line_of_its_own_error(
    chapters: int, document: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "packages" / "ipykernel"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('no sockets here')", encoding="utf-8")
    paths = os.pathsep.join([str(package.parent), str(Path(source.__file__).parents[2])])
    monkeypatch.setattr(kernels, "import_path", lambda: {"PYTHONPATH": paths})
    parts = [of_code("1", f"own-{n}") for n in range(chapters)]
    with pytest.raises(RenderError, match=r"ended: .*ImportError: no sockets here$") as caught:
        rendered(tmp_path / "out", run=tmp_path / "run", document=document(*parts))
    assert "memory" not in str(caught.value)


@pytest.mark.parametrize("chapters", [1, 2])
@pytest.mark.parametrize("ending,reason", [("_exit(3)", "ended with exit code 3"), ("kill(os.getpid(), 9)", "was killed (out of memory?)")])  # fmt: skip
def test_a_kernel_that_ends_names_the_cell_and_how_it_ended(
    ending: str, reason: str, chapters: int, document: Any, tmp_path: Path
) -> None:
    parts = [of_code(f"import os; os.{ending}", f"own-{n}") for n in range(chapters)]
    with pytest.raises(RenderError) as caught:
        rendered(tmp_path / "out", run=tmp_path / "run", document=document(*parts))
    assert re.fullmatch(
        rf"chapter-(\d)\.qmd, cell own-\1: the kernel {re.escape(reason)}", str(caught.value)
    )


@pytest.mark.parametrize("chapters", [1, 2])
def test_a_kernel_that_imports_another_sap_is_refused(
    chapters: int, document: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "packages" / "sap"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text('__version__ = "0.0.1"', encoding="utf-8")
    monkeypatch.setattr(kernels, "import_path", lambda: {"PYTHONPATH": str(other.parent)})
    parts = [of_code("1", f"own-{n}") for n in range(chapters)]
    with pytest.raises(RenderError) as caught:
        rendered(tmp_path / "out", run=tmp_path / "run", document=document(*parts))
    ours = Path(source.__file__).parents[1].resolve()
    assert str(caught.value).endswith(
        f"imports sap 0.0.1 from {other.resolve()}, and the report is made by sap {__version__} "
        f"from {ours}: install one of them only"
    )


IMPORTED = """
import json, sys
from pathlib import Path
from sap import publish
run, out, document, facts = sys.argv[1:]
publish.render(Path(document), run=Path(run), out=Path(out), formats=("html",), stem="csr",
               profile="final", facts=json.loads(facts), progress=lambda _: None)
"""


@pytest.mark.parametrize("chapters", [1, 2])
def test_kernels_import_the_sap_that_renders(chapters: int, document: Any, tmp_path: Path) -> None:
    """A checkout that is run where another sap is installed renders with its own code."""
    package = Path(source.__file__).parents[1]
    copied = tmp_path / "checkout" / "src" / "sap"
    shutil.copytree(package, copied, ignore=shutil.ignore_patterns("__pycache__"))
    parts = [of_code("import sap; print(sap.__file__)", f"own-{n}") for n in range(chapters)]
    arguments = [tmp_path / "run", tmp_path / "out", document(*parts), json.dumps(FACTS)]
    subprocess.run(
        [sys.executable, "-c", IMPORTED, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(copied.parent)},
        check=True,
    )
    page = (tmp_path / "out" / "csr.html").read_text(encoding="utf-8")
    assert page.count(str(copied / "__init__.py")) == chapters


def test_an_unknown_format_and_a_bad_cut_off_are_wrong_use(document: Any, tmp_path: Path) -> None:
    root = document("# A {#a}\n")
    with pytest.raises(UsageError, match="'rtf'"):
        rendered(tmp_path / "out", run=tmp_path / "run", document=root, formats=("rtf",))
    with pytest.raises(UsageError, match="not a date"):
        rendered(tmp_path / "out", run=tmp_path / "run", document=root, facts={"cut_off": "June"})


# Chapters that are kept -----------------------------------------------------------------------


@pytest.fixture
def cached_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A study in a temporary folder, and a call that says whether its chapter had to run.

    The kernel is a stand-in, so that nothing but the names of what is kept decides.
    """
    study = tmp_path / "study"
    for name, content in CACHE_INPUTS.items():
        (study / name).parent.mkdir(parents=True, exist_ok=True)
        (study / name).write_text(content, encoding="utf-8")
    code = {"displays/table.py": study / "code" / "table.py"}
    monkeypatch.setattr(cache.software, "code_files", lambda: code)
    monkeypatch.setattr(cache, "project_home", lambda: study)
    own = ("analysis/", "data-contracts/")
    files = {name: study / name for name in CACHE_INPUTS if name.startswith(own)}
    monkeypatch.setattr(cache.software, "project_files", lambda: files)
    times = []

    async def counted(*_: Any) -> tuple[list[list[str]], list[str]]:
        times.append(1)
        return [["1"], ["Shown."]], []

    monkeypatch.setattr(kernels, "run_chapter", counted)

    def has_to_run(profile: str = "final", epoch: int = 0) -> bool:
        times.clear()
        taken = source.read(study / "root.qmd", study, profile)
        around = kernels.RenderSettings(study, study / "run", epoch, tmp_path / "cache")
        work = tmp_path / "work"
        (told,) = kernels.run_chapters(taken.setup, taken.chapters, around, lambda _: None, work)
        assert told.startswith("The 1 ")
        assert told.endswith("\n\nShown.\n")
        assert ("Soon." in told) == (profile == "interim")
        assert ("it, edited." in told) == ("it, edited." in taken.chapters[0].cells[0].source)
        return bool(times)

    return study, has_to_run


CACHE_INPUTS = {
    "root.qmd": "{{< include setup.qmd >}}\n{{< include chapter.qmd >}}\n",
    "setup.qmd": "```{python}\n#| label: setup\n#| include: false\nx = 1\n```\n",
    "chapter.qmd": (
        "The `{python} x` of it.\n\n"
        "::: {.content-visible when-profile='interim'}\nSoon.\n:::\n\n"
        "```{python}\n#| label: cell\nx\n```\n"
    ),
    "code/table.py": "DIGITS = 1\n",
    "analysis/displays.yml": "tlf-a: {number: 1}\n",
    "analysis/plan.yml": "decline_pct: 50\n",
    "data-contracts/lb.yaml": "name: lb\n",
    "requirements.lock": "pandas==2.3.3\n",
    "run/ard.csv": "analysis,stat\na,1\n",
    "run/adam/adsl.parquet": "rows",
    "run/tables/plan.json": "{}",
    "run/tables/run.json": '{"audience": "open"}',
}


@pytest.mark.parametrize("name", [name for name in CACHE_INPUTS if name != "root.qmd"])
@pytest.mark.parametrize("keeps_its_time", [False, True])
def test_one_byte_of_any_input_makes_a_chapter_run_again(
    name: str, keeps_its_time: bool, cached_study: Any
) -> None:
    study, has_to_run = cached_study
    assert has_to_run()
    assert not has_to_run()
    path = study / name
    times = path.stat()
    content = path.read_bytes()
    if name in ("setup.qmd", "chapter.qmd"):
        where = content.index(b"x =" if name == "setup.qmd" else b"x\n")
    else:
        where = len(content) - 2
    path.write_bytes(content[:where] + bytes([content[where] ^ 1]) + content[where + 1 :])
    if keeps_its_time:  # same size, same time: only the bytes differ
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert has_to_run()
    path.write_bytes(content)
    os.utime(path, (0, 0))
    assert not has_to_run()


def test_prose_is_no_input_of_a_kernel_and_is_printed_unchanged(cached_study: Any) -> None:
    study, has_to_run = cached_study
    assert has_to_run()
    path = study / "chapter.qmd"
    content = path.read_text(encoding="utf-8")
    path.write_text(content.replace("of it.", "of it, edited."), encoding="utf-8")
    assert not has_to_run()
    assert not has_to_run(profile="interim")
    path.write_text(content.replace("`{python} x`", "`{python} x` `{python} x`"), encoding="utf-8")
    with pytest.raises(StopIteration):  # the stand-in shows one value; it was asked for two
        has_to_run()


def test_a_new_a_lost_and_a_renamed_input_make_a_chapter_run_again(cached_study: Any) -> None:
    study, has_to_run = cached_study
    has_to_run()
    dataset = study / "run" / "adam" / "adsl.parquet"
    dataset.rename(dataset.with_name("adae.parquet"))
    assert has_to_run()
    (dataset.with_name("adrs.parquet")).write_bytes(b"")
    assert has_to_run()
    shutil.rmtree(study / "run" / "tables")
    assert has_to_run()


def test_cut_off_packages_and_variables_make_a_chapter_run_again(
    cached_study: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, has_to_run = cached_study
    has_to_run()
    assert has_to_run(epoch=86_400)
    monkeypatch.setenv("LD_LIBRARY_PATH", "/elsewhere")
    assert has_to_run()
    monkeypatch.setattr(cache.software, "environment", lambda: {"packages": {"pandas": "2.4"}})
    assert has_to_run()
    assert not has_to_run()


@pytest.mark.parametrize("damage", ["cut", "changed", "renamed"])
def test_a_damaged_file_of_the_cache_is_no_hit(
    damage: str, cached_study: Any, tmp_path: Path
) -> None:
    study, has_to_run = cached_study
    has_to_run()
    (path,) = (tmp_path / "cache").iterdir()
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-9])
    elif damage == "changed":
        path.write_bytes(path.read_bytes().replace(b"Shown", b"Sh0wn"))
    else:
        old = path.read_bytes()
        (study / "run" / "ard.csv").write_text("", encoding="utf-8")
        has_to_run()
        (new,) = {*(tmp_path / "cache").iterdir()} - {path}
        new.write_bytes(old)
    assert has_to_run()


def test_typst_is_written_chapter_by_chapter_and_cached(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    call = report.pandoc.run

    def noted(arguments: Any, **words: Any) -> Any:
        asked.append(words["what"])
        return call(arguments, **words)

    monkeypatch.setattr(report.pandoc, "run", noted)
    words: dict[str, Any] = {"run": tmp_path / "run", "formats": ("pdf",)}
    (tmp_path / "run").mkdir()
    for _ in range(2):
        (made,) = rendered(tmp_path / "out", **words, cache=tmp_path / "cache")
        assert made.read_bytes() == (toy / "csr.pdf").read_bytes()
    assert asked.count("typst") == 3 + 2  # each of three chapters once, the whole each time
    other = tmp_path / "other.lua"
    other.write_text(report.FILTER.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    monkeypatch.setattr(report, "FILTER", other)
    asked.clear()
    rendered(tmp_path / "out", **words, cache=tmp_path / "cache")
    assert asked.count("typst") == 3 + 1


def test_what_was_not_used_for_longest_is_removed_first(tmp_path: Path) -> None:
    store = cache.CacheStore(tmp_path)
    for number, name in enumerate("abc"):
        store.save(name, cache.CachedChapter("x" * 1000, "", {}))
        os.utime(tmp_path / f"{name}.json", (number, number))
    assert store.load("a")  # so it is the youngest
    store.prune(most=2 * (tmp_path / "a.json").stat().st_size)
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["a", "c"]


def test_only_the_edited_chapter_runs_and_the_report_is_the_same(
    document: Any, tmp_path: Path
) -> None:
    drawn = (
        "```{python}\n#| label: drawn\nfrom pathlib import Path\n"
        "place = Path(os.environ['SAP_RUN']) / 'figures'\nplace.mkdir()\n"
        "(place / 'a.svg').write_text('<svg xmlns=\"http://www.w3.org/2000/svg\"/>')\n"
        "from IPython.display import Markdown\n"
        "Markdown(f'![One of 2]({place / \"a.svg\"})')\n```\n"
    )
    said: list[str] = []

    def again(sentence: str, out: str, **words: Any) -> bytes:
        root = document(drawn, f"{sentence} `{{python}} 6 * 7`\n")
        said.clear()
        words |= {"document": root, "formats": ("html",), "progress": said.append}
        made = rendered(tmp_path / out, run=tmp_path / "run", **words)
        return made[0].read_bytes()

    words = {"cache": tmp_path / "cache"}
    first = again("A word", "one", **words)
    assert [line for line in said if "unchanged" in line] == []
    shutil.rmtree(tmp_path / "run" / "figures")
    assert again("A word", "two", **words) == first
    assert sum("is unchanged" in line for line in said) == 2
    assert (tmp_path / "run" / "figures" / "a.svg").is_file()
    edited = again("Two words `{python} 1 + 1`", "three", **words)
    assert [line for line in said if "unchanged" in line] == ["chapter-0 is unchanged"]
    assert again("Two words `{python} 1 + 1`", "four") == edited
    assert [line for line in said if "unchanged" in line] == []
    edited = again("Other words `{python} 1 + 1`", "five", **words)  # no kernel sees prose
    assert sum("is unchanged" in line for line in said) == 2
    assert again("Other words `{python} 1 + 1`", "six") == edited
    assert [line for line in said if "unchanged" in line] == []


@pytest.mark.parametrize(
    "reach",
    [
        "open('{outside}').read()",
        "sorted(os.listdir('{folder}'))",
        "import subprocess; subprocess.run(['cat', '{outside}'], capture_output=True).stdout",
        "import socket; socket.socket().connect_ex(('127.0.0.1', 9))",
    ],
)
def test_a_chapter_that_reads_outside_of_its_inputs_is_not_cached(
    reach: str, document: Any, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    outside = tmp_path / "elsewhere" / "numbers.txt"
    outside.write_text("12", encoding="utf-8")
    code = reach.format(outside=outside, folder=outside.parent)
    root = document(f"```{{python}}\n#| label: reach\n#| output: false\n{code}\n```\nText.\n")
    words: dict[str, Any] = {"document": root, "formats": ("html",), "cache": tmp_path / "cache"}
    rendered(tmp_path / "out", run=tmp_path / "run", **words)
    assert not list((tmp_path / "cache").glob("*"))


# A run that is killed -------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("chapters", [1, 3])  # a kernel from nothing; a parent and two forks
def test_a_killed_run_leaves_the_last_report_and_no_kernel(
    chapters: int, document: Any, tmp_path: Path
) -> None:
    root = document("# A {#a}\n")
    run, out = tmp_path / "run", tmp_path / "out"
    rendered(out, run=run, document=root)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    waiting = "```{python}\n#| label: wait\nimport time; time.sleep(120)\n```\n"
    root = document(*[waiting] * chapters)
    call = [sys.executable, "-c", AGAIN, str(run), str(out), str(root), json.dumps(FACTS)]
    process = subprocess.Popen(call, start_new_session=True)
    kernels_of_it = _wait_for_kernel(process.pid, chapters)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    gone, alive = psutil.wait_procs(kernels_of_it, timeout=20)
    assert alive == []
    assert len(gone) >= chapters
    rendered(out, run=run, document=document("# B {#b}\n"))
    assert list(tmp_path.glob(".*rendering")) == []


def _wait_for_kernel(pid: int, kernels: int) -> list[psutil.Process]:
    for _ in range(300):
        found = [p for p in psutil.Process(pid).children(recursive=True) if is_kernel(p)]
        if len(found) >= kernels:
            time.sleep(1)
            return found
        time.sleep(0.1)
    raise AssertionError("no kernel was started")


def test_the_text_of_the_audience_depend_on_the_report() -> None:
    def words(kind: str, audience: str) -> str:
        return page_words.page_facts({"kind": kind, "audience": audience}, None).audience

    assert words("dsmb", "closed") == "Closed report (DSMB members only)"
    assert words("dsmb", "open") == "Open report"
    assert words("csr", "closed") == "Confidential"


# Addresses ------------------------------------------------------------------------------------


def test_addresses_come_from_the_ard_and_hold_only_what_is_shown(tmp_path: Path) -> None:
    columns = [
        "analysis",
        "population",
        "group",
        "paramcd",
        "level",
        "sublevel",
        "stat_name",
        "stat",
    ]
    with (tmp_path / "ard.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(columns)
        table.writerow(["ae", "SAFETY", "", "", "A|B", "", "n", "3"])
        table.writerow(["os", "PRIMARY", "", "", "", "", "median", "14.3"])
    found = page_words.addresses_of({}, tmp_path, {"ae|SAFETY|||A%7CB||n"})
    assert found == {
        "ae|SAFETY|||A%7CB||n": {
            "analysis": "ae",
            "population": "SAFETY",
            "level": "A|B",
            "stat_name": "n",
            "stat": "3",
        }
    }
    with pytest.raises(RenderError, match="lead to no result"):
        page_words.addresses_of({}, tmp_path, {"os|SAFETY|||||median"})


# In the browser -------------------------------------------------------------------------------


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 380])
def test_the_page_asks_for_nothing_complains_of_nothing_and_fits(
    width: int, chromium: Any, toy: Path
) -> None:
    tab = chromium.new_page(viewport={"width": width, "height": 800})
    asked: list[str] = []
    said: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.goto((toy / "csr.html").as_uri())
    assert [url for url in asked if not url.startswith("data:")] == [(toy / "csr.html").as_uri()]
    assert said == []
    wide = tab.evaluate("document.documentElement.scrollWidth")
    assert wide <= width
    tab.close()


@pytest.mark.browser
def test_a_number_leads_to_its_row_by_mouse_and_by_key(chromium: Any, toy: Path) -> None:
    tab = chromium.new_page()
    tab.goto((toy / "csr.html").as_uri())
    panel = tab.locator("#address")
    tab.locator("#tlf-psa .ard").first.click()
    assert panel.is_visible()
    assert "Clopper-Pearson" in panel.inner_text()
    assert "</script><b>" in panel.inner_text()
    tab.keyboard.press("Escape")
    assert panel.is_hidden()
    tab.locator("#tlf-psa .ard").first.focus()
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("Enter")
    assert panel.is_visible()
    assert tab.evaluate("document.activeElement.textContent") == "12.0"
    tab.close()


@pytest.mark.browser
def test_search_finds_and_a_listing_is_filtered_and_sorted(chromium: Any, toy: Path) -> None:
    tab = chromium.new_page()
    tab.goto((toy / "csr.html").as_uri())
    tab.fill("#query", "Kaplan")
    tab.fill("#query", "Confirmed PSA")
    tab.wait_for_selector("mark")
    assert tab.locator("mark").count() == 2  # the title and the group row of Table 14.2.1.1
    tab.fill("#query", "")
    tab.wait_for_selector("mark", state="detached")
    listing = tab.locator("#tlf-ae")
    listing.locator("input").fill("TOY-003")
    assert listing.locator("tbody tr:visible").count() == 1
    listing.locator("input").fill("")
    listing.locator("thead button").first.click()
    listing.locator("thead button").first.click()
    assert listing.locator("tbody tr").first.locator("td").first.inner_text() == "TOY-999"
    tab.close()


CHANGES = ["2.0", "-25.3", "-55.0", "", "10.0", "-30.0"]


@pytest.fixture
def of_changes(document: Any, tmp_path: Path) -> Path:
    """A sentence of several texts, as numbers with an address make it, and a listing of 36 rows."""
    rows = "".join(
        f"<tr><td>CARVE-{i:03d}</td><td>{change}</td><td>grade 1</td></tr>"
        for i, change in enumerate(CHANGES * 6)
    )
    head = "<thead><tr><th>Participant</th><th>Change</th><th>Words</th></tr></thead>"
    root = document(
        "# 1 First {#a}\n\nThe rate was [12.0]{.number} % ([3]{.number} of 25), "
        "for those of grade >= 3. \u0130\u0130 after\n\n::: {#tlf-x .tlf .tlf-listing}\n::: {.tlf-caption}\n"
        "[Listing 1]{.tlf-number} [Title]{.tlf-title} [Population: all]{.tlf-population}\n:::\n\n"
        f"```{{=html}}\n<table>{head}<tbody>{rows}</tbody></table>\n```\n:::\n"
    )
    words: dict[str, Any] = {"document": root, "formats": ("html",)}
    (made,) = rendered(tmp_path / "out", run=tmp_path / "run", **words)
    return made


def wait_for_words(tab: Any, selector: str) -> None:
    """Until an element has text; the page's policy forbids the evaluation of a text as script."""
    for _ in range(300):
        if tab.inner_text(selector):
            return
        tab.wait_for_timeout(50)


@pytest.mark.browser
@pytest.mark.parametrize(
    "asked, places, marks",
    [
        ("was 12.0 % (3", 1, 4),  # over four texts
        ("\u2265 3", 1, 1),  # printed as >=
        ("os", 0, 0),  # not within "those": hits begin where a word does
        ("grade", 37, 37),
        ("grade 1 carve", 0, 0),  # not over the border of two cells
        ("after", 1, 1),  # a dotted capital before it is two signs when small
    ],
)
def test_a_search_reads_sentences_and_cells_as_a_reader_does(
    asked: str, places: int, marks: int, chromium: Any, of_changes: Path
) -> None:
    tab = chromium.new_page()
    tab.goto(of_changes.as_uri())
    before = tab.inner_text("#content")
    tab.fill("#query", asked)
    wait_for_words(tab, "#found")
    said = tab.inner_text("#found")
    assert said.startswith(f"{places} found" if places else "Nothing found")
    assert tab.locator("mark").count() == marks
    if places:
        tab.keyboard.press("Enter")
        assert tab.inner_text("#hits span") == f"1 of {places}"
        tab.click("#hits button[aria-label^=Previous]")
        assert tab.inner_text("#hits span") == f"{places} of {places}"
        tab.click("#hits button[aria-label^=End]")
        assert tab.locator("#hits").is_hidden()
    else:
        tab.fill("#query", "")
    tab.wait_for_selector("mark", state="detached")
    assert tab.inner_text("#content") == before
    tab.close()


@pytest.mark.browser
def test_a_listing_sorts_numbers_with_their_sign_and_filters_by_complete_cells(
    chromium: Any, of_changes: Path
) -> None:
    tab = chromium.new_page()
    tab.goto(of_changes.as_uri())
    listing = tab.locator("#tlf-x")
    column = listing.locator("tbody td:nth-child(2)")
    in_order = ["-55.0", "-30.0", "-25.3", "2.0", "10.0"]
    listing.locator("thead button").nth(1).click()
    assert column.all_inner_texts() == [c for c in in_order for _ in range(6)] + [""] * 6
    listing.locator("thead button").nth(1).click()
    assert column.all_inner_texts() == [c for c in in_order[::-1] for _ in range(6)] + [""] * 6
    shown = listing.locator("tbody tr:visible")
    for words, count in (("grade 55.0", 6), ("0grade", 0), ("1 carve-00", 10)):
        listing.locator("input").fill(words)
        assert shown.count() == count, words
    tab.fill("#query", "CARVE-02")  # ten rows, all filtered away
    wait_for_words(tab, "#found")
    assert tab.inner_text("#found") == "Nothing found"
    tab.close()


@pytest.mark.browser
def test_the_head_of_a_long_listing_stays_and_is_printed_on_every_page(
    chromium: Any, of_changes: Path
) -> None:
    tab = chromium.new_page(viewport={"width": 1280, "height": 600})
    tab.goto(of_changes.as_uri())
    box = tab.locator("#tlf-x .tlf-scroll")
    box.evaluate("box => { box.scrollTop = 300; }")
    top, head = box.bounding_box()["y"], tab.locator("#tlf-x thead").bounding_box()["y"]
    assert abs(head - top) < 2
    made = pypdf.PdfReader(io.BytesIO(tab.pdf()))
    pages = [text for text in (page.extract_text() for page in made.pages) if "CARVE-0" in text]
    assert len(pages) > 1
    assert all("Participant" in text for text in pages)
    tab.close()


@pytest.mark.browser
def test_on_a_telephone_the_contents_begin_below_the_banner_and_can_be_moved(
    chromium: Any, toy: Path
) -> None:
    tab = chromium.new_page(viewport={"width": 380, "height": 400})
    tab.goto((toy / "csr.html").as_uri())
    tab.click("#menu")
    banner, contents = (tab.locator(css).bounding_box() for css in (".banner", "#contents"))
    assert contents["y"] >= banner["y"] + banner["height"] - 1
    assert contents["y"] + contents["height"] <= 401
    tab.fill("#query", "Confirmed PSA")
    tab.wait_for_selector("mark", state="attached")
    tab.keyboard.press("Enter")
    assert tab.locator("#contents").is_hidden()
    tab.keyboard.press("Enter")  # the button that goes on has the focus
    assert tab.inner_text("#hits span") == "2 of 2"
    tab.close()


@pytest.mark.browser
def test_on_a_telephone_a_text_out_of_sight_makes_no_row_tall(
    chromium: Any, document: Any, tmp_path: Path
) -> None:
    comment = "the site said that he felt well again after some days of rest at home"
    cells = "".join(f"<td>participant-{i:03d}</td>" for i in range(6)) + f"<td>{comment}</td>"
    root = document(
        "::: {#tlf-x .tlf .tlf-listing}\n::: {.tlf-caption}\n[Listing 1]{.tlf-number} "
        "[Title]{.tlf-title} [Population: all]{.tlf-population}\n:::\n\n"
        f"```{{=html}}\n<table><tbody><tr>{cells}</tr></tbody></table>\n```\n:::\n"
    )
    words: dict[str, Any] = {"document": root, "formats": ("html",)}
    (made,) = rendered(tmp_path / "out", run=tmp_path / "run", **words)
    tab = chromium.new_page(viewport={"width": 380, "height": 800})
    tab.goto(made.as_uri())
    lines = tab.evaluate("document.querySelector('#tlf-x tbody tr').offsetHeight") / 28
    assert lines <= 3
    tab.evaluate("document.querySelector('#tlf-x table').style.width = '100%'")  # as it was
    assert tab.evaluate("document.querySelector('#tlf-x tbody tr').offsetHeight") / 28 > 3
    tab.close()


@pytest.mark.browser
def test_on_a_telephone_the_contents_open_by_a_button(chromium: Any, toy: Path) -> None:
    tab = chromium.new_page(viewport={"width": 380, "height": 800})
    tab.goto((toy / "csr.html").as_uri())
    assert tab.locator("#contents").is_hidden()
    tab.click("#menu")
    assert tab.locator("#contents").is_visible()
    tab.locator("#contents a", has_text="11 Efficacy").click()
    assert tab.locator("#contents").is_hidden()
    tab.close()


# The other engine -----------------------------------------------------------------------------


def test_without_quarto_the_quarto_engine_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("QUARTO_PATH", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="Quarto is not installed") as caught:
        publish.render_quarto(TOY, run=tmp_path, out=tmp_path / "out", stem="csr", profile=None)
    assert caught.value.exit_code == 2
    assert not (tmp_path / "out").exists()


def by_quarto(place: Path, root: Path = TOY, **words: Any) -> dict[str, str]:
    """What Quarto made of the document, as text; of the PDF its Typst, of Word its XML."""
    made = publish.render_quarto(
        root,
        run=place.parent / "run",
        out=place.parent / "out",
        stem="x",
        **{"profile": "final", "facts": FACTS, "formats": ALL} | words,
    )
    texts = {}
    for path in made:
        if path.suffix == ".docx":
            with zipfile.ZipFile(path) as word:
                texts["docx"] = word.read("word/document.xml").decode("utf-8")
        else:
            texts[path.suffix[1:]] = path.read_text(encoding="utf-8")
    return texts


def plain(text: str) -> str:
    """The words of HTML, Typst or Word without their markup."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).replace("\\", "").split())


def test_quarto_says_title_cut_off_and_synthetic_in_every_format(quarto: Path) -> None:
    made = by_quarto(quarto)
    assert list(made) == ["html", "pdf", "docx"]
    for form, text in made.items():
        words = plain(text)
        assert "A toy trial" in words, form
        assert "#nothing" in words, form
        assert "2018-06-30 (final)" in words, form
        assert "Synthetic data" in words or "synthetic: true" in words, form
        assert "Only the final report says this." in words, form
        assert "Only the interim report says this." not in words, form
    assert "cover: true" in made["pdf"]
    assert made["pdf"].count("#tlf-contents(titled: true)") == 1
    assert list(quarto.rglob("*")) == [quarto / "build", quarto / "build" / "quarto"]


def test_quarto_gets_one_document_without_what_belongs_to_another_report(
    quarto: Path, document: Any
) -> None:
    """The cell of the interim report would fail; Quarto would execute it and hide it afterwards."""
    root = document(
        '::: {.content-visible when-profile="interim"}\n`{python} 1 / 0`\n:::\n\n'
        "# A {#a}\n\nTwo: `{python} 1 + 1`.\n"
    )
    assert "Two: 2." in plain(by_quarto(quarto, root, formats=("html",))["html"])
    with pytest.raises(RenderError, match=r"Quarto failed \(exit 1\): ZeroDivisionError: division"):
        by_quarto(quarto, root, formats=("html",), profile="interim")


def test_a_failure_of_quarto_keeps_the_document_and_no_data(quarto: Path, document: Any) -> None:
    by_quarto(quarto, formats=("html",))
    before = (quarto.parent / "out" / "x.html").read_bytes()
    root = document("Nothing: `{python} ''`.\n")
    with pytest.raises(RenderError, match="would stand in the text") as caught:
        by_quarto(quarto, root)
    kept = quarto / "build" / "quarto" / "x"
    assert f"build/quarto/x/{root.name}" in str(caught.value)
    assert (kept / root.name).is_file()
    assert not (kept / "run").exists()
    assert [path.name for path in (quarto.parent / "out").iterdir()] == ["x.html"]
    assert (quarto.parent / "out" / "x.html").read_bytes() == before


def test_the_built_in_engine_refuses_an_empty_inline_value_too(
    document: Any, tmp_path: Path
) -> None:
    with pytest.raises(RenderError, match="is an empty text, for which Quarto prints the code"):
        rendered(
            tmp_path / "out",
            run=tmp_path / "run",
            document=document("Nothing: `{python} ''`.\n"),
            formats=("html",),
        )


def test_a_text_of_nothing_leaves_nothing_in_the_page(document: Any, tmp_path: Path) -> None:
    said = "type('T', (), {'_repr_markdown_': lambda self: '[]{}'})()"
    root = document(f"Before `{{python}} {said}`after.\n\n`{{python}} {said}`\n")
    (made,) = rendered(tmp_path / "out", run=tmp_path / "run", document=root, formats=("html",))
    assert "<p>Before after.</p>" in made.read_text(encoding="utf-8")
    assert "<p></p>" not in made.read_text(encoding="utf-8")


def test_quarto_reads_our_filter_look_and_defaults() -> None:
    home = report.home_of(TOY)
    project = yaml.safe_load((home / "_quarto.yml").read_text(encoding="utf-8"))
    assert project["project"]["execute-dir"] == "project"
    assert project["execute"]["echo"] is False
    assert project["html-table-processing"] == "none"
    named = [step["path"] for step in project["filters"]]
    named += [project["format"]["html"]["css"], *project["format"]["typst"]["template-partials"]]
    for name in named:
        assert (home / name).is_file(), name
    assert "$" not in (home / "src/sap/publish/typst-template.typ").read_text(encoding="utf-8")
    for name in project["profile"]["group"][0]:
        assert (home / f"_quarto-{name}.yml").is_file()


def test_a_chapter_with_no_code_starts_no_kernel(
    document: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels, "_execute", None)
    root = document("# A {#a}\n\nText.\n")
    (tmp_path / "setup.qmd").write_text("", encoding="utf-8")
    made = rendered(tmp_path / "out", run=tmp_path / "run", document=root, formats=("html",))
    assert b"Text." in made[0].read_bytes()


def test_word_files_are_read_back(word: zipfile.ZipFile) -> None:
    assert word.testzip() is None
    assert io.BytesIO(word.read("word/media/" + _picture(word))).read(8) == b"\x89PNG\r\n\x1a\n"


def _picture(word: zipfile.ZipFile) -> str:
    (name,) = (n for n in word.namelist() if n.startswith("word/media/"))
    return name.removeprefix("word/media/")


def test_kernels_that_were_warm_before_give_the_same_bytes(tmp_path: Path, toy: Path) -> None:
    (tmp_path / "run").mkdir()
    with publish.warm(TOY) as pool:
        rendered(tmp_path / "out", run=tmp_path / "run", formats=("html",), pool=pool)
    assert (tmp_path / "out" / "csr.html").read_bytes() == (toy / "csr.html").read_bytes()


def parsed_with(folder: Path, names: list[str]) -> report._Parsed:
    images = [{"c": [["", [], []], [{"t": "Str", "c": "alt"}], [name, ""]]} for name in names]
    found = tree.Findings(**{each.name: [] for each in fields(tree.Findings)} | {"images": images})
    facts = page_words.page_facts(FACTS, None)
    return report._Parsed({}, found, facts, folder, None, None)


@pytest.mark.parametrize(
    "name, known, complaint",
    [
        ("figure-002.svg", ["figure-001.svg"], "the picture figure-002.svg is not in the report"),
        ("figure-001.gif", ["figure-001.gif"], "the picture figure-001.gif is no .svg"),
    ],
)
def test_a_picture_of_elsewhere_is_not_put_into_the_page(
    name: str, known: list[str], complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(RenderError, match=re.escape(complaint)):
        report._with_pictures(f'<img src="{name}">', parsed_with(tmp_path, known))


def test_a_picture_is_put_into_the_page_completely(tmp_path: Path) -> None:
    (tmp_path / "figure-001.svg").write_bytes(b"<svg/>")
    page = report._with_pictures(
        '<img src="figure-001.svg" alt="a">', parsed_with(tmp_path, ["figure-001.svg"])
    )
    # base64 of "<svg/>", by coreutils
    assert page == '<img src="data:image/svg+xml;base64,PHN2Zy8+" alt="a">'


def block(kind: str, text: str, level: int = 0) -> dict[str, Any]:
    return {"t": kind, "c": [level, text]}


def test_a_long_chapter_is_cut_where_nothing_is_torn_apart() -> None:
    long, short = "x" * 150_000, "x"
    chapter = [
        block("Header", "12 Safety", 1),
        block("Para", long),
        block("Div", long),  # behind the paragraph that introduces it
        block("Div", short),  # after a long display: it cannot share a page with it
        block("Div", long),
        block("Div", long),
        block("Header", "12.2", 2),
        block("Para", long),
        block("Header", "12.2.1", 3),  # no section of its own
        block("Header", "12.3", 2),
    ]
    pieces = [piece for piece, _ in report._pieces(chapter)]
    sizes = [size for _, size in report._pieces(chapter)]
    assert sizes == [sum(len(json.dumps(one)) for one in piece) for piece in pieces]
    assert [each for piece in pieces for each in piece] == chapter
    assert [len(piece) for piece in pieces] == [3, 2, 4, 1]
    assert [piece for piece, _ in report._pieces(chapter[:2])] == [chapter[:2]]
    shorts = [block("Div", short) for _ in range(9)]
    assert [piece for piece, _ in report._pieces(shorts)] == [shorts]
