"""The two homes: the package's set, and the folder of the study that is reported."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

PLAN = Path("analysis") / "plan.yml"
"""The file that makes a folder a study."""
STUDY_OF_WHEEL = "_study"
"""Where the wheel of a bundle carries the files of another study than this repository's."""

_named: list[Path] = []


def project_home() -> Path:
    """The folder of the package's set: chapters, `displays.yml`, `_quarto*.yml`, root documents, lock.

    1. The source checkout this package runs from, when it is one.
    2. Else the copy that the wheel carries.

    It does not depend on the working directory. It is a study too: the one of this repository.
    """
    checkout = Path(__file__).parents[3]
    if (checkout / "data-contracts").is_dir() and (checkout / "analysis").is_dir():
        return checkout
    return Path(__file__).parents[1] / "_project"


def study_home() -> Path:
    """The folder of the study: its plan, references, deviations, DSMB entries, contracts, `analysis/study`.

    1. The study of the plan that a command was given (`study_of_plan`).
    2. Else the nearest folder upward from the working directory that has `analysis/plan.yml`.
    3. Else the study that the wheel carries, of a bundle's wheel.
    4. Else the package's set.
    """
    return _named[-1] if _named else _of_folder(os.getcwd())  # noqa: PTH109 - a text is the key


@lru_cache(maxsize=64)
def _of_folder(folder: str) -> Path:
    return nearest_study(Path(folder)) or _of_package()


def _of_package() -> Path:
    carried = Path(__file__).parents[1] / STUDY_OF_WHEEL
    return carried if (carried / PLAN).is_file() else project_home()


def nearest_study(folder: Path) -> Path | None:
    """The nearest folder upward from this one, itself included, that has `analysis/plan.yml`."""
    place = folder.resolve()
    return next((one for one in (place, *place.parents) if (one / PLAN).is_file()), None)


@contextmanager
def study_of_plan(plan: Path | None) -> Iterator[Path]:
    """Within it, `study_home` is the study of a plan: the nearest folder upward from its file.

    Without a plan, or where no folder above it is a study, it is that of the working directory.
    """
    _of_folder.cache_clear()
    place = None if plan is None else nearest_study(plan.resolve().parent)
    _named.append(study_home() if place is None else place)
    try:
        yield _named[-1]
    finally:
        _named.pop()


def is_own_study() -> bool:
    """Whether the study is that of the package's set, whose files are all in one folder."""
    return study_home().resolve() == project_home().resolve()
