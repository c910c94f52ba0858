"""Comparison of two files by what they say, where their bytes differ.

Each function gets the file on record and the rebuilt one and returns the differences in words; none
where both say the same. A file on record may be forged: a fault of reading it is a difference too.
"""

import csv
import io
import json
import math
import tempfile
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import zip_longest
from pathlib import Path
from typing import Any

from sap.bundle.opening import LARGEST_TOTAL

RELATIVE = 1e-9
Token = tuple[str, ...]
# Elements whose text is no prose: compared to the letter, JSON by its values.
VERBATIM = frozenset({"script", "style"})


def same_number(left: float, right: float) -> bool:
    """Whole numbers exactly, others to 1e-9 (relative); NaN equals NaN.

    >>> same_number(3, 4), same_number(0.1, 0.1 + 1e-12), same_number(2.0, 2.0 + 1e-12)
    (False, True, True)
    >>> same_number(10**12, 10**12 + 1), same_number(float("inf"), 1.0)
    (False, False)
    """
    if left == right or (math.isnan(left) and math.isnan(right)):
        return True
    if not (math.isfinite(left) and math.isfinite(right)) or (left % 1 == 0 and right % 1 == 0):
        return False
    return abs(left - right) <= RELATIVE * max(abs(left), abs(right))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _json_places(old: Any, new: Any, place: str = "") -> Iterator[str]:
    """The places at which two JSON values differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys()):
            if name in old and name in new:
                yield from _json_places(old[name], new[name], f"{place}.{name}")
            else:
                yield f"{place}.{name}"
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (left, right) in enumerate(zip(old, new, strict=True)):
            yield from _json_places(left, right, f"{place}[{number}]")
    elif _is_number(old) and _is_number(new):
        if not same_number(old, new):
            yield place or "."
    elif type(old) is not type(new) or old != new:
        yield place or "."


def json_differences(old: bytes, new: bytes) -> list[str]:
    """Names and values that differ, by their place."""
    places = list(_json_places(json.loads(old), json.loads(new)))
    return [f"{len(places)} value(s) differ, the first at {places[0]}"] if places else []


def table_differences(old: bytes, new: bytes) -> list[str]:
    """Cells of a CSV file that differ: numbers as numbers, words to the letter."""
    rows = zip_longest(*(csv.reader(io.StringIO(c.decode("utf-8"))) for c in (old, new)))
    different = [
        number
        for number, (left, right) in enumerate(rows, start=1)
        if left is None
        or right is None
        or len(left) != len(right)
        or not all(map(_same_text, left, right))
    ]
    return (
        [f"{len(different)} line(s) differ, the first is line {different[0]}"] if different else []
    )


def _same_text(left: str, right: str) -> bool:
    if left == right:
        return True
    try:
        return same_number(float(left), float(right))
    except ValueError:
        return False


# ---- HTML ----------------------------------------------------------------------------------------


class _Tokens(HTMLParser):
    """A page as tokens: tags with sorted attributes, words, scripts, comments, declarations."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tokens: list[Token] = []
        self._kind = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        plain = sorted(f"{name}={value}" for name, value in attrs)
        self._kind = f"{tag} json" if tag == "script" and "type=application/json" in plain else tag
        self.tokens.append(("tag", tag, *plain))

    def handle_endtag(self, tag: str) -> None:
        self._kind = ""
        self.tokens.append(("end", tag))

    def handle_data(self, data: str) -> None:
        if self._kind.partition(" ")[0] in VERBATIM:
            self.tokens.append((self._kind, data))
        elif words := " ".join(data.split()):
            self.tokens.append(("words", words))

    def handle_comment(self, data: str) -> None:
        self.tokens.append(("comment", data))

    def handle_decl(self, decl: str) -> None:
        self.tokens.append(("declaration", decl))

    def handle_pi(self, data: str) -> None:
        self.tokens.append(("declaration", data))

    def unknown_decl(self, data: str) -> None:
        self.tokens.append(("declaration", data))


