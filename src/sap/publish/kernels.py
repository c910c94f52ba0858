"""Runs chapters in Jupyter kernels and gives back Markdown.

Each chapter has a kernel of its own: the set-up cell first, then the chapter's cells and inline
code in reading order. Two run at a time, forked from a process that has the imports behind it
(`sap.publish.kernel_pool`). So a chapter cannot lean on another and can be kept, alone, as long as its
inputs stay the same. Nothing of the caller's machine reaches a kernel but the few variables in
`KEPT`; time zone, locale, hash seed and the number of threads are fixed.
"""

import ast
import asyncio
import atexit
import contextlib
import json
import os
import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sap.errors import RenderError, SapError
from sap.publish import cache
from sap.publish.kernel_code import (
    INLINE_RESULT,
    REACHED_RESULT,
    REFUSED,
    first_cell,
    import_path,
)
from sap.publish.kernel_pool import POSSIBLE, STDERR, Forks, how_it_ended
from sap.publish.markup import cell_markdown, escaped
from sap.publish.source import Cell, Chapter

INLINE = re.compile(r"(?<!`)`\{python\} +(?P<expression>[^`]+?) *`(?!`)")
KEPT = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "SYSTEMROOT", "VIRTUAL_ENV", "USERPROFILE")
SECONDS_PER_CELL = 600
LONGEST_FOLDER = 85  # a socket's path may have 107 characters
KERNEL_CHECKS = "kernel checks"
INLINE_CODE = "inline code"
LEFT_OPEN = (
    "draws a figure with matplotlib and does not show it through sap.displays.figure, so that it has "
    "no number, no title and no alternative text"
)
FEWEST_TO_FORK = 2  # one chapter alone imports what it needs, and no more
# What a package imports only when it is needed, and most chapters need.
LAZY = {
    "sap.displays": ("pandas", "pyarrow.parquet", "plotnine", "matplotlib.backends.backend_svg")
}


@dataclass(frozen=True)
class Surroundings:
    """What every kernel of one report sees: where it runs, which results it reads."""

    home: Path
    run: Path
    epoch: int
    cache: Path | None = None
    kernels: int = 2


@dataclass(frozen=True)
class _Step:
    """One cell of the notebook that is run, and where it came from."""

    code: str
    file: str
    label: str


def run_chapters(
    setup: Chapter | None,
    chapters: Sequence[Chapter],
    surroundings: Surroundings,
    progress: Callable[[str], None],
    folder: Path,
    forks: Forks | None = None,
) -> list[str]:
    """The Markdown of each chapter, in order; `surroundings.kernels` run at a time.

    The kernels' own files go to `folder`, or, where the name of a socket in it would be too long
    for the system, to a temporary one. Pictures go to the run's `figures`. What is in
    `surroundings.cache` under the name of a chapter's inputs is not run again.
    """
    if len(str(folder)) > LONGEST_FOLDER:
        folder = Path(tempfile.mkdtemp(prefix="sap-"))
    try:
        return _Kernels(setup, surroundings, progress, folder, forks).run(chapters)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def warm(setup: Chapter | None, chapters: Sequence[Chapter], home: Path) -> Iterator[Forks | None]:
    """What `run_chapters` would begin with, begun while the caller has something else to compute.

    The imports of all chapters are paid in a process of its own. What a kernel sees of its run is
    told when it is forked, so nothing of it need be known yet.
    """
    if not _worth_forks(chapters):
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="sap-") as folder:
        nowhere = Surroundings(home, Path(folder), 0)
        forks = _forks(setup, chapters, nowhere, Path(folder))
        try:
            yield forks
        finally:
            forks.close()


def _worth_forks(chapters: Sequence[Chapter]) -> bool:
    return POSSIBLE and sum(_has_code(each) for each in chapters) >= FEWEST_TO_FORK


