"""Dates and times of SDTM against the tables of SDTMIG 3.4, section 4.4, in both computations."""

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sap.catalogue.iso8601 import hours_between, moment, parse_date
from sap.derivations import baseline
from sap.derivations.dates import (
    earliest_day,
    full_day,
    hours_since,
    latest_day,
    latest_time_of_day,
    precision,
    time_of_day,
)
from sap.derivations.labs import adlb
from sap.derivations.population import death
from sap.derivations.response import adpsa
from sap.plan import read_plan
from sap.qc import baseline as qc_baseline
from sap.qc import dates as qc_dates
from sap.qc.psa import visits
from sap.qc.subjects import Subject

PLAN = read_plan(Path(__file__).parents[1] / "analysis" / "plan.yml").plan

# The text; the first and last day it can mean; whether it means one day. SDTMIG 3.4, section 4.4.2,
# its table of precision, of omitted components and of intervals of uncertainty, and its zones.
FORMS = """
    2003-12-15T13:14:17.123           | 2003-12-15 | 2003-12-15
    2003-12-15T13:14:17               | 2003-12-15 | 2003-12-15
    2003-12-15T13:14                  | 2003-12-15 | 2003-12-15
    2003-12-15T13                     | 2003-12-15 | 2003-12-15
    2003-12-15                        | 2003-12-15 | 2003-12-15
    2003-12                           | 2003-12-01 | 2003-12-31
    2003                              | 2003-01-01 | 2003-12-31
    2003-12-15T10:00/2003-12-15T10:30 | 2003-12-15 | 2003-12-15
    2003-01-01/2003-02-15             | 2003-01-01 | 2003-02-15
    2003-12-01/2003-12-10             | 2003-12-01 | 2003-12-10
    2003-01-01/2003-06-30             | 2003-01-01 | 2003-06-30
    2003-12-15T-:15                   | 2003-12-15 | 2003-12-15
    2003-12-15T13:-:17                | 2003-12-15 | 2003-12-15
    2003---15                         | 2003-01-15 | 2003-12-15
    --12-15                           |            |
    -----T07:15                       |            |
    2003-12--                         | 2003-12-01 | 2003-12-31
    2003-12-31T23:30-05:00            | 2003-12-31 | 2003-12-31
    2004-02                           | 2004-02-01 | 2004-02-29
    2003-12/2004-01                   | 2003-12-01 | 2004-01-31
    """
ROWS = [[cell.strip() for cell in line.split("|")] for line in FORMS.strip().splitlines()]


@pytest.mark.parametrize("text, first, last", ROWS)
def test_each_form_means_the_days_that_the_guide_says(text, first, last):
    said = parse_date(text)
    assert said is not None
    for day, wanted in zip(said[:2], (first, last), strict=True):
        assert (day.isoformat() if day else "") == wanted
    again = [qc_dates.earliest(text), qc_dates.latest(text)]
    assert [day.isoformat() if day else "" for day in again] == [first, last]
    one_day = dt.date.fromisoformat(first) if first and first == last else None
    assert said.day == qc_dates.complete_day(text) == one_day


@pytest.mark.parametrize(
    "text, early, late",
    [
        ("2003-12-15T09:00", "09:00", "09:00"),
        ("2003-12-15T09:00:00", "09:00", "09:00"),
        ("2003-12-15T09:00:00.000", "09:00", "09:00"),
        ("2003-12-15T09:00:00.50", "09:00:00.5", "09:00:00.5"),
        ("2003-12-15T09", "09:00", "09:59:59"),
        ("2003-12-15T-:15", "00:15", "23:15"),
        ("2003-12-15T13:-:17", "13:00:17", "13:59:17"),
        ("2003-12-15T09:00+02:00", "09:00", "09:00"),
        ("2003-12-15T10:00/2003-12-15T10:30", "10:00", "10:30"),
        ("2003-12-15", None, None),
        ("2003-12-15T10:00/2003-12-16T10:30", None, None),
    ],
)
def test_times_have_one_spelling_and_say_what_is_not_known(text, early, late):
    said = parse_date(text)
    assert (said.early, said.late) == (early, late)
    for wanted, last in ((early, False), (late, True)):
        seconds = qc_dates.clock(text, last=last)
        assert (seconds is None) == (wanted is None)
        if wanted is not None:
            parts = [float(part) for part in (wanted + ":00")[:8].split(":")]
            fraction = float("0" + wanted[8:]) if len(wanted) > 8 else 0
            assert seconds == 3600 * parts[0] + 60 * parts[1] + parts[2] + fraction


