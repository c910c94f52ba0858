"""Word by pandoc and python-docx: pandoc writes the text with our styles, python-docx the pages.

Medical writers edit this file, so its tables are Word tables whose header rows repeat, its
headings are Word's, and its contents are a field with its entries written in.
"""

import copy
import io
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sap.errors import RenderError
from sap.publish import pandoc, tree
from sap.publish.facts import PageFacts

if TYPE_CHECKING:
    from docx.document import Document
    from docx.oxml.section import CT_SectPr
    from docx.oxml.xmlchemy import BaseOxmlElement
    from docx.section import Section
    from docx.text.paragraph import Paragraph

HERE = Path(__file__).parent
FONT = "Times New Roman"
PICTURE_PIXELS_PER_INCH = 200
ZIP_DATE = (1980, 1, 1, 0, 0, 0)
# Lengths are in twentieths of a point, as in Word's own files.
SHORT_SIDE, LONG_SIDE = 11906, 16838  # A4
TOP, RIGHT, BOTTOM, LEFT = 1474, 1134, 1304, 1417
HEADER, FOOTER = 680, 567
NAME_WIDTH = 2600  # of the names on the title page
# `report.lua` writes these comments around each landscape display.
LANDSCAPE_BEGINS, LANDSCAPE_ENDS = "landscape", "portrait"
# `report.lua` leaves this comment where the document has a chapter for its contents.
CONTENTS = "contents"
CONTENTS_FIELD = ' TOC \\o "1-3" \\h \\z \\u '
LEVELS = {f"Heading{level}": f"TOC{level}" for level in (1, 2, 3)}
SYNTHETIC = (
    "SYNTHETIC DATA. Every patient in this report was simulated. No result in it says anything about "
    "a treatment."
)


def write_docx(parsed: tree.Json, page: PageFacts, folder: Path) -> bytes:
    """The report as a Word document; the same bytes for the same report.

    Raises
    ------
    RenderError
        Pandoc fails, or a figure cannot be drawn.
    """
    (folder / "reference.docx").write_bytes(_reference(folder))
    report = copy.deepcopy(parsed)
    del report["meta"]["sap"]  # pandoc would write it into the file's properties
    for node in tree.nodes(report["blocks"]):
        if node["t"] == "Image":
            node["c"][2][0] = _bitmap(node["c"][2][0], folder)
    out, _ = pandoc.run(
        [
            "--from=json",
            "--to=docx",
            f"--lua-filter={HERE / 'report.lua'}",
            "--reference-doc=reference.docx",
            "--toc",
            "--toc-depth=3",
            "--output=-",
        ],
        data=json.dumps(report).encode("utf-8"),
        folder=folder,
        what="docx",
    )
    return finished(out, page)


def _reference(folder: Path) -> bytes:
    """Pandoc's reference document with our styles."""
    import docx
    from docx.oxml.ns import qn
    from docx.oxml.parser import parse_xml

    default, _ = pandoc.run(
        ["--print-default-data-file=reference.docx"], data=b"", folder=folder, what="docx"
    )
    document = docx.Document(io.BytesIO(default))
    styles = document.styles.element
    for fonts in styles.iter(qn("w:rFonts")):
        fonts.attrib.clear()
        for script in ("ascii", "hAnsi", "cs", "eastAsia"):
            fonts.set(qn(f"w:{script}"), FONT)
    for language in styles.iter(qn("w:lang")):
        language.set(qn("w:val"), "en-GB")
    styles_of_report: Any = parse_xml((HERE / "docx-styles.xml").read_bytes())
    replaced = {style.get(qn("w:styleId")) for style in styles_of_report}
    for style in styles.findall(qn("w:style")):
        if style.get(qn("w:styleId")) in replaced:
            styles.remove(style)
    styles.extend(list(styles_of_report))
    return _saved(document)


