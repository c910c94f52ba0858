"""The DSMB reports: nothing closed in the open report, the same numbers in both."""

import csv
import html
import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pypdf
import pytest

from sap import ard
from sap.displays.register import register
from sap.errors import PlanError, RenderError, UsageError
from sap.pipeline import dsmb
from sap.plan import project_home, read_plan
from sap.plan.dsmb import read_dsmb
from sap.results.dsmb import open_analyses, open_rows

HOME = Path(__file__).parents[1]
PLAN = HOME / "analysis" / "plan.yml"
TAG = re.compile(r"<[^>]*>")


# ---- what may go into the open report ----------------------------------------------------------


def test_every_display_of_the_open_report_shows_an_open_analysis():
    """A display may show a closed analysis besides (disease progression as an event): it is left out."""
    for name in dsmb.displays_of("open"):
        entry = register()[name]
        assert not entry.analysis or set(entry.analysis) & open_analyses(), name


def test_each_report_has_its_displays_and_the_closed_one_those_of_the_open_one():
    open_ones, closed_ones = dsmb.displays_of("open"), dsmb.displays_of("closed")
    assert set(open_ones) < set(closed_ones)
    assert {"tlf-dsmb-stages", "tlf-dsmb-baseline", "tlf-ae-kinds"} <= set(open_ones)
    only = set(closed_ones) - set(open_ones)
    assert {
        "tlf-dsmb-rule",
        "tlf-dsmb-l-severe",
        "tlf-dsmb-l-labs",
        "tlf-exposure",
        "tlf-findings",
    } <= only
    assert "tlf-sets" not in closed_ones


CARVE = read_plan(project_home() / "analysis" / "plan.yml").plan


