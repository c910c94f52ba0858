"""Every question of `sap calc` against R, another program or a published table; docs/calc.md is written from here.

`python tests/test_calc_answers.py docs/calc.md` writes the page; a test holds it against the answers.
"""

import contextlib
import csv
import io
import json
import sys
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from sap.cli.calc import app
from sap.errors import UsageError

HOME = Path(__file__).parents[1]


class Number(NamedTuple):
    """One number of an answer: where it is in the JSON, what the source gives, and how many decimals it has."""

    path: str
    expected: Any
    decimals: int | None  # None: exactly
    source: str


SIMON = "Simon 1989, table 1"
SIMON_15 = "Simon 1989, table 2"
R_BASE = "R 4.2.2"

QUESTIONS: dict[str, list[Number]] = {
    "simon --p0 0.1 --p1 0.3": [
        Number("optimal.r1", 1, None, SIMON),
        Number("optimal.n1", 10, None, SIMON),
        Number("optimal.r", 5, None, SIMON),
        Number("optimal.n", 29, None, SIMON),
        Number("optimal.expected_n_p0", 15.0, 1, SIMON),
        Number("optimal.pet_p0", 0.74, 2, SIMON),
        Number("minimax.n", 25, None, SIMON),
        Number("minimax.expected_n_p0", 19.5, 1, SIMON),
    ],
    "simon --p0 0.1 --p1 0.3 --p1 0.25": [
        Number("answers.0.optimal.n", 29, None, SIMON),
        Number("answers.1.optimal.n1", 18, None, SIMON_15),
        Number("answers.1.optimal.n", 43, None, SIMON_15),
        Number("answers.1.optimal.expected_n_p0", 24.7, 1, SIMON_15),
        Number("answers.1.minimax.n", 40, None, SIMON_15),
        Number("answers.1.minimax.expected_n_p0", 28.8, 1, SIMON_15),
    ],
    "oc --r1 1 --n1 10 --r 5 --n 29 --p 0.1": [
        Number("characteristics.0.expected_n", 15.0, 1, SIMON),
        Number("characteristics.0.probability_of_early_termination", 0.74, 2, SIMON),
    ],
    "bryant-day --p_r0 0.3 --p_r1 0.5 --p_t0 0.4 --p_t1 0.2 --alpha_response 0.15"
    " --alpha_toxicity 0.15 --beta 0.15 --n_max 34": [
        Number("optimal.n1", 19, None, "Bryant and Day 1995, p 1379"),
        Number("optimal.n", 33, None, "Bryant and Day 1995, p 1379"),
        Number("optimal.r1", 5, None, "Bryant and Day 1995, p 1379"),
        Number("optimal.r", 12, None, "Bryant and Day 1995, p 1379"),
        Number("optimal.t1", 8, None, "the paper: 11 of 19 without toxicity"),
        Number("optimal.t", 11, None, "the paper: 22 of 33 without toxicity"),
        Number("optimal.power", 0.8542211642, 10, "R EurosarcBayes 1.1"),
        Number("optimal.expected_n", 26.19445836, 8, "R EurosarcBayes 1.1"),
    ],
    "two-stage --r1 1 --n1 10 --r 5 --n 29 --responders 6 --p0 0.1 --conf_level 0.9": [
        Number("umvue", 0.261308532967, 12, "R clinfun 1.1.5"),
        Number("p_value", 0.047086306644, 12, "R clinfun 1.1.5"),
        Number("conf_low", 0.1015, 4, "R singlearm 1.0.0"),
        Number("conf_high", 0.4127, 4, "R singlearm 1.0.0"),
    ],
    "conditional --r1 1 --n1 10 --r 5 --n 29 --responders 3 --n_seen 15 --p1 0.3 --p1 0.2": [
        Number("conditional_power.0.conditional_power", 0.839164242724, 12, f"{R_BASE} pbinom"),
        Number("conditional_power.1.conditional_power", 0.551949011681, 12, f"{R_BASE} pbinom"),
    ],
    "conditional-bounds --r1 1 --n1 10 --r 5 --n 29 --p1 0.3 --look 10 --look 15 --look 20 --look 25": [
        Number("looks.0.stop_at_or_below", 1, None, f"{R_BASE} pbinom"),
        Number("looks.2.stop_at_or_below", 1, None, f"{R_BASE} pbinom"),
        Number("looks.3.stop_at_or_below", 3, None, f"{R_BASE} pbinom"),
        Number("characteristics.0.probability_of_rejection", 0.8043514884, 10, f"{R_BASE}, recursion"),
        Number("characteristics.0.expected_n", 26.1251379673, 10, f"{R_BASE}, recursion"),
    ],
    "predictive --responders 16 --n 23 --n_max 40 --p0 0.6 --threshold 0.9": [
        Number("predictive_probability", 0.5656, 4, "Lee and Liu 2008"),
    ],
    "predictive-bounds --n_max 36 --p0 0.2 --threshold 0.922 --stop_low 0.001 --look 10 --look 20"
    " --look 30 --p 0.2 --p 0.4": [
        Number("r", 10, None, "Lee and Liu 2008: 10/36"),
        Number("looks.0.stop_at_or_below", 0, None, f"{R_BASE} beta, choose"),
        Number("looks.1.stop_at_or_below", 1, None, f"{R_BASE} beta, choose"),
        Number("looks.2.stop_at_or_below", 5, None, f"{R_BASE} beta, choose"),
        Number("characteristics.0.probability_of_rejection", 0.088046618675, 12, f"{R_BASE}, recursion"),
        Number("characteristics.1.probability_of_rejection", 0.906713276943, 12, f"{R_BASE}, recursion"),
        Number("characteristics.0.expected_n", 30.867401927, 9, f"{R_BASE}, recursion"),
    ],
    "pending --r1 1 --n1 10 --r 5 --n 29 --responders 1 --pending 2 --p0 0.1 --p 0.3": [
        Number("decision_low", "stop", None, "by hand: 1 of 10 is not more than r1"),
        Number("decision_high", "continue", None, "by hand: 3 of 10 are"),
        Number("probability_to_continue.0.probability", 0.51, 12, "by hand: 1 - 0.7 x 0.7"),
    ],
    "pending --r1 1 --n1 10 --r 5 --n 29 --responders 5 --pending 2 --p0 0.1 --n_look 29": [
        Number("p_value_high", 0.101620230782, 12, "R clinfun 1.1.5, 5 responders"),
        Number("p_value_low", 0.017696094804, 12, "R clinfun 1.1.5, 7 responders"),
        Number("umvue_low", 0.242792575365, 12, "R clinfun 1.1.5, 5 responders"),
        Number("umvue_high", 0.282153095220, 12, "R clinfun 1.1.5, 7 responders"),
        Number("probability_to_reject.0.probability", 0.19, 12, "by hand: 1 - 0.9 x 0.9"),
    ],
    "attained --r1 3 --n1 19 --r 10 --n 36 --n1_attained 17 --n_attained 34 --p0 0.2 --p1 0.4"
    " --alpha 0.1": [
        Number("r1", 3, None, "R UnplanSimon 0.1.0"),
        Number("r", 10, None, "R UnplanSimon 0.1.0"),
        Number("alpha", 0.059, 3, "R UnplanSimon 0.1.0"),
        Number("power", 0.847, 3, "R UnplanSimon 0.1.0"),
    ],
    "toxicity --n 12 --p0 0.1 --p 0.25": [
        Number("bounds", [2, 2, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4], None, "R stoppingrule 0.5.2"),
        Number("characteristics.0.stopping_probability", 0.401668906212, 12, "R clinfun 1.1.5"),
        Number("characteristics.0.expected_n", 10.014130115509, 12, "R clinfun 1.1.5"),
    ],
    "proportion --responders 6 --n 29 --p0 0.1 --alternative greater": [
        Number("clopper_pearson.low", 0.0799418488761, 13, f"{R_BASE} binom.test"),
        Number("clopper_pearson.high", 0.397246949227, 12, f"{R_BASE} binom.test"),
        Number("p_value", 0.0637174444523, 13, f"{R_BASE} binom.test"),
    ],
    "precision --p 0.3 --width 0.3": [
        Number("n", 40, None, f"{R_BASE} binom.test for 35 to 48 patients"),
        Number("low", 0.1656272044, 10, f"{R_BASE} binom.test"),
        Number("high", 0.4653162853, 10, f"{R_BASE} binom.test"),
    ],
    "precision --p 0.3 --width 0.3 --measure expected": [
        Number("n", 39, None, f"{R_BASE} binom.test, dbinom"),
        Number("width", 0.2993730331, 10, f"{R_BASE} binom.test, dbinom"),
    ],
    "screen --n 29 --prevalence 0.27": [
        Number("on_average", 108, None, "by hand: 29 / 0.27 = 107.4"),
        Number("assured.0.patients", 106, None, f"{R_BASE} qnbinom"),
        Number("assured.1.patients", 121, None, f"{R_BASE} qnbinom"),
        Number("assured.2.patients", 130, None, f"{R_BASE} qnbinom"),
        Number("assured.3.patients", 137, None, f"{R_BASE} qnbinom"),
        Number("assured.2.probability", 0.9059359, 7, f"{R_BASE} pbinom"),
    ],
    "enrol --n 29 --dropout 0.1 --not-evaluable 0.05": [
        Number("rate", 0.855, 12, "by hand: 0.9 x 0.95"),
        Number("on_average", 34, None, "by hand: 29 / 0.855 = 33.9"),
        Number("assured.0.patients", 34, None, f"{R_BASE} qnbinom"),
        Number("assured.1.patients", 36, None, f"{R_BASE} qnbinom"),
        Number("assured.2.patients", 37, None, f"{R_BASE} qnbinom"),
        Number("assured.3.patients", 38, None, f"{R_BASE} qnbinom"),
        Number("assured.2.probability", 0.921992148262, 12, f"{R_BASE} pbinom"),
    ],
    "km tests/reference/calc_km.csv --t 7": [
        Number("at.0.survival", 0.416666666667, 12, "Therneau, Software validation, test data 1: 5/12"),
        Number("at.0.low", 0.055991864852, 12, "R survival 3.5-3"),
        Number("at.0.high", 0.766522219551, 12, "R survival 3.5-3"),
        Number("quantile.estimate", 6, None, "R survival 3.5-3"),
    ],
    "landmark --survival0 0.3 --survival1 0.5 --lost 0.1": [
        Number("single_stage.n", 39, None, f"{R_BASE} pbinom: no smaller n does"),
        Number("single_stage.alpha", 0.0499841904519, 13, f"{R_BASE} pbinom"),
        Number("single_stage.power", 0.831608182405, 12, f"{R_BASE} pbinom"),
        Number("single_stage.enrolled", 44, None, "by hand: 39 / 0.9 = 43.3"),
        Number("optimal.n1", 15, None, SIMON),
        Number("optimal.n", 46, None, SIMON),
        Number("optimal.expected_n_p0", 23.6, 1, SIMON),
    ],
    "one-sample-log-rank --survival0 0.3 --survival1 0.5 --at 12 --accrual 24 --follow-up 12": [
        Number("n", 29, None, f"{R_BASE} integrate: 28.44"),
        Number("expected_hazard", 1.26710716, 8, f"{R_BASE} integrate"),
        Number("sd", 1.20646043, 8, f"{R_BASE} integrate"),
    ],
    "one-sample-log-rank --survival0 0.5 --survival1 0.6729500963 --at 9 --shape 1.22 --accrual 5"
    " --follow-up 3": [
        Number("n", 88, None, "Wu 2015: hazard ratio 1/1.75"),
    ],
    "one-sample-log-rank --survival0 0.6 --survival1 0.7745966692 --at 3 --shape 0.5 --accrual 9"
    " --follow-up 1 --beta 0.15": [
        Number("n", 45, None, "R OneArm2stage 1.2.1, phase2.TTE"),
    ],
}  # fmt: skip

