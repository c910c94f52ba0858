"""Columns for the rules of the contracts: text, derived, selected, looked up and numbered columns."""

import math

import pandas as pd
import pytest

from sap.contracts.columns import (
    complete,
    days,
    derived_column,
    folded,
    matching,
    number_text,
    text,
    typed,
)
from sap.contracts.odcs import Column, Contract, Lookup, Place, Prepared, Running, Table
from sap.errors import ContractError


def column(name: str, kind="text") -> Column:
    return Column(name=name, label=name, kind=kind, required=False, must_exist=False, key=None)


def table_of(*columns: Column, **prepared: Prepared) -> Table:
    return Table("lb", None, columns, prepared, ())


def contract_of(*columns: Column) -> Contract:
    return Contract("lb", "Laboratory", "1.0.0", "", (table_of(*columns),), "")


def frame(**columns) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(cells, dtype=object) for name, cells in columns.items()})


def cells(column_: pd.Series) -> list[object]:
    """The cells, with None for every missing one."""
    return [None if pd.isna(cell) else cell for cell in column_]


# ---- text ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "number, written", [(0.0, "0"), (-0.0, "0"), (-1.0, "-1"), (2.5, "2.5"), (1e20, "1e+20")]
)
def test_a_number_is_written_as_its_shortest_text(number, written):
    assert number_text(number) == written


def test_a_missing_number_has_no_text():
    assert number_text(math.nan) is None


@pytest.mark.parametrize(
    "written, expected",
    [
        (None, None),
        ("--03-02", None),  # no year: no first and no last day
        ("2017-13", None),
        ("2017", ("2017-01-01", "2017-12-31")),
        ("2017-03-02/2017-03-05", ("2017-03-02", "2017-03-05")),
    ],
)
def test_the_days_that_a_text_allows(written, expected):
    assert days(written) == expected


def test_every_value_becomes_text_and_an_empty_one_is_missing():
    made = text(pd.DataFrame({"A": ["x", "", None], "B": [1.0, 2.5, math.nan], "C": [3, 4, 5]}))
    assert list(made) == ["A", "B", "C"]
    assert [cells(made[name]) for name in made] == [
        ["x", None, None],
        ["1", "2.5", None],
        ["3", "4", "5"],
    ]
    assert all(dtype == object for dtype in made.dtypes)
    assert list(made.index) == [0, 1, 2]


def test_the_codes_of_a_missing_number_are_missing_in_number_columns_alone():
    """`.` of SAS with or without a letter and NA: in a text column they are texts."""
    written = [".", ".A", "NA", "", "7", "x"]
    contract = contract_of(column("N", "number"), column("W", "whole number"), column("T"))
    made = text(frame(N=written, W=written, T=written, OTHER=written), contract)
    assert cells(made["N"]) == cells(made["W"]) == [None, None, None, None, "7", "x"]
    assert cells(made["T"]) == cells(made["OTHER"]) == [".", ".A", "NA", None, "7", "x"]
    assert cells(text(frame(N=written))["N"]) == [".", ".A", "NA", None, "7", "x"]


# ---- typed -----------------------------------------------------------------------------------------

TYPED = contract_of(column("N", "number"), column("W", "whole number"), column("T"), column("GONE"))


def test_a_typed_table_has_the_columns_of_its_contract_in_their_order():
    made = typed(
        {"lb": frame(T=["a", ""], X=["x", "x"], W=["3", None], N=["1.5", "NA"])}, {"lb": TYPED}
    )
    assert list(made) == ["lb"]
    assert list(made["lb"]) == ["N", "W", "T", "GONE"]
    assert made["lb"].dtypes.tolist() == [float, float, object, object]
    assert [cells(made["lb"][name]) for name in made["lb"]] == [
        [1.5, None],
        [3.0, None],
        ["a", None],
        [None, None],
    ]


def test_a_table_without_a_contract_is_not_typed():
    assert typed({"zz": frame(N=["x"])}, {"lb": TYPED}) == {}


def test_the_first_ten_rows_that_hold_no_number_are_named():
    """Rows 2 to 12 hold a word, row 1 a number, row 13 nothing; the eleventh word is not listed."""
    table = frame(N=["7", *["word"] * 11, None])
    with pytest.raises(ContractError) as error:
        typed({"lb": table}, {"lb": TYPED})
    assert str(error.value).startswith(
        "lb.N is no number in row(s) 2, 3, 4, 5, 6, 7, 8, 9, 10, 11: run"
    )
    with pytest.raises(ContractError, match=r"lb\.W is no number in row\(s\) 3: run"):
        typed({"lb": frame(W=["1", None, "one"])}, {"lb": TYPED})


# ---- derived columns -------------------------------------------------------------------------------

DATES = ["2017-03-02T09:30", "2017-03-02", "2017-03", "--03-02", "soon", None]


