"""The audit on a real bundle: identical when nothing changed, and each change found and named."""

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

import pandas as pd
import pytest
from typer.testing import CliRunner

from sap import audit, runlog
from sap.catalogue.adam import datasets, label_of
from sap.cli import app
from sap.export import read_dataset_json
from sap.pipeline import commands, dsmb, packing
from sap.plan import read_plan

HOME = Path(__file__).parents[1]
PLAN = HOME / "analysis" / "plan.yml"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def run(small_run) -> Path:
    return small_run


@pytest.fixture(scope="session")
def bundled(small_bundle) -> Path:
    return small_bundle


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
    # The last digits of a fit depend on the kernel that OpenBLAS chooses for the CPU.
    blas = {name: each for name, each in os.environ.items() if name.startswith("OPENBLAS_")}
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)} | blas
    got = subprocess.run(
        [python, "-m", "sap", "audit", str(copy), "--out", str(tmp_path / "out")],
        cwd=tmp_path, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert got.returncode == 0, got.stderr
    assert got.stdout.splitlines()[0] == "identical"


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
    for folder in {(copy / name).parent for name in gone}:
        folder.rmdir()  # an empty folder is refused before anything is compared
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
    log = copy / "log" / "run-log.jsonl"
    log.write_text(log.read_text().replace('"step": "analyse"', '"step": "anal yse"', 1))
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
