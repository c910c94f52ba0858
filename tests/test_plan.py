"""The plan: what it refuses, and that each of its numbers moves something a reader sees."""

import copy
import datetime as dt
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from sap.errors import PlanError, UsageError
from sap.plan import Plan, read_plan
from sap.plan.reading import load_yaml

HOME = Path(__file__).parents[1]
PLANS = {name: HOME / "analysis" / f"{name}.yml" for name in ("plan", "plan-caba-v7")}


def changed(tmp_path: Path, edit: Any) -> Path:
    content = yaml.safe_load(PLANS["plan"].read_text(encoding="utf-8"))
    edit(content)
    path = tmp_path / "plan.yml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def set_to(path: str, value: Any):
    def edit(content: dict[str, Any]) -> None:
        *before, last = path.split(".")
        here = content
        for part in before:
            here = here[part]
        if value is None:
            del here[last]
        else:
            here[last] = value

    return edit


def set_many(values: dict[str, Any]):
    def edit(content: dict[str, Any]) -> None:
        for path, value in values.items():
            set_to(path, value)(content)

    return edit


RECIST: dict[str, Any] = {
    "section": "SAP 5.4.2", "source": "RECIST 1.1", "from": "RS", "confirmed": True,
    "confirm_after_days": 28, "stable_after_days": 0, "population": "all",
}  # fmt: skip
LANDMARK: dict[str, Any] = {
    "section": "SAP 5.5.2", "source": "protocol", "event": "progression", "months": 6,
    "not_observed": "failure",
}  # fmt: skip


@pytest.mark.parametrize(
    "endpoint, parameter, section",
    [
        ("psa_response", "PSARESP", "SAP 5.1"),
        ("objective_response", "OBJRESP", "SAP 5.4.2"),
        ("clinical_benefit", "CLINBEN", "SAP 5.4.2"),
        ("rate_at", "RATEAT", "SAP 5.5.2"),
    ],
)
def test_the_primary_endpoint_is_the_plan_s(tmp_path, endpoint, parameter, section):
    """PARAMCD as the design names them; the section is that of the entry with the rule."""
    entries = {"primary.endpoint": endpoint, "objective_response": RECIST, "rate_at": LANDMARK}
    plan = read_plan(changed(tmp_path, set_many(entries))).plan
    assert (plan.primary_parameter, plan.primary_section) == (parameter, section)
    assert plan.objective_response is not None
    assert plan.objective_response.source_of_response == "RS"


@pytest.mark.parametrize("name", PLANS)
def test_both_plans_are_valid(name):
    assert read_plan(PLANS[name]).plan.study.id in ("CARVE", "CABA-V7")


