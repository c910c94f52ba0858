"""Doses by body weight, of one size for all, by AUC, and continuous dosing: by arithmetic done by hand.

The plan of continuous dosing is docs/examples/one-arm-plan.yml: 81 mg a day by patch.
"""

import datetime as dt
from pathlib import Path

import pandas as pd
import pytest

from sap import ard
from sap.catalogue import codelist
from sap.catalogue.frequencies import FREQUENCIES, ONCE, doses_in
from sap.derivations.exposure import adex, adexsum
from sap.derivations.population import adsl, with_interval_ends
from sap.displays import protocol, sentences
from sap.plan import Plan, read_plan
from sap.plan.model import Exposure
from sap.qc import exposure as second
from sap.qc.subjects import subjects_of, with_ends
from sap.results import exposure as results

HOME = Path(__file__).parents[1]
CARVE = read_plan(HOME / "analysis" / "plan.yml").plan
ONE_ARM = read_plan(HOME / "docs" / "examples" / "one-arm-plan.yml").plan
CUT_OFF = dt.date(2018, 12, 31)


def dosing(plan: Plan, **changes: object) -> Plan:
    """The plan with other keys of exposure; checked as a plan is."""
    rule = Exposure.model_validate(plan.exposure.model_dump() | changes)
    return plan.model_copy(update={"exposure": rule})


def records(table: pd.DataFrame) -> list[dict[str, object]]:
    return table.astype(object).where(table.notna(), None).to_dict("records")


def both(plan: Plan, ex: pd.DataFrame, **others: pd.DataFrame) -> tuple[dict, dict]:
    """Numbers and answers of each patient by both computations: {(USUBJID, PARAMCD): value}."""
    who = sorted(set(ex["USUBJID"]))
    dm = pd.DataFrame({"STUDYID": "T", "USUBJID": who, "RFICDTC": None})
    tables = {"dm": dm, "ex": ex, **others}
    sdtm = with_interval_ends(tables, plan, CUT_OFF)
    subjects = adsl(sdtm, plan)
    rows = adexsum(sdtm, subjects, adex(sdtm, subjects, plan.exposure), plan.exposure)
    first = {
        (row.USUBJID, row.PARAMCD): row.AVALC or (None if pd.isna(row.AVAL) else row.AVAL)
        for row in rows.itertuples()
    }
    raw = with_ends({name: records(table) for name, table in tables.items()}, plan, CUT_OFF)
    again: dict = {}
    for name, subject in subjects_of(raw, plan).items():
        own = {k: [r for r in v if r["USUBJID"] == name] for k, v in raw.items()}
        course = second.course(
            subject, second.in_order(own["ex"], plan), own.get("vs", []), None, plan
        )
        again |= {(name, code): value for code, value in (course.numbers | course.results).items()}
    return first, {key: again[key] for key in first}


# ---- frequencies -----------------------------------------------------------------------------


# The example of `create_single_dose_dataset` in admiral: Q2D from 1 to 7 January, Q3D from 8 to 14,
# every 2 weeks from 15 to 29; the others counted by hand.
@pytest.mark.req("SAP-5.9")
@pytest.mark.parametrize(
    "text, days, doses",
    [
        ("Q2D", 7, 4), ("Q3D", 7, 3), ("EVERY 2 WEEKS", 15, 2), ("EVERY 2 WEEKS", 14, 1),
        ("QD", 14, 14), ("BID", 14, 28), ("TID", 2, 6), ("QID", 2, 8), ("QOD", 8, 4), ("QOD", 1, 1),
        ("twice daily", 3, 6), ("EVERY WEEK", 7, 1), ("EVERY WEEK", 8, 2), ("ONCE", 10, 1),
        ("3 TIMES PER WEEK", 7, 3), ("3 TIMES PER WEEK", 14, 6), ("PRN", 7, None), (None, 7, None),
    ],
)  # fmt: skip
def test_the_doses_of_an_interval_are_those_counted_by_hand(text, days, doses):
    assert doses_in(text, days) == doses
    first = dt.date(2021, 1, 1)
    last = first + dt.timedelta(days=days - 1)
    row = {"EXSTDTC": str(first), "EXENDTC": str(last), "EXDOSFRQ": text}
    assert second.doses_of(row) == doses


