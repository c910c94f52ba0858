"""What a bundle is called, holds and weighs; no number of a report is needed for that."""

import base64
import hashlib
import io
import json
import stat
import zipfile
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from sap import __version__, ard, bundle, runlog
from sap.bundle.contents import shared_rows, software_here
from sap.bundle.names import fault_of, safe_name
from sap.bundle.opening import sum_of
from sap.bundle.rules import OWN, RULES, without_rule
from sap.bundle.wheel import differing_parts, wheel_of
from sap.errors import IntegrityError, UsageError
from sap.runlog.software import code_files, project_files

HOME = Path(__file__).parents[1]
SUBJECTS = ("T-001", "T-002")


def result(analysis: str, population: str = "PRIMARY", **stats) -> pd.DataFrame:
    return ard.rows(stats, analysis=analysis, section="SAP 5.1", population=population, method="m")


@pytest.fixture
def run(tmp_path) -> Path:
    """A run of two patients, written by hand, with the log that fits it."""
    place = tmp_path / "run"
    (place / "adam").mkdir(parents=True)
    (place / "tables").mkdir()
    rows = ard.bind(
        [
            result("psa_response", n=1),
            result("flow", n=2),
            result("os_curve", n_censored=1, time=3.5),
        ]
    )
    (place / "ard.csv").write_text(ard.to_csv(rows))
    rows.to_parquet(place / "ard.parquet", index=False)
    pd.DataFrame({"USUBJID": SUBJECTS}).to_parquet(place / "adam" / "adsl.parquet", index=False)
    facts = {
        "study": "T", "status": "FINAL", "cut_off": "2019-06-30", "cut_off_name": "final",
        "cut_id": "final-2019-06-30-00000000", "synthetic": True, "plan_file": "plan.yml",
        "plan_sha256": "0" * 64,
    }  # fmt: skip
    (place / "tables" / "run.json").write_text(json.dumps(facts))
    (place / "tables" / "plan.json").write_text("{}")
    (place / "tables" / "previous.json").write_text("{}")
    (place / "tables" / "previous-ard.csv").write_text(f"{SUBJECTS[0]}\n")
    (place / "tables" / "findings.json").write_text(json.dumps([{"usubjid": SUBJECTS[0]}]))
    (place / "tables" / "plan.yml").write_text("study: T\n")
    (place / "csr.html").write_text(f"<p>{SUBJECTS[0]}</p>")
    (place / "dsmb-open").mkdir()
    (place / "dsmb-open" / "report.html").write_text("<p>open</p>")
    (place / "dsmb-closed").mkdir()
    (place / "dsmb-closed" / "report.html").write_text(f"<p>{SUBJECTS[1]}</p>")
    runlog.append(place / "run-log.jsonl", {"step": "analyse", "outputs": {}})
    return place


@pytest.fixture
def cut(tmp_path) -> Path:
    place = tmp_path / "cut"
    place.mkdir()
    pd.DataFrame({"USUBJID": SUBJECTS}).to_parquet(place / "dm.parquet", index=False)
    (place / "manifest.json").write_text("{}")
    return place


def packed(run: Path, cut: Path, audience: str) -> dict[str, bytes]:
    return bundle.contents(
        run, cut, audience=audience, exports={"adsl.xpt": b"x"}, left_out={}, commit=None
    ).files


def test_nothing_patient_level_is_in_the_open_bundle(run, cut):
    files = packed(run, cut, "open")
    for who in SUBJECTS:
        assert not [n for n, content in files.items() if who.encode() in content]
    folders = {name.partition("/")[0] for name in files}
    assert not folders & {"cut", "adam", "source"}
    assert not [n for n in files if "previous" in n]
    assert "project/analysis/dsmb.yml" not in files  # holds what the board decided when closed
    assert "report/dsmb-open/report.html" in files
    assert "report/csr.html" not in files
    assert b"os_curve" not in files["ard/ard.csv"]
    assert b"flow,SAP 5.1,PRIMARY,,,,,n,2.0," in files["ard/ard.csv"]
    assert b"psa_response" not in files["ard/ard.csv"]  # efficacy is closed in the catalogue


