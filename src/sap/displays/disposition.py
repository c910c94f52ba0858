"""Disposition of patients and protocol deviations."""

from dataclasses import replace
from typing import Unpack

from sap import ard
from sap.catalogue.populations import populations
from sap.displays.ard_lookup import ArdKey, Results, results
from sap.displays.escape import coded
from sap.displays.record import not_recorded
from sap.displays.table import Cell, Column, Content, Row, RowKind, Table, n_pct

TREATED = "treated"
COLUMNS = (
    ("PRIMARY", ""),
    ("RESCREENED", TREATED),
    ("RESCREENED", ""),
    ("SAFETY", ""),
    ("GROUPA", ""),
    ("SCREENED", ""),
)
OF_GROUPS = ("RESCREENED", "GROUPA")


def columns_of(rows: Results, **where: Unpack[ArdKey]) -> list[ArdKey]:
    """The columns that an analysis has; without those of a group that the plan does not have."""
    groups = ard.plan().study.groups
    columns = []
    for population, group in COLUMNS:
        of_population: ArdKey = {**where, "population": population}
        available = group in rows.values("group", **of_population)
        if available and (groups or population not in OF_GROUPS):
            columns.append(ArdKey(population=population, group=group))
    if all_are_primary() and any(c["population"] == "PRIMARY" for c in columns):
        columns = [c for c in columns if c["population"] != "SAFETY"]
    return columns


def all_are_primary() -> bool:
    """Whether every treated patient is one of the primary set: then their columns are the same."""
    sizes = results("analysis_sets")
    if not all(sizes.has("n", population=p) for p in ("PRIMARY", "SAFETY")):
        return False
    primary, safety = (sizes.find("n", population=p).value for p in ("PRIMARY", "SAFETY"))
    return primary == safety > 0


def head(rows: Results, column: ArdKey, **where: Unpack[ArdKey]) -> Column:
    """A column header with the number of its patients."""
    population = "AGAINTREATED" if column["group"] == TREATED else column["population"]
    place: ArdKey = {**column, **where}
    label = populations()[population].label
    if population == "PRIMARY" and all_are_primary():
        label += " (= all treated)"
    return Column(label, rows.count("N", **place))


def _in_descending_frequency(rows: Results, levels: list[str], columns: list[ArdKey]) -> list[str]:
    """Reasons by the sum over the columns, `OTHER` last."""

    def frequency(level: str) -> float:
        return sum(rows.find("n", **ArdKey(**column, level=level)).value for column in columns)

    return sorted(levels, key=lambda level: (level == "OTHER", -frequency(level)))


def _discontinuation(display_id: str, paramcd: str) -> Table:
    rows = results("disposition")
    columns = columns_of(rows, paramcd=paramcd)
    of_param: list[ArdKey] = [{**column, "paramcd": paramcd} for column in columns]
    levels = rows.values("level", paramcd=paramcd)
    reasons = [level for level in levels if level not in ("ended", "ongoing")]

    def line(level: str, kind: RowKind = "") -> Row:
        cells: list[Content] = []
        for column in of_param:
            place: ArdKey = {**column, "level": level}
            cells.append(n_pct(rows.count(**place), rows.percent(**place)))
        return Row(coded(rows.label("level", level)), cells, kind)

    lines = [line("ended")]
    lines += [line(r, "indent1") for r in _in_descending_frequency(rows, reasons, of_param)]
    ongoing = line("ongoing")
    unrecorded = paramcd == "TREATMENT" and _without_end(rows, columns)
    lines.append(replace(ongoing, label=NO_END) if unrecorded else ongoing)
    heads = [head(rows, column, paramcd=paramcd, level="ended") for column in columns]
    return Table(display_id, rows.label("paramcd", paramcd), heads, lines)


NO_END = "No end of study treatment recorded"


def _without_end(rows: Results, columns: list[ArdKey]) -> bool:
    """Whether the data record the end of study treatment of no patient, and the end of the study of some."""
    ended = {
        paramcd: [
            rows.find("n", **ArdKey(**column, paramcd=paramcd, level="ended")).value
            for column in columns
            if rows.has("n", **ArdKey(**column, paramcd=paramcd, level="ended"))
        ]
        for paramcd in ("TREATMENT", "STUDY")
    }
    return not any(ended["TREATMENT"]) and any(ended["STUDY"])