def _bitmap(name: str, folder: Path) -> str:
    """The name of a figure as PNG: not every version of Word shows an SVG."""
    if not name.endswith(".svg"):
        return name
    import typst

    source = f'#set page(width: auto, height: auto, margin: 0pt)\n#image("{name}", width: 16cm)\n'
    main = folder / "picture.typ"
    main.write_text(source, encoding="utf-8")
    bitmap = Path(name).with_suffix(".png").name
    try:
        typst.compile(
            str(main),
            output=str(folder / bitmap),
            root=str(folder),
            ignore_system_fonts=True,
            format="png",
            ppi=PICTURE_PIXELS_PER_INCH,
        )
    except typst.TypstError as problem:
        raise RenderError(f"DOCX: a figure cannot be drawn: {problem.message}") from None
    return bitmap


class PageForms(NamedTuple):
    """The section properties of portrait and of landscape pages; sections copy them."""

    portrait: "CT_SectPr"
    landscape: "CT_SectPr"


def finished(made: bytes, page: PageFacts) -> bytes:
    """What pandoc made, with title page, running header and footer, and landscape pages.

    `made` and the result are Word documents. A landscape display lies between the two comments
    that `report.lua` writes.
    """
    import docx

    document = docx.Document(io.BytesIO(made))
    _style_tables(document)
    if page.flowing:
        _let_sections_flow(document)
    _replace_title(document, page)
    forms = _page_forms(document, page)
    _turn_landscape_displays(document, forms)
    _fill_contents(document)
    properties = document.core_properties
    properties.created = properties.modified = page.moment
    return _saved(document)


def _style_tables(document: "Document") -> None:
    """Header rows stay on one page, and an empty cell is as high as a line of a table."""
    from docx.oxml.ns import qn
    from docx.oxml.parser import OxmlElement

    body = document.element.body
    text_width = SHORT_SIDE - LEFT - RIGHT
    for block in body:
        comment = _comment(block)
        if comment:
            side = LONG_SIDE if comment == LANDSCAPE_BEGINS else SHORT_SIDE
            text_width = side - LEFT - RIGHT
        elif block.tag == qn("w:tbl"):
            _widen(block, text_width)
    for header in body.iter(qn("w:tblHeader")):
        header.addprevious(OxmlElement("w:cantSplit"))
    for cell in body.iter(qn("w:tc")):
        last = cell[-1]
        if last.tag == qn("w:p") and not len(last):  # what pandoc writes into an empty cell
            last.style = "TableText"


def _widen(table: Any, text_width: int) -> None:
    """The columns of a table as wide as the text together; pandoc writes them for a narrower page."""
    from docx.oxml.ns import qn

    columns = list(table.iter(qn("w:gridCol")))
    widths = [int(column.get(qn("w:w"), "0")) for column in columns]
    for column, width in zip(columns, widths, strict=True):
        if sum(widths):
            column.set(qn("w:w"), str(round(width * text_width / sum(widths))))


def _let_sections_flow(document: "Document") -> None:
    """A section begins a page where the text asks for one, not always."""
    from docx.oxml.ns import qn

    for style in document.styles.element.findall(qn("w:style")):
        if style.get(qn("w:styleId")) == "Heading1":
            for mark in list(style.iter(qn("w:pageBreakBefore"))):
                mark.getparent().remove(mark)


def _replace_title(document: "Document", page: PageFacts) -> None:
    """Our title page in the place of the title that pandoc writes."""
    from docx.shared import Twips

    for paragraph in document.paragraphs:
        if paragraph.style is not None and paragraph.style.style_id == "Title":
            paragraph._p.getparent().remove(paragraph._p)
            break
    lines = [
        document.add_paragraph(page.title, "Title"),
        document.add_paragraph(page.subject.upper(), "Normal"),
    ]
    for name, value in page.rows:
        line = document.add_paragraph(f"{name}\t{value}", "Normal")
        form = line.paragraph_format
        form.tab_stops.add_tab_stop(Twips(NAME_WIDTH))
        form.space_after = Twips(60)
        form.left_indent, form.first_line_indent = Twips(NAME_WIDTH), Twips(-NAME_WIDTH)
        lines.append(line)
    if page.synthetic:
        lines.append(document.add_paragraph(SYNTHETIC, "Synthetic Note"))
    for position, line in enumerate(lines):
        document.element.body.insert(position, line._p)


