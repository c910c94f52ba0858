"""Comparison of a bundle with the one that was made again from its inputs, file by file.

Each file has one rule (`sap.bundle.rules`). Bytes are compared first. Other bytes are a difference, unless
the packages that run here are not those of the lock: then the file is compared by what it says.
"""

import io
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from sap import ard, bundle
from sap.audit import content, pages
from sap.audit.findings import (
    MISSING,
    OTHER,
    SAME_BYTES,
    SAME_CONTENT,
    SAME_NUMBERS,
    SAME_PAGES,
    Audit,
)
from sap.audit.html_text import displays_in, words_of
from sap.audit.pairs import catalogue_here
from sap.bundle.opening import Bundle
from sap.bundle.rules import RULES, Rule, rule_of
from sap.bundle.wheel import differing_parts
from sap.errors import SapError
from sap.export.ars import read_reporting_event

SHOWN = 6
GIVEN = ("given", "chain")
"""Methods of files that are read and never made again."""

Made = Mapping[str, bytes]


def rules_of(opened: Bundle) -> dict[str, Rule]:
    """The rule of each file of the index that has one, by its name in the bundle."""
    audience = str(opened.index["audience"])
    rules = {}
    for entry in opened.index["files"]:
        rule = rule_of(str(entry["role"]), str(entry["original"]), audience)
        if rule is not None:
            rules[str(entry["name"])] = rule
    return rules


def compare_files(audit: Audit, opened: Bundle, made: Made, *, skipped: tuple[str, ...]) -> None:
    """Compare every file that was made again, by its rule; one more or one less is a difference.

    `made` are the files of the bundle made again by name; files of the roles `skipped` are left out.
    """
    rules = rules_of(opened)
    for name in sorted(rules.keys() | made.keys()):
        rule = rules.get(name) or _rule_of_made(name)
        if rule is None or rule.method in GIVEN or rule.role in skipped:
            continue
        if name not in made:
            audit.add_finding("result", name, "was not reproduced: no such file is made")
            audit.compared[name] = MISSING
            _explain(audit, rule, name, "is not a file of this bundle made again")
        elif name not in opened.files or name not in rules:
            audit.add_finding("result", name, "is new: the bundle has no such file")
            _explain(audit, rule, name, "is missing from the bundle")
        elif made[name] == opened.files[name]:
            audit.compared[name] = SAME_BYTES
        else:
            audit.compared[name] = _difference(audit, rule, name, opened.files[name], made[name])


def _rule_of_made(name: str) -> Rule | None:
    """The rule of a file that only the rebuild has, by its folder."""
    folder, _, last = name.rpartition("/")
    fitting = [rule for rule in RULES if name.startswith(f"{rule.folder}/")]
    exact = [rule for rule in fitting if rule.folder == folder and rule.fits(rule.role, last)]
    return next(iter(exact or fitting), None)


def _explain(audit: Audit, rule: Rule, name: str, words: str) -> None:
    """Files of the study and the package name their own cause; that of a result is computed."""
    if rule.cause in ("code", "chapters", "packages"):
        audit.add_cause(rule.cause, f"{name} {words}")


def _explain_wheel(audit: Audit, name: str, old: bytes, new: bytes) -> None:
    """A wheel carries the study and the lock too: each cause is that of the files in it that differ."""
    for cause, files in differing_parts(old, new).items():
        more = f" and {len(files) - SHOWN} more" if len(files) > SHOWN else ""
        listed = ", ".join(files[:SHOWN]) + more
        audit.add_cause(cause, f"{name} differs from what is installed here in {listed}")


def _difference(audit: Audit, rule: Rule, name: str, old: bytes, new: bytes) -> str:
    """Compare two files of other bytes by their rule; the word for the page."""
    if rule.method == "bytes":
        audit.add_finding("result", name, _bytes_words(rule))
        if rule.role == "wheel":
            _explain_wheel(audit, name, old, new)
        else:
            _explain(audit, rule, name, "is not the one that is installed here")
        return OTHER
    try:
        word, differences = METHODS[rule.method](audit, name, old, new)
    except SapError as error:
        word, differences = OTHER, [f"cannot be read: {error}"]
    except Exception as error:  # noqa: BLE001 - a forged file may end its reader in any way
        word, differences = OTHER, [f"cannot be read ({type(error).__name__})"]
    for words in differences:
        audit.add_finding("result", name, words)
    if differences:
        return OTHER
    if not any(cause.what == "packages" for cause in audit.causes):
        words = "other bytes, although the packages that run are those of the lock"
        audit.add_finding("result", name, f"{word}, {words}")
        return OTHER
    return word


def _bytes_words(rule: Rule) -> str:
    if rule.cause in ("code", "chapters", "packages"):
        return "is not the file that is installed here"
    return "differs from the rebuild"


def _ard(audit: Audit, name: str, old: bytes, new: bytes) -> tuple[str, list[str]]:
    read = _frame if name.endswith(".parquet") else csv_of
    return _rows(audit, name, read(old), read(new))


