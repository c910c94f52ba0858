"""Medical history, prior therapy and concomitant medication: every answer written by hand."""

import pandas as pd
import pytest

from sap import ard
from sap.derivations.disposition import adcm
from sap.derivations.history import admh
from sap.plan import project_home, read_plan
from sap.results.history import concomitant_medication, medical_history, prior_therapy, rows

PLAN = read_plan(project_home() / "analysis" / "plan.yml").plan

# First dose 2018-03-10, last dose 2018-05-10: concomitant up to 30 days after it, 2018-06-09. H4 was not treated.
ADSL = pd.DataFrame(
    {
        "STUDYID": "T",
        "USUBJID": ["H1", "H2", "H3", "H4"],
        "TRTSDT": pd.to_datetime(["2018-03-10"] * 3 + [None]),
        "TRTEDT": pd.to_datetime(["2018-05-10"] * 3 + [None]),
        "PRIMFL": ["Y", "Y", "N", "N"],
        "SAFFL": ["Y", "Y", "Y", "N"],
        "RESCFL": ["N", "N", "Y", "Y"],
        "RESCTRFL": ["N", "N", "Y", "N"],
    }
)
CONDITIONS = """
    USUBJID | MHSEQ | MHTERM       | MHDECOD      | MHCAT             | MHSTDTC    | FLAG | WHY
    --------+-------+--------------+--------------+-------------------+------------+------+-----------------------
    H1      | 1     | CANCER       | CANCER       | PRIMARY DIAGNOSIS | 2010       | N    | the disease itself
    H1      | 2     | high BP      | HYPERTENSION | MEDICAL HISTORY   | 2018-03-10 | Y    | on the day of the dose
    H1      | 3     | high BP      | HYPERTENSION | MEDICAL HISTORY   | 2010       | Y    | the same term twice
    H2      | 1     | GOUT         |              |                   |            | Y    | no code, no date
    H2      | 2     | HYPERTENSION | HYPERTENSION | MEDICAL HISTORY   | 2018-03-11 | N    | the day after
    H3      | 1     | HYPERTENSION | HYPERTENSION | MEDICAL HISTORY   | 2018       | Y    | may be before
    H4      | 1     | HYPERTENSION | HYPERTENSION | MEDICAL HISTORY   | 2010       | N    | not treated
"""


def counts(found: pd.DataFrame) -> dict[tuple[str, str, str, str], tuple[float, ...]]:
    """By population, group, level and sublevel: n, N and the estimate."""
    wide = found.pivot_table(
        index=["population", "group", "level", "sublevel"], columns="stat_name", values="stat"
    )
    return {key: tuple(row[["n", "N", "estimate"]]) for key, row in wide.iterrows()}


@pytest.mark.worked("medical_history")
def test_conditions_up_to_the_first_dose_are_counted_once_a_patient(patients):
    table = patients(CONDITIONS)
    got = admh({"mh": table}, ADSL)
    assert got["MHHISTFL"].tolist() == table["FLAG"].tolist()
    found = ard.bind(medical_history(ADSL, got, PLAN))
    assert counts(found) == {
        ("PRIMARY", "", "any", ""): (2, 2, 1),
        ("PRIMARY", "", "GOUT", ""): (1, 2, 0.5),
        ("PRIMARY", "", "HYPERTENSION", ""): (1, 2, 0.5),
        ("RESCREENED", "treated", "any", ""): (1, 1, 1),
        ("RESCREENED", "treated", "GOUT", ""): (0, 1, 0),
        ("RESCREENED", "treated", "HYPERTENSION", ""): (1, 1, 1),
        ("SAFETY", "", "any", ""): (3, 3, 1),
        ("SAFETY", "", "GOUT", ""): (1, 3, 1 / 3),
        ("SAFETY", "", "HYPERTENSION", ""): (2, 3, 2 / 3),
    }
    assert medical_history(ADSL, admh({}, ADSL), PLAN) == []


