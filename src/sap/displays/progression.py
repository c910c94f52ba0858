"""Progression: PSA progression, times to progression with their reasons, and their sensitivity."""

import pandas as pd

from sap import ard
from sap.displays import formats
from sap.displays.ard_lookup import ArdKey, Results, results
from sap.displays.escape import coded
from sap.displays.figure import Figure
from sap.displays.populations import short
from sap.displays.rates import ci_header
from sap.displays.rescreening import NO_RESCREENING
from sap.displays.survival import common_times, curve_data, ended_before
from sap.displays.table import Column, Content, Row, Table, limits, n_pct

TIMES = {
    "pfs": ("PFS", "PFS"),
    "rpfs": ("RPFS", "Radiographic PFS"),
    "ttpp": ("TTPP", "Time to PSA progression"),
    "dor": ("DOR", "Duration of PSA response"),
}
PSA_SETS = ("PRIMARY", "RESCREENED", "GROUPA")
NOTHING = formats.NOT_CALCULATED


def _places(population: str) -> dict[str, ArdKey]:
    """Where each time of a population stands in its analysis; re-screened patients have codes of their own."""
    suffix = "RE" if population == "RESCREENED" else ""
    return {
        analysis: ArdKey(population=population, paramcd=f"{code}{suffix}", level="")
        for analysis, (code, _) in TIMES.items()
    }


def _estimable(analysis: str, place: ArdKey) -> bool:
    """Whether the time is to be shown: somebody has it, or the row says why no patient can."""
    found = results(analysis)
    return found.has("N", **place) and found.find("N", **place).value != 0


def _somebody(analysis: str, place: ArdKey) -> bool:
    """Whether a curve exists: a size that is not in the data is a missing number, and no curve."""
    return _estimable(analysis, place) and results(analysis).find("N", **place).value > 0


def _nothing(analysis: str, place: ArdKey) -> Content:
    """What stands where the ARD has no row: NE in a time that no patient can have, else not calculated."""
    unknown = _estimable(analysis, place) and not _somebody(analysis, place)
    return formats.NE if unknown else NOTHING


def times(population: str, display_id: str) -> Table:
    """PFS, radiographic PFS, time to PSA progression and duration of response of one set."""
    if population == "RESCREENED" and not ard.table("plan")["study"]["groups"]:
        return Table(display_id, "Time", [], [], absent=NO_RESCREENING)
    places = _places(population)
    there = {analysis: _estimable(analysis, place) for analysis, place in places.items()}
    if not any(there.values()):
        reason = "Not in the data: no patient of this set has an assessment of progression."
        return Table(display_id, "Time", [], [], absent=reason)

    def line(label: str, stat_name: str, kind: str = "") -> Row:
        cells: list[Content] = []
        for analysis, place in places.items():
            found = results(analysis)
            wanted = "conf_low" if stat_name == "ci" else stat_name
            if not there[analysis] or not found.has(wanted, **place):
                cells.append(_nothing(analysis, place))
            elif stat_name == "ci":
                low, high = (found.months(s, **place) for s in ("conf_low", "conf_high"))
                cells.append(limits(low, high))
            elif stat_name.startswith("n_"):
                cells.append(found.count(stat_name, **place))
            else:
                cells.append(found.months(stat_name, **place))
        return Row(label, cells, "indent1" if kind else "")

    header = _level()
    rows = [
        line("Events", "n_events"),
        line("Censored", "n_censored"),
        line("Median (months)", "median"),
        line(header, "ci", "indent1"),
    ]
    landmarks, late = _landmarks(places, there, header)
    rows += landmarks
    heads = [
        Column(
            words,
            results(analysis).count("N", **places[analysis])
            if _somebody(analysis, places[analysis])
            else None,
        )
        for analysis, (_, words) in TIMES.items()
    ]
    sizes = [results(a).count("N", **p) for a, p in places.items() if _somebody(a, p)]
    n = max(sizes, key=lambda size: int(size.text), default=None)
    shown = n if population == "RESCREENED" else None
    return Table(display_id, "Time", heads, rows, notes=late, n=shown)


def _landmarks(
    places: dict[str, ArdKey], there: dict[str, bool], header: str
) -> tuple[list[Row], list[str]]:
    """The share free of each event at the plan's months, and a note where a curve ended before."""
    rows: list[Row] = []
    late: list[str] = []
    for months in ard.table("plan")["survival"]["landmarks_months"]:
        level = f"{formats.as_collected(months)} months"
        cells: list[Content] = []
        around: list[Content] = []
        for analysis, place in places.items():
            found, here = results(analysis), ArdKey(**{**place, "level": level})
            if not there[analysis] or not found.has("estimate", **here):
                cells.append(_nothing(analysis, place))
                around.append(_nothing(analysis, place))
                continue
            if ended_before(found, here):
                late.append(level)
                cells.append(formats.NE)
            else:
                cells.append(found.percent("estimate", **here))
            low, high = (found.percent(s, **here) for s in ("conf_low", "conf_high"))
            around.append(limits(low, high))
        rows += [Row(f"Free of the event at {level} (%)", cells), Row(header, around, "indent1")]
    at = " and ".join(dict.fromkeys(late))
    note = f"NE at {at}: the curve ended before with its last patient; no patient was followed so long."
    return rows, [note] if late else []


