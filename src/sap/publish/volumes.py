"""The volumes of a report: chapters that are a PDF of their own, and chapters that only the HTML has.

The header of the root document names them; Quarto ignores both keys:

    volumes:
      - name: "16-2"                        # the file csr-16-2.pdf
        title: "Section 16.2: listings"     # on its title page
        label: "listings volume"            # what the text of another volume calls it
        chapters: [16-listings]             # included files, without their suffix
        landscape: true                     # all its pages but the first are landscape; may be left out
    html-only: [16-plan]
"""

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sap.errors import RenderError
from sap.publish import tree
from sap.publish.facts import PageFacts

KEYS = {"name", "title", "label", "chapters"}
LANDSCAPE = "landscape"
# What the first page of a volume says; the title page of the body says the rest.
ON_VOLUMES = (
    "Study",
    "Registry",
    "Sponsor",
    "Document",
    "Audience",
    "Status",
    "Data cut-off",
    "Data snapshot",
)
MARK = "volume"  # the format of the raw block that says to which volume the next blocks belong
BODY = ""
HTML_ONLY = "html-only"
BODY_LABEL, HTML_LABEL = "main volume", "HTML report"
PLACE_OF_CONTENTS = "place-of-contents"
LINK_IN_HTML = re.compile(r'<a\b[^>]*\shref="#(?P<to>[^"]*)"[^>]*>(?P<words>.*?)</a>', re.DOTALL)


@dataclass(frozen=True)
class Volume:
    """One PDF: its name in the file's name (nothing for the body), what it holds, and its facts."""

    name: str
    content: tree.Json
    page: PageFacts


def marked(header: Mapping[str, Any], chapters: Sequence[str], texts: Sequence[str]) -> str:
    """The texts of all chapters as one Markdown text, with a mark where another volume begins.

    Raises
    ------
    RenderError
        The header names a chapter that is not included, or a volume without one of its four keys.
    """
    belongs = _volume_of_chapter(header)
    lost = sorted(belongs.keys() - set(chapters))
    if lost:
        raise RenderError(f"the header names the chapter {lost[0]}, which is not included")
    if not belongs:
        return "\n\n".join(texts)
    at, parts = BODY, []
    for chapter, text in zip(chapters, texts, strict=True):
        volume = belongs.get(chapter, BODY)
        if volume != at:
            parts.append(f"```{{={MARK}}}\n{volume}\n```")
            at = volume
        parts.append(text)
    return "\n\n".join(parts)


def taken_apart(content: tree.Json) -> tuple[tree.Json, dict[str, list[tree.Json]]]:
    """The tree without its marks, and the blocks of each volume."""
    at = BODY
    every: list[tree.Json] = []
    of_volume: dict[str, list[tree.Json]] = {BODY: []}
    for block in content["blocks"]:
        if block["t"] == "RawBlock" and block["c"][0] == MARK:
            at = block["c"][1].strip()
            continue
        every.append(block)
        of_volume.setdefault(at, []).append(block)
    return content | {"blocks": every}, of_volume


def bound(
    header: Mapping[str, Any],
    content: tree.Json,
    of_volume: Mapping[str, list[tree.Json]],
    page: PageFacts,
    more: Mapping[str, tree.Json],
) -> tuple[Volume, ...]:
    """The body and the volumes of the header; a link to another volume is text that names that volume.

    `more` is added to the metadata of each.
    """
    labels = {BODY: BODY_LABEL, HTML_ONLY: HTML_LABEL}
    labels |= {one["name"]: one["label"] for one in header.get("volumes") or ()}
    named = {one["name"]: one for one in header.get("volumes") or ()}
    ids = {name: tree.survey({"blocks": blocks}).ids for name, blocks in of_volume.items()}
    place = {each: name for name, known in ids.items() for each in known}
    volumes = []
    for name, blocks in of_volume.items():
        if name == HTML_ONLY:
            continue
        others = {each: labels[where] for each, where in place.items() if where != name}
        inside = _without_links(copy.deepcopy(blocks), others) if others else blocks
        if name:
            _raise_headings(inside)
        placed = PLACE_OF_CONTENTS in ids[name]
        facts = (
            _facts(page, named[name]) if name else replace(page, flowing=page.flowing and placed)
        )
        meta: tree.Json = {**facts.metadata(contents_placed=placed), **more}
        volumes.append(Volume(name, content | {"blocks": inside, "meta": meta}, facts))
    return tuple(volumes)


def _raise_headings(blocks: list[tree.Json]) -> None:
    """The first heading of a volume becomes one of the first level: PDF/UA refuses a level left out."""
    headings = [block for block in blocks if block["t"] == "Header"]
    if headings:
        above = headings[0]["c"][0] - 1
        for heading in headings:
            heading["c"][0] = max(1, heading["c"][0] - above)


def _volume_of_chapter(header: Mapping[str, Any]) -> dict[str, str]:
    belongs: dict[str, str] = {}
    for volume in header.get("volumes") or ():
        if set(volume) - {LANDSCAPE} != KEYS:
            raise RenderError(f"a volume of the header needs {', '.join(sorted(KEYS))}")
        belongs |= dict.fromkeys(volume["chapters"], str(volume["name"]))
    return belongs | dict.fromkeys(header.get(HTML_ONLY) or (), HTML_ONLY)


def _facts(page: PageFacts, volume: Mapping[str, Any]) -> PageFacts:
    title = str(volume["title"])
    rows = tuple(
        (n, f"{value}. {title}" if n == "Document" else value)
        for n, value in page.rows
        if n in ON_VOLUMES
    )
    return replace(
        page,
        subject=f"{page.subject}, {title}",
        rows=rows,
        flowing=False,
        volume=True,
        landscape=bool(volume.get(LANDSCAPE)),
    )


def _without_links(blocks: list[tree.Json], others: Mapping[str, str]) -> list[tree.Json]:
    """The blocks with each link to an id of `others` as its words and the label of that volume."""
    for node in tree.nodes(blocks):
        if node["t"] == "Link" and node["c"][2][0].removeprefix("#") in others:
            label = others[node["c"][2][0].removeprefix("#")]
            words = [*node["c"][1], {"t": "Space"}, {"t": "Str", "c": f"({label})"}]
            node["t"], node["c"] = "Span", [["", [], []], words]
        elif node["t"] == "RawBlock" and node["c"][0].startswith("html"):
            node["c"][1] = LINK_IN_HTML.sub(
                lambda link: link["words"] if link["to"] in others else link[0], node["c"][1]
            )
    return blocks
