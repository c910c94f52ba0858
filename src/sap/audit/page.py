"""The result of an audit on one page: HTML, PDF and JSON."""

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from sap.audit.findings import CHANGED, DIFFERENT, IDENTICAL, NEAR, NOT_REBUILT, Audit
from sap.publish import sheet

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


def _table(
    header: Sequence[str],
    rows: Sequence[Sequence[object]],
    widths: Sequence[int],
    shown: int = SHOWN,
) -> str:
    """A pipe table with relative column widths; a line states how many rows are not listed."""
    more = len(rows) - shown
    rest = f"\n\nAnd {more} more; `audit.json` lists all." if more > 0 else ""
    return sheet.table(header, rows[:shown], widths) + rest


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
        f"# Audit of {sheet.cell(audit.bundle)}",
        ("" if facts["verified"] else "As stated by the bundle, not verified: ")
        + f"{sheet.cell(facts['study'])}, data cut-off {sheet.cell(facts['cut_off'])} "
        f"({sheet.cell(facts['cut_off_name'])}), frozen cut `{facts['cut_id']}`; audience "
        f"{sheet.cell(facts['audience'])}."
        + (" The data are synthetic." if facts.get("synthetic") else ""),
        f"::: {{.verdict .{colour}}}\n**{verdict}**\n:::",
        f"{sheet.cell(facts['signature'])} {sheet.cell(facts['auditor'])}",
    ]
    if audit.causes:
        parts += [
            "## Probable cause",
            "\n".join(f"- **{c.what}**: {sheet.cell(c.words)}" for c in audit.causes[:SHOWN]),
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
        (
            sheet.cell(analysis),
            *(str(counts[name]) for name in ("raw", "datasets", "none", "differs")),
        )
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
    year, month = (int(part) for part in str(audit.facts["cut_off"]).split("-")[:2])
    title, day = f"Audit of {audit.bundle}", date(year, month, 1)
    sheet.written(markdown(audit), title, {}, day, folder, "audit")
