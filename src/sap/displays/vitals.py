"""Values over time by visit: vital signs, and laboratory values."""

from collections.abc import Mapping

from sap import ard
from sap.catalogue.reporting import analysis
from sap.displays.ard_lookup import ArdKey, Results, results
from sap.displays.formats import Decimals, of_data
from sap.displays.record import not_recorded
from sap.displays.table import Cell, Column, Content, Row, Table, pair, span

MEASURED = {"SYSBP": 0, "DIABP": 0, "PULSE": 0, "TEMP": 1, "WEIGHT": 1}
"""Decimals with which a sign is measured."""
DECIMALS = {code: of_data(decimals) for code, decimals in MEASURED.items()}


def value_cells(rows: Results, place: ArdKey, decimals: Decimals) -> list[Content]:
    """n, mean (SD), median (Q1, Q3), and range of one summary."""
    n = rows.count("n", **place)
    if n.text == "0":
        reason = rows.fixed("median", decimals.centre, **place)
        return [n, reason, reason, reason]
    number = {
        name: rows.fixed(name, decimals.centre, **place)
        for name in ("mean", "sd", "median", "q1", "q3")
    }
    low, high = (rows.fixed(name, decimals.ends, **place) for name in ("min", "max"))
    return [
        n,
        pair(number["mean"], number["sd"]),
        Cell(number["median"], " (", number["q1"], ", ", number["q3"], ")"),
        span(low, high),
    ]


def over_time(display_id: str, name: str, decimals: Mapping[str, Decimals], absent: str) -> Table:
    """Each test with a line for each visit: the value, and the mean change from baseline."""
    rows = results(name)
    columns = [
        Column("n"), Column("Mean (SD)"), Column("Median (Q1, Q3)"), Column("Min, max"),
        Column("Mean change (SD)", id="change"),
    ]  # fmt: skip
    if not len(rows):
        return Table(display_id, "Test, visit", columns, [], absent=absent)
    lines: list[Row] = []
    for code in rows.values("paramcd"):
        digits = decimals.get(code, of_data(1))
        label = analysis(name).text("paramcd", code, ard.plan())
        lines.append(Row(label, kind="group"))
        for visit in rows.values("level", paramcd=code):
            place = ArdKey(paramcd=code, level=visit, sublevel="value")
            cells = value_cells(rows, place, digits)
            changed = ArdKey(paramcd=code, level=visit, sublevel="change")
            if visit == "BASELINE":
                cells.append("")
            else:
                mean, sd = (rows.fixed(stat, digits.centre, **changed) for stat in ("mean", "sd"))
                cells.append(mean if not rows.find("mean", **changed).estimable else pair(mean, sd))
            lines.append(Row(rows.label("level", visit), cells, "indent1"))
    return Table(display_id, "Test, visit", columns, lines)


def signs() -> Table:
    """Table 14.3.5.x: vital signs by visit."""
    absent = not_recorded("vs", "blood pressure, pulse, temperature or weight of a treated patient")
    return over_time("tlf-vital-signs", "vital_signs", DECIMALS, absent)