THERAPIES = """
    USUBJID | CMSEQ | CMTRT    | CMDECOD  | CMCAT                         | CMSCAT  | CMCLAS   | CMSTDTC    | CMENDTC    | CMENRTPT | PRE | ON | WHY
    --------+-------+----------+----------+-------------------------------+---------+----------+------------+------------+----------+-----+----+----
    H1      | 1     | DRUG A   | DRUG A   | PRIOR ANTICANCER THERAPY      | HORMONAL |         | 2019       |            |          | Y   | N  | prior by its category
    H1      | 2     | DRUG B   | DRUG B   | PHYSICIAN'S CHOICE            | HORMONAL |         | 2018-03-09 |            |          | Y   | N  | the day before
    H1      | 3     | DRUG C   | DRUG C   | PHYSICIAN'S CHOICE            | HORMONAL |         | 2018-03-10 |            |          | N   | N  | on the day
    H1      | 4     | DRUG D   | DRUG D   | SUBSEQUENT ANTICANCER THERAPY |         |          |            |            |          | N   | N  | no date
    H1      | 5     | PILL     | PILL     | CONCOMITANT MEDICATION        |         | OPIOIDS  | 2010       | 2018-03-10 |          | N   | Y  | ended on the day of the dose
    H2      | 1     | PILL     | PILL     | CONCOMITANT MEDICATION        |         | OPIOIDS  | 2010       | 2018-03-09 |          | N   | N  | ended the day before
    H2      | 2     | PILL     |          | SUPPORTIVE CARE               | G-CSF   |          | 2018-06-09 |            |          | N   | Y  | the last day of the window
    H2      | 3     | TABLET   | TABLET   | SUPPORTIVE CARE               | G-CSF   |          | 2018-06-10 |            |          | N   | N  | a day after it
    H3      | 1     | TABLET   | TABLET   |                               |         |          |            |            | BEFORE   | N   | N  | ended before
    H3      | 2     | TABLET   | TABLET   |                               |         |          |            |            | ONGOING  | N   | Y  | nothing rules it out
    H4      | 1     | DRUG A   | DRUG A   | PRIOR ANTICANCER THERAPY      | HORMONAL |         | 2010       |            |          | N   | N  | not treated
    H4      | 2     | PILL     | PILL     | CONCOMITANT MEDICATION        |         | OPIOIDS  | 2010       |            |          | N   | N  | not treated
"""


@pytest.mark.worked("prior_therapy", "concomitant_medication")
def test_prior_and_concomitant_are_decided_by_category_and_days(patients):
    table = patients(THERAPIES)
    got = adcm({"cm": table}, ADSL, PLAN)
    assert got["PREFL"].tolist() == table["PRE"].tolist()
    assert got["ONTRTFL"].tolist() == table["ON"].tolist()
    prior = counts(ard.bind(prior_therapy(ADSL, got, PLAN)))
    assert {key: n for key, n in prior.items() if key[0] == "SAFETY"} == {
        ("SAFETY", "", "any", ""): (1, 3, 1 / 3),
        ("SAFETY", "", "HORMONAL", ""): (1, 3, 1 / 3),
        ("SAFETY", "", "HORMONAL", "DRUG A"): (1, 3, 1 / 3),
        ("SAFETY", "", "HORMONAL", "DRUG B"): (1, 3, 1 / 3),
    }
    assert prior["RESCREENED", "treated", "any", ""] == (0, 1, 0)
    taken = counts(ard.bind(concomitant_medication(ADSL, got, PLAN)))
    assert {key: n for key, n in taken.items() if key[0] == "SAFETY"} == {
        ("SAFETY", "", "any", ""): (3, 3, 1),
        ("SAFETY", "", "OPIOIDS", ""): (1, 3, 1 / 3),
        ("SAFETY", "", "OPIOIDS", "PILL"): (1, 3, 1 / 3),
        ("SAFETY", "", "G-CSF", ""): (1, 3, 1 / 3),
        ("SAFETY", "", "G-CSF", "PILL"): (1, 3, 1 / 3),
        ("SAFETY", "", "not_classified", ""): (1, 3, 1 / 3),
        ("SAFETY", "", "not_classified", "TABLET"): (1, 3, 1 / 3),
    }
    assert taken["PRIMARY", "", "any", ""] == (2, 2, 1)


def test_without_treated_patients_a_proportion_is_not_estimable(patients):
    """Nobody treated: no record counts, and there is no row."""
    nobody = ADSL.assign(TRTSDT=pd.NaT, TRTEDT=pd.NaT, SAFFL="N", PRIMFL="N", RESCTRFL="N")
    therapies = adcm({"cm": patients(THERAPIES)}, nobody, PLAN)
    history = admh({"mh": patients(CONDITIONS)}, nobody)
    assert rows(adsl=nobody, admh=history, adcm=therapies, plan=PLAN) == []
