"""What must hold of any trial: order of rows, later data, stricter rules, one box for each patient."""

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sap import contracts, snapshot
from sap.derivations.response import adpsa, psa_response
from sap.pipeline import analyses, datasets
from sap.plan import read_plan
from sap.simulate.trial import simulate

PLAN = read_plan(Path(__file__).parents[1] / "analysis" / "plan.yml").plan
RULE = PLAN.psa_response
DOSE = dt.date(2018, 1, 1)
SLOWLY = settings(
    derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60
)


def cut_of(seed: int, day: dt.date, n: int = 40) -> dict[str, pd.DataFrame]:
    tables = contracts.typed(simulate(seed, n_screened=n), contracts.load())
    return snapshot.cut(tables, day)


def same(left: dict[str, pd.DataFrame], right: dict[str, pd.DataFrame]) -> list[str]:
    """The datasets that differ, whatever the order of their rows; floats to 12 digits."""

    def lines(frame: pd.DataFrame) -> list[str]:
        shown = frame.map(lambda v: f"{v:.12g}" if isinstance(v, float) else str(v))
        return sorted("|".join(row) for row in shown.itertuples(index=False, name=None))

    return [name for name in left if lines(left[name]) != lines(right[name])]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 8])
def test_no_order_of_rows_reaches_a_dataset(seed):
    day = PLAN.cut_offs.dates["final"].date
    tables = cut_of(seed, day)
    shuffled = {
        name: frame.sample(frac=1, random_state=seed).reset_index(drop=True)
        for name, frame in tables.items()
    }
    assert (
        same(
            datasets.derive(tables, PLAN, day).by_name(),
            datasets.derive(shuffled, PLAN, day).by_name(),
        )
        == []
    )


@pytest.mark.slow
@pytest.mark.parametrize("day", [dt.date(2016, 3, 20), dt.date(2017, 6, 30)])
def test_what_is_recorded_after_the_cut_off_reaches_no_dataset(day):
    """The cut of an extract, and the cut of what had been extracted on that very day, by hand."""
    whole = contracts.typed(simulate(8, n_screened=40), contracts.load())
    late = {
        "lb": ("LBDTC", {"LBTESTCD": "PSA", "LBSTRESN": 0.2, "LBSTRESC": "0.2"}),
        "ae": ("AESTDTC", {"AETERM": "x", "AEDECOD": "NEUTROPENIA", "AETOXGR": "5"}),
        "ss": ("SSDTC", {"SSSTRESC": "ALIVE"}),
        "ex": ("EXSTDTC", {"EXTRT": "CABAZITAXEL", "EXCAT": "STUDY TREATMENT", "EXDOSE": 25.0}),
    }
    more = dict(whole)
    for name, (column, values) in late.items():
        rows = whole["dm"][["STUDYID", "USUBJID"]].assign(**values)
        rows[column] = (day + dt.timedelta(days=1)).isoformat()
        rows[f"{name.upper()}SEQ"] = 9000.0
        more[name] = pd.concat([whole[name], rows], ignore_index=True)
    before, after = (
        datasets.derive(snapshot.cut(t, day), PLAN, day).by_name() for t in (whole, more)
    )
    assert same(before, after) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_no_time_is_negative_or_past_the_cut_off_and_every_subject_is_one_row(seed):
    day = PLAN.cut_offs.dates["interim"].date
    made = datasets.derive(cut_of(seed, day), PLAN, day).by_name()
    tte, adsl = made["adtte"], made["adsl"]
    assert (tte["AVAL"] >= 0).all()
    assert (tte["ADT"] <= pd.Timestamp(day)).all()
    assert not tte.duplicated(["USUBJID", "PARAMCD"]).any()
    assert adsl["USUBJID"].is_unique
    both = adsl[(adsl["PRIMFL"] == "Y") & (adsl["RESCTRFL"] == "Y")]
    assert both.empty


