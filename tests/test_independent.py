"""The second opinion: no code of the first, every row it promises, and it can disagree."""

import ast
import datetime as dt
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from sap import contracts, snapshot
from sap.audit.independent import curves, second_opinion
from sap.audit.independent.people import Man, people
from sap.audit.independent.response import Visit, answer, counted
from sap.pipeline import steps
from sap.plan import read_plan
from sap.simulate import trial

HOME = Path(__file__).parents[1]
ROOM = HOME / "src" / "sap" / "audit" / "independent"
CARVE = read_plan(HOME / "analysis" / "plan.yml")
PROMISED = (
    "psa_response",
    "psa_response_unconfirmed",
    "psa_response_21d",
    "psa_response_28d",
    "psa_estimand",
    "rescreen_response",
    "os",
    "os_curve",
    "os_at_risk",
    "pfs",
    "ae_overview",
    "ae_soc_pt",
    "flow",
)


def test_the_room_imports_nothing_of_the_first_route():
    for path in ROOM.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.ImportFrom):
                names = [str(node.module)]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                assert not name.startswith(("sap.derivations", "sap.results", "sap.methods")), path


def opinion(tables, plan, frozen_root: Path, spoil=None):
    """Freeze, analyse, ask for a second opinion; `spoil` changes the ARD in between."""
    rules = contracts.load()
    day = plan.plan.cut_offs.dates["final"].date
    kept = snapshot.in_order(snapshot.cut(contracts.typed(tables, rules), day), rules)
    cut = snapshot.freeze(
        kept,
        cut_off=day,
        cut_off_name="final",
        planned=True,
        plan_hash=plan.sha256,
        contracts=rules,
        findings=pd.DataFrame(columns=list(contracts.FINDING_COLUMNS)),
        frozen_root=frozen_root,
    )
    made = steps.analyse(snapshot.load(cut), plan.plan, day)
    rows = made.ard if spoil is None else spoil(made.ard)
    return second_opinion(cut, plan.plan, rows, made.datasets["adtte"])


def agreed(found) -> None:
    wrong = found.rows[found.rows["opinion"] == "disagrees"]
    assert wrong.empty, wrong.head().to_string()
    for analysis in PROMISED:
        if (found.rows["analysis"] == analysis).any():
            assert found.share_of(analysis) == 100, analysis


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 11))
def test_ten_synthetic_trials_have_no_unexplained_difference(seed, tmp_path):
    tables = trial.simulate(seed, ctc_threshold=CARVE.plan.screening.ctc_minimum)
    agreed(opinion(tables, CARVE, tmp_path))


@pytest.mark.slow
@pytest.mark.shared
def test_caba_v7_has_no_unexplained_difference_and_the_published_result(shared_data, tmp_path):
    from sap.intake import caba_v7

    plan = read_plan(HOME / "analysis" / "plan-caba-v7.yml")
    tables, _ = caba_v7.read(shared_data / "caba-v7")
    found = opinion(tables, plan, tmp_path)
    agreed(found)
    # Published: 3 of 25 (Isebia et al., 2022).
    rows = found.rows[
        (found.rows["analysis"] == "psa_response") & (found.rows["population"] == "PRIMARY")
    ].set_index("stat_name")["second"]
    assert (rows["n"], rows["N"]) == (3, 25)


@pytest.mark.slow
def test_every_number_that_is_moved_on_purpose_is_disagreed_with(tmp_path):
    tables = trial.simulate(3, ctc_threshold=CARVE.plan.screening.ctc_minimum, n_screened=60)

    def spoil(ard: pd.DataFrame) -> pd.DataFrame:
        known = ard["analysis"].isin(PROMISED) & ard["stat"].notna()
        return ard.assign(stat=ard["stat"].where(~known, ard["stat"] * 1.001 + 0.001))

    found = opinion(tables, CARVE, tmp_path, spoil)
    rows = found.rows[found.rows["analysis"].isin(PROMISED) & found.rows["stat"].notna()]
    assert set(rows["opinion"]) == {"disagrees"}


@pytest.mark.slow
def test_a_row_the_ard_lost_is_missed(tmp_path):
    tables = trial.simulate(3, ctc_threshold=CARVE.plan.screening.ctc_minimum, n_screened=60)
    lost = ("ae_overview", "Any", "n")

    def spoil(ard: pd.DataFrame) -> pd.DataFrame:
        names = ["analysis", "level", "stat_name"]
        return ard[~(ard[names] == list(lost)).all(axis=1)]

    found = opinion(tables, CARVE, tmp_path, spoil)
    wrong = found.rows[found.rows["opinion"] == "disagrees"]
    assert set(wrong["stat_text"]) == {"not in the ARD"}
    assert set(wrong["level"]) == {"Any"}


