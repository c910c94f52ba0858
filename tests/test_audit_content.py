"""Two files by what they say: what is equal although bytes differ, and each difference that is found."""

import datetime as dt
import io
import json
import zipfile
from functools import partial

import pandas as pd
import pytest
from pypdf import PdfReader, PdfWriter
from pypdf.annotations import FreeText
from pypdf.generic import (
    ArrayObject,
    DictionaryObject,
    NameObject,
    NullObject,
    RectangleObject,
    StreamObject,
    TextStringObject,
)

from sap import export
from sap.audit import content, pages
from sap.publish import pdf

DAY = dt.datetime(2019, 6, 30, tzinfo=dt.UTC)
SOURCE = """#set document(title: "T", date: auto)
#set page(width: 10cm, height: 6cm)
= First
#link("https://example.org")[A link] and 12.0 %.
#rect(width: 2cm, height: 1cm, fill: rgb("{fill}"))
#pagebreak()
= Second
Text of the second page.
"""


# ---- PDF -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    def made(fill: str = "#808080", **words: str) -> bytes:
        source = SOURCE.replace("{fill}", fill)
        for old, new in words.items():
            source = source.replace(old, new)
        return pdf.compile_pdf(source, tmp_path_factory.mktemp("typst"), DAY)

    return made


def edited(original: bytes, edit) -> bytes:
    writer = PdfWriter(clone_from=io.BytesIO(original))
    edit(writer)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def differences(old: bytes, new: bytes) -> str:
    return "; ".join(pages.pdf_differences(old, new).differences)


def test_a_pdf_that_was_only_stored_in_another_way_is_equal_in_text_and_picture(printed):
    original = printed()
    other = edited(original, lambda writer: None)
    assert other != original
    found = pages.pdf_differences(other, original)
    assert found == pages.Pages([], 0)


def test_a_pixel_may_differ_by_32_of_255_and_no_more(printed):
    """Grey 128 against 160 and 161: a difference of 32, then of 33, in the picture of page 1."""
    original = printed("#808080")
    near = pages.pdf_differences(printed("#a0a0a0"), original)
    assert near == pages.Pages([], 32)
    far = pages.pdf_differences(printed("#a1a1a1"), original)
    assert far.differences == ["the picture of page 1 differs by up to 33 of 255"]


def test_a_letter_is_found_with_its_page(printed):
    assert differences(printed(second="2nd"), printed()) == "the text of page 2 differs"


@pytest.mark.parametrize("named", ["", "/P"])
def test_other_letters_behind_the_same_operators_are_found(printed, named):
    """What a reader copies or hears is made by a table of the font; no operator and no pixel differs.

    A font may have any name, that of an entry which leads upward too.
    """

    def edit(writer: PdfWriter, *, spoilt: bool) -> None:
        page = writer.pages[1]
        fonts = page["/Resources"]["/Font"]
        name = max(fonts)  # of the text, not of the heading
        if named:
            drawn = StreamObject()
            drawn.set_data(
                page.get_contents().get_data().replace(name.encode() + b" ", named.encode() + b" ")
            )
            page[NameObject("/Contents")] = writer._add_object(drawn)
            fonts[NameObject(named)] = fonts.pop(name)
        if spoilt:
            font = fonts[named or name].get_object()  # page 1 has it too, and keeps it
            kept = {key: value for key, value in font.items() if key != "/ToUnicode"}
            fonts[NameObject(named or name)] = DictionaryObject(kept)

    good, spoilt = (
        edited(printed(first="1st"), partial(edit, spoilt=spoilt)) for spoilt in (False, True)
    )
    assert differences(good, good) == ""
    assert differences(spoilt, good) == "the text of page 2 differs"


def add_blank(writer: PdfWriter) -> None:
    writer.add_blank_page(100, 100)


def resized(writer: PdfWriter) -> None:
    writer.pages[1].mediabox = RectangleObject((0, 0, 100, 100))


def commented(writer: PdfWriter) -> None:
    writer.add_annotation(0, FreeText(text="approved", rect=(0, 0, 1, 1)))


def other_target(writer: PdfWriter) -> None:
    annotation = writer.pages[0]["/Annots"][0].get_object()
    annotation["/A"].get_object()[NameObject("/URI")] = TextStringObject("https://example.com")


def in_catalogue(name: str, value) -> object:
    def edit(writer: PdfWriter) -> None:
        writer.root_object[NameObject(name)] = value

    return edit


