"""The open flow: whoever solves its sums finds another flow that fits, tried by enumeration."""

import math
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sap import ard
from sap.methods.disclosure import other_solution
from sap.plan import read_plan
from sap.results.protection import open_rows
from sap.results.screening import flow
from sap.results.sets import members

PLAN = read_plan(Path(__file__).parents[1] / "analysis" / "plan.yml").plan
K = 5


def rows(stats, **where) -> pd.DataFrame:
    given = {"analysis": "a", "section": "SAP 1", "population": "SAFETY", "method": "m"}
    return ard.rows(stats, **(given | where))


STATES = ("positive", "negative", "undetermined", "not done")
# The flow as a reader of the diagram and of Tables 14.1.1 to 14.1.4 knows it, written down by hand.
FLOW = {
    "Consented": ("Sampled", "No sample"),
    "Sampled": ("Qualifies for group B", "Does not qualify"),
    "SAMPLED": tuple(f"AR-V7 {state}" for state in STATES),
    "CTC evaluable": ("CTC < 3", "CTC >= 3"),
    "CTC < 3": tuple(f"AR-V7 {state}, CTC < 3" for state in STATES),
    "CTC >= 3": tuple(f"AR-V7 {state}, CTC >= 3" for state in STATES),
    **{f"AR-V7 {s}": (f"AR-V7 {s}, CTC < 3", f"AR-V7 {s}, CTC >= 3") for s in STATES},
    "QUALIFIES": ("AR-V7 positive, CTC >= 3",),
    "Does not qualify": ("AR-V7 positive, CTC < 3", *(f"AR-V7 {s}" for s in STATES[1:])),
    "Qualifies for group B": ("Qualified, not treated", "Treated in group B after first screening"),
    "Qualified, not treated": (
        "Qualified, not treated: declined",
        "Qualified, not treated: not eligible",
        "Qualified, not treated: other",
    ),
    "DOES NOT QUALIFY": ("Group A", "Does not qualify, not in group A"),
    "Group A": ("Re-screened", "END Group A, not re-screened"),
    "Re-screened": ("Re-screened, does not qualify", "Re-screened, AR-V7 positive, CTC >= 3"),
    "RE-SCREENED": ("END Re-screened, not treated", "Treated in group B after re-screening"),
    "Re-screened, AR-V7 positive, CTC >= 3": (
        "Re-screened, qualified, not treated",
        "Treated in group B after re-screening",
    ),
    "Re-screened, qualified, not treated": tuple(
        f"Re-screened, qualified, not treated: {why}"
        for why in ("not eligible", "declined", "other")
    ),
    "COUNTED OR NOT": ("CTC evaluable", "CTC not evaluable"),
    "SAFETY": (
        "Treated in group B after first screening",
        "Treated in group B after re-screening",
    ),
    "PRIMARY": ("Treated in group B after first screening",),
    "MARKERPOS": ("AR-V7 positive",),
    "END Treated after the first screening": ("PRIMARY",),
    "END Treated through re-screening": ("Treated in group B after re-screening",),
}
AGAIN = {
    "SAMPLED": "Sampled",
    "COUNTED OR NOT": "Sampled",
    "QUALIFIES": "Qualifies for group B",
    "DOES NOT QUALIFY": "Does not qualify",
    "RE-SCREENED": "Re-screened",
}


