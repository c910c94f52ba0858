"""Volumes: chapters of a report that are a PDF of their own, and chapters that only the HTML has."""

import re
from pathlib import Path
from typing import Any

import pypdf
import pytest
import yaml
from docx import Document

from sap import publish
from sap.errors import RenderError
from sap.publish import volumes

FACTS: dict[str, Any] = {
    "study": "TOY-1",
    "kind": "csr",
    "audience": "closed",
    "cut_off": "2018-06-30",
}
HEADER = {
    "title": "T",
    "volumes": [
        {"name": "16-2", "title": "Listings", "label": "listings volume", "chapters": ["listings"]}
    ],
    "html-only": ["plan"],
}
BODY = "# 1 Text {#a}\n\nSee [Listing 7](#tlf-x), [the plan](#b) and [itself](#a).\n"
PLAN = "# 2 Plan {#b}\n\nPrinted by the page.\n"
LISTINGS = """### 3 Listings {#c}

Explained in [section 1](#a).

::: {#tlf-x .tlf .tlf-listing}
::: {.tlf-caption}
[Listing 7]{.tlf-number} [Patients]{.tlf-title} [Population: all]{.tlf-population}
:::

```{=html}
<table><thead><tr><th>Who</th></tr></thead><tbody><tr><td><a href="#a">T-1</a></td></tr></tbody></table>
```

::: {.tlf-notes}
- Note.
:::
:::
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("volumes")
    return rendered(folder, HEADER)


def rendered(folder: Path, header: dict[str, Any]) -> Path:
    texts = {"setup": "", "text": BODY, "plan": PLAN, "listings": LISTINGS}
    texts["setup"] = "```{python}\n#| label: setup\n#| include: false\nimport os\n```\n"
    for name, text in texts.items():
        (folder / f"{name}.qmd").write_text(text, encoding="utf-8")
    lines = ["---", yaml.safe_dump(header).strip(), "---", ""]
    lines += [f"{{{{< include {name}.qmd >}}}}" for name in texts]
    (folder / "root.qmd").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "run").mkdir(exist_ok=True)
    publish.render(
        folder / "root.qmd",
        run=folder / "run",
        out=folder / "out",
        formats=("html", "pdf", "docx"),
        stem="csr",
        profile=None,
        facts=FACTS,
        progress=lambda _: None,
    )
    return folder / "out"


def words_of(path: Path) -> str:
    return " ".join(" ".join(p.extract_text() for p in pypdf.PdfReader(path).pages).split())


def test_each_volume_is_a_file(made: Path) -> None:
    assert sorted(p.name for p in made.iterdir()) == [
        "csr-16-2.pdf",
        "csr.docx",
        "csr.html",
        "csr.pdf",
    ]


def test_the_page_holds_everything_with_its_links(made: Path) -> None:
    page = (made / "csr.html").read_text(encoding="utf-8")
    for heading in ("1 Text</h1>", "2 Plan</h1>", "3 Listings</h3>"):
        assert heading in page
    assert '<a href="#tlf-x">Listing 7</a>' in page
    assert "volume" not in page.split("<main")[1].split("<script")[0]


def test_the_body_names_the_volume_that_holds_a_display(made: Path) -> None:
    text = words_of(made / "csr.pdf")
    assert "See Listing 7 (listings volume), the plan (HTML report) and itself." in text
    assert "2 Plan" not in text
    assert "3 Listings" not in text


def test_a_volume_has_title_page_contents_lists_and_facts(made: Path) -> None:
    text = words_of(made / "csr-16-2.pdf")
    assert "Clinical study report. Listings" in text  # on the title page
    for words in (
        "Contents",
        "List of listings",
        "Data cut-off 2018-06-30",
        "TOY-1",
        "Confidential",
    ):
        assert words in text
    assert "Explained in section 1 (main volume)." in text
    assert "T-1" in text
    assert "Printed by the page" not in text


def test_the_first_page_of_a_volume_is_upright_with_title_and_contents_and_the_others_may_be_turned(
    tmp_path: Path,
) -> None:
    turned = HEADER | {"volumes": [HEADER["volumes"][0] | {"landscape": True}]}
    first, *others = pypdf.PdfReader(rendered(tmp_path, turned) / "csr-16-2.pdf").pages
    assert first.mediabox.height > first.mediabox.width
    assert "List of listings" in first.extract_text()
    assert others
    assert all(page.mediabox.width > page.mediabox.height for page in others)
    assert "3 Listings" in others[0].extract_text()
    (body,) = pypdf.PdfReader(tmp_path / "out" / "csr.pdf").pages[-1:]
    assert body.mediabox.height > body.mediabox.width


def test_a_volume_whose_pages_are_upright_begins_below_its_contents(made: Path) -> None:
    (only,) = pypdf.PdfReader(made / "csr-16-2.pdf").pages
    assert "T-1" in only.extract_text()


def test_the_word_file_is_the_body(made: Path) -> None:
    text = "\n".join(p.text for p in Document(str(made / "csr.docx")).paragraphs)
    assert "1 Text" in text
    assert not re.search("2 Plan|3 Listings", text)


@pytest.mark.parametrize(
    "header, words",
    [
        ({"html-only": ["plans"]}, "names the chapter plans, which is not included"),
        ({"volumes": [{"name": "x", "chapters": []}]}, "needs chapters, label, name, title"),
    ],
)
def test_a_header_that_names_no_chapter_is_refused(header: dict[str, Any], words: str) -> None:
    with pytest.raises(RenderError, match=words):
        volumes.marked(header, ["text", "plan"], ["", ""])


def test_a_document_without_volumes_is_one() -> None:
    assert volumes.marked({"title": "T"}, ["a", "b"], ["A", "B"]) == "A\n\nB"


# What is copied -----------------------------------------------------------------------------------

SUM = "0123456789abcdef" * 4


def test_a_checksum_is_copied_as_its_characters_from_pdf_page_and_word(tmp_path: Path) -> None:
    """A long word may be broken at the end of a line, without a character that says so."""
    mark = "\u200b"
    marked = mark.join((SUM[:24], SUM[24:48], SUM[48:]))
    texts = (
        f"# 1 Text {{#a}}\n\nThe file has the sum {marked} and the code `{SUM}`.\n\n{LISTINGS[1:]}"
    )
    cell = f"<td>{SUM[:20]}<wbr>{SUM[20:]}</td>"
    texts = texts.replace('<td><a href="#a">T-1</a></td>', cell).replace("- Note.", f"- {marked}.")
    (tmp_path / "text.qmd").write_text(texts, encoding="utf-8")
    (tmp_path / "root.qmd").write_text("---\ntitle: T\n---\n\n{{< include text.qmd >}}\n")
    (tmp_path / "run").mkdir()
    publish.render(
        tmp_path / "root.qmd",
        run=tmp_path / "run",
        out=tmp_path / "out",
        formats=("html", "pdf", "docx"),
        stem="csr",
        profile=None,
        facts=FACTS,
        progress=lambda _: None,
    )
    pdf = "".join(page.extract_text() for page in pypdf.PdfReader(tmp_path / "out/csr.pdf").pages)
    page = (tmp_path / "out" / "csr.html").read_text(encoding="utf-8")
    document = Document(str(tmp_path / "out" / "csr.docx"))
    cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    word = "".join([*(p.text for p in document.paragraphs), *cells])
    for text in (pdf, page, word):
        assert mark not in text
    assert pdf.replace("\n", "").count(SUM) == 4
    assert re.sub("<wbr ?/?>", "", page).count(SUM) == 4
    assert word.count(SUM) == 4


# Word ---------------------------------------------------------------------------------------------

NUMBERED = """# 11 Results {#sec-11}

