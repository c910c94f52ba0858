"""The page of a run of `sap oc`: the sentence of a protocol, tables, the curve, and what was assumed."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sap.displays import figure
from sap.displays.formats import as_collected, fixed, proportion_with_decimals, signed
from sap.oc.decision import pauses
from sap.oc.looks import date_of_look, interval_of_looks
from sap.oc.scenarios import Case
from sap.plan.model import Plan
from sap.publish import sheet
from sap.results.design import of_plan

CURVE = "rejection"
STAGES = np.linspace(0, 1, 201)
MOST_NAMED = 12  # scenarios in the legend; of more there is no place for the curve


class Row(NamedTuple):
    """A case with its statistics by analysis."""

    case: Case
    stats: dict[str, dict[str, float]]

    def of(self, analysis: str, name: str) -> float:
        """A statistic; NaN where it is not estimable."""
        return self.stats[analysis].get(name, math.nan)


def _rows(cases: Sequence[Case], ard: pd.DataFrame) -> list[Row]:
    listed = []
    for case in cases:
        own = ard[(ard["level"] == case.scenario) & (ard["sublevel"] == case.cell)]
        stats = {
            str(analysis): dict(zip(rows["stat_name"], rows["stat"], strict=True))
            for analysis, rows in own.groupby("analysis")
        }
        listed.append(Row(case, stats))
    return listed


def _percent(value: float) -> str:
    return f"{proportion_with_decimals(value)}%"


def _points(error: float) -> str:
    """A Monte Carlo error in percentage points."""
    return fixed(100 * error, 1 if error >= 0.001 else 2)


def _rate(case: Case) -> str:
    return f"{as_collected(round(100 * case.given.response.positive, 9))}%"


def sentence(row: Row, plan: Plan) -> str:
    """The sentence of a protocol on one case: what the plan does, and what the binomial model says.

    At p0 or below it is the type I error, at p1 or above the power, between them the probability of rejection.
    """
    rate, design = row.case.given.response.positive, plan.design
    what = "the probability of rejecting H0"
    if rate <= design.p0:
        what = "the type I error"
    elif rate >= design.p1:
        what = "power"
    simulated, error = (
        row.of("oc_decision", name)
        for name in ("probability_of_rejection", "probability_of_rejection_mc_error")
    )
    exact = row.of("oc_model", "probability_of_rejection")
    trials = f"{int(row.of('oc_decision', 'N')):,}"
    cell = (
        ""
        if not row.case.cell or row.case.cell.startswith("response.positive=")
        else f" ({row.case.cell})"
    )
    # Without a rejection in any trial, or with one in each, the error is that of the exact probability.
    expected = math.sqrt(exact * (1 - exact) / row.of("oc_decision", "N"))
    differs = abs(simulated - exact) > 3 * max(error, expected)
    model = (
        f"not {_percent(exact)} as by the binomial model"
        if differs
        else f"which agrees with {_percent(exact)} of the binomial model"
    )
    precision = f"Monte Carlo error {_points(error)} percentage points"
    if simulated in (0, 1):  # its error is 0, which says nothing of the precision
        precision = f"H0 rejected in {'none' if simulated == 0 else 'all'} of them"
    return (
        f"{row.case.title}{cell}: at a true response rate of {_rate(row.case)} {what} is {_percent(simulated)} "
        f"({trials} simulated trials, {precision}), {model}."
    )


def _of_the_design(rows: list[Row], plan: Plan) -> list[Row]:
    """The rows whose true rate is p0 or p1 of the plan; all, where none is."""
    rates = (plan.design.p0, plan.design.p1)
    return [row for row in rows if row.case.given.response.positive in rates] or rows


def cases_of_the_design(cases: Sequence[Case], ard: pd.DataFrame, plan: Plan) -> list[Row]:
    """The cases whose true rate is p0 or p1 of the plan, with their statistics."""
    return _of_the_design(_rows(cases, ard), plan)


def _decisions(rows: Sequence[Row]) -> str:
    lines = []
    for row in rows:

        def share(name: str, row: Row = row) -> str:
            value, error = row.of("oc_decision", name), row.of("oc_decision", f"{name}_mc_error")
            return f"{_percent(value)} ({_points(error)})"

        lines.append(
            (
                row.case.title,
                row.case.cell,
                share("probability_of_rejection"),
                _percent(row.of("oc_model", "probability_of_rejection")),
                share("probability_of_stopping_futility"),
                share("probability_of_stopping_toxicity"),
                share("probability_of_another_decision"),
                fixed(row.of("oc_decision", "expected_screened"), 1),
                fixed(row.of("oc_decision", "expected_n"), 1),
                fixed(row.of("oc_decision", "expected_months"), 1),
            )
        )
    header = ("Scenario", "Values", "H0 rejected", "Binomial model", "Stopped for futility",
              "Stopped for toxicity", "Another decision than the model", "Screened", "Treated", "Months")  # fmt: skip
    return sheet.table(header, lines, (15, 18, 12, 9, 11, 11, 12, 9, 8, 8))


def _estimates(rows: Sequence[Row]) -> str:
    lines = []
    for row in rows:

        def bias(name: str, row: Row = row) -> str:
            value, error = row.of("oc_estimates", name), row.of("oc_estimates", f"{name}_mc_error")
            return f"{signed(fixed(100 * value, 1))} ({_points(error)})"

        lines.append(
            (
                row.case.title,
                row.case.cell,
                bias("bias"),
                bias("bias_mle"),
                bias("bias_umvue"),
                _percent(row.of("oc_estimates", "coverage")),
                _percent(row.of("oc_estimates", "confirmed_rate")),
                _percent(row.of("oc_estimates", "true_rate_of_treated")),
                fixed(row.of("oc_estimates", "confirmed_per_true"), 2),
            )
        )
    header = ("Scenario", "Values", "Bias, reported", "Bias, MLE", "Bias, UMVUE", "Coverage",
              "Confirmed rate", "True rate of the treated", "Confirmed per true")  # fmt: skip
    return sheet.table(header, lines, (16, 18, 11, 11, 11, 9, 10, 11, 10))


def _assumptions(cases: Sequence[Case]) -> str:
    """Every block of every scenario, with its source; a value of the grid is shown as such."""
    lines = []
    seen = set()
    for case in cases:
        gridded = {part.partition("=")[0] for part in case.cell.split("; ") if part}
        for name, block in case.given.model_dump().items():
            values = {
                key: "by the grid" if f"{name}.{key}" in gridded else json.dumps(value)
                for key, value in block.items()
                if key not in ("source", "assumption") and value is not None
            }
            text = ", ".join(f"{key} {value}" for key, value in values.items())
            source = block["source"] + (" (assumption)" if block["assumption"] else "")
            line = (case.title, name, text, source)
            if line not in seen:
                seen.add(line)
                lines.append(line)
    return sheet.table(("Scenario", "Block", "Values", "Source"), lines, (14, 9, 48, 24))


def _curve(rows: Sequence[Row], plan: Plan) -> str:
    """Probability of rejection by the true rate: the exact curve, and the simulated cases."""
    from matplotlib.figure import Figure

    with figure.drawing():
        canvas = Figure(figsize=(figure.PORTRAIT_INCHES, 3.6), layout="constrained")
        axes = canvas.subplots()
        most = max([plan.design.p1, *(row.case.given.response.positive for row in rows)])
        rates = STAGES[min(most + 0.15, 1) >= STAGES]
        exact = np.asarray(of_plan(plan).probability_of_rejection(rates))
        axes.plot(100 * rates, 100 * exact, color=figure.GREY, label="Binomial model")
        titles = list(dict.fromkeys(row.case.title for row in rows))
        series = {title: [row for row in rows if row.case.title == title] for title in titles}
        if len(titles) > MOST_NAMED:
            series = {f"The {len(titles)} scenarios of the table": list(rows)}
        step = min(
            0.6, 2.4 / max(len(series) - 1, 1)
        )  # percentage points, at most 1.2 to either side
        for number, (title, own) in enumerate(series.items()):
            aside = step * (number - (len(series) - 1) / 2)
            x = [100 * row.case.given.response.positive + aside for row in own]
            y = [100 * row.of("oc_decision", "probability_of_rejection") for row in own]
            error = [
                300 * row.of("oc_decision", "probability_of_rejection_mc_error") for row in own
            ]
            axes.errorbar(
                x, y, yerr=error, linestyle="none", capsize=2, markersize=5,
                color=figure.COLOURS[number % len(figure.COLOURS)],
                marker=figure.SHAPES[number % len(figure.SHAPES)], label=title,
            )  # fmt: skip
        axes.set(xlabel="True response rate (%)", ylabel="H₀ rejected (%)", ylim=(-2, 102))
        axes.spines[["top", "right"]].set_visible(False)
        canvas.legend(frameon=False, loc="outside upper left", ncols=1)
    return figure.svg(canvas, figure.PORTRAIT_INCHES, 3.6)


def _conduct(case: Case, plan: Plan) -> str:
    """When the data are looked at before the final analysis; nothing of a stage or a boundary that the plan has not."""
    parts = []
    if plan.design.n1 is not None:
        waits = "waits for the decision" if pauses(plan, case.given) else "goes on meanwhile"
        parts.append(
            f"Stage 1 is looked at every {interval_of_looks(plan, case.given)} days from the first dose of its last "
            f"patient on, until no pending response can change its state; screening {waits} (values of the first case)."
        )
    if plan.toxicity_monitoring is not None:
        parts.append("The boundary for toxicity is looked at on each day with a toxicity.")
    return " ".join(parts) or "The data are looked at once, in the final analysis."


def markdown(cases: Sequence[Case], ard: pd.DataFrame, plan: Plan, facts: dict[str, Any]) -> str:
    """The page as Markdown."""
    rows = _rows(cases, ard)
    d = plan.design
    design = (
        f"r₁ = {d.r1}, n₁ = {d.n1}, r = {d.r}, n = {d.n}"
        if d.n1 is not None
        else f"r = {d.r}, n = {d.n}"
    )
    shown = _of_the_design(rows, plan)
    parts = [
        f"# Operating characteristics of the plan of {sheet.cell(plan.study.id)}",
        (f"{facts['trials']:,} trials of each case were simulated and decided by the derivations, results and methods "
        f"that report the real trial. Design: {design}, p₀ = {as_collected(d.p0)}, p₁ = {as_collected(d.p1)}."),
        "## In the words of a protocol",
        *(f"> {sheet.cell(sentence(row, plan))}" for row in shown),
        "## Decisions",
        _decisions(rows),
        ("Percent of trials (Monte Carlo error in percentage points): rejection and the two stops exclude one another, "
        "and what is left are trials that ended without rejecting H₀. *Binomial model*: the exact probability of rejection. "
        "*Another decision than the model*: trials that reject H₀ where the design on the true responses of the same "
        "patients, were all of them positive in truth, does not, or the reverse. *Screened*, *Treated*: patients, mean of the "
        "trials. *Months*: mean, from the first consent to the stop or the final analysis."),
        sheet.place_of(CURVE),
        "Bars: three Monte Carlo errors to either side; scenarios of the same true rate stand side by side.",
        "## Estimates",
        _estimates(rows),
        ("Bias in percentage points (Monte Carlo error) against the true rate of patients who are positive in truth; "
        "the reported estimate counts every treated patient, MLE and UMVUE those of the stages, of trials that "
        "did not end within one. *Coverage*: the reported interval holds the true rate. *Confirmed per true*: confirmed responses per true response."),
        "## What was assumed",
        _assumptions(cases),
        _conduct(cases[0], plan),
        "## How it was made",
        (f"Plan {sheet.cell(facts['plan_file'])}, SHA-256 {facts['plan']}; seed {facts['seed']}; sap {facts['version']}, "
        f"code {facts['code']}. The numbers are the same for any number of workers, size of batches and order."),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def write(
    cases: Sequence[Case], ard: pd.DataFrame, plan: Plan, facts: dict[str, Any], folder: Path
) -> list[Path]:
    """Write oc.html and oc.pdf."""
    text, rows = markdown(cases, ard, plan, facts), _rows(cases, ard)
    shown = "; ".join(
        f"{row.case.title}, true rate {_rate(row.case)}: {_percent(row.of('oc_decision', 'probability_of_rejection'))}"
        for row in rows
    )
    alt = (
        f"Probability of rejecting H0 by the true response rate, with the binomial curve. {shown}."
    )
    curve = sheet.Picture(_curve(rows, plan), alt)
    title = f"Operating characteristics of {plan.study.id}"
    return sheet.written(text, title, {CURVE: curve}, date_of_look(plan), folder, "oc")
