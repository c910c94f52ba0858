"""The open and the closed DSMB report of one run: their inputs and their rendering."""

import html
import json
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from sap import ard, runlog
from sap.bundle.contents import reduced_manifest
from sap.catalogue.reporting import AXES, Analysis, Axis, analysis
from sap.errors import RenderError, UsageError
from sap.pipeline import runs
from sap.pipeline.folders import write_text
from sap.pipeline.progress import print_progress, step
from sap.plan import project_home, study_home
from sap.plan.dsmb import Monitoring
from sap.plan.model import PARAMETERS
from sap.publish.source import included
from sap.runlog.facts import read_facts

Audience = Literal["open", "closed"]
AUDIENCES: tuple[Audience, Audience] = ("open", "closed")
PREVIOUS = "previous"
DOCUMENT = "dsmb.qmd"
INCLUDED = re.compile(r"\{\{< include (\S+) >\}\}")


def remember(run: Path, previous: Path | None) -> None:
    """Keep the ARD and the facts of the previous report for comparison; None removes them."""
    targets = run / "tables" / f"{PREVIOUS}-ard.csv", run / "tables" / f"{PREVIOUS}.json"
    if previous is None:
        for path in targets:
            path.unlink(missing_ok=True)
        return
    for source, path in zip(
        (previous / "ard.csv", previous / "tables" / "run.json"), targets, strict=True
    ):
        if not source.is_file():
            raise UsageError(f"{previous} holds no run: {source.name} is missing.")
        write_text(path, source.read_text(encoding="utf-8"))


def _json(path: Path) -> Any:
    return runs.json_of(path)


def _rows_for(audience: Audience, rows: pd.DataFrame) -> pd.DataFrame:
    from sap.results.dsmb import open_rows

    return rows if audience == "closed" else open_rows(rows)


