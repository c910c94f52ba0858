"""Folders that appear whole or not at all."""

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sap.errors import WrongUse


@contextmanager
def lock(target: Path) -> Iterator[None]:
    """Hold `target` for this process; the system lets go when the process ends, however it ends.

    Raises
    ------
    WrongUse
        Another run holds it, or the folder above cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle = (target.parent / f".{target.name}.lock").open("w")
    except OSError as error:
        raise WrongUse(f"{target} cannot be written: {error.strerror}.") from None
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise WrongUse(
                f"Another run is writing {target}. Wait for it, or choose another folder."
            ) from None
        yield


def refuse_to_replace(target: Path) -> None:
    """A place that is no folder of its own may not be replaced: a file, or where we stand.

    Raises
    ------
    WrongUse
        `target` is a file, the working folder or one above it (`.`, `/`).
    """
    if target.exists() and not target.is_dir():
        raise WrongUse(f"{target} is a file; give the name of a folder.")
    if Path.cwd().is_relative_to(target.resolve()):
        raise WrongUse(
            f"{target} is the working folder or holds it, and would be replaced as a whole. "
            "Give a folder of its own, for example build/report."
        )


def _old(target: Path) -> Path:
    return target.with_name(f".{target.name}.previous")


def recover(target: Path) -> None:
    """Put back a folder that a killed run had moved aside, and drop what it left half made."""
    old = _old(target)
    if old.exists():
        if target.exists():
            shutil.rmtree(old)
        else:
            old.rename(target)
    for left in target.parent.glob(f".{target.name}.new-*"):
        shutil.rmtree(left, ignore_errors=True)


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """A new folder to write in; when the block ends well it stands in the place of `target`.

    1. The block fails or the process dies: `target` is what it was.
    2. It ends: the old folder is moved aside, the new one takes its name, the old one goes. A
       process that dies between the two renames is mended by the next call (`recover`).

    Raises
    ------
    WrongUse
        The place cannot be written, may not be replaced, or the disk is full; `target` is what it
        was.
    """
    refuse_to_replace(target)
    with lock(target):
        recover(target)
        new = Path(tempfile.mkdtemp(prefix=f".{target.name}.new-", dir=target.parent))
        new.chmod(0o755)
        try:
            yield new
            if target.exists():
                target.rename(_old(target))
            new.rename(target)
            shutil.rmtree(_old(target), ignore_errors=True)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise WrongUse(f"The disk is full; {target} is what it was.") from None
            if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
                raise WrongUse(f"{target} cannot be written: {os.strerror(error.errno)}.") from None
            raise
        finally:
            if new.exists():
                shutil.rmtree(new, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file beside its place and rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, prefix=f".{path.name}.", delete=False, encoding="utf-8", newline="\n"
    ) as new:
        new.write(text)
    place = Path(new.name)
    place.chmod(0o644)
    place.replace(path)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file beside its place and rename it.

    Raises
    ------
    WrongUse
        The place cannot be written, or the disk is full; what stood there still does.
    """
    new = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new.write_bytes(content)
        new.chmod(0o644)
        new.replace(path)
    except OSError as error:
        raise WrongUse(f"{path} cannot be written: {error.strerror}; it is what it was.") from None
    finally:
        new.unlink(missing_ok=True)
