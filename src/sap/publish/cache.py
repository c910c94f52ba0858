"""A chapter is cached, and executed again only when something it could read has changed.

The Typst that pandoc writes of a chapter is cached in the same way.

The key is the SHA-256 of everything that decides the outputs of a chapter:

1. its own text, cell by cell, and that of the set-up;
2. every file of this package, displays and engine included;
3. the study's files that displays read (catalogue, plans, contracts) and `requirements.lock`;
4. every byte of the run's ARD, datasets and tables;
5. Python, the installed packages, and the variables a kernel gets.

Content is compared, never times or file names. A chapter reads a copy of the bytes that were hashed,
and its kernel records each file, folder, program and connection it opens: a chapter that read
anything else is used and not cached. A cached chapter carries its own hash; a damaged one is not used.
"""

import base64
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sap.plan.home import project_home, study_home
from sap.publish.source import Chapter
from sap.runlog import software

CACHE_FORMAT = 2  # version of the files that this module writes
READ_OF_RUN = ("ard.csv", "adam", "tables")
NOT_READ = (".qmd", "_quarto")  # a chapter's own text is in its key; configurations are Quarto's
LOCK = "requirements.lock"
MOST_BYTES = 256 * 2**20
SUFFIX = ".json"


@dataclass(frozen=True)
class CachedChapter:
    """The outputs of an executed chapter: Markdown whose pictures lie under `pictures`, and the pictures.

    The Markdown is a JSON list with a list of texts for each cell.
    """

    markdown: str
    pictures: str
    figures: Mapping[str, bytes]

    def placed(self, run: Path, home: Path) -> list[list[str]]:
        """Write the pictures into the run's `figures`; the outputs of the cells, which refer to them there."""
        target = run.resolve() / "figures"
        for name, content in self.figures.items():
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f"{path.name}.part")
            part.write_bytes(content)
            part.replace(path)
        home = home.resolve()
        reference = target.relative_to(home) if target.is_relative_to(home) else target
        cells: list[list[str]] = json.loads(self.markdown)
        return [[text.replace(self.pictures, str(reference)) for text in cell] for cell in cells]


def folder() -> Path | None:
    """The study's cache, in its `build`; an installed package has no cache of its own."""
    home = study_home()
    installed = home.is_relative_to(Path(software.__file__).parents[1])
    return None if installed else home / "build" / ".cache" / "chapters"


def stage(run: Path, folder: Path) -> None:
    """Copy what a chapter may read of `run` into `folder`."""
    folder.mkdir(parents=True)
    for name in READ_OF_RUN:
        if (run / name).is_dir():
            shutil.copytree(run / name, folder / name)
        elif (run / name).is_file():
            shutil.copyfile(run / name, folder / name)


def executed(outputs: Sequence[Sequence[str]], staged: Path, home: Path, key: str) -> CachedChapter:
    """The outputs of a chapter that was executed in `staged`, without the name of that folder."""
    figures = staged.resolve() / "figures"
    name = f"figures-of-{key}"
    names = [str(figures)]
    if figures.is_relative_to(home.resolve()):
        names.append(str(figures.relative_to(home.resolve())))
    cells = [list(cell) for cell in outputs]
    for each in names:
        cells = [[text.replace(each, name) for text in cell] for cell in cells]
    markdown = json.dumps(cells, ensure_ascii=False)
    files = {path.relative_to(figures).as_posix(): path for path in _files(figures)}
    return CachedChapter(markdown, name, {each: path.read_bytes() for each, path in files.items()})


def code_sums() -> dict[str, str]:
    """The SHA-256 of each file of the package and of the study that displays read, by name."""
    ours = {f"project/{name}": _sum(path) for name, path in _read_of_project().items()}
    return {f"sap/{name}": each for name, each in software.code_sums().items()} | ours


