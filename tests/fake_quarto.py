"""A stand-in for the program `quarto`, which no package registry has; `render FILE --to FORMAT`.

It refuses what Quarto 1.9 refuses or gets wrong in a project (`quarto.md` of the review): a list of
formats, an inline value that is an empty text (Quarto prints the code), a file outside of the project.
It executes every cell and all inline code of the document, whatever the divs around them say, as Quarto
does, and calls pandoc with our filter, in which `quarto` is defined.
"""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from sap.publish.pandoc import binary

CODE = re.compile(r"^```\{python\}\n(.*?)^```$|`\{python\} +([^`]+?) *`", re.MULTILINE | re.DOTALL)
KINDS = {"html": "html", "typst": "pdf", "docx": "docx"}


def stop(reason: str) -> None:
    """End as Quarto does: the reason is not in the last line."""
    sys.stderr.write(f"\x1b[31m{reason}\x1b[0m\n    at async file:///quarto.ts:220:3\n")
    sys.exit(1)


def shown(value: Any) -> str | None:
    markdown = getattr(value, "_repr_markdown_", None)
    return markdown() if markdown is not None else None if value is None else str(value)


def executed(text: str) -> str:
    names: dict[str, Any] = {}

    def run(match: re.Match[str]) -> str:
        code, inline = match[1], match[2]
        if inline is not None:
            said = shown(eval(inline, names))
            if not said:
                stop(f"ERROR: the source {match[0]} would stand in the text")
            return str(said)
        tree = ast.parse(code)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "cell", "exec"), names)  # noqa: S102 - what Quarto does
        if not isinstance(last, ast.Expr) or "include: false" in code:
            return ""
        return shown(eval(compile(ast.Expression(last.value), "cell", "eval"), names)) or ""

    return CODE.sub(run, text)


def main() -> None:
    words = sys.argv[1:]
    form = words[words.index("--to") + 1]
    if form not in KINDS:
        stop(f"ERROR: Unknown format {form}")
    document = Path(words[1])
    config = yaml.safe_load(Path("_quarto.yml").read_text(encoding="utf-8"))
    text = document.read_text(encoding="utf-8")
    if "{{< include" in text:
        stop("ERROR: an include was not read")
    made = Path("made.md")
    made.write_text(executed(text), encoding="utf-8")
    for picture in re.findall(r"!\[[^]]*\]\(<?([^)>]+)>?\)", made.read_text(encoding="utf-8")):
        if not (Path.cwd() / picture).resolve().is_relative_to(Path.cwd()):
            stop(f"error: file not found (searched at {picture})")
    wrapper = Path("wrapper.lua")
    wrapper.write_text(f'quarto = {{}}\nreturn dofile("{config["filters"][0]["path"]}")\n')
    arguments = ["--from", "markdown-implicit_figures", "--to", form, "-L", wrapper.name, "-s"]
    if form == "typst":
        partials = config["format"]["typst"]["template-partials"]
        Path("whole.typ").write_text(Path(partials[1]).read_text(encoding="utf-8") + "$body$")
        arguments += ["--template", "whole.typ"]
    out = document.with_suffix(f".{KINDS[form]}")
    done = subprocess.run(
        [binary(), *arguments, "-o", "made.out", made.name], capture_output=True, check=False
    )
    if done.returncode:
        stop(f"ERROR: {done.stderr.decode()}")
    Path("made.out").rename(out)
    assert os.environ["SAP_RUN"].startswith(str(Path.cwd())), "the results are outside the project"


if __name__ == "__main__":
    main()
