"""The files that a bundle may hold, for whom, and the one rule by which the audit compares each.

`RULES` is the table that docs/reference/bundle.md prints. A file without a rule, with a name that is not made
from its original name, or with an audience that may not have it, is refused.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from sap.bundle.names import SUMS, WHEEL, safe_name

OPEN, CLOSED, AUDITOR = AUDIENCES = ("open", "closed", "auditor")
Method = Literal[
    "bytes",
    "chain",
    "table",
    "html",
    "pdf",
    "docx",
    "ard",
    "ars",
    "dataset",
    "xpt",
    "json",
    "xml",
    "given",
]
What = Literal[
    "signature", "data", "plan", "code", "chapters", "packages", "log", "index", "report", "result"
]

HOW: Mapping[str, str] = {
    "bytes": "every byte",
    "chain": "every seal of the chain; code, chapters and packages of each record; its sum for each file of the run",
    "table": "words; counts exactly, other numbers to 1e-9 (relative)",
    "html": "words, numbers and their addresses, links, pictures, styles, scripts and every other attribute",
    "pdf": (
        "text of each page, each page as a picture (100 dpi; at most 32 of 255 at any pixel), annotations, "
        "scripts, attachments, layers, form fields"
    ),
    "docx": "text, links and structure of each part; pictures and other parts by every byte",
    "ard": "each row by its key: counts exactly, closed forms to 1e-9, fits by iteration to 1e-6 (relative)",
    "ars": "each result as a row of the ARD; every other name and value exactly",
    "dataset": "each record by its key; numbers to 1e-9 (relative), counts exactly",
    "xpt": "names, labels, formats and each cell; numbers to 1e-9 (relative), whole numbers exactly",
    "json": "each name and value; numbers to 1e-9 (relative), whole numbers exactly",
    "xml": "each element, attribute and text (canonical XML)",
    "given": "every byte against its checksum in the log; it is read and never made again",
}
"""What is compared where the bytes differ and the packages that run are not those of the lock."""


class Rule(NamedTuple):
    """Files of one role and kind: where they are, who may have them, how they are compared."""

    role: str
    folder: str
    pattern: str
    audiences: tuple[str, ...]
    against: str
    method: Method
    cause: What

    def fits(self, role: str, original: str) -> bool:
        """Whether this is the rule of a file."""
        return role == self.role and re.fullmatch(self.pattern, original) is not None


ALL, DATA = AUDIENCES, (CLOSED, AUDITOR)
REBUILT = "rebuilt from the frozen cut"
VOLUMES = r"csr(-[a-z0-9-]+)?"
BOARD = r"dsmb-(open|closed)/report(-[a-z0-9-]+)?"
OPEN_BOARD = r"dsmb-open/report(-[a-z0-9-]+)?"
OPEN_TABLES = ("run.json", "plan.json", "manifest.json", "rules.json", "deviations.json")
PREVIOUS = ("previous.json", "previous-ard.csv")
CLOSED_PROJECT = ("analysis/dsmb.yml",)
"""What the DSMB decided in closed session; its open entries are printed in the open report."""


def _words(*names: str) -> str:
    return "|".join(map(re.escape, names))


_PROJECT = r"analysis/[a-z0-9_-]+\.yml|analysis/study/[A-Za-z0-9_-]+\.(qmd|yml|bib|py|csv)|analysis/chapters/[a-z0-9_-]+\.qmd|data-contracts/[a-z0-9._-]+\.yaml|_quarto[a-z-]*\.yml|csr\.qmd|dsmb\.qmd|references\.bib"

RULES: tuple[Rule, ...] = (
    Rule("report", "report", rf"{VOLUMES}\.html|{BOARD}\.html", DATA, REBUILT, "html", "report"),
    Rule("report", "report", rf"{VOLUMES}\.pdf|{BOARD}\.pdf", DATA, REBUILT, "pdf", "report"),
    Rule("report", "report", rf"{VOLUMES}\.docx|{BOARD}\.docx", DATA, REBUILT, "docx", "report"),
    Rule("report", "report", r"dsmb-(open|closed)/ard\.csv", DATA, REBUILT, "ard", "result"),
    Rule("report", "report", r"dsmb-(open|closed)/changes\.csv", DATA, REBUILT, "table", "result"),
    Rule(
        "report", "report", rf"{OPEN_BOARD}\.(html|pdf|docx)|dsmb-open/(ard|changes)\.csv", (OPEN,),
        "its checksum only: nothing of an open bundle is rebuilt", "given", "report",
    ),
    Rule("ard", "ard", r"ard\.(csv|parquet)", DATA, REBUILT, "ard", "result"),
    Rule(
        "ard", "ard", r"ard\.(csv|parquet)", (OPEN,),
        "each other, and the rows that the catalogue marks as open", "ard", "result",
    ),
    Rule("dataset", "adam", r"[a-z0-9_]+\.parquet", DATA, REBUILT, "dataset", "result"),
    Rule("table", "tables", r"(?!previous)[a-z_]+\.json", DATA, REBUILT, "json", "result"),
    Rule(
        "table", "tables", _words(*OPEN_TABLES), (OPEN,),
        "the plan, the contracts and the index", "json", "result",
    ),
    Rule("previous", "tables", _words(*PREVIOUS), DATA, "the run log", "given", "data"),
    Rule("export", "adam", r"[a-z0-9_]+\.xpt", (AUDITOR,), REBUILT, "xpt", "result"),
    Rule("export", "adam", r"ars\.json", (AUDITOR,), REBUILT, "ars", "result"),
    Rule("export", "adam", r"[a-z0-9_]+\.json", (AUDITOR,), REBUILT, "json", "result"),
    Rule("export", "adam", r"define\.(xml|xsl)", (AUDITOR,), REBUILT, "xml", "result"),
    Rule("export", "adam", r"define\.html", (AUDITOR,), REBUILT, "html", "result"),
    Rule("guide", "adam", r"adrg\.md", (AUDITOR,), REBUILT, "bytes", "result"),
    Rule(
        "cut", "cut", r"manifest\.json|findings\.csv|[a-z0-9_]+\.parquet|(accepted|map)\.yml", DATA,
        "its manifest, whose checksum is in the run log; the findings by the contracts, the map by its table",
        "given", "data",
    ),
    Rule(
        "plan", "plan", r"[A-Za-z0-9_.-]+\.ya?ml", ALL,
        "its checksum in index, run and run log", "given", "plan",
    ),
    Rule("project", "project", _PROJECT, ALL, "the study files installed here", "bytes", "chapters"),
    Rule("lock", "environment", r"requirements\.lock", ALL, "the lock installed here", "bytes", "packages"),
    Rule("wheel", "environment", WHEEL.pattern, DATA, "the wheel of the package installed here", "bytes", "code"),
    Rule("source", "source/sap", r".+", (AUDITOR,), "the package installed here", "bytes", "code"),
    Rule("log", "log", r"run-log\.jsonl", DATA, "itself, the index and the files of the run", "chain", "log"),
)  # fmt: skip

# The files that the index does not list, because they are made from it or about it.
OWN: Mapping[str, tuple[str, str]] = {
    "bundle.json": (
        "the index made from manifest, facts of the run, log, lock and installed code",
        "each entry",
    ),
    "readme.md": ("the text made from the index", "every byte"),
    SUMS: ("the checksums of all other files", "every byte"),
}


def rule_of(role: str, original: str, audience: str) -> Rule | None:
    """The rule of a file for an audience; None where it may not have it."""
    fitting = [r for r in RULES if r.fits(role, original) and audience in r.audiences]
    if audience == OPEN and role == "project" and original in CLOSED_PROJECT:
        return None
    return fitting[0] if fitting else None


def placed(rule: Rule, original: str) -> str:
    """The name in the bundle of a file with this rule.

    >>> placed(rule_of("table", "run.json", "open"), "run.json")
    'tables/run.json'
    """
    return f"{rule.folder}/{original if rule.role == 'wheel' else safe_name(original)}"


def without_rule(audience: str, entries: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Files that a bundle for this audience may not hold: the name of each, and why.

    1. The audience is unknown.
    2. No rule for this role, original name and audience.
    3. The name is not the one that the original name gives.
    """
    if audience not in AUDIENCES:
        return [("bundle.json", f"names an audience that is not one of {', '.join(AUDIENCES)}")]
    refused = []
    for entry in entries:
        role, original, name = (str(entry[field]) for field in ("role", "original", "name"))
        rule = rule_of(role, original, audience)
        if rule is None:
            refused.append((name, f"has no rule: a bundle for {audience} holds no such file"))
        elif placed(rule, original) != name:
            refused.append((name, f"is not the name of {original} in a bundle"))
    return refused
