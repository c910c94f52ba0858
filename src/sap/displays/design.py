"""The design of the plan and what it attains."""

import pandas as pd

from sap import ard
from sap.displays.ard_lookup import Number, results
from sap.displays.figure import Figure
from sap.displays.table import Column, Content, Row, Table


def operating_characteristics() -> Table:
    """Table 9-1: the numbers of the plan beside what the design attains, exactly."""
    found = results("design")

    def line(label: str, number: Number) -> Row:
        cells: tuple[Content, ...] = (number,)
        return Row(label, cells)

    rows = [
        line("p0, a rate not worth treating", found.fixed("p0", 2)),
        line("p1, a rate worth treating", found.fixed("p1", 2)),
        line("alpha, planned", found.fixed("alpha_planned", 2)),
        line("alpha, attained", found.fixed("alpha", 4)),
        line("power, planned", found.fixed("power_planned", 2)),
        line("power, attained", found.fixed("power", 4)),
    ]
    if found.has("n1"):
        rows += [
            line("n1, patients in stage 1", found.count("n1")),
            line("r1, stop after stage 1 when responders are at most", found.count("r1")),
            line(
                "Probability of stopping after stage 1 under p0",
                found.fixed("probability_of_early_termination", 4),
            ),
            line("Expected number of patients under p0", found.fixed("expected_n", 1)),
        ]
    rows += [
        line("n, patients in all", found.count("n")),
        line("r, H0 is rejected when responders are more than", found.count("r")),
    ]
    return Table("tlf-oc", "Quantity", [Column("Value")], rows)


def curve() -> Figure:
    """Figure 9-1: what the design does over all true rates."""
    from sap.displays.plots import oc_curve

    rows = ard.read("design_oc")
    wide = rows.pivot_table(index="level", columns="stat_name", values="stat").sort_values("p")
    names = {
        "probability_of_rejection": "H0 is rejected",
        "probability_of_early_termination": "Stopped after stage 1",
    }
    names = {column: words for column, words in names.items() if column in wide}
    curves = pd.concat(
        [
            pd.DataFrame({"p": wide["p"], "probability": wide[column], "series": words})
            for column, words in names.items()
        ]
    )
    found = results("design")
    at = [("p0", "alpha", "alpha"), ("p1", "power", "power")]
    marks = pd.DataFrame(
        [
            {
                "p": found.find(rate).value,
                "probability": found.find(name).value,
                "label": f"{rate}: {word} {found.fixed(name, 3).text}",
            }
            for rate, name, word in at
        ]
    )
    plot = oc_curve(
        curves,
        marks,
        order=list(names.values()),
        x_title="True response rate",
        y_title="Probability",
    )
    alt = (
        f"Operating characteristics of the design: at p0 H0 is rejected with probability "
        f"{found.fixed('alpha', 3).text}, at p1 with probability {found.fixed('power', 3).text}."
    )
    return Figure("tlf-oc-curve", plot, alt, height=3.2)