@pytest.mark.parametrize(
    "suffix, expected",
    [
        ("iso", ["Y", "Y", "Y", "Y", None, None]),
        ("earliest", ["2017-03-02", "2017-03-02", "2017-03-01", None, None, None]),
        ("latest", ["2017-03-02", "2017-03-02", "2017-03-31", None, None, None]),
        ("day", ["2017-03-02", "2017-03-02", None, None, None, None]),
        ("moment", ["2017-03-02T09:30", "2017-03-02", None, None, None, None]),
    ],
)
def test_columns_derived_from_a_date(suffix, expected):
    assert cells(derived_column(frame(LBDTC=DATES), f"LBDTC_{suffix}")) == expected


RESULTS = ["5", "<0.1", "BLQ", ">5000", "ALQ", "haemolysed", None]


@pytest.mark.parametrize(
    "suffix, expected",
    [
        ("number", [5.0, None, None, None, None, None, None]),
        ("result", ["Y", "Y", "Y", "Y", "Y", None, None]),
        ("below", [None, "Y", "Y", None, None, None, None]),
        ("above", [None, None, None, "Y", "Y", None, None]),
        ("nolimit", [None, None, "BELOW", None, "ABOVE", None, None]),
    ],
)
def test_columns_derived_from_a_result(suffix, expected):
    assert cells(derived_column(frame(LBSTRESC=RESULTS), f"LBSTRESC_{suffix}")) == expected


def test_columns_derived_from_a_location():
    """LOC has the retroperitoneal node and the left lung; of another lymph node only its kind is known."""
    table = frame(
        TULOC=["Lymph nodes, retroperitoneal", "Left lung", "LYMPH NODE OF ELSEWHERE", "MASS", None]
    )
    located = ["RETROPERITONEAL LYMPH NODE", "LUNG, LEFT", None, None, None]
    assert cells(derived_column(table, "TULOC_location")) == located
    assert cells(derived_column(table, "TULOC_node")) == ["Y", None, "Y", None, None]


def test_the_word_of_a_coded_column_is_its_submission_value_else_the_folded_text():
    """DVCAT is coded by DEVIATION; DVTERM by no list; CMINDC only of G-CSF, so that it is not coded here."""
    table = frame(DVCAT=["Major", "SEVERE-ish", None], DVTERM=["Too-Late", None, "X"])
    assert cells(derived_column(table, "DVCAT_word")) == ["MAJOR", "severe ish", None]
    assert cells(derived_column(table, "DVTERM_word")) == ["too late", None, "x"]
    only = frame(CMINDC=["Primary Prophylaxis", "Yes"])
    assert cells(derived_column(only, "CMINDC_word")) == ["primary prophylaxis", "yes"]
    assert cells(derived_column(frame(AESER=["no", "U"]), "AESER_word")) == ["N", "U"]


def test_a_number_in_the_unit_of_analysis():
    """units.yml: 1 mg/L of PSA is 1000 ug/L, 1 g/dL of albumin 10 g/L; glucose has no entry.

    1. A unit that is known: converted. 2. Unknown: missing. 3. No unit, or a test without an entry:
    as it is. 4. No number: missing.
    """
    table = frame(
        LBTESTCD=["PSA", "PSA", "PSA", "PSA", "ALB", "GLUC", "GLUC", "PSA", "PSA"],
        LBSTRESN=["0.15", "150", "150", "150", "4", "5.5", "5.5", "high", None],
        LBSTRESU=["mg/L", "ng/mL", "kU/L", None, "g/dL", "mmol/L", None, "mg/L", "mg/L"],
    )
    expected = [150.0, 150.0, None, 150.0, 40.0, 5.5, 5.5, None, None]
    made = derived_column(table, "LBSTRESN_standard")
    assert cells(made) == expected
    assert made.dtype == float


def test_an_entry_of_units_without_tests_is_for_every_record_of_its_domain():
    """1 ug/mL is 1000 ng/mL whatever the analyte, also without a column of tests."""
    table = frame(
        PCTESTCD=["CABAZ", "OTHER", None], PCSTRESN=["2", "3", "4"], PCSTRESU=["ug/mL"] * 3
    )
    assert cells(derived_column(table, "PCSTRESN_standard")) == [2000.0, 3000.0, 4000.0]
    assert cells(derived_column(table.drop(columns="PCTESTCD"), "PCSTRESN_standard"))[0] == 2000.0


def test_a_column_of_the_table_is_not_derived_again_and_an_absent_one_is_missing():
    table = frame(A=["1"], A_number=["as it is"])
    assert cells(derived_column(table, "A_number")) == ["as it is"]
    assert cells(derived_column(table, "B")) == [None]
    assert cells(derived_column(table, "B_number")) == [None]
    assert cells(derived_column(table, "B_word")) == [None]


def test_derived_columns_keep_the_index_of_the_table():
    table = frame(LBDTC=["2017-03", "2017-04"], LBSTRESN=["1", "2"]).set_index(pd.Index([7, 3]))
    for name in ("LBDTC_iso", "LBSTRESN_number", "LBSTRESN_standard", "LBDTC_word", "NONE"):
        assert list(derived_column(table, name).index) == [7, 3]


# ---- rows that meet a condition --------------------------------------------------------------------

CONDITIONS = frame(A=["Not-Done", "DONE", None, "not done"], B=["1", "1", "1", None])


