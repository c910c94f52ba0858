"""Comparison of two PDF files page by page: text, picture, and everything that a picture does not show."""

import hashlib
import io
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

DPI = 100
MOST = 32
"""The greatest difference of a pixel, of 255, at which two pages are equal in picture."""
DEEPEST = 120


class Pages(NamedTuple):
    """The differences of two PDF files in words, and the greatest difference of a pixel."""

    differences: list[str]
    greatest: int


def pdf_differences(old: bytes, new: bytes) -> Pages:
    """Compare a PDF file on record with the rebuilt one.

    The first case that applies; a page is named by its number:

    1. Another number of pages, or a page of another size.
    2. Annotations (links included), scripts, actions, attachments, layers, form fields, contents,
       language or tags of the document or of a page differ.
    3. The text of a page differs.
    4. A pixel of a page at 100 dpi differs by more than 32 of 255.
    """
    from pypdf import PdfReader

    readers = [PdfReader(io.BytesIO(content)) for content in (old, new)]
    sizes = [[tuple(map(float, page.mediabox)) for page in reader.pages] for reader in readers]
    if len(sizes[0]) != len(sizes[1]):
        return Pages([f"it has {len(sizes[0])} pages, the rebuilt one has {len(sizes[1])}"], 0)
    odd = _first(left != right for left, right in zip(*sizes, strict=True))
    if odd:
        return Pages([f"page {odd} has another size"], 0)
    hidden = [_beside_the_picture(reader) for reader in readers]
    changed = [name for name in hidden[1] if hidden[0].get(name) != hidden[1][name]]
    if changed:
        return Pages([f"its {changed[0]} differ(s)"], 0)
    odd = _first(
        not _same_content(left, right) and left.extract_text() != right.extract_text()
        for left, right in zip(readers[0].pages, readers[1].pages, strict=True)
    )
    if odd:
        return Pages([f"the text of page {odd} differs"], 0)
    gaps = list(_gaps(old, new))
    over = [number for number, gap in enumerate(gaps, start=1) if gap > MOST]
    words = [f"the picture of page {over[0]} differs by up to {max(gaps)} of 255"] if over else []
    return Pages(words, max(gaps, default=0))


def _same_content(left: Any, right: Any) -> bool:
    """Whether two pages are drawn by the same operators with the same fonts and pictures.

    Their text is the same then, and need not be extracted, which takes most of the time of a comparison.
    """
    drawn = [
        b"" if (made := page.get_contents()) is None else made.get_data() for page in (left, right)
    ]
    if drawn[0] != drawn[1]:
        return False
    resources = [_sum(page.get("/Resources"), {}, leaving=frozenset()) for page in (left, right)]
    return resources[0] == resources[1]


def _first(odd: Iterator[bool]) -> int:
    """The number of the first that is true; 0 where none is."""
    return next((number for number, one in enumerate(odd, start=1) if one), 0)


# Entries of the catalogue and of a page that a picture does not show, by what a reader calls them.
OF_DOCUMENT = {
    "/OpenAction": "action on opening",
    "/AA": "actions",
    "/Names": "scripts, attachments or names",
    "/AF": "attachments",
    "/AcroForm": "form fields",
    "/OCProperties": "layers",
    "/Outlines": "contents",
    "/Dests": "names",
    "/URI": "base address",
    "/Lang": "language",
    "/Perms": "permissions",
    "/Collection": "attachments",
    "/Threads": "threads",
    "/ViewerPreferences": "preferences",
    "/StructTreeRoot": "tags",
}
OF_PAGE = {"/Annots": "annotations", "/AA": "actions", "/AF": "attachments", "/Rotate": "rotation"}
# What leads up or aside from an object, not to what it is made of.
STORAGE = frozenset({"/Length", "/Filter", "/DecodeParms"})
# Ways of storing a stream, whose decoded bytes are compared.
UPWARDS = frozenset({"/Parent", "/P", "/Prev", "/StructParent", "/StructParents", "/Pg"})


def _beside_the_picture(reader: Any) -> dict[str, str]:
    """Each entry that a picture does not show, as the checksum of all that it holds."""
    root = reader.root_object
    pages = {page.indirect_reference.idnum: n for n, page in enumerate(reader.pages, start=1)}
    parts: dict[str, str] = {}
    for number, page in enumerate(reader.pages, start=1):
        for name, words in OF_PAGE.items():
            parts[f"{words} of page {number}"] = _sum(page.get(name), pages)
    for name, words in OF_DOCUMENT.items():
        parts[f"{words} ({name[1:]})"] = _sum(root.get(name), pages)
    about = reader.metadata or {}
    titles = [str(about.get(name)) for name in ("/Title", "/Author", "/Subject", "/Keywords")]
    parts["title"] = repr(titles)
    # An entry of the catalogue that no version of ours writes is a difference of its own.
    parts["entries"] = repr(sorted(set(root) - set(OF_DOCUMENT) - OTHER_ENTRIES))
    return parts


# Entries of the catalogue that hold nothing to read.
OTHER_ENTRIES = frozenset(
    (
        *("/Type", "/Pages", "/Version", "/Metadata", "/MarkInfo", "/PageLabels"),
        *("/OutputIntents", "/PageMode", "/PageLayout", "/Extensions"),
    )
)


def _sum(value: Any, pages: dict[int, int], leaving: frozenset[str] = UPWARDS) -> str:
    digest = hashlib.sha256()
    for word in _flat(value, pages, {}, leaving):
        digest.update(word.encode("utf-8", "surrogatepass") + b"\0")
    return digest.hexdigest()


def _flat(
    value: Any, pages: dict[int, int], seen: dict[int, int], leaving: frozenset[str], depth: int = 0
) -> Iterator[str]:
    """An object of PDF as words: a page by its number, an object met before by its place.

    Entries named in `leaving` are left out.
    """
    from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject, StreamObject

    if isinstance(value, IndirectObject):
        if value.idnum in pages:
            yield f"page {pages[value.idnum]}"
            return
        if value.idnum in seen:
            yield f"object {seen[value.idnum]}"
            return
        seen[value.idnum] = len(seen)
        value = value.get_object()
    if depth > DEEPEST:
        raise ValueError("it is nested deeper than a report can be")
    if isinstance(value, DictionaryObject):
        packed = STORAGE if isinstance(value, StreamObject) else frozenset()
        for name in sorted(set(value) - leaving - packed):
            yield str(name)
            yield from _flat(value.raw_get(name), pages, seen, leaving, depth + 1)
        if isinstance(value, StreamObject):
            yield hashlib.sha256(value.get_data()).hexdigest()
    elif isinstance(value, ArrayObject):
        yield f"[{len(value)}"
        for each in list.__iter__(value):
            yield from _flat(each, pages, seen, leaving, depth + 1)
    else:
        yield repr(value)


def _gaps(old: bytes, new: bytes) -> Iterator[int]:
    """The greatest difference of a pixel of each page, of 255."""
    import pypdfium2

    documents = [pypdfium2.PdfDocument(content) for content in (old, new)]
    try:
        for index in range(len(documents[0])):
            left, right = (_picture(document, index) for document in documents)
            if left.shape != right.shape:
                yield 255
            else:
                yield int(np.abs(left.astype(np.int16) - right.astype(np.int16)).max(initial=0))
    finally:
        for document in documents:
            document.close()


def _picture(document: Any, index: int) -> Any:
    page = document[index]
    try:
        return page.render(scale=DPI / 72, may_draw_forms=True).to_numpy().copy()
    finally:
        page.close()
