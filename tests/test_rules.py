"""Section 9.7.1 prints the rules that run: the words of the docstrings, and the plan's values."""

import importlib
import inspect
import json
import pkgutil
import re

import pypandoc
import pytest

import sap.derivations
from sap.derivations import tumour_rules
from sap.displays import formats
from sap.pipeline import rules
from sap.plan import project_home, read_plan

HOME = project_home()
CHAPTER = (HOME / "analysis" / "chapters" / "09-plan.qmd").read_text(encoding="utf-8")
PLANS = ("plan.yml", "plan-caba-v7.yml")

# Public functions with numbered cases that 9.7.1 does not print: why.
NOT_PRINTED = {
    "dates.earliest_day": "how a text is read, not a rule of the plan",
    "dates.latest_day": "the same",
    "disposition.adexcl": "the cases of the analysis sets, turned round for a listing",
    "data_timeliness.adcur": "timeliness of the data for the board, no result of the study report",
}
OLD_WORDS = re.compile(
    r"\b(man|men|he|him|his|person|people|nobody|everybody|everyone|somebody|someone|whoever"
    r"|told|tells?|said|says?|ask(?:s|ed)?|wants?|knows?|found|whole|stands?|stood|beside"
    r"|answers?|falls?|fell|rises?|rose|cells?|drawn|gone|lies|lie|house|words?|ours?)\b",
    re.IGNORECASE,
)


@pytest.fixture(params=PLANS)
def plan(request):
    return read_plan(HOME / "analysis" / request.param).plan


@pytest.fixture
def printed(plan, tmp_path, monkeypatch):
    """What the chapter's cell writes, as Markdown."""
    (tmp_path / "tables").mkdir()
    content = {"plan": plan.model_dump(mode="json"), "rules": rules.table(plan)}
    for name, one in content.items():
        (tmp_path / "tables" / f"{name}.json").write_text(json.dumps(one), encoding="utf-8")
    monkeypatch.setenv("SAP_RUN", str(tmp_path))
    from sap.displays import derivation_rules

    section = CHAPTER.split("### 9.7.1")[1].split("### 9.7.2")[0]
    (cell,) = re.findall(
        r"^```\{python\}\n#\| label: derivation-rules\n(.*?)^```", section, re.MULTILINE | re.DOTALL
    )
    assert cell.strip() == "derivation_rules.printed()"
    return derivation_rules.printed()._repr_markdown_()


VALUE = re.compile(r"(`[a-z0-9_.]+`) \((?:not set|[^()]*\{\.ard[^()]*)\)")


def plain(markdown: str) -> str:
    text = pypandoc.convert_text(
        markdown, "plain", "markdown", extra_args=["--wrap=none", "--strip-comments"]
    )
    return bare(text)


def bare(text: str) -> str:
    """The words alone: neither blanks nor marks of emphasis and of code, and one kind of quote."""
    for typeset, typed in (("\u2019", "'"), ("\u201c", '"'), ("\u201d", '"'), ("\u2026", "...")):
        text = text.replace(typeset, typed)
    return re.sub(r"\s+", " ", text.replace("`", "").replace("*", "")).strip()


def by_rule(markdown: str) -> dict[str, str]:
    """Each printed rule by its name, in the order of print; the plan's values are taken out."""
    parts = re.split(r"^\*\*(.+?)\*\* \((SAP.+?)\)$", markdown, flags=re.MULTILINE)
    return {
        re.sub(r"\\(.)", r"\1", name): plain(VALUE.sub(r"\1", text).replace(":::", ""))
        for name, text in zip(parts[1::3], parts[3::3], strict=True)
    }


def docstring(function) -> str:
    text = re.split(r"\n(?:Examples|Raises|Parameters|Returns)\n-+\n", inspect.getdoc(function))[0]
    lines = [re.sub(r"^( *)(\d+\.|-) +", r"\1\2 ", line) for line in text.splitlines()]
    # Text in backticks is a key of the plan and is printed as it is.
    pieces = "\n".join(lines).replace('""', "empty").split("`")
    return bare("".join(p if i % 2 else formats.typeset(p) for i, p in enumerate(pieces)))


