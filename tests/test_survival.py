"""ADTTE and its Kaplan-Meier rows: origins, censoring, and the median's rule on real data."""

import math
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from sap import ard
from sap.derivations.courses import courses
from sap.derivations.response import adpsa, psa_response
from sap.derivations.survival import (
    DatedEvent,
    Definition,
    FollowUp,
    adtte,
    outcome,
    progression_times,
    sources,
)
from sap.derivations.tumour import time_points, tumour_responses
from sap.methods.survival import kaplan_meier
from sap.plan import read_plan
from sap.results import survival as survival_results
from sap.results.survival import (
    curve_rows,
    overall_survival,
    progression_sensitivity,
    time_to_progression,
)

HERE = Path(__file__).parents[1] / "analysis"
PLAN = read_plan(HERE / "plan.yml").plan
NO_GROUPS = read_plan(HERE / "plan-caba-v7.yml").plan

SUBJECTS = """
    USUBJID | RFICDT     | ALLOCDT    | TRTSDT     | RESALLDT   | DTHDT      | LSTALVDT   | AVAL | CNSR | CASE
    --------+------------+------------+------------+------------+------------+------------+------+------+-----
    01      | 2017-01-01 | 2017-01-11 | 2017-01-20 |            | 2017-02-10 | 2017-02-01 | 30   | 0    | 1
    02      | 2017-01-01 | 2017-01-11 |            |            |            | 2017-03-12 | 60   | 1    | 3
    03      | 2017-01-01 | 2017-01-11 |            |            |            | 2017-01-11 | 0    | 1    | 4
    04      | 2017-01-01 | 2017-01-11 | 2017-06-01 | 2017-05-20 | 2017-06-10 | 2017-06-09 | 150  | 0    | 1
    05      | 2017-01-01 |            |            |            | 2017-06-10 | 2017-06-09 |      |      |
"""


def people(patients) -> pd.DataFrame:
    subjects = patients(SUBJECTS)
    for name in ("RFICDT", "ALLOCDT", "TRTSDT", "RESALLDT", "DTHDT", "LSTALVDT"):
        subjects[name] = pd.to_datetime(subjects[name])
    return subjects.assign(
        STUDYID="T", RESCTRFL=["Y" if r else "N" for r in subjects["RESALLDT"].notna()]
    )


@pytest.mark.req("SAP-5.6")
def test_overall_survival_by_its_cases(patients):
    subjects = people(patients)
    got = adtte(subjects, PLAN.survival)
    os = got[got["PARAMCD"] == "OS"].set_index("USUBJID")
    expected = subjects.dropna(subset=["AVAL"]).set_index("USUBJID")
    for name in ("AVAL", "CNSR", "CASE"):
        assert os[name].astype(float).to_dict() == expected[name].to_dict()
    assert "05" not in os.index  # no allocation, no origin


@pytest.mark.parametrize("who", [[], ["02"]])
def test_without_treated_subjects_there_is_a_column_of_entry_all_the_same(patients, who):
    """Before anybody is allocated, and before anybody is treated: the columns are those of a trial."""
    subjects = people(patients)
    few = adtte(subjects[subjects["USUBJID"].isin(who)], PLAN.survival)
    assert list(few.columns) == list(adtte(subjects, PLAN.survival).columns)
    assert few["ENTRY"].isna().all()


def test_a_re_screened_subject_has_a_second_origin_of_his_own(patients):
    got = adtte(people(patients), PLAN.survival)
    again = got[got["PARAMCD"] == "OSRE"].set_index("USUBJID")
    assert again["AVAL"].to_dict() == {"04": 21.0}


@pytest.mark.parametrize(
    "origin, days", [("screening", 40.0), ("allocation", 30.0), ("first dose", 21.0)]
)
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
    """Standard-of-care patients of adaptive-abiraterone: published 14.3 (also R); lifelines says 13.8."""
    from lifelines import KaplanMeierFitter

    subjects = pd.read_csv(shared_data / "adaptive-abiraterone" / "ttp.csv").query(
        "arm == 'control'"
    )
    event = 1 - subjects["censored"]
    assert round(median_of(subjects["ttp_months"], event)["median"], 1) == 14.3
    other = KaplanMeierFitter().fit(subjects["ttp_months"], event).median_survival_time_
    assert round(other, 1) == 13.8


@pytest.mark.shared
def test_gastric_xelox_has_the_median_of_r(shared_data):
    """asaur gastricXelox: 48 patients, 32 events, median 44.5 weeks (R survival)."""
    subjects = pd.read_csv(shared_data / "asaur" / "gastricXelox.csv")
    got = median_of(subjects.iloc[:, 0], subjects.iloc[:, 1])
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


def test_without_a_subject_with_an_origin_the_reason_is_given():
    none = pd.DataFrame({"USUBJID": [], "PARAMCD": [], "AVAL": [], "CNSR": []})
    rows = curve_rows(none, none, PLAN, paramcd="OS", population="PRIMARY", analysis="os")[0]
    median = rows[rows["stat_name"] == "median"].iloc[0]
    assert median["stat_text"] == "no patient with this origin in this population"


def test_a_death_before_the_origin_is_never_a_negative_time():
    subject = pd.DataFrame(
        {
            "STUDYID": "T", "USUBJID": ["01"], "RFICDT": pd.Timestamp("2017-01-01"),
            "ALLOCDT": pd.Timestamp("2017-02-01"), "TRTSDT": pd.NaT, "RESALLDT": pd.NaT,
            "DTHDT": pd.Timestamp("2017-01-15"), "LSTALVDT": pd.Timestamp("2017-01-15"),
            "RESCTRFL": "N",
        }
    )  # fmt: skip
    got = adtte(subject, PLAN.survival).set_index("PARAMCD")
    assert got.loc["OS", ["AVAL", "CNSR", "CASE"]].tolist() == [0.0, 1, 2]
    assert got.loc["OSSCR", ["AVAL", "CNSR", "CASE"]].tolist() == [14.0, 0, 1]


