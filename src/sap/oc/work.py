"""The batches of a run: one after another, or by the workers of Dask."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from importlib.metadata import version
from logging import CRITICAL, getLogger
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from sap.errors import UsageError
from sap.oc.scenarios import Case
from sap.oc.store import Piece, Store, code_sum
from sap.plan.home import study_of_plan
from sap.simulate.conditions import Conditions

PACKAGE = "single-arm-sap"
AT_ONCE = 3  # batches sent ahead of each worker
RESTARTS = 20  # ends of a worker that a batch outlives
ANSWER_SECONDS = 15
REPORT_SECONDS = 2.0
WAIT_SECONDS = 30  # without a worker, until that is reported
# Dask has its workers give memory back at each release (page faults: a sixth of the time of a batch), and look at
# themselves up to 50 times a second (a twentieth): neither is of use where a batch takes seconds.
OF_WORKERS = {
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": 256 * 2**20,
    "distributed.nanny.pre-spawn-environ.MALLOC_MMAP_THRESHOLD_": 32 * 2**20,
    "distributed.worker.profile.enabled": False,
    "distributed.worker.memory.monitor-interval": "1s",
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "5s",
}


class Task(NamedTuple):
    """What a worker needs of a run: the plan's file and its sum, the seed, the sum of the code."""

    plan: str
    plan_sum: str
    seed: int
    code: str


@lru_cache(maxsize=4)
def _plan(path: str, sha256: str) -> Any:
    from sap.pipeline.plans import read_plan

    try:
        plan = read_plan(Path(path))
    except UsageError:
        raise UsageError(
            f"A worker cannot read {path}: workers need the study's folder under the path of the command."
        ) from None
    if plan.sha256 != sha256:
        raise UsageError(f"A worker reads another {path} than the command.")
    return plan.plan


@lru_cache(maxsize=1)
def _code() -> str:
    return code_sum()


def decide(task: Task, given: str, piece: Piece) -> pd.DataFrame:
    """The trials of one batch; called by a worker.

    Raises
    ------
    UsageError
        The worker has other code, or does not see the plan's file.
    """
    from sap.oc.decision import decided

    if _code() != task.code:
        raise UsageError("A worker runs another version of sap than the command. Install the same.")
    with study_of_plan(Path(task.plan)):
        plan = _plan(task.plan, task.plan_sum)
        trials = range(piece.first, piece.last + 1)
        return decided(trials, plan, Conditions.model_validate_json(given), task.seed)


class Cluster(NamedTuple):
    """Where batches are decided: a number of local workers, or a running scheduler."""

    workers: int
    scheduler: str | None = None


Report = Callable[[str], None]


def run(
    store: Store, task: Task, cases: list[Case], parts: list[Piece], where: Cluster, report: Report
) -> None:
    """Decide every batch that the store does not have; each is kept as soon as it is there.

    Raises
    ------
    UsageError
        Dask is not installed, the scheduler does not answer, or workers keep ending.
    """
    open_parts = [piece for piece in parts if store.read(cases[piece.case], piece) is None]

    def trials(some: list[Piece]) -> int:
        return sum(piece.last - piece.first + 1 for piece in some)

    total = trials(parts)
    kept = total - trials(open_parts)
    if kept:
        report(f"  {kept:,} of {total:,} trials are there from an earlier run")
    progress = _Progress(total, kept, report)
    if not open_parts:
        return
    results = _by_one if where.workers == 1 and where.scheduler is None else _by_workers
    for piece, rows in results(task, cases, open_parts, where, report):
        store.write(cases[piece.case], piece, rows)
        progress.add(len(rows))


class _Progress:
    """Lines of progress: trials, trials per second, time left."""

    def __init__(self, total: int, kept: int, report: Report) -> None:
        self.total, self.kept, self.report = total, kept, report
        self.made, self.began, self.last = 0, time.monotonic(), 0.0

    def add(self, trials: int) -> None:
        self.made += trials
        now = time.monotonic()
        done = self.kept + self.made
        if now - self.last < REPORT_SECONDS and done < self.total:
            return
        self.last = now
        rate = self.made / max(now - self.began, 1e-6)
        left = (self.total - done) / rate
        self.report(f"  {done:,} of {self.total:,} trials, {rate:.0f} a second, {_time(left)} left")


def _time(seconds: float) -> str:
    """A time left.

    >>> _time(42.3), _time(150), _time(7300)
    ('42 s', '2 min 30 s', '2 h 1 min')
    """
    left = int(seconds)
    if left < 60:
        return f"{left} s"
    return (
        f"{left // 60} min {left % 60} s"
        if left < 3600
        else f"{left // 3600} h {left % 3600 // 60} min"
    )


Results = Iterator[tuple[Piece, pd.DataFrame]]


def _by_one(task: Task, cases: list[Case], parts: list[Piece], _: Cluster, __: Report) -> Results:
    for piece in parts:
        yield piece, decide(task, cases[piece.case].given.model_dump_json(), piece)


