"""Adverse events and deaths: overview, preferred terms, relation and action, rates of interest."""

from collections.abc import Sequence

import pandas as pd

from sap import ard
from sap.catalogue.reporting import analysis
from sap.displays import plan_text
from sap.displays.ard_lookup import ArdKey, Number, Results, results
from sap.displays.escape import coded
from sap.displays.figure import Figure
from sap.displays.frame import Note
from sap.displays.inline import RichText
from sap.displays.marks import TiedNote
from sap.displays.rates import ci_header
from sap.displays.table import Cell, Column, Content, Row, Table, limits, n_pct
from sap.plan.model import SEVERITIES, SafetyRate

GRADES = ("GR1", "GR2", "GR3", "GR4", "GR5")


def _scale() -> tuple[str, tuple[str, ...], str]:
    """The plan's scale of events: the head of its columns, its PARAMCDs, and that of events without one."""
    if ard.plan().safety.by == "grade":
        return "Worst grade", GRADES, "GRMISS"
    return "Worst severity", SEVERITIES, "SEVMISS"


ALL_TREATED = "All treated"
NO_EVENTS = "No treatment-emergent adverse event was recorded."
RELATED = (
    "related",
    "related_severe_grade",
    "related_serious",
    "related_serious_or_severe_grade",
    "related_drug_withdrawn",
    "related_fatal",
)
"""The lines of the overview that are part of the line above."""
IN_TEXT = ("not_serious", "not_serious_action_missing")
"""The levels of the overview that the text names and no line has."""


def _lines() -> list[str]:
    """The groups of the lines of therapy."""
    return [item.id for item in analysis("ae_overview").items("group")]


def line_label(group: str) -> str:
    """The head of the column of all treated patients, or of a line of therapy."""
    return results("ae_overview").label("group", group) if group else ALL_TREATED


def lines_of(rows: Results, **where: str) -> list[str]:
    """The groups with a column: all treated patients, and each line of therapy with a patient."""
    with_rows = rows.values("group", population="SAFETY")

    def size(group: str) -> float:
        place = ArdKey(population="SAFETY", group=group, **where)  # type: ignore[typeddict-item]
        return rows.find("N", **place).value

    return [g for g in ("", *_lines()) if g in with_rows and (not g or size(g))]


def severe_label() -> str:
    """The plan's grade from which events are listed by themselves: `Grade ≥ 3`."""
    return results("ae_overview").label("level", "severe_grade")


def overview() -> Table:
    """`tlf-ae-overview`: patients and events for each kind of event, all patients and by line of therapy."""
    events = results("ae_overview")
    groups = lines_of(events, level="any")
    rows = []
    for level in events.values("level"):
        if level in IN_TEXT:
            continue
        cells: list[Content] = []
        for group in groups:
            place = ArdKey(level=level, group=group)
            cells.append(n_pct(events.count(**place), events.percent(**place)))
            if not group:
                cells.append(events.count("n_events", **place))
        rows.append(Row(events.label("level", level), cells, "indent1" if level in RELATED else ""))
    rows += _progression(groups)
    columns = []
    for group in groups:
        n = events.count("N", level="any", group=group)
        columns.append(Column(f"{line_label(group)}, n (%)", n))
        columns += [] if group else [Column("Events")]
    stub = "Treatment-emergent adverse event"
    return Table("tlf-ae-overview", stub, columns, rows, notes=_collected())


def _progression(groups: Sequence[str]) -> list[Row]:
    """Disease progression reported as an event, in no line above; not in the open report."""
    events = results("ae_progression")
    if not len(events):
        return []
    labels = {"any": events.label("paramcd", "PROG"), "fatal": events.label("level", "fatal")}
    rows: list[Row] = []
    for level, label in labels.items():
        cells: list[Content] = []
        for group in groups:
            place = ArdKey(level=level, group=group)
            cells.append(n_pct(events.count(**place), events.percent(**place)))
            cells += [] if group else [events.count("n_events", **place)]
        rows.append(Row(label, cells, "indent1"))
    return [Row("Not included above", kind="group"), *rows, *_later(groups)]


def _later(groups: Sequence[str]) -> list[Row]:
    """Fatal adverse events that began after the window, where there are; their counts are not by line."""
    events, place = results("fatal_events"), ArdKey(level="after_window", sublevel="")
    if not events.has("n", **place) or not events.find("n", **place).value:
        return []
    n = n_pct(events.count(**place), events.percent(**place))
    cells = [
        content
        for group in groups
        for content in (("",) if group else (n, events.count("n_events", **place)))
    ]
    when = events.label("level", "after_window")
    return [Row(f"Fatal adverse event, began {when[:1].lower()}{when[1:]}", cells, "indent1")]


