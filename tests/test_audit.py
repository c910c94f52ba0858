"""The audit on a real bundle: identical when nothing changed, and each change found and named."""

import dataclasses
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
from typer.testing import CliRunner

from sap import audit, runlog
from sap.audit.examine import displays_in
from sap.catalogue.adam import datasets, label_of
from sap.cli import app
from sap.export import read_dataset_json
from sap.pipeline import commands, dsmb, packing
from sap.plan import read_plan
from sap.runlog.chain import _seal
from sap.snapshot import folder

HOME = Path(__file__).parents[1]
PLAN = HOME / "analysis" / "plan.yml"
DOCS = HOME / "docs" / "audit.md"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A small simulated trial, frozen, analysed and rendered, with its log."""
    place = tmp_path_factory.mktemp("audit")
    commands.simulate(place / "extract", PLAN, 5, {"n_screened": 60})
    cut = commands.freeze(place / "extract", PLAN, "final", place / "frozen")
    commands.analyse(cut, PLAN, place / "run")
    commands.report(place / "run", "csr", "builtin", ("html", "pdf"))
    return place / "run"


@pytest.fixture(scope="module")
def bundled(run) -> Path:
    cut = packing.cut_of(run, None, run.parent / "frozen")
    return packing.pack(run, cut, run.parent / "bundle", "auditor", as_zip=False)


@pytest.fixture
def copy(bundled, tmp_path) -> Path:
    return Path(shutil.copytree(bundled, tmp_path / "moved"))


@pytest.fixture
def without_contracts(monkeypatch):
    """Contracts take seconds and are not what these tests change."""
    monkeypatch.setattr("sap.audit.inputs.check_contracts", lambda *_: None)


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def reseal(place: Path) -> None:
    """Make SHA256SUMS anew, as somebody would who wants to hide a change."""
    names = sorted(p.relative_to(place).as_posix() for p in place.rglob("*") if p.is_file())
    lines = [f"{sha((place / n).read_bytes())}  {n}\n" for n in names if n != "SHA256SUMS"]
    (place / "SHA256SUMS").write_text("".join(lines))


def rewrite(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


# ---- nothing changed -----------------------------------------------------------------------------


def test_an_untouched_bundle_in_another_folder_is_identical_byte_for_byte(copy, tmp_path):
    found = audit.examined(copy)
    assert (found.verdict, found.exit_code) == ("identical", 0)
    assert [f for f in found.findings if f.kind != "note"] == []
    names = {n.rpartition(".")[2] for n in found.compared}
    assert {"html", "pdf", "csv", "parquet", "xpt", "json"} <= names
    (tmp_path / "out").mkdir()
    audit.write_pages(found, tmp_path / "out")
    said = json.loads((tmp_path / "out" / "audit.json").read_text(encoding="utf-8"))
    assert said["verdict"] == "identical"
    page = (tmp_path / "out" / "audit.html").read_text(encoding="utf-8")
    assert "every rebuilt file is byte-identical to the one on record" in page
    assert not re.search(r'(src|href)="?(http|//)|url\(', page)  # nothing is fetched
    assert (tmp_path / "out" / "audit.pdf").read_bytes().startswith(b"%PDF")


def test_a_zip_audits_like_its_folder_and_has_the_same_bytes_twice(
    run, tmp_path, without_contracts
):
    cut = packing.cut_of(run, None, run.parent / "frozen")
    one = packing.pack(run, cut, tmp_path / "a.zip", "auditor", as_zip=True)
    two = packing.pack(run, cut, tmp_path / "b.zip", "auditor", as_zip=True)
    assert one.read_bytes() == two.read_bytes()
    found = audit.examined(one, reports=False)
    assert found.verdict == "identical"


def test_the_second_computation_is_part_of_the_page(copy, without_contracts):
    found = audit.examined(copy, reports=False, independent=True)
    assert found.verdict == "identical"
    assert found.qc.differing == 0
    assert found.qc.agreeing > 1000


def test_a_result_on_record_that_the_second_computation_does_not_give_is_a_changed_result(
    copy, without_contracts, monkeypatch
):
    from sap.qc import two_stage

    monkeypatch.setattr(two_stage, "decision", lambda *_: "H0 rejected twice")
    found = audit.examined(copy, reports=False, independent=True)
    assert found.qc.differing > 0
    assert found.exit_code == 12


@pytest.mark.parametrize("way", ["--run-code", "--no-run-code"])
def test_the_bundles_own_code_and_chapters_run_when_they_are_asked_for(
    copy, tmp_path, way, without_contracts
):
    if way == "--run-code":
        found = audit.examined(copy, run_code=True)
    else:
        found = audit.examined(copy, reports=False)
    assert found.verdict == "identical"


def test_a_wheel_in_a_new_environment_audits_without_git_and_without_analysis(copy, tmp_path):
    built = tmp_path / "wheel"
    call = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*call, "--wheel-dir", str(built), str(HOME)], check=True, capture_output=True)
    site = tmp_path / "site"
    shutil.unpack_archive(next(built.glob("*.whl")), site, "zip")
    assert (site / "sap" / "_project" / "analysis" / "displays.yml").is_file()
    venv.create(tmp_path / "venv", with_pip=False, symlinks=True)
    there = next((tmp_path / "venv").glob("lib/python*/site-packages"))
    packages = next(p for p in sys.path if p.endswith("site-packages"))
    (there / "w.pth").write_text(f"{site}\n{packages}\n")
    python = tmp_path / "venv" / "bin" / "python"
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    got = subprocess.run(
        [python, "-m", "sap", "audit", str(copy), "--out", str(tmp_path / "out")],
        cwd=tmp_path, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert got.returncode == 0, got.stderr
    assert got.stdout.splitlines()[0] == "identical"


# ---- one thing changed ---------------------------------------------------------------------------


def one_data_byte(place: Path) -> None:
    path = place / "cut" / "lb.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def one_psa_value_forged(place: Path) -> None:
    """A value changed, and every sum that names it made anew, the run log excepted."""
    path, manifest = place / "cut" / "lb.parquet", place / "cut" / "manifest.json"
    frame = pd.read_parquet(path)
    psa = frame.index[frame["LBTESTCD"] == "PSA"]
    # Each patient's values fall steeply, so more patients respond.
    place_in_course = frame.loc[psa].groupby("USUBJID").cumcount() + 1
    frame.loc[psa, "LBSTRESN"] = frame.loc[psa, "LBSTRESN"] / place_in_course**4
    folder._write_table(path, frame)
    old = folder._read_manifest(manifest)
    files = tuple(
        dataclasses.replace(f, sha256=sha(path.read_bytes())) if f.name == "lb.parquet" else f
        for f in old.files
    )
    new = dataclasses.replace(old, files=files)
    new = dataclasses.replace(new, cut_id=folder._cut_id(new))
    manifest.write_text(folder._as_json(new))
    for name in ("bundle.json", "tables/run.json", "tables/manifest.json"):
        text = (place / name).read_text().replace(old.cut_id, new.cut_id)
        (place / name).write_text(text)


def one_plan_number(place: Path) -> None:
    rewrite(place / "plan" / "plan.yml", "decline_pct: 50", "decline_pct: 30")


def one_report_byte(place: Path) -> None:
    rewrite(place / "report" / "csr.html", "PSA response", "PSA Response")


def one_result(place: Path) -> None:
    for name, write in (("ard.csv", None), ("ard.parquet", pd.DataFrame.to_parquet)):
        path = place / "ard" / name
        if write is None:
            lines = path.read_text().splitlines(keepends=True)
            spot = next(
                i
                for i, line in enumerate(lines)
                if line.startswith("psa_response,") and ",n," in line
            )
            parts = lines[spot].split(",")
            parts[8] = str(float(parts[8]) + 1)
            path.write_text("".join([*lines[:spot], ",".join(parts), *lines[spot + 1 :]]))
        else:
            frame = pd.read_parquet(path)
            hit = (frame["analysis"] == "psa_response") & (frame["stat_name"] == "n")
            frame.loc[hit.idxmax(), "stat"] += 1
            frame.to_parquet(path, index=False)


def one_log_line_edited(place: Path) -> None:
    path = place / "log" / "run-log.jsonl"
    first, *rest = path.read_text().splitlines(keepends=True)
    path.write_text(first.replace('"step": "analyse"', '"step": "anal yse"') + "".join(rest))


def one_log_line_removed(place: Path) -> None:
    path = place / "log" / "run-log.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))


def one_chapter(place: Path) -> None:
    path = place / "project" / "analysis" / "chapters" / "11-4-response.qmd"
    path.write_text(path.read_text() + "\nThe drug works.\n")


# What is changed, whether sums are made anew afterwards, exit code, the cause that is named.
CHANGES = [
    ("one byte of the frozen data", one_data_byte, False, 11, "data"),
    ("one byte of the frozen data", one_data_byte, True, 11, "data"),
    ("PSA values, with the cut's manifest", one_psa_value_forged, True, 11, "data"),
    ("one number of the plan", one_plan_number, False, 11, "plan"),
    ("one number of the plan", one_plan_number, True, 11, "plan"),
    ("one byte of the report", one_report_byte, False, 11, "report"),
    ("one byte of the report", one_report_byte, True, 11, "report"),
    ("one result of the ARD", one_result, True, 11, "result"),
    ("one line of the log edited", one_log_line_edited, True, 11, "log"),
    ("one line of the log removed", one_log_line_removed, True, 11, "log"),
    ("one chapter", one_chapter, True, 11, "chapters"),
]


def rechained(place: Path) -> None:
    """The whole log written anew over changed files: what a chain of seals cannot show."""
    path = place / "log" / "run-log.jsonl"
    index = json.loads((place / "bundle.json").read_text())
    names = {e["original"]: e["name"] for e in index["files"] if e["role"] in ("report", "ard")}
    previous, lines = "0" * 64, []
    for record in map(json.loads, path.read_text().splitlines()):
        for original in record["outputs"]:
            if original in names:
                record["outputs"][original] = sha((place / names[original]).read_bytes())
        record["previous"] = previous
        record["seal"] = previous = _seal(record)
        lines.append(json.dumps(record, ensure_ascii=False) + "\n")
    path.write_text("".join(lines))
    index["log"]["last"] = previous
    (place / "bundle.json").write_text(json.dumps(index, indent=1, ensure_ascii=False) + "\n")


def one_report_number(place: Path) -> None:
    page = place / "report" / "csr.html"
    text = page.read_text(encoding="utf-8")
    assert "tlf-psa-response" in displays_in(text)
    start = text.index('id="tlf-psa-response"')
    spot = re.compile(r'data-ard="[^"]*"[^>]*>([^<]*\d[^<]*)<').search(text, start)
    assert spot is not None
    page.write_text(text[: spot.start(1)] + "99" + text[spot.end(1) :], encoding="utf-8")


def one_line_of_code(other: Path) -> Path:
    """A copy of the package in which a rate is computed otherwise; what PYTHONPATH must name."""
    for name in ("src", "analysis", "data-contracts"):
        shutil.copytree(HOME / name, other / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in [
        *HOME.glob("*.qmd"),
        *HOME.glob("_quarto*.yml"),
        HOME / "references.bib",
        HOME / "requirements.lock",
    ]:
        shutil.copy(path, other)
    rewrite(
        other / "src/sap/results/rates.py",
        '"estimate": responders / n,',
        '"estimate": (responders + 1) / n,',
    )
    return other / "src"


def one_package_version(other: Path) -> Path:
    """The metadata of another scipy, as pip leaves them; what PYTHONPATH must name."""
    about = other / "scipy-9.9.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: scipy\nVersion: 9.9\n")
    return other


def with_the_whole_log(place: Path, change) -> None:
    change(place)
    rechained(place)
    reseal(place)


# What is changed where somebody also made the log anew, whether reports are rendered, exit and cause.
FORGED = [
    ("one result of the ARD, the whole log too", one_result, False, 12, "result"),
    ("one number in the report, the whole log too", one_report_number, True, 12, "result"),
]
# What is changed on the machine of the auditor, exit code and cause.
INSTALLED = [
    ("one line of the installed code", one_line_of_code, 12, "code"),
    ("one version of an installed package", one_package_version, 0, "packages"),
]
ALL = [(words, anew) for words, _, anew, *_ in CHANGES]
ALL += [(words, True) for words, *_ in FORGED] + [(words, False) for words, *_ in INSTALLED]


class RichText(NamedTuple):
    """What one audit answered."""

    code: int
    verdict: str
    causes: list[str]
    words: list[str]
    numbers: pd.DataFrame
    displays: list[str]
    inputs_changed: bool
    results_changed: bool


@pytest.fixture(scope="module")
def ask(bundled, tmp_path_factory):
    """Do one of the changes to a copy, or to what is installed, and audit; each is asked once."""
    known: dict[tuple[str, bool], RichText] = {}

    def answer(words: str, anew: bool) -> RichText:
        if (words, anew) not in known:
            known[words, anew] = _asked(words, anew, bundled, tmp_path_factory.mktemp("changed"))
        return known[words, anew]

    return answer


def _asked(words: str, anew: bool, bundled: Path, scratch: Path) -> RichText:
    place = Path(shutil.copytree(bundled, scratch / "moved"))
    for name, change, *_ in INSTALLED:
        if name == words:
            return _asked_elsewhere(place, change(scratch / "other"), scratch / "out")
    reports = False
    for name, change, renders, *_ in FORGED:
        if name == words:
            with_the_whole_log(place, change)
            reports = renders
    for name, change, reseals, *_ in CHANGES:
        if (name, reseals) == (words, anew):
            change(place)
            if anew:
                reseal(place)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sap.audit.inputs.check_contracts", lambda *_: None)
        found = audit.examined(place, reports=reports)
    return RichText(
        found.exit_code,
        found.verdict,
        [cause.what for cause in found.causes],
        [cause.words for cause in found.causes],
        pd.DataFrame() if found.numbers is None else found.numbers,
        found.displays,
        found.inputs_changed,
        found.results_changed,
    )


def _asked_elsewhere(place: Path, path: Path, out: Path) -> RichText:
    """The command itself, in a process that finds other code or another package first."""
    before = os.environ.get("PYTHONPATH")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(path), before)))}
    got = subprocess.run(
        [sys.executable, "-m", "sap", "audit", str(place), "--out", str(out), "--no-reports"],
        env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = json.loads((out / "audit.json").read_text(encoding="utf-8"))
    return RichText(
        got.returncode,
        said["verdict"],
        [cause["what"] for cause in said["causes"]],
        [cause["words"] for cause in said["causes"]],
        pd.DataFrame(said["numbers"]),
        [],
        said["verdict"] == "input changed",
        bool(said["numbers"]),
    )


@pytest.mark.parametrize("words, change, anew, code, cause", CHANGES)
def test_each_change_is_found_and_its_cause_named(ask, words, change, anew, code, cause):
    said = ask(words, anew)
    assert said.code == code
    assert said.causes[0] == cause, said
    if change in (one_plan_number, one_psa_value_forged, one_result):
        assert said.results_changed
        moved = said.numbers[said.numbers["change"] == "moved"]
        assert "psa_response" in set(moved["analysis"])
        assert moved["displays"].str.len().gt(0).any()


def test_a_result_changed_with_every_sum_and_seal_made_anew_does_not_come_out_again(ask):
    said = ask("one result of the ARD, the whole log too", True)
    assert not said.inputs_changed
    assert (said.verdict, said.code, said.causes[0]) == ("different", 12, "result")
    assert "changed after it was made" in said.words[0]
    assert said.numbers["displays"].str.contains("Table").any()


def test_a_report_changed_with_every_sum_and_seal_made_anew_is_named_by_display(ask):
    said = ask("one number in the report, the whole log too", True)
    assert (said.code, said.causes[0]) == (12, "result")
    assert said.displays == ["Table 11-3"]


def test_one_line_of_code_is_named_and_so_is_each_number_it_moves(ask):
    said = ask("one line of the installed code", False)
    assert (said.code, said.causes[0]) == (12, "code")
    assert "sap/results/rates.py" in said.words[0]
    assert said.numbers["result"].str.contains("psa_response PRIMARY").any()


def test_one_package_version_is_named_and_the_numbers_are_still_identical(ask):
    said = ask("one version of an installed package", False)
    assert (said.verdict, said.code, said.causes) == ("identical", 0, ["packages"])
    assert re.search(r"scipy \S+ on record, 9.9 here", said.words[0])


def test_the_table_of_the_docs_is_what_these_changes_were_answered_with(ask):
    """Each row is made here, by the change itself and by what the audit said of it."""
    lines = ["| What changed | Sums made anew | Exit | Cause named |", "|---|---|---|---|"]
    for words, anew in ALL:
        said = ask(words, anew)
        cause = said.causes[0] if said.causes else "none"
        lines.append(f"| {words} | {'yes' if anew else 'no'} | {said.code} | {cause} |")
    made = "\n".join(lines)
    text = DOCS.read_text(encoding="utf-8")
    printed = "\n".join(
        line for line in text.partition(lines[0])[2].split("\n\n")[0].splitlines() if line
    )
    assert f"{lines[0]}\n{printed}" == made, (
        f"docs/audit.md shows another table. When the new answers are right, put this one into "
        f"its section 'What it finds':\n\n{made}"
    )


# ---- interchange ---------------------------------------------------------------------------------


def test_every_dataset_and_variable_that_leaves_has_a_label_of_its_own(run):
    for path in sorted((run / "adam").glob("*.parquet")):
        assert set(pd.read_parquet(path).columns) <= set(datasets()[path.stem.upper()].columns)


def test_every_dataset_comes_back_from_xpt_and_from_dataset_json_cell_for_cell(
    bundled, run, tmp_path
):
    """pyreadstat reads the one, this package the other; missing text is blank in XPT."""
    import pyreadstat

    for path in sorted((run / "adam").glob("*.parquet")):
        frame = pd.read_parquet(path)
        again = read_dataset_json((bundled / "adam" / f"{path.stem}.json").read_bytes())
        for column in frame:
            left, right = frame[column], again[column]
            assert (left.isna() == right.isna()).all(), (path.stem, column)
            known = left.notna()
            assert (left[known].astype(object) == right[known].astype(object)).all()
        place = bundled / "adam" / f"{path.stem}.xpt"
        back, about = pyreadstat.read_xport(place)
        assert list(back.columns) == list(frame.columns)
        assert all(about.column_names_to_labels[c] == label_of(c) for c in frame)
        for column in frame:
            left = frame[column]
            if pd.api.types.is_numeric_dtype(left):
                same = (left.astype(float) == back[column]) | (left.isna() & back[column].isna())
            elif pd.api.types.is_datetime64_any_dtype(left):
                same = left.map(lambda d: "" if pd.isna(d) else str(d.date())) == back[column].map(
                    lambda d: "" if pd.isna(d) else str(d)
                )
            else:
                same = left.fillna("").astype(str).str.rstrip(" ") == back[column]
            assert same.all(), (path.stem, column)


def test_another_reader_finds_the_same_cells_in_every_transport_file(bundled, run):
    """The reader of pandas, which shares no code with pyreadstat; dates are days since 1960.

    It reads the zero of the format as 16 to the -65 (eight zero bytes, whose exponent it keeps).
    """
    for path in sorted((run / "adam").glob("*.parquet")):
        frame = pd.read_parquet(path)
        if frame.empty:
            continue  # it reads no file without records
        back = pd.read_sas(bundled / "adam" / f"{path.stem}.xpt", format="xport", encoding="ascii")
        assert list(back.columns) == list(frame.columns)
        for column in frame:
            left = frame[column]
            if pd.api.types.is_datetime64_any_dtype(left):
                left = (left - pd.Timestamp("1960-01-01")).dt.days
            if pd.api.types.is_numeric_dtype(left):
                right = back[column].replace(16.0**-65, 0.0)
                same = (left == right) | (left.isna() & right.isna())
            else:
                words = left.fillna("").astype(str).str.rstrip(" ")
                same = words == back[column].fillna("").astype(str)
            assert same.all(), (path.stem, column)


# ---- what is shared with whom --------------------------------------------------------------------


def test_the_open_bundle_holds_nothing_patient_level_and_is_not_rebuilt(run, tmp_path):
    cut = packing.cut_of(run, None, run.parent / "frozen")
    place = packing.pack(run, cut, tmp_path / "open", "open", as_zip=False)
    whole = b"".join(p.read_bytes() for p in place.rglob("*") if p.is_file())
    subjects = pd.read_parquet(cut / "dm.parquet")["USUBJID"]
    assert not any(who.encode() in whole for who in subjects)
    folders = {p.name for p in place.iterdir()}
    assert not folders & {"cut", "adam", "source"}
    rows = pd.read_csv(place / "ard" / "ard.csv")
    assert "flow" in set(rows["analysis"])
    assert "psa_response" not in set(rows["analysis"])  # closed in the catalogue
    assert not rows["analysis"].isin(["os_curve", "pfs_curve"]).any()
    found = audit.examined(place)
    assert (found.verdict, found.exit_code) == ("not rebuilt", 0)
    rows.assign(stat=rows["stat"] + 1).to_parquet(place / "ard" / "ard.parquet", index=False)
    assert audit.examined(place).exit_code == 11


def test_the_boards_reports_come_again_with_the_report_before_they_were_compared_with(
    run, tmp_path, without_contracts
):
    """Two cut-offs of one trial; the second report says what changed since the first."""
    frozen = tmp_path / "frozen"
    before = commands.freeze(run.parent / "extract", PLAN, "interim", frozen)
    commands.analyse(before, PLAN, tmp_path / "before")
    now = tmp_path / "now"
    cut = packing.cut_of(run, None, run.parent / "frozen")
    commands.analyse(cut, PLAN, now)
    dsmb.remember(now, tmp_path / "before")
    commands.report(now, "dsmb", "builtin", ("html", "pdf"))
    place = packing.pack(now, cut, tmp_path / "closed", "closed", as_zip=False)
    assert (place / "report" / "dsmb-closed" / "changes.csv").is_file()
    found = audit.examined(place)
    assert (found.verdict, found.exit_code) == ("identical", 0), found.findings
    assert found.compared["report/dsmb-closed/changes.csv"] == "identical"
    assert found.compared["report/dsmb-open/report.pdf"] == "identical"
    rows = place / "tables" / "previous-ard.csv"
    rows.write_text(rows.read_text().replace(",1.0,", ",2.0,", 1))
    reseal(place)
    found = audit.examined(place, reports=False)
    assert (found.exit_code, found.causes[0].what) == (11, "data")
    assert "compared with" in found.causes[0].words
    # What everybody may see holds no patient and nothing closed.
    place = packing.pack(now, cut, tmp_path / "open", "open", as_zip=False)
    whole = b"".join(p.read_bytes() for p in place.rglob("*") if p.is_file())
    subjects = pd.read_parquet(cut / "dm.parquet")["USUBJID"]
    assert not any(who.encode() in whole for who in subjects)
    assert {p.parent.name for p in (place / "report").rglob("*.html")} == {"dsmb-open"}
    found = audit.examined(place)
    assert (found.verdict, found.exit_code) == ("not rebuilt", 0), found.findings


def test_a_bundle_that_lost_files_and_their_lines_is_not_identical(copy, without_contracts):
    """The ARD is taken out of bundle, index and list of sums alike."""
    index = json.loads((copy / "bundle.json").read_text())
    gone = [e["name"] for e in index["files"] if e["role"] == "ard"]
    index["files"] = [e for e in index["files"] if e["role"] != "ard"]
    (copy / "bundle.json").write_text(json.dumps(index))
    for name in gone:
        (copy / name).unlink()
    reseal(copy)
    found = audit.examined(copy, reports=False)
    assert found.exit_code == 11
    assert any("ard.csv, which record 1 wrote, is missing" in f.words for f in found.findings)
    assert any(f.words == "is new: the bundle has no such file" for f in found.findings)


def test_a_run_that_is_not_what_its_log_says_is_not_bundled(run, tmp_path):
    other = Path(shutil.copytree(run, tmp_path / "run"))
    with (other / "csr.html").open("a") as file:
        file.write("<!-- -->")
    got = CliRunner().invoke(
        app,
        ["bundle", str(other), str(tmp_path / "b"), "--frozen", str(run.parent / "frozen")],
    )
    assert got.exception is not None
    assert got.exception.exit_code == 11
    assert "csr.html is not the file that record 2 wrote" in str(got.exception)
    assert not (tmp_path / "b").exists()


def test_the_commands_end_with_the_exit_code_of_the_answer(copy, tmp_path, without_contracts):
    out = tmp_path / "out"
    one_log_line_edited(copy)
    got = CliRunner().invoke(app, ["audit", str(copy), "--out", str(out), "--no-reports"])
    assert got.exit_code == 11
    assert {p.name for p in out.iterdir()} == {".sap", "audit.html", "audit.pdf", "audit.json"}


def test_the_guide_names_every_dataset_display_and_package_it_was_made_from(bundled, run):
    guide = (bundled / "adam" / "adrg.md").read_text(encoding="utf-8")
    for path in (run / "adam").glob("*.parquet"):
        assert f"| {path.stem.upper()} |" in guide
    assert "| Table 11-3 | Confirmed PSA response" in guide
    assert "sap.results.response.psa_response" in guide
    # Every step is named by the function that holds its rule, with the words of that function.
    assert "lambda" not in guide
    assert "| ADPSA | SDTM, ADSL_CORE, PLAN | sap.derivations.response.adpsa | " in guide
    assert "| sap.derivations.ctc.ctc_response |" in guide
    assert not re.search(r"\| sap\.[a-z_.]+ \|  *\|", guide)
    for name, version in runlog.environment()["packages"].items():
        assert f"| {name} | {version} |" in guide
    assert f"psa_response.decline_pct | {read_plan(PLAN).plan.psa_response.decline_pct}" in guide
    assert io.StringIO(guide).readline().startswith("# Analysis data reviewer's guide: CARVE")