def test_closed_holds_the_data_and_auditor_the_source_too(run, cut):
    closed, auditor = packed(run, cut, "closed"), packed(run, cut, "auditor")
    assert {"cut/dm.parquet", "adam/adsl.parquet", "report/dsmb-closed/report.html"} <= set(closed)
    assert not [n for n in closed if n.startswith("source/")]
    assert {"project/analysis/dsmb.yml", "tables/previous-ard.csv"} <= set(closed)
    assert {"source/sap/init.py", "adam/adsl.xpt"} <= set(auditor)
    assert set(closed) < set(auditor)


@pytest.mark.parametrize("audience", bundle.AUDIENCES)
def test_every_name_is_safe_every_sum_fits_and_the_bytes_are_the_same_twice(
    run, cut, audience, tmp_path
):
    files = packed(run, cut, audience)
    assert [n for n in files if fault_of(n)] == []
    assert files == packed(run, cut, audience)
    whole = bundle.Contents(files)
    (tmp_path / "b.zip").write_bytes(bundle.zipped(whole))
    assert bundle.zipped(whole) == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    again = bundle.opened(tmp_path / "b.zip")
    promised = bundle.sums_of("b", again.files)
    assert set(promised) == set(files) - {"SHA256SUMS"}
    (tmp_path / "b").mkdir()
    bundle.write_into(tmp_path / "b", whole)
    assert bundle.opened(tmp_path / "b").files == files


def test_a_run_whose_report_was_made_from_other_results_is_refused(run, cut):
    log = run / "run-log.jsonl"
    runlog.append(log, {"step": "report csr", "inputs": {"ard.csv": "00"}, "outputs": {}})
    with pytest.raises(IntegrityError, match=r"record 2 was made from another ard\.csv"):
        packed(run, cut, "auditor")


def test_the_documents_that_quarto_renders_from_are_in_no_bundle(run, cut):
    """They are made from chapters and results, which are."""
    for place in (run / "quarto" / "csr", run / "build" / "quarto" / "csr"):
        place.mkdir(parents=True)
        (place / "csr.qmd").write_text("x")
        (place / "csr.html").write_text("x")
    assert not [name for name in packed(run, cut, "auditor") if "quarto/" in name]


def test_a_run_that_lost_a_report_its_log_names_is_refused(run, cut):
    log = run / "run-log.jsonl"
    runlog.append(log, {"step": "report csr", "outputs": {"csr.docx": "00"}})
    with pytest.raises(IntegrityError, match=r"csr\.docx, which record 2 wrote, is missing"):
        packed(run, cut, "auditor")
    runlog.append(log, {"step": "report csr", "outputs": {}})  # rendered again, without it
    assert packed(run, cut, "auditor")


def test_the_log_is_copied_as_it_is(run, cut):
    assert packed(run, cut, "auditor")["log/run-log.jsonl"] == (run / "run-log.jsonl").read_bytes()


def test_a_run_without_a_log_or_with_a_broken_one_is_refused(run, cut):
    log = run / "run-log.jsonl"
    log.write_text(log.read_text().replace("analyse", "analyze"))
    with pytest.raises(IntegrityError, match="record 1 was edited"):
        packed(run, cut, "auditor")
    log.unlink()
    with pytest.raises(UsageError, match="no run log"):
        packed(run, cut, "auditor")


def test_an_unknown_audience_is_refused(run, cut):
    with pytest.raises(UsageError, match="not one of open, closed, auditor"):
        packed(run, cut, "public")


# ---- names, roles and index of each audience -------------------------------------------------------


def names_in(files: dict[str, bytes], folder: str) -> list[str]:
    return sorted(name for name in files if name.startswith(f"{folder}/"))


