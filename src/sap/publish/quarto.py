"""The engine `quarto`: the same sources rendered by Quarto, where its program is installed.

The package registries do not have Quarto, and its output is not compared byte by byte; it is for
authors. Quarto gets one document: the includes read, what belongs to another profile left out (Quarto
would execute it and hide it afterwards), the facts of the run in its header. It is in a project of
its own, `build/quarto/STEM` below the working folder, with the filter, the Typst template, the style
sheet, the references and a copy of the results, because Typst reads no file outside of the project.

Quarto's Python package finds the program (`quarto.path`). Its `quarto.render` gives back no exit code
and has no argument for the environment, so the program is called directly.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from sap.errors import RenderError, UsageError
from sap.plan.home import project_home
from sap.plan.study import bibliographies
from sap.publish import cache
from sap.publish.facts import PageFacts, page_facts
from sap.publish.kernel_code import import_path
from sap.publish.markup import escaped
from sap.publish.source import expanded
from sap.publish.volumes import HTML_ONLY, PLACE_OF_CONTENTS

TARGETS = {"html": "html", "pdf": "typst", "docx": "docx"}
"""Each format of ours with Quarto's name of it."""
SECONDS = 1800
FOLDER = Path("build") / "quarto"
RUN = "run"
CONTENTS_AFTER = 2  # level-1 headings: where the first page is the first chapter
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
# The line of stderr that says why, the most telling kind first.
_REASONS = (
    re.compile(r"^(?:[A-Za-z_]\w*\.)*(?:[A-Z]\w*(?:Error|Exception)|__SapRefused): "),
    re.compile(r"^error: "),
    re.compile(r"^ERROR: (?!Typst compilation failed|Error:? at )"),
    re.compile(r"^ERROR: "),
)


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

    One call for each format: Quarto takes the name `html,typst` in a project for one format. The
    project is removed when all formats are made, and its copy of the results in any case.

    Raises
    ------
    UsageError
        Quarto is not installed.
    RenderError
        Quarto failed; the message has its reason and names the document, and `out` is unchanged.
    """
    binary = quarto_binary()
    page_of = _facts(run) if facts is None else facts
    folder = Path.cwd() / FOLDER / stem
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        source = write_project(document, folder, profile, page_of)
        cache.stage(run, folder / RUN)
        for name in formats:
            _call([binary, "render", source.name, "--to", TARGETS[name]], folder)
            if not source.with_suffix(f".{name}").is_file():
                wanted = source.with_suffix(f".{name}").name
                raise RenderError(f"Quarto ended without an error but wrote no {wanted}")
    except RenderError as problem:
        raise RenderError(f"{problem} (document: {FOLDER / stem / document.name})") from None
    finally:
        shutil.rmtree(folder / RUN, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    finished = [(source.with_suffix(f".{name}"), out / f"{stem}.{name}") for name in formats]
    for written, path in finished:
        shutil.move(written, path)
    shutil.rmtree(folder, ignore_errors=True)
    return [path for _, path in finished]


def write_project(
    document: Path, folder: Path, profile: str | None, facts: Mapping[str, Any]
) -> Path:
    """Write the project that Quarto renders to `folder`; the path of its one document."""
    header, parts = expanded(document, profile)
    page = page_facts(facts, header.get("title"))
    html_only = set(header.get(HTML_ONLY) or ())
    body = "\n\n".join(_only_in_html(text) if name in html_only else text for name, text in parts)
    if page.answers_first:
        body = _with_contents(body)
    bibliography = (document.parent / str(header.get("bibliography") or "")).resolve()
    top = {"lang": str(header.get("lang") or "en-GB")} | metadata(page, body)
    known = bibliographies()
    several = known if known and bibliography == known[0].resolve() else [bibliography]
    named = [f"references-{n}.bib" if n else one.name for n, one in enumerate(several)]
    if bibliography.is_file():
        for one, name in zip(several, named, strict=True):
            shutil.copyfile(one, folder / name)
        top["bibliography"] = named if len(named) > 1 else named[0]
    front = yaml.safe_dump(top, allow_unicode=True, sort_keys=False)
    path = folder / document.name
    path.write_text(f"---\n{front}---\n\n{body}\n", encoding="utf-8")
    config = _config(folder, profile, path.name)
    text = yaml.safe_dump(config, allow_unicode=True, sort_keys=False)
    (folder / "_quarto.yml").write_text(text, encoding="utf-8")
    return path


def metadata(page: PageFacts, body: str = "") -> dict[str, Any]:
    """The facts as metadata for YAML; Quarto reads strings there as Markdown, so they are escaped."""
    texts = {
        "study": page.study,
        "subject": page.subject,
        "status": page.status,
        "audience": page.audience,
        "cut-off": page.cut_off,
    }
    values: dict[str, Any] = {name: escaped(value) for name, value in texts.items() if value}
    values["facts"] = [{"name": escaped(n), "value": escaped(v)} for n, v in page.rows]
    flags = {
        "contents-placed": f"#{PLACE_OF_CONTENTS}" in body,
        "cover": page.answers_first,
        "flowing": page.flowing,
        "synthetic": page.synthetic,
    }
    values |= {name: True for name, value in flags.items() if value}
    return {"title": escaped(page.title), "sap": values}


def _only_in_html(text: str) -> str:
    return f'::::::: {{.content-visible when-format="html"}}\n\n{text}\n\n:::::::'


def _with_contents(body: str) -> str:
    """The place of the contents before the third chapter of a report whose first page is a chapter."""
    heads = [match.start() for match in re.finditer(r"^# ", body, re.MULTILINE)]
    at = heads[CONTENTS_AFTER] if len(heads) > CONTENTS_AFTER else len(body)
    return f"{body[:at]}::: {{#{PLACE_OF_CONTENTS} .titled}}\n:::\n\n{body[at:]}"


def _config(folder: Path, profile: str | None, document: str) -> dict[str, Any]:
    """The configuration of the project: ours and the profile's, and copies of the files it names."""
    home = project_home()
    config: dict[str, Any] = yaml.safe_load((home / "_quarto.yml").read_text(encoding="utf-8"))
    for name in (profile or "").split(","):
        of_profile = home / f"_quarto-{name}.yml"
        if name and of_profile.is_file():
            config |= yaml.safe_load(of_profile.read_text(encoding="utf-8")) or {}
    config["project"] = {"type": "default", "execute-dir": "project", "render": [document]}
    for unused in ("profile", "bibliography", "lang"):
        config.pop(unused, None)

    def copied(name: str) -> str:
        path = home / name
        if not path.is_file():  # an installed package has its own files elsewhere
            path = Path(__file__).parent / Path(name).name
        shutil.copyfile(path, folder / path.name)
        return path.name

    config["filters"] = [step | {"path": copied(step["path"])} for step in config["filters"]]
    look = config["format"]
    look["html"]["css"] = copied(look["html"]["css"])
    look["typst"]["template-partials"] = [copied(n) for n in look["typst"]["template-partials"]]
    return config


