"""Questions of survival: curves of a file, a landmark rate, the one-sample log-rank test."""

import math
from pathlib import Path
from typing import Annotated, Literal

import typer

from sap.cli.calc.answer import (
    Answer,
    Line,
    Panel,
    Row,
    four_decimals,
    level_of,
    plain,
    share,
    tenths,
    text_of,
    written,
)
from sap.cli.calc.question import (
    ALPHA,
    BETA,
    CONF_LEVEL,
    Alpha,
    Beta,
    ConfLevel,
    number,
    question,
    require_loss,
)
from sap.errors import UsageError

Transform = Literal["plain", "log", "log-log", "arcsin", "logit"]
Survival0 = Annotated[
    float, number("survival0", "Historical survival (or progression-free rate) at the landmark.")
]
Survival1 = Annotated[float, number("survival1", "Desirable survival at the landmark.")]
Unit = Annotated[
    str | None, number("unit", "Unit of the times, such as months, for sentence and figure.")
]


@question("km")
def km(  # noqa: PLR0913 - one parameter per option
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, one row for each patient.")],
    conf_level: ConfLevel = CONF_LEVEL,
    transform: Annotated[Transform, number("transform", "Scale of the limits.")] = "log-log",
    time: Annotated[str, number("time", "Column of times.")] = "time",
    event: Annotated[str, number("event", "Column of 1 (event) and 0 (censored).")] = "event",
    entry: Annotated[str | None, number("entry", "Column of delayed entry times.")] = None,
    p: Annotated[float, number("p", "Probability of the quantile; 0.5 is the median.")] = 0.5,
    t: Annotated[
        list[float] | None, typer.Option("--t", help="S at this time; repeat for more.")
    ] = None,
    unit: Unit = None,
) -> Answer:
    """Kaplan-Meier curve of a CSV file, with a quantile and survival at given times."""
    names = [time, event, *([entry] if entry else [])]
    columns = _columns(file, names)
    from scipy.special import ndtri

    from sap.methods.survival import interval, kaplan_meier, quantile

    curve = kaplan_meier(*columns)
    middle = quantile(curve, p, conf_level, transform)
    band = interval(curve, curve.time, conf_level, transform)
    at = [
        {"t": when, "survival": plain(curve.at(when)),
         **plain(interval(curve, when, conf_level, transform))}
        for when in t or []
    ]  # fmt: skip
    steps = plain(curve) | plain(band)
    patients, n_events = len(columns[0]), sum(steps["events"])
    limits = plain(middle)
    table: list[Row] = at
    if not at:
        every = [dict(zip(steps, row, strict=True)) for row in zip(*steps.values(), strict=True)]
        table = [row for row in every if row["events"]]
    columns_shown = ("t", "survival", "low", "high") if at else tuple(steps)

    head = (
        f"{patients} patients, {n_events} events; quantile {text_of(p)} of the time to event"
        f"{f' in {unit}' if unit else ''}: "
        f"{text_of(limits['estimate'])} ({text_of(limits['low'])}, {text_of(limits['high'])})"
    )

    def panels() -> list[Panel]:
        x = [0.0, *steps["time"]]
        lines = [
            Line("survival", x, [1.0, *steps["survival"]], "step"),
            Line(f"{level_of(conf_level)} lower limit", x, [None, *steps["low"]], "step"),
            Line(f"{level_of(conf_level)} upper limit", x, [None, *steps["high"]], "step"),
        ]
        named = f"Time ({unit})" if unit else "Time"
        return [Panel(named, "Probability without event", lines, share=True)]

    def without_event(row: Row) -> str:
        when = f"At {_in_unit(row['t'], unit)}" if unit else f"At time {written(row['t'])}"
        if row["survival"] is None:
            return f"{when} the share without event is not estimable."
        low, high = (
            "not estimable" if row[side] is None else share(row[side]) for side in ("low", "high")
        )
        limits = "limits not estimable" if low == high == "not estimable" else f"{low} to {high}"
        return f"{when}, {share(row['survival'])} are without event ({limits})."

    return Answer(
        values={"n": patients, "n_events": n_events, "quantile": limits, "at": at, **steps},
        table=table,
        columns=columns_shown,
        head=[head],
        rule=(
            f"quantile: the first time with S <= {written(1 - p)}, the midpoint of the stretch where S "
            "is that exactly; its limits by inversion of the pointwise interval"
        ),
        critical_value=f"z = {text_of(float(ndtri((1 + conf_level) / 2)))} on the {transform} scale",
        method=f"Kaplan-Meier, Greenwood's variance, {transform} limits; Brookmeyer-Crowley",
        references=(
            "Kaplan and Meier 1958, JASA 53:457; Brookmeyer and Crowley 1982, Biometrics 38:29"
        ),
        sentence=(
            f"{n_events} of {patients} patients had the event; the "
            f"{'median' if p == 0.5 else f'quantile {written(p)} of the'} time to event is "
            f"{_in_unit(limits['estimate'], unit)} ({level_of(conf_level)} confidence interval "
            f"{_limits(limits['low'], limits['high'], unit)}"
            f", Kaplan-Meier, {transform} limits)."
            + "".join(f" {without_event(row)}" for row in at)
        ),
        panels=panels,
    )