NO_CASE = "Not in this SAP."
NOT_OF_BOTH = {
    "Verification of the design": {" (deviation)": ""},
    "Analysis sets that depend on measurements": {
        " (of continuous dosing, per_protocol_days days with a dose)": ""
    },
    "Evaluator": {
        "Where evaluator_id is given: of those records, the ones with this --EVALID.": NO_CASE
    },
    "Tumour response parameters": {
        " Where the SAP has no rule of bone scans, the overall response is that of soft tissue.": ""
    },
    "Treatment-emergent events": {
        " Where by is severity, ASEV is the severity (AESEV) and ASEVN its place in MILD, MODERATE, SEVERE; no "
        "grade is made of it, and a grade in the data is not used.": ""
    },
    "Doses of the study drug": {
        " Where dosing is continuous, an interval without an end has one by the rule of open intervals.": ""
    },
    "Doses": {
        " Where dosing is continuous, a row is an interval from the day of EXSTDTC to that of EXENDTC, both "
        "included, and intervals are numbered by day.": "",
        " WEIGHT, of doses by body weight: the last weight (VS) on or before the day of the dose.": "",
        " NDOSES, of an interval: the doses from its first to its last day by EXDOSFRQ, the first on the first day "
        "(ADOSFRQ; of every other day, the first, third, fifth day and so on); missing where EXDOSFRQ is missing "
        "or of no known number a day, or a day is not known.": "",
    },
    "Biomarker status at screening": {" (with the detail biomarker.detail in GFTSTDTL)": ""},
    "Stopping boundary for toxicity": {
        "; bayesian: the posterior probability, under the beta distribution prior, that the rate is above p0": ""
    },
    "Exposure parameters by patient": {
        " Where dosing is continuous, with first the first and last the last day of any interval: 7. DURDAYS: last "
        "- first + 1. TRTDAYS: the days in at least one interval. OFFDAYS: DURDAYS - TRTDAYS. All three are "
        "missing, and INTERR is U, when a day of an interval is not known. 8. INTERR: Y when OFFDAYS is above 0, "
        "else N. 9. CUMDOSE, CUMMG: the sum of NDOSES x DOSE, of NDOSES x DOSEMG. ADI: CUMDOSE / DURDAYS. RDI: "
        "100 x ADI / (planned_dose x the doses a day of frequency).": "",
        " Where dose_unit is AUC, there are no CUMDOSE, ADI and RDI.": "",
    },
}
"""What both plans do not print of their rules: dosing is in cycles and by body surface, events have grades."""
NOT_OF_ONE = {
    "CARVE": {
        "Baseline characteristics": {
            "A measure of window_measures: the first value after the reference day, at most window_days days "
            "later, and not after the first dose of the study drug.": NO_CASE
        },
    },
    "CABA-V7": {  # one stage
        "Confidence interval of the primary result": {
            "It is two-stage, and two-stage inference is not estimable (yet): no interval.": NO_CASE,
            "It is two-stage, and patients were treated after a stop at stage 1: no interval; that of stage 1 "
            "alone is given with the two-stage inference.": NO_CASE,
            "It is two-stage: equal-tailed exact over the outcomes of the design, ordered by the total number of "
            "responders (Jung and Kim 2004), which is also the order of the response rate.": NO_CASE,
        }
    },
}


def of_this_plan(rule: str, text: str, study: str) -> str:
    """The text of a docstring without what the plan of a study does not print."""
    for left_out in (NOT_OF_BOTH.get(rule, {}), NOT_OF_ONE[study].get(rule, {})):
        for words, instead in left_out.items():
            assert text.count(words) == 1, (rule, words)
            text = text.replace(words, instead)
    return text


def test_section_9_7_1_prints_every_listed_rule_in_the_words_of_its_docstring(plan, printed):
    """Of a design of one stage without the rules of two, and of entries that the plan has; both plans have cycles
    and dated cut-offs, and the results of the biomarker in GF."""
    found = by_rule(printed)
    of_others = {"Day of a cut-off by number", "Open intervals of continuous dosing"}
    if plan.study.id == "CARVE":  # a first progression needs no second scan
        of_others.add("First progression of soft tissue")
    one_stage = plan.design.kind == "single-stage"
    listed = [
        rule
        for rule in rules.PRINTED
        if getattr(plan, rule.entry) is not None
        and not (rule.of_stages and one_stage)
        and rule.name not in of_others
    ]
    assert list(found) == [rule.name for rule in listed]
    for rule in listed:
        of_results = rule.entry in ("biomarker", "ctc")
        text = docstring(rule.function).replace("--", "GF" if of_results else "--")
        assert found[rule.name] == of_this_plan(rule.name, text, plan.study.id), rule.name


def test_the_rules_stand_in_the_order_of_the_sap(plan):
    sections = [
        tuple(map(int, one["section"].removeprefix("SAP ").split("."))) for one in rules.table(plan)
    ]
    assert sections == sorted(sections)


def test_the_plans_values_stand_behind_its_keys(plan, printed):
    """28 days in CARVE (its registry entry: four weeks), 21 in CABA-V7; each leads to the plan."""
    printed = printed.replace("&#124;", "|")
    days = {"CARVE": 28, "CABA-V7": 21}[plan.study.id]
    key = 'data-ard="plan|psa_response.confirm_after_days"'
    assert f"`confirm_after_days` ([{days}]{{.ard {key}}})" in printed
    limit = plan.psa_response.first_fall_within_days
    assert f"`first_fall_within_days` ({'not set' if limit is None else f'[{limit}]'}" in printed


