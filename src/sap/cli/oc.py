"""`sap oc`: what a plan does under assumed truths."""

from pathlib import Path
from typing import Annotated

import typer

from sap.cli.study import DEFAULT_PLAN, study

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def oc(  # noqa: PLR0913 - one argument per option
    plan: Annotated[
        Path, typer.Argument(metavar="PLAN", help="The plan (SAP) file.")
    ] = DEFAULT_PLAN,
    trials: Annotated[
        int, typer.Option(help="Simulated trials of each case.", min=1, max=10_000_000)
    ] = 2000,
    out: Annotated[
        Path, typer.Option("--out", help="Folder of the results; a stopped run goes on there.")
    ] = Path("build/oc"),
    scenario: Annotated[
        Path | None,
        typer.Option(help="Scenario file; without it perfect data at p0 and p1 of the plan."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Workers on this machine; default: one per processor.", min=1)
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a running Dask scheduler, instead of --workers.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same numbers.", min=0)] = 128,
    batch: Annotated[
        int, typer.Option(help="Trials of a batch: memory grows with it.", min=1, max=5000)
    ] = 500,
    one_trial: Annotated[
        int | None,
        typer.Option(
            "--one-trial",
            help="Write the extract of this trial into OUT instead, for sap run.",
            min=1,
        ),
    ] = None,
    case: Annotated[int, typer.Option(help="The case of --one-trial, from 1.", min=1)] = 1,
) -> None:
    """Simulate the trial many times and decide each by the rules that report the real one.

    Writes oc.html, oc.pdf and ard.csv: probability of rejection and of stopping, expected size and duration, bias
    and coverage. Same numbers for any number of workers.
    """
    from sap.errors import UsageError
    from sap.oc import command
    from sap.oc.work import processors

    if scheduler is not None and workers is not None:
        raise UsageError("Give --workers or --scheduler, not both.")
    with study(plan) as path:
        if one_trial is not None:
            typer.echo(command.trial(path, scenario, seed, one_trial, case, out))
            return
        where = command.Cluster(workers or processors(), scheduler)
        for made in command.characteristics(
            path, scenario, out, command.Size(trials, batch, seed), where
        ):
            typer.echo(made)