def run_sums(staged: Path) -> dict[str, str]:
    """The SHA-256 of each file of the run that a chapter may read, by name."""
    return {path.relative_to(staged).as_posix(): _sum(path) for path in _files(staged)}


def machine(variables: Mapping[str, str]) -> dict[str, Any]:
    """Python, the packages, and the environment variables of a kernel."""
    return {
        "python": sys.version,
        "prefix": [sys.prefix, sys.executable],
        "environment": software.environment(),
        "variables": dict(variables),
    }


def key_of(setup: Chapter | None, chapter: Chapter, inputs: Mapping[str, Any]) -> str:
    """The key of the outputs of `chapter` after `setup` with these inputs."""
    texts = {"setup": asdict(setup) if setup else None, "chapter": asdict(chapter)}
    return name_of("chapter", texts | {"inputs": inputs})


def name_of(what: str, inputs: Mapping[str, Any]) -> str:
    """The key of what is made from these inputs and nothing else."""
    content = {"form": CACHE_FORMAT, "what": what, "inputs": inputs}
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=repr).encode()).hexdigest()


def known_paths() -> list[str]:
    """Folders and files whose content is part of the key, or that no output depends on.

    No output depends on matplotlib's list of the machine's fonts: figures name the font it brings.
    """
    package = Path(software.__file__).parents[1]
    known = [Path(sys.prefix), Path(sys.base_prefix), package.parent, Path(os.devnull)]
    known += [Path(each) for each in sys.path if each.endswith("site-packages")]
    known += _read_of_project().values()
    known.append(Path.home() / ".cache" / "matplotlib")
    return sorted({str(form) for path in known for form in (path, path.resolve())})


def _read_of_project() -> dict[str, Path]:
    """The files of the package's set and of the study that displays may read, and the lock."""
    files = {
        name: path
        for name, path in software.project_files().items()
        if not name.endswith(NOT_READ[0]) and not name.startswith(NOT_READ[1])
    }
    lock = project_home() / LOCK
    return files | ({LOCK: lock} if lock.is_file() else {})


class CacheStore:
    """A folder of cached chapters, by key."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, key: str) -> CachedChapter | None:
        """The chapter with this key; None where there is none or it is damaged."""
        path = self._folder / f"{key}{SUFFIX}"
        try:
            packed = json.loads(path.read_bytes())
            body = packed["body"]
            if packed["key"] != key or packed["sum"] != _body_sum(body):
                return None
            figures = {n: base64.b64decode(c) for n, c in body["figures"].items()}
            with suppress(OSError):
                os.utime(path)  # `prune` removes what was not used for longest
            return CachedChapter(body["markdown"], body["pictures"], figures)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def save(self, key: str, chapter: CachedChapter) -> None:
        """Store it; on a disk that is full or read-only nothing is stored."""
        figures = {n: base64.b64encode(c).decode() for n, c in sorted(chapter.figures.items())}
        body = {"markdown": chapter.markdown, "pictures": chapter.pictures, "figures": figures}
        with suppress(OSError):
            self._folder.mkdir(
                parents=True, exist_ok=True, mode=0o700
            )  # it may hold patient-level data
            with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as file:
                try:
                    packed = {"key": key, "sum": _body_sum(body), "body": body}
                    file.write(json.dumps(packed).encode())
                    file.close()
                    Path(file.name).replace(self._folder / f"{key}{SUFFIX}")
                finally:
                    Path(file.name).unlink(missing_ok=True)

    def prune(self, most: int = MOST_BYTES) -> None:
        """Remove what was not used for longest until the rest has `most` bytes."""
        with suppress(OSError):
            known = [(path.stat(), path) for path in self._folder.glob(f"*{SUFFIX}")]
            total = sum(facts.st_size for facts, _ in known)
            for facts, path in sorted(known, key=lambda each: (each[0].st_mtime_ns, each[1].name)):
                if total <= most:
                    return
                path.unlink(missing_ok=True)
                total -= facts.st_size


def _body_sum(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