# ---- the other routes, by hand -------------------------------------------------------------------

MAN = Man("P1", doses=2, first_dose=dt.date(2017, 1, 1), last_dose=dt.date(2017, 3, 1))


def days(*values: tuple[int, str]) -> list[Visit]:
    return [Visit(dt.date(2017, 1, 1) + dt.timedelta(days=d), Decimal(p)) for d, p in values]


@pytest.mark.parametrize(
    "seen, says",
    [
        # Baseline on day 0; CARVE: a fall of 50 % by day 84, another at least 28 days later.
        (days((0, "100"), (21, "50"), (49, "50")), "Y"),
        (days((0, "100"), (21, "50"), (48, "50")), "N"),
        (days((0, "100"), (21, "50.1"), (49, "50")), "N"),
        (days((0, "0.7"), (21, "0.35"), (49, "0.35")), "Y"),
        (days((0, "100"), (21, "50"), (42, "80"), (56, "40")), "Y"),
        (days((-7, "100"), (21, "40"), (200, "40")), "N"),  # day 200 is after the last cycle + 21
        (days((0, "100")), "NE"),
        (days((21, "40"), (49, "40")), "NE"),
        (days((0, "0"), (21, "0"), (49, "0")), "NE"),
    ],
)
def test_the_literal_loop_gives_the_answers_found_by_hand(seen, says):
    base, after = counted(MAN, seen, None, CARVE.plan, stop_at_therapy=True)
    assert answer(MAN, base, after, CARVE.plan, confirm_days=28).says == says


def test_a_value_on_the_day_of_a_new_therapy_does_not_count():
    seen = days((0, "100"), (21, "40"), (49, "40"))
    therapy = dt.date(2017, 1, 1) + dt.timedelta(days=49)
    base, after = counted(MAN, seen, therapy, CARVE.plan, stop_at_therapy=True)
    assert answer(MAN, base, after, CARVE.plan, confirm_days=28).says == "N"
    base, after = counted(MAN, seen, therapy, CARVE.plan, stop_at_therapy=False)
    assert answer(MAN, base, after, CARVE.plan, confirm_days=28).says == "Y"


def test_the_exact_product_is_therneaus_six_patients():
    # Therneau, "Survival: software validation", test data 1.
    steps_ = curves.product([1, 1, 6, 6, 8, 9], [1, 0, 1, 1, 0, 1])
    assert [float(s.survival) for s in steps_] == pytest.approx([5 / 6, 5 / 12, 5 / 12, 0])
    assert [s.at_risk for s in steps_] == [6, 4, 2, 1]


def test_the_median_of_a_flat_stretch_at_one_half_is_its_middle():
    # CAMIS, R against SAS: 5 events, then 5 censored; R gives 102.5 and no upper limit.
    times = [54, 61, 69, 80, 85, 100, 105, 110, 115, 120]
    got = curves.Curve(times, [1] * 5 + [0] * 5, CARVE.plan).median()
    assert got["median"] == pytest.approx(102.5 / CARVE.plan.survival.days_per_month)
    assert got["conf_low"] == pytest.approx(54 / CARVE.plan.survival.days_per_month)
    assert got["conf_high"] is None


def test_a_curve_that_lifelines_disputes_gives_no_answer(monkeypatch):
    from fractions import Fraction

    true = curves.product

    def wrong(times, event):
        return [s._replace(survival=s.survival * Fraction(999, 1000)) for s in true(times, event)]

    assert curves.answers([5, 8, 9], [1, 0, 1], CARVE.plan)
    monkeypatch.setattr(curves, "product", wrong)
    assert curves.answers([5, 8, 9], [1, 0, 1], CARVE.plan) == {}


def test_a_death_known_only_by_its_month_is_not_before_the_last_day_alive():
    tables = {
        "dm": [{"USUBJID": "P1", "RFICDTC": "2017-01-01", "DTHDTC": "2017-03"}],
        "ss": [{"USUBJID": "P1", "SSSTRESC": "ALIVE", "SSDTC": "2017-03-10"}],
    }
    man = people(tables, CARVE.plan)["P1"]
    assert (man.died, man.last_alive) == (dt.date(2017, 3, 10), dt.date(2017, 3, 10))
