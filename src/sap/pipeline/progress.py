"""What a patient at the terminal sees while a step runs: its name, then the time it took."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST_SILENCE = 4.0  # seconds
_last_said = 0.0


def say(text: str) -> None:
    """One line of progress, at once (stderr: stdout is for results)."""
    global _last_said
    _last_said = time.monotonic()
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


@contextmanager
def step(name: str) -> Iterator[None]:
    """Print `name` when it begins and how long it took when it ends, and that it goes on between.

    The clock is read here for the patient who waits; no time reaches an output.
    """
    say(f"  {name} ...")
    began = time.monotonic()
    ended = threading.Event()
    watching = threading.Thread(target=_keep_saying, args=(began, ended), daemon=True)
    watching.start()
    try:
        yield
    finally:
        ended.set()
        watching.join()
    say(f"  {name}: {time.monotonic() - began:.1f} s")


def _keep_saying(began: float, ended: threading.Event) -> None:
    wait = LONGEST_SILENCE
    while not ended.wait(wait):
        silent = time.monotonic() - _last_said
        if silent >= LONGEST_SILENCE:
            say(f"    at work for {time.monotonic() - began:.0f} s")
            silent = 0.0
        wait = LONGEST_SILENCE - silent
