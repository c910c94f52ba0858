"""Exposure to the study treatment: cycles, dose intensity, delays, reductions and G-CSF."""

from collections.abc import Iterable

from sap import ard
from sap.displays.ard_lookup import ArdKey, Results, results
from sap.displays.formats import DERIVED, NC, NOT_CALCULATED, Decimals, of_data
from sap.displays.safety import line_label, lines_of
from sap.displays.table import Cell, Column, Content, Row, Table, n_pct, pair, span

NUMBERS = {
    "NCYCLES": of_data(0), "DURWK": DERIVED, "DURDAYS": of_data(0), "TRTDAYS": of_data(0),
    "OFFDAYS": of_data(0), "CUMDOSE": of_data(0), "CUMMG": of_data(0), "ADI": DERIVED, "RDI": DERIVED,
    "RDISTRT": DERIVED,
}  # fmt: skip
"""PARAMCD, and the decimals of its summaries."""
LIMITED = Decimals(0, 0)
"""The decimals of the open report, whose means must not tell single doses."""
# PARAMCD of each yes-or-no parameter, and whether it is a reason of the one above.
RESPONSES = {
    "OVERMAX": "",
    "DELAYED": "",
    "DELMAJOR": "",
    "INTERR": "",
    "LOWSTART": "",
    "REDUCED": "",
    "GCSFANY": "",
    "GCSFPRIM": "indent1",
    "GCSFSEC": "indent1",
    "GCSFTHER": "indent1",
}


def _columns(exposure: Results) -> tuple[list[str], list[Column]]:
    any_ = "INTERR" if ard.plan().exposure.continuous else "DELAYED"
    groups = lines_of(exposure, paramcd=any_)
    return groups, [
        Column(line_label(g), exposure.count("N", group=g, paramcd=any_, level="")) for g in groups
    ]


def _of_plan(exposure: Results, paramcds: Iterable[str]) -> list[str]:
    """The parameters of the plan's doses; the sum in mg only where there is none in the planned unit."""
    there = [p for p in paramcds if exposure.has("n", group="", paramcd=p, level="")]
    return [p for p in there if p != "CUMMG" or "CUMDOSE" not in there]


def _median_quartiles(exposure: Results, place: ArdKey, digits: int) -> Cell:
    median, q1, q3 = (exposure.fixed(s, digits, **place) for s in ("median", "q1", "q3"))
    return Cell(median, " (", q1, ", ", q3, ")")


def _numbers(
    exposure: Results, groups: list[str], paramcd: str, decimals: Decimals | None = None
) -> list[Row]:
    """The lines of one numeric parameter, with its decimals or fewer; NE in a group in which no value is known."""
    digits = decimals or NUMBERS[paramcd]
    places = [ArdKey(group=g, paramcd=paramcd, level="") for g in groups]
    lines: dict[str, list[Content]] = {"Mean (SD)": [], "Median (Q1, Q3)": [], "Min, max": []}
    for place in places:
        median = exposure.find("median", **place)
        if not median.estimable:
            for cells in lines.values():
                cells.append(exposure.fixed("median", digits.centre, **place))
            continue
        mean, sd = (exposure.fixed(s, digits.centre, **place) for s in ("mean", "sd"))
        low, high = (exposure.fixed(s, digits.ends, **place) for s in ("min", "max"))
        lines["Mean (SD)"].append(pair(mean, sd))
        lines["Median (Q1, Q3)"].append(_median_quartiles(exposure, place, digits.centre))
        lines["Min, max"].append(span(low, high))
    return [
        Row(exposure.label("paramcd", paramcd), kind="group"),
        Row("n", [exposure.count("n", **place) for place in places], "indent1"),
        *(Row(label, cells, "indent1") for label, cells in lines.items()),
    ]


