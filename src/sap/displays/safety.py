"""Adverse events and deaths: overview, terms, kinds, rates beside published ones."""

from collections.abc import Sequence

import pandas as pd

from sap import ard
from sap.displays import plan_text
from sap.displays.ard_lookup import ArdKey, Number, Results, results
from sap.displays.escape import coded
from sap.displays.figure import Figure
from sap.displays.frame import Note
from sap.displays.inline import RichText
from sap.displays.response import ci_header
from sap.displays.table import Cell, Column, Content, Row, Table, limits, n_pct

GRADES = ("GR1", "GR2", "GR3", "GR4", "GR5")
LINES = {"": "All treated", "second line": "Second line", "third line": "Third line"}
NO_EVENTS = "Not in the data: no treatment-emergent adverse event was recorded."


def lines_of(found: Results, **where: str) -> list[str]:
    """All patients, and each line of therapy that somebody had."""
    groups = found.values("group", population="SAFETY")
    sizes = {
        g: found.find("N", **ArdKey(population="SAFETY", group=g, **where)).value  # type: ignore[typeddict-item]
        for g in LINES
        if g in groups
    }
    return [g for g, n in sizes.items() if not g or n]


def severe_words() -> str:
    """The level that holds the plan's severe grade: `Grade >= 3`."""
    levels = results("ae_overview").values("level")
    return next(v for v in levels if v.startswith("Grade >= "))


def overview() -> Table:
    """Table 14.3.1.1: participants and events, line by line, all patients and by line of therapy."""
    found = results("ae_overview")
    severe = severe_words()
    grade = severe.removeprefix("Grade")
    order = (
        "Any",
        "Related",
        severe,
        f"Related, grade{grade}",
        "Grade not recorded",
        "Serious",
        "Related, serious",
        f"Serious or grade{grade}",
        f"Related, serious or grade{grade}",
        "Leading to dose reduction",
        "Leading to delay",
        "Leading to discontinuation",
        "Related, leading to discontinuation",
        "Fatal",
        "Related, fatal",
    )
    groups = lines_of(found, level="Any")
    rows = []
    for level in order:
        cells: list[Content] = []
        for group in groups:
            place = ArdKey(level=level, group=group)
            cells.append(n_pct(found.count(**place), found.percent(**place)))
            if not group:
                cells.append(found.count("n_events", **place))
        rows.append(Row(level, cells, "indent1" if level.startswith("Related") else ""))
    rows += _progression(groups)
    columns = []
    for group in groups:
        n = found.count("N", level="Any", group=group)
        columns.append(Column(f"{LINES[group]}, n (%)", n))
        columns += [] if group else [Column("Events")]
    event = "Treatment-emergent adverse event"
    return Table("tlf-ae-overview", event, columns, rows, notes=_registered())


def _progression(groups: Sequence[str]) -> list[Row]:
    """Events of the disease itself, which are in no line above; not in the open report."""
    found = results("ae_progression")
    if not len(found):
        return []
    rows: list[Row] = []
    for level, words in (("Any", "Disease progression, reported as an event"), ("Fatal", "Fatal")):
        cells: list[Content] = []
        for group in groups:
            place = ArdKey(level=level, group=group)
            cells.append(n_pct(found.count(**place), found.percent(**place)))
            cells += [] if group else [found.count("n_events", **place)]
        rows.append(Row(words, cells, "indent1"))
    return [Row("Apart, in no line above", kind="group"), *rows]


def _ordered(found: Results, level: str | None, paramcd: str = "ANY") -> list[str]:
    """SOCs, or the terms of one SOC, by falling number of patients, then by name."""
    axis = "level" if level is None else "sublevel"

    def place(value: str) -> ArdKey:
        inner = (
            ArdKey(level=value, sublevel="")
            if level is None
            else ArdKey(level=level, sublevel=value)
        )
        return ArdKey(**inner, paramcd=paramcd, group="")

    values = [
        v for v in (found.values(axis) if level is None else found.values(axis, level=level)) if v
    ]
    sizes = {v: found.find("n", **place(v)).value for v in values}
    return sorted((v for v in values if sizes[v]), key=lambda v: (-sizes[v], v))


