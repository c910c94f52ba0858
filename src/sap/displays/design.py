"""The design of the plan and its operating characteristics."""

import pandas as pd

from sap import ard
from sap.displays import formats
from sap.displays.ard_lookup import Number, results
from sap.displays.figure import Figure
from sap.displays.table import Column, Content, Row, Table


def operating_characteristics() -> Table:
    """`tlf-oc`: the design of the plan and its exact operating characteristics."""
    design = results("design")

    def line(label: str, number: Number) -> Row:
        cells: tuple[Content, ...] = (number,)
        return Row(label, cells)

    rows = [
        line("Unacceptable (null) response rate, p0", design.fixed("p0", 2)),
        line("Desirable (alternative) response rate, p1", design.fixed("p1", 2)),
        line("Planned type I error (alpha)", design.fixed("alpha_planned", 2)),
        line("Actual type I error", design.fixed("alpha", 4)),
        line("Planned power", design.fixed("power_planned", 2)),
        line("Actual power", design.fixed("power", 4)),
    ]
    if design.has("n1"):
        rows += [
            line("Stage 1 sample size, n1", design.count("n1")),
            line("Stage 1 boundary, r1: stop if at most r1 responses", design.count("r1")),
            line(
                "Probability of early termination under p0",
                design.fixed("probability_of_early_termination", 4),
            ),
            line("Expected sample size under p0", design.fixed("expected_n", 1)),
        ]
    rows += [
        line("Total sample size, n", design.count("n")),
        line("Final boundary, r: reject H0 if more than r responses", design.count("r")),
    ]
    return Table("tlf-oc", "Parameter", [Column("Value")], rows)


def curve() -> Figure:
    """`tlf-oc-curve`: the operating characteristics by the true response rate."""
    from sap.displays.plots import oc_curve

    rows = ard.read("design_oc")
    by_rate = rows.pivot_table(index="level", columns="stat_name", values="stat").sort_values("p")
    series = {
        "probability_of_rejection": formats.typeset("H0 rejected"),
        "probability_of_early_termination": "Stopped after stage 1",
    }
    series = {name: label for name, label in series.items() if name in by_rate}
    curves = pd.concat(
        [
            pd.DataFrame({"p": by_rate["p"], "probability": by_rate[name], "series": label})
            for name, label in series.items()
        ]
    )
    design = results("design")
    marks = pd.DataFrame(
        [
            {
                "p": design.find(rate).value,
                "probability": design.find(name).value,
                "label": f"{rate}: {words} {design.fixed(name, 3).text}",
            }
            for rate, name, words in (("p0", "alpha", "type I error"), ("p1", "power", "power"))
        ]
    )
    plot = oc_curve(
        curves,
        marks,
        order=list(series.values()),
        x_title="True response rate",
        y_title="Probability",
    )
    alt = (
        f"Operating characteristics of the design: the probability of rejecting H0 is "
        f"{design.fixed('alpha', 3).text} at p0 and {design.fixed('power', 3).text} at p1."
    )
    return Figure("tlf-oc-curve", plot, alt, height=3.2)
