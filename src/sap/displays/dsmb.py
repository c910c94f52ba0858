"""The displays of the DSMB reports alone: this meeting, page of results, protocol, recruitment, conduct.

The same functions serve the open and the closed report: a closed display prints nothing in the open
one (`frame.block`). Counts are exact in both.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from sap import ard
from sap.catalogue import decisions
from sap.displays import (
    baseline,
    comparison,
    days,
    exposure,
    formats,
    listing,
    plan_text,
    primary,
    protocol,
    record,
    response,
)
from sap.displays.ard_lookup import ArdKey, Number, Results, results
from sap.displays.endpoint import had_it
from sap.displays.escape import coded
from sap.displays.figure import Figure
from sap.displays.frame import Note
from sap.displays.inline import NO_BREAK_SPACE, RichText
from sap.displays.marks import TiedNote
from sap.displays.protocol import Lines
from sap.displays.rates import ci_header
from sap.displays.register import printed, register
from sap.displays.table import Cell, Column, Content, Row, RowKind, Table, limits, n_pct, span
from sap.errors import UsageError
from sap.plan.model import ENTRY_OF

NO_DATES = "Not in the data: the data have days since registration instead of dates."
NO_PATIENT = "No patient of the primary set has been treated yet."


def _table(name: str, otherwise: Any) -> Any:
    """A table of the run that need not be there."""
    try:
        return ard.table(name)
    except UsageError:
        return otherwise


def is_open() -> bool:
    """Whether this is the open report."""
    return str(ard.run_facts().get("audience", "")) == "open"


def _label(display_id: str) -> str:
    """The number of a display, as `Table 14.3.1.1`."""
    return register()[display_id].label


def _small(label: str) -> str:
    """A label within a sentence."""
    return label[:1].lower() + label[1:]


def _patients(n: Number) -> str:
    return " patient" if n.text == "1" else " patients"


# ---- 1 this meeting ------------------------------------------------------------------------------


def audience() -> RichText:
    """Who may read this report, and what it does not contain."""
    if is_open():
        return RichText(
            "This is the open report, which may be given to the sponsor and the investigators. It contains "
            "pooled safety data and the conduct of the trial. Response, progression, survival and what they "
            "mean for the design are in the closed report; sections and tables have the same "
            "numbers in both, so the numbering here has gaps."
        )
    return RichText(
        "This is the closed report, for members of the DSMB only. It contains the open report and, in "
        "addition, response, survival, what they mean for the design, and data of individual patients."
    )


def _looks() -> list[tuple[str, str, bool]]:
    """The planned data cut-offs in their order: name, date, and whether it is an interim one."""
    dates, facts = ard.table("plan")["cut_offs"]["dates"], ard.run_facts()
    of_run = {facts.get("cut_off_name"): facts.get("cut_off")}  # of a cut-off by number
    known = {name: one["date"] or of_run.get(name) for name, one in dates.items()}
    named = [(n, str(known[n]), one["status"] == "INTERIM") for n, one in dates.items() if known[n]]
    return sorted(named, key=lambda one: one[1])


def look() -> RichText:
    """Which of the planned looks this report is for, its decision, the snapshot, and the next look."""
    facts, planned = ard.run_facts(), _looks()
    names = [name for name, _, _ in planned]
    cut_off = str(facts["cut_off"])
    place = f"Data cut-off {days.cut_off()}, snapshot{NO_BREAK_SPACE}{facts['cut_id']}."
    if not facts["planned"] or facts["cut_off_name"] not in names:
        which = f"This look is not one of those planned ({', '.join(names)})."
    elif len(names) == 1:
        return RichText(
            f"This is the only look of the SAP, which has one data cut-off ({names[0]}). {place}"
        )
    else:
        here = names.index(str(facts["cut_off_name"]))
        cut_off = planned[here][1]
        interim = [name for name, _, is_interim in planned if is_interim]
        which = f"This is the final analysis ({names[here]})."
        if names[here] in interim:
            number = interim.index(names[here]) + 1
            which = (
                f"This is interim look {number} of {len(interim)} ({names[here]}). The SAP attaches no "
                "decision to its data cut-off."
            )
    later = [one for one in planned if one[1] > cut_off]
    following = "The SAP has no later look."
    if later:
        date = "" if days.relative() else f", {later[0][1]}"
        following = f"Next look: {later[0][0]}{date}."
    return RichText(f"{which} {place} {following}")


def _by_when(accrual: Results, level: str) -> list[str | Number]:
    """How many patients are treated, and when the last of them was or is expected."""
    place = ArdKey(level=level)
    n, planned = accrual.count(**place), accrual.count("N", **place)
    of = "stage 1" if level == "stage_1" else "the primary set"
    if accrual.has("reached_on", **place) and days.relative():
        return ["All ", planned, f" patients of {of} are treated. "]
    if accrual.has("reached_on", **place):
        return [
            "All ", planned, f" patients of {of} are treated, the last on ",
            accrual.words("reached_on", **place), ". ",
        ]  # fmt: skip
    parts: list[str | Number] = ["Treated of the ", planned, f" patients of {of}: ", n]
    if not accrual.has("patients_per_month", **place) or days.relative():
        return [*parts, ". "]
    return [*parts, "; the last is expected on ", accrual.words("expected_on", **place), ". "]


def _when_due(accrual: Results, level: str) -> list[str | Number]:
    """When an analysis can be made of a complete stage, and whether it is due now."""
    place = ArdKey(level=level)
    of = "The analysis of futility" if level == "stage_1" else "The final analysis"
    if not accrual.has("due_on", **place) or days.relative():
        why = "the data have no dates" if days.relative() else "it cannot be projected yet"
        if accrual.has("reached_on", **place) and not days.relative():
            why = "the SAP has no time limit for a response"
        return [f"No date is given for {of[:1].lower()}{of[1:]}: {why}. "]
    parts: list[str | Number] = [
        f"{of} is due ", accrual.count("days_to_evaluation", **place),
        " days after the first dose of patient ", accrual.count("N", **place), ": ",
    ]  # fmt: skip
    day = accrual.words("due_on", **place)
    if accrual.find("status", **place).words == "due":
        return [*parts, "due since ", day, ". "]
    return [*parts, "expected ", day, ". ", *_cut_off_for(level, day)]


PAUSE = {
    True: "Accrual stops after stage 1 until the decision on futility. ",
    False: "Accrual continues after stage 1 until the decision on futility. ",
    None: "Whether accrual continues until the decision on futility is not known. ",
}


def _planned_cut_offs(level: str, day: str) -> tuple[list[str], bool]:
    """The planned looks from a day on, and whether one of them can serve the analysis of a stage."""
    looks = _looks()
    ahead = [f"{name}, {date}" for name, date, _ in looks if date >= day]
    last = f"{looks[-1][0]}, {looks[-1][1]}" if looks else ""
    return ahead, bool(ahead) and (level != "stage_1" or ahead[0] != last)


def _cut_off_for(level: str, day: Number) -> list[str | Number]:
    """The planned data cut-off of an analysis, or that none is planned."""
    ahead, serves = _planned_cut_offs(level, day.text)
    if serves:
        return [f"The planned data cut-off for it is {ahead[0]}. "]
    next_one = f" (the next one is {ahead[0]})" if ahead else ""
    parts = f"No data cut-off is planned at this date{next_one}. "
    if level != "stage_1":
        return [parts]
    return [parts, PAUSE[ard.plan().design.pause_after_stage_1]]


def _without_cut_off() -> list[str]:
    """The stages (LEVEL) whose analysis is still ahead without a planned data cut-off."""
    accrual = results("dsmb_accrual")
    levels = []
    for level in ("stage_1", "total"):
        place = ArdKey(level=level)
        if days.relative() or not accrual.has("due_on", **place):
            continue
        if accrual.find("status", **place).words == "due":
            continue
        if not _planned_cut_offs(level, accrual.words("due_on", **place).text)[1]:
            levels.append(level)
    return levels


def due() -> RichText:
    """What is due at this meeting, and when: by the number of patients and by date only."""
    accrual = results("dsmb_accrual")
    parts: list[str | Number] = []
    is_due = False
    for level in ("stage_1", "total"):
        if accrual.has("N", level=level):
            parts += [*_by_when(accrual, level), *_when_due(accrual, level)]
            place = ArdKey(level=level)
            is_due |= (
                accrual.has("due_on", **place) and accrual.find("status", **place).words == "due"
            )
    if not is_due and not days.relative():
        parts.append("No decision on efficacy or futility is due at this meeting.")
    return RichText(*parts)


def _stage_rows(accrual: Results, level: str, is_planned: bool) -> list[Row]:
    """The rows of a stage: last patient treated, and when the response of all can be evaluated."""
    place = ArdKey(level=level)
    planned, treated = accrual.count("N", **place), accrual.count(**place)
    is_complete, relative = accrual.has("reached_on", **place), days.relative()

    def day(name: str, otherwise: str = "not known") -> Content:
        if relative:
            return "no date"
        return Cell(accrual.words(name, **place)) if accrual.has(name, **place) else otherwise

    limits_of: Content = ""
    if not relative and accrual.has("patients_per_month", **place):
        low, high = (accrual.words(f"expected_{end}", **place) for end in ("from", "to"))
        limits_of = Cell(low, " to ", high)
    delay: Content = ""
    if not relative and accrual.has("delay_days", **place):
        delay = accrual.fixed("delay_days", 0, **place)
    projected = accrual.has("patients_per_month", **place)
    last = day("reached_on" if is_complete else "expected_on" if projected else "")
    lines: list[tuple[str, Content, Content, Content, Content, Content]] = [
        (
            "Last patient treated",
            Cell(planned if is_complete else treated, " of ", planned),
            day("planned_on"), last, limits_of, delay,
        ),
        ("Response of all can be evaluated", "", day("due_planned_on"), day("due_on"), "", delay),
    ]  # fmt: skip
    rows = [Row(accrual.label("level", level), kind="group")]
    for label, n, of_plan, actual, limits_here, late in lines:
        cells = (n, of_plan, actual, limits_here, late) if is_planned else (n, actual, limits_here)
        rows.append(Row(label, cells, "indent1"))
    return rows


def stages() -> Table:
    """Table 1-1: when the stages were planned to be complete, and when they are or will be."""
    accrual, is_planned = results("dsmb_accrual"), ard.plan().accrual is not None
    rows: list[Row] = []
    for level in ("stage_1", "total"):
        if accrual.has("N", level=level):
            rows += _stage_rows(accrual, level, is_planned)
    columns = [Column("Patients", numeric=False)]
    columns += [Column("Planned", numeric=False)] if is_planned else []
    columns += [
        Column("Reached or expected", numeric=False),
        Column("80% prediction limits", numeric=False),
    ]
    columns += [Column("Delay (days)")] if is_planned else []
    return Table("tlf-dsmb-stages", "Primary set", columns, rows, absent=NO_PATIENT)


ANALYSIS_OF = {"stage_1": "the analysis of futility", "total": "the final analysis"}


def questions() -> list[tuple[str, str]]:
    """What the DSMB is requested to assess: within a sentence, and in the form of recommendation."""
    listed = [("is it safe to continue", "Is it safe to continue?")]
    bounded = ard.plan().design.stages is not None or ard.plan().toxicity_monitoring is not None
    if not is_open() and bounded:
        listed.append(("is a stopping boundary crossed", "Is a stopping boundary crossed?"))
    listed.append(("is the conduct of the trial adequate", "Is the conduct adequate?"))
    without = _without_cut_off()
    if "stage_1" in without and ard.plan().design.pause_after_stage_1 is None:
        listed.append(
            (
                "does accrual continue after the last patient of stage 1 until the decision on futility, or pause",
                "Accrual: continue or pause?",
            )
        )
    if without:
        what = " and ".join(ANALYSIS_OF[level] for level in without)
        listed.append(
            (
                f"which data cut-off does the DSMB advise for {what} (the sponsor sets it)",
                "Data cut-off advised",
            )
        )
    return listed


def requested() -> RichText:
    """What the DSMB is requested to assess, numbered as in the form of recommendation."""
    words = "; ".join(f"({i}) {one}" for i, (one, _) in enumerate(questions(), 1))
    return RichText(f"The DSMB is requested to recommend whether the trial continues: {words}.")


class Form:
    """The form of recommendation: one row for each request, and those that the chair completes."""

    REST = (
        "Changes, or points to resolve",
        "Information to be released, to whom",
        "Next report",
        "Members present",
        "Name of the chair",
        "Signature, date",
    )
    WIDTHS = (34, 58)  # characters of the two columns

    def _repr_markdown_(self) -> str:
        stub, answer = self.WIDTHS
        numbered = [f"{i} {words}" for i, (_, words) in enumerate(questions(), 1)]
        line = "\\_" * answer
        lines = ["", "| Question | Assessment |", f"|:{'-' * stub}|:{'-' * answer}|"]
        return "\n".join([*lines, *(f"| {one} | {line} |" for one in (*numbered, *self.REST)), ""])


def form() -> Form:
    """The form of recommendation of this report."""
    return Form()


def boundary() -> RichText:
    """Response against the design: what is needed and from whom it can still come."""
    interim = results("interim")
    parts: list[str | Number] = []
    if interim.count("N", level="total", group="").text == "0":
        return RichText(NO_PATIENT)
    if interim.has("decision", level="stage_1"):
        words = interim.words("decision", level="stage_1", group="")
        parts += ["Stopping rule for futility: ", words, ". "]
        if words.text == decisions.BOUNDARY_OPEN:
            return RichText(*parts, *_needed(interim, "stage_1"))
    return RichText(*parts, *_needed(interim, "total"))


def _needed(interim: Results, level: str) -> list[str | Number]:
    """Responders of a stage, how many more it needs, and in whom a response is still possible."""
    place = ArdKey(level=level, group="")
    n, treated = interim.count(**place), interim.count("N", **place)
    planned, possible = interim.count("n_planned", **place), interim.count("n_missing", **place)
    limit = interim.find("r1" if level == "stage_1" else "r", **place)
    what = "to open stage 2" if level == "stage_1" else "to reject H\u2080"
    confirmed = float(n.text)
    needed = limit.formatted(_one_more)
    to_come = int(planned.text) - int(treated.text)
    parts: list[str | Number] = [
        n, " confirmed responder" + ("" if n.text == "1" else "s"), " among the ", treated,
        " treated of ", planned, "; ", needed, f" are needed {what}: ",
    ]  # fmt: skip
    if confirmed > float(limit.value):
        return [*parts, "reached."]
    more = limit.formatted(lambda value: formats.count(value + 1 - confirmed))
    parts += [more, " more"]
    if possible.text == "0" and to_come <= 0:
        return [*parts, ", and no further response is possible."]
    parts += [", possible from ", possible, " of the ", treated, " treated"]
    if to_come > 0:
        shown = interim.find("n_planned", **place).formatted(
            lambda _: formats.count(float(to_come))
        )
        parts += [" and ", shown, " to come"]
    return [*parts, "."]


def response_words() -> RichText:
    """Whose response can still come, for the text before the tables of response."""
    interim = results("interim")
    if interim.count("N", level="total", group="").text == "0":
        return RichText("")
    pending = interim.find("n_missing", level="total", group="")
    parts: list[str | Number] = []
    plan = ard.plan()
    entry = ENTRY_OF[plan.primary.endpoint]
    of_recist = plan.objective_response
    confirmed = entry == "psa_response" or (of_recist is not None and of_recist.confirmed)
    if entry != "rate_at" and confirmed:
        after = plan_text.number(f"{entry}.confirm_after_days")
        parts = ["A response must be confirmed ", after, " days later. "]
    if not pending.value:
        return RichText(*parts, "No response of a treated patient is still possible.")
    n = pending.formatted(formats.count)
    return RichText(
        *parts, "A response is still possible in ", n, _patients(n),
        "; in the tables ", "it counts as a non-responder." if n.text == "1" else "they count as non-responders.",
    )  # fmt: skip


def _is_evaluable() -> bool:
    """Whether the patients of stage 1 (of a single stage: all) are treated and no response is pending."""
    interim = results("interim")
    level = "stage_1" if interim.has("decision", level="stage_1") else "total"
    place = ArdKey(level=level, group="")
    if interim.count("N", level="total", group="").text == "0":
        return False
    complete = interim.find("N", **place).value >= interim.find("n_planned", **place).value
    return complete and not interim.find("n_missing", **place).value


NOT_BEFORE = "Not shown before the response of every planned patient of the stage is known."


def marker() -> Table:
    """The comparison of response by marker; not before the planned patients are evaluable."""
    if _is_evaluable():
        return comparison.marker()
    return Table("tlf-comparison", "PSA response", [Column("n (%)")], [], absent=NOT_BEFORE)


def confirmed() -> Table:
    """Response by set, without test and decision before the planned patients are evaluable."""
    is_psa = ard.plan().primary.endpoint == "psa_response"
    table = response.response() if is_psa else primary.response()
    if _is_evaluable():
        return table
    rows = [replace(row, cells=row.cells[:-2]) if row.cells else row for row in table.rows]
    notes = [
        *table.notes,
        "No test before the response of every planned patient of the stage is known.",
    ]
    return replace(table, columns=table.columns[:-2], rows=rows, notes=notes)


def _one_more(value: float) -> str:
    """A boundary `at most` as the number that is needed."""
    return formats.count(value + 1)


# ---- 2 results on one page -----------------------------------------------------------------------


def _deaths_in_window() -> list[str | Number]:
    """Deaths of treated patients in the safety window: `Deaths of any cause, within 30 days ...: 2`."""
    deaths = results("dsmb_deaths")
    n = deaths.count(level="within_window", sublevel="")
    label = _small(deaths.label("level", "within_window"))
    parts: list[str | Number] = [f"Deaths of any cause, {label}: ", n]
    if n.text != "0":
        parts += _causes(deaths, "within_window")
    return [*parts, ". "]


def _causes(deaths: Results, level: str) -> list[str | Number]:
    """The causes of the deaths of a level with their counts, in brackets: ` (progression: 2)`."""
    named: list[str | Number] = []
    for cause in filter(None, deaths.values("sublevel", level=level)):
        n = deaths.count(group="", level=level, sublevel=cause)
        if n.text != "0":
            named += ["; " if named else "", f"{_small(deaths.label('sublevel', cause))}: ", n]
    return [" (", *named, ")"] if named else []


def _deaths_at_any_time() -> list[str | Number]:
    """Deaths of treated patients until the cut-off, with their causes; nothing in the open report."""
    deaths = results("deaths")
    overall = ArdKey(group="", level="all", sublevel="")
    if is_open() or not deaths.has("n", **overall):
        return []
    n = deaths.count(**overall)
    return ["Deaths at any time until the cut-off: ", n, *_causes(deaths, "all"), ". "]


def accrual_words() -> RichText:
    """Accrual of the primary set against the plan in a sentence."""
    accrual = results("dsmb_accrual")
    months = [level for level in accrual.values("level") if level[:1].isdigit()]
    n, planned = accrual.count(level="total"), accrual.count("N", level="total")
    parts: list[str | Number] = [
        "Treated of the ",
        planned,
        " patients planned for the primary set: ",
        n,
    ]
    if months and not days.relative() and accrual.has("n_expected", level=months[-1]):
        expected = accrual.fixed("n_expected", 1, level=months[-1])
        parts += [", against ", expected, " planned by the cut-off"]
    return RichText(*parts, ".")


def _toxicity() -> Results | None:
    monitoring = results("toxicity_monitoring")
    return monitoring if monitoring.has("decision", level="") else None


def safe() -> RichText:
    """Safety in a few sentences: serious events, deaths, the boundary for toxicity."""
    overview, toxicities, cycles = results("ae_overview"), _toxicity(), results("dsmb_cycles")
    treated = overview.count("N", level="any")
    if treated.text == "0":
        return RichText("No patient has been treated yet.")
    finished: list[str | Number] = (
        [", ", cycles.count(level="first_finished"), " finished the first cycle and "]
        if len(cycles)
        else [", "]
    )
    parts: list[str | Number] = [
        "Of ", treated, " treated", _patients(treated), *finished,
        overview.count(level="related_serious"), " had a serious adverse event related to treatment. Patients with a fatal adverse event: ",
        overview.count(level="fatal"), ". ",
        *_deaths_in_window(), *_deaths_at_any_time(),
    ]  # fmt: skip
    if toxicities is None:
        parts.append("The SAP has no stopping boundary for toxicity.")
        return RichText(*parts)
    parts += [
        "The stopping boundary for toxicity was ", toxicities.words("decision", level=""),
        ": ", toxicities.count(level=""), _patients(toxicities.count(level="")), " with the toxicity among ",
        toxicities.count("N", level=""), " treated; ", *_boundary_at(toxicities, ""), ". ",
    ]  # fmt: skip
    if cycles.has("n", level="toxicity") and cycles.find("boundary", level="toxicity").estimable:
        parts += [
            "Among those who finished the first cycle: ", cycles.count(level="toxicity"), " of ",
            cycles.count("N", level="toxicity"), "; ", *_boundary_at(cycles, "toxicity"), ".",
        ]  # fmt: skip
    return RichText(*parts)


def _boundary_at(of: Results, level: str) -> list[str | Number]:
    """The boundary at the patients of a row: `stop at 7 or more, that is 4 more`, or from when there is one."""
    known = _boundary_or_from(of, level)
    return known if len(known) > 1 else ["stop at ", *known, " or more", *_further(of, level)]


def _further(of: Results, level: str) -> list[str | Number]:
    """How many more patients with the toxicity reach the boundary: `, that is 4 more`; nothing once reached."""
    if not of.find("boundary", level=level).estimable or not of.find("n", level=level).estimable:
        return []
    n = of.find("n", level=level).value
    if of.find("boundary", level=level).value <= n:
        return []
    more = of.find("boundary", level=level).formatted(lambda value: formats.count(value - n))
    return [", that is ", more, " more"]


def _stop_at(of: Results, level: str) -> Cell:
    """The boundary in a cell: `7 or more (4 more)`, or from how many patients there is one."""
    known = _boundary_or_from(of, level)
    if len(known) > 1:
        return Cell(*known)
    further = _further(of, level)
    return Cell(*known, " or more", *([" (", *further[1:], ")"] if further else []))


def _boundary_or_from(of: Results, level: str) -> list[str | Number]:
    """The boundary at the patients of a row, or `no boundary yet (from n = 3)`."""
    lines = results("toxicity_boundary")
    levels = [line for line in lines.values("level") if line]
    if levels and of.find("N", level=level).value < lines.find("from_n", level=levels[0]).value:
        return ["no boundary yet (from n = ", lines.count("from_n", level=levels[0]), ")"]
    return [of.count("boundary", level=level)]


def safe_table() -> Table:
    """Table 2-1: the results for "is it safe to continue"."""
    overview, cycles = results("ae_overview"), results("dsmb_cycles")
    first = ArdKey(level="first_finished")
    rows: list[Row] = []
    if len(cycles):
        share = n_pct(cycles.count(**first), cycles.percent(**first))
        of_first = cycles.label("level", "first_finished")
        rows.append(Row(of_first, (share, _label("tlf-dsmb-exposure"))))
    for words, level, shown_in in (
        (
            f"{overview.label('level', 'severe_grade')} adverse event",
            "severe_grade",
            "tlf-ae-soc-pt",
        ),
        ("Serious adverse event", "serious", "tlf-ae-kinds"),
        ("Related serious adverse event", "related_serious", "tlf-ae-kinds"),
        (
            "Adverse event with study treatment withdrawn, by the action taken",
            "drug_withdrawn",
            "tlf-ae-kinds",
        ),
        ("Fatal adverse event", "fatal", "tlf-ae-kinds"),
    ):
        share = n_pct(overview.count(level=level), overview.percent(level=level))
        rows.append(Row(words, (share, _label(shown_in))))
    stopping = results("dsmb_stopping")
    by_record = ArdKey(level="adverse_event")
    share = n_pct(stopping.count(**by_record), stopping.percent(**by_record))
    words = stopping.label("level", "adverse_event")
    rows.insert(-1, Row(words, (share, _label("tlf-dsmb-exposure"))))
    deaths, more = results("dsmb_deaths"), "" if is_open() else _label("tlf-l-deaths")
    window = _small(deaths.label("level", "within_window"))
    for cause in ("", *filter(None, deaths.values("sublevel"))):
        place = ArdKey(level="within_window", sublevel=cause)
        if cause and deaths.count(**place).text == "0":
            continue
        kind: RowKind = "indent1" if cause else ""
        label = deaths.label("sublevel", cause) if cause else f"Death of any cause, {window}"
        rows.append(Row(label, (n_pct(deaths.count(**place), deaths.percent(**place)), more), kind))
    ever = results("deaths")
    overall = ArdKey(group="", level="all", sublevel="")
    if not is_open() and ever.has("n", **overall):
        share = n_pct(ever.count(**overall), ever.percent(**overall))
        rows.append(Row("Death of any cause, at any time", (share, _label("tlf-deaths"))))
    toxicities = _toxicity()
    if toxicities is not None:
        toxic = Cell(toxicities.count(level=""), " of ", toxicities.count("N", level=""))
        rows.append(Row("Toxicity of the stopping boundary", (toxic, _label("tlf-dsmb-toxicity"))))
        state = toxicities.words("decision", level="")
        rows.append(Row("Stopping boundary for toxicity", (state, _label("tlf-dsmb-toxicity"))))
    columns = [
        Column("Patients, n (%)", overview.count("N", level="any")),
        Column("Details", numeric=False),
    ]
    if overview.count("N", level="any").text == "0":
        rows = []
    return Table(
        "tlf-dsmb-safe",
        "Safety",
        columns,
        rows,
        notes=[*([ACTION_OR_RECORD] if rows else []), *_boundary_note()],
        absent="No patient has been treated yet.",
    )


ACTION_OR_RECORD = TiedNote(
    "Study treatment withdrawn counts adverse events with that action taken; the end-of-treatment record "
    "gives the reason of stopping. They differ while this record is outstanding, or where only one of them "
    "names the event.",
    rows={
        "analysis": ["ae_overview", "dsmb_stopping"],
        "level": ["drug_withdrawn", "adverse_event"],
    },
)


def _boundary_lines() -> list[list[str | Number]]:
    """Every line of the boundary as the results have it: `n = 4 to 5: 4 events`."""
    lines = results("toxicity_boundary")
    printed = []
    for level in (level for level in lines.values("level") if level):
        first, last = lines.count("from_n", level=level), lines.count("to_n", level=level)
        size: list[str | Number] = [first] if first.text == last.text else [first, " to ", last]
        printed.append(["n = ", *size, ": ", lines.count("boundary", level=level), " or more"])
    return printed


def _boundary_note() -> list[Note]:
    """The boundary list in the notes of the table of results."""
    parts: list[str | Number] = []
    for line in _boundary_lines():
        parts += [*(["; "] if parts else []), *line]
    if not parts:
        return []
    return [
        RichText(
            "The trial stops for toxicity when among n patients treated those with the toxicity are: ",
            *parts,
            ".",
        )
    ]


def new_terms() -> RichText:
    """The preferred terms of adverse events that the last report did not have."""
    changes = _table("changes", None) or {"previous": None, "rows": []}
    if not changes["previous"]:
        return RichText("")
    terms = {"new": set[str](), "gone": set[str]()}
    for row in changes["rows"]:
        analysis, _, group, paramcd, _, sublevel, stat = str(row["key"]).split("|")
        if (analysis, group, paramcd, stat) != ("ae_soc_pt", "", "ANY", "n") or not sublevel:
            continue
        if row["change"] in terms:
            terms[row["change"]].add(coded(sublevel.replace("%7C", "|").replace("%25", "%")))
    lines = []
    for change, words in (
        ("new", "New preferred terms"),
        ("gone", "Preferred terms in the previous report only"),
    ):
        named = ", ".join(sorted(terms[change])) or "none"
        if change == "new" or terms[change]:
            lines.append(f"{words}: {named}.")
    return RichText(" ".join(lines))


def previous() -> RichText:
    """The report that this one is compared with."""
    before = (_table("changes", None) or {}).get("previous")
    if not before:
        return RichText("There is no earlier report to compare with.")
    return RichText(
        f"The previous report had the data cut-off {before['cut_off']}. Every number of a display of this "
        "report that is new, removed or changed is in the file changes.csv, which accompanies it."
    )


PRIMARY = "primary"
"""In place of an analysis: that of the primary endpoint."""
HEADLINES: tuple[tuple[str, str, ArdKey, str], ...] = (
    ("Patients who consented", "flow", ArdKey(paramcd="BOX", level="consented"), "n"),
    ("Patients with a screening sample", "flow", ArdKey(paramcd="BOX", level="sampled"), "n"),
    ("Patients treated", "ae_overview", ArdKey(level="any"), "N"),
    ("Patients of the primary set treated", "dsmb_accrual", ArdKey(level="total"), "n"),
    ("Patients who finished the first cycle", "dsmb_cycles", ArdKey(level="first_finished"), "n"),
    ("Patients with an adverse event, {level}", "ae_overview", ArdKey(level="severe_grade"), "n"),
    ("Patients with a serious adverse event", "ae_overview", ArdKey(level="serious"), "n"),
    ("Patients with a related serious adverse event", "ae_overview", ArdKey(level="related_serious"), "n"),
    ("Patients with a fatal adverse event", "ae_overview", ArdKey(level="fatal"), "n"),
    ("Deaths in the safety window", "dsmb_deaths", ArdKey(level="within_window", sublevel=""), "n"),
    ("Patients with the toxicity of the boundary", "toxicity_monitoring", ArdKey(level=""), "n"),
    ("Important protocol deviations", "protocol_deviations", ArdKey(population="SCREENED", level="MAJOR", sublevel=""), "n_events"),
    ("PSA results missing", "data_timeliness", ArdKey(paramcd="RESULTS"), "n_missing"),
    ("Responders", PRIMARY, ArdKey(population="PRIMARY"), "n"),
    ("Deaths in the primary set", "os", ArdKey(population="PRIMARY", paramcd="OS", level=""), "n_events"),
)  # fmt: skip


def _printed(text: str) -> str:
    """A count of an earlier ARD as this report prints it; words stay as they are."""
    try:
        return formats.count(float(text))
    except ValueError:
        return text or formats.NOT_CALCULATED


def _less(then: str) -> Callable[[float], str]:
    """A count as its difference from an earlier one: `+3`, `-1`, `0`; a dash without an earlier count."""

    def printed(now: float) -> str:
        try:
            difference = now - float(then)
        except ValueError:
            return formats.NOT_CALCULATED
        sign = "+" if difference > 0 else "-" if difference < 0 else ""
        return f"{sign}{formats.count(abs(difference))}"

    return printed


def key_numbers() -> Table:
    """Table 2-2: the key numbers, previous and current."""
    changes = _table("changes", None) or {}
    if not changes.get("previous"):
        absent = f"There is no earlier report to compare with; the current numbers are in {_label('tlf-dsmb-safe')}."
        return Table("tlf-dsmb-then-now", "Number", [Column("Current")], [], absent=absent)
    rows: list[Row] = []
    before = {row["key"]: row["before"] for row in changes.get("rows", ())}
    for words, analysis, place, name in HEADLINES:
        if analysis == PRIMARY:
            analysis = ard.plan().primary.endpoint
            words = "Confirmed responders" if analysis == "psa_response" else words
        statistics = results(analysis)
        if not statistics.has(name, **place):
            continue
        now = statistics.count(name, **place)
        then = Number(_printed(before.get(now.key, "")), f"changes|before|{now.key}")
        if "{level}" in words:
            words = words.format(level=_small(statistics.label("level", place["level"])))
        difference = statistics.find(name, **place).formatted(_less(before.get(now.key, "")))
        rows.append(Row(words, [then, now, difference]))
    columns = [Column("Previous"), Column("Current"), Column("Difference")]
    return Table("tlf-dsmb-then-now", "Number", columns, rows, absent="No number is available.")


# ---- 3 protocol ----------------------------------------------------------------------------------


def synopsis() -> Lines:
    """The protocol on half a page, from the plan: design, population, treatment, endpoints, size, looks."""
    plan, given = ard.plan(), ard.plan().protocol
    looks = "; ".join(
        name if days.relative() else f"{name} {plan.cut_offs.dates[name].planned}"
        for name in plan.cut_offs.in_order()
    )
    lines = [RichText("Title: ", plan.study.title, ".")]
    for label, item in (
        ("Design", "design"),
        ("Patients", "diagnosis"),
        ("Treatment", "dose_and_mode"),
        ("Duration of treatment", "duration"),
        ("Follow-up", "follow_up"),
    ):
        words = protocol.sentence(item, label=label)
        if words.plain:
            lines.append(
                words if words.plain.startswith(label) else RichText(f"{label}: ", *words.parts)
            )
    if given is None or not given.dose_and_mode:
        lines.append(
            RichText(f"Disease: {plan.wording.disease}. Treatment: {plan.wording.treatment}.")
        )
    for rank in ("primary", "secondary"):
        named = [
            plan_text.phrase(f"protocol.endpoints.{i}.name").parts
            for i, one in enumerate((given.endpoints if given else None) or ())
            if one.rank == rank
        ]
        parts = [
            part for i, name in enumerate(named) for part in (["; "] if i else []) + list(name)
        ]
        if parts:
            lines.append(RichText(f"{rank.capitalize()} endpoints: ", *parts, "."))
    size: list[str | Number] = [
        "Patients planned in the primary set: ", plan_text.number("design.n"),
    ]  # fmt: skip
    if plan.design.kind == "two-stage":
        size += [", ", plan_text.number("design.n1"), " of them in stage 1"]
    lines.append(RichText(*size, "."))
    lines.append(RichText(f"Data cut-offs of the SAP: {looks}."))
    lines += _assessments()
    return Lines(lines)


def _assessments() -> list[RichText]:
    """Each visit of the schedule with its procedures."""
    schedule = getattr(ard.plan().protocol, "schedule", None)
    if schedule is None:
        return []
    return [
        RichText(
            f"Assessments, {visit.label}: "
            + ", ".join(one.name for one in schedule.procedures if visit.id in one.at)
            + "."
        )
        for visit in schedule.visits
        if any(visit.id in one.at for one in schedule.procedures)
    ]


def rule() -> RichText:
    """The stopping rules as the plan has them; this is no result."""
    parts: list[str | Number] = []
    has, be = ("has", "is") if ard.plan().design.r1 == 1 else ("have", "are")
    if ard.plan().design.kind == "two-stage":
        parts += [
            "The trial stops for futility after ", plan_text.number("design.n1"),
            " patients of the primary set when at most ", plan_text.number("design.r1"),
            f" {had_it(ard.plan()).replace('had', has).replace('were', be)} (Simon's design). ",
        ]  # fmt: skip
    else:
        parts.append("The design has a single stage and no stopping rule for futility. ")
    toxicity_rule = ard.plan().toxicity_monitoring
    if toxicity_rule:
        parts += [
            f"It stops for toxicity when too many patients have {toxicity_rule.name.lower()} of grade ",
            plan_text.number("toxicity_monitoring.from_grade"),
            " or above: the boundary stops a trial whose true rate is ",
            plan_text.number("toxicity_monitoring.p0"), " with a probability of at most ",
            plan_text.number("toxicity_monitoring.alpha"), ". ",
        ]  # fmt: skip
    if not is_open():
        parts += [
            "The unacceptable response rate is p0 = ", plan_text.number("design.p0"),
            ", the desirable one p1 = ", plan_text.number("design.p1"),
            "; at the end the null hypothesis, a rate of at most p0, is rejected when more than ",
            plan_text.number("design.r"), " of ", plan_text.number("design.n"), " patients respond. ",
        ]  # fmt: skip
    bounded = ard.plan().design.stages is not None or toxicity_rule is not None
    if ard.plan().design.assumption and (bounded or not is_open()):
        parts.append(
            "These rules are assumptions of the SAP: no public source gives a rule for this trial."
        )
    return RichText(*parts)


def toxicity() -> Table:
    """Table 3-3: the stopping boundary for toxicity and whether it was crossed."""
    monitoring, cycles = _toxicity(), results("dsmb_cycles")
    columns = [Column("Value", numeric=False)]
    absent = "Not planned: the SAP has no stopping boundary for toxicity."
    if monitoring is None:
        return Table("tlf-dsmb-toxicity", "Quantity", columns, [], absent=absent)
    place = ArdKey(level="")
    rows = []
    if monitoring.count("N", **place).text == "0":
        rows.append(Row("Boundary", ("no patient has been treated yet",)))
    else:
        rows += [
            Row("Boundary", (monitoring.words("decision", **place),)),
            Row("Patients with the toxicity, of patients treated", (Cell(monitoring.count(**place), " of ", monitoring.count("N", **place)),)),
            Row("At this number of patients, stop at", (_stop_at(monitoring, ""),), "indent1"),
        ]  # fmt: skip
        if cycles.find("boundary", level="toxicity").estimable:
            finished = ArdKey(level="toxicity")
            rows += [
                Row("The same, of patients who finished the first cycle", (Cell(cycles.count(**finished), " of ", cycles.count("N", **finished)),)),
                Row("At this number of patients, stop at", (_stop_at(cycles, "toxicity"),), "indent1"),
            ]  # fmt: skip
    rows += [
        Row("Patients for whom the boundary is planned", (monitoring.count("patients_planned", **place),)),
        Row("Acceptable rate (%)", (monitoring.rate("p0", **place),)),
        Row("Probability of stopping at that rate (%)", (monitoring.rate("stop_under_p0", **place),)),
    ]  # fmt: skip
    rows.append(Row("Stop at, by number of patients treated (n)", kind="group"))
    rows += [Row(Cell(*line[:-3]), (Cell(*line[-2:]),), "indent1") for line in _boundary_lines()]
    rows.append(
        Row(
            "Probability of stopping (%) and expected number of patients, by true rate",
            kind="group",
        )
    )
    characteristics = results("toxicity_oc")
    for level in characteristics.values("level"):
        stops = characteristics.rate("probability_of_stopping", level=level)
        n = characteristics.fixed("expected_n", 1, level=level)
        rate = Cell(characteristics.rate("p", level=level), "%")
        rows.append(Row(rate, (Cell(stops, " (", n, " patients)"),), "indent1"))
    return Table("tlf-dsmb-toxicity", "Stopping rule for toxicity", columns, rows)


def amendments() -> Table:
    """Table 3-1: amendments of the protocol."""
    entries = _table("dsmb", {}).get("amendments")
    rows = [Row(one["number"], (one["date"], one["summary"])) for one in entries or ()]
    absent = "There was no amendment." if entries == [] else "No amendment is recorded."
    columns = [Column(words, numeric=False) for words in ("Date", "Summary")]
    return Table("tlf-dsmb-amendments", "Amendment", columns, rows, absent=absent)


def actions() -> Table:
    """Table 3-2: earlier meetings of the DSMB, actions requested and their outcome."""
    rows = [
        Row(str(one["date"]), (str(one["meeting"]), str(one["action"]), str(one["resolution"])))
        for one in _table("dsmb", {}).get("meetings", ())
    ]
    heads = ("Meeting", "Action", "Outcome")
    return Table(
        "tlf-dsmb-actions", "Date", [Column(words, numeric=False) for words in heads], rows,
        absent="No earlier meeting of the DSMB is recorded.",
    )  # fmt: skip


# ---- 4 recruitment -------------------------------------------------------------------------------

STEPS = ("CONSENTED", "SAMPLED", "QUALIFIED", "ALLOCATED", "TREATED")


def accrual_figure() -> Figure:
    """Figure 2-1: patients of the primary set treated and planned, and all treated, by month."""
    from sap.displays.plots import accrual

    primary, every = results("dsmb_accrual"), results("accrual")
    months = [level for level in primary.values("level") if level[:1].isdigit()]
    if not months or not every.values("level") or days.relative():
        why = NO_DATES if days.relative() else "No patient consented."
        return Figure("tlf-dsmb-accrual", None, "", absent=why)
    planned = primary.has("n_expected", level=months[-1])
    lines = {"Primary set, treated": (primary, "n")}
    if planned:
        lines["Primary set, planned"] = (primary, "n_expected")
    lines["All treated"] = (every, "n")
    counts = pd.DataFrame(
        [
            {
                "month": month,
                "step": words,
                "n": of.find(name, paramcd="TREATED", level=month).value,
            }
            for words, (of, name) in lines.items()
            for month in months
            if of.has(name, paramcd="TREATED", level=month)
        ]
    )
    last = months[-1]
    now = {
        words: of.fixed(name, int(name == "n_expected"), paramcd="TREATED", level=last)
        for words, (of, name) in lines.items()
    }
    sizes = {"planned": float(ard.plan().design.n)}
    if primary.has("N", level="stage_1"):
        sizes = {"stage 1": primary.find("N", level="stage_1").value} | sizes
    plot = accrual(
        counts, targets=sizes, order=list(lines), x_title="Month", y_title="Patients, cumulative"
    )
    alt = f"Cumulative accrual by month until {last}: " + ", ".join(
        f"{_small(words)} {n.text}" for words, n in now.items()
    )
    alt += ". Thin broken lines: sizes of the design."
    return Figure("tlf-dsmb-accrual", plot, alt, height=1.9, numbers=tuple(now.values()))


def accrual_table() -> Table:
    """Table 4-1: the counts at the end of each quarter, with the screening success rate."""
    recruited, primary = results("accrual"), results("dsmb_accrual")
    is_planned, sampled = ard.plan().accrual is not None, ard.plan().biomarker is not None
    months = sorted(recruited.values("level"))
    dated = not months or recruited.count(paramcd="CONSENTED", level=months[-1]).text != "0"
    quarters = [m for m in months if int(m[5:]) % 3 == 0 or m == months[-1]]
    rows = []
    for month in quarters:
        at = {code: ArdKey(paramcd=code, level=month) for code in STEPS}
        cells: list[Content] = [recruited.count(**at["CONSENTED"])] if dated else []
        if sampled:
            cells.append(recruited.count(**at["SAMPLED"]))
            share = at["QUALIFIED"]
            cells.append(n_pct(recruited.count(**share), recruited.percent(**share)))
            low, high = (recruited.rate(name, **share) for name in ("conf_low", "conf_high"))
            cells += [limits(low, high), recruited.count(**at["ALLOCATED"])]
        cells.append(recruited.count(**at["TREATED"]))
        cells.append(primary.count(level=month))
        cells += [primary.fixed("n_expected", 1, level=month)] if is_planned else []
        rows.append(Row(month, cells))
    of_sample = []
    if sampled:
        level = ci_header(recruited, paramcd="QUALIFIED", level=months[-1]) if months else "CI"
        of_sample = [
            Column(recruited.label("paramcd", "SAMPLED")),
            Column(f"{recruited.label('paramcd', 'QUALIFIED')}, n (%)"),
            Column(level),
            Column("Allocated"),
        ]
    columns = [
        *([Column(recruited.label("paramcd", "CONSENTED"))] if dated else []),
        *of_sample,
        Column(recruited.label("paramcd", "TREATED")),
        Column("treated" if is_planned else "Treated", under="Primary set"),
        *([Column("planned", under="Primary set")] if is_planned else []),
    ]
    return Table(
        "tlf-dsmb-accrual-quarters",
        "End of",
        columns,
        [] if days.relative() else rows,
        notes=[] if dated else ["The data have no date of consent."],
        absent=NO_DATES if days.relative() else "No patient consented.",
    )


def sites() -> Table:
    """Table 4-2: enrolment and data quality by site."""
    counts = results("dsmb_sites")
    of_psa = "n_missing"
    plan = ard.plan()
    names = {"CONSENTED": "n"}
    names |= {"SAMPLED": "n"} if plan.biomarker is not None else {}
    names |= {"TREATED": "n"}
    names |= {"MAJOR": "n_events"} if len(results("protocol_deviations")) else {}
    names |= {"PSA": of_psa} if plan.psa_response is not None else {}
    rows = [
        Row(
            counts.label("level", site),
            [counts.count(name, paramcd=code, level=site) for code, name in names.items()],
        )
        for site in counts.values("level")
    ]
    columns = [Column(counts.label("paramcd", code)) for code in names] if rows else [Column("n")]
    absent = "No patient consented."
    return Table("tlf-dsmb-sites", "Site", columns, rows, absent=absent)


def characteristics() -> Table:
    """Table 4-3: baseline characteristics of all treated patients."""
    return baseline.treated()


def exposed() -> RichText:
    """What the table of exposure has."""
    cycles = "" if ard.plan().exposure.continuous else "cycles, "
    return RichText(f"{cycles}dose and time on treatment")


def doses() -> Table:
    """Table 4-4: finished cycles, dose intensity, delays, reductions and reasons of stopping."""
    return exposure.monitored()


# ---- 5 data quality ------------------------------------------------------------------------------


def conduct() -> RichText:
    """The conduct of the trial in a few sentences."""
    contacts = results("data_timeliness")
    of_psa: list[str | Number] = []
    if ard.plan().psa_response is not None:
        missing = contacts.count("n_missing", paramcd="RESULTS", level="")
        of_psa = [" PSA results missing: ", missing, "."]
    return RichText(
        *accrual_words().parts, *of_psa, " Data validation: critical queries ", record.number_of("critical"), ", warnings ",
        record.number_of("warning"), ".",
    )  # fmt: skip


def conduct_table() -> Table:
    """Table 5-1: the results for "is the conduct of the trial adequate"."""
    flow, contacts = results("flow"), results("data_timeliness")
    accrual, deviations = results("dsmb_accrual"), results("protocol_deviations")

    def box(level: str) -> Number:
        return flow.count(level=level, paramcd="BOX")

    reached, steps = "Patients who consented", Cell(box("consented"))
    if ard.plan().biomarker is not None:
        reached = "Patients who consented, were sampled, qualified for treatment"
        steps = Cell(box("consented"), ", ", box("sampled"), ", ", box("qualified"))
    rows = [
        Row(reached, (steps, _label("tlf-dsmb-accrual-quarters"))),
        Row(
            "Treated patients of the primary set, of those planned",
            (Cell(accrual.count(level="total"), " of ", plan_text.number("design.n")), _label("tlf-dsmb-stages")),
        ),
    ]  # fmt: skip
    important = ArdKey(population="SCREENED", level="MAJOR", sublevel="")
    n: Content = "not in the data"
    if deviations.has("n_events", **important):
        n = Cell(deviations.count("n_events", **important))
    elif len(deviations):
        n = Cell(deviations.count_or_zero(**important))
    shown_in = _label("tlf-deviations") if printed("tlf-deviations") else ""
    rows.append(Row("Important protocol deviations", (n, shown_in)))
    if ard.plan().psa_response is not None:
        missing = contacts.count("n_missing", paramcd="RESULTS", level="")
        rows.append(Row("PSA results missing at an infusion", (missing, _label("tlf-dsmb-sites"))))
    rows += [
        Row(
            "Data validation: critical queries, warnings",
            (Cell(record.number_of("critical"), ", ", record.number_of("warning")), "" if is_open() else _label("tlf-findings")),
        ),
    ]  # fmt: skip
    columns = [Column("Number", numeric=False), Column("Details", numeric=False)]
    where = "is in the closed report" if is_open() else f"is in {_label('tlf-dsmb-psa-due')}"
    notes = [
        TiedNote(
            f"The number of PSA results due {where}.",
            rows={"analysis": ["data_timeliness"], "paramcd": ["RESULTS"]},
        )
    ]
    return Table("tlf-dsmb-conduct", "Conduct", columns, rows, notes=notes)


NOT_ASSESSABLE = "Not assessable: the data have days since registration, and no date of a contact."


def data_timeliness() -> Table:
    """Table 5-2: days from the last contact to the cut-off."""
    contacts = results("data_timeliness")
    levels = [
        level
        for level in ("on_treatment", "follow_up_treated", "follow_up_untreated", "all_followed")
        if contacts.count("N", paramcd="DAYS", level=level).text != "0"
    ]
    places = [ArdKey(paramcd="DAYS", level=level) for level in levels]
    rows = [
        Row("Days since the last contact", kind="group"),
        Row("Median", [contacts.fixed("median", 1, **p) for p in places], "indent1"),
        Row("Quartiles", [span(contacts.fixed("q1", 1, **p), contacts.fixed("q3", 1, **p)) for p in places], "indent1"),
        Row("Longest", [contacts.fixed("max", 0, **p) for p in places], "indent1"),
        Row("Overdue for a contact, n (%)", [n_pct(contacts.count("n_late", **p), contacts.percent(**p)) for p in places]),
    ]  # fmt: skip
    columns = [
        Column(contacts.label("level", level), contacts.count("N", **place))
        for level, place in zip(levels, places, strict=True)
    ]
    absent = "No patient is in follow-up."
    if days.relative():
        levels, absent = [], NOT_ASSESSABLE
    if not levels:
        rows, columns = [], [Column("Patients")]
    return Table("tlf-dsmb-currency", "Timeliness of the data", columns, rows, absent=absent)


def left() -> Table:
    """Table 5-3: treated patients lost to follow-up or withdrawn."""
    lost = results("dsmb_left")
    rows = [
        Row(
            lost.label("level", level), (n_pct(lost.count(level=level), lost.percent(level=level)),)
        )
        for level in lost.values("level")
    ]
    n = lost.count("N", level="withdrew")
    columns = [Column("Treated patients, n (%)", n)]
    if n.text == "0":
        rows = []
    return Table(
        "tlf-dsmb-followup",
        "Left the study",
        columns,
        rows,
        absent="No patient has been treated yet.",
    )


def psa_due() -> Table:
    """Table 5-4: PSA results that are due at an infusion."""
    contacts = results("data_timeliness")
    place = ArdKey(paramcd="RESULTS", level="")
    rows = [
        Row("Due", (contacts.count("N", **place),)),
        Row("Available, n (%)", (n_pct(contacts.count(**place), contacts.percent(**place)),)),
        Row("Missing", (contacts.count("n_missing", **place),)),
    ]
    return Table("tlf-dsmb-psa-due", "PSA results", [Column("Results")], rows)


def overdue() -> Table:
    """Listing 5-1: patients overdue for a contact, and patients with a PSA result missing."""
    adcur, relative = ard.dataset("adcur"), days.relative()
    of_psa = ard.plan().psa_response is not None
    is_late = (adcur["LATEFL"] == "Y") & (not relative)
    selected = adcur[is_late | ((adcur["PSAMISS"] > 0) & of_psa)]
    rows = []
    for _, subject in selected.sort_values("USUBJID").iterrows():
        who = str(subject["USUBJID"])
        cells = [str(subject["STATUS"]).capitalize(), days.printed(subject["LASTDT"], who)]
        if not relative:
            late = "overdue" if subject["LATEFL"] == "Y" else ""
            cells += [str(int(subject["DAYS"])), late]
        if of_psa:
            cells.append(f"{int(subject['PSAMISS'])} of {int(subject['PSAEXP'])}")
        rows.append(Row(who, tuple(cells), address=f"ADCUR|{who}"))
    heads = ["Status", days.heading("Last contact")]
    heads += [] if relative else ["Days before the cut-off", "Contact"]
    heads += ["PSA results missing, of those due"] if of_psa else []
    notes = [f"{days.NOTE} Whether a contact is overdue cannot be assessed."] if relative else []
    return Table(
        "tlf-dsmb-overdue", "Patient", [Column(words, numeric=False) for words in heads], rows, notes=notes,
        absent="No patient is overdue for a contact"
        + (", and no PSA result due is missing." if of_psa else "."),
    )  # fmt: skip


def findings() -> Table:
    """Table 16-1, as in the study report."""
    return record.findings()


# ---- 7 futility and response ---------------------------------------------------------------------


def _rule_stub() -> str:
    two = ard.plan().design.kind == "two-stage"
    return "Stopping rule for futility" if two else "Response against the design"


def rule_words() -> RichText:
    """What Table 7-1 gives, and whether the plan has a stopping rule for futility."""
    if ard.plan().design.kind == "two-stage":
        return RichText("gives the details of the rule")
    return RichText(
        "gives the details (the design has a single stage and no stopping rule for futility)"
    )


def rule_state() -> Table:
    """Table 7-1: responders, patients whose response is still possible and the stopping rule over all their outcomes."""
    interim = results("interim")
    levels = interim.values("level", group="")
    places = [ArdKey(level=level, group="") for level in levels]
    if interim.count("N", level="total", group="").text == "0":
        return Table("tlf-dsmb-rule", _rule_stub(), [Column("n")], [], absent=NO_PATIENT)

    def line(label: str, *names: str, shown: Any = formats.count) -> Row:
        cells: list[Content] = []
        for place in places:
            if not all(interim.has(name, **place) for name in names):
                cells.append("")
            elif len(names) == 2:
                low, high = (interim.count(name, **place) for name in names)
                cells.append(low if low.text == high.text else Cell(low, " to ", high))
            else:
                cells.append(interim.find(names[0], **place).formatted(shown))
        return Row(label, cells)

    rows = [
        line("Patients planned", "n_planned"),
        line("Patients treated", "N"),
        line("Confirmed responders", "n"),
        line("Response still possible", "n_missing"),
        *waiting(places),
        line("Responders over all outcomes of these patients", "responders_low", "responders_high"),
    ]
    if "stage_1" in levels:
        rows.append(line("Responders needed to go on to stage 2", "r1", shown=_one_more))
        for label, name in (
            ("Stopping rule now", "decision"),
            ("Stopping rule if none of these patients responds", "decision_low"),
            ("Stopping rule if all of these patients respond", "decision_high"),
        ):
            words = interim.words(name, level="stage_1", group="")
            rows.append(Row(label, [words, *[""] * (len(levels) - 1)]))
    rows.append(line("Responders needed to reject H0 at the end", "r", shown=_one_more))
    for label, path in (
        ("p0, unacceptable response rate (H0)", "design.p0"),
        ("p1, desirable response rate", "design.p1"),
    ):
        rows.append(Row(label, [*[""] * (len(levels) - 1), plan_text.number(path)]))
    columns = [Column(interim.label("level", level), numeric=False) for level in levels]
    notes = [
        TiedNote(
            "The first patients of the primary set by first dose.", columns={"level": ["stage_1"]}
        )
    ]
    return Table("tlf-dsmb-rule", _rule_stub(), columns, rows, notes=notes)


def waiting(places: Sequence[ArdKey]) -> list[Row]:
    """Patients whose response is still possible: awaiting confirmation of a decrease, or with time left for one."""
    pending = results("interim_pending")
    return [
        Row(
            pending.label("sublevel", reason),
            [pending.count(level=p["level"], sublevel=reason) for p in places],
            "indent1",
        )
        for reason in pending.values("sublevel")
    ]


NOTHING_TO_COME = (
    "Not applicable: all planned patients are treated and no further response is possible, so nothing is "
    "left to predict."
)


def outlook() -> Table:
    """Table 7-2: the chance to reject the null hypothesis at the end."""
    interim = results("interim")
    total = ArdKey(level="total", group="")
    projections = interim.values("level", group="projection")
    places = [ArdKey(level=projection, group="projection") for projection in projections]
    heads = [
        Column(
            interim.label("level", projection), under="Patients whose response is still possible"
        )
        for projection in projections
    ]
    title = "Chance to reject H0 at the end"
    if interim.count("N", level="total", group="").text == "0":
        return Table("tlf-dsmb-outlook", title, heads, [], absent=NO_PATIENT)
    to_come = interim.find("n_planned", **total).value - interim.find("N", **total).value
    if to_come <= 0 and not interim.find("n_missing", **total).value:
        return Table("tlf-dsmb-outlook", title, heads, [], absent=NOTHING_TO_COME)
    rows: list[Row] = [
        Row(
            "Responders, of patients whose response is known",
            [Cell(interim.count(**place), " of ", interim.count("N", **place)) for place in places],
        ),
        Row("Conditional power (%), when the true rate is", kind="group"),
    ]
    p1, p0 = plan_text.number("design.p1"), plan_text.number("design.p0")
    for label, name in (
        (Cell("p1, desirable rate: ", p1), "conditional_power_p1"),
        (Cell("p0, unacceptable rate: ", p0), "conditional_power_p0"),
        ("the observed rate", "conditional_power_seen"),
    ):
        rows.append(Row(label, [interim.rate(name, **place) for place in places], "indent1"))
    estimand = ard.plan().estimand
    if estimand is None:
        return Table("tlf-dsmb-outlook", title, heads, rows)
    rows.append(
        Row(
            "Predictive probability (%)",
            [interim.rate("predictive_power", **place) for place in places],
        )
    )
    prior = estimand.prior
    numbers = ", ".join(formats.as_collected(each) for each in prior)
    notes = [
        TiedNote(
            f"Averaged over the posterior with the prior beta({numbers}).",
            rows={"stat": ["predictive_power"]},
        )
    ]
    return Table("tlf-dsmb-outlook", title, heads, rows, notes=notes)


# ---- 6.2 since the previous report ---------------------------------------------------------------


def changed() -> Table:
    """Listing 6-3: new deaths, serious and high-grade events and important deviations, by patient."""
    before = (_table("changes", None) or {}).get("previous")
    heads = (days.heading("Date"), "What", ard.plan().safety.scale, "Details")
    columns = [Column(words, numeric=False) for words in heads]
    absent = "There is no earlier report to compare with."
    if before and days.relative():
        absent = "Not assessable: the data have days since registration instead of dates."
    if not before or days.relative():
        return Table("tlf-dsmb-changed", "Patient", columns, [], absent=absent)
    since, by_grade = pd.Timestamp(before["cut_off"]), ard.plan().safety.by == "grade"
    adsl, adae, addv = (ard.dataset(name) for name in ("adsl", "adae", "addv"))
    treated = set(adsl.loc[adsl["SAFFL"] == "Y", "USUBJID"])
    died = adsl[(adsl["DTHDT"] > since) & adsl["USUBJID"].isin(treated)]
    lines = [
        (
            one["USUBJID"],
            one["DTHDT"],
            "Death",
            "",
            listing.cause_of_death(one),
            f"ADSL|{one['USUBJID']}",
        )
        for one in died.to_dict("records")
    ]
    high = listing.is_severe(adae)
    events = adae[(adae["ASTDT"] > since) & ((adae["AESER"] == "Y") | high)]
    for one in events[events["USUBJID"].isin(treated)].to_dict("records"):
        other = "High-grade adverse event" if by_grade else "Severe adverse event"
        what = "Serious adverse event" if one["AESER"] == "Y" else other
        grade = "" if pd.isna(one["ATOXGRN"]) else str(int(one["ATOXGRN"]))
        grade = grade if by_grade else coded(one["ASEV"] or "")
        place = f"ADAE|{one['USUBJID']}|{int(one['AESEQ'])}"
        lines.append((one["USUBJID"], one["ASTDT"], what, grade, coded(str(one["AEDECOD"])), place))
    deviations = addv[(addv["ADT"] > since) & (addv["DVCAT"] == "MAJOR")]
    for one in deviations.to_dict("records"):
        place = f"ADDV|{one['USUBJID']}|{int(one['DVSEQ'])}"
        words = coded(str(one["DVTERM"]))
        lines.append((one["USUBJID"], one["ADT"], "Important protocol deviation", "", words, place))
    lines.sort(key=lambda line: (line[0], line[1], line[2]))
    rows = [
        Row(who, (days.printed(day, who), what, grade, words), address=place)
        for who, day, what, grade, words, place in lines
    ]
    kind = "high-grade" if by_grade else "severe"
    none = f"No death, serious or {kind} event or important deviation since {before['cut_off']}."
    notes = [f"Since the data cut-off of the previous report, {before['cut_off']}."]
    return Table("tlf-dsmb-changed", "Patient", columns, rows, notes=notes, absent=none)
