"""A root document, its included chapters, and the parts of a chapter that are run.

The sources are Quarto files in a written subset (`sap.publish.syntax` refuses the rest). Only
the root document includes; the first include is the set-up cell, which every chapter starts
with. So each chapter can be run alone, in a kernel of its own, and still be the same text that
Quarto runs in one.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from sap.errors import RenderError, UsageError
from sap.plan.home import project_home
from sap.plan.study import chapters_for

INCLUDE = re.compile(r"^\{\{<\s*include\s+(?P<path>\S+)\s*>\}\}\s*$")
PAGEBREAK = re.compile(r"^\{\{<\s*pagebreak\s*>\}\}\s*$")
CODE_FENCE = re.compile(r"^\s*(?P<fence>`{3,}|~{3,})(?P<info>.*)$")
DIV_FENCE = re.compile(r"^(?P<fence>:{3,})\s*(?P<attributes>.*?)\s*:*\s*$")
OPTION_LINE = re.compile(r"^#\|\s?(?P<option>.*)$")
CELL = re.compile(r"^\s*(`{3,}|~{3,})\{python\}")
LABEL = re.compile(r"^#\|\s*label:\s*(?P<label>\S+)\s*$")
PROFILE = re.compile(r"(?P<word>when|unless)-profile=[\"'](?P<names>[^\"']*)[\"']")


@dataclass(frozen=True)
class Cell:
    """One piece of a chapter: text, or code with the options of its `#|` lines."""

    kind: Literal["text", "code"]
    source: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        return str(self.options.get("label", "without a label"))


@dataclass(frozen=True)
class Chapter:
    """One included file, or the text of the root document between two includes."""

    name: str
    file: str
    cells: tuple[Cell, ...]

    @property
    def shows_something(self) -> bool:
        """Whether it has text, or a cell with an output."""
        return any(
            cell.kind == "text" or cell.options.get("include") is not False for cell in self.cells
        )


@dataclass(frozen=True)
class Document:
    """The parts of the root document; `setup` is executed before each chapter."""

    header: dict[str, Any]
    setup: Chapter | None
    chapters: tuple[Chapter, ...]


def read(document: Path, home: Path, profile: str | None) -> Document:
    """The parts of `document`; paths of includes are relative to it, names of files to `home`.

    Divs for another profile (`::: {.content-visible when-profile="interim"}`) are left out here,
    so their cells are not executed.

    Raises
    ------
    RenderError
        An include is missing, or a header or the options of a cell cannot be read.
    UsageError
        A file cannot be read.
    """
    header, body = split_header(text_of(document), document)
    profiles = frozenset((profile or "").split(","))
    chapters: list[Chapter] = []
    setup: Chapter | None = None
    lines: list[str] = []

    def close_text() -> None:
        text = "\n".join(lines)
        lines.clear()
        if text.strip():
            chapters.append(_chapter(text, document, home, profiles))

    for line, is_text in lines_with_context(body):
        include = INCLUDE.match(line) if is_text else None
        if include is None:
            lines.append(line)
            continue
        close_text()
        for path in included(document, include["path"]):
            chapter = _chapter(text_of(path), path, home, profiles)
            if setup is None:
                setup = chapter
            else:
                chapters.append(chapter)
    close_text()
    return Document(header, setup, tuple(chapters))


def expanded(document: Path, profile: str | None) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The header of `document`, and the name and the text of each part: what Quarto gets.

    The includes are read, and the divs for another profile are left out, as in `read`.

    Raises
    ------
    RenderError
        An include is missing, or the header cannot be read.
    UsageError
        A file cannot be read.
    """
    header, body = split_header(text_of(document), document)
    profiles = frozenset((profile or "").split(","))
    parts: list[tuple[str, list[str]]] = [(document.stem, [])]
    for line, is_text in lines_with_context(body):
        include = INCLUDE.match(line) if is_text else None
        if include is None:
            parts[-1][1].append(line)
            continue
        for path in included(document, include["path"]):
            parts += [(path.stem, text_of(path).splitlines()), (document.stem, [])]
    texts = [
        (name, without_cells(only_profile("\n".join(lines), profiles), profiles).strip())
        for name, lines in parts
    ]
    return header, [(name, text) for name, text in texts if text]


def split_header(text: str, path: Path) -> tuple[dict[str, Any], str]:
    """The YAML between the first two `---` lines, and the rest."""
    if not text.startswith("---\n"):
        return {}, text
    head, end, body = text[4:].partition("\n---\n")
    if not end:
        raise RenderError(f"{path.name}: the header that starts in line 1 has no closing ---")
    try:
        header = yaml.safe_load(head) or {}
    except yaml.YAMLError as problem:
        raise RenderError(f"{path.name}: the header is not YAML: {_first_line(problem)}") from None
    return header, body


