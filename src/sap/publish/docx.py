"""Word through pandoc: our styles before, running header, footer and landscape pages after.

Medical writers edit this file, so its tables are Word tables whose header rows repeat, its
headings are Word's, and its contents are a field that Word fills in.
"""

import copy
import io
import json
import re
import zipfile
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from sap.errors import RenderError
from sap.publish import pandoc, tree
from sap.publish.facts import PageFacts

HERE = Path(__file__).parent
W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
TYPES = "application/vnd.openxmlformats-officedocument.wordprocessingml"
FONT = "Times New Roman"
PICTURE_PIXELS_PER_INCH = 200
ZIP_DATE = (1980, 1, 1, 0, 0, 0)
PORTRAIT = '<w:pgSz w:w="11906" w:h="16838"/>'
LANDSCAPE = '<w:pgSz w:w="16838" w:h="11906" w:orient="landscape"/>'
WIDTHS = {PORTRAIT: 9355, LANDSCAPE: 14287}  # between the margins
MARGINS = (
    '<w:pgMar w:top="1474" w:right="1134" w:bottom="1304" w:left="1417" w:header="680" '
    'w:footer="567" w:gutter="0"/>'
)
# What pandoc writes: the title once more, which our title page has, and empty cells without a style,
# as high as a line of the text.
PANDOC_TITLE = re.compile(r'<w:p>\s*<w:pPr>\s*<w:pStyle w:val="Title" />.*?</w:p>', re.DOTALL)
EMPTY_CELL = re.compile(r"<w:p\s*/>(?=\s*</w:tc>)")
# One landscape display after another: no portrait page lies between them.
NEXT_LANDSCAPE = re.compile(
    r"<!-- portrait -->((?:\s|<w:bookmark(?:Start|End)\b[^>]*/>)*)<!-- landscape -->"
)
LANDSCAPE_PART = re.compile(r"<!-- landscape -->(.*?)<!-- portrait -->", re.DOTALL)


def write_docx(parsed: tree.Json, page: PageFacts, folder: Path) -> bytes:
    """The report as a Word document; the same bytes for the same report."""
    (folder / "reference.docx").write_bytes(_reference(folder))
    own = copy.deepcopy(parsed)
    del own["meta"]["sap"]  # pandoc would write it into the file's properties
    for node in tree.nodes(own["blocks"]):
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
        data=json.dumps(own).encode("utf-8"),
        folder=folder,
        what="docx",
    )
    return _finished(out, page)


def _reference(folder: Path) -> bytes:
    """Pandoc's reference document with our styles."""
    default, _ = pandoc.run(
        ["--print-default-data-file=reference.docx"], data=b"", folder=folder, what="docx"
    )
    parts = _parts(default)
    parts["word/styles.xml"] = _styles(parts["word/styles.xml"])
    return _zipped(parts)


def _styles(default: bytes) -> bytes:
    ElementTree.register_namespace("w", W)
    ElementTree.register_namespace("r", R)
    root = ElementTree.fromstring(default)
    for fonts in root.iter(f"{{{W}}}rFonts"):
        fonts.attrib.clear()
        for script in ("ascii", "hAnsi", "cs", "eastAsia"):
            fonts.set(f"{{{W}}}{script}", FONT)
    for colour in root.iter(f"{{{W}}}lang"):
        colour.set(f"{{{W}}}val", "en-GB")
    ours = ElementTree.parse(HERE / "docx-styles.xml").getroot()
    names = {style.get(f"{{{W}}}styleId") for style in ours}
    for style in root.findall(f"{{{W}}}style"):
        if style.get(f"{{{W}}}styleId") in names:
            root.remove(style)
    root.extend(list(ours))
    styles: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return styles


def _bitmap(name: str, folder: Path) -> str:
    """Word cannot be trusted with SVG alone, so each drawing becomes a PNG."""
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


def _finished(made: bytes, page: PageFacts) -> bytes:
    parts = _parts(made)
    body = parts["word/document.xml"].decode("utf-8")
    body = PANDOC_TITLE.sub("", body, count=1)
    body = EMPTY_CELL.sub('<w:p><w:pPr><w:pStyle w:val="TableText"/></w:pPr></w:p>', body)
    body = body.replace("<w:body>", f"<w:body>{_title_page(page)}", 1)
    body = _with_landscape(body)
    body = re.sub(
        r"<w:sectPr\s*/>\s*</w:body>|<w:sectPr>(?:(?!</w:sectPr>).)*</w:sectPr>\s*</w:body>",
        f"{_section(PORTRAIT)}</w:body>",
        body,
        flags=re.DOTALL,
    )
    body = body.replace("<w:tblHeader", "<w:cantSplit/><w:tblHeader")
    parts["word/document.xml"] = body.encode("utf-8")
    relations, overrides = "", ""
    for kind, element, runs in (
        ("header", "hdr", _header_runs(page)),
        ("footer", "ftr", _footer_runs(page)),
    ):
        for number, width in enumerate(WIDTHS.values(), start=1):
            name = f"{kind}{number}"
            parts[f"word/{name}.xml"] = _running(element, kind.capitalize(), runs, width)
            relations += f'<Relationship Type="{R}/{kind}" Id="rIdSap{name}" Target="{name}.xml"/>'
            overrides += f'<Override PartName="/word/{name}.xml" ContentType="{TYPES}.{kind}+xml"/>'
    _insert(parts, "word/_rels/document.xml.rels", "</Relationships>", relations)
    _insert(parts, "[Content_Types].xml", "</Types>", overrides)
    # Word asks once, on opening, to fill in the contents and the number of pages.
    _insert(parts, "word/settings.xml", "<w:rsids>", '<w:updateFields w:val="true"/>')
    parts["docProps/core.xml"] = _dated(parts["docProps/core.xml"], page.moment)
    return _zipped(parts)


