"""The facts of the protocol: title page, synopsis, and the texts and tables of sections 8 and 9.

Every word is that of the plan. An item that no source gives is printed as "not known", one that the
plan leaves out is not printed.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from sap import ard
from sap.catalogue.populations import flags
from sap.displays import days, plan_text, populations, sentences
from sap.displays.absence import not_there
from sap.displays.ard_lookup import ArdKey, Number, results
from sap.displays.escape import markdown_text
from sap.displays.formats import typeset
from sap.displays.inline import RichText
from sap.displays.marks import TiedNote
from sap.displays.table import Cell, Column, Row, Table
from sap.plan.protocol import Protocol, placeholder

NOT_KNOWN = "not known"
# What only the sponsor of a study can state; a report holds their place.
OF_THE_SPONSOR = {
    "funding",
    "responsible_officer",
    "author",
    "gcp",
    "ethics_committee",
    "batch",
    "compliance",
    "removal",
}
RANKS = ("primary", "secondary", "exploratory")


def _protocol() -> Protocol | None:
    return ard.plan().protocol


def _given(item: str) -> Any:
    protocol = _protocol()
    return None if protocol is None else getattr(protocol, item)


def is_not_known(item: str) -> bool:
    """Whether no source gives the item."""
    protocol = _protocol()
    return protocol is not None and item in protocol.not_known


def of_sponsor() -> str:
    """The words in the place of what the sponsor has to add."""
    return placeholder(ard.plan())


def by_sponsor() -> RichText:
    """The same as a text of its own."""
    return RichText(of_sponsor())


def unknown(item: str) -> str:
    """The words for an item that no source gives: the placeholder of the sponsor, or "not known"."""
    return of_sponsor() if item in OF_THE_SPONSOR else NOT_KNOWN


def text(item: str) -> RichText:
    """A text of the protocol, the words for one that no source gives, or nothing without one."""
    if is_not_known(item):
        return RichText(unknown(item))
    if _given(item) is None:
        return RichText("")
    return plan_text.phrase(f"protocol.{item}")


def sentence(item: str, otherwise: str = "", label: str = "") -> RichText:
    """A text of the protocol as a sentence; "label: not known."; `otherwise` where the plan leaves it out."""
    if is_not_known(item):
        return RichText(_full_stop(f"{_label(label)}{unknown(item)}"))
    words = text(item)
    if not words.plain:
        return RichText(otherwise)
    end = "" if words.plain.endswith(".") else "."
    return RichText(_label(label), *words.parts, end)


def _full_stop(words: str) -> str:
    return words if words.endswith((".", "]")) else f"{words}."


def study_design() -> RichText:
    """The design as the protocol has it, else by the criteria of screening and the groups."""
    if _given("design"):
        return sentence("design")
    wording, marker = ard.plan().wording, ard.plan().biomarker
    who = (
        f"progression during or after {wording.prior_treatment}"
        if wording.prior_treatment
        else wording.disease
    )
    if marker is None:
        return RichText(f"Patients with {who} were to be treated with {wording.treatment}.")
    cells: tuple[str | Number, ...] = ()
    if marker.cell_count is not None:
        cells = (
            "at least ", plan_text.number("biomarker.cell_count.minimum"),
            " circulating tumour cells per ", plan_text.number("biomarker.cell_count.volume_ml"), " mL and ",
        )  # fmt: skip
    return RichText(
        f"Patients with {who} were screened. Those with ", *cells, f"a positive {marker.name} result were to be "
        f"treated with {wording.treatment}. ", *sentences.groups().parts,
    )  # fmt: skip


FREQUENCIES = {"QD": "once daily", "BID": "twice daily", "QOD": "every other day"}
"""Frequencies of a dose in words; others are printed as the SAP has them."""


def treatment() -> RichText:
    """Dose, mode of administration and duration, else by the rules of exposure."""
    if _given("dose_and_mode"):
        name = ard.plan().wording.treatment
        return RichText(
            f"{name[:1].upper()}{name[1:]} ",
            *plan_text.phrase("protocol.dose_and_mode", capital=False).parts,
            ". ",
            *sentence("duration").parts,
        )
    rule, dose = ard.plan().exposure, plan_text.number("exposure.planned_dose")
    amount: tuple[str | Number, ...] = (dose, f" {rule.dose_unit}")
    if rule.dose_unit == "AUC":
        amount = ("AUC ", dose)
    if rule.dosing == "continuous":
        times = plan_text.number("exposure.frequency")
        if known := FREQUENCIES.get(times.text):
            return RichText("A dose of ", *amount, " was planned ", replace(times, text=known), ".")
        return RichText("A dose of ", *amount, " was planned with the frequency ", times, ".")
    return RichText(
        "Infusions of ", *amount, " were planned every ", plan_text.number("exposure.cycle_days"),
        " days for at most ", plan_text.number("exposure.max_cycles"), " cycles.",
    )  # fmt: skip


class Lines:
    """A list of texts, "not known", or nothing."""

    def __init__(self, lines: Sequence[RichText], otherwise: str = "") -> None:
        self.lines = tuple(lines)
        self.otherwise = otherwise

    def _repr_markdown_(self) -> str:
        if not self.lines:
            return markdown_text(typeset(self.otherwise))
        return "\n".join(["", *(f"- {one}" for one in self.lines), ""])


def _label(label: str) -> str:
    return f"{label}: " if label else ""


def items(item: str, otherwise: str = "", label: str = "") -> Lines:
    """The texts of a list of the protocol, each after the label where there is one."""
    if is_not_known(item):
        return Lines((), _full_stop(f"{_label(label)}{unknown(item)}"))
    listed = _given(item) or ()
    texts = [plan_text.phrase(f"protocol.{item}.{i}").parts for i in range(len(listed))]
    return Lines([RichText(_label(label), *parts) for parts in texts], otherwise)


def criteria(item: str, otherwise: str = "") -> Lines:
    """The criteria of inclusion or exclusion, each with its id."""
    if is_not_known(item):
        return Lines((), f"The criteria are {NOT_KNOWN}.")
    listed = _given(item) or ()
    return Lines(
        [
            RichText(
                Number(one.id, f"plan|protocol.{item}.{i}.id"),
                ": ",
                *plan_text.phrase(f"protocol.{item}.{i}.text").parts,
            )
            for i, one in enumerate(listed)
        ],
        otherwise,
    )


def centres() -> RichText:
    """The centres with their cities."""
    if is_not_known("centres"):
        return RichText(NOT_KNOWN)
    listed = _given("centres") or ()
    countries = list(dict.fromkeys(one.country for one in listed))
    of_each = (
        f"{'; '.join(f'{one.name}, {one.city}' for one in listed if one.country == country)} ({country})"
        for country in countries
    )
    return RichText("; ".join(of_each))


def centres_counted() -> RichText:
    """How many centres the data have, as a part of a sentence; nothing where no centre is recorded."""
    counted, place = results("centres"), ArdKey(level="total", sublevel="consented")
    if not counted.has("n_centres", **place):
        return RichText("")
    n = counted.count("n_centres", **place)
    begin = "; in the data: " if centres().plain else "In the data: "
    return RichText(begin, n, " centre" if n.text == "1" else " centres")


def still_followed(disposition: pd.DataFrame) -> bool:
    """Whether a treated or a screened patient was in the study at the data cut-off (rows of the ARD)."""
    ongoing = disposition[(disposition["paramcd"] == "STUDY") & (disposition["level"] == "ongoing")]
    return bool((ongoing.loc[ongoing["stat_name"] == "n", "stat"] > 0).any())


ONGOING = "study ongoing at data cut-off"


def centres_in_data() -> RichText:
    """That the data have another number of centres than the registry; nothing where no centre is recorded."""
    sites = [one for one in results("centres").values("level") if one not in ("", "total")]
    if not sites or is_not_known("centres") or len(sites) == len(_given("centres") or ()):
        return RichText("")
    return RichText("The number of centres in the data differs from that registered.")


OFFICERS = {
    "coordinating_investigator": "Investigator",
    "responsible_officer": "Responsible officer of the sponsor",
    "author": "Author of the report",
    "collaborator": "Collaborator",
    "funding": "Funding",
    "registered": "First registered",
}


def administration() -> Lines:
    """Sponsor, investigator, centres, officers, funding and registration, as far as they are known."""
    if _protocol() is None:
        return Lines((), of_sponsor())
    registry = (plan_text.number("study.registry"),)
    lines = [RichText("Sponsor: ", plan_text.number("study.sponsor"), ".")]
    lines += [sentence(item, label=label) for item, label in OFFICERS.items()]
    lines.append(RichText("Registry: ", *registry, "."))
    lines.append(RichText("Centres: ", *centres().parts, "."))
    counted = centres_in_data()
    lines += [counted] if counted.plain else []
    return Lines([one for one in lines if one.plain])


def dose_modifications() -> Lines:
    """The rules of dose modification."""
    if is_not_known("dose_modifications"):
        return Lines((), f"Rules of dose modification: {NOT_KNOWN}.")
    listed = _given("dose_modifications") or ()
    path = "protocol.dose_modifications"
    return Lines(
        [
            RichText(
                *plan_text.phrase(f"{path}.{i}.when").parts,
                ": ",
                *plan_text.phrase(f"{path}.{i}.action").parts,
            )
            for i in range(len(listed))
        ]
    )


def objectives(otherwise: str = "") -> Lines:
    """The objectives by rank."""
    if is_not_known("objectives"):
        return Lines((), f"Objectives: {NOT_KNOWN}.")
    listed = _given("objectives") or ()
    return Lines(
        [
            RichText(
                f"{rank.capitalize()}: ", *plan_text.phrase(f"protocol.objectives.{i}.text").parts
            )
            for rank in RANKS
            for i, one in enumerate(listed)
            if one.rank == rank
        ],
        otherwise,
    )


# The result that an endpoint has, by the entry of its rule; an endpoint without an entry has none.
_RESULTS = {"progression": ("pfs", "PFS"), "exposure": ("exposure", "CUMDOSE"), "pk": ("pk", "")}


def not_estimated(analysis: str, paramcd: str = "") -> bool:
    """Whether no statistic of an analysis has a value, the sizes of its sets apart."""
    rows = ard.read(analysis)
    rows = rows[(rows["paramcd"] == paramcd) | (paramcd == "")]
    of_result = rows["stat_name"].isin(("estimate", "median", "mean", "geometric_mean"))
    return not bool(rows.loc[of_result, "stat"].notna().any())


def analysis_sets() -> "Lines":
    """The analysis sets of the report, each with its definition."""
    sizes, of_groups = results("analysis_sets"), {"GROUPA", "RESCREENED"}
    printed = [
        name
        for name in flags()
        if sizes.has("n", population=name) and (ard.plan().study.groups or name not in of_groups)
    ]
    words = map(populations.words, printed)
    return Lines([RichText(f"{one[:1].upper()}{one[1:]}.") for one in words])


def not_analysed() -> RichText:
    """The endpoints of the protocol without a result: those without a rule, and those without data."""
    listed = _given("endpoints") or ()
    names: list[str | Number] = []
    for i, one in enumerate(listed):
        if one.entry is None or (one.entry in _RESULTS and not_estimated(*_RESULTS[one.entry])):
            names += ["; " if names else ""]
            names += plan_text.phrase(f"protocol.endpoints.{i}.name", capital=False).parts
    if not names:
        return RichText("")
    why = f"{not_there()}, or not planned"
    return RichText(f"Not analysed, {why}: ", *names, ".")


def endpoints() -> Table:
    """Table 8-1: endpoints by rank, with definition, time frame and the section of the plan that has the rule."""
    columns = [
        Column("Definition", numeric=False),
        Column("Time frame", numeric=False),
        Column("SAP section", numeric=False, id="section"),
    ]
    listed = _given("endpoints") or ()
    rows: list[Row] = []
    for rank in RANKS:
        of_rank = [(i, one) for i, one in enumerate(listed) if one.rank == rank]
        rows += [Row(rank.capitalize(), kind="group")] if of_rank else []
        for i, one in of_rank:
            path = f"protocol.endpoints.{i}"
            when: Cell | str = (
                Cell(*plan_text.phrase(f"{path}.time_frame").parts) if one.time_frame else NOT_KNOWN
            )
            rule = plan_text.section(one.entry).plain if one.entry else "not analysed"
            name = Cell(*plan_text.phrase(f"{path}.name").parts)
            definition = Cell(*plan_text.phrase(f"{path}.definition").parts)
            rows.append(Row(name, (definition, when, rule), "indent1"))
    absent = f"Endpoints: {NOT_KNOWN}." if is_not_known("endpoints") else "The SAP lists none."
    return Table("tlf-endpoints", "Endpoint", columns, rows, absent=absent)


MARK = "X"


def schedule() -> Table:
    """Table 9-1: procedures by visits."""
    given = _given("schedule")
    if given is None:
        absent = f"Schedule: {NOT_KNOWN}." if is_not_known("schedule") else "The SAP has none."
        return Table("tlf-schedule", "Procedure", [], [], absent=absent)
    columns = [Column(visit.label, numeric=False) for visit in given.visits]
    rows = []
    meanings = [f"{visit.label}: {visit.meaning}" for visit in given.visits if visit.meaning]
    notes: list[str | TiedNote] = [f"{'; '.join(meanings)}."] if meanings else []
    for procedure in given.procedures:
        marks = [MARK if visit.id in procedure.at else "" for visit in given.visits]
        rows.append(Row(procedure.name, marks, id=procedure.name))
        if procedure.note:
            note = f"{procedure.note[0].upper()}{procedure.note[1:]}."
            notes.append(TiedNote(note, rows={"id": [procedure.name]}))
    return Table("tlf-schedule", "Procedure", columns, rows, notes=notes)


# ---- dates -----------------------------------------------------------------------------------


def date(which: str) -> Number | str:
    """A date of the trial: as published, else of the data; "not known" without either."""
    published = _given("dates")
    if published is not None:
        known = getattr(published, which)
        return Number(known, f"plan|protocol.dates.{which}") if known else NOT_KNOWN
    if days.relative():
        return NOT_KNOWN
    dates = results("study_dates")
    return dates.words("date", level=which) if dates.has("date", level=which) else NOT_KNOWN
