"""Text that others wrote, made safe to print: as text, in HTML, in Markdown and in a figure.

Adverse event terms and comments come from hospitals, so they are hostile until escaped: a tag, a
Markdown fence, a dollar sign that starts mathematics, a mark that turns the writing direction of the
rest of the page, ten thousand characters without a space. Nothing is ever dropped in silence: a
character that cannot be shown is named by its code point.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache, lru_cache
from html import escape
from pathlib import Path

from sap import ard

BREAK_EVERY = 24  # letters: what the narrowest column holds
ZERO_WIDTH_SPACE = "\u200b"

_ZERO_WIDTH_JOINERS = "\u200c\u200d"
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})


def _shown(character: str) -> str:
    if character in _ZERO_WIDTH_JOINERS:
        return character
    category = unicodedata.category(character)
    if character in "\n\t\r\u2028\u2029":
        return " "
    if category in {"Cc", "Cf", "Cs", "Co", "Cn"}:
        return f"[U+{ord(character):04X}]"
    return character


def visible(text: str) -> str:
    r"""`text` on one line, with every control, direction and unassigned character named.

    >>> visible("abc\u202edef\x00"), visible("two\nlines")
    ('abc[U+202E]def[U+0000]', 'two lines')
    """
    return "".join(map(_shown, text))


def _runs_right_to_left(text: str) -> bool:
    return any(unicodedata.bidirectional(c) in _RIGHT_TO_LEFT for c in text)


def _breakable(text: str, mark: str, written: Callable[[str], str]) -> str:
    """`text` with `mark` inside the words that no line could hold."""
    pieces = []
    for word in re.split(r"(\s+)", text):
        parts = [word[i : i + BREAK_EVERY] for i in range(0, len(word), BREAK_EVERY)]
        pieces.append(mark.join(map(written, parts)))
    return "".join(pieces)


def html_text(text: str) -> str:
    """`text` as HTML: escaped, breakable, isolated when it holds right-to-left writing.

    Backticks are escaped too, so that no text can end the Markdown fence around the HTML.

    >>> html_text("<script> & ```")
    '&lt;script&gt; &amp; &#96;&#96;&#96;'
    """
    shown = visible(text)
    joined = _breakable(shown, "<wbr>", _html)
    return f"<bdi>{joined}</bdi>" if _runs_right_to_left(shown) else joined


def _html(text: str) -> str:
    return escape(text, quote=True).replace("`", "&#96;")


def html_attribute(text: str) -> str:
    r"""`text` as the value of an attribute in double quotes, control and direction characters named.

    >>> html_attribute('a|"b"'), html_attribute("a\u202eb")
    ('a|&quot;b&quot;', 'a[U+202E]b')
    """
    return "".join(
        f"&#{ord(c)};" if c in "\n\r\t`" else _shown(c) for c in escape(text, quote=True)
    )


_MARKDOWN = re.compile(r"""[\\`*_{}\[\]#+\-!<>$@~^|"'&=]|\.(?=\.)|:(?=//)""")
_LIST_MARK = re.compile(r"(?=\(?\w{1,6}[.)](?:\s|$))(\(?\w*)([.)])")


def markdown_text(text: str) -> str:
    r"""`text` as Markdown that means nothing but itself, inside a line or at the start of one.

    >>> print(markdown_text("*5* <b> $x$ [@key]"))
    \*5\* \<b\> \$x\$ \[\@key\]
    >>> print(markdown_text("1. not a list"), markdown_text("(2.5 to 31.2)"))
    1\. not a list (2.5 to 31.2)
    """
    escaped = _breakable(visible(text), ZERO_WIDTH_SPACE, _markdown)
    return _LIST_MARK.sub(r"\1\\\2", escaped, count=1) if _LIST_MARK.match(escaped) else escaped


def _markdown(text: str) -> str:
    return _MARKDOWN.sub(r"\\\g<0>", text)


def markdown_attribute(text: str) -> str:
    """`text` as the value of a pandoc attribute in double quotes.

    The bar is written as a character reference: it would split a cell of a pipe table.

    >>> markdown_attribute('a|"b"')
    'a&#124;&#34;b&#34;'
    """
    return "".join(f"&#{ord(c)};" if c in '|"&<>\\`\n\r\t{}' else _shown(c) for c in text)


_ACRONYMS = (
    "PSA", "RNA", "DNA", "qPCR", "CTC", "CYP3A4", "ECOG", "G-CSF", "PK", "CT", "AE", "SAE",
)  # fmt: skip
"""Abbreviations that keep their usual spelling anywhere in a term; the name of the biomarker does too."""
_UNIT = re.compile(
    r"\b(?:x ?)*10\^(?P<power>\d+)/l\b|\b(?P<amount>[unmp]?(?:g|mol))/l\b|\b(?:x ?)+uln\b"
)
"""Units of laboratory values, and multiples of the upper limit of normal, within a term in lower case."""
_POWERS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def coded(text: str) -> str:
    """A coded term in lower case with a capital; words that are not all capitals stay as they are.

    >>> coded("FEBRILE NEUTROPENIA"), coded("as recorded by the site"), coded("POOR RNA QUALITY")
    ('Febrile neutropenia', 'as recorded by the site', 'Poor RNA quality')
    >>> coded("SAE REPORTED LATE"), coded("FEWER THAN 3 CTCS")
    ('SAE reported late', 'Fewer than 3 CTCs')
    >>> coded("BILIRUBIN ABOVE 1.5 X ULN"), coded("PLATELETS BELOW 100 X 10^9/L"), coded("PSA OF 2 UG/L")
    ('Bilirubin above 1.5 × ULN', 'Platelets below 100 ×10⁹/L', 'PSA of 2 µg/L')
    """
    if not text.isupper():
        return text
    there = (ard.run_folder() / "tables" / "plan.json").is_file()
    marker = ard.plan().biomarker if there else None
    spelled, pattern = _spellings(marker.name if marker else "")
    words = pattern.sub(lambda word: spelled[word[1].lower()] + word[2].lower(), text.capitalize())
    return _UNIT.sub(_unit, words)


@cache
def _spellings(biomarker: str) -> tuple[dict[str, str], re.Pattern[str]]:
    spelled = {each.lower(): each for each in (*_ACRONYMS, biomarker) if each}
    return spelled, re.compile(rf"(?i)\b({'|'.join(map(re.escape, spelled))})(s?)\b")


def _unit(match: re.Match[str]) -> str:
    """A unit in lower case as it is printed."""
    if match["power"]:
        return f"×10{match['power'].translate(_POWERS)}/L"
    if match["amount"]:
        return f"{match['amount'].replace('u', 'µ')}/L"
    return "× ULN"


BOX = "\u25a1"


def font_file(*, bold: bool) -> Path:
    """The font of the figures: that of the report's text."""
    return Path(__file__).parent / "fonts" / f"LibertinusSerif-{'Bold' if bold else 'Regular'}.otf"


@lru_cache(maxsize=1)
def _letters() -> frozenset[int]:
    """The characters for which the font of the figures has a letter."""
    from matplotlib.ft2font import FT2Font

    font = FT2Font(str(font_file(bold=False)))
    return frozenset(font.get_charmap())


def without_letter(texts: Iterable[str]) -> list[str]:
    """The characters, as code points, that no figure can draw: each is shown as a box there.

    >>> without_letter(["Anaemia", "\u4e2d\u6587", "\u4e2d"])
    ['U+4E2D', 'U+6587']
    """
    unusual = {c for text in texts if not text.isascii() for c in visible(text) if not c.isascii()}
    return [f"U+{ord(c):04X}" for c in sorted(unusual) if ord(c) not in _letters()]


def figure_text(text: str, longest: int) -> str:
    """`text` for a figure: visible, and cut with an ellipsis when longer than `longest`.

    A character for which the font has no letter is a box.

    >>> figure_text("a very long term", 10), figure_text("\u4e2d 1", 10)
    ('a very lo…', '□ 1')
    """
    shown = visible(text)
    if not shown.isascii():
        shown = "".join(c if c.isascii() or ord(c) in _letters() else BOX for c in shown)
    return shown if len(shown) <= longest else shown[: longest - 1].rstrip() + "…"