See [Table 11-2](#tlf-b), [Figure 14.2.1.2](#tlf-d) and [the table](#tlf-b).

"""


def captioned(name: str, label: str, kind: str) -> str:
    return (
        f"::: {{#tlf-{name} .tlf .tlf-{kind}}}\n::: {{.tlf-caption}}\n[{label}]{{.tlf-number}} [Title {name}]{{.tlf-title}}\n:::\n\n"
        "::: {.tlf-absent}\nNothing.\n:::\n\n::: {.tlf-notes}\n- Note.\n:::\n:::\n\n"
    )


@pytest.fixture(scope="module")
def word(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("word")
    shown = [
        ("a", "Table 11-1", "table"), ("b", "Table 11-2", "table"), ("c", "Figure 11-1", "figure"),
        ("d", "Figure 14.2.1.2", "figure"), ("e", "Table 14.2.1.3", "table"),
    ]  # fmt: skip
    (folder / "text.qmd").write_text(
        "```{python}\n#| label: setup\n#| include: false\nimport os\n```\n\n"
        + NUMBERED
        + "".join(captioned(*one) for one in shown),
        encoding="utf-8",
    )
    (folder / "root.qmd").write_text("---\ntitle: T\n---\n\n{{< include text.qmd >}}\n")
    (folder / "run").mkdir()
    publish.render(
        folder / "root.qmd",
        run=folder / "run",
        out=folder / "out",
        formats=("docx",),
        stem="csr",
        profile=None,
        facts=FACTS,
        progress=lambda _: None,
    )
    return Document(str(folder / "out" / "csr.docx"))


def fields_of(paragraph: Any) -> list[tuple[str, str]]:
    """The code and the shown text of each field of a paragraph."""
    fields, code, shown, part = [], "", "", ""
    for node in paragraph._p.iter():
        name = node.tag.rpartition("}")[2]
        if name == "fldChar":
            part = next(value for key, value in node.items() if key.endswith("fldCharType"))
            if part == "begin":
                code, shown = "", ""
            elif part == "end":
                fields.append((code.strip(), shown))
        elif name == "instrText":
            code += node.text
        elif name == "t" and part == "separate":
            shown += node.text
    return fields


def test_word_numbers_captions_by_sequences_that_begin_with_the_number_of_the_report(
    word: Any,
) -> None:
    """A gap (Figure 14.2.1.2 is the first) is a set number; what follows counts on, figures and tables together."""
    captions = [
        p for p in word.paragraphs if p.style.name.endswith(" Title") and "Title " in p.text
    ]
    assert [(p.style.name, p.text.split("\u2002")[0], *fields_of(p)) for p in captions] == [
        ("Table Title", "Table 11-1", (r"SEQ Table_11 \* ARABIC", "1")),
        ("Table Title", "Table 11-2", (r"SEQ Table_11 \* ARABIC", "2")),
        ("Figure Title", "Figure 11-1", (r"SEQ Figure_11 \* ARABIC", "1")),
        ("Figure Title", "Figure 14.2.1.2", (r"SEQ Display_14_2_1 \* ARABIC \r 2", "2")),
        ("Table Title", "Table 14.2.1.3", (r"SEQ Display_14_2_1 \* ARABIC", "3")),
    ]


def test_what_the_text_of_word_cites_follows_the_number_of_its_display(word: Any) -> None:
    (text,) = (p for p in word.paragraphs if p.text.startswith("See "))
    assert text.text == "See Table 11-2, Figure 14.2.1.2 and the table."
    assert fields_of(text) == [
        (r"REF _Ref_tlf_b \h", "Table 11-2"),
        (r"REF _Ref_tlf_d \h", "Figure 14.2.1.2"),
    ]
    marks = re.findall(r'w:name="(_Ref_\w+)"', word.element.xml)
    assert marks == [f"_Ref_tlf_{name}" for name in "abcde"]


def test_contents_and_lists_of_word_are_filled_fields_and_word_has_nothing_to_ask(
    word: Any,
) -> None:
    xml = word.element.xml
    codes = [
        code.strip() for code in re.findall(r"<w:instrText[^>]*>([^<]*)<", xml) if "TOC" in code
    ]
    assert codes == [
        r'TOC \o "1-3" \h \z \u',
        r'TOC \h \z \t "Table Title,1"',
        r'TOC \h \z \t "Figure Title,1"',
    ]
    lists = [p.text for p in word.paragraphs if p.style.name == "Contents Entry"]
    assert lists == [
        "Table 11-1\u2002Title a", "Table 11-2\u2002Title b", "Table 14.2.1.3\u2002Title e",
        "Figure 11-1\u2002Title c", "Figure 14.2.1.2\u2002Title d",
    ]  # fmt: skip
    assert xml.count('fldCharType="begin"') == xml.count('fldCharType="end"')
    assert "dirty" not in xml
    assert "updateFields" not in word.settings.element.xml
