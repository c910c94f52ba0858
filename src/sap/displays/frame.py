"""The frame of every display: number, title and population above it, notes and source below it.

A display is read alone, photocopied and pasted into a slide, so it carries everything that
identifies it. The frame is Markdown that Quarto and the built-in engine read alike.
"""

import re
from collections.abc import Iterable, Sequence

from sap import ard
from sap.catalogue.adam import ENTRY_OF
from sap.catalogue.reporting import all_in_plan, analysis, applied
from sap.displays import abbreviations, populations
from sap.displays.absence import not_there
from sap.displays.ard_lookup import Number, results
from sap.displays.escape import markdown_text
from sap.displays.formats import NC, NE, NOT_CALCULATED, typeset
from sap.displays.inline import RichText
from sap.displays.marks import TiedNote
from sap.displays.reason_words import note_of
from sap.displays.register import (
    ASSESSOR,
    Entry,
    Footnote,
    has_analysis,
    printed,
    register,
    title_of,
)
from sap.errors import RenderError

Note = str | RichText


def marks() -> dict[str, str]:
    """The marks in the place of a number, with what they mean in this report."""
    return {NE: "not estimable", NC: not_there()}


_LIMITS = {"conf_low", "conf_high", "conf_level"}
# The statistics that a display must hold for a part of a method to apply to it.
_APPLIES = {
    "Clopper-Pearson": _LIMITS,
    "Equal-tailed exact interval after Jung and Kim 2004": _LIMITS,
    "exact binomial test, one-sided": {"p_value"},
    "number of events": {"n_events"},
}
_COUNTED = "Distinct patients"
# Methods of counts and of plain summaries: a reader of the table sees what they are.
_SAYS_NOTHING = {
    _COUNTED,
    "Assessments",
    "Days between calendar dates",
    "Descriptive",
    "Distinct patients, and number of deviations",
    "Distinct patients, by the last disposition event",
    "Distinct patients, cumulative",
    "Distinct patients; cycles",
    "Distinct patients; dates",
    "Earliest and latest dates",
    "Patients",
    "Samples",
    "The plan",
}
_METHOD_WORDS = {
    "CTCAE 4.03 from numbers; patients, each once at the worst grade on treatment": "grades by CTCAE 4.03 "
    "from the values; patients, each once at the worst grade on treatment",
    "Laboratory: CTCAE 4.03 from numbers; reported: events": "laboratory: grades by CTCAE 4.03 from the "
    "values; reported: events",
}


def _statistic(number: Number) -> str:
    """The name of the statistic, the last part of its address."""
    return number.key.rpartition("|")[2]


def block(  # noqa: PLR0913 - the parts of a display
    display_id: str,
    body: str,
    *,
    notes: Iterable[Note | tuple[str, Note]] = (),
    numbers: Sequence[Number] = (),
    n: Number | None = None,
    part: tuple[str, str] = ("", ""),
    empty: bool = False,
    words: Iterable[str] = (),
) -> str:
    """The Markdown of one display.

    `body` is the raw HTML block, image or box; `notes` come after the catalogue's footnotes, one of
    particular cells with its letter (the catalogue's own of that kind are among them); from
    `numbers`, those in the body, the legend of NE, NC and - and the methods are written. `n` is the
    size of the population in the caption, by default that of the analysis set. `part` is one of several
    pages of a display: what its id ends with (nothing for the first, the one that lists of displays
    name), and the words after its title. An `empty` one has none of
    the catalogue's footnotes: they explain what is not there. A closed display in an open report, and one that
    plan or data do not allow, is nothing at all.
    """
    if not printed(display_id):
        return ""
    entry = register()[display_id]
    n = n or _size(entry)
    classes = [".tlf", f".tlf-{entry.kind}"]
    classes += [".tlf-further"] if part[0] else []
    # An empty display needs no page of its own.
    classes += [".landscape"] if entry.orientation == "landscape" and not empty else []
    classes += [".closed"] if entry.audience == "closed" else []
    fixed = () if empty else (*entry.footnotes, *_of_groups(entry))
    texts = [_of_plan(note) for note in fixed if isinstance(note, str)]
    lines = [typeset(text) for text in texts if text]
    lines += [*map(_note, notes), *_departures(entry), *_legend(entry, numbers)]
    caption = _caption(entry, n, part[1])
    lines += [*abbreviations.note([caption, body, *words, *lines]), _source(entry)]
    return "\n".join(
        [
            f"::: {{#{display_id}{part[0]} {' '.join(classes)}}}",
            "::: {.tlf-caption}",
            caption,
            ":::",
            "",
            body,
            "",
            "::: {.tlf-notes}",
            *(f"- {line}" for line in lines),
            ":::",
            ":::",
            "",
        ]
    )


