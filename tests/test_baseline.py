"""Baseline values: which day, which value, which category; every answer written by hand."""

import pandas as pd
import pytest

from sap import ard
from sap.derivations.baseline import adbl, episodes
from sap.plan import project_home, read_plan
from sap.results import baseline as results
from sap.results.baseline import baseline

PLAN = read_plan(project_home() / "analysis" / "plan.yml").plan

# B1 treated at once; A1 group A; A2 group A, re-screened and treated; A3 re-screened, not treated.
SUBJECTS = """
| USUBJID | AGE | CTCBL | MARKBL   | RESCCTC | RESCMARK | NCYCLES | RESCTRFL | SCRFL | RESCFL | PRIMFL | GRPAFL |
|---------|-----|-------|----------|---------|----------|---------|----------|-------|--------|--------|--------|
| B1      | 70  | 9     | POSITIVE |         |          | 3       | N        | Y     | N      | Y      | N      |
| A1      | 60  | 0     | NOT DONE |         |          | 0       | N        | Y     | N      | N      | Y      |
| A2      | 65  | 4     | NEGATIVE | 12      | POSITIVE | 2       | Y        | Y     | Y      | N      | Y      |
| A3      | 80  | 5     | NEGATIVE | 7       | NEGATIVE | 0       | N        | Y     | Y      | N      | Y      |
"""
DAYS = {
    "RFICDT": ["2018-01-01", "2018-01-01", "2018-01-01", "2018-01-01"],
    "SCRDT": ["2018-01-05", "2018-01-05", "2018-01-05", "2018-01-05"],
    "ALLOCDT": ["2018-01-10", None, "2018-01-10", "2018-01-10"],
    "TRTSDT": ["2018-01-20", None, "2018-09-20", None],
    "RESCCSDT": [None, None, "2018-09-01", "2018-09-01"],
    "RESCRDT": [None, None, "2018-09-03", "2018-09-04"],
    "RESALLDT": [None, None, "2018-09-10", None],
}
# The value that must be taken is the one that says so.
LABS = """
| USUBJID | LBSEQ | LBTESTCD | LBSTRESN | LBDTC      |
|---------|-------|----------|----------|------------|
| B1      | 1     | HGB      | 7        | 2018-01-05 |
| B1      | 2     | HGB      | 8        | 2018-01-20 |
| B1      | 3     | HGB      | 9        | 2018-01-21 |
| A1      | 1     | HGB      | 6        | 2018-01-05 |
| A1      | 2     | HGB      | 5        | 2018-01-06 |
| A2      | 1     | HGB      | 7.5      | 2018-01-10 |
| A2      | 2     | HGB      | 4        | 2018-08-31 |
| A3      | 1     | HGB      | 7.1      | 2018-01-08 |
| A3      | 2     | HGB      | 6.4      | 2018-09-01 |
"""
HISTORY = """
| USUBJID | MHTERM           | MHDECOD         | MHSTDTC    |
|---------|------------------|-----------------|------------|
| B1      | PROSTATE CANCER  | PROSTATE CANCER | 2010-01-20 |
| B1      | GLEASON SCORE 7  | GLEASON SCORE 7 | 2010-01-20 |
| B1      | GLEASON SCORE 9  | GLEASON SCORE 9 | 2012       |
| A2      | PROSTATE CANCER  | PROSTATE CANCER | 2016       |
"""
THERAPY = """
| USUBJID | CMDECOD      | CMCAT                    | CMSCAT       | CMSTDTC |
|---------|--------------|--------------------------|--------------|---------|
| B1      | DOCETAXEL    | PRIOR ANTICANCER THERAPY | CHEMOTHERAPY |         |
| B1      | ABIRATERONE  | PRIOR ANTICANCER THERAPY | HORMONAL     | 2016    |
| B1      | ABIRATERONE  | PRIOR ANTICANCER THERAPY | HORMONAL     | 2017    |
| A2      | ENZALUTAMIDE | PHYSICIAN'S CHOICE       | HORMONAL     | 2018-02 |
| A3      | ENZALUTAMIDE | PHYSICIAN'S CHOICE       | HORMONAL     | 2018-10 |
| A3      | RADIOTHERAPY | PRIOR ANTICANCER THERAPY | RADIOTHERAPY | 2015    |
"""
ECOG = """
| USUBJID | RSSEQ | RSTESTCD | RSSTRESC | RSDTC      |
|---------|-------|----------|----------|------------|
| B1      | 1     | ECOG     | 1        | 2018-01-05 |
| B1      | 2     | ECOG     | 0        | 2018-01-20 |
"""


def measurable(**answers: str) -> pd.DataFrame:
    """ADRS with MEASDIS of each named patient."""
    return pd.DataFrame(
        {"USUBJID": list(answers), "PARAMCD": "MEASDIS", "AVALC": list(answers.values())},
        columns=["USUBJID", "PARAMCD", "AVALC"],
    )