ONE_EACH = list({words.split()[0]: words for words in QUESTIONS}.values())


@cache
def calc(words: str, *more: str) -> str:
    with contextlib.chdir(HOME):
        done = CliRunner().invoke(app, [*words.split(), *more], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def found_at(answer: Any, path: str) -> Any:
    for step in path.split("."):
        answer = answer[int(step)] if isinstance(answer, list) else answer[step]
    return answer


def rounded(value: Any, number: Number) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    if number.decimals is None:
        return f"{value:g}" if isinstance(value, float) else str(value)
    return f"{value:.{number.decimals}f}"


def page() -> str:
    """docs/calc.md: each number beside that of its source, then method, reference and defaults of each question."""
    rows, basis = [], {}
    for words, numbers in QUESTIONS.items():
        answer = json.loads(calc(words, "--json"))
        basis.setdefault(words.split()[0], (words, answer["basis"]))
        shown = f"`{words}`"
        for number in numbers:
            rows.append(
                f"| {shown} | `{number.path}` | {rounded(found_at(answer, number.path), number)} | "
                f"{rounded(number.expected, number)} | {number.source} |"
            )
            shown = ""
    lines = [
        "# Design questions: `sap calc`",
        "",
        "<!-- Written by `python tests/test_calc_answers.py docs/calc.md`; do not edit. -->",
        "",
        "`sap calc` answers questions of design without data or plan. Options are in",
        "[reference/commands.md](reference/commands.md). Each answer ends with the rule applied, its critical",
        "value, the method and its reference, and the defaults that were used. `--text` prints the sentence of a",
        "protocol, `--json` and `--csv` every digit, `--plot FILE.png|.svg|.pdf` writes a figure (the same bytes",
        "each time).",
        "",
        "## Answers and their references",
        "",
        "Each number is compared in the tests with that of the source, to the decimals shown.",
        "",
        "| sap calc | Number | sap | Source | Which |",
        "|---|---|---|---|---|",
        *rows,
        "",
        "## Methods, defaults and sentences",
    ]
    for name, (words, of) in sorted(basis.items()):
        defaults = (
            ", ".join(f"`{key}` {value}" for key, value in of["defaults"].items()) or "none used"
        )
        lines += [
            "",
            f"### `{name}`",
            "",
            f"- Rule: {of['rule']}.",
            f"- Critical value: {of['critical_value']}.",
            f"- Method: {of['method']}.",
            f"- Reference: {of['references']}.",
            f"- Defaults: {defaults}.",
            "",
            f"`sap calc {words} --text`:",
            "",
            f"> {of['sentence']}",
        ]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("words", QUESTIONS)
def test_the_answer_is_that_of_its_source(words):
    answer = json.loads(calc(words, "--json"))
    for number in QUESTIONS[words]:
        value = found_at(answer, number.path)
        if number.decimals is None:
            assert value == number.expected, number.path
        else:
            near = 0.5000001 * 10.0**-number.decimals
            assert value == pytest.approx(number.expected, abs=near, rel=0), number.path


def test_every_command_has_a_reference():
    assert {words.split()[0] for words in QUESTIONS} == set(get_command(app).commands)


def test_the_page_is_what_the_code_answers():
    assert (HOME / "docs" / "calc.md").read_text(encoding="utf-8") == page(), (
        "python tests/test_calc_answers.py docs/calc.md"
    )


@pytest.mark.parametrize("words", ONE_EACH)
def test_every_answer_ends_with_its_rule_and_has_every_form(words):
    lines = calc(words).splitlines()
    names = ("rule", "critical value", "method", "reference", "defaults used")
    end = lines[-len(names) :]
    assert [line[: len(name)] for line, name in zip(end, names, strict=True)] == list(names)
    assert all(line[len(name) :].strip() for line, name in zip(end, names, strict=True))
    sentence = calc(words, "--text")
    assert sentence.endswith(".\n")
    assert len(sentence.splitlines()) == 1
    assert not {"None", "nan", "NE"} & set(sentence.replace(",", " ").split())
    table = list(csv.DictReader(io.StringIO(calc(words, "--csv"))))
    assert table
    assert None not in {name for row in table for name in row}


@pytest.mark.parametrize("words", ONE_EACH)
def test_a_default_is_named_when_it_is_used_and_only_then(words):
    """Giving every default explicitly changes nothing but the list of defaults."""
    answer = json.loads(calc(words, "--json"))
    defaults = answer["basis"].pop("defaults")
    given: list[str] = []
    for name, value in defaults.items():
        if name == "prior":
            given += ["--prior", *map(str, value)]
        else:
            for each in value if isinstance(value, list) else [value]:
                given += [f"--{'look' if name == 'looks' else name}", str(each)]
    again = json.loads(calc(words, *given, "--json"))
    assert again["basis"].pop("defaults") == {}
    assert again == answer


def test_the_field_s_defaults_are_printed():
    assert calc("simon --p0 0.1 --p1 0.3").splitlines()[-1].endswith("--alpha 0.05, --beta 0.2")
    assert calc("simon --p0 0.1 --p1 0.3 --alpha 0.1").splitlines()[-1].endswith("  --beta 0.2")


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_a_figure_is_the_same_bytes_each_time(suffix, tmp_path):
    begins = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[suffix]
    paths = [tmp_path / f"{name}.{suffix}" for name in ("first", "second")]
    for path in paths:
        calc.__wrapped__("screen --n 29 --prevalence 0.27", "--plot", str(path))
    first, second = (path.read_bytes() for path in paths)
    assert first == second
    assert first.startswith(begins)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("words", ONE_EACH)
def test_every_question_has_a_figure(words, tmp_path):
    path = tmp_path / "figure.svg"
    calc(words, "--plot", str(path))
    text = path.read_text(encoding="utf-8")
    assert "<path" in text
    assert "dc:date" not in text


@pytest.mark.parametrize(
    "words,named",
    [
        ("screen --n 29 --prevalence 0.27 --json --csv", "--json and --csv exclude"),
        ("screen --n 29 --prevalence 0.27 --plot a.gif", ".png, .svg or .pdf"),
        ("screen --n 29 --prevalence 0", "--prevalence"),
        ("screen --n 29 --prevalence 0.3 --assurance 1", "assurance"),
        ("enrol --n 29", "--dropout or --not-evaluable"),
        ("enrol --n 29 --dropout 1", "--dropout"),
        ("enrol --n 29 --not-evaluable -1", "--not_evaluable"),
        ("screen --n 29 --prevalence 0.3 --assay_failure 1", "--assay_failure"),
        ("landmark --survival0 0.3 --survival1 0.5 --lost 1", "--lost"),
        ("landmark --survival0 0.3 --survival1 50", "--survival1"),
        ("toxicity --n 12 --p0 0.1 --p1 0.3", "--p1 goes with --shape sprt"),
        ("toxicity --n 12 --p0 0.1 --prior 1 1", "--prior goes with --shape bayesian"),
        ("conditional-bounds --r 5 --n 25 --p1 0.3 --look 10 --every 5", "--look and --every"),
        ("conditional --r 5 --n 29 --responders 0 --n_seen 30 --p1 0.3", "--n_seen"),
        ("attained --r1 1 --n1 10 --r 5 --n 29 --p0 0.1 --p1 0.3 --n1_attained 29", "--n1_attained"),
        ("precision --p 0.3 --width 2", "width"),
        ("proportion --responders 3 --n 1000001", "--n is at most 1,000,000"),
        ("attained --r1 1 --n1 10 --r 5 --n 29 --p0 0.1 --p1 0.3", "--n1-attained or --n-attained"),
        ("pending --r1 1 --n1 10 --r 5 --n 29 --responders 1 --pending 2 --p0 0.1 --n_look 15", "--n_look must"),
        ("conditional --r1 1 --n1 10 --r 5 --n 29 --responders 1 --n_seen 15 --p1 0.3", "responders must"),
        ("conditional --r1 1 --r 5 --n 29 --responders 1 --n_seen 9 --p1 0.3", "--r1 and --n1"),
        ("conditional-bounds --r 5 --n 25 --p1 0.3 --look 30", "--look exceeds"),
        ("conditional-bounds --r 5 --n 25 --p1 0.3 --every 0", "--every"),
        ("predictive-bounds --n_max 30 --p0 0.2 --stop_low 1", "stop_low"),
        ("landmark --survival0 0.5 --survival1 0.3", "--survival0"),
        ("one-sample-log-rank --survival0 0.5 --survival1 0.3 --at 9 --accrual 1 --follow-up 1", "survival1"),
        ("bryant-day --p_r0 0.3 --p_r1 0.5 --p_t0 0.2 --p_t1 0.4", "p_t0"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_refused_by_name(words, named):
    with pytest.raises(UsageError, match=named.replace(".", r"\.")) as refused:
        calc(words)
    assert refused.value.exit_code == 2


TWO_STAGE = "--r1 1 --n1 10 --r 5 --n 29"
BRYANT_DAY = next(words for words in QUESTIONS if words.startswith("bryant-day"))


@pytest.mark.parametrize(
    "words,said",
    [
        (f"two-stage {TWO_STAGE} --responders 29 --p0 0.1", "one-sided p < 0.0001, and"),
        ("proportion --responders 6 --n 29 --p0 0.1 --alternative greater",
         "exact one-sided test of H0: p <= 0.1 gives p = 0.0637."),
        ("proportion --responders 6 --n 29 --p0 0.3 --alternative less", "one-sided test of H0: p >= 0.3"),
        ("proportion --responders 6 --n 29 --p0 0.1 --alternative two-sided",
         "exact two-sided test of H0: p = 0.1 gives"),
        (f"conditional {TWO_STAGE} --responders 3 --n_seen 15 --p1 0.3 --p1 0.2 --p1 0.1",
         "83.9% at a rate of 0.3, 55.2% at a rate of 0.2 and 15.8% at a rate of 0.1."),
        ("conditional-bounds --r 5 --n 29 --p1 0.3 --look 29",
         "The trial is not reviewed before its end with 29 patients."),
        ("predictive-bounds --n_max 3 --p0 0.9 --threshold 0.99 --every 1", "H0 is rejected with no count of 3."),
        ("predictive --responders 1 --n 1 --n_max 3 --p0 0.9 --threshold 0.99",
         "No count of 3 patients makes P(rate > 0.9) exceed 0.99."),
        ("toxicity --n 12 --p0 0.1 --p 0.25",
         "at least 2 of 2, 3 of 3 to 7 or 4 of 8 to 12 patients have it; the trial stops with probability 4.5% at a"),
        ("toxicity --n 12 --p0 0.1 --p 0.25", "4.5% at a true rate of 0.1 and 40.2% at a true rate of 0.25."),
        (f"pending {TWO_STAGE} --responders 1 --pending 1 --p0 0.1",
         "continue when the pending one responds, else stop."),
        (f"{BRYANT_DAY} --odds_ratio 3",
         "with an odds ratio of 3 they are 13.7%, 13.4% and 85.1%."),
        ("toxicity --n 1 --p0 0.1", "With 1 patient no count"),
        ("km tests/reference/calc_km.csv --t 9", "At time 9, 0.0% are without event (limits not estimable)."),
        # R survival 3.5-3: median 6, limits 1 and NA; S(7) 0.4167, 0.0560 to 0.7665
        ("km tests/reference/calc_km.csv --t 7 --unit weeks",
         "is 6 weeks (95% confidence interval 1 week to not estimable, Kaplan-Meier, log-log limits). At 7 weeks, 41.7% are"),
        ("one-sample-log-rank --survival0 0.3 --survival1 0.5 --at 12 --accrual 24 --follow-up 12 --unit months",
         "at 12 months, 50.0% to be detected (hazard ratio 0.5757), accrual over 24 months and follow-up of 12 months"),
        ("landmark --survival0 0.3 --survival1 0.5",
         "stop after 15 patients with 5 or fewer without the event, else follow 46 in all"),
        ("precision --p 0.3 --width 0.3", "95% confidence interval (Clopper-Pearson)"),
    ],
)  # fmt: skip
def test_a_sentence_can_go_into_a_protocol_as_it_is(words, said):
    assert said in calc(words, "--text")


def test_beyond_a_censored_last_time_the_sentence_has_no_share(tmp_path):
    path = tmp_path / "curve.csv"
    path.write_text("time,event\n1,1\n5,0\n", encoding="utf-8")
    said = calc.__wrapped__(f"km {path} --t 9", "--text")
    assert said.endswith("At time 9 the share without event is not estimable.\n")


@pytest.mark.parametrize(
    "responders,seen,critical",
    [
        (1, 10, "r1 = 1: the trial stops with 1 of 10"),
        (8, 20, "r = 5: 8 responders are enough"),
        (5, 29, "r = 5: 1 more would be needed of 0 patients"),
        (3, 15, "r = 5: 3 more of 14 patients reject H0"),
    ],
)
def test_the_critical_value_of_conditional_power_is_that_of_the_look(responders, seen, critical):
    words = f"conditional {TWO_STAGE} --responders {responders} --n_seen {seen} --p1 0.3 --json"
    assert json.loads(calc(words))["basis"]["critical_value"] == critical


@pytest.mark.parametrize(
    "stage_1,responders,critical",
    [
        # R 4.2.2: pbinom(2, 19, 0.1, lower.tail = FALSE) is 0.2945552
        (3, 6, "P(more than 2 of 19 respond) at p0 = 0.1: 0.294555"),
        (7, 8, "1: 7 responders of stage 1 already exceed r = 5"),
    ],
)
def test_the_critical_value_of_another_stage_2_is_a_number(stage_1, responders, critical):
    words = f"two-stage {TWO_STAGE} --p0 0.1 --n_attained 31 --responders {responders}"
    answer = json.loads(calc(f"{words} --responders_stage1 {stage_1} --json"))
    assert answer["basis"]["critical_value"] == critical
    alone = "Stage 1 alone exceeds r = 5"
    assert (alone in calc(f"{words} --responders_stage1 {stage_1} --text")) == (stage_1 > 5)


def test_a_p_value_that_is_the_level_is_rejected():
    """1 of 1 at p0 = 0.05 has p = 0.05, the one-sided level of a 90% interval; 1 - 0.9 in floats is less."""
    words = "proportion --responders 1 --n 1 --p0 0.05 --alternative greater --conf_level 0.9"
    assert json.loads(calc(words, "--json"))["basis"]["critical_value"] == "1 or more of 1"


def test_a_curve_without_events_has_a_header_and_no_limits(tmp_path):
    path = tmp_path / "curve.csv"
    path.write_text("time,event\n3,0\n4,0\n", encoding="utf-8")
    assert calc.__wrapped__(f"km {path}", "--csv").startswith("time,at_risk,events,")
    assert "95% confidence interval not estimable, Kaplan" in calc.__wrapped__(
        f"km {path}", "--text"
    )


def test_the_direction_of_a_test_is_said_beside_its_p_value():
    words = "proportion --responders 6 --n 29 --p0 0.1 --alternative"
    assert "p_value  0.0637174  (two-sided)\n" in calc(f"{words} two-sided")
    assert "p_value  0.0637174  (greater than 0.1)\n" in calc(f"{words} greater")


def test_the_probability_of_stopping_at_p0_is_in_every_form():
    words = "toxicity --n 12 --p0 0.1 --p 0.25"
    assert "P(stop) at p0 = 0.1: 0.0446211\n" in calc(words)
    assert json.loads(calc(words, "--json"))["stopping_probability_p0"] == pytest.approx(
        0.0446211, abs=5e-8
    )


def test_the_step_of_the_looks_is_a_default_only_without_looks():
    words = "predictive-bounds --n_max 36 --p0 0.2"
    assert "--every 5" in calc(words)
    assert "--every" not in calc(f"{words} --look 10")


@pytest.mark.parametrize("measure", ["observed", "expected", "widest"])
def test_the_figure_of_precision_has_the_width_of_its_measure(measure):
    """The curve crosses the width required where the answer is, by each measure."""
    from sap.cli.calc.sizes import precision

    answer = precision(0.3, 0.3, interval="clopper_pearson", measure=measure)
    (panel,) = answer.panels()
    width = dict(zip(panel.lines[0].x, panel.lines[0].y, strict=True))
    n = answer.values["n"]
    assert width[n] == pytest.approx(answer.values["width"], abs=1e-12)
    assert width[n] <= 0.3 < width[n - 1]
    assert panel.y.startswith("Width ")


def test_one_stage_is_a_design_of_the_looks_too():
    """R pbinom(5 - 3, 25 - 10, 0.3, lower.tail = FALSE) is 0.8731723; looks as in test_interim_methods."""
    answer = json.loads(calc("conditional --r 5 --n 25 --responders 3 --n_seen 10 --p1 0.3 --json"))
    assert answer["conditional_power"][0]["conditional_power"] == pytest.approx(0.8731723, abs=5e-8)
    bounds = json.loads(
        calc("conditional-bounds --r 5 --n 25 --p1 0.3 --look 10 --look 20 --stop_low 0.2"
             " --stop_high 0.95 --json")
    )  # fmt: skip
    assert [row["stop_at_or_below"] for row in bounds["looks"]] == [None, 3, 5]
    assert [row["stop_at_or_above"] for row in bounds["looks"]] == [4, 6, 6]


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
