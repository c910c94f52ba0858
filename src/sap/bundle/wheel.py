"""The wheel of the package, made from the files that are installed: same files, same bytes.

It is what an auditor without a copy of the package installs, from its file. No build tool is needed, so that
an installed wheel makes the same wheel again.
"""

import base64
import hashlib
import io
import tomllib
import zipfile
import zlib
from pathlib import Path
from typing import Any

from sap.bundle.opening import LARGEST_TOTAL
from sap.bundle.rules import What
from sap.errors import UsageError
from sap.plan.home import STUDY_OF_WHEEL, is_own_study, project_home
from sap.plan.study import origin, package_files, study_files
from sap.runlog.software import Software

DATE = (1980, 1, 1, 0, 0, 0)
# The description of the package: in a checkout, and in an installed package (whose folder of the study
# must not look like a checkout).
DESCRIPTIONS = ("pyproject.toml", "package.toml")
LICENCE = "LICENSE"
PROJECT_OF_WHEEL = "_project"


def wheel_of(software: Software) -> tuple[str, bytes]:
    """The name and the bytes of the wheel of a package with these files.

    Raises
    ------
    UsageError
        The installed package lacks its description.
    """
    home = project_home()
    about = _description(home)
    stem = f"{str(about['name']).replace('-', '_')}-{software.version}"
    info = f"{stem}.dist-info"
    files = {f"sap/{name}": path.read_bytes() for name, path in software.source.items()}
    files |= {f"sap/{name}": path.read_bytes() for name, path in _carried(software).items()}
    files[f"sap/{PROJECT_OF_WHEEL}/{DESCRIPTIONS[1]}"] = _description_file(home).read_bytes()
    files[f"sap/{PROJECT_OF_WHEEL}/{LICENCE}"] = (home / LICENCE).read_bytes()
    files[f"{info}/licenses/{LICENCE}"] = (home / LICENCE).read_bytes()
    files[f"{info}/METADATA"] = _metadata(about, software.version).encode()
    files[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: sap\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    scripts = [f"{name} = {target}\n" for name, target in sorted(about["scripts"].items())]
    files[f"{info}/entry_points.txt"] = ("[console_scripts]\n" + "".join(scripts)).encode()
    record = "".join(f"{name},{_record(files[name])}\n" for name in sorted(files))
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    return f"{stem}-py3-none-any.whl", _zipped(files)


def differing_parts(one: bytes, other: bytes) -> dict[What, list[str]]:
    """The files that differ between two wheels, by what a change of each is called as a cause.

    1. packages: the lock that the wheel carries.
    2. chapters: another file of the package's set or of the study, under its name in the bundle.
    3. code: a file of the package, its description or its licence.
    4. code: the wheel itself, where no file differs, or where one of them is no readable wheel.

    The list of the files in a wheel, RECORD, follows from the others.
    """
    try:
        left, right = _parts(one), _parts(other)
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError, NotImplementedError, zlib.error):
        return {"code": ["the wheel, which cannot be read"]}
    names = sorted(name for name in left.keys() | right.keys() if left.get(name) != right.get(name))
    differing: dict[What, list[str]] = {}
    for name in names:
        if not name.endswith(".dist-info/RECORD"):
            cause, shown = _whose(name)
            differing.setdefault(cause, []).append(shown)
    return differing or {"code": ["the wheel itself"]}


def _parts(wheel: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        entries = archive.infolist()
        if sum(entry.file_size for entry in entries) > LARGEST_TOTAL:
            raise ValueError("unpacks to too much")
        return {entry.filename: archive.read(entry) for entry in entries}


def _whose(name: str) -> tuple[What, str]:
    for folder in (f"sap/{PROJECT_OF_WHEEL}/", f"sap/{STUDY_OF_WHEEL}/"):
        carried = name.removeprefix(folder)
        if carried == "requirements.lock":
            return "packages", carried
        if carried != name and carried not in (DESCRIPTIONS[1], LICENCE):
            return "chapters", carried
    return "code", name


def _carried(software: Software) -> dict[str, Path]:
    """The package's set with the study of its home, and the study of the bundle where it is another."""
    if is_own_study():
        return {f"{PROJECT_OF_WHEEL}/{name}": path for name, path in software.project.items()}
    own = package_files() | study_files(project_home())
    ours = {n: path for n, path in software.project.items() if origin(n) == "study"}
    return {f"{PROJECT_OF_WHEEL}/{name}": path for name, path in own.items()} | {
        f"{STUDY_OF_WHEEL}/{name}": path for name, path in ours.items()
    }


def _description_file(home: Path) -> Path:
    for name in DESCRIPTIONS:
        if (home / name).is_file():
            return home / name
    raise UsageError(
        f"{home} has no {DESCRIPTIONS[0]}, so that the wheel of the package cannot be made. "
        "Install sap again."
    )


def _description(home: Path) -> dict[str, Any]:
    about: dict[str, Any] = tomllib.loads(_description_file(home).read_text(encoding="utf-8"))
    return dict(about["project"])


def _metadata(about: dict[str, Any], version: str) -> str:
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {about['name']}",
        f"Version: {version}",
        f"Summary: {about['description']}",
        f"License-Expression: {about['license']}",
        f"License-File: {LICENCE}",
        f"Requires-Python: {about['requires-python']}",
        *(f"Requires-Dist: {one}" for one in about["dependencies"]),
    ]
    return "\n".join(lines) + "\n"


def _record(content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"sha256={digest},{len(content)}"


def _zipped(files: dict[str, bytes]) -> bytes:
    """Stored, not compressed: the bytes depend on no version of a compressor."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files, key=lambda one: (".dist-info/" in one, one)):
            entry = zipfile.ZipInfo(name, date_time=DATE)
            entry.external_attr = 0o100644 << 16
            entry.create_system = 3
            archive.writestr(entry, files[name])
    return out.getvalue()