def _described(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of an ARD of an earlier version whose analysis the catalogue still has."""
    from sap.errors import ResultError

    def known(name: str) -> bool:
        try:
            return bool(analysis(name))
        except ResultError:
            return False

    names = [name for name in rows["analysis"].unique() if known(str(name))]
    return rows[rows["analysis"].isin(names)].reset_index(drop=True)


def _analyses_of(audience: Audience) -> set[str]:
    """The analyses that a report of the DSMB shows."""
    from sap.displays.register import register

    return {name for display in displays_of(audience) for name in register()[display].analysis}


def _complete(rows: pd.DataFrame) -> bool:
    """Whether the response of every planned patient of the stage is known: then its test is displayed."""
    interim = rows[(rows["analysis"] == "interim") & (rows["group"] == "")]
    stats = interim.set_index(["level", "stat_name"])["stat"].to_dict()
    level = "stage_1" if ("stage_1", "N") in stats else "total"
    if (level, "N") not in stats:
        return True  # no rule for response: nothing is withheld
    treated, planned = stats[level, "N"], stats[level, "n_planned"]
    return bool(treated >= planned and not stats[level, "n_missing"])


def _displayed(audience: Audience, rows: pd.DataFrame, of: pd.DataFrame) -> pd.DataFrame:
    """The rows that the files of a report may hold: none of what its displays withhold.

    1. Closed report: rows of the analyses of its displays, and of the open analyses.
    2. Of these, until the response of every planned patient is known (in the ARD `of`): no row of the
       comparison by marker, and no test and decision of a response.
    """
    if audience == "open":
        return rows
    from sap.displays.register import register
    from sap.results.dsmb import open_analyses

    kept = rows["analysis"].isin(_analyses_of(audience) | open_analyses())
    if not _complete(of):
        withheld = set(register()["tlf-comparison"].analysis)
        tested = {"rescreen_response", *PARAMETERS}
        tested |= set(register()["tlf-psa-sensitivity"].analysis)
        kept &= ~rows["analysis"].isin(withheld)
        kept &= ~(rows["analysis"].isin(tested) & rows["stat_name"].isin(["p_value", "decision"]))
    return rows[kept].reset_index(drop=True)


def _changes(
    run: Path, audience: Audience, now: pd.DataFrame
) -> tuple[dict[str, Any], pd.DataFrame | None]:
    """The changes since the previous report, as a table of the view and as a frame."""
    from sap.results.changes import changes

    place = run / "tables" / f"{PREVIOUS}-ard.csv"
    if not place.is_file():
        return {"previous": None, "rows": []}, None
    before = _rows_for(audience, _described(ard.from_csv(place)))
    changed = changes(before, now)
    changed = changed[changed["analysis"].isin(_analyses_of(audience))].reset_index(drop=True)
    changed = _displayed(audience, changed, now)
    facts = read_facts(run / "tables" / f"{PREVIOUS}.json")
    rows = [
        {
            "key": ard.key({str(k): v for k, v in row.items()}),
            "change": row["change"],
            "before": row["before"],
            "now": row["now"],
        }
        for row in changed.to_dict("records")
    ]
    previous = {name: facts[name] for name in ("cut_off", "cut_off_name", "cut_id")}
    return {"previous": previous, "rows": rows}, changed


def _word(entry: Analysis, axis: Axis, value: str, plan: object) -> str:
    """The label of a value; one that the catalogue no longer has is printed as it is."""
    known = any(item.match(value) for item in entry.items(axis))
    return entry.text(axis, value, plan) if known else value


def _listed(changed: pd.DataFrame, run: Path, audience: Audience) -> pd.DataFrame:
    """What changes.csv holds: rows that are not the same, with the displays and the labels to find them by.

    `display` are the displays of the report that show the analysis, `label` the labels of parameter,
    group, level and sublevel.
    """
    from sap.displays.register import register

    of_analysis: dict[str, list[str]] = {}
    for display in displays_of(audience):
        for name in register()[display].analysis:
            of_analysis.setdefault(name, []).append(register()[display].label)
    plan = runs.plan_of(run)
    rows = changed[changed["change"] != "same"].reset_index(drop=True)
    displays, labels = [], []
    for row in rows.to_dict("records"):
        entry = analysis(str(row["analysis"]))
        displays.append("; ".join(of_analysis.get(entry.id, ())))
        words = [_word(entry, axis, str(row[axis]), plan) for axis in AXES if row[axis]]
        labels.append("; ".join(dict.fromkeys(words)))
    rows.insert(1, "display", displays)
    rows.insert(2, "label", labels)
    return rows


def _earlier(entries: Monitoring, previous: dict[str, Any]) -> str:
    """The previous report on the cover: its meeting, or that `analysis/dsmb.yml` has no entry for it."""
    cut_off, name = str(previous["cut_off"]), str(previous["cut_off_name"])
    report = entries.reports.get(name) or entries.reports.get(cut_off)
    if report is not None:
        return f"{report.meeting}, {report.date.isoformat()} (data cut-off {cut_off})"
    print_progress(
        f"analysis/dsmb.yml has no entry `{cut_off}` under `reports` for the previous report: its meeting is "
        "not on the cover. Add it, and check that `meeting` of this report counts it."
    )
    return f"data cut-off {cut_off}; its meeting is not recorded in analysis/dsmb.yml"


def _monitoring(
    facts: dict[str, Any], audience: Audience, previous: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Cover (with the previous report, where there is one), amendments and earlier meetings for an audience, from `analysis/dsmb.yml`."""
    from sap.plan.dsmb import read_dsmb

    entries = read_dsmb(study_home() / "analysis" / "dsmb.yml", str(facts["study"]))
    report = entries.reports.get(str(facts["cut_off_name"])) or entries.reports.get(
        str(facts["cut_off"])
    )
    absent = "not recorded"
    cover = {
        "Meeting": f"{report.meeting}, {report.date.isoformat()}" if report else absent,
        "Prepared by": report.prepared_by if report else absent,
        "Version": report.version if report else absent,
        "Distribution": (", ".join(report.distribution.get(audience, [])) if report else "")
        or absent,
    }
    if previous:
        cover["Previous report"] = _earlier(entries, previous)
    shown = [one for one in entries.meetings if audience == "closed" or one.audience == "open"]
    columns = ("date", "meeting", "action", "resolution")
    amendments = entries.amendments
    return {
        "cover": [list(line) for line in cover.items()],
        "amendments": None
        if amendments is None
        else [one.model_dump(mode="json") for one in amendments],
        "meetings": [
            {word: one.model_dump(mode="json")[word] for word in columns} for one in shown
        ],
    }


LABEL = re.compile(r"^#\| label: (tlf-[a-z0-9-]+)$", re.MULTILINE)


def displays_of(audience: Audience) -> list[str]:
    """The displays of a report of the DSMB, in the order of its chapters."""
    from sap.displays.register import register

    document = project_home() / DOCUMENT
    named = [
        name
        for target in INCLUDED.findall(document.read_text(encoding="utf-8"))
        for chapter in included(document, target)
        for name in LABEL.findall(chapter.read_text("utf-8"))
    ]
    return [n for n in named if audience == "closed" or register()[n].audience == "open"]


def _view(
    run: Path, audience: Audience, view: Path
) -> tuple[pd.DataFrame, dict[str, Any], pd.DataFrame | None]:
    """Write the inputs of a report into `view`, a run folder; returns its ARD, facts and changes.

    The open one has no patient-level data: no ADaM dataset, findings without row and subject.
    """
    facts = runlog.run_facts(run) | {"kind": "dsmb", "audience": audience}
    rows = _rows_for(audience, ard.from_csv(run / "ard.csv"))
    changes_table, changed = _changes(run, audience, rows)
    monitoring = _monitoring(facts, audience, changes_table["previous"])
    facts |= {"cover": monitoring.pop("cover")}
    write_text(view / "ard.csv", ard.to_csv(rows))
    if changed is not None:
        write_text(view / "changes.csv", _csv(_listed(changed, run, audience)))
    tables: dict[str, Any] = {
        "run": facts,
        "changes": changes_table,
        "dsmb": monitoring,
        "displays": displays_of(audience),
    }
    findings = _json(run / "tables" / "findings.json")
    if audience == "open":
        tables |= {"plan": _json(run / "tables" / "plan.json")}
        tables |= {"manifest": reduced_manifest(_json(run / "tables" / "manifest.json"))}
        # How many there are of each severity; a rule tells what was recorded.
        findings = [
            dict.fromkeys(finding)
            | {"severity": finding["severity"], "accepted": finding.get("accepted")}
            | dict.fromkeys(("domain", "rule", "description"), "")
            for finding in findings
        ]
        tables |= {"accepted": [], "mapped": []}
    else:
        shutil.copytree(run / "adam", view / "adam")
        for path in sorted((run / "tables").glob("*.json")):
            tables.setdefault(path.stem, _json(path))
    tables["findings"] = findings
    for name, content in tables.items():
        text = json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
        write_text(view / "tables" / f"{name}.json", text)
    return rows, facts, changed


def _csv(frame: pd.DataFrame) -> str:
    """CSV that is safe in a spreadsheet: a value that would be a formula is text."""
    safe = frame.map(lambda text: "'" + text if str(text)[:1] in "=+-@\t\r'" and text else text)
    return str(safe.to_csv(index=False, lineterminator="\n"))


SHOWN = re.compile(r'data-ard="([^"]*)"')
# Numbers of a figure are in no text: its rows are kept with it.
IN_FIGURES = ("accrual", "dsmb_accrual")


def _keys(rows: pd.DataFrame) -> list[str]:
    """The key of each row."""
    return [ard.key({str(k): v for k, v in row.items()}) for row in rows.to_dict("records")]


def _shown(page: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows whose numbers are on the page: the ARD of the open report is limited to these."""
    shown_keys = {html.unescape(key) for key in SHOWN.findall(page.read_text(encoding="utf-8"))}
    selected = [key in shown_keys or key.partition("|")[0] in IN_FIGURES for key in _keys(rows)]
    return rows[selected]


ADDRESS = re.compile(r'"([^"<>]*\|[^"<>]*)"')


def _refuse_leak(run: Path, page: Path, closed: Sequence[str]) -> None:
    """Stop when the open report contains a USUBJID or the address of a closed row (`closed`: keys)."""
    text = html.unescape(page.read_text(encoding="utf-8"))
    subjects = pd.read_parquet(run / "adam" / "adsl.parquet", columns=["USUBJID"])["USUBJID"]
    if any(str(subject) in text for subject in subjects):
        raise RenderError(
            "The open report contains the identifier of a patient. It was not written."
        )
    shown = {address.removeprefix("changes|before|") for address in ADDRESS.findall(text)}
    leaked = sorted(shown & set(closed))
    if leaked:
        raise RenderError(
            f"The open report contains {leaked[0]}, which is closed. It was not written."
        )


def reports(run: Path, engine: str, formats: Sequence[str], *, cached: bool = False) -> list[Path]:
    """Render the open and the closed report of a run into `dsmb-open/` and `dsmb-closed/` in it.

    Each folder holds report.html, report.pdf and ard.csv (with an earlier report, changes.csv too).
    The open one is rendered from a folder without closed data, and is checked for closed data before
    it is written.
    """
    made: list[Path] = []
    for audience in AUDIENCES:
        with step(f"render the {audience} DSMB report ({engine} engine)"):
            made += _report(run, audience, engine, formats, cached=cached)
    return made


def _limit_changes(
    view: Path, rows: pd.DataFrame, changed: pd.DataFrame, facts: dict[str, Any], engine: str,
    *, cached: bool,
) -> None:  # fmt: skip
    """Keep the changes of an open view that concern numbers of its other displays.

    These numbers are determined by rendering it once. A row that is gone is kept when a row of the
    same analysis, population, group, parameter and statistic is displayed.
    """
    place = view / "tables" / "changes.json"
    changes_table = _json(place)
    with tempfile.TemporaryDirectory(prefix="sap-dsmb-") as name:
        _render(view, Path(name), facts, engine, ("html",), cached=cached)
        shown = _shown(Path(name) / "report.html", rows)
    similar = ["analysis", "population", "group", "paramcd", "stat_name"]
    kinds = set(map(tuple, shown[similar].to_numpy()))
    keys = set(_keys(shown))
    selected = [
        tuple(row[name] for name in similar) in kinds if row["change"] == "gone" else key in keys
        for key, row in zip(_keys(changed), changed.to_dict("records"), strict=True)
    ]
    keys_kept = set(_keys(changed[selected]))
    changes_table["rows"] = [row for row in changes_table["rows"] if row["key"] in keys_kept]
    write_text(
        place, json.dumps(changes_table, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    )
    write_text(view / "changes.csv", _csv(_listed(changed[selected], view, "open")))


def _report(
    run: Path, audience: Audience, engine: str, formats: Sequence[str], *, cached: bool
) -> list[Path]:
    out = run / f"dsmb-{audience}"
    with tempfile.TemporaryDirectory(prefix="sap-dsmb-") as name:
        view, ready = Path(name) / "run", Path(name) / "ready"
        rows, facts, changed = _view(run, audience, view)
        if audience == "closed":
            _render(view, ready, facts, engine, formats, cached=cached)
            write_text(view / "ard.csv", ard.to_csv(_displayed(audience, rows, rows)))
        else:
            if changed is not None:
                _limit_changes(view, rows, changed, facts, engine, cached=cached)
            _render(
                view, ready, facts, engine, tuple(dict.fromkeys(("html", *formats))), cached=cached
            )
            page = ready / "report.html"
            everything = ard.from_csv(run / "ard.csv")
            closed = sorted(set(_keys(everything)) - set(_keys(rows)))
            _refuse_leak(run, page, closed)
            write_text(view / "ard.csv", ard.to_csv(_shown(page, rows)))
            if "html" not in formats:
                page.unlink()
        for file in ("ard.csv", "changes.csv"):
            if (view / file).is_file():
                shutil.copyfile(view / file, ready / file)
        out.mkdir(exist_ok=True)
        for old in out.iterdir():
            if old.name not in {path.name for path in ready.iterdir()}:
                old.unlink()
        for path in sorted(ready.iterdir()):
            shutil.copyfile(path, out / f".{path.name}")
            (out / f".{path.name}").replace(out / path.name)
    names = (*(f"report.{each}" for each in formats), "ard.csv", "changes.csv")
    return [out / name for name in names if (out / name).is_file()]


def _render(
    view: Path,
    ready: Path,
    facts: dict[str, Any],
    engine: str,
    formats: Sequence[str],
    *,
    cached: bool,
) -> None:
    from sap import publish
    from sap.displays.register import profiles
    from sap.pipeline.addresses import of_run

    document = project_home() / DOCUMENT
    profile = profiles(view, facts["profile"], facts["audience"])
    if engine == "quarto":
        publish.render_quarto(
            document, run=view, out=ready, formats=formats, stem="report", profile=profile
        )
        return
    publish.render(
        document,
        run=view,
        out=ready,
        formats=formats,
        stem="report",
        profile=profile,
        facts=facts | {"addresses": lambda: of_run(view)},
        progress=lambda text: print_progress(f"    {text}"),
        cache=publish.cache_folder() if cached else None,
    )
