"""Progress messages at the terminal: the name of each step, then its duration."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST_SILENCE = 4.0  # seconds
_last_message = 0.0


def print_progress(text: str) -> None:
    """One line of progress, flushed at once (stderr: stdout is for results)."""
    global _last_message
    _last_message = time.monotonic()
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


@contextmanager
def step(name: str) -> Iterator[None]:
    """Print the name of a step at its begin, its duration at its end, and a line every few seconds.

    The clock is read only for these messages; no time reaches an output.
    """
    print_progress(f"  {name} ...")
    began = time.monotonic()
    ended = threading.Event()
    watching = threading.Thread(target=_print_waiting, args=(began, ended), daemon=True)
    watching.start()
    try:
        yield
    finally:
        ended.set()
        watching.join()
    print_progress(f"  {name}: {time.monotonic() - began:.1f} s")


def _print_waiting(began: float, ended: threading.Event) -> None:
    wait = LONGEST_SILENCE
    while not ended.wait(wait):
        silent = time.monotonic() - _last_message
        if silent >= LONGEST_SILENCE:
            print_progress(f"    at work for {time.monotonic() - began:.0f} s")
            silent = 0.0
        wait = LONGEST_SILENCE - silent
