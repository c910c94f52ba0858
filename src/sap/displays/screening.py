"""Screening, allocation and re-screening: who reached which box."""

from sap.displays.addressed import results
from sap.displays.response import ci_header
from sap.displays.table import Column, Row, Table, limits, n_pct

FIRST = ("Consented", "Sampled", "CTC evaluable")


def _count(level: str) -> Row:
    return Row(level, (results("flow").count(level=level, paramcd="BOX"),))


def _by_prefix(*prefixes: str) -> list[str]:
    levels = results("flow").values("level", paramcd="BOX")
    return [level for prefix in prefixes for level in levels if level.startswith(prefix)]


def flow() -> Table:
    """Table 14.1.1: the boxes of the flow, in the order in which a man meets them."""
    found = results("flow")
    rows = [_count(level) for level in FIRST]
    counts = [level for level in _by_prefix("CTC ") if level not in FIRST]
    rows += [Row("Count", kind="group")]
    rows += [Row(level, _count(level).cells, "indent1") for level in counts]
    rows += [Row("AR-V7 at the first screening", kind="group")]
    for state in ("positive", "negative", "undetermined", "not done"):
        whole = f"AR-V7 {state}"
        rows.append(Row(state.capitalize(), _count(whole).cells, "indent1"))
        for level in _by_prefix(f"{whole}, "):
            rows.append(Row(level.removeprefix(f"{whole}, "), _count(level).cells, "indent2"))
        reasons = found.values("sublevel", level=whole, paramcd="REASON")
        for reason in reasons:
            number = found.count(level=whole, sublevel=reason, paramcd="REASON")
            rows.append(Row(reason, (number,), "indent2"))
    rows += [Row("Allocation and treatment", kind="group")]
    for level in ("Group A", "Group B", "Declined", "Not eligible", "Treated in group B after first screening"):
        rows.append(Row(level, _count(level).cells, "indent1"))
    rows += [Row("Re-screening", kind="group")]
    for level in (*_by_prefix("Re-screened"), "Second eligibility check failed", "Allocated to group B after re-screening", "Treated in group B after re-screening"):
        rows.append(Row(level, _count(level).cells, "indent1"))
    return Table("tlf-flow", "Box", [Column("Men")], rows)


def ends() -> Table:
    """Table 14.1.2: the one line in which each person ends."""
    found = results("flow")
    rows = [
        Row(level, (found.count(level=level, paramcd="FINAL"),))
        for level in found.values("level", paramcd="FINAL")
    ]
    return Table(
        "tlf-ends", "End", [Column("Men")], rows, absent="Not in the data: nobody consented."
    )


def biomarker() -> Table:
    """Table 14.1.3: yield of the screening with exact intervals."""
    found = results("biomarker_yield")
    order = (
        "CTC evaluable",
        "AR-V7 determined",
        "AR-V7 positive of determined",
        "AR-V7 positive of sampled",
        "AR-V7 positive and enough CTC, of sampled",
    )
    rows = []
    for level in order:
        n, percent = found.count(level=level), found.percent(level=level)
        interval = limits(
            found.percent("conf_low", level=level), found.percent("conf_high", level=level)
        )
        rows.append(Row(level, (n_pct(n, percent), found.count("N", level=level), interval)))
    columns = [Column("n (%)"), Column("N"), Column(ci_header(found, level=order[0]))]
    return Table("tlf-biomarker", "Share", columns, rows)


def sets() -> Table:
    """Table 14.1.4: the analysis sets and their sizes."""
    from sap.displays import populations

    found = results("analysis_sets")
    rows = []
    for population in found.values("population"):
        words = populations.words(population)
        rows.append(Row(words[0].upper() + words[1:], (found.count(population=population),)))
    return Table("tlf-sets", "Set", [Column("Men")], rows)
