"""The commands on folders: one function per command."""

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from sap import runlog
from sap.errors import ContractError, IntegrityError, PlanError, UsageError
from sap.pipeline import accepted_findings, log
from sap.pipeline.folders import (
    atomic_folder,
    refuse_to_replace,
    refuse_within,
    write_text,
)
from sap.pipeline.plans import read_plan
from sap.pipeline.progress import print_progress, step
from sap.plan import PlanFile, project_home, study_home
from sap.plan.deviations import read_deviations

STUDY_REPORT = "csr.qmd"


def simulate(
    out: Path, plan: Path, seed: int, options: dict[str, Any], data_errors: int = 0
) -> Path:
    """Write a synthetic extract of the trial of the plan, with a number of known `data_errors`."""
    from sap import ard
    from sap.intake import sdtm
    from sap.simulate import trial
    from sap.simulate.assumptions import Assumptions
    from sap.simulate.study import errors_in_words_of, in_words_of, pace_of, response_of

    plan_read = read_plan(plan).plan
    if data_errors and not plan_read.study.groups:
        raise UsageError(
            "--data-errors is for a plan with groups: their rows are listed for all simulated patients, "
            "and a study of one cohort has a part of them."
        )
    assumptions = replace(
        Assumptions(), study=plan_read.study.studyid[0], screening=pace_of(plan_read)
    )
    with step(f"simulate the extract (seed {seed})"), atomic_folder(out) as new:
        tables = trial.simulate(
            seed,
            ctc_threshold=plan_read.cells_required,
            assumptions=assumptions,
            **({"treated_target": plan_read.design.n} | response_of(plan_read) | options),
        )
        if data_errors:
            from sap.simulate.data_errors import with_errors

            tables, defects = with_errors(tables, seed, data_errors)
            write_text(new / "planted.csv", ard.safe_csv(errors_in_words_of(defects, plan_read)))
        sdtm.write(in_words_of(tables, plan_read), new)
    return out


def intake(kind: str, source: Path, out: Path, map_path: Path | None = None) -> Path:
    """Turn files of an external format into SDTM tables; unmapped values are listed.

    A map is copied to the folder of the tables, also the map by which an extract was made.
    """
    from sap import ard
    from sap.intake import sdtm, sdtm_map

    refuse_within(out, source, "which is read")
    earlier = source / sdtm_map.MAP
    if map_path is not None and kind != "sdtm":
        raise UsageError("--map goes with sdtm: the published supplement has a map of its own.")
    if map_path is not None and earlier.is_file():
        raise UsageError(f"{source} was made by a map already: name the source it was made from.")
    with step(f"read {kind} from {source}"), atomic_folder(out) as new:
        if kind == "caba-v7":
            from sap.intake import caba_v7

            tables, unmapped = caba_v7.read(source)
            write_text(new / "unmapped.csv", ard.safe_csv(unmapped))
            print_progress(
                f"  {len(unmapped)} values or rows could not be mapped: {out / 'unmapped.csv'}"
            )
        elif map_path is not None:
            rules = sdtm_map.read_map(map_path)
            tables = sdtm_map.mapped(sdtm.sources(source), rules)
            (new / sdtm_map.MAP).write_bytes(rules.content)
            unmet = int((tables[sdtm_map.MAPPED]["COUNT"] == "0").sum())
            print_progress(
                f"  {len(tables[sdtm_map.MAPPED])} lines of {map_path.name}, {unmet} without effect"
            )
        else:
            tables = sdtm.read(source)
            if earlier.is_file():
                (new / sdtm_map.MAP).write_bytes(earlier.read_bytes())
        sdtm.write(tables, new)
    return out


def _progress(every: int = 5) -> Callable[[str], None]:
    """A progress callback that prints the name of every few parts."""
    seen: list[str] = []

    def report_progress(part: str) -> None:
        seen.append(part)
        if len(seen) % every == 1:
            print_progress(f"    {part} ...")

    return report_progress


class Checked(NamedTuple):
    """A checked extract: its tables, the contracts, all findings, the accepted findings."""

    tables: Any
    rules: Any
    findings: Any
    accepted: Any
    unmet: list[int]