def a_trial(seed: int, subjects: int) -> pd.DataFrame:
    """ADSL of a trial whose patients went through screening as chance would have it."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"USUBJID": [f"{i:03d}" for i in range(subjects)], "RFICDT": "2017-01-01"})
    table["SCRFL"] = np.where(rng.random(subjects) < 0.9, "Y", "N")
    sampled = table["SCRFL"] == "Y"
    table["CTCBL"] = pd.Series(rng.choice([0, 2, 5, 40], subjects, p=[0.2, 0.1, 0.3, 0.4])).where(
        sampled
    )
    state = rng.choice([s.upper() for s in STATES], subjects, p=[0.3, 0.5, 0.1, 0.1])
    table["ARV7BL"] = pd.Series(state).where(sampled)
    table["ARV7REAS"] = pd.Series(rng.choice(["LOST", "FAILED", "FEW"], subjects)).where(
        table["ARV7BL"].isin(["UNDETERMINED", "NOT DONE"])
    )
    good = (table["ARV7BL"] == "POSITIVE") & (table["CTCBL"] >= 3)
    luck = rng.random(subjects)
    table["GROUP"] = None
    table.loc[good & (luck < 0.9), "GROUP"] = "B"
    table.loc[sampled & ~good & (luck < 0.95), "GROUP"] = "A"
    first = (table["GROUP"] == "B") & (luck < 0.75)
    again = (table["GROUP"] == "A") & (luck < 0.25)
    qualified_again = again & (luck < 0.12)
    treated_again = qualified_again & (luck < 0.09)
    table["SCRNOUT"] = None
    table.loc[good & ~first & (luck > 0.85), "SCRNOUT"] = "DECLINED"
    table.loc[good & ~first & (luck <= 0.85), "SCRNOUT"] = "NOT ELIGIBLE"
    table["NCYCLES"] = np.where(first | treated_again, 3.0, 0.0)
    table["RESCFL"] = np.where(again, "Y", "N")
    table["RESCARV7"] = np.where(qualified_again, "POSITIVE", "NEGATIVE")
    table["RESCCTC"] = 5.0
    table["RESCTRFL"] = np.where(treated_again, "Y", "N")
    lost = qualified_again & ~treated_again
    table["RESCIEFL"] = np.where(lost & (luck < 0.1), "N", "Y")
    table["RESCOUT"] = pd.Series("DECLINED", table.index).where(lost & (luck > 0.11))
    table["RESALLDT"] = pd.Series(pd.Timestamp("2017-03-01"), table.index).where(treated_again)
    flags = {
        "PRIMFL": first,
        "SAFFL": first | treated_again,
        "MPOSFL": table["ARV7BL"] == "POSITIVE",
    }
    return table.assign(**{name: np.where(who, "Y", "N") for name, who in flags.items()})


Ends = dict[str, tuple[int, int]]


def narrowed(ends: Ends, sums: list[list[str]]) -> Ends | None:
    """What each sum leaves of every range, again and again; None when a range is empty."""
    ends, changed = dict(ends), True
    while changed:
        changed = False
        for total, *parts in sums:
            low, high = (sum(ends[p][i] for p in parts) for i in (0, 1))
            new = {total: (low, high)}
            for p in parts:
                new[p] = ends[total][0] - high + ends[p][1], ends[total][1] - low + ends[p][0]
            for name, (least, most) in new.items():
                mine = max(ends[name][0], least), min(ends[name][1], most)
                if mine[0] > mine[1]:
                    return None
                changed |= mine != ends[name]
                ends[name] = mine
    return ends


def tried(ends: Ends, sums: list[list[str]]) -> Ends | None:
    """Some counts that fit, by trying every number of the narrowest range, and so on."""
    found = narrowed(ends, sums)
    open_ = sorted((b - a, name) for name, (a, b) in (found or {}).items() if a < b)
    if found is None or not open_:
        return found
    name = open_[0][1]
    guesses = range(found[name][0], found[name][1] + 1)
    fits = (tried(found | {name: (number, number)}, sums) for number in guesses)
    return next((whole for whole in fits if whole is not None), None)


def other_counts(shown: Ends, asked: str, true: int) -> Ends | None:
    """Counts that fit every sum of FLOW with another number at `asked`.

    What a sum may leave out (a patient with no count of cells) is a part of its own, from 0.
    """
    ends, sums = dict(shown), []
    for total, parts in FLOW.items():
        named = [AGAIN.get(total, total), *parts]
        if not all(name in ends for name in named):
            continue
        if total.startswith("AR-V7") or total == "Does not qualify":
            ends[f"rest of {total}"] = (0, 99)
            named.append(f"rest of {total}")
        sums.append(named)
    guesses = (number for number in range(ends[asked][0], ends[asked][1] + 1) if number != true)
    fits = (tried(ends | {asked: (number, number)}, sums) for number in guesses)
    return next((whole for whole in fits if whole is not None), None)


@pytest.mark.parametrize("seed, subjects", [(1, 60), (7, 60), (3, 90), (4, 40), (5, 150), (6, 25)])
def test_no_hidden_box_of_the_flow_follows_from_the_other_boxes(seed, subjects):
    """Whoever knows every sum of the flow finds, for each hidden box, another flow that fits."""
    adsl = a_trial(seed, subjects)
    parts = flow(adsl, PLAN)
    parts += [
        rows({"n": len(members(adsl, population))}, analysis="analysis_sets", population=population)
        for population in ("PRIMARY", "SAFETY", "MARKERPOS")
    ]
    whole = ard.bind(parts)
    found = open_rows(whole, ("flow", "analysis_sets"), K, 3, summary_from=20)

    def named(row) -> str:
        if row.analysis == "analysis_sets":
            return str(row.population)
        return {"BOX": "", "FINAL": "END ", "REASON": "WHY "}[row.paramcd] + row.level

    def known(row) -> tuple[int, int]:
        if not math.isnan(row.stat):
            return int(row.stat), int(row.stat)
        bound = int(row.stat_text.removeprefix("<"))
        return (1 if bound == K else K), bound - 1

    wanted = {name for total, parts_ in FLOW.items() for name in (total, *parts_)}
    truth = {named(row): int(row.stat) for row in whole.itertuples()}
    shown = {named(row): known(row) for row in found.itertuples() if named(row) in wanted}
    assert shown["SAFETY"] == (truth["SAFETY"],) * 2 or truth["SAFETY"] < K
    small = [name for name in shown if 0 < truth[name] < K]
    assert small
    for name in small:
        assert shown[name] == (1, K - 1)
        assert other_counts(shown, name, truth[name]) is not None, name
    big = [name for name in shown if truth[name] >= K]
    assert sum(a == b for a, b in (shown[name] for name in big)) >= len(big) / 2


def test_the_flow_without_its_complements_would_have_told():
    """The attack of the test above finds the hidden box where only the small ones are hidden."""
    shown = {
        "Qualifies for group B": (13, 13),
        "Qualified, not treated": (1, 4),
        "Treated in group B after first screening": (10, 10),
    }
    assert other_counts(shown, "Qualified, not treated", 3) is None
    shown["Treated in group B after first screening"] = (5, 19)
    assert other_counts(shown, "Qualified, not treated", 3) is not None


@pytest.mark.parametrize("truth", [(1, 1, 2, 4), (4, 4, 1, 9), (3, 2, 6, 11), (4, 1, 4, 9)])
@pytest.mark.parametrize("shown", [3, 2])
def test_another_solution_is_found_when_enumeration_finds_one(truth, shown):
    """Three parts and their total, parts under 5 hidden as 1 to 4, others shown; all tables tried."""
    low = [1 if number < K and place != shown else number for place, number in enumerate(truth)]
    high = [4 if number < K and place != shown else number for place, number in enumerate(truth)]
    low[3], high[3] = (truth[3], truth[3]) if shown == 3 else (1, 12)
    ranges = (range(a, b + 1) for a, b in zip(low, high, strict=True))
    fits = [guess for guess in product(*ranges) if sum(guess[:3]) == guess[3]]
    for place in range(4):
        found = other_solution([{0: 1, 1: 1, 2: 1, 3: -1}], truth, low, high, place)
        others = [guess for guess in fits if guess[place] != truth[place]]
        assert (found is None) == (not others)
        if found is not None:
            assert tuple(found.tolist()) in others
            nearest = min(sum(abs(a - b) for a, b in zip(g, truth, strict=True)) for g in others)
            assert np.abs(found - np.array(truth)).sum() == nearest


@pytest.mark.parametrize(
    "truth, low, high, place, said",
    [
        ([1, 2], [1], [4, 4], 0, "one number for each"),
        ([5, 2], [1, 1], [4, 4], 0, "must lie between"),
        ([1, 2], [1, 1], [4, 4], 2, "must name places"),
    ],
)
def test_bad_arguments_of_the_search_are_named(truth, low, high, place, said):
    with pytest.raises(ValueError, match=said):
        other_solution([{0: 1, 1: 1}], truth, low, high, place)
