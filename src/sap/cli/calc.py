"""`sap calc`: designs, intervals, monitoring and curves, as text or as JSON.

Options carry the names of the arguments in `sap.methods`, JSON keys the names of the result's fields;
a number that cannot be estimated is null in JSON and NE in text. JSON has every digit, text six.
"""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from sap.errors import UsageError

app = typer.Typer(
    name="calc",
    help="Designs, intervals, monitoring and curves, without a trial's data or plan.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _number(name: str, what: str) -> Any:
    """An option under the argument's own name, and with hyphens."""
    names = dict.fromkeys([f"--{name}", f"--{name.replace('_', '-')}"])
    return typer.Option(*names, help=what)


Json = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]
P0 = Annotated[float, _number("p0", "Unacceptable response rate (null hypothesis).")]
P1 = Annotated[float, _number("p1", "Desirable response rate (alternative).")]
Alpha = Annotated[float, _number("alpha", "Largest type I error.")]
ConfLevel = Annotated[float, _number("conf_level", "Confidence level, such as 0.95.")]
Responders = Annotated[int, _number("responders", "Patients who responded.")]
R1 = Annotated[int, _number("r1", "Stop after n1 patients with this many responders or fewer.")]
N1 = Annotated[int, _number("n1", "Patients of the first stage.")]
R = Annotated[int, _number("r", "Reject p0 with more responders than this.")]
Prior = Annotated[
    tuple[float, float], typer.Option("--prior", help="a and b of the beta prior.", metavar="A B")
]
Rates = Annotated[list[float] | None, typer.Option("--p", help="A true rate; repeat for more.")]
Transform = Literal["plain", "log", "log-log", "arcsin", "logit"]


