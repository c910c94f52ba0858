"""The other engine: the same sources through Quarto, where its binary is installed.

Quarto cannot be had from the package registries and its output is not compared byte by byte; it
serves authors. It reads `_quarto.yml`, the same Lua filter, the same Typst look and the same CSS.
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
from sap.publish.report import home_of
from sap.publish.source import split_header, text_of

TARGETS = {"html": "html", "pdf": "typst", "docx": "docx"}
SECONDS = 1800


def quarto_binary() -> str:
    """Where Quarto is: QUARTO_PATH or the PATH, as Quarto's own Python package looks for it."""
    from quarto.quarto import find_quarto

    try:
        found: str | None = shutil.which(str(find_quarto()))
    except FileNotFoundError:
        found = None
    if found is None:
        raise UsageError(
            "Quarto is not installed, so --engine quarto cannot be used. Install it from "
            "quarto.org, or take --engine builtin, which needs nothing more."
        )
    return found


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
        Quarto is not there.
    RenderError
        Quarto stopped; its last words are in the message, and `out` is as it was.
    """
    binary = quarto_binary()
    home = home_of(document)
    out.mkdir(parents=True, exist_ok=True)
    folder = out.resolve().parent / f".{out.resolve().name}.{stem}.quarto"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        words = folder / "facts.yml"
        header, _ = split_header(text_of(document), document)
        page = page_facts(_facts(run) if facts is None else facts, header.get("title"))
        words.write_text(yaml.safe_dump(metadata(page), allow_unicode=True), encoding="utf-8")
        made = folder / "made"
        command = [binary, "render", str(document.resolve())]
        command += ["--to", ",".join(TARGETS[name] for name in formats)]
        command += ["--output-dir", os.path.relpath(made, home)]
        command += ["--metadata-file", str(words)]
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
    """The facts as YAML metadata; Quarto reads strings there as Markdown, so they are escaped."""
    from sap.publish.markup import escaped

    words = {
        "study": page.study,
        "subject": page.subject,
        "status": page.status,
        "audience": page.audience,
        "cut-off": page.cut_off,
    }
    values: dict[str, Any] = {name: escaped(value) for name, value in words.items() if value}
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
    surroundings = os.environ | {
        "SAP_RUN": str(run.resolve()),
        "QUARTO_PYTHON": sys.executable,
        "PYTHONHASHSEED": "0",
    }
    try:
        done = subprocess.run(
            command, cwd=home, env=surroundings, capture_output=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise RenderError(f"Quarto was still running after {SECONDS} s") from None
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        last = next((line for line in reversed(lines) if line.strip()), "no reason given")
        raise RenderError(f"Quarto stopped (exit {done.returncode}): {last.strip()[:300]}")