def _tokens(content: bytes) -> list[Token]:
    parser = _Tokens()
    parser.feed(content.decode("utf-8"))
    parser.close()
    return parser.tokens


def _same_token(old: Token, new: Token) -> bool:
    if old == new:
        return True
    return old[0] == new[0] == "script json" and not json_differences(
        old[1].encode(), new[1].encode()
    )


PICTURES = frozenset({"img", "image", "svg", "path", "use", "object", "embed", "iframe", "source"})


def _kind_of(token: Token) -> str:
    """What a token is to a reader."""
    if token[0].startswith(("script", "style")):
        return token[0].partition(" ")[0]
    if token[0] in ("tag", "end"):
        if token[1] == "a":
            return "link"
        return "picture" if token[1] in PICTURES else f"element {token[1][:20]}"
    return "text" if token[0] == "words" else token[0]


def html_differences(old: bytes, new: bytes) -> list[str]:
    """The first difference of two pages by what it is: text, link, picture, style, script, element.

    Only the spaces between words and the order of attributes may differ, and the last digits of
    numbers in JSON.
    """
    for left, right in zip_longest(_tokens(old), _tokens(new)):
        if left is None or right is None:
            return ["one has more elements than the other"]
        if not _same_token(left, right):
            return [f"its first difference is in the {_kind_of(left)}"]
    return []


# ---- Word ----------------------------------------------------------------------------------------


def _parts(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
        if sum(entry.file_size for entry in entries) > LARGEST_TOTAL:
            raise ValueError("it unpacks to more than a report can hold")
        names = [entry.filename for entry in entries]
        if len(set(names)) != len(names):
            raise ValueError("it has a part twice")
        return {entry.filename: archive.read(entry) for entry in entries}


def _canonical(content: bytes) -> str:
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise ValueError("a part of it has declarations of its own")
    return ET.canonicalize(content.decode("utf-8"))


def docx_differences(old: bytes, new: bytes) -> list[str]:
    """Parts of a Word file that differ: XML in its canonical form, all others by their bytes."""
    before, after = _parts(old), _parts(new)
    names = sorted(before.keys() ^ after.keys())
    for name in sorted(before.keys() & after.keys()):
        same = before[name] == after[name] or (
            name.endswith((".xml", ".rels")) and _canonical(before[name]) == _canonical(after[name])
        )
        names += [] if same else [name]
    return [f"{len(names)} part(s) differ, the first is {names[0]}"] if names else []


def xml_differences(old: bytes, new: bytes) -> list[str]:
    """Whether two XML files differ in their canonical form."""
    same = _canonical(old) == _canonical(new)
    return [] if same else ["elements, attributes or text differ"]


# ---- transport files -------------------------------------------------------------------------------


def xpt_differences(old: bytes, new: bytes) -> list[str]:
    """Columns and cells of two transport files that differ."""
    if len(old) != len(new):
        return ["one is longer than the other"]
    (before, about), (after, wanted) = (_transport(content) for content in (old, new))
    facts = ("column_names", "column_labels", "original_variable_types", "number_rows", "table_name", "file_label")  # fmt: skip
    changed = [fact for fact in facts if getattr(about, fact) != getattr(wanted, fact)]
    if changed:
        return [f"its {' and '.join(changed).replace('_', ' ')} differ"]
    columns = [
        str(name)
        for name in after
        if not all(map(_same_cell, before[name].tolist(), after[name].tolist()))
    ]
    return [f"cells of {', '.join(columns[:6])} differ"] if columns else []


def _transport(content: bytes) -> tuple[Any, Any]:
    import pyreadstat

    with tempfile.TemporaryDirectory(prefix="sap-audit-") as folder:
        path = Path(folder) / "a.xpt"
        path.write_bytes(content)
        frame, about = pyreadstat.read_xport(path)
        return frame, about


def _same_cell(left: Any, right: Any) -> bool:
    if _is_number(left) and _is_number(right):
        return same_number(left, right)
    return bool(left == right) or (left is None and right is None)
