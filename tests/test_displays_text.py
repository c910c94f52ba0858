"""Tables, prose and their frame, on a run of a few invented rows.

The shape of the Markdown is the agreement with both engines, so it is written out by hand here; the
escaping is judged by pandoc, a program that is not ours.
"""

import json
from pathlib import Path

import pypandoc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sap import ard
from sap.catalogue import abbreviations
from sap.displays import escape, inline, populations, register, sentences
from sap.displays.ard_lookup import Number, results
from sap.displays.formats import FIGURE_SPACE
from sap.displays.table import Column, Row, Table, limits, n_pct
from sap.errors import PlanError, RenderError
from sap.plan import project_home, read_plan

DISPLAYS = """
tlf-psa-response:
  number: "14.2.1.1"
  kind: table
  title: Confirmed PSA response
  population: PRIMARY
  section: SAP 6.1
  source: [ADRS]
  analysis: [psa_response]
  footnotes: ["Percentages are of N."]
  audience: open
tlf-waterfall:
  number: "14.2.10"
  kind: figure
  title: Best change of PSA
  population: PRIMARY
  section: SAP 6.2
  source: [ADPSA]
  audience: closed
  orientation: landscape
tlf-os-curve: {number: "14.2.9", kind: figure, title: Overall survival, population: PRIMARY,
  section: SAP 6.4, source: [ADTTE], analysis: [os], audience: open}
"""

PLAN = read_plan(project_home() / "analysis" / "plan.yml").plan.model_dump(mode="json")

HOSTILE = [
    "<script>alert(1)</script>",
    "#let x = 1",
    r"\input{/etc/passwd}",
    "=cmd()|' /C calc'!A0",
    "```\n:::\n# Heading",
    "abc\u202edef\u2066ghi",
    "x" * 10_000,
    "$\\frac{1}{2}$ $$x$$ \\(y\\)",
    "[link](http://evil.example) ![i](j) [@cite] ^[note] ~~gone~~ *em* _em_ `code`",
    "&lt;b&gt; &amp; &#124; | a | b |",
    "1. one",
    "(a) one",
    "- one",
    "-- --- ... 'quoted' \"quoted\"",
    "{.class #id} {{< include x >}} `{python} 1+1`",
    "http://example.org/x <http://example.org>",
    "שלום עולם",
    "\x00\x07\ufeff\ue000",
    # Short marks as hospitals write them ("#" is a fracture), alone and before a word.
    *("#", "# rib", "= x", "+ x", "/ x", "/* x", "1. x", "@x", "$x$", "<x>", "~", "`", "\\", "x\\"),
    *('"#"', "|", "-", "*", "_", "]", "骨折", "🦴 x", "كسر", "e\u0301\u0328 x"),
]


