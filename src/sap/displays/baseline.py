"""Demographic and other baseline characteristics."""

from collections.abc import Mapping, Sequence

from sap import ard
from sap.catalogue.reporting import analysis
from sap.displays.ard_lookup import ArdKey, Results, results
from sap.displays.disposition import columns_of
from sap.displays.disposition import head as head_of
from sap.displays.formats import mean_digits
from sap.displays.record import not_recorded
from sap.displays.table import Cell, Column, Content, Row, Table, n_pct, pair, span

CHARACTERISTICS: Mapping[str, int | None] = {
    "AGE": 0, "WEIGHT": 1, "BMI": 1, "BSA": 2, "ECOG": None, "TSDIAG": 1, "TSMET": 1, "GLEASON": None,
    "MEASDIS": None, "SBONE": None, "SNODE": None, "SLIVER": None, "SLUNG": None, "SOTHER": None,
    "TSPRIOR": 1, "DOCETAX": None, "ARSI": None, "NARSI": None, "RADIO": None, "PSA": 1, "CTC": 0,
    "ARV7": None,
}  # fmt: skip
"""PARAMCD to the number of decimals with which it is collected; None: a category."""

LABORATORY: Mapping[str, int | None] = {
    "HGB": 1, "WBC": 1, "NEUT": 1, "LYM": 1, "PLAT": 0, "ALP": 0, "LDH": 0, "ALT": 0, "AST": 0,
    "BILI": 0, "CREAT": 0, "ALB": 0, "TESTOS": 1,
}  # fmt: skip


def _categories(values: Results, paramcd: str, columns: list[ArdKey]) -> list[Row]:
    rows: list[Row] = []
    for level in values.values("level", paramcd=paramcd):
        cells: list[Cell] = []
        for column in columns:
            place: ArdKey = {**column, "paramcd": paramcd, "level": level}
            cells.append(n_pct(values.count(**place), values.percent(**place)))
        if level != "missing" or any(cell.text != "0" for cell in cells):
            rows.append(Row(values.label("level", level), cells, "indent1"))
    return rows


def _summary(values: Results, paramcd: str, decimals: int, columns: list[ArdKey]) -> list[Row]:
    cells: dict[str, list[Content]] = {
        "n": [], "Mean (SD)": [], "Median (Q1, Q3)": [], "Min, max": []
    }  # fmt: skip
    for column in columns:
        place: ArdKey = {**column, "paramcd": paramcd}
        n = values.count("n", **place)
        cells["n"].append(n)
        if n.text == "0":
            not_estimable = values.fixed("median", decimals, **place)
            for label in ("Mean (SD)", "Median (Q1, Q3)", "Min, max"):
                cells[label].append(not_estimable)
            continue
        mean, sd = (values.fixed(name, mean_digits(decimals), **place) for name in ("mean", "sd"))
        median, q1, q3 = (
            values.fixed(name, mean_digits(decimals), **place) for name in ("median", "q1", "q3")
        )
        low, high = (values.fixed(name, decimals, **place) for name in ("min", "max"))
        cells["Mean (SD)"].append(pair(mean, sd))
        cells["Median (Q1, Q3)"].append(Cell(median, " (", q1, ", ", q3, ")"))
        cells["Min, max"].append(span(low, high))
    return [Row(label, of_label, "indent1") for label, of_label in cells.items()]


def _table(
    display_id: str, parameters: Mapping[str, int | None], columns: Sequence[ArdKey]
) -> Table:
    values = results("baseline")
    available = set(values.values("paramcd"))
    rows: list[Row] = []
    not_collected = []
    for paramcd, decimals in parameters.items():
        label = analysis("baseline").text("paramcd", paramcd, ard.plan())
        if paramcd not in available:
            not_collected.append(label)
            continue
        rows.append(Row(label, kind="group"))
        if decimals is None:
            rows += _categories(values, paramcd, list(columns))
        else:
            rows += _summary(values, paramcd, decimals, list(columns))
    heads = [head_of(values, column, paramcd="AGE") for column in columns]
    notes = [f"Not in the data: {', '.join(not_collected)}."] if not_collected else []
    absent = not_recorded("lb", "laboratory value at baseline")
    return Table(display_id, "Characteristic", heads, rows, notes=notes, absent=absent)


def characteristics() -> Table:
    """`tlf-baseline`: demographics, disease characteristics and prior therapy."""
    return _table("tlf-baseline", CHARACTERISTICS, _columns())


def _columns() -> list[ArdKey]:
    """The columns of the study report: without all treated patients, who are those of the DSMB's table."""
    every = columns_of(results("baseline"), paramcd="AGE")
    return [column for column in every if column["population"] != "SAFETY"]


def treated() -> Table:
    """The DSMB's table of the baseline characteristics of all treated patients."""
    columns: list[ArdKey] = [ArdKey(population="SAFETY", group="")]
    if results("baseline").count("N", population="SAFETY", group="", paramcd="AGE").text == "0":
        absent = "No patient has been treated yet."
        return Table("tlf-dsmb-baseline", "Characteristic", [Column("n")], [], absent=absent)
    return _table("tlf-dsmb-baseline", CHARACTERISTICS, columns)


def laboratory() -> Table:
    """`tlf-baseline-labs`: laboratory values at baseline."""
    return _table("tlf-baseline-labs", LABORATORY, _columns())