def _in_unit(value: float | None, unit: str | None) -> str:
    """A time with its unit, where one was given.

    >>> _in_unit(4.5, "months"), _in_unit(1, "months"), _in_unit(4.5, None), _in_unit(None, "months")
    ('4.5 months', '1 month', '4.5', 'not estimable')
    """
    if value is None:
        return "not estimable"
    if not unit:
        return written(value)
    return f"{written(value)} {unit.removesuffix('s') if value == 1 else unit}"


def _limits(low: float | None, high: float | None, unit: str | None) -> str:
    """The limits of a time, the unit once where both are estimable.

    >>> _limits(2, 5.5, "months"), _limits(2, None, "months"), _limits(None, None, "months")
    ('2 to 5.5 months', '2 months to not estimable', 'not estimable')
    """
    if low is None and high is None:
        return "not estimable"
    return f"{_in_unit(low, None if high is not None else unit)} to {_in_unit(high, unit)}"


@question("landmark")
def landmark(
    survival0: Survival0,
    survival1: Survival1,
    alpha: Alpha = ALPHA,
    beta: Beta = BETA,
    lost: Annotated[float, number("lost", "Share of patients not followed to the landmark.")] = 0.0,
) -> Answer:
    """Survival or freedom from progression at a landmark against a historical rate: exact binomial designs.

    A patient without the event at the landmark counts as a responder; one who is not followed until then
    cannot be evaluated, and more are enrolled (--lost). The one-sample log-rank test uses all of the
    follow-up: `one-sample-log-rank`.
    """
    from sap.methods.sample_size import needed_for, remaining_share
    from sap.methods.two_stage import simon_designs

    for name, value in (("survival0", survival0), ("survival1", survival1)):
        if not 0 < value < 1:
            raise UsageError(f"--{name} must lie strictly between 0 and 1.")
    if survival0 >= survival1:
        raise UsageError("--survival0 must be smaller than --survival1.")
    require_loss("lost", lost)
    designs = simon_designs(survival0, survival1, alpha, beta)
    rate = remaining_share([lost])
    table: list[Row] = []
    for name in ("single_stage", "optimal", "minimax"):
        design = getattr(designs, name)
        row = plain(design) | plain(designs.characteristics(design))
        table.append(
            {"design": name, **row, "enrolled": needed_for(row["n"], rate, 0.5).on_average}
        )
    single = table[0]

    def panels() -> list[Panel]:
        steps = [step / 100 for step in range(101)]
        lines = [
            Line(
                row["design"].replace("_", " "),
                steps,
                getattr(designs, row["design"]).probability_of_rejection(steps).tolist(),
            )
            for row in table
        ]
        return [Panel("True rate at the landmark", "Probability of rejection", lines, share=True)]

    more = (
        f"; with {share(lost)} of patients not followed until then {single['enrolled']} are enrolled"
        if lost
        else ""
    )
    two = table[1]
    return Answer(
        values={row["design"]: {k: v for k, v in row.items() if k != "design"} for row in table},
        table=table,
        columns=("design", "r1", "n1", "r", "n", "alpha", "power", "expected_n_p0", "pet_p0",
                 "enrolled"),
        rule=(
            f"reject H0: S <= {written(survival0)} when more than r of n patients are without the event "
            "at the landmark"
        ),
        critical_value=f"single stage: r = {single['r']}, {single['r'] + 1} or more of {single['n']}",
        method="exact binomial; single stage and Simon's two-stage designs for the landmark rate",
        references="A'Hern 2001, Stat Med 20:859; Simon 1989, Control Clin Trials 10:1",
        sentence=(
            f"With a historical rate of {share(survival0)} at the landmark, a rate of "
            f"{share(survival1)} to be detected, one-sided alpha {written(alpha)} and power "
            f"{share(1 - beta)}, {single['n']} patients are followed to the landmark, and H0 is rejected "
            f"when {single['r'] + 1} or more are without the event (exact type I error "
            f"{share(single['alpha'])}, power {share(single['power'])}){more}. In two stages: "
            f"stop after {two['n1']} patients with {two['r1']} or fewer without the event, else follow "
            f"{two['n']} in all and reject H0 with {two['r'] + 1} or more."
        ),
        panels=panels,
    )  # fmt: skip


