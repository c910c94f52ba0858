"""The parsed report (pandoc's JSON): its ids, links, images and addresses, checked once for all formats."""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sap.errors import RenderError

ADDRESS_IN_HTML = re.compile(r"data-ard=(\"([^\"]*)\"|'([^']*)')")
ID_IN_HTML = re.compile(r"<[a-zA-Z][^<>]*?\sid=\"([^\"]*)\"")

Json = dict[str, Any]


@dataclass
class Findings:
    """Ids, links, images, closed blocks, addresses and citations of a report."""

    ids: set[str] = field(default_factory=set)
    repeated_ids: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    images: list[Json] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    addresses: set[str] = field(default_factory=set)
    cites: bool = False


def survey(tree: Json) -> Findings:
    """The findings of one walk over the complete tree."""
    findings = Findings()
    for node in nodes(tree["blocks"]):
        _note(node, findings)
    return findings


def nodes(value: Any) -> Iterator[Json]:
    """Every element below `value`, in reading order."""
    stack = [value]
    while stack:
        here = stack.pop()
        if isinstance(here, dict):
            if "t" in here:
                yield here
            if "c" in here:
                stack.append(here["c"])
        elif isinstance(here, list):
            stack.extend(reversed(here))


def check(findings: Findings, audience: str | None) -> None:
    """Refuse a report with a link without a target, or an open report with a closed display.

    Raises
    ------
    RenderError
        Names the id, the links or the display.
    """
    if findings.repeated_ids:
        raise RenderError(f"the id {findings.repeated_ids[0]} is given twice; ids must be unique")
    missing = sorted({target[1:] for target in findings.links if _is_lost(target, findings.ids)})
    if missing:
        names = ", ".join(f"#{name}" for name in missing)
        raise RenderError(
            f"the text links to {names}, which this report does not show; "
            "show the display or remove the link"
        )
    if audience == "open" and findings.closed:
        raise RenderError(f"{findings.closed[0]} is closed and is in the open report")


def _is_lost(target: str, ids: set[str]) -> bool:
    return target.startswith("#") and target[1:] not in ids


def _note(node: Json, findings: Findings) -> None:
    kind, content = node["t"], node.get("c", [])
    attributes = _attributes(kind, content)
    if attributes is not None:
        identifier, classes, pairs = attributes
        if identifier:
            _note_id(identifier, findings)
        if "closed" in classes:
            findings.closed.append(identifier or "a block without an id")
        findings.addresses.update(value for name, value in pairs if name in ("data-ard", "ard"))
    if kind in ("RawBlock", "RawInline") and content[0].startswith("html"):
        for quoted in ADDRESS_IN_HTML.finditer(content[1]):
            findings.addresses.add(html.unescape(quoted[2] or quoted[3] or ""))
        for identifier in ID_IN_HTML.findall(content[1]):
            _note_id(html.unescape(identifier), findings)
    elif kind == "Link":
        findings.links.append(content[2][0])
    elif kind == "Image":
        findings.images.append(node)
    elif kind == "Cite":
        findings.cites = True


def _note_id(identifier: str, findings: Findings) -> None:
    if identifier in findings.ids:
        findings.repeated_ids.append(identifier)
    findings.ids.add(identifier)


def _attributes(kind: str, content: Any) -> tuple[str, list[str], list[tuple[str, str]]] | None:
    if kind in ("Div", "Span", "Link", "Image", "Code", "CodeBlock", "Table"):
        identifier, classes, pairs = content[0]
    elif kind == "Header":
        identifier, classes, pairs = content[1]
    else:
        return None
    return identifier, classes, pairs


def text(plain: str) -> Json:
    """Plain text as metadata that no writer reads as markup."""
    return {"t": "MetaInlines", "c": [{"t": "Str", "c": plain}]}


def raw_html(markup: str) -> Json:
    """Metadata that the HTML writer does not change."""
    return {"t": "MetaInlines", "c": [{"t": "RawInline", "c": ["html", markup]}]}


def raw_block(form: str, markup: str) -> Json:
    """A block that the writer of this format does not change."""
    return {"t": "RawBlock", "c": [form, markup]}


def raw_blocks(form: str, markup: str) -> Json:
    """The same as metadata; nothing where there is no markup."""
    return {"t": "MetaBlocks", "c": [raw_block(form, markup)] if markup else []}


def mapping(values: dict[str, Json]) -> Json:
    """Metadata under names."""
    return {"t": "MetaMap", "c": values}


def sequence(values: list[Json]) -> Json:
    """Metadata in order."""
    return {"t": "MetaList", "c": values}