def test_every_frequency_of_the_codelist_has_its_doses_in_both_computations():
    terms = set(codelist("FREQ").terms)
    assert terms == set(FREQUENCIES) | {ONCE}
    for term in terms:
        row = {"EXSTDTC": "2021-01-01", "EXENDTC": "2021-03-25", "EXDOSFRQ": term}  # 84 days
        assert second.doses_of(row) == doses_in(term, 84), term


# ---- continuous dosing -----------------------------------------------------------------------

# Days from 2018-01-01 (day 0). 02 pauses on days 10 to 19. 03 has no end and ends with the next interval; its second
# is open until the cut-off on day 364. 04 died on day 30. 05 takes two a day, 06 every other day (1, 3, 5: 3 doses).
# 07 has a frequency of no known number, 08 an interval without a start, 09 two intervals that overlap.
INTERVALS = """
    USUBJID | FIRST | LAST | DOSE | FREQ
    --------+-------+------+------+------
    01      | 0     | 13   | 54   | QD
    01      | 14    | 83   | 81   | QD
    02      | 0     | 9    | 81   | QD
    02      | 20    | 29   | 81   | QD
    03      | 0     |      | 81   | QD
    03      | 100   |      | 54   | QD
    04      | 0     |      | 81   | QD
    05      | 0     | 9    | 81   | BID
    06      | 0     | 4    | 81   | QOD
    07      | 0     | 9    | 81   | PRN
    08      | 0     | 9    | 81   | QD
    08      |       | 30   | 81   | QD
    09      | 0     | 9    | 81   | QD
    09      | 5     | 14   | 81   | QD
"""
# By hand, of a planned 81 mg a day. 01: 14 x 54 + 70 x 81 = 6426 mg in 84 days, 76.5 a day, 94.44 %. 02: 20 x 81 = 1620 in
# 30 days: 54 a day, 66.67 %. 03: 100 x 81 + 265 x 54 = 22410 in 365 days: 61.397, 75.80 %. 04: 31 x 81 = 2511: 100 %.
# 05: 20 x 81 = 1620 in 10 days: 200 %. 06: 3 x 81 = 243 in 5 days: 60 %. 09: 20 x 81 in 15 days: 108, 133.33 %.
ANSWERS = """
    USUBJID | DURDAYS | TRTDAYS | OFFDAYS | CUMDOSE | RDI    | INTERR
    --------+---------+---------+---------+---------+--------+-------
    01      | 84      | 84      | 0       | 6426    | 94.444 | N
    02      | 30      | 20      | 10      | 1620    | 66.667 | Y
    03      | 365     | 365     | 0       | 22410   | 75.799 | N
    04      | 31      | 31      | 0       | 2511    | 100    | N
    05      | 10      | 10      | 0       | 1620    | 200    | N
    06      | 5       | 5       | 0       | 243     | 60     | N
    07      | 10      | 10      | 0       |         |        | N
    08      |         |         |         |         |        | U
    09      | 15      | 15      | 0       | 1620    | 133.333 | N
"""


def day(number: float) -> str | None:
    if pd.isna(number):
        return None
    return (pd.Timestamp("2018-01-01") + pd.Timedelta(days=float(number))).strftime("%Y-%m-%d")


def intervals(patients) -> pd.DataFrame:
    rows = patients(INTERVALS)
    return pd.DataFrame(
        {
            "USUBJID": rows["USUBJID"], "EXSEQ": range(1, len(rows) + 1), "EXTRT": "XANOMELINE",
            "EXDOSE": rows["DOSE"].astype(float), "EXDOSU": "mg", "EXDOSFRQ": rows["FREQ"],
            "EXSTDTC": rows["FIRST"].map(day), "EXENDTC": rows["LAST"].map(day), "EXCAT": None,
        }
    )  # fmt: skip


@pytest.mark.req("SAP-5.9")
def test_continuous_dosing_has_the_days_and_doses_counted_by_hand(patients):
    ex = intervals(patients)
    dm = pd.DataFrame({"STUDYID": "T", "USUBJID": sorted(set(ex["USUBJID"])), "RFICDTC": None})
    dm["DTHDTC"] = dm["USUBJID"].map({"04": day(30)})
    first, again = both(ONE_ARM, ex, dm=dm)
    for line in patients(ANSWERS).to_dict("records"):
        for name in ("DURDAYS", "TRTDAYS", "OFFDAYS", "CUMDOSE", "CUMMG", "RDI", "INTERR"):
            wanted = line["CUMDOSE" if name == "CUMMG" else name]
            for got in (first, again):
                value = got[line["USUBJID"], name]
                if pd.isna(wanted):
                    assert value is None, (line["USUBJID"], name)
                elif name == "INTERR":
                    assert value == wanted, line["USUBJID"]
                else:
                    assert value == pytest.approx(float(wanted), abs=5e-4), (line["USUBJID"], name)
    assert first == pytest.approx(again)


