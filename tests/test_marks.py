"""Footnotes of particular cells: where their letters stand, in which order, and what is not printed."""

import json
import re

import pytest

from sap.displays import register
from sap.displays.ard_lookup import Number
from sap.displays.marks import Head, Line, Place, TiedNote, marked
from sap.displays.table import Cell, Column, Row, Table, with_marks
from sap.errors import PlanError
from sap.plan import project_home, read_plan


def number(key: str, text: str = "1") -> Number:
    return Number(text, key)


def line(*keys: str, id: str = "", group: bool = False, indented: bool = False) -> Line:  # noqa: A002
    return Line(id, group, indented, [("", [number(key)]) if key else ("", []) for key in keys])


ANY, RELATED = "ae|SAFETY||TEAE|any||n", "ae|SAFETY||TEAE|related||n"
SECOND = "ae|SAFETY|second_line|TEAE|any||n"
HEADS = [Head("", ""), Head("", "")]


def test_letters_are_in_the_order_of_reading_whatever_the_order_of_the_notes():
    """Heads first, then row by row, the label before its cells: written by hand on a 2 by 2 table."""
    lines = [line(ANY, SECOND), line(RELATED, RELATED)]
    notes = [
        TiedNote("at the second label", rows={"level": ["related"]}),
        TiedNote("at one cell", cells={"group": ["second_line"]}),
        TiedNote("at the second head", columns={"analysis": ["ae"], "level": ["any", "related"]}),
    ]
    found = marked(notes, HEADS, lines)
    assert found.notes == [
        ("a", "at the second head"),
        ("b", "at one cell"),
        ("c", "at the second label"),
    ]
    assert found.places == {
        Place(-1, 0): "a",
        Place(-1, 1): "a",
        Place(0, 1): "b",
        Place(1, -1): "c",
    }


def test_a_note_without_a_cell_is_not_printed_and_takes_no_letter():
    notes = [
        TiedNote("nowhere", rows={"level": ["fatal"]}),
        TiedNote("here", rows={"level": ["rel*"]}),
    ]
    assert marked(notes, HEADS, [line(RELATED, RELATED)]).notes == [("a", "here")]


def test_two_notes_at_one_place_have_two_letters_there():
    notes = [TiedNote("one", rows={"level": ["any"]}), TiedNote("two", rows={"paramcd": ["TEAE"]})]
    assert marked(notes, HEADS, [line(ANY, ANY)]).places == {Place(0, -1): "a,b"}


def test_a_column_is_marked_where_all_of_its_numbers_belong_to_the_note_and_not_where_one_does():
    columns = {"group": ["second_line"]}
    of_second = [line(ANY, SECOND), line(RELATED, SECOND)]
    assert marked([TiedNote("n", columns=columns)], HEADS, of_second).places == {Place(-1, 1): "a"}
    mixed = [line(ANY, SECOND), line(ANY, ANY)]
    assert not marked([TiedNote("n", columns=columns)], HEADS, mixed).places


def test_where_all_columns_below_a_head_are_marked_the_head_is():
    under = [Head("", ""), Head("", "Second line"), Head("", "Second line")]
    lines = [line(ANY, SECOND, SECOND)]
    note = TiedNote("n", columns={"group": ["second_line"]})
    assert marked([note], under, lines).places == {Place(-2, 1): "a"}
    of_one = [line(ANY, SECOND, ANY)]
    assert marked([note], under, of_one).places == {Place(-1, 1): "a"}


def test_the_label_of_a_group_is_marked_by_the_rows_below_it_and_not_by_those_after_them():
    lines = [
        line(group=True),
        line(ANY, ANY, indented=True),
        line(RELATED, RELATED),
        line(group=True),
        line(RELATED, RELATED),
    ]
    note = TiedNote("n", groups={"level": ["any"]})
    assert marked([note], HEADS, lines).places == {Place(0, -1): "a"}
    other = TiedNote("n", groups={"level": ["related"]})
    assert marked([other], HEADS, lines).places == {Place(3, -1): "a"}


def test_rows_columns_and_cells_without_numbers_are_named_by_their_ids():
    lines = [Line("visit", False, False, [("", []), ("bound", [])])]
    notes = [
        TiedNote("row", rows={"id": ["visit"]}),
        TiedNote("cell", cells={"id": ["bound"]}),
        TiedNote("column", columns={"id": ["cause"]}),
    ]
    found = marked(notes, [Head("cause", ""), Head("", "")], lines)
    assert found.places == {Place(-1, 0): "a", Place(0, -1): "b", Place(0, 1): "c"}