def test_group_a_can_be_censored_when_it_is_allocated_again(patients):
    got = adtte(people(patients), PLAN.survival)
    censored = got[got["PARAMCD"] == "OSCENS"].set_index("USUBJID")
    assert censored.loc["04", ["AVAL", "CNSR", "CASE"]].tolist() == [129.0, 1, 5]
    assert censored.loc["01", ["AVAL", "CNSR", "CASE"]].tolist() == [30.0, 0, 1]


# Days from the origin, which is the first dose here. The plan allows 2 x 84 + 14 = 182 days without
# an assessment before an event.
CASES = """
    WHO | BASE | SCANS  | EVENT | SWITCH | LEFT | DIED | DAY | CASE | WHY
    ----+------+--------+-------+--------+------+------+-----+------+---------------------------------
    01  | N    | 84     | 168   |        |      |      | 0   | 1    | no baseline
    02  | Y    | 84     | 168   |        |      |      | 168 | 4    | progression
    03  | Y    | 84     | 168   | 100    |      |      | 84  | 2    | new therapy before it
    04  | Y    | 84     | 168   | 168    |      |      | 168 | 4    | new therapy on its day
    05  | Y    | 84     |       | 84     |      |      | 84  | 2    | the scan of that day counts
    06  | Y    | 84     |       | 83     |      |      | 0   | 2    | the scan of the next day does not
    07  | Y    | 84     | 266   |        |      |      | 266 | 4    | 182 days after the last scan
    08  | Y    | 84     | 267   |        |      |      | 84  | 3    | 183 days
    09  | Y    |        | 182   |        |      |      | 182 | 4    | before the first assessment
    10  | Y    |        | 183   |        |      |      | 0   | 3    | after two that were missed
    11  | Y    |        |       |        |      |      | 0   | 5    | no assessment
    12  | Y    | 84 168 |       |        | Y    |      | 168 | 6    | lost
    13  | Y    | 84     |       |        |      | Y    | 84  | 7    | died, and death is no event
    14  | Y    | 84     |       |        |      |      | 84  | 8    | the cut-off
    15  | Y    | 84     | -5    |        |      |      | 84  | 8    | what was before the origin is none
    16  | Y    | -5 0   |       |        |      |      | 0   | 5    | nor is an assessment
    17  | Y    |        | 0     |        |      |      | 0   | 4    | an event on the day of origin
"""


@pytest.mark.req("SAP-5.5")
def test_times_end_by_the_numbered_cases(patients):
    subjects = patients(CASES.replace(" WHO ", " ID  "))
    limit = 2 * PLAN.progression.scan_interval_days + PLAN.progression.window_days
    got = {}
    for subject in subjects.itertuples():
        scans = [int(float(d)) for d in str(subject.SCANS or "").split()]
        who = FollowUp(
            start=0,
            first_dose=0,
            baseline=subject.BASE == "Y",
            switch=None if pd.isna(subject.SWITCH) else int(subject.SWITCH),
            known=400,
            left="LOST TO FOLLOW-UP" if subject.LEFT == "Y" else "",
            died=subject.DIED == "Y",
        )
        seen = [DatedEvent(d, "SCAN", "TR", "TRDTC", float(d)) for d in scans]
        event = (
            []
            if pd.isna(subject.EVENT)
            else [DatedEvent(int(subject.EVENT), "X", "DM", "DTHDTC", 1.0)]
        )
        found = outcome(who, event, seen, Definition(), limit)
        got[subject.ID] = (found.day, found.case)
    assert got == {m.ID: (int(m.DAY), int(m.CASE)) for m in subjects.itertuples()}
    assert {case for _, case in got.values()} == set(range(1, 9))


ORIGIN = pd.Timestamp("2018-01-01")
DAY = pd.Timedelta(days=1)