def centres() -> Table:
    """Table 14.1.x: patients by centre."""
    rows = results("centres")
    if not len(rows):
        return Table("tlf-centres", "Centre", [Column("n")], [], absent=NO_CENTRE)
    stages = rows.values("sublevel")
    if not ard.plan().study.groups:
        stages = [stage for stage in stages if stage != "rescreened_treated"]
    lines = []
    for level in rows.values("level"):
        cells = [rows.count(level=level, sublevel=stage) for stage in stages]
        lines.append(Row(rows.label("level", level), cells, "total" if level == "total" else ""))
    columns = [Column(rows.label("sublevel", stage)) for stage in stages]
    n = rows.count(level="total", sublevel="consented")
    return Table("tlf-centres", "Centre", columns, [*lines[1:], lines[0]], n=n)


NO_CENTRE = "No centre (SITEID) is recorded."


def eligibility() -> Table:
    """Table 14.1.x: patients who did not meet an eligibility criterion, by criterion."""
    rows = results("eligibility")
    absent = not_recorded("ie", "eligibility criterion that was not met")
    if not len(rows):
        return Table("tlf-eligibility", "Criterion", [Column("n (%)")], [], absent=absent)
    groups = [g for g in rows.values("group") if not g or ard.plan().study.groups]

    def line(label: Content, level: str, sublevel: str = "") -> Row:
        places = [ArdKey(group=g, level=level, sublevel=sublevel) for g in groups]
        cells = [n_pct(rows.count(**place), rows.percent(**place)) for place in places]
        return Row(label, cells, "indent1" if sublevel else "")

    lines = [line(rows.label("level", "any"), "any")]
    for level in rows.values("level"):
        codes = [code for code in rows.values("sublevel", level=level) if code]
        if codes:
            lines.append(Row(rows.label("level", level), kind="group"))
        for code in codes:
            text = rows.words("term", group=groups[0], level=level, sublevel=code)
            lines.append(line(Cell(f"{code}: ", replace(text, text=coded(text.text))), level, code))
    several = ard.plan().study.groups
    columns = [
        Column(
            rows.label("group", g) if several else "n (%)",
            rows.count("N", group=g, level="any", sublevel=""),
        )
        for g in groups
    ]
    return Table("tlf-eligibility", "Criterion", columns, lines)


def treatment() -> Table:
    """`tlf-treatment-end`: treatment discontinuation by reason."""
    return _discontinuation("tlf-treatment-end", "TREATMENT")


def participation() -> Table:
    """`tlf-study-end`: study discontinuation by reason."""
    return _discontinuation("tlf-study-end", "STUDY")


def deviations() -> Table:
    """`tlf-deviations`: protocol deviations by category and term."""
    counts = results("protocol_deviations")
    absent = not_recorded("dv", "protocol deviation")
    stub = "Category and term"
    if not len(counts):
        return Table("tlf-deviations", stub, [Column("Patients, n (%)")], [], absent=absent)
    columns = columns_of(counts)

    def line(label: str, level: str, sublevel: str = "") -> Row:
        cells: list[Content] = []
        for column in columns:
            place: ArdKey = {**column, "level": level, "sublevel": sublevel}
            share = n_pct(counts.count(**place), counts.percent(**place))
            events = counts.count("n_events", **place)
            cells.append(share if events.text == "0" else Cell(*share.parts, "; ", events))
        return Row(label, cells, "indent1" if sublevel else "")

    rows = []
    overall = columns[-1]
    for level in counts.values("level"):
        rows.append(line(coded(counts.label("level", level)), level))
        terms = [term for term in counts.values("sublevel", level=level) if term]
        sizes = {
            term: counts.find("n", **ArdKey(**overall, level=level, sublevel=term)).value
            for term in terms
        }
        for term in sorted(terms, key=lambda name: (-sizes[name], name)):
            rows.append(line(coded(counts.label("sublevel", term)), level, term))
    heads = [head(counts, column, level="any", sublevel="") for column in columns]
    return Table("tlf-deviations", stub, heads, rows)