@pytest.fixture(scope="module")
def people(patients) -> pd.DataFrame:
    days = {name: pd.to_datetime(pd.Series(values)) for name, values in DAYS.items()}
    return patients(SUBJECTS).assign(STUDYID="T", **days)


@pytest.fixture(scope="module")
def found(patients, people) -> pd.DataFrame:
    rs = patients(ECOG)
    rs["RSSTRESC"] = [f"{v:.0f}" for v in rs["RSSTRESC"]]
    mh, cm = patients(HISTORY), patients(THERAPY)
    lb = patients(LABS).assign(LBSTRESU="mmol/L")
    tables = {"lb": lb, "mh": mh, "cm": cm, "rs": rs}
    psa = pd.DataFrame(
        {"USUBJID": ["B1"], "ADT": pd.to_datetime(["2018-01-19"]), "LBSEQ": [1.0], "AVAL": [0.1]}
    )
    return adbl(tables, people, psa, measurable(), PLAN)


def of(found: pd.DataFrame, paramcd: str, column: str) -> dict[tuple[str, str], object]:
    rows = found[(found["PARAMCD"] == paramcd) & found[column].notna()]
    return {(r["USUBJID"], r["AVISIT"][:2]): r[column] for r in rows.to_dict("records")}


def test_the_day_up_to_which_a_value_is_baseline(people):
    days = episodes(people)
    got = {(r.USUBJID, r.AVISIT[:2]): f"{r.REFDT:%F}" for r in days.itertuples()}
    assert got == {
        ("B1", "SC"): "2018-01-20",
        ("A1", "SC"): "2018-01-05",
        ("A2", "SC"): "2018-01-10",
        ("A3", "SC"): "2018-01-10",
        ("A2", "RE"): "2018-09-20",
        ("A3", "RE"): "2018-09-04",
    }


def test_the_last_value_up_to_that_day_counts_and_at_re_screening_none_from_before_it(found):
    assert of(found, "HGB", "AVAL") == {
        ("B1", "SC"): 8.0,
        ("A1", "SC"): 6.0,
        ("A2", "SC"): 7.5,
        ("A3", "SC"): 7.1,
        ("A3", "RE"): 6.4,
    }
    assert of(found, "ECOG", "AVALC") == {("B1", "SC"): "0"}
    assert of(found, "PSA", "AVAL") == {("B1", "SC"): 0.1}


def test_haemoglobin_of_two_units_is_one_number(patients, people):
    """16.114 g of monomer a mmol: 12.0 g/dL and 120 g/L are 7.447 mmol/L; no unit, no value."""
    lb = patients(LABS)
    lb = lb[lb["LBSEQ"] == 1].assign(LBSTRESN=[12.0, 120.0, 7.447, 7.0])
    lb["LBSTRESU"] = ["g/dL", "g/L", "mmol/L", None]
    psa = pd.DataFrame(columns=["USUBJID", "ADT", "LBSEQ", "AVAL"])
    found = adbl({"lb": lb}, people, psa.astype({"ADT": "datetime64[ns]"}), measurable(), PLAN)
    values = of(found, "HGB", "AVAL")
    assert set(values) == {("B1", "SC"), ("A1", "SC"), ("A2", "SC")}
    assert all(v == pytest.approx(7.447, abs=5e-4) for v in values.values())


def test_cells_and_ar_v7_are_those_of_the_screening_itself(found):
    assert of(found, "CTC", "AVAL")["A2", "SC"] == 4
    assert of(found, "CTC", "AVAL")["A2", "RE"] == 12
    assert of(found, "MARKER", "AVALC")["A2", "RE"] == "POSITIVE"


def test_history_highest_gleason_and_years_of_twelve_months_of_the_plan(found):
    # 2010-01-20 to 2018-01-20 is 2922 days; 12 x 30.4375 = 365.25
    assert of(found, "TSDIAG", "AVAL")["B1", "SC"] == pytest.approx(8.0)
    # 2016 is taken as 2016-01-01: 993 days to 2018-09-20
    assert of(found, "TSDIAG", "AVAL")["A2", "RE"] == pytest.approx(993 / 365.25)
    assert of(found, "GLEASON", "AVALC") == {("B1", "SC"): "9"}


def test_prior_therapy_a_choice_counts_at_re_screening_when_it_began_before(found):
    arsi = of(found, "PRIORCL", "AVALC")
    assert arsi["B1", "SC"] == "Y"
    assert (arsi["A2", "SC"], arsi["A2", "RE"]) == ("N", "Y")
    assert arsi["A3", "RE"] == "N"
    assert of(found, "NPRIORCL", "AVALC")["B1", "SC"] == "1"
    assert of(found, "RADIO", "AVALC")["A3", "RE"] == "Y"
    assert of(found, "PRIORTRT", "AVALC")["B1", "SC"] == "Y"


