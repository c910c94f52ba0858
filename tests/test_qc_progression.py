"""Times to progression of the second computation, by hand from the cases of SAP 5.5.

Day 0 is the allocation; doses are on days 7, 28 and 49. Scans are due every 84 days, PSA every 91, each with a
window of 14: an event more than 2 x 84 + 14 = 182 days after the last adequate scan is censored there.
One liver lesion of 30 mm at baseline: 37 mm is progression (at least 20 % and 5 mm over the smallest sum),
15 mm a partial response.
"""

import datetime as dt
from pathlib import Path

import pytest

from sap.plan import read_plan
from sap.qc.progression_times import times
from sap.qc.study import study_of

PLAN = read_plan(Path(__file__).parents[1] / "analysis" / "plan.yml").plan
RULE = PLAN.progression
ALLOCATED = dt.date(2017, 1, 1)


def on(day: int) -> str:
    return (ALLOCATED + dt.timedelta(days=day)).isoformat()


def pairs(text: str) -> list[tuple[int, str]]:
    return [(int(day), value) for day, _, value in (part.partition(":") for part in text.split())]


def patient(
    *, scans="", base="-5:30", psa="", new="", clinical=None, therapy=None, death=None, left=None
):
    """The records of one patient treated in group B, with days counted from the allocation."""
    sizes = pairs(base) + pairs(scans)
    tables = {
        "dm": [{"RFICDTC": on(-10), "DTHDTC": None if death is None else on(death)}],
        "ds": [
            {"DSCAT": "PROTOCOL MILESTONE", "DSDECOD": "ALLOCATED TO GROUP B", "DSSCAT": "SCREENING",
             "DSSTDTC": on(0), "DSSEQ": 1},
        ],
        "ex": [
            {"EXTRT": PLAN.exposure.drugs[0], "EXSTDTC": on(day), "EXENDTC": on(day), "EXSEQ": day}
            for day in (7, 28, 49)
        ],
        "tu": [
            {"TULNKID": "T1", "TUTESTCD": "TUMIDENT", "TUSTRESC": "TARGET", "TULOC": "LIVER",
             "TUDTC": on(day), "TUEVAL": "INVESTIGATOR"}
            for day, _ in pairs(base)[:1]
        ],
        "tr": [
            {"TRLNKID": "T1", "TRTESTCD": "LDIAM", "TRSTRESC": size, "TRSTRESN": float(size),
             "TRDTC": on(day), "TREVAL": "INVESTIGATOR"}
            for day, size in sizes
        ],
        "lb": [
            {"LBTESTCD": "PSA", "LBSTRESC": value, "LBSTRESN": float(value), "LBDTC": on(day),
             "LBSEQ": place}
            for place, (day, value) in enumerate(pairs(psa))
        ],
    }  # fmt: skip
    tables["tu"] += [
        {"TULNKID": "N1", "TUTESTCD": "NEWTUMOR", "TUDTC": on(int(day)), "TUEVAL": "INVESTIGATOR"}
        for day in new.split()
    ]
    if clinical is not None:
        tables["rs"] = [
            {"RSTESTCD": "CLINPROG", "RSSTRESC": "Y", "RSDTC": on(clinical), "RSSEQ": 1}
        ]
    if therapy is not None:
        tables["cm"] = [
            {"CMCAT": "SUBSEQUENT ANTICANCER THERAPY", "CMSTDTC": on(therapy), "CMSEQ": 1}
        ]
    if left is not None:
        tables["ds"].append(
            {"DSCAT": "DISPOSITION EVENT", "DSSCAT": "STUDY PARTICIPATION", "DSDECOD": left,
             "DSSTDTC": on(400), "DSSEQ": 2}
        )  # fmt: skip
    return {name: [{"USUBJID": "P1", **row} for row in rows] for name, rows in tables.items()}


def ended(endpoint: str, code: str = "", **records) -> tuple[int, bool, str]:
    study = study_of(patient(**records), PLAN, dt.date(2019, 6, 30))
    (time,) = [
        time for time in times(study) if time.endpoint == endpoint and time.definition.code == code
    ]
    return time.days, time.event, time.reason


def test_the_plan_is_the_one_of_these_examples():
    assert (RULE.scan_interval_days, RULE.psa_interval_days, RULE.window_days) == (84, 91, 14)
    assert (RULE.missed_assessments, RULE.new_therapy) == (2, "censor")
    assert (PLAN.tumour.progression_pct, PLAN.tumour.progression_mm) == (20, 5)
    assert PLAN.survival.pfs_origin == "allocation"


