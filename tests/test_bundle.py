"""What a bundle is called, holds and weighs; no number of a report is needed for that."""

import json
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from sap import ard, bundle, runlog
from sap.bundle.contents import shared_rows
from sap.bundle.names import fault_of, safe_name
from sap.errors import IntegrityError, UsageError
from sap.runlog.software import code_files, project_files

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


def test_shared_rows_are_those_of_open_displays_alone_with_their_exact_numbers():
    catalogue = {
        "tlf-a": {"kind": "table", "number": "1", "analysis": ["a"], "audience": "open"},
        "tlf-b": {"kind": "table", "number": "2", "analysis": ["b"], "audience": "closed"},
        "tlf-c": {"kind": "figure", "number": "3", "analysis": ["c_curve"], "audience": "open"},
        "tlf-e": {"kind": "table", "number": "4", "analysis": ["e"], "audience": "open"},
        "tlf-f": {"kind": "table", "number": "5", "analysis": ["e"], "audience": "closed"},
    }
    rows = ard.bind(
        [
            result("a", n=1, N=5),
            result("b", n=20),
            result("c_curve", n_censored=10),
            result("d", n=30),  # no display shows it
            result("e", n=40),  # a closed display shows it too
        ]
    )
    shared = shared_rows(rows, catalogue)
    numbers = shared.set_index(["analysis", "stat_name"])["stat"].to_dict()
    assert numbers == {("a", "n"): 1, ("a", "N"): 5}


def test_shared_rows_have_no_running_count_after_each_patient():
    entry = {
        "kind": "table",
        "number": "1",
        "audience": "open",
        "analysis": ["toxicity_monitoring"],
    }
    rows = ard.bind(
        [
            result("toxicity_monitoring", n=1, N=2),
            result("toxicity_monitoring", n=1, boundary=2).assign(level="02"),
        ]
    )
    shared = shared_rows(rows, {"tlf-a": entry})
    numbers = shared.set_index(["level", "stat_name"])["stat"].to_dict()
    assert numbers == {("", "n"): 1, ("", "N"): 2, ("02", "boundary"): 2}


def test_no_two_files_of_the_project_get_one_name():
    for files in (code_files(), project_files()):
        names = [safe_name(name) for name in files]
        assert len(set(names)) == len(names)