def test_therapies_never_recorded_are_missing_and_not_no(people):
    psa = pd.DataFrame(columns=["USUBJID", "ADT", "LBSEQ", "AVAL"])
    found = adbl({}, people, psa.astype({"ADT": "datetime64[ns]"}), measurable(), PLAN)
    assert of(found, "PRIORCL", "AVALC") == {}
    assert of(found, "AGE", "AVAL")["A1", "SC"] == 60


@pytest.mark.worked("baseline")
def test_each_column_summarises_the_values_of_its_own_screening(people, found):
    rows = ard.bind(baseline(people, found, PLAN))

    def stats(population: str, paramcd: str, group: str = "", level: str = "") -> pd.Series:
        key = {"population": population, "group": group, "paramcd": paramcd, "level": level}
        of_key = rows[(rows[list(key)] == pd.Series(key)).all(axis=1)]
        return of_key.set_index("stat_name", verify_integrity=True)["stat"]

    def counts(population: str, paramcd: str, group: str = "") -> dict[str, float]:
        of_column = rows[
            (rows["population"] == population)
            & (rows["paramcd"] == paramcd)
            & (rows["group"] == group)
        ]
        return of_column[of_column["stat_name"] == "n"].set_index("level")["stat"].to_dict()

    # 60, 65, 70, 80 years: SAS's quartiles are means of neighbours; SD is sqrt(218.75 / 3)
    age = stats("SCREENED", "AGE")
    assert age[["N", "n", "n_missing", "mean", "median", "q1", "q3", "min", "max"]].tolist() == [
        4, 4, 0, 68.75, 67.5, 62.5, 75.0, 60, 80,
    ]  # fmt: skip
    assert age["sd"] == pytest.approx((218.75 / 3) ** 0.5)
    # at re-screening: A2 12 and A3 7 cells, A2 alone was treated; haemoglobin only of A3
    assert stats("RESCREENED", "CTC")[["N", "n", "mean"]].tolist() == [2, 2, 9.5]
    assert stats("RESCREENED", "CTC", "treated")[["N", "n", "mean"]].tolist() == [1, 1, 12]
    haemoglobin = stats("RESCREENED", "HGB", "treated")
    assert haemoglobin[["N", "n", "n_missing"]].tolist() == [1, 0, 1]
    assert haemoglobin[["mean", "sd", "median", "q1", "q3", "min", "max"]].isna().all()
    assert stats("GROUPA", "CTC")[["n", "min", "max"]].tolist() == [3, 0, 5]
    assert counts("GROUPA", "PRIORCL") == {"N": 3, "Y": 0, "missing": 0}
    assert counts("GROUPA", "MARKER") == {"NEGATIVE": 2, "NOT DONE": 1, "POSITIVE": 0, "missing": 0}
    assert counts("RESCREENED", "MARKER") == {
        "NEGATIVE": 1,
        "NOT DONE": 0,
        "POSITIVE": 1,
        "missing": 0,
    }
    assert counts("SCREENED", "ECOG") == {"0": 1, "missing": 3}
    assert counts("PRIMARY", "GLEASON") == {"9": 1, "missing": 0}
    missing = stats("SCREENED", "ECOG", level="missing")
    assert missing[["n", "N", "estimate"]].tolist() == [3, 4, 0.75]
    assert "TESTOS" not in set(rows["paramcd"])
    # the performance status is known of B1 alone: of group A it is not in the data
    status = rows[(rows["population"] == "GROUPA") & (rows["paramcd"] == "ECOG")]
    told = status.set_index(["level", "stat_name"], verify_integrity=True)
    assert told["stat"].dropna().to_dict() == {
        ("0", "N"): 3, ("missing", "n"): 3, ("missing", "N"): 3, ("missing", "estimate"): 1,
    }  # fmt: skip
    assert set(told.loc["0", "stat_text"].drop("N")) == {
        "not in the data: no value of these patients"
    }