@pytest.mark.parametrize(
    "records, expected",
    [
        # Case 4: an event on its own day.
        ({"scans": "84:37"}, (84, True, "RADIOGRAPHIC PROGRESSION")),
        ({"scans": "84:30 168:30", "death": 300}, (300, True, "DEATH")),
        ({"death": 150}, (150, True, "DEATH")),  # before the first assessment: 143 days of dose
        # Case 3: 216 days without a scan; the limit of 182 days is still an event.
        ({"scans": "84:30", "death": 300}, (84, False, "MISSED ASSESSMENTS BEFORE THE EVENT")),
        ({"scans": "84:30", "death": 266}, (266, True, "DEATH")),
        ({"scans": "84:30", "death": 267}, (84, False, "MISSED ASSESSMENTS BEFORE THE EVENT")),
        # Without an adequate scan: from the first dose on day 7, and censored at the origin.
        ({"death": 189}, (189, True, "DEATH")),
        ({"death": 190}, (0, False, "MISSED ASSESSMENTS BEFORE THE EVENT")),
        # Case 2: a new therapy before the event; on the day of the event the event counts.
        ({"scans": "84:30 168:37", "therapy": 100}, (84, False, "NEW ANTICANCER THERAPY")),
        ({"scans": "84:30 168:37", "therapy": 168}, (168, True, "RADIOGRAPHIC PROGRESSION")),
        ({"scans": "84:30", "therapy": 84}, (84, False, "NEW ANTICANCER THERAPY")),
        # Case 1: the only reading of TU is a new lesion after the first dose.
        ({"base": "", "new": "84"}, (0, False, "NO BASELINE ASSESSMENT")),
        # Cases 5, 6 and 8.
        ({}, (0, False, "NO ASSESSMENT AFTER BASELINE")),
        ({"scans": "84:30", "left": "LOST TO FOLLOW-UP"}, (84, False, "LOST TO FOLLOW-UP")),
        ({"scans": "84:30 170:30"}, (170, False, "NO PROGRESSION AT LAST ASSESSMENT")),
        # One assessment over three days: its first day with progression, else its last.
        ({"scans": "98:30", "new": "100"}, (98, True, "RADIOGRAPHIC PROGRESSION")),
        ({"scans": "98:37", "new": "100"}, (98, True, "RADIOGRAPHIC PROGRESSION")),
    ],
)
def test_radiographic_progression_free_survival_by_hand(records, expected):
    assert ended("RPFS", **records) == expected


@pytest.mark.parametrize(
    "records, expected",
    [
        # PSA 100 at baseline, 40 on day 49, 60 on days 112 and 140: a rise of 50 % confirmed after 28 days,
        # its day 112 is 105 days after the first dose, so not in the 84 days that are ignored.
        ({"psa": "0:100 49:40 112:60 140:60", "scans": "91:30"}, (112, True, "PSA PROGRESSION")),
        ({"psa": "0:100 49:40 112:60 140:60", "scans": "91:37"}, (91, True, "RADIOGRAPHIC PROGRESSION")),
        ({"psa": "0:100 49:40", "scans": "91:30", "clinical": 95}, (95, True, "CLINICAL PROGRESSION")),
        ({"psa": "0:100 49:40 112:60", "scans": "91:30"}, (112, False, "NO PROGRESSION AT LAST ASSESSMENT")),
        # A PSA value is an adequate assessment of PFS: 266 - 112 is 154 days.
        ({"psa": "0:100 112:90", "scans": "91:30", "death": 280}, (280, True, "DEATH")),
        # A baseline of PSA alone is a baseline.
        ({"psa": "0:100 49:90", "base": "", "new": "84"}, (84, True, "RADIOGRAPHIC PROGRESSION")),
    ],
)  # fmt: skip
def test_progression_free_survival_by_hand(records, expected):
    assert ended("PFS", **records) == expected


@pytest.mark.parametrize(
    "code, expected",
    [
        ("", (84, False, "NEW ANTICANCER THERAPY")),
        ("NT", (100, True, "NEW ANTICANCER THERAPY")),
        ("IT", (180, True, "RADIOGRAPHIC PROGRESSION")),
        ("DOSE", (77, False, "NEW ANTICANCER THERAPY")),
    ],
)
def test_sensitivities_to_a_new_therapy_by_hand(code, expected):
    """Scans on days 84 (stable) and 180 (progression), a new therapy on day 100."""
    assert ended("RPFS", code, scans="84:30 180:37", therapy=100) == expected


def test_other_sensitivities_by_hand():
    """No gap rule: a death on day 300 counts. A scan of day 100 was due on day 7 + 2 x 84 = 175."""
    assert ended("RPFS", "GAP", scans="84:30", death=300) == (300, True, "DEATH")
    moved = ended("RPFS", "NEXT", scans="100:37 180:37")
    assert moved == (175, True, "RADIOGRAPHIC PROGRESSION")
    # Never after the last day known alive: the scan itself, on day 100.
    assert ended("RPFS", "NEXT", scans="100:37")[0] == 100
    # PSA 40 on day 49 and 60 on day 112, never confirmed.
    unconfirmed = ended("PFS", "UNC", psa="0:100 49:40 112:60", scans="91:30")
    assert unconfirmed == (112, True, "PSA PROGRESSION")


def test_the_duration_of_a_confirmed_response_by_hand():
    """15 mm on days 84 and 126, 42 days apart, is a confirmed PR; 30 mm on day 210 progression."""
    got = ended("RDOR", scans="84:15 126:15 210:30")
    assert got == (126, True, "RADIOGRAPHIC PROGRESSION")
    study = study_of(patient(scans="84:15 98:30 182:30"), PLAN, dt.date(2019, 6, 30))
    assert not [time for time in times(study) if time.endpoint == "RDOR"]  # never confirmed


def test_the_duration_of_a_psa_response_by_hand():
    """PSA 100, then 40 on days 28 and 63: a response from day 28; 60 on days 126 and 154 progression."""
    got = ended("DOR", psa="0:100 28:40 63:40 126:60 154:60")
    assert got == (98, True, "PSA PROGRESSION")
