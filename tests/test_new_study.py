"""A new study: `sap init`, contracts written from the plan, displays of its own, and the steps of docs/a-new-study.md."""

import io
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pypdfium2
import pytest
import yaml
from typer.testing import CliRunner

from sap import contracts
from sap.cli import app
from sap.contracts.writing import contracts_of, domains
from sap.displays import own
from sap.displays.formats import NE
from sap.displays.table import Table
from sap.errors import RenderError, UsageError
from sap.pipeline.new_study import templates
from sap.plan import read_plan
from sap.simulate import trial
from sap.simulate.study import in_words_of

HOME = Path(__file__).parents[1]
CARVE = read_plan(HOME / "analysis" / "plan.yml").plan
WORDS = re.compile(
    r"\b(cabazitaxel|jevtana|ar-?v7|docetaxel|prednisone|prednisolone|tropic|abiraterone|enzalutamide|"
    r"carve|erasmus)\b",
    re.IGNORECASE,
)
"""Words of the trial of this repository, as issue 17 lists them."""


def test_the_contracts_of_this_repository_are_those_of_its_plan():
    """In meaning, file by file: what YAML reads is the same."""
    written = contracts_of(CARVE)
    there = {p.name: p.read_text("utf-8") for p in (HOME / "data-contracts").glob("*.odcs.yaml")}
    assert {n: yaml.safe_load(t) for n, t in written.items()} == {
        n: yaml.safe_load(t) for n, t in there.items()
    }


@pytest.fixture(params=templates())
def study(request, tmp_path) -> Path:
    done = CliRunner().invoke(app, ["init", str(tmp_path / "new"), "--like", request.param])
    assert done.exit_code == 0, done.output
    return tmp_path / "new"


def test_a_new_study_has_every_file_and_no_word_of_another_trial(study):
    names = {p.relative_to(study).as_posix() for p in study.rglob("*") if p.is_file()}
    assert {
        *(f"analysis/{n}.yml" for n in ("plan", "references", "deviations", "dsmb")),
        "analysis/study/README.md",
        "data-contracts/dm.odcs.yaml",
        "README.md",
        "Makefile",
        ".gitignore",
    } <= names
    for name in names:
        found_words = WORDS.findall((study / name).read_text("utf-8"))
        assert not found_words, name
    assert len(contracts.load(study / "data-contracts")) == len(
        domains(read_plan(study / "analysis" / "plan.yml").plan)
    )


def test_each_entry_of_a_template_has_its_section_and_its_source_or_is_an_assumption(study):
    content = yaml.safe_load((study / "analysis" / "plan.yml").read_text("utf-8"))
    for name, entry in content.items():
        assert re.fullmatch(r"SAP \d+(\.\d+)*", entry["section"]), name
        assert "@" in entry["source"] or entry.get("assumption") or name == "inputs", name


def test_contracts_have_the_drug_doses_units_and_tests_of_the_plan(tmp_path):
    """Expected by hand from the plan of the template psa-response."""
    CliRunner().invoke(app, ["init", str(tmp_path / "new"), "--like", "psa-response"])
    rules = contracts.load(tmp_path / "new" / "data-contracts")
    ex = {rule.name: rule for rule in rules["ex"].rules}
    assert dict(ex["ex-unit-exampline"].where) == {"EXTRT": "EXAMPLINE"}
    assert ex["ex-dose-high"].kwargs["max_value"] == 40
    assert ex["ex-too-many-cycles"].kwargs["max_value"] == 10
    assert dict(ex["ex-unit-companide"].where) == {"EXTRT": "COMPANIDE"}
    assert ex["ex-unit-companide"].kwargs["value_set"] == ["mg"]


def test_contracts_follow_a_changed_plan(tmp_path):
    """Another dose: ex differs and is replaced; a contract of the study's own stays."""
    study = tmp_path / "new"
    CliRunner().invoke(app, ["init", str(study), "--like", "psa-response"])
    plan = study / "analysis" / "plan.yml"
    of_plan = ["plan", "contracts", str(plan)]
    assert {line.split()[0] for line in CliRunner().invoke(app, of_plan).output.splitlines()} == {
        "same"
    }
    text = plan.read_text("utf-8")
    plan.write_text(text.replace("planned_dose: 40", "planned_dose: 50"), "utf-8")
    (study / "data-contracts" / "xx.odcs.yaml").write_text("kind: DataContract\n")
    shown = CliRunner().invoke(app, of_plan).output
    assert "differs         ex.odcs.yaml" in shown
    assert "not of the plan xx.odcs.yaml" in shown
    assert "replaced        ex.odcs.yaml" in CliRunner().invoke(app, [*of_plan, "--write"]).output
    assert "differs" not in CliRunner().invoke(app, of_plan).output
    (study / "data-contracts" / "xx.odcs.yaml").unlink()
    rules = {rule.name: rule for rule in contracts.load(study / "data-contracts")["ex"].rules}
    assert rules["ex-dose-high"].kwargs["max_value"] == 50


