"""Re-screened patients: marker conversion, interval between the screenings, and treatment."""

from sap import ard
from sap.catalogue.reporting import analysis
from sap.displays import plan_text
from sap.displays.ard_lookup import ArdKey, Results, results
from sap.displays.formats import DERIVED, Decimals, of_data
from sap.displays.rates import ci_header, rate_cells
from sap.displays.table import Column, Content, Row, Table, pair, span

NO_RESCREENING = "Not applicable: the plan of this trial has no re-screening."
BLOCKS = (
    ("CONVERT", "all"),
    ("CONVERT", "determined"),
    ("QUALIFY", ""),
    ("TREATED", ""),
    ("AFTER", ""),
)


def _heading(rates: Results, paramcd: str, group: str) -> str:
    label = rates.label("paramcd", paramcd)
    if paramcd == "AFTER":
        return f"{label}: {plan_text.either('rescreening.after').plain}"
    return f"{label}, of {rates.label('group', group)}" if group else label


def conversion() -> Table:
    """Conversion by the marker status at the first screening, with two denominators."""
    rates = results("rescreening")
    overall = ArdKey(paramcd="CONVERT", group="all", level="all")
    if not len(rates) or not rates.find("N", **overall).value:
        planned = ard.plan().study.groups
        absent = "No patient was re-screened." if planned else NO_RESCREENING
        return Table("tlf-rescreening", "Re-screened patients", [], [], absent=absent)
    rows: list[Row] = []
    for paramcd, group in BLOCKS:
        rows.append(Row(_heading(rates, paramcd, group), kind="group"))
        for level in rates.values("level", paramcd=paramcd, group=group):
            place = ArdKey(paramcd=paramcd, group=group, level=level)
            if rates.find("N", **place).value:
                rows.append(Row(rates.label("level", level), rate_cells(rates, **place), "indent1"))
    columns = [Column("n (%)"), Column("N"), Column(ci_header(rates, **overall))]
    return Table("tlf-rescreening", "Re-screened patients", columns, rows)


def _summary(source: Results, place: ArdKey, decimals: Decimals) -> tuple[Content, ...]:
    mean, sd, median = (
        source.fixed(name, decimals.centre, **place) for name in ("mean", "sd", "median")
    )
    low, high = (source.fixed(name, decimals.ends, **place) for name in ("min", "max"))
    return source.count(**place), pair(mean, sd), median, span(low, high)


def between() -> Table:
    """Interval and CTC change between the screenings, and days from sample to allocation."""
    changes, days = results("rescreening"), results("allocation_time")
    lines: list[tuple[str, Results, ArdKey, Decimals]] = []
    for paramcd, digits in (("TIMERESC", DERIVED), ("CTCCHG", of_data(0))):
        for level in changes.values("level", paramcd=paramcd):
            label = changes.label("paramcd", paramcd)
            if level != "all":
                label += f", {changes.label('level', level)}"
            lines.append((label, changes, ArdKey(paramcd=paramcd, level=level), digits))
    for level in days.values("level"):
        label = f"{analysis('allocation_time').label}, {days.label('level', level).lower()}"
        lines.append((label, days, ArdKey(level=level), of_data(0)))
    rows = [
        Row(label, _summary(source, place, digits))
        for label, source, place, digits in lines
        if source.find("n", **place).value
    ]
    columns = [Column("n"), Column("Mean (SD)"), Column("Median"), Column("Min, max")]
    absent = "No dates of allocation."
    return Table("tlf-rescreening-times", "Parameter", columns, rows, absent=absent)