def doses() -> Table:
    """`tlf-exposure`: cycles, doses and dose intensity."""
    exposure = results("exposure")
    groups, columns = _columns(exposure)
    rows: list[Row] = []
    for paramcd in _of_plan(exposure, NUMBERS):
        rows += _numbers(exposure, groups, paramcd)
    if not ard.plan().exposure.continuous:
        rows.append(Row("Patients by number of cycles", kind="group"))
    for level in exposure.values("level", paramcd="NCYCLES", group=""):
        if not level:
            continue
        cells: list[Content] = []
        for group in groups:
            place = ArdKey(group=group, paramcd="NCYCLES", level=level)
            n, counted = exposure.count_or_zero(**place), exposure.has("n", **place)
            cells.append(n_pct(n, exposure.percent(**place)) if counted else n)
        rows.append(Row(exposure.label("level", level), cells, "indent1"))
    return Table("tlf-exposure", "Exposure", columns, rows)


def _known_patients(exposure: Results, place: ArdKey) -> Content:
    """Count and percent; of patients of whom some are unknown the least that it can be.

    Where no patient is known to have it and some are unknown, a dash: the count below says how many. What
    was never collected keeps its mark.
    """
    n = exposure.count(**place)
    if exposure.find("estimate", **place).estimable:
        return n_pct(n, exposure.percent(**place))
    if n.text == NC:
        return n
    return Cell(">= ", n) if exposure.find("n", **place).estimable else NOT_CALCULATED


def compliance() -> Table:
    """`tlf-compliance`: dose delays, reductions and G-CSF use."""
    exposure = results("exposure")
    groups, columns = _columns(exposure)
    rows: list[Row] = []
    for paramcd in _of_plan(exposure, RESPONSES):
        kind = RESPONSES[paramcd]
        places = [ArdKey(group=group, paramcd=paramcd, level="") for group in groups]
        cells = [_known_patients(exposure, place) for place in places]
        rows.append(Row(exposure.label("paramcd", paramcd), cells, "indent1" if kind else ""))
        missing = [exposure.count("n_missing", **place) for place in places]
        if any(n.text != "0" for n in missing):
            rows.append(Row("Unknown", missing, "indent2" if kind else "indent1"))
    dashed = any(NOT_CALCULATED in row.cells for row in rows)
    notes = [f"{NOT_CALCULATED}: no patient is known to have it."] if dashed else []
    return Table("tlf-compliance", "Patients with", columns, rows, notes=notes)


def monitored() -> Table:
    """The DSMB's table of treatment: finished cycles, dose intensity, delays, reasons of stopping.

    It has no number of cycles and no time on treatment, which tell when patients had progressed; dose
    intensity has no decimals, because they would disclose the cycles and days of a patient.
    """
    exposure, cycles, stopping = (
        results("exposure"),
        results("dsmb_cycles"),
        results("dsmb_stopping"),
    )
    n = stopping.count("N", level="adverse_event")
    if len(cycles):
        n = cycles.count("N", level="first_finished")
    columns, stub = [Column(line_label(""), n)], "Treatment"
    if n.text == "0":
        absent = "No patient has been treated yet."
        return Table("tlf-dsmb-exposure", stub, columns, [], absent=absent)
    first = ArdKey(level="first_finished")
    rows = []
    if len(cycles):
        share = n_pct(cycles.count(**first), cycles.percent(**first))
        rows.append(Row(cycles.label("level", "first_finished"), (share,)))
    if _of_plan(exposure, ["RDI"]):
        rows += [row for row in _numbers(exposure, [""], "RDI", LIMITED) if row.label != "n"]
    rows.append(Row("Patients with", kind="group"))
    for paramcd in _of_plan(exposure, RESPONSES):
        place = ArdKey(group="", paramcd=paramcd, level="")
        if paramcd == "OVERMAX":
            continue
        count = exposure.count(**place)
        known = exposure.find("estimate", **place).estimable
        cell: Content = n_pct(count, exposure.percent(**place)) if known else count
        rows.append(Row(exposure.label("paramcd", paramcd), (cell,), "indent1"))
    rows.append(Row("Reason of stopping", kind="group"))
    for level in stopping.values("level"):
        share = n_pct(stopping.count(level=level), stopping.percent(level=level))
        rows.append(Row(stopping.label("level", level), (share,), "indent1"))
    return Table("tlf-dsmb-exposure", stub, columns, rows)
