"""Demographic and other baseline characteristics."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sap import ard
from sap.catalogue.reporting import analysis
from sap.displays.ard_lookup import ArdKey, Number, Results, results
from sap.displays.disposition import columns_of
from sap.displays.disposition import head as head_of
from sap.displays.formats import DERIVED, NC, Decimals, of_data
from sap.displays.labs import DECIMALS as LABORATORY_DECIMALS
from sap.displays.record import not_recorded
from sap.displays.table import Cell, Column, Content, Row, Table, n_pct, pair, span

CHARACTERISTICS: Mapping[str, Decimals | None] = {
    "AGE": of_data(0), "WEIGHT": of_data(1), "BMI": DERIVED, "BSA": of_data(1), "ECOG": None,
    "TSDIAG": DERIVED, "TSMET": DERIVED, "GLEASON": None,
    "MEASDIS": None, "SBONE": None, "SNODE": None, "SLIVER": None, "SLUNG": None, "SOTHER": None,
    "TSPRIOR": DERIVED, "DOCETAX": None, "ARSI": None, "NARSI": None, "RADIO": None, "PSA": of_data(1),
    "CTC": of_data(0), "ARV7": None,
}  # fmt: skip
"""PARAMCD to the decimals of its summaries; None: a category."""

LABORATORY: Mapping[str, Decimals | None] = {
    code: LABORATORY_DECIMALS[code]
    for code in (
        "HGB", "WBC", "NEUT", "LYM", "PLAT", "ALP", "LDH", "ALT", "AST", "BILI", "CREAT", "ALB", "TESTOS",
    )
}  # fmt: skip


def _not_collected(number: Number) -> Number:
    """The mark of a group of patients in which none has a value that others have."""
    return replace(number, text=NC, reason="")


def _categories(values: Results, paramcd: str, columns: list[ArdKey]) -> list[Row]:
    rows: list[Row] = []
    missing = [_all_missing(values, {**column, "paramcd": paramcd}) for column in columns]
    for level in values.values("level", paramcd=paramcd):
        cells: list[Cell] = []
        for column, none_known in zip(columns, missing, strict=True):
            place: ArdKey = {**column, "paramcd": paramcd, "level": level}
            n = values.count(**place)
            never = none_known and level != "missing" and not all(missing)
            share = n_pct(n, values.percent(**place))
            cells.append(Cell(_not_collected(n)) if never else share)
        if level != "missing" or any(cell.text != "0" for cell in cells):
            rows.append(Row(values.label("level", level), cells, "indent1"))
    return rows


def _all_missing(values: Results, place: ArdKey) -> bool:
    """Whether no patient of a column has a value of a category."""
    missing: ArdKey = {**place, "level": "missing"}
    return (
        values.has("n", **missing)
        and values.find("n", **missing).value > 0
        and (values.find("n", **missing).value == values.find("N", **missing).value)
    )


def _summary(values: Results, paramcd: str, decimals: Decimals, columns: list[ArdKey]) -> list[Row]:
    places: list[ArdKey] = [{**column, "paramcd": paramcd} for column in columns]
    known = any(values.find("n", **place).value for place in places)
    cells: dict[str, list[Content]] = {
        "n": [], "Mean (SD)": [], "Median (Q1, Q3)": [], "Min, max": []
    }  # fmt: skip
    for place in places:
        n = values.count("n", **place)
        cells["n"].append(n)
        if n.text == "0":
            absent = values.fixed("median", decimals.centre, **place)
            absent = _not_collected(absent) if known else absent
            for label in ("Mean (SD)", "Median (Q1, Q3)", "Min, max"):
                cells[label].append(absent)
            continue
        mean, sd, median, q1, q3 = (
            values.fixed(name, decimals.centre, **place)
            for name in ("mean", "sd", "median", "q1", "q3")
        )
        low, high = (values.fixed(name, decimals.ends, **place) for name in ("min", "max"))
        cells["Mean (SD)"].append(pair(mean, sd))
        cells["Median (Q1, Q3)"].append(Cell(median, " (", q1, ", ", q3, ")"))
        cells["Min, max"].append(span(low, high))
    return [Row(label, of_label, "indent1") for label, of_label in cells.items()]


def _table(
    display_id: str, parameters: Mapping[str, Decimals | None], columns: Sequence[ArdKey]
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
    notes = [f"Not collected, and not shown: {', '.join(not_collected)}."] if not_collected else []
    absent = not_recorded("lb", "laboratory value at baseline")
    return Table(display_id, "Characteristic", heads, rows, notes=notes, absent=absent)


def characteristics() -> Table:
    """`tlf-baseline`: demographics, disease characteristics and prior therapy."""
    return _table("tlf-baseline", CHARACTERISTICS, _columns())


def _columns() -> list[ArdKey]:
    """The columns of the study report: without all treated patients, who are those of the DSMB's table.

    Nor of the re-screened ones, most of whose characteristics were not collected again; those treated
    have a column.
    """
    every = columns_of(results("baseline"), paramcd="AGE")
    left_out = (("SAFETY", ""), ("RESCREENED", ""))
    return [c for c in every if (c["population"], c["group"]) not in left_out]


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
