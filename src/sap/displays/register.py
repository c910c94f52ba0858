"""The register of displays: number, title, population, source and audience of each, as data.

Numbers follow ICH E3 and are kept in `analysis/displays.yml`, so no counter decides one: the same
display has the same number in every format, engine and report.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError

from sap import ard
from sap.catalogue.reporting import analysis, applied
from sap.displays.availability import OF_THE_BOARD, PRIMARY, Gap, Need, gap, in_plan
from sap.displays.endpoint import primary_endpoint, rate_name
from sap.displays.formats import Hundred
from sap.displays.marks import Part
from sap.errors import PlanError, RenderError
from sap.plan.home import project_home, study_home
from sap.plan.reading import load_yaml
from sap.plan.study import DISPLAYS, OWN

if TYPE_CHECKING:
    from sap.plan.model import Plan

Kind = Literal["table", "figure", "listing"]
HOUSE_STYLE = "house_style"

_MARK = re.compile(r"\{|\[\[")
ASSESSOR = "{assessor}"
"""In a title or a footnote, who assessed the scans: `investigator`."""
_ID = re.compile(r"tlf-[a-z0-9]+(-[a-z0-9]+)*")


class Strict(BaseModel):
    """A word the register does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class HouseStyle(Strict):
    """What houses do differently; the rest of the rules is in `sap.displays.formats`."""

    hundred: Hundred = "100"


Where = dict[Part, Annotated[tuple[str, ...], Field(min_length=1, strict=False)]]


class Footnote(Strict):
    """A footnote of particular cells, which have its letter (`sap.displays.marks`).

    `rows`, `groups`, `columns` and `cells` name parts of the keys of their numbers, and the values of
    each that belong to the footnote.
    """

    text: str = Field(min_length=3)
    rows: Where = Field(default_factory=dict)
    groups: Where = Field(default_factory=dict)
    columns: Where = Field(default_factory=dict)
    cells: Where = Field(default_factory=dict)