LAYERS = DictionaryObject(
    {NameObject("/OCGs"): ArrayObject(), NameObject("/D"): DictionaryObject()}
)
FORM = DictionaryObject({NameObject("/Fields"): ArrayObject()})
SCRIPTS = DictionaryObject({NameObject("/JavaScript"): DictionaryObject()})
RUN = DictionaryObject({NameObject("/S"): NameObject("/JavaScript"), NameObject("/JS"): TextStringObject("1")})  # fmt: skip


@pytest.mark.parametrize(
    "edit, words",
    [
        (add_blank, "it has 3 pages, the rebuilt one has 2"),
        (resized, "page 2 has another size"),
        (commented, "annotations of page 1 differ"),
        (other_target, "annotations of page 1 differ"),
        (in_catalogue("/Names", SCRIPTS), "scripts, attachments or names"),
        (lambda writer: writer.add_attachment("a.txt", b"x"), "scripts, attachments or names"),
        (in_catalogue("/OpenAction", RUN), "action on opening"),
        (in_catalogue("/OCProperties", LAYERS), "layers"),
        (in_catalogue("/AcroForm", FORM), "form fields"),
        (in_catalogue("/AF", ArrayObject([NullObject()])), "attachments"),
        (in_catalogue("/Lang", TextStringObject("fr")), "language"),
        (in_catalogue("/Odd", NullObject()), "entries"),
        (lambda writer: writer.pages[0].rotate(90), "rotation of page 1"),
        (lambda writer: writer.add_metadata({"/Title": "Final"}), "title"),
    ],
)
def test_what_a_picture_does_not_show_is_found(printed, edit, words):
    original = printed()
    assert words in differences(edited(original, edit), original)


def test_the_other_text_for_a_reader_of_the_screen_is_compared(printed, tmp_path):
    """The description of a picture is in the tags: no page shows it."""
    source = '#set document(title: "T", date: auto)\n#figure(rect(), alt: "{}", caption: [c])\n'
    old, new = (
        pdf.compile_pdf(source.replace("{}", words), tmp_path, DAY) for words in ("three", "four")
    )
    assert len(PdfReader(io.BytesIO(old)).pages) == 1
    assert "tags" in differences(old, new)


# ---- HTML ----------------------------------------------------------------------------------------

PAGE = (
    '<!DOCTYPE html><html lang="en"><head><style>td { color: red }</style></head><body>'
    '<p id="a" class="b">12.0 <a href="#b">link</a> <img src="data:x" alt="y"> '
    '<span data-ard="k">3</span></p><script>run(1)</script>'
    '<script type="application/json">{"k": {"stat": 0.1, "n": 3}}</script></body></html>'
)


def of_page(old: str, new: str) -> list[str]:
    assert old in PAGE
    return content.html_differences(PAGE.replace(old, new).encode(), PAGE.encode())


@pytest.mark.parametrize(
    "old, new",
    [
        ("<p ", "\n <p "),
        ('id="a" class="b"', 'class="b"  id="a"'),
        ("12.0 <a", "12.0\n<a"),
        ('"stat": 0.1', '"stat":0.1000000000001'),
        ('"stat": 0.1, "n": 3', '"n": 3, "stat": 0.1'),
        ("&amp;" if "&amp;" in PAGE else "link", "l&#105;nk"),
    ],
)
def test_spaces_the_order_of_attributes_and_last_digits_of_json_may_differ(old, new):
    assert of_page(old, new) == []


@pytest.mark.parametrize(
    "old, new, where",
    [
        ("12.0", "12.1", "text"),
        ("12.0 <a", "12.0<b></b> <a", "element b"),
        ("#b", "https://example.org", "link"),
        ('alt="y"', 'alt="z"', "picture"),
        ("data:x", "data:z", "picture"),
        ('data-ard="k"', 'data-ard="j"', "element span"),
        ("<p ", '<p style="display:none" ', "element p"),
        ("<p ", '<p onclick="run()" ', "element p"),
        ("color: red", "color: white", "style"),
        ("run(1)", "run(2)", "script"),
        ('"stat": 0.1', '"stat": 0.2', "script"),
        ('"n": 3', '"n": 4', "script"),
        ("<p ", "<!-- approved --><p ", "comment"),
        ("<!DOCTYPE html>", "<!DOCTYPE x>", "declaration"),
        ('lang="en"', 'lang="fr"', "element html"),
    ],
)
def test_every_other_difference_of_a_page_is_named_by_what_it_is(old, new, where):
    found = of_page(old, new)
    assert len(found) == 1
    # The first difference is named by the token on record: an added one by what is there now.
    assert where in found[0], found