def test_letters_go_on_after_z():
    notes = [TiedNote(str(i), rows={"id": [str(i)]}) for i in range(28)]
    lines = [Line(str(i), False, False, []) for i in range(28)]
    letters = [letter for letter, _ in marked(notes, [], lines).notes]
    assert (letters[0], letters[25], letters[26], letters[27]) == ("a", "z", "aa", "ab")


def test_a_mark_stands_outside_of_the_number_and_its_address_and_moves_no_decimal():
    """A reader, and a program, that leaves out superscripts gets the number as it was."""
    cell = Cell(number(ANY, "8"), " (", number(ANY, "32.0"), ")", marks="a,b")
    assert cell.text == "8 (32.0)"
    written = cell.html(2)
    assert written.endswith(')<sup class="mark">a,b</sup>')
    assert all("sup" not in shown for shown in re.findall(r'<span class="ard".*?</span>', written))


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A folder of a run that has the facts and the plan of CARVE."""
    plan = read_plan(project_home() / "analysis" / "plan.yml").plan.model_dump(mode="json")
    (tmp_path / "tables").mkdir()
    for name, content in {"run": {"cut_off": "2018-06-30", "audience": ""}, "plan": plan}.items():
        (tmp_path / "tables" / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    monkeypatch.setenv("SAP_RUN", str(tmp_path))


@pytest.mark.usefixtures("run")
def test_a_table_writes_the_letters_at_its_heads_labels_and_cells():
    table = Table(
        "tlf-ae-overview",
        "Event",
        [Column("Patients", number(ANY, "35"), id="n")],
        [Row("Any", (number(ANY, "30"),)), Row("Unknown", ("NE",))],
        notes=[
            "of the whole table",
            TiedNote("at the label", rows={"level": ["any"]}),
            TiedNote("at the head", columns={"id": ["n"]}),
        ],
    )
    shown, notes = with_marks(table)
    assert notes == ["of the whole table", ("a", "at the head"), ("b", "at the label")]
    text = shown.html()
    assert 'Patients<sup class="mark">a</sup><br>(N=' in text
    assert 'Any<sup class="mark">b</sup></th>' in text
    assert text.count("<sup") == 2


def test_reasons_of_ne_are_at_their_cells_where_there_are_two_and_below_the_table_where_there_is_one():
    def row(label: str, key: str, reason: str) -> Row:
        return Row(label, (Number("NE", f"os|PRIMARY||OS|{key}||n", reason=reason),))

    def notes(*rows: Row) -> list[object]:
        return with_marks(Table("tlf-os-guarantee", "OS", [Column("n")], rows))[1]

    one, other = "no event by this time", "no patient has a value"
    assert notes(row("x", "1", one), row("y", "2", one)) == []
    told = notes(row("x", "1", one), row("y", "2", other), row("z", "3", one))
    assert [letter for letter, _ in told] == ["a", "b"]
    assert all(str(text).startswith("Not estimable: ") for _, text in told)


FOOTNOTE = """
tlf-a:
  number: "14.1"
  kind: {kind}
  title: Some title
  population: PRIMARY
  section: SAP 6.1
  source: [ADRS]
  footnotes:
    - {note}
  audience: open
"""


@pytest.mark.parametrize(
    "kind, note, words",
    [
        ("figure", "{text: A note, rows: {level: [a]}}", "a figure has no cells"),
        ("table", "{text: A note}", "names its cells by rows, groups, columns or cells"),
        ("table", "{text: A note, rows: {colour: [a]}}", "must be one of 'analysis', 'population'"),
        ("table", "{text: A note, lines: {level: [a]}}", "is no key of a display"),
        ("table", "{rows: {level: [a]}}", "text: is missing"),
    ],
)
def test_a_footnote_of_cells_that_names_none_is_refused_with_what_to_do(
    kind, note, words, tmp_path
):
    path = tmp_path / "displays.yml"
    path.write_text(FOOTNOTE.format(kind=kind, note=note), encoding="utf-8")
    with pytest.raises(PlanError) as refused:
        register.read(path)
    assert "tlf-a.footnotes" in str(refused.value)
    assert words in str(refused.value)
