"""A study is a folder: which one a command takes, whose file is whose, and what a study may change."""

import io
import json
import shutil
import zipfile
from pathlib import Path

import pytest
import yaml

from sap import __version__
from sap.bundle.wheel import wheel_of
from sap.catalogue import codelist
from sap.displays.register import register
from sap.errors import PlanError, UsageError
from sap.plan.home import project_home, study_home, study_of_plan
from sap.plan.study import chapters_for, origin, package_files, study_files
from sap.publish import source
from sap.runlog.software import Software, code_files, origins, project_files

HOME = Path(__file__).parents[1]
CHAPTER = HOME / "analysis" / "chapters" / "12-safety.qmd"


@pytest.fixture
def other(tmp_path, monkeypatch) -> Path:
    """Another study in a folder of its own, which is the working directory."""
    (tmp_path / "analysis" / "study").mkdir(parents=True)
    for name in ("plan.yml", "references.yml", "deviations.yml", "dsmb.yml"):
        shutil.copyfile(HOME / "analysis" / name, tmp_path / "analysis" / name)
    shutil.copytree(HOME / "data-contracts", tmp_path / "data-contracts")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_study_is_the_nearest_folder_with_a_plan_else_that_of_the_package(
    other, tmp_path_factory, monkeypatch
):
    assert study_home() == other.resolve()
    below = other / "build" / "quarto"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert study_home() == other.resolve()
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert study_home() == project_home() == HOME
    with study_of_plan(other / "analysis" / "plan.yml") as named:
        assert named == study_home() == other.resolve()
    assert study_home() == HOME


def test_a_plan_outside_of_a_study_leaves_the_study_of_the_working_directory(
    other, tmp_path_factory
):
    alone = tmp_path_factory.mktemp("alone") / "plan.yml"
    alone.write_text("")
    with study_of_plan(alone):
        assert study_home() == other.resolve()


def test_each_file_is_of_the_package_or_of_the_study(other):
    files = project_files()
    assert set(files) == set(package_files()) | set(study_files())
    assert files["analysis/plan.yml"] == other.resolve() / "analysis" / "plan.yml"
    assert files["analysis/displays.yml"] == HOME / "analysis" / "displays.yml"
    # data-contracts and analysis/*.yml, displays apart, are a study's (design: a study is a folder).
    of_study = {one.file for one in origins() if one.of == "study"}
    assert of_study == {
        *(f"analysis/{n}.yml" for n in ("plan", "references", "deviations", "dsmb")),
        *(f"data-contracts/{p.name}" for p in (HOME / "data-contracts").glob("*.yaml")),
    }
    assert {origin(name) for name in package_files()} == {"package"}


@pytest.mark.parametrize(
    "name, words",
    [
        ("analysis/study/12-safty.qmd", "the package has no chapter 12-safty"),
        ("analysis/study/after-12-safty.qmd", "has no chapter 12-safty"),
        ("analysis/study/notes.docx", "has chapters (NAME.qmd, after-NAME.qmd)"),
        ("analysis/study/terms.yml", "Move it elsewhere"),
        ("analysis/displays.yml", "would never be read"),
        ("analysis/chapters/12-safety.qmd", "would never be read"),
    ],
)
def test_a_file_that_would_never_be_read_is_refused(other, name, words):
    (other / name).parent.mkdir(exist_ok=True)
    (other / name).write_text("")
    with pytest.raises(UsageError) as error:
        study_files()
    assert words in str(error.value)


