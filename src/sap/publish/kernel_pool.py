"""A process that imports what the chapters import, and forks a kernel for each of them.

A new kernel spends most of its time on imports that every chapter needs: 3 of 4 seconds for the
study report. Here they are done once, and each chapter still has its own process, name space and
matplotlib.

The process reads one JSON object a line from stdin: first the modules, then the kernels to start.
For each of these it writes the kernel's process id to stdout, and when the kernel ends, its exit code
to a file in the folder of its connection file. When stdin ends, because the report is done or its
process was killed, it kills the remaining kernels and ends.
"""

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sap.errors import RenderError
from sap.publish.kernel_code import REFUSED, same_sap

EXIT_CODE = "ended"
STDERR = "stderr.txt"
SERVE = "from sap.publish.kernel_pool import serve; serve()"
LAUNCHED = ("ipykernel.kernelapp", "ipykernel.ipkernel")
CAN_FORK = sys.platform == "linux"  # macOS's own libraries do not work after a fork


def how_it_ended(code: int | None, errors: bytes) -> str:
    r"""How a process ended, in words: by its last line on stderr, or its exit code or signal.

    >>> how_it_ended(1, b"Traceback ...\nModuleNotFoundError: No module named 'zmq'\n")
    "ended: ModuleNotFoundError: No module named 'zmq'"
    >>> how_it_ended(-9, b""), how_it_ended(3, b"")
    ('was killed (out of memory?)', 'ended with exit code 3')
    """
    lines = [line for line in errors.decode("utf-8", "replace").splitlines() if line.strip()]
    if code == -signal.SIGKILL:
        return "was killed (out of memory?)"
    if lines:
        return f"ended: {lines[-1].strip().rpartition(f'{REFUSED}: ')[2][:500]}"
    return "ended" if code is None else f"ended with exit code {code}"


class KernelPool:
    """The caller's side: starts the process, requests kernels of it, and ends it."""

    def __init__(self, modules: Sequence[str], environment: Mapping[str, str], home: Path) -> None:
        self._request = threading.Lock()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", f"{same_sap()}\n{SERVE}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=home,
            env=dict(environment),
            start_new_session=True,
        )
        with contextlib.suppress(OSError):  # `start` reports a process that has ended already
            self._send(list(modules))

    def start(
        self, command: Sequence[str], environment: Mapping[str, str], home: str
    ) -> "PooledKernel":
        """Start a kernel; the last argument of `command` is its connection file.

        Raises
        ------
        RenderError
            The process has ended; the message says how.
        """
        connection = Path(command[-1])
        with self._request:
            try:
                self._send({"file": str(connection), "env": dict(environment), "home": home})
                line = self._process.stdout.readline() if self._process.stdout else b""
            except OSError:
                line = b""
        if not line:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=5)
            self._errors.seek(0)
            how = how_it_ended(self._process.poll(), self._errors.read())
            raise RenderError(f"the process that starts the kernels {how}")
        return PooledKernel(int(line), connection.parent / EXIT_CODE, self._process)

    def close(self) -> None:
        """End the process and its kernels; they have ended when this returns."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                with contextlib.suppress(OSError):
                    stream.close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()

    def _send(self, message: Any) -> None:
        if self._process.stdin:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()


class PooledKernel:
    """The interface that jupyter_client needs of a process, for a kernel that is not a child of this one."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int, exit_code: Path, parent: "subprocess.Popen[bytes]") -> None:
        self.pid = pid
        self._exit_code = exit_code
        self._parent = parent

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        code = self._exit_code.read_text(encoding="ascii") if self._exit_code.is_file() else ""
        if code:
            return int(code)
        return None if self._parent.poll() is None else -signal.SIGKILL

    def wait(self) -> int:
        """Its exit code, once it has one."""
        while (code := self.poll()) is None:
            time.sleep(0.02)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


def serve() -> None:
    """Read requests from stdin until it ends."""
    wake_read, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    running: dict[int, Path] = {}
    os.environ["JPY_PARENT_PID"] = str(os.getpid())  # ipykernel reads it when it is imported
    lines = _lines(wake_read, running)
    with contextlib.suppress(StopIteration):
        _import(json.loads(next(lines)))
    gc.freeze()  # collecting would copy memory that parent and children share
    for line in lines:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            os.close(wake_read)
            os.close(wake)
            _be_kernel(request)
        running[pid] = Path(request["file"]).parent / EXIT_CODE
        with contextlib.suppress(BrokenPipeError):
            os.write(1, f"{pid}\n".encode())
    for pid in running:
        for kill in (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError):
                kill(pid, signal.SIGKILL)
    for pid in running:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)


def _lines(wake_read: int, running: dict[int, Path]) -> Iterator[bytes]:
    """The lines of stdin; the exit code of a kernel that ends while it waits is written."""
    rest = b""
    while True:
        ready, _, _ = select.select([0, wake_read], [], [])
        if wake_read in ready:
            os.read(wake_read, 4096)
            _note_ended(running)
        if 0 in ready:
            read = os.read(0, 65536)
            if not read:
                return
            *lines, rest = (rest + read).split(b"\n")
            yield from lines


def _note_ended(running: dict[int, Path]) -> None:
    for pid in list(running):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            with contextlib.suppress(OSError):  # the report has ended and removed the folder
                running[pid].write_text(str(os.waitstatus_to_exitcode(status)), encoding="ascii")
            del running[pid]


def _import(modules: Sequence[str]) -> None:
    for name in (*LAUNCHED, *modules):
        # A module that cannot be imported fails again in the chapter's cell, which is named.
        with contextlib.suppress(Exception, SystemExit):
            importlib.import_module(name)


def _be_kernel(request: Mapping[str, Any]) -> None:
    """Become a kernel in a session of its own; never returns."""
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDONLY)
        errors = os.open(
            Path(request["file"]).parent / STDERR, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600
        )
        os.dup2(nothing, 0)
        os.dup2(errors, 2)
        os.dup2(errors, 1)
        os.close(nothing)
        os.close(errors)
        os.environ.clear()
        os.environ.update(request["env"])
        os.chdir(request["home"])
        sys.argv = ["ipykernel_launcher", "-f", request["file"]]
        from ipykernel import kernelapp

        kernelapp.launch_new_instance()
        code = 0
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else 0
    except BaseException as problem:  # noqa: BLE001 - a forked child may not run its parent's code
        sys.stderr.write(f"kernel: {type(problem).__name__}: {problem}\n")
    finally:
        sys.stderr.flush()
        os._exit(code)