def _checked(extract: Path, plan: PlanFile, plan_path: Path, accept: Path | None = None) -> Checked:
    """Check an extract, and flag the accepted findings."""
    from sap import contracts
    from sap.intake import sdtm

    rules = contracts.load()
    accepted = accepted_findings.of_plan(plan, plan_path, rules, accept)
    tables = sdtm.read(extract)
    all_findings = contracts.check(
        tables, rules, plan.plan.inputs.required, _progress(), plan=plan.plan
    )
    findings, unmet = contracts.accept(all_findings, accepted.entries)
    return Checked(tables, rules, findings, accepted, unmet)


def _refuse_critical(findings: Any, where: str) -> None:
    from sap import contracts

    critical = contracts.stops(findings)
    if critical.empty:
        return
    by_rule = critical.groupby(["domain", "description"], sort=True)
    lines = []
    for (domain, rule), rows in by_rule:
        numbers = [str(int(r)) for r in rows["row"].dropna()]
        shown = ", ".join(numbers[:10]) + (", ..." if len(numbers) > 10 else "")
        lines.append(
            f"  - {domain}: {rule}" + (f" (row {shown})" if shown else "") + _rule_text(rows)
        )
    raise ContractError(
        f"{where} breaks its contract in {len(critical)} place(s):\n"
        + "\n".join(lines)
        + "\nNothing was repaired. Correct the source and make a new extract. Where the source "
        "cannot be changed, recode or exclude by a map (sap intake sdtm DIR OUT --map FILE), or accept a "
        "finding with its reason (inputs.accepted of the plan, sap check --accept FILE)."
    )


def _rule_text(rows: Any) -> str:
    """The rule and file of some findings, and the allowed values."""
    first = rows.iloc[0]
    allowed = first["allowed"]
    words = f"; allowed: {allowed}" if isinstance(allowed, str) else ""
    return f" [{first['rule']}, {first['contract']}{words}]"


def _with_source_rows(findings: Any, extract: Any) -> Any:
    """The findings of a cut with the row numbers of the files of the extract."""
    from sap import contracts

    located = findings.copy()
    for domain, of_domain in findings.dropna(subset=["row"]).groupby("domain"):
        located.loc[of_domain.index, "row"] = contracts.rows_in(extract[domain], domain, of_domain)
    return located


def findings_table(findings: Any) -> str:
    """The findings for a terminal: severity, domain, number, rule and rows."""
    if findings.empty:
        return "No findings."
    lines = []
    shown = findings.assign(
        severity=findings["severity"].where(findings["accepted"].isna(), "accepted")
    )
    by_rule = shown.groupby(["severity", "domain", "description"], sort=True)
    for (severity, domain, rule), rows in by_rule:
        numbers = [str(int(r)) for r in rows["row"].dropna()]
        where = ", ".join(numbers[:8]) + (", ..." if len(numbers) > 8 else "")
        lines.append(
            f"{severity:<8} {domain:<3} {len(rows):>5}  {rule}"
            + (f"  rows {where}" if where else "")
            + _rule_text(rows)
        )
    return "\n".join(lines)


def _write_findings(findings: Any, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "findings.csv", findings.to_csv(index=False, lineterminator="\n"))
    write_text(folder / "findings.json", findings_json(findings))


def findings_json(findings: Any) -> str:
    """The findings as JSON: one object per finding, missing as null."""
    records = json.loads(findings.to_json(orient="records"))
    return json.dumps(records, indent=1, ensure_ascii=False) + "\n"


def check(extract: Path, plan_path: Path, out: Path, accept: Path | None = None) -> str:
    """Check an extract, write its findings, and refuse it when one is critical and not accepted.

    `accept` names another file of accepted findings than the plan's.

    Raises
    ------
    ContractError
        A critical finding, or an accepted finding that is not present (exit 10); the findings are
        written in both cases.
    """
    plan = read_plan(plan_path)
    refuse_within(out, extract, "which is checked")
    with step("check the extract against its contracts"):
        checked = _checked(extract, plan, plan_path, accept)
    try:
        _write_findings(checked.findings, out)
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}.") from None
    _refuse_critical(checked.findings, str(extract))
    accepted_findings.refuse_unmet(checked.accepted, checked.unmet, extract)
    return findings_table(checked.findings)


