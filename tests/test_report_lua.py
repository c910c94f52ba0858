"""The filter of both engines: how the rows of a table lead one another over the pages of the PDF."""

import html
import re
from pathlib import Path

import pytest
from matplotlib.ft2font import FT2Font, LoadFlags

from sap.displays import escape
from sap.publish import pandoc, report

CAPTION = """::: {.tlf-caption}
[Table 1]{.tlf-number} [Grades]{.tlf-title} [Population: all]{.tlf-population}
:::"""


def _typst(table: str, folder: Path) -> str:
    text = f"::: {{#tlf-a .tlf .tlf-table}}\n{CAPTION}\n\n```{{=html}}\n{table}\n```\n:::\n"
    arguments = ["--from=markdown", "--to=typst", f"--lua-filter={report.FILTER}"]
    return pandoc.run(arguments, data=text.encode(), folder=folder, what="test")[0].decode()


def _row(label: str, kind: str = "", cells: str = "<td>1</td>") -> str:
    return f'<tr class="{kind}"><th scope="row">{label}</th>{cells}</tr>'


def _body(*rows: str) -> str:
    head = '<thead><tr><th scope="col">Test</th><th scope="col">Patients</th></tr></thead>'
    return f"<table>{head}<tbody>{''.join(rows)}</tbody></table>"


GROUP = '<tr class="group"><td colspan="2">ALT, high</td></tr>'


@pytest.mark.parametrize(
    "rows, leads",
    [
        # The label of a group is said again where its lines go over to the next page.
        ([GROUP, _row("Baseline", "indent1")], "true"),
        # A class of terms has numbers of its own: said twice, they would be counted twice.
        ([_row("Any"), _row("ALT, high", "total"), _row("Baseline", "indent1")], "false"),
        # Directly below the heads of the columns its cells would be heads too; the heads keep it there.
        ([_row("ALT, high", "total"), _row("Baseline", "indent1")], None),
        # Lines that stand out of the group would be led by a label that is not theirs.
        ([GROUP, _row("Baseline", "indent1"), _row("All")], "false"),
        ([GROUP, _row("Baseline")], None),
        ([_row("ALT, high", "total")], None),
    ],
)
def test_a_row_that_leads_others_is_not_left_alone_at_the_foot_of_a_page(rows, leads, tmp_path):
    written = next(line for line in _typst(_body(*rows), tmp_path).splitlines() if "ALT" in line)
    begun = f"table.header(level: 2, repeat: {leads}, "
    assert (begun in written) if leads else ("table.header" not in written)


def test_only_heads_with_words_have_a_rule(tmp_path):
    over = '<th scope="colgroup" colspan="2">{}</th>'
    heads = "".join(f'<th scope="col">{name}</th>' for name in "abcde")
    table = (
        f'<table><thead><tr><th scope="col"></th>{over.format("")}{over.format("Before")}</tr>'
        f"<tr>{heads}</tr></thead><tbody>{_row('x', cells='<td>1</td>' * 4)}</tbody></table>"
    )
    ruled = [c for c in _typst(table, tmp_path).split("table.cell(") if "stroke: (bottom" in c]
    assert len(ruled) == 1
    assert "Before" in ruled[0]


@pytest.mark.parametrize(
    "text",
    ["#", "# rib", '"#"', '#"#"', '"', "\\", "= x", "+ x", "/ x", "1. x", "$x$", "@x", "]", "骨"],
)
def test_a_cell_of_any_text_is_one_literal_of_typst(text, tmp_path):
    """data.md 11: a lone "#" was taken for the end of one literal and the begin of the next."""
    literal = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    shown = html.escape(text)
    written = _typst(_body(_row("label"), _row("x", cells=f"<td>{shown}</td>")), tmp_path)
    assert literal in written
    beside = _typst(
        _body(_row("x", cells=f"<td>a <b>{shown}</b> <span>{shown}</span> b</td>")), tmp_path
    )
    assert f'#"a "#strong[#{literal}]#" {literal[1:-1]} b"' in beside


def _widths(written: str) -> list[float]:
    columns = re.search(r"columns: \(([^)]*)\)", written)
    assert columns
    return [float(width) for width in re.findall(r"([\d.]+)pt", columns[1])]


