"""Runs chapters in Jupyter kernels and gives back Markdown.

Each chapter has a kernel of its own: the set-up cell first, then the chapter's cells and inline
code in reading order. Four run at a time, since each waits for Jupyter half of its time, forked from a
process that has done the imports (`sap.publish.kernel_pool`). So no chapter depends on another, and
each can be cached alone as long as its inputs stay the same. Of the caller's environment a kernel gets only the variables in
`PASSED_VARIABLES`; time zone, locale, hash seed and the number of threads are fixed.
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
from sap.publish.kernel_pool import CAN_FORK, STDERR, KernelPool, how_it_ended
from sap.publish.markup import cell_markdown, escaped, without_nothing
from sap.publish.source import Cell, Chapter

INLINE = re.compile(r"(?<!`)`\{python\} +(?P<expression>[^`]+?) *`(?!`)")
PASSED_VARIABLES = (
    "PATH",
    "HOME",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "SYSTEMROOT",
    "VIRTUAL_ENV",
    "USERPROFILE",
)
SECONDS_PER_CELL = 600
LONGEST_PATH = 85  # a socket's path may have 107 characters
KERNEL_CHECKS = "kernel checks"
INLINE_CODE = "inline code"
LEFT_OPEN = (
    "draws a figure with matplotlib and does not show it through sap.displays.figure, so that it has "
    "no number, no title and no alternative text"
)
MINIMUM_FOR_POOL = 2  # one chapter alone imports what it needs, and no more
# Modules that a package imports on first use and that most chapters use.
LAZY = {
    "sap.displays": (
        "pandas",
        "pyarrow.parquet",
        "plotnine",
        "matplotlib.backends.backend_svg",
        "sap.displays.loaded",
    )
}


@dataclass(frozen=True)
class RenderSettings:
    """What all kernels of one report share: the folder they run in and the results they read.

    `home` is the working folder, `run` the folder of the results, `epoch` the fixed time in seconds,
    `cache` the folder of the cached chapters, `kernels` how many run at a time.
    """

    home: Path
    run: Path
    epoch: int
    cache: Path | None = None
    kernels: int = 4


@dataclass(frozen=True)
class _Step:
    """One cell of the notebook that is executed, with the file and the label that it comes from."""

    code: str
    file: str
    label: str


def run_chapters(
    setup: Chapter | None,
    chapters: Sequence[Chapter],
    settings: RenderSettings,
    progress: Callable[[str], None],
    folder: Path,
    pool: KernelPool | None = None,
) -> list[str]:
    """The Markdown of each chapter, in order; `settings.kernels` run at a time.

    The kernels' own files go to `folder`, or, where the name of a socket in it would be too long
    for the system, to a temporary one. Pictures go to the run's `figures`. A chapter that is in
    `settings.cache` under the hash of its inputs is not executed again.

    Raises
    ------
    RenderError
        A cell fails, shows what the report has no form for, or runs too long; a kernel ends or
        imports another sap. Chapter and cell are named.
    """
    if len(str(folder)) > LONGEST_PATH:
        folder = Path(tempfile.mkdtemp(prefix="sap-"))
    try:
        return _Kernels(setup, settings, progress, folder, pool).run(chapters)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def warm(
    setup: Chapter | None, chapters: Sequence[Chapter], home: Path
) -> Iterator[KernelPool | None]:
    """Start the kernel pool of `run_chapters` early, while the caller computes the results.

    The pool imports what the chapters import. A kernel gets the folder of its run when it is
    forked, so it need not exist yet. None where a pool would save nothing.
    """
    if not _needs_pool(chapters):
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="sap-") as folder:
        settings = RenderSettings(home, Path(folder), 0)
        pool = _started_pool(setup, chapters, settings, Path(folder))
        try:
            yield pool
        finally:
            pool.close()


def _needs_pool(chapters: Sequence[Chapter]) -> bool:
    return CAN_FORK and sum(_has_code(each) for each in chapters) >= MINIMUM_FOR_POOL


def _started_pool(
    setup: Chapter | None, chapters: Sequence[Chapter], settings: RenderSettings, folder: Path
) -> KernelPool:
    modules = imported(chapters if setup is None else [setup, *chapters])
    return KernelPool(modules, _environment(settings, folder), settings.home)


class _Kernels:
    """The kernels of one report: a fixed number at a time, and none left running when one fails.

    They run in the event loop of a separate thread. In the main thread nbclient would handle the
    interrupt key and the termination signal, and a caller that has an event loop already, such as a
    notebook, could not use this function. Tasks are not cancelled, because nbclient would leave a
    kernel that is starting behind; a kernel that is not needed any more is killed, which ends its
    chapter.
    """

    def __init__(
        self,
        setup: Chapter | None,
        settings: RenderSettings,
        progress: Callable[[str], None],
        folder: Path,
        pool: KernelPool | None,
    ) -> None:
        self._setup = setup
        self._settings = settings
        self._progress = progress
        self._folder = folder
        self._free = asyncio.Semaphore(settings.kernels)
        self._clients: list[Any] = []
        self._stopped = False
        self._pool = pool
        self._inputs = folder / "inputs"
        self._code: dict[str, str] = {}
        self._store = cache.CacheStore(settings.cache) if settings.cache else None

    def run(self, chapters: Sequence[Chapter]) -> list[str]:
        settings = self._settings
        cache.stage(settings.run, self._inputs)
        keys = self._keys(chapters)
        results = {k: stored for k in keys if self._store and (stored := self._store.load(k))}
        for key, chapter in zip(keys, chapters, strict=True):
            if key in results:
                self._progress(f"{chapter.name} is unchanged")
        to_run = {k: c for k, c in zip(keys, chapters, strict=True) if k not in results}
        if to_run:
            results |= self._run_these(to_run)
        if self._store:
            self._store.prune()
        outputs = [results[key].placed(settings.run, settings.home) for key in keys]
        return [_assembled(c, output) for c, output in zip(chapters, outputs, strict=True)]

    def _keys(self, chapters: Sequence[Chapter]) -> list[str]:
        self._code = cache.code_sums()
        inputs = {
            "code": self._code,
            "run": cache.run_sums(self._inputs),
            "machine": cache.machine(_variables(self._settings)),
            "home": str(self._settings.home),
        }
        return [cache.key_of(self._setup, what_runs(chapter), inputs) for chapter in chapters]

    def _run_these(self, to_run: dict[str, Chapter]) -> dict[str, cache.CachedChapter]:
        folder = self._folder / "s"
        chapters = list(to_run.values())
        if self._pool is None and _needs_pool(chapters):
            folder.mkdir(parents=True)
            self._pool = _started_pool(self._setup, chapters, self._settings, folder)
        try:
            return dict(zip(to_run, self._in_a_loop(to_run), strict=True))
        finally:
            if self._pool:
                self._pool.close()

    def _in_a_loop(self, to_run: dict[str, Chapter]) -> list[cache.CachedChapter]:
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="kernels", daemon=True)
        thread.start()
        try:
            work = asyncio.run_coroutine_threadsafe(self._all(to_run), loop)
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

    async def _all(self, to_run: dict[str, Chapter]) -> list[cache.CachedChapter]:
        numbered = list(enumerate(to_run.items()))
        # The longest first, so that all kernels are busy until the end.
        by_length = sorted(numbered, key=lambda each: _cells_to_run(each[1][1]), reverse=True)
        begun = {i: asyncio.ensure_future(self._one(i, *item)) for i, item in by_length}
        tasks = [begun[i] for i, _ in numbered]
        try:
            return list(await asyncio.gather(*tasks))
        except Exception:
            await self._stop()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise

    async def _one(self, number: int, key: str, chapter: Chapter) -> cache.CachedChapter:
        async with self._free:
            if self._stopped:
                return cache.CachedChapter("", "", {})
            started = time.perf_counter()
            folder = self._folder / str(number)
            settings = replace(self._settings, run=folder / "run")
            cache.stage(self._inputs, settings.run)
            outputs, outside = await run_chapter(
                self._setup, chapter, settings, folder, self._clients, self._pool
            )
            executed = cache.executed(outputs, settings.run, settings.home, key)
            # The code may have been edited meanwhile.
            pure = not outside and str(self._folder) not in executed.markdown
            if self._store and pure and self._code == cache.code_sums():
                self._store.save(key, executed)
            self._progress(f"{chapter.name} ran in {time.perf_counter() - started:.1f} s")
            return executed

    async def _stop(self) -> None:
        from jupyter_core.utils import ensure_async

        self._stopped = True
        for client in self._clients:
            if client.km is not None and client.km.has_kernel:
                # The chapter that failed may be ending its kernel itself, and jupyter_client raises
                # when two wait for one end; the error to show is that of the chapter.
                with contextlib.suppress(asyncio.InvalidStateError):
                    await ensure_async(client.km.shutdown_kernel(now=True))


async def run_chapter(
    setup: Chapter | None,
    chapter: Chapter,
    settings: RenderSettings,
    folder: Path,
    clients: list[Any],
    pool: KernelPool | None,
) -> tuple[list[list[str]], list[str]]:
    """Run one chapter after the set-up in a new kernel: its outputs, and what it read outside.

    The outputs are Markdown: for each cell that is executed a list, of one text where it is code, of
    the value of each inline expression where it is prose. They depend on both texts and on the known
    paths (`sap.publish.cache`) alone when nothing outside of these was read. The client that can
    stop the kernel is added to `clients`. Without `pool` the kernel starts from nothing.
    """
    if not _has_code(chapter):
        return [], []
    steps, owners = _steps(setup, chapter)
    known = [*cache.known_paths(), str(folder), str(folder.resolve())]
    steps.append(_Step(f"__sap_reached__({tuple(known)!r})", chapter.file, KERNEL_CHECKS))
    outputs = await _execute(steps, settings, folder, clients, pool)
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
    """The chapter without the prose around its code, which no kernel reads and no output depends on."""
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
    """The modules that the cells import, and then those that these import on first use."""
    modules: dict[str, None] = {}
    for cell in (cell for chapter in chapters for cell in chapter.cells if cell.kind == "code"):
        try:
            nodes = list(ast.walk(ast.parse(cell.source)))
        except SyntaxError:
            continue  # the kernel reports it
        for node in nodes:
            if isinstance(node, ast.Import):
                modules.update(dict.fromkeys(alias.name for alias in node.names))
            elif isinstance(node, ast.ImportFrom) and node.module:
                modules[node.module] = None
                modules.update(dict.fromkeys(f"{node.module}.{a.name}" for a in node.names))
    for package, more in LAZY.items():
        if package in modules:
            modules.update(dict.fromkeys(more))
    return list(modules)


def inline_expressions(text: str) -> list[str]:
    """The expressions of the inline code in `text`.

    >>> inline_expressions("`{python} 1 + 1` of `{python} n`, and `plain`")
    ['1 + 1', 'n']
    """
    return [match["expression"] for match in INLINE.finditer(text)]


def _assembled(chapter: Chapter, outputs: Sequence[Sequence[str]]) -> str:
    """The chapter's Markdown: its prose, and the outputs of its cells."""
    remaining = iter(outputs)
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
    return [without_nothing(t) if kind == "markdown" else escaped(t) for kind, t in values]