def test_a_domain_that_the_plan_does_not_read_has_no_contract(tmp_path):
    plan = CARVE.model_copy(update={"biomarker": None, "ctc": None, "pk": None, "samples": None})
    assert set(domains(CARVE)) - set(domains(plan)) == {"gf", "cp", "pc", "be"}
    for name, text in contracts_of(plan).items():
        (tmp_path / name).write_text(text)
    rules = {rule.name for rule in contracts.load(tmp_path)["dm"].rules}
    assert {"dm-treated-without-sample", "dm-treated-without-positive"}.isdisjoint(rules)
    assert {"dm-treated-without-sample", "dm-treated-without-positive"} <= {
        rule.name for rule in contracts.load(HOME / "data-contracts")["dm"].rules
    }


def test_a_folder_that_is_not_empty_and_a_template_that_is_not_there_are_wrong_use(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "file").write_text("")
    for words, message in (
        (["full", "--like", "psa-response"], "is not empty"),
        (["file", "--like", "psa-response"], "is a file"),
        (["new", "--like", "psa"], "name one of psa-response"),
    ):
        got = CliRunner().invoke(app, ["init", str(tmp_path / words[0]), *words[1:]])
        assert isinstance(got.exception, UsageError)
        assert got.exception.exit_code == 2
        assert message in str(got.exception)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "full"]


def test_the_simulated_trial_of_this_repository_is_in_its_own_words():
    ex = pd.DataFrame(
        {"USUBJID": ["1"], "EXTRT": ["CABAZITAXEL"], "EXDOSE": ["25"]}, dtype="object"
    )
    ts = pd.DataFrame({"TSPARMCD": ["TITLE"], "TSVAL": ["x"]}, dtype="object")
    same = in_words_of({"ex": ex, "ts": ts}, CARVE)
    pd.testing.assert_frame_equal(same["ex"], ex)


def test_simulated_patients_follow_the_dosing_the_severities_and_the_dates_of_a_plan():
    """A patch of 81 mg a day by intervals without a gap, mild for grade 1, and a last cut-off in 2015."""
    plan = read_plan(HOME / "docs" / "examples" / "one-arm-plan.yml").plan
    simulated = trial.simulate(128, n_screened=40)
    made = in_words_of(simulated, plan)
    ex = made["ex"]
    assert set(ex["EXTRT"]) == {"XANOMELINE"}
    assert set(ex["EXDOSFRQ"]) == {"QD"}
    assert set(ex["EXDOSU"].dropna()) == {"mg"}
    full = ex[ex["EXDOSE"] == "81"]
    assert len(full) > len(ex) / 2
    days = ex[["EXSTDTC", "EXENDTC"]].apply(pd.to_datetime)
    gaps = days["EXSTDTC"].groupby(ex["USUBJID"]).shift(-1) - days["EXENDTC"]
    assert set(gaps.dropna().dt.days) == {1}
    ae = made["ae"]
    assert "AETOXGR" not in ae
    grades = simulated["ae"].set_index(["USUBJID", "AESEQ"])["AETOXGR"]
    before = [grades[key] for key in zip(ae["USUBJID"], ae["AESEQ"], strict=True)]
    pairs = {(g, s) for g, s in zip(before, ae["AESEV"], strict=True) if isinstance(g, str)}
    assert pairs <= {("1", "MILD"), ("2", "MODERATE"), *((g, "SEVERE") for g in "345")}
    dm = made["dm"]
    assert {"RACE", "ETHNIC"} <= set(dm.columns)
    assert dm["RFICDTC"].max() < "2015-03-31"
    # Four years earlier, to the day.
    first = simulated["dm"].set_index("USUBJID")["RFICDTC"]
    assert all(
        f"{int(first[who][:4]) - 4}{first[who][4:]}" == day
        for who, day in zip(dm["USUBJID"], dm["RFICDTC"], strict=True)
    )


