"""What a person at the terminal sees while a step runs: its name, then the time it took."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


def say(text: str) -> None:
    """One line of progress, at once (stderr: stdout is for results)."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


@contextmanager
def step(name: str) -> Iterator[None]:
    """Print `name` when it begins and how long it took when it ends.

    The clock is read here for the person who waits; no time reaches an output.
    """
    say(f"  {name} ...")
    began = time.monotonic()
    yield
    say(f"  {name}: {time.monotonic() - began:.1f} s")