def _ordered(events: Results, level: str | None, paramcd: str = "ANY") -> list[str]:
    """SOCs, or the terms of one SOC, by descending frequency, then by name."""
    axis = "level" if level is None else "sublevel"

    def place(value: str) -> ArdKey:
        inner = (
            ArdKey(level=value, sublevel="")
            if level is None
            else ArdKey(level=level, sublevel=value)
        )
        return ArdKey(**inner, paramcd=paramcd, group="")

    values = events.values(axis) if level is None else events.values(axis, level=level)
    sizes = {v: events.find("n", **place(v)).value for v in values if v}
    return sorted((v for v in sizes if sizes[v]), key=lambda v: (-sizes[v], v))


def _terms(display_id: str, paramcds: Sequence[str], columns: list[Column], plain: bool) -> Table:
    """Each SOC with its terms, one column for each of `paramcds`; `plain`: counts of grades without percent."""
    events = results("ae_soc_pt")

    def line(level: str, sublevel: str) -> Row:
        cells: list[Content] = []
        for paramcd in paramcds:
            place = ArdKey(paramcd=paramcd, level=level, sublevel=sublevel, group="")
            n = events.count(**place)
            count_only = plain and paramcd not in ("ANY", "GRSEV")
            cells.append(n if count_only else n_pct(n, events.percent(**place)))
        return Row(coded(sublevel or level), cells, "indent1" if sublevel else "total")

    rows: list[Row] = []
    for soc in _ordered(events, None) if len(events) else []:
        rows.append(line(soc, ""))
        rows += [line(soc, term) for term in _ordered(events, soc)]
    stub = "System organ class, preferred term"
    return Table(display_id, stub, columns, rows, notes=_collected(), absent=NO_EVENTS)


def _total() -> Number:
    return results("ae_overview").count("N", level="any", group="")


def soc_pt() -> Table:
    """`tlf-ae-soc-pt`: worst grade by SOC and preferred term."""
    label = analysis("ae_soc_pt").text
    plan = ard.plan()
    columns = [Column(label("paramcd", "ANY", plan), _total())]
    head, scale, missing = _scale()
    columns += [Column(label("paramcd", one, plan), under=head) for one in (*scale, missing)]
    last = ("GRSEV",) if plan.safety.by == "grade" else ()  # of severities it is the column SEVERE
    columns += [Column(label("paramcd", one, plan)) for one in last]
    return _terms("tlf-ae-soc-pt", ("ANY", *scale, missing, *last), columns, plain=True)


def kinds() -> Table:
    """`tlf-ae-kinds`: related, serious, action taken with study treatment, and fatal.

    Where the action of an event is missing or unknown, a column has the patients with such an event, so
    that a 0 for an action is not read as "no action was taken".
    """
    heads = {
        "ANY": ("Any", ""),
        "REL": ("Any", "Related"),
        "RELSEV": (severe_label(), "Related"),
        "SER": ("Any", "Serious"),
        "RELSER": ("Related", "Serious"),
        "REDUCED": ("Dose reduced", "Action taken"),
        "DELAYED": ("Drug interrupted", "Action taken"),
        "STOPPED": ("Drug withdrawn", "Action taken"),
        "NOACTION": ("Missing or unknown", "Action taken"),
        "FATAL": ("Fatal", ""),
    }
    overview_, missing = results("ae_overview"), ArdKey(level="action_missing", group="")
    if not overview_.has("n", **missing) or not overview_.find("n", **missing).value:
        del heads["NOACTION"]
    columns = [
        Column(head, _total() if paramcd == "ANY" else None, under=under)
        for paramcd, (head, under) in heads.items()
    ]
    return _terms("tlf-ae-kinds", list(heads), columns, plain=False)