Note = Annotated[
    Annotated[str, Tag("text")] | Annotated[Footnote, Tag("of cells")],
    Discriminator(lambda value: "text" if isinstance(value, str) else "of cells"),
]


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
    section_of_groups: str = Field(
        default="",
        pattern=r"^(SAP \d+(\.\d+)*)?$",
        description="in place of the section, where the plan has groups and re-screening",
    )
    source: tuple[str, ...] = Field(min_length=1, strict=False)
    analysis: tuple[str, ...] = Field(default=(), strict=False)
    footnotes: tuple[Note, ...] = Field(default=(), strict=False)
    footnotes_of_groups: tuple[Note, ...] = Field(
        default=(),
        strict=False,
        description="after the footnotes, where the plan has groups and re-screening",
    )
    needs: tuple[Need, ...] = Field(
        default=(),
        strict=False,
        description="what plan and data must have; without it the display is not printed",
    )
    of_plan: tuple[Annotated[str, Field(pattern=r"^[a-z_.]+$")], ...] = Field(
        default=(),
        strict=False,
        description="entries of the plan without which there is no such display, or `primary.` and the "
        "endpoint with which alone there is one (`primary.other`: any but psa_response)",
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


def _of_footnotes(display_id: str, entry: Entry) -> Iterator[str]:
    """A footnote of cells names them, and belongs to a table: a figure has none."""
    for note in (*entry.footnotes, *entry.footnotes_of_groups):
        if isinstance(note, str):
            continue
        if entry.kind == "figure":
            yield f"  - {display_id}.footnotes: a figure has no cells: write the footnote as a text"
        elif not (note.rows or note.groups or note.columns or note.cells):
            yield (
                f"  - {display_id}.footnotes: a footnote with `text` names its cells by rows, groups, "
                "columns or cells: add one, or write it as a text"
            )


def read(path: Path) -> Register:
    """Read a register file.

    Raises
    ------
    PlanError
        Naming the file, each key that is wrong, and what to do: an unknown or missing key, an id
        without the prefix `tlf-`, an id or a label (kind and number) that occurs twice, a footnote of
        cells that names none. A table
        and a figure may share a number: a reader cites "Table 14.2.1" and "Figure 14.2.1".
    """
    return _register(path, content_of(path))


def content_of(path: Path, own: Path | None = None) -> dict[str, Any]:
    """The content of a register file, and over it, display by display and key by key, of the study's own.

    Raises
    ------
    PlanError
        One of the files is no mapping of displays.
    """
    content, _, _ = load_yaml(path, "the register of displays")
    if not isinstance(content, dict):
        raise PlanError(f"{path}: the register is empty or no mapping. Begin with `tlf-...:`.")
    if own is None or not own.is_file():
        return content
    changes, _, _ = load_yaml(own, "the study's register of displays")
    wrong = [
        key
        for key, fields in (changes.items() if isinstance(changes, dict) else [("it", None)])
        if not isinstance(fields, dict)
    ]
    if wrong:
        raise PlanError(
            f"{own}: {wrong[0]} is no mapping. Write the id of a display, `tlf-...:`, and below it the keys "
            "that change or, for a display of the study, all of its keys."
        )
    return content | {
        display_id: {**content.get(display_id, {}), **fields}
        for display_id, fields in changes.items()
    }


def _register(path: Path, content: Mapping[str, Any]) -> Register:
    faults: list[str] = []
    entries: dict[str, Entry] = {}
    style = HouseStyle()
    seen: dict[tuple[str, bool, str], str] = {}
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
        # The board's own displays are in no study report: both may have a Table 2-1. Displays of different
        # primary endpoints are in no one report.
        endpoints = ",".join(name for name in entry.of_plan if name.startswith(PRIMARY))
        named = entry.label, str(display_id).startswith(OF_THE_BOARD), endpoints
        if named in seen:
            faults.append(
                f"  - {display_id}.number: {entry.label} is already {seen[named]}: "
                "give one of them another number"
            )
        faults += _of_footnotes(str(display_id), entry)
        seen.setdefault(named, str(display_id))
        entries[str(display_id)] = entry
    if faults:
        raise PlanError(f"{path} is not a valid register:\n" + "\n".join(faults))
    return Register(entries, style)


@lru_cache(maxsize=4)
def _read_once(path: Path, own: Path, _bytes: tuple[bytes, ...]) -> Register:
    named = own if own.is_file() else path
    return _register(named, content_of(path, own))


def _places() -> tuple[Path, Path]:
    """The register of the package's set, and where the study's would be."""
    return project_home() / DISPLAYS, study_home() / OWN / "displays.yml"


def displays_here() -> dict[str, Any]:
    """The displays of this study by id, as in the files: the package's with the study's changes."""
    return content_of(*_places())


def register() -> Register:
    """The register of this study: `analysis/displays.yml` of the package's set with the study's changes."""
    places = _places()
    read_now = tuple(path.read_bytes() if path.is_file() else b"" for path in places)
    return _read_once(*places, read_now)


def title_of(entry: Entry) -> str:
    """The title of a display in the report of a plan: with groups, where it has one for them.

    Parts in double brackets are for plans with an entry (`sap.catalogue.reporting.filled`); `{primary}` is the name of the primary endpoint, `{rate}` that of its rate, `{assessor}` who assessed the scans.
    """
    title = (
        entry.title_of_groups if entry.title_of_groups and ard.plan().study.groups else entry.title
    )
    if not _MARK.search(title):
        return title
    plan = ard.plan()
    title = applied(title, plan)
    title = title.replace("{primary}", primary_endpoint(plan)).replace("{rate}", rate_name(plan))
    return title.replace(ASSESSOR, plan.tumour.assessor)


def hidden(display_id: str) -> bool:
    """Whether the report at hand may not show this display: it is closed and the report is open."""
    closed = register()[display_id].audience == "closed"
    return closed and str(ard.run_facts().get("audience", "")) == "open"


def unavailable(display_id: str) -> Gap | None:
    """Why this run has no such display: the plan has none, or the data do not allow it."""
    entry = register()[display_id]
    if _has_plan() and not in_plan(entry.analysis, entry.of_plan, ard.plan()):
        return Gap()
    return gap(entry.needs)


def _has_plan() -> bool:
    return (ard.run_folder() / "tables" / "plan.json").is_file()


def has_analysis(name: str) -> bool:
    """Whether the plan of the run has an analysis; it has any where the run has no plan."""
    return not _has_plan() or analysis(name).is_in(ard.plan())


WITHOUT = "without-"
RULES_OF_ENDPOINTS = ("objective_response", "rate_at")
"""Entries whose paragraphs plain Quarto, which knows no plan, does not show."""


def profiles_of(plan: "Plan") -> tuple[str, ...]:
    """The profiles of a report of the plan, in the order of their names; chapters and engines read them.

    1. `without-ENTRY` for each entry that the plan leaves out, `without-groups` without group A, and
       `without-labs` where no laboratory test is graded.
    2. `without-ID` for each display that the plan does not have: its cell is not run.
    3. `with-ENTRY` for each of `RULES_OF_ENDPOINTS` that the plan has.
    4. `primary-ENDPOINT`, and `primary-other` where it is not PSA response.
    """
    entries = [name for name in type(plan).model_fields if getattr(plan, name) is None]
    entries += [] if plan.study.groups else ["groups"]
    entries += [] if plan.labs.graded else ["labs"]
    displays = [
        i for i, entry in register().items() if not in_plan(entry.analysis, entry.of_plan, plan)
    ]
    endpoint = plan.primary.endpoint
    with_rule = [name for name in RULES_OF_ENDPOINTS if getattr(plan, name) is not None]
    primary = [endpoint] if endpoint == "psa_response" else [endpoint, "other"]
    named = [f"primary-{one}" for one in primary] + [f"with-{one}" for one in with_rule]
    return tuple(sorted(named + [f"{WITHOUT}{one}" for one in (*entries, *displays)]))


def printed(display_id: str) -> bool:
    """Whether the report at hand has the display."""
    return not hidden(display_id) and unavailable(display_id) is None


def profiles(run: Path, *named: str) -> str:
    """The profiles of the reports of a run: those named, and what its plan leaves out."""
    return ",".join((*named, *profiles_of(ard.plan_of(run))))


def in_report(section: str) -> bool:
    """Whether the report has a display of a section of the SAP, or the section has none of its own."""
    of_section = [
        display_id
        for display_id, e in register().items()
        if section in (e.section, e.section_of_groups)
    ]
    return not of_section or any(unavailable(one) is None for one in of_section)


def as_rows(displays: Register) -> list[dict[str, Any]]:
    """The register as plain rows in the order of the numbers, for a run folder or a list of tables."""
    return [
        {"id": i, "label": e.label, **e.model_dump(mode="json")} for i, e in displays.by_number()
    ]
