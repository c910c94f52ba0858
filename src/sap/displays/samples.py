"""Blood samples collected and scheduled."""

from sap import ard
from sap.displays.ard_lookup import ArdKey, Results, results
from sap.displays.record import not_recorded
from sap.displays.table import Column, Content, Row, Table, n_pct


def inventory() -> Table:
    """`tlf-samples`: blood samples collected, of those scheduled, by kind and group."""
    samples = results("sample_inventory")
    rows: list[Row] = []
    for paramcd in samples.values("paramcd"):
        lines = [
            _line(samples, ArdKey(group=group, paramcd=paramcd))
            for group in samples.values("group", paramcd=paramcd)
            if samples.find("N", group=group, paramcd=paramcd, level="").estimable
        ]
        if lines:
            rows += [Row(samples.label("paramcd", paramcd), kind="group"), *lines]
    columns = [
        Column("Collected, n (%)"), Column("Scheduled"), Column("Unscheduled"), Column("Volume (mL)"),
    ]  # fmt: skip
    absent = not_recorded("be", "blood sample")
    n = results("analysis_sets").count(population="SCREENED")
    stub = "Sample and group" if ard.plan().study.groups else "Sample and allocation"
    return Table("tlf-samples", stub, columns, rows, absent=absent, n=n)


def _line(samples: Results, of_group: ArdKey) -> Row:
    visits: ArdKey = {**of_group, "level": ""}
    volume: ArdKey = {**of_group, "level": "volume"}
    collected = samples.has("total", **volume) and samples.find("total", **volume).estimable
    cells: list[Content] = [
        n_pct(samples.count(**visits), samples.percent(**visits)),
        samples.count("N", **visits),
        samples.count("n_extra", **visits),
        samples.fixed("total", 0, **volume) if collected else "",
    ]
    return Row(_group(samples, of_group["group"]), cells, "indent1")


def _group(samples: Results, group: str) -> str:
    """The name of a group; of the one cohort, that it was allocated."""
    allocated = group == "B" and not ard.plan().study.groups
    return "Allocated to treatment" if allocated else samples.label("group", group)
