"""Progression: PSA progression, times to progression, their reasons and sensitivity analyses."""

from collections.abc import Callable

import pandas as pd

from sap import ard
from sap.displays import formats
from sap.displays.absence import not_shown
from sap.displays.ard_lookup import ArdKey, Results, results
from sap.displays.figure import Figure
from sap.displays.populations import short
from sap.displays.rates import ci_header
from sap.displays.register import has_analysis
from sap.displays.rescreening import NO_RESCREENING
from sap.displays.survival import (
    LATE,
    Curve,
    common_times,
    curve_data,
    cut_note,
    median_words,
    percent_limits,
    rate_or_ne,
)
from sap.displays.table import Column, Content, Row, Table, limits, n_pct

TIMES = {"pfs": "PFS", "rpfs": "RPFS", "ttpp": "TTPP", "dor": "DOR"}
"""Each analysis and its parameter."""
PSA_SETS = ("PRIMARY", "RESCREENED", "GROUPA")
NOTHING = formats.NOT_CALCULATED


def _label(analysis: str) -> str:
    return results(analysis).label("paramcd", TIMES[analysis])


def _planned() -> dict[str, str]:
    """The times of `TIMES` that the plan has."""
    return {name: code for name, code in TIMES.items() if has_analysis(name)}


def _places(population: str) -> dict[str, ArdKey]:
    """The key of each time of a population; re-screened patients have parameters of their own."""
    suffix = "RE" if population == "RESCREENED" else ""
    return {
        analysis: ArdKey(population=population, paramcd=f"{code}{suffix}", level="")
        for analysis, code in _planned().items()
    }


def _estimable(analysis: str, place: ArdKey) -> bool:
    """Whether the time is printed: a patient has it, or the row has the reason why none can."""
    times = results(analysis)
    return times.has("N", **place) and times.find("N", **place).value != 0


def _has_curve(analysis: str, place: ArdKey) -> bool:
    """Whether a patient has the time; a size that is not in the data is a missing number."""
    return _estimable(analysis, place) and results(analysis).find("N", **place).value > 0


def _missing(analysis: str, place: ArdKey) -> Content:
    """The cell where the ARD has no row: the mark of its size for a time that no patient can have."""
    unknown = _estimable(analysis, place) and not _has_curve(analysis, place)
    return results(analysis).count("N", **place) if unknown else NOTHING


def times(population: str, display_id: str) -> Table:
    """PFS, radiographic PFS, time to PSA progression and duration of response of one set."""
    if population == "RESCREENED" and not ard.plan().study.groups:
        return Table(display_id, "Time", [], [], absent=NO_RESCREENING)
    places = _places(population)
    if not any(_estimable(analysis, place) for analysis, place in places.items()):
        reason = "No patient of this set has an assessment of progression."
        return Table(display_id, "Time", [], [], absent=reason)

    def line(
        label: str, name: str, cell: Callable[[Results, ArdKey], Content], level: str = ""
    ) -> Row:
        cells: list[Content] = []
        for analysis, place in places.items():
            here = ArdKey(**{**place, "level": level})
            there = _estimable(analysis, place) and results(analysis).has(name, **here)
            cells.append(cell(results(analysis), here) if there else _missing(analysis, place))
        return Row(label, cells, "indent1" if name == "conf_low" else "")

    header = _months_header()
    rows = [
        line("Events", "n_events", lambda rows, p: rows.count("n_events", **p)),
        line("Censored", "n_censored", lambda rows, p: rows.count("n_censored", **p)),
        line("Median (months)", "median", lambda rows, p: rows.months("median", **p)),
        line(header, "conf_low", _months_limits),
    ]
    for months in ard.plan().survival.landmarks_months:
        level = f"month_{months:g}"
        label = results("pfs").label("level", level)
        rows.append(line(f"Event-free rate at {label} (%)", "estimate", rate_or_ne, level))
        rows.append(line(header, "conf_low", percent_limits, level))
    heads = [
        Column(_label(a), results(a).count("N", **p) if _has_curve(a, p) else None)
        for a, p in places.items()
    ]
    sizes = [results(a).count("N", **p) for a, p in places.items() if _has_curve(a, p)]
    largest = max(sizes, key=lambda size: int(size.text), default=None)
    n = largest if population == "RESCREENED" else None
    return Table(display_id, "Time", heads, rows, notes=[LATE], n=n)


def _months_limits(rows: Results, place: ArdKey) -> Content:
    return limits(*(rows.months(s, **place) for s in ("conf_low", "conf_high")))


def _months_header() -> str:
    """The header of limits in months, with the level of the plan."""
    primary = ard.plan().primary.endpoint
    return ci_header(results(primary), population="PRIMARY").replace(" (%)", "")


def reasons() -> Table:
    """Events and censoring reasons of each time of the primary set."""
    rows: list[Row] = []
    for analysis in _planned():
        counts = results(f"{analysis}_reasons")
        primary = ArdKey(population="PRIMARY")
        if not len(counts) or not counts.values("level", **primary):
            continue
        rows.append(Row(_label(analysis), kind="group"))
        for end in counts.values("sublevel", **primary):
            for level in counts.values("level", population="PRIMARY", sublevel=end):
                place = ArdKey(population="PRIMARY", level=level, sublevel=end)
                cells = (
                    counts.label("sublevel", end),
                    counts.count(**place),
                    counts.count("N", **place),
                )
                rows.append(Row(counts.label("level", level), cells, "indent1"))
    columns = [Column("Counted as", numeric=False), Column("n"), Column("N")]
    absent = "No time to progression could be derived."
    return Table("tlf-progression-reasons", "Reason", columns, rows, absent=absent)


