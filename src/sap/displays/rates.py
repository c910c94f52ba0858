"""Rates as tables print them: the count with its percentage, the denominator, the interval."""

from typing import Unpack

from sap.catalogue.reporting import analysis
from sap.displays import formats
from sap.displays.ard_lookup import ArdKey, Results, results
from sap.displays.populations import short
from sap.displays.register import register
from sap.displays.table import Column, Content, Row, Table, limits, n_pct


def ci_header(results: Results, **where: Unpack[ArdKey]) -> str:
    """The header of a column of confidence intervals in percent, with the level of the plan."""
    return f"{formats.confidence(results.find('conf_level', **where).value)} % CI (%)"


def rate_cells(results: Results, **where: Unpack[ArdKey]) -> tuple[Content, Content, Content]:
    """Three cells of one rate: n (%), N and the confidence interval."""
    return (
        n_pct(results.count(**where), results.percent(**where)),
        results.count("N", **where),
        limits(results.rate("conf_low", **where), results.rate("conf_high", **where)),
    )


def rate_table(display_id: str) -> Table:
    """A table of every rate that the analyses of a display hold, in the order of the catalogue.

    A group row names each analysis; below it is a row for each population, and within it for
    each group and level. An endpoint that is a rate needs no code of its own to be shown.
    """
    rows: list[Row] = []
    header = ""
    for name in register()[display_id].analysis:
        rates = results(name)
        lines = []
        for population in analysis(name).populations:
            for group in rates.values("group", population=population):
                for level in rates.values("level", population=population, group=group):
                    place = ArdKey(population=population, group=group, level=level)
                    if rates.has("conf_low", **place):
                        parts = [
                            rates.label("group", group) if group else "",
                            rates.label("level", level) if level else "",
                        ]
                        label = ", ".join(filter(None, [short(population), *parts]))
                        lines.append(Row(label, rate_cells(rates, **place), "indent1"))
                        header = header or ci_header(rates, **place)
        if lines:
            rows += [Row(analysis(name).label, kind="group"), *lines]
    columns = [Column("n (%)"), Column("N"), Column(header)]
    absent = "No patient of this analysis."
    return Table(display_id, "Analysis set", columns, rows, absent=absent)
