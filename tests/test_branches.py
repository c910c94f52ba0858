"""Every numbered case of every derivation decides somebody's answer in the default extract.

The derivations keep the number of the case that decided. A case that no extract can reach without
breaking a contract or the protocol stands in UNREACHABLE with the reason; a case missing from both
lists, and a listed one that is reached after all, fail. The cuts are the plan's own: what waits for an
answer is seen at the interim cut only.
"""

from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

from sap import contracts, snapshot
from sap.derivations import lesions, tumour
from sap.derivations.tumour_rules import OVERALL, SOFT_TISSUE
from sap.pipeline import datasets
from sap.plan import read_plan
from sap.simulate.trial import simulate

PLAN = read_plan(Path(__file__).parents[1] / "analysis" / "plan.yml").plan
DEFAULT_SEED = 128  # of `make report`
WRAPPED = ("target_response", "non_target_response", "soft_tissue", "overall", "bone_responses")


class Reached(NamedTuple):
    """The datasets of each cut, and what the rules of tumour response were asked and said."""

    final: dict[str, pd.DataFrame]
    interim: dict[str, pd.DataFrame]
    said: dict[str, list[tuple[tuple[object, ...], object]]]


@pytest.fixture(scope="module")
def reached() -> Reached:
    said: dict[str, list[tuple[tuple[object, ...], object]]] = {name: [] for name in WRAPPED}
    patch = pytest.MonkeyPatch()

    def listened(rule, name: str):

        def asked(*args: object, **more: object) -> object:
            answer = rule(*args, **more)
            said[name].append((args, answer))
            return answer

        return asked

    for name in WRAPPED:
        module = lesions if hasattr(lesions, name) else tumour
        patch.setattr(module, name, listened(getattr(module, name), name))
    tables = contracts.typed(simulate(DEFAULT_SEED), contracts.load())
    cuts = {}
    for name in ("final", "interim"):
        day = PLAN.cut_offs.dates[name].date
        cuts[name] = datasets.derive(snapshot.cut(tables, day), PLAN, day).by_name()
    patch.undo()
    return Reached(cuts["final"], cuts["interim"], said)


def cases(frame: pd.DataFrame, column: str, paramcd: str) -> set[int]:
    rows = frame[frame["PARAMCD"] == paramcd] if paramcd else frame
    return {int(case) for case in rows[column].dropna()}


# Dataset, column of the case, PARAMCD (or ""), how many cases the docstring numbers.
NUMBERED = [
    ("adpsa", "ANL01CAS", "", 5),
    *[("adrs", "CASE", code, 5) for code in ("PSARESP", "PSARSP21", "PSARSP28", "PSARESPU")],
    ("adrs", "CASE", "PSARSPTP", 5),
    ("adrs", "CASE", "PSARESPA", 5),
    *[("adrs", "CASE", code, 2) for code in ("PSABEST", "PSAWK12", "TUMBEST")],
    *[("adrs", "CASE", code, 8) for code in ("PSAPROG", "PSAPROGA")],
    *[("adrs", "CASE", code, 7) for code in ("BOR", "BORC", "PSAPEND")],
    *[("adrs", "CASE", code, 4) for code in ("CTCRESP", "CTC0", "CTCRVIS", "MARKNEG")],
    *[("adrs", "CASE", f"CTCF{depth:g}", 4) for depth in PLAN.ctc.depths_pct],
    ("adctc", "ANL01CAS", "", 5),
    ("adae", "TRTEMCAS", "", 7),
    ("adpc", "ANL01CAS", "", 7),
    ("adrs", "CASE", "MEASDIS", 5),
    ("adexcl", "CASE", "", 10),
    ("adexsum", "CASE", "", 2),
    ("adbe", "CASE", "", 3),
    ("adtte", "CASE", "OS", 4),
    ("adtte", "CASE", "OSCENS", 5),
]

UNREACHABLE = {
    ("adrs", "PSARESPU", 4): "without a confirmation nothing can stay unconfirmed",
    ("adrs", "CTC0", 1): "no patient is treated with fewer than three cells",
    ("adrs", "MARKNEG", 1): "no patient is treated who is not AR-V7 positive",
    ("adexcl", "", 2): "no patient is treated who is not AR-V7 positive at one of his screenings",
    ("adrs", "MEASDIS", 4): "the extract has lesions",
    ("adtte", "OS", 2): "a death before the origin contradicts the contract of DS",
    ("adtte", "OSCENS", 2): "as above",
}


@pytest.mark.parametrize("name, column, paramcd, last", NUMBERED)
def test_every_numbered_case_is_reached(reached, name, column, paramcd, last):
    both = (reached.final[name], reached.interim[name])
    seen = set().union(*(cases(frame, column, paramcd) for frame in both))
    impossible = {case for (n, p, case) in UNREACHABLE if (n, p) == (name, paramcd)}
    assert seen == set(range(1, last + 1)) - impossible


def test_the_cases_of_a_final_report_need_no_interim_cut(reached):
    for name, column, paramcd, last in NUMBERED:
        impossible = {case for (n, p, case) in UNREACHABLE if (n, p) == (name, paramcd)}
        if paramcd != "PSAPEND":
            seen = cases(reached.final[name], column, paramcd)
            assert seen == set(range(1, last + 1)) - impossible, (name, paramcd)


