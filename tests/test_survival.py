"""ADTTE and its Kaplan-Meier rows: origins, censoring, and the median's rule on real data."""

from pathlib import Path

import pandas as pd
import pytest

from sap import ard
from sap.derivations.survival import adtte
from sap.plan import read_plan
from sap.results.survival import curve_rows

HERE = Path(__file__).parents[1] / "analysis"
PLAN = read_plan(HERE / "plan.yml").plan

MEN = """
    USUBJID | RFICDT     | ALLOCDT    | TRTSDT     | RESALLDT   | DTHDT      | LSTALVDT   | AVAL | CNSR | CASE
    --------+------------+------------+------------+------------+------------+------------+------+------+-----
    01      | 2017-01-01 | 2017-01-11 | 2017-01-20 |            | 2017-02-10 | 2017-02-01 | 30   | 0    | 1
    02      | 2017-01-01 | 2017-01-11 |            |            |            | 2017-03-12 | 60   | 1    | 2
    03      | 2017-01-01 | 2017-01-11 |            |            |            | 2017-01-11 | 0    | 1    | 3
    04      | 2017-01-01 | 2017-01-11 | 2017-06-01 | 2017-05-20 | 2017-06-10 | 2017-06-09 | 150  | 0    | 1
    05      | 2017-01-01 |            |            |            | 2017-06-10 | 2017-06-09 |      |      |
"""


def people(patients) -> pd.DataFrame:
    men = patients(MEN)
    for name in ("RFICDT", "ALLOCDT", "TRTSDT", "RESALLDT", "DTHDT", "LSTALVDT"):
        men[name] = pd.to_datetime(men[name])
    return men.assign(STUDYID="T", RESCTRFL=["Y" if r else "N" for r in men["RESALLDT"].notna()])


@pytest.mark.req("SAP-5.6")
def test_overall_survival_by_its_cases(patients):
    men = people(patients)
    got = adtte(men, PLAN.survival)
    os = got[got["PARAMCD"] == "OS"].set_index("USUBJID")
    expected = men.dropna(subset=["AVAL"]).set_index("USUBJID")
    for name in ("AVAL", "CNSR", "CASE"):
        assert os[name].astype(float).to_dict() == expected[name].to_dict()
    assert "05" not in os.index  # no allocation, no origin


def test_a_re_screened_man_has_a_second_origin_of_his_own(patients):
    got = adtte(people(patients), PLAN.survival)
    again = got[got["PARAMCD"] == "OSRE"].set_index("USUBJID")
    assert again["AVAL"].to_dict() == {"04": 21.0}


@pytest.mark.parametrize("origin, days", [("screening", 40.0), ("allocation", 30.0), ("first dose", 21.0)])
def test_the_plan_sets_the_origin(patients, origin, days):
    rule = PLAN.survival.model_copy(update={"os_origin": origin})
    got = adtte(people(patients), rule).query("PARAMCD == 'OS'").set_index("USUBJID")
    assert got.loc["01", "AVAL"] == days


def median_of(days: pd.Series, event: pd.Series, per_month: float = 1.0) -> dict[str, float]:
    who = [f"{i:03d}" for i in range(len(days))]
    frame = pd.DataFrame(
        {"USUBJID": who, "PARAMCD": "OS", "AVAL": days.to_numpy(), "CNSR": 1 - event.to_numpy()}
    )
    rule = PLAN.survival.model_copy(update={"days_per_month": per_month})
    plan = PLAN.model_copy(update={"survival": rule})
    rows = ard.bind(
        curve_rows(frame, frame, plan, paramcd="OS", population="SCREENED", analysis="os")
    )
    main = rows[(rows["analysis"] == "os") & (rows["level"] == "")]
    return dict(zip(main["stat_name"], main["stat"], strict=True))


@pytest.mark.shared
def test_the_median_is_the_middle_of_the_flat_stretch(shared_data):
    """Standard-of-care men of adaptive-abiraterone: published 14.3 (also R); lifelines says 13.8."""
    from lifelines import KaplanMeierFitter

    men = pd.read_csv(shared_data / "adaptive-abiraterone" / "ttp.csv").query("arm == 'control'")
    event = 1 - men["censored"]
    assert round(median_of(men["ttp_months"], event)["median"], 1) == 14.3
    other = KaplanMeierFitter().fit(men["ttp_months"], event).median_survival_time_
    assert round(other, 1) == 13.8


@pytest.mark.shared
def test_gastric_xelox_has_the_median_of_r(shared_data):
    """asaur gastricXelox: 48 patients, 32 events, median 44.5 weeks (R survival)."""
    men = pd.read_csv(shared_data / "asaur" / "gastricXelox.csv")
    got = median_of(men.iloc[:, 0], men.iloc[:, 1])
    assert (got["N"], got["n_events"], got["median"]) == (48, 32, 44.5)


@pytest.mark.shared
def test_pancreatic_dates_give_the_published_survival_of_all_41(shared_data):
    """asaur: `pancreatic` has dates, `pancreatic2` the authors' OS of the same 41 patients."""
    raw = pd.read_csv(shared_data / "asaur" / "pancreatic.csv", na_values=".")
    published = pd.read_csv(shared_data / "asaur" / "pancreatic2.csv")
    start = pd.to_datetime(raw["onstudy"], format="%m/%d/%Y")
    died = pd.to_datetime(raw["death"], format="%m/%d/%Y")
    adsl = pd.DataFrame(
        {
            "STUDYID": "T",
            "USUBJID": [f"{i:02d}" for i in range(len(raw))],
            "RFICDT": start, "ALLOCDT": start, "TRTSDT": start, "RESALLDT": pd.NaT,
            "DTHDT": died, "LSTALVDT": died, "RESCTRFL": "N",
        }
    )  # fmt: skip
    got = adtte(adsl, PLAN.survival).query("PARAMCD == 'OS'")
    assert got["AVAL"].to_list() == published["os"].astype(float).to_list()


def test_nobody_with_an_origin_is_said_so():
    none = pd.DataFrame({"USUBJID": [], "PARAMCD": [], "AVAL": [], "CNSR": []})
    rows = curve_rows(none, none, PLAN, paramcd="OS", population="PRIMARY", analysis="os")[0]
    median = rows[rows["stat_name"] == "median"].iloc[0]
    assert median["stat_text"] == "nobody with this origin in this population"
