"""What a run cannot show: displays that the plan does not have, and analyses that the data do not allow.

A display names in `analysis/displays.yml` what it needs. Where the plan lacks it (no groups, one stage)
the display is no part of the report. Where the data lack it the display is not printed either, and the
table "Planned analyses that the data do not allow" has it with the reason; no text refers to it then.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import pandas as pd

from sap import ard
from sap.catalogue.populations import populations
from sap.catalogue.reasons import NOT_COLLECTED, UNKNOWN_LEVELS, reason_of
from sap.catalogue.reporting import AXES, all_in_plan, analysis, filled
from sap.displays.reason_words import note_of

if TYPE_CHECKING:
    from sap.plan.model import Plan

Need = Literal[
    "groups", "stages", "map", "gaps", "deviations", "samples", "concentrations", "scans",
    "tumour response", "supportive care", "centres", "criteria", "history", "prior therapy",
    "medication", "laboratory", "vital signs", "changes", "significant events",
]  # fmt: skip
OF_THE_BOARD = "tlf-dsmb-"
_SIZES = {"N", "n_missing", "conf_level", "at_risk"}


class Gap(NamedTuple):
    """Why something is not shown; without a reason the plan does not ask for it."""

    reason: str = ""

    @property
    def planned(self) -> bool:
        return bool(self.reason)


class Missing(NamedTuple):
    """A planned analysis that the data do not allow: its name, the display, the section, the reason."""

    analysis: str
    display: str
    section: str
    reason: str


def _present(*tables: str) -> bool:
    """Whether the run folder has tables; a run of another kind lacks some, and then nothing is missing."""
    return all((ard.run_folder() / "tables" / f"{name}.json").is_file() for name in tables)


def _groups() -> Gap | None:
    return None if not _present("plan") or ard.plan().study.groups else Gap()


def _stages() -> Gap | None:
    single = _present("plan") and ard.plan().design.kind == "single-stage"
    return Gap() if single else None


def _map() -> Gap | None:
    return Gap() if _present("mapped") and not ard.table("mapped") else None


def _domain(name: str, what: str) -> Callable[[], Gap | None]:
    def gap() -> Gap | None:
        if not _present("manifest"):
            return None
        files = {file["name"].partition(".")[0] for file in ard.table("manifest")["files"]}
        return None if name in files else Gap(what)

    return gap


def _statistic(analysis: str, paramcd: str) -> Callable[[], Gap | None]:
    """A gap where the ARD says of a count that what it needs was never collected."""

    def gap() -> Gap | None:
        rows = _rows()
        of = [r for r in rows if r["analysis"] == analysis and r["paramcd"] == paramcd]
        texts = [reason_of(r["stat_text"]) for r in of if r["stat_name"] == "n" and r["stat_text"]]
        never = [reason.note for reason in texts if reason.mark == NOT_COLLECTED]
        return Gap(never[0]) if never else None

    return gap


def _any_row(analysis: str, what: str) -> Callable[[], Gap | None]:
    """A gap where the ARD has no row of an analysis: nothing of its kind was recorded of any patient.

    An ARD without the flow of patients is not that of a report; then nothing is missing.
    """

    def gap() -> Gap | None:
        if not (ard.run_folder() / "ard.csv").is_file():
            return None
        made = set(ard.all_rows()["analysis"])
        return Gap(what) if "flow" in made and analysis not in made else None

    return gap


def _visits(analysis: str, what: str) -> Callable[[], Gap | None]:
    """A gap where nothing was recorded, or where no value on treatment has a visit: over time there is nothing."""
    never = _any_row(analysis, what)

    def gap() -> Gap | None:
        if absent := never():
            return absent
        if not (ard.run_folder() / "ard.csv").is_file():
            return None
        levels = set(ard.read(analysis)["level"])
        return Gap(f"visits of {what} (on treatment)") if levels == {BASELINE} else None

    return gap


BASELINE = "BASELINE"


def _rows() -> list[dict[str, str]]:
    if not (ard.run_folder() / "ard.csv").is_file():
        return []
    rows = ard.all_rows()
    never = rows[rows["stat_text"] != ""]
    return [{str(k): str(v) for k, v in row.items()} for row in never.to_dict("records")]


def _changes() -> Gap | None:
    """Dated changes from the SAP, and differences of the SAP from the protocol."""
    if not _present("deviations", "plan"):
        return None
    protocol = ard.plan().protocol
    differences = any(one.difference for one in (protocol.endpoints if protocol else None) or ())
    return None if ard.table("deviations") or differences else Gap()


def _significant_events() -> Gap | None:
    """Events that changed the treatment and were neither serious nor fatal."""
    if not (ard.run_folder() / "adam" / "adae.parquet").is_file():
        return None
    return None if significant(ard.dataset("adae")).any() else Gap()


def significant(adae: pd.DataFrame) -> pd.Series:
    """Of each event, whether it changed the treatment and was neither serious nor fatal."""
    changed = adae["AEACN"].isin(CHANGED)
    return changed & (adae["AESER"] != "Y") & (adae["FATALFL"] != "Y")


def _supportive() -> Gap | None:
    """A gap where none was collected; under continuous dosing, whose plan has no G-CSF, no display without a record."""
    if not _present("plan") or not ard.plan().exposure.continuous:
        return _statistic("exposure", "GCSFANY")()
    if not (ard.run_folder() / "adam" / "adcm.parquet").is_file():
        return Gap()
    return None if (ard.dataset("adcm")["CMCAT"] == "SUPPORTIVE CARE").any() else Gap()


CHANGED = ("DRUG WITHDRAWN", "DOSE REDUCED", "DRUG INTERRUPTED")
_scans = _statistic("objective_response", "BORC")
_investigator = _statistic("tumour_response", "BORINV")

_GAPS: dict[str, Callable[[], Gap | None]] = {
    "groups": _groups,
    "stages": _stages,
    "map": _map,
    "deviations": _domain("dv", "protocol deviations"),
    "samples": _domain("be", "records of samples drawn"),
    "concentrations": _domain("pc", "plasma concentrations"),
    "scans": _scans,
    "tumour response": lambda: _investigator() and _scans(),
    "supportive care": _supportive,
    "centres": _any_row("centres", "centres"),
    "criteria": _domain("ie", "eligibility criteria not met"),
    "history": _any_row("medical_history", "conditions of the medical history"),
    "prior therapy": _any_row("prior_therapy", "prior anticancer therapy"),
    "medication": _any_row("concomitant_medication", "concomitant medication"),
    "laboratory": _visits("lab_values", "laboratory values of treated patients"),
    "changes": _changes,
    "significant events": _significant_events,
    "vital signs": _visits("vital_signs", "vital signs"),
    "gaps": lambda: None if any(missing()) else Gap(),
}


PRIMARY = "primary."
"""Before the name of an endpoint in `of_plan`: the display is of a plan with that primary endpoint."""


def in_plan(analyses: Sequence[str], of_plan: Sequence[str], plan: "Plan") -> bool:
    """Whether a plan has a display.

    1. Not, where it has none of the analyses of the display.
    2. Not, where it lacks an entry of `of_plan`, or has another primary endpoint than `primary.NAME`
       names (`primary.other`: any but PSA response).
    3. Else it has.
    """
    entries = [name for name in of_plan if not name.startswith(PRIMARY)]
    endpoints = [name.removeprefix(PRIMARY) for name in of_plan if name.startswith(PRIMARY)]
    is_psa = plan.primary.endpoint == "psa_response"
    named = plan.primary.endpoint if is_psa or "other" not in endpoints else "other"
    if endpoints and named not in endpoints:
        return False
    made = not analyses or any(analysis(name).is_in(plan) for name in analyses)
    return made and all_in_plan(entries, plan)


def gap(needs: tuple[str, ...]) -> Gap | None:
    """The first need that plan or data do not meet; one of the plan before one of the data."""
    gaps = [one for one in (_GAPS[need]() for need in needs) if one is not None]
    return min(gaps, key=lambda one: one.planned, default=None)


def missing() -> Iterator[Missing]:
    """Every planned analysis that the data do not allow, in the order of the displays.

    1. A display that is not printed because the data lack what it needs.
    2. An analysis set that cannot be defined: the ARD has no patients of it and the plan asks for it.
    3. A parameter of a display that is printed, where every statistic of it was never collected.
    """
    from sap.displays.register import register, title_of, unavailable

    unprinted: set[str] = set()
    for display_id, entry in register().by_number():
        if "gaps" in entry.needs:
            continue
        why = unavailable(display_id)
        unprinted |= {display_id} if why else set()
        if why and why.planned:
            yield Missing(title_of(entry), entry.label, entry.section, why.reason)
    yield from _undefined_sets()
    yield from _parameters(unprinted)


def _undefined_sets() -> Iterator[Missing]:
    why = _GAPS["deviations"]()
    if why is None or not _present("plan"):
        return
    rows = ard.read("analysis_sets") if (ard.run_folder() / "ard.csv").is_file() else None
    if rows is not None and "PERPROT" not in set(rows["population"]):
        section = ard.plan().analysis_sets.section
        label = populations()["PERPROT"].label
        yield Missing(f"{label} set", "", section, why.reason)


def _parameters(unprinted: set[str]) -> Iterator[Missing]:
    """One line for the displays of an analysis: the parameters that were never collected."""
    from sap.displays.register import register, title_of

    if not _present("plan") or not (ard.run_folder() / "ard.csv").is_file():
        return
    displays, plan = register(), ard.plan()
    rows = ard.all_rows()
    rows = rows[plan.study.groups | (rows["population"] != "RESCREENED")]
    of_nothing = (rows["stat_name"] == "n") & (rows["stat"] == 0)
    given = rows[~rows["stat_name"].isin(_SIZES) & ~of_nothing]
    with_value = given[
        given["stat"].notna()
        & given["stat_name"].isin(("estimate", "median"))
        & ~given["level"].isin(UNKNOWN_LEVELS)
    ]
    known = set(zip(with_value["analysis"], with_value["paramcd"], strict=True))
    never: dict[tuple[str, ...], tuple[dict[str, None], dict[str, None], str]] = {}
    for key, of in given.groupby(["analysis", "paramcd", "group", "level"], sort=False):
        name, paramcd, group, level = map(str, key)
        described = analysis(name)
        shown = [
            d
            for d in described.displays
            if d in displays and d not in unprinted and not d.startswith(OF_THE_BOARD)
        ]
        reasons = {reason_of(text) for text in set(of["stat_text"]) if text}
        collected = of["stat"].notna().any() or {r.mark for r in reasons} != {NOT_COLLECTED}
        if collected or not shown:
            continue
        words = [
            described.text(axis, value, plan)
            for axis, value in zip(AXES, (paramcd, group, level), strict=False)
            if value
        ]
        # A parameter that other rows have is named with the group or level that lacks it.
        named = words if (name, paramcd) in known else words[:1]
        label = " – ".join(named) or filled(described.label, plan)
        section = str(getattr(plan, described.plan).section)
        labels, notes, _ = never.setdefault(tuple(shown), ({}, {}, section))
        labels[label] = None
        notes |= dict.fromkeys(sorted(note_of(text) for text in set(of["stat_text"]) if text))
    for shown_in, (labels, notes, section) in never.items():
        title = title_of(displays[shown_in[0]])
        where = ", ".join(displays[display_id].label for display_id in shown_in)
        yield Missing(f"{title}: {'; '.join(labels)}", where, section, "; ".join(notes))
