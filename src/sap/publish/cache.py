"""Chapters that ran are kept, and run again only when something they could read has changed.

What pandoc made of a chapter is kept in the same way, under everything it was made from.

The name of what is kept is the SHA-256 over everything that decides what a chapter shows:

1. its own text, cell by cell, and that of the set-up;
2. every file of this package, so the displays and this engine;
3. the study's files that displays read (catalogue, plans, contracts) and `requirements.lock`;
4. every byte of the run's ARD, datasets and tables;
5. Python, the installed packages, and the variables a kernel gets.

No time and no file name stands for content. A chapter reads a copy of the very bytes that were
hashed, and its kernel notes each file, folder, program and connection it opens: one that reached
anything else is shown, and not kept. What is kept carries its own sum; a damaged one is a miss.
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

from sap.plan.home import project_home
from sap.publish.source import Chapter
from sap.runlog import software

FORM = 2  # of the files this module writes
READ_OF_RUN = ("ard.csv", "adam", "tables")
READ_OF_PROJECT = ("analysis/*.yml", "data-contracts/*.yaml")
LOCK = "requirements.lock"
MOST_BYTES = 256 * 2**20
SUFFIX = ".json"


@dataclass(frozen=True)
class Ran:
    """What a chapter gave: Markdown whose pictures lie under `pictures`, and the pictures.

    The Markdown of a chapter is what each of its cells showed, as JSON.
    """

    markdown: str
    pictures: str
    figures: Mapping[str, bytes]

    def placed(self, run: Path, home: Path) -> list[list[str]]:
        """Write the pictures into the run's `figures`; what the cells show, with them from there."""
        place = run.resolve() / "figures"
        for name, content in self.figures.items():
            path = place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            beside = path.with_name(f"{path.name}.part")
            beside.write_bytes(content)
            beside.replace(path)
        home = home.resolve()
        shown = place.relative_to(home) if place.is_relative_to(home) else place
        cells: list[list[str]] = json.loads(self.markdown)
        return [[text.replace(self.pictures, str(shown)) for text in cell] for cell in cells]


def folder() -> Path | None:
    """Where this project keeps them: in its `build`; an installed copy of it keeps nothing."""
    home = project_home()
    return home / "build" / ".cache" / "chapters" if (home / "pyproject.toml").is_file() else None


def stage(run: Path, folder: Path) -> None:
    """Copy what a chapter may read of `run` into `folder`."""
    folder.mkdir(parents=True)
    for name in READ_OF_RUN:
        if (run / name).is_dir():
            shutil.copytree(run / name, folder / name)
        elif (run / name).is_file():
            shutil.copyfile(run / name, folder / name)


def outcome(shown: Sequence[Sequence[str]], staged: Path, home: Path, key: str) -> Ran:
    """What a chapter gave that ran in `staged`, without a word of where that was."""
    figures = staged.resolve() / "figures"
    name = f"figures-of-{key}"
    words = [str(figures)]
    if figures.is_relative_to(home.resolve()):
        words.append(str(figures.relative_to(home.resolve())))
    cells = [list(cell) for cell in shown]
    for word in words:
        cells = [[text.replace(word, name) for text in cell] for cell in cells]
    markdown = json.dumps(cells, ensure_ascii=False)
    files = {path.relative_to(figures).as_posix(): path for path in _files(figures)}
    return Ran(markdown, name, {each: path.read_bytes() for each, path in files.items()})


def code_sums() -> dict[str, str]:
    """The package and the study's files that displays read, each by its sum."""
    home = project_home()
    paths = [path for pattern in READ_OF_PROJECT for path in sorted(home.glob(pattern))]
    paths += [home / LOCK] if (home / LOCK).is_file() else []
    ours = {f"project/{path.relative_to(home).as_posix()}": _sum(path) for path in paths}
    return {f"sap/{name}": each for name, each in software.code_sums().items()} | ours


def run_sums(staged: Path) -> dict[str, str]:
    """What a chapter may read of its run, each file by its sum."""
    return {path.relative_to(staged).as_posix(): _sum(path) for path in _files(staged)}


def machine(variables: Mapping[str, str]) -> dict[str, Any]:
    """Python, packages, and the variables that a kernel gets."""
    return {
        "python": sys.version,
        "prefix": [sys.prefix, sys.executable],
        "environment": software.environment(),
        "variables": dict(variables),
    }


def key_of(setup: Chapter | None, chapter: Chapter, inputs: Mapping[str, Any]) -> str:
    """The name of what `chapter` gives after `setup` from these inputs."""
    words = {"setup": asdict(setup) if setup else None, "chapter": asdict(chapter)}
    return name_of("chapter", words | {"inputs": inputs})


def name_of(what: str, inputs: Mapping[str, Any]) -> str:
    """The name of what is made from these inputs and nothing else."""
    words = {"form": FORM, "what": what, "inputs": inputs}
    return hashlib.sha256(json.dumps(words, sort_keys=True, default=repr).encode()).hexdigest()


def known_places() -> list[str]:
    """Folders and files whose content the name of what is kept covers, or that decide nothing.

    Matplotlib's list of the machine's fonts decides nothing: figures name the font it brings.
    """
    package = Path(software.__file__).parents[1]
    project = project_home()
    places = [Path(sys.prefix), Path(sys.base_prefix), package.parent, Path(os.devnull)]
    places += [Path(each) for each in sys.path if each.endswith("site-packages")]
    places += [path for pattern in READ_OF_PROJECT for path in project.glob(pattern)]
    places += [project / LOCK, Path.home() / ".cache" / "matplotlib"]
    return sorted({str(form) for path in places for form in (path, path.resolve())})


class Shelf:
    """A folder of chapters that ran, by name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, key: str) -> Ran | None:
        """What was kept under this name; None when nothing was, or it is damaged."""
        path = self._folder / f"{key}{SUFFIX}"
        try:
            packed = json.loads(path.read_bytes())
            body = packed["body"]
            if packed["key"] != key or packed["sum"] != _body_sum(body):
                return None
            figures = {n: base64.b64decode(c) for n, c in body["figures"].items()}
            with suppress(OSError):
                os.utime(path)  # `prune` drops what was not asked for longest
            return Ran(body["markdown"], body["pictures"], figures)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def keep(self, key: str, ran: Ran) -> None:
        """Keep it; a disk that is full or read-only keeps nothing."""
        figures = {n: base64.b64encode(c).decode() for n, c in sorted(ran.figures.items())}
        body = {"markdown": ran.markdown, "pictures": ran.pictures, "figures": figures}
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # it may hold patients
            with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as file:
                try:
                    packed = {"key": key, "sum": _body_sum(body), "body": body}
                    file.write(json.dumps(packed).encode())
                    file.close()
                    Path(file.name).replace(self._folder / f"{key}{SUFFIX}")
                finally:
                    Path(file.name).unlink(missing_ok=True)

    def prune(self, most: int = MOST_BYTES) -> None:
        """Drop what was not asked for longest until the rest has `most` bytes."""
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
