"""Results below and above quantification, in the forms laboratories write, in both computations."""

import datetime as dt
import itertools
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sap import contracts, snapshot
from sap.catalogue.numbers import number, significant
from sap.catalogue.quantities import FORMS, quantity
from sap.derivations.baseline import _lab_values
from sap.derivations.labs import adlb
from sap.derivations.quantities import quantified
from sap.derivations.response import adpsa
from sap.derivations.standard import standard
from sap.pipeline import datasets
from sap.plan import read_plan
from sap.qc.psa import visits
from sap.qc.quantities import result
from sap.qc.standard_terms import in_standard_terms
from sap.qc.subjects import Subject
from sap.simulate.trial import simulate

PLAN = read_plan(Path(__file__).parents[1] / "analysis" / "plan.yml").plan

# --STRESC, --STRESN, --LLOQ, --ULOQ; the value and the side. The cases of `quantified`: SDTMIG 3.4
# (section 4.5.1: "<" stands in --STRESC, --STRESN is empty) and the other forms of review/data.md 14
# and review/numbers.md 15.
CASES = """
    <0.1         |      | 0.1 |      | 0.1  | <
    <0.1         |      |     |      | 0.1  | <
    < 0.1        |      |     |      | 0.1  | <
    <=0.1        |      |     |      | 0.1  | <
    <= 0.1       |      |     |      | 0.1  | <
    ≤0.1         |      |     |      | 0.1  | <
    <0.1         | 0.05 |     |      | 0.1  | <
    <0.5         |      | 0.1 |      | 0.5  | <
    BLQ          |      | 0.1 |      | 0.1  | <
    bql          |      | 0.1 |      | 0.1  | <
    <LLOQ        |      | 0.1 |      | 0.1  | <
    < LLOQ       |      | 0.1 |      | 0.1  | <
    Below Limit of Quantification |  | 0.1 |  | 0.1 | <
    BLQ (<0.1)   |      |     |      | 0.1  | <
    BLQ          |      |     |      |      | <
    >5000        |      |     |      | 5000 | >
    >= 5000      |      |     | 9000 | 5000 | >
    >ULOQ        |      |     | 5000 | 5000 | >
    7.3          | 7.3  |     |      | 7.3  |
    7.30         | 7.3000000000000007 | | | 7.3 |
    7.3          |      |     |      | 7.3  |
                 | 7.3  |     |      | 7.3  |
    haemolysed   |      | 0.1 |      |      |
                 |      | 0.1 |      |      |
    """
ROWS = [[cell.strip() for cell in line.split("|")] for line in CASES.strip("\n").splitlines()[:-1]]


def numbers(cells: list[str]) -> list[float | None]:
    return [float(cell) if cell else None for cell in cells]


@pytest.mark.parametrize("row", ROWS, ids="|".join)
def test_each_form_of_a_result(row):
    text, side = row[0] or None, row[5]
    stated, lower, upper, value = numbers(row[1:5])
    got = quantity(text, stated, lower, upper)
    assert (got.value, got.side) == (value, side)
    assert got.readable == (text != "haemolysed")
    record = {"LBSTRESC": text, "LBSTRESN": stated, "LBLLOQ": lower, "LBULOQ": upper}
    again, same = result(record, "LB")
    assert (None if again is None else float(again), same) == (value, side)
    frame = quantified(pd.DataFrame([record]), "lb")
    assert frame["SIDE"].tolist() == [side]
    assert frame["VALUE"].tolist() == pytest.approx(
        [np.nan if value is None else value], nan_ok=True
    )


@settings(derandomize=True, deadline=None)
@given(st.floats(0.001, 1e6, allow_nan=False).map(lambda value: float(f"{value:.12g}")))
def test_the_noise_of_a_transport_file_is_no_other_number(value):
    """A decimal of at most 12 digits, and its neighbours among floating-point numbers."""
    for noisy in (value, np.nextafter(value, 0), np.nextafter(value, 1e9)):
        assert significant(noisy) == value
        assert number(repr(float(noisy))) == significant(float(noisy))


