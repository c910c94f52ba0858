"""Patients who came again: conversion, time between the screenings, and who was treated."""

from sap import ard
from sap.displays import plan_text
from sap.displays.ard_lookup import ArdKey, results
from sap.displays.rates import ci_header, rate_cells
from sap.displays.table import Column, Row, Table, pair, span

NO_RESCREENING = "Not applicable: the plan of this trial has no re-screening."
BLOCKS = {
    ("CONVERT", "all"): "AR-V7 positive at re-screening, of all",
    ("CONVERT", "determined"): "AR-V7 positive at re-screening, of those determined",
    ("QUALIFY", ""): "AR-V7 positive with enough CTC",
    ("TREATED", ""): "Treated in group B",
    ("AFTER", ""): "After abiraterone or enzalutamide",
}


def conversion() -> Table:
    """Conversion by the first state, with two denominators, and what followed."""
    found = results("rescreening")
    whole = ArdKey(paramcd="CONVERT", group="all", level="All re-screened")
    if not len(found) or not found.find("N", **whole).value:
        planned = ard.table("plan")["study"]["groups"]
        absent = "Not in the data: no patient was screened again." if planned else NO_RESCREENING
        return Table("tlf-rescreening", "Patients who came again", [], [], absent=absent)
    rows: list[Row] = []
    for (paramcd, group), words in BLOCKS.items():
        rows.append(Row(words, kind="group"))
        levels = found.values("level", paramcd=paramcd, group=group)
        for level in sorted(levels, key=lambda v: (v != "All re-screened", v)):
            here = ArdKey(paramcd=paramcd, group=group, level=level)
            if found.find("N", **here).value:
                rows.append(Row(level, rate_cells(found, **here), "indent1"))
    columns = [Column("n (%)"), Column("N"), Column(ci_header(found, **whole))]
    return Table("tlf-rescreening", "Patients who came again", columns, rows)


def between() -> Table:
    """Months and cells between the screenings, and days from sample to allocation."""
    found, days = results("rescreening"), results("allocation_time")
    lines = [
        (
            found,
            "Months between the screenings",
            ArdKey(paramcd="TIMERESC", level="All re-screened"),
            1,
        ),
        (found, "the same, converted", ArdKey(paramcd="TIMERESC", level="Converted"), 1),
        (
            found,
            f"Change of count per {plan_text.counted_in()}",
            ArdKey(paramcd="CTCCHG", level="All re-screened"),
            0,
        ),
        (
            days,
            "Days from sample to allocation, first screening",
            ArdKey(level="First screening"),
            0,
        ),
        (days, "Days from sample to allocation, re-screening", ArdKey(level="Re-screening"), 0),
    ]
    rows = []
    for source, words, place, digits in lines:
        if not source.has("n", **place) or not source.find("n", **place).value:
            continue
        rows.append(
            Row(
                words[0].upper() + words[1:],
                (
                    source.count(**place),
                    pair(
                        source.fixed("mean", digits + 1, **place),
                        source.fixed("sd", digits + 2, **place),
                    ),
                    source.fixed("median", digits + 1, **place),
                    span(
                        source.fixed("min", digits, **place), source.fixed("max", digits, **place)
                    ),
                ),
            )
        )
    columns = [Column("n"), Column("Mean (SD)"), Column("Median"), Column("Min, max")]
    absent = "Not in the data: no dates of allocation."
    return Table("tlf-rescreening-times", "Quantity", columns, rows, absent=absent)
