"""The study report of a synthetic trial as its readers get it: every number walked, every format compared.

Nothing expected here is a copy of our output: the HTML is held against the ARD that it was made
from, the PDF and the Word file against the HTML.
"""

import csv
import json
import re
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pypdf
import pypdfium2
import pytest
import yaml

from sap.publish import pdf

HOME = Path(__file__).parents[1]
PLAN = HOME / "analysis" / "plan.yml"
KEY = ("analysis", "population", "group", "paramcd", "level", "sublevel", "stat_name")
NUMBER = re.compile(r"\d+(?:\.\d+)?")
ALIGNING = str.maketrans({"\u2007": " ", "\u00a0": " ", "\u200b": None})
EMPTY = {"meta", "br", "img", "input", "link", "hr", "col", "wbr"}

pytestmark = pytest.mark.slow


# Reading the page -----------------------------------------------------------------------------


@dataclass
class Piece:
    """A text of the page with the elements it stands in, from the outside in."""

    text: str
    tags: tuple[str, ...]
    inside: tuple[dict[str, str], ...]

    def attribute(self, name: str) -> str | None:
        return next((each[name] for each in reversed(self.inside) if name in each), None)

    def within(self, css: str) -> bool:
        return any(css in each.get("class", "").split() for each in self.inside)

    @property
    def display(self) -> str | None:
        ids = (
            each.get("id", "")
            for each in reversed(self.inside)
            if "tlf" in each.get("class", "").split()
        )
        return next(ids, None)  # fmt: skip


class Page(HTMLParser):
    """The texts of the main part of the report, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.pieces: list[Piece] = []
        self.open: list[tuple[str, dict[str, str]]] = []
        self.goes_on = False  # after a place where a line may end within a word
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.goes_on = tag == "wbr"
        if tag in EMPTY:
            return
        self.open.append((tag, {name: value or "" for name, value in attrs}))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if tag in EMPTY:
            return
        opened, _ = self.open.pop()
        assert opened == tag, f"<{opened}> is closed by </{tag}>"

    def handle_data(self, data: str) -> None:
        if any(tag == "main" for tag, _ in self.open) and data.strip():
            whole = self.pieces.pop().text + data if self.goes_on else data
            self.pieces.append(Piece(whole, *self._place()))
        self.goes_on = False

    def _place(self) -> tuple[tuple[str, ...], tuple[dict[str, str], ...]]:
        return tuple(tag for tag, _ in self.open), tuple(each for _, each in self.open)


@dataclass
class Display:
    """The numbers of a display by the part they stand in."""

    label: str = ""
    title: str = ""
    parts: dict[str, list[str]] = field(default_factory=dict)


def displays_of(page: Page) -> dict[str, Display]:
    """The displays of the page."""
    found: dict[str, Display] = {}
    for piece in page.pieces:
        # The text of a figure on a narrow screen says in HTML what the drawing shows.
        if piece.display is None or piece.within("narrow"):
            continue
        mine = found.setdefault(piece.display, Display())
        text = piece.text.translate(ALIGNING)
        if piece.within("tlf-number"):
            mine.label += text
        elif piece.within("tlf-title"):
            mine.title += text
        elif piece.within("tlf-part"):
            mine.title += f" {text}"
        part = "body"
        for css in ("tlf-caption", "tlf-notes"):
            part = css if piece.within(css) else part
        part = "head" if "thead" in piece.tags else part
        mine.parts.setdefault(part, []).append(text)
        if "td" in piece.tags and any("colspan" in each for each in piece.inside):
            mine.parts.setdefault("groups", []).append(text)
    return found


@dataclass
class Report:
    """A run, its report, and what is read from them once."""

    run: Path
    page: Page
    html: str
    rows: dict[str, dict[str, str]]


def key_of(row: dict[str, str]) -> str:
    return "|".join(row[name].replace("%", "%25").replace("|", "%7C") for name in KEY)


def read(run: Path) -> Report:
    text = (run / "csr.html").read_text(encoding="utf-8")
    with (run / "ard.csv").open(encoding="utf-8", newline="") as file:
        rows = {key_of(row): row for row in csv.DictReader(file)}
    return Report(run, Page(text), text, rows)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    from sap.pipeline import commands

    folder = tmp_path_factory.mktemp("csr")
    commands.simulate(folder / "extract", PLAN, 128, {})
    cut = commands.freeze(folder / "extract", PLAN, "final", folder / "frozen")
    run = commands.analyse(cut, PLAN, folder / "run")
    commands.report(run, "csr", "builtin", ("html", "pdf", "docx"))
    return read(run)


# Every number has an address, and it is the number of that address ------------------------------


def rounded(value: float, decimals: int) -> str:
    """Half away from zero on the decimals that are written, as the plan's conventions say."""
    exact = Decimal(repr(value)).quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)
    return f"{exact:f}".removeprefix("-") if exact == 0 else f"{exact:f}"


