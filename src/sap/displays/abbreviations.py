"""The abbreviations that a display uses, spelled out below it, and the list of section 4."""

import html
import re
from collections.abc import Sequence

from sap import ard
from sap.catalogue import abbreviations as catalogue
from sap.catalogue.abbreviations import Abbreviation
from sap.catalogue.reporting import all_in_plan
from sap.displays.absence import not_there
from sap.displays.escape import markdown_text
from sap.displays.formats import NC

_TAG = re.compile(r"<[^>]*>")
_ATTRIBUTES = re.compile(r"\]\{[^}]*\}|\]\([^)]*\)")
_PUNCTUATION = re.compile(r"\\(?=[^\w\s])|[\[\]\u200b]")
_FENCE = re.compile(r"^(```.*|:::.*)$", re.MULTILINE)


def known() -> tuple[Abbreviation, ...]:
    """Those of the catalogue and of the plan."""
    there = (ard.run_folder() / "tables" / "plan.json").is_file()
    own = ard.plan().wording.abbreviations if there else {}
    return (
        *(_of_report(one) for one in catalogue.abbreviations()),
        *(catalogue.one_of(text, words) for text, words in own.items()),
    )


def _of_report(one: Abbreviation) -> Abbreviation:
    """NC in the words of this report: those of published data are others."""
    if one.text != NC:
        return one
    long = one.long.replace(one.short, not_there(), 1)
    return one._replace(short=not_there(), long=long)


def plain(markdown: str) -> str:
    r"""What a reader sees of the Markdown of a display; a bar where a cell ends.

    >>> plain("[Table 11-1]{.tlf-number} HR\\-D1 <td>PSA</td>")
    'Table 11-1 HR-D1  | PSA | '
    """
    text = _TAG.sub(" | ", _FENCE.sub("", markdown))
    return html.unescape(_PUNCTUATION.sub("", _ATTRIBUTES.sub("", text)))


def note(parts: Sequence[str]) -> list[str]:
    """The abbreviations of the parts of a display (Markdown) as one note; none that the parts spell out."""
    text = plain("\n".join(parts))
    missing = [one.note for one in catalogue.used(text, known()) if one.note not in text]
    return [markdown_text(f"{'; '.join(missing)}.")] if missing else []


class ListOfAbbreviations:
    """The table of section 4."""

    def _repr_markdown_(self) -> str:
        meanings: dict[str, list[str]] = {}
        there = (ard.run_folder() / "tables" / "plan.json").is_file()
        for one in known():
            if there and not all_in_plan(one.needs, ard.plan()):
                continue
            meanings.setdefault(one.text, []).append(one.long)
        rows = [
            f"| {markdown_text(text)} | {markdown_text(_capital('; '.join(words)))} |"
            for text, words in sorted(meanings.items(), key=lambda item: item[0].casefold())
        ]
        return "\n".join(
            ["| Abbreviation | Definition |", "|:------|:------------------|", *rows, ""]
        )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def listed() -> ListOfAbbreviations:
    """All abbreviations with what they stand for."""
    return ListOfAbbreviations()
