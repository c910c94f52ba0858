"""One process that has imported what the chapters import, and forks a kernel for each of them.

A kernel that starts from nothing spends most of its time on imports that every chapter needs:
3 of 4 seconds on the study report. Here they are paid once, and each chapter still has a process,
a name space and a matplotlib of its own.

The process reads one JSON object a line from stdin: first the modules, then a kernel to start. It
answers each of those with the kernel's process id, and writes a kernel's exit code to a file
beside its connection file. When stdin ends, because the report is done or its process was killed,
it kills the kernels that are left and ends.
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

ENDED = "ended"
STDERR = "stderr.txt"
SERVE = "from sap.publish.kernel_pool import serve; serve()"
LAUNCHED = ("ipykernel.kernelapp", "ipykernel.ipkernel")
POSSIBLE = sys.platform == "linux"  # macOS's own libraries do not survive a fork


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


class Forks:
    """The caller's end: starts the process, asks it for kernels, and ends it."""

    def __init__(self, modules: Sequence[str], environment: Mapping[str, str], home: Path) -> None:
        self._one_at_a_time = threading.Lock()
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
        with contextlib.suppress(OSError):  # one that is dead already is noticed by `start`
            self._say(list(modules))

    def start(self, command: Sequence[str], environment: Mapping[str, str], home: str) -> "Forked":
        """A kernel; `command` is what would start it from nothing, its last word the file."""
        connection = Path(command[-1])
        with self._one_at_a_time:
            try:
                self._say({"file": str(connection), "env": dict(environment), "home": home})
                answer = self._process.stdout.readline() if self._process.stdout else b""
            except OSError:
                answer = b""
        if not answer:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=5)
            self._errors.seek(0)
            how = how_it_ended(self._process.poll(), self._errors.read())
            raise RenderError(f"the process that starts the kernels {how}")
        return Forked(int(answer), connection.parent / ENDED, self._process)

    def close(self) -> None:
        """End the process and what it started; it has ended when this returns."""
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

    def _say(self, words: Any) -> None:
        if self._process.stdin:
            self._process.stdin.write(json.dumps(words).encode() + b"\n")
            self._process.stdin.flush()


class Forked:
    """What jupyter_client asks of a process, for a kernel that is not our child."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int, ended: Path, parent: "subprocess.Popen[bytes]") -> None:
        self.pid = pid
        self._ended = ended
        self._parent = parent

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        code = self._ended.read_text(encoding="ascii") if self._ended.is_file() else ""
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
    """Read what is asked from stdin until it ends."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    running: dict[int, Path] = {}
    os.environ["JPY_PARENT_PID"] = str(os.getpid())  # ipykernel reads it when it is imported
    lines = _lines(woken, running)
    with contextlib.suppress(StopIteration):
        _import(json.loads(next(lines)))
    gc.freeze()  # what is never collected is never copied
    for line in lines:
        asked = json.loads(line)
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            os.close(woken)
            os.close(wake)
            _be_kernel(asked)
        running[pid] = Path(asked["file"]).parent / ENDED
        with contextlib.suppress(BrokenPipeError):
            os.write(1, f"{pid}\n".encode())
    for pid in running:
        for kill in (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError):
                kill(pid, signal.SIGKILL)
    for pid in running:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)


def _lines(woken: int, running: dict[int, Path]) -> Iterator[bytes]:
    """The lines of stdin; while it waits for one, kernels that end are noted."""
    rest = b""
    while True:
        ready, _, _ = select.select([0, woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            _note_ended(running)
        if 0 in ready:
            read = os.read(0, 65536)
            if not read:
                return
            *whole, rest = (rest + read).split(b"\n")
            yield from whole


def _note_ended(running: dict[int, Path]) -> None:
    for pid in list(running):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            with contextlib.suppress(OSError):  # the folder is gone when nobody asks any more
                running[pid].write_text(str(os.waitstatus_to_exitcode(status)), encoding="ascii")
            del running[pid]


def _import(modules: Sequence[str]) -> None:
    for name in (*LAUNCHED, *modules):
        # What cannot be imported fails again in the chapter, which names the cell.
        with contextlib.suppress(Exception, SystemExit):
            importlib.import_module(name)


def _be_kernel(asked: Mapping[str, Any]) -> None:
    """Become a kernel in a session of its own, as if started from nothing; never returns."""
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDONLY)
        errors = os.open(
            Path(asked["file"]).parent / STDERR, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600
        )
        os.dup2(nothing, 0)
        os.dup2(errors, 2)
        os.dup2(errors, 1)
        os.close(nothing)
        os.close(errors)
        os.environ.clear()
        os.environ.update(asked["env"])
        os.chdir(asked["home"])
        sys.argv = ["ipykernel_launcher", "-f", asked["file"]]
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
