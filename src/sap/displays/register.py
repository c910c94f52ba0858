"""The register of displays: number, title, population, source and audience of each, as data.

Numbers follow ICH E3 and are kept in `analysis/displays.yml`, so no counter decides one: the same
display has the same number in every format, engine and report.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sap import ard
from sap.displays.availability import Gap, Need, gap
from sap.displays.formats import Hundred
from sap.errors import PlanError, RenderError
from sap.plan.home import project_home
from sap.plan.reading import load_yaml

Kind = Literal["table", "figure", "listing"]
HOUSE_STYLE = "house_style"

_ID = re.compile(r"tlf-[a-z0-9]+(-[a-z0-9]+)*")


class Strict(BaseModel):
    """A word the register does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class HouseStyle(Strict):
    """What houses do differently; the rest of the rules is in `sap.displays.formats`."""

    hundred: Hundred = "100"


class Entry(Strict):
    """One display."""

    number: str = Field(pattern=r"^\d+(\.\d+)*(-\d+)?[a-z]?$")
    kind: Kind
    title: str = Field(min_length=3)
    title_of_groups: str = Field(
        default="", description="in place of the title, where the plan has groups and re-screening"
    )
    population: str = Field(pattern=r"^[A-Z]+$")
    also: str = Field(
        default="",
        pattern=r"^[A-Z]*$",
        description="another population shown apart, where the plan has groups and re-screening",
    )
    section: str = Field(pattern=r"^(SAP|ICH) \d+(\.\d+)*$")
    source: tuple[str, ...] = Field(min_length=1, strict=False)
    analysis: tuple[str, ...] = Field(default=(), strict=False)
    footnotes: tuple[str, ...] = Field(default=(), strict=False)
    footnotes_of_groups: tuple[str, ...] = Field(
        default=(),
        strict=False,
        description="after the footnotes, where the plan has groups and re-screening",
    )
    needs: tuple[Need, ...] = Field(
        default=(),
        strict=False,
        description="what plan and data must have; without it the display is not printed",
    )
    audience: Literal["open", "closed"]
    orientation: Literal["portrait", "landscape"] = "portrait"

    @property
    def label(self) -> str:
        """Kind and number as a reader cites them: `Table 14.2.1.1`."""
        return f"{self.kind.capitalize()} {self.number}"

    @property
    def rank(self) -> tuple[int | str, ...]:
        """What orders displays: 14.2.10 after 14.2.9, 11-2 after 11-1, 14.2a after 14.2."""
        parts = re.findall(r"\d+|[a-z]$", self.number)
        numbers = tuple(int(p) for p in parts if p.isdigit())
        return (*numbers, parts[-1] if parts[-1].isalpha() else "")


class Named(NamedTuple):
    """An entry with its id."""

    id: str
    entry: Entry


class Register(Mapping[str, Entry]):
    """All displays by id."""

    def __init__(self, entries: Mapping[str, Entry], house_style: HouseStyle) -> None:
        self._entries = dict(entries)
        self.house_style = house_style

    def __getitem__(self, display_id: str) -> Entry:
        if display_id not in self._entries:
            raise RenderError(
                f"analysis/displays.yml has no display {display_id}.\n"
                "Add it there with its number and title, or mend the id."
            )
        return self._entries[display_id]

    def __contains__(self, display_id: object) -> bool:
        return display_id in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def by_number(self, kind: Kind | None = None) -> list[Named]:
        """The displays (of one kind) in the order of their numbers."""
        entries = [Named(i, e) for i, e in self._entries.items() if kind in (None, e.kind)]
        return sorted(entries, key=lambda named: (_sortable(named.entry.rank), named.entry.kind))


def _sortable(rank: tuple[int | str, ...]) -> tuple[tuple[int, str], ...]:
    return tuple((part, "") if isinstance(part, int) else (-1, part) for part in rank)


_FIX = {
    "extra_forbidden": "is no key of a display: remove it or correct its spelling",
    "missing": "is missing: add it",
    "string_type": "must be text: put it in quotes",
    "string_pattern_mismatch": "has not the form {pattern}: mend it",
    "literal_error": "must be one of {expected}",
}


def _faults(display_id: str, error: ValidationError) -> Iterator[str]:
    for fault in error.errors(include_url=False, include_input=False):
        where = ".".join([display_id, *map(str, fault["loc"])])
        fix = _FIX.get(fault["type"], fault["msg"]).format_map(fault.get("ctx", {}))
        yield f"  - {where}: {fix}"


def read(path: Path) -> Register:
    """Read a register file.

    Raises
    ------
    PlanError
        Naming the file, each key that is wrong, and what to do: an unknown or missing key, an id
        without the prefix `tlf-`, an id or a label (kind and number) that occurs twice. A table
        and a figure may share a number: a reader cites "Table 14.2.1" and "Figure 14.2.1".
    """
    content, _, _ = load_yaml(path, "the register of displays")
    if not isinstance(content, dict):
        raise PlanError(f"{path}: the register is empty or no mapping. Begin with `tlf-...:`.")
    faults: list[str] = []
    entries: dict[str, Entry] = {}
    style = HouseStyle()
    seen: dict[str, str] = {}
    for display_id, fields in content.items():
        try:
            if display_id == HOUSE_STYLE:
                style = HouseStyle.model_validate(fields)
                continue
            entry = Entry.model_validate(fields)
        except ValidationError as error:
            faults += _faults(str(display_id), error)
            continue
        if not _ID.fullmatch(str(display_id)):
            faults.append(f"  - {display_id}: an id is `tlf-` and lower-case words with hyphens")
        if entry.label in seen:
            faults.append(
                f"  - {display_id}.number: {entry.label} is already {seen[entry.label]}: "
                "give one of them another number"
            )
        seen.setdefault(entry.label, str(display_id))
        entries[str(display_id)] = entry
    if faults:
        raise PlanError(f"{path} is not a valid register:\n" + "\n".join(faults))
    return Register(entries, style)


@lru_cache(maxsize=4)
def _read_once(path: Path, _bytes: bytes) -> Register:
    return read(path)


def register() -> Register:
    """The register of this project: `analysis/displays.yml`."""
    path = project_home() / "analysis" / "displays.yml"
    return _read_once(path, path.read_bytes() if path.is_file() else b"")


def title_of(entry: Entry) -> str:
    """The title of a display in the report of a plan: with groups, where it has one for them."""
    return (
        entry.title_of_groups if entry.title_of_groups and ard.plan().study.groups else entry.title
    )


def hidden(display_id: str) -> bool:
    """Whether the report at hand may not show this display: it is closed and the report is open."""
    closed = register()[display_id].audience == "closed"
    return closed and str(ard.run_facts().get("audience", "")) == "open"


def unavailable(display_id: str) -> Gap | None:
    """Why this run has no such display: the plan has none, or the data do not allow it."""
    return gap(register()[display_id].needs)


def printed(display_id: str) -> bool:
    """Whether the report at hand has the display."""
    return not hidden(display_id) and unavailable(display_id) is None


def in_report(section: str) -> bool:
    """Whether the report has a display of a section of the SAP, or the section has none of its own."""
    of_section = [display_id for display_id, e in register().items() if e.section == section]
    return not of_section or any(unavailable(one) is None for one in of_section)


def as_rows(displays: Register) -> list[dict[str, Any]]:
    """The register as plain rows in the order of the numbers, for a run folder or a list of tables."""
    return [
        {"id": i, "label": e.label, **e.model_dump(mode="json")} for i, e in displays.by_number()
    ]
