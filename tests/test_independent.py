"""The second opinion: no code of the first, every row it promises, and it can disagree."""

import ast
import datetime as dt
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pandas as pd
import pytest

from sap import contracts, snapshot
from sap.audit.independent import again as again_
from sap.audit.independent import curves, second_opinion, stages
from sap.audit.independent.opinion import _says
from sap.audit.independent.people import Man, people
from sap.audit.independent.response import Answer, Course, Visit, answer, counted
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
    "psa_two_stage",
    "psa_posterior",
    "rescreen_response",
    "rescreening",
    "allocation_time",
    "accrual",
    "disposition",
    "os",
    "os_curve",
    "os_at_risk",
    "os_group_curve",
    "os_arv7_curve",
    "pfs",
    "pfs_sensitivity",
    "pfs_reasons",
    "rpfs",
    "ttpp",
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


def test_every_outcome_of_a_small_design_by_hand():
    """One man, and a second when he responds: totals 0, 1 and 2 come in one way each.

    At p0 = 1/2 they have the chances 1/2, 1/4 and 1/4. With one responder among two: P(X >= 1) is
    1/2 and half of P(X = 1) less is 3/8; P(X >= 1 | p) = p is 1/2 at 1/2 and 0.025 at 0.025, and
    P(X <= 1 | p) = 1 - p^2 is 0.025 at sqrt(0.975). Stage 1 responded for sure: the UMVUE is 1.
    """
    small = stages.Outcomes(0, 1, 2)
    assert small.ways == [1, 1, 1]
    assert [float(c) for c in small.chances(Fraction(1, 2))] == [0.5, 0.25, 0.25]
    got = stages.estimates(small, 1, 0.5, 0.95)
    assert (got["mle"], got["umvue"], got["p_value"], got["mid_p_value"]) == (0.5, 1, 0.5, 0.375)
    assert got["conf_low"] == pytest.approx(0.025)
    assert got["conf_high"] == pytest.approx(0.975**0.5)
    assert got["median_unbiased"] == pytest.approx(0.5)
    assert got["conditional_mle"] == 0  # the fewest that stage 2 can have


@pytest.mark.parametrize(
    "responders, n, first, says",
    [
        (9, 25, None, "H0 rejected"),
        (1, 25, None, "H0 not rejected"),
        (9, 24, None, "No decision: fewer than planned"),
        (9, 26, None, "No decision: more than planned"),
        (9, 25, (0, 0), "H0 not rejected: stopped after stage 1"),
        (9, 25, (0, 9), "No decision: stage 1 has pending men"),
        (9, 25, (5, 9), "H0 rejected"),
    ],
)
def test_the_rule_of_a_design_of_two_stages_knows_its_first_stage(responders, n, first, says):
    design = CARVE.plan.design.model_copy(update={"r1": 1, "n1": 12, "r": 5, "n": 25})
    assert stages.decision(design, responders, n, first) == says


def test_a_man_treated_through_re_screening_answers_for_no_set_of_the_first():
    again = Man("P1", doses=1, first_dose=dt.date(2017, 5, 1), again_allocated=dt.date(2017, 4, 1))
    before = Man("P2", doses=1, first_dose=dt.date(2017, 3, 1), again_allocated=dt.date(2017, 4, 1))
    assert (again.treated_again, before.treated_again) == (True, False)
    yes = Course(None, {"PSARESP": Answer("Y")}, unconfirmed=False, pending=False)
    men = {"P1": again, "P2": before}
    assert _says(men, dict.fromkeys(men, yes), ["P1", "P2"], "PSARESP") == ["NE", "Y"]


def test_quartiles_are_the_middle_of_a_step():
    # By hand, SAS PCTLDEF=5 on 1, 2, 3, 4: n p = 1, 2, 3 are whole, so 1.5, 2.5 and 3.5.
    got = again_.summary([4.0, 1.0, None, 3.0, 2.0])
    assert (got["n"], got["n_missing"]) == (4, 1)
    assert (got["q1"], got["median"], got["q3"]) == (1.5, 2.5, 3.5)
    assert got["sd"] == pytest.approx((5 / 3) ** 0.5)


def test_the_log_rank_test_of_freireichs_trial():
    """6-MP against placebo (Freireich 1963), as printed by Kleinbaum and Klein: 16.79 on 1 df."""
    drug = [(6, 1)] * 3 + [(t, 1) for t in (7, 10, 13, 16, 22, 23)]
    drug += [(t, 0) for t in (6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35)]
    placebo = [
        (t, 1) for t in (1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23)
    ]
    got = curves.log_rank(drug, placebo)
    assert got["statistic"] == pytest.approx(16.79, abs=0.005)
    assert curves.log_rank([(5, 0)], [(6, 1)])["p_value"] is None


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