TIMES = st.times().map(lambda time: time.replace(tzinfo=None))


@settings(derandomize=True, deadline=None)
@given(TIMES, TIMES)
def test_times_as_texts_stand_in_the_order_of_the_clock(one, other):
    texts = [parse_date(f"2003-12-15T{time.isoformat()}").early for time in (one, other)]
    assert (texts[0] < texts[1], texts[0] == texts[1]) == (one < other, one == other)


@settings(derandomize=True, deadline=None)
@given(st.dates(dt.date(1900, 1, 1), dt.date(2099, 12, 31)), TIMES)
def test_whatever_python_writes_is_read_back(day, time):
    when = dt.datetime.combine(day, time)
    assert moment(when.isoformat()) == when
    assert qc_dates.complete_day(when.isoformat()) == when.date()


@pytest.mark.parametrize(
    "later, earlier, hours",
    [
        ("2003-12-15T10:30", "2003-12-15T09:00:00", 1.5),
        ("2003-12-16T00:30", "2003-12-15T23:30", 1),
        # Both zones: by the clock of the world. One zone: as written.
        ("2003-12-15T10:30+02:00", "2003-12-15T09:30+01:00", 0),
        ("2003-12-15T10:30Z", "2003-12-15T09:30-01:30", -0.5),
        ("2003-12-15T10:30+02:00", "2003-12-15T09:30", 1),
        ("2003-12-15T10", "2003-12-15T09:30", None),
        ("2003-12-15", "2003-12-15T09:30", None),
        ("2003-12-15T10:-:17", "2003-12-15T09:30", None),
    ],
)
def test_hours_between_two_times(later, earlier, hours):
    assert hours_between(later, earlier) == hours
    assert qc_dates.hours(later, earlier) == hours


def test_the_columns_of_the_derivations():
    texts = pd.Series(["2003-12-15T09:00:00", "2003---15", "2003-12-01/2003-12-10", None])
    assert full_day(texts).dt.strftime("%F").tolist()[0] == "2003-12-15"
    assert full_day(texts).isna().tolist() == [False, True, True, True]
    latest = latest_day(texts).dt.strftime("%F").tolist()
    assert latest[:3] == ["2003-12-15", "2003-12-15", "2003-12-10"]
    assert time_of_day(texts).tolist() == ["09:00", None, None, None]
    with pytest.raises(ValueError, match=r"1 text\(s\) are no ISO 8601 date"):
        full_day(pd.Series(["2017-02-30", "2017-02-03"]))


def test_the_columns_keep_the_index_and_leave_missing_what_is_not_known():
    index = pd.Index([7, 3, 5])
    texts = pd.Series(["2003-12-15T09", None, float("nan")], index, dtype="object")
    none = pd.Series(["2003-12-15T08:30", "2003-12-15T08:30", None], index, dtype="object")
    for made in (earliest_day(texts), latest_day(texts), full_day(texts)):
        assert made.index.equals(index)
        assert made.dt.strftime("%F").fillna("").tolist() == ["2003-12-15", "", ""]
    assert precision(texts).to_dict() == {7: 13, 3: 0, 5: 0}
    assert time_of_day(texts).to_dict() == {7: "09:00", 3: None, 5: None}
    assert latest_time_of_day(texts).to_dict() == {7: "09:59:59", 3: None, 5: None}
    # one side missing, the other side missing, and an hour without minutes
    assert hours_since(none, texts).isna().tolist() == [True, True, True]
    assert hours_since(texts, none).isna().tolist() == [True, True, True]
    assert hours_since(none, none).to_dict() == pytest.approx(
        {7: 0, 3: 0, 5: float("nan")}, nan_ok=True
    )
    with pytest.raises(ValueError, match="shorter"):
        hours_since(none, none[:2])
    for part in (precision, time_of_day, latest_time_of_day, earliest_day):
        with pytest.raises(ValueError, match=r"^dtc: 1 text\(s\) are no ISO 8601 date"):
            part(pd.Series(["2017-02-30", "2017-02-03", None]))