PRINTED = re.compile(
    r"(?P<side>[<>]?)(?P<number>-?\d+(?:\.(?P<decimals>\d+))?)(?P<unit> ?%| months)?"
)


# Signs that the page sets for what the ARD and the plan write on a keyboard, and a decision in prose.
TYPESET = {
    "\u2265": ">=",
    "\u2264": "<=",
    "\u2080": "0",
    "\u2081": "1",
    "\u00b2": "2",
    "\u00d710\u2079": "x 10^9",
    "\u00d7": "x",
    "\u00b5": "u",
    "was rejected": "H0 rejected",
}


def as_written(shown: str) -> str:
    """A printed text with the signs of the keyboard.

    >>> as_written("Grade \u2265 3, H\u2080")
    'Grade >= 3, H0'
    """
    for sign, keys in TYPESET.items():
        shown = shown.replace(sign, keys)
    return shown


def says(shown: str, value: float, words: str) -> bool:
    """Whether a printed text is what a row holds: a number as it is or in percent, or its words."""
    shown = as_written(shown)
    if shown == "None":
        return value == 0
    if value != value:  # noqa: PLR0124 - not a number
        return shown in ("NE", "NC") or (
            bool(words) and shown.replace("-", " ") in words.replace("-", " ")
        )
    found = PRINTED.fullmatch(shown)
    if found is None:
        return False
    scales = (100.0,) if (found["unit"] or "").endswith("%") else (1.0, 100.0)
    if found["unit"] == " months":
        scales = (1.0,)
    number, decimals = found["number"], len(found["decimals"] or "")
    if found["side"]:
        limit = float(number)
        return any(
            (s * value < limit) if found["side"] == "<" else (s * value > limit) for s in scales
        )
    exact = [repr(value * s) if s == 1 else str(Decimal(repr(value)) * 100) for s in scales]
    return any(rounded(float(each), decimals) == number for each in exact)


def planned(plan: dict[str, Any], path: str) -> Any:
    here: Any = plan
    for part in path.split("."):
        here = here[int(part)] if isinstance(here, list) else here[part]
    return here


def of_files(run: Path, key: str) -> set[str]:
    """What findings and manifest hold under an address, counted here once more."""
    kind, *rest = key.split("|")
    if kind == "manifest":
        files = json.loads((run / "tables" / "manifest.json").read_text(encoding="utf-8"))["files"]
        (file,) = (each for each in files if each["name"] == rest[0])
        return {
            str(
                {"rows": file["rows"], "columns": len(file["columns"])}.get(rest[1], file["sha256"])
            )
        }
    found = json.loads((run / "tables" / "findings.json").read_text(encoding="utf-8"))
    names = ("severity", "domain", "rule")[: len(rest)]
    return {str(sum(all(one[n] == r for n, r in zip(names, rest, strict=True)) for one in found))}


# A text of the protocol is printed in pieces: the values of the keys in it have addresses of their own.
TEXTS_OF_PLAN = ("plan|protocol.", "plan|estimands.")


def wrong_digits(made: Report) -> list[str]:
    plan = json.loads((made.run / "tables" / "plan.json").read_text(encoding="utf-8"))
    texts: dict[int, tuple[str, list[str]]] = {}
    for piece in made.page.pieces:
        key = piece.attribute("data-ard")
        if key is not None:
            which = next(id(each) for each in reversed(piece.inside) if "data-ard" in each)
            texts.setdefault(which, (key, []))[1].append(piece.text)
    wrong = []
    for key, parts in texts.values():
        shown = " ".join("".join(parts).translate(ALIGNING).replace("\u2212", "-").split())
        if key.startswith("plan|"):
            value = planned(plan, key.removeprefix("plan|"))
            number = isinstance(value, int | float) and not isinstance(value, bool)
            words = {True: "yes", False: "no"}.get(value, str(value)) if not number else ""
            written = as_written(" ".join(words.split())).casefold()
            right = (
                says(shown, float(value), "")
                if number
                else as_written(shown).casefold() == written
                or (key.startswith(TEXTS_OF_PLAN) and as_written(shown).casefold() in written)
            )
        elif key.startswith(("findings|", "manifest|")):
            right = "".join(shown.split()) in of_files(made.run, key)
        elif key.endswith("|no row"):
            place = key.removesuffix("no row")
            right = shown == "0" and f"{place}n" not in made.rows
        elif key in made.rows:
            row = made.rows[key]
            right = says(shown, float(row["stat"] or "nan"), row["stat_text"])
            # The words of a criterion are recorded in capitals and printed as a sentence.
            coded = row["stat_name"] == "term" and as_written(shown).casefold()
            right = right or (bool(coded) and coded == row["stat_text"].casefold())
        else:
            right = False
        if not right:
            wrong.append(f"{key}: {shown}")
    assert len(texts) > 3000
    return wrong


