"""The plan, entry by entry, and the changes from it."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from sap import ard
from sap.displays import availability, formats
from sap.displays.ard_lookup import Number
from sap.displays.table import Cell, Column, Row, Table

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
    # A cell is text, so its keys are resolved by the sentence that `sources` writes above the table.
    cited = CITED.sub(r"\1", entry["source"]).rstrip(".")
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
        return "; ".join(f"[{name}](#ref-{name}) [@{name}]" for name in self.names)


def sources() -> Sources:
    """Every source that an entry of the plan names, in the order of the alphabet."""
    cited = (CITED.findall(entry["source"]) for entry in _entries().values())
    return Sources(tuple(sorted({name for names in cited for name in names})))


def departures() -> Table:
    """`tlf-changes`: changes from the planned analysis."""
    rows = [
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
    columns = [
        Column(header, numeric=False)
        for header in ("Section", "Decided", "Planned", "Done", "Reason", "Results affected")
    ]
    absent = "None: the analysis was done as planned."
    return Table("tlf-changes", "Change", columns, rows, absent=absent)


def data_gaps() -> Table:
    """Planned analyses that the data do not allow: each with its display, section of the SAP and reason."""
    rows = [
        Row(formats.typeset(one.analysis), (one.display, one.section, one.reason))
        for one in availability.missing()
    ]
    columns = [Column(header, numeric=False) for header in ("Display", "SAP", "Not collected")]
    absent = "None: the data allow every planned analysis."
    return Table("tlf-data-gaps", "Planned analysis", columns, rows, absent=absent)