@pytest.mark.parametrize("of_untreated", [False, True])
def test_what_only_treated_patients_have_is_not_counted_of_all_screened(people, of_untreated):
    """B1 was treated. SCREENED has four patients, some untreated: nothing but N; with a value of one, counts."""
    untreated = str(people.loc[people["NCYCLES"] == 0, "USUBJID"].iloc[0])
    who = ["B1", untreated] if of_untreated else ["B1"]
    adbl = pd.DataFrame(
        [{"USUBJID": w, "AVISIT": "SCREENING", "PARAMCD": p, "AVAL": a, "AVALC": c}
         for w in who for p, a, c in (("BSA", 1.9, None), ("MEASDIS", None, "Y"), ("WEIGHT", 80.0, None))]
    )  # fmt: skip
    rows = ard.bind(baseline(people, adbl, PLAN))

    def of(population: str, paramcd: str) -> dict[tuple[str, str], float]:
        here = rows[(rows["population"] == population) & (rows["paramcd"] == paramcd)]
        return here.set_index(["level", "stat_name"])["stat"].dropna().to_dict()

    assert of("PRIMARY", "BSA")["", "n"] == 1
    assert of("SCREENED", "WEIGHT")["", "n"] == len(who)  # not one of these characteristics
    if of_untreated:
        assert of("SCREENED", "BSA")["", "n"] == 2
        assert of("SCREENED", "MEASDIS")["Y", "n"] == of("SCREENED", "MEASDIS")["missing", "n"] == 2
    else:
        assert of("SCREENED", "BSA") == {("", "N"): 4}
        assert of("SCREENED", "MEASDIS") == {("Y", "N"): 4, ("missing", "N"): 4}
        screened = rows[(rows["population"] == "SCREENED") & (rows["paramcd"] == "BSA")]
        reasons = set(screened.loc[screened["stat_name"] != "N", "stat_text"])
        assert reasons == {"not in the data: untreated patients have no such value"}


def test_a_column_without_a_patient_has_no_proportion(people, found):
    rows = ard.bind(baseline(people.assign(PRIMFL="N"), found, PLAN))
    estimates = rows[(rows["population"] == "PRIMARY") & (rows["stat_name"] == "estimate")]
    assert len(estimates) > 0
    assert estimates["stat"].isna().all()


# ---- episodes and values, row by row -------------------------------------------------------------


def texts_of(table: pd.DataFrame, *columns: str) -> list[list[object]]:
    """The rows; days as texts, missing as None."""

    def text(value: object) -> object:
        if isinstance(value, pd.Timestamp):
            return f"{value:%F}"
        return None if pd.isna(value) else value

    rows = table[list(columns)].itertuples(index=False, name=None)
    return [[text(value) for value in row] for row in rows]


DATES = ("RFICDT", "SCRDT", "ALLOCDT", "TRTSDT", "RESCCSDT", "RESCRDT", "RESALLDT")
EPISODES = """
    USUBJID | SCRFL | RESCFL | RESCTRFL | RFICDT     | SCRDT      | ALLOCDT    | TRTSDT     | RESCCSDT   | RESCRDT    | RESALLDT
    --------+-------+--------+----------+------------+------------+------------+------------+------------+------------+-----------
    P1      | Y     | N      | N        | 2018-01-01 | 2018-01-05 | 2018-01-10 | 2018-01-20 |            |            |
    P2      | Y     | N      | N        | 2018-01-01 | 2018-01-05 | 2018-01-10 |            |            |            |
    P3      | Y     | N      | N        | 2018-01-01 | 2018-01-05 |            |            |            |            |
    P4      | Y     | N      | N        | 2018-01-01 |            |            |            |            |            |
    P5      | Y     | Y      | Y        | 2018-01-01 | 2018-01-05 | 2018-01-10 | 2018-09-20 | 2018-09-01 | 2018-08-30 | 2018-09-10
    P6      | Y     | Y      | N        | 2018-01-01 | 2018-01-05 | 2018-01-10 | 2018-01-20 | 2018-09-01 | 2018-09-02 | 2018-09-10
    P7      | N     | Y      | N        | 2018-01-01 | 2018-01-05 |            |            |            | 2018-09-03 |
    P8      | N     | Y      | N        | 2018-01-01 | 2018-01-05 |            |            | 2018-09-01 |            |
    P9      | N     | N      | N        | 2018-01-01 | 2018-01-05 | 2018-01-10 | 2018-01-20 |            |            |
"""


def with_days(patients, text: str) -> pd.DataFrame:
    """ADSL from a text: STUDYID, ages and samples are added, days become days."""
    table = patients(text)
    table = table.reindex(columns=list(dict.fromkeys([*table.columns, *DATES])))
    table = table.assign(**{name: pd.to_datetime(table[name]) for name in DATES})
    cells = [float(i) for i in range(len(table))]
    return table.assign(
        STUDYID="T", AGE=70.0, CTCBL=cells, MARKBL="NEGATIVE", RESCCTC=50.0, RESCMARK="POSITIVE"
    )