# ---- displays of a study ------------------------------------------------------------------------


@pytest.fixture
def own_study(tmp_path, monkeypatch) -> Path:
    (tmp_path / "analysis" / "study").mkdir(parents=True)
    (tmp_path / "analysis" / "plan.yml").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "analysis" / "study"


def test_a_function_of_the_study_is_a_table(own_study):
    (own_study / "centres.csv").write_text("CENTRE,OPENED\nNorth,2026-01-05\n")
    (own_study / "centres.py").write_text(
        "from sap.displays import own\n\ndef opened():\n    return own.table_of('centres')\n"
    )
    made = own.display("tlf-centres", "centres.opened")
    assert isinstance(made, Table)
    assert (made.stub, [c.header for c in made.columns]) == ("CENTRE", ["OPENED"])
    assert [(row.label, *row.cells) for row in made.rows] == [("North", "2026-01-05")]
    assert not (own_study / "__pycache__").exists()


@pytest.mark.parametrize(
    "frame, decimals, cells",
    [
        (pd.DataFrame({"A": ["x"], "N": [3]}), None, ["3"]),
        (pd.DataFrame({"A": ["x"], "M": [2.25]}), 1, ["2.3"]),  # half away from zero
        (pd.DataFrame({"A": ["x"], "M": [NE]}), None, [NE]),
    ],
)
def test_cells_of_a_data_frame_are_printed_by_one_rule(own_study, frame, decimals, cells):
    made = own.display("tlf-x", frame, decimals=decimals)
    assert list(made.rows[0].cells) == cells


@pytest.mark.parametrize(
    "of, words",
    [
        (pd.DataFrame({"A": ["x"], "M": [2.25]}), "give `decimals`"),
        (pd.DataFrame({"A": ["x"], "M": [None]}), "row 1 has a missing cell"),
        ("nowhere.rows", "there is no analysis/study/nowhere.py"),
        ("rows", "Name it as file.function"),
        ("here.other", "has no function other"),
        ("here.text", "is a str: give a data frame"),
        ("here.another", "makes tlf-y, and the chapter shows tlf-x"),
    ],
)
def test_a_display_that_cannot_be_made_names_what_is_wrong(own_study, of, words):
    (own_study / "here.py").write_text(
        "from sap.displays.table import Table\n"
        "def text():\n    return 'x'\n"
        "def another():\n    return Table('tlf-y', 'A', [], [], absent='None.')\n"
    )
    with pytest.raises(RenderError) as error:
        own.display("tlf-x", of)
    assert words in str(error.value)


# ---- the steps of docs/a-new-study.md ----------------------------------------------------------

PAGE = (HOME / "docs" / "a-new-study.md").read_text("utf-8") if (HOME / "docs" / "a-new-study.md").is_file() else ""  # fmt: skip


def files_of_page() -> dict[str, str]:
    """The files that the page writes, by their path; fences inside are written with four marks."""
    named = re.compile(
        r"^In `analysis/study/`, the file `([a-z0-9_.-]+)`:\n\n(`{3,})[a-z]*\n(.*?)^\2$",
        re.MULTILINE | re.DOTALL,
    )
    return {f"analysis/study/{name}": text for name, _, text in named.findall(PAGE)}


