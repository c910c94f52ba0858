"""`sap plan check`: every fault of a plan at once, each with its line, its key and what to do."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

from sap.cli import app
from sap.cli.reference import others
from sap.errors import PlanError
from sap.plan.changes import changes
from sap.plan.checking import examine
from sap.plan.entry import Part
from sap.plan.model import Plan
from sap.plan.schema import schema_text

HOME = Path(__file__).parents[1]
PLANS = [HOME / "analysis" / name for name in ("plan.yml", "plan-caba-v7.yml")]
TEXT = PLANS[0].read_text(encoding="utf-8")


def replaced(text: str, entry: str, before: str, after: str) -> str:
    """The text with one change inside one entry, where `before` is exactly once."""
    start = text.index(f"\n{entry}:\n") + 1
    end = next((m.start() + start + 1 for m in re.finditer(r"\n(?=\w)", text[start:])), len(text))
    block = text[start:end]
    assert block.count(before) == 1, (entry, before, block.count(before))
    return text[:start] + block.replace(before, after) + text[end:]


def line_of(text: str, entry: str, words: str) -> int:
    """The line of the first `words` in an entry."""
    return text[: text.index(words, text.index(f"\n{entry}:\n"))].count("\n") + 1


def answer(tmp_path: Path, text: str) -> str:
    """What `sap plan check` says of a faulty text."""
    path = tmp_path / "plan.yml"
    path.write_text(text, encoding="utf-8")
    ended = CliRunner().invoke(app, ["plan", "check", str(path)])
    assert isinstance(ended.exception, PlanError), ended.output
    assert ended.exception.exit_code == 13
    return str(ended.exception)


def rows(said: str) -> list[str]:
    return [line for line in said.splitlines() if line.startswith("  - ")]


# entry, what is there, what is planted, words of the line with the fault, key, what the message says.
# The words allowed are those of the data and of the model; the ranges those of a share (0 to 1) and of
# CTCAE (grades 1 to 5); the design 1/15, 5/25 of Simon 1989, table 1.
PLANTED = [
    ("psa_response", "  decline_pct: 50", "  decline_pc: 50", "decline_pc:", "psa_response.decline_pc",
     "unknown key: correct it to decline_pct, or remove it"),
    ("safety", "  severe_grade: 3", "  severe_grade: 3\n  zzz: 1", "zzz:", "safety.zzz",
     "unknown key: remove it, or correct it to one of section, source, assumption, days_after_last_dose"),
    ("design", "  beta: 0.20\n", "", "design:", "design.beta", "is missing: add it, number, > 0, < 1"),
    ("design", '  source: "@simon1989; p0, p1, alpha and power are stated by no registry and are declared here"\n',
     "", "design:", "design.source", "is missing: add it, text"),
    ("bone", "  section: SAP 5.4.1\n", "", "bone:", "bone.section", "is missing: add it, text"),
    ("bone", "  section: SAP 5.4.1", "  section: 5.4.1", "section: 5.4.1", "bone.section", "has another form"),
    ("design", "  n: 25", '  n: "25"', 'n: "25"', "design.n",
     "is 25, a text: write a whole number: 25, without quotes"),
    ("design", "  n: 25", "  n: 25.5", "n: 25.5", "design.n", "write a whole number"),
    ("survival", "  days_per_month: 30.4375", "  days_per_month: 3e1", "3e1", "survival.days_per_month",
     "a text: write a number: 30, without quotes and in decimals"),
    ("study", "  groups: true", "  groups: 1", "groups: 1", "study.groups", "is 1, a number: write true or false"),
    ("design", "  alpha: 0.05", "  alpha: 1.5", "alpha: 1.5", "design.alpha",
     "1.5 is out of range: write a number > 0, < 1"),
    ("safety", "  severe_grade: 3", "  severe_grade: 7", "severe_grade: 7", "safety.severe_grade",
     "7 is out of range: write a number ≥ 1, ≤ 5"),
    ("psa_course", "[30, 50, 90]", "[30, 50, 900]", "[30, 50, 900]", "psa_course.depths_pct.2",
     "900 is out of range: write a number at most 100"),
    ("psa_course", "  display_cap_pct: 100", "  display_cap_pct: .inf", ".inf", "psa_course.display_cap_pct",
     "write a finite number"),
    ("psa_response", "confirmed_by: any later value", "confirmed_by: any later values", "any later values",
     "psa_response.confirmed_by", "write 'any later value' or 'next value'; the nearest is any later value"),
    ("design", "criterion: minimax", "criterion: no", "criterion: no", "design.criterion",
     "false is no word of this key: write 'minimax', 'optimal' or 'none' (YAML reads yes, no"),
    ("survival", "  transform: log-log", "  transform:", "transform:", "survival.transform", "null is no word"),
    ("accrual", "first_patient: 2016-03-01", 'first_patient: "2016-03-01"', "2016-03-01",
     "accrual.first_patient", "is 2016-03-01, a text: write a date without quotes"),
    ("accrual", "first_patient: 2016-03-01", "first_patient: 2016-02-30", "2016-02-30",
     "accrual.first_patient", "2016-02-30 is no day of the calendar: correct the date"),
    ("accrual", "2016-03-01", "2019-03-01", "2018-09-01", "accrual.last_patient",
     "must be later than first_patient"),
    ("design", "  p0: 0.10", "  p0: 0.10\n  p0: 0.20", "p0: 0.20", "design.p0",
     "the key is given twice: remove one"),
    ("labs", "    HGB: [ANAEMIA]", "    NO: [ANAEMIA]", "NO: [", "labs.reported_as.NO",
     'the key NO is read as true or false: put it in quotes, "NO"'),
    ("design", "  p0: 0.10", "  p0: 0.40", "p0: 0.40", "design.p0", "p0 must be below p1"),
    ("design", "  r: 5", "  r: 25", "r: 25", "design.r", "r must be below n: no outcome could reject"),
    ("design", "  r1: 1", "  r1: 15", "r1: 15", "design.r1", "r1 must be at least 0 and below n1"),
    ("design", "  n1: 15", "  n1: 25", "n1: 25", "design.n1", "n1 must be below n"),
    ("design", "  r: 5", "  r: 4", "alpha: 0.05", "design.alpha",
     "probability 0.0933 at p0 = 0.1, more than the alpha of 0.05; correct the design, or give the reason"),
    ("design", "kind: two-stage", "kind: single-stage", "r1: 1", "design.r1",
     "a single-stage design has no r1: remove it"),
    ("design", '"@simon1989;', '"@simon1999;', "@simon1999", "design.source",
     "the source @simon1999 is not in references.bib: correct it (the nearest is simon1989)"),
    ("comparison", "reference: tropic-psa-response", "reference: tropic-psa-respons", "reference: tropic-psa-respons",
     "comparison.reference", "tropic-psa-respons is not in references.yml: the nearest is tropic-psa-response"),
    ("estimands", "one-sided exact test against {design.p0}", "one-sided exact test against {design.p9}",
     "summary:", "estimands.defined.0.summary", "{design.p9} names no key of the plan: correct it to design.p"),
    ("estimands", "against {design.p0}", "against {design p0}", "summary:", "estimands.defined.0.summary",
     "{design p0} names no key of the plan"),
    ("samples", "visit: CYCLE 3", "visit: CICLE 3", "CICLE 3", "samples.schedule.2.visit",
     "CICLE 3 is no visit: add it to visits.words, or correct it"),
    ("lines", "[ABIRATERONE, ENZALUTAMIDE]", "[ABIRATERON, ENZALUTAMIDE]", "ABIRATERON,",
     "lines.third_line_after.0", "ABIRATERON is no ingredient of drugs.ingredients: add it there"),
    ("drugs", "[ERLEADA]", "[ERLEADA, XTANDI]", "APALUTAMIDE", "drugs.ingredients.APALUTAMIDE",
     "XTANDI means both ENZALUTAMIDE and APALUTAMIDE: keep one"),
    ("labs", "    HGB: Anemia", "    HGB: Anemias", "Anemias", "labs.terms.HGB",
     "Anemias is no CTCAE 4.03 term of a laboratory value; there are"),
    ("survival", "{domain: ex, date: EXSTDTC}", "{domain: ex, date: EXDTC}", "date: EXDTC",
     "survival.alive_on.3.date", "EXDTC is no column of the contract of ex; its dates are"),
    ("survival", "[ALIVE, WITHDRAWN]", "[ALIVES, WITHDRAWN]", "ALIVES", "survival.alive_on.2.only.SSSTRESC",
     "ALIVES is no term of SSSTRESC; there are"),
    ("protocol", "    - funding", "    - phase", "- phase", "protocol.not_known.0",
     "phase is given: remove it here, or the item itself"),
    ("protocol", "at: [follow_up], note", "at: [week_9], note", "week_9",
     "protocol.schedule.procedures.10.at.0", "no visit week_9; there are screening"),
    ("protocol", "    - id: EXCL02", "    - id: EXCL01", "id: EXCL01", "protocol.exclusion.1.id",
     "the id EXCL01 is given twice: give one of them another"),
    ("progression", "new_therapy: censor", "new_therapy: event", "strategy: hypothetical",
     "estimands.defined.2.intercurrent_events.2.strategy", "but the rule of the analysis makes it composite"),
    ("safety_rates", "{name: Diarrhoea, kind: reported, terms: [DIARRHOEA], from_grade: 1",
     "{name: Diarrhoea, kind: reported, terms: [DIARRHOEA], from_grade: null", "name: Diarrhoea,",
     "safety_rates.rates.5.from_grade", "from_grade must be given, except for deaths"),
    ("tumour", "lesion_diameters: [LDIAM, DIAMETER]", "lesion_diameters: []", "lesion_diameters: []",
     "tumour.lesion_diameters", "the list has too few values: write at least 1"),
    ("estimand", "prior: [0.5, 0.5]", "prior: [0.5]", "prior: [0.5]", "estimand.prior.1",
     "is missing: add the value to the list"),
    ("wording", "  control: physician's choice", "  control: {wording.disease}", "{wording.disease}",
     "wording.control", "is a mapping: write a text: one that begins with a brace is put in quotes"),
    ("study", "  id: CARVE", '  id: "CARVE\\u202e"', "  id:", "study.id", "CARVE[U+202E] has another form"),
    ("design", "  p0: 0.10", "  <<: {p0: 0.10}", "<<:", "design", "the key << is not read"),
    ("design", "  p0: 0.10", "  p0: !!str 0.10", "!!str", "design.p0", "is 0.10, a text: write a number"),
    ("design", "  p0: 0.10", "  p0: !secret 0.10", "!secret", "design.p0", "the tag !secret is not allowed"),
    ("design", "  p0: 0.10", "  p0: &a 0.10\n  p1: *a", "*a", "the plan", "an alias is not allowed"),
    ("design", "  p0: 0.10", "\tp0: 0.10", "\tp0", "the plan", "indent by spaces, not by a tab"),
    ("design", "  p0: 0.10", "  p0: @simon", "@simon\n", "the plan", "put a text that begins with @ in quotes"),
]  # fmt: skip


@pytest.mark.parametrize(
    "entry, before, after, at, key, words",
    PLANTED,
    ids=[f"{p[4]}-{n}" for n, p in enumerate(PLANTED)],
)
def test_a_planted_fault_is_named_with_its_line_its_key_and_its_fix(
    tmp_path, entry, before, after, at, key, words
):
    text = replaced(TEXT, entry, before, after)
    where = "estimands" if key.startswith("estimands") and entry != "estimands" else entry
    if where != entry:  # the strategy of progression-free survival
        place = text.index("    - analysis: pfs\n")
        line = text[: text.index(at, place)].count("\n") + 1
    else:
        line = line_of(text, entry, at)
    if key == "protocol.exclusion.1.id":  # the second of the two
        line = [n for n, one in enumerate(text.splitlines(), 1) if one.endswith(at)][1]
    said = answer(tmp_path, text)
    listed = [row for row in rows(said) if row.startswith(f"  - line {line}, {key}: ")]
    assert [words in row for row in listed].count(True) == 1, said
    assert "Traceback" not in said


def test_thirty_faults_and_more_are_planted():
    assert len(PLANTED) >= 30


def test_a_whole_entry_that_is_missing_is_listed_with_its_keys(tmp_path):
    start, end = TEXT.index("\nbaseline:\n"), TEXT.index("\nestimand:\n")
    said = rows(answer(tmp_path, TEXT[:start] + TEXT[end:]))
    assert said[0].startswith(
        "  - line 1, baseline: is missing: add it, with section, source, window_days"
    )


def test_two_values_that_exclude_each_other_have_both_lines(tmp_path):
    text = replaced(TEXT, "design", "  p0: 0.10", "  p0: 0.40")
    first, second = line_of(text, "design", "p0: 0.40"), line_of(text, "design", "p1: 0.30")
    words = "p0 must be below p1: the desirable response rate is the higher one"
    wanted = f"  - line {first}, design.p0: {words} (see also line {second})"
    assert rows(answer(tmp_path, text)) == [wanted]


def test_ten_faults_at_once_are_ten_lines_in_the_order_of_the_file(tmp_path):
    """A key with a fault hides no other: p0 above p1 is listed although r is a text."""
    chosen = [
        ("study", "  groups: true", "  groups: yes please"),
        ("wording", "  treatment: cabazitaxel\n", ""),
        ("design", "  p0: 0.10", "  p0: 0.40"),
        ("design", "  r: 5", '  r: "5"'),
        ("psa_response", "confirmed_by: any later value", "confirmed_by: both"),
        ("tumour", "  node_normal_mm: 10", "  node_normal_mm: 30"),
        ("comparison", "choice_drug: CABAZITAXEL", "choice_drug: CABA"),
        ("accrual", "2016-03-01", '"2016-03-01"'),
        ("pk", "primary_h: 7", "primary_h: -7"),
        ("protocol", "text: Age of at least 18 years", "text: Age of at least {design.age} years"),
    ]
    text = TEXT
    for change in chosen:
        text = replaced(text, *change)
    listed = rows(answer(tmp_path, text))
    assert [row.split(", ")[1].split(":")[0] for row in listed] == [
        "study.groups", "wording.treatment", "design.p0", "design.r", "psa_response.confirmed_by",
        "tumour.node_normal_mm", "comparison.choice_drug", "accrual.first_patient", "pk.primary_h",
        "protocol.inclusion.2.text",
    ]  # fmt: skip


def test_every_command_prints_the_same_list(tmp_path):
    text = replaced(TEXT, "design", "  p0: 0.10", "  p0: 0.40")
    text = replaced(text, "study", "  groups: true", "  groups: 1")
    said = answer(tmp_path, text)
    (tmp_path / "data").mkdir()
    out, data, plan = (str(tmp_path / name) for name in ("out", "data", "plan.yml"))
    for words in (
        ["simulate", out], ["check", data, "--out", out], ["analyse", data, "--out", out],
        ["freeze", data, "--cut-off", "final", "--out", out], ["run", "--out", out],
    ):  # fmt: skip
        ended = CliRunner().invoke(app, [*words, "--plan", plan])
        assert isinstance(ended.exception, PlanError), words
        assert str(ended.exception) == said


def test_many_faults_of_one_kind_are_counted(tmp_path):
    many = "".join(f"\n  zzz{n}: 1" for n in range(200))
    listed = rows(
        answer(tmp_path, replaced(TEXT, "safety", "  severe_grade: 3", f"  severe_grade: 3{many}"))
    )
    assert len(listed) == 11
    assert listed[-1].startswith("  - and 190 more of this kind, line ")


def test_both_plans_are_checked_with_one_line():
    for path in PLANS:
        ended = CliRunner().invoke(app, ["plan", "check", str(path)])
        assert ended.exit_code == 0, ended.exception
        assert len(ended.output.splitlines()) == 1
        assert "is a valid plan of " in ended.output


def test_a_plan_is_looked_for_in_analysis(monkeypatch):
    monkeypatch.chdir(HOME)
    ended = CliRunner().invoke(app, ["plan", "check"])
    assert "analysis/plan.yml is a valid plan of CARVE" in ended.output
    monkeypatch.chdir(HOME / "tests")
    assert CliRunner().invoke(app, ["plan", "check"]).exception.exit_code == 2


@pytest.mark.slow
def test_a_tree_of_any_other_shape_gets_faults_and_no_traceback(altered, tmp_path):
    """Each place of the plan with a value of another kind: a plan, or a list of faults with lines.

    Lists are cut to their first two entries: the third is read as the second.
    """

    def cut(value):
        if isinstance(value, dict):
            return {key: cut(inner) for key, inner in value.items()}
        return [cut(inner) for inner in value[:2]] if isinstance(value, list) else value

    whole = cut(yaml.safe_load(TEXT))
    path, refused = tmp_path / "plan.yml", 0
    for entry in ("design", "cut_offs", "labs", "safety_rates", "estimands"):
        for at, _value, tree in altered({entry: whole[entry]}):
            content = tree if at == () else whole | tree
            path.write_text(yaml.dump(content, Dumper=yaml.CSafeDumper, sort_keys=False), "utf-8")
            try:
                examined = examine(path)
            except PlanError:
                continue
            refused += bool(examined.faults)
            for fault in examined.faults:
                assert fault.lines[0] >= 1
                assert str(fault).count("\n") == 0
    assert refused > 500


# ---- the schema of editors -------------------------------------------------------------------------


def test_the_committed_files_are_those_of_the_model():
    for name, text in others().items():
        assert (HOME / name).read_text(encoding="utf-8") == text, "make docs"


def plain(path: Path) -> dict:
    """A plan as an editor reads it: dates are texts."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    return json.loads(json.dumps(content, default=str))