def _facts(run: Path) -> dict[str, Any]:
    path = run / "tables" / "run.json"
    if not path.is_file():
        return {}
    facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return facts


def reason_of(stderr: str) -> str:
    r"""The line of Quarto's messages that says why it failed.

    >>> reason_of("ERROR: Unknown format html,typst\n    at async file:///quarto.ts:220:3\n")
    'ERROR: Unknown format html,typst'
    >>> reason_of("RenderError: no row\nWARN: Error encountered when rendering files\n")
    'RenderError: no row'
    """
    lines = [_ANSI.sub("", line).strip() for line in stderr.splitlines()]
    for kind in _REASONS:
        if telling := next((line for line in lines if kind.match(line)), None):
            return telling[:500]
    others = [line for line in lines if line and not line.startswith("at ")]
    return others[-1][:500] if others else "no reason given"


def _call(command: list[str], folder: Path) -> None:
    paths = [*import_path().values(), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {
        "SAP_RUN": str((folder / RUN).resolve()),
        "QUARTO_PYTHON": sys.executable,
        "PYTHONHASHSEED": "0",
        "NO_COLOR": "1",
        **({"PYTHONPATH": os.pathsep.join(paths)} if paths else {}),
    }
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise RenderError(f"Quarto was still running after {SECONDS} s") from None
    if done.returncode:
        reason = reason_of(done.stderr.decode("utf-8", "replace"))
        raise RenderError(f"Quarto failed (exit {done.returncode}): {reason}")
