"""From a run to its bundle and its interchange files."""

import datetime as dt
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sap import __version__, bundle, export, runlog, snapshot
from sap.errors import UsageError
from sap.pipeline.folders import atomic_folder, lock, refuse_to_replace, refuse_within, write_bytes
from sap.pipeline.progress import print_progress, step
from sap.pipeline.runs import run_facts, table_of
from sap.plan import project_home
from sap.plan.reading import load_yaml


def cut_of(run: Path, cut: Path | None, frozen: Path) -> Path:
    """The frozen cut a run was made from: the one given, or the one the run names under `frozen`."""
    facts = run_facts(run)
    place = cut or frozen / str(facts["cut_id"])
    if not place.is_dir():
        raise UsageError(f"{place}: no such cut. Name the folder of the frozen cut with --cut.")
    manifest = snapshot.verify(place)
    if manifest.cut_id != facts["cut_id"]:
        raise UsageError(
            f"{run} was made from the cut {facts['cut_id']}, not from {manifest.cut_id}: "
            "name its own cut with --cut."
        )
    return place


def interchange(
    datasets: Mapping[str, Any], facts: Mapping[str, Any]
) -> tuple[dict[str, bytes], dict[str, str]]:
    """XPT and Dataset-JSON of each dataset, stamped with the cut-off; and why an XPT is missing."""
    made, left_out = {}, {}
    moment = dt.date.fromisoformat(str(facts["cut_off"]))
    for name, frame in sorted(datasets.items()):
        made[f"{name}.json"] = export.dataset_json(
            frame, name, study=str(facts["study"]), moment=moment
        )
        try:
            made[f"{name}.xpt"] = export.xpt(frame, name, moment)
        except UsageError as error:
            left_out[f"{name}.xpt"] = str(error)
    return made, left_out


def guide(run: Path, datasets: Mapping[str, Any]) -> str:
    """The reviewer's guide of a run."""
    from sap.catalogue.populations import flags
    from sap.pipeline import analyses, programs

    facts = run_facts(run)
    plan = table_of(run, "plan")
    displays, _, _ = load_yaml(project_home() / "analysis" / "displays.yml", "the list of displays")
    return export.reviewers_guide(
        export.Facts(
            run=facts,
            plan=plan,
            catalogue=displays,
            datasets={name: list(map(str, frame.columns)) for name, frame in datasets.items()},
            rows={name: len(frame) for name, frame in datasets.items()},
            makes_datasets=[export.guide.Step(*step) for step in programs.of_datasets()],
            makes_results={
                name: export.guide.Step(name, maker.datasets, maker.function, maker.doc)
                for name, maker in analyses.makers().items()
            },
            flags=flags(),
            environment=runlog.environment(),
            version=__version__,
            code=runlog.tree_sum(runlog.code_sums()),
            required=plan["inputs"]["required"],
        )
    )


def datasets_of(run: Path) -> dict[str, Any]:
    """The ADaM datasets of a run by name."""
    import pandas as pd

    datasets = {}
    for path in sorted((run / "adam").glob("*.parquet")):
        try:
            datasets[path.stem] = pd.read_parquet(path)
        except (OSError, ValueError) as error:  # Arrow's own errors are of these two kinds
            raise UsageError(
                f"{path} cannot be read as Parquet ({type(error).__name__}). Make the run again."
            ) from None
    return datasets


def commit_of_home() -> str | None:
    """The commit of the checkout this package runs from; none from a wheel or without git."""
    home = project_home()
    if not (home / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(home), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return None
    return done.stdout.strip() or None


def contents(run: Path, cut: Path, audience: str) -> bundle.Contents:
    """Everything the bundle of a run holds."""
    made: dict[str, bytes] = {}
    left_out: dict[str, str] = {}
    if audience == "auditor":
        datasets = datasets_of(run)
        made, left_out = interchange(datasets, run_facts(run))
        made["adrg.md"] = guide(run, datasets).encode()
    return bundle.contents(
        run, cut, audience=audience, exports=made, left_out=left_out, commit=commit_of_home()
    )


def pack(run: Path, cut: Path, out: Path, audience: str, as_zip: bool) -> Path:
    """Write the bundle of a run as a folder or, named `*.zip`, as one file; completely or not at all."""
    refuse_within(out, run, "the run")
    refuse_within(out, cut, "the frozen cut")
    if not as_zip:
        refuse_to_replace(out)
    with step(f"gather the bundle for {audience}"):
        gathered = contents(run, cut, audience)
    if as_zip:
        place = out if out.suffix == ".zip" else out.with_name(f"{out.name}.zip")
        with step("write the zip"), lock(place):
            write_bytes(place, bundle.zipped(gathered))
        return place
    with step("write the folder"), atomic_folder(out) as new:
        bundle.write_into(new, gathered)
    return out


EXPORTS = ("adam-xpt", "dataset-json", "guide")
LEFT_OUT = "left-out.txt"


def hand_over(run: Path, out: Path, only: str | None = None) -> Path:
    """Write ADaM as XPT v5 and Dataset-JSON 1.1, and the reviewer's guide, or one of them.

    A dataset that XPT v5 cannot hold has no XPT file; its columns and rows are named on the terminal
    and in `left-out.txt`.

    Raises
    ------
    UsageError
        None of the requested files can be written.
    """
    refuse_within(out, run, "the run")
    datasets = datasets_of(run)
    with step(f"write {only or ', '.join(EXPORTS)}"), atomic_folder(out) as new:
        made, left_out = interchange(datasets, run_facts(run))
        if only in (None, "guide"):
            made["adrg.md"] = guide(run, datasets).encode()
        kinds = {"adam-xpt": ".xpt", "dataset-json": ".json", "guide": ".md"}
        suffixes = tuple(kinds.values()) if only is None else (kinds[only],)
        written = {name: content for name, content in made.items() if name.endswith(suffixes)}
        refused = {name: why for name, why in left_out.items() if name.endswith(suffixes)}
        if not written:
            raise UsageError("\n".join(refused.values()) or f"{run} holds no dataset.")
        for name, content in written.items():
            (new / name).write_bytes(content)
        if refused:
            text = "\n".join(f"{name}: {why}" for name, why in refused.items())
            (new / LEFT_OUT).write_text(text + "\n", encoding="utf-8")
            print_progress(text)
    return out
