"""The facts on every page of a report: study, kind, status, audience, cut-off, synthetic or not."""

import csv
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from sap.errors import RenderError, UsageError
from sap.publish import tree

KINDS = {
    "csr": "Clinical study report",
    "dsmb": "Report to the data and safety monitoring board",
}
AUDIENCES = {
    ("csr", "closed"): "Confidential",
    ("dsmb", "open"): "Open report",
    ("dsmb", "closed"): "Closed report (DSMB members only)",
}
DRAFT = "Draft"
# Reports whose first page is their first chapter; contents and lists follow it.
ANSWERS_FIRST = ("dsmb",)
# Reports whose sections follow each other without a new page, except where the text asks for one; the
# text has a place for the contents.
FLOWING = ("csr",)
# The statistic of a 0 that has no row (as `sap.displays.ard_lookup` writes it): its address is the category without a patient.
NO_ROW = "no row"
KEY_COLUMNS = ("analysis", "population", "group", "paramcd", "level", "sublevel", "stat_name")


@dataclass(frozen=True)
class PageFacts:
    """The texts of title page, header and footer; empty ones are left out."""

    title: str
    study: str
    subject: str
    status: str
    audience: str
    cut_off: str
    rows: tuple[tuple[str, str], ...]
    synthetic: bool
    moment: datetime
    answers_first: bool = False
    flowing: bool = False
    volume: bool = False
    landscape: bool = False

    def metadata(self, *, contents_placed: bool = False) -> dict[str, tree.Json]:
        """As pandoc metadata: the document's `title`, and the rest under the key `sap`.

        `contents_placed` when the text has a place of its own for contents and lists.
        """
        words = {
            "study": self.study,
            "subject": self.subject,
            "status": self.status,
            "audience": self.audience,
            "cut-off": self.cut_off,
        }
        values = {name: tree.text(value) for name, value in words.items() if value}
        values["facts"] = tree.sequence(
            [
                tree.mapping({"name": tree.text(name), "value": tree.text(value)})
                for name, value in self.rows
            ]
        )
        if self.answers_first or contents_placed:
            values["contents-placed"] = {"t": "MetaBool", "c": True}
        if self.answers_first:
            values["cover"] = {"t": "MetaBool", "c": True}
        for name in ("flowing", "volume", "landscape", "synthetic"):
            if getattr(self, name):
                values[name] = {"t": "MetaBool", "c": True}
        return {"title": tree.text(self.title), "sap": tree.mapping(values)}


def page_facts(facts: Mapping[str, Any], title: str | None) -> PageFacts:
    """Read the run's facts (`tables/run.json`); `title` is the document's own, when it has one."""
    from sap.ard import visible  # pandas comes later, for the addresses

    def word(name: str) -> str:
        return visible(str(facts.get(name) or ""))

    kind = word("kind")
    audience = AUDIENCES.get((kind, word("audience")), word("audience"))
    subject = KINDS.get(kind, kind)
    cut_off, cut_off_name = word("cut_off"), word("cut_off_name")
    dated = word("dates") in ("", "calendar")
    # An unplanned cut-off is named by its date: "2017-10-31 (unplanned)".
    cut_off_name = cut_off_name.replace(f" {cut_off}", "")
    cut_off_words = f"{cut_off} ({cut_off_name})" if cut_off and cut_off_name else cut_off
    if not dated:
        of_publication = " (data of the publication)" if word("report_status") else ""
        cut_off_words = f"{cut_off_name}{of_publication}"
    status = word("report_status")
    audience = "" if status and kind == "csr" else audience
    status = status or word("status")
    # The board's reports have no title page by ICH E3.
    of_e3 = facts.get("title_page") or () if kind == "csr" else ()
    # A report in which the sponsor has something to complete is a draft, whatever its data are.
    if any(one["value"].startswith("[") for one in of_e3) and not word("report_status"):
        status = DRAFT
    rows = (
        ("Study", word("study")),
        ("Registry", word("registry")),
        *((one["name"], visible(one["value"])) for one in of_e3),
        ("Document", subject),
        ("Audience", audience),
        ("Status", status[:1].upper() + status[1:]),
        ("Data cut-off", cut_off_words),
        ("Data snapshot", word("cut_id")),
        ("Study and data", word("about")[:1].upper() + word("about")[1:]),
        ("Software", word("software")),
        *((str(name), visible(str(value))) for name, value in facts.get("cover") or ()),
    )
    return PageFacts(
        title=word("title") or title or subject or "Report",
        study=word("study"),
        subject=subject,
        status=status,
        audience=audience,
        cut_off=cut_off_words,
        rows=tuple((name, value) for name, value in rows if value),
        synthetic=bool(facts.get("synthetic")),
        moment=_moment(cut_off),
        answers_first=kind in ANSWERS_FIRST,
        flowing=kind in FLOWING,
    )


def addresses_of(
    facts: Mapping[str, Any], run: Path, used: Collection[str]
) -> dict[str, dict[str, Any]]:
    """The address of each number that the report shows, and of no other.

    1. `facts["addresses"]`, when it is given.
    2. Else the rows of `ard.csv` in the run folder.

    A 0 without a row gets the key of the count that the ARD does not have.

    Raises
    ------
    RenderError
        A number has no row, or a 0 has one.
    """
    known = facts.get("addresses")
    if known is None:
        known = _rows_by_key(run / "ard.csv", used)
    known = dict(known) | {
        key: _no_patient(key, known) for key in used if key.endswith(f"|{NO_ROW}")
    }
    lost = sorted(key for key in used if key not in known)
    if lost:
        raise RenderError(
            f"{len(lost)} numbers of the report lead to no result, the first one to {lost[0]!r}"
        )
    return {key: dict(known[key]) for key in sorted(used)}


def script_json(value: Any) -> str:
    """JSON for a script element: no character of it ends the element."""
    packed = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=False)
    for character in "<>&\u2028\u2029":
        packed = packed.replace(character, f"\\u{ord(character):04x}")
    return packed


def _rows_by_key(path: Path, used: Collection[str]) -> dict[str, dict[str, str]]:
    if not used or not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        keyed = ((_key(row), row) for row in rows)
        return {key: {k: v for k, v in row.items() if v} for key, row in keyed if key in used}


def _no_patient(key: str, known: Mapping[str, Any]) -> dict[str, Any]:
    place = key.removesuffix(NO_ROW)
    if f"{place}n" in known:
        raise RenderError(f"The report prints 0 for {place}n, which the ARD has.")
    words = (part.replace("%7C", "|").replace("%25", "%") for part in key.split("|"))
    shown = {name: word for name, word in zip(KEY_COLUMNS, words, strict=True) if word}
    return shown | {"stat_name": "n", "stat": 0, "stat_text": "no patient: the ARD has no row"}


def _key(row: Mapping[str, str]) -> str:
    from sap.ard import restored, visible

    words = (visible(restored(row.get(column) or "")) for column in KEY_COLUMNS)
    return "|".join(word.replace("%", "%25").replace("|", "%7C") for word in words)


def _moment(cut_off: str) -> datetime:
    """The date of PDF and DOCX: the data cut-off, never today."""
    if not cut_off:
        return datetime(2000, 1, 1, tzinfo=UTC)
    try:
        day = date.fromisoformat(cut_off)
    except ValueError:
        raise UsageError(f"the cut-off {cut_off!r} is not a date like 2018-06-30") from None
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
