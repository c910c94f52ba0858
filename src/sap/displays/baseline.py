"""Demographic and other baseline characteristics."""

from collections.abc import Mapping, Sequence

from sap import ard
from sap.catalogue.reporting import all_in_plan, analysis
from sap.displays.absence import not_shown
from sap.displays.ard_lookup import ArdKey, Results, results
from sap.displays.disposition import columns_of
from sap.displays.disposition import head as head_of
from sap.displays.formats import DERIVED, Decimals, of_data
from sap.displays.labs import DECIMALS as LABORATORY_DECIMALS
from sap.displays.record import not_recorded
from sap.displays.table import Cell, Column, Content, Row, Table, n_pct, pair, span

CHARACTERISTICS: Mapping[str, Decimals | None] = {
    "AGE": of_data(0), "SEX": None, "RACE": None, "ETHNIC": None, "WEIGHT": of_data(1), "BMI": DERIVED, "BSA": of_data(1), "ECOG": None,
    "TSDIAG": DERIVED, "TSMET": DERIVED, "GLEASON": None,
    "MEASDIS": None, "SBONE": None, "SNODE": None, "SLIVER": None, "SLUNG": None, "SOTHER": None,
    "TSPRIOR": DERIVED, "PRIORTRT": None, "PRIORCL": None, "NPRIORCL": None, "RADIO": None, "PSA": of_data(1),
    "CTC": of_data(0), "MARKER": None,
}  # fmt: skip
"""PARAMCD to the decimals of its summaries; None: a category."""

OF_DM = ("SEX", "RACE", "ETHNIC")
NEEDED = {
    "GLEASON": ("psa_response",), "TESTOS": ("psa_response",), "TSDIAG": ("baseline.diagnosis",),
    "TSMET": ("baseline.metastatic",), "TSPRIOR": ("baseline.prior_drug",),
    "PRIORTRT": ("baseline.prior_drug",), "PRIORCL": ("baseline.prior_class",),
    "NPRIORCL": ("baseline.prior_class",),
}  # fmt: skip
"""The entries of the plan without which a characteristic that the data lack is not named as lacking."""

LABORATORY: Mapping[str, Decimals | None] = {
    code: LABORATORY_DECIMALS[code]
    for code in (
        "HGB", "WBC", "NEUT", "LYM", "PLAT", "ALP", "LDH", "ALT", "AST", "BILI", "CREAT", "ALB", "TESTOS",
    )
}  # fmt: skip


def _categories(values: Results, paramcd: str, columns: list[ArdKey]) -> list[Row]:
    rows: list[Row] = []
    for level in values.values("level", paramcd=paramcd):
        places: list[ArdKey] = [
            {**column, "paramcd": paramcd, "level": level} for column in columns
        ]
        cells = [n_pct(values.count(**place), values.percent(**place)) for place in places]
        if level != "missing" or any(cell.text != "0" for cell in cells):
            label = values.label("level", level)
            rows.append(Row(_name(label) if paramcd in NAMES else label, cells, "indent1"))
    return rows


NAMES = ("RACE", "ETHNIC")
"""Characteristics whose terms are names, in capitals in the data."""


def _name(term: str) -> str:
    """`Black or African American` of a term in capitals.

    >>> _name("BLACK OR AFRICAN AMERICAN"), _name("Not Reported")
    ('Black or African American', 'Not Reported')
    """
    return term.title().replace(" Or ", " or ") if term.isupper() else term


def _summary(values: Results, paramcd: str, decimals: Decimals, columns: list[ArdKey]) -> list[Row]:
    places: list[ArdKey] = [{**column, "paramcd": paramcd} for column in columns]
    cells: dict[str, list[Content]] = {
        "n": [], "Mean (SD)": [], "Median (Q1, Q3)": [], "Min, max": []
    }  # fmt: skip
    for place in places:
        n = values.count("n", **place)
        cells["n"].append(n)
        if n.text == "0":
            absent = values.fixed("median", decimals.centre, **place)
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
        if paramcd not in available and not _planned(paramcd):
            continue
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
    notes = [not_shown(", ".join(not_collected))] if not_collected else []
    absent = not_recorded("lb", "laboratory value at baseline")
    return Table(display_id, "Characteristic", heads, rows, notes=notes, absent=absent)


def _planned(paramcd: str) -> bool:
    """Whether the plan asks for a characteristic: its entries, and those of DM that it names."""
    plan = ard.plan()
    if paramcd in OF_DM:
        return paramcd in plan.baseline.of_dm
    needs = analysis("baseline").item("paramcd", paramcd).needs
    return all_in_plan((*needs, *NEEDED.get(paramcd, ())), plan)


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
