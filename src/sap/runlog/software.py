"""The software of a run: the package's files, the study's files, Python and every locked package."""

import hashlib
import json
import platform
import re
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from sap.plan.home import STUDY_OF_WHEEL, project_home
from sap.plan.study import Origin, origin, package_files, study_files

CARRIED = ("_project/", f"{STUDY_OF_WHEEL}/")
LOCKED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)\s*(;[^\\\n]*)?", re.MULTILINE)


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def code_files() -> dict[str, Path]:
    """Every file of the installed package by its path in it, without the files that Python writes."""
    root = Path(__file__).parents[1]
    files = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and "__pycache__" not in name and not name.startswith(CARRIED):
            files[name] = path
    return files


def project_files() -> dict[str, Path]:
    """The files that a report is made from, by name: the package's set and those of the study."""
    return dict(sorted((package_files() | study_files()).items()))


class Origins(NamedTuple):
    """A file that a run used: its name, whose it is, the SHA-256 of its bytes."""

    file: str
    of: Origin
    sha256: str


def origins() -> list[Origins]:
    """Each file of the package's set and of the study, with whose it is and its SHA-256."""
    return [Origins(name, origin(name), one) for name, one in project_sums().items()]


def code_sums() -> dict[str, str]:
    """The SHA-256 of each file of the package."""
    return {name: _sum(path.read_bytes()) for name, path in code_files().items()}


def project_sums() -> dict[str, str]:
    """The SHA-256 of each file of the package's set and of the study."""
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


def locked_versions(text: str) -> dict[str, set[str]]:
    r"""Every version of each package in a requirements.lock, for any machine.

    >>> locked_versions("numpy==2.4 ; python_version < '3.12' \\\n\nnumpy==2.5 \\\n")["numpy"] == {"2.4", "2.5"}
    True
    """
    versions: dict[str, set[str]] = {}
    for name, version, _ in LOCKED.findall(text):
        versions.setdefault(name, set()).add(version)
    return versions


def unlocked(environment: Mapping[str, Any], lock: str) -> list[str]:
    r"""The packages of an environment whose version its lock does not have, in words.

    >>> unlocked({"packages": {"scipy": "1.1", "six": "1.0"}}, "scipy==1.0\nsix==1.0\n")
    ['scipy 1.1, locked 1.0']
    """
    packages = environment.get("packages")
    known = locked_versions(lock)
    listed = sorted(packages.items()) if isinstance(packages, dict) else []
    return [
        f"{name} {version}, locked {', '.join(sorted(known.get(name, {'absent'})))}"
        for name, version in listed
        if version not in known.get(name, ())
    ]


class Software(NamedTuple):
    """What makes a run: version, files of the package and of the study by name, environment."""

    version: str
    source: Mapping[str, Path]
    project: Mapping[str, Path]
    environment: Mapping[str, Any]


def software_record(software: Software) -> dict[str, Any]:
    """Software as a record of the run log has it."""
    sums = (
        tree_sum({name: _sum(path.read_bytes()) for name, path in files.items()})
        for files in (software.source, software.project)
    )
    names = ("sap", "code", "project")
    return dict(zip(names, (software.version, *sums), strict=True)) | dict(software.environment)


def other_software(record: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """The parts of the software of a record of the log that are not the ones given, in words.

    >>> other_software({"software": {"sap": "1", "code": "aa"}}, {"sap": "1", "code": "bb"})
    ['code of the package']
    """
    software = record.get("software")
    then = software if isinstance(software, dict) else {}
    named = {
        "sap": "version of sap",
        "code": "code of the package",
        "project": "files of the study",
    }
    parts = [words for part, words in named.items() if then.get(part) != here.get(part)]
    return parts + differing(then, here)


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