@pytest.mark.req("SAP-5.9")
def test_an_open_interval_ends_with_treatment_study_life_or_the_data():
    """Starts on day 0; a partial end in January allows no day after the 31st (day 30)."""
    ex = pd.DataFrame(
        {
            "USUBJID": ["1", "2", "3", "4", "5"], "EXSEQ": range(1, 6), "EXTRT": "XANOMELINE",
            "EXDOSE": 81.0, "EXDOSU": "mg", "EXDOSFRQ": "QD", "EXSTDTC": day(0),
            "EXENDTC": [None, None, "2018-01", None, "2018-01-05"],
        }
    )  # fmt: skip
    ds = pd.DataFrame(
        {
            "USUBJID": ["1", "2"], "DSSEQ": 1.0, "DSDECOD": "ADVERSE EVENT",
            "DSCAT": "DISPOSITION EVENT", "DSSCAT": ["STUDY TREATMENT", "STUDY PARTICIPATION"],
            "DSSTDTC": [day(10), day(20)],
        }
    )  # fmt: skip
    first, again = both(ONE_ARM, ex, ds=ds)
    days = {who: first[who, "DURDAYS"] for who in "12345"}
    assert days == {"1": 11, "2": 21, "3": 31, "4": 365, "5": 5}
    assert days == {who: again[who, "DURDAYS"] for who in "12345"}


@pytest.mark.req("SAP-5.9")
def test_reductions_of_continuous_dosing_are_between_intervals(patients):
    """54 mg counts as reduced: 01 starts low, 03 is reduced at its second interval."""
    plan = dosing(ONE_ARM, reduced_at_most=60, low_start_dose=54)
    first, again = both(plan, intervals(patients))
    for got in (first, again):
        assert [got[who, "LOWSTART"] for who in ("01", "02", "03")] == ["Y", "N", "N"]
        assert [got[who, "REDUCED"] for who in ("01", "02", "03")] == ["N", "N", "Y"]
        assert got["03", "NREDUC"] == 1
        # 76.5 mg a day of 54 a day: 141.67 %
        assert got["01", "RDISTRT"] == pytest.approx(141.667, abs=5e-4)
        assert got["02", "RDISTRT"] == got["02", "RDI"]


# ---- units -----------------------------------------------------------------------------------


def infusions(unit: str, *doses: float) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "USUBJID": "1", "EXSEQ": range(1, len(doses) + 1), "EXTRT": "CABAZITAXEL", "EXDOSE": doses,
            "EXDOSU": unit, "EXCAT": None, "EXSTDTC": [day(21 * n) for n in range(len(doses))],
            "VISIT": [f"CYCLE {n + 1}" for n in range(len(doses))],
        }
    )  # fmt: skip


WEIGHT = pd.DataFrame(
    {
        "USUBJID": "1", "VSSEQ": [1.0, 2.0], "VSTESTCD": "WEIGHT", "VSSTRESN": [80.0, 60.0],
        "VSDTC": [day(-1), day(20)],
    }
)  # fmt: skip


@pytest.mark.req("SAP-5.9")
@pytest.mark.parametrize(
    "unit, doses, cumulative, in_mg",
    [
        # 10 mg/kg of 80 and of 60 kg: 800 and 600 mg.
        ("mg/kg", (10, 10), 20, 1400),
        # 800 mg of 80 kg and 300 mg of 60 kg: 10 and 5 mg/kg.
        ("mg", (800, 300), 15, 1100),
    ],
)
def test_a_dose_by_weight_takes_the_last_weight_of_the_day(unit, doses, cumulative, in_mg):
    changes = {"dose_unit": "mg/kg", "planned_dose": 10, "bsa_formula": None}
    plan = dosing(CARVE, low_start_dose=8, reduced_at_most=9, **changes)
    first, again = both(plan, infusions(unit, *doses), vs=WEIGHT)
    for got in (first, again):
        assert got["1", "CUMDOSE"] == pytest.approx(cumulative)
        assert got["1", "CUMMG"] == pytest.approx(in_mg)
        # Two cycles of 10 mg/kg are 20: 100 %, or 75 %.
        assert got["1", "RDI"] == pytest.approx(5 * cumulative)
        assert got["1", "REDUCED"] == ("Y" if unit == "mg" else "N")