def _terms(display_id: str, paramcds: Sequence[str], columns: list[Column], plain: bool) -> Table:
    """Each SOC with its terms; a cell for each of `paramcds`, percent in all or in the wide ones."""
    found = results("ae_soc_pt")

    def line(level: str, sublevel: str) -> Row:
        cells: list[Content] = []
        for paramcd in paramcds:
            place = ArdKey(paramcd=paramcd, level=level, sublevel=sublevel, group="")
            n = found.count(**place)
            bare = plain and paramcd not in ("ANY", "GRSEV")
            cells.append(n if bare else n_pct(n, found.percent(**place)))
        return Row(coded(sublevel or level), cells, "indent1" if sublevel else "total")

    rows: list[Row] = []
    for soc in _ordered(found, None) if len(found) else []:
        rows.append(line(soc, ""))
        rows += [line(soc, term) for term in _ordered(found, soc)]
    term = "System organ class, preferred term"
    return Table(display_id, term, columns, rows, notes=_registered(), absent=NO_EVENTS)


def _total() -> Number:
    return results("ae_overview").count("N", level="Any", group="")


def soc_pt() -> Table:
    """Table 14.3.1.2: worst grade by SOC and preferred term."""
    columns = [Column("Any", _total())]
    columns += [Column(g.removeprefix("GR"), under="Worst grade") for g in GRADES]
    columns += [Column("Not graded", under="Worst grade"), Column(severe_words())]
    return _terms("tlf-ae-soc-pt", ("ANY", *GRADES, "GRMISS", "GRSEV"), columns, plain=True)


def kinds() -> Table:
    """Table 14.3.1.3: related, serious, and what was done with the study drug."""
    severe = severe_words().lower()
    heads = (
        ("ANY", "Any", ""),
        ("REL", "Any", "Related"),
        ("RELSEV", severe.capitalize(), "Related"),
        ("SER", "Any", "Serious"),
        ("RELSER", "Related", "Serious"),
        ("REDUCED", "Reduced", "Dose"),
        ("DELAYED", "Delayed", "Dose"),
        ("STOPPED", "Stopped", "Dose"),
        ("FATAL", "Fatal", ""),
    )
    columns = [
        Column(words, _total() if paramcd == "ANY" else None, under=under)
        for paramcd, words, under in heads
    ]
    return _terms("tlf-ae-kinds", [p for p, _, _ in heads], columns, plain=False)


def severe() -> Table:
    """Table 14.3.1.4: terms of the severe grade, by frequency, all patients and by line of therapy."""
    found = results("ae_soc_pt")
    places = [
        (soc, term) for soc in found.values("level") for term in found.values("sublevel", level=soc)
    ]
    groups = lines_of(results("ae_overview"), level="Any")

    def n(place: tuple[str, str]) -> float:
        return found.find("n", group="", paramcd="GRSEV", level=place[0], sublevel=place[1]).value

    shown = sorted((p for p in places if p[1] and n(p)), key=lambda p: (-n(p), p[1], p[0]))
    rows = []
    for soc, term in shown:
        cells: list[Content] = []
        for group in groups:
            place = ArdKey(group=group, paramcd="GRSEV", level=soc, sublevel=term)
            n_there = found.count_or_zero(**place)
            there = found.has("n", **place)
            cells.append(n_pct(n_there, found.percent(**place)) if there else n_there)
        rows.append(Row(coded(term), cells))
    whole = results("ae_overview")
    columns = [Column(f"{LINES[g]}, n (%)", whole.count("N", level="Any", group=g)) for g in groups]
    absent = f"No treatment-emergent adverse event of {severe_words().lower()} was recorded."
    return Table("tlf-ae-severe", "Preferred term", columns, rows, absent=absent)