def test_each_audience_has_its_reports_results_tables_and_data(run, cut):
    """A file of `tables` of another kind, and a folder among the reports, are in no bundle."""
    (run / "tables" / "notes.txt").write_text("x")
    (run / "dsmb-open" / "figures").mkdir()
    tables = [f"tables/{name}.json" for name in ("findings", "plan", "previous", "run")]
    named = {audience: packed(run, cut, audience) for audience in bundle.AUDIENCES}
    assert {audience: names_in(files, "report") for audience, files in named.items()} == {
        "open": ["report/dsmb-open/report.html"],
        "closed": ["report/csr.html", "report/dsmb-closed/report.html", "report/dsmb-open/report.html"],
        "auditor": ["report/csr.html", "report/dsmb-closed/report.html", "report/dsmb-open/report.html"],
    }  # fmt: skip
    assert names_in(named["open"], "tables") == ["tables/plan.json", "tables/run.json"]
    for audience in ("closed", "auditor"):
        assert names_in(named[audience], "tables") == sorted([*tables, "tables/previous-ard.csv"])
        assert names_in(named[audience], "cut") == ["cut/dm.parquet", "cut/manifest.json"]
    assert names_in(named["closed"], "adam") == ["adam/adsl.parquet"]
    assert names_in(named["auditor"], "adam") == ["adam/adsl.parquet", "adam/adsl.xpt"]
    for audience, files in named.items():
        assert names_in(files, "plan") == ["plan/plan.yml"]
        assert names_in(files, "ard") == ["ard/ard.csv", "ard/ard.parquet"]
        wheel = [f"environment/single_arm_sap-{__version__}-py3-none-any.whl"]
        wanted = ["environment/requirements-lock.txt", *(wheel if audience != "open" else [])]
        assert names_in(files, "environment") == wanted  # the wheel has the list of actions
        assert "project/requirements-lock.txt" not in files
    logs = {audience: names_in(files, "log") for audience, files in named.items()}
    assert logs == {"open": [], "closed": ["log/run-log.jsonl"], "auditor": ["log/run-log.jsonl"]}
    assert named["closed"]["ard/ard.csv"] == (run / "ard.csv").read_bytes()


def test_the_open_results_are_those_of_the_open_report_where_there_is_one(run, cut):
    """As a table in both formats, without an index; a report's own file is taken as it is."""
    own = ard.bind([result("psa_response", n=7)])
    (run / "dsmb-open" / "ard.csv").write_text(ard.to_csv(own))
    files = packed(run, cut, "open")
    assert files["ard/ard.csv"].decode() == ard.to_csv(own)
    frame = pd.read_parquet(io.BytesIO(files["ard/ard.parquet"]))
    assert list(frame.columns) == list(own.columns)
    assert frame["stat"].tolist() == [7]
    schema = pq.read_schema(io.BytesIO(files["ard/ard.parquet"]))
    assert schema.pandas_metadata["index_columns"] == []


def index_of(files: dict[str, bytes]) -> dict:
    return json.loads(files["bundle.json"])


def test_the_index_has_the_facts_of_the_run_and_the_role_of_each_file(run, cut):
    runlog.append(run / "run-log.jsonl", {"step": "report", "outputs": {}})
    files = bundle.contents(
        run, cut, audience="auditor", exports={"adsl.xpt": b"x", "adrg.md": b"g"},
        left_out={"b.xpt": "too long", "a.xpt": "no rows"}, commit="abc123",
    ).files  # fmt: skip
    index = index_of(files)
    facts = json.loads((run / "tables" / "run.json").read_text())
    for name in facts:
        assert index[name] == facts[name]
    assert (index["format"], index["audience"]) == (1, "auditor")
    assert (index["code"]["version"], index["code"]["commit"]) == (__version__, "abc123")
    assert list(index["left_out"].items()) == [("a.xpt", "no rows"), ("b.xpt", "too long")]
    last = json.loads((run / "run-log.jsonl").read_text().splitlines()[-1])
    assert index["log"] == {"records": 2, "last": last["seal"]}
    names = [entry["name"] for entry in index["files"]]
    assert names == sorted(names)
    assert set(names) == set(files) - {"readme.md", "bundle.json", "SHA256SUMS"}
    roles = {entry["name"]: (entry["role"], entry["original"]) for entry in index["files"]}
    assert roles["adam/adsl.xpt"] == ("export", "adsl.xpt")
    assert roles["adam/adrg.md"] == ("guide", "adrg.md")
    assert roles["adam/adsl.parquet"] == ("dataset", "adsl.parquet")
    assert roles["source/sap/init.py"] == ("source", "__init__.py")
    assert roles["environment/requirements-lock.txt"] == ("lock", "requirements.lock")
    assert roles["tables/previous.json"] == ("previous", "previous.json")
    assert roles["tables/run.json"] == ("table", "run.json")
    assert roles["plan/plan.yml"] == ("plan", "plan.yml")


def test_the_open_index_says_that_the_list_of_actions_is_left_out(run, cut):
    reason = "closed: its open entries are printed in the open report"
    assert index_of(packed(run, cut, "open"))["left_out"] == {"analysis/dsmb.yml": reason}
    assert index_of(packed(run, cut, "closed"))["left_out"] == {}