def test_every_shown_digit_is_that_of_its_address(report: Report) -> None:
    assert wrong_digits(report) == []


def test_the_walk_sees_a_digit_that_was_changed(report: Report) -> None:
    """The same walk over a page in which one number was altered by hand."""
    at = report.html.index('data-ard="psa_response|PRIMARY')
    start = report.html.index(">", at) + 1
    end = report.html.index("<", start)
    forged = report.html[:start] + "77" + report.html[end:]
    assert len(wrong_digits(Report(report.run, Page(forged), forged, report.rows))) == 1


def test_every_address_is_told_by_the_page(report: Report) -> None:
    (block,) = re.findall(
        r'<script type="application/json" id="addresses">(.*?)</script>', report.html, re.DOTALL
    )
    told = json.loads(block)
    used = {piece.attribute("data-ard") for piece in report.page.pieces} - {None}
    assert used == set(told)
    for key, shown in told.items():
        if key in report.rows:
            assert {"analysis", "section", "datasets", "code"} <= set(shown), key
        elif key.startswith("plan|"):
            assert "section" in shown, key


# What holds digits and is no statistic: names, numbers of sections and displays, facts of the run.
NAMES = re.compile(
    r"S\(t\) = 0\.5|2\+2 rule|PCWG\d|AUC\(0-|CTC0|AR-V7|ICH E3|variant 7|Q[13]\b|phase [23]|stage-2|numbered 14|SHA-256|\bH0\b|\bp[01]\b|CTCAE \d\.\d+|SAP \d+(\.\d+)*|(Table|Figure|Listing) [\d.-]+\d|RECIST \d\.\d"
    r"|E\d\(R\d\)|mg/m2|10\^9|\b1[46]\.\d[\d.]*"
)
# Cells that quote a file of the plan or name rows of the data: text, as it was written.
QUOTED = {"tlf-plan", "tlf-changes", "tlf-findings", "tlf-map"}


def without_address(made: Report) -> list[str]:
    facts = json.loads((made.run / "tables" / "run.json").read_text(encoding="utf-8"))
    known = sorted((v for v in facts.values() if isinstance(v, str) and v), key=len, reverse=True)
    # An analysis set is defined in 9.7.1 by the words that name its row in the table of the sets.
    labels = {piece.text.strip().casefold() for piece in made.page.pieces if "th" in piece.tags}
    bare = []
    for piece in made.page.pieces:
        if piece.attribute("data-ard") is not None or piece.attribute("data-row") is not None:
            continue
        if {"a", "h1", "h2", "h3", "h4", "th"} & set(piece.tags):
            continue  # links, headings, and the words that name a row or a column
        if piece.within("tlf-caption") or piece.within("tlf-notes") or piece.within("title-block"):
            continue
        # The words of the code, which test_rules.py holds against the docstrings, or of a row.
        if piece.within("rules") or piece.text.strip().removesuffix(".").casefold() in labels:
            continue
        if piece.within("csl-bib-body") or (piece.display in QUOTED and "td" in piece.tags):
            continue
        if "td" in piece.tags and any("colspan" in each for each in piece.inside):
            continue  # the heading of a group of rows
        text = piece.text.translate(ALIGNING)
        for each in known:
            text = text.replace(each, "")
        if re.search(r"\d", NAMES.sub("", text)):
            bare.append(f"{piece.display}: {piece.text.strip()}")
    return bare


def test_no_number_is_without_an_address(report: Report) -> None:
    assert without_address(report) == []


