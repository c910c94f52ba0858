"""Every display is read alone: title, population, N, method of intervals and tests, denominators, source.

These are the complaints of a reviewer who gets one table out of its report ("Tables should be able to
stand alone", FDA on the R Consortium's pilot 1), turned into a reading of the rendered Markdown of every
display of the study report, on a synthetic trial and on the published one.
"""

import ast
import html
import json
import re
from pathlib import Path

import pytest
from matplotlib.text import Text

from sap.catalogue.reporting import applied
from sap.displays import abbreviations, profile, register
from sap.displays.formats import typeset
from sap.pipeline import commands
from sap.plan import project_home, read_plan

HOME = project_home()
CARVE = read_plan(HOME / "analysis" / "plan.yml").plan
INCLUDE = re.compile(r"\{\{< include (\S+) >\}\}")
CELL = re.compile(r"^```\{python\}\n#\| label: (\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
# Displays about the report itself count no patients.
OF_THE_REPORT = {"SAP", "dated changes", "data validation checks", "manifest of the data snapshot"}
# Sentences in a table, each with its own patients and method; and analyses that have none.
OF_NO_SET = {"tlf-synopsis", "tlf-data-gaps"}
DENOMINATOR = re.compile(
    r"denominator|[Pp]ercentages are of|one line|counts patients|distinct patients|N is the number of patients"
)


def cells() -> list[tuple[str, str, str]]:
    """Chapter, label and code of each cell of the study report that shows a display, set-up first."""
    blocks = []
    for name in INCLUDE.findall((HOME / "csr.qmd").read_text(encoding="utf-8")):
        text = (HOME / name).read_text(encoding="utf-8")
        blocks += [(name, label, code) for label, code in CELL.findall(text)]
    return blocks


def formatted(code: str, names: dict[str, object]) -> object:
    """Run a cell; the value of its last expression."""
    body = ast.parse(code).body
    if not isinstance(body[-1], ast.Expr):
        exec(compile(ast.Module(body, []), "cell", "exec"), names)  # noqa: S102 - our own chapter
        return None
    exec(compile(ast.Module(body[:-1], []), "cell", "exec"), names)  # noqa: S102
    return eval(compile(ast.Expression(body[-1].value), "cell", "eval"), names)


def rendered(
    run: Path, monkeypatch: pytest.MonkeyPatch, drawn: dict[str, list[str]] | None = None
) -> dict[str, str]:
    """The Markdown of each display; `drawn` gets the texts of each drawing, by the label of its display."""
    monkeypatch.setenv("SAP_RUN", str(run))
    displays, names, chapter = {}, {}, ""
    texts: list[str] = []
    if drawn is not None:
        monkeypatch.setattr(Text, "draw", _recorded(Text.draw, texts))
        monkeypatch.setattr(profile._Page, "text", _recorded_words(profile._Page.text, texts))
    for name, label, code in cells():
        if name != chapter:
            chapter = name
        value = formatted(code, names)
        if label.startswith("tlf-"):
            texts.clear()
            displays[label] = value._repr_markdown_()
            if drawn is not None:
                drawn[label] = list(texts)
    return displays


def _recorded(draw, texts: list[str]):
    def drawing(self, *args, **settings):
        texts.append(self.get_text())
        return draw(self, *args, **settings)

    return drawing


def _recorded_words(draw, texts: list[str]):
    def drawing(self, words, *args, **settings):
        texts.append(words)
        return draw(self, words, *args, **settings)

    return drawing


@pytest.fixture(scope="module")
def carve(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("carve")
    plan = HOME / "analysis" / "plan.yml"
    extract = commands.simulate(place / "extract", plan, 128, {})
    cut = commands.freeze(extract, plan, "final", place / "frozen")
    return commands.analyse(cut, plan, place / "run")


@pytest.fixture(scope="module")
def caba_v7(tmp_path_factory, shared_data) -> Path:
    place = tmp_path_factory.mktemp("caba")
    plan = HOME / "analysis" / "plan-caba-v7.yml"
    extract = commands.intake("caba-v7", shared_data / "caba-v7", place / "extract")
    cut = commands.freeze(extract, plan, "final", place / "frozen")
    return commands.analyse(cut, plan, place / "run")


def missing(label: str, text: str, facts: dict[str, str]) -> list[str]:
    """What a reader of this display alone would not know."""
    caption = text.partition("```{=html}")[0]
    required = {
        "number": re.search(
            r"\[(Table|Figure|Listing) [\d.]+(-\d+)?\w?\]\{\.tlf-number\}", caption
        ),
        "title": re.search(r"\[[^\]]{3,}\]\{\.tlf-title\}", caption),
        "population": register.register()[label].population == "NONE"
        or re.search(r"\[Population: .{3,}\]\{\.tlf-population\}", caption),
        "source": re.search(r"^- Source: .{3,}", text, re.MULTILINE),
    }
    if ".tlf-absent" in text:
        why = text.partition(".tlf-absent}")[2].partition(":::")[0].strip()
        required["why it is empty"] = len(why) > 20
    elif label not in OF_NO_SET and not set(register.register()[label].source) <= OF_THE_REPORT:
        required |= of_patients(label, text, caption)
    return [name for name, there in required.items() if not there]


def of_patients(label: str, text: str, caption: str) -> dict[str, object]:
    """What a display that counts patients must state besides."""
    entry = register.register()[label]
    head = re.search(r"<thead>.*?</thead>", text, re.DOTALL)
    header = re.sub(r"<[^>]+>", " ", head[0]) if head else ""
    n = re.search(r"N=", caption + header) or re.search(r"(^|\s)N(\s|$)", header)
    if entry.kind == "listing":
        return {"N": n}
    # Counts and summaries need no method; an interval and a p-value do.
    inferred = re.search(r"\bCI\b|>p<|\bHR\b", re.sub(r"<th[^>]*>\s*p\s*</th>", ">p<", text))
    method = not inferred or re.search(r"^- Method: .{3,}", text, re.MULTILINE)
    notes = text.partition(".tlf-notes}")[2]
    shares = re.search(r"\(\d[\d.\u2007 ]*\)|%", re.sub(r"<[^>]+>", "", text))
    # 9.7.1: a percentage is of the N in the head of its column, unless a note gives another denominator.
    in_head = re.search(r"\(N=", header)
    denominators = entry.kind == "figure" or not shares or in_head or DENOMINATOR.search(notes)
    return {"N": n, "method": method, "denominators": denominators}


def of_carve(note: str) -> str:
    """A footnote of the register in the words of this trial."""
    return applied(note, CARVE).strip().replace("{assessor}", "investigator")


def unused_footnotes(run: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """The register's footnotes of cells, by display, that no cell of the run has."""
    unused = {}
    for label, text in rendered(run, monkeypatch).items():
        notes = text.partition(".tlf-notes}")[2]
        tied = [n for n in register.register()[label].footnotes if not isinstance(n, str)]
        told = [re.sub(r"[\\]", "", line) for line in notes.splitlines() if line.startswith("- ^")]
        texts = [text for n in tied if (text := of_carve(n.text))]
        lost = [text for text in texts if not any(typeset(text) in line for line in told)]
        if lost and ".tlf-absent" not in text and register.printed(label):
            unused[label] = lost
    return unused


def marks_of(text: str) -> tuple[list[str], list[str]]:
    """The letters in the order of the first place of each, and those of the notes."""
    found = re.findall(r'<sup class="mark">([a-z,]+)</sup>', text)
    letters = dict.fromkeys(one for each in found for one in each.split(","))
    return list(letters), re.findall(r"^- \^([a-z]+)\^ ", text, re.MULTILINE)


def faults(run: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    facts = json.loads((run / "tables" / "run.json").read_text(encoding="utf-8"))
    displays = rendered(run, monkeypatch)
    assert len(displays) > 60
    printed = {label: text for label, text in displays.items() if register.printed(label)}
    assert [label for label in displays if not displays[label]] == [
        label for label in displays if label not in printed
    ]
    lacking = {label: missing(label, text, facts) for label, text in printed.items()}
    return {label: lost for label, lost in lacking.items() if lost}


@pytest.mark.slow
def test_every_display_of_the_synthetic_trial_stands_alone(carve, monkeypatch):
    assert faults(carve, monkeypatch) == {}


# A footnote on what this trial's data do not have: sums of diameters that the investigator recorded.
NOT_IN_CARVE = {
    "tlf-tumour-agreement": ["Compared where the data record a sum of diameters."],
    "tlf-ae-overview": ["Of all treated patients; not counted by line of therapy."],
}


@pytest.mark.slow
def test_every_footnote_of_cells_stands_at_one_and_its_letter_is_explained_below(
    carve, monkeypatch
):
    assert unused_footnotes(carve, monkeypatch) == NOT_IN_CARVE
    with_marks = 0
    for label, text in rendered(carve, monkeypatch).items():
        letters, told = marks_of(text)
        assert letters == told == list("abcdefghij"[: len(told)]), label
        with_marks += bool(letters)
    assert with_marks > 40


def test_a_letter_without_a_note_is_seen():
    assert marks_of('5<sup class="mark">b,a</sup>\n- ^a^ One.') == (["b", "a"], ["a"])


@pytest.mark.slow
@pytest.mark.shared
def test_every_display_of_the_published_trial_stands_alone(caba_v7, monkeypatch):
    assert faults(caba_v7, monkeypatch) == {}


# Abbreviations ------------------------------------------------------------------------------------

# Letters that are no abbreviation: the trial's name, codes of the source (SDTM), roman numbers, a visit as the
# protocol names it, ...
NO_ABBREVIATION = re.compile(
    r"CARVE|CABA(-V7)?|NCT\d*|II+|IV|EOT|FU|KT|MC|TweeSteden|[A-Z]{2,8}(FL|DT|DTC|CD|SEQ)|INCL\d+|EXCL\d+"
)
# What the page and the bundle print of plan, data and contracts holds codes of SDTM as they are recorded; so do
# the terms of listings.
OF_CODES = {"tlf-plan", "tlf-findings", "tlf-manifest", "tlf-map", "tlf-l-ae", "tlf-l-significant"}
CAPITALS = re.compile(r"(?<![\w-])[A-Z][A-Za-z]*[A-Z]\w*(?:-[A-Z]\w*)*(?!\w)")


def section_4(run: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Each abbreviation with its meanings."""
    monkeypatch.setenv("SAP_RUN", str(run))
    rows = [seen(row) for row in abbreviations.listed()._repr_markdown_().splitlines()[2:]]
    cells = [[cell.strip() for cell in row.strip("| ").split("|")] for row in rows]
    return {text: meanings.split("; ") for text, meanings in cells}


def seen(markdown: str) -> str:
    """The words of a display as a reader sees them, without its source."""
    text = re.sub(r"^- Source: .*$", "", markdown, flags=re.MULTILINE)
    text = re.sub(r"^(:::|```).*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"<[^>]*>", " | ", text)
    text = re.sub(r"\]\{[^}]*\}|\]\([^)]*\)", "", text)
    return html.unescape(re.sub(r"\\(?=\W)|[\[\]\u200b]", "", text))


def uses(text: str, abbreviation: str) -> bool:
    """As a word of its own, in the plural, or with an index (AUC₀₋₇); non-CR/non-PD also in capitals."""
    case = re.IGNORECASE if abbreviation[0].islower() else 0
    return bool(
        re.search(rf"(?<!\w){re.escape(abbreviation)}(s|[₀-₉₋ₕ]+)?(?!\w)", text, flags=case)
    )


def badly_abbreviated(
    label: str, markdown: str, words: list[str], known: dict[str, list[str]]
) -> list[str]:
    """Each abbreviation that is used and not spelled out, or the other way round, or in no list."""
    above, _, notes = markdown.partition(".tlf-notes}")
    bullets = [line for line in seen(notes).splitlines() if line.startswith("- ")]
    # The note of abbreviations is the last one, before the source.
    parts = [one.partition(", ") for one in bullets[-1][2:].split("; ")] if bullets else []
    listed = [text for text, _, _ in parts] if all(text in known for text, _, _ in parts) else []
    spelled = {
        text
        for text, meanings in known.items()
        if any(f"{text}, {one[:12]}".lower() in "\n".join(bullets).lower() for one in meanings)
    }
    text = "\n".join([seen(above), *(bullets[:-1] if listed else bullets), *words])
    faults = [
        f"{one} is not spelled out" for one in known if uses(text, one) and one not in spelled
    ]
    faults += [f"{one} is spelled out and not used" for one in listed if not uses(text, one)]
    faults += [f"{one} has another meaning in section 4" for one in set(listed) - spelled]
    if label not in OF_CODES:
        for word in set(CAPITALS.findall(text)):
            if not NO_ABBREVIATION.fullmatch(word) and not any(uses(word, one) for one in known):
                faults.append(f"{word} is in no list of abbreviations")
    return sorted(faults)


def test_the_reading_of_abbreviations_sees_what_is_missing_and_what_is_too_much():
    known = {
        "CI": ["Confidence interval"],
        "OS": ["Overall survival"],
        "PSA": ["Prostate-specific antigen"],
    }
    display = "[OS]{.tlf-title}\n<td>95% CI</td><td>XYZ</td>\n::: {.tlf-notes}\n- PSA, prostate-specific antigen; OS, overall survival.\n- Source: PSA.\n:::"  # fmt: skip
    assert badly_abbreviated("tlf-x", display, [], known) == [
        "CI is not spelled out",
        "PSA is spelled out and not used",
        "XYZ is in no list of abbreviations",
    ]
    assert (
        badly_abbreviated("tlf-x", display.replace("XYZ", "PSA").replace("CI", ""), [], known) == []
    )


def abbreviation_faults(run: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    known = section_4(run, monkeypatch)
    assert {"CI", "PSA", "AR-V7", "SD", "non-CR/non-PD"} <= set(known)
    drawn: dict[str, list[str]] = {}
    displays = rendered(run, monkeypatch, drawn)
    assert sum(bool(words) for words in drawn.values()) > 5
    faults = {
        label: badly_abbreviated(label, text, drawn[label], known)
        for label, text in displays.items()
        if text
    }
    return {label: of for label, of in faults.items() if of}


@pytest.mark.slow
def test_every_display_of_the_synthetic_trial_spells_out_the_abbreviations_that_it_uses(
    carve, monkeypatch
):
    assert abbreviation_faults(carve, monkeypatch) == {}


@pytest.mark.slow
@pytest.mark.shared
def test_every_display_of_the_published_trial_spells_out_the_abbreviations_that_it_uses(
    caba_v7, monkeypatch
):
    assert abbreviation_faults(caba_v7, monkeypatch) == {}


def test_the_reading_misses_nothing_that_is_not_there():
    """A display without anything lacks everything; the id is one of the catalogue."""
    facts = {"cut_off": "2019-06-30"}
    assert missing("tlf-baseline", "| 3 (12.0) | 95% CI", facts) == [
        "number",
        "title",
        "population",
        "source",
        "N",
        "method",
        "denominators",
    ]