def test_the_index_is_readable_text_in_the_letters_of_the_study(run, cut):
    place = run / "tables" / "run.json"
    facts = json.loads(place.read_text()) | {"study": "É-1", "synthetic": False}
    place.write_text(json.dumps(facts))
    files = packed(run, cut, "open")
    lines = files["bundle.json"].decode().splitlines()
    assert lines[:4] == ["{", ' "format": 1,', ' "audience": "open",', ' "study": "É-1",']
    assert files["bundle.json"].endswith(b"}\n")
    readme = files["readme.md"].decode()
    assert readme.startswith(
        "# É-1, data cut-off 2019-06-30 (final)\n\nBundle for the audience `open`."
    )
    assert "holds nothing patient-level, so nothing is rebuilt" in readme
    assert "synthetic" not in readme


def test_the_readme_says_what_is_rebuilt_and_that_the_data_are_synthetic(run, cut):
    for audience in ("closed", "auditor"):
        readme = packed(run, cut, audience)["readme.md"].decode()
        assert "rebuilt from the frozen data in `cut/`" in readme
        assert "nothing is rebuilt" not in readme
        assert "The data are synthetic." in readme


def test_the_list_of_sums_has_every_other_file_in_order(run, cut):
    files = packed(run, cut, "closed")
    lines = files["SHA256SUMS"].decode().splitlines()
    names = sorted(set(files) - {"SHA256SUMS"})
    assert lines == [f"{hashlib.sha256(files[name]).hexdigest()}  {name}" for name in names]


def test_a_file_that_is_not_the_one_of_the_log_is_refused(run, cut):
    runlog.append(run / "run-log.jsonl", {"step": "report csr", "outputs": {"csr.html": "00"}})
    with pytest.raises(IntegrityError, match=r"csr\.html"):
        packed(run, cut, "closed")


def test_two_files_of_one_name_are_refused(run, cut):
    for name in ("a_b.parquet", "a__b.parquet"):
        pd.DataFrame({"USUBJID": SUBJECTS}).to_parquet(run / "adam" / name)
    with pytest.raises(
        UsageError, match=r"two files would be called adam/a-b\.parquet in the bundle: rename a_b"
    ):
        packed(run, cut, "closed")


def test_a_file_for_which_the_audit_has_no_rule_is_not_bundled(run, cut):
    (run / "notes.html").write_text("a")
    with pytest.raises(UsageError, match=r"notes\.html is no file of a bundle for closed"):
        packed(run, cut, "closed")


@pytest.mark.parametrize("audience", bundle.AUDIENCES)
def test_every_file_of_a_bundle_has_exactly_one_rule(run, cut, audience):
    files = packed(run, cut, audience)
    entries = index_of(files)["files"]
    assert without_rule(audience, entries) == []
    for entry in entries:
        fitting = [
            rule
            for rule in RULES
            if rule.fits(entry["role"], entry["original"]) and audience in rule.audiences
        ]
        assert len(fitting) == 1, entry
    assert set(files) - {entry["name"] for entry in entries} == set(OWN)


@pytest.mark.parametrize(
    "audience, role, original, name",
    [
        ("open", "cut", "dm.parquet", "cut/dm.parquet"),
        ("open", "log", "run-log.jsonl", "log/run-log.jsonl"),
        ("open", "report", "csr.html", "report/csr.html"),
        ("open", "report", "dsmb-closed/report.html", "report/dsmb-closed/report.html"),
        ("open", "table", "findings.json", "tables/findings.json"),
        ("open", "project", "analysis/dsmb.yml", "project/analysis/dsmb.yml"),
        ("closed", "source", "__init__.py", "source/sap/init.py"),
        ("closed", "guide", "adrg.md", "adam/adrg.md"),
        ("auditor", "guide", "notes.md", "adam/notes.md"),
        ("auditor", "report", "notes.html", "report/notes.html"),
        ("auditor", "report", "build/quarto/csr/csr.html", "report/build/quarto/csr/csr.html"),
        ("auditor", "project", "build/quarto/csr/csr.qmd", "project/build/quarto/csr/csr.qmd"),
        ("auditor", "dataset", "adsl.parquet", "adam/adae.parquet"),
        ("auditor", "table", "previous.json", "tables/previous.json"),
        ("auditor", "unknown", "x.csv", "x.csv"),
        ("public", "ard", "ard.csv", "ard/ard.csv"),
    ],
)
def test_what_has_no_rule_for_its_audience_is_named(audience, role, original, name):
    entry = {"role": role, "original": original, "name": name}
    assert len(without_rule(audience, [entry])) == 1