def test_every_row_of_a_listing_leads_to_its_dataset_and_key(report: Report) -> None:
    """Each address names a dataset of the run and a participant that stands in it."""
    import pandas as pd

    people: dict[str, set[str]] = {}
    places = re.findall(r'<tr[^>]* data-row="([^"]*)"', report.html)
    assert len(places) > 1000
    for place in places:
        dataset, who = place.split("|")[:2]
        if dataset not in people:
            frame = pd.read_parquet(report.run / "adam" / f"{dataset.lower()}.parquet")
            people[dataset] = set(frame["USUBJID"])
        assert who in people[dataset], place
    listings = re.findall(
        r'<div id="(tlf-[a-z-]+)" class="tlf tlf-listing.*?</table>', report.html, re.DOTALL
    )
    for name in listings:
        part = report.html[report.html.index(f'id="{name}" class="tlf') :]
        body = part[part.index("<tbody>") : part.index("</tbody>")]
        assert body.count("<tr") == body.count("data-row="), name


# The PDF tells the same numbers -----------------------------------------------------------------


HTML_ONLY = ("tlf-manifest", "tlf-plan", "tlf-map")


def body_of(page: str) -> str:
    """The page without what is not in the body: the files of the snapshot, the plan, listings, profiles."""
    return page[: page.index(f'<div id="{HTML_ONLY[0]}"')]


def numbers(texts: list[str]) -> Counter[str]:
    return Counter(NUMBER.findall(" ".join(texts)))


def digits(counted: Counter[str]) -> Counter[str]:
    """How often each digit occurs: a word that is broken over lines keeps its digits."""
    whole: Counter[str] = Counter()
    for number, times in counted.items():
        for digit in number.replace(".", ""):
            whole[digit] += times
    return whole


FURNITURE = re.compile(
    r"\A[^\n]*\n(?:[^\n]*\(continued\)\n)?|Data cut-off \S+ \(\w+\)\s*Page \d+ of \d+\s*\Z"
)
NEW_PAGE = "\f"


def shown_in_pdf(pages: list[str], display: Display) -> tuple[Counter[str], int]:
    """The numbers of a display over all its pages, and on how many pages it stands."""
    caption = re.escape(" ".join(f"{display.label} {display.title}".split())).replace(r"\ ", r"\s+")
    whole = re.compile(
        rf"{caption}(?!\s*\.\s*\.).*?Source:[^.]*?(?:SAP\s+[\d.]*\d|ARD\s+[\w, ]+)\.(?=\s|\Z)",
        re.DOTALL,
    )
    found: Counter[str] = Counter()
    times = 0
    for match in whole.finditer(NEW_PAGE.join(FURNITURE.sub("", page) for page in pages)):
        found += numbers([match[0]])
        times += 1 + match[0].count(NEW_PAGE)
    return found, times


@cache
def texts_of(volume: Path) -> list[str]:
    """The text of each page, read once for all tests of a worker."""
    return [page.extract_text() for page in pypdf.PdfReader(volume).pages]


def test_the_pdf_tells_the_numbers_of_the_page_in_every_display(report: Report) -> None:
    """The header is repeated on each page of a long table, caption and notes are not; of its rows only the
    heading of a group that goes on, once a page."""
    pages = [page.translate(ALIGNING) for name in VOLUMES for page in texts_of(report.run / name)]
    displays = displays_of(report.page)
    assert len(displays) > 90
    # Without a map of the source data there is no Table 16-4.
    assert [displays.pop(name).label for name in HTML_ONLY if name in displays] == [
        "Table 16-2",
        "Table 16-3",
    ]
    differing = {}
    for name, display in displays.items():
        found, times = shown_in_pdf(pages, display)
        again = [numbers([words]) for words in display.parts.get("groups", [])]
        # A last page that holds the notes alone has no heads of columns.
        for heads in (times, times - 1) if times >= 2 else (times,):
            expected: Counter[str] = numbers(display.parts.get("body", []))
            for part in ("tlf-caption", "head", "tlf-notes"):
                for number, n in numbers(display.parts.get(part, [])).items():
                    expected[number] += n * (heads if part == "head" else 1)
            if times >= 2 and not expected - found and found - expected in again:
                break
            if found == expected or digits(found) == digits(expected):
                break
        else:
            differing[name] = (times, found - expected, expected - found)
    assert differing == {}


PAGES, HALF_EMPTY = 80, 0.05
PATIENCE = 300_000  # ms for a page of some megabytes on a machine at work


def test_the_body_has_few_pages(report: Report, emptiness: Any) -> None:
    assert len(emptiness(report.run / "csr.pdf")) <= PAGES


VOLUMES = ("csr.pdf", "csr-16-2.pdf", "csr-profiles.pdf")