def severe() -> Table:
    """`tlf-ae-severe`: terms from the plan's grade, by frequency, all patients and by line of therapy."""
    events, overview_ = results("ae_soc_pt"), results("ae_overview")
    places = [
        (soc, term)
        for soc in events.values("level")
        for term in events.values("sublevel", level=soc)
    ]
    groups = lines_of(overview_, level="any")

    def n_of(place: tuple[str, str]) -> float:
        return events.find("n", group="", paramcd="GRSEV", level=place[0], sublevel=place[1]).value

    with_patient = sorted(
        (p for p in places if p[1] and n_of(p)), key=lambda p: (-n_of(p), p[1], p[0])
    )
    rows = []
    for soc, term in with_patient:
        cells: list[Content] = []
        for group in groups:
            place = ArdKey(group=group, paramcd="GRSEV", level=soc, sublevel=term)
            n = events.count_or_zero(**place)
            cells.append(n_pct(n, events.percent(**place)) if events.has("n", **place) else n)
        rows.append(Row(coded(term), cells))
    columns = [
        Column(f"{line_label(g)}, n (%)", overview_.count("N", level="any", group=g))
        for g in groups
    ]
    label = severe_label()
    absent = f"No treatment-emergent adverse event of {label[0].lower()}{label[1:]} was recorded."
    return Table("tlf-ae-severe", "Preferred term", columns, rows, absent=absent)


def _rate(rates: Results, place: ArdKey) -> tuple[Content, Content]:
    """Count with percent, and the interval; of a rate that is only bounded, both bounds."""
    n = rates.count(**place)
    between = limits(rates.rate("conf_low", **place), rates.rate("conf_high", **place))
    if rates.has("estimate_lowest", **place):
        low, high = (rates.rate(f"estimate_{end}", **place) for end in ("lowest", "highest"))
        return Cell(n, " (", low, " to ", high, ")"), between
    estimable = rates.find("estimate", **place).estimable
    return (n_pct(n, rates.percent(**place)) if estimable else n), between


def _rules(rates: Results) -> list[SafetyRate]:
    """The rates of the results in the order of the plan."""
    with_rows = rates.values("level")
    return [rule for rule in ard.plan().safety_rates.rates if rule.id in with_rows]


def _published(rates: Results) -> list[str]:
    """The trials of the published rates."""
    return [g for g in rates.values("group") if g and g not in _lines()]


def rates() -> Table:
    """`tlf-ae-rates`: the plan's rates of interest and the published ones."""
    rates_ = results("ae_rates")
    rules, published = _rules(rates_), _published(rates_)
    groups = [*lines_of(rates_, level=rules[0].id), *published] if rules else []
    rows = []
    definitions: dict[str, list[str]] = {}
    for rule in rules:
        cells: list[Content] = []
        for group in groups:
            place = ArdKey(level=rule.id, group=group)
            cells += _rate(rates_, place) if rates_.has("N", **place) else ("", "")
            if group in published and rates_.has("definition", **place):
                text = rates_.find("definition", **place).words
                definitions.setdefault(group, []).append(f"{rule.name.lower()}: {text}")
        rows.append(Row(rule.name, cells))
    columns = []
    for group in groups:
        first = next(rule.id for rule in rules if rates_.has("N", level=rule.id, group=group))
        n = rates_.count("N", level=first, group=group)
        under = group if group in published else line_label(group)
        columns.append(Column("n (%)", n, under=under))
        columns.append(Column(ci_header(rates_, level=first, group=group), under=under))
    notes = [
        TiedNote(f"{trial} counts {'; '.join(of)}.", columns={"group": [trial]})
        for trial, of in definitions.items()
    ]
    notes += [*_terms_counted(), *_ungraded(rates_)]
    notes += [TiedNote(text, rows={"level": [rate]}) for rate, text in _deaths_counted().items()]
    return Table("tlf-ae-rates", "Rate", columns, rows, notes=notes, absent=NO_EVENTS)


def _collected() -> list[Note]:
    """The lowest grade of which all events were collected, where it is above 1."""
    if ard.plan().safety_rates.collected_from <= 1:
        return []
    return [
        RichText(
            "Events below grade ",
            plan_text.number("safety_rates.collected_from_grade"),
            " were not all recorded: counts of any or of a lower grade are of the recorded events.",
        )
    ]


def _terms_counted() -> list[TiedNote]:
    """The preferred terms of the reported rates, where they are not the name of the rate."""
    rules: dict[str, list[str]] = {}
    for rule in ard.plan().safety_rates.rates:
        name = rule.name.partition(",")[0]
        if rule.kind == "reported" and [name.upper()] != rule.terms:
            terms = ", ".join(coded(term).lower() for term in rule.terms)
            rules.setdefault(terms, []).append(rule.id)
    return [TiedNote(f"Preferred terms {of}.", rows={"level": ids}) for of, ids in rules.items()]


