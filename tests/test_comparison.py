"""Comparisons, descriptive and exploratory: against published numbers and other programs."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sap import ard
from sap.derivations.response import comparison_response, percent_change, psa_response
from sap.displays import sentences
from sap.errors import PlanError
from sap.plan import read_plan
from sap.plan.references import read_references
from sap.results import comparison as comparison_results
from sap.results.comparison import by_marker, published

HERE = Path(__file__).parents[1] / "analysis"
PLAN = read_plan(HERE / "plan.yml").plan
CABA = read_plan(HERE / "plan-caba-v7.yml").plan
REFERENCES = read_references(HERE / "references.yml")
OWN_RULE = PLAN.model_copy(
    update={"comparison": PLAN.comparison.model_copy(update={"rule": None})}
)  # the published rate beside our own rule


def subjects_of(primary: tuple[int, int], negative: tuple[int, int], *, answer: str = "N"):
    """ADSL and ADRS with so many responders of so many patients in B, and given the drug in A."""
    n_b, n_a = primary[1], negative[1]
    who = [f"B{i:03d}" for i in range(n_b)] + [f"A{i:03d}" for i in range(n_a)]
    adsl = pd.DataFrame(
        {
            "USUBJID": who,
            "PRIMFL": ["Y"] * n_b + ["N"] * n_a,
            "MARKBL": ["POSITIVE"] * n_b + ["NEGATIVE"] * n_a,
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


def text_and_stats_of(parts, **where) -> dict[str, float | str]:
    """The statistics at one place of the ARD; an axis that is not named is empty there."""
    rows = ard.bind(parts)
    for name, value in ({"group": "", "level": ""} | where).items():
        rows = rows[rows[name] == value]
    return {row.stat_name: row.stat_text or row.stat for row in rows.itertuples()}


@pytest.mark.worked("comparison_marker")
def test_the_comparison_by_marker_has_the_numbers_worked_by_hand():
    """3 of 25 and 4 of 10; exact limits as R's binom.test prints them. Difference 0.12 - 0.4."""
    parts = by_marker(*subjects_of((3, 25), (4, 10)), PLAN)
    positive = text_and_stats_of(parts, group="POSITIVE", paramcd="PSARESP")
    assert positive == pytest.approx(
        {"n": 3, "N": 25, "estimate": 0.12, "conf_level": 0.95, "conf_low": 0.02546539,
         "conf_high": 0.31219031}
    )  # fmt: skip
    negative = text_and_stats_of(parts, group="NEGATIVE", paramcd="PSARESPA")
    assert negative == pytest.approx(
        {"n": 4, "N": 10, "n_missing": 0, "estimate": 0.4, "conf_level": 0.95, "conf_low": 0.12155226,
         "conf_high": 0.73762194}
    )  # fmt: skip
    difference = text_and_stats_of(parts, level="difference")
    assert (difference["estimate"], difference["conf_level"]) == (pytest.approx(-0.28), 0.95)
    assert difference["conf_low"] < -0.28 < difference["conf_high"]


@pytest.mark.req("SAP-5.8")
@pytest.mark.worked("comparison_marker")
def test_the_difference_by_marker_is_that_of_miettinen_and_nurminen():
    """56 of 70 against 48 of 80: 0.2, limits 0.0528 and 0.3382 (R DescTools, in tests of the method)."""
    got = stats_of(by_marker(*subjects_of((56, 70), (48, 80)), PLAN), level="difference")
    assert got["estimate"] == pytest.approx(0.2)
    assert (round(got["conf_low"], 4), round(got["conf_high"], 4)) == (0.0528, 0.3382)


def test_only_negative_subjects_given_the_drug_are_compared():
    adsl, adrs = subjects_of((3, 25), (4, 10))
    adrs.loc[adrs["USUBJID"] == "A009", "DRUG"] = "DOCETAXEL"
    adsl.loc[adsl["USUBJID"] == "A008", "MARKBL"] = "UNDETERMINED"
    got = stats_of(by_marker(adsl, adrs, PLAN), group="NEGATIVE")
    assert (got["n"], got["N"]) == (4, 8)


