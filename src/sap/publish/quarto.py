"""The engine `quarto`: the same sources rendered by Quarto, where its program is installed.

The package registries do not have Quarto, and its output is not compared byte by byte; it is for
authors. It reads `_quarto.yml`, the same Lua filter, the same Typst template and the same CSS.

Quarto's Python package finds the program (`quarto.path`). Its `quarto.render` gives back no exit code
and has no argument for profile, metadata file and environment, so the program is called directly.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from sap.errors import RenderError, UsageError
from sap.publish.facts import PageFacts, page_facts
from sap.publish.kernel_code import import_path
from sap.publish.report import home_of
from sap.publish.source import split_header, text_of

TARGETS = {"html": "html", "pdf": "typst", "docx": "docx"}
SECONDS = 1800


def quarto_binary() -> str:
    """The path of Quarto's program by Quarto's Python package: QUARTO_PATH, else the PATH.

    Raises
    ------
    UsageError
        There is none.
    """
    import quarto

    named = quarto.path()
    program = shutil.which(str(named)) if named else None
    if program is None:
        raise UsageError(
            "Quarto is not installed, so --engine quarto cannot be used. Install it from "
            "quarto.org, or use --engine builtin, which needs nothing more."
        )
    return program


def render_quarto(
    document: Path,
    *,
    run: Path,
    out: Path,
    formats: Sequence[str] = ("html", "pdf"),
    stem: str,
    profile: str | None,
    facts: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Render `document` with Quarto to `out/stem.*`; `facts` default to the run's own.

    Raises
    ------
    UsageError
        Quarto is not installed.
    RenderError
        Quarto failed; the message has its last line, and `out` is unchanged.
    """
    binary = quarto_binary()
    home = home_of(document)
    out.mkdir(parents=True, exist_ok=True)
    folder = out.resolve().parent / f".{out.resolve().name}.{stem}.quarto"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        facts_file = folder / "facts.yml"
        header, _ = split_header(text_of(document), document)
        page = page_facts(_facts(run) if facts is None else facts, header.get("title"))
        facts_file.write_text(yaml.safe_dump(metadata(page), allow_unicode=True), encoding="utf-8")
        made = folder / "made"
        command = [binary, "render", str(document.resolve())]
        command += ["--to", ",".join(TARGETS[name] for name in formats)]
        command += ["--output-dir", os.path.relpath(made, home)]
        command += ["--metadata-file", str(facts_file)]
        if profile:
            command += ["--profile", profile]
        _call(command, home, run)
        finished = []
        for name in formats:
            written = made / f"{document.stem}.{name}"
            if not written.is_file():
                raise RenderError(f"Quarto ended without an error but wrote no {written.name}")
            finished.append((written, out / f"{stem}.{name}"))
        for written, path in finished:
            written.replace(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return [path for _, path in finished]


def metadata(page: PageFacts) -> dict[str, Any]:
    """The facts as metadata for YAML; Quarto reads strings there as Markdown, so they are escaped."""
    from sap.publish.markup import escaped

    texts = {
        "study": page.study,
        "subject": page.subject,
        "status": page.status,
        "audience": page.audience,
        "cut-off": page.cut_off,
    }
    values: dict[str, Any] = {name: escaped(value) for name, value in texts.items() if value}
    values["facts"] = [{"name": escaped(n), "value": escaped(v)} for n, v in page.rows]
    values["synthetic"] = page.synthetic
    return {"title": escaped(page.title), "sap": values}


def _facts(run: Path) -> dict[str, Any]:
    path = run / "tables" / "run.json"
    if not path.is_file():
        return {}
    facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return facts


def _call(command: list[str], home: Path, run: Path) -> None:
    paths = [*import_path().values(), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {
        "SAP_RUN": str(run.resolve()),
        "QUARTO_PYTHON": sys.executable,
        "PYTHONHASHSEED": "0",
        **({"PYTHONPATH": os.pathsep.join(paths)} if paths else {}),
    }
    try:
        done = subprocess.run(
            command, cwd=home, env=environment, capture_output=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise RenderError(f"Quarto was still running after {SECONDS} s") from None
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        last = next((line for line in reversed(lines) if line.strip()), "no reason given")
        raise RenderError(f"Quarto failed (exit {done.returncode}): {last.strip()[:300]}")