async def _execute(
    steps: list[_Step],
    settings: RenderSettings,
    folder: Path,
    clients: list[Any],
    pool: KernelPool | None,
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
    content = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}
    started, launched = [0], list[Any]()
    notebook = nbformat.from_dict(content)  # type: ignore[no-untyped-call]  # nbformat has no types
    # A manager handed over as `km=` would not be shut down by nbclient, so it makes its own.
    client = NotebookClient(
        notebook,
        timeout=SECONDS_PER_CELL,
        kernel_name="sap",
        kernel_manager_class=_manager_class(folder, pool, launched),
        config=Config(
            {
                "KernelManager": {
                    "transport": "ipc",
                    "ip": str(folder / "k"),
                    "connection_file": str(folder / "kernel.json"),
                }
            }
        ),
        resources={"metadata": {"path": str(settings.home)}},
        record_timing=False,
        coalesce_streams=True,
        shutdown_kernel="immediate",
        ipython_hist_file=":memory:",
        on_cell_start=lambda cell_index, **_: started.append(cell_index),
    )
    clients.append(client)
    try:
        await client.async_execute(env=_environment(settings, folder))
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


def _manager_class(folder: Path, pool: KernelPool | None, launched: list[Any]) -> type:
    """A kernel manager that knows one kernel only: this Python, not those installed for the user."""
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from jupyter_client.provisioning.local_provisioner import LocalProvisioner

    spec = folder / "kernels" / "sap"
    spec.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel = {"argv": command, "display_name": "sap", "language": "python"}
    (spec / "kernel.json").write_text(json.dumps(kernel), encoding="utf-8")
    known = KernelSpecManager(kernel_dirs=[str(spec.parent)], ensure_native_kernel=False)

    class Provisioner(LocalProvisioner):
        async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
            if pool is None:
                with (folder / STDERR).open("wb") as errors:
                    connection = await super().launch_kernel(cmd, **kwargs, stderr=errors)
                launched.append(self.process)
                return connection
            self.process: Any = await asyncio.to_thread(
                pool.start, cmd, kwargs["env"], kwargs["cwd"]
            )
            launched.append(self.process)
            self.pid = self.pgid = self.process.pid
            return self.connection_info

    class Manager(AsyncKernelManager):
        def _kernel_spec_manager_default(self) -> KernelSpecManager:
            return known

        async def _async_pre_start_kernel(self, **options: Any) -> tuple[list[str], dict[str, Any]]:
            # Jupyter chooses a provisioner among those installed; this one is for these kernels only.
            if self.provisioner is None:
                self.provisioner = Provisioner(kernel_spec=self.kernel_spec, parent=self)
            return await super()._async_pre_start_kernel(**options)

    return Manager


def _variables(settings: RenderSettings) -> dict[str, str]:
    """The environment variables that all kernels get."""
    return {name: os.environ[name] for name in PASSED_VARIABLES if name in os.environ} | {
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
        "PYTHONUTF8": "1",
        "TZ": "UTC",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "SOURCE_DATE_EPOCH": str(settings.epoch),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MPLBACKEND": "agg",
        "JUPYTER_NO_CONFIG": "1",
        **import_path(),
    }


def _environment(settings: RenderSettings, folder: Path) -> dict[str, str]:
    style = folder / "matplotlibrc"
    style.touch()
    return _variables(settings) | {
        "SAP_RUN": str(settings.run),
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


OWN_ERRORS = frozenset(kind.__name__ for kind in SapError.__subclasses__())


def _last_line(name: str, value: str) -> str:
    if name == REFUSED:
        return str(value)
    lines = [line for line in str(value).splitlines() if line.strip()]
    # Errors of sap give the reason first and the remedy after it; others give the reason last.
    text = (
        " ".join(line.strip() for line in lines)
        if name in OWN_ERRORS
        else (lines or [""])[-1].strip()
    )
    line = f"{name}: {text}" if text else name
    return re.sub(r"\x1b\[[0-9;]*m", "", line)[:300]
