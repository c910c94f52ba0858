"""Rebuild of datasets, results and reports from the frozen data, in a clean temporary folder."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sap import runlog
from sap.audit.findings import Audit
from sap.bundle.contents import gather, software_here
from sap.bundle.opening import Bundle
from sap.bundle.rules import PREVIOUS
from sap.errors import RenderError, ResultError, SapError
from sap.pipeline import commands, packing
from sap.pipeline.folders import MARK
from sap.runlog.software import Software

NO_EXPORT = (MARK, packing.LEFT_OUT)
"""Files of an export that no bundle has."""


def kinds_of(bundle: Bundle) -> dict[str, list[str]]:
    """Which reports the bundle holds, and in which formats: csr -> html, pdf."""
    formats_by_kind: dict[str, list[str]] = {}
    for original in sorted(bundle.of_role("report")):
        folder, _, last = original.rpartition("/")
        # The volumes of a report, csr-16-2.pdf, are made with it.
        kind = "dsmb" if folder.startswith("dsmb") else last.partition(".")[0].partition("-")[0]
        suffix = last.rpartition(".")[2]
        if kind in ("csr", "dsmb") and suffix in ("html", "pdf", "docx"):
            formats = formats_by_kind.setdefault(kind, [])
            if suffix not in formats:
                formats.append(suffix)
    return formats_by_kind


class Made(NamedTuple):
    """A bundle made again: its files by name, the facts of the run, why interchange files are missing."""

    files: Mapping[str, bytes]
    facts: Mapping[str, Any]
    left_out: Mapping[str, str] | None


def made_again(
    audit: Audit, bundle: Bundle, cut: Path, plan: Path, scratch: Path, *, reports: bool
) -> Made:
    """Analysis, reports and bundle with the code installed here; a report that fails is a finding."""
    run = scratch / "run"
    run.mkdir()
    commands.analyse_into(run, cut, plan)
    for original, content in _previous(bundle).items():
        (run / "tables" / original).write_bytes(content)
    if reports:
        for kind, formats in kinds_of(bundle).items():
            try:
                commands.report(run, kind, "builtin", formats)
            except SapError as error:
                audit.add_finding("result", kind, f"could not be rendered again: {error}")
    exports, left_out = packing.exports_of(
        run, str(bundle.index["audience"]), bundle.index["environment"]
    )
    return _gathered(bundle, run, cut, exports, left_out, software_here())


def _gathered(
    bundle: Bundle,
    run: Path,
    cut: Path,
    exports: Mapping[str, bytes],
    left_out: Mapping[str, str] | None,
    software: Software,
) -> Made:
    audience = str(bundle.index["audience"])
    files = gather(run, cut, audience=audience, exports=exports, software=software).files
    return Made(files, runlog.run_facts(run), left_out)


def _previous(bundle: Bundle) -> dict[str, bytes]:
    """The results and facts of the previous report, with which the DSMB report is compared."""
    named = bundle.of_role("previous")
    return {o: bundle.files[named[o]] for o in PREVIOUS if named.get(o) in bundle.files}


def made_by_its_code(
    audit: Audit, bundle: Bundle, cut: Path, plan: Path, scratch: Path, *, reports: bool
) -> Made:
    """The same with the package and chapters the bundle holds, in a process of its own.

    A virtual environment without pip is made in the scratch folder; its only path file puts the
    bundle's package before the packages installed here. Its own source and study files are compared
    with nothing.
    """
    home = scratch / "project"
    sources = bundle.of_role("source")
    if not sources:
        raise ResultError(
            "This bundle holds no source of the package, so its code cannot be run: "
            "leave out --run-code, or ask for a bundle for the audience auditor."
        )
    for role, folder in (("source", home / "src" / "sap"), ("project", home), ("lock", home)):
        for original, name in bundle.of_role(role).items():
            path = folder / original
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bundle.files[name])
    python = _python(scratch / "venv", home / "src")
    run, exported = scratch / "run", scratch / "adam"
    _call(python, ["analyse", str(cut), "--plan", str(plan), "--out", str(run)], scratch)
    exports: dict[str, bytes] = {}
    if bundle.index["audience"] == "auditor":
        _call(python, ["export", str(run), str(exported)], scratch)
        exports = {p.name: p.read_bytes() for p in exported.iterdir() if p.name not in NO_EXPORT}
    if reports:
        before = scratch / "previous"
        for original, content in _previous(bundle).items():
            place = before / ("ard.csv" if original.endswith(".csv") else "tables/run.json")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        for kind in kinds_of(bundle):
            more = ["--previous", str(before)] if kind == "dsmb" and before.is_dir() else []
            try:
                _call(python, ["report", str(run), "--kind", kind, *more], scratch)
            except RenderError as error:
                audit.add_finding("result", kind, str(error))
    software = Software(str(bundle.index["code"].get("version")), {}, {}, {})
    return _gathered(bundle, run, cut, exports, None, software)


def _python(venv: Path, first: Path) -> Path:
    import venv as environments

    environments.create(venv, with_pip=False, symlinks=True)
    site_packages = next(venv.glob("lib/python*/site-packages"))
    # The package folders of this process, however they were configured.
    packages = [p for p in sys.path if Path(p).name in ("site-packages", "dist-packages")]
    paths = [str(first), *packages]
    (site_packages / "bundle.pth").write_text("\n".join(paths) + "\n", encoding="utf-8")
    return venv / "bin" / "python"


def _call(python: Path, arguments: Sequence[str], scratch: Path) -> None:
    # The last digits of a fit depend on the kernel that OpenBLAS chooses for the CPU.
    environment = {
        name: value
        for name, value in os.environ.items()
        if name in ("PATH", "HOME", "TMPDIR") or name.startswith("OPENBLAS_")
    }
    command = [str(python), "-m", "sap", *arguments]
    done = subprocess.run(
        command, cwd=scratch, env=environment, capture_output=True, text=True, check=False
    )
    sys.stderr.write(done.stderr)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise RenderError(f"the bundle's own code stopped at `sap {arguments[0]}`: {last}")