def _page_forms(document: "Document", page: PageFacts) -> PageForms:
    """Both forms of a page with their header and footer; the last section is made portrait."""
    from docx.section import Section

    last = document.sections[-1]
    turned: Any = copy.deepcopy(last._sectPr)
    _set_page(last, SHORT_SIDE, LONG_SIDE, page)
    _set_page(Section(turned, document.part), LONG_SIDE, SHORT_SIDE, page)
    return PageForms(last._sectPr, turned)


def _set_page(section: "Section", width: int, height: int, page: PageFacts) -> None:
    from docx.enum.section import WD_ORIENTATION
    from docx.shared import Twips

    section.page_width, section.page_height = Twips(width), Twips(height)
    landscape = width > height
    section.orientation = WD_ORIENTATION.LANDSCAPE if landscape else WD_ORIENTATION.PORTRAIT
    section.top_margin, section.bottom_margin = Twips(TOP), Twips(BOTTOM)
    section.left_margin, section.right_margin = Twips(LEFT), Twips(RIGHT)
    section.header_distance, section.footer_distance = Twips(HEADER), Twips(FOOTER)
    section.gutter = Twips(0)
    synthetic = "Synthetic data" if page.synthetic else ""
    left = " · ".join(text for text in (page.study, page.subject) if text)
    right = " · ".join(text for text in (page.status, page.audience, synthetic) if text)
    text_width = width - LEFT - RIGHT
    section.header.is_linked_to_previous = section.footer.is_linked_to_previous = False
    header, footer = section.header.paragraphs[0], section.footer.paragraphs[0]
    for paragraph, style in ((header, "Header"), (footer, "Footer")):
        paragraph._p.style = style
        _right_tab(paragraph, text_width)
    header.add_run(f"{left}\t{right}")
    footer.add_run(f"Data cut-off {page.cut_off}\tPage " if page.cut_off else "\tPage ")
    _add_field(footer, "PAGE")
    footer.add_run(" of ")
    _add_field(footer, "NUMPAGES")


def _right_tab(paragraph: "Paragraph", position: int) -> None:
    from docx.enum.text import WD_TAB_ALIGNMENT
    from docx.shared import Twips

    paragraph.paragraph_format.tab_stops.add_tab_stop(Twips(position), WD_TAB_ALIGNMENT.RIGHT)


def _add_field(paragraph: "Paragraph", name: str) -> None:
    """A number that Word fills in, which python-docx has no function for."""
    from docx.oxml.ns import qn
    from docx.oxml.parser import OxmlElement

    field: Any = OxmlElement("w:fldSimple", {qn("w:instr"): name})
    field.append(paragraph.add_run("1")._r)
    paragraph._p.append(field)


def _turn_landscape_displays(document: "Document", forms: PageForms) -> None:
    """End a portrait section before each landscape display and a landscape section after it.

    Of two landscape displays that follow each other no portrait page lies between: the second
    begins where the section of the first ends.
    """
    body = document.element.body
    comments = [each for each in body.xpath("comment()") if _comment(each)]
    for each in comments:
        if _comment(each) == LANDSCAPE_ENDS:
            each.addprevious(_section_end(document, forms.landscape))
        elif _comment(_before(each)) != LANDSCAPE_ENDS:
            each.addprevious(_section_end(document, forms.portrait))
    for each in comments:
        body.remove(each)


def _comment(node: Any) -> str:
    """Which of the two comments this node is; nothing otherwise."""
    text = "" if node is None or isinstance(node.tag, str) else str(node.text).strip()
    return text if text in (LANDSCAPE_BEGINS, LANDSCAPE_ENDS) else ""


def _before(node: Any) -> Any:
    """The node before this one, bookmarks apart."""
    from docx.oxml.ns import qn

    before = node.getprevious()
    while before is not None and before.tag in (qn("w:bookmarkStart"), qn("w:bookmarkEnd")):
        before = before.getprevious()
    return before