def test_each_screening_has_its_reference_day_by_the_cases(patients):
    """P4: no day but the consent's. P6 was treated before the re-screening; P9 gave no sample."""
    got = episodes(with_days(patients, EPISODES))
    assert texts_of(got, "USUBJID", "AVISIT", "REFDT", "FROMDT", "CTC", "MARKER") == [
        ["P1", "SCREENING", "2018-01-20", None, 0, "NEGATIVE"],
        ["P2", "SCREENING", "2018-01-10", None, 1, "NEGATIVE"],
        ["P3", "SCREENING", "2018-01-05", None, 2, "NEGATIVE"],
        ["P4", "SCREENING", "2018-01-01", None, 3, "NEGATIVE"],
        ["P5", "SCREENING", "2018-01-10", None, 4, "NEGATIVE"],
        ["P6", "SCREENING", "2018-01-20", None, 5, "NEGATIVE"],
        ["P5", "RE-SCREENING", "2018-09-20", "2018-08-30", 50, "POSITIVE"],
        ["P6", "RE-SCREENING", "2018-09-10", "2018-09-01", 50, "POSITIVE"],
        ["P7", "RE-SCREENING", "2018-09-03", "2018-09-03", 50, "POSITIVE"],
        ["P8", "RE-SCREENING", "2018-09-01", "2018-09-01", 50, "POSITIVE"],
    ]
    assert got.index.tolist() == list(range(10))
    assert list(got) == [
        "STUDYID", "USUBJID", "AVISIT", "REFDT", "FROMDT", "TRTSDT", "AGE", "CTC", "MARKER",
    ]  # fmt: skip


def test_without_a_screened_patient_there_is_no_episode(patients):
    got = episodes(with_days(patients, EPISODES).assign(SCRFL="N", RESCFL="N"))
    assert got.empty
    assert "REFDT" in got


WINDOW = """
    USUBJID | SCRFL | RESCFL | RESCTRFL | RFICDT     | SCRDT      | ALLOCDT    | TRTSDT     | RESCCSDT   | RESCRDT
    --------+-------+--------+----------+------------+------------+------------+------------+------------+-----------
    W1      | Y     | N      | N        | 2018-01-01 | 2018-01-05 | 2018-01-10 |            |            |
    W2      | Y     | N      | N        | 2018-01-01 | 2018-01-05 | 2018-01-10 |            |            |
    W3      | Y     | N      | Y        | 2018-01-01 | 2018-01-05 | 2018-01-10 | 2018-01-15 |            |
    W4      | Y     | N      | Y        | 2018-01-01 | 2018-01-05 | 2018-01-10 | 2018-01-15 |            |
    W5      | Y     | N      | N        | 2018-01-01 | 2018-01-05 | 2018-01-10 |            |            |
    W6      | Y     | Y      | N        | 2018-01-01 | 2018-01-05 | 2018-01-10 |            | 2018-09-01 | 2018-09-05
"""
WINDOW_LABS = """
    USUBJID | LBSEQ | LBTESTCD | LBSTRESN | LBDTC            | WHY
    --------+-------+----------+----------+------------------+------------------------------------
    W1      | 1     | NEUT     | 3        | 2018-01-17       | exactly 7 days later
    W1      | 2     | NEUT     | 4        | 2018-01-17T09:00 | on one day the first of them
    W1      | 3     | WBC      | 5        | 2018-01-11       | no measure of the window
    W2      | 4     | NEUT     | 3        | 2018-01-18       | 8 days later
    W3      | 5     | NEUT     | 3        | 2018-01-16       | after the first dose
    W3      | 6     | NEUT     | 2        | 2018-01-15       | on the day of the first dose
    W4      | 7     | NEUT     | 3        | 2018-01-16       | after the first dose
    W4      | 8     | PLAT     | 9        | 2018-01-10       | another test
    W5      | 9     | NEUT     |          | 2018-01-10       | no number
    W5      | 12    | NEUT     | 2        | 2018-01-09T08:00 | the earlier time
    W5      | 10    | NEUT     | 4        | 2018-01-09T09:00 | the later time, lower number
    W5      | 11    | NEUT     | 6        | 2018-01-09T09:00 | the later time, higher number
    W5      | 13    | NEUT     | 8        | 2018-01-11       | after a value on or before the day
    W5      | 14    | NEUT     | 9        | 2018-01          | no full date
    W6      | 15    | NEUT     | 7        | 2018-08-31       | before the re-screening
    W6      | 16    | NEUT     | 5        | 2018-09-01       | on its first day
    W6      | 17    | WBC      | 5        | 2018-08-31       | before the re-screening
"""