def made_run(folder: Path) -> Path:
    """The smallest run folder that the package can be made of."""
    run = folder / "run"
    (run / "tables").mkdir(parents=True)
    (run / "adam").mkdir()
    given = {"section": "SAP 1", "population": "SAFETY", "method": "m"}
    rows = ard.bind(
        [
            ard.rows({"n": 3, "N": 9}, analysis="ae_overview", level="serious", **given),
            ard.rows({"n": 2, "N": 9}, analysis="psa_response", **given),
            ard.rows({"n": 7}, analysis="os", **given),
        ]
    )
    (run / "ard.csv").write_text(ard.to_csv(rows), encoding="utf-8")
    facts = {
        "study": "CARVE",
        "cut_off": "2017-06-30",
        "cut_off_name": "interim",
        "cut_id": "x",
        "profile": "interim",
    }
    tables = {
        "run": facts,
        "plan": {"safety": {"severe_grade": 3}},
        "manifest": {"files": []},
        "findings": [{"rule": "r", "row": 12, "usubjid": "CARVE-009", "severity": "warning"}],
        "deviations": ["CARVE-009 was late"],
    }
    for name, content in tables.items():
        (run / "tables" / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    adsl = pd.DataFrame({"USUBJID": ["CARVE-009"]})
    adsl.to_parquet(run / "adam" / "adsl.parquet")
    return run


def everything_in(folder: Path) -> str:
    return "\n".join(
        path.read_text(encoding="utf-8", errors="replace")
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    )


def test_the_open_report_is_made_from_a_folder_without_patients_or_closed_rows(tmp_path):
    run, view = made_run(tmp_path), tmp_path / "view"
    rows, facts, _ = dsmb._view(run, "open", view)
    assert facts["audience"] == "open"
    assert set(rows["analysis"]) == {"ae_overview"}
    inside = everything_in(view)
    assert "CARVE-009" not in inside
    assert "psa_response" not in inside
    assert not (view / "adam").exists()
    open_rows = ard.from_csv(view / "ard.csv")
    assert open_rows.set_index("stat_name")["stat"].to_dict() == {"n": 3, "N": 9}
    assert set(open_rows["stat_text"]) == {""}


def test_the_closed_report_is_made_from_everything(tmp_path):
    run, view = made_run(tmp_path), tmp_path / "view"
    dsmb._view(run, "closed", view)
    assert (view / "ard.csv").read_bytes() == (run / "ard.csv").read_bytes()
    assert (view / "adam" / "adsl.parquet").is_file()
    assert json.loads((view / "tables" / "findings.json").read_text())[0]["row"] == 12


def test_changes_of_closed_numbers_are_closed_too(tmp_path):
    run = made_run(tmp_path / "now")
    before = made_run(tmp_path / "before")
    text = (before / "ard.csv").read_text().replace(",n,2.0,", ",n,1.0,")
    (before / "ard.csv").write_text(text)
    (run / "tables" / "plan.json").write_text(CARVE.model_dump_json())
    dsmb.remember(run, before)
    dsmb._view(run, "open", tmp_path / "open")
    dsmb._view(run, "closed", tmp_path / "closed")
    rows = [path.read_text("utf-8") for path in (tmp_path / "open").glob("*.csv")]
    assert "ae_overview" in "".join(rows)
    assert "psa_response" not in "".join(rows)
    changes = pd.read_csv(tmp_path / "closed" / "changes.csv", dtype="str")
    moved = changes[changes["change"] == "moved"]
    assert moved[["analysis", "before", "now"]].to_numpy().tolist() == [
        ["psa_response", "1.0", "2.0"]
    ]
    dsmb.remember(run, None)
    dsmb._view(run, "closed", tmp_path / "first")
    assert not (tmp_path / "first" / "changes.csv").exists()


@pytest.mark.parametrize(
    "treated, pending, is_known", [(14, 0, False), (15, 1, False), (15, 0, True), (20, 0, True)]
)
def test_a_test_is_in_the_closed_file_once_every_planned_response_is_known(
    treated, pending, is_known
):
    """15 patients are planned in stage 1. An analysis that the closed report never shows is not in it."""
    given = {"section": "SAP 1", "population": "PRIMARY", "method": "m"}
    counts = {"N": treated, "n_planned": 15, "n_missing": pending}
    rows = ard.bind(
        [
            ard.rows(counts, analysis="interim", paramcd="PSARESP", level="stage_1", **given),
            ard.rows({"n": 2, "p_value": 0.2, "decision": "x"}, analysis="psa_response", **given),
            ard.rows({"n": 2}, analysis="comparison_marker", **given),
            ard.rows({"n": 2}, analysis="os_marker", **given),
        ]
    )
    kept = dsmb._displayed("closed", rows, rows)
    tested = kept[kept["analysis"] == "psa_response"]["stat_name"]
    assert set(tested) == {"n", *(("p_value", "decision") if is_known else ())}
    assert ("comparison_marker" in set(kept["analysis"])) == is_known
    assert "os_marker" not in set(kept["analysis"])


def test_an_earlier_report_that_is_none_is_refused(tmp_path):
    run = made_run(tmp_path)
    with pytest.raises(UsageError, match="holds no run"):
        dsmb.remember(run, tmp_path)


def test_a_page_that_names_a_patient_or_a_closed_number_is_not_published(tmp_path):
    run, page = made_run(tmp_path), tmp_path / "report.html"
    for text, message in (
        ("<p>CARVE-009</p>", "identifier of a patient"),
        ('<span data-ard="psa_response|SAFETY|||||n">2</span>', "psa_response"),
        ('{"psa_response|SAFETY|||||n":{}}', "psa_response"),
        ('{"changes|before|psa_response|SAFETY|||||n":{}}', "psa_response"),
    ):
        page.write_text(text, encoding="utf-8")
        with pytest.raises(RenderError, match=message):
            dsmb._refuse_leak(run, page, ["psa_response|SAFETY|||||n"])
    page.write_text('<a href="#psa_response">plan|psa_response.decline_pct</a>', encoding="utf-8")
    dsmb._refuse_leak(run, page, ["psa_response|SAFETY|||||n"])


BOARD = """
T-1:
  reports:
    interim: {meeting: Second meeting, date: 2017-07-20, prepared_by: A statistician, version: "2",
              distribution: {open: [DSMB, sponsor], closed: [DSMB]}}
  amendments: [{number: "1", date: 2016-05-01, summary: Fewer visits}]
  meetings:
    - {date: 2017-01-10, meeting: First meeting, action: Counts by week, resolution: Done, audience: open}
    - {date: 2017-01-10, meeting: First meeting, action: Look at deaths, resolution: Done}
"""


def test_cover_amendments_and_meetings_come_from_a_strict_file(tmp_path, monkeypatch, capsys):
    (tmp_path / "analysis").mkdir()
    path = tmp_path / "analysis" / "dsmb.yml"
    path.write_text(BOARD)
    monkeypatch.setattr(dsmb, "study_home", lambda: tmp_path)
    facts = {"study": "T-1", "cut_off_name": "interim", "cut_off": "2017-06-30"}
    open_, closed = (dsmb._monitoring(facts, audience) for audience in ("open", "closed"))
    assert dict(open_["cover"]) == {
        "Meeting": "Second meeting, 2017-07-20", "Prepared by": "A statistician", "Version": "2",
        "Distribution": "DSMB, sponsor",
    }  # fmt: skip
    assert dict(closed["cover"])["Distribution"] == "DSMB"
    assert [one["action"] for one in open_["meetings"]] == ["Counts by week"]
    assert [one["action"] for one in closed["meetings"]] == ["Counts by week", "Look at deaths"]
    assert open_["amendments"] == [{"number": "1", "date": "2016-05-01", "summary": "Fewer visits"}]
    before = {"cut_off": "2016-12-31", "cut_off_name": "2016-12-31"}
    assert dict(dsmb._monitoring(facts, "open", before)["cover"])["Previous report"] == (
        "data cut-off 2016-12-31; its meeting is not recorded in analysis/dsmb.yml"
    )
    assert "no entry `2016-12-31` under `reports`" in capsys.readouterr().err
    itself = dsmb._monitoring(facts, "open", {"cut_off": "2017-06-30", "cut_off_name": "interim"})
    assert dict(itself["cover"])["Previous report"] == (
        "Second meeting, 2017-07-20 (data cut-off 2017-06-30)"
    )
    other = dsmb._monitoring(facts | {"study": "T-2"}, "open")
    assert set(dict(other["cover"]).values()) == {"not recorded"}
    assert (other["amendments"], other["meetings"]) == (None, [])
    for old, new, message in (
        ("version", "versoin", "versoin"),
        ("prepared_by: A statistician, ", "", "prepared_by"),
        ("date: 2017-07-20", "date: soon", "date"),
        ("audience: open", "audience: everyone", "audience"),
    ):
        path.write_text(BOARD.replace(old, new, 1))
        with pytest.raises(PlanError, match=message):
            read_dsmb(path, "T-1")


def test_the_file_of_the_project_is_valid():
    read_dsmb(HOME / "analysis" / "dsmb.yml", "CARVE")


# ---- the rendered package ----------------------------------------------------------------------


class Package:
    """Both reports as text, and the run they were made from."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self.rows = ard.from_csv(run / "ard.csv")
        self.subjects = pd.read_parquet(run / "adam" / "adsl.parquet")["USUBJID"].tolist()
        self.html, self.pages, self.inside, self.ard = {}, {}, {}, {}
        for audience in dsmb.AUDIENCES:
            folder = run / f"dsmb-{audience}"
            self.html[audience] = (folder / "report.html").read_text(encoding="utf-8")
            reader = pypdf.PdfReader(folder / "report.pdf")
            self.pages[audience] = [page.extract_text() for page in reader.pages]
            self.inside[audience] = objects_of(reader)
            self.ard[audience] = ard.from_csv(folder / "ard.csv")

    def words(self, audience: str) -> str:
        """HTML and PDF as a reader sees them, one space between words."""
        seen = html.unescape(TAG.sub("", self.html[audience])) + " ".join(self.pages[audience])
        return re.sub(r"\s+", " ", seen)


def objects_of(reader: pypdf.PdfReader) -> str:
    """Every object of a PDF as text: outlines, alternative texts, metadata, and the rest."""
    objects = [str(reader.metadata)]
    for number in range(1, int(reader.trailer["/Size"])):
        one = reader.get_object(pypdf.generic.IndirectObject(number, 0, reader))
        objects.append(str(one))
        if isinstance(one, pypdf.generic.StreamObject) and one.get("/Type") == "/Metadata":
            objects.append(one.get_data().decode("utf-8", "replace"))
    return "\n".join(objects)


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Package:
    from sap.pipeline import commands

    folder = tmp_path_factory.mktemp("dsmb")
    commands.simulate(folder / "extract", PLAN, 128, {})
    runs = {}
    for name in ("2017-03-31", "interim"):
        cut = commands.freeze(folder / "extract", PLAN, name, folder / "frozen")
        runs[name] = commands.analyse(cut, PLAN, folder / name)
    dsmb.remember(runs["interim"], runs["2017-03-31"])
    commands.report(runs["interim"], "dsmb", "builtin", ("html", "pdf"))
    return Package(runs["interim"])


@pytest.mark.slow
def test_each_folder_holds_the_report_its_rows_and_the_changes(package):
    for audience in dsmb.AUDIENCES:
        names = sorted(p.name for p in (package.run / f"dsmb-{audience}").iterdir())
        assert names == ["ard.csv", "changes.csv", "report.html", "report.pdf"]


@pytest.mark.slow
@pytest.mark.parametrize("audience", ["open", "closed"])
def test_two_outside_programs_find_no_error_in_the_pdf(package, audience, pdf_problems):
    assert pdf_problems(package.run / f"dsmb-{audience}" / "report.pdf") == []


@pytest.mark.slow
def test_no_patient_is_named_in_the_open_report(package):
    """Text, attributes, alternative texts, outlines and metadata; the closed one names some."""
    everything = package.html["open"] + "".join(package.pages["open"]) + package.inside["open"]
    everything += (package.run / "dsmb-open" / "changes.csv").read_text()
    everything += (package.run / "dsmb-open" / "ard.csv").read_text()
    assert len(package.subjects) > 40
    assert [one for one in package.subjects if one in everything] == []
    assert any(one in package.html["closed"] for one in package.subjects)


@pytest.mark.slow
def test_no_address_of_a_closed_row_is_in_the_open_report(package):
    page = html.unescape(package.html["open"])
    kept = {ard.key(row) for row in open_rows(package.rows).to_dict("records")}
    everything = {ard.key(row) for row in package.rows.to_dict("records")}
    closed = package.rows[~package.rows["analysis"].isin(open_analyses())]
    keys = everything - kept
    assert keys > {ard.key(row) for row in closed.to_dict("records")}
    assert len(keys) > 1000
    assert [key for key in keys if f'"{key}"' in page] == []
    for name in sorted(set(closed["analysis"])):
        assert f'data-ard="{name}|' not in page
        assert not re.search(rf"ARD [\w, ]*\b{name}\b", package.words("open")), name
    assert any(f'"{key}"' in html.unescape(package.html["closed"]) for key in keys)


@pytest.mark.slow
def test_no_closed_display_is_in_the_open_report_and_all_of_the_closed_chapters_in_the_other(
    package,
):
    words, inside = package.words("open"), re.sub(r"\s+", " ", package.inside["open"])
    for name, entry in register().items():
        if entry.audience == "closed":
            assert f'id="{name}"' not in package.html["open"], name
            assert f"{entry.label} {entry.title}" not in words, name
            assert f"{entry.label} {entry.title}" not in inside, name
    for name in ("tlf-dsmb-rule", "tlf-dsmb-outlook", "tlf-psa-response", "tlf-l-sae"):
        assert f'id="{name}"' in package.html["closed"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", ["Predictive probability", "Conditional power", "Confirmed responders", "Boundary passed", "Boundary crossed"]
)  # fmt: skip
def test_the_words_of_the_futility_state_are_in_the_closed_report_alone(package, words):
    text = package.words("open") + package.inside["open"]
    assert words.lower() not in text.lower()
    if not words.startswith("Boundary"):
        assert words in package.words("closed")


@pytest.mark.slow
def test_the_open_ard_holds_exact_counts_of_listed_analyses_and_no_closed_row(package):
    columns = list(ard.KEY)
    both = package.ard["open"].merge(package.rows, on=columns, suffixes=("", "_run"))
    assert len(both) == len(package.ard["open"]) > 500
    # Dose intensity alone is limited, to whole percent; every other number is that of the run.
    limited = (both["analysis"] == "exposure") & both["paramcd"].isin(["RDI", "RDISTRT"])
    limited &= ~both["stat_name"].isin(["n", "N", "n_missing"])
    assert limited.any()
    assert (both.loc[limited, "stat"] == both.loc[limited, "stat"].round()).all()
    assert (both.loc[limited, "stat"] - both.loc[limited, "stat_run"]).abs().max() <= 0.5
    for name in ("stat", "stat_text"):
        exact = both[~limited]
        pd.testing.assert_series_equal(exact[name], exact[f"{name}_run"], check_names=False)
    assert not both["stat_text"].str.contains(r"<\d", regex=True).any()
    assert both.loc[both["stat_name"] == "n", "stat"].between(1, 4).sum() > 50
    assert set(both["analysis"]) <= open_analyses()
    assert len(open_rows(both[list(package.rows.columns)])) == len(both)
    by_patient = (both["analysis"] == "toxicity_monitoring") & (both["level"] != "")
    assert not (by_patient & (both["stat_name"] == "n")).any()
    # The closed file has no row of what the page withholds, and no other number than the run.
    closed = package.ard["closed"].merge(package.rows, on=columns, suffixes=("", "_run"))
    assert len(closed) == len(package.ard["closed"]) > len(both)
    pd.testing.assert_series_equal(closed["stat"], closed["stat_run"], check_names=False)


@pytest.mark.slow
def test_the_closed_files_hold_no_comparison_and_no_test_that_the_page_withholds(package):
    """At this look 10 of the 15 patients of stage 1 are treated."""
    assert "Not shown before the response of every planned patient" in package.words("closed")
    changes = pd.read_csv(package.run / "dsmb-closed" / "changes.csv", dtype=str)
    of_run = set(package.rows["analysis"])
    assert {"comparison_marker", "comparison_published", "os_marker"} <= of_run
    for rows in (package.ard["closed"], changes):
        assert not set(rows["analysis"]) & {
            "comparison_marker",
            "comparison_published",
            "os_marker",
        }
        response = rows[rows["analysis"] == "psa_response"]
        assert "estimate" in set(response["stat_name"])
        assert not set(response["stat_name"]) & {"p_value", "decision"}
    run_tests = package.rows[package.rows["analysis"] == "psa_response"]["stat_name"]
    assert {"p_value", "decision"} <= set(run_tests)


@pytest.mark.slow
@pytest.mark.parametrize("audience", ["open", "closed"])
def test_no_report_prints_a_bound_in_place_of_a_count(package, audience):
    texts = {text for texts in numbers_of(package.html[audience]).values() for text in texts}
    assert len(texts) > 100
    assert not {text for text in texts if re.match(r"<\d+$", text)}
    assert not re.search(r"\bsmall counts?\b|\bprotected\b", package.words(audience))


def numbers_of(page: str) -> dict[str, set[str]]:
    """The printed texts of every address of a page, without the spaces that align them."""
    texts: dict[str, set[str]] = {}
    for key, text in re.findall(r'data-ard="([^"]*)"[^>]*>(.*?)</span>', page, re.DOTALL):
        clean = re.sub(r"[\s\u2007\u200b]+", " ", html.unescape(TAG.sub("", text))).strip()
        texts.setdefault(html.unescape(key), set()).add(clean)
    return texts


@pytest.mark.slow
def test_the_open_ard_holds_the_rows_that_the_report_prints_and_no_other(package):
    page = package.html["open"]
    shown = {html.unescape(key) for key in re.findall(r'data-ard="([^"]*)"', page)}
    keys = {ard.key(row) for row in package.ard["open"].to_dict("records")}
    # Drawn by month, and the rate and state that the printed dates and words come from.
    drawn = {key for key in keys if key.startswith("accrual|")}
    drawn |= {
        key
        for key in keys
        if re.match(
            r"dsmb_accrual\|PRIMARY\|\|TREATED\|(\d{4}-\d{2}\|\||.*\|(patients_per_month|status)$)",
            key,
        )
    }
    assert keys - drawn <= shown
    assert len(keys - drawn) > 300
    changes = pd.read_csv(
        package.run / "dsmb-open" / "changes.csv", dtype=str, keep_default_na=False
    )
    still = changes[changes["change"] != "gone"]
    assert len(still) > 50
    assert {ard.key(row) for row in still.to_dict("records")} <= keys


@pytest.mark.slow
def test_a_number_printed_in_both_reports_is_the_same(package):
    open_, closed = (numbers_of(package.html[audience]) for audience in dsmb.AUDIENCES)
    assert len(open_) > 200
    assert set(open_) <= set(closed)
    # The closed report has a second table of dose intensity, with a decimal.
    assert {key for key, texts in open_.items() if not texts <= closed[key]} == set()
    more = {key for key, texts in open_.items() if texts != closed[key]}
    assert all(key.startswith("exposure|SAFETY||RDI|") for key in more)


@pytest.mark.slow
def test_the_closed_report_prints_what_the_study_report_prints(package, tmp_path):
    """Shared tables: every address that both show has the same text in both."""
    from sap.pipeline import commands

    (study_page,) = commands.report(package.run, "csr", "builtin", ("html",))
    mine = numbers_of(package.html["closed"])
    theirs = numbers_of(study_page.read_text(encoding="utf-8"))
    both = set(mine) & set(theirs)
    assert len(both) > 200
    for key in both:
        assert mine[key] & theirs[key], key


@pytest.mark.slow
@pytest.mark.parametrize("audience", ["open", "closed"])
def test_every_page_says_study_audience_status_cut_off_and_synthetic(package, audience):
    label = {"open": "Open report", "closed": "Closed report (DSMB members only)"}[audience]
    for number, page in enumerate(package.pages[audience], start=1):
        text = re.sub(r"\s+", " ", page)
        for words in ("CARVE", label, "INTERIM", "2017-06-30", "ynthetic data"):
            assert words.lower() in text.lower(), f"page {number} does not say {words}"
    for words in ("CARVE", label, "INTERIM", "2017-06-30", "Synthetic data"):
        assert words in package.html[audience]


@pytest.mark.slow
@pytest.mark.parametrize("audience", ["open", "closed"])
def test_page_1_says_which_look_what_is_due_and_what_is_requested_and_has_the_form(
    package, audience
):
    """By hand: 10 of the 15 patients of stage 1; a response takes 84 + 28 days. The cover has no number."""
    cover, first = (re.sub(r"\s+", " ", page) for page in package.pages[audience][:2])
    for words in ("Meeting", "First meeting, 2017-07-20", "Prepared by", "Version", "Distribution"):
        assert words in cover
    assert "Page " not in cover
    assert "Page 1 of" in first
    for words in (
        "This is interim look 1 of 1 (interim). The SAP attaches no decision to its data cut-off.",
        "Next look: final, 2019-06-30",
        "Treated of the 15 patients of stage 1: 10",
        "The analysis of futility is due 112 days after the first dose of patient 15: expected 2018-05-31",
        "No data cut-off is planned at this date (the next one is final, 2019-06-30)",
        "does accrual continue after the last patient of stage 1 until the decision on futility, or pause",
        "which data cut-off does the DSMB advise for the analysis of futility and the final analysis (the sponsor sets it)",
        "Accrual: continue or pause?", "Data cut-off advised",
        # 15 of 25 patients in 914 days from 2016-03-01: 548.4 days, the next whole day is 549.
        "2017-09-01", "Delay (days)",
        "No decision on efficacy or futility is due at this meeting",
        "is it safe to continue", "is the conduct of the trial adequate",
        "Recommendation of the DSMB", "Continue unchanged", "Stop the trial", "Members present",
        "Name of the chair", "Signature, date",
    ):  # fmt: skip
        assert words in first, words
    needed = (
        "1 confirmed responder among the 10 treated of 15; 2 are needed to open stage 2: 1 more, possible from "
        "2 of the 10 treated and 5 to come"
    )
    assert (needed in first) == (audience == "closed")
    assert ("Is a stopping boundary crossed?" in first) == (audience == "closed")


@pytest.mark.slow
@pytest.mark.parametrize("audience", ["open", "closed"])
def test_page_2_holds_safety_with_finished_cycles_the_boundary_list_accrual_and_changes(
    package, audience
):
    """Boundary, by hand from the package's own table: 3 of 3 is the first line. The figure may follow."""
    second, third = (re.sub(r"\s+", " ", page) for page in package.pages[audience][2:4])
    assert "Page 2 of" in second
    for words in (
        "13 finished the first cycle", "against 13.3 planned by the cut-off", "n = 3: 3 or more; n = 4 to 5: 4 or more",
        "1 patient with the toxicity among 14 treated; stop at 7 or more, that is 6 more", "Figure 2-1", "Table 2-2",
        "Previous", "New preferred terms",
    ):  # fmt: skip
        assert words in second, words
    # Where the figure is on the next page, the contents are below it.
    assert "Contents" in third


@pytest.mark.slow
def test_the_open_report_says_nothing_of_what_it_must_not(package):
    """No other reason of stopping, no total off treatment, no follow-up, no progression, no later death."""
    text = package.words("open")
    for words in (
        "Progressive disease", "Ongoing at data cut-off", "In follow-up", "Lost to follow-up", "Physician decision",
        "Second line", "Third line", "needed to open stage 2", "possible from",
        "Treatment completed", "at any time until the cut-off",
        "Duration (weeks)", "Patients by number of cycles", "boundary crossed", "not crossed: the trial",
    ):  # fmt: skip
        assert words.lower() not in text.lower(), words
        assert words in package.words("closed") or words.startswith(("boundary", "not crossed")), (
            words
        )
    for words in ("Treatment stopped for an adverse event", "Site"):
        assert words in text


@pytest.mark.slow
@pytest.mark.parametrize("audience", ["open", "closed"])
def test_every_number_of_what_changed_leads_to_both_reports(package, audience):
    """Then and now from the two ARDs themselves."""
    page = package.html[audience]
    addresses = [key for key in numbers_of(page) if key.startswith("changes|")]
    known = html.unescape(page)
    assert [key for key in addresses if f'"{key}":' not in known] == []
    before = {
        ard.key({str(k): v for k, v in row.items()}): row
        for row in ard.from_csv(package.run / "tables" / "previous-ard.csv").to_dict("records")
    }
    then = [key.removeprefix("changes|before|") for key in addresses if "|before|" in key]
    assert len(then) >= 5
    for key in then:
        (text,) = numbers_of(page)[f"changes|before|{key}"]
        row = before.get(key)
        expected = "-" if row is None else f"{row['stat']:.0f}"
        assert text == expected, key
    new = "Deaths, serious and high-grade events and important deviations since the previous report"
    assert (new in package.words(audience)) == (audience == "closed")


@pytest.mark.slow
def test_what_changed_names_open_numbers_in_the_open_report(package):
    with (package.run / "dsmb-open" / "changes.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["analysis"] for row in rows} <= open_analyses()
    assert {row["change"] for row in rows} <= {"moved", "new", "gone"}
    serious = next(
        row for row in rows if row["analysis"] == "ae_overview" and row["level"] == "serious"
    )
    assert "Table 2-1" in serious["display"].split("; ")
    assert "Serious" in serious["label"]
    assert "2017-03-31" in package.words("open")


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1400])
@pytest.mark.parametrize("audience", ["open", "closed"])
def test_axe_finds_no_violation(audience, width, axe, package):
    assert axe(package.run / f"dsmb-{audience}" / "report.html", width) == {}


@pytest.mark.slow
def test_both_reports_are_ones_that_quarto_can_render(package, quarto):
    """Quarto executes all cells, so those for the board alone must not be in the open document."""
    kept = {name: (package.run / name).stat().st_mtime_ns for name in ("dsmb-open", "dsmb-closed")}
    copied = quarto.parent / "run"
    shutil.copytree(package.run, copied, ignore=shutil.ignore_patterns("dsmb-*", "figures"))
    dsmb.reports(copied, "quarto", ("html",), cached=False)
    for audience in ("open", "closed"):
        text = (copied / f"dsmb-{audience}" / "report.html").read_text(encoding="utf-8")
        by_us = (package.run / f"dsmb-{audience}" / "report.html").read_text(encoding="utf-8")
        ids = re.compile(r'id="(tlf-[a-z0-9-]+)"')
        assert set(ids.findall(text)) == set(ids.findall(by_us))
        assert "Synthetic data." in text
    assert kept == {name: (package.run / name).stat().st_mtime_ns for name in kept}
