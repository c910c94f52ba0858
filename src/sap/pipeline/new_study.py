"""A new study: a folder with a plan from a template or a file, and contracts written from that plan."""

import shutil
from pathlib import Path

import yaml

from sap.contracts.writing import contracts_of
from sap.errors import PlanError, UsageError
from sap.pipeline.folders import write_text
from sap.pipeline.plans import read_plan as verified
from sap.pipeline.progress import step
from sap.plan import read_plan
from sap.plan.home import study_of_plan
from sap.plan.schema import schema_text

TEMPLATES = Path(__file__).parents[1] / "templates"
COMMON = "common"
SUFFIX = ".odcs.yaml"
NO_MEETING = (
    "# Cover of the reports of the DSMB, amendments and meetings, by study; none is recorded.\n{}\n"
)
OF_TEMPLATE = (
    "It was written\nfrom a template with an invented drug: every value is yours to replace."
)
OF_GIVEN = "It is the\nplan that `sap init` was given."
"""What the README says of the plan of a template, and in its place of a given plan."""
RENAMED = {"gitignore": ".gitignore"}
"""Files whose own name a package would not carry."""
OF_STUDY = (
    "analysis/references.yml",
    "analysis/deviations.yml",
    "analysis/dsmb.yml",
    "analysis/study",
    "data-contracts/terms.yaml",
)
"""What a plan reads of its study: a study around a plan takes it along."""


def templates() -> list[str]:
    """The names of the templates."""
    return sorted(p.name for p in TEMPLATES.iterdir() if p.is_dir() and p.name != COMMON)


def init(folder: Path, like: str) -> Path:
    """Write a new study into an empty or new folder; the path of its plan.

    `like` is a template, or the file of a plan (ending in .yml or .yaml), which becomes the plan of the study. Of a
    plan in the `analysis/` of a study, its references, deviations, DSMB, own chapters and terms come along.

    Raises
    ------
    UsageError
        There is no such template, the folder is a file or holds something, or it cannot be written.
    PlanError
        The plan does not hold; no file is left.
    """
    given = Path(like) if like.endswith((".yml", ".yaml")) else None
    if given is not None and not given.is_file():
        raise UsageError(f"There is no file {like} with a plan.")
    if given is None and like not in templates():
        raise UsageError(
            f"There is no template {like!r}: name one of {', '.join(templates())}, or the file of a plan "
            "(.yml)."
        )
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file. Name a new folder.")
    if folder.is_dir() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty. Name a new folder, so that nothing is replaced.")
    with step(f"write the study {folder} like {like}"):
        try:
            _copy(TEMPLATES / COMMON, folder)
            if given is None:
                _copy(TEMPLATES / like, folder)
            else:
                shutil.copyfile(given, folder / "analysis" / "plan.yml")
                readme = folder / "README.md"
                text = readme.read_text(encoding="utf-8")
                write_text(readme, text.replace(OF_TEMPLATE, OF_GIVEN))
                write_text(folder / "analysis" / "dsmb.yml", NO_MEETING)
                _copy_of_study(given.resolve(), folder)
            plan = folder / "analysis" / "plan.yml"
            write_text(plan.with_name("plan.schema.json"), schema_text())
            with study_of_plan(plan):
                for name, text in contracts_of(read_plan(plan).plan).items():
                    write_text(folder / "data-contracts" / name, text)
                verified(plan)
        except OSError as error:
            raise UsageError(f"{folder} cannot be written: {error.strerror}.") from None
        except PlanError:
            for path in folder.iterdir():  # it was empty
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            raise
    return plan


def contracts_again(plan: Path, *, write: bool) -> list[tuple[str, str]]:
    """Each file of the contracts of a study with its state against those that its plan gives.

    1. `same`: what YAML reads of both is equal.
    2. `differs`; with `write` it is `replaced`.
    3. `new`: the study has no such file; with `write` it is `written`.
    4. `not of the plan`: the plan reads no such domain. It stays.

    Raises
    ------
    UsageError
        A file cannot be read or written.
    """
    folder = plan.resolve().parents[1] / "data-contracts"
    wanted = contracts_of(read_plan(plan).plan)
    states: list[tuple[str, str]] = []
    try:
        there = {p.name: p.read_text(encoding="utf-8") for p in folder.glob(f"*{SUFFIX}")}
        for name, text in sorted(wanted.items()):
            state = "differs" if name in there else "new"
            if name in there and yaml.safe_load(there[name]) == yaml.safe_load(text):
                state = "same"
            elif write:
                write_text(folder / name, text)
                state = "replaced" if name in there else "written"
            states.append((name, state))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = getattr(error, "strerror", None) or "it is no YAML"
        raise UsageError(f"{folder}: a contract cannot be read or written: {reason}.") from None
    return [*states, *((name, "not of the plan") for name in sorted(set(there) - set(wanted)))]


def _copy_of_study(plan: Path, folder: Path) -> None:
    """Into the folder, what the study of a plan has besides it."""
    if plan.parent.name != "analysis":
        return
    for name in OF_STUDY:
        source, target = plan.parents[1] / name, folder / name
        if source.is_dir():
            _copy(source, target)
        elif source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def _copy(source: Path, folder: Path) -> None:
    for path in sorted(source.rglob("*")):
        if path.is_dir() or "__pycache__" in path.parts:
            continue
        inside = path.relative_to(source)
        target = folder / inside.with_name(RENAMED.get(inside.name, inside.name))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
