"""Demographics and baseline: numbers summarised, categories counted, for each column of the table."""

import pandas as pd

from sap import ard
from sap.plan.model import Plan
from sap.results.disposition import TREATED, people
from sap.results.provenance import makes
from sap.results.rates import REASON_NO_PATIENT, summary

# Population, which of its patients, and the screening whose values are shown.
COLUMNS = (
    ("PRIMARY", "", "SCREENING"),
    ("RESCREENED", TREATED, "RE-SCREENING"),
    ("RESCREENED", "", "RE-SCREENING"),
    ("GROUPA", "", "SCREENING"),
    ("SCREENED", "", "SCREENING"),
)
MISSING = "Missing"


@makes("baseline")
def baseline(adsl: pd.DataFrame, adbl: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Each PARAMCD of ADBL in each column; a characteristic no patient has a value of gives no row.

    Numbers: n, missing, mean, sd, median, quartiles and range. Categories: one level each, and a
    level for those missing; N is every patient of the column, so the levels add up to it.
    """
    known = adbl[adbl["AVAL"].notna() | adbl["AVALC"].notna()]
    parts = []
    for population, group, visit in COLUMNS:
        subjects = people(adsl, population, group)
        at_visit = adbl[adbl["AVISIT"] == visit]
        for paramcd, of_param in known.groupby("PARAMCD"):
            mine = at_visit[at_visit["PARAMCD"] == paramcd].set_index("USUBJID")
            place = {
                "analysis": "baseline",
                "section": plan.analysis_sets.section,
                "population": population,
                "group": group,
                "paramcd": str(paramcd),
                "method": "Descriptive",
            }
            if of_param["AVALC"].notna().any():
                values = subjects["USUBJID"].map(mine["AVALC"])
                levels = sorted(set(of_param["AVALC"].dropna()))
                counts = {str(v): int((values == v).sum()) for v in levels}
                counts[MISSING] = int(values.isna().sum())
                for level, n in counts.items():
                    stats: dict[str, ard.type_of_stat] = {"n": n, "N": len(subjects)}
                    stats["estimate"] = n / len(subjects) if len(subjects) else REASON_NO_PATIENT
                    parts.append(ard.rows(stats, level=level, **place))
                continue
            numbers = subjects["USUBJID"].map(mine["AVAL"]).astype(float)
            parts.append(ard.rows({"N": len(subjects)} | summary(numbers), **place))
    return parts


def rows(*, adsl: pd.DataFrame, adbl: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [
        *baseline(adsl, adbl, plan),
    ]