def _forks(
    setup: Chapter | None, chapters: Sequence[Chapter], surroundings: Surroundings, folder: Path
) -> Forks:
    modules = imported(chapters if setup is None else [setup, *chapters])
    return Forks(modules, _environment(surroundings, folder), surroundings.home)


class _Kernels:
    """The kernels of one report: so many at a time, and none left when one fails.

    They run in the event loop of a thread of its own. In the main thread nbclient would catch the
    interrupt key and the end signal, and a caller who runs a loop already, such as a notebook,
    could not call us. Nothing is cancelled, since nbclient would leave a kernel that is starting
    behind; a kernel that is not wanted any more is killed, which ends its chapter.
    """

    def __init__(
        self,
        setup: Chapter | None,
        surroundings: Surroundings,
        progress: Callable[[str], None],
        folder: Path,
        forks: Forks | None,
    ) -> None:
        self._setup = setup
        self._surroundings = surroundings
        self._progress = progress
        self._folder = folder
        self._places = asyncio.Semaphore(surroundings.kernels)
        self._clients: list[Any] = []
        self._stopped = False
        self._forks = forks
        self._inputs = folder / "inputs"
        self._code: dict[str, str] = {}
        self._shelf = cache.Shelf(surroundings.cache) if surroundings.cache else None

    def run(self, chapters: Sequence[Chapter]) -> list[str]:
        around = self._surroundings
        cache.stage(around.run, self._inputs)
        keys = self._keys(chapters)
        found = {k: ran for k in keys if self._shelf and (ran := self._shelf.find(k))}
        for key, chapter in zip(keys, chapters, strict=True):
            if key in found:
                self._progress(f"{chapter.name} is unchanged")
        left = {k: c for k, c in zip(keys, chapters, strict=True) if k not in found}
        if left:
            found |= self._run_these(left)
        if self._shelf:
            self._shelf.prune()
        placed = [found[key].placed(around.run, around.home) for key in keys]
        return [_assembled(c, shown) for c, shown in zip(chapters, placed, strict=True)]

    def _keys(self, chapters: Sequence[Chapter]) -> list[str]:
        self._code = cache.code_sums()
        inputs = {
            "code": self._code,
            "run": cache.run_sums(self._inputs),
            "machine": cache.machine(_variables(self._surroundings)),
            "home": str(self._surroundings.home),
        }
        return [cache.key_of(self._setup, what_runs(chapter), inputs) for chapter in chapters]

    def _run_these(self, left: dict[str, Chapter]) -> dict[str, cache.Ran]:
        folder = self._folder / "s"
        chapters = list(left.values())
        if self._forks is None and _worth_forks(chapters):
            folder.mkdir(parents=True)
            self._forks = _forks(self._setup, chapters, self._surroundings, folder)
        try:
            return dict(zip(left, self._in_a_loop(left), strict=True))
        finally:
            if self._forks:
                self._forks.close()

    def _in_a_loop(self, left: dict[str, Chapter]) -> list[cache.Ran]:
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="kernels", daemon=True)
        thread.start()
        try:
            work = asyncio.run_coroutine_threadsafe(self._all(left), loop)
            try:
                return work.result()
            except BaseException:
                asyncio.run_coroutine_threadsafe(self._stop(), loop).result()
                wait([work])
                raise
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    async def _all(self, left: dict[str, Chapter]) -> list[cache.Ran]:
        numbered = list(enumerate(left.items()))
        # The longest first: no kernel works alone at the end while the other place is empty.
        by_length = sorted(numbered, key=lambda each: _cells_to_run(each[1][1]), reverse=True)
        begun = {i: asyncio.ensure_future(self._one(i, *item)) for i, item in by_length}
        tasks = [begun[i] for i, _ in numbered]
        try:
            return list(await asyncio.gather(*tasks))
        except Exception:
            await self._stop()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise

    async def _one(self, number: int, key: str, chapter: Chapter) -> cache.Ran:
        async with self._places:
            if self._stopped:
                return cache.Ran("", "", {})
            started = time.perf_counter()
            folder = self._folder / str(number)
            own = replace(self._surroundings, run=folder / "run")
            cache.stage(self._inputs, own.run)
            shown, beyond = await run_chapter(
                self._setup, chapter, own, folder, self._clients, self._forks
            )
            ran = cache.outcome(shown, own.run, own.home, key)
            # The code may have been edited while it ran.
            alone = not beyond and str(self._folder) not in ran.markdown
            if self._shelf and alone and self._code == cache.code_sums():
                self._shelf.keep(key, ran)
            self._progress(f"{chapter.name} ran in {time.perf_counter() - started:.1f} s")
            return ran

    async def _stop(self) -> None:
        from jupyter_core.utils import ensure_async

        self._stopped = True
        for client in self._clients:
            if client.km is not None and client.km.has_kernel:
                # The chapter that failed may be ending its kernel itself, and jupyter_client cannot
                # tell both that it ended; what the reader must see is why the chapter failed.
                with contextlib.suppress(asyncio.InvalidStateError):
                    await ensure_async(client.km.shutdown_kernel(now=True))


