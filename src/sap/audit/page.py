"""The result of an audit on one page: HTML, PDF and JSON."""

import json
import re
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sap.audit.findings import CHANGED, DIFFERENT, IDENTICAL, NEAR, NOT_REBUILT, Audit
from sap.publish import pandoc, pdf
from sap.publish.policy import PLACE, policy

SHOWN = 12
VERDICTS = {
    IDENTICAL: "Identical: every rebuilt file is byte-identical to the one on record.",
    NEAR: "Numerically identical: some bytes differ, no content does; the packages are not those of the lock.",
    DIFFERENT: "Different: a result on record was not reproduced.",
    CHANGED: "An input is not what was bundled.",
    NOT_REBUILT: "Not rebuilt: only what can be checked without the frozen data was checked.",
}
LIMITS = (
    "That the data are those of the trial, that times and accounts in the log are true, and that the plan was "
    "fixed before the data were seen. A signature, or the fingerprint of the list of sums kept elsewhere "
    "(`{}`), is what ties this folder to who made it; a time stamp (RFC 3161) of the fingerprint, to the day."
)
HTML = """<!DOCTYPE html>
<html lang="en-GB">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<!-- policy -->
<title>$pagetitle$</title>
<style>
:root { --ink: #1c2733; --soft: #5b6875; --rule: #c9d1d9; --good: #1d6b3a; --bad: #a3211b; --mid: #8a5a00; }
body { font: 16px/1.5 "Libertinus Serif", Georgia, serif; color: var(--ink); background: #fff;
  max-width: 50rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
h1 { font-size: 1.5rem; margin: 0 0 .2rem; } h2 { font-size: 1.1rem; margin: 1.6rem 0 .4rem; }
.verdict { border-left: .35rem solid var(--mid); padding: .5rem .9rem; margin: 1rem 0; background: #f6f7f8; font-weight: 600; }
.verdict.good { border-color: var(--good); } .verdict.bad { border-color: var(--bad); }
table { border-collapse: collapse; width: 100%; font-size: .88rem; }
th, td { text-align: left; vertical-align: top; padding: .25rem .6rem .25rem 0; border-bottom: 1px solid var(--rule); overflow-wrap: anywhere; }
thead th { border-bottom: 2px solid var(--ink); } code { overflow-wrap: anywhere; font-size: .85em; }
@media (max-width: 30rem) { body { font-size: 15px; } }
@media print { body { max-width: none; padding: 0; } thead { display: table-header-group; } tr { break-inside: avoid; } }
</style>
</head>
<body>
<main>
$body$
</main>
</body>
</html>
"""
# The page's policy forbids style attributes; a table's columns are as wide as their text asks.
STYLED = re.compile(r'<colgroup>.*?</colgroup>\s*|(?<=<t[hd]) style="[^"]*"', re.DOTALL)
TYPST = """#set document(title: "$title$", date: auto)
#set page(paper: "a4", margin: (x: 2.2cm, y: 2cm), footer: context [#set text(8pt); Audit of $bundle$ #h(1fr) Page #counter(page).display("1 of 1", both: true)])
#set text(font: "Libertinus Serif", size: 9.5pt, lang: "en", region: "GB")
#set par(leading: 0.55em)
#set table(stroke: none, inset: (x: 4pt, y: 2.5pt))
#show table: set text(8.5pt)
#show figure: set align(left)
#set table(align: left)
#show heading.where(level: 1): set text(15pt)
#show heading.where(level: 2): it => block(above: 1em, below: 0.5em, text(11pt, it.body))
#let horizontalrule = line(length: 100%)
$body$
"""


def _cell(text: object) -> str:
    plain = " ".join(str(text).split())
    for mark in "\\`*_{}[]<>#|$~^@":
        plain = plain.replace(mark, "\\" + mark)
    return plain or " "


def _table(
    header: Sequence[str],
    rows: Sequence[Sequence[object]],
    widths: Sequence[int],
    shown: int = SHOWN,
) -> str:
    """A pipe table with relative column widths; a line states how many rows are not listed."""
    lines = ["| " + " | ".join(header) + " |", "|" + "|".join("-" * w for w in widths) + "|"]
    lines += ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows[:shown]]
    more = len(rows) - shown
    rest = f"\n\nAnd {more} more; `audit.json` lists all." if more > 0 else ""
    return "\n".join(lines) + rest


def numbers_of(audit: Audit) -> list[tuple[str, str, str, str, str]]:
    """Each number that moved, is new or is gone: change, display, key, on record, rebuilt."""
    if audit.numbers is None:
        return []
    rows = audit.numbers[audit.numbers["change"].isin(("moved", "new", "gone"))]
    names = ("analysis", "population", "group", "paramcd", "level", "sublevel", "stat_name")
    return [
        (
            str(row["change"]),
            str(row["displays"]) or "in no display",
            " ".join(str(row[n]) for n in names if row[n]),
            str(row["left"]) or "-",
            str(row["right"]) or "-",
        )
        for row in rows.to_dict("records")
    ]


