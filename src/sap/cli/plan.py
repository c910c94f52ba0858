"""`sap plan`: the plan checked, its JSON Schema for editors, and the data contracts written from it."""

from pathlib import Path
from typing import Annotated

import typer

from sap.cli.study import DEFAULT_PLAN, study

app = typer.Typer(help="Check the plan; its JSON Schema; contracts from it.", no_args_is_help=True)


@app.command()
def check(
    plan: Annotated[Path, typer.Argument(help="The plan (SAP) file.")] = DEFAULT_PLAN,
) -> None:
    """Print every fault of a plan at once: line, key, what is wrong, what is allowed, what to do.

    Exit 13 when there is one. Checked are the YAML, each key and value, values that exclude each other,
    sources, published results, keys in texts, visits and drugs, the design's alpha, power and criterion,
    and the columns and terms of the data contracts. A plan of an earlier format gets each changed key with its new
    place (docs/plan-changes.md).
    """
    from sap.pipeline.plans import checked

    with study(plan, shown=False) as path:
        typer.echo(checked(path))


@app.command()
def schema(
    out: Annotated[
        Path | None,
        typer.Option("--out", help="The file to write; without it the schema is printed."),
    ] = None,
) -> None:
    """Write the JSON Schema (2020-12) of a plan, by which editors complete and check it.

    The first line of a plan names it: `# yaml-language-server: $schema=plan.schema.json`.
    """
    from sap.plan.schema import schema_text

    if out is None:
        typer.echo(schema_text(), nl=False)
    else:
        out.write_text(schema_text(), encoding="utf-8")
        typer.echo(out)


@app.command()
def contracts(
    plan: Annotated[Path, typer.Argument(help="The plan (SAP) file.")] = DEFAULT_PLAN,
    *,
    write: Annotated[bool, typer.Option("--write", help="Replace the files that differ.")] = False,
) -> None:
    """Compare `data-contracts/` of the study with the contracts that its plan gives, file by file.

    After a change of drug, dose, unit, marker or analyte: each file is `same`, `differs`, `new` or `not of the
    plan` (a domain that the plan does not read). With `--write` the files that differ are replaced and new
    ones are written; a file that is not of the plan, and `terms.yaml`, stay as they are.
    """
    from sap.pipeline.new_study import contracts_again

    with study(plan, shown=False) as path:
        for name, state in contracts_again(path, write=write):
            typer.echo(f"{state:<15} {name}")
