"""The two reports of the DSMB from one run: what each of them may read, and the rendering of both."""

import html
import json
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import yaml

from sap import ard
from sap.errors import RenderError, UsageError
from sap.pipeline.folders import write_text
from sap.pipeline.progress import say, step
from sap.plan import project_home

Audience = Literal["open", "closed"]
AUDIENCES: tuple[Audience, Audience] = ("open", "closed")
PREVIOUS = "previous"
# What the open report may read beside its ARD; none of it knows a patient or a result.
OPEN_TABLES = ("plan", "manifest")


def open_analyses() -> set[str]:
    """The analyses that go into an open report, as the catalogue of displays says."""
    from sap.displays import register

    return register.open_analyses()


def remember(run: Path, previous: Path | None) -> None:
    """Keep the ARD and the facts of the report before, to compare with; None forgets them."""
    kept = run / "tables" / f"{PREVIOUS}-ard.csv", run / "tables" / f"{PREVIOUS}.json"
    if previous is None:
        for path in kept:
            path.unlink(missing_ok=True)
        return
    for source, path in zip(
        (previous / "ard.csv", previous / "tables" / "run.json"), kept, strict=True
    ):
        if not source.is_file():
            raise UsageError(f"{previous} holds no run: {source.name} is missing.")
        write_text(path, source.read_text(encoding="utf-8"))


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _rows_for(audience: Audience, rows: pd.DataFrame) -> pd.DataFrame:
    from sap.results.dsmb import open_rows

    return rows if audience == "closed" else open_rows(rows, open_analyses())


def _changes(
    run: Path, audience: Audience, now: pd.DataFrame
) -> tuple[dict[str, Any], pd.DataFrame | None]:
    """What changed since the report before, as a table of the view and as a frame."""
    from sap.results.changes import changes

    place = run / "tables" / f"{PREVIOUS}-ard.csv"
    if not place.is_file():
        return {"previous": None, "rows": []}, None
    before = _rows_for(audience, ard.from_csv(place))
    found = changes(before, now)
    facts = _json(run / "tables" / f"{PREVIOUS}.json")
    rows = [
        {
            "key": ard.key({str(k): v for k, v in row.items()}),
            "change": row["change"],
            "before": row["before"],
            "now": row["now"],
        }
        for row in found.to_dict("records")
    ]
    named = {name: facts[name] for name in ("cut_off", "cut_off_name", "cut_id")}
    return {"previous": named, "rows": rows}, found


def _actions(audience: Audience) -> list[dict[str, str]]:
    """The board's earlier meetings; an entry that does not say it is open is closed."""
    path = project_home() / "analysis" / "dsmb.yml"
    words = ("date", "meeting", "action", "resolution")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        entries = content.get("meetings") or []
        shown = [e for e in entries if audience == "closed" or e.get("audience") == "open"]
        return [{word: str(entry[word]) for word in words} for entry in shown]
    except (OSError, yaml.YAMLError, AttributeError, KeyError, TypeError):
        raise UsageError(
            f"{path.name} cannot be read. Each of its `meetings` needs {', '.join(words)}."
        ) from None


def _view(
    run: Path, audience: Audience, view: Path
) -> tuple[pd.DataFrame, dict[str, Any], pd.DataFrame | None]:
    """Write what this report reads into `view`: a run folder of its own. Its ARD, facts and changes.

    The open one holds no patient: no ADaM dataset, and findings without row and subject.
    """
    facts = _json(run / "tables" / "run.json") | {"kind": "dsmb", "audience": audience}
    rows = _rows_for(audience, ard.from_csv(run / "ard.csv"))
    told, found = _changes(run, audience, rows)
    write_text(view / "ard.csv", ard.to_csv(rows))
    if found is not None:
        write_text(view / "changes.csv", _csv(found))
    tables: dict[str, Any] = {"run": facts, "changes": told, "actions": _actions(audience)}
    findings = _json(run / "tables" / "findings.json")
    if audience == "open":
        tables |= {name: _json(run / "tables" / f"{name}.json") for name in OPEN_TABLES}
        findings = [one | {"row": None, "usubjid": None, "seq": None} for one in findings]
        tables |= {"accepted": [], "mapped": []}
    else:
        shutil.copytree(run / "adam", view / "adam")
        for path in sorted((run / "tables").glob("*.json")):
            tables.setdefault(path.stem, _json(path))
    tables["findings"] = findings
    for name, content in tables.items():
        text = json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
        write_text(view / "tables" / f"{name}.json", text)
    return rows, facts, found


