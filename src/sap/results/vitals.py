"""Vital signs over time."""

import pandas as pd

from sap import ard
from sap.plan.model import Plan
from sap.results.provenance import makes
from sap.results.rates import over_time
from sap.results.sets import members


@makes("vital_signs")
def vital_signs(adsl: pd.DataFrame, advs: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Values (SUBLEVEL `value`) and changes from baseline (`change`) by visit (LEVEL), for each test.

    The visits are those of `over_time`; a test that was never measured has no row.
    """
    parts = []
    subjects = members(adsl, "SAFETY")["USUBJID"]
    for code, values in advs[advs["USUBJID"].isin(subjects)].groupby("PARAMCD"):
        for (level, sublevel), stats in over_time(values, subjects).items():
            parts.append(
                ard.rows(
                    stats,
                    analysis="vital_signs",
                    section=plan.safety.section,
                    population="SAFETY",
                    paramcd=str(code),
                    level=level,
                    sublevel=sublevel,
                    method="Descriptive",
                )
            )
    return parts


def rows(*, adsl: pd.DataFrame, advs: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Every row of the ARD that this stem makes."""
    return [*vital_signs(adsl, advs, plan)]