def text_of(path: Path) -> str:
    """The text of the file.

    Raises
    ------
    UsageError
        The file cannot be read or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        reason = getattr(problem, "strerror", None) or "it is not UTF-8 text"
        raise UsageError(f"{path}: cannot be read: {reason}") from None


def lines_with_context(text: str) -> Iterator[tuple[str, bool]]:
    """Each line, and whether it is prose rather than the inside or the fence of a code block."""
    fence: str | None = None
    for line in text.splitlines():
        mark = CODE_FENCE.match(line)
        if fence is None:
            if mark:
                fence = mark["fence"]
            yield line, mark is None
        else:
            if mark and mark["fence"].startswith(fence) and not mark["info"].strip():
                fence = None
            yield line, False


def only_profile(text: str, profiles: frozenset[str]) -> str:
    r"""The text without the divs that `when-profile` or `unless-profile` reserve for another report.

    >>> text = '::: {.content-visible when-profile="interim"}\nA\n:::\nB'
    >>> only_profile(text, frozenset({"final"}))
    'B'
    >>> only_profile(text, frozenset({"interim"})).split("\n")[1]
    'A'
    """
    remaining: list[str] = []
    open_divs: list[bool] = []  # of each open div: is it dropped?
    for line, is_prose in lines_with_context(text):
        div = DIV_FENCE.match(line) if is_prose else None
        if div is None:
            if not any(open_divs):
                remaining.append(line)
            continue
        closing = not div["attributes"]
        dropped = any(open_divs)
        if not closing:
            open_divs.append(not _visible(div["attributes"], profiles))
            dropped = any(open_divs)
        elif open_divs:
            open_divs.pop()
        if not dropped:
            remaining.append(line)
    return "\n".join(remaining)


def without_cells(text: str, profiles: frozenset[str]) -> str:
    r"""The text without the cells of displays that the report does not have: profile `without-LABEL`.

    >>> text = "A\n```{python}\n#| label: tlf-x\nx()\n```\nB"
    >>> without_cells(text, frozenset({"without-tlf-x"}))
    'A\nB'
    >>> without_cells(text, frozenset({"without-tlf-y"})) == text
    True
    """
    kept: list[str] = []
    cell: list[str] | None = None
    for line, is_prose in lines_with_context(text):
        if cell is None and not is_prose and CELL.match(line):
            cell = [line]
            continue
        if cell is None:
            kept.append(line)
            continue
        cell.append(line)
        if CODE_FENCE.match(line):
            label = next((m["label"] for m in map(LABEL.match, cell) if m), "")
            kept += [] if f"without-{label}" in profiles else cell
            cell = None
    return "\n".join([*kept, *(cell or ())])


def options_of(source: str) -> tuple[dict[str, Any], str]:
    """The `#|` lines at the head of a cell as options, and the code below them."""
    lines = source.splitlines()
    head = []
    for line in lines:
        option = OPTION_LINE.match(line)
        if option is None:
            break
        head.append(option["option"])
    options = yaml.safe_load("\n".join(head)) if head else {}
    if not isinstance(options, dict):
        raise ValueError("options are written as `#| name: value`")  # noqa: TRY004 - bad text
    return options, "\n".join(lines[len(head) :])


def _chapter(text: str, path: Path, home: Path, profiles: frozenset[str]) -> Chapter:
    import jupytext

    name = _relative(path, home)
    text = without_cells(only_profile(text, profiles), profiles)
    text = "\n".join(
        "::: {.pagebreak}\n:::" if is_prose and PAGEBREAK.match(line) else line
        for line, is_prose in lines_with_context(text)
    )
    cells: list[Cell] = []
    for cell in jupytext.reads(text, fmt="Rmd").cells:
        if cell.cell_type == "code":
            try:
                options, source = options_of(cell.source)
            except (ValueError, yaml.YAMLError) as problem:
                reason = f"options of a cell cannot be read: {_first_line(problem)}"
                raise RenderError(f"{name}: {reason}") from None
            cells.append(Cell("code", source, options))
        elif cell.source.strip():
            cells.append(Cell("text", cell.source))
    return Chapter(path.stem, name, tuple(cells))


def included(document: Path, target: str) -> list[Path]:
    """The files at the place of an include: the named one, or what the study has in its place or after it.

    Raises
    ------
    RenderError
        There is no such file.
    """
    path = (document.parent / target).resolve()
    if not path.is_file():
        raise RenderError(f"{document.name}: the included file {target} does not exist")
    return chapters_for(path)


def _visible(attributes: str, profiles: frozenset[str]) -> bool:
    for condition in PROFILE.finditer(attributes):
        met = not profiles.isdisjoint(re.split(r"[,\s]+", condition["names"]))
        if met == (condition["word"] == "unless"):
            return False
    return True


def _relative(path: Path, home: Path) -> str:
    path = path.resolve()
    for place in (home.resolve(), project_home().resolve()):
        if path.is_relative_to(place):
            return path.relative_to(place).as_posix()
    return path.name


def _first_line(problem: Exception) -> str:
    return (str(problem).splitlines() or [""])[0]
