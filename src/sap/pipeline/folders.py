"""Output folders that appear complete or not at all."""

import errno
import glob
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from sap.errors import UsageError

MARK = ".sap"
"""Stands in each folder made here and lists its files, so that no other folder is ever replaced."""

BUNDLE = ("bundle.json", "SHA256SUMS")
# What later commands write into the folder of a run, finished or killed, and the desktop anywhere.
LATER = re.compile(
    r"csr\.(html|pdf|docx)|dsmb-(open|closed)/[^/]+|run-log\.jsonl|tables/previous[^/]*"
    r"|(.*/)?\.(DS_Store|sap|(csr|new|report|ard|changes|previous|run-log)[^/]*)(/.*)?"
)


@contextmanager
def lock(target: Path) -> Iterator[None]:
    """Lock `target` for this process; the operating system unlocks it when the process ends.

    The lock is on a file of its own in the folder above, which stays there when it is unlocked.

    Raises
    ------
    UsageError
        Another run has locked it, or the folder above cannot be written.
    """
    held = FileLock(target.parent / f".{target.name}.lock", blocking=False)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        held.acquire()
    except Timeout:
        raise UsageError(
            f"Another run is writing {target}. Wait for it, or choose another folder."
        ) from None
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror}.") from None
    try:
        yield
    finally:
        held.release()


def refuse_to_replace(target: Path) -> None:
    """A place may be replaced only when nothing of anybody else stands there.

    The first case that applies refuses it:

    1. A file or a link.
    2. The working folder, or one above it (`.`, `/`).
    3. A folder that is not empty and was not made here: it has neither our mark nor, as a bundle
       has none, an index and a list of sums.
    4. One made here that now also holds files of others; the first is named.

    Raises
    ------
    UsageError
        Says which; nothing was touched.
    """
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        what = "a link" if target.is_symlink() else "a file"
        raise UsageError(f"{target} is {what}; give the name of a folder.")
    if Path.cwd().is_relative_to(target.resolve()):
        raise UsageError(
            f"{target} is the working folder or holds it, and would be replaced as a whole. "
            "Give a folder of its own, for example build/report."
        )
    try:
        if not target.is_dir() or not any(target.iterdir()):
            return
        known = _listed(target)
        if known is None:
            raise UsageError(
                f"{target} holds files that sap did not write, and would be replaced as a whole. "
                "Give a new or an empty folder."
            )
        there = (p.relative_to(target).as_posix() for p in target.rglob("*") if not p.is_dir())
        foreign = sorted(name for name in there if name not in known and not LATER.fullmatch(name))
    except OSError as error:
        raise UsageError(f"{target} cannot be read: {error.strerror}.") from None
    if foreign:
        raise UsageError(
            f"{target} would be replaced as a whole, and {foreign[0]} in it is not a file that sap "
            "wrote. Move it away, or give another folder."
        )


def refuse_within(target: Path, source: Path, what: str) -> None:
    """What is written may not stand in what is read, nor hold it.

    Raises
    ------
    UsageError
        Names both.
    """
    inner, outer = target.resolve(), source.resolve()
    if inner.is_relative_to(outer) or outer.is_relative_to(inner):
        raise UsageError(
            f"{target} cannot be written: it is, holds, or lies in {source}, {what}. "
            "Give a folder beside it."
        )


def _listed(target: Path) -> set[str] | None:
    """The files that were written here; None where nobody says that they were."""
    mark = target / MARK
    if mark.is_file():
        try:
            names = json.loads(mark.read_text(encoding="utf-8"))
        except (ValueError, RecursionError):
            return None
        return {str(name) for name in names} if isinstance(names, list) else None
    if all((target / name).is_file() for name in BUNDLE):
        lines = (target / BUNDLE[1]).read_text(encoding="utf-8", errors="replace").splitlines()
        return {line[66:] for line in lines} | set(BUNDLE)
    return None


KINDS = {"bundle.json": "a bundle", "ard.csv": "a run", "audit.json": "an audit", "adrg.md": "an export", "left-out.txt": "an export"}  # fmt: skip


def _kind(folder: Path) -> str:
    return next((what for name, what in KINDS.items() if (folder / name).is_file()), "an extract")


def _refuse_another_kind(new: Path, target: Path) -> None:
    if target.is_dir() and any(target.iterdir()) and _kind(target) != _kind(new):
        raise UsageError(
            f"{target} holds {_kind(target)} and would be replaced by {_kind(new)}. "
            "Give another folder, or remove it first."
        )


def _mark(new: Path) -> None:
    """List the files of a finished folder in it; a bundle lists its own and holds no other name."""
    if not all((new / name).is_file() for name in BUNDLE):
        names = sorted(p.relative_to(new).as_posix() for p in new.rglob("*") if not p.is_dir())
        (new / MARK).write_text(json.dumps(names, indent=0) + "\n", encoding="utf-8")


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
    # The second is what a report left that was being rendered into the first.
    for pattern in (".{}.new-*", "..{}.new-*"):
        for left in target.parent.glob(pattern.format(glob.escape(target.name))):
            shutil.rmtree(left, ignore_errors=True)


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """A new folder to write in; when the block ends well it stands in the place of `target`.

    1. The block fails or the process dies: `target` is what it was.
    2. It ends: the old folder is moved aside, the new one takes its name, the old one goes. A
       process that dies between the two renames is mended by the next call (`recover`).
    3. Only its like is replaced: a run never takes the place of an extract, nor a bundle of a run.

    Raises
    ------
    UsageError
        The place cannot be written, may not be replaced, or the disk is full; `target` is what it
        was.
    """
    refuse_to_replace(target)
    with lock(target):
        recover(target)
        refuse_to_replace(target)
        new = Path(tempfile.mkdtemp(prefix=f".{target.name}.new-", dir=target.parent))
        new.chmod(0o755)
        try:
            yield new
            _refuse_another_kind(new, target)
            _mark(new)
            if target.exists():
                target.rename(_old(target))
            new.rename(target)
            shutil.rmtree(_old(target), ignore_errors=True)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise UsageError(f"The disk is full; {target} is what it was.") from None
            if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
                raise UsageError(
                    f"{target} cannot be written: {os.strerror(error.errno)}."
                ) from None
            raise
        finally:
            if new.exists():
                shutil.rmtree(new, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file beside its place and rename it.

    Raises
    ------
    UsageError
        As `write_bytes`.
    """
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file beside its place and rename it.

    Raises
    ------
    UsageError
        The place cannot be written, or the disk is full; what stood there still does.
    """
    new = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new.write_bytes(content)
        new.chmod(0o644)
        new.replace(path)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}; it is what it was."
        ) from None
    finally:
        new.unlink(missing_ok=True)