def trial_of(subjects: dict[str, dict], plan=PLAN):
    """ADTTE of patients given by days from allocation (day 0) and first dose (day 7).

    Keys: pd, stable, pdu (scans by RS), psa [(day, value)], dead, alive, switch, stop, clinical.
    """

    def days(name: str) -> list:
        return [
            pd.NaT if m.get(name) is None else ORIGIN + m[name] * DAY for m in subjects.values()
        ]

    who = list(subjects)
    adsl = pd.DataFrame(
        {
            "STUDYID": "T", "USUBJID": who, "NCYCLES": 4.0, "RESCTRFL": "N", "GROUP": "B",
            "RFICDT": ORIGIN - 20 * DAY, "ALLOCDT": ORIGIN, "TRTSDT": ORIGIN + 7 * DAY,
            "TRTEDT": ORIGIN + 90 * DAY, "RESCCSDT": pd.NaT, "RESCRDT": pd.NaT, "RESALLDT": pd.NaT,
            "DTHDT": pd.to_datetime(days("dead")), "LSTALVDT": pd.to_datetime(days("alive")),
            "DCTDT": pd.to_datetime(days("stop")), "DCTREAS": "ADVERSE EVENT",
            "DCSREAS": [m.get("left") for m in subjects.values()],
        }
    )  # fmt: skip
    rs, lb, cm = [], [], []
    for name, m in subjects.items():
        for key, answer in (("stable", "SD"), ("pd", "PD"), ("pdu", "PDu"), ("ne", "NE")):
            rs += [(name, "OVRLRESP", answer, ORIGIN + d * DAY) for d in m.get(key, [])]
        rs += [(name, "CLINPROG", "Y", ORIGIN + d * DAY) for d in m.get("clinical", [])]
        lb += [(name, value, ORIGIN + d * DAY) for d, value in m.get("psa", [])]
        if m.get("switch") is not None:
            cm.append((name, "SUBSEQUENT ANTICANCER THERAPY", ORIGIN + m["switch"] * DAY))

    def table(rows: list, names: list[str], seq: str, dtc: str) -> pd.DataFrame:
        frame = pd.DataFrame(rows, columns=[*names, dtc])
        frame[dtc] = [f"{d:%Y-%m-%d}" for d in frame[dtc]]
        return frame.assign(**{seq: pd.Series(range(1, len(rows) + 1), dtype=float)})

    tables = {
        "rs": table(rs, ["USUBJID", "RSTESTCD", "RSSTRESC"], "RSSEQ", "RSDTC"),
        "lb": table(lb, ["USUBJID", "LBSTRESN"], "LBSEQ", "LBDTC").assign(LBTESTCD="PSA"),
        "cm": table(cm, ["USUBJID", "CMCAT"], "CMSEQ", "CMSTDTC"),
        "ex": pd.DataFrame(columns=["USUBJID"]),
    }
    course = courses(tables, adsl, "CABAZITAXEL")
    points = time_points(tables, course, plan.tumour, plan.bone)
    psa = {"STUDY": adpsa(tables, adsl, plan.psa_response)}
    answers = tumour_responses(tables, course, points, plan.tumour)
    response = psa_response(adsl, psa["STUDY"], plan.psa_response, confirm_after_days=28)
    adrs = pd.concat([answers, response.assign(PARAMCD="PSARESP")], ignore_index=True)
    got = sources(tables, adsl, course, points, psa, adrs, plan)
    return adsl, progression_times(got, plan)


def of(times: pd.DataFrame, paramcd: str) -> pd.DataFrame:
    return times[times["PARAMCD"] == paramcd].set_index("USUBJID")


def test_composite_events_keep_their_reason_and_source():
    subjects = {
        "radiographic": {"psa": [(0, 50)], "stable": [84], "pd": [168], "dead": 300, "alive": 299},
        "psa": {"psa": [(0, 50), (30, 20), (120, 30), (150, 40)], "stable": [84], "alive": 200},
        "clinical": {"psa": [(0, 50)], "stable": [84], "clinical": [100], "alive": 200},
        "dead": {"psa": [(0, 50), (30, 49)], "stable": [84], "dead": 110, "alive": 109},
        "same day": {"psa": [(0, 50)], "stable": [84], "pd": [168], "dead": 168, "alive": 168},
        "none": {"psa": [(0, 50)], "stable": [84], "ne": [168], "alive": 200},
    }
    _, times = trial_of(subjects)
    pfs, rpfs, ttpp = (of(times, name) for name in ("PFS", "RPFS", "TTPP"))
    assert pfs["AVAL"].to_dict() == {
        "radiographic": 168, "psa": 120, "clinical": 100, "dead": 110, "same day": 168, "none": 84,
    }  # fmt: skip
    assert pfs["EVNTDESC"].tolist() == [
        "RADIOGRAPHIC PROGRESSION", "PSA PROGRESSION", "CLINICAL PROGRESSION", "DEATH",
        "RADIOGRAPHIC PROGRESSION", "",
    ]  # fmt: skip
    assert pfs["SRCDOM"].tolist() == ["RS", "LB", "RS", "DM", "RS", "RS"]
    assert pfs["SRCVAR"].tolist() == ["RSDTC", "LBDTC", "RSDTC", "DTHDTC", "RSDTC", "RSDTC"]
    assert pfs.loc["none", "CNSDTDSC"] == "NO PROGRESSION AT LAST ASSESSMENT"  # NE is no assessment
    assert rpfs["AVAL"].to_dict() == {
        "radiographic": 168, "psa": 84, "clinical": 84, "dead": 110, "same day": 168, "none": 84,
    }  # fmt: skip
    assert ttpp["CNSR"].to_dict() == dict.fromkeys(subjects, 1) | {"psa": 0}
    assert ttpp.loc["dead", "CNSDTDSC"] == "DIED WITHOUT PROGRESSION"
    assert ttpp.loc["dead", "AVAL"] == 30


def test_each_sensitivity_changes_what_its_words_say():
    subjects = {
        "switch": {"psa": [(0, 50)], "stable": [84], "switch": 100, "pd": [168], "alive": 300},
        "gap": {"psa": [(0, 50)], "stable": [84], "dead": 290, "alive": 289},
        "stop": {"psa": [(0, 50)], "stable": [84], "stop": 110, "alive": 300},
        "pdu": {"psa": [(0, 50)], "stable": [84], "pdu": [168], "alive": 300},
    }
    _, times = trial_of(subjects)
    expected = {  # by hand: days and 0 for an event
        "RPFS": [(84, 1), (84, 1), (84, 1), (168, 1)],
        "RPFSNT": [(100, 0), (84, 1), (84, 1), (168, 1)],
        "RPFSIT": [(168, 0), (84, 1), (84, 1), (168, 1)],
        "RPFSGAP": [(84, 1), (290, 0), (84, 1), (168, 1)],
        "RPFSOFF": [(84, 1), (84, 1), (110, 0), (168, 1)],
        "RPFSUNC": [(84, 1), (84, 1), (84, 1), (168, 0)],
        "RPFSDOSE": [(77, 1), (77, 1), (77, 1), (161, 1)],
        "RPFSNEXT": [(84, 1), (84, 1), (84, 1), (168, 1)],
    }
    for paramcd, answers in expected.items():
        got = of(times, paramcd)
        assert list(zip(got["AVAL"], got["CNSR"], strict=True)) == answers, paramcd