@pytest.mark.parametrize("name", VOLUMES)
def test_hardly_a_page_of_a_volume_is_more_than_half_empty(
    name: str, report: Report, emptiness: Any
) -> None:
    """`tests/page_ink.py` says what empty is. The limit is the same for the body, the listings and the profiles."""
    parts = emptiness(report.run / name)
    assert sum(part > 0.5 for part in parts) <= HALF_EMPTY * len(parts)


CITED = re.compile(
    r"\b((?:Table|Figure|Listing) \d++(?:\.\d+)*+(?:-\d+)?+)(?! ?\((?:listings|profiles|main) volume\)| ?\(HTML report\))"
)


@pytest.mark.parametrize("name", VOLUMES)
def test_each_display_that_a_volume_cites_is_in_it_or_the_volume_is_named(
    name: str, report: Report
) -> None:
    text = " ".join(" ".join(texts_of(report.run / name)).translate(ALIGNING).split())
    # The lists of displays have the number, the title and dots.
    there = set(
        re.findall(r"((?:Table|Figure|Listing) [\d.-]*\d) (?:[^.]|\.(?! ?\.))*?(?:\. ?){6}", text)
    )
    cited = set(CITED.findall(text))
    assert there <= cited
    # Table 9-6 names the displays that are not printed.
    gaps = displays_of(report.page)["tlf-data-gaps"].parts["body"]
    not_printed = set(CITED.findall(" ".join(gaps).translate(ALIGNING)))
    assert cited - there - (not_printed if name == "csr.pdf" else set()) == set()


@pytest.mark.parametrize("name", VOLUMES)
def test_no_character_without_width_is_copied_from_a_volume(name: str, report: Report) -> None:
    pages = texts_of(report.run / name)
    assert not [i for i, page in enumerate(pages, start=1) if "\u200b" in page]


@pytest.mark.parametrize("name", VOLUMES)
def test_two_outside_programs_find_no_error_in_a_volume(
    name: str, report: Report, pdf_problems: Any
) -> None:
    """`tests/pdf_check.py` names the programs, and the one kind of error that it explains."""
    assert pdf_problems(report.run / name) == []


def overprinted(page: Any) -> list[tuple[str, str]]:
    """The pieces of text of a page that stand one over the other, by more than 1.5 points."""
    text = page.get_textpage()
    boxes = sorted(text.get_rect(i) for i in range(text.count_rects()))
    pairs = []
    for i, (left, bottom, right, top) in enumerate(boxes):
        for other in boxes[i + 1 :]:
            if other[0] >= right - 1.5:
                break
            lowest = min(top - bottom, other[3] - other[1])
            shared = min(top, other[3]) - max(bottom, other[1])
            if lowest > 2 and shared > 0.6 * lowest and min(right, other[2]) - other[0] > 1.5:
                here = (left, bottom, right, top)
                pairs.append((text.get_text_bounded(*here), text.get_text_bounded(*other)))
    return pairs


@pytest.mark.parametrize("name", VOLUMES)
def test_no_text_is_printed_over_another_and_no_line_ends_within_a_patient_number(
    name: str, report: Report
) -> None:
    with pypdfium2.PdfDocument(report.run / name) as document:
        pages = [(overprinted(page), page.get_textpage().get_text_range()) for page in document]
    assert {i: pairs for i, (pairs, _) in enumerate(pages, start=1) if pairs} == {}
    broken = {
        i for i, (_, text) in enumerate(pages, start=1) if re.search(r"[A-Z]-\s*\n\s*\d{3}\b", text)
    }
    assert broken == set()


def test_text_over_another_is_seen(tmp_path: Path) -> None:
    source = '#set document(title: "t")\n#place(dx: {}pt)[2016-10-15]CARVE-006'
    for apart, seen in ((45, True), (80, False)):
        made = pdf.compile_pdf(source.format(apart), tmp_path, datetime(2020, 1, 1, tzinfo=UTC))
        with pypdfium2.PdfDocument(made) as document:
            assert bool(overprinted(document[0])) == seen


LEAST_POINTS = 7.0  # of the letters of a figure, as printed


def figure_letters(document: pypdfium2.PdfDocument) -> dict[int, list[float]]:
    """The sizes in points of the letters of the figures, by page.

    Letters of figures are outlines, each drawn with a scale of its own: of an outline of 100 points (own
    drawings), or of one of 6400 units (matplotlib). Lines of a figure have the scale of the picture, above 0.3.
    """
    sizes: dict[int, list[float]] = {}
    for number, page in enumerate(document, start=1):
        for part in page.get_objects(max_depth=3):
            a, b, *_ = part.get_matrix().get()
            scale = max(abs(a), abs(b))
            if part.type == pypdfium2.raw.FPDF_PAGEOBJ_PATH and scale < 0.3:
                points = 100 * scale if scale > 0.02 else 6400 * scale
                sizes.setdefault(number, []).append(points)
    return sizes


