"""The plan, entry by entry, and the changes from it."""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from sap import ard
from sap.displays import availability, formats, plan_text
from sap.displays.absence import not_there, were_not
from sap.displays.ard_lookup import Number
from sap.displays.register import in_report
from sap.displays.table import Cell, Column, Row, Table
from sap.plan.home import study_home
from sap.plan.study import bibliographies

SHORT = {"ctc": "CTC", "pk": "PK", "psa": "PSA"}  # initials in the names of the entries
ABOUT = ("section", "source", "assumption")
CITED = re.compile(r"(?<![\w.@])@([a-z][a-z0-9-]*[a-z0-9])")


def _value_with_address(value: Any, path: str) -> list[str | Number]:
    """A value of the plan with its address; a list has one address for each of its members."""
    if value is None or value == "":
        return ["none"]
    if isinstance(value, bool):
        return [Number("yes" if value else "no", f"plan|{path}")]
    if isinstance(value, int | float):
        return [Number(formats.as_collected(value), f"plan|{path}")]
    if isinstance(value, str):
        return [Number(formats.typeset(value), f"plan|{path}")]
    parts: list[str | Number] = []
    if isinstance(value, dict):
        for name, inner in value.items():
            parts += ["; " if parts else "", f"{name.replace('_', ' ')}: "]
            parts += _value_with_address(inner, f"{path}.{name}")
        return parts or ["none"]
    for place, inner in enumerate(value):
        parts += [", " if parts else "", *_value_with_address(inner, f"{path}.{place}")]
    return parts or ["none"]


def _entries() -> dict[str, dict[str, Any]]:
    """The entries that the plan has, without those that it leaves out."""
    return {name: entry for name, entry in ard.table("plan").items() if entry is not None}


def _rank(entry: dict[str, Any], name: str) -> tuple[tuple[int, ...], str]:
    numbers = str(entry["section"]).removeprefix("SAP ").split(".")
    return tuple(int(n) for n in numbers), name


def _lines(name: str, entry: dict[str, Any]) -> Iterator[Row]:
    named = " ".join(SHORT.get(word, word) for word in name.split("_"))
    words = f"{named} ({entry['section']})"
    assumed = " Assumption." if entry["assumption"] else ""
    cited = CITED.sub(lambda key: _author_and_year(key[1]), entry["source"]).rstrip(".")
    source = f"Source: {cited}.{assumed}"
    yield Row(words[0].upper() + words[1:], (source,), "total")
    for key, value in entry.items():
        if key in ABOUT:
            continue
        several = isinstance(value, list) and any(isinstance(v, dict) for v in value)
        inner = enumerate(value) if several else [(None, value)]
        for place, one in inner:
            path = f"{name}.{key}" if place is None else f"{name}.{key}.{place}"
            label = key.replace("_", " ") if not place else ""
            yield Row(label, (Cell(*_value_with_address(one, path)),), "indent1")


_BIBLIOGRAPHY = re.compile(r"^@\w+\{([^,]+),(.*?)^\}", re.MULTILINE | re.DOTALL)


@cache
def _bibliography(_study: Path) -> dict[str, str]:
    """Author and year of each key of the bibliography, as the text cites it."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in bibliographies())
    names = {}
    for key, fields in _BIBLIOGRAPHY.findall(text):
        author = re.search(r"author\s*=\s*\{+(.*?)\}+,\n", fields)
        year = re.search(r"year\s*=\s*\{(\d+)\}", fields)
        if author and year:
            first, *others = author[1].split(" and ")
            several = (
                " et al."
                if len(others) > 1
                else f" and {others[0].partition(',')[0]}"
                if others
                else ""
            )
            several = " et al." if several == " and others" else several
            names[key] = f"{first.partition(',')[0]}{several} {year[1]}"
    return names


def _author_and_year(key: str) -> str:
    return _bibliography(study_home()).get(key, key)


def plan() -> Table:
    """`tlf-plan`: every entry of the plan file, with its section, its source and what is assumed."""
    entries = _entries()
    rows = [
        row
        for name in sorted(entries, key=lambda name: _rank(entries[name], name))
        for row in _lines(name, entries[name])
    ]
    return Table("tlf-plan", "Entry", [Column("Value", numeric=False)], rows)


class Sources(NamedTuple):
    """Names of sources as the plan writes them, each with its citation."""

    names: tuple[str, ...]

    def _repr_markdown_(self) -> str:
        return f"[{'; '.join(f'@{name}' for name in self.names)}]" if self.names else ""


def sources() -> Sources:
    """Every source of an entry of the plan that this report uses, in the order of the alphabet."""
    cited = (
        CITED.findall(entry["source"])
        for entry in _entries().values()
        if in_report(entry["section"])
    )
    return Sources(tuple(sorted({name for names in cited for name in names})))


def departures() -> Table:
    """`tlf-changes`: changes from the planned analysis, and differences of the plan from the protocol."""
    dated = [
        Row(
            one["id"],
            (
                one["section"],
                f"{one['decided']}, {'before' if one['before_lock'] else 'after'} database lock",
                one["planned"],
                one["done"],
                one["reason"],
                ", ".join(one["results_affected"]),
            ),
        )
        for one in ard.table("deviations")
    ]
    differences = list(_differences())
    rows = [*([Row("Dated changes", kind="group")] if dated and differences else []), *dated]
    rows += [Row("Differences of the SAP from the protocol", kind="group")] if differences else []
    rows += differences
    headers = ["Section", "Decided", "Planned", "Done", "Reason", "Results affected"]
    if differences and not dated:  # all decided with the SAP, and no result moved
        kept = [
            i for i, header in enumerate(headers) if header not in ("Decided", "Results affected")
        ]
        headers = [headers[i] for i in kept]
        rows = [replace(r, cells=[r.cells[i] for i in kept]) if r.cells else r for r in rows]
    columns = [Column(header, numeric=False) for header in headers]
    absent = "None: the analysis was done as planned."
    return Table("tlf-changes", "Change", columns, rows, absent=absent)


def _differences() -> Iterator[Row]:
    """The endpoints that the plan defines in another way than the protocol."""
    protocol = ard.plan().protocol
    for i, one in enumerate((protocol.endpoints if protocol else None) or ()):
        if one.difference is None:
            continue
        path = f"protocol.endpoints.{i}"
        keys = ("name", "definition", "difference.analysed", "difference.reason")
        name, planned, done, reason = (
            Cell(*plan_text.phrase(f"{path}.{key}").parts) for key in keys
        )
        if one.time_frame:
            frame = plan_text.phrase(f"{path}.time_frame", capital=False).parts
            planned = Cell(*plan_text.phrase(f"{path}.definition").parts, " (", *frame, ")")
        section = plan_text.section(one.entry).plain if one.entry else ""
        yield Row(name, (section, "with the SAP", planned, done, reason, ""))


def data_gaps() -> Table:
    """Planned analyses that the data do not allow: each with its display, section of the SAP and reason."""
    rows = [
        Row(formats.typeset(one.analysis), (one.display, one.section, one.reason))
        for one in availability.missing()
    ]
    columns = [
        Column(header, numeric=False) for header in ("Display", "SAP", not_there(capital=True))
    ]
    absent = "None: the data allow every planned analysis."
    what = were_not("Planned analyses whose data")
    notes = [f"{what}; their displays are not printed."]
    return Table("tlf-data-gaps", "Planned analysis", columns, rows, absent=absent, notes=notes)
