"""Exposure to study cabazitaxel: cycles, dose intensity, delays, reductions and G-CSF."""

from sap.displays.ard_lookup import ArdKey, results
from sap.displays.safety import LINES, lines_of
from sap.displays.table import Cell, Column, Content, Row, Table, n_pct, pair, span

# PARAMCD, its words, and with how many decimals it is collected.
NUMBERS = (
    ("NCYCLES", "Cycles", 0),
    ("DURWK", "Duration (weeks)", 1),
    ("CUMDOSE", "Cumulative dose (mg/m2)", 0),
    ("ADI", "Dose intensity (mg/m2 per week)", 1),
    ("RDI", "Relative dose intensity (%)", 0),
    ("RDISTRT", "Relative dose intensity, by the planned starting dose (%)", 0),
)
ANSWERS = (
    ("OVERMAX", "More cycles than planned"),
    ("DELAYED", "An infusion was delayed"),
    ("DELMAJOR", "A major delay"),
    ("LOWSTART", "Began at the lower dose"),
    ("REDUCED", "The dose was reduced"),
    ("GCSFANY", "G-CSF"),
    ("GCSFPRIM", "G-CSF as primary prophylaxis"),
    ("GCSFSEC", "G-CSF as secondary prophylaxis"),
    ("GCSFTHER", "G-CSF for neutropenia"),
)


def _columns() -> tuple[list[str], list[Column]]:
    found = results("exposure")
    groups = lines_of(found, paramcd="DELAYED")
    return groups, [
        Column(LINES[g], found.count("N", group=g, paramcd="DELAYED", level="")) for g in groups
    ]


def doses() -> Table:
    """Table 14.3.0.1: cycles, doses and dose intensity."""
    found = results("exposure")
    groups, columns = _columns()
    rows: list[Row] = []
    left_out = False
    for paramcd, words, digits in NUMBERS:
        places = [ArdKey(group=g, paramcd=paramcd, level="") for g in groups]
        rows.append(Row(words, kind="group"))
        there = [found.has("median", **p) for p in places]
        if not all(there) or not all(found.has("mean", **p) for p in places):
            # The open report: what would tell how many patients had so many cycles is not in its rows.
            rows.append(Row("n", [found.count("n", **p) for p in places], "indent1"))
            middle: list[Content] = [
                found.fixed("median", digits + 1, **p) if here else ""
                for p, here in zip(places, there, strict=True)
            ]
            rows.append(Row("Median", middle, "indent1"))
            left_out = True
            continue
        known = [found.find("median", **p).estimable for p in places]
        rows.append(Row("n", [found.count("n", **p) for p in places], "indent1"))
        lines = {
            "Mean (SD)": [
                pair(found.fixed("mean", digits + 1, **p), found.fixed("sd", digits + 2, **p))
                for p in places
            ],
            "Median (Q1, Q3)": [
                Cell(
                    found.fixed("median", digits + 1, **p),
                    " (",
                    found.fixed("q1", digits + 1, **p),
                    ", ",
                    found.fixed("q3", digits + 1, **p),
                    ")",
                )
                for p in places
            ],
            "Min, max": [
                span(found.fixed("min", digits, **p), found.fixed("max", digits, **p))
                for p in places
            ],
        }
        for label, made in lines.items():
            cells: list[Content] = [
                cell if estimable else found.fixed("median", digits, **p)
                for cell, estimable, p in zip(made, known, places, strict=True)
            ]
            rows.append(Row(label, cells, "indent1"))
    rows.append(Row("Patients by cycles given", kind="group"))
    for level in found.values("level", paramcd="NCYCLES", group=""):
        if not level:
            continue
        cells = []
        for group in groups:
            place = ArdKey(group=group, paramcd="NCYCLES", level=level)
            n, counted = found.count_or_zero(**place), found.has("n", **place)
            cells.append(n_pct(n, found.percent(**place)) if counted else n)
        rows.append(Row(level.lstrip("0"), cells, "indent1"))
    notes = [
        "Left out of the open report: means, spreads and extremes of few patients, and the middle of a line of therapy, which would tell how many patients had so many cycles."
    ]
    return Table("tlf-exposure", "Exposure", columns, rows, notes=notes if left_out else [])


def compliance() -> Table:
    """Table 14.1.10: delays, reductions and growth factor."""
    found = results("exposure")
    groups, columns = _columns()
    rows: list[Row] = []
    for paramcd, words in ANSWERS:
        cells: list[Content] = []
        for group in groups:
            place = ArdKey(group=group, paramcd=paramcd, level="")
            n = found.count(**place)
            known = found.find("estimate", **place).estimable
            cells.append(n_pct(n, found.percent(**place)) if known else n)
        under = paramcd.startswith("GCSF") and paramcd != "GCSFANY"
        rows.append(Row(words, cells, "indent1" if under else ""))
        places = [ArdKey(group=group, paramcd=paramcd, level="") for group in groups]
        missing = [found.count("n_missing", **place) for place in places]
        if any(n.text != "0" for n in missing):
            rows.append(Row("Not known", missing, "indent2" if under else "indent1"))
    return Table("tlf-compliance", "Patients with", columns, rows)