@pytest.mark.parametrize(
    "pd_day, alive, expected",
    [
        (170, 400, 175),  # first dose on day 7: scans are planned on days 91 and 175
        (175, 400, 175),
        (176, 400, 259),
        (176, 200, 200),  # never after the last day known
    ],
)
def test_progression_can_be_moved_to_the_next_planned_scan(pd_day, alive, expected):
    _, times = trial_of({"01": {"psa": [(0, 50)], "stable": [84], "pd": [pd_day], "alive": alive}})
    assert of(times, "RPFSNEXT").loc["01", "AVAL"] == expected


def test_duration_runs_from_the_first_fall_to_progression():
    psa = [(0, 100), (28, 40), (70, 40), (130, 60), (160, 60)]
    subjects = {
        "ends": {"psa": psa, "alive": 300},
        "lasts": {"psa": psa[:3], "dead": 200, "alive": 199},
        "none": {"psa": [(0, 100), (28, 90)], "alive": 300},
        "tumour": {"psa": [(0, 100)], "stable": [60], "pd": [200], "alive": 300},
    }
    _, times = trial_of(subjects)
    dor = of(times, "DOR")
    assert dor["AVAL"].to_dict() == {
        "ends": 102,
        "lasts": 42,
    }  # day 28 to 130; to the value of day 70
    assert dor["CNSR"].to_dict() == {"ends": 0, "lasts": 1}
    assert dor.loc["lasts", "CNSDTDSC"] == "DIED WITHOUT PROGRESSION"


def test_without_dated_scans_no_time_to_progression_is_given_but_the_reason():
    adsl, times = trial_of({"01": {"psa": [(0, 50), (30, 60)], "dead": 100, "alive": 99}})
    assert not times["PARAMCD"].str.startswith(("PFS", "RPFS")).any()
    assert (times["PARAMCD"] == "TTPP").any()
    adsl = adsl.assign(PRIMFL="Y", RESCFL="N", GRPAFL="N")
    rows = ard.bind(
        time_to_progression(adsl, times, PLAN) + progression_sensitivity(adsl, times, PLAN)
    )
    pfs = rows[rows["analysis"].isin(("pfs", "rpfs", "pfs_sensitivity")) & rows["stat"].isna()]
    assert set(pfs["stat_text"]) == {"not in the data: no dated tumour assessment"}
    assert not rows[rows["analysis"].isin(("pfs", "rpfs"))]["stat"].notna().any()


RANDOM = st.fixed_dictionaries(
    {
        "psa": st.lists(
            st.tuples(st.integers(-20, 400), st.sampled_from([1, 4, 5, 6, 10, 40])),
            max_size=6,
            unique_by=lambda v: v[0],
        ),
        "stable": st.lists(st.integers(1, 400), max_size=3),
        "pd": st.lists(st.integers(1, 400), max_size=2),
        "pdu": st.lists(st.integers(1, 400), max_size=1),
        "dead": st.none() | st.integers(-5, 400),
        "alive": st.integers(8, 400),
        "switch": st.none() | st.integers(1, 400),
        "stop": st.none() | st.integers(8, 400),
        "clinical": st.lists(st.integers(1, 400), max_size=1),
    }
)


# Shrinking a trial of four patients takes minutes; the first trial that fails is readable enough.
UNSHRUNK = (Phase.explicit, Phase.generate)


@settings(derandomize=True, deadline=None, max_examples=25, phases=UNSHRUNK)
@given(st.lists(RANDOM, min_size=1, max_size=4))
def test_times_are_never_negative_nor_past_the_cut_off_whatever_the_dates(subjects):
    adsl, times = trial_of({f"{i:02d}": subject for i, subject in enumerate(subjects)})
    parts = [part for part in (times, adtte(adsl, PLAN.survival)) if len(part)]
    both = pd.concat(parts, ignore_index=True)
    assert (both["AVAL"] >= 0).all()
    assert both["PARAMCD"].str.len().max() <= 8
    assert (both["ADT"] <= ORIGIN + 400 * DAY).all()
    assert not both.duplicated(["USUBJID", "PARAMCD"]).any()
    assert ((both["CNSR"] == 0) == (both["EVNTDESC"] != "")).all()
    assert ((both["CNSR"] == 1) == (both["CNSDTDSC"] != "")).all()
    for paramcd in ("PFS", "RPFS"):
        events = {c: (of(times, paramcd + c)["CNSR"] == 0).sum() for c in ("", "GAP", "NT", "OFF")}
        assert all(events[more] >= events[""] for more in ("GAP", "NT"))


