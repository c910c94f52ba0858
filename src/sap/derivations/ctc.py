"""ADCTC and its answers: circulating tumour cells and AR-V7 under study cabazitaxel."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from sap.derivations.dates import earliest_day
from sap.plan.model import Ctc, Screening

Tables = Mapping[str, pd.DataFrame]

BEFORE = ("SCREENING", "RE-SCREENING", "CYCLE 1")


def adctc(tables: Tables, adsl: pd.DataFrame, screening: Screening, rule: Ctc) -> pd.DataFrame:
    """One row per evaluable count of a treated patient, per `screening.volume_ml` mL.

    The count is CPSTRESN; the raw count stays in CPORRES. Baseline is the count of the screening
    that led to treatment (the re-screening for patients treated through it). AR-V7 is the result
    of the same sample (GFREFID = CPREFID), missing when there is none.

    A sample is on treatment (Y), the first case that applies:

    1. No: its visit is a screening, or CYCLE 1: blood is drawn before the infusion of its cycle.
    2. No: dated before the first dose, whatever its visit.
    3. Y: its visit is CYCLE n or END OF TREATMENT, dated or not: the visit places it.
    4. Y: any other visit, dated after the first dose.
    5. No: everything else.

    A count under a new anticancer therapy counts: cells are counted as long as blood is drawn, and
    no new therapy ends it. At the visit of `visit`, of two counts the earlier decides (of one day,
    the lower CPSEQ). The percent change from baseline is rounded to 9 decimals; missing where it
    is 0.
    """
    cp = tables.get("cp", pd.DataFrame()).reindex(
        columns=["USUBJID", "CPSEQ", "CPTESTCD", "CPSTRESN", "CPREFID", "VISIT", "CPDTC"]
    )
    treated = adsl[adsl["NCYCLES"] > 0].set_index("USUBJID")
    cp = cp[(cp["CPTESTCD"] == "CTC") & cp["CPSTRESN"].notna() & cp["USUBJID"].isin(treated.index)]
    who = cp["USUBJID"]
    again = who.map(treated["RESCTRFL"]) == "Y"
    base = who.map(treated["RESCCTC"]).where(again, who.map(treated["CTCBL"])).astype(float)
    day = earliest_day(cp["CPDTC"])
    visit = cp["VISIT"].fillna("").astype(str)
    case = np.select(
        [
            visit.isin(BEFORE),
            day < who.map(treated["TRTSDT"]),
            visit.str.startswith("CYCLE") | (visit == "END OF TREATMENT"),
            day > who.map(treated["TRTSDT"]),
        ],
        [1, 2, 3, 4],
        default=5,
    )
    result = _result_of(tables)
    found = pd.DataFrame(
        {
            "USUBJID": who,
            "PARAMCD": "CTC",
            "PARAM": f"Circulating tumour cells per {screening.volume_ml:g} mL",
            "AVISIT": visit,
            "ADT": day,
            "AVAL": cp["CPSTRESN"].astype(float),
            "BASE": base,
            "PCHG": (100 * (cp["CPSTRESN"] - base) / base).where(base > 0).round(9),
            "ARV7": [result.get(key) for key in zip(who, cp["CPREFID"], strict=True)],
            "ANL01FL": np.where(np.isin(case, (3, 4)), "Y", ""),
            "ANL01CAS": case,
            "CPSEQ": cp["CPSEQ"],
        }
    )
    found = found.sort_values(["USUBJID", "ADT", "CPSEQ"], kind="stable", ignore_index=True)
    there = found[(found["ANL01FL"] == "Y") & (found["AVISIT"] == rule.visit)]
    chosen = there.drop_duplicates("USUBJID").index
    return found.assign(ANL02FL=np.where(found.index.isin(chosen), "Y", ""))


def _result_of(tables: Tables) -> dict[tuple[str, str], str]:
    """AR-V7 by patient and sample; the later record of one sample does not replace the first."""
    gf = tables.get("gf", pd.DataFrame()).reindex(
        columns=["USUBJID", "GFSEQ", "GFTESTCD", "GFSTRESC", "GFREFID"]
    )
    gf = gf[(gf["GFTESTCD"] == "ARV7") & gf["GFSTRESC"].notna() & gf["GFREFID"].notna()]
    gf = gf.sort_values(["USUBJID", "GFSEQ"], kind="stable").drop_duplicates(["USUBJID", "GFREFID"])
    keys = zip(gf["USUBJID"], gf["GFREFID"], strict=True)
    return dict(zip(keys, gf["GFSTRESC"].astype(str), strict=True))


def _answers(
    treated: pd.DataFrame, paramcd: str, param: str, can: pd.Series, on: pd.Series, yes: pd.Series
) -> pd.DataFrame:
    case = np.select([~can, ~on, yes], [1, 2, 3], default=4)
    return pd.DataFrame(
        {
            "STUDYID": treated["STUDYID"],
            "USUBJID": treated["USUBJID"],
            "PARAMCD": paramcd,
            "PARAM": param,
            "AVALC": np.select([case <= 2, case == 3], ["NE", "Y"], default="N"),
            "CASE": case,
        }
    )


def ctc_answers(adsl: pd.DataFrame, adctc: pd.DataFrame, rule: Ctc) -> pd.DataFrame:
    """What became of the cells of each treated patient.

    The first case that applies:

    1. NE: the baseline cannot show it (see below).
    2. NE: no count on treatment (in a set where missing is failure, it counts as N).
    3. Y: it was seen at any count on treatment; no second count confirms it.
    4. N: all others.

    What the baseline must be, and what is seen:

    - CTCRESP: baseline of at least `response_below`; a count below it.
    - CTC0: baseline of at least 1; a count of 0.
    - CTCF30, CTCF50 and so on: baseline of at least `response_below`; a fall of at least
      `depths_pct` percent.
    - CTCRVIS: as CTCRESP, at `visit` alone.
    - ARV7NEG: treated for AR-V7 positive cells; case 2 also when no result on treatment was
      positive or negative; a negative result at any sample. Few cells make "negative" doubtful.
    """
    treated = adsl[adsl["NCYCLES"] > 0].reset_index(drop=True)
    who = treated["USUBJID"]
    again = treated["RESCTRFL"] == "Y"
    base = treated["RESCCTC"].where(again, treated["CTCBL"]).astype(float)
    arv7 = treated["RESCARV7"].where(again, treated["ARV7BL"])
    on = adctc[adctc["ANL01FL"] == "Y"]
    at_visit = adctc[adctc["ANL02FL"] == "Y"]
    determined = on[on["ARV7"].isin(("POSITIVE", "NEGATIVE"))]
    high = base >= rule.response_below

    def seen(rows: pd.DataFrame) -> pd.Series:
        return who.isin(rows["USUBJID"])

    def fell(rows: pd.DataFrame) -> pd.Series:
        return seen(rows[rows["AVAL"] < rule.response_below])

    counted = seen(on)
    negative = seen(determined[determined["ARV7"] == "NEGATIVE"])
    parts = [
        _answers(treated, "CTCRESP", "CTC response", high, counted, fell(on)),
        _answers(treated, "CTC0", "CTC to 0", base >= 1, counted, seen(on[on["AVAL"] == 0])),
        _answers(
            treated,
            "CTCRVIS",
            f"CTC response at {rule.visit}",
            high,
            seen(at_visit),
            fell(at_visit),
        ),
        _answers(
            treated,
            "ARV7NEG",
            "AR-V7 positive to negative",
            arv7 == "POSITIVE",
            seen(determined),
            negative,
        ),
    ]
    for depth in rule.depths_pct:
        deep = seen(on[on["PCHG"] <= -depth])
        parts.append(
            _answers(treated, f"CTCF{depth:g}", f"CTC fall of {depth:g} %", high, counted, deep)
        )
    return pd.concat(parts, ignore_index=True)