def test_a_chapter_of_the_study_replaces_or_follows_that_of_the_package(other):
    assert chapters_for(CHAPTER) == [CHAPTER]
    own = other.resolve() / "analysis" / "study"
    (own / "after-12-safety.qmd").write_text("## After\n")
    assert chapters_for(CHAPTER) == [CHAPTER, own / "after-12-safety.qmd"]
    (own / "12-safety.qmd").write_text("# Own safety\n")
    assert chapters_for(CHAPTER) == [own / "12-safety.qmd", own / "after-12-safety.qmd"]
    taken = source.read(HOME / "csr.qmd", other, "final")
    names = [chapter.file for chapter in taken.chapters]
    at = names.index("analysis/study/12-safety.qmd")
    assert names[at + 1] == "analysis/study/after-12-safety.qmd"
    assert "analysis/chapters/12-safety.qmd" not in names
    # The engine quarto reads the same.
    _, parts = source.expanded(HOME / "csr.qmd", "final")
    assert [text for name, text in parts if name == "12-safety"] == ["# Own safety"]


NEW = {
    "number": "14.2.9",
    "kind": "table",
    "title": "Response by centre",
    "population": "PRIMARY",
    "section": "SAP 5.1",
    "source": ["ADRS"],
    "audience": "closed",
}


def test_displays_of_the_study_change_or_add_displays(other):
    path = other / "analysis" / "study" / "displays.yml"
    plain = register()
    title = {"tlf-psa-response": {"title": "Response of PSA"}, "tlf-by-centre": NEW}
    path.write_text(yaml.safe_dump(title))
    changed = register()
    assert changed["tlf-psa-response"].title == "Response of PSA"
    assert changed["tlf-psa-response"].number == plain["tlf-psa-response"].number
    assert changed["tlf-by-centre"].label == "Table 14.2.9"
    assert set(changed) - set(plain) == {"tlf-by-centre"}


@pytest.mark.parametrize(
    "content, words",
    [
        ({"tlf-psa-response": {"titel": "x"}}, "titel: is no key of a display"),
        ({"tlf-new": {"title": "Response"}}, "tlf-new.number: is missing"),
        ({"tlf-psa-response": "x"}, "is no mapping"),
        ({"tlf-by-centre": NEW | {"number": "14.2.1.1"}}, "Table 14.2.1.1 is already"),
    ],
)
def test_a_register_of_the_study_with_a_fault_is_refused_by_its_name(other, content, words):
    path = other / "analysis" / "study" / "displays.yml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(PlanError) as error:
        register()
    assert words in str(error.value)
    assert str(path.resolve()) in str(error.value)


def test_terms_are_those_of_the_study(other, tmp_path_factory, monkeypatch):
    (other / "data-contracts" / "terms.yaml").write_text("NY: {Y: [JAWOHL]}\n")
    assert codelist("NY").standard("jawohl") == "Y"
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert codelist("NY").standard("jawohl") is None


def test_the_wheel_of_a_bundle_carries_another_study_next_to_the_package(other):
    (other / "analysis" / "study" / "own.csv").write_text("A\n1\n")
    software = Software(__version__, code_files(), project_files(), {})
    _, content = wheel_of(software)
    with zipfile.ZipFile(io.BytesIO(content)) as wheel:
        held = {name: wheel.read(name) for name in wheel.namelist()}
    assert held["sap/_study/analysis/study/own.csv"] == b"A\n1\n"
    assert "sap/_study/analysis/displays.yml" not in held
    own = (HOME / "analysis" / "plan.yml").read_bytes()
    assert held["sap/_project/analysis/plan.yml"] == own
    assert held["sap/_project/csr.qmd"] == (HOME / "csr.qmd").read_bytes()


def test_a_report_names_the_files_that_changed_since_the_analysis(other, capsys):
    from sap.cli.study import note_changes

    (other / "tables").mkdir()
    record = [one._asdict() for one in origins()]
    (other / "tables" / "files.json").write_text(json.dumps(record))
    note_changes(other)
    assert capsys.readouterr().err == ""
    (other / "data-contracts" / "terms.yaml").write_text("NY: {Y: [JAWOHL]}\n")
    note_changes(other)
    assert (
        "changed since the run was analysed: data-contracts/terms.yaml" in capsys.readouterr().err
    )
