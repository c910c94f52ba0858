"""The filter of both engines: how the rows of a table lead one another over the pages of the PDF."""

import html
from pathlib import Path

import pytest

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
