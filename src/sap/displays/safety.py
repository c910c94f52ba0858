"""Adverse events: the overview, and SOC and preferred term by worst grade."""

from sap.displays.addressed import Results, results
from sap.displays.table import Column, Content, Row, Table, n_pct

GRADES = ("GR1", "GR2", "GR3", "GR4", "GR5")


def overview() -> Table:
    """Table 14.3.1.1: participants and events, line by line."""
    found = results("ae_overview")
    severe = next(v for v in found.values("level") if v.startswith("Grade >= "))
    order = (
        "Any",
        "Related",
        severe,
        f"Related, grade{severe.removeprefix('Grade')}",
        "Serious",
        "Related, serious",
        "Leading to dose reduction",
        "Leading to delay",
        "Leading to discontinuation",
        "Fatal",
    )
    rows = [
        Row(
            level,
            (
                n_pct(found.count(level=level), found.percent(level=level)),
                found.count("n_events", level=level),
            ),
        )
        for level in order
    ]
    columns = [Column("Men, n (%)", found.count("N", level="Any")), Column("Events")]
    return Table("tlf-ae-overview", "Treatment-emergent adverse event", columns, rows)


def _ordered(found: Results, level: str | None) -> list[str]:
    """SOCs, or the terms of one SOC, by falling number of men, then by name."""
    axis = "level" if level is None else "sublevel"

    def place(value: str) -> dict[str, str]:
        return (
            {"level": value, "sublevel": ""}
            if level is None
            else {"level": level, "sublevel": value}
        )

    values = [
        v for v in (found.values(axis) if level is None else found.values(axis, level=level)) if v
    ]
    sizes = {v: found.find("n", paramcd="ANY", **place(v)).value for v in values}
    return sorted(values, key=lambda v: (-sizes[v], v))


def soc_pt() -> Table:
    """Table 14.3.1.2: worst grade by SOC and preferred term."""
    found = results("ae_soc_pt")
    rows: list[Row] = []

    def line(label: str, level: str, sublevel: str, kind: str) -> Row:
        cells: list[Content] = []
        for paramcd in ("ANY", *GRADES, "GRMISS", "GRSEV"):
            n = found.count(paramcd=paramcd, level=level, sublevel=sublevel)
            share = found.percent(paramcd=paramcd, level=level, sublevel=sublevel)
            cells.append(n_pct(n, share) if paramcd in ("ANY", "GRSEV") else n)
        return Row(label, cells, "indent1" if kind else "total")

    for soc in _ordered(found, None):
        rows.append(line(soc, soc, "", ""))
        for term in _ordered(found, soc):
            rows.append(line(term, soc, term, "indent1"))
    total = results("ae_overview").count("N", level="Any")
    severe = next(v for v in results("ae_overview").values("level") if v.startswith("Grade >= "))
    columns = [Column("Any", total)]
    columns += [Column(g.removeprefix("GR"), under="Worst grade") for g in GRADES]
    columns += [Column("Not graded", under="Worst grade"), Column(severe)]
    return Table(
        "tlf-ae-soc-pt",
        "System organ class, preferred term",
        columns,
        rows,
        absent="Not in the data: no treatment-emergent adverse event was recorded.",
    )