def test_subjects_without_psa_are_failures_unless_nobody_has_any():
    got = stats_of(by_marker(*subjects_of((3, 25), (4, 10), answer="NE"), PLAN), group="NEGATIVE")
    assert (got["n"], got["N"], got["n_missing"]) == (4, 10, 6)
    rows = ard.bind(by_marker(*subjects_of((3, 25), (0, 10), answer="NE"), PLAN))
    negative = rows[(rows["group"] == "NEGATIVE") & (rows["stat_name"] == "n")].iloc[0]
    assert np.isnan(negative["stat"])
    assert negative["stat_text"] == "not in the data: no PSA of these patients"
    difference = rows[(rows["level"] == "difference") & (rows["stat_name"] == "estimate")].iloc[0]
    assert difference["stat_text"] == "not in the data: no PSA of these patients"


def test_a_comparison_without_patients_is_not_estimable():
    rows = ard.bind(by_marker(*subjects_of((0, 0), (0, 0)), PLAN))
    assert rows.loc[rows["stat_name"] == "estimate", "stat"].isna().all()


@pytest.mark.parametrize("primary, negative", [((0, 0), (4, 10)), ((3, 25), (0, 0))])
def test_one_group_without_a_patient_leaves_no_difference(primary, negative):
    parts = by_marker(*subjects_of(primary, negative), PLAN)
    why = "not both groups have a proportion"
    if not negative[1]:
        why = "not in the data: no PSA of these patients"
    names = ("estimate", "conf_low", "conf_high")
    assert text_and_stats_of(parts, level="difference") == {
        "conf_level": 0.95, **dict.fromkeys(names, why)
    }  # fmt: skip
    other = text_and_stats_of(parts, group="POSITIVE" if negative[1] else "NEGATIVE")
    assert (other["N"], other["conf_level"]) == (0, 0.95)
    assert isinstance(other["estimate"], str)


def test_all_responders_have_no_finite_odds_but_a_lower_limit():
    """25 of 25 against 129 of 329: the estimate and the upper limit are infinite, the lower is not."""
    parts = published(*subjects_of((25, 25), (0, 0)), REFERENCES, OWN_RULE)
    got = text_and_stats_of(parts, level="odds_ratio")
    assert got["estimate"] == got["conf_high"] == "no finite limit"
    assert got["conf_low"] > 1
    assert got["conf_level"] == 0.95
    assert 0 < got["p_value"] < 1e-6
    difference = text_and_stats_of(parts, level="difference")
    assert difference["estimate"] == pytest.approx(1 - 129 / 329)


def test_no_patient_leaves_no_odds_ratio_and_no_difference():
    parts = published(*subjects_of((0, 0), (0, 0)), REFERENCES, OWN_RULE)
    why = "not both groups have a proportion"
    names = ("estimate", "conf_low", "conf_high")
    expected = {"conf_level": 0.95, **dict.fromkeys(names, why)}
    assert text_and_stats_of(parts, level="difference") == expected
    assert text_and_stats_of(parts, level="odds_ratio") == expected | {"p_value": why}


def test_the_comparison_takes_the_interval_of_the_primary_result():
    """Two-stage: with 3 of 14 patients stage 1 of 15 is not complete, so there is no interval."""
    intervals = PLAN.intervals.model_copy(update={"primary_interval": "two-stage"})
    plan = OWN_RULE.model_copy(update={"intervals": intervals})
    adsl, adrs = subjects_of((3, 14), (4, 10))
    adsl = adsl.assign(RESCTRFL="N", TRTSDT=pd.Timestamp("2018-01-01"))
    for parts, group in (
        (by_marker(adsl, adrs, plan), "POSITIVE"),
        (published(adsl, adrs, REFERENCES, plan), "this_study"),
    ):
        got = text_and_stats_of(parts, group=group)
        assert (got["n"], got["N"], got["estimate"]) == (3, 14, pytest.approx(3 / 14))
        assert got["conf_low"] == got["conf_high"]
        assert isinstance(got["conf_low"], str)


def test_the_comparisons_are_all_of_them():
    adsl, adrs = subjects_of((3, 25), (4, 10))
    made = comparison_results.rows(adsl=adsl, adrs=adrs, references=REFERENCES, plan=PLAN)
    assert set(ard.bind(made)["analysis"]) == {"comparison_marker", "comparison_published"}


