"""The study of a command: which one it is, and the line on stderr that says so."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sap.errors import UsageError

DEFAULT_PLAN = Path("analysis/plan.yml")


@contextmanager
def study(plan: Path | None = None, *, shown: bool = True) -> Iterator[Path]:
    """The study of a plan, or without one that of the working directory; gives the plan's path.

    1. `--plan`: the nearest folder upward from the file that has `analysis/plan.yml`.
    2. Else the nearest folder upward from the working directory that has it.
    3. Else the study of the package itself.

    Raises
    ------
    UsageError
        Its folder has files that would never be read.
    """
    from sap.plan.home import is_own_study, study_of_plan

    path = plan or DEFAULT_PLAN
    if path == DEFAULT_PLAN and not path.is_file():
        with study_of_plan(None) as home:
            path = path if is_own_study() else home / DEFAULT_PLAN
    with study_of_plan(path if plan else None):
        if shown:
            _say()
        yield path


def _say() -> None:
    from sap.pipeline.progress import print_progress
    from sap.plan.home import is_own_study, study_home
    from sap.plan.study import has_own_set, study_files

    home = study_home()
    own = " (the package's own)" if is_own_study() else ""
    if not own and has_own_set(home):
        own = ", with chapters and displays of the package that runs, not those of this folder"
    print_progress(f"study: {os.path.relpath(home)}{own}, {len(study_files())} files")


def note_changes(run: Path) -> None:
    """Name on stderr the files of package and study that are others than when the run was analysed.

    Raises
    ------
    UsageError
        The run's record of its files cannot be read.
    """
    from sap.pipeline.progress import print_progress
    from sap.runlog.software import origins

    path = run / "tables" / "files.json"
    if not path.is_file():
        return
    try:
        then = {str(one["file"]): one["sha256"] for one in json.loads(path.read_bytes())}
    except (OSError, ValueError, TypeError, KeyError):
        raise UsageError(f"{path} is no record of files. Make the run again.") from None
    now = {one.file: one.sha256 for one in origins()}
    changed = sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name))
    if changed:
        more = f" and {len(changed) - 8} more" if len(changed) > 8 else ""
        print_progress(
            f"  note: changed since the run was analysed: {', '.join(changed[:8])}{more}"
        )