def cut_off_of(plan: PlanFile, requested: str) -> tuple[dt.date | None, str, str, bool]:
    """Date, name, status and whether it is planned, of a cut-off given by name or date.

    The date is None where the plan gives a number of patients: it is then found in the data.
    """
    dates = plan.plan.cut_offs.dates
    if requested in dates:
        return dates[requested].date, requested, dates[requested].status, True
    try:
        day = dt.date.fromisoformat(requested)
    except ValueError:
        raise UsageError(
            f"The cut-off {requested!r} is no name of {plan.name} ({', '.join(dates)}) and no date "
            "like 2019-06-30."
        ) from None
    return day, f"unplanned {day.isoformat()}", "INTERIM", False


def usual_cut_off(plan: PlanFile, kind: str) -> str:
    """The cut-off of a report when none is named.

    1. The plan has one: this one, which is printed.
    2. A report of the DSMB: the first of the plan with the status INTERIM.
    3. The last of the plan.
    """
    dates = plan.plan.cut_offs.dates
    in_order = plan.plan.cut_offs.in_order()
    if len(in_order) == 1:
        print_progress(f"  {plan.name} has one cut-off, {in_order[0]}, which is used")
        return in_order[0]
    interim = [name for name in in_order if dates[name].status == "INTERIM"]
    return interim[0] if kind == "dsmb" and interim else in_order[-1]


def _day_in(tables: Any, plan: PlanFile, name: str) -> dt.date:
    """The day of a cut-off by number in the tables of an extract.

    Raises
    ------
    UsageError
        Fewer patients were treated, or the day is later than every first day of a record.
    """
    from sap import snapshot
    from sap.derivations import interim

    rule = plan.plan.cut_offs.dates[name]
    day = interim.day_of_number(tables, plan.plan, name)
    if day is None:
        raise UsageError(
            f"The cut-off {name} is planned {rule.planned}, but fewer patients of the primary set were "
            "treated. Name a date: --cut-off 2019-06-30."
        )
    last = snapshot.last_day(tables)
    if last is None or day > last:
        raise UsageError(
            f"The cut-off {name} is planned {rule.planned}: that is {day.isoformat()}, after the last "
            "record of the data. Make a later extract, or name a date."
        )
    print_progress(f"  cut-off {name}: {rule.planned}, on {day.isoformat()}")
    return day


def freeze(extract: Path, plan_path: Path, cut_off: str, frozen: Path) -> Path:
    """Check, cut and freeze an extract; returns the folder of the cut."""
    from sap import contracts, snapshot

    plan = read_plan(plan_path)
    day, name, _, planned = cut_off_of(plan, cut_off)
    refuse_within(frozen, extract, "which is frozen")
    with step("check the extract against its contracts"):
        tables, rules, findings, accepted, unmet = _checked(extract, plan, plan_path)
        _refuse_critical(findings, str(extract))
        accepted_findings.refuse_unmet(accepted, unmet, extract)
        accepted_findings.refuse_other_map(extract, tables)
    typed = contracts.typed(tables, rules)
    day = day or _day_in(typed, plan, name)
    with step(f"cut at {day.isoformat()} and freeze"):
        included = snapshot.in_order(snapshot.cut(typed, day), rules)
        of_cut = contracts.check_cut(
            included, rules, plan.plan.inputs.required, findings, _progress(), plan.plan
        )
        of_cut, _ = contracts.accept(of_cut, accepted.entries)
        _refuse_critical(_with_source_rows(of_cut, tables), "The cut (rows of the extract)")
        return snapshot.freeze(
            included,
            cut_off=day,
            cut_off_name=name,
            planned=planned,
            plan_hash=plan.sha256,
            contracts=rules,
            findings=of_cut,
            attachments=accepted_findings.attachments(accepted, extract),
            frozen_root=frozen,
        )


def analyse(cut: Path, plan_path: Path, out: Path) -> Path:
    """Verify the cut, derive the datasets, compute the ARD, and write the run's folder."""
    refuse_within(out, cut, "the frozen cut")
    with atomic_folder(out) as new:
        analyse_into(new, cut, plan_path)
    return out