@pytest.mark.parametrize("name, pages", [("csr.pdf", 10), ("csr-profiles.pdf", 30)])
def test_no_letter_of_a_figure_is_smaller_than_7_points_as_printed(
    name: str, pages: int, report: Report
) -> None:
    with pypdfium2.PdfDocument(report.run / name) as document:
        sizes = figure_letters(document)
    assert len(sizes) >= pages
    assert all(len(of_page) > 20 for of_page in sizes.values())
    small = {page: min(of_page) for page, of_page in sizes.items() if min(of_page) < LEAST_POINTS}
    assert small == {}


def test_the_size_of_a_letter_is_measured_as_printed(tmp_path: Path) -> None:
    """A letter of 8 points in a picture printed at three quarters of its width has 6."""
    drawing = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="200pt" height="40pt" viewBox="0 0 200 40">'
        '<path d="M0 0L200 40" stroke="black"/><g transform="translate(9 20) scale(0.08)">'
        '<path d="M0 0L50 0L50 -60Z"/></g></svg>'
    )
    (tmp_path / "a.svg").write_text(drawing, encoding="utf-8")
    source = '#set document(title: "t")\n#image("a.svg", alt: "a", width: 150pt)'
    made = pdf.compile_pdf(source, tmp_path, datetime(2020, 1, 1, tzinfo=UTC))
    with pypdfium2.PdfDocument(made) as document:
        assert figure_letters(document) == {1: [pytest.approx(6.0, abs=0.01)]}


# The Word file ----------------------------------------------------------------------------------

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"


def test_the_word_file_has_every_table_with_its_rows_and_a_header_that_repeats(
    report: Report,
) -> None:
    with zipfile.ZipFile(report.run / "csr.docx") as word:
        assert word.testzip() is None
        for name in word.namelist():
            if name.endswith((".xml", ".rels")):
                ElementTree.fromstring(word.read(name))
        body = ElementTree.fromstring(word.read("word/document.xml"))
    tables = list(body.iter(f"{W}tbl"))
    expected = re.findall(r"<table.*?</table>", body_of(report.html), re.DOTALL)
    rows = [part.count("<tr") for part in expected]
    assert len(rows) > 45
    assert [len(list(table.iter(f"{W}tr"))) for table in tables if _repeats(table)] == rows


def _repeats(table: ElementTree.Element) -> bool:
    first = table.find(f"{W}tr")
    return first is not None and first.find(f"{W}trPr/{W}tblHeader") is not None


def test_the_word_file_tells_the_numbers_of_the_page(report: Report) -> None:
    with zipfile.ZipFile(report.run / "csr.docx") as word:
        body = ElementTree.fromstring(word.read("word/document.xml"))
    told = Counter[str]()
    for table in body.iter(f"{W}tbl"):
        cells = (cell for cell in table.iter(f"{W}tc"))
        told += numbers(["".join(t.text or "" for t in cell.iter(f"{W}t")).translate(ALIGNING) for cell in cells])  # fmt: skip
    page = Counter[str]()
    body_page = Page(body_of(report.html))
    for display in displays_of(body_page).values():
        page += numbers(display.parts.get("head", []) + display.parts.get("body", []))
    # The list of abbreviations is a table and no display.
    page += numbers([p.text for p in body_page.pieces if p.display is None and "td" in p.tags])
    assert digits(told) == digits(page)


def raised(document: ElementTree.Element) -> Counter[str]:
    """The letters of footnotes in the cells of the tables of a Word file."""
    return Counter(
        "".join(t.text or "" for t in run.iter(f"{W}t"))
        for cell in document.iter(f"{W}tc")
        for run in cell.iter(f"{W}r")
        if run.find(f"{W}rPr/{W}vertAlign[@{W}val='superscript']") is not None
    )


def test_the_letters_of_footnotes_are_the_same_on_the_page_and_in_word(report: Report) -> None:
    with zipfile.ZipFile(report.run / "csr.docx") as word:
        told = raised(ElementTree.fromstring(word.read("word/document.xml")))
    marks = (p.text for p in Page(body_of(report.html)).pieces if p.within("mark"))
    shown = Counter(marks)
    assert told == shown
    assert shown["a"] > 40