def test_a_value_of_the_window_is_taken_only_without_one_before(patients):
    adsl = with_days(patients, WINDOW)
    measures = {"window_days": 7, "window_measures": ["NEUT", "ECOG"]}
    window = PLAN.model_copy(update={"baseline": PLAN.baseline.model_copy(update=measures)})
    ecog = pd.DataFrame(
        [
            ("W1", 1.0, "ECOG", "2", "2018-01-17"), ("W2", 2.0, "ECOG", "1", "2018-01-18"),
            ("W5", 3.0, "KPS", "90", "2018-01-09"), ("W6", 4.0, "ECOG", "1", "2018-01-10T10:00"),
            ("W6", 5.0, "ECOG", "0", "2018-01-10T09:00"),
        ],
        columns=["USUBJID", "RSSEQ", "RSTESTCD", "RSSTRESC", "RSDTC"],
    )  # fmt: skip
    psa = pd.DataFrame(
        {
            "USUBJID": ["W1", "W2", "W2"], "LBSEQ": [1.0, 2.0, 3.0], "AVAL": [9.0, 8.0, 7.0],
            "ADT": pd.to_datetime(["2018-01-11", "2018-01-10", "2018-01-09"]),
        }
    )  # fmt: skip
    tables = {"lb": patients(WINDOW_LABS), "rs": ecog}
    got = adbl(tables, adsl, psa, measurable(), window)
    assert of(got, "NEUT", "AVAL") == {
        ("W1", "SC"): 3, ("W3", "SC"): 2, ("W5", "SC"): 6, ("W6", "RE"): 5,
    }  # fmt: skip
    assert of(got, "WBC", "AVAL") == of(got, "HGB", "AVAL") == {}
    assert of(got, "ECOG", "AVALC") == {("W1", "SC"): "2", ("W6", "SC"): "1"}
    assert of(got, "PSA", "AVAL") == {("W2", "SC"): 8}
    plain = adbl(tables, adsl, psa, measurable(), PLAN)
    assert of(plain, "NEUT", "AVAL") == {("W5", "SC"): 6, ("W6", "RE"): 5}
    assert of(plain, "ECOG", "AVALC") == {("W6", "SC"): "1"}


def test_each_parameter_has_a_row_for_each_screening(patients, people, found):
    numbers = [
        "AGE", "TSDIAG", "TSMET", "PSA", "CTC", "HGB", "WBC", "NEUT", "LYM", "PLAT", "ALP", "LDH",
        "ALT", "AST", "BILI", "CREAT", "ALB", "TESTOS", "WEIGHT", "HEIGHT", "BSA", "BMI", "TSPRIOR",
    ]  # fmt: skip
    categories = [
        "ECOG", "GLEASON", "MARKER", "MEASDIS", "SBONE", "SNODE", "SLIVER", "SLUNG", "SOTHER", "PRIORTRT",
        "PRIORCL", "RADIO", "NPRIORCL",
    ]  # fmt: skip
    assert found["PARAMCD"].tolist() == [name for name in numbers + categories for _ in range(6)]
    assert found.index.tolist() == list(range(6 * 36))
    assert found.loc[found["PARAMCD"].isin(numbers), "AVALC"].isna().all()
    assert found.loc[found["PARAMCD"].isin(categories), "AVAL"].isna().all()
    assert texts_of(found[:6], "STUDYID", "USUBJID", "AVISIT", "REFDT", "AVAL") == [
        ["T", "B1", "SCREENING", "2018-01-20", 70],
        ["T", "A1", "SCREENING", "2018-01-05", 60],
        ["T", "A2", "SCREENING", "2018-01-10", 65],
        ["T", "A3", "SCREENING", "2018-01-10", 80],
        ["T", "A2", "RE-SCREENING", "2018-09-20", 65],
        ["T", "A3", "RE-SCREENING", "2018-09-04", 80],
    ]


