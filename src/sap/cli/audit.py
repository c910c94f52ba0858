"""The auditor's commands: bundle, audit, compare, export."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from sap.errors import WrongUse

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def _run(path: Path) -> Path:
    if not path.is_dir():
        raise WrongUse(f"{path}: no such folder. Give the folder of a run.")
    return path


@app.command()
def bundle(
    run: Annotated[Path, typer.Argument(help="Folder of a run with its report.")],
    out: Annotated[Path, typer.Argument(help="Folder, or name of the zip.")],
    audience: Annotated[
        Literal["open", "closed", "auditor"],
        typer.Option(help="open: nothing patient-level. auditor: everything."),
    ] = "auditor",
    cut: Annotated[
        Path | None,
        typer.Option(help="Folder of the frozen cut; default: the run's, under frozen."),
    ] = None,
    frozen: Annotated[Path, typer.Option(help="Folder of all frozen cuts.")] = Path("frozen"),
    as_zip: Annotated[bool, typer.Option("--zip", help="Write one zip.")] = False,
) -> None:
    """Put everything an auditor needs into one folder or zip; same inputs, same bytes."""
    from sap.pipeline import packing

    source = _run(run)
    place = packing.cut_of(source, cut, frozen)
    typer.echo(packing.pack(source, place, out, audience, as_zip or out.suffix == ".zip"))


@app.command()
def compare(
    left: Annotated[Path, typer.Argument(help="A bundle, a run, an ARD or a frozen cut.")],
    right: Annotated[Path, typer.Argument(help="Another of the same kind.")],
    out: Annotated[Path | None, typer.Option("--out", help="Also write the table as CSV.")] = None,
) -> None:
    """Say what is new, gone or moved, by display. Exit 0 whatever it finds."""
    from sap.audit import pairs

    found = pairs.compared(left, right)
    if out is not None:
        from sap.pipeline.folders import write_text

        write_text(out, found.table.to_csv(index=False, lineterminator="\n"))
    typer.echo(found.words)


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    out: Annotated[Path, typer.Argument(help="Folder for the datasets and the guide.")],
) -> None:
    """Write ADaM as XPT v5 and Dataset-JSON 1.1, with the reviewer's guide."""
    from sap.pipeline import packing

    packing.run_facts(_run(run))
    typer.echo(packing.hand_over(run, out))