def sensitivity() -> Table:
    """The times of the primary set under each sensitivity definition."""
    rows: list[Row] = []
    for analysis in _planned():
        variants = results(f"{analysis}_sensitivity") if analysis != "dor" else None
        if not variants:
            continue
        rows.append(Row(_label(analysis), kind="group"))
        for level in variants.values("level", population="PRIMARY"):
            place = ArdKey(population="PRIMARY", level=level)
            rows.append(Row(variants.label("level", level), _line(variants, place), "indent1"))
    columns = [Column("N"), Column("Events"), Column("Median (months)"), Column(_months_header())]
    absent = "No time to progression could be derived."
    return Table("tlf-progression-sensitivity", "Definition", columns, rows, absent=absent)


def _line(variants: Results, place: ArdKey) -> tuple[Content, ...]:
    """N, events, median and limits; where the ARD has a median without them (NE), that."""
    cells: dict[str, Callable[[], Content]] = {
        "N": lambda: variants.count("N", **place),
        "n_events": lambda: variants.count("n_events", **place),
        "median": lambda: variants.months("median", **place),
        "conf_low": lambda: _months_limits(variants, place),
    }
    known = {name: cell() for name, cell in cells.items() if variants.has(name, **place)}
    return tuple(known.get(name, known.get("median", NOTHING)) for name in cells)


def psa() -> Table:
    """PSA progression, and the patients of each case of its definition, in each set that has one."""
    counts = results("psa_progression")
    sets = [
        p
        for p in PSA_SETS
        if p in counts.values("population") and counts.find("N", population=p, level="").value
    ]
    if not sets:
        absent = "No course of PSA."
        return Table("tlf-psa-progression", "PSA progression", [], [], absent=absent)
    overall = [ArdKey(population=p, level="") for p in sets]
    n = [n_pct(counts.count(**p), counts.percent(**p)) for p in overall]
    around = [limits(counts.rate("conf_low", **p), counts.rate("conf_high", **p)) for p in overall]
    rows = [Row("Progression", n), Row(ci_header(counts, **overall[0]), around, "indent1")]
    rows.append(Row("Basis of classification", kind="group"))
    for level in counts.values("level", population=sets[0]):
        if level:
            cells = [counts.count(population=p, level=level) for p in sets]
            rows.append(Row(counts.label("level", level), cells, "indent1"))
    heads = [Column(short(p), counts.count("N", population=p, level="")) for p in sets]
    return Table("tlf-psa-progression", "PSA progression", heads, rows)


def curves() -> Figure:
    """PFS, radiographic PFS and time to PSA progression of the primary set in one figure."""
    from sap.displays.plots import km_curves

    planned = {a: p for a, p in _places("PRIMARY").items() if a != "dor"}
    places = {a: p for a, p in planned.items() if _has_curve(a, p)}
    if not places:
        absent = "No time to progression could be derived."
        return Figure("tlf-progression-curves", None, "", absent=absent)
    parts = [
        curve_data(a, {_label(a): ArdKey(population="PRIMARY", paramcd=p["paramcd"])})
        for a, p in places.items()
    ]
    steps = pd.concat([part[0] for part in parts], ignore_index=True)
    ticks = pd.concat([part[1] for part in parts], ignore_index=True)
    at_risk = pd.concat([part[2] for part in parts], ignore_index=True)
    if len(parts) > 1:
        steps = steps.assign(conf_low=float("nan"), conf_high=float("nan"))
    medians = {label: m for part in parts for label, m in part[3].items()}
    drawn = [
        Curve(_label(a), a, ArdKey(population="PRIMARY", paramcd=p["paramcd"]))
        for a, p in places.items()
    ]
    numbers = [results(a).months("median", **p) for a, p in places.items()]
    sizes = [results(a).count("N", **p).text for a, p in places.items()]
    in_words = ", ".join(
        f"{_label(a)} {n.text} months ({size} patients)"
        for a, n, size in zip(places, numbers, sizes, strict=True)
    )
    y_title = f"{next(iter(medians))}: " if len(medians) == 1 else ""
    longest = {_label(a): results(a).find("max", **p).value for a, p in places.items()}
    at_risk = common_times(at_risk, longest)
    summaries = {_label(a): median_words(results(a), ArdKey(**p)) for a, p in places.items()}
    plot = km_curves(
        steps, ticks, at_risk, medians, summaries=summaries,
        x_title=f"Months from {ard.plan().survival.pfs_origin}",
        y_title=f"{y_title}proportion event-free" if y_title else "Proportion event-free",
    )  # fmt: skip
    alt = f"Kaplan-Meier curves of the primary set. Medians: {in_words}."
    missing = [_label(a) for a in planned if a not in places]
    notes = cut_note(at_risk, drawn) + ([not_shown(", ".join(missing))] if missing else [])
    return Figure("tlf-progression-curves", plot, alt, height=4.4, notes=notes, numbers=numbers)
