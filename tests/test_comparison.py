"""Comparisons, descriptive and exploratory: against published numbers and other programs."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sap import ard
from sap.errors import PlanInvalid
from sap.plan import read_plan
from sap.plan.references import read_references
from sap.results.comparison import by_arv7, published

HERE = Path(__file__).parents[1] / "analysis"
PLAN = read_plan(HERE / "plan.yml").plan
CABA = read_plan(HERE / "plan-caba-v7.yml").plan
REFERENCES = read_references(HERE / "references.yml")


def men_of(primary: tuple[int, int], negative: tuple[int, int], *, answer: str = "N"):
    """ADSL and ADRS with so many responders of so many men in B, and given the drug in A."""
    n_b, n_a = primary[1], negative[1]
    who = [f"B{i:03d}" for i in range(n_b)] + [f"A{i:03d}" for i in range(n_a)]
    adsl = pd.DataFrame(
        {
            "USUBJID": who,
            "PRIMFL": ["Y"] * n_b + ["N"] * n_a,
            "ARV7BL": ["POSITIVE"] * n_b + ["NEGATIVE"] * n_a,
        }
    )
    adrs = pd.DataFrame(
        {
            "USUBJID": who,
            "PARAMCD": ["PSARESP"] * n_b + ["PSARESPA"] * n_a,
            "AVALC": ["Y"] * primary[0]
            + ["N"] * (n_b - primary[0])
            + ["Y"] * negative[0]
            + [answer] * (n_a - negative[0]),
            "DRUG": [None] * n_b + ["CABAZITAXEL"] * n_a,
        }
    )
    return adsl, adrs


def stats_of(parts, **where) -> pd.Series:
    rows = ard.bind(parts)
    for name, value in where.items():
        rows = rows[rows[name] == value]
    return rows.set_index("stat_name")["stat"]


@pytest.mark.req("SAP-5.8")
def test_the_difference_by_arv7_is_that_of_miettinen_and_nurminen():
    """56 of 70 against 48 of 80: 0.2, limits 0.0528 and 0.3382 (R DescTools, in tests of the method)."""
    got = stats_of(by_arv7(*men_of((56, 70), (48, 80)), PLAN), level="Difference")
    assert got["estimate"] == pytest.approx(0.2)
    assert (round(got["conf_low"], 4), round(got["conf_high"], 4)) == (0.0528, 0.3382)


def test_only_negative_men_given_the_drug_are_compared():
    adsl, adrs = men_of((3, 25), (4, 10))
    adrs.loc[adrs["USUBJID"] == "A009", "DRUG"] = "DOCETAXEL"
    adsl.loc[adsl["USUBJID"] == "A008", "ARV7BL"] = "UNDETERMINED"
    got = stats_of(by_arv7(adsl, adrs, PLAN), group="NEGATIVE")
    assert (got["n"], got["N"]) == (4, 8)


def test_men_without_psa_are_failures_unless_nobody_has_any():
    got = stats_of(by_arv7(*men_of((3, 25), (4, 10), answer="NE"), PLAN), group="NEGATIVE")
    assert (got["n"], got["N"], got["n_missing"]) == (4, 10, 6)
    rows = ard.bind(by_arv7(*men_of((3, 25), (0, 10), answer="NE"), PLAN))
    negative = rows[(rows["group"] == "NEGATIVE") & (rows["stat_name"] == "n")].iloc[0]
    assert np.isnan(negative["stat"])
    assert negative["stat_text"] == "not in the data: no PSA of these men"
    difference = rows[(rows["level"] == "Difference") & (rows["stat_name"] == "estimate")].iloc[0]
    assert difference["stat_text"] == "not in the data: no PSA of these men"


def test_nobody_in_a_group_is_no_crash():
    rows = ard.bind(by_arv7(*men_of((0, 0), (0, 0)), PLAN))
    assert rows.loc[rows["stat_name"] == "estimate", "stat"].isna().all()


def test_the_primary_beside_tropic_has_the_numbers_of_r():
    """3 of 25 against 129 of 329. R 4.2: fisher.test(matrix(c(3, 22, 129, 200), 2)) prints odds
    ratio 0.2121280918, limits 0.0398507562 and 0.7274788802, p 0.0052888178 (to its tolerance)."""
    rows = published(*men_of((3, 25), (0, 0)), REFERENCES, PLAN)
    got = stats_of(rows, level="Odds ratio")
    expected = {
        "estimate": 0.2121280918,
        "conf_low": 0.0398507562,
        "conf_high": 0.7274788802,
        "p_value": 0.0052888178,
    }
    for name, value in expected.items():
        assert got[name] == pytest.approx(value, rel=1e-4), name
    assert stats_of(rows, level="Difference")["estimate"] == pytest.approx(3 / 25 - 129 / 329)
    theirs = stats_of(rows, group="TROPIC")
    # 39.2 %; the posted interval (33.9 to 44.5) is Wald's, the exact one is 33.9 to 44.7.
    assert (theirs["n"], theirs["N"]) == (129, 329)
    assert (round(theirs["conf_low"], 3), round(theirs["conf_high"], 3)) == (0.339, 0.447)


def test_no_responder_has_no_finite_lower_odds_but_a_row():
    got = stats_of(published(*men_of((0, 25), (0, 0)), REFERENCES, PLAN), level="Odds ratio")
    assert got["estimate"] == got["conf_low"] == 0
    rows = ard.bind(published(*men_of((0, 0), (0, 0)), REFERENCES, PLAN))
    assert set(rows.loc[rows["level"] == "Odds ratio", "stat_text"]) == {
        "", "not both groups have a proportion",
    }  # fmt: skip


def test_a_plan_that_names_an_unknown_reference_is_refused():
    with pytest.raises(PlanInvalid, match=r"'no-such'.*\n.*tropic-psa-response"):
        REFERENCES.of("no-such")


@pytest.mark.parametrize(
    "change, said",
    [
        ("n: 129", "n: 999"),
        ("total: 329", "total: 0"),
        ("registry: NCT00417079", "registry: 417079"),
        ("trial: TROPIC", "trail: TROPIC"),
        ('  source: "@regtropic, posted results"\n', ""),
    ],
)
def test_references_are_read_strictly(tmp_path, change, said):
    text = (HERE / "references.yml").read_text(encoding="utf-8")
    path = tmp_path / "references.yml"
    path.write_text(text.replace(change, said, 1), encoding="utf-8")
    with pytest.raises(PlanInvalid, match="tropic-psa-response"):
        read_references(path)


@pytest.mark.parametrize("plan", [PLAN, CABA])
def test_both_plans_name_a_reference_that_exists(plan):
    assert REFERENCES.of(plan.comparison.reference).total == 329