# PSA of one patient whose infusion began at 09:00; his fall of 60 % is confirmed on day 49. The
# value of the first dosing day is the only baseline. numbers.md 16 of the outside check: "09:00:00"
# is no later than "09:00", so the baseline is kept.
@pytest.mark.parametrize(
    "infusion, sample, kept",
    [
        ("09:00", "09:00:00", True),
        ("09:00:00", "09:00", True),
        ("09:00", "09:00:00.0", True),
        ("09:00:00", "09:00:01", False),
        ("09:00", "08:59:59.9", True),
        ("09", "09:30", True),  # the infusion may have begun at 09:59
        ("09", "10:00", False),
        ("09:30", "09", True),  # the sample may be of 09:00
        ("09:00", "09:00+02:00", True),
    ],
)
def test_a_baseline_of_the_first_dosing_day_hangs_on_times_not_on_their_spelling(
    infusion, sample, kept
):
    first = dt.date(2018, 1, 1)
    texts = [f"2018-01-01T{sample}", "2018-01-22", "2018-02-19"]
    lb = pd.DataFrame(
        {
            "USUBJID": "01", "LBSEQ": [1.0, 2.0, 3.0], "LBTESTCD": "PSA", "LBSTRESC": None,
            "LBSTRESN": [100.0, 40.0, 40.0], "LBLLOQ": None, "LBDTC": texts,
        }
    )  # fmt: skip
    ex = pd.DataFrame(
        {"EXTRT": "CABAZITAXEL", "EXCAT": None, "EXSTDTC": [f"2018-01-01T{infusion}"]}
    )
    start = parse_date(f"2018-01-01T{infusion}").late
    adsl = pd.DataFrame(
        {"USUBJID": ["01"], "TRTSDT": pd.Timestamp(first), "TRTSTM": start, "NCYCLES": 5.0,
         "TRTEDT": pd.Timestamp("2018-06-01"), "STUDYID": "T"}
    )  # fmt: skip
    course = adpsa({"lb": lb, "cm": pd.DataFrame()}, adsl, PLAN.psa_response)
    assert course["BASE"].notna().all() == kept
    subject = Subject("01", doses=5, first_dose=first, last_dose=dt.date(2018, 6, 1))
    seen = visits(subject, lb.to_dict("records"), ex.to_dict("records"), PLAN)
    assert [visit.psa for visit in seen] == [Decimal(100)] * kept + [Decimal(40)] * 2


def test_of_two_values_of_a_day_the_later_time_counts_however_it_is_spelt():
    """09:30:00.5 is later than 09:30, and 10:00 than 09:45:00."""
    texts = [
        "2018-01-22T09:30", "2018-01-22T09:30:00.5", "2018-02-19T10:00", "2018-02-19T09:45:00",
    ]  # fmt: skip
    lb = pd.DataFrame(
        {"USUBJID": "01", "LBSEQ": [1.0, 2.0, 3.0, 4.0], "LBTESTCD": "PSA", "LBSTRESC": None,
         "LBSTRESN": [1.0, 2.0, 3.0, 4.0], "LBLLOQ": None, "LBDTC": texts}
    )  # fmt: skip
    adsl = pd.DataFrame(
        {"USUBJID": ["01"], "TRTSDT": pd.Timestamp("2018-01-01"), "NCYCLES": 5.0,
         "TRTEDT": pd.Timestamp("2018-06-01"), "STUDYID": "T"}
    )  # fmt: skip
    course = adpsa({"lb": lb, "cm": pd.DataFrame()}, adsl, PLAN.psa_response)
    assert course["AVAL"].tolist() == [2.0, 3.0]
    subject = Subject("01", doses=5, first_dose=dt.date(2018, 1, 1), last_dose=dt.date(2018, 6, 1))
    seen = visits(subject, lb.to_dict("records"), [], PLAN)
    assert [float(visit.psa) for visit in seen] == [2.0, 3.0]


