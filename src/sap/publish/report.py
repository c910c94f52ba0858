"""The built-in engine: a Quarto document in, HTML, PDF and DOCX out, without Quarto."""

import base64
import copy
import json
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from sap.errors import RenderError, UsageError
from sap.plan.home import project_home, study_home
from sap.plan.study import bibliographies
from sap.publish import cache, docx, kernels, pandoc, pdf, source, tree, volumes
from sap.publish.facts import addresses_of, page_facts, script_json
from sap.publish.kernel_pool import KernelPool
from sap.publish.policy import PLACE, policy

HERE = Path(__file__).parent
FILTER = HERE / "report.lua"
READER = "markdown-implicit_figures"
FORMATS = ("html", "pdf", "docx")
LONGEST_FIRST = ("pdf", "docx", "html")
CHAPTER = "chapter.typ"
PICTURE = re.compile(r'<img src="(?P<name>[^"]*)"')
PICTURE_KINDS = {".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg"}
# Characters of pandoc's JSON: about a second of work, and more than a page holds.
LONGEST_PIECE, LONG_DISPLAY = 200_000, 60_000
BODY = "\n// The chapter begins here.\n"
DEFAULT_LANGUAGE = "en-GB"


@dataclass(frozen=True)
class _Parsed:
    """The complete report as one tree of pandoc, with its pictures in `folder`, and its volumes."""

    content: tree.Json
    survey: tree.Findings
    volumes: tuple[volumes.Volume, ...]
    folder: Path
    cache: Path | None
    addresses: Future[Any] | None


def render(  # noqa: PLR0913 - the document, its run, and one argument for each choice
    document: Path,
    *,
    run: Path,
    out: Path,
    formats: Sequence[str] = ("html", "pdf"),
    stem: str,
    profile: str | None,
    facts: Mapping[str, Any],
    progress: Callable[[str], None],
    cache: Path | None = None,
    pool: KernelPool | None = None,
) -> list[Path]:
    """Render the root document `document` from the results in `run` to `out/stem.*`.

    1. The includes are read; what belongs to another profile is left out.
    2. Every chapter is executed once, after the set-up cell, in a kernel of its own, two at a time;
       one that is in the folder `cache` under the hash of all its inputs is not executed.
    3. The Markdown of all is parsed once; links, ids and addresses are checked.
    4. The formats are written, two at a time, in a folder next to `out`; all are renamed after all
       succeeded. The HTML holds everything. Where the header names volumes, each is a PDF of its own,
       `out/stem-name.pdf`, and PDF and DOCX without a name hold what is in no other volume.

    `pool` is a kernel pool that `warm` has started. The bytes depend on the sources, the run and
    `facts` alone. `facts` holds study, title, kind, audience, status, cut_off, cut_off_name,
    synthetic, cut_id, and may hold registry, about, software and addresses (ARD key -> what the HTML
    shows about that number, or a function that returns these while pandoc reads; default: its row
    of ard.csv).

    Raises
    ------
    RenderError
        A cell fails, a link has no target, pandoc or Typst fails; `out` is unchanged.
    """
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise UsageError(f"format {unknown[0]!r} is not one of {', '.join(FORMATS)}")
    out.mkdir(parents=True, exist_ok=True)
    folder = out.resolve().parent / f".{out.resolve().name}.{stem}.rendering"
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
    folder.mkdir()
    aside = ThreadPoolExecutor(max_workers=1)
    try:
        parsed = _parse(document, run, profile, facts, progress, folder, cache, pool, aside)

        def write(task: tuple[str, Callable[[], bytes]]) -> None:
            started = time.perf_counter()
            (folder / task[0]).write_bytes(task[1]())
            progress(f"{task[0]} written in {time.perf_counter() - started:.1f} s")

        tasks = _tasks(parsed, run, facts, formats, stem)
        with ThreadPoolExecutor(max_workers=2) as threads:  # they wait for pandoc and Typst
            list(threads.map(write, tasks.items()))
        made = sorted(
            (out / name for name in tasks),
            key=lambda path: (formats.index(path.suffix[1:]), len(path.name)),
        )
        for path in made:
            (folder / path.name).replace(path)
    finally:
        aside.shutdown()
        shutil.rmtree(folder, ignore_errors=True)
    return made