def stats(**changed):
    context = {
        "analysis": "psa_response",
        "section": "SAP 6.1",
        "population": "PRIMARY",
        "paramcd": "PSARESP",
        "method": "Clopper-Pearson",
    }
    return {**context, **changed}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run folder with an ARD, its facts and its plan, and a catalogue."""
    response = {"n": 3, "N": 25, "estimate": 0.12, "conf_low": 0.0254654, "conf_high": 0.3121903,
                "conf_level": 0.95, "p_value": 0.0000213, "decision": "not rejected"}  # fmt: skip
    frame = ard.bind(
        [
            ard.rows(response, **stats()),
            ard.rows({"n": 0, "N": 4, "estimate": 0.0}, **stats(population="PERPROT")),
            ard.rows({"n": 2}, **stats(population="PERPROT", level='"q" | <b>')),
            ard.rows(
                {"median": 14.25, "conf_high": ard.NotEstimable("fewer than half had died")},
                **stats(analysis="os", paramcd="OS", method="Kaplan-Meier"),
            ),
            ard.rows({"n": 1}, **stats(analysis="ae", level="SOC 1")),
            ard.rows({"n": 2}, **stats(analysis="ae", level="SOC 2")),
        ]
    )
    (tmp_path / "tables").mkdir()
    (tmp_path / "ard.csv").write_text(ard.to_csv(frame), encoding="utf-8")
    facts = {"cut_off": "2018-06-30", "cut_off_name": "final", "audience": ""}
    (tmp_path / "tables/run.json").write_text(json.dumps(facts))
    (tmp_path / "tables/plan.json").write_text(json.dumps(PLAN))
    home = tmp_path / "home"
    (home / "analysis").mkdir(parents=True)
    (home / "analysis/displays.yml").write_text(DISPLAYS)
    monkeypatch.setenv("SAP_RUN", str(tmp_path))
    monkeypatch.setattr(register, "project_home", lambda: home)
    return tmp_path


def response_table(label="Confirmed response"):
    here = results("psa_response")
    n, percent = here.count(population="PRIMARY", level=""), here.percent(population="PRIMARY")
    low = here.find("conf_low", population="PRIMARY").formatted(lambda x: f"{100 * x:.1f}")
    high = here.find("conf_high", population="PRIMARY").formatted(lambda x: f"{100 * x:.1f}")
    total = here.count("N", population="PRIMARY")
    return Table(
        "tlf-psa-response",
        "PSA",
        [Column("Total", total)],
        [
            Row("Response", kind="group"),
            Row(label, [n_pct(n, percent)], "indent1"),
            Row("95 % CI", [limits(low, high)], "indent1"),
        ],
        notes=["Responders over all treated patients."],
    )


KEY = "psa_response|PRIMARY||PSARESP|||"


def test_the_markdown_of_a_table_is_the_agreed_shape(run):
    expected = f"""\
