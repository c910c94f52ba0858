"""From a run to its bundle and its interchange files."""

import datetime as dt
import subprocess
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from sap import __version__, ard, bundle, contracts, export, runlog, snapshot
from sap.bundle.names import SIGNATURE, SUMS
from sap.bundle.signature import program, signature_of
from sap.errors import UsageError
from sap.pipeline.folders import atomic_folder, lock, refuse_to_replace, refuse_within, write_bytes
from sap.pipeline.progress import print_progress, step
from sap.pipeline.runs import plan_of, run_facts, table_of
from sap.plan import project_home


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
    """XPT and Dataset-JSON of each dataset, stamped with the cut-off; and why a file is missing.

    What a format cannot hold leaves out that file of that dataset and no other.
    """
    made: dict[str, bytes] = {}
    left_out: dict[str, str] = {}
    moment = dt.date.fromisoformat(str(facts["cut_off"]))
    for name, as_derived in sorted(datasets.items()):
        frame = export.typed(as_derived, name)
        writers: dict[str, Callable[[], bytes]] = {
            f"{name}.json": partial(
                export.dataset_json, frame, name, study=str(facts["study"]), moment=moment
            ),
            f"{name}.xpt": partial(export.xpt, frame, name, moment),
        }
        for file, write in writers.items():
            try:
                made[file] = write()
            except UsageError as error:
                left_out[file] = str(error)
    return made, left_out


def displays_of_home() -> dict[str, Any]:
    """The displays of the study by id."""
    from sap.displays.register import displays_here

    return displays_here()