@contextmanager
def warm(document: Path) -> Iterator[KernelPool | None]:
    """A kernel pool for `render`, which does its imports while the caller computes the results."""
    home = home_of(document)
    parts = source.read(document, home, None)
    with kernels.warm(parts.setup, parts.chapters, home) as pool:
        yield pool


def markdown_of(  # noqa: PLR0913 - as `render`, of which it is the first half
    document: Path,
    *,
    run: Path,
    profile: str | None,
    epoch: int,
    progress: Callable[[str], None],
    folder: Path,
    cache: Path | None = None,
    pool: KernelPool | None = None,
) -> tuple[dict[str, Any], str]:
    """The document's header, and its text as Markdown with the outputs of every cell.

    The folder is for the kernels' files while they run.
    """
    home = home_of(document)
    parts = source.read(document, home, profile)
    chapters = list(parts.chapters)
    if parts.setup is not None and (parts.setup.shows_something or not chapters):
        chapters.insert(0, parts.setup)
    settings = kernels.RenderSettings(home, run.resolve(), epoch, cache)
    texts = kernels.run_chapters(parts.setup, chapters, settings, progress, folder / "k", pool)
    names = [chapter.name for chapter in chapters]
    return parts.header, volumes.marked(parts.header, names, texts)


def home_of(document: Path) -> Path:
    """The folder in which cells run and pictures lie: the study's, for a document of the package's set."""
    of_set = document.resolve().is_relative_to(project_home().resolve())
    return study_home().resolve() if of_set else document.resolve().parent


def _parse(  # noqa: PLR0913 - as `render`
    document: Path,
    run: Path,
    profile: str | None,
    run_facts: Mapping[str, Any],
    progress: Callable[[str], None],
    folder: Path,
    cache: Path | None,
    pool: KernelPool | None,
    aside: ThreadPoolExecutor,
) -> _Parsed:
    epoch = int(page_facts(run_facts, None).moment.timestamp())
    header, markdown = markdown_of(
        document,
        run=run,
        profile=profile,
        epoch=epoch,
        progress=progress,
        folder=folder,
        cache=cache,
        pool=pool,
    )
    known = run_facts.get("addresses")
    addresses = aside.submit(known) if callable(known) else None  # pandoc has one core, this one
    parsed, of_volume = volumes.taken_apart(_to_tree(markdown, header, document, folder))
    survey = tree.survey(parsed)
    tree.check(survey, str(run_facts.get("audience") or ""))
    _gather_pictures(survey, document, folder)
    page = page_facts(run_facts, header.get("title"))
    language = {"lang": tree.text(str(header.get("lang") or DEFAULT_LANGUAGE))}
    parsed["meta"] = page.metadata() | language
    (folder / CHAPTER).write_text(f"$highlighting-definitions${BODY}$body$", encoding="utf-8")
    bound = volumes.bound(header, parsed, of_volume, page, language)
    return _Parsed(parsed, survey, bound, folder, cache, addresses)


def _to_tree(markdown: str, header: Mapping[str, Any], document: Path, folder: Path) -> tree.Json:
    arguments = ["--from", READER, "--to", "json"]
    bibliography = header.get("bibliography")
    if bibliography and "@" in markdown:
        path = (document.parent / str(bibliography)).resolve()
        known = bibliographies()
        several = known if known and path == known[0].resolve() else [path]
        arguments += ["--citeproc", "-M", "link-citations=true"]
        arguments += [word for one in several for word in ("--bibliography", str(one))]
    out, warnings = pandoc.run(
        arguments, data=markdown.encode("utf-8"), folder=folder, what=document.name
    )
    lost = [line for line in warnings.splitlines() if "not found" in line]
    if lost:
        raise RenderError(f"{document.name}: {lost[0].removeprefix('[WARNING] ').strip()}")
    parsed: tree.Json = json.loads(out)
    return parsed