def test_a_key_that_the_plan_does_not_have_is_refused(plan):
    with pytest.raises(ValueError, match="refers to `confirm_after`"):
        rules.path_of(plan.model_dump(mode="json"), "psa_response", "confirm_after")


def test_every_derivation_with_numbered_cases_is_printed_or_listed_here_with_a_reason():
    cases = re.compile(r"^ *1\. .*\n(?:.*\n)*? *2\. ", re.MULTILINE)
    found = set()
    for module in pkgutil.iter_modules(sap.derivations.__path__):
        named = importlib.import_module(f"sap.derivations.{module.name}")
        for name, function in inspect.getmembers(named, inspect.isfunction):
            own = function.__module__ == named.__name__ and not name.startswith("_")
            if own and cases.search((inspect.getdoc(function) or "") + "\n"):
                found.add(f"{module.name}.{name}")
    listed = {
        f"{rule.function.__module__.rpartition('.')[2]}.{rule.function.__name__}"
        for rule in rules.PRINTED
    }
    assert found - listed == set(NOT_PRINTED)


@pytest.mark.parametrize("rule", rules.PRINTED, ids=lambda rule: rule.name)
def test_a_printed_rule_speaks_of_patients_in_the_words_of_the_field(rule):
    assert OLD_WORDS.findall(rules.text_of(rule.function)) == []
    # The reader of the report knows the statistical analysis plan as the SAP.
    assert not re.search(r"\bthe\s+plan\b", rules.text_of(rule.function), re.IGNORECASE)
    assert "`" not in rules.KEY.sub("", rules.text_of(rule.function))


@pytest.mark.parametrize("form", ["html", "typst"])
def test_the_cases_are_numbered_lists_in_both_formats(printed, form):
    """PSA progression has eight cases; pandoc reads them as one list, in HTML and in the PDF."""
    part = printed.split("**PSA progression** ")[1].split("\n**")[0]
    made = pypandoc.convert_text(part, form, "markdown")
    if form == "html":
        assert made.count("<li>") == 8
        assert made.count("<ol") == 1
    else:
        assert re.findall(r"^(?:\+|\d+\.) ", made, re.MULTILINE) != []
        assert len(re.findall(r"^(?:\+|\d+\.) ", made, re.MULTILINE)) == 8


def test_the_printed_table_of_soft_tissue_is_the_one_that_runs():
    """Each case of the print, first that applies, against the function, for every combination."""
    form = r"(\d+)\. (\S+): target (\S+), non-target (\S+), new lesion (yes|any)\."
    cases = re.findall(form, docstring(tumour_rules.soft_tissue))
    assert [int(case[0]) for case in cases] == list(range(1, len(cases) + 1))
    for target in ("CR", "PR", "SD", "PD", "NE", ""):
        for other in ("CR", "NON-CR/NON-PD", "PD", "NE", ""):
            for new in ("Y", "N"):
                printed = next(
                    answer
                    for _, answer, t, n, needs in cases
                    if t in ("any", target or "none")
                    and n in ("any", other or "none")
                    and (needs == "any" or new == "Y")
                )
                assert tumour_rules.soft_tissue(target, other, new) == printed


def test_the_printed_table_of_the_overall_response_is_the_one_that_runs():
    form = r"\d+\. (\S+): soft tissue (\S+), bone (\w[\w-]*)( \(.*?\))?\."
    cases = re.findall(form, docstring(tumour_rules.overall))
    for soft in ("PD", "PDu", "NE", "NED", "CR", "PR", "SD", "NON-CR/NON-PD"):
        for bone in ("PD", "PDu", "NON-PD", "NED", "NE"):
            answer, more = next(
                (case[0], case[3])
                for case in cases
                if case[1] in ("any", soft) and case[2] in ("any", bone)
            )
            assert tumour_rules.overall(soft, bone, targets=True) == answer
            without = "NON-CR/NON-PD" if more else answer
            assert tumour_rules.overall(soft, bone, targets=False) == without


def test_a_plan_of_one_stage_prints_no_rule_of_two():
    plans = {
        name: read_plan(HOME / "analysis" / f"{name}.yml").plan for name in ("plan", "plan-caba-v7")
    }
    of_stages = {"When two-stage inference applies", "Estimates adjusted for the two stages"}
    printed = {name: {one["name"] for one in rules.table(plan)} for name, plan in plans.items()}
    assert of_stages <= printed["plan"]
    assert printed["plan"] - printed["plan-caba-v7"] == of_stages