@pytest.mark.parametrize(
    "edit, said",
    [
        (set_to("design.p2", 0.5), "design.p2: unknown key"),
        (set_to("design.source", None), "design.source: is missing: add it"),
        (set_to("design.r1", 15), "r1 must be at least 0 and below n1"),
        (set_to("design.r1", 16), "r1 must be at least 0 and below n1"),
        (set_to("design.n1", 25), "n1 must be below n"),
        (set_to("design.p0", 0.3), "p0 must be below p1"),
        (set_to("design.r", 25), "r must be below n"),
        (set_to("design.alpha", 1.5), "design.alpha"),
        (set_to("design.n", "25"), "design.n"),
        (set_to("psa_response.confirmed_by", "any"), "psa_response.confirmed_by"),
        (set_to("primary", None), "primary: is missing: add it"),
        (
            set_to("primary.endpoint", "objective_response"),
            "the endpoint objective_response needs the entry objective_response: add it",
        ),
        (
            set_to("primary.endpoint", "clinical_benefit"),
            "the endpoint clinical_benefit needs the entry objective_response: add it",
        ),
        (set_to("primary.endpoint", "rate_at"), "the endpoint rate_at needs the entry rate_at"),
        (set_to("objective_response", RECIST | {"from": "TR"}), "objective_response.from: "),
        (
            set_to("objective_response", RECIST | {"confirm_after_days": 0}),
            "confirm_after_days must be at least 1 where confirmed is true",
        ),
        (
            set_many(
                {"primary.endpoint": "rate_at", "rate_at": LANDMARK | {"not_observed": "excluded"}}
            ),
            "not_observed is excluded, but the design has two stages",
        ),
        (set_to("tumour", None), "tumour: is missing: add it"),
        (set_to("inputs.required", ["ex"]), "must include dm"),
        (set_to("study.section", "section 1"), "study.section"),
        (set_to("cut_offs.dates.final.date", "soon"), "cut_offs.dates.final.date"),
        (set_to("safety.cycle_days", 28), "safety.cycle_days: is now exposure.cycle_days"),
        (set_to("labs.terms.NEUT", "Neutrophils low"), "Neutrophils low is no CTCAE 4.03 term"),
        (
            set_to("labs.terms.NEUT", "Neutrophils low"),
            "there are Alanine aminotransferase increased",
        ),
        (set_to("labs.terms.NEUT", []), "labs.terms.NEUT"),
        (
            set_to("labs.terms.GLUC", ["Hyperglycemia", "Hyperglycemia (Fasting)"]),
            "GLUCH; keep one",
        ),
        (set_to("labs.terms.NEUT", "Anemia"), "no term of it grades a test of labs.terms"),
        (
            set_to("labs.reported_as.K", ["HYPOKALAEMIA"]),
            "names tests without a term: K; there are",
        ),
        (set_to("protocol.not_known", ["phase"]), "not_known.0: phase is given"),
        (
            set_to("protocol.not_known", ["phases"]),
            "not_known.0: phases is no item of the protocol",
        ),
        (set_to("protocol.sponsors", "x"), "protocol.sponsors: unknown key"),
        (
            set_to("protocol.inclusion", [{"id": "EXCL01", "text": "Age"}]),
            "inclusion.0.id: EXCL01 does not begin with INCL",
        ),
        (
            set_to("protocol.exclusion", [{"id": "EXCL01", "text": t} for t in ("Age", "Sex")]),
            "exclusion.1.id: the id EXCL01 is given twice",
        ),
        (
            set_to(
                "protocol.endpoints",
                [
                    {"rank": "primary", "name": "PSA", "definition": "Fall", "entry": "psa"},
                ],
            ),
            "endpoints.0.entry: no entry psa in the plan",
        ),
        (
            set_to("protocol.schedule.procedures", [{"name": "PSA", "at": ["week_9"]}]),
            "procedures.0.at.0: no visit week_9; there are screening",
        ),
        (set_to("psa_response.stop_at_new_therapy", False), "makes it treatment policy"),
        (set_to("progression.new_therapy", "event"), "makes it composite"),
        (set_to("progression.new_therapy", "ignore"), "makes it treatment policy"),
    ],
)
def test_a_broken_plan_names_the_key_and_the_fix(tmp_path, edit, said):
    path = changed(tmp_path, edit)
    with pytest.raises(PlanError) as error:
        read_plan(path)
    assert said in str(error.value)
    assert str(path) in str(error.value)


def test_a_laboratory_term_is_found_in_any_case_and_spelling(tmp_path):
    """The terms of CTCAE 4.03 (NIH publication 09-5410) as other people type them."""

    def edit(content):
        content["labs"]["terms"] |= {
            "NEUT": "NEUTROPHIL COUNT DECREASED", "HGB": ["Anaemia"],
            "K": ["hypokalaemia", "HYPERKALEMIA"],
        }  # fmt: skip
        for rate in content["safety_rates"]["rates"]:
            if rate["kind"] == "laboratory":
                rate["terms"] = ["NEUTROPHIL COUNT DECREASED"]

    plan = read_plan(changed(tmp_path, edit)).plan
    assert plan.labs.terms["NEUT"] == ["Neutrophil count decreased"]
    assert plan.labs.terms["HGB"] == ["Anemia"]
    sides = [(one.code, one.term, one.direction) for one in plan.labs.gradings if one.testcd == "K"]
    assert sides == [("KL", "Hypokalemia", "L"), ("KH", "Hyperkalemia", "H")]
    rates = [rate for rate in plan.safety_rates.rates if rate.kind == "laboratory"]
    assert {term for rate in rates for term in rate.terms} == {"Neutrophil count decreased"}


@pytest.mark.parametrize("name, number", [("plan", 25), ("plan-caba-v7", 21)])
def test_the_criteria_of_the_registry_entry_are_all_in_the_plan(name, number):
    """NCT02621190 lists 7 criteria of inclusion (progression and its PSA are two here) and 17 of exclusion;
    NCT03050866 lists 7 and 14."""
    protocol = read_plan(PLANS[name]).plan.protocol
    assert len(protocol.criteria) == number
    assert protocol.number in ("NL55865.078.15", "NL58639.056.16")


