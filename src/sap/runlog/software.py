"""The software of a run: the package's files, the study's files, Python and every locked package."""

import hashlib
import json
import platform
import re
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from sap.plan.home import project_home

PROJECT = ("analysis/*.yml", "analysis/chapters/*.qmd", "data-contracts/*.yaml", "_quarto*.yml")
ROOTS = ("csr.qmd", "dsmb.qmd", "references.bib", "requirements.lock")
LOCKED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)\s*(;[^\\\n]*)?", re.MULTILINE)


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def code_files() -> dict[str, Path]:
    """Every file of the installed package by its path in it, without the files that Python writes."""
    root = Path(__file__).parents[1]
    files = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and "__pycache__" not in name and not name.startswith("_project/"):
            files[name] = path
    return files


def project_files() -> dict[str, Path]:
    """The study's own files by their path: plans, chapters, catalogue, contracts, root documents."""
    home = project_home()
    paths = [path for pattern in PROJECT for path in sorted(home.glob(pattern))]
    paths += [home / name for name in ROOTS if (home / name).is_file()]
    return {path.relative_to(home).as_posix(): path for path in paths}


def code_sums() -> dict[str, str]:
    """The SHA-256 of each file of the package."""
    return {name: _sum(path.read_bytes()) for name, path in code_files().items()}


def project_sums() -> dict[str, str]:
    """The SHA-256 of each of the study's own files."""
    return {name: _sum(path.read_bytes()) for name, path in project_files().items()}


def tree_sum(sums: Mapping[str, str]) -> str:
    """One SHA-256 of many files: of the lines that `sha256sum` prints, in the order of names.

    >>> tree_sum({"b": "2" * 64, "a": "1" * 64}) == tree_sum({"a": "1" * 64, "b": "2" * 64})
    True
    """
    return _sum("".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode())


def locked(text: str) -> dict[str, str]:
    r"""Names and versions of a requirements.lock; without those whose marker excludes this machine.

    >>> locked("altair==6.3.0 \\\n    --hash=sha256:00\nappnope==1.0 ; sys_platform == 'atari'")
    {'altair': '6.3.0'}
    """
    from packaging.markers import InvalidMarker, Marker

    versions = {}
    for name, version, marker in LOCKED.findall(text):
        try:
            wanted = not marker or Marker(marker.lstrip("; ").strip()).evaluate()
        except InvalidMarker:
            wanted = True
        if wanted:
            versions[name] = version
    return versions


def installed(name: str) -> str | None:
    """The version of a package that is installed here."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


@cache
def _environment() -> str:
    lock = project_home() / "requirements.lock"
    names = locked(lock.read_text(encoding="utf-8")) if lock.is_file() else {}
    packages = {name: version for name in sorted(names) if (version := installed(name))}
    facts = {
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "packages": packages,
    }
    return json.dumps(facts)


def environment() -> dict[str, Any]:
    """Python, system, CPU family, and the version of every locked package that is installed."""
    facts: dict[str, Any] = json.loads(_environment())
    return facts


def differing(recorded: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """The differences between two environments, in words; empty where there is none.

    >>> differing({"python": "3.11.2", "packages": {"scipy": "1.0"}},
    ...           {"python": "3.11.2", "packages": {"scipy": "1.1"}})
    ['scipy 1.0 on record, 1.1 here']
    """
    differences = []
    for fact in ("python", "system", "machine"):
        old, new = recorded.get(fact), here.get(fact)
        if old != new:
            differences.append(f"{fact} {old} on record, {new} here")
    old_packages, new_packages = (
        facts["packages"] if isinstance(facts.get("packages"), dict) else {}
        for facts in (recorded, here)
    )
    for name in sorted(old_packages.keys() | new_packages.keys()):
        old, new = old_packages.get(name), new_packages.get(name)
        if old != new:
            differences.append(f"{name} {old or 'absent'} on record, {new or 'absent'} here")
    return differences