@question("one-sample-log-rank")
def one_sample_log_rank(  # noqa: PLR0913 - one parameter per option
    survival0: Survival0,
    survival1: Survival1,
    at: Annotated[float, number("at", "Time of the landmark.")],
    accrual: Annotated[float, number("accrual", "Duration of uniform accrual.")],
    follow_up: Annotated[float, number("follow_up", "Follow-up after the last patient.")],
    shape: Annotated[
        float, number("shape", "Weibull shape of the historical curve; 1 is exponential.")
    ] = 1.0,
    alpha: Alpha = ALPHA,
    beta: Beta = BETA,
    unit: Unit = None,
) -> Answer:
    """The number of patients of a one-sample log-rank test against a historical curve (Wu 2015).

    Times are in one unit, such as months (--unit).
    """
    from sap.methods.one_sample_logrank import one_sample_logrank_size

    size = one_sample_logrank_size(survival0, survival1, at, shape, accrual, follow_up, alpha, beta)
    values = plain(size)

    def panels() -> list[Panel]:
        counts = list(range(max(size.n // 3, 2), 2 * size.n + 1))
        lines = [
            Line("power", counts, [size.power_of(n) for n in counts]),
            Line("required", counts, [1 - beta] * len(counts)),
        ]
        return [Panel("Patients", "Power", lines, share=True)]

    return Answer(
        values=values,
        table=[values],
        rule=(
            "reject H0 when (E - O) / sqrt(E) is at least the critical value: O events observed, E the "
            "sum of the historical cumulative hazard over the patients' own times"
        ),
        critical_value=f"z = {text_of(size.critical_value)}",
        method=(
            "one-sample log-rank test, normal approximation with the exact variance under the "
            "alternative; Weibull curves with proportional hazards, uniform accrual"
        ),
        references="Wu 2015, Pharm Stat 14:26; Breslow 1975, Int Stat Rev 43:45",
        sentence=(
            f"With a historical survival of {share(survival0)} at {_in_unit(at, unit)}, {share(survival1)} to "
            f"be detected (hazard ratio {four_decimals(size.hazard_ratio)}), accrual over "
            f"{_in_unit(accrual, unit)} and follow-up of {_in_unit(follow_up, unit)} after the last patient, "
            f"{size.n} patients give the one-sample log-rank test a power of {share(size.power)} at "
            f"one-sided alpha {written(alpha)}; {tenths(size.events)} events are expected where the "
            f"historical curve would give {tenths(size.events_historical)}. H0 is rejected when "
            f"(E - O) / sqrt(E) is at least {four_decimals(size.critical_value)}."
        ),
        panels=panels,
    )


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
            for row_number, row in enumerate(rows, start=1):
                for column, name in zip(columns, names, strict=True):
                    column.append(_cell(path, name, row_number, row[name]))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(
            f"{path}: cannot be read as a CSV file. Give one with a header."
        ) from error
    if not columns[0]:
        raise UsageError(f"{path}: has no row below its header.")
    return columns


def _cell(path: Path, name: str, row_number: int, text: str | None) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(
            f"{path}: {name} in row {row_number} is not a number. Correct or drop the row."
        )
    return value