def guide(
    run: Path, datasets: Mapping[str, Any], environment: Mapping[str, Any] | None = None
) -> str:
    """The reviewer's guide of a run; `environment` are the packages that made it, else those here."""
    from sap.catalogue.populations import flags
    from sap.pipeline import analyses, programs

    facts = run_facts(run)
    plan = table_of(run, "plan")
    return export.reviewers_guide(
        export.Facts(
            run=facts,
            plan=plan,
            catalogue=displays_of_home(),
            datasets={name: list(map(str, frame.columns)) for name, frame in datasets.items()},
            rows={name: len(frame) for name, frame in datasets.items()},
            makes_datasets=[export.guide.Step(*step) for step in programs.of_datasets()],
            makes_results={
                name: export.guide.Step(name, maker.datasets, maker.function, maker.doc)
                for name, maker in analyses.makers().items()
            },
            flags=flags(),
            environment=runlog.environment() if environment is None else dict(environment),
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


def exports_of(
    run: Path, audience: str, environment: Mapping[str, Any] | None = None
) -> tuple[dict[str, bytes], dict[str, str]]:
    """The interchange files and the guide of a bundle for an audience, and why one is missing."""
    if audience != "auditor":
        return {}, {}
    return exports(run, datasets_of(run), environment=environment)


def contents(run: Path, cut: Path, audience: str) -> bundle.Contents:
    """Everything the bundle of a run holds."""
    _refuse_other_contracts(cut)
    made, left_out = exports_of(run, audience)
    return bundle.contents(
        run, cut, audience=audience, exports=made, left_out=left_out, commit=commit_of_home()
    )


def _refuse_other_contracts(cut: Path) -> None:
    """Refuse a cut that was frozen by other contracts than those the bundle will hold."""
    then, here = snapshot.verify(cut).contract_version, contracts.version(contracts.load())
    if then != here:
        raise UsageError(
            f"{cut} was frozen by the data contracts {then}, those of the study are {here} now. Freeze the "
            "extract again and make the run from it, so that the bundle holds the contracts of its data."
        )


def pack(
    run: Path, cut: Path, out: Path, audience: str, as_zip: bool, sign: Path | None = None
) -> Path:
    """Write the bundle of a run as a folder or, named `*.zip`, as one file; completely or not at all.

    With `sign`, the file of a key, it has a signature of its list of checksums; no other byte changes.
    """
    refuse_within(out, run, "the run")
    refuse_within(out, cut, "the frozen cut")
    if sign is not None:
        program()
    if not as_zip:
        refuse_to_replace(out)
    with step(f"gather the bundle for {audience}"):
        gathered = contents(run, cut, audience)
    if sign is not None:
        sums = gathered.files[SUMS]
        gathered = bundle.Contents(gathered.files | {SIGNATURE: signature_of(sums, sign)})
    if as_zip:
        place = out if out.suffix == ".zip" else out.with_name(f"{out.name}.zip")
        with step("write the zip"), lock(place):
            write_bytes(place, bundle.zipped(gathered))
        return place
    with step("write the folder"), atomic_folder(out) as new:
        bundle.write_into(new, gathered)
    return out


EXPORTS = ("adam-xpt", "dataset-json", "define", "ars", "guide")
LEFT_OUT = "left-out.txt"


def reporting_event(run: Path, datasets: Mapping[str, Any]) -> bytes:
    """The results of a run as ARS 1.0."""
    from sap.export import ars
    from sap.pipeline import analyses

    facts = ars.Facts(
        rows=ard.from_csv(run / "ard.csv"),
        run=run_facts(run),
        plan=plan_of(run),
        displays=displays_of_home(),
        codes={
            name.upper(): variables(frame) for name, frame in datasets.items() if "PARAMCD" in frame
        },
        programs={
            name: (maker.function, maker.datasets) for name, maker in analyses.makers().items()
        },
    )
    return ars.reporting_event(facts)


def variables(frame: Any) -> dict[str, str]:
    """By PARAMCD the variable that has its values: AVAL where it has any, else AVALC."""
    has_number = frame["AVAL"].notna() if "AVAL" in frame else frame["PARAMCD"].isna()
    numeric = set(frame.loc[has_number, "PARAMCD"])
    codes = sorted(map(str, frame["PARAMCD"].dropna().unique()))
    return {code: "AVAL" if code in numeric or "AVALC" not in frame else "AVALC" for code in codes}


def definition(
    run: Path, datasets: Mapping[str, Any], left_out: Mapping[str, str]
) -> dict[str, bytes]:
    """Define-XML 2.1 of the datasets of a run, its stylesheet and its page."""
    from sap.export import define
    from sap.pipeline import programs, rules

    plan = table_of(run, "plan")
    entries = {
        f"{rule.function.__module__}.{rule.function.__qualname__}": rule.entry
        for rule in rules.PRINTED
    }
    chains = programs.chains_of_datasets()
    facts = define.Facts(
        run=run_facts(run),
        frames={name.upper(): export.typed(frame, name) for name, frame in datasets.items()},
        places={
            name.upper(): f"{name}.json" if f"{name}.xpt" in left_out else f"{name}.xpt"
            for name in datasets
        },
        rules={
            name: [
                [
                    define.Rule(
                        one.program,
                        one.name,
                        rules.with_values(one.text, entries.get(one.program), plan),
                        one.writes,
                    )
                    for one in tier
                ]
                for tier in tiers
            ]
            for name, tiers in programs.rules_of_datasets().items()
        },
        programs={
            name.upper(): f"Made by {', '.join(chains.get(name.upper(), ()))}." for name in datasets
        },
    )
    content = define.define_xml(facts)
    return {
        "define.xml": content,
        define.STYLE: define.style_sheet(),
        "define.html": define.define_html(content),
    }


def exports(
    run: Path,
    datasets: Mapping[str, Any],
    only: str | None = None,
    environment: Mapping[str, Any] | None = None,
) -> tuple[dict[str, bytes], dict[str, str]]:
    """The files of `EXPORTS`, or of one of them, by name; and why one is missing.

    `environment` are the packages that the guide prints, else those installed here.
    """
    made: dict[str, bytes] = {}
    left_out: dict[str, str] = {}
    files, without = ({}, {}) if only in ("ars", "guide") else interchange(datasets, run_facts(run))
    if only in (None, "adam-xpt", "dataset-json"):
        suffix = {"adam-xpt": ".xpt", "dataset-json": ".json"}.get(str(only), "")
        made = {name: content for name, content in files.items() if name.endswith(suffix)}
        left_out = {name: why for name, why in without.items() if name.endswith(suffix)}
    if only in (None, "define"):
        made |= definition(run, datasets, without)
    if only in (None, "ars"):
        made["ars.json"] = reporting_event(run, datasets)
    if only in (None, "guide"):
        made["adrg.md"] = guide(run, datasets, environment).encode()
    return made, left_out


def hand_over(run: Path, out: Path, only: str | None = None) -> Path:
    """Write the files of `EXPORTS`, or of one of them.

    A dataset that XPT v5 or Dataset-JSON cannot hold has no such file; its columns and rows are named
    on the terminal and in `left-out.txt`.

    Raises
    ------
    UsageError
        None of the requested files can be written.
    """
    refuse_within(out, run, "the run")
    datasets = datasets_of(run)
    with step(f"write {only or ', '.join(EXPORTS)}"), atomic_folder(out) as new:
        made, left_out = exports(run, datasets, only)
        if not made:
            raise UsageError("\n".join(left_out.values()) or f"{run} holds no dataset.")
        for name, content in made.items():
            (new / name).write_bytes(content)
        if left_out:
            text = "\n".join(f"{name}: {why}" for name, why in left_out.items())
            (new / LEFT_OUT).write_text(text + "\n", encoding="utf-8")
            print_progress(text)
    return out