@pytest.mark.worked("comparison_published")
def test_the_comparison_with_the_published_rate_has_the_numbers_of_r():
    """3 of 25 against 129 of 329. R 4.2: fisher.test(matrix(c(3, 22, 129, 200), 2)) prints odds
    ratio 0.2121280918, limits 0.0398507562 and 0.7274788802, p 0.0052888178 (to its tolerance)."""
    rows = published(*subjects_of((3, 25), (0, 0)), REFERENCES, OWN_RULE)
    got = stats_of(rows, level="odds_ratio")
    expected = {
        "estimate": 0.2121280918,
        "conf_low": 0.0398507562,
        "conf_high": 0.7274788802,
        "p_value": 0.0052888178,
    }
    for name, value in expected.items():
        assert got[name] == pytest.approx(value, rel=1e-4), name
    assert stats_of(rows, level="difference")["estimate"] == pytest.approx(3 / 25 - 129 / 329)
    theirs = stats_of(rows, group="tropic-psa-response")
    # 39.2 %; the posted interval (33.9 to 44.5) is Wald's, the exact one is 33.9 to 44.7.
    assert (theirs["n"], theirs["N"]) == (129, 329)
    assert (round(theirs["conf_low"], 3), round(theirs["conf_high"], 3)) == (0.339, 0.447)
    published_row = text_and_stats_of(rows, group="tropic-psa-response")
    assert published_row["estimate"] == pytest.approx(129 / 329)
    assert published_row["treatment"].startswith("cabazitaxel 25 mg/m2 every 3 weeks")
    assert published_row["definition"] == REFERENCES.of("tropic-psa-response").definition
    assert published_row["source"] == "@regtropic, posted results"
    ours = text_and_stats_of(rows, group="this_study", paramcd="PSARESP")
    assert ours == pytest.approx(
        {"n": 3, "N": 25, "estimate": 0.12, "conf_level": 0.95, "conf_low": 0.02546539,
         "conf_high": 0.31219031}
    )  # fmt: skip


# The rule of TROPIC as its registry entry and publication have it: baseline PSA of 20 ug/L or more, a
# fall of 50 % at any time, again at least 3 weeks later; the plan's own rule asks for a first fall by
# day 84 and 28 days. The answers below are by hand from these words.
COURSES = """
    WHO | BASE | DAYS            | PSA             | THEIRS | OURS | WHY
    ----+------+-----------------+-----------------+--------+------+---------------------------
    01  | 20   | 21 42           | 10 10           | Y      | N    | exactly 20, exactly 50 %, 21 days later
    02  | 19.9 | 21 63           | 5 5             |        | Y    | baseline below 20: not counted
    03  | 100  | 105 133         | 40 45           | Y      | N    | first fall after day 84
    04  | 100  | 21 41           | 40 40           | N      | N    | again after 20 days only
    05  | 100  | 21 42 63        | 60 55 51        | N      | N    | no fall of 50 %
    06  |      | 21 63           | 5 5             |        | NE   | no baseline: not counted
    07  | 30   |                 |                 | NE     | NE   | no value: counted, no response
    08  | 100  | 21 42 63        | 40 60 45        | Y      | Y    | a later value confirms, not the next
"""


def by_both_rules(patients, rule=PLAN.comparison.rule) -> pd.DataFrame:
    """ADRS of COURSES by our rule and by the rule of the published trial."""
    table = patients(COURSES)
    start = pd.Timestamp("2018-01-01")
    adsl = pd.DataFrame(
        {"STUDYID": "X", "USUBJID": table["WHO"], "NCYCLES": 6, "TRTSDT": start, "PRIMFL": "Y"}
    )
    rows = []
    for subject in table.itertuples():
        if pd.notna(subject.BASE):
            rows.append((subject.WHO, start, float(subject.BASE), "Y", ""))
        for day, psa in zip(
            str(subject.DAYS or "").split(), str(subject.PSA or "").split(), strict=True
        ):
            rows.append((subject.WHO, start + pd.Timedelta(days=int(day)), float(psa), "", "Y"))
    adpsa = pd.DataFrame(rows, columns=["USUBJID", "ADT", "AVAL", "ABLFL", "ANL01FL"])
    base = adpsa[adpsa["ABLFL"] == "Y"].set_index("USUBJID")["AVAL"]
    adpsa["PCHG"] = percent_change(adpsa["AVAL"], adpsa["USUBJID"].map(base))
    ours = psa_response(adsl, adpsa, PLAN.psa_response, confirm_after_days=28)
    theirs = comparison_response(adsl, adpsa, PLAN.psa_response, rule)
    return adsl, pd.concat([ours.assign(PARAMCD="PSARESP"), theirs], ignore_index=True), table