def test_a_run_that_other_code_or_packages_made_is_not_bundled(run, cut, monkeypatch):
    """The log names the code; the index would name the one that is installed."""
    from sap.runlog import chain

    with monkeypatch.context() as changed:
        changed.setattr(chain, "code_sums", lambda: {"x.py": "0" * 64})
        runlog.append(run / "run-log.jsonl", {"step": "report csr", "outputs": {}})
    with pytest.raises(UsageError, match=r"other software .* code of the package"):
        packed(run, cut, "auditor")


def test_the_files_of_a_folder_and_of_a_zip_have_one_mode(tmp_path):
    """As `git` writes them, 0644; a folder that is there already is used; one date, system 3 (Unix)."""
    whole = bundle.Contents({"b/c/x.csv": b"x", "b/a.csv": b"a" * 100})
    bundle.write_into(tmp_path / "new" / "place", whole)
    bundle.write_into(tmp_path / "new" / "place", whole)
    place = tmp_path / "new" / "place" / "b" / "c" / "x.csv"
    assert place.read_bytes() == b"x"
    assert stat.S_IMODE(place.stat().st_mode) == 0o644
    with zipfile.ZipFile(io.BytesIO(bundle.zipped(whole))) as archive:
        entries = archive.infolist()
        assert archive.read("b/c/x.csv") == b"x"
    assert [entry.filename for entry in entries] == ["b/a.csv", "b/c/x.csv"]
    for entry in entries:
        assert entry.date_time == (1980, 1, 1, 0, 0, 0)
        assert entry.external_attr == (stat.S_IFREG | 0o644) << 16
        assert (entry.create_system, entry.compress_type) == (3, zipfile.ZIP_DEFLATED)


def test_shared_rows_are_those_of_the_open_report_with_their_exact_numbers():
    """No curve, no count after each patient, no closed analysis (tests/test_dsmb.py has every rule)."""
    rows = ard.bind(
        [
            result("flow", n=1),
            result("psa_response", n=20),
            result("os_curve", n_censored=10),
            result("toxicity_monitoring", n=1, N=2),
            result("toxicity_monitoring", n=1, boundary=2).assign(level="2"),
        ]
    )
    shared = shared_rows(rows)
    kept = {
        (a, level, s): v
        for a, level, s, v in shared[["analysis", "level", "stat_name", "stat"]].to_numpy()
    }
    assert kept == {
        ("flow", "", "n"): 1,
        ("toxicity_monitoring", "", "n"): 1,
        ("toxicity_monitoring", "", "N"): 2,
        ("toxicity_monitoring", "2", "boundary"): 2,
    }


def test_the_open_bundle_has_no_log_no_sum_of_closed_files_and_no_rows_of_the_cut(run, cut):
    """Account, host and command lines are in the log; the rows of DV in the manifest are the deviations."""
    manifest = {
        "cut_id": "final-2019-06-30-00000000", "cut_off": "2019-06-30", "plan_hash": "f" * 64,
        "files": [{"name": "dv.parquet", "rows": 471147114711, "columns": [], "sha256": "a" * 64}],
    }  # fmt: skip
    (run / "tables" / "manifest.json").write_text(json.dumps(manifest))
    facts = json.loads((run / "tables" / "run.json").read_text()) | {"audience": "closed"}
    (run / "tables" / "run.json").write_text(json.dumps(facts))
    record = {
        "step": "report",
        "outputs": {
            "dsmb-closed/report.html": sum_of((run / "dsmb-closed" / "report.html").read_bytes())
        },
    }
    runlog.append(run / "run-log.jsonl", record)
    log = runlog.verify(run / "run-log.jsonl")
    files = packed(run, cut, "open")
    tables = {name for name in files if name.startswith(("log/", "tables/"))}
    assert tables == {"tables/run.json", "tables/plan.json", "tables/manifest.json"}
    everything = b"\n".join(
        files[name] for name in sorted(files) if not name.startswith("project/")
    )
    for closed in (
        "471147114711",
        "a" * 64,
        log[-1]["seal"],
        *record["outputs"].values(),
        sum_of((HOME / "analysis" / "dsmb.yml").read_bytes()),
    ):
        assert closed.encode() not in everything
    assert not [name for name in ("who", "host", "argv") if f'"{name}"'.encode() in everything]
    index, run_facts = json.loads(files["bundle.json"]), json.loads(files["tables/run.json"])
    assert (index["audience"], index["log"], run_facts["audience"]) == ("open", None, "open")
    assert json.loads(files["tables/manifest.json"])["files"] == [{"name": "dv.parquet"}]
    assert json.loads(packed(run, cut, "closed")["tables/manifest.json"]) == manifest