def test_history_and_prior_therapy_of_each_screening(patients, people):
    """A2's physician's choice began the day before the reference day of the re-screening, A3's on it."""
    mh = patients("""
        USUBJID | MHTERM             | MHDECOD            | MHSTDTC
        --------+--------------------+--------------------+-----------
        A1      | PROSTATE CANCER    | PROSTATE CANCER    | 2017-01-05
        A1      | PROSTATE CANCER    | PROSTATE CANCER    | 2016-01-05
        A1      | METASTASES         | METASTATIC DISEASE | 2017-01-05
        A1      | METASTASES         | METASTATIC DISEASE | 2017-07
        A1      | HYPERTENSION       | HYPERTENSION       | 2010
        A1      | GLEASON SCORE 10   | GLEASON SCORE 10   | 2016
        A1      | GLEASON SCORE 9    | GLEASON SCORE 9    | 2017
        A2      | A GLEASON SCORE 8  | GLEASON            | 2016
        A2      | GLEASON SCORE 8 +  | GLEASON            | 2016
    """)
    cm = patients("""
        USUBJID | CMDECOD      | CMCAT                         | CMSCAT       | CMSTDTC
        --------+--------------+-------------------------------+--------------+-----------
        A2      | ABIRATERONE  | PRIOR ANTICANCER THERAPY      | HORMONAL     | 2019
        A2      | ENZALUTAMIDE | PHYSICIAN'S CHOICE            | HORMONAL     | 2018-09-19
        A2      | DOCETAXEL    | SUBSEQUENT ANTICANCER THERAPY | CHEMOTHERAPY | 2018-02-01
        A2      | DOCETAXEL    | PRIOR ANTICANCER THERAPY      | CHEMOTHERAPY | 2015
        A3      | ENZALUTAMIDE | PHYSICIAN'S CHOICE            | HORMONAL     | 2018-09-04
        A3      | DOCETAXEL    | PHYSICIAN'S CHOICE            | CHEMOTHERAPY | 2018-09-03
        A3      | ABIRATERONE  | SUBSEQUENT ANTICANCER THERAPY | HORMONAL     | 2018-02-01
        B1      | BONE         | PRIOR ANTICANCER THERAPY      | RADIOTHERAPY |
        B1      | ABIRATERONE  | CONCOMITANT MEDICATION        | HORMONAL     | 2015
    """)
    psa = pd.DataFrame(columns=["USUBJID", "ADT", "LBSEQ", "AVAL"])
    psa = psa.astype({"ADT": "datetime64[ns]"})
    got = adbl({"mh": mh, "cm": cm}, people, psa, measurable(), PLAN)
    place = [("B1", "SC"), ("A1", "SC"), ("A2", "SC"), ("A3", "SC"), ("A2", "RE"), ("A3", "RE")]
    expected = {
        "PRIORTRT": ["N", "N", "Y", "N", "Y", "Y"],
        "PRIORCL": ["N", "N", "Y", "N", "Y", "N"],
        "NPRIORCL": ["0", "0", "1", "0", "2", "0"],
        "RADIO": ["Y", "N", "N", "N", "N", "N"],
    }
    for name, answers in expected.items():
        assert of(got, name, "AVALC") == dict(zip(place, answers, strict=True)), name
    assert of(got, "GLEASON", "AVALC") == {("A1", "SC"): "10"}
    # From 2016-01-05 to 2018-01-05 are 731 days, from 2017-01-05 365.
    assert of(got, "TSDIAG", "AVAL") == {("A1", "SC"): pytest.approx(731 / 365.25)}
    assert of(got, "TSMET", "AVAL") == {("A1", "SC"): pytest.approx(365 / 365.25)}


def test_the_results_at_baseline_are_all_of_them(people, found):
    rows = ard.bind(results.rows(adsl=people, adbl=found, plan=PLAN))
    assert set(rows["analysis"]) == {"baseline"}
    # each column of the table: population and group
    assert set(zip(rows["population"], rows["group"], strict=True)) == {
        ("PRIMARY", ""), ("RESCREENED", "treated"), ("RESCREENED", ""), ("GROUPA", ""),
        ("SCREENED", ""), ("SAFETY", ""),
    }  # fmt: skip


BODY = """
    USUBJID | VSSEQ | VSTESTCD | VSSTRESN | VSDTC      | WHY
    --------+-------+----------+----------+------------+--------------------------------------
    B1      | 1     | WEIGHT   | 81       | 2018-01-05 | an earlier one follows
    B1      | 2     | WEIGHT   | 80       | 2018-01-20 | on the reference day
    B1      | 3     | WEIGHT   | 79       | 2018-01-21 | the day after it
    B1      | 4     | HEIGHT   | 200      | 2018-01-05 |
    B1      | 5     | BSA      | 2.11     | 2018-01-20 |
    A2      | 1     | HEIGHT   | 160      | 2018-01-05 | long before re-screening: still counts
    A2      | 2     | WEIGHT   | 70       | 2018-08-30 | before the re-screening
    A2      | 3     | WEIGHT   | 64       | 2018-09-20 | at re-screening
    A3      | 1     | WEIGHT   | 60       | 2018-01-05 | no height
"""


def test_body_measures_and_the_index_of_weight_and_height(patients, people):
    """80 kg and 2.00 m are 20 kg/m2; 64 kg and 1.60 m are 25 kg/m2."""
    psa = pd.DataFrame(columns=["USUBJID", "ADT", "LBSEQ", "AVAL"]).astype(
        {"ADT": "datetime64[ns]"}
    )
    got = adbl({"vs": patients(BODY)}, people, psa, measurable(), PLAN)
    assert of(got, "WEIGHT", "AVAL") == {
        ("B1", "SC"): 80, ("A3", "SC"): 60, ("A2", "RE"): 64,
    }  # fmt: skip
    assert of(got, "HEIGHT", "AVAL") == {
        ("B1", "SC"): 200, ("A2", "SC"): 160, ("A2", "RE"): 160,
    }  # fmt: skip
    assert of(got, "BSA", "AVAL") == {("B1", "SC"): 2.11}
    assert of(got, "BMI", "AVAL") == {("B1", "SC"): 20, ("A2", "RE"): pytest.approx(25)}