def _refuse_other_day(manifest: Any, tables: Any, plan: PlanFile) -> None:
    """Refuse a planned cut by number that is of another day than its own data give."""
    from sap.derivations import interim

    known = plan.plan.cut_offs.dates.get(str(manifest.cut_off_name))
    if not manifest.planned or known is None or known.date is not None:
        return
    day = interim.day_of_number(tables, plan.plan, str(manifest.cut_off_name))
    if day is None or day.isoformat() != manifest.cut_off:
        raise IntegrityError(
            f"The manifest names the cut-off {manifest.cut_off_name}, planned {known.planned}, but its data do "
            f"not give {manifest.cut_off}. Freeze it again from the extract."
        )


@log.analysing
def analyse_into(run: Path, cut: Path, plan_path: Path) -> None:
    """Write the results of `analyse` into an existing folder."""
    from sap import ard, snapshot
    from sap.pipeline import analyses
    from sap.plan.deviations import check_affected

    plan = read_plan(plan_path)
    departures = read_deviations(study_home() / "analysis" / "deviations.yml", plan.plan)
    with step("verify the frozen cut"):
        manifest = snapshot.verify(cut)
        tables = snapshot.load(cut)
        if manifest.plan_hash != plan.sha256:
            print_progress(f"  note: the cut was frozen under another version of {plan.name}")
    _refuse_other_day(manifest, tables, plan)
    with step("derive the datasets and compute the results"):
        day = dt.date.fromisoformat(manifest.cut_off)
        made = analyses.analyse(tables, plan.plan, day, _progress(every=1))
        check_affected(departures, set(made.ard["analysis"]))
        _warn_of_boxes(made.datasets.by_name())
    with step("write the results"):
        (run / "adam").mkdir()
        for name, frame in made.datasets.by_name().items():
            frame.to_parquet(run / "adam" / f"{name}.parquet", index=False)
        write_text(run / "ard.csv", ard.to_csv(made.ard))
        made.ard.to_parquet(run / "ard.parquet", index=False)
        _write_tables(run, cut, plan, manifest, made.ard)
        entries = [departure.model_dump(mode="json") for departure in departures]
        write_text(run / "tables" / "deviations.json", json.dumps(entries, indent=1) + "\n")


def _warn_of_boxes(datasets: Mapping[str, Any]) -> None:
    """Warn of characters without a glyph in the fonts of figures (shown as a box there)."""
    from sap.displays.escape import without_letter

    texts = {
        cell
        for frame in datasets.values()
        for name in frame.select_dtypes(include=["object", "string"]).columns
        for cell in frame[name].unique()
        if isinstance(cell, str)
    }
    if boxes := without_letter(texts):
        shown = ", ".join(boxes[:10]) + (", ..." if len(boxes) > 10 else "")
        print_progress(
            f"  warning: {len(boxes)} character(s) of the data appear as a box in figures: {shown}"
        )


def facts_of_plan(plan: PlanFile, cut_off_name: str | None, *, planned: bool) -> dict[str, Any]:
    """The facts of a run that its plan gives, for a cut-off of this name."""
    study, known = plan.plan.study, plan.plan.cut_offs.dates.get(str(cut_off_name))
    return {
        "study": study.id,
        "registry": study.registry,
        "about": study.registry_status,
        "title": study.title,
        "short_title": study.short_title,
        "sponsor": study.sponsor,
        "kind": "csr",
        "status": known.status if known and planned else "INTERIM",
        "report_status": study.report_status,
        "dates": study.dates,
        "plan_file": plan.name,
        "plan_sha256": plan.sha256,
        "profile": "final" if known and known.status == "FINAL" else "interim",
    }


def _write_tables(run: Path, cut: Path, plan: PlanFile, manifest: Any, results: Any) -> None:
    from sap import runlog
    from sap.pipeline import rules, title_page

    facts = facts_of_plan(plan, manifest.cut_off_name, planned=manifest.planned) | {
        "title_page": title_page.rows(plan.plan, results),
        "audience": "closed",
        "cut_off": manifest.cut_off,
        "cut_off_name": manifest.cut_off_name,
        "planned": manifest.planned,
        "synthetic": manifest.synthetic,
        "cut_id": manifest.cut_id,
    }
    findings = accepted_findings.findings_of(cut)
    tables = {
        "run": facts,
        "plan": plan.plan.model_dump(mode="json"),
        "manifest": json.loads((cut / "manifest.json").read_text(encoding="utf-8")),
        "findings": json.loads(findings_json(findings)),
        "accepted": accepted_findings.record(cut, findings),
        "mapped": accepted_findings.map_lines(cut),
        "rules": rules.table(plan.plan),
        "files": [one._asdict() for one in runlog.origins()],
    }
    for name, content in tables.items():
        text = json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
        write_text(run / "tables" / f"{name}.json", text)
    write_text(run / "tables" / "plan.yml", plan.text)