def test_no_two_files_of_the_project_get_one_name():
    for files in (code_files(), project_files()):
        names = [safe_name(name) for name in files]
        assert len(set(names)) == len(names)


def test_the_wheel_of_a_bundle_is_one_that_pip_takes_and_holds_what_is_installed(
    run, cut, tmp_path
):
    """Its files, its record with their checksums, its name and version; made twice, the same bytes."""
    files = packed(run, cut, "auditor")
    name = f"environment/single_arm_sap-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(io.BytesIO(files[name])) as wheel:
        held = {each: wheel.read(each) for each in wheel.namelist()}
    info = f"single_arm_sap-{__version__}.dist-info"
    assert {each.removeprefix("sap/") for each in held if not each.startswith(("sap/_project", info))} == set(code_files())  # fmt: skip
    assert {f"sap/_project/{each}" for each in project_files()} < set(held)
    lines = held[f"{info}/RECORD"].decode().splitlines()
    recorded = dict(line.rsplit(",", 2)[:2] for line in lines)
    for each, content in held.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        assert recorded[each] == ("" if each.endswith("RECORD") else f"sha256={digest}")
    about = held[f"{info}/METADATA"].decode()
    assert f"Name: single-arm-sap\nVersion: {__version__}\n" in about
    assert "Requires-Dist: pypdfium2\n" in about
    assert "sap = sap.__main__:main" in held[f"{info}/entry_points.txt"].decode()
    index = index_of(files)
    assert index["wheel"] == {"name": name, "sha256": hashlib.sha256(files[name]).hexdigest()}
    assert index_of(packed(run, cut, "open"))["wheel"] is None


def test_an_entry_of_a_wheel_depends_on_its_file_alone_and_its_description_comes_last():
    """One date, stored, readable by all; the description at the end, as the format of wheels recommends."""
    _, wheel = wheel_of(software_here())
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        entries = archive.infolist()
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.compress_type for entry in entries} == {zipfile.ZIP_STORED}
    assert {(entry.create_system, entry.external_attr) for entry in entries} == {
        (3, (stat.S_IFREG | 0o644) << 16)
    }
    names = [entry.filename for entry in entries]
    described = [".dist-info/" in name for name in names]
    assert described == sorted(described)
    package = [name for name in names if ".dist-info/" not in name]
    assert package == sorted(package)