def _by_workers(
    task: Task, cases: list[Case], parts: list[Piece], where: Cluster, report: Report
) -> Results:
    """Batches as they are finished; a batch whose worker ends is decided again by another."""
    dask = _dask()
    with _client(where) as client:
        workers = _check_workers(client)
        waiting = iter(parts)
        sent: dict[Any, Piece] = {}

        def send() -> None:
            if (piece := next(waiting, None)) is not None:
                given = cases[piece.case].given.model_dump_json()
                sent[client.submit(decide, task, given, piece, pure=False)] = piece

        for _ in range(AT_ONCE * max(workers, 1)):
            send()
        while sent:
            for future in _finished(dask, client, list(sent), where, report):
                try:
                    rows = future.result()
                except CancelledError:
                    raise _lost() from None
                except dask.KilledWorker:
                    raise UsageError(
                        f"Workers ended {RESTARTS} times on one batch, often for want of memory: give fewer "
                        "workers, or a smaller --batch. Finished batches are kept."
                    ) from None
                piece = sent.pop(future)
                future.release()
                send()
                yield piece, rows


def _check_workers(client: Any) -> int:
    """The number of workers that are there.

    Raises
    ------
    UsageError
        One of them has no `sap`, or another version: it would end at its first batch, without a word to the command.
    """
    needed = version(PACKAGE)
    versions = client.run(version, PACKAGE, on_error="return")
    for worker in sorted(versions):
        has = versions[worker] if isinstance(versions[worker], str) else "none"
        if has != needed:
            raise UsageError(
                f"The worker {worker} needs version {needed} of {PACKAGE}, that of the command, and has "
                f"{has}. Install it for the worker, and start the worker again."
            )
    return len(versions)


def _lost() -> UsageError:
    return UsageError(
        "The scheduler ended, or its connection did. Finished batches are kept: start it again, with its "
        "workers, and give the same command."
    )


def _finished(
    dask: Any, client: Any, futures: list[Any], where: Cluster, report: Report
) -> Iterable[Any]:
    """The batches that are finished, at least one; a run without a worker says so.

    Raises
    ------
    UsageError
        The scheduler ended, or the workers of this machine did and none takes their place.
    """
    absent = 0
    while True:
        try:
            with client.as_current():
                done = dask.wait(futures, timeout=WAIT_SECONDS, return_when="FIRST_COMPLETED").done
        except CancelledError:  # Dask gives up all batches of a client whose scheduler is gone
            raise _lost() from None
        except TimeoutError:
            absent = 0 if client.scheduler_info(n_workers=-1)["workers"] else absent + 1
            if absent > 1 and where.scheduler is None:
                raise UsageError(
                    "The workers of this machine ended, and none took their place. Finished batches are kept: "
                    "the same command goes on."
                ) from None
            if absent:
                report(
                    "  the scheduler has no worker: start one (`dask worker ADDRESS --nthreads 1`), or look why "
                    "it ended; the run goes on with the first that is there"
                )
        else:
            return [future for future in futures if future in done]


def _dask() -> Any:
    """Dask's scheduler, which the extra `oc` installs.

    Raises
    ------
    UsageError
        It is not installed.
    """
    try:
        return import_module("distributed")
    except ImportError:
        raise UsageError(
            "sap oc with several workers needs Dask: install the extra `oc` (pip install 'single-arm-sap[oc]'), "
            "or give --workers 1."
        ) from None


@contextmanager
def _client(where: Cluster) -> Iterator[Any]:
    """A client of a scheduler that runs, or of a cluster of this machine."""
    dask = _dask()
    settings = {
        "distributed.scheduler.allowed-failures": RESTARTS,
        "distributed.comm.timeouts.connect": f"{ANSWER_SECONDS}s",
        "distributed.admin.log-length": 0,
        "distributed.worker.daemon": False,
        **OF_WORKERS,
    }
    getLogger("distributed.client").setLevel(
        CRITICAL
    )  # a lost scheduler has a message, no traceback
    with import_module("dask").config.set(settings):
        if where.scheduler is not None:
            try:
                client = dask.Client(where.scheduler, timeout=ANSWER_SECONDS, set_as_default=False)
            except (OSError, ValueError) as error:
                raise UsageError(
                    f"The scheduler {where.scheduler} does not answer ({type(error).__name__}). Start one with "
                    "`dask scheduler`, and give the address that it prints."
                ) from None
            with client:
                yield client
            return
        with (
            dask.LocalCluster(
                n_workers=where.workers,
                threads_per_worker=1,
                processes=True,
                dashboard_address="127.0.0.1:0",  # any free port: two runs at once do not meet
                silence_logs=50,
            ) as cluster,
            dask.Client(cluster, set_as_default=False) as client,
        ):
            yield client


def processors() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
