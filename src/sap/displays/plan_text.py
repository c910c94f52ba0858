"""Numbers and words of the plan in prose; each leads to its entry of the plan."""

import re
from dataclasses import replace
from typing import Any

from sap import ard
from sap.catalogue.reporting import applied
from sap.displays import formats
from sap.displays.ard_lookup import Number
from sap.displays.inline import NO_BREAK_SPACE, NOTHING, RichText, ref
from sap.displays.register import printed
from sap.errors import RenderError


def _entry(path: str) -> Any:
    here: Any = ard.table("plan")
    for part in path.split("."):
        if isinstance(here, list) and part.isdecimal() and int(part) < len(here):
            here = here[int(part)]
            continue
        if not isinstance(here, dict) or part not in here:
            raise RenderError(f"The plan has no entry {path}.\nMend the name in the chapter.")
        here = here[part]
    return here


def number(path: str) -> Number:
    """One entry of the plan as it is written there, with its address `plan|path`."""
    value = _entry(path)
    if isinstance(value, bool) or value is None or isinstance(value, dict | list):
        raise RenderError(f"The plan's {path} is neither a number nor a word.")
    text = formats.as_collected(value) if isinstance(value, int | float) else str(value)
    return Number(text, f"plan|{path}")


def value(path: str) -> RichText:
    """A number or word of the plan: `plan.value("design.p0")`."""
    return RichText(number(path))


def values(path: str) -> RichText:
    """All numbers of a list of the plan: `30, 50 and 90`, each with its own address."""
    there = _entry(path)
    if not isinstance(there, list) or not there:
        raise RenderError(f"The plan's {path} is no list with something in it.")
    parts: list[str | Number] = []
    for place in range(len(there)):
        joint = "" if place == 0 else " and " if place == len(there) - 1 else ", "
        parts += [joint, number(f"{path}.{place}")]
    return RichText(*parts)


def either(path: str) -> RichText:
    """The words of a list of the plan, as prose names them: `carboplatin or cisplatin`."""
    there = _entry(path)
    if not isinstance(there, list) or not there:
        raise RenderError(f"The plan's {path} is no list with something in it.")
    parts: list[str | Number] = []
    for place, word in enumerate(there):
        joint = "" if place == 0 else " or " if place == len(there) - 1 else ", "
        parts += [joint, Number(str(word).lower(), f"plan|{path}.{place}")]
    return RichText(*parts)


_KEY = re.compile(r"\{([a-z0-9_.]+)\}")


def phrase(path: str, *, capital: bool = True) -> RichText:
    """A text of the plan with the values of the keys in braces in it, beginning with a capital or not.

    A value, and a piece of the text with a digit, leads to its entry; a list is printed as alternatives:
    `carboplatin or cisplatin`.
    """
    template = _entry(path)
    if not isinstance(template, str):
        raise RenderError(f"The plan's {path} is no text.")
    parts: list[str | Number] = []
    for place, piece in enumerate(_KEY.split(template)):
        if place % 2 == 0:
            parts += _piece(piece, path)
        elif isinstance(_entry(piece), list):
            parts += either(piece).parts
        else:
            parts.append(number(piece))
    first = parts[0]
    words = first.text if isinstance(first, Number) else first
    second = words[1:2]
    if capital or second.islower():  # an abbreviation keeps its capitals
        begin = words[:1].upper() if capital else words[:1].lower()
        words = begin + words[1:]
    parts[0] = replace(first, text=words) if isinstance(first, Number) else words
    return RichText(*parts)


def _piece(text: str, path: str) -> list[str | Number]:
    """A piece of a text of the plan; with a digit in it, it leads to the text, without its outer spaces."""
    if not re.search(r"\d", formats.typeset(text)):  # mg/m2 is a unit
        return [text] if text else []
    words = text.strip()
    start = text.index(words)
    outer = (text[:start], text[start + len(words) :])
    shown = Number(formats.typeset(words), f"plan|{path}")
    return [part for part in (outer[0], shown, outer[1]) if part]


def counted_in() -> str:
    """The volume of blood in which CTC are counted: `7.5 mL`."""
    return f"{formats.as_collected(_entry('biomarker.cell_count.volume_ml'))} mL"


def percent(path: str) -> RichText:
    """A share of the plan in percent."""
    return RichText(Number(formats.confidence(_entry(path)), f"plan|{path}"), "%")


def section(name: str) -> RichText:
    """The section of the SAP: `SAP 5.1`; of an entry that the plan leaves out, that it does."""
    if ard.table("plan").get(name, {}) is None:
        return RichText("not in this SAP")
    return RichText(str(_entry(f"{name}.section")).replace(" ", NO_BREAK_SPACE))


class Paragraph:
    """A paragraph of Markdown with values of the plan and links to displays, or nothing."""

    def __init__(self, markdown: str) -> None:
        self.markdown = markdown

    def _repr_markdown_(self) -> str:
        return self.markdown or NOTHING


def paragraph(display_id: str, template: str, *also: str) -> Paragraph:
    """Markdown that is printed where its display, and every one of `also`, is.

    In braces: an entry of the plan for its section (`{pk}`), a key for its value or list of values
    (`{pk.primary_h}`), a display for its number with its link (`{tlf-pk}`), `{exposure.unit}` for the unit
    of the planned dose as tables have it. A part in double brackets is for plans with an entry
    (`sap.catalogue.reporting.filled`).
    """
    if not all(printed(one) for one in (display_id, *also)):
        return Paragraph("")
    template = applied(template, ard.plan()) if "[[" in template else template
    return Paragraph(_FIELD.sub(lambda field: str(_field(field[1])), template))


DOSE_UNIT = "exposure.unit"
_FIELD = re.compile(r"\{([a-z0-9_.-]+)\}")


def _field(name: str) -> RichText:
    if name.startswith("tlf-"):
        return ref(name)
    if "." not in name:
        return section(name)
    if name == DOSE_UNIT:
        return RichText(ard.plan().exposure.unit)
    return values(name) if isinstance(_entry(name), list) else value(name)
