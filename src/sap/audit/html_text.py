"""The visible text of an HTML report, and of each of its displays."""

import html
import re

DISPLAY = re.compile(r'<(?:div|section|figure)[^>]* id="(tlf-[a-z0-9-]+)"')
SCRIPT = re.compile(r"<(script|style)\b.*?</\1>", re.DOTALL)
TAG = re.compile(r"<[^>]+>")


def displays_in(page: str) -> dict[str, str]:
    """The visible text of each display of an HTML report, by its id.

    >>> displays_in('<div id="tlf-a" class="tlf"><p>3 <b>patients</b></p></div><div id="tlf-b">x</div>')
    {'tlf-a': '3 patients', 'tlf-b': 'x'}
    """
    places = [(m.start(), m[1]) for m in DISPLAY.finditer(page)]
    ends = [place for place, _ in places[1:]] + [len(page)]
    texts: dict[str, str] = {}
    for (start, name), end in zip(places, ends, strict=True):
        texts.setdefault(name, words_of(page[start:end]))
    return texts


def words_of(page: str) -> str:
    """The visible text of a piece of HTML."""
    return " ".join(html.unescape(TAG.sub(" ", SCRIPT.sub(" ", page))).split())