def _gather_pictures(survey: tree.Findings, document: Path, folder: Path) -> None:
    """Copy each picture to the report's folder, under a name that does not depend on this machine."""
    for number, image in enumerate(survey.images, start=1):
        target = image["c"][2]
        path = (home_of(document) / unquote(target[0])).resolve()
        if "://" in target[0] or not path.is_file():
            raise RenderError(f"the picture {Path(target[0]).name} is not in the run folder")
        if not image["c"][1]:
            raise RenderError(f"the picture {path.name} has no alternative text")
        name = f"figure-{number:03d}{path.suffix.lower()}"
        shutil.copyfile(path, folder / name)
        target[0] = name


def _write(
    parsed: _Parsed, target: str, arguments: Sequence[str], content: tree.Json | None = None
) -> str:
    out, _ = pandoc.run(
        ["--from", "json", "--to", target, "--lua-filter", str(FILTER), *arguments],
        data=json.dumps(content or parsed.content).encode("utf-8"),
        folder=parsed.folder,
        what=target.partition("-")[0],
    )
    return out.decode("utf-8")


def _html(parsed: _Parsed, run: Path, run_facts: Mapping[str, Any]) -> bytes:
    template = (HERE / "report.html").read_text(encoding="utf-8")
    names = ("tlf.css", "report.css", "report.js")
    parts = {name: (HERE / name).read_text(encoding="utf-8") for name in names}
    written = template
    for name, part in parts.items():
        written = written.replace(f"/* {name} */", part)
        template = template.replace(f"/* {name} */", part.replace("$", "$$"))
    template = template.replace(PLACE, policy(written))
    (parsed.folder / "template.html").write_text(template, encoding="utf-8")
    if parsed.addresses is not None:
        run_facts = {**run_facts, "addresses": parsed.addresses.result()}
    known = addresses_of(run_facts, run, parsed.survey.addresses)
    # The other formats are written from the same tree at the same time, so it stays as it is.
    content = parsed.content | {"meta": copy.deepcopy(parsed.content["meta"])}
    content["meta"]["sap"]["c"]["addresses"] = tree.raw_html(script_json(known))
    arguments = ["--template", "template.html", "--toc", "--toc-depth=3", "--standalone"]
    arguments += ["--section-divs", "--mathml", "--wrap=preserve"]
    return _with_pictures(_write(parsed, "html5", arguments, content), parsed).encode("utf-8")


def _with_pictures(page: str, parsed: _Parsed) -> str:
    """Each picture inside the page: pandoc would read all of it again to find them.

    The template contains style and script already.
    """
    known = {image["c"][2][0] for image in parsed.survey.images}

    def embedded(tag: re.Match[str]) -> str:
        name = tag["name"]
        if name not in known:
            raise RenderError(f"the picture {name} is not in the report")
        kind = PICTURE_KINDS.get(Path(name).suffix)
        if kind is None:
            raise RenderError(f"the picture {name} is no {' or '.join(PICTURE_KINDS)}")
        data = base64.b64encode((parsed.folder / name).read_bytes()).decode("ascii")
        return f'<img src="data:{kind};base64,{data}"'

    return PICTURE.sub(embedded, page)


def _pdf(parsed: _Parsed, volume: volumes.Volume) -> bytes:
    """Typst is written chapter by chapter, two at a time; a cached chapter is not written again."""
    made_by = {
        "filter": FILTER.read_text(encoding="utf-8"),
        "code": cache.code_sums(),
        "machine": cache.machine({}),
    }
    pieces, sizes = [], []
    for chapter in _split(volume.content["blocks"], 1):
        for piece, size in _pieces(chapter):
            pieces.append(piece)
            sizes.append(size)
    page = {"sap-landscape": {"t": "MetaBool", "c": volume.page.landscape}}
    written: list[tuple[str, str]] = [("", "")] * len(pieces)
    with ThreadPoolExecutor(
        max_workers=2
    ) as threads:  # the longest first, so that both end together
        order = sorted(range(len(pieces)), key=sizes.__getitem__, reverse=True)
        longest_first = [pieces[i] for i in order]
        for i, made in zip(
            order, threads.map(partial(_typst, parsed, made_by, page), longest_first), strict=True
        ):
            written[i] = made
    definitions = next((each for each, _ in written if each), "")
    texts = [text for _, text in written]
    if volume.page.answers_first and texts:
        begins = [i for i, blocks in enumerate(pieces) if _is_header(blocks[0], 1)]
        # Below the answers where a good part of their last page is left.
        contents = "#tlf-room(10cm)\n#tlf-contents(joined: true)"
        texts.insert(begins[2] if len(begins) > 2 else len(texts), contents)
    body = "\n\n".join(texts)
    meta = volume.content["meta"] | {
        "highlighting-definitions": tree.raw_blocks("typst", definitions)
    }
    # Pandoc need not read again what it wrote: the body goes into the finished frame.
    content = volume.content | {"meta": meta, "blocks": [tree.raw_block("typst", BODY.strip())]}
    arguments = ["--template", str(HERE / "report.typ"), "--standalone", "--wrap=preserve"]
    frame = _write(parsed, "typst-citations", arguments, content)
    above, _, below = frame.partition(BODY)
    source = f"{above}\n{body}\n{below}"
    return pdf.compile_pdf(source, parsed.folder, volume.page.moment, name=volume.name)


