"""The files of the package's set and of the study, each by its name from its own home.

The package's set speaks of no trial; what one study alone says is in its plan, its contracts and
`analysis/study/`, where a file has one of four uses:

1. `NAME.qmd` replaces the chapter NAME of the package's set.
2. `after-NAME.qmd` is a further chapter after the chapter NAME.
3. `displays.yml` changes displays of the set, or adds displays; `references.bib` adds references.
4. `NAME.py`, `NAME.csv`: functions and data of displays of its own (`sap.displays.own`).
"""

from pathlib import Path
from typing import Literal

from sap.errors import UsageError
from sap.plan.home import project_home, study_home

Origin = Literal["package", "study"]

CHAPTERS = "analysis/chapters"
OWN = "analysis/study"
DISPLAYS = "analysis/displays.yml"
AFTER = "after-"
SET = (DISPLAYS, f"{CHAPTERS}/*.qmd", "_quarto*.yml")
ROOTS = ("csr.qmd", "dsmb.qmd", "references.bib", "requirements.lock")
OF_STUDY = ("analysis/*.yml", "data-contracts/*.yaml")
SUFFIXES = (".qmd", ".py", ".csv")
NAMED = ("displays.yml", "references.bib")
NOT_READ = ("README", "README.md", "__pycache__", ".gitkeep")
"""Of `analysis/study`: read by people, or written by Python."""


def origin(name: str) -> Origin:
    """Whose file a name is: of the package's set, or of the study.

    >>> origin("analysis/chapters/12-safety.qmd"), origin("analysis/plan.yml"), origin("csr.qmd")
    ('package', 'study', 'package')
    """
    is_set = name == DISPLAYS or not name.startswith(("analysis/", "data-contracts/"))
    return "package" if is_set or name.startswith(f"{CHAPTERS}/") else "study"


def package_files() -> dict[str, Path]:
    """The files of the package's set by name."""
    home = project_home()
    paths = [path for pattern in SET for path in sorted(home.glob(pattern))]
    paths += [home / name for name in ROOTS if (home / name).is_file()]
    return {path.relative_to(home).as_posix(): path for path in paths}


def study_files(home: Path | None = None) -> dict[str, Path]:
    """The files of the study (or of another home) by name: plans, contracts, and what only it says.

    Raises
    ------
    UsageError
        `analysis/study` has a file of no use there, or the folder has a chapter or a register of
        displays where those of the package's set are.
    """
    home = study_home() if home is None else home
    paths = [path for pattern in OF_STUDY for path in sorted(home.glob(pattern))]
    own = sorted((home / OWN).iterdir()) if (home / OWN).is_dir() else []
    paths += [path for path in own if _is_used(path)]
    files = {path.relative_to(home).as_posix(): path for path in paths}
    if not has_own_set(home):
        misplaced = [
            name
            for name in (DISPLAYS, *(f"{CHAPTERS}/{p.name}" for p in (home / CHAPTERS).glob("*")))
            if name in files or (home / name).is_file()
        ]
        if misplaced:
            raise UsageError(
                f"{home}: {misplaced[0]} would never be read: a study changes chapters and displays "
                f"in {OWN}/. Move it there."
            )
    return {name: path for name, path in files.items() if origin(name) == "study"}


def has_own_set(home: Path) -> bool:
    """Whether a study's folder is a checkout of the package too, as this repository is."""
    return home.resolve() == project_home().resolve() or (home / ROOTS[0]).is_file()


def _is_used(path: Path) -> bool:
    if path.name in NOT_READ:
        return False
    if path.is_file() and (path.suffix in SUFFIXES or path.name in NAMED):
        if path.suffix == ".qmd":
            _chapter_of(path)
        return True
    raise UsageError(
        f"{path}: {OWN}/ has chapters (NAME.qmd, {AFTER}NAME.qmd), {', '.join(NAMED)}, and .py and "
        ".csv for displays of the study. Move it elsewhere."
    )


def _chapter_of(path: Path) -> str:
    """The chapter of the set that a chapter of the study replaces or follows."""
    known = sorted(one.stem for one in (project_home() / CHAPTERS).glob("*.qmd"))
    name = path.stem.removeprefix(AFTER)
    if name not in known:
        raise UsageError(
            f"{path}: the package has no chapter {name}, so that this one would never be printed. "
            f"Call it NAME.qmd (in place of it) or {AFTER}NAME.qmd (after it), NAME one of: "
            f"{', '.join(known)}."
        )
    return name


def chapters_for(chapter: Path) -> list[Path]:
    """What is printed at the place of a chapter of the set: itself or the study's, and the study's after it.

    A file that is no chapter of the package's set is printed as it is.
    """
    if chapter.resolve().parent != (project_home() / CHAPTERS).resolve():
        return [chapter]
    files = study_files()
    own = files.get(f"{OWN}/{chapter.name}", chapter)
    after = files.get(f"{OWN}/{AFTER}{chapter.name}")
    return [own, *([after] if after else [])]


def bibliographies() -> list[Path]:
    """The references of the package's set, and those that the study adds."""
    places = (project_home() / "references.bib", study_home() / OWN / "references.bib")
    return [path for path in places if path.is_file()]
