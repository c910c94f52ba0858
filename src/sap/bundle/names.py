"""File names that a submission gateway accepts: lower-case letters, digits, hyphens, a known suffix."""

import re

SUMS = "SHA256SUMS"
"""A name outside the pattern: tools that check sums expect it."""
SIGNATURE = f"{SUMS}.sig"
"""The other one: `ssh-keygen -Y sign` writes it next to the list of sums, which does not name it."""
OUTSIDE_SUMS = (SUMS, SIGNATURE)

WHEEL = re.compile(r"single_arm_sap-[0-9][0-9a-z.]*-py3-none-any\.whl")
"""A wheel is installed under its own name only, so that it keeps it."""

SUFFIXES = frozenset(
    [
        "bib",
        "css",
        "csv",
        "docx",
        "html",
        "json",
        "jsonl",
        "lua",
        "md",
        "parquet",
        "pdf",
        "py",
        "qmd",
        "svg",
        "txt",
        "typ",
        "xml",
        "xpt",
        "xsl",
        "yaml",
        "yml",
    ]
)
AS_TEXT = frozenset({"js", "lock", "toml"})
"""Suffixes that gateways refuse; such a file becomes `name-js.txt` with the same content."""

PART = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
LONGEST = 64


def safe_name(path: str) -> str:
    """The name of a file in the bundle, made from its path in the project.

    >>> safe_name("src/sap/publish/__init__.py"), safe_name("data-contracts/dm.odcs.yaml")
    ('src/sap/publish/init.py', 'data-contracts/dm-odcs.yaml')
    >>> safe_name("_quarto-final.yml"), safe_name("src/sap/publish/report.js"), safe_name("LICENSE")
    ('quarto-final.yml', 'src/sap/publish/report-js.txt', 'license.txt')
    """
    *folders, last = path.split("/")
    stem, dot, suffix = last.rpartition(".")
    if not dot or not stem:
        stem, suffix = last, "txt"
    suffix = suffix.lower()
    if suffix not in SUFFIXES:
        stem, suffix = f"{stem}-{suffix}", "txt"
    return "/".join([*(_part(folder) for folder in folders), f"{_part(stem)}.{suffix}"])


def _part(word: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-") or "x"


def fault_of(name: str) -> str | None:
    """Why a bundle may not hold a file of this name; None when it may.

    >>> [fault_of(n) for n in ("SHA256SUMS", "ard/ard.csv")]
    [None, None]
    >>> fault_of("../x.csv"), fault_of("/etc/x.csv"), fault_of("a/B.csv")  # doctest: +NORMALIZE_WHITESPACE
    ('leads out of the bundle', 'is an absolute path',
     'is not written in lower-case letters, digits and hyphens')
    """
    if name in OUTSIDE_SUMS:
        return None
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name):
        return "is an absolute path"
    parts = name.replace("\\", "/").split("/")
    if ".." in parts:
        return "leads out of the bundle"
    *folders, last = name.split("/")
    if folders == ["environment"] and WHEEL.fullmatch(last) and len(last) <= LONGEST:
        return None
    stem, _, suffix = last.rpartition(".")
    parts = [*folders, stem]
    if not all(PART.fullmatch(part) and len(part) <= LONGEST for part in parts):
        return "is not written in lower-case letters, digits and hyphens"
    return None if suffix in SUFFIXES else "has a suffix that no bundle holds"