# In the browser ---------------------------------------------------------------------------------


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 380])
def test_the_page_asks_for_nothing_complains_of_nothing_and_no_section_moves_sideways(
    width: int, chromium: Any, report: Report
) -> None:
    tab = chromium.new_page(viewport={"width": width, "height": 800})
    asked: list[str] = []
    said: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    address = (report.run / "csr.html").as_uri()
    tab.goto(address, timeout=PATIENCE)
    assert [url for url in asked if not url.startswith("data:")] == [address]
    assert said == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    # Whatever reaches beyond the screen stands in a box that scrolls by itself.
    outside = tab.evaluate(
        """(width) => Array.from(document.querySelectorAll("main *")).filter((node) => {
             const box = node.getBoundingClientRect();
             return box.right > width + 1 && !node.closest(".tlf-scroll, table, pre, math");
           }).map((node) => node.outerHTML.slice(0, 120))""",
        width,
    )
    assert outside == []
    tab.close()


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, pytest.param(1400, marks=pytest.mark.long)])
def test_axe_finds_no_violation(width: int, axe: Any, report: Report) -> None:
    """Every rule of axe-core, WCAG 2.2 A and AA among them, on the whole report."""
    assert axe(report.run / "csr.html", width) == {}


@pytest.mark.browser
def test_without_scripts_the_report_is_read_and_what_needs_one_is_hidden(
    chromium: Any, report: Report
) -> None:
    place = chromium.new_context(java_script_enabled=False, viewport={"width": 390, "height": 800})
    tab = place.new_page()
    tab.goto((report.run / "csr.html").as_uri(), timeout=PATIENCE)
    assert tab.locator("#search").is_hidden()
    assert tab.locator("#menu").is_hidden()
    assert tab.locator("#contents a").first.is_visible()
    assert tab.locator(".listing-tools").count() == 0
    rows = tab.locator("#tlf-l-ae tbody tr")
    firsts = rows.locator("> :first-child").all_inner_texts()
    assert len(firsts) > 100
    assert all(text.startswith("CARVE-") for text in firsts)
    place.close()


def flow_counts(report: Report) -> list[str]:
    """The addresses of the counts in the text of the flow."""
    flow = [p for p in report.page.pieces if p.display == "tlf-flow-diagram" and p.within("narrow")]
    return [key for piece in flow if (key := piece.attribute("data-ard")) is not None]


def test_the_text_of_the_flow_has_each_count_of_its_drawing_with_its_address(
    report: Report,
) -> None:
    """Boxes and lines of the drawing by their ids in the catalogue, written down by hand; 0 without a row once."""
    levels = [key.split("|")[4] for key in flow_counts(report)]
    assert sorted(levels) == sorted([
        "consented", "no_sample", "sampled", "ctc_minimum_met", "ctc_below_minimum", "ctc_not_evaluable",
        "qualified", "group_b", "treated_first", "qualified_not_treated", "qualified_not_treated_declined",
        "qualified_not_treated_not_eligible", "qualified_not_treated_other", "not_qualified",
        "marker_positive_ctc_below_minimum", "marker_negative", "marker_undetermined", "marker_not_done",
        "group_a", "not_qualified_not_allocated", "rescreened", "end_group_a_not_rescreened",
        "rescreened_qualified", "rescreened_not_qualified", "rescreened_treated",
        "rescreened_qualified_not_treated", "rescreened_qualified_not_treated_not_eligible",
        "rescreened_qualified_not_treated_declined", "rescreened_qualified_not_treated_other",
    ])  # fmt: skip


@pytest.mark.browser
@pytest.mark.parametrize("scripts", [True, False])
@pytest.mark.parametrize("width, text", [(390, True), (1400, False)])
def test_the_flow_is_a_text_on_a_telephone_and_a_drawing_elsewhere_and_never_both(
    width: int, text: bool, scripts: bool, chromium: Any, report: Report
) -> None:
    """What is not displayed is not read aloud either."""
    place = chromium.new_context(
        java_script_enabled=scripts, viewport={"width": width, "height": 800}
    )
    tab = place.new_page()
    tab.goto((report.run / "csr.html").as_uri(), timeout=PATIENCE)
    flow = tab.locator("#tlf-flow-diagram")
    assert flow.locator(".narrow").is_visible() is text
    assert flow.locator("img").is_visible() is not text
    if text:
        size = "parseFloat(getComputedStyle(node).fontSize)"
        assert flow.locator(".narrow li").last.evaluate(f"node => {size}") >= 13
        assert flow.locator(".narrow").bounding_box()["width"] <= width
    place.close()