def test_no_column_is_narrower_than_what_no_line_may_break(tmp_path):
    """By hand, in thousandths of 8.5 pt: the ten letters of 2016-10-15 are 8 x 465 + 2 x 338 wide, CARVE-006 4870."""
    words = "a comment of the site that goes on for longer than any page is wide " * 4
    cells = f"<td>2016-10-15</td><td>{words}</td><td>{words}</td>"
    head = "<thead><tr>" + '<th scope="col">X</th>' * 4 + "</tr></thead>"
    row = f'<tr><th scope="row">CARVE-006</th>{cells}</tr>'
    written = _typst(f"<table>{head}<tbody>{row}</tbody></table>", tmp_path)
    who, date, *texts = _widths(written)
    inset = 2 * 0.55 * 8.5
    assert who >= 8.5 * 4.870 + inset - 1e-6
    assert date >= 8.5 * (8 * 0.465 + 2 * 0.338) + inset
    assert sum([who, date, *texts]) <= 467.5


def test_the_widths_of_the_letters_are_those_of_the_font():
    source = report.FILTER.read_text("utf-8")
    for name, bold in (("REGULAR", False), ("BOLD", True)):
        font = FT2Font(str(escape.font_file(bold=bold)))
        listed = re.search(rf"read_widths\({name}, \[\[([\d\s]+)\]\]\)", source)
        assert listed
        widths = [int(width) for width in listed[1].split()]
        font.set_size(1000, 72)
        measured = [
            font.load_char(code, flags=LoadFlags.NO_HINTING | LoadFlags.NO_SCALE).horiAdvance
            for code in range(0x20, 0x7F)
        ]
        assert widths == measured


def test_a_name_with_a_digit_and_a_number_with_its_unit_stay_on_one_line(tmp_path):
    cells = "<td>AR-V7 negative, 10 mg of it (0.1, 20.4) in 5 (4.2) patients</td>"
    written = _typst(_body(_row("x", cells=cells)), tmp_path)
    hard = "\u00a0"
    assert '#box[#"AR-V7"]' in written
    assert f"10{hard}mg of it (0.1,{hard}20.4) in 5{hard}(4.2) patients" in written


def test_the_rows_of_a_block_and_the_last_rows_with_the_notes_stay_on_one_page(tmp_path):
    first = [GROUP, _row("a", "indent1"), _row("b", "indent1")]
    later = [_row(each, "indent1") for each in "cdef"]
    written = _typst(_body(*first, GROUP, *later), tmp_path)
    kept = [line for line in written.splitlines() if "level: 3, repeat: false" in line]
    assert len(kept) == 1
    assert all(f'"{each}"' in kept[0] for each in "cde")
    assert '"f"' not in kept[0]
    last = next(line for line in written.splitlines() if '"f"' in line)
    assert last.count("bottom: 0.3em + below") == 2


def test_a_table_stands_where_the_catalogue_lays_it_on_its_side_without_need(tmp_path):
    text = (
        f"::: {{#tlf-a .tlf .tlf-listing .landscape}}\n{CAPTION}\n\n```{{=html}}\nTABLE\n```\n:::\n"
    )
    arguments = ["--from=markdown", "--to=typst", f"--lua-filter={report.FILTER}"]
    long = f"<td>{'words that a narrow column breaks ' * 8}</td>"
    for cells, turned in (("<td>1</td>", False), (long, True)):
        table = text.replace("TABLE", _body(*[_row("x", cells=cells)] * 20))
        made = pandoc.run(arguments, data=table.encode(), folder=tmp_path, what="test")[0].decode()
        assert ("#tlf-landscape" in made) == turned


def test_the_letter_of_a_footnote_is_raised_in_the_pdf_and_no_part_of_the_number(tmp_path):
    cell = (
        '<td class="num"><span class="ard" data-ard="x">25</span><sup class="mark">a,b</sup></td>'
    )
    written = _typst(_body(_row("x", cells=cell)), tmp_path)
    assert '"25"#super[#"a,b"]' in written.replace('"#box', '"')
