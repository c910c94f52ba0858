"""Chapters keep to the written subset of Quarto, and the lint refuses what lies outside it."""

from pathlib import Path

import pytest

from sap.publish import syntax

HOME = Path(__file__).parents[1]
ROOTS = sorted(HOME.glob("*.qmd"))
CHAPTERS = sorted((HOME / "analysis" / "chapters").glob("*.qmd"))

ALLOWED = """\
# 11 Efficacy {#sec-11}

A patient's `{python} inline.rate("psa", population="PRIMARY")` of *all* **patients** [@clopper1934; @simon1989],
see [Table 14.2.1.1](#tlf-psa)[^note]. Costs \\$5, `<b>` and `$x$` stand in code.

| A | B |
|---|--:|
| 1 | 2 |

- one
    - under one
1. first

::: {.callout-note title="What it says"}
Text.
:::

::: {.content-visible when-profile="interim"}
::: {.callout-warning}
## Its title

Nested.
:::
:::

::: {.content-visible when-format="html"}
Only there.
:::

```{python}
#| label: tlf-psa
#| include: true
#| echo: false
#| output: asis
#| warning: false
show("<b> $x$ {{< include x >}}")
```

{{< pagebreak >}}

[^note]: A footnote.

::: {#refs}
:::
"""

REFUSED = [
    ("# Efficacy\n", "heading without an id"),
    ("# Efficacy {.unnumbered}\n", "heading without an id"),
    ("::: {.callout-note}\nx\n:::\n\n# Efficacy\n", "heading without an id"),
    ("Efficacy\n========\n", "underlined heading"),
    ("```{python}\nx\n```\n", "without a label"),
    ("```{python}\n#| label: A b\nx\n```\n", "without a label"),
    ("```{python}\n#| label: a\n#| fig-cap: x\nx\n```\n", "'fig-cap'"),
    ("```{python}\n#| label: a\nx\n#| echo: true\n```\n", "head of the cell"),
    ("```{python}\n#| label: a\nx\n", "not closed"),
    ("```{python .x}\n#| label: a\nx\n```\n", "a fence that is not"),
    ("```{r}\n#| label: a\n```\n", "a fence that is not"),
    ("```{=html}\n<b>\n```\n", "a fence that is not"),
    ("~~~\nx\n~~~\n", "a fence that is not"),
    ("- item\n  ```{python}\n  #| label: a\n  ```\n", "a fence that is not"),
    ("{{< include other.qmd >}}\n", "an include in a chapter"),
    ("{{< video x.mp4 >}}\n", "a shortcode"),
    ("`{r} 1 + 1`\n", "inline code"),
    ("`{python}`\n", "inline code"),
    ("`{python} a``{python} b`\n", "without a space between"),
    ("a <b>bold</b> word\n", "raw HTML"),
    ("<!-- a comment -->\n", "raw HTML"),
    ("![alt](x.png)\n", "a picture"),
    ("$x^2$\n", "a formula"),
    ("see @tbl-psa\n", "a counted reference"),
    ("see [@sec-11]\n", "a counted reference"),
    ("::: {.panel-tabset}\n:::\n", "a div that is no callout"),
    ("::: {.callout-note collapse=true}\n:::\n", "cannot be read"),
    ('::: {.callout-note collapse="true"}\n:::\n', "'collapse'"),
    ('::: {.content-visible when-format="pdf"}\n:::\n', "'pdf'"),
    ("::: {.content-visible}\n:::\n", "without one"),
    ("::: callout-note\n:::\n", "in braces"),
    ("::: {.callout-note}\nx\n", "not closed"),
    (":::\n", "closed that was not opened"),
    ("  ::: {.callout-note}\n", "column 0"),
    ("+---+---+\n| a | b |\n", "a grid table"),
    ("term\n:  what it means\n", "a definition list"),
]


@pytest.mark.parametrize("path", ROOTS, ids=lambda path: path.name)
def test_a_root_document_and_its_chapters_keep_to_the_subset(path: Path) -> None:
    assert [str(problem) for problem in syntax.check_document(path)] == []


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.name)
def test_a_chapter_keeps_to_the_subset(path: Path) -> None:
    assert [str(problem) for problem in syntax.check(path)] == []


def test_every_chapter_is_included_by_a_root_document() -> None:
    included = {path.resolve() for root in ROOTS for path in syntax.included(root)}
    assert included >= {path.resolve() for path in CHAPTERS}


@pytest.mark.parametrize("root", ROOTS, ids=lambda path: path.name)
def test_the_first_include_is_a_set_up_of_cells_alone(root: Path) -> None:
    text = syntax.included(root)[0].read_text(encoding="utf-8")
    assert text.startswith("```{python}\n")
    assert "include: false" in text


def test_what_the_subset_allows_passes(tmp_path: Path) -> None:
    chapter = tmp_path / "chapter.qmd"
    chapter.write_text(ALLOWED, encoding="utf-8")
    assert [str(problem) for problem in syntax.check(chapter)] == []


@pytest.mark.parametrize("text, what", REFUSED)
def test_what_lies_outside_is_refused_with_its_line(text: str, what: str, tmp_path: Path) -> None:
    chapter = tmp_path / "chapter.qmd"
    chapter.write_text("A first paragraph.\n\n" + text, encoding="utf-8")
    problems = syntax.check(chapter)
    assert any(what in problem.what for problem in problems), problems
    assert all(problem.line >= 3 and problem.file == "chapter.qmd" for problem in problems)


def test_a_root_document_has_known_keys_and_a_set_up_before_inline_code(tmp_path: Path) -> None:
    root = tmp_path / "root.qmd"
    root.write_text(
        "---\ntitle: T\nformat: html\n---\n\n`{python} 1`\n\n{{< include a.qmd >}}\n",
        encoding="utf-8",
    )
    assert [(problem.line, problem.what) for problem in syntax.check(root)] == [
        (1, "the header key 'format' is not known"),
        (6, "inline code before the set-up cell is included"),
    ]


def test_a_name_given_in_two_chapters_is_a_problem(tmp_path: Path) -> None:
    cell = "```{python}\n#| label: same\n1\n```\n"
    for name in ("a.qmd", "b.qmd"):
        (tmp_path / name).write_text(cell, encoding="utf-8")
    root = tmp_path / "root.qmd"
    root.write_text(
        "---\ntitle: T\n---\n\n{{< include a.qmd >}}\n{{< include b.qmd >}}\n", encoding="utf-8"
    )
    (problem,) = syntax.check_document(root)
    assert (problem.file, problem.line) == ("b.qmd", 2)
    assert "a.qmd" in problem.what
