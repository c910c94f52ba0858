"""Output folders that appear complete or not at all."""

import errno
import glob
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from sap.errors import UsageError

MARK = ".sap"
"""The file in each folder made here that lists the folder's files, so that no other folder is replaced."""

BUNDLE = ("bundle.json", "SHA256SUMS")
# What later commands write into the folder of a run, complete or not, and a desktop into any folder.
LATER = re.compile(
    r"csr(-[a-z0-9-]+)?\.(html|pdf|docx)|dsmb-(open|closed)/[^/]+|run-log\.jsonl|tables/previous[^/]*"
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
    """Refuse to replace a folder that holds files which sap did not write.

    The first case that applies refuses it:

    1. A file or a link.
    2. The working folder, or one above it (`.`, `/`).
    3. A folder that is not empty and was not made here: it has no list of its files (`.sap`) and is
       not a bundle, which has an index and a list of sums.
    4. One made here that now also holds other files; the first is named.

    Raises
    ------
    UsageError
        Names the case; nothing was changed.
    """
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        what = "a link" if target.is_symlink() else "a file"
        raise UsageError(f"{target} is {what}; give the name of a folder.")
    if Path.cwd().is_relative_to(target.resolve()):
        raise UsageError(
            f"{target} is the working folder or holds it, and would be replaced. "
            "Give another folder, for example build/report."
        )
    try:
        if not target.is_dir() or not any(target.iterdir()):
            return
        known = _listed(target)
        if known is None:
            raise UsageError(
                f"{target} holds files that sap did not write, and would be replaced. "
                "Give a new or an empty folder."
            )
        names = (p.relative_to(target).as_posix() for p in target.rglob("*") if not p.is_dir())
        foreign = sorted(name for name in names if name not in known and not LATER.fullmatch(name))
    except OSError as error:
        raise UsageError(f"{target} cannot be read: {error.strerror}.") from None
    if foreign:
        raise UsageError(
            f"{target} would be replaced, and {foreign[0]} in it is not a file that sap "
            "wrote. Move it away, or give another folder."
        )


def refuse_within(target: Path, source: Path, what: str) -> None:
    """Refuse to write into a folder that is read, or above it.

    Raises
    ------
    UsageError
        Names both folders.
    """
    inner, outer = target.resolve(), source.resolve()
    if inner.is_relative_to(outer) or outer.is_relative_to(inner):
        raise UsageError(
            f"{target} cannot be written: it is, holds, or lies in {source}, {what}. "
            "Give a folder next to it."
        )


def _listed(target: Path) -> set[str] | None:
    """The files that sap wrote here; None where there is no list of them."""
    mark = target / MARK
    if mark.is_file():
        try:
            names = json.loads(mark.read_text(encoding="utf-8"))
        except (ValueError, RecursionError):
            return None
        return {str(name) for name in names} if isinstance(names, list) else None
    if all((target / name).is_file() for name in BUNDLE):
        lines = (target / BUNDLE[1]).read_text(encoding="utf-8", errors="replace").splitlines()
        return {line[66:] for line in lines} | {*BUNDLE, "SHA256SUMS.sig"}
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
    """Restore a folder that a killed run had moved aside, and remove its incomplete files."""
    old = _old(target)
    if old.exists():
        if target.exists():
            shutil.rmtree(old)
        else:
            old.rename(target)
    # The second pattern is of a report that was being rendered into a folder of the first.
    for pattern in (".{}.new-*", "..{}.new-*"):
        for left in target.parent.glob(pattern.format(glob.escape(target.name))):
            shutil.rmtree(left, ignore_errors=True)


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """A new folder to write in, which replaces `target` when the block ends without an error.

    1. The block fails or the process ends: `target` is unchanged.
    2. The block succeeds: the old folder is moved aside, the new one gets its name, the old one is
       removed. After an end between the two renames the next call restores the folder (`recover`).
    3. A folder is replaced by one of its kind only: an extract never by a run, a run never by a bundle.

    Raises
    ------
    UsageError
        The folder cannot be written, may not be replaced, or the disk is full; `target` is unchanged.
    """
    refuse_to_replace(target)
    with lock(target):
        recover(target)
        refuse_to_replace(target)
        new = target.parent / f".{target.name}.new-{secrets.token_hex(6)}"
        new.mkdir()  # not mkdtemp, whose mode is not the umask's
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
                raise UsageError(f"The disk is full; {target} is unchanged.") from None
            if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
                raise UsageError(
                    f"{target} cannot be written: {os.strerror(error.errno)}."
                ) from None
            raise
        finally:
            if new.exists():
                shutil.rmtree(new, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file under a temporary name and rename it.

    Raises
    ------
    UsageError
        As `write_bytes`.
    """
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file under a temporary name and rename it.

    Raises
    ------
    UsageError
        The file cannot be written, or the disk is full; an older file is unchanged.
    """
    new = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new.unlink(missing_ok=True)
        new.write_bytes(content)
        new.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}; it is unchanged.") from None
    finally:
        new.unlink(missing_ok=True)