@pytest.mark.parametrize("said", ["high", "0.1 <", "<", "<>5", "++", "1,5", "<1,5", "12 (repeat)"])
def test_an_unreadable_result_is_a_finding_that_names_the_forms(said):
    lb = pd.DataFrame({"USUBJID": ["1"], "LBTESTCD": ["PSA"], "LBSTRESC": [said]}, dtype=object)
    found = contracts.check({"lb": lb}, contracts.load(), [])
    found = found[found["rule"] == "lb-result-psa"]
    assert found["row"].tolist() == [1]
    assert FORMS in found["description"].iloc[0]


def adsl() -> pd.DataFrame:
    return pd.DataFrame(
        {"STUDYID": "T", "USUBJID": ["01"], "TRTSDT": pd.Timestamp("2018-01-01"), "NCYCLES": 5.0,
         "TRTEDT": pd.Timestamp("2018-06-01")}
    )  # fmt: skip


def lab(test: str, unit: str, rows: list[tuple[str, str | None, float | None]], **more: object):
    lb = pd.DataFrame(rows, columns=["LBDTC", "LBSTRESC", "LBSTRESN"])
    lb["LBSEQ"] = np.arange(1.0, len(lb) + 1)
    return lb.assign(USUBJID="01", LBTESTCD=test, LBTEST=test, LBSTRESU=unit, **more)


@pytest.mark.parametrize("rule, low", [("limit", 0.1), ("half the limit", 0.05)])
def test_psa_beyond_quantification_by_the_plan(rule, low):
    """The plan says what "<0.1" counts as; ">5000" is 5000 whatever it says."""
    psa = PLAN.psa_response.model_copy(update={"below_quantification": rule})
    lb = lab("PSA", "ug/L", [("2017-12-30", ">5000", None), ("2018-02-01", "< 0.1", None)])
    got = adpsa({"lb": lb}, adsl(), psa)
    assert got["AVAL"].tolist() == [5000, low]
    assert got["BLQFL"].tolist() == ["", "Y"]
    assert got["ALQFL"].tolist() == ["Y", ""]
    subject = Subject("01", doses=5, first_dose=dt.date(2018, 1, 1), last_dose=dt.date(2018, 6, 1))
    plan = PLAN.model_copy(update={"psa_response": psa})
    seen = visits(subject, lb.to_dict("records"), [], plan)
    assert [visit.psa for visit in seen] == [Decimal(5000), Decimal(str(low))]


def test_a_characteristic_below_quantification_is_not_passed_over_for_an_older_number():
    """Testosterone of a castrate patient: 0.7 at screening, then "<0.35"; the later counts."""
    rows = [("2017-12-01", "0.7", 0.7), ("2017-12-28", "<0.35", None)]
    got = _lab_values({"lb": lab("TESTOS", "nmol/L", rows)}, "TESTOS")
    assert got["VALUE"].tolist() == [0.7, 0.35]


def test_a_grade_is_kept_where_no_column_repeats_the_limit():
    """CTCAE 4.03: platelets below 25 x 10^9/L are grade 4; "<10" says as much."""
    rows = [("2017-12-28", "210", 210.0), ("2018-01-20", "<10", None)]
    lb = lab("PLAT", "10^9/L", rows, LBSTNRLO=150.0)
    got = adlb({"lb": lb}, adsl(), PLAN.labs, PLAN.safety)
    assert got["ATOXGRN"].tolist() == [0, 4]


def test_a_result_below_quantification_keeps_its_side_in_another_unit():
    """1 mg/L of PSA is 1000 ug/L; a word without a number stays a word, its limit is converted."""
    lb = lab(
        "PSA", "mg/L", [("2018-01-20", "<0.1", None), ("2018-01-20", "BLQ", None)], LBLLOQ=0.02
    )
    got = quantified(standard({"lb": lb}, PLAN)["lb"], "lb")
    assert got["VALUE"].tolist() == [100.0, 20.0]
    assert got["SIDE"].tolist() == ["<", "<"]
    records = in_standard_terms({"lb": lb.to_dict("records")}, PLAN)["lb"]
    assert [result(row, "LB") for row in records] == [(Decimal(100), "<"), (Decimal(20), "<")]


