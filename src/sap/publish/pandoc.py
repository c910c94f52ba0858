"""Calls pandoc with a time limit, a memory limit and a fixed environment."""

import os
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from sap.errors import RenderError

SECONDS = 300
# At most 3 GB: a Lua filter in an endless loop would otherwise use all memory. Garbage collection in
# large steps saves a tenth of the time.
RUNTIME = ("+RTS", "-M3G", "-A64m", "-RTS")


@cache
def binary() -> str:
    """The pandoc of the locked package, never one on the PATH."""
    import pypandoc

    return str(Path(pypandoc.__file__).parent / "files" / "pandoc")


def run(arguments: Sequence[str], *, data: bytes, folder: Path, what: str) -> tuple[bytes, str]:
    """The output and the warnings of pandoc, run in `folder` with `data` as its input.

    Raises
    ------
    RenderError
        Pandoc fails or needs more than `SECONDS`; `what` is named.
    """
    command = [binary(), *RUNTIME, f"--data-dir={folder}", *arguments]
    passed = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    environment = passed | {
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "HOME": str(folder),
    }
    try:
        done = subprocess.run(
            command,
            input=data,
            capture_output=True,
            cwd=folder,
            env=environment,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RenderError(f"{what}: pandoc was still running after {SECONDS} s") from None
    warnings = done.stderr.decode("utf-8", "replace").strip()
    if done.returncode:
        last = (warnings.splitlines() or ["no reason given"])[-1]
        raise RenderError(f"{what}: pandoc failed (exit {done.returncode}): {last}")
    return done.stdout, warnings