@pytest.mark.slow
@pytest.mark.parametrize(
    "seed, n, day",
    [
        (1, 5, dt.date(2010, 1, 1)),  # before the first consent: no patient at all
        (1, 1, dt.date(2019, 6, 30)),  # one patient, not treated
        (1, 5, dt.date(2016, 4, 1)),  # before anybody is treated
        (1, 5, dt.date(2019, 6, 30)),  # two treated patients
        (2, 40, dt.date(2016, 12, 31)),  # early: answers separated by exposure, most of them open
    ],
)
def test_a_small_early_or_empty_trial_is_analysed_and_says_what_it_cannot(seed, n, day):
    rows = analyses.analyse(cut_of(seed, day, n), PLAN, day).ard
    assert (rows["stat"].notna() | (rows["stat_text"].fillna("") != "")).all()
    primary = rows[(rows["analysis"] == "psa_response") & (rows["population"] == "PRIMARY")]
    size = primary.set_index("stat_name").loc["N", "stat"]
    assert size <= n
    if not size:
        assert primary.set_index("stat_name").loc["estimate", "stat_text"]


@st.composite
def courses(draw) -> pd.DataFrame:
    """PSA of some patients on days before and after the first dose; falls by half are common."""
    rows = []
    for who in range(draw(st.integers(1, 4))):
        days = draw(st.lists(st.integers(-10, 150), max_size=9, unique=True))
        share = st.sampled_from([0.0, 0.2, 0.49, 0.5, 0.51, 0.9, 1.0, 1.3])
        rows += [(f"{who:02d}", day, 100 * draw(share)) for day in days]
    return pd.DataFrame(rows, columns=["WHO", "DAY", "PSA"])


def answers(values: pd.DataFrame, days: int, **rule: object) -> dict[str, str]:
    subjects = [f"{who:02d}" for who in range(4)]
    day = [(DOSE + dt.timedelta(days=int(d))).isoformat() for d in values["DAY"]]
    lb = pd.DataFrame(
        {
            "USUBJID": values["WHO"], "LBSEQ": np.arange(1.0, len(values) + 1), "LBTESTCD": "PSA",
            "LBSTRESC": None, "LBSTRESN": values["PSA"].astype(float), "LBLLOQ": np.nan,
            "LBDTC": pd.Series(day, dtype="object"),
        }
    )  # fmt: skip
    adsl = pd.DataFrame(
        {
            "STUDYID": "T", "USUBJID": subjects, "NCYCLES": 5.0, "TRTSDT": pd.Timestamp(DOSE),
            "TRTEDT": pd.Timestamp(DOSE) + pd.Timedelta(days=120),
        }
    )  # fmt: skip
    asked = RULE.model_copy(update=rule)
    found = psa_response(adsl, adpsa({"lb": lb}, adsl, asked), asked, confirm_after_days=days)
    assert found["USUBJID"].tolist() == subjects  # every patient has one answer
    return dict(zip(found["USUBJID"], found["AVALC"], strict=True))


def responders(said: dict[str, str]) -> set[str]:
    return {who for who, answer in said.items() if answer == "Y"}


@SLOWLY
@given(courses(), st.integers(0, 40), st.integers(0, 40))
def test_a_longer_confirmation_never_adds_a_responder(values, one, other):
    short, long = sorted((one, other))
    assert responders(answers(values, long)) <= responders(answers(values, short))


@SLOWLY
@given(courses(), st.integers(1, 40))
def test_each_stricter_choice_of_the_plan_never_adds_a_responder(values, days):
    loose = responders(answers(values, days, first_fall_within_days=None))
    assert responders(answers(values, days, first_fall_within_days=84)) <= loose
    assert responders(answers(values, days, confirm_tolerance_days=0)) <= responders(
        answers(values, days, confirm_tolerance_days=3)
    )
    assert responders(answers(values, days, confirmed_by="next value")) <= responders(
        answers(values, days, confirmed_by="any later value")
    )
    assert responders(answers(values, days, decline_pct=60.0)) <= responders(answers(values, days))


@SLOWLY
@given(courses(), st.randoms(use_true_random=False))
def test_the_order_of_values_changes_no_answer(values, random):
    order = list(range(len(values)))
    random.shuffle(order)
    assert answers(values, 28) == answers(values.iloc[order].reset_index(drop=True), 28)