def _with_landscape(body: str) -> str:
    body = NEXT_LANDSCAPE.sub(lambda found: _section_end(LANDSCAPE) + found[1], body)
    return LANDSCAPE_PART.sub(_turned, body)


def _turned(found: re.Match[str]) -> str:
    """A landscape display: end the portrait section before it and the landscape one after it."""
    return _section_end(PORTRAIT) + found[1] + _section_end(LANDSCAPE)


def _section_end(size: str) -> str:
    """The paragraph that ends a section: so low that it never needs a page of its own."""
    low = '<w:spacing w:before="0" w:after="0" w:line="20" w:lineRule="exact"/>'
    mark = '<w:rPr><w:sz w:val="2"/></w:rPr>'
    return f"<w:p><w:pPr>{low}{mark}{_section(size)}</w:pPr></w:p>"


def _section(size: str) -> str:
    number = list(WIDTHS).index(size) + 1
    references = "".join(
        f'<w:{kind}Reference w:type="default" r:id="rIdSap{kind}{number}" xmlns:r="{R}"/>'
        for kind in ("header", "footer")
    )
    return f"<w:sectPr>{references}{size}{MARGINS}</w:sectPr>"


def _title_page(page: PageFacts) -> str:
    paragraphs = [_paragraph("Normal", page.subject.upper())]
    paragraphs += [
        f'<w:p><w:pPr><w:pStyle w:val="Normal"/><w:tabs><w:tab w:val="left" w:pos="2600"/></w:tabs>'
        f'<w:spacing w:after="60"/><w:ind w:left="2600" w:hanging="2600"/></w:pPr>{_run(name)}<w:r><w:tab/></w:r>{_run(value)}</w:p>'
        for name, value in page.rows
    ]
    if page.synthetic:
        paragraphs.append(
            _paragraph(
                "SyntheticNote",
                "SYNTHETIC DATA. Every patient in this report was simulated. No result in it says "
                "anything about a treatment.",
            )
        )
    title = _paragraph("Title", page.title)
    return title + "".join(paragraphs)


def _header_runs(page: PageFacts) -> str:
    mark = "Synthetic data" if page.synthetic else ""
    left = " · ".join(words for words in (page.study, page.subject) if words)
    right = " · ".join(words for words in (page.status, page.audience, mark) if words)
    return f"{_run(left)}<w:r><w:tab/></w:r>{_run(right)}"


def _footer_runs(page: PageFacts) -> str:
    cut_off = f"Data cut-off {page.cut_off}" if page.cut_off else ""
    pages = f"{_run('Page ')}{_field('PAGE')}{_run(' of ')}{_field('NUMPAGES')}"
    return f"{_run(cut_off)}<w:r><w:tab/></w:r>{pages}"


def _running(element: str, style: str, runs: str, width: int) -> bytes:
    tabs = f'<w:tabs><w:tab w:val="right" w:pos="{width}"/></w:tabs>'
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><w:{element} xmlns:w="{W}"><w:p><w:pPr>'
        f'<w:pStyle w:val="{style}"/>{tabs}</w:pPr>{runs}</w:p></w:{element}>'
    ).encode()


def _paragraph(style: str, words: str) -> str:
    return f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr>{_run(words)}</w:p>'


def _run(words: str) -> str:
    return f'<w:r><w:t xml:space="preserve">{escape(words)}</w:t></w:r>'


def _field(name: str) -> str:
    return f'<w:fldSimple w:instr="{name}"><w:r><w:t>1</w:t></w:r></w:fldSimple>'


def _dated(core: bytes, moment: datetime) -> bytes:
    stamp = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    dated = re.sub(r"(<dcterms:(created|modified)[^>]*>)[^<]*", rf"\g<1>{stamp}", core.decode())
    return dated.encode("utf-8")


def _insert(parts: dict[str, bytes], name: str, before: str, addition: str) -> None:
    parts[name] = parts[name].decode("utf-8").replace(before, addition + before, 1).encode("utf-8")


def _parts(document: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(document)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _zipped(parts: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            entry = zipfile.ZipInfo(name, ZIP_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o600 << 16
            archive.writestr(entry, content)
    return packed.getvalue()
