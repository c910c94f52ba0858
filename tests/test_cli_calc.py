"""`sap calc`: published answers come out, as text and as JSON, and wrong words are refused."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sap.cli.calc import app
from sap.errors import UsageError


def calc(words: str, *more: str) -> str:
    """What the command prints; an error of ours is raised as it is."""
    done = CliRunner().invoke(app, [*words.split(), *more], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def refusal(words: str, *more: str) -> str:
    """The message of the UsageError that the command raises; its exit code is 2."""
    with pytest.raises(UsageError) as refused:
        calc(words, *more)
    assert refused.value.exit_code == 2
    return str(refused.value)


SIMON = "simon --p0 0.1 --p1 0.3 --alpha 0.05 --beta 0.2"


def test_simon_1989_table_1():
    """p0 0.10, p1 0.30: optimal 1/10 5/29, EN 15.0, PET 0.74; minimax 1/15 5/25, EN 19.5, PET 0.55."""
    found = json.loads(calc(SIMON, "--json"))
    optimal, minimax = found["optimal"], found["minimax"]
    assert [optimal[name] for name in ("r1", "n1", "r", "n")] == [1, 10, 5, 29]
    assert [minimax[name] for name in ("r1", "n1", "r", "n")] == [1, 15, 5, 25]
    assert (round(optimal["expected_n_p0"], 1), round(optimal["pet_p0"], 2)) == (15.0, 0.74)
    assert (round(minimax["expected_n_p0"], 1), round(minimax["pet_p0"], 2)) == (19.5, 0.55)
    assert found["proved"] is True
    assert found["admissible"][0]["n"] == 25
    assert found["admissible"][0]["weight_high"] == 1
    text = calc(SIMON)
    assert text.splitlines()[1].split()[:5] == ["optimal", "1", "10", "5", "29"]
    assert "no larger n can be better" in text


def test_simon_under_a_constraint_and_with_too_small_an_n_max():
    found = json.loads(calc(SIMON + " --n1 12 --json"))
    assert found["optimal"]["n1"] == 12
    assert "may be better" in calc(SIMON + " --n-max 25")
    assert "n_max" in refusal(SIMON + " --n_max 15")


TWO_STAGE = "two-stage --r1 1 --n1 10 --r 5 --n 29 --p0 0.1 --conf_level 0.9"


def test_two_stage_carries_every_field():
    found = json.loads(calc(TWO_STAGE + " --responders 6 --json"))
    assert [name for name in found if name != "basis"] == [
        "stopped_at", "mle", "umvue", "median_unbiased", "bias_adjusted", "conditional_mle",
        "p_value", "mid_p_value", "conf_low", "conf_high", "decision",
    ]  # fmt: skip
    assert found["mle"] == pytest.approx(6 / 29)
    # P(X >= 6 | 0.1) is the attained alpha of this design: Simon's 0.047
    assert found["p_value"] == pytest.approx(0.047, abs=5e-4)
    assert found["decision"] == "reject H0"
    assert "decision         reject H0" in calc(TWO_STAGE + " --responders 6")


def test_an_estimate_that_does_not_exist_is_null_and_ne():
    words = "two-stage --r1 0 --n1 9 --r 2 --n 17 --p0 0.05 --conf_level 0.9 --responders 0"
    assert json.loads(calc(words + " --json"))["conditional_mle"] is None
    assert "conditional_mle  NE" in calc(words)


PROPORTION = "proportion --responders 15 --n 148 --conf_level 0.95"


def test_newcombe_1998a_table_i():
    """15 of 148: Clopper-Pearson 0.0578 0.1617, mid-p 0.0601 0.1581, Wilson 0.0624 0.1605."""
    found = json.loads(calc(PROPORTION + " --json"))
    for name, low, high in (
        ("clopper_pearson", 0.0578, 0.1617),
        ("mid_p", 0.0601, 0.1581),
        ("wilson", 0.0624, 0.1605),
        ("wilson_continuity", 0.0598, 0.1644),
    ):
        assert found[name] == {
            "low": pytest.approx(low, abs=5.1e-5), "high": pytest.approx(high, abs=5.1e-5)
        }  # fmt: skip
    assert "p_value" not in found
    assert calc(PROPORTION).startswith("15 of 148: 0.101351\n")


def test_the_exact_test_goes_with_its_direction():
    """R: binom.test(682, 925, 0.75) gives 0.3825."""
    words = "proportion --responders 682 --n 925 --conf-level 0.95 --p0 0.75"
    found = json.loads(calc(words + " --alternative two-sided --json"))
    assert found["p_value"] == pytest.approx(0.3825, abs=5e-5)
    assert "p_value  0.382492" in calc(words + " --alternative two-sided")
    assert "--alternative" in refusal(words)


def test_lee_and_liu_2008_predictive_probability():
    words = "predictive --responders 16 --n 23 --n_max 40 --p0 0.6 --prior 0.6 0.4 --threshold 0.9"
    found = json.loads(calc(words + " --json"))
    assert found["predictive_probability"] == pytest.approx(0.5656, abs=5e-5)
    assert calc(words).startswith("predictive_probability  0.565559\n")


TOXICITY = "toxicity --n 20 --p0 0.2 --alpha 0.05 --shape pocock"


def test_toxicity_bounds_as_rules_and_as_numbers():
    """R stoppingrule: calc.rule.bin(1:20, 0.2, 0.05, "Pocock")."""
    found = json.loads(calc(TOXICITY + " --p 0.2 --p 0.4 --json"))
    bounds = [2, 3, 3, 4, 4, 4, 5, 5, 5, 6, 6, 6, 7, 7, 7, 8, 8, 8, 9, 9]
    assert found["bounds"] == bounds
    assert [row["p"] for row in found["characteristics"]] == [0.2, 0.4]
    assert found["characteristics"][0]["stopping_probability"] <= 0.05
    text = calc(TOXICITY)
    assert "after 3 patients: stop at 3 or more toxicities" in text
    assert "after 19 to 20 patients: stop at 9 or more toxicities" in text
    assert "stop at 2" not in text  # two among one patient cannot happen


def test_toxicity_shapes_that_need_more_say_what():
    assert "p1" in refusal("toxicity --n 20 --p0 0.2 --alpha 0.05 --shape sprt")
    assert "prior" in refusal("toxicity --n 20 --p0 0.2 --alpha 0.05 --shape bayesian")
    assert calc("toxicity --n 20 --p0 0.2 --alpha 0.05 --shape bayesian --prior 0.2 0.8")
    assert "too small" in calc("toxicity --n 1 --p0 0.2 --alpha 0.05 --shape pocock")


@pytest.fixture
def six_patients(tmp_path: Path) -> Path:
    """Therneau, "Software validation", test data 1."""
    path = tmp_path / "six.csv"
    path.write_text("id,weeks,dead\na,1,1\nb,1,0\nc,6,1\nd,6,1\ne,8,0\nf,9,1\n", encoding="utf-8")
    return path


KM = "--time weeks --event dead --conf_level 0.95 --transform log-log"


def test_km_of_therneaus_six_patients(six_patients):
    """S is 5/6, 5/12, 5/12, 0 at 1, 6, 8 and 9; half have had the event at 6."""
    words = ["km", str(six_patients), *KM.split()]
    found = json.loads(calc("", *words, "--t", "7", "--json"))
    assert found["survival"] == pytest.approx([5 / 6, 5 / 12, 5 / 12, 0])
    assert (found["n"], found["n_events"]) == (6, 4)
    assert found["quantile"]["estimate"] == 6
    assert found["quantile"]["high"] is None
    assert found["standard_error"][-1] is None
    assert found["at"][0]["survival"] == pytest.approx(5 / 12)
    text = calc("", *words)
    assert text.startswith("6 patients, 4 events")
    assert "NE" in text
    assert text.splitlines().index("") == 5
    assert calc("", *words, "--t", "7").splitlines()[1].split() == ["t", "survival", "low", "high"]


def test_km_with_delayed_entry(tmp_path):
    """Entering at 2 leaves one of three at risk at 1: S(1) = 0.5 of the two there."""
    path = tmp_path / "late.csv"
    path.write_text("time,event,from\n1,1,0\n5,0,0\n6,1,2\n", encoding="utf-8")
    found = json.loads(calc("", "km", str(path), *KM.split()[4:], "--entry", "from", "--json"))
    assert found["at_risk"][0] == 2
    assert found["survival"][0] == 0.5


def test_a_file_that_is_no_curve_is_refused_without_quoting_a_value(tmp_path, six_patients):
    words = ["--conf_level", "0.95", "--transform", "log-log"]
    assert "no column time" in refusal("", "km", str(six_patients), *words)
    assert "cannot be read" in refusal("", "km", str(tmp_path / "none.csv"), *words)
    assert "cannot be read" in refusal("", "km", str(tmp_path), *words)
    path = tmp_path / "bad.csv"
    path.write_text("time,event\n1,1\nSmith,0\n", encoding="utf-8")
    message = refusal("", "km", str(path), *words)
    assert "time in row 2" in message
    assert "Smith" not in message
    path.write_text("time,event\n1,1\n2,7\n", encoding="utf-8")
    assert "event" in refusal("", "km", str(path), *words)
    path.write_text("time,event\n1\n", encoding="utf-8")
    assert "event in row 1" in refusal("", "km", str(path), *words)
    path.write_text("time,event\n", encoding="utf-8")
    assert "no row" in refusal("", "km", str(path), *words)
    path.write_bytes(b"time,event\n\xff\xfe,1\n")
    assert "cannot be read" in refusal("", "km", str(path), *words)


OC = "oc --r1 1 --n1 10 --r 5 --n 29"


def test_oc_of_simons_design():
    found = json.loads(calc(OC + " --p 0.1 --p 0.3 --json"))
    assert {name: found[name] for name in ("r1", "n1", "r", "n")} == {
        "r1": 1, "n1": 10, "r": 5, "n": 29,
    }  # fmt: skip
    low, high = found["characteristics"]
    assert round(low["expected_n"], 1) == 15.0
    assert round(low["probability_of_early_termination"], 2) == 0.74
    assert high["probability_of_rejection"] > 0.8
    assert calc(OC).splitlines().index("") == 22  # a header, and rates 0, 0.05, ..., 1
    single = json.loads(calc("oc --r 5 --n 25 --p 0.3 --json"))["characteristics"][0]
    assert (single["expected_n"], single["probability_of_early_termination"]) == (25, 0)


def test_the_picture_is_the_same_bytes_each_time_and_never_half_there(tmp_path):
    first, second = tmp_path / "first.svg", tmp_path / "second.svg"
    calc(OC, "--plot", str(first))
    calc(OC, "--plot", str(second))
    assert first.read_bytes() == second.read_bytes()
    text = first.read_text(encoding="utf-8")
    assert text.lstrip().startswith("<?xml")
    assert "dc:date" not in text
    for label in ("True response rate", "Probability of rejection", "Expected n"):
        assert label in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first.svg", "second.svg"]
    assert "cannot be written" in refusal(OC, "--plot", str(tmp_path / "no" / "folder.svg"))
    assert ".svg" in refusal(OC, "--plot", str(tmp_path / "picture.gif"))


@pytest.mark.parametrize(
    "words, name",
    [
        ("simon --p0 0.3 --p1 0.1 --alpha 0.05 --beta 0.2", "p1"),
        ("two-stage --r1 10 --n1 10 --r 5 --n 29 --responders 6 --p0 0.1 --conf_level 0.9", "r1"),
        (TWO_STAGE + " --responders 30", "responders"),
        ("proportion --responders 3 --n 0 --conf_level 0.95", "n must"),
        ("proportion --responders 3 --n 10 --conf_level 95", "conf_level"),
        ("predictive --responders 3 --n 9 --n_max 8 --p0 0.2 --prior 1 1 --threshold 0.9", "n "),
        ("toxicity --n 0 --p0 0.2 --alpha 0.05 --shape pocock", "n must"),
        ("oc --r1 1 --r 5 --n 29", "--n1"),
        ("oc --r 30 --n 29", "r must"),
        (OC + " --p 1.5", "p must"),
    ],
)
def test_impossible_arguments_are_named(words, name):
    assert name in refusal(words)


@pytest.mark.parametrize("words", ["simon --p0 0.1", "proportion --n many", "oracle", ""])
def test_wrong_words_are_exit_2(words):
    assert CliRunner().invoke(app, words.split()).exit_code == 2


@pytest.mark.parametrize("command", sorted(one.name for one in app.registered_commands))
def test_every_command_explains_itself_and_has_every_form(command):
    text = calc("", command, "--help")
    for form in ("--json", "--csv", "--text", "--plot"):
        assert form in text
    assert len(text.splitlines()) > 5


def test_the_module_imports_nothing_heavy():
    heavy = ("numpy", "scipy", "pandas", "matplotlib", "lifelines", "statsmodels", "pydantic")
    code = f"import sap.cli.calc, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
