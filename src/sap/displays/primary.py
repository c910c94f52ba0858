"""The primary endpoint of a plan with another one than PSA response: its table and its sensitivity."""

import pandas as pd

from sap import ard
from sap.catalogue.reporting import analysis
from sap.displays import formats
from sap.displays.ard_lookup import ArdKey, results
from sap.displays.endpoint import rate_name
from sap.displays.figure import Figure
from sap.displays.populations import short
from sap.displays.rates import ci_header, rate_cells
from sap.displays.response import primary_interval_notes
from sap.displays.table import Column, Content, Row, Table, limits

ADDED = {
    "objective_response": ("objective_response_unconfirmed", "objective_response_other"),
    "clinical_benefit": ("objective_response", "objective_response_other"),
    "rate_at": (),
}
"""The analyses that the table gives in addition to the primary one."""
SETS = ("PRIMARY", "MEASURABLE")
OF_PSA = "PSA response has displays of its own."


def response() -> Table:
    """`tlf-primary`: the primary rate, its test and decision, and the same endpoint by other definitions.

    1. The primary endpoint in the primary set, with p and the decision of the design.
    2. The same in patients with measurable disease, where the data have them.
    3. Objective response without confirmation and by the other source (`ADDED`); of a rate at a landmark
       the Kaplan-Meier estimate at that time.
    """
    endpoint = ard.plan().primary.endpoint
    if endpoint not in ADDED:
        return Table("tlf-primary", "Endpoint", [], [], absent=OF_PSA)
    of_primary = results(endpoint)
    rows = [Row(analysis(endpoint).label, kind="group")]
    for name in (endpoint, *ADDED[endpoint]):
        rates = results(name)
        lines = []
        for population in SETS:
            place = ArdKey(population=population)
            if not rates.has("N", **place):
                continue
            tested: tuple[Content, Content] = ("", "")
            if (name, population) == (endpoint, "PRIMARY"):  # the design decides about no other
                tested = (rates.p_value(**place), rates.words("decision", **place))
            cells = (*rate_cells(rates, **place), rates.count("n_missing", **place), *tested)
            lines.append(Row(short(population), cells, "indent1"))
        if name != endpoint and lines:
            rows.append(Row(analysis(name).label, kind="group"))
        rows += lines
    if endpoint == "rate_at":
        rows += _kaplan_meier()
    columns = [
        Column("n (%)"),
        Column("N"),
        Column(ci_header(of_primary, population="PRIMARY")),
        Column(formats.NEV),
        Column("p"),
        Column("Decision", numeric=False),
    ]
    return Table(
        "tlf-primary", "Endpoint and analysis set", columns, rows, notes=primary_interval_notes()
    )


def _kaplan_meier() -> list[Row]:
    """The estimate of Kaplan and Meier at the landmark, in percent."""
    curve, place = results("rate_at_kaplan_meier"), ArdKey(population="PRIMARY")
    interval = limits(curve.rate("conf_low", **place), curve.rate("conf_high", **place))
    cells = (curve.rate("estimate", **place), curve.count("N", **place), interval, "", "", "")
    return [
        Row(analysis("rate_at_kaplan_meier").label, kind="group"),
        Row(short("PRIMARY"), cells, "indent1"),
    ]


def sensitivity() -> Figure:
    """`tlf-primary-sensitivity`: the primary rate under other assumptions."""
    from sap.displays.plots import forest

    if ard.plan().primary.endpoint not in ADDED:
        return Figure("tlf-primary-sensitivity", None, "", absent=OF_PSA)
    rates, statistics = results("primary_sensitivity"), ("estimate", "conf_low", "conf_high")
    # The worst case is the primary analysis, and is named there.
    levels = [level for level in rates.values("level") if level != "worst_case"]
    known = [level for level in levels if rates.find("estimate", level=level).estimable]
    if not known:
        absent = "No patient belongs to the primary analysis set yet."
        return Figure("tlf-primary-sensitivity", None, "", absent=absent)
    rows = []
    for level in known:
        values = [100 * rates.find(name, level=level).value for name in statistics]
        estimate, low, high = (rates.rate(name, level=level).text for name in statistics)
        label = rates.label("level", level)
        rows.append(
            {
                "label": f"{label}; missing: failures" if level == "primary" else label,
                "n_text": "/".join(rates.count(name, level=level).text for name in ("n", "N")),
                "text": f"{estimate} ({low}, {high})",
                **dict(zip(("estimate", "low", "high"), values, strict=True)),
            }
        )
    p0, named = ard.plan().design.p0, rate_name(ard.plan())
    header = ci_header(rates, level=known[0]).removesuffix(" (%)")
    plot = forest(
        pd.DataFrame(rows),
        reference=100 * p0,
        x_title=f"{named[:1].upper()}{named[1:]} (%)",
        reference_words=f"p0 = {formats.proportion(p0)} %",
        columns=("Analysis", "n/N", f"% ({header})"),
    )
    alt = (
        f"Forest plot of the {named} in {len(rows)} analyses; the dashed line is p0, "
        f"{formats.proportion(p0)} percent. "
        + "; ".join(f"{row['label']}: {row['n_text']}, {row['text']} percent" for row in rows)
        + "."
    )
    numbers = [rates.rate(name, level=level) for level in known for name in statistics]
    height = 0.9 + 0.33 * len(rows)
    return Figure("tlf-primary-sensitivity", plot, alt, height=height, numbers=numbers)