def _of_plan(text: str) -> str:
    """A footnote as far as it applies to the plan of the run; empty where nothing of it does."""
    there = (ard.run_folder() / "tables" / "plan.json").is_file()
    if not there or not ("[[" in text or ASSESSOR in text):
        return text
    plan = ard.plan()
    return applied(text, plan).strip().replace(ASSESSOR, plan.tumour.assessor)


def _size(entry: Entry) -> Number | None:
    """The size of the population of a display of results; None for one about the plan or the report."""
    results_there = (ard.run_folder() / "ard.csv").is_file()
    if not entry.analysis or set(entry.source) == {"SAP"} or not results_there:
        return None
    sets = results("analysis_sets")
    known = sets.has("n", population=entry.population)
    return sets.count(population=entry.population) if known else None


def _caption(entry: Entry, n: Number | None, part: str) -> str:
    words = {"number": entry.label, "title": markdown_text(typeset(title_of(entry)))}
    if part:
        words["part"] = f"({markdown_text(part)})"
    if name := populations.caption(entry.population):
        size = f", N={n.markdown()}" if n else ""
        also = (
            f"; {populations.caption(entry.also)}" if entry.also and ard.plan().study.groups else ""
        )
        words["population"] = (
            f"Population: {markdown_text(typeset(name))}{size}{markdown_text(also)}"
        )
    return " ".join(f"[{text}]{{.tlf-{name}}}" for name, text in words.items())


def without_patients(display_id: str) -> str:
    """Why a display of treated patients is empty in a report of the DSMB; nothing where it is not.

    The DSMB's own displays say by themselves what they hold before the first dose.
    """
    entry = register()[display_id]
    of_treated = entry.population in ("SAFETY", "PRIMARY", "SEVERAL", "RESPONDERS")
    of_treated &= not display_id.startswith("tlf-dsmb-")
    if not of_treated or str(ard.run_facts().get("kind", "")) != "dsmb":
        return ""
    counted = entry.population if entry.population in ("SAFETY", "PRIMARY") else "PRIMARY"
    n = _size(entry.model_copy(update={"population": counted}))
    return "No patient of this set has been treated yet." if n is not None and n.text == "0" else ""


def absent(display_id: str, why: str, notes: Iterable[Note] = ()) -> str:
    """The display when there is nothing to show: the same frame around a box that gives the reason."""
    if not why.strip():
        raise RenderError(f"{display_id} is empty and gives no reason.\nGive it one.")
    body = f"::: {{.tlf-absent}}\n{markdown_text(typeset(why))}\n:::"
    return block(display_id, body, notes=notes, empty=True)


def _note(note: Note | tuple[str, Note]) -> str:
    if isinstance(note, tuple):
        letter, text = note
        return f"^{letter}^ {_note(text)}"
    return str(note) if isinstance(note, RichText) else markdown_text(typeset(note))


def tied_footnotes(display_id: str) -> list[TiedNote]:
    """The footnotes of the register that explain particular cells of a display."""
    entry = register()[display_id]
    tied = [one for one in (*entry.footnotes, *_of_groups(entry)) if isinstance(one, Footnote)]
    return [
        TiedNote(text, one.rows, one.groups, one.columns, one.cells)
        for one in tied
        if (text := _of_plan(one.text))
    ]


def _of_groups(entry: Entry) -> tuple[str | Footnote, ...]:
    """The footnotes about group A and re-screening, in a report of a plan that has them."""
    if not entry.footnotes_of_groups or not ard.plan().study.groups:
        return ()
    return entry.footnotes_of_groups


def _departures(entry: Entry) -> list[str]:
    """Each departure from the plan that moves a result this display shows."""
    if not (ard.run_folder() / "tables" / "deviations.json").is_file():
        return []
    return [
        markdown_text(
            f"{one['id']}, {one['section']}. Planned: {one['planned']} Done: {one['done']}"
        )
        for one in ard.table("deviations")
        if set(one["results_affected"]) & set(entry.analysis)
    ]