def test_the_rule_of_the_published_trial_gives_the_answers_found_by_hand(patients):
    _, adrs, table = by_both_rules(patients)
    for paramcd, column in (("PSARESPC", "THEIRS"), ("PSARESP", "OURS")):
        got = adrs[adrs["PARAMCD"] == paramcd].set_index("USUBJID")["AVALC"]
        expected = table.set_index("WHO")[column]
        assert got.fillna("").to_dict() == expected.fillna("").to_dict()


@pytest.mark.worked("comparison_published")
def test_the_row_by_the_published_rule_is_the_one_compared(patients):
    """By hand from COURSES: theirs 3 of 6 (01, 03, 08 of those with a baseline from 20), ours 2 of 8."""
    adsl, adrs, _ = by_both_rules(patients)
    rows = published(adsl, adrs, REFERENCES, PLAN)
    ours = stats_of(rows, group="this_study")
    assert (ours["n"], ours["N"]) == (3, 6)
    own = stats_of(rows, group="this_study_own_rule")
    assert (own["n"], own["N"]) == (2, 8)
    assert stats_of(rows, level="difference")["estimate"] == pytest.approx(3 / 6 - 129 / 329)
    assert stats_of(rows, level="odds_ratio")["estimate"] > 1


def test_a_limit_on_the_first_fall_holds_in_their_rule_too(patients):
    """With the 84 days of our own rule 03, whose fall was first seen on day 105, is no responder."""
    limited = PLAN.comparison.rule.model_copy(update={"first_fall_within_days": 84})
    adsl, adrs, _ = by_both_rules(patients, limited)
    ours = stats_of(published(adsl, adrs, REFERENCES, PLAN), group="this_study")
    assert (ours["n"], ours["N"]) == (2, 6)


def test_without_a_rule_of_theirs_there_are_no_answers_and_our_own_is_compared(patients):
    adsl, adrs, _ = by_both_rules(patients, None)
    assert set(adrs["PARAMCD"]) == {"PSARESP"}
    rows = published(adsl, adrs, REFERENCES, OWN_RULE)
    assert stats_of(rows, group="this_study")["N"] == 8
    assert "this_study_own_rule" not in set(ard.bind(rows)["group"])


def test_no_responder_has_no_finite_lower_odds_but_a_row():
    got = stats_of(
        published(*subjects_of((0, 25), (0, 0)), REFERENCES, OWN_RULE), level="odds_ratio"
    )
    assert got["estimate"] == got["conf_low"] == 0
    rows = ard.bind(published(*subjects_of((0, 0), (0, 0)), REFERENCES, OWN_RULE))
    assert set(rows.loc[rows["level"] == "odds_ratio", "stat_text"]) == {
        "", "not both groups have a proportion",
    }  # fmt: skip


def test_a_plan_that_names_an_unknown_reference_is_refused():
    with pytest.raises(PlanError, match=r"'no-such'.*\n.*tropic-psa-response"):
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
    with pytest.raises(PlanError, match="tropic-psa-response"):
        read_references(path)


@pytest.mark.parametrize("plan", [PLAN, CABA])
def test_both_plans_name_a_reference_that_exists(plan):
    assert REFERENCES.of(plan.comparison.reference).total == 329


def test_the_sentence_says_both_rates_their_rule_and_the_difference(
    patients, tmp_path, monkeypatch
):
    """3 of 6 is 50.0%, 129 of 329 is 39.2%, and the difference 10.8 percentage points."""
    adsl, adrs, _ = by_both_rules(patients)
    (tmp_path / "tables").mkdir()
    rows = ard.to_csv(ard.bind(published(adsl, adrs, REFERENCES, PLAN)))
    (tmp_path / "ard.csv").write_text(rows, encoding="utf-8")
    plan = json.dumps(PLAN.model_dump(mode="json"))
    (tmp_path / "tables" / "plan.json").write_text(plan, encoding="utf-8")
    monkeypatch.setenv("SAP_RUN", str(tmp_path))
    sentence = sentences.published_comparison().plain.replace("\u00a0", " ")
    assert sentence.startswith(
        "By the rule of TROPIC, 3 of 6 patients of the primary set had a response (50.0%)"
    )
    assert "in TROPIC 129 of 329 did (39.2%). The difference is 10.8 percentage points" in sentence
    assert "a baseline PSA of at least 20 µg/L" in sentences.comparison_rule().plain
