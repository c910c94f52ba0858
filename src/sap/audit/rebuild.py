"""Rebuild of datasets, results and reports from the frozen data, in a clean temporary folder."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from sap.audit.findings import Audit
from sap.bundle.contents import PREVIOUS
from sap.bundle.opening import Bundle
from sap.errors import RenderError, ResultError, SapError
from sap.pipeline import commands, packing, runs


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


def rebuilt(
    audit: Audit, bundle: Bundle, cut: Path, plan: Path, scratch: Path, *, reports: bool
) -> Path:
    """Run analysis and reports with the code installed here; a report that fails is a finding."""
    run = scratch / "run"
    run.mkdir()
    commands.analyse_into(run, cut, plan)
    made, _ = packing.interchange(packing.datasets_of(run), runs.run_facts(run))
    for name, content in made.items():
        (run / "adam" / name).write_bytes(content)
    for original, content in _previous(bundle).items():
        (run / "tables" / original).write_bytes(content)
    if reports:
        for kind, formats in kinds_of(bundle).items():
            try:
                commands.report(run, kind, "builtin", formats)
            except SapError as error:
                audit.add_finding("result", kind, f"could not be rendered again: {error}")
    return run


def _previous(bundle: Bundle) -> dict[str, bytes]:
    """The results and facts of the previous report, with which the DSMB report is compared."""
    named = bundle.of_role("previous")
    return {o: bundle.files[named[o]] for o in PREVIOUS if named.get(o) in bundle.files}


def rebuilt_by_its_code(
    audit: Audit, bundle: Bundle, cut: Path, plan: Path, scratch: Path, *, reports: bool
) -> Path:
    """The same with the package and chapters the bundle holds, in a process of its own.

    A virtual environment without pip is made in the scratch folder; its only path file puts the
    bundle's package before the packages installed here.
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
    run = scratch / "run"
    _call(python, ["analyse", str(cut), "--plan", str(plan), "--out", str(run)], scratch)
    _call(python, ["export", str(run), str(scratch / "adam")], scratch)
    for path in (scratch / "adam").iterdir():
        path.rename(run / "adam" / path.name)
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
    return run


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
    environment = {n: os.environ[n] for n in ("PATH", "HOME", "TMPDIR") if n in os.environ}
    command = [str(python), "-m", "sap", *arguments]
    done = subprocess.run(
        command, cwd=scratch, env=environment, capture_output=True, text=True, check=False
    )
    sys.stderr.write(done.stderr)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise RenderError(f"the bundle's own code stopped at `sap {arguments[0]}`: {last}")