def markdown(audit: Audit) -> str:
    """The page as Markdown, for HTML and PDF alike."""
    facts = audit.facts
    good = audit.exit_code == 0 and audit.verdict in (IDENTICAL, NEAR)
    colour = "good" if good else "bad" if audit.exit_code else "open"
    verdict = VERDICTS[audit.verdict]
    if audit.inputs_changed and audit.verdict != CHANGED:
        verdict = f"{VERDICTS[CHANGED]} {verdict}"
    if audit.exit_code:
        verdict = f"{verdict} (exit {audit.exit_code})"
    parts = [
        f"# Audit of {_cell(audit.bundle)}",
        ("" if facts["verified"] else "As stated by the bundle, not verified: ")
        + f"{_cell(facts['study'])}, data cut-off {_cell(facts['cut_off'])} "
        f"({_cell(facts['cut_off_name'])}), frozen cut `{facts['cut_id']}`; audience "
        f"{_cell(facts['audience'])}."
        + (" The data are synthetic." if facts.get("synthetic") else ""),
        f"::: {{.verdict .{colour}}}\n**{verdict}**\n:::",
        f"{_cell(facts['signature'])} {_cell(facts['auditor'])}",
    ]
    if audit.causes:
        parts += [
            "## Probable cause",
            "\n".join(f"- **{c.what}**: {_cell(c.words)}" for c in audit.causes[:SHOWN]),
        ]
    if audit.findings:
        parts += [
            "## Findings",
            _table(
                ("Kind", "Place", "Description"),
                [(f.kind, f.place, f.words) for f in audit.findings],
                (8, 24, 60),
            ),
        ]
    numbers = numbers_of(audit)
    if numbers:
        parts += [
            f"## Numbers that were not reproduced ({len(numbers)})",
            _table(
                ("Change", "Display", "Result", "On record", "Rebuilt"),
                numbers,
                (7, 16, 40, 15, 15),
            ),
        ]
    parts += ["## Checks performed", _table(("Check", "Result"), audit.checks, (40, 40))]
    if audit.compared:
        counts: dict[str, int] = {}
        for word in audit.compared.values():
            counts[word] = counts.get(word, 0) + 1
        counted = ", ".join(f"{n} {word}" for word, n in sorted(counts.items()))
        parts += [
            "## Files rebuilt",
            f"{len(audit.compared)} files were rebuilt "
            + ("by the bundle's own code" if facts["run_code"] else "by the code installed here")
            + f" and compared: {counted}."
            + ("" if facts["reports"] else " Reports were not rebuilt."),
        ]
    if audit.qc is not None:
        parts += ["## Second computation", *_second_computation(audit.qc)]
    parts += [
        "## What this audit does not prove",
        LIMITS.format(facts["sums"]),
    ]
    return "\n\n".join(parts) + "\n"


def _second_computation(qc: Any) -> list[str]:
    """The three overall shares, and each analysis with its rows by what they were computed from."""
    shares = qc.shares()
    summary = (
        f"Computed a second time: {shares['raw']:.1f} % of {qc.total} results from raw data, "
        f"{shares['datasets']:.1f} % from the analysis datasets, {shares['none']:.1f} % not. "
        f"{qc.agreeing} agree, {qc.differing} differ."
    )
    rows = [
        (_cell(analysis), *(str(counts[name]) for name in ("raw", "datasets", "none", "differs")))
        for analysis, counts in qc.as_json()["by_analysis"].items()
    ]
    columns = ("Analysis", "From raw data", "From datasets", "Not computed", "Different")
    return [summary, _table(columns, rows, (40, 15, 15, 15, 15), len(rows))]


def as_json(audit: Audit) -> dict[str, Any]:
    """The audit as a JSON object."""
    return {
        "bundle": audit.bundle,
        "verdict": audit.verdict,
        "exit_code": audit.exit_code,
        "facts": audit.facts,
        "findings": [f._asdict() for f in audit.findings],
        "causes": [c._asdict() for c in audit.causes],
        "checks": dict(audit.checks),
        "files": audit.compared,
        "displays": audit.displays,
        "numbers": [
            dict(zip(("change", "displays", "result", "on_record", "rebuilt"), row, strict=True))
            for row in numbers_of(audit)
        ],
        "records": [] if audit.records is None else audit.records.to_dict("records"),
        "second_computation": None if audit.qc is None else audit.qc.as_json(),
    }


def write_pages(audit: Audit, folder: Path) -> None:
    """Write audit.html, audit.pdf and audit.json into an existing folder."""
    text = json.dumps(as_json(audit), indent=1, ensure_ascii=False) + "\n"
    (folder / "audit.json").write_text(text, encoding="utf-8")
    source = markdown(audit).encode()
    title = f"Audit of {audit.bundle}"
    with tempfile.TemporaryDirectory(prefix="sap-audit-") as place:
        scratch = Path(place)
        template = HTML.replace(PLACE, policy(HTML))
        (scratch / "template.html").write_text(template, encoding="utf-8")
        read = ["--from", "markdown-citations-tex_math_dollars", "--wrap=preserve"]
        page, _ = pandoc.run(
            [*read, "--to", "html5", "--metadata", f"pagetitle={title}", "--template", "template.html"],
            data=source, folder=scratch, what="audit.html",
        )  # fmt: skip
        unstyled = STYLED.sub("", page.decode("utf-8"))
        (folder / "audit.html").write_text(unstyled, encoding="utf-8")
        (scratch / "template.typ").write_text(_template(title, audit), encoding="utf-8")
        body, _ = pandoc.run(
            [*read, "--to", "typst", "--template", "template.typ"],
            data=source, folder=scratch, what="audit.pdf",
        )  # fmt: skip
        year, month = (int(part) for part in str(audit.facts["cut_off"]).split("-")[:2])
        day = datetime(year, month, 1, tzinfo=UTC)
        # pandoc centres every table; this page reads from the left.
        source_text = body.decode("utf-8").replace("align(center)", "align(left)")
        made = pdf.compile_pdf(source_text, scratch, day)
        (folder / "audit.pdf").write_bytes(made)


def _template(title: str, audit: Audit) -> str:
    def quoted(text: str) -> str:
        return "".join(c if c.isalnum() or c in " -" else " " for c in text)

    return TYPST.replace("$title$", quoted(title)).replace("$bundle$", quoted(audit.bundle))