def _section_end(document: "Document", form: "CT_SectPr") -> "BaseOxmlElement":
    """The paragraph that ends a section: so low that it never needs a page of its own."""
    from docx.enum.text import WD_LINE_SPACING
    from docx.oxml.ns import qn
    from docx.oxml.parser import OxmlElement
    from docx.shared import Twips

    paragraph = document.add_paragraph()
    spacing = paragraph.paragraph_format
    spacing.space_before = spacing.space_after = Twips(0)
    spacing.line_spacing_rule, spacing.line_spacing = WD_LINE_SPACING.EXACTLY, Twips(20)
    mark = OxmlElement("w:rPr")
    mark.append(OxmlElement("w:sz", {qn("w:val"): "2"}))
    paragraph._p.get_or_add_pPr().append(mark)
    paragraph._p.set_sectPr(copy.deepcopy(form))
    return paragraph._p


def _fill_contents(document: "Document") -> None:
    """Write the entries of the contents, each a link to its heading, so that Word has nothing to ask.

    Word puts page numbers to them only after laying out the pages: a writer updates the field, as any other.
    They stand where `report.lua` left its comment, below the chapter's own heading; else before the text.
    """
    from docx.oxml.ns import qn
    from docx.oxml.parser import OxmlElement

    body = document.element.body
    block = next(body.iter(qn("w:sdt")), None)
    places = [each for each in body.xpath("comment()") if str(each.text).strip() == CONTENTS]
    if block is None:
        return
    content: Any = block.find(qn("w:sdtContent"))
    for place in places:
        place.addprevious(block)
        body.remove(place)
        content.remove(content[0])  # pandoc's heading of the contents
    content.remove(content[-1])  # pandoc's empty field
    number = max(
        (int(each.get(qn("w:id"))) for each in body.iter(qn("w:bookmarkStart"))), default=0
    )
    lines = []
    for paragraph in document.paragraphs:
        style = paragraph.style.style_id if paragraph.style is not None else ""
        if style not in LEVELS or not paragraph.text.strip():
            continue
        number += 1
        name = f"_Toc{number:08d}"
        begin: Any = OxmlElement("w:bookmarkStart", {qn("w:id"): str(number), qn("w:name"): name})
        end: Any = OxmlElement("w:bookmarkEnd", {qn("w:id"): str(number)})
        paragraph._p.get_or_add_pPr().addnext(begin)
        paragraph._p.append(end)
        line = document.add_paragraph()
        line._p.style = LEVELS[style]
        link: Any = OxmlElement("w:hyperlink", {qn("w:anchor"): name, qn("w:history"): "1"})
        link.append(line.add_run(paragraph.text)._r)
        line._p.append(link)
        lines.append(line)
    lines = lines or [document.add_paragraph()]
    for position, mark in enumerate(("begin", CONTENTS_FIELD, "separate")):
        first: Any = lines[0]._p
        first.insert(position + int(first.pPr is not None), _field_mark(lines[0], mark))
    closing = document.add_paragraph()
    closing._p.append(_field_mark(closing, "end"))
    for line in (*lines, closing):
        content.append(line._p)


def _field_mark(paragraph: "Paragraph", mark: str) -> Any:
    """A run with the begin, the code, the separator or the end of a field."""
    from docx.oxml.ns import qn
    from docx.oxml.parser import OxmlElement

    if mark == CONTENTS_FIELD:
        part: Any = OxmlElement("w:instrText", {qn("xml:space"): "preserve"})
        part.text = mark
    else:
        part = OxmlElement("w:fldChar", {qn("w:fldCharType"): mark})
    run = paragraph.add_run()._r
    run.append(part)
    return run


def _saved(document: "Document") -> bytes:
    """The file; python-docx writes the time of saving into it, here it has a fixed one."""
    written, packed = io.BytesIO(), io.BytesIO()
    document.save(written)
    with (
        zipfile.ZipFile(written) as archive,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as dated,
    ):
        for name in archive.namelist():
            entry = zipfile.ZipInfo(name, ZIP_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o600 << 16
            dated.writestr(entry, archive.read(name))
    return packed.getvalue()