@pytest.mark.req("SAP-5.9")
def test_one_dose_for_all_needs_no_weight_and_no_surface():
    plan = dosing(
        CARVE, dose_unit="mg", planned_dose=200, bsa_formula=None, low_start_dose=None,
        reduced_at_most=150,
    )  # fmt: skip
    first, again = both(plan, infusions("mg", 200, 100))
    assert first == pytest.approx(again)
    assert (first["1", "CUMDOSE"], first["1", "CUMMG"]) == (300, 300)
    assert first["1", "RDI"] == pytest.approx(75)
    assert ("1", "LOWSTART") not in first
    assert first["1", "NREDUC"] == 1


@pytest.mark.req("SAP-5.9")
def test_an_auc_has_no_intensity_and_its_plan_is_listed():
    """Without the renal function of the day a dose in mg has no AUC; its sum in mg is known."""
    plan = dosing(
        CARVE, dose_unit="AUC", planned_dose=5, bsa_formula=None, low_start_dose=None,
        reduced_at_most=None,
    )  # fmt: skip
    first, again = both(plan, infusions("mg", 450, 400))
    assert first == pytest.approx(again)
    assert first["1", "CUMMG"] == 850
    assert not {"CUMDOSE", "ADI", "RDI", "RDISTRT", "REDUCED"} & {code for _, code in first}
    subjects = pd.DataFrame({"USUBJID": ["1"], "SAFFL": ["Y"]})
    rows = pd.concat(results.rows(adsl=subjects, adexsum=_no_parameter(), plan=plan))
    planned = rows[rows["level"] == "planned"].set_index("stat_name")["stat"]
    assert planned["dose"] == 5
    assert "dose_intensity" not in planned
    assert plan.exposure.regimen == "AUC 5 every 21 days"


def _no_parameter() -> pd.DataFrame:
    return pd.DataFrame(columns=["USUBJID", "PARAMCD", "AVAL", "AVALC"])


def test_the_regimen_is_in_the_words_of_the_plan():
    assert CARVE.exposure.regimen == "25 mg/m² every 21 days"
    assert ONE_ARM.exposure.regimen == "81 mg QD"


# ---- words -----------------------------------------------------------------------------------


@pytest.fixture
def words_of(monkeypatch):
    """The plain text of a function of displays for a plan."""

    def text(plan: Plan, function) -> str:
        content = plan.model_dump(mode="json")
        monkeypatch.setattr(ard, "plan", lambda: plan)
        monkeypatch.setattr(ard, "table", lambda _: content)
        return function().plain

    return text


@pytest.mark.parametrize(
    "function, in_cycles, continuous",
    [
        (protocol.treatment, None, "A dose of 81 mg was planned once daily."),
        (
            sentences.dose_changes,
            "A dose of at most 22.5 mg/m² counts as reduced, an infusion more than 3 days late as delayed.",
            "",
        ),
        (sentences.major_delay, "A delay of more than 7 days is major.", ""),
        (
            sentences.severe_apart,
            "Events of grade ≥ 3 are reported separately.",
            "Severe events are reported separately.",
        ),
        (sentences.that_is_severe, "of grade 3 or more", "that was severe"),
        (sentences.scale, "grade", "severity"),
        (sentences.high, "high-grade", "severe"),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_sentences_about_doses_and_events_are_those_of_the_plan(
    words_of, function, in_cycles, continuous
):
    if in_cycles is not None:
        assert words_of(CARVE, function) == in_cycles
    assert words_of(ONE_ARM, function) == continuous


def test_the_planned_treatment_has_the_unit_of_the_plan(words_of):
    given = CARVE.model_copy(update={"protocol": None})
    in_cycles = "Infusions of 25 mg/m² were planned every 21 days for at most 10 cycles."
    assert words_of(given, protocol.treatment) == in_cycles
    changes = {"bsa_formula": None, "low_start_dose": None, "reduced_at_most": None}
    area = dosing(given, dose_unit="AUC", planned_dose=5, **changes)
    assert words_of(area, protocol.treatment) == in_cycles.replace("25 mg/m²", "AUC 5")
    assert words_of(area, sentences.dose_changes) == (
        "An infusion more than 3 days late counts as delayed."
    )