async def run_chapter(
    setup: Chapter | None,
    chapter: Chapter,
    surroundings: Surroundings,
    folder: Path,
    clients: list[Any],
    forks: Forks | None,
) -> tuple[list[list[str]], list[str]]:
    """Run one chapter after the set-up in a fresh kernel: what it shows, and what it reached beyond.

    What it shows is Markdown: for each cell that runs a list, of one text where it is code, of the
    value of each inline expression where it is prose. It is a pure function of both and of the known
    places (`sap.publish.cache`) when it reached nothing beyond. Whoever may want to stop it finds its
    client in `clients`. Without `forks` the kernel starts from nothing.
    """
    if not _has_code(chapter):
        return [], []
    steps, owners = _steps(setup, chapter)
    places = [*cache.known_places(), str(folder), str(folder.resolve())]
    steps.append(_Step(f"__sap_reached__({tuple(places)!r})", chapter.file, KERNEL_CHECKS))
    outputs = await _execute(steps, surroundings, folder, clients, forks)
    (ending,) = (o["data"][REACHED_RESULT] for o in outputs.pop() if REACHED_RESULT in o["data"])
    for step in steps:
        if step.code in ending["left_open"]:
            raise RenderError(_located(step, LEFT_OPEN))
    shown = [
        _shown(chapter.cells[o], outputs[i], chapter.file)
        for i, o in enumerate(owners)
        if o is not None
    ]
    return shown, list(ending["reached"])


def what_runs(chapter: Chapter) -> Chapter:
    """The chapter without the prose around its code: no kernel sees that, and no result rests on it."""
    cells = []
    for cell in chapter.cells:
        if cell.kind == "code":
            cells.append(cell)
        elif expressions := inline_expressions(cell.source):
            cells.append(Cell("text", json.dumps(expressions)))
    return replace(chapter, cells=tuple(cells))


def _steps(setup: Chapter | None, chapter: Chapter) -> tuple[list[_Step], list[int | None]]:
    """The notebook's cells, and for each the index of the chapter's cell it belongs to."""
    steps = [_Step(first_cell(), chapter.file, KERNEL_CHECKS)]
    owners: list[int | None] = [None]
    if setup is not None and setup is not chapter:
        for cell in setup.cells:
            if cell.kind == "code":
                steps.append(_Step(cell.source, setup.file, cell.label))
                owners.append(None)
    for index, cell in enumerate(chapter.cells):
        if cell.kind == "code":
            steps.append(_Step(cell.source, chapter.file, cell.label))
            owners.append(index)
        elif expressions := inline_expressions(cell.source):
            call = f"__sap_inline__({expressions!r})"
            steps.append(_Step(call, chapter.file, INLINE_CODE))
            owners.append(index)
    return steps, owners


def _cells_to_run(chapter: Chapter) -> int:
    return sum(cell.kind == "code" for cell in chapter.cells)