def _ungraded(rates: Results) -> list[TiedNote]:
    """For each rate the patients who have only an event without a grade."""
    notes = []
    for rule in ard.plan().safety_rates.rates:
        place = ArdKey(level=rule.id, group="")
        if rule.kind != "reported" or not rates.has("n_ungraded", **place):
            continue
        if rates.find("n_ungraded", **place).value == 0:
            continue
        counted = "counted" if rule.lowest == 1 else "not counted"
        n = rates.count("n_ungraded", **place)
        words = "an ungraded event" if ard.plan().safety.by_grade else "an event without a severity"
        text = RichText(f"Patients with {words} only, {counted}: ", n, ".")
        notes.append(TiedNote(text, rows={"level": [rule.id]}))
    return notes


def _deaths_counted() -> dict[str, RichText]:
    """The definition of each rate of the plan that counts deaths, by its id."""
    return {
        rule.id: RichText(
            f"{rule.name}: death within ",
            plan_text.number("safety.days_after_last_dose"),
            " days of the last dose from a cause other than progression.",
        )
        for rule in _rules(results("ae_rates"))
        if rule.kind == "death"
    }


_DRAWN = {
    "percent": "estimate",
    "low": "conf_low",
    "high": "conf_high",
    "lowest": "estimate_lowest",
    "highest": "estimate_highest",
}


def _in_words(rates: Results, place: ArdKey) -> str:
    """A rate or its two bounds, with the interval, for the alternative text of the figure."""
    ends = ", ".join(rates.percent(s, **place).text for s in ("conf_low", "conf_high"))
    if rates.has("estimate_lowest", **place):
        low, high = (
            rates.percent(f"estimate_{end}", **place).text for end in ("lowest", "highest")
        )
        return f"between {low} and {high} percent ({ends})"
    return f"{rates.percent(**place).text} percent ({ends})"


def dots() -> Figure:
    """`tlf-ae-dots`: the rates of interest, those of this trial as filled dots, and the published ones."""
    from sap.displays.plots import ae_dot_plot

    rates_ = results("ae_rates")
    this_study, points = "This study", []
    rules, published = _rules(rates_), _published(rates_)
    in_words = []
    for rule in rules:
        for group in ("", *published):
            place = ArdKey(level=rule.id, group=group)
            values = {
                name: 100 * rates_.find(stat_name, **place).value
                for name, stat_name in _DRAWN.items()
                if rates_.has(stat_name, **place) and rates_.find(stat_name, **place).estimable
            }
            if not {"percent", "lowest"} & set(values):
                continue
            points.append({"term": rule.name, "series": group or this_study, **values})
            if not group:
                in_words.append(f"{rule.name} {_in_words(rates_, place)}")
    if not in_words:
        return Figure("tlf-ae-dots", None, "", absent="No rate is estimable.")
    plot = ae_dot_plot(
        pd.DataFrame(points), series=[this_study, *published], x_title="Patients (%)"
    )
    first = ArdKey(level=rules[0].id, group="")
    n = rates_.count("N", **first)
    alt = (
        f"Dot plot of rates of adverse events in {n.text} treated patients"
        f"{' and of ' if published else ''}{', '.join(published)}: {'; '.join(in_words)}."
    )
    notes: list[Note] = [f"Lines: exact {ci_header(rates_, **first).removesuffix(' (%)')}."]
    if any("lowest" in point for point in points):
        notes.append(
            "A thick line in place of a dot: the rate lies between its bounds; its exact value is not known."
        )
    notes += _deaths_counted().values()
    numbers = [rates_.percent(**first)]
    numbers += [rates_.percent("conf_low", **first)] if rates_.has("conf_low", **first) else []
    return Figure("tlf-ae-dots", plot, alt, height=3.8, notes=notes, n=n, numbers=numbers)


def deaths() -> Table:
    """`tlf-deaths`: deaths of treated patients by time since the last dose and by cause."""
    deaths_ = results("deaths")
    groups = lines_of(deaths_, level="all", sublevel="")
    rows: list[Row] = []
    for level in deaths_.values("level"):
        causes = [""]
        if level == "all" or deaths_.find("n", group="", level=level, sublevel="").value:
            causes += [cause for cause in deaths_.values("sublevel", level=level) if cause]
        for cause in causes:
            cells: list[Content] = []
            for group in groups:
                place = ArdKey(group=group, level=level, sublevel=cause)
                cells.append(n_pct(deaths_.count(**place), deaths_.percent(**place)))
            label = deaths_.label("sublevel", cause) if cause else deaths_.label("level", level)
            part = cause.startswith("progression_")
            rows.append(Row(label, cells, "indent2" if part else "indent1" if cause else ""))
    columns = [
        Column(f"{line_label(g)}, n (%)", deaths_.count("N", group=g, level="all", sublevel=""))
        for g in groups
    ]
    return Table("tlf-deaths", "Death", columns, rows)