@log.reporting
def report(
    run: Path,
    kind: str,
    engine: str,
    formats: Sequence[str],
    *,
    cached: bool = False,
    pool: Any = None,
) -> list[Path]:
    """Render the report of a run into its folder; the DSMB reports into two folders in it.

    With `cached`, a chapter with unchanged inputs is not run again. `pool` holds started kernels for
    the study report.
    """
    from sap import publish
    from sap.displays.register import profiles

    if not (run / "ard.csv").is_file():
        raise UsageError(f"{run} holds no run: call `sap analyse CUT --out {run}` first.")
    if kind == "dsmb":
        from sap.pipeline import dsmb

        return dsmb.reports(run, engine, formats, cached=cached)
    facts = runlog.run_facts(run)
    document = project_home() / STUDY_REPORT
    profile = profiles(run, facts["profile"])
    with step(f"render {', '.join(formats)} ({engine} engine)"):
        if engine == "quarto":
            return publish.render_quarto(
                document, run=run, out=run, formats=formats, stem="csr", profile=profile
            )
        return publish.render(
            document,
            run=run,
            out=run,
            formats=formats,
            stem="csr",
            profile=profile,
            facts=facts | {"addresses": lambda: _addresses(run)},
            progress=lambda text: print_progress(f"    {text}"),
            cache=publish.cache_folder() if cached else None,
            pool=pool,
        )


def _addresses(run: Path) -> dict[str, dict[str, Any]]:
    from sap.pipeline.addresses import of_run

    return of_run(run)


def _warm_kernels(kind: str) -> AbstractContextManager[Any]:
    """Kernels that start and import while the results are computed."""
    from sap import publish

    return publish.warm(project_home() / STUDY_REPORT) if kind == "csr" else nullcontext()


def run_all(  # noqa: PLR0913 - one argument per option of the command
    plan_path: Path,
    source: Path | None,
    seed: int,
    cut_off: str | None,
    out: Path,
    frozen: Path,
    kind: str = "csr",
    previous: Path | None = None,
) -> list[Path]:
    """From a plan and a source (or a seed) to a report folder, in one process; the written files.

    The report is built under a temporary name and renamed at the end: a run that fails or is killed
    leaves the last report unchanged.
    """
    plan = read_plan(plan_path)
    read_deviations(study_home() / "analysis" / "deviations.yml", plan.plan)
    cut_off = cut_off or usual_cut_off(plan, kind)
    cut_off_of(plan, cut_off)
    print_progress(f"{plan.plan.study.id}: {plan.name}, cut-off {cut_off}")
    if previous is not None and kind != "dsmb":
        raise UsageError("--previous goes with --kind dsmb: the study report has no previous one.")
    extract = out.parent / f"{out.name}-extract"
    refuse_to_replace(out)
    if source is None:
        if plan.plan.inputs.intake != "sdtm":
            raise PlanError(
                f"{plan_path}: its intake is {plan.plan.inputs.intake}, so no data can be simulated "
                "for it. Name the data: make report SOURCE=DIR."
            )
        simulate(extract, plan_path, seed, {})
    elif source.resolve() != extract.resolve() or plan.plan.inputs.intake != "sdtm":
        refuse_within(out, source, "which holds the data")
        intake(plan.plan.inputs.intake, source, extract)
    cut = freeze(extract, plan_path, cut_off, frozen)
    with atomic_folder(out) as new, _warm_kernels(kind) as pool:
        analyse_into(new, cut, plan_path)
        if previous is not None:
            from sap.pipeline import dsmb

            dsmb.remember(new, previous)
        made = report(new, kind, "builtin", ("html", "pdf"), cached=True, pool=pool)
        named = [path.relative_to(new) for path in made]
    return [out / name for name in dict.fromkeys((*named, Path("ard.csv")))]