def _legend(entry: Entry, numbers: Sequence[Number]) -> list[str]:
    """NE, NC and - where they occur, and the methods. A table with more than one reason has them at its cells."""
    lines = []
    for mark, words in marks().items():
        of_mark = [number for number in numbers if re.search(rf"\b{mark}\b", number.text)]
        if of_mark:
            known = list(_reasons(of_mark))
            at_cells = entry.kind != "figure" and len(known) > 1
            why = f": {'; '.join(known)}" if known and not at_cells else ""
            lines.append(markdown_text(typeset(f"{mark}, {words}{why}.")))
    if any(number.text == NOT_CALCULATED for number in numbers):
        lines.append(markdown_text(f"{NOT_CALCULATED}, not calculated."))
    methods = [_METHOD_WORDS.get(one, one) for one in _methods(numbers) if one not in _SAYS_NOTHING]
    if methods:
        lines.append(f"Method: {markdown_text(typeset('; '.join(methods)))}.")
    return lines


def reasons(numbers: Sequence[Number]) -> list[TiedNote]:
    """The reasons of NE and of NC, tied to their cells where a table has more than one of the same mark."""
    notes = []
    for mark, words in marks().items():
        of_mark = [number for number in numbers if re.search(rf"\b{mark}\b", number.text)]
        known = _reasons(of_mark)
        if len(known) > 1:
            for why, keys in known.items():
                text = f"{words[0].upper()}{words[1:]}: {why}."
                notes.append(TiedNote(text, keys=frozenset(keys)))
    return notes


def _reasons(numbers: Sequence[Number]) -> dict[str, list[str]]:
    """Each reason once, with the keys of its numbers.

    Those that differ only in their number of patients are one: `of 22, 7 and 15 patients`.
    """
    sizes: dict[str, list[str]] = {}
    keys: dict[str, list[str]] = {}
    for number in numbers:
        if not number.reason:
            continue
        reason = note_of(number.reason)
        what, of, n = reason.removesuffix(" patients").rpartition(" of ")
        counted = bool(of) and n.isdecimal()
        name = what if counted else reason
        of_name = sizes.setdefault(name, [])
        of_name += [n] if counted and n not in of_name else []
        keys.setdefault(name, []).append(number.key)
    return {name + _of_patients(sizes[name]): of_name for name, of_name in keys.items()}


def _of_patients(sizes: Sequence[str]) -> str:
    """`of 22, 7 and 15 patients`; nothing where a reason has no number of patients."""
    if not sizes:
        return ""
    return f" of {' and '.join(filter(None, (', '.join(sizes[:-1]), sizes[-1])))} patients"


def _methods(numbers: Sequence[Number]) -> list[str]:
    """The methods of the numbers, each once: one whose parts are all in another's is not repeated.

    An interval or a test that the display does not show is not its method: counts of patients are left.
    """
    present = {_statistic(number) for number in numbers}
    methods = list(
        dict.fromkeys(
            "; ".join(w for w in number.method.split("; ") if present & _APPLIES.get(w, present))
            or _COUNTED
            for number in numbers
            if number.method
        )
    )
    words = {method: set(method.split("; ")) for method in methods}
    return [
        one
        for one in methods
        if not any(words[one] < words[other] or other.endswith(f": {one}") for other in methods)
    ]


def _source(entry: Entry) -> str:
    facts = ard.run_facts()
    there = (ard.run_folder() / "tables" / "plan.json").is_file()
    made = [
        name
        for name in map(_of_plan, entry.source)
        if name and (not there or name not in ENTRY_OF or all_in_plan([ENTRY_OF[name]], ard.plan()))
    ]
    parts = [", ".join(made)]
    # An open report names no analysis that it does not hold.
    open_ = facts.get("audience") == "open"
    analyses = [
        name
        for name in entry.analysis
        if (not open_ or analysis(name).audience == "open") and has_analysis(name)
    ]
    parts += [f"ARD {', '.join(analyses)}"] if analyses else []
    of_groups = entry.section_of_groups if there and ard.plan().study.groups else ""
    section = of_groups or entry.section
    parts += [section] if section.startswith("SAP") else []
    return f"Source: {markdown_text('; '.join(parts))}."
