"""What was never collected: its mark, its rows and columns, its displays, and the table that names them."""

import json
import re

import pytest

from sap import ard
from sap.catalogue.reasons import reason_of, reasons, text_of
from sap.displays import availability, inline, plan_tables, register
from sap.displays.ard_lookup import Number, results
from sap.displays.table import Cell, Column, Row, Table, collected
from sap.plan import project_home, read_plan

CARVE, CABA = (
    read_plan(project_home() / "analysis" / name).plan for name in ("plan.yml", "plan-caba-v7.yml")
)
SCANS = ard.NotEstimable(text_of("scans"))
LATE = ard.NotEstimable("the curve ends before this time")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run with a plan, the domains of its cut, and rows of the ARD."""

    def write(plan, domains, *parts):
        tables = tmp_path / "tables"
        tables.mkdir(exist_ok=True)
        made = {
            "plan": plan.model_dump(mode="json"),
            "manifest": {"files": [{"name": f"{domain}.parquet"} for domain in domains]},
            "run": {"kind": "csr", "audience": "closed", "cut_off": "2020-01-01", "cut_off_name": "final"},
            "mapped": [],
        }  # fmt: skip
        for name, content in made.items():
            (tables / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
        (tmp_path / "ard.csv").write_text(ard.to_csv(ard.bind(parts)), encoding="utf-8")
        monkeypatch.setenv("SAP_RUN", str(tmp_path))

    return write


def rate(population, n, analysis="objective_response"):
    stats = {"n": n, "N": 25.0, "estimate": n if isinstance(n, ard.NotEstimable) else n / 25}
    return ard.rows(
        stats, analysis=analysis, section="SAP 5.4", population=population, paramcd="BORC",
        method="Clopper-Pearson",
    )  # fmt: skip


def pfs(analysis, median):
    return ard.rows(
        {"N": 25.0, "median": median}, analysis=analysis, section="SAP 5.5", population="PRIMARY",
        paramcd=analysis.upper(), method="Kaplan-Meier",
    )  # fmt: skip


def test_each_reason_is_found_again_by_its_text_and_keeps_its_mark():
    for name, reason in reasons().items():
        back = reason_of(text_of(name, 7))
        assert (back.mark, back.note) == (reason.mark, reason.note.format(7))


def test_a_reason_of_some_patients_is_not_one_of_all():
    assert reason_of(text_of("infusion_days")).mark == "NC"
    assert reason_of(text_of("infusion_days_of_some", 7)).mark == "NE"


def test_results_write_reasons_of_the_data_by_their_id():
    """A typed text would have no mark: the catalogue finds a reason by the whole text."""
    for path in (project_home() / "src" / "sap" / "results").glob("*.py"):
        strings = re.findall(r'"not in the data: [^"]*"', path.read_text(encoding="utf-8"))
        assert not strings, path.name


def test_three_marks_are_three_things(run):
    """NC where nothing was collected, NE where the data give no number."""
    run(CARVE, ["dm"], rate("PRIMARY", SCANS), pfs("os", LATE))
    assert results("objective_response").count(population="PRIMARY").text == "NC"
    assert results("os").months("median").text == "NE"


def nc(stat, text="NC"):
    return Number(text, f"a|PRIMARY||X|||{stat}", reason=SCANS.reason if text == "NC" else "")


def test_rows_and_columns_that_were_never_collected_are_left_out_and_named():
    """Row 2 has NC and the size of its set only; column C has NC only; row 1 keeps A and B."""
    table = Table(
        "tlf-x", "Rate", [Column("A"), Column("B"), Column("C")],
        [
            Row("First", [nc("n", "3"), nc("N", "25"), nc("estimate")]),
            Row("Second", [nc("n"), nc("N", "25"), Cell("(", nc("conf_low"), ", ", nc("conf_high"), ")")]),
            Row("Below second", [nc("n_missing", "25"), "", ""], "indent1"),
        ],
    )  # fmt: skip
    shown = collected(table)
    assert [row.label for row in shown.rows] == ["First"]
    assert [column.header for column in shown.columns] == ["A", "B"]
    assert list(shown.notes) == [
        "Not collected, and not shown: Second, C (dated tumour assessments)."
    ]


def test_a_group_of_nothing_but_sizes_and_zeros_is_left_out():
    rows = [
        Row("Dose", kind="group"),
        Row("n", [nc("n", "0")], "indent1"),
        Row("Median", [nc("median")], "indent1"),
        Row("Cycles", kind="group"),
        Row("n", [nc("n", "25")], "indent1"),
        Row("Median", [nc("median", "6.0")], "indent1"),
    ]
    shown = collected(Table("tlf-x", "", [Column("All")], rows))
    assert [row.label for row in shown.rows] == ["Cycles", "n", "Median"]


def test_a_table_with_every_number_keeps_its_rows():
    table = Table("tlf-x", "", [Column("A")], [Row("First", [nc("n", "3")]), Row("Second", [""])])
    assert collected(table) is table


def test_nothing_is_left_of_a_table_of_nothing():
    shown = collected(Table("tlf-x", "", [Column("A")], [Row("First", [nc("n")])]))
    assert not shown.rows
    assert shown.absent == "Not collected, and not shown: First (dated tumour assessments)."


def test_what_the_plan_does_not_have_is_no_gap_of_the_data(run):
    run(CABA, ["dm", "dv", "ie", "pc", "be"])
    assert register.unavailable("tlf-two-stage") == availability.Gap()
    assert register.unavailable("tlf-rescreening") == availability.Gap()
    assert not list(availability.missing())
    assert not register.printed("tlf-data-gaps")


def test_what_the_data_lack_is_named_in_one_table_and_nowhere_else(run):
    """No protocol deviations: two displays and the set defined by them. No scans: their displays."""
    sets = ard.rows({"n": 25.0}, analysis="analysis_sets", section="SAP 4.2", population="PRIMARY", method="x")  # fmt: skip
    investigator = ard.rows({"n": ard.NotEstimable(text_of("investigator"))}, analysis="tumour_response", section="SAP 5.4", population="PRIMARY", paramcd="BORINV", method="x")  # fmt: skip
    run(
        CARVE,
        ["dm", "pc", "be"],
        rate("PRIMARY", SCANS),
        rate("MEASURABLE", SCANS),
        sets,
        investigator,
    )
    lines = {one.analysis: one.reason for one in availability.missing()}
    assert lines["Protocol deviations"] == "protocol deviations"
    assert lines["Per protocol set"] == "protocol deviations"
    assert lines["Best overall tumour response"] == "dated tumour assessments"
    assert not register.printed("tlf-bor")
    assert register.printed("tlf-pk")
    assert len(plan_tables.data_gaps().rows) == len(list(availability.missing()))
    assert Table("tlf-bor", "", [Column("A")], [Row("x", ["1"])])._repr_markdown_() == ""


def test_one_parameter_that_was_never_collected_is_named_with_its_display(run):
    run(CARVE, ["dm", "dv", "ie", "be", "pc"], pfs("rpfs", SCANS), pfs("ttpp", 7.5))
    (line,) = availability.missing()
    assert line.analysis == "Times to progression: Radiographic PFS"
    assert (line.section, line.reason) == ("SAP 5.5", "dated tumour assessments")


def test_a_test_without_grades_is_named_once_and_not_by_grade_and_line(run):
    """Patients without a grade are counted; that is no grade of the test."""
    why = dict.fromkeys(("n", "estimate"), ard.NotEstimable(text_of("limits_of_normal", "ALP")))
    same = {"analysis": "lab_grade", "section": "SAP 5.7", "population": "SAFETY", "paramcd": "ALP", "method": "x"}  # fmt: skip
    graded = [
        ard.rows({"N": 25.0, **why}, group=group, level=level, **same)
        for group in ("", "second_line")
        for level in ("0", "1", "severe_grade")
    ]
    ungraded = ard.rows({"n": 25.0, "N": 25.0, "estimate": 1.0}, level="not_graded", **same)
    run(CARVE, ["dm", "dv", "ie", "be", "pc"], *graded, ungraded)
    names = [one.analysis for one in availability.missing() if "aborator" in one.analysis]
    assert "Laboratory values by worst grade on treatment: Alkaline phosphatase, high" in names


def test_no_text_leads_to_a_display_that_is_not_there(run):
    run(CARVE, ["dm", "be", "dv"])
    assert inline.if_shown("See {tlf-pk}.")._repr_markdown_() == "[]{}"
    assert "#tlf-os)" in inline.if_shown("See {tlf-os}.")._repr_markdown_()
    assert str(inline.ref("tlf-pk")).endswith("(#tlf-data-gaps)")


def test_text_about_a_display_that_a_report_may_lack_is_conditional():
    """`if_shown` and `listed` print nothing of a display that is not there; `ref` would print its number."""
    needing = {name for name, entry in register.register().items() if entry.needs}
    assert {"tlf-pk", "tlf-two-stage", "tlf-deviations"} <= needing
    for chapter in sorted((project_home() / "analysis" / "chapters").glob("*.qmd")):
        cited = set(re.findall(r'ref\("(tlf-[a-z0-9-]+)"\)', chapter.read_text(encoding="utf-8")))
        assert not cited & needing, (chapter.name, cited & needing)