SCANS = """
    USUBJID | TUSEQ | TUORRES    | TULOC                 | TUEVAL       | TUDTC      | WHY
    --------+-------+------------+-----------------------+--------------+------------+----------------------
    B1      | 1     | TARGET     | LUNG                  | INVESTIGATOR | 2018-01-20 | on the reference day
    B1      | 2     | NON-TARGET | LYMPH NODES, PELVIC   | INVESTIGATOR | 2018-01-02 |
    B1      | 3     | NEW        | LIVER                 | INVESTIGATOR | 2018-01-21 | the day after it
    A2      | 1     | NON-TARGET | VERTEBRAL COLUMN      | INVESTIGATOR | 2018-01-09 | at the first screening
    A2      | 2     | TARGET     | ADRENAL GLAND         | INVESTIGATOR | 2018-09-10 | at re-screening
    A3      | 1     | TARGET     | LIVER                 | INDEPENDENT ASSESSOR | 2018-01-09 | another reader
"""


def test_sites_of_disease_are_those_recorded_up_to_the_reference_day(patients, people):
    """A1 has no scan: missing, not N. A3's only record is of another evaluator than the plan's."""
    tu = patients(SCANS).assign(TUTESTCD="TUMIDENT")
    psa = pd.DataFrame(columns=["USUBJID", "ADT", "LBSEQ", "AVAL"]).astype(
        {"ADT": "datetime64[ns]"}
    )
    got = adbl({"tu": tu}, people, psa, measurable(B1="Y", A2="N", A3="NE"), PLAN)
    expected = {
        "SLUNG": ("Y", "N", "N"), "SNODE": ("Y", "N", "N"), "SLIVER": ("N", "N", "N"),
        "SBONE": ("N", "Y", "N"), "SOTHER": ("N", "N", "Y"),
    }  # fmt: skip
    place = (("B1", "SC"), ("A2", "SC"), ("A2", "RE"))
    for code, answers in expected.items():
        assert of(got, code, "AVALC") == dict(zip(place, answers, strict=True)), code
    # A2 was treated through re-screening: measurable disease is that of this treatment.
    assert of(got, "MEASDIS", "AVALC") == {("B1", "SC"): "Y", ("A2", "RE"): "N"}


def test_months_since_the_last_end_of_the_prior_treatment(patients, people):
    """To 2018-01-20 from 2017-06-20 are 214 days: 7.03 months of 30.4375 days."""
    cm = patients("""
        USUBJID | CMDECOD   | CMCAT                    | CMSCAT       | CMENDTC
        --------+-----------+--------------------------+--------------+-----------
        B1      | DOCETAXEL | PRIOR ANTICANCER THERAPY | CHEMOTHERAPY | 2016-01-01
        B1      | DOCETAXEL | PRIOR ANTICANCER THERAPY | CHEMOTHERAPY | 2017-06-20
        B1      | GOSERELIN | PRIOR ANTICANCER THERAPY | HORMONAL     | 2018-01-01
        A1      | DOCETAXEL | PRIOR ANTICANCER THERAPY | CHEMOTHERAPY |
        A3      | DOCETAXEL | PHYSICIAN'S CHOICE       | CHEMOTHERAPY | 2018-01-02
    """)
    psa = pd.DataFrame(columns=["USUBJID", "ADT", "LBSEQ", "AVAL"]).astype(
        {"ADT": "datetime64[ns]"}
    )
    got = adbl({"cm": cm}, people, psa, measurable(), PLAN)
    assert of(got, "TSPRIOR", "AVAL") == {("B1", "SC"): pytest.approx(214 / 30.4375)}


def test_characteristics_of_dm_are_those_that_the_plan_lists():
    """Sex of DM where the plan lists it; a column that the data have not is not derived."""
    listed = PLAN.baseline.model_copy(update={"of_dm": ["SEX", "RACE"]})
    plan = PLAN.model_copy(update={"baseline": listed})
    dm = pd.DataFrame({"USUBJID": ["A1", "A2"], "SEX": ["F", "M"]})
    adsl = pd.DataFrame(
        {
            "STUDYID": "T", "USUBJID": ["A1", "A2"], "SCRFL": "Y", "RESCFL": "N", "RESCTRFL": "N", "AGE": 60.0,
            "CTCBL": 5.0, "MARKBL": "POSITIVE", "RESCCTC": None, "RESCMARK": None, "NCYCLES": 1.0,
            **dict.fromkeys(
                ("TRTSDT", "ALLOCDT", "SCRDT", "RFICDT", "RESALLDT", "RESCRDT", "RESCCSDT"),
                pd.Timestamp("2017-01-02"),
            ),
        }
    )  # fmt: skip
    nothing = pd.DataFrame(
        columns=["USUBJID", "ADT", "LBSEQ", "AVAL", "PARAMCD", "AVALC", "AVISIT"]
    )
    made = adbl({"dm": dm}, adsl, nothing, nothing, plan)
    of_dm = made[made["PARAMCD"].isin(["SEX", "RACE"])]
    assert of_dm[["USUBJID", "PARAMCD", "AVALC"]].to_numpy().tolist() == [
        ["A1", "SEX", "F"], ["A2", "SEX", "M"],
    ]  # fmt: skip