def _has_code(chapter: Chapter) -> bool:
    return any(c.kind == "code" or inline_expressions(c.source) for c in chapter.cells)


def imported(chapters: Sequence[Chapter]) -> list[str]:
    """The modules that the cells import, those they name first, then what those need lazily."""
    found: dict[str, None] = {}
    for cell in (cell for chapter in chapters for cell in chapter.cells if cell.kind == "code"):
        try:
            nodes = list(ast.walk(ast.parse(cell.source)))
        except SyntaxError:
            continue  # its kernel says so
        for node in nodes:
            if isinstance(node, ast.Import):
                found.update(dict.fromkeys(alias.name for alias in node.names))
            elif isinstance(node, ast.ImportFrom) and node.module:
                found[node.module] = None
                found.update(dict.fromkeys(f"{node.module}.{a.name}" for a in node.names))
    for package, more in LAZY.items():
        if package in found:
            found.update(dict.fromkeys(more))
    return list(found)


def inline_expressions(text: str) -> list[str]:
    """The expressions of the inline code in `text`.

    >>> inline_expressions("`{python} 1 + 1` of `{python} n`, and `plain`")
    ['1 + 1', 'n']
    """
    return [found["expression"] for found in INLINE.finditer(text)]


def _assembled(chapter: Chapter, shown: Sequence[Sequence[str]]) -> str:
    """The chapter's Markdown: its prose, and what its cells showed when they ran."""
    remaining = iter(shown)
    parts = []
    for cell in chapter.cells:
        if cell.kind == "code":
            parts.append("".join(next(remaining)))
        elif inline_expressions(cell.source):
            values = iter(next(remaining))
            parts.append(INLINE.sub(lambda _, values=values: next(values), cell.source))  # type: ignore[misc]
        else:
            parts.append(cell.source)
    return "\n\n".join(part for part in parts if part.strip()) + "\n"


def _shown(cell: Cell, outputs: list[Any], file: str) -> list[str]:
    if cell.kind == "code":
        return [cell_markdown(cell, outputs, file)]
    (values,) = (o["data"][INLINE_RESULT] for o in outputs if INLINE_RESULT in o.get("data", {}))
    return [str(text) if kind == "markdown" else escaped(text) for kind, text in values]


async def _execute(
    steps: list[_Step],
    surroundings: Surroundings,
    folder: Path,
    clients: list[Any],
    forks: Forks | None,
) -> list[list[Any]]:
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
    from traitlets.config import Config

    cells: list[dict[str, Any]] = [
        {
            "cell_type": "code",
            "id": f"cell-{i}",
            "metadata": {},
            "execution_count": None,
            "source": step.code,
            "outputs": [],
        }
        for i, step in enumerate(steps)
    ]
    words = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}
    started, launched = [0], list[Any]()
    notebook = nbformat.from_dict(words)  # type: ignore[no-untyped-call]  # nbformat has no types
    # A manager handed over as `km=` would not be shut down by nbclient, so it makes its own.
    client = NotebookClient(
        notebook,
        timeout=SECONDS_PER_CELL,
        kernel_name="sap",
        kernel_manager_class=_manager_class(folder, forks, launched),
        config=Config(
            {
                "KernelManager": {
                    "transport": "ipc",
                    "ip": str(folder / "k"),
                    "connection_file": str(folder / "kernel.json"),
                }
            }
        ),
        resources={"metadata": {"path": str(surroundings.home)}},
        record_timing=False,
        coalesce_streams=True,
        shutdown_kernel="immediate",
        ipython_hist_file=":memory:",
        on_cell_start=lambda cell_index, **_: started.append(cell_index),
    )
    clients.append(client)
    try:
        await client.async_execute(env=_environment(surroundings, folder))
    except CellExecutionError as failure:
        reason = _last_line(failure.ename, failure.evalue)
        raise RenderError(_located(steps[started[-1]], reason)) from None
    except CellTimeoutError:
        reason = f"still running after {SECONDS_PER_CELL} s"
        raise RenderError(_located(steps[started[-1]], reason)) from None
    except DeadKernelError:
        reason = f"the kernel {_ending(launched, folder)}"
        raise RenderError(_located(steps[started[-1]], reason)) from None
    except RuntimeError as problem:
        reason = f"it {_ending(launched, folder)}" if launched else str(problem)
        raise RenderError(f"{steps[-1].file}: the kernel did not start: {reason}") from None
    finally:
        atexit.unregister(client._cleanup_kernel)
    return [cell["outputs"] for cell in notebook.cells]