def test_the_laboratory_baseline_of_a_day_is_its_later_time():
    """Platelets 80 at 09:30:00 and 40 at 09:30 of the dosing day: one time, so the higher LBSEQ."""
    lb = pd.DataFrame(
        {
            "USUBJID": "01", "LBSEQ": [1.0, 2.0, 3.0], "LBTESTCD": "PLAT", "LBTEST": "Platelets",
            "LBSTRESC": ["80", "40", "60"], "LBSTRESN": [80.0, 40.0, 60.0], "LBSTRESU": "10^9/L",
            "LBDTC": ["2018-01-01T09:30:00", "2018-01-01T09:30", "2018-01-01T08:00"],
        }
    )  # fmt: skip
    adsl = pd.DataFrame(
        {"USUBJID": ["01"], "TRTSDT": pd.Timestamp("2018-01-01"), "NCYCLES": 5.0,
         "TRTEDT": pd.Timestamp("2018-06-01"), "STUDYID": "T"}
    )  # fmt: skip
    found = adlb({"lb": lb}, adsl, PLAN.labs, PLAN.safety)
    assert found.loc[found["ABLFL"] == "Y", "AVAL"].tolist() == [40.0]


@pytest.mark.parametrize(
    "text, seen, died",
    [
        ("2018-05", "2018-05-20", "2018-05-20"),  # case 2: not before the day last seen alive
        ("2018-05", "2018-04-20", "2018-05-01"),
        ("2018-05-10/2018-05-15", "2018-05-12", "2018-05-12"),
        ("2018-05-10T23:00+02:00", "2018-05-12", "2018-05-10"),  # a full date stands
        ("--05-10", "2018-05-12", None),  # no year: no date
    ],
)
def test_a_partial_date_of_death(text, seen, died):
    tables = {"dm": pd.DataFrame({"USUBJID": ["01"], "DTHDTC": [text]})}
    got = death(tables, pd.Series([pd.Timestamp(seen)], ["01"]))
    assert got.get("01") == (None if died is None else pd.Timestamp(died))


def test_a_characteristic_of_a_day_is_that_of_its_later_time_in_both_computations():
    """Albumin 40 at 15:00, numbered 1, and 38 at 08:00:00, numbered 2: 40 is the later."""
    lb = pd.DataFrame(
        {
            "USUBJID": "01", "LBSEQ": [1.0, 2.0], "LBTESTCD": "ALB", "LBSTRESC": ["40", "38"],
            "LBSTRESN": [40.0, 38.0], "LBSTRESU": "g/L",
            "LBDTC": ["2018-01-01T15:00", "2018-01-01T08:00:00"],
        }
    )  # fmt: skip
    day = pd.Timestamp("2018-01-01")
    at = pd.DataFrame(
        {"USUBJID": ["01"], "AVISIT": "SCREENING", "REFDT": day, "FROMDT": pd.NaT, "TRTSDT": day}
    )
    assert baseline._last_before_reference(baseline._lab_values({"lb": lb}, "ALB"), at)[
        "VALUE"
    ].tolist() == [40.0]
    window = qc_baseline.Window(None, day.date())
    assert qc_baseline._test(lb.to_dict("records"), "ALB", window) == 40.0