def test_criteria_of_the_simulated_data_are_those_of_the_plan():
    """A screening failure is counted by IETESTCD: the plan has its text."""
    from sap.simulate.screening import CRITERIA

    protocol = read_plan(PLANS["plan"]).plan.protocol
    for code, words, _ in CRITERIA:
        first = words.split()[0].lower().rstrip("s")
        assert first in protocol.criteria[code].lower(), code


def test_a_plan_without_protocol_and_estimands_is_valid(tmp_path):
    def edit(content):
        del content["protocol"], content["estimands"]

    plan = read_plan(changed(tmp_path, edit)).plan
    assert plan.protocol is None
    assert plan.estimands is None


def test_all_faults_are_said_at_once(tmp_path):
    path = changed(
        tmp_path, lambda c: (set_to("design.p2", 1)(c), set_to("safety.source", None)(c))
    )
    with pytest.raises(PlanError) as error:
        read_plan(path)
    assert "design.p2" in str(error.value)
    assert "safety.source" in str(error.value)


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "empty or no mapping"),
        ("- 1", "empty or no mapping"),
        ("a: [1, 2", "not readable YAML"),
        ("a: 1\na: 2", "given twice"),
        ("a: &x [1]\nb: *x", "alias"),
        ("a: !!python/object/apply:os.system ['true']", "not readable YAML"),
        ("study: {section: SAP 1}\nstudy: 2", "given twice"),
        ("a: " + "[" * 49 + "]" * 49, "is not a valid plan"),
        ("a: " + "[" * 50 + "]" * 50, "line 1, the plan: not readable YAML: .*deeper than 50"),
        ("a: " + "[" * 400_000, "deeper than 50"),
    ],
)
def test_hostile_or_broken_yaml_is_refused(tmp_path, text, said):
    path = tmp_path / "plan.yml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PlanError, match=said):
        read_plan(path)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "plan.yml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PlanError, match="UTF-8"):
        read_plan(path)