def _rate(found: Results, place: ArdKey) -> tuple[Content, Content]:
    """Count with percent, and the interval; a rate between two ends shows both."""
    n = found.count(**place)
    between = limits(found.percent("conf_low", **place), found.percent("conf_high", **place))
    if found.has("estimate_lowest", **place):
        low, high = (found.percent(f"estimate_{end}", **place) for end in ("lowest", "highest"))
        return Cell(n, " (", low, " to ", high, ")"), between
    estimable = found.find("estimate", **place).estimable
    return (n_pct(n, found.percent(**place)) if estimable else n), between


def _rate_levels(found: Results) -> list[str]:
    """The rates in the order of the plan."""
    named = [rate["name"] for rate in ard.table("plan")["safety_rates"]["rates"]]
    return [name for name in named if name in found.values("level")]


def rates() -> Table:
    """Table 14.3.1.5: the plan's rates of interest beside the published ones."""
    found = results("ae_rates")
    published = [g for g in found.values("group") if g not in LINES]
    groups = [*lines_of(found, level=_rate_levels(found)[0]), *published] if len(found) else []
    rows = []
    told: dict[str, list[str]] = {}
    for level in _rate_levels(found):
        cells: list[Content] = []
        for group in groups:
            place = ArdKey(level=level, group=group)
            cells += _rate(found, place) if found.has("N", **place) else ("", "")
            if group in published and found.has("definition", **place):
                said = found.find("definition", **place).words
                told.setdefault(group, []).append(f"{level.lower()}: {said}")
        rows.append(Row(level, cells))
    columns = []
    for group in groups:
        first = next(lv for lv in _rate_levels(found) if found.has("N", level=lv, group=group))
        n = found.count("N", level=first, group=group)
        under = LINES.get(group, group)
        columns.append(Column("n (%)", n, under=under))
        columns.append(Column(ci_header(found, level=first, group=group), under=under))
    notes: list[Note] = [f"{trial} counts {'; '.join(said)}." for trial, said in told.items()]
    notes += [*_terms_counted(), *_ungraded(found), *_deaths_counted()]
    return Table("tlf-ae-rates", "Rate", columns, rows, notes=notes, absent=NO_EVENTS)


def _registered() -> list[Note]:
    """That milder events were not all registered, where that is so."""
    if ard.table("plan")["safety_rates"]["collected_from_grade"] <= 1:
        return []
    return [
        RichText(
            "Events below grade ",
            plan_text.number("safety_rates.collected_from_grade"),
            " were not all registered: a count of any or of a lower grade is of what was registered.",
        )
    ]


def _terms_counted() -> list[Note]:
    """The preferred terms of the reported rates that count others than the one they are named after."""
    told = {}
    for rate in ard.table("plan")["safety_rates"]["rates"]:
        name = rate["name"].partition(",")[0]
        if rate["kind"] == "reported" and [name.upper()] != rate["terms"]:
            told[name] = ", ".join(coded(term).lower() for term in rate["terms"])
    return [f"Reported {name.lower()} counts the terms {terms}." for name, terms in told.items()]


def _ungraded(found: Results) -> list[Note]:
    """Of how many patients an event of a rate has no grade; one note for all rates."""
    parts: list[str | Number] = []
    for rate in ard.table("plan")["safety_rates"]["rates"]:
        place = ArdKey(level=rate["name"], group="")
        if rate["kind"] != "reported" or not found.has("n_ungraded", **place):
            continue
        if found.find("n_ungraded", **place).value == 0:
            continue
        counted = "counted" if rate["from_grade"] == 1 else "not counted"
        n = found.count("n_ungraded", **place)
        parts += ["; " if parts else "", f"{rate['name']} {counted}: ", n]
    return (
        [RichText("Patients who have only an event without a grade: ", *parts, ".")]
        if parts
        else []
    )


def _deaths_counted() -> list[Note]:
    """What each rate of the plan that counts deaths counts."""
    return [
        RichText(
            f"{rate['name']}: a death at most ",
            plan_text.number("safety.days_after_last_dose"),
            " days after the last dose whose cause is not progression.",
        )
        for rate in ard.table("plan")["safety_rates"]["rates"]
        if rate["kind"] == "death"
    ]