@pytest.mark.shared
def test_pancreatic_dates_give_the_published_pfs_of_all_41(shared_data):
    """asaur: dates of progression and death against the authors' `pfs` of the same 41 patients.

    Their rule counts every death whenever it came, which is the sensitivity "missed assessments are
    ignored"; the progression dates enter as the investigator's PD.
    """
    raw = pd.read_csv(shared_data / "asaur" / "pancreatic.csv", na_values=".")
    published = pd.read_csv(shared_data / "asaur" / "pancreatic2.csv")
    start, progressed, died = (
        pd.to_datetime(raw[name], format="%m/%d/%Y") for name in ("onstudy", "progression", "death")
    )
    who = [f"{i:02d}" for i in range(len(raw))]
    adsl = pd.DataFrame(
        {
            "STUDYID": "T", "USUBJID": who, "NCYCLES": 1.0, "RESCTRFL": "N", "GROUP": "B",
            "RFICDT": start, "ALLOCDT": start, "TRTSDT": start, "TRTEDT": start, "RESALLDT": pd.NaT,
            "RESCCSDT": pd.NaT, "RESCRDT": pd.NaT, "DTHDT": died, "LSTALVDT": died,
            "DCTDT": pd.NaT, "DCTREAS": None, "DCSREAS": "DEATH",
        }
    )  # fmt: skip
    rs = pd.DataFrame(
        {
            "USUBJID": who, "RSSEQ": 1.0, "RSTESTCD": "OVRLRESP", "RSSTRESC": "PD",
            "RSDTC": progressed.dt.strftime("%Y-%m-%d"),
        }
    )[progressed.notna()]  # fmt: skip
    lb = pd.DataFrame(columns=["USUBJID", "LBTESTCD", "LBDTC"], dtype=object)
    tables = {"rs": rs, "lb": lb, "ex": lb}
    course = courses(tables, adsl, "CABAZITAXEL")
    points = time_points(tables, course, PLAN.tumour, PLAN.bone)
    psa = {"STUDY": adpsa(tables, adsl, PLAN.psa_response)}
    adrs = tumour_responses(tables, course, points, PLAN.tumour)
    times = progression_times(sources(tables, adsl, course, points, psa, adrs, PLAN), PLAN)
    got = of(times, "PFSGAP")
    assert got["AVAL"].to_list() == published["pfs"].astype(float).to_list()
    assert (got["CNSR"] == 0).all()


def test_restricted_mean_by_hand():
    """Times 1, 2, 3, all events: area 2, variance 1/6 + 1/18 = 2/9 (Klein & Moeschberger 4.5.2)."""
    frame = pd.DataFrame({"USUBJID": list("abc"), "PARAMCD": "OS", "AVAL": [1.0, 2, 3], "CNSR": 0})
    plan = PLAN.model_copy(
        update={"survival": PLAN.survival.model_copy(update={"days_per_month": 1.0})}
    )
    rows = ard.bind(
        curve_rows(frame, frame, plan, paramcd="OS", population="PRIMARY", analysis="os")
    )
    mean = rows[rows["level"] == "rmst_12"].set_index("stat_name")["stat"]
    assert mean["estimate"] == pytest.approx(2)
    assert mean["standard_error"] == pytest.approx((2 / 9) ** 0.5)


def test_restricted_mean_of_a_curve_that_ends_early_is_not_estimable():
    frame = pd.DataFrame(
        {"USUBJID": list("ab"), "PARAMCD": "OS", "AVAL": [30.0, 60], "CNSR": [0, 1]}
    )
    rows = ard.bind(
        curve_rows(frame, frame, PLAN, paramcd="OS", population="PRIMARY", analysis="os")
    )
    mean = rows[(rows["level"] == "rmst_12") & (rows["stat_name"] == "estimate")].iloc[0]
    assert mean["stat_text"] == "the curve ends before this time"


# ---- results worked by hand ------------------------------------------------------------------

# Months (the month of this plan is a day). 1 to 5 are the primary set, 6 the re-screened set.
# At 2: 4/5. At 4: 0.8 x 3/4 = 0.6. At 8, 2 at risk: 0.3. Follow-up, reversed: at 5, 3 at risk, 2/3; at 14, 0.
FOLLOWED = """
    USUBJID | AVAL | CNSR | EVNTDESC  | CNSDTDSC
    --------+------+------+-----------+-----------------
    1       | 2    | 0    | PROGRESSED |
    2       | 4    | 0    | DEATH     |
    3       | 5    | 1    |           | LOST TO FOLLOW-UP
    4       | 8    | 0    | DEATH     |
    5       | 14   | 1    |           | STILL FOLLOWED
"""
Z = 1.959963984540054


def log_log(survival: float, greenwood: float) -> tuple[float, float]:
    """The limits of S by the log-log transform: S to the power exp(+-z se / |log S|)."""
    power = math.exp(Z * greenwood**0.5 / abs(math.log(survival)))
    return survival**power, survival ** (1 / power)


