"""The design in the ARD: a published two-stage design, and a single-stage one from binomial tables."""

import pytest
from scipy.stats import binom

from sap import ard
from sap.plan import project_home, read_plan
from sap.results import design as results
from sap.results.design import design

PLAN = read_plan(project_home() / "analysis" / "plan.yml").plan


def of(**changes: object) -> dict[tuple[str, str, str], float]:
    """The rows of a plan whose design has these values, by analysis, level and statistic."""
    changed = PLAN.design.model_copy(update=changes)
    rows = ard.bind(design(PLAN.model_copy(update={"design": changed})))
    assert set(rows["population"]) == {"PRIMARY"}
    keys = rows[["analysis", "level", "stat_name"]].itertuples(index=False, name=None)
    return dict(zip(keys, rows["stat"], strict=True))


@pytest.mark.worked("design", "design_oc")
def test_simons_optimal_design_for_10_and_30_percent_has_its_published_characteristics():
    """Simon 1989, table 1: 1/10 and 5/29, expected sample size 15.0, early termination 0.74.

    Type I error and power are summed here over the responses of stage 1, by scipy.
    """
    rows = of(p0=0.1, p1=0.3, alpha=0.05, beta=0.2, r1=1, n1=10, r=5, n=29)

    def rejected(p: float) -> float:
        return sum(binom.pmf(x, 10, p) * binom.sf(5 - x, 19, p) for x in range(2, 11))

    stats = {name: value for (analysis, _, name), value in rows.items() if analysis == "design"}
    assert stats == pytest.approx(
        {
            "p0": 0.1, "p1": 0.3, "alpha_planned": 0.05, "power_planned": 0.8,
            "r1": 1, "n1": 10, "r": 5, "n": 29,
            "alpha": rejected(0.1), "power": rejected(0.3),
            # 0.9 ** 10 + 10 * 0.1 * 0.9 ** 9
            "probability_of_early_termination": 0.7360989291,
            "expected_n": 10 + 19 * (1 - 0.7360989291),
        }
    )  # fmt: skip
    assert stats["expected_n"] == pytest.approx(15.0, abs=0.05)
    assert (stats["alpha"], stats["power"]) == pytest.approx((0.047, 0.805), abs=5e-4)
    levels = [level for analysis, level, name in rows if (analysis, name) == ("design_oc", "p")]
    assert sorted(map(int, levels)) == list(range(0, 61, 2))
    for percent in (0, 10, 30, 60):
        curve = {name: rows["design_oc", str(percent), name] for name in (
            "p", "probability_of_rejection", "probability_of_early_termination", "expected_n")}  # fmt: skip
        p, stop = percent / 100, binom.cdf(1, 10, percent / 100)
        assert curve == pytest.approx(
            {"p": p, "probability_of_rejection": rejected(p),
             "probability_of_early_termination": stop, "expected_n": 10 + 19 * (1 - stop)}
        )  # fmt: skip


def test_a_single_stage_design_has_no_stage_1():
    """Binomial tables, n 10: P(X > 3) is 0.0128 at 0.1 and 0.6177 at 0.4."""
    rows = of(p0=0.1, p1=0.4, alpha=0.05, beta=0.4, r1=None, n1=None, r=3, n=10)
    names = {name for analysis, _, name in rows if analysis == "design"}
    assert names == {"p0", "p1", "alpha_planned", "power_planned", "alpha", "power", "r", "n"}
    assert rows["design", "", "alpha"] == pytest.approx(0.0128, abs=5e-5)
    assert rows["design", "", "power"] == pytest.approx(0.6177, abs=5e-5)
    assert {name for analysis, _, name in rows if analysis == "design_oc"} == {
        "p", "probability_of_rejection"
    }  # fmt: skip


def test_the_results_of_the_design_are_all_of_them():
    rows = ard.bind(results.rows(plan=PLAN))
    assert set(rows["analysis"]) == {"design", "design_oc"}
    assert set(rows["section"]) == {PLAN.design.section}


@pytest.mark.parametrize("stage_1", [{"r1": None, "n1": 5}, {"r1": 1, "n1": None}])
def test_half_of_a_first_stage_is_none(stage_1):
    whole = of(p0=0.1, p1=0.4, alpha=0.05, beta=0.4, r1=None, n1=None, r=3, n=10)
    assert of(p0=0.1, p1=0.4, alpha=0.05, beta=0.4, r=3, n=10, **stage_1) == whole