_DRAWN = {
    "percent": "estimate",
    "low": "conf_low",
    "high": "conf_high",
    "lowest": "estimate_lowest",
    "highest": "estimate_highest",
}


def _in_words(found: Results, place: ArdKey) -> str:
    """A rate or its two ends, with the interval, for those who cannot see the figure."""
    ends = ", ".join(found.percent(s, **place).text for s in ("conf_low", "conf_high"))
    if found.has("estimate_lowest", **place):
        low, high = (
            found.percent(f"estimate_{end}", **place).text for end in ("lowest", "highest")
        )
        return f"between {low} and {high} percent ({ends})"
    return f"{found.percent(**place).text} percent ({ends})"


def dots() -> Figure:
    """Figure 14.3.1.6: the rates of interest, ours a filled dot, the published ones beside."""
    from sap.displays.plots import ae_dot_plot

    found = results("ae_rates")
    ours, points = "This trial", []
    published = [g for g in found.values("group") if g not in LINES]
    said = []
    for level in _rate_levels(found):
        for group in ("", *published):
            place = ArdKey(level=level, group=group)
            drawn = {
                name: 100 * found.find(stat_name, **place).value
                for name, stat_name in _DRAWN.items()
                if found.has(stat_name, **place) and found.find(stat_name, **place).estimable
            }
            if not {"percent", "lowest"} & set(drawn):
                continue
            points.append({"term": level, "series": group or ours, **drawn})
            if not group:
                said.append(f"{level} {_in_words(found, place)}")
    if not said:
        return Figure("tlf-ae-dots", None, "", absent="Not in the data: no rate is estimable.")
    plot = ae_dot_plot(pd.DataFrame(points), series=[ours, *published], x_title="Participants (%)")
    first = _rate_levels(found)[0]
    n = found.count("N", level=first, group="")
    alt = (
        f"Dot plot of rates of adverse events in {n.text} treated patients beside "
        f"{', '.join(published) or 'no published trial'}: {'; '.join(said)}."
    )
    shown = [found.percent(level=first, group="")]
    level = ci_header(found, level=first, group="")
    notes: list[Note] = [f"Lines are exact intervals ({level})."]
    if any("lowest" in point for point in points):
        notes.append(
            "A thick line in place of a dot: the rate lies between its ends; what would tell where is not "
            "in the data."
        )
    notes += _deaths_counted()
    return Figure("tlf-ae-dots", plot, alt, height=3.8, notes=notes, n=n, numbers=shown)


def deaths() -> Table:
    """Table 14.3.1.7: deaths of treated patients by time from the last dose and by cause."""
    found = results("deaths")
    groups = lines_of(found, level="All", sublevel="")
    rows: list[Row] = []
    levels = found.values("level")
    levels = ["All", *sorted(v for v in levels if v.startswith("Within")),
              *sorted(v for v in levels if v.startswith("More")),
              *sorted(v for v in levels if v.startswith("Day"))]  # fmt: skip
    causes = ("Progression", "Adverse event, related", "Adverse event, not related", "Not recorded")

    def line(level: str, cause: str, words: str, kind: str) -> Row:
        cells: list[Content] = []
        for group in groups:
            place = ArdKey(group=group, level=level, sublevel=cause)
            cells.append(n_pct(found.count(**place), found.percent(**place)))
        return Row(words, cells, "indent1" if kind else "")

    for level in levels:
        if level != "All" and not found.find("n", group="", level=level, sublevel="").value:
            rows.append(line(level, "", level, ""))
            continue
        rows.append(line(level, "", "All deaths" if level == "All" else level, ""))
        rows += [line(level, cause, cause, "indent1") for cause in causes]
    columns = [
        Column(f"{LINES[g]}, n (%)", found.count("N", group=g, level="All", sublevel=""))
        for g in groups
    ]
    return Table("tlf-deaths", "Death", columns, rows)
