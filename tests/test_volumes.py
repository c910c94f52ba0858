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