@pytest.mark.browser
def test_on_a_telephone_a_wide_table_says_it_goes_on(chromium: Any, report: Report) -> None:
    tab = chromium.new_page(viewport={"width": 390, "height": 800})
    tab.goto((report.run / "csr.html").as_uri(), timeout=PATIENCE)
    box = tab.locator("#tlf-l-ae .tlf-scroll")
    assert box.get_attribute("tabindex") == "0"
    assert box.get_attribute("aria-label").startswith("Listing")
    assert tab.locator("#tlf-l-ae .wide-hint").is_visible()
    assert tab.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    tab.close()


@pytest.mark.browser
def test_a_number_and_a_row_of_a_listing_are_reached_and_followed_by_keys_alone(
    chromium: Any, report: Report
) -> None:
    tab = chromium.new_page()
    tab.goto((report.run / "csr.html").as_uri(), timeout=PATIENCE)
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "skip"
    # From the caption of a listing, Tab reaches the filter, the headers, then the rows.
    tab.locator("#tlf-l-sae .listing-tools input").focus()
    for _ in range(40):
        tab.keyboard.press("Tab")
        if tab.evaluate("document.activeElement.dataset.row !== undefined"):
            break
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("Enter")
    panel = tab.locator("#address")
    assert panel.is_visible()
    assert "ADAE" in panel.inner_text()
    assert "CARVE-" in panel.inner_text()
    tab.keyboard.press("Escape")
    assert panel.is_hidden()
    tab.close()


@pytest.mark.browser
def test_a_listing_is_filtered_and_sorted_with_its_participants(
    chromium: Any, report: Report
) -> None:
    """Each row names its patient, so that a row picked or moved alone does."""
    tab = chromium.new_page()
    tab.goto((report.run / "csr.html").as_uri(), timeout=PATIENCE)
    listing = tab.locator("#tlf-l-ae")
    listing.locator("input").fill("febrile")
    shown = listing.locator("tbody tr:visible")
    assert 0 < shown.count() < 100
    firsts = [shown.nth(i).locator("td, th").first.inner_text() for i in range(shown.count())]
    assert all(text.startswith("CARVE-") for text in firsts)
    listing.locator("input").fill("")
    button = listing.locator("thead button").first
    button.click()
    rows = listing.locator("tbody tr")
    first = rows.first.locator("td, th").first.inner_text()
    button.click()
    last = rows.first.locator("td, th").first.inner_text()
    assert first < last
    tab.close()


def test_the_report_names_no_display_that_the_catalogue_lacks(report: Report) -> None:
    catalogue = yaml.safe_load((HOME / "analysis" / "displays.yml").read_text(encoding="utf-8"))
    shown = {re.sub(r"-\d+$", "", name) if name.startswith("tlf-profiles") else name for name in displays_of(report.page)}  # fmt: skip
    assert shown <= set(catalogue)


# Refused words ------------------------------------------------------------------------------------


def test_the_html_and_the_pdf_print_no_refused_word(report, refused_words):
    """docs/glossary.md; the list of references is left out, because titles stay as published."""
    from sap.audit.html_text import words_of

    without_references = re.sub(
        r'<div id="refs".*?</div>\s*</div>\s*(?=<)', "", report.html, flags=re.DOTALL
    )
    text = "\n".join(texts_of(report.run / "csr.pdf"))
    body = text.rpartition("15 Reference list")[0] + text.rpartition("16 Appendices")[2]
    assert len(body) > len(text) / 2
    printed = {
        "HTML": refused_words.within(words_of(without_references)),
        "PDF": refused_words.within(body),
    }
    assert printed == {"HTML": [], "PDF": []}


# The other engine --------------------------------------------------------------------------------


def test_the_document_is_one_that_quarto_can_render(report: Report, quarto: Path) -> None:
    """The stand-in refuses what Quarto refuses; every display and every address is there."""
    from sap import publish
    from sap.plan import project_home

    (made,) = publish.render_quarto(
        project_home() / "csr.qmd",
        run=report.run,
        out=quarto / "out",
        stem="csr",
        profile="final",
        formats=("html",),
    )
    page = made.read_text(encoding="utf-8")
    ids = re.compile(r'id="((?:tlf|sec)-[a-z0-9-]+)"')
    assert set(ids.findall(report.html)) <= set(ids.findall(page))
    addresses = re.compile(r'data-ard="([^"]+)"')
    assert set(addresses.findall(report.html)) == set(addresses.findall(page))
    assert "2019-06-30 (final)" in " ".join(page.split())