def _level() -> str:
    """The header of limits in months, with the level of the plan."""
    return ci_header(results("psa_response"), population="PRIMARY").replace(" (%)", "")


def reasons() -> Table:
    """What ended each time of the primary set: the event, or why it was censored."""
    rows: list[Row] = []
    for analysis, (_, words) in TIMES.items():
        found = results(f"{analysis}_reasons")
        place = ArdKey(population="PRIMARY")
        levels = found.values("level", **place) if len(found) else []
        if not levels:
            continue
        rows.append(Row(words, kind="group"))
        for kind in ("Event", "Censored"):
            for level in found.values("level", population="PRIMARY", sublevel=kind):
                here = ArdKey(population="PRIMARY", level=level, sublevel=kind)
                cells = (kind, found.count(**here), found.count("N", **here))
                rows.append(Row(coded(level), cells, "indent1"))
    columns = [Column("Counts as", numeric=False), Column("Patients"), Column("of")]
    absent = "Not in the data: no time to progression could be derived."
    return Table("tlf-progression-reasons", "Ended by", columns, rows, absent=absent)


def sensitivity() -> Table:
    """The times of the primary set under the listed other definitions."""
    rows: list[Row] = []
    for analysis, (_, words) in TIMES.items():
        found = results(f"{analysis}_sensitivity")
        if not len(found):
            continue
        rows.append(Row(words, kind="group"))
        for level in found.values("level", population="PRIMARY"):
            here = ArdKey(population="PRIMARY", level=level)
            rows.append(Row(level[0].upper() + level[1:], _line(found, here), "indent1"))
    columns = [Column("N"), Column("Events"), Column("Median (months)"), Column(_level())]
    absent = "Not in the data: no time to progression could be derived."
    return Table("tlf-progression-sensitivity", "Definition", columns, rows, absent=absent)


def _line(found: Results, here: ArdKey) -> tuple[Content, ...]:
    around: Content = NOTHING
    if found.has("conf_low", **here):
        around = limits(*(found.months(s, **here) for s in ("conf_low", "conf_high")))
    events: Content = found.count("n_events", **here) if found.has("n_events", **here) else NOTHING
    whole: Content = found.count("N", **here) if found.has("N", **here) else NOTHING
    middle: Content = found.months("median", **here) if found.has("median", **here) else NOTHING
    return (whole, events, middle, around)


def psa() -> Table:
    """PSA progression, and the patients of each case of its definition, in each set that has one."""
    counts = results("psa_progression")
    sets = [
        p
        for p in PSA_SETS
        if p in counts.values("population") and counts.find("N", population=p, level="").value
    ]
    if not sets:
        absent = "Not in the data: no course of PSA."
        return Table("tlf-psa-progression", "PSA progression", [], [], absent=absent)
    overall = [ArdKey(population=p, level="") for p in sets]
    n = [n_pct(counts.count(**p), counts.percent(**p)) for p in overall]
    around = [
        limits(counts.percent("conf_low", **p), counts.percent("conf_high", **p)) for p in overall
    ]
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

    places = {a: p for a, p in _places("PRIMARY").items() if a != "dor" and _somebody(a, p)}
    if not places:
        absent = "Not in the data: no time to progression could be derived."
        return Figure("tlf-progression-curves", None, "", absent=absent)
    parts = [
        curve_data(a, {TIMES[a][1]: ArdKey(population="PRIMARY", paramcd=p["paramcd"])})
        for a, p in places.items()
    ]
    steps = pd.concat([part[0] for part in parts], ignore_index=True)
    ticks = pd.concat([part[1] for part in parts], ignore_index=True)
    at_risk = pd.concat([part[2] for part in parts], ignore_index=True)
    if len(parts) > 1:
        steps = steps.assign(conf_low=float("nan"), conf_high=float("nan"))
    medians = {words: m for part in parts for words, m in part[3].items()}
    numbers = [results(a).months("median", **p) for a, p in places.items()]
    sizes = [results(a).count("N", **p).text for a, p in places.items()]
    said = ", ".join(
        f"{TIMES[a][1]} {n.text} months ({size} patients)"
        for a, n, size in zip(places, numbers, sizes, strict=True)
    )
    named = next(iter(medians)) if len(medians) == 1 else ""
    y_title = f"{named}: proportion free of it" if named else "Proportion free of the event"
    longest = {TIMES[a][1]: results(a).find("max", **p).value for a, p in places.items()}
    origin = ard.table("plan")["survival"]["pfs_origin"]
    plot = km_curves(
        steps, ticks, common_times(at_risk, longest), medians,
        x_title=f"Months from {origin}", y_title=y_title,
    )  # fmt: skip
    alt = f"Kaplan-Meier curves of the primary set. Medians: {said}."
    left_out = [words for a, (_, words) in TIMES.items() if a != "dor" and a not in places]
    notes = [f"Not in the data, and without a curve: {', '.join(left_out)}."] if left_out else []
    return Figure("tlf-progression-curves", plot, alt, height=4.4, notes=notes, numbers=numbers)