def test_a_missing_plan_is_wrong_use(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        read_plan(tmp_path / "none.yml")


def test_an_invalid_plan_exits_with_13(tmp_path):
    import subprocess
    import sys

    path = changed(tmp_path, set_to("design.r1", 15))
    call = [sys.executable, "-m", "sap", "simulate", str(tmp_path / "x"), "--plan", str(path)]
    got = subprocess.run(call, capture_output=True, text=True, check=False)
    assert got.returncode == 13
    assert "Traceback" not in got.stderr
    assert "r1 must be at least 0 and below n1" in got.stderr


# ---- the design is what the plan says of it ----------------------------------------------------

# Simon 1989, table 1: p0 0.10, p1 0.30, alpha 0.05, beta 0.20: optimal 1/10, 5/29; minimax 1/15, 5/25.
OPTIMAL = {"criterion": "optimal", "r1": 1, "n1": 10, "r": 5, "n": 29}
REASON = "the protocol of the trial prints this design"


def read_for_use(tmp_path: Path, **design: Any):
    from sap.pipeline.plans import read_plan as usable

    return usable(changed(tmp_path, lambda content: content["design"].update(design)))


def test_simons_designs_pass_by_their_own_name(tmp_path):
    assert read_for_use(tmp_path).plan.design.criterion == "minimax"
    assert read_for_use(tmp_path, **OPTIMAL).plan.design.n == 29
    other = {"p0": 0.2, "p1": 0.4, "criterion": "optimal", "r1": 3, "n1": 13, "r": 12, "n": 43}
    assert read_for_use(tmp_path, **other).plan.design.r == 12


@pytest.mark.parametrize(
    "design, said",
    [
        # P(X > 4) at 0.1 of 1/15, 4/25: outside check of the plan r = 4, alpha 0.093
        ({"r": 4}, ["design.alpha", "probability 0.0933", "alpha of 0.05", "not minimax"]),
        # 6 of 25 at 0.3: the power falls below the 0.8 of Simon's design with r = 5 (0.8017)
        ({"r": 6}, ["design.beta", "less than the power of 0.8", "not minimax"]),
        ({"criterion": "optimal"}, ["is not optimal", "r1 = 1, n1 = 10, r = 5, n = 29"]),
        ({**OPTIMAL, "criterion": "minimax"}, ["is not minimax", "r1 = 1, n1 = 15, r = 5, n = 25"]),
    ],
)
def test_a_design_that_is_not_what_it_says_is_refused_with_its_numbers(tmp_path, design, said):
    with pytest.raises(PlanError) as error:
        read_for_use(tmp_path, **design)
    assert all(words in str(error.value) for words in [*said, "design.deviation"])
    assert error.value.exit_code == 13
    assert read_for_use(tmp_path, **design, deviation=REASON).plan.design.deviation == REASON


def test_without_a_criterion_level_and_power_alone_are_asked(tmp_path):
    """1/12, 5/26 holds alpha and power; Simon's designs with these rates have n 25 and 29."""
    design = {"criterion": "none", "r1": 1, "n1": 12, "r": 5, "n": 26}
    assert read_for_use(tmp_path, **design).plan.design.n == 26
    with pytest.raises(PlanError, match=r"design\.alpha") as error:
        read_for_use(tmp_path, **{**design, "r": 4})
    assert "design.criterion" not in str(error.value)


def test_one_stage_has_the_size_of_a_hern_or_no_criterion(tmp_path):
    """A'Hern 2001, 0.10 against 0.30 at 0.05 and 80 %: more than 5 of 25."""
    one = {"kind": "single-stage", "r1": None, "n1": None}
    assert read_for_use(tmp_path, **one).plan.design.n == 25
    assert read_for_use(tmp_path, **one, criterion="none", n=26).plan.design.n == 26
    with pytest.raises(PlanError, match="smallest one-stage design is r = 5, n = 25"):
        read_for_use(tmp_path, **one, n=26)


def test_a_reason_for_a_design_that_needs_none_is_refused(tmp_path):
    with pytest.raises(PlanError, match="remove the line"):
        read_for_use(tmp_path, deviation=REASON)


@pytest.mark.parametrize("command", [
    ["simulate", "{out}"], ["check", "{data}", "--out", "{out}"],
    ["freeze", "{data}", "--cut-off", "final", "--out", "{out}"],
    ["analyse", "{data}", "--out", "{out}"], ["run", "--out", "{out}"],
])  # fmt: skip
def test_every_command_that_reads_a_plan_refuses_it_with_13(tmp_path, command):
    from sap.cli import app

    path = changed(tmp_path, set_to("design.r", 4))
    words = [w.format(out=tmp_path / "out", data=tmp_path / "data") for w in command]
    (tmp_path / "data").mkdir()
    ended = CliRunner().invoke(app, [*words, "--plan", str(path)])
    assert isinstance(ended.exception, PlanError)
    assert "probability 0.0933" in str(ended.exception)


def test_the_report_says_why_the_design_is_odd(run, monkeypatch):
    from sap import ard
    from sap.displays import sentences
    from sap.results.design import design

    content, _, _ = load_yaml(PLANS["plan"], "the plan")
    content["design"].update({"r": 4, "deviation": REASON})
    plan = Plan.model_validate(content)
    (run / "ard.csv").write_text(ard.to_csv(ard.bind(design(plan))), encoding="utf-8")
    (run / "tables" / "plan.json").write_text(json.dumps(plan.model_dump(mode="json")), "utf-8")
    ard._json.cache_clear()
    ard._plan.cache_clear()
    monkeypatch.setenv("SAP_RUN", str(run))
    said = sentences.design_deviation().plain
    assert "its criterion (minimax)" in said
    assert "type I error is 0.0933 (planned 0.05)" in said
    assert said.endswith(f"Reason: {REASON}.")
    assert "minimax" not in sentences.design().plain
    content["design"].update({"r": 5, "deviation": None})
    plan = Plan.model_validate(content)
    (run / "tables" / "plan.json").write_text(json.dumps(plan.model_dump(mode="json")), "utf-8")
    ard._json.cache_clear()
    ard._plan.cache_clear()
    assert sentences.design_deviation().plain == ""


# ---- each number moves something ------------------------------------------------------------


def numbers(content: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    if isinstance(content, dict):
        return [p for k, v in content.items() for p in numbers(v, (*path, k))]
    if isinstance(content, list):
        return [p for i, v in enumerate(content) for p in numbers(v, (*path, i))]
    is_number = isinstance(content, int | float) and not isinstance(content, bool)
    return [path] if is_number else []


def at(content: Any, path: tuple[str | int, ...]) -> Any:
    for part in path:
        content = content[part]
    return content


def nudged(content: Any, path: tuple[str | int, ...]) -> Plan:
    """The plan with one number changed a little, by the first change that leaves it valid."""
    value = at(content, path)
    steps = (1, -1, 2) if isinstance(value, int) else (value * 0.1, -value * 0.1, value * 0.5)
    for step in steps:
        other = copy.deepcopy(content)
        at(other, path[:-1])[path[-1]] = value + step
        try:
            return Plan.model_validate(other)
        except ValueError:
            continue
    raise AssertionError(f"no small change of {path} is valid")


def printed(run: Path) -> list[str]:
    """Every inline value of the chapters, evaluated as the report would."""
    from sap.publish.kernels import inline_expressions

    chapters = sorted((HOME / "analysis" / "chapters").glob("[0-9]*.qmd"))
    space: dict[str, Any] = {}
    texts = []
    for chapter in chapters:
        source = chapter.read_text(encoding="utf-8")
        for cell in re.findall(r"^```\{python\}\n(.*?)^```", source, re.MULTILINE | re.DOTALL):
            if "include: false" in cell:
                exec(cell, space)  # noqa: S102 - the chapters' own set-up cells
        texts += [str(eval(e, space)) for e in inline_expressions(source)]
    from sap.catalogue.populations import populations as catalogue_of_populations
    from sap.displays import populations

    texts += [populations.words(p) for p in catalogue_of_populations()]
    return texts


@pytest.fixture(scope="module")
def simulated() -> dict[str, Any]:
    from sap import contracts
    from sap.simulate import trial

    return contracts.typed(trial.simulate(128), contracts.load())


ALL_NUMBERS = numbers(load_yaml(PLANS["plan"], "the plan")[0])


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run folder whose plan and results the tests below change."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "tables").mkdir()
    facts = {
        "synthetic": True, "cut_off": "2019-06-30", "cut_off_name": "final", "cut_id": "x",
        "planned": True, "plan_file": "plan.yml", "plan_sha256": "0", "audience": "closed",
    }  # fmt: skip
    manifest = {"files": [{"name": "ie.parquet"}, {"name": "vs.parquet"}]}
    for name, content in (("run", facts), ("deviations", []), ("manifest", manifest)):
        (folder / "tables" / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def results_of(simulated: dict[str, Any], plan: Plan) -> str:
    from sap import ard
    from sap.pipeline import analyses

    return ard.to_csv(analyses.analyse(simulated, plan, dt.date(2019, 6, 30)).ard)


def text_of(run: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the chapters print of a plan beside the results that stand in `run`."""
    from sap import ard

    dumped = json.dumps(plan.model_dump(mode="json"))
    (run / "tables" / "plan.json").write_text(dumped, encoding="utf-8")
    ard._json.cache_clear()  # the results stay as they are, so only the plan is read anew
    monkeypatch.setenv("SAP_RUN", str(run))
    return printed(run)


@pytest.fixture(scope="module")
def as_planned(simulated, run) -> tuple[str, list[str]]:
    from sap import ard

    plan = read_plan(PLANS["plan"]).plan
    text = results_of(simulated, plan)
    (run / "ard.csv").write_text(text, encoding="utf-8")
    ard._read_ard.cache_clear()  # tests before may have read another one at this place
    with pytest.MonkeyPatch.context() as monkeypatch:
        return text, text_of(run, plan, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("path", ALL_NUMBERS, ids=lambda p: ".".join(map(str, p)))
def test_each_number_of_the_plan_moves_a_result_or_a_printed_text(
    path, simulated, run, as_planned, monkeypatch
):
    """The text is asked first: it costs no analysis. The plan's own print (16.1.9) does not count."""
    content, _, _ = load_yaml(PLANS["plan"], "the plan")
    other = nudged(content, path)
    results, said = as_planned
    if text_of(run, other, monkeypatch) != said:
        return
    assert results_of(simulated, other) != results


def test_the_plan_has_numbers_to_change():
    assert len(ALL_NUMBERS) >= 30


def test_help_speaks_of_the_plan():
    from sap.cli import app

    assert "--plan" in CliRunner().invoke(app, ["analyse", "--help"]).output


# What is no rule: the name of the study, its data and their dates; the design has a part of its own.
NO_RULE = {"study", "wording", "inputs", "cut_offs", "design"}


def test_every_rule_of_the_plan_has_its_paragraph_in_a_chapter():
    chapters = HOME / "analysis" / "chapters"
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(chapters.glob("*.qmd")))
    for name in ("plan.yml", "plan-caba-v7.yml"):
        rules = yaml.safe_load((chapters.parent / name).read_text(encoding="utf-8"))
        told = {
            rule for rule in rules if f'plan.section("{rule}")' in text or f"({{{rule}}})" in text
        }
        assert set(rules) - told - NO_RULE == set()
