"""Baseline values: which day, which value, which category; every answer written by hand."""

import pandas as pd
import pytest

from sap import ard
from sap.derivations.baseline import adbl, episodes
from sap.plan import project_home, read_plan
from sap.results.baseline import baseline

PLAN = read_plan(project_home() / "analysis" / "plan.yml").plan

# B1 treated at once; A1 group A; A2 group A, re-screened and treated; A3 re-screened, not treated.
SUBJECTS = """
| USUBJID | AGE | CTCBL | ARV7BL   | RESCCTC | RESCARV7 | NCYCLES | RESCTRFL | SCRFL | RESCFL | PRIMFL | GRPAFL |
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
    return adbl(tables, people, psa, PLAN)


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
    found = adbl({"lb": lb}, people, psa.astype({"ADT": "datetime64[ns]"}), PLAN)
    values = of(found, "HGB", "AVAL")
    assert set(values) == {("B1", "SC"), ("A1", "SC"), ("A2", "SC")}
    assert all(v == pytest.approx(7.447, abs=5e-4) for v in values.values())


def test_cells_and_ar_v7_are_those_of_the_screening_itself(found):
    assert of(found, "CTC", "AVAL")["A2", "SC"] == 4
    assert of(found, "CTC", "AVAL")["A2", "RE"] == 12
    assert of(found, "ARV7", "AVALC")["A2", "RE"] == "POSITIVE"


def test_history_highest_gleason_and_years_of_twelve_months_of_the_plan(found):
    # 2010-01-20 to 2018-01-20 is 2922 days; 12 x 30.4375 = 365.25
    assert of(found, "TSDIAG", "AVAL")["B1", "SC"] == pytest.approx(8.0)
    # 2016 is taken as 2016-01-01: 993 days to 2018-09-20
    assert of(found, "TSDIAG", "AVAL")["A2", "RE"] == pytest.approx(993 / 365.25)
    assert of(found, "GLEASON", "AVALC") == {("B1", "SC"): "9"}


def test_prior_therapy_a_choice_counts_at_re_screening_when_it_began_before(found):
    arsi = of(found, "ARSI", "AVALC")
    assert arsi["B1", "SC"] == "Y"
    assert (arsi["A2", "SC"], arsi["A2", "RE"]) == ("N", "Y")
    assert arsi["A3", "RE"] == "N"
    assert of(found, "NARSI", "AVALC")["B1", "SC"] == "1"
    assert of(found, "RADIO", "AVALC")["A3", "RE"] == "Y"
    assert of(found, "DOCETAX", "AVALC")["B1", "SC"] == "Y"


def test_therapies_never_recorded_are_missing_and_not_no(people):
    psa = pd.DataFrame(columns=["USUBJID", "ADT", "LBSEQ", "AVAL"])
    found = adbl({}, people, psa.astype({"ADT": "datetime64[ns]"}), PLAN)
    assert of(found, "ARSI", "AVALC") == {}
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
    assert stats("RESCREENED", "HGB", "treated")[["N", "n", "n_missing"]].tolist() == [1, 0, 1]
    assert stats("GROUPA", "CTC")[["n", "min", "max"]].tolist() == [3, 0, 5]
    assert counts("GROUPA", "ARSI") == {"N": 3, "Y": 0, "missing": 0}
    assert counts("GROUPA", "ARV7") == {"NEGATIVE": 2, "NOT DONE": 1, "POSITIVE": 0, "missing": 0}
    assert counts("RESCREENED", "ARV7") == {
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


def test_a_column_without_a_patient_has_no_proportion(people, found):
    rows = ard.bind(baseline(people.assign(PRIMFL="N"), found, PLAN))
    estimates = rows[(rows["population"] == "PRIMARY") & (rows["stat_name"] == "estimate")]
    assert len(estimates) > 0
    assert estimates["stat"].isna().all()