@pytest.fixture(scope="module")
def editor() -> jsonschema.Draft202012Validator:
    schema = json.loads(schema_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_a_plan_names_its_schema_and_keeps_it(editor, path):
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=plan.schema.json"
    assert (path.parent / "plan.schema.json").is_file()
    assert [error.message for error in editor.iter_errors(plain(path))] == []


@pytest.mark.parametrize(
    "entry, key, value, rule",
    [
        ("safety", "severe_grad", 3, "additionalProperties"),
        ("design", "alpha", 1.5, "exclusiveMaximum"),
        ("design", "n", 3000, "maximum"),
        ("design", "criterion", "best", "enum"),
        ("design", "n", "25", "type"),
        ("study", "section", "section 1", "pattern"),
    ],
)
def test_the_schema_refuses_what_the_model_refuses(editor, entry, key, value, rule):
    content = plain(PLANS[0])
    content[entry][key] = value
    assert [error.validator for error in editor.iter_errors(content)] == [rule]


def test_each_described_key_of_the_model_is_described_in_the_schema():
    schema = json.loads(schema_text())
    for name, field in Plan.model_fields.items():
        of = schema["properties"][name]
        if "properties" in of:
            for key, inner in field.annotation.model_fields.items():
                if inner.description is not None:
                    assert of["properties"][key]["description"] == inner.description, (
                        f"{name}.{key}"
                    )


def test_the_command_writes_the_schema(tmp_path):
    assert CliRunner().invoke(app, ["plan", "schema"]).output == schema_text()
    ended = CliRunner().invoke(app, ["plan", "schema", "--out", str(tmp_path / "s.json")])
    assert ended.exit_code == 0
    assert (tmp_path / "s.json").read_text(encoding="utf-8") == schema_text()


# ---- plans of an earlier format --------------------------------------------------------------------


def known(key: str) -> bool:
    model: type = Plan
    for part in key.split("."):
        if (
            not (isinstance(model, type) and issubclass(model, Part))
            or part not in model.model_fields
        ):
            return False
        inner = model.model_fields[part].annotation
        several = [one for one in getattr(inner, "__args__", ()) if isinstance(one, type)]
        model = inner if isinstance(inner, type) else next(iter(several), object)
    return True


@pytest.mark.parametrize("change", changes(), ids=lambda change: f"{change.old}-{change.new}")
def test_a_new_place_is_a_key_of_the_plan_and_an_old_one_is_not(change):
    assert change.new is None or known(change.new)
    assert change.old is None or change.old == change.new or not known(change.old)


def test_a_plan_of_version_0_1_gets_one_message_with_each_changed_key(tmp_path):
    """The keys that 0.2.0 and 0.3.0 changed, by CHANGELOG.md: a cycle length given twice, the small-count
    rule of the open report, and the entries drugs, visits, baseline and wording."""
    text = replaced(TEXT, "safety", "  severe_grade: 3", "  severe_grade: 3\n  cycle_days: 21")
    for entry in ("wording", "drugs", "visits", "baseline"):
        start = text.index(f"\n{entry}:\n")
        text = text[:start] + text[text.index("\n\n", start) :]
    text = re.sub(r"\{wording\.[a-z_]+\}", "words", text)
    text += "\nopen_report:\n  section: SAP 6.1\n  source: declared here\n  small_count: 5\n"
    text = replaced(text, "design", "  alpha: 0.05", "  alpha: 5")
    said = answer(tmp_path, text)
    head, _, rest = said.partition("\nand ")
    assert "is a plan of a format before 0.3.0: 6 changed keys (docs/plan-changes.md)" in head
    listed = rows(head)
    for key, words in (
        ("safety.cycle_days", "is now exposure.cycle_days (since 0.2.0: "),
        ("open_report", "is no longer a key: remove it (since 0.3.0: "),
        ("drugs", "new in 0.2.0"), ("visits", "new in 0.2.0"), ("baseline", "new in 0.2.0"),
        ("wording", "new in 0.3.0"),
    ):  # fmt: skip
        assert [f", {key}: " in row and words in row for row in listed].count(True) == 1, said
    assert "1 other fault:" in rest
    assert "design.alpha" in rest


def test_a_plan_of_version_0_5_gets_each_changed_key(tmp_path):
    """CHANGELOG.md, 0.6.0: `biomarker` instead of `screening`, `exposure.accompanying` instead of a dose."""
    start = TEXT.index("\nbiomarker:\n")
    text = TEXT[:start] + (
        "\nscreening:\n  section: SAP 4.1\n  source: declared here\n  ctc_minimum: 3\n  volume_ml: 7.5\n"
    ) + TEXT[TEXT.index("\n\n", start) :]  # fmt: skip
    text = replaced(text, "comparison", "choice_marker:", "choice_arv7:")
    listed = rows(answer(tmp_path, text))
    for key, words in (
        ("screening", "is now biomarker (since 0.6.0: "),
        ("screening.ctc_minimum", "is now biomarker.cell_count.minimum (since 0.6.0: "),
        ("screening.volume_ml", "is now biomarker.cell_count.volume_ml (since 0.6.0: "),
        ("comparison.choice_arv7", "is now comparison.choice_marker (since 0.6.0: "),
    ):
        entry, _, inner = key.partition(".")
        line = line_of(text, entry, inner or f"{entry}:")
        assert [row.startswith(f"  - line {line}, {key}: {words}") for row in listed].count(
            True
        ) == 1
    needed = "ctc needs biomarker: add it, or leave out ctc"
    assert any(needed in row for row in listed)


def test_a_plan_of_today_without_an_entry_is_of_no_earlier_format(tmp_path):
    start = TEXT.index("\nbaseline:\n")
    said = answer(tmp_path, TEXT[:start] + TEXT[TEXT.index("\n\n", start) :])
    assert "is not a valid plan: 1 fault" in said
    assert "new in 0.2.0" in said
