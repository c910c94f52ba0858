"""Rates as tables print them: the count with its percentage, the denominator, the interval."""

from typing import Unpack

from sap.displays import formats
from sap.displays.ard_lookup import ArdKey, Results
from sap.displays.table import Content, limits, n_pct


def ci_header(results: Results, **where: Unpack[ArdKey]) -> str:
    """The header of a column of confidence intervals in percent, with the level of the plan."""
    return f"{formats.confidence(results.find('conf_level', **where).value)} % CI (%)"


def rate_cells(results: Results, **where: Unpack[ArdKey]) -> tuple[Content, Content, Content]:
    """Three cells of one rate: n (%), N and the confidence interval."""
    return (
        n_pct(results.count(**where), results.percent(**where)),
        results.count("N", **where),
        limits(results.percent("conf_low", **where), results.percent("conf_high", **where)),
    )