@pytest.mark.parametrize("nothing", [".", ".A", "._", "NA", None, ""])
def test_no_number_as_sas_writes_it_in_csv_is_missing_in_a_number_column(nothing):
    rules = contracts.load()
    lb = pd.DataFrame(
        {"USUBJID": ["1"], "LBTESTCD": ["PSA"], "LBSTRESN": [nothing], "LBLLOQ": [nothing]},
        dtype=object,
    )
    found = contracts.check({"lb": lb}, rules, [])
    assert "extract-number" not in set(found["rule"])
    assert contracts.typed({"lb": lb}, rules)["lb"]["LBSTRESN"].isna().all()


def test_numbers_are_compared_at_15_digits():
    """The text says 0.3; the transport file stores its neighbour, whose 17th digit differs."""
    lb = pd.DataFrame(
        {"USUBJID": ["1", "1"], "LBTESTCD": "PSA", "LBSTRESC": ["0.3", "0.3"],
         "LBSTRESN": [np.nextafter(0.3, 1), 0.31]}
    )  # fmt: skip
    found = contracts.check({"lb": lb}, contracts.load(), [])
    assert found.loc[found["rule"] == "lb-text-and-number", "row"].tolist() == [2]
    assert contracts.typed({"lb": lb}, contracts.load())["lb"]["LBSTRESN"].tolist() == [0.3, 0.31]


# Times, partial dates, results below quantification, missing numbers and noise in the last bits: what
# each may be spelled as, the same in SDTMIG 3.4 sections 4.4 and 4.5.1.
SECONDS = ["", ":00", ":00.0", ":00.000"]
UNKNOWN = ["", "--"]
BELOW = ["<{}", "< {}", "<={}", "BLQ (<{})"]


def respelled(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Every cell in another legal spelling, in turn."""
    turn = itertools.count()

    def one(column: str, cell: object) -> object:
        if column.endswith("DTC") and isinstance(cell, str):
            minute, seconds = cell[: len("2018-01-01T09:00")], cell[len("2018-01-01T09:00") :]
            if "T" in cell and seconds in ("", ":00"):
                return minute + SECONDS[next(turn) % 4]
            return cell + UNKNOWN[next(turn) % 2] if len(cell) < len("2018-01-01") else cell
        if column.endswith("STRESC") and isinstance(cell, str) and cell.startswith("<"):
            return BELOW[next(turn) % 4].format(cell[1:])
        if column in ("LBSTRESN", "LBLLOQ", "PCSTRESN", "VSSTRESN", "EXDOSE"):
            if not isinstance(cell, float | str) or cell in ("",):
                return ".A" if next(turn) % 2 else "."
            value = float(cell)
            return repr(value if value.is_integer() else float(np.nextafter(value, 1e9)))
        return cell

    return {
        name: pd.DataFrame(
            {c: [one(str(c), None if pd.isna(v) else v) for v in table[c]] for c in table},
            dtype=object,
        )
        for name, table in tables.items()
    }


@pytest.mark.slow
def test_no_spelling_of_a_time_a_limit_or_a_number_reaches_a_dataset():
    rules, day = contracts.load(), PLAN.cut_offs.dates["final"].date
    drawn = {name: contracts.text(table) for name, table in simulate(8, n_screened=40).items()}
    ways = [contracts.typed(tables, rules) for tables in (drawn, respelled(drawn))]
    assert (ways[0]["lb"]["LBDTC"] != ways[1]["lb"]["LBDTC"]).any()
    one, other = (
        datasets.derive(snapshot.cut(tables, day), PLAN, day).by_name() for tables in ways
    )
    for name, frame in one.items():
        kept = [column for column in frame if not str(column).endswith("DTC")]
        pd.testing.assert_frame_equal(frame[kept], other[name][kept], check_exact=True)