def test_every_case_of_the_table_of_censoring_is_reached(reached):
    """`progression_times`: the endpoints and their sensitivities share one table of eight cases."""
    tte = reached.final["adtte"]
    times = tte[tte["PARAMCD"].str.startswith(("PFS", "RPFS", "TTPP", "DOR", "RDOR"))]
    assert {int(case) for case in times["CASE"]} == set(range(1, 9))
    main = times[times["PARAMCD"].isin(("PFS", "RPFS", "TTPP"))]
    assert {int(case) for case in main["CASE"]} >= {1, 2, 3, 4, 5, 6, 7}


def test_every_reason_of_disagreement_with_the_investigator_is_reached(reached):
    points = reached.final["adrs"]
    assert cases(points, "CASE", "OVRLRESP") == {0, 1, 2, 3, 4, 5}


@pytest.mark.parametrize(
    "name, column, answers",
    [
        ("adex", "DELAYC", {"", "U", "MAJOR", "MINOR", "N"}),
        ("adex", "DOSEC", {"U", "LOW START", "REDUCED", "LOW", "FULL"}),
        ("adlb", "ATOXGR", {"0", "1", "2", "3", "4", "0 OR 1", "NOT GRADED"}),
        ("adsl", "LINE", {"second line", "third line"}),
        ("adsl", "GROUP", {"A", "B"}),
        ("adsl", "MARKBL", {"POSITIVE", "NEGATIVE", "UNDETERMINED", "NOT DONE"}),
        (
            "adsl",
            "DTHCGR1",
            {"Adverse event, related", "Adverse event, not related", "Progression", "Not recorded"},
        ),
        ("adpc", "DEVFL", {"", "Y"}),
        ("adtr", "LIMITFL", {"", "Y"}),
        ("adpp", "AVALC", {"", "NE"}),
    ],
)
def test_every_answer_of_a_rule_without_a_number_is_given(reached, name, column, answers):
    assert set(reached.final[name][column].dropna()) == answers


def test_somebody_has_each_status_of_follow_up_and_each_intercurrent_event(reached):
    both = [reached.final, reached.interim]
    status = set().union(*(set(cut["adcur"]["STATUS"]) for cut in both))
    assert status == {"DEAD", "ENDED", "NOT FOLLOWED", "ON TREATMENT", "FOLLOW-UP"}
    adrs = reached.final["adrs"]
    yes = adrs[(adrs["AVALC"] == "Y") & adrs["PARAMCD"].str.startswith("ICE")]
    events = {"ICETOX", "ICETHER", "ICEDTH", "ICEMISS", "ICEPEND", "ICESTOP"}
    assert set(yes["PARAMCD"]) == events


def rows_used(table: tuple[tuple[str, ...], ...], asked) -> set[int]:
    """The rows of a written table that decided: the first each question fits."""

    def first(given: tuple[object, ...]) -> int:
        fits = (all(g in ("*", s) for g, s in zip(row, given, strict=False)) for row in table)
        return next(place for place, fit in enumerate(fits) if fit)

    return {first(args) for args, _ in asked}


def test_every_row_of_the_written_tables_decides_an_assessment(reached):
    assert rows_used([row[:3] for row in SOFT_TISSUE], reached.said["soft_tissue"]) == set(
        range(len(SOFT_TISSUE))
    )
    # This plan takes the first progression of soft tissue as it is, so that it is never PDu.
    possible = {place for place, row in enumerate(OVERALL) if row[0] != "PDu"}
    assert rows_used([row[:2] for row in OVERALL], reached.said["overall"]) == possible


def test_target_and_non_target_lesions_give_every_answer(reached):
    answers = {name: {answer for _, answer in reached.said[name]} for name in WRAPPED[:2]}
    assert answers["target_response"] == {"CR", "PD", "NE", "PR", "SD"}
    assert answers["non_target_response"] == {"", "PD", "NE", "CR", "NON-CR/NON-PD"}


def test_bone_scans_go_every_way(reached):
    """First scan in the window: confirmed, a flare, alone. A later one: stays, gone, alone."""
    told = [
        ([scan.new for scan in args[0]], args[0][0].day <= PLAN.bone.flare_window_days, answer)
        for args, answer in reached.said["bone_responses"]
        if args[0]
    ]
    early = [answer[0] for new, window, answer in told if window and new[0] >= 2]
    late = [a[1] for new, window, a in told if window and len(new) > 1 and new[0] == 0 < new[1]]
    assert set(early) == {"PD", "NON-PD", "PDu"}
    assert set(late) == {"PD", "NON-PD", "PDu"}
    assert any("NED" in answer for _, _, answer in told)


def test_answers_come_from_lesions_and_from_the_investigator_alone(reached):
    points = reached.final["adrs"].query("PARAMCD == 'OVRLRESP'")
    assert set(zip(points["COURSE"], points["SOURCE"], strict=True)) == {
        ("STUDY", "TR"),
        ("STUDY", "RS"),
        ("CHOICE", "RS"),
    }