def test_an_element_more_at_the_end_is_found():
    assert of_page("</html>", "</html><script>x</script>") == [
        "one has more elements than the other"
    ]


# ---- Word, transport files, JSON, CSV ------------------------------------------------------------


def word(document: str = "<w>text</w>", **more: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("word/document.xml", document)
        archive.writestr("word/media/a.png", b"picture")
        for name, part in more.items():
            archive.writestr(f"word/{name}.xml", part)
    return out.getvalue()


def test_a_word_file_is_compared_by_its_parts():
    assert (
        content.docx_differences(word("<w a='1'  b='2'>x</w>"), word('<w b="2" a="1">x</w>')) == []
    )
    changed = content.docx_differences(word("<w>other</w>"), word())
    assert changed == ["1 part(s) differ, the first is word/document.xml"]
    assert content.docx_differences(word(macros=b"<x/>"), word())
    picture = word().replace(b"picture", b"Picture")
    with pytest.raises(zipfile.BadZipFile):  # its own checksum; a caller calls that a difference
        content.docx_differences(picture, word())
    with pytest.raises(ValueError, match="declarations"):
        content.docx_differences(word('<!DOCTYPE w [<!ENTITY a "b">]><w>text</w>'), word())


@pytest.mark.parametrize(
    "old, new, same",
    [
        ({"a": 0.1}, {"a": 0.1 * (1 + 9e-10)}, True),
        ({"a": 0.1}, {"a": 0.1 * (1 + 2e-9)}, False),
        ({"a": 3}, {"a": 4}, False),
        ({"n": 10**12}, {"n": 10**12 + 1}, False),
        ({"a": 3}, {"a": 3.0}, True),
        ({"a": True}, {"a": 1}, False),
        ({"a": None}, {"a": 0}, False),
        ({"a": "x"}, {"a": "y"}, False),
        ([1, 2], [1, 2, 3], False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
    ],
)
def test_json_is_compared_by_name_and_value(old, new, same):
    found = content.json_differences(json.dumps(old).encode(), json.dumps(new).encode())
    assert (found == []) is same


@pytest.mark.parametrize(
    "old, new, same",
    [
        ("a,b\n1,x\n", 'a,b\n1.0,"x"\n', True),
        ("a\n0.1\n", "a\n0.1000000000001\n", True),
        ("a\n3\n", "a\n4\n", False),
        ("a\nx\n", "a\ny\n", False),
        ("a\n1\n", "a\n1\n2\n", False),
        ("a\n1\n", "a\n1,2\n", False),
    ],
)
def test_a_table_is_compared_cell_by_cell(old, new, same):
    assert (content.table_differences(old.encode(), new.encode()) == []) is same


def test_xml_is_compared_in_its_canonical_form():
    """Quotes, the order of attributes and the way an empty element is written are no part of it."""
    old, new = b"<a c='1' b='2'><d/></a>", b'<a b="2" c="1"><d></d></a>'
    assert content.xml_differences(old, new) == []
    for changed in (b'<a b="2" c="2"><d/></a>', b'<a b="2" c="1"><d>x</d></a>', b"<a/>"):
        assert content.xml_differences(changed, new) == ["elements, attributes or text differ"]


def transport(weight: float = 70.1, n: float = 3.0, who: str = "P1") -> bytes:
    frame = pd.DataFrame({"USUBJID": [who, "P2"], "WEIGHTBL": [weight, None], "AGE": [n, 60.0]})
    return export.xpt(frame, "adsl", DAY.date())


def test_a_transport_file_is_compared_cell_by_cell():
    assert content.xpt_differences(transport(70.1 * (1 + 1e-12)), transport()) == []
    assert content.xpt_differences(transport(70.2), transport()) == ["cells of WEIGHTBL differ"]
    assert content.xpt_differences(transport(n=4), transport()) == ["cells of AGE differ"]
    assert content.xpt_differences(transport(who="P9"), transport()) == ["cells of USUBJID differ"]
    assert content.xpt_differences(transport() + b" " * 80, transport()) == ["one is longer than the other"]  # fmt: skip
    label = transport().replace(b"Age", b"Ago")
    assert content.xpt_differences(label, transport()) == ["its column labels differ"]