@app.command()
def simon(  # noqa: PLR0913 - one parameter per option
    p0: P0,
    p1: P1,
    alpha: Alpha,
    beta: Annotated[float, _number("beta", "Largest type II error.")],
    n_max: Annotated[int | None, _number("n_max", "Largest n allowed.")] = None,
    n1: Annotated[int | None, _number("n1", "Only designs with this first stage.")] = None,
    min_pet: Annotated[
        float | None, _number("min_pet", "Minimum probability of early termination under p0.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Simon's optimal, minimax and admissible designs, and A'Hern's single stage."""
    with _usage_errors():
        from sap.methods.two_stage import constrained_designs

        designs = constrained_designs(p0, p1, alpha, beta, n1=n1, n_max=n_max, min_pet=min_pet)
    result = {name: _plain(getattr(designs, name)) for name in (f.name for f in fields(designs))}
    named: dict[str, Any] = {name: result[name] for name in ("optimal", "minimax", "single_stage")}
    for name, row in named.items():
        row |= _plain(designs.characteristics(getattr(designs, name)))
    for row, admissible in zip(result["admissible"], designs.admissible, strict=True):
        row |= _plain(designs.characteristics(admissible.design))
    if as_json:
        return _print_json(result)
    table = [{"design": name, **row} for name, row in named.items()]
    table[2:2] = [{"design": "admissible", **row} for row in result["admissible"]]
    _print_table(table, ("design", "r1", "n1", "r", "n", "alpha", "power", "expected_n_p0", "pet_p0",
                         "expected_n_p1", "weight_low", "weight_high"))  # fmt: skip
    bound = "no larger n can be better" if designs.proved else "a larger n may be better"
    typer.echo(f"Searched to n = {designs.searched_to}: {bound}.")
    return None


@app.command(name="two-stage")
def two_stage(  # noqa: PLR0913 - one parameter per option
    r1: R1,
    n1: N1,
    r: R,
    n: Annotated[int, _number("n", "Planned sample size.")],
    responders: Responders,
    p0: P0,
    conf_level: ConfLevel,
    responders_stage1: Annotated[
        int | None, _number("responders_stage1", "Responders of the first stage, when n changed.")
    ] = None,
    n_attained: Annotated[
        int | None, _number("n_attained", "Attained sample size, when not as planned.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Estimates, interval, p-value and decision after a two-stage trial."""
    with _usage_errors():
        from sap.methods.two_stage import TwoStageDesign, two_stage_inference

        design = TwoStageDesign(r1, n1, r, n)
        inference = two_stage_inference(
            design, responders, p0, conf_level, responders_stage1, n_attained
        )
    _print(inference, as_json)


METHODS = (
    "clopper_pearson", "blaker", "mid_p", "wilson", "wilson_continuity", "agresti_coull", "jeffreys",
    "wald",
)  # fmt: skip


@app.command()
def proportion(
    responders: Responders,
    n: Annotated[int, _number("n", "Patients.")],
    conf_level: ConfLevel,
    p0: Annotated[float | None, _number("p0", "Also test this rate, exactly.")] = None,
    alternative: Annotated[
        Literal["greater", "less", "two-sided"] | None,
        _number("alternative", "Direction of the test; needed with p0."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Every confidence interval of a proportion, and the exact test."""
    if (p0 is None) != (alternative is None):
        raise UsageError("--p0 and --alternative go together: give both, or neither.")
    with _usage_errors():
        from sap.methods import proportion as methods

        intervals: dict[str, Any] = {
            name: _plain(getattr(methods, name)(responders, n, conf_level)) for name in METHODS
        }
        tested = None
        if p0 is not None and alternative is not None:
            tested = methods.exact_test(responders, n, p0, alternative)
    estimate = responders / n
    if as_json:
        tests = {} if tested is None else {"p_value": _plain(tested)}
        return _print_json({"estimate": estimate, **intervals, **tests})
    typer.echo(f"{responders} of {n}: {_text(estimate)}")
    _print_table(
        [{"interval": name, **intervals[name]} for name in METHODS], ("interval", "low", "high")
    )
    if tested is not None:
        typer.echo(f"p_value  {_text(tested)}  ({alternative} than {p0})")
    return None


@app.command()
def predictive(
    responders: Responders,
    n: Annotated[int, _number("n", "Patients so far.")],
    n_max: Annotated[int, _number("n_max", "Patients at the end.")],
    p0: P0,
    prior: Prior,
    threshold: Annotated[
        float, _number("threshold", "Posterior probability required for success at the end.")
    ],
    as_json: Json = False,
) -> None:
    """The predictive probability of success at the end (Lee and Liu 2008)."""
    with _usage_errors():
        from sap.methods.two_stage import predictive_probability

        probability = predictive_probability(responders, n, n_max, p0, prior, threshold)
    _print({"predictive_probability": probability}, as_json)


@app.command()
def toxicity(  # noqa: PLR0913 - one parameter per option
    n: Annotated[int, _number("n", "Maximum number of patients.")],
    p0: P0,
    alpha: Annotated[float, _number("alpha", "Largest probability of stopping at p0.")],
    shape: Annotated[
        Literal["pocock", "obrien-fleming", "sprt", "bayesian"],
        _number("shape", "Shape of the boundary."),
    ],
    p1: Annotated[float | None, _number("p1", "The other rate of an sprt.")] = None,
    prior: Annotated[
        tuple[float, float] | None,
        typer.Option("--prior", help="a and b of the beta prior (bayesian).", metavar="A B"),
    ] = None,
    p: Rates = None,
    as_json: Json = False,
) -> None:
    """The stopping boundary for toxicity, and its operating characteristics at true rates."""
    rates = p or [p0]
    with _usage_errors():
        from sap.methods.monitoring import (
            boundary_characteristics,
            boundary_list,
            toxicity_boundary,
        )

        bounds = toxicity_boundary(n, p0, alpha, shape, p1, prior).tolist()
        table = [{"p": rate, **_plain(boundary_characteristics(bounds, rate))} for rate in rates]
    if as_json:
        return _print_json({"bounds": bounds, "characteristics": table})
    steps = boundary_list(bounds)
    for stop, first, last in steps:
        span = f"{first}" if first == last else f"{first} to {last}"
        typer.echo(f"after {span} patients: stop at {stop} or more toxicities")
    if not steps:
        typer.echo("No count of toxicities stops this trial: it is too small for alpha.")
    _print_table(table, ("p", "stopping_probability", "expected_n", "expected_toxicities"))
    return None


@app.command()
def km(  # noqa: PLR0913 - one parameter per option
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, one row for each patient.")],
    conf_level: ConfLevel,
    transform: Annotated[Transform, _number("transform", "Scale of the limits.")],
    time: Annotated[str, _number("time", "Column of times.")] = "time",
    event: Annotated[str, _number("event", "Column of 1 (event) and 0 (censored).")] = "event",
    entry: Annotated[str | None, _number("entry", "Column of delayed entry times.")] = None,
    p: Annotated[float, _number("p", "Probability of the quantile; 0.5 is the median.")] = 0.5,
    t: Annotated[
        list[float] | None, typer.Option("--t", help="S at this time; repeat for more.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Kaplan-Meier curve of a CSV file, with a quantile and survival at given times."""
    names = [time, event, *([entry] if entry else [])]
    columns = _columns(file, names)
    with _usage_errors():
        from sap.methods.survival import interval, kaplan_meier, quantile

        curve = kaplan_meier(*columns)
        middle = quantile(curve, p, conf_level, transform)
        band = interval(curve, curve.time, conf_level, transform)
        at = [
            {"t": when, "survival": _plain(curve.at(when)),
             **_plain(interval(curve, when, conf_level, transform))}
            for when in t or []
        ]  # fmt: skip
    steps = _plain(curve) | _plain(band)
    patients, n_events = len(columns[0]), sum(steps["events"])
    if as_json:
        return _print_json(
            {"n": patients, "n_events": n_events, "quantile": _plain(middle), "at": at, **steps}
        )
    limits = _plain(middle)
    typer.echo(
        f"{patients} patients, {n_events} events; quantile {_text(p)} of the time to event: "
        f"{_text(limits['estimate'])} ({_text(limits['low'])}, {_text(limits['high'])})"
    )
    if at:
        _print_table(at, ("t", "survival", "low", "high"))
    else:
        table = [dict(zip(steps, row, strict=True)) for row in zip(*steps.values(), strict=True)]
        stepping = [row for row in table if row["events"]]
        if stepping:
            _print_table(stepping, tuple(steps))
    return None


@app.command()
def oc(
    r: R,
    n: Annotated[int, _number("n", "Total sample size.")],
    r1: Annotated[int | None, _number("r1", "Stop after n1 with this many or fewer.")] = None,
    n1: Annotated[int | None, _number("n1", "Patients of the first stage.")] = None,
    p: Rates = None,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="OUT.svg", help="Also write the curves as a figure."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Operating characteristics of a design at true rates: rejection, early termination, expected n.

    Without --r1 and --n1 the design has a single stage; without --p the rates are 0, 0.05, ..., 1.
    """
    if (r1 is None) != (n1 is None):
        raise UsageError("--r1 and --n1 go together: give both, or neither for a single stage.")
    if plot is not None and plot.suffix != ".svg":
        raise UsageError(f"{plot}: the picture is an SVG file; give a name that ends in .svg.")
    with _usage_errors():
        from sap.methods.two_stage import SingleStageDesign, TwoStageDesign

        design: SingleStageDesign | TwoStageDesign
        if r1 is None or n1 is None:
            design = SingleStageDesign(r, n)
        else:
            design = TwoStageDesign(r1, n1, r, n)
        table = _characteristics(design, p or [step / 20 for step in range(21)])
        curves = _characteristics(design, [step / 200 for step in range(201)])
    if plot is not None:
        _draw(plot, curves, n)
    if as_json:
        return _print_json({**_plain(design), "characteristics": table})
    _print_table(table, tuple(table[0]))
    return None


def _characteristics(design: Any, rates: list[float]) -> list[dict[str, float]]:
    names = ("probability_of_rejection", "probability_of_early_termination", "expected_n")
    values = [getattr(design, name)(rates).tolist() for name in names]
    return [
        {"p": rate, **dict(zip(names, row, strict=True))}
        for rate, row in zip(rates, zip(*values, strict=True), strict=True)
    ]


def _draw(path: Path, curves: list[dict[str, float]], n: int) -> None:
    """Two panels over the true rate. The same design gives the same bytes: fixed ids, no date."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    rates = [row["p"] for row in curves]
    with rc_context({"svg.hashsalt": "sap calc oc", "svg.fonttype": "none"}):
        figure = Figure(figsize=(7, 6), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True)
        for name, line in (
            ("probability_of_rejection", "-"),
            ("probability_of_early_termination", "--"),
        ):
            label = name.replace("_", " ").capitalize()
            above.plot(rates, [row[name] for row in curves], line, color="black", label=label)
        above.set(ylabel="Probability", ylim=(-0.02, 1.02))
        above.legend(frameon=False, loc="center right")
        below.plot(rates, [row["expected_n"] for row in curves], color="black")
        below.set(xlabel="True response rate", ylabel="Expected n", xlim=(0, 1), ylim=(0, 1.05 * n))
        for axes in (above, below):
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(color="0.9")
            axes.set_axisbelow(True)
        unfinished = path.with_name(f"{path.name}.part")
        try:
            figure.savefig(unfinished, format="svg", metadata={"Date": None})
            unfinished.replace(path)
        except OSError as error:
            unfinished.unlink(missing_ok=True)
            raise UsageError(f"{path}: cannot be written. {error.strerror}.") from error


def _columns(path: Path, names: list[str]) -> list[list[float]]:
    """The named columns of a CSV file as numbers; an error names the row, never the value."""
    import csv

    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            header = rows.fieldnames or []
            missing = [name for name in names if name not in header]
            if missing:
                raise UsageError(f"{path}: no column {', '.join(missing)}. Name it by its option.")
            columns: list[list[float]] = [[] for _ in names]
            for number, row in enumerate(rows, start=1):
                for column, name in zip(columns, names, strict=True):
                    column.append(_cell(path, name, number, row[name]))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(
            f"{path}: cannot be read as a CSV file. Give one with a header."
        ) from error
    if not columns[0]:
        raise UsageError(f"{path}: has no row below its header.")
    return columns


def _cell(path: Path, name: str, number: int, text: str | None) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(
            f"{path}: {name} in row {number} is not a number. Correct or drop the row."
        )
    return value


@contextmanager
def _usage_errors() -> Iterator[None]:
    """Turns a ValueError of a method into a usage error; its message names the argument."""
    try:
        yield
    except ValueError as error:
        raise UsageError(f"{error}.") from error


def _plain(value: Any) -> Any:
    """A value as JSON types: field names as keys, arrays as lists, null for what cannot be estimated."""
    if hasattr(value, "_asdict"):
        return {name: _plain(part) for name, part in value._asdict().items()}
    if is_dataclass(value):
        return {part.name: _plain(getattr(value, part.name)) for part in fields(value)}
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _print(outcome: Any, as_json: bool) -> None:
    result = _plain(outcome)
    if as_json:
        return _print_json(result)
    width = max(map(len, result))
    for name, value in result.items():
        typer.echo(f"{name:{width}}  {_text(value)}")
    return None


def _print_json(result: Any) -> None:
    typer.echo(json.dumps(result, indent=2, allow_nan=False))


def _print_table(rows: list[dict[str, Any]], names: tuple[str, ...]) -> None:
    lines = [names, *(tuple(_text(row.get(name, "")) for name in names) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    worded = isinstance(rows[0][names[0]], str)
    for line in lines:
        cells = [cell.rjust(width) for cell, width in zip(line, widths, strict=True)]
        if worded:
            cells[0] = line[0].ljust(widths[0])
        typer.echo("  ".join(cells).rstrip())


def _text(value: Any) -> str:
    if value is None:
        return "NE"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