def _manager_class(folder: Path, forks: Forks | None, launched: list[Any]) -> type:
    """A kernel manager that knows one kernel: this Python, whatever is installed for the user."""
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from jupyter_client.provisioning.local_provisioner import LocalProvisioner

    spec = folder / "kernels" / "sap"
    spec.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    words = {"argv": command, "display_name": "sap", "language": "python"}
    (spec / "kernel.json").write_text(json.dumps(words), encoding="utf-8")
    known = KernelSpecManager(kernel_dirs=[str(spec.parent)], ensure_native_kernel=False)

    class Provisioner(LocalProvisioner):
        async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
            if forks is None:
                with (folder / STDERR).open("wb") as errors:
                    connection = await super().launch_kernel(cmd, **kwargs, stderr=errors)
                launched.append(self.process)
                return connection
            self.process: Any = await asyncio.to_thread(
                forks.start, cmd, kwargs["env"], kwargs["cwd"]
            )
            launched.append(self.process)
            self.pid = self.pgid = self.process.pid
            return self.connection_info

    class Manager(AsyncKernelManager):
        def _kernel_spec_manager_default(self) -> KernelSpecManager:
            return known

        async def _async_pre_start_kernel(self, **words: Any) -> tuple[list[str], dict[str, Any]]:
            # Jupyter finds provisioners by what is installed; this one is for our kernels alone.
            if self.provisioner is None:
                self.provisioner = Provisioner(kernel_spec=self.kernel_spec, parent=self)
            return await super()._async_pre_start_kernel(**words)

    return Manager


def _variables(surroundings: Surroundings) -> dict[str, str]:
    """What every kernel gets, whatever its chapter."""
    return {name: os.environ[name] for name in KEPT if name in os.environ} | {
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
        "PYTHONUTF8": "1",
        "TZ": "UTC",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "SOURCE_DATE_EPOCH": str(surroundings.epoch),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MPLBACKEND": "agg",
        "JUPYTER_NO_CONFIG": "1",
        **import_path(),
    }


def _environment(surroundings: Surroundings, folder: Path) -> dict[str, str]:
    style = folder / "matplotlibrc"
    style.touch()
    return _variables(surroundings) | {
        "SAP_RUN": str(surroundings.run),
        "MATPLOTLIBRC": str(style),
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_CONFIG_DIR": str(folder / "jupyter"),
    }


def _ending(launched: Sequence[Any], folder: Path) -> str:
    """How the process of a kernel ended, with the last line that it wrote to stderr."""
    code = launched[-1].poll() if launched else None
    errors = folder / STDERR
    return how_it_ended(code, errors.read_bytes() if errors.is_file() else b"")


def _located(step: _Step, reason: str) -> str:
    named = (INLINE_CODE, KERNEL_CHECKS)
    place = step.label if step.label in named else f"cell {step.label}"
    return f"{step.file}, {place}: {reason}"


OURS = frozenset(kind.__name__ for kind in SapError.__subclasses__())


def _last_line(name: str, value: str) -> str:
    if name == REFUSED:
        return str(value)
    lines = [line for line in str(value).splitlines() if line.strip()]
    # Our own errors say what in their first line and what to do after it; others end with the point.
    said = " ".join(line.strip() for line in lines) if name in OURS else (lines or [""])[-1].strip()
    line = f"{name}: {said}" if said else name
    return re.sub(r"\x1b\[[0-9;]*m", "", line)[:300]
