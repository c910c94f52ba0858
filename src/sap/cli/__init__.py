"""The commands. Heavy imports are inside of the commands, so that `--help` is immediate."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from sap.cli.audit import app as audit
from sap.cli.calc import app as calc
from sap.cli.oc import app as oc
from sap.cli.plan import app as plan_app
from sap.cli.study import DEFAULT_PLAN, note_changes, study
from sap.errors import UsageError

app = typer.Typer(
    name="sap",
    help="From a data cut to a clinical study report: the statistical analysis plan as code.",
    epilog=(
        "Exit codes: 0 done, 1 a fault of sap itself, 2 wrong use, 10 contract broken, "
        "11 frozen data changed, 12 result changed, 13 plan invalid, 14 render failed."
    ),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

app.add_typer(calc, name="calc")
app.add_typer(plan_app, name="plan")
app.add_typer(audit)
app.add_typer(oc)

PlanOption = Annotated[Path, typer.Option("--plan", help="The plan (SAP) file.")]


def _folder(path: Path, what: str) -> Path:
    if not path.is_dir():
        raise UsageError(f"{path}: no such folder. Give the folder of {what}.")
    return path


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    like: Annotated[
        str,
        typer.Option(
            "--like",
            help="The template: psa-response or solid-tumour-response; or the file of a plan.",
        ),
    ],
) -> None:
    """Write a new study: plan, registers, and data contracts written from the plan.

    Then, in that folder, `make report` gives a report of a simulated trial.
    """
    from sap.pipeline import new_study

    typer.echo(new_study.init(folder, like))


@app.command()
def simulate(
    out: Annotated[Path, typer.Argument(help="Folder for the extract (SDTM as CSV).")],
    plan: PlanOption = DEFAULT_PLAN,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.", min=0)] = 128,
    response_rate: Annotated[
        float | None, typer.Option(help="True PSA response rate in group B.", min=0, max=1)
    ] = None,
    prevalence: Annotated[
        float | None,
        typer.Option(help="True proportion of biomarker-positive patients.", min=0, max=1),
    ] = None,
    n: Annotated[int | None, typer.Option(help="Patients screened.", min=1)] = None,
    data_errors: Annotated[
        int,
        typer.Option(
            "--data-errors", help="Number of known data errors (listed in planted.csv).", min=0
        ),
    ] = 0,
) -> None:
    """Write a synthetic extract of the trial."""
    from sap.pipeline import commands

    given = {"response_rate": response_rate, "arv7_prevalence": prevalence, "n_screened": n}
    options = {name: value for name, value in given.items() if value is not None}
    with study(plan, shown=False) as path:
        commands.simulate(out, path, seed, options, data_errors)
    typer.echo(out)


@app.command()
def intake(
    kind: Annotated[Literal["sdtm", "caba-v7"], typer.Argument(help="What DIR holds.")],
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the source files.")],
    out: Annotated[Path, typer.Argument(help="Folder for the extract (SDTM as CSV).")],
    map_file: Annotated[
        Path | None,
        typer.Option("--map", help="sdtm: renames, recodes, units, visits, exclusions."),
    ] = None,
) -> None:
    """Turn source files into an SDTM extract.

    `sdtm` reads CSV, XPT v5, Parquet and Dataset-JSON; `caba-v7` the published supplement.
    """
    from sap.pipeline import commands

    commands.intake(kind, _folder(directory, "the source files"), out, map_file)
    typer.echo(out)


@app.command()
def check(
    extract: Annotated[Path, typer.Argument(help="Folder of the extract.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for findings.csv and findings.json.")],
    plan: PlanOption = DEFAULT_PLAN,
    accept: Annotated[
        Path | None,
        typer.Option("--accept", help="Accepted findings, instead of the file named in the plan."),
    ] = None,
) -> None:
    """Check an extract against the data contracts; nothing is repaired.

    Exit 10 when a finding is critical and not accepted, or accepted and not present. Findings name
    domain, rule, row and subject, never a value.
    """
    from sap.pipeline import commands

    with study(plan) as path:
        typer.echo(commands.check(_folder(extract, "the extract"), path, out, accept))


@app.command()
def freeze(
    extract: Annotated[Path, typer.Argument(help="Folder of the extract.")],
    cut_off: Annotated[
        str, typer.Option("--cut-off", help="A name of the plan (interim, final), or a date.")
    ],
    plan: PlanOption = DEFAULT_PLAN,
    out: Annotated[Path, typer.Option("--out", help="Folder of all frozen cuts.")] = Path("frozen"),
) -> None:
    """Apply the data cut-off to an extract and store the snapshot with its SHA-256 checksums."""
    from sap.pipeline import commands

    with study(plan) as path:
        typer.echo(commands.freeze(_folder(extract, "the extract"), path, cut_off, out))


@app.command()
def analyse(
    cut: Annotated[Path, typer.Argument(help="Folder of a frozen cut.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the run.")],
    plan: PlanOption = DEFAULT_PLAN,
) -> None:
    """Compute every result of a frozen cut; exit 11 when the cut is not what was frozen."""
    from sap.pipeline import commands

    with study(plan) as path:
        typer.echo(commands.analyse(_folder(cut, "a frozen cut"), path, out))


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="Folder of a run (`sap analyse`).")],
    kind: Annotated[Literal["csr", "dsmb"], typer.Option(help="Which report.")] = "csr",
    engine: Annotated[
        Literal["builtin", "quarto"],
        typer.Option(
            help="builtin: locked versions, offline (of record). quarto: the Quarto installed here."
        ),
    ] = "builtin",
    previous: Annotated[
        Path | None,
        typer.Option(help="dsmb: the run of the previous report, to list the changes since."),
    ] = None,
    docx: Annotated[
        bool, typer.Option("--docx", help="Also write the report as a Word document, for editing.")
    ] = False,
    cache: Annotated[
        bool, typer.Option(help="Run only the chapters whose inputs changed (by content).")
    ] = True,
) -> None:
    """Render the report of a run as HTML and PDF (and Word), into its folder.

    `dsmb` writes two: dsmb-open/ for the open session, dsmb-closed/ for the DSMB only.
    """
    from sap.pipeline import commands, runs
    from sap.pipeline.folders import lock

    folder = _folder(run, "a run")
    runs.run_facts(folder)
    runs.table_of(folder, "plan")
    if previous is not None and kind != "dsmb":
        raise UsageError("--previous goes with --kind dsmb: the study report has no previous one.")
    formats = ("html", "pdf", "docx") if docx else ("html", "pdf")
    # One at a time: two would overwrite each other's chapters and the log.
    with study(), lock(folder.resolve()):
        note_changes(folder)
        if kind == "dsmb":
            from sap.pipeline import dsmb

            dsmb.remember(folder, previous)
        for path in commands.report(folder, kind, engine, formats, cached=cache):
            typer.echo(path)


@app.command()
def run(  # noqa: PLR0913 - one argument per option
    plan: PlanOption = DEFAULT_PLAN,
    source: Annotated[
        Path | None, typer.Option(help="Folder of the data; without it the trial is simulated.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the simulated trial.", min=0)] = 128,
    cut_off: Annotated[
        str | None,
        typer.Option(
            "--cut-off",
            help="A name of the plan, or a date; by default the last of the plan, of dsmb the first interim one.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder of the report.")] = Path(
        "build/report"
    ),
    frozen: Annotated[Path, typer.Option(help="Folder of all frozen cuts.")] = Path("frozen"),
    kind: Annotated[Literal["csr", "dsmb"], typer.Option(help="Which report.")] = "csr",
    previous: Annotated[
        Path | None,
        typer.Option(help="dsmb: the run of the previous report, to list the changes since."),
    ] = None,
) -> None:
    """All steps from the data to the report: what `make report` and `make dsmb` call."""
    from sap.pipeline import commands

    if source is not None:
        _folder(source, "the data")
    if previous is not None:
        _folder(previous, "the run of the previous report")
    with study(plan) as of:
        made = commands.run_all(of, source, seed, cut_off, out, frozen, kind, previous)
    for path in made:
        typer.echo(path)
