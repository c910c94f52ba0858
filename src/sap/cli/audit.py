"""The auditor's commands: bundle, audit, compare, export."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from sap.cli.study import study
from sap.errors import UsageError

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def _run(path: Path) -> Path:
    if not path.is_dir():
        raise UsageError(f"{path}: no such folder. Give the folder of a run.")
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
    sign: Annotated[
        Path | None,
        typer.Option(
            "--sign", help="Sign SHA256SUMS with this key (a file that ssh-keygen takes)."
        ),
    ] = None,
) -> None:
    """Put everything an auditor needs into one folder or zip; same inputs, same bytes."""
    from sap.pipeline import packing

    source = _run(run)
    place = packing.cut_of(source, cut, frozen)
    with study():
        typer.echo(packing.pack(source, place, out, audience, as_zip or out.suffix == ".zip", sign))


@app.command()
def compare(
    left: Annotated[Path, typer.Argument(help="A bundle, a run, an ARD or a frozen cut.")],
    right: Annotated[Path, typer.Argument(help="Another of the same kind.")],
    out: Annotated[Path | None, typer.Option("--out", help="Also write the table as CSV.")] = None,
    keys: Annotated[
        Path | None,
        typer.Option(
            "--keys", help="Renamed keys: docs/ard-keys.csv, for a result of before 0.3.0."
        ),
    ] = None,
) -> None:
    """List the numbers that are new, gone or moved, by display. The exit code is always 0."""
    from sap.audit import pairs

    differences = pairs.compared(left, right, keys)
    if out is not None:
        from sap.pipeline.folders import write_text

        write_text(out, differences.as_csv())
    typer.echo(differences.text)


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    out: Annotated[Path, typer.Argument(help="Folder for the files.")],
    only: Annotated[
        Literal["adam-xpt", "dataset-json", "define", "ars", "guide"] | None,
        typer.Option("--only", help="Write only this."),
    ] = None,
) -> None:
    """Write ADaM as XPT v5 and Dataset-JSON 1.1 with Define-XML 2.1, results as ARS 1.0, and the guide.

    A dataset that XPT v5 cannot hold is listed and skipped; the others are written.
    """
    from sap.pipeline import packing, runs

    runs.run_facts(_run(run))
    typer.echo(packing.hand_over(run, out, only))


@app.command()
def audit(
    bundle: Annotated[Path, typer.Argument(help="A bundle: folder or zip.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for audit.html, .pdf and .json.")],
    run_code: Annotated[
        bool,
        typer.Option("--run-code", help="Rebuild with the bundle's own code: trust it first."),
    ] = False,
    independent: Annotated[
        bool,
        typer.Option("--independent", help="Also compare the results with the second computation."),
    ] = False,
    reports: Annotated[
        bool, typer.Option("--reports/--no-reports", help="Whether reports are rendered again.")
    ] = True,
    signers: Annotated[
        Path | None,
        typer.Option(
            "--signers", help="List of signers (ssh-keygen): one of them must have signed."
        ),
    ] = None,
    fingerprint: Annotated[
        str | None,
        typer.Option("--fingerprint", help="SHA-256 of SHA256SUMS, received by another way."),
    ] = None,
) -> None:
    """Check a bundle, rebuild it from its frozen data, and report whether every number is reproduced.

    Exit 0 identical or numerically identical, 11 an input changed, 12 a result changed.
    """
    from sap.audit import examined, write_pages
    from sap.audit.origin import Trust
    from sap.pipeline.folders import atomic_folder, refuse_to_replace, refuse_within

    refuse_within(out, bundle, "the bundle")
    refuse_to_replace(out)
    trust = Trust.given(signers, fingerprint)
    with study():
        result = examined(
            bundle, reports=reports, run_code=run_code, independent=independent, trust=trust
        )
    with atomic_folder(out) as new:
        write_pages(result, new)
    typer.echo(result.verdict)
    typer.echo(result.facts["signature"])
    typer.echo(result.facts["auditor"])
    if result.qc is not None:
        shares = result.qc.shares()
        typer.echo(
            f"second computation of {result.qc.total} results: {shares['raw']:.1f} % from raw data, "
            f"{shares['datasets']:.1f} % from datasets, {shares['none']:.1f} % none; "
            f"{result.qc.agreeing} agree, {result.qc.differing} differ"
        )
    for finding in result.findings:
        typer.echo(f"  {finding.kind}: {finding.place} {finding.words}", err=True)
    for cause in result.causes:
        typer.echo(f"  probable cause: {cause.what}: {cause.words}", err=True)
    for name in ("audit.html", "audit.pdf", "audit.json"):
        typer.echo(out / name)
    raise typer.Exit(result.exit_code)