def _is_header(block: tree.Json, level: int) -> bool:
    return bool(block["t"] == "Header" and block["c"][0] == level)


def _split(blocks: Sequence[tree.Json], level: int) -> list[list[tree.Json]]:
    """The blocks, cut before each heading of this level."""
    parts: list[list[tree.Json]] = [[]]
    for block in blocks:
        if _is_header(block, level):
            parts.append([])
        parts[-1].append(block)
    return [each for each in parts if each]


def _pieces(chapter: Sequence[tree.Json]) -> list[tuple[list[tree.Json], int]]:
    """A long chapter in pieces that can be written at the same time; what belongs together stays so.

    Each comes with its length, in characters of JSON.
    A piece may begin with a section, or where one display follows another and one of both is long:
    short neighbours may share a page, and a paragraph belongs to the display behind it.
    """
    lengths = [len(json.dumps(block)) for block in chapter]
    pieces: list[list[tree.Json]] = [[]]
    sizes = [0]
    for i, block in enumerate(chapter):
        neighbours = i > 0 and block["t"] == chapter[i - 1]["t"] == "Div"
        may_begin = _is_header(block, 2) or (
            neighbours and max(lengths[i - 1 : i + 1]) > LONG_DISPLAY
        )
        if may_begin and sizes[-1] + lengths[i] > LONGEST_PIECE:
            pieces.append([])
            sizes.append(0)
        pieces[-1].append(block)
        sizes[-1] += lengths[i]
    return [(piece, size) for piece, size in zip(pieces, sizes, strict=True) if piece]


def _typst(
    parsed: _Parsed, made_by: Mapping[str, Any], page: tree.Json, blocks: list[tree.Json]
) -> tuple[str, str]:
    """The definitions that code in colour needs, and the Typst of one chapter.

    `page` is the metadata that the filter reads: whether all pages are landscape.
    """
    key = cache.name_of("typst", {"blocks": blocks, "made by": made_by, "page": page})
    store = cache.CacheStore(parsed.cache) if parsed.cache else None
    chapter = store.load(key) if store else None
    if chapter is None:
        content = parsed.content | {"meta": page, "blocks": blocks}
        arguments = ["--template", CHAPTER, "--standalone", "--wrap=preserve"]
        chapter = cache.CachedChapter(_write(parsed, "typst-citations", arguments, content), "", {})
        if store:
            store.save(key, chapter)
    definitions, _, body = chapter.markdown.partition(BODY)
    return definitions, body


def _tasks(
    parsed: _Parsed, run: Path, run_facts: Mapping[str, Any], formats: Sequence[str], stem: str
) -> dict[str, Callable[[], bytes]]:
    """The writer of each file by its name, the longest first."""
    body = parsed.volumes[0]
    tasks: dict[str, Callable[[], bytes]] = {}
    for form in sorted(formats, key=LONGEST_FIRST.index):
        if form == "pdf":
            for volume in parsed.volumes:
                name = "-".join(filter(None, (stem, volume.name)))
                tasks[f"{name}.pdf"] = partial(_pdf, parsed, volume)
        elif form == "docx":
            tasks[f"{stem}.docx"] = partial(docx.write_docx, body.content, body.page, parsed.folder)
        else:
            tasks[f"{stem}.html"] = partial(_html, parsed, run, run_facts)
    return tasks