def sap(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    blas = {name: each for name, each in os.environ.items() if name.startswith("OPENBLAS_")}
    env = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "PYTHONPATH": str(HOME / "src")} | blas
    return subprocess.run(
        [sys.executable, "-m", "sap", *words], cwd=folder, env=env, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def pages(path: Path) -> str:
    document = pypdfium2.PdfDocument(path)
    texts = [page.get_textpage().get_text_range() for page in document]
    document.close()
    return "\n".join(texts).replace("\r\n", "\n")


@pytest.mark.slow
def test_the_page_leads_from_init_to_report_bundle_and_audit(tmp_path):
    study = tmp_path / "my-study"
    assert sap(tmp_path, "init", "my-study", "--like", "psa-response").returncode == 0
    written = files_of_page()
    assert set(written) == {
        "analysis/study/displays.yml",
        "analysis/study/centres.py",
        "analysis/study/after-14-2-efficacy.qmd",
    }
    for path, text in written.items():
        (study / path).write_text(text)
    bin_of_sap = tmp_path / "bin"
    bin_of_sap.mkdir()
    (bin_of_sap / "sap").write_text(
        f'#!/bin/sh\nPYTHONPATH={HOME / "src"} exec {sys.executable} -m sap "$@"\n'
    )
    (bin_of_sap / "sap").chmod(0o755)
    env = {"PATH": f"{bin_of_sap}:/usr/bin:/bin", "HOME": str(tmp_path)}
    made = subprocess.run(
        ["make", "report"], cwd=study, env=env, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    assert "study: ." in made.stderr
    assert sap(study, "report", "build/report", "--docx").returncode == 0
    # The display of the study in each format, with its number, title and address.
    run = study / "build" / "report"
    html = (run / "csr.html").read_text("utf-8")
    text = pages(run / "csr.pdf")
    with zipfile.ZipFile(io.BytesIO((run / "csr.docx").read_bytes())) as docx:
        word = re.sub(r"<[^>]+>", "", docx.read("word/document.xml").decode())
    assert 'id="tlf-response-by-centre"' in html
    for shown in (html, text, word):
        assert "Table 14.2.20" in shown
        assert "Confirmed PSA response by centre" in " ".join(shown.split())
    assert not WORDS.findall(text)
    # A bundle says what it was made from, and an audit sees a changed file of the study.
    assert sap(study, "bundle", "build/report", "bundle").returncode == 0
    same = sap(study, "audit", "bundle", "--out", "audit", "--no-reports")
    assert same.returncode == 0, same.stderr
    path = study / "analysis" / "study" / "displays.yml"
    path.write_text(path.read_text().replace("by centre", "by site"))
    other = sap(study, "audit", "bundle", "--out", "audit-2", "--no-reports")
    assert other.returncode == 12
    assert "probable cause: chapters: analysis/study/displays.yml" in other.stderr


OTHER_DISEASE = re.compile(
    r"\b(PSA|CTCs?|AR-?V7|castration|prostat\w*|gleason|testosterone|re-?screen\w*|marker\w*|group [AB])\b",
    re.IGNORECASE,
)
"""Words of a trial with PSA, a marker and groups; the list of references has titles of papers."""


NOT_IN_PLAN = re.compile(
    r"line of therapy|gave no sample|screening sample|day of the sample|published trial|published results"
    r"|Planned: a straight line|actual and planned|success rate|results are records|other trials"
    r"|other response rates|lesions and bone|New bone lesions and|New bone lesions Target|positive or negative|\bTTPP\b"
    r"|continuous dosing|\(not set\)|Algorithm of the plan|Readings of the plan|at most 1 respond\b"
    r"|assumptions of the plan|ECOG \d at allocation",
    re.IGNORECASE,
)
"""Words about what the template solid-tumour-response lacks: lines, a sample, published rates, planned accrual,
bone, PSA, continuous dosing; and of texts that name the SAP."""


@pytest.mark.slow
def test_a_study_of_solid_tumours_is_reported_without_a_word_about_psa_or_a_marker(tmp_path):
    assert sap(tmp_path, "init", "new", "--like", "solid-tumour-response").returncode == 0
    study = tmp_path / "new"
    for kind, out in (("csr", "report"), ("dsmb", "board")):
        done = sap(study, "run", "--kind", kind, "--out", f"build/{out}", "--seed", "128")
        assert done.returncode == 0, done.stderr
    texts = {
        path.relative_to(study).as_posix(): pages(path)
        for path in sorted((study / "build").rglob("*.pdf"))
    }
    assert len(texts) == 5  # the report with its two volumes, and the two reports to the board
    for name, text in texts.items():
        before, _, after = text.partition("\n15 References\n")
        kept = before + after.partition("\n16 Appendices\n")[2]
        assert not OTHER_DISEASE.findall(kept), name
        assert not WORDS.findall(text), name
    assert "Primary endpoint: confirmed objective response" in texts["build/report/csr.pdf"]
    assert "not planned)" not in "".join(texts.values())
    for name, text in texts.items():
        assert not NOT_IN_PLAN.findall(" ".join(text.split())), name
    html = (study / "build" / "report" / "csr.html").read_text("utf-8")
    assert 'id="tlf-primary"' in html
    assert 'id="tlf-psa-response"' not in html


@pytest.mark.slow
def test_make_says_how_to_install_where_sap_is_absent(tmp_path):
    study = tmp_path / "new"
    assert sap(tmp_path, "init", "new", "--like", "psa-response").returncode == 0
    got = subprocess.run(
        ["make", "report"], cwd=study, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert got.returncode == 2
    assert "Install it from its wheel file" in got.stdout
    shutil.rmtree(study)