def test_the_wheel_of_another_study_carries_it_beside_that_of_the_package(tmp_path, monkeypatch):
    """Whoever installs it audits the study of the bundle, and has the package's own as everybody has."""
    for name in ("analysis/plan.yml", "data-contracts/dm.odcs.yaml", "analysis/study/displays.yml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("a: study\n")
    monkeypatch.chdir(tmp_path)
    software = software_here()
    with zipfile.ZipFile(io.BytesIO(wheel_of(software)[1])) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    own = {name for name in held if name.startswith("sap/_study/")}
    assert own == {
        "sap/_study/analysis/plan.yml",
        "sap/_study/analysis/study/displays.yml",
        "sap/_study/data-contracts/dm.odcs.yaml",
    }
    assert {held[name] for name in own} == {b"a: study\n"}
    for name in (
        "analysis/plan.yml",
        "data-contracts/lb.odcs.yaml",
        "analysis/chapters/12-safety.qmd",
    ):
        assert held[f"sap/_project/{name}"] == (HOME / name).read_bytes()


def rezipped(wheel: bytes, **changes: bytes | None) -> bytes:
    """A wheel with the files whose names end so changed, or removed (None)."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(wheel)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            ending = next((each for each in changes if name.endswith(each)), None)
            if ending is None:
                new.writestr(name, old.read(name))
            elif changes[ending] is not None:
                new.writestr(name, changes[ending])
    return out.getvalue()


@pytest.mark.parametrize(
    "changes, causes",
    [
        ({"_project/analysis/plan.yml": b"x"}, {"chapters": ["analysis/plan.yml"]}),
        ({"_project/analysis/chapters/12-safety.qmd": None}, {"chapters": ["analysis/chapters/12-safety.qmd"]}),
        ({"_project/requirements.lock": b"x"}, {"packages": ["requirements.lock"]}),
        ({"sap/results/rates.py": b"x"}, {"code": ["sap/results/rates.py"]}),
        ({"_project/package.toml": b"x"}, {"code": ["sap/_project/package.toml"]}),
        ({"_project/LICENSE": b"x"}, {"code": ["sap/_project/LICENSE"]}),
        (
            {"results/rates.py": b"x", "_project/analysis/plan.yml": b"x", "RECORD": b"x"},
            {"code": ["sap/results/rates.py"], "chapters": ["analysis/plan.yml"]},
        ),
        ({}, {"code": ["the wheel itself"]}),
        ({"RECORD": b"x"}, {"code": ["the wheel itself"]}),
    ],
)  # fmt: skip
def test_a_changed_file_of_the_study_in_a_wheel_is_no_change_of_the_code(changes, causes):
    """The wheel carries the study and the lock, so that whoever installs it can audit."""
    _, wheel = wheel_of(software_here())
    assert differing_parts(wheel, rezipped(wheel, **changes)) == causes
    assert differing_parts(rezipped(wheel, **changes), wheel) == causes


def test_a_file_of_another_study_in_a_wheel_is_named_by_its_place_in_the_study():
    def wheel(content: str) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("sap/_study/analysis/plan.yml", content)
            archive.writestr("sap/_study/requirements.lock", content)
        return out.getvalue()

    named = {"chapters": ["analysis/plan.yml"], "packages": ["requirements.lock"]}
    assert differing_parts(wheel("a"), wheel("b")) == named


def test_what_is_no_wheel_or_unpacks_to_too_much_is_a_change_of_the_code(monkeypatch):
    _, wheel = wheel_of(software_here())
    unread = {"code": ["the wheel, which cannot be read"]}
    assert differing_parts(b"PK", wheel) == unread
    assert differing_parts(wheel[:-9], wheel) == unread
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        total = sum(entry.file_size for entry in archive.infolist())
    monkeypatch.setattr("sap.bundle.wheel.LARGEST_TOTAL", total)
    assert differing_parts(wheel, wheel) == {"code": ["the wheel itself"]}
    monkeypatch.setattr("sap.bundle.wheel.LARGEST_TOTAL", total - 1)
    assert differing_parts(wheel, wheel) == unread


def test_the_readme_has_the_order_first_who_made_it_then_two_commands_then_the_audit(run, cut):
    readme = packed(run, cut, "auditor")["readme.md"].decode()
    order = (
        "ssh-keygen -Y verify -f SIGNERS -I IDENTITY -n sap-bundle -s SHA256SUMS.sig < SHA256SUMS",
        "sha256sum --check --quiet SHA256SUMS",
        "pip install --require-hashes --no-deps -r THIS-FOLDER/environment/requirements-lock.txt",
        f"pip install --no-index --no-deps THIS-FOLDER/environment/single_arm_sap-{__version__}-py3-none-any.whl",
        "sap audit THIS-FOLDER --out audit",
    )
    places = [readme.index(words) for words in order]
    assert places == sorted(places)
    assert readme.count("pip install") == 2
    without = packed(run, cut, "open")["readme.md"].decode()
    assert "pip install" not in without
    assert f"## 2. Install\n\nThis bundle has no wheel of the package: use a copy of single-arm-sap {__version__} of your own.\n\n## 3." in without  # fmt: skip


def test_each_file_of_the_source_that_is_named_as_yaml_or_json_can_be_read():
    """An audit refuses a bundle with a file that is not what its name says."""
    import yaml

    for name, path in (code_files() | project_files()).items():
        if name.endswith((".yml", ".yaml", ".json")):
            assert yaml.safe_load(path.read_text("utf-8")) is not None, name