def worked_sets(patients, codes: tuple[str, ...]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """ADSL, and ADTTE with the times above under each code and one time of the re-screened subject."""
    times = patients(FOLLOWED)
    adsl = pd.DataFrame(
        {"USUBJID": list("123456"), "PRIMFL": ["Y"] * 5 + ["N"], "RESCFL": ["N"] * 5 + ["Y"],
         "RESCTRFL": ["N"] * 5 + ["Y"], "SAFFL": "N", "MPOSFL": "N", "SCRFL": "N", "GRPAFL": "N"}
    )  # fmt: skip
    again = pd.DataFrame(
        {"USUBJID": ["6"], "AVAL": [3.0], "CNSR": [0.0], "EVNTDESC": ["DEATH"], "CNSDTDSC": [None]}
    )
    parts = [times.assign(PARAMCD=code) for code in codes]
    parts += [again.assign(PARAMCD=f"{code}RE") for code in codes]
    return adsl, pd.concat(parts, ignore_index=True)


MONTHLY = PLAN.model_copy(
    update={
        "survival": PLAN.survival.model_copy(
            update={"days_per_month": 1.0, "landmarks_months": [6.0, 12.0], "rmst_months": 12.0}
        )
    }
)


def asserted_by_hand(rows: pd.DataFrame, analysis: str) -> None:
    """The statistics of FOLLOWED in the primary set, the curve and the numbers at risk."""
    primary = rows[rows["population"] == "PRIMARY"]

    def values(name: str, level: str) -> dict[str, float | str]:
        chosen = primary[(primary["analysis"] == name) & (primary["level"] == level)]
        return {r.stat_name: r.stat_text or r.stat for r in chosen.itertuples()}

    assert values(analysis, "") == pytest.approx(
        {"N": 5, "n_events": 3, "n_censored": 2, "median": 8, "conf_low": 2,
         "conf_high": "the confidence band does not reach 0.5", "conf_level": 0.95, "min": 2,
         "max": 14, "follow_up_median": 14}
    )  # fmt: skip
    # Greenwood: 1/(5 x 4) + 1/(4 x 3) = 2/15, and 1/(2 x 1) more at 8
    for level, survival, greenwood, at_risk in (
        ("month_6", 0.6, 2 / 15, 2), ("month_12", 0.3, 2 / 15 + 1 / 2, 1),
    ):  # fmt: skip
        low, high = log_log(survival, greenwood)
        assert values(analysis, level) == pytest.approx(
            {"estimate": survival, "conf_low": low, "conf_high": high, "conf_level": 0.95,
             "at_risk": at_risk}
        )  # fmt: skip
    # area 2 + 2 x 0.8 + 4 x 0.6 + 4 x 0.3 = 7.2; areas after each event 5.2, 3.6, 1.2:
    # variance 5.2^2 / 20 + 3.6^2 / 12 + 1.2^2 / 2 = 3.152
    error = 3.152**0.5
    assert values(analysis, "rmst_12") == pytest.approx(
        {"estimate": 7.2, "standard_error": error, "conf_low": 7.2 - Z * error,
         "conf_high": 7.2 + Z * error, "conf_level": 0.95}
    )  # fmt: skip
    steps = {
        "1": (2, 0.8, 5, 1, 0), "2": (4, 0.6, 4, 1, 0), "3": (5, 0.6, 3, 0, 1),
        "4": (8, 0.3, 2, 1, 0), "5": (14, 0.3, 1, 0, 1),
    }  # fmt: skip
    names = ("time", "estimate", "at_risk", "n_events", "n_censored")
    curve = primary[primary["analysis"] == f"{analysis}_curve"]
    assert set(curve["level"]) == set(steps)
    for level, numbers in steps.items():
        found = values(f"{analysis}_curve", level)
        assert [found[name] for name in names] == pytest.approx(numbers)
        if level != "5":
            greenwood = {"1": 1 / 20, "2": 2 / 15, "3": 2 / 15, "4": 2 / 15 + 1 / 2}[level]
            limits = log_log(numbers[1], greenwood)
            assert (found["conf_low"], found["conf_high"]) == pytest.approx(limits)
    counts = {"0": 5, "2": 5, "4": 4, "6": 2, "8": 2, "10": 1, "12": 1, "14": 1}
    below = primary[primary["analysis"] == f"{analysis}_at_risk"]
    assert set(below["level"]) == set(counts)
    for level, n in counts.items():
        assert values(f"{analysis}_at_risk", level) == {"time": float(level), "at_risk": n}


@pytest.mark.req("SAP-5.6")
@pytest.mark.worked("os", "os_curve", "os_at_risk")
def test_overall_survival_has_the_numbers_worked_by_hand(patients):
    adsl, times = worked_sets(patients, ("OS",))
    rows = ard.bind(overall_survival(adsl, times, MONTHLY))
    asserted_by_hand(rows, "os")
    again = rows[(rows["population"] == "RESCREENED") & (rows["analysis"] == "os")]
    again = again[again["level"] == ""].set_index("stat_name")["stat"]
    assert again[["N", "n_events", "median"]].tolist() == [1, 1, 3]
    assert set(rows[rows["population"] == "RESCREENED"]["paramcd"]) == {"OSRE"}


@pytest.mark.req("SAP-5.5")
@pytest.mark.worked("pfs", "pfs_curve", "pfs_at_risk", "pfs_reasons")
@pytest.mark.worked("rpfs", "rpfs_curve", "rpfs_at_risk", "rpfs_reasons")
@pytest.mark.worked("ttpp", "ttpp_curve", "ttpp_at_risk", "ttpp_reasons")
@pytest.mark.worked("dor", "dor_curve", "dor_at_risk", "dor_reasons")
@pytest.mark.worked("rdor", "rdor_curve", "rdor_at_risk", "rdor_reasons")
@pytest.mark.parametrize("code", ["PFS", "RPFS", "TTPP", "DOR", "RDOR"])
def test_each_time_to_progression_has_the_numbers_worked_by_hand(patients, code):
    adsl, times = worked_sets(patients, (code,))
    rows = ard.bind(time_to_progression(adsl, times, MONTHLY))
    asserted_by_hand(rows, code.lower())
    reasons = rows[rows["analysis"] == f"{code.lower()}_reasons"]
    found = {
        (r.population, r.paramcd, r.level, r.sublevel, r.stat_name): r.stat
        for r in reasons.itertuples()
    }
    primary = {
        ("PROGRESSED", "event"): 1, ("DEATH", "event"): 2,
        ("LOST TO FOLLOW-UP", "censored"): 1, ("STILL FOLLOWED", "censored"): 1,
    }  # fmt: skip
    expected = {("PRIMARY", code, *place, "n"): n for place, n in primary.items()}
    expected |= {("PRIMARY", code, *place, "N"): 5 for place in primary}
    expected |= {("RESCREENED", f"{code}RE", "DEATH", "event", name): 1 for name in ("n", "N")}
    assert found == expected


@pytest.mark.req("SAP-5.5")
@pytest.mark.worked("pfs_sensitivity", "rpfs_sensitivity", "ttpp_sensitivity")
@pytest.mark.parametrize("code", ["PFS", "RPFS", "TTPP"])
def test_each_definition_has_its_own_times(patients, code):
    """As planned: the numbers of FOLLOWED. Ignoring a new therapy: all five have the event, so the
    median is the third time, 5; the limits and the range are of the same five times."""
    adsl, times = worked_sets(patients, (code,))
    ignored = times[times["PARAMCD"] == code].assign(PARAMCD=f"{code}IT", CNSR=0.0)
    rows = ard.bind(progression_sensitivity(adsl, pd.concat([times, ignored]), MONTHLY))
    mine = rows[rows["analysis"] == f"{code.lower()}_sensitivity"]
    assert set(zip(mine["paramcd"], mine["level"], strict=True)) == {
        (code, "as_planned"), (f"{code}IT", "new_therapy_ignored"),
    }  # fmt: skip

    def values(level: str) -> dict[str, float]:
        return mine[mine["level"] == level].set_index("stat_name")["stat"].to_dict()

    planned, other = values("as_planned"), values("new_therapy_ignored")
    names = ("N", "n_events", "n_censored", "median", "min", "max")
    assert [planned[name] for name in names] == [5, 3, 2, 8, 2, 14]
    assert [other[name] for name in names] == [5, 5, 0, 5, 2, 14]


def values_of(rows: pd.DataFrame, **where: str) -> dict[str, float | str]:
    """The statistics at one place of the ARD."""
    for name, value in where.items():
        rows = rows[rows[name] == value]
    return {r.stat_name: r.stat_text or r.stat for r in rows.itertuples()}


def with_survival(**changed: object):
    return MONTHLY.model_copy(update={"survival": MONTHLY.survival.model_copy(update=changed)})


def test_a_landmark_before_the_first_event_and_after_the_last_time_has_no_limits(patients):
    """FOLLOWED: nothing happens before 2, at 2 the first of 5 dies; followed to 14, on that day 1 at risk."""
    adsl, times = worked_sets(patients, ("OS",))
    plan = with_survival(landmarks_months=[1.0, 2.0, 14.0, 15.0])
    rows = ard.bind(overall_survival(adsl, times, plan))
    rows = rows[(rows["population"] == "PRIMARY") & (rows["analysis"] == "os")]
    none, late = "no event by then", "no standard error at this time"
    expected = {
        "month_1": (1, none, none, 5),
        "month_2": (0.8, *log_log(0.8, 1 / 20), 5),
        "month_14": (0.3, *log_log(0.3, 2 / 15 + 1 / 2), 1),
        "month_15": ("after the last observed time", late, late, 0),
    }
    for level, (estimate, low, high, at_risk) in expected.items():
        assert values_of(rows, level=level) == pytest.approx(
            {"estimate": estimate, "conf_low": low, "conf_high": high, "conf_level": 0.95,
             "at_risk": at_risk}
        ), level  # fmt: skip


def test_a_restricted_mean_goes_to_the_last_time_and_no_further(patients):
    """FOLLOWED to 14: 7.2 to 12 and 2 x 0.3 more; to 15 it is not estimable, S being 0.3 at the end."""
    adsl, times = worked_sets(patients, ("OS",))
    for tau, estimate in ((14.0, 7.8), (15.0, "the curve ends before this time")):
        rows = ard.bind(overall_survival(adsl, times, with_survival(rmst_months=tau)))
        mean = values_of(rows, population="PRIMARY", level=f"rmst_{tau:g}", analysis="os")
        assert mean["estimate"] == pytest.approx(estimate)
        assert mean["conf_level"] == 0.95
        assert isinstance(mean["standard_error"], str) == isinstance(estimate, str)


def test_the_difference_of_two_restricted_means_by_hand():
    """All events. At 1, 2, 3: area 2, variance 2/9. At 2, 4: area 2 + 2/2 = 3, variance 1^2 / 2."""
    curves = [kaplan_meier([1, 2, 3], [1, 1, 1]), kaplan_meier([2, 4], [1, 1])]
    error = (2 / 9 + 1 / 2) ** 0.5
    assert survival_results.restricted(curves, 12.0, 0.95) == pytest.approx(
        {"estimate": -1, "standard_error": error, "conf_low": -1 - Z * error,
         "conf_high": -1 + Z * error, "conf_level": 0.95}
    )  # fmt: skip


@pytest.mark.parametrize(
    "longest, last, number",
    [
        (9.0, "9", 10),  # every month
        (9.5, "10", 6),  # every second month; the next place is half a month later
        (18.0, "18", 10),
        (18.5, "18", 7),  # every third; 21 is more than half of a step later
        (27.0, "27", 10),
        (33.0, "30", 6),  # every sixth; 36 is just half of a step later
        (33.5, "36", 7),
        (54.0, "54", 10),
        (108.0, "108", 10),
        (109.0, "120", 6),
    ],
)
def test_patients_at_risk_are_counted_at_about_eight_months(longest, last, number):
    frame = pd.DataFrame(
        {"USUBJID": list("ab"), "PARAMCD": "OS", "AVAL": [0.5, longest], "CNSR": [0, 1]}
    )
    rows = ard.bind(
        curve_rows(frame, frame, MONTHLY, paramcd="OS", population="PRIMARY", analysis="os")
    )
    below = rows[(rows["analysis"] == "os_at_risk") & (rows["stat_name"] == "at_risk")]
    counts = below.set_index("level")["stat"].to_dict()
    assert len(counts) == number
    assert max(counts, key=float) == last
    assert counts["0"] == 2
    assert counts[last] == (1 if float(last) <= longest else 0)


def test_a_step_to_zero_has_no_limits_and_a_reason():
    """Two deaths on days 1 and 2: S is 1/2, then 0."""
    frame = pd.DataFrame({"USUBJID": list("ab"), "PARAMCD": "OS", "AVAL": [1.0, 2.0], "CNSR": 0})
    rows = ard.bind(
        curve_rows(frame, frame, MONTHLY, paramcd="OS", population="PRIMARY", analysis="os")
    )
    last = values_of(rows, analysis="os_curve", level="2")
    assert (last["time"], last["estimate"], last["at_risk"]) == (2, 0, 1)
    assert last["conf_low"] == last["conf_high"] == "no standard error at this time"
    assert isinstance(values_of(rows, analysis="os_curve", level="1")["conf_low"], float)


def test_each_curve_is_of_the_section_of_its_analysis():
    frame = pd.DataFrame({"USUBJID": list("ab"), "PARAMCD": "OS", "AVAL": [1.0, 2.0], "CNSR": 0})
    sections = {
        "os": PLAN.survival.section, "pfs": PLAN.progression.section,
        "os_marker": PLAN.survival_comparison.section, "os_group": PLAN.survival_comparison.section,
    }  # fmt: skip
    assert len(set(sections.values())) == 3
    for analysis, section in sections.items():
        parts = curve_rows(
            frame, frame, PLAN, paramcd="OS", population="PRIMARY", analysis=analysis
        )
        assert set(ard.bind(parts)["section"]) == {section}, analysis


def test_without_times_there_are_counts_of_zero_or_the_reason(patients):
    """TTPP of others is derived, so that of the re-screened is a count; PFS is of no patient at all."""
    adsl, times = worked_sets(patients, ("TTPP",))
    first_only = times[times["PARAMCD"] == "TTPP"]
    rows = ard.bind(time_to_progression(adsl, first_only, MONTHLY))
    origin = "no patient with this origin in this population"
    counted = {"N": 0, "n_events": 0, "median": origin, "conf_low": origin, "conf_high": origin}
    assert values_of(rows, analysis="ttpp", population="RESCREENED") == counted
    scans = "not in the data: no dated tumour assessment"
    absent = dict.fromkeys(("N", "n_events", "median", "conf_low", "conf_high"), scans)
    for analysis in ("pfs", "rpfs", "rdor"):
        assert values_of(rows, analysis=analysis, population="PRIMARY") == absent
    # a duration has no patient where there is no response: a count, and no statement about the data
    assert values_of(rows, analysis="dor", population="PRIMARY") == counted
    rows = ard.bind(time_to_progression(adsl, times.iloc[:0], MONTHLY))
    assert (
        values_of(rows, analysis="ttpp", population="RESCREENED")["N"] == "not in the data: no PSA"
    )
    rows = ard.bind(progression_sensitivity(adsl, times.iloc[:0], MONTHLY))
    assert values_of(rows, analysis="ttpp_sensitivity") == {"median": "not in the data: no PSA"}
    assert set(rows["level"]) == {"as_planned"}


def test_one_time_of_a_definition_is_a_row(patients):
    adsl, times = worked_sets(patients, ("PFS",))
    one = times[times["USUBJID"] == "4"].assign(PARAMCD="PFSOFF")
    rows = ard.bind(progression_sensitivity(adsl, one, MONTHLY))
    frame = values_of(rows, paramcd="PFSOFF", level="discontinuation_event")
    assert (frame["N"], frame["median"], frame["min"], frame["max"]) == (1, 8, 8, 8)
    assert set(rows.loc[rows["analysis"] == "pfs_sensitivity", "level"]) == {
        "discontinuation_event"
    }


def test_the_sets_of_each_time_to_an_event_are_those_of_the_plan(patients):
    """Group A has overall survival, PFS and TTPP, where the study has groups."""
    codes = ("OS", "PFS", "RPFS", "TTPP", "DOR", "RDOR")
    adsl, times = worked_sets(patients, codes)
    both = [("PRIMARY", ""), ("RESCREENED", "RE")]
    for plan, groups in ((MONTHLY, True), (NO_GROUPS, False)):
        rows = ard.bind(survival_results.rows(adsl=adsl, adtte=times, plan=plan))
        of_os = rows[rows["analysis"] == "os"]
        expected = {(name, "OS") for name in ("PRIMARY", "SAFETY", "MARKERPOS", "SCREENED")}
        expected |= {("RESCREENED", "OSRE")} | ({("GROUPA", "OS")} if groups else set())
        assert set(zip(of_os["population"], of_os["paramcd"], strict=True)) == expected
        for code in codes[1:]:
            mine = rows[rows["analysis"] == code.lower()]
            sets = {(population, code + end) for population, end in both}
            sets |= {("GROUPA", code)} if groups and code in ("PFS", "TTPP") else set()
            assert set(zip(mine["population"], mine["paramcd"], strict=True)) == sets, code
        assert {f"{code.lower()}_sensitivity" for code in ("PFS", "RPFS", "TTPP")} <= set(
            rows["analysis"]
        )
