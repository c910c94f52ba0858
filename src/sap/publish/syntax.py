"""The subset of Quarto that chapters may use, so that both engines make the same report.

What is written here is what `check` allows; everything else is a problem:

1. The root document alone has a YAML header and `{{< include >}}` lines; its first include is the
   set-up cell, without which Quarto would not run the inline code.
2. Headings start with `#` and carry an id: `## 11.4 Efficacy {#sec-11-4}`; a callout's title may
   be a heading without one.
3. Cells are fenced with ```{python} at column 0, have a label of their own, and no other option
   than label, include, echo, output and warning. No other fence.
4. Inline code is `{python} expression` in backticks.
5. Divs begin at column 0, are closed, and are callouts, the place of the contents or of the references,
   or text for a profile (when-profile) or a format (when-format: html, typst, docx).
6. `{{< pagebreak >}}` is the only other shortcode.
7. Beyond that: paragraphs, lists, pipe tables, emphasis, links, footnotes and citations. No raw
   HTML, no picture (a display shows it), no formula, no counted reference such as @tbl-x.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from sap.errors import RenderError
from sap.publish.source import DIV_FENCE, INCLUDE, PAGEBREAK, split_header, text_of

HEADER_KEYS = frozenset(
    {"title", "subtitle", "author", "lang", "bibliography", "csl", "volumes", "html-only"}
)
CELL_OPTIONS = frozenset({"label", "include", "echo", "output", "warning"})
CALLOUT = re.compile(r"callout-(note|tip|important|warning|caution)")
CONDITIONS = frozenset({"when-profile", "unless-profile", "when-format", "unless-format"})
FORMATS = frozenset({"html", "typst", "docx"})

CELL_START = "```{python}"
ANY_FENCE = re.compile(r"^\s*(`{3,}|~{3,})")
LABEL = re.compile(r"[a-z][a-z0-9-]*")
HEADING = re.compile(
    r"^(?P<marks>#{1,6})\s+(?P<text>.*?)(?P<id>\{#(?P<name>[a-z][a-z0-9-]*)[^}]*\})?\s*$"
)
INLINE_CODE = re.compile(r"(`+)(?P<code>.+?)\1(?!`)")
ATTRIBUTE = re.compile(
    r"\s*(?:#(?P<id>[\w-]+)|\.(?P<cls>[\w-]+)|(?P<key>[\w-]+)=(?:\"(?P<v1>[^\"]*)\"|'(?P<v2>[^']*)'))"
)
REFUSED_IN_TEXT = (
    (re.compile(r"(?<!\\)<(?:[a-zA-Z/!][^>]*>|!--)"), "raw HTML"),
    (re.compile(r"!\["), "a picture; show it as a display"),
    (re.compile(r"(?<!\\)\$"), r"a formula (write \$ for a dollar sign)"),
    (re.compile(r"(?<![\w\\])@(?:tbl|fig|sec|eq|lst|thm)-"), "a counted reference; link to the id"),
    (re.compile(r"\{\{<|\{\{%"), "a shortcode"),
)
REFUSED_LINES = (
    (re.compile(r"^\+[-=+:]+\+\s*$"), "a grid table; write a pipe table"),
    (re.compile(r"^:\s{1,3}\S"), "a definition list"),
    (re.compile(r"^\(@\w*\)"), "an example list"),
    (re.compile(r"^\s+(#{1,6}\s|:{3,})"), "an indented heading or div; start at column 0"),
    (re.compile(r"^(=+|-{3,})\s*$"), "an underlined heading or a rule"),
)


@dataclass(frozen=True)
class Problem:
    """A line that is outside of the subset."""

    file: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}"


def check(path: Path) -> list[Problem]:
    """Problems of one file, in the order of its lines; a file with a header is a root document."""
    text = text_of(path)
    root = text.startswith("---\n")
    body, skipped = text, 0
    problems: list[tuple[int, str]] = []
    if root:
        try:
            header, body = split_header(text, path)
        except RenderError as problem:
            return [Problem(path.name, 1, str(problem))]
        skipped = text.count("\n") - body.count("\n")
        problems += [(1, f"the header key {k!r} is not known") for k in header.keys() - HEADER_KEYS]
    problems += [(line + skipped, what) for line, what in _problems(body.splitlines(), root)]
    return [Problem(path.name, line, what) for line, what in sorted(problems)]


def check_document(path: Path) -> list[Problem]:
    """Problems of a root document and of all it includes; ids and labels may not be given twice."""
    problems = check(path)
    files = [path, *included(path)]
    for file in files[1:]:
        problems += check(file)
    seen: dict[str, str] = {}
    for file in files:
        for line, name in _names(text_of(file)):
            if name in seen:
                what = f"the name {name!r} is given twice, first in {seen[name]}"
                problems.append(Problem(file.name, line, what))
            seen.setdefault(name, file.name)
    return problems


def included(path: Path) -> list[Path]:
    """The files a root document includes, in order."""
    lines = text_of(path).splitlines()
    return [path.parent / include["path"] for line in lines if (include := INCLUDE.match(line))]


def _problems(lines: list[str], root: bool) -> Iterator[tuple[int, str]]:
    prose: list[tuple[int, str]] = []
    cell: list[str] | None = None
    start = 0
    for number, line in enumerate(lines, start=1):
        if cell is None and not ANY_FENCE.match(line):
            prose.append((number, line))
        elif cell is None:
            cell, start = [], number
            if line.rstrip() != CELL_START:
                yield number, "a fence that is not ```{python} at column 0"
        elif line.rstrip() == "```":
            yield from _cell_problems(cell, start)
            cell = None
        else:
            cell.append(line)
    if cell is not None:
        yield start, "a cell that is not closed"
    yield from _prose_problems(prose, root)


def _prose_problems(prose: list[tuple[int, str]], root: bool) -> Iterator[tuple[int, str]]:
    open_divs: list[tuple[int, str]] = []
    includes = 0
    for number, line in prose:
        if PAGEBREAK.match(line):
            continue
        if INCLUDE.match(line):
            includes += 1
            if not root:
                yield number, "an include in a chapter; the root document alone includes"
        elif div := DIV_FENCE.match(line):
            yield from _fence_problems(div["attributes"], number, open_divs)
        else:
            if root and not includes and "`{python}" in line:
                yield number, "inline code before the set-up cell is included"
            titled = bool(open_divs) and CALLOUT.search(open_divs[-1][1]) is not None
            yield from ((number, what) for what in _line_problems(line, titled))
    for number, _ in open_divs:
        yield number, "a div that is not closed"


def _cell_problems(cell: list[str], start: int) -> Iterator[tuple[int, str]]:
    head = [line[2:] for line in cell if line.startswith("#|")]
    if head and not all(line.startswith("#|") for line in cell[: len(head)]):
        yield start, "options that are not at the head of the cell"
        return
    try:
        options = yaml.safe_load("\n".join(head)) or {}
    except yaml.YAMLError:
        options = None
    if not isinstance(options, dict):
        yield start, "options that are not `#| name: value`"
        return
    for name in sorted(options.keys() - CELL_OPTIONS, key=str):
        yield start, f"the cell option {name!r}"
    if not LABEL.fullmatch(str(options.get("label", ""))):
        yield start, "a cell without a label in small letters, digits and hyphens"


def _fence_problems(
    attributes: str, number: int, open_divs: list[tuple[int, str]]
) -> Iterator[tuple[int, str]]:
    if attributes:
        open_divs.append((number, attributes))
        yield from ((number, what) for what in _div_problems(attributes))
    elif open_divs:
        open_divs.pop()
    else:
        yield number, "a div is closed that was not opened"


def _line_problems(line: str, titled: bool) -> Iterator[str]:
    """Problems of a line of prose; in a callout (`titled`) a heading is its title and needs no id."""
    for pattern, what in REFUSED_LINES:
        if pattern.match(line):
            yield what
    for code in INLINE_CODE.finditer(line):
        expression = code["code"]
        if expression.startswith("{") and not re.match(r"\{python\} \S", expression):
            yield "inline code that is not `{python} expression`"
    if "``{python}" in line and not line.lstrip().startswith("```"):
        yield "two pieces of inline code without a space between them"
    heading = HEADING.match(line)
    if heading and not heading["id"] and not titled:
        yield "a heading without an id of small letters, digits and hyphens"
    prose = INLINE_CODE.sub("", line)
    for pattern, what in REFUSED_IN_TEXT:
        if pattern.search(prose):
            yield what


def _div_problems(attributes: str) -> Iterator[str]:
    inner = attributes.removeprefix("{").removesuffix("}")
    if f"{{{inner}}}" != attributes:
        yield "a div without its attributes in braces"
        return
    parts = list(ATTRIBUTE.finditer(inner))
    if "".join(part[0] for part in parts).strip() != inner.strip():
        yield "attributes of a div that cannot be read"
        return
    classes = [part["cls"] for part in parts if part["cls"]]
    values = {part["key"]: part["v1"] or part["v2"] or "" for part in parts if part["key"]}
    if classes and CALLOUT.fullmatch(classes[0]):
        allowed = frozenset({"title"})
    elif classes in (["content-visible"], ["content-hidden"]):
        allowed = CONDITIONS
        if not values:
            yield "text for a condition without one"
    elif (
        not classes and [part["id"] for part in parts] in (["place-of-contents"], ["refs"])
    ) or classes == ["rules"]:
        allowed = frozenset()
    else:
        yield (
            "a div that is no callout, no condition, no text in small type (.rules) and not the place "
            "of contents or references"
        )
        return
    for name in sorted(values.keys() - allowed):
        yield f"the attribute {name!r} of a div"
    for name in ("when-format", "unless-format"):
        if values.get(name, "html") not in FORMATS:
            yield f"the format {values[name]!r}; write html, typst or docx"


def _names(text: str) -> Iterator[tuple[int, str]]:
    """Ids of headings and labels of cells with their lines."""
    in_cell = False
    for number, line in enumerate(text.splitlines(), start=1):
        if ANY_FENCE.match(line):
            in_cell = not in_cell
        elif in_cell:
            if label := re.match(r"#\|\s*label:\s*(\S+)", line):
                yield number, label[1]
        elif (heading := HEADING.match(line)) and heading["name"]:
            yield number, heading["name"]
