"""PSA response: the primary table, its sensitivity, the re-screened men, and the waterfall."""

from typing import Unpack

import pandas as pd

from sap import ard
from sap.displays import formats
from sap.displays.addressed import Place, Results, results
from sap.displays.table import Cell, Column, Content, Row, Table, limits, n_pct, pair, span

SETS = {
    "PRIMARY": "Primary",
    "PSAEVAL": "PSA-evaluable",
    "PERPROT": "Per protocol",
    "MARKERPOS": "All marker-positive",
}


def ci_header(found: Results, **where: Unpack[Place]) -> str:
    """The header of a column of intervals, with the level of the plan."""
    return f"{formats.confidence(found.find('conf_level', **where).value)} % CI (%)"


def rate_cells(found: Results, **where: Unpack[Place]) -> tuple[Content, Content, Content]:
    """n (%), N and the interval of one rate."""
    return (
        n_pct(found.count(**where), found.percent(**where)),
        found.count("N", **where),
        limits(found.percent("conf_low", **where), found.percent("conf_high", **where)),
    )


def response() -> Table:
    """Table 14.2.1.1: response in each set, and the re-screened men as a block of their own."""
    found, again = results("psa_response"), results("rescreen_response")
    rows = [Row("First screening", kind="group")]
    for population, words in SETS.items():
        rows.append(
            Row(
                words,
                (
                    *rate_cells(found, population=population),
                    found.count("n_missing", population=population),
                    found.p_value(population=population),
                    found.words("decision", population=population),
                ),
                "indent1",
            )
        )
    rows.append(Row("Treated through re-screening", kind="group"))
    place = Place(population="RESCREENED", paramcd="PSARESP")
    rows.append(
        Row(
            "Re-screened",
            (*rate_cells(again, **place), again.count("n_missing", **place), "", ""),
            "indent1",
        )
    )
    columns = [
        Column("n (%)"),
        Column("N"),
        Column(ci_header(found, population="PRIMARY")),
        Column("NE"),
        Column("p"),
        Column("Decision", numeric=False),
    ]
    return Table("tlf-psa-response", "Analysis set", columns, rows)


def sensitivity() -> Table:
    """Table 14.2.1.2: the primary set by the rule of confirmation."""
    rule = ard.table("plan")["psa_response"]
    lines = {
        "psa_response": f"Confirmed after {rule['confirm_after_days']} days (primary)",
        "psa_response_unconfirmed": "Unconfirmed",
    }
    lines |= {
        f"psa_response_{days}d": f"Confirmed after {days} days"
        for days in rule["sensitivity_confirm_days"]
    }
    rows = []
    for analysis, words in lines.items():
        found = results(analysis)
        rows.append(
            Row(
                words,
                (
                    *rate_cells(found, population="PRIMARY"),
                    found.p_value(population="PRIMARY"),
                    found.words("decision", population="PRIMARY"),
                ),
            )
        )
    header = ci_header(results("psa_response"), population="PRIMARY")
    columns = [
        Column("n (%)"),
        Column("N"),
        Column(header),
        Column("p"),
        Column("Decision", numeric=False),
    ]
    return Table("tlf-psa-sensitivity", "Rule", columns, rows)


def change() -> Table:
    """Table 14.2.1.4: best and week-12 change, and the depths of the plan."""
    found = results("psa_change")
    week = ard.table("plan")["psa_course"]["week_12_day"]
    rows: list[Row] = []
    for paramcd, words in (("PSABEST", "Best change"), ("PSAWK12", f"Change at day {week}")):
        rows.append(Row(words, kind="group"))
        columns = [Place(population=p, paramcd=paramcd, level="") for p in ("PRIMARY", "RESCREENED")]
        rows.append(Row("n", [found.count("n", **c) for c in columns], "indent1"))
        rows.append(Row("Missing", [found.count("n_missing", **c) for c in columns], "indent1"))
        pairs = [pair(found.fixed("mean", 1, **c), found.fixed("sd", 2, **c)) for c in columns]
        rows.append(Row("Mean (SD)", pairs, "indent1"))
        rows.append(Row("Median", [found.fixed("median", 1, **c) for c in columns], "indent1"))
        spans = [span(found.fixed("min", 1, **c), found.fixed("max", 1, **c)) for c in columns]
        rows.append(Row("Min, max", spans, "indent1"))
        for level in found.values("level", population="PRIMARY", paramcd=paramcd):
            if not level:
                continue
            cells: list[Cell] = []
            for population in ("PRIMARY", "RESCREENED"):
                place = Place(population=population, paramcd=paramcd, level=level)
                cells.append(n_pct(found.count(**place), found.percent(**place)))
            rows.append(Row(level[0].upper() + level[1:], cells, "indent1"))
    heads = [
        Column(words, found.count("N", population=p, paramcd="PSABEST", level=""))
        for p, words in (("PRIMARY", "Primary"), ("RESCREENED", "Re-screened"))
    ]
    return Table("tlf-psa-change", "Change of PSA (%)", heads, rows)


def waterfall_data(population: str) -> pd.DataFrame:
    """Each treated man's best change and answer, for the figure; patient-level."""
    adrs, adsl = ard.dataset("adrs"), ard.dataset("adsl")
    flag = {"PRIMARY": "PRIMFL", "RESCREENED": "RESCTRFL"}[population]
    mine = adsl.loc[adsl[flag] == "Y", "USUBJID"]
    best = adrs[(adrs["PARAMCD"] == "PSABEST") & adrs["USUBJID"].isin(mine)]
    answer = adrs[adrs["PARAMCD"] == "PSARESP"].set_index("USUBJID")["AVALC"]
    return pd.DataFrame(
        {
            "USUBJID": best["USUBJID"],
            "PCHG": best["AVAL"],
            "responder": best["USUBJID"].map(answer) == "Y",
        }
    )