def _csv(found: pd.DataFrame) -> str:
    """As a spreadsheet may open it: a cell that starts a formula is text."""
    safe = found.map(lambda text: "'" + text if str(text)[:1] in "=+-@\t\r'" and text else text)
    return str(safe.to_csv(index=False, lineterminator="\n"))


SHOWN = re.compile(r'data-ard="([^"]*)"')
# What a figure draws stands in no text: its rows are shown with it.
DRAWN = ("accrual",)


def _keys(rows: pd.DataFrame) -> list[str]:
    """The address of each row."""
    return [ard.key({str(k): v for k, v in row.items()}) for row in rows.to_dict("records")]


def _shown(page: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows whose numbers the page prints: the ARD of the open report holds these and no others."""
    told = {html.unescape(key) for key in SHOWN.findall(page.read_text(encoding="utf-8"))}
    kept = [key in told or key.partition("|")[0] in DRAWN for key in _keys(rows)]
    return rows[kept]


def _refuse_leak(run: Path, page: Path, words: Sequence[str]) -> None:
    """Stop when the open report names a patient or shows a number of a closed analysis."""
    text = page.read_text(encoding="utf-8")
    people = pd.read_parquet(run / "adam" / "adsl.parquet", columns=["USUBJID"])["USUBJID"]
    if any(str(subject) in text for subject in people):
        raise RenderError("The open report names a patient. It was not written.")
    shown = [name for name in words if f'data-ard="{name}|' in text or f'"{name}|' in text]
    if shown:
        raise RenderError(f"The open report shows {shown[0]}, which is closed. It was not written.")


def reports(run: Path, engine: str, formats: Sequence[str], *, cached: bool = False) -> list[Path]:
    """Render the open and the closed report of a run into `dsmb-open/` and `dsmb-closed/` in it.

    Each folder holds report.html, report.pdf and ard.csv (with an earlier report, changes.csv too).
    The open one is rendered from a folder that holds nothing closed, so nothing closed can be in it;
    that it is so is looked at once more before it gets its name.
    """
    made: list[Path] = []
    for audience in AUDIENCES:
        with step(f"render the {audience} report of the board ({engine} engine)"):
            made += _one(run, audience, engine, formats, cached=cached)
    return made


def _forget_changes(
    view: Path, rows: pd.DataFrame, changed: pd.DataFrame, facts: dict[str, Any], engine: str,
    *, cached: bool,
) -> None:  # fmt: skip
    """Leave those changes in an open view that are of numbers its other displays show.

    What they show is seen by rendering it once. A row that is gone stays when its like (same
    analysis, population, group, parameter and statistic) is shown.
    """
    place = view / "tables" / "changes.json"
    told = _json(place)
    with tempfile.TemporaryDirectory(prefix="sap-dsmb-") as name:
        _render(view, Path(name), facts, engine, ("html",), cached=cached)
        shown = _shown(Path(name) / "report.html", rows)
    like = ["analysis", "population", "group", "paramcd", "stat_name"]
    kinds = set(map(tuple, shown[like].to_numpy()))
    keys = set(_keys(shown))
    kept = [
        tuple(row[name] for name in like) in kinds if row["change"] == "gone" else key in keys
        for key, row in zip(_keys(changed), changed.to_dict("records"), strict=True)
    ]
    there = set(_keys(changed[kept]))
    told["rows"] = [row for row in told["rows"] if row["key"] in there]
    write_text(place, json.dumps(told, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
    write_text(view / "changes.csv", _csv(changed[kept]))


def _one(
    run: Path, audience: Audience, engine: str, formats: Sequence[str], *, cached: bool
) -> list[Path]:
    out = run / f"dsmb-{audience}"
    with tempfile.TemporaryDirectory(prefix="sap-dsmb-") as name:
        view, ready = Path(name) / "run", Path(name) / "ready"
        rows, facts, changed = _view(run, audience, view)
        if audience == "closed":
            _render(view, ready, facts, engine, formats, cached=cached)
        else:
            if changed is not None:
                _forget_changes(view, rows, changed, facts, engine, cached=cached)
            _render(
                view, ready, facts, engine, tuple(dict.fromkeys(("html", *formats))), cached=cached
            )
            page = ready / "report.html"
            closed = set(ard.from_csv(run / "ard.csv")["analysis"]) - open_analyses()
            _refuse_leak(run, page, sorted(closed))
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
    from sap.pipeline.addresses import of_run

    document = project_home() / "dsmb.qmd"
    profile = f"{facts['profile']},{facts['audience']}"
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
        progress=lambda text: say(f"    {text}"),
        cache=publish.cache_folder() if cached else None,
    )
