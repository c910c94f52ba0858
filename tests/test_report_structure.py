"""The study report follows ICH E3: its sections, and each display once and in the order of numbers."""

import re
from itertools import pairwise

import pytest
import yaml

from sap.displays.register import profiles_of, register
from sap.plan import project_home
from sap.plan.model import Plan
from sap.publish import syntax

HOME = project_home()
FILES = syntax.included(HOME / "csr.qmd")
TEXT = "\n".join(path.read_text(encoding="utf-8") for path in FILES)
HEADINGS = re.findall(r"^(#+) ([0-9.]+) .*\{#(sec-[0-9-]+)\}$", TEXT, re.MULTILINE)
PLANS = ("analysis/plan.yml", "src/sap/templates/solid-tumour-response/analysis/plan.yml")


def of_plan(names: list[str], plan: str) -> list[str]:
    """The displays that a report of the plan has."""
    content = yaml.safe_load((HOME / plan).read_text(encoding="utf-8"))
    without = profiles_of(Plan.model_validate(content))
    return [name for name in names if f"without-{name}" not in without]


ALL_SHOWN = re.findall(r"^#\| label: (tlf-[a-z0-9-]+)$", TEXT, re.MULTILINE)
SHOWN = of_plan(ALL_SHOWN, PLANS[0])
BOARD = "\n".join(path.read_text(encoding="utf-8") for path in syntax.included(HOME / "dsmb.qmd"))
ALL_SHOWN_TO_THE_BOARD = re.findall(r"^#\| label: (tlf-[a-z0-9-]+)$", BOARD, re.MULTILINE)
SHOWN_TO_THE_BOARD = of_plan(ALL_SHOWN_TO_THE_BOARD, PLANS[0])
IN_TEXT = 25  # displays of sections 9 to 12 at most

# The sections of ICH E3 (1995), from its table of contents.
E3 = re.findall(
    r"\S+",
    """
1 2 3 4 5 5.1 5.2 5.3 6 7 8 9 9.1 9.2 9.3 9.3.1 9.3.2 9.3.3 9.4 9.4.1 9.4.2 9.4.3 9.4.4 9.4.5 9.4.6 9.4.7
9.4.8 9.5 9.5.1 9.5.2 9.5.3 9.5.4 9.6 9.7 9.7.1 9.7.2 9.8 10 10.1 10.2 11 11.1 11.2 11.3 11.4 11.4.1 11.4.2
11.4.2.1 11.4.2.2 11.4.2.3 11.4.2.4 11.4.2.5 11.4.2.6 11.4.2.7 11.4.2.8 11.4.3 11.4.4 11.4.5 11.4.6 11.4.7
12 12.1 12.2 12.2.1 12.2.2 12.2.3 12.2.4 12.3 12.3.1 12.3.1.1 12.3.1.2 12.3.1.3 12.3.2 12.3.3 12.4 12.4.1
12.4.2 12.4.2.1 12.4.2.2 12.4.2.3 12.5 12.6 13 14 14.1 14.2 14.3 14.3.1 14.3.2 14.3.3 14.3.4 15 16 16.1
16.1.1 16.1.2 16.1.3 16.1.4 16.1.5 16.1.6 16.1.7 16.1.8 16.1.9 16.1.10 16.1.11 16.1.12 16.2
""",
)


def rank(number: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.split(r"[.-]", number))


def test_every_section_of_e3_is_there_and_the_sections_rise() -> None:
    numbers = [number for _, number, _ in HEADINGS]
    assert [number for number in E3 if number not in numbers] == []
    assert all(rank(one) < rank(other) for one, other in pairwise(numbers))


def test_the_level_and_the_id_of_a_heading_follow_its_number() -> None:
    for marks, number, name in HEADINGS:
        assert (len(marks), name) == (number.count(".") + 1, f"sec-{number.replace('.', '-')}")


def test_a_section_is_not_empty() -> None:
    bodies = re.split(r"^#+ .*$", TEXT, flags=re.MULTILINE)[1:]
    found = re.findall(r"^(#+) (.*)$", TEXT, re.MULTILINE)
    for (marks, title), body, (below, _) in zip(
        found, bodies, [*found[1:], ("#", "")], strict=True
    ):
        assert body.strip() or len(below) > len(marks), title


def test_each_display_of_the_study_report_stands_once() -> None:
    assert len(ALL_SHOWN) == len(set(ALL_SHOWN))
    of_the_board = {name for name in register() if name.startswith("tlf-dsmb-")}
    assert set(register()) - set(ALL_SHOWN) == of_the_board


def test_the_text_holds_few_displays() -> None:
    numbers = [register()[name].number for name in SHOWN]
    assert len([number for number in numbers if re.match(r"(9|10|11|12)-", number)]) <= IN_TEXT


@pytest.mark.parametrize("section", [1, 2, 8, 9, 10, 11, 12, 13, 16])
@pytest.mark.parametrize("kind", ["table", "figure"])
@pytest.mark.parametrize("plan", PLANS)
def test_numbers_of_the_text_rise_in_their_section(plan: str, kind: str, section: int) -> None:
    entries = [register()[name] for name in of_plan(ALL_SHOWN, plan)]
    numbers = [
        rank(one.number)
        for one in entries
        if one.kind == kind and one.number.startswith(f"{section}-")
    ]
    assert numbers == sorted(set(numbers))


def test_a_number_names_its_section_and_one_display_of_a_report() -> None:
    """Table 11-3 in the text, Table 14.2.1.3 and Listing 16.2.7.1 after it; the board's report has both kinds."""
    of_board = [of_plan(ALL_SHOWN_TO_THE_BOARD, plan) for plan in PLANS]
    for shown in (*(of_plan(ALL_SHOWN, plan) for plan in PLANS), *of_board):
        labels = [register()[name].label for name in shown]
        assert sorted(labels) == sorted(set(labels))
        numbers = [register()[name].number for name in shown]
        assert [one for one in numbers if not re.fullmatch(r"\d+-\d+|1[46](\.\d+){3}", one)] == []


def test_numbers_of_section_14_and_16_2_rise_and_no_other_display_is_in_them() -> None:
    for section in ("14", "16.2"):
        start = next(i for i, each in enumerate(HEADINGS) if each[1] == section)
        stop = next((name for _, number, name in HEADINGS[start:] if number == "15"), None)
        text = TEXT.split("{#" + HEADINGS[start][2] + "}")[1].split("{#" + str(stop) + "}")[0]
        here = re.findall(r"^#\| label: (tlf-[a-z0-9-]+)$", text, re.MULTILINE)
        numbers = [register()[name].number for name in here]
        assert all(number.startswith(f"{section}.") for number in numbers)
        assert all(rank(one) < rank(other) for one, other in pairwise(numbers))
        others = [register()[name].number for name in SHOWN if name not in here]
        assert not [number for number in others if number.startswith(f"{section}.")]


def test_a_display_of_the_text_is_in_the_section_of_its_number() -> None:
    at = ""
    for line in TEXT.splitlines():
        if heading := re.match(r"# (\d+) ", line):
            at = heading[1]
        elif shown := re.match(r"#\| label: (tlf-[a-z0-9-]+)$", line):
            assert re.split(r"[.-]", register()[shown[1]].number)[0] == at, shown[1]
