"""How a question of `sap calc` becomes a command: its options, the forms of its answer, its defaults.

A question is a function that returns an `Answer`. Options carry the names of the arguments in
`sap.methods`; what is optional has the default of the field, and the answer names each default used.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from sap.cli.calc.answer import Answer, checked_suffix, emit
from sap.errors import UsageError

app = typer.Typer(
    name="calc",
    help="Designs, sample sizes, intervals, monitoring and curves, without a trial's data or plan.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def number(name: str, what: str) -> Any:
    """An option under the argument's own name, and with hyphens."""
    names = dict.fromkeys([f"--{name}", f"--{name.replace('_', '-')}"])
    return typer.Option(*names, help=what)


ALPHA, BETA, CONF_LEVEL = 0.05, 0.2, 0.95  # what most protocols of single-arm trials write

P0 = Annotated[float, number("p0", "Unacceptable response rate (null hypothesis).")]
P1 = Annotated[float, number("p1", "Desirable response rate (alternative).")]
Alpha = Annotated[float, number("alpha", "Largest type I error, one-sided.")]
Beta = Annotated[float, number("beta", "Largest type II error.")]
ConfLevel = Annotated[float, number("conf_level", "Confidence level, two-sided.")]
Responders = Annotated[int, number("responders", "Patients who responded.")]
R1 = Annotated[int, number("r1", "Stop after n1 patients with this many responders or fewer.")]
N1 = Annotated[int, number("n1", "Patients of the first stage.")]
R = Annotated[int, number("r", "Reject p0 with more responders than this.")]
Prior = Annotated[
    tuple[float, float] | None,
    typer.Option(
        "--prior", help="a and b of the beta prior; p0 and 1 - p0 by default.", metavar="A B"
    ),
]
Rates = Annotated[list[float] | None, typer.Option("--p", help="A true rate; repeat for more.")]
Looks = Annotated[
    list[int] | None,
    typer.Option("--look", help="Patients at a look; repeat for more. Instead of --every."),
]
Every = Annotated[
    int | None, number("every", "A look after each so many patients; 5 when no look is given.")
]
EVERY = 5

FORMS = {
    "as_json": ("json", "JSON instead of text."),
    "as_csv": ("csv", "The table as CSV, every digit."),
    "as_text": ("sentence", "Only the sentence of a protocol."),
}
NAMES = {"as_json": "--json", "as_csv": "--csv", "as_text": "--text"}


def question(name: str) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
    """Make a command of a function that answers one question."""

    def register(ask: Callable[..., Answer]) -> Callable[..., Answer]:
        def command(**given: Any) -> None:
            context = given.pop("context")
            plot = given.pop("plot")
            chosen = [form for form in FORMS if given.pop(form)]
            if len(chosen) > 1:
                names = " and ".join(NAMES[form] for form in chosen)
                raise UsageError(f"{names} exclude each other: give one of them.")
            if plot is not None:
                checked_suffix(plot)
            with usage_errors():
                answer = ask(**given)
            form = FORMS[chosen[0]][0] if chosen else "text"
            emit(answer, form, _defaults(context, given), plot)

        own = list(inspect.signature(ask).parameters.values())
        shared = [
            inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
        ]
        shared += [
            inspect.Parameter(
                form,
                inspect.Parameter.KEYWORD_ONLY,
                default=False,
                annotation=Annotated[bool, typer.Option(NAMES[form], help=FORMS[form][1])],
            )
            for form in FORMS
        ]
        shared.append(
            inspect.Parameter(
                "plot",
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=Annotated[
                    Path | None,
                    typer.Option(
                        "--plot", metavar="FILE", help="Also a figure: .png, .svg or .pdf."
                    ),
                ],
            )
        )
        own = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own]
        every = [*own, *shared]
        command.__signature__ = inspect.Signature(every)  # type: ignore[attr-defined]
        command.__annotations__ = {each.name: each.annotation for each in every}
        command.__doc__ = ask.__doc__
        command.__name__ = ask.__name__
        app.command(name=name)(command)
        return ask

    return register


def _defaults(context: typer.Context, given: dict[str, Any]) -> dict[str, Any]:
    """Every option that was not given and has a default of its own."""
    used = {}
    for name, value in given.items():
        source = context.get_parameter_source(name)
        if source is not None and source.name == "DEFAULT" and value is not None:
            used[name] = value
    return used


@contextmanager
def usage_errors() -> Iterator[None]:
    """Turns a ValueError of a method into a usage error; its message names the argument."""
    try:
        yield
    except ValueError as error:
        raise UsageError(f"{error}.") from error


def require_loss(name: str, value: float) -> None:
    """Patients that are lost are a share of at least 0 and below 1.

    Raises
    ------
    UsageError
        It is not; the message names the option.
    """
    if not 0 <= value < 1:
        raise UsageError(f"--{name} must be a share of at least 0 and below 1.")


def planned_looks(look: list[int] | None, every: int | None, *others: int) -> list[int]:
    """The looks given, or one after each `every` patients; and always those of the design itself."""
    last = others[-1]
    if look and every is not None:
        raise UsageError("--look and --every exclude each other: give one of them.")
    step = EVERY if every is None else every
    if step < 1:
        raise UsageError("--every must be at least 1.")
    looks = look or list(range(step, last, step))
    if max(looks, default=0) > last:
        raise UsageError(f"--look exceeds the {last} patients planned: leave it out or correct it.")
    return sorted({*looks, *others})