::: {{#tlf-psa-response .tlf .tlf-table}}
::: {{.tlf-caption}}
[Table 14.2.1.1]{{.tlf-number}} [Confirmed PSA response]{{.tlf-title}} [Population: primary analysis \
set]{{.tlf-population}}
:::

```{{=html}}
<table>
<thead>
<tr><th scope="col">PSA</th><th scope="col" class="num">Total<br>\
(N=<span class="ard" data-ard="{KEY}N">25</span>)</th></tr>
</thead>
<tbody>
<tr class="group"><td colspan="2">Response</td></tr>
<tr class="indent1"><th scope="row">Confirmed response</th><td class="num">_\
<span class="ard" data-ard="{KEY}n">3</span> (<span class="ard" data-ard="{KEY}estimate">12.0</span>)</td></tr>
<tr class="indent1"><th scope="row">95% CI</th><td class="num">\
(<span class="ard" data-ard="{KEY}conf_low">2.5</span>, \
<span class="ard" data-ard="{KEY}conf_high">31.2</span>)</td></tr>
</tbody>
</table>
```

::: {{.tlf-notes}}
- Percentages are of N.
- Responders over all treated patients.
- Method: Clopper\\-Pearson.
- CI, confidence interval; PSA, prostate\\-specific antigen.
- Source: ADRS; ARD psa\\_response; SAP 6.1.
:::
:::
"""
    assert response_table()._repr_markdown_() == expected.replace("_<span", FIGURE_SPACE + "<span")


def plain(markdown: str) -> str:
    """What pandoc, not we, thinks the text is; soft breaks are spaces, zero-width breaks are gone."""
    text = pypandoc.convert_text(markdown, "plain", "markdown", extra_args=["--wrap=none"])
    return text.replace("\u200b", "").replace("\u00a0", " ").strip()


def text_of_html(html: str) -> str:
    text = pypandoc.convert_text(html, "plain", "html", extra_args=["--wrap=none"])
    return " ".join(text.replace("\u200b", "").split())


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_is_text_in_markdown(hostile):
    shown = escape.visible(hostile)
    assert plain(escape.markdown_text(hostile)) == " ".join(shown.split())
    assert plain("- " + escape.markdown_text(hostile)) == "- " + " ".join(shown.split())
    pipe_table = f"| a | b |\n|---|---|\n| {escape.markdown_text(hostile)} | x |\n"
    if len(hostile) < 200:
        assert pypandoc.convert_text(pipe_table, "html", "markdown").count("<td") == 2


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_is_text_in_a_table(run, hostile):
    table = response_table(label=hostile)
    html = table.html()
    assert html.count("<script") == 0
    assert "`" not in html
    assert " ".join(escape.visible(hostile).split()) in text_of_html(
        "<p>" + escape.html_text(hostile) + "</p>"
    )
    # the block around it keeps its shape: one raw block, one list of four notes, one div
    native = json.loads(pypandoc.convert_text(table._repr_markdown_(), "json", "markdown"))
    (div,) = native["blocks"]
    assert [block["t"] for block in div["c"][1]] == ["Div", "RawBlock", "Div"]


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.text(max_size=40).filter(lambda t: escape.visible(t).strip()))
def test_any_text_is_text_in_markdown(text):
    assert "".join(plain(escape.markdown_text(text)).split()) == "".join(
        escape.visible(text).replace("\u00a0", " ").split()
    ).replace("\u200b", "")


def test_direction_marks_are_named_and_right_to_left_text_is_isolated():
    assert escape.html_text("a\u202eb") == "a[U+202E]b"
    assert escape.html_text("שלום") == "<bdi>שלום</bdi>"


def test_ten_thousand_letters_can_be_broken():
    pieces = escape.html_text("x" * 10_000).split("<wbr>")
    assert max(map(len, pieces)) <= 24
    assert "".join(pieces) == "x" * 10_000


def test_a_display_without_rows_says_why(run):
    shown = Table(
        "tlf-psa-response", "PSA", [Column("Total")], [], absent="Not in the data: no PSA."
    )
    markdown = shown._repr_markdown_()
    assert "::: {.tlf-absent}\nNot in the data: no PSA.\n:::" in markdown
    assert "[Table 14.2.1.1]{.tlf-number}" in markdown
    assert "Source: ADRS" in markdown


def test_a_display_without_rows_and_without_a_reason_is_refused(run):
    with pytest.raises(RenderError, match="tlf-psa-response is empty"):
        Table("tlf-psa-response", "PSA", [Column("Total")], [])._repr_markdown_()


def test_a_row_with_a_cell_too_few_is_refused():
    with pytest.raises(RenderError, match="row 2 has 1 cells for 2 columns"):
        Table("tlf-x", "", [Column("A"), Column("B")], [Row("1", ["1", "2"]), Row("2", ["1"])])


def test_headers_over_several_columns(run):
    columns = [Column("n", under="Grade 3"), Column("%", under="Grade 3"), Column("n", under="All")]
    html = Table("tlf-psa-response", "Term", columns, [Row("x", ["1", "2", "3"])]).html()
    assert '<th scope="colgroup" colspan="2" class="over">Grade 3</th>' in html
    assert '<th scope="colgroup" colspan="1" class="over">All</th>' in html
    assert html.count("<tr>") == 3


def test_a_listing_row_has_its_address_and_text_is_not_padded(run):
    columns = [Column("Term", numeric=False), Column("Day")]
    rows = [Row("CARVE-001", ["Nausea grade 2", "1"], address="ADAE|CARVE-001|3"),
            Row("CARVE-002", ["Fatigue grade 10", "12"])]  # fmt: skip
    html = Table("tlf-psa-response", "Patient", columns, rows).html()
    assert '<tr data-row="ADAE|CARVE-001|3">' in html
    assert "<td>Nausea grade 2</td>" in html
    assert f'<td class="num">{FIGURE_SPACE}1</td>' in html


def test_zero_has_no_percent():
    zero, percent = Number("0", "a"), Number("0.0", "b")
    assert n_pct(zero, percent).text == "0"


def test_ne_is_explained_in_the_notes(run):
    high = results("os").months("conf_high")
    assert high.text == "NE"
    table = Table(
        "tlf-psa-response",
        "OS",
        [Column("Months")],
        [Row("Upper limit", [high]), Row("x", [Number("\u2013", "")])],
    )
    markdown = table._repr_markdown_()
    assert "- NE, not estimable: fewer than half had died." in markdown
    assert "- –, not calculated." in markdown


# --- prose -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sentence, text",
    [
        (lambda: inline.rate("psa_response", population="PRIMARY"), "12.0%"),
        (lambda: inline.n_of_N("psa_response", population="PRIMARY"), "3 of 25"),
        (lambda: inline.interval("psa_response", population="PRIMARY"), "95% CI 2.5 to 31.2"),
        (lambda: inline.p("psa_response", population="PRIMARY"), "p <0.0001"),
        (lambda: inline.text("psa_response", "decision", population="PRIMARY"), "not rejected"),
        (lambda: inline.months("os"), "14.3 months"),
        (lambda: inline.months("os", "conf_high"), "NE"),
        (lambda: inline.number("os", "median", format=2), "14.25"),
        (lambda: inline.number("os", "median", format="as collected"), "14.25"),
        (lambda: inline.count("psa_response", "N", population="PERPROT"), "4"),
        (lambda: inline.ref("tlf-psa-response"), "Table 14.2.1.1"),
    ],
)
def test_prose_prints_the_number(run, sentence, text):
    assert sentence().plain.replace("\u00a0", " ") == text
    assert plain(str(sentence())) == text


def test_prose_carries_the_address_through_pandoc_even_in_a_pipe_table(run):
    number = inline.count("psa_response", population="PERPROT", level='"q" | <b>')
    html = pypandoc.convert_text(f"| a | b |\n|---|---|\n| {number} | x |\n", "html", "markdown")
    assert 'data-ard="psa_response|PERPROT||PSARESP|&quot;q&quot; %7C &lt;b&gt;||n"' in html
    assert html.count("<td>") == 2
    assert str(inline.rate("psa_response", population="PRIMARY")) == (
        '[12.0%]{.ard data-ard="psa_response&#124;PRIMARY&#124;&#124;PSARESP'
        '&#124;&#124;&#124;estimate"}'
    )


def test_a_link_to_a_display(run):
    assert (
        inline.ref("tlf-psa-response")._repr_markdown_()
        == "[Table\u00a014.2.1.1](#tlf-psa-response)"
    )


def test_a_missing_row_stops_the_render_and_is_named(run):
    with pytest.raises(RenderError, match="no row for psa_response median at population=PRIMARY"):
        inline.number("psa_response", "median", population="PRIMARY", format=1)
    with pytest.raises(RenderError, match="no row for nothing n"):
        inline.count("nothing")


def test_a_number_with_two_meanings_stops_the_render(run):
    with pytest.raises(RenderError, match=r"2 rows for ae n: ae\|PRIMARY\|\|PSARESP\|SOC 1"):
        inline.count("ae")
    with pytest.raises(RenderError, match="Name one of population, group"):
        inline.rate("psa_response")


def test_the_overall_row_is_meant_when_no_level_is_named(run):
    assert inline.count("psa_response", population="PERPROT").plain == "0"


def test_a_wrong_axis_is_refused(run):
    with pytest.raises(ValueError, match="arm is no part of a key"):
        inline.count("psa_response", arm="A")


def test_words_requested_of_a_number_are_refused(run):
    with pytest.raises(RenderError, match="holds a number and no words"):
        inline.text("psa_response", "n", population="PRIMARY")


def test_closed_displays_are_nothing_in_an_open_report(run):
    closed = Table("tlf-waterfall", "", [Column("A")], [Row("CARVE-001", ["1"])])
    assert "CARVE-001" in closed._repr_markdown_()
    assert ".closed}" in closed._repr_markdown_()
    facts = run / "tables/run.json"
    facts.write_text(json.dumps({**json.loads(facts.read_text()), "audience": "open"}))
    ard._json.cache_clear()
    ard._plan.cache_clear()
    assert closed._repr_markdown_() == ""
    assert str(inline.ref("tlf-waterfall")) == "Figure\u00a014.2.10 (closed report)"
    assert response_table()._repr_markdown_() != ""


# --- populations and the catalogue --------------------------------------------------------------


def test_the_words_of_a_population_move_with_the_plan(run):
    before = populations.words("PRIMARY")
    changed = {
        **PLAN,
        "biomarker": {**PLAN["biomarker"], "cell_count": {"minimum": 5, "volume_ml": 7.5}},
    }
    (run / "tables/plan.json").write_text(json.dumps(changed))
    ard._json.cache_clear()
    ard._plan.cache_clear()
    assert before == populations.words("PRIMARY").replace("CTC >= 5", "CTC >= 3")


def test_an_unknown_population_is_named(run):
    with pytest.raises(RenderError, match="analysis set ITT has no words"):
        populations.words("ITT")


def test_displays_are_ordered_by_their_numbers_not_by_letters(run):
    figures = register.register().by_number("figure")
    assert [named.entry.number for named in figures] == ["14.2.9", "14.2.10"]
    assert next(iter(register.register().by_number())).id == "tlf-psa-response"


def test_an_unknown_display_is_named(run):
    with pytest.raises(RenderError, match="no display tlf-nothing"):
        inline.ref("tlf-nothing")


ENTRY = """
tlf-a: {number: "14.1.1", kind: table, title: Aaa, population: PRIMARY, section: SAP 6.1,
  source: [ADSL], audience: open}
"""


@pytest.mark.parametrize(
    "text, expected",
    [
        (ENTRY.replace("audience", "audiense"), "tlf-a.audiense: is no key of a display"),
        (ENTRY.replace("audience", "audiense"), "tlf-a.audience: is missing: add it"),
        (ENTRY.replace('"14.1.1"', "14.1"), "tlf-a.number: must be text: put it in quotes"),
        (ENTRY.replace("14.1.1", "14.x"), "tlf-a.number: has not the form"),
        (
            ENTRY.replace("kind: table", "kind: tabel"),
            "tlf-a.kind: must be one of 'table', 'figure'",
        ),
        (ENTRY.replace("tlf-a", "tbl-a"), "tbl-a: an id is `tlf-`"),
        (ENTRY + ENTRY.replace("tlf-a", "tlf-b"), "tlf-b.number: Table 14.1.1 is already tlf-a"),
        (ENTRY + ENTRY, "the key 'tlf-a' is given twice"),
        (ENTRY.replace("[ADSL]", "[]"), "tlf-a.source"),
        (ENTRY.replace("SAP 6.1", "chapter 6"), "tlf-a.section: has not the form"),
        ("house_style: {hundred: '99'}", "house_style.hundred: must be one of '100' or '100.0'"),
        ("- a", "is empty or no mapping"),
        ("a: [", "is not readable YAML"),
    ],
)
def test_a_wrong_catalogue_names_file_key_and_fix(tmp_path, text, expected):
    path = tmp_path / "displays.yml"
    path.write_text(text)
    with pytest.raises(PlanError) as error:
        register.read(path)
    assert expected in str(error.value)
    assert str(path) in str(error.value)


def test_a_table_and_a_figure_may_share_a_number(tmp_path):
    path = tmp_path / "displays.yml"
    path.write_text(ENTRY + ENTRY.replace("tlf-a", "tlf-b").replace("table", "figure"))
    assert {e.label for e in register.read(path).values()} == {"Table 14.1.1", "Figure 14.1.1"}


def test_the_project_s_own_catalogue_is_valid():
    path = Path(__file__).parents[1] / "analysis/displays.yml"
    assert len(register.read(path)) > 0


@pytest.mark.parametrize(
    "text, meanings",
    [
        ("Mean (SD) | 4.2 (1.1)", ["standard deviation"]),
        ("CR | PR | SD | PD", ["stable disease"]),
        ("Stable disease (SD) | 9 (36.0)", ["stable disease"]),
        ("Mean (SD) | best response SD", ["stable disease", "standard deviation"]),
        ("SDTM", []),
    ],
)
def test_an_abbreviation_with_two_meanings_is_spelled_out_by_where_it_is(text, meanings):
    known = [one for one in abbreviations.abbreviations() if one.text == "SD"]
    assert [one.short for one in abbreviations.used(text, known)] == meanings


def test_a_citation_is_a_link_also_where_it_is_joined_with_other_text():
    cited = inline.RichText(inline.Citation("Table 9", "tlf-x"))
    sentence = sentences._joined("As in ", cited, ", ≥ 3.")
    assert str(sentence) == "As in [Table 9](#tlf-x), ≥ 3."
    assert sentence.plain == "As in Table 9, ≥ 3."