def _ars(audit: Audit, name: str, old: bytes, new: bytes) -> tuple[str, list[str]]:
    left, right = read_reporting_event(old), read_reporting_event(new)
    word, differences = _rows(audit, name, left, right)
    return word, differences + content.json_differences(*map(_without_numbers, (old, new)))


def _without_numbers(file: bytes) -> bytes:
    """A reporting event without the numbers of its results, which are rows of the ARD."""
    document = json.loads(file)
    for one in document["analyses"]:
        for result in one["results"]:
            result.pop("rawValue", None)
    return json.dumps(document).encode()


def _rows(
    audit: Audit, name: str, left: pd.DataFrame, right: pd.DataFrame
) -> tuple[str, list[str]]:
    if list(left.columns) != list(right.columns) or len(left) != len(right):
        audit.add_finding("result", name, "has other columns or another number of rows")
    differences = bundle.compare(left, right, catalogue_here())
    # The ARD is in two files and in the reports of the DSMB: a number is listed once.
    known = [] if audit.numbers is None else [audit.numbers]
    audit.numbers = pd.concat([*known, differences], ignore_index=True).drop_duplicates(
        ignore_index=True
    )
    counts = differences["change"].value_counts()
    words = ("moved", "new", "gone", "reworded")
    counted = {w: int(counts[w]) for w in words if w in counts}
    listed = ", ".join(f"{n} results {w}" for w, n in counted.items())
    return SAME_NUMBERS, [listed] if listed else []


def _frame(file: bytes) -> pd.DataFrame:
    frame = pd.read_parquet(io.BytesIO(file))
    return frame.fillna({c: "" for c in ard.COLUMNS if c != "stat" and c in frame})


def csv_of(file: bytes) -> pd.DataFrame:
    """The ARD of a CSV file."""
    with tempfile.TemporaryDirectory(prefix="sap-audit-") as place:
        path = Path(place) / "ard.csv"
        path.write_bytes(file)
        return ard.from_csv(path)


def _dataset(audit: Audit, name: str, old: bytes, new: bytes) -> tuple[str, list[str]]:
    stem = name.rpartition("/")[2].removesuffix(".parquet")
    left, right = (pd.read_parquet(io.BytesIO(file)) for file in (old, new))
    differences = bundle.compare_tables(left, right, stem)
    if not differences.empty:
        known = [] if audit.records is None else [audit.records]
        audit.records = pd.concat([*known, differences], ignore_index=True)
        counts = differences["change"].value_counts()
        counted = ", ".join(f"{int(n)} {w}" for w, n in counts.items())
        return OTHER, [f"records: {counted}"]
    if list(left.columns) != list(right.columns) or list(left.dtypes) != list(right.dtypes):
        return OTHER, ["its columns have another order or type"]
    return SAME_NUMBERS, []


def _html(audit: Audit, _: str, old: bytes, new: bytes) -> tuple[str, list[str]]:
    sides = [side.decode("utf-8", "replace") for side in (old, new)]
    first, second = (displays_in(page) for page in sides)
    catalogue: Mapping[str, Any] = catalogue_here()
    changed = sorted(d for d in first.keys() | second.keys() if first.get(d) != second.get(d))
    for display in changed:
        entry = catalogue.get(display)
        label = f"{entry['kind'].capitalize()} {entry['number']}" if entry else display
        if label not in audit.displays:
            audit.displays.append(label)
    if changed:
        return OTHER, [f"{len(changed)} display(s) differ: {', '.join(audit.displays[:8])}"]
    if words_of(sides[0]) != words_of(sides[1]):
        return OTHER, ["its text differs outside the displays"]
    return SAME_CONTENT, content.html_differences(old, new)


def _pdf(audit: Audit, name: str, old: bytes, new: bytes) -> tuple[str, list[str]]:
    answer = pages.pdf_differences(old, new)
    if not answer.differences:
        audit.checks.append(
            (name, f"equal in text and picture; greatest difference {answer.greatest} of 255")
        )
    return SAME_PAGES, answer.differences


def _plain(compare: Callable[[bytes, bytes], list[str]], word: str) -> Callable[..., Any]:
    def compared(_: Audit, __: str, old: bytes, new: bytes) -> tuple[str, list[str]]:
        return word, compare(old, new)

    return compared


METHODS: Mapping[str, Callable[[Audit, str, bytes, bytes], tuple[str, list[str]]]] = {
    "ard": _ard,
    "ars": _ars,
    "dataset": _dataset,
    "html": _html,
    "pdf": _pdf,
    "docx": _plain(content.docx_differences, SAME_CONTENT),
    "xml": _plain(content.xml_differences, SAME_CONTENT),
    "xpt": _plain(content.xpt_differences, SAME_NUMBERS),
    "json": _plain(content.json_differences, SAME_NUMBERS),
    "table": _plain(content.table_differences, SAME_NUMBERS),
}
