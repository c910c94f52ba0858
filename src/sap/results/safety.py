"""Adverse events: the overview, and SOC and preferred term by worst grade."""

import pandas as pd

from sap import ard
from sap.plan.model import Plan
from sap.results.response import NOBODY
from sap.results.sets import members

METHOD = "Participants, each once at the worst grade; events beside"


def _stats(events: pd.DataFrame, n: int) -> dict[str, ard.type_of_stat]:
    who = int(events["USUBJID"].nunique())
    return {"n": who, "N": n, "estimate": who / n if n else NOBODY, "n_events": len(events)}


def _emergent(adsl: pd.DataFrame, adae: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    people = members(adsl, "SAFETY")
    events = adae[(adae["TRTEMFL"] == "Y") & adae["USUBJID"].isin(people["USUBJID"])]
    return events, len(people)


def ae_overview(adsl: pd.DataFrame, adae: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Participants and events for each line of the overview table."""
    events, n = _emergent(adsl, adae)
    severe = events["ATOXGRN"] >= plan.safety.severe_grade
    related, serious = events["RELFL"] == "Y", events["AESER"] == "Y"
    lines = {
        "Any": events["TRTEMFL"] == "Y",
        "Related": related,
        f"Grade >= {plan.safety.severe_grade}": severe,
        f"Related, grade >= {plan.safety.severe_grade}": related & severe,
        "Serious": serious,
        "Related, serious": related & serious,
        "Leading to dose reduction": events["AEACN"] == "DOSE REDUCED",
        "Leading to delay": events["AEACN"] == "DRUG INTERRUPTED",
        "Leading to discontinuation": events["AEACN"] == "DRUG WITHDRAWN",
        "Fatal": events["FATALFL"] == "Y",
    }
    return [
        ard.rows(
            _stats(events[which], n),
            analysis="ae_overview",
            section=plan.safety.section,
            population="SAFETY",
            paramcd="TEAE",
            level=level,
            method=METHOD,
        )
        for level, which in lines.items()
    ]


def ae_soc_pt(adsl: pd.DataFrame, adae: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """By SOC (level) and preferred term (sublevel): any grade, each worst grade, severe.

    PARAMCD is ANY, GR1 to GR5, GRMISS (no grade recorded) and GRSEV (the plan's severe grade or
    worse). A man stands once in a line, at his worst grade in that line.
    """
    events, n = _emergent(adsl, adae)
    parts = []

    def block(mine: pd.DataFrame, level: str, sublevel: str) -> None:
        worst = mine.groupby("USUBJID")["ATOXGRN"].max()
        counts = {f"GR{grade}": int((worst == grade).sum()) for grade in range(1, 6)}
        counts["GRMISS"] = int(worst.isna().sum())
        counts["GRSEV"] = int((worst >= plan.safety.severe_grade).sum())
        where = {
            "analysis": "ae_soc_pt",
            "section": plan.safety.section,
            "population": "SAFETY",
            "level": level,
            "sublevel": sublevel,
            "method": METHOD,
        }
        parts.append(ard.rows(_stats(mine, n), paramcd="ANY", **where))
        for paramcd, who in counts.items():
            share = who / n if n else NOBODY
            parts.append(ard.rows({"n": who, "N": n, "estimate": share}, paramcd=paramcd, **where))

    for soc, of_soc in events.groupby("AEBODSYS"):
        block(of_soc, str(soc), "")
        for term, of_term in of_soc.groupby("AEDECOD"):
            block(of_term, str(soc), str(term))
    return parts