@pytest.mark.parametrize(
    "where, expected",
    [
        ({}, [True, True, True, True]),
        ({"A": "NOT DONE"}, [True, False, False, True]),
        ({"A": ["not done", "Done"]}, [True, True, False, True]),
        ({"A": None}, [False, False, True, False]),
        ({"A": "NOT DONE", "B": "1"}, [True, False, False, False]),
        ({"A": "NOT DONE", "B": None}, [False, False, False, True]),
        ({"B_number": 1}, [True, True, True, False]),
        ({"C": None}, [True, True, True, True]),
        ({"C": "x"}, [False, False, False, False]),
    ],
)
def test_rows_meet_every_column_of_a_condition(where, expected):
    assert matching(CONDITIONS, where).tolist() == expected


def test_folding_a_column_leaves_missing_values_and_numbers():
    assert cells(folded(pd.Series(["A-B", None, "a b"], dtype=object))) == ["a b", None, "a b"]
    assert folded(pd.Series([1.0, 2.0])).tolist() == [1.0, 2.0]


# ---- prepared columns ------------------------------------------------------------------------------

SAMPLES = frame(
    USUBJID=["1", "1", "2", None, "1", "3"],
    KIND=["CTC", "CTC", "CTC", "CTC", "OTHER", "CTC"],
    DAY=["2017-05-02", "2017-03-01", "2017-04-01", "2017-01-01", "2016-01-01", None],
    VOLUME=["9", "10", "20", "1", "99", None],
)


@pytest.mark.parametrize(
    "take, pick, expected",
    [
        ("DAY", "first", ["2017-05-02", "2017-04-01", None, None]),
        ("DAY", "min", ["2017-03-01", "2017-04-01", None, None]),
        ("DAY", "max", ["2017-05-02", "2017-04-01", None, None]),
        ("VOLUME_number", "min", [9.0, 20.0, None, None]),
        ("VOLUME_number", "max", [10.0, 20.0, None, None]),
    ],
)
def test_a_value_is_looked_up_in_the_rows_with_the_same_key(take, pick, expected):
    """Patient 1 has two CTC samples, 2 one, 3 one without values; a missing key agrees with none."""
    lookup = Lookup(
        table="be", take=take, by={"USUBJID": "USUBJID"}, where={"KIND": "CTC"}, pick=pick
    )
    own = frame(USUBJID=["1", "2", "3", None])
    made = complete(own, table_of(column("USUBJID"), X=Prepared(lookup=lookup)), {"be": SAMPLES})
    assert list(made) == ["USUBJID", "X"]
    assert cells(made["X"]) == expected
    assert made["X"].dtype == (float if take == "VOLUME_number" else object)


def test_a_key_of_two_columns_must_agree_in_both():
    lookup = Lookup(table="be", take="DAY", by={"USUBJID": "USUBJID", "N": "VOLUME"})
    own = frame(USUBJID=["1", "1", "2", "2"], N=["10", "20", "20", None])
    made = complete(own, table_of(X=Prepared(lookup=lookup)), {"be": SAMPLES})
    assert cells(made["X"]) == ["2017-03-01", None, "2017-04-01", None]


def test_without_the_other_table_nothing_is_looked_up():
    lookup = Lookup(table="be", take="DAY", by={"USUBJID": "USUBJID"})
    made = complete(frame(USUBJID=["1"]), table_of(column("A"), X=Prepared(lookup=lookup)), {})
    assert list(made) == ["USUBJID", "A"]
    assert cells(made["A"]) == [None]


ORDERED = frame(
    USUBJID=["1", "2", "1", "1", "1", "2"],
    DAY=["2017-03-03", "2017-01-05", "2017-03-01", "2017-03-02", "2017-02-01", "2017-01-05"],
    KIND=["A", "A", "A", "A", "B", "A"],
)


def test_rows_are_first_inside_or_last_in_their_group_by_the_order_column():
    """Rows of kind A: of patient 1 in the order 3, 4, 1; of patient 2 rows 2 and 6 on one day, as listed."""
    place = Place(by=["USUBJID"], order="DAY", where={"KIND": "A"})
    made = complete(ORDERED, table_of(P=Prepared(place=place)), {})
    assert cells(made["P"]) == ["last", "first", "first", "inside", None, "last"]


def test_a_single_row_of_a_group_is_the_first():
    place = Place(by=["USUBJID"], order="DAY")
    made = complete(frame(USUBJID=["1"], DAY=["2017"]), table_of(P=Prepared(place=place)), {})
    assert cells(made["P"]) == ["first"]


def test_rows_are_numbered_from_1_in_their_group():
    running = Running(by=["USUBJID"], order="DAY", where={"KIND": "A"})
    made = complete(ORDERED, table_of(R=Prepared(running=running)), {})
    assert cells(made["R"]) == [3, 1, 1, 2, None, 2]


def test_columns_outside_of_the_contract_stay_in_a_completed_table():
    made = complete(frame(Z=["z"], A=["a"]), table_of(column("A"), column("B")), {})
    assert list(made) == ["Z", "A", "B"]
    assert made.iloc[0].tolist()[:2] == ["z", "a"]
